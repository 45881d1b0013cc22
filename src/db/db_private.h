/*
 * db_private.h: what a database is made of. Included by src/db only.
 *
 * Lock order: collections_lock, then the locks of shards in ascending order, then nothing. (A step
 * of compaction takes collections_lock with the compact_lock of its shard held.) hook_lock comes
 * before all others, and so does objects_lock; never both.
 */
#ifndef ADB_DB_DB_PRIVATE_H
#define ADB_DB_DB_PRIVATE_H

#include "base/counter.h"
#include "db/db.h"
#include "db/db_compact.h"
#include "db/db_object.h"
#include "db/db_options.h"
#include "db/db_update.h"
#include "db/db_work.h"
#include "db/value.h"
#include "log/manifest.h"
#include "os/thread.h"
#include "shard/recover.h"
#include "shard/router.h"
#include "shard/shard_bond.h"
#include "shard/shard_change.h"
#include "shard/shard_fetch.h"
#include "shard/shard_reading.h"

struct collection {
    /* immutable after creation */
    struct db *db; /* borrowed: the owner */
    struct shard_index index;
    armdb_order order; /* not the default */
    char name[ARMDB_NAME_MAX + 1];
    struct shard_listener listener;
    /* atomic: stored (release) under objects_lock; loaded (acquire) by anybody. NULL: values are
     * bytes. It stays as long as the collection, being in the next one. */
    _Atomic(struct object_codec *) codec;
    struct object_codec *codecs; /* owned: all there were; guarded by objects_lock */
    /* guarded by collections_lock */
    uint32_t schema_version; /* it only changes while nobody has the collection open */
    bool is_hidden;          /* it is not in the manifest: what fills it is under way, or failed */
    bool is_open;            /* it was given out */
    bool is_migrating;       /* it is on its way to another schema version */
};

struct db {
    /* immutable after open */
    struct adb_os *os;          /* borrowed */
    char *path;                 /* owned */
    struct adb_file *lock_file; /* owned; holds the directory's lock */
    struct db_settings settings;
    struct router router;
    struct adb_pages *pages;        /* owned */
    struct adb_cache *cache;        /* owned; may have no room for any block */
    bool is_same_boot;              /* as in struct shard_config */
    struct value_account *account;  /* counted */
    struct shard **shards;          /* owned, [settings.shards] */
    struct shard_bonds bonds;       /* of all of them */
    struct shard_recovery recovery; /* of all shards */
    uint64_t recovery_ns;

    struct collection *default_collection; /* borrowed from collections */

    struct adb_mutex objects_lock; /* giving codecs to collections; no other lock is held then */

    struct adb_mutex collections_lock;
    /* guarded by collections_lock */
    struct manifest manifest;        /* as on disk */
    struct collection **collections; /* owned, [collection_count]; dropped ones stay */
    uint32_t collection_count;
    bool is_manifest_unsure; /* a store failed half way: no more changes */
    armdb_error_detail manifest_failure;

    struct adb_mutex hook_lock; /* setting a hook, one at a time */
    _Atomic(bool) is_direct;    /* relaxed: sealed files are read directly; once true, it stays */
    struct fetch_pool fetches;
    _Atomic(uint64_t) cursors; /* open now */
    _Atomic(uint64_t) watches; /* the same */
    _Atomic(uint64_t) batches; /* the same */
    struct db_turns turns;
    struct adb_counter gets;
    struct db_work work;
    struct db_compact compact;
};

/** How a database with this manifest routes keys. */
static inline struct router
adb_manifest_router(const struct manifest *manifest)
{
    return (struct router){manifest->hash_seed, manifest->shards, manifest->shard_prefix_bits};
}

/** The seed of the hash of maps. Not that of the hash that chooses the shard: the keys of one shard
 * would crowd in one part. */
static inline uint64_t
adb_manifest_map_seed(const struct manifest *manifest)
{
    return ~manifest->hash_seed;
}

/** The shard that `key` belongs to. */
static inline struct shard *
adb_db_route(const struct db *db, armdb_slice key)
{
    return db->shards[adb_router_shard(&db->router, key)];
}

static inline bool
adb_collection_is_dropped(const struct collection *collection)
{
    return atomic_load_explicit(&collection->index.is_dropped, memory_order_acquire);
}

