"""A free period: what /warehouse/period counts is what SQL written by hand counts."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from problems import assert_problem

from api.warehouse.problems import BadValue
from api.warehouse.question.span import read_span, zone_of

pytestmark = pytest.mark.xdist_group("warehouse")

Ask = Callable[..., list[Any]]
HOURS = "marts.hourly_observations"
NOW = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
NEWEST = datetime(2026, 11, 20, 7, tzinfo=UTC)


def period(client: httpx.Client, **parameters: Any) -> dict[str, Any]:
    answer = client.get("/warehouse/period", params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_rain_of_a_day_is_that_of_its_local_hours(client: httpx.Client, in_file: Ask) -> None:
    """The 19th of November in France: from 23 UTC the day before; the row of 23 UTC is for the hour before it."""
    body = period(
        client, station="09289001", since="2026-11-19", until="2026-11-19", fields="precipitation_mm,sunshine_min"
    )
    ((hours, rain, most, sunshine),) = in_file(
        "select count(precipitation_mm), round(sum(precipitation_mm), 2), max(precipitation_mm), sum(sunshine_min)"
        f" from {HOURS} where station_id = '09289001'"
        " and observed_at > '2026-11-18T23:00:00Z' and observed_at <= '2026-11-19T23:00:00Z'"
    )
    assert body["period"] == {
        "since": "2026-11-18T23:00:00Z", "until": "2026-11-19T23:00:00Z", "tz": "Europe/Paris", "hours": 24,
    }  # fmt: skip
    wet, sunny = body["data"]
    assert (wet["hours_there"], wet["hours_missing"]) == (hours, 24 - hours)
    assert (wet["sum_there"], wet["max"], sunny["sum_there"]) == (rain, most, sunshine)
    assert wet["sum"] == (rain if hours == 24 else None)
    assert wet["min"] is None
    assert (wet["over"], wet["days_over"], wet["days_over_unsure"]) == (1, int(rain >= 1), int(rain < 1 and hours < 24))


def test_every_quantity_is_what_sql_says_for_every_station(client: httpx.Client, in_file: Ask) -> None:
    body = period(client, since="2026-11-19T00:00:00Z", until="2026-11-20T05:00:00Z", tz="UTC", limit=10_000)
    expected = {
        (row[0], row[1]): row[2:]
        for quantity, value, low, high in (
            ("precipitation_mm", "precipitation_mm", "null", "precipitation_mm"),
            ("temperature_c", "temperature_c", "least(temperature_c, temperature_min_c)",
             "greatest(temperature_c, temperature_max_c)"),
            ("wind_speed_ms", "wind_speed_ms", "wind_speed_ms", "greatest(wind_speed_ms, max_mean_wind_ms)"),
            ("gust_ms", "gust_ms", "null", "gust_ms"),
            ("sunshine_min", "sunshine_min", "null", "sunshine_min"),
        )
        for row in in_file(
            f"select '{quantity}', station_id, count({value}), min({low}), max({high}),"
            f" first(observed_at order by {high} desc nulls last, observed_at),"
            f" max(observed_at) filter ({value} is not null)"
            f" from {HOURS} where observed_at > '2026-11-19T00:00:00Z' and observed_at <= '2026-11-20T05:00:00Z'"
            f" group by station_id having count({value}) > 0"
        )
    }  # fmt: skip
    got = {
        (row["quantity"], row["station_id"]): (
            row["hours_there"], row["min"], row["max"], at(row["max_at"]), at(row["last_at"])
        )
        for row in body["data"]
    }  # fmt: skip
    assert got == expected
    assert len(got) > 50
    means = dict(
        in_file(
            "select station_id, round(avg(temperature_c::decimal(18, 2)), 2)"
            f" from {HOURS} where observed_at > '2026-11-19T00:00:00Z' and observed_at <= '2026-11-20T05:00:00Z'"
            " and temperature_c is not null group by 1"
        )
    )
    for row in body["data"]:
        if row["quantity"] == "temperature_c":
            assert row["mean"] == pytest.approx(float(means[row["station_id"]]), abs=0.005)


def test_a_sum_over_a_hole_says_so(client: httpx.Client, in_file: Ask) -> None:
    """The warehouse begins on the 18th: two weeks before are missing, and rain over them is no sum."""
    (row,) = period(
        client, station="09289001", since="2026-11-05", until="2026-11-19", fields="precipitation_mm", over=0.1
    )["data"]
    ((hours, rain, last, after),) = in_file(
        "with hours as (select * from marts.hourly_observations where station_id = '09289001'"
        " and precipitation_mm is not null and observed_at <= '2026-11-19T23:00:00Z'),"
        " wet as (select max(observed_at) as at from hours where precipitation_mm >= 0.1)"
        " select count(*), round(sum(precipitation_mm), 2), any_value(wet.at), count(*) filter (observed_at > wet.at)"
        " from hours, wet"
    )
    assert (row["hours_there"], row["hours_missing"]) == (hours, 15 * 24 - hours)
    assert (row["sum"], row["sum_there"]) == (None, rain)
    assert row["days_over"] + row["days_over_unsure"] >= 13
    if last is None:
        assert (row["last_over_at"], row["hours_missing_after"]) == (None, None)
    else:
        left = (datetime(2026, 11, 19, 23, tzinfo=UTC) - last).total_seconds() / 3600
        assert (at(row["last_over_at"]), row["hours_missing_after"]) == (last, left - after)


def test_days_and_nights_under_a_threshold(client: httpx.Client, in_file: Ask) -> None:
    for days, shift in (("day", ""), ("night", " - interval 12 hours")):
        body = period(
            client, dept="9", since="2026-11-19", until="2026-11-20", fields="temperature_c", under=5, days=days
        )
        expected = dict(
            in_file(
                "select station_id, count(*) from (select station_id,"
                f" cast(timezone('Europe/Paris', observed_at - interval 1 second){shift} as date) as day,"
                " min(least(temperature_c, temperature_min_c)) as low from marts.hourly_observations"
                " where department_code = '9' and observed_at > '2026-11-18T23:00:00Z' group by all)"
                " where low <= 5 group by 1"
            )
        )
        assert expected
        got = {row["station_id"]: row["days_under"] for row in body["data"] if row["days_under"]}
        assert got == expected, days
        hours = dict(
            in_file(
                f"select station_id, count(*) from {HOURS} where department_code = '9' and temperature_c <= 5"
                " and observed_at > '2026-11-18T23:00:00Z' group by 1"
            )
        )
        assert {row["station_id"]: row["hours_under"] for row in body["data"] if row["hours_under"]} == hours


def test_a_place_is_answered_by_the_nearest_station_that_measures(client: httpx.Client, in_file: Ask) -> None:
    body = period(client, place="St Girons", since="2026-11-19", until="2026-11-19", max_height_m=400)
    assert body["place"]["name"] == "Saint-Girons"
    assert [row["quantity"] for row in body["data"]] == [
        "precipitation_mm", "temperature_c", "wind_speed_ms", "gust_ms", "sunshine_min",
    ]  # fmt: skip
    rain = body["data"][0]
    assert rain["station_id"] == "09289001"
    assert rain["higher_m"] == rain["altitude_m"] - body["place"]["altitude_m"]
    # By hand: the least distance plus a tenth of the height, of the stations with nine tenths of the day's hours.
    assert all(row["hours_there"] == 24 for row in body["data"] if row["quantity"] == "temperature_c")
    for row in body["data"]:
        value = row["quantity"]
        ((station_id,),) = in_file(
            "select station_id from marts.stations join (select station_id, count(" + value + ") as hours from " + HOURS
            + " where observed_at > '2026-11-18T23:00:00Z' and observed_at <= '2026-11-19T23:00:00Z' group by 1)"
            " using (station_id) where hours >= 0.9 * 24 and abs(altitude_m - 394) <= 400"
            " order by 2 * 6371.0088 * asin(sqrt(pow(sin(radians(latitude - 42.9865) / 2), 2) + cos(radians(42.9865))"
            " * cos(radians(latitude)) * pow(sin(radians(longitude - 1.1441) / 2), 2))) + abs(altitude_m - 394) / 10"
            " limit 1"
        )  # fmt: skip
        assert row["station_id"] == station_id, value


def test_the_hottest_and_the_coldest_stations(client: httpx.Client, in_file: Ask) -> None:
    body = period(client, since="2026-11-20", fields="temperature_c", top=1)
    hottest, coldest = body["data"]
    ((high, low),) = in_file(
        "select max(greatest(temperature_c, temperature_max_c)), min(least(temperature_c, temperature_min_c))"
        f" from {HOURS} where observed_at > '2026-11-19T23:00:00Z'"
    )
    assert (hottest["max"], coldest["min"]) == (high, low)
    wettest = period(client, since="2026-11-19", fields="precipitation_mm", top=3)["data"][0]
    ((most,),) = in_file(
        "select max(total) from (select round(sum(precipitation_mm), 2) as total"
        f" from {HOURS} where observed_at > '2026-11-18T23:00:00Z' group by station_id)"
    )
    assert wettest["sum_there"] == most


def test_wind_at_a_point_now_and_its_highest_gust(client: httpx.Client, in_file: Ask) -> None:
    body = period(client, near="42.98,1.14", since="2026-11-18", fields="wind_speed_ms,gust_ms")
    wind, gust = body["data"]
    ((now, highest, when),) = in_file(
        "select arg_max(wind_speed_ms, observed_at) filter (wind_speed_ms is not null), max(gust_ms),"
        f" first(observed_at order by gust_ms desc nulls last, observed_at) from {HOURS} where station_id = ?",
        wind["station_id"],
    )
    assert (wind["last"], gust["max"], at(gust["max_at"])) == (now, highest, when)
    assert "name" not in body["place"]


def test_hours_of_heat_stress_by_the_wet_bulb(client: httpx.Client, in_file: Ask) -> None:
    """Stull's own example: 20 °C at 50 % of humidity has a wet bulb of 13.7 °C."""
    from api.warehouse.question.quantities import QUANTITIES

    stull = QUANTITIES["wet_bulb_c"].value
    ((bulb, saturated, dry),) = in_file(
        "select (select "
        + stull
        + " from (select 20.0 as temperature_c, 50.0 as humidity_pct, 0 as humidity_derived_pct)),"
        " (select " + stull + " from (select 12.0 as temperature_c, 100.0 as humidity_pct, 0 as humidity_derived_pct)),"
        " (select " + stull + " from (select 20.0 as temperature_c, 3.0 as humidity_pct, 0 as humidity_derived_pct))"
    )
    assert (bulb, saturated, dry) == (13.7, 12.0, None)
    (row,) = period(client, station="09289001", since="2026-11-19", fields="wet_bulb_c", over=2)["data"]
    ((hours, over),) = in_file(
        f"with hours as (select {stull} as bulb from {HOURS} where station_id = '09289001'"
        " and observed_at > '2026-11-18T23:00:00Z') select count(bulb), count(*) filter (bulb >= 2) from hours"
    )
    assert (row["hours_there"], row["hours_over"]) == (hours, over)
    assert row["min"] <= row["mean"] <= row["max"]


