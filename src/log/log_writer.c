#include "log/log_writer.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "log/location.h"

enum {
    ZERO_BYTES = 4096,
    RESERVE_BYTES_MIN = 64 * 1024, /* reserved ahead: as much as the file has, between these two */
    RESERVE_BYTES_MAX = 8 * 1024 * 1024,
    RESERVE_UNIT = 4096,
    MARK_EVERY_BYTES = 4096, /* a MARK at most once in so many bytes: 1 % of the log */
    /* Zeros are written ahead by so much, if no more than a fourth of it is synced at once. */
    PREWRITE_BYTES = 256 * 1024,
    SMALL_SYNC_BYTES = PREWRITE_BYTES / 4
};

/* ----------------------------------------------------------------------- life */

armdb_err
adb_log_writer_init(struct log_writer *writer, uint64_t max_file_bytes, uint32_t tail_bytes)
{
    *writer = (struct log_writer){.max_file_bytes = max_file_bytes, .tail_bytes = tail_bytes};
    return adb_log_buffer_init(&writer->buffer, tail_bytes);
}

void
adb_log_writer_fini(struct log_writer *writer)
{
    adb_log_buffer_fini(&writer->buffer);
}

static struct log_tail *
current_tail(const struct log_writer *writer)
{
    /* Only the holder of the shard's lock stores it. */
    return atomic_load_explicit(&writer->active->tail, memory_order_relaxed);
}

static uint64_t
written_end(const struct log_writer *writer)
{
    return atomic_load_explicit(&writer->active->written, memory_order_relaxed);
}

/* Everything appended is with the system. */
static void
note_flushed(struct log_writer *writer)
{
    writer->flushed_end = writer->active->end;
    writer->flushed_sequence = writer->sequence;
}

/* Lets a window stand for what comes at the end of the active file. Everything before it must be
 * written. No reader comes to the window any more, but one may still copy what it was before. */
static void
begin_tail(struct log_writer *writer, struct log_tail *window)
{
    struct data_file *file = writer->active;
    ADB_ASSERT(file->end == written_end(writer));
    adb_log_tail_wait(window);
    adb_log_buffer_begin(&writer->buffer, window, file, file->end);
    adb_log_tail_publish(file, window);
}

/* Moves on to the other window. */
static void
advance_tail(struct log_writer *writer)
{
    struct log_tail *windows = writer->buffer.windows;
    begin_tail(writer, &windows[current_tail(writer) == &windows[0] ? 1 : 0]);
}

void
adb_log_writer_use(struct log_writer *writer, struct data_file *file)
{
    writer->active = file;
    note_flushed(writer);
    writer->planned_end = file->end;
    if (!file->is_sealed)
        begin_tail(writer, &writer->buffer.windows[0]);
}

/* The record that an entry becomes. */
static struct log_record
record_of(const struct log_writer *writer, const struct log_entry *entry)
{
    return (struct log_record){.value_len = (uint32_t)entry->value.len,
                               .sequence = writer->sequence + 1,
                               .flags = entry->flags,
                               .key_len = (uint32_t)entry->key.len,
                               .collection_id = entry->collection_id,
                               .deadline_ms = entry->deadline_ms};
}

/* Where a record that comes behind `offset` ends, and its PAD at most. */
static uint64_t
end_behind(uint64_t offset, const struct log_record *record)
{
    if (record->value_len >= LOCATION_LARGE)
        offset += adb_log_pad_bytes(offset, LOCATION_LARGE_ALIGNMENT);
    return offset + adb_log_record_bytes(record);
}

uint64_t
adb_log_writer_end_behind(const struct log_writer *writer, uint64_t offset,
                          const struct log_entry *entry)
{
    const struct log_record record = record_of(writer, entry);
    return end_behind(offset, &record);
}

