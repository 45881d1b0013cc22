/*
 * micro_cache.c: what the block cache costs; how often it hits is told by micro_policy.c.
 *
 *     micro_cache [MIB [HITS]]
 *
 * Times: a hit of 100 bytes at a random place of a working set of MIB (256), with 1 and 2 threads,
 * one by one and, whole words with their checksum, in batches of 32 that are prefetched, HITS
 * (4000000) in each of three rounds; a miss with insertion, with a read function that only copies.
 * All in processor time.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/cache.h"

enum { BLOCK = 4096, FRAME = BLOCK + 64 + 24, READ_BYTES = 100, TAKEN_BYTES = 104, BATCH = 32 };

static uint64_t n_hits_wanted = 4000000; /* of each thread in a round */

static unsigned char file_block[2 * BLOCK];

/* Time that the calling thread had a processor: others may use the machine too. */
static uint64_t
now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t
next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t
random_below(uint64_t *state, uint64_t limit)
{
    return (next_random(state) >> 32) * limit >> 32;
}

static void
check(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "micro_cache: %s\n", what);
    exit(1);
}

static armdb_err
read_nothing(void *context, uint64_t offset, size_t bytes, void *to, size_t *got_out)
{
    (void)context;
    (void)offset;
    memcpy(to, file_block, bytes);
    *got_out = bytes;
    return ARMDB_OK;
}

static const struct adb_cache_source source = {
    .file_key = 1, .valid_bytes = UINT64_C(1) << 50, .read = read_nothing};

static bool
read_block(struct adb_cache *cache, uint64_t block, uint64_t from)
{
    unsigned char to[READ_BYTES];
    uint32_t reads;
    check(adb_cache_read(cache, &source, block * BLOCK + from, READ_BYTES, to, &reads) == ARMDB_OK,
          "read");
    return reads == 0;
}

static struct adb_cache *
make_cache(uint64_t n_blocks)
{
    struct adb_cache *cache;
    check(adb_cache_new(n_blocks * FRAME + (64 << 10), &cache) == ARMDB_OK, "no memory");
    return cache;
}

/* ------------------------------------------------------------------ time */

struct worker {
    struct adb_cache *cache;
    uint64_t n_blocks;
    uint64_t random;
    uint64_t n_misses;
    bool is_batched;
    double ns; /* of a hit */
    pthread_t thread;
};

static uint64_t
random_offset(struct worker *worker)
{
    return random_below(&worker->random, worker->n_blocks) * BLOCK +
           random_below(&worker->random, BLOCK - READ_BYTES);
}

/* These are not inlined, so that profilers see them. */
#define LOOP __attribute__((noinline)) static void

LOOP
loop_hit(struct worker *worker)
{
    unsigned char to[READ_BYTES];
    uint32_t reads;
    for (uint64_t i = 0; i < n_hits_wanted; i++) {
        check(adb_cache_read(worker->cache, &source, random_offset(worker), READ_BYTES, to,
                             &reads) == ARMDB_OK,
              "read");
        worker->n_misses += reads;
    }
}

LOOP
loop_batch(struct worker *worker)
{
    unsigned char to[TAKEN_BYTES];
    uint64_t offset[BATCH];
    struct adb_cache_spot spot[BATCH];
    uint32_t reads;
    uint32_t crc = 0;
    for (uint64_t n = 0; n < n_hits_wanted; n += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            offset[i] = random_offset(worker) / 8 * 8;
            adb_cache_ask(worker->cache, source.file_key, offset[i], &spot[i]);
        }
        for (uint32_t i = 0; i < BATCH; i++)
            adb_cache_approach(&spot[i], TAKEN_BYTES);
        for (uint32_t i = 0; i < BATCH; i++) {
            if (adb_cache_take(&spot[i], TAKEN_BYTES, to, &crc))
                continue;
            check(adb_cache_read(worker->cache, &source, offset[i], TAKEN_BYTES, to, &reads) ==
                      ARMDB_OK,
                  "read");
            worker->n_misses += reads;
        }
    }
}

static void *
run_worker(void *context)
{
    struct worker *worker = (struct worker *)context;
    uint64_t start = now_ns();
    if (worker->is_batched)
        loop_batch(worker);
    else
        loop_hit(worker);
    worker->ns = (double)(now_ns() - start) / (double)n_hits_wanted;
    return NULL;
}

static void
time_hits(struct adb_cache *cache, uint64_t n_blocks, bool is_batched, int n_threads)
{
    struct worker workers[2];
    double ns = 0;
    for (int i = 0; i < n_threads; i++) {
        workers[i] = (struct worker){.cache = cache,
                                     .n_blocks = n_blocks,
                                     .random = (uint64_t)i + 1,
                                     .is_batched = is_batched};
        check(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) == 0, "thread");
    }
    for (int i = 0; i < n_threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        ns += workers[i].ns / n_threads;
        /* One block in a thousand or so finds the table's buckets full. */
        check(workers[i].n_misses < n_hits_wanted / 200, "the working set is not all there");
    }
    printf("hit, %s, %d thread%s  %8.1f ns\n", is_batched ? "batches of 32" : "one by one   ",
           n_threads, n_threads == 1 ? " " : "s", ns);
}

LOOP
loop_miss(struct adb_cache *cache, uint64_t from, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        check(!read_block(cache, from + i, 0), "not a miss");
}

static void
time_misses(uint64_t n_blocks)
{
    struct adb_cache *cache = make_cache(n_blocks);
    uint64_t from = 0;
    for (const char *const *what = (const char *const[]){"into new memory", "driving out", NULL};
         *what != NULL; what++) {
        uint64_t start = now_ns();
        loop_miss(cache, from, n_blocks);
        from += n_blocks;
        printf("miss and insertion, %-16s %8.1f ns\n", *what,
               (double)(now_ns() - start) / (double)n_blocks);
    }
    adb_cache_free(cache);
}

static void
time_all(uint64_t n_blocks)
{
    struct adb_cache *cache = make_cache(n_blocks + n_blocks / 50);
    for (uint64_t i = 0; i < n_blocks; i++)
        (void)read_block(cache, i, 0);
    for (int n_threads = 1; n_threads <= 2; n_threads++) {
        for (int round = 0; round < 3; round++) {
            time_hits(cache, n_blocks, false, n_threads);
            time_hits(cache, n_blocks, true, n_threads);
        }
    }
    adb_cache_free(cache);
    time_misses(n_blocks);
}

int
main(int argc, char **argv)
{
    uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 256;
    if (argc > 2)
        n_hits_wanted = strtoull(argv[2], NULL, 10);
    if (argc > 3 || mib == 0 || n_hits_wanted < 1000) {
        fprintf(stderr, "usage: micro_cache [MIB [HITS, at least 1000]]\n");
        return 2;
    }
    time_all(mib << 20 >> 12);
    return 0;
}
