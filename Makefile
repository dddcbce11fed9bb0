# make demo   the whole workflow on a simulated sky, from a fresh clone
# make test   the tests; make coverage: how much of the library they run
# make test-cluster  a study on a cluster of two nodes, where slurm-wlm and munge are installed
# make lint   the style and the types; make format: the style, mended
# make setup  the environment alone (.venv, from the lock requirements.txt)
# make papers       every printed number and figure of the papers beside ours (METALYRA_MIRROR)
# make models       resources/models: the models that are shipped, trained again
# make populations  resources/shape_populations.npz, from the mirror
# make lock   the lock from pyproject.toml; make clean: forget the demo

SHELL := /bin/bash
VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake
STYLED := workflow tests $(wildcard benchmarks)
SNAKEFILES := Snakefile workflow/Snakefile workflow/papers.smk $(wildcard workflow/rules/*.smk)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup models demo papers test test-cluster coverage lint format populations lock clean
.DEFAULT_GOAL := demo

setup: $(READY)

# The stamp comes last, so that an interrupted installation is taken up again. Snakemake finds
# the library beside workflow/Snakefile; it is installed for Python, benchmarks and tests.
$(READY): requirements.txt pyproject.toml
	@python="$$(.ci/find-python)" && "$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(SNAKEMAKE) --cores all

papers: setup
	$(SNAKEMAKE) --cores all --configfile config/papers.yaml

test: setup
	$(BIN)/python -m pytest --ignore=tests/cluster

# By itself: it has both cores to do with.
test-cluster: setup
	$(BIN)/python -m pytest --numprocesses=0 -rsP tests/cluster

coverage: setup
	$(BIN)/python -m pytest -n auto --cov=metalyra --cov-report=term-missing:skip-covered

lint: setup
	$(BIN)/ruff check $(STYLED)
	$(BIN)/ruff format --check $(STYLED)
	$(BIN)/mypy
	$(BIN)/snakefmt --check $(SNAKEFILES)
	$(BIN)/lint-imports
	$(BIN)/python -m metalyra.study.reference --check
	$(SNAKEMAKE) --lint

format: setup
	$(BIN)/ruff check --fix $(STYLED)
	$(BIN)/ruff format $(STYLED)
	$(BIN)/snakefmt $(SNAKEFILES)

# The shapes of RR Lyrae stars that periods are compared by, from METALYRA_MIRROR.
populations: setup
	$(BIN)/python -m metalyra.fit.shape_learning

lock: setup
	$(BIN)/python -m venv $(VENV)/uv
	$(VENV)/uv/bin/python -m pip install --quiet uv
	$(VENV)/uv/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-annotate --output-file requirements.txt

clean:
	rm -rf results/demo

# The models that the library comes with, trained again from the mirror or the archives.
models: setup
	$(SNAKEMAKE) --cores all shipped_models --configfile config/models.yaml
