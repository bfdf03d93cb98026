"""Hours of the open archive in a snapshot: one view that unites them with real time, value by value.

A value of the archive comes first unless it is doubtful (code 2), empty, or older than the one real time has. Whatever
the order of loading, the result is the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

import duckdb

from ingestion.archive.hours_sql import FIELDS, hours_sql
from ingestion.archive.ledger import ArchiveFile
from ingestion.archive.named_sql import list_of, map_of
from ingestion.archive.received_file import department_sql
from ingestion.closed_months import has_table
from ingestion.meteofrance.source import OBSERVATIONS
from orchestration.snapshots.describe import describe

# What marts.hourly_observations has for the same quantity, with {0} before each of its columns.
_REAL_TIME = {
    "gust_3s_ms": "case when {0}gust_kind = '3s' then {0}gust_ms end",
    "gust_3s_direction_deg": "case when {0}gust_kind = '3s' then {0}gust_direction_deg end",
    "gust_instantaneous_ms": "case when {0}gust_kind = 'instantaneous' then {0}gust_ms end",
    "gust_instantaneous_direction_deg": "case when {0}gust_kind = 'instantaneous' then {0}gust_direction_deg end",
}
_SPEEDS = {
    "wind_direction_deg": "wind_speed_ms",
    "max_mean_wind_direction_deg": "max_mean_wind_ms",
    "gust_3s_direction_deg": "gust_3s_ms",
    "gust_instantaneous_direction_deg": "gust_instantaneous_ms",
}
_ABOUT = ("station_id", "station_name", "latitude", "longitude", "is_trace", "is_sky_obscured", "rejected_fields")
_COLUMNS = (
    *_ABOUT,
    "gust_ms",
    "gust_direction_deg",
    "gust_kind",
    *(field for field in FIELDS if field not in _REAL_TIME),
)
_BEFORE = "real_time_"  # their names beside the archive's columns


def hourly_history_sql(
    connection: duckdb.DuckDBPyConnection, files: Sequence[ArchiveFile], parquet: Callable[..., str]
) -> str:
    """SELECT every hour of every station, from these files and from marts.hourly_observations."""
    archive = f"({hours_sql(files, parquet)}) as archive"
    present = f"({hours_sql(files, parquet, ('station_id', 'observed_at'))}) as archive"
    both = "archive.station_id = real_time.station_id and archive.observed_at = real_time.observed_at"
    # A build of an older Girouette does not say what its hours came from.
    has_source = _has_source(connection)
    origin = "coalesce({}, 'realtime')" if has_source else "'realtime'"
    columns = (*_COLUMNS, "source") if has_source else _COLUMNS
    theirs = ", ".join(f"real_time.{name} as {_BEFORE}{name}" for name in columns)
    # Subqueries: DuckDB would compute a common table expression that is named twice for all stations.
    return f"""
        {_united(origin.format("archive.real_time_source"))}
        from (
            {_judged()}
            from (
                select archive.*, {theirs}, stamps.reference_time > archive.last_modified as is_older
                from {archive}
                left join marts.hourly_observations as real_time on {both}
                left join ({stamps_sql(connection)}) as stamps
                    on archive.station_id = stamps.station_id and archive.observed_at = stamps.observed_at
            ) as archive
        ) as archive
        union all
        {_real_time_alone(origin.format("real_time.source"))}
        from marts.hourly_observations as real_time
        left join {present} on {both}
        where archive.station_id is null
    """


def stamps_sql(connection: duckdb.DuckDBPyConnection, asked: str | None = None) -> str:
    """SELECT when upstream told the present values of each hour of real time, or of those in the relation `asked`."""
    station, hour = OBSERVATIONS.key
    if not has_stamps(connection):
        return (
            "select null::varchar as station_id, null::timestamptz as observed_at, null::timestamptz as reference_time"
        )
    told = f"try_cast({OBSERVATIONS.true_by} as timestamptz)"
    # A time still to come counts as none, as when real time is loaded (ingestion/merge.py).
    return f"""
        select
            {station} as station_id, {hour} as observed_at,
            arg_max(case when {told} <= version_seen_at + interval 1 day then {told} end, version) as reference_time
        from {OBSERVATIONS.name}
        {f"where ({station}, {hour}) in (select station_id, observed_at from {asked})" if asked else ""}
        group by {station}, {hour}
    """


def has_stamps(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the snapshot has real time's own rows; where months were closed they are a view."""
    return has_table(connection, OBSERVATIONS.name) or _has_view(connection, OBSERVATIONS.name)


