"""Merge a parsed packet into raw: a changed value is a new version, an identical one changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from ingestion.meteofrance.schema import OBSERVATION_COLUMNS, STATION_COLUMNS, TECHNICAL_COLUMNS

_STATION_KEY = STATION_COLUMNS[0]


@dataclass(frozen=True)
class MergeCounts:
    """What became of a packet's rows; the four parts add up to the rows seen."""

    new: int
    changed: int
    unchanged: int
    rejected: int


@dataclass(frozen=True)
class _Target:
    """A versioned raw table and how its rows are told apart."""

    table: str
    columns: tuple[str, ...]  # as upstream names them
    compared: tuple[str, ...]  # a difference in one of these makes a new version
    derived: str  # our own columns made from upstream's, as a select list
    derived_names: tuple[str, ...]
    key: tuple[str, ...]
    reject_reason: str  # SQL: why a row cannot be keyed, or null
    last_of_duplicates: str  # which of several rows with one key counts
    window: tuple[str, str, str] | None  # lowest and highest of the incoming keys, and the column they bound
    outdated: str  # SQL: a known version that even the same values replace


_UTC_HOUR = r"\d{4}-\d{2}-\d{2}T\d{2}:00:00(\.0+)?Z"
_UTC_TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z"

OBSERVATIONS = _Target(
    table="raw.observations",
    columns=(*OBSERVATION_COLUMNS, "extra"),
    compared=tuple(
        column
        for column in (*OBSERVATION_COLUMNS, "extra")
        # The technical stamps differ between two endpoints for identical values: they mark no revision.
        if column not in (*TECHNICAL_COLUMNS, "geo_id_insee", "validity_time")
    ),
    derived="try_cast(validity_time as timestamptz) as observed_at",
    derived_names=("observed_at",),
    key=("geo_id_insee", "observed_at"),
    reject_reason=f"""case
        when not coalesce(regexp_full_match(geo_id_insee, '[0-9]{{8}}'), false)
            then 'geo_id_insee is not eight digits'
        when not coalesce(regexp_full_match(validity_time, '{_UTC_TIME}'), false) or observed_at is null
            then 'validity_time is not a UTC time'
        when not regexp_full_match(validity_time, '{_UTC_HOUR}')
            then 'validity_time is not a round hour'
    end""",
    last_of_duplicates="insert_time desc nulls last, position desc",
    window=("min(observed_at)", "max(observed_at)", "observed_at"),
    # Seen before its hour was over it was no measurement yet; seen again afterwards it is.
    outdated="known.observed_at > known.version_seen_at and known.observed_at <= {seen_at}",
)

STATIONS = _Target(
    table="raw.stations",
    columns=STATION_COLUMNS,
    compared=STATION_COLUMNS[1:],
    derived="",
    derived_names=(),
    key=(_STATION_KEY,),
    reject_reason=f"""case
        when not coalesce(regexp_full_match("{_STATION_KEY}", '[0-9]{{8}}'), false)
            then '{_STATION_KEY} is not eight digits'
    end""",
    last_of_duplicates="position desc",
    window=None,
    outdated="false",
)


