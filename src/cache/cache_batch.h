/*
 * cache_batch.h: blocks that a caller reads by itself, many at a time.
 *
 * Who misses blocks leads a flight for each (cache_flight.h), reads them in whatever way is best,
 * and lands each: so others who miss one of them meanwhile wait for it.
 *
 * Threads: any. Who leads waits for nothing but its reads, until all have landed.
 */
#ifndef ADB_CACHE_CACHE_BATCH_H
#define ADB_CACHE_CACHE_BATCH_H

#include "cache/cache.h"
#include "cache/cache_flight.h"

/**
 * Begins to read a block that is missing. Counts as a miss.
 *
 * @param flight_out  kept by the caller until it has landed.
 *
 * Returns:  whether it is the caller who reads it; false: it is there, or somebody else reads it.
 */
bool adb_cache_lead(struct adb_cache *cache, uint64_t file_key, uint64_t block,
                    struct cache_flight *flight_out);

/**
 * Ends it.
 *
 * @param bytes  CACHE_BLOCK_BYTES, copied into the cache; NULL: it could not be read.
 */
void adb_cache_land(struct adb_cache *cache, struct cache_flight *flight,
                    const unsigned char *bytes);

#endif
