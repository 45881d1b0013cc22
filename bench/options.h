/* options.h: the command line of the benchmark. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "workload.h"

struct bench_options {
    const char *engines;   /* names between commas; NULL: all */
    const char *workloads; /* likewise */
    const char *directory; /* where the scratch directory is made */
    const char *json;      /* file to write; NULL: none */
    const char *commit;    /* for the report */
    const char *plugin;    /* shared library with more engines; NULL: none */
    const char *profile;   /* "quick" or "full" */
    uint64_t keys;
    uint64_t cache_bytes;
    uint32_t value_bytes; /* of the main set; 0: 100, and the other sizes are run too */
    uint32_t repeats;
    uint32_t threads[16];   /* asked for; all 0: as the profile has it */
    uint32_t warm_mib;      /* memory to touch before each engine's turn */
    uint32_t limit_seconds; /* after which a worker is given up */
    double seconds;         /* of a workload */
    bool is_list;
};

/** Reads the command line; ends the process with a message if it is wrong, or after --help. */
void bench_options_parse(int argc, char **argv, struct bench_options *options_out);

/** Is `name` in a list of names between commas, or the list NULL? */
bool bench_options_has(const char *list, const char *name);

#endif
