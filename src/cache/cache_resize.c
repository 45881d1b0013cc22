/*
 * How the budget changes: everything that may fail is made first; then, with the lock held and no
 * frame claimed, the blocks that stay are entered in the new table and queues; then memory that is
 * no longer needed goes back to the system. Frames do not move, so the old table serves readers
 * until the new one is published.
 */
#include "base/assert.h"
#include "base/err.h"
#include "cache/cache_private.h"

enum {
    SYSTEM_PAGE_BYTES = 4096,
    FRAME_COUNT_MAX = INT32_MAX,
    AHEAD_CHUNKS_MAX = 32 /* 64 MiB */
};

static uint64_t
fixed_bytes_for(uint64_t n_frames)
{
    uint64_t table_bytes = adb_cache_table_bytes(adb_cache_table_buckets(n_frames));
    return sizeof(struct adb_cache) + adb_round_up(table_bytes, SYSTEM_PAGE_BYTES) +
           adb_cache_policy_bytes(n_frames);
}

/* As many frames as the budget has room for. */
static uint64_t
frames_for(uint64_t budget_bytes)
{
    uint64_t n_frames = budget_bytes / sizeof(struct cache_frame);
    if (n_frames > FRAME_COUNT_MAX)
        n_frames = FRAME_COUNT_MAX;
    while (n_frames != 0) {
        uint64_t bytes = fixed_bytes_for(n_frames) + adb_cache_frames_bytes(n_frames);
        if (bytes <= budget_bytes)
            break;
        uint64_t too_many = (bytes - budget_bytes) / (2 * sizeof(struct cache_frame)) + 1;
        n_frames -= too_many < n_frames ? too_many : n_frames;
    }
    return n_frames;
}

static bool
has_block(const struct cache_frame *frame)
{
    /* Relaxed: under the lock no frame gets or loses a block. */
    return (atomic_load_explicit(&frame->version, memory_order_relaxed) & 1) != 0;
}

/* The blocks of frames that will not be there any more. */
static void
evict_from_locked(struct adb_cache *cache, uint64_t n_frames)
{
    struct cache_table *table = adb_cache_table_of(cache);
    for (uint64_t i = n_frames; i < cache->frames.n_cut; i++) {
        struct cache_frame *frame = adb_cache_frame_at(&cache->frames, i);
        if (!has_block(frame))
            continue;
        adb_cache_policy_remove(&cache->policy, frame);
        adb_cache_evict_locked(cache, table, frame);
        cache->n_evicted++;
    }
}

/* All blocks of one queue, the oldest first. */
static void
move_queue_locked(struct adb_cache *cache, const struct cache_queue *queue,
                  struct cache_policy *policy, struct cache_table *table)
{
    struct cache_frame *frame = queue->oldest;
    while (frame != NULL) {
        struct cache_frame *next = frame->newer;
        if (adb_cache_table_put(table, frame, adb_cache_hash(adb_cache_frame_id(frame)))) {
            adb_cache_policy_keep(policy, frame);
        } else {
            /* The old table still leads to it; its readers see the version. */
            adb_cache_frame_empty(frame);
            adb_cache_frames_give(&cache->frames, frame);
            cache->n_blocks--;
            cache->n_evicted++;
        }
        frame = next;
    }
}

/* Lets the new table (NULL: none) and policy take over; `policy` becomes the old one. */
static void
change_locked(struct adb_cache *cache, uint64_t n_frames, struct cache_table *table,
              struct cache_policy *policy)
{
    cache->is_resizing = true;
    while (cache->n_claimed != 0)
        adb_cond_wait(&cache->no_claims, &cache->lock);
    evict_from_locked(cache, n_frames);
    adb_cache_frames_set(&cache->frames, n_frames);
    cache->n_populated = 0;
    struct cache_policy old = cache->policy;
    if (table != NULL) {
        move_queue_locked(cache, &old.main, policy, table);
        move_queue_locked(cache, &old.small, policy, table);
    }
    cache->policy = *policy;
    *policy = old;
    /* Release: publishes the table. */
    atomic_store_explicit(&cache->table, table, memory_order_release);
    cache->fixed_bytes = n_frames != 0 ? fixed_bytes_for(n_frames) : sizeof *cache;
    cache->is_resizing = false;
}

