"""Promise 5: a crowd of readers, slow, gone or half gone, meets no error and leaves nothing behind.

That eight readers meet no error and no mixed answer while runs publish is proved in
tests/api/warehouse/test_reading_while_publishing.py (SOAK_SECONDS says how long) and
tests/orchestration/test_readers_while_publishing.py.
"""

import resource
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import duckdb
import httpx
import psutil
import pytest
from running_service import RunningService
from victim import Victim

from orchestration.snapshots.publish import publish_build

pytestmark = pytest.mark.xdist_group("faults-warm")

Tally = Callable[[str], None]

BIG = "/warehouse/tables/raw/observations?limit=100000&format=csv"
SQL = "/warehouse/query?sql=select%20sum(a.range*b.range)%20from%20range(20000)a,range(20000)b"


@dataclass(frozen=True)
class Footprint:
    files: int
    threads: int
    memory_mb: float
    snapshots_held: int


def footprint(service: RunningService) -> Footprint:
    process = psutil.Process(service.process.pid)
    held = {file.path for file in process.open_files() if "warehouse.duckdb" in file.path}
    return Footprint(process.num_fds(), process.num_threads(), process.memory_info().rss / 2**20, len(held))


def calm(service: RunningService) -> Footprint:
    """Wait until the service has let go of what it can, and say what it holds."""
    lowest, unchanged = footprint(service), 0
    while unchanged < 6:
        time.sleep(0.25)
        now = footprint(service)
        unchanged = 0 if now.files < lowest.files or now.threads < lowest.threads else unchanged + 1
        lowest = now
    return lowest


