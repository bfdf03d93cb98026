"""The whole run, without a Prefect server: what it publishes, and what it leaves alone when it fails."""

import re
from dataclasses import replace

import duckdb
import pytest
import stamina

from ingestion.__main__ import main as ingest
from ingestion.demo.faults import Fault, FaultKind
from ingestion.errors import SourceMismatch
from orchestration import pipeline
from orchestration.__main__ import main as step
from orchestration.errors import BuildFailed, IngestionFailed
from orchestration.flow_prefect import main as flow_main
from orchestration.settings import get_settings
from orchestration.snapshots.snapshots import kept_snapshots, record_check, roll_back, served_snapshot


@pytest.fixture(autouse=True)
def no_waiting():
    with stamina.set_testing(True, attempts=1, cap=True):
        yield


def test_a_run_with_news_publishes_them(published, run, later, query):
    later()
    summary = run()
    assert re.fullmatch(
        r"snapshot 000002-\d{8}T\d{6}Z published: \d+ new and \d+ changed rows, \d+ dbt nodes, "
        r"source meteofrance, \d+\.\d s",
        str(summary),
    )
    assert summary.rows_new > 20
    assert all(node.is_good for node in summary.nodes)
    assert served_snapshot(published) == summary.snapshot
    assert summary.snapshot.newest_observation == "2026-11-20T07:00:00Z"
    [(hours,)] = query(published.published, "select count(*) from marts.hourly_observations")
    assert query(published.published, "select count(distinct (geo_id_insee, observed_at)) from raw.observations") == [
        (hours,)
    ]


def test_every_packet_and_every_dbt_node_is_said_with_its_numbers(published, run, later):
    later()
    said = "\n".join(run().said)
    assert re.search(r"^station list: [\d,]+ rows seen: ", said, re.MULTILINE)
    assert re.search(r"^Ariège \(9\): [\d,]+ rows seen: [\d,]+ new, \d+ changed", said, re.MULTILINE)
    assert re.search(r"^dbt: success model hourly_observations \(\d+\.\d\d s\)$", said, re.MULTILINE)
    assert re.search(r"^dbt: pass test assert_hours_are_conserved", said, re.MULTILINE)


def test_without_news_nothing_is_built_and_the_manifest_records_the_check(published, run):
    before = replace(served_snapshot(published), checked_at="2026-01-01T00:00:00+00:00")
    record_check(published, before)
    before = replace(before, checked_at="2026-01-01T00:00:00+00:00")
    file = published.published.resolve()
    content = file.read_bytes()
    summary = run()
    assert str(summary).startswith(f"nothing new; snapshot {before.id} stays served: 0 new and 0 changed rows, 0 dbt")
    assert summary.nodes == []
    after = served_snapshot(published)
    assert after.checked_at > "2026-11"
    assert replace(after, checked_at=before.checked_at) == before
    assert file.read_bytes() == content
    assert len(kept_snapshots(published)) == 1


def test_without_news_a_rolled_back_snapshot_stays_served_and_the_next_news_publish_anew(published, run, later):
    first = served_snapshot(published).id
    later()
    run()
    roll_back(published, first)
    assert run().snapshot.id == first
    assert served_snapshot(published).id == first
    later(4)
    assert run().snapshot.sequence == 3


def test_a_full_run_builds_without_news(published, run):
    summary = run(full=True)
    assert summary.is_published
    assert summary.nodes
    assert summary.snapshot.sequence == 2


def test_one_department_that_fails_is_named_and_the_others_are_published(published, run, upstream, later, query):
    later()
    upstream.reset(Fault(FaultKind.SERVER_ERROR, department="31", times=None), now=upstream.now, retention_hours=14)
    summary = run("9", "31", "65")
    assert summary.is_published
    assert list(summary.failures) == ["Haute-Garonne (31)"]
    assert "; not loaded: Haute-Garonne (31) (Météo-France did not answer properly in 1 try over 0 s (last: 500" in str(
        summary
    )
    assert any(line.startswith("Haute-Garonne (31): Météo-France did not answer") for line in summary.said)
    assert summary.snapshot.departments == ["9", "65"]


def test_a_station_list_that_fails_does_not_stop_the_observations(published, run, upstream, later):
    later()
    upstream.reset(Fault(FaultKind.HTML_PAGE, path="liste-stations"), now=upstream.now)
    summary = run()
    assert summary.is_published
    assert list(summary.failures) == ["station list"]


def test_when_every_department_fails_the_run_fails_and_the_last_snapshot_stays_served(published, run, upstream):
    before = served_snapshot(published)
    upstream.reset(Fault(FaultKind.FORBIDDEN, path="paquet", times=None))
    with pytest.raises(
        IngestionFailed, match=r"nothing could be fetched: Ariège \(9\): this token has no subscription"
    ):
        run()
    assert served_snapshot(published) == before


