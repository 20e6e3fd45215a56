# Three environments. Airflow and magic-cta-pipe cannot share one (jinja2), nor magic-cta-pipe and the newest gammapy:
#   .venv           control: Airflow, SQLAlchemy, the plugins, stereo_tasks
#   .venv-science   magic-cta-pipe and friends, stereo_tasks
#   .venv-analysis  the newest gammapy, stereo_tasks
# A fourth one is made by the tests where Python 3.12 is installed: CTAO's data model, requirements/ctao.txt.
PYTHON ?= python3.11
CONTROL := .venv
SCIENCE := .venv-science
ANALYSIS := .venv-analysis
MACHINE_CODE := $(abspath $(SCIENCE))/cache/numba
# The SLURM provider is a distribution of its own.
PROVIDER := plugins/airflow_slurm
SITE ?= site
export STEREO_SITE ?= $(abspath $(SITE))
# Where arrays run: `make demo CLUSTER=local` uses a process pool; by default SLURM does, where it is installed.
CLUSTER ?=
export STEREO_CLUSTER ?= $(CLUSTER)
# Of observation, for `make bench`.
SECONDS ?= 60
MCP_SECONDS ?=

# Debian's names of what the tests run for real, beside what pip installs.
DEBIAN_PROGRAMS := slurmctld slurmd munged slurmdbd mariadbd mariadb sshd chromium
DEBIAN_PACKAGES := slurm-wlm slurmdbd mariadb-server-core mariadb-client-core openssh-server chromium