/** As adb_db_write(), of a value whose object is made already, or NULL; borrowed. */
ADB_MUST_USE armdb_err adb_db_write_object(struct collection *collection, enum shard_verb verb,
                                           armdb_slice key, armdb_slice value,
                                           struct object *object,
                                           const armdb_write_options *options);

/** Where the record of the key under a cursor was when it came there. */
uint64_t adb_cursor_location(const struct cursor *cursor);

/** Whether the collection was dropped: raised then. Readers ask inside their RCU scope. */
ADB_MUST_USE armdb_err adb_collection_check(const struct collection *collection);

/** Whether `value` can be one of the collection's. */
ADB_MUST_USE armdb_err adb_collection_check_value(const struct collection *collection,
                                                  armdb_slice value);

/** Whether the collection has an order, which `operation` needs: raised if not. */
ADB_MUST_USE armdb_err adb_collection_check_order(const struct collection *collection,
                                                  const char *operation);

/** Whether `key` can be one of the collection's. */
ADB_MUST_USE armdb_err adb_collection_check_key(const struct collection *collection,
                                                armdb_slice key);

/**
 * Sets the length of a read whose key is at `location`, in the scope that found it.
 *
 * @param is_inlined  the value is in the index: whether the key has expired must be seen here.
 *
 * Returns:  ARMDB_OK; ARMDB_BUFFER_TOO_SMALL (raised) if its buffer has no room; ARMDB_NOT_FOUND if
 *           it has expired (a value that is to be read from the log may have, too).
 */
ADB_MUST_USE armdb_err adb_db_fit(struct db *db, uint64_t location, bool is_inlined,
                                  armdb_read *read);

/** Takes, and gives back, the locks of all shards. */
void adb_db_stop_writers(struct db *db);
void adb_db_let_writers_go(struct db *db);

/** Lets writers know whether anybody is to be told of changes. While writers are stopped. */
void adb_collection_settle_listener(struct collection *collection);

/** Does a write of which verb, key, value and `confirm` are given: for adb_db_write(), and for what
 * changes a key by what it has. */
ADB_MUST_USE armdb_err adb_db_write_as(struct collection *collection, struct shard_write *write,
                                       const armdb_write_options *options);

/* ------------------- for those who change a collection as a whole; under collections_lock */

/** The live collection of that name; NULL if there is none. */
struct collection *adb_collections_find_name(const struct db *db, const char *name);

/** What the manifest says of a collection, or would. */
void adb_collection_entry(const struct collection *collection,
                          struct manifest_collection *entry_out);

/**
 * Makes a collection under the next id. A hidden one is not in the manifest: the next open drops
 * it.
 *
 * @param entry  its id is set.
 *
 * Returns:  as armdb_collection_create().
 */
ADB_MUST_USE armdb_err adb_collection_add(struct db *db, struct manifest_collection *entry,
                                          bool is_hidden, const armdb_codec *codec,
                                          struct collection **collection_out);

/**
 * Drops a collection, and gives its name to another one in the same moment.
 *
 * @param successor  hidden, until that; everything in it is on the device. NULL: none.
 *
 * Returns:  ARMDB_OK; why the manifest could not be stored: then nothing has changed, or, if
 *           db->is_manifest_unsure is set, the next open has either of the two.
 */
ADB_MUST_USE armdb_err adb_collection_replace(struct db *db, struct collection *collection,
                                              struct collection *successor);

/** Makes an index for a collection that is stored as given. Returns ARMDB_OK, ARMDB_NO_MEMORY. */
ADB_MUST_USE armdb_err adb_collection_init_index(struct db *db,
                                                 const struct manifest_collection *stored,
                                                 struct adb_index *index);

/** Drops a hidden collection. Needs no memory: `empty` is an index like its own, taken over. */
void adb_collection_discard(struct collection *collection, struct adb_index *empty);

/** Stores another schema version of a collection. Returns as adb_collection_replace(). */
ADB_MUST_USE armdb_err adb_collection_set_version(struct collection *collection, uint32_t version);

/** Keeps a collection for who brings it to the schema version of checked options, which is greater
 * than its own. Returns ARMDB_OK; as armdb_schema says if that can't be. */
ADB_MUST_USE armdb_err adb_collection_claim(struct collection *collection,
                                            const armdb_collection_options *options);

/* ------------------------------------------------------------------------- */

