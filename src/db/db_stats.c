#include <inttypes.h>

#include "base/err.h"
#include "base/mem.h"
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
    stats->hints += shard->hints;
    stats->hint_failures += shard->hint_failures;
    stats->buffer_bytes += shard->buffer_bytes;
    stats->unflushed_bytes += shard->unflushed_bytes;
    stats->puts += shard->puts;
    stats->deletes += shard->deletes;
    stats->expired += shard->expired;
    stats->reads += shard->reads;
    stats->damaged_reads += shard->damaged_reads;
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
        if (!db->collections[i]->is_hidden) {
            stats->collections++;
            stats->keys += adb_index_count(&index->keys);
        }
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
        .objects = atomic_load_explicit(&db->account->objects, memory_order_relaxed),
        .object_bytes = atomic_load_explicit(&db->account->object_bytes, memory_order_relaxed),
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

static armdb_err
check_shard(const struct db *db, const char *operation, uint32_t number)
{
    if (number < db->settings.shards)
        return ARMDB_OK;
    return adb_fail(ARMDB_INVALID, operation, "shard %" PRIu32 ", allowed are 0..%" PRIu32, number,
                    db->settings.shards - 1);
}

armdb_err
adb_db_get_shard_info(struct db *db, uint32_t number, armdb_shard_info *info_out)
{
    struct shard_stats shard;
    ADB_TRY(check_shard(db, "shard info", number));
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
        .live_bytes = shard.live_bytes,
        .compacted_bytes = shard.compaction.replaced_bytes,
        .compaction_bytes = shard.compaction.copied_bytes,
        .compaction_failures = shard.compaction.failures,
        .damaged_reads = shard.damaged_reads,
    };
    return ARMDB_OK;
}

/* ---------------------------------------------------------------------- files */

static armdb_file_kind
kind_of(const struct shard_file_stats *file)
{
    if (file->is_replaced)
        return ARMDB_FILE_REPLACED;
    if (file->is_active)
        return ARMDB_FILE_ACTIVE;
    return file->is_copy ? ARMDB_FILE_COPY : ARMDB_FILE_SEALED;
}

armdb_err
adb_db_file_list(struct db *db, uint32_t shard, armdb_file_info *infos, size_t capacity,
                 size_t *count_out)
{
    struct shard_file_stats *files;
    uint32_t count;
    *count_out = 0;
    ADB_TRY(check_shard(db, "list files", shard));
    ADB_TRY(adb_shard_list_files(db->shards[shard], &files, &count));
    for (uint32_t i = 0; i < count && i < capacity; i++) {
        const struct shard_file_stats *file = &files[i];
        uint64_t others = LOG_FILE_HEADER_BYTES + file->dead_bytes + file->tombstone_bytes;
        infos[i] = (armdb_file_info){
            .struct_bytes = sizeof *infos,
            .kind = kind_of(file),
            .id = file->id,
            .bytes = file->bytes,
            .live_bytes = file->is_replaced ? 0 : file->bytes - others,
            .dead_bytes = file->is_replaced ? file->bytes : file->dead_bytes,
            .tombstone_bytes = file->is_replaced ? 0 : file->tombstone_bytes,
            .base_sequence = file->base_sequence,
            .hint_bytes = file->hint_bytes,
        };
    }
    adb_mem_free(files);
    *count_out = count;
    return ARMDB_OK;
}
