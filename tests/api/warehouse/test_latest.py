"""The latest observations: who is in, how far, how old, and where each filled field comes from."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from problems import assert_problem

pytestmark = pytest.mark.xdist_group("warehouse")

Ask = Callable[..., list[Any]]
FOIX = (42.965, 1.607)


def latest(client: httpx.Client, **parameters: Any) -> dict[str, Any]:
    answer = client.get("/warehouse/latest", params=parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_one_departement_by_code_and_by_name(client: httpx.Client, in_file: Ask) -> None:
    expected = [
        row[0]
        for row in in_file("select station_id from marts.latest_observations where department_code = '9' order by 1")
    ]
    for dept in ("9", "09", "Ariège", "ariege"):
        assert [row["station_id"] for row in latest(client, dept=dept)["data"]] == expected
    both = latest(client, dept=["9", "Haute-Garonne"])["data"]
    assert {row["department_code"] for row in both} == {"9", "31"}
    assert len(both) == len(latest(client)["data"])


def test_every_answer_says_which_snapshot_it_comes_from(client: httpx.Client, snapshot_ids: list[str]) -> None:
    for url in ("/warehouse/latest", "/warehouse/observations", "/warehouse/stations", "/warehouse/tables", "/quality"):
        facts = client.get(url).json()["snapshot"]
        assert facts["id"] == snapshot_ids[-1]
        assert facts["source"] == "meteofrance"
        assert facts["run_id"] == "a-run"
        assert facts["newest_observation"].endswith("Z")
        assert "Source : Météo-France, Licence Ouverte / Etalab 2.0" in facts["attribution"]


def test_stations_by_id_or_name(client: httpx.Client) -> None:
    by_id = latest(client, station="09289001")["data"]
    assert [row["station_id"] for row in by_id] == ["09289001"]
    for name in ("St Girons", "saint-girons", "ST GIRONS"):
        assert latest(client, station=name)["data"] == by_id
    body = assert_problem(client.get("/warehouse/latest", params={"station": "st giron"}), 404, "station")
    assert body["next_step"].startswith("did you mean ST GIRONS (09289001)? ")
    for path in ("latest", "observations"):
        for nobody in ("", ",", " "):
            assert_problem(client.get(f"/warehouse/{path}", params={"station": nobody}), 422, "station")


def test_a_listed_station_without_data_says_so(client: httpx.Client) -> None:
    body = latest(client, station="Marseille")
    assert body["data"] == []
    assert body["message"] == (
        "no hour is known of MARSEILLE (13039901), only the entry in the station list: "
        "/warehouse/latest?near=43.3,5.4 gives the stations around"
    )
    assert client.get("/warehouse/observations?station=13039901").json()["message"] == body["message"]
    assert latest(client, station="Marseille", max_age="1h")["message"] == body["message"]
    some = latest(client, station=["13039901", "09289001"])
    assert [row["station_id"] for row in some["data"]] == ["09289001"]
    assert some["message"] == body["message"]
    assert "message" not in latest(client, station="09289001")
    as_csv = client.get("/warehouse/latest?station=Marseille&format=csv")
    assert "MARSEILLE (13039901)" in as_csv.headers["X-Message"]


def test_a_range_without_a_row_says_which_hours_the_station_has(client: httpx.Client, in_file: Ask) -> None:
    body = client.get("/warehouse/observations?station=09289001&start=1999-01-01&end=1999-02-01").json()
    ((first, last),) = in_file(
        "select strftime(min(observed_at), '%Y-%m-%dT%H:%MZ'), strftime(max(observed_at), '%Y-%m-%dT%H:%MZ')"
        " from marts.hourly_observations where station_id = '09289001'"
    )
    assert body["data"] == []
    assert body["message"] == f"no row fits; hours of ST GIRONS (09289001): {first} to {last}"


def test_a_name_that_no_station_bears_names_those_that_begin_with_it(client: httpx.Client) -> None:
    body = assert_problem(client.get("/warehouse/latest", params={"station": "Lill"}), 404, "station")
    assert body["next_step"].startswith("did you mean LILLE (59039901) or LILLE SUD (59039902) or ")
    body = assert_problem(client.get("/warehouse/stations/9289001"), 404, "station_id")
    assert body["next_step"].startswith("did you mean ST GIRONS (09289001)")


def test_part_of_a_name_is_found_however_it_is_written(client: httpx.Client) -> None:
    for written in ("st-girons", "Saint Girons", "SAINT GIR", "t GÎRONS"):
        rows = client.get("/warehouse/stations", params={"q": written}).json()["data"]
        assert [row["station_id"] for row in rows] == ["09289001"], written


def great_circle_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The other formula, so that ours is not checked by itself."""
    (p1, l1), (p2, l2) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    return 6371.0088 * math.acos(min(1, math.sin(p1) * math.sin(p2) + math.cos(p1) * math.cos(p2) * math.cos(l1 - l2)))


