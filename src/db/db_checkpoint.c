/*
 * db_checkpoint.c: a copy of a database as it is at one moment, made while it goes on being used.
 *
 * docs/checkpoint.md says what is promised, and why. The order is that of safety: the destination
 * is ours (locked); the moment (all shards at once); a file that says that this is no database yet,
 * and is the manifest; the shards' files; everything synced; that file gets its name.
 */
#include "base/err.h"
#include "base/mem.h"
#include "db/db_private.h"
#include "log/filename.h"
#include "shard/shard_checkpoint.h"

struct checkpoint {
    struct db *db;              /* borrowed */
    char *path;                 /* owned: of the destination, absolute */
    struct adb_file *lock_file; /* owned; of the destination */
    struct manifest manifest;   /* owned */
    struct shard_cut **cuts;    /* owned, [shards]; each owned, NULL: none */
};

/* ---------------------------------------------------------------- destination */

struct clearing {
    struct adb_os *os;
    const char *directory;
};

static armdb_err
remove_name(const struct clearing *clearing, const char *name)
{
    char *path;
    ADB_TRY(adb_filename_join(clearing->directory, name, "", &path));
    armdb_err err = adb_os_unlink(clearing->os, path);
    adb_mem_free(path);
    return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
}

/* An adb_list_fn. */
static armdb_err
clear_name(void *context, const char *name, bool is_directory)
{
    return is_directory ? ARMDB_OK : remove_name((const struct clearing *)context, name);
}

static armdb_err
clear_shard(const struct checkpoint *checkpoint, uint32_t number)
{
    struct adb_os *os = checkpoint->db->os;
    char name[FILENAME_BYTES_MAX];
    char *path;
    adb_filename_shard(number, name);
    ADB_TRY(adb_filename_join(checkpoint->path, name, "", &path));
    struct clearing clearing = {os, path};
    armdb_err err = adb_os_list(os, path, clear_name, &clearing);
    if (err == ARMDB_OK)
        err = adb_os_sync_dir(os, path);
    adb_mem_free(path);
    return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
}

/* Takes away all files that a database has, but for the lock. The one that says that it is no
 * database goes last. */
static armdb_err
clear_destination(const struct checkpoint *checkpoint)
{
    struct adb_os *os = checkpoint->db->os;
    const struct clearing clearing = {os, checkpoint->path};
    ADB_TRY(remove_name(&clearing, FILENAME_MANIFEST));
    ADB_TRY(adb_os_sync_dir(os, checkpoint->path));
    for (uint32_t i = 0; i < checkpoint->db->settings.shards; i++)
        ADB_TRY(clear_shard(checkpoint, i));
    return remove_name(&clearing, FILENAME_UNFINISHED);
}

static armdb_err
make_destination(struct adb_os *os, const char *destination)
{
    armdb_err err = adb_os_mkdir(os, destination);
    return err == ARMDB_EXISTS ? ARMDB_OK : err;
}

static armdb_err
take_destination(struct checkpoint *checkpoint, const char *destination)
{
    const struct db *db = checkpoint->db;
    ADB_TRY(adb_directory_check_destination(db->os, "checkpoint", destination, db->path));
    ADB_TRY(make_destination(db->os, destination));
    ADB_TRY(adb_os_resolve(db->os, destination, &checkpoint->path));
    ADB_TRY(adb_directory_lock(db->os, checkpoint->path, &checkpoint->lock_file));
    /* Before the lock was ours, somebody else may have filled it. */
    ADB_TRY(adb_directory_check_destination(db->os, "checkpoint", checkpoint->path, db->path));
    /* What an interrupted creation leaves counts as empty. */
    return clear_destination(checkpoint);
}

/* -------------------------------------------------------------------- moment */

/* Under the locks of all shards. */
static armdb_err
cut_all(struct checkpoint *checkpoint)
{
    const struct db *db = checkpoint->db;
    for (uint32_t i = 0; i < db->settings.shards; i++)
        ADB_TRY(adb_shard_cut(db->shards[i], &checkpoint->cuts[i]));
    return ARMDB_OK;
}

