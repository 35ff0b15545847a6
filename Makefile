# Everything a developer runs. It needs bash, make and Go; other tools are pinned here and built into .bin, which git ignores.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules --no-print-directory --warn-undefined-variables

# Each directory with a go.mod is a module of its own: the one that users import, and those beside it and in tests.
MODULES := $(patsubst %/,%,$(dir $(wildcard go.mod */go.mod */*/go.mod)))
BIN := $(CURDIR)/.bin

GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)

# No module may lean on a private workspace.
export GOWORK := off

# What the targets take: make run ARGS=-load, make drain N=200, make kill N=20, make simulate STEPS=5000000, make bench BENCH=Begin PKG=./trace,
# make compare ARGS='-only Engine', make fuzz FUZZTIME=10m
ARGS ?=
N ?= 10
STEPS ?= 1000000
BENCH ?= .
PKG ?= ./...
FUZZTIME ?= 10s

.PHONY: all
all: fmt lint test ## Format, lint and test: what a commit needs (the default)

.PHONY: help
help: ## Say what the targets do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-14s %s\n", $$1, $$2}'

.PHONY: run
run: ## Run the tour, examples/orders, until Ctrl-C; ARGS=-load sends it a month of orders
	@cd examples && go build -buildvcs=false -o $(BIN)/orders ./orders && exec $(BIN)/orders $(ARGS)

.PHONY: test
test: ## Test every module with -race and vet and against real brokers, drain the tour 10 times, check generated files
	@scripts/generated $(MODULES)
	@scripts/test $(MODULES)

.PHONY: brokers-up
brokers-up: ## Start real brokers for the tests that stay until brokers-down; prints what to export; ARGS='kafka redis' starts some
	@scripts/brokers up $(ARGS)

.PHONY: brokers-down
brokers-down: ## Stop what brokers-up started
	@scripts/brokers down $(ARGS)

.PHONY: brokers-status
brokers-status: ## Say which brokers run, and where
	@scripts/brokers status

.PHONY: test-fast
test-fast: ## Test every module without what is slow: no race detector, no drain
	@for m in $(MODULES); do (cd $$m && go test -short ./...); done

.PHONY: drain
drain: ## Stop the tour under load N times (10) and count what was lost
	@cd tests && go test -count=1 -v -run TourStopped -timeout 60m ./drain -args -n $(N)

.PHONY: chaos
chaos: ## Kill consumers and brokers under load and count what is lost: all runs, most of an hour; ARGS='-broker kafka3' makes one
	@built=$$(mktemp -d); trap 'rm -rf "$$built"' EXIT; cd tests/chaos; go build -buildvcs=false -o "$$built/chaos" .; "$$built/chaos" $(ARGS)

.PHONY: kill
kill: ## Kill the tour under load N times (10), start it again, and count what was lost or counted twice; ARGS='-broker URL'
	@cd tests && go test -count=1 -v -run TourKilled -timeout 60m ./drain -args -kills $(N) $(ARGS)

.PHONY: tour-all
tour-all: ## Run the tour on every broker, starting those that do not run: one table; ARGS='-rate 500'
	@scripts/tour $(ARGS)

.PHONY: simulate
simulate: ## Simulate the engine for STEPS steps (1000000), over all brokers and configurations
	@go test -count=1 -v -run TheEngineKeepsItsPromises -timeout 60m ./async/asynctest -args -steps $(STEPS)

.PHONY: fuzz
fuzz: ## Fuzz every parser for FUZZTIME (10s) each, one after another; FUZZ=Accept takes those whose name has it
	@scripts/fuzz $(FUZZTIME) $(MODULES)

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Lint every module: golangci-lint, vet, gofmt, go.mod tidy
	@for m in $(MODULES); do \
		echo "lint: $$m"; \
		(cd $$m && $(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml ./... && go vet ./... && go mod tidy -diff); \
	done
	@unformatted=$$(gofmt -l .); [[ -z $$unformatted ]] || { printf 'not gofmt-ed: %s\n' $$unformatted; exit 1; }

.PHONY: compare
compare: ## Measure patron beside its peers: one table with ratios, about 5 minutes; ARGS=-h says more
	@cd bench && go run ./compare $(ARGS)

.PHONY: bench
bench: ## Run the benchmarks BENCH (.) of the packages PKG (./...) in every module that has them, but those of compare
	@for m in $(filter-out bench,$(MODULES)); do (cd $$m && if go list $(PKG) &>/dev/null; then go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG); fi); done

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format every module: gofmt, gofumpt, goimports
	@for m in $(MODULES); do (cd $$m && $(GOLANGCI_LINT) fmt --config $(CURDIR)/.golangci.yml ./...); done

.PHONY: generate
generate: ## Make the generated files anew: api.txt, the blocks of the guides, documents made from code
	@for m in $(MODULES); do (cd $$m && go generate ./...); done

# The version is part of the name, so that a new pin builds a new tool.
$(GOLANGCI_LINT):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	@mv $(BIN)/golangci-lint $@
