#!/usr/bin/env bash
#
# Fuzzes with each program of a fuzz build in turn; stops at the first that finds something.
#
#     scripts/fuzz.sh BUILD_DIR SECONDS
#
# New inputs are collected in BUILD_DIR/tests/corpus/, failing ones in the working directory of the
# program (BUILD_DIR). Copy those worth keeping to tests/fuzz/corpus/.
set -euo pipefail

build="$(realpath "$1")"
seconds="$2"
corpus="$(realpath "$(dirname "$0")/../tests/fuzz/corpus")"

cd "$build"
for program in tests/fuzz_*; do
    [[ -x "$program" && -f "$program" ]] || continue
    name="${program#tests/fuzz_}"
    echo "== $name"
    mkdir -p "tests/corpus/$name"
    "$program" -max_total_time="$seconds" -print_final_stats=1 "tests/corpus/$name" \
        "$corpus/$name"
done
