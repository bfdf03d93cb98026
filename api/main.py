"""The application, for `uvicorn api.main:app`."""

from orchestration.settings import export_prefect_settings

export_prefect_settings()  # before anything imports Prefect, which reads its settings only once

from api.app import create_app
from api.limits import Limits

app = Limits(create_app())
