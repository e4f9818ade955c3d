# make demo: train, export and compare on real data.  make test: install and pass the tests.
# Both need Python 3.11 or newer and nothing else; everything lands in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test engines lint docs notebook wheel bench clean

setup: .venv/ready

PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/package: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e .
	touch $@

.venv/ready: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) -e ".[dev,docs]"
	touch .venv/package $@

# MovieLens-1M: train model and index, export to faiss, compare with post-hoc indexes, recommend.
demo: .venv/package
	rm -rf runs/demo
	$(BIN)/poeem train --dataset ml-1m --index RQ8 --epochs 2 --out runs/demo
	$(BIN)/poeem export runs/demo --engine faiss --out runs/demo/items.faiss
	for user in 1 2000 6040; do $(BIN)/poeem search runs/demo --user $$user -k 5; done

# Then once more what compares scores, with the kernels of other processors and another number of threads: a figure must
# not depend on the last bits of a product.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal
SCORES := tests/evaluation tests/baselines tests/bench tests/explain tests/engines tests/functional tests/end_to_end/test_cli.py

test: setup
	$(PYTEST) --durations 15
	ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE OPENBLAS_CORETYPE=Nehalem OMP_NUM_THREADS=1 \
		$(PYTEST) -m "not slow" $(SCORES)
	ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2 OPENBLAS_CORETYPE=Haswell \
		OMP_NUM_THREADS=2 OMP_WAIT_POLICY=PASSIVE $(PYTEST) -m "not slow" $(filter-out tests/explain,$(SCORES))

# The tests and pages of Lance, ScaNN, Ray and tables of other libraries, which `make test` skips: they take 1 GB.
engines: setup
	$(PIP_INSTALL) -e ".[lance,scann,ray]" polars datasets
	$(PYTEST) tests/engines tests/baselines/test_scann.py tests/data/test_arrow_input.py
	$(BIN)/python -m pytest tests/training/encoding/test_on_ray.py
	$(PYTEST) tests/docs/test_blocks.py -k "lance or scann"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# The site, into build/site: strictly, with links and anchors checked.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

# The tutorial as a notebook; a test compares the two.
notebook: setup
	$(BIN)/python -m tests.docs.notebook

# For people without a checkout: pip install dist/*.whl
wheel: .venv/package
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# Every table and figure of README and docs, from scratch: hours on two cores. One subject: make bench PART=frozen.
# `python -m benchmarks` lists the subjects and their parts.
PART ?= all
bench: setup
	$(PIP_INSTALL) -e ".[bench]"
	$(BIN)/python -m benchmarks $(PART)

clean:
	rm -rf .venv runs
