#!/usr/bin/env python3
"""How fast and how small armdb is to be, and whether a run of the benchmark shows it.

    targets.py RESULTS.json [LIBRARY]

Prints a Markdown table: each target, the figure of this run, met or MISSED. LIBRARY is the shared
library, whose size without symbols is one of the targets. What the run did not measure says so, and
why. Ends with status 0 whatever was missed: a run on a busy machine is no verdict.

This file is where the targets are written down. All are for 16 byte keys, 100 byte values and
medians of one run, peers included, on the same machine and with the same durability.
"""

import os
import subprocess
import sys
import tempfile

from figures import Results, short

MANY_KEYS = 10_000_000


class Checks:
    """Collects lines of the table."""

    def __init__(self, results):
        self.results = results
        self.lines = []

    def add(self, what, is_met, figure, is_judged=True):
        """Notes a target and the text of the figure."""
        verdict = "met" if is_met else "**MISSED**"
        self.lines.append((what, figure, verdict if is_judged else "not judged"))

    def unknown(self, what, why):
        self.lines.append((what, why, "not measured"))

    def value(self, engine, workload, threads=1, unit="ops/s"):
        """The median of an engine, or None."""
        cell = self.results.rows.get((workload, threads, 100, unit), {}).get(engine)
        return cell.value if cell else None

    def median_us(self, engine, workload):
        """The median time of one call by one thread, or None."""
        cell = self.results.rows.get((workload, 1, 100, "ops/s"), {}).get(engine)
        return cell.latencies[0] if cell else None

    def best_peer(self, workload, threads):
        """The median of the best peer, whatever its kind, or None."""
        cells = self.results.rows.get((workload, threads, 100, "ops/s"), {})
        return max((cell.value for name, cell in cells.items()
                    if not self.results.traits[name] & {"ours", "floor", "ancestor"}), default=None)

    def times(self, what, target, ours, theirs, their_name):
        """Ours is to be at least `target` times theirs."""
        what = f"{what}: at least {target:g} × {their_name}"
        if not ours or not theirs:
            self.unknown(what, "not part of this run")
            return
        self.add(what, ours >= target * theirs,
                 f"{ours / theirs:.2f} × ({short(ours)} against {short(theirs)})")

    def times_best(self, engine, workload, threads, target):
        """Our engine against the best of its rivals."""
        key = (workload, threads, 100, "ops/s")
        ratio = self.results.ratio(engine, key) if key in self.results.rows else None
        kind = "ordered peer" if "ordered" in self.results.traits[engine] else "peer of any kind"
        what = f"{engine}, {workload}, {threads} T: at least {target:g} × the best {kind}"
        if ratio is None:
            self.unknown(what, "not part of this run")
        else:
            self.add(what, ratio[0] >= target, f"{ratio[0]:.2f} × {ratio[1]}")

    def times_peer(self, workload, threads, target, peer):
        self.times(f"armdb, {workload}, {threads} T", target,
                   self.value("armdb", workload, threads), self.value(peer, workload, threads),
                   peer)

    def at_most(self, what, figure, limit, unit, is_judged=True):
        what = f"{what}: at most {limit:g} {unit}"
        if figure is None:
            self.unknown(what, "not part of this run")
        else:
            self.add(what, figure <= limit, f"{figure:.4g} {unit}", is_judged)


def check_gets(checks):
    for threads in (1, 2):
        checks.times_best("armdb", "get-uniform", threads, 1.5)
        checks.times_peer("get-uniform", threads, 5, "leveldb")
        checks.times_peer("get-uniform", threads, 11, "rocksdb")
        checks.times_best("armdb-map", "get-uniform", threads, 1.5)
    lmdb = checks.value("lmdb", "get-uniform")
    for engine, target in (("armdb", 2.5), ("armdb-map", 7)):
        checks.times(f"{engine}, multi-get of 32", target, checks.value(engine, "multi-get"), lmdb,
                     "lmdb's single get")
    for engine, target in (("armdb-const", 1.3), ("armdb-object", 1)):
        checks.times(f"{engine}, get-uniform, 1 T", target, checks.value(engine, "get-uniform"),
                     checks.value("armdb", "get-uniform"), "armdb")


def check_puts(checks):
    for workload in ("fill-random", "overwrite-uniform"):
        for threads in (1, 2):
            checks.times_best("armdb", workload, threads, 2)
            checks.times_peer(workload, threads, 4, "leveldb")
            checks.times_peer(workload, threads, 7, "rocksdb")
            checks.times_best("armdb-map", workload, threads, 1.2)
    for threads, floor in ((1, "raw-loop"), (16, "raw-group"), (64, "raw-group")):
        ours = checks.value("armdb", "durable-put", threads)
        checks.times(f"armdb, durable-put, {threads} T", 0.95, ours,
                     checks.value(floor, "durable-put", threads),
                     f"the device's own ({floor})")
        checks.times(f"armdb, durable-put, {threads} T", 1, ours,
                     checks.best_peer("durable-put", threads), "the best peer of any kind")
    tickets = checks.value("armdb", "durable-tickets")
    what = "armdb, one thread with 256 durable puts under way: at least 300 k/s"
    if tickets:
        checks.add(what, tickets >= 300e3, f"{short(tickets)}/s")
    else:
        checks.unknown(what, "not part of this run")


