"""A hundred ways out of the SQL endpoint and the filters: each is refused or bounded, and the service lives."""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingestion.paths import DataPaths

# Each must be answered with 422, whatever it meets first: the guard, the closed connection, DuckDB's own grammar.
REFUSED = [
    # files
    "select * from '/etc/passwd'",
    "select * from '/etc/passwd.csv'",
    'select * from "/etc/passwd"',
    "from 'data/warehouse.duckdb'",
    "select * from read_csv('/etc/passwd')",
    "select * from read_csv_auto('/etc/passwd')",
    "select * from READ_TEXT('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_json('/etc/passwd')",
    "select * from read_ndjson_objects('/etc/passwd')",
    "select * from read_parquet('/tmp/x.parquet')",
    "select * from parquet_metadata('/tmp/x.parquet')",
    "select * from read_duckdb('/tmp/x.duckdb')",
    "select * from glob('/*')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from main.read_text('/etc/passwd')",
    "select * from system.main.read_text('/etc/passwd')",
    "select (select content from read_text('/etc/passwd'))",
    "with x as (select * from read_text('/etc/passwd')) select * from x",
    "with recursive x as (select 1 union all select size from read_text('/etc/passwd')) select * from x",
    "select * from marts.stations where station_id in (select content from read_text('/etc/passwd'))",
    "select * from marts.stations order by (select max(content) from read_text('/etc/passwd'))",
    "select * from (describe select * from read_text('/etc/passwd'))",
    "summarize select * from read_text('/etc/passwd')",
    "describe '/etc/passwd.csv'",
    "select * from marts.stations, lateral (select * from read_text('/etc/passwd'))",
    "select * from marts.stations join read_text('/etc/passwd') on true",
    "select list(c) filter (where c in (select content from read_text('/etc/passwd'))) from (select 1 c)",
    "select [x for x in (select list(content) from read_text('/etc/passwd'))]",
    "values ((select max(content) from read_text('/etc/passwd')))",
    "select * from read_text(getenv('HOME'))",
    "/* */ select/**/*/**/from/**/read_text/**/('/etc/passwd')",
    "select * from -- read\n read_text('/etc/passwd')",
    "select * from \"read_text\"('/etc/passwd')",
    "from read_text('/etc/passwd') select content",
    "table '/etc/passwd.csv'",
    'with "/etc/passwd.csv" as (select 1) select * from "/etc/passwd.csv"',
    # other statements
    "copy (select 1) to '/tmp/out.csv'",
    "copy marts.stations from '/etc/passwd'",
    "export database '/tmp/out'",
    "import database '/tmp/out'",
    "attach '/tmp/other.duckdb'",
    "attach ':memory:' as m",
    "detach warehouse",
    "use raw",
    "install httpfs",
    "load httpfs",
    "force install json from community",
    "create table x as select 1",
    "create temp table x as select 1",
    "create or replace view marts.stations as select 1",
    "create macro f() as 1",
    "create secret (type s3)",
    "create sequence s",
    "create type t as enum ('a')",
    "drop table raw.observations",
    "delete from raw.observations",
    "update raw.observations set t = '0'",
    "insert into raw.observations select * from raw.observations",
    "merge into raw.departments using raw.departments d on true when matched then delete",
    "truncate raw.observations",
    "alter table raw.observations drop column t",
    "comment on table raw.observations is 'x'",
    "vacuum",
    "analyze",
    "checkpoint",
    "force checkpoint",
    "begin",
    "rollback",
    "explain select 1",
    "explain analyze select 1",
    "prepare p as select 1",
    "execute p",
    "deallocate p",
    "call pragma_version()",
    "call read_text('/etc/passwd')",
    "pragma database_list",
    "pragma enable_logging",
    "pragma import_database('/tmp/out')",
    # settings
    "set enable_external_access = true",
    "set memory_limit = '100GB'",
    "set lock_configuration = false",
    "reset enable_external_access",
    "set variable x = 1",
    "select getvariable('x')",
    "select current_setting('temp_directory')",
    "select * from duckdb_settings()",
    "select * from duckdb_secrets()",
    "select * from duckdb_databases()",
    "select * from duckdb_extensions()",
    "select * from duckdb_logs()",
    "select * from duckdb_temporary_files()",
    "select * from pragma_database_size()",
    "select * from pragma_storage_info('raw.observations')",
    "show databases",
    "show all tables",
    # environment, network, other ways to run a text as SQL
    "select getenv('HOME')",
    "select getenv('API_KEYS')",
    "select * from 'https://example.com/x.csv'",
    "select * from read_csv('s3://bucket/x.csv')",
    "select * from query('drop table raw.observations')",
    "select * from query('select 1')",
    "select * from query_table('/etc/passwd')",
    "select * from query_table(['raw.observations'])",
    "select json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select json_serialize_plan('select 1')",
    "select * from duckdb_functions()",
    "select * from arrow_scan(1, 2, 3)",
    "select * from pandas_scan(140000000000)",
    "select * from python_map_function(1)",
    "select * from seq_scan('raw.observations')",
    "select * from sqlite_scan('/tmp/x.db', 'x')",
    "select * from which_secret('x', 's3')",
    "select write_log('x')",
    "select nextval('s')",
    "select sleep_ms(100000)",
    "select pg_sleep(100)",
    "select setseed(0.5)",
    # several statements, and none
    "select 1; select 2",
    "select 1; drop table raw.observations",
    "select 1;;attach '/tmp/x'",
    "",
    ";",
    "-- nothing",
    "select 1 \0 ; drop table raw.observations",
    "pivot marts.stations on pack using count(*)",
    "select",
    "selec 1",
    "(((((" * 50,
    # names of this program's own variables
    "select * from snapshot",
    "select * from request",
    "select * from os.environ",
    "select * from other.marts.stations",
    "select * from temp.main.x",
    "select 1 from sqlite_master",
    "select " + "+".join(["1"] * 9_000),
    "select '" + "x" * 30_000 + "'",
    "with "
    + ", ".join(f"c{n} as (select * from c{n - 1})" if n else "c0 as (select 1)" for n in range(400))
    + " select * from nowhere",
]

