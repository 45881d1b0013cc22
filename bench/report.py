#!/usr/bin/env python3
"""Makes tables (results.md) and charts (*.svg) of what bench/bench --json wrote.

    report.py RESULTS.json DIRECTORY

Needs nothing but Python 3. The median of the repeats counts everywhere.
"""

import json
import os
import statistics
import sys

from chart import write_chart

# Workloads that only read; there a kill has nothing to lose, so all engines are of one class.
READS = {"get-uniform", "get-zipf", "get-missing", "multi-get", "scan", "scan-keys", "scan-back",
         "prefix-scan", "ycsb-c"}
LATENCIES = ("p50_us", "p99_us", "p999_us", "max_us")


class Cell:
    """All repeats of one engine in one row."""

    def __init__(self, rows):
        values = sorted(row["value"] for row in rows)
        self.value = statistics.median(values)
        self.least, self.most = values[0], values[-1]
        self.latencies = [statistics.median(row[name] for row in rows) for name in LATENCIES]


class Results:
    """The file, with its rows grouped: {(workload, threads, value bytes, unit): {engine: Cell}}."""

    def __init__(self, data):
        self.data = data
        self.engines = {engine["name"]: set(engine["traits"]) for engine in data["engines"]}
        groups = {}
        for row in data["rows"]:
            key = (row["workload"], row["threads"], row["value_bytes"], row["unit"])
            groups.setdefault(key, {}).setdefault(row["engine"], []).append(row)
        self.rows = {key: {engine: Cell(rows) for engine, rows in engines.items()}
                     for key, engines in groups.items()}
        seen = {row["engine"] for row in data["rows"]}
        self.names = [name for name in self.engines if name in seen]
        self.ours = [name for name in self.names if "ours" in self.engines[name]]

    def is_rival(self, ours, peer, workload):
        """May the peer be compared with our engine in this workload?"""
        traits = self.engines[peer]
        if traits & {"ours", "floor", "ancestor"}:
            return False
        if "ordered" in self.engines[ours] and "ordered" not in traits:
            return False
        return workload in READS or workload.startswith("durable") or "in-process" not in traits

    def ratio(self, ours, key):
        """(our value / the best rival's, its name), or None; below 1: not first."""
        cells = self.rows[key]
        rivals = [(cells[name].value, name) for name in cells
                  if self.is_rival(ours, name, key[0]) and cells[name].value > 0]
        if ours not in cells or not rivals:
            return None
        if key[3] in ("ops/s", "%"):
            best = max(rivals)
            return cells[ours].value / best[0], best[1]
        best = min(rivals)
        return (best[0] / cells[ours].value, best[1]) if cells[ours].value > 0 else None


