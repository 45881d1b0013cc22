/*
 * keys.h: keys, values that can be checked, and which key comes next.
 *
 * Key number `id` is 16 bytes: random ones begin with a scattered id, sequential ones with the id
 * itself. A value holds a tag of its key and a version, and bytes that follow from both; so any
 * value that is read can be checked without knowing who wrote it.
 */
#ifndef BENCH_KEYS_H
#define BENCH_KEYS_H

#include "bench.h"

/** A number that looks random; a different one for each n. */
static inline uint64_t
bench_mix(uint64_t n)
{
    n += UINT64_C(0x9e3779b97f4a7c15);
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

/** The next number of a generator; any start will do. */
static inline uint64_t
bench_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return bench_mix(*state);
}

/** A number below `limit`, each as likely. */
static inline uint64_t
bench_random_below(uint64_t *state, uint64_t limit)
{
    return (uint64_t)(((unsigned __int128)bench_random(state) * limit) >> 64);
}

/** Writes key number `id`. */
void bench_key(uint64_t id, bool is_sequential, unsigned char key[BENCH_KEY_BYTES]);

/** Prepares the bytes that values are made of; to be called once, before the other two. */
void bench_values_init(void);

/** Writes a value of `len` bytes (8 at least) for `key`. */
void bench_value(const unsigned char key[BENCH_KEY_BYTES], uint64_t version, void *value,
                 size_t len);

/** The version of a value that was read; bench_die() if it is not one that was written for the key,
 * or not of length `len`. */
uint64_t bench_value_check(struct bench_bytes key, struct bench_bytes value, size_t len);

/** Draws `n_draws` ranks below n by the zipf distribution (theta 0.99): rank 0 the most likely. */
void bench_zipf(uint32_t *ranks, size_t n_draws, uint64_t n, uint64_t seed);

#endif
