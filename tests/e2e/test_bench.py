"""The benchmark runs on this library alone, checks what it reads, reports, and is published.

    test_bench.py BENCH_PROGRAM SCRIPTS_DIRECTORY

With few keys and a few milliseconds for each workload: no figure means anything here.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

OPTIONS = ["--engines", "armdb,armdb-const,armdb-object,raw-group", "--keys", "1000",
           "--seconds", "0.004", "--repeats", "1", "--threads", "1,2", "--warm-mib", "0",
           "--commit", "0123abc"]
PUBLISHED = ("results.json", "results.md", "targets.md", "summary.svg")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def check(condition, what):
    if not condition:
        sys.exit(f"test_bench: {what}")


def check_variants(rows):
    """What the quick profile runs of them."""
    for engine, workload, value_bytes in (("armdb-const", "multi-get", 100),
                                          ("armdb-const", "add", 8),
                                          ("armdb-object", "get-uniform", 100),
                                          ("armdb-object", "cas", 100)):
        check(any((row["engine"], row["workload"], row["value_bytes"])
                  == (engine, workload, value_bytes) for row in rows),
              f"no row of {engine}, {workload}, {value_bytes} B")


def check_json(path, workloads):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    rows = [dict(zip(data["columns"], row)) for row in data["rows"]]
    seen = {row["workload"] for row in rows if row["engine"] == "armdb"}
    for workload in workloads:
        check(workload in seen, f"no row of {workload}")
    for row in rows:
        if row["unit"] == "ops/s":
            check(row["value"] > 0 and row["ops"] > 0, f"an empty row: {row}")
            check(row["p50_us"] <= row["p99_us"] <= row["p999_us"] <= row["max_us"], f"{row}")
    check_variants(rows)
    kept = [row["value"] for row in rows if row["workload"] == "kept-after-kill"]
    check(kept == [100], f"kept after a kill: {kept}")


def check_published(scripts, results, root):
    """Publishes the run in a tree of its own, twice, since the second time replaces the first."""
    shutil.copytree(scripts, os.path.join(root, "bench"), ignore=shutil.ignore_patterns("results"))
    readme = os.path.join(root, "README.md")
    shutil.copyfile(os.path.join(scripts, "..", "README.md"), readme)
    publish = os.path.join(root, "bench", "publish.py")
    texts = []
    for _ in range(2):
        run(sys.executable, "-B", publish, results)
        with open(readme, encoding="utf-8") as file:
            texts.append(file.read())
    check(texts[0] == texts[1], "publishing a run twice changes the README")
    check("| get-uniform, 2 T |" in texts[0] and "Commit 0123abc" in texts[0], "not in the README")
    for name in PUBLISHED:
        check(os.path.exists(os.path.join(root, "bench/results/published", name)), f"no {name}")
    with open(results, encoding="utf-8") as file:
        text = file.read().replace("0123abc", "0123abc-dirty")
    with open(results, "w", encoding="utf-8") as file:
        file.write(text)
    wrong = subprocess.run([sys.executable, "-B", publish, results], capture_output=True,
                           check=False)
    check(wrong.returncode != 0, "a run of no commit was published")


def main(bench, scripts):
    report = os.path.join(scripts, "report.py")
    listed = run(bench, "--list")
    for word in ("armdb", "raw-loop", "get-uniform", "ycsb-f", "durable-put"):
        check(word in listed, f"--list says nothing of {word}")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "results.json")
        run(bench, *OPTIONS, "--directory", directory, "--json", path)
        check(os.listdir(directory) == ["results.json"], "the scratch directory was left behind")
        check_json(path, ["fill-seq", "fill-random", "get-uniform", "get-missing", "scan-back",
                          "prefix-scan", "batch", "rmw", "cas", "add", "ycsb-e", "delete",
                          "open-after-kill", "memory", "written-by-load", "buffered-put",
                          "buffered-batch", "durable-put", "durable-batch"])
        run(sys.executable, "-B", report, path, directory)
        with open(os.path.join(directory, "results.md"), encoding="utf-8") as file:
            check("| get-uniform, 2 T |" in file.read(), "results.md has no row of get-uniform")
        for name in ("throughput.svg", "values.svg", "durable.svg",
                     "summary.svg"):
            xml.etree.ElementTree.parse(os.path.join(directory, name))
        check_published(scripts, path, os.path.join(directory, "tree"))
    wrong = subprocess.run([bench, "--workloads", "no-such"], capture_output=True, check=False)
    check(wrong.returncode != 0, "a workload that there is not was accepted")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
