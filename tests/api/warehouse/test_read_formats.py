"""Values through every format equal the values in the file, column by column."""

import csv
import io
import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import httpx
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

pytestmark = pytest.mark.xdist_group("warehouse")

Ask = Callable[..., list[Any]]
MANY = 2_000


@pytest.fixture(scope="module")
def tables(client: httpx.Client) -> list[str]:
    found = [f"{table['schema']}/{table['name']}" for table in client.get("/warehouse/tables").json()["data"]]
    assert len(found) > 20
    return found


def from_file(same_file: Path, table: str) -> pa.Table:
    with duckdb.connect(str(same_file), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        schema, name = table.split("/")
        columns = connection.execute(f'select column_name, column_type from (describe "{schema}"."{name}")').fetchall()
        order = ", ".join(f'"{column}" nulls last' for column, kind in columns[:20] if not kind.endswith("]"))
        return connection.execute(f'select * from "{schema}"."{name}" order by {order} limit {MANY}').to_arrow_table()


def everything(client: httpx.Client, table: str, schema: pa.Schema, **parameters: str) -> Any:
    order = ",".join(field.name for field in list(schema)[:20] if not pa.types.is_list(field.type))
    return client.get(
        f"/warehouse/tables/{table}", params={"limit": MANY, "order": order, **parameters}, headers={"accept": "*/*"}
    )


def read_cell(cell: Any, kind: pa.DataType) -> Any:
    """Read a text back as what the column holds, insisting on the offset of instants."""
    if cell is None or (cell == "" and not pa.types.is_string(kind)):
        return None
    if pa.types.is_timestamp(kind):
        moment = datetime.fromisoformat(cell)
        assert (moment.tzinfo is not None) == (kind.tz is not None)
        return moment
    if pa.types.is_date(kind):
        return date.fromisoformat(cell)
    if isinstance(cell, str) and not pa.types.is_string(kind):
        return json.loads(cell)  # CSV: numbers, true, false, lists
    return cell


def read_rows(rows: list[dict[str, Any]], schema: pa.Schema) -> list[dict[str, Any]]:
    return [{name: read_cell(cell, schema.field(name).type) for name, cell in row.items()} for row in rows]


def sorted_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: repr([_plain(value) for value in row.values()]))


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) and value.tzinfo else str(value)


def as_text_can_tell(table: pa.Table) -> list[dict[str, Any]]:
    """JSON has no infinity (the open ends of scales): text formats say null."""
    return [
        {name: None if isinstance(value, float) and math.isinf(value) else value for name, value in row.items()}
        for row in table.to_pylist()
    ]


@pytest.mark.parametrize("tz", [pytest.param("UTC", marks=pytest.mark.slow), "Europe/Paris"])
def test_json_holds_what_the_file_holds(client: httpx.Client, same_file: Path, tables: list[str], tz: str) -> None:
    for table in tables:
        expected = from_file(same_file, table)
        answer = everything(client, table, expected.schema, tz=tz)
        assert answer.status_code == 200, (table, answer.text[:500])
        rows = read_rows(answer.json()["data"], expected.schema)
        assert sorted_rows(rows) == sorted_rows(as_text_can_tell(expected)), table
        for moment in (cell for row in rows for cell in row.values() if isinstance(cell, datetime) and cell.tzinfo):
            assert moment.utcoffset() == moment.astimezone(ZoneInfo(tz)).utcoffset()


def test_ndjson_is_the_same_rows_as_json(client: httpx.Client, same_file: Path, tables: list[str]) -> None:
    for table in tables:
        schema = from_file(same_file, table).schema
        lines = everything(client, table, schema, format="ndjson")
        assert lines.headers["content-type"] == "application/x-ndjson"
        assert [json.loads(line) for line in lines.text.splitlines()] == everything(client, table, schema).json()[
            "data"
        ]


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_columnar_formats_hold_what_the_file_holds(
    client: httpx.Client, same_file: Path, tables: list[str], format: str
) -> None:
    for table in tables:
        expected = from_file(same_file, table)
        answer = everything(client, table, expected.schema, format=format)
        assert answer.status_code == 200, (table, answer.text[:500])
        source = io.BytesIO(answer.content)
        found = pa.parquet.read_table(source) if format == "parquet" else pa.ipc.open_stream(source).read_all()
        assert found.column_names == expected.column_names
        assert json.loads(found.schema.metadata[b"girouette"])["id"] == answer.headers["x-snapshot-id"]
        for name in expected.column_names:
            kinds = {str(t.schema.field(name).type).replace("large_", "") for t in (found, expected)}
            assert len(kinds) == 1 or {kind.partition("<")[0] for kind in kinds} == {"list"}, (table, name, kinds)
        assert sorted_rows(found.to_pylist()) == sorted_rows(expected.to_pylist()), table