# Each may run, and must end within its limits: an answer, 422 (memory) or 504 (time).
BOMBS = [
    "select repeat('x', 2000000000)",
    "select repeat('x', 1000000) from range(100000)",
    "select range(3000000000)",
    "select list_sort(range(100000000))",
    "select string_agg(repeat('x', 1000000), '') from range(100000)",
    "select lpad('x', 2000000000, 'y')",
    "select printf('%2000000000d', 1)",
    "select levenshtein(repeat('a', 200000), repeat('b', 200000))",
    "select replace(repeat('a', 100000), 'a', repeat('b', 100000))",
    "select list_reduce(range(100000), lambda a, b: a + b)",
    "select list_transform(range(10000000), lambda x: list_transform(range(10000000), lambda y: x + y))",
    "select count(*) from range(1000000) a, range(1000000) b, range(1000000) c",
    "with recursive r as (select 1 x union all select x + 1 from r) select count(*) from r",
    "with recursive r as (select 1 x union all select x from r, range(10)) select count(*) from r",
    "select * from raw.observations a, raw.observations b, raw.observations c order by a.t, b.t, c.t",
    "select list_distinct(range(50000000))",
    "select bitstring('1', 2000000000)",
    "select regexp_replace(repeat('a', 1000000), '(a|aa)+$', repeat('b', 1000), 'g') from range(10000)",
    "select count(distinct a.range * b.range) from range(100000) a, range(100000) b",
    "select unnest(range(2000000000))",
    "select " + "(" * 3_000 + "1" + ")" * 3_000,
]


pytestmark = [
    pytest.mark.xdist_group("warehouse"),
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory and environments from /proc"),
]