def short(number):
    """A number in three digits."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def row_name(key):
    workload, threads, value_bytes, _ = key
    name = f"{workload}, {threads} T"
    return name if value_bytes == 100 else f"{name}, {value_bytes} B"


def table(header, lines):
    rule = ["---"] + ["--:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule] + lines) + "\n"


def ratio_text(results, ours, key):
    ratio = results.ratio(ours, key)
    if ratio is None:
        return ""
    mark = " **not first**" if ratio[0] < 1 else ""
    return f"{ratio[0]:.2f} × {ratio[1]}{mark}"


def trait_text(results, ours, key, trait):
    """Our value against the best engine with a trait, whatever its class."""
    cells = results.rows[key]
    values = [cells[name].value for name in cells if trait in results.engines[name]]
    if ours not in cells or not values or min(cells[ours].value, min(values)) <= 0:
        return ""
    if key[3] in ("ops/s", "%"):
        return f"{cells[ours].value / max(values):.2f} ×"
    return f"{min(values) / cells[ours].value:.2f} ×"


def is_lost_by_kill(key):
    return key[3] == "ops/s" and key[0] not in READS and not key[0].startswith("durable")


def cell_text(results, key, name):
    """A value: bold if it is the best, in brackets if of another class than the others."""
    cells = results.rows[key]
    if name not in cells:
        return ""
    text = short(cells[name].value)
    traits = results.engines[name]
    if "in-process" in traits and is_lost_by_kill(key):
        return f"({text})"
    pick = max if key[3] in ("ops/s", "%") else min
    in_class = [cell.value for other, cell in cells.items()
                if not (results.engines[other] & {"floor", "ancestor"}
                        or "in-process" in results.engines[other] and is_lost_by_kill(key))]
    is_best = in_class and cells[name].value == pick(in_class)
    is_best = is_best and not traits & {"floor", "ancestor"}
    return f"**{text}**" if is_best and key[3] == "ops/s" else text


def value_table(results, is_wanted):
    keys = [key for key in results.rows if is_wanted(key)]
    names = [name for name in results.names if any(name in results.rows[key] for key in keys)]
    extra = [(trait, word) for trait, word in (("floor", "floor"), ("ancestor", "crate"))
             if any(trait in results.engines[name] for name in names)]
    ours = [name for name in results.ours if name in names]
    header = ["workload"] + names + [f"{name} : best peer" for name in ours]
    header += [f"{name} : best {word}" for _, word in extra for name in ours]
    lines = []
    for key in keys:
        unit = "" if key[3] == "ops/s" else f", {key[3]}"
        lines.append([row_name(key) + unit]
                     + [cell_text(results, key, name) for name in names]
                     + [ratio_text(results, name, key) for name in ours]
                     + [trait_text(results, name, key, trait)
                        for trait, _ in extra for name in ours])
    return table(header, lines)


def latency_table(results):
    lines = []
    for key, cells in results.rows.items():
        if key[3] == "ops/s":
            lines.append([row_name(key)] + [
                " / ".join(short(value) for value in cells[name].latencies)
                if name in cells else "" for name in results.names])
    return table(["workload"] + results.names, lines)


def spread_table(results):
    lines = []
    for key, cells in results.rows.items():
        if key[3] == "ops/s":
            lines.append([row_name(key)] + [
                f"{short(cells[name].least)} .. {short(cells[name].most)}"
                if name in cells else "" for name in results.names])
    return table(["workload"] + results.names, lines)


def not_first(results):
    lines = []
    for ours in results.ours:
        for key in results.rows:
            ratio = results.ratio(ours, key)
            if ratio is not None and ratio[0] < 1 and key[3] == "ops/s":
                lines.append(f"- {ours}: {row_name(key)}: {ratio[0]:.2f} × {ratio[1]}")
    return "\n".join(lines) + "\n" if lines else "Nowhere: first in all of them.\n"


def markdown(results):
    data = results.data
    machine, run = data["machine"], data["run"]
    parts = [
        "# Benchmark results\n",
        f"{machine['cpus']} × {machine['cpu']}, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"{machine['kernel']}, {machine['file_system']}. Commit {run['commit']}, {run['date']}. "
        f"Profile {run['profile']}: {run['keys']} keys of 16 bytes, values of 100 bytes unless "
        f"said, {run['seconds']:g} s each, medians of {run['repeats']} repeats, "
        f"{run['cache_bytes'] / 2**20:.0f} MiB of cache.\n",
        "Every value that was read was checked. T: threads. Bold: the best engine. In brackets: "
        "puts that a killed process loses, which the others do not; they are not compared with. "
        "The last columns compare our engines with the best peer of their kind (ordered ones with "
        "ordered ones); more than 1 is better. Differences below 1.3 are within what repeats "
        "differ by on a shared machine.\n",
        "## Operations a second\n", "![Operations a second](throughput.svg)\n",
        value_table(results, lambda key: key[3] == "ops/s" and not key[0].startswith("durable")),
        "## Durable puts a second\n", "![Durable puts a second](durable.svg)\n",
        value_table(results, lambda key: key[0].startswith("durable")),
        "## Not first\n", not_first(results),
        "## Space, memory, opening\n",
        "B/key: resident anonymous memory that the load added, and what the engine reports. "
        "x: bytes for each byte of key and value. Less is better, but for %.\n",
        value_table(results, lambda key: key[3] != "ops/s"),
        "## Latency, microseconds: p50 / p99 / p99.9 / longest\n", latency_table(results),
        "## Least and most of the repeats, operations a second\n", spread_table(results),
        "## Settings\n",
        "".join(f"- **{engine['name']}**: {engine['settings']}\n" for engine in data["engines"]
                if engine["name"] in results.names),
    ]
    if data["skipped"]:
        parts.append("Skipped, not installed: " + "; ".join(data["skipped"]) + "\n")
    if data["failures"]:
        parts.append("**Failed**: " + "; ".join(data["failures"]) + "\n")
    return "\n".join(parts)


def groups_of(results, wanted):
    """What a chart shows: [(name, [(engine, value, least, most)])]."""
    groups = []
    for key, cells in results.rows.items():
        if key[3] == "ops/s" and wanted(key):
            bars = [(name, cells[name].value, cells[name].least, cells[name].most)
                    for name in results.names if name in cells]
            groups.append((row_name(key), bars))
    return groups


def main(path, directory):
    with open(path, encoding="utf-8") as file:
        results = Results(json.load(file))
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "results.md"), "w", encoding="utf-8") as file:
        file.write(markdown(results))
    write_chart(os.path.join(directory, "throughput.svg"), "Operations a second", results.engines,
                groups_of(results, lambda key: not key[0].startswith("durable")
                          and key[2] == 100))
    write_chart(os.path.join(directory, "values.svg"), "Operations a second, other value sizes",
                results.engines, groups_of(results, lambda key: key[2] != 100))
    write_chart(os.path.join(directory, "durable.svg"), "Durable puts a second", results.engines,
                groups_of(results, lambda key: key[0].startswith("durable")))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
