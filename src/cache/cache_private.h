/* cache_private.h: what a cache is made of, for the files of this directory. */
#ifndef ADB_CACHE_CACHE_PRIVATE_H
#define ADB_CACHE_CACHE_PRIVATE_H

#include "base/counter.h"
#include "cache/cache.h"
#include "cache/cache_flight.h"
#include "cache/cache_frame.h"
#include "cache/cache_frames.h"
#include "cache/cache_policy.h"
#include "cache/cache_table.h"
#include "os/thread.h"

struct adb_cache {
    /* atomic: stored with both locks held; NULL: no blocks. On a cache line that hardly changes */
    struct cache_table *_Atomic table;
    unsigned char padding[ADB_CACHE_LINE];
    /* atomic */
    struct adb_counter hits;
    struct adb_counter misses;

    struct cache_flights flights; /* has locks of its own */

    struct adb_mutex resize_lock; /* taken before lock */
    /* guarded by resize_lock */
    struct cache_table *spare_tables; /* owned */
    uint64_t n_tended;                /* frames that were cut when adb_cache_tend() looked last */

    struct adb_mutex lock;
    struct adb_cond no_claims; /* signalled when n_claimed gets 0 while is_resizing */
    /* guarded by lock */
    struct cache_frames frames; /* changes of its size: both locks */
    struct cache_policy policy;
    uint64_t
        n_populated;    /* changes: both locks. Chunks whose memory was seen to; 0 after a resize */
    uint64_t n_claimed; /* frames that are being filled */
    bool is_resizing;   /* no frame may be claimed */
    uint64_t version;   /* the last one that a block got; odd */
    uint64_t n_blocks;
    uint64_t n_inserted;
    uint64_t n_evicted;
    uint64_t n_dropped;
    uint64_t budget_bytes;
    uint64_t fixed_bytes; /* of memory beside the frames */
};

/** The table of a cache that may be NULL; NULL if there are no blocks. */
static inline struct cache_table *
adb_cache_table_of(const struct adb_cache *cache)
{
    /* Acquire: publishes the table. */
    return cache != NULL ? atomic_load_explicit(&cache->table, memory_order_acquire) : NULL;
}

/** Puts a block into the cache, unless it is there or there is no room for any. */
void adb_cache_insert(struct adb_cache *cache, struct cache_id id, const unsigned char *bytes);

/** Makes the block of a frame go; the frame was taken from its queue, and holds nothing then. */
void adb_cache_evict_locked(struct adb_cache *cache, struct cache_table *table,
                            struct cache_frame *frame);

#endif
