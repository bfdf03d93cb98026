"""ETags, 304, HEAD, compression, ranges, and the cache of encoded answers."""

import gzip
import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from problems import assert_problem

import api.warehouse.answer.reads
from api.errors import install_problem_handlers
from api.routes.all_routes import add_reads
from api.warehouse.answer.cache import AnswerCache, Encoded
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.opening import open_warehouse
from api.warehouse.settings import WarehouseSettings
from ingestion.paths import DataPaths

pytestmark = pytest.mark.xdist_group("warehouse")

URLS = [
    "/warehouse/latest?dept=9",
    "/warehouse/observations?station=09289001",
    "/warehouse/stations",
    "/warehouse/stations/09289001",
    "/warehouse/tables",
    "/warehouse/tables/marts/hourly_observations",
    "/warehouse/query?sql=select%201",
    "/quality",
]


@pytest.mark.parametrize("url", URLS)
def test_an_unchanged_answer_is_not_sent_again(client: httpx.Client, url: str) -> None:
    first = client.get(url)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "public, no-cache"
    assert "Accept" in first.headers["vary"]
    for named in (etag, f"W/{etag}", f'"x", {etag}'):
        again = client.get(url, headers={"if-none-match": named})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == etag
    assert client.get(url, headers={"if-none-match": '"other"'}).content == first.content


def test_readers_are_known_for_a_while(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = FastAPI()
    install_problem_handlers(app)
    add_reads(app)
    with open_warehouse(DataPaths(data_dir), WarehouseSettings(_env_file=None)) as app.state.warehouse:
        were_asked_lately = app.state.warehouse.were_asked_lately
        client = TestClient(app)
        for path, is_read in [("/openapi.json", False), ("/warehouse/latest", True)]:
            client.get(path)
            assert were_asked_lately() is is_read
        monkeypatch.setattr(api.warehouse.answer.reads, "_LATELY_SECONDS", 0)
        assert not were_asked_lately()


def test_a_304_does_not_need_the_answer_in_the_cache(start: Callable[..., httpx.Client], warehouse: DataPaths) -> None:
    client = start(warehouse, read_cache_mb=0)
    etag = client.get("/warehouse/latest").headers["etag"]
    assert client.get("/warehouse/latest", headers={"if-none-match": etag}).status_code == 304


@pytest.mark.parametrize("url", [*URLS, "/warehouse/download", "/warehouse/latest?format=csv"])
def test_head_has_the_headers_of_get_and_no_body(client: httpx.Client, url: str) -> None:
    got, head = client.get(url), client.head(url)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("etag", "content-type", "content-length", "x-snapshot-id"):
        assert head.headers.get(name) == got.headers.get(name)


def test_formats_and_encodings_have_etags_of_their_own(client: httpx.Client) -> None:
    etags = {
        client.get("/warehouse/latest", headers={"accept": accept, "accept-encoding": encoding}).headers["etag"]
        for accept in ("application/json", "text/csv")
        for encoding in ("identity", "gzip", "zstd")
    }
    assert len(etags) == 6


@pytest.mark.parametrize("format", ["json", "csv", "ndjson", "parquet", "arrow"])
@pytest.mark.parametrize("stream_mb", [1, 1024])
def test_compressed_is_the_same_streamed_or_not(
    start: Callable[..., httpx.Client], warehouse: DataPaths, format: str, stream_mb: int
) -> None:
    client = start(warehouse, read_stream_mb=stream_mb)
    url = f"/warehouse/tables/marts/hourly_observations?limit=2000&format={format}"
    bodies = []
    for encoding in ("identity", "gzip", "zstd"):
        with client.stream("GET", url, headers={"accept-encoding": encoding}) as answer:
            raw = b"".join(answer.iter_raw())
            assert answer.headers.get("content-encoding", "identity") == encoding
        if encoding == "gzip":
            raw = gzip.decompress(raw)
        elif encoding == "zstd":
            raw = pa.input_stream(pa.BufferReader(raw), compression="zstd").read()
        bodies.append(raw)
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]


@pytest.mark.parametrize(
    "value",
    ["now()", "age(timestamp '2020-01-01')", "current_localtimestamp()", "Current_Localtime()", "today()", "random()",
     "ago(interval 1 day)", '"age"(timestamp \'2020-01-01\')', "current_timestamp"],
)  # fmt: skip
def test_an_answer_about_the_moment_is_not_kept(client: httpx.Client, snapshot_ids: list[str], value: str) -> None:
    for snapshot in ({}, {"snapshot": snapshot_ids[-1]}):
        answer = client.get("/warehouse/query", params={"sql": f"select {value} as v", **snapshot})
        assert answer.status_code == 200
        assert "etag" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


