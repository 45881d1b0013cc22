/*
 * manifest_format.h: every byte of MANIFEST, the file that says what a database is.
 *
 * Settings fixed at creation, and the list of collections. Drawn in docs/format.md. This module
 * encodes, decodes and validates; it does no I/O. All numbers are little-endian.
 * Threads: pure functions.
 */
#ifndef ADB_LOG_MANIFEST_FORMAT_H
#define ADB_LOG_MANIFEST_FORMAT_H

#include "armdb/options.h"
#include "log/log_format.h"

enum {
    MANIFEST_FORMAT_VERSION = 3
}; /* the newest known; written if older ones lack what is in it */

/** One collection, as stored. */
struct manifest_collection {
    uint32_t id;             /* 0 = the default one; never reused */
    uint32_t key_bytes;      /* 1..ARMDB_FIXED_KEY_MAX, or ARMDB_KEY_VARIABLE */
    armdb_order order;       /* not the default */
    uint32_t value_bytes;    /* 1..ARMDB_CONST_VALUE_MAX, or ARMDB_VALUE_VARIABLE or _OBJECT */
    uint32_t schema_version; /* 1..ARMDB_SCHEMA_VERSION_MAX, or 0: none */
    char name[ARMDB_NAME_MAX + 1];
};

struct manifest {
    unsigned char db_id[LOG_DB_ID_BYTES];
    uint64_t hash_seed; /* of the hash that routes keys to shards */
    uint32_t shards;
    uint32_t shard_prefix_bits; /* 0: whole keys */
    uint32_t next_collection_id;
    uint32_t collection_count;               /* at least 1: the default one comes first */
    struct manifest_collection *collections; /* owned, [collection_count], ascending ids */
};

/** Frees what a manifest owns and zeroes it. */
void adb_manifest_fini(struct manifest *manifest);

/** Bytes that adb_manifest_encode() writes. */
size_t adb_manifest_bytes(const struct manifest *manifest);

void adb_manifest_encode(const struct manifest *manifest, unsigned char *to);

/**
 * Reads a manifest.
 *
 * @param file          its path, for error details.
 * @param manifest_out  end it with adb_manifest_fini(); zeroed on error.
 *
 * Returns:  ARMDB_OK; ARMDB_CORRUPT (with the offset), ARMDB_FORMAT (newer), ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_manifest_decode(const unsigned char *from, size_t len, const char *file,
                                           struct manifest *manifest_out);

/**
 * Reads what still makes sense in the bytes of a damaged manifest. Nothing of it is sure: the
 * checksum, which does not fit, is one for all. For repair only.
 *
 * @param manifest_out  end it with adb_manifest_fini(). Numbers that are out of range or missing
 *                      are 0; collections are those whose entries make sense, ascending ids,
 *                      perhaps none, and perhaps without the default one.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_manifest_guess(const unsigned char *from, size_t len,
                                          struct manifest *manifest_out);

#endif
