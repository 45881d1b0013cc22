/*
 * cold.c: reads of data that is larger than memory. bench/cold.py runs it for each engine, inside
 * a control group that bounds the memory of the process and of the pages that the system keeps.
 *
 *   cold load ENGINE DIRECTORY KEYS CACHE_MIB
 *   cold run ENGINE DIRECTORY KEYS CACHE_MIB SECONDS
 *
 * `load` makes a database of KEYS keys. `run` reads it in several ways, each with one and two
 * threads, SECONDS after half of that to warm up, and checks each value. A line for each: workload,
 * threads, operations a second (of multi-get: keys), p50, p99, p99.9 and the longest of calls in
 * us, and bytes read from the device for each operation.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "keys.h"
#include "process.h"
#include "timing.h"

enum { VALUE_BYTES = 400, RANKS = 1 << 20, THREADS_MAX = 2 };

struct cold {
    const struct bench_engine *engine;
    void *db;
    uint64_t keys;
    double seconds;
    uint32_t *ranks;
    uint64_t read_bytes; /* from the device, when the clock was started */
    pthread_barrier_t start;
};

struct reader {
    struct cold *cold;
    void *thread; /* the engine's */
    uint64_t random;
    uint64_t records; /* that were visited */
    uint64_t begin, end;
    uint32_t workload;
    struct bench_histogram histogram;
    pthread_t pthread;
};

/* ------------------------------------------------------------------ operations */

static void
visit(void *context, struct bench_bytes key, struct bench_bytes value)
{
    struct reader *reader = (struct reader *)context;
    (void)bench_value_check(key, value, VALUE_BYTES);
    reader->records++;
}

static uint64_t
uniform(struct reader *reader)
{
    return bench_random_below(&reader->random, reader->cold->keys);
}

static struct bench_bytes
key_of(uint64_t id, unsigned char key[BENCH_KEY_BYTES])
{
    bench_key(id, false, key);
    return bench_bytes(key, BENCH_KEY_BYTES);
}

static void
get(struct reader *reader, uint64_t id)
{
    unsigned char key[BENCH_KEY_BYTES];
    if (!reader->cold->engine->get(reader->thread, key_of(id, key), visit, reader))
        bench_die("a key is missing");
}

static void
get_uniform(struct reader *reader)
{
    get(reader, uniform(reader));
}

/* The popular ids lie anywhere, not side by side. */
static void
get_zipf(struct reader *reader)
{
    uint32_t rank = reader->cold->ranks[bench_random_below(&reader->random, RANKS)];
    get(reader, bench_mix(rank) % reader->cold->keys);
}

static void
multi_get(struct reader *reader)
{
    unsigned char room[BENCH_MULTI_GET_KEYS][BENCH_KEY_BYTES];
    struct bench_bytes keys[BENCH_MULTI_GET_KEYS];
    const struct bench_engine *engine = reader->cold->engine;
    for (size_t i = 0; i < BENCH_MULTI_GET_KEYS; i++)
        keys[i] = key_of(uniform(reader), room[i]);
    if (engine->multi_get != NULL)
        engine->multi_get(reader->thread, keys, BENCH_MULTI_GET_KEYS, visit, reader);
    for (size_t i = 0; i < BENCH_MULTI_GET_KEYS && engine->multi_get == NULL; i++) {
        if (!engine->get(reader->thread, keys[i], visit, reader))
            bench_die("a key is missing");
    }
}

static void
scan(struct reader *reader)
{
    unsigned char key[BENCH_KEY_BYTES];
    const struct bench_scan walk = {.from = key_of(uniform(reader), key),
                                    .records = BENCH_SCAN_RECORDS};
    reader->cold->engine->scan(reader->thread, &walk, visit, reader);
}

static const struct {
    const char *name;
    void (*op)(struct reader *reader);
    uint32_t ops_of_call;
} workloads[] = {
    {"get-uniform", get_uniform, 1},
    {"get-zipf", get_zipf, 1},
    {"multi-get", multi_get, BENCH_MULTI_GET_KEYS},
    {"scan", scan, 1},
};

enum { WORKLOADS = sizeof workloads / sizeof workloads[0] };

/* ------------------------------------------------------------------ one workload */

static void
read_for(struct reader *reader, double seconds, bool is_measured)
{
    uint64_t now = bench_ticks();
    uint64_t until = now + bench_seconds_ticks(seconds);
    reader->begin = now;
    while (now < until) {
        workloads[reader->workload].op(reader);
        uint64_t then = bench_ticks();
        if (is_measured)
            bench_histogram_add(&reader->histogram, then - now);
        now = then;
    }
    reader->end = now;
}

static void *
run_reader(void *context)
{
    struct reader *reader = (struct reader *)context;
    struct cold *cold = reader->cold;
    reader->thread = cold->engine->thread_open(cold->db);
    read_for(reader, cold->seconds / 2, false);
    if (pthread_barrier_wait(&cold->start) == PTHREAD_BARRIER_SERIAL_THREAD)
        cold->read_bytes = bench_read_bytes();
    read_for(reader, cold->seconds, true);
    cold->engine->thread_close(reader->thread);
    return NULL;
}

