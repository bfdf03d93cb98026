"""The daily refresh: only what changed is fetched, at the turn of the year too. A mirror that stands still is named."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from archive_files import days_of, text_of

from ingestion.archive import backfill as backfill_module
from ingestion.archive.backfill import Backfilled, backfill, refresh
from ingestion.archive.ledger import read_ledger
from ingestion.archive.listing import ArchiveClient
from ingestion.archive.plan import find_frozen
from ingestion.demo.archive import create_demo_archive
from ingestion.departments import resolve_all
from ingestion.paths import DataPaths
from ingestion.settings import IngestionSettings

ARIEGE = resolve_all(["9"])


class Demo:
    """The demo's archive at a time that the test sets, and what was asked of it."""

    def __init__(self, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 12, 30, 12, tzinfo=UTC)
        self.frozen_on: date | None = None
        self.has_log = True
        self.asked: list[tuple[str, str]] = []
        self.paths = DataPaths(data_dir)
        self.settings = IngestionSettings(data_dir=data_dir, meteofrance_source="demo", _env_file=None)
        monkeypatch.setattr(backfill_module, "open_archive", self._open)

    @asynccontextmanager
    async def _open(self, _: IngestionSettings) -> AsyncIterator[ArchiveClient]:
        archive = httpx.ASGITransport(create_demo_archive(lambda: self.now, 2025, self.frozen_on))
        demo = self

        class Spy(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                name = request.url.path.rpartition("/")[2]
                if name:
                    demo.asked.append((request.method, name))
                if name == "updated_files.json" and not demo.has_log:
                    return httpx.Response(404)
                return await archive.handle_async_request(request)

        async with httpx.AsyncClient(transport=Spy()) as http:
            yield ArchiveClient(http, 1)

    def refresh(self, now: datetime) -> Backfilled:
        self.now = now
        self.asked.clear()
        return refresh(self.settings, print)

    def rows(self, columns: str, where: str = "true") -> list[Any]:
        files = [str(self.paths.root / str(file.file)) for file in read_ledger(self.paths).in_use()]
        query = f"select {columns} from read_parquet({files}) where {where} order by station_id, observed_date"
        return duckdb.sql(query).fetchall()


@pytest.fixture
def demo(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Demo:
    return Demo(data_dir, monkeypatch)


def test_a_refresh_follows_the_archive_over_the_turn_of_the_year(demo: Demo) -> None:
    backfill(demo.settings, ARIEGE, 2025, print)
    assert {f.period for f in read_ledger(demo.paths).in_use()} == {"latest-2025-2026"}
    (wrong,) = demo.rows("TX, QTX", "station_id = '09289001' and observed_date = date '2026-12-28'")

    # Nothing new: only the change log is asked, and the version of what it names today.
    again = demo.refresh(datetime(2026, 12, 30, 13, tzinfo=UTC))
    assert (again.loaded, again.failures) == ([], {})
    assert {method for method, name in demo.asked if name.startswith("Q_")} <= {"HEAD"}

    done = demo.refresh(datetime(2027, 1, 2, 12, tzinfo=UTC))
    # 2025 has moved to `previous`, which the ledger has no file of: it is not fetched, and 2025 is kept.
    assert [entry.name for entry in done.loaded] == ["Q_09_latest-2026-2027_RR-T-Vent.csv.gz"]
    assert len({f.resource_id for f in read_ledger(demo.paths).files}) == 1
    backfill(demo.settings, ARIEGE, 2025, print)
    assert {f.period for f in read_ledger(demo.paths).in_use()} == {"latest-2026-2027", "previous-1950-2025"}
    days = demo.rows("station_id, observed_date")
    assert len(days) == len(set(days)) == 14 * (365 + 365 + 1)
    # 10 days later what was doubtful is validated.
    demo.refresh(datetime(2027, 1, 12, 12, tzinfo=UTC))
    (corrected,) = demo.rows("TX, QTX", "station_id = '09289001' and observed_date = date '2026-12-28'")
    assert (wrong[1], corrected[1]) == (9, 1)


@pytest.mark.slow
def test_the_newest_days_are_corrected(demo: Demo) -> None:
    backfill(demo.settings, ARIEGE, 2026, print)
    recent = "observed_date between date '2026-12-27' and date '2026-12-29'"
    before = demo.rows("station_id, day(observed_date), TX::double", recent)
    demo.refresh(datetime(2027, 1, 5, 12, tzinfo=UTC))
    # The files of both labels hold these days. The later one wins, so read it alone.
    newest = max(read_ledger(demo.paths).in_use(), key=lambda file: file.rank)
    file = demo.paths.root / str(newest.file)
    query = f"select TX::double from read_parquet('{file}') where {recent} order by station_id, observed_date"
    differences = [
        (round(corrected - tx, 1), 0.4 if (int(station) + day) % 7 == 0 else 0.0)
        for (station, day, tx), (corrected,) in zip(before, duckdb.sql(query).fetchall(), strict=True)
    ]
    assert len(differences) == 14 * 3
    assert {expected for _, expected in differences} == {0.0, 0.4}
    assert all(seen == expected for seen, expected in differences)


@pytest.mark.parametrize("has_log", [True, False], ids=["change log", "without"])
def test_a_change_that_the_listing_does_not_show_is_found(
    demo: Demo, monkeypatch: pytest.MonkeyPatch, has_log: bool
) -> None:
    demo.has_log = has_log
    backfill(demo.settings, ARIEGE, 2026, print)
    monkeypatch.setattr("ingestion.demo.archive._modified", lambda *_: datetime(2026, 12, 30, 7, 30, tzinfo=UTC))
    done = demo.refresh(datetime(2026, 12, 31, 12, tzinfo=UTC))
    assert ("HEAD", "Q_09_latest-2025-2026_RR-T-Vent.csv.gz") in demo.asked
    assert [(entry.last_day, entry.rows) for entry in done.loaded] == [("2026-12-30", 14 * (365 + 364))]
    assert [entry.last_day for entry in read_ledger(demo.paths).in_use()] == ["2026-12-30"]


def test_a_mirror_that_stands_still_is_named(demo: Demo) -> None:
    demo.frozen_on = date(2026, 12, 30)
    backfill(demo.settings, ARIEGE, 2026, print)
    assert demo.refresh(datetime(2027, 1, 8, 12, tzinfo=UTC)).loaded == []
    ledger = read_ledger(demo.paths)
    assert find_frozen(ledger, date(2027, 1, 8)) == []  # ten days old
    assert find_frozen(ledger, date(2027, 1, 9)) == [
        "Q_09_latest-2025-2026_RR-T-Vent.csv.gz ends on 2026-12-29: the archive seems frozen"
    ]


@pytest.mark.slow
def test_hours_are_one_more_data_set(demo: Demo) -> None:
    demo.now = datetime(2026, 1, 11, 12, tzinfo=UTC)
    done = backfill(demo.settings, ARIEGE, 2026, print, datasets=("days", "hours"))
    days, hours = 14 * (365 + 10), 14 * 24 * (365 + 10)  # to 10 January; hours from 00 h of the first day
    assert str(done).startswith(f"2 files loaded ({days:,} days, {hours:,} hours), 0 known already")
    done = demo.refresh(datetime(2026, 1, 12, 12, tzinfo=UTC))
    assert [(entry.dataset, entry.rows) for entry in done.loaded] == [("days", days + 14), ("hours", hours + 14 * 24)]
    ledger = read_ledger(demo.paths)
    assert (set(ledger.climate), set(ledger.from_hours)) == ({"9"}, {"9"})
    assert find_frozen(ledger, date(2026, 3, 1)) == [
        "Q_09_latest-2025-2026_RR-T-Vent.csv.gz ends on 2026-01-11: the archive seems frozen",
        "H_09_latest-2025-2026.csv.gz ends on 2026-01-11: the archive seems frozen",
    ]


def test_nothing_is_asked_where_nothing_was_loaded(demo: Demo) -> None:
    assert str(refresh(demo.settings, print)) == "0 files loaded (nothing new), 0 known already"
    assert demo.asked == []


def test_a_header_that_lost_a_quantity_is_named_and_nothing_is_lost(
    archive: Any, at: Callable[[int], datetime]
) -> None:
    name = "Q_09_latest-2025-2026_RR-T-Vent.csv.gz"
    rows = days_of(date(2025, 1, 1), 40, RR="1.0", TN="0.0", TX="9.0", TM="4.0")
    archive.load(name, text_of(rows), at(1))
    renamed = text_of(rows).replace(b";TM;QTM;", b";TMOY;QTMOY;", 1)
    with pytest.raises(Exception, match=r"its header has changed: it has few or no values of TM, QTM, and .* had"):
        archive.load(name, renamed, at(2))
    ledger = read_ledger(archive.paths)
    assert [(f.status, f.last_modified[:10]) for f in ledger.files] == [
        ("loaded", "2026-01-01"),
        ("refused", "2026-01-02"),
    ]
    # A new column is no loss: it is kept under its own name.
    more = text_of([row | {"NEW": "1"} for row in rows], f"{text_of([]).decode().strip()};NEW")
    assert archive.load(name, more, at(3)).entry.unknown_columns == ("NEW",)
    assert archive.load(name, renamed, at(4), accept=True).entry.status == "loaded"
