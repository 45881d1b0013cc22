/*
 * Measures the ways to build an index of random 16 B keys, as recovery does:
 *
 *     micro_build [KEYS [THREADS]]
 *
 * Each thread puts in its part of the keys. What is printed is wall time for each key, of all
 * threads together, and memory for each key. Everything is looked up afterwards: the exit status is
 * 1 if anything was wrong. The way "sorted" has its keys in order beforehand; that is not measured.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "index/bulk.h"
#include "micro_keys.h"
#include "os/thread.h"

enum way {
    WAY_ONE,   /* by one */
    WAY_NEAR,  /* the same, after a lookup of 32 keys at once, which brings their nodes near */
    WAY_BULK,  /* adb_bulk_put() */
    WAY_SORTED /* adb_tree_apply() of all keys in order */
};

static const char *const way_names[] = {"one by one", "32 looked up before", "bulk", "sorted"};

enum { KEY_BYTES = 16, THREADS_MAX = 16, TOGETHER = 32, CHANGES = 256, ROUNDS = 2 };

struct entry {
    unsigned char key[KEY_BYTES];
    uint64_t location;
};

struct build {
    struct adb_pages *pages;
    struct adb_index index;
    uint64_t n_keys;
    uint32_t n_threads;
    enum way way;
};

struct part {
    struct build *build;
    struct adb_thread thread;
    struct adb_spare spare;
    uint64_t number;
    struct entry *entries; /* owned */
    uint64_t n;
};

static void
check(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "micro_build: wrong: %s\n", what);
    exit(1);
}

static uint64_t
now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
make_key(uint64_t number, unsigned char *key)
{
    uint64_t words[2] = {micro_scatter(number), micro_scatter(~number)};
    memcpy(key, words, KEY_BYTES);
}

static armdb_slice
key_of(const struct entry *entry)
{
    return (armdb_slice){entry->key, KEY_BYTES};
}

static int
compare(const void *a, const void *b)
{
    return memcmp(a, b, KEY_BYTES);
}

static void *
make_entries(void *context)
{
    struct part *part = (struct part *)context;
    const struct build *build = part->build;
    part->entries =
        (struct entry *)malloc((build->n_keys / build->n_threads + 1) * sizeof(struct entry));
    check(part->entries != NULL, "no memory");
    for (uint64_t i = part->number; i < build->n_keys; i += build->n_threads) {
        make_key(i, part->entries[part->n].key);
        part->entries[part->n++].location = i + 1;
    }
    if (build->way == WAY_SORTED)
        qsort(part->entries, part->n, sizeof(struct entry), compare);
    return NULL;
}

static void
put(struct part *part, const struct entry *entry)
{
    struct adb_index *index = &part->build->index;
    check(adb_index_prepare(index, key_of(entry), &part->spare) == ARMDB_OK, "prepare");
    check(adb_index_put(index, key_of(entry), entry->location, NULL, &part->spare) == 0, "put");
}

static void
put_near(struct part *part)
{
    armdb_slice keys[TOGETHER];
    uint64_t locations[TOGETHER];
    for (uint64_t from = 0; from < part->n; from += TOGETHER) {
        uint64_t n = part->n - from < TOGETHER ? part->n - from : TOGETHER;
        for (uint64_t i = 0; i < n; i++)
            keys[i] = key_of(&part->entries[from + i]);
        adb_index_get_batch(&part->build->index, keys, n, locations, NULL);
        for (uint64_t i = 0; i < n; i++)
            put(part, &part->entries[from + i]);
    }
}

static void
on_replaced(void *context, armdb_slice key, uint64_t location)
{
    (void)context;
    (void)key;
    (void)location;
    check(false, "a key was there before");
}

static void
put_bulk(struct part *part)
{
    const struct adb_bulk_config config = {.pages = part->build->pages,
                                           .spare = &part->spare,
                                           .n_workers = part->build->n_threads,
                                           .worker = (uint32_t)part->number,
                                           .on_replaced = on_replaced};
    struct adb_bulk *bulk;
    check(adb_bulk_new(&config, &bulk) == ARMDB_OK, "bulk");
    for (uint64_t i = 0; i < part->n; i++)
        check(adb_bulk_put(bulk, 0, &part->build->index, key_of(&part->entries[i]),
                           part->entries[i].location, NULL) == ARMDB_OK,
              "bulk put");
    check(adb_bulk_flush(bulk) == ARMDB_OK, "bulk flush");
    adb_bulk_free(bulk);
}

