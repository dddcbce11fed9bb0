# make demo   the whole workflow on a simulated sky, from a fresh clone
# make test   the tests; make lint, make format: the style
# make setup  the environment alone (.venv, from the lock requirements.txt)
# make lock   the lock from requirements.in; make clean: forget the demo

SHELL := /bin/bash
VENV := .venv
READY := $(VENV)/.ready
BIN := $(VENV)/bin
SNAKEMAKE := $(BIN)/snakemake
STYLED := workflow tests $(wildcard benchmarks)
SNAKEFILES := Snakefile $(wildcard workflow/rules/*.smk)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: setup demo test lint format lock clean
.DEFAULT_GOAL := demo

setup: $(READY)

# The stamp comes last, so that an interrupted installation is taken up again.
$(READY): requirements.txt workflow/snakemake.sh
	@python="$$(.ci/find-python)" && "$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.txt
	@install -m 755 workflow/snakemake.sh $(SNAKEMAKE)
	@touch $@

demo: setup
	$(SNAKEMAKE) --cores all

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check $(STYLED)
	$(BIN)/ruff format --check $(STYLED)
	$(BIN)/snakefmt --check $(SNAKEFILES)
	$(SNAKEMAKE) --lint

format: setup
	$(BIN)/ruff check --fix $(STYLED)
	$(BIN)/ruff format $(STYLED)
	$(BIN)/snakefmt $(SNAKEFILES)

lock: setup
	$(BIN)/python -m venv $(VENV)/uv
	$(VENV)/uv/bin/python -m pip install --quiet uv
	$(VENV)/uv/bin/uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-annotate --output-file requirements.txt

clean:
	rm -rf results/demo