bool
adb_log_writer_is_full(const struct log_writer *writer, const struct log_entry *entry)
{
    const struct data_file *file = writer->active;
    const struct log_record record = record_of(writer, entry);
    if (file == NULL || file->is_sealed)
        return true;
    if (entry->deadline_ms != 0 && file->header.version < LOG_VERSION_DEADLINES)
        return true; /* an older library would take the record for damage */
    if (writer->sequence == file->header.base_sequence)
        return false; /* a file takes at least one record, however long */
    uint64_t end = file->end + LOG_MARK_RECORD_BYTES;
    if (record.value_len >= LOCATION_LARGE)
        end = adb_round_up(end, LOCATION_LARGE_ALIGNMENT) + LOCATION_LARGE_ALIGNMENT;
    return end + adb_log_record_bytes(&record) > writer->max_file_bytes;
}

bool
adb_log_writer_keeps_room(const struct log_writer *writer, const struct log_entry *entry)
{
    const struct data_file *file = writer->active;
    const struct log_record record = record_of(writer, entry);
    /* A MARK before it, and the SEAL. */
    uint64_t end = file->end + adb_log_record_bytes(&record) + 2 * LOG_MARK_RECORD_BYTES;
    return record.flags == LOG_FLAG_TOMBSTONE && !file->is_sealed && end <= file->allocated &&
           end <= LOCATION_OFFSET_LIMIT;
}

/* ---------------------------------------------------------------------- space */

/* Makes sure that [file->end, end) can be written. */
static armdb_err
reserve(struct log_writer *writer, uint64_t end)
{
    struct data_file *file = writer->active;
    if (end <= file->allocated)
        return ARMDB_OK;
    uint64_t ahead = file->end;
    if (ahead < RESERVE_BYTES_MIN)
        ahead = RESERVE_BYTES_MIN;
    if (ahead > RESERVE_BYTES_MAX)
        ahead = RESERVE_BYTES_MAX;
    uint64_t need = adb_round_up(end, RESERVE_UNIT) - file->allocated;
    uint64_t bytes = need > ahead ? need : ahead;
    armdb_err err = adb_data_file_reserve(file, bytes);
    return err == ARMDB_NO_SPACE && bytes > need ? adb_data_file_reserve(file, need) : err;
}

/* The newest failure as one after which nothing is known about the file: ARMDB_IO, whatever the
 * system called it. */
static armdb_err
as_broken(void)
{
    armdb_error_detail detail = *adb_err_detail();
    detail.code = ARMDB_IO;
    return adb_err_restore(&detail);
}

/* Syncs a file, unless that has failed before: then it fails for the same reason. */
static armdb_err
sync_locked(struct data_file *file)
{
    if (file->is_sync_failed) {
        ADB_IGNORE(adb_fail_errno(file->sync_errno, "sync", file->path, 0));
        return as_broken();
    }
    if (ADB_PLANTED(PLANT_SYNC_SKIPPED) || adb_file_sync(file->file) == ARMDB_OK)
        return ARMDB_OK;
    file->is_sync_failed = !ADB_PLANTED(PLANT_SYNC_RETRIED);
    file->sync_errno = adb_err_detail()->os_errno;
    return as_broken();
}

/* The only way to sync a data file that is being written: the kernel tells a failure to one caller
 * only, so that the others must hear of it here. */
static armdb_err
sync_file(struct data_file *file)
{
    adb_mutex_lock(&file->sync_lock);
    armdb_err err = sync_locked(file);
    adb_mutex_unlock(&file->sync_lock);
    return err;
}

/* Cuts what is behind `offset` off for good. */
static armdb_err
cut_file(struct data_file *file, uint64_t offset)
{
    armdb_err err = adb_file_truncate(file->file, offset);
    if (err == ARMDB_OK)
        err = sync_file(file);
    if (err != ARMDB_OK)
        return as_broken();
    file->allocated = offset;
    if (file->prewritten > offset)
        file->prewritten = offset;
    return ARMDB_OK;
}

/*
 * Takes a write at `offset` back that lack of space or memory has stopped: whatever part of it is
 * in the file could pass for whole records after a crash (they may end in zeros, as files do),
 * though their writers are told that nothing was changed. If it cannot be removed for good, the log
 * is in doubt.
 */