def connect(service: RunningService, request: str = "", receive: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    connection.connect(("127.0.0.1", service.port))
    if request:
        connection.sendall(f"GET {request} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return connection


def crowd(service: RunningService, count: int) -> Iterator[socket.socket]:
    """So many connections of every bad sort, all open at once."""
    for number in range(count):
        match number % 5:
            case 0:  # says nothing
                yield connect(service)
            case 1:  # never ends its request
                slow = connect(service)
                slow.sendall(b"GET /warehouse/latest HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
                yield slow
            case 2:  # half closed: asked, and will not say more
                half = connect(service, "/warehouse/latest?dept=9")
                half.shutdown(socket.SHUT_WR)
                yield half
            case 3:  # asks for much and takes nothing
                yield connect(service, BIG if number % 2 else "/warehouse/download", receive=2048)
            case 4:  # asks for what takes long, and goes
                gone = connect(
                    service, SQL if number % 25 == 4 else f"/warehouse/observations?dept=9&limit={number + 1}"
                )
                gone.close()
                yield gone


@contextmanager
def many_files() -> Iterator[None]:
    """This process holds the other ends of all those connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class GoodReader(threading.Thread):
    """Reads as people do, all the while, and notes every answer that is not one."""

    def __init__(self, service: RunningService) -> None:
        super().__init__(daemon=True)
        self.url = f"http://127.0.0.1:{service.port}"
        self.stop = threading.Event()
        self.answers: Counter[int] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        addresses = ["/warehouse/latest?dept=9", "/warehouse/stations?dept=9", "/warehouse/snapshots", "/quality"]
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as client:
            while not self.stop.is_set():
                for address in addresses:
                    try:
                        answer = client.get(f"{address}{'&' if '?' in address else '?'}format=json")
                    except httpx.HTTPError as error:
                        self.wrong.append(f"{address}: {error!r}")
                        continue
                    self.answers[answer.status_code] += 1
                    if answer.status_code >= 500:
                        self.wrong.append(f"{address}: {answer.status_code} {answer.text[:200]}")
                self.stop.wait(0.02)


def publish(victim: Victim, number: int) -> None:
    with duckdb.connect(str(victim.paths.build_file)) as connection:
        connection.execute("create or replace table meta.publications as select ? as number", [number])
    publish_build(victim.paths, keep=2)


def besiege(victim: Victim, service: RunningService, tally: Tally, *, connections: int, rounds: int) -> None:
    """Rounds of a crowd while snapshots are published; from the second round on nothing may grow."""
    good = GoodReader(service)
    good.start()
    held, publications = [], 0
    with many_files():
        for _ in range(rounds + 1):
            with ExitStack() as open_sockets:
                for connection in crowd(service, connections):
                    open_sockets.enter_context(connection)
                for _ in range(2):
                    publications += 1
                    publish(victim, publications)
                    time.sleep(0.5)
            held.append(calm(service))
    good.stop.set()
    good.join()
    assert good.wrong == []
    assert good.answers[200] > 0
    first, last = held[0], held[-1]
    assert last.files <= first.files + 5, held
    # The pool of threads fills as it is used, up to its size; what leaks would be hundreds.
    assert last.threads <= first.threads + 40, held
    assert last.snapshots_held <= 3, held
    assert last.memory_mb <= first.memory_mb + 12 * rounds + 20, held
    tally(
        f"{rounds + 1} x {connections} connections, {publications} publications, {good.answers.total():,} answers; "
        f"files {first.files} → {last.files}, threads {first.threads} → {last.threads}, "
        f"memory {first.memory_mb:.0f} → {last.memory_mb:.0f} MB, snapshots held {last.snapshots_held}"
    )


@pytest.mark.slow
def test_a_crowd_of_bad_readers_leaves_nothing_behind(
    victim: Victim, start_reads: Callable[..., RunningService], tally: Tally
) -> None:
    besiege(victim, start_reads(victim.paths, STALL_SECONDS="2"), tally, connections=100, rounds=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_thousand_bad_readers_again_and_again_leave_nothing_behind(
    victim: Victim, start_reads: Callable[..., RunningService], tally: Tally
) -> None:
    besiege(victim, start_reads(victim.paths, STALL_SECONDS="5"), tally, connections=1000, rounds=10)


def test_a_reader_that_takes_nothing_is_let_go(
    victim: Victim, start_reads: Callable[..., RunningService], tally: Tally
) -> None:
    """It may not hold its connection, its file and its place for as long as it likes."""
    with duckdb.connect(str(victim.paths.build_file)) as connection:
        connection.execute(
            "create table meta.ballast as select range as n, md5(range::varchar) as t from range(400000)"
        )
    publish_build(victim.paths, keep=2)
    service = start_reads(victim.paths, STALL_SECONDS="1")
    before = calm(service)
    table = "/warehouse/download?table=meta.ballast"
    with ExitStack() as open_sockets:
        for address in (table, "/warehouse/download") * 3:
            open_sockets.enter_context(connect(service, address, receive=2048))
        service.until(lambda: footprint(service).files >= before.files + 6, "the readers")
        service.until(lambda: footprint(service).files <= before.files + 1, "their end")
        assert service.http.get("/warehouse/latest?dept=9").status_code == 200
    tally("6 readers that take nothing, let go after STALL_SECONDS")


def test_a_snapshot_that_may_not_be_read_for_a_while_is_served_afterwards(
    victim: Victim, start_reads: Callable[..., RunningService], tally: Tally
) -> None:
    """Too many open files, or rights taken away, are no damage: the snapshot is tried again."""
    service = start_reads(victim.paths)
    process = psutil.Process(service.process.pid)
    before = service.http.get("/warehouse/latest?dept=9").json()["snapshot"]["id"]
    soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds(), hard))
    publish(victim, 1)
    time.sleep(2)
    assert service.http.get("/warehouse/latest?dept=9").json()["snapshot"]["id"] == before
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (soft, hard))

    def follows() -> bool:
        return service.http.get("/warehouse/latest?dept=9").json()["snapshot"]["id"] != before

    service.until(follows, "the new snapshot")
    tally("a publication while no file can be opened, served once one can")
