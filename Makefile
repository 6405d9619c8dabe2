# `make app` starts the app, `make test` runs the tests; each first builds .venv if it is not there or not up to date.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,\
	$(shell $(p) -c 'import sys; print("$(p)" if sys.version_info >= (3, 11) else "")' 2>/dev/null)))

.PHONY: app test quick record lint format browser venv lock clean

app: venv
	$(BIN)/depthscope app

# For one process: make test WORKERS=0
test: venv browser
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

# Most of the tests, in less than a minute.
quick: venv
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow and not browser" $(ARGS)

# Runs every instrument on every checkpoint whose weights or code are not those in docs/instruments/runs.json.
record: venv
	$(BIN)/python -m benchmarks.applicability --run --restamp --workers $(WORKERS)

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

venv: $(READY)

$(READY): pyproject.toml requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found; name it with: make PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c requirements.lock
	@touch $@

# The tests of the pages drive a real Chromium. Where it cannot be had they say so and are skipped.
browser:
	@sh .ci/browser

# Pins what the dependencies in pyproject.toml bring along, from what is installed in .venv.
lock:
	$(BIN)/python .ci/lock.py > requirements.lock.tmp && mv requirements.lock.tmp requirements.lock

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache .hypothesis
