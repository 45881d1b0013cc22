/*
 * assert.h: checks of our own reasoning.
 *
 * ADB_ASSERT stays on in every build: it guards what would otherwise reach the disk.
 * ADB_DEBUG_ASSERT is for hot paths and for mistakes of the caller that a release build answers
 * with an error.
 */
#ifndef ADB_BASE_ASSERT_H
#define ADB_BASE_ASSERT_H

#include "base/attr.h"

/** Prints the failed expression and where it stands on standard error, and aborts. */
ADB_NORETURN ADB_COLD void adb_assert_fail(const char *expression, const char *file, int line);

#define ADB_ASSERT(x) (ADB_LIKELY(x) ? (void)0 : adb_assert_fail(#x, __FILE__, __LINE__))

#ifdef NDEBUG
#define ADB_DEBUG_ASSERT(x) ((void)0)
#define ADB_DEBUG_FAIL(text) ((void)0)
#else
#define ADB_DEBUG_ASSERT(x) ADB_ASSERT(x)
#define ADB_DEBUG_FAIL(text) adb_assert_fail(text, __FILE__, __LINE__)
#endif

#define ADB_UNREACHABLE() adb_assert_fail("unreachable", __FILE__, __LINE__)

#endif
