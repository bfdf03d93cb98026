"""Merge a parsed packet into raw: a changed value is a new version, an identical one changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from ingestion.source import EXTRA, Packet, RawTable


@dataclass(frozen=True)
class MergeCounts:
    """What became of a packet's rows; the four parts add up to the rows seen."""

    new: int
    changed: int
    unchanged: int
    rejected: int


def merge_rows(
    connection: duckdb.DuckDBPyConnection,
    target: RawTable,
    packet: Packet,
    load_id: int,
    fetched_at: datetime,
) -> MergeCounts:
    """Merge a packet into `target`, inside the caller's transaction.

    Values of columns that the payload lacks are carried over: a v1 payload does not erase the 3-second gust
    of v2, nor the reverse.
    """
    present = (*packet.present_columns, *([EXTRA] if packet.extra_columns else []))
    if packet.rows.num_rows == 0:  # an empty JSON packet does not even name its columns
        return MergeCounts(new=0, changed=0, unchanged=0, rejected=0)
    key = _names(target.key)
    # A row that cannot be keyed is like no known one. Not by a condition of its own, `incoming.reason is null`: DuckDB
    # then compares every row with every other.
    same_key = " and ".join(
        f'known."{name}" = case when incoming.reason is null then incoming."{name}" end' for name in target.key
    )
    hour = ("observed_at",) if target.observed_at else ()
    derived = f", {target.observed_at} as observed_at" if target.observed_at else ""
    told = [column for column in target.compared if column in present]
    # As text first: most rows are the same text, and reading each value as a number takes longer than all the rest.
    is_same_text = " and ".join(f'incoming."{name}" is not distinct from known."{name}"' for name in told)
    differs = " or ".join(f"{_value('incoming', name)} is distinct from {_value('known', name)}" for name in told)
    same_values = f"[{', '.join(_value('incoming', name) for name in told)}]"

    connection.register("packet", packet.rows)
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
    # A row seen before its hour was over was no measurement yet. The same values seen after it are.
    outdated = f"known.observed_at > known.version_seen_at and known.observed_at <= {seen_at}" if hour else "false"
    connection.execute(f"""
        create or replace temp table judged as
        with known as (
            select * from {target.name}
            where {_where_known_can_be(connection, target)}
            qualify row_number() over (partition by {key} order by version desc) = 1
        )
        select
            {_names(hour, "incoming", trailing=True)}
            {_carried(target.columns, present)},
            incoming.position, incoming.reason,
            incoming.reason is null and incoming.place = 1 as is_kept,
            incoming.same_values is distinct from incoming.kept_values as is_contradicted,
            coalesce(known.version, 0) + 1 as version,
            known.first_seen_at,
            known.version is not null as is_known,
            case when {is_same_text} then false else {differs} end as has_other_values,
            known.version is not null
            and (has_other_values or ({outdated})) as is_changed
        from incoming left join known on {same_key}
    """)
    connection.unregister("packet")
    columns = _names((*hour, *target.columns))
    connection.execute(
        f"""
        insert into {target.name} ({columns}, version, load_id, first_seen_at, version_seen_at)
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


def _where_known_can_be(connection: duckdb.DuckDBPyConnection, target: RawTable) -> str:
    """Bound the raw table by literals, for which DuckDB skips the row groups outside: it does not for a subquery."""
    if target.observed_at is None:
        return "true"
    row = connection.execute("select min(observed_at), max(observed_at) from incoming where reason is null").fetchone()
    if row is None or row[0] is None:
        return "false"
    return f"observed_at between timestamptz '{row[0].isoformat()}' and timestamptz '{row[1].isoformat()}'"


def _value(table: str, column: str) -> str:
    """Compare as numbers where both are: `80` in one format and `80.0` in another are one value."""
    return f'coalesce(try_cast({table}."{column}" as double)::varchar, {table}."{column}")'


def _names(columns: Sequence[str], table: str = "", *, trailing: bool = False) -> str:
    prefix = f"{table}." if table else ""
    listed = ", ".join(f'{prefix}"{column}"' for column in columns)
    return f"{listed}," if trailing and listed else listed


def _carried(columns: Sequence[str], present: Sequence[str]) -> str:
    return ", ".join(f'{"incoming" if name in present else "known"}."{name}"' for name in columns)
