"""What is implausible about a packet as a whole, though each row could be true.

The limits are far from what real packets do: of the rows of a département fetched again an hour later, less than one
value in a hundred differs, and upstream's corrections come a few stations at a time.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from ingestion.errors import CorrectionHeld, NotWhatWasAsked, ValuesImplausible
from ingestion.source import RawTable

# A packet that contradicts what is known is believed when it comes again this much later.
HOLD_MINUTES = 30

_FEW = 30  # known values of a column, under which a share says nothing
_FEW_VALUES = 10
_FEW_STATIONS = 4
_NEARLY_ALL = 0.9
_LIST_LOSS = 0.1  # of a list; stations leave it one at a time
_LIST_FEW = 20


def refuse_foreign(
    connection: duckdb.DuckDBPyConnection, table: RawTable, is_of_scope: str, where_known_can_be: str
) -> tuple[str, ...]:
    """Raise NotWhatWasAsked when most rows of `incoming` are of another scope; say when fewer are.

    Say too when the packet has far fewer or far more stations than are known in its hours.
    """
    row = connection.execute(
        f"select count(*), count(*) filter (not ({is_of_scope})), min({table.key[0]}) filter (not ({is_of_scope})),"
        " min(observed_at) from incoming where reason is null"
    ).fetchone()
    if row and row[1] * 2 > row[0]:
        raise NotWhatWasAsked(row[0], row[1], f"station {row[2]}, the oldest hour is {row[3]:%Y-%m-%d %H} UTC")
    remarks = []
    if row and row[1]:
        remarks.append(f"{row[1]:,} of {row[0]:,} rows are not what was asked for (station {row[2]})")
    counted = connection.execute(
        f"select count(distinct {table.key[0]}), (select count(distinct {table.key[0]}) from {table.name}"
        f" where {where_known_can_be} and {is_of_scope}) from incoming where reason is null and {is_of_scope}"
    ).fetchone()
    stations, known = counted or (0, 0)
    if known >= _FEW_STATIONS and (2 * stations < known or stations > 2 * known):
        remarks.append(f"{stations:,} stations where {known:,} are known in these hours")
    return tuple(remarks)


def check_quantities(connection: duckdb.DuckDBPyConnection, table: RawTable, columns: Sequence[str]) -> tuple[str, ...]:
    """Say which quantities of `incoming` cannot be read, or are impossible; raise ValuesImplausible for nearly all."""
    wanted = [
        (quantity, [name for name in quantity.columns if name in columns])
        for quantity in table.quantities
        if set(quantity.columns) & set(columns)
    ]
    if not wanted:
        return ()
    counts = []
    for quantity, names in wanted:
        values = [f'try_cast("{name}" as double)' for name in names]
        counts.append(" + ".join(f'count("{name}")' for name in names))
        counts.append(
            " + ".join(f'count("{name}") - count({value})' for name, value in zip(names, values, strict=True))
        )
        outside = f"not between {quantity.lowest} and {quantity.highest}"
        counts.append(" + ".join(f"count(*) filter ({value} {outside})" for value in values))
    row = connection.execute(f"select {', '.join(counts)} from incoming where reason is null").fetchone()
    found = iter(row or ())
    remarks, is_refused = [], False
    for (quantity, _), present, unreadable, impossible in zip(wanted, found, found, found, strict=True):
        for bad, what in (
            (unreadable, "no numbers (decimal commas?)"),
            (impossible, f"impossible ({quantity.hint})"),
        ):
            if bad * 2 > present:
                remarks.append(f"{bad:,} of {present:,} {quantity.name} are {what}")
                is_refused |= present >= _FEW_VALUES and bad > _NEARLY_ALL * present
    if is_refused:
        raise ValuesImplausible(remarks)
    return tuple(remarks)


def hold_mass_correction(
    connection: duckdb.DuckDBPyConnection,
    table: RawTable,
    columns: Sequence[str],
    is_other: str,
    where_known_can_be: str,
) -> None:
    """Raise CorrectionHeld when `judged` changes or erases most known values of a column.

    `is_other` is SQL for a column `{0}`: whether `incoming` differs from `known`.
    """
    counted = "judged.is_kept and judged.is_known and not judged.is_older and not judged.was_early"
    changed_rows = connection.execute(f"select count(*) from judged where {counted} and has_other_values").fetchone()
    # A packet's usual few corrections need no look at each column, which takes 10 ms.
    if not columns or changed_rows is None or changed_rows[0] * 2 <= _FEW:
        return
    counts = ", ".join(
        f'count(known."{name}"),'
        f' count(*) filter (known."{name}" is not null and {is_other.format(name)}),'
        f' count(*) filter (known."{name}" is not null and incoming."{name}" is null)'
        for name in columns
    )
    key = " and ".join(f'known."{name}" = incoming."{name}"' for name in table.key)
    row = connection.execute(
        f"with known as (select * from {table.name} where {where_known_can_be})"
        f" select {counts} from judged inner join incoming on judged.position = incoming.position"
        f" inner join known on {key} and known.version = judged.version - 1 where {counted}"
    ).fetchone()
    numbers = iter(row or ())
    held = [
        f"{'erase' if erased * 2 > changed else 'change'} {changed:,} of {known:,} known values of {name}"
        for name, known, changed, erased in zip(columns, numbers, numbers, numbers, strict=True)
        if known >= _FEW and changed * 2 > known
    ]
    if held:
        more = f" and as much of {len(held) - 1} more columns" if len(held) > 1 else ""
        raise CorrectionHeld(held[0] + more, HOLD_MINUTES)


def repeats_what_was_held(
    connection: duckdb.DuckDBPyConnection, table: RawTable, columns: Sequence[str], held: pa.Table | None
) -> bool:
    """Whether most rows of `judged` that would change something, and that were held too, say the same as then."""
    if held is None or not columns:
        return False
    key = " and ".join(f'judged."{name}" = held."{name}"' for name in table.key)
    same = " and ".join(f'judged."{name}" is not distinct from held."{name}"' for name in columns)
    hour = f", {table.observed_at} as observed_at" if table.observed_at else ""
    connection.register("held_rows", held)
    row = connection.execute(
        f"with held as (select * {hour} from held_rows) select count(*), count(*) filter ({same})"
        f" from judged inner join held on {key}"
        " where judged.is_kept and judged.is_known and not judged.is_older and judged.has_other_values"
    ).fetchone()
    connection.unregister("held_rows")
    return row is not None and row[1] * 2 > row[0]


def hold_cut_list(
    connection: duckdb.DuckDBPyConnection, table: RawTable, known: int, missing: int, held: pa.Table | None
) -> None:
    """Raise CorrectionHeld when a list lost more of its rows than leave it in a year, unless as many were lost before.

    The known rows are in `leaving`.
    """
    if missing <= max(_LIST_FEW, _LIST_LOSS * known):
        return
    again = 0
    if held is not None:
        key = ", ".join(f'"{name}"' for name in table.key)
        connection.register("held_rows", held)
        row = connection.execute(
            f"select count(*) from leaving where ({key}) not in (select ({key}) from held_rows)"
            f" and ({key}) not in (select ({key}) from judged where reason is null)"
        ).fetchone()
        connection.unregister("held_rows")
        again = row[0] if row else 0
    if again * 2 <= missing:
        raise CorrectionHeld(f"drop {missing:,} of {known:,} listed rows", HOLD_MINUTES)
