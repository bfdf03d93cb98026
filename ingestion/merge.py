"""Merge a parsed packet into raw: a changed value is a new version, an identical one changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import pyarrow as pa

from ingestion.plausible import (
    check_quantities,
    hold_cut_list,
    hold_mass_correction,
    refuse_foreign,
    repeats_what_was_held,
)
from ingestion.source import EXTRA, Packet, RawTable


@dataclass(frozen=True)
class MergeCounts:
    """What became of a packet's rows; the four parts add up to the rows seen."""

    new: int
    changed: int
    unchanged: int
    rejected: int
    older: int = 0  # of the unchanged: their values differ, but what is known is the later word
    left: int = 0  # known rows that a whole list no longer names; not among the rows seen


@dataclass(frozen=True)
class Merged:
    """The counts, and what a person should hear about the packet."""

    counts: MergeCounts
    remarks: tuple[str, ...] = ()


def merge_rows(
    connection: duckdb.DuckDBPyConnection,
    target: RawTable,
    packet: Packet,
    load_id: int,
    fetched_at: datetime,
    *,
    is_of_scope: str | None = None,
    is_confirmed: bool = True,
    held: pa.Table | None = None,
) -> Merged:
    """Merge a packet into `target`, inside the caller's transaction.

    Values of columns that the payload lacks are carried over: a v1 payload does not erase the 3-second gust
    of v2, nor the reverse. Of two rows with one key the later by `target.true_by` stays, in any order of loading.

    Raises NotWhatWasAsked, ValuesImplausible and, unless the packet `is_confirmed` or says the same as the rows `held`
    before, CorrectionHeld.
    """
    present = (*packet.present_columns, *([EXTRA] if packet.extra_columns else []))
    if packet.rows.num_rows == 0:  # an empty JSON packet does not even name its columns
        return Merged(MergeCounts(new=0, changed=0, unchanged=0, rejected=0))
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
    is_other = f"{_value('incoming', '{0}')} is distinct from {_value('known', '{0}')}"
    differs = " or ".join(map(is_other.format, told))
    same_values = f"[{', '.join(_value('incoming', name) for name in told)}]"

    seen_at = f"timestamptz '{fetched_at.isoformat()}'"
    reason = f"coalesce({target.reject_reason}, {_too_late(seen_at)})" if hour else target.reject_reason

    connection.register("packet", packet.rows)
    connection.execute(f"""
        create or replace temp table incoming as
        with numbered as (select *, row_number() over () as position {derived} from packet),
        judged as (select *, {reason} as reason from numbered)
        select
            incoming.*,
            {same_values} as same_values,
            first_value(same_values) over same_key as kept_values,
            row_number() over same_key as place
        from judged as incoming
        window same_key as (partition by reason, {key} order by {target.last_of_duplicates})
    """)
    where_known_can_be = _where_known_can_be(connection, target)
    remarks = check_quantities(connection, target, present)
    if is_of_scope:
        remarks += refuse_foreign(connection, target, is_of_scope, where_known_can_be)
    # A row seen before its hour was over was no measurement yet. The same values seen after it are.
    was_early = "coalesce(known.observed_at > known.version_seen_at, false)" if hour else "false"
    outdated = f"was_early and known.observed_at <= {seen_at}" if hour else "false"
    by = [_true_by(f'try_cast({row}."{target.true_by}" as timestamptz)', seen_at) for row in ("incoming", "known")]
    returns = "known.has_left" if target.is_whole_list else "false"
    connection.execute(f"""
        create or replace temp table judged as
        with known as (
            select * from {target.name}
            where {where_known_can_be}
            qualify row_number() over (partition by {key} order by version desc) = 1
        )
        select
            {_names(hour, "incoming", trailing=True)}
            {f"coalesce({by[0]} < {by[1]}, false)" if target.true_by else "false"} as is_older,
            {f"coalesce({by[0]} > {by[1]}, false)" if target.true_by else "false"} as is_later,
            {was_early} as was_early,
            {_carried(target, present)},
            incoming.position, incoming.reason,
            incoming.reason is null and incoming.place = 1 as is_kept,
            incoming.same_values is distinct from incoming.kept_values as is_contradicted,
            coalesce(known.version, 0) + 1 as version,
            known.first_seen_at,
            known.version is not null as is_known,
            case when {is_same_text} then false else {differs} end as has_other_values,
            known.version is not null and case
                when is_older then {_fills(target, present)}
                else has_other_values or ({outdated}) or {returns}
            end as is_changed
        from incoming left join known on {same_key}
    """)
    connection.unregister("packet")
    if not (is_confirmed or repeats_what_was_held(connection, target, told, held)):
        hold_mass_correction(connection, target, told, is_other, where_known_can_be)
    left = _leave(connection, target, packet, load_id, fetched_at, is_confirmed=is_confirmed, held=held)
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
            coalesce(reason, 'another row of the same payload has this key and is the later one'),
            to_json(struct_pack({", ".join(f'"{name}" := "{name}"' for name in target.columns)}))
        from judged
        where reason is not null or (not is_kept and is_contradicted)
        """,
        {"load_id": load_id},
    )
    if target.true_by:
        _note_later(connection, target, where_known_can_be)
    counted = connection.execute("""
        select
            count(*) filter (is_kept and not is_known),
            count(*) filter (is_kept and is_changed),
            count(*) filter (
                (is_kept and is_known and not is_changed)
                or (reason is null and not is_kept and not is_contradicted)
            ),
            count(*) filter (reason is not null or (not is_kept and is_contradicted)),
            count(*) filter (is_kept and is_older and has_other_values and not is_changed)
        from judged
    """).fetchone()
    connection.execute("drop table incoming; drop table judged")
    assert counted is not None  # noqa: S101 - an aggregate without group by always gives a row
    counts = replace(MergeCounts(*counted), left=left)
    if counts.older:
        remarks += (f"{counts.older:,} rows are older than what is known and change nothing",)
    if left:
        remarks += (f"{left:,} left the list",)
    return Merged(counts, remarks)


def _true_by(time: str, seen_at: str) -> str:
    # A time still to come counts as none: the year 9999 would win for ever.
    return f"case when {time} <= {seen_at} + interval 1 day then {time} end"


def _too_late(seen_at: str) -> str:
    # A day leaves room for a wrong clock. Nearer hours are findings, and reach no mart before they are over.
    return f"case when observed_at > {seen_at} + interval 1 day then 'its hour is more than a day after its fetch' end"


def _leave(
    connection: duckdb.DuckDBPyConnection,
    target: RawTable,
    packet: Packet,
    load_id: int,
    fetched_at: datetime,
    *,
    is_confirmed: bool,
    held: pa.Table | None,
) -> int:
    """Write a version that says so for each key that a whole list no longer names; return how many there are.

    A key that a malformed line names has not left.
    """
    if not target.is_whole_list:
        return 0
    key = _names(target.key)
    connection.execute(f"""
        create or replace temp table leaving as
        with known as (
            select * from {target.name} qualify row_number() over (partition by {key} order by version desc) = 1
        )
        select *, count(*) over () as listed from known where not has_left
    """)
    texts = [row.text for row in packet.malformed]
    if texts:
        named = " and ".join(f'contains(text, "{name}")' for name in target.key)
        connection.execute(
            f"delete from leaving where exists (select 1 from (select unnest($texts) as text) where {named})",
            {"texts": texts},
        )
    missing = f"({key}) not in (select ({key}) from judged where reason is null)"
    row = connection.execute(f"select max(listed), count(*) filter ({missing}) from leaving").fetchone()
    known, left = row if row and row[0] else (0, 0)
    if not is_confirmed:
        hold_cut_list(connection, target, known, left, held)
    connection.execute(
        f"""
        insert into {target.name} by name
        select * exclude (listed) replace (
            true as has_left, version + 1 as version, $load_id as load_id, $seen_at as version_seen_at
        )
        from leaving where {missing} order by {key}
        """,
        {"load_id": load_id, "seen_at": fetched_at},
    )
    connection.execute("drop table leaving")
    return int(left)


def _note_later(connection: duckdb.DuckDBPyConnection, target: RawTable, where_known_can_be: str) -> None:
    """Keep the later time of a row whose values came again: what is older than that changes nothing afterwards."""
    later = "is_kept and is_known and is_later and not is_changed"
    if connection.execute(f"select true from judged where {later} limit 1").fetchone():
        same_row = " and ".join(f'known."{name}" = judged."{name}"' for name in target.key)
        connection.execute(f"""
            update {target.name} as known set "{target.true_by}" = judged."{target.true_by}"
            from judged
            where
                {later} and {same_row} and known.version = judged.version - 1
                and known.{where_known_can_be}
        """)


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


def _carried(target: RawTable, present: Sequence[str]) -> str:
    """Choose each column's value: known where the payload lacks the column, or is older than what is known."""
    chosen = []
    for name in target.columns:
        if name not in present:
            chosen.append(f'known."{name}"')
        elif target.true_by is None:
            chosen.append(f'incoming."{name}"')
        else:
            fills = _fills_group(target, name)
            kept = f'case when {fills} then incoming."{name}" else known."{name}" end' if fills else f'known."{name}"'
            chosen.append(f'case when is_older then {kept} else incoming."{name}" end as "{name}"')
    return ", ".join(chosen)


def _fills_group(target: RawTable, column: str) -> str | None:
    """SQL: whether an older row may fill a column that the payload of the known row did not have.

    Known has no value of the column's group and some of another.
    """
    own = next((group for group in target.alternatives if column in group), None)
    if own is None:
        return None
    others = [name for group in target.alternatives if group != own for name in group]
    return f"({_any_of('known', own)} is null and {_any_of('known', others)} is not null)"


def _fills(target: RawTable, present: Sequence[str]) -> str:
    """SQL: whether an older row fills anything."""
    filling = [
        f"({_fills_group(target, group[0])} and {_any_of('incoming', group)} is not null)"
        for group in target.alternatives
        if set(group) <= set(present)
    ]
    return " or ".join(filling) or "false"


def _any_of(table: str, columns: Sequence[str]) -> str:
    return "coalesce(" + ", ".join(f'{table}."{name}"' for name in columns) + ")"
