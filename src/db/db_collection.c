#include <inttypes.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/db_private.h"
#include "os/rcu.h"

/* ------------------------------------------------------------------- checking */

armdb_err
adb_collection_check(const struct collection *collection)
{
    if (ADB_LIKELY(!adb_collection_is_dropped(collection)))
        return ARMDB_OK;
    return adb_fail(ARMDB_NO_COLLECTION, "collection", "collection \"%.100s\" was dropped",
                    collection->name);
}

armdb_err
adb_collection_check_key(const struct collection *collection, armdb_slice key)
{
    uint32_t key_bytes = collection->index.key_bytes;
    if (ADB_LIKELY(key.len == key_bytes))
        return ARMDB_OK;
    if (key_bytes == ARMDB_KEY_VARIABLE && key.len >= 1 && key.len <= ARMDB_KEY_MAX)
        return ARMDB_OK;
    if (key_bytes == ARMDB_KEY_VARIABLE)
        return adb_fail(ARMDB_KEY_LENGTH, "key", "a key of %zu bytes, allowed are 1..%u", key.len,
                        ARMDB_KEY_MAX);
    return adb_fail(ARMDB_KEY_LENGTH, "key",
                    "a key of %zu bytes in collection \"%.100s\", whose keys have %" PRIu32,
                    key.len, collection->name, key_bytes);
}

armdb_err
adb_collection_check_value(const struct collection *collection, armdb_slice value)
{
    uint32_t value_bytes = collection->index.keys.value_bytes;
    if (value_bytes != 0 && value.len != value_bytes)
        return adb_fail(ARMDB_VALUE_LENGTH, "value",
                        "a value of %zu bytes in collection \"%.100s\", whose values have %" PRIu32,
                        value.len, collection->name, value_bytes);
    if (value.len > ARMDB_VALUE_MAX)
        return adb_fail(ARMDB_TOO_BIG, "put", "a value of %zu bytes, allowed are 0..%u", value.len,
                        ARMDB_VALUE_MAX);
    return ARMDB_OK;
}

armdb_err
adb_collection_check_order(const struct collection *collection, const char *operation)
{
    if (collection->order != ARMDB_UNORDERED)
        return ARMDB_OK;
    return adb_fail(ARMDB_UNSUPPORTED, operation, "collection \"%.100s\" has no order",
                    collection->name);
}

/* ------------------------------------------------------------- load and free */

armdb_err
adb_collection_init_index(struct db *db, const struct manifest_collection *stored,
                          struct adb_index *index)
{
    const struct adb_index_config config = {
        .pages = db->pages,
        .is_ordered = stored->order != ARMDB_UNORDERED,
        .key_bytes = stored->key_bytes == ARMDB_KEY_VARIABLE ? 0 : stored->key_bytes,
        .value_bytes = stored->value_bytes > ARMDB_CONST_VALUE_MAX ? 0 : stored->value_bytes,
        .has_pointers = stored->value_bytes == ARMDB_VALUE_OBJECT,
        /* One for each shard; or, before there are any, those who recover. */
        .n_writers = db->manifest.shards > ADB_CREW_MAX ? db->manifest.shards : ADB_CREW_MAX,
        .seed = adb_manifest_map_seed(&db->manifest),
    };
    return adb_index_init(index, &config);
}

