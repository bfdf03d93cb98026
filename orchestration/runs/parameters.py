"""The flow's `dept` parameter, between the texts people write and what Prefect stores."""

from collections.abc import Sequence

from ingestion.departments import ALL, Department, all_departments


def as_texts(dept: str | Sequence[str]) -> list[str]:
    """Give the flow's `dept` parameter as a list, however it was written."""
    return [dept] if isinstance(dept, str) else list(dept)


def as_parameter(departments: Sequence[Department]) -> str | list[str]:
    """Give départements as the flow's `dept` parameter: one code, a list, or `all`."""
    if len(departments) == len(all_departments()):
        return ALL
    codes = [department.code for department in departments]
    return codes[0] if len(codes) == 1 else codes


def as_tags(departments: Sequence[Department]) -> list[str]:
    """Give the tags by which a run is found again: `dept:9`, or `dept:all`."""
    parameter = as_parameter(departments)
    return [f"dept:{code}" for code in as_texts(parameter)]
