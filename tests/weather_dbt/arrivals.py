"""Made-up histories of arrivals: what reaches a warehouse over days, in every disorder that upstream was seen in."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from ingestion.meteofrance.schema import V1_COLUMNS, V2_COLUMNS

START = datetime(2026, 1, 10, tzinfo=UTC)
HOURS = 54  # two climatological days and some, so that windows and days begin, fill and end

# Five neighbours of one height in Ariège (one of them the next id of another), two stations in Haute-Garonne, and
# three overseas, whose days are cut in UTC+11, UTC-10 and an unknown time.
PLACES = {
    "09099001": ("COS", 42.97, 1.56, 519),
    "09047001": ("BELESTA", 42.90, 1.94, 490),
    "09161003": ("LERAN", 42.99, 1.92, 391),
    "09289001": ("ST GIRONS", 43.00, 1.11, 414),
    "09289002": ("ST GIRONS", 43.00, 1.11, 415),
    "31069001": ("TOULOUSE", 43.62, 1.38, 151),
    "31042012": ("LUCHON", 42.80, 0.60, 618),
    "98818001": ("NOUMEA", -22.28, 166.45, 70),
    "98735001": ("TAHITI", -17.55, -149.61, 2),
    "98404001": ("KERGUELEN", -49.35, 70.24, 29),
}
REPLACED, REPLACEMENT = "09289001", "09289002"


@dataclass(frozen=True)
class Arrival:
    """One payload: the packet or the station list, as text."""

    dataset: str
    body: str
    fetched_at: datetime


def make_history(seed: int, arrivals: int) -> Iterator[Arrival]:
    """Give the payloads of one history in the order in which they are fetched.

    The first packet brings most rows; each later one brings something else, often very little, so that a build
    that forgets an hour has nothing else to remember it by.
    """
    random = Random(seed)
    rows = _truth(random)
    sent: set[tuple[str, datetime]] = set()
    hidden_department = random.choice(["", "31"])  # asked for late, for hours already loaded
    now = START + timedelta(hours=random.uniform(24, HOURS + 10))
    yield _stations(random, now - timedelta(minutes=1))
    for number in range(arrivals):
        if random.random() < 0.3:
            yield _stations(random, now - timedelta(seconds=1))
        arrived = [key for key in rows if key[1] <= now and (number or not key[0].startswith(hidden_department or "-"))]
        chosen = _chosen(random, arrived, sent, "most" if number == 0 else random.choice(WAYS))
        seen = [_corrected(random, rows[key]) if key in sent else rows[key] for key in chosen]
        sent.update(chosen)
        if random.random() < 0.2:  # an hour from the future
            seen.append({**random.choice(list(rows.values())), "validity_time": _iso(now + timedelta(hours=3))})
        seen += random.sample(seen, k=min(len(seen), random.randint(0, 2)))  # duplicates
        random.shuffle(seen)
        yield Arrival("paquet-horaire", _packet(seen, v1=random.random() < 0.15), now)
        now += timedelta(hours=random.choice([0.1, 1, 1, 5, 40]))


WAYS = ("a few late rows", "a correction", "a correction", "a station back-filling", "new hours", "a department")


def _chosen(
    random: Random, arrived: list[tuple[str, datetime]], sent: set[tuple[str, datetime]], way: str
) -> list[tuple[str, datetime]]:
    late = [key for key in arrived if key not in sent]
    if way == "most":
        return [key for key in arrived if random.random() < 0.85]
    if way == "a correction" and sent:
        return random.sample(sorted(sent), k=1)
    if way == "a station back-filling":
        station = random.choice(list(PLACES))
        return sorted(key for key in late if key[0] == station)[:35]
    if way == "new hours":
        return [key for key in late if key[1] >= max((hour for _, hour in sent), default=START)]
    if way == "a department":
        return [key for key in arrived if key[0].startswith("31")]
    return random.sample(late, k=min(len(late), random.randint(1, 3)))


def _truth(random: Random) -> dict[tuple[str, datetime], dict[str, str]]:
    changed_at = START + timedelta(hours=random.randint(10, HOURS - 10))
    rows = {}
    for station in PLACES:
        frozen_from = random.randint(0, HOURS)  # a sensor that sticks for a while
        value: dict[str, str] = {}
        for step in range(HOURS):
            hour = START + timedelta(hours=step)
            if (station == REPLACED and hour >= changed_at) or (station == REPLACEMENT and hour < changed_at):
                continue
            if not (value and frozen_from < step < frozen_from + 26):
                value = _values(random)
            rows[station, hour] = {**value, "geo_id_insee": station, "validity_time": _iso(hour)}
    return rows


def _values(random: Random) -> dict[str, str]:
    t = random.gauss(275, 4)
    wind = max(0.0, random.gauss(4, 3))
    values = {
        "lat": "43.1", "lon": "1.5", "t": t, "tx": t + random.random(), "tn": t - random.random(),
        "td": t - random.uniform(-0.4, 6), "u": random.uniform(30, 100), "ux": 100.0, "un": 20.0,
        "dd": random.randrange(0, 370, 10), "ff": wind, "fxy": wind + 1, "dxy": 180, "raf": wind + 3, "ddraf": 190,
        "fxi": wind + 3, "dxi": 190, "rr1": random.choice([0, 0, 0, -0.1, 0.2, 1.4, 7.6]),
        "sss": random.choice([0, 0.03, 0.5]), "n": random.randint(0, 9), "insolh": random.randint(0, 60),
        "pres": random.gauss(95000, 700), "pmer": random.gauss(101300, 700),
        "t_10": 280.05, "vv": random.randrange(100, 60000, 10), "ray_glo01": random.randrange(0, 2_000_000, 1000),
    }  # fmt: skip
    told = {name: str(round(x, 1) if isinstance(x, float) else x) for name, x in values.items()}
    for name in list(told):
        if random.random() < 0.03:
            told[name] = random.choice(["", "", "NaN", "12,5", "-999", "1e308", "999"])
    return told


def _corrected(random: Random, row: dict[str, str]) -> dict[str, str]:
    corrected = {"t": "276.4", "tx": "276.9", "tn": "262.05", "rr1": "3.2", "pres": "94010", "sss": "0.2"}
    return {**row, **corrected} if random.random() < 0.7 else row


def _packet(rows: list[dict[str, str]], *, v1: bool) -> str:
    columns = V1_COLUMNS if v1 else V2_COLUMNS
    lines = [";".join(columns), *(";".join(row.get(column, "") for column in columns) for row in rows)]
    return "\n".join(lines) + "\n"


def _stations(random: Random, fetched_at: datetime) -> Arrival:
    lines = ["Id_station;Id_omm;Nom_usuel;Latitude;Longitude;Altitude;Date_ouverture;Pack"]
    for station, (name, latitude, longitude, altitude) in PLACES.items():
        if random.random() < 0.1:
            continue  # not listed this time
        if random.random() < 0.1:  # moved, raised and renamed
            name, latitude, altitude = f"{name} NEUF", latitude + 0.03, altitude + 300
        lines.append(f"{station};;{name};{latitude:.4f};{longitude:.4f};{altitude};2000-01-01;RADOME")
    return Arrival("liste-stations", "\n".join(lines) + "\n", fetched_at)


def _iso(moment: datetime) -> str:
    return moment.replace(minute=0, second=0, microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
