/* runner.h: all turns of a run, each in a process of its own, engines by turns. */
#ifndef BENCH_RUNNER_H
#define BENCH_RUNNER_H

#include "options.h"

/** The figures of a run. */
struct bench_results {
    struct bench_row *rows; /* [count], on the heap */
    size_t count;
    size_t capacity;
    char failures[16][128]; /* turns that did not end well */
    size_t n_failures;
};

/** Runs what the options ask for. Returns false if a turn failed: then the run ends at once. */
bool bench_run(const struct bench_options *options, struct bench_results *results);

#endif
