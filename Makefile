# Every target sets up what it needs, and again only what has changed: `make test` works from a fresh
# clone. Paths are relative, so that the folder's name may have spaces in it.

SHELL = /bin/sh
.DEFAULT_GOAL = help
.PHONY: help doctor demo demo-gate capture test test-gitops test-servers check format render bench lock clean

BIN = .venv/bin
READY = .venv/.installed
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet

# ensurepip is what Debian and Ubuntu leave out until python3-venv is installed.
USABLE = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	"$$p" -c '$(USABLE)' 2>/dev/null && { echo "$$p"; break; }; done)

# Two recipes share this check, which is one line of shell.
define NEEDS_PYTHON
if [ -z "$(PYTHON)" ]; then \
	echo 'capscan needs Python 3.11 or newer, with venv, and found none. To install it:' >&2; \
	echo '  Debian, Ubuntu   sudo apt-get install python3 python3-venv' >&2; \
	echo '  Fedora           sudo dnf install python3' >&2; \
	echo '  macOS            brew install python' >&2; \
	echo 'or name one: make PYTHON=/path/to/python3.12 ...' >&2; \
	exit 1; \
elif ! "$(PYTHON)" -c '$(USABLE)'; then \
	echo '$(PYTHON) will not do: capscan needs Python 3.11 or newer, with venv' >&2; exit 1; \
fi
endef

help: ## this list
	@echo 'usage: make TARGET'
	@sed -n 's/^\([a-z]*[-%a-z]*\):.*## \(.*\)/  \1|\2/p' Makefile | \
		while IFS='|' read -r name text; do printf '  %-13s %s\n' "$$name" "$$text"; done

doctor: ## what is there, what is missing and what to do; installs nothing
	@$(NEEDS_PYTHON)
	@PYTHONPATH=operator PYTHONDONTWRITEBYTECODE=1 "$(PYTHON)" -P -m capscan.localplane.doctor

demo: $(READY) ## the main job on a real API server; KEEP=1 leaves it running
	$(BIN)/capscan demo

demo-gate: $(READY) ## the adaptive gate against a fake model server; KEEP=1 leaves it running
	$(BIN)/python -m demos.gate

capture: $(READY) ## record the demo into docs/demo.cast and docs/demo.svg
	$(BIN)/python docs/capture.py

# There are more workers than cores, because most tests wait for a process of their own. Each worker has
# its own control plane (half a gigabyte) and takes file after file, in the order of tests/conftest.py.
WORKERS ?= 4
XDIST = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: $(READY) ## every test, with branch coverage; WORKERS=1 for a small machine
	@rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest $(XDIST)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

test-gitops: $(READY) ## ask kstatus, Flux and Argo CD themselves; the first time builds them (minutes)
	$(BIN)/python -m tests.gitops.tools --build
	$(BIN)/python -m pytest tests/gitops

test-servers: $(READY) ## scan through servers that others wrote; the first time installs them (minutes)
	$(BIN)/python -m tests.servers.environment
	$(BIN)/python -m pytest tests/servers

check: $(READY) ## lint, types, import contract, rendered files fresh, Dockerfile
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m capscan.crdgen --check
	$(BIN)/hadolint Dockerfile

format: $(READY) ## format the sources and fix what ruff can fix
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

render: $(READY) ## write crds/*.yaml from the models
	$(BIN)/python -m capscan.crdgen

bench: $(READY) ## every benchmark; PEERS=1 installs and measures other clients too (minutes)
	$(BIN)/python -m benchmarks

bench-%: $(READY) ## one benchmark
	$(BIN)/python -m benchmarks $*

# The files name no address: the reader chooses where packages come from, the hashes are ours.
LOCK = $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header $(if $(UPGRADE),--upgrade)

lock: $(READY) ## pin what requirements/*.in ask for; UPGRADE=1 takes the newest
	@$(BIN)/uv --version 2>/dev/null | grep -qwF "$$(sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements/lock.txt)" || { \
		echo 'installing uv, which locks'; $(PIP) install --require-hashes -r requirements/lock.txt; }
	$(LOCK) -o requirements/runtime.txt requirements/runtime.in
	$(LOCK) -o requirements/build.txt requirements/build.in
	$(LOCK) -o requirements/dev.txt requirements/dev.in
	$(LOCK) -o requirements/peers.txt requirements/peers.in
	$(LOCK) -o requirements/lock.txt requirements/lock.in
	$(LOCK) --override requirements/servers-left-out.in -o requirements/servers.txt requirements/servers.in

clean: ## remove the environment, the caches and what was built
	rm -rf .venv .venv-peers .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache
	rm -rf .ruff_cache benchmarks/out build dist

# The last step touches a stamp, because the time of the folder says nothing. Without the stamp .venv is
# made anew: a set-up that was interrupted may have left a Python without pip.
$(READY): requirements/dev.txt pyproject.toml
	@$(NEEDS_PYTHON)
	@started=$$(date +%s); \
	if [ -e $(READY) ] && $(BIN)/python -c '$(USABLE)' 2>/dev/null; then \
		echo 'set-up: bringing .venv up to date'; \
	else \
		echo 'set-up: $(PYTHON) -m venv .venv, then the packages of requirements/dev.txt (about a minute)'; \
		"$(PYTHON)" -m venv --clear .venv || exit 1; \
	fi; \
	$(PIP) install --require-hashes -r requirements/dev.txt && \
	$(PIP) install --no-deps --no-build-isolation -e . && \
	touch $(READY) && \
	echo "set-up: done in $$(( $$(date +%s) - started )) s"
