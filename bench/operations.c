#include "operations.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"

enum { LOCKS = 1024, PREFIX_BYTES = 2, PREFIX_RECORDS_MAX = 1000 };

/* Keys that are never put have ids from here on. */
static const uint64_t missing = UINT64_C(1) << 48;

/* -------------------------------------------------------------------------- which key, value */

static uint64_t
uniform(struct bench_worker *worker)
{
    return bench_random_below(&worker->random, worker->set->keys);
}

static uint32_t
rank(struct bench_worker *worker)
{
    return worker->set->ranks[worker->draw++ % BENCH_RANKS];
}

/* The popular ids lie anywhere, not side by side. */
static uint64_t
zipf(struct bench_worker *worker)
{
    return bench_mix(rank(worker)) % worker->set->keys;
}

static struct bench_bytes
key_of(const struct bench_worker *worker, uint64_t id, unsigned char key[BENCH_KEY_BYTES])
{
    bench_key(id, worker->set->is_sequential, key);
    return bench_bytes(key, BENCH_KEY_BYTES);
}

static struct bench_bytes
value_of(const struct bench_worker *worker, struct bench_bytes key, uint64_t version)
{
    const size_t len = worker->set->config.value_bytes;
    bench_value((const unsigned char *)key.data, version, worker->value, len);
    return bench_bytes(worker->value, len);
}

static void
on_value(void *context, struct bench_bytes key, struct bench_bytes value)
{
    const struct bench_worker *worker = (const struct bench_worker *)context;
    (void)bench_value_check(key, value, worker->set->config.value_bytes);
}

/* ------------------------------------------------------------------------ single operations */

static bool
put(struct bench_worker *worker, uint64_t id)
{
    unsigned char bytes[BENCH_KEY_BYTES];
    const struct bench_bytes key = key_of(worker, id, bytes);
    worker->set->engine->put(worker->thread, key, value_of(worker, key, worker->set->version));
    return true;
}

static bool
get(struct bench_worker *worker, uint64_t id)
{
    unsigned char bytes[BENCH_KEY_BYTES];
    const struct bench_bytes key = key_of(worker, id, bytes);
    if (!worker->set->engine->get(worker->thread, key, on_value, worker))
        bench_die("WRONG ANSWER: key %llu is not there", (unsigned long long)id);
    return true;
}

static struct bench_bytes
next_version(void *context, struct bench_bytes key, struct bench_bytes old)
{
    const struct bench_worker *worker = (const struct bench_worker *)context;
    if (old.data == NULL)
        bench_die("WRONG ANSWER: a key to be changed is not there");
    return value_of(worker, key, bench_value_check(key, old, worker->set->config.value_bytes) + 1);
}

/* What an engine without rmw is given: get and put under one of many locks. */
struct locked_rmw {
    struct bench_worker *worker;
    struct bench_bytes value;
};

static void
on_old_value(void *context, struct bench_bytes key, struct bench_bytes value)
{
    struct locked_rmw *rmw = (struct locked_rmw *)context;
    rmw->value = next_version(rmw->worker, key, value);
}

static pthread_mutex_t locks[LOCKS];
static pthread_once_t locks_once = PTHREAD_ONCE_INIT;

static void
init_locks(void)
{
    for (size_t i = 0; i < LOCKS; i++)
        (void)pthread_mutex_init(&locks[i], NULL);
}

static pthread_mutex_t *
lock_of(uint64_t id)
{
    (void)pthread_once(&locks_once, init_locks);
    return &locks[id % LOCKS];
}

