#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/plant.h"
#include "shard/shard_private.h"

/* -------------------------------------------------------------------- failure */

armdb_err
adb_shard_failed(struct shard *shard)
{
    if (ADB_LIKELY(atomic_load_explicit(&shard->failure, memory_order_acquire) == ARMDB_OK))
        return ARMDB_OK;
    armdb_error_detail detail = shard->failure_detail;
    detail.code = ARMDB_FAILED;
    snprintf(detail.message, sizeof detail.message,
             "shard %" PRIu32 " refuses writes since an earlier failure: %.180s; open the database "
             "anew",
             shard->identity.shard, shard->failure_detail.message);
    return adb_err_restore(&detail);
}

void
adb_shard_fence_locked(struct shard *shard)
{
    if (atomic_load_explicit(&shard->failure, memory_order_relaxed) != ARMDB_OK)
        return; /* the first failure is the one to tell */
    shard->failure_detail = *adb_err_detail();
    atomic_store_explicit(&shard->failure, shard->failure_detail.code, memory_order_release);
}

void
adb_shard_fence(struct shard *shard)
{
    adb_mutex_lock(&shard->lock);
    adb_shard_fence_locked(shard);
    adb_mutex_unlock(&shard->lock);
}

armdb_err
adb_shard_fence_unless_harmless(struct shard *shard, armdb_err err)
{
    if (err != ARMDB_OK && err != ARMDB_NO_SPACE && err != ARMDB_NO_MEMORY)
        adb_shard_fence_locked(shard);
    return err;
}

void
adb_shard_lock(struct shard *shard)
{
    adb_mutex_lock(&shard->lock);
}

void
adb_shard_unlock(struct shard *shard)
{
    adb_mutex_unlock(&shard->lock);
}

/* ------------------------------------------------------------------- rotation */

/* Seals the active file, and gives the new one its name. */
static armdb_err
go_on_in(struct shard *shard, struct data_file *file)
{
    ADB_TRY(adb_shard_fence_unless_harmless(shard, adb_log_writer_seal(&shard->writer)));
    if (shard->writer.active != NULL)
        adb_shard_note_synced(shard, shard->writer.sequence);
    ADB_TRY(adb_data_file_publish(shard->os, shard->path, file));
    adb_shard_add_file(shard, file);
    adb_log_writer_use(&shard->writer, file);
    (void)adb_shard_plan_reserve(shard);
    return ARMDB_OK;
}

armdb_err
adb_shard_rotate(struct shard *shard)
{
    struct data_file *file;
    if (adb_shard_is_bound(shard))
        return ARMDB_BUSY;
    if (!adb_shard_has_slots(shard, 1))
        return adb_fail(ARMDB_LIMIT, "rotate",
                        "shard %" PRIu32 " has %d data files, the most there can be: raise "
                        "max_file_bytes",
                        shard->identity.shard, LOCATION_SLOTS);
    struct log_file_header header = shard->identity;
    header.file_id = shard->newest_file_id + 1;
    header.base_sequence = shard->writer.sequence;
    /* Before the old one takes nothing more: there may be no space for it. */
    ADB_TRY(adb_data_file_begin(shard->os, shard->path, &header, NULL, &file));
    armdb_err err = adb_data_file_reserve(file, shard->writer.kept_bytes);
    if (err == ARMDB_OK)
        err = go_on_in(shard, file);
    if (err != ARMDB_OK)
        adb_data_file_abandon(shard->os, shard->path, file);
    return err;
}

armdb_err
adb_shard_rotate_full(struct shard *shard)
{
    uint64_t kept = shard->writer.kept_bytes;
    ADB_TRY(adb_shard_fence_unless_harmless(shard, adb_log_writer_give_back(&shard->writer)));
    shard->writer.kept_bytes = 0;
    armdb_err err = adb_shard_rotate(shard);
    shard->writer.kept_bytes = kept;
    return err;
}

/* ---------------------------------------------------------------------- write */

