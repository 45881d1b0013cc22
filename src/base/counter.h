/*
 * counter.h: counters that many threads bump without meeting.
 *
 * A thread adds to one of a few stripes, each a cache line away from the next; reading sums them
 * up.
 * Threads: any. Relaxed: a sum read while others add is some value in between.
 */
#ifndef ADB_BASE_COUNTER_H
#define ADB_BASE_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/attr.h"

enum { COUNTER_STRIPES = 16 };

/* Padded, not aligned: the heap gives no such alignment, and being apart is what counts. */
struct adb_counter_stripe {
    _Atomic(uint64_t) value;
    unsigned char padding[ADB_CACHE_LINE - sizeof(uint64_t)];
};

struct adb_counter {
    struct adb_counter_stripe stripes[COUNTER_STRIPES];
};

/** The stripe of the calling thread: threads get them in turn. */
uint32_t adb_counter_stripe_of_thread(void);

static inline void
adb_counter_add(struct adb_counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(&counter->stripes[adb_counter_stripe_of_thread()].value, n,
                              memory_order_relaxed);
}

static inline uint64_t
adb_counter_sum(const struct adb_counter *counter)
{
    uint64_t sum = 0;
    for (int i = 0; i < COUNTER_STRIPES; i++)
        sum += atomic_load_explicit(&counter->stripes[i].value, memory_order_relaxed);
    return sum;
}

#endif
