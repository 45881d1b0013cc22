#include <inttypes.h>

#include "base/err.h"
#include "db/db_private.h"

static void
add_shard(armdb_stats *stats, const struct shard_stats *shard)
{
    stats->failed_shards += shard->failure != ARMDB_OK;
    stats->files += shard->files;
    stats->log_bytes += shard->log_bytes;
    stats->dead_bytes += shard->dead_bytes;
    stats->tombstone_bytes += shard->tombstone_bytes;
    stats->compactions += shard->compaction.passes;
    stats->compacted_bytes += shard->compaction.replaced_bytes;
    stats->compaction_bytes += shard->compaction.copied_bytes;
    stats->compaction_failures += shard->compaction.failures;
    stats->buffer_bytes += shard->buffer_bytes;
    stats->unflushed_bytes += shard->unflushed_bytes;
    stats->puts += shard->puts;
    stats->deletes += shard->deletes;
    stats->expired += shard->expired;
    stats->reads += shard->reads;
    stats->writes += shard->writes;
    stats->written_bytes += shard->written_bytes;
    stats->syncs += shard->syncs;
    stats->sync_waits += shard->sync_waits;
}

static void
add_collections(struct db *db, armdb_stats *stats)
{
    adb_mutex_lock(&db->collections_lock);
    for (uint32_t i = 0; i < db->collection_count; i++) {
        const struct shard_index *index = &db->collections[i]->index;
        if (atomic_load_explicit(&index->is_dropped, memory_order_relaxed))
            continue;
        stats->collections++;
        stats->keys += adb_index_count(&index->keys);
        stats->index_bytes += adb_index_bytes(&index->keys);
    }
    adb_mutex_unlock(&db->collections_lock);
}

void
adb_db_get_stats(struct db *db, armdb_stats *stats_out)
{
    armdb_stats stats = {
        .struct_bytes = sizeof stats,
        .shards = db->settings.shards,
        .shard_prefix_bits = db->settings.shard_prefix_bits,
        .value_bytes = atomic_load_explicit(&db->account->bytes, memory_order_relaxed),
        .cursors = atomic_load_explicit(&db->cursors, memory_order_relaxed),
        .gets = adb_counter_sum(&db->gets),
        .recovered_records = db->recovery.records,
        .recovered_cut_bytes = db->recovery.cut_bytes,
        .recovery_ns = db->recovery_ns,
    };
    struct adb_cache_stats cache;
    adb_cache_get_stats(db->cache, &cache);
    stats.cache_bytes = cache.bytes;
    stats.cache_misses = cache.misses;
    for (uint32_t i = 0; i < db->settings.shards; i++) {
        struct shard_stats shard;
        adb_shard_get_stats(db->shards[i], &shard);
        add_shard(&stats, &shard);
    }
    add_collections(db, &stats);
    *stats_out = stats;
}

armdb_err
adb_db_get_shard_info(struct db *db, uint32_t number, armdb_shard_info *info_out)
{
    struct shard_stats shard;
    if (number >= db->settings.shards)
        return adb_fail(ARMDB_INVALID, "shard info", "shard %" PRIu32 ", allowed are 0..%" PRIu32,
                        number, db->settings.shards - 1);
    adb_shard_get_stats(db->shards[number], &shard);
    *info_out = (armdb_shard_info){
        .struct_bytes = sizeof *info_out,
        .failure = shard.failure,
        .files = shard.files,
        .log_bytes = shard.log_bytes,
        .dead_bytes = shard.dead_bytes,
        .newest_sequence = shard.newest_sequence,
        .synced_sequence = shard.synced_sequence,
        .failure_detail = shard.failure_detail,
        .tombstone_bytes = shard.tombstone_bytes,
        .compactions = shard.compaction.passes,
        .compaction_failure = shard.compaction.failure,
        .compaction_failure_detail = shard.compaction.failure_detail,
    };
    return ARMDB_OK;
}
