#!/usr/bin/env python3
"""Says which C files are not in the project's format (.clang-format); with --fix, rewrites them.

Version 14 of clang-format is meant: others format differently.
"""

import os
import shutil
import subprocess
import sys

from common import c_files


def main(arguments):
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    program = shutil.which("clang-format-14")
    if program is None:
        print("format: clang-format-14 is not installed", file=sys.stderr)
        return 2
    mode = ["-i"] if arguments == ["--fix"] else ["--dry-run", "-Werror"]
    result = subprocess.run([program, "--style=file", *mode, *c_files(root)], cwd=root, check=False)
    if mode != ["-i"]:
        print("format: " + ("ok" if result.returncode == 0 else "`make format` puts it right"))
    return result.returncode


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main(sys.argv[1:]))
