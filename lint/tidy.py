#!/usr/bin/env python3
"""Runs clang-tidy over the sources of the library and the tools.

    lint/tidy.py BUILD_DIR [FILE...]

BUILD_DIR holds compile_commands.json of a clang preset; its generated headers must be there.
"""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def main(arguments):
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    program = shutil.which("clang-tidy-14")
    if program is None or not arguments:
        print("tidy: usage: lint/tidy.py BUILD_DIR [FILE...]; needs clang-tidy-14", file=sys.stderr)
        return 2
    with open(os.path.join(arguments[0], "compile_commands.json"), encoding="utf-8") as file:
        compiled = {os.path.relpath(entry["file"], root) for entry in json.load(file)}
    sources = arguments[1:] or sorted(
        path for path in compiled if path.startswith(("src/", "tools/")))

    def tidy(path):
        model = []
        if path.startswith("src/") and path != "src/base/err.c":
            model = ["--extra-arg=-include", "--extra-arg=" + os.path.join(root, "lint/analyzer.h")]
        return subprocess.run([program, "--quiet", "-p", arguments[0], *model, path], cwd=root,
                              text=True, capture_output=True, check=False)

    failed = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for path, result in zip(sources, pool.map(tidy, sources)):
            if result.returncode != 0:
                failed += 1
                print(f"== {path}\n{result.stdout}{result.stderr}")
    print(f"tidy: {len(sources)} files, " + (f"{failed} with findings" if failed else "ok"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main(sys.argv[1:]))
