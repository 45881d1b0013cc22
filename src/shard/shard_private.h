/*
 * shard_private.h: what a shard is made of. Included by shard_*.c only.
 *
 * Lock order: compact_lock, then lock or toll_lock.
 */
#ifndef ADB_SHARD_SHARD_PRIVATE_H
#define ADB_SHARD_SHARD_PRIVATE_H

#include "base/counter.h"
#include "log/hint_build.h"
#include "log/location.h"
#include "log/log_copy.h"
#include "log/log_writer.h"
#include "os/thread.h"
#include "shard/retry.h"
#include "shard/shard.h"
#include "shard/shard_bond.h"
#include "shard/shard_change.h"
#include "shard/shard_object.h"

struct listed_file {
    struct log_file_header header; /* but for its id known after adb_shard_arrange() only */
    bool is_replaced;              /* by a copy */
    bool is_unreadable;            /* its header is damaged */
    bool has_hint;                 /* of a checkpoint only: and that tells of all of it */
    uint64_t bytes;                /* the same */
};

/** The data files in a shard's directory. End it with adb_shard_listing_fini(). */
struct shard_listing {
    struct listed_file *files; /* owned; by id; once arranged, the log in its order, then what was
                                * replaced */
    uint32_t count;            /* once arranged, of the log */
    uint32_t n_replaced;
    uint32_t capacity;
    uint64_t newest_id;
};

struct shard {
    /* immutable after open */
    struct adb_os *os;               /* borrowed */
    char *path;                      /* owned: the shard's directory */
    struct log_file_header identity; /* of its files, but for file_id and base_sequence */
    struct adb_pages *pages;         /* borrowed */
    struct adb_cache *cache;         /* borrowed; NULL: none */
    struct data_file_source source;  /* how its files are read */
    armdb_verify_reads verify_reads; /* of its files */
    uint64_t hash_seed;              /* as in struct shard_config */
    bool is_same_boot;               /* the same */
    _Atomic(struct data_file *)
        *files; /* owned, [LOCATION_SLOTS]; entries owned, stored under lock,
                                         * loaded by readers inside an RCU scope */

    /* owned, [LOCATION_SLOTS]; atomic: what the cache calls the file in a slot; stored (release)
     * under lock before the file is, and loaded by anybody, in an RCU scope or not. */
    _Atomic(uint64_t) *file_keys;

    struct shard_listing found; /* owned: what recovery met; until adb_shard_clear() */

    struct shard_bonds *bonds; /* borrowed: its siblings; NULL: there are none */

    struct adb_mutex lock; /* writers, one at a time */
    /* guarded by lock */
    uint64_t bound_sequence; /* of the newest record of a batch over several shards; 0: none */
    struct log_writer writer;
    struct adb_spare spare;
    uint32_t file_count;       /* entries of files that are not NULL */
    uint32_t slot_limit;       /* all of them are below it */
    uint32_t reserved_slots;   /* for a copy that is being made */
    uint64_t newest_file_id;   /* 0: none yet */
    struct data_file *retired; /* list of those that no location names any more */
    uint32_t holds;            /* how many need all files to stay */
    uint64_t puts;
    uint64_t deletes;
    uint64_t expired;     /* keys that were deleted because of their deadline */
    uint32_t tended_slot; /* the active file, and its end, when adb_shard_tend() looked last */
    uint64_t tended_end;
    uint64_t started; /* newest record that is on its way to the device: adb_shard_start_sync() */
    armdb_error_detail failure_detail; /* valid once failure is set */
    struct shard_changes changes;
    struct object *retired_objects; /* shard_object.h */

    struct shard_compaction_stats compaction;
    uint64_t hint_failures;

    struct adb_mutex compact_lock; /* compaction, one step at a time */
    /* guarded by compact_lock */
    struct shard_pass *pass;     /* owned; NULL: none is under way */
    struct shard_expiry *expiry; /* owned; NULL: none is under way; never together with a pass */
    bool has_expiry_failed;      /* the last one; it is told like a pass that was given up */
    uint64_t toll_due_ns;        /* when the toll is to be found anew */
    uint64_t seen_sequence;      /* newest record at that time */
    uint64_t freed_bytes;        /* by passes of calls, and not told to a step of a call yet */
    bool is_behind;              /* as in struct shard_compact_step, at that time */
    bool is_busy;                /* the same */
    struct shard_retry retry;    /* of the background */
    uint64_t room;               /* as in struct compact_rule: since a pass found no space */
    uint64_t reserve_bytes;      /* of the reserve (shard_reserve.c); 0: there is none */
    struct shard_retry reserve_retry;
    uint64_t leftover_id; /* of a copy that may have its name though its pass failed; 0: none */
    struct shard_hint_pass *hint_pass; /* owned; NULL: none is under way */
    struct shard_retry hint_retry;

