# Everything one does with this project. `make` alone, or `make help`, prints the list.
PYTHON ?= python3
RUN := .venv/bin/python -m
# More arguments for pytest, e.g. make unit ARGS="-k cart -x"
ARGS ?=

export ARGS
.DEFAULT_GOAL := help
.PHONY: help run dev env install test lint fix unit integration e2e torture fuzz mutants benchmark clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install ## Install what is missing and run store and simulator (PORT, SIMULATOR_PORT)
	@exec $(RUN) scripts.run

dev: install ## The same while you change it: what is saved shows in the open tab
	@exec $(RUN) scripts.run --dev

env: install ## Write .env with new secrets, unless there is one
	@$(RUN) scripts.run --env-only

install: ## Make .venv with the pinned requirements
	@$(PYTHON) scripts/bootstrap.py

test: develop ## Check everything: style, types, imports, unit, integration, browser (ARGS for pytest)
	@exec $(RUN) scripts.test

lint: develop ## Check style, types and imports only
	@exec $(RUN) scripts.test lint

fix: develop ## Format the code and repair what ruff can repair
	@$(RUN) ruff check --fix --quiet . ; $(RUN) ruff format .

unit: develop ## Run the unit tests
	@exec $(RUN) scripts.test unit

integration: develop ## Run the tests against real servers
	@exec $(RUN) scripts.test integration

e2e: develop ## Run the tests in a real browser
	@exec $(RUN) scripts.test e2e

torture: develop ## Kill the store 500 times under load, then send 10,000 notifications (ARGS="--kills 50")
	@exec $(RUN) tests.chaos.torture $(ARGS)

fuzz: develop ## Send 100,000 malformed requests to a real store (ARGS="--examples 5000 --seed 7 --postgres")
	@exec $(RUN) tests.chaos.fuzz $(ARGS)

mutants: develop ## Break the code on purpose, in a copy, and see the tests fail (ARGS="name ...")
	@exec $(RUN) tests.mutation.runner $(ARGS)

benchmark: develop ## Measure, and print the figures
	@exec $(RUN) scripts.test benchmark

clean: ## Remove what was built (.web, caches); keeps .venv, .env and data
	@rm -rf .web .states .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-results
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

.PHONY: develop
develop:
	@$(PYTHON) scripts/bootstrap.py --dev
