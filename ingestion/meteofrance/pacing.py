"""The quota of requests a minute, kept by every thread and event loop of this process together."""

import asyncio
import threading
from time import monotonic_ns
from typing import cast

from pydantic import SecretStr
from pyrate_limiter import Duration, InMemoryBucket, Rate, RateItem

_SHORTEST_WAIT = 0.01  # seconds; the clock of the window counts milliseconds


class RequestPacer:
    """Lets requests through at a rate, over a sliding window.

    Safe to share between threads, each with its own event loop: a lock is held only while a turn is taken,
    never while waiting. This takes pyrate-limiter's bucket without its `Limiter`, which re-checks the bucket
    outside the lock shared by threads, and starts a thread that a forked run would not have.
    """

    def __init__(self, rate: Rate) -> None:
        self._bucket = InMemoryBucket([rate])
        self._lock = threading.Lock()

    def change_rate(self, rate: Rate) -> None:
        """Hold another rate from now on; requests already made still count."""
        with self._lock:
            self._bucket.rates = [rate]

    async def take_turn(self) -> None:
        """Wait until one more request fits the rate, and count it."""
        while (wait := self._seconds_to_wait()) > 0:
            await asyncio.sleep(wait)

    def _seconds_to_wait(self) -> float:
        with self._lock:
            now = monotonic_ns() // 1_000_000
            self._bucket.leak(now)
            item = RateItem("request", now)
            if self._bucket.put(item):
                return 0.0
            return max(cast("int", self._bucket.waiting(item)) / 1000, _SHORTEST_WAIT)


def per_minute(requests: int) -> Rate:
    """Spell a quota the way the bucket wants it."""
    return Rate(requests, Duration.MINUTE)


_pacers: dict[tuple[str, SecretStr | None], RequestPacer] = {}
_pacers_lock = threading.Lock()


def pacer_for(url: str, token: SecretStr | None, requests_per_minute: int) -> RequestPacer:
    """Give the one pacer of this address and token; the rate asked last holds."""
    rate = per_minute(requests_per_minute)
    with _pacers_lock:
        pacer = _pacers.get((url, token))
        if pacer is None:
            pacer = _pacers[url, token] = RequestPacer(rate)
        else:
            pacer.change_rate(rate)
        return pacer
