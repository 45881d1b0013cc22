#include "shard/shard_batch.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/err.h"
#include "shard/shard_private.h"

#define EACH_OP(batch, part, i)                                                                    \
    for (uint32_t i = (part)->first; i != UINT32_MAX; i = (batch)->ops[i].next)

uint64_t
adb_shard_part_bytes_max(const struct shard *shard)
{
    return adb_log_part_bytes_max(&shard->writer);
}

static void
lock_parts(const struct shard_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_parts; i++)
        adb_mutex_lock(&batch->parts[i].shard->lock);
}

static void
unlock_parts(const struct shard_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_parts; i++)
        adb_mutex_unlock(&batch->parts[i].shard->lock);
}

/* ----------------------------------------------------------------------- checks */

/* Whether the key has the value that is expected. One that is in the log was read without the lock:
 * it is the same as long as it is in the same place of the same file. */
static armdb_err
check_value(const struct shard *shard, const struct shard_batch_op *op, uint64_t location,
            const unsigned char *inlined)
{
    if (adb_location_value_len(location) != op->expected.len)
        return ARMDB_CHANGED;
    if (op->write.index->keys.value_bytes == 0)
        return location == op->expected_at.location &&
                       adb_shard_place(shard, location).file_key == op->expected_at.file_key
                   ? ARMDB_OK
                   : ARMDB_BUSY;
    return memcmp(inlined, op->expected.data, op->expected.len) == 0 ? ARMDB_OK : ARMDB_CHANGED;
}

static armdb_err
check_condition(struct shard *shard, const struct shard_batch_op *op)
{
    unsigned char inlined[ARMDB_CONST_VALUE_MAX];
    uint64_t deadline_ms;
    struct adb_index *keys = &op->write.index->keys;
    if (op->condition == SHARD_ALWAYS)
        return ARMDB_OK;
    uint64_t location = adb_index_get(keys, op->write.key, keys->value_bytes != 0 ? inlined : NULL);
    armdb_err err = ARMDB_NOT_FOUND;
    if (location != 0)
        err = adb_shard_read_deadline(shard, location, op->write.key, &deadline_ms);
    if (op->condition == SHARD_ABSENT && (err == ARMDB_OK || err == ARMDB_NOT_FOUND))
        return err == ARMDB_OK ? ARMDB_EXISTS : ARMDB_OK;
    if (err == ARMDB_OK && op->condition == SHARD_VALUE)
        err = check_value(shard, op, location, inlined);
    return err;
}

static armdb_err
check_part(struct shard_batch *batch, const struct shard_batch_part *part)
{
    ADB_TRY(adb_shard_failed(part->shard));
    EACH_OP(batch, part, i)
    {
        const struct shard_batch_op *op = &batch->ops[i];
        armdb_err err = adb_shard_check_index(op->write.index);
        if (err == ARMDB_OK)
            err = check_condition(part->shard, op);
        if (err != ARMDB_OK) {
            batch->refused = i;
            return err;
        }
    }
    return ARMDB_OK;
}

/* Sets aside what publishing needs, as far as it can be known. */
static armdb_err
prepare_part(struct shard_batch *batch, struct shard_batch_part *part)
{
    part->is_begun = false;
    part->is_to_be_told = false;
    if (part->n_writes == 0)
        return ARMDB_OK;
    EACH_OP(batch, part, i)
    {
        const struct shard_write *write = &batch->ops[i].write;
        if (!batch->ops[i].is_write)
            continue;
        if (write->verb == SHARD_PUT)
            ADB_TRY(adb_index_prepare(&write->index->keys, write->key, &part->shard->spare));
        if (ADB_UNLIKELY(write->index->listener != NULL))
            ADB_TRY(adb_shard_prepare_change(part->shard, write));
    }
    ADB_TRY(adb_shard_fence_unless_harmless(
        part->shard, adb_log_writer_reserve_part(&part->shard->writer, part->bytes)));
    if (batch->durability != ARMDB_SYNCED)
        return ARMDB_OK;
    return adb_shard_fence_unless_harmless(part->shard,
                                           adb_log_writer_prewrite(&part->shard->writer));
}

/* --------------------------------------------------------------------- appending */

/* The other shards that get a part, and where it ends in theirs. */
static uint32_t
list_others(const struct shard_batch *batch, const struct shard_batch_part *part,
            struct log_participant *others_out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        const struct shard_batch_part *other = &batch->parts[i];
        if (other != part && other->n_writes > 0)
            others_out[n++] = (struct log_participant){other->shard->identity.shard,
                                                       other->before + other->n_writes};
    }
    return n;
}

