#!/usr/bin/env python3
"""The public headers compile in every way that a program may use them, without a warning.

    test_headers.py COMPILER SOURCE_DIR BUILD_DIR

Each header alone, each one twice, all of them in both orders, and programs that use every macro
and inline function: as C11, C17 and C++17. Structs that are no values of a typed view don't.
"""

import os
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LANGUAGES = {"c11": ["-x", "c", "-std=c11"], "c17": ["-x", "c", "-std=c17"],
             "c++17": ["-x", "c++", "-std=c++17"]}

# All that a program gets without linking: initialisers, limits, inline functions.
USE = """
#include <armdb/armdb.h>
armdb_options options = ARMDB_OPTIONS_INIT;
armdb_collection_options collection_options = ARMDB_COLLECTION_OPTIONS_INIT;
armdb_write_options write_options = ARMDB_WRITE_OPTIONS_INIT;
armdb_cursor_options cursor_options = ARMDB_CURSOR_OPTIONS_INIT;
armdb_hook hook = ARMDB_HOOK_INIT;
armdb_watch_options watch_options = ARMDB_WATCH_OPTIONS_INIT;
unsigned long long limits[] = {ARMDB_FIXED_KEY_MAX, ARMDB_KEY_MAX, ARMDB_VALUE_MAX, ARMDB_NAME_MAX,
                               ARMDB_SHARDS_MAX, ARMDB_VALUE_INLINE, ARMDB_NEVER,
                               ARMDB_KEY_VARIABLE, ARMDB_VERSION_MAJOR, ARMDB_VERSION_MINOR,
                               ARMDB_VERSION_PATCH, ARMDB_FORMAT_VERSION};
const char *version = ARMDB_VERSION_STRING;
int main(void)
{
    armdb_value value;
    memset(&value, 0, sizeof value);
    armdb_slice slices[] = {armdb_str("key"), armdb_bytes("bytes", 5), armdb_value_bytes(&value)};
    return slices[0].len == 3 && slices[1].len == 5 && slices[2].len == 0 ? 0 : 1;
}
"""

TYPED = """
#include <armdb/typed.h>
struct account { int64_t balance; uint32_t owner; uint32_t flags; };
ARMDB_DEFINE_KEY_BYTES(token, 16);
ARMDB_DEFINE_KEY_PAIR(owner_time, u32, i64);
ARMDB_DEFINE_KEY_PAIR(nested, token, owner_time);
ARMDB_DEFINE_TYPED(accounts, nested, struct account, 8 + 4 + 4);
ARMDB_DEFINE_TYPED(numbers, u64, uint64_t, 8);
armdb_err use(armdb_db *db, armdb_key_nested key, struct account *account);
armdb_err use(armdb_db *db, armdb_key_nested key, struct account *account)
{
    accounts view;
    bool found;
    armdb_cursor *cursor;
    armdb_err err = accounts_open(db, "accounts", ARMDB_ORDER_DEFAULT, &view);
    if (err == ARMDB_OK)
        err = accounts_range(view, &key, NULL, &cursor);
    if (err != ARMDB_OK)
        return err;
    *account = accounts_value(cursor);
    key = accounts_key(cursor);
    err = accounts_seek(cursor, key);
    armdb_cursor_close(cursor);
    accounts_put(view, key, account, NULL);
    accounts_insert(view, key, account, NULL);
    accounts_contains(view, key, &found);
    accounts_delete(view, key, NULL);
    return err != ARMDB_OK ? err : accounts_get(view, key, account);
}
"""

# What must not compile.
REFUSED = {
    "holes": "struct v { uint64_t a; uint32_t b; };\nARMDB_DEFINE_TYPED(v, u64, struct v, 8 + 4);",
    "size": "struct v { char a[257]; };\nARMDB_DEFINE_TYPED(v, u64, struct v, 257);",
    "key": "ARMDB_DEFINE_KEY_BYTES(long, 257);"}


def compiles(compiler, language, source, build, path, text):
    """What the compiler says; None: nothing."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\ntypedef int not_empty;\n")
    result = subprocess.run(
        [compiler, *language, *WARNINGS, "-fsyntax-only", f"-I{source}/include",
         f"-I{build}/include", path], check=False, capture_output=True, text=True)
    return result.stderr or "failed" if result.returncode != 0 or result.stderr else None


def main(compiler, source, build):
    folder = os.path.join(source, "include/armdb")
    names = sorted(os.listdir(folder)) + ["version.h"]
    headers = sorted({f"armdb/{name}" for name in names if name.endswith(".h")})
    texts = {"use": USE, "typed": TYPED}
    for header in headers:
        texts[f"{header} alone"] = f"#include <{header}>\n"
        texts[f"{header} twice"] = f"#include <{header}>\n" * 2
    texts["all"] = "".join(f"#include <{header}>\n" for header in headers)
    texts["all, backwards"] = "".join(f"#include <{header}>\n" for header in reversed(headers))

    failed = False
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "program")
        for language, options in LANGUAGES.items():
            for what, text in texts.items():
                said = compiles(compiler, options, source, build, path, text)
                if said is not None:
                    print(f"{what}, {language}:\n{said}")
                    failed = True
            for what, text in REFUSED.items():
                text = f"#include <armdb/typed.h>\n{text}\n"
                said = compiles(compiler, options, source, build, path, text)
                if said is None or "assert" not in said:
                    print(f"{what}, {language}: should not compile:\n{said}")
                    failed = True
    print(f"{len(headers)} headers, {len(texts)} programs in {len(LANGUAGES)} languages")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
