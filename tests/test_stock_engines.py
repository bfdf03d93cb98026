"""Other packages are used through what they document: no name of theirs that begins with an underscore."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTED = {"os._exit"}
OURS = {"api", "benchmarks", "ingestion", "orchestration", "tests"}

# Each entry needs its reason here and a test that says what breaks when the name goes.
ALLOWED: dict[str, str] = {}


def private_uses(code: str, path: str) -> list[str]:
    """List the private names of other packages that a module imports, reads, writes or patches by a string."""
    tree = ast.parse(code)
    foreign: set[str] = set()
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.name.split(".")[0] not in OURS:
                    foreign.add((name.asname or name.name).split(".")[0])
                    found += [f"{path}: import {name.name}"] * _is_private(name.name)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] not in OURS:
            for name in node.names:
                foreign.add(name.asname or name.name)
                full = f"{node.module}.{name.name}"
                found += [f"{path}: from {full}"] * _is_private(full)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and _is_private(node.attr)
            and _root(node) in foreign
            and ast.unparse(node) not in DOCUMENTED
        ) or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("getattr", "setattr", "delattr")
            and len(node.args) > 1
            and isinstance(node.args[1], ast.Constant)
            and _is_private(str(node.args[1].value))
        ):
            found.append(f"{path}: {ast.unparse(node)}")
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute) and _root(target) in foreign and _is_a_module_or_class(target):
                    found.append(f"{path}: patches {ast.unparse(target)}")
        elif isinstance(node, ast.ClassDef) and any(_root(base) in foreign for base in node.bases):
            found += _overridden(node, path)
    return found


def _overridden(node: ast.ClassDef, path: str) -> list[str]:
    """List uses of a foreign base's private names: what the class neither defines nor assigns itself."""
    own = {item.name for item in ast.walk(node) if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
    own |= {t.id for item in node.body if isinstance(item, ast.AnnAssign | ast.Assign) for t in _targets(item)}
    read: set[str] = set()
    for item in ast.walk(node):
        if isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name) and item.value.id == "self":
            (own if isinstance(item.ctx, ast.Store) else read).add(item.attr)
    found = [f"{path}: {node.name} reads self.{name}" for name in sorted(read - own) if _is_private(name)]
    # super()._name(...) reaches into the base whatever the class defines.
    return found + [
        f"{path}: {node.name} calls super().{item.attr}"
        for item in ast.walk(node)
        if isinstance(item, ast.Attribute) and _is_private(item.attr) and ast.unparse(item.value) == "super()"
    ]


def _targets(item: ast.AnnAssign | ast.Assign) -> list[ast.Name]:
    targets = item.targets if isinstance(item, ast.Assign) else [item.target]
    return [target for target in targets if isinstance(target, ast.Name)]


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def _is_a_module_or_class(target: ast.Attribute) -> bool:
    # `logging.raiseExceptions = …` and `Server.install = …` patch; `app.state.x = …` of an object we made does not.
    root = _root(target)
    return root[:1].isupper() or root in ("uvicorn", "prefect", "dbt", "duckdb", "multiprocessing", "ssl", "asyncio")


def test_no_private_name_of_another_package_is_used():
    found = []
    for folder in ("api", "ingestion", "orchestration", "benchmarks"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            found += private_uses(file.read_text(encoding="utf-8"), str(file.relative_to(ROOT)))
    assert sorted(found) == sorted(ALLOWED), "use what the package documents, or say why in ALLOWED and test it"


def test_each_kind_of_use_is_found():
    code = """
import prefect._internal.x
import uvicorn
from prefect.types._datetime import now
from multiprocessing import forkserver
from prefect.workers.base import BaseWorker
from dbt.plugins.manager import PluginManager
uvicorn.Server.should_exit = 1
PluginManager.get_prefixed_modules = 2
forkserver._forkserver._stop()
getattr(object(), "_captured_signals", None)
class Worker(BaseWorker):
    def __init__(self):
        self._own = 1
    def run(self):
        return self._own, self._client, self._method()
    def _method(self):
        return super()._propose()
"""
    assert sorted(private_uses(code, "x")) == sorted(
        [
            "x: import prefect._internal.x",
            "x: from prefect.types._datetime.now",
            "x: patches PluginManager.get_prefixed_modules",
            "x: forkserver._forkserver._stop",
            "x: forkserver._forkserver",
            "x: getattr(object(), '_captured_signals', None)",
            "x: Worker reads self._client",
            "x: Worker calls super()._propose",
            "x: patches uvicorn.Server.should_exit",
        ]
    )