def check_batches(checks):
    """A batch of 100 costs little more than 100 puts; where it spares syncs, it is faster.

    Costs are compared by medians: the rates of both have in them what writers wait for compaction
    to catch up with the rows before."""
    for engine in ("armdb", "armdb-map"):
        for batch, put in (("buffered-batch", "buffered-put"), ("batch", "overwrite-uniform")):
            cost, single = checks.median_us(engine, batch), checks.median_us(engine, put)
            checks.at_most(f"{engine}, {batch} of 100 by 100 times its {put}, medians",
                           cost / (100 * single) if cost and single else None, 1.3, "x")
        checks.times(f"{engine}, durable-batch, in keys", 3, checks.value(engine, "durable-batch"),
                     checks.value(engine, "durable-put"), "its durable-put, 1 T")


def check_scans(checks):
    for workload, target in (("scan", 1), ("scan-keys", 2)):
        checks.times_peer(workload, 1, target, "lmdb")


def check_sizes(checks):
    is_judged = checks.results.run["keys"] >= MANY_KEYS
    keys = f"{short(MANY_KEYS)} keys"
    for engine, limit in (("armdb", 40), ("armdb-map", 36)):
        checks.at_most(f"{engine}, memory for each of {keys}",
                       checks.value(engine, "memory-reported", unit="B/key"), limit, "B", is_judged)
    for workload, limit in (("open-after-close", 600), ("open-after-kill", 2000)):
        checks.at_most(f"armdb, {workload}, {keys}", checks.value("armdb", workload, unit="ms"),
                       limit, "ms", is_judged)
    checks.at_most("armdb, bytes written by the load for each byte of key and value",
                   checks.value("armdb", "written-by-load", unit="x"), 1.2, "x")
    checks.unknown("armdb, the same while all is overwritten 10 times in 1.5 times the live size: "
                   "at most 3 x", "by make bench-curve")


def check_latencies(checks):
    longest = [cells["armdb"].latencies[3] / 1e3 for key, cells in checks.results.rows.items()
               if "armdb" in cells and key[2] == 100
               and key[0].startswith(("fill", "overwrite"))]
    checks.at_most("armdb, longest put (median of the repeats)", max(longest, default=None), 10,
                   "ms")
    checks.unknown("armdb, p99.9 of gets and puts while compaction runs: at most 2 × that without",
                   "by make bench-curve")
    checks.unknown("armdb, gets from a device, data 4 × the cache: at least 0.9 × (one by one), "
                   "0.8 × (32 at once) what fio reads", "by make bench-device")


def check_crate(checks):
    """Every row is to be twice as good as both versions of the Rust crate."""
    for ours in ("armdb", "armdb-const", "armdb-object"):
        check_crate_of_kind(checks, ours)


def check_crate_of_kind(checks, ours):
    what = f"{ours} against the better of both Rust crates armdb, each row: at least 2 ×"
    ratios = [(ratio, key) for key in checks.results.rows if key[3] == "ops/s"
              and ours in checks.results.traits
              for ratio in [checks.results.trait_ratio(ours, key, "ancestor")] if ratio]
    if not ratios:
        checks.unknown(what, "not part of this run (make bench-crates or bench-full, with cargo)")
        return
    missed = [f"{key[0]} {key[1]} T {key[2]} B {ratio:.2f}" for ratio, key in sorted(ratios)
              if ratio < 2]
    text = f"{len(ratios) - len(missed)} of {len(ratios)} rows"
    checks.add(what, not missed, text + ("; missed: " + ", ".join(missed) if missed else ""))


def check_library(checks, path):
    what = "the shared library without symbols: at most 300 KiB"
    if path is None:
        checks.unknown(what, "no library was named")
        return
    with tempfile.TemporaryDirectory() as directory:
        stripped = os.path.join(directory, "stripped")
        subprocess.run(["strip", "-o", stripped, path], check=True)
        kib = os.path.getsize(stripped) / 1024
    checks.add(what, kib <= 300, f"{kib:.0f} KiB")


def targets(results, library):
    """The table, as Markdown."""
    checks = Checks(results)
    check_gets(checks)
    check_puts(checks)
    check_batches(checks)
    check_scans(checks)
    check_sizes(checks)
    check_latencies(checks)
    check_crate(checks)
    check_library(checks, library)
    rows = "\n".join(f"| {what} | {figure} | {verdict} |" for what, figure, verdict in checks.lines)
    return (f"# Targets\n\n{results.machine_text()}\n\n"
            f"| target | this run | |\n| --- | --- | --- |\n{rows}\n")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    print(targets(Results(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else None), end="")
