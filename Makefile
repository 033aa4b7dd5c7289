# Two commands matter: `make run` shows everything, `make test` proves everything. `make help` lists the rest.
#
# Convention of the tests, by the name of their target:
#   ...IntegrationTests  need private servers, which they start themselves
#   ...AccidentTests     kill, freeze and break those servers; two at a time
#   ...EndToEndTests     the whole journey through real sockets, with foreign clients; four at a time
#   everything else      is a unit test and needs no server

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

SWIFT ?= swift
SCRIPTS := $(shell grep -lE '^\#!.*(bash|/sh)$$' .ci/* broker-config/*/* examples/* examples/consumers/*/* 2>/dev/null)

# What o311_build_info says beside the version; a folder without git says nothing.
commit = git rev-parse HEAD > .build/$(1)/bus311.commit 2> /dev/null || rm -f .build/$(1)/bus311.commit

.PHONY: help deps build release run run-cluster test tools build-tests test-unit test-integration test-accidents test-sanitize test-fuzz fuzz-ahead fuzz bench soak lint format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

deps: ## install the Debian packages that are missing (sudo when not root)
	@.ci/deps

build: deps ## debug build of everything but the tests
	$(SWIFT) build
	@$(call commit,debug)

release: deps .build/release/bus311 ## release build of bus311

# Named as a file, so that a second `make run` starts at once instead of asking the package manager what changed.
.build/release/bus311: Package.swift $(shell find Sources -type f) | deps
	$(SWIFT) build -c release --product bus311
	@$(call commit,release)
	@touch $@

run: release ## a whole demonstration city on this machine, in the foreground; Ctrl-C stops it
	@exec .build/release/bus311 demo

run-cluster: release ## the same on three RabbitMQ nodes, with two gateways and two relays side by side
	@BUS311_HOME="$${BUS311_HOME:-.bus311-cluster}" exec .build/release/bus311 demo --cluster

test: test-unit fuzz-ahead test-integration test-accidents test-fuzz ## everything, against private servers of its own
	@echo "== all tests passed"

tools: deps
	@.ci/test-tools

build-tests: tools
	@echo "== building the tests"
	$(SWIFT) build --build-tests
	@$(call commit,debug)

test-unit: build-tests ## the tests that need no server
	@echo "== unit tests"
	@.ci/run-tests unit --skip '(Integration|Accident|EndToEnd)Tests\.'

test-integration: build-tests ## the tests against private PostgreSQL and RabbitMQ, and the whole journey
	@echo "== integration tests"
	@.ci/run-tests integration --no-parallel --filter 'IntegrationTests\.'
	@BUS311_TEST_CITIES=4 .ci/run-tests journeys --filter 'EndToEndTests\.'

test-accidents: build-tests ## kill -9, frozen brokers, lost bindings: nothing may be lost
	@echo "== accident tests"
	@BUS311_TEST_CITIES=2 .ci/run-tests accidents --filter 'AccidentTests\.'

test-sanitize: tools ## the C clients and their threads under the thread and the address sanitizer
	BUS311_SANITIZE=1 $(SWIFT) test --sanitize thread --scratch-path .build-tsan --no-parallel
	BUS311_SANITIZE=1 LSAN_OPTIONS=suppressions=$(CURDIR)/Tests/Sanitizers/leaks.txt,print_suppressions=0 \
	    $(SWIFT) test --sanitize address --scratch-path .build-asan --no-parallel

# The integration tests leave a core idle for much of their time: the fuzzer is built on it, and `fuzz` waits for its end.
fuzz-ahead: deps
	@mkdir -p .build/test-output
	@BUS311_FUZZ=1 nice $(SWIFT) build -c release --scratch-path .build-fuzz --product fuzz-parsers > .build/test-output/fuzz-build.txt 2>&1 &

test-fuzz: FUZZ_SECONDS := 20
test-fuzz: fuzz ## a short run of the fuzzer

FUZZ_SECONDS ?= 600
fuzz: deps ## libFuzzer on every parser of strangers' bytes (FUZZ_SECONDS=600)
	BUS311_FUZZ=1 $(SWIFT) build -c release --scratch-path .build-fuzz --product fuzz-parsers
	@mkdir -p .build-fuzz/corpus
	.build-fuzz/release/fuzz-parsers -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 \
	    -artifact_prefix=.build-fuzz/found- .build-fuzz/corpus Tests/Fuzz/seeds

bench: tools release ## every speed beside its baseline, in a release build; writes docs/benchmarks.md (BENCH='relay reading' for a part)
	$(SWIFT) build -c release --product bare-route
	$(SWIFT) build -c release --product plain-amqp
	@.build/venv/bin/python Tests/Benchmarks/bench.py $(BENCH)

SOAK_MINUTES ?= 20
SOAK_FORMAT ?= text
soak: tools release ## 24 hours of five cities in 20 minutes, with faults; memory, descriptors, disk must be flat (SOAK_MINUTES=5, SOAK_FORMAT=json)
	@.build/venv/bin/python Tests/Soak/soak.py --minutes $(SOAK_MINUTES) --format $(SOAK_FORMAT)

lint: ## formatting of Swift, syntax of the scripts
	$(SWIFT) format lint --strict -r Sources Tests examples Package.swift
	@for script in $(SCRIPTS); do \
	    case "$$(head -n 1 "$$script")" in *bash) bash -n "$$script" ;; *) sh -n "$$script" ;; esac; \
	done

format: ## rewrite the Swift files in the house's format
	$(SWIFT) format -i -r Sources Tests examples Package.swift

clean: ## remove what was built; .bus311 with its data stays
	rm -rf .build .build-tsan .build-asan .build-fuzz
