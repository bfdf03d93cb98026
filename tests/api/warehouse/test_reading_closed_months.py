"""A warehouse with closed months answers as one that never closed any, and opens no other way in."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow.parquet as pq
import pytest
from long_history import News, at, build, hours, load, publish
from problems import assert_problem

from api.warehouse.open.sandbox import connect_sandbox
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths
from orchestration.closed_months.close_months import close_months
from orchestration.snapshots.snapshots import kept_snapshots, served_snapshot

pytestmark = pytest.mark.xdist_group("long-history")

# Tables that say how the warehouse was made rather than what was measured.
ABOUT_ITSELF = ("meta.closed_months", "meta.closed_stations", "meta.builds")


@pytest.fixture(scope="module")
def both(grown: DataPaths, tmp_path_factory: pytest.TempPathFactory) -> tuple[DataPaths, DataPaths]:
    """Two published warehouses of the same history: one closes nothing, one what is settled; two snapshots each."""
    never, closing = (
        DataPaths(shutil.copytree(grown.root, tmp_path_factory.mktemp(name) / "data", symlinks=True))
        for name in ("never", "closing")
    )
    close_months(closing, 1, print)
    for paths in (never, closing):
        publish(paths)
        load(
            paths,
            News.station_list(at(5, 12, 1), s09099001="COS NEUF"),
            News.packet("9", hours(at(5, 12), 1), at(5, 12, 1, 5)),
        )
        build(paths, close_above_mb=0)
        publish(paths)
    return never, closing


@pytest.fixture(scope="module")
def clients(
    both: tuple[DataPaths, DataPaths], start_for_module: Callable[..., httpx.Client]
) -> tuple[httpx.Client, httpx.Client]:
    never, closing = both
    return start_for_module(never), start_for_module(closing)


@pytest.fixture
def closing(clients: tuple[httpx.Client, httpx.Client]) -> httpx.Client:
    return clients[1]


@pytest.fixture
def same(clients: tuple[httpx.Client, httpx.Client]) -> Callable[..., Any]:
    """Ask both and compare; give what they answer."""

    def ask(url: str) -> Any:
        answers = [client.get(url) for client in clients]
        assert [answer.status_code for answer in answers] == [200, 200], answers[1].text
        bodies = [answer.json() for answer in answers]
        for body in bodies:
            body.pop("snapshot")
            body.pop("next", None)
        assert bodies[1] == bodies[0]
        return bodies[1]["data"]

    return ask


def pages(client: httpx.Client, url: str, limit: int) -> list[Any]:
    found, cursor = [], None
    while True:
        body = client.get(url, params={"limit": limit, **({"cursor": cursor} if cursor else {})}).json()
        found += body["data"]
        cursor = body["next"]
        if cursor is None:
            return found


@pytest.mark.parametrize(
    "url",
    [
        "/warehouse/observations?station=09099001&start=2026-01-30&end=2026-03-02&limit=1000",
        "/warehouse/observations?dept=31&end=2026-02-01&tz=Europe%2FParis&units=si&limit=1000",
        "/warehouse/observations?dept=9&resolution=day&limit=1000",
        "/warehouse/tables/marts/hourly_observations?order=-temperature_c,station_id,observed_at&limit=2000",
        "/warehouse/tables/marts/hourly_observations?temperature_c__lt=275&order=station_id,observed_at&limit=2000",
        "/warehouse/tables/raw/observations?order=geo_id_insee,observed_at,version&limit=2000",
        "/warehouse/tables/marts/completeness?limit=2000",
        "/warehouse/latest",
        "/warehouse/stations",
        "/warehouse/stations/31042012",
    ],
)
def test_answers_are_those_of_a_warehouse_that_closes_nothing(same: Callable[..., Any], url: str) -> None:
    assert same(url)


def test_pages_give_every_row_once_and_in_order(clients: tuple[httpx.Client, httpx.Client]) -> None:
    never, closing = clients
    url = "/warehouse/tables/marts/hourly_observations"
    whole = pages(closing, url, 100_000)
    assert pages(closing, url, 97) == whole
    assert sorted(map(repr, whole)) == sorted(map(repr, pages(never, url, 100_000)))
    by_wind = f"{url}?order=-wind_speed_ms&select=station_id,observed_at,wind_speed_ms"
    assert sorted(map(repr, pages(closing, by_wind, 101))) == sorted(map(repr, pages(never, by_wind, 100_000)))


def test_tables_are_listed_with_all_their_rows_and_columns(clients: tuple[httpx.Client, httpx.Client]) -> None:
    listed = [
        {
            f"{table['schema']}.{table['name']}": table
            for table in client.get("/warehouse/tables").json()["data"]
            if table["schema"] != "intermediate" and f"{table['schema']}.{table['name']}" not in ABOUT_ITSELF
        }
        for client in clients
    ]
    assert listed[1] == listed[0]
    assert listed[1]["marts.hourly_observations"]["rows"] > 1000


def test_a_table_is_downloaded_whole(clients: tuple[httpx.Client, httpx.Client]) -> None:
    for table in ("marts.hourly_observations", "raw.observations"):
        files = [pq.read_table(io.BytesIO(c.get(f"/warehouse/download?table={table}").content)) for c in clients]
        assert files[1].schema == files[0].schema
        assert sorted(map(repr, files[1].to_pylist())) == sorted(map(repr, files[0].to_pylist()))


def test_two_snapshots_differ_in_what_really_changed(
    clients: tuple[httpx.Client, httpx.Client], both: tuple[DataPaths, DataPaths]
) -> None:
    told = []
    for client, paths in zip(clients, both, strict=True):
        newer = served_snapshot(paths)
        tables = client.get(f"/warehouse/snapshots/{newer.previous}/diff/{newer.id}").json()["data"]["tables"]
        told.append({table["table"]: table for table in tables if table["table"] not in ABOUT_ITSELF})
    assert told[1] == told[0]
    assert told[1]["marts.hourly_observations"]["changed"] >= 120  # a station under another name, January included


def test_what_was_published_before_is_read_as_it_was(
    clients: tuple[httpx.Client, httpx.Client], both: tuple[DataPaths, DataPaths]
) -> None:
    names = []
    for client, paths in zip(clients, both, strict=True):
        query = f"?snapshot={served_snapshot(paths).previous}&select=station_name&station_id=09099001&limit=1000"
        rows = client.get(f"/warehouse/tables/marts/hourly_observations{query}").json()["data"]
        names.append({row["station_name"] for row in rows})
    assert names == [{"COS"}, {"COS"}]


def test_sql_reads_closed_months_through_their_table_only(
    closing: httpx.Client, both: tuple[DataPaths, DataPaths]
) -> None:
    def send(sql: str) -> httpx.Response:
        return closing.post("/warehouse/query", json={"sql": sql})

    counted = send(
        "select count(*) as n, min(observed_at) as t, any_value(station_name) as s from marts.hourly_observations"
    )
    assert counted.json()["data"][0]["n"] == served_snapshot(both[1]).row_counts["marts.hourly_observations"]
    assert counted.json()["data"][0]["t"].startswith("2026-01-29")
    file = next(both[1].closed.glob("marts.hourly_observations/*.parquet"))
    before = file.read_bytes()
    for sql in (
        f"select * from read_parquet('{file}')",
        f"select * from parquet_scan('{file}')",
        f"select * from parquet_metadata('{file}')",
        f"select * from parquet_file_metadata('{file}')",
        f"select * from '{file}'",
        f'select * from "{file}"',
        f"select * from glob('{both[1].closed}/*')",
        f"select * from read_blob('{both[1].closed}/../build/warehouse.duckdb')",
        f"copy (select 1) to '{file}'",
        f"copy (select 1) to '{both[1].closed}/new.parquet'",
        f"attach '{both[1].build_file}' as other",
        "select filename from marts.hourly_observations",
        "select * from marts._hourly_observations_recent",
        "select * from information_schema.views",
        "select sql from duckdb_views()",
    ):
        assert_problem(send(sql), 422)
    assert file.read_bytes() == before
    assert not (both[1].closed / "new.parquet").exists()
    assert closing.get("/warehouse/tables/marts/_hourly_observations_recent").status_code == 404


def test_past_the_guard_nothing_but_closed_months_can_be_read(
    both: tuple[DataPaths, DataPaths], tmp_path: Path
) -> None:
    paths = both[1]
    copy = Path(shutil.copy(paths.published, tmp_path))
    with connect_sandbox(copy, threads=1, memory_mb=256, closed_months=paths.closed) as connection:
        assert connection.execute("select count(*) from marts.hourly_observations").fetchone() != (0,)
        for sql in (
            "select * from read_text('/etc/passwd')",
            f"select * from read_blob('{paths.closed}/../build/warehouse.duckdb')",
            f"select * from glob('{paths.root}/*')",
            f"attach '{paths.build_file}' as other",
            f"copy (select 1) to '{tmp_path}/x.csv'",
            "set allowed_directories = ['/']",
            "set enable_external_access = true",
        ):
            with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
                connection.execute(sql).fetchall()


def test_a_data_directory_that_was_moved_is_read_as_before(
    both: tuple[DataPaths, DataPaths], start: Callable[..., httpx.Client], tmp_path: Path
) -> None:
    moved = DataPaths(shutil.copytree(both[1].root, tmp_path / "moved", symlinks=True))
    hidden = both[1].closed.rename(both[1].root / "hidden")
    try:
        client = start(moved)
        count = "select count(*) as n from marts.hourly_observations"
        rows = served_snapshot(moved).row_counts["marts.hourly_observations"]
        assert client.get("/warehouse/query", params={"sql": count}).json()["data"] == [{"n": rows}]
        assert len(pages(client, "/warehouse/tables/marts/hourly_observations", 100_000)) == rows
        with duckdb.connect(shutil.copy(moved.published, tmp_path), read_only=True) as reader:
            reader.execute(f"set variable closed_months = '{moved.closed}'")
            assert reader.execute(count).fetchone() == (rows,)
    finally:
        hidden.rename(both[1].closed)


def test_a_snapshot_whose_closed_month_is_lost_is_skipped_with_an_alarm(
    both: tuple[DataPaths, DataPaths], tmp_path: Path
) -> None:
    paths = DataPaths(shutil.copytree(both[1].root, tmp_path / "copy", symlinks=True))
    next(paths.closed.glob("raw.observations/*.parquet")).unlink()
    with open_warehouse(paths, WarehouseSettings(_env_file=None)) as reads:
        status = reads.status()
    assert status["snapshot"]["id"] == kept_snapshots(paths)[0].id  # from before anything was closed
    assert any("is missing in" in alarm for alarm in status["alarms"])