static bool
map_frames(struct adb_cache *cache, uint64_t n_frames)
{
    adb_mutex_lock(&cache->lock);
    bool is_mapped = adb_cache_frames_map(&cache->frames, n_frames);
    adb_mutex_unlock(&cache->lock);
    return is_mapped;
}

/* With resize_lock held. */
static armdb_err
change_size(struct adb_cache *cache, uint64_t n_frames)
{
    struct cache_table *table = NULL;
    struct cache_table *old_table = adb_cache_table_of(cache);
    struct cache_policy policy = {0};
    bool is_made = true;
    if (n_frames != 0) {
        table = adb_cache_table_new(adb_cache_table_buckets(n_frames), &cache->spare_tables);
        is_made = table != NULL && adb_cache_policy_init(&policy, n_frames) &&
                  map_frames(cache, n_frames);
    }
    if (is_made) {
        adb_mutex_lock(&cache->lock);
        change_locked(cache, n_frames, table, &policy);
        adb_mutex_unlock(&cache->lock);
        adb_cache_frames_discard(&cache->frames);
        table = old_table;
    }
    /* What was replaced; or, if something is missing, what was made. */
    if (table != NULL)
        adb_cache_table_retire(table, &cache->spare_tables);
    adb_cache_policy_fini(&policy);
    return is_made ? ARMDB_OK : adb_fail(ARMDB_NO_MEMORY, "cache", "no memory for a block cache");
}

armdb_err
adb_cache_resize(struct adb_cache *cache, uint64_t budget_bytes)
{
    armdb_err err = ARMDB_OK;
    uint64_t n_frames = frames_for(budget_bytes);
    adb_mutex_lock(&cache->resize_lock);
    if (n_frames != cache->frames.n_frames)
        err = change_size(cache, n_frames);
    if (err == ARMDB_OK) {
        adb_mutex_lock(&cache->lock);
        cache->budget_bytes = budget_bytes;
        adb_mutex_unlock(&cache->lock);
    }
    adb_mutex_unlock(&cache->resize_lock);
    return err;
}

/* ------------------------------------------------------------------ memory ahead of need */

bool
adb_cache_tend(struct adb_cache *cache)
{
    if (cache == NULL)
        return false;
    adb_mutex_lock(&cache->resize_lock);
    adb_mutex_lock(&cache->lock);
    uint64_t n_cut = cache->frames.n_cut;
    uint64_t n_grown = n_cut > cache->n_tended ? n_cut - cache->n_tended : 0;
    uint64_t n_chunks = cache->frames.n_frames / CACHE_CHUNK_FRAMES; /* whole ones */
    uint64_t first = cache->n_populated;
    adb_mutex_unlock(&cache->lock);
    if (first < (n_cut + CACHE_CHUNK_FRAMES - 1) / CACHE_CHUNK_FRAMES)
        first = (n_cut + CACHE_CHUNK_FRAMES - 1) / CACHE_CHUNK_FRAMES;
    /* Twice as many as came in since the last time, so that a rate that grows is met too. */
    uint64_t n_ahead = n_grown == 0 ? 0 : 2 * n_grown / CACHE_CHUNK_FRAMES + 1;
    if (n_ahead > AHEAD_CHUNKS_MAX)
        n_ahead = AHEAD_CHUNKS_MAX;
    uint64_t last = n_cut / CACHE_CHUNK_FRAMES + 1 + n_ahead;
    last = n_grown == 0 ? first : last < n_chunks ? last : n_chunks;
    for (uint64_t i = first; i < last; i++)
        adb_cache_frames_populate(&cache->frames, i);
    adb_mutex_lock(&cache->lock);
    if (last > first)
        cache->n_populated = last;
    adb_mutex_unlock(&cache->lock);
    cache->n_tended = n_cut;
    adb_mutex_unlock(&cache->resize_lock);
    return n_grown != 0;
}
