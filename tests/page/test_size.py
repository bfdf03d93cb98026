"""The page of all of France stays small enough for a telephone's connection."""

import gzip
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from upstream import Upstream

from ingestion.departments import all_departments
from orchestration.pipeline import plain_steps, run_pipeline
from orchestration.settings import OrchestrationSettings

pytestmark = pytest.mark.slow


def test_two_thousand_stations_are_less_than_150_kilobytes(
    serve: Callable[[Path], TestClient], upstream: Upstream, data_dir: Path
):
    # All of France is asked for by the hours before now, and each small curve shows 24 of them.
    upstream.reset(now=datetime.now(UTC), retention_hours=25)
    ingestion = upstream.settings(data_dir)
    steps = plain_steps(ingestion, OrchestrationSettings(_env_file=None), "a-run", print)
    assert run_pipeline(all_departments(), steps, ingestion, print).is_published
    client = serve(data_dir)
    for query in ("", "?show=wind&lang=fr", "?show=snow&sort=-snow"):
        with client.stream("GET", f"/{query}", headers={"Accept-Encoding": "gzip"}) as answer:
            body = b"".join(answer.iter_raw())
        page = gzip.decompress(body).decode()
        assert len(re.findall(r"<circle cx", page)) > 1_900
        assert len(re.findall(r'<tr[^>]*><th scope="row">', page)) > 1_900
        assert len(body) < 150_000
