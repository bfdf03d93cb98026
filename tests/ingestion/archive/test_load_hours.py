"""Files of hours: read whatever their header, told in UTC, refused when they are not whole, the same in any order."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import duckdb
import pytest
from archive_files import HOURS_HEADER, OTHER_HEADER, Archive, days_of, hour_of, hours_of, text_of

from ingestion.archive.__main__ import main
from ingestion.archive.ledger import read_ledger
from ingestion.archive.load import Origin, load_file
from ingestion.archive.received_file import period_of, receive
from ingestion.errors import ArchiveFileRefused
from ingestion.paths import DataPaths

Moment = Callable[[int], datetime]
NEW_YEAR = "2025-01-01T00"  # in the file's own time
LATEST, PREVIOUS = "H_09_latest-2025-2026.csv.gz", "H_09_previous-2020-2024.csv.gz"
WHOLE = text_of(hours_of(NEW_YEAR, 50), HOURS_HEADER)


def ask(paths: DataPaths, columns: str, table: str | None = None) -> list[Any]:
    """Rows of the hours in use, or of a table that was computed from them, by station and time, times in UTC."""
    ledger = read_ledger(paths)
    if table is None:
        files = [str(paths.root / str(file.file)) for file in ledger.in_use(dataset="hours")]
    else:
        files = [str(paths.root / folder / f"{table}.parquet") for folder in ledger.from_hours.values()]
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(f"select {columns} from read_parquet({files}) order by 1, 2").fetchall()


def test_columns_are_read_by_name_and_ids_are_made_whole(archive: Archive, at: Moment) -> None:
    """Case 02: a blank before the id, and the two misspelt codes of 2024."""
    old = HOURS_HEADER.replace("QPMERMIN", "QPERMIN").replace("QB2", "QCB2").replace("HFXI3S", "HXI3S")
    header = ";".join(reversed([*old.split(";"), "STATUS_FXI3S", "EMPTY"]))
    rows = [
        hour_of("2024-05-01T01", " 09289001", T="-3.4", QT=9, CL="/", B2="300", QCB2=9, STATUS_FXI3S="1"),
        hour_of("2024-05-01T00", "9289001", RR1="1.2", PMERMIN="1011.1", QPERMIN=1, HXI3S="55"),
    ]
    loaded = archive.load(PREVIOUS, text_of(rows, header), at(1))
    assert str(loaded) == "2 hours of 1 post, 2024-05-01 to 2024-05-01; unknown columns kept: STATUS_FXI3S"
    assert (loaded.entry.dataset, loaded.entry.posts, len(loaded.entry.header_digest)) == ("hours", 1, 16)
    assert ask(
        archive.paths,
        "station_id, observed_at::timestamp::varchar, round(RR1::double, 1), round(T::double, 1), QT, CL, B2, QB2,"
        " round(PMERMIN::double, 1), QPMERMIN, HFXI3S, STATUS_FXI3S, QU, station_name",
    ) == [
        ("09289001", "2024-05-01 00:00:00", 1.2, None, None, None, None, None, 1011.1, 1, 55, None, None, "ST GIRONS"),
        ("09289001", "2024-05-01 01:00:00", None, -3.4, 9, "/", 300, 9, None, None, None, "1", None, "ST GIRONS"),
    ]


@pytest.mark.parametrize(("swapped", "is_in_order"), [(2, False), (90, True)], ids=["in the sample", "behind it"])
def test_rows_are_sorted_whether_a_sample_shows_it_or_not(
    archive: Archive, at: Moment, swapped: int, is_in_order: bool
) -> None:
    rows = hours_of(NEW_YEAR, 100)
    whole = text_of(rows, HOURS_HEADER)
    rows[swapped], rows[swapped + 1] = rows[swapped + 1], rows[swapped]
    text = text_of(rows, HOURS_HEADER)
    file = archive.paths.root / "given.csv"
    file.parent.mkdir(exist_ok=True)
    for given, expected in ((whole, True), (text, is_in_order)):
        file.write_bytes(given)
        assert receive(file).is_in_order == expected
    archive.load(LATEST, text, at(1))
    (found,) = (archive.paths.root / str(file.file) for file in read_ledger(archive.paths).in_use())
    hours = [hour for (hour,) in duckdb.sql(f"select observed_at::timestamp from '{found}'").fetchall()]
    assert hours == sorted(hours)
    assert len(set(hours)) == 100


def test_empty_columns_are_left_out_and_a_rare_value_is_found_all_the_same(archive: Archive, at: Moment) -> None:
    """The sample of the lines shows no GLO: the one value far behind must not be lost."""
    rows = hours_of(NEW_YEAR, 100)
    archive.load(LATEST, text_of(rows, HOURS_HEADER), at(1))
    columns = set(_columns(archive.paths))
    assert "GLO" in columns  # the marts read it, so it is always there
    assert not {"CL", "B2", "QB2", "PMERMIN"} & columns
    rows[90] |= {"B2": "450", "QB2": 9}
    archive.load(LATEST, text_of(rows, HOURS_HEADER), at(2))
    assert ask(archive.paths, "max(B2), max(QB2), count(B2), count(*)") == [(450, 9, 1, 100)]
    assert "CL" not in _columns(archive.paths)


def _columns(paths: DataPaths) -> Sequence[str]:
    (file,) = (paths.root / str(file.file) for file in read_ledger(paths).in_use())
    return duckdb.sql(f"from '{file}'").columns


def test_overseas_hours_are_told_in_utc(archive: Archive, at: Moment) -> None:
    """Case 03: 10 mm in the hour that ends at 10 h in Nouméa, which is UTC+11."""
    rows = hours_of("2024-01-10T00", 48, "98818001")
    rows[10] |= {"RR1": "10.0"}
    entry = archive.load("H_988_previous-2020-2024.csv.gz", text_of(rows, HOURS_HEADER), at(1)).entry
    assert (entry.first_day, entry.last_day) == ("2024-01-10", "2024-01-11")
    wet = "observed_at::timestamp::varchar, RR1"
    assert max(ask(archive.paths, wet), key=lambda row: row[1]) == ("2024-01-09 23:00:00", 10.0)
    days = ask(archive.paths, "observed_date::varchar, precipitation_mm, department_code", "days")
    assert days == [("2024-01-10", 10.0, "988")]  # the 11th lacks its last hours


def test_hours_of_new_year_overseas_lie_within_their_label(archive: Archive, at: Moment) -> None:
    """1 January 00 h in Nouméa is the year before in UTC."""
    rows = hours_of("2024-01-01T00", 3, "98818001")
    assert archive.load("H_988_previous-2024-2024.csv.gz", text_of(rows, HOURS_HEADER), at(1)).entry.rows == 3


def test_an_unknown_local_time_is_not_guessed(archive: Archive, at: Moment) -> None:
    with pytest.raises(ArchiveFileRefused, match=r"local time of its stations \(98404001\) is not known"):
        archive.load("H_984_2010-2019.csv.gz", text_of(hours_of("2010-01-01T00", 3, "98404001"), HOURS_HEADER), at(1))
    (entry,) = read_ledger(archive.paths).files
    assert (entry.status, entry.department, entry.dataset) == ("refused", "984", "hours")
    assert "98404001" in str(entry.error)


def test_a_post_read_by_hand_has_one_row_a_day(archive: Archive, at: Moment) -> None:
    rows = [hour_of(f"1890-02-{day:02d}T06", NEIGETOT=f"{day}", QNEIGETOT=1) for day in range(1, 29)]
    assert archive.load("H_09_1890-1899.csv", text_of(rows, HOURS_HEADER), at(1)).entry.rows == 28
    assert ask(archive.paths, "month::varchar, hours, temperature_c_hours", "coverage") == [("1890-02-01", 28, 0)]
    assert ask(archive.paths, "*", "days") == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (WHOLE[:-10], "cut"),
        (WHOLE + WHOLE.splitlines(keepends=True)[-1], "has station 09289001 twice on 2025-01-03 01 h UTC"),
        (text_of(hours_of("2024-12-31T23", 3), HOURS_HEADER), "its hours run from 2024-12-31 to 2025-01-01"),
        (text_of(hours_of(NEW_YEAR, 3, T="278.1"), HOURS_HEADER), "has T 278.1 on"),
        (text_of(hours_of(NEW_YEAR, 3, T="5,1"), HOURS_HEADER), "cannot be read"),
        (text_of([*hours_of(NEW_YEAR, 2), *hours_of(NEW_YEAR, 2, "75106001")], HOURS_HEADER), "mixes départements"),
        (text_of(hours_of(NEW_YEAR, 3), HOURS_HEADER.replace("RR1;QRR1", "RR;QRR")), "no column RR1"),
        (text_of([], HOURS_HEADER), "it has no rows"),
    ],
    ids=["cut", "twice", "outside", "kelvin", "comma", "mixed", "header", "empty"],
)
def test_what_is_no_whole_file_of_hours_is_refused_and_changes_nothing(
    archive: Archive, at: Moment, body: bytes, why: str
) -> None:
    archive.load(LATEST, WHOLE, at(1))
    with pytest.raises(ArchiveFileRefused, match=why):
        archive.load(LATEST, body, at(2))
    assert len(ask(archive.paths, "station_id, observed_at")) == 50
    assert list((archive.paths.archive / "incoming").iterdir()) == []


def test_a_file_that_shrank_is_refused_until_it_is_accepted(archive: Archive, at: Moment) -> None:
    archive.load(LATEST, WHOLE, at(1))
    shrunk = text_of(hours_of(NEW_YEAR, 40), HOURS_HEADER)
    with pytest.raises(ArchiveFileRefused, match=r"40 rows.*--accept"):
        archive.load(LATEST, shrunk, at(2))
    assert len(ask(archive.paths, "station_id, observed_at")) == 50
    archive.load(LATEST, shrunk, at(2), accept=True)
    assert len(ask(archive.paths, "station_id, observed_at")) == 40


def test_at_the_turn_of_the_year_no_hour_is_lost_or_doubled(tmp_path: Path, at: Moment) -> None:
    """2024 moves from `latest-2024-2025` to `previous-2020-2024`, and `latest-2025-2026` begins."""
    files = [
        ("H_09_latest-2024-2025.csv", text_of(hours_of("2024-12-31T00", 48), HOURS_HEADER), at(1)),
        (PREVIOUS, text_of(hours_of("2024-12-30T00", 48, T="6.0"), HOURS_HEADER), at(2)),
        (LATEST, text_of(hours_of(NEW_YEAR, 30, T="7.0"), HOURS_HEADER), at(2)),
    ]
    seen = []
    for number, order in enumerate(permutations(files)):
        archive = Archive(DataPaths(tmp_path / str(number)), tmp_path / "files")
        for file in order:
            archive.load(*file)
        assert len(ask(archive.paths, "station_id, observed_at")) == 78
        seen.append(ask(archive.paths, "observed_date::varchar, temperature_mean_c", "days"))
        assert {f.period for f in read_ledger(archive.paths).in_use()} == {"previous-2020-2024", "latest-2025-2026"}
    # 31 December has 23 hours of 6.0 and one of 7.0.
    days = [("2024-12-30", 6.0), ("2024-12-31", 6.04), ("2025-01-01", 7.0)]
    assert seen == [days] * 6


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("b.csv", "a.csv")])
def test_one_file_under_two_names_counts_once(archive: Archive, at: Moment, names: Sequence[str]) -> None:
    for name in names:
        archive.load(name, WHOLE, at(1))
    assert len(ask(archive.paths, "station_id, observed_at")) == 50
    assert [f.period for f in read_ledger(archive.paths).in_use()] == ["file-b"]


def test_a_corrected_file_replaces_one_file_only(archive: Archive, at: Moment) -> None:
    archive.load(PREVIOUS, text_of(hours_of("2024-06-01T00", 48), HOURS_HEADER), at(1))
    archive.load(LATEST, WHOLE, at(1))
    before = {file: (archive.paths.root / file).stat().st_ino for file in read_ledger(archive.paths).parquet_files()}
    archive.load(LATEST, WHOLE.replace(b"5.0", b"5.1", 1), at(2))
    after = {file: (archive.paths.root / file).stat().st_ino for file in read_ledger(archive.paths).parquet_files()}
    changed = sorted(file.split("/")[1] for file in after.keys() - before.keys())
    assert changed == ["from_hours", "from_hours", "hours", "partial_hours"]
    assert all(after[file] == inode for file, inode in before.items() if file in after)


def test_days_and_hours_of_a_departement_do_not_touch_each_other(archive: Archive, at: Moment) -> None:
    archive.load("Q_09_latest-2025-2026_RR-T-Vent.csv", text_of(days_of(date(2025, 1, 1), 5)), at(1))
    climate = dict(read_ledger(archive.paths).climate)
    archive.load(LATEST, WHOLE, at(2))
    ledger = read_ledger(archive.paths)
    assert sorted((file.dataset, file.rows) for file in ledger.in_use("9")) == [("days", 5), ("hours", 50)]
    assert (ledger.climate, set(ledger.from_hours)) == (climate, {"9"})
    with pytest.raises(ArchiveFileRefused, match=r"an hourly file .* \(H_…\), no file of official days"):
        load_file(archive.paths, archive.folder / LATEST, Origin(LATEST, at(3)), "meteofrance", dataset="days")


def test_a_kill_while_hours_are_written_leaves_all_as_before(
    archive: Archive, at: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step up to the ledger's replacement may be the last one."""
    archive.load(LATEST, WHOLE, at(1))
    before = (archive.paths.archive / "ledger.json").read_bytes()

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    body = text_of(hours_of(NEW_YEAR, 60), HOURS_HEADER)
    for step in ("write_hours", "settle_department", "write_days_of_hours", "write_ledger"):
        with monkeypatch.context() as patched:
            patched.setattr(f"ingestion.archive.load.{step}", kill)
            with pytest.raises(Killed):
                archive.load(LATEST, body, at(2))
        assert (archive.paths.archive / "ledger.json").read_bytes() == before
        assert len(ask(archive.paths, "station_id, observed_at")) == 50
    archive.load(LATEST, body, at(2))
    assert len(ask(archive.paths, "station_id, observed_at")) == 60


