"""schemathesis over the OpenAPI document of a running service: no 5xx, no undocumented answer."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, RunningService

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prefect")]


def test_every_answer_is_a_documented_one(prefect_server: str, tmp_path: Path):
    service = RunningService(
        tmp_path / "data", prefect_server, API_KEYS="the-key", RATE_LIMIT_CHANGES="99999/minute", SHUTDOWN_SECONDS="0"
    )
    try:
        service.until_ready()
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{service.port}/openapi.json"]
        command += ["--header", "X-API-Key: the-key", "--max-examples", "30", "--continue-on-failure", "--seed", "1"]
        # A stream lasts as long as its run: following one that was made up is a 404 and is tested elsewhere.
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False)
        assert ended.returncode == 0, ended.stdout[-8000:]
    finally:
        service.stop()
