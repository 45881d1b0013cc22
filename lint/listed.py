"""Nothing is forgotten by the build: each source and each test file is named in a CMakeLists.txt.

CMake is given names, not patterns, so a file that nobody listed would silently never be built, and
a test never run. (A directory in tests/ with a CMakeLists.txt of its own is a project of a user.)
"""

import os
import re

from common import Problem, exists, files, read


def words(root, path):
    text = read(root, path) if exists(root, path) else ""
    return re.sub(r"#[^\n]*", "", text)


def check(root):
    problems = []
    sources = words(root, "src/CMakeLists.txt")
    for path in files(root, ("src",), (".c",)):
        layer, name = path.split("/")[1:3]
        block = re.search(r"armdb_layer\(\s*%s\b([^)]*)\)" % re.escape(layer), sources)
        if block is None or name not in block.group(1).split():
            problems.append(Problem(path, 0, "not listed in src/CMakeLists.txt"))

    tools = words(root, "tools/CMakeLists.txt")
    for path in files(root, ("tools",), (".c",)):
        if os.path.relpath(path, "tools") not in re.split(r"[\s()]+", tools):
            problems.append(Problem(path, 0, "not listed in tools/CMakeLists.txt"))

    tests = words(root, "tests/CMakeLists.txt")
    units = {}
    for layer, names in re.findall(r"armdb_unit_tests\(\s*(\w+)([^)]*)\)", tests):
        units.setdefault(layer, set()).update(names.split())
    fuzzed = set(re.findall(r"armdb_fuzz\(\s*(\w+)", tests))
    for path in files(root, ("tests",), (".c",)):
        name = os.path.relpath(path, "tests")
        unit = re.match(r"unit/(\w+)/test_(\w+)\.c$", name)
        fuzz = re.match(r"fuzz/fuzz_(\w+)\.c$", name)
        is_listed = (name in re.split(r"[\s()]+", tests)
                     or name.count("/") > 1
                     and exists(root, os.path.join(os.path.dirname(path), "CMakeLists.txt"))
                     or unit and unit.group(2) in units.get(unit.group(1), ())
                     or fuzz and fuzz.group(1) in fuzzed)
        if not is_listed:
            problems.append(Problem(path, 0, "not listed in tests/CMakeLists.txt"))
    return problems
