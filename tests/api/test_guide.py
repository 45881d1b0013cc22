#!/usr/bin/env python3
"""The pages of docs/guide/ say what is so.

    test_guide.py SOURCE_DIR VERBS_PROGRAM

Each ```c block is an excerpt of the example that the line above it names, part by part between
empty lines, and that is a test of its own. Each kind of collection has a page, and schema versions
have one. The cells of verbs.md are those that VERBS_PROGRAM (tests/unit/api/test_api_verbs.c) runs.
"""

import os
import re
import subprocess
import sys

KINDS = [f"{order}-{value}.md" for order in ("tree", "map") for value in ("var", "const", "object")]
PAGES = KINDS + ["schema.md"]
EXCERPT = re.compile(r"^From \[`(examples/\w+\.c)`\]\(\.\./\.\./(examples/\w+\.c)\):\n\n"
                     r"```c\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def check_page(source, name):
    text = read(source, "docs/guide", name)
    tests = re.findall(r"\w+", read(source, "examples/CMakeLists.txt"))
    found = EXCERPT.findall(text)
    if not found or len(found) != text.count("```c\n"):
        return f"{name}: no example, or one that does not say where it is from"
    for path, target, excerpt in found:
        whole = read(source, path)
        if path != target:
            return f"{name}: {path} leads to {target}"
        for part in excerpt.strip("\n").split("\n\n"):
            if part not in whole:
                return f"{name}: not in {path}:\n{part}"
        if os.path.basename(path)[:-2] not in tests:
            return f"{name}: {path} is no test"
    return None


def check_verbs(source, program):
    rows = subprocess.run([program, "list"], check=True, capture_output=True, text=True).stdout
    text = read(source, "docs/guide/verbs.md").replace("`", "")
    table = re.search(r"^\| verb \| tree var .*?\n\|[-|]+\n(.*?)\n\n", text,
                      re.MULTILINE | re.DOTALL).group(1)
    stated = [line.strip("| ") for line in table.split("\n")]
    ran = [line.strip() for line in rows.strip().split("\n")]
    return None if stated == ran else "verbs.md: the table differs from what is run:\n" + rows


def main(source, program):
    found = [check_page(source, name) for name in PAGES] + [check_verbs(source, program)]
    problems = [problem for problem in found if problem is not None]
    print("\n".join(problems) or f"{len(PAGES)} pages and the table: ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
