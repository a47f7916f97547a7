# Every command for this project. `make` alone, or `make help`, lists them.
PYTHON ?= python3
RUN := .venv/bin/python -m
# More arguments for pytest, e.g. make unit ARGS="-k cart -x"
ARGS ?=

export ARGS
.DEFAULT_GOAL := help
.PHONY: help run dev env install develop test lint fix unit integration e2e torture storm siege fuzz mutation benchmark \
  lighthouse screenshots words image clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install ## Install what is missing, then run the store and the payment simulator (PORT, SIMULATOR_PORT)
	@exec $(RUN) scripts.run

dev: install ## Run them while you change the code: what you save shows in the open tab
	@exec $(RUN) scripts.run --dev

env: install ## Write .env with random secrets, unless it exists
	@$(RUN) scripts.run --env-only

install: ## Create .venv with the pinned requirements
	@$(PYTHON) scripts/bootstrap.py

develop: ## Create .venv with the pinned requirements of the tests too
	@$(PYTHON) scripts/bootstrap.py --dev

test: develop ## Run every check: lint, unit, integration and browser tests (ARGS for pytest)
	@exec $(RUN) scripts.test

lint: develop ## Check style, types and imports
	@exec $(RUN) scripts.test lint

fix: develop ## Format the code and fix what ruff can fix
	@$(RUN) ruff check --fix --quiet . ; $(RUN) ruff format .

unit: develop ## Run the unit tests
	@exec $(RUN) scripts.test unit

integration: develop ## Run the tests against real servers
	@exec $(RUN) scripts.test integration

e2e: develop ## Run the tests in a real browser
	@exec $(RUN) scripts.test e2e

torture: develop ## Kill the store 500 times under load, then send 10,000 notifications (ARGS="--kills 50")
	@exec $(RUN) tests.chaos.torture $(ARGS)

storm: develop ## Do everything at once with a few orders, on PostgreSQL (ARGS="--seconds 10 --seed 2")
	@exec $(RUN) tests.chaos.storm $(ARGS)

siege: develop ## Attack a store as one client could, and measure what others notice (ARGS="--share 0.1")
	@exec $(RUN) tests.chaos.siege $(ARGS)

fuzz: develop ## Send 100,000 malformed requests to a real store (ARGS="--examples 5000 --seed 7 --postgres")
	@exec $(RUN) tests.chaos.fuzz $(ARGS)

mutation: develop ## Break a copy of the code, one rule at a time, and check that the tests fail (ARGS="name ...")
	@exec $(RUN) tests.mutation.runner $(ARGS)

benchmark: develop ## Measure speed and print the figures
	@exec $(RUN) scripts.test benchmark

lighthouse: develop ## Run Lighthouse on / and on an item, as a phone; reports in test-results/lighthouse
	@exec $(RUN) benchmarks.lighthouse

screenshots: develop ## Take pictures of every page, in both themes and three widths (ARGS="home cart")
	@exec $(RUN) tests.e2e.screenshots $(ARGS)

words: develop ## Bring the files of translations up to date with the sources
	@exec $(RUN) scripts.words

image: install ## Build the container image, start it and wait for its answer (IMAGE, IMAGE_BUILD_ARGS)
	@exec $(RUN) scripts.image

clean: ## Remove what was built (.web, caches); keep .venv, .env and data
	@rm -rf .web .states .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-results
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
