"""The view Quality: findings, silent stations, freshness, snapshots and what changed between two."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from api.page.answer import Context, View, answer
from api.page.reader import Reader
from api.warehouse.answer.dependencies import reads_of
from api.warehouse.answer.reads import Reads
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue
from api.warehouse.question.diff import compare
from api.warehouse.question.quality import read_quality
from ingestion.departments import all_departments
from orchestration.snapshots.snapshots import kept_snapshots

router = APIRouter(include_in_schema=False)

_FIRST = 10  # rows of a table that a person reads; the rest is behind a link
_TABLES = ("by-station", "silent", "freshness", "late", "kept")
_MOST_STATIONS = 200
_MOST_FINDINGS = 60


@router.api_route("/page/quality", methods=["GET", "HEAD"])
async def show_quality(request: Request) -> Response:
    """Show how good the data is: `?rule=jump&station=09289001&before=<id>&after=<id>&all=silent`."""
    reads = reads_of(request)

    def gather(snapshot: OpenSnapshot, executor: Executor, _: Reader) -> Context:
        parameters = request.query_params
        whole = parameters.get("all") or None
        if whole is not None and whole not in _TABLES:
            raise BadValue("all", f"“{whole[:20]}” is no table of this view", f"choose {', '.join(_TABLES)}")
        return {
            "heads": {name: None if name == whole else _FIRST for name in _TABLES},
            **gather_quality(snapshot, executor, parameters.get("rule"), parameters.get("station")),
            **gather_snapshots(snapshot, reads, parameters.get("before"), parameters.get("after")),
        }

    return await answer(request, View("quality.html", gather))


def gather_quality(snapshot: OpenSnapshot, executor: Executor, rule: str | None, station: str | None) -> Context:
    """Gather findings, silence and freshness; the findings themselves of one rule or station when asked."""
    quality = read_quality(snapshot, executor).data
    findings = quality["findings"]
    by_station = findings["by_station"][:_MOST_STATIONS]
    names = _names(snapshot, executor, [row["station_id"] for row in by_station])
    return {
        "quality": quality,
        "rules": findings["by_rule"],
        "stations_with_findings": [{**row, "name": names.get(row["station_id"])} for row in by_station],
        "rows": _rows(snapshot, executor, rule, station),
        "rule": rule,
        "station_id": station,
        "department_names": {department.code: department.name for department in all_departments()},
        "oldest_first": sorted(quality["freshness"]["departments"], key=lambda row: row["newest_observation"]),
        "late": [row for row in quality["freshness"]["stations"] if row["hours_behind"]][:_MOST_STATIONS],
    }


def gather_snapshots(snapshot: OpenSnapshot, reads: Reads, before: str | None, after: str | None) -> Context:
    """Gather the kept snapshots and, when two are chosen, what changed between them."""
    kept = list(reversed(kept_snapshots(reads.warehouse.paths)))
    tables = None
    if before and after:
        lease = reads.warehouse.lease
        with lease(before, field="before") as older, lease(after, field="after") as newer:
            tables = compare(older, newer, reads.settings, reads.executor.deadlines)
    return {"snapshots": kept, "served_id": snapshot.id, "before": before, "after": after, "tables": tables}


def _names(snapshot: OpenSnapshot, executor: Executor, ids: Sequence[str]) -> Mapping[str, str | None]:
    rows = executor.fetch_dicts(
        snapshot, "select station_id, station_name from marts.stations where list_contains(?, station_id)", [list(ids)]
    )
    return {row["station_id"]: row["station_name"] for row in rows}


def _rows(snapshot: OpenSnapshot, executor: Executor, rule: str | None, station: str | None) -> list[dict[str, Any]]:
    asked = {"f.rule": rule, "f.station_id": station}
    conditions = [f"{column} = ?" for column, value in asked.items() if value]
    if not conditions or "meta.quality_findings" not in snapshot.relations:
        return []
    return executor.fetch_dicts(
        snapshot,
        "select f.station_id, s.station_name, f.observed_at, f.field, f.value, f.rule, f.severity"
        " from meta.quality_findings as f left join marts.stations as s using (station_id)"
        f" where {' and '.join(conditions)}"
        f" order by f.observed_at desc nulls last, f.station_id limit {_MOST_FINDINGS}",
        [value for value in asked.values() if value],
    )
