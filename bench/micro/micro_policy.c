/*
 * micro_policy.c: how often the block cache hits, beside other ways to choose what goes.
 *
 *     micro_policy [ACCESSES]
 *
 * Makes traces of block numbers, ACCESSES (3000000) long, from fixed seeds, and runs each through
 * the cache itself and through simple simulators of LRU, CLOCK, S3-FIFO and W-TinyLFU. Prints hits
 * in percent. Twice: with the whole trace counted, and "warm", with its second half alone.
 *
 * The simulators count blocks, and take nothing for their own lists; the cache pays for its table
 * and ghosts out of its budget, and so has a few blocks less.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"

enum {
    BLOCK = 4096,
    FRAME = BLOCK + 64 + 24, /* with its part of the table and of the ghosts */
    SPACE = 100000,          /* blocks that are read often */
    SCAN = 20000,
    IN_BLOCK = 30 /* records */
};

static uint32_t n_accesses = 3000000;

static void
check(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "micro_policy: %s\n", what);
    exit(1);
}

static void *
allocate(size_t n, size_t bytes)
{
    void *memory = calloc(n, bytes);
    check(memory != NULL, "no memory");
    return memory;
}

static uint64_t
next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* ------------------------------------------------------------------ traces */

typedef void (*make_fn)(uint32_t *trace, uint32_t n_blocks);

/* Numbers below `n` by popularity 1 / rank^0.99. */
static void
make_ranks(uint32_t *trace, uint32_t n)
{
    double *sum = (double *)allocate(n, sizeof *sum);
    uint64_t random = 5;
    for (uint32_t i = 0; i < n; i++)
        sum[i] = (i != 0 ? sum[i - 1] : 0) + pow(i + 1, -0.99);
    for (uint32_t i = 0; i < n_accesses; i++) {
        double at = (double)(next_random(&random) >> 11) * 0x1p-53 * sum[n - 1];
        uint32_t low = 0;
        uint32_t high = n - 1;
        while (low < high) {
            uint32_t middle = (low + high) / 2;
            if (sum[middle] < at)
                low = middle + 1;
            else
                high = middle;
        }
        trace[i] = low;
    }
    free(sum);
}

static void
make_zipf(uint32_t *trace, uint32_t n_blocks)
{
    (void)n_blocks;
    make_ranks(trace, SPACE);
    for (uint32_t i = 0; i < n_accesses; i++)
        trace[i] = (uint32_t)((uint64_t)trace[i] * 7919 % SPACE);
}

/* The gets of the benchmark: popular records are scattered over blocks of 30. */
static void
make_records(uint32_t *trace, uint32_t n_blocks)
{
    (void)n_blocks;
    make_ranks(trace, SPACE * IN_BLOCK);
    for (uint32_t i = 0; i < n_accesses; i++)
        trace[i] = (uint32_t)((uint64_t)trace[i] * 7368787 % (SPACE * IN_BLOCK)) / IN_BLOCK;
}

/* Zipf, and now and then a scan of blocks that are never read again. */
static void
make_scans(uint32_t *trace, uint32_t n_blocks)
{
    uint32_t next = SPACE;
    make_zipf(trace, n_blocks);
    for (uint32_t i = 0; i + SCAN <= n_accesses; i += 5 * SCAN) {
        for (uint32_t k = 0; k < SCAN; k++)
            trace[i + k] = next++;
    }
}

/* Half of it zipf, half of it one scan that goes on all the time. */
static void
make_mixed(uint32_t *trace, uint32_t n_blocks)
{
    uint32_t next = SPACE;
    make_zipf(trace, n_blocks);
    for (uint32_t i = 0; i < n_accesses; i += 2)
        trace[i] = next++;
}

/* Zipf whose popular blocks are others six times. */
static void
make_moving(uint32_t *trace, uint32_t n_blocks)
{
    make_zipf(trace, n_blocks);
    for (uint32_t i = 0; i < n_accesses; i++)
        trace[i] = (uint32_t)((trace[i] + (uint64_t)i * 6 / n_accesses * 12345) % SPACE);
}

/* The newest blocks are the most popular; a new one comes with each twentieth access. */
static void
make_latest(uint32_t *trace, uint32_t n_blocks)
{
    (void)n_blocks;
    make_ranks(trace, SPACE);
    for (uint32_t i = 0; i < n_accesses; i++)
        trace[i] = SPACE + i / 20 - trace[i];
}

static void
make_loop(uint32_t *trace, uint32_t n_blocks)
{
    for (uint32_t i = 0; i < n_accesses; i++)
        trace[i] = i % (n_blocks * 11 / 10);
}

static void
make_long_loop(uint32_t *trace, uint32_t n_blocks)
{
    for (uint32_t i = 0; i < n_accesses; i++)
        trace[i] = i % (n_blocks * 2);
}

/* ------------------------------------------------------------------ simulators */

