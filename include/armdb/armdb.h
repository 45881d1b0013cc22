/*
 * armdb.h: an embedded, sharded, log-structured key-value store. Start here.
 *
 *     armdb_db *db;
 *     if (armdb_open("data", NULL, &db) != ARMDB_OK) { ... armdb_last_error() says why ... }
 *     armdb_collection *c = armdb_default(db);
 *     armdb_put(c, armdb_str("key"), armdb_str("value"), NULL);
 *     armdb_close(db);
 *
 * What will surprise you (read this once):
 *   - All keys live in memory; values live in log files. Count 20 to 24 bytes a key beside its own.
 *   - The block cache takes memory of its own (options.h) beside what the system caches of files.
 *   - Opening a database, even to read, needs a directory that can be written to.
 *   - One process opens a directory, once. A second open, from this process too, is ARMDB_BUSY.
 *   - A write returns at its durability level (options.h). The default, ARMDB_WRITTEN, survives a
 *     killed process, not a power cut; ARMDB_SYNCED or armdb_sync() survives both.
 *   - Readers never wait for writers. A reader may see a value before its writer's sync returned.
 *   - After a failed append or sync the shard concerned refuses writes (ARMDB_FAILED) until the
 *     database is opened anew, because the kernel may have forgotten the data; reads go on. A write
 *     that returned such an error may or may not be there after the next open.
 *   - A cursor is not a snapshot: it sees each key that is there throughout the walk exactly once,
 *     in order; keys put or deleted during the walk may or may not show.
 *   - Space of overwritten and deleted values is given back in the background, by copying what is
 *     live out of files of which a third or so is not (compaction_percent in options.h).
 *   - After fork() the child must not touch a handle of its parent. No locks over network file
 *     systems without working flock().
 *
 * Threads: every function may be called from any thread without registration, and concurrently,
 * except where its comment says otherwise. A cursor and an armdb_value belong to one thread at a
 * time. Nothing may run on a handle during or after its close.
 *
 * Ownership: arguments are borrowed for the call. Bytes leave in two ways only: copied into memory
 * of the caller (a buffer, or a cursor), or in an armdb_value that the caller releases.
 *
 * Errors: each function returns armdb_err (error.h); on failure its out-parameters are zeroed
 * unless it says otherwise. Every function may return ARMDB_CLOSED for a closed or foreign handle,
 * where debug builds of the library stop, and ARMDB_INVALID for a NULL argument that is needed.
 * What may be called in the callback of a group is in group.h.
 */
#ifndef ARMDB_H
#define ARMDB_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "armdb/batch.h"
#include "armdb/error.h"
#include "armdb/group.h"
#include "armdb/hook.h"
#include "armdb/object.h"
#include "armdb/options.h"
#include "armdb/types.h"
#include "armdb/version.h"
#include "armdb/watch.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The bytes of a C string without its end, borrowed. */
static inline armdb_slice
armdb_str(const char *text)
{
    armdb_slice slice = {text, strlen(text)};
    return slice;
}

/** `len` bytes at `data`, borrowed. */
static inline armdb_slice
armdb_bytes(const void *data, size_t len)
{
    armdb_slice slice = {data, len};
    return slice;
}

/* ------------------------------------------------------------------ database */

/**
 * Opens the database in a directory, creating it if the options allow.
 *
 * Recovers what a killed process left: each shard's log is scanned (shards in parallel) and the
 * index is built from it. An incomplete record at the end of a shard's log is cut off; damage
 * anywhere else is an error, and the log it is in is left as it was found.
 *
 * @param path     directory; created (its parent must exist) unless open_mode forbids. Resolved
 *                 once: a later chdir() does not matter.
 * @param options  NULL: all defaults. Copied.
 * @param db_out   the handle; end it with armdb_close().
 *
 * Returns:  ARMDB_OK; ARMDB_NO_DATABASE (missing, or not a database; also a directory that holds
 *           other files); ARMDB_EXISTS (ARMDB_CREATE_NEW); ARMDB_BUSY (the detail names the
 *           holder's pid); ARMDB_MISMATCH (names setting, stored and asked value); ARMDB_INVALID
 *           (option out of range: names field, value and range); ARMDB_UNSUPPORTED (a schema
 *           version for the default collection); ARMDB_CORRUPT (file and offset); ARMDB_FORMAT
 *           (written by a newer armdb); ARMDB_READ_ONLY; ARMDB_IO, ARMDB_NO_SPACE,
 *           ARMDB_NO_MEMORY.
 * Durable:  a created database is on the device on return.
 * Cost:     reads every byte of the log; after a kill, also writes once more what was not known to
 *           be synced (at most one data file of each shard).
 * Source:   docs/recovery.md.
 */
ARMDB_API armdb_err armdb_open(const char *path, const armdb_options *options, armdb_db **db_out);

/**
 * Flushes, syncs and closes a database. The handle is gone, also when an error is returned, except
 * for ARMDB_BUSY.
 *
 * Collections of the database are gone with it; values (armdb_value) stay valid.
 *
 * @param db  NULL is allowed and does nothing.
 *
 * Returns:  ARMDB_OK; ARMDB_BUSY (cursors or watches are open; the detail names how many; or the
 *           call is made in a hook; nothing happened);
 *           ARMDB_IO, ARMDB_NO_SPACE (buffered writes may be lost: they were never promised),
 *           ARMDB_FAILED (a shard had failed before; the detail says how).
 * Threads:  no other call on this database may be running or follow; nor any write to another
 *           database whose hooks write to this one.
 * Durable:  on return, everything.
 */
ARMDB_API armdb_err armdb_close(armdb_db *db);

/**
 * Hands all buffered writes to the operating system.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_SPACE, ARMDB_IO, ARMDB_FAILED (of the first shard concerned; the
 *           others are flushed all the same).
 * Durable:  on return everything written before the call is `written`.
 */
ARMDB_API armdb_err armdb_flush(armdb_db *db);

/**
 * Makes all writes made before the call survive power loss.
 *
 * Returns:  as armdb_flush().
 * Durable:  on return everything written before the call is `synced`.
 * Cost:     one fdatasync for each shard with unsynced writes; concurrent callers share it.
 */
ARMDB_API armdb_err armdb_sync(armdb_db *db);

/**
 * Changes the memory that the block cache may take. What was read lately stays, as far as there is
 * room; memory beyond a smaller budget is given back before the call returns.
 *
 * @param cache_bytes  as in armdb_options: 0 for the default, ARMDB_CACHE_NONE for no cache.
 *
 * Returns:  ARMDB_OK; ARMDB_INVALID (names value and range); ARMDB_NO_MEMORY (nothing changed).
 * Threads:  any; reads go on meanwhile, and what they read may not be kept.
 * Cost:     a look at each block: some 10 ms for each GiB of blocks that were there or stay.
 */
