#include "log/hint_file.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "log/filename.h"
#include "log/location.h"

static armdb_err
make_path(const char *directory, uint64_t file_id, const char *suffix, char **path_out)
{
    char name[FILENAME_BYTES_MAX];
    adb_filename_hint(file_id, name);
    return adb_filename_join(directory, name, suffix, path_out);
}

armdb_err
adb_hint_remove(struct adb_os *os, const char *directory, uint64_t file_id)
{
    char *path;
    ADB_TRY(make_path(directory, file_id, "", &path));
    armdb_err err = adb_os_unlink(os, path);
    adb_mem_free(path);
    return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
}

/* --------------------------------------------------------------------- writing */

struct hint_writer {
    struct adb_os *os;     /* borrowed */
    struct adb_file *file; /* owned; NULL: not made yet */
    char *path;            /* owned */
    char *temporary;       /* owned */
    struct hint_header header;
    uint32_t seed;
    size_t filled; /* bytes of the chunk, with its head */
    unsigned char chunk[HINT_CHUNK_BYTES_MAX];
};

static void
free_writer(struct hint_writer *writer)
{
    adb_mem_free(writer->temporary);
    adb_mem_free(writer->path);
    adb_mem_free(writer);
}

static armdb_err
create_temporary(struct hint_writer *writer, const char *directory)
{
    uint64_t file_id = writer->header.file.file_id;
    ADB_TRY(make_path(directory, file_id, "", &writer->path));
    ADB_TRY(make_path(directory, file_id, FILENAME_TEMPORARY_SUFFIX, &writer->temporary));
    armdb_err err = adb_os_unlink(writer->os, writer->temporary); /* usually there is none */
    if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
        return err;
    return adb_os_open(writer->os, writer->temporary, ADB_OPEN_CREATE_NEW, &writer->file);
}

armdb_err
adb_hint_begin(struct adb_os *os, const char *directory, const struct hint_header *header,
               struct hint_writer **writer_out)
{
    *writer_out = NULL;
    struct hint_writer *writer = adb_new(struct hint_writer);
    if (writer == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "write hint", "no memory for a hint's writer");
    writer->os = os;
    writer->header = *header;
    writer->header.entries = 0;
    writer->header.body_bytes = 0;
    writer->seed = adb_hint_seed(header);
    writer->filled = HINT_CHUNK_HEAD_BYTES;
    armdb_err err = create_temporary(writer, directory);
    if (err != ARMDB_OK) {
        free_writer(writer);
        return err;
    }
    *writer_out = writer;
    return ARMDB_OK;
}

static armdb_err
write_chunk(struct hint_writer *writer)
{
    if (writer->filled == HINT_CHUNK_HEAD_BYTES)
        return ARMDB_OK;
    const struct iovec iov = {writer->chunk, writer->filled};
    uint64_t offset = HINT_HEADER_BYTES + writer->header.body_bytes;
    size_t written;
    adb_hint_seal_chunk(writer->seed, offset, writer->chunk, writer->filled);
    ADB_TRY(adb_file_write(writer->file, &iov, 1, offset, &written));
    writer->header.body_bytes += writer->filled;
    writer->filled = HINT_CHUNK_HEAD_BYTES;
    return ARMDB_OK;
}

armdb_err
adb_hint_add(struct hint_writer *writer, const struct hint_entry *entry)
{
    size_t bytes = adb_hint_entry_bytes(entry);
    ADB_ASSERT(entry->record.key_len <= ARMDB_KEY_MAX && bytes <= HINT_ENTRY_BYTES_MAX);
    if (writer->filled + bytes > HINT_CHUNK_BYTES_MAX)
        ADB_TRY(write_chunk(writer));
    adb_hint_encode_entry(entry, writer->chunk + writer->filled);
    writer->filled += bytes;
    writer->header.entries++;
    return ARMDB_OK;
}

/* The header comes last: without it, what is there means nothing. */
static armdb_err
write_rest(struct hint_writer *writer)
{
    unsigned char bytes[HINT_HEADER_BYTES];
    const struct iovec iov = {bytes, sizeof bytes};
    size_t written;
    ADB_TRY(write_chunk(writer));
    adb_hint_encode_header(&writer->header, bytes);
    ADB_TRY(adb_file_write(writer->file, &iov, 1, 0, &written));
    return adb_file_sync(writer->file);
}

