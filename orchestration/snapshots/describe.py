"""Descriptions of relations that dbt does not make."""

from typing import Any


def describe(description: str, **columns: str) -> dict[str, Any]:
    """Describe a relation that dbt does not make, in the form of dbt's own descriptions."""
    described = {name: {"description": text, "tests": []} for name, text in columns.items()}
    return {"description": description, "tests": [], "columns": described}
