#!/usr/bin/env python3
"""Reads data that is larger than memory: armdb and its peers, each with the same memory.

    bench/cold.py PROGRAM RESULTS [ENGINE...] [--keys N] [--memory-mib N] [--seconds S]
                  [--repeats N]

PROGRAM is build/release/bench/cold; RESULTS a directory, which gets cold.tsv and cold.md. Each
engine's database is made beside PROGRAM, its pages are dropped, and it is read by a process in a
memory control group of --memory-mib: that counts its own memory, and the pages of its files that
the system keeps. An engine that has a cache of blocks gets half of that for it. To make the group
takes root.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

COLUMNS = ("op/s", "p50 us", "p99 us", "p99.9 us", "max us", "read B/op")
ENGINES = ("armdb", "armdb-direct", "lmdb", "leveldb", "rocksdb")
GROUPS = "/sys/fs/cgroup"


def own_group():
    """The directory of this process's memory group, and the file of its limit."""
    with open("/proc/self/cgroup", encoding="ascii") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controllers == "" and os.path.exists(GROUPS + path + "/memory.max"):
                return GROUPS + path, "memory.max"
            if "memory" in controllers.split(","):
                return GROUPS + "/memory" + path, "memory.limit_in_bytes"
    raise OSError("no memory control groups here")


class Group:
    """A memory group below our own, for the processes of one engine."""

    def __init__(self, limit_bytes):
        parent, limit = own_group()
        self.path = os.path.join(parent, f"armdb-cold-{os.getpid()}")
        os.mkdir(self.path)
        try:
            with open(os.path.join(self.path, limit), "w", encoding="ascii") as file:
                file.write(str(limit_bytes))
        except OSError:
            os.rmdir(self.path)
            raise

    def enter(self):
        with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.rmdir(self.path)


def drop_pages(directory):
    os.sync()
    for folder, _, names in os.walk(directory):
        for name in names:
            descriptor = os.open(os.path.join(folder, name), os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def measure(given, engine):
    """The lines of one run: (workload, threads) -> figures; None if the engine was not built."""
    beside = os.path.dirname(os.path.abspath(given.program))
    directory = tempfile.mkdtemp(prefix="cold-", dir=beside)
    common = [engine, directory, str(given.keys), str(given.memory_mib // 2)]
    try:
        done = subprocess.run([given.program, "load", *common], check=False)
        if done.returncode == 2:
            return None
        drop_pages(directory)
        with Group(given.memory_mib << 20) as group:
            done = subprocess.run([given.program, "run", *common, str(given.seconds)],
                                  stdout=subprocess.PIPE, text=True, check=False,
                                  preexec_fn=group.enter)
    finally:
        shutil.rmtree(directory)
    if done.returncode != 0:
        sys.exit(f"cold: {engine} failed: {done.returncode}")
    rows = {}
    for line in done.stdout.splitlines():
        fields = line.split("\t")
        rows[fields[0], int(fields[1])] = [float(field) for field in fields[2:]]
    return rows


def median(runs):
    """Of each figure of several runs of an engine."""
    return {row: [sorted(values)[len(values) // 2] for values in zip(*(run[row] for run in runs))]
            for row in runs[0]}


def table(engines):
    names = list(engines)
    lines = ["| workload, threads | " + " | ".join(names) + " |",
             "|---|" + "---:|" * len(names)]
    for row in engines[names[0]]:
        best = max(figures[row][0] for figures in engines.values())
        cells = []
        for figures in engines.values():
            rate, _, p99, p999, _, read = figures[row]
            text = f"**{rate:,.0f}**" if rate == best else f"{rate:,.0f}"
            cells.append(f"{text}; {p99:,.0f} / {p999:,.0f}; {read:,.0f}")
        lines.append(f"| {row[0]}, {row[1]} | " + " | ".join(cells) + " |")
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("results")
    parser.add_argument("engines", nargs="*", default=list(ENGINES))
    parser.add_argument("--keys", type=int, default=1000000)
    parser.add_argument("--memory-mib", type=int, default=160)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    runs = {}
    for _ in range(given.repeats):
        for engine in given.engines or ENGINES:
            rows = measure(given, engine)
            if rows is not None:
                runs.setdefault(engine, []).append(rows)
                print(f"cold: {engine}", flush=True)
    if not runs:
        sys.exit("cold: no engine was measured")
    os.makedirs(given.results, exist_ok=True)
    engines = {engine: median(of_engine) for engine, of_engine in runs.items()}
    with open(os.path.join(given.results, "cold.tsv"), "w", encoding="utf-8") as file:
        file.write("engine\tworkload\tthreads\t" + "\t".join(COLUMNS) + "\n")
        for engine, rows in engines.items():
            for (workload, threads), figures in rows.items():
                file.write(f"{engine}\t{workload}\t{threads}"
                           + "".join(f"\t{field:g}" for field in figures) + "\n")
    with open(os.path.join(given.results, "cold.md"), "w", encoding="utf-8") as file:
        file.write(f"{given.keys:,} keys, values of 400 bytes, {given.memory_mib} MiB of memory "
                   "for everything. Operations a second; p99 / p99.9 in us; bytes read from the "
                   "device for each.\n\n" + "\n".join(table(engines)) + "\n")


if __name__ == "__main__":
    main()
