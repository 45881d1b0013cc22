/*
 * shard_load.h: opening a shard, in the parts between which its records go into the indexes.
 *
 * Threads: each load by one thread at a time; those of several shards side by side.
 */
#ifndef ADB_SHARD_SHARD_LOAD_H
#define ADB_SHARD_SHARD_LOAD_H

#include "shard/recover_run.h"

/** How far one shard is. Starts with shard and origins, the rest zero. */
struct shard_load {
    struct shard *shard; /* borrowed; new */
    struct shard_origins origins;
    struct recover_runs runs; /* owned: read, but not in the indexes yet; whoever brings them there
                               * clears them */
    uint64_t log_bytes;       /* of all data files */
    uint64_t read_bytes;      /* of those that were read */
    uint64_t records;         /* of these */
    uint64_t cut_bytes;       /* of a torn end */
    /* inside */
    struct log_groups groups;      /* owned: batches over several shards in the newest file */
    uint32_t runs_before;          /* runs of the files before the newest */
    uint64_t cut_at;               /* where the newest file is to be cut; 0: where its scan ended */
    uint64_t cut_sequence;         /* the newest record before that */
    uint32_t next;                 /* file of the log to be read */
    struct data_file *file;        /* the last one read; borrowed */
    struct log_scan_result result; /* of it */
};

/** Sweeps temporary files, and finds the order of the log. */
ADB_MUST_USE armdb_err adb_shard_load_begin(struct shard_load *load);

/** Reads what is in the next files, until only the newest is left or runs in memory are larger than
 * this. */
ADB_MUST_USE armdb_err adb_shard_load_some(struct shard_load *load, uint64_t memory_limit);

/** Whether only the newest is left. */
bool adb_shard_load_is_over(const struct shard_load *load);

/** Reads what is in the newest. What it adds may have to be taken back: adb_shard_load_cut(). */
ADB_MUST_USE armdb_err adb_shard_load_newest(struct shard_load *load);

/**
 * Finds the batches that are not whole, in the logs of all shards of a database, the newest files
 * of which were read: of each log, the longest front such that each batch in one is whole in all.
 * Sets cut_at. ARMDB_CORRUPT if a batch that was known to be whole is not.
 */
ADB_MUST_USE armdb_err adb_shard_load_match(struct shard_load *loads, uint32_t n_shards);

/** If the newest file is to be cut, cuts it, and reads it once more. */
ADB_MUST_USE armdb_err adb_shard_load_cut(struct shard_load *load);

/** Frees what it owns. */
void adb_shard_load_fini(struct shard_load *load);

/** Cuts a torn end, makes durable what was found, and lets the shard be written to. */
ADB_MUST_USE armdb_err adb_shard_load_settle(struct shard_load *load);

#endif
