"""Which service this is, to tell its own lost runs from those of others: an id kept in the data folder.

Neither a host name nor a path will do: cloned machines and containers share both.
"""

import json
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import uuid4

from ingestion.durable import make_directory, write_durably
from ingestion.paths import DataPaths

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Identity:
    """The name of this service's worker, and names that may have been its own."""

    name: str
    inode: int  # of the data folder: a copied folder has another
    boot: str  # of the machine: a cloned machine has another, and so has one that started again
    is_new: bool = False  # made now, not read
    former: tuple[str, ...] = ()  # their runs are ended only once Prefect no longer hears of such a worker


def read_or_make(paths: DataPaths, legacy: str) -> Identity:
    """Return this folder's identity; the caller holds the leader's lock. `legacy` is the name given before ids."""
    file = paths.root / "service" / "identity.json"
    inode, boot = paths.root.stat().st_ino, _boot_id()
    try:
        told = json.loads(file.read_text())
        known = Identity(**{**told, "former": tuple(told["former"])})
    except (OSError, ValueError, TypeError, KeyError):
        known = None
    if known is not None and (known.inode, known.boot) == (inode, boot):
        return known
    if known is None:
        former: tuple[str, ...] = (legacy,)
    else:
        former = (*known.former, known.name) if known.inode == inode else ()
    made = Identity(f"girouette-{socket.gethostname()}-{uuid4().hex[:8]}", inode, boot, former=former)
    _write(file, made)
    return replace(made, is_new=True)


def forget_former(paths: DataPaths, identity: Identity, names: Sequence[str]) -> Identity:
    """Forget former names whose runs were ended."""
    left = tuple(name for name in identity.former if name not in names)
    made = replace(identity, former=left, is_new=False)
    _write(paths.root / "service" / "identity.json", made)
    return made


def _write(file: Path, identity: Identity) -> None:
    make_directory(file.parent)
    write_durably(file, json.dumps(asdict(identity)).encode())


def _boot_id() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:  # not Linux: a machine that started again counts as the same
        return ""
