/*
 * shard.h: one shard of a database: a log, the files it lies in, and who may write to it.
 *
 * Writers take the shard's lock one after the other: check, append, publish in the index. Readers
 * take none: they find a file by the slot in a location, inside an RCU scope. Syncs are shared: the
 * first writer that needs one does it for all that came before (shard_commit.c).
 *
 * Threads: every function from any thread, except where it says otherwise.
 */
#ifndef ADB_SHARD_SHARD_H
#define ADB_SHARD_SHARD_H

#include "armdb/options.h"
#include "cache/cache.h"
#include "index/index.h"
#include "log/log_scan.h"
#include "os/os.h"
#include "shard/compact_policy.h"

struct shard;

/** What a shard is made from. Strings are copied. */
struct shard_config {
    struct adb_os *os;     /* borrowed, outlives the shard */
    const char *directory; /* of the database */
    unsigned char db_id[LOG_DB_ID_BYTES];
    uint32_t number;
    uint32_t write_buffer_bytes;
    uint64_t max_file_bytes;
    uint64_t hash_seed;      /* of maps */
    struct adb_pages *pages; /* of the indexes that it writes to; borrowed, outlives the shard */
    struct adb_cache *cache; /* of blocks of all shards; borrowed, outlives the shard; NULL: none */
    /* As in struct data_file_source; borrowed, outlives the shard. */
    const _Atomic(bool) *is_direct;
    bool is_same_boot; /* the power has not failed since the log was last known to be whole */
    armdb_verify_reads verify_reads;
};

/** The index of one collection, as a shard sees it. */
struct shard_index {
    struct adb_index keys; /* owned by the collection */
    uint32_t collection_id;
    uint32_t key_bytes; /* or ARMDB_KEY_VARIABLE */
    /* Set once, under the locks of all shards: the collection was dropped. */
    _Atomic(bool) is_dropped;
    struct shard_listener *listener; /* guarded by each shard's lock, stored under all; or NULL */
};

/* ---------------------------------------------------------------- open, close */

/** Makes the directory of a new shard, and the first file of its log. Durable once the database's
 * directory is synced. */
ADB_MUST_USE armdb_err adb_shard_create(const struct shard_config *config);

/** Where a record that is being recovered says it belongs, and where it was found. */
struct shard_origin {
    uint32_t shard; /* found in its log */
    uint32_t collection_id;
    armdb_slice key;
};

/**
 * Finds the index that a record belongs to, during recovery.
 *
 * @param index_out  NULL if the collection was dropped: its records are skipped.
 * Returns:  NULL; or one line saying why there can't be such a record.
 */
typedef const char *(*adb_find_index_fn)(void *context, const struct shard_origin *origin,
                                         struct shard_index **index_out);

/** Makes a shard of which nothing was read yet; end it with adb_shard_close(). ARMDB_NO_MEMORY is
 * raised. */
ADB_MUST_USE armdb_err adb_shard_new(const struct shard_config *config, struct shard **shard_out);

/** Removes the files that recovery found replaced by copies (which it has read whole, and whose
 * names are durable). Apart from adb_shards_open() as adb_shard_share_buffer(). */
ADB_MUST_USE armdb_err adb_shard_clear(struct shard *shard);

/**
 * Lets what is written from now on survive the process without a write call each, if the system can
 * (log/log_buffer.h). Until then nothing has been written or read. Apart from adb_shards_open(),
 * so that a shard changes nothing on disk as long as another one may turn out to be damaged.
 *
 * Returns:  ARMDB_OK, whether it can or not; ARMDB_IO, ARMDB_NO_MEMORY ...
 */
ADB_MUST_USE armdb_err adb_shard_share_buffer(struct shard *shard);

/** Flushes, syncs and marks the log as whole. The shard must still be closed. */
ADB_MUST_USE armdb_err adb_shard_finish(struct shard *shard);

/** Frees everything without writing. No other call may be running or follow. NULL is allowed. */
void adb_shard_close(struct shard *shard);

/* -------------------------------------------------------------------- writing */

enum shard_verb {
    SHARD_PUT,
    SHARD_INSERT,
    SHARD_DELETE,
    SHARD_EXPIRE /* a delete, if the key still has the value at expired_at */
};

struct shard_write {
    enum shard_verb verb;
    armdb_durability durability; /* not the default */
    struct shard_index *index;
    armdb_slice key;       /* checked by the caller */
    armdb_slice value;     /* empty for deletes */
    uint64_t deadline_ms;  /* since the epoch; 0: none */
    uint64_t expired_at;   /* a location, for SHARD_EXPIRE */
    struct object *object; /* decoded from the value (shard_object.h), or NULL; borrowed */
    /* NULL; or, for ARMDB_SYNCED: do not wait for the sync, but say what adb_shard_commit() is to
     * wait for. */
    uint64_t *ticket_out;
    /* NULL; or what is asked under the lock, instead of what the verb asks, whether to write at
     * all: any error says no, and is returned. It may still change this struct, but for durability
     * and lengths. */
    armdb_err (*confirm)(void *context);
    void *confirm_context;
};

