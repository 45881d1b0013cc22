/*
 * shard_warm.h: bringing blocks of a shard's files into the cache before they are wanted.
 *
 * First the locations of values are noted, in any order: a bit for each block of a file. Then the
 * blocks are read in the order of the file, many at once.
 *
 * Threads: one at a time for each of these. Files may come and go meanwhile: what has gone by then
 * is left out.
 */
#ifndef ADB_SHARD_SHARD_WARM_H
#define ADB_SHARD_SHARD_WARM_H

#include "shard/shard_fetch.h"

struct shard_warm;

/** Begins; end it with adb_warm_end(). NULL if there is no memory: nothing is raised. */
struct shard_warm *adb_warm_begin(struct shard *shard);

/** Notes a value; long ones, which are not cached, are left out. Says whether there was memory. */
bool adb_warm_note(struct shard_warm *warm, uint64_t location, size_t key_len);

/** How many blocks were noted. */
uint64_t adb_warm_blocks(const struct shard_warm *warm);

/** Reads the next blocks, of one file, by a fetch that is clear. Returns how many there were: none,
 * when all is done. */
uint32_t adb_warm_step(struct shard_warm *warm, struct fetch *fetch);

/** NULL is allowed. */
void adb_warm_end(struct shard_warm *warm);

#endif