static armdb_err
take_back(struct data_file *file, uint64_t offset, armdb_err err)
{
    if (err != ARMDB_NO_SPACE && err != ARMDB_NO_MEMORY)
        return as_broken();
    const armdb_error_detail detail = *adb_err_detail();
    if (ADB_PLANTED(PLANT_REFUSED_STAYS))
        return err;
    ADB_TRY(cut_file(file, offset));
    return adb_err_restore(&detail);
}

armdb_err
adb_log_writer_flush(struct log_writer *writer)
{
    struct data_file *file = writer->active;
    if (file == NULL || file->end == written_end(writer))
        return ARMDB_OK;
    struct log_tail *tail = current_tail(writer);
    uint64_t from = written_end(writer);
    const struct iovec iov = {tail->bytes + (from - tail->base), (size_t)(file->end - from)};
    size_t written = 0;
    armdb_err err = adb_file_write(file->file, &iov, 1, from, &written);
    writer->writes++;
    writer->written_bytes += err == ARMDB_OK ? iov.iov_len : written;
    if (err != ARMDB_OK)
        return take_back(file, from, err);
    atomic_store_explicit(&file->written, file->end, memory_order_release);
    note_flushed(writer);
    return ARMDB_OK;
}

/* Makes room for `bytes` at the end of the window. */
static armdb_err
make_room(struct log_writer *writer, uint64_t bytes)
{
    const struct log_tail *tail = current_tail(writer);
    if (writer->active->end + bytes <= tail->base + tail->capacity)
        return ARMDB_OK;
    ADB_TRY(adb_log_writer_flush(writer));
    advance_tail(writer);
    return ARMDB_OK;
}

/* --------------------------------------------------------------------- append */

/* Encodes a record at file->end inside the window, which has room for it. */
static void
encode_in_tail(struct log_writer *writer, const struct log_record *record,
               const struct log_entry *entry)
{
    struct data_file *file = writer->active;
    struct log_tail *tail = current_tail(writer);
    adb_log_encode_whole(file->seed, file->end, record, entry->key, entry->value.data,
                         tail->bytes + (file->end - tail->base));
    file->end += adb_log_record_bytes(record);
}

/* Writes a record that is larger than a window from where it is. */
static armdb_err
write_directly(struct log_writer *writer, const struct log_record *record,
               const struct log_entry *entry)
{
    static const unsigned char zeros[LOG_RECORD_ALIGNMENT] = {0};
    struct data_file *file = writer->active;
    unsigned char head[LOG_RECORD_HEAD_MAX + ARMDB_KEY_MAX];
    size_t front_len = adb_log_head_bytes(record->flags);
    size_t head_len = front_len + entry->key.len;
    uint64_t bytes = adb_log_record_bytes(record);
    size_t pad_len = (size_t)(bytes - head_len - record->value_len);
    size_t written = 0;

    ADB_TRY(adb_log_writer_flush(writer));
    adb_log_encode_head(file->seed, file->end, record, head);
    memcpy(head + front_len, entry->key.data, entry->key.len);
    uint32_t crc = adb_log_record_seed(file->seed, file->end);
    crc = adb_crc32c(crc, head + 4, head_len - 4);
    crc = adb_crc32c(crc, entry->value.data, record->value_len);
    adb_store_u32(head, adb_crc32c(crc, zeros, pad_len));

    /* struct iovec is for both directions, so it cannot say that a write only reads. */
    const struct iovec iov[3] = {{head, head_len},
                                 {(void *)(uintptr_t)entry->value.data, record->value_len},
                                 {(void *)(uintptr_t)zeros, pad_len}};
    armdb_err err = adb_file_write(file->file, iov, pad_len > 0 ? 3 : 2, file->end, &written);
    writer->writes++;
    writer->written_bytes += err == ARMDB_OK ? bytes : written;
    if (err != ARMDB_OK)
        return take_back(file, file->end, err);
    file->end += bytes;
    atomic_store_explicit(&file->written, file->end, memory_order_release);
    writer->sequence = record->sequence;
    note_flushed(writer);
    advance_tail(writer);
    return ARMDB_OK;
}

