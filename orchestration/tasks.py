"""The steps of a run as Prefect tasks: names, logs and states, nothing else."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Failed

from ingestion.errors import IngestionError
from ingestion.ingest import Session, ingest_packet
from ingestion.load_log import LoadResult
from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from ingestion.source import PacketRequest
from orchestration import pipeline
from orchestration.build.run_dbt import NodeResult, install_packages
from orchestration.settings import get_settings
from orchestration.shelf.opening import open_shelf
from orchestration.shelf.publishing import publish_everywhere
from orchestration.snapshots.snapshots import Manifest


def _paths() -> DataPaths:
    return DataPaths(get_ingestion_settings().data_dir)


@task(name="ingest", task_run_name="ingest {request.label}", cache_policy=NO_CACHE)
def ingest(request: PacketRequest, run_id: str | None, session: Session) -> LoadResult | State:
    """Fetch, land and load one packet; what goes wrong upstream is the task's state, told in one line."""
    try:
        result = ingest_packet(get_ingestion_settings(), request, run_id, session)
    except IngestionError as error:
        get_run_logger().error("%s: %s", request, error)
        return Failed(message=str(error), data=error)
    get_run_logger().info("%s: %s", request, result)
    return result


@task(name="dbt deps", task_run_name="dbt deps")
def dbt_deps() -> None:
    """Install the packages that the dbt project names."""
    install_packages(get_settings(), _paths())


@task(name="dbt build", task_run_name="dbt build")
def dbt_build(run_id: str | None) -> list[NodeResult]:
    """Build and test the models; each node's result is one log line."""
    return pipeline.build_and_record(get_settings(), _paths(), run_id, get_run_logger().info)


@task(name="publish", task_run_name="publish")
def publish(run_id: str | None) -> Manifest:
    """Copy the tested build file to a new snapshot and serve it."""
    shelf = open_shelf(get_settings(), _paths())
    manifest = publish_everywhere(_paths(), shelf, keep=get_settings().snapshots_keep, run_id=run_id)
    get_run_logger().info("snapshot %s published (%.1f MB)", manifest.id, manifest.size_bytes / 1e6)
    return manifest
