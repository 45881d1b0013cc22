/*
 * shard_checkpoint.h: one shard's part of a checkpoint (docs/checkpoint.md). Threads: any.
 */
#ifndef ADB_SHARD_SHARD_CHECKPOINT_H
#define ADB_SHARD_SHARD_CHECKPOINT_H

#include "shard/shard.h"

/** The log of a shard as it was at a moment. Its files stay in place as long as there is one. */
struct shard_cut;

/** Sees to it that adb_shard_cut_place() will have little to copy. Returns ARMDB_OK; as a write. */
ADB_MUST_USE armdb_err adb_shard_cut_prepare(struct shard *shard);

/**
 * Takes the log as it is now. Under the lock: who has those of all shards gets one moment's logs.
 *
 * @param cut_out  end it with adb_shard_cut_end(), without the lock.
 *
 * Returns:  ARMDB_OK; ARMDB_FAILED (the shard refuses writes: what its files hold is in doubt);
 *           ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_shard_cut(struct shard *shard, struct shard_cut **cut_out);

/**
 * Makes the shard's directory in `directory`, that of a database, if it is not there, and puts the
 * log into it: sealed files by links where that can be, or as copies. Once.
 *
 * Returns:  ARMDB_OK (durable once `directory` is synced); ARMDB_NO_SPACE, ARMDB_IO, ARMDB_FAILED
 *           ...: then some of it may be there.
 */
ADB_MUST_USE armdb_err adb_shard_cut_place(struct shard_cut *cut, const char *directory);

/** NULL is allowed. */
void adb_shard_cut_end(struct shard_cut *cut);

#endif
