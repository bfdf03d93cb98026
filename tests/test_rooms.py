"""Imports go one way between rooms: a package without packages inside, or a file beside packages."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TREES = ("api", "orchestration", "ingestion")

# From top to bottom: a room imports only from its own layer and from those below it.
LAYERS = [
    ("api.__main__", "api.main"),
    ("api.app",),
    ("api.page",),
    ("api.routes",),
    ("api.schemas",),
    ("api.warehouse.opening",),
    ("api.warehouse.question",),
    ("api.warehouse.answer",),
    ("api.warehouse.sql",),
    ("api.warehouse.open",),
    ("orchestration.flow_prefect", "orchestration.backup"),
    ("orchestration.service",),
    ("orchestration.worker",),
    ("orchestration.flow", "orchestration.tasks", "orchestration.archive_flow"),
    ("orchestration.pipeline", "orchestration.repair"),
    ("orchestration.alerts", "orchestration.watches"),
    ("orchestration.notices",),
    ("orchestration.runs", "orchestration.prefect_server"),
    ("orchestration.shelf",),
    ("orchestration.snapshots",),
    ("orchestration.build", "orchestration.closed_months"),
    ("ingestion",),
]
LAYER_OF = {room: number for number, layer in enumerate(LAYERS) for room in layer}


def modules() -> dict[str, Path]:
    files = [file for tree in TREES for file in (ROOT / tree).rglob("*.py") if file.name != "__init__.py"]
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}


def room_of(module: str, known: dict[str, Path]) -> str:
    folder = known[module].parent
    is_leaf = not any(child.is_dir() and (child / "__init__.py").exists() for child in folder.iterdir())
    return module.rpartition(".")[0] if is_leaf else module


def imports(known: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Every import of one module by another, those inside functions too."""
    for module, file in known.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: write imports in full"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                found = next((part for part in (name, name.rpartition(".")[0]) if part in known), None)
                if found is not None:
                    yield module, found


def layer_of(room: str) -> int | None:
    """A room outside the list has no layer: only circles and the order of the trees are checked for it."""
    while room and room not in LAYER_OF:
        room = room.rpartition(".")[0]
    return LAYER_OF.get(room)


def wrong(arrows: set[tuple[str, str]]) -> list[str]:
    found = []
    for source, target in sorted(arrows):
        trees = [TREES.index(room.partition(".")[0]) for room in (source, target)]
        above, below = layer_of(source), layer_of(target)
        if trees[0] > trees[1] or (above is not None and below is not None and above > below):
            found.append(f"{source} imports {target}")
    return found


@pytest.fixture(scope="module")
def arrows() -> set[tuple[str, str]]:
    known = modules()
    rooms = {(room_of(source, known), room_of(target, known)) for source, target in imports(known)}
    return {(source, target) for source, target in rooms if source != target}


def test_imports_go_one_way_between_rooms(arrows: set[tuple[str, str]]) -> None:
    assert len(arrows) > 100
    assert wrong(arrows) == []


def test_no_rooms_import_one_another_in_a_circle(arrows: set[tuple[str, str]]) -> None:
    graph = defaultdict(set)
    for source, target in arrows:
        graph[source].add(target)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_an_arrow_upwards_is_found() -> None:
    upwards = {
        ("api.warehouse.open", "api.warehouse.question"),
        ("api.warehouse.sql", "api.warehouse.answer"),
        ("api.warehouse.question", "api.routes"),
        ("orchestration.build", "orchestration.snapshots"),
        ("orchestration.runs", "orchestration.worker"),
        ("orchestration.errors", "api.errors"),
        ("ingestion.demo", "orchestration.settings"),
    }
    assert len(wrong(upwards)) == len(upwards)
