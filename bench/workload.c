#include "workload.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "keys.h"
#include "operations.h"

enum {
    MAIN = BENCH_SET_MAIN,
    VALUES = BENCH_SET_VALUES,
    BUFFERED = BENCH_SET_BUFFERED,
    VARIANTS = BENCH_SET_VARIANTS,
    KINDS = BENCH_SET_KINDS,
    ONE = 1,
    TWO = 2,
    BOTH = 3
};

static const struct bench_workload workloads[] = {
    {"fill-seq", "puts of new keys, in order", bench_op_fill, BENCH_FILL, BENCH_SET_SEQUENTIAL, ONE,
     1},
    {"fill-random", "puts of new keys, in random order", bench_op_fill, BENCH_FILL,
     MAIN | VALUES | VARIANTS, BOTH, 1},
    {"space", "memory, bytes on disk and bytes written, by the load", NULL, BENCH_FIGURES, MAIN,
     ONE, 1},
    {"get-uniform", "gets, each key as likely", bench_op_get_uniform, BENCH_READ,
     MAIN | VALUES | VARIANTS, BOTH, 1},
    {"get-zipf", "gets, some keys far more likely (zipf, 0.99)", bench_op_get_zipf, BENCH_READ,
     MAIN, TWO, 1},
    {"get-missing", "gets of keys that are not there", bench_op_get_missing, BENCH_READ, MAIN, ONE,
     1},
    {"multi-get", "gets of 32 keys, by one call if there is one; counted in keys",
     bench_op_multi_get, BENCH_READ, MAIN | KINDS, ONE, BENCH_MULTI_GET_KEYS},
    {"scan", "walks over 100 keys with their values", bench_op_scan, BENCH_SCAN, MAIN, ONE, 1},
    {"scan-keys", "walks over 100 keys alone", bench_op_scan_keys, BENCH_SCAN, MAIN, ONE, 1},
    {"scan-back", "walks over 100 keys with their values, backwards", bench_op_scan_back,
     BENCH_SCAN, MAIN, ONE, 1},
    {"prefix-scan", "walks over all keys that share two first bytes", bench_op_prefix_scan,
     BENCH_SCAN, MAIN, ONE, 1},
    {"overwrite-uniform", "puts of keys that are there", bench_op_overwrite_uniform, BENCH_UPDATE,
     MAIN | VALUES | VARIANTS, BOTH, 1},
    {"overwrite-zipf", "puts of keys that are there, some far more likely", bench_op_overwrite_zipf,
     BENCH_UPDATE, MAIN, TWO, 1},
    {"batch", "puts of keys that are there, 100 as one; counted in keys", bench_op_batch,
     BENCH_BATCHES, MAIN | KINDS, ONE, BENCH_BATCH_RECORDS},
    {"rmw", "read, change and write one record, atomically", bench_op_rmw, BENCH_READ, MAIN | KINDS,
     BOTH, 1},
    {"cas", "get, then put if the value is still that one", bench_op_cas, BENCH_READ, MAIN | KINDS,
     ONE, 1},
    {"add", "adds 1 to a number of 8 bytes, atomically", bench_op_add, BENCH_READ,
     BENCH_SET_COUNTERS, BOTH, 1},
    {"ycsb-a", "half gets, half puts (zipf)", bench_op_ycsb_a, BENCH_READ, MAIN, TWO, 1},
    {"ycsb-b", "95 % gets, 5 % puts (zipf)", bench_op_ycsb_b, BENCH_READ, MAIN, TWO, 1},
    {"ycsb-c", "gets only (zipf)", bench_op_ycsb_c, BENCH_READ, MAIN, TWO, 1},
    {"ycsb-d", "95 % gets of the latest keys, 5 % new keys", bench_op_ycsb_d, BENCH_READ, MAIN, TWO,
     1},
    {"ycsb-e", "95 % walks over 1 to 100 keys, 5 % new keys", bench_op_ycsb_e, BENCH_SCAN, MAIN,
     TWO, 1},
    {"ycsb-f", "half gets, half read-modify-writes (zipf)", bench_op_ycsb_f, BENCH_READ, MAIN, TWO,
     1},
    {"delete", "deletes of keys that are there", bench_op_delete, BENCH_REMOVE, MAIN, ONE, 1},
    {"space-overwrite", "bytes on disk and bytes written, by putting keys once more", NULL,
     BENCH_FIGURES, MAIN, ONE, 1},
    {"open", "close, open, and open after a kill; what the kill lost", NULL, BENCH_FIGURES, MAIN,
     ONE, 1},
    {"buffered-put", "puts of keys that are there, may stay in the process",
     bench_op_overwrite_uniform, BENCH_UPDATE, BUFFERED, ONE, 1},
    {"buffered-batch", "the same, 100 as one; counted in keys", bench_op_batch, BENCH_BATCHES,
     BUFFERED, ONE, BENCH_BATCH_RECORDS},
    {"durable-put", "puts of new keys, on the device when they return", bench_op_fill, BENCH_INSERT,
     BENCH_SET_DURABLE, ONE, 1},
    {"durable-tickets", "the same with 256 under way at once in each thread", bench_op_put_ticket,
     BENCH_TICKETS, BENCH_SET_DURABLE, ONE, 1},
    {"durable-batch", "the same, 100 as one by one thread; counted in keys", bench_op_fill_batch,
     BENCH_BATCHES, BENCH_SET_DURABLE, ONE, BENCH_BATCH_RECORDS},
};

