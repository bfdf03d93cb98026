"""Asks every reader without a pause, from threads of its own, and checks each answer while hosts are lost."""

import csv
import io
import threading
import time
from hashlib import sha256
from types import TracebackType

import httpx
from running_hosts import Reader

ROWS = "/warehouse/tables/marts/hourly_observations?limit=100000&format=csv"
_ASKED = ("/warehouse/latest?dept=9", ROWS, "/quality", "/warehouse/stations?dept=9", "/health/live")
_PAUSE = 0.2


class Watching:
    """What was seen: faults, when each reader first served a snapshot, and the longest wait for an answer."""

    def __init__(self, readers: list[Reader]) -> None:
        self.faults: list[str] = []
        self.served_at: dict[str, dict[str, float]] = {}  # by snapshot and reader
        self.answers = 0
        self.longest = 0.0
        self.cut_off: set[str] = set()  # readers that cannot be reached, as the test says
        self._bytes: dict[tuple[str, str], tuple[str, str]] = {}  # by question and snapshot: digest and ETag
        self._rows: dict[str, set[tuple[str, str]]] = {}  # by snapshot
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(reader,), daemon=True) for reader in readers]

    def __enter__(self) -> "Watching":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(70)

    def has_rows(self, snapshot: str) -> bool:
        return snapshot in self._rows

    def newest_hour(self, snapshot: str) -> str:
        return max(hour for _, hour in self._rows[snapshot])

    def _ask(self, reader: Reader) -> None:
        before = ""
        with httpx.Client(base_url=reader.url, timeout=20, headers=dict(reader.http.headers)) as http:
            while not self._ended.is_set():
                for question in _ASKED:
                    start = time.monotonic()
                    try:
                        answer = http.get(question)
                    except httpx.HTTPError as error:
                        if reader.name in self.cut_off:
                            continue
                        self._note(f"{reader.name} {question}: {error!r}")
                        continue
                    with self._lock:
                        self.answers += 1
                        self.longest = max(self.longest, time.monotonic() - start)
                    if answer.status_code != 200:
                        self._note(f"{reader.name} {question}: {answer.status_code} {answer.text[:200]}")
                    elif snapshot := answer.headers.get("X-Snapshot-Id") or _named(answer):
                        if snapshot < before:
                            self._note(f"{reader.name} went back from {before} to {snapshot}")
                        before = snapshot
                        self._check(reader, question, snapshot, answer)
                self._ended.wait(_PAUSE)

    def _check(self, reader: Reader, question: str, snapshot: str, answer: httpx.Response) -> None:
        """One snapshot has one answer to a question, at every reader and at all times."""
        found = (sha256(answer.content).hexdigest(), answer.headers.get("ETag", ""))
        with self._lock:
            self.served_at.setdefault(snapshot, {}).setdefault(reader.name, time.time())
            known = self._bytes.setdefault((question, snapshot), found)
            if known != found:
                self.faults.append(f"{reader.name} {question} of {snapshot} is {found}, and was {known}")
            if question == ROWS and snapshot not in self._rows:
                self._compare_rows(snapshot, answer.text)

    def _compare_rows(self, snapshot: str, text: str) -> None:
        """No station's hour is there twice, and none of the snapshot before is missing."""
        rows = [(row["station_id"], row["observed_at"]) for row in csv.DictReader(io.StringIO(text))]
        found = self._rows[snapshot] = set(rows)
        if len(found) != len(rows):
            self.faults.append(f"{snapshot} holds {len(rows) - len(found)} hours twice")
        for other, known in self._rows.items():
            small, large = (found, known) if snapshot < other else (known, found)
            if lost := len(small - large):
                self.faults.append(f"of {min(snapshot, other)} {lost} hours are missing in {max(snapshot, other)}")

    def _note(self, fault: str) -> None:
        with self._lock:
            self.faults.append(fault)


def _named(answer: httpx.Response) -> str | None:
    if answer.headers.get("Content-Type", "").startswith("application/json"):
        told = answer.json().get("snapshot")
        return told["id"] if isinstance(told, dict) else None
    return None
