"""The run's summary in Prefect's UI."""

import httpx
from prefect.artifacts import create_markdown_artifact

from ingestion.sources import SOURCES
from orchestration.build.run_dbt import Say
from orchestration.pipeline import RunSummary


def publish_summary(summary: RunSummary, say: Say) -> None:
    """Attach one Markdown artifact to the run: what came, how each dbt node ended, what is served.

    If the server is unreachable, log it: the run's work is done and must not fail for its report.
    """
    try:
        create_markdown_artifact(render_summary(summary), key="weather-hourly-summary", description=str(summary))
    except httpx.HTTPError as error:
        say(f"no summary in Prefect, whose server did not take it: {error}")


def render_summary(summary: RunSummary) -> str:
    snapshot = summary.snapshot
    title = str(summary).partition(":")[0]
    lines = [
        f"## {title[0].upper()}{title[1:]}",  # not capitalize(), which would lower-case the snapshot's id
        "",
        f"Source: **{SOURCES[summary.source].title}**",
        f"· newest observation: {snapshot.newest_observation if snapshot else 'none'}",
        f"· {summary.seconds:.1f} s",
        "",
        "| packet | seen | new | changed | unchanged | rejected | s |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for label, load in summary.loads.items():
        counts = load.counts
        lines.append(
            f"| {label} | {load.rows_seen:,} | {counts.new:,} | {counts.changed:,} | {counts.unchanged:,} "
            f"| {counts.rejected:,} | {load.seconds:.2f} |"
        )
    lines += [f"| {label} | not loaded: {why} | | | | | |" for label, why in summary.failures.items()]
    if summary.nodes:
        lines += ["", "| dbt node | kind | status | s |", "|---|---|---|--:|"]
        lines += [f"| {node.name} | {node.kind} | {node.status} | {node.seconds:.2f} |" for node in summary.nodes]
    return "\n".join(lines)
