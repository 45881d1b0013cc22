/*
 * shard_reading.h: reading many values that may be in the block cache.
 *
 * Threads: any.
 */
#ifndef ADB_SHARD_SHARD_READING_H
#define ADB_SHARD_SHARD_READING_H

#include "shard/shard.h"

/** A value on its way from memory. Plain memory. */
struct shard_reading {
    uint64_t location;
    const _Atomic(uint64_t) *file_key_now; /* of the file that is in the location's slot */
    armdb_verify_reads verify_reads;       /* of its file */
    uint32_t seed;                         /* of the checksums of its file */
    uint32_t bytes;                        /* of the record */
    struct adb_cache_spot spot;
};

enum {
    SHARD_TAKEN_BYTES_MAX = 4096, /* of a record; larger ones are not cached */
    SHARD_APPROACH_AT_ONCE = 4
};

/*
 * Reading many values: first adb_shard_ask() for each, then adb_shard_approach() for each, then
 * adb_shard_take() for each, so that the waits for memory overlap. The first two only bring things
 * near; any time may pass in between. Only the first needs to be in an RCU scope.
 *
 * A processor has room for some twenty requests to memory, and forgets what is asked for beyond. So
 * no more than SHARD_APPROACH_AT_ONCE values should be approached at once; then one or two for each
 * that is taken.
 *
 * @param location  from the index, loaded in the same RCU scope as the call.
 */
void adb_shard_ask(struct shard *shard, uint64_t location, size_t key_len,
                   struct shard_reading *reading_out);
void adb_shard_approach(struct shard_reading *reading);
/**
 * Copies the record to `room` and checks it, if it was found in the cache and is still there, and
 * its file is still in its slot of the table. A slot, and so a location, can come again for another
 * file, but a file never comes again: if the caller has just loaded reading->location from the
 * index, in an RCU scope or not, it names the file that was asked.
 *
 * @param room  for SHARD_TAKEN_BYTES_MAX bytes.
 *
 * Returns:  its value, in `room`; NULL if it is not to be had like this, for whatever reason (it
 *           may have a deadline): adb_shard_read_value() tells.
 */
const unsigned char *adb_shard_take(const struct shard_reading *reading, armdb_slice key,
                                    unsigned char *room);

#endif