def test_near_gives_distances_nearest_first(client: httpx.Client) -> None:
    rows = latest(client, near="42.965,1.607", max_km=40)["data"]
    assert rows
    distances = [row["distance_km"] for row in rows]
    assert distances == sorted(distances)
    assert distances[-1] <= 40
    for row in rows:
        assert row["distance_km"] == pytest.approx(great_circle_km(FOIX, (row["latitude"], row["longitude"])), abs=0.01)
    assert len(latest(client, near="42.965,1.607", max_km=20_000)["data"]) == len(latest(client)["data"])
    assert latest(client, near="-40,-120", max_km=10)["data"] == []


def test_filling_says_per_field_which_station_it_came_from(client: httpx.Client) -> None:
    rows = latest(client, near="42.965,1.607", max_km=100)["data"]
    filled = latest(client, near="42.965,1.607", max_km=100, fill="true", by_altitude="false")
    (row,) = filled["data"]
    assert row["station_id"] == rows[0]["station_id"]
    same_hour = [other for other in rows if other["observed_at"] == rows[0]["observed_at"]]
    own = {
        "station_id",
        "station_name",
        "distance_km",
        "latitude",
        "longitude",
        "altitude_m",
        "revised_at",
        "first_seen_at",
        "source",
    }
    for field, value in row.items():
        if field in own:
            continue
        donor = next((other for other in same_hour if other[field] is not None), None)
        assert value == (donor[field] if donor else None), field
        if donor is None or donor["station_id"] == row["station_id"]:
            assert field not in filled["filled_from"]
        else:
            assert filled["filled_from"][field]["station_id"] == donor["station_id"]
            assert filled["filled_from"][field]["distance_km"] == donor["distance_km"]
    assert filled["filled_from"]
    assert_problem(client.get("/warehouse/latest?fill=true"), 422, "fill")


def test_no_summit_fills_a_valley(client: httpx.Client) -> None:
    """The next station is the one with the least distance plus a tenth of a kilometre for each metre of height."""
    rows = latest(client, near="42.965,1.607", max_km=100)["data"]
    filled = latest(client, near="42.965,1.607", max_km=100, fill="true", max_height_m=200)
    (row,) = filled["data"]
    main = rows[0]
    assert row["station_id"] == main["station_id"]

    def height(other: dict[str, Any]) -> float:
        return abs(other["altitude_m"] - main["altitude_m"])

    fits = [other for other in rows if other["observed_at"] == main["observed_at"] and height(other) <= 200]
    fits.sort(key=lambda other: (other is not main, other["distance_km"] + height(other) / 10))
    assert 1 < len(fits) < len(rows)
    for field in ("sunshine_min", "visibility_m", "sea_level_pressure_hpa", "cloud_cover_octas", "radiation_j_m2"):
        donor = next((other for other in fits if other[field] is not None), None)
        assert row[field] == (donor[field] if donor else None), field
        if donor is not None and donor is not main:
            told = filled["filled_from"][field]
            assert (told["station_id"], told["higher_m"]) == (
                donor["station_id"],
                donor["altitude_m"] - main["altitude_m"],
            )
    assert any(told["distance_km"] > fits[1]["distance_km"] for told in filled["filled_from"].values())


