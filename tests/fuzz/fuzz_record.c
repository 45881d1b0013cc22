/*
 * The body of a data file: the first byte says what to put right, the rest stands behind a good
 * header. With checksums and sequence numbers put right, inputs get past the first record.
 *
 * A scan must stay inside the file, hand out only records whose values can be read back, and leave
 * a place to cut at: the file cut there is whole, with the same records.
 */
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "fuzz/fuzz_input.h"
#include "log/location.h"
#include "log/log_scan.h"
#include "support/os_sim.h"

enum { IS_NEWEST = 1, FIX_CRC = 2, FIX_SEQUENCE = 4, FIX_MARKS = 8 };
enum { SIZE_MAX_BYTES = 64 * 1024 };

static const struct log_file_header HEADER = {.db_id = {1, 2, 3}, .file_id = 1};

struct walk {
    struct data_file *file;
    uint64_t size;
    uint64_t end; /* of the last record */
    uint64_t sequence;
    uint64_t records;
};

static void
read_back(struct data_file *file, const struct log_scan_record *found)
{
    const struct log_record *record = &found->record;
    struct data_file_reading reading;
    uint64_t location = adb_location_of(0, found->offset, record);
    if (adb_location_offset(location) != found->offset)
        return; /* a large value, not at a page: no writer puts one there */
    unsigned char *to = (unsigned char *)malloc(record->value_len + 1);
    ADB_ASSERT(to != NULL);
    armdb_err err = adb_data_file_read_value(file, location, found->key, to, &reading);
    ADB_ASSERT(err == (adb_log_record_is_value(record) ? ARMDB_OK : ARMDB_CORRUPT));
    ADB_ASSERT(err != ARMDB_OK || reading.deadline_ms == record->deadline_ms);
    if (adb_location_has_deadline(location)) {
        ADB_ASSERT(adb_data_file_read_deadline(file, location, found->key, &reading) == ARMDB_OK);
        ADB_ASSERT(reading.deadline_ms == record->deadline_ms && reading.deadline_ms != 0);
    }
    if (err == ARMDB_OK && record->value_len < LOG_SCAN_VALUE_MAX)
        ADB_ASSERT(memcmp(found->value, to, record->value_len) == 0);
    free(to);
}

static armdb_err
on_record(void *context, const struct log_scan_record *found)
{
    struct walk *walk = (struct walk *)context;
    const struct log_record *record = &found->record;
    uint64_t bytes = adb_log_record_bytes(record);
    ADB_ASSERT(found->offset >= walk->end && found->offset % LOG_RECORD_ALIGNMENT == 0);
    ADB_ASSERT(found->offset + bytes <= walk->size);
    ADB_ASSERT(adb_log_record_is_sane(record) && record->flags != LOG_FLAG_META);
    ADB_ASSERT(found->key.len == record->key_len && record->sequence == walk->sequence + 1);
    walk->end = found->offset + bytes;
    walk->sequence++;
    walk->records++;
    read_back(walk->file, found);
    return ARMDB_OK;
}

/* Gives each record that fits a right checksum, and a right sequence number if asked to. */
static void
put_right(unsigned char *bytes, size_t size, uint32_t what)
{
    const uint32_t seed = adb_log_file_seed(&HEADER);
    uint64_t sequence = 0;
    size_t at = LOG_FILE_HEADER_BYTES;
    while (at + LOG_RECORD_HEADER_BYTES <= size) {
        struct log_record record;
        adb_log_decode_record(bytes + at, &record);
        uint64_t len = adb_log_record_bytes(&record);
        if (len > size - at)
            return;
        if ((what & FIX_SEQUENCE) != 0) {
            record.sequence = record.flags == LOG_FLAG_META ? sequence : ++sequence;
            adb_store_u64(bytes + at + 8, record.sequence | (uint64_t)record.flags << 56);
        }
        if ((record.flags & LOG_FLAG_DEADLINE) != 0) {
            record.deadline_ms = adb_load_u64(bytes + at + LOG_RECORD_HEADER_BYTES);
            adb_log_encode_head(seed, at, &record, bytes + at);
        }
        if ((what & FIX_MARKS) != 0 && record.flags == LOG_FLAG_META)
            adb_store_u64(bytes + at + LOG_RECORD_HEADER_BYTES + 8, at);
        adb_store_u32(bytes + at, adb_log_record_crc(seed, at, bytes + at, len));
        at += (size_t)len;
    }
}

static struct log_scan_result
scan(struct sim *sim, bool is_newest)
{
    struct log_scan_result result;
    struct walk walk = {.size = sim_file_size(sim, "/log/0000000001.log"),
                        .end = LOG_FILE_HEADER_BYTES};
    ADB_ASSERT(adb_data_file_open(sim_os(sim), "/log", &HEADER, ADB_OPEN_READ, &walk.file) ==
               ARMDB_OK);
    ADB_ASSERT(adb_log_scan(walk.file, is_newest, 0, on_record, &walk, &result) == ARMDB_OK);
    ADB_ASSERT(result.records == walk.records && result.sequence == walk.sequence);
    ADB_ASSERT(result.size == walk.size && result.end >= walk.end && result.end <= walk.size);
    ADB_ASSERT(result.how != LOG_SCAN_TORN || is_newest);
    ADB_ASSERT(result.how != LOG_SCAN_DAMAGED || result.message[0] != '\0');
    ADB_IGNORE(adb_data_file_close(walk.file));
    return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint32_t what = take_u8(&input);
    if (input.size > SIZE_MAX_BYTES)
        return 0;
    size_t len = LOG_FILE_HEADER_BYTES + input.size;
    unsigned char *bytes = (unsigned char *)calloc(1, len + LOG_MARK_RECORD_BYTES);
    ADB_ASSERT(bytes != NULL);
    adb_log_encode_file_header(&HEADER, bytes);
    if (input.size > 0)
        memcpy(bytes + LOG_FILE_HEADER_BYTES, input.data, input.size);
    if ((what & FIX_CRC) != 0)
        put_right(bytes, len, what);
    struct sim *sim = sim_new(1);
    sim_make_dir(sim, "/log");
    sim_write_file(sim, "/log/0000000001.log", bytes, len);
    const struct log_scan_result first = scan(sim, (what & IS_NEWEST) != 0);
    sim_truncate_file(sim, "/log/0000000001.log", first.end);
    const struct log_scan_result second = scan(sim, true);
    ADB_ASSERT(second.how == LOG_SCAN_WHOLE && second.end == first.end);
    ADB_ASSERT(second.records == first.records && second.is_sealed == first.is_sealed);
    sim_free(sim);
    free(bytes);
    return 0;
}
