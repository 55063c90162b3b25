# Lodestar's doors for a person: `make run` and `make test`. Everything that they need they install themselves:
# Python packages from hashed locks into venvs in this folder, Debian's packages only as root and only when missing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Some containers set it; then each of hundreds of processes would compile all its modules anew.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
RUN_STAMP := .venv/run.stamp
DEV_STAMP := .venv/dev.stamp
SYSTEMD_STAMP := .venv/systemd.stamp
ARTEFACTS_STAMP := .venv-artefacts/ready.stamp
AIDER_STAMP := .venv-aider/ready.stamp
FUZZ_STAMP := .venv-fuzz/ready.stamp
LITELLM_STAMP := .venv-litellm/ready.stamp
PORTKEY_STAMP := .node-portkey/ready.stamp
PORTKEY_LOCKS := packaging/locks/bench-portkey
LLM_STAMP := .venv-llm/ready.stamp
NODE_STAMP := .node-clients/ready.stamp
NODE_LOCKS := packaging/locks/clients-node
CODEX_STAMP := .node-codex/ready.stamp
CODEX_LOCKS := packaging/locks/clients-codex
CLAUDE_CODE_STAMP := .node-claude-code/ready.stamp
CLAUDE_CODE_LOCKS := packaging/locks/clients-claude-code
PIP_INSTALL := -m pip install -qq --no-input --disable-pip-version-check --require-hashes --no-deps
INSTALL_OURSELVES := $(BIN)/python -m pip install -qq --no-input --disable-pip-version-check --no-deps --no-build-isolation --editable .
# What is made for one version of Python is made with .venv, which may be of another than the one that was named.
REQUIRE_NAMED_PYTHON = [ "$(origin PYTHON)" = file ] || [ ! -x $(BIN)/python ] || bash packaging/setup/same-python.sh "$(PYTHON)" $(BIN)/python
UNLESS_ROOT_AND_TOOLS := bash packaging/setup/need.sh --optional

##@ Use
.PHONY: run
run: $(RUN_STAMP) ## start the demo: the real daemon in front of a simulated upstream
	@exec $(BIN)/lodestard --demo

##@ Check
.PHONY: test
test: systemd-tools manual-tools deb-tools ## lint, types, architecture contracts and all tests, with coverage >= 90 %
	@$(MAKE) systemd-extra
	@$(MAKE) $(ARTEFACTS_STAMP) || echo "the tools of check-artefacts can't be installed here: what needs them is skipped"
	@$(MAKE) clients-env
	@$(BIN)/coverage erase
	@mkdir -p .cache
	@status=0; $(MAKE) --jobs=3 --keep-going --output-sync=target \
	tests-of-processes tests-of-machines tests-of-units tests-of-rooms tests-of-faults static || status=$$?; \
	$(MAKE) coverage || status=$$?; \
	tail -qn 1 $(addprefix .cache/,processes.txt machines.txt faults.txt units.txt rooms.txt); exit $$status

.PHONY: static
static: ## lint, types and contracts, one after the other
	@$(MAKE) lint
	@$(MAKE) types
	@$(MAKE) contracts

# Two cores: what starts processes often waits for them, so it runs beside the rest. Processes, faults, benchmarks and who may import
# what show next to nothing to the coverage that the rest does not, and go without it: it costs them a fifth of their time.
WITH_PROCESSES := tests/clients tests/daemon tests/modules/test_leave_one_out.py
MACHINES := tests/systemd tests/packaging
FAULTS := tests/faults tests/bench tests/architecture
UNITS := tests/unit

.PHONY: tests-of-processes
tests-of-processes: $(DEV_STAMP)
	@$(BIN)/pytest $(WITH_PROCESSES) 2>&1 | tee .cache/processes.txt

.PHONY: tests-of-machines
tests-of-machines: $(DEV_STAMP)
	@$(BIN)/pytest $(MACHINES) 2>&1 | tee .cache/machines.txt