def test_what_cannot_be_asked_is_refused(client: httpx.Client) -> None:
    for parameters, field in (
        ({"fields": "temperature"}, "fields"),
        ({"over": 3}, "over"),
        ({"fields": "gust_ms,temperature_c", "under": 3}, "under"),
        ({"since": "soon"}, "since"),
        ({"since": "2026-11-20", "until": "2026-11-18"}, "until"),
        ({"place": "Foix", "station": "09289001"}, "place"),
        ({"tz": "Paris"}, "tz"),
        ({"days": "week"}, "days"),
        ({"place": "Saint-Denis"}, "place"),
    ):
        assert_problem(client.get("/warehouse/period", params=parameters), 422, field)
    later = period(client, station="09289001", since="2026-11-25")
    assert later["data"] == []
    assert later["message"].startswith("no hour of this period has come yet")
    nowhere = period(client, place="Brest", since="2026-11-19")
    assert nowhere["message"].startswith("no station within 50 km and 300 m of altitude of Brest")
    as_csv = client.get("/warehouse/period?station=09289001&since=2026-11-19&format=csv")
    assert as_csv.text.startswith("quantity,station_id,")
    assert len(as_csv.text.splitlines()) == 6


def test_one_hour_more_does_not_make_a_far_station_stand_for_a_place(client: httpx.Client) -> None:
    """Of a year the warehouse has two days: all stations lack most hours, and the nearest still answers."""
    body = period(client, place="St Girons", since="2026-01-01", fields="precipitation_mm,temperature_c")
    rows = body["data"]
    assert re.match(r"the hours here begin at 2026-11-1\dT\d\d:00Z; /climate/09289001/history has", body["message"])
    assert [row["station_id"] for row in rows] == ["09289001", "09289001"]
    assert all(row["hours_missing"] > 7000 and row["sum"] is None for row in rows)


