# Each target sets up its own environment in .venv; PYTHON chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# One numerical thread per process: two threads on a busy two-core machine are slower than one.
export OMP_NUM_THREADS := 1

.PHONY: demo test lint bench campaign clean

demo: $(VENV)/.installed
	$(BIN)/probeline demo --catalog demo-catalog

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

bench: $(VENV)/.tested
	$(BIN)/python -m benchmarks.run_all
	$(BIN)/python -m benchmarks.record_figures

# Explorations killed at two hundred moments, and paused, stopped and aborted at every message.
campaign: $(VENV)/.tested
	$(BIN)/python -m pytest tests/campaigns/test_kills.py --moments 200
	$(BIN)/python -m pytest tests/plans/test_interruptions.py --every-message --numprocesses 2

# torch first and by itself: a resolver that meets it late may replace the CPU build.
$(VENV)/.installed: setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(PIP) --editable .[test]
	touch $@

clean:
	rm -rf $(VENV) demo-catalog build dist *.egg-info
