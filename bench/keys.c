#include "keys.h"

#include <math.h>
#include <string.h>

enum { POOL_OFFSETS = 1 << 16, VALUE_BYTES_MAX = 1 << 20 };

/* Incompressible bytes; a value is a piece of them. */
static unsigned char pool[POOL_OFFSETS + VALUE_BYTES_MAX];

void
bench_values_init(void)
{
    uint64_t state = 1;
    for (size_t i = 0; i < sizeof pool; i += 8) {
        const uint64_t word = bench_random(&state);
        memcpy(pool + i, &word, 8);
    }
}

static void
store_big_endian(unsigned char *to, uint64_t n)
{
    n = __builtin_bswap64(n);
    memcpy(to, &n, 8);
}

void
bench_key(uint64_t id, bool is_sequential, unsigned char key[BENCH_KEY_BYTES])
{
    const uint64_t scattered = bench_mix(id);
    store_big_endian(key, is_sequential ? id : scattered);
    store_big_endian(key + 8, bench_mix(scattered));
}

static uint64_t
tag_of(const unsigned char key[BENCH_KEY_BYTES])
{
    uint64_t words[2];
    memcpy(words, key, sizeof words);
    return words[0] ^ (words[1] << 1);
}

static const unsigned char *
payload_of(uint64_t tag, uint64_t version)
{
    return pool + (bench_mix(tag ^ (version << 32)) & (POOL_OFFSETS - 1));
}

void
bench_value(const unsigned char key[BENCH_KEY_BYTES], uint64_t version, void *value, size_t len)
{
    const uint64_t tag = tag_of(key);
    unsigned char *to = (unsigned char *)value;
    if (len < 16) {
        const uint32_t words[2] = {(uint32_t)tag, (uint32_t)version};
        memcpy(to, words, sizeof words);
        memset(to + 8, 0, len - 8);
        return;
    }
    memcpy(to, &tag, 8);
    memcpy(to + 8, &version, 8);
    memcpy(to + 16, payload_of(tag, version), len - 16);
}

static bool
is_right(uint64_t tag, struct bench_bytes value, uint64_t *version_out)
{
    const unsigned char *bytes = (const unsigned char *)value.data;
    if (value.len < 16) {
        uint32_t words[2];
        memcpy(words, bytes, sizeof words);
        *version_out = words[1];
        return words[0] == (uint32_t)tag;
    }
    uint64_t words[2];
    memcpy(words, bytes, sizeof words);
    *version_out = words[1];
    return words[0] == tag && memcmp(bytes + 16, payload_of(tag, words[1]), value.len - 16) == 0;
}

uint64_t
bench_value_check(struct bench_bytes key, struct bench_bytes value, size_t len)
{
    uint64_t version = 0;
    if (key.len != BENCH_KEY_BYTES)
        bench_die("WRONG KEY: %zu bytes, not %d", key.len, BENCH_KEY_BYTES);
    if (value.len != len)
        bench_die("WRONG VALUE: %zu bytes, not %zu", value.len, len);
    if (!is_right(tag_of((const unsigned char *)key.data), value, &version))
        bench_die("WRONG VALUE: its bytes were never written for this key");
    return version;
}

/* The sum of 1 / i^theta for i = 1..n: exact at first, then by the integral. */
static double
zeta(uint64_t n, double theta)
{
    const uint64_t exact = n < 100000 ? n : 100000;
    double sum = 0;
    for (uint64_t i = 1; i <= exact; i++)
        sum += pow((double)i, -theta);
    if (n > exact) {
        const double from = (double)exact + 0.5, to = (double)n + 0.5;
        sum += (pow(to, 1 - theta) - pow(from, 1 - theta)) / (1 - theta);
    }
    return sum;
}

/* Gray et al., "Quickly generating billion-record synthetic databases" (1994). */
void
bench_zipf(uint32_t *ranks, size_t n_draws, uint64_t n, uint64_t seed)
{
    const double theta = 0.99, alpha = 1 / (1 - theta), sum = zeta(n, theta);
    const double eta = (1 - pow(2.0 / (double)n, 1 - theta)) / (1 - zeta(2, theta) / sum);
    for (size_t i = 0; i < n_draws; i++) {
        const double u = (double)(bench_random(&seed) >> 11) * 0x1p-53;
        double rank;
        if (u * sum < 1)
            rank = 0;
        else if (u * sum < 1 + pow(0.5, theta))
            rank = 1;
        else
            rank = (double)n * pow(eta * u - eta + 1, alpha);
        ranks[i] = rank < (double)n ? (uint32_t)rank : (uint32_t)(n - 1);
    }
}
