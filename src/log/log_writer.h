/*
 * log_writer.h: the writing end of one shard's log.
 *
 * Records are encoded straight into the tail of the active file, a window of the write buffer
 * (log_buffer.h), and leave it by one write call per flush; a record larger than the tail is
 * written from the caller's memory. Disk space is reserved
 * before a record is encoded, so that lack of space refuses a write whole, and never meets one that
 * was accepted.
 *
 * Life of an active file: create -> append, flush, sync ... -> seal (SEAL record, flush, sync). A
 * sealed file takes nothing more; the next append needs a new file.
 *
 * Errors: ARMDB_NO_SPACE and ARMDB_NO_MEMORY leave the log as it was. After any other failure of a
 * write or sync its state on disk is unknown, and the caller must not write again.
 *
 * Threads: all functions under the shard's lock, except adb_log_writer_sync().
 */
#ifndef ADB_LOG_LOG_WRITER_H
#define ADB_LOG_LOG_WRITER_H

#include "log/data_file.h"
#include "log/log_buffer.h"

struct log_writer {
    /* immutable after init */
    uint64_t max_file_bytes;
    uint32_t tail_bytes;

    uint64_t kept_bytes; /* reserved behind whatever is appended, for tombstones alone */

    struct data_file *active;  /* borrowed from the shard's table; NULL before the first append */
    struct log_buffer buffer;  /* owned; one window is active->tail, the other is free */
    uint64_t sequence;         /* of the newest record */
    uint64_t flushed_end;      /* where the newest flush that succeeded ended */
    uint64_t flushed_sequence; /* newest record before it */
    uint64_t planned_end;      /* flushed_end when a sync was planned last */
    bool syncs_little;         /* that plan had little to sync: prewriting pays */
    uint64_t writes;           /* write calls */
    uint64_t written_bytes;
};

/** Prepares a writer; it owns nothing yet but its windows, in ordinary memory (share them, if that
 * is wanted, before the first use). ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_log_writer_init(struct log_writer *writer, uint64_t max_file_bytes,
                                           uint32_t tail_bytes);

/** Frees the windows. No reader may be left. */
void adb_log_writer_fini(struct log_writer *writer);

/** Makes `file` (new, or recovered up to file->end) the active one. */
void adb_log_writer_use(struct log_writer *writer, struct data_file *file);

/** What to append. */
struct log_entry {
    uint32_t collection_id;
    uint32_t flags; /* 0, LOG_FLAG_TOMBSTONE or LOG_FLAG_DEADLINE */
    armdb_slice key;
    armdb_slice value;
    uint64_t deadline_ms; /* with LOG_FLAG_DEADLINE; else 0 */
};

/** Whether an entry needs a new file first. */
bool adb_log_writer_is_full(const struct log_writer *writer, const struct log_entry *entry);

/** Whether an entry that needs a new file, for which there is no space, can do without: it is a
 * tombstone, and fits into what is reserved. */
bool adb_log_writer_keeps_room(const struct log_writer *writer, const struct log_entry *entry);

/**
 * Appends a record with the next sequence number. Not visible to readers before its location is.
 *
 * @param offset_out  where it is in the active file.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_SPACE (nothing changed); ARMDB_IO and others (see above).
 */
ADB_MUST_USE armdb_err adb_log_writer_append(struct log_writer *writer,
                                             const struct log_entry *entry, uint64_t *offset_out);

/** Whether what is appended is with the system at once, without a flush. */
static inline bool
adb_log_writer_is_shared(const struct log_writer *writer)
{
    return adb_log_buffer_is_shared(&writer->buffer);
}

/**
 * Prepares for a record that is to be synced soon: if syncs are small, writes zeros some way ahead
 * of the end, unless that is done. A sync there is faster, because it changes no metadata of the
 * file. Call it before appending.
 *
 * Returns:  ARMDB_OK, also where there is no space for it; ARMDB_IO and others (see above).
 */
ADB_MUST_USE armdb_err adb_log_writer_prewrite(struct log_writer *writer);

/** Takes back the newest record, appended at `offset`, whose location nobody has seen. */
void adb_log_writer_undo(struct log_writer *writer, uint64_t offset);