static armdb_err
append_part(struct shard_batch *batch, struct shard_batch_part *part)
{
    struct log_participant others[LOG_PARTICIPANTS_MAX];
    struct log_writer *writer = &part->shard->writer;
    struct log_group group = {.sequence = part->before + part->n_writes,
                              .n_participants = list_others(batch, part, others)};
    ADB_TRY(adb_log_writer_begin_part(writer, group.n_participants, &part->at));
    part->is_begun = true;
    uint64_t from = part->at + adb_log_group_bytes(group.n_participants);
    uint64_t end = from;
    EACH_OP(batch, part, i)
    {
        const struct log_entry entry = adb_shard_entry_of(&batch->ops[i].write);
        if (batch->ops[i].is_write)
            end = adb_log_writer_end_behind(writer, end, &entry);
    }
    group.bytes = end - from;
    adb_log_writer_append_group(writer, &group, others);
    EACH_OP(batch, part, i)
    {
        const struct log_entry entry = adb_shard_entry_of(&batch->ops[i].write);
        if (batch->ops[i].is_write)
            ADB_TRY(adb_log_writer_append_to_part(writer, &entry, &batch->ops[i].offset));
    }
    ADB_ASSERT(writer->active->end == end && writer->sequence == group.sequence);
    return ARMDB_OK;
}

static uint32_t
count_writers(const struct shard_batch *batch)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < batch->n_parts; i++)
        n += batch->parts[i].n_writes > 0;
    return n;
}

/*
 * Whether a part must go to the system by a call of its own. As for single writes; and one of
 * several always, unless it is with the system anyway: if the process is killed when one part is
 * flushed and another is not, the first is cut off, with all that was written behind it.
 */
static bool
needs_flush(const struct shard_batch *batch, const struct shard_batch_part *part)
{
    if (batch->durability == ARMDB_SYNCED && batch->ticket_out == NULL)
        return true;
    return !adb_log_writer_is_shared(&part->shard->writer) &&
           (batch->durability == ARMDB_WRITTEN || count_writers(batch) > 1);
}

static armdb_err
append_all(struct shard_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_parts; i++)
        batch->parts[i].before = batch->parts[i].shard->writer.sequence;
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        if (batch->parts[i].n_writes > 0)
            ADB_TRY(append_part(batch, &batch->parts[i]));
    }
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        const struct shard_batch_part *part = &batch->parts[i];
        if (part->n_writes > 0 && needs_flush(batch, part))
            ADB_TRY(adb_log_writer_flush(&part->shard->writer));
    }
    return ARMDB_OK;
}

static void
fence_writers(const struct shard_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        if (batch->parts[i].n_writes > 0)
            adb_shard_fence_locked(batch->parts[i].shard);
    }
}

/*
 * Takes back what was appended. If one log is in doubt, all refuse writes: a part that is in that
 * one names record numbers of the others, which must not be given to other records.
 */
static armdb_err
undo_all(const struct shard_batch *batch, armdb_err err)
{
    const armdb_error_detail detail = *adb_err_detail();
    bool is_harmless = err == ARMDB_NO_SPACE || err == ARMDB_NO_MEMORY;
    bool is_undone = true;
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        const struct shard_batch_part *part = &batch->parts[i];
        if (part->is_begun &&
            adb_log_writer_undo_part(&part->shard->writer, part->at, part->before) != ARMDB_OK)
            is_undone = false;
    }
    if (is_undone || !is_harmless)
        err = adb_err_restore(&detail);
    if (is_undone && is_harmless)
        return err;
    fence_writers(batch);
    return adb_err_detail()->code;
}

/* -------------------------------------------------------------------- publishing */

/* The batch is in the log by now. */
static armdb_err
publish_part(const struct shard_batch *batch, struct shard_batch_part *part)
{
    struct shard *shard = part->shard;
    uint64_t sequence = part->before;
    EACH_OP(batch, part, i)
    {
        struct shard_batch_op *op = &batch->ops[i];
        if (!op->is_write)
            continue;
        /* What was prepared was for one key. */
        if (op->write.verb == SHARD_PUT)
            ADB_TRY(adb_index_prepare(&op->write.index->keys, op->write.key, &shard->spare));
        adb_shard_publish(shard, &op->write, op->offset, ++sequence);
        part->is_to_be_told |= op->write.index->listener != NULL;
        if (op->write.object == NULL)
            continue;
        /* The index has the object now, and each can be there once: if the batch is committed
         * again, readers decode the value. */
        atomic_fetch_sub_explicit(&op->write.object->references, 1, memory_order_release);
        op->write.object = NULL;
    }
    adb_shard_count_toll(shard, part->bytes);
    return ARMDB_OK;
}

