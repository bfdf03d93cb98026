"""Hours of the archive and of real time as one: which value comes first, whatever the order of loading."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import permutations
from pathlib import Path

import duckdb
import pytest
from archive_files import HOURS_HEADER, Archive, days_of, hour_of, hours_of, row_of, text_of
from snapshot_files import Ask, snapshot_with

from ingestion.archive.ledger import read_ledger
from ingestion.paths import DataPaths

LATEST, PREVIOUS = "H_09_latest-2025-2026.csv", "H_09_previous-2020-2024.csv"
AFTER = datetime(2026, 3, 12, tzinfo=UTC)  # when the archive's file was published

Show = Callable[..., Ask]


@pytest.fixture
def archive(paths: DataPaths, tmp_path: Path) -> Archive:
    return Archive(paths, tmp_path / "files")


@pytest.fixture
def show(paths: DataPaths, tmp_path: Path) -> Show:
    return lambda *statements: snapshot_with(paths, tmp_path / "warehouse.duckdb", statements)


def real_time(hour: str, told_at: str | None = None, station: str = "09289001", **values: object) -> str:
    """SQL: one hour of real time, and when upstream told it."""
    told = told_at or f"{hour}Z"
    given = ", ".join(f"{value} as {name}" for name, value in values.items())
    return f"""
        insert into marts.hourly_observations by name
        select '{station}' as station_id, 'SAINT-GIRONS' as station_name, '9' as department_code,
            timestamptz '{hour}Z' as observed_at, {given};
        insert into raw.observations values
            ('{station}', '{hour}Z', '2026-03-01T00:00:00Z', '2026-03-01T00:00:00Z', 1),
            ('{station}', '{hour}Z', '{told}', '2026-06-01T00:00:00Z', 2);
    """


# Case 01: what real time said of 10 March 2026, 00 h to 06 h, and what the archive says.
CASE_01_REAL_TIME = [
    real_time(
        f"2026-03-10 0{hour}:00:00",
        temperature_c=10.0,
        humidity_pct=80,
        gust_ms=9.0,
        gust_direction_deg=200,
        gust_kind="'3s'",
        precipitation_mm=0 if hour == 3 else 1.0,
        is_trace="true" if hour == 3 else "false",
    )
    for hour in range(6)
]
CASE_01_ARCHIVE = [
    hour_of("2026-03-10T00", RR1="1.0", T="10.4"),
    hour_of("2026-03-10T01", RR1="1.0", T="45.0", QT=2),
    hour_of("2026-03-10T02", RR1="1.0"),
    hour_of("2026-03-10T03", RR1="0.0", T="10.0"),
    hour_of("2026-03-10T04", RR1="1.2", T="9.9", QT=9),
    hour_of("2026-03-10T05", RR1="1.0", T="9.0", QT=0),
    hour_of("2026-03-10T06", RR1="0.0", T="45.0", QT=2),
]


def test_case_01_the_precedence_of_each_value(archive: Archive, show: Show) -> None:
    archive.load(LATEST, text_of(CASE_01_ARCHIVE, HOURS_HEADER), AFTER)
    ask = show(*CASE_01_REAL_TIME)
    found = ask(
        "select hour(observed_at), source, temperature_c, precipitation_mm, is_trace, quality, rejected_fields,"
        " doubtful_values from marts.hourly_history order by 1"
    )
    assert found == [
        (0, "archive", 10.4, 1.0, False, {}, [], {}),
        (1, "archive", 10.0, 1.0, False, {"temperature_c": 2}, ["temperature_c"], {"temperature_c": 45.0}),
        (2, "archive", 10.0, 1.0, False, {}, [], {}),
        (3, "archive", 10.0, 0.0, True, {}, [], {}),
        (4, "archive", 9.9, 1.2, False, {"temperature_c": 9}, [], {}),
        (5, "archive", 9.0, 1.0, False, {"temperature_c": 0}, [], {}),
        (6, "archive", None, 0.0, None, {"temperature_c": 2}, ["temperature_c"], {"temperature_c": 45.0}),
    ]
    kept = ask(
        "select humidity_pct, gust_3s_ms, gust_3s_direction_deg, gust_instantaneous_ms, station_name,"
        " list_sort(fields_from_realtime) from marts.hourly_history where hour(observed_at) in (0, 1) order by"
        " observed_at"
    )
    always = ["gust_3s_direction_deg", "gust_3s_ms", "humidity_pct"]
    assert kept == [
        (80, 9.0, 200, None, "SAINT-GIRONS", always),
        (80, 9.0, 200, None, "SAINT-GIRONS", [*always, "temperature_c"]),
    ]


def test_real_time_told_after_the_archives_file_comes_first(archive: Archive, show: Show) -> None:
    """Its stamp decides, not the time of loading; a stamp that is still to come counts as none.

    What real time does not have, such as its rain here, erases nothing.
    """
    archive.load(LATEST, text_of(hours_of("2026-03-10T00", 4), HOURS_HEADER), AFTER)
    told = ["2026-03-12T00:00:00Z", "2026-03-12T00:00:01Z", "9999-01-01T00:00:00Z", ""]
    rows = [real_time(f"2026-03-10 0{n}:00:00", stamp or "x", temperature_c=20.0) for n, stamp in enumerate(told)]
    ask = show(*rows)
    assert ask(
        "select temperature_c, precipitation_mm, source, fields_from_realtime from marts.hourly_history order by"
        " observed_at"
    ) == [
        (5.0, 0.0, "archive", []),
        (20.0, 0.0, "archive", ["temperature_c"]),
        (5.0, 0.0, "archive", []),
        (5.0, 0.0, "archive", []),
    ]


def test_calm_wind_told_later_takes_its_direction_with_it(archive: Archive, show: Show) -> None:
    """A NULL direction of calm wind, and a NULL octa of a hidden sky, are values and no gaps."""
    archive.load(LATEST, text_of([hour_of("2026-03-10T00", FF="3.0", DD="90", N="4")], HOURS_HEADER), AFTER)
    ask = show(real_time("2026-03-10 00:00:00", "2026-03-12T00:00:01Z", wind_speed_ms=0.0, is_sky_obscured=True))
    found = "select wind_speed_ms, wind_direction_deg, cloud_cover_octas, is_sky_obscured from marts.hourly_history"
    assert ask(found) == [(0.0, None, None, True)]


def test_an_impossible_reading_is_named_unless_the_archive_has_the_value(archive: Archive, show: Show) -> None:
    rows = [hour_of("2026-03-10T00", T="5.0"), hour_of("2026-03-10T01", RR1="1.0")]
    archive.load(LATEST, text_of(rows, HOURS_HEADER), AFTER)
    impossible = {"rejected_fields": "'temperature_c,humidity_pct'", "precipitation_mm": 1.0}
    ask = show(*(real_time(f"2026-03-10 0{hour}:00:00", **impossible) for hour in range(3)))
    assert ask("select source, temperature_c, rejected_fields from marts.hourly_history order by observed_at") == [
        ("archive", 5.0, ["humidity_pct"]),
        ("archive", None, ["temperature_c", "humidity_pct"]),
        ("realtime", None, ["temperature_c", "humidity_pct"]),
    ]


def test_the_two_kinds_of_gust_are_never_mixed(archive: Archive, show: Show) -> None:
    rows = [hour_of("2026-03-10T00", FXI="14.0"), hour_of("2026-03-10T01", FXI="15.0", FXI3S="12.0")]
    archive.load(LATEST, text_of(rows, HOURS_HEADER), AFTER)
    ask = show(*(real_time(f"2026-03-10 0{hour}:00:00", gust_ms=9.0, gust_kind="'3s'") for hour in range(2)))
    assert ask("select gust_3s_ms, gust_instantaneous_ms from marts.hourly_history order by observed_at") == [
        (9.0, 14.0),
        (12.0, 15.0),
    ]


def test_units_and_codes_become_the_marts_own(archive: Archive, show: Show) -> None:
    rows = [
        hour_of("2026-03-10T00", FF="0.0", DD="0", N="9", GLO="120", NEIGETOT="3", T="-0.1"),
        hour_of("2026-03-10T01", FF="3.1", DD="360", N="8"),
        hour_of("2026-03-10T02", N="/", QN=9),
    ]
    archive.load(LATEST, text_of(rows, HOURS_HEADER), AFTER)
    ask = show(real_time("2026-03-10 00:00:00", wind_direction_deg=90, wind_speed_ms=0.3))
    assert ask(
        "select wind_direction_deg, wind_speed_ms, cloud_cover_octas, is_sky_obscured, radiation_j_m2, snow_depth_cm,"
        " temperature_c from marts.hourly_history order by observed_at"
    ) == [
        (None, 0.0, None, True, 1_200_000, 3.0, -0.1),  # calm wind has no direction
        (360, 3.1, 8, False, None, None, None),
        (None, None, None, None, None, None, None),
    ]


@pytest.mark.parametrize("number", [0, *(pytest.param(number, marks=pytest.mark.slow) for number in range(1, 5)), 5])
def test_files_and_real_time_give_the_same_in_every_order(tmp_path: Path, number: int) -> None:
    """Of two files the later wins each hour, and of two of the same time `previous` over `latest`."""
    files = [
        ("H_09_latest-2024-2025.csv", hours_of("2024-12-31T20", 8, T="1.0"), AFTER),
        (PREVIOUS, hours_of("2024-12-31T20", 3, T="2.0"), AFTER),
        ("H_09_latest-2025-2026.csv", hours_of("2025-01-01T01", 2, T="3.0"), AFTER.replace(day=13)),
    ]
    archive = Archive(DataPaths(tmp_path / "data"), tmp_path / "files")
    for name, rows, modified in list(permutations(files))[number]:
        archive.load(name, text_of(rows, HOURS_HEADER), modified)
    ask = snapshot_with(archive.paths, tmp_path / "snapshot.duckdb", [real_time("2025-01-01 04:00:00")])
    found = ask("select temperature_c, source from marts.hourly_history order by observed_at")
    assert [value for value, _ in found] == [2.0, 2.0, 2.0, 1.0, 1.0, 3.0, 3.0, 1.0, None]
    assert [source for _, source in found] == ["archive"] * 8 + ["realtime"]


def test_a_station_asked_for_reads_its_departements_files_only(archive: Archive, show: Show) -> None:
    archive.load(LATEST, text_of(hours_of("2026-03-10T00", 30), HOURS_HEADER), AFTER)
    archive.load("H_31_latest-2025-2026.csv", text_of(hours_of("2026-03-10T00", 3, "31042012"), HOURS_HEADER), AFTER)
    ask = show(real_time("2026-03-10 05:00:00", temperature_c=1.0))
    wanted = "where station_id = '09289001' and observed_at >= timestamptz '2026-03-10 01:00:00Z'"
    ((_, plan),) = ask(f"explain select observed_at, temperature_c from marts.hourly_history {wanted}")
    # The archive's part and real time's part each read both; the stamps of real time come from raw.
    assert (plan.count("Function:"), plan.count("SEQ_SCAN")) == (2, 3)
    assert plan.count("='09289001'") == 5
    assert ask(f"select count(*) from marts.hourly_history {wanted}") == [(29,)]


def test_days_of_the_archives_hours_come_before_those_of_real_time(archive: Archive, show: Show) -> None:
    """Case 08: the hours say 0.0 mm, the official day 8.4 mm: the official one wins, and the difference is told."""
    archive.load("H_09_2020-2029.csv", text_of(hours_of("2023-12-05T01", 72, RR1="0.0", T="-3.0"), HOURS_HEADER), AFTER)
    archive.load(
        "Q_09_latest-2023-2024_RR-T-Vent.csv", text_of([row_of(date(2023, 12, 5), RR="8.4", TN="-5.1")]), AFTER
    )
    ask = show(
        "insert into marts.daily_observations by name"
        " select '09289001' as station_id, '9' as department_code, day::date as observed_date, true as is_final,"
        " 7.0 as precipitation_mm, 1.5 as temperature_max_c"
        " from generate_series(date '2023-12-06', date '2023-12-09', interval 1 day) as days (day)"
    )
    assert ask(
        "select observed_date::varchar, day_source, precipitation_mm, temperature_mean_c, temperature_max_c,"
        " fields_from_hours, differs_from_hours from marts.daily_history order by 1"
    ) == [
        ("2023-12-05", "official", 8.4, -3.0, None, ["temperature_mean_c"], {"precipitation_mm": 0.0}),
        ("2023-12-06", "archive_hours", 0.0, -3.0, 1.5, [], {}),
        ("2023-12-07", "archive_hours", 7.0, -3.0, 1.5, [], {}),  # its rain ends at 06 of the 8th
        ("2023-12-08", "hours", 7.0, None, 1.5, [], {}),
        ("2023-12-09", "hours", 7.0, None, 1.5, [], {}),
    ]
    assert ask("select max(precipitation_mm), count(*) from marts.hourly_history") == [(0.0, 72)]


def test_hours_without_any_official_day_have_all_views(archive: Archive, show: Show) -> None:
    rows = hours_of("2026-03-10T01", 24, T="5.0", NEW="x")
    archive.load(LATEST, text_of(rows, f"{HOURS_HEADER};NEW"), AFTER)
    ask = show()
    assert ask("select observed_date::varchar, day_source, temperature_mean_c from marts.daily_history") == [
        ("2026-03-10", "archive_hours", 5.0)
    ]
    assert ask("select count(*) from marts.normals_monthly") == [(0,)]
    assert ask("select station_id, hours, temperature_c_hours from meta.archive_hours_coverage") == [
        ("09289001", 24, 24)
    ]
    assert ask("select dataset, status, rows, last_modified, unknown_columns from meta.archive_files") == [
        ("hours", "loaded", 24, AFTER, ["NEW"])
    ]


def test_a_trace_in_the_archive_is_rain_of_nothing(archive: Archive, show: Show) -> None:
    """Real time writes -0.1 for it. Official days have no column for traces."""
    rows = hours_of("2026-03-10T07", 24, RR1="0.1")
    rows[0] |= {"RR1": "-0.1"}
    archive.load(LATEST, text_of(rows, HOURS_HEADER), AFTER)
    archive.load("Q_09_latest-2025-2026_RR-T-Vent.csv", text_of([row_of(date(2026, 3, 9), RR="-0.1")]), AFTER)
    ask = show(real_time("2026-03-10 07:00:00", precipitation_mm=0.0, is_trace="false"))
    found = "select precipitation_mm, is_trace from marts.hourly_history order by observed_at limit 2"
    assert ask(found) == [(0.0, True), (0.1, False)]
    assert ask("select precipitation_mm from marts.daily_history order by observed_date") == [(0.0,), (2.3,)]


def test_coverage_counted_by_an_older_version_is_shown(archive: Archive, show: Show) -> None:
    """It lacks the count of validated values; a département that was loaded since has it."""
    archive.load(LATEST, text_of(hours_of("2026-03-10T01", 24, T="5.0"), HOURS_HEADER), AFTER)
    archive.load("H_31_latest-2025-2026.csv", text_of(hours_of("2026-03-10T00", 3, "31042012"), HOURS_HEADER), AFTER)
    old = archive.paths.root / read_ledger(archive.paths).from_hours["9"] / "coverage.parquet"
    duckdb.execute(f"copy (select * exclude (quality_1_values) from '{old}') to '{old}.new' (format parquet)")
    Path(f"{old}.new").replace(old)
    found = show()("select station_id, hours, quality_1_values from meta.archive_hours_coverage order by 1")
    assert found == [("09289001", 24, None), ("31042012", 3, 6)]


def test_days_alone_leave_the_hours_of_real_time(archive: Archive, show: Show) -> None:
    archive.load("Q_09_latest-2025-2026_RR-T-Vent.csv", text_of(days_of(AFTER.date(), 2)), AFTER)
    ask = show(real_time("2026-03-10 00:00:00", temperature_c=1.0))
    assert ask("select source, temperature_c, quality from marts.hourly_history") == [("realtime", 1.0, {})]


def test_an_hour_says_what_it_came_from_until_the_archive_has_it(archive: Archive, show: Show) -> None:
    archive.load(LATEST, text_of([hour_of("2026-03-10T00", RR1="1.0", T="10.4")], HOURS_HEADER), AFTER)
    rebuilt = [real_time(f"2026-03-10 0{hour}:00:00", temperature_c=10.0, source="'six_minutes'") for hour in (0, 1)]
    ask = show(*rebuilt, real_time("2026-03-10 02:00:00", temperature_c=9.0, source="'realtime'"))
    assert ask("select hour(observed_at), source from marts.hourly_history order by 1") == [
        (0, "archive"),
        (1, "six_minutes"),
        (2, "realtime"),
    ]


def test_luxembourgs_hours(archive: Archive, real_file: Callable[[str], Path], show: Show) -> None:
    """One row of mixed quality and two manual rows of snow, as upstream has them."""
    archive.load("H_75_2010-2019.csv", real_file("H_75_LUXEMBOURG_2018_77rows.csv").read_bytes(), AFTER)
    ask = show()
    assert ask("select count(*), count(snow_depth_cm), round(sum(precipitation_mm), 1) from marts.hourly_history") == [
        (77, 2, 16.6)
    ]
    assert ask(
        "select temperature_c, precipitation_mm, quality['temperature_c'], quality['precipitation_mm']"
        " from marts.hourly_history where observed_at = timestamptz '2018-05-01 00:00:00Z'"
    ) == [(5.6, 0.0, 9, None)]
