# Everything is one command away; `make` alone lists them.

.DEFAULT_GOAL := help

CARGO ?= cargo
# what is off by default is checked and tested, too
OPTIONAL := --features callscribe-cli/aws-transcribe
SHELL_SCRIPTS := .ci/run deploy/healthy $(wildcard scripts/*.sh)

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing of PostgreSQL's and Redis's server programs; start nothing
	@sh scripts/setup.sh
	@sh scripts/promtool.sh

.PHONY: demo
demo: setup ## see it work: 25 simulated calls synced, recorded and transcribed on this machine
	$(CARGO) run --release -- demo --exit

.PHONY: test
test: setup ## run the whole suite; every test brings services of its own
	$(CARGO) test --workspace $(OPTIONAL)

.PHONY: chaos
chaos: setup ## some minutes of kills, freezes and broken connections; prints its seed (CALLSCRIBE_CHAOS_SEED, CALLSCRIBE_CHAOS_MINUTES)
	$(CARGO) test --workspace $(OPTIONAL) --test it chaos::some_minutes -- --ignored --nocapture

.PHONY: lint
lint: ## check formatting, lints and shell scripts; change nothing
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace $(OPTIONAL) --all-targets -- -D warnings
	@if command -v shellcheck >/dev/null 2>&1; then shellcheck $(SHELL_SCRIPTS) && echo "shellcheck: clean"; \
	else echo "shellcheck is not here: shell scripts were not checked"; fi

.PHONY: fmt
fmt: ## format every Rust file
	$(CARGO) fmt --all

.PHONY: deny
deny: ## check licences, advisories and sources of all dependencies (needs cargo-deny)
	@command -v cargo-deny >/dev/null 2>&1 || { echo "cargo-deny is missing: \`cargo install --locked cargo-deny\`" >&2; exit 2; }
	cargo-deny --workspace check

.PHONY: bench
bench: setup ## measure throughput, latency and memory (release build); prints ratios to a baseline of the same run
	$(CARGO) bench --package callscribe-benches

.PHONY: docs
docs: ## regenerate the documents that are generated from the code
	CALLSCRIBE_WRITE_DOCS=1 $(CARGO) test --workspace $(OPTIONAL) --test it house::documents

.PHONY: env
env: ## write a .env with fresh secrets for docker compose; never overwrites one
	@sh scripts/env.sh

.PHONY: image
image: ## build the container image callscribe:latest
	docker build --tag callscribe:latest .
