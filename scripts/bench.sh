#!/usr/bin/env bash
#
# What `make bench`, `make bench-full` and `make bench-crates` run:
# scripts/bench.sh BUILD_DIRECTORY PROFILE [OPTION...]
#
# Measures (bench/README.md), and writes results.json, results.md, targets.md and charts to
# bench/results/, or to the directory BENCH_RESULTS. PROFILE is quick or full; or crates: quick, of
# armdb and the Rust crate armdb alone, into bench/results/crates/. The options are those of the
# program bench, and come last, so that they win. The databases are made in a temporary
# directory beside the program, or below BENCH_DIRECTORY, and removed afterwards.
set -euo pipefail

build=${1:?the build directory}
profile=${2:?the profile: quick, full or crates}
shift 2

source=$(cd "$(dirname "$0")/.." && pwd)
results=${BENCH_RESULTS:-$source/bench/results}
if [[ "$profile" == crates ]]; then
    results=${BENCH_RESULTS:-$source/bench/results/crates}
    engines=$(printf %s, {armdb,crate-armdb-0.2,crate-armdb-0.15}{,-const,-object})
    options=(--engines "${engines}armdb-map")
else
    options=(--profile "$profile")
fi
options+=(--json "$results/results.json")
if [[ -n "${BENCH_DIRECTORY:-}" ]]; then
    options+=(--directory "$BENCH_DIRECTORY")
fi

commit=$(git -C "$source" describe --always --dirty 2>/dev/null || echo unknown)
options+=(--commit "$commit")

# The engines written in Rust are a shared library, if cargo is there and finds the crates.
add_crates() {
    local target="$build/bench/rust"
    if ! command -v cargo >/dev/null; then
        echo "bench: skipped, no cargo: the Rust crates"
    elif ! cargo build --release --locked --quiet --manifest-path "$source/bench/rust/Cargo.toml" \
        --target-dir "$target"; then
        echo "bench: skipped, they do not build here: the Rust crates"
    else
        options+=(--plugin "$target/release/libbench_rust.so")
    fi
}
if [[ "$profile" != quick && -e "$source/bench/rust/Cargo.toml" ]]; then
    add_crates
fi

mkdir -p "$results"
status=0
"$build/bench/bench" "${options[@]}" "$@" || status=$?
if [[ -e "$results/results.json" ]]; then
    python3 "$source/bench/report.py" "$results/results.json" "$results"
    python3 "$source/bench/targets.py" "$results/results.json" "$build/lib/libarmdb.so" \
        >"$results/targets.md"
    echo "bench: $results/results.md, $results/targets.md"
fi
exit $status
