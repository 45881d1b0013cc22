# A thin front of CMake: the presets in CMakePresets.json do the work, in build/<preset>/.
# `make help` lists the targets.

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
POWER_DATABASES ?= 10
SECONDS ?= 60
SEED ?=

DEPS = bash scripts/deps.sh
CTEST = ctest -j $(JOBS) --no-label-summary

.PHONY: all help deps demo bench bench-full bench-crates bench-curve bench-cold bench-device bench-publish test install lint format asan tsan clang release-test coverage fuzz soak mutants power-loss clean
.NOTPARALLEL:

all: ## build the library and the command armdb (optimised)
	@$(DEPS) build
	cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX)
	cmake --build --preset release -j $(JOBS)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" \
	    read -r target text; do printf '  make %-13s %s\n' "$$target" "$$text"; done

deps: ## install the Debian packages that building and testing need, if any is missing
	@$(DEPS) build test

demo: all ## build, then run the demonstration
	bash scripts/demo.sh build/release

bench: ## measure armdb and its peers (a few minutes; tables and charts in bench/results/)
	@$(DEPS) bench || echo "bench: goes on without the peers that are missing"
	@$(MAKE) --no-print-directory all
	bash scripts/bench.sh build/release quick

bench-full: ## the same with 10 million keys and the Rust crates (two to three hours)
	@$(DEPS) bench || echo "bench: goes on without the peers that are missing"
	@$(MAKE) --no-print-directory all
	bash scripts/bench.sh build/release full

bench-crates: ## measure armdb beside the Rust crate armdb (some minutes; needs cargo)
	@$(MAKE) --no-print-directory all
	bash scripts/bench.sh build/release crates

bench-curve: ## measure space and latencies over time while all is overwritten (some minutes)
	@$(DEPS) bench || echo "bench: goes on without the peers that are missing"
	@$(MAKE) --no-print-directory all
	python3 bench/curve.py build/release/bench/curve bench/results

bench-cold: ## measure reads of data larger than memory (two or three minutes; needs root)
	@$(DEPS) bench || echo "bench: goes on without the peers that are missing"
	@$(MAKE) --no-print-directory all
	python3 bench/cold.py build/release/bench/cold bench/results

bench-device: ## measure reads of the device beside fio (half a minute, 600 MB of disk)
	@$(DEPS) bench || echo "bench: goes on without the peers that are missing"
	@$(MAKE) --no-print-directory all
	python3 bench/device.py build/release/bench/device

bench-publish: ## make bench, and show the result in the README (of a clean checkout only)
	@test -z "$$(git status --porcelain)" || { echo "bench: first commit what is measured" >&2; exit 1; }
	@$(MAKE) --no-print-directory bench
	python3 bench/publish.py bench/results/results.json build/release/lib/libarmdb.so

test: ## build with all assertions and run all tests
	@$(DEPS) build test
	cmake --preset dev
	cmake --build --preset dev -j $(JOBS)
	$(CTEST) --preset dev

install: all ## install under PREFIX (default /usr/local), below DESTDIR if that is set
	cmake --install build/release

lint: ## check style, layers, headers, docs, formatting; run clang-tidy
	@$(DEPS) build test lint
	python3 lint/run.py
	python3 lint/format.py
	cmake --preset clang
	python3 lint/tidy.py build/clang

format: ## rewrite the C files in the project's format
	@$(DEPS) lint
	python3 lint/format.py --fix

asan tsan release-test: ## build and test with the sanitizers; or as released
	@$(DEPS) build test
	cmake --preset $@
	cmake --build --preset $@ -j $(JOBS)
	$(CTEST) --preset $@

clang: ## build and test with clang
	@$(DEPS) build test clang
	cmake --preset $@
	cmake --build --preset $@ -j $(JOBS)
	$(CTEST) --preset $@

coverage: ## test, and list how much of each file ran (HTML in build/coverage/html)
	@$(DEPS) build test coverage
	cmake --preset coverage
	cmake --build --preset coverage -j $(JOBS)
	bash scripts/coverage.sh build/coverage $(JOBS)

fuzz: ## fuzz each decoder for FUZZ_SECONDS (default 60)
	@$(DEPS) build test clang
	cmake --preset fuzz
	cmake --build --preset fuzz -j $(JOBS)
	bash scripts/fuzz.sh build/fuzz $(FUZZ_SECONDS)

soak: ## live through every fault in the simulator for SECONDS (default 60), from SEED if given
	@$(DEPS) build test
	cmake --preset dev
	cmake --build --preset dev -j $(JOBS) --target sim_soak
	cd build/dev && ARMDB_SEED=$(SEED) tests/sim_soak seconds $(SECONDS)

power-loss: ## cut the power under ext4, xfs and btrfs while POWER_DATABASES (default 10) each are written (root)
	@$(DEPS) build test filesystems
	cmake --preset dev
	cmake --build --preset dev -j $(JOBS) --target run_power_loss crash_sigkill
	bash scripts/power_loss.sh build/dev/tests $(POWER_DATABASES)

mutants: ## plant known bugs, and let the soak find each (writes tests/sim/mutants.md)
	@$(DEPS) build test
	cmake --preset mutants
	cmake --build --preset mutants -j $(JOBS) --target sim_mutants
	ARMDB_SEED=$(or $(SEED),1) build/mutants/tests/sim_mutants tests/sim/cases \
	    > build/mutants/mutants.md 2> build/mutants/mutants.log
	cp build/mutants/mutants.md tests/sim/mutants.md

clean: ## remove everything that was built
	rm -rf build
