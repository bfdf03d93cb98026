"""Hours that came one by one, late and corrected, end in the same marts as the same hours at once."""

import shutil

import duckdb
import pytest

from ingestion.paths import DataPaths
from orchestration.build.run_dbt import build_models
from orchestration.settings import get_settings

# When and by which load a row came, which is what differs between the two ways.
ABOUT_LOADS = ("load_id", "first_seen_at", "revised_at")


def marts_of(data_dir):
    with duckdb.connect(str(DataPaths(data_dir).build_file), read_only=True) as connection:
        tables = ("hourly_observations", "latest_observations", "daily_observations")
        columns = ", ".join(f"'{name}'" for name in ABOUT_LOADS)
        return {
            table: connection.execute(
                f"select columns(name -> name not in ({columns})) from marts.{table} order by all"
            ).fetchall()
            for table in tables
        }


@pytest.mark.xdist_group("replay")
def test_hourly_runs_end_in_the_same_marts_as_one_load_at_their_end(hours_as_they_came, hours_at_once, tmp_path):
    found = []
    for source in (hours_as_they_came, hours_at_once):
        copy = tmp_path / source.parent.name
        shutil.copytree(source, copy)
        build_models(get_settings(), DataPaths(copy))
        found.append(marts_of(copy))
    hourly, at_once = found
    assert len(hourly["hourly_observations"]) > 700
    assert hourly == at_once
    with duckdb.connect(str(DataPaths(tmp_path / hours_as_they_came.parent.name).build_file), read_only=True) as con:
        revised = con.execute(
            "select count(*), count(*) filter (revised_at > first_seen_at) from"
            " marts.hourly_observations where revised_at is not null"
        ).fetchone()
    assert revised[0] == revised[1] > 0
