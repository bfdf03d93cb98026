from collections.abc import Callable
from pathlib import Path

import pytest

REAL_FILES = Path(__file__).parents[4] / "shared" / "data" / "meteofrance"


@pytest.fixture
def real_file() -> Callable[[str], bytes]:
    """Météo-France's own files lie beside the repository on some machines and are part of none."""

    def read(name: str) -> bytes:
        path = REAL_FILES / name
        if not path.is_file():
            pytest.skip(f"the real file {name} is not on this machine")
        return path.read_bytes()

    return read
