# Python 3.10 or newer, git and make are all that is needed. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
STAMP := $(VENV)/.ready
# What exists of the code; a checker that is given a missing folder fails.
CODE := $(wildcard src tests demo benchmarks backends scripts noxfile.py)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LOCK := $(BIN)/uv pip compile pyproject.toml --no-config --no-python-downloads --no-header --no-emit-index-url --quiet

.DEFAULT_GOAL := help
.PHONY: help setup demo test faults soak coverage lint types format bench backends lock clean
.DELETE_ON_ERROR:

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make the virtual environment with everything in it

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, $(PYTHON) is %d.%d: set PYTHON=" % sys.version_info[:2] if sys.version_info < (3, 10) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml requirements/dev.lock | $(BIN)/python
	$(PIP) install -r requirements/dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## Watch a small test suite while it runs
	$(BIN)/python demo/run.py

test: $(STAMP) ## Run the tests (PYTEST_ARGS="-k name" for some)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

faults: $(STAMP) ## Run the fault cases only
	$(BIN)/python -m pytest -m faults $(PYTEST_ARGS)

soak: $(STAMP) ## Run the tests that are too long for every run
	PYTEST_OTLP_SOAK=1 $(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

coverage: $(STAMP) ## Run the tests with branch coverage, the processes they start included
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(PYTEST_ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

lint: $(STAMP) ## Check style and format
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(STAMP) ## Check the types
	$(BIN)/mypy $(CODE)

format: $(STAMP) ## Mend style and format where that can be done
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(STAMP) ## Measure what the plugin costs
	$(BIN)/python benchmarks/run.py

backends: $(STAMP) ## Build the real backends that tests/backends uses (needs Go; long the first time)
	$(BIN)/python backends/build.py

# Not after the set-up, which may be impossible until the lock is right.
lock: | $(BIN)/python ## Pin the development dependencies anew
	$(PIP) install 'uv>=0.9'
	$(LOCK) --group dev --universal --python-version 3.10 --upgrade --output-file requirements/dev.lock
	$(LOCK) --group test --universal --python-version 3.10 --upgrade --resolution lowest-direct --output-file requirements/lowest.lock

clean: ## Remove what was built, the virtual environment included
	rm -rf $(VENV) .nox build dist .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
