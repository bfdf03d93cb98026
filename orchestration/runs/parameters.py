"""Converts the flow's `dept` parameter between what people write and what Prefect stores."""

from collections.abc import Mapping, Sequence
from typing import Any

from ingestion.departments import ALL, Department, all_departments, resolve_all
from ingestion.errors import UnknownDepartment


def as_texts(dept: str | Sequence[str]) -> list[str]:
    """Return the flow's `dept` parameter as a list."""
    return [dept] if isinstance(dept, str) else list(dept)


def departments_in(parameters: Mapping[str, Any]) -> tuple[Department, ...]:
    """Return the départements that a run or the schedule names; none where a text cannot be read.

    Parameters may come from Prefect's UI or API, which check only that they are texts.
    """
    try:
        return resolve_all(as_texts(parameters.get("dept", "9")))
    except UnknownDepartment:
        return ()


def as_parameter(departments: Sequence[Department]) -> str | list[str]:
    """Return départements as the flow's `dept` parameter: one code, a list, or `all`."""
    if len(departments) == len(all_departments()):
        return ALL
    codes = [department.code for department in departments]
    return codes[0] if len(codes) == 1 else codes


def as_tags(departments: Sequence[Department]) -> list[str]:
    """Return the tags that find a run's départements: `dept:9`, or `dept:all`."""
    parameter = as_parameter(departments)
    return [f"dept:{code}" for code in as_texts(parameter)]
