#include "shard/shard_bond.h"

#include "base/err.h"
#include "shard/shard_private.h"

void
adb_shard_bind(struct shard *shard, struct shard_bonds *bonds)
{
    shard->bonds = bonds;
}

bool
adb_shard_is_bound(const struct shard *shard)
{
    return ADB_UNLIKELY(shard->bound_sequence >
                        atomic_load_explicit(&shard->synced_sequence, memory_order_acquire));
}

/* What is synced together. */
struct settling {
    struct shard *shard; /* that is in need of it */
    struct log_sync plans[ARMDB_SHARDS_MAX];
    bool is_in[ARMDB_SHARDS_MAX];
};

static void
lock_all(const struct shard_bonds *bonds)
{
    for (uint32_t i = 0; i < bonds->n_shards; i++)
        adb_mutex_lock(&bonds->shards[i]->lock);
}

static void
unlock_all(const struct shard_bonds *bonds)
{
    for (uint32_t i = 0; i < bonds->n_shards; i++)
        adb_mutex_unlock(&bonds->shards[i]->lock);
}

/* Under all locks: no batch is half appended. What is flushed now has all parts of all batches. */
static armdb_err
plan_all(struct settling *settling)
{
    const struct shard_bonds *bonds = settling->shard->bonds;
    struct adb_err_kept kept = {0};
    for (uint32_t i = 0; i < bonds->n_shards; i++) {
        struct shard *shard = bonds->shards[i];
        settling->plans[i] = (struct log_sync){0};
        settling->is_in[i] = shard == settling->shard || adb_shard_is_bound(shard);
        if (!settling->is_in[i] || kept.err != ARMDB_OK)
            continue;
        adb_err_keep(&kept, adb_shard_flush_locked(shard));
        if (kept.err == ARMDB_OK) {
            settling->plans[i] = adb_shard_plan_locked(shard);
            adb_log_writer_start_sync(&shard->writer);
        }
    }
    return adb_err_kept(&kept);
}

/* Under all locks. What one of them cannot have, none can be promised. */
static armdb_err
fence_all(struct settling *settling, armdb_err err)
{
    const struct shard_bonds *bonds = settling->shard->bonds;
    if (err == ARMDB_OK || err == ARMDB_NO_SPACE || err == ARMDB_NO_MEMORY)
        return err;
    for (uint32_t i = 0; i < bonds->n_shards; i++) {
        if (settling->is_in[i])
            adb_shard_fence_locked(bonds->shards[i]);
    }
    return err;
}

static armdb_err
sync_all(struct settling *settling)
{
    const struct shard_bonds *bonds = settling->shard->bonds;
    for (uint32_t i = 0; i < bonds->n_shards; i++)
        ADB_TRY(adb_log_writer_sync_only(&settling->plans[i]));
    /* Not one before all. */
    for (uint32_t i = 0; i < bonds->n_shards; i++) {
        const struct log_sync *plan = &settling->plans[i];
        adb_log_writer_note_synced(plan);
        adb_shard_note_synced(bonds->shards[i], plan->sequence);
    }
    return ARMDB_OK;
}

static void
drop_plans(struct settling *settling)
{
    for (uint32_t i = 0; i < settling->shard->bonds->n_shards; i++)
        adb_shard_drop_plan(&settling->plans[i]);
}

armdb_err
adb_shard_settle(struct shard *shard)
{
    struct settling settling = {.shard = shard};
    lock_all(shard->bonds);
    armdb_err err = fence_all(&settling, plan_all(&settling));
    unlock_all(shard->bonds);
    if (err == ARMDB_OK) {
        err = sync_all(&settling);
        if (err != ARMDB_OK) {
            lock_all(shard->bonds);
            err = fence_all(&settling, err);
            unlock_all(shard->bonds);
        }
    }
    drop_plans(&settling);
    return err;
}

static armdb_err
rotate_locked(struct settling *settling, uint64_t full_id)
{
    struct shard *shard = settling->shard;
    ADB_TRY(adb_shard_failed(shard));
    if (shard->writer.active->header.file_id != full_id)
        return ARMDB_OK;
    if (adb_shard_is_bound(shard)) {
        armdb_err err = plan_all(settling);
        if (err == ARMDB_OK)
            err = sync_all(settling);
        drop_plans(settling);
        ADB_TRY(fence_all(settling, err));
    }
    return adb_shard_rotate(shard);
}

armdb_err
adb_shard_rotate_bound(struct shard *shard, uint64_t full_id)
{
    struct settling settling = {.shard = shard};
    /* Most of it without the locks. Others bind it anew meanwhile; so the rest is done under them:
     * nobody waits for that for ever. */
    ADB_TRY(adb_shard_sync(shard));
    lock_all(shard->bonds);
    armdb_err err = rotate_locked(&settling, full_id);
    unlock_all(shard->bonds);
    return err;
}