def test_csv_holds_what_the_file_holds(client: httpx.Client, same_file: Path, tables: list[str]) -> None:
    for table in tables:
        expected = from_file(same_file, table)
        answer = everything(client, table, expected.schema, format="csv")
        assert answer.status_code == 200, (table, answer.text[:500])
        rows = read_rows(list(csv.DictReader(io.StringIO(answer.text, newline=""))), expected.schema)
        # CSV as read here has no NULL beside the empty text: both are nothing.
        wanted = [
            {name: value if value != "" else None for name, value in row.items()} for row in as_text_can_tell(expected)
        ]
        rows = [{name: value if value != "" else None for name, value in row.items()} for row in rows]
        assert sorted_rows(rows) == sorted_rows(wanted), table


def test_csv_is_read_by_polars_and_duckdb_without_telling_them_anything(client: httpx.Client, tmp_path: Any) -> None:
    text = client.get("/warehouse/latest", params={"format": "csv"}).content
    frame = pl.read_csv(text, try_parse_dates=True)
    assert frame.schema["temperature_c"] == pl.Float64
    assert frame.schema["observed_at"].is_temporal()
    (tmp_path / "latest.csv").write_bytes(text)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        types = dict(
            connection.execute(f"select column_name, column_type from (describe '{tmp_path}/latest.csv')").fetchall()
        )
    assert types["temperature_c"] == "DOUBLE"
    assert types["observed_at"].startswith("TIMESTAMP")


def test_cells_that_a_spreadsheet_would_run_are_made_harmless(client: httpx.Client) -> None:
    cells = ["=1+1", "+33 5", "-cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "-12.5", "+3", "=", "", "plain"]
    listed = " union all ".join(f"select {n} as n, ? as cell" for n in range(len(cells)))
    sql = f"select cell from ({listed}) order by n"
    answer = client.post("/warehouse/query", json={"sql": sql, "params": cells, "format": "csv"})
    rows = [row[0] for row in csv.reader(io.StringIO(answer.text, newline="")) if row][1:]
    assert rows == ["'=1+1", "'+33 5", "'-cmd|' /C calc'!A0", "'@SUM(1)", "'\t=1", "-12.5", "+3", "'=", "", "plain"]


def test_geojson_places_every_station(client: httpx.Client, in_file: Ask) -> None:
    answer = client.get(
        "/warehouse/latest", headers={"accept": "application/geo+json"}, params={"fields": "temperature_c"}
    )
    body = answer.json()
    assert body["type"] == "FeatureCollection"
    assert body["snapshot"]["id"]
    places = {f["properties"]["station_id"]: f["geometry"]["coordinates"] for f in body["features"]}
    assert places == {
        row[0]: [row[1], row[2]]
        for row in in_file("select station_id, longitude, latitude from marts.latest_observations")
    }
    assert set(body["features"][0]["properties"]) == {"station_id", "station_name", "observed_at", "temperature_c"}


def test_a_format_that_does_not_fit_is_refused_with_those_that_do(client: httpx.Client) -> None:
    for url, headers in [
        ("/warehouse/tables/meta/loads?format=geojson", {}),
        ("/warehouse/latest", {"accept": "image/png"}),
        ("/quality?format=csv", {}),
    ]:
        answer = client.get(url, headers=headers)
        assert answer.status_code == 406
        assert "json" in answer.json()["next_step"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("application/json;q=0.1, application/x-ndjson", "application/x-ndjson"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("application/*;q=0.5, text/csv;q=0", "application/json"),
    ],
)
def test_accept_decides_without_a_format(client: httpx.Client, accept: str, media_type: str) -> None:
    answer = client.get("/warehouse/latest?dept=9&fields=temperature_c", headers={"accept": accept})
    assert answer.headers["content-type"].startswith(media_type)