# The rest is two halves of about the same length, so that both cores are busy to the end.
.PHONY: tests-of-units
tests-of-units: $(DEV_STAMP)
	@$(BIN)/coverage run -m pytest $(UNITS) 2>&1 | tee .cache/units.txt

.PHONY: tests-of-rooms
tests-of-rooms: $(DEV_STAMP)
	@$(BIN)/coverage run -m pytest $(addprefix --ignore=,$(WITH_PROCESSES) $(MACHINES) $(FAULTS) $(UNITS)) tests 2>&1 | tee .cache/rooms.txt

.PHONY: tests-of-faults
tests-of-faults: $(DEV_STAMP)
	@$(BIN)/pytest $(FAULTS) 2>&1 | tee .cache/faults.txt

.PHONY: coverage
coverage: $(DEV_STAMP)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

.PHONY: test-fast
test-fast: $(DEV_STAMP) ## the tests that start no process and need no root
	@$(BIN)/pytest -m "not daemon and not client and not systemd" tests

.PHONY: test-systemd
test-systemd: systemd-tools deb-tools ## boot a Debian 12 with systemd and run the daemon in it (needs root)
	@$(MAKE) systemd-extra
	@$(BIN)/pytest -rs tests/systemd

.PHONY: faults
faults: $(DEV_STAMP) ## every fault at the doses of the table (LODESTAR_DOSE=N: N times; LODESTAR_SEED=N: again)
	@LODESTAR_DOSE=$${LODESTAR_DOSE:-1} $(BIN)/pytest tests/faults

FUZZ_S ?= 60
.PHONY: fuzz
fuzz: $(FUZZ_STAMP) ## every reader of foreign bytes under a fuzzer (FUZZ_S=60 seconds each; FUZZ="sse answer": these)
	@if [ -x .venv-fuzz/bin/python ]; then .venv-fuzz/bin/python -m tests.fuzz.run --seconds $(FUZZ_S) $(FUZZ); \
	else echo "NOT RUN: the fuzzer needs Python 3.11 (make clean, then make fuzz with it)"; fi

.PHONY: soak
soak: $(DEV_STAMP) ## mixed traffic at full rate for LODESTAR_SOAK_S seconds (30): does anything grow?
	@LODESTAR_SOAK_S=$${LODESTAR_SOAK_S:-30} $(BIN)/pytest tests/faults/test_soak.py

# No rule of flake8-async can be broken in a file with none of these words, and it takes a fifth of a second of CPU for each file.
ASYNC_WORDS := 'async|await|trio|BaseException|ExceptionGroup|except *:'
.PHONY: lint
lint: $(DEV_STAMP) ## ruff (format and rules), and flake8-async on what is shipped and could break a rule of it
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check . ; exit 1; }
	@$(BIN)/ruff check --quiet .
	@grep -rlE --include='*.py' $(ASYNC_WORDS) lodestard lodestarctl | xargs -r $(BIN)/flake8
	@echo "lint: ok"

.PHONY: format
format: $(DEV_STAMP) ## rewrite the sources in the project's layout
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: types
types: $(DEV_STAMP) ## mypy, strict
	@$(BIN)/mypy

.PHONY: contracts
contracts: $(DEV_STAMP) ## who may import what (import-linter)
	@$(BIN)/lint-imports

.PHONY: bench
bench: $(DEV_STAMP) bench-rivals ## beside LiteLLM, Portkey and nginx, in one run (BENCH=--quick, --also NAME=URL ...)
	@$(BIN)/python -m tests.bench.compare $(BENCH)

.PHONY: bench-docs
bench-docs: $(DEV_STAMP) bench-rivals ## the same, written to docs/benchmarks.md (BENCH=--kept: the last run's figures)
	@$(BIN)/python -m tests.bench.compare --docs $(BENCH) >/dev/null
	@echo "written: docs/benchmarks.md, docs/benchmarks.svg"

