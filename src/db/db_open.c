/*
 * db_open.c: creating, opening and closing a database.
 *
 * Opening: look at the directory, lock it, read (or write) the manifest, make the collections, open
 * the shards (side by side where there are threads), start background work. Closing is the same
 * list backwards. A creation that is cut short leaves nothing that the next one does not clean up:
 * the manifest comes last, and without it there is no database.
 */
#include <errno.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/db_private.h"
#include "log/filename.h"
#include "os/rcu.h"

/* Waiting for a device needs no processor: it joins the syncs of many. */
static uint32_t
device_threads(const struct db *db)
{
    return db->os->has_threads ? 8 : 1;
}

/* --------------------------------------------------------------------- create */

static void
configure_shard(struct db *db, uint32_t number, struct shard_config *config_out)
{
    *config_out = (struct shard_config){
        .os = db->os,
        .directory = db->path,
        .number = number,
        .max_file_bytes = db->settings.max_file_bytes,
        .write_buffer_bytes = db->settings.write_buffer_bytes,
        .hash_seed = adb_manifest_map_seed(&db->manifest),
        .pages = db->pages,
        .cache = db->cache,
        .is_direct = &db->is_direct,
        .is_same_boot = db->is_same_boot,
        .verify_reads = db->settings.verify_reads,
    };
    memcpy(config_out->db_id, db->manifest.db_id, LOG_DB_ID_BYTES);
}

static armdb_err
describe_new(struct db *db, const armdb_options *options)
{
    struct manifest *manifest = &db->manifest;
    manifest->shards = adb_options_shards(options, db->os->cpu_count);
    manifest->shard_prefix_bits = options->shard_prefix_bits;
    manifest->next_collection_id = 1;
    manifest->collections = adb_new(struct manifest_collection);
    if (manifest->collections == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "create", "no memory for a manifest");
    manifest->collection_count = 1;
    adb_options_describe(&options->default_collection, "default", 0, &manifest->collections[0]);
    ADB_TRY(adb_os_entropy(db->os, manifest->db_id, sizeof manifest->db_id));
    return adb_os_entropy(db->os, &manifest->hash_seed, sizeof manifest->hash_seed);
}

/* The manifest that an interrupted creation or change of it left behind. */
static armdb_err
sweep_manifest(struct db *db)
{
    char *path;
    ADB_TRY(adb_filename_join(db->path, FILENAME_MANIFEST, FILENAME_TEMPORARY_SUFFIX, &path));
    armdb_err err = adb_os_unlink(db->os, path);
    adb_mem_free(path);
    return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
}

static armdb_err
create_shard(void *context, uint32_t number)
{
    struct shard_config config;
    configure_shard((struct db *)context, number, &config);
    return adb_shard_create(&config);
}

static armdb_err
create_files(struct db *db, const armdb_options *options)
{
    bool is_unsure;
    ADB_TRY(describe_new(db, options));
    ADB_TRY(adb_thread_for_each(device_threads(db), db->manifest.shards, create_shard, db));
    ADB_TRY(adb_os_sync_dir(db->os, db->path));
    ADB_TRY(adb_directory_sync_parent(db->os, db->path));
    return adb_manifest_store(db->os, db->path, &db->manifest, &is_unsure);
}

/* ----------------------------------------------------------------------- open */

#define RECOVERY_ROUND_BYTES (UINT64_C(64) << 20)

/* Who is told how far opening is. */
struct telling {
    armdb_open_fn fn;
    void *context;
};

static void
tell_progress(void *context, const struct shard_progress *progress)
{
    const struct telling *telling = (const struct telling *)context;
    const armdb_open_progress told = {progress->log_bytes, progress->read_bytes,
                                      progress->indexed_bytes};
    telling->fn(telling->context, &told);
}

/* Once all shards are open. */
static armdb_err
settle_shard(void *context, uint32_t number)
{
    struct shard *shard = ((struct db *)context)->shards[number];
    ADB_TRY(adb_shard_clear(shard));
    return adb_shard_share_buffer(shard);
}

