#include "support/seed.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"

static uint64_t run_seed;
static pthread_once_t run_seed_once = PTHREAD_ONCE_INIT;

static void
choose_run_seed(void)
{
    const char *text = getenv("ARMDB_SEED");
    if (text != NULL && *text != '\0')
        run_seed = strtoull(text, NULL, 0);
    else
        ADB_ASSERT(getrandom(&run_seed, sizeof run_seed, 0) == (ssize_t)sizeof run_seed);
    fprintf(stderr, "ARMDB_SEED=%" PRIu64 "\n", run_seed);
}

uint64_t
test_seed(void)
{
    ADB_ASSERT(pthread_once(&run_seed_once, choose_run_seed) == 0);
    return run_seed;
}

unsigned
test_scale(void)
{
    const char *text = getenv("ARMDB_TEST_SCALE");
    unsigned long scale = text == NULL ? 1 : strtoul(text, NULL, 10);
    if (scale > 1000000)
        return 1000000;
    return scale < 1 ? 1 : (unsigned)scale;
}

static uint64_t
mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t
test_hash(uint64_t number)
{
    return mix(number + UINT64_C(0x9e3779b97f4a7c15));
}

struct test_rng
test_rng_make(uint64_t seed)
{
    return (struct test_rng){.state = seed};
}

struct test_rng
test_rng_fork(uint64_t seed, uint64_t stream)
{
    return test_rng_make(test_hash(seed) ^ mix(stream * UINT64_C(0xd1342543de82ef95) + 1));
}

uint64_t
test_rng_next(struct test_rng *rng)
{
    rng->state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(rng->state);
}

uint64_t
test_rng_below(struct test_rng *rng, uint64_t limit)
{
    ADB_ASSERT(limit > 0);
    __extension__ unsigned __int128 product = test_rng_next(rng);
    return (uint64_t)((product * limit) >> 64);
}

bool
test_rng_one_in(struct test_rng *rng, uint64_t out_of)
{
    return test_rng_below(rng, out_of) == 0;
}

void
test_rng_fill(struct test_rng *rng, void *buffer, size_t bytes)
{
    unsigned char *to = (unsigned char *)buffer;
    while (bytes > 0) {
        uint64_t word = test_rng_next(rng);
        size_t part = bytes < sizeof word ? bytes : sizeof word;
        memcpy(to, &word, part);
        to += part;
        bytes -= part;
    }
}
