"""Which user of this machine holds the other end of a connection: what no proxy can pass on for a stranger."""

import ipaddress
import os
import socket
import sys
from functools import lru_cache
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    return _loopback(host) is not None


def belongs_to_us(client: tuple[str, int], server: tuple[str, int]) -> bool | None:
    """Whether the connecting program runs as this user or as root; None where the system does not tell (not Linux).

    proc(5): each line of /proc/net/tcp has both addresses in hex, the state, and the owner's user id.
    """
    if not all(table.exists() for table in _TABLES):
        return None
    for table in _TABLES:
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if (
                fields[3] == _ESTABLISHED
                and _port(fields[1]) == client[1]
                and _port(fields[2]) == server[1]
                and fields[1].partition(":")[0] in _as_hex(client[0])
            ):
                return int(fields[7]) in (0, os.getuid())
    return False


def _loopback(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address if address.is_loopback else None


def _port(field: str) -> int:
    return int(field.partition(":")[2], 16)


@lru_cache(maxsize=64)
def _as_hex(host: str) -> tuple[str, ...]:
    """Write an address as /proc does: 32-bit words in the machine's byte order; IPv4 also as IPv6 writes it."""
    address = _loopback(host)
    if address is None:
        return ()
    if address.version == 4:
        mapped = socket.inet_pton(socket.AF_INET6, f"::ffff:{address}")
        return _words(address.packed), _words(mapped)
    return (_words(address.packed),)


def _words(packed: bytes) -> str:
    words = (int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    return "".join(f"{word:08X}" for word in words)
