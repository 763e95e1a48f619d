# The one command surface of this repository: `make help`. Needs Python 3.11+ and PyPI; everything else it sets up itself.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --warn-undefined-variables

BIN := .venv/bin
STAMP := .venv/.synced
# The peers that benchmarks compare with stay out of .venv, so that no check or test can come to need them.
BENCH_BIN := .venv-bench/bin
BENCH_STAMP := .venv-bench/.synced
# `make test BROKERS=all` runs on every version of the servers that tests know, not on the oldest and the newest broker alone.
BROKERS ?=
export BROKERS
PYTHON ?=
PYTEST_ARGS ?=
DEMO_ARGS ?=
BENCH_ARGS ?=
export PYTHON
# A package index that stumbles for a moment must not end a run of an hour.
export UV_HTTP_RETRIES ?= 10
export UV_HTTP_TIMEOUT ?= 120
export PIP_RETRIES ?= 10
export PIP_DEFAULT_TIMEOUT ?= 60
export npm_config_fetch_retries ?= 5
# An activated environment of something else must not leak in.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# Where bytecode may not be kept, every process that a test or a mesh starts compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

SOURCES := components infra tools lab tests examples bench
# Folders that are no packages, so that mypy has to be told where their modules start.
export MYPYPATH := examples/code-census:examples/hello
# Stands for users' code, deliberately bad code among it, and runs on Python 3.7: the rules of this repository do not apply.
FOREIGN := tests/support/handlers/
# What users write, without our types; tests run it.
PROGRAMS := examples/pulumi-
PARALLEL := -n 2 --dist loadgroup
CHECKS := $(basename $(notdir $(sort $(wildcard tools/check_*.py))))
# The charts last: they are made of manifests and dashboards that other pages write.
PAGES := $(filter-out docs_charts,$(basename $(notdir $(sort $(wildcard tools/docs_*.py))))) docs_charts
# What runs in users' pods, under the newest Python too.
NEWEST_PYTHON_TESTS := $(addprefix tests/unit/,protocol process transport store sidecar crew manifest)
RUNTIME_TESTS := tests/contract/runtime tests/component/runtime
CHARTS_IN_A_BROWSER := tests/component/gateway/console/test_console.py::test_charts_show_the_last_hours_of_one_actor_and_of_all

##@ Start here
.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST); echo

.PHONY: demo
demo: $(STAMP) ## Run a whole mesh on this machine: count the complexity of Python's own standard library
	@$(BIN)/python examples/code-census/demo.py $(DEMO_ARGS)

.PHONY: test
test: $(STAMP) test-servers ## Run every tier, installing the servers it needs
	@$(MAKE) test-unit
	@$(MAKE) test-security
	@$(MAKE) test-contract
	@$(MAKE) test-component
	@$(MAKE) test-charts
	@$(MAKE) test-observability
	@$(MAKE) test-stack

##@ Develop
.PHONY: setup
setup: $(STAMP) ## Make .venv agree with uv.lock (other targets do it when needed)

$(STAMP): uv.lock pyproject.toml $(wildcard components/*/pyproject.toml infra/*/pyproject.toml) tools/bootstrap.sh
	@tools/bootstrap.sh
	@touch $@

.PHONY: fmt
fmt: $(STAMP) ## Format the code and fix what can be fixed safely
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

.PHONY: docs
docs: $(STAMP) ## Write the pages that are generated from code
	@for page in $(PAGES); do $(BIN)/python -m tools.$$page || exit 1; done

##@ Check
.PHONY: check
check: $(STAMP) lint types imports repo ## Everything that needs no server and no process, in under a minute

.PHONY: lint
lint: $(STAMP) ## Format and lint rules (ruff)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)

.PHONY: types
types: $(STAMP) ## Types (mypy --strict)
	@$(BIN)/mypy --exclude '$(FOREIGN)' --exclude '$(PROGRAMS)' $(SOURCES)

.PHONY: imports
imports: $(STAMP) ## Directions between rooms (import-linter)
	@$(BIN)/lint-imports

