/*
 * stress.h: what all programs with threads need: how much they can do, and checks that threads may
 * make.
 */
#ifndef TEST_STRESS_H
#define TEST_STRESS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "armdb/error.h"

/* Whether each access is looked at, which takes ten times as long. */
#if defined(__SANITIZE_THREAD__)
#define IS_SLOW 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_SLOW 1
#endif
#endif
#ifndef IS_SLOW
#define IS_SLOW 0
#endif

/* cmocka's assertions are not for threads. */
static inline void
check(bool condition, const char *what)
{
    if (condition)
        return;
    armdb_error_detail detail;
    armdb_last_error(&detail);
    fprintf(stderr, "stress: %s (newest error of this thread: %s, %s)\n", what,
            armdb_err_name(detail.code), detail.message);
    abort();
}

#endif
