#!/usr/bin/env python3
"""Overwrites all keys again and again, and draws space, bytes written and latencies over time.

    bench/curve.py PROGRAM RESULTS [--keys N] [--rounds N] [ENGINE...]

PROGRAM is build/release/bench/curve; RESULTS a directory, which gets curve.tsv, curve.md and
curve.svg. Without names: armdb, armdb-idle (without compaction: for comparison) and the peers.
Databases are made beside PROGRAM, and removed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from xml.sax.saxutils import escape

COLUMNS = ("seconds", "puts / keys", "space / live", "written / put", "put p99.9 us", "put max us",
           "get p99.9 us", "get max us")
PLOTS = ((2, "space / live", False), (3, "bytes written / bytes put", False),
         (4, "p99.9 of put, us", True), (6, "p99.9 of get, us", True))
ENGINES = ("armdb", "armdb-idle", "rocksdb", "leveldb", "lmdb")
COLOURS = ("#0b5fa5", "#7db8e8", "#e0a458", "#c97b63", "#8f9e6c", "#5f8575")
LEFT, WIDTH, HEIGHT, GAP, TOP = 60, 560, 120, 44, 60
STYLE = ("text{font-family:DejaVu Sans,Helvetica,Arial,sans-serif;font-size:11px;fill:#222}"
         ".title{font-size:16px;font-weight:bold}.grid{stroke:#ddd}.limit{stroke:#b00}"
         "polyline{fill:none;stroke-width:1.5}")
LIMITS = {2: 1.5, 3: 3.0}


def measure(program, engine, keys, rounds):
    """The lines of one run; None if the engine was not built."""
    directory = tempfile.mkdtemp(prefix="curve-", dir=os.path.dirname(os.path.abspath(program)))
    try:
        done = subprocess.run([program, engine, directory, str(keys), str(rounds)],
                              stdout=subprocess.PIPE, text=True, check=False)
    finally:
        shutil.rmtree(directory)
    if done.returncode == 2:
        return None
    if done.returncode != 0:
        sys.exit(f"curve: {engine} failed")
    return [[float(field) for field in line.split("\t")] for line in done.stdout.splitlines()]


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def table(runs):
    """Figures behind the first pass over all keys."""
    lines = ["| engine | puts and as many gets a second | most space / live | written / put |"
             " put p99.9, us: median of intervals (worst) | get p99.9 | longest put, ms |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    for engine, keys, rows in runs:
        later = [row for row in rows if row[1] > 1] or rows
        lines.append(
            f"| {engine} | {keys * rows[-1][1] / rows[-1][0]:,.0f} |"
            f" {max(row[2] for row in later):.2f} | {rows[-1][3]:.2f} |"
            f" {quantile([row[4] for row in later], 0.5):.1f}"
            f" ({max(row[4] for row in later):.1f}) |"
            f" {quantile([row[6] for row in later], 0.5):.1f}"
            f" ({max(row[6] for row in later):.1f}) |"
            f" {max(row[5] for row in later) / 1000:.1f} |")
    return lines


def plot(runs, number, top):
    """One of the plots: a line for each engine over puts / keys."""
    column, title, is_floor_zero = PLOTS[number]
    most_x = max(rows[-1][1] for _, _, rows in runs)
    values = [row[column] for _, _, rows in runs for row in rows]
    # Of a few intervals far above all others only the lower part is shown.
    most = min(max(values), 4 * quantile(values, 0.9))
    least = 0 if is_floor_zero else min(values + [1])
    parts = [f'<text x="{LEFT}" y="{top - 6}">{escape(title)}</text>']
    def y_of(value):
        return top + HEIGHT - (min(value, most) - least) / (most - least) * HEIGHT
    for step in range(5):
        value = least + (most - least) * step / 4
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y_of(value):.1f}"'
                     f' y2="{y_of(value):.1f}"/><text x="{LEFT - 6}" y="{y_of(value) + 4:.1f}"'
                     f' text-anchor="end">{value:.3g}</text>')
    limit = LIMITS.get(column)
    if limit is not None and limit < most:
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{LEFT + WIDTH}"'
                     f' y1="{y_of(limit):.1f}" y2="{y_of(limit):.1f}"/>')
    for index, (_, _, rows) in enumerate(runs):
        points = " ".join(f"{LEFT + row[1] / most_x * WIDTH:.1f},{y_of(row[column]):.1f}"
                          for row in rows)
        parts.append(f'<polyline points="{points}" stroke="{COLOURS[index % len(COLOURS)]}"/>')
    return parts


def draw(path, runs, title):
    height = TOP + (HEIGHT + GAP) * len(PLOTS)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}"'
             f' height="{height}" role="img"><title>{escape(title)}</title><style>{STYLE}</style>'
             f'<rect width="100%" height="100%" fill="#fff"/>'
             f'<text class="title" x="12" y="22">{escape(title)}</text>']
    for index, (engine, _, _) in enumerate(runs):
        parts.append(f'<text x="{LEFT + index * 110}" y="40" '
                     f'style="fill:{COLOURS[index % len(COLOURS)]}">{escape(engine)}</text>')
    for number in range(len(PLOTS)):
        parts += plot(runs, number, TOP + 10 + number * (HEIGHT + GAP))
    parts.append(f'<text x="{LEFT}" y="{height - 8}">puts / keys, to the right; red: the bound'
                 "</text></svg>\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("results")
    parser.add_argument("engines", nargs="*", default=list(ENGINES))
    parser.add_argument("--keys", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    runs = []
    for engine in given.engines or ENGINES:
        rows = measure(given.program, engine, given.keys, given.rounds)
        if rows is not None:
            runs.append((engine, given.keys, rows))
            print(f"curve: {engine}: {rows[-1][0]:.0f} s", flush=True)
    if not runs:
        sys.exit("curve: no engine was measured")
    os.makedirs(given.results, exist_ok=True)
    with open(os.path.join(given.results, "curve.tsv"), "w", encoding="utf-8") as file:
        file.write("engine\t" + "\t".join(COLUMNS) + "\n")
        for engine, _, rows in runs:
            for row in rows:
                file.write(engine + "".join(f"\t{field:g}" for field in row) + "\n")
    with open(os.path.join(given.results, "curve.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(table(runs)) + "\n")
    draw(os.path.join(given.results, "curve.svg"), runs,
         f"{given.keys:,} keys, each overwritten {given.rounds} times on average")


if __name__ == "__main__":
    main()
