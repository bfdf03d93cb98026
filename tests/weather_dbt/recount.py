"""Windows and days counted again in plain Python, from upstream's own text, sharing nothing with the models."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import fmean

Hours = Mapping[tuple[str, datetime], Mapping[str, str]]  # (station, hour) to upstream's fields

HOUR = timedelta(hours=1)
WINDOWS = {
    "precipitation": ("rr1", sum),
    "temperature_mean": ("t", fmean),
    "temperature_min": ("tn", min),
    "temperature_max": ("tx", max),
    "gust_max": ("raf", max),
    "snow_depth_max": ("sss", max),
}


def reading(row: Mapping[str, str] | None, field: str) -> Decimal | None:
    """One reading in our unit: °C, hPa, cm, mm; a trace is no amount."""
    text = (row or {}).get(field) or None
    if text is None:
        return None
    value = Decimal(text)
    if field in ("t", "tn", "tx", "td"):
        return value - Decimal("273.15")
    if field == "pres":
        return value / 100
    if field == "sss":
        return value * 100
    return Decimal(0) if field == "rr1" and value == Decimal("-0.1") else value


def window(hours: Hours, station: str, end: datetime, slots: int, quantity: str) -> tuple[float | None, int]:
    """Value over the last slots, None unless all are there, and how many were."""
    field, aggregate = WINDOWS[quantity]
    values = present(hours, station, field, (end - HOUR * back for back in range(slots)))
    return (float(aggregate(values)) if len(values) == slots else None), len(values)


def present(hours: Hours, station: str, field: str, asked: Iterable[datetime]) -> list[Decimal]:
    """Readings of the asked hours that are there."""
    found = (reading(hours.get((station, hour)), field) for hour in asked)
    return [value for value in found if value is not None]


def change(hours: Hours, station: str, end: datetime, field: str, slots: int) -> float | None:
    """Change of a state against its value so many hours before."""
    now, before = reading(hours.get((station, end)), field), reading(hours.get((station, end - HOUR * slots)), field)
    return None if now is None or before is None else float(now - before)


def day(hours: Hours, station: str, of: date) -> dict[str, object]:
    """Climatological day: rain and maximum 06-06, minimum 18-18, the rest 00-24; a row is for the hour it ends."""
    midnight = datetime(of.year, of.month, of.day, tzinfo=next(iter(hours))[1].tzinfo)
    rain_hours = [midnight + HOUR * hour for hour in range(7, 31)]
    minimum_hours = [midnight + HOUR * hour for hour in range(-5, 19)]
    civil_hours = [midnight + HOUR * hour for hour in range(1, 25)]
    counted: dict[str, object] = {}
    for name, unit, field, aggregate, when in (
        ("precipitation", "mm", "rr1", sum, rain_hours),
        ("temperature_max", "c", "tx", max, rain_hours),
        ("temperature_min", "c", "tn", min, minimum_hours),
        ("temperature_mean", "c", "t", fmean, civil_hours),
        ("sunshine", "min", "insolh", sum, civil_hours),
        ("radiation", "j_m2", "ray_glo01", sum, civil_hours),
        ("wind_mean", "ms", "ff", fmean, civil_hours),
        ("gust_max", "ms", "raf", max, civil_hours),
    ):
        values = present(hours, station, field, when)
        counted[f"{name}_{unit}"] = float(aggregate(values)) if len(values) == 24 else None
        counted[f"{name}_hours"] = len(values)
    counted["is_rain_day"] = flag(present(hours, station, "rr1", rain_hours), lambda rain: sum(rain) >= 1)
    counted["is_frost_day"] = flag(present(hours, station, "tn", minimum_hours), lambda low: min(low) <= 0)
    counted["is_snow_day"] = flag(present(hours, station, "sss", civil_hours), lambda snow: max(snow) >= 1)
    counted["present_hours"] = sum((station, hour) in hours for hour in civil_hours)
    return counted


def flag(values: list[Decimal], holds) -> bool | None:
    """True once certain, False only when the day is whole."""
    if values and holds(values):
        return True
    return False if len(values) == 24 else None
