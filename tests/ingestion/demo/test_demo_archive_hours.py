"""The demo's files of hours say the same as its real time, and load as upstream's do."""

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
from archive_files import Archive

from ingestion.archive.ledger import read_ledger
from ingestion.demo.archive_hours import hours_file
from ingestion.demo.weather import load_stations, weather_query
from ingestion.paths import DataPaths

WRITTEN_ON = date(2025, 1, 12)


def test_hours_are_those_of_the_demos_weather(paths: DataPaths, tmp_path: Path) -> None:
    body = hours_file("9", range(2025, 2027), WRITTEN_ON)
    archive = Archive(paths, tmp_path / "files")
    entry = archive.load("H_09_latest-2025-2026.csv.gz", body, datetime(2025, 1, 12, 7, 30, tzinfo=UTC)).entry
    assert (entry.rows, entry.posts) == (14 * 11 * 24, 14)
    assert (entry.first_day, entry.last_day, entry.unknown_columns) == ("2025-01-01", "2025-01-11", ())
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        load_stations(connection)
        weather = weather_query(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 12, tzinfo=UTC), department="9")
        (found,) = connection.execute(
            f"""
            select
                count(*), max(abs(file.T - (w.t - 273.15))), max(abs(file.RR1 - greatest(w.rr1, 0))),
                count(file.T), count(w.t), (max(observed_at::timestamp) filter (QT = 1))::varchar,
                (min(observed_at::timestamp) filter (QT = 9))::varchar
            from read_parquet('{paths.root / str(read_ledger(paths).in_use()[0].file)}') as file
            join ({weather}) as w
                on file.station_id = w.geo_id_insee and file.observed_at::timestamp = w.validity_time
            """
        ).fetchall()
    rows, warmth, rain, told, measured, last_validated, first_unvalidated = found
    assert (rows, told) == (entry.rows, measured)
    assert warmth < 0.051
    assert rain < 0.051
    assert (last_validated, first_unvalidated) == ("2025-01-01 23:00:00", "2025-01-02 00:00:00")
