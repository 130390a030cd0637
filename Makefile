# Everything is one command away; `make` alone lists them.

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing of PostgreSQL's and Redis's server programs; start nothing
	@sh scripts/setup.sh
