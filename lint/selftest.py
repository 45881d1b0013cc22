"""Shows that the checkers bite: each bad example is found, and a good tree is not complained of."""

import importlib
import os
import tempfile

from common import Problem

GOOD_HEADER = """/* a.h: an example. Threads: any. */
#ifndef A_H
#define A_H
#include "armdb/error.h"
#define TWICE(x) \\
    ((x) + \\
     (x))
#ifdef __cplusplus
extern "C" {
#endif
typedef void (*armdb_fn)(void *context);
struct thing { int (*call)(int); };
/** Opens it. Returns: ARMDB_OK. @param thing_out  end it with armdb_end(). */
ARMDB_API armdb_err armdb_begin(int flags,
                                struct thing **thing_out);
/** Its number. */
static inline int
armdb_number(int x)
{
    return x;
}
/* --------------- section
 * Returns: ARMDB_OK.
 */
/** Does one step. */
ARMDB_API armdb_err armdb_step(void);
#ifdef __cplusplus
}
#endif
#endif
"""

GOOD = {
    "include/armdb/error.h": "/* error.h: codes. */\n"
                             "#define MAP(X) \\\n    X(ARMDB_OK, 0, \"ok\")\n",
    "include/armdb/a.h": GOOD_HEADER,
    "src/CMakeLists.txt": "armdb_layer(base\n    mem.c)\narmdb_layer(log\n    scan.c)\n",
    "src/base/mem.h": "void adb_free(void *memory);\n",
    "src/base/mem.c": '#include "base/mem.h"\n#include <stdlib.h>\nvoid\nadb_free(void *memory)\n'
                      "{\n    free(memory); /* malloc( and volatile in a comment */\n}\n",
    "src/log/scan.h": '#include "armdb/error.h"\n#include "base/mem.h"\n',
    "src/log/scan_private.h": '#include "log/scan.h"\n',
    "src/log/scan.c": '#include "log/scan_private.h"\nconst char *text = "printf(";\n'
                      "int\nscan(struct file *file)\n{\n    return file->ops->read(file);\n}\n",
    "tests/CMakeLists.txt": "armdb_unit_tests(base mem)\n"
                            "armdb_test(x LABEL unit SOURCES unit/log/test_scan.c)\n",
    "tests/unit/base/test_mem.c": "void *m(void) { return malloc(1); }\n",
    "tests/unit/log/test_scan.c": '#include "base/mem.h"\n',
    "tools/CMakeLists.txt": "add_executable(armdb_command armdb/main.c)\n",
    "tools/armdb/main.c": '#include "armdb/error.h"\n#include "cmd.h"\n',
    "tools/armdb/cmd.h": "\n",
    "docs/errors.md": "# The codes\n\n`ARMDB_OK`. See [above](#the-codes), [home](../README.md).\n",
    "README.md": "[codes](docs/errors.md#the-codes), [elsewhere](https://example.org/)\n"
                 "```\n[not](a/link.md)\n```\n",
    "man/a.1": ".TH A 1\n.SH NAME\na \\- b\n",
}


def long_function(lines):
    return "int\nlong_one(void)\n{\n" + "    ;\n" * (lines - 4) + "}\n"


def c_with(statement):
    return "void\nf(void)\n{\n    " + statement + "\n}\n"


