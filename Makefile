# The course's jobs. Each does its own set-up; all you need is Python 3.11 to 3.13 and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BIN_GPU := .venv-gpu/bin
READY_GPU := .venv-gpu/.ready
TOOLS := node_modules/.ready

.PHONY: run test lab book book-serve lint check regression data store gpu canary lock clean

run: $(READY) ## execute the course headlessly on built-in sample data
	$(BIN)/course run --profile sample

test: $(READY) $(TOOLS) ## all tests, and the notebooks on sample data held to their stored outputs
	$(BIN)/pytest tests notebooks --nbval --course-profile sample -n 2 --dist loadfile \
		--no-loadscope-reorder # the longest test begins early

lab: $(READY) ## open JupyterLab on the chapters
	$(BIN)/jupyter lab notebooks

book: $(READY) $(TOOLS) ## build the site from the stored notebooks (MathJax comes from npm)
	$(BIN)/course book build

book-serve: book ## build the site and open it on this machine alone
	$(BIN)/python -m webbrowser http://127.0.0.1:8000/ || true
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/book/html

lint: $(READY) ## format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

check: $(READY) ## pairs in sync, outputs of the present code, prose clean
	$(BIN)/course check

data: $(READY) ## fetch and prepare the real data, from COURSE_MIRROR or the sources
	$(BIN)/course data get

regression: data ## every notebook on real data, held to its stored outputs
	$(BIN)/pytest notebooks --nbval -n 2 --dist loadfile

store: data ## run every chapter on real data and store its outputs
	$(BIN)/course run --store

gpu: $(READY_GPU) ## the whole course on this machine's GPU, compared with results/
	$(BIN_GPU)/course gpu $(CHAPTERS) --profile $(or $(PROFILE),full) --seeds $(or $(SEEDS),1)

canary: $(TOOLS) ## the course and its tests with the newest versions of everything
	.ci/canary

lock: ## renew the locks from pyproject.toml
	uv pip compile --upgrade --universal --generate-hashes --no-header --quiet \
		--extra test --extra cluster --extra jax --python-version 3.11 \
		--output-file requirements.lock pyproject.toml
	uv pip compile --upgrade --python-platform x86_64-manylinux_2_28 --generate-hashes \
		--no-header --quiet --no-annotate --constraint requirements.lock \
		--extra gpu --extra test --extra cluster --python-version 3.11 \
		--output-file requirements-gpu.lock pyproject.toml

clean: ## forget the environment and the runs; downloads stay
	rm -rf .venv .venv-gpu .venv-canary node_modules runs build

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
		echo "The course needs Python 3.11 to 3.13, and $(PYTHON) is another: make PYTHON=python3.12"; \
		exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@touch $@

# requirements-gpu.lock is for Python 3.11 on Linux; TensorFlow brings the CUDA libraries.
$(READY_GPU): requirements-gpu.lock pyproject.toml
	$(PYTHON) -m venv .venv-gpu
	$(BIN_GPU)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement requirements-gpu.lock
	$(BIN_GPU)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable .
	@touch $@

# The book's MathJax and the tools of some tests come from npm; without npm these tests are skipped.
$(TOOLS): package.json package-lock.json
	@mkdir -p node_modules
	@if command -v npm >/dev/null; then npm ci --ignore-scripts --no-audit --no-fund --silent; fi
	@mkdir -p node_modules && touch $@