.PHONY: repo
repo: $(STAMP) ## Sizes, names, golden vectors, and pages that must agree with the code
	@for check in $(CHECKS); do $(BIN)/python -m tools.$$check || failed=1; done; exit $${failed:-0}
	@for page in $(PAGES); do $(BIN)/python -m tools.$$page --check || failed=1; done; exit $${failed:-0}

.PHONY: pins
pins: $(STAMP) ## Until when others mend what is pinned here: warns 90 days before that ends, fails after
	@$(BIN)/python -m tools.pins

##@ Test, by tier (tests/README.md says what each needs and how long it takes)
.PHONY: test-servers
test-servers: $(STAMP) ## Install the servers that tests start (other targets do it when needed)
	@$(BIN)/python -m lab.servers.rabbitmq install
	@$(BIN)/python -m lab.servers.elasticmq install
	@$(BIN)/python -m lab.servers.postgres install
	@if [ "$(BROKERS)" = all ]; then POSTGRES=18 $(BIN)/python -m lab.servers.postgres install; $(BIN)/python -m lab.installs.pythons; nice -n 10 $(BIN)/python -m lab.installs.seaweedfs; fi
	@$(BIN)/python -m lab.installs.chromium install
	@$(BIN)/python -m lab.installs.node install

.PHONY: test-unit
test-unit: $(STAMP) ## No socket, no process, virtual time
	@$(BIN)/pytest $(PARALLEL) tests/unit $(PYTEST_ARGS)
	@if [ "$(BROKERS)" = all ]; then $(BIN)/python -m lab.installs.pythons pytest -p no:cacheprovider $(PARALLEL) $(NEWEST_PYTHON_TESTS); fi

.PHONY: test-security
test-security: $(STAMP) ## What others may not do: one test for each weakness that was found
	@$(BIN)/pytest $(PARALLEL) tests/security $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: $(STAMP) ## Made-up input for all that reads what strangers send, 20,000 documents each: ASYA_FUZZ_EXAMPLES=1000000
	@ASYA_FUZZ_EXAMPLES=$${ASYA_FUZZ_EXAMPLES:-20000} $(BIN)/pytest --timeout 0 $(PARALLEL) tests/security/test_fuzz.py $(PYTEST_ARGS)

.PHONY: audit
audit: $(STAMP) ## Known holes in the locked packages, and in images that are named if trivy or grype is here: IMAGES="a b"
	@$(BIN)/python -m tools.audit $(IMAGES)

.PHONY: test-contract
test-contract: $(STAMP) test-servers ## One suite, every transport, store and wire
	@$(BIN)/pytest $(PARALLEL) tests/contract $(PYTEST_ARGS)
	@if [ "$(BROKERS)" = all ]; then POSTGRES=18 $(BIN)/pytest tests/contract/store tests/contract/gateway $(PYTEST_ARGS); fi

.PHONY: test-component
test-component: $(STAMP) test-servers ## Real processes on this machine, then the faults with their history tables
	@$(BIN)/pytest $(PARALLEL) tests/component $(PYTEST_ARGS)

.PHONY: test-charts
test-charts: $(STAMP) ## The Helm charts, as both living generations of Helm, built the first time, render them
	@nice -n 10 $(BIN)/python -m lab.installs.helm >/dev/null
	@$(BIN)/python -m lab.installs.kubernetes_openapi >/dev/null
	@$(BIN)/python -m lab.installs.prometheus_definitions >/dev/null
	@$(BIN)/pytest -n 2 tests/charts $(PYTEST_ARGS)

.PHONY: test-tofu
test-tofu: $(STAMP) ## The OpenTofu modules beside the Pulumi program, by OpenTofu itself, built the first time (ten minutes); no provider
	@nice -n 10 $(BIN)/python -m lab.installs.opentofu >/dev/null
	@$(BIN)/pytest tests/tofu $(PYTEST_ARGS)

.PHONY: test-cosign
test-cosign: $(STAMP) ## Signatures of a release by the real cosign, from Debian's package; builds the crew's image twice
	@$(BIN)/pytest tests/signatures $(PYTEST_ARGS)

