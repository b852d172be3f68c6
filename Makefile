# Everything a checkout needs: `make demo` and `make test` work on a machine that has only make and Python 3.11 or newer.
# Each install step leaves a stamp in .venv, so that a repeated call starts at once.

VENV ?= .venv
DEMO_OUT ?= demo-output
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -c requirements/limits.in
# The card takes its figures from the results of the others.
BENCHMARKS := startup text_accuracy toxicity throughput memory kill_resume prosody voice_speed speaker_turns face_accuracy face_speed film_timeline film_speed cascade ray_engine serve_load card_metrics
# Every optional part, each with its own locked requirements.
EXTRAS := $(VENV)/train.stamp $(VENV)/voice.stamp $(VENV)/face.stamp $(VENV)/language.stamp $(VENV)/serve.stamp $(VENV)/inspect.stamp
SPHINX := $(BIN)/sphinx-build --fail-on-warning --keep-going -q -b html docs docs/_build/html

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check format docs bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/core.stamp ## Analyse the example posts and dialogue, write a table and a report
	$(BIN)/affectome analyze examples/posts.csv examples/dialogue.csv --out $(DEMO_OUT) --report --overwrite

test: $(EXTRAS) ## Run the whole test suite; fails below 90 % branch coverage
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

check: $(EXTRAS) ## Lint, types, import directions, locked requirements, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/house/test_requirements.py
	$(BIN)/python docs/generate.py --check
	$(SPHINX)

format: $(VENV)/dev.stamp ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp ## Write the generated pages and build the documentation
	$(BIN)/python docs/generate.py
	$(SPHINX)
	@echo "Documentation: docs/_build/html/index.html"

bench: $(VENV)/train.stamp ## Run the benchmarks (minutes to an hour)
	set -e; for name in $(BENCHMARKS); do $(BIN)/python "benchmarks/$$name.py"; done

lock: $(VENV)/dev.stamp ## Lock the requirements again after a change in pyproject.toml
	$(LOCK) pyproject.toml -o requirements/core.txt
	$(LOCK) --group build -c requirements/core.txt -o requirements/build.txt
	$(LOCK) pyproject.toml --group dev -c requirements/core.txt -c requirements/build.txt -o requirements/dev.txt
	$(LOCK) requirements/train.in -c requirements/dev.txt -o requirements/train.txt
	$(LOCK) requirements/voice.in -c requirements/train.txt -c requirements/dev.txt -o requirements/voice.txt
	$(LOCK) requirements/transcribe.in -c requirements/voice.txt -c requirements/train.txt -c requirements/dev.txt -o requirements/transcribe.txt
	$(LOCK) requirements/face.in -c requirements/transcribe.txt -c requirements/voice.txt -c requirements/train.txt -c requirements/dev.txt -o requirements/face.txt
	$(LOCK) requirements/language.in -c requirements/face.txt -c requirements/transcribe.txt -c requirements/voice.txt -c requirements/train.txt -c requirements/dev.txt -o requirements/language.txt
	$(LOCK) requirements/serve.in -c requirements/language.txt -c requirements/face.txt -c requirements/transcribe.txt -c requirements/voice.txt -c requirements/train.txt -c requirements/dev.txt -o requirements/serve.txt
	$(LOCK) requirements/inspect.in -c requirements/serve.txt -c requirements/language.txt -c requirements/face.txt -c requirements/transcribe.txt -c requirements/voice.txt -c requirements/train.txt -c requirements/dev.txt -o requirements/inspect.txt
	$(LOCK) --no-deps requirements/accelerate.in -o requirements/accelerate.txt
	$(LOCK) --no-deps requirements/silero.in -o requirements/silero.txt
	$(LOCK) --no-deps requirements/speaker.in -o requirements/speaker.txt
	$(LOCK) --no-deps requirements/mesh.in -o requirements/mesh.txt

clean: ## Remove the environment and everything that was built
	rm -rf $(VENV) $(DEMO_OUT) docs/_build .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# The first interpreter that runs and is new enough; an old one or a version manager's empty shim is passed over.
$(VENV)/bin/python:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        "$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	            echo "$$python cannot create environments. On Debian: apt install python3-venv" >&2; exit 1; }; \
	        echo "Creating $(VENV) with $$("$$python" --version)"; \
	        exec "$$python" -m venv $(VENV); \
	    fi; \
	done; \
	echo "Affectome needs Python 3.11 or newer. Install one, or name it: make demo PYTHON=/path/to/python3" >&2; exit 1

$(VENV)/core.stamp: requirements/core.txt requirements/build.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) --require-hashes -r requirements/core.txt -r requirements/build.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/core.stamp
	$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/train.stamp: requirements/train.txt requirements/accelerate.txt requirements/torch.txt $(VENV)/dev.stamp
	$(PIP) --require-hashes -r requirements/train.txt
	$(PIP) -r requirements/torch.txt
	$(PIP) --require-hashes --no-deps -r requirements/accelerate.txt
	@touch $@

# The packages with the weights of speech detector and speaker encoder ask for torch, which reading them does not need.
VOICE := requirements/voice.txt requirements/transcribe.txt
VOICE_WEIGHTS := requirements/silero.txt requirements/speaker.txt
$(VENV)/voice.stamp: $(VOICE) $(VOICE_WEIGHTS) $(VENV)/dev.stamp
	$(PIP) --require-hashes $(VOICE:%=-r %)
	$(PIP) --require-hashes --no-deps $(VOICE_WEIGHTS:%=-r %)
	@touch $@

$(VENV)/language.stamp: requirements/language.txt $(VENV)/dev.stamp
	$(PIP) --require-hashes -r requirements/language.txt
	@touch $@

$(VENV)/serve.stamp: requirements/serve.txt $(VENV)/dev.stamp
	$(PIP) --require-hashes -r requirements/serve.txt
	@touch $@

$(VENV)/inspect.stamp: requirements/inspect.txt $(VENV)/language.stamp
	$(PIP) --require-hashes -r requirements/inspect.txt
	@touch $@

# The package with the weights of face detector and mesh asks for what reading them does not need.
$(VENV)/face.stamp: requirements/face.txt requirements/mesh.txt $(VENV)/dev.stamp
	$(PIP) --require-hashes -r requirements/face.txt
	$(PIP) --require-hashes --no-deps -r requirements/mesh.txt
	@touch $@
