/*
 * micro_reads.c: what a read costs by the option verify_reads, and against a bare pread.
 *
 *     micro_reads DIRECTORY [READS [ROUNDS]]
 *
 * Makes databases below DIRECTORY (and removes them), reads values at random places, READS (200000)
 * of each kind in each of ROUNDS (5) rounds, kinds in turn, and prints the median of the rounds in
 * nanoseconds of the thread's processor time. First values that are in the block cache, by get and
 * by multi-get of 32, with each setting of verify_reads; then values that are too large for it,
 * which the system has in memory, beside a pread of as many bytes of the data file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "armdb/armdb.h"

enum { BATCH = 32, ROUNDS_MAX = 99, KEY = 16, VALUE_MAX = 1 << 20, CASES = 4 };

static uint64_t n_reads = 200000; /* of small values; of large ones fewer */
static int n_rounds = 5;
static unsigned char value[VALUE_MAX];

static void
check(bool condition, const char *what)
{
    if (condition)
        return;
    armdb_error_detail detail;
    armdb_last_error(&detail);
    fprintf(stderr, "micro_reads: %s: %s\n", what, detail.message);
    exit(1);
}

static uint64_t
now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t
random_below(uint64_t *state, uint64_t limit)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return ((x ^ (x >> 31)) >> 32) * limit >> 32;
}

/* One database, and how it is read. */
struct subject {
    char path[512];
    armdb_db *db;
    armdb_collection *keys;
    uint64_t n_keys;
    size_t value_bytes;
    uint64_t n_reads;
    uint64_t random;
    int file; /* of the pread */
    off_t file_bytes;
};

static armdb_slice
key_of(uint64_t number, char *to)
{
    for (int i = 0; i < KEY; i++, number >>= 4)
        to[i] = (char)('a' + (number & 15));
    return armdb_bytes(to, KEY);
}

static void
open_database(struct subject *subject, armdb_verify_reads verify_reads)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = 1;
    options.default_collection.key_bytes = KEY;
    options.cache_bytes = UINT64_C(512) << 20;
    options.verify_reads = verify_reads;
    check(armdb_open(subject->path, &options, &subject->db) == ARMDB_OK, "open");
    subject->keys = armdb_default(subject->db);
}

static void
make(struct subject *subject, const char *directory, size_t value_bytes)
{
    char key[KEY];
    snprintf(subject->path, sizeof subject->path, "%s/micro_reads.%ld.%zu", directory,
             (long)getpid(), value_bytes);
    subject->value_bytes = value_bytes;
    subject->n_keys = (UINT64_C(128) << 20) / (value_bytes + 40);
    open_database(subject, ARMDB_VERIFY_DEFAULT);
    for (uint64_t i = 0; i < subject->n_keys; i++)
        check(armdb_put(subject->keys, key_of(i, key), armdb_bytes(value, value_bytes), NULL) ==
                  ARMDB_OK,
              "put");
    check(armdb_close(subject->db) == ARMDB_OK, "close");
}

static void
clear(const struct subject *subject)
{
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", subject->path);
    check(system(command) == 0, "rm"); /* NOLINT: of a directory that was made here */
}

typedef void (*loop_fn)(struct subject *subject);

static void
loop_get(struct subject *subject)
{
    static unsigned char to[VALUE_MAX];
    char key[KEY];
    size_t len;
    for (uint64_t i = 0; i < subject->n_reads; i++)
        check(armdb_get(subject->keys, key_of(random_below(&subject->random, subject->n_keys), key),
                        to, sizeof to, &len) == ARMDB_OK,
              "get");
}

static void
loop_multi_get(struct subject *subject)
{
    static unsigned char to[BATCH][4096];
    char key[BATCH][KEY];
    armdb_read reads[BATCH];
    for (uint64_t i = 0; i < subject->n_reads; i += BATCH) {
        for (uint32_t k = 0; k < BATCH; k++)
            reads[k] =
                (armdb_read){.key = key_of(random_below(&subject->random, subject->n_keys), key[k]),
                             .buffer = to[k],
                             .capacity = sizeof to[k]};
        check(armdb_multi_get(subject->keys, reads, BATCH) == ARMDB_OK, "multi-get");
    }
}

