"""What the station at a place does not measure, from the next station that does, for the same hour.

The next one is not only near: a valley is not filled from a summit. Height counts as distance, and a station too far
above or below does not fill at all. It is measured from the place, or from the station whose row is filled.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from api.warehouse.open.catalog import Relation, quoted
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.question.filters import Condition
from api.warehouse.question.locate import Limits
from api.warehouse.question.places import DISTANCE, KM_PER_METRE, Point
from api.warehouse.question.units import Selected

# What belongs to the station or the row itself and is never taken from another station.
_OWN = frozenset(
    ["station_id", "station_name", "department_code", "observed_at", "first_seen_at", "revised_at", "altitude_m",
     "latitude", "longitude", "source"]
)  # fmt: skip


def fill_row(
    snapshot: OpenSnapshot,
    executor: Executor,
    relation: Relation,
    selected: Sequence[Selected],
    main: str,
    point: Point,
    limits: Limits,
    conditions: Sequence[Condition],
) -> tuple[pa.Table, dict[str, Any]]:
    """The main station's row, filled; and for each filled field its station."""
    donor = "{station_id: station_id, station_name: station_name, distance_km: distance_km, higher_m: higher_m}"
    # A column goes by its metric name in the table and by the name asked for in the answer.
    by_name = {item.name: item for item in selected}
    fillable = [name for name in by_name if name not in _OWN]
    names = [
        f"first({item.sql} order by place)"
        f"{f' filter ({item.sql} is not null)' if item.name in fillable else ''} as {quoted(item.name)}"
        for item in selected
    ]
    donors = [
        f"{quoted(name)}: first({donor} order by place) filter ({by_name[name].sql} is not null)" for name in fillable
    ]
    sources = f", {{{', '.join(donors)}}} as donors" if donors else ""
    where = " and ".join(condition.sql for condition in conditions)
    found = executor.fetch(
        snapshot,
        f"""
        with
        main as (select observed_at as hour, coalesce(cast(? as double), altitude_m) as height
                 from {relation.sql} where station_id = ?),
        near as (select *, {DISTANCE} as distance_km, round(altitude_m - height) as higher_m
                 from {relation.sql} cross join main where observed_at = hour and {where}),
        ranked as (select *, row_number() over (order by station_id <> ?, distance_km
                       + {KM_PER_METRE} * coalesce(abs(case when ? then higher_m end), 0), station_id) as place
                   from near
                   where station_id = ? or coalesce(abs(higher_m) <= cast(? as double), true))
        select {", ".join(names)}, first(distance_km order by place) as distance_km,
            first(higher_m order by place) as higher_m{sources} from ranked
        """,
        [point.altitude_m, main, *point.params, *(value for item in conditions for value in item.params), main,
         limits.max_height_m is not None, main, limits.max_height_m],
    )  # fmt: skip
    given = found.column("donors")[0].as_py() if donors else {}
    filled_from = {name: who for name, who in given.items() if who is not None and who["station_id"] != main}
    return found.select([*by_name, "distance_km", *(["higher_m"] if point.altitude_m is not None else [])]), filled_from