.PHONY: test-observability
test-observability: $(STAMP) ## Alerts and dashboards on a real Prometheus, spans through a real collector, charts in a real browser
	@nice -n 10 $(BIN)/python -m lab.installs.prometheus >/dev/null
	@nice -n 10 $(BIN)/python -m lab.installs.collector >/dev/null
	@$(BIN)/python -m lab.installs.chromium install
	@$(BIN)/python -m lab.servers.rabbitmq install
	@$(BIN)/pytest -n 2 tests/observability $(CHARTS_IN_A_BROWSER) $(PYTEST_ARGS)

.PHONY: test-stack
test-stack: $(STAMP) ## The real Pulumi engine, built the first time, with stand-ins for its plugins
	@$(BIN)/python -m lab.engine build >/dev/null
	@$(BIN)/python -m lab.engine hosts >/dev/null
	@$(BIN)/python -m lab.installs.kubernetes_openapi >/dev/null
	@$(BIN)/python -m lab.installs.node pulumi >/dev/null
	@$(BIN)/pytest -n 2 --dist loadfile tests/stack $(PYTEST_ARGS)

.PHONY: test-runtime
test-runtime: $(STAMP) ## The runtime alone, on every Python from 3.7 to 3.14 that this machine has
	@$(BIN)/pytest -v $(wildcard $(RUNTIME_TESTS)) $(PYTEST_ARGS)

.PHONY: e2e
e2e: $(STAMP) test-servers cluster images ## Actors on a real Kubernetes, which it starts and leaves up (make cluster-down ends it)
	@$(BIN)/python -m lab.installs.aws_cli
	@nice -n 10 $(BIN)/python -m lab.installs.prometheus >/dev/null
	@$(BIN)/pytest tests/e2e --ignore tests/e2e/stack $(PYTEST_ARGS)

.PHONY: e2e-stack
e2e-stack: $(STAMP) test-servers cluster images ## The stack alone on that cluster, where no other operator may be, by the real provider for Kubernetes
	@$(BIN)/python -m lab.engine build >/dev/null
	@$(BIN)/python -m lab.engine.kubernetes_provider >/dev/null
	@$(BIN)/pytest tests/e2e/stack $(PYTEST_ARGS)

.PHONY: test-gateway
test-gateway: $(STAMP) test-servers ## The gateway alone, every tier
	@$(BIN)/pytest $(PARALLEL) $(wildcard tests/*/gateway) $(PYTEST_ARGS)

##@ Measure (docs/performance.md says what is measured, and why the figures are what they are)
.PHONY: bench
bench: $(BENCH_STAMP) test-servers ## Cost of a hop, jobs beside the peers, and how cost grows; BENCH_ARGS="--full --only hop"
	@$(BENCH_BIN)/python -m bench $(BENCH_ARGS)

.PHONY: bench-infra
bench-infra: $(BENCH_STAMP) ## Preview of a program with 500 actors: time and memory
	@$(BENCH_BIN)/python -m bench --only infra

.PHONY: bench-gateway
bench-gateway: $(BENCH_STAMP) test-servers ## Calls a second of one gateway on Postgres and RabbitMQ, beside the memory store
	@$(BENCH_BIN)/python -m bench --only gateway

.PHONY: bench-operator
bench-operator: $(BENCH_STAMP) test-servers ## 10, 100 and 1,000 actors on a real API server; builds Kubernetes' parts where they are missing
	@$(BENCH_BIN)/python -m bench --only operator

$(BENCH_STAMP): uv.lock pyproject.toml $(wildcard components/*/pyproject.toml infra/*/pyproject.toml) tools/bootstrap.sh
	@UV_PROJECT_ENVIRONMENT=.venv-bench tools/bootstrap.sh --group bench
	@touch $@

include tools/pulumi.mk

include tools/cluster.mk

##@ Tidy up
.PHONY: clean
clean: ## Remove what the targets above made inside the checkout, but .pulumi-state (the local mesh is taken down first)
	@if [ -x $(BIN)/asya ] && [ -d .asya ]; then $(BIN)/asya local down || true; fi
	@if [ -x $(BIN)/python ] && [ -d .asya-cluster ]; then $(BIN)/python -m lab.cluster down || true; fi
	@rm -rf .venv .venv-bench .asya .asya-demo .artifacts .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find components infra tests tools examples bench -name __pycache__ -type d -prune -exec rm -rf {} +
