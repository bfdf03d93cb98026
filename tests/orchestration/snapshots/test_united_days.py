"""A day partly of archive hours and partly of real time is that of the united hours, whatever came first."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from archive_files import HOURS_HEADER, Archive, Values, hour_of, hours_of, text_of
from snapshot_files import Ask, snapshot_with

from ingestion.archive.ledger import ledger_lock, read_ledger, write_ledger
from ingestion.archive.load import renew_climate
from ingestion.paths import DataPaths

LATEST = "H_09_latest-2025-2026.csv"
PUBLISHED = datetime(2026, 3, 11, 8, tzinfo=UTC)


@pytest.fixture
def archive(paths: DataPaths, tmp_path: Path) -> Archive:
    return Archive(paths, tmp_path / "files")


def department_of(station: str) -> str:
    return station[:3] if station[:2] in ("97", "98") else station[:2].lstrip("0")


def real_time(first: str, last: str, told_at: str | None = None, station: str = "09289001", **values: float) -> str:
    """SQL: the hours of real time from one to another, in UTC, and when upstream told them."""
    hours = f"generate_series(timestamptz '{first}:00Z', timestamptz '{last}:00Z', interval 1 hour) as hours (hour)"
    given = ", ".join(f"{value} as {name}" for name, value in values.items())
    told = f"'{told_at}'" if told_at else "strftime(hour, '%Y-%m-%dT%H:%M:%SZ')"
    return f"""
        insert into marts.hourly_observations by name
        select '{station}' as station_id, 'ST GIRONS' as station_name, '{department_of(station)}' as department_code,
            hour as observed_at, {given} from {hours};
        insert into raw.observations select '{station}', hour, {told}, '2026-06-01T00:00:00Z', 1 from {hours};
    """


def day_of_real_time(day: str, *, is_final: bool = True, station: str = "09289001", **values: float) -> str:
    given = "".join(f", {value} as {name}" for name, value in values.items())
    return f"""
        insert into marts.daily_observations by name
        select '{station}' as station_id, 'ST GIRONS' as station_name, '{department_of(station)}' as department_code,
            date '{day}' as observed_date, {is_final} as is_final{given};
    """


# dbt makes a row of each day that has any hour, with the values that have all 24.
ROWS_OF_DAYS = """
    insert into marts.daily_observations by name
    select distinct station_id, 'ST GIRONS' as station_name, department_code, observed_date, false as is_final
    from (
        select
            station_id, department_code, unnest([
                (observed_at::timestamp + interval (utc + shift) hours)::date for shift in [-7, 5, -1]
            ]) as observed_date
        from (select *, case when left(station_id, 3) = '988' then 11 else 0 end as utc from marts.hourly_observations)
    ) as days
    anti join marts.daily_observations using (station_id, observed_date)