    /* atomic: stored (release) once, under lock; loaded (acquire) by anybody. Not ARMDB_OK: why no
     * write is accepted any more. */
    _Atomic(armdb_err) failure;
    /* atomic: only grows; stored by whoever synced. Everything up to it is on the device. */
    _Atomic(uint64_t) synced_sequence;
    /* atomic: stored (relaxed) under lock; the newest record whose writer took a ticket. */
    _Atomic(uint64_t) newest_ticket;

    /* atomic: who syncs for all, and who waits for it; see shard_commit.c */
    _Atomic(uint32_t) commit_word;
    _Atomic(uint64_t) syncs;      /* relaxed counter */
    _Atomic(uint64_t) sync_waits; /* relaxed counter */

    _Atomic(uint32_t) n_retired_objects; /* stored (relaxed) under lock */

    /* pacing of writers; see shard_pace.c */
    struct adb_mutex toll_lock;
    struct adb_cond toll_over;
    uint64_t untolled_bytes;         /* guarded by lock: written since the last toll */
    _Atomic(uint64_t) toll_bytes;    /* relaxed: after so many is the next, */
    _Atomic(uint64_t) toll_ns;       /* relaxed: and this long; 0: there is none */
    _Atomic(uint64_t) held_until_ns; /* relaxed: writers wait until then; 0: they do not */

    struct adb_counter reads;
    _Atomic(uint64_t) damaged_reads; /* relaxed counter */
};

/** As adb_shard_fence(), under lock. */
void adb_shard_fence_locked(struct shard *shard);

/** Fences the shard for an error after which its log is in doubt; returns it. Under lock. */
ADB_MUST_USE armdb_err adb_shard_fence_unless_harmless(struct shard *shard, armdb_err err);

/** What a write becomes in the log. */
struct log_entry adb_shard_entry_of(const struct shard_write *write);

/** Makes an appended record what readers see, and its change what hooks are told. Under lock, after
 * adb_index_prepare() and adb_shard_prepare_change(). */
void adb_shard_publish(struct shard *shard, const struct shard_write *write, uint64_t offset,
                       uint64_t sequence);

/** Whether the collection of a write was dropped: raised. Under lock. */
ADB_MUST_USE armdb_err adb_shard_check_index(const struct shard_index *index);

/** The error of a write to a shard that has failed. Under lock, or after seeing `failure`. */
ADB_MUST_USE armdb_err adb_shard_failed(struct shard *shard);

/* ------------------------------------------------ table of files (shard_files.c)
 *
 * Under lock, or before anybody else knows the shard, but for adb_shard_sweep(). */

/** Whether so many more files have a place. */
bool adb_shard_has_slots(const struct shard *shard, uint32_t count);

/** Gives `file` a free slot; there is one. */
void adb_shard_add_file(struct shard *shard, struct data_file *file);

/** Lists the files that make the log, in its order; free with adb_mem_free(). ARMDB_NO_MEMORY is
 * raised. */
ADB_MUST_USE armdb_err adb_shard_list_log(const struct shard *shard, struct data_file ***files_out,
                                          uint32_t *count_out);

/** Says that no location names the file any more, and none will. */
void adb_shard_retire(struct shard *shard, struct data_file *file);

/** Closes and removes retired files that nobody needs any more. Under compact_lock alone. */
void adb_shard_sweep(struct shard *shard);

/** What the cache calls a file: no two files of a database ever have the same shard and id. */
static inline uint64_t
adb_shard_file_key(const struct data_file *file)
{
    return (uint64_t)file->header.shard << 56 | file->header.file_id;
}

/** Bytes of a file that no copy of it would have: of dead values and GROUPs. */
static inline uint64_t
adb_shard_waste(const struct data_file *file)
{
    return atomic_load_explicit(&file->dead_bytes, memory_order_relaxed) +
           atomic_load_explicit(&file->group_bytes, memory_order_relaxed);
}

