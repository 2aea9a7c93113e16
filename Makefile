# demo, test, check, bench, bench-runtime, docs: each sets up what it needs on first use. PYTHON=... chooses the interpreter.

PYTHON ?= $(firstword $(wildcard .venv/bin/python) python3)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
BIN := .venv/bin
READY := .venv/.ready-$(VERSION)
BENCH_READY := .venv-bench/.ready-$(VERSION)

# $(call install,FOLDER,PIP ARGUMENTS): make a virtual environment and install, or stop with one sentence.
DRY_RUN = $(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
install = $(if $(DRY_RUN),,$(eval SENTENCE := $$(shell sh tools/setup.sh "$(PYTHON)" $(1) $(2)))$(if \
  $(SENTENCE),$(error $(SENTENCE))))

.PHONY: help demo test check bench bench-runtime docs

help:  ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /make \1: /p' Makefile

demo: $(READY)  ## convert two trained networks, judge them on real images, write a report (5 minutes)
	@$(BIN)/spikewright demo

test: $(READY)  ## run all tests
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/pytest -n 2

check: $(READY)  ## formatting, lint, types, architecture, generated pages
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/pyright
	@$(BIN)/pytest tests/architecture tests/papers/test_page.py

bench: $(BENCH_READY)  ## speed and memory beside another library, and what calibration costs, in an environment of its own
	@.venv-bench/bin/python benchmarks/run.py
	@.venv-bench/bin/python benchmarks/calibration.py
	@.venv-bench/bin/python benchmarks/step_cost.py
	@.venv-bench/bin/python benchmarks/depth.py
	@.venv-bench/bin/python benchmarks/training_step.py

bench-runtime: $(BENCH_READY)  ## the event runtime beside torch; whole networks need SPIKEWRIGHT_DATA
	@.venv-bench/bin/python benchmarks/event_layers.py
	@.venv-bench/bin/python benchmarks/event_networks.py
	@.venv-bench/bin/python benchmarks/event_scaling.py
	@.venv-bench/bin/python benchmarks/event_fuzzing.py
	@.venv-bench/bin/python benchmarks/event_roofline.py
	@.venv-bench/bin/python benchmarks/event_exit.py
	@.venv-bench/bin/python benchmarks/event_pareto.py
	@.venv-bench/bin/python benchmarks/event_trained.py

docs: $(READY)  ## write the generated pages of docs/ again
	@for page in map api results papers methods support training_free dense_prediction readme; do $(BIN)/python tools/$$page.py || exit 1; done

$(READY): pyproject.toml constraints.txt
	$(call install,.venv,-c constraints.txt -e .[dev])
	@touch $@

$(BENCH_READY): pyproject.toml constraints.txt benchmarks/constraints.txt benchmarks/peers.txt
	$(call install,.venv-bench,-c constraints.txt -r benchmarks/constraints.txt -e .)
	$(call install,.venv-bench,--no-deps -r benchmarks/peers.txt)
	@touch $@
