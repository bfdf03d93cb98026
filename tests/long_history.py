"""A warehouse whose history is long enough for months to be closed: two départements, a few days of three months."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from ingestion.landing import describe_payload, land_payload
from ingestion.load import load_payload
from ingestion.meteofrance.schema import V2_COLUMNS
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from orchestration.closed_months.close_months import close_months
from orchestration.pipeline import build_and_record
from orchestration.settings import OrchestrationSettings
from orchestration.snapshots.publish import publish_build
from orchestration.snapshots.snapshots import Manifest

# Neighbours of one height in Ariège, so that they are compared; two stations in Haute-Garonne.
NAMES = {"09099001": "COS", "09047001": "BELESTA", "09161003": "LERAN", "09289001": "ST GIRONS"}
NAMES |= {"31069001": "TOULOUSE", "31042012": "LUCHON"}
SETTLED = (date(2026, 1, 1), date(2026, 2, 1))  # with what is loaded below, these months can be closed
READ = (
    *(f"marts.{name}" for name in ("hourly_observations", "daily_observations", "latest_observations", "stations")),
    *("marts.completeness", "meta.quality_findings", "raw.observations", "raw.stations"),
)


@dataclass(frozen=True)
class News:
    """One payload: a département's packet, or the station list."""

    scope: str
    body: str
    fetched_at: datetime

    @classmethod
    def packet(cls, scope: str, hours: Iterable[datetime], fetched_at: datetime, **corrected: str) -> "News":
        """Every station of a département at these hours, with some values set right."""
        stations = [station for station in NAMES if station.startswith(scope.zfill(2))]
        return cls.rows(scope, [(station, hour) for station in stations for hour in hours], fetched_at, **corrected)

    @classmethod
    def rows(cls, scope: str, keys: Iterable[tuple[str, datetime]], fetched_at: datetime, **corrected: str) -> "News":
        """Some stations at some hours."""
        rows = [reading(station, hour) | corrected for station, hour in keys]
        lines = [V2_COLUMNS, *([row.get(column, "") for column in V2_COLUMNS] for row in rows)]
        return cls(scope, "\n".join(";".join(line) for line in lines) + "\n", fetched_at)

    @classmethod
    def station_list(cls, fetched_at: datetime, **renamed: str) -> "News":
        """The list, some stations (`s09099001="NEW"`) under another name."""
        names = NAMES | {station[1:]: name for station, name in renamed.items()}
        lines = [
            f"{station};;{name};{43 + number / 50:.4f};1.5000;{400 + number};2000-01-01;RADOME"
            for number, (station, name) in enumerate(names.items())
        ]
        head = "Id_station;Id_omm;Nom_usuel;Latitude;Longitude;Altitude;Date_ouverture;Pack"
        return cls("all", "\n".join([head, *lines]) + "\n", fetched_at)


def hours(first: datetime, count: int) -> list[datetime]:
    """So many hours from `first` on."""
    return [first + timedelta(hours=step) for step in range(count)]


def at(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """A moment of 2026, UTC."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def reading(station: str, hour: datetime) -> dict[str, str]:
    """What a station measures at an hour: always the same."""
    random = Random(f"{station} {hour}")
    t = round(random.gauss(280, 8), 1)
    values = {
        "lat": "43.1", "lon": "1.5", "t": t, "tx": round(t + random.random(), 1), "tn": round(t - random.random(), 1),
        "td": round(t - random.uniform(0, 6), 1), "u": random.randint(30, 100), "dd": random.randrange(0, 370, 10),
        "ff": round(random.uniform(0, 9), 1), "raf": round(random.uniform(9, 20), 1), "ddraf": 190,
        "rr1": random.choice([0, 0, -0.1, 0.2, 7.6]), "sss": random.choice([0, 0.03]), "n": random.randint(0, 9),
        "insolh": random.randint(0, 60), "pres": random.randrange(94000, 96000, 10),
        "vv": random.choice(["", "x", 900]),
    }  # fmt: skip
    told = {"geo_id_insee": station, "validity_time": hour.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return {name: str(value) for name, value in values.items()} | told


# Haute-Garonne is asked no more after February: its last days stay provisional.
HISTORY = (
    News.station_list(at(1, 28)),
    News.packet("9", hours(at(1, 29), 120), at(2, 3, 0, 10)),
    News.packet("31", hours(at(1, 29), 120), at(2, 3, 0, 20)),
    News.packet("9", hours(at(5, 1), 48), at(5, 3, 0, 10)),
    News.packet("9", hours(at(5, 10), 48), at(5, 12, 0, 10)),
)


def load(paths: DataPaths, *news: News) -> None:
    """Land and load payloads in this order."""
    folder = paths.landing / "demo"
    for told in news:
        dataset = "liste-stations" if told.scope == "all" else "paquet-horaire"
        landed = describe_payload(folder, told.body.encode(), dataset, told.scope, told.fetched_at, "csv")
        land_payload(landed, told.body.encode())
        with open_build_file(paths, "demo") as connection:
            load_payload(connection, landed, source="demo")


def build(paths: DataPaths, close_above_mb: int) -> list[str]:
    """Build, test and close as a run does; return what it said."""
    said: list[str] = []
    build_and_record(settings(close_above_mb), paths, None, said.append)
    close_months(paths, close_above_mb, said.append)
    return said


def settings(close_above_mb: int) -> OrchestrationSettings:
    """1 closes all that is settled, 0 nothing."""
    return OrchestrationSettings(_env_file=None, close_above_mb=close_above_mb)  # type: ignore[call-arg]


def make_warehouse(root: Path) -> DataPaths:
    """Load and build the history, nothing closed and nothing published."""
    paths = DataPaths(root)
    load(paths, *HISTORY)
    build(paths, close_above_mb=0)
    return paths


def publish(paths: DataPaths) -> Manifest:
    """Publish and keep a day's snapshots."""
    return publish_build(paths, keep=24)


def read_all(file: Path, tables: Sequence[str] = READ) -> Mapping[str, Any]:
    """Every row and column of the tables, sorted."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        found = {}
        for table in tables:
            answer = connection.execute(f"select * from {table}")
            names = [(column[0], str(column[1])) for column in answer.description or []]
            found[table] = (names, sorted(map(repr, answer.fetchall())))
        return found
