/*
 * shard_expire.c: deleting keys whose deadline has passed, step by step.
 *
 * One expiry reads one data file from front to end. Of each record with a deadline it asks the
 * index whether the key still has this very value; if so, and the deadline has passed, the key is
 * deleted like any other: by a tombstone. Why not without one: older values of the key may lie in
 * older files, and would be back at the next open. So nothing else has to know of deadlines: until
 * then a value that has expired is one like others, that nobody sees.
 *
 * Which file, and when: log/deadlines.h. Compaction and expiry of a shard take turns.
 */
#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "os/rcu.h"
#include "shard/compact_batch.h"
#include "shard/file_walk.h"
#include "shard/shard_private.h"

struct shard_expiry {
    struct data_file *file; /* of the shard; not retired meanwhile: that takes a compaction */
    bool was_active;        /* when it began: then only what was with the system is read */
    uint64_t limit;         /* where it stops */
    uint64_t now_ms;        /* when it began: what passes later is left */
    struct deadlines left;
    struct file_walk walk;
    struct compact_batch batch; /* empty between steps */
};

/* A scan's callback needs all of these. */
struct step {
    struct shard *shard;
    struct shard_expiry *expiry;
    const struct shard_compaction *how;
};

/* ---------------------------------------------------------------------- choose */

static bool
is_due(const struct data_file *file, const struct shard_compaction *how, uint64_t now_ms)
{
    const struct deadlines *deadlines = &file->deadlines;
    if (file->is_retired || file->is_unfit)
        return false;
    if (how->thorough_up_to != 0)
        return deadlines->is_unknown ||
               (deadlines->earliest_ms != 0 && deadlines->earliest_ms <= how->expired_by_ms);
    return adb_deadlines_are_due(deadlines, now_ms, file->end);
}

/* The file that is to be read; NULL: none. Under the lock. */
static struct data_file *
choose(const struct shard *shard, const struct shard_compaction *how, uint64_t now_ms)
{
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        struct data_file *file = atomic_load_explicit(&shard->files[slot], memory_order_relaxed);
        if (file != NULL && is_due(file, how, now_ms))
            return file;
    }
    return NULL;
}

/* Takes over what is known of the file's deadlines: from here on it counts new ones alone. Under
 * the lock. */
static void
take_over(struct shard *shard, struct shard_expiry *expiry)
{
    struct data_file *file = expiry->file;
    expiry->was_active = file == shard->writer.active;
    expiry->limit = expiry->was_active ? atomic_load_explicit(&file->written, memory_order_relaxed)
                                       : file->end;
    expiry->left.since_ms = expiry->now_ms;
    file->deadlines = expiry->left;
}

armdb_err
adb_shard_begin_expiry(struct shard *shard, const struct shard_compaction *how)
{
    uint64_t now_ms = adb_os_wall_ms(shard->os);
    armdb_err err = ARMDB_OK;
    adb_mutex_lock(&shard->lock);
    bool is_any_due = choose(shard, how, now_ms) != NULL;
    adb_mutex_unlock(&shard->lock);
    if (!is_any_due)
        return ARMDB_OK;
    struct shard_expiry *expiry = adb_new(struct shard_expiry);
    if (expiry == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "expire", "no memory to look for expired keys");
    expiry->now_ms = now_ms + (ADB_PLANTED(PLANT_EXPIRED_EARLY) ? 1000 : 0);
    err = adb_batch_init(&expiry->batch);
    if (err != ARMDB_OK) {
        adb_mem_free(expiry);
        return err;
    }
    adb_mutex_lock(&shard->lock);
    err = adb_shard_flush_locked(shard);
    expiry->file = choose(shard, how, now_ms); /* the same: files are retired in steps like this */
    ADB_ASSERT(expiry->file != NULL);
    if (err == ARMDB_OK)
        take_over(shard, expiry);
    adb_mutex_unlock(&shard->lock);
    shard->expiry = expiry;
    if (err != ARMDB_OK)
        adb_shard_end_expiry(shard);
    return err;
}

void
adb_shard_end_expiry(struct shard *shard)
{
    if (shard->expiry == NULL)
        return;
    adb_batch_fini(&shard->expiry->batch);
    adb_mem_free(shard->expiry);
    shard->expiry = NULL;
}

