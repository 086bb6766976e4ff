# Courtside. `make help` says what there is; every target installs what it lacks and says so.
PREFIX ?= /usr
DESTDIR ?=
CARGO ?= cargo
CARGO_TARGET_DIR ?= target
# What is installed and measured, and what demo, tests, gate and most trials run: the same dependencies, built once.
BIN = $(CARGO_TARGET_DIR)/release/courtside
TRIED = $(CARGO_TARGET_DIR)/debug/courtside
# What packages and images get: its GPU switched on, networks and film as files beside it (`box` in Cargo.toml).
BOX = $(CARGO_TARGET_DIR)/release/courtside-box
# Manual page and completions; named where the binary cannot run on this machine.
TOLD ?= $(CARGO_TARGET_DIR)/told
export CARGO_TARGET_DIR
# Used by users of `cross`, which alone would look for Cross.toml.
export CROSS_CONFIG = cross.toml

.PHONY: help build box check test axe clouds features shims engines demo bench soak attacks fuzz sessions kernels install fmt deny audit sbom gate score operated powercut hostile badwire cases figures unit cross yocto dist deb release told
.DEFAULT_GOAL := help

help: ## Say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

build: ## Build the release binary
	@scripts/setup.sh build run
	$(CARGO) build --release

# Cargo gives both the same name; the one that needs no file beside it is left under that name by the next `make build`.
box: ## Build the release binary as packages have it
	@scripts/setup.sh build run
	$(CARGO) build --release --no-default-features --features box
	cp $(CARGO_TARGET_DIR)/release/courtside $(BOX)

check: ## Format, lints, documents, one build of the dependencies
	@scripts/setup.sh build run
	$(CARGO) fmt --check
	scripts/one_build.sh
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items -q

test: ## Run every test that takes less than 2 minutes (10 minutes in all, after the build)
	@scripts/setup.sh build run test
	@scripts/axe.sh || export COURTSIDE_WITHOUT_AXE=1; scripts/clouds.sh rclone || export COURTSIDE_CLOUDS=none; $(CARGO) test

axe: ## Fetch axe-core, by which tests/page looks for barriers on the pages
	@scripts/axe.sh

clouds: ## Fetch rclone, s3s-fs and moto, and run what sends clips to storages against each (builds s3s-fs)
	@scripts/setup.sh build run test
	scripts/clouds.sh
	COURTSIDE_CLOUDS=rclone,s3s,moto $(CARGO) test --test peers clouds::

kernels: ## Compile the GPU's kernels for every device that we name, and run their unit tests (needs no GPU)
	@scripts/setup.sh build run
	scripts/nvrtc.sh target/nvrtc
	LD_LIBRARY_PATH=$(CURDIR)/target/nvrtc:$$LD_LIBRARY_PATH COURTSIDE_NVRTC=1 \
	  $(CARGO) test --features cuda --lib -- device:: cutting::

features: ## Compile every set of features, without a warning
	@scripts/setup.sh build run
	$(CARGO) clippy --all-targets --no-default-features -- -D warnings
	$(CARGO) clippy --all-targets --features onnx -- -D warnings
	$(CARGO) clippy --all-targets --features onnx,tensorrt -- -D warnings
	$(CARGO) clippy --all-targets --no-default-features --features tensorrt -- -D warnings
	$(CARGO) clippy --all-targets --no-default-features --features cuda -- -D warnings
	$(CARGO) clippy --all-targets --features cuda -- -D warnings
	$(CARGO) clippy --no-default-features --features box -- -D warnings
	$(CARGO) clippy --all-targets --features cuda,onnx -- -D warnings
	$(CARGO) clippy --all-targets -- -D warnings

shims: ## Build the shims for TensorRT 10, 11, RTX 1.6 and 1.7 into target/engines/shims (HEADERS=DIR: for those)
	@scripts/setup.sh build shims
	scripts/shims.sh

engines: shims ## Fetch ONNX Runtime and TensorRT-RTX (700 MB) for tests of `onnx` and `tensorrt`, and run these
	scripts/engines.sh
	$(CARGO) test --features onnx,tensorrt --lib detect::engine

# As the tests are built, so that whoever tries both waits once: a newcomer's first minutes are spent in cargo.
demo: ## Watch shots being called from a rendered game
	@scripts/setup.sh build run
	$(CARGO) build
	$(TRIED) demo $(ARGS)

bench: build ## Print latency and ingest figures beside their peers in the same run
	@scripts/setup.sh bench test
	$(BIN) bench ingest
	$(BIN) bench latency

figures: ## Measure builds from nothing and the size of the binary (tens of minutes)
	@scripts/setup.sh build run
	@scripts/figures.sh