/* Appends a MARK or SEAL that says `synced_offset`. */
static armdb_err
append_mark(struct log_writer *writer, uint32_t kind, uint64_t synced_offset)
{
    struct data_file *file = writer->active;
    ADB_TRY(reserve(writer, file->end + LOG_MARK_RECORD_BYTES));
    ADB_TRY(make_room(writer, LOG_MARK_RECORD_BYTES));
    if (ADB_PLANTED(PLANT_MARK_TOO_FAR))
        synced_offset = file->end;
    struct log_tail *tail = current_tail(writer);
    adb_log_encode_mark(file->seed, file->end, kind, writer->sequence, synced_offset,
                        tail->bytes + (file->end - tail->base));
    file->marked = synced_offset;
    file->marked_at = file->end;
    file->end += LOG_MARK_RECORD_BYTES;
    return ARMDB_OK;
}

/* Keeps the log's own knowledge of what is synced fresh, at a bounded price. */
static armdb_err
append_mark_if_due(struct log_writer *writer)
{
    struct data_file *file = writer->active;
    uint64_t synced = atomic_load_explicit(&file->synced, memory_order_acquire);
    if (synced <= file->marked || file->end - file->marked_at < MARK_EVERY_BYTES)
        return ARMDB_OK;
    return append_mark(writer, LOG_META_MARK, synced);
}

/* Fills the file with a PAD up to the next multiple of LOCATION_LARGE_ALIGNMENT. */
static armdb_err
append_pad(struct log_writer *writer)
{
    struct data_file *file = writer->active;
    uint64_t bytes = adb_log_pad_bytes(file->end, LOCATION_LARGE_ALIGNMENT);
    if (bytes == 0)
        return ARMDB_OK;
    ADB_TRY(make_room(writer, bytes));
    struct log_tail *tail = current_tail(writer);
    adb_log_encode_pad(file->seed, file->end, writer->sequence, bytes,
                       tail->bytes + (file->end - tail->base));
    file->end += bytes;
    return ARMDB_OK;
}

/* Appends a record for which there is space. */
static armdb_err
append_record(struct log_writer *writer, const struct log_record *record,
              const struct log_entry *entry, uint64_t *offset_out)
{
    struct data_file *file = writer->active;
    uint64_t bytes = adb_log_record_bytes(record);
    if (record->value_len >= LOCATION_LARGE)
        ADB_TRY(append_pad(writer));
    uint64_t offset = file->end;
    ADB_ASSERT(offset < LOCATION_OFFSET_LIMIT);
    if (bytes > writer->tail_bytes) {
        ADB_TRY(write_directly(writer, record, entry));
    } else {
        ADB_TRY(make_room(writer, bytes));
        encode_in_tail(writer, record, entry);
        writer->sequence = record->sequence;
    }
    *offset_out = offset;
    return ARMDB_OK;
}

static void
check_record(const struct log_writer *writer, const struct log_record *record)
{
    ADB_ASSERT(adb_log_record_is_sane(record) && !writer->active->is_sealed);
    ADB_ASSERT((record->flags == LOG_FLAG_DEADLINE) == (record->deadline_ms != 0));
    ADB_ASSERT(record->sequence <= LOG_SEQUENCE_MAX);
}

