# Everything that is done with Anima. `make run` needs a Rust toolchain and a C compiler, nothing else.
.PHONY: run chat build page test test-browser test-clients test-autobahn quick test-faults lint lint-page doc bench bench-gateway needs needs-redis help

CARGO ?= cargo
# Where cargo puts what it builds.
TARGET := $(or $(CARGO_TARGET_DIR),target)
# The engine is in no graph of the quick work: these builds take seconds.
QUICK := --no-default-features --workspace --exclude anima-local
# The benchmark's build without the engine, kept apart from the one with it.
LEAN = $(TARGET)/lean
# The Python servers that Anima is measured beside.
ARMS := $(TARGET)/bench-gateway
ARMS_LIST := tests/bench/gateway/requirements.txt
# The program that the tests of the page start.
ANIMA_BINARY ?= $(TARGET)/release/anima
# Says what the tests of the page lack, and fails then.
BROWSER_NEEDS := tests/browser/needs.sh
# The clients that Anima is called with, what they are, and what says what they lack.
CLIENTS := $(TARGET)/clients
CLIENTS_LIST := tests/clients/requirements.txt
CLIENTS_NEEDS := tests/clients/needs.sh
# What `make test-faults` has measured, a line for each row of its table.
FAULTS_TABLE := $(TARGET)/faults.txt
# Thousands of sockets are thousands of files.
MORE_FILES = ulimit -n $$(ulimit -Hn)

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

run: build ## Build Anima and start it on port 7871.
	@exec $(TARGET)/release/anima serve

chat: build ## Talk to it in the terminal.
	@exec $(TARGET)/release/anima chat

build: needs
	@test -x $(TARGET)/release/anima || echo "The first build compiles the inference engine: 15 to 25 minutes on two cores. Later builds take seconds."
	@$(CARGO) build --release --locked --workspace

page: node_modules ## Build the page from web/ into static/, which is committed.
	npm run --silent --workspace web build

test: needs needs-redis ## Run every test, the engine's included, and those with Chromium and with real clients where these are at hand.
	$(CARGO) test --release --locked --workspace
	@if missing=$$($(BROWSER_NEEDS)); then $(MAKE) --no-print-directory test-browser; \
	elif [ -n "$(CI)" ]; then echo "The tests of the page cannot run: $$missing"; exit 1; \
	else echo "Left out: the tests of the page. $$missing"; fi
	@if missing=$$($(CLIENTS_NEEDS)); then $(MAKE) --no-print-directory test-clients; \
	elif [ -n "$(CI)" ]; then echo "The tests with real clients cannot run: $$missing"; exit 1; \
	else echo "Left out: the tests with real clients. $$missing"; fi

test-browser: node_modules ## Run the tests of the page in Chromium, against the program of `make run`.
	@$(BROWSER_NEEDS)
	@test -x $(ANIMA_BINARY) || { echo "$(ANIMA_BINARY) is missing: make build"; exit 1; }
	ANIMA_BINARY=$(abspath $(ANIMA_BINARY)) npm run --silent --workspace tests/browser test

node_modules: package-lock.json
	@command -v npm >/dev/null || { echo "Node is missing (18.20 or newer): apt-get install nodejs npm"; exit 1; }
	npm ci --no-audit --no-fund
	@touch node_modules

quick: ## Run the tests that need no engine and no Redis.
	$(CARGO) test --locked $(QUICK) -- --skip needs_redis

test-faults: needs-redis ## Kill, cut off, overload, reload and end a running service, break its store and its providers, and print what was promised and counted.
	@rm -f $(FAULTS_TABLE); failed=; \
	run() { ANIMA_FAULTS=full ANIMA_FAULTS_TABLE=$(abspath $(FAULTS_TABLE)) \
		$(CARGO) test --locked $(QUICK) "$$@" --nocapture --test-threads=1 || failed=yes; }; \
	run --test faults --; \
	run --test hostile -- crowd memory silence; \
	run --test api -- fault_table check_faults secrets; \
	echo; tests/verdict/table.sh $(FAULTS_TABLE) && test -z "$$failed"

lint: ## Check form, lints and documentation.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked $(QUICK) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked $(QUICK) --no-deps --document-private-items
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory lint-page; \
	elif [ -n "$(CI)" ]; then echo "Node is missing: apt-get install nodejs npm"; exit 1; \
	else echo "Left out: the checks of the page. Node is missing."; fi

