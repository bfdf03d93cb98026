"""What a free period was like at a place or at stations: sums, means, extremes, days over or under, hours missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from api.warehouse.answer.render import Rows
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue
from api.warehouse.question.locate import Limits, Located, locate, none_around, stations_around
from api.warehouse.question.period_sql import period_sql
from api.warehouse.question.quantities import Quantity, read_quantities
from api.warehouse.question.span import Span, read_span, zone_of
from api.warehouse.question.station_profile import newest_hour
from api.warehouse.question.stations import STATIONS, resolve_departments, resolve_stations
from api.warehouse.question.tables import relation_of

_CANDIDATES = 12  # stations around a place that may stand for it in one quantity or another
_ENOUGH = 0.9  # of the hours that the best station around has: the nearest with so many stands for the place


@dataclass(frozen=True)
class PeriodRequest:
    """Which period, where, and of which quantities."""

    limit: int
    place: str | None = None
    near: str | None = None
    altitude: float | None = None
    max_km: float = 50.0
    max_height_m: float = 300.0
    by_altitude: bool = True
    station: Sequence[str] = ()
    dept: Sequence[str] = ()
    since: str | None = None
    until: str | None = None
    fields: str | None = None
    over: float | None = None
    under: float | None = None
    days: str = "day"
    top: int | None = None
    tz: str | None = None

    @property
    def limits(self) -> Limits:
        """How far and how much above or below a station may be."""
        return Limits(self.max_km, self.max_height_m if self.by_altitude else None)


def read_period(snapshot: OpenSnapshot, executor: Executor, request: PeriodRequest) -> Rows:
    """One row per quantity, for the station that stands for the place; or per quantity and station."""
    hourly = relation_of(snapshot, "marts", "hourly_observations")
    quantities = read_quantities(request.fields, hourly)
    if (request.over, request.under) != (None, None) and len(quantities) != 1:
        raise BadValue("over" if request.over is not None else "under", "a threshold is of one quantity",
                       "name one in fields, such as fields=temperature_c")  # fmt: skip
    located = locate(snapshot, executor, request.place, request.near, request.altitude)
    if located is not None and (request.station or request.dept):
        raise BadValue("place" if request.place else "near", "stations are named too", "give a place, or stations")
    around = stations_around(snapshot, executor, located.point, request.limits, _CANDIDATES) if located else None
    stations = around if around is not None else _stations(snapshot, executor, request)
    newest = newest_hour(snapshot) or datetime.now(UTC)
    tz = request.tz or zone_of({row["department_code"] for row in stations})
    span = read_span(request.since, request.until, tz, datetime.now(UTC), newest)
    members = _say(located, span)
    if located and not stations:
        return Rows(_table([]), members=members | {"message": none_around(located, request.limits)}, tz=tz)
    is_everywhere = not (located or request.station or request.dept)
    ids = None if is_everywhere else [row["station_id"] for row in stations]
    rows = _count(snapshot, executor, hourly.sql, span, ids, quantities, request)
    by_id = {row["station_id"]: row for row in stations}
    order = {station_id: place for place, station_id in enumerate(by_id)}
    rows = [by_id[row["station_id"]] | row for row in rows if row["station_id"] in by_id]
    rows.sort(key=lambda row: (row["place"], order[row["station_id"]]))
    if located:
        rows = _nearest_with_enough(rows)
    if request.top is not None:
        rows = _highest_and_lowest(rows, request.top)
    if missing := [item.name for place, item in enumerate(quantities) if all(row["place"] != place for row in rows)]:
        members["message"] = _nothing(snapshot, span, missing)
    elif rows and (begins := min(row["first_observed_at"] for row in rows)) > span.first_hour:
        members["message"] = (
            f"the hours here begin at {begins.astimezone(UTC):%Y-%m-%dT%H:%MZ};"
            f" /climate/{rows[0]['station_id']}/history has the official days before, where the archive is loaded"
        )
    return Rows(_table(rows[: request.limit]), members=members, tz=tz, is_lasting=span.is_lasting)


def _stations(snapshot: OpenSnapshot, executor: Executor, request: PeriodRequest) -> list[dict[str, Any]]:
    """The stations named, or all that have hours."""
    conditions, params = ["last_observed_at is not null"], []
    if request.station:
        params += resolve_stations(snapshot, executor, request.station)
        conditions.append(f"station_id in ({', '.join('?' * len(params))})")
    if request.dept:
        codes = resolve_departments(request.dept)
        conditions.append(f"department_code in ({', '.join('?' * len(codes))})")
        params += codes
    return executor.fetch_dicts(
        snapshot,
        "select station_id, station_name, department_code, null::double as distance_km, altitude_m,"
        f" null::double as higher_m, first_observed_at from {STATIONS}"
        f" where {' and '.join(conditions)} order by station_id",
        params,
    )


def _count(
    snapshot: OpenSnapshot,
    executor: Executor,
    relation: str,
    span: Span,
    ids: Sequence[str] | None,
    quantities: Sequence[Quantity],
    request: PeriodRequest,
) -> list[dict[str, Any]]:
    first, last = span.first_hour, span.last_hour
    if first > last or not quantities or ids == []:
        return []
    thresholds: list[Any] = []
    for item in quantities:
        given = (request.over, request.under)
        thresholds += [*(given if given != (None, None) else (item.over, item.under)), last]
    return executor.fetch_dicts(
        snapshot,
        period_sql(relation, None if ids is None else len(ids), quantities, by_night=request.days == "night"),
        [span.tz, first, last, span.tz, first, last, *(ids or ()), *thresholds],
    )


def _nearest_with_enough(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each quantity the nearest station that has nearly as many hours as any of them."""
    chosen: dict[int, dict[str, Any]] = {}
    most: dict[int, int] = {}
    for row in rows:
        most[row["place"]] = max(most.get(row["place"], 0), row["hours_there"])
    for row in rows:
        if row["place"] not in chosen and row["hours_there"] >= _ENOUGH * most[row["place"]]:
            chosen[row["place"]] = row
    return list(chosen.values())


