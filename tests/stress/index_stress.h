/*
 * index_stress.h: threads on one index, of either kind: the keys they use, and how they are
 * started and ended.
 *
 * Keys are numbers in a hash order; each number belongs to one writer (by its remainder), except
 * that every 16th is stable: it is put in before the start and never removed, but its location is
 * replaced by anybody. Locations tell the key they belong to.
 */
#ifndef TEST_INDEX_STRESS_H
#define TEST_INDEX_STRESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "index/map.h"
#include "index/tree.h"
#include "os/thread.h"
#include "stress/stress.h"
#include "support/seed.h"

enum {
    FEW_KEYS = 1 << 10, /* so that nodes and segments come and go all the time */
    STABLE_EVERY = 16,
    N_WRITERS = 2,
    N_READERS = 2,
    WRITES = IS_SLOW ? 30000 : 400000, /* of each writer */
    KEY_SHIFT = 40 /* a location is key number << 40 | 24 random bits << 8 | anything but 0 */
};

struct stress {
    /* immutable while threads run */
    struct adb_pages *pages;
    struct adb_tree *tree; /* one of the two */
    struct adb_map *map;
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint32_t n_keys;
    uint64_t seed;
    /* atomic */
    atomic_bool is_over;
    _Atomic uint32_t n_writing;
};

struct actor {
    struct stress *stress;
    uint32_t number; /* among the writers, or the readers */
    uint64_t random_state;
    struct adb_spare spare;
    struct adb_thread thread;
};

/* ------------------------------------------------------------------ keys */

struct key {
    uint32_t len;
    unsigned char bytes[ARMDB_KEY_MAX];
};

/* The key of a number: variable keys have lengths from 12 to 300, most of them short. */
static inline armdb_slice
make_key(const struct stress *stress, uint32_t number, struct key *key)
{
    uint64_t hash = test_hash(number);
    key->len = stress->key_bytes;
    if (key->len == 0)
        key->len = hash % 61 == 0 ? 300 : 12 + (uint32_t)(hash >> 32) % 20;
    memset(key->bytes, 'x', key->len);
    for (uint32_t i = 0; i < 8; i++)
        key->bytes[i] = (unsigned char)(hash >> (8 * i));
    for (uint32_t i = 0; i < 4; i++)
        key->bytes[8 + i] = (unsigned char)(number >> (24 - 8 * i));
    return (armdb_slice){.data = key->bytes, .len = key->len};
}

static inline uint32_t
number_of(const unsigned char *key)
{
    return (uint32_t)key[8] << 24 | (uint32_t)key[9] << 16 | (uint32_t)key[10] << 8 | key[11];
}

/* Checks a key met on a walk. Returns its number. */
static inline uint32_t
check_key(const struct stress *stress, const unsigned char *bytes, uint32_t len)
{
    struct key key;
    uint32_t number = number_of(bytes);
    armdb_slice slice = make_key(stress, number, &key);
    check(len == slice.len && memcmp(bytes, slice.data, slice.len) == 0,
          "a key that nobody put in");
    return number;
}

static inline uint32_t
next_number(struct actor *actor)
{
    return (uint32_t)(test_hash(actor->random_state++) % actor->stress->n_keys);
}

static inline uint64_t
make_location(struct actor *actor, uint32_t number)
{
    return (uint64_t)number << KEY_SHIFT | (actor->random_state & 0xffffff) << 8 | 1;
}

/* ------------------------------------------------------------------ threads */

/* Of `n_writes` writes, in phases of growing and of shrinking: whether the n-th is a put; so that
 * nodes and segments are split and merged all the time. One in `out_of` goes the other way. */
static inline bool
is_put(const struct stress *stress, uint64_t n, uint64_t n_writes, uint64_t n_phases,
       uint64_t out_of)
{
    bool is_growing = n / (n_writes / n_phases) % 2 == 0;
    return test_hash(n ^ stress->seed) % out_of < (is_growing ? out_of - 1 : 1);
}

/* A writer has done its work; when the last one has, readers end. */
static inline void
end_writing(struct stress *stress)
{
    if (atomic_fetch_sub(&stress->n_writing, 1) == 1)
        atomic_store(&stress->is_over, true);
}

/* Runs writers and readers until all have ended. */
static inline void
run_threads(struct stress *stress, void *(*run_writer)(void *), void *(*run_reader)(void *))
{
    struct actor actors[N_WRITERS + N_READERS];
    stress->n_writing = N_WRITERS;
    stress->seed = test_seed();
    for (uint32_t i = 0; i < N_WRITERS + N_READERS; i++) {
        bool is_writer = i < N_WRITERS;
        struct actor *actor = &actors[i];
        *actor = (struct actor){.stress = stress,
                                .number = is_writer ? i : i - N_WRITERS,
                                .random_state = test_hash(stress->seed + i)};
        assert_int_equal(
            adb_thread_start(&actor->thread, is_writer ? run_writer : run_reader, actor), ARMDB_OK);
    }
    for (uint32_t i = 0; i < N_WRITERS + N_READERS; i++) {
        adb_thread_join(&actors[i].thread);
        adb_spare_fini(&actors[i].spare, stress->pages);
    }
}

#endif
