# make demo        set up .venv and run the main job: nmer run ch3-water --preset smoke
# make test        set up .venv and pass the tests
# make test-all    the tests, those marked slow included
# make benchmark   figures of time and memory, printed and not judged
# make lint        ruff and mypy
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-all benchmark lint setup clean

demo: $(READY)
	@$(BIN)/nmer run ch3-water --preset smoke

test: $(READY)
	@$(BIN)/python -m pytest -n 2 --dist loadfile

test-all: $(READY)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not benchmark'

benchmark: $(READY)
	@$(BIN)/python -m pytest -m benchmark -s benchmarks

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nmer needs Python 3.11 or newer")'
	@$(PYTHON) -m venv .venv || { echo "this Python makes no virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "installing into .venv (1.5 GB, a few minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

clean:
	rm -rf .venv build dist
