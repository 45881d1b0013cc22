/*
 * bench.h: what the parts of the benchmark share: an engine, its settings, and one figure.
 *
 * A worker process opens one engine and measures (sets.h); the process that started it collects
 * rows (runner.h) and writes them down (report.h). Nothing here survives a failure: bench_die()
 * ends the worker, and with it the run.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BENCH_KEY_BYTES = 16,
    BENCH_NAME_BYTES = 32,
    BENCH_THREADS_MAX = 128,
    BENCH_SCAN_RECORDS = 100,
    BENCH_MULTI_GET_KEYS = 32,
    BENCH_LOAD_RECORDS = 1000, /* of one call */
    BENCH_BATCH_RECORDS = 100
};

/** Borrowed bytes. */
struct bench_bytes {
    const void *data;
    size_t len;
};

struct bench_pair {
    struct bench_bytes key;
    struct bench_bytes value;
};

/** What a put survives: on return it is with the operating system, or on the device, or may still
 * be in memory of the process. */
typedef enum bench_durability { BENCH_WRITTEN, BENCH_SYNCED, BENCH_BUFFERED } bench_durability;

/** What an engine is opened with; the same for all engines. */
struct bench_config {
    const char *directory; /* exists; empty, or as the same engine left it */
    bench_durability durability;
    uint64_t keys;        /* that will be there; a hint for tables of fixed size */
    uint64_t cache_bytes; /* for blocks, pages or values, if the engine has such a cache */
    uint32_t value_bytes; /* of each value */
};

/** A record that was read: valid during the call. Checks it. */
typedef void (*bench_visit_fn)(void *context, struct bench_bytes key, struct bench_bytes value);
/** The new value of a record; `old.data` is NULL if there is none. Valid until the next call. */
typedef struct bench_bytes (*bench_modify_fn)(void *context, struct bench_bytes key,
                                              struct bench_bytes old);

/** One walk over neighbouring keys. */
struct bench_scan {
    struct bench_bytes from; /* where it starts; or what all keys begin with, if is_prefix */
    uint32_t records;        /* at most */
    bool is_keys_only;       /* visited with an empty value */
    bool is_backwards;
    bool is_prefix;
};

/** What an engine says of itself; 0 = it does not say. */
struct bench_engine_stats {
    uint64_t memory_bytes; /* of index, buffers and caches of its own */
};

enum {
    BENCH_ORDERED = 1,      /* it can scan */
    BENCH_IN_PROCESS = 2,   /* level `written` keeps puts in the process: a kill loses them */
    BENCH_FLOOR = 4,        /* no engine: what the device does */
    BENCH_CONST_VALUES = 8, /* short values of one length only */
    BENCH_OURS = 16,
    BENCH_NEVER_SYNCED = 32, /* it has no level `synced` */
    BENCH_ANCESTOR = 64,     /* compared with ours by itself, whatever a kill loses */
    BENCH_VARIANT = 128, /* of another engine: the quick profile has the most telling rows only */
    BENCH_OBJECTS = 256, /* values are decoded once, and read as objects */
    BENCH_BUFFERS = 512  /* has a level `buffered` below `written` */
};

/**
 * One engine. A function that is NULL is a thing it cannot do; the workloads that need it are left
 * out. Functions that take a thread's handle are called by that thread alone; the others by one
 * thread while no other is in a call. Whatever fails calls bench_die().
 */
struct bench_engine {
    const char *name;
    const char *settings; /* one line for the report */
    uint32_t traits;      /* BENCH_ORDERED ... */
    uint32_t reserved;
    void *(*open)(const struct bench_config *config);
    void (*close)(void *db);
    void *(*thread_open)(void *db);
    void (*thread_close)(void *thread);
    void (*put)(void *thread, struct bench_bytes key, struct bench_bytes value);
    /* stores many records at once, or one by one if NULL */
    void (*load)(void *thread, const struct bench_pair *pairs, size_t n_pairs);
    bool (*get)(void *thread, struct bench_bytes key, bench_visit_fn visit, void *context);
    /* reads keys that are there; one by one if NULL */
    void (*multi_get)(void *thread, const struct bench_bytes *keys, size_t n_keys,
                      bench_visit_fn visit, void *context);
    bool (*del)(void *thread, struct bench_bytes key);
    /* reads and replaces a record, atomically; by a lock of the benchmark if NULL */
    void (*rmw)(void *thread, struct bench_bytes key, bench_modify_fn modify, void *context);
    /* replaces `expected` by `desired`, atomically; false: the key has another value by now. By a
     * lock of the benchmark if NULL */
    bool (*cas)(void *thread, struct bench_bytes key, struct bench_bytes expected,
                struct bench_bytes desired);
    /* adds to a value of 8 bytes, lowest first, atomically, and returns the sum; as rmw if NULL */
    int64_t (*add)(void *thread, struct bench_bytes key, int64_t delta);
    /* puts many records: all or none, also after a kill. NULL: it has no such thing */
    void (*batch)(void *thread, const struct bench_pair *pairs, size_t n_pairs);
    void (*scan)(void *thread, const struct bench_scan *scan, bench_visit_fn visit, void *context);
    /* a synced put that does not wait for the sync, unless 256 are under way */
    void (*put_ticket)(void *thread, struct bench_bytes key, struct bench_bytes value);
    void (*sync)(void *db); /* on return all is on the device */
    void (*stats)(void *db, struct bench_engine_stats *stats_out);
};

/** One figure. */
struct bench_row {
    char engine[BENCH_NAME_BYTES];
    char workload[BENCH_NAME_BYTES];
    char unit[BENCH_NAME_BYTES]; /* "ops/s", "ms", "B/key", "x", "%" */
    uint32_t threads;
    uint32_t value_bytes;
    uint32_t repeat;
    uint32_t reserved;
    uint64_t keys;
    uint64_t ops;
    double value;
    double p50_us, p99_us, p999_us, max_us; /* of one call; 0 = not measured */
};

/** Says what went wrong on standard error, with the engine's name, and ends the process. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The name that bench_die() puts before its message. */
void bench_set_name(const char *name);

static inline struct bench_bytes
bench_bytes(const void *data, size_t len)
{
    struct bench_bytes bytes = {data, len};
    return bytes;
}

#endif
