"""Runs of the pipeline as processes of their own, forked from a warm one: real processes to kill, starve and cheat."""

import contextlib
import ctypes
import multiprocessing
import os
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ingestion.errors import IngestionError
from orchestration.errors import OrchestrationError

PATIENCE = 1800  # seconds; the machine may be busy, and pytest ends a test that waits for ever


@dataclass(frozen=True)
class Hardship:
    """What a run has to live with; nothing by default."""

    limits: Mapping[int, int] = field(default_factory=dict)  # resource.RLIMIT_… and its soft value
    minds_rights: bool = False  # without root's power to write where its rights forbid it
    zone: str | None = None  # the machine's time zone
    starts_stopped: bool = False  # so that a tracer can be attached before it begins


@dataclass(frozen=True)
class Outcome:
    """How a run ended: its summary, or the error; `is_told` when the error is one that says what to do."""

    text: str
    is_good: bool
    is_told: bool
    kind: str = ""


UNTROUBLED = Hardship()


class WarmRun:
    """One run in a child process."""

    def __init__(self, process: BaseProcess, answer: Connection, log: Path) -> None:
        self.process, self.log = process, log
        self._answer = answer

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def is_alive(self) -> bool:
        return self.process.is_alive()

    def kill(self) -> bool:
        """SIGKILL; whether it was still alive."""
        was_alive = self.process.is_alive()
        self.process.kill()
        self.process.join(PATIENCE)
        return was_alive and self.process.exitcode == -signal.SIGKILL

    def outcome(self) -> Outcome:
        """Wait for the end; a run that died without a word is no outcome."""
        assert self._answer.poll(PATIENCE), self.log.read_text()[-3000:]
        try:
            told = self._answer.recv()
        except EOFError:
            self.process.join(PATIENCE)
            raise AssertionError(f"died with {self.process.exitcode}: {self.log.read_text()[-3000:]}") from None
        self.process.join(PATIENCE)
        return Outcome(**told)


class WarmRuns:
    """Forks runs from a forkserver that has imported Prefect, dbt and DuckDB and has parsed the dbt project."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["orchestration.worker.preload"])
        self._count = 0

    def start(self, environment: Mapping[str, str], hardship: Hardship = UNTROUBLED, *departments: str) -> WarmRun:
        self._count += 1
        log = self._folder / f"run-{self._count}.log"
        ours, theirs = self._context.Pipe(duplex=False)
        arguments = (dict(environment), hardship, departments or ("9",), str(log), theirs)
        process = self._context.Process(target=_run, args=arguments, daemon=True)
        process.start()
        theirs.close()
        return WarmRun(process, ours, log)


def _run(
    environment: dict[str, str], hardship: Hardship, departments: tuple[str, ...], log: str, answer: Connection
) -> None:
    with Path(log).open("ab") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    os.environ.update(environment)
    from ingestion import settings as ingestion_settings
    from orchestration import settings as orchestration_settings

    ingestion_settings.get_settings.cache_clear()
    orchestration_settings.get_settings.cache_clear()
    _suffer(hardship)
    answer.send(_told(departments))


def _suffer(hardship: Hardship) -> None:
    if hardship.starts_stopped:
        os.kill(os.getpid(), signal.SIGSTOP)
    for limit, value in hardship.limits.items():
        resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))
    if hardship.minds_rights:
        give_up_override()
    if hardship.zone is not None:
        os.environ["TZ"] = hardship.zone
        time.tzset()


def give_up_override() -> None:
    """Let the rights of files bind root, too: capset(2) with nothing effective, permitted or inheritable."""
    header = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    if ctypes.CDLL(None, use_errno=True).capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")


def _told(departments: tuple[str, ...]) -> dict[str, Any]:
    from ingestion.departments import resolve_all
    from ingestion.settings import get_settings as get_ingestion_settings
    from orchestration.pipeline import plain_steps, run_pipeline
    from orchestration.settings import get_settings

    def say(line: str) -> None:
        with contextlib.suppress(OSError):  # the disk of the log may be the full one
            print(line, flush=True)  # noqa: T201

    ingestion = get_ingestion_settings()
    steps = plain_steps(ingestion, get_settings(), "a-run", say)
    try:
        summary = run_pipeline(resolve_all(departments), steps, ingestion, say)
    except (IngestionError, OrchestrationError) as error:
        return {"text": str(error), "is_good": False, "is_told": True, "kind": type(error).__name__}
    except BaseException as error:
        say(traceback.format_exc())
        return {"text": repr(error), "is_good": False, "is_told": False, "kind": type(error).__name__}
    return {"text": str(summary), "is_good": True, "is_told": True}
