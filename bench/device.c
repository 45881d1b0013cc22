/*
 * device.c: how fast values are read from the device: a database whose data is four times its
 * cache, read directly. bench/device.py runs it beside fio, on the same file system.
 *
 *     device DIRECTORY KEYS SECONDS [direct | buffered]
 *
 * Makes the database if the directory is missing. Prints, for each workload, its name, values a
 * second, and blocks of 4 KiB that were read for each value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "armdb/armdb.h"
#include "bench.h"
#include "keys.h"
#include "timing.h"

enum { VALUE_BYTES = 100, RECORD_BYTES = 144, BATCH = 32, WALK = 100 };

struct run {
    armdb_db *db;
    armdb_collection *values;
    armdb_cursor *cursor;
    uint64_t keys;
    uint64_t random;
};

static void
check(armdb_err err)
{
    armdb_error_detail detail;
    if (err == ARMDB_OK)
        return;
    armdb_last_error(&detail);
    bench_die("device: %s: %s", armdb_strerror(err), detail.message);
}

static uint64_t
next_random(struct run *run)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return run->random;
}

/* Keys in the order of writing are scattered in the order of the index. */
static void
make_key(uint64_t number, unsigned char key[16])
{
    uint64_t scattered = number * UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < 8; i++) {
        key[i] = (unsigned char)(scattered >> (56 - 8 * i));
        key[8 + i] = (unsigned char)(number >> (56 - 8 * i));
    }
}

static void
check_value(const unsigned char key[16], const void *value, size_t len)
{
    if (len != VALUE_BYTES || memcmp(value, key, 16) != 0)
        bench_die("device: WRONG value of %zu bytes", len);
}

static void
fill(struct run *run)
{
    unsigned char key[16], value[VALUE_BYTES];
    for (uint64_t i = 0; i < run->keys; i++) {
        make_key(i, key);
        for (int at = 0; at < VALUE_BYTES; at++)
            value[at] = (unsigned char)(i * 31 + (uint64_t)at);
        memcpy(value, key, 16);
        check(armdb_put(run->values, armdb_bytes(key, 16), armdb_bytes(value, VALUE_BYTES), NULL));
    }
    check(armdb_sync(run->db));
}

static uint64_t
get(struct run *run)
{
    unsigned char key[16], value[VALUE_BYTES];
    size_t len;
    make_key(next_random(run) % run->keys, key);
    check(armdb_get(run->values, armdb_bytes(key, 16), value, sizeof value, &len));
    check_value(key, value, len);
    return 1;
}

static uint64_t
multi_get(struct run *run)
{
    unsigned char keys[BATCH][16], values[BATCH][VALUE_BYTES];
    armdb_read reads[BATCH];
    for (int i = 0; i < BATCH; i++) {
        make_key(next_random(run) % run->keys, keys[i]);
        reads[i] = (armdb_read){.key = {keys[i], 16}, .buffer = values[i], .capacity = VALUE_BYTES};
    }
    check(armdb_multi_get(run->values, reads, BATCH));
    for (int i = 0; i < BATCH; i++)
        check_value(keys[i], values[i], reads[i].len);
    return BATCH;
}

static uint64_t
scan(struct run *run)
{
    unsigned char key[16];
    uint64_t n = 0;
    make_key(next_random(run) % run->keys, key);
    armdb_err err = armdb_cursor_seek(run->cursor, armdb_bytes(key, 16));
    while (err == ARMDB_OK) {
        armdb_slice value = armdb_cursor_value(run->cursor);
        check_value((const unsigned char *)armdb_cursor_key(run->cursor).data, value.data,
                    value.len);
        if (++n == WALK)
            return n;
        err = armdb_cursor_next(run->cursor);
    }
    if (err != ARMDB_END)
        check(err);
    return n;
}

static uint64_t
misses(struct run *run)
{
    armdb_stats stats = {.struct_bytes = sizeof stats};
    check(armdb_get_stats(run->db, &stats));
    return stats.cache_misses;
}

static void
measure(struct run *run, const char *name, uint64_t (*operation)(struct run *), double seconds)
{
    const uint64_t span_ns = (uint64_t)(seconds * 1e9);
    uint64_t start_ns = bench_now_ns();
    while (bench_now_ns() - start_ns < span_ns / 4)
        (void)operation(run);
    uint64_t n = 0;
    uint64_t before = misses(run);
    start_ns = bench_now_ns();
    while (bench_now_ns() - start_ns < span_ns)
        n += operation(run);
    uint64_t took_ns = bench_now_ns() - start_ns;
    printf("%s %.0f %.3f\n", name, (double)n * 1e9 / (double)took_ns,
           (double)(misses(run) - before) / (double)n);
    fflush(stdout);
}

static void
open_db(struct run *run, const char *directory, armdb_io_mode io)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.default_collection.key_bytes = 16;
    options.shards = 2;
    options.cache_bytes = run->keys * RECORD_BYTES / 4;
    if (options.cache_bytes < 1048576)
        options.cache_bytes = 1048576;
    options.io = io;
    check(armdb_open(directory, &options, &run->db));
    run->values = armdb_default(run->db);
}

int
main(int argc, char **argv)
{
    if (argc < 4 || argc > 5)
        bench_die("usage: device DIRECTORY KEYS SECONDS [direct | buffered]");
    struct run run = {.keys = strtoull(argv[2], NULL, 10), .random = 88172645463325252u};
    double seconds = strtod(argv[3], NULL);
    armdb_io_mode io = argc == 5 && strcmp(argv[4], "buffered") == 0 ? ARMDB_IO_BUFFERED
                                                                     : ARMDB_IO_DIRECT;
    uint64_t count;
    open_db(&run, argv[1], io);
    check(armdb_count(run.values, &count));
    if (count != run.keys) {
        fill(&run);
        check(armdb_close(run.db));
        open_db(&run, argv[1], io);
    }
    check(armdb_cursor_open(run.values, NULL, &run.cursor));
    measure(&run, "get", get, seconds);
    measure(&run, "multi-get", multi_get, seconds);
    measure(&run, "scan", scan, seconds);
    armdb_cursor_close(run.cursor);
    check(armdb_close(run.db));
    return 0;
}
