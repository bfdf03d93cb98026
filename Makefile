# Girouette. `make help` lists what there is.
SHELL := /bin/sh
PYTHON ?= python3
DEPT ?= 9
BIN := .venv/bin
export DBT_PROFILES_DIR ?= ./profiles

.DEFAULT_GOAL := help

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Girouette needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv

.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing Girouette into .venv (about a minute) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --compile --no-deps -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --compile --no-deps --editable .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.runtime
	@echo "Installing the development tools into .venv ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --compile --no-deps -r requirements-dev.lock
	@touch $@

.PHONY: lock
lock: .venv/bin/python ## write the lock files anew from pyproject.toml
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-annotate --no-header --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