/** Drops the blocks of a file from the cache. */
void adb_shard_forget_blocks(struct shard *shard, const struct data_file *file);

/** Makes shard->source: how its files are read. */
void adb_shard_init_source(struct shard *shard, const _Atomic(bool) *is_direct);

/** Ends the active file and begins a new one. Under lock. If that fails half way, the sealed file
 * stays the active one, and the next write comes here again. ARMDB_BUSY, not raised: the shard is
 * bound; adb_shard_rotate_bound() does it, without the lock. */
ADB_MUST_USE armdb_err adb_shard_rotate(struct shard *shard);

/** The same on a full disk, where the space kept for tombstones is what the new file needs. */
ADB_MUST_USE armdb_err adb_shard_rotate_full(struct shard *shard);

/** Goes on in a new file, after a sync without the lock, so that little is left to be synced under
 * it. */
ADB_MUST_USE armdb_err adb_shard_seal(struct shard *shard);

/** Raises synced_sequence. */
void adb_shard_note_synced(struct shard *shard, uint64_t sequence);

/** Copies the value at a location in a file that is pinned, whatever its deadline; otherwise as
 * adb_shard_read_value(). */
ADB_MUST_USE armdb_err adb_shard_read_pinned(struct shard *shard, struct data_file *file,
                                             uint64_t location, armdb_slice key, void *to);

/** Says what to sync so that record `sequence` is on the device, after flushing it if it is not on
 * its way there already. Returns as adb_shard_flush(); only then there is a plan, or the shard is
 * bound. */
ADB_MUST_USE armdb_err adb_shard_plan_sync(struct shard *shard, uint64_t sequence,
                                           struct log_sync *plan_out, bool *is_bound_out);

/** Says what to sync, under the lock, and pins its file, so that it is not closed meanwhile. */
struct log_sync adb_shard_plan_locked(struct shard *shard);

/** Ends a plan that is not needed. */
void adb_shard_drop_plan(const struct log_sync *plan);

/** As adb_shard_commit(), for a write that is seen already: ARMDB_IO instead of ARMDB_NO_SPACE and
 * ARMDB_NO_MEMORY, by which a write says that nothing was changed. */
ADB_MUST_USE armdb_err adb_shard_commit_seen(struct shard *shard, uint64_t sequence);

/** Syncs what the plan says, without the lock, and ends it; fences the shard if that fails. */
ADB_MUST_USE armdb_err adb_shard_sync_plan(struct shard *shard, const struct log_sync *plan);

/* ----------------------------------------------- files on disk (shard_files.c) */

/**
 * Lists the directory. With `sweep`, removes temporary files.
 *
 * Returns:  ARMDB_OK (at least one file); ARMDB_CORRUPT (no directory, no file, or a name that
 *           ends in .log but is none of ours), ARMDB_IO, ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_shard_list(struct adb_os *os, const char *path, bool sweep,
                                      struct shard_listing *listing_out);
void adb_shard_listing_fini(struct shard_listing *listing);

/**
 * Reads the headers, and finds the order of the log and what copies have replaced.
 *
 * @param identity  database id and shard that the files must carry.
 * @param tolerate  damaged headers are no error: such a file stays behind the one with the next
 *                  smaller id.
 */
ADB_MUST_USE armdb_err adb_shard_arrange(struct adb_os *os, const char *path,
                                         const struct log_file_header *identity, bool tolerate,
                                         struct shard_listing *listing);

/** The last part of it: from headers that are known, finds the order of the log and what copies
 * have replaced. */
void adb_shard_find_replaced(struct shard_listing *listing);

/** The path of a shard's directory; free with adb_mem_free(). */
ADB_MUST_USE armdb_err adb_shard_path(const struct shard_config *config, char **path_out);

/** Frees a pass that is under way, and leaves its file to the next open, as a kill does; or with
 * `remove` takes it away. */
void adb_shard_end_pass(struct shard *shard, bool remove);

/** Hands the tail to the system. Under lock. Returns as adb_shard_flush(). */
ADB_MUST_USE armdb_err adb_shard_flush_locked(struct shard *shard);

