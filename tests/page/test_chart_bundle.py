"""The chart program, written by a process of its own."""

import gzip
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil

from api.page.chart_bundle import ensure_bundle


def writer() -> psutil.Process | None:
    """The child that writes the program."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if "api.page.chart_bundle" in child.cmdline():
                return child
    return None


def test_ctrl_c_does_not_reach_who_writes_the_chart_program(tmp_path: Path):
    with ThreadPoolExecutor(1) as threads:
        made = threads.submit(ensure_bundle, tmp_path / "page")
        while (child := writer()) is None:
            assert not made.done()
            time.sleep(0.01)
        assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
        assert b"vegaEmbed" in gzip.decompress(made.result().read_bytes())
