#!/usr/bin/env bash
#
# What `make bench` runs: scripts/bench.sh BUILD_DIRECTORY [KEYS]
#
# Puts and gets of one thread, 1 million keys of 16 bytes with values of 100, unless told otherwise.
# The databases are made below TMPDIR (or /var/tmp: /tmp may be memory) and removed afterwards.
set -euo pipefail

build=${1:?the build directory}
keys=${2:-1000000}
directory=$(mktemp -d "${TMPDIR:-/var/tmp}/armdb-bench-XXXXXX")
trap 'rm -rf "$directory"' EXIT
"$build/bench/rates" "$directory" "$keys"
