/*
 * log_format.h: every byte of a data file. docs/format.md draws the same with a worked example.
 *
 * File:   header (64 bytes), then records back to back, each starting at a multiple of 8.
 * Record: header (20 bytes) [deadline (12 bytes)] key value zeros-to-8.
 *
 * This module encodes, decodes and validates; it does no I/O. All numbers are little-endian.
 * Threads: pure functions.
 */
#ifndef ADB_LOG_LOG_FORMAT_H
#define ADB_LOG_LOG_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "armdb/error.h"
#include "armdb/types.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/crc32c.h"

enum {
    LOG_FORMAT_VERSION = 3,    /* of the data files that are made here */
    LOG_VERSION_DEADLINES = 2, /* the first in which records have deadlines */
    LOG_VERSION_GROUPS = 3,    /* the first in which there are GROUPs */
    LOG_DB_ID_BYTES = 16,
    LOG_FILE_HEADER_BYTES = 64,
    LOG_RECORD_HEADER_BYTES = 20,
    LOG_DEADLINE_BYTES = 12,
    LOG_RECORD_HEAD_MAX = LOG_RECORD_HEADER_BYTES + LOG_DEADLINE_BYTES,
    LOG_RECORD_ALIGNMENT = 8,
    LOG_KEY_LEN_BITS = 12,
    LOG_COLLECTION_ID_MAX = (1 << 20) - 1,
    LOG_MARK_VALUE_BYTES = 16,
    LOG_MARK_RECORD_BYTES = 40, /* 20 + 16, rounded up */
    LOG_PAD_RECORD_BYTES_MIN = 24,
    LOG_GROUP_VALUE_BYTES = 32, /* of a GROUP, in front of its participants */
    LOG_PARTICIPANT_BYTES = 16, /* each */
    LOG_PARTICIPANTS_MAX = ARMDB_SHARDS_MAX - 1
};

#define LOG_SEQUENCE_MAX ((UINT64_C(1) << 56) - 1)

/* Flags of a record, the top byte of its sequence word. All others must be zero. */
enum {
    LOG_FLAG_TOMBSTONE = 0x01, /* the key was deleted; no value */
    LOG_FLAG_DEADLINE = 0x02,  /* a value that is there until a deadline, which the record has */
    LOG_FLAG_META = 0x10 /* about the log itself: no key, collection 0, first value byte = kind */
};

/* First value byte of a META record. */
enum {
    LOG_META_PAD = 0,  /* fills space; the other value bytes are zero */
    LOG_META_MARK = 1, /* bytes 8..15: everything before this offset is on the device */
    LOG_META_SEAL = 2, /* the same, and the last record of a file that has a successor */
    LOG_META_GROUP = 3 /* what follows belongs together: struct log_group */
};

/** The header of a data file. */
struct log_file_header {
    unsigned char db_id[LOG_DB_ID_BYTES]; /* of the database, drawn at its creation */
    uint64_t file_id;                     /* never reused in its shard */
    uint64_t base_sequence;               /* newest sequence before what the file stands for */
    uint64_t last_sequence;               /* of a copy: the newest it stands for; else 0 */
    uint32_t shard;
    uint32_t version; /* as read; what is written is LOG_FORMAT_VERSION */
    bool is_copy;     /* made by compaction from other files, not filled by writers */
};

/** The order of two files in a log: negative, 0 or positive, for qsort(). */
static inline int
adb_log_compare_files(const struct log_file_header *a, const struct log_file_header *b)
{
    if (a->base_sequence != b->base_sequence)
        return a->base_sequence < b->base_sequence ? -1 : 1;
    return a->file_id < b->file_id ? -1 : a->file_id > b->file_id;
}

/** Whether `copy` stands for the file `other`, which it has replaced in the log. */
static inline bool
adb_log_has_replaced(const struct log_file_header *copy, const struct log_file_header *other)
{
    return copy->is_copy && other->file_id < copy->file_id &&
           other->base_sequence >= copy->base_sequence &&
           other->base_sequence < copy->last_sequence;
}

/** Writes a file header into 64 bytes. */
void adb_log_encode_file_header(const struct log_file_header *header, unsigned char *to);

enum log_header_state {
    LOG_HEADER_OK,
    LOG_HEADER_BAD,  /* wrong magic, checksum or field */
    LOG_HEADER_NEWER /* whole, but of a format version that is not known here */
};

/** Reads 64 bytes; `header_out` is filled for LOG_HEADER_OK only. */
enum log_header_state adb_log_decode_file_header(const unsigned char *from,
                                                 struct log_file_header *header_out);

/**
 * The checksum that each record of a file starts from: over database id, shard and file id, so that
 * a block of another file is never taken for a record of this one.
 */
uint32_t adb_log_file_seed(const struct log_file_header *header);

/** A record's header, decoded. */
struct log_record {
    uint32_t crc;
    uint32_t value_len;
    uint64_t sequence;
    uint32_t flags;
    uint32_t key_len;
    uint32_t collection_id;
    uint64_t deadline_ms; /* since the epoch, with LOG_FLAG_DEADLINE; else 0 */
};

/** Bytes of a record with these flags in front of its key. */
static inline uint32_t
adb_log_head_bytes(uint32_t flags)
{
    return (flags & LOG_FLAG_DEADLINE) != 0 ? LOG_RECORD_HEAD_MAX : LOG_RECORD_HEADER_BYTES;
}

/** Bytes of a whole record in the file, padding included. */
static inline uint64_t
adb_log_record_bytes(const struct log_record *record)
{
    return adb_round_up((uint64_t)adb_log_head_bytes(record->flags) + record->key_len +
                            record->value_len,
                        LOG_RECORD_ALIGNMENT);
}