def test_the_cache_stays_within_its_bound_and_forgets_the_longest_unused() -> None:
    cache = AnswerCache(limit=100_000)

    def answer(path: str, size: int) -> Encoded:
        key = (path, b"", "", "")
        return Encoded(key, "a", is_pinned=False, etag='"x"', headers=[], body=b"x" * size)

    for number in range(100):
        cache.put(answer(f"/{number}", 5_000))
        cache.get(("/0", b"", "", ""))
        assert 0 < cache.used <= cache.limit
    assert cache.get(("/0", b"", "", "")) is not None
    assert cache.get(("/1", b"", "", "")) is None
    cache.put(answer("/large", 90_000))
    assert cache.get(("/large", b"", "", "")) is None
    assert cache.get(("/0", b"", "", "")) is not None


def test_two_headers_of_one_name_are_one_list(client: httpx.Client) -> None:
    for number, (name, first, second, answered_by) in enumerate(
        [
            ("accept", "text/csv", "application/json", "content-type"),
            ("accept-encoding", "gzip", "identity", "content-encoding"),
        ]
    ):
        url = f"/warehouse/latest?bbox=-5,41,10,51.{number}"
        once = client.get(url + "1", headers={name: f"{first}, {second}"})
        twice = client.get(url, headers=[(name, first), (name, second)])
        assert twice.headers.get(answered_by) == once.headers.get(answered_by)
        for wanted in (first, second):
            alone = client.get(url, headers={name: wanted}).headers.get(answered_by, "identity")
            assert alone.startswith(wanted)
    etag = client.get("/warehouse/latest").headers["etag"]
    again = client.get("/warehouse/latest", headers=[("if-none-match", '"other"'), ("if-none-match", etag)])
    assert again.status_code == 304


