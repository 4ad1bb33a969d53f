# make demo   the main experiment on a laptop, about ten minutes; GAME=connect_four: a faster one
# make test   the tests; make test-slow adds those on real data
# make lint   ruff and pyright
# make soak   kills and long runs, hours; docs/reliability.md says what each measures
# make docs   the documentation as a site, in build/docs
# make gpu-check   compiles for an NVIDIA H100 without one; an environment of its own, 4.8 GB
# Each sets up .venv by itself. ACCEL=cuda13 or ACCEL=tpu picks an accelerator's build of JAX.

PYTHON ?= python3
ACCEL ?=
GAME ?=
DATA ?= ../shared/data
RUN := .venv/bin
INSTALL := $(RUN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
READY := .venv/.ready$(if $(ACCEL),-$(ACCEL))

.PHONY: setup demo test test-slow bench lint docs soak gpu-check clean

setup: $(READY)

.venv/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	touch $@

$(READY): pyproject.toml constraints.txt | .venv/.made
	$(INSTALL) --editable .$(if $(ACCEL),'[$(ACCEL)]')
	touch $@

.venv/.ready-dev: $(READY)
	$(INSTALL) --editable '.[dev]'
	touch $@

demo: $(READY)
	$(RUN)/sandwich-jax demo $(if $(GAME),--game $(GAME))

test: .venv/.ready-dev
	$(RUN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-slow: .venv/.ready-dev
	SANDWICH_DATA=$(DATA) $(RUN)/python -m pytest -m 'slow or not slow' -rs

bench: $(READY)
	for what in board selfplay corpus; do $(RUN)/sandwich-jax bench $$what || exit 1; done

lint: .venv/.ready-dev
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pyright

soak: $(READY)
	for what in kills folder memory; do $(RUN)/python -m scripts.soak $$what || exit 1; done

# -W: a dead link or a page that nothing leads to is an error.
docs: .venv/.ready-dev
	$(RUN)/python -m sphinx -W --keep-going -q -b html docs build/docs

# JAX's CUDA libraries, 4.8 GB; docs/accelerator.md says what ONLY and WRITE=--write are for.
.venv-gpu/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-gpu
	.venv-gpu/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		--editable '.[cuda13]'
	touch $@

gpu-check: .venv-gpu/.ready
	.venv-gpu/bin/python -m scripts.gpu_check $(if $(ONLY),--only $(ONLY)) $(WRITE)

clean:
	rm -rf .venv .venv-gpu
