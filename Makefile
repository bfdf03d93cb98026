# Girouette. `make help` lists the targets.
SHELL := /bin/sh
PYTHON ?= python3
DEPT ?= 9
VENV ?= .venv
BIN := $(VENV)/bin
export DBT_PROFILES_DIR ?= ./profiles

# DEPT=9, DEPT=9,31, DEPT="9 31" and DEPT=all all work; a name with spaces goes in DEPT='Val-d’Oise'.
comma := ,
depts = $(foreach code,$(subst $(comma), ,$(1)),--dept "$(code)")

.DEFAULT_GOAL := help

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Girouette needs Python 3.11 or newer; name one with make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing Girouette into $(VENV) (about a minute) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --compile --no-deps -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --compile --no-deps --editable .
	@touch $@

# What a host beside others needs more. Not locked by hash or version: one package, without dependencies of ours.
$(VENV)/.hosts: pyproject.toml $(VENV)/.runtime
	@$(BIN)/pip install --quiet --disable-pip-version-check --compile --editable '.[hosts]'
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing the development tools into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --compile --no-deps -r requirements-dev.lock
	@touch $@

.PHONY: help
help: ## list the targets
	@echo "Girouette: Météo-France's observations in a tested DuckDB warehouse."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.dev ## make .venv with everything in it

.PHONY: run
run: $(VENV)/.runtime ## start the service: API on :8000, Prefect's UI on :4200, runs each hour (Ctrl-C stops it)
	@$(BIN)/python -m api

.PHONY: worker
worker: $(VENV)/.hosts ## run without HTTP, for all hosts of SHELF_URL (docs/hosts.md)
	@ROLE=worker $(BIN)/python -m api

.PHONY: reader
reader: $(VENV)/.hosts ## serve page and API of what workers put into SHELF_URL (docs/hosts.md)
	@ROLE=reader $(BIN)/python -m api

.PHONY: flow-run
flow-run: $(VENV)/.runtime ## fetch, build, test and publish once: make flow-run DEPT=9
	@$(BIN)/python orchestration/flow_prefect.py --mode run $(call depts,$(DEPT))

.PHONY: flow-serve
flow-serve: $(VENV)/.runtime ## serve weather-hourly-deployment on its cron: make flow-serve DEPT=9
	@$(BIN)/python orchestration/flow_prefect.py --mode serve $(call depts,$(DEPT))

.PHONY: dwh-ingest
dwh-ingest: $(VENV)/.runtime ## only fetch and load: make dwh-ingest DEPT=9
	@$(BIN)/python -m ingestion $(call depts,$(DEPT))

SINCE ?= 1991
.PHONY: backfill
backfill: $(VENV)/.runtime ## load the open archive's days (or DATASET=days,hours) and publish: make backfill DEPT=9 SINCE=1991
	@$(BIN)/python -m ingestion.archive $(call depts,$(DEPT)) --since "$(SINCE)" $(foreach set,$(subst $(comma), ,$(DATASET)),--dataset "$(set)")
	@$(BIN)/python -m orchestration publish

.PHONY: dbt-build
dbt-build: $(VENV)/.runtime ## only build and test the models in the build file
	@$(BIN)/python -m orchestration build

.PHONY: publish
publish: $(VENV)/.runtime ## publish the tested build file as a new snapshot [FORCE=1: even if smaller]
	@$(BIN)/python -m orchestration publish $(if $(FORCE),--force)

.PHONY: rollback
rollback: $(VENV)/.runtime ## serve the snapshot before: make rollback [SNAPSHOT=id]
	@$(BIN)/python -m orchestration rollback $(if $(SNAPSHOT),--snapshot "$(SNAPSHOT)")

.PHONY: rebuild
rebuild: $(VENV)/.runtime ## rebuild the build file from the landing zone, then publish [FORCE=1: even if smaller]
	@$(BIN)/python -m orchestration rebuild $(if $(FORCE),--force)

.PHONY: backup
backup: $(VENV)/.runtime ## write a backup while everything runs: make backup [TO=folder]
	@$(BIN)/python -m orchestration backup $(if $(TO),--to "$(TO)")

.PHONY: restore
restore: $(VENV)/.runtime ## restore a backup into an empty DATA_DIR: make restore FROM=file [FORCE=1]
	@$(BIN)/python -m orchestration restore $(if $(FROM),--from "$(FROM)") $(if $(FORCE),--force)

.PHONY: prefect-server
prefect-server: $(VENV)/.runtime ## start a Prefect server with its UI on http://127.0.0.1:4200
	@$(BIN)/python -m orchestration.prefect_server

.PHONY: dbt-docs
dbt-docs: $(VENV)/.runtime ## write dbt's documentation site to data/build/dbt/index.html
	@$(BIN)/python -m orchestration docs

.PHONY: docs-settings
docs-settings: $(VENV)/.dev ## write docs/settings.md from the settings classes
	@$(BIN)/python -P tests/settings_table.py

.PHONY: freshness
freshness: $(VENV)/.runtime ## ask dbt how old the sources are
	@$(BIN)/python -m orchestration freshness

.PHONY: test
test: $(VENV)/.dev ## run the tests
	@$(BIN)/python -m pytest -q -n 3 -m "not slow"

.PHONY: test-slow
test-slow: $(VENV)/.dev ## run the tests that take long
	@$(BIN)/python -m pytest -q -n 2 -m slow --timeout 3600

.PHONY: test-hosts
test-hosts: $(VENV)/.dev ## several hosts with a real store, Postgres and Prefect; some are killed in mid-run
	@$(BIN)/python -m pytest -q -s --timeout 1200 tests/hosts

.PHONY: bench
bench: $(VENV)/.dev ## measure speed side by side (two hours, idle machine, needs wrk): make bench ONLY=runs
	@$(BIN)/python -m benchmarks $(foreach part,$(ONLY),--only $(part))

.PHONY: test-faults
test-faults: $(VENV)/.dev ## attack every promise of docs/reliability.md, the long attacks too
	@$(BIN)/python -m pytest -q -n 2 --timeout 10000 tests/faults

.PHONY: audit
audit: $(VENV)/.dev ## check the locked packages for known vulnerabilities (needs the internet)
	@$(BIN)/pip install --quiet --disable-pip-version-check pip-audit
	@$(BIN)/pip-audit --disable-pip --no-deps -r requirements.lock

PAGE_URL ?= http://127.0.0.1:8000
.PHONY: screenshots
screenshots: $(VENV)/.dev ## take the page's screenshots again from a running service (needs Debian's chromium)
	@$(BIN)/python tests/page/screenshots.py $(PAGE_URL)

.PHONY: examples
examples: $(VENV)/.dev ## record the examples of the OpenAPI document from a running demo service
	@$(BIN)/python tests/record_examples.py $(PAGE_URL)

.PHONY: check
check: $(VENV)/.dev ## format, lint and type checks: Python and SQL
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/sqlfluff lint weather_dbt

.PHONY: format
format: $(VENV)/.dev ## format code and SQL
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/sqlfluff fix weather_dbt

.PHONY: lock
lock: $(VENV)/bin/python ## write the lock files from pyproject.toml
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-annotate --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-annotate --no-header --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
