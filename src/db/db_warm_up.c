/*
 * db_warm_up.c: reading the blocks of live values into the cache, before they are wanted.
 *
 * A walk over keys alone notes where the values are; then each shard's blocks are read in the order
 * of its files, as many as the cache has room for.
 */
#include "base/err.h"
#include "base/mem.h"
#include "db/db_private.h"
#include "shard/shard_warm.h"

enum { BLOCK_AND_HEAD = 4096 + 256 }; /* memory of the cache that a block takes at most */

struct warm_up {
    struct db *db;
    struct shard_warm **shards; /* owned, [settings.shards]; each owned, NULL: not begun */
    armdb_warm_up_fn on_progress;
    void *context;
    armdb_warm_up_progress progress;
};

static armdb_err
no_memory(void)
{
    return adb_fail(ARMDB_NO_MEMORY, "warm up", "no memory for a list of blocks");
}

static armdb_err
note_value(struct warm_up *warm_up, const struct cursor *cursor)
{
    const struct db *db = warm_up->db;
    armdb_slice key = adb_cursor_key(cursor);
    uint32_t number = adb_router_shard(&db->router, key);
    struct shard_warm **warm = &warm_up->shards[number];
    if (*warm == NULL)
        *warm = adb_warm_begin(db->shards[number]);
    if (*warm == NULL || !adb_warm_note(*warm, adb_cursor_location(cursor), key.len))
        return no_memory();
    return ARMDB_OK;
}

static armdb_err
note_values(struct warm_up *warm_up, struct cursor *cursor)
{
    armdb_err err = ARMDB_OK;
    while (err == ARMDB_OK) {
        err = adb_cursor_move(cursor, CURSOR_NEXT);
        if (err == ARMDB_OK)
            err = note_value(warm_up, cursor);
    }
    return err == ARMDB_END ? ARMDB_OK : err;
}

/* Reads what was noted of one shard; says whether to go on. */
static bool
read_shard(struct warm_up *warm_up, struct shard_warm *warm, struct fetch *fetch)
{
    armdb_warm_up_progress *progress = &warm_up->progress;
    for (;;) {
        uint64_t bytes;
        adb_fetch_clear(fetch);
        bytes = (uint64_t)adb_warm_step(warm, fetch) * CACHE_BLOCK_BYTES;
        if (bytes == 0)
            return true;
        progress->done_bytes += bytes;
        if (warm_up->on_progress != NULL && warm_up->on_progress(warm_up->context, progress) != 0)
            return false;
        if (progress->done_bytes >= progress->bytes)
            return false;
    }
}

static armdb_err
read_blocks(struct warm_up *warm_up)
{
    struct db *db = warm_up->db;
    struct adb_cache_stats stats;
    struct fetch *fetch = adb_fetch_take(&db->fetches);
    uint64_t blocks = 0;
    if (fetch == NULL)
        return no_memory();
    for (uint32_t i = 0; i < db->settings.shards; i++)
        blocks += warm_up->shards[i] != NULL ? adb_warm_blocks(warm_up->shards[i]) : 0;
    adb_cache_get_stats(db->cache, &stats);
    if (blocks > stats.budget_bytes / BLOCK_AND_HEAD)
        blocks = stats.budget_bytes / BLOCK_AND_HEAD;
    warm_up->progress.bytes = blocks * CACHE_BLOCK_BYTES;
    for (uint32_t i = 0; i < db->settings.shards && blocks > 0; i++) {
        if (warm_up->shards[i] != NULL && !read_shard(warm_up, warm_up->shards[i], fetch))
            break;
    }
    adb_fetch_give(&db->fetches, fetch);
    return ARMDB_OK;
}

static armdb_err
warm_up_shards(struct warm_up *warm_up, struct cursor *cursor)
{
    uint32_t n = warm_up->db->settings.shards;
    warm_up->shards = adb_new_array(struct shard_warm *, n);
    if (warm_up->shards == NULL)
        return no_memory();
    armdb_err err = note_values(warm_up, cursor);
    if (err == ARMDB_OK)
        err = read_blocks(warm_up);
    for (uint32_t i = 0; i < n; i++)
        adb_warm_end(warm_up->shards[i]);
    adb_mem_free(warm_up->shards);
    return err;
}

armdb_err
adb_db_warm_up(struct collection *collection, const armdb_cursor_options *range,
               armdb_warm_up_fn on_progress, void *context)
{
    struct warm_up warm_up = {.db = collection->db, .on_progress = on_progress, .context = context};
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    struct cursor *cursor;
    if (range != NULL)
        options = *range;
    options.keys_only = 1;
    ADB_TRY(adb_cursor_open(collection, &options, &cursor));
    armdb_err err = ARMDB_OK;
    if (collection->db->cache != NULL && collection->index.keys.value_bytes == 0)
        err = warm_up_shards(&warm_up, cursor);
    adb_cursor_close(cursor);
    return err;
}