const struct bench_workload *
bench_workloads(size_t *count_out)
{
    *count_out = sizeof workloads / sizeof workloads[0];
    return workloads;
}

bool
bench_workload_is_possible(const struct bench_workload *workload, const struct bench_engine *engine)
{
    if (engine->traits & BENCH_FLOOR)
        return workload->sets == BENCH_SET_DURABLE && workload->kind == BENCH_INSERT;
    /* The log of armdb-const and armdb-object is that of armdb. */
    if ((workload->sets & (BENCH_SET_DURABLE | BENCH_SET_BUFFERED)) != 0 &&
        (engine->traits & (BENCH_CONST_VALUES | BENCH_OBJECTS)) != 0)
        return false;
    if (workload->sets == BENCH_SET_DURABLE && (engine->traits & BENCH_NEVER_SYNCED) != 0)
        return false;
    if (workload->sets == BENCH_SET_BUFFERED &&
        (engine->batch == NULL || (engine->traits & (BENCH_BUFFERS | BENCH_IN_PROCESS)) == 0))
        return false;
    if (workload->kind == BENCH_SCAN)
        return engine->scan != NULL;
    if (workload->kind == BENCH_TICKETS)
        return engine->put_ticket != NULL;
    if (workload->kind == BENCH_BATCHES)
        return engine->batch != NULL;
    return true;
}

static void
send_row(const struct bench_row *row, int out)
{
    if (write(out, row, sizeof *row) != (ssize_t)sizeof *row)
        bench_die("cannot send a row");
}

static struct bench_row
row_of(const struct bench_set *set, const char *workload, const char *unit)
{
    struct bench_row row;
    memset(&row, 0, sizeof row);
    snprintf(row.engine, sizeof row.engine, "%s", set->engine->name);
    snprintf(row.workload, sizeof row.workload, "%s", workload);
    snprintf(row.unit, sizeof row.unit, "%s", unit);
    row.threads = 1;
    row.value_bytes = set->config.value_bytes;
    row.repeat = set->repeat;
    row.keys = set->keys;
    return row;
}

void
bench_send(const struct bench_set *set, const char *workload, const char *unit, double value)
{
    struct bench_row row = row_of(set, workload, unit);
    row.value = value;
    send_row(&row, set->out);
}

/* ------------------------------------------------------------------------------------ load */

void
bench_load(struct bench_set *set, uint64_t from, uint64_t count, uint64_t step)
{
    const struct bench_engine *engine = set->engine;
    const size_t value_bytes = set->config.value_bytes;
    unsigned char(*keys)[BENCH_KEY_BYTES] =
        (unsigned char(*)[BENCH_KEY_BYTES])bench_new(BENCH_LOAD_RECORDS * sizeof *keys);
    unsigned char *values = (unsigned char *)bench_new(BENCH_LOAD_RECORDS * value_bytes);
    struct bench_pair *pairs = (struct bench_pair *)bench_new(BENCH_LOAD_RECORDS * sizeof *pairs);
    void *thread = engine->thread_open(set->db);
    for (uint64_t i = 0; i < count;) {
        size_t n = 0;
        for (; n < BENCH_LOAD_RECORDS && i < count; n++, i++) {
            unsigned char *value = values + n * value_bytes;
            bench_key(from + i * step, set->is_sequential, keys[n]);
            bench_value(keys[n], set->version, value, value_bytes);
            pairs[n].key = bench_bytes(keys[n], BENCH_KEY_BYTES);
            pairs[n].value = bench_bytes(value, value_bytes);
        }
        if (engine->load != NULL)
            engine->load(thread, pairs, n);
        for (size_t k = 0; k < n && engine->load == NULL; k++)
            engine->put(thread, pairs[k].key, pairs[k].value);
    }
    engine->thread_close(thread);
    free(keys);
    free(values);
    free(pairs);
}

/* ------------------------------------------------------------------------------------- run */

struct run {
    pthread_barrier_t start;
    pthread_t threads[BENCH_THREADS_MAX];
    struct bench_worker *workers[BENCH_THREADS_MAX];
};

static struct run run;

/* Performs the workload: first for a while that does not count, then by the clock. */
static void
measure(struct bench_worker *worker)
{
    const bench_op_fn op = worker->workload->op;
    const uint64_t time = bench_seconds_ticks(worker->set->seconds);
    const uint64_t warm_limit = worker->done + worker->limit / 5;
    const uint64_t warm_end = bench_ticks() + time / 4;
    uint64_t previous = bench_ticks(), now;
    while (previous < warm_end && worker->done < warm_limit && op(worker))
        previous = bench_ticks();
    worker->start = previous;
    while (previous < worker->start + time && op(worker)) {
        now = bench_ticks();
        bench_histogram_add(&worker->histogram, now - previous);
        previous = now;
    }
    worker->end = previous;
}