fmt: ## Format the code
	$(CARGO) fmt

told: # Manual page and completions, which the program writes itself
	@mkdir -p $(TOLD)
	@for what in man bash zsh fish; do $(BIN) completions $$what > $(TOLD)/$$what || exit 1; done

install: ## Place the stripped binary (its symbols stay in target/symbols), unit, sysusers and bundles below DESTDIR
	@test -x $(BIN) || { echo "build it first: make build"; exit 1; }
	scripts/apart.sh $(BIN) $(DESTDIR)$(PREFIX)/bin/courtside
	test ! -d $(CARGO_TARGET_DIR)/engines/shims || install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/courtside $(CARGO_TARGET_DIR)/engines/shims/*.so
	for f in systemd/*.service systemd/*.path; do \
	  test ! -e $$f || install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system $$f; done
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/lib/courtside systemd/keep-log systemd/first-boot
	install -D -m 644 systemd/courtside.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/courtside.conf
	install -D -m 644 systemd/courtside.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/courtside.conf
	install -D -m 644 courtside.example.toml $(DESTDIR)$(PREFIX)/share/courtside/courtside.example.toml
	for f in $(foreach bundle,rimnet ballnet rimfinder,models/$(bundle)/model.toml models/$(bundle)/*.onnx); do \
	  install -D -m 644 $$f $(DESTDIR)$(PREFIX)/share/courtside/$$f; done
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/courtside/demo assets/demo/game.flv
	@test "$(TOLD)" != "$(CARGO_TARGET_DIR)/told" || $(MAKE) -s told BIN=$(BIN)
	install -D -m 644 $(TOLD)/man $(DESTDIR)$(PREFIX)/share/man/man1/courtside.1
	install -D -m 644 $(TOLD)/bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/courtside
	install -D -m 644 $(TOLD)/zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_courtside
	install -D -m 644 $(TOLD)/fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/courtside.fish
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/courtside/LICENSE
	install -D -m 644 src/page/vendor/LICENSE $(DESTDIR)$(PREFIX)/share/doc/courtside/LICENSE.hls.js
	@test -n "$(DESTDIR)" || printf '%s\n' "Next: systemd-sysusers && systemd-tmpfiles --create" \
	  "      courtside config example > /etc/courtside/courtside.toml, write your broker into it" \
	  "      courtside check; systemctl daemon-reload && systemctl enable --now courtside; courtside aim"

unit: build ## Run the systemd unit in a throw-away container, on good days and bad ones (root)
	@scripts/setup.sh system test
	trials/unit.sh $(BIN)
	trials/boots.sh $(BIN)

soak: build ## What takes longer than 2 minutes: kills, loss of the broker, memory over 30 minutes, attacks
	@scripts/setup.sh run test attack
	trials/soak.py kill --runs 50
	trials/clips_kill.py --runs 200
	trials/soak.py broker --away 60
	trials/crash.py --runs 20
	trials/soak_memory.py --minutes 30
	trials/attacks/run.py --bin $(BIN)
	trials/attacks/run.py --bin $(BIN) --all --minutes 10

# Timed, so the release build on a machine that nobody else loads; as root, so that an IPv6 /64 can attack.
attacks: build ## Attack a box beside two live courts: some ninety ways in turn, then all at once for 10 minutes (root)
	@scripts/setup.sh run attack
	trials/attacks/run.py --bin $(BIN) $(if $(ONLY),--only $(ONLY))
	trials/attacks/run.py --bin $(BIN) --all --minutes $(or $(MINUTES),10)

# Footage with truth may not be redistributed; without FOOTAGE it is looked for in the checkout and beside it.
score: build ## Score the whole program on footage with truth: FOOTAGE=DIR (not in the repository)
	@scripts/setup.sh run test
	@trials/score.py --bin $(BIN) $(if $(FOOTAGE),--footage $(FOOTAGE))

operated: build ## Play a game on real streams with a scripted operator, against what was written by hand: FOOTAGE=DIR
	@scripts/setup.sh run test
	@trials/operated.py --bin $(BIN) $(if $(FOOTAGE),--footage $(FOOTAGE))

# These four judge what the program does, not how fast: the tests' own binary is built anyway.
powercut: ## Cut the power 100 times, and once more without fdatasync to see that it would be found (root)
	@scripts/setup.sh build run test trial
	$(CARGO) test --no-run
	BIN=$(dir $(TRIED)) trials/powercut.sh $(CUTS)
	BIN=$(dir $(TRIED)) trials/powercut.sh --control 20
	BIN=$(dir $(TRIED)) trials/powercut_claim.sh $(CUTS)
	BIN=$(dir $(TRIED)) trials/powercut_claim.sh --control 20

hostile: ## Publish hostile RTMP to a box, with a court beside that must not notice
	@scripts/setup.sh build run test
	$(CARGO) test --no-run
	trials/hostile_publishers.py --bin $(TRIED)

cases: ## Publish what encoders in the field really send, 64 ways, and verify what was recorded
	@scripts/setup.sh build run test
	$(CARGO) test --no-run
	trials/cases/run.py --bin $(TRIED)

badwire: ## Call a game over a slow, lossy, broken link to the broker, and count what arrives (root)
	@scripts/setup.sh build run test trial
	$(CARGO) test --no-run
	trials/uplink_over_badwire.py --bin $(TRIED)
	trials/lanes_over_badwire.py --bin $(TRIED)
	trials/upload.py --bin $(TRIED) --kill

# INT8 too: make gate GATED="rimnet rimnet:int8", which takes another minute and a half.
GATED ?= rimnet

gate: target/gate/gate.json ## Hold the shipped bundle to models/gate.toml on 200 rendered attempts
	@scripts/setup.sh build run
	$(CARGO) test --no-run
	$(TRIED) eval --truth $< --jobs $$(nproc) --strata --gate models/gate.toml \
	  --models-dir models $(addprefix --bundle ,$(GATED))

# Debian's python3-torch will do; a .venv where there is none.
target/gate/gate.json: models/train/gate.py models/train/source.py $(wildcard models/train/render/*.py)
	@scripts/setup.sh train
	@python=/usr/bin/python3; if [ ! -d /usr/lib/python3/dist-packages/torch ]; then \
	  python=$(CURDIR)/.venv/bin/python; \
	  test -x $$python || { echo "gate: installing torch, numpy, av into .venv (some GB, once)"; \
	    python3 -m venv .venv && .venv/bin/pip install --quiet torch numpy av; }; fi; \
	mkdir -p target && cd models && $$python -m train.gate ../target/gate

fuzz: ## Fuzz every parser for 60 s each
	@scripts/setup.sh build
	fuzz/run 60

sessions: ## Play made-up publishers against the ingest for 10 minutes (SECONDS=600, SEED=N plays one again)
	@scripts/setup.sh build run
	COURTSIDE_SESSIONS=$(or $(SECONDS),600) $(if $(SEED),COURTSIDE_SESSIONS_SEED=$(SEED)) \
	  $(CARGO) test --lib -- --nocapture --exact ingest::sessions::new_publishers_for_as_long_as_is_asked

cross: ## Build for aarch64 (needs no such machine), run version, tests and decoder under qemu-user, check glibc
	@scripts/setup.sh cross
	CARGO="$(CARGO)" scripts/cross.sh
	scripts/shims.sh aarch64

deb: box shims ## Make courtside's .deb for this machine's architecture; after `make cross`, for arm64 too
	@scripts/setup.sh deb
	scripts/deb.sh $(shell dpkg --print-architecture)
	@test ! -x $(CARGO_TARGET_DIR)/aarch64-unknown-linux-gnu/release/courtside || \
	  TELLS=$(BOX) scripts/deb.sh arm64

dist: build ## Pack sources with every crate, and what `make cross` built, as the Yocto layer fetches them
	BIN=$(BIN) scripts/dist.sh

# Parses and resolves, compiles nothing. LAYERS: a folder of four git repositories, see scripts/yocto.sh.
yocto: ## Hold the Yocto layer to the real layers, oelint and kas: LAYERS=DIR (says loudly where they are absent)
	@LAYERS=$(LAYERS) scripts/yocto.sh $(SERIES)

deny: ## Hold licences, bans and sources of dependencies to deny.toml
	@cargo deny --version >/dev/null 2>&1 || { echo "deny: installing cargo-deny (some minutes, once)"; \
	  env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
	  $(CARGO) install --locked --quiet cargo-deny@0.20.2; }
	$(CARGO) deny check licenses bans sources

audit: deny ## The same, and advisories: of their database in the network, or of a clone of it in ADVISORIES=DIR
	@scripts/advisories.sh $(ADVISORIES)

sbom: ## Write what a package is made of, as CycloneDX and SPDX JSON, into target/: crates, models, shims, player
	@scripts/setup.sh build python
	@scripts/sbom.py $(CARGO_TARGET_DIR)

release: ## Make what a release publishes, twice and compared; says what is absent (RELEASE_KEY=FILE signs)
	@scripts/setup.sh build run shims deb release
	@scripts/release.sh
