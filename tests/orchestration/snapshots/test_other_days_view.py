"""marts.daily_other: sunshine, radiation, snow and others of the archive's second file of days."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from archive_files import OTHER_HEADER, Archive, days_of, row_of, text_of
from snapshot_files import snapshot_with

from ingestion.archive.ledger import read_ledger
from ingestion.archive.load import given_by_hand, load_file
from ingestion.errors import ArchiveFileRefused
from ingestion.paths import DataPaths

NAME, AT = "Q_09_latest-2023-2024_autres-parametres.csv", datetime(2024, 9, 1, tzinfo=UTC)
_DAY = "'09289001', 'ST GIRONS', '9', date '{day}', true, {sunshine}, {radiation}"
_INSERT = (
    "insert into marts.daily_observations"
    " (station_id, station_name, department_code, observed_date, is_final, sunshine_min, radiation_j_m2)"
    " values ({values})"
)


@pytest.fixture
def archive(paths: DataPaths, tmp_path: Path) -> Archive:
    return Archive(paths, tmp_path / "files")


def hours_of(day: str, sunshine: object = "null", radiation: object = "null") -> str:
    return _INSERT.format(values=_DAY.format(day=day, sunshine=sunshine, radiation=radiation))


def test_per_value_the_official_one_comes_first(archive: Archive, tmp_path: Path) -> None:
    rows = [
        row_of(date(2024, 1, 1), INST="125", GLOT="412", QGLOT=9, HNEIGEF="12", BROU="1"),
        row_of(date(2024, 1, 2), INST="900", QINST=2, PMERM="1013.2", ETPMON="0.4", BROU="0"),
    ]
    archive.load(NAME, text_of(rows, OTHER_HEADER), AT)
    inserts = [hours_of("2024-01-01", 130, 4.1e6), hours_of("2024-01-02", 240, 3e6), hours_of("2024-01-03", 10)]
    ask = snapshot_with(archive.paths, tmp_path / "warehouse.duckdb", inserts)
    columns = "sunshine_min, radiation_j_m2, sea_level_pressure_mean_hpa, et0_mm, new_snow_cm, fog_days"
    assert ask(
        f"select day_source, {columns}, quality, rejected_fields, fields_from_hours from marts.daily_other"
        " where station_id = '09289001' order by observed_date"
    ) == [
        ("official", 125, 4.12e6, None, None, 12, 1, {"radiation_j_m2": 9}, [], []),
        ("official", 240, 3e6, 1013.2, 0.4, None, 0, {"sunshine_min": 2}, ["sunshine_min"],
         ["sunshine_min", "radiation_j_m2"]),
        ("hours", 10, None, None, None, None, None, {}, [], []),
    ]  # fmt: skip
    ((_, plan),) = ask("explain select * from marts.daily_other where station_id = '09289001'")
    scans = plan.count("SEQ_SCAN") + plan.count("Function:")
    assert plan.count("station_id='09289001'") == scans == 4


def test_months_and_normals_have_both_files_quantities(archive: Archive, tmp_path: Path) -> None:
    """60 minutes of sun on each day of 1991 to 2014; fog on two days of each January."""
    count = (date(2015, 1, 1) - date(1991, 1, 1)).days
    rows = days_of(date(1991, 1, 1), count, INST="60", BROU="0")
    for row in rows:
        if str(row["AAAAMMJJ"])[4:] in ("0105", "0106"):
            row["BROU"] = "1"
    archive.load("Q_09_previous-1950-2022_RR-T-Vent.csv", text_of(days_of(date(1991, 1, 1), count, RR="1.0")), AT)
    archive.load("Q_09_previous-1950-2022_autres-parametres.csv", text_of(rows, OTHER_HEADER), AT)
    ask = snapshot_with(archive.paths, tmp_path / "warehouse.duckdb", [])
    assert ask(
        "select quantity, value, is_whole from marts.monthly_history where month = date '2000-01-01' order by quantity"
    ) == [("fog_days", 2, True), ("precipitation_mm", 31, True), ("sunshine_min", 1860, True)]
    assert ask(
        "select quantity, statistic, normal, years from marts.normals_monthly where month = 4 order by quantity"
    ) == [("precipitation_mm", "sum", 30, 24), ("sunshine_min", "sum", 1800, 24)]
    assert ask("select normal from marts.normals_daily where quantity = 'sunshine_min' and month = 7 and day = 14") == [
        (60,)
    ]


def test_the_normals_follow_either_file(archive: Archive) -> None:
    archive.load("Q_09_latest-2023-2024_RR-T-Vent.csv", text_of(days_of(date(2024, 1, 1), 3)), AT)
    before = read_ledger(archive.paths).climate["9"]
    archive.load(NAME, text_of(days_of(date(2024, 1, 1), 3, INST="60"), OTHER_HEADER), AT)
    assert read_ledger(archive.paths).climate["9"] != before
    assert sorted(file.dataset for file in read_ledger(archive.paths).in_use("9")) == ["days", "other_days"]


def test_another_unit_is_refused(archive: Archive) -> None:
    with pytest.raises(ArchiveFileRefused, match="has INST 2000 on 2024-01-01, which cannot be"):
        archive.load(NAME, text_of([row_of(date(2024, 1, 1), INST="2000")], OTHER_HEADER), AT)
    with pytest.raises(ArchiveFileRefused, match=r"it is a monthly file of the open archive \(MENSQ_…\), no file of"):
        archive.load("MENSQ_09_latest-2023-2024.csv", b"NUM_POSTE;NOM_USUEL;AAAAMM;RR;INST\n", AT)


def test_real_days(archive: Archive, tmp_path: Path, real_file) -> None:  # type: ignore[no-untyped-def]
    """SUTRIEU, 15 and 16 September 2024, as Météo-France's own file has them."""
    file = real_file("Q_01_latest-2023-2024_autres-parametres_3rows.csv")
    load_file(archive.paths, file, given_by_hand(file), "meteofrance")
    ask = snapshot_with(archive.paths, tmp_path / "warehouse.duckdb", [])
    assert ask(
        "select observed_date::varchar, sunshine_min, radiation_j_m2, humidity_mean_pct, humidity_min_pct,"
        " vapour_pressure_mean_hpa, et0_mm, et0_grid_mm, new_snow_cm, quality['humidity_mean_pct'], quality['et0_mm']"
        " from marts.daily_other where station_id = '01414001' order by 1"
    ) == [
        ("2024-09-15", 605, 1.987e7, 65, 47, 8.0, 3.1, 3.0, None, None, 9),
        ("2024-09-16", 468, 1.7e7, 58, 30, 7.7, 3.4, 3.3, None, None, 9),
    ]
