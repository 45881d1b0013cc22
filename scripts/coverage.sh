#!/usr/bin/env bash
#
# Runs the tests of a coverage build and writes what they reached.
#
#     scripts/coverage.sh BUILD_DIR [JOBS]
set -euo pipefail

build="$(realpath "$1")"
jobs="${2:-1}"
source="$(realpath "$(dirname "$0")/..")"
report="$build/coverage.info"

# With what never ran as well: the counters of all files, at zero.
lcov -q --zerocounters --directory "$build"
lcov -q --capture --initial --directory "$build" --base-directory "$source" --no-external \
    --rc lcov_branch_coverage=1 --output-file "$report.initial"
ctest --test-dir "$build" -j "$jobs" --output-on-failure --no-label-summary -LE 'lint|stress'
lcov -q --capture --directory "$build" --base-directory "$source" --no-external \
    --rc lcov_branch_coverage=1 --output-file "$report.ran"
lcov -q --add-tracefile "$report.initial" --add-tracefile "$report.ran" \
    --rc lcov_branch_coverage=1 --output-file "$report.all"
lcov -q --extract "$report.all" "$source/src/*" --rc lcov_branch_coverage=1 --output-file "$report"
genhtml -q --branch-coverage --prefix "$source" --output-directory "$build/html" "$report"
lcov --list "$report" --rc lcov_branch_coverage=1
echo "coverage: $build/html/index.html"
