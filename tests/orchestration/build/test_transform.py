"""dbt in this process: what its nodes say, what its failures say, and that it lets go of the file."""

import os
import shutil
import subprocess
import sys

import pytest
from run_fixtures import query_file

from orchestration.build import run_dbt
from orchestration.build.run_dbt import NodeResult, build_models, has_packages, project_digest, run_command
from orchestration.errors import BuildFailed
from orchestration.settings import DBT_PROJECT, get_settings
from orchestration.snapshots.publish import is_up_to_date


def test_a_node_is_one_line_with_the_reason_only_when_it_failed():
    assert str(NodeResult("stations", "model", "success", 0.5, "OK")) == "success model stations (0.50 s)"
    failed = NodeResult("assert_x", "test", "fail", 0.25, "Got 2 results, configured to fail if != 0")
    assert str(failed) == "fail test assert_x (0.25 s): Got 2 results, configured to fail if != 0"
    assert not failed.is_good


def test_a_command_dbt_cannot_run_says_why(published):
    with pytest.raises(BuildFailed, match=r"dbt failed .*no-such-profiles") as raised:
        run_command(
            ["compile"],
            get_settings().model_copy(update={"dbt_profiles_dir": published.root / "no-such-profiles"}),
            published,
        )
    assert raised.value.failed == ()


# What the shell of another dbt project may hold, each of which would change a build of ours.
OTHER_PROJECT = {
    "DBT_TARGET": "prod",
    "DBT_PROFILE": "other",
    "DBT_PROJECT_DIR": "/nowhere",
    "DBT_TARGET_PATH": "/nowhere",
    "DBT_EMPTY": "1",
    "DBT_ENGINE_EMPTY": "1",
    "DBT_EXCLUDE_RESOURCE_TYPES": "test",
    "DBT_FULL_REFRESH": "1",
    "DBT_WARN_ERROR": "1",
    "DBT_STORE_FAILURES": "1",
}


def test_options_of_another_dbt_project_change_no_build(published, monkeypatch):
    def build() -> tuple[list[str], int]:
        nodes = build_models(get_settings(), published)
        return sorted(node.name for node in nodes), query_file(
            published.build_file, "select count(*) from marts.hourly_observations"
        )[0][0]

    names, rows = build()
    for name, value in OTHER_PROJECT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DBT_ENV_SECRET_OF_A_PROFILE", "kept")
    assert build() == (names, rows)
    assert rows > 0
    assert any(name.startswith("assert_") for name in names)
    assert {name: os.environ[name] for name in OTHER_PROJECT} == OTHER_PROJECT  # given back


def test_after_dbt_another_process_can_open_the_build_file(published):
    run_command(["show", "--inline", "select 1"], get_settings(), published)
    code = f"import duckdb; duckdb.connect({str(published.build_file)!r}).close()"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_change_of_the_dbt_project_asks_for_a_build(published, monkeypatch):
    assert is_up_to_date(published)
    monkeypatch.setattr("orchestration.snapshots.publish.project_digest", lambda: "another")
    assert not is_up_to_date(published)
    assert len(project_digest()) == 16
    assert not has_packages()


def test_a_warehouse_without_a_served_snapshot_is_not_up_to_date(published):
    published.published.unlink()
    assert not is_up_to_date(published)


def test_a_config_that_the_materialization_does_not_honour_stops_the_build(published, tmp_path, monkeypatch):
    project = shutil.copytree(DBT_PROJECT, tmp_path / "project")
    model = project / "models" / "marts" / "stations.sql"
    model.write_text("{{ config(indexes=[{'columns': ['station_id']}]) }}\n" + model.read_text())
    monkeypatch.setattr(run_dbt, "DBT_PROJECT", project)
    with pytest.raises(BuildFailed, match="config 'indexes' is not supported"):
        build_models(get_settings(), published)