/* ---------------------------------------------------------------------- records */

/* Deletes a key if it still has the value at a location. */
static armdb_err
expire_key(const struct step *step, struct shard_index *index, armdb_slice key, uint64_t location)
{
    const struct shard_write write = {.verb = SHARD_EXPIRE,
                                      .durability = ARMDB_BUFFERED,
                                      .index = index,
                                      .key = key,
                                      .expired_at = location};
    armdb_err err = adb_shard_write(step->shard, &write);
    return err == ARMDB_NOT_FOUND || err == ARMDB_NO_COLLECTION ? ARMDB_OK : err;
}

/* Sees to the records of the batch. */
static armdb_err
settle_batch(void *context)
{
    const struct step *step = (const struct step *)context;
    struct shard_expiry *expiry = step->expiry;
    struct compact_batch *batch = &expiry->batch;
    armdb_err err = ARMDB_OK;
    if (batch->n == 0)
        return ARMDB_OK;
    adb_rcu_enter();
    bool is_there = adb_batch_look(batch);
    adb_rcu_leave();
    for (uint32_t i = 0; err == ARMDB_OK && is_there && i < batch->n; i++) {
        const struct log_scan_record *found = &batch->found[i];
        uint64_t location = adb_location_of(expiry->file->slot, found->offset, &found->record);
        if (batch->locations[i] != location)
            continue;
        if (found->record.deadline_ms <= expiry->now_ms)
            err = expire_key(step, batch->index, found->key, location);
        else
            adb_deadlines_count(&expiry->left, expiry->now_ms, found->record.deadline_ms,
                                adb_log_record_bytes(&found->record));
    }
    adb_batch_clear(batch);
    return err;
}

/* An adb_scan_fn. ARMDB_END: the step is over, the record is for the next. */
static armdb_err
take_record(void *context, const struct log_scan_record *found)
{
    const struct step *step = (const struct step *)context;
    struct shard_expiry *expiry = step->expiry;
    if (found->offset >= expiry->limit || adb_walk_is_past(&expiry->walk, found))
        return ARMDB_END;
    if (found->record.deadline_ms == 0)
        return ARMDB_OK;
    struct shard_index *index = adb_walk_index(&expiry->walk, &step->how->live,
                                               found->record.collection_id);
    if (index == NULL)
        return ARMDB_OK;
    return adb_batch_take(&expiry->batch, index, found, false, settle_batch, context);
}

/* ------------------------------------------------------------------------- step */

/* Scans on for one step. */
static armdb_err
scan_on(struct step *step, uint64_t *bytes_out)
{
    struct shard_expiry *expiry = step->expiry;
    struct data_file *file = expiry->file;
    const struct log_scan_result *scan = &expiry->walk.scan;
    armdb_err err = adb_walk_step(&expiry->walk, file, expiry->was_active, take_record, step,
                                  bytes_out);
    armdb_err batch_err = settle_batch(step); /* the scan is past what is in the batch */
    if (err != ARMDB_OK)
        return err == ARMDB_END ? batch_err : err;
    /* Behind the limit anything may be: writers are at work there. */
    if (scan->end < expiry->limit)
        return adb_fail_at(ARMDB_CORRUPT, "expire", file->path,
                           scan->how == LOG_SCAN_DAMAGED ? scan->damaged_at : scan->end, "%s",
                           scan->how == LOG_SCAN_DAMAGED ? scan->message
                                                         : "the file ends too early");
    return batch_err;
}

armdb_err
adb_shard_expire(struct shard *shard, const struct shard_compaction *how, uint64_t *bytes_out)
{
    struct shard_expiry *expiry = shard->expiry;
    struct step step = {shard, expiry, how};
    armdb_err err = scan_on(&step, bytes_out);
    bool is_over = expiry->walk.scan.end >= expiry->limit;
    if (err == ARMDB_OK && !is_over)
        return ARMDB_OK;
    adb_mutex_lock(&shard->lock);
    if (err != ARMDB_OK)
        expiry->left.is_unknown = true; /* to be read once more */
    adb_deadlines_add(&expiry->file->deadlines, &expiry->left);
    if (err == ARMDB_CORRUPT)
        expiry->file->is_unfit = true;
    adb_mutex_unlock(&shard->lock);
    adb_shard_end_expiry(shard);
    return err;
}
