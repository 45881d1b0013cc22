/*
 * hint_format.h: every byte of a hint file. docs/format.md draws the same with a worked example.
 *
 * File:  header (96 bytes), then chunks; each has a checksum of its own.
 * Chunk: head (16 bytes), then entries, back to back.
 * Entry: header (20 bytes) key [value].
 *
 * This module encodes, decodes and validates; it does no I/O. All numbers are little-endian.
 * Threads: pure functions.
 */
#ifndef ADB_LOG_HINT_FORMAT_H
#define ADB_LOG_HINT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log/log_format.h"

enum {
    HINT_FORMAT_VERSION = 1,
    HINT_HEADER_BYTES = 96,
    HINT_CHUNK_HEAD_BYTES = 16,
    HINT_CHUNK_BYTES_MAX = 128 * 1024, /* with its head */
    HINT_ENTRY_HEADER_BYTES = 20,
    HINT_VALUE_MAX = 256, /* of values that are in the index */
    HINT_ENTRY_BYTES_MAX = HINT_ENTRY_HEADER_BYTES + ARMDB_KEY_MAX + HINT_VALUE_MAX
};

/** The header of a hint file. */
struct hint_header {
    struct log_file_header file; /* identity and base sequence of the data file */
    uint64_t data_bytes;         /* of the data file, to the end of a SEAL or MARK */
    uint64_t last_sequence;      /* of that SEAL or MARK */
    uint64_t entries;
    uint64_t body_bytes; /* of all chunks */
};

/** Writes a header into 96 bytes. */
void adb_hint_encode_header(const struct hint_header *header, unsigned char *to);

/**
 * Reads 96 bytes. Returns whether they are a whole header of a version known here; `header_out` is
 * filled then only.
 */
bool adb_hint_decode_header(const unsigned char *from, struct hint_header *header_out);

/** The checksum that each chunk starts from: over the identity of the data file, and how much of it
 * the hint tells of. */
uint32_t adb_hint_seed(const struct hint_header *header);

/** Fills the head of a chunk of `bytes` (with its head) at `offset` of the hint file. */
void adb_hint_seal_chunk(uint32_t seed, uint64_t offset, unsigned char *chunk, size_t bytes);

/**
 * Looks at the first `available` bytes of what should be a chunk.
 *
 * Returns:  the bytes of the chunk, its head included, if it is whole and of this place; else 0.
 */
size_t adb_hint_chunk_bytes(uint32_t seed, uint64_t offset, const unsigned char *chunk,
                            size_t available);

/** What a hint says of one record. */
struct hint_entry {
    struct log_record record; /* crc is not kept: 0 */
    uint64_t offset;          /* of the record in the data file */
    const void *key;          /* borrowed; record.key_len bytes */
    const void *value;        /* borrowed; NULL: not kept */
};

/** Bytes of an entry in a hint file. */
static inline size_t
adb_hint_entry_bytes(const struct hint_entry *entry)
{
    return (size_t)HINT_ENTRY_HEADER_BYTES + entry->record.key_len +
           (entry->value != NULL ? entry->record.value_len : 0);
}

/** Writes an entry; a value that is kept has at most HINT_VALUE_MAX bytes. */
void adb_hint_encode_entry(const struct hint_entry *entry, unsigned char *to);

/**
 * Reads an entry, and checks that the record it tells of could be one of ours.
 *
 * @param available  bytes there are.
 * @param entry_out  points into `from`.
 *
 * Returns:  the bytes of the entry; 0 if it makes no sense.
 */
size_t adb_hint_decode_entry(const unsigned char *from, size_t available,
                             struct hint_entry *entry_out);

#endif
