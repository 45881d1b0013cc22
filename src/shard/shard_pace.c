/*
 * shard_pace.c: holding writers back while compaction does not keep up with them, a little after
 * every so many bytes, so that the log stays within its bound (docs/compaction.md, "Pace").
 */
#include "shard/shard_private.h"

/* After so many bytes there is a toll: seldom enough that it is not met by one of a thousand small
 * writes. A toll that would be longer than the longest there is comes more often instead. */
#define MIB (UINT64_C(1) << 20)
#define TOLL_BYTES (2 * MIB)
#define TOLL_NS_MAX UINT64_C(7000000)

void
adb_shard_set_toll(struct shard *shard, uint64_t ns_per_mib)
{
    uint64_t toll_ns = ns_per_mib * (TOLL_BYTES / MIB);
    bool is_long = toll_ns > TOLL_NS_MAX;
    atomic_store_explicit(&shard->toll_ns, is_long ? TOLL_NS_MAX : toll_ns, memory_order_relaxed);
    atomic_store_explicit(&shard->toll_bytes,
                          is_long ? TOLL_BYTES * TOLL_NS_MAX / toll_ns : TOLL_BYTES,
                          memory_order_relaxed);
    if (ns_per_mib > 0 || atomic_load_explicit(&shard->held_until_ns, memory_order_relaxed) == 0)
        return;
    adb_mutex_lock(&shard->toll_lock);
    atomic_store_explicit(&shard->held_until_ns, 0, memory_order_relaxed);
    adb_cond_wake_all(&shard->toll_over);
    adb_mutex_unlock(&shard->toll_lock);
}

void
adb_shard_count_toll(struct shard *shard, uint64_t bytes)
{
    shard->untolled_bytes += bytes;
    if (ADB_LIKELY(shard->untolled_bytes <
                   atomic_load_explicit(&shard->toll_bytes, memory_order_relaxed)))
        return;
    shard->untolled_bytes = 0;
    uint64_t toll_ns = atomic_load_explicit(&shard->toll_ns, memory_order_relaxed);
    if (toll_ns > 0)
        atomic_store_explicit(&shard->held_until_ns, adb_os_now_ns(shard->os) + toll_ns,
                              memory_order_relaxed);
}

void
adb_shard_pay_toll(struct shard *shard)
{
    adb_mutex_lock(&shard->toll_lock);
    for (;;) {
        uint64_t until_ns = atomic_load_explicit(&shard->held_until_ns, memory_order_relaxed);
        uint64_t now_ns = adb_os_now_ns(shard->os);
        if (until_ns == 0)
            break;
        if (now_ns >= until_ns) {
            /* Unless the next toll has begun, which is for the next writes. */
            atomic_compare_exchange_strong_explicit(&shard->held_until_ns, &until_ns, 0,
                                                    memory_order_relaxed, memory_order_relaxed);
            adb_cond_wake_all(&shard->toll_over);
            break;
        }
        adb_cond_wait_for(&shard->toll_over, &shard->toll_lock, until_ns - now_ns);
    }
    adb_mutex_unlock(&shard->toll_lock);
}
