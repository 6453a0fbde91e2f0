# Two commands on a fresh machine: make demo, make test. Each sets up .venv by itself.
PYTHON ?= python3
TORCH ?= torch==2.13.0
BIN := .venv/bin

.PHONY: demo test check lint docs bench gpu clean

# torch goes in first and by exact version: left to the resolver it may come with gigabytes of GPU libraries.
.venv/.run: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet '$(TORCH)'
	$(BIN)/python -m pip install --quiet -e .
	touch $@

.venv/.dev: .venv/.run
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

.venv/.bench: .venv/.run
	$(BIN)/python -m pip install --quiet -e '.[bench]'
	touch $@

demo: .venv/.run
	$(BIN)/lrnn run parity

test: .venv/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: .venv/.dev
	$(BIN)/mkdocs build --strict --quiet

check: lint docs test

bench: .venv/.bench
	$(BIN)/lrnn bench cpu

# On a machine with a CUDA device: laws and fuzz table, benchmark, results, page. An hour.
GPU_RUN := runs/gpu-$(shell date +%Y%m%d-%H%M%S).json
GPU_FUZZ := runs/gpu-fuzz.json
gpu: .venv/.dev
	$(BIN)/python -m pytest tests/gpu --ignore tests/gpu/test_fuzz.py
	$(BIN)/python -m tests.gpu.fuzz --output $(GPU_FUZZ)
	$(BIN)/lrnn bench gpu --output $(GPU_RUN)
	$(BIN)/python -m benchmarks.gpu_results $(GPU_RUN) $(GPU_FUZZ)
	$(BIN)/python -m benchmarks.performance_page

clean:
	rm -rf .venv site build dist .pytest_cache .ruff_cache
