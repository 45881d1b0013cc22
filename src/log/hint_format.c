#include "log/hint_format.h"

#include "base/assert.h"

/*
 *   0  magic            8   "armdbhnt"
 *   8  format version   4
 *  12  shard            4
 *  16  file id          8
 *  24  database id     16
 *  40  length           8   of the data file
 *  48  base sequence    8
 *  56  last sequence    8
 *  64  records          8
 *  72  dead bytes       8
 *  80  tombstone bytes  8
 *  88  chunks           4
 *  92  deadlines        4   1: some values have
 *  96  group bytes      8
 * 104  reserved        20   zero
 * 124  checksum         4   CRC-32C of bytes 0..123
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
    AT_RECORDS = 64,
    AT_DEAD_BYTES = 72,
    AT_TOMBSTONE_BYTES = 80,
    AT_CHUNKS = 88,
    AT_DEADLINES = 92,
    AT_GROUP_BYTES = 96,
    AT_RESERVED = 104,
    AT_CRC = 124
};

_Static_assert(AT_CRC + 4 == HINT_HEADER_BYTES, "the header is 128 bytes");
_Static_assert(AT_DB_ID + LOG_DB_ID_BYTES == AT_DATA_BYTES, "the database id has its place");

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
    adb_store_u64(to + AT_RECORDS, header->records);
    adb_store_u64(to + AT_DEAD_BYTES, header->dead_bytes);
    adb_store_u64(to + AT_TOMBSTONE_BYTES, header->tombstone_bytes);
    adb_store_u64(to + AT_GROUP_BYTES, header->group_bytes);
    adb_store_u32(to + AT_CHUNKS, header->chunks);
    adb_store_u32(to + AT_DEADLINES, header->has_deadlines ? 1 : 0);
    adb_store_u32(to + AT_CRC, adb_crc32c(0, to, AT_CRC));
}

bool
adb_hint_decode_header(const unsigned char *from, struct hint_header *header_out)
{
    static const unsigned char zeros[AT_CRC - AT_RESERVED] = {0};
    if (memcmp(from, MAGIC, sizeof MAGIC) != 0 ||
        adb_load_u32(from + AT_CRC) != adb_crc32c(0, from, AT_CRC))
        return false;
    *header_out = (struct hint_header){.version = adb_load_u32(from + AT_VERSION)};
    if (header_out->version != HINT_FORMAT_VERSION)
        return true;
    if (adb_load_u32(from + AT_DEADLINES) > 1 ||
        memcmp(from + AT_RESERVED, zeros, sizeof zeros) != 0)
        return false;
    *header_out = (struct hint_header){
        .version = HINT_FORMAT_VERSION,
        .file = {.file_id = adb_load_u64(from + AT_FILE_ID),
                 .base_sequence = adb_load_u64(from + AT_BASE_SEQUENCE),
                 .shard = adb_load_u32(from + AT_SHARD)},
        .data_bytes = adb_load_u64(from + AT_DATA_BYTES),
        .last_sequence = adb_load_u64(from + AT_LAST_SEQUENCE),
        .records = adb_load_u64(from + AT_RECORDS),
        .dead_bytes = adb_load_u64(from + AT_DEAD_BYTES),
        .tombstone_bytes = adb_load_u64(from + AT_TOMBSTONE_BYTES),
        .group_bytes = adb_load_u64(from + AT_GROUP_BYTES),
        .chunks = adb_load_u32(from + AT_CHUNKS),
        .has_deadlines = adb_load_u32(from + AT_DEADLINES) == 1,
    };
    memcpy(header_out->file.db_id, from + AT_DB_ID, LOG_DB_ID_BYTES);
    return true;
}

uint32_t
adb_hint_seed(const struct hint_header *header)
{
    unsigned char bytes[8];
    adb_store_u64(bytes, header->data_bytes);
    return adb_crc32c(adb_log_file_seed(&header->file), bytes, sizeof bytes);
}

/* ----------------------------------------------------------------------- entries */

enum {
    FLAGS_ALL = HINT_IS_TOMBSTONE | HINT_HAS_VALUE | HINT_IS_VARIABLE | HINT_IS_HASHED,
    SLOT_SHIFT = 48
};

