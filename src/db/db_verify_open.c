/*
 * db_verify_open.c: checking a database that is open, while it is being used: its files, its
 * indexes, its accounts, and each of them against the others (docs/verify.md).
 */
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "db/db_private.h"
#include "os/rcu.h"
#include "shard/shard_verify.h"

struct online {
    struct db *db;             /* borrowed */
    armdb_damage_fn on_damage; /* may be NULL */
    void *context;
    armdb_verify_report *report;
    struct collection **collections; /* owned: those there were; each borrowed */
    uint32_t collection_count;
};

/* ------------------------------------------------------------------- findings */

/* The name of a collection, dropped or not; NULL if there was none. It stays. */
static const char *
name_of(struct db *db, uint32_t id)
{
    adb_mutex_lock(&db->collections_lock);
    const struct collection *collection = adb_collections_find(db, id);
    adb_mutex_unlock(&db->collections_lock);
    return collection != NULL ? collection->name : NULL;
}

/* An adb_shard_finding_fn. */
static void
on_finding(void *context, uint32_t shard, const struct shard_finding *finding)
{
    const struct online *online = (const struct online *)context;
    const armdb_error_detail detail = *finding->detail; /* the callback may call the library */
    const armdb_damage damage = {
        .file = detail.file,
        .offset = detail.offset,
        .shard = shard,
        .message = detail.message,
        .collection = name_of(online->db, finding->collection_id),
        .key = finding->key,
    };
    online->report->damages++;
    if (online->on_damage != NULL)
        online->on_damage(online->context, &damage);
}

/* ---------------------------------------------------------------- collections */

/* An adb_find_index_fn, of the collections there are now. */
static const char *
find_index(void *context, const struct shard_origin *origin, struct shard_index **index_out)
{
    struct db *db = ((const struct online *)context)->db;
    adb_mutex_lock(&db->collections_lock);
    struct collection *collection = adb_collections_find(db, origin->collection_id);
    const char *why_not = adb_origin_check(origin, &db->manifest, &db->router);
    adb_mutex_unlock(&db->collections_lock);
    *index_out = collection != NULL ? &collection->index : NULL;
    if (collection != NULL &&
        atomic_load_explicit(&collection->index.is_dropped, memory_order_acquire))
        *index_out = NULL;
    return why_not;
}

/* Under collections_lock. */
static armdb_err
list_collections(struct online *online)
{
    const struct db *db = online->db;
    adb_mem_free(online->collections);
    online->collection_count = db->collection_count;
    online->collections = adb_new_array(struct collection *, db->collection_count);
    if (online->collections == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "verify", "no memory for the collections");
    memcpy(online->collections, db->collections,
           db->collection_count * sizeof(struct collection *));
    return ARMDB_OK;
}

/* ----------------------------------------------------------------------- walk */

/* A place in an index of either kind. */
struct walk {
    const struct collection *collection;
    bool is_begun;
    struct adb_tree_position position;
    struct adb_map_walk map;
};

static bool
step(struct walk *walk, struct shard_verify_entry *entry)
{
    const struct adb_index *keys = &walk->collection->index.keys;
    if (keys->tree == NULL) {
        if (!adb_map_walk_next(keys->map, &walk->map))
            return false;
        entry->key = (armdb_slice){walk->map.key, walk->map.key_len};
        entry->location = walk->map.location;
        return true;
    }
    const armdb_slice any = {NULL, 0};
    if (!(walk->is_begun ? adb_tree_next(keys->tree, &walk->position)
                         : adb_tree_seek(keys->tree, ADB_SEEK_FIRST, any, &walk->position)))
        return false;
    walk->is_begun = true;
    entry->key = (armdb_slice){walk->position.key, walk->position.key_len};
    entry->location = walk->position.location;
    return true;
}

/* All keys of a collection that belong to the shard. Each step has a scope of its own: what is done
 * with an entry may take long, and call the user. */
static armdb_err
walk_collection(const struct online *online, const struct collection *collection,
                struct shard_verify *verify, uint32_t shard)
{
    struct walk walk = {.collection = collection};
    struct shard_verify_entry entry = {.collection_id = collection->index.collection_id};
    for (;;) {
        adb_rcu_enter();
        bool is_there = !atomic_load_explicit(&collection->index.is_dropped,
                                              memory_order_acquire) &&
                        step(&walk, &entry);
        adb_rcu_leave();
        if (!is_there)
            return ARMDB_OK;
        if (adb_router_shard(&online->db->router, entry.key) == shard)
            ADB_TRY(adb_shard_verify_entry(verify, &entry));
    }
}

