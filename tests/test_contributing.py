"""The recipe "A source" of CONTRIBUTING.md, followed to the letter in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(csv|python|yaml|sql|diff|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"(?:#|--) (\S+)\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy what a run needs."""
    copy = tmp_path / "girouette"
    for folder in ("ingestion", "orchestration", "weather_dbt", "profiles"):
        ignored = shutil.ignore_patterns("__pycache__", "target", "logs", ".user.yml")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    return copy


def test_a_source_made_by_the_recipe_reaches_the_marts(project: Path):
    recipe = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## A source\n")[2]
    commands = [_follow(project, kind, text) for kind, text in BLOCK.findall(recipe)]
    script = "\n".join(command for command in commands if command)
    result = subprocess.run(
        ["/bin/sh", "-ec", script.replace(".venv/bin/python", sys.executable)],
        cwd=project,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("METEOFRANCE", "DATA_DIR"))},
            "PYTHONPATH": str(project),
            "PREFECT_API_URL": "http://127.0.0.1:9/api",  # nobody listens: the run records itself nowhere
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    with duckdb.connect(project / "data-farm" / "warehouse.duckdb", read_only=True) as warehouse:
        warehouse.execute("set TimeZone = 'UTC'")
        hours = warehouse.execute(
            "select station_id, station_name, department_code, observed_at, temperature_c, precipitation_mm,"
            " humidity_pct, precipitation_3h_mm from marts.hourly_observations order by observed_at"
        ).fetchall()
        findings = warehouse.execute("select field, value, rule from meta.quality_findings").fetchall()
        place = warehouse.execute("select latitude, longitude, altitude_m, is_listed from marts.stations").fetchall()
    ferme = ("09900001", "LA FERME", "9")
    ten, eleven, twelve = (datetime(2026, 3, 10, hour, tzinfo=UTC) for hour in (10, 11, 12))
    assert hours == [
        (*ferme, ten, 8.4, 0.2, None, None),
        (*ferme, eleven, 9.1, 1.4, None, None),
        (*ferme, twelve, None, 0.0, None, 1.6),
    ]
    assert findings == [("temperature_c", "broken", "unreadable")]
    assert place == [(42.98, 1.15, 420.0, True)]


def _follow(project: Path, kind: str, text: str) -> str | None:
    """Do what a block says; return it when it is a command."""
    if kind == "sh":
        return text
    if kind == "diff":
        arguments = ["git", "apply", "--unidiff-zero", "-"]
        subprocess.run(arguments, cwd=project, input=text, text=True, check=True, timeout=30)
        return None
    named = NAMED.match(text)
    assert named, f"a block without its file's name: {text[:60]}"
    file = project / named[1]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text[named.end() :])
    return None
