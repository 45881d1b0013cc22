/*
 * latency.h: a histogram of times, exact to 3 per cent, in a fixed few kilobytes.
 */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>

enum {
    LATENCY_STEPS = 32, /* buckets for each power of two */
    LATENCY_BUCKETS = LATENCY_STEPS * 60
};

/** All-zero is empty. */
struct latency {
    uint64_t count;
    uint64_t buckets[LATENCY_BUCKETS];
};

/** Nanoseconds of a clock that only goes on. */
uint64_t latency_now_ns(void);

/** Counts one time. */
void latency_add(struct latency *latency, uint64_t ns);

/** The time that `percent` of all are not over, nanoseconds; 0 if there are none. */
uint64_t latency_percentile_ns(const struct latency *latency, unsigned percent);

#endif
