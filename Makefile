# make demo   the whole workflow on a simulated sky, from a fresh clone
# make test   the tests; make coverage: how much of the library they run
# make test-studies  the tests that run whole studies besides the demo
# make test-cluster  a study on a cluster of two nodes, where slurm-wlm and munge are installed
# make lint   the style and the types; make format: the style, mended
# make setup  the environment alone (.venv, from the lock requirements.txt); GPU=1: with CUDA
# make papers       every printed number and figure of the papers beside ours (METALYRA_MIRROR)
# make models       resources/models: the models that are shipped, trained again
# make populations  resources/shape_populations.npz, from the mirror
# make docs   the documentation, in docs/_build/html
# make illustrations  the figures of docs/how_it_works.md, from the mirror
# make screenshots    the pictures of the demo's results page, with Chromium
# make lock   the locks from pyproject.toml; make clean: forget the demo

SHELL := /bin/bash
VENV := .venv
GPU := 0
WITH_GPU := $(filter-out 0,$(GPU))
LOCKS := requirements.txt $(if $(WITH_GPU),requirements-gpu.txt)
READY := $(VENV)/.ready$(if $(WITH_GPU),-gpu)
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake
COMPILE := $(VENV)/uv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"
STYLED := workflow tests docs/conf.py $(wildcard benchmarks)
SNAKEFILES := Snakefile workflow/Snakefile workflow/papers.smk $(wildcard workflow/rules/*.smk)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup models demo papers test test-studies test-cluster coverage lint format populations docs illustrations screenshots lock clean
.DEFAULT_GOAL := demo

setup: $(READY)

# The stamp comes last, so that an interrupted installation is taken up again. Snakemake finds
# the library beside workflow/Snakefile; it is installed for Python, benchmarks and tests.
$(READY): $(LOCKS) pyproject.toml
	@python="$$(.ci/find-python)" && "$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps $(LOCKS:%=--requirement %)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.ready $@

demo: setup
	$(SNAKEMAKE) --cores all

papers: setup
	$(SNAKEMAKE) --cores all --configfile config/papers.yaml

test: setup
	$(BIN)/python -m pytest -m "not study"

# By itself: it has both cores to do with.
test-studies: setup
	$(BIN)/python -m pytest -m study --ignore=tests/cluster

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

# A warning is an error: a link within the pages that leads nowhere, a notebook that fails.
docs: setup
	$(BIN)/sphinx-build --fresh-env --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "docs/_build/html/index.html"

illustrations: setup
	$(BIN)/python -m benchmarks.illustrations

screenshots: demo
	for width in 1440 390; do \
	    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=8000 \
	        --window-size=$$width,1000 --screenshot=docs/screenshots/results_$$width.png \
	        "file://$(CURDIR)/results/demo/index.html" || exit 1; \
	done

# What CUDA adds is in a lock of its own, beside the same versions of all the rest.
lock: setup
	$(BIN)/python -m venv $(VENV)/uv
	$(VENV)/uv/bin/python -m pip install --quiet uv
	$(COMPILE) --extra networks --extra workflow --extra dev --extra docs --output-file requirements.txt
	$(COMPILE) --extra gpu --constraint requirements.txt --output-file requirements-gpu.txt \
	    $$(sed --quiet 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements.txt | sort --unique)

clean:
	rm -rf results/demo

# The models that the library comes with, trained again from the mirror or the archives.
# A clone has them already: all are asked for by name, whatever times their files have.
SHIPPED = $(notdir $(wildcard resources/models/*))

models: setup
	$(SNAKEMAKE) --cores all shipped_models --forcerun $(SHIPPED:%=ship_%) --configfile config/models.yaml
