import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
import stamina

from ingestion.landing import describe_payload, land_payload
from ingestion.load import load_payload
from ingestion.load_log import LoadResult
from ingestion.meteofrance.schema import V2_COLUMNS
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from ingestion.settings import IngestionSettings, get_settings

Row = Mapping[str, str]


def row_of(station: str = "09289001", hour: str = "2026-11-23T04:00:00Z", **values: str) -> dict[str, str]:
    return {"geo_id_insee": station, "validity_time": hour, "t": "281.15", "u": "80", **values}


def csv_of(rows: Sequence[Row], columns: Sequence[str] = V2_COLUMNS) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", delimiter=";", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


class Warehouse:
    """A build file into which packets are loaded one after another, a minute apart."""

    def __init__(self, paths: DataPaths) -> None:
        self.paths = paths
        self.now = datetime(2026, 11, 23, 5, 12, tzinfo=UTC)

    def load(self, *rows: Row, columns: Sequence[str] = V2_COLUMNS) -> LoadResult:
        return self.load_body(csv_of(rows, columns))

    def load_body(self, body: bytes, **landing: Any) -> LoadResult:
        self.now += timedelta(minutes=1)
        told = {"dataset": "paquet-horaire", "scope": "9", "fetched_at": self.now, "format": "csv", **landing}
        landed = describe_payload(self.paths.landing / "demo", body, **told)
        land_payload(landed, body)
        with open_build_file(self.paths, "demo") as connection:
            return load_payload(connection, landed, source="demo")

    def query(self, sql: str, *parameters: object) -> list[Any]:
        """Rows; of a single column, its values."""
        with duckdb.connect(str(self.paths.build_file), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            rows = connection.execute(sql, list(parameters)).fetchall()
        return [row[0] for row in rows] if rows and len(rows[0]) == 1 else rows

    def versions(self, columns: str = "version, t") -> list[Any]:
        return self.query(f"select {columns} from raw.observations order by geo_id_insee, observed_at, version")

    def rejected(self) -> list[Any]:
        return self.query("select position, reason from meta.rejected_rows order by load_id, position")

    def raw(self) -> list[Any]:
        """Everything in raw, whatever the loads were called."""
        return [
            self.query("select * exclude (load_id) from raw.observations order by geo_id_insee, observed_at, version"),
            self.query('select * exclude (load_id) from raw.stations order by "Id_station", version'),
        ]


@pytest.fixture
def row() -> Callable[..., dict[str, str]]:
    return row_of


@pytest.fixture
def as_csv() -> Callable[..., bytes]:
    return csv_of


@pytest.fixture
def warehouse(paths: DataPaths) -> Warehouse:
    return Warehouse(paths)


@pytest.fixture
def settings(upstream: Any) -> IngestionSettings:
    """Settings that ask the HTTP server of the tests."""
    return get_settings()


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Two tries of each request, without a pause between them."""
    with stamina.set_testing(True, attempts=2, cap=True):
        yield