def test_an_answer_that_many_ask_for_at_once_is_computed_once(
    start: Callable[..., httpx.Client], warehouse: DataPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(warehouse, read_concurrency=8)
    fetched: list[str] = []
    fetch = Executor.fetch

    def slow_fetch(executor: Executor, snapshot: OpenSnapshot, sql: str, *rest: Any, **named: Any) -> pa.Table:
        fetched.append(sql)
        time.sleep(0.5)
        return fetch(executor, snapshot, sql, *rest, **named)

    monkeypatch.setattr(Executor, "fetch", slow_fetch)
    with ThreadPoolExecutor(8) as readers:
        answers = list(readers.map(client.get, ["/warehouse/stations"] * 8))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(fetched) == len(set(fetched))


def test_among_many_each_gets_the_answer_to_its_own_headers(
    start: Callable[..., httpx.Client], warehouse: DataPaths
) -> None:
    client = start(warehouse)
    etag = client.get("/warehouse/latest?dept=31", headers={"accept": "application/json"}).headers["etag"]
    ways: list[dict[str, str]] = [{"if-none-match": etag}, {}] * 4
    with ThreadPoolExecutor(8) as readers:
        answers = list(readers.map(lambda headers: client.get("/warehouse/latest?dept=31", headers=headers), ways))
        assert [answer.status_code for answer in answers] == [304, 200] * 4
        answers = list(readers.map(client.get, ["/warehouse/latest?dept=nowhere"] * 8))
        assert [answer.status_code for answer in answers] == [422] * 8


def test_the_file_is_downloaded_whole_or_in_ranges(client: httpx.Client, warehouse: DataPaths) -> None:
    whole = warehouse.published.read_bytes()
    got = client.get("/warehouse/download")
    assert got.content == whole
    assert 'filename="warehouse.duckdb"' in got.headers["content-disposition"]
    assert got.headers["accept-ranges"] == "bytes"
    part = client.get("/warehouse/download", headers={"range": "bytes=4096-8191"})
    assert part.status_code == 206
    assert part.content == whole[4096:8192]
    resumed = client.get("/warehouse/download", headers={"range": "bytes=-100", "if-range": got.headers["etag"]})
    assert resumed.content == whole[-100:]
    other = client.get("/warehouse/download", headers={"range": "bytes=0-9", "if-range": '"older"'})
    assert other.status_code == 200
    assert client.get("/warehouse/download", headers={"range": f"bytes={len(whole)}-"}).status_code == 416
    for unreadable in ("bytes=5-1", "bytes=a-b", "bytes=", "lines=1-2"):
        asked = client.get("/warehouse/download", headers={"range": unreadable})
        assert (asked.status_code, asked.content) == (200, whole)
    assert client.get("/warehouse/download", headers={"if-none-match": got.headers["etag"]}).status_code == 304


def test_an_answer_is_read_in_ranges(client: httpx.Client) -> None:
    url = "/warehouse/latest?dept=9&format=csv"
    whole = client.get(url, headers={"accept-encoding": "identity"})
    size = len(whole.content)
    assert whole.headers["accept-ranges"] == "bytes"

    def asked(**headers: str) -> tuple[int, bytes, str | None]:
        sent = {"accept-encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
        got = client.get(url, headers=sent)
        assert got.headers["etag"] == whole.headers["etag"]
        assert int(got.headers["content-length"]) == len(got.content)
        return got.status_code, got.content, got.headers.get("content-range")

    assert asked(range="bytes=0-9") == (206, b"station_id", f"bytes 0-9/{size}")  # the header's first word
    assert asked(range="bytes=11-") == (206, whole.content[11:], f"bytes 11-{size - 1}/{size}")
    assert asked(range="bytes=-5") == (206, whole.content[-5:], f"bytes {size - 5}-{size - 1}/{size}")
    for longer in (f"bytes=0-{size + 5}", f"bytes=-{size + 5}"):
        assert asked(range=longer) == (206, whole.content, f"bytes 0-{size - 1}/{size}")
    assert asked(range="bytes=0-9", if_range=whole.headers["etag"])[0] == 206
    assert asked(range="bytes=0-9", if_range='"older"') == (200, whole.content, None)
    for not_one in ("bytes=0-1,3-4", "bytes=5-1", "lines=1-2", f"bytes={size}-"):
        assert asked(range=not_one) == (200, whole.content, None)
    known = {"range": "bytes=0-9", "accept-encoding": "identity", "if-none-match": whole.headers["etag"]}
    assert client.get(url, headers=known).status_code == 304
    head = client.head(url, headers={"range": "bytes=0-9", "accept-encoding": "identity"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(size))
    # An answer without an ETag may be another one a moment later, so its parts would not fit together.
    passing = client.get("/warehouse/period?place=Foix&since=today", headers={"range": "bytes=0-9"})
    assert (passing.status_code, "etag" in passing.headers, "accept-ranges" in passing.headers) == (200, False, False)
    posted = client.post("/warehouse/query", json={"sql": "select 1 as one"}, headers={"range": "bytes=0-3"})
    assert posted.json()["data"] == [{"one": 1}]


def test_one_table_is_downloaded_as_parquet(client: httpx.Client, in_file: Callable[..., list[tuple[int]]]) -> None:
    answer = client.get("/warehouse/download", params={"table": "marts.hourly_observations"})
    table = pa.parquet.read_table(io.BytesIO(answer.content))
    assert table.num_rows == in_file("select count(*) from marts.hourly_observations")[0][0]
    assert_problem(client.get("/warehouse/download?table=marts.nothing"), 404, "table")
    assert_problem(client.get("/warehouse/download?table=stations"), 422, "table")


def test_more_readers_than_there_is_room_for_are_told_to_come_back(
    start: Callable[..., httpx.Client], warehouse: DataPaths
) -> None:
    client = start(warehouse, sql_seconds=2, read_queue_seconds=0.2)

    bomb = {"sql": "select count(*) from range(1000000) a, range(1000000) b"}
    busy = threading.Thread(target=client.post, args=["/warehouse/query"], kwargs={"json": bomb})
    client.post("/warehouse/query", json={"sql": "select 1"})
    busy.start()
    while (answer := client.post("/warehouse/query", json={"sql": "select 2"})).status_code == 200:
        assert busy.is_alive()
    assert_problem(answer, 503)
    assert answer.headers["retry-after"]
    assert client.get("/warehouse/latest?dept=9").status_code == 200  # other readers go on
    busy.join()


def test_a_slow_read_is_stopped_at_its_limit(start: Callable[..., httpx.Client], warehouse: DataPaths) -> None:
    client = start(warehouse, read_seconds=0.0001)
    answers = [client.get(f"/warehouse/tables/staging/stg_meteofrance__observations?limit={n}") for n in range(1, 20)]
    assert {answer.status_code for answer in answers} <= {200, 504}