"""


def show(archive: Archive, rows: list[Values] | list[dict[str, object]], *statements: str) -> Ask:
    archive.load(LATEST, text_of(rows, HOURS_HEADER), PUBLISHED)
    return published(archive, *statements)


def published(archive: Archive, *statements: str) -> Ask:
    file = archive.folder / f"{len(list(archive.folder.glob('*.duckdb')))}.duckdb"
    return snapshot_with(archive.paths, file, [*statements, ROWS_OF_DAYS])


def days(ask: Ask, *columns: str) -> list[tuple[object, ...]]:
    listed = ", ".join(columns)
    found: list[tuple[object, ...]] = ask(
        f"select observed_date::varchar, day_source, is_final, {listed} from marts.daily_history"
        f" where coalesce({listed}) is not null order by 1"
    )
    return found


def test_the_day_at_the_border_has_hours_of_both(archive: Archive) -> None:
    """Rain of the 10th: 17 hours of the archive up to 23 (0.5 mm each), 7 of real time up to 06 of the 11th (1 mm)."""
    rows = [
        *hours_of("2026-03-09T19", 5, RR1="0.0", T="3.0", TN="2.5", TX="3.5"),
        *hours_of("2026-03-10T00", 24, RR1="0.5", T="5.0", TN="4.5", TX="5.5"),
    ]
    theirs = {"precipitation_mm": 1.0, "temperature_c": 9.0, "temperature_min_c": 8.5, "temperature_max_c": 9.5}
    ask = show(
        archive,
        rows,
        real_time("2026-03-10 00:00", "2026-03-11 20:00", **theirs),
        day_of_real_time(
            "2026-03-10", is_final=False, precipitation_mm=24.0, temperature_min_c=8.5, temperature_max_c=9.5
        ),
        day_of_real_time("2026-03-11", is_final=False, temperature_min_c=8.5),
    )
    # TX is of the same hours as rain: 9.5 comes after midnight. TN is of 19 to 18, all of them the archive's.
    # The mean of the 10th: 23 hours of 5.0 from 01 on, and 00 of the 11th, of 9.0: (115 + 9) / 24.
    # TN of the 11th: 5 hours of 4.5 from 19 to 23, then real time's.
    assert days(ask, "precipitation_mm", "temperature_max_c", "temperature_min_c", "temperature_mean_c") == [
        ("2026-03-10", "united_hours", False, 15.5, 9.5, 2.5, 5.17),
        ("2026-03-11", "united_hours", False, None, None, 4.5, None),
    ]


def test_overseas_the_border_is_in_local_time(archive: Archive) -> None:
    """Nouméa, UTC+11: rain of the 10th is of 07 on the 10th to 06 on the 11th there, 20 h UTC on the 9th to 19 h."""
    here = "98818001"
    rows = [
        *hours_of("2026-01-10T01", 6, here, RR1="50.0"),  # of the day before
        *hours_of("2026-01-10T07", 6, here, RR1="1.0"),  # up to 12 h there: 01 h UTC
    ]
    archive.load("H_988_latest-2025-2026.csv", text_of(rows, HOURS_HEADER), datetime(2026, 1, 10, 3, tzinfo=UTC))
    ask = published(
        archive,
        real_time("2026-01-10 00:00", "2026-01-10 01:00", station=here, precipitation_mm=7.0),
        real_time("2026-01-10 02:00", "2026-01-10 19:00", station=here, precipitation_mm=0.5),
        real_time("2026-01-10 20:00", "2026-01-11 01:00", station=here, precipitation_mm=50.0),
    )
    # 6 x 1.0 + 18 x 0.5
    assert days(ask, "precipitation_mm") == [("2026-01-10", "united_hours", False, 15.0)]
    assert ask("select department_code, station_name from marts.daily_history where precipitation_mm > 0") == [
        ("988", "ST GIRONS")
    ]


def test_a_doubtful_or_empty_hour_is_that_of_real_time(archive: Archive) -> None:
    rows = hours_of("2026-03-08T07", 72, RR1="0.1", FXI="10.0")
    rows[10] = hour_of("2026-03-08T17", RR1="99.0", QRR1=2, FXI="10.0")  # real time has it
    rows[30] = hour_of("2026-03-09T13", FXI="10.0")  # and this one
    rows[60] = hour_of("2026-03-10T19", RR1="99.0", QRR1=2, FXI="10.0")  # real time has not
    ask = show(
        archive,
        rows,
        real_time("2026-03-08 17:00", "2026-03-08 17:00", precipitation_mm=2.0),
        real_time("2026-03-09 13:00", "2026-03-09 13:00", precipitation_mm=3.0),
        day_of_real_time("2026-03-08"),
    )
    # 23 x 0.1, and 2.0 or 3.0. Gusts have 24 hours of the archive on the 9th and the 10th only.
    assert days(ask, "precipitation_mm", "gust_instantaneous_ms") == [
        ("2026-03-08", "united_hours", True, 4.3, None),
        ("2026-03-09", "united_hours", False, 5.3, 10.0),
        ("2026-03-10", "archive_hours", True, None, 10.0),
    ]


def test_an_hour_told_after_the_archives_file_counts(archive: Archive) -> None:
    """The file is of 11 March, 8 h. A time that is still to come counts as none, as when real time is loaded."""
    told = {
        "09289001": ("2026-03-10T12:00:00Z", 0.0, "archive_hours"),
        "09289002": ("2026-03-11T08:00:00Z", 0.0, "archive_hours"),
        "09289003": ("2026-03-11T08:00:01Z", 3.0, "united_hours"),
        "09289004": ("9999-01-01T00:00:00Z", 0.0, "archive_hours"),
        "09289005": ("", 0.0, "archive_hours"),
    }
    rows, statements = [], []
    for station, (told_at, *_) in told.items():
        rows += hours_of("2026-03-09T07", 24, station, RR1="0.0")
        earlier = real_time("2026-03-09 07:00", "2026-03-09 14:00", station=station, precipitation_mm=2.0)
        statements += [
            earlier,
            real_time("2026-03-09 15:00", "2026-03-09 15:00", told_at or "-", station=station, precipitation_mm=3.0),
            day_of_real_time("2026-03-09", station=station, precipitation_mm=49.0),
        ]
    ask = show(archive, rows, *statements)
    found = ask("select station_id, precipitation_mm, day_source from marts.daily_history order by 1")
    assert found == [(station, rain, source) for station, (_, rain, source) in told.items()]


def test_an_older_archive_is_shown_until_its_partial_hours_are_written(archive: Archive) -> None:
    """A version before did not write them: the day at the border then has no rain, and is no wrong one."""
    archive.load(LATEST, text_of(hours_of("2026-03-10T07", 12, RR1="1.0"), HOURS_HEADER), PUBLISHED)
    ledger = read_ledger(archive.paths)
    ledger.partial_hours.clear()
    with ledger_lock(archive.paths):
        write_ledger(archive.paths, ledger)
    hours = real_time("2026-03-10 07:00", "2026-03-11 06:00", precipitation_mm=0.5)
    assert days(published(archive, hours), "precipitation_mm") == []
    renew_climate(archive.paths, "9")
    ask = published(archive, hours)
    assert days(ask, "precipitation_mm") == [("2026-03-10", "united_hours", False, 18.0)]


@pytest.mark.parametrize("order", [(1, 0), pytest.param((0, 1), marks=pytest.mark.slow)])
def test_files_in_any_order_give_the_same_day(archive: Archive, order: tuple[int, int]) -> None:
    """The later file's hours end at 20; at 17 and 18 it corrects the earlier one."""
    files = [
        (hours_of("2026-03-10T07", 12, RR1="1.0"), datetime(2026, 3, 11, 8, tzinfo=UTC)),
        (
            hours_of("2026-03-10T07", 10, RR1="1.0") + hours_of("2026-03-10T17", 4, RR1="2.0"),
            datetime(2026, 3, 11, 10, tzinfo=UTC),
        ),
    ]
    for number in order:
        rows, modified = files[number]
        archive.load(LATEST, text_of(rows, HOURS_HEADER), modified)
    ask = published(archive, real_time("2026-03-10 07:00", "2026-03-11 06:00", precipitation_mm=0.1))
    # 10 x 1.0, 4 x 2.0, 10 x 0.1
    assert days(ask, "precipitation_mm") == [("2026-03-10", "united_hours", False, 19.0)]


