# Python 3.10 or newer, git and make are all that is needed, and Node 20.19 or newer for the page of the viewer. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?= -n auto --dist worksteal
BACKENDS ?=
SUITES ?=
DIST ?= dist

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
STAMP := $(VENV)/.ready
CODE := $(strip $(foreach path,src tests demo benchmarks backends scripts noxfile.py hatch_build.py,$(if $(shell find $(path) -name '*.py' -print -quit 2>/dev/null),$(path))))
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# The viewer's page: built here, so that who installs the package needs no Node.
PAGE := src/pytest_otlp/viewer/page/index.html
PAGE_SOURCE := $(shell find viewer -name node_modules -prune -o -type f -not -path 'viewer/tests/*' -not -path 'viewer/bench/*' -not -path 'viewer/browser/*' -print)
# Exit status 0 where Node is new enough for that.
NODE_SERVES := node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
NPM := cd viewer && npm --no-audit --no-fund --loglevel=error
# By version, outside the checkout: made once for all checkouts.
ACTIONLINT_VERSION := v1.7.12
ACTIONLINT := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pytest-otlp/actionlint-$(ACTIONLINT_VERSION)/actionlint
LOCK := $(BIN)/uv pip compile pyproject.toml --no-config --no-python-downloads --no-header --no-emit-index-url --quiet

.DEFAULT_GOAL := help
.PHONY: help setup page demo test faults compat soak coverage browser test-page lint types format workflows bench bench-view backends dashboards pictures build lock clean
.DELETE_ON_ERROR:

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  %-10s %s\n", $$1, $$2}'

setup: $(STAMP) $(if $(shell $(NODE_SERVES) 2>/dev/null && command -v npm),$(PAGE)) ## Make the virtual environment with everything in it

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, $(PYTHON) is %d.%d: set PYTHON=" % sys.version_info[:2] if sys.version_info < (3, 10) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml requirements/dev.lock | $(BIN)/python
	$(PIP) install -r requirements/dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

page: $(PAGE) ## Build the page of the viewer (needs Node 20.19 or newer)

$(PAGE): viewer/node_modules/.package-lock.json $(PAGE_SOURCE)
	$(NPM) run --silent build
	@touch $@

viewer/node_modules/.package-lock.json: viewer/package.json viewer/package-lock.json
	@$(NODE_SERVES) || { echo 'Node 20.19 or newer is needed for the page of the viewer, here is' "$$(node --version 2>/dev/null || echo none)" >&2; exit 1; }
	$(NPM) ci
	@touch $@

demo: setup ## Watch a small test suite while it runs, in the terminal and on the page
	$(BIN)/python demo/run.py

test: $(STAMP) ## Run the tests (PYTEST_ARGS="-k name" for some)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

faults: $(STAMP) ## Run the fault cases only, and print their table (TABLE=docs/faults.md writes it)
	PYTEST_OTLP_FAULTS_TABLE=$(or $(TABLE),-) $(BIN)/python -m pytest tests/faults $(PYTEST_ARGS)

compat: $(STAMP) ## Run suites that other people wrote without and with the plugin (SUITES="aiofiles" for some)
	$(BIN)/python tests/compat/suites.py $(SUITES)

soak: $(STAMP) ## Run the tests that are too long for every run
	PYTEST_OTLP_SOAK=1 $(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

coverage: $(STAMP) ## Run the tests with branch coverage, the processes they start included
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(PYTEST_ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

browser: viewer/node_modules/.package-lock.json ## Look for a Chromium, and install Debian's where there is none (as root)
	@node viewer/browser/ensure.mjs

test-page: $(STAMP) $(PAGE) ## Check and test the page of the viewer, in a real browser where Chromium is found
	$(NPM) run --silent types
	$(NPM) run --silent lint
	$(NPM) run --silent test

lint: $(STAMP) ## Check style and format
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(STAMP) ## Check the types
	$(BIN)/mypy $(CODE)

format: $(STAMP) ## Mend style and format where that can be done
	$(BIN)/ruff check --fix-only $(CODE)
	$(BIN)/ruff format $(CODE)

workflows: $(STAMP) ## Check the workflows of the continuous integration
	$(BIN)/zizmor --offline --no-progress --quiet .github
	@if command -v go >/dev/null; then $(MAKE) --quiet $(ACTIONLINT) && $(ACTIONLINT); else echo 'actionlint is left out: no Go here'; fi

$(ACTIONLINT):
	GOBIN=$(@D) go install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)

bench: $(STAMP) ## Measure what the plugin costs
	$(BIN)/python benchmarks/run.py

bench-view: $(STAMP) $(PAGE) ## Measure `pytest-otlp view` and reports, ours and others', in a real browser (needs Node and Chromium)
	$(BIN)/python benchmarks/view.py

backends: ## Build the real backends for tests/backends (needs Go; BACKENDS="collector jaeger" for some)
	$(PYTHON) backends/build.py $(BACKENDS)

dashboards: $(STAMP) ## Write Grafana's dashboards anew from scripts/dashboards
	$(BIN)/python scripts/dashboards

pictures: setup ## Take the pictures of the viewer's page in docs/pictures anew (needs Node and Chromium)
	PYTHONPATH=tests $(BIN)/python -m demo.pictures

build: $(STAMP) ## Build the source distribution, and the wheel from it
	$(BIN)/python -m build --no-isolation --outdir $(DIST)

# Not after the set-up, which may be impossible until the lock is right.
lock: | $(BIN)/python ## Pin the development dependencies anew
	$(PIP) install 'uv>=0.9'
	$(LOCK) --group dev --universal --python-version 3.10 --upgrade --output-file requirements/dev.lock
	$(LOCK) --group test --universal --python-version 3.10 --upgrade --resolution lowest-direct --output-file requirements/lowest.lock
	$(LOCK) --group test --group beside --universal --python-version 3.10 --upgrade --resolution lowest-direct --output-file requirements/lowest-beside.lock

clean: ## Remove what was built, the virtual environment included
	rm -rf viewer/node_modules src/pytest_otlp/viewer/page
	rm -rf $(VENV) .venvs .nox build dist .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