@pytest.mark.parametrize(
    ("since", "until", "tz", "starts", "ends"),
    [
        ("yesterday", "yesterday", "Europe/Paris", "2026-11-18T23:00Z", "2026-11-19T23:00Z"),
        (None, None, "Europe/Paris", "2026-11-19T23:00Z", "2026-11-20T07:00Z"),
        ("today", "today", "Europe/Paris", "2026-11-19T23:00Z", "2026-11-20T07:00Z"),  # what is to come is not missing
        ("3d", None, "Europe/Paris", "2026-11-17T07:30Z", "2026-11-20T07:00Z"),
        ("48h", "24h", "UTC", "2026-11-18T07:30Z", "2026-11-19T07:30Z"),
        ("last-week", "last-week", "Europe/Paris", "2026-11-08T23:00Z", "2026-11-15T23:00Z"),  # Monday to Sunday
        ("this-month", None, "Europe/Paris", "2026-10-31T23:00Z", "2026-11-20T07:00Z"),
        (
            "last-month",
            "last-month",
            "Europe/Paris",
            "2026-09-30T22:00Z",
            "2026-10-31T23:00Z",
        ),  # summer time ends in it
        ("2026-04-01", None, "Europe/Paris", "2026-03-31T22:00Z", "2026-11-20T07:00Z"),
        ("2026-11-19T06:00", "2026-11-19T18:00+01:00", "Europe/Paris", "2026-11-19T05:00Z", "2026-11-19T17:00Z"),
        ("today", None, "Indian/Reunion", "2026-11-19T20:00Z", "2026-11-20T07:00Z"),
        ("yesterday", "yesterday", "Pacific/Noumea", "2026-11-18T13:00Z", "2026-11-19T13:00Z"),
    ],
)
def test_a_period_in_words(since: str | None, until: str | None, tz: str, starts: str, ends: str) -> None:
    span = read_span(since, until, tz, NOW, NEWEST)
    assert span.since.astimezone(UTC) == at(starts)
    assert span.until.astimezone(UTC) == at(ends)
    assert span.is_lasting == (since is not None and since.startswith("2026"))


def test_the_clock_is_that_of_the_place() -> None:
    assert zone_of({"974"}) == "Indian/Reunion"
    assert zone_of({"9", "31"}) == "Europe/Paris"
    assert zone_of({"974", "971"}) == "Europe/Paris"
    with pytest.raises(BadValue, match="before it begins"):
        read_span("today", "yesterday", "UTC", NOW, NEWEST)
