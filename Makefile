# What a developer does here, one target each. `make` alone lists them.

GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 1m
TIMEOUT  ?= 10m
SOAK     ?= 10m
CLIENTS  ?= 2000
MODULES  := dashboard/ui/node_modules/.package-lock.json
SELF     := $(MAKE)# make -n runs what names MAKE itself

.PHONY: help build run dashboard pictures test test-dashboard test-tools test-chromium robustness soak strace lint bench fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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
test: test-tools ## set up what the tests need, then run them, Go's under the race detector
	@ok=0; \
	go test -race -vet=off -p 3 -timeout $(TIMEOUT) ./store/etcdv2 $$(go list ./... | grep -Ev '/e2e$$|/robustness') || ok=1; \
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
		$(SELF) -s $(MODULES) || exit 1; \
		if ! $(SELF) -s test-chromium; then echo "make test: without Chromium, the dashboard's tests in it are skipped, unless CHROMIUM names one" >&2; \
		else echo "make test: building caddy"; ./xcaddy.sh --output .tools/caddy >.tools/caddy.log 2>&1 || { cat .tools/caddy.log >&2; exit 1; }; fi; \
	fi
	@[ -n "$$ETCD34" ] || $(SELF) -s .tools/etcd-3.4 || \
		echo "make test: without Debian's etcd 3.4, tests that need it are skipped, unless there is one in PATH or ETCD34 names one" >&2
	@[ -n "$$ETCDCTL34" ] || $(SELF) -s .tools/etcdctl-3.4 || \
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

robustness: test-tools strace ## examine gateways under faults and under abuse, and the examiners with bugs
	@ok=0; set -x; \
	go test -race -vet=off -timeout $(TIMEOUT) ./robustness/history/... ./robustness/check ./robustness/model || ok=1; \
	go test -race -vet=off -timeout $(TIMEOUT) -count=1 -v ./robustness/sim -steps 1000000 || ok=1; \
	for package in cluster mutants . abuse; do \
		go test -race -vet=off -timeout $(TIMEOUT) -count=1 -v ./robustness/$$package || ok=1; \
	done; \
	exit $$ok

soak: test-tools strace ## 2,000 clients, 500 locks, a fault every 10 s, for 10 minutes on each API (SOAK=1h for longer, CLIENTS=1000 for fewer)
	./xcaddy.sh --output .tools/caddy >.tools/caddy.log 2>&1 || { cat .tools/caddy.log >&2; exit 1; }
	go test -count=1 -v -timeout 0 ./robustness -run 'TestFaults$$' -caddy '$(CURDIR)/.tools/caddy' -length $(SOAK) -clients $(CLIENTS) -locks $$(($(CLIENTS) / 4)) -every 10s -pause 10s

# strace makes disks slow.
strace:
	@command -v strace >/dev/null || { echo "installing strace"; get='apt-get install -y --no-install-recommends strace'; \
		$$get || { apt-get update && $$get; } || echo "without strace, no disk is slow" >&2; \
	}

lint: ## gofmt, go vet, golangci-lint and the import rules
	@files=$$(git ls-files --cached --others --exclude-standard '*.go' | while read -r f; do [ ! -e "$$f" ] || echo "$$f"; done) && \
	unformatted=$$(gofmt -l $$files) && \
	{ [ -z "$$unformatted" ] || { echo "not as gofmt formats it:"; echo "$$unformatted"; exit 1; }; }
	go vet ./...
	go run $(GOLANGCI) run ./...

bench: ## run the benchmarks, with allocations
	go test -run '^$$' -bench . -benchmem -timeout 30m ./...

# Each package's fuzz targets are built once, and then all targets run side by side, each
# in its package's folder, where what makes it fail is left as usual.
fuzz: ## fuzz all fuzz targets at once, for a minute (FUZZTIME=10m for longer)
	@dir=$$(mktemp -d) && cache="$$(go env GOCACHE)/fuzz" && : >"$$dir/running" || exit 1; \
	trap 'rm -rf "$$dir"' EXIT; trap 'kill $$(cut -d " " -f 1 "$$dir/running"); exit 1' INT TERM; \
	git grep --untracked -oE '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' | sed 's|/[^/]*:func | |' >"$$dir/targets"; \
	for package in $$(cut -d ' ' -f 1 "$$dir/targets" | sort -u); do \
		echo "make fuzz: building $$package"; mkdir -p "$$dir/$$package" && \
		go test -c -fuzz . -o "$$dir/$$package/it.test" "./$$package" && go list "./$$package" >"$$dir/$$package/path" || exit 1; \
	done; \
	while read -r package target; do \
		( cd "$$package" && exec nice -n 19 "$$dir/$$package/it.test" -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 500ms \
			-test.fuzzcachedir "$$cache/$$(cat "$$dir/$$package/path")" -test.parallel 1 ) >"$$dir/$$package/$$target" 2>&1 </dev/null & \
		echo "$$! $$package $$target" >>"$$dir/running"; \
	done <"$$dir/targets"; \
	echo "make fuzz: running $$(wc -l <"$$dir/running") targets for $(FUZZTIME)"; failed=; \
	while read -r pid package target; do \
		wait "$$pid" && outcome=ok || { outcome=FAILED; failed="$$failed $$package/$$target"; }; \
		told=$$(sed -n 's/^fuzz: elapsed.*execs: \([0-9]*\) .*new interesting: \([0-9]*\) .*/\1 \2/p' "$$dir/$$package/$$target" | tail -n 1); \
		printf '%-16s %-16s %9s executions, %4s new interesting: %s\n' "$$package" "$$target" $${told:-0 0} $$outcome; \
	done <"$$dir/running"; : >"$$dir/running"; \
	for target in $$failed; do echo; echo "$$target:"; grep -v '"level"' "$$dir/$$target"; done; \
	[ -z "$$failed" ]

clean: ## remove what was built; ./etcd-data, which is data, stays
	rm -f caddy *.test *.out
	rm -rf .tools dashboard/ui/node_modules dashboard/ui/shots
