/*
 * armdb/typed.h: integers as keys, and C structs as values.
 *
 *     struct session {
 *         uint64_t user;
 *         int64_t last_seen;
 *     };
 *     ARMDB_DEFINE_TYPED(sessions, u64, struct session, 8 + 8);
 *
 *     sessions view;
 *     if (sessions_open(db, "sessions", ARMDB_UNORDERED, &view) == ARMDB_OK)
 *         err = sessions_put(view, 7, &session, NULL);
 *
 * A typed view is a collection whose keys and values have one length each: values are kept in the
 * index, and reading one touches no file. Everything else of armdb.h works on view.collection.
 *
 * A value is stored as it is in memory, in the byte order of the machine: on another one, or for
 * another language, encode it yourself. Keys are encoded, and the same everywhere.
 *
 * Threads:  any, as the functions of armdb.h that are called.
 * Returns:  what those return; none here has errors of its own.
 * Needs C11 or C++11. Nothing here is in the library.
 */
#ifndef ARMDB_TYPED_H
#define ARMDB_TYPED_H

#include "armdb/armdb.h"

#ifdef __cplusplus
#define ARMDB_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define ARMDB_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#ifdef __GNUC__
#define ARMDB_MAY_BE_UNUSED __attribute__((unused))
#else
#define ARMDB_MAY_BE_UNUSED
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ----------------------------------------------------------------------- keys
 *
 * A kind of key K is a type armdb_key_K, the number ARMDB_KEY_BYTES_K of its bytes in a collection,
 * and two functions: armdb_key_K_encode() writes them, armdb_key_K_decode() reads them. Encoded
 * keys, compared as bytes, have the order of what they stand for.
 */

typedef uint32_t armdb_key_u32;
typedef uint64_t armdb_key_u64;
typedef int64_t armdb_key_i64;

enum { ARMDB_KEY_BYTES_u32 = 4, ARMDB_KEY_BYTES_u64 = 8, ARMDB_KEY_BYTES_i64 = 8 };

/** Writes 4 bytes, the highest first. */
static inline void
armdb_key_u32_encode(unsigned char *to, armdb_key_u32 key)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(key >> (24 - 8 * i) & 0xff);
}

/** The number in 4 bytes. */
static inline armdb_key_u32
armdb_key_u32_decode(const unsigned char *from)
{
    armdb_key_u32 key = 0;
    for (int i = 0; i < 4; i++)
        key = key << 8 | from[i];
    return key;
}

/** Writes 8 bytes, the highest first. */
static inline void
armdb_key_u64_encode(unsigned char *to, armdb_key_u64 key)
{
    for (int i = 0; i < 8; i++)
        to[i] = (unsigned char)(key >> (56 - 8 * i) & 0xff);
}

/** The number in 8 bytes. */
static inline armdb_key_u64
armdb_key_u64_decode(const unsigned char *from)
{
    armdb_key_u64 key = 0;
    for (int i = 0; i < 8; i++)
        key = key << 8 | from[i];
    return key;
}

/** Writes 8 bytes such that numbers below 0 come first. */
static inline void
armdb_key_i64_encode(unsigned char *to, armdb_key_i64 key)
{
    armdb_key_u64_encode(to, (armdb_key_u64)key ^ (UINT64_C(1) << 63));
}

/** The number in 8 bytes. */
static inline armdb_key_i64
armdb_key_i64_decode(const unsigned char *from)
{
    return (armdb_key_i64)(armdb_key_u64_decode(from) ^ (UINT64_C(1) << 63));
}

/**
 * Defines the kind of key NAME of two others: ordered by the first, then by the second. Its type is
 * a struct of .first and .second. The encoded first part is a prefix of all keys that have it.
 */
