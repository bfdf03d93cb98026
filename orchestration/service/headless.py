"""The service without HTTP, behind `flow_prefect.py --mode serve`."""

import asyncio
import logging
import signal
from collections.abc import Sequence

from ingestion.departments import Department
from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from orchestration.service.service import Service
from orchestration.settings import get_settings


def serve(departments: Sequence[Department]) -> int:
    """Run until SIGTERM or Ctrl-C; return the exit code."""
    # Forced, because importing Prefect already sets up logging.
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    service = Service(departments, get_settings(), DataPaths(get_ingestion_settings().data_dir))
    asyncio.run(_serve_until_signalled(service))
    return 0


async def _serve_until_signalled(service: Service) -> None:
    serving = asyncio.create_task(service.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    await asyncio.wait([serving])
    await service.stop()