static armdb_err
walk_all(const struct online *online, struct shard_verify *verify, uint32_t shard)
{
    for (uint32_t i = 0; i < online->collection_count; i++)
        ADB_TRY(walk_collection(online, online->collections[i], verify, shard));
    return ARMDB_OK;
}

/* --------------------------------------------------------------------- verify */

/* No collection is being dropped then, so that what is dead is counted; those that the log has
 * records of by now are listed. */
static armdb_err
begin_shard(struct online *online, uint32_t number, const struct shard_verify_how *how,
            struct shard_check *check, struct shard_verify **verify_out)
{
    struct db *db = online->db;
    *verify_out = NULL;
    adb_mutex_lock(&db->collections_lock);
    armdb_err err = list_collections(online);
    if (err == ARMDB_OK)
        err = adb_shard_verify_begin(db->shards[number], how, check, verify_out);
    adb_mutex_unlock(&db->collections_lock);
    return err;
}

static armdb_err
verify_begun(const struct online *online, struct shard_verify *verify, uint32_t number)
{
    ADB_TRY(adb_shard_verify_log(verify));
    ADB_TRY(walk_all(online, verify, number));
    adb_mutex_lock(&online->db->collections_lock);
    adb_shard_verify_account(verify);
    adb_mutex_unlock(&online->db->collections_lock);
    if (adb_shard_verify_sums(verify))
        return walk_all(online, verify, number);
    return ARMDB_OK;
}

static armdb_err
verify_shard(struct online *online, uint32_t number)
{
    const struct shard_verify_how how = {find_index, online, on_finding, online};
    struct shard_check check = {0};
    struct shard_verify *verify;
    ADB_TRY(begin_shard(online, number, &how, &check, &verify));
    armdb_err err = verify_begun(online, verify, number);
    adb_shard_verify_end(verify);
    online->report->files += check.files;
    online->report->bytes += check.bytes;
    online->report->records += check.records;
    return err;
}

static armdb_err
compare_manifests(const struct manifest *a, const struct manifest *b, bool *is_same_out)
{
    size_t len = adb_manifest_bytes(a);
    *is_same_out = false;
    if (len != adb_manifest_bytes(b))
        return ARMDB_OK;
    unsigned char *bytes = (unsigned char *)adb_mem_alloc(2 * len);
    if (bytes == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "verify", "no memory for the manifest");
    adb_manifest_encode(a, bytes);
    adb_manifest_encode(b, bytes + len);
    *is_same_out = memcmp(bytes, bytes + len, len) == 0;
    adb_mem_free(bytes);
    return ARMDB_OK;
}

/* What is on disk, against what is in force. Under collections_lock. */
static armdb_err
load_manifest(const struct online *online)
{
    struct db *db = online->db;
    struct manifest found;
    armdb_err err = adb_manifest_load(db->os, db->path, &found);
    if (err == ARMDB_NOT_FOUND)
        return adb_directory_refuse(db->path, DIRECTORY_HEADLESS);
    ADB_TRY(err);
    bool is_same;
    err = compare_manifests(&found, &db->manifest, &is_same);
    adb_manifest_fini(&found);
    ADB_TRY(err);
    if (!is_same && !db->is_manifest_unsure)
        return adb_fail_at(ARMDB_CORRUPT, "verify", db->path, 0,
                           "the MANIFEST is not that of the open database");
    online->report->files++;
    online->report->bytes += adb_manifest_bytes(&db->manifest);
    return ARMDB_OK;
}

static armdb_err
verify_manifest(struct online *online)
{
    adb_mutex_lock(&online->db->collections_lock);
    armdb_err err = load_manifest(online);
    adb_mutex_unlock(&online->db->collections_lock);
    if (err != ARMDB_CORRUPT)
        return err;
    const struct shard_finding finding = {.detail = adb_err_detail(), .collection_id = UINT32_MAX};
    on_finding(online, UINT32_MAX, &finding);
    return ARMDB_OK;
}

armdb_err
adb_db_verify_open(struct db *db, armdb_damage_fn on_damage, void *context,
                   armdb_verify_report *report_out)
{
    struct online online = {
        .db = db, .on_damage = on_damage, .context = context, .report = report_out};
    *report_out = (armdb_verify_report){0};
    armdb_err err = verify_manifest(&online);
    for (uint32_t i = 0; err == ARMDB_OK && i < db->settings.shards; i++)
        err = verify_shard(&online, i);
    adb_mem_free(online.collections);
    ADB_TRY(err);
    if (report_out->damages > 0)
        return adb_fail_at(ARMDB_CORRUPT, "verify", db->path, 0, "%" PRIu64 " pieces of damage",
                           report_out->damages);
    return ARMDB_OK;
}
