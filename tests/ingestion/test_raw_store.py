import shutil

import duckdb
import pytest

from ingestion.departments import all_departments
from ingestion.errors import SourceMismatch, WarehouseNewer
from ingestion.paths import DataPaths
from ingestion.raw_store import SCHEMA_VERSION, check_version, connect, open_build_file
from ingestion.upgrade import hours_missing


def contents(paths):
    with duckdb.connect(str(paths.build_file), read_only=True) as connection:
        tables = connection.execute("select schema_name, table_name from duckdb_tables() order by all").fetchall()
        return {table: connection.execute("from {}.{} order by all".format(*table)).fetchall() for table in tables}


def test_a_new_build_file_holds_the_tables_the_source_and_the_departments(paths):
    with open_build_file(paths, "demo") as connection:
        assert connection.execute("select source, schema_version from meta.warehouse").fetchall() == [
            ("demo", SCHEMA_VERSION)
        ]
        [(departments,)] = connection.execute("select count(*) from raw.departments").fetchall()
        assert departments == len(all_departments())
        assert connection.execute("select current_setting('TimeZone')").fetchone() == ("UTC",)


def test_opening_again_changes_nothing(paths):
    for _ in range(2):
        with open_build_file(paths, "demo"):
            pass
        found = contents(paths)
    assert len(found["meta", "warehouse"]) == 1
    with open_build_file(paths, "demo"):
        pass
    assert contents(paths) == found


@pytest.mark.parametrize(("held", "asked"), [("demo", "meteofrance"), ("meteofrance", "demo")])
def test_a_warehouse_of_one_source_refuses_the_other_and_names_both_ways_out(paths, held, asked):
    with open_build_file(paths, held):
        pass
    before = contents(paths)
    with pytest.raises(SourceMismatch) as raised, open_build_file(paths, asked):
        pytest.fail("it was opened")
    assert str(raised.value) == (
        f"{paths.root} holds data from the source `{held}` and this run asks for `{asked}`, never mixed: "
        f"set METEOFRANCE_SOURCE={held} to go on with it, or set DATA_DIR to another folder for `{asked}`"
    )
    assert contents(paths) == before


def test_a_warehouse_of_a_newer_girouette_is_left_alone(paths):
    with open_build_file(paths, "demo") as connection:
        connection.execute("update meta.warehouse set schema_version = schema_version + 1")
    before = contents(paths)
    with (
        pytest.raises(WarehouseNewer, match=r"written by a newer Girouette .* update Girouette"),
        open_build_file(paths, "demo"),
    ):
        pytest.fail("it was opened")
    assert contents(paths) == before


def test_timestamps_are_cut_in_utc_whatever_the_machine_says(paths, monkeypatch):
    monkeypatch.setenv("TZ", "America/Martinique")
    paths.build_file.parent.mkdir(parents=True)
    with connect(paths.build_file) as connection:
        assert connection.execute("select hour('2026-11-23T04:00:00Z'::timestamptz)").fetchone() == (4,)


def test_a_file_from_before_rebuilt_hours_gets_what_they_need(paths: DataPaths) -> None:
    with open_build_file(paths, "demo") as connection:
        connection.execute("""
            drop table raw.rebuilt_observations; drop table meta.repaired_hours;
            create table meta.repaired_hours (
                hour timestamptz not null, departments varchar not null,
                answer varchar not null check (answer in ('repaired', 'gone', 'failed')), asked_at timestamptz not null,
                load_id bigint, rows_seen bigint not null default 0, error varchar
            );
            insert into meta.repaired_hours values ('2026-11-20 05:00:00Z', '9', 'gone', now(), null, 0, null);
        """)
    old = paths.root / "old.duckdb"
    shutil.copy(paths.build_file, old)
    check_version(paths)  # as a build by hand does
    with open_build_file(paths, "demo") as connection:
        assert connection.execute("select answer, source, station_id from meta.repaired_hours").fetchall() == [
            ("gone", None, None)
        ]
        assert connection.execute("select count(*) from raw.rebuilt_observations").fetchone() == (0,)
    # The old file is readable, and holds nothing that the new one does not.
    assert hours_missing(paths.build_file, old) == 0
    with duckdb.connect(str(old)) as connection:
        connection.execute("""
            insert into raw.observations (geo_id_insee, observed_at, version, load_id, first_seen_at, version_seen_at)
            values ('09289001', '2026-11-20 05:00:00Z', 1, 1, now(), now())
        """)
    assert hours_missing(paths.build_file, old) == 1
