"""The password of Prefect's API and UI, made at the first start where PREFECT_AUTH asks for one."""

import os
import secrets

from ingestion.paths import DataPaths

_USER = "girouette"


def read_or_make(paths: DataPaths) -> str:
    """Give `user:password` for Prefect's basic auth. The file is the owner's alone."""
    file = paths.prefect_password
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text(encoding="utf-8").strip()
    with os.fdopen(descriptor, "w", encoding="utf-8") as made:
        made.write(f"{_USER}:{secrets.token_urlsafe(24)}\n")
    return file.read_text(encoding="utf-8").strip()
