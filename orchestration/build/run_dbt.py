"""Runs dbt in this process."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.adapters.factory import reset_adapters
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

from ingestion.paths import DataPaths
from orchestration.build.dbt_events import hear_only_what_is_logged
from orchestration.errors import BuildFailed
from orchestration.settings import DBT_PROJECT, OrchestrationSettings

Say = Callable[[str], None]

_DBT_FILE_LOGGER = "file_log"  # dbt.events.logging names it
_SOUND = ("success", "pass", "no-op")


@dataclass(frozen=True)
class NodeResult:
    """One dbt node of one build: `status` is dbt's own word."""

    name: str
    kind: str
    status: str
    seconds: float
    message: str

    @property
    def is_good(self) -> bool:
        """Whether the node lets the build be published."""
        return self.status in (*_SOUND, "warn")

    def __str__(self) -> str:
        """Describe the node in one line."""
        why = f": {self.message}" if self.status not in _SOUND and self.message else ""
        return f"{self.status} {self.kind} {self.name} ({self.seconds:.2f} s){why}"


def has_packages() -> bool:
    """Whether the dbt project names packages that `dbt deps` would install."""
    return any((DBT_PROJECT / name).exists() for name in ("packages.yml", "dependencies.yml"))


def install_packages(settings: OrchestrationSettings, paths: DataPaths) -> None:
    """Run `dbt deps`; raises BuildFailed with dbt's reason."""
    run_command(["deps"], settings, paths)


# Seeds, views, unit tests and manifest.json depend only on the project, so an hourly build skips them. Writing the
# manifest takes as long as all the models.
_ONLY_WHAT_DATA_CHANGES = (
    # Empty: otherwise dbt also excludes every test that reads a view.
    *("--exclude", "config.materialized:view", "--indirect-selection", "empty"),
    *("--exclude-resource-type", "seed", "--exclude-resource-type", "unit_test", "--no-write-json"),
)

# The parsed project by its digest. Later builds and forked processes reuse it.
_parsed: dict[str, Manifest] = {}


def build_models(
    settings: OrchestrationSettings,
    paths: DataPaths,
    on_node: Callable[[NodeResult], None] | None = None,
    on_count: Callable[[int], None] | None = None,
    *,
    full: bool = True,
) -> list[NodeResult]:
    """Build and test the models in the build file; `on_count` gets the number of nodes, `on_node` each result.

    With `full`, rebuild everything. Otherwise, only what loads since the last passed build can have changed.
    The caller holds the writer's lock and no connection to the build file. Raises BuildFailed naming
    the nodes that failed, without the nodes skipped because of them.
    """
    extent = ("--full-refresh",) if full else _ONLY_WHAT_DATA_CHANGES
    # Exposures only document the readers of the marts. dbt would count them as nodes.
    command = ["build", "--threads", str(settings.dbt_threads), "--exclude-resource-type", "exposure", *extent]
    nodes = run_command(command, settings, paths, on_node, on_count)
    failed = [node for node in nodes if node.status in ("error", "fail", "runtime error")]
    if failed:
        raise BuildFailed([node.name for node in failed], failed[0].message)
    return nodes


def project_digest() -> str:
    """Digest of the dbt project's files. A changed digest requires a full build."""
    digest = hashlib.sha256()
    for path in sorted(DBT_PROJECT.rglob("*")):
        inside = path.relative_to(DBT_PROJECT)
        if path.is_file() and inside.parts[0] not in ("target", "logs", "dbt_packages") and path.name != ".user.yml":
            digest.update(str(inside).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def run_command(
    arguments: Sequence[str],
    settings: OrchestrationSettings,
    paths: DataPaths,
    on_node: Callable[[NodeResult], None] | None = None,
    on_count: Callable[[int], None] | None = None,
) -> list[NodeResult]:
    """Run one dbt command in this process; raises BuildFailed when dbt could not run it at all."""
    manifest = parsed_project(settings, paths) if arguments[0] == "build" else None
    nodes: list[NodeResult] = []

    def hear(event: Any) -> None:
        if event.info.name == "ConcurrencyLine" and on_count is not None:
            on_count(event.data.node_count)
        if event.info.name == "NodeFinished":
            node = _node_of(event.data)
            nodes.append(node)
            if on_node is not None:
                on_node(node)

    result = _invoke(dbtRunner(manifest=manifest, callbacks=[hear]), arguments, settings, paths)
    if result.exception is not None:
        raise BuildFailed([], f"{result.exception}") from result.exception
    if not result.success and not nodes:
        raise BuildFailed([], f"see {paths.logs / 'dbt.log'}")
    return nodes


def parsed_project(settings: OrchestrationSettings, paths: DataPaths) -> Manifest:
    """Parse the dbt project, once per process and project; raises BuildFailed with dbt's reason."""
    digest = project_digest()
    if digest not in _parsed:
        result = _invoke(dbtRunner(), ["parse", "--no-write-json"], settings, paths)
        if not isinstance(result.result, Manifest):
            reason = result.exception or f"see {paths.logs / 'dbt.log'}"
            raise BuildFailed([], f"the project cannot be parsed: {reason}") from result.exception
        _parsed.clear()
        _parsed[digest] = result.result
    return _parsed[digest]


def _invoke(
    runner: dbtRunner, arguments: Sequence[str], settings: OrchestrationSettings, paths: DataPaths
) -> dbtRunnerResult:
    # The profile finds the build file by this. Absolute, so that the working directory does not matter. Not resolved,
    # because DuckDB must get the same name that kept_open opened the file with.
    os.environ["DATA_DIR"] = str(paths.root.absolute())
    os.environ["DO_NOT_TRACK"] = "1"
    places = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(settings.dbt_profiles_dir.resolve())]
    places += ["--target-path", str(paths.dbt_target.resolve()), "--log-path", str(paths.logs.resolve())]
    # run_command's callbacks print the results, so dbt prints nothing.
    told = ["--log-level", "none", "--log-level-file", settings.dbt_log_level_file, "--no-use-colors"]
    hear_only_what_is_logged(settings.dbt_log_level_file)
    try:
        with _own_options():
            return runner.invoke([*arguments, *told, *places])
    finally:
        _close_files()


@contextmanager
def _own_options() -> Iterator[None]:
    """Hide the DBT_ variables that are options of dbt's command line: another project's may drop tests or rows.

    Ours are passed as arguments. Those named DBT_ENV_ are no options: a profile of one's own may read them.
    """
    hidden = {
        name: value for name, value in os.environ.items() if name.startswith("DBT_") and not name.startswith("DBT_ENV_")
    }
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def _close_files() -> None:
    """Close the build file and dbt.log: dbt keeps both open, and DuckDB's lock keeps other processes out."""
    reset_adapters()  # type: ignore[no-untyped-call]
    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    # dbt opens its log at each invocation and never closes it.
    for handler in logging.getLogger(_DBT_FILE_LOGGER).handlers:
        handler.close()


def _node_of(data: Any) -> NodeResult:
    return NodeResult(
        name=data.node_info.node_name,
        kind=data.node_info.resource_type,
        status=data.run_result.status,
        seconds=data.run_result.execution_time,
        message=" ".join(data.run_result.message.split()),
    )
