"""The published file explains itself: every column of the marts has its description as a comment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from run_fixtures import first_run, later, published, query_file, run

from ingestion.paths import DataPaths
from orchestration.settings import DBT_PROJECT

__all__ = ["first_run", "later", "published", "run"]


def described_columns() -> dict[tuple[str, str, str], str]:
    """Every column that the project describes, as (schema, model, column), with its words."""
    return {
        (file.parent.name, model["name"], column["name"]): " ".join(column["description"].split())
        for schema in ("marts", "meta")
        for file in (DBT_PROJECT / "models" / schema).glob("*.yml")
        for model in yaml.safe_load(file.read_text()).get("models", ())
        for column in model["columns"]
    }


def commented_columns(file: Path) -> dict[tuple[str, str, str], str | None]:
    models = {(schema, model) for schema, model, _ in described_columns()}
    rows = query_file(file, "select schema_name, table_name, column_name, comment from duckdb_columns()")
    return {
        (schema, table, column): comment and " ".join(comment.split())
        for schema, table, column, comment in rows
        if schema == "marts" or (schema, table) in models
    }


def test_every_column_of_the_marts_has_its_description_as_comment(
    published: DataPaths, later: Callable[..., None], run: Callable[..., Any]
):
    described = described_columns()
    assert {model for _, model, _ in described} >= {"hourly_observations", "completeness", "quality_findings"}
    assert commented_columns(published.published) == described
    later()
    assert run().is_published  # an hourly build, which writes only the comments of tables it makes whole
    assert commented_columns(published.published) == described


def test_every_mart_has_its_description_as_comment(published: DataPaths):
    rows = query_file(
        published.published,
        "select table_name from duckdb_tables() where schema_name = 'marts' and comment is null"
        " union all select view_name from duckdb_views() where schema_name = 'marts' and comment is null",
    )
    assert rows == []
