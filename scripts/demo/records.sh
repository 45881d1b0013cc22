#!/usr/bin/env bash
#
# Prints real records of this machine in the load format tsv of armdb, each key once: of the first
# of these that there is
#
#     packages  the Debian package index (apt-cache dumpavail): name, and its whole stanza
#     words     the system's word lists: word, and where it stands
#     files     the files below /usr: path, and its size and time
#
#     scripts/demo/records.sh --which       says which one that is
#     scripts/demo/records.sh packages      prints it
set -euo pipefail
export LC_ALL=C

enough=1000

# Escapes as `armdb dump` writes them, so that the two can be compared line by line.
escape='
    BEGIN { for (i = 0; i < 256; i++) hex[sprintf("%c", i)] = sprintf("\\x%02x", i) }
    function escaped(text,    i, c, out) {
        if (text !~ /[^ -~]|\\/) return text
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1)
            out = out (c ~ /[ -~]/ && c != "\\" ? c : hex[c])
        }
        return out
    }'

packages() {
    apt-cache dumpavail 2>/dev/null | awk "$escape"'
        /^Package: / {
            name = substr($0, 10)
            if (is_open) print ""
            is_open = !(name in seen)
            seen[name] = 1
            if (is_open) printf "%s\t%s", escaped(name), escaped($0)
            next
        }
        is_open && $0 != "" { printf "\\x0a%s", escaped($0) }
        END { if (is_open) print "" }'
}

words() {
    cat /usr/share/dict/* 2>/dev/null | awk "$escape"'
        $0 != "" && !($0 in seen) {
            seen[$0] = 1
            printf "%s\tword %d, %d bytes long\n", escaped($0), NR, length($0)
        }'
}

files() {
    find /usr -type f -printf '%p\t%s bytes, %t\n' 2>/dev/null | awk -F '\t' "$escape"'
        NF == 2 && length($1) <= 1024 { printf "%s\t%s\n", escaped($1), escaped($2) }'
}

if [[ "${1:-}" == --which ]]; then
    for kind in packages words; do
        # Not `head` in a pipe: what fails behind it would end this script.
        if [[ "$($kind | awk -v n="$enough" 'END { print (NR >= n) }')" == 1 ]]; then
            echo "$kind"
            exit
        fi
    done
    echo files
else
    "$1"
fi
