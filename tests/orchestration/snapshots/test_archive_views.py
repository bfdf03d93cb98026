"""The archive in a snapshot: per value the official day comes first, and the snapshot holds views only."""

import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from archive_files import Archive, days_of, row_of, text_of
from snapshot_files import Ask, snapshot_with

from ingestion.archive.ledger import read_ledger
from ingestion.archive.load import given_by_hand, load_file, renew_climate
from ingestion.errors import ArchiveUnreadable
from ingestion.paths import DataPaths
from orchestration.snapshots import closed_files
from orchestration.snapshots.archive_views import ARCHIVE_DOCS, archive_of
from orchestration.snapshots.closed_files import discard_unused

LATEST = "Q_09_latest-2023-2024_RR-T-Vent.csv"
AT = datetime(2024, 9, 1, tzinfo=UTC)


@pytest.fixture
def archive(paths: DataPaths, tmp_path: Path) -> Archive:
    return Archive(paths, tmp_path / "files")


@pytest.fixture
def show(paths: DataPaths, tmp_path: Path) -> Callable[..., Ask]:
    """Make a snapshot's file whose days from hours are these, with the archive's views; ask it."""

    def make(*days: str) -> Ask:
        columns = (
            "station_id, station_name, department_code, observed_date, is_final, precipitation_mm, temperature_min_c,"
            " temperature_max_c, temperature_mean_c, wind_mean_ms, max_mean_wind_ms, gust_max_ms, gust_kind"
        )
        inserts = [f"insert into marts.daily_observations ({columns}) values ({day})" for day in days]
        return snapshot_with(paths, tmp_path / "warehouse.duckdb", inserts)

    return make


def hours_of(day: str, **values: object) -> str:
    names = ("precipitation_mm", "temperature_min_c", "temperature_max_c", "temperature_mean_c", "wind_mean_ms")
    told = ", ".join(str(values.get(name, "null")) for name in names)
    gust = f"{values.get('gust', 'null')}, '3s'"
    return f"'09289001', 'ST GIRONS', '9', date '{day}', true, {told}, null, {gust}"


def test_the_official_day_wins_and_the_difference_is_told(archive: Archive, show: Callable[..., Ask]) -> None:
    """Case 08: hours add up to 0.0 mm, the official day has 8.4 mm."""
    row = row_of(date(2023, 12, 5), RR="8.4", TN="-5.1", TX="-1.0", TM="-3.0")
    archive.load(LATEST, text_of([row]), AT)
    hours = {"precipitation_mm": 0.0, "temperature_min_c": -5.1, "temperature_mean_c": -3.04, "gust": 12.5}
    ask = show(hours_of("2023-12-05", **hours), hours_of("2023-12-06", precipitation_mm=1.4))
    assert ask(
        "select observed_date::varchar, day_source, precipitation_mm, temperature_max_c, gust_3s_ms, fields_from_hours,"
        " differs_from_hours from marts.daily_history order by observed_date"
    ) == [
        ("2023-12-05", "official", 8.4, -1.0, 12.5, ["gust_3s_ms"], {"precipitation_mm": 0.0}),
        ("2023-12-06", "hours", 1.4, None, None, [], {}),
    ]
    assert ask("select precipitation_mm from marts.daily_observations order by all") == [(0.0,), (1.4,)]


def test_a_doubtful_official_value_never_wins(archive: Archive, show: Callable[..., Ask]) -> None:
    rows = [
        row_of(date(2023, 12, 5), RR="0.0", TN="45.0", QTN=2, TX="9.0", QTX=9),
        row_of(date(2023, 12, 6), RR="0.0", QRR=0, TN="45.0", QTN=2),
    ]
    archive.load(LATEST, text_of(rows), AT)
    ask = show(hours_of("2023-12-05", temperature_min_c=1.0))
    assert ask(
        "select temperature_min_c, fields_from_hours, rejected_fields, quality from marts.daily_history"
        " order by observed_date"
    ) == [
        (1.0, ["temperature_min_c"], ["temperature_min_c"], {"temperature_min_c": 2, "temperature_max_c": 9}),
        (None, [], ["temperature_min_c"], {"precipitation_mm": 0, "temperature_min_c": 2}),
    ]


def test_a_day_that_two_files_hold_comes_once_from_the_later(archive: Archive, show: Callable[..., Ask]) -> None:
    archive.load(LATEST, text_of(days_of(date(2023, 12, 30), 3, RR="1.0", TN="0.0", TX="1.0")), AT)
    later = text_of(days_of(date(2023, 12, 30), 2, RR="2.0", TN="0.0", TX="1.0"))
    archive.load("Q_09_previous-1950-2023_RR-T-Vent.csv", later, AT.replace(day=2))
    ask = show()
    assert ask("select observed_date::varchar, precipitation_mm from marts.daily_history order by 1") == [
        ("2023-12-30", 2.0),
        ("2023-12-31", 2.0),
        ("2024-01-01", 1.0),
    ]
    assert ask("select count(*), sum(precipitation_mm_days) from meta.archive_coverage") == [(2, 3)]


