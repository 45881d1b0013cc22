#!/usr/bin/env bash
#
# Installs a build into a new directory and uses it from there: by pkg-config and by CMake, with the
# shared and with the static library.
#
#     test_install.sh BUILD_DIR COMPILER
set -euo pipefail

build="$1"
compiler="$2"
consumer="$(cd "$(dirname "$0")" && pwd)/install"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# DESTDIR of a package build must not be looked for later; only the prefix counts.
unset DESTDIR
cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
libdir="$(dirname "$(find "$work/prefix" -name libarmdb.so)")"

echo "installed:"
(cd "$work/prefix" && find . ! -type d | sort)
for file in include/armdb/armdb.h include/armdb/version.h bin/armdb; do
    test -f "$work/prefix/$file"
done
test "$(readlink "$libdir/libarmdb.so")" = libarmdb.so.0
if grep -rqF "$build" "$work/prefix/include" "$libdir/pkgconfig" "$libdir/cmake"; then
    echo "an installed file names the build directory" >&2
    exit 1
fi

run() {
    echo "== $1"
    LD_LIBRARY_PATH="$libdir" "$2" "$work/data-$1"
}

# --define-prefix: the file was moved along with its tree.
export PKG_CONFIG_PATH="$libdir/pkgconfig"
pc() { pkg-config --define-variable=prefix="$work/prefix" "$@" armdb; }
# shellcheck disable=SC2046 # the flags are words
"$compiler" "$consumer/consumer.c" -o "$work/pc-shared" $(pc --cflags --libs)
run pc-shared "$work/pc-shared"
# Only armdb itself static: its dependency may well be there as a shared library alone.
# shellcheck disable=SC2046
"$compiler" "$consumer/consumer.c" -o "$work/pc-static" $(pc --cflags) "$libdir/libarmdb.a" \
    $(pc --static --libs | sed 's/-larmdb\b//')
run pc-static "$work/pc-static"

cmake -S "$consumer" -B "$work/cmake" -DCMAKE_C_COMPILER="$compiler" \
    -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/cmake.log"
cmake --build "$work/cmake" >>"$work/cmake.log"
run cmake-shared "$work/cmake/with_shared"
run cmake-static "$work/cmake/with_static"