/** Brings a collection that is claimed to the schema version of checked options, and opens it; ends
 * the claim. Replaces the pointer by that of the newest version. Returns as armdb_schema says. */
ADB_MUST_USE armdb_err adb_collection_migrate(struct collection **collection,
                                              const armdb_collection_options *options);

/** Makes the collections of db->manifest. */
ADB_MUST_USE armdb_err adb_collections_load(struct db *db);

/** Frees all collections and their indexes. */
void adb_collections_free(struct db *db);

/** An adb_find_index_fn; the context is the database, which nobody else knows yet. */
const char *adb_collections_find_index(void *db, const struct shard_origin *origin,
                                       struct shard_index **index_out);

/** The collection of an id, dropped or not; NULL if there is none. Under collections_lock. */
struct collection *adb_collections_find(const struct db *db, uint32_t id);

/** The index of a live collection; NULL if there is none of that id, or it was dropped. */
struct shard_index *adb_collections_find_live(struct db *db, uint32_t id);

/** A copy of the manifest, with room for one more collection; end it with adb_manifest_fini().
 * Under collections_lock. ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_collections_copy_manifest(const struct db *db,
                                                     struct manifest *copy_out);

/** Why a record that claims to be of `origin` cannot be; NULL if it can. */
const char *adb_origin_check(const struct shard_origin *origin, const struct manifest *manifest,
                             const struct router *router);

/* ---------------------------------------------- directory (db_directory.c) */

/** What is in a directory that may be a database. */
enum directory_state {
    DIRECTORY_MISSING,
    DIRECTORY_EMPTY,      /* nothing, or what an interrupted creation leaves */
    DIRECTORY_FOREIGN,    /* other files, and no manifest */
    DIRECTORY_UNFINISHED, /* a checkpoint that has not come to its end */
    DIRECTORY_DATABASE,   /* a manifest */
    DIRECTORY_HEADLESS    /* data files, and no manifest: it was lost */
};

ADB_MUST_USE armdb_err adb_directory_look(struct adb_os *os, const char *path,
                                          enum directory_state *state_out);

/**
 * Takes the lock of a database's directory.
 *
 * @param lock_out  end it with adb_file_close().
 *
 * Returns:  ARMDB_OK; ARMDB_BUSY (names the holder); ARMDB_READ_ONLY, ARMDB_IO ...
 */
ADB_MUST_USE armdb_err adb_directory_lock(struct adb_os *os, const char *path,
                                          struct adb_file **lock_out);

/**
 * Takes the lock of a directory in which nothing may be changed, for those who only read.
 *
 * @param lock_out  end it with adb_file_close(); NULL if there is no lock file, and so no lock.
 *
 * Returns:  as adb_directory_lock().
 */
ADB_MUST_USE armdb_err adb_directory_lock_unchanged(struct adb_os *os, const char *path,
                                                    struct adb_file **lock_out);

/**
 * Whether the machine has run without a break since adb_directory_note_boot(): then what was with
 * the system is there, in order, and a hole in a log is damage.
 */
ADB_MUST_USE armdb_err adb_directory_is_same_boot(struct adb_os *os, struct adb_file *lock_file,
                                                  bool *is_same_out);

/** Notes, in the lock file, that all logs are whole in this boot. */
ADB_MUST_USE armdb_err adb_directory_note_boot(struct adb_os *os, struct adb_file *lock_file);

/** Raises ARMDB_NO_DATABASE or ARMDB_CORRUPT for a state in which there is nothing to open. */
ADB_MUST_USE armdb_err adb_directory_refuse(const char *path, enum directory_state state);

/**
 * Whether a copy of the database at `source` can be made at `destination`: that must be missing,
 * but not the directory above it, or empty, and must not lie in the source.
 *
 * @param operation  named in errors.
 * @param source     absolute.
 *
 * Returns:  ARMDB_OK; ARMDB_EXISTS, ARMDB_INVALID, ARMDB_NO_DATABASE (no directory above it) ...
 */
ADB_MUST_USE armdb_err adb_directory_check_destination(struct adb_os *os, const char *operation,
                                                       const char *destination, const char *source);

/** Makes the name of the directory itself durable. */
ADB_MUST_USE armdb_err adb_directory_sync_parent(struct adb_os *os, const char *path);

#endif
