# All developer commands. CI runs `make test`; each of its steps is a target too.

.DEFAULT_GOAL := help
# Where cargo puts what it builds.
TARGET := $(or $(CARGO_TARGET_DIR),target)

# Where `make install` puts what it installs, below DESTDIR if that is set.
PREFIX ?= /usr/local

.NOTPARALLEL: # the steps share one target directory and print one report

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Build and serve the sample library; more arguments with ARGS="--listen 127.0.0.1:9000"
	@scripts/setup run
	cargo build --release
	$(TARGET)/release/headwater serve media/ $(ARGS)

.PHONY: install
install: ## Build, and install the program, its manual pages and completions; PREFIX=/usr/local
	cargo build --release
	install -D -m 755 $(TARGET)/release/headwater $(DESTDIR)$(PREFIX)/bin/headwater
	$(TARGET)/release/headwater man $(DESTDIR)$(PREFIX)/share/man/man1
	set -e; share=$(DESTDIR)$(PREFIX)/share; \
	install -d $$share/bash-completion/completions $$share/zsh/site-functions \
		$$share/fish/vendor_completions.d; \
	$(TARGET)/release/headwater completions bash > $$share/bash-completion/completions/headwater; \
	$(TARGET)/release/headwater completions zsh > $$share/zsh/site-functions/_headwater; \
	$(TARGET)/release/headwater completions fish > $$share/fish/vendor_completions.d/headwater.fish

# cargo-deb takes files below target/release from where cargo builds.
PACKAGED := $(TARGET)/release/packaged
.PHONY: deb
deb: ## Build a Debian package in target/debian/
	@scripts/setup deb
	cargo build --release
	rm -rf $(PACKAGED)
	$(TARGET)/release/headwater man $(PACKAGED)/man
	set -e; for shell in bash zsh fish; do \
		$(TARGET)/release/headwater completions $$shell > $(PACKAGED)/$$shell; \
	done
	cargo deb --no-build

.PHONY: test
test: fmt clippy doc deny openapi page-types unit browser judges ## Run every check and every test

.PHONY: fmt
fmt: ## Check the formatting
	cargo fmt --all --check

.PHONY: clippy
clippy: ## Lint, warnings are errors
	cargo clippy --workspace --all-targets -- -D warnings

.PHONY: doc
doc: ## Build the documentation, broken links are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items

.PHONY: deny
deny: setup-test ## Check licences, bans and sources of the dependencies
	cargo deny check licenses bans sources

.PHONY: advisories
advisories: setup-test ## Check the dependencies against RustSec's advisories; needs its database
	cargo deny $(ARGS) check advisories

.PHONY: openapi
openapi: setup-test ## Lint the OpenAPI description, and compile clients that generators make of it
	npm test --silent --prefix tests/openapi

.PHONY: page-types
page-types: setup-test ## Check the types of the page's modules, which JSDoc declares
	tests/browser/node_modules/.bin/tsc --noEmit -p jsconfig.json

.PHONY: unit
unit: setup-test ## Run the Rust tests
	cargo test --workspace --no-fail-fast

.PHONY: browser
browser: setup-test ## Drive the page and the players in Chromium; screenshots in target/browser/
	cargo build
	for test in library watch player embed jobs playback devices changes buckets home streams shapes kinds; do \
		node --test-reporter=spec tests/browser/$$test.mjs || exit 1; \
	done

.PHONY: judges
judges: setup-test ## Let validators and players of others judge the streams: parsers, REDbot, VLC, Firefox
	cargo build
	node --test-reporter=spec tests/judges/manifests.mjs
	node --test-reporter=spec tests/judges/http.mjs
	node --test-reporter=spec tests/judges/vlc.mjs
	node --test-reporter=spec tests/judges/firefox.mjs
	node --test-reporter=spec tests/judges/firefox_page.mjs

# cargo check links nothing, so scripts/no-cc makes empty objects instead of compiling C.
.PHONY: check-elsewhere
check-elsewhere: ## Compile for FreeBSD and macOS, without running anything
	rustup target add x86_64-unknown-freebsd x86_64-apple-darwin
	CC_x86_64_unknown_freebsd=$(CURDIR)/scripts/no-cc AR_x86_64_unknown_freebsd=ar \
		RUSTFLAGS="-D warnings" cargo check --target x86_64-unknown-freebsd
	CC_x86_64_apple_darwin=$(CURDIR)/scripts/no-cc AR_x86_64_apple_darwin=ar \
		RUSTFLAGS="-D warnings" cargo check --target x86_64-apple-darwin

.PHONY: bench
bench: ## Measure the small parts, then the server beside its peers (70 minutes; ARGS="--cells 4k")
	@scripts/setup bench
	cargo bench --bench micro
	cargo build --release
	cargo run --release -p peers -- --json $(TARGET)/bench.json --svg docs/bench.svg $(ARGS)

.PHONY: bench-bucket
bench-bucket: ## Measure what a bucket costs beside a folder (5 minutes; ARGS="--cells 64k")
	@scripts/setup test
	cargo build --release
	cargo run --release -p bucket -- $(ARGS)

.PHONY: attacks
attacks: ## Attack a server beside innocent clients (45 minutes; ARGS="--only h2-*" or ARGS="--soak 20")
	@scripts/setup attacks
	cargo build --release
	cargo run --release -p attacks -- $(ARGS)

# RUSTC_BOOTSTRAP: sanitizers need nightly flags; the code does not.
SECONDS ?= 60
.PHONY: fuzz
fuzz: ## Fuzz each target for SECONDS=60
	@scripts/setup fuzz
	for target in $$(cargo fuzz list); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run $$target -- -max_total_time=$(SECONDS) || exit 1; \
	done

.PHONY: demo-media
demo-media: ## Encode the sample library in media/ again
	@scripts/setup demo-media
	scripts/demo-media

.PHONY: setup-test
setup-test:
	@scripts/setup test