static bool
rmw(struct bench_worker *worker, uint64_t id)
{
    const struct bench_engine *engine = worker->set->engine;
    unsigned char bytes[BENCH_KEY_BYTES];
    const struct bench_bytes key = key_of(worker, id, bytes);
    if (engine->rmw != NULL) {
        engine->rmw(worker->thread, key, next_version, worker);
        return true;
    }
    struct locked_rmw locked = {worker, {NULL, 0}};
    pthread_mutex_t *lock = lock_of(id);
    (void)pthread_mutex_lock(lock);
    if (!engine->get(worker->thread, key, on_old_value, &locked))
        bench_die("WRONG ANSWER: key %llu is not there", (unsigned long long)id);
    engine->put(worker->thread, key, locked.value);
    (void)pthread_mutex_unlock(lock);
    return true;
}

/* A value is kept for a cas, and the next version is made. */
static void
on_expected(void *context, struct bench_bytes key, struct bench_bytes value)
{
    struct bench_worker *worker = (struct bench_worker *)context;
    (void)next_version(worker, key, value);
    memcpy(worker->old_value, value.data, value.len);
}

struct comparison {
    struct bench_bytes expected;
    bool is_equal;
};

static void
on_compared(void *context, struct bench_bytes key, struct bench_bytes value)
{
    struct comparison *comparison = (struct comparison *)context;
    (void)key;
    comparison->is_equal = value.len == comparison->expected.len &&
                           memcmp(value.data, comparison->expected.data, value.len) == 0;
}

/* What an engine without cas is given: the same by get and put under one of many locks. */
static bool
locked_cas(struct bench_worker *worker, uint64_t id, struct bench_bytes key,
           struct bench_bytes expected, struct bench_bytes desired)
{
    const struct bench_engine *engine = worker->set->engine;
    struct comparison comparison = {expected, false};
    pthread_mutex_t *lock = lock_of(id);
    (void)pthread_mutex_lock(lock);
    (void)engine->get(worker->thread, key, on_compared, &comparison);
    if (comparison.is_equal)
        engine->put(worker->thread, key, desired);
    (void)pthread_mutex_unlock(lock);
    return comparison.is_equal;
}

static void
put_batch(struct bench_worker *worker, uint64_t (*next_id)(struct bench_worker *worker))
{
    const size_t len = worker->set->config.value_bytes;
    struct bench_batch *batch = worker->batch;
    for (size_t i = 0; i < BENCH_BATCH_RECORDS; i++) {
        unsigned char *value = batch->values + i * len;
        bench_key(next_id(worker), worker->set->is_sequential, batch->keys[i]);
        bench_value(batch->keys[i], worker->set->version, value, len);
        batch->pairs[i].key = bench_bytes(batch->keys[i], BENCH_KEY_BYTES);
        batch->pairs[i].value = bench_bytes(value, len);
    }
    worker->set->engine->batch(worker->thread, batch->pairs, BENCH_BATCH_RECORDS);
}

static void
on_scanned(void *context, struct bench_bytes key, struct bench_bytes value)
{
    struct bench_worker *worker = (struct bench_worker *)context;
    const struct bench_scan *scan = worker->scan;
    if (key.len != BENCH_KEY_BYTES)
        bench_die("WRONG KEY: %zu bytes", key.len);
    if (worker->scanned == 0) {
        if (!scan->is_prefix && memcmp(key.data, scan->from.data, BENCH_KEY_BYTES) != 0)
            bench_die("WRONG SCAN: it does not begin where it should");
    } else {
        const int order = memcmp(key.data, worker->previous, BENCH_KEY_BYTES);
        if (scan->is_backwards ? order >= 0 : order <= 0)
            bench_die("WRONG SCAN: keys out of order");
    }
    if (scan->is_prefix && memcmp(key.data, scan->from.data, scan->from.len) != 0)
        bench_die("WRONG SCAN: a key without the prefix");
    memcpy(worker->previous, key.data, BENCH_KEY_BYTES);
    if (!scan->is_keys_only)
        (void)bench_value_check(key, value, worker->set->config.value_bytes);
    worker->scanned++;
}

