"""What dbt says of each model, kept beside the snapshot it built: descriptions, tests, constraints."""

from collections.abc import Mapping
from typing import Any

import orjson

from ingestion.paths import DataPaths


def describe_models(paths: DataPaths) -> dict[str, Any]:
    """Read dbt's manifest: per `schema.name` its description, tests and columns; empty when there is none."""
    try:
        manifest = orjson.loads((paths.dbt_target / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return {}
    nodes: dict[str, Any] = manifest["nodes"]
    described = {
        key: node
        for key, node in {**nodes, **manifest["sources"]}.items()
        if node["resource_type"] in ("model", "source", "seed")
    }
    docs = {key: _describe(node) for key, node in described.items()}
    for test in (node for node in nodes.values() if node["resource_type"] == "test"):
        _attach(test, docs)
    return {_full_name(described[key]): doc for key, doc in docs.items()}


def _full_name(node: Mapping[str, Any]) -> str:
    return f"{node['schema']}.{node.get('alias') or node.get('identifier') or node['name']}"


def _describe(node: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "description": " ".join(node["description"].split()) or None,
        "tests": [_constraint(constraint) for constraint in node.get("constraints", ())],
        "columns": {
            name: {
                "description": " ".join(column["description"].split()) or None,
                "tests": [_constraint(constraint) for constraint in column.get("constraints", ())],
            }
            for name, column in node["columns"].items()
        },
    }


def _constraint(constraint: Mapping[str, Any]) -> str:
    expression = constraint.get("expression")
    return f"{constraint['type']}: {expression}" if expression else str(constraint["type"])


def _attach(test: Mapping[str, Any], docs: Mapping[str, Any]) -> None:
    column = test.get("column_name")
    targets = [test["attached_node"]] if test.get("attached_node") else test["depends_on"]["nodes"]
    for doc in (docs[key] for key in targets if key in docs):
        (doc["columns"].get(column) or doc if column else doc)["tests"].append(test["name"])
