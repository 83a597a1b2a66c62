# Everything here needs Python >= 3.11 and make, nothing else: the rest is installed into .venv.
# Kept to what make 3.81 (macOS) and a plain sh understand.
VENV  := .venv
BIN   := $(VENV)/bin
comma := ,

# python3, unless that is too old and a newer one is there under its own name.
OK     := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	    $$p -c '$(OK)' 2>/dev/null && { echo $$p; exit; }; done; echo python3)

.DEFAULT_GOAL := help
.PHONY: help up install install-dev test test-long lint bench chaos chaos-short fuzz profile lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk 'BEGIN {FS = ":.*## "} {printf "  make %-12s %s\n", $$1, $$2}'

up: install  ## run everything on this machine: one terminal, Ctrl-C stops it
	@exec $(BIN)/roundsman up

install: $(VENV)/.installed  ## install Roundsman into .venv

install-dev: $(VENV)/.installed-dev

test: lint  ## lint, then run the tests (real Valkey, PostgreSQL and SMTP server)
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-long: install-dev  ## what make test has no time for
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m long

lint: install-dev  ## ruff, mypy and import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# make chaos SEED=7 STORE=sqlite|postgresql|both MESSAGES=3000 FAULTS=75 MINUTES=60 GAP=1 WORKERS=3 ONLY=Twilio
CHAOS = SEED STORE MESSAGES FAULTS MINUTES GAP WORKERS ONLY

chaos-short: install-dev  ## the same in a minute: a dozen faults on each store
	@$(BIN)/python -m pytest -m chaos

chaos: install-dev  ## break it on purpose while messages flow, and audit what came of them (minutes)
	@$(BIN)/python -m tests.chaos $(foreach o,$(CHAOS),$(if $($(o)),--$(shell echo $(o) | tr A-Z a-z) '$($(o))'))

fuzz: install-dev  ## send it 10,000 malformed requests and queue entries, and look what holds (minutes)
	@$(BIN)/python -m tests.fuzz $(if $(SEED),--seed '$(SEED)') $(if $(COUNT),--count '$(COUNT)')

# make bench ONLY=drain RUNS=1 STORE=sqlite|postgresql|both SCALE=0.1
BENCH = ONLY RUNS STORE SCALE

bench: $(VENV)/.installed-bench  ## measure it beside its peers, and audit each run (about an hour)
	@$(BIN)/python -m bench $(foreach o,$(BENCH),$(if $($(o)),--$(shell echo $(o) | tr A-Z a-z) '$($(o))'))

# make profile STORE=postgresql
profile: $(VENV)/.installed-bench  ## what one e-mail costs, and where in the code: draws docs/images/drain.svg
	@$(BIN)/python -m bench.profile $(if $(STORE),--store '$(STORE)')

# For every platform, with the hashes of all files of each version; the index itself is not named.
LOCK := pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --constraint constraints.txt

lock: install-dev  ## write requirements.lock and requirements-build.lock, from which the image is built, anew
	@command -v uv >/dev/null 2>&1 || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@uv $(LOCK) pyproject.toml -o requirements.lock
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | uv $(LOCK) - -o requirements-build.lock

clean:  ## remove what was installed and everything under var/, messages included
	rm -rf $(VENV) var

# $(1): the extras. uv installs in seconds where pip takes a minute; either gives the versions in
# constraints.txt. A .venv that is broken (its Python was upgraded away) or too old is made anew.
define install
	@$(PYTHON) -c '$(OK)' 2>/dev/null || { \
	  echo "Roundsman needs Python 3.11 or newer; $(PYTHON) --version says: $$($(PYTHON) --version 2>&1)" >&2; \
	  echo "Install a newer one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(BIN)/python -c '$(OK)' 2>/dev/null || rm -rf $(VENV)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@set -- --constraint constraints.txt --editable '.[$(1)]'; \
	  if command -v uv >/dev/null 2>&1; then \
	    echo "Installing into $(VENV) with uv: some seconds, this once ..."; \
	    uv pip install --python $(BIN)/python --compile-bytecode "$$@" && exit; \
	    echo "uv could not; trying pip." >&2; \
	  fi; \
	  echo "Installing into $(VENV) with pip: about a minute, this once ..."; \
	  $(BIN)/python -m pip install --disable-pip-version-check "$$@" || { \
	    echo "The installation failed; what is above says why. Try again with: make install" >&2; exit 1; }
	@touch $@
endef

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,embedded)

$(VENV)/.installed-dev: pyproject.toml constraints.txt
	$(call install,embedded$(comma)dev)
	@touch $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml constraints.txt
	$(call install,embedded$(comma)dev$(comma)bench)
	@touch $(VENV)/.installed $(VENV)/.installed-dev