#define ARMDB_DEFINE_KEY_PAIR(NAME, FIRST, SECOND)                                                 \
    typedef struct {                                                                               \
        armdb_key_##FIRST first;                                                                   \
        armdb_key_##SECOND second;                                                                 \
    } armdb_key_##NAME;                                                                            \
    enum {                                                                                         \
        ARMDB_KEY_BYTES_##NAME = (int)ARMDB_KEY_BYTES_##FIRST + (int)ARMDB_KEY_BYTES_##SECOND      \
    };                                                                                             \
    ARMDB_MAY_BE_UNUSED static inline void armdb_key_##NAME##_encode(unsigned char *to,            \
                                                                     armdb_key_##NAME key)         \
    {                                                                                              \
        armdb_key_##FIRST##_encode(to, key.first);                                                 \
        armdb_key_##SECOND##_encode(to + ARMDB_KEY_BYTES_##FIRST, key.second);                     \
    }                                                                                              \
    ARMDB_MAY_BE_UNUSED static inline armdb_key_##NAME armdb_key_##NAME##_decode(                  \
        const unsigned char *from)                                                                 \
    {                                                                                              \
        armdb_key_##NAME key;                                                                      \
        key.first = armdb_key_##FIRST##_decode(from);                                              \
        key.second = armdb_key_##SECOND##_decode(from + ARMDB_KEY_BYTES_##FIRST);                  \
        return key;                                                                                \
    }                                                                                              \
    ARMDB_STATIC_ASSERT((int)ARMDB_KEY_BYTES_##NAME <= (int)ARMDB_FIXED_KEY_MAX, "a long key")

/** Defines the kind of key NAME of BYTES bytes as they are: a struct of .bytes. */
#define ARMDB_DEFINE_KEY_BYTES(NAME, BYTES)                                                        \
    typedef struct {                                                                               \
        unsigned char bytes[BYTES];                                                                \
    } armdb_key_##NAME;                                                                            \
    enum { ARMDB_KEY_BYTES_##NAME = BYTES };                                                       \
    ARMDB_MAY_BE_UNUSED static inline void armdb_key_##NAME##_encode(unsigned char *to,            \
                                                                     armdb_key_##NAME key)         \
    {                                                                                              \
        memcpy(to, key.bytes, BYTES);                                                              \
    }                                                                                              \
    ARMDB_MAY_BE_UNUSED static inline armdb_key_##NAME armdb_key_##NAME##_decode(                  \
        const unsigned char *from)                                                                 \
    {                                                                                              \
        armdb_key_##NAME key;                                                                      \
        memcpy(key.bytes, from, BYTES);                                                            \
        return key;                                                                                \
    }                                                                                              \
    ARMDB_STATIC_ASSERT((int)ARMDB_KEY_BYTES_##NAME <= (int)ARMDB_FIXED_KEY_MAX, "a long key")

/* ---------------------------------------------------------------------- views */

/**
 * Defines a typed view NAME of a collection: from keys of the kind KEY to values of the C type
 * VALUE, a struct or a number.
 *
 * BYTES is the size of VALUE, written out as the sum of its members (8 + 8). A struct with holes
 * between its members, a member that was added, or another size on another machine do not compile:
 * holes would store whatever was in memory, and another size can't open what is stored. Bytes that
 * are missing are to be declared as a member, and set. No pointers: they mean nothing when read.
 *
 * It defines the struct NAME, plain memory whose one member is .collection, and with the errors,
 * durability and costs of the functions of armdb.h of the same name:
 *
 *   NAME_open(db, name, order, &view)     opens the collection, or creates it if it is not there;
 *                                         order: ARMDB_ORDER_DEFAULT for what is stored (ascending)
 *   NAME_put(view, key, &value, options)  also NAME_insert()
 *   NAME_get(view, key, &value)           on an error the value is undefined
 *   NAME_contains(view, key, &found)
 *   NAME_delete(view, key, options)
 *   NAME_range(view, from, to, &cursor)   opens a cursor: `from` and `to` point to keys, or are
 *                                         NULL; the first is included, the second not
 *   NAME_seek(cursor, key)                as armdb_cursor_seek(), in a cursor of this collection
 *   NAME_key(cursor), NAME_value(cursor)  what the cursor stands on, copied; zeros if on no key
 */
#define ARMDB_DEFINE_TYPED(NAME, KEY, VALUE, BYTES)                                                \
    typedef struct {                                                                               \
        armdb_collection *collection; /* borrowed: belongs to its database */                      \
    } NAME;                                                                                        \
    ARMDB_DEFINE_TYPED_OPEN_(NAME, KEY, VALUE)                                                     \
    ARMDB_DEFINE_TYPED_VERBS_(NAME, KEY, VALUE)                                                    \
    ARMDB_DEFINE_TYPED_CURSOR_(NAME, KEY, VALUE)                                                   \
    ARMDB_STATIC_ASSERT(sizeof(VALUE) <= ARMDB_CONST_VALUE_MAX, #VALUE " is too large");           \
    ARMDB_STATIC_ASSERT(sizeof(VALUE) == (BYTES), #VALUE " has not the size that was said: holes?")

#define ARMDB_DEFINE_TYPED_OPEN_(NAME, KEY, VALUE)                                                 \
    ARMDB_MAY_BE_UNUSED static inline armdb_err NAME##_open(armdb_db *db, const char *name,        \
                                                            armdb_order order, NAME *view_out)     \
    {                                                                                              \
        armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;                          \
        options.key_bytes = ARMDB_KEY_BYTES_##KEY;                                                 \
        options.order = order;                                                                     \
        options.value_bytes = sizeof(VALUE);                                                       \
        armdb_err err = armdb_collection_create(db, name, &options, &view_out->collection);        \
        if (err == ARMDB_EXISTS)                                                                   \
            err = armdb_collection_open(db, name, &options, &view_out->collection);                \
        return err;                                                                                \
    }

#define ARMDB_DEFINE_TYPED_VERBS_(NAME, KEY, VALUE)                                                \
    ARMDB_MAY_BE_UNUSED static inline armdb_err NAME##_put(                                        \
        NAME view, armdb_key_##KEY key, const VALUE *value, const armdb_write_options *options)    \
    {                                                                                              \
        unsigned char bytes[ARMDB_KEY_BYTES_##KEY];                                                \
        armdb_key_##KEY##_encode(bytes, key);                                                      \
        return armdb_put(view.collection, armdb_bytes(bytes, sizeof bytes),                        \
                         armdb_bytes(value, sizeof *value), options);                              \
    }                                                                                              \
    ARMDB_MAY_BE_UNUSED static inline armdb_err NAME##_insert(                                     \
        NAME view, armdb_key_##KEY key, const VALUE *value, const armdb_write_options *options)    \
    {                                                                                              \
        unsigned char bytes[ARMDB_KEY_BYTES_##KEY];                                                \
        armdb_key_##KEY##_encode(bytes, key);                                                      \
        return armdb_insert(view.collection, armdb_bytes(bytes, sizeof bytes),                     \
                            armdb_bytes(value, sizeof *value), options);                           \
    }                                                                                              \
    ARMDB_MAY_BE_UNUSED static inline armdb_err NAME##_get(NAME view, armdb_key_##KEY key,         \
                                                           VALUE *value_out)                       \
    {                                                                                              \
        unsigned char bytes[ARMDB_KEY_BYTES_##KEY];                                                \
        size_t len;                                                                                \
        armdb_key_##KEY##_encode(bytes, key);                                                      \
        return armdb_get(view.collection, armdb_bytes(bytes, sizeof bytes), value_out,             \
                         sizeof *value_out, &len);                                                 \
    }                                                                                              \
    ARMDB_MAY_BE_UNUSED static inline armdb_err NAME##_contains(NAME view, armdb_key_##KEY key,    \
                                                                bool *found_out)                   \
    {                                                                                              \
        unsigned char bytes[ARMDB_KEY_BYTES_##KEY];                                                \
        armdb_key_##KEY##_encode(bytes, key);                                                      \
        return armdb_contains(view.collection, armdb_bytes(bytes, sizeof bytes), found_out);       \
    }                                                                                              \
    ARMDB_MAY_BE_UNUSED static inline armdb_err NAME##_delete(NAME view, armdb_key_##KEY key,      \
                                                              const armdb_write_options *options)  \
    {                                                                                              \
        unsigned char bytes[ARMDB_KEY_BYTES_##KEY];                                                \
        armdb_key_##KEY##_encode(bytes, key);                                                      \
        return armdb_delete(view.collection, armdb_bytes(bytes, sizeof bytes), options);           \
    }

#define ARMDB_DEFINE_TYPED_CURSOR_(NAME, KEY, VALUE)                                               \
    ARMDB_MAY_BE_UNUSED static inline armdb_err NAME##_range(                                      \
        NAME view, const armdb_key_##KEY *from, const armdb_key_##KEY *to,                         \
        armdb_cursor **cursor_out)                                                                 \
    {                                                                                              \
        unsigned char bytes[2][ARMDB_KEY_BYTES_##KEY];                                             \
        armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;                                  \
        if (from != NULL) {                                                                        \
            armdb_key_##KEY##_encode(bytes[0], *from);                                             \
            options.from.kind = ARMDB_INCLUDED;                                                    \
            options.from.key = armdb_bytes(bytes[0], sizeof bytes[0]);                             \
        }                                                                                          \
        if (to != NULL) {                                                                          \
            armdb_key_##KEY##_encode(bytes[1], *to);                                               \
            options.to.kind = ARMDB_EXCLUDED;                                                      \
            options.to.key = armdb_bytes(bytes[1], sizeof bytes[1]);                               \
        }                                                                                          \
        return armdb_cursor_open(view.collection, &options, cursor_out);                           \
    }                                                                                              \
    ARMDB_MAY_BE_UNUSED static inline armdb_err NAME##_seek(armdb_cursor *cursor,                  \
                                                            armdb_key_##KEY key)                   \
    {                                                                                              \
        unsigned char bytes[ARMDB_KEY_BYTES_##KEY];                                                \
        armdb_key_##KEY##_encode(bytes, key);                                                      \
        return armdb_cursor_seek(cursor, armdb_bytes(bytes, sizeof bytes));                        \
    }                                                                                              \
    ARMDB_MAY_BE_UNUSED static inline armdb_key_##KEY NAME##_key(const armdb_cursor *cursor)       \
    {                                                                                              \
        unsigned char bytes[ARMDB_KEY_BYTES_##KEY] = {0};                                          \
        armdb_slice key = armdb_cursor_key(cursor);                                                \
        if (key.len == sizeof bytes)                                                               \
            memcpy(bytes, key.data, sizeof bytes);                                                 \
        return armdb_key_##KEY##_decode(bytes);                                                    \
    }                                                                                              \
    ARMDB_MAY_BE_UNUSED static inline VALUE NAME##_value(const armdb_cursor *cursor)               \
    {                                                                                              \
        VALUE value;                                                                               \
        armdb_slice bytes = armdb_cursor_value(cursor);                                            \
        memset(&value, 0, sizeof value);                                                           \
        if (bytes.len == sizeof value)                                                             \
            memcpy(&value, bytes.data, sizeof value);                                              \
        return value;                                                                              \
    }

#ifdef __cplusplus
}
#endif

#endif