void
adb_shard_bury(struct shard *shard, uint64_t location, armdb_slice key)
{
    struct data_file *file = atomic_load_explicit(&shard->files[adb_location_slot(location)],
                                                  memory_order_acquire);
    if (ADB_PLANTED(PLANT_DEAD_FORGOTTEN))
        return;
    atomic_fetch_add_explicit(&file->dead_bytes, adb_location_record_bytes(location, key.len),
                              memory_order_relaxed);
}

static bool
is_delete(const struct shard_write *write)
{
    return write->verb == SHARD_DELETE || write->verb == SHARD_EXPIRE;
}

static uint32_t
flags_of(const struct shard_write *write)
{
    if (is_delete(write))
        return LOG_FLAG_TOMBSTONE;
    return write->deadline_ms != 0 ? LOG_FLAG_DEADLINE : 0;
}

static armdb_change_kind
kind_of(const struct shard_write *write)
{
    if (write->verb == SHARD_EXPIRE)
        return ARMDB_CHANGE_EXPIRE;
    return is_delete(write) ? ARMDB_CHANGE_DELETE : ARMDB_CHANGE_PUT;
}

/* Makes the appended record what readers see. */
static inline void
publish(struct shard *shard, const struct shard_write *write, uint64_t offset, uint64_t sequence)
{
    struct data_file *file = shard->writer.active;
    const struct log_record record = {.flags = flags_of(write),
                                      .key_len = (uint32_t)write->key.len,
                                      .value_len = (uint32_t)write->value.len};
    uint64_t old;
    if (ADB_UNLIKELY(write->index->listener != NULL))
        adb_shard_keep_old(shard, write);
    if (ADB_UNLIKELY(write->index->keys.has_pointers))
        adb_shard_retire_object(shard, write->index, write->key);
    if (is_delete(write)) {
        old = adb_index_remove(&write->index->keys, write->key);
        atomic_fetch_add_explicit(&file->tombstone_bytes, adb_log_record_bytes(&record),
                                  memory_order_relaxed);
        if (write->verb == SHARD_DELETE)
            shard->deletes++;
        else
            shard->expired++;
    } else {
        uint64_t location = adb_location_of(file->slot, offset, &record);
        const uint64_t pointer = adb_shard_refer(write->object);
        const void *value = write->index->keys.value_bytes != 0 ? write->value.data : &pointer;
        old = adb_index_put(&write->index->keys, write->key, location, value, &shard->spare);
        shard->puts++;
    }
    if (write->deadline_ms != 0)
        adb_deadlines_count(&file->deadlines, adb_os_wall_ms(shard->os), write->deadline_ms,
                            adb_log_record_bytes(&record));
    if (old != 0)
        adb_shard_bury(shard, old, write->key);
    if (ADB_UNLIKELY(write->index->listener != NULL))
        adb_shard_queue_change(shard, write, kind_of(write), old, sequence);
}

void
adb_shard_publish(struct shard *shard, const struct shard_write *write, uint64_t offset,
                  uint64_t sequence)
{
    publish(shard, write, offset, sequence);
}

/*
 * Whether the record must go to the system by a call of its own before it is seen. One that will be
 * synced does, so that lack of space can still refuse it; unless its writer waits for the sync
 * later: then whoever syncs flushes for all.
 */
static bool
needs_flush(const struct shard *shard, const struct shard_write *write)
{
    switch (write->durability) {
    case ARMDB_SYNCED:
        return write->ticket_out == NULL;
    case ARMDB_WRITTEN:
        return !adb_log_writer_is_shared(&shard->writer);
    case ARMDB_BUFFERED:
    case ARMDB_DURABILITY_DEFAULT:
        break;
    }
    return false;
}

struct log_entry
adb_shard_entry_of(const struct shard_write *write)
{
    return (struct log_entry){
        .collection_id = write->index->collection_id,
        .flags = flags_of(write),
        .key = write->key,
        .value = write->value,
        .deadline_ms = write->deadline_ms,
    };
}

/* Goes on in a new file, or, on a full disk, with a tombstone in the old one. */
static armdb_err
rotate_for(struct shard *shard, const struct log_entry *entry)
{
    const armdb_error_detail before = *adb_err_detail();
    armdb_err err = adb_shard_rotate(shard);
    if (err != ARMDB_NO_SPACE || !adb_log_writer_keeps_room(&shard->writer, entry))
        return err;
    ADB_IGNORE(adb_err_restore(&before));
    return ARMDB_OK;
}

