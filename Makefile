# One virtual environment for everything; `make help` lists the targets.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install run test lint bench clean

help: ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(BIN)/edgeproxy: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(BIN)/edgeproxy
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

$(VENV)/.bench: $(BIN)/edgeproxy
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

install: $(BIN)/edgeproxy ## install into .venv

run: $(BIN)/edgeproxy ## bring up the demo fleet; Ctrl-C ends it
	@$(BIN)/python -m coordinator.demo

test: $(VENV)/.test ## run every test
	$(BIN)/python -m pytest

lint: $(VENV)/.test ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench ## CPU per request and throughput beside nginx and HAProxy
	$(BIN)/python -m bench

clean: ## remove what install, test and bench left
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/results
