#include "latency.h"

#include <stddef.h>
#include <time.h>

uint64_t
latency_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Times below LATENCY_STEPS have a bucket each; above, the five bits after the highest choose. */
static size_t
bucket_of(uint64_t ns)
{
    if (ns < LATENCY_STEPS)
        return (size_t)ns;
    unsigned shift = 58u - (unsigned)__builtin_clzll(ns); /* brings ns to 32..63 */
    return (size_t)shift * LATENCY_STEPS + (size_t)(ns >> shift);
}

/* The largest time of a bucket. */
static uint64_t
end_of(size_t bucket)
{
    if (bucket < LATENCY_STEPS)
        return bucket;
    unsigned shift = (unsigned)(bucket / LATENCY_STEPS) - 1;
    return ((uint64_t)(bucket % LATENCY_STEPS + LATENCY_STEPS + 1) << shift) - 1;
}

void
latency_add(struct latency *latency, uint64_t ns)
{
    latency->buckets[bucket_of(ns)]++;
    latency->count++;
}

uint64_t
latency_percentile_ns(const struct latency *latency, unsigned percent)
{
    uint64_t rank = (latency->count * percent + 99) / 100;
    uint64_t seen = 0;
    if (latency->count == 0)
        return 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen >= rank)
            return end_of(i);
    }
    return UINT64_MAX;
}
