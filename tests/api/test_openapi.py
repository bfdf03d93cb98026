"""schemathesis over the OpenAPI document of a running service: no 5xx, no undocumented answer."""

import subprocess
import sys

import pytest
from running_service import KEY, ROOT, RunningService

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("service")]


def test_every_answer_is_a_documented_one(service: RunningService):
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{service.port}/openapi.json"]
    command += ["--max-examples", "30", "--continue-on-failure", "--seed", "1", "--header", f"X-API-Key: {KEY}"]
    # What is refused without a key is tested elsewhere. And a cron, a cursor or an idempotency key may be refused,
    # with a documented 422, for reasons that no schema can hold.
    command += ["--exclude-checks", "ignored_auth,positive_data_acceptance"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500, check=False)
    service.http.patch("/schedule", json={"active": True, "cron": "0 * * * *", "departments": ["9", "31"]})
    assert ended.returncode == 0, ended.stdout[-8000:]
