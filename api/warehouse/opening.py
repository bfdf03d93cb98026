"""Opens the published warehouse for reading, and closes it."""

from collections.abc import Iterator
from contextlib import contextmanager

from api.warehouse.answer.reads import Reads
from api.warehouse.open.pool import Warehouse
from api.warehouse.question.latest_json import prepare_latest
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths


@contextmanager
def open_warehouse(paths: DataPaths, settings: WarehouseSettings) -> Iterator[Reads]:
    """Open the published warehouse, and close it at the end. An empty data directory is no error.

    The routes expect the result in `app.state.warehouse`.
    """
    warehouse = Warehouse(paths, settings)
    reads = Reads(warehouse, settings)
    warehouse.prepare = lambda snapshot, before: prepare_latest(snapshot, before, reads.executor)
    warehouse.start()
    try:
        yield reads
    finally:
        reads.close()
        warehouse.close()