lint-page: node_modules ## Check the page's source, and that static/ is what it gives.
	npm run --silent --workspace web check
	npm run --silent --workspace tests/browser check
	node web/build.js --check

doc: ## Build the documentation of the code.
	$(CARGO) doc --locked $(QUICK) --no-deps --document-private-items

bench: needs ## Measure what Anima costs, as one table; SMOKE=1 tries that out without the engine.
ifdef SMOKE
	@$(MORE_FILES); $(CARGO) bench --locked $(QUICK) --target-dir $(LEAN) --bench cost -- --smoke
else
	@$(CARGO) build --release --locked $(QUICK) --target-dir $(LEAN) --bin anima
	@$(CARGO) bench --locked --workspace --bench cost --no-run
	@$(MORE_FILES); $(CARGO) bench --locked --workspace --bench cost -- --lean $(LEAN)/release/anima
endif

bench-gateway: needs ## Measure what Anima adds to a model server, beside other gateways; SMOKE=1 only tries it out.
ifndef SMOKE
	@cmp -s $(ARMS_LIST) $(ARMS)/installed.txt || { \
		python3 -m venv --clear $(ARMS)/venv && $(ARMS)/venv/bin/pip install --quiet --requirement $(ARMS_LIST) \
		&& cp $(ARMS_LIST) $(ARMS)/installed.txt; }
endif
	@$(CARGO) build --release --locked $(QUICK) --target-dir $(LEAN) --bin anima --bin anima-gateway-bench
	@$(MORE_FILES); python=$(ARMS)/venv/bin/python; test -x $$python || python=python3; \
	exec $(LEAN)/release/anima-gateway-bench $(if $(SMOKE),--smoke) --anima $(LEAN)/release/anima --python $$python \
		--scratch $(TARGET) --json $(TARGET)/bench-gateway.json $(GATEWAY)

test-clients: needs ## Call Anima with the clients that people have, and its stand-in for model servers with the providers' own.
	@$(CLIENTS_NEEDS)
	@test -x $(ANIMA_BINARY) || { echo "$(ANIMA_BINARY) is missing: make build"; exit 1; }
	@cmp -s $(CLIENTS_LIST) $(CLIENTS)/requirements.txt || { \
		echo "Fetching the clients, half a GB: once."; \
		python3 -m venv --clear $(CLIENTS)/venv \
		&& $(CLIENTS)/venv/bin/pip install --quiet --disable-pip-version-check --requirement $(CLIENTS_LIST) \
		&& cp $(CLIENTS_LIST) $(CLIENTS)/requirements.txt; }
	@cmp -s tests/clients/package-lock.json $(CLIENTS)/package-lock.json || { \
		cp tests/clients/package.json tests/clients/package-lock.json $(CLIENTS)/ \
		&& (cd $(CLIENTS) && npm ci --no-audit --no-fund) || { rm -f $(CLIENTS)/package-lock.json; exit 1; }; }
	@$(CARGO) build --release --locked --workspace --bin anima-upstream
	@upstream=$(TARGET)/release/anima-upstream; export PYTHONDONTWRITEBYTECODE=1; \
	$(CLIENTS)/venv/bin/python tests/clients/upstream.py --upstream $$upstream \
	&& exec $(CLIENTS)/venv/bin/python tests/clients/run.py --anima $(ANIMA_BINARY) --upstream $$upstream \
		--modules $(CLIENTS)/node_modules

test-autobahn: needs ## Let Autobahn's test suite loose on the WebSocket stack; WSTEST names its program wstest (Python 2.7).
	WSTEST=$(WSTEST) $(CARGO) test --locked --no-default-features -p anima --lib -- --ignored --exact \
		surface::wire::conformance::autobahn::autobahn_comes_to_the_recorded_result

needs:
	@command -v $(CARGO) >/dev/null || { echo "Rust is missing: install rustup, then come back."; exit 1; }
	@command -v cc >/dev/null && command -v c++ >/dev/null || { echo "A C and C++ compiler is missing: apt-get install build-essential"; exit 1; }

needs-redis:
	@command -v redis-server >/dev/null || { echo "The tests start a Redis of their own, and it is missing: apt-get install redis-server"; exit 1; }
