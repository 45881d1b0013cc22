/* report.h: the figures of a run, for machines (report.py makes tables of that) and people. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "process.h"
#include "runner.h"

/** Writes all rows, the machine and the engines' settings to a file. */
void bench_report_json(const char *path, const struct bench_options *options,
                       const struct bench_machine *machine, const struct bench_results *results);

/** Prints the medians of the repeats. */
void bench_report_medians(const struct bench_results *results);

#endif