def test_a_town_is_found_with_the_station_that_stands_for_it(client: httpx.Client) -> None:
    body = latest(client, place="foix")
    assert body["place"] == {
        "name": "Foix", "department_code": "9", "insee_code": "09122", "latitude": 42.9637, "longitude": 1.6055,
        "altitude_m": 392.0, "doubt": None,
    }  # fmt: skip
    first = body["data"][0]
    assert body["station"] == {
        "station_id": first["station_id"], "station_name": first["station_name"], "distance_km": first["distance_km"],
        "altitude_m": first["altitude_m"], "higher_m": first["altitude_m"] - 392,
    }  # fmt: skip
    for row in body["data"]:
        assert row["higher_m"] == row["altitude_m"] - 392
        assert abs(row["higher_m"]) <= 300
    farness = [row["distance_km"] + abs(row["higher_m"]) / 10 for row in body["data"]]
    assert farness == sorted(farness)
    everywhere = latest(client, place="foix", by_altitude="false")["data"]
    assert len(everywhere) > len(body["data"])
    assert [row["distance_km"] for row in everywhere] == sorted(row["distance_km"] for row in everywhere)


def test_a_place_answers_like_the_point_it_stands_at(client: httpx.Client) -> None:
    by_name = latest(client, place="St Girons", fields="temperature_c")
    by_point = latest(client, near="42.9865,1.1441", altitude=394, fields="temperature_c")
    assert by_name["data"] == by_point["data"]
    assert by_name["data"][0]["station_id"] == "09289001"
    assert "place" not in by_point
    (row,) = latest(client, place="09200", fill="true", fields="temperature_c,sunshine_min")["data"]
    assert row["station_id"] == "09289001"
    headers = client.get("/warehouse/latest?place=Foix&format=csv").headers
    assert '"name": "Foix"' in headers["X-Place"]


def test_a_place_that_is_no_commune_is_found_by_its_station(client: httpx.Client) -> None:
    body = latest(client, place="Port d'Aula Nivose", fields="temperature_c")
    assert body["place"]["name"] == "PORT D'AULA-NIVOSE"
    assert body["place"]["altitude_m"] == 2140
    assert (body["station"]["distance_km"], body["station"]["higher_m"]) == (0, 0)
    assert all(abs(row["higher_m"]) <= 300 for row in body["data"])


def test_a_village_of_unknown_altitude_says_so(client: httpx.Client) -> None:
    body = latest(client, place="Cos (09)", fields="temperature_c")
    assert body["place"]["altitude_m"] is None
    assert body["place"]["doubt"] == "its altitude is not known: altitude= makes height count"
    assert "higher_m" not in body["data"][0]
    told = latest(client, place="Cos (09)", altitude=430, fields="temperature_c")
    assert (told["place"]["doubt"], told["station"]["higher_m"]) == (None, 89)  # COS lies at 519 m


def test_observations_and_stations_take_a_place(client: httpx.Client, in_file: Ask) -> None:
    body = client.get("/warehouse/observations?place=St%20Girons&start=2026-11-19&fields=temperature_c").json()
    assert {row["station_id"] for row in body["data"]} == {"09289001"}
    assert body["place"]["insee_code"] == "09261"
    assert body["station"]["station_id"] == "09289001"
    ((altitude,),) = in_file("select altitude_m from marts.stations where station_id = '09289001'")
    assert body["station"]["higher_m"] == altitude - 394
    rows = client.get("/warehouse/stations?place=St%20Girons").json()["data"]
    farness = [row["distance_km"] + abs(row["higher_m"]) / 10 for row in rows if row["silent_since"] is None]
    assert farness == sorted(farness)
    assert rows[0]["station_id"] == "09289001"
    everywhere = client.get("/warehouse/stations?near=42.9865,1.1441&max_km=20000").json()["data"]
    assert len(everywhere) == len(client.get("/warehouse/stations").json()["data"])
    assert {row["higher_m"] for row in everywhere} == {None}
    assert_problem(client.get("/warehouse/observations?place=Brest"), 422, "place")
    assert_problem(client.get("/warehouse/observations?place=Foix&dept=9"), 422, "place")


