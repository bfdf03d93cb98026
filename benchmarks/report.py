"""What the benchmarks measured: one table on the terminal, one JSON file beside them."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import psutil

from benchmarks.figures import RESULTS, write_figures

_PACKAGES = ("prefect", "dbt-core", "dbt-duckdb", "duckdb", "fastapi", "uvicorn", "orjson")


@dataclass(frozen=True)
class Result:
    """One quantity, measured several times."""

    name: str
    unit: str
    min: float
    median: float
    max: float
    runs: int

    @classmethod
    def of(cls, name: str, unit: str, values: Sequence[float]) -> "Result":
        """Summarise the values; raises StatisticsError when there are none."""
        digits = 3 if unit == "s" else 1
        rounded = [round(number, digits) for number in (min(values), statistics.median(values), max(values))]
        return cls(name, unit, rounded[0], rounded[1], rounded[2], len(values))


@dataclass(frozen=True)
class Ratio:
    """Two quantities of one run against each other, and what was aimed at."""

    name: str
    min: float
    median: float
    max: float
    aim: str
    is_met: bool


@dataclass
class Report:
    """Collects results and ratios. A run of some parts keeps the other parts' earlier figures; a whole run does not."""

    is_whole: bool = False

    results: dict[str, Result] = field(default_factory=dict)
    ratios: dict[str, Ratio] = field(default_factory=dict)

    def add(self, name: str, unit: str, values: Sequence[float]) -> None:
        """Note a quantity and say it."""
        result = self.results[name] = Result.of(name, unit, values)
        print(
            f"  {name:<44} {result.median:>12,.3f} {unit:<6} ({result.min:,.3f} to {result.max:,.3f}, {result.runs})",
            flush=True,
        )

    def compare(
        self, name: str, over: Sequence[float], under: Sequence[float], *, at_most: float = 0, at_least: float = 0
    ) -> None:
        """Note a ratio: of the medians, and the spread of the pairs measured one after the other."""
        pairs = [a / b for a, b in zip(over, under, strict=False)]
        median = statistics.median(over) / statistics.median(under)
        aim = f"≤ {at_most:g}" if at_most else f"≥ {at_least:g}"
        is_met = median <= at_most if at_most else median >= at_least
        ratio = Ratio(name, round(min(pairs), 2), round(median, 2), round(max(pairs), 2), aim, is_met)
        self.ratios[name] = ratio
        print(
            f"  {name:<44} {ratio.median:>12,.2f}        ({ratio.min:,.2f} to {ratio.max:,.2f}); aim {aim}", flush=True
        )

    def write(self) -> None:
        """Write benchmarks/results.json, and its tables into docs/performance.md."""
        has_before = RESULTS.exists() and not self.is_whole
        before: dict[str, Any] = json.loads(RESULTS.read_text()) if has_before else {}
        results = {result["name"]: result for result in before.get("results", [])}
        results |= {name: asdict(result) for name, result in self.results.items()}
        spreads = {ratio["name"]: ratio for ratio in before.get("ratio_spreads", [])}
        spreads |= {name: asdict(ratio) for name, ratio in self.ratios.items()}
        document = {
            "machine": machine(),
            "results": list(results.values()),
            "ratios": {name: spread["median"] for name, spread in spreads.items()},
            "ratio_spreads": list(spreads.values()),
        }
        RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        write_figures()


def machine() -> dict[str, Any]:
    """Tell what it was measured on."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
    }
