# One environment (.venv), made from the pinned lock with hashes. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
MRI_COLLECTIONS := cheng_masks gbm_dicom navoneel sartaj
WHOLE_HEADS := lgg_du ms volunteers

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 20

setup: .venv/installed ## Make .venv with everything that training needs

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed, for example: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

train-mri: setup ## Train on the synthetic phantom, or on DATA= (MODEL=, WEIGHTS=, CONFIG= too), then evaluate and report
ifneq ($(DATA)$(CONFIG)$(WEIGHTS),)
	$(BIN)/medtl train $(or $(CONFIG),default) $(if $(DATA),data.source="$(DATA)",$(if $(CONFIG),,data.source=phantom)) $(if $(MODEL),backbone.name=$(MODEL)) $(if $(WEIGHTS),backbone.weights="$(WEIGHTS)")
else
	$(BIN)/medtl demo $(if $(MODEL),backbone.name=$(MODEL))
endif

train-handwriting: setup ## Train on synthetic characters, or on DATA= (MODEL=, WEIGHTS=, CONFIG= too), then evaluate and report
	$(BIN)/handwriting train $(or $(CONFIG),$(if $(DATA)$(MODEL)$(WEIGHTS),auto,glyphs)) $(if $(DATA),data.source="$(DATA)",$(if $(CONFIG),,data.source=glyphs)) $(if $(MODEL),backbone.name=$(MODEL)) $(if $(WEIGHTS),backbone.weights="$(WEIGHTS)")

models: setup ## Train the models that come with the package on the data in MEDTL_DATA, and pack them
	@test -n "$(MEDTL_DATA)" || { echo "name the folder of the data: make models MEDTL_DATA=data" >&2; exit 2; }
	$(BIN)/python -m benchmarks.whole_heads "$(MEDTL_DATA)" runs/released/heads
	$(BIN)/medtl train released $(foreach name,$(MRI_COLLECTIONS),data.collections.$(name)="$(MEDTL_DATA)/$(name).zip") $(foreach name,$(WHOLE_HEADS),data.collections.$(name)=runs/released/heads/$(name)) $(if $(WEIGHTS),backbone.weights="$(WEIGHTS)") --out runs/released/brain-mri
	rm -rf medtl/models/brain-mri
	$(BIN)/medtl pack runs/released/brain-mri brain-mri --licences configs/medtl/licences.txt --measured configs/medtl/measured.md
	$(BIN)/handwriting train released data.source="$(MEDTL_DATA)/dhcd.zip" --out runs/released/devanagari
	rm -rf handwriting/models/devanagari
	$(BIN)/handwriting pack runs/released/devanagari devanagari --licences configs/handwriting/licences.txt --measured configs/handwriting/measured.md

predict: setup ## Classify SCAN= with the default model (medtl use), the only run, that of the package, or MODEL=
	@test -n "$(SCAN)" || { echo "name what to classify: make predict SCAN=scan.dcm" >&2; exit 2; }
	$(BIN)/medtl predict "$(SCAN)" $(if $(MODEL),--model "$(MODEL)")

test: setup ## The default tests, under 6 minutes on two idle cores
	$(BIN)/python -m pytest -q -n auto --dist worksteal

test-slow: setup ## The tests that take longer
	$(BIN)/python -m pytest -q -m slow

bench: setup ## Measure speed as ratios, each beside a peer; the table goes into docs/reference/speed.md
	$(BIN)/python -m benchmarks --out docs/reference/speed-table.md

examples: setup ## Run the programs of examples/ whole; REVIEWS=, FNC=, DHCD= and NHCD= name the data, else they are generated
	$(BIN)/python examples/digits/digits.py --out runs/examples/digits
	$(BIN)/python examples/wine/wine.py --out runs/examples/wine
	$(BIN)/python examples/sentiment_dann/sentiment.py $(if $(REVIEWS),"$(REVIEWS)") --out runs/examples/sentiment
	$(BIN)/python examples/stance_fnc1/stance.py $(if $(FNC),"$(FNC)",--encoder words --epochs 150) --out runs/examples/stance
	$(BIN)/python examples/descriptors/descriptors.py $(if $(DHCD),"$(DHCD)" "$(NHCD)") --out runs/examples/descriptors

lint: setup ## Format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: setup ## Static types
	$(BIN)/mypy

docs: setup ## Build the site into docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build/html

check: lint types test docs ## All that CI runs

.PHONY: help setup train-mri train-handwriting models predict test test-slow bench examples lint types docs check
