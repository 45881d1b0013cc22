#!/usr/bin/env python3
"""An example works, and works again on what it has stored.

    run_example.py PROGRAM [ARGUMENT...]

Runs it twice in one empty directory: each time it must succeed, and print something, the same.
"""

import subprocess
import sys
import tempfile


def main(*command):
    printed = []
    with tempfile.TemporaryDirectory() as empty:
        for _ in range(2):
            result = subprocess.run(command, check=False, capture_output=True, text=True, cwd=empty)
            if result.returncode != 0 or not result.stdout.strip():
                print(result.stdout + result.stderr)
                print(f"exit status {result.returncode}")
                return 1
            printed.append(result.stdout)
    print(printed[0], end="")
    return 0 if printed[0] == printed[1] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