_CUTS = {"precipitation_mm": (-7, "round(sum({0}), 1)"), "temperature_min_c": (5, "min({0})")}


def days_sql(hours: str) -> str:
    """SELECT the days of 24 hours of a table of hours in UTC, as the rule says and nothing else."""
    parts = [
        f"select station_id, (observed_at::timestamp + interval ({shift}) hours)::date as observed_date,"
        f" '{field}' as field, {how.format(f'{field}::decimal(9, 2)')}::double as value from {hours}"
        f" where {field} is not null group by all having count(*) = 24"
        for field, (shift, how) in _CUTS.items()
    ]
    return " union all ".join(parts)


def test_every_day_is_that_of_the_united_hours(archive: Archive) -> None:
    """Twelve days of 4 posts, with holes, doubtful values and late corrections, against marts.hourly_history."""
    draw = random.Random(26)
    first, rows, statements = datetime(2026, 3, 1, tzinfo=UTC), [], []
    for station in (f"0928900{n}" for n in range(1, 5)):
        for n in range(12 * 24):
            hour = first + timedelta(hours=n)
            values = {"RR1": draw.randrange(9) / 10, "TN": draw.randrange(-50, 200) / 10}
            codes = {f"Q{name}": draw.choices((1, 9, 2), (90, 9, 1))[0] for name in values}
            kept = {name: value for name, value in values.items() if draw.random() > 0.01}
            if n < 200 and kept:
                rows.append(hour_of(hour.strftime("%Y-%m-%dT%H"), station, **kept, **codes))
            if n > 100 and draw.random() > 0.005:
                told = draw.choices((hour, PUBLISHED, PUBLISHED + timedelta(hours=1)), (94, 1, 5))[0]
                theirs = {"precipitation_mm": draw.randrange(9) / 10, "temperature_min_c": draw.randrange(200) / 10}
                given = ", ".join(f"{value} as {name}" for name, value in theirs.items() if draw.random() > 0.01)
                statements.append(
                    f"insert into marts.hourly_observations by name select '{station}' as station_id,"
                    f" 'ST GIRONS' as station_name, '9' as department_code, timestamptz '{hour}' as observed_at"
                    f"{', ' if given else ''}{given};"
                    f"insert into raw.observations values ('{station}', '{hour}', '{told.isoformat()}',"
                    " '2026-06-01T00:00:00Z', 1);"
                )
    built = days_sql("marts.hourly_observations")
    statements.append(
        "insert into marts.daily_observations by name select station_id, '9' as department_code, observed_date,"
        f" true as is_final, * exclude (station_id, observed_date) from (pivot ({built}) on field using max(value))"
    )
    ask = show(archive, rows, "begin;" + "".join(statements) + ";commit")
    expected = set(ask(days_sql("marts.hourly_history")))
    fields = ", ".join(_CUTS)
    found = ask(
        f"select station_id, observed_date, field, value from (unpivot (select station_id, observed_date, {fields}"
        " from marts.daily_history) on columns(* exclude (station_id, observed_date)) into name field value value)"
    )
    assert {(*key, round(value, 2)) for *key, value in found} == {(*key, round(value, 2)) for *key, value in expected}
    sources = dict(ask("select day_source, count(*) from marts.daily_history group by all"))
    assert min(sources.get(name, 0) for name in ("archive_hours", "united_hours", "hours")) > 3
