"""What other projects left in the user's home leads nothing of ours elsewhere. For dbt: build/test_transform.py."""

import os
import subprocess
import sys
from pathlib import Path

from orchestration.settings import ROOT

_PROFILE = """
active = "work"
[profiles.work]
PREFECT_API_URL = "http://prefect.example/api"
PREFECT_API_KEY = "a-key-of-work"
PREFECT_API_AUTH_STRING = "admin:work"
PREFECT_LOGGING_LEVEL = "DEBUG"
PREFECT_LOGGING_TO_API_ENABLED = "false"
PREFECT_SERVER_DATABASE_CONNECTION_URL = "sqlite+aiosqlite:////nowhere/other.db"
"""
_PRINT = """
from orchestration.settings import export_prefect_settings
export_prefect_settings()
from prefect.settings import get_current_settings
found = get_current_settings()
print(found.api.url, found.api.key, found.api.auth_string, found.logging.level, found.logging.to_api.enabled)
print(found.server.database.connection_url)
"""


def settings_with(home: Path, **environment: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = {**kept, "HOME": str(home), **environment}
    command = [sys.executable, "-c", _PRINT]
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return ended.stdout.splitlines()


def test_a_prefect_profile_of_another_project_is_not_ours(tmp_path: Path):
    (tmp_path / ".prefect").mkdir()
    (tmp_path / ".prefect" / "profiles.toml").write_text(_PROFILE)
    settings, database = settings_with(tmp_path)
    assert settings == "http://127.0.0.1:4200/api None None INFO True"
    assert "/nowhere/" not in database


def test_a_profile_that_the_environment_names_is_used(tmp_path: Path):
    profiles = tmp_path / "ours.toml"
    profiles.write_text(_PROFILE)
    settings, _ = settings_with(tmp_path, PREFECT_PROFILES_PATH=str(profiles))
    # The address is a setting of ours. Secrets print as stars.
    assert settings == "http://127.0.0.1:4200/api ********** ********** DEBUG False"
