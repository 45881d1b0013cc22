/* shard_check.h: checking the log of a shard that is not open. */
#ifndef ADB_SHARD_SHARD_CHECK_H
#define ADB_SHARD_SHARD_CHECK_H

#include "shard/shard.h"

/** Called for each piece of damage; the detail record of the thread says what and where. */
typedef void (*adb_shard_damage_fn)(void *context, uint32_t shard,
                                    const armdb_error_detail *detail);

struct shard_check {
    uint64_t files;
    uint64_t bytes;
    uint64_t records;
    uint64_t torn_bytes;
};

/**
 * Scans the log of a shard that is not open, and changes nothing.
 *
 * @param find       as for adb_shards_open(); the indexes are not written to.
 * @param check_out  added to.
 *
 * Returns:  ARMDB_OK, damage or not; ARMDB_IO, ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_shard_check(const struct shard_config *config, adb_find_index_fn find,
                                       void *find_context, adb_shard_damage_fn on_damage,
                                       void *damage_context, struct shard_check *check_out);

#endif
