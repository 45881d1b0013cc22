#!/usr/bin/env python3
"""The public headers compile in every way that a program may use them, without a warning.

    test_headers.py COMPILER SOURCE_DIR BUILD_DIR

Each header alone, each one twice, all of them in both orders, and a program that uses every macro
and inline function: as C11, C17 and C++17.
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


def main(compiler, source, build):
    folder = os.path.join(source, "include/armdb")
    names = sorted(os.listdir(folder)) + ["version.h"]
    headers = sorted({f"armdb/{name}" for name in names if name.endswith(".h")})
    texts = {"use": USE}
    for header in headers:
        texts[f"{header} alone"] = f"#include <{header}>\n"
        texts[f"{header} twice"] = f"#include <{header}>\n" * 2
    texts["all"] = "".join(f"#include <{header}>\n" for header in headers)
    texts["all, backwards"] = "".join(f"#include <{header}>\n" for header in reversed(headers))

    failed = False
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "program")
        for what, text in texts.items():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text + "typedef int not_empty;\n")
            for language, options in LANGUAGES.items():
                result = subprocess.run(
                    [compiler, *options, *WARNINGS, "-fsyntax-only", f"-I{source}/include",
                     f"-I{build}/include", path], check=False, capture_output=True, text=True)
                if result.returncode != 0 or result.stderr:
                    print(f"{what}, {language}:\n{result.stderr}")
                    failed = True
    print(f"{len(headers)} headers, {len(texts)} programs in {len(LANGUAGES)} languages")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