def _has_view(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    schema, view = name.split(".")
    found = connection.execute(
        "select count(*) from duckdb_views() where schema_name = ? and view_name = ?", [schema, view]
    ).fetchone()
    return found != (0,)


def _has_source(connection: duckdb.DuckDBPyConnection) -> bool:
    found = connection.execute(
        "select count(*) from duckdb_columns()"
        " where schema_name = 'marts' and table_name = 'hourly_observations' and column_name = 'source'"
    ).fetchone()
    return found != (0,)


def _judged() -> str:
    """SELECT, beside each value of the archive, whether it comes first, whether it is doubtful, and real time's."""
    # Said once, by name: DuckDB takes milliseconds to plan a view that repeats them.
    judged = ", ".join(
        f"archive.{name} is not null and archive.Q{name} is distinct from 2"
        f" and not (archive.is_older is true and {_is_told(field)}) as wins_{name},"
        f" archive.{name} is not null and archive.Q{name} = 2 as is_doubtful_{name}"
        for field, (name, _) in FIELDS.items()
    )
    theirs = ", ".join(f"{real_time_sql(field, f'archive.{_BEFORE}')} as theirs_{field}" for field in FIELDS)
    return (
        f"select archive.*, string_split(archive.{_BEFORE}rejected_fields, ',') as theirs_rejected, {judged}, {theirs}"
    )


def _united(origin: str) -> str:
    """SELECT the hours that the archive has, with real time's values where the archive's do not come first."""
    wins = {field: f"archive.wins_{name}" for field, (name, _) in FIELDS.items()}
    theirs = {field: f"archive.theirs_{field}" for field in FIELDS}
    doubtful = {field: f"archive.is_doubtful_{name}" for field, (name, _) in FIELDS.items()}
    values = ", ".join(
        f"case when {wins[field]} then {how.format('archive.')} else {theirs[field]} end as {field}"
        for field, (_, how) in FIELDS.items()
    )
    code = {
        field: f"archive.Q{name} is distinct from 1 and ({wins[field]} or {doubtful[field]})"
        for field, (name, _) in FIELDS.items()
    }
    quality = {field: f"archive.Q{FIELDS[field][0]}" for field in FIELDS}
    kept = {field: f"{theirs[field]} is not null and not {wins[field]}" for field in FIELDS}
    is_rejected = {
        field: f"{doubtful[field]} or (list_contains(archive.theirs_rejected, '{field}') and not {wins[field]})"
        for field in FIELDS
    }
    value_of = {field: f"{how.format('archive.')}::double" for field, (_, how) in FIELDS.items()}
    octas, rain = wins["cloud_cover_octas"], wins["precipitation_mm"]
    return f"""
        select
            archive.station_id, coalesce(archive.real_time_station_name, archive.station_name) as station_name,
            {department_sql("archive.station_id")} as department_code, archive.observed_at,
            case
                when {" or ".join(wins.values())} or archive.real_time_station_id is null then 'archive'
                else {origin}
            end as source,
            {values},
            case
                when {rain} and archive.RR1 <> 0 then archive.RR1 < 0
                else archive.real_time_is_trace
            end as is_trace,
            case
                when {octas} then try_cast(archive.N as integer) > 8 else archive.real_time_is_sky_obscured
            end as is_sky_obscured,
            coalesce(archive.real_time_latitude, archive.latitude) as latitude,
            coalesce(archive.real_time_longitude, archive.longitude) as longitude,
            {map_of(code, quality)} as quality,
            {list_of(is_rejected)} as rejected_fields,
            {map_of(doubtful, value_of)} as doubtful_values,
            case when archive.real_time_station_id is null then [] else {list_of(kept)} end as fields_from_realtime
    """


def _is_told(field: str) -> str:
    """Whether real time has a value: of calm wind, no direction; of a sky that is hidden, no octas."""
    if field == "cloud_cover_octas":
        return f"(archive.{_BEFORE}{field} is not null or archive.{_BEFORE}is_sky_obscured is true)"
    told_by = _SPEEDS.get(field, field)
    return f"{real_time_sql(told_by, f'archive.{_BEFORE}')} is not null"


def real_time_sql(field: str, before: str) -> str:
    return _REAL_TIME.get(field, f"{{0}}{field}").format(before)


def _real_time_alone(origin: str) -> str:
    """SELECT the hours that the archive does not have, in the same columns."""
    values = ", ".join(f"{real_time_sql(field, 'real_time.')} as {field}" for field in FIELDS)
    return f"""
        select
            real_time.station_id, real_time.station_name, real_time.department_code, real_time.observed_at,
            {origin} as source, {values}, real_time.is_trace, real_time.is_sky_obscured, real_time.latitude,
            real_time.longitude, map {{}} as quality, coalesce(string_split(real_time.rejected_fields, ','), []),
            map {{}}, []
    """


HOURS_DOCS: dict[str, dict[str, Any]] = {
    "marts.hourly_history": describe(
        "Every hour of a station: the open archive's values and those of real time, united value by value.",
        station_id="Météo-France's number of the post, 8 digits.",
        observed_at="The hour that ends then, UTC. Overseas, the archive's local hours are converted.",
        source="`archive` when the archive gave any value, else what `marts.hourly_observations` says.",
        is_trace="Rain was seen, too little to measure. Only real time tells it.",
        quality="Quality code of each archive value that is not 1: 0 protected, 2 doubtful, 9 passed first filters.",
        rejected_fields="Fields whose value was doubtful (code 2) or impossible: NULL here, or the other source's.",
        doubtful_values="The archive's doubtful values, which are not among the fields.",
        fields_from_realtime="Fields of an hour of the archive that real time gave.",
    ),
    "meta.archive_hours_coverage": describe(
        "Hours of the archive per station and month: how many, and how many of some quantities.",
        month="First day of the month, UTC.",
        hours="Hours with a row in the archive. A post read by hand has one a day.",
        quality_0_values="Protected values.",
        quality_1_values="Validated values. NULL in months counted by an older version.",
        quality_2_values="Doubtful values, which are NULL in the marts unless real time has them.",
        quality_9_values="Values that only passed the first filters.",
    ),
}
