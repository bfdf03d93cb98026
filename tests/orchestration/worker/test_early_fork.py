"""The forkserver as a fork of the service: what it keeps of it, and what not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# In a process of its own: the forkserver is one per process.
_SCRIPT = """
import json, os, signal, sys, threading
from multiprocessing import forkserver
from pathlib import Path
import psutil
from orchestration.worker.worker import launcher

launcher._PRELOADED = "orchestration.settings"

def facts(how, folder):
    made = launcher.Launcher(Path(folder) / "runs.log")
    opened = (Path(folder) / "opened").open("w")
    awake = threading.Event()
    if how == "threads":
        threading.Thread(target=awake.wait).start()
    made.begin()
    begun = forkserver._forkserver._forkserver_pid
    made.preload()
    awake.set()
    server = psutil.Process(forkserver._forkserver._forkserver_pid)
    server.send_signal(signal.SIGINT)  # as Ctrl-C in the service's terminal does
    run = made.launch("0192f0c1-8d1e-7a55-9a39-5b1f6f0e2c11", {})
    run.join()
    found = {
        "is_begun": begun is not None,
        "is_warm": made.is_warm,
        "is_fork": server.cmdline() == psutil.Process().cmdline(),
        "files": [Path(file.path).name for file in server.open_files()],
        "children": len(psutil.Process().children(recursive=True)),
        "run": run.exitcode,
    }
    if how == "killed":
        print(json.dumps(found), server.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    made.stop()
    return found | {"is_left": server.is_running()}

if __name__ == "__main__":
    print(json.dumps(facts(*sys.argv[1:])))
"""


def run(how: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(_SCRIPT)
    command = [sys.executable, str(script), how, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("how", ["alone", "threads"])
def test_the_forkserver_is_a_fork_where_no_other_thread_is_in_its_way(tmp_path: Path, how: str):
    ended = run(how, tmp_path)
    found: dict[str, Any] = json.loads(ended.stdout)
    is_alone = how == "alone"
    # The forkserver is all there is beside: no process that tracks its resources. A run without a Prefect fails with 1.
    assert found == {
        "is_begun": is_alone,
        "is_warm": True,
        "is_fork": is_alone,
        "files": [],
        "children": 1,
        "run": 1,
        "is_left": False,
    }
    assert ended.stderr == ""


def test_a_forked_forkserver_ends_with_a_service_that_is_killed(tmp_path: Path):
    ended = run("killed", tmp_path)
    found, _, pid = ended.stdout.rpartition(" ")
    assert json.loads(found)["is_fork"]
    script = f"import psutil; psutil.wait_procs([psutil.Process({pid})], timeout=60)"
    subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert not Path(f"/proc/{int(pid)}").exists()


def test_dbts_locks_start_no_process():
    script = """
from multiprocessing import resource_tracker
import orchestration.build.dbt_events
from dbt.contracts.graph.manifest import Manifest
from dbt.mp_context import get_mp_context
kept = [get_mp_context().RLock(), get_mp_context().Lock(), Manifest()._lock]
print(resource_tracker._resource_tracker._fd)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["None"]