def test_a_station_asked_for_reads_its_own_rows_only(archive: Archive, show: Callable[..., Ask]) -> None:
    """The condition must reach both sides of both joins, or a station's week reads all of France."""
    archive.load(LATEST, text_of(days_of(date(2023, 1, 1), 30)), AT)
    other = hours_of("2023-01-08").replace("09289001", "09999001")
    ask = show(hours_of("2023-01-05"), other, hours_of("2023-02-01"))
    ((_, plan),) = ask("explain select * from marts.daily_history where station_id = '09289001'")

    scans = plan.count("SEQ_SCAN") + plan.count("Function:")
    assert scans == 4
    assert plan.count("station_id='09289001'") == scans


def test_a_reader_that_names_a_department_opens_its_files_only(archive: Archive, show: Callable[..., Ask]) -> None:
    archive.load(LATEST, text_of(days_of(date(2023, 1, 1), 3)), AT)
    archive.load("Q_31_latest-2023-2024_RR-T-Vent.csv", text_of(days_of(date(2023, 1, 1), 4, "31069001")), AT)
    ask = show()
    count = "select station_id, count(*) from marts.daily_history group by all order by all"
    assert ask(count) == [("09289001", 3), ("31069001", 4)]
    assert ask(f"set variable archive_department = '31'; {count}") == [("31069001", 4)]
    # One without files: a station of it has no row, whichever file is opened.
    assert ask("set variable archive_department = '7'; from marts.records where station_id = '07000001'") == []


def test_every_relation_and_its_documented_columns_exist(archive: Archive, show: Callable[..., Ask]) -> None:
    archive.load(LATEST, text_of(days_of(date(2023, 1, 1), 3)), AT)
    ask = show()
    for name, doc in ARCHIVE_DOCS.items():
        columns = {row[0] for row in ask(f"describe {name}")}
        assert set(doc["columns"]) <= columns
        assert ask(f"select count(*) from {name}")


def test_a_missing_file_is_told(archive: Archive, show: Callable[..., Ask]) -> None:
    entry = archive.load(LATEST, text_of(days_of(date(2023, 1, 1), 3)), AT).entry
    (archive.paths.root / str(entry.file)).unlink()
    with pytest.raises(ArchiveUnreadable, match="is missing"):
        show()


def test_files_that_nothing_names_are_deleted_after_a_day(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.load(LATEST, text_of(days_of(date(2023, 1, 1), 3)), AT)
    old = set(read_ledger(archive.paths).parquet_files())
    archive.load(LATEST, text_of(days_of(date(2023, 1, 1), 4)), AT.replace(day=2))
    in_use = set(read_ledger(archive.paths).parquet_files())

    def present() -> set[str]:
        return {path.relative_to(archive.paths.root).as_posix() for path in archive.paths.archive.rglob("*.parquet")}

    assert discard_unused(archive.paths) == []
    assert present() == old | in_use
    monkeypatch.setattr(closed_files, "GRACE", timedelta(0))
    assert {path.relative_to(archive.paths.root).as_posix() for path in discard_unused(archive.paths)} == old - in_use
    assert present() == in_use


def test_a_departement_is_shown_once_its_back_fill_has_its_normals(archive: Archive) -> None:
    file = archive.folder / LATEST
    file.write_bytes(text_of(days_of(date(2023, 1, 1), 3)))
    load_file(archive.paths, file, given_by_hand(file), "meteofrance", more_follow=True)
    assert archive_of(archive.paths, "meteofrance").in_use() == []  # views over no normals cannot be made
    renew_climate(archive.paths, "9")
    assert [entry.name for entry in archive_of(archive.paths, "meteofrance").in_use()] == [LATEST]


def test_another_sources_archive_is_not_shown(archive: Archive) -> None:
    archive.load(LATEST, text_of(days_of(date(2023, 1, 1), 3)), AT)
    assert archive_of(archive.paths, "demo").in_use() == []
    assert len(archive_of(archive.paths, "meteofrance").in_use()) == 1


def test_luxembourgs_official_days(
    paths: DataPaths, real_file: Callable[[str], Path], show: Callable[..., Ask]
) -> None:
    file = real_file("Q_75_LUXEMBOURG_2018-05-24_28_5rows.csv")
    load_file(paths, file, given_by_hand(file), "meteofrance")
    ask = show()
    days = ask(
        "select observed_date::varchar, precipitation_mm, temperature_min_c, temperature_max_c, temperature_mean_c,"
        " quality from marts.daily_history where station_id = '75106001' order by 1"
    )
    assert days[:3] == [
        ("2018-05-24", 0.0, 14.3, 26.4, 19.9, {}),
        ("2018-05-25", 16.6, 14.1, 28.8, 19.8, {}),
        ("2018-05-26", 0.0, 15.4, 29.5, 22.8, {}),
    ]


def test_the_case_files(paths: DataPaths, show: Callable[..., Ask], tmp_path: Path) -> None:
    """Case 06 for days: a post under an old and a new number stays two posts, each with its days."""
    old, new = days_of(date(2026, 4, 14), 1, "05127001"), days_of(date(2026, 4, 16), 1, "04033001")
    for department, rows in (("05", old), ("04", new)):
        file = tmp_path / f"Q_{department}_latest-2025-2026_RR-T-Vent.csv.gz"
        file.write_bytes(gzip.compress(text_of(rows)))
        load_file(paths, file, given_by_hand(file), "meteofrance")
    ask = show()
    assert ask("select station_id, department_code, observed_date::varchar from marts.daily_history order by 1") == [
        ("04033001", "4", "2026-04-16"),
        ("05127001", "5", "2026-04-14"),
    ]
