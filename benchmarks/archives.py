"""Archives for benchmarks: the demo's Ariège, its days and hours copied under other départements at DuckDB's speed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from benchmarks.history import SOURCE
from ingestion.archive.hours_columns import QUANTITIES
from ingestion.archive.ledger import CLIMATE, FROM_HOURS, ArchiveFile, read_ledger, write_ledger
from ingestion.archive.load import Origin, load_file
from ingestion.demo.archive import days_file
from ingestion.demo.archive_hours import hours_file
from ingestion.departments import all_departments
from ingestion.paths import DataPaths
from ingestion.raw_store import literal

_COPIES = 2  # 14 posts, twice in each of 94 départements
_WITH_HOURS = ("11", "31", "32", "65", "66", "75", "81", "82", "12")  # besides Ariège
_DECADE = range(2010, 2020)
EARLIER_DECADES = {"2000-2009": 3_653, "1990-1999": 7_305}  # and how many days earlier they begin


def mainland() -> list[str]:
    """The codes of 94 départements."""
    codes = (department.code for department in all_departments())
    return [code for code in codes if code.isdecimal() and int(code) <= 95]


def make_days_of_france(paths: DataPaths, folder: Path) -> None:
    """Load the demo's Ariège, then copy its days and its climate under the ids of all other départements."""
    this_year = datetime.now(UTC).year
    periods = {"previous-1950": range(1991, this_year - 1), "latest": range(this_year - 1, this_year)}
    for period, years in periods.items():
        first = "" if period.startswith("previous") else f"-{this_year - 1}"
        last = years[-1] if period.startswith("previous") else this_year
        file = folder / f"Q_09_{period}{first}-{last}_RR-T-Vent.csv"
        file.write_bytes(days_file("9", years, date(this_year, 1, 1)))
        load_file(paths, file, Origin(file.name, datetime.now(UTC)), SOURCE)
        file.unlink()
    ledger = read_ledger(paths)
    loaded, climate = ledger.in_use(), ledger.climate["9"]
    for code in mainland():
        if code == "9":
            continue
        for entry in loaded:
            assert entry.file is not None
            file_name = entry.file.replace("/days/9/", f"/days/{code}/")
            _copy_rows(paths, entry.file, file_name, code)
            ledger.put(_entry(entry, code, file_name))
        ledger.climate[code] = climate.replace("/climate/9/", f"/climate/{code}/")
        for table in CLIMATE:
            _copy_rows(paths, f"{climate}/{table}.parquet", f"{ledger.climate[code]}/{table}.parquet", code)
    write_ledger(paths, ledger)


def _entry(entry: ArchiveFile, code: str, file_name: str) -> ArchiveFile:
    return replace(entry, department=code, file=file_name, rows=entry.rows * _COPIES, name=_name(entry, code))


def _copy_rows(paths: DataPaths, source: str, target: str, code: str) -> None:
    (paths.root / target).parent.mkdir(parents=True, exist_ok=True)
    new_id = f"'{code.zfill(2)}' || substr(station_id, 3, 5) || copy"
    described = f"describe from read_parquet({literal(paths.root / source)})"
    names = [row[0] for row in duckdb.sql(described).fetchall()]
    replaced = f"{new_id} as station_id" + (f", '{code}' as department_code" if "department_code" in names else "")
    duckdb.sql(
        f"copy (select * exclude (copy) replace ({replaced})"
        f" from read_parquet({literal(paths.root / source)}), (select unnest(range({_COPIES})) as copy) order by all)"
        f" to {literal(paths.root / target)} (format parquet, compression zstd, row_group_size 20_480)"
    )


def make_hours_file(file: Path) -> int:
    """Write the demo's hours with all of upstream's columns, most of them empty as in real files."""
    made = file.with_name("demo.csv")
    made.write_bytes(hours_file("9", _DECADE, date(2026, 1, 1)))
    with duckdb.connect() as connection:
        told = f"read_csv({literal(made)}, delim = ';', header = true, all_varchar = true)"
        given = connection.sql(f"from {told}").columns
        key = given[:6]
        names = [*key, *(part for name in QUANTITIES for part in (name, f"Q{name}"))]
        columns = ", ".join(name if name in given else f"null as {name}" for name in names)
        connection.execute(
            f"copy (select {columns} from {told}) to {literal(file)} (delimiter ';', header true, compression gzip)"
        )
        row = connection.execute(f"select count(*) from {told}").fetchone()
    made.unlink()
    return int(row[0]) if row else 0


def copy_hours(paths: DataPaths, earlier: dict[str, int] | None = None) -> None:
    """Copy the loaded hours to nine more départements, and to earlier decades, given by label and days before."""
    ledger = read_ledger(paths)
    (loaded,) = ledger.in_use("9", "hours")
    folder = ledger.from_hours["9"]
    for code in ("9", *_WITH_HOURS):
        for period, back in {loaded.period: 0, **(earlier or {})}.items():
            if code == "9" and not back:
                continue
            entry = _moved(loaded, code, period, back)
            _copy(paths, str(loaded.file), str(entry.file), code, back, 122_880)
            ledger.put(entry)
        if code != "9":
            ledger.from_hours[code] = folder.replace("/9/", f"/{code}/")
            for table in FROM_HOURS:
                _copy(paths, f"{folder}/{table}.parquet", f"{ledger.from_hours[code]}/{table}.parquet", code, 0, 20_480)
    write_ledger(paths, ledger)


def _moved(entry: ArchiveFile, code: str, period: str, back: int) -> ArchiveFile:
    first, last = (
        (date.fromisoformat(str(day)) - timedelta(days=back)).isoformat() for day in (entry.first_day, entry.last_day)
    )
    file = str(entry.file).replace("/9/", f"/{code}/").replace(f"/{entry.period}/", f"/{period}/")
    name = _name(entry, code).replace(entry.period, period)
    return replace(entry, department=code, period=period, name=name, file=file, first_day=first, last_day=last)


def _name(entry: ArchiveFile, code: str) -> str:
    return entry.name.replace("_09_", f"_{code.zfill(2)}_")


def _copy(paths: DataPaths, source: str, target: str, code: str, back: int, row_group: int) -> None:
    (paths.root / target).parent.mkdir(parents=True, exist_ok=True)
    moved = f"'{code.zfill(2)}' || station_id[3:] as station_id"
    if back:
        moved += f", observed_at - interval {back} day as observed_at"
    duckdb.execute(
        f"copy (select * replace ({moved}) from {literal(paths.root / source)})"
        f" to {literal(paths.root / target)} (format parquet, compression zstd, row_group_size {row_group})"
    )
