"""The figures of docs/performance.md, written from results.json by `make bench`."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
_BLOCK = re.compile(r"(?<=<!-- figures of make bench -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
_WORDS = {  # the beginning of a ratio's name
    "published_vs_floor": "the service to a warm process without an orchestrator",
    "published_vs_sql": "the service to the models' SQL alone",
    "classic_vs_published": "the classic way to the service",
    "read_cached_vs_constant": "cached reads to a constant body of the same size",
    "read_latest_vs_tutorial": "uncached latest of a département to a tutorial's endpoint",
    "read_p99_publishing_vs_rest": "p99 of cached reads while something publishes on and on, to p99 at rest",
    "read_p99_beside_run_vs_rest": "p99 of cached reads beside a run, to p99 at rest",
    "readers_three_vs_one": "requests/s of three readers at once, with pauses, to those of one",
    "read_p99_laying_vs_rest": "p99 of cached reads while a reader lays a snapshot again and again, to p99 at rest",
    "idle_memory_vs_750_mb": "memory at rest to 750 MB",
    "idle_cpu_vs_3_percent": "CPU at rest to 3 % of a core",
    "load_vs_read_csv": "landing to tested marts, to DuckDB's `read_csv` of the same files",
    "growth_1y_vs_1m": "a new hour of all France after a year, to after a month",
    "growth_10y_vs_1m": "a new hour of all France after ten years, to after a month",
    "france_days_vs_30_min": "all of France's days, 134 million rows, to 30 minutes",
    "full_build_vs_150_s": "CPU of a full build of 1.2 million hours, to 150 s",
    "full_build_vs_1500_mb": "memory of a full build of 1.2 million hours, to 1.5 GB",
    "full_build_twice_vs_once": "CPU of a full build of twice the hours, to once",
    "new_hour_with_archive": "a new hour of all France with the archive behind it, to without",
}
_READ = re.compile(r"(.*): (?:requests|p50|p99|size)")


def write_figures() -> None:
    """Put the results' tables into the page."""
    PAGE.write_text(_BLOCK.sub(lambda _: figures(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def figures_of_page() -> str:
    """Return what the page has between its two marks; raises ValueError without them."""
    found = _BLOCK.search(PAGE.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{PAGE.name} has lost its marks")
    return found[0]


def figures() -> str:
    """Write the results as Markdown: the ratios with their aims, what was measured, the reads."""
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    machine, results = document["machine"], document["results"]
    engines = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    where = f"{machine['cores']} cores, {machine['memory_gib']} GiB, Python {machine['python']}, {engines}"
    ratios = (
        f"| {_in_words(ratio['name'])} | {_spread(ratio)} | {ratio['aim']}{'' if ratio['is_met'] else ', **missed**'} |"
        for ratio in document["ratio_spreads"]
    )
    measured = (
        f"| {result['name']} | {_spread(result)} {result['unit']} | {result['runs']} |"
        for result in results
        if not _READ.fullmatch(result["name"])
    )
    return "\n".join(
        [
            "",
            f"Measured on {machine['measured_at'][:10]}: {where}. Medians (minimum to maximum).",
            "",
            *_table("| ratio | measured | aim |", "|---|---|---|", ratios),
            "",
            *_table("| quantity | measured | times |", "|---|---|--:|", measured),
            "",
            *_table("| read | requests/s | p50, ms | p99, ms |", "|---|---|---|---|", _reads(results)),
            "",
            "",
        ]
    )


def _reads(results: list[dict[str, Any]]) -> Iterable[str]:
    by_name = {result["name"]: result for result in results}
    names = dict.fromkeys(found[1] for name in by_name if (found := _READ.fullmatch(name)))
    for name in names:
        if f"{name}: requests" in by_name:
            values = (_spread(by_name[f"{name}: {quantity}"]) for quantity in ("requests", "p50", "p99"))
            yield f"| {name} | {' | '.join(values)} |"


def _in_words(name: str) -> str:
    start, colon, kind = name.partition(":")
    base = start.removesuffix("_france")
    words = _WORDS.get(base, base) + (", all of France" if base != start else "")
    return f"{words}: {kind.strip()}" if colon else words


def _table(head: str, rule: str, rows: Iterable[str]) -> list[str]:
    return [head, rule, *rows]


def _spread(figure: dict[str, Any]) -> str:
    median, least, most = (_shown(figure[name]) for name in ("median", "min", "max"))
    return median if least == most else f"{median} ({least} to {most})"


def _shown(value: float) -> str:
    """Six digits, or all digits of a large number."""
    return f"{value:,.0f}" if value >= 1e6 else f"{value:,.6g}"
