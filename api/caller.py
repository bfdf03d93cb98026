"""Who sent a request, as limits see it: the part of an address that a caller cannot choose at will."""

import ipaddress

from starlette.requests import HTTPConnection

UNKNOWN = "unknown"


def caller_of(request: HTTPConnection) -> str:
    """Give the network that a request comes from."""
    return network_of(request.client.host) if request.client else UNKNOWN


def network_of(address: str) -> str:
    """Give an IPv4 address, or the first 64 bits of an IPv6 one, which one caller has to itself.

    A proxy may pass on any text as an address. What is none counts as one caller, so that it fills no memory.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
