"""Whether a new version of a file still has the values of the version before, column by column."""

from pathlib import Path

import duckdb

from ingestion.raw_store import literal

# Of a column's values: corrections take away a few. A column that upstream renamed or dropped loses them all.
KEPT_SHARE = 0.5
_FEW = 30  # values: of a column with fewer, half may well be corrected away


def lost_columns(before: Path, after: Path) -> list[str]:
    """Name the columns of a Parquet file that have far fewer values in its new version. Reads the footers only."""
    counts = [_values(file) for file in (before, after)]
    return [
        name for name, values in counts[0].items() if values >= _FEW and counts[1].get(name, 0) < KEPT_SHARE * values
    ]


def _values(file: Path) -> dict[str, int]:
    with duckdb.connect() as connection:
        found = connection.execute(
            "select path_in_schema, sum(num_values - stats_null_count)"
            f" from parquet_metadata({literal(file)}) group by all order by min(column_id)"
        ).fetchall()
    return {name: int(values) for name, values in found if values is not None}