/**
 * Does one write, up to its durability.
 *
 * Returns:  as armdb_put(), armdb_insert(), armdb_delete().
 */
ADB_MUST_USE armdb_err adb_shard_write(struct shard *shard, const struct shard_write *write);

/** Hands the tail to the system. Returns ARMDB_OK; ARMDB_NO_SPACE, ARMDB_IO, ARMDB_FAILED. */
ADB_MUST_USE armdb_err adb_shard_flush(struct shard *shard);

/**
 * Flushes, and lets the device begin with it, so that many shards are under way at once before the
 * first of them is waited for. Promises nothing.
 *
 * Returns:  ARMDB_OK; ARMDB_IO, ARMDB_FAILED: the shard refuses writes, since now or before. Lack
 *           of space or memory is left to the sync, which tries again.
 */
ADB_MUST_USE armdb_err adb_shard_start_sync(struct shard *shard);

/** Flushes, and makes everything written before the call durable. Returns as adb_shard_flush(). */
ADB_MUST_USE armdb_err adb_shard_sync(struct shard *shard);

/**
 * Waits until the write that got `ticket`, and all before it, are on the device, syncing them if
 * nobody else does.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_SPACE (not on the device yet, but nothing is lost: may be called
 *           again), ARMDB_IO, ARMDB_FAILED.
 */
ADB_MUST_USE armdb_err adb_shard_commit(struct shard *shard, uint64_t ticket);

/**
 * Lets the device begin with the writes that have tickets, if any are not synced, so that a commit
 * soon after has less to wait for. Waits for nothing; what fails is told by the commit.
 */
void adb_shard_start_commit(struct shard *shard);

/** How many records there are up to the newest one with a ticket that are not synced. */
uint64_t adb_shard_tickets_open(struct shard *shard);

/** Whether `ticket` can have been given: waiting for another would never end. Cost: one load. */
bool adb_shard_has_issued(struct shard *shard, uint64_t ticket);

/** Whether everything up to `ticket` is on the device. Cost: one load. */
bool adb_shard_is_synced(struct shard *shard, uint64_t ticket);

/**
 * One step of what a shard wants done now and then: syncs when much is unsynced, so that no sync
 * takes long; and when the active file is nearly full, goes on in a new one before a writer must
 * wait for that. One caller at a time.
 *
 * @param is_busy_out  whether the log grew so much since the last step that the next one should
 *                     come soon.
 *
 * Returns:  ARMDB_OK; whatever failed, which the shard knows by then.
 */
ADB_MUST_USE armdb_err adb_shard_tend(struct shard *shard, bool *is_busy_out);

/** Makes all later writes fail: ARMDB_FAILED, for the reason in the thread's detail record. */
void adb_shard_fence(struct shard *shard);

/** Takes and gives back the writers' lock: for those who need all writers to stand still. */
void adb_shard_lock(struct shard *shard);
void adb_shard_unlock(struct shard *shard);

/** Counts the record at a location, which no index names any more, as dead. Under the lock; or
 * while the files are held. */
void adb_shard_bury(struct shard *shard, uint64_t location, armdb_slice key);

/** Keeps all files of the shard in their places, until adb_shard_release(). Under the lock. */
void adb_shard_hold(struct shard *shard);
void adb_shard_release(struct shard *shard);

/* ----------------------------------------------------------------- compacting */

/** The index of a collection; NULL if there is none of that id, or it was dropped. The index stays
 * as long as the shard. */
typedef struct shard_index *(*adb_live_index_fn)(void *context, uint32_t collection_id);

/** The live collections of the database. */
struct shard_live {
    adb_live_index_fn find;
    void *context;
};

/** How to compact. */
struct shard_compaction {
    struct shard_live live;
    uint32_t percent; /* of garbage, from which on something is done, 1..100 */
    /* 0: in the background, when the whole log has so much; after a failure not for a while. Else:
     * each file that has so much and does not know of later sequence numbers, now. */
    uint64_t thorough_up_to;
    uint64_t expired_by_ms; /* not 0 then: what has expired by this time of day is deleted, too */
    bool slows_writers;     /* that are faster than it */
    adb_choose_fn choose;   /* adb_compact_choose(); tests try every run */
};