ARMDB_API armdb_err armdb_set_cache_bytes(armdb_db *db, uint64_t cache_bytes);

/**
 * Gives back the space of overwritten, deleted, expired and dropped records now, at full speed, in
 * the calling thread; reads and writes go on meanwhile. What becomes garbage after the call began
 * may stay. The background does the same by itself, when it is worth it (compaction_percent).
 *
 * @param options       NULL: every data file of which 1 % is garbage, no progress.
 * @param progress_out  what was done, also after an error; NULL is allowed.
 *
 * Returns:  ARMDB_OK, also if on_progress stopped it; ARMDB_NO_SPACE (a pass needs room for what is
 *           live in the files it replaces, until these are gone, and not even the smallest found
 *           it, nor fits the space kept for that; nothing was changed by it),
 *           ARMDB_CORRUPT (a damaged record, named by file and offset; its file stays), ARMDB_IO,
 *           ARMDB_NO_MEMORY, ARMDB_FAILED (of the first shard concerned; the others are compacted
 *           all the same); ARMDB_INVALID.
 * Threads:  any; several callers, and the background, share the work of one shard.
 * Durable:  what is read afterwards is as durable as it was; space is free on return, unless a
 *           reader still needs an old file: then soon.
 * Cost:     reads the files concerned once and what is live in them twice, writes that once; one
 *           index lookup for each record, one more for each that is live.
 * Source:   docs/compaction.md.
 */
ARMDB_API armdb_err armdb_compact(armdb_db *db, const armdb_compact_options *options,
                                  armdb_compact_progress *progress_out);

/**
 * Makes a copy of the database in another directory, as it is at one moment during the call, while
 * reads, writes and compaction go on. The copy is a database like any other: armdb_open() opens it.
 *
 * It has every write that returned before the call began, and none that began after it returned;
 * of those in between it has each one that a write it has could have seen. A write counts whatever
 * its durability: the copy may have some that the database itself would lose in a power cut. The
 * collections are those of the same moment.
 *
 * Data files that are full are not copied but linked, where the file system can: the copy takes
 * next to no space until compaction replaces them here, and shares their blocks, so it is no
 * protection against a broken disk. On another file system, all is copied. It has the same database
 * id: do not mix files of the two.
 *
 * @param destination  directory of the copy: must be missing (but not its parent) or empty, and not
 *                     in the database. It becomes a database when all is done: if the process is
 *                     killed before, it does not open, and can be removed; nor after an error,
 *                     which empties it again, unless the very last sync failed: then it is whole.
 *
 * Returns:  ARMDB_OK; ARMDB_EXISTS (the destination is not empty); ARMDB_INVALID (it lies in the
 *           database); ARMDB_NO_DATABASE (no parent of the destination); ARMDB_BUSY (somebody has
 *           it open); ARMDB_FAILED (a shard refuses writes: what its files hold is in doubt);
 *           ARMDB_LIMIT (16384 data files in a shard); ARMDB_IO, ARMDB_NO_SPACE, ARMDB_NO_MEMORY,
 *           ARMDB_READ_ONLY.
 * Threads:  any. Compaction gives no space back while the files of a shard are linked or copied.
 * Durable:  on return.
 * Cost:     a link for each data file; a copy of the newest of each shard, up to 8 MiB. Writers
 *           wait as for armdb_flush(), and once for all shards' writers of the moment.
 * Source:   docs/checkpoint.md.
 */
ARMDB_API armdb_err armdb_checkpoint(armdb_db *db, const char *destination);

/** Figures of a database since it was opened. Counters only grow; gauges are a moment's value. */
typedef struct armdb_stats {
    uint32_t struct_bytes;      /* sizeof(armdb_stats); to be set by the caller */
    uint32_t shards;            /* logs of the database */
    uint32_t shard_prefix_bits; /* 0: whole keys choose the shard */
    uint32_t failed_shards;     /* shards that refuse writes */
    uint64_t collections;       /* the default one included */
    uint64_t keys;              /* in all collections */
    uint64_t files;             /* data files */
    uint64_t log_bytes;         /* bytes of log, headers and dead records included */
    uint64_t dead_bytes;        /* of these, what nothing needs any more */
    uint64_t tombstone_bytes;   /* of log_bytes, marks of deleted keys, needed or not */
    uint64_t index_bytes;       /* memory of all indexes */
    uint64_t buffer_bytes;      /* memory of the write buffers */
    uint64_t cache_bytes;       /* memory of the block cache */
    uint64_t value_bytes;       /* memory of value handles that are not released */
    uint64_t unflushed_bytes;   /* of buffered records, not handed to the system yet */
    uint64_t cursors;           /* open now */
    uint64_t puts;              /* put and insert calls that wrote */
    uint64_t deletes;           /* delete calls that wrote */
    uint64_t expired;           /* keys that were deleted because their deadline had passed */
    uint64_t gets;              /* reads of a value by key, found or not */
    uint64_t writes;            /* write system calls on data files */
    uint64_t written_bytes;     /* by these */
    uint64_t reads;             /* read system calls for values */
    uint64_t cache_misses;      /* blocks that had to be read into the cache */
    uint64_t syncs;             /* group commits */
    uint64_t sync_waits;        /* synced writes, and syncs of a shard; / syncs = how many share */
    uint64_t compactions;       /* passes, each of which replaced some data files by one */
    uint64_t compacted_bytes;   /* of the files that these replaced */
    uint64_t compaction_bytes;  /* of the files that they made */
    uint64_t compaction_failures; /* passes that were given up, and are tried again */
    uint64_t hints;               /* data files that the next open need not read */
    uint64_t hint_failures;       /* hints that were given up, and are tried again */
    uint64_t recovered_records;   /* read at open */
    uint64_t recovered_cut_bytes; /* of incomplete records, cut off at open */
    uint64_t recovery_ns;         /* time it took, nanoseconds */
    uint64_t damaged_reads;       /* reads by key or cursor that failed: ARMDB_CORRUPT, ARMDB_IO */
    uint64_t objects;             /* decoded values, pinned and just replaced ones too */
    uint64_t object_bytes;        /* of these, encoded, and what the database needs for them */
} armdb_stats;

/**
 * Copies the figures of a database.
 *
 * @param stats  struct_bytes set by the caller; the rest is filled.
 *
 * Returns:  ARMDB_OK; ARMDB_INVALID if struct_bytes is not the size of the struct.
 * Threads:  any; the fields are read one after the other, not at one moment.
 * Cost:     a few hundred loads for each shard.
 */
