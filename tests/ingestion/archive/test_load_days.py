"""Files of official days: read whatever their header, refused when they are not whole, the same in any order."""

import json
from collections.abc import Callable
from datetime import date, datetime
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from archive_files import HEADER, Archive, days_of, row_of, text_of

from ingestion.archive.__main__ import main
from ingestion.archive.ledger import read_ledger
from ingestion.archive.load import Origin, load_file
from ingestion.errors import ArchiveFileRefused, SourceMismatch
from ingestion.paths import DataPaths

JANUARY, PREVIOUS = date(2025, 1, 1), "Q_09_previous-1950-2024_RR-T-Vent.csv.gz"
LATEST = "Q_09_latest-2025-2026_RR-T-Vent.csv.gz"
Moment = Callable[[int], datetime]


def rows_of(paths: DataPaths, columns: str = "*") -> list[Any]:
    files = [str(paths.root / str(file.file)) for file in read_ledger(paths).in_use()]
    return duckdb.sql(f"select {columns} from read_parquet({files}) order by station_id, observed_date").fetchall()


def state(paths: DataPaths) -> str:
    """Everything that the ledger says, but for the time of loading."""
    ledger = json.loads((paths.archive / "ledger.json").read_text())
    return json.dumps(
        [{k: v for k, v in entry.items() if k != "loaded_at"} for entry in ledger["files"]] + [ledger["climate"]]
    )


def test_columns_are_read_by_name_and_ids_are_made_whole(archive: Archive, at: Moment) -> None:
    header = "TX;QTX;NUM_POSTE;AAAAMMJJ;NEW;RR;QRR;TN;QTN;NOM_USUEL"
    rows = [
        row_of(date(2025, 1, 2), " 09289001", RR="1.2", TN="-3.4", QTN=9, TX="5.6", NEW="x"),
        row_of(date(2025, 1, 1), "9289001", RR="", TN="-1.0", TX="2.0"),
    ]
    loaded = archive.load(LATEST, text_of(rows, header), at(1))
    assert (loaded.entry.rows, loaded.entry.posts, loaded.entry.unknown_columns) == (2, 1, ("NEW",))
    assert rows_of(
        archive.paths, "station_id, observed_date::varchar, round(RR::double, 1), round(TN::double, 1), QTN, DRR, NEW"
    ) == [
        ("09289001", "2025-01-01", None, -1.0, 1, None, None),
        ("09289001", "2025-01-02", 1.2, -3.4, 9, None, "x"),
    ]


def test_loading_twice_changes_nothing_compressed_or_not(archive: Archive, at: Moment) -> None:
    body = text_of(days_of(JANUARY, 10))
    archive.load(LATEST, body, at(1))
    before = state(archive.paths), rows_of(archive.paths)
    assert not archive.load(LATEST, body, at(1)).is_new
    assert not archive.load(LATEST.removesuffix(".gz"), body, at(1)).is_new
    assert (state(archive.paths), rows_of(archive.paths)) == before


def test_a_corrected_file_replaces_one_in_any_order(tmp_path: Path, at: Moment) -> None:
    versions = [
        (LATEST, text_of(days_of(JANUARY, 100, RR="1.0", TN="0.0", TX="9.0")), at(1)),
        (LATEST, text_of(days_of(JANUARY, 101, RR="2.0", TN="0.0", TX="9.0")), at(2)),
        (LATEST, text_of(days_of(JANUARY, 90, RR="3.0", TN="0.0", TX="9.0")), at(3)),  # it shrank
    ]
    ends = set()
    for number, order in enumerate(permutations(versions)):
        archive = Archive(DataPaths(tmp_path / str(number)), tmp_path / "files")
        for version in [*order, (PREVIOUS, text_of(days_of(date(2024, 1, 1), 50)), at(1))]:
            try:
                archive.load(*version)
            except ArchiveFileRefused as refused:
                assert "it has 90 rows" in str(refused)  # noqa: PT017
        assert len(rows_of(archive.paths)) == 151
        assert {rain for (rain,) in rows_of(archive.paths, "RR") if rain} == {2.0}
        ends.add(state(archive.paths))
    assert len(ends) == 1