def test_a_place_that_may_be_several_names_them(client: httpx.Client) -> None:
    body = assert_problem(client.get("/warehouse/latest?place=Saint-Denis"), 422, "place")
    assert body["type"].endswith("/problems/ambiguous-place")
    assert "Saint-Denis (974), Saint-Denis (93)" in body["detail"]
    body = assert_problem(client.get("/warehouse/latest?place=Foi"), 404, "place")
    assert "did you mean Foix (09)" in body["next_step"]
    assert_problem(client.get("/warehouse/latest?place=Foix&near=42,1"), 422, "place")
    assert_problem(client.get("/warehouse/latest?altitude=300"), 422, "altitude")
    far = latest(client, place="Brest")
    assert far["data"] == []
    assert far["station"] is None
    assert far["message"].startswith("no station within 50 km and 300 m of altitude of Brest")


def test_a_box_holds_what_lies_in_it(client: httpx.Client) -> None:
    inside = latest(client, bbox="1.0,42.8,1.7,43.1")["data"]
    expected = [
        row for row in latest(client)["data"] if 1.0 <= row["longitude"] <= 1.7 and 42.8 <= row["latitude"] <= 43.1
    ]
    assert inside == expected
    assert inside
    for bad in ("1,2,3", "a,b,c,d", "0,50,1,40"):
        assert_problem(client.get("/warehouse/latest", params={"bbox": bad}), 422, "bbox")


def test_an_age_is_measured_from_now(client: httpx.Client, in_file: Ask) -> None:
    ((newest,),) = in_file("select max(observed_at) from marts.latest_observations")
    hours = (datetime.now(UTC) - newest).total_seconds() / 3600
    assert latest(client, max_age=f"{int(hours) + 48}h")["data"] == latest(client)["data"]
    assert latest(client, max_age="1h")["data"] == [] or hours < 1
    assert "etag" not in client.get("/warehouse/latest?max_age=PT2H").headers
    for bad in ("soon", "0h", "-1h", "99999999d"):
        assert_problem(client.get("/warehouse/latest", params={"max_age": bad}), 422, "max_age")


def test_si_units_are_upstreams(client: httpx.Client, in_file: Ask) -> None:
    rows = {row["station_id"]: row for row in latest(client, units="si")["data"]}
    raw = in_file(
        "select geo_id_insee, try_cast(t as double), try_cast(pmer as double), try_cast(sss as double)"
        " from raw.observations"
        " qualify row_number() over (partition by geo_id_insee order by observed_at desc, version desc) = 1"
    )
    for station_id, kelvin, pascal, metres in raw:
        assert rows[station_id]["temperature_k"] == kelvin
        assert rows[station_id]["sea_level_pressure_pa"] == pascal
        assert rows[station_id]["snow_depth_m"] == metres
    assert not any(name.endswith(("_c", "_hpa", "_cm", "_kmh")) for row in rows.values() for name in row)


def test_fields_are_those_asked_for(client: httpx.Client) -> None:
    always = {"station_id", "station_name", "observed_at"}
    assert set(latest(client, fields="temperature_c,gust_ms")["data"][0]) == always | {"temperature_c", "gust_ms"}
    assert set(latest(client, fields="temperature_k", units="si")["data"][0]) == always | {"temperature_k"}
    assert set(latest(client, fields="temperature_c", units="si")["data"][0]) == always | {"temperature_k"}
    body = assert_problem(client.get("/warehouse/latest?fields=temperatur"), 422, "fields")
    assert "temperature_c" in body["next_step"]


@pytest.mark.parametrize("asked", ["dept=9", "station=09289001", "dept=31&station=09289001", "tz=Europe/Paris", ""])
@pytest.mark.parametrize("units", ["metric", "si"])
def test_rows_written_once_for_all_readers_are_those_written_for_one(
    client: httpx.Client, asked: str, units: str
) -> None:
    """NDJSON and an age older than all weather take the long way."""
    url = f"/warehouse/latest?units={units}&{asked}"
    answer = client.get(url)
    for_one = client.get(f"{url}&max_age=36500d")
    assert answer.content == for_one.content
    assert answer.headers["x-row-count"] == for_one.headers["x-row-count"]
    rows = client.get(f"{url}&format=ndjson").content.splitlines()
    assert b'"data":[' + b",".join(rows) + b'],"next":null}' in answer.content
    assert len(rows) == int(answer.headers["x-row-count"]) == len(answer.json()["data"])


