/*
 * shard_tend.c: what is done for a shard's log beside the writers, so that none of them has to wait
 * for it: syncing before much is unsynced, and going on in a new file before the old one is full.
 */
#include "shard/shard_private.h"

/* Files smaller than this are sealed by the writer that fills them: it does not take long. */
#define TENDED_FILE_BYTES (UINT64_C(8) << 20)
/* So much may be unsynced before the background syncs it; of small files, an eighth. */
#define UNSYNCED_BYTES_MAX (UINT64_C(16) << 20)
/* So little is synced under the lock without anybody noticing. */
#define SHORT_SYNC_BYTES (UINT64_C(512) << 10)
/* A log that grew by so much since the last look is looked at again soon. */
#define BUSY_BYTES (UINT64_C(256) << 10)

enum { SYNC_ROUNDS = 4 }; /* before sealing: as many syncs without the lock at most */

/* What there is to do. */
struct look {
    struct log_sync plan;
    uint64_t unsynced;
    bool is_bound;       /* then there is no plan */
    bool is_nearly_full; /* the file has so much in it that it is time to go on in another */
    bool is_busy;
};

/* Under the lock. */
static bool
is_nearly_full(const struct shard *shard)
{
    const struct log_writer *writer = &shard->writer;
    return writer->max_file_bytes >= TENDED_FILE_BYTES && !writer->active->is_sealed &&
           writer->active->end > writer->max_file_bytes - writer->max_file_bytes / 8;
}

static struct look
look_at(struct shard *shard)
{
    struct look look;
    adb_mutex_lock(&shard->lock);
    const struct data_file *file = shard->writer.active;
    look.is_bound = adb_shard_is_bound(shard);
    look.plan = look.is_bound ? (struct log_sync){0} : adb_shard_plan_locked(shard);
    look.unsynced = shard->writer.flushed_end -
                    atomic_load_explicit(&file->synced, memory_order_acquire);
    look.is_nearly_full = is_nearly_full(shard);
    look.is_busy = file->slot != shard->tended_slot || file->end > shard->tended_end + BUSY_BYTES;
    shard->tended_slot = file->slot;
    shard->tended_end = file->end;
    adb_mutex_unlock(&shard->lock);
    return look;
}

static uint64_t
unsynced_limit(const struct shard *shard)
{
    uint64_t part = shard->writer.max_file_bytes / 8;
    return part < UNSYNCED_BYTES_MAX ? part : UNSYNCED_BYTES_MAX;
}

/* Syncs without the lock until little is unsynced, if writers let it; very little if the file is to
 * be sealed. `look` is after that, with a plan. */
static armdb_err
sync_down(struct shard *shard, bool is_to_seal, struct look *look)
{
    for (int round = 0; round < SYNC_ROUNDS; round++) {
        if (look->unsynced <
            (is_to_seal || look->is_nearly_full ? SHORT_SYNC_BYTES : unsynced_limit(shard)))
            break;
        ADB_TRY(look->is_bound ? adb_shard_sync(shard) : adb_shard_sync_plan(shard, &look->plan));
        *look = look_at(shard);
    }
    return ARMDB_OK;
}

/* Goes on in a new file; if it need not be, only when the old one is nearly full. */
static armdb_err
rotate(struct shard *shard, bool must_be)
{
    adb_mutex_lock(&shard->lock);
    uint64_t full_id = shard->writer.active->header.file_id;
    armdb_err err = adb_shard_failed(shard);
    if (err == ARMDB_OK && (must_be || is_nearly_full(shard)))
        err = adb_shard_rotate(shard);
    if (err == ARMDB_NO_SPACE && must_be)
        err = adb_shard_rotate_full(shard);
    adb_mutex_unlock(&shard->lock);
    return err == ARMDB_BUSY ? adb_shard_rotate_bound(shard, full_id) : err;
}

armdb_err
adb_shard_seal(struct shard *shard)
{
    ADB_TRY(adb_shard_sync(shard)); /* flushes, too */
    struct look look = look_at(shard);
    ADB_TRY(sync_down(shard, true, &look));
    adb_shard_drop_plan(&look.plan);
    return rotate(shard, true);
}

armdb_err
adb_shard_tend(struct shard *shard, bool *is_busy_out)
{
    *is_busy_out = false;
    ADB_TRY(adb_shard_failed(shard));
    struct look look = look_at(shard);
    *is_busy_out = look.is_busy;
    ADB_TRY(sync_down(shard, false, &look));
    adb_shard_drop_plan(&look.plan);
    if (!look.is_nearly_full)
        return ARMDB_OK;
    return rotate(shard, false);
}
