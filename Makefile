# Every target does its own set-up; `make demo` needs nothing but Rust and a C compiler.

PROGRAM := target/release/femtotorrent
# Static binaries are made for this machine's processor, or for TARGET, such as aarch64-unknown-linux-musl. The C library
# musl is made to be linked statically, and saves 0.9 MB. Where it cannot be had, glibc does.
ARCH    := $(patsubst i%86,i686,$(shell uname -m))
TARGET  ?= $(ARCH)-unknown-linux-musl
HOST    := $(ARCH)-unknown-linux-gnu
STATIC_BINARY := target/static/femtotorrent$(if $(filter $(ARCH)-%,$(TARGET)),,-$(firstword $(subst -, ,$(TARGET))))$(if $(filter no,$(TLS)),-no-tls)
# The most bytes of it, by processor.
MOST_x86_64  := 3910000
MOST_i686    := 4300000
MOST_aarch64 := 3980000
MOST_gnu     := 4650000
MOST    := $(if $(filter no,$(TLS)),2700000,$(or $(MOST_$(firstword $(subst -, ,$(TARGET)))),4500000))
# A few parts of the libraries are in C: what compiles them, and what calls the linker, for another processor.
CROSS   := $(firstword $(subst -, ,$(TARGET)))-linux-gnu-gcc
MUSL_CC := $(if $(filter $(ARCH)-%,$(TARGET)),musl-gcc,$(CROSS))
UNDER   := $(subst -,_,$(TARGET))
# Packed relative relocations save 0.13 MB. The linker that comes with Rust saves 0.04 MB more: it keeps functions that
# are the same only once.
STATIC  := -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs
# With frame pointers, what unwinding has to know of each function is a third shorter: 0.14 MB. Elsewhere than on x86_64
# they are there anyway, or cost a register of few.
STATIC  += $(if $(filter x86_64-%,$(TARGET)),-C force-frame-pointers=yes)
# A function through which no panic passes needs nothing of that.
STATIC  += -C force-unwind-tables=no
comma   := ,
LLD     := $(wildcard $(shell rustc --print sysroot 2>/dev/null)/lib/rustlib/$(HOST)/bin/gcc-ld)
STATIC  += $(if $(LLD),-C link-arg=-B$(LLD) -C link-arg=-fuse-ld=lld -C link-arg=-Wl$(comma)--icf=all)
# The standard library is compiled for size too, and without what prints backtraces, which have no names in a stripped
# file: 0.35 MB less. That takes its source, and options that cargo calls unstable. Where this does not work, the library is
# linked as it comes with Rust, and the file may be larger by OWN_STD bytes.
STD     := -Z build-std=std,panic_unwind -Z build-std-features=panic-unwind,optimize_for_size
OWN_STD := 640000
# With it no panic passes through what drops values, which leaves more functions without: 0.25 MB, both together. A panic
# that begins there ends the program. None of ours can by what comes from outside; all others are caught as before. They do
# not say in which line they began, for which each would need its place in the file; those of `make build` do.
OWN     := -Z panic-in-drop=abort -Z location-detail=none

# What libraries show of their values to programmers are their kinds, without what is in them: 0.02 MB.
OWN_DEBUG := -Z profile-rustflags --config 'profile.release.package."*".rustflags=["-Zfmt-debug=shallow"]'

# Where `make install` puts everything. DESTDIR stands in front of it, for those who make packages.
PREFIX  := /usr/local
DESTDIR :=
# What is installed: a file, its place below PREFIX, and its rights.
FILES   := $(PROGRAM):bin/femtotorrent:755 \
	docs/man/femtotorrent.1:share/man/man1/femtotorrent.1:644 \
	docs/completions/femtotorrent.bash:share/bash-completion/completions/femtotorrent:644 \
	docs/completions/_femtotorrent:share/zsh/site-functions/_femtotorrent:644 \
	docs/completions/femtotorrent.fish:share/fish/vendor_completions.d/femtotorrent.fish:644 \
	docs/linux/femtotorrent.desktop:share/applications/femtotorrent.desktop:644 \
	docs/linux/femtotorrent-seed@.service:lib/systemd/system/femtotorrent-seed@.service:644 \
	README.md:share/doc/femtotorrent/README.md:644 \
	docs/MANUAL.md:share/doc/femtotorrent/MANUAL.md:644 \
	docs/SAFETY.md:share/doc/femtotorrent/SAFETY.md:644 \
	LICENSE:share/doc/femtotorrent/LICENSE:644

.PHONY: help demo build install uninstall pages test simulate check doc interop floods fuzz replay deny crash static bench samples clean

help: ## say what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: ## download a small payload over loopback, tracker and seeders included
	@echo "building; the first time this takes a minute or two"
	cargo run --release -- demo

