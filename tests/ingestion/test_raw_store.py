import duckdb
import pytest

from ingestion.departments import all_departments
from ingestion.errors import SourceMismatch, WarehouseNewer
from ingestion.raw_store import SCHEMA_VERSION, connect, open_build_file


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
