"""`make bench`: measure, print one table, write benchmarks/results.json. `--only runs` measures one part."""

import argparse
import json
from collections.abc import Callable

from benchmarks.archive_hours import measure_archive_hours
from benchmarks.climate import measure_climate
from benchmarks.france_days import measure_france_days
from benchmarks.full_build import measure_full_build
from benchmarks.growth import measure_growth
from benchmarks.idle import measure_idle
from benchmarks.loading import measure_loading
from benchmarks.new_hour import measure_new_hour
from benchmarks.readers import measure_readers
from benchmarks.reads import measure_reads
from benchmarks.reads_beside_runs import measure_reads_beside_runs
from benchmarks.report import Report, machine
from benchmarks.runs import measure_runs
from benchmarks.watching import measure_watching

PARTS: dict[str, Callable[[Report, argparse.Namespace], None]] = {
    "runs": lambda report, options: measure_runs(report, rounds=options.rounds, classic_rounds=options.classic_rounds),
    "reads": lambda report, options: measure_reads(report, rounds=options.read_rounds),
    "beside": lambda report, options: measure_reads_beside_runs(report, rounds=options.read_rounds),
    "readers": lambda report, options: measure_readers(report, rounds=options.read_rounds),
    "idle": lambda report, _: measure_idle(report, rounds=3, minutes=2),
    "loading": lambda report, options: measure_loading(report, days=options.days),
    "france": lambda report, _: measure_runs(report, rounds=3, classic_rounds=1, dept="all"),
    "climate": lambda report, options: measure_climate(report, rounds=options.rounds),
    "hours": lambda report, _: measure_archive_hours(report, rounds=3),
    "new_hour": lambda report, _: measure_new_hour(report, rounds=5),
    "full_build": lambda report, options: measure_full_build(report, rounds=2, share=options.share),
    "france_days": lambda report, options: measure_france_days(report, share=options.share),
    "watches": lambda report, options: measure_watching(report, rounds=options.rounds),
    "growth": lambda report, options: measure_growth(report, rounds=3, ten_years=options.ten_years),
}


def main() -> None:
    """Run the parts asked for, one after another on an otherwise idle machine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="one part; repeats (default: all of them)")
    parser.add_argument("--rounds", type=int, default=10, help="runs of each way")
    parser.add_argument("--classic-rounds", type=int, default=3, help="runs of the classic way, which take long")
    parser.add_argument("--read-rounds", type=int, default=3, help="times each read is put under load")
    parser.add_argument("--days", type=int, default=10, help="days of all France to load")
    parser.add_argument("--ten-years", action="store_true", help="growth to ten years too: 40 GB and half an hour")
    parser.add_argument("--share", type=int, default=1, help="full_build, france_days: a part of their rows")
    options = parser.parse_args()
    print(json.dumps(machine(), indent=1, ensure_ascii=False))
    report = Report(is_whole=not options.only)
    for name in options.only or PARTS:
        PARTS[name](report, options)
        report.write()


if __name__ == "__main__":
    main()