static armdb_err
new_collection(struct db *db, const struct manifest_collection *stored,
               struct collection **collection_out)
{
    struct collection *collection = adb_new(struct collection);
    *collection_out = NULL;
    if (collection == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open collection", "no memory for a collection");
    collection->db = db;
    collection->order = stored->order;
    collection->index.collection_id = stored->id;
    collection->index.key_bytes = stored->key_bytes;
    collection->schema_version = stored->schema_version;
    memcpy(collection->name, stored->name, sizeof collection->name);
    armdb_err err = adb_collection_init_index(db, stored, &collection->index.keys);
    if (err != ARMDB_OK) {
        adb_mem_free(collection);
        return err;
    }
    *collection_out = collection;
    return ARMDB_OK;
}

static void
free_collection(struct collection *collection)
{
    adb_objects_free(&collection->index.keys);
    adb_index_fini(&collection->index.keys);
    adb_codec_unref(collection->codecs);
    adb_mem_free(collection);
}

/* Room for one more pointer in the list. */
static armdb_err
grow_list(struct db *db)
{
    size_t bytes = (db->collection_count + 1) * sizeof(struct collection *);
    void *grown = adb_mem_realloc(db->collections, bytes);
    if (grown == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open collection", "no memory for %" PRIu32 " collections",
                        db->collection_count + 1);
    db->collections = (struct collection **)grown;
    return ARMDB_OK;
}

armdb_err
adb_collections_load(struct db *db)
{
    for (uint32_t i = 0; i < db->manifest.collection_count; i++) {
        ADB_TRY(grow_list(db));
        ADB_TRY(new_collection(db, &db->manifest.collections[i], &db->collections[i]));
        db->collection_count++;
    }
    db->default_collection = db->collections[0];
    return ARMDB_OK;
}

void
adb_collections_free(struct db *db)
{
    for (uint32_t i = 0; i < db->collection_count; i++)
        free_collection(db->collections[i]);
    adb_mem_free(db->collections);
    db->collections = NULL;
    db->collection_count = 0;
}

/* They are in ascending order. */
struct collection *
adb_collections_find(const struct db *db, uint32_t id)
{
    uint32_t low = 0;
    uint32_t high = db->collection_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (db->collections[middle]->index.collection_id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == db->collection_count || db->collections[low]->index.collection_id != id)
        return NULL;
    return db->collections[low];
}

const char *
adb_collections_find_index(void *context, const struct shard_origin *origin,
                           struct shard_index **index_out)
{
    const struct db *db = (const struct db *)context;
    struct collection *collection = adb_collections_find(db, origin->collection_id);
    *index_out = collection != NULL ? &collection->index : NULL;
    return adb_origin_check(origin, &db->manifest, &db->router);
}

struct shard_index *
adb_collections_find_live(struct db *db, uint32_t id)
{
    adb_mutex_lock(&db->collections_lock);
    struct collection *collection = adb_collections_find(db, id);
    adb_mutex_unlock(&db->collections_lock);
    if (collection == NULL ||
        atomic_load_explicit(&collection->index.is_dropped, memory_order_acquire))
        return NULL;
    return &collection->index;
}

const char *
adb_origin_check(const struct shard_origin *origin, const struct manifest *manifest,
                 const struct router *router)
{
    if (origin->collection_id >= manifest->next_collection_id)
        return "a record of a collection that never was";
    if (adb_router_shard(router, origin->key) != origin->shard)
        return "a key that belongs to another shard";
    return NULL;
}

/* --------------------------------------------------------- create, open, drop */

struct collection *
adb_db_default(struct db *db)
{
    return db->default_collection;
}

/* Whether it is one of those that there are. */
static bool
is_listed(const struct collection *collection)
{
    return !collection->is_hidden &&
           !atomic_load_explicit(&collection->index.is_dropped, memory_order_relaxed);
}

struct collection *
adb_collections_find_name(const struct db *db, const char *name)
{
    for (uint32_t i = 0; i < db->collection_count; i++) {
        struct collection *collection = db->collections[i];
        if (is_listed(collection) && strcmp(collection->name, name) == 0)
            return collection;
    }
    return NULL;
}

/*
 * Puts `next` in force, on disk and here; takes it over if that worked. If the disk may hold
 * either, nothing is written any more: what is acknowledged from now on might belong to a
 * collection that the next open does not know.
 */
static armdb_err
switch_manifest(struct db *db, struct manifest *next)
{
    bool is_unsure;
    if (db->is_manifest_unsure) {
        armdb_error_detail detail = db->manifest_failure;
        detail.code = ARMDB_FAILED;
        return adb_err_restore(&detail);
    }
    armdb_err err = adb_manifest_store(db->os, db->path, next, &is_unsure);
    if (err == ARMDB_OK) {
        adb_manifest_fini(&db->manifest);
        db->manifest = *next;
        *next = (struct manifest){0};
    } else if (is_unsure) {
        db->is_manifest_unsure = true;
        db->manifest_failure = *adb_err_detail();
    }
    return err;
}

armdb_err
adb_collections_copy_manifest(const struct db *db, struct manifest *copy_out)
{
    *copy_out = db->manifest;
    copy_out->collections = adb_new_array(struct manifest_collection,
                                          db->manifest.collection_count + 1);
    if (copy_out->collections == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "change manifest", "no memory for a manifest");
    memcpy(copy_out->collections, db->manifest.collections,
           db->manifest.collection_count * sizeof *copy_out->collections);
    return ARMDB_OK;
}

static void
fence_all(struct db *db)
{
    for (uint32_t i = 0; i < db->settings.shards; i++)
        adb_shard_fence(db->shards[i]);
}

/* Puts `next` in force; if it may be or not, writes end. */
static armdb_err
store_manifest(struct db *db, struct manifest *next)
{
    armdb_err err = switch_manifest(db, next);
    if (err != ARMDB_OK && db->is_manifest_unsure)
        fence_all(db);
    return err;
}

armdb_err
adb_collection_add(struct db *db, struct manifest_collection *entry, bool is_hidden,
                   const armdb_codec *codec, struct collection **collection_out)
{
    struct manifest next;
    struct collection *collection;
    entry->id = db->manifest.next_collection_id;
    if (entry->id > LOG_COLLECTION_ID_MAX)
        return adb_fail(ARMDB_LIMIT, "create collection",
                        "%d collections were created in the life of this database, the most there "
                        "can be",
                        LOG_COLLECTION_ID_MAX);
    ADB_TRY(grow_list(db));
    ADB_TRY(adb_collections_copy_manifest(db, &next));
    next.next_collection_id = entry->id + 1;
    if (!is_hidden)
        next.collections[next.collection_count++] = *entry;
    armdb_err err = new_collection(db, entry, &collection);
    if (err == ARMDB_OK && codec != NULL) {
        err = adb_codec_new(db->account, codec, &collection->codecs);
        atomic_store_explicit(&collection->codec, collection->codecs, memory_order_release);
    }
    if (err == ARMDB_OK)
        err = store_manifest(db, &next);
    if (err == ARMDB_OK) {
        collection->is_hidden = is_hidden;
        db->collections[db->collection_count++] = collection;
        *collection_out = collection;
    } else if (collection != NULL) {
        free_collection(collection);
    }
    adb_manifest_fini(&next);
    return err;
}

armdb_err
adb_collection_create(struct db *db, const char *name, const armdb_collection_options *options,
                      struct collection **collection_out)
{
    armdb_collection_options checked;
    struct manifest_collection entry;
    armdb_err err = ARMDB_EXISTS;
    *collection_out = NULL;
    ADB_TRY(adb_collection_name_check(name));
    ADB_TRY(adb_collection_options_check(options, &checked));
    adb_options_describe(&checked, name, 0, &entry);
    adb_mutex_lock(&db->collections_lock);
    if (adb_collections_find_name(db, name) == NULL)
        err = adb_collection_add(db, &entry, false, checked.codec, collection_out);
    if (err == ARMDB_OK)
        (*collection_out)->is_open = true;
    adb_mutex_unlock(&db->collections_lock);
    return err;
}

static armdb_err
no_such_collection(const char *operation, const char *name)
{
    return adb_fail(ARMDB_NO_COLLECTION, operation, "there is no collection \"%.100s\"", name);
}

/* Under collections_lock. */
static armdb_err
find_free(const struct db *db, const char *operation, const char *name,
          struct collection **collection_out)
{
    struct collection *collection = adb_collections_find_name(db, name);
    *collection_out = collection;
    if (collection == NULL)
        return no_such_collection(operation, name);
    if (!collection->is_migrating)
        return ARMDB_OK;
    return adb_fail(ARMDB_BUSY, operation,
                    "collection \"%.100s\" is being brought to another schema version", name);
}

/* Finds it to be given out, or claimed by who brings it to another schema version. */
static armdb_err
open_locked(struct db *db, const char *name, const armdb_collection_options *options,
            struct collection **collection_out)
{
    struct manifest_collection entry;
    ADB_TRY(find_free(db, "open collection", name, collection_out));
    struct collection *collection = *collection_out;
    if (options->schema_version != ARMDB_SCHEMA_ANY &&
        options->schema_version > collection->schema_version)
        return adb_collection_claim(collection, options);
    adb_collection_entry(collection, &entry);
    ADB_TRY(adb_collection_options_compare(options, &entry));
    collection->is_open = true;
    return ARMDB_OK;
}

armdb_err
adb_collection_open(struct db *db, const char *name, const armdb_collection_options *options,
                    struct collection **collection_out)
{
    armdb_collection_options checked;
    struct collection *collection;
    *collection_out = NULL;
    ADB_TRY(adb_collection_options_check(options, &checked));
    adb_mutex_lock(&db->collections_lock);
    armdb_err err = open_locked(db, name, &checked, &collection);
    const bool is_claimed = err == ARMDB_OK && !collection->is_open;
    adb_mutex_unlock(&db->collections_lock);
    if (is_claimed)
        err = adb_collection_migrate(&collection, &checked);
    if (err == ARMDB_OK && checked.codec != NULL)
        err = adb_objects_attach(collection, checked.codec);
    if (err == ARMDB_OK)
        *collection_out = collection;
    return err;
}

/* Puts a successor where its id belongs: others may have been created since it was. */
static void
insert_entry(struct manifest *manifest, const struct collection *collection)
{
    uint32_t at = manifest->collection_count++;
    struct manifest_collection *entries = manifest->collections;
    for (; entries[at - 1].id > collection->index.collection_id; at--)
        entries[at] = entries[at - 1];
    adb_collection_entry(collection, &entries[at]);
}

static uint32_t
place_of(const struct manifest *manifest, const struct collection *collection)
{
    uint32_t at = 0;
    while (manifest->collections[at].id != collection->index.collection_id)
        at++;
    return at;
}

static armdb_err
switch_entries(struct db *db, const struct collection *collection,
               const struct collection *successor)
{
    struct manifest next;
    ADB_TRY(adb_collections_copy_manifest(db, &next));
    uint32_t at = place_of(&next, collection);
    next.collection_count--;
    memmove(&next.collections[at], &next.collections[at + 1],
            (next.collection_count - at) * sizeof *next.collections);
    if (successor != NULL)
        insert_entry(&next, successor);
    armdb_err err = switch_manifest(db, &next);
    adb_manifest_fini(&next);
    return err;
}

/* Stores a manifest without the collection, while no writer is running: a write that is
 * acknowledged is either in the log before, or refused after. */
static armdb_err
drop_stopped(struct db *db, struct collection *collection, struct collection *successor)
{
    if (!collection->is_hidden)
        ADB_TRY(switch_entries(db, collection, successor));
    if (successor != NULL)
        successor->is_hidden = false;
    atomic_store_explicit(&collection->index.is_dropped, true, memory_order_release);
    adb_watches_end(collection->listener.watches);
    return ARMDB_OK;
}

/* Counts the record of a key that nobody can reach any more as dead. */
static void
bury(void *context, armdb_slice key, uint64_t location)
{
    adb_shard_bury(adb_db_route((struct db *)context, key), location, key);
}

static void
release_all(struct db *db)
{
    for (uint32_t i = 0; i < db->settings.shards; i++)
        adb_shard_release(db->shards[i]);
}

/* Takes over `empty`, whatever comes of it. */
static armdb_err
replace_by(struct db *db, struct collection *collection, struct collection *successor,
           struct adb_index *empty)
{
    for (uint32_t i = 0; i < db->settings.shards; i++) {
        adb_shard_lock(db->shards[i]);
        adb_shard_hold(db->shards[i]); /* the dropped index names places in their files */
    }
    armdb_err err = drop_stopped(db, collection, successor);
    const armdb_error_detail detail = *adb_err_detail();
    for (uint32_t i = db->settings.shards; i > 0; i--)
        adb_shard_unlock(db->shards[i - 1]);
    if (err != ARMDB_OK) {
        release_all(db);
        adb_index_fini(empty);
        (void)adb_err_restore(&detail);
        if (db->is_manifest_unsure)
            fence_all(db);
        return err;
    }
    /* Nobody comes to the index any more: writers see is_dropped under their lock, readers inside
     * their scopes, which have ended after this wait. The empty one stands in for those who only
     * count. */
    adb_rcu_wait();
    adb_index_swap(&collection->index.keys, empty);
    adb_index_each(empty, bury, db);
    release_all(db);
    adb_objects_free(empty);
    adb_index_fini(empty);
    return ARMDB_OK;
}

armdb_err
adb_collection_replace(struct db *db, struct collection *collection, struct collection *successor)
{
    struct adb_index empty;
    struct manifest_collection entry;
    adb_collection_entry(collection, &entry);
    ADB_TRY(adb_collection_init_index(db, &entry, &empty));
    return replace_by(db, collection, successor, &empty);
}

void
adb_collection_discard(struct collection *collection, struct adb_index *empty)
{
    ADB_ASSERT(collection->is_hidden);
    ADB_IGNORE(replace_by(collection->db, collection, NULL, empty)); /* no manifest is stored */
}

static armdb_err
drop_locked(struct db *db, const char *name)
{
    struct collection *collection;
    ADB_TRY(find_free(db, "drop collection", name, &collection));
    if (collection == db->default_collection)
        return adb_fail(ARMDB_INVALID, "drop collection",
                        "the default collection cannot be dropped");
    return adb_collection_replace(db, collection, NULL);
}

armdb_err
adb_collection_drop(struct db *db, const char *name)
{
    adb_mutex_lock(&db->collections_lock);
    armdb_err err = drop_locked(db, name);
    adb_mutex_unlock(&db->collections_lock);
    return err;
}

armdb_err
adb_collection_set_version(struct collection *collection, uint32_t version)
{
    struct db *db = collection->db;
    struct manifest next;
    ADB_TRY(adb_collections_copy_manifest(db, &next));
    next.collections[place_of(&next, collection)].schema_version = version;
    armdb_err err = store_manifest(db, &next);
    adb_manifest_fini(&next);
    if (err == ARMDB_OK)
        collection->schema_version = version;
    return err;
}

/* ----------------------------------------------------------------------- list */

static uint32_t
value_bytes_of(const struct adb_index *keys)
{
    if (keys->has_pointers)
        return ARMDB_VALUE_OBJECT;
    return keys->value_bytes != 0 ? keys->value_bytes : ARMDB_VALUE_VARIABLE;
}

void
adb_collection_entry(const struct collection *collection, struct manifest_collection *entry_out)
{
    *entry_out = (struct manifest_collection){
        .id = collection->index.collection_id,
        .key_bytes = collection->index.key_bytes,
        .order = collection->order,
        .value_bytes = value_bytes_of(&collection->index.keys),
        .schema_version = collection->schema_version,
    };
    memcpy(entry_out->name, collection->name, sizeof entry_out->name);
}

static void
describe(const struct collection *collection, armdb_collection_info *info_out)
{
    *info_out = (armdb_collection_info){
        .id = collection->index.collection_id,
        .key_bytes = collection->index.key_bytes,
        .order = collection->order,
        .value_bytes = value_bytes_of(&collection->index.keys),
        .keys = adb_index_count(&collection->index.keys),
        .index_bytes = adb_index_bytes(&collection->index.keys),
        .schema_version = collection->schema_version,
    };
    memcpy(info_out->name, collection->name, sizeof info_out->name);
}

void
adb_collection_list(struct db *db, armdb_collection_info *infos, size_t capacity, size_t *count_out)
{
    size_t count = 0;
    adb_mutex_lock(&db->collections_lock);
    for (uint32_t i = 0; i < db->collection_count; i++) {
        const struct collection *collection = db->collections[i];
        if (!is_listed(collection))
            continue;
        if (count < capacity)
            describe(collection, &infos[count]);
        count++;
    }
    adb_mutex_unlock(&db->collections_lock);
    *count_out = count;
}

armdb_err
adb_collection_get_info(struct collection *collection, armdb_collection_info *info_out)
{
    adb_rcu_enter();
    armdb_err err = adb_collection_check(collection);
    if (err == ARMDB_OK)
        describe(collection, info_out);
    adb_rcu_leave();
    return err;
}