/* ---------------------------------------------------------------- parts of batches
 *
 * The records of a batch that lie in this log, its part, follow a GROUP without a gap, in one file.
 * First adb_log_writer_reserve_part(), then adb_log_writer_begin_part(), the GROUP, the records;
 * nothing else comes between, under one hold of the lock. Until then all of it can be taken back.
 */

/** Bytes that a record takes in a part, at most. */
uint64_t adb_log_part_bytes_most(const struct log_entry *entry);

/** The sum of these that a file has room for, at most. */
uint64_t adb_log_part_bytes_max(const struct log_writer *writer);

/** Whether the active file takes a part of `bytes` at most; else a new one must begin. */
bool adb_log_writer_has_room_for_part(const struct log_writer *writer, uint64_t bytes);

/** Reserves space for such a part. Returns ARMDB_OK; ARMDB_NO_SPACE (nothing changed). */
ADB_MUST_USE armdb_err adb_log_writer_reserve_part(struct log_writer *writer, uint64_t bytes);

/**
 * Makes the log ready for the GROUP of a part.
 *
 * @param offset_out  where it will be.
 *
 * Returns:  as adb_log_writer_append().
 */
ADB_MUST_USE armdb_err adb_log_writer_begin_part(struct log_writer *writer, uint32_t n_participants,
                                                 uint64_t *offset_out);

/** Where the record of `entry` ends in a part whose record before it ends at `offset`. */
uint64_t adb_log_writer_end_behind(const struct log_writer *writer, uint64_t offset,
                                   const struct log_entry *entry);

/** Appends the GROUP. */
void adb_log_writer_append_group(struct log_writer *writer, const struct log_group *group,
                                 const struct log_participant *participants);

/** Appends a record of the part, as adb_log_writer_append(). */
ADB_MUST_USE armdb_err adb_log_writer_append_to_part(struct log_writer *writer,
                                                     const struct log_entry *entry,
                                                     uint64_t *offset_out);

/**
 * Takes a part back, whose GROUP is at `offset`, as far as it was appended, whether it has been
 * flushed or not, though nothing in it synced. Nobody has seen a location in it.
 *
 * @param sequence  of the newest record before it.
 *
 * Returns:  ARMDB_OK; ARMDB_IO: the log is in doubt.
 */
ADB_MUST_USE armdb_err adb_log_writer_undo_part(struct log_writer *writer, uint64_t offset,
                                                uint64_t sequence);

/** Hands everything appended to the system. On ARMDB_NO_SPACE all is still in the tail. */
ADB_MUST_USE armdb_err adb_log_writer_flush(struct log_writer *writer);

/** Flushes, and gives back what is reserved behind that. Returns as adb_log_writer_flush(). */
ADB_MUST_USE armdb_err adb_log_writer_give_back(struct log_writer *writer);

/** Appends SEAL, flushes and syncs; then a new file may begin. Nothing to do if it is sealed. */
ADB_MUST_USE armdb_err adb_log_writer_seal(struct log_writer *writer);

/**
 * Marks the log as whole: appends MARK, saying that everything before it is on the device (which
 * the caller has seen to), flushes and syncs it, and gives back reserved space. Nothing to do if
 * nothing was appended since the last MARK.
 */
ADB_MUST_USE armdb_err adb_log_writer_finish(struct log_writer *writer);

/** What a sync started now will make durable. */
struct log_sync {
    struct data_file *file; /* NULL: nothing to sync */
    uint64_t end;
    uint64_t sequence;
};

/** Says what to sync: everything flushed so far. */
struct log_sync adb_log_writer_plan_sync(struct log_writer *writer);

/** Lets the device begin with what a sync planned now would wait for. */
void adb_log_writer_start_sync(const struct log_writer *writer);

/**
 * Syncs what adb_log_writer_plan_sync() named. Without the shard's lock.
 *
 * Returns:  ARMDB_OK; ARMDB_IO and others, never ARMDB_NO_SPACE or ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_log_writer_sync(const struct log_sync *plan);

/** The same, in two steps: the sync, and, once more was synced than this file, saying so. */
ADB_MUST_USE armdb_err adb_log_writer_sync_only(const struct log_sync *plan);
void adb_log_writer_note_synced(const struct log_sync *plan);

#endif
