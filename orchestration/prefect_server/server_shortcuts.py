"""What Prefect's server does while it starts and at rest, done aside or less often: it has one client here.

Prefect is imported inside: it reads its settings when it is imported.
"""

import asyncio
import ctypes
import gc
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial, partialmethod
from typing import Any

# How often garbage is looked for, and from how many new objects on.
_GARBAGE_SECONDS = 1.0
_GARBAGE_OBJECTS = 20_000
# A stop waits so long for the thread that listens.
_CANCELLED_SECONDS = 1.0
_TIMER_SLACK = 29  # prctl's name for it
_SLACK_NANOSECONDS = 1_000_000_000
# How long what tasks report is gathered once some of it was written, and how much of it at most.
_RECORD_SECONDS = 0.1
_REPORTS_AT_ONCE = 100


def make_database_aside() -> bool:
    """Bring the database up to date in a fork: its migrations and block types leave 60 MB behind where that is done.

    Whether it went well: a server that finds it undone does it itself, and reports why it cannot.
    """
    # Before the fork: the server needs it too.
    import prefect.server.api.server  # noqa: F401

    maker = os.fork()
    if maker == 0:
        try:
            gc.disable()  # what it inherited would be looked through again and again, and copied
            asyncio.run(_make_database())
            os._exit(0)
        finally:
            os._exit(1)
    told_to_end = signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        return os.waitpid(maker, 0)[1] == 0
    except BaseException:
        os.kill(maker, signal.SIGKILL)
        os.waitpid(maker, 0)  # nobody is left behind
        raise
    finally:
        signal.signal(signal.SIGTERM, told_to_end)


async def _make_database() -> None:
    from prefect.server.database import provide_database_interface
    from prefect.server.models.block_registration import run_block_auto_registration
    from prefect.settings import PREFECT_API_BLOCKS_REGISTER_ON_START, PREFECT_API_DATABASE_MIGRATE_ON_START

    database = provide_database_interface()
    if PREFECT_API_DATABASE_MIGRATE_ON_START:
        await database.create_db()
    if PREFECT_API_BLOCKS_REGISTER_ON_START:
        async with await database.session() as session:
            await run_block_auto_registration(session=session)


def collect_garbage_aside(is_up: Callable[[], bool], patience: float) -> None:
    """Collect garbage in a thread of its own: in the event loop's it stopped the server for half a minute now and then.

    A forgotten cursor of SQLite is reset when it is collected, which waits while its connection waits for another to
    end its transaction; and that other one's next step is a turn of the event loop.
    """
    gc.disable()

    def collect() -> None:
        deadline = time.monotonic() + patience  # one that answers only to a password is not waited for longer
        while not is_up() and time.monotonic() < deadline:
            time.sleep(_GARBAGE_SECONDS)
        gc.collect()
        gc.freeze()  # what the server consists of is no garbage: to look through it takes a fifth of a second
        while True:
            time.sleep(_GARBAGE_SECONDS)
            if gc.get_count()[0] > _GARBAGE_OBJECTS:
                gc.collect()

    threading.Thread(target=collect, name="garbage", daemon=True).start()


def look_less_often() -> None:
    """Let Prefect's own task queue look every five seconds for due tasks, each second for cancelled ones.

    Not four and ten times a second: it is most of the CPU at rest, and Prefect has no setting for it. What is put into
    the queue at once is taken at once either way; nothing in it is due more often than each quarter of a minute.
    """
    from burner_redis.pubsub import PubSub  # type: ignore[import-untyped]
    from docket import Docket, Worker
    from prefect.server.events import triggers
    from prefect.server.utilities import worker_channel_cleanup

    due, alive = timedelta(seconds=5), timedelta(seconds=30)
    patient = partialmethod(Worker.__init__, scheduling_resolution=due, minimum_check_interval=due)
    Worker.__init__ = patient  # type: ignore[method-assign, assignment]
    # Nobody else reads whether the queue's one worker is alive.
    Docket.__init__ = partialmethod(Docket.__init__, heartbeat_interval=alive)  # type: ignore[method-assign, assignment]
    # What there is to clean up after a worker wakes who cleans up, who looks by himself too.
    worker_channel_cleanup._WORKER_CHANNEL_CLEANUP_DISPATCH_POLL_SECONDS = alive.total_seconds()
    # Events reach automations at once either way; a new automation is known within these seconds.
    triggers.consumer.__wrapped__.__defaults__ = (timedelta(seconds=15),)  # type: ignore[attr-defined]

    async def wait_for_message(self: PubSub, timeout: float | None) -> object:
        while True:
            with suppress(queue.Empty):
                return await asyncio.to_thread(self._queue.get, timeout != 0, _CANCELLED_SECONDS)
            if timeout is not None:
                return None

    PubSub._queue_get = wait_for_message


def let_queue_be_late() -> None:
    """Start the threads under Prefect's task queue so that the system may wake them up to a second late.

    They look ten times a second for what has expired, a seventh of the CPU at rest. What is put into the queue wakes
    them by itself, and what has expired is not given out either way.
    """
    from burner_redis import BurnerRedis  # type: ignore[import-untyped]

    with suppress(OSError, AttributeError):  # a system that cannot is not Linux
        set_option = ctypes.CDLL(None).prctl
        set_option.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
        set_option(_TIMER_SLACK, _SLACK_NANOSECONDS, 0, 0, 0)
        try:
            BurnerRedis()  # the threads of all queues of this process begin, and inherit it
        finally:
            set_option(_TIMER_SLACK, 0, 0, 0, 0)  # as it was


def record_tasks_together() -> None:
    """Write what tasks report ten times a second at most, together: one by one each took 7 ms, three for each task.

    Prefect's setting for it, a batch, waits for whole seconds, and an ended run would show tasks that still run.
    """
    from prefect.server.services import task_run_recorder as recorder

    record, alone = recorder.record_bulk_task_run_events, asyncio.Lock()
    waiting: list[Any] = []
    writing: asyncio.Task[None] | None = None
    written_at = 0.0

    async def write() -> None:
        nonlocal waiting, writing, written_at
        await asyncio.sleep(written_at + _RECORD_SECONDS - time.monotonic())
        events, waiting, writing, written_at = waiting, [], None, time.monotonic()
        await record(events)

    async def gather(events: list[Any]) -> None:
        nonlocal waiting, writing
        waiting += events
        writing = writing or asyncio.create_task(write())
        try:
            await asyncio.shield(writing)  # what the others report does not end with this one
        except Exception:  # nor does what cannot be written take the others with it
            async with alone:
                await record(events)

    recorder.record_bulk_task_run_events = gather
    # Each report is waited for until it is written, or tried again: so many wait at a time.
    recorder.create_consumer = partial(recorder.create_consumer, concurrency=_REPORTS_AT_ONCE)  # type: ignore[attr-defined]
