# make bench   set up and run the headline methods on the default data sets
# make test    set up and run every test that is not marked slow
# make benchmark  time the harness (half an hour) and write docs/benchmarks.md and .json
# make pictures  run every method on the ladder and draw the pictures of the docs
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
VENV := .venv
STAMP := $(VENV)/.up-to-date

.PHONY: bench test benchmark pictures lint clean

bench: $(STAMP)
	$(VENV)/bin/bench run --all --headline

# Test processes that share the cores must not spin while they wait for each other's threads.
test: export OMP_WAIT_POLICY = PASSIVE
test: $(STAMP)
	$(VENV)/bin/python -m pytest -m "not slow" --numprocesses auto --dist worksteal --durations 15

benchmark: $(STAMP)
	$(VENV)/bin/python -m benchmarks

pictures: $(STAMP)
	$(VENV)/bin/bench run --all -d "phantom-gan-*"
	for n in 50 200 1000; do \
	  $(VENV)/bin/bench forge gan --size 32 --members $$n --slices 1 --null-pool --iterations 2000 -o build/members-$$n && \
	  $(VENV)/bin/bench run -m nearest-pixel -m whitened-neighbour -d build/members-$$n || exit 1; \
	done
	$(VENV)/bin/python docs/pictures/draw.py

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo pyproject.toml

$(STAMP): pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; say which: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable ".[dev]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) build dist
