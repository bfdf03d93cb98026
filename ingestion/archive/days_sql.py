"""Several files of days as one relation, each day once, under the names and units of the marts."""

from collections.abc import Callable, Sequence

from ingestion.archive.day_quantities import DAYS, DayQuantities
from ingestion.archive.ledger import ArchiveFile, winners_over
from ingestion.archive.named_sql import list_of, map_of
from ingestion.archive.received_file import department_sql

_ABOUT = ("station_id", "station_name", "latitude", "longitude", "altitude_m", "observed_date")


def days_sql(
    files: Sequence[ArchiveFile], parquet: Callable[[Sequence[str]], str], quantities: DayQuantities = DAYS
) -> str:
    """SELECT every day of these files, a day that two hold from the one that wins; columns as upstream names them.

    `parquet` writes the SQL that reads files, named relative to the data directory.
    """
    names = (*_ABOUT, *(part for name in quantities.names for part in (name, f"Q{name}")))
    if not files:
        types = {"station_id": "varchar", "station_name": "varchar", "observed_date": "date"}
        columns = ", ".join(f"null::{types.get(name, 'float')} as {name}" for name in names)
        return f"select {columns} where false"
    columns = ", ".join(names)
    alone: list[str] = []
    parts: list[str] = []
    for file in files:
        assert file.file is not None  # noqa: S101 - a file in use was written
        winners = [winner.file for winner in winners_over(file, files) if winner.file]
        if not winners:
            alone.append(file.file)
            continue
        parts.append(
            f"select {columns} from {parquet([file.file])} as file where not exists ("
            f"select 1 from {parquet(winners)} as winner"
            " where winner.station_id = file.station_id and winner.observed_date = file.observed_date)"
        )
    return " union all ".join([f"select {columns} from {parquet(alone)}", *parts])


def official_days_sql(days: str, quantities: DayQuantities = DAYS) -> str:
    """SELECT the days under the marts' names. A doubtful value (code 2) is NULL and named in `rejected_fields`."""
    fields = quantities.fields.items()
    times = {name: f" * {factor}" for name, factor in quantities.factors.items()}
    # A trace of rain, -0.1, counts as nothing.
    traces = {"RR": "when RR < 0 then 0 "}
    values = ", ".join(
        f"case when Q{code} = 2 then null {traces.get(code, '')}else round({code}::double, 2){times.get(name, '')} end"
        f" as {name}"
        for name, code in fields
    )
    is_coded = {name: f"{code} is not null and Q{code} is distinct from 1" for name, code in fields}
    is_doubtful = {name: f"{code} is not null and Q{code} = 2" for name, code in fields}
    return f"""
        select
            station_id, station_name, {department_sql("station_id")} as department_code, observed_date, {values},
            {map_of(is_coded, {name: f"Q{code}" for name, code in fields})} as quality,
            {list_of(is_doubtful)} as rejected_fields
        from ({days}) as days
    """
