# The commands; each works by itself from a fresh clone. They need python3 (3.11 or newer) with venv and
# headers, and a C++ compiler; everything else is installed into .venv. The build folder is kept: only what
# changed is compiled again.
PYTHON ?= python3
CXX ?= g++
export CXX

venv := .venv
bin := $(venv)/bin
# The tests run the logic of 64-byte vectors on every x86-64 machine: wide512 of cmake/isa.cmake.
isas_x86_64 := generic;avx2;avx512;avx512_bf16;wide512
isas := $(isas_$(shell uname -m))
# What all of bench/python's scripts are told; for fewer threads: PYNEURO_NUM_THREADS=2 make bench.
bench_options ?= --malloc tuned --rounds 7
# Compiled networks take PyTorch minutes each; `make bench bench_compile=` leaves them out.
bench_compile ?= --compile
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

bench: $(venv)/with-test build/bench/pyneuro_bench
	@rm -f build/bench/*.json
	build/bench/pyneuro_bench --json build/bench/native.json
	$(run_bench); measure ops && measure training --compile && \
	  measure together && measure memory --malloc stock
	@if $(bin)/python -c 'import torch' 2>/dev/null; then \
	  $(run_bench); measure layers --compile && measure networks $(bench_compile) && \
	  measure accuracy && measure sweep --rounds 3 && measure conv_sweep --rounds 3; \
	else \
	  echo "no layers and no networks: PyTorch is missing; to install it: $(bin)/pip install torch"; \
	fi
	$(bin)/python bench/python/report.py build/bench

build/bench/pyneuro_bench: $(patsubst bench/native/%.cpp,build/bench/%.o,$(wildcard bench/native/*.cpp))
	@folder=$$($(bin)/python -P -c 'from pyneuro.__main__ import native_folder as f; print(f())') && \
	set -x && $(CXX) $^ -L$$folder -lpyneuro -Wl,-rpath,$$folder -pthread -o $@

build/bench/%.o: bench/native/%.cpp bench/native/measure.h $(venv)/with-test
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -O2 -Wall -Wextra -Wno-psabi -Icsrc -c $< -o $@

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

# Defines a shell function: a script of bench/python, and what it is told besides.
define run_bench
measure() { \
  script=$$1; shift; \
  $(bin)/python bench/python/$$script.py $(bench_options) "$$@" --json build/bench/$$script.json; \
}
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
