"""One value a day of one station, as SQL, for the quantities that are summed since a day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from api.warehouse.open.snapshot import OpenSnapshot
from api.warehouse.problems import ArchiveEmpty
from api.warehouse.question.evapotranspiration import hargreaves, penman_monteith, vapour_of_humidity

_OTHER = "marts.daily_other"
_MIDRANGE = "(temperature_min_c + temperature_max_c) / 2"


@dataclass(frozen=True)
class Question:
    """What the days are made for."""

    snapshot: OpenSnapshot
    post: str
    base: float | None
    since: date


@dataclass(frozen=True)
class DailyValues:
    """A SELECT of `observed_date`, `value`, which is NULL where the day is missing, and perhaps its `method`."""

    sql: str
    params: Sequence[Any]
    has_methods: bool = False


def _of_days(expression: str, mart: str = "marts.daily_history") -> Callable[[Question], DailyValues]:
    def make(question: Question) -> DailyValues:
        if mart not in question.snapshot.relations:  # published by an older version
            raise ArchiveEmpty
        based = expression.format(base=question.base)
        sql = f"select observed_date, {based} as value from {mart} where station_id = ?"
        return DailyValues(sql, [question.post])

    return make


rain = _of_days("precipitation_mm")
sunshine = _of_days("sunshine_min / 60", _OTHER)
# greatest() would pass over a NULL.
degree_days = _of_days(f"case when {_MIDRANGE} < {{base}} then {{base}} - {_MIDRANGE} else 0 * {_MIDRANGE} end")
growing_degree_days = _of_days(f"case when {_MIDRANGE} > {{base}} then {_MIDRANGE} - {{base}} else 0 * {_MIDRANGE} end")


def chill_hours(question: Question) -> DailyValues:
    """Hours under the base, of days with all 24."""
    value = f"case when count(temperature_c) = 24 then (count(*) filter (temperature_c < {question.base}))::double end"
    days = f"select observed_date, {value} as value from ({_hours(question)}) as hours group by observed_date"
    return DailyValues(days, [question.post])


def et0(question: Question) -> DailyValues:
    """The official value, else Penman-Monteith where radiation, humidity and wind are known, else Hargreaves.

    `method` says which.
    """
    is_there = _OTHER in question.snapshot.relations  # else an older version published the snapshot
    official = _OTHER if is_there else "(select *, null::double as et0_mm from marts.daily_history where false)"
    means = ", ".join(
        f"case when count({column}) = 24 then {aggregate}({column}) end as {name}"
        for name, aggregate, column in (
            ("radiation", "sum", "radiation_j_m2"),
            ("humidity", "avg", "humidity_pct"),
            ("wind", "avg", "wind_speed_ms"),
        )
    )
    low, high, since = "temperature_min_c", "temperature_max_c", f"date '{question.since}'"
    vapour = vapour_of_humidity(low, high, "hours.humidity")
    penman = penman_monteith(
        "observed_date", low, high, vapour, "coalesce(wind_mean_ms, wind)", "hours.radiation / 1e6", "site"
    )
    sql = f"""
        with site as (
            select latitude, altitude_m from marts.stations where station_id = ? and latitude is not null
            union all
            select latitude, altitude_m from marts.posts where station_id = ? and station_id not in (
                select station_id from marts.stations where latitude is not null
            )
        ),
        hours as (select observed_date, {means} from ({_hours(question, question.since)}) as hours
            where observed_date >= {since} group by observed_date),
        days as (
            select
                observed_date, official.et0_mm as official, {penman} as penman,
                {hargreaves("observed_date", low, high, "site")} as hargreaves
            from (
                select * from marts.daily_history where station_id = ? and observed_date >= {since}
            ) as days
            left join hours using (observed_date)
            left join (
                select observed_date, et0_mm from {official} as other where station_id = ? and observed_date >= {since}
            ) as official using (observed_date)
            cross join site
        )
        select
            observed_date,
            case
                when coalesce(official, penman, hargreaves) < 0 then 0 else coalesce(official, penman, hargreaves)
            end as value,
            case
                when official is not null then 'official' when penman is not null then 'penman_monteith'
                when hargreaves is not null then 'hargreaves'
            end as method
        from days
    """
    return DailyValues(sql, [question.post] * 5, has_methods=True)


def _hours(question: Question, since: date = date.min) -> str:
    """SELECT the station's hours with the day in FU that each belongs to; the station is bound once."""
    relations = question.snapshot.relations
    hours = next(name for name in ("marts.hourly_history", "marts.hourly_observations") if name in relations)
    # A day begins at most 12 hours before it does in UTC.
    bound = f" and observed_at > timestamptz '{since - timedelta(days=1)} 00:00:00Z'" if since > date.min else ""
    # Where FU is not known, overseas, an hour belongs to no day.
    return f"""
        select * from (
            select
                cast(observed_at at time zone 'UTC' - interval 1 hour + to_hours(
                    case
                        when left(station_id, 2) not in ('97', '98') then 0
                        else (
                            select utc_offset_hours from scales.utc_offsets
                            where station_prefix = left(hours.station_id, 3)
                        )
                    end
                ) as date) as observed_date,
                temperature_c, humidity_pct, wind_speed_ms, radiation_j_m2
            from {hours} as hours
            where station_id = ?{bound}
        ) as hours
        where observed_date is not null
    """
