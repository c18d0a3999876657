# What a newcomer types. Everything that is fetched or built on the way lands in
# bin/ and .cache/, which git ignores.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 10s

.DEFAULT_GOAL := build
.PHONY: build demo test test-long test-clients bench lint fuzz clean

## build: the static binary bin/drydock
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/drydock ./cmd/drydock

## demo: the main job, command by command, on this machine
demo: build
	scripts/demo

## test: unit tests, the OCI conformance tool, docker and the aws CLI end to end, the clients that build fast
test:
	scripts/test

## test-long: the same, with the tests that take minutes and the long forms of others
test-long:
	DRYDOCK_LONG=1 scripts/test

## test-clients: every client, the slow ones to build and those from Debian too
test-clients:
	DRYDOCK_CLIENTS=all scripts/test ./e2e/clients/

## bench: drydock beside the stock registry, on disk and on S3, two replicas beside one, and tasks beside docker run
bench: build
	scripts/tools registry versitygw
	$(GO) run ./bench $(BENCHFLAGS)

## lint: formatting, vet, staticcheck, and shellcheck where there is one
lint:
	scripts/lint

## fuzz: every fuzz target for FUZZTIME
fuzz:
	scripts/fuzz $(FUZZTIME)

clean:
	rm -rf bin .cache
