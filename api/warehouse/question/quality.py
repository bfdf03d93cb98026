"""How good the data is: findings, dbt's results, freshness, silent stations, loads."""

from typing import Any

from api.address import at
from api.warehouse.answer.render import Document
from api.warehouse.open.catalog import Relation
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot

_MOST_LISTED = 200
_FINDINGS = "meta.quality_findings"
_TIME = "strftime({}, '%Y-%m-%dT%H:%M:%SZ')"


def read_quality(snapshot: OpenSnapshot, executor: Executor) -> Document:
    """Gather everything that says how good the snapshot's data is."""
    silent = executor.fetch_dicts(
        snapshot,
        f"select station_id, station_name, department_code, {_TIME.format('silent_since')} as silent_since"
        " from marts.stations where silent_since is not null order by silent_since desc, station_id",
    )
    return Document(
        {
            "findings": _findings(snapshot, executor),
            "dbt": snapshot.manifest.dbt,
            "freshness": {
                "measured_from": snapshot.manifest.newest_observation,
                "departments": _freshness_of_departments(snapshot, executor),
                "stations": _freshness_of_stations(snapshot, executor),
            },
            "silent_stations": {
                "count": len(silent),
                "stations": silent[:_MOST_LISTED],
                "never_reported": _never_reported(snapshot, executor),
            },
            "loads": _loads(snapshot, executor),
            "rejected_rows": executor.fetch_dicts(
                snapshot,
                "select reason, count(*) as rows from meta.rejected_rows group by all order by rows desc, reason",
            ),
        }
    )


def _findings(snapshot: OpenSnapshot, executor: Executor) -> dict[str, Any]:
    """Findings counted by rule, station and département; the rows themselves are a table."""
    relation = snapshot.relations.get(_FINDINGS)
    if relation is None:  # a snapshot from before the pipeline wrote findings
        return {"count": 0, "by_rule": [], "by_station": [], "by_department": [], "rows": None}
    (total,) = executor.fetch_dicts(snapshot, f"select count(*) as count from {relation.sql}")
    return {
        "count": total["count"],
        "by_rule": _count_by(snapshot, executor, relation, ["rule", "severity"]),
        "by_station": _count_by(snapshot, executor, relation, ["station_id"]),
        "by_department": executor.fetch_dicts(
            snapshot,
            f"select department_code, count(*) as count from {relation.sql}"
            " group by all order by count desc, department_code",
        ),
        "rows": at(f"/warehouse/tables/{relation.schema}/{relation.name}"),
    }


def _count_by(
    snapshot: OpenSnapshot, executor: Executor, relation: Relation, columns: list[str]
) -> list[dict[str, Any]]:
    known = [column for column in columns if column in relation.by_name]
    names = ", ".join(known)
    return executor.fetch_dicts(
        snapshot,
        f"select {names}, count(*) as count from {relation.sql} group by all"
        f" order by count desc, {names} limit {_MOST_LISTED}",
    )


def _freshness_of_departments(snapshot: OpenSnapshot, executor: Executor) -> list[dict[str, Any]]:
    return executor.fetch_dicts(
        snapshot,
        "select department_code, any_value(department_name) as department_name, count(*) as stations,"
        f" {_TIME.format('max(last_observed_at)')} as newest_observation,"
        f" {_TIME.format('min(last_observed_at)')} as oldest_of_newest from marts.stations"
        " where observed_hours > 0 group by department_code order by department_code",
    )


def _freshness_of_stations(snapshot: OpenSnapshot, executor: Executor) -> list[dict[str, Any]]:
    return executor.fetch_dicts(
        snapshot,
        "select station_id, station_name, department_code,"
        f" {_TIME.format('last_observed_at')} as newest_observation,"
        " date_diff('hour', last_observed_at, max(last_observed_at) over ()) as hours_behind from marts.stations"
        " where observed_hours > 0 order by last_observed_at, station_id",
    )


def _never_reported(snapshot: OpenSnapshot, executor: Executor) -> int:
    """Listed stations of the départements that are fetched, without a single hour."""
    (row,) = executor.fetch_dicts(
        snapshot,
        "select count(*) as stations from marts.stations where observed_hours = 0 and department_code in"
        " (select department_code from marts.stations where observed_hours > 0)",
    )
    return int(row["stations"])


def _loads(snapshot: OpenSnapshot, executor: Executor) -> list[dict[str, Any]]:
    return executor.fetch_dicts(
        snapshot,
        "select load_id, run_id, dataset, scope, status, rows_seen, rows_new, rows_changed, rows_unchanged,"
        f" rows_rejected, {_TIME.format('fetched_at')} as fetched_at, seconds, error"
        f" from meta.loads order by load_id desc limit {_MOST_LISTED}",
    )
