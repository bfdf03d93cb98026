"""Finds the process that listens on a port, from Linux's /proc. Other systems give no name."""

import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

_LISTENING = "0A"


def describe_owner(url: str) -> str | None:
    """Describe the process that listens on the address's port, or return None when the port is free."""
    address = urlsplit(url)
    port = address.port or 80
    try:
        socket.create_connection((address.hostname or "127.0.0.1", port), timeout=1).close()
    except OSError:
        return None
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or belongs to another user
            if any(_inode(descriptor) in inodes for descriptor in (process / "fd").iterdir()):
                # Only the name: a command line may hold secrets.
                return f"process {process.name} ({(process / 'comm').read_text().strip()})"
    return "another program"


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found


def _inode(descriptor: Path) -> str:
    with suppress(OSError):
        return str(descriptor.readlink()).removeprefix("socket:[").removesuffix("]")
    return ""