armdb_err
adb_log_writer_append(struct log_writer *writer, const struct log_entry *entry,
                      uint64_t *offset_out)
{
    const struct log_record record = record_of(writer, entry);
    bool is_large = record.value_len >= LOCATION_LARGE;
    /* Room for what may come before the record, too. */
    uint64_t most = adb_log_record_bytes(&record) + LOG_MARK_RECORD_BYTES +
                    (is_large ? 2 * LOCATION_LARGE_ALIGNMENT : 0);
    /* Behind a tombstone, for the SEAL; behind others, for tombstones. */
    uint64_t kept = record.flags == LOG_FLAG_TOMBSTONE ? LOG_MARK_RECORD_BYTES : writer->kept_bytes;
    *offset_out = 0;
    check_record(writer, &record);
    ADB_TRY(reserve(writer, writer->active->end + most + kept));
    ADB_TRY(append_mark_if_due(writer));
    return append_record(writer, &record, entry, offset_out);
}

/* Takes back what was appended at `offset`, and is in the tail only. */
static void
take_from_tail(struct log_writer *writer, uint64_t offset)
{
    const struct log_tail *tail = current_tail(writer);
    uint64_t end = writer->active->end;
    ADB_ASSERT(offset >= written_end(writer) && offset < end);
    writer->active->end = offset;
    /* All of it: a record that is appended here may end where the next of these begins. */
    adb_log_buffer_forget(&writer->buffer, tail->bytes + (offset - tail->base),
                          (size_t)(end - offset));
}

void
adb_log_writer_undo(struct log_writer *writer, uint64_t offset)
{
    take_from_tail(writer, offset);
    writer->sequence--;
}

/* --------------------------------------------------------------------- batches */

uint64_t
adb_log_part_bytes_most(const struct log_entry *entry)
{
    const struct log_record record = {.value_len = (uint32_t)entry->value.len,
                                      .flags = entry->flags,
                                      .key_len = (uint32_t)entry->key.len};
    uint64_t pad = entry->value.len >= LOCATION_LARGE ? 2 * LOCATION_LARGE_ALIGNMENT : 0;
    return adb_log_record_bytes(&record) + pad;
}

uint64_t
adb_log_part_bytes_max(const struct log_writer *writer)
{
    uint64_t limit = writer->max_file_bytes;
    /* A MARK before, and the SEAL behind. */
    uint64_t beside = LOG_FILE_HEADER_BYTES + 2 * LOG_MARK_RECORD_BYTES +
                      adb_log_group_bytes(LOG_PARTICIPANTS_MAX);
    return limit > beside ? limit - beside : 0;
}

bool
adb_log_writer_has_room_for_part(const struct log_writer *writer, uint64_t bytes)
{
    const struct data_file *file = writer->active;
    return file != NULL && !file->is_sealed && file->header.version >= LOG_VERSION_GROUPS &&
           file->end - LOG_FILE_HEADER_BYTES + bytes <= adb_log_part_bytes_max(writer);
}

armdb_err
adb_log_writer_reserve_part(struct log_writer *writer, uint64_t bytes)
{
    uint64_t beside = LOG_MARK_RECORD_BYTES + adb_log_group_bytes(LOG_PARTICIPANTS_MAX);
    return reserve(writer, writer->active->end + bytes + beside + writer->kept_bytes);
}

armdb_err
adb_log_writer_begin_part(struct log_writer *writer, uint32_t n_participants, uint64_t *offset_out)
{
    ADB_TRY(append_mark_if_due(writer));
    ADB_TRY(make_room(writer, adb_log_group_bytes(n_participants)));
    *offset_out = writer->active->end;
    return ARMDB_OK;
}

void
adb_log_writer_append_group(struct log_writer *writer, const struct log_group *group,
                            const struct log_participant *participants)
{
    struct data_file *file = writer->active;
    struct log_tail *tail = current_tail(writer);
    ADB_ASSERT(!file->is_sealed && group->sequence > writer->sequence);
    adb_log_encode_group(file->seed, file->end, writer->sequence, group, participants,
                         tail->bytes + (file->end - tail->base));
    file->end += adb_log_group_bytes(group->n_participants);
}

armdb_err
adb_log_writer_append_to_part(struct log_writer *writer, const struct log_entry *entry,
                              uint64_t *offset_out)
{
    const struct log_record record = record_of(writer, entry);
    *offset_out = 0;
    check_record(writer, &record);
    return append_record(writer, &record, entry, offset_out);
}

