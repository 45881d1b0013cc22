/*
 * key_shapes.h: random numbers for tests of the indexes, and keys of all kinds that are easy to get
 * wrong.
 *
 * The program's main calls seed_keys(); ARMDB_SEED=n replays a run.
 */
#ifndef TEST_UNIT_INDEX_KEY_SHAPES_H
#define TEST_UNIT_INDEX_KEY_SHAPES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "armdb/armdb.h"
#include "support/seed.h"

/* ------------------------------------------------------------------ randomness */

static struct test_rng rng;

static inline void
seed_keys(void)
{
    rng = test_rng_make(test_seed());
}

static inline uint32_t
random_below(uint32_t limit)
{
    return (uint32_t)test_rng_below(&rng, limit);
}

/* A location that no key has, except by chance. */
static inline uint64_t
random_location(void)
{
    return test_rng_next(&rng) >> 1 | 1;
}

/* ------------------------------------------------------------------ keys */

struct shaped_key {
    uint32_t len;
    unsigned char bytes[ARMDB_KEY_MAX];
};

/* How the bytes of keys are chosen. */
enum shape {
    SHAPE_RANDOM,
    SHAPE_DENSE,   /* counting numbers at the end, the same byte before them */
    SHAPE_SHORT,   /* 1..7 bytes of few values */
    SHAPE_LONG,    /* up to 1024 bytes */
    SHAPE_MAXIMAL, /* always 1024 bytes */
    SHAPE_PREFIX,  /* one of few prefixes of 200 bytes, then a number */
    SHAPE_NESTED,  /* nothing but zeros, of each length: each is the beginning of others */
    SHAPE_MIXED    /* of each */
};

static inline armdb_slice
shaped_slice(const struct shaped_key *key)
{
    return (armdb_slice){.data = key->bytes, .len = key->len};
}

/* The order of keys: unsigned bytes, then length. */
static inline int
compare_keys(const void *a, size_t a_len, const void *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    if (order != 0)
        return order;
    return a_len == b_len ? 0 : a_len < b_len ? -1 : 1;
}

static inline void
fill_random(struct shaped_key *key, uint32_t len, uint32_t n_values)
{
    key->len = len;
    for (uint32_t i = 0; i < len; i++) {
        uint32_t value = random_below(n_values);
        key->bytes[i] = (unsigned char)(n_values == 256 ? value : 'a' + value);
    }
}

static inline void
append_number(struct shaped_key *key, uint32_t number, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        key->bytes[key->len++] = (unsigned char)(number >> (8 * (bytes - 1 - i)));
}

/* The i-th key of a shape; `key_bytes` 0: of variable length. */
static inline void
make_key(struct shaped_key *key, enum shape shape, uint32_t key_bytes, uint32_t i)
{
    key->len = 0;
    switch (shape) {
    case SHAPE_RANDOM:
        fill_random(key, key_bytes != 0 ? key_bytes : 1 + random_below(40), 256);
        break;
    case SHAPE_DENSE: {
        uint32_t len = key_bytes != 0 ? key_bytes : 20;
        uint32_t number_bytes = len < 3 ? len : 3;
        memset(key->bytes, 'p', len);
        key->len = len - number_bytes;
        append_number(key, i, number_bytes);
        break;
    }
    case SHAPE_SHORT:
        fill_random(key, 1 + random_below(7), 4);
        break;
    case SHAPE_LONG:
        fill_random(key, 1 + random_below(ARMDB_KEY_MAX), 2);
        break;
    case SHAPE_MAXIMAL:
        fill_random(key, ARMDB_KEY_MAX, 2);
        break;
    case SHAPE_PREFIX:
        memset(key->bytes, 'a' + (int)random_below(3), 200);
        key->len = 200;
        append_number(key, random_below(5000), 1 + random_below(3));
        break;
    case SHAPE_NESTED:
        key->len = 1 + i % ARMDB_KEY_MAX;
        memset(key->bytes, 0, key->len);
        key->bytes[key->len - 1] = (unsigned char)(i / ARMDB_KEY_MAX);
        break;
    case SHAPE_MIXED:
        make_key(key, (enum shape)(i % SHAPE_MIXED), 0, i);
        break;
    }
}

#endif
