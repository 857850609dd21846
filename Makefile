# Everything runs in a virtual environment inside the checkout; PYTHON chooses its interpreter.
# If uv is installed, it sets up the environment, several times as fast as pip.
PYTHON ?= python3
PYTHON_OLDEST ?= python3.11
PYTHON_NEWEST ?= python3.13
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv)
# Tests run in the order of the files; ORDER= runs them in random order.
ORDER := -p no:randomly
PYTEST := -m pytest -n 2 --dist worksteal $(ORDER)

.PHONY: help demo check quick test coverage test-oldest test-newest notebooks docs lint clean
.DEFAULT_GOAL := help

help:
	@echo "make demo         score real image pairs with the shipped model"
	@echo "make check        style, types and the quick tests: two minutes, for every change"
	@echo "make test         style, types and every test"
	@echo "make coverage     every test, with a report of the lines they run"
	@echo "make test-oldest  every test on Python 3.11 with the oldest versions that setup.cfg allows"
	@echo "make test-newest  every test on Python 3.13 with the newest versions"
	@echo "make lint         style, types and layers"
	@echo "make notebooks    run every notebook from a clean kernel"
	@echo "make docs         build the documentation into site/"
	@echo "make clean        remove virtual environments, caches and build products"

$(VENV)/.demo: setup.cfg pyproject.toml
	@$(call create,$(PYTHON),$(VENV))
	@$(call install,$(VENV)) --editable '.[demo]'
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	@$(call install,$(VENV)) $(if $(UV),--compile-bytecode) --editable '.[test]'
	@touch $@

demo: $(VENV)/.demo
	@$(BIN)/gsn demo

# In parallel: the linters need one core, and not for the whole time.
check: $(VENV)/.test
	@$(MAKE) --no-print-directory --jobs=2 lint quick

quick: $(VENV)/.test
	$(BIN)/python $(PYTEST) -m "not slow" --durations=10

# The tests start about a hundred processes. Where PYTHONDONTWRITEBYTECODE is set, each of them
# would compile the package's sources anew.
test: $(VENV)/.test lint
	@$(BIN)/python -m compileall -q gsn_jax data_pipelines
	$(BIN)/python $(PYTEST) --durations=25

# Separate from `test`, because tracing every line takes time.
coverage: $(VENV)/.test
	$(BIN)/python $(PYTEST) --cov --cov-report=term

# uv resolves the oldest versions; pip cannot.
test-oldest:
	@$(call create,$(PYTHON_OLDEST),.venv-oldest)
	@$(if $(UV),$(UV),$(error test-oldest needs uv; run: pip install uv)) pip install --quiet \
		--python .venv-oldest/bin/python --resolution lowest-direct --editable '.[test]'
	.venv-oldest/bin/python $(PYTEST)

test-newest:
	@$(call create,$(PYTHON_NEWEST),.venv-newest)
	@$(call install,.venv-newest) --upgrade --editable '.[test]'
	.venv-newest/bin/python $(PYTEST)

notebooks: $(VENV)/.test
	$(BIN)/python -m pytest tests/test_notebooks.py

docs: $(VENV)/.test
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir site

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest .cache build dist site *.egg-info

# $(call create,PYTHON,FOLDER): a virtual environment with nothing but pip, which extends it where uv is gone.
define create
$(1) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "gsn_jax needs Python 3.11 or newer; set PYTHON=..."; exit 2; }; \
echo "setting up $(2) (about a minute, once)"; \
$(if $(UV),$(UV) venv --quiet --seed --clear --python $$(command -v $(1)),$(1) -m venv --clear) $(2)
endef

# $(call install,FOLDER) ARGUMENTS: installs into a virtual environment.
install = $(if $(UV),$(UV) pip install --quiet --python $(1)/bin/python,$(1)/bin/python -m pip \
	install --quiet --disable-pip-version-check)
