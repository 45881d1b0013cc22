/*
 * recover.h: opening the shards of a database: from the files of their logs to the indexes.
 *
 * Threads: one call for a database, which starts others.
 */
#ifndef ADB_SHARD_RECOVER_H
#define ADB_SHARD_RECOVER_H

#include "shard/shard.h"

/** What recovery met. */
struct shard_recovery {
    uint64_t records;
    uint64_t cut_bytes;
};

/** How far recovery is. */
struct shard_progress {
    uint64_t log_bytes;     /* of all data files */
    uint64_t read_bytes;    /* of those of which is known what is in them */
    uint64_t indexed_bytes; /* of those whose records are in the indexes */
};

/** How to open shards. */
struct shard_opening {
    struct shard **shards; /* new ones, of one database; borrowed */
    uint32_t n_shards;
    uint32_t n_threads;        /* at most so many share the work; 1: the caller's alone */
    uint32_t n_threads_device; /* the same of what waits for the device: many syncs join in one */
    uint64_t round_bytes; /* of memory for what was read and is not in the indexes yet, about, as
                           * far as hints do not have it */
    adb_find_index_fn find;
    void *context;
    /* NULL; or called now and then, by one thread at a time, whichever. */
    void (*on_progress)(void *context, const struct shard_progress *progress);
    void *progress_context;
};

/**
 * Opens shards: sweeps temporary files, brings what is in the logs into the indexes, cuts torn
 * ends.
 *
 * @param recovery_out  of all shards together.
 *
 * Returns:  ARMDB_OK; ARMDB_CORRUPT (that log is as it was), ARMDB_FORMAT, ARMDB_IO,
 *           ARMDB_NO_MEMORY, ARMDB_READ_ONLY, ARMDB_LIMIT: the shards can only be closed.
 */
ADB_MUST_USE armdb_err adb_shards_open(const struct shard_opening *opening,
                                       struct shard_recovery *recovery_out);

#endif
