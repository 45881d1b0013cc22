#!/usr/bin/env python3
"""Runs the checkers of this directory: all of them, or those that are named.

    lint/run.py [CHECK...]

Each module here with a check(root) function that returns a list of Problem is one; `selftest` shows
that each of them finds what it is for. Nothing is needed but Python 3.
"""

import importlib
import os
import sys

CHECKS = ["layers", "size", "banned", "headers", "mirror", "listed", "docs", "man", "selftest"]


def main(names):
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        print(f"lint: no such check: {' '.join(unknown)} ({' '.join(CHECKS)})", file=sys.stderr)
        return 2
    failed = []
    for name in names or CHECKS:
        problems = importlib.import_module(name).check(root)
        for problem in problems:
            print(problem)
        print(f"lint: {name}: " + (f"{len(problems)} problems" if problems else "ok"))
        if problems:
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main(sys.argv[1:]))
