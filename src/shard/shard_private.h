/*
 * shard_private.h: what a shard is made of. Included by shard_*.c only.
 *
 * Lock order: lock before nothing else.
 */
#ifndef ADB_SHARD_SHARD_PRIVATE_H
#define ADB_SHARD_SHARD_PRIVATE_H

#include "base/counter.h"
#include "log/location.h"
#include "log/log_writer.h"
#include "os/thread.h"
#include "shard/shard.h"

struct shard {
    /* immutable after open */
    struct adb_os *os;               /* borrowed */
    char *path;                      /* owned: the shard's directory */
    struct log_file_header identity; /* of its files, but for file_id and base_sequence */
    struct adb_pages *pages;         /* borrowed */
    struct adb_cache *cache;         /* borrowed; NULL: none */
    struct data_file_source source;  /* reads through the cache */
    bool is_same_boot;               /* as in struct shard_config */
    _Atomic(struct data_file *)
        *files; /* owned, [LOCATION_SLOTS]; entries owned, stored under lock,
                                         * loaded by readers inside an RCU scope */

    struct adb_mutex lock; /* writers, one at a time */
    /* guarded by lock */
    struct log_writer writer;
    struct adb_spare spare;
    uint32_t file_count;     /* slots 0 .. file_count - 1 are in use */
    uint64_t newest_file_id; /* 0: none yet */
    uint64_t puts;
    uint64_t deletes;
    uint32_t tended_slot; /* the active file, and its end, when adb_shard_tend() looked last */
    uint64_t tended_end;
    uint64_t started; /* newest record that is on its way to the device: adb_shard_start_commit() */
    armdb_error_detail failure_detail; /* valid once failure is set */

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

    struct adb_counter reads;
};

/** The error of a write to a shard that has failed. Under lock, or after seeing `failure`. */
ADB_MUST_USE armdb_err adb_shard_failed(struct shard *shard);

/** Makes `file` the next slot's; under lock, or before anybody else knows the shard. */
void adb_shard_add_file(struct shard *shard, struct data_file *file);

/** Makes shard->source, through which small records are read if there is a cache. */
void adb_shard_init_source(struct shard *shard);

/** Ends the active file and begins a new one. Under lock. If that fails half way, the sealed file
 * stays the active one, and the next write comes here again. */
ADB_MUST_USE armdb_err adb_shard_rotate(struct shard *shard);

/** Raises synced_sequence. */
void adb_shard_note_synced(struct shard *shard, uint64_t sequence);

/** Says what to sync so that record `sequence` is on the device, after flushing it if it is not on
 * its way there already. Returns as adb_shard_flush(). */
ADB_MUST_USE armdb_err adb_shard_plan_sync(struct shard *shard, uint64_t sequence,
                                           struct log_sync *plan_out);

/** Syncs what the plan says, without the lock; fences the shard if that fails. */
ADB_MUST_USE armdb_err adb_shard_sync_plan(struct shard *shard, const struct log_sync *plan);

/** The ids of the data files in a shard's directory, ascending. */
struct shard_listing {
    uint64_t *file_ids; /* owned; free with adb_mem_free() */
    uint32_t count;
    uint32_t capacity;
};

/**
 * Lists the directory. With `sweep`, removes temporary files.
 *
 * Returns:  ARMDB_OK (at least one file); ARMDB_CORRUPT (no directory, no file, or a name that
 *           ends in .log but is none of ours), ARMDB_IO, ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_shard_list(struct adb_os *os, const char *path, bool sweep,
                                      struct shard_listing *listing_out);

/** The path of a shard's directory; free with adb_mem_free(). */
ADB_MUST_USE armdb_err adb_shard_path(const struct shard_config *config, char **path_out);

/** Fills shard->files, the indexes and the writer from the log (shard_recover.c). */
ADB_MUST_USE armdb_err adb_shard_recover(struct shard *shard, adb_find_index_fn find, void *context,
                                         struct shard_recovery *recovery_out);

#endif