ARMDB_API armdb_err armdb_get_stats(armdb_db *db, armdb_stats *stats);

/** State of one shard. */
typedef struct armdb_shard_info {
    uint32_t struct_bytes; /* sizeof(armdb_shard_info); to be set by the caller */
    armdb_err failure;     /* ARMDB_OK, or why the shard refuses writes */
    uint64_t files;
    uint64_t log_bytes;
    uint64_t dead_bytes;
    uint64_t newest_sequence;          /* of the newest record; 0: none */
    uint64_t synced_sequence;          /* everything up to it is on the device */
    armdb_error_detail failure_detail; /* all zero if failure is ARMDB_OK */
    uint64_t tombstone_bytes;
    uint64_t compactions;
    armdb_err
        compaction_failure; /* ARMDB_OK, or why the last pass of compaction was given up; it is
                                   * tried again, and writes go on */
    armdb_error_detail compaction_failure_detail; /* all zero if that is ARMDB_OK */
    uint64_t live_bytes;       /* of log_bytes, records that keys have, and marks of the log; twice
                                   * while compaction replaces a file */
    uint64_t compacted_bytes;  /* of the files that compaction has replaced */
    uint64_t compaction_bytes; /* of the files that it has made, which is what it has moved */
    uint64_t compaction_failures; /* passes that were given up */
    uint64_t damaged_reads;       /* as in armdb_stats, of keys of this shard */
} armdb_shard_info;

/**
 * Copies the state of shard `shard` (0 .. armdb_stats.shards - 1).
 *
 * Returns:  ARMDB_OK; ARMDB_INVALID if there is no such shard.
 */
ARMDB_API armdb_err armdb_get_shard_info(armdb_db *db, uint32_t shard, armdb_shard_info *info);

/** What a data file is. */
typedef enum armdb_file_kind {
    ARMDB_FILE_ACTIVE = 1,  /* the newest of its shard, which writes go to */
    ARMDB_FILE_SEALED = 2,  /* filled by writers; it does not change any more */
    ARMDB_FILE_COPY = 3,    /* made by compaction; nor does this */
    ARMDB_FILE_REPLACED = 4 /* a copy stands for it; it goes when nobody needs it any more */
} armdb_file_kind;

/** State of one data file. */
typedef struct armdb_file_info {
    uint32_t struct_bytes; /* sizeof(armdb_file_info); to be set by the caller, in the first one */
    armdb_file_kind kind;
    uint64_t id;              /* its name: 1 is 0000000001.log */
    uint64_t bytes;           /* header included; of the active one, also what is buffered */
    uint64_t live_bytes;      /* of records that keys have, and marks of the log itself */
    uint64_t dead_bytes;      /* of records that nothing refers to any more, and of what batches
                                   * add to theirs */
    uint64_t tombstone_bytes; /* marks of deleted keys, needed or not */
    uint64_t base_sequence;   /* of the newest record before it */
    uint64_t hint_bytes;      /* of the front of the file, that its hint tells of; 0: it has none */
} armdb_file_info;

/**
 * Lists the data files of shard `shard`, in the order of its log, those that were replaced last.
 *
 * @param infos  [capacity] filled up to the smaller of capacity and the number there are; may be
 *               NULL if capacity is 0.
 * @param count_out  how many there are.
 *
 * Returns:  ARMDB_OK, also if capacity was too small; ARMDB_INVALID (there is no such shard, or
 *           struct_bytes of the first is not the size of the struct); ARMDB_NO_MEMORY.
 * Threads:  any; the figures of a shard are those of one moment.
 */
ARMDB_API armdb_err armdb_file_list(armdb_db *db, uint32_t shard, armdb_file_info *infos,
                                    size_t capacity, size_t *count_out);

/** The version of the library that is running ("0.1.0"), a static string. */
ARMDB_API const char *armdb_version(void);

/* ---------------------------------------------------------------- collections */

/** The default collection of an open database; it is always there. NULL for a closed handle. */
ARMDB_API armdb_collection *armdb_default(armdb_db *db);

/**
 * Creates a named collection.
 *
 * @param name     1..ARMDB_NAME_MAX bytes of UTF-8 without control characters, ended by 0. The
 *                 default collection is called "default".
 * @param options  NULL: defaults.
 * @param collection_out  belongs to the database; valid until armdb_close().
 *
 * Returns:  ARMDB_OK; ARMDB_EXISTS; ARMDB_INVALID; ARMDB_LIMIT (1048575 collections were created in
 * the life of this database); ARMDB_NO_SPACE, ARMDB_IO, ARMDB_NO_MEMORY; ARMDB_FAILED (an earlier
 * change was cut short: see armdb_collection_drop()).
 * Durable:  on return.
 */
ARMDB_API armdb_err armdb_collection_create(armdb_db *db, const char *name,
                                            const armdb_collection_options *options,
                                            armdb_collection **collection_out);

/**
 * Finds a collection that exists, and brings it to the schema version that the options ask for.
 *
 * @param options  NULL or zero fields: whatever is stored; other fields must be as stored. Of a
 *                 schema version, 0 is one like any other: see armdb_schema.
 * @param collection_out  belongs to the database; valid until armdb_close(). Opening a collection
 *                 twice gives the same pointer.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_COLLECTION; ARMDB_MISMATCH (names setting, stored and asked value);
 *           ARMDB_INVALID (option out of range); ARMDB_UNSUPPORTED (a schema version for the
 *           default collection, which has none); ARMDB_NO_MEMORY; if its schema version is brought
 *           to another one, or is just then, also what armdb_schema says.
 */
ARMDB_API armdb_err armdb_collection_open(armdb_db *db, const char *name,
                                          const armdb_collection_options *options,
                                          armdb_collection **collection_out);

/**
 * Drops a collection with all its keys. Its handle stays valid memory until armdb_close(); calls
 * on it, and steps of its cursors, return ARMDB_NO_COLLECTION.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_COLLECTION; ARMDB_INVALID (the default one cannot be dropped);
 *           ARMDB_BUSY (it is being brought to another schema version);
 *           ARMDB_NO_SPACE, ARMDB_IO (the collection is still there; or, if the failure came late,
 *           all writes are refused from now on, and the next open finds it or does not).
 * Durable:  on return.
 */
ARMDB_API armdb_err armdb_collection_drop(armdb_db *db, const char *name);

/** What a collection is, and how large. */
typedef struct armdb_collection_info {
    char name[ARMDB_NAME_MAX + 1];
    uint32_t id;        /* 0 is the default collection; ids are never reused */
    uint32_t key_bytes; /* 1..256, or ARMDB_KEY_VARIABLE */
    armdb_order order;
    uint32_t value_bytes;    /* 1..256: kept in the index; or ARMDB_VALUE_VARIABLE, _OBJECT */
    uint64_t keys;           /* live now */
    uint64_t index_bytes;    /* memory of its index */
    uint32_t schema_version; /* 0: none */
} armdb_collection_info;

