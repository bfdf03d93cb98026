"""Whatever a SELECT gives is written in every format, or refused with 422."""

import csv
import io
import json

import httpx
import pytest

pytestmark = pytest.mark.xdist_group("warehouse")

# A value, and what JSON says of it.
VALUES = [
    ("date 'infinity'", None),
    ("date '-100-01-01'", None),
    ("date '290000-01-01'", None),
    ("timestamp 'infinity'", None),
    ("timestamp_s '290000-01-01'", None),
    ("timestamp_ms '290000-01-01'", None),
    ("date '9999-12-31'", "9999-12-31"),
    ("map{1: 'a'}", {"1": "a"}),
    ("map{'a': 1}", {"a": 1}),
    ("histogram(1)", {"1": 1}),
    ("(1, 2)", "(1, 2)"),
    ("[(1, 2)]", "[(1, 2)]"),
    ("['a'::blob]", ["a"]),
    ("[date 'infinity']", ["infinity"]),
    ("{'at': timestamp 'infinity'}", {"at": "infinity"}),
    ("[interval 1 day]", "[1 day]"),
    ("[date '2026-01-01']", ["2026-01-01"]),
    ("[map{1: [date 'infinity']}]", [{"1": ["infinity"]}]),
    ("{'a b': [1, 2, null]}", {"a b": [1, 2, None]}),
    ("[]", []),
    ("null", None),
    ("union_value(a := 1)", "1"),
    ("'a'::enum('a')", "a"),
    ("'NaN'::float", None),
    ("1::hugeint", 1),
    ("array_value(1, 2)", [1, 2]),
]


@pytest.mark.parametrize("format", ["json", "ndjson", "csv", "parquet", "arrow"])
def test_every_value_is_written_in_every_format(client: httpx.Client, format: str) -> None:
    for value, expected in VALUES:
        sql = f"select 7 as before, {value} as v, 'x' as after union all select 8, null, 'y' order by before"
        answer = client.post("/warehouse/query", json={"sql": sql, "format": format})
        assert answer.status_code == 200, (value, answer.text)
        if format in ("json", "ndjson"):
            rows = [json.loads(line) for line in answer.text.splitlines()]
            rows = rows[0]["data"] if format == "json" else rows
            assert rows[1] == {"before": 8, "v": None, "after": "y"}, value
            assert rows[0] == {"before": 7, "v": expected, "after": "x"}, value
        elif format == "csv":
            assert len(answer.text.splitlines()) == 3, value


def test_braces_and_line_ends_in_a_text_beside_a_map_stay_in_their_row(client: httpx.Client) -> None:
    sql = "select 1 as n, 'a}' || chr(10) || '{b' as t, map{'k': 1} as m, true as last"
    sql += " union all select 2, '}', null, false"
    answer = client.post("/warehouse/query", json={"sql": f"{sql} order by n"}).json()
    assert answer["data"] == [
        {"n": 1, "t": "a}\n{b", "m": {"k": 1}, "last": True},
        {"n": 2, "t": "}", "m": None, "last": False},
    ]
    assert client.post("/warehouse/query", json={"sql": f"select * from ({sql}) where n > 2"}).json()["data"] == []


@pytest.mark.parametrize("format", ["json", "ndjson", "csv"])
def test_empty_maps_between_others_stay_in_their_rows(client: httpx.Client, format: str) -> None:
    sql = """
        select * from (values
            (1, map{}::map(varchar, int), 'a', map{'p': 0}::map(varchar, int)), (2, map{'k': 9}, '{}', map{}),
            (3, null, 'c', map{'q': 1}), (4, map{}, 'd', map{}), (5, map{'l': 2}, 'e', null)
        ) as rows (n, m, t, o) order by n
    """
    answer = client.post("/warehouse/query", json={"sql": sql, "format": format})
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        found = [(row["t"], *(json.loads(row[name] or "null") for name in "mo")) for row in rows]
    else:
        lines = [json.loads(line) for line in answer.text.splitlines()]
        found = [(row["t"], row["m"], row["o"]) for row in (lines[0]["data"] if format == "json" else lines)]
    assert found == [
        ("a", {}, {"p": 0}),
        ("{}", {"k": 9}, {}),
        ("c", None, {"q": 1}),
        ("d", {}, {}),
        ("e", {"l": 2}, None),
    ]
