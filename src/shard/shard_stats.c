#include "shard/shard_private.h"

static const struct data_file *
file_in(const struct shard *shard, uint32_t slot)
{
    return atomic_load_explicit(&shard->files[slot], memory_order_relaxed);
}

static uint64_t
dead_bytes(const struct data_file *file)
{
    return atomic_load_explicit(&file->dead_bytes, memory_order_relaxed);
}

/* Tombstones behind the first file with dead values may be needed; as compact_policy.h has it, but
 * for what only lasts until the next open. */
static void
add_files(const struct shard *shard, struct shard_stats *stats)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        const struct data_file *file = file_in(shard, slot);
        if (file != NULL && !file->is_retired && dead_bytes(file) > 0 &&
            file->header.base_sequence < first)
            first = file->header.base_sequence;
    }
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        const struct data_file *file = file_in(shard, slot);
        if (file == NULL)
            continue;
        uint64_t tombstones = atomic_load_explicit(&file->tombstone_bytes, memory_order_relaxed);
        stats->files++;
        stats->log_bytes += file->end;
        if (file->is_retired) {
            stats->dead_bytes += file->end;
            continue;
        }
        stats->tombstone_bytes += tombstones;
        stats->dead_bytes += dead_bytes(file);
        if (file->header.base_sequence <= first)
            stats->dead_bytes += tombstones;
    }
}

void
adb_shard_get_stats(struct shard *shard, struct shard_stats *stats_out)
{
    struct shard_stats stats = {.buffer_bytes = (uint64_t)LOG_BUFFER_WINDOWS *
                                                shard->writer.tail_bytes};
    adb_mutex_lock(&shard->lock);
    add_files(shard, &stats);
    if (shard->writer.active != NULL)
        stats.unflushed_bytes = shard->writer.active->end -
                                atomic_load_explicit(&shard->writer.active->written,
                                                     memory_order_relaxed);
    stats.puts = shard->puts;
    stats.deletes = shard->deletes;
    stats.expired = shard->expired;
    stats.writes = shard->writer.writes;
    stats.written_bytes = shard->writer.written_bytes;
    stats.newest_sequence = shard->writer.sequence;
    stats.compaction = shard->compaction;
    stats.failure = atomic_load_explicit(&shard->failure, memory_order_acquire);
    if (stats.failure != ARMDB_OK)
        stats.failure_detail = shard->failure_detail;
    adb_mutex_unlock(&shard->lock);
    stats.syncs = atomic_load_explicit(&shard->syncs, memory_order_relaxed);
    stats.sync_waits = atomic_load_explicit(&shard->sync_waits, memory_order_relaxed);
    stats.reads = adb_counter_sum(&shard->reads);
    stats.synced_sequence = atomic_load_explicit(&shard->synced_sequence, memory_order_acquire);
    *stats_out = stats;
}
