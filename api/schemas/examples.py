"""Real answers, recorded from the demo source, as examples of the OpenAPI document."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any


@lru_cache(maxsize=1)
def _recorded() -> dict[str, Any]:
    text = files("api.schemas").joinpath("examples.json").read_text(encoding="utf-8")
    recorded: dict[str, Any] = json.loads(text)
    return recorded


def example(name: str) -> Any:
    """The recorded answer of one address."""
    recorded = _recorded()
    if name not in recorded:
        raise LookupError(
            f"api/schemas/examples.json has no example `{name}`, only {', '.join(recorded)}: name its address in "
            "tests/record_examples.py, start the service on demo data and run `make examples`"
        )
    return recorded[name]


SNAPSHOT = example("latest")["snapshot"]
