/*
 * shard_bond.h: shards that are bound to each other by batches over several of them.
 *
 * Such a batch counts after a power cut only if each shard still has its part; if one lacks it, all
 * logs are cut in front of theirs. So nothing behind a part may be said to be on the device before
 * all parts are. While that is open, the shards are bound: the sync of one is a sync of all,
 * planned at a moment when no batch is half appended, and none of them goes on in a new file.
 *
 * Rules, of a bound shard: neither synced_sequence nor data_file.synced passes its newest part, but
 * by settling; no SEAL is appended. docs/recovery.md, "Batches", says why that is enough.
 *
 * Threads: any, without locks, except where it says otherwise.
 */
#ifndef ADB_SHARD_SHARD_BOND_H
#define ADB_SHARD_SHARD_BOND_H

#include <stdatomic.h>

#include "shard/shard.h"

/** The shards of a database. */
struct shard_bonds {
    struct shard **shards; /* borrowed; [n_shards] */
    uint32_t n_shards;
    _Atomic(uint32_t) commit_word; /* who settles for all; see shard_commit.c */
};

/** Lets a new shard know its siblings, before anybody else knows it. Borrowed; outlives it. */
void adb_shard_bind(struct shard *shard, struct shard_bonds *bonds);

/** Whether a batch over several shards in this one may not be on the device. Under the lock. */
bool adb_shard_is_bound(const struct shard *shard);

/**
 * Syncs all bound shards, and `shard`. If it is over, everything that was written before is on the
 * device. An error of one that puts its log in doubt fences all of them.
 *
 * Returns:  as adb_shard_flush().
 */
ADB_MUST_USE armdb_err adb_shard_settle(struct shard *shard);

/**
 * Goes on in a new file, if `full_id` is still the active one, of a shard whose adb_shard_rotate()
 * said ARMDB_BUSY.
 *
 * Returns:  as adb_shard_rotate(), but for ARMDB_BUSY.
 */
ADB_MUST_USE armdb_err adb_shard_rotate_bound(struct shard *shard, uint64_t full_id);

#endif
