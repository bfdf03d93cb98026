"""A hundred ways out of the SQL endpoint and the filters: each is refused or bounded, and the service lives."""

import asyncio
import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import httpx
import psutil
import pytest
from attacks import BOMBS, NASTY_FILTERS, REFUSED, WELCOME

from api.caller import UNKNOWN, network_of
from api.warehouse.answer.shares import Shares
from api.warehouse.problems import Busy
from api.warehouse.sql.functions import FUNCTIONS, TABLE_FUNCTIONS
from api.warehouse.sql.guard import Refused, check
from ingestion.paths import DataPaths
from orchestration.settings import ROOT

pytestmark = [
    pytest.mark.xdist_group("warehouse"),
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory and environments from /proc"),
]


def resident_mb(pid: int | str) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def sql_children() -> list[int]:
    """The processes of this one that run SQL."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"api.warehouse.sql.sql_child" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def send(client: httpx.Client, sql: str, **more: Any) -> httpx.Response:
    return client.post("/warehouse/query", json={"sql": sql, **more})


@pytest.mark.parametrize("sql", REFUSED, ids=lambda sql: sql[:60])
def test_a_statement_that_is_not_a_harmless_select_is_refused(client: httpx.Client, sql: str) -> None:
    answer = send(client, sql)
    assert answer.status_code == 422, answer.text[:500]
    assert answer.json()["next_step"]
    assert "root:" not in answer.text


def of_duckdb(kinds: str) -> set[str]:
    sql = f"select distinct lower(function_name) from duckdb_functions() where function_type in ({kinds})"
    return {name for (name,) in duckdb.connect().execute(sql).fetchall()}


def test_the_functions_allowed_are_functions_of_this_duckdb() -> None:
    computing = of_duckdb("'scalar', 'aggregate', 'macro'") | {"unnest"}
    assert computing >= FUNCTIONS
    assert of_duckdb("'table'") >= TABLE_FUNCTIONS


def test_every_function_not_listed_is_refused() -> None:
    connection = duckdb.connect()
    refused = (
        of_duckdb("'scalar', 'aggregate', 'macro', 'table', 'table_macro', 'pragma'") - FUNCTIONS - TABLE_FUNCTIONS
    )
    assert len(refused) > 300
    for name in refused:
        with pytest.raises(Refused):
            check(connection, f'select "{name}"(1)', frozenset())
    for name in of_duckdb("'table', 'table_macro'") - TABLE_FUNCTIONS:
        with pytest.raises(Refused):
            check(connection, f'select * from "{name}"(1)', frozenset())


def test_no_function_allowed_reads_files_settings_or_the_catalogue() -> None:
    dangerous = re.compile(
        r"read_.*|.*_scan|glob|sniff_.*|duckdb_.*|pragma_.*|.*setting.*|.*secret.*|getenv|getvariable|query.*|parquet_.*"
        r"|.*serializ.*|nextval|currval|.*_privilege|.*_log.*|sleep.*|version|current_(?!date|local).*|__.*"
    )
    logarithms = {"log", "log2", "log10"}
    assert not [name for name in (FUNCTIONS | TABLE_FUNCTIONS) - logarithms if dangerous.fullmatch(name)]


def test_there_are_more_than_a_hundred_of_them() -> None:
    assert len(REFUSED) + len(BOMBS) >= 150


def test_a_bomb_costs_no_more_than_its_limits(start: Callable[..., httpx.Client], warehouse: DataPaths) -> None:
    client = start(warehouse, sql_seconds=1, sql_memory_mb=256)
    assert send(client, "select 1 as one").json()["data"] == [{"one": 1}]
    before = resident_mb("self")
    for sql in BOMBS:
        answer = send(client, sql)
        assert answer.status_code in (200, 422, 504), (sql, answer.text[:300])
        assert len(answer.content) < 40 * 2**20
        assert send(client, "select 1 as one").status_code == 200, sql
        assert all(resident_mb(child) < 600 for child in sql_children()), sql
    assert resident_mb("self") - before < 300


@pytest.mark.slow
def test_the_same_process_answers_many_statements(start: Callable[..., httpx.Client], warehouse: DataPaths) -> None:
    client = start(warehouse)
    for turn in range(40):
        sql = ("summarize marts.hourly_observations", "select * from marts.hourly_observations order by gust_ms")[
            turn % 2
        ]
        assert send(client, sql, format="arrow").status_code == 200


def test_the_process_that_runs_sql_has_no_secret_and_writes_no_file(
    start: Callable[..., httpx.Client], warehouse: DataPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOFRANCE_TOKEN", "a-secret-of-the-service")
    client = start(warehouse)
    send(client, "select 1")
    newest = max(sql_children())
    assert b"a-secret-of-the-service" not in Path(f"/proc/{newest}/environ").read_bytes()
    limits = Path(f"/proc/{newest}/limits").read_text().splitlines()
    assert any(line.split()[:4] == ["Max", "file", "size", "0"] for line in limits)


def test_values_are_bound_and_never_become_sql(client: httpx.Client) -> None:
    nasty = "'; drop table raw.observations; --"
    assert send(client, "select ? as v", params=[nasty]).json()["data"] == [{"v": nasty}]
    assert send(client, "select $v as v", params={"v": nasty}).json()["data"] == [{"v": nasty}]
    assert send(client, "select ? as v, ? as w, ? as x", params=[1, None, True]).json()["data"] == [
        {"v": 1, "w": None, "x": True}
    ]
    assert send(client, "select ?", params=[]).status_code == 422
    assert send(client, "select $a", params={"b": 1}).status_code == 422


@pytest.mark.parametrize(("name", "value"), NASTY_FILTERS, ids=lambda text: text[:40])
def test_a_filter_is_a_value_or_refused(
    client: httpx.Client, name: str, value: str, in_file: Callable[..., Any]
) -> None:
    answer = client.get("/warehouse/tables/marts/hourly_observations", params={name: value})
    if answer.status_code == 200:
        assert answer.json()["data"] == []
    else:
        assert answer.status_code in (410, 422)
        assert answer.json()["next_step"]


@pytest.mark.parametrize(
    "path",
    [
        "marts/../../etc",
        "marts/hourly_observations;drop",
        "main/sqlite_master",
        "system/duckdb_settings",
        "information_schema/tables",
    ],
)
def test_only_published_tables_have_an_address(client: httpx.Client, path: str) -> None:
    assert client.get(f"/warehouse/tables/{path}").status_code == 404


def test_sql_can_be_switched_off(start: Callable[..., httpx.Client], warehouse: DataPaths) -> None:
    client = start(warehouse, sql_enabled=False)
    answer = send(client, "select 1")
    assert answer.status_code == 403
    assert "SQL_ENABLED" in answer.json()["detail"]


@pytest.mark.parametrize("sql", WELCOME)
@pytest.mark.parametrize("format", ["json", "csv", "parquet", "arrow", "ndjson"])
def test_what_people_ask_is_answered_in_every_format(client: httpx.Client, sql: str, format: str) -> None:
    answer = send(client, sql, format=format)
    assert answer.status_code == 200, answer.text[:500]
    if format == "json":
        assert answer.json()["columns"]
        assert answer.json()["data"]


def test_rows_beyond_the_limit_are_cut_and_it_says_so(client: httpx.Client) -> None:
    answer = send(client, "select * from range(100)", limit=10).json()
    assert len(answer["data"]) == 10
    assert answer["truncated"] is True
    assert send(client, "select * from range(10)", limit=10).json()["truncated"] is False
    by_header = send(client, "select * from range(100)", limit=10, format="csv")
    assert json.loads(by_header.headers["x-truncated"]) is True


def test_an_answer_that_depends_on_the_moment_is_not_cached(client: httpx.Client) -> None:
    for sql in ["select now() as n", "select random() as n", "select current_timestamp as n", "select uuid() as n"]:
        first, second = (client.get("/warehouse/query", params={"sql": sql}) for _ in range(2))
        assert "etag" not in first.headers
        assert first.json()["data"] != second.json()["data"]
    lasting = client.get("/warehouse/query", params={"sql": "select 1 as one"})
    assert lasting.headers["etag"]


HEAVY = "select sum(x) from generate_series(1, 100000000000) t(x)"


def test_starting_a_process_gives_no_statement_more_time(
    start: Callable[..., httpx.Client], warehouse: DataPaths
) -> None:
    client = start(warehouse, sql_seconds=1, sql_processes=1)
    for number in range(2):  # each is the first of its process
        began = time.monotonic()
        assert send(client, f"{HEAVY} -- {number}").status_code == 504
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_statement_ends_when_its_caller_hangs_up(
    start: Callable[..., httpx.Client], warehouse: DataPaths, method: str
) -> None:
    client = start(warehouse, sql_seconds=300, sql_processes=1, read_queue_seconds=30)
    body = json.dumps({"sql": HEAVY}).encode() if method == "POST" else b""
    query = "" if method == "POST" else f"?{urlencode({'sql': HEAVY})}"
    head = f"{method} /warehouse/query{query} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for _ in range(3):
        with socket.create_connection((client.base_url.host, client.base_url.port)) as caller:
            caller.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            time.sleep(0.2)
    assert send(client, "select 1 as one").json()["data"] == [{"one": 1}]


def test_one_caller_never_holds_every_process() -> None:
    shares = Shares(places=2, queue_seconds=0.05)

    async def ask() -> None:
        async with shares.place(network_of("2001:db8::1")):
            async with shares.place(network_of("203.0.113.7")):  # another caller
                pass
            with pytest.raises(Busy):
                async with shares.place(network_of("2001:db8::ffff")):  # the same network
                    pass
        async with shares.place(network_of("2001:db8::2")):
            pass

    asyncio.run(ask())


def test_what_a_proxy_passes_on_as_an_address_is_no_way_around_limits() -> None:
    assert network_of("203.0.113.7") == network_of("::ffff:203.0.113.7") == "203.0.113.7"
    assert network_of("2001:db8::1") == "2001:db8::/64"
    assert network_of("nobody-1") == network_of("x" * 60_000) == UNKNOWN


_KILLED = """
import sys, threading
from pathlib import Path
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths
limits = WarehouseSettings(_env_file=None, sql_seconds=120)
with open_warehouse(DataPaths(Path(sys.argv[1])), limits) as reads, reads.warehouse.lease() as snapshot:
    reads.sql.run(snapshot, "select count(*) from range(1000000) a, range(1000000) b", [], 10, threading.Event())
"""


def test_a_statement_ends_with_the_service_that_was_killed(warehouse: DataPaths) -> None:
    service = psutil.Popen([sys.executable, "-c", _KILLED, str(warehouse.root)], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not (children := service.children()) or children[0].cpu_times().user < 0.1:
        assert service.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    service.kill()
    service.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive
