"""The run's summary: a report, for which no run fails."""

from contextlib import nullcontext

import httpx
import pytest

from ingestion.departments import resolve_all
from ingestion.load_log import LoadResult
from ingestion.merge import MergeCounts
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


def test_the_last_line_tells_what_was_odd_about_the_packets(summary: RunSummary):
    nothing = MergeCounts(new=0, changed=0, unchanged=3, rejected=0)
    for number in range(1, 6):
        remarks = (f"{number} rows are older than what is known and change nothing",)
        summary.loads[f"packet {number}"] = LoadResult(number, 3, nothing, 0.01, remarks=remarks)
    line = str(summary)
    assert "; packet 1: 1 rows are older than what is known and change nothing; packet 2: " in line
    assert line.endswith("; packet 3: 3 rows are older than what is known and change nothing; 2 more remarks")