build: ## the release binary, target/release/femtotorrent
	cargo build --release

# As root without cargo, if it was built before.
target/release/femtotorrent:
	cargo build --release

install: $(PROGRAM) ## program, manual page, completions; PREFIX=/usr/local, DESTDIR=
	@set -e; for file in $(FILES); do \
		from=$${file%%:*} rights=$${file##*:} to=$${file#*:}; to="$(DESTDIR)$(PREFIX)/$${to%:*}"; \
		install -d "$${to%/*}"; install -m "$$rights" "$$from" "$$to"; echo "$$to"; \
	done

uninstall: ## remove what was installed
	@for file in $(FILES); do \
		to=$${file#*:}; rm -fv "$(DESTDIR)$(PREFIX)/$${to%:*}"; \
	done
	@rmdir "$(DESTDIR)$(PREFIX)/share/doc/femtotorrent" 2>/dev/null || true

pages: ## write the manual page and the completions again
	REWRITE=1 cargo test --quiet --test pages current

test: ## all tests that need no other program
	cargo test

simulate: ## the tables of docs/SIMULATION.md: whole swarms on a virtual clock
	cargo test --release --quiet --test simulation -- --ignored --nocapture --test-threads=1 table
	LIAR_SEEDS=20 cargo test --release --quiet --test simulation liars

check: ## formatting, lints and documentation, warnings denied
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --test interop -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

doc: ## the tour of the source in a browser; cargo prints its path, for where none can be opened
	cargo doc --no-deps --document-private-items --open

interop: ## downloads from libtorrent, aria2 and Transmission; installs them where they are missing
	tests/interop/install.sh
	PATH="$(CURDIR)/target/interop-venv/bin:$$PATH" tests/interop/run.py

floods: build ## what floods of messages and of connections cost a download, beside a quiet one
	tests/floods.py $(PROGRAM)

fuzz: ## each parser against a fuzzer for 30 seconds; installs cargo-fuzz where it is missing
	tests/fuzz/run.sh $(or $(SECONDS),30) $(TARGETS)

replay: ## what fuzzing found worth keeping, each input once through its target
	tests/fuzz/replay.sh

deny: ## the libraries: licenses, versions, sources and known faults; installs cargo-deny where it is missing
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check bans licenses sources
	cargo deny check advisories

crash: build ## kills downloads at 200 random moments, and sees that each goes on and ends whole
	tests/crash.py $(PROGRAM) $(or $(KILLS),200) $(SEED)

# Panics name the files of the libraries: not by where they are on this machine.
static: ## one static binary, target/static/femtotorrent, proven in an empty root folder; TARGET=..., TLS=no
	@echo "building for $(TARGET); the first time this takes minutes"
	@mkdir -p target/static
	@target=$(TARGET) most=$(MOST); \
	rustup target add $$target && command -v $(MUSL_CC) >/dev/null || \
		{ [ $(firstword $(subst -, ,$(TARGET))) = $(ARCH) ] || { echo "$(MUSL_CC) is missing"; exit 1; }; \
		echo "there is no musl for this, so it is linked with glibc"; target=$(HOST) most=$(MOST_gnu); }; \
	cargo fetch --quiet --target $$target && \
	paths=$$(printf ' --remap-path-prefix=%s=' "$${CARGO_HOME:-$$HOME/.cargo}"/registry/src/* "$$(rustc --print sysroot)/lib/rustlib/src/rust/") && \
	with() { env CC_$(UNDER)=$(MUSL_CC) $(if $(filter musl-gcc,$(MUSL_CC)),,CARGO_TARGET_$(shell echo $(UNDER) | tr a-z A-Z)_LINKER=$(CROSS)) \
		RUSTFLAGS="$(STATIC)$$paths$$own" "$$@"; } && \
	build="cargo build --release --target $$target --target-dir target/static-build $(if $(filter no,$(TLS)),--no-default-features)" && \
	{ { rustup component add rust-src && own=" $(OWN)" && with RUSTC_BOOTSTRAP=1 $$build $(STD) $(OWN_DEBUG); } || \
		{ echo "the standard library is linked as it comes with Rust"; most=$$((most + $(OWN_STD))) own=; with $$build; }; } && \
	cp target/static-build/$$target/release/femtotorrent $(STATIC_BINARY) && \
	tests/static.py $(STATIC_BINARY) $$most $(RUNNER)

bench: build ## what a download and what seeding costs, beside other clients where their harness is there
	tests/bench.sh $(PROGRAM)

samples: ## write the sample torrents and their payloads again
	sample-torrents/make.py

clean: ## remove everything that was built
	cargo clean
