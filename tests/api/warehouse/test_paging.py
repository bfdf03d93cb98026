"""Filters, orders and cursors: paging through a table gives every row exactly once."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problems import assert_problem

pytestmark = pytest.mark.xdist_group("warehouse")

Ask = Callable[..., list[Any]]

TABLES = {
    "marts/hourly_observations": [
        "station_id",
        "observed_at",
        "temperature_c",
        "humidity_pct",
        "gust_kind",
        "is_trace",
        "beaufort",
    ],
    "marts/latest_observations": ["department_code", "wind_sector", "observed_at", "snow_depth_cm", "station_name"],
    "raw/observations": ["geo_id_insee", "t", "rr1", "version", "observed_at"],
    "meta/loads": ["dataset", "scope", "rows_new", "run_id", "seconds", "error"],
    "scales/beaufort_scale": ["beaufort", "upper_ms"],
    "staging/stg_meteofrance__station_versions": ["pack", "altitude_m", "opened_date"],
}
SAMPLES: dict[str, list[str]] = {
    "temperature_c": ["0", "5.5", "-3", "12"],
    "humidity_pct": ["50", "100"],
    "beaufort": ["0", "2"],
    "station_id": ["09289001", "31069001", "1"],
    "observed_at": ["2026-11-20T00:00:00Z", "2026-11-20T01:30", "2026-11-19"],
    "gust_kind": ["3s"],
    "is_trace": ["true", "false"],
    "department_code": ["9", "31"],
    "wind_sector": ["N", "SSW"],
    "snow_depth_cm": ["0", "10"],
    "geo_id_insee": ["09289001"],
    "version": ["1"],
    "rows_new": ["0", "300"],
    "upper_ms": ["10", "inf"],
}
OPERATORS = ["eq", "ne", "lt", "lte", "gt", "gte"]


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, dict[str, str], int]:
    table = draw(st.sampled_from(sorted(TABLES)))
    columns = TABLES[table]
    parameters = {}
    for column in draw(st.lists(st.sampled_from(columns), max_size=2, unique=True)):
        if column in SAMPLES and draw(st.booleans()):
            parameters[f"{column}__{draw(st.sampled_from(OPERATORS))}"] = draw(st.sampled_from(SAMPLES[column]))
        else:
            parameters[f"{column}__isnull"] = draw(st.sampled_from(["true", "false"]))
    order = draw(st.lists(st.sampled_from(columns), max_size=3, unique=True))
    if order:
        parameters["order"] = ",".join(draw(st.sampled_from(["", "-"])) + column for column in order)
    return table, parameters, draw(st.sampled_from([1, 7, 50, 333]))


def pages(client: httpx.Client, table: str, parameters: dict[str, str], limit: int, most: int) -> list[Any]:
    rows: list[Any] = []
    cursor: dict[str, str] = {}
    for _ in range(most):
        answer = client.get(f"/warehouse/tables/{table}", params={**parameters, "limit": str(limit), **cursor})
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert len(body["data"]) <= limit
        rows += body["data"]
        if body["next"] is None:
            return rows
        assert len(body["data"]) == limit
        cursor = {"cursor": body["next"]}
    return rows


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(questions())
def test_pages_together_are_the_table_in_the_order_asked(
    client: httpx.Client, question: tuple[str, dict[str, str], int]
) -> None:
    check_pages(client, *question, most=12)


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(questions())
def test_pages_together_are_the_table_in_the_order_asked_many_times(
    client: httpx.Client, question: tuple[str, dict[str, str], int]
) -> None:
    check_pages(client, *question, most=40)


def check_pages(client: httpx.Client, table: str, parameters: dict[str, str], limit: int, most: int) -> None:
    whole = client.get(f"/warehouse/tables/{table}", params={**parameters, "limit": "100000"})
    assert whole.status_code == 200, whole.text
    rows = whole.json()["data"]
    assert whole.json()["next"] is None
    paged = pages(client, table, parameters, limit, most)
    assert paged == rows[: most * limit]
    first = parameters.get("order", "").partition(",")[0]
    if first:
        values = [row[first.lstrip("-")] for row in rows]
        present = [value for value in values if value is not None]
        assert present == sorted(present, reverse=first.startswith("-"))
        if table != "scales/beaufort_scale":  # its infinity is shown as null, and comes where infinity does
            assert values == present + [None] * (len(values) - len(present))


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_row_comes_exactly_once_without_any_order(client: httpx.Client, in_file: Ask, table: str) -> None:
    schema, name = table.split("/")
    columns = [column for column in TABLES[table] if column not in ("observed_at", "opened_date", "upper_ms")]
    expected = in_file(f'select {", ".join(columns)} from "{schema}"."{name}"')
    found = pages(client, table, {"select": ",".join(columns)}, 500, 10_000)
    assert sorted(repr(tuple(row.values())) for row in found) == sorted(map(repr, expected))


@pytest.mark.parametrize(
    ("filters", "where"),
    [
        ({"temperature_c__lt": "3"}, "temperature_c < 3"),
        ({"temperature_c__gte": "3", "temperature_c__lte": "4"}, "temperature_c between 3 and 4"),
        ({"station_id__in": "09289001,31069001"}, "station_id in ('09289001', '31069001')"),
        ({"station_name__contains": "gir"}, "station_name ilike '%gir%'"),
        ({"station_name__like": "st%"}, "station_name ilike 'st%'"),
        ({"station_name__like": "%t_g%"}, "station_name ilike '%t_g%'"),
        ({"station_name__like": ".*"}, "false"),
        ({"station_name__like": "%_" * 99 + "9"}, "false"),  # ilike took minutes for a tenth of it
        ({"humidity_pct__isnull": "true"}, "humidity_pct is null"),
        ({"is_trace": "true"}, "is_trace"),
        ({"gust_kind__ne": "instantaneous"}, "gust_kind <> 'instantaneous'"),
        ({"observed_at__gte": "2026-11-20T01:00:00", "tz": "Europe/Paris"}, "observed_at >= '2026-11-20 00:00:00+00'"),
        ({"observed_at": "2026-11-20T01:00:00+01:00"}, "observed_at = '2026-11-20 00:00:00+00'"),
        ({"beaufort__gt": "999999999999"}, "false"),
    ],
)
def test_filters_mean_what_sql_means(client: httpx.Client, in_file: Ask, filters: dict[str, str], where: str) -> None:
    rows = client.get("/warehouse/tables/marts/hourly_observations", params={**filters, "limit": 100_000}).json()[
        "data"
    ]
    ((count,),) = in_file(f"select count(*) from marts.hourly_observations where {where}")
    assert len(rows) == count


def test_a_filter_that_cannot_be_read_names_itself(client: httpx.Client) -> None:
    url = "/warehouse/tables/marts/hourly_observations"
    for parameters, field in [
        ({"temperature_c__lt": "cold"}, "temperature_c__lt"),
        ({"temprature_c": "1"}, "temprature_c"),
        ({"temperature_c__near": "1"}, "temperature_c__near"),
        ({"observed_at__gt": "yesterday"}, "observed_at__gt"),
        ({"order": "-nothing"}, "order"),
        ({"select": "station_id,nothing"}, "select"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"is_trace": "maybe"}, "is_trace"),
    ]:
        assert_problem(client.get(url, params=parameters), 422, field)
    hint = client.get(url, params={"temprature_c": "1"}).json()["next_step"]
    assert "temperature_c" in hint


def test_a_cursor_belongs_to_its_question(client: httpx.Client) -> None:
    url = "/warehouse/tables/marts/hourly_observations"
    cursor = client.get(url, params={"limit": 1}).json()["next"]
    assert_problem(client.get(url, params={"cursor": cursor, "order": "station_id"}), 422, "cursor")
    assert_problem(client.get("/warehouse/tables/marts/stations", params={"cursor": cursor}), 422, "cursor")
    for broken in ("x", cursor[:-3], "W10", "bnVsbA", "é"):
        assert_problem(client.get(url, params={"cursor": broken}), 422, "cursor")
    assert client.get(url, params={"cursor": cursor, "limit": 5, "format": "csv"}).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "/warehouse/tables/marts/stations?limit=2",
        "/warehouse/tables/staging/stg_meteofrance__observations?limit=2",
        "/warehouse/observations?dept=9&limit=2",
        "/warehouse/tables/marts/hourly_observations?limit=2&order=-temperature_c",
    ],
)
def test_a_changed_cursor_is_refused_or_read_as_values_of_its_columns(client: httpx.Client, url: str) -> None:
    snapshot, question, key = json.loads(urlsafe_b64decode(client.get(url).json()["next"] + "=="))
    for value in ("abc", None, -1, 10**30, "\ud800", [], {}, 1.5, True):
        forged = urlsafe_b64encode(json.dumps([snapshot, question, [value] * len(key)]).encode()).decode().rstrip("=")
        assert client.get(f"{url}&cursor={forged}").status_code in (200, 422), value
    nothing = urlsafe_b64encode(json.dumps([snapshot, question, [None] * len(key)]).encode()).decode()
    assert_problem(client.get(f"{url}&cursor={nothing}"), 422, "cursor")


def test_a_filter_on_a_json_column_takes_json(client: httpx.Client) -> None:
    url = "/warehouse/tables/meta/builds"
    assert client.get(url, params={"nodes": "[]"}).status_code == 200
    for text in ("x", "", "NaN", "{"):
        assert_problem(client.get(url, params={"nodes": text}), 422, "nodes")


def test_the_next_page_is_linked_for_formats_without_room(client: httpx.Client) -> None:
    seen: list[str] = []
    url = "/warehouse/observations?station=09289001&fields=temperature_c&format=csv&limit=10"
    while url:
        answer = client.get(url)
        seen += answer.text.splitlines()[1:]
        url = answer.headers.get("link", "").partition(">")[0].lstrip("<")
    assert len(seen) == len(set(seen)) > 25


def test_times_are_compared_as_instants(client: httpx.Client) -> None:
    url = "/warehouse/observations"
    utc = client.get(
        url, params={"station": "09289001", "start": "2026-11-20T00:00Z", "end": "2026-11-20T03:00Z"}
    ).json()["data"]
    paris = client.get(
        url,
        params={"station": "09289001", "start": "2026-11-20T01:00", "end": "2026-11-20T04:00", "tz": "Europe/Paris"},
    ).json()["data"]
    assert [datetime.fromisoformat(row["observed_at"]) for row in utc] == [
        datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in range(4)
    ]
    assert [datetime.fromisoformat(row["observed_at"]) for row in paris] == [
        datetime.fromisoformat(row["observed_at"]) for row in utc
    ]
    assert paris[0]["observed_at"].endswith("+01:00")
