"""Kill a process at one of its system calls, and tell them: strace, where there is one that may trace."""

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# What changes a file or a folder. A power cut or a kill falls between two of these.
CHANGES = (
    *("write", "pwrite64", "copy_file_range", "ftruncate"),
    *("fsync", "fdatasync"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "mkdir", "mkdirat"),
    *("unlink", "unlinkat", "rmdir"),
)

_LINE = re.compile(r"^(?P<pid>\d+) +(?P<call>\w+)\((?P<arguments>.*?)\)? *(?:= (?P<result>-?\d+|\?).*|<unfinished.*)?$")
_PATH = re.compile(r'(?:<(?P<of_fd>/[^>]*)>|"(?P<named>(?:[^"\\]|\\.)*)")')


@dataclass(frozen=True)
class Call:
    """One system call: its name, and the paths it names or whose descriptors it uses."""

    name: str
    paths: tuple[str, ...]
    text: str


@cache
def why_not() -> str:
    """Why strace cannot be used here; empty when it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    ended = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else f"strace may not trace here: {ended.stderr.strip()}"


class Tracer:
    """Traces a process that waits stopped, its threads and children, and lets it go on."""

    def __init__(self, pid: int, log: Path, kill_at: tuple[str, int] | None = None) -> None:
        self.log = log
        command = ["strace", "-f", "-y", "-s", "0", "-e", "signal=none", "-o", str(log), "-p", str(pid)]
        command += ["-e", f"trace=openat,{','.join(CHANGES)}"]
        if kill_at is not None:
            command += ["-e", f"inject={kill_at[0]}:signal=KILL:when={kill_at[1]}"]
        until(lambda: _state(pid) in "Tt", "the process to stop")
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        until(lambda: _tracer_of(pid) != 0, "strace to attach")
        os.kill(pid, signal.SIGCONT)

    def calls(self) -> list[Call]:
        """Wait for the process's end; return the calls in their order."""
        self._process.communicate(timeout=60)
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            match = _LINE.match(line)
            if match and (match["result"] or "0") >= "0" and "ENOENT" not in line:
                paths = tuple(m["of_fd"] or m["named"] for m in _PATH.finditer(line.partition("(")[2]))
                found.append(Call(match["call"], paths, line))
        return found

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


def until(is_so, what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.002)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _tracer_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"TracerPid:\s+(\d+)", status)[1])
