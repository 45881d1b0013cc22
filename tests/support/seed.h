/*
 * seed.h: randomness of tests: one seed for a run, printed, and a small generator.
 *
 * Every random test takes its seed from test_seed(), so that a failure is repeated by setting
 * ARMDB_SEED to the number on standard error.
 */
#ifndef TEST_SUPPORT_SEED_H
#define TEST_SUPPORT_SEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** splitmix64; not for secrets. Initialise with any number. */
struct test_rng {
    uint64_t state;
};

/**
 * The seed of this run: ARMDB_SEED (decimal, or hexadecimal after 0x), or else a new one from the
 * system. Prints "ARMDB_SEED=..." to standard error the first time. Any thread.
 */
uint64_t test_seed(void);

/** How many times as much the run is to do: ARMDB_TEST_SCALE, at least 1; 1 if not set. */
unsigned test_scale(void);

/** A number that looks random and always is the same for the same `number`. */
uint64_t test_hash(uint64_t number);

struct test_rng test_rng_make(uint64_t seed);
/** A generator of its own for `stream`, independent of those of other numbers. */
struct test_rng test_rng_fork(uint64_t seed, uint64_t stream);
uint64_t test_rng_next(struct test_rng *rng);
/** A number from 0 to `limit` - 1; `limit` must not be 0. */
uint64_t test_rng_below(struct test_rng *rng, uint64_t limit);
/** True with probability 1 / `out_of`. */
bool test_rng_one_in(struct test_rng *rng, uint64_t out_of);
void test_rng_fill(struct test_rng *rng, void *buffer, size_t bytes);

#endif