/* Appends the record, as far as the durability level wants it before it is seen. */
static armdb_err
append(struct shard *shard, const struct shard_write *write, uint64_t *offset_out)
{
    const struct log_entry entry = adb_shard_entry_of(write);
    if (adb_log_writer_is_full(&shard->writer, &entry))
        ADB_TRY(rotate_for(shard, &entry));
    if (write->durability == ARMDB_SYNCED)
        ADB_TRY(adb_shard_fence_unless_harmless(shard, adb_log_writer_prewrite(&shard->writer)));
    ADB_TRY(adb_shard_fence_unless_harmless(
        shard, adb_log_writer_append(&shard->writer, &entry, offset_out)));
    if (!needs_flush(shard, write))
        return ARMDB_OK;
    armdb_err err = adb_log_writer_flush(&shard->writer);
    if (err != ARMDB_OK)
        adb_log_writer_undo(&shard->writer, *offset_out);
    return adb_shard_fence_unless_harmless(shard, err);
}

/* Whether a write that is no put finds its key as it should. */
static armdb_err
check_presence(struct shard *shard, const struct shard_write *write)
{
    uint64_t location = adb_index_get(&write->index->keys, write->key, NULL);
    armdb_err err = ARMDB_NOT_FOUND;
    if (write->verb == SHARD_EXPIRE)
        return location == write->expired_at ? ARMDB_OK : ARMDB_NOT_FOUND;
    if (location != 0) {
        uint64_t deadline_ms; /* under the lock no scope is needed: its file stays, and the tail */
        err = adb_shard_read_deadline(shard, location, write->key, &deadline_ms);
    }
    if (write->verb == SHARD_DELETE)
        return err;
    if (err == ARMDB_OK)
        return ARMDB_EXISTS;
    return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
}

armdb_err
adb_shard_check_index(const struct shard_index *index)
{
    if (ADB_LIKELY(!atomic_load_explicit(&index->is_dropped, memory_order_relaxed)))
        return ARMDB_OK;
    return adb_fail(ARMDB_NO_COLLECTION, "write", "the collection was dropped");
}

static armdb_err
write_locked(struct shard *shard, const struct shard_write *write, uint64_t *sequence_out)
{
    uint64_t offset;
    ADB_TRY(adb_shard_failed(shard));
    ADB_TRY(adb_shard_check_index(write->index));
    /* Not before: whoever drops it changes the index without this lock. */
    struct adb_index *keys = &write->index->keys;
    if (write->confirm != NULL)
        ADB_TRY(write->confirm(write->confirm_context));
    else if (write->verb != SHARD_PUT)
        ADB_TRY(check_presence(shard, write));
    if (!is_delete(write))
        ADB_TRY(adb_index_prepare(keys, write->key, &shard->spare));
    if (ADB_UNLIKELY(write->index->listener != NULL))
        ADB_TRY(adb_shard_prepare_change(shard, write));
    armdb_err err = append(shard, write, &offset);
    if (ADB_PLANTED(PLANT_PUBLISHED_FIRST) && err != ARMDB_OK)
        publish(shard, write, shard->writer.active->end, shard->writer.sequence);
    if (err != ARMDB_OK) {
        adb_shard_drop_changes(shard);
        return err;
    }
    publish(shard, write, offset, shard->writer.sequence);
    adb_shard_count_toll(shard, LOG_RECORD_HEADER_BYTES + write->key.len + write->value.len);
    *sequence_out = shard->writer.sequence;
    return ARMDB_OK;
}

/* Goes on in a new file, if the shard is bound: without the lock. If there is no space for one, it
 * is settled at least, and the write finds what can be done. */
static armdb_err
rotate_unlocked(struct shard *shard)
{
    const armdb_error_detail before = *adb_err_detail();
    uint64_t full_id = shard->writer.active->header.file_id;
    adb_mutex_unlock(&shard->lock);
    armdb_err err = adb_shard_rotate_bound(shard, full_id);
    adb_mutex_lock(&shard->lock);
    if (err != ARMDB_NO_SPACE || adb_shard_is_bound(shard))
        return err;
    ADB_IGNORE(adb_err_restore(&before));
    return ARMDB_OK;
}

