"""Rows as either format gives them."""

from dataclasses import dataclass

import pyarrow as pa

from ingestion.source import MalformedRow


@dataclass(frozen=True)
class TextRows:
    """Rows of either format: string columns under upstream's names and in its order, empty is NULL."""

    table: pa.Table
    malformed: tuple[MalformedRow, ...]
    note: str = ""  # how the bytes were read, where they were not plain UTF-8

    @property
    def seen(self) -> int:
        """Rows in the payload, good and malformed."""
        return int(self.table.num_rows) + len(self.malformed)
