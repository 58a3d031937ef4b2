# `make` lists the targets.
SHELL := /bin/bash
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
LIBRARY := $(if $(ORT_DYLIB_PATH),true,scripts/onnxruntime.sh)
IMAGE ?= hostler
SOAK ?= 20
# What tests run author folders with.
export HOSTLER_TEST_PYTHON ?= $(CURDIR)/.tools/python/bin/python

.DEFAULT_GOAL := help
.PHONY: help serve build test lint soak bench bench-peers parity e2e image library python

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

serve: build ## build the server and serve the models of .env
	@exec $(TARGET)/release/hostler

build: library ## the release build
	$(CARGO) build --release --locked

test: library python ## every test; does its own set-up
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  set -x; $(CARGO) nextest run --locked && $(CARGO) test --locked --doc; \
	else \
	  set -x; $(CARGO) test --locked; \
	fi
	$(HOSTLER_TEST_PYTHON) -B -m unittest discover --quiet --buffer -s python/tests -t python
	python3 -B scripts/check.py
	HOSTLER_BIN=$(TARGET)/debug/hostler python3 -B tests/e2e/readme.py

lint: ## formatting, clippy without warnings, licences and sources of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	  set -x; $(CARGO) fetch --locked --quiet && $(CARGO) deny --offline check bans licenses sources; \
	else \
	  echo "cargo-deny is not installed: dependencies were not checked (cargo install --locked cargo-deny)"; \
	fi

soak: library python ## the crash tests for SOAK minutes each (20): servers and Redis killed, every job counted
	HOSTLER_SOAK=$(SOAK) $(CARGO) test --locked --test it jobs_crash -- --nocapture --test-threads=1

bench: library python ## the benchmarks of benches/
	$(CARGO) run --release --locked -p hostler-benches

bench-peers: library ## the same Python function, and the same model folders, behind Hostler and other servers
	function=$$(scripts/python.sh peers benches/peers/requirements.txt) && \
	  models=$$(scripts/python.sh peer-models benches/peers/models/requirements.txt) && \
	  HOSTLER_PEERS_PYTHON=$$function HOSTLER_PEER_MODELS_PYTHON=$$models \
	  $(CARGO) run --release --locked -p hostler-benches -- peers

parity: ## answers of a model behind Hostler beside those of transformers (fetches torch, some GB)
	scripts/parity.sh

e2e: build ## dashboard and docs in headless Chromium
	scripts/e2e.sh

image: ## the container image
	docker build -t $(IMAGE) .

library: ## ONNX Runtime, where it is missing
	@$(LIBRARY)

python: ## the Python packages of the tests, in .tools/python
	@scripts/python.sh >/dev/null