def test_more_time_zones_than_are_kept_written_are_answered_as_well(client: httpx.Client) -> None:
    zones = ["Europe/Paris", "Indian/Reunion", "America/Cayenne", "Pacific/Noumea", "Asia/Tokyo", "America/Lima"]
    utc = [datetime.fromisoformat(row["observed_at"]) for row in latest(client, dept="9")["data"]]
    for zone in zones:
        zoned = [datetime.fromisoformat(row["observed_at"]) for row in latest(client, dept="9", tz=zone)["data"]]
        assert zoned == utc
        assert [at.utcoffset() for at in zoned] == [at.astimezone(ZoneInfo(zone)).utcoffset() for at in utc]


def test_a_parameter_nobody_knows_is_refused(client: httpx.Client) -> None:
    assert_problem(client.get("/warehouse/latest?departement=9"), 422, "departement")


def test_one_station_is_described_by_what_it_really_reports(client: httpx.Client, in_file: Ask) -> None:
    body = client.get("/warehouse/stations/09289001").json()["data"]
    ((hours, temperatures, newest),) = in_file(
        "select count(*), count(temperature_c), max(observed_at) from marts.hourly_observations"
        " where station_id = '09289001'"
    )
    sensors = {sensor["sensor"]: sensor for sensor in body["sensors"]}
    assert sensors["temperature"]["hours"] == temperatures
    assert body["completeness"]["hours_present"] == hours
    assert body["completeness"]["hours_expected"] >= hours
    assert body["last_observed_at"] == newest.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert body["department_name"] == "Ariège"
    never = in_file("select station_id from marts.stations where observed_hours = 0 limit 1")[0][0]
    assert client.get(f"/warehouse/stations/{never}").json()["data"]["sensors"] == []
    assert_problem(client.get("/warehouse/stations/99999999"), 404, "station_id")


def test_days_are_meteo_frances(client: httpx.Client, in_file: Ask) -> None:
    answer = client.get("/warehouse/observations", params={"station": "09289001", "resolution": "day"})
    expected = in_file(
        "select observed_date, temperature_max_c from marts.daily_observations where station_id = '09289001' order by 1"
    )
    assert [(row["observed_date"], row["temperature_max_c"]) for row in answer.json()["data"]] == [
        (day.isoformat(), value) for day, value in expected
    ]
    one = client.get(
        "/warehouse/observations", params={"resolution": "day", "start": "2026-11-19", "end": "2026-11-19"}
    )
    assert {row["observed_date"] for row in one.json()["data"]} == {"2026-11-19"}


def test_quality_counts_what_the_tables_hold(client: httpx.Client, in_file: Ask) -> None:
    body = client.get("/quality").json()["data"]
    assert body["findings"]["count"] == in_file("select count(*) from meta.quality_findings")[0][0]
    assert sum(rule["count"] for rule in body["findings"]["by_rule"]) == body["findings"]["count"]
    assert body["dbt"]["by_status"]
    assert len(body["loads"]) == in_file("select count(*) from meta.loads")[0][0]
    assert {row["department_code"] for row in body["freshness"]["departments"]} == {"9", "31"}
    assert len(body["freshness"]["stations"]) == in_file("select count(*) from marts.latest_observations")[0][0]
    assert (
        body["silent_stations"]["count"]
        == in_file("select count(*) from marts.stations where silent_since is not null")[0][0]
    )


def test_tables_are_described_as_dbt_does(client: httpx.Client, in_file: Ask) -> None:
    tables = {f"{t['schema']}.{t['name']}": t for t in client.get("/warehouse/tables").json()["data"]}
    for name, table in tables.items():
        if table["kind"] == "table":
            assert table["rows"] == in_file(f"select count(*) from {name}")[0][0], name
        else:
            assert (
                client.get(f"{table['href']}?limit=0").json()["table"]["rows"]
                == in_file(f"select count(*) from {name}")[0][0]
            )
    hourly = tables["marts.hourly_observations"]
    assert "One row per station and hour" in hourly["description"]
    columns = {column["name"]: column for column in hourly["columns"]}
    assert "°C" in columns["temperature_c"]["description"]
    assert any("not_null" in test for test in columns["station_id"]["tests"])
