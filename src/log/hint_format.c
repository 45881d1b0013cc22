#include "log/hint_format.h"

#include "base/assert.h"
#include "log/location.h"

/*
 *  0  magic           8   "armdbhnt"
 *  8  format version  4
 * 12  shard           4
 * 16  file id         8
 * 24  database id    16
 * 40  length          8   of the data file
 * 48  base sequence   8
 * 56  last sequence   8
 * 64  entries         8
 * 72  body            8   bytes
 * 80  reserved       12   zero
 * 92  checksum        4   CRC-32C of bytes 0..91
 */
static const unsigned char MAGIC[8] = {'a', 'r', 'm', 'd', 'b', 'h', 'n', 't'};

enum {
    AT_VERSION = 8,
    AT_SHARD = 12,
    AT_FILE_ID = 16,
    AT_DB_ID = 24,
    AT_DATA_BYTES = 40,
    AT_BASE_SEQUENCE = 48,
    AT_LAST_SEQUENCE = 56,
    AT_ENTRIES = 64,
    AT_BODY_BYTES = 72,
    AT_RESERVED = 80,
    AT_CRC = 92
};

_Static_assert(AT_CRC + 4 == HINT_HEADER_BYTES, "the header is 96 bytes");
_Static_assert(AT_DB_ID + LOG_DB_ID_BYTES == AT_DATA_BYTES, "the database id has its place");

/* The last word of an entry's header. */
#define HAS_VALUE (UINT32_C(1) << 31)
#define OFFSET_UNITS_LIMIT ((uint32_t)(LOCATION_OFFSET_LIMIT / LOG_RECORD_ALIGNMENT))

_Static_assert(OFFSET_UNITS_LIMIT == UINT32_C(1) << 29, "offsets fit 29 bits");

void
adb_hint_encode_header(const struct hint_header *header, unsigned char *to)
{
    memset(to, 0, HINT_HEADER_BYTES);
    memcpy(to, MAGIC, sizeof MAGIC);
    adb_store_u32(to + AT_VERSION, HINT_FORMAT_VERSION);
    adb_store_u32(to + AT_SHARD, header->file.shard);
    adb_store_u64(to + AT_FILE_ID, header->file.file_id);
    memcpy(to + AT_DB_ID, header->file.db_id, LOG_DB_ID_BYTES);
    adb_store_u64(to + AT_DATA_BYTES, header->data_bytes);
    adb_store_u64(to + AT_BASE_SEQUENCE, header->file.base_sequence);
    adb_store_u64(to + AT_LAST_SEQUENCE, header->last_sequence);
    adb_store_u64(to + AT_ENTRIES, header->entries);
    adb_store_u64(to + AT_BODY_BYTES, header->body_bytes);
    adb_store_u32(to + AT_CRC, adb_crc32c(0, to, AT_CRC));
}

bool
adb_hint_decode_header(const unsigned char *from, struct hint_header *header_out)
{
    static const unsigned char zeros[AT_CRC - AT_RESERVED] = {0};
    if (memcmp(from, MAGIC, sizeof MAGIC) != 0 ||
        adb_load_u32(from + AT_CRC) != adb_crc32c(0, from, AT_CRC) ||
        adb_load_u32(from + AT_VERSION) != HINT_FORMAT_VERSION ||
        memcmp(from + AT_RESERVED, zeros, sizeof zeros) != 0)
        return false;
    header_out->file.shard = adb_load_u32(from + AT_SHARD);
    header_out->file.file_id = adb_load_u64(from + AT_FILE_ID);
    memcpy(header_out->file.db_id, from + AT_DB_ID, LOG_DB_ID_BYTES);
    header_out->file.base_sequence = adb_load_u64(from + AT_BASE_SEQUENCE);
    header_out->data_bytes = adb_load_u64(from + AT_DATA_BYTES);
    header_out->last_sequence = adb_load_u64(from + AT_LAST_SEQUENCE);
    header_out->entries = adb_load_u64(from + AT_ENTRIES);
    header_out->body_bytes = adb_load_u64(from + AT_BODY_BYTES);
    return true;
}

/* ----------------------------------------------------------------------- chunks */

