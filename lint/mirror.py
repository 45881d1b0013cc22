"""Each src/LAYER/x.c has its unit test tests/unit/LAYER/test_x.c.

Where another test does that work, lint/mirror.allow says which:

    src/os/rcu.c  # tests/stress/stress_rcu.c: only threads can show it
"""

import os

from common import AllowList, Problem, exists, files

ALLOW = "lint/mirror.allow"


def check(root):
    problems = []
    allow = AllowList(root, ALLOW)
    used = set()
    for path in files(root, ("src",), (".c",)):
        folder, name = os.path.split(os.path.relpath(path, "src"))
        test = os.path.join("tests/unit", folder, "test_" + name)
        if exists(root, test):
            continue
        if path in allow.entries:
            used.add(path)
        else:
            problems.append(Problem(path, 0, f"no unit test {test} (or reason in {ALLOW})"))
    return problems + allow.problems + allow.stale(used)