static void
loop_pread(struct subject *subject)
{
    static unsigned char to[VALUE_MAX + 64];
    size_t bytes = subject->value_bytes + 40;
    uint64_t n_places = (uint64_t)subject->file_bytes / bytes;
    char key[KEY];
    for (uint64_t i = 0; i < subject->n_reads; i++) {
        uint64_t number = random_below(&subject->random, n_places);
        (void)key_of(number, key); /* the others do it too */
        check(pread(subject->file, to, bytes, (off_t)(number * bytes)) == (ssize_t)bytes, "pread");
    }
}

static double
time_loop(struct subject *subject, loop_fn loop)
{
    uint64_t start = now_ns();
    loop(subject);
    return (double)(now_ns() - start) / (double)subject->n_reads;
}

static int
compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double
median(double *figures)
{
    qsort(figures, (size_t)n_rounds, sizeof *figures, compare);
    return figures[n_rounds / 2];
}

static void
time_settings(const char *directory, size_t value_bytes)
{
    static double figures[2][CASES][ROUNDS_MAX];
    struct subject subject = {.random = 1};
    make(&subject, directory, value_bytes);
    subject.n_reads = n_reads;
    for (int round = 0; round < n_rounds; round++) {
        for (int setting = ARMDB_VERIFY_ALWAYS; setting <= ARMDB_VERIFY_NEVER; setting++) {
            uint64_t random = subject.random;
            open_database(&subject, (armdb_verify_reads)setting);
            subject.n_reads = n_reads < 4 * subject.n_keys ? 4 * subject.n_keys : n_reads;
            loop_multi_get(&subject); /* brings all of it into the cache */
            subject.n_reads = n_reads;
            loop_multi_get(&subject);
            subject.random = random;
            figures[0][setting][round] = time_loop(&subject, loop_get);
            figures[1][setting][round] = time_loop(&subject, loop_multi_get);
            check(armdb_close(subject.db) == ARMDB_OK, "close");
        }
    }
    for (int how = 0; how < 2; how++)
        printf(
            "%-9s of %4zu bytes   always %7.1f   on miss %7.1f   never %7.1f ns\n",
            how == 0 ? "get" : "multi-get", value_bytes, median(figures[how][ARMDB_VERIFY_ALWAYS]),
            median(figures[how][ARMDB_VERIFY_ON_MISS]), median(figures[how][ARMDB_VERIFY_NEVER]));
    clear(&subject);
}

static void
time_large(const char *directory, size_t value_bytes)
{
    static double figures[CASES][ROUNDS_MAX];
    struct subject subject = {.random = 1};
    char path[600];
    make(&subject, directory, value_bytes);
    snprintf(path, sizeof path, "%s/shard-000/0000000001.log", subject.path);
    subject.file = open(path, O_RDONLY);
    check(subject.file >= 0, path);
    subject.file_bytes = lseek(subject.file, 0, SEEK_END);
    subject.n_reads = n_reads * 1000 / value_bytes + 100;
    for (int round = 0; round < n_rounds; round++) {
        for (int setting = ARMDB_VERIFY_ALWAYS; setting <= ARMDB_VERIFY_NEVER; setting += 2) {
            open_database(&subject, (armdb_verify_reads)setting);
            loop_get(&subject);
            figures[setting][round] = time_loop(&subject, loop_get);
            check(armdb_close(subject.db) == ARMDB_OK, "close");
        }
        figures[0][round] = time_loop(&subject, loop_pread);
    }
    printf("get       of %7zu bytes   always %9.0f   never %9.0f   pread %9.0f ns\n", value_bytes,
           median(figures[ARMDB_VERIFY_ALWAYS]), median(figures[ARMDB_VERIFY_NEVER]),
           median(figures[0]));
    (void)close(subject.file);
    clear(&subject);
}

int
main(int argc, char **argv)
{
    if (argc > 2)
        n_reads = strtoull(argv[2], NULL, 10);
    if (argc > 3)
        n_rounds = (int)strtol(argv[3], NULL, 10);
    if (argc < 2 || argc > 4 || n_reads < BATCH || n_rounds < 1 || n_rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: micro_reads DIRECTORY [READS [ROUNDS, up to %d]]\n", ROUNDS_MAX);
        return 2;
    }
    for (size_t i = 0; i < VALUE_MAX; i++)
        value[i] = (unsigned char)(i * 2654435761u >> 13);
    for (const size_t *bytes = (const size_t[]){100, 400, 1000, 2000, 0}; *bytes != 0; bytes++)
        time_settings(argv[1], *bytes);
    for (const size_t *bytes = (const size_t[]){5000, 20000, 100000, VALUE_MAX, 0}; *bytes != 0;
         bytes++)
        time_large(argv[1], *bytes);
    return 0;
}