enum { ABSENT, WINDOW, MAIN, PROTECTED, GHOST, LISTS, ROWS = 4, COUNT_MAX = 15 };

/* Blocks in lists, each by order of arrival; block b is node LISTS + b, a list is its own end. */
struct world {
    uint32_t capacity;
    uint32_t *newer;
    uint32_t *older;
    uint8_t *list; /* of a node */
    uint8_t *used; /* of a node */
    uint32_t n[LISTS];
    uint8_t *sketch[ROWS];
    uint32_t sketch_mask;
    uint32_t n_sketched; /* since all was halved */
};

static void
move(struct world *world, uint32_t node, uint8_t list)
{
    if (world->list[node] != ABSENT) {
        world->newer[world->older[node]] = world->newer[node];
        world->older[world->newer[node]] = world->older[node];
        world->n[world->list[node]]--;
    }
    world->list[node] = list;
    if (list == ABSENT)
        return;
    world->n[list]++;
    world->older[node] = world->older[list];
    world->newer[node] = list;
    world->newer[world->older[list]] = node;
    world->older[list] = node;
}

static uint32_t
oldest(const struct world *world, uint8_t list)
{
    return world->newer[list];
}

typedef bool (*access_fn)(struct world *world, uint32_t node);

static bool
access_lru(struct world *world, uint32_t node)
{
    bool is_hit = world->list[node] == MAIN;
    move(world, node, MAIN);
    if (world->n[MAIN] > world->capacity)
        move(world, oldest(world, MAIN), ABSENT);
    return is_hit;
}

static bool
access_clock(struct world *world, uint32_t node)
{
    if (world->list[node] == MAIN) {
        world->used[node] = 1;
        return true;
    }
    while (world->n[MAIN] >= world->capacity) {
        uint32_t victim = oldest(world, MAIN);
        move(world, victim, world->used[victim] != 0 ? MAIN : ABSENT);
        world->used[victim] = 0;
    }
    move(world, node, MAIN);
    return false;
}

/* As in the paper: a tenth in the small queue, as many ghosts as there are blocks in the main one.
 */
static void
evict_s3(struct world *world)
{
    bool is_small = world->n[WINDOW] > world->capacity / 10 || world->n[MAIN] == 0;
    uint32_t victim = oldest(world, is_small ? WINDOW : MAIN);
    uint8_t used = world->used[victim];
    if (used > (is_small ? 1 : 0)) {
        world->used[victim] = is_small ? 0 : (uint8_t)(used - 1);
        move(world, victim, MAIN);
        return;
    }
    move(world, victim, is_small ? GHOST : ABSENT);
    if (world->n[GHOST] > world->capacity * 9 / 10)
        move(world, oldest(world, GHOST), ABSENT);
}

static bool
access_s3(struct world *world, uint32_t node)
{
    if (world->list[node] == WINDOW || world->list[node] == MAIN) {
        if (world->used[node] < 3)
            world->used[node]++;
        return true;
    }
    while (world->n[WINDOW] + world->n[MAIN] >= world->capacity)
        evict_s3(world);
    move(world, node, world->list[node] == GHOST ? MAIN : WINDOW);
    world->used[node] = 0;
    return false;
}

/* The counter of a block in a row of the sketch. */
static uint8_t *
counter(const struct world *world, uint32_t node, uint32_t row)
{
    uint64_t state = (uint64_t)node * ROWS + row;
    return &world->sketch[row][next_random(&state) & world->sketch_mask];
}

static uint32_t
estimate(const struct world *world, uint32_t node)
{
    uint32_t least = COUNT_MAX;
    for (uint32_t row = 0; row < ROWS; row++)
        least = *counter(world, node, row) < least ? *counter(world, node, row) : least;
    return least;
}

static void
sketch(struct world *world, uint32_t node)
{
    for (uint32_t row = 0; row < ROWS; row++) {
        if (*counter(world, node, row) < COUNT_MAX)
            ++*counter(world, node, row);
    }
    if (++world->n_sketched < 10 * world->capacity)
        return;
    world->n_sketched = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        for (uint32_t i = 0; i <= world->sketch_mask; i++)
            world->sketch[row][i] /= 2;
    }
}

/* A window of one in a hundred; of the rest four fifths protected. */
static bool
access_tiny_lfu(struct world *world, uint32_t node)
{
    uint8_t list = world->list[node];
    uint32_t window = world->capacity / 100 + 1;
    sketch(world, node);
    move(world, node, list == MAIN ? PROTECTED : list == ABSENT ? WINDOW : list);
    if (world->n[PROTECTED] > (world->capacity - window) * 4 / 5)
        move(world, oldest(world, PROTECTED), MAIN);
    if (world->n[WINDOW] <= window)
        return list != ABSENT;
    uint32_t candidate = oldest(world, WINDOW);
    move(world, candidate, MAIN);
    if (world->n[MAIN] + world->n[PROTECTED] > world->capacity - window) {
        uint32_t victim = oldest(world, MAIN);
        bool is_better = estimate(world, candidate) > estimate(world, victim);
        move(world, is_better ? victim : candidate, ABSENT);
    }
    return list != ABSENT;
}

