# Everything is set up in .venv: nothing but Python and git is needed. `make help` lists the targets.

PYTHON ?= python3
WAZUH_HOME ?= /var/ossec
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The replays wait more than they work: more processes than cores.
PYTEST := $(BIN)/pytest -n 4 --dist worksteal

.PHONY: run install uninstall test quick lint format conformance minimum bench fuzz man audit clean help

run: $(READY) ## Collect sample objects of a local emulator; with ARGS="-b my-bucket …", run aws-s3 on real ones.
ifeq ($(strip $(ARGS)),)
	@$(BIN)/python -m tests.sample
else
	@$(BIN)/aws-s3 $(ARGS)
endif

install: ## Put the program where Wazuh runs it: WAZUH_HOME=/var/ossec EXTRAS=fast,metrics
	@$(PYTHON) -m aws_s3.wazuh install "$(WAZUH_HOME)" --extras "$(EXTRAS)"

uninstall: ## Take it away again, and put back what was there.
	@$(PYTHON) -m aws_s3.wazuh uninstall "$(WAZUH_HOME)"

test: lint ## Check everything: lint, format, types, and all tests with coverage.
	$(BIN)/mypy
	$(PYTEST) --cov

quick: $(READY) ## Run the tests of single parts, which take about a minute: without those of the whole command.
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
	.venv.minimum/bin/pytest -n 4 --dist worksteal tests/conformance tests/aws tests/subscribers

bench: $(READY) ## Measure how fast it is, beside a plain loop; ROWS="small ALB" picks rows.
	@$(BIN)/python -m tests.bench $(ROWS)

fuzz: $(READY) ## Fuzz what comes from outside for SECONDS=60 each, on Python 3.11 or later; WORDS="zip keys" picks targets.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	@$(BIN)/python -m tests.fuzz $(or $(SECONDS),60) $(WORDS)

man: $(READY) ## Write the man page: build/aws-s3.1
	@mkdir -p build
	@$(BIN)/argparse-manpage --module aws_s3.config.options --function build_parser --prog aws-s3 --project-name aws-s3 \
	    --description 'collects AWS logs and hands every event to Wazuh' --output build/aws-s3.1

audit: $(READY) ## Look for known vulnerabilities of what is installed; needs the network.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit
	@$(BIN)/pip-audit --skip-editable

clean: ## Remove what was set up and built.
	rm -rf $(VENV) build dist *.egg-info .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .fuzz
	find aws_s3 tests -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## List the targets.
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

$(READY): pyproject.toml $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo 'Python 3.10 or later is needed; name one: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo 'This Python cannot make virtual environments: install its venv package' \
	        '(Debian, Ubuntu: apt install python3-venv), or name another: make PYTHON=…' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
