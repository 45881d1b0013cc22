/*
 * lin_check.h: is a history of calls on one key linearizable?
 *
 * The key is a register that holds a number, 0 when it is not there. A history is linearizable if
 * the calls can be put in an order in which each returned what the register then held, and in
 * which no call comes before one that had returned when it began. The search is that of Wing and
 * Gong with the states already seen remembered (Lowe); histories of one key each keep it small.
 */
#ifndef TEST_LIN_LIN_CHECK_H
#define TEST_LIN_LIN_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lin_kind {
    LIN_GET,    /* found `result` */
    LIN_PUT,    /* stored `argument`, found `result` */
    LIN_SET,    /* stored `argument`; does not know what it found */
    LIN_INSERT, /* stored `argument` if there was nothing; `result`: 1 if so, else 0 */
    LIN_REMOVE, /* removed, found `result` */
    LIN_DELETE, /* removed; `result`: 1 if there was anything, else 0 */
    LIN_CAS,    /* stored `argument` if it found `expected`; `result`: 1 if so, else 0 */
    LIN_ADD     /* added `argument`; `result`: the sum */
};

struct lin_call {
    enum lin_kind kind;
    uint64_t argument;
    uint64_t expected;
    uint64_t result;
    uint64_t begin; /* moments; all of a history differ */
    uint64_t end;
};

enum { LIN_CALLS_MAX = 64 };

/**
 * Says whether `calls` (at most LIN_CALLS_MAX, in any order) is linearizable from a register that
 * holds `initial`; if so, `*final_out` is one value that it may hold in the end.
 */
bool lin_check(const struct lin_call *calls, size_t n_calls, uint64_t initial, uint64_t *final_out);

/** Prints a history to standard error, a call a line. */
void lin_print(const struct lin_call *calls, size_t n_calls, uint64_t initial);

#endif
