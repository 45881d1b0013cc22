/*
 * sets.h: what one worker process does: it makes a database and runs the workloads of that set.
 *
 * Each of these runs in a process of its own, which ends afterwards.
 */
#ifndef BENCH_SETS_H
#define BENCH_SETS_H

#include "options.h"

/** One turn of one engine. */
struct bench_turn {
    const struct bench_options *options;
    const struct bench_engine *engine;
    const char *directory; /* empty, except for the last two stages */
    uint32_t set;          /* BENCH_SET_MAIN ... */
    uint32_t value_bytes;
    uint32_t repeat;
    int out; /* rows go there */
};

/** Would the turn measure anything? */
bool bench_turn_is_wanted(const struct bench_turn *turn);

/** Is the workload part of the turn? */
bool bench_turn_has(const struct bench_turn *turn, const struct bench_workload *workload);

/** Makes the database, measures, closes it. */
void bench_turn_run(const struct bench_turn *turn);

/** Opens the database of a main turn, puts some keys, and kills this process. */
_Noreturn void bench_turn_run_killed(const struct bench_turn *turn);

/** Opens it again, and looks for these keys. */
void bench_turn_run_recovery(const struct bench_turn *turn);

#endif