static armdb_err
publish_all(struct shard_batch *batch)
{
    uint32_t n_writers = count_writers(batch);
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        struct shard *shard = batch->parts[i].shard;
        if (batch->parts[i].n_writes == 0)
            continue;
        if (n_writers > 1)
            shard->bound_sequence = shard->writer.sequence;
        atomic_fetch_add_explicit(&shard->writer.active->group_bytes,
                                  adb_log_group_bytes(n_writers - 1), memory_order_relaxed);
    }
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        armdb_err err = publish_part(batch, &batch->parts[i]);
        if (err == ARMDB_OK)
            continue;
        err =
            adb_fail(ARMDB_FAILED, "batch",
                     "the batch is in the log, but there was no memory to show all of it in shard "
                     "%" PRIu32 ": its shards refuse writes; open the database anew",
                     batch->parts[i].shard->identity.shard);
        fence_writers(batch);
        return err;
    }
    return ARMDB_OK;
}

static void
drop_changes(const struct shard_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_parts; i++)
        adb_shard_drop_changes(batch->parts[i].shard);
}

static armdb_err
write_prepared(struct shard_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_parts; i++)
        ADB_TRY(prepare_part(batch, &batch->parts[i]));
    armdb_err err = append_all(batch);
    return err == ARMDB_OK ? publish_all(batch) : undo_all(batch, err);
}

/* Goes on in new files where a part does not fit; *full_out: in a shard that must be settled for
 * that. */
static armdb_err
make_room(const struct shard_batch *batch, struct shard **full_out)
{
    *full_out = NULL;
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        const struct shard_batch_part *part = &batch->parts[i];
        if (part->n_writes == 0 ||
            adb_log_writer_has_room_for_part(&part->shard->writer, part->bytes))
            continue;
        armdb_err err = adb_shard_rotate(part->shard);
        if (err == ARMDB_BUSY)
            *full_out = part->shard;
        if (err != ARMDB_OK)
            return err;
    }
    return ARMDB_OK;
}

static armdb_err
gather(const struct shard_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_parts; i++)
        ADB_TRY(adb_shard_failed(batch->parts[i].shard));
    return batch->gather(batch->gather_context);
}

static armdb_err
write_locked(struct shard_batch *batch, struct shard **full_out)
{
    *full_out = NULL;
    if (batch->gather != NULL)
        ADB_TRY(gather(batch));
    for (uint32_t i = 0; i < batch->n_parts; i++)
        ADB_TRY(check_part(batch, &batch->parts[i]));
    ADB_TRY(make_room(batch, full_out));
    armdb_err err = write_prepared(batch);
    if (err != ARMDB_OK)
        drop_changes(batch);
    return err;
}

/* Under the locks: the first part's end is the ticket of all, because nothing passes it before all
 * are on the device. */
static void
take_ticket(const struct shard_batch *batch)
{
    for (uint32_t i = 0; batch->ticket_out != NULL && i < batch->n_parts; i++) {
        struct shard *shard = batch->parts[i].shard;
        if (batch->parts[i].n_writes == 0)
            continue;
        *batch->ticket_out = shard->writer.sequence;
        *batch->ticket_part_out = i;
        atomic_store_explicit(&shard->newest_ticket, shard->writer.sequence, memory_order_relaxed);
        return;
    }
}

/* Behind the locks. */
static void
tell_and_pay(const struct shard_batch *batch)
{
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        const struct shard_batch_part *part = &batch->parts[i];
        if (adb_shard_owes_toll(part->shard))
            adb_shard_pay_toll(part->shard);
        if (ADB_UNLIKELY(part->is_to_be_told))
            adb_shard_tell(part->shard, part->before + part->n_writes);
    }
}

armdb_err
adb_shard_write_batch(struct shard_batch *batch)
{
    struct shard *full;
    armdb_err err;
    batch->refused = UINT32_MAX;
    do {
        uint64_t full_id = 0;
        lock_parts(batch);
        err = write_locked(batch, &full);
        if (full != NULL)
            full_id = full->writer.active->header.file_id;
        if (err == ARMDB_OK && batch->durability == ARMDB_SYNCED)
            take_ticket(batch);
        unlock_parts(batch);
        if (full != NULL)
            ADB_TRY(adb_shard_rotate_bound(full, full_id));
    } while (full != NULL);
    tell_and_pay(batch); /* also of what was shown before memory ran out */
    ADB_TRY(err);
    if (batch->durability != ARMDB_SYNCED || batch->ticket_out != NULL)
        return ARMDB_OK;
    for (uint32_t i = 0; i < batch->n_parts; i++) {
        const struct shard_batch_part *part = &batch->parts[i];
        if (part->n_writes > 0)
            ADB_TRY(adb_shard_commit_seen(part->shard, part->before + part->n_writes));
    }
    return ARMDB_OK;
}
