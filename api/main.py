"""The application, for `uvicorn api.main:app`."""

import gc

from orchestration.settings import export_prefect_settings

export_prefect_settings()  # before any import of Prefect, which reads its settings once

from api.app import create_app
from api.limits import Limits

app = Limits(create_app())

# The application's own objects are never garbage; a collection over them stopped all readers for 0.1 s.
gc.freeze()