/* Each thread begins at another place, so that they do not meet. */
static void
put_sorted(struct part *part)
{
    struct adb_change changes[CHANGES];
    uint64_t start = part->n * part->number / part->build->n_threads;
    for (uint64_t done = 0; done < part->n;) {
        size_t n = 0;
        do {
            const struct entry *entry = &part->entries[(start + done) % part->n];
            changes[n++] = (struct adb_change){.key = key_of(entry), .location = entry->location};
            done++;
        } while (n < CHANGES && done < part->n && (start + done) % part->n != 0);
        check(adb_tree_apply(part->build->index.tree, changes, n, &part->spare) == ARMDB_OK,
              "apply");
    }
}

static void *
put_part(void *context)
{
    struct part *part = (struct part *)context;
    switch (part->build->way) {
    case WAY_ONE:
        for (uint64_t i = 0; i < part->n; i++)
            put(part, &part->entries[i]);
        break;
    case WAY_NEAR:
        put_near(part);
        break;
    case WAY_BULK:
        put_bulk(part);
        break;
    case WAY_SORTED:
        put_sorted(part);
        break;
    }
    return NULL;
}

static void
run_all(struct part *parts, void *(*run)(void *), uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        check(adb_thread_start(&parts[i].thread, run, &parts[i]) == ARMDB_OK, "thread");
    for (uint32_t i = 0; i < n; i++)
        adb_thread_join(&parts[i].thread);
}

static void
check_all(const struct build *build)
{
    unsigned char key[KEY_BYTES];
    check(adb_index_count(&build->index) == build->n_keys, "count");
    for (uint64_t i = 0; i < build->n_keys; i += 7) {
        make_key(i, key);
        check(adb_index_get(&build->index, (armdb_slice){key, KEY_BYTES}, NULL) == i + 1, "get");
    }
}

static void
measure(uint64_t n_keys, uint32_t n_threads, enum way way, bool is_ordered)
{
    struct build build = {.n_keys = n_keys, .n_threads = n_threads, .way = way};
    struct part parts[THREADS_MAX];
    check(adb_pages_new(&build.pages) == ARMDB_OK, "pages");
    const struct adb_index_config config = {.pages = build.pages,
                                            .is_ordered = is_ordered,
                                            .key_bytes = KEY_BYTES,
                                            .n_writers = n_threads,
                                            .seed = 1};
    check(adb_index_init(&build.index, &config) == ARMDB_OK, "index");
    memset(parts, 0, sizeof parts);
    for (uint32_t i = 0; i < n_threads; i++) {
        parts[i].build = &build;
        parts[i].number = i;
    }
    run_all(parts, make_entries, n_threads);
    uint64_t start = now_ns();
    run_all(parts, put_part, n_threads);
    double ns = (double)(now_ns() - start) / (double)n_keys;
    check_all(&build);
    printf("%-5s %-20s %8.1f ns  %5.1f B\n", is_ordered ? "tree" : "map", way_names[way], ns,
           (double)adb_index_bytes(&build.index) / (double)n_keys);
    fflush(stdout);
    for (uint32_t i = 0; i < n_threads; i++) {
        adb_spare_fini(&parts[i].spare, build.pages);
        free(parts[i].entries);
    }
    adb_index_fini(&build.index);
    adb_pages_free(build.pages);
}

int
main(int argc, char **argv)
{
    uint64_t n_keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    uint64_t n_threads = argc > 2 ? strtoull(argv[2], NULL, 10) : 2;
    if (n_keys == 0 || n_threads == 0 || n_threads > THREADS_MAX) {
        fprintf(stderr, "usage: micro_build [KEYS [THREADS]]; up to %d threads\n", THREADS_MAX);
        return 2;
    }
    printf("%llu keys, %llu threads\n", (unsigned long long)n_keys, (unsigned long long)n_threads);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (int way = WAY_ONE; way <= WAY_SORTED; way++)
            measure(n_keys, (uint32_t)n_threads, (enum way)way, true);
        for (int way = WAY_ONE; way <= WAY_BULK; way++)
            measure(n_keys, (uint32_t)n_threads, (enum way)way, false);
    }
    return 0;
}
