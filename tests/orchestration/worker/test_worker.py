"""Where run processes come from: warm, cold, and after the forkserver died."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from orchestration.worker.rehearsal import FOLDER

# In a process of its own: the forkserver is one per process, and keeps what it was told to preload.
_SCRIPT = """
import logging, os, signal, sys, time
from pathlib import Path
import orchestration.worker.launcher as launcher

logging.basicConfig(level=logging.WARNING)
if sys.argv[2] == "broken":
    launcher._PRELOADED = "orchestration.no_such_module"
if sys.argv[2] == "killed":
    launcher._PRELOADED = "orchestration.settings"  # what a forkserver had in its memory dies with it
if __name__ == "__main__":
    made = launcher.Launcher(Path(sys.argv[1]))
    made.preload()
    print("warm", made.is_warm)
    if sys.argv[2] == "killed":
        import psutil
        [server] = [child for child in psutil.Process().children() if "forkserver" in " ".join(child.cmdline())]
        server.kill()
        time.sleep(1)
    run = made.launch("0192f0c1-8d1e-7a55-9a39-5b1f6f0e2c11", {"MARK": "here"}, "weather_hourly_pipeline")
    wanted = [run.pid, os.getsid(0), sorted(os.sched_getaffinity(0))[1:] or sorted(os.sched_getaffinity(0))]
    found = None
    while found != wanted:  # fails when the run has ended without
        time.sleep(0.002)
        found = [os.getpgid(run.pid), os.getsid(run.pid), sorted(os.sched_getaffinity(run.pid))]
    print("a group of its own, off the first core")
    run.join()
    print("ended", run.exitcode)
"""


@pytest.mark.parametrize(
    ("how", "is_warm"), [pytest.param("well", True, marks=pytest.mark.slow), ("broken", False), ("killed", True)]
)
def test_a_run_starts_warm_or_cold_but_starts(tmp_path: Path, how: str, is_warm: bool):
    script = tmp_path / "launch.py"
    script.write_text(_SCRIPT)
    log = tmp_path / "logs" / "runs.log"
    ended = subprocess.run(
        [sys.executable, str(script), str(log), how], capture_output=True, text=True, timeout=300, check=False
    )
    assert f"warm {is_warm}" in ended.stdout, ended.stderr
    # Nobody answers for Prefect: the run process starts, says so in the log, and fails by itself.
    assert "ended 1" in ended.stdout, ended.stderr
    assert "a group of its own, off the first core" in ended.stdout
    assert "ConnectError" in log.read_text()
    if how == "broken":
        assert "runs start cold" in ended.stderr


_STOPPED = """
import os, sys, threading, time
from pathlib import Path
from orchestration.worker.launcher import Launcher
from orchestration.worker.rehearsal import FOLDER

if __name__ == "__main__":
    threading.Thread(target=Launcher(Path("runs.log")).preload, daemon=True).start()
    while not list(Path(sys.argv[1]).glob(f"{FOLDER}*/build/*")):
        time.sleep(0.02)
    os._exit(0)  # as a killed service ends
"""


@pytest.mark.slow
def test_a_forkserver_that_rehearses_ends_with_its_service(tmp_path: Path):
    script = tmp_path / "stop.py"
    script.write_text(_STOPPED)
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    command = [sys.executable, str(script), str(tmp_path)]
    subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    deadline = time.monotonic() + 5  # the whole rehearsal takes longer
    while left := [
        p.info["pid"]
        for p in psutil.process_iter(["pid", "environ"])
        if (p.info["environ"] or {}).get("TMPDIR") == str(tmp_path)
    ]:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert not list(tmp_path.glob(f"{FOLDER}*"))


def test_an_ordinary_prefect_worker_registers_beside_ours():
    from prefect.utilities.dispatch import get_registry_for_type
    from prefect.workers.base import BaseWorker
    from prefect.workers.process import ProcessWorker

    from orchestration.worker.worker import WarmWorker

    registry = get_registry_for_type(BaseWorker) or {}
    assert registry["process"] is ProcessWorker
    assert WarmWorker.type == ProcessWorker.type
