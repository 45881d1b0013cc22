#include "cache/cache_batch.h"

#include "cache/cache_private.h"

bool
adb_cache_lead(struct adb_cache *cache, uint64_t file_key, uint64_t block,
               struct cache_flight *flight_out)
{
    const struct cache_id id = {file_key, block};
    if (!adb_cache_flight_begin(&cache->flights, id, flight_out))
        return false;
    adb_mutex_lock(&cache->lock);
    const struct cache_table *table = adb_cache_table_of(cache);
    bool is_there = table != NULL && adb_cache_table_find(table, id) != NULL;
    adb_mutex_unlock(&cache->lock);
    if (is_there)
        adb_cache_flight_end(&cache->flights, flight_out);
    else
        adb_counter_add(&cache->misses, 1);
    return !is_there;
}

void
adb_cache_land(struct adb_cache *cache, struct cache_flight *flight, const unsigned char *bytes)
{
    if (bytes != NULL)
        adb_cache_insert(cache, flight->id, bytes);
    adb_cache_flight_end(&cache->flights, flight);
}
