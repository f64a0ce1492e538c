# On a machine with Python (3.11 or later), pip and make:
#   make demo    installs into .venv, runs the main job on the example corpus, shows the result
#   make test    installs what the tests need and runs them all
#   make check   lint, types and tests: what CI runs
#   make docs    the documentation site, in site/
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
JOBS ?= auto
# Bytecode is written once at install; without it every start compiles some thousand modules.
export PYTHONDONTWRITEBYTECODE :=
export DO_NOT_TRACK := 1

.PHONY: help demo docs test check lint types format bench bench-near notebook clean

help:
	@sed -n '2,5p' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One stamp per set of extras; a changed pyproject or constraints file installs again.
$(VENV)/.base: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.base

demo: $(VENV)/.base
	$(BIN)/corpus-gov demo $(DEMO)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going -q -b html docs site

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

check: lint types test

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	$(BIN)/python bench/bench.py

# Peers of near duplicates have an environment of their own: they ask for other versions than ours.
.peers/.ready: bench/peers.txt
	$(PYTHON) -m venv .peers
	.peers/bin/python -m pip install --quiet --disable-pip-version-check --requirement bench/peers.txt
	@touch $@

bench-near: $(VENV)/.dev .peers/.ready
	$(BIN)/python bench/near.py --peers .peers/bin/python

clean:
	rm -rf $(VENV) build dist .ruff_cache .mypy_cache .hypothesis
