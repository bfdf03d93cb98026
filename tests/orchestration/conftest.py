from collections.abc import Callable, Iterator

import duckdb
import pytest
from receiver import Receiver, running_receiver
from run_fixtures import first_run, later, measured, published, query, run, run_pipeline_once

from ingestion.paths import DataPaths

__all__ = ["first_run", "later", "measured", "published", "query", "run", "run_pipeline_once"]


@pytest.fixture
def spoil_raw(published: DataPaths) -> Callable[[], None]:
    """Write into raw by hand what no load would: an hour twice with one version."""

    def run() -> None:
        with duckdb.connect(str(published.build_file)) as connection:
            connection.execute("""
                insert into raw.observations
                from raw.observations where observed_at = (select max(observed_at) from raw.observations) limit 1
            """)

    return run


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running