/**
 * Lists the collections, the default one first, then in the order of their creation.
 *
 * @param infos  [capacity] filled up to the smaller of capacity and the number there are; may be
 *               NULL if capacity is 0.
 * @param count_out  how many there are.
 *
 * Returns:  ARMDB_OK, also if capacity was too small.
 */
ARMDB_API armdb_err armdb_collection_list(armdb_db *db, armdb_collection_info *infos,
                                          size_t capacity, size_t *count_out);

/** Copies what armdb_collection_list() says of one collection. Returns ARMDB_OK or
 * ARMDB_NO_COLLECTION (dropped). */
ARMDB_API armdb_err armdb_collection_get_info(armdb_collection *collection,
                                              armdb_collection_info *info_out);

/* --------------------------------------------------------------------- writes
 *
 * All writes: `key` has the collection's key length, or 1..ARMDB_KEY_MAX bytes if that is variable;
 * `value` has the collection's value length, or 0..ARMDB_VALUE_MAX bytes if that is variable;
 * `options` NULL = the database's durability.
 * On any error but ARMDB_FAILED and ARMDB_IO nothing was changed. An answer that writes nothing
 * (ARMDB_EXISTS, ARMDB_NOT_FOUND) makes nothing durable, whatever the level.
 *
 * A key can have a deadline (expires_at_ms or ttl_ms in the options), by the clock of the machine.
 * Once that has passed, the key is absent for every function, but for armdb_count() and the
 * statistics: these count it until the background has deleted it. If the clock is set back before
 * that, the key is there again. Each write of a value says anew until when the key is there: one
 * without deadline makes it stay for ever.
 *
 * Returns:  ARMDB_OK; ARMDB_KEY_LENGTH; ARMDB_VALUE_LENGTH; ARMDB_TOO_BIG; ARMDB_NO_COLLECTION
 *           (dropped);
 *           ARMDB_NO_SPACE (the disk is full: writes work again once there is room, which
 *           deletes, for which some is kept, and compaction can make);
 *           ARMDB_NO_MEMORY; ARMDB_IO (this write broke the shard, or the next data file could not
 *           be made; or, at `synced`, the write is done and readers see it, but it is not known to
 *           be on the device, because other writes that its sync takes along found no space: the
 *           shard goes on, and a later sync makes up for it; the detail says so); ARMDB_FAILED
 *           (an earlier one broke it); ARMDB_LIMIT (16384 data files in the shard: raise
 *           max_file_bytes); ARMDB_CORRUPT, ARMDB_IO of insert and delete (the deadline of the key
 *           could not be read: nothing was changed).
 * Threads:  any; writers of one shard take turns, and share their syncs.
 * Cost:     one append of 20 bytes (32 with a deadline) + key + value, rounded up to 8; one index
 *           walk; for insert and delete of a key with a deadline a read of that. Now and then
 *           (a full write buffer) a wait for the readers of the moment; and when a data file is
 *           full, the sync of what is unsynced in it.
 */

/** Stores `value` under `key`, replacing what was there. */
ARMDB_API armdb_err armdb_put(armdb_collection *collection, armdb_slice key, armdb_slice value,
                              const armdb_write_options *options);

/** Stores `value` under `key` if the key is not there; ARMDB_EXISTS if it is. */
ARMDB_API armdb_err armdb_insert(armdb_collection *collection, armdb_slice key, armdb_slice value,
                                 const armdb_write_options *options);

/** Removes `key`; ARMDB_NOT_FOUND if it was not there (then nothing is written). Takes no deadline:
 * ARMDB_INVALID. */
ARMDB_API armdb_err armdb_delete(armdb_collection *collection, armdb_slice key,
                                 const armdb_write_options *options);

/* --------------------------------------------------------- read, modify, write
 *
 * Changing a key by what it has: at one moment it has the old value, and at the next the new one,
 * whatever other threads and compaction do meanwhile. All that is said of writes above holds, with
 * one difference: a key that is there keeps its deadline, unless the options give it another one
 * (UINT64_MAX milliseconds: none any more). A deadline does not matter where a key is removed.
 *
 * Cost:     as a put, and a get of the value; that is done again if the key was written, or moved
 *           by compaction, meanwhile. Values that have one length are in the index: no read.
 */

/** Stands for no value, where a value is expected or wanted. */
static inline armdb_slice
armdb_absent(void)
{
    armdb_slice slice = {NULL, SIZE_MAX};
    return slice;
}

/** Whether it is armdb_absent(). */
static inline bool
armdb_is_absent(armdb_slice value)
{
    return value.data == NULL && value.len == SIZE_MAX;
}

/**
 * Compare and swap: stores `desired` under `key` if its value is `expected`.
 *
 * @param expected     armdb_absent(): the key must not be there.
 * @param desired      armdb_absent(): the key is removed. Not both of them.
 * @param current_out  NULL, or the value that the key has, if that is why nothing was written
 *                     (ARMDB_CHANGED); else empty. Release it with armdb_value_release().
 *
 * Returns:  ARMDB_OK (it was stored); ARMDB_CHANGED (the key has another value, or has one);
 *           ARMDB_NOT_FOUND (it has none, and one was expected); what writes and reads return.
 * Threads:  any. After four lost rounds it reads the value under the shard's lock: it ends,
 *           whatever others do.
 */
ARMDB_API armdb_err armdb_cas(armdb_collection *collection, armdb_slice key, armdb_slice expected,
                              armdb_slice desired, const armdb_write_options *options,
                              armdb_value *current_out);

/** What is to become of a key. */
typedef enum armdb_verdict_kind {
    ARMDB_KEEP = 0, /* leave it as it is */
    ARMDB_REPLACE = 1,
    ARMDB_REMOVE = 2 /* nothing, if it is not there */
} armdb_verdict_kind;

typedef struct armdb_verdict {
    armdb_verdict_kind kind; /* ARMDB_KEEP when the callback is called */
    /* the new value, for ARMDB_REPLACE: to stay until the update has returned, or the callback is
     * called again */
    armdb_slice value;
} armdb_verdict;

/**
 * Says what is to become of a key.
 *
 * It may be called more than once, with what the key has by then: only the last answer counts. It
 * is called under no lock that reads or other writes take, and may use the database, but must not
 * wait for an update that another thread makes. Work on this very key in it is for nothing: then
 * the update begins anew.
 *
 * @param old         the value of the key, during the call; NULL: it has none.
 * @param verdict_out  what to do.
 *
 * Returns:  ARMDB_OK; anything else ends the update, which returns it as it is: one of armdb_err,
 *           or a number of your own from 1 to 63.
 */
