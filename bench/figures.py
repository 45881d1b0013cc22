"""The figures that bench/bench --json wrote, and how engines compare; used by the scripts here.

A key names a row: (workload, threads, value bytes, unit). The median of the repeats counts.
"""

import json
import statistics

# Workloads that only read; there a kill has nothing to lose, so all engines are of one class.
READS = {"get-uniform", "get-zipf", "get-missing", "multi-get", "scan", "scan-keys", "scan-back",
         "prefix-scan", "ycsb-c"}
# What the values of a collection are; engines of a kind are compared with ancestors of that kind.
KINDS = {"const-values", "objects"}
LATENCIES = ("p50_us", "p99_us", "p999_us", "max_us")


class Cell:
    """All repeats of one engine in one row."""

    def __init__(self, rows):
        values = sorted(row["value"] for row in rows)
        self.value = statistics.median(values)
        self.least, self.most = values[0], values[-1]
        self.latencies = [statistics.median(row[name] for row in rows) for name in LATENCIES]


class Results:
    """The file, with its rows grouped: rows = {key: {engine: Cell}}."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.data = json.load(file)
        self.machine, self.run = self.data["machine"], self.data["run"]
        self.traits = {engine["name"]: set(engine["traits"]) for engine in self.data["engines"]}
        groups, seen = {}, set()
        for values in self.data["rows"]:
            row = dict(zip(self.data["columns"], values))
            key = (row["workload"], row["threads"], row["value_bytes"], row["unit"])
            groups.setdefault(key, {}).setdefault(row["engine"], []).append(row)
            seen.add(row["engine"])
        self.rows = {key: {engine: Cell(rows) for engine, rows in engines.items()}
                     for key, engines in groups.items()}
        self.names = [name for name in self.traits if name in seen]
        self.ours = [name for name in self.names if "ours" in self.traits[name]]

    def machine_text(self):
        machine, run = self.machine, self.run
        return (f"{machine['cpus']} × {machine['cpu']}, {machine['memory_bytes'] / 2**30:.0f} GiB, "
                f"{machine['kernel']}, {machine['file_system']}. "
                f"Commit {run['commit']}, {run['date']}. "
                f"Profile {run['profile']}: {run['keys']} keys of 16 bytes, values of 100 bytes "
                f"unless said, {run['seconds']:g} s each, medians of {run['repeats']} repeats, "
                f"{run['cache_bytes'] / 2**20:.0f} MiB of cache.")

    def is_rival(self, ours, peer, workload):
        """May the peer be compared with our engine in this workload?"""
        traits = self.traits[peer]
        if traits & {"ours", "floor", "ancestor"}:
            return False
        if "ordered" in self.traits[ours] and "ordered" not in traits:
            return False
        return not is_lost_by_kill(traits, workload)

    def ratio(self, ours, key):
        """(our value / the best rival's, its name), or None; below 1: not first."""
        cells = self.rows[key]
        rivals = [(cells[name].value, name) for name in cells
                  if self.is_rival(ours, name, key[0]) and cells[name].value > 0]
        if ours not in cells or not rivals:
            return None
        if is_more_better(key):
            best = max(rivals)
            return cells[ours].value / best[0], best[1]
        best = min(rivals)
        return (best[0] / cells[ours].value, best[1]) if cells[ours].value > 0 else None

    def trait_ratio(self, ours, key, trait):
        """Our value / the best of the engines with a trait, whatever their class; or None. Of the
        ancestors, those whose values are of our kind count."""
        cells = self.rows[key]
        kind = self.traits[ours] & KINDS
        values = [cells[name].value for name in cells if trait in self.traits[name]
                  and (trait != "ancestor" or self.traits[name] & KINDS == kind)]
        if ours not in cells or not values or min(cells[ours].value, min(values)) <= 0:
            return None
        if is_more_better(key):
            return cells[ours].value / max(values)
        return min(values) / cells[ours].value


def is_more_better(key):
    return key[3] in ("ops/s", "%")


def is_lost_by_kill(traits, workload):
    """Are the puts of such an engine of another class than those of the others?"""
    return ("in-process" in traits and workload not in READS
            and not workload.startswith(("durable", "buffered")))


def short(number):
    """A number in three digits."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def row_name(key):
    workload, threads, value_bytes, unit = key
    name = workload if unit != "ops/s" else f"{workload}, {threads} T"
    return name if value_bytes == 100 else f"{name}, {value_bytes} B"
