"""The SQL of a period: per station and quantity, what the hours there add up to, and which are missing.

A day counts as over a threshold as soon as the hours there show it, and as not over only when all its hours are there.
"""

from collections.abc import Sequence

from api.warehouse.question.quantities import Quantity


def period_sql(relation: str, stations: int | None, quantities: Sequence[Quantity], *, by_night: bool) -> str:
    """Binds: tz, first hour, last hour, tz, first hour, last hour, the stations' ids, then over and under of each."""
    chosen = f" and station_id in ({', '.join('?' * stations)})" if stations is not None else ""
    # The night of a date goes from its noon to the noon after.
    shift = " - interval 12 hours" if by_night else ""
    values = ", ".join(
        f"{item.value} as value_{place}, {item.low or item.value} as low_{place},"
        f" {item.high or item.value} as high_{place}"
        for place, item in enumerate(quantities)
    )
    parts = ",".join(_of_quantity(place, item) for place, item in enumerate(quantities))
    rows = " union all by name ".join(f"select * from result_{place}" for place in range(len(quantities)))
    return f"""
    with
    days as (
        select cast(timezone(?, slot - interval 1 second){shift} as date) as day, count(*) as expected
        from (select unnest(generate_series(cast(? as timestamptz), cast(? as timestamptz), interval 1 hour)) as slot)
        group by day
    ),
    period as (select count(*) as days, sum(expected) as hours from days),
    hours as materialized (
        select station_id, observed_at, gust_kind,
            cast(timezone(?, observed_at - interval 1 second){shift} as date) as day, {values}
        from {relation} where observed_at between ? and ?{chosen}
    ),
    {parts}
    {rows}
    """


def _of_quantity(place: int, item: Quantity) -> str:
    value, low, high = f"value_{place}", f"low_{place}", f"high_{place}"
    # Gusts of the two kinds are not comparable.
    is_one_kind = "min(gust_kind) is not distinct from max(gust_kind)" if item.name == "gust_ms" else "true"
    exact = f"sum(cast({value} as decimal(18, 2)))"
    if item.is_sum:
        shown, at_most, above = f"{exact} >= bound.over", f"{exact} <= bound.under", f"{exact} > bound.under"
        # A sum that is small so far may still grow.
        is_under, is_not_under = f"({at_most} and count({value}) = any_value(expected))", above
    else:
        shown, is_under = f"max({high}) >= bound.over", f"min({low}) <= bound.under"
        is_not_under = f"(min({low}) > bound.under and count({value}) = any_value(expected))"
    is_not_over = f"(not {shown} and count({value}) = any_value(expected))"
    mean = (
        f"round(cast(avg(cast({value} as decimal(18, 2))) as double), 2)"
        if item.has_mean and not item.is_sum
        else "null"
    )
    total = f"round(cast({exact} as double), 2)" if item.is_sum else "null"
    return f"""
    bound_{place} as (select cast(? as double) as over, cast(? as double) as under),
    by_day_{place} as (
        select station_id, day, coalesce({shown}, false) as is_over, coalesce({is_not_over}, false) as is_not_over,
            coalesce({is_under}, false) as is_under, coalesce({is_not_under}, false) as is_not_under
        from hours join days using (day) cross join bound_{place} as bound
        group by station_id, day, bound.over, bound.under
    ),
    days_{place} as (
        select station_id, count(*) filter (is_over) as days_over, count(*) filter (is_not_over) as days_not_over,
            count(*) filter (is_under) as days_under, count(*) filter (is_not_under) as days_not_under
        from by_day_{place} group by station_id
    ),
    last_{place} as (
        select station_id, max(observed_at) filter ({value} >= bound.over) as last_over_at
        from hours cross join bound_{place} as bound group by station_id
    ),
    total_{place} as (
        select station_id, count({value}) as hours_there, {total} as total, {mean} as mean,
            min({low}) as min, {_first_with("arg_min", low)} as min_at,
            case when {is_one_kind} then max({high}) end as max,
            case when {is_one_kind} then {_first_with("arg_max", high)} end as max_at,
            arg_max({value}, observed_at) filter ({value} is not null) as last,
            max(observed_at) filter ({value} is not null) as last_at,
            count(*) filter ({value} >= bound.over) as hours_over,
            count(*) filter ({value} <= bound.under) as hours_under,
            count({value}) filter (observed_at > last_over_at) as hours_there_after,
            any_value(last_over_at) as last_over_at
        from hours join last_{place} using (station_id) cross join bound_{place} as bound
        group by station_id
        having count({value}) > 0
    ),
    result_{place} as (
        select {place} as place, '{item.name}' as quantity, station_id, cast(period.hours as bigint) as hours_expected,
            hours_there, cast(period.hours - hours_there as bigint) as hours_missing,
            case when hours_there = period.hours then total end as sum, total as sum_there, mean, {_extremes(item)},
            last, last_at,
            bound.over, case when bound.over is not null then hours_over end as hours_over,
            case when bound.over is not null then days_over end as days_over,
            case when bound.over is not null then period.days - days_over - days_not_over end as days_over_unsure,
            last_over_at,
            cast(date_diff('hour', last_over_at, last_hour) - hours_there_after as bigint) as hours_missing_after,
            bound.under, case when bound.under is not null then hours_under end as hours_under,
            case when bound.under is not null then days_under end as days_under,
            case when bound.under is not null then period.days - days_under - days_not_under end as days_under_unsure
        from total_{place} join days_{place} using (station_id) cross join period cross join bound_{place} as bound
            cross join (select cast(? as timestamptz) as last_hour)
    )"""


def _first_with(aggregate: str, column: str) -> str:
    """The first hour of those that share an extreme."""
    age = "epoch(observed_at)" if aggregate == "arg_min" else "-epoch(observed_at)"
    return f"{aggregate}(observed_at, row({column}, {age})) filter ({column} is not null)"


def _extremes(item: Quantity) -> str:
    """The least rain of an hour tells nothing; the most does."""
    least = "null::double as min, null::timestamptz as min_at" if item.is_sum or not item.has_mean else "min, min_at"
    return f"{least}, max, max_at"
