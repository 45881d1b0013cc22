#include "log/log_copy.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "log/location.h"

enum { BUFFER_BYTES = 1024 * 1024 };

_Static_assert(LOG_SCAN_VALUE_MAX + ARMDB_KEY_MAX + LOG_RECORD_HEAD_MAX < BUFFER_BYTES,
               "a record whose value is handed out fits the buffer");

armdb_err
adb_log_copy_begin(struct log_copy *copy, struct adb_os *os, const char *directory,
                   const struct log_file_header *header, const char *from, uint64_t bytes)
{
    *copy = (struct log_copy){.os = os, .directory = directory, .end = LOG_FILE_HEADER_BYTES};
    ADB_ASSERT(header->is_copy && header->last_sequence > header->base_sequence);
    copy->buffer = (unsigned char *)adb_mem_alloc(BUFFER_BYTES);
    if (copy->buffer == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "compact", "no memory for a buffer of %d bytes",
                        BUFFER_BYTES);
    armdb_err err = adb_data_file_begin(os, directory, header, from, &copy->file);
    if (err == ARMDB_OK)
        err = adb_data_file_reserve(copy->file, bytes);
    if (err != ARMDB_OK)
        adb_log_copy_abandon(copy);
    return err;
}

static armdb_err
write_buffer(struct log_copy *copy)
{
    const struct iovec iov = {copy->buffer, copy->filled};
    size_t written;
    if (copy->filled == 0)
        return ARMDB_OK;
    ADB_TRY(adb_file_write(copy->file->file, &iov, 1, copy->end - copy->filled, &written));
    /* So that there is less to wait for when the copy is synced. */
    adb_file_start_sync(copy->file->file, copy->end - copy->filled, copy->filled);
    copy->filled = 0;
    return ARMDB_OK;
}

/* Where the next `bytes` go; they count as added. At most BUFFER_BYTES. */
static armdb_err
make_room(struct log_copy *copy, uint64_t bytes, unsigned char **to_out)
{
    *to_out = NULL;
    ADB_ASSERT(bytes <= BUFFER_BYTES);
    if (copy->filled + bytes > BUFFER_BYTES)
        ADB_TRY(write_buffer(copy));
    *to_out = copy->buffer + copy->filled;
    copy->filled += (size_t)bytes;
    copy->end += bytes;
    return ARMDB_OK;
}

static armdb_err
add_pad(struct log_copy *copy)
{
    unsigned char *to;
    uint64_t bytes = adb_log_pad_bytes(copy->end, LOCATION_LARGE_ALIGNMENT);
    uint64_t offset = copy->end;
    if (bytes == 0)
        return ARMDB_OK;
    ADB_TRY(make_room(copy, bytes, &to));
    adb_log_encode_pad(copy->file->seed, offset, copy->file->header.last_sequence, bytes, to);
    return ARMDB_OK;
}

/* A value on its way from one file to the other, with the checksums of both records. */
struct transfer {
    const struct data_file *from;
    uint64_t read_at; /* in it */
    uint64_t left;    /* bytes of value and padding */
    uint32_t crc_from;
    uint32_t crc_to;
};

/* The bytes behind header and key, piece by piece through the buffer, which is empty. */
static armdb_err
transfer_rest(struct log_copy *copy, struct transfer *transfer)
{
    while (transfer->left > 0) {
        size_t piece = transfer->left < BUFFER_BYTES ? (size_t)transfer->left : BUFFER_BYTES;
        const struct iovec iov = {copy->buffer, piece};
        size_t done;
        ADB_TRY(adb_file_read(transfer->from->file, &iov, 1, transfer->read_at, &done));
        if (done < piece)
            return adb_fail_at(ARMDB_CORRUPT, "compact", transfer->from->path, transfer->read_at,
                               "the file has shrunk");
        transfer->crc_from = adb_crc32c(transfer->crc_from, copy->buffer, piece);
        transfer->crc_to = adb_crc32c(transfer->crc_to, copy->buffer, piece);
        ADB_TRY(adb_file_write(copy->file->file, &iov, 1, copy->end, &done));
        copy->end += piece;
        transfer->read_at += piece;
        transfer->left -= piece;
    }
    return ARMDB_OK;
}

