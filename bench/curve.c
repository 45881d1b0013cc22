/*
 * curve.c: space, bytes written and latencies over time while every key is overwritten again and
 * again. bench/curve.py runs it for each engine, and draws.
 *
 *   curve ENGINE DIRECTORY KEYS ROUNDS
 *
 * Loads KEYS keys, syncs, takes the space then as what is live; then does KEYS * ROUNDS puts of
 * random keys, each followed by a get of another. A line for each interval: seconds, puts so far /
 * keys, space / live (the most in it), bytes written / bytes put (since the load), p99.9 and the
 * longest of puts and of gets in us.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "keys.h"
#include "process.h"
#include "timing.h"

enum { VALUE_BYTES = 100, LINES = 60, CACHE_BYTES = 1 << 28, SPACE_EVERY = 10 };

struct curve {
    const struct bench_engine *engine;
    const char *directory;
    uint64_t keys;
    void *db;
    void *thread;
    uint64_t random;
    uint64_t live_bytes;
    uint64_t written_before;
    double space; /* the most in the interval */
    struct bench_histogram puts;
    struct bench_histogram gets;
};

static void
visit(void *context, struct bench_bytes key, struct bench_bytes value)
{
    (void)context;
    (void)bench_value_check(key, value, VALUE_BYTES);
}

static void
put(struct curve *curve, uint64_t id, uint64_t version)
{
    unsigned char key[BENCH_KEY_BYTES];
    unsigned char value[VALUE_BYTES];
    bench_key(id, false, key);
    bench_value(key, version, value, sizeof value);
    uint64_t begin = bench_ticks();
    curve->engine->put(curve->thread, bench_bytes(key, sizeof key),
                       bench_bytes(value, sizeof value));
    bench_histogram_add(&curve->puts, bench_ticks() - begin);
}

static void
get(struct curve *curve, uint64_t id)
{
    unsigned char key[BENCH_KEY_BYTES];
    bench_key(id, false, key);
    uint64_t begin = bench_ticks();
    if (!curve->engine->get(curve->thread, bench_bytes(key, sizeof key), visit, NULL))
        bench_die("a key is missing");
    bench_histogram_add(&curve->gets, bench_ticks() - begin);
}

static void
load(struct curve *curve)
{
    for (uint64_t id = 0; id < curve->keys; id++)
        put(curve, id, 1);
    if (curve->engine->sync != NULL)
        curve->engine->sync(curve->db);
    curve->live_bytes = bench_directory_bytes(curve->directory);
    curve->written_before = bench_written_bytes();
    memset(&curve->puts, 0, sizeof curve->puts);
}

static void
print_times(const struct bench_histogram *histogram)
{
    printf("\t%.2f\t%.1f", bench_ticks_ns(bench_histogram_at(histogram, 0.999)) / 1000,
           bench_ticks_ns((double)histogram->max) / 1000);
}

static void
print_line(struct curve *curve, double seconds, uint64_t puts)
{
    double put_bytes = (double)puts * (BENCH_KEY_BYTES + VALUE_BYTES);
    printf("%.2f\t%.3f\t%.3f\t%.3f", seconds, (double)puts / (double)curve->keys, curve->space,
           (double)(bench_written_bytes() - curve->written_before) / put_bytes);
    print_times(&curve->puts);
    print_times(&curve->gets);
    printf("\n");
    memset(&curve->puts, 0, sizeof curve->puts);
    memset(&curve->gets, 0, sizeof curve->gets);
    curve->space = 0;
}

static void
look_at_space(struct curve *curve)
{
    double space = (double)bench_directory_bytes(curve->directory) / (double)curve->live_bytes;
    if (space > curve->space)
        curve->space = space;
}

static void
overwrite(struct curve *curve, uint64_t puts)
{
    uint64_t interval = puts / LINES;
    uint64_t begin_ns = bench_now_ns();
    for (uint64_t i = 1; i <= interval * LINES; i++) {
        put(curve, bench_random_below(&curve->random, curve->keys), i + 1);
        get(curve, bench_random_below(&curve->random, curve->keys));
        if (i % (interval / SPACE_EVERY) == 0)
            look_at_space(curve);
        if (i % interval == 0)
            print_line(curve, (double)(bench_now_ns() - begin_ns) / 1e9, i);
    }
}

int
main(int argc, char **argv)
{
    static struct curve curve = {.random = 1};
    if (argc != 5) {
        fprintf(stderr, "usage: curve ENGINE DIRECTORY KEYS ROUNDS\n");
        return 2;
    }
    bool is_idle = strcmp(argv[1], bench_armdb_idle.name) == 0;
    curve.engine = is_idle ? &bench_armdb_idle : bench_engine_find(argv[1]);
    curve.directory = argv[2];
    curve.keys = strtoull(argv[3], NULL, 10);
    uint64_t rounds = strtoull(argv[4], NULL, 10);
    if (curve.engine == NULL || curve.keys < 1000 || rounds == 0) {
        fprintf(stderr, "curve: no such engine, or too few keys or rounds\n");
        return 2;
    }
    bench_set_name(curve.engine->name);
    bench_ticks_init();
    bench_values_init();
    const struct bench_config config = {.directory = curve.directory,
                                        .durability = BENCH_WRITTEN,
                                        .keys = curve.keys,
                                        .cache_bytes = CACHE_BYTES,
                                        .value_bytes = VALUE_BYTES};
    curve.db = curve.engine->open(&config);
    curve.thread = curve.engine->thread_open(curve.db);
    load(&curve);
    overwrite(&curve, curve.keys * rounds);
    curve.engine->thread_close(curve.thread);
    curve.engine->close(curve.db);
    return 0;
}
