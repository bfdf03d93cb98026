"""SQL of columns that name the few fields of a row that have something to say: a list, or a map with a value of each.

They are made for such rows only: for every row they would take half of the time.
"""

from collections.abc import Mapping


def list_of(conditions: Mapping[str, str]) -> str:
    """List the names of the fields whose condition holds."""
    names = ", ".join(f"case when {condition} then '{name}' end" for name, condition in conditions.items())
    return f"case when {_any(conditions)} then list_filter([{names}], lambda name: name is not null) else [] end"


def map_of(conditions: Mapping[str, str], values: Mapping[str, str]) -> str:
    """Map the names of the fields whose condition holds to a value of each."""
    told = ", ".join(
        f"case when {condition} then {{'key': '{name}', 'value': {values[name]}}} end"
        for name, condition in conditions.items()
    )
    return (
        f"case when {_any(conditions)} then map_from_entries(list_filter([{told}], lambda entry: entry is not null))"
        " else map {} end"
    )


def _any(conditions: Mapping[str, str]) -> str:
    return " or ".join(f"({condition})" for condition in conditions.values())
