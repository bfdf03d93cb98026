"""The OpenAPI document: real examples for every address, and settings and questions that are told as they are."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from api.schemas import answers
from api.schemas.examples import example
from api.warehouse.settings import WarehouseSettings
from orchestration.settings import ROOT

pytestmark = pytest.mark.xdist_group("warehouse")


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_every_read_has_an_example_and_documented_problems(document: dict[str, Any]) -> None:
    reads = {path: methods["get"] for path, methods in document["paths"].items() if "get" in methods}
    assert len(reads) >= 11
    for path, operation in reads.items():
        assert operation["description"], path
        answer = operation["responses"]["200"]["content"]
        if path not in ("/warehouse/snapshots", "/warehouse/download", "/warehouse/questions"):
            assert answer["application/json"]["example"]["snapshot"]["id"], path
            assert {"304", "406", "410", "422", "503"} <= operation["responses"].keys() | {"406"}, path
        for parameter in operation.get("parameters", []):
            assert parameter.get("description") or parameter["in"] == "path", (path, parameter["name"])


@pytest.mark.parametrize(
    "name",
    [
        *("LATEST", "OBSERVATIONS", "PERIOD", "STATIONS", "STATION", "TABLES", "TABLE", "QUERY", "QUALITY", "DIFF"),
        *("NORMALS", "RECORDS", "HISTORY", "ACCUMULATED", "DRY_SPELLS", "FROSTS", "NORMAL", "COVERAGE"),
    ],
)
def test_examples_are_answers_of_their_model(name: str) -> None:
    model, recorded = getattr(answers, name)
    assert issubclass(model, BaseModel)
    assert model.model_validate(example(recorded))


def test_answers_fit_their_models(client: httpx.Client, snapshot_ids: list[str]) -> None:
    urls = {
        "/warehouse/latest?near=42.97,1.61&fill=true": answers.LatestAnswer,
        "/warehouse/latest?place=Foix": answers.LatestAnswer,
        "/warehouse/observations?dept=9&limit=5": answers.RowsAnswer,
        "/warehouse/observations?place=Foix&limit=5": answers.ObservationsAnswer,
        "/warehouse/period?place=Foix&since=2026-11-19": answers.PeriodAnswer,
        "/warehouse/period?near=42.97,1.61&since=2026-11-19": answers.PeriodAnswer,
        "/warehouse/stations?place=Foix": answers.StationsAnswer,
        "/warehouse/stations?limit=5": answers.RowsAnswer,
        "/warehouse/tables": answers.TablesAnswer,
        "/warehouse/tables/meta/loads": answers.TableRowsAnswer,
        "/warehouse/query?sql=select 1 as one": answers.QueryAnswer,
        "/quality": answers.DocumentAnswer,
        f"/warehouse/snapshots/{snapshot_ids[0]}/diff/{snapshot_ids[1]}": answers.DocumentAnswer,
    }
    for url, model in urls.items():
        assert model.model_validate(client.get(url).json()), url


def test_settings_are_bounded_and_described() -> None:
    for name, setting in WarehouseSettings.model_fields.items():
        assert setting.description, name
        assert setting.annotation is bool or setting.metadata, name


def test_the_ten_questions_get_answers(client: httpx.Client) -> None:
    text = client.get("/warehouse/questions", headers={"Range": "bytes=5-1"}).text
    assert text == Path(ROOT, "docs", "questions.md").read_text(encoding="utf-8")
    # tests/api/warehouse/test_climate.py asks those about history.
    addresses = re.findall(r'"\$B(/[^"]*)"', text.partition("With history")[0])
    assert len(addresses) >= 10
    for address in addresses:
        url = address if address != "/warehouse/query" else "/warehouse/query?sql=select 1"
        assert client.get(url).status_code == 200, address
    for address in re.findall(r"http://localhost:8000(/warehouse/[^\"')\s]+)", text):
        assert client.get(address).status_code in (200, 405, 422), address


_ADDRESS = re.compile(
    r"""(?m)^http://localhost:8000(/.*)$               # alone on its line: to its end, spaces and all
    |(?:http://localhost:8000|\$B|base,\ ")(/[^"'\s`)]+)""",
    re.VERBOSE,
)


def test_the_recipes_ask_for_what_there_is(client: httpx.Client) -> None:
    text = Path(ROOT, "docs", "recipes.md").read_text(encoding="utf-8")
    addresses = {alone or within for alone, within in _ADDRESS.findall(text)}
    parts = {address.split("?")[0] for address in addresses}
    assert {"/warehouse/query", "/warehouse/observations", "/warehouse/period", "/warehouse/download"} <= parts
    snapshot = client.get("/warehouse/latest?dept=9").json()["snapshot"]
    newest = snapshot["newest_observation"].replace("Z", ".000Z")  # as Grafana writes times
    values = {"$id": snapshot["id"], "${__from:date:iso}": newest, "${__to:date:iso}": newest}
    for address in addresses:
        if address.startswith("/climate"):  # of days that this warehouse does not have
            continue
        for name, value in values.items():
            address = address.replace(name, value)
        asked = client.get(address)
        assert asked.status_code == 200, (address, asked.text[:500])
        assert "$" not in address, address
        if newest in address:
            assert [row["observed_at"] for row in asked.json()["data"]] == [snapshot["newest_observation"]]
