"""The posts of the archive by id or name, what else they were called, and what is said when they have no rows."""

from datetime import timedelta
from typing import Any

from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import ArchiveEmpty, BadValue, NotFound
from api.warehouse.question.stations import ids_by_name
from ingestion.archive.aliases import ALIASES, newest_id
from ingestion.departments import fold

_LOOK_AT = "/archive/coverage"


def has_archive(snapshot: OpenSnapshot) -> bool:
    """Whether the snapshot shows the open archive."""
    return "marts.daily_history" in snapshot.relations


def require_archive(snapshot: OpenSnapshot) -> None:
    if not has_archive(snapshot):
        raise ArchiveEmpty


def find_post(snapshot: OpenSnapshot, executor: Executor, text: str) -> str:
    """Find the one post of the archive or of the stations meant by an id or a name; closed posts are there too."""
    require_archive(snapshot)
    if snapshot.post_names is None:
        is_new = "meta.archive_hours_coverage" in snapshot.relations
        hours = " union select station_id, station_name from meta.archive_hours_coverage" if is_new else ""
        rows = executor.fetch_dicts(
            snapshot,
            "select distinct station_id, station_name from meta.archive_coverage"
            f"{hours} union select station_id, station_name from marts.stations order by station_id",
        )
        snapshot.post_names = ids_by_name((row["station_id"], row["station_name"]) for row in rows)
    found = snapshot.post_names.get(fold(text), [])
    if not found:
        raise NotFound("station", text, list(snapshot.post_names), field="station", look_at=_LOOK_AT)
    # A name that a post bears under both of its numbers means the new one.
    current = [post for post in found if newest_id(post) == post or newest_id(post) not in found]
    if len(current) > 1:
        raise BadValue(
            "station", f"{len(current)} stations are called “{text[:60]}”", f"give an id: {', '.join(current)}"
        )
    return current[0]


def known_as(post: str) -> dict[str, Any]:
    """Tell, as a member beside `data`, of the number that a post had before or has since. Its rows are not joined."""
    others = [
        {"station_id": alias.former_id, "until": (alias.since - timedelta(days=1)).isoformat()}
        for alias in ALIASES
        if alias.station_id == post
    ] + [
        {"station_id": alias.station_id, "since": alias.since.isoformat()}
        for alias in ALIASES
        if alias.former_id == post
    ]
    return {"also_known_as": others} if others else {}


def say_if_empty(snapshot: OpenSnapshot, executor: Executor, post: str, *, is_empty: bool) -> dict[str, str]:
    """Tell, as a member beside `data`, which days are known of a post that has no row for this question."""
    if not is_empty:
        return {}
    (row,) = executor.fetch_dicts(
        snapshot,
        "select min(observed_date) as first, max(observed_date) as last from marts.daily_history where station_id = ?",
        [post],
        post,
    )
    if row["first"] is None:
        return {"message": f"no day of {post} is known; {_LOOK_AT} lists the stations with history"}
    return {"message": f"no row fits; days of {post}: {row['first']} to {row['last']}"}