armdb_err
adb_hint_commit(struct hint_writer *writer)
{
    armdb_err err = write_rest(writer);
    if (err == ARMDB_OK) {
        err = adb_file_close(writer->file);
        writer->file = NULL;
    }
    if (err == ARMDB_OK)
        err = adb_os_rename(writer->os, writer->temporary, writer->path);
    if (err != ARMDB_OK) {
        adb_hint_abandon(writer);
        return err;
    }
    free_writer(writer);
    return ARMDB_OK;
}

void
adb_hint_abandon(struct hint_writer *writer)
{
    if (writer == NULL)
        return;
    const armdb_error_detail detail = *adb_err_detail();
    adb_file_discard(writer->file);
    ADB_IGNORE(adb_os_unlink(writer->os, writer->temporary)); /* else the next open sweeps it */
    free_writer(writer);
    ADB_IGNORE(adb_err_restore(&detail));
}

/* --------------------------------------------------------------------- reading */

struct hint_reader {
    struct adb_file *file; /* owned */
    struct hint_header header;
    struct hint_end end;
    uint32_t seed;
    uint64_t offset;  /* of the next chunk in the hint */
    uint64_t entries; /* handed out */
    uint64_t resume;  /* see adb_hint_resume() */
    size_t at;        /* of the next entry in the chunk */
    size_t bytes;     /* of the chunk */
    unsigned char chunk[HINT_CHUNK_BYTES_MAX];
};

static armdb_err
read_at(struct adb_file *file, uint64_t offset, void *to, size_t bytes, size_t *got_out)
{
    const struct iovec iov = {to, bytes};
    *got_out = 0;
    return adb_file_read(file, &iov, 1, offset, got_out);
}

/* Reads the MARK or SEAL that the hint names. False: it is not there. */
static armdb_err
read_mark(struct data_file *file, const struct hint_header *header, struct hint_end *end_out,
          bool *is_there_out)
{
    unsigned char bytes[LOG_MARK_RECORD_BYTES];
    struct log_record record;
    size_t got;
    *is_there_out = false;
    if (header->data_bytes < LOG_FILE_HEADER_BYTES + LOG_MARK_RECORD_BYTES ||
        header->data_bytes % LOG_RECORD_ALIGNMENT != 0)
        return ARMDB_OK;
    uint64_t at = header->data_bytes - LOG_MARK_RECORD_BYTES;
    ADB_TRY(read_at(file->file, at, bytes, sizeof bytes, &got));
    adb_log_decode_record(bytes, &record);
    unsigned char kind = bytes[LOG_RECORD_HEADER_BYTES];
    *is_there_out = got == sizeof bytes &&
                    record.crc == adb_log_record_crc(file->seed, at, bytes, sizeof bytes) &&
                    record.flags == LOG_FLAG_META && record.value_len == LOG_MARK_VALUE_BYTES &&
                    (kind == LOG_META_MARK || kind == LOG_META_SEAL) &&
                    record.sequence == header->last_sequence;
    *end_out = (struct hint_end){.end = header->data_bytes,
                                 .sequence = record.sequence,
                                 .marked = adb_load_u64(bytes + LOG_RECORD_HEADER_BYTES + 8),
                                 .marked_at = at,
                                 .is_sealed = kind == LOG_META_SEAL};
    return ARMDB_OK;
}

static bool
is_same_file(const struct log_file_header *a, const struct log_file_header *b)
{
    return a->shard == b->shard && a->file_id == b->file_id &&
           a->base_sequence == b->base_sequence && memcmp(a->db_id, b->db_id, LOG_DB_ID_BYTES) == 0;
}

/* Reads the header, and looks whether it fits the data file. */
static armdb_err
judge(struct data_file *file, struct hint_reader *reader, const char **why_not)
{
    unsigned char bytes[HINT_HEADER_BYTES];
    uint64_t data_size;
    size_t got;
    bool is_there;
    *why_not = "damaged header";
    if (read_at(reader->file, 0, bytes, sizeof bytes, &got) != ARMDB_OK || got < sizeof bytes ||
        !adb_hint_decode_header(bytes, &reader->header))
        return ARMDB_OK;
    *why_not = "of another data file";
    if (!is_same_file(&reader->header.file, &file->header))
        return ARMDB_OK;
    *why_not = "the data file is not what the hint tells of";
    ADB_TRY(adb_file_size(file->file, &data_size));
    if (reader->header.data_bytes > data_size)
        return ARMDB_OK;
    ADB_TRY(read_mark(file, &reader->header, &reader->end, &is_there));
    if (!is_there || (reader->end.is_sealed && reader->header.data_bytes != data_size))
        return ARMDB_OK;
    *why_not = NULL;
    return ARMDB_OK;
}

