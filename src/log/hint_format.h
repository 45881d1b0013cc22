/*
 * hint_format.h: every byte of a hint file. docs/format.md draws the same with a worked example.
 *
 * File:  header (128 bytes), then chunks of 16 KiB; each has a checksum of its own.
 * Chunk: head (16 bytes), then groups: head (8 bytes), then entries, back to back.
 * Entry: word (8 bytes) [key length (2)] key [value].
 *
 * A hint has its entries in segments; in each they ascend by collection and key, or, in collections
 * without order, by the hash of the key and then the key. This module encodes, decodes and
 * validates; it does no I/O. All numbers are little-endian.
 * Threads: pure functions.
 */
#ifndef ADB_LOG_HINT_FORMAT_H
#define ADB_LOG_HINT_FORMAT_H

#include "log/location.h"
#include "log/log_format.h"

enum {
    HINT_FORMAT_VERSION = 3,
    HINT_HEADER_BYTES = 128,
    HINT_CHUNK_BYTES = 16384,
    HINT_CHUNK_HEAD_BYTES = 16,
    HINT_GROUP_HEAD_BYTES = 8,
    HINT_WORD_BYTES = 8,
    HINT_LEN_BYTES = 2,
    HINT_VALUE_MAX = 256 /* of values that are in the index */
};

/** The header of a hint file. */
struct hint_header {
    uint32_t version;            /* as it was read */
    struct log_file_header file; /* of the data file */
    uint64_t data_bytes;         /* of it, to the end of a SEAL or MARK */
    uint64_t last_sequence;      /* of that SEAL or MARK */
    uint64_t records;            /* of the data file, META ones not counted */
    uint64_t dead_bytes;         /* of values that have no entry */
    uint64_t tombstone_bytes;    /* of all tombstones */
    uint64_t group_bytes;        /* of all GROUPs */
    uint32_t chunks;
    bool has_deadlines; /* some values have */
};

/** Writes a header into 128 bytes. Of `file`, identity and base sequence are kept. */
void adb_hint_encode_header(const struct hint_header *header, unsigned char *to);

/**
 * Reads 128 bytes. Returns whether they are a whole header; `header_out` is filled then only, and
 * if the version is not HINT_FORMAT_VERSION, only that.
 */
bool adb_hint_decode_header(const unsigned char *from, struct hint_header *header_out);

/** The checksum that each chunk starts from: over the identity of the data file, and how much of it
 * the hint tells of. */
uint32_t adb_hint_seed(const struct hint_header *header);

/* ----------------------------------------------------------------------- entries */

/** What a hint says of the newest record of a key in a segment. */
struct hint_entry {
    uint32_t collection_id;
    bool is_tombstone;
    bool is_variable;  /* keys of the collection have no fixed length */
    bool is_hashed;    /* they have no order: entries ascend by the keys' hashes */
    uint64_t location; /* of the record, with slot 0 */
    armdb_slice key;   /* borrowed */
    const void *value; /* borrowed; NULL: not kept; else as long as the location says */
};

/* In the place of a location's slot. */
enum { HINT_IS_TOMBSTONE = 1, HINT_HAS_VALUE = 2, HINT_IS_VARIABLE = 4, HINT_IS_HASHED = 8 };

/** The word of an entry: a location whose slot holds flags. */
uint64_t adb_hint_word(const struct hint_entry *entry);

static inline bool
adb_hint_word_has_value(uint64_t word)
{
    return (adb_location_slot(word) & HINT_HAS_VALUE) != 0;
}

/** Sets what the word says; key and value stay. Returns whether it makes sense. */
bool adb_hint_set_word(struct hint_entry *entry, uint64_t word);

/* ----------------------------------------------------------------------- chunks */

/** A chunk that is being filled. */
struct hint_chunk {
    size_t used;     /* bytes; 0: nothing was added */
    size_t group_at; /* of the last group's head */
    unsigned char bytes[HINT_CHUNK_BYTES];
};

/** Empties a chunk. */
void adb_hint_chunk_clear(struct hint_chunk *chunk);

/** Adds an entry, behind all that are less. Returns whether there was room: there is in an empty
 * chunk. */
bool adb_hint_chunk_add(struct hint_chunk *chunk, const struct hint_entry *entry);

/** Fills in the head of a chunk that has entries. Bytes behind `used` are zeros. */
void adb_hint_chunk_finish(struct hint_chunk *chunk, bool begins_segment);

/** Fills in the checksum of a finished chunk. */
void adb_hint_seal_chunk(unsigned char *bytes, uint32_t seed, uint32_t number);

/** Whether HINT_CHUNK_BYTES are a chunk with that number, unharmed. */
bool adb_hint_chunk_is_whole(const unsigned char *bytes, uint32_t seed, uint32_t number);

/** Whether a segment begins with a whole chunk. */
bool adb_hint_begins_segment(const unsigned char *bytes);

/** Walks over the entries of a chunk. */
struct hint_walk {
    const unsigned char *bytes; /* borrowed */
    size_t end;
    size_t at;
    uint32_t collection_id; /* of the group */
    uint32_t key_bytes;     /* of keys in the group whose length is not beside them */
    uint32_t left;          /* entries of the group */
};

/** Starts in front of the first entry of a finished chunk. */
void adb_hint_walk_begin(struct hint_walk *walk, const unsigned char *bytes);

enum hint_step { HINT_ENTRY, HINT_END, HINT_DAMAGED };

/** The next entry; what it points to is in the chunk. HINT_DAMAGED: it makes no sense. */
enum hint_step adb_hint_walk_next(struct hint_walk *walk, struct hint_entry *entry_out);

#endif
