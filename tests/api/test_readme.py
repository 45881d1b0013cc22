#!/usr/bin/env python3
"""The example of the README, and those of the manual page, work as printed.

    test_readme.py COMPILER SOURCE_DIR BUILD_DIR LINK_OPTION...

Takes the first ```c block of README.md, which must be a whole program, compiles it with all
warnings against the build tree and runs it in an empty directory. So too for each .EX ... .EE block
of man/armdb.3 that has a main().
"""

import os
import re
import subprocess
import sys
import tempfile


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def examples(source):
    """(where it stands, text) of each program."""
    blocks = re.findall(r"^```c\n(.*?)^```", read(os.path.join(source, "README.md")),
                        re.DOTALL | re.MULTILINE)
    if not blocks:
        raise SystemExit("README.md has no ```c block")
    yield "README.md", blocks[0]
    manual = os.path.join(source, "man/armdb.3")
    if not os.path.exists(manual):
        return
    for number, block in enumerate(re.findall(r"^\.EX\n(.*?)^\.EE", read(manual),
                                              re.DOTALL | re.MULTILINE), 1):
        text = block.replace(r"\-", "-").replace(r"\(aq", "'").replace(r"\(dq", '"')
        text = text.replace(r"\&", "").replace(r"\e", "\\")
        if "main(" in text:
            yield f"man/armdb.3, example {number}", text


def run(command, what, **options):
    result = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    print(result.stdout + result.stderr, end="")
    if result.returncode != 0:
        raise SystemExit(f"{what}: exit status {result.returncode}")
    return result.stdout


def main(compiler, source, build, *link):
    for where, text in examples(source):
        with tempfile.TemporaryDirectory() as work:
            program = os.path.join(work, "example.c")
            with open(program, "w", encoding="utf-8") as file:
                file.write(text)
            run([compiler, "-std=c17", "-Wall", "-Wextra", "-Werror", f"-I{source}/include",
                 f"-I{build}/include", program, "-o", os.path.join(work, "example"), *link],
                f"{where}: compiling")
            empty = os.path.join(work, "empty")
            os.mkdir(empty)
            # Twice: the second time it finds what the first has stored.
            first = run([os.path.join(work, "example")], where, cwd=empty)
            second = run([os.path.join(work, "example")], f"{where}: again", cwd=empty)
            if not first.strip() or first != second:
                raise SystemExit(f"{where}: printed nothing, or something else the second time")
            lines = len([line for line in text.splitlines() if line.strip()])
            print(f"{where}: ok ({lines} lines)")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