/** What a step did. */
struct shard_compact_step {
    bool is_idle;   /* there was nothing to do, or the shard refuses writes */
    bool is_behind; /* there is nearly as much garbage as there may be */
    bool is_busy;   /* the log has grown since the step before */
    uint64_t read_bytes;
    uint64_t freed_bytes; /* of files replaced, less copies, by passes that calls have a part in */
};

/**
 * Goes on with the compaction of a shard, or with deleting its expired keys, by one step, of 1 MiB
 * or so, or begins one if that is worth it (docs/compaction.md). Several callers go on with the
 * same.
 *
 * Returns:  ARMDB_OK; why the pass under way was given up: nothing but the figures of the shard has
 *           changed; ARMDB_FAILED: the shard refuses writes.
 */
ADB_MUST_USE armdb_err adb_shard_compact(struct shard *shard, const struct shard_compaction *how,
                                         struct shard_compact_step *step_out);

/* ----------------------------------------------------------------------- hints */

/** What a step did. */
struct shard_hint_step {
    bool is_idle; /* there was nothing to do */
    uint64_t read_bytes;
};

/**
 * Goes on with the hint of a sealed file that has none by one step, of 1 MiB or so. After a failure
 * not for a while.
 *
 * Returns:  ARMDB_OK; why the hint under way was given up: only the figures of the shard have
 *           changed.
 */
ADB_MUST_USE armdb_err adb_shard_hint(struct shard *shard, const struct shard_live *live,
                                      struct shard_hint_step *step_out);

/** Writes the hints that are missing, of the newest file too: after adb_shard_finish(). What fails
 * is left; the calling thread's detail record may change. */
void adb_shard_finish_hints(struct shard *shard, const struct shard_live *live);

/** The newest sequence number, for thorough_up_to; at least 1. */
uint64_t adb_shard_newest_sequence(struct shard *shard);

/* -------------------------------------------------------------------- reading */

/**
 * Copies the value at a location.
 *
 * @param location  from the index, loaded in the same RCU scope as this call.
 * @param to        room for adb_location_value_len(location) bytes.
 *
 * Returns:  ARMDB_OK; ARMDB_NOT_FOUND (its deadline has passed); ARMDB_CORRUPT, ARMDB_IO.
 */
ADB_MUST_USE armdb_err adb_shard_read_value(struct shard *shard, uint64_t location, armdb_slice key,
                                            void *to);

/**
 * Finds out until when the record at a location can be seen, as adb_shard_read_value(), but without
 * its value. Reads nothing if the location says that there is no deadline.
 *
 * @param deadline_ms_out  milliseconds since the epoch; 0: for ever.
 */
ADB_MUST_USE armdb_err adb_shard_read_deadline(struct shard *shard, uint64_t location,
                                               armdb_slice key, uint64_t *deadline_ms_out);

/* ------------------------------------------------------------------- figures */

struct shard_compaction_stats {
    uint64_t passes;         /* that came to their end */
    uint64_t replaced_bytes; /* of the files that these replaced */
    uint64_t copied_bytes;   /* of the files that took their place */
    uint64_t failures;       /* passes that were given up */
    armdb_err failure;       /* why the last pass was given up, if the one after it was not made */
    armdb_error_detail failure_detail;
};

struct shard_stats {
    uint64_t files;
    uint64_t hints; /* files that have one */
    uint64_t hint_failures;
    uint64_t log_bytes;
    uint64_t live_bytes; /* of files that are being replaced, and of the copy: both count */
    uint64_t dead_bytes;
    uint64_t tombstone_bytes;
    struct shard_compaction_stats compaction;
    uint64_t buffer_bytes;
    uint64_t unflushed_bytes;
    uint64_t puts;
    uint64_t deletes;
    uint64_t expired;
    uint64_t reads, damaged_reads;
    uint64_t writes;
    uint64_t written_bytes;
    uint64_t syncs;
    uint64_t sync_waits;
    uint64_t newest_sequence;
    uint64_t synced_sequence;
    armdb_err failure;
    armdb_error_detail failure_detail;
};

/** One data file. */
struct shard_file_stats {
    uint64_t id;
    uint64_t bytes;
    uint64_t dead_bytes;
    uint64_t tombstone_bytes;
    uint64_t base_sequence;
    uint64_t hint_bytes; /* that its hint tells of */
    bool is_active;
    bool is_copy;
    bool is_replaced; /* it waits for those who need it */
};

/**
 * Lists the data files in the order of the log, replaced ones last.
 *
 * @param files_out  [*count_out]; free it with adb_mem_free().
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_shard_list_files(struct shard *shard,
                                            struct shard_file_stats **files_out,
                                            uint32_t *count_out);

/** Takes the shard's lock for a moment. */
void adb_shard_get_stats(struct shard *shard, struct shard_stats *stats_out);

#endif