def _highest_and_lowest(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Of each quantity the stations with the highest and those with the lowest values, the highest first."""
    kept: list[dict[str, Any]] = []
    for place in sorted({row["place"] for row in rows}):
        of_place = [row for row in rows if row["place"] == place]
        is_sum = any(row["sum_there"] is not None for row in of_place)
        highest, lowest = ("sum_there", "sum_there") if is_sum else ("max", "min")
        down = sorted((r for r in of_place if r[highest] is not None), key=lambda r: -r[highest])[:count]
        up = sorted((r for r in of_place if r[lowest] is not None), key=lambda r: r[lowest])[:count]
        kept += [*down, *(row for row in reversed(up) if row not in down)]
    return kept


def _say(located: Located | None, span: Span) -> dict[str, Any]:
    """What was understood: the place and the period, in the clock of its days."""
    told: dict[str, Any] = {"place": dict(located.facts)} if located else {}
    return told | {
        "period": {
            "since": span.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "until": span.until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tz": span.tz,
            "hours": max(0, round((span.last_hour - span.first_hour).total_seconds() / 3600) + 1),
        }
    }


def _nothing(snapshot: OpenSnapshot, span: Span, missing: Sequence[str]) -> str:
    newest = snapshot.manifest.newest_observation
    if span.first_hour > span.last_hour:
        return f"no hour of this period has come yet: the newest one is {newest}"
    return f"no station asked has an hour of {', '.join(missing)} in this period; the newest hour is {newest}"


_COLUMNS = (
    ("quantity", pa.string()), ("station_id", pa.string()), ("station_name", pa.string()),
    ("department_code", pa.string()), ("distance_km", pa.float64()), ("altitude_m", pa.float64()),
    ("higher_m", pa.float64()), ("hours_there", pa.int64()), ("hours_missing", pa.int64()), ("sum", pa.float64()),
    ("sum_there", pa.float64()), ("mean", pa.float64()), ("min", pa.float64()), ("min_at", pa.timestamp("us", "UTC")),
    ("max", pa.float64()), ("max_at", pa.timestamp("us", "UTC")), ("last", pa.float64()),
    ("last_at", pa.timestamp("us", "UTC")), ("over", pa.float64()), ("hours_over", pa.int64()),
    ("days_over", pa.int64()), ("days_over_unsure", pa.int64()), ("last_over_at", pa.timestamp("us", "UTC")),
    ("hours_missing_after", pa.int64()), ("under", pa.float64()), ("hours_under", pa.int64()),
    ("days_under", pa.int64()), ("days_under_unsure", pa.int64()),
)  # fmt: skip


def _table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    schema = pa.schema(list(_COLUMNS))
    return pa.Table.from_pylist([{name: row[name] for name in schema.names} for row in rows], schema=schema)
