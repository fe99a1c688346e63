# Every target sets itself up: a virtual environment in .venv from the locked requirements.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The tests of a minute: no emulator, no process of another program, no figure of scale.
QUICK := tests/core tests/jobs tests/money_rules tests/scenarios tests/contract tests/simulator \
  tests/aws_lambda tests/tidy tests/docs
NOT_QUICK := tests/jobs/test_scale.py tests/aws_lambda/test_backlog.py \
  tests/simulator/test_aws_cli.py tests/simulator/test_docs.py tests/simulator/test_fuzz.py \
  tests/docs/test_docs.py

.PHONY: demo quick test lint unit format docs prove bench checkov lock clean help

help:  ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(READY)  ## Meter one realistic day across a month's end against the simulator
	@$(BIN)/metering demo

quick: lint unit  ## What to run while working, under a minute: lint, types, imports, unit tests

test: lint  ## Lint, types, imports and every test
	@$(BIN)/pytest -n auto

lint: $(READY)  ## Lint, types and imports
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --no-cache --no-logo >$(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }
	@$(BIN)/mypy

unit: $(READY)  ## The unit tests of make quick alone
	@$(BIN)/pytest -n auto $(QUICK) $(NOT_QUICK:%=--ignore=%) -k 'not emulator'

format: $(READY)  ## Format the code and fix what the linter can fix
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

docs: $(READY)  ## Write what docs/architecture.md shows of the code again
	@$(BIN)/python -m tests.docs.drawings

prove: $(READY)  ## Meter in 50,000 simulated worlds for each store and audit every unit of usage
	@$(BIN)/metering prove --seed 1 --runs 50000 --store sqlite; failed=$$?; \
	$(BIN)/metering prove --seed 1 --runs 50000 --store dynamodb && exit $$failed

bench: $(READY)  ## Measure everything beside its floor (ten minutes)
	@$(BIN)/python -m benchmarks

checkov: .checkov/bin/checkov  ## Scan the template for insecure settings
	@$< --file src/marketplace_metering/deploy/template.yaml --framework cloudformation \
	  --compact --quiet --skip-download

# In an environment of its own: it pins versions of more than a hundred packages.
.checkov/bin/checkov: .ci/checkov.txt
	@$(PYTHON) -m venv --clear .checkov
	@.checkov/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

lock:  ## Resolve every list of requirements again (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  pyproject.toml --quiet --output-file requirements.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  --group dev pyproject.toml --quiet --output-file requirements-dev.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  src/marketplace_metering/local/ministack.in --quiet \
	  --output-file src/marketplace_metering/local/ministack.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  --constraint requirements-dev.txt src/marketplace_metering/deploy/lambda.in --quiet \
	  --output-file src/marketplace_metering/deploy/lambda.txt
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  .ci/checkov.in --quiet --output-file .ci/checkov.txt

clean:  ## Remove the virtual environment and every cache
	rm -rf $(VENV) .venv-3.* .checkov node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis dist

PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
FAILED = { echo "Setting up $(VENV) failed at $(1): the reason stands above." >&2; exit 1; }

$(READY): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is %s: make PYTHON=/path/to/python3.11" % sys.version.split()[0])'
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv --clear $(VENV) || $(call FAILED,a virtual environment)
	@$(PIP) --require-hashes -r requirements-dev.txt || $(call FAILED,the locked requirements)
	@$(PIP) --no-deps --no-build-isolation --editable . || $(call FAILED,this package)
	@touch $@
