/*
 * The body of a hint file: the first byte says what to put right, the rest stands behind a good
 * header. With checksums and chunk heads put right, inputs get to the entries.
 *
 * A reader must hand out only records that can be where it says, in the order of the data file, and
 * end; and what it handed out, written anew, is a hint that says the same.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "fuzz/fuzz_input.h"
#include "log/hint_file.h"
#include "support/os_sim.h"

enum { FIX_CRC = 1, FIX_COUNT = 2 };
enum { SIZE_MAX_BYTES = 300 * 1024, DATA_BYTES = 1024 * 1024, LAST_SEQUENCE = 77 };

static const struct log_file_header FILE_HEADER = {.db_id = {1, 2, 3}, .file_id = 1};

/* A data file of the right length, of which nothing is looked at but its header and SEAL. */
static struct data_file *
make_data_file(struct sim *sim)
{
    struct data_file *file;
    unsigned char *bytes = (unsigned char *)calloc(1, DATA_BYTES);
    ADB_ASSERT(bytes != NULL);
    uint64_t seal_at = DATA_BYTES - LOG_MARK_RECORD_BYTES;
    adb_log_encode_file_header(&FILE_HEADER, bytes);
    adb_log_encode_mark(adb_log_file_seed(&FILE_HEADER), seal_at, LOG_META_SEAL, LAST_SEQUENCE,
                        seal_at, bytes + seal_at);
    sim_make_dir(sim, "/log");
    sim_write_file(sim, "/log/0000000001.log", bytes, DATA_BYTES);
    free(bytes);
    ADB_ASSERT(adb_data_file_open(sim_os(sim), "/log", &FILE_HEADER, ADB_OPEN_READ, &file) ==
               ARMDB_OK);
    return file;
}

/* Makes whole chunks of what is there: each takes the length that it has, as far as that goes. */
static void
put_right(uint32_t seed, unsigned char *bytes, size_t size)
{
    size_t at = HINT_HEADER_BYTES;
    while (size - at > HINT_CHUNK_HEAD_BYTES) {
        size_t left = size - at;
        size_t most = left < HINT_CHUNK_BYTES_MAX ? left : HINT_CHUNK_BYTES_MAX;
        uint64_t len = (uint64_t)adb_load_u32(bytes + at + 4) + HINT_CHUNK_HEAD_BYTES;
        if (len <= HINT_CHUNK_HEAD_BYTES || len > most)
            len = most;
        adb_hint_seal_chunk(seed, at, bytes + at, (size_t)len);
        at += (size_t)len;
    }
}

/* Counts the entries of whole chunks as a reader does that believes in all of them. */
static uint64_t
count_entries(uint32_t seed, const unsigned char *bytes, size_t size)
{
    uint64_t count = 0;
    size_t at = HINT_HEADER_BYTES;
    for (;;) {
        size_t chunk = adb_hint_chunk_bytes(seed, at, bytes + at, size - at);
        if (chunk == 0)
            return count;
        size_t in = HINT_CHUNK_HEAD_BYTES;
        struct hint_entry entry;
        size_t len = 1;
        while (in < chunk && len != 0) {
            len = adb_hint_decode_entry(bytes + at + in, chunk - in, &entry);
            count += len != 0;
            in += len;
        }
        at += chunk;
    }
}

/* Reads a hint to its end; a copy is written of what it says. Returns the number of entries. */
static uint64_t
read_all(struct data_file *file, struct hint_writer *copy, enum hint_step *how_out)
{
    struct hint_reader *reader;
    struct hint_entry entry;
    const char *why_not;
    uint64_t count = 0;
    uint64_t end = LOG_FILE_HEADER_BYTES;
    ADB_ASSERT(adb_hint_open(file, "/log", &reader, &why_not) == ARMDB_OK);
    ADB_ASSERT(reader != NULL);
    while ((*how_out = adb_hint_next(reader, &entry)) == HINT_ENTRY) {
        const struct log_record *record = &entry.record;
        ADB_ASSERT(adb_log_record_is_sane(record) && record->flags != LOG_FLAG_META);
        ADB_ASSERT(entry.offset >= end && entry.offset % LOG_RECORD_ALIGNMENT == 0);
        end = entry.offset + adb_log_record_bytes(record->key_len, record->value_len);
        ADB_ASSERT(end <= DATA_BYTES - LOG_MARK_RECORD_BYTES && end == adb_hint_resume(reader));
        ADB_ASSERT(entry.value == NULL || record->value_len <= HINT_VALUE_MAX);
        if (copy != NULL)
            ADB_ASSERT(adb_hint_add(copy, &entry) == ARMDB_OK);
        count++;
    }
    adb_hint_close(reader);
    return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint32_t what = take_u8(&input);
    if (input.size > SIZE_MAX_BYTES)
        return 0;
    size_t len = HINT_HEADER_BYTES + input.size;
    unsigned char *bytes = (unsigned char *)calloc(1, len);
    ADB_ASSERT(bytes != NULL);
    struct hint_header header = {.file = FILE_HEADER,
                                 .data_bytes = DATA_BYTES,
                                 .last_sequence = LAST_SEQUENCE,
                                 .body_bytes = input.size};
    uint32_t seed = adb_hint_seed(&header);
    if (input.size > 0)
        memcpy(bytes + HINT_HEADER_BYTES, input.data, input.size);
    if ((what & FIX_CRC) != 0)
        put_right(seed, bytes, len);
    if ((what & FIX_COUNT) != 0)
        header.entries = count_entries(seed, bytes, len);
    adb_hint_encode_header(&header, bytes);

    struct sim *sim = sim_new(1);
    struct data_file *file = make_data_file(sim);
    struct hint_writer *copy;
    enum hint_step how;
    sim_write_file(sim, "/log/0000000001.hint", bytes, len);
    ADB_ASSERT(adb_hint_begin(sim_os(sim), "/log", &header, &copy) == ARMDB_OK);
    uint64_t count = read_all(file, copy, &how);
    ADB_ASSERT(how != HINT_END || count == header.entries);
    ADB_ASSERT(adb_hint_commit(copy) == ARMDB_OK);
    ADB_ASSERT(read_all(file, NULL, &how) == count && how == HINT_END);
    ADB_IGNORE(adb_data_file_close(file));
    sim_free(sim);
    free(bytes);
    return 0;
}
