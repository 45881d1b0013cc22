#include "log/data_file.h"

#include <inttypes.h>
#include <sched.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "log/filename.h"
#include "log/location.h"

enum {
    SMALL_RECORD_BYTES = 4096,    /* read whole, to the stack */
    DIRECT_BYTES_MAX = 240 * 1024 /* of a record that is read directly: by one read */
};

/* ----------------------------------------------------------------------- life */

static armdb_err
new_data_file(const char *directory, const struct log_file_header *header,
              struct data_file **file_out)
{
    char name[FILENAME_BYTES_MAX];
    struct data_file *file = adb_new(struct data_file);
    *file_out = NULL;
    if (file == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open data file", "no memory for a data file");
    file->header = *header;
    file->header.version = LOG_FORMAT_VERSION;
    file->as_of = header->base_sequence;
    file->seed = adb_log_file_seed(header);
    adb_filename_log(header->file_id, name);
    armdb_err err = adb_filename_join(directory, name, "", &file->path);
    if (err != ARMDB_OK) {
        adb_mem_free(file);
        return err;
    }
    adb_mutex_init(&file->sync_lock);
    *file_out = file;
    return ARMDB_OK;
}

static void
set_size(struct data_file *file, uint64_t bytes)
{
    file->end = bytes;
    file->allocated = bytes;
    file->marked = LOG_FILE_HEADER_BYTES;
    atomic_store_explicit(&file->written, bytes, memory_order_release);
    atomic_store_explicit(&file->synced, bytes, memory_order_relaxed);
}

void
adb_data_file_set_sealed(struct data_file *file, uint64_t bytes)
{
    set_size(file, bytes);
    file->is_sealed = true;
}

/* ----------------------------------------------------------------------- tail */

/* A reader pins a tail and then looks whether the file still has it; the writer takes it from the
 * file and then looks whether anybody has it pinned. All four are sequentially consistent, so at
 * least one of them sees the other. */

static _Atomic(uint64_t) *
own_pins(struct log_tail *tail)
{
    return &tail->pins.stripes[adb_counter_stripe_of_thread()].value;
}

struct log_tail *
adb_log_tail_pin(const struct data_file *file)
{
    struct log_tail *tail = atomic_load_explicit(&file->tail, memory_order_acquire);
    while (tail != NULL) {
        atomic_fetch_add_explicit(own_pins(tail), 1, memory_order_seq_cst);
        struct log_tail *now = atomic_load_explicit(&file->tail, memory_order_seq_cst);
        if (ADB_LIKELY(now == tail))
            break;
        adb_log_tail_unpin(tail);
        tail = now;
    }
    return tail;
}

void
adb_log_tail_unpin(struct log_tail *tail)
{
    /* Release: who sees the pin gone may fill the window. */
    if (tail != NULL)
        atomic_fetch_sub_explicit(own_pins(tail), 1, memory_order_release);
}

void
adb_log_tail_publish(struct data_file *file, struct log_tail *tail)
{
    atomic_store_explicit(&file->tail, tail, memory_order_seq_cst);
}

void
adb_log_tail_wait(const struct log_tail *tail)
{
    /* Stripe by stripe: whoever pinned the window while a file had it shows until he is done. */
    for (int i = 0; i < COUNTER_STRIPES; i++) {
        while (atomic_load_explicit(&tail->pins.stripes[i].value, memory_order_seq_cst) != 0)
            sched_yield();
    }
}

/* ------------------------------------------------------------------------ new */

static armdb_err
temporary_path(const char *directory, const struct data_file *file, char **path_out)
{
    char name[FILENAME_BYTES_MAX];
    adb_filename_log(file->header.file_id, name);
    return adb_filename_join(directory, name, FILENAME_TEMPORARY_SUFFIX, path_out);
}

static armdb_err
open_temporary(struct adb_os *os, const char *temporary, const char *from,
               struct adb_file **file_out)
{
    if (from != NULL) {
        ADB_TRY(adb_os_rename(os, from, temporary));
        armdb_err err = adb_os_open(os, temporary, ADB_OPEN_READ_WRITE, file_out);
        return err == ARMDB_NOT_FOUND
                   ? adb_fail_at(ARMDB_IO, "open data file", temporary, 0, "file is missing")
                   : err;
    }
    armdb_err err = adb_os_unlink(os, temporary); /* of a crash; usually there is none */
    if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
        return err;
    return adb_os_open(os, temporary, ADB_OPEN_CREATE_NEW, file_out);
}

/* Writes the header under the temporary name. */
static armdb_err
begin_temporary(struct adb_os *os, const char *temporary, const char *from, struct data_file *file)
{
    unsigned char bytes[LOG_FILE_HEADER_BYTES];
    const struct iovec iov = {bytes, sizeof bytes};
    size_t written;
    ADB_TRY(open_temporary(os, temporary, from, &file->file));
    adb_log_encode_file_header(&file->header, bytes);
    return adb_file_write(file->file, &iov, 1, 0, &written);
}

/* Gives a file that is synced its name. */
static armdb_err
give_name(struct adb_os *os, const char *directory, const char *temporary, struct data_file *file)
{
    ADB_TRY(adb_os_rename(os, temporary, file->path));
    if (!ADB_PLANTED(PLANT_NAME_UNSYNCED))
        ADB_TRY(adb_os_sync_dir(os, directory));
    /* Opened anew, because an open file tells errors under the name that it was opened by. */
    adb_file_discard(file->file);
    file->file = NULL;
    armdb_err err = adb_os_open(os, file->path, ADB_OPEN_READ_WRITE, &file->file);
    return err == ARMDB_NOT_FOUND
               ? adb_fail_at(ARMDB_IO, "open data file", file->path, 0, "file is missing")
               : err;
}

/* Removes the file, whichever name it has by now; what cannot be removed is swept at the next open,
 * or is whole. `temporary` is NULL if there is no memory for it. The calling thread's detail record
 * stays. */
static void
remove_names(struct adb_os *os, const char *temporary, const struct data_file *file)
{
    const armdb_error_detail detail = *adb_err_detail();
    if (temporary != NULL)
        (void)adb_os_unlink(os, temporary);
    (void)adb_os_unlink(os, file->path);
    ADB_IGNORE(adb_err_restore(&detail));
}

armdb_err
adb_data_file_begin(struct adb_os *os, const char *directory, const struct log_file_header *header,
                    const char *from, struct data_file **file_out)
{
    char *temporary;
    struct data_file *file;
    *file_out = NULL;
    ADB_TRY(new_data_file(directory, header, &file));
    armdb_err err = temporary_path(directory, file, &temporary);
    if (err == ARMDB_OK)
        err = begin_temporary(os, temporary, from, file);
    if (err == ARMDB_OK)
        set_size(file, LOG_FILE_HEADER_BYTES);
    else if (temporary != NULL)
        remove_names(os, temporary, file);
    adb_mem_free(temporary);
    if (err != ARMDB_OK) {
        adb_data_file_discard(file);
        return err;
    }
    *file_out = file;
    return ARMDB_OK;
}

armdb_err
adb_data_file_reserve(struct data_file *file, uint64_t bytes)
{
    const armdb_error_detail before = *adb_err_detail();
    if (bytes == 0)
        return ARMDB_OK;
    armdb_err err = adb_file_allocate(file->file, file->allocated, bytes);
    if (err == ARMDB_NO_SPACE)
        return err;
    /* Any other failure only means that there is no promise: if the disk is in trouble, the write
     * will say so. A call that succeeds leaves no trace of it. */
    ADB_IGNORE(adb_err_restore(&before));
    file->allocated += bytes;
    return ARMDB_OK;
}

armdb_err
adb_data_file_publish(struct adb_os *os, const char *directory, struct data_file *file)
{
    char *temporary;
    ADB_TRY(temporary_path(directory, file, &temporary));
    armdb_err err = adb_file_sync(file->file);
    if (err == ARMDB_OK)
        err = give_name(os, directory, temporary, file);
    adb_mem_free(temporary);
    return err;
}

void
adb_data_file_abandon(struct adb_os *os, const char *directory, struct data_file *file)
{
    char *temporary;
    if (file == NULL)
        return;
    const armdb_error_detail detail = *adb_err_detail();
    ADB_IGNORE(temporary_path(directory, file, &temporary));
    ADB_IGNORE(adb_err_restore(&detail));
    remove_names(os, temporary, file);
    adb_mem_free(temporary);
    adb_data_file_discard(file);
}

armdb_err
adb_data_file_create(struct adb_os *os, const char *directory, const struct log_file_header *header,
                     struct data_file **file_out)
{
    struct data_file *file;
    *file_out = NULL;
    ADB_TRY(adb_data_file_begin(os, directory, header, NULL, &file));
    armdb_err err = adb_data_file_publish(os, directory, file);
    if (err != ARMDB_OK) {
        adb_data_file_abandon(os, directory, file);
        return err;
    }
    *file_out = file;
    return ARMDB_OK;
}

/* ----------------------------------------------------------------------- open */

static armdb_err
check_header(struct data_file *file, uint64_t size)
{
    unsigned char bytes[LOG_FILE_HEADER_BYTES];
    const struct iovec iov = {bytes, sizeof bytes};
    struct log_file_header found;
    size_t got;
    ADB_TRY(adb_file_read(file->file, &iov, 1, 0, &got));
    if (got < sizeof bytes)
        return adb_fail_at(ARMDB_CORRUPT, "open data file", file->path, 0,
                           "file of %" PRIu64 " bytes is too short for a header of %d", size,
                           LOG_FILE_HEADER_BYTES);
    switch (adb_log_decode_file_header(bytes, &found)) {
    case LOG_HEADER_OK:
        break;
    case LOG_HEADER_BAD:
        return adb_fail_at(ARMDB_CORRUPT, "open data file", file->path, 0, "damaged file header");
    case LOG_HEADER_NEWER:
        return adb_fail_at(ARMDB_FORMAT, "open data file", file->path, 8,
                           "format version %" PRIu32 " is newer than %d, the newest known here",
                           adb_load_u32(bytes + 8), LOG_FORMAT_VERSION);
    }
    if (memcmp(found.db_id, file->header.db_id, LOG_DB_ID_BYTES) != 0)
        return adb_fail_at(ARMDB_CORRUPT, "open data file", file->path, 24,
                           "foreign file: it belongs to another database");
    if (found.shard != file->header.shard || found.file_id != file->header.file_id)
        return adb_fail_at(ARMDB_CORRUPT, "open data file", file->path, 12,
                           "misplaced file: it is file %" PRIu64 " of shard %" PRIu32,
                           found.file_id, found.shard);
    file->header = found;
    file->as_of = found.base_sequence;
    return ARMDB_OK;
}

armdb_err
adb_data_file_open(struct adb_os *os, const char *directory, const struct log_file_header *expected,
                   enum adb_open_how how, struct data_file **file_out)
{
    uint64_t size = 0;
    *file_out = NULL;
    struct data_file *file;
    ADB_TRY(new_data_file(directory, expected, &file));
    armdb_err err = adb_os_open(os, file->path, how, &file->file);
    if (err == ARMDB_NOT_FOUND)
        err = adb_fail_at(ARMDB_CORRUPT, "open data file", file->path, 0, "file is missing");
    if (err == ARMDB_OK)
        err = adb_file_size(file->file, &size);
    if (err == ARMDB_OK)
        err = check_header(file, size);
    if (err != ARMDB_OK) {
        adb_data_file_discard(file);
        return err;
    }
    set_size(file, size);
    *file_out = file;
    return ARMDB_OK;
}

armdb_err
adb_data_file_close(struct data_file *file)
{
    if (file == NULL)
        return ARMDB_OK;
    struct adb_file *direct = atomic_load_explicit(&file->direct, memory_order_relaxed);
    if (direct != file->file)
        adb_file_discard(direct);
    armdb_err err = adb_file_close(file->file);
    adb_mutex_fini(&file->sync_lock);
    adb_mem_free(file->path);
    adb_mem_free(file);
    return err;
}

void
adb_data_file_discard(struct data_file *file)
{
    const armdb_error_detail detail = *adb_err_detail();
    ADB_IGNORE(adb_data_file_close(file));
    ADB_IGNORE(adb_err_restore(&detail));
}

/* ----------------------------------------------------------------------- read */

/* Opens the file once more. What stands in the way stands in nobody's: there is another one. */
static struct adb_file *
open_direct(struct data_file *file)
{
    const armdb_error_detail detail = *adb_err_detail();
    struct adb_file *none = NULL;
    struct adb_file *direct;
    if (adb_os_open(file->file->os, file->path, ADB_OPEN_READ_DIRECT, &direct) != ARMDB_OK)
        direct = file->file;
    ADB_IGNORE(adb_err_restore(&detail));
    if (atomic_compare_exchange_strong_explicit(&file->direct, &none, direct, memory_order_acq_rel,
                                                memory_order_acquire))
        return direct;
    if (direct != file->file) /* another reader was faster */
        adb_file_discard(direct);
    return none;
}

struct adb_file *
adb_data_file_reader(struct data_file *file)
{
    struct adb_file *direct = atomic_load_explicit(&file->direct, memory_order_acquire);
    if (direct != NULL)
        return direct;
    const _Atomic(bool) *is_direct = file->source != NULL ? file->source->is_direct : NULL;
    /* Acquire: without a tail it is sealed, and synced. */
    if (is_direct == NULL || !atomic_load_explicit(is_direct, memory_order_relaxed) ||
        atomic_load_explicit(&file->tail, memory_order_acquire) != NULL)
        return file->file;
    return open_direct(file);
}

static armdb_err
damaged(const struct data_file *file, uint64_t offset, const char *what)
{
    return adb_fail_at(ARMDB_CORRUPT, "read record", file->path, offset, "%s", what);
}

/* A record that is looked for. */
struct wanted {
    uint64_t offset;
    uint64_t bytes;
    armdb_slice key;
    uint32_t key_at;          /* behind its first byte */
    struct log_record record; /* as far as the location tells */
};

static inline struct wanted
want(uint64_t location, armdb_slice key)
{
    const struct log_record record = adb_location_record(location, key.len);
    return (struct wanted){
        .offset = adb_location_offset(location),
        .bytes = adb_log_record_bytes(&record),
        .key = key,
        .key_at = adb_log_head_bytes(record.flags),
        .record = record,
    };
}

/* Takes the deadline of a record that is the one that was looked for. */
static armdb_err
take_deadline(const struct data_file *file, const struct wanted *wanted, const unsigned char *head,
              struct log_record *record, uint64_t *deadline_ms_out)
{
    if (ADB_UNLIKELY(!adb_log_record_is_of(record, head, &wanted->record, wanted->key)))
        return damaged(file, wanted->offset, "another record than the index says");
    if (ADB_UNLIKELY(!adb_log_decode_deadline(file->seed, wanted->offset, head, record)))
        return damaged(file, wanted->offset, "bad checksum of the deadline");
    *deadline_ms_out = record->deadline_ms;
    return ARMDB_OK;
}

/* Whether a record is the one that was looked for, and whole if `crc` is its checksum, not NULL.
 * `head` is its header and key. */
static armdb_err
check_record(const struct data_file *file, const struct wanted *wanted, const unsigned char *head,
             const uint32_t *crc, uint64_t *deadline_ms_out)
{
    struct log_record record;
    adb_log_decode_record(head, &record);
    if (ADB_UNLIKELY(crc != NULL && record.crc != *crc) && !ADB_PLANTED(PLANT_CHECKSUM_OF_READS))
        return damaged(file, wanted->offset, "bad checksum");
    return take_deadline(file, wanted, head, &record, deadline_ms_out);
}

static armdb_err
cut_short(const struct data_file *file, uint64_t offset)
{
    return damaged(file, offset, "the file ends inside the record");
}

/* The front of a record, or all of it, in one piece. */
struct piece {
    const struct wanted *wanted;
    size_t bytes;
    uint64_t deadline_ms; /* once it is checked */
    unsigned char at[SMALL_RECORD_BYTES];
};

static inline bool
is_whole(const struct piece *piece)
{
    return piece->bytes == piece->wanted->bytes;
}

/* A piece that is not whole has no checksum but its deadline's. */
static armdb_err
check_piece(const struct data_file *file, struct piece *piece, size_t got, bool with_checksum)
{
    const struct wanted *wanted = piece->wanted;
    uint32_t crc;
    if (ADB_UNLIKELY(got < piece->bytes))
        return cut_short(file, wanted->offset);
    with_checksum = with_checksum && is_whole(piece);
    if (with_checksum)
        crc = adb_log_record_crc(file->seed, wanted->offset, piece->at, wanted->bytes);
    return check_record(file, wanted, piece->at, with_checksum ? &crc : NULL, &piece->deadline_ms);
}

static armdb_err
read_directly(struct data_file *file, struct piece *piece)
{
    const struct iovec iov = {piece->at, piece->bytes};
    size_t got;
    ADB_TRY(adb_file_read(adb_data_file_reader(file), &iov, 1, piece->wanted->offset, &got));
    return check_piece(file, piece, got, file->verify_reads != ARMDB_VERIFY_NEVER);
}

/* Reads through the file's source. If that has it wrong, the file itself decides. */
static armdb_err
read_through_source(struct data_file *file, struct piece *piece, uint32_t *reads)
{
    const struct data_file_source *source = file->source;
    uint64_t offset = piece->wanted->offset;
    struct data_file_got got = {0};
    armdb_err err = source->read(source->context, file, offset, piece->bytes, piece->at, &got);
    *reads = got.reads;
    ADB_TRY(err);
    bool with_checksum = !got.is_right && file->verify_reads != ARMDB_VERIFY_NEVER;
    err = check_piece(file, piece, got.bytes, with_checksum);
    if (ADB_LIKELY(err == ARMDB_OK)) {
        if (with_checksum && got.place != NULL && is_whole(piece))
            source->note_right(&got);
        return ARMDB_OK;
    }
    source->forget(source->context, file, offset, piece->bytes);
    ++*reads;
    return read_directly(file, piece);
}

static armdb_err
read_piece(struct data_file *file, struct piece *piece, struct data_file_reading *reading)
{
    reading->reads = 1;
    if (file->source != NULL && file->source->read != NULL)
        ADB_TRY(read_through_source(file, piece, &reading->reads));
    else
        ADB_TRY(read_directly(file, piece));
    reading->deadline_ms = piece->deadline_ms;
    return ARMDB_OK;
}

/* Reads a record in one piece and copies its value out. */
static armdb_err
read_small(struct data_file *file, const struct wanted *wanted, unsigned char *to,
           struct data_file_reading *reading)
{
    struct piece piece;
    piece.wanted = wanted;
    piece.bytes = (size_t)wanted->bytes;
    ADB_TRY(read_piece(file, &piece, reading));
    if (wanted->record.value_len > 0)
        memcpy(to, piece.at + wanted->key_at + wanted->key.len, wanted->record.value_len);
    return ARMDB_OK;
}

/* Reads a record in three pieces: header and key; the value, straight to the caller; padding. */
static armdb_err
read_large(struct data_file *file, const struct wanted *wanted, unsigned char *to,
           struct data_file_reading *reading)
{
    unsigned char head[LOG_RECORD_HEAD_MAX + ARMDB_KEY_MAX];
    unsigned char pad[LOG_RECORD_ALIGNMENT];
    size_t head_len = wanted->key_at + wanted->key.len;
    size_t pad_len = (size_t)wanted->bytes - head_len - wanted->record.value_len;
    const struct iovec iov[3] = {{head, head_len}, {to, wanted->record.value_len}, {pad, pad_len}};
    size_t got;
    /* What is long is read through the system's memory: it asks for all of it at once. */
    struct adb_file *from = wanted->bytes <= DIRECT_BYTES_MAX ? adb_data_file_reader(file)
                                                              : file->file;
    reading->reads = 1;
    ADB_TRY(adb_file_read(from, iov, 3, wanted->offset, &got));
    if (got < wanted->bytes)
        return cut_short(file, wanted->offset);
    if (file->verify_reads == ARMDB_VERIFY_NEVER)
        return check_record(file, wanted, head, NULL, &reading->deadline_ms);
    uint32_t crc = adb_log_record_seed(file->seed, wanted->offset);
    crc = adb_crc32c(crc, head + 4, head_len - 4);
    crc = adb_crc32c(crc, to, wanted->record.value_len);
    crc = adb_crc32c(crc, pad, pad_len);
    return check_record(file, wanted, head, &crc, &reading->deadline_ms);
}

static armdb_err
read_from_file(struct data_file *file, const struct wanted *wanted, unsigned char *to,
               struct data_file_reading *reading)
{
    if (wanted->bytes <= SMALL_RECORD_BYTES)
        return read_small(file, wanted, to, reading);
    return read_large(file, wanted, to, reading);
}

/* Looks where a record is. In memory: it begins at *at_out, and *tail_out is pinned for the caller.
 * In the file: both are NULL. */
static armdb_err
place_of(struct data_file *file, const struct wanted *wanted, struct log_tail **tail_out,
         const unsigned char **at_out)
{
    uint64_t end = wanted->offset + wanted->bytes;
    *tail_out = NULL;
    *at_out = NULL;
    for (;;) {
        if (end <= atomic_load_explicit(&file->written, memory_order_acquire))
            return ARMDB_OK;
        struct log_tail *tail = adb_log_tail_pin(file);
        if (tail != NULL && wanted->offset >= tail->base && end <= tail->base + tail->capacity) {
            *tail_out = tail;
            *at_out = tail->bytes + (wanted->offset - tail->base);
            return ARMDB_OK;
        }
        adb_log_tail_unpin(tail);
        /* The tail moved on after `written` was looked at; the newer value covers the record, so
         * the second round always ends here unless a location was wrong. */
        if (end > atomic_load_explicit(&file->written, memory_order_acquire))
            return damaged(file, wanted->offset, "the index points behind the end of the log");
    }
}

static armdb_err
take_deadline_at(const struct data_file *file, const struct wanted *wanted, const unsigned char *at,
                 uint64_t *deadline_ms_out)
{
    struct log_record record;
    adb_log_decode_record(at, &record);
    return take_deadline(file, wanted, at, &record, deadline_ms_out);
}

armdb_err
adb_data_file_read_value(struct data_file *file, uint64_t location, armdb_slice key, void *to,
                         struct data_file_reading *reading_out)
{
    const struct wanted wanted = want(location, key);
    struct log_tail *tail;
    const unsigned char *at;
    *reading_out = (struct data_file_reading){0};
    ADB_TRY(place_of(file, &wanted, &tail, &at));
    if (at == NULL)
        return read_from_file(file, &wanted, (unsigned char *)to, reading_out);
    armdb_err err = ARMDB_OK;
    if (wanted.record.value_len > 0)
        memcpy(to, at + wanted.key_at + key.len, wanted.record.value_len);
    if (ADB_UNLIKELY(adb_location_has_deadline(location)))
        err = take_deadline_at(file, &wanted, at, &reading_out->deadline_ms);
    adb_log_tail_unpin(tail);
    return err;
}

armdb_err
adb_data_file_read_deadline(struct data_file *file, uint64_t location, armdb_slice key,
                            struct data_file_reading *reading_out)
{
    const struct wanted wanted = want(location, key);
    struct log_tail *tail;
    const unsigned char *at;
    struct piece piece;
    *reading_out = (struct data_file_reading){0};
    ADB_TRY(place_of(file, &wanted, &tail, &at));
    if (at != NULL) {
        armdb_err err = take_deadline_at(file, &wanted, at, &reading_out->deadline_ms);
        adb_log_tail_unpin(tail);
        return err;
    }
    piece.wanted = &wanted;
    piece.bytes = wanted.bytes <= SMALL_RECORD_BYTES ? (size_t)wanted.bytes
                                                     : wanted.key_at + key.len;
    return read_piece(file, &piece, reading_out);
}
