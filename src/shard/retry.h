/* retry.h: when work of the background that failed is tried again. Guarded by the caller's lock. */
#ifndef ADB_SHARD_RETRY_H
#define ADB_SHARD_RETRY_H

#include "os/os.h"

#define SHARD_RETRY_NS_MIN UINT64_C(1000000000)
#define SHARD_RETRY_NS_MAX UINT64_C(60000000000)

/** All zero: at once. */
struct shard_retry {
    uint64_t at_ns;    /* not before */
    uint64_t delay_ns; /* doubles with each failure in a row */
};

static inline void
adb_retry_later(struct shard_retry *retry, struct adb_os *os)
{
    retry->delay_ns = retry->delay_ns == 0 ? SHARD_RETRY_NS_MIN : 2 * retry->delay_ns;
    if (retry->delay_ns > SHARD_RETRY_NS_MAX)
        retry->delay_ns = SHARD_RETRY_NS_MAX;
    retry->at_ns = adb_os_now_ns(os) + retry->delay_ns;
}

static inline bool
adb_retry_is_due(const struct shard_retry *retry, struct adb_os *os)
{
    return adb_os_now_ns(os) >= retry->at_ns;
}

#endif
