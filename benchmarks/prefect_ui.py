"""Ask Prefect's API the way its own UI does."""

from uuid import uuid4

import httpx


def prefect_ui(url: str) -> httpx.Client:
    """Give a client with a CSRF token, without which our Prefect server takes no changes."""
    name = str(uuid4())
    token = httpx.get(f"{url}/csrf-token", params={"client": name}, timeout=60).json()["token"]
    headers = {"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": token}
    return httpx.Client(base_url=url, headers=headers, timeout=60)
