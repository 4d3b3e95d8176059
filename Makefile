# One line per habit: `make help` shows them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
COMPILED := .venv/.compiled

.PHONY: help setup demo test coverage test-faults lint bench schemas lock clean

help: ## one line per target
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) $(COMPILED) ## create .venv, install the pinned dependencies, compile; safe to repeat

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": run make setup PYTHON=python3.12 or the like")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the pinned dependencies (a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(COMPILED): $(STAMP) $(wildcard compiled/*.py schemas/*.py detectors/*.py detectors/*/*.py)
	@$(BIN)/python -m compiled
	@touch $@

demo: setup ## the whole system on this machine, until Ctrl-C
	$(BIN)/fundwatch demo

test: setup ## the whole test suite, on embedded Kafka and ClickHouse
	$(BIN)/python -m pytest

coverage: setup ## the tests that need no server, with the lines they do not reach (slow: every line is traced)
	FUNDWATCH_PURE=1 $(BIN)/python -m pytest tests/schemas tests/detectors tests/streams/test_places.py tests/streams/test_batches.py \
		--cov --cov-report=term:skip-covered

test-faults: setup ## ten minutes of seeded kills, checked against undisturbed runs
	$(BIN)/python -m tests.faults --seconds 600

lint: setup ## format, lint, strict types, import direction, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m schemas.publish --check
	$(BIN)/python -m detectors.publish --check
	$(BIN)/python -m streams.gateway.publish --check
	$(BIN)/python -m grafana.build --check

bench: setup ## the benchmark suite, one table
	$(BIN)/python -m benchmarks

schemas: setup ## write docs/schemas, docs/asyncapi.json, the tables of docs/detection.md and docs/integration.md and Grafana's dashboards anew from the code
	$(BIN)/python -m schemas.publish
	$(BIN)/python -m detectors.publish
	$(BIN)/python -m streams.gateway.publish
	$(BIN)/python -m grafana.build

lock: setup ## resolve requirements.lock and the image's anew (names, versions and hashes only)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url --no-header --quiet \
		--extra embedded --extra compiled --extra dev pyproject.toml -o requirements.lock
	@# what the image installs: the same versions, without what only tests and the embedded servers need
	$(BIN)/uv pip compile --python-version 3.12 --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet \
		--extra compiled --constraint requirements.lock pyproject.toml -o deploy/requirements.lock

clean: ## remove what setup, tests and demo left in this folder
	rm -rf .venv data build compiled/*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