# (checker, files changed or added; None removes one, what the finding says)
BAD = [
    ("layers", {"src/base/mem.h": '#include "log/scan.h"\n'}, "base is below log"),
    ("layers", {"src/index/t.c": '#include "log/scan.h"\n'}, "index and log are separate"),
    ("layers", {"src/index/t.c": '#include "os/os.h"\n', "src/os/os.h": "\n"}, "index may include"),
    ("layers", {"src/shard/s.c": '#include "log/log_private.h"\n', "src/log/log_private.h": "\n"},
     "is private to src/log/"),
    ("layers", {"src/log/scan.h": '#include "mem.h"\n'}, "is not a file below src/"),
    ("layers", {"src/log/scan.h": "#include <armdb/error.h>\n"}, "in quotes"),
    ("layers", {"src/misc/x.c": "\n"}, "not in a layer"),
    ("layers", {"include/armdb/a.h": '#include "base/mem.h"\n'}, "public header"),
    ("layers", {"tools/armdb/main.c": '#include "base/mem.h"\n'}, "a tool may include only"),
    ("layers", {"src/log/scan.c": '#include "log/b.h"\n', "src/log/b.c": '#include "log/scan.h"\n',
                "src/log/b.h": "\n"}, "need each other"),
    ("layers", {"src/log/a_private.h": '#include "log/b.h"\n',
                "src/log/b.h": '#include "log/a_private.h"\n'}, "include each other"),
    ("size", {"src/log/scan.c": long_function(71)}, "long_one has 71 lines"),
    ("size", {"src/log/scan.c": "int x;\n" * 801}, "file has 801 lines"),
    ("size", {"src/log/scan.h": "int x;\n" * 401}, "file has 401 lines"),
    ("size", {"src/log/scan.c": "int " + "x" * 97 + ";\n"}, "102 columns"),
    ("size", {"src/log/scan.c": long_function(75),
              "lint/size.allow": "function src/log/scan.c:long_one 74  # why\n"}, "grew to 75"),
    ("size", {"src/log/scan.c": long_function(73),
              "lint/size.allow": "function src/log/scan.c:long_one 74  # why\n"}, "shrank to 73"),
    ("size", {"lint/size.allow": "file src/log/scan.c 900  # why\n"}, "not needed any more"),
    ("size", {"src/log/scan.c": long_function(74),
              "lint/size.allow": "function src/log/scan.c:long_one 74\n"}, "a reason is missing"),
    ("banned", {"src/log/scan.c": c_with("free(x);")}, "free is banned"),
    ("banned", {"src/log/scan.c": c_with("fsync (fd);")}, "fsync is banned"),
    ("banned", {"src/log/scan.c": c_with("clock_gettime(0, &t);")}, "clock_gettime is banned"),
    ("banned", {"src/log/scan.c": c_with("mmap(0, 1, 2, 3, 4, 5);")}, "mmap is banned"),
    ("banned", {"src/log/scan.c": c_with("pthread_mutex_t m;")}, "pthread_mutex_t is banned"),
    ("banned", {"src/log/scan.c": c_with("printf(x);")}, "printf is banned"),
    ("banned", {"src/log/scan.c": c_with("volatile int x;")}, "volatile is banned"),
    ("banned", {"src/log/scan.c": c_with("atomic_thread_fence(x);")}, "atomic_thread_fence"),
    ("banned", {"src/log/scan.c": c_with("assert(x);")}, "assert is banned"),
    ("banned", {"src/log/scan.c": c_with("; /* TODO */")}, "TODO: finish it"),
    ("banned", {"tools/armdb/main.c": c_with("strcpy(a, b);")}, "strcpy is banned"),
    ("banned", {"tests/unit/log/test_scan.c": c_with("x = atoi(y);")}, "atoi is banned"),
    ("banned", {"tests/unit/log/test_scan.c": c_with("x = rand();")}, "rand is banned"),
    ("headers", {"include/armdb/a.h": "/* a.h: Threads: any. */\nvoid armdb_x(void);\n"},
     "armdb_x: no comment right above"),
    ("headers", {"include/armdb/a.h": "/* a.h: Threads: any. */\n/** Text. */\n\n"
                                      "void armdb_x(void);\n"}, "armdb_x: no comment right above"),
    ("headers", {"include/armdb/a.h": "/* a.h: Threads: any. */\n/** A. */\nint armdb_a(void);\n"
                                      "int armdb_x(void);\n"}, "armdb_x: no comment right above"),
    ("headers", {"include/armdb/a.h": "/* a.h: Threads: any. */\n/** Text. */\n"
                                      "armdb_err armdb_x(void);\n"}, "says Returns"),
    ("headers", {"include/armdb/a.h": "/* a.h */\n/** Returns: x. */\nint armdb_x(void);\n"},
     "which threads"),
    ("headers", {"include/armdb/a.h": "/* a.h: Threads: any. */\n/** Returns: x. */\n"
                                      "int armdb_x(char **y_out);\n"}, "who ends or owns y_out"),
    ("headers", {"include/armdb/a.h": "/* a.h: Threads: any. */\n/** @param z  it. */\n"
                                      "void armdb_x(int y);\n"}, "no parameter z"),
    ("headers", {"lint/headers.allow": "armdb_gone  # why\n"}, "not needed any more"),
    ("mirror", {"src/log/new.c": "\n"}, "no unit test tests/unit/log/test_new.c"),
    ("mirror", {"lint/mirror.allow": "src/log/scan.c  # why\n"}, "not needed any more"),
    ("mirror", {"src/log/new.c": "\n", "lint/mirror.allow": "src/log/new.c\n"},
     "a reason is missing"),
    ("listed", {"src/log/new.c": "\n"}, "not listed in src/CMakeLists.txt"),
    ("listed", {"src/log/mem.c": "\n"}, "not listed in src/CMakeLists.txt"),
    ("listed", {"tests/unit/log/test_mem.c": "\n"}, "not listed in tests/CMakeLists.txt"),
    ("listed", {"tools/armdb/new.c": "\n"}, "not listed in tools/CMakeLists.txt"),
    ("docs", {"README.md": "[x](docs/gone.md)\n"}, "which is not there"),
    ("docs", {"README.md": "[x](docs/errors.md#gone)\n"}, "a heading that"),
    ("docs", {"README.md": "[x](/docs/errors.md)\n"}, "is not relative"),
    ("docs", {"docs/errors.md": "# The codes\n"}, "ARMDB_OK is explained neither"),
]


def write(root, tree):
    for path, text in tree.items():
        if text is not None:
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)


def run(checker, tree):
    with tempfile.TemporaryDirectory(prefix="armdb-lint-") as root:
        write(root, tree)
        return [str(problem) for problem in importlib.import_module(checker).check(root)]


def check(_root):
    problems = []
    for checker in ("layers", "size", "banned", "headers", "mirror", "listed", "docs", "man"):
        for text in run(checker, GOOD):
            problems.append(Problem("lint/selftest.py", 0, f"{checker} on the good tree: {text}"))
    for checker, changes, expected in BAD:
        found = run(checker, {**GOOD, **changes})
        if not any(expected in text for text in found):
            problems.append(Problem("lint/selftest.py", 0,
                                    f"{checker} did not say '{expected}', but {found}"))
    return problems