.PHONY: bench-growth
bench-growth: $(DEV_STAMP) bench-tools ## what a request costs with a ledger of a million and a full cache (BENCH=--rows N)
	@$(BIN)/python -m tests.bench.compare.growth $(BENCH)

.PHONY: bench-relay
bench-relay: $(DEV_STAMP) ## direct call, bare relay and lodestard alone, with nothing to install
	@$(BIN)/python -m tests.bench.run $(BENCH)

.PHONY: bench-instructions
bench-instructions: $(DEV_STAMP) ## what a request costs in instructions, by valgrind: repeats where timings do not
	@$(BIN)/python -m tests.bench.instructions $(BENCH)

.PHONY: bench-translation
bench-translation: $(DEV_STAMP) ## what each pair of dialects costs beside passing bytes through
	@$(BIN)/python -m tests.bench.translation $(BENCH)

.PHONY: bench-classify
bench-classify: $(DEV_STAMP) ## whether the classifier is what its trainer makes, how often it is right, and what it costs
	@$(BIN)/python packaging/classifier/train.py --check
	@$(BIN)/python -m tests.bench.classify $(BENCH)

.PHONY: train-classifier
train-classifier: $(DEV_STAMP) ## make lodestard/classify/model.bin anew from packaging/classifier (TRAIN="--folds 4", --check)
	@$(BIN)/python packaging/classifier/train.py $(TRAIN)

.PHONY: bench-dashboard
bench-dashboard: $(DEV_STAMP) ## the live screen over a million requests: load, memory, key to paint
	@$(BIN)/python -m tests.bench.dashboard $(BENCH)

.PHONY: bench-ledger
bench-ledger: $(DEV_STAMP) ## a ledger of a million requests: how quick it is, and that all its views agree
	@$(BIN)/python -m tests.bench.ledger $(BENCH)

.PHONY: bench-admission
bench-admission: $(DEV_STAMP) ## what a hold costs beside a bare commit, and that free requests wait for nothing
	@$(BIN)/python -m tests.bench.admission

.PHONY: bench-gpu
bench-gpu: $(DEV_STAMP) ## who is on a simulated T600: swaps, waits, throughput, beside the committed baseline
	@$(BIN)/python -m tests.bench.gpu $(BENCH)

.PHONY: bench-routing
bench-routing: $(DEV_STAMP) ## how good and cheap the choice of models is, beside baselines (BENCH="--csv FILE", --quick)
	@$(BIN)/python -m tests.bench.routing $(BENCH)

.PHONY: bench-gpu-docs
bench-gpu-docs: $(DEV_STAMP) ## the same without what a real Ollama does, and its tables into docs/benchmarks-gpu.md
	@$(BIN)/python -m tests.bench.gpu --no-real --docs --modes residency taught $(BENCH)

##@ Keep
.PHONY: docs-http
docs-http: $(DEV_STAMP) ## write docs/http-strictness.md from the rules that the tests run
	@$(BIN)/python -m tests.rooms.http.strictness_page

.PHONY: docs-compatibility
docs-compatibility: $(DEV_STAMP) ## write docs/compatibility.md from the tests of real clients
	@$(BIN)/python -m tests.clients.matrix.page

.PHONY: docs-reference
docs-reference: $(DEV_STAMP) ## write docs/reference from the daemon's verbs, routes and docstrings
	@$(BIN)/python -m tests.reference.write

.PHONY: manuals
manuals: $(RUN_STAMP) ## write the manual pages to build/manuals
	@$(BIN)/python packaging/manuals --out build/manuals
	@echo "written: build/manuals"

.PHONY: onefile
onefile: systemd-tools ## dist/lodestard and dist/lodestarctl: one file each, for a machine with nothing but Python
	@$(REQUIRE_NAMED_PYTHON)
	@$(MAKE) systemd-extra
	@$(BIN)/python $(PIP_INSTALL) -r packaging/locks/build.txt
	@$(BIN)/python packaging/onefile/build.py --cache .cache/onefile