def merge_rows(
    connection: duckdb.DuckDBPyConnection,
    target: _Target,
    rows: pa.Table,
    present: Sequence[str],
    load_id: int,
    fetched_at: datetime,
) -> MergeCounts:
    """Merge `rows` (text columns in upstream's names) into `target`, inside the caller's transaction.

    `present` names the columns the payload really had. A column it lacks says nothing, so the values
    known so far are carried over: a v1 payload does not erase the 3-second gust of v2, nor the reverse.
    """
    if rows.num_rows == 0:  # an empty JSON packet does not even name its columns
        return MergeCounts(new=0, changed=0, unchanged=0, rejected=0)
    key = _names(target.key)
    # A row that cannot be keyed is like no known one. Not by a condition of its own, `incoming.reason is null`: DuckDB
    # then compares every row with every other.
    same_key = " and ".join(
        f'known."{name}" = case when incoming.reason is null then incoming."{name}" end' for name in target.key
    )
    derived = f", {target.derived}" if target.derived else ""
    told = [column for column in target.compared if column in present]
    # As text first: most rows are the same text, and reading each value as a number takes longer than all the rest.
    is_same_text = " and ".join(f'incoming."{name}" is not distinct from known."{name}"' for name in told)
    differs = " or ".join(f"{_value('incoming', name)} is distinct from {_value('known', name)}" for name in told)
    same_values = f"[{', '.join(_value('incoming', name) for name in told)}]"

    connection.register("packet", rows)
    connection.execute(f"""
        create or replace temp table incoming as
        with numbered as (select *, row_number() over () as position {derived} from packet),
        judged as (select *, {target.reject_reason} as reason from numbered)
        select
            incoming.*,
            {same_values} as same_values,
            first_value(same_values) over same_key as kept_values,
            row_number() over same_key as place
        from judged as incoming
        window same_key as (partition by reason, {key} order by {target.last_of_duplicates})
    """)
    seen_at = f"timestamptz '{fetched_at.isoformat()}'"
    connection.execute(f"""
        create or replace temp table judged as
        with known as (
            select * from {target.table}
            where {_where_known_can_be(connection, target)}
            qualify row_number() over (partition by {key} order by version desc) = 1
        )
        select
            {_names(target.derived_names, "incoming", trailing=True)}
            {_carried(target.columns, present)},
            incoming.position, incoming.reason,
            incoming.reason is null and incoming.place = 1 as is_kept,
            incoming.same_values is distinct from incoming.kept_values as is_contradicted,
            coalesce(known.version, 0) + 1 as version,
            known.first_seen_at,
            known.version is not null as is_known,
            case when {is_same_text} then false else {differs} end as has_other_values,
            known.version is not null
            and (has_other_values or ({target.outdated.format(seen_at=seen_at)})) as is_changed
        from incoming left join known on {same_key}
    """)
    connection.unregister("packet")
    columns = _names((*target.derived_names, *target.columns))
    connection.execute(
        f"""
        insert into {target.table} ({columns}, version, load_id, first_seen_at, version_seen_at)
        select {columns}, version, $load_id, coalesce(first_seen_at, $seen_at), $seen_at
        from judged
        where is_kept and (is_changed or not is_known)
        order by {key}
        """,
        {"load_id": load_id, "seen_at": fetched_at},
    )
    connection.execute(
        f"""
        insert into meta.rejected_rows
        select
            $load_id, position,
            coalesce(reason, 'another row of the same payload has this key and a later insert_time'),
            to_json(struct_pack({", ".join(f'"{name}" := "{name}"' for name in target.columns)}))
        from judged
        where reason is not null or (not is_kept and is_contradicted)
        """,
        {"load_id": load_id},
    )
    counted = connection.execute("""
        select
            count(*) filter (is_kept and not is_known),
            count(*) filter (is_kept and is_changed),
            count(*) filter (
                (is_kept and is_known and not is_changed)
                or (reason is null and not is_kept and not is_contradicted)
            ),
            count(*) filter (reason is not null or (not is_kept and is_contradicted))
        from judged
    """).fetchone()
    connection.execute("drop table incoming; drop table judged")
    assert counted is not None  # noqa: S101 - an aggregate without group by always gives a row
    return MergeCounts(*counted)


def _where_known_can_be(connection: duckdb.DuckDBPyConnection, target: _Target) -> str:
    """Bound the raw table by literals, for which DuckDB skips the row groups outside: it does not for a subquery."""
    if target.window is None:
        return "true"
    lowest, highest, column = target.window
    row = connection.execute(f"select {lowest}, {highest} from incoming where reason is null").fetchone()
    if row is None or row[0] is None:
        return "false"
    return f"{column} between timestamptz '{row[0].isoformat()}' and timestamptz '{row[1].isoformat()}'"


def _value(table: str, column: str) -> str:
    """Compare as numbers where both are: `80` in one format and `80.0` in another are one value."""
    return f'coalesce(try_cast({table}."{column}" as double)::varchar, {table}."{column}")'


def _names(columns: Sequence[str], table: str = "", *, trailing: bool = False) -> str:
    prefix = f"{table}." if table else ""
    listed = ", ".join(f'{prefix}"{column}"' for column in columns)
    return f"{listed}," if trailing and listed else listed


def _carried(columns: Sequence[str], present: Sequence[str]) -> str:
    return ", ".join(f'{"incoming" if name in present else "known"}."{name}"' for name in columns)
