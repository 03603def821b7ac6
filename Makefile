# The course's jobs. Each does its own set-up; all you need is Python 3.11 to 3.13 and make.
# Without make: README.md has the same commands for every system.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lab book book-serve lint check regression due data store gpu canary lock wheels clean
.PHONY: environment environment-dev environment-gpu npm

run: environment ## execute the course headlessly on built-in sample data
	$(BIN)/course run --profile sample

lab: environment ## open JupyterLab on the chapters
	$(BIN)/jupyter lab notebooks

data: environment ## fetch and prepare the real data, from COURSE_MIRROR or the sources
	$(BIN)/course data get

store: data ## run every chapter on real data and store its outputs
	$(BIN)/course run --store

# Two workers share the cores, and idle threads of TensorFlow spin.
test: export OMP_NUM_THREADS = 1
test: export TF_NUM_INTRAOP_THREADS = 1
test: export TF_NUM_INTEROP_THREADS = 1
test: environment-dev npm ## all tests, and the notebooks on sample data held to their stored outputs
	$(BIN)/pytest src --doctest-modules -n 2 --quiet # the examples in docstrings
	$(BIN)/pytest tests -n 2 --dist loadfile --no-loadscope-reorder \
		--cov --cov-report term:skip-covered --durations 15 # the longest test begins early
	$(BIN)/pytest notebooks --nbval --course-profile sample -n 2 --dist loadfile # without coverage

lint: environment-dev ## format, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: environment-dev ## pairs in sync, outputs of the present code, prose clean
	$(BIN)/course check

regression: environment-dev data ## every notebook on real data, held to its stored outputs
	$(BIN)/pytest notebooks --nbval -n 2 --dist loadfile

due: environment-dev data ## repeat the chapters that are due on real data, for at most 20 minutes
	$(BIN)/course regression --minutes 20

book: environment-dev npm ## build the site from the stored notebooks (MathJax comes from npm)
	$(BIN)/course book build

book-serve: book ## build the site and open it on this machine alone
	@(sleep 1; $(BIN)/python -m webbrowser http://127.0.0.1:8000/ || true) & \
		exec $(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory build/book/html

gpu: environment-gpu ## the whole course on this machine's GPU, compared with results/
	.venv-gpu/bin/course gpu $$CHAPTERS --profile "$${PROFILE:-full}" --seeds "$${SEEDS:-1}"

canary: npm ## the course on TensorFlow and JAX, and its tests, all at their newest versions
	.ci/canary

lock: environment-dev ## renew the locks from pyproject.toml, then see that their wheels exist
	$(BIN)/uv pip compile --upgrade --universal --generate-hashes --no-header --quiet \
		--extra tensorflow --extra jax --extra install --extra test --extra cluster \
		--python-version 3.11 --output-file requirements-dev.lock pyproject.toml
	$(BIN)/uv pip compile --universal --generate-hashes --no-header --quiet \
		--constraint requirements-dev.lock --extra tensorflow --extra install \
		--python-version 3.11 --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --upgrade --python-platform x86_64-manylinux_2_28 --generate-hashes \
		--no-header --quiet --no-annotate --constraint requirements-dev.lock \
		--extra gpu --extra install --extra cluster --python-version 3.11 \
		--output-file requirements-gpu.lock pyproject.toml
	.ci/wheels

wheels: environment-dev ## every pin of a lock has a wheel for each system and Python of that lock
	.ci/wheels

clean: ## forget the environments and the runs; downloads stay
	rm -rf .venv* node_modules* runs build

environment:
	@$(PYTHON) tools/environment.py

environment-dev:
	@$(PYTHON) tools/environment.py dev

environment-gpu:
	@$(PYTHON) tools/environment.py gpu

npm:
	@$(PYTHON) tools/npm.py
