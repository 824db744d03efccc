# Two commands are all a newcomer needs: `make demo` and `make test`. Everything else serves the maintainers.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-virtualenv

.PHONY: demo test check bench format lock clean package install uninstall

demo: $(VENV)/run.stamp   ## the whole journey on real files, against a sandbox on this machine
	$(BIN)/hotfolder demo

test: $(VENV)/dev.stamp   ## all tests
	@failed=0; \
	$(BIN)/python -m pytest -n auto -m "not booted" || failed=$$?; \
	$(BIN)/python -m pytest -n 2 -m booted tests/booted || failed=$$?; \
	exit $$failed

check: $(VENV)/dev.stamp  ## format, lint, types, layers, docs, units
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/house

bench: $(VENV)/dev.stamp  ## the benchmarks; one of them: make bench WORK=latency
	$(BIN)/python -m benchmarks $(WORK)

format: $(VENV)/dev.stamp ## rewrite the sources in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

package: $(VENV)/dev.stamp ## dist/hotfolder_VERSION_ARCH.deb, with its locked wheels inside
	systemd/package/build

install: $(VENV)/run.stamp ## as root, without the package: program, units, completions, manual (DESTDIR, PREFIX)
	DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" systemd/package/install

uninstall:                ## remove what `make install` put there; configuration, journal and documents stay
	DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" systemd/package/uninstall

lock:                     ## renew the lock files (needs uv)
	.ci/lock --upgrade

clean:
	rm -rf $(VENV) .cache .hypothesis .pytest_cache .mypy_cache .ruff_cache dist .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: $(BIN)/python .ci/requirements.lock pyproject.toml
	$(PIP) --require-hashes -r .ci/requirements.lock
	$(PIP) --no-deps -e .
	touch $@

$(VENV)/dev.stamp: $(BIN)/python .ci/requirements-dev.lock pyproject.toml
	$(PIP) --require-hashes -r .ci/requirements-dev.lock
	$(PIP) --no-deps -e .
	touch $@ $(VENV)/run.stamp
