#include "log/hint_file.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "log/filename.h"

static armdb_err
make_path(const char *directory, uint64_t file_id, const char *suffix, char **path_out)
{
    char name[FILENAME_BYTES_MAX];
    adb_filename_hint(file_id, name);
    return adb_filename_join(directory, name, suffix, path_out);
}

void
adb_hint_remove(struct adb_os *os, const char *directory, uint64_t file_id)
{
    const armdb_error_detail detail = *adb_err_detail();
    char *path;
    if (make_path(directory, file_id, "", &path) == ARMDB_OK) {
        (void)adb_os_unlink(os, path);
        adb_mem_free(path);
    }
    ADB_IGNORE(adb_err_restore(&detail));
}

static uint64_t
offset_of(uint32_t chunk)
{
    return HINT_HEADER_BYTES + (uint64_t)chunk * HINT_CHUNK_BYTES;
}

/* --------------------------------------------------------------------- writing */

struct hint_writer {
    struct adb_os *os;     /* borrowed */
    struct adb_file *file; /* owned; NULL: closed */
    char *path;            /* owned */
    char *temporary;       /* owned */
    uint32_t seed;
    uint32_t chunks; /* written */
};

static void
free_writer(struct hint_writer *writer)
{
    adb_mem_free(writer->temporary);
    adb_mem_free(writer->path);
    adb_mem_free(writer);
}

static armdb_err
create_temporary(struct hint_writer *writer, const char *directory, uint64_t file_id)
{
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
    writer->seed = adb_hint_seed(header);
    armdb_err err = create_temporary(writer, directory, header->file.file_id);
    if (err != ARMDB_OK) {
        free_writer(writer);
        return err;
    }
    *writer_out = writer;
    return ARMDB_OK;
}

armdb_err
adb_hint_write(struct hint_writer *writer, struct hint_chunk *chunk)
{
    const struct iovec iov = {chunk->bytes, HINT_CHUNK_BYTES};
    size_t written;
    adb_hint_seal_chunk(chunk->bytes, writer->seed, writer->chunks);
    return adb_file_write(writer->file, &iov, 1, offset_of(writer->chunks++), &written);
}

/* The header comes last: without it, what is there means nothing. */
static armdb_err
write_header(struct hint_writer *writer, const struct hint_header *header)
{
    unsigned char bytes[HINT_HEADER_BYTES];
    const struct iovec iov = {bytes, sizeof bytes};
    size_t written;
    ADB_ASSERT(header->chunks == writer->chunks && adb_hint_seed(header) == writer->seed);
    adb_hint_encode_header(header, bytes);
    ADB_TRY(adb_file_write(writer->file, &iov, 1, 0, &written));
    return adb_file_sync(writer->file);
}

armdb_err
adb_hint_commit(struct hint_writer *writer, const struct hint_header *header)
{
    armdb_err err = write_header(writer, header);
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
    (void)adb_os_unlink(writer->os, writer->temporary); /* else the next open sweeps it */
    free_writer(writer);
    ADB_IGNORE(adb_err_restore(&detail));
}

/* --------------------------------------------------------------------- reading */