uint32_t
adb_hint_seed(const struct hint_header *header)
{
    unsigned char bytes[8];
    adb_store_u64(bytes, header->data_bytes);
    return adb_crc32c(adb_log_file_seed(&header->file), bytes, sizeof bytes);
}

void
adb_hint_seal_chunk(uint32_t seed, uint64_t offset, unsigned char *chunk, size_t bytes)
{
    ADB_ASSERT(bytes > HINT_CHUNK_HEAD_BYTES && bytes <= HINT_CHUNK_BYTES_MAX);
    adb_store_u32(chunk + 4, (uint32_t)bytes - HINT_CHUNK_HEAD_BYTES);
    adb_store_u64(chunk + 8, offset);
    adb_store_u32(chunk, adb_crc32c(seed, chunk + 4, bytes - 4));
}

size_t
adb_hint_chunk_bytes(uint32_t seed, uint64_t offset, const unsigned char *chunk, size_t available)
{
    if (available <= HINT_CHUNK_HEAD_BYTES)
        return 0;
    uint32_t body = adb_load_u32(chunk + 4);
    if (body == 0 || body > HINT_CHUNK_BYTES_MAX - HINT_CHUNK_HEAD_BYTES ||
        body > available - HINT_CHUNK_HEAD_BYTES || adb_load_u64(chunk + 8) != offset)
        return 0;
    size_t bytes = (size_t)HINT_CHUNK_HEAD_BYTES + body;
    return adb_load_u32(chunk) == adb_crc32c(seed, chunk + 4, bytes - 4) ? bytes : 0;
}

/* ---------------------------------------------------------------------- entries */

void
adb_hint_encode_entry(const struct hint_entry *entry, unsigned char *to)
{
    const struct log_record *record = &entry->record;
    uint32_t has_value = entry->value != NULL ? HAS_VALUE : 0;
    ADB_ASSERT(entry->offset < LOCATION_OFFSET_LIMIT && entry->offset % LOG_RECORD_ALIGNMENT == 0);
    ADB_ASSERT(entry->value == NULL || record->value_len <= HINT_VALUE_MAX);
    adb_store_u64(to, record->sequence | (uint64_t)record->flags << 56);
    adb_store_u32(to + 8, record->value_len);
    adb_store_u32(to + 12, record->key_len | record->collection_id << LOG_KEY_LEN_BITS);
    adb_store_u32(to + 16, (uint32_t)(entry->offset / LOG_RECORD_ALIGNMENT) | has_value);
    memcpy(to + HINT_ENTRY_HEADER_BYTES, entry->key, record->key_len);
    if (has_value != 0)
        memcpy(to + HINT_ENTRY_HEADER_BYTES + record->key_len, entry->value, record->value_len);
}

size_t
adb_hint_decode_entry(const unsigned char *from, size_t available, struct hint_entry *entry_out)
{
    if (available < HINT_ENTRY_HEADER_BYTES)
        return 0;
    uint64_t word = adb_load_u64(from);
    uint32_t ids = adb_load_u32(from + 12);
    uint32_t place = adb_load_u32(from + 16);
    struct log_record *record = &entry_out->record;
    *record = (struct log_record){.sequence = word & LOG_SEQUENCE_MAX,
                                  .flags = (uint32_t)(word >> 56),
                                  .value_len = adb_load_u32(from + 8),
                                  .key_len = ids & ((1u << LOG_KEY_LEN_BITS) - 1),
                                  .collection_id = ids >> LOG_KEY_LEN_BITS};
    bool has_value = (place & HAS_VALUE) != 0;
    uint32_t units = place & ~HAS_VALUE;
    if (!adb_log_record_is_sane(record) || record->flags == LOG_FLAG_META ||
        units >= OFFSET_UNITS_LIMIT)
        return 0;
    if (has_value && (record->flags == LOG_FLAG_TOMBSTONE || record->value_len > HINT_VALUE_MAX))
        return 0;
    entry_out->offset = (uint64_t)units * LOG_RECORD_ALIGNMENT;
    entry_out->key = from + HINT_ENTRY_HEADER_BYTES;
    entry_out->value = has_value ? from + HINT_ENTRY_HEADER_BYTES + record->key_len : NULL;
    size_t bytes = adb_hint_entry_bytes(entry_out);
    return bytes <= available ? bytes : 0;
}
