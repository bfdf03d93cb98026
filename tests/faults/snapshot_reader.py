"""A reader in a process of its own, which opens what is served all the time: each time it must be a whole snapshot."""

import json
import select
import subprocess
import sys
from pathlib import Path

import duckdb


class Reader:
    """Reads between `begin` and `end`."""

    def __init__(self, pause: float = 0.005) -> None:
        """`pause`: seconds between two reads; the shortest keep a processor busy."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, __file__, str(pause)], text=True, bufsize=1, **pipes)  # type: ignore[call-overload]

    def begin(self, pointer: Path) -> None:
        self._tell(str(pointer))

    def end(self) -> int:
        """Stop reading; return how often what was served was whole. Once it was not, this fails."""
        self._tell("stop")
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        return int(json.loads(line))

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _tell(self, line: str) -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def main(pause: float) -> None:
    for line in iter(sys.stdin.readline, ""):
        pointer, reads = Path(line.strip()), 0
        while reads == 0 or not select.select([sys.stdin], [], [], pause)[0]:
            read(pointer)
            reads += 1
        sys.stdin.readline()
        print(reads, flush=True)  # noqa: T201 - the answer


def read(pointer: Path) -> None:
    """Count every table against the manifest of the snapshot that the pointer leads to."""
    file = pointer.resolve(strict=True)
    manifest = json.loads(file.with_name("manifest.json").read_text())
    with duckdb.connect(str(file), read_only=True) as connection:
        for table, rows in manifest["row_counts"].items():
            found = connection.execute(f"select count(*) from {table}").fetchone()
            assert found == (rows,), (manifest["id"], table, found, rows)


if __name__ == "__main__":
    main(float(sys.argv[1]))