typedef armdb_err (*armdb_update_fn)(void *context, armdb_slice key, const armdb_slice *old,
                                     armdb_verdict *verdict_out);

/**
 * Lets a callback say what becomes of a key, from what it has.
 *
 * @param old_out  NULL, or the value before; empty if there was none. Release it with
 *                 armdb_value_release().
 * @param new_out  NULL, or the value afterwards; likewise.
 *
 * Returns:  ARMDB_OK (done, or left alone by the callback); what the callback returned; what writes
 *           and reads return; ARMDB_INVALID (the callback asks for what does not exist).
 * Threads:  any. Who has lost four rounds waits for its turn: until it is through, other updates of
 *           its key begin no new one (nor do those of some other keys). Puts of the key do not
 *           wait, and each may cost it one more round; so may an update from inside a callback or a
 *           hook.
 */
ARMDB_API armdb_err armdb_update(armdb_collection *collection, armdb_slice key, armdb_update_fn fn,
                                 void *context, const armdb_write_options *options,
                                 armdb_value *old_out, armdb_value *new_out);

/** How far armdb_migrate() has come. */
typedef struct armdb_migrate_progress {
    uint64_t pairs;    /* that the callback has decided about */
    uint64_t replaced; /* of these */
    uint64_t removed;
    armdb_slice key; /* all up to this one are done, and on the device; during on_progress only */
} armdb_migrate_progress;

/** Called after each 8192 keys or so, without any lock. Not 0 stops: what is done stays done. */
typedef int (*armdb_migrate_fn)(void *context, const armdb_migrate_progress *progress);

/** What armdb_migrate() does. */
typedef struct armdb_migrate_options {
    uint32_t struct_bytes; /* sizeof(armdb_migrate_options); filled by the _INIT macro */
    /* begin behind this key, in the collection's order: to go on where on_progress was told of it.
     * Borrowed for the call; empty: begin with the first. */
    armdb_slice after;
    armdb_migrate_fn on_progress; /* or NULL: then nothing is synced before the end */
    void *context;                /* for it */
} armdb_migrate_options;

#define ARMDB_MIGRATE_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(armdb_migrate_options), {NULL, 0}, NULL, NULL                                       \
    }

/**
 * Lets a callback say of each pair of a collection what becomes of it, while reads and writes of
 * others go on: to bring values into a new form, or to remove some. Each pair is changed as by
 * armdb_update(), on its own: `old` is never NULL, deadlines are kept, and a pair that somebody
 * writes meanwhile is decided about anew. Every key that is there throughout comes once, in the
 * collection's order.
 *
 * If the process is killed, some pairs are in the new form, others not. Go on with `after`; or run
 * it again, with a callback that leaves alone what it has changed already. In a collection without
 * order only the second is possible, and programs that write meanwhile must write the new form.
 *
 * @param fn            see armdb_update_fn. An error of it ends the walk, and is returned.
 * @param options       NULL: all pairs, no progress.
 * @param progress_out  what was done, also after an error; NULL is allowed.
 *
 * Returns:  ARMDB_OK, also if on_progress stopped it; what the callback returned; what writes and
 *           reads return (the pair at hand is not changed, those before are); ARMDB_UNSUPPORTED
 *           (`after`, and the collection has no order); ARMDB_INVALID.
 * Threads:  any.
 * Durable:  on return, if it is ARMDB_OK.
 * Cost:     a get and, if it is changed, a put for each pair.
 */
ARMDB_API armdb_err armdb_migrate(armdb_collection *collection, armdb_update_fn fn, void *context,
                                  const armdb_migrate_options *options,
                                  armdb_migrate_progress *progress_out);

/** One step of a collection, from a schema version to the next one. */
typedef struct armdb_schema_step {
    uint32_t from; /* the version that it begins with; it leads to from + 1 */
    /* says what becomes of each pair; its `old` is never NULL, and each pair comes once. NULL: all
     * pairs are kept. */
    armdb_update_fn fn;
    void *context; /* for fn */
    /* what the collection is from then on, as in armdb_collection_options; 0: what it was */
    uint32_t key_bytes;
    armdb_order order;
    uint32_t value_bytes;
} armdb_schema_step;

/** How far a step has come. */
typedef struct armdb_schema_progress {
    uint32_t from;     /* it leads from this version to the next one */
    uint32_t to;       /* the last step leads to this one */
    uint64_t pairs;    /* done by now */
    uint64_t of_pairs; /* of so many; expired ones that are not deleted yet included */
    uint32_t is_done;  /* the collection has version from + 1, for good */
} armdb_schema_progress;

/** Called after each 8192 pairs or so, and when a step is done, without any lock. */
typedef void (*armdb_schema_fn)(void *context, const armdb_schema_progress *progress);

/**
 * The steps by which armdb_collection_open() brings a collection to the schema version that the
 * program knows, if a lower one is stored.
 *
 * Steps are done one after the other, before the handle is given out. Each is done as a whole or
 * not at all, whatever happens meanwhile: it fills a new collection, syncs that, and puts it in the
 * place of the old one, which is dropped. So a step may change the length of keys and values, and
 * the order. If one fails, the collection stays as it was before that step; steps that are done
 * stay done. A step with neither `fn` nor another shape just stores the version.
 *
 * In objects steps see the encoded bytes. Deadlines are kept. Keys stay as they are: if their
 * length is to be fixed, all must have it. Hooks and watches are not told: nobody can have any yet.
 *
 * Nobody else may use the collection, or have it open: a handle that was given out since the
 * database was opened is ARMDB_BUSY, and so is opening or dropping it while a step is done.
 *
 * Returns of armdb_collection_open() (nothing was changed by the first two):
 *           ARMDB_MISMATCH (the stored version is greater, or no step leads on from one; versions
 *           are named); ARMDB_BUSY; what the callback returned; what writes and reads return;
 *           ARMDB_KEY_LENGTH, ARMDB_VALUE_LENGTH (a pair does not fit the new shape); ARMDB_INVALID
 *           (the callback asks for what does not exist); ARMDB_LIMIT, and what else
 *           armdb_collection_create() and armdb_collection_drop() return.
 * Durable:  each step, when it is done.
 * Cost:     a step of a cursor and a put for each pair, and two changes of the manifest. On disk
 *           and in memory the collection is there twice until the step is done; its space on disk
 *           is given back as that of a dropped one.
 * Source:   docs/guide/schema.md.
 */
