#!/usr/bin/env python3
"""Makes tables (results.md) and charts (*.svg) of what bench/bench --json wrote.

    report.py RESULTS.json DIRECTORY

Needs nothing but Python 3.
"""

import os
import sys

from chart import write_chart
from figures import Results, is_lost_by_kill, is_more_better, row_name, short

# The rows that say most, for the README: (workload, threads, value bytes).
SUMMARY = ([("fill-random", 1, 100), ("overwrite-uniform", 1, 100), ("overwrite-uniform", 2, 100),
            ("get-uniform", 1, 100), ("get-uniform", 2, 100), ("get-zipf", 2, 100),
            ("get-missing", 1, 100), ("multi-get", 1, 100), ("scan", 1, 100),
            ("scan-keys", 1, 100), ("scan-back", 1, 100), ("prefix-scan", 1, 100),
            ("batch", 1, 100), ("rmw", 1, 100), ("rmw", 2, 100), ("cas", 1, 100), ("add", 1, 8),
            ("delete", 1, 100)]
           + [(f"ycsb-{letter}", 2, 100) for letter in "abcdef"]
           + [(workload, 1, size) for size in (8, 1024, 20480)
              for workload in ("get-uniform", "overwrite-uniform")]
           + [("buffered-put", 1, 100), ("buffered-batch", 1, 100)])
SUMMARY_CHART = [("fill-random", 1, 100), ("overwrite-uniform", 2, 100), ("get-uniform", 1, 100),
                 ("get-uniform", 2, 100), ("scan", 1, 100), ("ycsb-a", 2, 100),
                 ("ycsb-b", 2, 100), ("durable-put", 64, 100)]
SUMMARY_FIGURES = ("memory", "memory-reported", "written-by-load", "disk-after-load",
                   "open-after-close", "open-after-kill", "kept-after-kill")
LEGEND = ("T: threads. Bold: the best engine. In brackets: puts that a killed process loses, which "
          "the others do not; they are not compared with. The last columns compare an ordered "
          "collection with the best ordered peer, the hashed one (armdb-map) with the best of all "
          "peers; more than 1 is better. Less than 1.3 either way is within what repeats differ by "
          "on a shared machine.\n")
SPACE_LEGEND = ("B/key: resident anonymous memory that the load added, and what the engine "
                "reports. x: bytes for each byte of key and value. Less is better, but for %.\n")


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
    ratio = results.trait_ratio(ours, key, trait)
    return "" if ratio is None else f"{ratio:.2f} ×"


def is_best(results, key, name):
    cells = results.rows[key]
    in_class = [cell.value for other, cell in cells.items()
                if not results.traits[other] & {"floor", "ancestor"}
                and not is_lost_by_kill(results.traits[other], key[0])]
    pick = max if is_more_better(key) else min
    return bool(in_class) and cells[name].value == pick(in_class)


def cell_text(results, key, name):
    """A value: bold if it is the best, in brackets if of another class than the others."""
    cells = results.rows[key]
    if name not in cells:
        return ""
    text = short(cells[name].value)
    if key[3] != "ops/s" or results.traits[name] & {"floor", "ancestor"}:
        return text
    if is_lost_by_kill(results.traits[name], key[0]):
        return f"({text})"
    return f"**{text}**" if is_best(results, key, name) else text


def value_table(results, keys):
    names = [name for name in results.names if any(name in results.rows[key] for key in keys)]
    extra = [(trait, word) for trait, word in (("floor", "floor"), ("ancestor", "crate"))
             if any(trait in results.traits[name] for name in names)]
    ours = [name for name in results.ours if name in names]
    header = ["workload"] + names
    header += [f"{name} : best {'ordered ' if 'ordered' in results.traits[name] else ''}peer"
               for name in ours]
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


def rate_table(results, text_of):
    lines = [[row_name(key)] + [text_of(cells[name]) if name in cells else ""
                                for name in results.names]
             for key, cells in results.rows.items() if key[3] == "ops/s"]
    return table(["workload"] + results.names, lines)


def latency_text(cell):
    return " / ".join(short(value) for value in cell.latencies)


def spread_text(cell):
    return f"{short(cell.least)} .. {short(cell.most)}"


def not_first(results):
    lines = []
    for ours in results.ours:
        for key in results.rows:
            ratio = results.ratio(ours, key)
            if ratio is not None and ratio[0] < 1 and key[3] == "ops/s":
                lines.append(f"- {ours}: {row_name(key)}: {ratio[0]:.2f} × {ratio[1]}")
    return "\n".join(lines) + "\n" if lines else "Nowhere: first in all of them.\n"


def is_durable(key):
    return key[0].startswith("durable")


def rates(results, is_wanted):
    return [key for key in results.rows if key[3] == "ops/s" and is_wanted(key)]


def markdown(results):
    data = results.data
    parts = [
        "# Benchmark results\n", results.machine_text() + "\n",
        "Every value that was read was checked. " + LEGEND,
        "## Operations a second\n", "![Operations a second](throughput.svg)\n",
        value_table(results, rates(results, lambda key: not is_durable(key))),
        "## Durable puts a second\n", "![Durable puts a second](durable.svg)\n",
        value_table(results, rates(results, is_durable)),
        "## Not first\n", not_first(results),
        "## Space, memory, opening\n", SPACE_LEGEND,
        value_table(results, [key for key in results.rows if key[3] != "ops/s"]),
        "## Latency, microseconds: p50 / p99 / p99.9 / longest\n",
        rate_table(results, latency_text),
        "## Least and most of the repeats, operations a second\n",
        rate_table(results, spread_text),
        "## Settings\n",
        "".join(f"- **{engine['name']}**: {engine['settings']}\n" for engine in data["engines"]
                if engine["name"] in results.names),
    ]
    if data["skipped"]:
        parts.append("Skipped, not installed: " + "; ".join(data["skipped"]) + "\n")
    if data["failures"]:
        parts.append("**Failed**: " + "; ".join(data["failures"]) + "\n")
    return "\n".join(parts)


def present(results, rows):
    """The keys of those of the rows that were measured."""
    return [(*row, "ops/s") for row in rows if (*row, "ops/s") in results.rows]


def summary(results):
    """What the README shows: the rows that say most, without a heading."""
    figures = [key for key in results.rows if key[0] in SUMMARY_FIGURES]
    return "\n".join([
        results.machine_text() + " Every value that was read was checked.\n",
        "Operations a second. " + LEGEND,
        value_table(results, present(results, SUMMARY)),
        "Durable puts a second (floor: what the device does with no engine at all):\n",
        value_table(results, rates(results, is_durable)),
        "Memory, space, opening. " + SPACE_LEGEND,
        value_table(results, figures),
    ])


def write_charts(results, directory):
    def write(name, title, keys):
        groups = [(row_name(key), [(engine, results.rows[key][engine]) for engine in results.names
                                   if engine in results.rows[key]]) for key in keys]
        write_chart(os.path.join(directory, name), title, results.traits, groups)

    write("throughput.svg", "Operations a second",
          rates(results, lambda key: not is_durable(key) and key[2] == 100))
    write("values.svg", "Operations a second, other value sizes",
          rates(results, lambda key: key[2] != 100))
    write("durable.svg", "Durable puts a second", rates(results, is_durable))
    write("summary.svg", f"Operations a second, {results.run['keys']} keys",
          present(results, SUMMARY_CHART))


def write_report(results, directory):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "results.md"), "w", encoding="utf-8") as file:
        file.write(markdown(results))
    write_charts(results, directory)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    write_report(Results(sys.argv[1]), sys.argv[2])
