# Everything runs in a virtual environment inside the checkout; PYTHON chooses its interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test notebooks docs lint clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   score real image pairs with the model that ships"
	@echo "make test   lint and run the tests with coverage"
	@echo "make lint   check style"
	@echo "make notebooks  run every notebook from a clean kernel"
	@echo "make docs   build the documentation into site/"
	@echo "make clean  remove the virtual environment and build products"

$(STAMP): setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "gsn_jax needs Python 3.11 or newer; set PYTHON=..."; exit 2; }
	@echo "setting up $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

demo: $(STAMP)
	@$(BIN)/gsn demo

test: $(STAMP) lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term --durations=25

notebooks: $(STAMP)
	$(BIN)/python -m pytest tests/test_notebooks.py

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir site

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf $(VENV) build dist site *.egg-info
