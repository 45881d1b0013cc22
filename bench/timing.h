/*
 * timing.h: time by the processor's counter, and latencies in a histogram.
 *
 * One reading of the counter ends an operation and begins the next: about 10 ns of each.
 */
#ifndef BENCH_TIMING_H
#define BENCH_TIMING_H

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static inline uint64_t
bench_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t
bench_ticks(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#else
    return bench_now_ns();
#endif
}

/** Measures how long a tick is; to be called once, before the two below. Takes 50 ms. */
void bench_ticks_init(void);

/** Nanoseconds of a number of ticks. */
double bench_ticks_ns(double ticks);

/** Ticks of a number of seconds. */
uint64_t bench_seconds_ticks(double seconds);

/** Counts of ticks, each in a class at most 1/32 wide. */
struct bench_histogram {
    uint64_t count;
    uint64_t max;
    uint64_t classes[60 * 32];
};

static inline void
bench_histogram_add(struct bench_histogram *histogram, uint64_t ticks)
{
    uint64_t class_ = ticks;
    if (ticks >= 32) {
        const uint64_t shift = 58 - (uint64_t)__builtin_clzll(ticks);
        class_ = (shift + 1) * 32 + ((ticks >> shift) & 31);
    }
    histogram->classes[class_]++;
    histogram->count++;
    if (ticks > histogram->max)
        histogram->max = ticks;
}

void bench_histogram_merge(struct bench_histogram *into, const struct bench_histogram *from);

/** The ticks that a share (0..1) of the counts does not exceed; 0 if there are none. */
double bench_histogram_at(const struct bench_histogram *histogram, double share);

#endif