static void *
work(void *argument)
{
    struct bench_worker *worker = (struct bench_worker *)argument;
    const struct bench_engine *engine = worker->set->engine;
    const size_t value_bytes = worker->set->config.value_bytes;
    worker->thread = engine->thread_open(worker->set->db);
    worker->value = (unsigned char *)bench_new(value_bytes);
    worker->old_value = (unsigned char *)bench_new(value_bytes);
    if (worker->workload->kind == BENCH_BATCHES)
        worker->batch = (struct bench_batch *)bench_new(sizeof *worker->batch +
                                                        BENCH_BATCH_RECORDS * value_bytes);
    (void)pthread_barrier_wait(&run.start);
    measure(worker);
    engine->thread_close(worker->thread);
    free(worker->value);
    free(worker->old_value);
    free(worker->batch);
    return NULL;
}

/* Which ids a thread may put or delete. */
static void
give_ids(struct bench_worker *worker)
{
    const struct bench_set *set = worker->set;
    worker->base = set->fresh;
    worker->limit = UINT64_MAX;
    if (worker->workload->kind == BENCH_FILL) {
        worker->base = set->loaded;
        worker->limit = (set->keys - set->loaded) / 2 / worker->n_threads;
    } else if (worker->workload->kind == BENCH_REMOVE) {
        worker->base = 0;
        worker->limit = set->keys / 4 / worker->n_threads;
    }
}

/* Makes the set hold ids without gaps again, and its counts right. */
static void
mend(struct bench_set *set, uint32_t n_threads)
{
    const struct bench_worker *first = run.workers[0];
    uint64_t most = 0;
    for (uint32_t i = 0; i < n_threads; i++) {
        const struct bench_worker *worker = run.workers[i];
        if (first->workload->kind == BENCH_FILL)
            bench_load(set, worker->base + i + worker->done * n_threads,
                       worker->limit - worker->done, n_threads);
        if (first->workload->kind == BENCH_REMOVE)
            bench_load(set, worker->base + i, worker->done, n_threads);
        most = worker->done > most ? worker->done : most;
    }
    if (first->workload->kind == BENCH_FILL)
        set->loaded += first->limit * n_threads;
    else if (first->workload->kind != BENCH_REMOVE)
        set->fresh += most * n_threads;
}

static void
send_result(struct bench_set *set, const struct bench_workload *workload, uint32_t n_threads)
{
    struct bench_histogram *all = &run.workers[0]->histogram;
    struct bench_row row = row_of(set, workload->name, "ops/s");
    uint64_t start = run.workers[0]->start, end = run.workers[0]->end, cut_scans = 0;
    for (uint32_t i = 0; i < n_threads; i++) {
        const struct bench_worker *worker = run.workers[i];
        if (i > 0)
            bench_histogram_merge(all, &worker->histogram);
        start = worker->start < start ? worker->start : start;
        end = worker->end > end ? worker->end : end;
        cut_scans += worker->cut_scans;
    }
    /* A walk of 100 keys from a random one meets the end now and then; a zipf walk more often. */
    if (workload->kind == BENCH_SCAN && set->keys > 100000 && cut_scans > 100 + all->count / 10)
        bench_die("WRONG SCAN: %llu of %llu ended early", (unsigned long long)cut_scans,
                  (unsigned long long)all->count);
    row.threads = n_threads;
    row.ops = all->count * workload->ops_of_call;
    row.value = end > start ? (double)row.ops * 1e9 / bench_ticks_ns((double)(end - start)) : 0;
    row.p50_us = bench_ticks_ns(bench_histogram_at(all, 0.5)) / 1e3;
    row.p99_us = bench_ticks_ns(bench_histogram_at(all, 0.99)) / 1e3;
    row.p999_us = bench_ticks_ns(bench_histogram_at(all, 0.999)) / 1e3;
    row.max_us = bench_ticks_ns((double)all->max) / 1e3;
    send_row(&row, set->out);
}

uint64_t
bench_workload_run(struct bench_set *set, const struct bench_workload *workload, uint32_t n_threads)
{
    uint64_t ops = 0;
    set->version++;
    (void)pthread_barrier_init(&run.start, NULL, n_threads);
    for (uint32_t i = 0; i < n_threads; i++) {
        struct bench_worker *worker = (struct bench_worker *)bench_new(sizeof *worker);
        run.workers[i] = worker;
        worker->set = set;
        worker->workload = workload;
        worker->index = i;
        worker->n_threads = n_threads;
        worker->random = bench_mix(set->repeat * 1000 + i);
        worker->draw = bench_mix(worker->random);
        give_ids(worker);
        if (pthread_create(&run.threads[i], NULL, work, worker) != 0)
            bench_die("cannot start a thread");
    }
    for (uint32_t i = 0; i < n_threads; i++)
        (void)pthread_join(run.threads[i], NULL);
    (void)pthread_barrier_destroy(&run.start);
    send_result(set, workload, n_threads);
    mend(set, n_threads);
    for (uint32_t i = 0; i < n_threads; i++) {
        ops += run.workers[i]->histogram.count;
        free(run.workers[i]);
    }
    return ops;
}