/* A record whose value was not handed out: that goes first, the head, with the checksum, last. */
static armdb_err
add_large(struct log_copy *copy, const struct data_file *from, const struct log_scan_record *found)
{
    unsigned char head[LOG_RECORD_HEAD_MAX + ARMDB_KEY_MAX];
    const struct log_record *record = &found->record;
    size_t front_len = adb_log_head_bytes(record->flags);
    size_t head_len = front_len + found->key.len;
    uint64_t offset = copy->end;
    const struct iovec iov = {head, head_len};
    size_t written;
    ADB_TRY(write_buffer(copy));
    memcpy(head + front_len, found->key.data, found->key.len);
    adb_log_encode_head(from->seed, found->offset, record, head);
    uint32_t crc_from = adb_crc32c(adb_log_record_seed(from->seed, found->offset), head + 4,
                                   head_len - 4);
    adb_log_encode_head(copy->file->seed, offset, record, head);
    struct transfer transfer = {
        .from = from,
        .read_at = found->offset + head_len,
        .left = adb_log_record_bytes(record) - head_len,
        .crc_from = crc_from,
        .crc_to = adb_crc32c(adb_log_record_seed(copy->file->seed, offset), head + 4, head_len - 4),
    };
    copy->end += head_len;
    ADB_TRY(transfer_rest(copy, &transfer));
    if (transfer.crc_from != record->crc)
        return adb_fail_at(ARMDB_CORRUPT, "compact", from->path, found->offset, "bad checksum");
    adb_store_u32(head, transfer.crc_to);
    return adb_file_write(copy->file->file, &iov, 1, offset, &written);
}

armdb_err
adb_log_copy_add(struct log_copy *copy, const struct data_file *from,
                 const struct log_scan_record *found, uint64_t *offset_out)
{
    const struct log_record *record = &found->record;
    unsigned char *to;
    *offset_out = 0;
    if (record->value_len >= LOCATION_LARGE)
        ADB_TRY(add_pad(copy));
    uint64_t offset = copy->end;
    if (offset >= LOCATION_OFFSET_LIMIT)
        return adb_fail_at(ARMDB_LIMIT, "compact", copy->file->path, offset,
                           "the copy would need more than %" PRIu64 " bytes",
                           LOCATION_OFFSET_LIMIT);
    if (found->value == NULL && record->value_len > 0) {
        ADB_TRY(add_large(copy, from, found));
    } else {
        ADB_TRY(make_room(copy, adb_log_record_bytes(record), &to));
        adb_log_encode_whole(copy->file->seed, offset, record, found->key, found->value, to);
    }
    *offset_out = offset;
    return ARMDB_OK;
}

armdb_err
adb_log_copy_seal(struct log_copy *copy)
{
    unsigned char *to;
    uint64_t offset = copy->end;
    struct data_file *file = copy->file;
    ADB_TRY(make_room(copy, LOG_MARK_RECORD_BYTES, &to));
    adb_log_encode_mark(file->seed, offset, LOG_META_SEAL, file->header.last_sequence,
                        LOG_FILE_HEADER_BYTES, to);
    ADB_TRY(write_buffer(copy));
    ADB_TRY(adb_file_truncate(file->file, copy->end)); /* gives back what was reserved */
    return adb_file_sync(file->file);
}

armdb_err
adb_log_copy_publish(struct log_copy *copy, struct data_file **file_out)
{
    struct data_file *file = copy->file;
    *file_out = NULL;
    ADB_TRY(adb_data_file_publish(copy->os, copy->directory, file));
    adb_data_file_set_sealed(file, copy->end);
    copy->file = NULL;
    adb_log_copy_fini(copy);
    *file_out = file;
    return ARMDB_OK;
}

void
adb_log_copy_abandon(struct log_copy *copy)
{
    if (copy->file != NULL)
        adb_data_file_abandon(copy->os, copy->directory, copy->file);
    copy->file = NULL;
    adb_log_copy_fini(copy);
}

void
adb_log_copy_fini(struct log_copy *copy)
{
    if (copy->file != NULL)
        adb_data_file_discard(copy->file);
    adb_mem_free(copy->buffer);
    *copy = (struct log_copy){0};
}
