/*
 * require.h: checks of the model, simulation and crash programs: a failed one tells its run.
 *
 * A program sets a line of context for each of its runs (which seed, which cut); a check that fails
 * prints it with the newest error record of the thread, and ends the program at once.
 */
#ifndef TEST_SIM_REQUIRE_H
#define TEST_SIM_REQUIRE_H

#include <stddef.h>
#include <stdint.h>

#include "armdb/error.h"

/** Replaces the line that tells one run from another. One thread. */
void require_context(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Prints what is known and ends the program with status 1. */
_Noreturn void require_fail(const char *file, int line, const char *expression, const char *format,
                            ...) __attribute__((format(printf, 4, 5)));

/** The message says what was found. */
#define REQUIRE(condition, ...)                                                                    \
    ((condition) ? (void)0 : require_fail(__FILE__, __LINE__, #condition, __VA_ARGS__))

/** That a call returned what it should. */
#define REQUIRE_ERR(call, expected)                                                                \
    do {                                                                                           \
        armdb_err require_err = (call);                                                            \
        REQUIRE(require_err == (expected), "%s is %s", #call, armdb_err_name(require_err));        \
    } while (0)

#define REQUIRE_OK(call) REQUIRE_ERR(call, ARMDB_OK)

/** How often a test does what it does `plain` times in a plain build: more by ARMDB_TEST_SCALE,
 * less in an instrumented build, but once at least. */
uint64_t require_rounds(uint64_t plain);

/** Like malloc() and realloc(), not through base/mem.h, whose failures are part of the tests. */
void *require_memory(void *memory, size_t bytes);

#endif
