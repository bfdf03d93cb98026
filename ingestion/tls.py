"""The machine's certificates, read once per process: that takes 20 ms, for each HTTP client anew otherwise."""

import ssl
from functools import lru_cache

import httpx


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """Give the context that verifies servers, for `verify=` of clients and transports."""
    return httpx.create_ssl_context()
