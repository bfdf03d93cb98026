"""What is landed can be loaded again: after a kill, from files, and as a whole."""

import gzip
import json
import re
import shutil
from collections import Counter
from datetime import timedelta

import duckdb
import pytest

from ingestion.errors import FileRefused, FileUnreadable
from ingestion.ingest import ingest_packet
from ingestion.landing import describe_payload, land_payload, landed_payloads
from ingestion.meteofrance.schema import V2_COLUMNS
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


def landed_in(warehouse):
    return [landed.path.name for landed in landed_payloads(warehouse.paths.landing / "demo")]


def test_a_file_that_cannot_be_loaded_costs_itself_only_and_leaves_no_copy(warehouse, row, as_csv, settings, tmp_path):
    good, quota, bad, other = (tmp_path / name for name in ("good.csv", "quota.json", "bad.csv", "other.csv"))
    good.write_bytes(as_csv([row()]))
    quota.write_text('{"code": "900802", "message": "Message throttled out"}')
    bad.write_bytes(as_csv([row()], columns=["geo_id_insee", "validity_time", "t"]))
    other.write_bytes(as_csv([row("09225001")]))
    for _ in range(2):
        results = list(load_files(settings, [good, quota, bad, other]))
        assert [isinstance(result, FileRefused) for _, result in results] == [False, True, True, False]
        assert str(results[1][1]) == (
            f"{quota}: it is an answer that the quota is used up (“900802: Message throttled out”), not data; "
            "nothing of it was loaded: wait, then fetch the packet again"
        )
        assert str(results[2][1]).startswith(f"{bad}: its columns are not those of a packet: missing tx, tn, ")
    assert len(landed_in(warehouse)) == 2
    assert warehouse.query("select geo_id_insee from raw.observations order by 1") == ["09225001", "09289001"]


def test_the_same_file_again_is_landed_again_only_when_it_brings_something(warehouse, row, as_csv, settings, tmp_path):
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_bytes(as_csv([row(t="281.15")]))
    second.write_bytes(as_csv([row("09225001")]))
    list(load_files(settings, [first, second, first, second]))
    assert len(landed_in(warehouse)) == 2
    assert len(set(warehouse.query("select payload from meta.loads"))) == 2
    second.write_bytes(as_csv([row(t="282.15")]))
    list(load_files(settings, [second, first]))  # the first undoes the second
    assert len(landed_in(warehouse)) == 4
    before = warehouse.raw()
    warehouse.paths.build_file.unlink()
    rebuild_raw(settings, print)
    assert warehouse.raw() == before


def test_a_station_list_again_after_another_one_is_landed_again(warehouse, settings, tmp_path):
    header = "Id_station;Id_omm;Nom_usuel;Latitude;Longitude;Altitude;Date_ouverture;Pack\n"
    line = "31069001;07630;TOULOUSE-BLAGNAC;43.62;1.37;151;1947-01-01;RADOME\n"
    long, short = tmp_path / "long.csv", tmp_path / "short.csv"
    long.write_text(header + line + line.replace("31069001", "31157001"))
    short.write_text(header + line)
    list(load_files(settings, [long, long, short, long]))
    assert len(landed_in(warehouse)) == 3


def test_a_held_list_stays_landed_and_says_when_it_is_believed(warehouse, settings, tmp_path):
    lines = [f"31{number:06};;PLACE {number};43.62;1.37;151;1947-01-01;RADOME\n" for number in range(100)]
    header = "Id_station;Id_omm;Nom_usuel;Latitude;Longitude;Altitude;Date_ouverture;Pack\n"
    whole, part = tmp_path / "whole.csv", tmp_path / "part.csv"
    whole.write_text(header + "".join(lines))
    part.write_text(header + "".join(lines[:50]))
    (_, held) = list(load_files(settings, [whole, part]))[1]
    assert re.search(r"nothing of it was loaded: it is kept; load it again \d+ minutes later", str(held))
    assert len(landed_in(warehouse)) == 2
    list(load_files(settings, [whole]))  # landed again, so that a rebuild too meets it between two held ones
    assert len(landed_in(warehouse)) == 3


def test_a_file_larger_than_any_packet_is_refused_without_reading_it_whole(
    row, as_csv, settings, tmp_path, monkeypatch, warehouse
):
    monkeypatch.setattr("ingestion.replay.LARGEST_FILE", 2**20)
    file = tmp_path / "huge.csv.gz"
    body = as_csv([row()])
    file.write_bytes(gzip.compress(body + body.splitlines(keepends=True)[1] * 50_000))
    [(_, refused)] = load_files(settings, [file])
    assert "it is larger than 1 MB, more than any packet; nothing of it was loaded" in str(refused)
    assert landed_in(warehouse) == []


def test_a_packet_saved_as_utf16_is_recognised_and_loaded(warehouse, row, settings, tmp_path):
    file = tmp_path / "packet.json"
    file.write_bytes(json.dumps([dict.fromkeys(V2_COLUMNS) | row()]).encode("utf-16"))
    [(_, result)] = load_files(settings, [file])
    assert str(result).endswith("; read as UTF-16")
    assert warehouse.versions() == [(1, "281.15")]


def test_a_folder_and_a_missing_file_are_named(settings, tmp_path):
    [(_, folder), (_, missing)] = load_files(settings, [tmp_path, tmp_path / "déjà vu.csv"])
    assert str(folder) == f"{tmp_path} cannot be read (it is a folder): give the files in it"
    assert f"{tmp_path / 'déjà vu.csv'} cannot be read (No such file or directory)" in str(missing)


@pytest.mark.parametrize(
    "damage", [b"\x1f\x8bnot gzip", gzip.compress(b"lat;lon\n" * 50, mtime=0)[:-10]], ids=["garbage", "cut"]
)
def test_a_damaged_file_is_named(settings, tmp_path, damage):
    file = tmp_path / "damaged.csv.gz"
    file.write_bytes(damage)
    [(_, error)] = load_files(settings, [file])
    assert isinstance(error, FileUnreadable)
    assert "damaged.csv.gz cannot be read (its gzip data is damaged" in str(error)


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
        [(_, error)] = load_files(settings, [file])
        assert isinstance(error, FileRefused)
        assert re.search(r"all 2 rows .* not a time with Z or an offset; nothing of it was loaded", str(error))
    assert landed_in(warehouse) == []
    assert warehouse.versions() == []
    assert len(warehouse.rejected()) == 4
