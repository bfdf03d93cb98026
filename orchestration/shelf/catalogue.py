"""What the bucket holds: `served.json` names the served snapshot, and indexes name each file with its digest.

`served.json` is the only object that ever changes, and only by compare-and-swap. All other keys end with the digest of
their content, so two writers never touch the same object with different bytes.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Self
from uuid import uuid4

SERVED = "served.json"
FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """One file: its size, the SHA-256 of its bytes, and the key of the object that holds them."""

    size: int
    digest: str
    key: str

    @classmethod
    def of(cls, file: Path, path: str) -> Self:
        """Describe a file that lies, or will lie, under `path` of a data folder."""
        with file.open("rb") as content:
            digest = file_digest(content, "sha256").hexdigest()
            return cls(content.tell(), digest, f"{path}@{digest[:16]}")

    @classmethod
    def of_content(cls, content: bytes, path: str) -> Self:
        digest = sha256(content).hexdigest()
        return cls(len(content), digest, f"{path}@{digest[:16]}")


Index = dict[str, Entry]  # by path relative to the data folder


def encode_index(files: Index) -> tuple[bytes, str]:
    """Encode an index; return it with its digest."""
    content = json.dumps({path: asdict(entry) for path, entry in sorted(files.items())}).encode()
    return content, sha256(content).hexdigest()


def decode_index(content: bytes) -> Index:
    return {path: Entry(**entry) for path, entry in json.loads(content).items()}


@dataclass(frozen=True)
class Catalogue:
    """The content of `served.json`."""

    origin: str = ""  # made by the first publication: a folder that follows another store is recognised
    generation: int = 0  # of the warehouse: grows with each publication, not with a rollback
    served: str = ""
    checked_at: str = ""  # when a run last found nothing newer upstream
    state: str = ""  # key of the index of what the next writer starts from
    snapshots: dict[str, str] = field(default_factory=dict)  # id, oldest first: key of its index
    writer: str = ""  # of this version of the document, so that a writer recognises its own
    format: int = FORMAT

    def encode(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Read the document. Raises ValueError, TypeError or KeyError when it is none."""
        told = json.loads(content)
        if told["format"] > FORMAT:
            raise ValueError(f"its format {told['format']} is of a newer Girouette: upgrade this one first")
        return cls(**told)

    def with_snapshot(self, snapshot_id: str, index: str, state: str, keep: int) -> Self:
        """Publish a snapshot: the next generation, which keeps the newest `keep` of them."""
        known = {**self.snapshots, snapshot_id: index}
        kept = dict(list(known.items())[-keep:])
        return replace(
            self,
            origin=self.origin or uuid4().hex,
            generation=self.generation + 1,
            served=snapshot_id,
            checked_at="",
            state=state,
            snapshots=kept,
        )
