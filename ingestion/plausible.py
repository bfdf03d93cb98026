"""What is implausible about a packet as a whole, though each row could be true.

The limits are far from what real packets do: of the rows of a département fetched again an hour later, less than one
value in a hundred differs, and upstream's corrections come a few stations at a time.
"""

from collections.abc import Sequence

import duckdb

from ingestion.errors import CorrectionHeld, NotWhatWasAsked, ValuesImplausible
from ingestion.source import RawTable

# A packet that contradicts what is known is believed when it comes again this much later.
HOLD_MINUTES = 30

_FEW = 30  # known values of a column, under which a share says nothing
_FEW_VALUES = 10
_NEARLY_ALL = 0.9
_LIST_LOSS = 0.1  # of a list; stations leave it one at a time
_LIST_FEW = 20


def refuse_foreign(connection: duckdb.DuckDBPyConnection, table: RawTable, is_of_scope: str) -> None:
    """Raise NotWhatWasAsked when most rows of `incoming` are of another scope."""
    row = connection.execute(
        f"select count(*), count(*) filter (not ({is_of_scope})), min({table.key[0]}) filter (not ({is_of_scope})),"
        " min(observed_at) from incoming where reason is null"
    ).fetchone()
    if row and row[1] * 2 > row[0]:
        raise NotWhatWasAsked(row[0], row[1], f"station {row[2]}, the oldest hour is {row[3]:%Y-%m-%d %H} UTC")


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


def hold_mass_correction(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
    """Raise CorrectionHeld when `judged` changes or erases most known values of a column."""
    if not columns:
        return
    counts = ", ".join(
        f"count(*) filter (known_has[{at}]), count(*) filter (corrects[{at}]), count(*) filter (erases[{at}])"
        for at in range(1, len(columns) + 1)
    )
    row = connection.execute(
        f"select {counts} from judged where is_kept and is_known and not is_older and not was_early"
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


def hold_cut_list(known: int, missing: int) -> None:
    """Raise CorrectionHeld when a list lost more of its rows than leave it in a year."""
    if missing > max(_LIST_FEW, _LIST_LOSS * known):
        raise CorrectionHeld(f"drop {missing:,} of {known:,} listed rows", HOLD_MINUTES)