def test_a_file_that_lost_rows_is_refused_told_and_taken_if_somebody_says_so(archive: Archive, at: Moment) -> None:
    archive.load(LATEST, text_of(days_of(JANUARY, 100)), at(1))
    archive.load(LATEST, text_of(days_of(JANUARY, 98, RR="1.0", TN="0.0", TX="1.0")), at(2))  # 98 % is enough
    shrunk = text_of(days_of(JANUARY, 96))
    with pytest.raises(ArchiveFileRefused, match=r"it has 96 rows, and .* had 98"):
        archive.load(LATEST, shrunk, at(3))
    assert len(rows_of(archive.paths)) == 98
    assert [f.error for f in read_ledger(archive.paths).files if f.status == "refused"] != [None]
    assert archive.load(LATEST, shrunk, at(3), accept=True).entry.status == "loaded"
    assert len(rows_of(archive.paths)) == 96


WHOLE = text_of(days_of(JANUARY, 5))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (WHOLE[:-10], "cut"),
        (WHOLE + WHOLE.splitlines(keepends=True)[-1], "has station 09289001 twice on 2025-01-05"),
        (text_of(days_of(date(2024, 12, 31), 3)), "its label says 2025 to 2026"),
        (text_of(days_of(JANUARY, 3, RR="0.0", TN="264.0", TX="12.0")), "TN 264"),
        (text_of(days_of(JANUARY, 3, RR="0,2", TN="1.0", TX="12.0")), "cannot be read"),
        (text_of([*days_of(JANUARY, 2), *days_of(JANUARY, 2, "75106001")]), "mixes départements"),
        (text_of([row_of(JANUARY, "X9289001", RR="0.0")]), "no station id of 8 digits"),
        (text_of([]), "it has no rows"),
        (text_of(days_of(JANUARY, 3), HEADER.replace("RR;QRR", "RR1;QRR1")), "no column RR"),
        (b"<!DOCTYPE html>\n", "no file of official days"),
    ],
    ids=["cut", "twice", "outside", "kelvin", "comma", "mixed", "id", "empty", "hours", "html"],
)
def test_what_is_no_whole_file_of_days_is_refused_and_changes_nothing(
    archive: Archive, at: Moment, body: bytes, why: str
) -> None:
    archive.load(LATEST, WHOLE, at(1))
    before = rows_of(archive.paths)
    with pytest.raises(ArchiveFileRefused, match=why):
        archive.load(LATEST, body, at(2))
    assert rows_of(archive.paths) == before
    assert list((archive.paths.archive / "incoming").iterdir()) == []


