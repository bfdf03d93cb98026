"""The machine's certificates, read once per process: each HTTP client would need 20 ms to read them again."""

import ssl
from functools import lru_cache

import httpx


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """Give the context that verifies servers, for `verify=` of clients and transports."""
    return httpx.create_ssl_context()