static bool
scan_from(struct bench_worker *worker, uint64_t id, struct bench_scan scan)
{
    unsigned char bytes[BENCH_KEY_BYTES];
    scan.from = key_of(worker, id, bytes);
    if (scan.is_prefix)
        scan.from.len = PREFIX_BYTES;
    worker->scan = &scan;
    worker->scanned = 0;
    worker->set->engine->scan(worker->thread, &scan, on_scanned, worker);
    if (worker->scanned == 0)
        bench_die("WRONG SCAN: it found nothing");
    if (worker->scanned < scan.records && !scan.is_prefix)
        worker->cut_scans++;
    worker->scan = NULL;
    return true;
}

/* --------------------------------------------------------------------------- the workloads */

/* The next of the ids that are this thread's. */
static uint64_t
next_own(struct bench_worker *worker)
{
    return worker->base + worker->index + worker->done++ * worker->n_threads;
}

bool
bench_op_fill(struct bench_worker *worker)
{
    if (worker->done == worker->limit)
        return false;
    return put(worker, next_own(worker));
}

bool
bench_op_fill_batch(struct bench_worker *worker)
{
    put_batch(worker, next_own);
    return true;
}

bool
bench_op_batch(struct bench_worker *worker)
{
    put_batch(worker, uniform);
    return true;
}

bool
bench_op_put_ticket(struct bench_worker *worker)
{
    unsigned char bytes[BENCH_KEY_BYTES];
    const struct bench_bytes key = key_of(worker, next_own(worker), bytes);
    worker->set->engine->put_ticket(worker->thread, key,
                                    value_of(worker, key, worker->set->version));
    return true;
}

bool
bench_op_overwrite_uniform(struct bench_worker *worker)
{
    return put(worker, uniform(worker));
}

bool
bench_op_overwrite_zipf(struct bench_worker *worker)
{
    return put(worker, zipf(worker));
}

bool
bench_op_get_uniform(struct bench_worker *worker)
{
    return get(worker, uniform(worker));
}

bool
bench_op_get_zipf(struct bench_worker *worker)
{
    return get(worker, zipf(worker));
}

bool
bench_op_get_missing(struct bench_worker *worker)
{
    unsigned char bytes[BENCH_KEY_BYTES];
    const uint64_t id = missing + bench_random_below(&worker->random, missing);
    if (worker->set->engine->get(worker->thread, key_of(worker, id, bytes), on_value, worker))
        bench_die("WRONG ANSWER: a key that was never put is there");
    return true;
}

bool
bench_op_multi_get(struct bench_worker *worker)
{
    const struct bench_engine *engine = worker->set->engine;
    unsigned char bytes[BENCH_MULTI_GET_KEYS][BENCH_KEY_BYTES];
    struct bench_bytes keys[BENCH_MULTI_GET_KEYS];
    for (size_t i = 0; i < BENCH_MULTI_GET_KEYS; i++)
        keys[i] = key_of(worker, uniform(worker), bytes[i]);
    if (engine->multi_get != NULL)
        engine->multi_get(worker->thread, keys, BENCH_MULTI_GET_KEYS, on_value, worker);
    for (size_t i = 0; i < BENCH_MULTI_GET_KEYS && engine->multi_get == NULL; i++) {
        if (!engine->get(worker->thread, keys[i], on_value, worker))
            bench_die("WRONG ANSWER: a key is not there");
    }
    return true;
}

bool
bench_op_scan(struct bench_worker *worker)
{
    const struct bench_scan scan = {.records = BENCH_SCAN_RECORDS};
    return scan_from(worker, uniform(worker), scan);
}

bool
bench_op_scan_keys(struct bench_worker *worker)
{
    const struct bench_scan scan = {.records = BENCH_SCAN_RECORDS, .is_keys_only = true};
    return scan_from(worker, uniform(worker), scan);
}

bool
bench_op_scan_back(struct bench_worker *worker)
{
    const struct bench_scan scan = {.records = BENCH_SCAN_RECORDS, .is_backwards = true};
    return scan_from(worker, uniform(worker), scan);
}

