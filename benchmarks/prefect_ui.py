"""Ask Prefect's API the way its own UI does."""

from http import HTTPMethod
from uuid import uuid4

import httpx
from httpx_retries import Retry, RetryTransport


def prefect_ui(url: str) -> httpx.Client:
    """Give a client with a CSRF token, without which our Prefect server takes no changes."""
    name = str(uuid4())
    token = httpx.get(f"{url}/csrf-token", params={"client": name}, timeout=60).json()["token"]
    headers = {"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": token}
    # Prefect's server answers 503 when two of its writers collide, and its own clients ask again.
    retries = RetryTransport(retry=Retry(total=7, allowed_methods=list(HTTPMethod), status_forcelist=[503]))
    return httpx.Client(base_url=url, headers=headers, timeout=60, transport=retries)
