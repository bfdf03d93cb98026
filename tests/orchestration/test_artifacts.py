"""The run's summary: a report, for which no run fails."""

from contextlib import nullcontext

import httpx
import pytest

from ingestion.departments import resolve_all
from orchestration import artifacts
from orchestration.pipeline import RunSummary


@pytest.fixture
def summary() -> RunSummary:
    return RunSummary("demo", resolve_all(["9"]))


@pytest.mark.parametrize(
    ("error", "is_told"),
    [(httpx.ConnectError("refused"), True), (httpx.ReadTimeout("hung"), True), (KeyError(), False)],
)
def test_only_a_server_that_is_away_is_no_reason_to_fail(
    summary: RunSummary, monkeypatch: pytest.MonkeyPatch, error: Exception, is_told: bool
):
    said: list[str] = []

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(artifacts, "create_markdown_artifact", fail)
    with nullcontext() if is_told else pytest.raises(KeyError):
        artifacts.publish_summary(summary, said.append)
    assert said == ([f"no summary in Prefect, whose server did not take it: {error}"] if is_told else [])
