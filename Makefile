# Everything is set up in .venv: nothing but Python and git is needed. `make help` lists the targets.

PYTHON ?= python3
WAZUH_HOME ?= $(or $(WAZUH_AGENT_HOME),/var/ossec)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROGRAM := $(VENV)/.program
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The replays wait more than they work: more processes than cores.
PYTEST := $(BIN)/pytest -n 4 --dist worksteal
# It takes a fifth of the time: COVERAGE= goes without.
COVERAGE ?= --cov

.PHONY: run install uninstall wheelhouse pyz test quick lint format conformance minimum bench fuzz shell audit clean help

# Collecting needs the program only, the sample an emulator of AWS as well.
run: $(if $(strip $(ARGS)),$(PROGRAM),$(READY)) ## Collect from a local emulator; ARGS="-b my-bucket …": from AWS.
ifeq ($(strip $(ARGS)),)
	@$(BIN)/python -m tests.sample
else
	@$(BIN)/aws-s3 $(ARGS)
endif

install: ## Put the program where Wazuh runs it: WAZUH_HOME=/var/ossec EXTRAS=metrics WHEELHOUSE=dist/wheelhouse
	@$(PYTHON) -m aws_s3.wazuh "$(WAZUH_HOME)" --extras "$(EXTRAS)" $(if $(WHEELHOUSE),--wheelhouse "$(WHEELHOUSE)") \
	    $(if $(filter yes,$(RULES)),--rules) $(if $(PREFIX),--prefix "$(PREFIX)")

uninstall: ## Take it away again, and put back the program that was there.
	@$(PYTHON) -m aws_s3.wazuh "$(WAZUH_HOME)" --uninstall $(if $(PREFIX),--prefix "$(PREFIX)")

wheelhouse: ## Gather all that an installation without a network needs: dist/wheelhouse, for EXTRAS=fast
	@$(PYTHON) -m pip wheel --quiet --disable-pip-version-check --wheel-dir dist/wheelhouse '.[$(or $(EXTRAS),fast)]'
	@echo 'On a machine with the same Python: make install WHEELHOUSE=dist/wheelhouse'

pyz: $(READY) ## Make one file that runs with any Python from 3.10 on: dist/aws-s3.pyz
	@rm -rf build/pyz && mkdir -p build/pyz dist
	@$(PIP) --no-compile --target build/pyz/lib \
	    '.[completion,metrics,progress]'
	@if find build/pyz/lib -name '*.so' | grep .; then echo 'These libraries need one Python version' >&2; exit 1; fi
	@cp aws_s3/wazuh/pyz.py build/pyz/
	@printf '%s\n' 'import sys' 'if sys.version_info < (3, 10):' \
	    '    sys.exit("ERROR: Python 3.10 or newer is needed.")' 'import pyz' 'sys.exit(pyz.main())' > build/pyz/__main__.py
	@$(BIN)/python -m zipapp build/pyz --python '/usr/bin/env python3' --compress --output dist/aws-s3.pyz

test: lint shell ## Check everything: lint, format, types, and all tests with coverage.
	$(BIN)/mypy
	$(PYTEST) $(COVERAGE)

quick: shell ## Run the tests of single parts, which take about a minute: without those of the whole command.
	$(PYTEST) -m "not slow" --hypothesis-profile=quick

lint: $(READY) ## Check style and format.
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(READY) ## Put the code into its format.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

conformance: $(READY) ## Replay the recorded cases only.
	$(PYTEST) tests/conformance

minimum: ## Replay with the oldest dependencies that pyproject.toml allows, in an environment of their own.
	$(PYTHON) -m venv --clear .venv.minimum
	sed -n '/^dependencies/,/^]/s/.*"\(.*\)>=\(.*\)".*/\1==\2/p' pyproject.toml > .venv.minimum/oldest.txt
	.venv.minimum/bin/python -m pip install --quiet --disable-pip-version-check -c .venv.minimum/oldest.txt -e '.[dev]'
	.venv.minimum/bin/pytest -n 4 --dist worksteal tests/conformance tests/aws $(wildcard tests/*/test_run.py)

bench: $(READY) ## Measure how fast it is, beside a plain loop; ROWS="small ALB" picks rows.
	@$(BIN)/python -m tests.bench $(ROWS)

fuzz: $(READY) ## Fuzz what comes from outside for SECONDS=60 each, on Python 3.11 or later; WORDS="zip keys" picks targets.
	@$(PIP) --editable '.[fuzz]'
	@$(BIN)/python -m tests.fuzz $(or $(SECONDS),60) $(WORDS)

shell: $(READY) ## Write the man page and the completion of shells from the options: aws_s3/shell/
	@$(BIN)/python -m tests.shell_files

audit: $(READY) ## Look for known vulnerabilities of what is installed; needs the network.
	@$(PIP) pip-audit
	@$(BIN)/pip-audit --skip-editable

clean: ## Remove what was set up and built.
	rm -rf $(VENV) build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .fuzz .servers
	find aws_s3 tests -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## List the targets.
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

$(READY): pyproject.toml $(BIN)/python
	@echo 'Installing aws-s3, a local AWS and the tools of its developers into $(VENV): about 600 MB …' >&2
	@$(PIP) --editable '.[dev]'
	@touch $@ $(PROGRAM)

$(PROGRAM): pyproject.toml $(BIN)/python
	@echo 'Installing aws-s3 and its libraries into $(VENV): about 50 MB …' >&2
	@$(PIP) --editable '.[fast,progress]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo 'Python 3.10 or later is needed; name one: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo 'This Python cannot make virtual environments: install its venv package' \
	        '(Debian, Ubuntu: apt install python3-venv), or name another: make PYTHON=…' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