.PHONY: wheels
wheels: systemd-tools ## dist/wheels: what install.sh --wheels takes on a machine without an index
	@$(REQUIRE_NAMED_PYTHON)
	@$(MAKE) systemd-extra
	@$(BIN)/python $(PIP_INSTALL) -r packaging/locks/build.txt
	@bash packaging/setup/wheels.sh $(BIN)/python dist/wheels

.PHONY: check-artefacts
check-artefacts: $(ARTEFACTS_STAMP) ## the image's recipe, the manifests, workflows, issue forms and scripts
	@bash packaging/check-artefacts.sh .venv-artefacts/bin

.PHONY: checksums
checksums: ## dist/SHA256SUMS of every file in dist that a release has
	@cd dist && rm -f SHA256SUMS* && sums=$$(find . -maxdepth 1 -type f ! -name release-notes.md -printf '%P\0' | sort -z \
	| xargs -0 sha256sum --) && echo "$$sums" | tee SHA256SUMS

TAG ?=
.PHONY: release-notes
release-notes: ## dist/release-notes.md from CHANGELOG.md (TAG=v1.2.3: it must be this version)
	@mkdir -p dist && packaging/release-notes $(TAG) >dist/release-notes.md && echo "written: dist/release-notes.md"

.PHONY: lock
lock: ## resolve packaging/locks/*.txt anew (UPGRADE=1 takes the newest versions)
	@bash packaging/setup/lock.sh "$(PYTHON)" $(if $(UPGRADE),--upgrade)

.PHONY: deb
deb: $(RUN_STAMP) deb-tools ## dist/lodestard_VERSION_ARCH.deb for Debian 12; the same bytes from the same commit
	@$(BIN)/python packaging/deb/build.py

.PHONY: clean
clean: ## remove everything that make has made in this folder
	rm -rf .venv .venv-* .node-* .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	rm -f .coverage .coverage.*
	find lodestard lodestarctl tests -name __pycache__ -type d -exec rm -rf {} +

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {print "\n" substr($$0, 5)} \
	/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Set up (the others call these)
.PHONY: setup
setup: $(DEV_STAMP) ## .venv with everything that development needs

.PHONY: systemd-extra
systemd-extra: $(DEV_STAMP)
	@if pkg-config --exists libsystemd 2>/dev/null && command -v gcc >/dev/null; then $(MAKE) $(SYSTEMD_STAMP); \
	else echo "systemd-python can't be built here: what needs it is skipped"; fi

.PHONY: aider-env
aider-env: $(AIDER_STAMP) ## .venv-aider with the Aider that the client tests run

.PHONY: clients-env
clients-env: node-tools aider-env $(LLM_STAMP) $(NODE_STAMP) $(CODEX_STAMP) $(CLAUDE_CODE_STAMP) ## the client programs that the tests run, each in a folder of its own

.PHONY: node-tools
node-tools:
	@$(UNLESS_ROOT_AND_TOOLS) node=nodejs npm=npm

.PHONY: manual-tools
manual-tools: ## what checks the manual pages, as root
	@$(UNLESS_ROOT_AND_TOOLS) mandoc=mandoc groff=groff-base

.PHONY: bench-rivals
bench-rivals: bench-tools $(LITELLM_STAMP) $(PORTKEY_STAMP) ## what `make bench` compares with, each in a folder of its own

.PHONY: bench-tools
bench-tools: ## Debian's loaders and nginx, as root
	@bash packaging/setup/bench-tools.sh

.PHONY: systemd-tools
systemd-tools: ## Debian's packages for the systemd test, as root
	@$(UNLESS_ROOT_AND_TOOLS) mmdebstrap=mmdebstrap systemd-nspawn=systemd-container dbus-daemon=dbus \
		gcc=gcc pkg-config=pkg-config /usr/include/systemd/sd-daemon.h=libsystemd-dev \
		/usr/include/python3.11/Python.h=python3-dev

