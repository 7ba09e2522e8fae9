# What a developer does here, one target each. `make` alone lists them.

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 1m
TIMEOUT  ?= 10m
MODULES  := dashboard/ui/node_modules/.package-lock.json
SELF     := $(MAKE)# make -n runs what names MAKE itself

.PHONY: help build run dashboard pictures test test-dashboard test-tools test-chromium lint bench fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build ./caddy with this checkout's modules
	./xcaddy.sh --output ./caddy

run: build ## build, then run Caddyfile.example on 127.0.0.1:4001
	./caddy run --config Caddyfile.example

dashboard: $(MODULES) ## build dashboard/dist, which is committed: nothing else needs Node
	npm --prefix dashboard/ui run --silent build

pictures: test-tools ## make the README's pictures of the dashboard anew
	CHARTED=75000 npm --prefix dashboard/ui run --silent e2e -- e2e/shots.test.ts -t wide
	@mkdir -p dashboard/pictures; for scheme in light dark; do for picture in overview:overview key-json:keys locks:locks; do \
		cp dashboard/ui/shots/$${picture%:*}-$$scheme-wide.png dashboard/pictures/$${picture#*:}-$$scheme.png || exit 1; \
	done; done

# Each group has the machine to itself: many of them say how long things take. What takes
# longest begins first. (To vet is a linter's.) timeout ends the dashboard's tests with all
# that they have started.
test: test-tools ## set up what the tests need, then run all of them, Go's under the race detector
	@ok=0; \
	go test -race -vet=off -p 3 -timeout $(TIMEOUT) ./store/etcdv2 $$(go list ./... | grep -v '/e2e$$') || ok=1; \
	timeout $(TIMEOUT) $(SELF) -s test-dashboard || ok=1; \
	go test -race -vet=off -timeout $(TIMEOUT) ./caddymodule/e2e || ok=1; \
	exit $$ok

# The dashboard's tests alone, on what test-tools has made: those of its parts, and those
# in Chromium.
test-dashboard:
	@if ! command -v npm >/dev/null; then \
		echo "make test: without npm, the dashboard's tests are skipped"; \
	else \
		ok=0; NO_COLOR=1; export NO_COLOR; \
		npm --prefix dashboard/ui run --silent test || ok=1; \
		if [ -x "$${CHROMIUM:-/usr/bin/chromium}" ]; then npm --prefix dashboard/ui run --silent e2e || ok=1; \
		else echo "make test: without Chromium, the dashboard's tests in it are skipped"; fi; \
		exit $$ok; \
	fi

# The tests ask the gateway with curl and run the README's SQL with sqlite3, and the
# race detector is built with a C compiler. The etcds that run as processes are in
# .tools, and their etcdctl.
test-tools:
	@missing=; \
	for tool in curl sqlite3; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	command -v "$$(go env CC)" >/dev/null || missing="$$missing gcc libc6-dev"; \
	[ -z "$$missing" ] || { \
		echo "make test: installing$$missing"; \
		apt-get install -y --no-install-recommends $$missing || \
		{ apt-get update && apt-get install -y --no-install-recommends $$missing; } || \
		{ echo "make test: the tests need$$missing, and apt-get could not install it: install it by hand" >&2; exit 1; }; \
	}
	@for program in "etcd-3.5 etcd35 ." "etcd-3.7 etcd37 ." "etcdctl-3.7 etcd37 go.etcd.io/etcd/etcdctl/v3"; do set -- $$program; \
		echo "make test: building $$1"; GOWORK=off go build -C store/etcdtest/$$2 -o ../../../.tools/$$1 $$3 || exit 1; \
	done
	@if ! command -v npm >/dev/null; then echo "make test: without npm, the dashboard's tests are skipped" >&2; \
	else \
		$(MAKE) -s $(MODULES) || exit 1; \
		if ! $(MAKE) -s test-chromium; then echo "make test: without Chromium, the dashboard's tests in it are skipped, unless CHROMIUM names one" >&2; \
		else echo "make test: building caddy"; ./xcaddy.sh --output .tools/caddy >.tools/caddy.log 2>&1 || { cat .tools/caddy.log >&2; exit 1; }; fi; \
	fi
	@[ -n "$$ETCD34" ] || $(MAKE) -s .tools/etcd-3.4 || \
		echo "make test: without Debian's etcd 3.4, tests that need it are skipped, unless there is one in PATH or ETCD34 names one" >&2
	@[ -n "$$ETCDCTL34" ] || $(MAKE) -s .tools/etcdctl-3.4 || \
		echo "make test: without Debian's etcdctl 3.4, tests that need it are skipped, unless there is one in PATH or ETCDCTL34 names one" >&2

test-chromium:
	@[ -x "$${CHROMIUM:-/usr/bin/chromium}" ] || { \
		echo "make test: installing chromium"; get='apt-get install -y --no-install-recommends chromium fonts-noto-core'; \
		$$get || { apt-get update && $$get; }; \
	}

$(MODULES): dashboard/ui/package-lock.json
	@echo "installing what the dashboard is built with"; npm --prefix dashboard/ui ci --no-audit --no-fund

# Debian's packages, unpacked: installed, etcd-server would be a service.
.tools/etcd-3.4: package := etcd-server
.tools/etcd-3.4: version := etcd --version
.tools/etcdctl-3.4: package := etcd-client
.tools/etcdctl-3.4: version := etcdctl version
.tools/etcd-3.4 .tools/etcdctl-3.4:
	@echo "make test: fetching $(@F)"; mkdir -p .tools; dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && ( \
		cd "$$dir" && get='apt-get -qq -o APT::Sandbox::User=root download $(package)' && \
		{ $$get || { apt-get update && $$get; }; } && dpkg -x $(package)_*.deb . && \
		{ usr/bin/$(version) | grep -q '^$(firstword $(version)) [Vv]ersion: 3[.]4[.]' || { echo "$(package) is no 3.4 here" >&2; exit 1; }; } \
	) && mv "$$dir/usr/bin/$(firstword $(version))" $@

lint: ## gofmt, go vet, golangci-lint and the import rules
	@files=$$(git ls-files --cached --others --exclude-standard '*.go' | while read -r f; do [ ! -e "$$f" ] || echo "$$f"; done) && \
	unformatted=$$(gofmt -l $$files) && \
	{ [ -z "$$unformatted" ] || { echo "not as gofmt formats it:"; echo "$$unformatted"; exit 1; }; }
	go vet ./...
	go run $(GOLANGCI) run ./...

bench: ## run the benchmarks, with allocations
	go test -run '^$$' -bench . -benchmem -timeout 30m ./...

fuzz: ## fuzz each fuzz target for a minute (FUZZTIME=10m for longer)
	@git grep --untracked -oE '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' | sed 's|^|./|; s|/[^/]*:func | |' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package" </dev/null || exit 1; \
	done

clean: ## remove what was built; ./etcd-data, which is data, stays
	rm -f caddy *.test *.out
	rm -rf .tools dashboard/ui/node_modules dashboard/ui/shots
