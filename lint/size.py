"""Sizes: functions of at most 70 lines, .c files of 800, .h files of 400, lines of 100 columns.

What is larger must be in lint/size.allow with its present size, which may only go down:

    function src/db/db_open.c:adb_db_open 83  # why it cannot be cut
    file src/db/db_open.c 850  # why
"""

from common import C_DIRECTORIES, AllowList, Problem, c_files, files, functions, read

FUNCTION_LINES = 70
SOURCE_LINES = 800
HEADER_LINES = 400
COLUMNS = 100
ALLOW = "lint/size.allow"

# The public interface is one header, so that it can be read from top to bottom.
LONG_HEADERS = {"include/armdb/armdb.h"}


def sizes(root):
    """(key, size, limit, path, line) of everything that is too large."""
    for path in c_files(root):
        text = read(root, path)
        lines = text.count("\n")
        limit = HEADER_LINES if path.endswith(".h") else SOURCE_LINES
        if lines > limit and path not in LONG_HEADERS:
            yield f"file {path}", lines, limit, path, 0
        for name, first, last in functions(text):
            if last - first + 1 > FUNCTION_LINES:
                yield f"function {path}:{name}", last - first + 1, FUNCTION_LINES, path, first


def check_columns(root):
    texts = c_files(root) + files(root, C_DIRECTORIES, ("CMakeLists.txt", ".py", ".sh"))
    texts += files(root, ("lint", "scripts", "cmake", ".ci"), (".py", ".sh", ".cmake", "run"))
    for path in texts:
        for number, line in enumerate(read(root, path).split("\n"), 1):
            if len(line) > COLUMNS:
                yield Problem(path, number, f"{len(line)} columns; {COLUMNS} are allowed")


def check(root):
    problems = list(check_columns(root))
    allow = AllowList(root, ALLOW)
    allowed = {}
    for entry, number in allow.entries.items():
        key, _, size = entry.rpartition(" ")
        if size.isdigit():
            allowed[key] = (int(size), entry)
        else:
            problems.append(Problem(ALLOW, number, f"{entry}: a size is missing"))
    used = set()
    for key, size, limit, path, line in sizes(root):
        what = key.split(":")[-1] if key.startswith("function") else "file"
        if key not in allowed:
            problems.append(Problem(path, line, f"{what} has {size} lines; {limit} are allowed"))
            continue
        at_most, entry = allowed[key]
        used.add(entry)
        if size > at_most:
            problems.append(Problem(path, line, f"{what} grew to {size} lines from {at_most}"))
        elif size < at_most:
            problems.append(Problem(ALLOW, allow.entries[entry],
                                    f"{key} shrank to {size} lines: write that down"))
    return problems + allow.problems + allow.stale(used)