armdb_err
adb_hint_open(struct data_file *file, const char *directory, struct hint_reader **reader_out,
              const char **why_not)
{
    char *path;
    *reader_out = NULL;
    *why_not = NULL;
    struct adb_os *os = file->file->os;
    ADB_TRY(make_path(directory, file->header.file_id, "", &path));
    struct hint_reader *reader = adb_new(struct hint_reader);
    armdb_err err = ARMDB_OK;
    if (reader == NULL) {
        err = adb_fail(ARMDB_NO_MEMORY, "read hint", "no memory for a hint's reader");
        goto out;
    }
    armdb_err open_err = adb_os_open(os, path, ADB_OPEN_READ, &reader->file);
    if (open_err != ARMDB_OK) {
        *why_not = open_err == ARMDB_NOT_FOUND ? NULL : "cannot be opened";
        goto out;
    }
    err = judge(file, reader, why_not);
    if (err != ARMDB_OK || *why_not != NULL)
        goto out;
    reader->seed = adb_hint_seed(&reader->header);
    reader->offset = HINT_HEADER_BYTES;
    reader->resume = LOG_FILE_HEADER_BYTES;
    *reader_out = reader;
    reader = NULL;
out:
    adb_hint_close(reader);
    adb_mem_free(path);
    return err;
}

const struct hint_end *
adb_hint_end(const struct hint_reader *reader)
{
    return &reader->end;
}

/* Makes the next chunk the one that entries are taken from. */
static enum hint_step
next_chunk(struct hint_reader *reader)
{
    const struct hint_header *header = &reader->header;
    size_t got;
    if (reader->offset - HINT_HEADER_BYTES == header->body_bytes)
        return reader->entries == header->entries ? HINT_END : HINT_DAMAGED;
    if (read_at(reader->file, reader->offset, reader->chunk, sizeof reader->chunk, &got) !=
        ARMDB_OK)
        return HINT_DAMAGED;
    size_t bytes = adb_hint_chunk_bytes(reader->seed, reader->offset, reader->chunk, got);
    if (bytes == 0 || reader->offset - HINT_HEADER_BYTES + bytes > header->body_bytes)
        return HINT_DAMAGED;
    reader->offset += bytes;
    reader->bytes = bytes;
    reader->at = HINT_CHUNK_HEAD_BYTES;
    return HINT_ENTRY;
}

/* Whether a record can be where an entry says: behind the one before, in front of the mark. */
static inline bool
is_placed(const struct hint_reader *reader, const struct hint_entry *entry, uint64_t bytes)
{
    return entry->offset >= reader->resume && entry->offset + bytes <= reader->end.marked_at &&
           (entry->record.value_len < LOCATION_LARGE ||
            entry->offset % LOCATION_LARGE_ALIGNMENT == 0);
}

enum hint_step
adb_hint_next(struct hint_reader *reader, struct hint_entry *entry_out)
{
    if (reader->at == reader->bytes) {
        enum hint_step step = next_chunk(reader);
        if (step != HINT_ENTRY)
            return step;
    }
    size_t bytes = adb_hint_decode_entry(reader->chunk + reader->at, reader->bytes - reader->at,
                                         entry_out);
    if (ADB_UNLIKELY(bytes == 0))
        return HINT_DAMAGED;
    const struct log_record *record = &entry_out->record;
    uint64_t record_bytes = adb_log_record_bytes(record->key_len, record->value_len);
    if (ADB_UNLIKELY(!is_placed(reader, entry_out, record_bytes)))
        return HINT_DAMAGED;
    reader->at += bytes;
    reader->entries++;
    reader->resume = entry_out->offset + record_bytes;
    return HINT_ENTRY;
}

uint64_t
adb_hint_resume(const struct hint_reader *reader)
{
    return reader->resume;
}

void
adb_hint_close(struct hint_reader *reader)
{
    if (reader == NULL)
        return;
    adb_file_discard(reader->file);
    adb_mem_free(reader);
}
