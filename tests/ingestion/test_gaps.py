"""Which hours were missed: by the times at which each was asked for, whatever came of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ingestion.departments import Department, all_departments, resolve_all
from ingestion.gaps import AskedHour, find_gaps, note_answers
from ingestion.meteofrance.csv_rows import keep_rows
from ingestion.meteofrance.source import METEOFRANCE, repair_request
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file

NOW = datetime(2026, 11, 20, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ARIEGE, FRANCE = resolve_all(["9"]), all_departments()


class Warehouse:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def fetch(self, dataset: str, scope: str, at: datetime) -> None:
        self.connection.execute(
            "insert into meta.loads (load_id, source, dataset, scope, status, payload, payload_digest, fetched_at,"
            " loaded_at, seconds) values (1, 'meteofrance', ?, ?, 'loaded', '', '', ?, ?, 0)",
            [dataset, scope, at, at],
        )

    def fetch_france(self, at: datetime) -> None:
        """What an hourly run of all France asks for: 36 hours."""
        newest = at.replace(minute=0)
        for back in range(36):
            self.fetch("paquet-stations-horaire", f"{newest - back * HOUR:%Y%m%dT%HZ}", at)

    def have(self, station: str, hour: datetime) -> None:
        self.connection.execute(
            "insert into raw.observations (geo_id_insee, observed_at, version, load_id, first_seen_at, version_seen_at)"
            " values (?, ?, 1, 1, ?, ?)",
            [station, hour, hour, hour],
        )

    def gaps(self, departments: tuple[Department, ...], now: datetime) -> list[datetime]:
        assert METEOFRANCE.repair is not None
        return find_gaps(self.connection, METEOFRANCE.repair, departments, now)


@pytest.fixture
def warehouse(data_dir: Path):
    with open_build_file(DataPaths(data_dir), "meteofrance") as connection:
        yield Warehouse(connection)


def test_a_new_warehouse_has_no_gap(warehouse: Warehouse) -> None:
    assert warehouse.gaps(FRANCE, NOW) == warehouse.gaps(ARIEGE, NOW) == []
    warehouse.fetch("paquet-horaire", "9", NOW)
    warehouse.fetch_france(NOW)
    assert warehouse.gaps(FRANCE, NOW + HOUR) == warehouse.gaps(ARIEGE, NOW + HOUR) == []


def test_of_france_hours_are_missed_that_nobody_asked_for_a_day_later(warehouse: Warehouse) -> None:
    warehouse.fetch_france(NOW)  # 18 November 18 h to 20 November 05 h
    back = NOW + timedelta(days=4)
    # This run asks for 36 hours, from 22 November 18 h. Of those before, 19 November 05 h was asked for after a day.
    first, last = datetime(2026, 11, 19, 6, tzinfo=UTC), datetime(2026, 11, 22, 17, tzinfo=UTC)
    gaps = warehouse.gaps(FRANCE, back)
    assert (gaps[0], gaps[-1], len(gaps)) == (last, first, 84)
    # What was repaired, and what upstream has no longer, is not asked for again; what failed is.
    answers = [
        AskedHour(last, "repaired", 2, 2030),
        AskedHour(first, "gone"),
        AskedHour(first + HOUR, "failed", error="503"),
    ]
    note_answers(warehouse.connection, FRANCE, answers)
    assert warehouse.gaps(FRANCE, back) == gaps[1:-1]
    # After ten days nothing is asked for that real time was never seen to have.
    assert warehouse.gaps(FRANCE, NOW + timedelta(days=30))[-1] == NOW.replace(minute=0) + timedelta(days=20, hours=1)


def test_of_a_departement_hours_are_missed_that_no_packet_reached(warehouse: Warehouse) -> None:
    warehouse.fetch("paquet-horaire", "9", NOW - 2 * HOUR)
    warehouse.fetch("paquet-horaire", "9", NOW)
    assert warehouse.gaps(ARIEGE, NOW + 24 * HOUR) == []  # a packet has 24 hours
    back = NOW + 27 * HOUR  # 21 November 08:12; its packet begins at 20 November 09 h
    missed = [datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (8, 7, 6)]
    assert warehouse.gaps(ARIEGE, back) == missed
    warehouse.have("09289001", missed[1])  # a longer packet had it
    warehouse.have("31042012", missed[0])  # another département's
    assert warehouse.gaps(ARIEGE, back) == [missed[0], missed[2]]
    # Found by every later run too, until it was asked for.
    warehouse.fetch("paquet-horaire", "9", back)
    assert warehouse.gaps(ARIEGE, back + HOUR) == [missed[0], missed[2]]
    note_answers(warehouse.connection, ARIEGE, [AskedHour(missed[0], "repaired", 5, 14), AskedHour(missed[2], "gone")])
    assert warehouse.gaps(ARIEGE, back + HOUR) == []


def test_of_an_hour_of_france_the_rows_of_some_departements_are_kept() -> None:
    hour = NOW.replace(minute=0)
    request = repair_request(hour, resolve_all(["9", "974"]))
    assert (request.dataset, request.scope, request.hour) == ("paquet-stations-horaire", "20261120T05Z", hour)
    body = b"lat;geo_id_insee;validity_time\n1;09289001;2\n1;90010001;2\n1;97400001;3\n1;97500001;3\nbroken\n"
    assert keep_rows(body, request.departments) == (
        b"lat;geo_id_insee;validity_time\n1;09289001;2\n1;97400001;3\nbroken\n"
    )
    assert keep_rows(body, repair_request(hour, FRANCE).departments) == body
    assert keep_rows(b"<html>;\n1\n", request.departments) == b"<html>;\n1\n"
