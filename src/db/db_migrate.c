/* db_migrate.c: a callback for each pair of a collection, which says what becomes of it. */
#include "base/err.h"
#include "db/db_private.h"

/* So often is told how far it is. */
enum { PAIRS_BETWEEN = 8192 };

struct migration {
    struct collection *collection;
    const struct db_migrate *what;
    armdb_migrate_progress progress;
    /* of the pair at hand */
    bool is_there;
    armdb_verdict_kind verdict;
};

/* An armdb_update_fn. A key that has gone since the walk met it is left alone. */
static armdb_err
decide(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    struct migration *migration = (struct migration *)context;
    migration->is_there = old != NULL;
    if (old == NULL)
        return ARMDB_OK;
    armdb_err err = migration->what->fn(migration->what->context, key, old, verdict_out);
    migration->verdict = verdict_out->kind;
    return err;
}

static armdb_err
migrate_pair(struct migration *migration, armdb_slice key)
{
    armdb_migrate_progress *progress = &migration->progress;
    const struct db_update update = {.key = key, .fn = decide, .context = migration};
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = ARMDB_BUFFERED; /* synced before anybody is told */
    ADB_TRY(adb_db_update(migration->collection, &update, &options));
    if (!migration->is_there)
        return ARMDB_OK;
    progress->pairs++;
    progress->replaced += migration->verdict == ARMDB_REPLACE;
    progress->removed += migration->verdict == ARMDB_REMOVE;
    return ARMDB_OK;
}

/* Makes what was done durable, and tells how far it is. */
static armdb_err
tell(struct migration *migration, armdb_slice key, bool *is_stopped_out)
{
    const armdb_migrate_options *options = migration->what->options;
    if (options == NULL || options->on_progress == NULL)
        return ARMDB_OK;
    ADB_TRY(adb_db_sync(migration->collection->db));
    migration->progress.key = key;
    *is_stopped_out = options->on_progress(options->context, &migration->progress) != 0;
    return ARMDB_OK;
}

static armdb_err
walk(struct migration *migration, struct cursor *cursor)
{
    armdb_err err = ARMDB_OK;
    bool is_stopped = false;
    uint64_t met = 0;
    while (!is_stopped && (err = adb_cursor_move(cursor, CURSOR_NEXT)) == ARMDB_OK) {
        ADB_TRY(migrate_pair(migration, adb_cursor_key(cursor)));
        if (++met % PAIRS_BETWEEN == 0)
            ADB_TRY(tell(migration, adb_cursor_key(cursor), &is_stopped));
    }
    if (err != ARMDB_OK && err != ARMDB_END)
        return err;
    return adb_db_sync(migration->collection->db);
}

armdb_err
adb_db_migrate(struct collection *collection, const struct db_migrate *what,
               armdb_migrate_progress *progress_out)
{
    struct migration migration = {.collection = collection, .what = what};
    armdb_cursor_options range = ARMDB_CURSOR_OPTIONS_INIT;
    struct cursor *cursor;
    *progress_out = migration.progress;
    range.keys_only = 1;
    if (what->options != NULL && what->options->struct_bytes != sizeof *what->options)
        return adb_fail(ARMDB_INVALID, "migrate",
                        "armdb_migrate_options.struct_bytes is %u, allowed is %zu: start from the "
                        "_INIT macro",
                        what->options->struct_bytes, sizeof *what->options);
    if (what->options != NULL && what->options->after.len > 0)
        range.from = (armdb_bound){ARMDB_EXCLUDED, what->options->after};
    ADB_TRY(adb_cursor_open(collection, &range, &cursor));
    armdb_err err = walk(&migration, cursor);
    adb_cursor_close(cursor);
    *progress_out = migration.progress;
    progress_out->key = (armdb_slice){NULL, 0};
    return err;
}
