# Everything a checkout can do. `make run` and `make test` need nothing but Python 3.11 and a compiler,
# and get those themselves where they may (see .ci/setup). `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup run test lint check sanitize debug fuzz bench clean

BIN := .venv/bin
SECONDS ?= 60
TARGET ?= all
ARGS ?=

# What touches compiled code. The rest of the suite runs on Python alone, or starts processes that
# a preloaded sanitizer would only slow down.
COMPILED := $(wildcard tests/wire tests/codec tests/core tests/net tests/sim tests/scenario tests/fuzz \
              tests/store tests/test_turn*.py)

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

setup:  ## make .venv, install, compile what has changed
	@.ci/setup

run: setup  ## server and simulated devices on loopback until Ctrl-C (PORT, HTTP_PORT, DEVICES)
	@.ci/demo

test: setup  ## all tests (ARGS="-k name")
	@$(BIN)/pytest -n auto $(ARGS)

lint: setup  ## ruff, mypy, clang-format, warnings of csrc/ as errors
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	@if command -v clang-format >/dev/null; then clang-format --dry-run -Werror csrc/*.[ch]; \
	else echo "clang-format is not installed: layout of csrc/ not checked"; fi
	@flags=$$($(BIN)/python .ci/mbedtls | sed -n 1p); for file in csrc/*.c; do \
	    eval "$${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Werror -fsyntax-only $$flags $$file" || exit 1; done

check: lint test  ## lint, then all tests

sanitize: setup  ## the tests that touch compiled code, with ASan and UBSan
	@.ci/variant sanitize pytest -n auto $(ARGS) $(COMPILED)

debug: setup  ## all tests on a build with bounds checks and without optimisation
	@.ci/variant debug pytest -n auto $(ARGS)

fuzz: setup  ## fuzz targets, guided by coverage, with ASan and UBSan (TARGET=name SECONDS=60)
	@.ci/variant sanitize python -m tests.fuzz $(TARGET) --seconds $(SECONDS) --home $(CURDIR)/tests/fuzz

bench: setup  ## speed, beside C ceilings and peers (ARGS="--quick server")
	@$(BIN)/python -m bench $(ARGS)

clean:  ## remove everything made here, .venv and the demo's data included
	rm -rf .venv build data/demo bench/bin .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name '*.so' -o -name __pycache__ -o -name '*.egg-info' | xargs rm -rf