/*
 * All logs and the collections, at once: no writer is between two shards, so what a write has seen
 * of another one is there if the write is. It takes some loads for each data file.
 */
static armdb_err
take_moment(struct checkpoint *checkpoint)
{
    struct db *db = checkpoint->db;
    checkpoint->cuts = adb_new_array(struct shard_cut *, db->settings.shards);
    if (checkpoint->cuts == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "checkpoint", "no memory for the shards");
    adb_mutex_lock(&db->collections_lock);
    armdb_err err = adb_collections_copy_manifest(db, &checkpoint->manifest);
    if (err == ARMDB_OK) {
        for (uint32_t i = 0; i < db->settings.shards; i++)
            adb_shard_lock(db->shards[i]);
        err = cut_all(checkpoint);
        for (uint32_t i = db->settings.shards; i > 0; i--)
            adb_shard_unlock(db->shards[i - 1]);
    }
    adb_mutex_unlock(&db->collections_lock);
    return err;
}

/* ---------------------------------------------------------------- checkpoint */

static armdb_err
place_shards(struct checkpoint *checkpoint)
{
    for (uint32_t i = 0; i < checkpoint->db->settings.shards; i++) {
        ADB_TRY(adb_shard_cut_place(checkpoint->cuts[i], checkpoint->path));
        adb_shard_cut_end(checkpoint->cuts[i]);
        checkpoint->cuts[i] = NULL;
    }
    return ARMDB_OK;
}

/* From here on it is a database. */
static armdb_err
name_manifest(const struct checkpoint *checkpoint)
{
    struct adb_os *os = checkpoint->db->os;
    char *from, *to;
    ADB_TRY(adb_filename_join(checkpoint->path, FILENAME_UNFINISHED, "", &from));
    armdb_err err = adb_filename_join(checkpoint->path, FILENAME_MANIFEST, "", &to);
    if (err == ARMDB_OK) {
        err = adb_os_rename(os, from, to);
        adb_mem_free(to);
    }
    adb_mem_free(from);
    return err == ARMDB_OK ? adb_os_sync_dir(os, checkpoint->path) : err;
}

static armdb_err
fill_destination(struct checkpoint *checkpoint)
{
    struct adb_os *os = checkpoint->db->os;
    for (uint32_t i = 0; i < checkpoint->db->settings.shards; i++)
        ADB_TRY(adb_shard_cut_prepare(checkpoint->db->shards[i]));
    ADB_TRY(take_moment(checkpoint));
    ADB_TRY(
        adb_manifest_store_as(os, checkpoint->path, FILENAME_UNFINISHED, &checkpoint->manifest));
    ADB_TRY(place_shards(checkpoint));
    ADB_TRY(adb_os_sync_dir(os, checkpoint->path));
    ADB_TRY(adb_directory_sync_parent(os, checkpoint->path));
    return name_manifest(checkpoint);
}

static armdb_err
checkpoint_into(struct checkpoint *checkpoint, const char *destination)
{
    ADB_TRY(take_destination(checkpoint, destination));
    armdb_err err = fill_destination(checkpoint);
    if (err == ARMDB_OK)
        return ARMDB_OK;
    const armdb_error_detail detail = *adb_err_detail();
    ADB_IGNORE(clear_destination(checkpoint));
    return adb_err_restore(&detail);
}

armdb_err
adb_db_checkpoint(struct db *db, const char *destination)
{
    struct checkpoint checkpoint = {.db = db};
    armdb_err err = checkpoint_into(&checkpoint, destination);
    for (uint32_t i = 0; checkpoint.cuts != NULL && i < db->settings.shards; i++)
        adb_shard_cut_end(checkpoint.cuts[i]);
    adb_mem_free(checkpoint.cuts);
    adb_manifest_fini(&checkpoint.manifest);
    adb_file_discard(checkpoint.lock_file);
    adb_mem_free(checkpoint.path);
    return err;
}
