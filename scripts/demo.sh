#!/usr/bin/env bash
#
# The demonstration: armdb on real data of this machine, and through a kill. `make demo` runs it.
#
#     scripts/demo.sh BUILD_DIR
#
# The command is BUILD_DIR/bin/armdb, or $ARMDB. Works in a directory of its own below $TMPDIR, and
# removes it. Fails if anything is not as it must be.
set -euo pipefail
export LC_ALL=C

here="$(cd "$(dirname "$0")" && pwd)"
armdb="$(realpath "${ARMDB:-${1:?usage: scripts/demo.sh BUILD_DIR}/bin/armdb}")"
work="$(mktemp -d "${TMPDIR:-/tmp}/armdb-demo-XXXXXX")"
loader=""
cleanup() {
    if [[ -n "$loader" ]]; then kill -9 "$loader" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap cleanup EXIT
cd "$work"
SECONDS=0

title() { printf '\n== %s\n\n' "$*"; }
say() { printf '   %s\n' "$*"; }
fail() {
    echo "demo: FAILED: $*" >&2
    exit 1
}

# Shows a command and what it prints (the first lines of it, cut to the width of a page).
show() {
    printf '   $ armdb %s\n' "$*"
    "$armdb" "$@" >shown
    head -n 6 shown | cut -c 1-100 | sed 's/^/     /'
    if [[ $(wc -l <shown) -gt 6 ]]; then say "  ... ($(wc -l <shown) lines)"; fi
}
# A figure of the database: the first member of that name in stat.json.
take_figures() { "$armdb" stat "$1" --json >stat.json; }
figure() {
    awk -v name="\"$1\":" '{ print substr($0, index($0, name) + length(name)) + 0 }' stat.json
}
per() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.1f", a / b }'; }

# ---------------------------------------------------------------------------------------- data

kind="$("$here/demo/records.sh" --which)"
case "$kind" in
packages) what="Debian package index: package name -> its whole stanza (apt-cache dumpavail)" \
    prefix=python3- from=g to=h ;;
words) what="word list of the system: word -> its place (/usr/share/dict)" \
    prefix=over from=g to=h ;;
files) what="files of the system: path -> size and time (/usr)" \
    prefix=/usr/share/doc/ from=/usr/lib to=/usr/share ;;
esac

title "The data: this machine's $what"
"$here/demo/records.sh" "$kind" >records.tsv
total=$(wc -l <records.tsv)
sort records.tsv >sorted.tsv
say "$total records, $(per "$(wc -c <records.tsv)" 1000000) MB as text; the longest has" \
    "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' records.tsv) bytes"
some="$(cut -f 1 records.tsv | sed -n "$((total / 2))p")"
if [[ "$kind" == packages ]] && grep -q $'^bash\t' records.tsv; then some=bash; fi

# ------------------------------------------------------------------------------------ main job

title "Load it into a new database, then sync: from here on it survives a power cut"
show load db records.tsv

title "Read it back"
show get db "$some" --raw
show scan db --prefix "$prefix" --keys
show scan db --from "$from" --to "$to" --reverse --limit 5 --keys
show time db

title "Compare every record with its source"
"$armdb" dump db | sort >dumped.tsv
cmp dumped.tsv sorted.tsv || fail "the dump of the database is not what was loaded"
say "$total of $total records are byte for byte what they were"

title "What it takes"
take_figures db
keys=$(figure keys)
say "memory   $(per "$(figure index_bytes)" "$keys") bytes a key:" \
    "$(per "$(figure index_bytes)" 1000000) MB for $keys keys of" \
    "$(cut -f 1 records.tsv | awk '{ n += length($0) } END { printf "%.1f", n / NR }') bytes each"
say "disk     $(figure log_bytes) bytes of log in $(figure files) files"

title "What a put costs at each durability level"
say "A put returns when its bytes are in the memory of the process (buffered), with the operating"
say "system (written), or on the disk (synced)."
echo
head -n 1000 records.tsv >thousand.tsv
show load level1 records.tsv --durability buffered
show load level2 records.tsv --durability written
show load level3 thousand.tsv --durability synced

# ---------------------------------------------------------------------------------------- kill

title "Load it again into another database, and kill the load in the middle (SIGKILL)"
say "Each put returns when its bytes are with the operating system (--durability written). The load"
say "prints how many it has done; at half of them it is killed, without any warning."
echo
mkfifo acknowledgements
"$armdb" load killed records.tsv --durability written --acknowledge 100 >acknowledgements &
loader=$!
acknowledged=0
while read -r word count _; do
    if [[ "$word" == acknowledged ]]; then acknowledged=$count; fi
    if [[ -n "$loader" && $acknowledged -ge $((total / 2)) ]]; then
        kill -9 "$loader"
        wait "$loader" 2>/dev/null || status=$?
        loader=""
    fi
done <acknowledgements
[[ "${status:-0}" == 137 ]] || fail "the load was over before it was killed"
say "killed after it had acknowledged $acknowledged of $total records"
echo
show verify killed
take_figures killed
say "Opened again: it read $(figure recovered_records) records from its logs in" \
    "$(per "$(figure recovery_ns)" 1000000) ms, and cut off $(figure recovered_cut_bytes) bytes" \
    "of an incomplete one"

title "Compare what is there with what was acknowledged"
"$armdb" dump killed | sort >found.tsv
found=$(wc -l <found.tsv)
head -n "$acknowledged" records.tsv | sort >promised.tsv
lost=$(comm -23 promised.tsv found.tsv | wc -l)
wrong=$(comm -23 found.tsv sorted.tsv | wc -l)
say "$found records are there: $lost of the $acknowledged acknowledged ones are lost," \
    "$wrong differ from their source"
[[ $lost == 0 && $wrong == 0 && $found -ge $acknowledged ]] || fail "the kill did harm"

title "Load the whole again on top of it"
show load killed records.tsv
"$armdb" dump killed | sort >dumped.tsv
cmp dumped.tsv sorted.tsv || fail "the database is not what was loaded"
show verify killed

title "All as it must be. It took ${SECONDS} s; the directory $work is removed"