static armdb_err
open_shards(struct db *db, const armdb_options *options)
{
    struct telling telling = {options->on_open_progress, options->open_context};
    db->shards = adb_new_array(struct shard *, db->settings.shards);
    if (db->shards == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open", "no memory for the shards");
    for (uint32_t i = 0; i < db->settings.shards; i++) {
        struct shard_config config;
        configure_shard(db, i, &config);
        ADB_TRY(adb_shard_new(&config, &db->shards[i]));
        adb_shard_bind(db->shards[i], &db->bonds);
    }
    db->bonds.shards = db->shards;
    db->bonds.n_shards = db->settings.shards;
    const struct shard_opening opening = {
        .shards = db->shards,
        .n_shards = db->settings.shards,
        .n_threads = db->os->has_threads ? db->os->cpu_count : 1,
        .n_threads_device = device_threads(db),
        .round_bytes = RECOVERY_ROUND_BYTES,
        .find = adb_collections_find_index,
        .context = db,
        .on_progress = options->on_open_progress != NULL ? tell_progress : NULL,
        .progress_context = &telling,
    };
    uint64_t start_ns = adb_os_now_ns(db->os);
    armdb_err err = adb_shards_open(&opening, &db->recovery);
    db->recovery_ns = adb_os_now_ns(db->os) - start_ns;
    ADB_TRY(err);
    return adb_thread_for_each(device_threads(db), db->settings.shards, settle_shard, db);
}

/* Everything behind the lock. */
static armdb_err
open_contents(struct db *db, const armdb_options *options, bool is_new)
{
    ADB_TRY(sweep_manifest(db));
    if (is_new) {
        ADB_TRY(create_files(db, options));
    } else {
        armdb_err err = adb_manifest_load(db->os, db->path, &db->manifest);
        if (err == ARMDB_NOT_FOUND) /* it was there a moment ago */
            return adb_directory_refuse(db->path, DIRECTORY_MISSING);
        ADB_TRY(err);
        ADB_TRY(adb_options_compare(options, &db->manifest));
        /* A killed process may have renamed it without syncing its name. Nothing may be promised on
         * top of a manifest that a power cut could still take back. */
        ADB_TRY(adb_os_sync_dir(db->os, db->path));
    }
    db->settings = adb_options_settle(options, &db->manifest, db->os->memory_bytes);
    db->router = adb_manifest_router(&db->manifest);
    ADB_TRY(adb_pages_new(&db->pages));
    ADB_TRY(adb_cache_new(db->settings.cache_bytes, &db->cache));
    db->account = adb_value_account_new();
    if (db->account == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open", "no memory for a database");
    ADB_TRY(adb_collections_load(db));
    ADB_TRY(adb_directory_is_same_boot(db->os, db->lock_file, &db->is_same_boot));
    ADB_TRY(open_shards(db, options));
    adb_work_choose_io(db);
    ADB_TRY(adb_directory_note_boot(db->os, db->lock_file));
    if (options->default_collection.codec != NULL)
        ADB_TRY(adb_objects_attach(db->default_collection, options->default_collection.codec));
    ADB_TRY(adb_work_start(db));
    return adb_compact_start(db);
}

/* Whether to open or to create; refuses what is neither. */
static armdb_err
decide(struct adb_os *os, const char *path, armdb_open_mode mode, enum directory_state *state_out)
{
    ADB_TRY(adb_directory_look(os, path, state_out));
    bool is_vacant = *state_out == DIRECTORY_MISSING || *state_out == DIRECTORY_EMPTY;
    if (*state_out == DIRECTORY_DATABASE) {
        if (mode == ARMDB_CREATE_NEW)
            return adb_fail_at(ARMDB_EXISTS, "create", path, 0, "there is a database already");
        return ARMDB_OK;
    }
    if (mode == ARMDB_OPEN_EXISTING || !is_vacant)
        return adb_directory_refuse(path, *state_out);
    return ARMDB_OK;
}

armdb_err
adb_db_set_cache_bytes(struct db *db, uint64_t cache_bytes)
{
    ADB_TRY(adb_options_check_cache(cache_bytes));
    return adb_cache_resize(db->cache, adb_options_cache_bytes(cache_bytes, db->os->memory_bytes));
}

static void
free_db(struct db *db)
{
    adb_compact_stop(db);
    adb_work_stop(db);
    adb_objects_reclaim(db, 1);
    for (uint32_t i = 0; db->shards != NULL && i < db->settings.shards; i++)
        adb_shard_close(db->shards[i]);
    adb_mem_free(db->shards);
    adb_fetch_pool_fini(&db->fetches);
    adb_collections_free(db);
    adb_pages_free(db->pages);
    adb_cache_free(db->cache);
    adb_value_account_unref(db->account);
    adb_manifest_fini(&db->manifest);
    adb_file_discard(db->lock_file);
    adb_cond_fini(&db->compact.wake);
    adb_mutex_fini(&db->compact.lock);
    adb_cond_fini(&db->work.wake);
    adb_mutex_fini(&db->work.lock);
    adb_mutex_fini(&db->hook_lock);
    adb_mutex_fini(&db->collections_lock);
    adb_mutex_fini(&db->objects_lock);
    adb_turns_fini(&db->turns);
    adb_mem_free(db->path);
    adb_mem_free(db);
}

/* From here on the database is where it is, wherever the process goes. */
static armdb_err
resolve_path(struct db *db)
{
    char *absolute;
    ADB_TRY(adb_os_resolve(db->os, db->path, &absolute));
    adb_mem_free(db->path);
    db->path = absolute;
    return ARMDB_OK;
}

static armdb_err
open_directory(struct db *db, const armdb_options *options)
{
    enum directory_state state;
    ADB_TRY(decide(db->os, db->path, options->open_mode, &state));
    if (state == DIRECTORY_MISSING) {
        armdb_err err = adb_os_mkdir(db->os, db->path);
        if (err != ARMDB_OK && err != ARMDB_EXISTS && adb_err_detail()->os_errno == ENOENT)
            return adb_fail_at(ARMDB_NO_DATABASE, "create", db->path, 0,
                               "the directory above it does not exist");
        if (err != ARMDB_OK && err != ARMDB_EXISTS)
            return err;
    }
    ADB_TRY(resolve_path(db));
    ADB_TRY(adb_directory_lock(db->os, db->path, &db->lock_file));
    /* Look again: before the lock was ours, somebody else may have created or filled it. */
    ADB_TRY(decide(db->os, db->path, options->open_mode, &state));
    return open_contents(db, options, state != DIRECTORY_DATABASE);
}

armdb_err
adb_db_open(struct adb_os *os, const char *path, const armdb_options *options, struct db **db_out)
{
    armdb_options checked;
    *db_out = NULL;
    ADB_TRY(adb_options_check(options, &checked));
    struct db *db = adb_new(struct db);
    if (db == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open", "no memory for a database");
    db->os = os;
    adb_mutex_init(&db->collections_lock);
    adb_mutex_init(&db->hook_lock);
    adb_mutex_init(&db->objects_lock);
    adb_turns_init(&db->turns);
    adb_mutex_init(&db->work.lock);
    adb_cond_init(&db->work.wake);
    adb_mutex_init(&db->compact.lock);
    adb_cond_init(&db->compact.wake);
    db->path = adb_mem_strdup(path);
    armdb_err err = db->path == NULL ? adb_fail(ARMDB_NO_MEMORY, "open", "no memory for a path")
                                     : open_directory(db, &checked);
    if (err != ARMDB_OK) {
        free_db(db);
        return err;
    }
    *db_out = db;
    return ARMDB_OK;
}

/* ---------------------------------------------------------------------- close */

/* Runs `fn` on every shard. */
static void
keep_of_each(struct db *db, armdb_err (*fn)(struct shard *), struct adb_err_kept *kept)
{
    for (uint32_t i = 0; i < db->settings.shards; i++)
        adb_err_keep(kept, fn(db->shards[i]));
}

/* The same; the first error counts, with its detail. */
static armdb_err
for_each_shard(struct db *db, armdb_err (*fn)(struct shard *))
{
    struct adb_err_kept kept = {0};
    keep_of_each(db, fn, &kept);
    return adb_err_kept(&kept);
}

armdb_err
adb_db_close(struct db *db, bool *is_closed_out)
{
    uint64_t cursors = atomic_load_explicit(&db->cursors, memory_order_acquire);
    uint64_t watches = atomic_load_explicit(&db->watches, memory_order_acquire);
    uint64_t batches = atomic_load_explicit(&db->batches, memory_order_acquire);
    *is_closed_out = cursors + watches + batches == 0 && !adb_shard_is_telling();
    if (adb_shard_is_telling())
        return adb_fail(ARMDB_BUSY, "close", "a hook cannot close a database");
    if (batches > 0)
        return adb_fail(ARMDB_BUSY, "close", "%llu batches are there: free them first",
                        (unsigned long long)batches);
    if (cursors > 0)
        return adb_fail(ARMDB_BUSY, "close", "%llu cursors are open: close them first",
                        (unsigned long long)cursors);
    if (watches > 0)
        return adb_fail(ARMDB_BUSY, "close", "%llu watches are open: close them first",
                        (unsigned long long)watches);
    adb_compact_stop(db);
    adb_work_stop(db);
    armdb_err err = for_each_shard(db, adb_shard_finish);
    if (err == ARMDB_OK)
        adb_compact_finish_hints(db);
    free_db(db);
    return err;
}

void
adb_db_abandon(struct db *db)
{
    free_db(db);
}

void
adb_db_step(struct db *db)
{
    (void)adb_work_step(db);
    adb_compact_step(db);
}

armdb_err
adb_db_flush(struct db *db)
{
    return for_each_shard(db, adb_shard_flush);
}

armdb_err
adb_db_sync(struct db *db)
{
    struct adb_err_kept kept = {0};
    if (db->settings.shards > 1)
        keep_of_each(db, adb_shard_start_sync, &kept);
    keep_of_each(db, adb_shard_sync, &kept);
    return adb_err_kept(&kept);
}
