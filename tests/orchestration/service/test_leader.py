import subprocess
import sys
import time
from pathlib import Path

from ingestion.paths import DataPaths
from orchestration.service.leader import Leadership

_LEAD = """
import sys, time
from pathlib import Path
from ingestion.paths import DataPaths
from orchestration.service.leader import Leadership
leadership = Leadership(DataPaths(Path(sys.argv[1])))  # the lock goes with the object
print(leadership.try_acquire(), flush=True)
time.sleep(600)
"""


def start_contender(data_dir: Path) -> tuple[subprocess.Popen[str], bool]:
    contender = subprocess.Popen([sys.executable, "-c", _LEAD, str(data_dir)], stdout=subprocess.PIPE, text=True)
    assert contender.stdout is not None
    return contender, contender.stdout.readline().strip() == "True"


def end(contender: subprocess.Popen[str]) -> None:
    contender.kill()
    contender.communicate()


def test_of_several_processes_one_leads(data_dir: Path):
    started = [start_contender(data_dir) for _ in range(3)]
    try:
        assert [leads for _, leads in started] == [True, False, False]
        assert Leadership(DataPaths(data_dir)).holder()["pid"] == started[0][0].pid
    finally:
        for contender, _ in started:
            end(contender)


def test_a_killed_leader_is_followed(data_dir: Path):
    leader, leads = start_contender(data_dir)
    follower = Leadership(DataPaths(data_dir))
    assert leads
    assert not follower.try_acquire()
    end(leader)
    deadline = time.monotonic() + 30
    while not follower.try_acquire():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert follower.is_held
    follower.release()
    assert not follower.is_held


def test_leadership_given_back_can_be_taken_again(paths: DataPaths):
    one, other = Leadership(paths), Leadership(paths)
    assert one.try_acquire()
    assert one.try_acquire()
    assert not other.try_acquire()
    one.release()
    assert other.try_acquire()
    other.release()
