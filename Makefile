# Everything one does with the repository; `make` alone lists it.
PYTHON ?= python3
VENV ?= .venv
# The CPU build, so that no CUDA packages come along. A torch that is already in $(VENV) stays as it is.
TORCH ?= torch==2.13.0
# Test processes, of one thread each.
JOBS ?= 2
# Turned about two axes, so that COSMOS sees every direction of k-space: three at random may not.
SIMULATE_FLAGS ?= --angles 0,0,0 24,0,0 0,24,0 --voxel-size 2
RUN_FLAGS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.qsmflow-installed
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup demo test long lint docs bench studies cluster browser clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

setup: $(INSTALLED) ## make .venv and install qsmflow with what its tests need
$(INSTALLED): pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "$(PYTHON) is older than 3.11: name another with PYTHON=..." >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install '$(TORCH)'
	$(BIN)/python -m pip install -e '.[test]'
	@touch $@

demo: setup ## simulate a dataset, run the whole pipeline on it, say where the results lie
	test -e demo/.simulated -a -d demo/bids || \
	    { rm -rf demo/bids && $(BIN)/qsmflow simulate demo/bids $(SIMULATE_FLAGS) && touch demo/.simulated; }
	$(BIN)/qsmflow run demo/bids demo/out participant --work-dir demo/work $(RUN_FLAGS)
	@echo; echo "Report:"; find demo/out -maxdepth 1 -name 'sub-*.html' | sort | sed 's/^/  /'
	@echo "Maps:"; find demo/out -name '*_Chimap.nii.gz' | sort | sed 's/^/  /'

test: setup ## the tests that need neither a cluster nor a browser, nor minutes each
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m 'not cluster and not browser and not long'

long: setup ## peak memory of every stage; every stage after every other; every training recipe learns
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m long

lint: setup ## style, types, order of the rooms, spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

docs: setup ## the documentation, into docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: setup ## speed and memory, see benchmarks/
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.bench_kspace --large
	$(BIN)/python -m benchmarks.training

studies: setup ## every study on small grids, into the folder studies; a rerun computes what changed
	$(BIN)/qsmflow study all --quick

cluster: setup ## faults and runs on a real SLURM, which is installed from Debian's packages and started for this
	$(ONE_THREAD) $(BIN)/python -m pytest -m cluster

browser: setup ## the report in a headless Chromium that is already installed
	$(BIN)/python -m pytest -m browser

clean: ## remove what was made here, .venv excepted
	rm -rf demo studies docs/studies/cache docs/studies/*/index.html build dist docs/_build docs/generated *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find qsmflow tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
