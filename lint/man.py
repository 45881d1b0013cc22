"""Manual pages are free of errors that groff finds. Without groff, nothing is looked at."""

import os
import shutil
import subprocess

from common import Problem, files


def check(root):
    if shutil.which("groff") is None:
        return []
    problems = []
    for path in files(root, ("man",), (".1", ".3", ".5")):
        result = subprocess.run(
            ["groff", "-mandoc", "-Tutf8", "-K", "utf8", "-ww", "-z", os.path.join(root, path)],
            capture_output=True, text=True, check=False)
        for line in result.stderr.splitlines():
            problems.append(Problem(path, 0, line.replace(root + os.sep, "")))
        if result.returncode != 0 and not result.stderr:
            problems.append(Problem(path, 0, f"groff failed with status {result.returncode}"))
    return problems