armdb_err
adb_log_writer_undo_part(struct log_writer *writer, uint64_t offset, uint64_t sequence)
{
    struct data_file *file = writer->active;
    writer->sequence = sequence;
    if (offset >= written_end(writer)) {
        if (offset < file->end)
            take_from_tail(writer, offset);
        return ARMDB_OK;
    }
    ADB_TRY(cut_file(file, offset));
    /* Nobody has seen a location behind the cut, and all before it is in the file. */
    adb_log_tail_publish(file, NULL);
    for (int i = 0; i < LOG_BUFFER_WINDOWS; i++)
        adb_log_tail_wait(&writer->buffer.windows[i]);
    adb_log_buffer_wipe(&writer->buffer);
    file->end = offset;
    atomic_store_explicit(&file->written, offset, memory_order_release);
    note_flushed(writer);
    begin_tail(writer, &writer->buffer.windows[0]);
    return ARMDB_OK;
}

/* Writes zeros over [from, to), which is reserved and behind everything that was appended. */
static armdb_err
write_zeros(struct log_writer *writer, uint64_t from, uint64_t to)
{
    static unsigned char zeros[ZERO_BYTES]; /* not const: it would lie in the library's file */
    /* Page by page: a system that caches a file in pieces as large as the writes that made them is
     * slow to change little of one. */
    for (uint64_t at = from; at < to; at += ZERO_BYTES) {
        size_t written;
        const struct iovec iov = {zeros, ZERO_BYTES};
        ADB_TRY(adb_file_write(writer->active->file, &iov, 1, at, &written));
        writer->writes++;
        writer->written_bytes += ZERO_BYTES;
    }
    return ARMDB_OK;
}

armdb_err
adb_log_writer_prewrite(struct log_writer *writer)
{
    struct data_file *file = writer->active;
    uint64_t from = adb_round_up(file->end, ZERO_BYTES);
    uint64_t to = from + PREWRITE_BYTES;
    if (to > writer->max_file_bytes)
        to = writer->max_file_bytes & ~(uint64_t)(ZERO_BYTES - 1);
    if (!writer->syncs_little || from < file->prewritten || from >= to)
        return ARMDB_OK;
    const armdb_error_detail before = *adb_err_detail();
    armdb_err err = reserve(writer, to);
    if (err == ARMDB_OK)
        err = write_zeros(writer, from, to);
    if (err != ARMDB_OK && err != ARMDB_NO_SPACE && err != ARMDB_NO_MEMORY)
        return as_broken();
    /* What could not be prewritten is only slower to sync; not to be tried for each record. */
    file->prewritten = to;
    ADB_IGNORE(adb_err_restore(&before));
    return ARMDB_OK;
}

/* ----------------------------------------------------------------------- sync */

struct log_sync
adb_log_writer_plan_sync(struct log_writer *writer)
{
    writer->syncs_little = writer->flushed_end - writer->planned_end <= SMALL_SYNC_BYTES;
    writer->planned_end = writer->flushed_end;
    return (struct log_sync){writer->active, writer->flushed_end, writer->flushed_sequence};
}

void
adb_log_writer_start_sync(const struct log_writer *writer)
{
    const struct data_file *file = writer->active;
    uint64_t synced = atomic_load_explicit(&file->synced, memory_order_relaxed);
    if (synced < writer->flushed_end)
        adb_file_start_sync(file->file, synced, writer->flushed_end - synced);
}

armdb_err
adb_log_writer_sync_only(const struct log_sync *plan)
{
    if (plan->file == NULL ||
        plan->end <= atomic_load_explicit(&plan->file->synced, memory_order_acquire))
        return ARMDB_OK;
    return sync_file(plan->file);
}