def resident_mb(pid: int | str) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def sql_children() -> list[int]:
    """The processes of this one that run SQL."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"api.warehouse.sql_child" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def send(client: httpx.Client, sql: str, **more: Any) -> httpx.Response:
    return client.post("/warehouse/query", json={"sql": sql, **more})


@pytest.mark.parametrize("sql", REFUSED, ids=lambda sql: sql[:60])
def test_a_statement_that_is_not_a_harmless_select_is_refused(client: httpx.Client, sql: str) -> None:
    answer = send(client, sql)
    assert answer.status_code == 422, answer.text[:500]
    assert answer.json()["next_step"]
    assert "root:" not in answer.text


def test_there_are_more_than_a_hundred_of_them() -> None:
    assert len(REFUSED) + len(BOMBS) >= 150


def test_a_bomb_costs_no_more_than_its_limits(start: Callable[..., httpx.Client], warehouse: DataPaths) -> None:
    client = start(warehouse, sql_seconds=1, sql_memory_mb=256)
    assert send(client, "select 1 as one").json()["data"] == [{"one": 1}]
    before = resident_mb("self")
    for sql in BOMBS:
        answer = send(client, sql)
        assert answer.status_code in (200, 422, 504), (sql, answer.text[:300])
        assert len(answer.content) < 40 * 2**20
        assert send(client, "select 1 as one").status_code == 200, sql
        assert all(resident_mb(child) < 600 for child in sql_children()), sql
    assert resident_mb("self") - before < 300


def test_the_process_that_runs_sql_has_no_secret_and_writes_no_file(
    start: Callable[..., httpx.Client], warehouse: DataPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METEOFRANCE_TOKEN", "a-secret-of-the-service")
    client = start(warehouse)
    send(client, "select 1")
    newest = max(sql_children())
    assert b"a-secret-of-the-service" not in Path(f"/proc/{newest}/environ").read_bytes()
    limits = Path(f"/proc/{newest}/limits").read_text().splitlines()
    assert any(line.split()[:4] == ["Max", "file", "size", "0"] for line in limits)


def test_values_are_bound_and_never_become_sql(client: httpx.Client) -> None:
    nasty = "'; drop table raw.observations; --"
    assert send(client, "select ? as v", params=[nasty]).json()["data"] == [{"v": nasty}]
    assert send(client, "select $v as v", params={"v": nasty}).json()["data"] == [{"v": nasty}]
    assert send(client, "select ? as v, ? as w, ? as x", params=[1, None, True]).json()["data"] == [
        {"v": 1, "w": None, "x": True}
    ]
    assert send(client, "select ?", params=[]).status_code == 422
    assert send(client, "select $a", params={"b": 1}).status_code == 422


NASTY_FILTERS = [
    ("station_id", "' or 1=1 --"),
    ("station_id__like", "%' or '1'='1"),
    ("temperature_c__lt", "0; drop table raw.observations"),
    ("temperature_c__lt", "(select 1)"),
    ("temperature_c__lt", "0 or 1=1"),
    ('temperature_c" or 1=1 --__lt', "0"),
    ("temperature_c__lt or 1=1", "0"),
    ("observed_at__gt", "now()"),
    ("observed_at__gt", "'; select getenv('HOME')"),
    ("select", "station_id, (select content from read_text('/etc/passwd'))"),
    ("select", "*"),
    ("order", "station_id; drop table x"),
    ("order", "(select 1)"),
    ("rowid__lt", "5"),
    ("limit", "1; drop table x"),
    ("limit", "-1"),
    ("cursor", "'; drop table x"),
    ("cursor", "W10"),
    ("tz", "UTC'; drop table x; --"),
    ("tz", "../../etc/passwd"),
    ("snapshot", "../../../etc"),
    ("snapshot", "'"),
    ("format", "exe"),
    ("station_id__in", ",".join(["x"] * 5000)),
    ("station_id", "x" * 5000),
    ("station_name__contains", "x" * 500),
]


@pytest.mark.parametrize(("name", "value"), NASTY_FILTERS, ids=lambda text: text[:40])
def test_a_filter_is_a_value_or_refused(
    client: httpx.Client, name: str, value: str, in_file: Callable[..., Any]
) -> None:
    answer = client.get("/warehouse/tables/marts/hourly_observations", params={name: value})
    if answer.status_code == 200:
        assert answer.json()["data"] == []
    else:
        assert answer.status_code in (410, 422)
        assert answer.json()["next_step"]


@pytest.mark.parametrize(
    "path",
    [
        "marts/../../etc",
        "marts/hourly_observations;drop",
        "main/sqlite_master",
        "system/duckdb_settings",
        "information_schema/tables",
    ],
)
def test_only_published_tables_have_an_address(client: httpx.Client, path: str) -> None:
    assert client.get(f"/warehouse/tables/{path}").status_code == 404


def test_sql_can_be_switched_off(start: Callable[..., httpx.Client], warehouse: DataPaths) -> None:
    client = start(warehouse, sql_enabled=False)
    answer = send(client, "select 1")
    assert answer.status_code == 403
    assert "SQL_ENABLED" in answer.json()["detail"]


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) from marts.stations",
        "with a as (select 1 x) select * from a",
        "with recursive r as (select 1 x union all select x + 1 from r where x < 5) select * from r",
        "describe marts.hourly_observations",
        "summarize marts.latest_observations",
        "from marts.stations select station_id limit 1",
        "values (1, 2)",
        "select * from range(3)",
        "select unnest([1, 2])",
        "select * from (unpivot (select 1 as a, 2 as b) on a, b)",
        "select * from information_schema.tables",
        "select station_id from marts.stations union select geo_id_insee from raw.observations order by 1 limit 3;",
        "select date_trunc('day', observed_at), avg(temperature_c) from marts.hourly_observations group by all",
        "select sum(observed_hours) over (order by station_id) from marts.stations limit 5",
        "select interval 1 day as i, '101'::bit as b, 1::uhugeint as u, time '01:00' as t, 'x'::blob as x",
        "select 1 as a, 2 as a, 3 as a_1, interval 1 hour as a",
        "select a.*, b.* from marts.stations a join marts.stations b using (station_id) limit 5",
        "select 'nan'::double as n, 'infinity'::timestamptz as i, timestamptz '290000-01-01 00:00:00+00' as y",
    ],
)
@pytest.mark.parametrize("format", ["json", "csv", "parquet", "arrow", "ndjson"])
def test_what_people_ask_is_answered_in_every_format(client: httpx.Client, sql: str, format: str) -> None:
    answer = send(client, sql, format=format)
    assert answer.status_code == 200, answer.text[:500]
    if format == "json":
        assert answer.json()["columns"]
        assert answer.json()["data"]


def test_rows_beyond_the_limit_are_cut_and_it_says_so(client: httpx.Client) -> None:
    answer = send(client, "select * from range(100)", limit=10).json()
    assert len(answer["data"]) == 10
    assert answer["truncated"] is True
    assert send(client, "select * from range(10)", limit=10).json()["truncated"] is False
    by_header = send(client, "select * from range(100)", limit=10, format="csv")
    assert json.loads(by_header.headers["x-truncated"]) is True


def test_an_answer_that_depends_on_the_moment_is_not_cached(client: httpx.Client) -> None:
    for sql in ["select now() as n", "select random() as n", "select current_timestamp as n", "select uuid() as n"]:
        first, second = (client.get("/warehouse/query", params={"sql": sql}) for _ in range(2))
        assert "etag" not in first.headers
        assert first.json()["data"] != second.json()["data"]
    lasting = client.get("/warehouse/query", params={"sql": "select 1 as one"})
    assert lasting.headers["etag"]