bool
bench_op_prefix_scan(struct bench_worker *worker)
{
    const struct bench_scan scan = {.records = PREFIX_RECORDS_MAX, .is_prefix = true};
    return scan_from(worker, uniform(worker), scan);
}

bool
bench_op_delete(struct bench_worker *worker)
{
    unsigned char bytes[BENCH_KEY_BYTES];
    if (worker->done == worker->limit)
        return false;
    const uint64_t id = next_own(worker);
    if (!worker->set->engine->del(worker->thread, key_of(worker, id, bytes)))
        bench_die("WRONG ANSWER: key %llu to be deleted is not there", (unsigned long long)id);
    return true;
}

bool
bench_op_rmw(struct bench_worker *worker)
{
    return rmw(worker, uniform(worker));
}

bool
bench_op_cas(struct bench_worker *worker)
{
    const struct bench_engine *engine = worker->set->engine;
    const size_t len = worker->set->config.value_bytes;
    const struct bench_bytes expected = bench_bytes(worker->old_value, len);
    const struct bench_bytes desired = bench_bytes(worker->value, len);
    unsigned char bytes[BENCH_KEY_BYTES];
    const uint64_t id = uniform(worker);
    const struct bench_bytes key = key_of(worker, id, bytes);
    bool is_done = false;
    while (!is_done) {
        if (!engine->get(worker->thread, key, on_expected, worker))
            bench_die("WRONG ANSWER: key %llu is not there", (unsigned long long)id);
        is_done = engine->cas != NULL ? engine->cas(worker->thread, key, expected, desired)
                                      : locked_cas(worker, id, key, expected, desired);
    }
    return true;
}

/* The upper half of a value of 8 bytes is its version: the sum is a value of the key, too. */
bool
bench_op_add(struct bench_worker *worker)
{
    const struct bench_engine *engine = worker->set->engine;
    const uint64_t id = uniform(worker);
    unsigned char bytes[BENCH_KEY_BYTES];
    const struct bench_bytes key = key_of(worker, id, bytes);
    if (engine->add == NULL)
        return rmw(worker, id);
    const int64_t sum = engine->add(worker->thread, key, INT64_C(1) << 32);
    (void)bench_value_check(key, bench_bytes(&sum, sizeof sum), sizeof sum);
    return true;
}

static bool
is_one_of(struct bench_worker *worker, uint64_t in_100)
{
    return bench_random_below(&worker->random, 100) < in_100;
}

bool
bench_op_ycsb_a(struct bench_worker *worker)
{
    return is_one_of(worker, 50) ? put(worker, zipf(worker)) : get(worker, zipf(worker));
}

bool
bench_op_ycsb_b(struct bench_worker *worker)
{
    return is_one_of(worker, 5) ? put(worker, zipf(worker)) : get(worker, zipf(worker));
}

bool
bench_op_ycsb_c(struct bench_worker *worker)
{
    return get(worker, zipf(worker));
}

bool
bench_op_ycsb_d(struct bench_worker *worker)
{
    if (is_one_of(worker, 5))
        return bench_op_fill(worker);
    /* The latest: what this thread put, the newest first, then what was there before. */
    const uint64_t age = rank(worker);
    if (age >= worker->done)
        return get(worker, worker->set->keys - 1 - (age - worker->done) % worker->set->keys);
    return get(worker, worker->base + worker->index + (worker->done - 1 - age) * worker->n_threads);
}

bool
bench_op_ycsb_e(struct bench_worker *worker)
{
    struct bench_scan scan = {.records = 1};
    if (is_one_of(worker, 5))
        return bench_op_fill(worker);
    scan.records += (uint32_t)bench_random_below(&worker->random, BENCH_SCAN_RECORDS);
    return scan_from(worker, zipf(worker), scan);
}

bool
bench_op_ycsb_f(struct bench_worker *worker)
{
    return is_one_of(worker, 50) ? rmw(worker, zipf(worker)) : get(worker, zipf(worker));
}