# Tests mirror the rooms, and run in the environment that the room lives in, files side by side; the whole chain last,
# beside what computes.
SCIENCE_TESTS := tests/zoom tests/kernels tests/steps tests/datasets tests/summary tests/qa tests/simulate
ANALYSIS_TESTS := tests/analysis
CONTROL_TESTS := $(wildcard tests/test_*.py) $(filter-out $(SCIENCE_TESTS) $(ANALYSIS_TESTS) tests/chain tests/drills,$(sort $(patsubst %/,%,$(wildcard tests/*/))))

.PHONY: help setup demo up down test test-control test-science test-chain programs lint lock clean bench bench-dry closure

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: $(CONTROL)/.ready $(SCIENCE)/.ready $(ANALYSIS)/.ready  ## the three environments, from the lock files

# uv installs what the lock files pin, in seconds; it comes from PyPI like everything else.
$(CONTROL)/.ready: requirements/control.txt pyproject.toml $(PROVIDER)/pyproject.toml
	$(PYTHON) -m venv $(CONTROL)
	$(CONTROL)/bin/pip install --quiet --disable-pip-version-check uv
	$(CONTROL)/bin/uv pip install --quiet --python $(CONTROL)/bin/python -r requirements/control.txt
	$(CONTROL)/bin/uv pip install --quiet --python $(CONTROL)/bin/python --no-deps -e . -e $(PROVIDER)
	@touch $@

$(SCIENCE)/.ready: requirements/science.txt pyproject.toml | $(CONTROL)/.ready
	$(PYTHON) -m venv $(SCIENCE)
	$(CONTROL)/bin/uv pip install --quiet --compile-bytecode --python $(SCIENCE)/bin/python -r requirements/science.txt
	$(CONTROL)/bin/uv pip install --quiet --python $(SCIENCE)/bin/python --no-deps -e .
	export NUMBA_CACHE_DIR=$(MACHINE_CODE); \
		$(SCIENCE)/bin/python -W ignore -m stereo_tasks.kernels.tool_code & tools=$$!; \
		$(SCIENCE)/bin/python -m stereo_tasks.kernels.machine_code && wait $$tools
	@touch $@

$(ANALYSIS)/.ready: requirements/analysis.txt pyproject.toml | $(CONTROL)/.ready
	$(PYTHON) -m venv $(ANALYSIS)
	$(CONTROL)/bin/uv pip install --quiet --compile-bytecode --python $(ANALYSIS)/bin/python -r requirements/analysis.txt
	$(CONTROL)/bin/uv pip install --quiet --python $(ANALYSIS)/bin/python --no-deps -e .
	@touch $@

lock: $(CONTROL)/.ready  ## pin anew what pyproject.toml asks for
	$(CONTROL)/bin/uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --python-version 3.11 \
		--no-emit-package airflow-slurm-arrays --extra control --extra dev pyproject.toml -o requirements/control.txt
	$(CONTROL)/bin/uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --python-version 3.11 \
		--extra science --extra test pyproject.toml -o requirements/science.txt
	$(CONTROL)/bin/uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --python-version 3.11 \
		--extra analysis --extra test pyproject.toml -o requirements/analysis.txt
	echo ctao-datamodel | $(CONTROL)/bin/uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url \
		--python-version 3.12 - -o requirements/ctao.txt

demo: $(CONTROL)/.ready $(SCIENCE)/.ready  ## a simulated night through the whole pipeline; CLUSTER=local|slurm says where (SLURM where installed)
	@$(CONTROL)/bin/stereo demo

up: $(CONTROL)/.ready $(SCIENCE)/.ready $(ANALYSIS)/.ready  ## start the site (PostgreSQL, SLURM, Airflow) and keep it running; prints address and login
	@$(CONTROL)/bin/stereo up

down:  ## end every process of the site
	@$(CONTROL)/bin/stereo down

lint: setup  ## ruff, mypy, import contracts
	$(CONTROL)/bin/ruff check .
	$(CONTROL)/bin/ruff format --check .
	$(CONTROL)/bin/mypy
	$(CONTROL)/bin/lint-imports

programs:  # what the tests run for real, through apt if we may
	@PATH="$$PATH:/usr/sbin:/sbin"; missing=; \
	for program in $(DEBIAN_PROGRAMS); do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $(DEBIAN_PACKAGES); \
	else \
		echo "missing:$$missing; the tests need a real SLURM and a browser. As root: apt-get install $(DEBIAN_PACKAGES)" >&2; exit 1; \
	fi

# Real clusters, servers and browsers side by side on a small machine: what fails among the others is tried once more
# alone. A defect fails again.
ALONE := --last-failed --last-failed-no-failures none

# What waits for clusters and servers leaves processor time to what computes: two at a time, of which the other tests come
# first. What each has written appears when it has ended.
BESIDE := --no-print-directory --jobs 2 --output-sync=target
LEAST := nice -n 19

test: programs  ## all tests, in the environment each room lives in
	$(MAKE) $(BESIDE) setup
	$(MAKE) $(BESIDE) test-control lint
	$(MAKE) $(BESIDE) test-chain test-science

test-control: setup
	$(CONTROL)/bin/python -m pytest -n 3 --dist loadfile $(CONTROL_TESTS) || \
		$(CONTROL)/bin/python -m pytest $(ALONE) $(CONTROL_TESTS)

test-science: export NUMBA_CACHE_DIR = $(MACHINE_CODE)
test-science: setup
	$(LEAST) $(SCIENCE)/bin/python -m pytest -p no:cacheprovider -n 2 --dist loadfile $(SCIENCE_TESTS)
	$(LEAST) $(ANALYSIS)/bin/python -m pytest -p no:cacheprovider -n 2 --dist loadfile $(ANALYSIS_TESTS)

test-chain: setup
	$(CONTROL)/bin/python -m pytest tests/chain || $(CONTROL)/bin/python -m pytest $(ALONE) tests/chain

bench: setup  ## both engines on SECONDS=60 of observation at real rates: CPU, memory, equality; MCP_SECONDS=20: mcp on less
	$(CONTROL)/bin/python tests/benchmarks/engines.py --seconds $(SECONDS) $(if $(MCP_SECONDS),--mcp-seconds $(MCP_SECONDS))

bench-dry: programs setup  ## a night of real size through Airflow and SLURM, with tools that take no time
	$(CONTROL)/bin/python tests/benchmarks/dry_night.py

closure: setup  ## twelve simulated nights at three zenith angles: do injected flux and index come back?
	$(CONTROL)/bin/python tests/benchmarks/closure.py

clean:  ## remove environments and caches; never data
	rm -rf $(CONTROL) $(SCIENCE) $(ANALYSIS) .cache .mypy_cache .ruff_cache .pytest_cache
