#!/usr/bin/env python3
"""Makes a run of the benchmark the published one: bench/results/published/ and the README.

    publish.py RESULTS.json [LIBRARY]

Copies the figures, makes tables, charts and the list of targets of them (LIBRARY: see targets.py),
and writes the README's section between its two marks anew. Refuses a run in which an engine failed,
or whose commit is not known: figures belong to a commit. Nothing here is typed by hand.
"""

import os
import shutil
import sys

from figures import Results
from report import summary, write_report
from targets import targets

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PUBLISHED = "bench/results/published"
BEGIN = "<!-- bench/publish.py writes what follows -->\n"
END = "<!-- bench/publish.py wrote what precedes -->\n"


def refuse(results):
    """Why the run must not be published; or None."""
    commit = results.run["commit"]
    if commit == "unknown" or commit.endswith("-dirty"):
        return f"its commit is {commit}: commit what is measured, then measure"
    if results.data["failures"]:
        return "failed: " + "; ".join(results.data["failures"])
    return None


def section(results):
    return (f"{BEGIN}\n"
            f"![Operations a second, armdb and its peers]({PUBLISHED}/summary.svg)\n\n"
            f"{summary(results)}\n"
            f"All rows, latencies, the spread of the repeats and each engine's settings: "
            f"[results.md]({PUBLISHED}/results.md). What was aimed at and what was reached: "
            f"[targets.md]({PUBLISHED}/targets.md). How it is measured: "
            f"[bench/README.md](bench/README.md).\n\n{END}")


def rewrite_readme(results):
    path = os.path.join(ROOT, "README.md")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit("publish: README.md has not the two marks")
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + section(results) + after)


def main(path, library):
    results = Results(path)
    reason = refuse(results)
    if reason is not None:
        sys.exit(f"publish: {reason}")
    directory = os.path.join(ROOT, PUBLISHED)
    write_report(results, directory)
    shutil.copyfile(path, os.path.join(directory, "results.json"))
    with open(os.path.join(directory, "targets.md"), "w", encoding="utf-8") as file:
        file.write(targets(results, library))
    rewrite_readme(results)
    print(f"publish: {PUBLISHED}/ and README.md now show {results.run['commit']}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else None)
