# `make demo` and `make test` install everything they need into .venv; `make setup` is that step alone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The CPU build where there is no NVIDIA driver; any other build: make setup TORCH=torch==2.13.0 TORCH_INDEX=...
TORCH ?= torch==2.13.0$(if $(shell command -v nvidia-smi),,+cpu)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
PIP := $(RUN)/pip install --quiet --disable-pip-version-check

WORKDIR ?= runs/demo

.PHONY: help setup demo test test-fast test-long check format bench lmplz clean
.DEFAULT_GOAL := help
.NOTPARALLEL:

help:
	@echo "make demo    install, then run the whole recipe at toy size (WORKDIR=$(WORKDIR))"
	@echo "make test    install, then run the tests; make test-long for those of minutes, kills at random moments among them"
	@echo "make check   ruff, mypy --strict, formatting"
	@echo "make bench   time a training step, the start-up and every data stage; make bench-dedup for one, bench-convert (34 GB of disk) by name"
	@echo "make lmplz   build KenLM's trainer (needs CMake and Boost) for the perplexity model of a large corpus"
	@echo "make setup   only install"

setup: $(STAMP)

$(STAMP): $(wildcard requirements/*.txt) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else \
	  "langadapt needs Python 3.11, found %d.%d: make setup PYTHON=/path/to/python3.11" % sys.version_info[:2])'
	@echo "setup: Python packages into $(VENV) (about 2.5 GB, 3 minutes)"
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) "$(TORCH)" 2>/dev/null || { \
	  echo "setup: $(TORCH) is in no configured index, asking $(TORCH_INDEX)"; \
	  $(PIP) "$(TORCH)" --extra-index-url $(TORCH_INDEX); }
	@$(PIP) --no-deps -r requirements/lock.txt
	@$(PIP) --no-deps -r requirements/nemo.txt
	@$(PIP) --no-deps --upgrade --target $(VENV)/transformers5 -r requirements/transformers5.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)
	@$(RUN)/langadapt demo --workdir $(WORKDIR)

# Two files at a time, on one thread each: the suite is mostly processes that start.
PYTEST := HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(RUN)/pytest --numprocesses=2 --dist=loadfile

test: $(STAMP)
	@$(PYTEST)

test-fast: $(STAMP)
	@$(PYTEST) -m "not slow"

test-long: $(STAMP)
	@$(PYTEST) -m long

check: $(STAMP)
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy

format: $(STAMP)
	@$(RUN)/ruff check --fix .
	@$(RUN)/ruff format .

BENCHMARKS := $(filter-out __init__ common endpoint marked_run tokenize_inputs,$(basename $(notdir $(wildcard benchmarks/*.py))))

bench: $(addprefix bench-,$(filter-out convert,$(BENCHMARKS)))

bench-%: $(STAMP)
	@$(RUN)/python -m benchmarks.$(subst -,_,$*)

lmplz: $(STAMP)
	@$(RUN)/python -m data_prep.perplexity.build_lmplz $(RUN)

clean:
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache
