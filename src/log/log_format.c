#include "log/log_format.h"

/*
 *  0  magic           8   "armdblog"
 *  8  format version  4
 * 12  shard           4
 * 16  file id         8
 * 24  database id    16
 * 40  base sequence   8
 * 48  last sequence   8   of a copy; else 0
 * 56  kind            4   0 filled by writers, 1 a copy
 * 60  checksum        4   CRC-32C of bytes 0..59
 */
static const unsigned char MAGIC[8] = {'a', 'r', 'm', 'd', 'b', 'l', 'o', 'g'};

enum {
    AT_VERSION = 8,
    AT_SHARD = 12,
    AT_FILE_ID = 16,
    AT_DB_ID = 24,
    AT_BASE_SEQUENCE = 40,
    AT_LAST_SEQUENCE = 48,
    AT_KIND = 56,
    AT_CRC = 60
};

enum { KIND_FILLED = 0, KIND_COPY = 1 };

/* In a record that has a deadline. */
enum { AT_DEADLINE = LOG_RECORD_HEADER_BYTES, AT_DEADLINE_CRC = AT_DEADLINE + 8 };

_Static_assert(AT_DEADLINE_CRC + 4 == LOG_RECORD_HEAD_MAX, "the key follows the deadline");

_Static_assert(AT_CRC + 4 == LOG_FILE_HEADER_BYTES, "the header is 64 bytes");
_Static_assert(AT_DB_ID + LOG_DB_ID_BYTES == AT_BASE_SEQUENCE, "the database id has its place");
_Static_assert(ARMDB_KEY_MAX < (1u << LOG_KEY_LEN_BITS), "key lengths fit a record header");

void
adb_log_encode_file_header(const struct log_file_header *header, unsigned char *to)
{
    memset(to, 0, LOG_FILE_HEADER_BYTES);
    memcpy(to, MAGIC, sizeof MAGIC);
    adb_store_u32(to + AT_VERSION, LOG_FORMAT_VERSION);
    adb_store_u32(to + AT_SHARD, header->shard);
    adb_store_u64(to + AT_FILE_ID, header->file_id);
    memcpy(to + AT_DB_ID, header->db_id, LOG_DB_ID_BYTES);
    adb_store_u64(to + AT_BASE_SEQUENCE, header->base_sequence);
    adb_store_u64(to + AT_LAST_SEQUENCE, header->last_sequence);
    adb_store_u32(to + AT_KIND, header->is_copy ? KIND_COPY : KIND_FILLED);
    adb_store_u32(to + AT_CRC, adb_crc32c(0, to, AT_CRC));
}

/* Whether the fields that tell a copy can be. */
static bool
is_kind_sane(uint32_t kind, uint64_t base, uint64_t last)
{
    if (kind == KIND_COPY)
        return last >= base && last <= LOG_SEQUENCE_MAX;
    return kind == KIND_FILLED && last == 0;
}

enum log_header_state
adb_log_decode_file_header(const unsigned char *from, struct log_file_header *header_out)
{
    if (memcmp(from, MAGIC, sizeof MAGIC) != 0 ||
        adb_load_u32(from + AT_CRC) != adb_crc32c(0, from, AT_CRC))
        return LOG_HEADER_BAD;
    uint32_t version = adb_load_u32(from + AT_VERSION);
    if (version > LOG_FORMAT_VERSION)
        return LOG_HEADER_NEWER;
    uint32_t kind = adb_load_u32(from + AT_KIND);
    uint64_t base = adb_load_u64(from + AT_BASE_SEQUENCE);
    uint64_t last = adb_load_u64(from + AT_LAST_SEQUENCE);
    if (version == 0 || !is_kind_sane(kind, base, last))
        return LOG_HEADER_BAD;
    header_out->version = version;
    header_out->shard = adb_load_u32(from + AT_SHARD);
    header_out->file_id = adb_load_u64(from + AT_FILE_ID);
    header_out->base_sequence = base;
    header_out->last_sequence = last;
    header_out->is_copy = kind == KIND_COPY;
    memcpy(header_out->db_id, from + AT_DB_ID, LOG_DB_ID_BYTES);
    return LOG_HEADER_OK;
}

uint32_t
adb_log_file_seed(const struct log_file_header *header)
{
    unsigned char identity[LOG_DB_ID_BYTES + 12];
    memcpy(identity, header->db_id, LOG_DB_ID_BYTES);
    adb_store_u32(identity + LOG_DB_ID_BYTES, header->shard);
    adb_store_u64(identity + LOG_DB_ID_BYTES + 4, header->file_id);
    return adb_crc32c(0, identity, sizeof identity);
}

bool
adb_log_record_is_sane(const struct log_record *record)
{
    if (record->flags == LOG_FLAG_META)
        return record->key_len == 0 && record->collection_id == 0 && record->value_len > 0 &&
               record->value_len <= ARMDB_VALUE_MAX;
    if (record->key_len == 0 || record->key_len > ARMDB_KEY_MAX || record->sequence == 0)
        return false;
    if (record->flags == LOG_FLAG_TOMBSTONE)
        return record->value_len == 0;
    return adb_log_record_is_value(record) && record->value_len <= ARMDB_VALUE_MAX;
}

static void
encode_record(const struct log_record *record, unsigned char *to)
{
    adb_store_u32(to + 4, record->value_len);
    adb_store_u64(to + 8, record->sequence | (uint64_t)record->flags << 56);
    adb_store_u32(to + 16, record->key_len | record->collection_id << LOG_KEY_LEN_BITS);
}

/* Of the header, but for the record's checksum, and the deadline. */
static uint32_t
deadline_crc(uint32_t file_seed, uint64_t offset, const unsigned char *record)
{
    return adb_crc32c(adb_log_record_seed(file_seed, offset), record + 4, AT_DEADLINE_CRC - 4);
}

void
adb_log_encode_head(uint32_t file_seed, uint64_t offset, const struct log_record *record,
                    unsigned char *to)
{
    encode_record(record, to);
    if ((record->flags & LOG_FLAG_DEADLINE) == 0)
        return;
    adb_store_u64(to + AT_DEADLINE, record->deadline_ms);
    adb_store_u32(to + AT_DEADLINE_CRC, deadline_crc(file_seed, offset, to));
}

bool
adb_log_decode_deadline(uint32_t file_seed, uint64_t offset, const unsigned char *from,
                        struct log_record *record)
{
    if ((record->flags & LOG_FLAG_DEADLINE) == 0)
        return true;
    record->deadline_ms = adb_load_u64(from + AT_DEADLINE);
    return record->deadline_ms != 0 &&
           adb_load_u32(from + AT_DEADLINE_CRC) == deadline_crc(file_seed, offset, from);
}

void
adb_log_encode_mark(uint32_t file_seed, uint64_t offset, uint32_t kind, uint64_t sequence,
                    uint64_t synced_offset, unsigned char *to)
{
    const struct log_record record = {
        .value_len = LOG_MARK_VALUE_BYTES, .sequence = sequence, .flags = LOG_FLAG_META};
    memset(to, 0, LOG_MARK_RECORD_BYTES);
    encode_record(&record, to);
    to[LOG_RECORD_HEADER_BYTES] = (unsigned char)kind;
    adb_store_u64(to + LOG_RECORD_HEADER_BYTES + 8, synced_offset);
    adb_store_u32(to, adb_log_record_crc(file_seed, offset, to, LOG_MARK_RECORD_BYTES));
}

/*
 * In the value of a GROUP:
 *
 *  0  kind             8   3, seven zeros
 *  8  bytes            8
 * 16  sequence         8
 * 24  participants     4
 * 28  zero             4
 * 32  each: shard 4, zero 4, sequence 8
 */
enum { AT_GROUP_BYTES = 8, AT_GROUP_SEQUENCE = 16, AT_GROUP_COUNT = 24 };

void
adb_log_encode_group(uint32_t file_seed, uint64_t offset, uint64_t before,
                     const struct log_group *group, const struct log_participant *participants,
                     unsigned char *to)
{
    uint32_t count = group->n_participants;
    const struct log_record record = {.value_len = LOG_GROUP_VALUE_BYTES +
                                                   count * LOG_PARTICIPANT_BYTES,
                                      .sequence = before,
                                      .flags = LOG_FLAG_META};
    unsigned char *value = to + LOG_RECORD_HEADER_BYTES;
    uint64_t bytes = adb_log_group_bytes(count);
    memset(to, 0, (size_t)bytes);
    encode_record(&record, to);
    value[0] = LOG_META_GROUP;
    adb_store_u64(value + AT_GROUP_BYTES, group->bytes);
    adb_store_u64(value + AT_GROUP_SEQUENCE, group->sequence);
    adb_store_u32(value + AT_GROUP_COUNT, count);
    for (uint32_t i = 0; i < count; i++) {
        unsigned char *at = value + LOG_GROUP_VALUE_BYTES + (size_t)i * LOG_PARTICIPANT_BYTES;
        adb_store_u32(at, participants[i].shard);
        adb_store_u64(at + 8, participants[i].sequence);
    }
    adb_store_u32(to, adb_log_record_crc(file_seed, offset, to, bytes));
}

bool
adb_log_decode_group(const unsigned char *value, uint32_t value_len, struct log_group *group_out)
{
    if (value_len < LOG_GROUP_VALUE_BYTES || value[0] != LOG_META_GROUP)
        return false;
    group_out->bytes = adb_load_u64(value + AT_GROUP_BYTES);
    group_out->sequence = adb_load_u64(value + AT_GROUP_SEQUENCE);
    group_out->n_participants = adb_load_u32(value + AT_GROUP_COUNT);
    return group_out->n_participants <= LOG_PARTICIPANTS_MAX &&
           value_len == LOG_GROUP_VALUE_BYTES + group_out->n_participants * LOG_PARTICIPANT_BYTES &&
           group_out->bytes > 0 && group_out->bytes % LOG_RECORD_ALIGNMENT == 0;
}

void
adb_log_encode_pad(uint32_t file_seed, uint64_t offset, uint64_t sequence, uint64_t bytes,
                   unsigned char *to)
{
    const struct log_record record = {.value_len = (uint32_t)bytes - LOG_RECORD_HEADER_BYTES,
                                      .sequence = sequence,
                                      .flags = LOG_FLAG_META};
    memset(to, 0, (size_t)bytes);
    encode_record(&record, to);
    adb_store_u32(to, adb_log_record_crc(file_seed, offset, to, bytes));
}

void
adb_log_encode_whole(uint32_t file_seed, uint64_t offset, const struct log_record *record,
                     armdb_slice key, const void *value, unsigned char *to)
{
    uint64_t bytes = adb_log_record_bytes(record);
    unsigned char *key_to = to + adb_log_head_bytes(record->flags);
    unsigned char *value_to = key_to + record->key_len;
    unsigned char *pad = value_to + record->value_len;
    adb_log_encode_head(file_seed, offset, record, to);
    if (record->key_len > 0)
        memcpy(key_to, key.data, record->key_len);
    if (record->value_len > 0)
        memcpy(value_to, value, record->value_len);
    memset(pad, 0, (size_t)(to + bytes - pad));
    adb_store_u32(to, adb_log_record_crc(file_seed, offset, to, bytes));
}
