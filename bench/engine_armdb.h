/* engine_armdb.h: what the adapters of this project's own library share. */
#ifndef BENCH_ENGINE_ARMDB_H
#define BENCH_ENGINE_ARMDB_H

#include "armdb/armdb.h"
#include "engine.h"

enum { VALUE_BUFFER_BYTES = 1 << 20, TICKETS_IN_FLIGHT = 256 };

struct armdb_bench_thread {
    armdb_collection *collection;
    armdb_cursor *cursors[2]; /* of values; of keys only. Made when first used */
    armdb_batch *batch;       /* likewise */
    unsigned char *buffer;    /* of values that are read */
    armdb_db *db;
    armdb_ticket tickets[TICKETS_IN_FLIGHT]; /* a ring */
    uint64_t issued;
};

/** Ends the process, unless `err` is ARMDB_OK. */
void armdb_bench_check(armdb_err err, const char *what);

/** Opens a database with the default options, its collection by `collection`; but keys have 16
 * bytes. */
void *armdb_bench_open_collection(const struct bench_config *config,
                                  const armdb_collection_options *collection);

/* Functions of a bench_engine. */
void armdb_bench_close(void *db);
void *armdb_bench_thread_open(void *db);
void armdb_bench_thread_close(void *thread);
void armdb_bench_put(void *thread, struct bench_bytes key, struct bench_bytes value);
bool armdb_bench_get(void *thread, struct bench_bytes key, bench_visit_fn visit, void *context);
void armdb_bench_multi_get(void *thread, const struct bench_bytes *keys, size_t n_keys,
                           bench_visit_fn visit, void *context);
bool armdb_bench_del(void *thread, struct bench_bytes key);
void armdb_bench_rmw(void *thread, struct bench_bytes key, bench_modify_fn modify, void *context);
bool armdb_bench_cas(void *thread, struct bench_bytes key, struct bench_bytes expected,
                     struct bench_bytes desired);
void armdb_bench_batch(void *thread, const struct bench_pair *pairs, size_t n_pairs);
void armdb_bench_scan(void *thread, const struct bench_scan *scan, bench_visit_fn visit,
                      void *context);
void armdb_bench_put_ticket(void *thread, struct bench_bytes key, struct bench_bytes value);
void armdb_bench_sync(void *db);
void armdb_bench_stats(void *db, struct bench_engine_stats *stats_out);

/* All but opening, putting, reading and walking, which differ. */
#define ARMDB_BENCH_COMMON                                                                         \
    .close = armdb_bench_close, .thread_open = armdb_bench_thread_open,                            \
    .thread_close = armdb_bench_thread_close, .del = armdb_bench_del, .rmw = armdb_bench_rmw,      \
    .cas = armdb_bench_cas, .batch = armdb_bench_batch, .put_ticket = armdb_bench_put_ticket,      \
    .sync = armdb_bench_sync, .stats = armdb_bench_stats

static inline armdb_slice
slice(struct bench_bytes bytes)
{
    return armdb_bytes(bytes.data, bytes.len);
}

static inline struct bench_bytes
unslice(armdb_slice bytes)
{
    return bench_bytes(bytes.data, bytes.len);
}

#endif
