"""New snapshots are picked up, old ones stay readable while kept, damaged ones are skipped with an alarm."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pyarrow.compute as pc
import pytest
from problems import assert_problem

from api.warehouse.answer.reads import snapshot_headers
from api.warehouse.open import pool
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.opening import open_warehouse
from api.warehouse.problems import ReadFailed, SnapshotDamaged, SnapshotGone
from api.warehouse.question.diff import compare
from api.warehouse.question.latest import LatestRequest, read_latest, whole_table
from api.warehouse.question.latest_json import prepare_latest, read_latest_json
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths
from orchestration.snapshots.snapshots import kept_snapshots, roll_back, serve_snapshot

pytestmark = pytest.mark.xdist_group("warehouse")

Start = Callable[..., httpx.Client]


def ids(paths: DataPaths) -> list[str]:
    return [manifest.id for manifest in kept_snapshots(paths)]


def served(client: httpx.Client) -> str:
    return str(client.get("/warehouse/latest?dept=9").json()["snapshot"]["id"])


def serve(paths: DataPaths, client: httpx.Client, snapshot_id: str) -> None:
    """Move the pointer as a run does, and wait until the service has seen it."""
    serve_snapshot(paths, snapshot_id)
    wait_for(client, snapshot_id)


def wait_for(client: httpx.Client, snapshot_id: str) -> None:
    patience = time.monotonic() + 60
    while served(client) != snapshot_id:
        assert time.monotonic() < patience
        time.sleep(0.01)


def test_an_empty_data_directory_says_that_a_first_run_is_going(start: Start, paths: DataPaths) -> None:
    client = start(paths)
    for url in (
        "/warehouse/latest",
        "/warehouse/tables",
        "/quality",
        "/warehouse/download",
        "/warehouse/query?sql=select%201",
    ):
        answer = client.get(url)
        body = assert_problem(answer, 503)
        assert "/runs/latest" in body["next_step"]
        assert answer.headers["retry-after"]
    assert client.get("/warehouse/snapshots").json() == {"served": None, "data": []}


def test_the_first_snapshot_is_read_as_soon_as_it_is_there(start: Start, paths: DataPaths, two_snapshots: Any) -> None:
    client = start(paths)
    assert client.get("/warehouse/latest").status_code == 503
    shutil.copytree(two_snapshots, paths.root, symlinks=True, dirs_exist_ok=True)
    assert served(client) == ids(paths)[-1]


def test_a_new_pointer_is_followed(start: Start, own_warehouse: DataPaths) -> None:
    client = start(own_warehouse)
    older, newer = ids(own_warehouse)
    for snapshot_id in (newer, older, newer, older):
        serve(own_warehouse, client, snapshot_id)
        assert client.get("/warehouse/latest?dept=9").json()["snapshot"]["id"] == snapshot_id  # from the cache


def test_an_older_snapshot_is_read_by_name(start: Start, own_warehouse: DataPaths) -> None:
    client = start(own_warehouse)
    older, newer = ids(own_warehouse)
    count = "/warehouse/query?sql=select count(*) as n from marts.hourly_observations"
    rows = {i: client.get(f"{count}&snapshot={i}").json()["data"][0]["n"] for i in (older, newer)}
    assert rows[older] < rows[newer]
    answer = client.get(f"/warehouse/latest?snapshot={older}")
    assert answer.json()["snapshot"]["id"] == older
    assert "immutable" in answer.headers["cache-control"]
    assert client.get(f"/warehouse/latest?snapshot={older}").content == answer.content
    for bad in ("000099-20200101T000000Z", "../build", "..", "", newer + "x"):
        assert_problem(client.get("/warehouse/latest", params={"snapshot": bad}), 410, "snapshot")


def test_a_deleted_snapshot_is_gone_even_from_the_cache_and_says_where_to_go(
    start: Start, own_warehouse: DataPaths
) -> None:
    client = start(own_warehouse)
    older, _ = ids(own_warehouse)
    url = f"/warehouse/latest?snapshot={older}"
    assert client.get(url).status_code == 200
    page = f"/warehouse/tables/marts/hourly_observations?limit=5&snapshot={older}"
    cursor = client.get(page).json()["next"]
    shutil.rmtree(own_warehouse.snapshots / older)
    assert_problem(client.get(url), 410, "snapshot")
    body = assert_problem(
        client.get("/warehouse/tables/marts/hourly_observations", params={"limit": 5, "cursor": cursor}), 410, "cursor"
    )
    assert "begin again" in body["next_step"]


def test_a_cursor_stays_on_its_snapshot_while_another_is_served(start: Start, own_warehouse: DataPaths) -> None:
    client = start(own_warehouse)
    older, newer = ids(own_warehouse)
    serve(own_warehouse, client, older)
    url = "/warehouse/tables/marts/hourly_observations"
    first = client.get(url, params={"limit": 100}).json()
    serve(own_warehouse, client, newer)
    second = client.get(url, params={"limit": 100_000, "cursor": first["next"]}).json()
    assert second["snapshot"]["id"] == older
    whole = client.get(url, params={"limit": 100_000, "snapshot": older}).json()
    assert first["data"] + second["data"] == whole["data"]


def test_a_reader_in_progress_keeps_its_snapshot(own_warehouse: DataPaths) -> None:
    older, newer = ids(own_warehouse)
    serve_snapshot(own_warehouse, older)
    with open_warehouse(own_warehouse, WarehouseSettings(_env_file=None)) as reads:
        with reads.warehouse.lease() as snapshot:
            serve_snapshot(own_warehouse, newer)
            reads.warehouse.refresh()
            shutil.rmtree(own_warehouse.snapshots / older)
            with reads.warehouse.lease() as other:
                assert other.id == newer
            rows = reads.executor.fetch(snapshot, "select count(*) as n from raw.observations").to_pylist()
            assert rows[0]["n"] > 0
            assert older in reads.status()["open_snapshots"]
        patience = time.monotonic() + 60
        while reads.status()["open_snapshots"] != [newer]:  # closed beside the readers
            assert time.monotonic() < patience
            time.sleep(0.01)


def test_a_new_snapshot_is_made_ready_before_it_is_served(own_warehouse: DataPaths) -> None:
    older, newer = ids(own_warehouse)
    serve_snapshot(own_warehouse, older)
    with open_warehouse(own_warehouse, WarehouseSettings(_env_file=None)) as reads:
        with reads.warehouse.lease() as snapshot:
            read_latest_json(snapshot, reads.executor, LatestRequest(dept=["9"], tz="Europe/Paris"))
            read_latest(snapshot, reads.executor, LatestRequest(dept=["9"], units="si"))
        serve_snapshot(own_warehouse, newer)
        reads.warehouse.refresh()
        with reads.warehouse.lease() as snapshot:
            assert snapshot.id == newer
            assert set(snapshot.latest) == {"metric", "si"}
            written = snapshot.latest_json["metric", "Europe/Paris"]
            asked = read_latest(snapshot, reads.executor, LatestRequest(dept=["9"], tz="Europe/Paris")).table
            assert set(snapshot.latest_json) == {("metric", "Europe/Paris")}
            assert 0 < len(written) < snapshot.latest["metric"].num_rows
            assert [orjson.loads(row)["station_id"] for row in written.values()] == asked["station_id"].to_pylist()
            assert all(orjson.loads(row)["observed_at"].endswith(("+01:00", "+02:00")) for row in written.values())


def test_rows_made_ready_are_those_of_the_same_stations_wherever_they_stand(own_warehouse: DataPaths) -> None:
    older, newer = ids(own_warehouse)
    with (
        open_warehouse(own_warehouse, WarehouseSettings(_env_file=None)) as reads,
        reads.warehouse.lease(newer) as snapshot,
        reads.warehouse.lease(older) as before,
    ):
        read_latest_json(before, reads.executor, LatestRequest(dept=["9"]))
        asked = sorted(orjson.loads(row)["station_id"] for row in before.latest_json["metric", "UTC"].values())
        # As if one of them had been closed, and the others stood elsewhere.
        gone, whole = asked.pop(), whole_table(snapshot, reads.executor, "metric")
        kept = pc.indices_nonzero(pc.not_equal(whole.column("station_id"), gone))
        moved = snapshot.latest["metric"] = whole.take(kept[::-1])
        prepare_latest(snapshot, before, reads.executor)
        written = {place: orjson.loads(row) for place, row in snapshot.latest_json["metric", "UTC"].items()}
        assert asked
        assert sorted(row["station_id"] for row in written.values()) == asked
        assert all(moved["station_id"][place].as_py() == row["station_id"] for place, row in written.items())


def test_a_damaged_snapshot_is_closed_once_nobody_reads_it(own_warehouse: DataPaths) -> None:
    _, newer = ids(own_warehouse)
    file = str((own_warehouse.snapshots / newer / "warehouse.duckdb").resolve())

    def is_open() -> bool:
        return file in (opened.path for opened in psutil.Process().open_files())

    with open_warehouse(own_warehouse, WarehouseSettings(_env_file=None)) as reads:
        with reads.warehouse.lease() as snapshot:
            damage(own_warehouse, newer, "blocks")
            reads.warehouse.condemn(SnapshotDamaged(newer, "a block cannot be read"))
            assert newer not in reads.status()["open_snapshots"]
            assert reads.executor.fetch_dicts(snapshot, "select 1 as one") == [{"one": 1}]
            assert is_open()
        patience = time.monotonic() + 60
        while is_open():
            assert time.monotonic() < patience
            time.sleep(0.01)


def test_a_reader_error_condemns_no_file_that_is_well(own_warehouse: DataPaths) -> None:
    _, newer = ids(own_warehouse)
    with open_warehouse(own_warehouse, WarehouseSettings(_env_file=None)) as reads:
        with pytest.raises(ReadFailed, match="an engine's error"):
            reads.warehouse.condemn(SnapshotDamaged(newer, "an engine's error"))
        assert reads.status()["snapshot"]["id"] == newer
        assert reads.status()["alarms"] == []


def test_an_invalidated_connection_is_replaced(own_warehouse: DataPaths) -> None:
    with open_warehouse(own_warehouse, WarehouseSettings(_env_file=None)) as reads:
        with reads.warehouse.lease() as snapshot:
            snapshot.connection.close()  # to a reader the same as a fatal error of DuckDB: no query works any more
        with pytest.raises(ReadFailed):
            reads.warehouse.condemn(SnapshotDamaged(snapshot.id, "fatal"))
        with reads.warehouse.lease() as reopened:
            assert reopened.id == snapshot.id
            assert reads.executor.fetch_dicts(reopened, "select 1 as one") == [{"one": 1}]


def test_a_fatal_error_of_the_engine_serves_no_older_snapshot(
    own_warehouse: DataPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one, DuckDB opens the file anew only when nothing holds the connection that failed: then at once."""
    monkeypatch.setattr(pool, "_AGAIN_SECONDS", 3600.0)
    _, newer = ids(own_warehouse)
    with open_warehouse(own_warehouse, WarehouseSettings(_env_file=None)) as reads:
        with reads.warehouse.lease() as snapshot:
            monkeypatch.setattr(snapshot, "is_alive", lambda: False)
            closed: list[str] = []
            close, opening = snapshot.close, pool.open_snapshot

            def close_and_tell() -> None:
                close()
                closed.append(newer)

            monkeypatch.setattr(snapshot, "close", close_and_tell)

            def refuse_while_held(folder: Path, settings: WarehouseSettings) -> OpenSnapshot:
                if not closed:
                    raise SnapshotDamaged(folder.name, "invalidated", is_passing=True)
                return opening(folder, settings)

            monkeypatch.setattr(pool, "open_snapshot", refuse_while_held)
            with pytest.raises(ReadFailed):
                reads.warehouse.condemn(SnapshotDamaged(newer, "fatal"))
            reads.warehouse.refresh()
            assert reads.warehouse.served_id != newer  # a reader still holds it
        patience = time.monotonic() + 60
        while reads.warehouse.served_id != newer:
            assert time.monotonic() < patience
            time.sleep(0.01)