uint64_t
adb_hint_word(const struct hint_entry *entry)
{
    uint64_t flags = (entry->is_tombstone ? HINT_IS_TOMBSTONE : 0) |
                     (entry->value != NULL ? HINT_HAS_VALUE : 0) |
                     (entry->is_variable ? HINT_IS_VARIABLE : 0) |
                     (entry->is_hashed ? HINT_IS_HASHED : 0);
    ADB_DEBUG_ASSERT(adb_location_slot(entry->location) == 0);
    return entry->location | flags << SLOT_SHIFT;
}

bool
adb_hint_set_word(struct hint_entry *entry, uint64_t word)
{
    uint32_t flags = adb_location_slot(word);
    entry->location = word & ~((uint64_t)FLAGS_ALL << SLOT_SHIFT);
    entry->is_tombstone = (flags & HINT_IS_TOMBSTONE) != 0;
    entry->is_variable = (flags & HINT_IS_VARIABLE) != 0;
    entry->is_hashed = (flags & HINT_IS_HASHED) != 0;
    bool has_value = adb_hint_word_has_value(word);
    uint32_t value_len = adb_location_value_len(word);
    if (entry->is_tombstone && (value_len != 0 || has_value || adb_location_has_deadline(word)))
        return false;
    return flags <= FLAGS_ALL && (!has_value || (value_len >= 1 && value_len <= HINT_VALUE_MAX));
}

/* ----------------------------------------------------------------------- chunks
 *
 * Head:   checksum (4), bytes in use (4), 1 if a segment begins with it (4), zero (4).
 * Group:  collection (4), entries (2), length of keys that have none beside them (2). */

_Static_assert(HINT_CHUNK_HEAD_BYTES + HINT_GROUP_HEAD_BYTES + HINT_WORD_BYTES + HINT_LEN_BYTES +
                       ARMDB_KEY_MAX + HINT_VALUE_MAX <=
                   HINT_CHUNK_BYTES,
               "the longest entry fits an empty chunk");
_Static_assert(HINT_CHUNK_BYTES / HINT_WORD_BYTES < 1 << 16, "entries of a group fit two bytes");

static const uint32_t SEGMENT_BEGINS = 1;

static inline void
store_u16(unsigned char *to, uint32_t number)
{
    to[0] = (unsigned char)number;
    to[1] = (unsigned char)(number >> 8);
}

static inline uint32_t
load_u16(const unsigned char *from)
{
    return from[0] | (uint32_t)from[1] << 8;
}

void
adb_hint_chunk_clear(struct hint_chunk *chunk)
{
    chunk->used = 0;
    memset(chunk->bytes, 0, sizeof chunk->bytes);
}

/* Whether the last group goes on with an entry. */
static bool
is_in_group(const struct hint_chunk *chunk, const struct hint_entry *entry)
{
    if (chunk->used == 0)
        return false;
    const unsigned char *group = chunk->bytes + chunk->group_at;
    return adb_load_u32(group) == entry->collection_id &&
           (entry->is_variable || load_u16(group + 6) == entry->key.len);
}

bool
adb_hint_chunk_add(struct hint_chunk *chunk, const struct hint_entry *entry)
{
    bool begins_group = !is_in_group(chunk, entry);
    size_t value_bytes = entry->value != NULL ? adb_location_value_len(entry->location) : 0;
    size_t at = chunk->used != 0 ? chunk->used : HINT_CHUNK_HEAD_BYTES;
    size_t bytes = (begins_group ? (size_t)HINT_GROUP_HEAD_BYTES : 0) + HINT_WORD_BYTES +
                   (entry->is_variable ? (size_t)HINT_LEN_BYTES : 0) + entry->key.len + value_bytes;
    if (at + bytes > HINT_CHUNK_BYTES)
        return false;
    unsigned char *to = chunk->bytes + at;
    if (begins_group) {
        chunk->group_at = at;
        adb_store_u32(to, entry->collection_id);
        store_u16(to + 6, entry->is_variable ? 0 : (uint32_t)entry->key.len);
        to += HINT_GROUP_HEAD_BYTES;
    }
    unsigned char *n = chunk->bytes + chunk->group_at + 4;
    store_u16(n, load_u16(n) + 1);
    adb_store_u64(to, adb_hint_word(entry));
    to += HINT_WORD_BYTES;
    if (entry->is_variable) {
        store_u16(to, (uint32_t)entry->key.len);
        to += HINT_LEN_BYTES;
    }
    memcpy(to, entry->key.data, entry->key.len);
    if (value_bytes != 0)
        memcpy(to + entry->key.len, entry->value, value_bytes);
    chunk->used = at + bytes;
    return true;
}

void
adb_hint_chunk_finish(struct hint_chunk *chunk, bool begins_segment)
{
    ADB_ASSERT(chunk->used > HINT_CHUNK_HEAD_BYTES);
    adb_store_u32(chunk->bytes + 4, (uint32_t)chunk->used);
    adb_store_u32(chunk->bytes + 8, begins_segment ? SEGMENT_BEGINS : 0);
}

static uint32_t
chunk_crc(const unsigned char *bytes, uint32_t seed, uint32_t number)
{
    unsigned char place[4];
    adb_store_u32(place, number);
    return adb_crc32c(adb_crc32c(seed, place, sizeof place), bytes + 4, HINT_CHUNK_BYTES - 4);
}

void
adb_hint_seal_chunk(unsigned char *bytes, uint32_t seed, uint32_t number)
{
    adb_store_u32(bytes, chunk_crc(bytes, seed, number));
}

bool
adb_hint_chunk_is_whole(const unsigned char *bytes, uint32_t seed, uint32_t number)
{
    uint32_t used = adb_load_u32(bytes + 4);
    return used > HINT_CHUNK_HEAD_BYTES && used <= HINT_CHUNK_BYTES &&
           adb_load_u32(bytes + 8) <= SEGMENT_BEGINS && adb_load_u32(bytes + 12) == 0 &&
           adb_load_u32(bytes) == chunk_crc(bytes, seed, number);
}

bool
adb_hint_begins_segment(const unsigned char *bytes)
{
    return adb_load_u32(bytes + 8) == SEGMENT_BEGINS;
}

void
adb_hint_walk_begin(struct hint_walk *walk, const unsigned char *bytes)
{
    *walk = (struct hint_walk){
        .bytes = bytes, .end = adb_load_u32(bytes + 4), .at = HINT_CHUNK_HEAD_BYTES};
}

/* Goes into the next group. */
static enum hint_step
next_group(struct hint_walk *walk)
{
    if (walk->at == walk->end)
        return HINT_END;
    if (walk->end - walk->at < HINT_GROUP_HEAD_BYTES)
        return HINT_DAMAGED;
    const unsigned char *from = walk->bytes + walk->at;
    walk->collection_id = adb_load_u32(from);
    walk->left = load_u16(from + 4);
    walk->key_bytes = load_u16(from + 6);
    walk->at += HINT_GROUP_HEAD_BYTES;
    return walk->left != 0 && walk->collection_id <= LOG_COLLECTION_ID_MAX ? HINT_ENTRY
                                                                           : HINT_DAMAGED;
}

enum hint_step
adb_hint_walk_next(struct hint_walk *walk, struct hint_entry *entry_out)
{
    if (walk->left == 0) {
        enum hint_step step = next_group(walk);
        if (step != HINT_ENTRY)
            return step;
    }
    const unsigned char *from = walk->bytes + walk->at;
    size_t available = walk->end - walk->at;
    if (available < HINT_WORD_BYTES)
        return HINT_DAMAGED;
    uint64_t word = adb_load_u64(from);
    if (!adb_hint_set_word(entry_out, word))
        return HINT_DAMAGED;
    size_t key_len = walk->key_bytes;
    size_t at = HINT_WORD_BYTES;
    if (entry_out->is_variable) {
        if (available < HINT_WORD_BYTES + HINT_LEN_BYTES)
            return HINT_DAMAGED;
        key_len = load_u16(from + at);
        at += HINT_LEN_BYTES;
    }
    size_t value_bytes = adb_hint_word_has_value(word) ? adb_location_value_len(word) : 0;
    if (key_len < 1 || key_len > ARMDB_KEY_MAX || at + key_len + value_bytes > available)
        return HINT_DAMAGED;
    entry_out->collection_id = walk->collection_id;
    entry_out->key = (armdb_slice){from + at, key_len};
    entry_out->value = value_bytes != 0 ? from + at + key_len : NULL;
    walk->at += at + key_len + value_bytes;
    walk->left--;
    return HINT_ENTRY;
}
