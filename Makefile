# make quickstart   a toy model, trained and evaluated on two CPU cores
# make demo         judges simulated videos, and writes pages about them
# make test         style, types and tests
# make docs         the documentation as pages, into build/site
# make notebook     docs/first_dive.ipynb, run again
#
# All make the virtual environment .venv first. PYTHON chooses the Python that
# it is made of; SEED, the seed of the toy's training.

PYTHON ?= python3
SEED ?= 0

VENV := .venv
BIN := $(VENV)/bin
DATASET := simulated_dives/quickstart
DATA_DIR := data
# One folder a seed, so that none goes on from another's checkpoints.
ifeq ($(SEED),0)
WORKDIR := workdir/quickstart
else
WORKDIR := workdir/quickstart_seed$(SEED)
endif

# What the environment holds, and what it was made by.
PACKAGES := pyproject.toml constraints.txt
INSTALL := $(BIN)/python -m pip install --quiet -c constraints.txt

.PHONY: help quickstart demo test lint docs notebook check-python

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

quickstart: $(VENV)/.installed
	$(BIN)/python -m tfds_mtl_aqa.prepare $(DATASET) --data_dir=$(DATA_DIR)
	$(BIN)/python -m aqa_jax.main --config=configs/quickstart.py \
	  --workdir=$(WORKDIR) --config.dataset.data_dir=$(DATA_DIR) \
	  --config.seed=$(SEED)

demo: $(VENV)/.installed
	$(BIN)/python -m aqa_jax.demo

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder \
	  -rs --durations=15

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# --strict: a broken link is an error.
docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --quiet --strict

notebook: $(VENV)/.installed-docs
	$(BIN)/python docs/run_notebook.py

$(VENV)/.installed: $(PACKAGES) | $(BIN)/python
	$(INSTALL) -e .
	@touch $@

# The larger environment serves for the quickstart too.
$(VENV)/.installed-dev: $(PACKAGES) | $(BIN)/python
	$(INSTALL) -e '.[dev,tf]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: $(PACKAGES) | $(BIN)/python
	$(INSTALL) -e '.[docs]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@$(MAKE) --no-print-directory check-python
	$(PYTHON) -m venv $(VENV)

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "This needs Python 3.11 to 3.13, and $(PYTHON) is" \
	    "$$($(PYTHON) --version 2>&1); choose another, for example" \
	    "with: make PYTHON=python3.12 ..." >&2; exit 1; }
