"""The application, for `uvicorn api.main:app`."""

import gc

from orchestration.settings import export_prefect_settings

export_prefect_settings()  # before anything imports Prefect, which reads its settings only once

from api.app import create_app
from api.limits import Limits

app = Limits(create_app())

# What the application consists of is no garbage, and looking through it held up all readers for a tenth of a second.
gc.freeze()
