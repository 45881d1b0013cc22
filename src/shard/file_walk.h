/*
 * file_walk.h: reading a data file from front to end in steps of 1 MiB or so, as work in the
 * background does.
 *
 * Threads: each walk by one thread at a time.
 */
#ifndef ADB_SHARD_FILE_WALK_H
#define ADB_SHARD_FILE_WALK_H

#include "shard/shard.h"

enum { WALK_INDEXES = 64 };

/** Where a walk is. All zero: in front of a file. */
struct file_walk {
    bool is_begun;                           /* else the next step is the first of a file */
    struct log_scan_result scan;             /* after a step: how far it is */
    uint64_t step_end;                       /* offset in the file at which the step ends */
    struct shard_index *found[WALK_INDEXES]; /* of collections met; NULL: not asked for yet */
};

/**
 * Hands the records of the next step to `fn`, which returns ARMDB_END for the first one that is not
 * of it: adb_walk_is_past().
 *
 * @param is_newest  as for adb_log_scan().
 * @param bytes_out  added to: what was read.
 *
 * Returns:  as adb_log_scan(): ARMDB_END: there may be more.
 */
ADB_MUST_USE armdb_err adb_walk_step(struct file_walk *walk, struct data_file *file, bool is_newest,
                                     adb_scan_fn fn, void *context, uint64_t *bytes_out);

/** Whether a record is for the next step. */
static inline bool
adb_walk_is_past(const struct file_walk *walk, const struct log_scan_record *found)
{
    return found->offset >= walk->step_end;
}

/** The index of a live collection, NULL if it was dropped; mostly without asking for it. */
struct shard_index *adb_walk_index(struct file_walk *walk, const struct shard_live *live,
                                   uint32_t collection_id);

#endif
