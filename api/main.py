"""`uvicorn api.main:app` serves the warehouse."""

from api.app import create_app

app = create_app()
