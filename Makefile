# The commands; each works by itself from a fresh clone. They need python3 (3.11 or newer) with venv and
# headers, and a C++ compiler; everything else is installed into .venv. The build folder is kept: only what
# changed is compiled again.
PYTHON ?= python3
CXX ?= g++
export CXX

venv := .venv
bin := $(venv)/bin
# The tests run the logic of 64-byte vectors on every x86-64 machine: wide512 of cmake/isa.cmake.
isas_x86_64 := generic;avx2;avx512;wide512
isas := $(isas_$(shell uname -m))
native_sources := $(shell find csrc cmake -type f) CMakeLists.txt pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help build demo test bench lint clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    train on handwritten digits, save, load, plot"
	@echo "make test    run the tests"
	@echo "make bench   measure the native kernels, and pyneuro beside PyTorch where that is installed"
	@echo "make build   build the package and install it, editable, into $(venv)"
	@echo "make lint    check format, style and types"
	@echo "make clean   remove $(venv), build and dist"

build: $(venv)/with-test

demo: $(venv)/with-demo
	$(bin)/python examples/digits.py

test: $(venv)/with-test
	$(bin)/pytest

bench: $(venv)/with-test
	@if echo '#include <benchmark/benchmark.h>' | $(CXX) -x c++ -E - >/dev/null 2>&1; then \
	  $(native_bench); \
	else \
	  echo "no native rows: Google Benchmark is missing; on Debian: apt-get install libbenchmark-dev"; \
	fi
	$(bin)/python bench/python/ops.py
	$(bin)/python bench/python/training.py
	@if $(bin)/python -c 'import torch' 2>/dev/null; then \
	  for script in layers networks memory; do $(bin)/python bench/python/$$script.py || exit 1; done; \
	else \
	  echo "no layers and no networks: PyTorch is missing; to install it: $(bin)/pip install torch"; \
	fi

lint: $(venv)/with-dev
	$(bin)/ruff format --check .
	$(bin)/ruff check .
	$(bin)/mypy
	$(bin)/clang-format --dry-run --Werror $$(git ls-files '*.h' '*.cpp')

clean:
	rm -rf $(venv) build dist

# with-X: the package, editable, and the extra X of pyproject.toml. Python files take effect at once, native ones here.
$(venv)/with-%: $(venv)/tools $(native_sources)
	$(bin)/pip install --quiet --no-build-isolation --config-settings 'cmake.define.PYNEURO_ISAS=$(isas)' \
	  --editable '.[$*]'
	@touch $@

# What builds the package. The last step adds cmake and ninja as wheels where the machine has none that is new enough.
$(venv)/tools: pyproject.toml
	@$(check_machine)
	$(PYTHON) -m venv $(venv)
	$(bin)/pip install --quiet 'scikit-build-core>=0.11' 'pybind11>=3'
	$(bin)/pip install --quiet pybind11 $$($(bin)/python -c \
	  'from scikit_build_core.build import get_requires_for_build_editable as needs; print(*needs())')
	@touch $@

define native_bench
PATH="$(CURDIR)/$(bin):$$PATH"; \
cmake -S . -B build/bench -DPYNEURO_PYTHON=OFF -DPYNEURO_BENCH=ON >/dev/null && \
cmake --build build/bench --parallel && build/bench/pyneuro/pyneuro_bench
endef

define check_machine
missing=; \
if ! command -v $(PYTHON) >/dev/null; then \
  missing=" python3 python3-venv python3-dev"; \
elif ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
  echo "pyneuro needs Python 3.11 or newer, $(PYTHON) is $$($(PYTHON) --version); try: make PYTHON=python3.12" >&2; exit 1; \
else \
  $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || missing="$$missing python3-venv"; \
  $(PYTHON) -c 'import os, sys, sysconfig as s; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))' \
    || missing="$$missing python3-dev"; \
fi; \
command -v $(CXX) >/dev/null || missing="$$missing g++"; \
if [ -n "$$missing" ]; then echo "missing on this machine; on Debian: apt-get install$$missing" >&2; exit 1; fi
endef