@pytest.mark.parametrize("sql", ["select null::int[1000][1000][1000][1000]", "select [null::int[99999][99999][99999]]"])
def test_a_statement_that_breaks_the_engine_costs_nobody_else(start: Start, own_warehouse: DataPaths, sql: str) -> None:
    _, newer = ids(own_warehouse)
    client = start(own_warehouse)
    answer = client.get("/warehouse/query", params={"sql": sql})
    assert answer.status_code == 422
    assert "Stack Trace" not in answer.text
    assert served(client) == newer
    assert client.get("/warehouse/query", params={"sql": "select 1 as one"}).json()["data"] == [{"one": 1}]


def damage(paths: DataPaths, snapshot_id: str, how: str) -> None:
    file = paths.snapshots / snapshot_id / "warehouse.duckdb"
    if how == "truncated":
        os.truncate(file, file.stat().st_size // 2)
    elif how == "deleted":
        file.unlink()
    elif how == "no manifest":
        (file.parent / "manifest.json").unlink()
    else:
        start, length = (0, 4096) if how == "header" else (12_288, file.stat().st_size - 12_288)
        with file.open("r+b") as handle:
            handle.seek(start)
            handle.write(os.urandom(length))


@pytest.mark.parametrize("how", ["truncated", "deleted", "no manifest", "header", "blocks"])
def test_a_damaged_snapshot_is_skipped_with_an_alarm(own_warehouse: DataPaths, how: str) -> None:
    older, newer = ids(own_warehouse)
    damage(own_warehouse, newer, how)
    with open_warehouse(own_warehouse, WarehouseSettings(_env_file=None)) as reads:
        with reads.warehouse.lease() as snapshot:
            assert snapshot.id == older
        status = reads.status()
        assert status["ready"] is True
        assert status["snapshot"]["id"] == older
        assert any(newer in alarm for alarm in status["alarms"])
        assert reads.ping()


def test_damage_met_while_reading_is_answered_from_another_snapshot(start: Start, own_warehouse: DataPaths) -> None:
    older, newer = ids(own_warehouse)
    client = start(own_warehouse)
    assert served(client) == newer
    damage(own_warehouse, newer, "blocks")
    answer = client.get("/warehouse/tables/raw/observations?limit=100000")
    assert answer.status_code == 200, answer.text
    assert answer.json()["snapshot"]["id"] == older
    assert served(client) == older


def test_a_repaired_pointer_is_followed_again(start: Start, own_warehouse: DataPaths) -> None:
    older, newer = ids(own_warehouse)
    damage(own_warehouse, newer, "truncated")
    client = start(own_warehouse)
    assert served(client) == older
    roll_back(own_warehouse, older)
    assert served(client) == older


def test_rollback_needs_a_key_and_is_seen_at_once(
    start: Start, own_warehouse: DataPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = ids(own_warehouse)
    client = start(own_warehouse)
    answer = client.post("/warehouse/rollback")
    assert answer.status_code == 200, answer.text
    assert answer.json()["served"] == older
    assert served(client) == older
    assert_problem(client.post("/warehouse/rollback"), 410, "snapshot")  # nothing before it
    assert client.post("/warehouse/rollback", json={"snapshot": newer}).json()["served"] == newer
    assert served(client) == newer
    assert_problem(client.post("/warehouse/rollback", json={"snapshot": "none"}), 410, "snapshot")
    listed = client.get("/warehouse/snapshots").json()
    assert [s["id"] for s in listed["data"]] == [newer, older]
    assert [s["is_served"] for s in listed["data"]] == [True, False]


def test_a_diff_counts_rows_added_and_changed(start: Start, own_warehouse: DataPaths) -> None:
    older, newer = ids(own_warehouse)
    client = start(own_warehouse)
    answer = client.get(f"/warehouse/snapshots/{older}/diff/{newer}")
    assert answer.status_code == 200, answer.text
    tables = {table["table"]: table for table in answer.json()["data"]["tables"]}
    counts = {manifest.id: manifest.row_counts for manifest in kept_snapshots(own_warehouse)}
    assert {"raw.observations", "marts.stations", "meta.loads"} <= tables.keys()
    for name, table in ((name, tables[name]) for name in tables.keys() & counts[newer].keys()):
        assert table["added"] - table["removed"] == counts[newer][name] - counts[older][name], name
    assert tables["marts.hourly_observations"]["added"] > 0
    assert tables["marts.latest_observations"]["changed"] > 0
    assert tables["marts.latest_observations"]["added"] == 0
    same = client.get(f"/warehouse/snapshots/{newer}/diff/{newer}").json()["data"]["tables"]
    assert all(table["added"] == table["removed"] == (table["changed"] or 0) == 0 for table in same)
    assert_problem(client.get(f"/warehouse/snapshots/none/diff/{newer}"), 410, "before")


def test_a_diff_with_a_snapshot_deleted_meanwhile_says_so(own_warehouse: DataPaths) -> None:
    older, newer = ids(own_warehouse)
    limits = WarehouseSettings(_env_file=None)
    with (
        open_warehouse(own_warehouse, limits) as reads,
        reads.warehouse.lease(older) as before,
        reads.warehouse.lease(newer) as after,
    ):
        before.file.unlink()
        with pytest.raises(SnapshotGone, match=older):
            compare(before, after, limits, reads.executor.deadlines)


def test_where_nothing_can_be_opened_the_reason_is_given(start: Start, own_warehouse: DataPaths) -> None:
    for snapshot_id in ids(own_warehouse):
        file = own_warehouse.snapshots / snapshot_id / "warehouse.duckdb"
        file.chmod(0o600)
        file.write_bytes(b"cut")
    problem = start(own_warehouse).get("/warehouse/latest").json()
    assert (problem["type"], problem["title"]) == ("/problems/no-snapshot", "No snapshot can be read")
    assert "3 bytes where the manifest says" in problem["detail"]


def test_an_attribution_of_any_letters_fits_into_a_header() -> None:
    facts = dict.fromkeys(("id", "published_at", "run_id", "source", "newest_observation"), "x")
    headers = snapshot_headers({**facts, "attribution": "Données d’une ferme – © Łódź"})
    assert headers["X-Attribution"] == "Donnees dune ferme   odz"


def test_readers_see_one_snapshot_each_while_the_pointer_jumps(start: Start, own_warehouse: DataPaths) -> None:
    client = start(own_warehouse)
    older, newer = ids(own_warehouse)
    expected = {
        i: client.get(f"/warehouse/latest?snapshot={i}&fields=temperature_c").json()["data"] for i in (older, newer)
    }
    assert expected[older] != expected[newer]
    stop = threading.Event()
    wrong: list[Any] = []

    def read() -> None:
        with httpx.Client(base_url=client.base_url, trust_env=False) as own:
            while not stop.is_set():
                answer = own.get("/warehouse/latest?fields=temperature_c")
                body = answer.json()
                if answer.status_code != 200 or body["data"] != expected[body["snapshot"]["id"]]:
                    wrong.append(answer.text[:200])

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for turn in range(30):
        serve_snapshot(own_warehouse, (older, newer)[turn % 2])
        time.sleep(0.05)
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
