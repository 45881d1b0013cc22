/*
 * workload.h: what is measured: one operation, called again and again by some threads for some
 * time, on a database that holds known keys.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "bench.h"
#include "timing.h"

/** Which databases a workload runs on; see sets.h. */
enum {
    BENCH_SET_MAIN = 1,       /* the keys in random order, values of 100 bytes */
    BENCH_SET_SEQUENTIAL = 2, /* the keys in order */
    BENCH_SET_VALUES = 4,     /* values of other sizes, fewer keys */
    BENCH_SET_DURABLE = 8,    /* empty at first; each put is synced */
    BENCH_SET_BUFFERED = 16,  /* fewer keys; puts may stay in the process */
    /* marks of a workload */
    BENCH_SET_COUNTERS = 32, /* where values have 8 bytes */
    BENCH_SET_VARIANTS = 64, /* what shows a variant: the quick profile runs it for those too */
    BENCH_SET_KINDS = 128    /* likewise, for those of const values and objects alone */
};

typedef enum bench_kind {
    BENCH_FILL,    /* puts keys that are missing of those the set is to hold */
    BENCH_INSERT,  /* puts keys beyond those */
    BENCH_UPDATE,  /* puts keys that are there */
    BENCH_READ,    /* reads keys that are there; may put them, or keys beyond */
    BENCH_SCAN,    /* likewise, and needs an ordered engine */
    BENCH_REMOVE,  /* deletes keys, which are put back afterwards */
    BENCH_TICKETS, /* needs tickets */
    BENCH_BATCHES, /* needs batches; otherwise as BENCH_UPDATE or BENCH_INSERT */
    BENCH_FIGURES  /* no operation: sets.c measures it */
} bench_kind;

/** A database under measurement. */
struct bench_set {
    const struct bench_engine *engine;
    struct bench_config config;
    void *db;
    uint64_t keys;    /* ids below this are there, once it is loaded */
    uint64_t loaded;  /* ids below this are there now */
    uint64_t fresh;   /* ids from here on were never used */
    uint64_t version; /* of the values that the next workload writes */
    const uint32_t *ranks;
    double seconds; /* of a workload */
    uint32_t repeat;
    int out; /* rows go there */
    bool is_sequential;
    bool is_cold; /* much was put since all records were read */
};

/** Records that are put together. */
struct bench_batch {
    struct bench_pair pairs[BENCH_BATCH_RECORDS];
    unsigned char keys[BENCH_BATCH_RECORDS][BENCH_KEY_BYTES];
    unsigned char values[]; /* one behind the other */
};

/** A thread that performs one workload. */
struct bench_worker {
    struct bench_set *set;
    const struct bench_workload *workload;
    void *thread; /* the engine's */
    unsigned char *value;
    unsigned char *old_value;  /* that a cas expects */
    struct bench_batch *batch; /* NULL, if the workload needs none */
    struct bench_histogram histogram;
    uint64_t random;
    uint64_t draw;       /* next of the set's ranks */
    uint64_t base;       /* ids base + index + n * n_threads are this thread's to put or delete */
    uint64_t done;       /* how many of them are done */
    uint64_t limit;      /* at most so many */
    uint64_t start, end; /* ticks */
    uint64_t scanned;    /* records of the scan under way */
    uint64_t cut_scans;  /* that ended too early: the end of all keys, or a fault */
    const struct bench_scan *scan;
    unsigned char previous[BENCH_KEY_BYTES]; /* key of the scan under way */
    uint32_t index, n_threads;
};

/** One operation; false: there is nothing left to do. */
typedef bool (*bench_op_fn)(struct bench_worker *worker);

struct bench_workload {
    const char *name;
    const char *what;
    bench_op_fn op;
    bench_kind kind;
    uint32_t sets; /* BENCH_SET_MAIN ... */
    uint32_t
        quick_threads;    /* bit n: the quick profile runs it with n + 1 threads, on the main set */
    uint32_t ops_of_call; /* what one operation counts for */
};

enum { BENCH_RANKS = 1 << 20 };

/** All workloads, in the order in which they run on a set. */
const struct bench_workload *bench_workloads(size_t *count_out);

/** Can the engine do it? */
bool bench_workload_is_possible(const struct bench_workload *workload,
                                const struct bench_engine *engine);

/** Runs a workload with so many threads on an open set, and sends a row. Returns operations done,
 * those before the clock started included. */
uint64_t bench_workload_run(struct bench_set *set, const struct bench_workload *workload,
                            uint32_t n_threads);

/** Puts ids from .. from + count * step, every step-th, in batches. */
void bench_load(struct bench_set *set, uint64_t from, uint64_t count, uint64_t step);

/** Sends a figure that is no rate. */
void bench_send(const struct bench_set *set, const char *workload, const char *unit, double value);

#endif