/* Hits in percent, of all and of the second half. */
struct ratio {
    double all;
    double warm;
};

static void
count(struct ratio *ratio, uint32_t i, bool is_hit)
{
    ratio->all += is_hit ? 100.0 / n_accesses : 0;
    if (i >= n_accesses / 2)
        ratio->warm += is_hit ? 200.0 / n_accesses : 0;
}

static struct ratio
run_simulator(const uint32_t *trace, uint32_t n_blocks, access_fn access)
{
    size_t n_nodes = (size_t)LISTS + SPACE + n_accesses;
    struct ratio ratio = {0, 0};
    struct world world = {.capacity = n_blocks,
                          .newer = (uint32_t *)allocate(n_nodes, 4),
                          .older = (uint32_t *)allocate(n_nodes, 4),
                          .list = (uint8_t *)allocate(n_nodes, 1),
                          .used = (uint8_t *)allocate(n_nodes, 1),
                          .sketch_mask = 1};
    for (uint32_t list = 0; list < LISTS; list++)
        world.newer[list] = world.older[list] = list;
    while (world.sketch_mask < 4 * n_blocks)
        world.sketch_mask = 2 * world.sketch_mask + 1;
    for (uint32_t row = 0; row < ROWS; row++)
        world.sketch[row] = (uint8_t *)allocate(world.sketch_mask + 1, 1);
    for (uint32_t i = 0; i < n_accesses; i++)
        count(&ratio, i, access(&world, LISTS + trace[i]));
    for (uint32_t row = 0; row < ROWS; row++)
        free(world.sketch[row]);
    free(world.newer);
    free(world.older);
    free(world.list);
    free(world.used);
    return ratio;
}

/* ------------------------------------------------------------------ the cache */

static armdb_err
read_nothing(void *context, uint64_t offset, size_t bytes, void *to, size_t *got_out)
{
    (void)context;
    (void)offset;
    memset(to, 0, bytes);
    *got_out = bytes;
    return ARMDB_OK;
}

static struct ratio
run_cache(const uint32_t *trace, uint32_t n_blocks)
{
    static const struct adb_cache_source source = {
        .file_key = 1, .valid_bytes = UINT64_C(1) << 50, .read = read_nothing};
    struct adb_cache *cache;
    struct ratio ratio = {0, 0};
    check(adb_cache_new((uint64_t)n_blocks * FRAME, &cache) == ARMDB_OK, "no memory");
    for (uint32_t i = 0; i < n_accesses; i++) {
        unsigned char to[8];
        uint32_t reads;
        check(adb_cache_read(cache, &source, (uint64_t)trace[i] * BLOCK, sizeof to, to, &reads) ==
                  ARMDB_OK,
              "read");
        count(&ratio, i, reads == 0);
    }
    adb_cache_free(cache);
    return ratio;
}

/* ------------------------------------------------------------------ all of it */

static const struct {
    const char *name;
    make_fn make;
} traces[] = {
    {"zipf 0.99", make_zipf},         {"zipf of 30 in a block", make_records},
    {"zipf, scans", make_scans},      {"zipf, a scan all along", make_mixed},
    {"zipf that moves", make_moving}, {"the latest", make_latest},
    {"loop of 1.1 times", make_loop}, {"loop of 2 times", make_long_loop},
};

static void
run_trace(const char *name, const uint32_t *trace, uint32_t n_blocks)
{
    static const access_fn simulators[] = {access_lru, access_clock, access_s3, access_tiny_lfu};
    struct ratio ratios[5];
    for (int i = 0; i < 4; i++)
        ratios[i] = run_simulator(trace, n_blocks, simulators[i]);
    ratios[4] = run_cache(trace, n_blocks);
    printf("%-22s %6u ", name, n_blocks);
    for (int i = 0; i < 5; i++)
        printf(" %6.2f", ratios[i].all);
    printf("   warm");
    for (int i = 0; i < 5; i++)
        printf(" %6.2f", ratios[i].warm);
    printf("\n");
    (void)fflush(stdout);
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        n_accesses = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 2 || n_accesses < 5 * SCAN || n_accesses > 100000000) {
        fprintf(stderr, "usage: micro_policy [ACCESSES, %d..100000000]\n", 5 * SCAN);
        return 2;
    }
    uint32_t *trace = (uint32_t *)allocate(n_accesses, sizeof *trace);
    printf("hits, percent            blocks     LRU  CLOCK     S3   TinyLFU cache\n");
    for (size_t i = 0; i < sizeof traces / sizeof traces[0]; i++) {
        for (uint32_t n_blocks = 1000; n_blocks <= 25000; n_blocks *= 5) {
            traces[i].make(trace, n_blocks);
            run_trace(traces[i].name, trace, n_blocks);
        }
    }
    free(trace);
    return 0;
}
