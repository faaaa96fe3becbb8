# Each target sets up its own environment in .venv; PYTHON chooses the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# One numerical thread per process: two threads on a busy two-core machine are slower than one.
export OMP_NUM_THREADS := 1

.PHONY: demo test lint bench bench-record bench-peers campaign clean

demo: $(VENV)/.installed
	$(BIN)/probeline demo --catalog demo-catalog

test: lint
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

# Agents: docs/reference/benchmarks.md. At most 30 minutes on two idle cores.
bench: $(VENV)/.tested
	$(BIN)/python -m benchmarks.run_all

# What the record costs: docs/reference/record-figures.md.
bench-record: $(VENV)/.tested
	$(BIN)/python -m benchmarks.record_figures

PEERS := $(patsubst benchmarks/peers/%.txt,.venv-peers/%/.installed,$(wildcard benchmarks/peers/*.txt))

# Ours beside AtomAI, gpax and BoTorch, each in an environment of its own.
bench-peers: $(VENV)/.tested $(PEERS)
	$(BIN)/python -m benchmarks.peers.run

# Exactly what is listed: AtomAI asks for a torchvision that replaces the CPU build of torch.
.venv-peers/%/.installed: benchmarks/peers/%.txt
	$(PYTHON) -m venv .venv-peers/$*
	grep ^torch== $< | xargs --no-run-if-empty .venv-peers/$*/bin/pip install --quiet
	.venv-peers/$*/bin/pip install --quiet --no-deps --requirement $<
	touch $@

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
	rm -rf $(VENV) .venv-peers demo-catalog build dist *.egg-info
