# `make run` starts the application, `make test` is everything CI does. Each sets up what it needs, and does so once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENVIRONMENT := $(PYTHON) packaging/setup/environment.py
ARTEFACTS := .artefacts

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run test check setup-run setup-test docs format bench bench-compare bench-learning desktops explore faults starter icons pictures reference house bundle installers lock clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

run: setup-run  ## set up and start the application; ARGS="--headless" and the like are passed on
	@exec $(BIN)/taskclf-tray $(ARGS)

test: setup-test  ## set up everything and run every check: this is what CI runs
	@$(MAKE) --no-print-directory check

check:  ## the checks and tests alone, in an environment that `make test` has set up
	@mkdir -p $(ARTEFACTS)
	$(BIN)/python packaging/run_tests.py

setup-run:  ## the environment of the application
	@$(ENVIRONMENT) run

setup-test:  ## system packages, the environment of the tests, and a real aw-server in its own environment
	@$(ENVIRONMENT) python
	@$(PYTHON) packaging/setup/system_packages.py
	@$(ENVIRONMENT) dev aw-server

docs:  ## build the site of docs/ into .artefacts/site; a warning is an error
	@$(ENVIRONMENT) docs
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

format:  ## write the code in its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup-test  ## measure time and memory; figures in .artefacts/bench.json
	$(BIN)/python -m tests.bench --out $(ARTEFACTS)/bench.json

bench-compare: setup-test  ## two builds side by side: OLD=COMMIT NEW=COMMIT; ratios in .artefacts/compare.json
	$(BIN)/python -m tests.bench.compare $(OLD) $(or $(NEW),HEAD) $(ARGS) --out $(ARTEFACTS)/compare.json

bench-learning: setup-test  ## how fast the app learns a person's work (20 minutes); writes docs/learning.md
	$(BIN)/python -m tests.bench.bench_learning --out docs/learning.json --plot docs/learning.png --document docs/learning.md

desktops: setup-test  ## look at the icon on every real desktop, in a copy of the system (Debian, root); writes docs/desktops.json and its table
	packaging/setup/in_a_copy.sh "$$($(BIN)/python -m tests.bench.desktops --packages)" \
		$(BIN)/python -m tests.bench.desktops --out docs/desktops.json --document docs/platforms.md $(ARGS)

explore: setup-test  ## the property tests with more and new random examples, where `make test` repeats its own; ARGS="--hypothesis-seed=N"
	TASKCLF_EXPLORE=1 $(BIN)/python -m pytest -n 2 $$(grep -rl "from hypothesis import" tests --include="test_*.py") $(ARGS)

faults: setup-test  ## the destructive tests in their long form (an hour and more)
	TASKCLF_FAULTS=long $(BIN)/python -m pytest -m faults --timeout 14400

starter: setup-test  ## make the starter model again and compare it with the shipped one, byte for byte
	rm -rf $(ARTEFACTS)/starter
	$(BIN)/python packaging/starter_model.py --out $(ARTEFACTS)/starter
	diff --recursive --brief $(ARTEFACTS)/starter taskclf_tray/data/starter && echo "The starter model is the shipped one."

icons: setup-test  ## render the drawings of assets/icons into assets/masks.png
	PYTHONPATH=. $(BIN)/python packaging/render_icons.py

pictures: setup-test  ## take the README's picture from the real app on a virtual desktop
	$(BIN)/python -m tests.bench.pictures

reference: setup-test  ## write the tables of docs/ and the JSON Schemas of configs/ from the code
	$(BIN)/python packaging/reference_pages.py

house: setup-test  ## how clear the house is, in numbers beside their targets
	@$(BIN)/python packaging/house.py

bundle:  ## the application with its own Python in dist/, tested; ARGS="--edition core" for one that does not train
	@$(ENVIRONMENT) bundle
	.venv-bundle/bin/python packaging/build.py $(ARGS)

installers: bundle  ## the bundle as .deb and .rpm in dist/ (on Windows a setup program, on macOS a disk image)
	.venv-bundle/bin/python packaging/installers.py $(ARGS)

lock:  ## resolve the pinned requirement files again; ARGS="--upgrade" for newer ones
	@$(PYTHON) packaging/setup/lock.py $(ARGS)

clean:  ## remove environments, caches and everything built
	rm -rf $(VENV) .venv-aw .venv-docs .venv-bundle build dist $(ARTEFACTS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