struct armdb_schema {
    uint32_t struct_bytes; /* sizeof(armdb_schema); filled by the _INIT macro */
    uint32_t n_steps;
    const armdb_schema_step
        *steps;                  /* [n_steps], in any order; those not needed are not looked at */
    armdb_schema_fn on_progress; /* or NULL */
    void *context;               /* for it */
};

#define ARMDB_SCHEMA_INIT                                                                          \
    {                                                                                              \
        sizeof(armdb_schema), 0, NULL, NULL, NULL                                                  \
    }

/**
 * Adds to a number: the value of `key` in a collection whose values have 1, 2, 4 or 8 bytes. They
 * are signed numbers (two's complement), the lowest byte first. A key that is not there counts as 0
 * and is made.
 *
 * @param delta    what to add; less than 0 subtracts.
 * @param sum_out  NULL, or the number afterwards.
 *
 * Returns:  ARMDB_OK; ARMDB_OVERFLOW (the sum does not fit; nothing was changed, and the detail
 *           names the numbers); ARMDB_UNSUPPORTED (values of another length); what writes return.
 * Threads:  any; nobody comes in between.
 */
ARMDB_API armdb_err armdb_add(armdb_collection *collection, armdb_slice key, int64_t delta,
                              const armdb_write_options *options, int64_t *sum_out);

/* -------------------------------------------------------------------- tickets
 *
 * A thread that writes at ARMDB_SYNCED waits for the device at each write. With a ticket
 * (armdb_write_options.ticket) it can write on, have hundreds of writes on their way at once, and
 * wait for the oldest, or for all, later: they share syncs.
 */

/**
 * Waits until the writes behind some tickets are on the device, syncing them if nobody else does.
 *
 * A ticket vouches for all earlier writes of its shard too; of several tickets of one shard only
 * the newest costs anything.
 *
 * @param tickets  [n_tickets] from writes to this database since it was opened, in any order;
 *                 borrowed for the call. Waiting again is allowed.
 *
 * Returns:  ARMDB_OK (all are); ARMDB_INVALID (a ticket of another database: its shard is out of
 *           range, or the write has not been made); ARMDB_NO_SPACE (not yet on the device, nothing
 *           is lost: may be called again), ARMDB_IO, ARMDB_FAILED (some may be lost at power loss);
 *           of the first shard concerned: the others are synced all the same.
 * Durable:  on return, every write behind the tickets.
 * Cost:     at most one sync for each shard that tickets name.
 */
ARMDB_API armdb_err armdb_ticket_wait(armdb_db *db, const armdb_ticket *tickets, size_t n_tickets);

/**
 * Says whether the write behind a ticket is on the device. Starts nothing: unless somebody syncs,
 * the answer stays false.
 *
 * Returns:  ARMDB_OK with `*is_synced_out` set; ARMDB_INVALID as above.
 * Cost:     a load if it is; else a wait for the shard's writer of the moment.
 */
ARMDB_API armdb_err armdb_ticket_poll(armdb_db *db, const armdb_ticket *ticket,
                                      bool *is_synced_out);

/* ---------------------------------------------------------------------- reads
 *
 * Readers take no lock. A read that fails says so: ARMDB_NOT_FOUND always means that the key is
 * not there. Values read from a file are checked against their checksum.
 *
 * Returns:  ARMDB_OK; ARMDB_NOT_FOUND; ARMDB_KEY_LENGTH; ARMDB_NO_COLLECTION (dropped);
 *           ARMDB_CORRUPT, ARMDB_IO (the detail names file and offset); ARMDB_NO_MEMORY.
 * Cost:     one index walk, and at most one read of the file, none if the block cache has it; in a
 *           collection whose values have one length never one. What is said to read no file does
 *           read one, or the block cache, for a key that has a deadline.
 */

/**
 * Copies the value of `key` into a buffer.
 *
 * @param buffer   room for `capacity` bytes; may be NULL if capacity is 0. On error its contents
 *                 are undefined.
 * @param len_out  bytes of the value; set also on ARMDB_BUFFER_TOO_SMALL (then nothing is copied,
 *                 and nothing is read from disk but a deadline, if it has one).
 */
ARMDB_API armdb_err armdb_get(armdb_collection *collection, armdb_slice key, void *buffer,
                              size_t capacity, size_t *len_out);

/** One key of an armdb_multi_get(), and what came of it. */
typedef struct armdb_read {
    armdb_slice key; /* borrowed for the call */
    void *buffer;    /* of the caller: room for `capacity` bytes; may be NULL if that is 0 */
    size_t capacity; /* bytes */
    size_t len;      /* set: bytes of the value; as armdb_get() sets it */
    armdb_err err;   /* set: what armdb_get() would have returned for this key */
} armdb_read;

/**
 * Gets many keys of one collection at once: much faster than one by one, because the lookups wait
 * for memory together. Each is as an armdb_get() of its own; they are not one moment's view.
 *
 * @param reads  [n_reads] key, buffer and capacity set by the caller; len and err are filled. Keys
 *               in any order, and more than once, are allowed.
 *
 * Returns:  ARMDB_OK if each `err` is ARMDB_OK or ARMDB_NOT_FOUND; else the first other one (all
 *           are filled all the same); ARMDB_INVALID (`reads` is NULL; or the bytes of a key, or a
 *           buffer, are NULL and should not be: then nothing was read, and each `err` is that).
 */
ARMDB_API armdb_err armdb_multi_get(armdb_collection *collection, armdb_read *reads,
                                    size_t n_reads);

/** Hands out the value of `key` in a handle; end it with armdb_value_release(). */
ARMDB_API armdb_err armdb_get_value(armdb_collection *collection, armdb_slice key,
                                    armdb_value *value_out);

/** Says whether `key` is there. Reads no file. Returns ARMDB_OK with `*found_out` set. */
ARMDB_API armdb_err armdb_contains(armdb_collection *collection, armdb_slice key, bool *found_out);

/** Length of the value of `key`, bytes. Reads no file. */
ARMDB_API armdb_err armdb_value_len(armdb_collection *collection, armdb_slice key, size_t *len_out);

/**
 * Until when `key` is there: armdb_write_options.expires_at_ms, or the moment that ttl_ms led to.
 *
 * @param deadline_ms_out  milliseconds since the epoch; 0: for ever. Never one that has passed:
 *                         then it is ARMDB_NOT_FOUND.
 */
ARMDB_API armdb_err armdb_deadline(armdb_collection *collection, armdb_slice key,
                                   uint64_t *deadline_ms_out);

/** Number of keys in the collection, expired ones that the background has not deleted yet included;
 * exact when no writer is running. Cost: a load per shard. */
ARMDB_API armdb_err armdb_count(armdb_collection *collection, uint64_t *count_out);

