#!/usr/bin/env bash
#
# Instructions of one operation, which do not depend on what else the machine does:
#     bench/micro/callgrind.sh [BUILD_DIRECTORY [KEYS]]
# Each loop of the micro programs is counted alone, and the count divided by its operations. Waiting
# for memory does not show here.
set -euo pipefail

build=${1:-build/release}
keys=${2:-20000}

# Instructions in one function and what it calls, of a run of a program.
collect() {
    local function=$1
    shift
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$function*" \
        "$@" 2>&1 | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

report() {
    printf '%-28s %8d instructions\n' "$1" $(($2 / $3))
}

# How many operations the lines of the program's output with these names speak of.
operations() {
    local sum=0 name n
    for name in "$@"; do
        n=$(sed -n "s/^operations, $name: \([0-9]*\)$/\1/p" <<<"$counts")
        sum=$((sum + n))
    done
    echo "$sum"
}

for subject in tree skiplist map; do
    counts=$("$build/bench/micro_index" "$keys" "$subject")
    index() {
        local function=$1
        shift
        report "$subject, ${function#loop_}" \
            "$(collect "$function" "$build/bench/micro_index" "$keys" "$subject")" \
            "$(operations "$@")"
    }
    index loop_put insert "insert, 2 threads"
    index loop_get "get, there" "get, missing" "get, 2 threads"
    index loop_batch "get, 32 at once"
    index loop_walk "walk, each key"
done

# Three rounds with one thread and three with two; the misses fill the cache and fill it again.
mib=16
cache() { collect "$1" "$build/bench/micro_cache" "$mib" "$keys"; }
report "cache, hit" "$(cache loop_hit)" $((9 * keys))
report "cache, hit, 32 at once" "$(cache loop_batch)" $((9 * ((keys + 31) / 32 * 32)))
report "cache, miss and insertion" "$(cache loop_miss)" $((2 * mib * 256))

appends=$((keys / 10))
report append "$(collect loop_append "$build/bench/micro_parts" "$appends")" \
    $((appends + appends / 10))
# Three rounds of 20, 10 and 1 checksums an append.
report "checksum, all lengths" "$(collect loop_checksum "$build/bench/micro_parts" "$appends")" \
    $((3 * 31 * appends))
