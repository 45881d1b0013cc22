#!/usr/bin/env python3
"""Runs the tests that explore, and writes what they counted into docs/testing-numbers.md.

    scripts/test_numbers.py BUILD_DIR [SOAK_LOG...]

The seed is 1. SOAK_LOG: what `make soak` has printed, if it ran long before; added as it is.
"""

import os
import re
import subprocess
import sys

PROGRAMS = ["model", "sim_power_cut", "sim_orders", "sim_checkpoint", "sim_soak", "crash_faults",
            "crash_no_space", "crash_bit_rot", "crash_repair", "crash_resources",
            "crash_sigkill"]
OUTPUT = "docs/testing-numbers.md"
NOISE = re.compile(r"^(ARMDB_SEED|\[|$)")


def with_commas(text):
    return re.sub(r"(?<![\d.])\d{4,}(?![\d.]*\d)", lambda m: f"{int(m.group(0)):,}", text)


def counted(text):
    lines = [line.strip() for line in text.splitlines() if not NOISE.match(line.strip())]
    return with_commas("; ".join(line for line in lines if re.search(r"\d", line)))


def run(build, name):
    environment = {**os.environ, "ARMDB_SEED": "1"}
    done = subprocess.run([os.path.join(build, "tests", name)], env=environment,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{name} failed:\n{done.stdout}{done.stderr}")
    print(name, flush=True)
    return counted(done.stdout + "\n" + done.stderr)


def main(arguments):
    build, logs = arguments[0], arguments[1:]
    lines = ["# What the tests explored", "",
             "Written by `scripts/test_numbers.py`: what the programs of one default run count "
             "themselves, with `ARMDB_SEED=1`.", "", "| test | counted |", "|---|---|"]
    lines += [f"| {name} | {run(build, name) or 'nothing'} |" for name in PROGRAMS]
    if logs:
        lines += ["", "Runs of `make soak`:", ""]
    for log in logs:
        with open(log, encoding="utf-8") as file:
            text = file.read()
        seed = re.search(r"ARMDB_SEED=(\d+)", text)
        lines.append(f"- seed {seed.group(1)}: {counted(text)}")
    with open(OUTPUT, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
