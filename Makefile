# Every target sets up what it needs; a python3 of 3.11 or newer, with its venv module, is all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_READY := $(VENV)/.demo-ready
DATA ?=
OUT ?= out
SECONDS ?= 60
GRAPHS ?= 1000
MINUTES ?= 30
KIND ?= all
MUTANTS ?= 25
SCHEDULES ?= 1000
TRIALS ?= 200
SEED ?=
PYTEST_ARGS ?=
COMPARE ?=
CASES ?=
# What builds a wheel is pinned too; newer versions of pip look at the second name.
PINNED := PIP_CONSTRAINT='$(CURDIR)/constraints.txt' PIP_BUILD_CONSTRAINT='$(CURDIR)/constraints.txt'
UNITS := tests/unit tests/laws tests/conformance
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup compiled plain wheel demo demo-recovery test quick test-pythons test-wheels test-siblings check floor stress soak loom recovery mutants mutate chaos conformance reference docs bench clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) plain ## make .venv with everything that is pinned in constraints.txt; the plain form

$(VENV)/pyvenv.cfg:
	@command -v $(PYTHON) >/dev/null || { echo "make: python3 is missing; install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: python3 must be 3.11 or newer, got $$($(PYTHON) -V 2>&1); install one and say make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: python3 lacks its venv module; install it (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(READY): $(VENV)/pyvenv.cfg pyproject.toml constraints.txt README.md
	@echo "installing rxdag, its tests and its checkers into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(DEMO_READY): $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@echo "installing rxdag and what its command line needs into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cli]'
	@touch $@

compiled: $(READY) ## compile the hot modules in place, with mypyc and a C compiler; all other targets run what is there
	@$(BIN)/python hatch_build.py

plain: ## delete what was compiled in place
	@test ! -d src || find src \( -name '*.so' -o -name '*.pyd' -o -name '_compiled.*.json' \) -delete

wheel: $(READY) ## write a compiled wheel for this platform and a plain one into dist
	@rm -rf dist
	@$(PINNED) $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@$(PINNED) RXDAG_COMPILE=1 $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*

demo: $(if $(wildcard $(READY)),$(READY),$(DEMO_READY)) ## run the main job on simulated trades; DATA=trades.csv.gz OUT=dir for a file
	@$(BIN)/rxdag demo $(if $(DATA),--data '$(DATA)') --out '$(OUT)'

demo-recovery: $(if $(wildcard $(READY)),$(READY),$(DEMO_READY)) ## kill a job with SIGKILL, start it again, and compare its files with those of one that was left alone
	@$(BIN)/python examples/kill_it.py --out '$(OUT)/recovery'

test: $(READY) ## run the tests
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

quick: $(READY) ## run the tests for each save, in under a minute on two cores: units, without those of tests/slow.txt
	@$(BIN)/python -m pytest -q -n auto --dist loadfile -m 'not slow' $(UNITS) $(PYTEST_ARGS)

test-pythons: $(READY) ## run the units, laws and conformance cases on 3.12 and 3.13, where pyenv or PATH has them
	@$(foreach v,3.12 3.13,.ci/other-python $(v) $(UNITS) $(PYTEST_ARGS) &&) true

test-wheels: wheel ## install both wheels, each into an environment of its own, and compare what they do
	@RXDAG_WHEELS=dist $(BIN)/python -m pytest tests/wheels $(PYTEST_ARGS)

check: $(READY) ## ruff, mypy --strict, pyright strict, lint-imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright --warnings
	@$(BIN)/lint-imports

floor: $(READY) ## run the units, laws and conformance cases with the oldest versions of the dependencies that are allowed
	@test -x .floor/bin/python || $(PYTHON) -m venv .floor
	@$(BIN)/python .ci/floor.py > .floor/constraints.txt
	@.floor/bin/python -m pip install --quiet --disable-pip-version-check -c .floor/constraints.txt -e '.[test]'
	@.floor/bin/python -m pytest $(UNITS) $(PYTEST_ARGS)

SIBLINGS := .siblings
THEIRS := $(SIBLINGS)/market_data_pipeline-0.8.70

$(SIBLINGS)/.ready: pyproject.toml siblings.txt
	@echo "setting up $(SIBLINGS)"
	@test -x $(SIBLINGS)/bin/python || $(PYTHON) -m venv $(SIBLINGS)
	@$(SIBLINGS)/bin/python -m pip install --quiet --disable-pip-version-check -c siblings.txt -e '.[market-data,siblings]'
	@$(SIBLINGS)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: -d $(SIBLINGS) market-data-pipeline==0.8.70
	@tar -xzf $(THEIRS).tar.gz -C $(SIBLINGS)
	@touch $@

test-siblings: $(SIBLINGS)/.ready ## run the tests with the real market-data packages, and those of market-data-pipeline
	@RXDAG_SIBLINGS='$(THEIRS)' $(SIBLINGS)/bin/python -m pytest tests/siblings $(PYTEST_ARGS)

soak: $(READY) ## two runs under live-like load for MINUTES=30: memory, books, warnings
	@$(BIN)/python -W error -m tests.soak --minutes $(MINUTES)

stress: $(READY) ## random graphs, GRAPHS=n of KIND=A|B|S|T|lanes|all, or for SECONDS=n; SEED=n runs one alone
	@$(BIN)/python -m tests.stress --kind $(KIND) --graphs $(GRAPHS) $(if $(filter command,$(origin SECONDS)),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

loom: $(READY) ## small graphs on threads under SCHEDULES=n schedules each, drawn from seeds; 10,000 take half an hour
	@RXDAG_SCHEDULES=$(SCHEDULES) $(BIN)/python -m pytest -q tests/engine/test_loom.py --timeout 0 $(PYTEST_ARGS)

recovery: $(READY) ## kill a job with checkpoints in TRIALS=n trials, run each to its end, and compare the output
	@$(BIN)/python -m tests.recovery --trials $(TRIALS)

mutants: $(READY) ## break the rules of the engine one by one, and see that the random graphs find each; takes minutes
	@$(BIN)/python -m tests.engine.mutants

mutate: $(READY) ## change FILE="operators/keyed/_dedupe_kernel.py ..." in src/rxdag in MUTANTS=n small ways, and list what no test notices
	@$(BIN)/python -m tests.mutation $(FILE) --mutants $(MUTANTS) --seed $(or $(SEED),0)

chaos: $(READY) ## experiments that try to break a run, an overload lasts SECONDS=n; one line each
	@$(BIN)/python -m tests.chaos --seconds $(SECONDS)

conformance: $(READY) ## cases of what is right, one line each; CASES=other.yaml for others of that form
	@$(BIN)/python -m tests.conformance $(CASES)

reference: $(READY) ## write docs/reference from the operators
	@$(BIN)/python -m tests.reference

docs: $(READY) ## build the documentation in out/docs; a warning is an error
	@$(BIN)/sphinx-build -W --keep-going -q -b html docs out/docs
	@echo "out/docs/index.html"

bench: $(READY) ## CPU time over the plain loop's; BENCH_ARGS="W2 W3" for some, PEERS=1, COMPARE=1 for budgets and baseline
	@$(BIN)/python -m tests.benchmarks $(if $(COMPARE),--compare) $(BENCH_ARGS)

clean: plain ## remove what the other targets made
	@rm -rf .pythons $(VENV) $(SIBLINGS) .floor out dist .pytest_cache .mypy_cache .ruff_cache
