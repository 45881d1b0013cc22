/*
 * armdb/types.h: handles, borrowed bytes and the limits of the store.
 *
 * Include <armdb/armdb.h>; it brings this header.
 */
#ifndef ARMDB_TYPES_H
#define ARMDB_TYPES_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(ARMDB_BUILDING_STATIC)
#define ARMDB_API __attribute__((visibility("default")))
#else
#define ARMDB_API
#endif

/** Longest key of a collection with fixed-length keys, bytes. */
#define ARMDB_FIXED_KEY_MAX 256u
/** Longest key of a collection with variable-length keys, bytes. */
#define ARMDB_KEY_MAX 1024u
/** Longest value, bytes (256 MiB). */
#define ARMDB_VALUE_MAX 268435456u
/** Longest value of a collection whose values have one length and are kept in the index, bytes. */
#define ARMDB_CONST_VALUE_MAX 256u
/** Greatest schema version of a collection. */
#define ARMDB_SCHEMA_VERSION_MAX 65535u
/** Longest collection name, bytes. */
#define ARMDB_NAME_MAX 255u
/** Most shards of a database. */
#define ARMDB_SHARDS_MAX 256u
/** Values and keys up to this length live inside an armdb_value, without an allocation. */
#define ARMDB_VALUE_INLINE 20u

/** A database, opened by armdb_open(), ended by armdb_close(). */
typedef struct armdb_db armdb_db;
/** A named key space of a database. Belongs to its database; never freed by the caller. */
typedef struct armdb_collection armdb_collection;
/** How values become objects of a program: object.h. */
typedef struct armdb_codec armdb_codec;
/** How a collection comes to a newer schema version: armdb.h. */
typedef struct armdb_schema armdb_schema;
/** A position in a collection, opened by armdb_cursor_open(), ended by armdb_cursor_close(). */
typedef struct armdb_cursor armdb_cursor;

/** Borrowed bytes: valid as long as their owner says. `data` may be NULL only if `len` is 0. */
typedef struct armdb_slice {
    const void *data; /* borrowed */
    size_t len;       /* bytes */
} armdb_slice;

/**
 * Bytes that the database hands out and the caller gives back with armdb_value_release().
 *
 * Up to ARMDB_VALUE_INLINE bytes live in the struct itself; longer ones in a counted block that
 * all copies share. Keep it where you like (stack, struct), and move it freely, but copy it only
 * with armdb_value_ref(). All-zero bytes are a valid empty value. Read it with armdb_value_bytes().
 */
typedef struct armdb_value {
    uint32_t len;                              /* bytes */
    unsigned char inlined[ARMDB_VALUE_INLINE]; /* the bytes, if len <= ARMDB_VALUE_INLINE */
    void *block;                               /* counted; NULL if inlined */
} armdb_value;

#endif
