#!/usr/bin/env python3
"""The libraries define exactly the names they should.

    test_symbols.py SOURCE_DIR SHARED_LIBRARY STATIC_LIBRARY

The shared library exports each function that a public header declares with ARMDB_API, and nothing
else; every global name in the static library begins with armdb_ or adb_, so that it cannot clash
with one of the program's own.
"""

import os
import re
import subprocess
import sys


def symbols(library, *options):
    output = subprocess.run(["nm", "--defined-only", *options, library], check=True, text=True,
                            capture_output=True).stdout
    return {line.split()[-1] for line in output.splitlines() if len(line.split()) == 3}


def declared(source):
    names = set()
    folder = os.path.join(source, "include/armdb")
    for header in sorted(os.listdir(folder)):
        with open(os.path.join(folder, header), encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
        names.update(re.findall(r"^ARMDB_API\b[^;(]*?\b(armdb_\w+)\s*\(", text, re.MULTILINE))
    return names


def main(source, shared, static):
    failed = False
    exported = symbols(shared, "--dynamic", "--extern-only")
    for name in sorted(declared(source) - exported):
        print(f"not exported: {name}")
        failed = True
    for name in sorted(exported - declared(source)):
        print(f"exported, but not in a public header: {name}")
        failed = True
    for name in sorted(symbols(static, "--extern-only")):
        if not name.startswith(("armdb_", "adb_", "__gnu_lto_")):
            print(f"global in the static library: {name}")
            failed = True
    print(f"{len(exported)} exported functions")
    return 1 if failed or not exported else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
