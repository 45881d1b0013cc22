#!/usr/bin/env bash
#
# Installs the Debian packages that are missing, and nothing else.
#
#     scripts/deps.sh [--check] SET...
#
# The sets: build (what `make` needs), test (`make test`, beside build), lint, clang, coverage,
# filesystems (`make power-loss`), bench (the engines that `make bench` compares with).
# --check only says what is missing, and fails if something is.
#
# With ARMDB_NO_DEPS=1 in the environment it does nothing: for machines where the libraries came in
# another way.
#
# As root, or through sudo. Asks nothing; uses the machine's own apt configuration. Where there is
# no dpkg (another distribution) it does nothing: CMake then says what it misses.
set -euo pipefail

packages_of() {
    case "$1" in
    build) echo gcc libc6-dev make cmake ninja-build pkg-config liburcu-dev libxxhash-dev ;;
    # g++ compiles the public headers as C++; the others are the test library and lint.
    test) echo g++ libcmocka-dev python3 ;;
    lint) echo clang-14 clang-format-14 clang-tidy-14 groff-base ;;
    # The runtime of clang's sanitizers and of libFuzzer is a package of its own.
    clang) echo clang-14 libclang-rt-14-dev ;;
    coverage) echo lcov ;;
    filesystems) echo e2fsprogs xfsprogs btrfs-progs mount ;;
    bench) echo fio python3 liblmdb-dev libleveldb-dev librocksdb-dev libtkrzw-dev ;;
    *)
        echo "deps: no such set: $1 (build test lint clang coverage filesystems bench)" >&2
        exit 2
        ;;
    esac
}

is_installed() {
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

as_root() {
    if [[ "$(id -u)" == 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        if [[ -t 0 ]]; then sudo "$@"; else sudo -n "$@"; fi
    else
        echo "deps: not root, and there is no sudo: ask for apt-get install ${missing[*]}" >&2
        echo "deps: or, if they are there in another way, set ARMDB_NO_DEPS=1" >&2
        exit 1
    fi
}

check_only=false
if [[ "${1:-}" == --check ]]; then
    check_only=true
    shift
fi
if [[ $# == 0 ]]; then
    echo "usage: scripts/deps.sh [--check] SET..." >&2
    exit 2
fi

if [[ -n "${ARMDB_NO_DEPS:-}" ]]; then
    exit 0
fi
if ! command -v dpkg-query >/dev/null; then
    echo "deps: not a Debian system; CMake will say what is missing" >&2
    exit 0
fi

missing=()
for set in "$@"; do
    packages="$(packages_of "$set")"
    for package in $packages; do
        if ! is_installed "$package" && [[ " ${missing[*]} " != *" $package "* ]]; then
            missing+=("$package")
        fi
    done
done

if [[ ${#missing[@]} == 0 ]]; then
    exit 0
fi
echo "deps: missing: ${missing[*]}"
if $check_only; then
    exit 1
fi

as_root apt-get -q -o Acquire::Retries=3 update
as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -o Acquire::Retries=3 install --no-install-recommends "${missing[@]}"
