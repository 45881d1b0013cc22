/*
 * analyzer.h: what clang-tidy cannot know from one file; lint/tidy.py puts it before each source.
 *
 * The functions that raise an error never return ARMDB_OK. Without that, the analyzer follows paths
 * on which an allocation failed, the error was raised, and the caller saw success.
 */
#ifndef ADB_LINT_ANALYZER_H
#define ADB_LINT_ANALYZER_H

#include "base/err.h"

static inline armdb_err
adb_analyzer_not_ok(armdb_err err)
{
    if (err == ARMDB_OK)
        __builtin_unreachable();
    return err;
}

#define adb_fail(...) adb_analyzer_not_ok(adb_fail(__VA_ARGS__))
#define adb_fail_at(...) adb_analyzer_not_ok(adb_fail_at(__VA_ARGS__))
#define adb_fail_errno(...) adb_analyzer_not_ok(adb_fail_errno(__VA_ARGS__))

#endif