armdb_err
adb_shard_write(struct shard *shard, const struct shard_write *write)
{
    uint64_t sequence = UINT64_MAX; /* of no change */
    adb_mutex_lock(&shard->lock);
    armdb_err err = write_locked(shard, write, &sequence);
    while (ADB_UNLIKELY(err == ARMDB_BUSY)) {
        err = rotate_unlocked(shard);
        if (err == ARMDB_OK)
            err = write_locked(shard, write, &sequence);
    }
    bool has_ticket = write->ticket_out != NULL && write->durability == ARMDB_SYNCED;
    if (err == ARMDB_OK && has_ticket)
        atomic_store_explicit(&shard->newest_ticket, sequence, memory_order_relaxed);
    bool is_told = shard->changes.newest == sequence;
    adb_mutex_unlock(&shard->lock);
    if (adb_shard_owes_toll(shard))
        adb_shard_pay_toll(shard);
    if (ADB_UNLIKELY(is_told) && write->verb != SHARD_EXPIRE) /* that one holds compact_lock */
        adb_shard_tell(shard, sequence);
    if (err != ARMDB_OK || write->durability != ARMDB_SYNCED)
        return err;
    if (has_ticket) {
        *write->ticket_out = sequence;
        return ARMDB_OK;
    }
    return adb_shard_commit_seen(shard, sequence);
}

armdb_err
adb_shard_flush_locked(struct shard *shard)
{
    ADB_TRY(adb_shard_failed(shard));
    return adb_shard_fence_unless_harmless(shard, adb_log_writer_flush(&shard->writer));
}

armdb_err
adb_shard_flush(struct shard *shard)
{
    adb_mutex_lock(&shard->lock);
    armdb_err err = adb_shard_flush_locked(shard);
    adb_mutex_unlock(&shard->lock);
    return err;
}

armdb_err
adb_shard_plan_sync(struct shard *shard, uint64_t sequence, struct log_sync *plan_out,
                    bool *is_bound_out)
{
    armdb_err err = ARMDB_OK;
    *plan_out = (struct log_sync){0};
    adb_mutex_lock(&shard->lock);
    *is_bound_out = adb_shard_is_bound(shard);
    if (!*is_bound_out)
        err = sequence <= shard->started ? adb_shard_failed(shard) : adb_shard_flush_locked(shard);
    if (!*is_bound_out && err == ARMDB_OK)
        *plan_out = adb_shard_plan_locked(shard);
    adb_mutex_unlock(&shard->lock);
    return err;
}

/* Lets the device begin with the records up to `sequence`. */
static armdb_err
start_locked(struct shard *shard, uint64_t sequence)
{
    if (sequence <= shard->started)
        return ARMDB_OK;
    ADB_TRY(adb_shard_flush_locked(shard));
    shard->started = shard->writer.flushed_sequence;
    adb_log_writer_start_sync(&shard->writer);
    return ARMDB_OK;
}

void
adb_shard_start_commit(struct shard *shard)
{
    uint64_t ticket = atomic_load_explicit(&shard->newest_ticket, memory_order_relaxed);
    if (adb_shard_is_synced(shard, ticket))
        return;
    const armdb_error_detail detail = *adb_err_detail();
    adb_mutex_lock(&shard->lock);
    ADB_IGNORE(start_locked(shard, ticket));
    adb_mutex_unlock(&shard->lock);
    ADB_IGNORE(adb_err_restore(&detail));
}

armdb_err
adb_shard_start_sync(struct shard *shard)
{
    const armdb_error_detail detail = *adb_err_detail();
    adb_mutex_lock(&shard->lock);
    armdb_err err = start_locked(shard, shard->writer.sequence);
    adb_mutex_unlock(&shard->lock);
    if (err != ARMDB_NO_SPACE && err != ARMDB_NO_MEMORY)
        return err;
    ADB_IGNORE(adb_err_restore(&detail));
    return ARMDB_OK; /* the sync tries again, and tells */
}