/**
 * The first key in the collection's order, and its value; ARMDB_NOT_FOUND if it is empty,
 * ARMDB_UNSUPPORTED if it has no order.
 *
 * @param key_out    may be NULL; else release it with armdb_value_release().
 * @param value_out  may be NULL (then no file is read); else release it likewise.
 */
ARMDB_API armdb_err armdb_first(armdb_collection *collection, armdb_value *key_out,
                                armdb_value *value_out);

/** The last key in the collection's order, and its value; otherwise as armdb_first(). */
ARMDB_API armdb_err armdb_last(armdb_collection *collection, armdb_value *key_out,
                               armdb_value *value_out);

/* --------------------------------------------------------------- value handles */

/** The bytes of a value: valid until it is released, or (if short) until the struct is moved. */
static inline armdb_slice
armdb_value_bytes(const armdb_value *value)
{
    armdb_slice slice = {value->inlined, value->len};
    if (value->block != NULL)
        slice.data = (const unsigned char *)value->block + 16;
    return slice;
}

/** Makes `copy_out` (another struct) a second handle on the same bytes; each is released by itself.
 * Cannot fail. */
ARMDB_API void armdb_value_ref(const armdb_value *value, armdb_value *copy_out);

/** Gives a handle back and empties it. NULL and empty ones are allowed. Any thread. */
ARMDB_API void armdb_value_release(armdb_value *value);

/* -------------------------------------------------------------------- cursors
 *
 * A cursor walks the keys of a collection, or a range or prefix of it, in the collection's order,
 * with steps in both directions mixed at will. It stands before the first key, on a key, or behind
 * the last one. It holds no lock and keeps no version: see "what will surprise you" above.
 *
 * In a collection without order (ARMDB_UNORDERED) a cursor can be opened for all keys only, and
 * knows armdb_cursor_next() and armdb_cursor_first() (begin anew); the rest is ARMDB_UNSUPPORTED.
 * It too meets each key that is there throughout the walk exactly once.
 *
 * Moves return ARMDB_OK (the cursor stands on a key), ARMDB_END (it stands beyond the end in that
 * direction, and stays there: a step back comes to the key at that end, a seek to where you like),
 * an error of reading the value (ARMDB_CORRUPT, ARMDB_IO, ARMDB_NO_MEMORY: the cursor stands on
 * that key, and can go on), or ARMDB_NO_COLLECTION (dropped; the cursor has not moved).
 *
 * Threads:  one at a time for each cursor.
 * Cost:     O(1) amortised a step, and a read of the file for the value unless keys_only is set.
 */

/**
 * Opens a cursor. It stands before the first key; armdb_cursor_prev() starts from behind the last.
 *
 * @param options     NULL: the whole collection with values. Bounds and prefix are copied.
 * @param cursor_out  end it with armdb_cursor_close() before closing the database.
 *
 * Returns:  ARMDB_OK; ARMDB_INVALID (a bound or prefix longer than a key can be, both a prefix and
 *           a bound, an unknown bound kind); ARMDB_UNSUPPORTED (a range or prefix of a collection
 *           without order); ARMDB_NO_COLLECTION; ARMDB_NO_MEMORY.
 *           A range whose ends are the wrong way round is empty, not an error.
 */
ARMDB_API armdb_err armdb_cursor_open(armdb_collection *collection,
                                      const armdb_cursor_options *options,
                                      armdb_cursor **cursor_out);

/** Ends a cursor. NULL is allowed. */
ARMDB_API void armdb_cursor_close(armdb_cursor *cursor);

/** To the next key in the collection's order; from a fresh cursor, to the first. */
ARMDB_API armdb_err armdb_cursor_next(armdb_cursor *cursor);

/** To the previous key; from a fresh cursor, to the last. */
ARMDB_API armdb_err armdb_cursor_prev(armdb_cursor *cursor);

/** To the first key of the cursor's range. */
ARMDB_API armdb_err armdb_cursor_first(armdb_cursor *cursor);

/** To the last key of the cursor's range. */
ARMDB_API armdb_err armdb_cursor_last(armdb_cursor *cursor);

/**
 * To `key`, or if it is not there to the next one after it in the collection's order, within the
 * cursor's range.
 *
 * @param key  1..ARMDB_KEY_MAX bytes (else ARMDB_KEY_LENGTH); need not have the collection's key
 *             length.
 */
ARMDB_API armdb_err armdb_cursor_seek(armdb_cursor *cursor, armdb_slice key);

/** The key under the cursor, in the cursor's memory: valid until it moves. Empty if on no key. */
ARMDB_API armdb_slice armdb_cursor_key(const armdb_cursor *cursor);

/** The value under the cursor, in the cursor's memory: valid until it moves. Empty if keys_only,
 * on no key, or if reading it failed. */
ARMDB_API armdb_slice armdb_cursor_value(const armdb_cursor *cursor);

/** Length of the value under the cursor, bytes; known without reading it. 0 if on no key. */
ARMDB_API size_t armdb_cursor_value_len(const armdb_cursor *cursor);

/* -------------------------------------------------------------------- warming up */

/**
 * Reads the values of a collection, or of a range or prefix of it, into the block cache, in the
 * order of the data files and many at once: as many as the cache has room for. What is there
 * already is not read again. Values of more than some 4000 bytes are not cached, and left out.
 *
 * @param range        NULL: the whole collection. As for armdb_cursor_open(); keys_only does not
 *                     matter.
 * @param on_progress  NULL, or called after each 256 KiB or so, with `context`.
 *
 * Returns:  ARMDB_OK, also if on_progress stopped it, if there is no cache, or if blocks could not
 *           be read: who reads a value will be told; ARMDB_INVALID, ARMDB_UNSUPPORTED,
 *           ARMDB_NO_COLLECTION as armdb_cursor_open(); ARMDB_NO_MEMORY; of a key with a deadline
 *           also ARMDB_CORRUPT, ARMDB_IO.
 * Threads:  any.
 * Cost:     a walk over the keys, and a read of each block with a value once. Memory meanwhile: a
 *           bit for each 4 KiB of data files, 400 KB for each shard.
 * Source:   docs/reading.md.
 */
ARMDB_API armdb_err armdb_warm_up(armdb_collection *collection, const armdb_cursor_options *range,
                                  armdb_warm_up_fn on_progress, void *context);

/* --------------------------------------------------------------------- verify */

/** One piece of damage that armdb_verify() or armdb_verify_open() found. Strings are valid during
 * the callback. */
typedef struct armdb_damage {
    const char *file;    /* path */
    uint64_t offset;     /* bytes into it */
    uint32_t shard;      /* UINT32_MAX: none */
    const char *message; /* one line */
    /* Of the record concerned, by armdb_verify_open() alone: */
    const char *collection; /* its name; NULL: not known */
    armdb_slice key;        /* empty: not known */
} armdb_damage;