def test_the_command_ends_with_1_and_one_line_when_nothing_could_be_fetched(published, upstream, capsys):
    upstream.reset(Fault(FaultKind.UNAUTHORIZED, times=None))
    assert flow_main(["--mode", "run", "--dept", "9"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: nothing could be fetched: station list: Météo-France's token was refused")
    assert error.count("\n") == 1


def test_the_command_ends_with_0_and_a_line_that_names_the_snapshot(published, later, capsys):
    later()
    assert flow_main(["--mode", "run", "--dept", "Ariège"]) == 0
    assert "snapshot 000002-" in capsys.readouterr().out.splitlines()[-1]


def test_a_mistyped_department_ends_the_command_before_anything_is_asked(upstream, capsys):
    assert flow_main(["--mode", "run", "--dept", "Arriège-sur-Lez"]) == 1
    assert "is not a département" in capsys.readouterr().err
    assert upstream.requests == []


def test_a_failed_dbt_test_publishes_nothing_loses_nothing_and_is_named(published, run, later, spoil_raw, query):
    before = served_snapshot(published)
    later()
    spoil_raw()
    with pytest.raises(BuildFailed, match=r"assert_hours_are_conserved.*the last snapshot stays served") as raised:
        run()
    assert "assert_hours_are_conserved" in raised.value.failed
    assert served_snapshot(published) == before
    assert len(kept_snapshots(published)) == 1
    assert query(published.build_file, "select passed from meta.builds order by build_id") == [(True,), (False,)]
    assert query(published.build_file, "select count(*) > 0 from raw.observations where load_id > 2") == [(True,)]
    assert step(["publish"]) == 1
    # Without news either, until what is wrong was put right.
    with pytest.raises(BuildFailed):
        run()
    with duckdb.connect(str(published.build_file)) as connection:
        connection.execute("create temp table kept as select distinct * from raw.observations")
        connection.execute("delete from raw.observations; insert into raw.observations from kept")
    assert run().is_published


def test_the_steps_by_hand_build_and_publish_what_was_ingested(published, later, capsys):
    later()
    assert ingest(["--dept", "9"]) == 0
    assert step(["build"]) == 0
    assert step(["publish"]) == 0
    assert "snapshot 000002-" in capsys.readouterr().out.splitlines()[-1]


def test_a_rebuild_from_the_landing_zone_publishes_the_same_values(published, run, later, measured):
    later()
    run()
    before = measured(published.published)
    assert step(["rebuild"]) == 0
    assert served_snapshot(published).sequence == 3
    assert measured(published.published) == before


@pytest.mark.parametrize("damaged", [1, None], ids=["one", "every"])
def test_a_rebuild_from_damaged_payloads_replaces_nothing_unless_forced(published, capsys, measured, damaged):
    before, build_file = measured(published.published), published.build_file.read_bytes()
    for payload in sorted(published.landing.rglob("*paquet-horaire*.gz"))[:damaged]:
        payload.write_bytes(b"")
    assert step(["rebuild"]) == 1
    assert "station-hours of the build file are not in" in capsys.readouterr().err
    assert published.build_file.read_bytes() == build_file
    assert measured(published.published) == before
    assert not list(published.root.glob(".rebuild-*"))


def test_a_rebuild_takes_the_warehouses_source_whatever_the_shell_says(published, monkeypatch, measured):
    before = measured(published.published)
    monkeypatch.delenv("METEOFRANCE_TOKEN", raising=False)
    monkeypatch.setenv("METEOFRANCE_SOURCE", "demo")
    assert step(["rebuild"]) == 0
    assert measured(published.published) == before


def test_a_publication_that_lost_hours_is_refused_unless_forced(published, capsys, query):
    with duckdb.connect(str(published.build_file)) as connection:
        connection.execute(
            "delete from marts.hourly_observations"
            " where station_id in (select min(station_id) from marts.hourly_observations)"
        )
    before = served_snapshot(published)
    assert step(["publish"]) == 1
    assert "nothing was published" in capsys.readouterr().err
    assert served_snapshot(published) == before
    assert step(["publish", "--force"]) == 0
    assert served_snapshot(published).sequence == before.sequence + 1


def test_after_a_rebuild_that_was_not_published_news_are_not_taken_for_old(published, run, later, monkeypatch):
    run()
    run()  # loads without news, which a rebuild does not number

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as at:
        at.setattr("orchestration.__main__.build", killed)
        with pytest.raises(KeyboardInterrupt):
            step(["rebuild"])
    later()
    assert run().is_published


def test_a_lost_build_file_costs_nothing(published, run, measured):
    before = measured(published.published)
    published.build_file.unlink()
    assert run().is_published
    assert measured(published.published) == before


def test_a_run_on_the_other_sources_warehouse_is_refused(published, run, upstream, monkeypatch):
    monkeypatch.setenv("METEOFRANCE_SOURCE", "demo")
    pipeline_settings = upstream.settings(published.root).model_copy(update={"meteofrance_source": "demo"})
    before = served_snapshot(published)
    steps = pipeline.plain_steps(pipeline_settings, None, None, print)
    with pytest.raises(SourceMismatch, match="holds data from the source `meteofrance`"):
        pipeline.run_pipeline([], steps, pipeline_settings, print)
    assert served_snapshot(published) == before


def test_a_run_without_news_deletes_what_a_killed_one_left_over_the_limit(published, run, later, monkeypatch):
    monkeypatch.setenv("SNAPSHOTS_KEEP", "2")
    get_settings.cache_clear()
    with monkeypatch.context() as at:
        at.setattr("orchestration.snapshots.publish.discard_old", lambda *_: [])
        for hours in (1, 2):
            later(hours)
            assert run().is_published
    assert len(kept_snapshots(published)) == 3
    assert not run().is_published
    assert [manifest.sequence for manifest in kept_snapshots(published)] == [2, 3]
