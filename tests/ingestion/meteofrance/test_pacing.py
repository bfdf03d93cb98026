import asyncio
import itertools
import threading
from time import monotonic
from types import SimpleNamespace

from pydantic import SecretStr
from pyrate_limiter import Rate

from ingestion.meteofrance import pacing
from ingestion.meteofrance.pacing import RequestPacer, pacer_for, per_minute


class VirtualClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self, monkeypatch):
        self.now = 1_000.0
        monkeypatch.setattr(pacing, "monotonic_ns", lambda: round(self.now * 1e9))
        # The pacer's only: a server in another thread of this process sleeps too.
        monkeypatch.setattr(pacing, "asyncio", SimpleNamespace(sleep=self.sleep))

    async def sleep(self, seconds):
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)


def test_concurrent_calls_never_make_more_than_fifty_requests_in_any_minute(monkeypatch):
    clock = VirtualClock(monkeypatch)
    pacer, turns = RequestPacer(per_minute(50)), []

    async def one():
        await pacer.take_turn()
        turns.append(clock.now)

    async def everyone():
        await asyncio.gather(*(one() for _ in range(175)))

    asyncio.run(everyone())
    assert len(turns) == 175
    assert all(later - earlier >= 60 for earlier, later in zip(turns, turns[50:], strict=False))
    assert 180 <= turns[-1] - turns[0] < 185, "three full minutes are enough for 175 requests at 50"


def test_the_rate_holds_over_threads_that_each_run_their_own_event_loop():
    pacer, started = RequestPacer(Rate(5, 150)), monotonic()

    async def four_requests():
        await asyncio.gather(*(pacer.take_turn() for _ in range(4)))

    threads = [threading.Thread(target=asyncio.run, args=(four_requests(),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert 0.45 <= monotonic() - started < 3, "20 requests at 5 per 150 ms need three more windows"


def test_a_waiting_request_blocks_no_other_work_of_its_loop():
    pacer = RequestPacer(Rate(1, 200))

    async def run():
        await pacer.take_turn()
        waiting = asyncio.create_task(pacer.take_turn())
        started = monotonic()
        await asyncio.sleep(0.01)
        assert monotonic() - started < 0.15
        waiting.cancel()

    asyncio.run(run())


def test_there_is_one_pacer_for_an_address_and_a_token():
    a, b = SecretStr("pacer-a"), SecretStr("pacer-b")
    assert pacer_for("http://x.test", a, 50) is pacer_for("http://x.test", SecretStr("pacer-a"), 50)
    distinct = [
        pacer_for("http://x.test", a, 50),
        pacer_for("http://x.test", b, 50),
        pacer_for("http://y.test", a, 50),
    ]
    assert all(one is not other for one, other in itertools.combinations(distinct, 2))


def test_another_rate_holds_at_once_and_remembers_the_requests_made(monkeypatch):
    clock = VirtualClock(monkeypatch)
    token = SecretStr("pacer-rate")

    async def take(rate, count):
        pacer = pacer_for("http://x.test", token, rate)
        for _ in range(count):
            await pacer.take_turn()

    asyncio.run(take(600, 20))
    assert clock.now == 1_000.0
    asyncio.run(take(20, 1))
    assert clock.now >= 1_060.0