def test_a_cut_gzip_is_refused(archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive.load(LATEST, text_of(days_of(JANUARY, 300)), datetime.fromisoformat("2026-01-01T00:00Z"))
    file = tmp_path / LATEST
    file.write_bytes((archive.folder / LATEST).read_bytes()[:-20])
    assert main(["--file", str(file)]) == 1
    assert "cut or damaged" in capsys.readouterr().err
    assert len(rows_of(archive.paths)) == 300


def test_a_doubtful_impossible_value_is_no_reason_to_refuse(archive: Archive, at: Moment) -> None:
    row = row_of(JANUARY, RR="0.0", TN="99.0", QTN=2, TX="5.0")
    assert archive.load(LATEST, text_of([row]), at(1)).entry.status == "loaded"


def test_at_the_turn_of_the_year_no_day_is_lost_or_doubled(tmp_path: Path, at: Moment) -> None:
    """2024 moves from `latest-2024-2025` to `previous-1950-2024`, and `latest-2025-2026` begins."""
    files = [
        ("Q_09_latest-2024-2025_RR-T-Vent.csv", text_of(days_of(date(2024, 1, 1), 500)), at(1)),
        ("Q_09_previous-1950-2024_RR-T-Vent.csv", text_of(days_of(date(2023, 1, 1), 731)), at(2)),
        ("Q_09_latest-2025-2026_RR-T-Vent.csv", text_of(days_of(date(2025, 1, 1), 140)), at(2)),
    ]
    for number, order in enumerate(permutations(files)):
        archive = Archive(DataPaths(tmp_path / str(number)), tmp_path / "files")
        for file in order:
            archive.load(*file)
        in_use = {f.period for f in read_ledger(archive.paths).in_use()}
        assert in_use == {"previous-1950-2024", "latest-2025-2026"}
        assert len(rows_of(archive.paths)) == 731 + 140


def test_the_same_file_published_later_keeps_its_place_and_its_parquet(archive: Archive, at: Moment) -> None:
    archive.load(LATEST, text_of(days_of(JANUARY, 100)), at(1))
    shrunk = text_of(days_of(JANUARY, 90))
    first = archive.load(LATEST, shrunk, at(2), accept=True).entry
    inode = (archive.paths.root / str(first.file)).stat().st_ino
    again = archive.load(LATEST, shrunk, at(5)).entry
    assert (again.status, again.last_modified[:10]) == ("loaded", "2026-01-05")
    assert (archive.paths.root / str(again.file)).stat().st_ino == inode
    assert len(read_ledger(archive.paths).files) == 2


def test_windows_line_ends_are_read(archive: Archive, at: Moment) -> None:
    body = text_of(days_of(JANUARY, 3)).replace(b"\n", b"\r\n")
    assert archive.load(LATEST, body, at(1)).entry.unknown_columns == ()
    assert [row[0] for row in rows_of(archive.paths, "TX")] == [15.0] * 3


def test_a_served_warehouse_of_another_source_is_refused(archive: Archive, at: Moment) -> None:
    snapshot = archive.paths.snapshots / "000001"
    snapshot.mkdir(parents=True)
    (snapshot / "manifest.json").write_text('{"source": "demo"}')
    (snapshot / "warehouse.duckdb").touch()
    archive.paths.published.symlink_to(snapshot / "warehouse.duckdb")
    with pytest.raises(SourceMismatch):
        archive.load(LATEST, WHOLE, at(1))


def test_demo_and_real_days_never_meet(archive: Archive, at: Moment, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.load(LATEST, WHOLE, at(1))
    monkeypatch.setenv("METEOFRANCE_SOURCE", "demo")
    assert main(["--file", str(archive.folder / LATEST)]) == 1
    with pytest.raises(SourceMismatch):
        load_file(archive.paths, archive.folder / LATEST, Origin(LATEST, at(1)), "demo")


def test_a_kill_while_days_are_written_leaves_all_as_before(
    archive: Archive, at: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step up to the ledger's replacement may be the last one."""
    archive.load(LATEST, WHOLE, at(1))
    before, rows = (archive.paths.archive / "ledger.json").read_bytes(), rows_of(archive.paths)

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    body = text_of(days_of(JANUARY, 7))
    for step in ("write_days", "sync", "settle_department", "write_climate", "write_ledger"):
        with monkeypatch.context() as patched:
            patched.setattr(f"ingestion.archive.load.{step}", kill)
            with pytest.raises(Killed):
                archive.load(LATEST, body, at(2))
        assert (archive.paths.archive / "ledger.json").read_bytes() == before
        assert rows_of(archive.paths) == rows
    archive.load(LATEST, body, at(2))
    assert len(rows_of(archive.paths)) == 7


def test_a_nearly_full_disk_is_told_before_anything_is_written(
    archive: Archive, at: Moment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.load(LATEST, WHOLE, at(1))
    file = archive.folder / PREVIOUS.removesuffix(".gz")
    file.write_bytes(text_of(days_of(date(2024, 1, 1), 9)))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100_000_000))
    assert main(["--file", str(file)]) == 1
    assert "free some space" in capsys.readouterr().err
    assert len(rows_of(archive.paths)) == 5


def test_real_excerpts_are_read(real_file: Callable[[str], Path], paths: DataPaths) -> None:
    names = ["Q_75_latest-2023-2024_RR-T-Vent_2023-01_excerpt.csv", "Q_01_latest-2023-2024_RR-T-Vent_3rows.csv"]
    assert main(["--file", *(str(real_file(name)) for name in names)]) == 0
    first = rows_of(paths, "station_id, station_name, observed_date::varchar, round(RR::double, 1), HTX, QDG")
    assert len(first) == 203
    assert first[3] == ("75106001", "LUXEMBOURG", "2023-01-01", 4.6, 2304, 9)
