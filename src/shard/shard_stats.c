#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "shard/shard_private.h"

static const struct data_file *
file_in(const struct shard *shard, uint32_t slot)
{
    return atomic_load_explicit(&shard->files[slot], memory_order_relaxed);
}

/* Tombstones behind the first file with dead values may be needed; as compact_policy.h has it, but
 * for what only lasts until the next open. */
static void
add_files(const struct shard *shard, struct shard_stats *stats)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        const struct data_file *file = file_in(shard, slot);
        if (file != NULL && !file->is_retired &&
            atomic_load_explicit(&file->dead_bytes, memory_order_relaxed) > 0 &&
            file->header.base_sequence < first)
            first = file->header.base_sequence;
    }
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        const struct data_file *file = file_in(shard, slot);
        if (file == NULL)
            continue;
        uint64_t tombstones = atomic_load_explicit(&file->tombstone_bytes, memory_order_relaxed);
        stats->files++;
        stats->hints += file->hint_bytes == file->end;
        stats->log_bytes += file->end;
        if (file->is_retired) {
            stats->dead_bytes += file->end;
            continue;
        }
        stats->tombstone_bytes += tombstones;
        stats->dead_bytes += adb_shard_waste(file);
        stats->live_bytes += file->end - LOG_FILE_HEADER_BYTES - adb_shard_waste(file) - tombstones;
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
    stats.hint_failures = shard->hint_failures;
    stats.failure = atomic_load_explicit(&shard->failure, memory_order_acquire);
    if (stats.failure != ARMDB_OK)
        stats.failure_detail = shard->failure_detail;
    adb_mutex_unlock(&shard->lock);
    stats.syncs = atomic_load_explicit(&shard->syncs, memory_order_relaxed);
    stats.sync_waits = atomic_load_explicit(&shard->sync_waits, memory_order_relaxed);
    stats.reads = adb_counter_sum(&shard->reads);
    stats.damaged_reads = atomic_load_explicit(&shard->damaged_reads, memory_order_relaxed);
    stats.synced_sequence = atomic_load_explicit(&shard->synced_sequence, memory_order_acquire);
    *stats_out = stats;
}

/* ---------------------------------------------------------------------- files */

static int
compare_files(const void *a, const void *b)
{
    const struct shard_file_stats *left = (const struct shard_file_stats *)a;
    const struct shard_file_stats *right = (const struct shard_file_stats *)b;
    const struct log_file_header left_header = {.base_sequence = left->base_sequence,
                                                .file_id = left->id};
    const struct log_file_header right_header = {.base_sequence = right->base_sequence,
                                                 .file_id = right->id};
    if (left->is_replaced != right->is_replaced)
        return left->is_replaced ? 1 : -1;
    return adb_log_compare_files(&left_header, &right_header);
}

/* Under the lock. */
static void
describe(const struct shard *shard, struct shard_file_stats *files, uint32_t *count)
{
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        const struct data_file *file = file_in(shard, slot);
        if (file == NULL)
            continue;
        files[(*count)++] = (struct shard_file_stats){
            .id = file->header.file_id,
            .bytes = file->end,
            .dead_bytes = adb_shard_waste(file),
            .tombstone_bytes = atomic_load_explicit(&file->tombstone_bytes, memory_order_relaxed),
            .base_sequence = file->header.base_sequence,
            .hint_bytes = file->hint_bytes,
            .is_active = file == shard->writer.active && !file->is_sealed,
            .is_copy = file->header.is_copy,
            .is_replaced = file->is_retired,
        };
    }
}

armdb_err
adb_shard_list_files(struct shard *shard, struct shard_file_stats **files_out, uint32_t *count_out)
{
    *count_out = 0;
    adb_mutex_lock(&shard->lock);
    *files_out = adb_new_array(struct shard_file_stats, shard->file_count);
    if (*files_out != NULL)
        describe(shard, *files_out, count_out);
    adb_mutex_unlock(&shard->lock);
    if (*files_out == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "list files", "no memory for a list of files");
    qsort(*files_out, *count_out, sizeof **files_out, compare_files);
    return ARMDB_OK;
}
