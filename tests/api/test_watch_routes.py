"""`/watches` over HTTP: keys, refusals, and that no address ever comes out."""

import logging
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from receiver import Receiver, running_receiver
from run_fixtures import first_run, published

from api.settings import get_settings
from api.warehouse.question.watched import sensor_of
from orchestration.snapshots.open_snapshot import open_snapshot
from orchestration.snapshots.snapshots import kept_snapshots
from orchestration.watches.condition import COLUMNS, Condition

pytestmark = pytest.mark.xdist_group("watch-routes")

__all__ = ["first_run", "published"]

SECRET = "a-secret-topic"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def wish(receiver: Receiver) -> dict[str, object]:
    return {"condition": "temperature_c<0", "stations": ["St Girons"], "notify": f"{receiver.url}/{SECRET}"}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("API_KEYS", "the-key")
    get_settings.cache_clear()
    return {"X-API-Key": "the-key"}


def test_a_watch_is_added_listed_tested_and_deleted(published, local: TestClient, receiver, wish, caplog):
    caplog.set_level(logging.DEBUG)
    made = local.post("/watches", json=wish | {"hysteresis": 1, "quiet": "22:00-06:00", "tz": "Europe/Paris"})
    assert made.status_code == 201, made.text
    watch = made.json()
    assert (watch["name"], watch["stations"], watch["notify"]) == ("temperature_c < 0", ["09289001"], "json://…")
    [listed] = local.get("/watches").json()["watches"]
    assert listed == watch
    tested = local.post(f"/watches/{watch['id']}/test")
    assert tested.json() == {"delivered": True, "message": "the address took the message"}
    assert receiver.titles == ["Test: temperature_c < 0"]
    receiver.status = 500
    assert local.post(f"/watches/{watch['id']}/test").json()["delivered"] is False
    assert local.delete(f"/watches/{watch['id']}").status_code == 204
    assert local.get("/watches").json() == {"watches": []}
    for call in (local.delete, lambda path: local.post(f"{path}/test")):
        gone = call(f"/watches/{watch['id']}")
        assert (gone.status_code, gone.json()["type"]) == (404, "/problems/watch-not-found")
    assert SECRET not in made.text + tested.text + str(listed) + caplog.text


REFUSED = [
    ({"condition": "temperature_c < (select 1)"}, "bad-condition", "condition"),
    ({"stations": ["nowhere at all"]}, "invalid-request", "stations"),
    ({"stations": None}, "invalid-request", "body"),
    ({"dept": "9"}, "invalid-request", "body"),
    ({"place": "Foix"}, "invalid-request", "body"),
    ({"stations": None, "place": "Atlantis"}, "unknown-place", "place"),
    ({"stations": None, "place": "Toulon"}, "invalid-request", "place"),
    ({"stations": ["09027001"], "condition": "sunshine_min > 30"}, "invalid-request", "stations"),
    ({"stations": None, "dept": "Narnia"}, "invalid-request", "dept"),
    ({"stations": None, "dept": "all"}, "invalid-request", "dept"),
    ({"quiet": "22-07"}, "invalid-request", "body"),
    ({"quiet": "22:00-07:00", "tz": "Mars"}, "invalid-request", "body"),
    ({"hysteresis": -1}, "invalid-request", "hysteresis"),
    ({"name": "two\nlines"}, "invalid-request", "name"),
    ({"notify": SECRET}, "address-unreadable", "notify"),
    ({"notify": f"nosuchscheme://{SECRET}"}, "address-unreadable", "notify"),
    ({"notify": f"syslog://{SECRET}"}, "address-unreadable", "notify"),
    ({"notify": f"json://{SECRET}:99999999/x y"}, "address-unreadable", "notify"),
    ({"notify": {"a": SECRET}}, "invalid-request", "notify"),
    ({"notify": [SECRET]}, "invalid-request", "notify"),
    ({"notify": SECRET * 1000}, "invalid-request", "notify"),
    ({"address": SECRET}, "invalid-request", "address"),
]


def test_what_cannot_be_watched_is_refused_without_repeating_the_address(published, local: TestClient, wish, caplog):
    caplog.set_level(logging.DEBUG)
    for change, slug, field in REFUSED:
        answer = local.post("/watches", json=wish | change)
        found = answer.status_code, answer.json()["type"], answer.json()["field"]
        assert found == (404 if slug == "unknown-place" else 422, f"/problems/{slug}", field), (change, answer.text)
        assert SECRET not in answer.text
    assert SECRET not in caplog.text
    assert local.get("/watches").json() == {"watches": []}