static void
run_workload(struct cold *cold, uint32_t workload, uint32_t n_threads)
{
    static struct reader readers[THREADS_MAX];
    double seconds = 0;
    (void)pthread_barrier_init(&cold->start, NULL, n_threads);
    for (uint32_t i = 0; i < n_threads; i++) {
        memset(&readers[i], 0, sizeof readers[i]);
        readers[i].cold = cold;
        readers[i].workload = workload;
        readers[i].random = bench_mix(workload * 10 + n_threads * 2 + i);
        if (pthread_create(&readers[i].pthread, NULL, run_reader, &readers[i]) != 0)
            bench_die("cannot start a thread");
    }
    for (uint32_t i = 0; i < n_threads; i++) {
        (void)pthread_join(readers[i].pthread, NULL);
        double own = bench_ticks_ns((double)(readers[i].end - readers[i].begin)) / 1e9;
        seconds = own > seconds ? own : seconds;
        if (i > 0)
            bench_histogram_merge(&readers[0].histogram, &readers[i].histogram);
    }
    (void)pthread_barrier_destroy(&cold->start);
    struct bench_histogram *all = &readers[0].histogram;
    double ops = (double)all->count * workloads[workload].ops_of_call;
    printf("%s\t%u\t%.0f", workloads[workload].name, n_threads, ops / seconds);
    for (const double *share = (const double[]){0.5, 0.99, 0.999, 0}; *share > 0; share++)
        printf("\t%.1f", bench_ticks_ns(bench_histogram_at(all, *share)) / 1000);
    printf("\t%.1f\t%.0f\n", bench_ticks_ns((double)all->max) / 1000,
           (double)(bench_read_bytes() - cold->read_bytes) / ops);
    (void)fflush(stdout);
}

/* ------------------------------------------------------------------ both stages */

static void
load(const struct cold *cold)
{
    static unsigned char keys[BENCH_LOAD_RECORDS][BENCH_KEY_BYTES];
    static unsigned char values[BENCH_LOAD_RECORDS][VALUE_BYTES];
    void *thread = cold->engine->thread_open(cold->db);
    for (uint64_t id = 0; id < cold->keys;) {
        struct bench_pair pairs[BENCH_LOAD_RECORDS];
        size_t n = 0;
        for (; n < BENCH_LOAD_RECORDS && id < cold->keys; n++, id++) {
            pairs[n].key = key_of(id, keys[n]);
            bench_value(keys[n], 1, values[n], VALUE_BYTES);
            pairs[n].value = bench_bytes(values[n], VALUE_BYTES);
        }
        if (cold->engine->load != NULL)
            cold->engine->load(thread, pairs, n);
        for (size_t i = 0; i < n && cold->engine->load == NULL; i++)
            cold->engine->put(thread, pairs[i].key, pairs[i].value);
    }
    cold->engine->thread_close(thread);
}

static void
run(struct cold *cold)
{
    cold->ranks = (uint32_t *)bench_new(RANKS * sizeof *cold->ranks);
    bench_zipf(cold->ranks, RANKS, cold->keys, 1);
    for (uint32_t i = 0; i < WORKLOADS; i++) {
        for (uint32_t n_threads = 1; n_threads <= THREADS_MAX; n_threads++)
            run_workload(cold, i, n_threads);
    }
    free(cold->ranks);
}

int
main(int argc, char **argv)
{
    struct cold cold = {0};
    bool is_run = argc == 7 && strcmp(argv[1], "run") == 0;
    if (!is_run && (argc != 6 || strcmp(argv[1], "load") != 0)) {
        fprintf(stderr, "usage: cold load ENGINE DIRECTORY KEYS CACHE_MIB\n"
                        "       cold run ENGINE DIRECTORY KEYS CACHE_MIB SECONDS\n");
        return 2;
    }
    cold.engine = strcmp(argv[2], bench_armdb_direct.name) == 0 ? &bench_armdb_direct
                                                                : bench_engine_find(argv[2]);
    cold.keys = strtoull(argv[4], NULL, 10);
    cold.seconds = is_run ? strtod(argv[6], NULL) : 0;
    const struct bench_config config = {.directory = argv[3],
                                        .durability = BENCH_WRITTEN,
                                        .keys = cold.keys,
                                        .cache_bytes = strtoull(argv[5], NULL, 10) << 20,
                                        .value_bytes = VALUE_BYTES};
    if (cold.engine == NULL || cold.keys < 1000 || config.cache_bytes == 0) {
        fprintf(stderr, "cold: no such engine, too few keys, or no cache\n");
        return 2;
    }
    bench_set_name(cold.engine->name);
    bench_ticks_init();
    bench_values_init();
    cold.db = cold.engine->open(&config);
    if (is_run)
        run(&cold);
    else
        load(&cold);
    cold.engine->close(cold.db);
    return 0;
}
