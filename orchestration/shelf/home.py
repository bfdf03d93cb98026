"""What a data folder remembers of its shelf: the generation its build file comes from, and digests of its files."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ingestion.durable import make_directory, write_durably
from ingestion.paths import DataPaths
from orchestration.shelf.catalogue import Entry


@dataclass(frozen=True)
class Base:
    """Where the build file comes from."""

    origin: str = ""  # of the store's catalogue
    generation: int = 0  # 0: no build file was taken or put yet
    ledger: str = ""  # digest of the archive's ledger then
    landed: str = ""  # the newest landed payload that was put
    checked: str = ""  # address of the store that was found to honour conditions


def read_base(paths: DataPaths) -> Base | None:
    """Read it; None in a folder that never met a shelf."""
    try:
        return Base(**json.loads((paths.shelf / "base.json").read_text()))
    except FileNotFoundError:
        return None


def write_base(paths: DataPaths, base: Base) -> None:
    make_directory(paths.shelf)
    write_durably(paths.shelf / "base.json", json.dumps(asdict(base)).encode())


class Digests:
    """Digests of files that never change (closed months, the archive), each computed once."""

    def __init__(self, paths: DataPaths) -> None:
        self._paths = paths
        self._file = paths.shelf / "digests.json"
        try:
            self._known: dict[str, list[object]] = json.loads(self._file.read_text())
        except (OSError, ValueError):  # computed again
            self._known = {}

    def entry(self, path: str) -> Entry:
        """Describe a file of the data folder. Raises FileNotFoundError."""
        file = self._paths.root / path
        told = file.stat()
        stamp: list[object] = [told.st_size, told.st_mtime_ns]
        known = self._known.get(path, [])
        if known[:2] != stamp:
            known = self._known[path] = [*stamp, Entry.of(file, path).digest]
        digest = str(known[2])
        return Entry(told.st_size, digest, f"{path}@{digest[:16]}")

    def remember(self, path: str, entry: Entry) -> None:
        """Note the digest of a file that was just fetched and checked."""
        told = (self._paths.root / path).stat()
        self._known[path] = [told.st_size, told.st_mtime_ns, entry.digest]

    def forget(self, path: str) -> None:
        self._known.pop(path, None)

    def is_held(self, path: str, entry: Entry) -> bool:
        """Whether the folder has this very file."""
        try:
            return self.entry(path).digest == entry.digest
        except FileNotFoundError:
            return False

    def save(self) -> None:
        """Remember for the next process, without what is gone."""
        self._known = {path: known for path, known in self._known.items() if (self._paths.root / path).exists()}
        make_directory(self._paths.shelf)
        write_durably(self._file, json.dumps(self._known).encode())


def ledger_digest(file: Path) -> str:
    """Digest of the archive's ledger; empty where there is none."""
    return Entry.of(file, "").digest if file.exists() else ""
