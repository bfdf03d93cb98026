"""A year of one station over its normal 1991-2020, from the open archive: days, band, records, months."""

from calendar import isleap
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from api.page.year_chart import Series, by_day, cumulate, draw
from api.warehouse.open.execute import Executor
from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import BadValue
from api.warehouse.question.climate import HistoryRequest, read_history
from api.warehouse.question.posts import has_archive
from ingestion.archive.climate import FIRST_YEAR, LAST_YEAR, LEAST_RECORD_YEARS, LEAST_YEARS

RAIN = "precipitation_mm"
QUANTITIES = ("temperature_max_c", "temperature_min_c", "temperature_mean_c", RAIN)
_MONTHS = 12
_DAYS_OF_A_YEAR_TO_SHOW = 30  # a newer year with fewer is not the first one shown

_YEARS = """
select year(observed_date) as year, count({quantity}) as days from marts.daily_history
where station_id = ? group by all having days > 0 order by year
"""
_DAYS = """
select month(observed_date) as month, day(observed_date) as day, day_source, {quantity} as value
from marts.daily_history
where station_id = ? and observed_date between ? and ? and {quantity} is not null order by observed_date
"""
_NORMALS = """
select month, day, normal, p10, p90, years, is_normal from marts.normals_daily where station_id = ? and quantity = ?
"""
_RECORDS = """
select quantity, kind, month, value, observed_date, whole_years, is_long from marts.records
where station_id = ? and quantity in ('temperature_max_c', 'temperature_min_c', 'precipitation_mm')
"""
_MONTHLY = """
select quantity, month, normal, years from marts.normals_monthly
where station_id = ? and quantity in ('temperature_max_c', 'temperature_min_c', 'precipitation_mm')
"""


def gather_year(
    snapshot: OpenSnapshot, executor: Executor, station_id: str, quantity: str | None, year: str | None
) -> dict[str, Any] | None:
    """Gather one year of a station; None where the archive has nothing of it."""
    wanted = quantity or QUANTITIES[0]
    if wanted not in QUANTITIES:
        raise BadValue("quantity", f"“{wanted[:40]}” has no year to show", f"choose {', '.join(QUANTITIES)}")
    if not has_archive(snapshot):
        return None
    years = {row["year"]: row["days"]
             for row in executor.fetch_dicts(snapshot, _YEARS.format(quantity=wanted), [station_id])}  # fmt: skip
    normals = executor.fetch_dicts(snapshot, _NORMALS, [station_id, wanted])
    records = executor.fetch_dicts(snapshot, _RECORDS, [station_id])
    monthly = executor.fetch_dicts(snapshot, _MONTHLY, [station_id])
    if not (normals or records or monthly):
        return None
    chosen = _choose_year(years, year)
    span = [date(chosen, 1, 1), date(chosen, 12, 31)]
    days = executor.fetch_dicts(snapshot, _DAYS.format(quantity=wanted), [station_id, *span])
    return {
        "quantity": wanted,
        "quantities": QUANTITIES,
        "year": chosen,
        "years": sorted({*years, chosen}, reverse=True),
        "before": max((other for other in years if other < chosen), default=None),
        "after": min((other for other in years if other > chosen), default=None),
        "days": len(days),
        "official_days": sum(day["day_source"] == "official" for day in days),
        "normal_years": min((row["years"] for row in normals), default=0),
        "is_normal": any(row["is_normal"] for row in normals),
        "least_years": LEAST_YEARS,
        "least_record_years": LEAST_RECORD_YEARS,
        "period": f"{FIRST_YEAR}–{LAST_YEAR}",
        "chart": draw(_series(wanted, chosen, days, normals, records)),
        "months": _months(snapshot, executor, station_id, span, monthly, records),
    }


def _choose_year(years: Mapping[int, int], asked: str | None) -> int:
    if asked:
        if not (asked.isascii() and asked.isdigit() and 1700 <= int(asked) <= 9000):
            raise BadValue("year", f"“{asked[:20]}” is no year", "give one such as 2025")
        return int(asked)
    full = [year for year, days in years.items() if days >= _DAYS_OF_A_YEAR_TO_SHOW]
    return max(full or years or [LAST_YEAR])


def _series(
    quantity: str,
    year: int,
    days: Sequence[Mapping[str, Any]],
    normals: Sequence[Mapping[str, Any]],
    records: Sequence[Mapping[str, Any]],
) -> Series:
    values, normal = by_day(days, "value"), by_day(normals, "normal")
    is_leap = isleap(year)
    nothing: list[float | None] = [None] * 366
    if quantity == RAIN:  # a day's rain says little: the sum since 1 January does
        return Series(cumulate(values, is_leap), cumulate(normal, is_leap=False), nothing, nothing, is_leap=is_leap)
    lines = [(row["month"], row["kind"], row["value"])
             for row in records if row["quantity"] == quantity and row["month"] and row["is_long"]]  # fmt: skip
    return Series(values, normal, by_day(normals, "p10"), by_day(normals, "p90"), lines, is_leap)


def _months(
    snapshot: OpenSnapshot,
    executor: Executor,
    station_id: str,
    span: Sequence[date],
    monthly: Sequence[Mapping[str, Any]],
    records: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Each month, and all of them (`month` None): the year's value, its normal, and the records."""
    wanted = HistoryRequest(
        station=station_id, question="", limit=200, start=span[0], end=span[1], resolution="month"
    )  # fmt: skip
    history = read_history(snapshot, executor, wanted).table.to_pylist()
    values: dict[tuple[str, int | None], float | None] = {
        (row["quantity"], row["month"].month): row["value"] for row in history
    }
    for quantity in QUANTITIES:  # the year's value: of a sum the sum, of means the mean of twelve whole months
        whole = [value for (name, _), value in values.items() if name == quantity and value is not None]
        if len(whole) == _MONTHS:
            values[quantity, None] = sum(whole) / (1 if quantity == RAIN else _MONTHS)
    normals = {(row["quantity"], row["month"]): row["normal"] for row in monthly}
    of_month = {(row["quantity"], row["kind"], row["month"]): row for row in records}
    return [
        {
            "month": month,
            "values": {quantity: values.get((quantity, month)) for quantity in QUANTITIES},
            "normals": {quantity: normals.get((quantity, month)) for quantity in QUANTITIES},
            "highest": of_month.get(("temperature_max_c", "highest", month)),
            "lowest": of_month.get(("temperature_min_c", "lowest", month)),
            "wettest": of_month.get((RAIN, "highest", month)),
        }
        for month in [*range(1, 13), None]
    ]
