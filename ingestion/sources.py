"""Every source, by name. A new source is one line here."""

from ingestion.demo.source import DEMO
from ingestion.meteofrance.source import METEOFRANCE
from ingestion.source import Dataset, RawTable, Source

SOURCES: dict[str, Source] = {source.name: source for source in (METEOFRANCE, DEMO)}

DATASETS: dict[str, Dataset] = {dataset.name: dataset for source in SOURCES.values() for dataset in source.datasets}

RAW_TABLES: dict[str, RawTable] = {dataset.table.name: dataset.table for dataset in DATASETS.values()}