/** Whether a record gives its key a value. */
static inline bool
adb_log_record_is_value(const struct log_record *record)
{
    return (record->flags & ~(uint32_t)LOG_FLAG_DEADLINE) == 0;
}

/** Writes what stands in front of a record's key, adb_log_head_bytes(), for `offset`; the checksum
 * of the record is left to the caller. */
void adb_log_encode_head(uint32_t file_seed, uint64_t offset, const struct log_record *record,
                         unsigned char *to);

/** Reads the header, 20 bytes, but not the deadline. Nothing is checked. */
static inline void
adb_log_decode_record(const unsigned char *from, struct log_record *record_out)
{
    uint64_t word = adb_load_u64(from + 8);
    uint32_t ids = adb_load_u32(from + 16);
    record_out->crc = adb_load_u32(from);
    record_out->value_len = adb_load_u32(from + 4);
    record_out->sequence = word & LOG_SEQUENCE_MAX;
    record_out->flags = (uint32_t)(word >> 56);
    record_out->key_len = ids & ((1u << LOG_KEY_LEN_BITS) - 1);
    record_out->collection_id = ids >> LOG_KEY_LEN_BITS;
    record_out->deadline_ms = 0;
}

/** Reads the deadline of a record whose header was decoded, if it has one; that has a checksum of
 * its own, so that it can be trusted without the value. Returns whether it fits. */
bool adb_log_decode_deadline(uint32_t file_seed, uint64_t offset, const unsigned char *from,
                             struct log_record *record);

/** Whether a decoded header could be one of ours: known flags, lengths in range and in keeping. */
bool adb_log_record_is_sane(const struct log_record *record);

/**
 * The checksum of a record is over its offset and all its bytes but the checksum itself, padding
 * included: start here, then continue over the bytes from the fifth on.
 */
static inline uint32_t
adb_log_record_seed(uint32_t file_seed, uint64_t offset)
{
    unsigned char bytes[8];
    adb_store_u64(bytes, offset);
    return adb_crc32c(file_seed, bytes, sizeof bytes);
}

/** The checksum of a record that lies whole in memory, `bytes` long. */
static inline uint32_t
adb_log_record_crc(uint32_t file_seed, uint64_t offset, const unsigned char *record, uint64_t bytes)
{
    return adb_crc32c(adb_log_record_seed(file_seed, offset), record + 4, (size_t)bytes - 4);
}

/** Whether a decoded record is of `key`, with flags and lengths as expected. `head` is all of it up
 * to the end of the key. */
static inline bool
adb_log_record_is_of(const struct log_record *record, const unsigned char *head,
                     const struct log_record *expected, armdb_slice key)
{
    return record->flags == expected->flags && record->key_len == expected->key_len &&
           record->value_len == expected->value_len &&
           memcmp(head + adb_log_head_bytes(expected->flags), key.data, key.len) == 0;
}

/** Writes a MARK or SEAL record (40 bytes) for `offset` saying `synced_offset`. */
void adb_log_encode_mark(uint32_t file_seed, uint64_t offset, uint32_t kind, uint64_t sequence,
                         uint64_t synced_offset, unsigned char *to);

/** Another shard that takes part in a batch. */
struct log_participant {
    uint32_t shard;
    uint64_t sequence; /* of the last record of its part */
};

/** What a GROUP says of the records behind it: one shard's part of a batch. */
struct log_group {
    uint64_t bytes;          /* of the part: as many follow the GROUP */
    uint64_t sequence;       /* of its last record */
    uint32_t n_participants; /* other shards; 0: the batch is in this one alone */
};

/** Bytes of a GROUP. */
static inline uint64_t
adb_log_group_bytes(uint32_t n_participants)
{
    return adb_round_up(LOG_RECORD_HEADER_BYTES + LOG_GROUP_VALUE_BYTES +
                            (uint64_t)n_participants * LOG_PARTICIPANT_BYTES,
                        LOG_RECORD_ALIGNMENT);
}

/** Writes a GROUP for `offset`, of a part whose first record has the number behind `before`. */
void adb_log_encode_group(uint32_t file_seed, uint64_t offset, uint64_t before,
                          const struct log_group *group, const struct log_participant *participants,
                          unsigned char *to);

/** Reads the value of a META record of `value_len` bytes; whether it is a GROUP that can be. */
bool adb_log_decode_group(const unsigned char *value, uint32_t value_len,
                          struct log_group *group_out);

/** Reads one of its participants. */
static inline struct log_participant
adb_log_decode_participant(const unsigned char *value, uint32_t number)
{
    const unsigned char *at = value + LOG_GROUP_VALUE_BYTES +
                              (size_t)number * LOG_PARTICIPANT_BYTES;
    return (struct log_participant){adb_load_u32(at), adb_load_u64(at + 8)};
}

/** Bytes of the PAD that is needed at `offset` (a multiple of 8) so that the next record starts at
 * a multiple of `alignment`; 0: none. */
static inline uint64_t
adb_log_pad_bytes(uint64_t offset, uint64_t alignment)
{
    uint64_t bytes = adb_round_up(offset, alignment) - offset;
    return bytes != 0 && bytes < LOG_PAD_RECORD_BYTES_MIN ? bytes + alignment : bytes;
}

/** Writes a PAD record of `bytes` bytes for `offset`. */
void adb_log_encode_pad(uint32_t file_seed, uint64_t offset, uint64_t sequence, uint64_t bytes,
                        unsigned char *to);

/** Writes a record with its checksum, adb_log_record_bytes() long, for `offset`. */
void adb_log_encode_whole(uint32_t file_seed, uint64_t offset, const struct log_record *record,
                          armdb_slice key, const void *value, unsigned char *to);

#endif