typedef void (*armdb_damage_fn)(void *context, const armdb_damage *damage);

/** What armdb_verify() looked at. */
typedef struct armdb_verify_report {
    uint64_t files;
    uint64_t bytes;
    uint64_t records;
    uint64_t damages;    /* as many as the callback was called */
    uint64_t torn_bytes; /* incomplete ends of logs: not damage; cut off at the next open */
} armdb_verify_report;

/**
 * Checks every byte of a database that nobody has open: manifest, file headers, every record's
 * checksum and order, file names. Of a process that was killed, what the next open takes from its
 * write buffer is checked and counted too. Changes nothing but LOCK.
 *
 * @param path        directory of the database.
 * @param on_damage   called for each piece of damage, in the calling thread; NULL: only counted.
 * @param report_out  filled also on error, as far as it came; may be NULL.
 *
 * Returns:  ARMDB_OK (whole); ARMDB_CORRUPT (damage was reported); ARMDB_BUSY; ARMDB_NO_DATABASE;
 *           ARMDB_FORMAT; ARMDB_IO, ARMDB_NO_MEMORY, ARMDB_READ_ONLY.
 */
ARMDB_API armdb_err armdb_verify(const char *path, armdb_damage_fn on_damage, void *context,
                                 armdb_verify_report *report_out);

/**
 * Checks a database that is open, while it is being used: every record that is with the operating
 * system; each of them against the indexes, and these against the records; the hint of each file,
 * and the figures of each (armdb_stats.dead_bytes and the like) against what is in it; the manifest
 * on disk against the one in force. Changes nothing.
 *
 * What is compared is exact, but for two things: a file that compaction is replacing meanwhile is
 * only read, and looked up in the indexes; and whether an index names places that are none of its
 * records is only known of those files in which no record became dead during the check.
 *
 * @param on_damage   called for each piece of damage, in the calling thread, with no lock held;
 *                    NULL: only counted. It may use the database.
 * @param report_out  filled also on error, as far as it came; may be NULL.
 *
 * Returns:  ARMDB_OK (whole); ARMDB_CORRUPT (damage was reported); ARMDB_IO, ARMDB_NO_MEMORY.
 * Threads:  any. Writers wait for it no longer than for armdb_flush(); space of compacted files of
 *           a shard is given back when that shard has been checked.
 * Cost:     reads every data file once, past the block cache; a lookup for each record; a walk
 *           through all keys for each shard. Memory for deleted keys whose values are still in
 *           files, 20 bytes or so each.
 * Source:   docs/verify.md.
 */
ARMDB_API armdb_err armdb_verify_open(armdb_db *db, armdb_damage_fn on_damage, void *context,
                                      armdb_verify_report *report_out);

/* --------------------------------------------------------------------- repair */

/** What a finding of armdb_repair() means. */
typedef enum armdb_finding_kind {
    ARMDB_FINDING_LOST = 1,    /* bytes that hold no whole record, or that are missing: what was
                                * there is lost */
    ARMDB_FINDING_IGNORED = 2, /* a file that does not belong there, and was left out */
    ARMDB_FINDING_ASSUMED = 3  /* something that was not known, and had to be made up or guessed */
} armdb_finding_kind;

/** One finding of armdb_repair(). Strings are valid during the callback. */
typedef struct armdb_finding {
    armdb_finding_kind kind;
    uint32_t shard;      /* UINT32_MAX: none */
    const char *file;    /* path of a file or directory of the source */
    uint64_t offset;     /* bytes into it */
    uint64_t bytes;      /* how many from there; 0: not a part of a file */
    const char *message; /* one line */
} armdb_finding;

typedef void (*armdb_finding_fn)(void *context, const armdb_finding *finding);

/** What armdb_repair() found, and what it saved. */
typedef struct armdb_repair_report {
    uint64_t files;           /* data files and write buffers that were read */
    uint64_t bytes;           /* in them */
    uint64_t records;         /* whole ones, tombstones included; one that was found in a data file
                               * and in a write buffer counts twice */
    uint64_t tombstones;      /* of these */
    uint64_t dropped_records; /* of these, of collections that were dropped: left out */
    uint64_t saved;           /* keys that the new database has, with the newest value found */
    uint64_t collections;     /* that it has */
    uint64_t made_up;         /* of these, with a made-up name */
    uint64_t lost;            /* findings of each kind */
    uint64_t ignored;
    uint64_t assumed;
    uint64_t lost_bytes; /* in the findings ARMDB_FINDING_LOST */
} armdb_repair_report;

/**
 * Makes a new database of whatever is whole in a damaged one, and says what was lost.
 *
 * Every record whose bytes are whole is found, wherever damage is: of each key the newest that is
 * whole is saved, unless it says that the key was deleted. The source is only read. What can't be
 * known is whether a record that is lost was newer than the one that was saved: then an older
 * version of a value, or a deleted key, comes back.
 *
 * If the manifest is damaged, names and kinds of collections are taken from what still makes sense
 * in it; others get made-up names ("collection-7"), keys and values of any length, ascending order;
 * and collections that were dropped may come back so.
 *
 * @param path         directory of the database, which nobody may have open.
 * @param destination  directory of the new one: must be missing (but not its parent) or empty, and
 *                     not in `path`. It becomes a database when all is done: after an error it
 *                     does not open, and can be removed; nor if the process is killed, but for the
 *                     first moments, when it is an empty one.
 * @param on_finding   called for each finding, in the calling thread; NULL: only counted.
 * @param report_out   filled also on error, as far as it came; may be NULL.
 *
 * Returns:  ARMDB_OK (the new database is there; report_out->lost tells whether anything was lost);
 *           ARMDB_BUSY; ARMDB_NO_DATABASE (nothing to repair, or no parent of the destination);
 *           ARMDB_EXISTS (the destination is not empty); ARMDB_INVALID (it lies in the source);
 *           ARMDB_CORRUPT (nothing at all is whole); ARMDB_FORMAT; ARMDB_IO, ARMDB_NO_SPACE,
 *           ARMDB_NO_MEMORY, ARMDB_READ_ONLY.
 * Durable:  on return.
 * Cost:     reads the source three times; memory for all keys that are saved, once more for those
 *           of one shard, and for the largest record.
 * Source:   docs/recovery.md, "Repair".
 */
ARMDB_API armdb_err armdb_repair(const char *path, const char *destination,
                                 armdb_finding_fn on_finding, void *context,
                                 armdb_repair_report *report_out);

#ifdef __cplusplus
}
#endif

#endif
