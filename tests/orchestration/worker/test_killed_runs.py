"""kill -9 of a real run at its worst moments, then another run: nothing lost, nothing doubled."""

import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from upstream import NOW

from ingestion.paths import DataPaths
from orchestration.settings import ROOT
from orchestration.snapshots.snapshots import kept_snapshots, served_snapshot


@pytest.fixture
def start(published, upstream):
    """Start the flow's command as a user would."""
    started = []

    def run():
        environment = {
            **os.environ,
            **upstream.environment,
            "DATA_DIR": str(published.root),
            "PREFECT_API_URL": "http://127.0.0.1:9/api",
            "CLOSE_ABOVE_MB": "1",
        }
        command = [sys.executable, str(ROOT / "orchestration" / "flow_prefect.py"), "--mode", "run", "--dept", "9"]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def undisturbed(first_run, upstream_server, run_pipeline_once, tmp_path_factory):
    """What the same two runs leave when nobody kills them."""
    data_dir = tmp_path_factory.mktemp("undisturbed") / "data"
    shutil.copytree(first_run, data_dir, symlinks=True)
    move_on(upstream_server)
    run_pipeline_once(upstream_server.settings(data_dir), "9")
    return DataPaths(data_dir)


def move_on(upstream):
    upstream.reset(now=NOW + timedelta(hours=2), retention_hours=14)


def when_landed(process, paths, known):
    """During ingestion: the payload is on disk, and raw does not hold it yet."""
    while process.poll() is None and not set(paths.landing.rglob("*paquet-horaire*.gz")) - known:
        time.sleep(0.0005)


def when_building(process, paths, known):
    """During dbt: some models are made anew, others are not."""
    for line in process.stdout:
        if "dbt: success model" in line and "affected" not in line:
            return


def when_publishing(process, paths, known):
    """During publish: the new snapshot's folder is there."""
    while process.poll() is None and len(list(paths.snapshots.iterdir())) == 1:
        time.sleep(0.0005)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(when_landed, marks=pytest.mark.slow),
        when_building,
        pytest.param(when_publishing, marks=pytest.mark.slow),
    ],
)
def test_after_a_kill_the_next_run_ends_where_an_undisturbed_one_does(
    published, start, upstream, undisturbed, measured, query, run, moment
):
    first = served_snapshot(published).id
    move_on(upstream)
    known = set(published.landing.rglob("*paquet-horaire*.gz"))
    process = start()
    moment(process, published, known)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"

    # What is served is whole, whichever snapshot it is.
    served = served_snapshot(published)
    assert moment is when_publishing or served.id == first
    for table, rows in served.row_counts.items():
        assert query(published.published, f"select count(*) from {table}") == [(rows,)]

    summary = run()
    assert summary.snapshot == served_snapshot(published)
    assert measured(published.published) == measured(undisturbed.published)
    assert query(published.published, "select count(*) from (from raw.observations) where version = 1") == query(
        published.published, "select count(distinct (geo_id_insee, observed_at)) from raw.observations"
    )
    assert query(
        published.published, "select sum(rows_new + rows_changed) from meta.loads where department_code = '9'"
    ) == query(published.published, "select count(*) from raw.observations")
    assert {path.name for path in published.snapshots.iterdir()} == {m.id for m in kept_snapshots(published)}
    assert not run().is_published
