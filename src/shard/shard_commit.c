/*
 * shard_commit.c: sharing syncs.
 *
 * Whoever needs a sync and finds nobody syncing does it, for everything flushed by then; the others
 * wait. When it is done, those it did not cover elect the next leader among themselves. There is no
 * delay to gather more: writers gather while the sync before runs. The caller leads itself, because
 * waking a thread of our own would cost a quarter of a sync.
 */
#include "base/err.h"
#include "shard/shard_private.h"

void
adb_shard_note_synced(struct shard *shard, uint64_t sequence)
{
    uint64_t synced = atomic_load_explicit(&shard->synced_sequence, memory_order_relaxed);
    while (synced < sequence &&
           !atomic_compare_exchange_weak_explicit(&shard->synced_sequence, &synced, sequence,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

armdb_err
adb_shard_sync_plan(struct shard *shard, const struct log_sync *plan)
{
    armdb_err err = adb_log_writer_sync(plan);
    if (err == ARMDB_OK)
        adb_shard_note_synced(shard, plan->sequence);
    else
        adb_shard_fence(shard);
    return err;
}

/* One sync for everything appended so far. */
static armdb_err
lead(struct shard *shard)
{
    ADB_TRY(adb_shard_flush(shard));
    adb_mutex_lock(&shard->lock);
    const struct log_sync plan = adb_log_writer_plan_sync(&shard->writer);
    adb_mutex_unlock(&shard->lock);
    return adb_shard_sync_plan(shard, &plan);
}

bool
adb_shard_has_written(struct shard *shard, uint64_t ticket)
{
    adb_mutex_lock(&shard->lock);
    bool has_written = ticket <= shard->writer.sequence;
    adb_mutex_unlock(&shard->lock);
    return has_written;
}

bool
adb_shard_is_synced(struct shard *shard, uint64_t ticket)
{
    return atomic_load_explicit(&shard->synced_sequence, memory_order_acquire) >= ticket;
}

armdb_err
adb_shard_commit(struct shard *shard, uint64_t ticket)
{
    armdb_err err = ARMDB_OK;
    adb_mutex_lock(&shard->commit_lock);
    shard->sync_waits++;
    while (err == ARMDB_OK && !adb_shard_is_synced(shard, ticket)) {
        if (shard->has_leader) {
            adb_cond_wait(&shard->commit_done, &shard->commit_lock);
            err = adb_shard_is_synced(shard, ticket) ? ARMDB_OK : adb_shard_failed(shard);
            continue;
        }
        shard->has_leader = true;
        shard->syncs++;
        adb_mutex_unlock(&shard->commit_lock);
        err = lead(shard);
        adb_mutex_lock(&shard->commit_lock);
        shard->has_leader = false;
        adb_cond_wake_all(&shard->commit_done);
    }
    adb_mutex_unlock(&shard->commit_lock);
    return err;
}

armdb_err
adb_shard_sync(struct shard *shard)
{
    ADB_TRY(adb_shard_failed(shard));
    adb_mutex_lock(&shard->lock);
    uint64_t newest = shard->writer.sequence;
    adb_mutex_unlock(&shard->lock);
    return adb_shard_commit(shard, newest);
}