struct hint_reader {
    struct adb_file *file; /* owned */
    char *path;            /* owned */
    struct hint_header header;
    uint32_t seed;
    bool is_sealed; /* what it tells of ends in a SEAL, not in a MARK */
    uint64_t marked;
    uint32_t *segments; /* owned */
    uint32_t n_segments;
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
read_mark(struct data_file *file, struct hint_reader *reader, bool *is_there_out)
{
    const struct hint_header *header = &reader->header;
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
    reader->is_sealed = kind == LOG_META_SEAL;
    reader->marked = adb_load_u64(bytes + LOG_RECORD_HEADER_BYTES + 8);
    return ARMDB_OK;
}

static bool
is_same_file(const struct log_file_header *a, const struct log_file_header *b)
{
    return a->shard == b->shard && a->file_id == b->file_id &&
           a->base_sequence == b->base_sequence && memcmp(a->db_id, b->db_id, LOG_DB_ID_BYTES) == 0;
}

/* Whether its counts can be of a data file that long. */
static bool
is_plausible(const struct hint_header *header)
{
    return header->dead_bytes <= header->data_bytes &&
           header->tombstone_bytes <= header->data_bytes - header->dead_bytes &&
           header->group_bytes <=
               header->data_bytes - header->dead_bytes - header->tombstone_bytes &&
           header->records <= header->data_bytes / LOG_RECORD_HEADER_BYTES;
}

const char adb_hint_is_stale[] = "of another version, or of what the data file is no more";

/* Reads the header, and looks whether it fits the data file. */
static armdb_err
judge(struct data_file *file, bool is_newest, struct hint_reader *reader, const char **why_not)
{
    unsigned char bytes[HINT_HEADER_BYTES];
    uint64_t data_size;
    size_t got;
    bool is_there;
    *why_not = "damaged header";
    ADB_TRY(read_at(reader->file, 0, bytes, sizeof bytes, &got));
    if (got < sizeof bytes || !adb_hint_decode_header(bytes, &reader->header))
        return ARMDB_OK;
    *why_not = adb_hint_is_stale;
    if (reader->header.version != HINT_FORMAT_VERSION)
        return ARMDB_OK;
    *why_not = "of another data file";
    if (!is_same_file(&reader->header.file, &file->header))
        return ARMDB_OK;
    *why_not = "counts more than there can be";
    if (!is_plausible(&reader->header))
        return ARMDB_OK;
    *why_not = adb_hint_is_stale;
    ADB_TRY(adb_file_size(file->file, &data_size));
    if (reader->header.data_bytes > data_size)
        return ARMDB_OK;
    ADB_TRY(read_mark(file, reader, &is_there));
    if (!is_there)
        return ARMDB_OK;
    if (!is_newest && (!reader->is_sealed || reader->header.data_bytes != data_size) &&
        !ADB_PLANTED(PLANT_HINT_STALE))
        return ARMDB_OK;
    *why_not = NULL;
    return ARMDB_OK;
}

enum { AT_ONCE = 16 /* chunks */ };

/* Looks at some chunks, whether they are whole. */
static armdb_err
check_chunks(struct hint_reader *reader, uint32_t from, uint32_t n, unsigned char *bytes,
             bool *is_whole_out)
{
    size_t want = (size_t)n * HINT_CHUNK_BYTES;
    size_t got;
    ADB_TRY(read_at(reader->file, offset_of(from), bytes, want, &got));
    *is_whole_out = got == want;
    for (uint32_t i = 0; i < n && *is_whole_out; i++) {
        const unsigned char *chunk = bytes + (size_t)i * HINT_CHUNK_BYTES;
        *is_whole_out = adb_hint_chunk_is_whole(chunk, reader->seed, from + i) ||
                        ADB_PLANTED(PLANT_CHECKSUM_OF_HINTS);
        if (adb_hint_begins_segment(chunk))
            reader->segments[reader->n_segments++] = from + i;
    }
    return ARMDB_OK;
}

/* Reads all chunks. */
static armdb_err
check_all(struct hint_reader *reader, const char **why_not)
{
    uint32_t chunks = reader->header.chunks;
    uint64_t size;
    *why_not = "damaged";
    ADB_TRY(adb_file_size(reader->file, &size));
    if (size != offset_of(chunks))
        return ARMDB_OK;
    reader->segments = adb_new_array(uint32_t, (size_t)chunks + 1);
    unsigned char *bytes = (unsigned char *)adb_mem_alloc((size_t)AT_ONCE * HINT_CHUNK_BYTES);
    if (reader->segments == NULL || bytes == NULL) {
        adb_mem_free(bytes);
        return adb_fail(ARMDB_NO_MEMORY, "read hint", "no memory for a hint of %u chunks", chunks);
    }
    bool is_whole = true;
    armdb_err err = ARMDB_OK;
    for (uint32_t from = 0; err == ARMDB_OK && is_whole && from < chunks; from += AT_ONCE)
        err = check_chunks(reader, from, chunks - from < AT_ONCE ? chunks - from : AT_ONCE, bytes,
                           &is_whole);
    adb_mem_free(bytes);
    ADB_TRY(err);
    if (is_whole && (chunks == 0 || (reader->n_segments != 0 && reader->segments[0] == 0)))
        *why_not = NULL;
    return ARMDB_OK;
}

armdb_err
adb_hint_open(struct data_file *file, const char *directory, bool is_newest,
              struct hint_reader **reader_out, const char **why_not)
{
    *reader_out = NULL;
    *why_not = NULL;
    struct adb_os *os = file->file->os;
    struct hint_reader *reader = adb_new(struct hint_reader);
    if (reader == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "read hint", "no memory for a hint's reader");
    armdb_err err = make_path(directory, file->header.file_id, "", &reader->path);
    if (err != ARMDB_OK)
        goto out;
    armdb_err open_err = adb_os_open(os, reader->path, ADB_OPEN_READ, &reader->file);
    if (open_err != ARMDB_OK) {
        err = open_err == ARMDB_NOT_FOUND ? ARMDB_OK : open_err;
        goto out;
    }
    err = judge(file, is_newest, reader, why_not);
    if (err != ARMDB_OK || *why_not != NULL)
        goto out;
    reader->seed = adb_hint_seed(&reader->header);
    err = check_all(reader, why_not);
    if (err != ARMDB_OK || *why_not != NULL)
        goto out;
    *reader_out = reader;
    return ARMDB_OK;
out:
    adb_hint_close(reader);
    return err;
}

const struct hint_header *
adb_hint_header(const struct hint_reader *reader)
{
    return &reader->header;
}

void
adb_hint_get_end(const struct hint_reader *reader, struct log_scan_result *result_out)
{
    *result_out = (struct log_scan_result){
        .how = LOG_SCAN_WHOLE,
        .end = reader->header.data_bytes,
        .size = reader->header.data_bytes,
        .sequence = reader->header.last_sequence,
        .group_bytes = reader->header.group_bytes,
        .records = reader->header.records,
        .marked = reader->marked,
        .marked_at = reader->header.data_bytes - LOG_MARK_RECORD_BYTES,
        .is_sealed = reader->is_sealed,
    };
}

const uint32_t *
adb_hint_segments(const struct hint_reader *reader, uint32_t *n_out)
{
    *n_out = reader->n_segments;
    return reader->segments;
}

armdb_err
adb_hint_read(const struct hint_reader *reader, uint32_t number, unsigned char *to)
{
    size_t got;
    ADB_TRY(read_at(reader->file, offset_of(number), to, HINT_CHUNK_BYTES, &got));
    if (got < HINT_CHUNK_BYTES || !adb_hint_chunk_is_whole(to, reader->seed, number))
        return adb_fail_at(ARMDB_CORRUPT, "recover", reader->path, offset_of(number),
                           "the hint was whole a moment ago");
    return ARMDB_OK;
}

const char *
adb_hint_path(const struct hint_reader *reader)
{
    return reader->path;
}

void
adb_hint_close(struct hint_reader *reader)
{
    if (reader == NULL)
        return;
    adb_file_discard(reader->file);
    adb_mem_free(reader->segments);
    adb_mem_free(reader->path);
    adb_mem_free(reader);
}
