#!/usr/bin/env python3
"""Compares reads of values from the device with what fio gets from it, in turns.

    bench/device.py PROGRAM [--directory DIR] [--keys N] [--seconds S] [--rounds N]

PROGRAM is build/release/bench/device. Makes a database and a file of the same size below DIR
(beside the program), and removes them at the end. Prints the median of the rounds; takes about
rounds * 6 * seconds, and the time to write the data.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

RECORD_BYTES = 144


def run(command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def fio(path, seconds, engine, depth):
    out = run(["fio", "--name=read", f"--filename={path}", "--rw=randread", "--bs=4k", "--direct=1",
               f"--ioengine={engine}", f"--iodepth={depth}", f"--runtime={seconds}", "--time_based",
               "--output-format=json"])
    return json.loads(out[out.index("{"):])["jobs"][0]["read"]["iops"]


def measure(program, directory, options):
    database = os.path.join(directory, "database")
    plain = os.path.join(directory, "plain")
    run([program, database, str(options.keys), "0.1"])
    with open(plain, "wb") as file:
        for _ in range(options.keys * RECORD_BYTES >> 20):
            file.write(os.urandom(1 << 20))
        os.fsync(file.fileno())
    rates = {}
    blocks = {}
    for _ in range(options.rounds):
        for depth, engine in ((1, "psync"), (32, "io_uring")):
            rates.setdefault(f"fio {depth}", []).append(
                fio(plain, options.seconds, engine, depth))
        for line in run([program, database, str(options.keys), str(options.seconds)]).splitlines():
            name, rate, read = line.split()
            rates.setdefault(name, []).append(float(rate))
            blocks.setdefault(name, []).append(float(read))
    return ({name: statistics.median(all_) for name, all_ in rates.items()},
            {name: statistics.median(all_) for name, all_ in blocks.items()})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--directory")
    parser.add_argument("--keys", type=int, default=2000000)
    parser.add_argument("--seconds", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("fio") is None:
        print("device: fio is not installed: scripts/deps.sh bench", file=sys.stderr)
        return 1
    parent = options.directory or os.path.dirname(os.path.abspath(options.program))
    directory = tempfile.mkdtemp(prefix="device-", dir=parent)
    try:
        rates, blocks = measure(options.program, directory, options)
    finally:
        shutil.rmtree(directory)
    print(f"fio, depth 1: {rates['fio 1']:.0f} reads a second; depth 32: {rates['fio 32']:.0f}")
    for name, depth in (("get", 1), ("multi-get", 32), ("scan", 1)):
        ratio = rates[name] / rates[f"fio {depth}"]
        print(f"{name}: {rates[name]:.0f} values a second, {ratio:.2f} of fio at depth {depth}; "
              f"{blocks[name]:.2f} blocks for each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