.PHONY: deb-tools
deb-tools: ## Debian's packages that `make deb` and its tests need, as root
	@$(UNLESS_ROOT_AND_TOOLS) dpkg-deb=dpkg lintian=lintian strip=binutils gcc=gcc pkg-config=pkg-config \
		/usr/include/systemd/sd-daemon.h=libsystemd-dev /usr/include/python3.11/Python.h=python3-dev

$(RUN_STAMP): packaging/locks/run.txt packaging/locks/build.txt pyproject.toml
	@bash packaging/setup/venv.sh "$(PYTHON)" .venv
	@echo "Installing Lodestar into .venv ..."
	@$(BIN)/python $(PIP_INSTALL) -r packaging/locks/run.txt -r packaging/locks/build.txt
	@$(INSTALL_OURSELVES)
	@touch $@

$(DEV_STAMP): packaging/locks/dev.txt pyproject.toml
	@bash packaging/setup/venv.sh "$(PYTHON)" .venv
	@echo "Installing Lodestar and its development tools into .venv ..."
	@$(BIN)/python $(PIP_INSTALL) -r packaging/locks/dev.txt
	@$(INSTALL_OURSELVES)
	@touch $@ $(RUN_STAMP)

$(SYSTEMD_STAMP): packaging/locks/systemd.txt packaging/locks/build.txt $(DEV_STAMP)
	@echo "Building systemd-python ..."
	@$(BIN)/python $(PIP_INSTALL) -r packaging/locks/build.txt
	@$(BIN)/python $(PIP_INSTALL) --no-build-isolation -r packaging/locks/systemd.txt
	@touch $@

$(AIDER_STAMP): packaging/locks/aider.txt
	@bash packaging/setup/aider.sh "$(PYTHON)" .venv-aider packaging/locks/aider.txt
	@touch $@

$(ARTEFACTS_STAMP): packaging/locks/artefacts.txt
	@bash packaging/setup/client.sh "$(PYTHON)" .venv-artefacts packaging/locks/artefacts.txt
	@touch $@

$(LLM_STAMP): packaging/locks/llm.txt
	@bash packaging/setup/client.sh "$(PYTHON)" .venv-llm packaging/locks/llm.txt
	@touch $@

$(FUZZ_STAMP): packaging/locks/fuzz.txt packaging/locks/run.txt
	@bash packaging/setup/fuzz.sh "$(PYTHON)" .venv-fuzz packaging/locks/run.txt packaging/locks/fuzz.txt
	@touch $@

$(LITELLM_STAMP): packaging/locks/bench-litellm.txt
	@bash packaging/setup/litellm.sh "$(PYTHON)" .venv-litellm packaging/locks/bench-litellm.txt
	@touch $@

$(NODE_STAMP): $(NODE_LOCKS)/package.json $(NODE_LOCKS)/package-lock.json | node-tools
	@bash packaging/setup/node.sh .node-clients $(NODE_LOCKS) "the clients of Node.js"
	@touch $@

$(CODEX_STAMP): $(CODEX_LOCKS)/package.json $(CODEX_LOCKS)/package-lock.json | node-tools
	@bash packaging/setup/node.sh .node-codex $(CODEX_LOCKS) "Codex (400 megabytes)"
	@touch $@

$(CLAUDE_CODE_STAMP): $(CLAUDE_CODE_LOCKS)/package.json $(CLAUDE_CODE_LOCKS)/package-lock.json | node-tools
	@bash packaging/setup/node.sh .node-claude-code $(CLAUDE_CODE_LOCKS) "Claude Code (400 megabytes, not free software)"
	@touch $@

# npm may be among what bench-tools brings.
$(PORTKEY_STAMP): $(PORTKEY_LOCKS)/package.json $(PORTKEY_LOCKS)/package-lock.json | bench-tools
	@bash packaging/setup/node.sh .node-portkey $(PORTKEY_LOCKS) "the Portkey gateway"
	@touch $@
