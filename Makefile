VENV ?= .venv
PYTHON ?= python3
UV ?= uv
# Left empty (make test EXPORT=), torch stays out and the tests that need it skip.
EXPORT ?= $(shell grep -o 'torch==[0-9.]*' pyproject.toml)
DATA ?= var/data

BIN := $(VENV)/bin
# protoc looks for its plugins here, and so need not know of the environment.
export PATH := $(abspath $(BIN)):$(PATH)
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check
LOCKED := $(INSTALL) --require-hashes -r
# One stamp for each set of packages; all live in the same environment.
BUILT := $(VENV)/.mlmesh-built
RUN := $(VENV)/.mlmesh-run
TEST := $(VENV)/.mlmesh-test
TORCH := $(VENV)/.mlmesh-torch
START := $(VENV)/.mlmesh-start
XDS := $(VENV)/.mlmesh-xds
CONTRACTS := $(shell find protos -name '*.proto' -o -name compile.py)
DESCRIPTORS := generated/mlmesh/v1/mlmesh.binpb
LOCK = $(UV) pip compile $(ARGS) --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --excludes requirements/unlocked.txt
FOR_CPU := requirements/images/cpu.in --overrides requirements/images/cpu.overrides -c requirements/test.txt
BUILD_REQUIRES := import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")

.PHONY: help run test tools check protos format release-contracts models lock clean
.NOTPARALLEL:
.DEFAULT_GOAL := help

help: ## Say what each target does
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-17s %s\n", $$1, $$2}'

run: $(RUN) ## Install what serving needs, then start the mesh: make run ARGS='--http-port 8081'
	@$(BIN)/mlmesh up $(ARGS)

test: tools $(TEST) $(XDS) $(if $(EXPORT),$(TORCH)) ## Install what the tests need, then run them: make test ARGS='tests/cli -x'
	$(BIN)/python -m pytest $(ARGS)

# Tests skip what is missing, but for CI. Runlevel 1: no server that comes with a package is started.
tools: ## On Debian, as root: install the browser, Prometheus and nginx that some tests use
	@missing=$$(dpkg-query --show --showformat '' $$(cat requirements/debian.txt) 2>&1 >/dev/null); \
	if [ -z "$$missing" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
		apt-get update -qq && xargs apt-get install -qq --no-install-recommends <requirements/debian.txt \
			>/dev/null || echo 'not installed; tests that need it skip: ' $$(cat requirements/debian.txt); \
	else echo 'tests that need them skip:' $$(cat requirements/debian.txt); fi

check: $(TEST) protos ## Compile the contracts, then check style, types and contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/buf lint $(DESCRIPTORS) --config buf.yaml
	$(BIN)/buf breaking $(DESCRIPTORS) --against tests/contracts/released.binpb --config buf.yaml

protos: $(BUILT) ## Compile the contracts into generated/
	$(BIN)/python protos/compile.py

format: $(TEST) ## Rewrite files to the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

release-contracts: protos $(TEST) ## Make the contracts the reference that `make check` holds them to
	$(BIN)/buf build $(DESCRIPTORS) --exclude-source-info -o tests/contracts/released.binpb

models: $(TEST) $(TORCH) $(START) ## Train and export the models that are shipped: make models DATA=folder
	$(BIN)/python -m predictor.export --data $(DATA)
	$(BIN)/python -m nlp.export --data $(DATA)
	$(BIN)/python -m vision.export --data $(DATA)

lock: ## Resolve requirements/ anew: make lock UV=/path/to/uv ARGS=--upgrade
	$(LOCK) pyproject.toml --extra dev --extra export -o requirements/test.txt
	$(LOCK) pyproject.toml --extra gateway --extra nlp --extra registry --extra vision \
		-c requirements/test.txt -o requirements/run.txt
	$(LOCK) pyproject.toml --extra bench -c requirements/test.txt -o requirements/bench.txt
	$(LOCK) pyproject.toml --extra gateway -c requirements/test.txt -o requirements/images/gateway.txt
	$(LOCK) pyproject.toml --extra serve $(FOR_CPU) -o requirements/images/predictor.txt
	$(LOCK) pyproject.toml --extra nlp $(FOR_CPU) -o requirements/images/nlp.txt
	$(LOCK) pyproject.toml --extra vision $(FOR_CPU) -o requirements/images/vision.txt
	$(LOCK) pyproject.toml --extra gpu -c requirements/test.txt -o requirements/images/predictor-cuda.txt
	$(LOCK) pyproject.toml --extra gpu --extra nlp -c requirements/test.txt -o requirements/images/nlp-cuda.txt
	$(LOCK) pyproject.toml --extra gpu --extra vision -c requirements/test.txt \
		-o requirements/images/vision-cuda.txt
	@echo xds-protos==1.81.1 | $(LOCK) - --no-deps -o requirements/xds.txt
	@$(PYTHON) -c '$(BUILD_REQUIRES)' | $(LOCK) - -c requirements/test.txt \
		-o requirements/build.txt

clean: ## Remove what was compiled and cached; the environment stays
	rm -rf generated/mlmesh generated/buf dist $(BUILT)
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	find gateway predictor nlp vision mlmesh protos tests -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'mlmesh needs Python 3.11 or later; name one with PYTHON=, for example:'; \
		echo '  make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo '$(PYTHON) cannot make virtual environments. On Debian and Ubuntu:'; \
		echo '  apt install python3-venv'; exit 1; } >&2
	$(PYTHON) -m venv $(VENV)

# Not in isolation: what compiles the contracts is locked too.
$(BUILT): pyproject.toml requirements/build.txt $(CONTRACTS) | $(BIN)/python
	$(LOCKED) requirements/build.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(RUN): requirements/run.txt $(BUILT)
	$(LOCKED) requirements/run.txt
	@touch $@

$(TEST): requirements/test.txt $(BUILT)
	$(LOCKED) requirements/test.txt
	@touch $@

$(TORCH): $(TEST)
	$(INSTALL) $(EXPORT)
	@touch $@

# In a folder of its own: it brings other packages' modules along, in other versions.
$(XDS): requirements/xds.txt $(TEST)
	$(LOCKED) requirements/xds.txt --no-deps --target $(VENV)/xds --upgrade
	@touch $@

# Only its files are read: what it asks for beside them is not needed.
$(START): requirements/start.txt $(TEST)
	$(LOCKED) requirements/start.txt --no-deps
	@touch $@
