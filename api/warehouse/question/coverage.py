"""What the open archive covers: official days or hours of each station, of which quantities, and how well validated."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.warehouse.answer.render import Rows
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import ArchiveEmpty
from api.warehouse.question.climate import read_page
from api.warehouse.question.filters import Condition
from api.warehouse.question.paging import Bounds
from api.warehouse.question.posts import find_post
from api.warehouse.question.stations import resolve_departments
from ingestion.archive.day_quantities import FIELDS
from ingestion.archive.hours_days import COUNTED

_CODES = (0, 2, 9)
_SAID = (
    "A share is part of all values of the station or its year or month. `validated_share` is of codes 0 (protected) and"
    " 1 (validated); 2 is doubtful, 9 passed the first filters."
)


@dataclass(frozen=True, kw_only=True)
class CoverageRequest(Bounds):
    """Which part of the coverage is wanted."""

    dept: Sequence[str] = ()
    station: str | None = None
    dataset: str = "days"
    by: str = "station"


def read_coverage(snapshot: OpenSnapshot, executor: Executor, request: CoverageRequest) -> Rows:
    """How many official days or hours there are, of each quantity and quality."""
    table = "meta.archive_coverage" if request.dataset == "days" else "meta.archive_hours_coverage"
    if table not in snapshot.relations:  # no archive, or published by an older version
        raise ArchiveEmpty
    conditions, params = ["true"], []
    if request.station is not None:
        conditions.append("station_id = ?")
        params.append(find_post(snapshot, executor, request.station))
    if request.dept:
        codes = resolve_departments(request.dept)
        conditions.append(f"department_code in ({', '.join('?' * len(codes))})")
        params += codes
    period = {"station": "", "year": "year(month) as year,", "month": "month,"}[request.by]
    grouped = {"station": "", "year": ", year(month)", "month": ", month"}[request.by]
    has_validated = "quality_1_values" in snapshot.relations[table].by_name
    sums = _of_days() if request.dataset == "days" else _of_hours(has_validated=has_validated)
    sql = f"""(
        select
            station_id, max_by(station_name, month) as station_name, department_code, {period}
            min(month) as first_month, max(month) as last_month, {sums}
        from {table}
        where {" and ".join(conditions)}
        group by station_id, department_code{grouped}
    )"""
    key = "station_id" if request.by == "station" else f"station_id, {request.by}"
    found = read_page(snapshot, executor, Condition(sql, tuple(params)), key, request)
    return Rows(found.table, found.next_cursor, members={"rule": _SAID})


def _of_days() -> str:
    """Sums of the counts. Those of the quantities leave doubtful values out; a code that is not counted is 1."""
    there = " + ".join(f"sum({name}_days)" for name in FIELDS)
    share = f"round(({there} - sum(quality_9_values)) / nullif({there} + sum(quality_2_values), 0), 4)"
    counted = ("days", *(f"{name}_days" for name in FIELDS), *(f"quality_{code}_values" for code in _CODES))
    return ", ".join([*map(_sum, counted), f"{share} as validated_share"])


def _of_hours(*, has_validated: bool) -> str:
    """Sums of the counts and their shares. Files of an older version do not count the validated values."""
    codes = (0, 1, 2, 9)
    known = {code: f"sum(quality_{code}_values)" if code != 1 or has_validated else "null" for code in codes}
    # NULL where any of the months did not count them.
    if has_validated:
        known[1] = "case when count(quality_1_values) = count(*) then sum(quality_1_values) end"
    values = " + ".join(known.values())
    shares = [f"round({known[code]} / nullif({values}, 0), 4) as quality_{code}_share" for code in codes]
    counts = [f"({known[code]})::bigint as quality_{code}_values" for code in codes]
    validated = f"round(({known[0]} + {known[1]}) / nullif({values}, 0), 4) as validated_share"
    return ", ".join([_sum("hours"), *(_sum(f"{name}_hours") for name in COUNTED), *counts, *shares, validated])


def _sum(name: str) -> str:
    return f"sum({name})::bigint as {name}"