void
adb_log_writer_note_synced(const struct log_sync *plan)
{
    if (plan->file == NULL)
        return;
    /* A later sync of the same file may have stored more already. */
    uint64_t synced = atomic_load_explicit(&plan->file->synced, memory_order_relaxed);
    while (synced < plan->end &&
           !atomic_compare_exchange_weak_explicit(&plan->file->synced, &synced, plan->end,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

armdb_err
adb_log_writer_sync(const struct log_sync *plan)
{
    ADB_TRY(adb_log_writer_sync_only(plan));
    adb_log_writer_note_synced(plan);
    return ARMDB_OK;
}

static armdb_err
flush_and_sync(struct log_writer *writer)
{
    ADB_TRY(adb_log_writer_flush(writer));
    const struct log_sync plan = adb_log_writer_plan_sync(writer);
    return adb_log_writer_sync(&plan);
}

/* Takes back a MARK or SEAL at `offset` that could not be written (it has no sequence number). */
static void
undo_mark(struct log_writer *writer, uint64_t offset)
{
    take_from_tail(writer, offset);
    /* There is no MARK there; the next record may end where one would have. */
    writer->active->marked = LOG_FILE_HEADER_BYTES;
    writer->active->marked_at = 0;
}

armdb_err
adb_log_writer_seal(struct log_writer *writer)
{
    struct data_file *file = writer->active;
    if (file == NULL || file->is_sealed)
        return ARMDB_OK;
    ADB_TRY(adb_log_writer_flush(writer));
    uint64_t offset = file->end;
    /* It vouches for what is synced by now only: the sync below may be cut short by a power loss
     * that keeps the SEAL and loses what is before it. */
    ADB_TRY(append_mark(writer, LOG_META_SEAL,
                        atomic_load_explicit(&file->synced, memory_order_acquire)));
    armdb_err err = adb_log_writer_flush(writer);
    if (err != ARMDB_OK) {
        undo_mark(writer, offset);
        return err;
    }
    /* What a write that ran out of space has left behind the SEAL must be gone for good before
     * there is a successor: the end of a sealed file is never cut. */
    err = adb_file_truncate(file->file, file->end);
    if (err != ARMDB_OK)
        return as_broken();
    ADB_TRY(flush_and_sync(writer));
    file->is_sealed = true;
    adb_log_tail_publish(file, NULL);
    return ARMDB_OK;
}

/* A log that is synced but has no room for its MARK is whole all the same. */
static armdb_err
finish_with_mark(struct log_writer *writer)
{
    uint64_t offset = writer->active->end;
    armdb_err err = append_mark(writer, LOG_META_MARK, offset);
    if (err == ARMDB_OK) {
        err = adb_log_writer_flush(writer);
        if (err != ARMDB_OK)
            undo_mark(writer, offset);
    }
    if (err == ARMDB_NO_SPACE)
        return ARMDB_OK;
    return err == ARMDB_OK ? flush_and_sync(writer) : err;
}

armdb_err
adb_log_writer_give_back(struct log_writer *writer)
{
    struct data_file *file = writer->active;
    if (file->is_sealed)
        return ARMDB_OK;
    ADB_TRY(adb_log_writer_flush(writer));
    if (adb_file_truncate(file->file, file->end) != ARMDB_OK)
        return as_broken();
    file->allocated = file->end;
    if (file->prewritten > file->end)
        file->prewritten = file->end;
    return ARMDB_OK;
}

armdb_err
adb_log_writer_finish(struct log_writer *writer)
{
    struct data_file *file = writer->active;
    if (file == NULL || file->is_sealed)
        return ARMDB_OK;
    bool is_marked = file->end == file->marked_at + LOG_MARK_RECORD_BYTES;
    bool is_synced = file->end == atomic_load_explicit(&file->synced, memory_order_acquire);
    if (!is_marked || !is_synced) {
        /* A MARK must not reach the device before what it vouches for. */
        ADB_TRY(flush_and_sync(writer));
        ADB_TRY(finish_with_mark(writer));
    }
    return file->allocated > file->end ? adb_file_truncate(file->file, file->end) : ARMDB_OK;
}
