/*
 * How a block comes in: a frame is claimed under the lock (a free one, or that of a block which
 * goes), filled without it, and published under it. While it is claimed it is in no queue and no
 * table, so nobody else touches it.
 */
#include "base/assert.h"
#include "cache/cache_private.h"

enum { PREFETCH_FRAMES = 8 };

void
adb_cache_evict_locked(struct adb_cache *cache, struct cache_table *table,
                       struct cache_frame *frame)
{
    ADB_ASSERT(frame->place == CACHE_CLAIMED);
    adb_cache_table_remove(table, frame, adb_cache_hash(adb_cache_frame_id(frame)));
    adb_cache_frame_empty(frame);
    cache->n_blocks--;
}

/* A frame for the block; NULL if there is none, or the block is there. */
static struct cache_frame *
claim(struct adb_cache *cache, struct cache_id id)
{
    struct cache_frame *frame = NULL;
    bool is_new = false;
    adb_mutex_lock(&cache->lock);
    struct cache_table *table = adb_cache_table_of(cache);
    if (table != NULL && !cache->is_resizing && adb_cache_table_find(table, id) == NULL) {
        frame = adb_cache_frames_take(&cache->frames, &is_new);
        if (frame == NULL) {
            frame = adb_cache_policy_victim(&cache->policy);
            if (frame != NULL) {
                adb_cache_evict_locked(cache, table, frame);
                cache->n_evicted++;
            }
        }
        cache->n_claimed += frame != NULL;
    }
    adb_mutex_unlock(&cache->lock);
    /* Here, because the first touch of new memory may take the system long. */
    if (frame != NULL && is_new)
        frame->place = CACHE_CLAIMED;
    return frame;
}

static void
publish_locked(struct adb_cache *cache, struct cache_frame *frame, struct cache_id id)
{
    struct cache_table *table = adb_cache_table_of(cache);
    uint64_t hash = adb_cache_hash(id);
    if (adb_cache_table_find(table, id) != NULL) {
        adb_cache_frames_give(&cache->frames, frame);
        return;
    }
    cache->version += 2;
    adb_cache_frame_publish(frame, cache->version);
    while (!adb_cache_table_put(table, frame, hash)) {
        struct cache_frame *other = adb_cache_table_crowder(table, hash);
        adb_cache_policy_remove(&cache->policy, other);
        adb_cache_evict_locked(cache, table, other);
        adb_cache_frames_give(&cache->frames, other);
        cache->n_evicted++;
    }
    adb_cache_policy_add(&cache->policy, frame, hash);
    cache->n_blocks++;
    cache->n_inserted++;
}

void
adb_cache_insert(struct adb_cache *cache, struct cache_id id, const unsigned char *bytes)
{
    struct cache_frame *frame = claim(cache, id);
    if (frame == NULL)
        return;
    adb_cache_frame_fill(frame, id, bytes);
    adb_mutex_lock(&cache->lock);
    publish_locked(cache, frame, id);
    cache->n_claimed--;
    if (cache->is_resizing && cache->n_claimed == 0)
        adb_cond_wake_all(&cache->no_claims);
    adb_mutex_unlock(&cache->lock);
}

static void
drop_from_locked(struct adb_cache *cache, struct cache_frame *frame, uint64_t file_key)
{
    /* A frame that has a block got it under the lock; one that is claimed has none. Relaxed: so
     * neither changes now. */
    if ((atomic_load_explicit(&frame->version, memory_order_relaxed) & 1) == 0 ||
        adb_cache_frame_id(frame).file_key != file_key)
        return;
    adb_cache_policy_remove(&cache->policy, frame);
    adb_cache_evict_locked(cache, adb_cache_table_of(cache), frame);
    adb_cache_frames_give(&cache->frames, frame);
    cache->n_dropped++;
}

void
adb_cache_drop_blocks(struct adb_cache *cache, uint64_t file_key, uint64_t offset, size_t bytes)
{
    struct cache_id id = {file_key, offset / CACHE_BLOCK_BYTES};
    ADB_ASSERT(bytes > 0);
    if (cache == NULL)
        return;
    for (; id.block <= (offset + bytes - 1) / CACHE_BLOCK_BYTES; id.block++) {
        adb_mutex_lock(&cache->lock);
        const struct cache_table *table = adb_cache_table_of(cache);
        struct cache_frame *frame = table != NULL ? adb_cache_table_find(table, id) : NULL;
        if (frame != NULL)
            drop_from_locked(cache, frame, file_key);
        adb_mutex_unlock(&cache->lock);
    }
}

void
adb_cache_drop_file(struct adb_cache *cache, uint64_t file_key)
{
    bool is_more = cache != NULL;
    for (uint64_t from = 0; is_more; from += CACHE_CHUNK_FRAMES) {
        adb_mutex_lock(&cache->lock);
        uint64_t n_cut = cache->frames.n_cut;
        for (uint64_t i = from; i < n_cut && i < from + CACHE_CHUNK_FRAMES; i++) {
            if (i + PREFETCH_FRAMES < n_cut)
                __builtin_prefetch(adb_cache_frame_at(&cache->frames, i + PREFETCH_FRAMES));
            drop_from_locked(cache, adb_cache_frame_at(&cache->frames, i), file_key);
        }
        adb_mutex_unlock(&cache->lock);
        is_more = from + CACHE_CHUNK_FRAMES < n_cut;
    }
}
