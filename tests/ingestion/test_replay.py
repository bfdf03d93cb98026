"""What is landed can be loaded again: after a kill, from files, and as a whole."""

import gzip
import shutil
from collections import Counter
from datetime import timedelta

import duckdb
import pytest

from ingestion.errors import AllRowsRejected, FileUnreadable, HeaderChanged
from ingestion.ingest import ingest_packet
from ingestion.landing import describe_payload, land_payload, landed_payloads
from ingestion.paths import DataPaths
from ingestion.raw_store import open_build_file
from ingestion.replay import load_files, load_left_behind, rebuild_raw
from ingestion.settings import IngestionSettings
from ingestion.source import PacketRequest


def rows_of(data_dir, sql):
    with duckdb.connect(str(DataPaths(data_dir).build_file), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def raw_of(data_dir):
    """Both raw tables, versions and times included; the numbers of loads count the fetches, so they differ."""
    return [
        rows_of(
            data_dir, "select * exclude (load_id) from raw.observations order by geo_id_insee, observed_at, version"
        ),
        rows_of(data_dir, 'select * exclude (load_id) from raw.stations order by "Id_station", version'),
    ]


@pytest.fixture
def settings(data_dir):
    return IngestionSettings(data_dir=data_dir, meteofrance_source="demo")


@pytest.fixture
def wait_in_landing(warehouse):
    """Land a payload without loading it, as a run killed in between would."""

    def land(body, **told):
        warehouse.now += timedelta(minutes=1)
        told = {"dataset": "paquet-horaire", "scope": "9", "fetched_at": warehouse.now, "format": "csv", **told}
        landed = describe_payload(warehouse.paths.landing / "demo", body, **told)
        land_payload(landed, body)
        return landed

    return land


# --- hour by hour, and at once


@pytest.mark.xdist_group("replay")
def test_hourly_runs_end_in_the_same_current_rows_as_one_load_at_its_end(hours_as_they_came, hours_at_once):
    current = """
        select * exclude (version, load_id, first_seen_at, version_seen_at, reference_time, insert_time)
        from raw.observations
        qualify row_number() over (partition by geo_id_insee, observed_at order by version desc) = 1
        order by geo_id_insee, observed_at
    """
    hourly, at_once = (rows_of(data_dir, current) for data_dir in (hours_as_they_came, hours_at_once))
    assert hourly == at_once
    assert len(hourly) > 700
    [(late,)] = rows_of(
        hours_as_they_came,
        "select count(*) from raw.observations"
        " where version = 1 and load_id > 3 and first_seen_at > observed_at + interval 90 minute",
    )
    [(corrected,)] = rows_of(hours_as_they_came, "select count(*) from raw.observations where version > 1")
    assert late > 0, "the hours had no late row, so it proves less than it says"
    assert corrected > 0, "the hours had no correction, so it proves less than it says"


@pytest.mark.xdist_group("replay")
def test_the_landing_zone_alone_gives_exactly_the_same_raw_tables(hours_as_they_came, settings, data_dir):
    shutil.copytree(hours_as_they_came / "landing" / "meteofrance", data_dir / "landing" / "demo")
    said = []
    landed = len(list(landed_payloads(data_dir / "landing" / "demo")))
    assert rebuild_raw(settings, said.append) == landed == len(said)
    assert raw_of(data_dir) == raw_of(hours_as_they_came)


def test_a_rebuild_after_the_clock_was_set_back_gives_the_same_versions(warehouse, row, settings):
    for back, t in ((0, "281.15"), (40, "282.15"), (39, "283.15"), (0, "284.15")):
        warehouse.now -= timedelta(days=back)
        warehouse.load(row(t=t))
        warehouse.now += timedelta(days=back)
    before = warehouse.raw()
    warehouse.paths.build_file.unlink()
    assert rebuild_raw(settings, print) == 4
    assert warehouse.raw() == before
    assert warehouse.versions() == [(1, "281.15"), (2, "282.15"), (3, "283.15"), (4, "284.15")]


def test_a_rebuild_passes_over_what_cannot_be_loaded_and_says_so(warehouse, row, as_csv, settings, wait_in_landing):
    warehouse.load(row())
    wait_in_landing(b"<!DOCTYPE html><html></html>")
    damaged = wait_in_landing(as_csv([row("09225001")]))
    damaged.path.write_bytes(damaged.path.read_bytes()[:-12])
    wait_in_landing(as_csv([row(t="290.15")]))
    warehouse.paths.build_file.unlink()
    said = []
    assert rebuild_raw(settings, said.append) == 4
    assert [": not loaded: " in line for line in said] == [False, True, True, False]
    assert warehouse.versions() == [(1, "281.15"), (2, "290.15")]
    assert warehouse.query("select status from meta.loads order by load_id") == ["loaded", "failed", "failed", "loaded"]


# --- what a killed run left


def test_a_payload_that_was_landed_and_never_loaded_is_loaded_by_the_next_run(
    warehouse, row, as_csv, settings, wait_in_landing
):
    warehouse.load(row())
    landed = wait_in_landing(as_csv([row(t="290.15")]))
    said = []
    assert load_left_behind(settings, said.append) == 1
    assert said[0].startswith(f"{landed.path.name}: 1 rows seen: 0 new, 1 changed")
    assert load_left_behind(settings, said.append) == 0
    assert warehouse.versions() == [(1, "281.15"), (2, "290.15")]


def test_a_payload_that_failed_is_not_tried_again_at_every_run(warehouse, settings):
    with pytest.raises(Exception, match="not a packet"):
        warehouse.load_body(b"<!DOCTYPE html><html></html>")
    assert load_left_behind(settings, print) == 0


def test_a_lost_build_file_is_filled_again_from_the_landing_zone(warehouse, row, settings):
    for day in range(5):
        warehouse.now += timedelta(days=1)
        warehouse.load(row(t=f"28{day}.15"))
    before = warehouse.raw()
    shutil.rmtree(warehouse.paths.build_file.parent)
    assert load_left_behind(settings, print) == 5
    assert warehouse.raw() == before


# --- captured files


def test_files_are_loaded_in_the_given_order_compressed_or_not(warehouse, row, as_csv, settings, tmp_path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv.gz"
    first.write_bytes(as_csv([row(t="281.15")]))
    second.write_bytes(gzip.compress(as_csv([row(t="282.15")])))
    results = list(load_files(settings, [first, second, first]))
    assert [(file.name, result.counts.new, result.counts.changed) for file, result in results] == [
        ("first.csv", 1, 0),
        ("second.csv.gz", 0, 1),
        ("first.csv", 0, 1),
    ]
    assert warehouse.versions() == [(1, "281.15"), (2, "282.15"), (3, "281.15")]
    assert Counter(warehouse.query("select scope from meta.loads")) == {"file": 3}


def test_a_file_that_cannot_be_loaded_stops_and_those_before_it_stay(warehouse, row, as_csv, settings, tmp_path):
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_bytes(as_csv([row()]))
    bad.write_bytes(as_csv([row()], columns=["geo_id_insee", "validity_time", "t"]))
    with pytest.raises(HeaderChanged):
        list(load_files(settings, [good, bad, good]))
    assert warehouse.query("select status from meta.loads order by load_id") == ["loaded", "failed"]


@pytest.mark.parametrize(
    "damage", [b"\x1f\x8bnot gzip", gzip.compress(b"lat;lon\n" * 50, mtime=0)[:-10]], ids=["garbage", "cut"]
)
def test_a_damaged_file_is_named(settings, tmp_path, damage):
    file = tmp_path / "damaged.csv.gz"
    file.write_bytes(damage)
    with pytest.raises(FileUnreadable, match=r"damaged.csv.gz cannot be read \(its gzip data is damaged"):
        list(load_files(settings, [file]))


def test_after_a_file_by_hand_the_same_packet_from_upstream_counts_again(upstream, tmp_path, row, as_csv, data_dir):
    settings = upstream.settings(data_dir)
    request = PacketRequest("paquet-horaire", "9", "Ariège (9)")
    ingest_packet(settings, request)
    [(station, hour)] = rows_of(
        data_dir, "select geo_id_insee, validity_time from raw.observations where t is not null limit 1"
    )
    file = tmp_path / "old.csv"
    file.write_bytes(as_csv([row(station, hour, t="250.15")]))
    list(load_files(settings, [file]))
    assert ingest_packet(settings, request).counts.changed == 1


def test_opening_for_replay_refuses_the_other_source(data_dir, settings):
    with open_build_file(DataPaths(data_dir), "meteofrance"):
        pass
    with pytest.raises(Exception, match="never mixed"):
        load_left_behind(settings, print)


def test_a_file_that_loses_every_row_is_an_error_each_time(settings, warehouse, row, as_csv, tmp_path):
    file = tmp_path / "packet.csv"
    file.write_bytes(as_csv([row(hour="yesterday"), row(hour="today")]))
    for _ in range(2):
        with pytest.raises(AllRowsRejected, match=r"all 2 rows .* not a time with Z or an offset: raw is unchanged"):
            list(load_files(settings, [file]))
    assert warehouse.versions() == []
    assert len(warehouse.rejected()) == 4
