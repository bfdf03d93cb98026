from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from ingestion.paths import DataPaths
from orchestration.snapshots.publish import copy_file
from orchestration.snapshots.snapshots import Manifest, kept_snapshots, serve_snapshot, write_manifest


@pytest.fixture
def next_snapshot(published: DataPaths) -> Callable[..., Manifest]:
    """Publish a copy of the snapshot in which stations measured what the test says, by hour of 21 November."""

    def publish(**temperatures: dict[int, float]) -> Manifest:
        before = kept_snapshots(published)[-1]
        made = replace(before, id=f"{before.sequence + 1:06d}-20261121T000000Z", sequence=before.sequence + 1)
        folder = published.snapshots / made.id
        folder.mkdir()
        copy_file(published.snapshots / before.id / "warehouse.duckdb", folder / "warehouse.duckdb")
        with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
            for station, values in temperatures.items():
                for hour, value in values.items():
                    at = datetime(2026, 11, 21, tzinfo=UTC) + timedelta(hours=hour)
                    row: list[Any] = [station.removeprefix("s"), at]
                    connection.execute(
                        "delete from marts.hourly_observations where station_id = ? and observed_at = ?", row
                    )
                    connection.execute(
                        "insert into marts.hourly_observations select * replace (? as station_id, ? as observed_at,"
                        " ? as temperature_c) from marts.hourly_observations limit 1",
                        [*row, value],
                    )
            connection.execute(
                "update marts.stations set last_observed_at = hours.last from"
                " (select station_id, max(observed_at) as last from marts.hourly_observations group by all) as hours"
                " where stations.station_id = hours.station_id"
            )
            found = connection.execute("select epoch(max(observed_at)) from marts.hourly_observations").fetchone()
        assert found is not None
        newest = datetime.fromtimestamp(found[0], UTC)
        made = replace(made, newest_observation=f"{newest:%Y-%m-%dT%H:%M:%SZ}")
        write_manifest(folder, made)
        serve_snapshot(published, made.id)
        return made

    return publish