def test_a_folder_is_loaded_file_by_file(archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / LATEST.removesuffix(".gz")).write_bytes(WHOLE)
    (folder / "Q_09_latest-2025-2026_RR-T-Vent.csv").write_bytes(text_of(days_of(date(2025, 1, 1), 5)))
    others = text_of(days_of(date(2025, 1, 1), 4, INST="60"), OTHER_HEADER)
    (folder / "Q_09_latest-2025-2026_autres-parametres.csv").write_bytes(others)
    (folder / "MENSQ_09_latest-2025-2026.csv").write_bytes(b"not read")
    assert main(["--file", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "H_09_latest-2025-2026.csv: 50 hours of 1 post, 2025-01-01 to 2025-01-03",
        "Q_09_latest-2025-2026_RR-T-Vent.csv: 5 days of 1 post, 2025-01-01 to 2025-01-05",
        "Q_09_latest-2025-2026_autres-parametres.csv: 4 other days of 1 post, 2025-01-01 to 2025-01-04",
    ]
    assert len(read_ledger(archive.paths).in_use()) == 3


def test_periods_are_told_by_names() -> None:
    names = {
        "H_09_latest-2025-2026.csv.gz": "latest-2025-2026",
        "H_988_1950-1959.csv": "1950-1959",
        "H_75_LUXEMBOURG_2018_77rows.csv": "file-h-75-luxembourg-2018-77rows",
    }
    assert {name: period_of(name) for name in names} == names


def test_a_doubtful_hour_leaves_its_day_without_that_value(archive: Archive, at: Moment) -> None:
    rows = hours_of("2025-01-01T01", 24, T="4.0", TX="4.5", RR1="0.1")
    rows[5] |= {"QT": 2}
    archive.load(LATEST, text_of(rows, HOURS_HEADER), at(1))
    assert ask(archive.paths, "observed_date::varchar, temperature_mean_c", "days") == []
    archive.load(LATEST, text_of([*rows[:5], hour_of("2025-01-01T06", T="28.0"), *rows[6:]], HOURS_HEADER), at(2))
    # (23 * 4 + 28) / 24 = 5.0; rain and maximum go from 07 to 06 of the next day, and lack hours.
    columns = "observed_date::varchar, temperature_mean_c, precipitation_mm, temperature_max_c"
    assert ask(archive.paths, columns, "days") == [("2025-01-01", 5.0, None, None)]


def test_luxembourgs_hours_give_its_official_days(real_file: Callable[[str], Path], paths: DataPaths) -> None:
    """Case 08 and Météo-France's own days of 24 to 26 May 2018 (see test_archive_views.py)."""
    assert main(["--file", str(real_file("H_75_LUXEMBOURG_2018_77rows.csv"))]) == 0
    (entry,) = read_ledger(paths).in_use()
    assert (entry.rows, entry.posts, entry.department) == (77, 1, "75")
    found = ask(
        paths,
        "observed_date::varchar, precipitation_mm, round(temperature_min_c, 1), round(temperature_max_c, 1),"
        " round(temperature_mean_c, 1)",
        "days",
    )
    official = {"2018-05-25": (16.6, 14.1, 28.8, 19.8), "2018-05-26": (0.0, 15.4, 29.5, 22.8)}
    assert {day: tuple(values) for day, *values in found if day in official} == official


def test_hours_that_two_moments_tell_are_of_utc(archive: Archive, at: Moment) -> None:
    archive.load(LATEST, WHOLE, at(1))
    assert ask(archive.paths, "min(observed_at), max(observed_at)") == [
        (datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 3, 1, tzinfo=UTC))
    ]
