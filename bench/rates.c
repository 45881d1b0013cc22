/*
 * rates.c: how many puts and gets a second one thread makes, at each durability level.
 *
 *     rates DIRECTORY [KEYS]
 *
 * Random keys of 16 bytes, values of 100; every value that is read is checked. At level synced a
 * hundredth of the keys. Databases are made below DIRECTORY, which must exist, and stay there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "armdb/armdb.h"

enum { KEY_BYTES = 16, VALUE_BYTES = 100 };

static uint64_t
now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
check(armdb_err err, const char *what)
{
    armdb_error_detail detail;
    if (err == ARMDB_OK)
        return;
    armdb_last_error(&detail);
    fprintf(stderr, "rates: %s: %s: %s\n", what, armdb_strerror(err), detail.message);
    exit(1);
}

/* A number that looks random, the same for each n. */
static uint64_t
scatter(uint64_t n)
{
    n = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

static void
fill(uint64_t n, unsigned char key[KEY_BYTES], unsigned char value[VALUE_BYTES])
{
    const uint64_t words[2] = {scatter(n), n};
    memcpy(key, words, KEY_BYTES);
    for (size_t i = 0; i < VALUE_BYTES; i++)
        value[i] = (unsigned char)(key[i % KEY_BYTES] + i);
}

static void
put_all(armdb_collection *collection, uint64_t count)
{
    unsigned char key[KEY_BYTES], value[VALUE_BYTES];
    for (uint64_t n = 0; n < count; n++) {
        fill(n, key, value);
        check(armdb_put(collection, armdb_bytes(key, KEY_BYTES), armdb_bytes(value, VALUE_BYTES),
                        NULL),
              "put");
    }
}

static void
get_all(armdb_collection *collection, uint64_t count)
{
    unsigned char key[KEY_BYTES], value[VALUE_BYTES], got[VALUE_BYTES];
    size_t len;
    for (uint64_t i = 0; i < count; i++) {
        fill(scatter(i) % count, key, value);
        check(armdb_get(collection, armdb_bytes(key, KEY_BYTES), got, sizeof got, &len), "get");
        if (len != VALUE_BYTES || memcmp(got, value, len) != 0) {
            fprintf(stderr, "rates: a wrong value\n");
            exit(1);
        }
    }
}

static void
report(const char *level, const char *what, uint64_t count, uint64_t ns)
{
    printf("%-9s %-4s %9llu in %6.2f s: %9.0f/s, %8.0f ns each\n", level, what,
           (unsigned long long)count, (double)ns / 1e9, (double)count * 1e9 / (double)ns,
           (double)ns / (double)count);
}

static void
run(const char *directory, const char *level, armdb_durability durability, uint64_t count)
{
    char path[4096];
    armdb_db *db;
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.default_collection.key_bytes = KEY_BYTES;
    options.durability = durability;
    options.open_mode = ARMDB_CREATE_NEW;
    snprintf(path, sizeof path, "%s/%s", directory, level);
    check(armdb_open(path, &options, &db), "open");
    uint64_t start = now_ns();
    put_all(armdb_default(db), count);
    uint64_t middle = now_ns();
    get_all(armdb_default(db), count);
    uint64_t end = now_ns();
    report(level, "put", count, middle - start);
    report(level, "get", count, end - middle);
    check(armdb_close(db), "close");
}

int
main(int argc, char **argv)
{
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    if (argc < 2 || count < 100) {
        fprintf(stderr, "usage: rates DIRECTORY [KEYS, at least 100]\n");
        return 2;
    }
    run(argv[1], "buffered", ARMDB_BUFFERED, count);
    run(argv[1], "written", ARMDB_WRITTEN, count);
    run(argv[1], "synced", ARMDB_SYNCED, count / 100);
    return 0;
}