def test_the_nearest_station_that_measures_it_stands_for_a_place(published, local: TestClient, wish):
    made = local.post("/watches", json=wish | {"stations": None, "place": "Saint-Girons"})
    assert made.status_code == 201, made.text
    assert (made.json()["place"], made.json()["stations"]) == ("Saint-Girons", ["09289001"])
    # Not every station measures sunshine: another one stands for the place.
    sunny = local.post("/watches", json=wish | {"stations": None, "place": "Foix", "condition": "sunshine_min > 30"})
    [station] = sunny.json()["stations"]
    with open_snapshot(published, kept_snapshots(published)[-1].id) as connection:
        [(sensors,)] = connection.execute(
            "select sensors from marts.stations where station_id = ?", [station]
        ).fetchall()
    assert "sunshine" in sensors
    warm = local.post("/watches", json=wish | {"stations": None, "place": "Foix"})
    assert warm.json()["stations"] != [station]


def test_every_column_names_its_sensor():
    sensors = {sensor_of(Condition(column, "<", 0.0)) for column in COLUMNS}
    assert sensors >= {"temperature", "dew_point", "humidity", "wind", "gust", "precipitation", "soil_temperature"}
    assert sensor_of(Condition("soil_temperature_10cm_c", "<", 0.0)) == "soil_temperature"
    assert sensor_of(Condition("silent", ">=", 6.0)) is None


def test_changes_need_the_key_and_reading_does_not(published, local: TestClient, wish, keys):
    assert local.post("/watches", json=wish).status_code == 401
    assert local.delete("/watches/x").status_code == 401
    assert local.post("/watches/x/test").status_code == 401
    assert local.get("/watches").status_code == 200


def test_holders_of_a_key_reach_only_what_the_operator_allows(
    published, local: TestClient, wish, keys, receiver, monkeypatch
):
    refused = local.post("/watches", json=wish, headers=keys)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/address-not-allowed")
    assert "WATCH_TARGETS" in refused.json()["detail"]
    assert SECRET not in refused.text
    monkeypatch.setenv("WATCH_TARGETS", f"ntfys://ntfy.sh/, {receiver.url}")
    get_settings.cache_clear()
    for inside in (
        f"{receiver.url}0/x",  # another port that begins alike
        f"{receiver.url}@10.0.0.1/x",
        f"{receiver.url}:pass@10.0.0.1/x",
        "ntfys://ntfy.sh.example/x",
        "json://169.254.169.254/",
    ):
        assert local.post("/watches", json=wish | {"notify": inside}, headers=keys).status_code in (403, 422), inside
    assert local.post("/watches", json=wish, headers=keys).status_code == 201
    monkeypatch.setenv("WATCH_TARGETS", "*")
    get_settings.cache_clear()
    assert local.post("/watches", json=wish | {"notify": "json://10.0.0.1"}, headers=keys).status_code == 201


def test_without_a_snapshot_no_station_is_known(local: TestClient, wish):
    assert local.post("/watches", json=wish).json()["type"] == "/problems/no-snapshot"
    assert local.get("/watches").json() == {"watches": []}


def test_alerts_are_in_readiness_and_metrics_and_make_nothing_unready(published, local: TestClient):
    from orchestration.alerts.conditions import Alert, Verdict
    from orchestration.alerts.tell import tell_operator

    assert local.get("/health/ready").json()["parts"]["alerts"] == {"state": "ready", "ready": True, "reason": None}
    tell_operator(
        published, Verdict([Alert("disk", "the disk is full", "free some space")], frozenset()), ("json://x",)
    )
    part = local.get("/health/ready").json()["parts"]["alerts"]
    assert part == {"state": "alarm", "ready": True, "reason": "the disk is full: free some space"}
    text = local.get("/metrics").text
    assert 'girouette_alert{condition="disk"} 1.0' in text
    assert 'girouette_alert{condition="stale"} 0.0' in text
    assert "girouette_messages_unsent 1.0" in text


def test_a_reader_keeps_no_watch_that_nobody_would_judge(published, app, local: TestClient, wish):
    service = app.state.service
    service.settings = service.settings.model_copy(update={"role": "reader"})
    refused = local.post("/watches", json=wish)
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-on-a-reader")
    assert local.get("/watches").json() == {"watches": []}