/** Puts the object that the index has of a key, if any, on the list of retired ones: it is about to
 * be replaced or removed. Under lock. */
void adb_shard_retire_object(struct shard *shard, const struct shard_index *index, armdb_slice key);

/** What an index keeps of an object, NULL or not: a reference. */
static inline uint64_t
adb_shard_refer(struct object *object)
{
    if (ADB_UNLIKELY(object != NULL))
        adb_object_ref(object);
    return (uintptr_t)object;
}

/* ------------------------------------------------ expired keys (shard_expire.c)
 *
 * Under compact_lock. */

/** Begins to look for expired keys in a data file, if that is worth it: shard->expiry. */
ADB_MUST_USE armdb_err adb_shard_begin_expiry(struct shard *shard,
                                              const struct shard_compaction *how);

/** Goes on with it by one step; ends it when all is done, or with an error. */
ADB_MUST_USE armdb_err adb_shard_expire(struct shard *shard, const struct shard_compaction *how,
                                        uint64_t *bytes_out);

/** Frees it. */
void adb_shard_end_expiry(struct shard *shard);

/* ------------------------------------------------- the reserve (shard_reserve.c)
 *
 * Under compact_lock, but for the first. */

/** The least it has: enough for the copy of files in which nothing is needed. */
enum { RESERVE_BYTES_MIN = 4096 };

/** Finds how much space is to be kept, and lets the writer keep as much for tombstones. Under lock.
 */
uint64_t adb_shard_plan_reserve(struct shard *shard);

/** Makes the reserve, or a larger one; what fails is tried again later. */
void adb_shard_fill_reserve(struct shard *shard, uint64_t wanted);

/** Hands the reserve, which there is, to somebody who uses its file up: its path, to be freed with
 * adb_mem_free(). ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_shard_take_reserve(struct shard *shard, char **path_out);

/** Gives it back to the disk. */
void adb_shard_drop_reserve(struct shard *shard);

/* ------------------------------------------------------- pacing (shard_pace.c) */

/** Says how long writers wait for each MiB; 0: they do not. */
void adb_shard_set_toll(struct shard *shard, uint64_t ns_per_mib);

/** Counts what was written, and holds writers back when it is time for that. Under lock. */
void adb_shard_count_toll(struct shard *shard, uint64_t bytes);

/** Waits until writers are held back no more. Without locks. */
void adb_shard_pay_toll(struct shard *shard);

static inline bool
adb_shard_owes_toll(const struct shard *shard)
{
    return ADB_UNLIKELY(atomic_load_explicit(&shard->held_until_ns, memory_order_relaxed) != 0);
}

/** Gives up a hint that is being written. Under compact_lock, or alone. */
void adb_shard_end_hint(struct shard *shard);

/* ------------------------------- what a log may hold (shard_recover.c, shard_check.c) */

/** Where records belong. */
struct shard_origins {
    adb_find_index_fn find;
    void *context;
};

/** The index that a record belongs to, NULL if its collection was dropped. ARMDB_CORRUPT if there
 * can't be such a record. */
ADB_MUST_USE armdb_err adb_shard_find_index(const struct shard_origins *origins,
                                            const struct data_file *file,
                                            const struct log_scan_record *found,
                                            struct shard_index **index_out);

/** Raises the damage that a scan found. */
ADB_MUST_USE armdb_err adb_shard_raise_damage(const struct data_file *file,
                                              const struct log_scan_result *result);

/** Refuses a torn end that no power failure can have left. */
ADB_MUST_USE armdb_err adb_shard_check_torn_end(const struct data_file *file,
                                                const struct log_scan_result *result,
                                                bool is_same_boot);

/** Refuses a copy as the newest file: it always has a successor; if there is none, it is gone. */
ADB_MUST_USE armdb_err adb_shard_check_newest(const struct data_file *file);

/** What a hint says of the collection of an index; anything if that is NULL. */
static inline struct hint_collection
adb_shard_describe_index(const struct shard_index *index)
{
    return (struct hint_collection){.is_variable = index != NULL &&
                                                   index->key_bytes == ARMDB_KEY_VARIABLE,
                                    .has_values = index != NULL && index->keys.value_bytes != 0,
                                    .is_hashed = index != NULL && index->keys.is_hashed,
                                    .seed = index != NULL ? index->keys.seed : 0};
}

#endif
