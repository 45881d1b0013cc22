/*
 * db_hook.c: setting the hook of a collection, and showing it the keys that are there.
 *
 * The changes of all shards are held meanwhile: no hook runs, and what writers change is told
 * later. So what on_init is told of a shard comes before any change of that shard, and a hook that
 * was taken away is not running any more.
 */
#include "base/err.h"
#include "db/db_private.h"

/* ----------------------------------------------------------------------- store */

void
adb_db_stop_writers(struct db *db)
{
    for (uint32_t i = 0; i < db->settings.shards; i++)
        adb_shard_lock(db->shards[i]);
}

void
adb_db_let_writers_go(struct db *db)
{
    for (uint32_t i = db->settings.shards; i > 0; i--)
        adb_shard_unlock(db->shards[i - 1]);
}

void
adb_collection_settle_listener(struct collection *collection)
{
    struct shard_listener *listener = &collection->listener;
    bool is_any = listener->hook.on_change != NULL || listener->watches != NULL;
    collection->index.listener = is_any ? listener : NULL;
}

/* From the moment on which it is stored, each write is told to the hook; NULL: to none. While the
 * changes are held. */
static armdb_err
store_hook(struct collection *collection, const armdb_hook *hook)
{
    struct shard_listener *listener = &collection->listener;
    adb_db_stop_writers(collection->db);
    armdb_err err = hook != NULL ? adb_collection_check(collection) : ARMDB_OK;
    listener->hook = hook != NULL && err == ARMDB_OK ? *hook : (armdb_hook){0};
    adb_collection_settle_listener(collection);
    adb_db_let_writers_go(collection->db);
    return err;
}

/* ------------------------------------------------------------------------ init */

struct init_walk {
    struct collection *collection;
    const armdb_hook *hook;
    armdb_collection *handle;
    uint32_t n_parts; /* each shows the keys of its own shards */
};

/* Shows the key under a cursor, if it belongs to the part. */
static armdb_err
show_key(const struct init_walk *walk, uint32_t part, const struct cursor *cursor)
{
    const struct db *db = walk->collection->db;
    armdb_value read = {0};
    armdb_change pair = {.kind = ARMDB_CHANGE_LIVE,
                         .collection = walk->handle,
                         .key = adb_cursor_key(cursor),
                         .value = adb_cursor_value(cursor),
                         .had_value = true};
    pair.shard = adb_router_shard(&db->router, pair.key);
    if (pair.shard % walk->n_parts != part)
        return ARMDB_OK;
    if (walk->n_parts > 1) {
        armdb_err err = adb_db_get_value(walk->collection, pair.key, &read);
        if (err != ARMDB_OK)
            return err == ARMDB_NOT_FOUND ? ARMDB_OK : err; /* deleted just now */
        pair.value = armdb_value_bytes(&read);
    }
    armdb_err err = adb_shard_tell_live(walk->hook, &pair);
    armdb_value_release(&read);
    return err;
}

static armdb_err
show_part(void *context, uint32_t part)
{
    const struct init_walk *walk = (const struct init_walk *)context;
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    struct cursor *cursor;
    options.keys_only = walk->n_parts > 1;
    ADB_TRY(adb_cursor_open(walk->collection, &options, &cursor));
    armdb_err err = ARMDB_OK;
    while (err == ARMDB_OK) {
        err = adb_cursor_move(cursor, CURSOR_NEXT);
        if (err == ARMDB_OK)
            err = show_key(walk, part, cursor);
    }
    adb_cursor_close(cursor);
    return err == ARMDB_END ? ARMDB_OK : err;
}

static armdb_err
show_all(struct collection *collection, const armdb_hook *hook)
{
    const struct db *db = collection->db;
    struct init_walk walk = {collection, hook, collection->listener.collection, 1};
    if (hook->on_init == NULL)
        return ARMDB_OK;
    if (hook->is_init_parallel != 0 && db->os->has_threads)
        walk.n_parts = db->os->cpu_count < db->settings.shards ? db->os->cpu_count
                                                               : db->settings.shards;
    return adb_thread_for_each(walk.n_parts, walk.n_parts, show_part, &walk);
}

/* ------------------------------------------------------------------------- set */

static armdb_err
check_hook(const armdb_hook *hook)
{
    if (hook->struct_bytes != sizeof *hook)
        return adb_fail(ARMDB_INVALID, "set hook",
                        "armdb_hook.struct_bytes is %u, allowed is %zu: start from the _INIT macro",
                        hook->struct_bytes, sizeof *hook);
    if (hook->on_change == NULL && hook->on_init == NULL)
        return adb_fail(ARMDB_INVALID, "set hook", "neither on_change nor on_init is set");
    return ARMDB_OK;
}

static armdb_err
set_locked(struct collection *collection, armdb_collection *handle, const armdb_hook *hook)
{
    struct db *db = collection->db;
    if (hook != NULL && collection->listener.hook.on_change != NULL)
        return ARMDB_EXISTS;
    for (uint32_t i = 0; i < db->settings.shards; i++)
        adb_shard_hold_changes(db->shards[i]);
    collection->listener.collection = handle;
    armdb_err err = store_hook(collection, hook);
    if (err == ARMDB_OK && hook != NULL) {
        err = show_all(collection, hook);
        if (err != ARMDB_OK)
            ADB_IGNORE(store_hook(collection, NULL));
    }
    for (uint32_t i = 0; i < db->settings.shards; i++)
        adb_shard_release_changes(db->shards[i]);
    return err;
}

armdb_err
adb_collection_set_hook(struct collection *collection, armdb_collection *handle,
                        const armdb_hook *hook)
{
    struct db *db = collection->db;
    if (adb_shard_is_telling())
        return adb_fail(ARMDB_BUSY, "set hook", "a hook cannot set hooks");
    if (hook != NULL)
        ADB_TRY(check_hook(hook));
    adb_mutex_lock(&db->hook_lock);
    armdb_err err = set_locked(collection, handle, hook);
    adb_mutex_unlock(&db->hook_lock);
    return err;
}
