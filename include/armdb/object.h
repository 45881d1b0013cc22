/*
 * armdb/object.h: collections whose values are decoded once, and read as they are in memory.
 *
 * In a collection with value_bytes = ARMDB_VALUE_OBJECT a value is bytes on disk and an object of
 * the program in memory. The program gives a codec when it creates or opens the collection: the
 * values that are there are decoded then, each later one when it is written. Reading one is a look
 * into the index: no file, no decoding, no copy.
 *
 * Everything else of armdb.h works on the encoded bytes, as on a collection of values of any
 * length: gets, cursors, puts (which decode what they store), deletes, deadlines. Opened without a
 * codec it is such a collection, and nothing more; so dumps, backups and the command need none.
 *
 * Include <armdb/armdb.h>; it brings this header.
 */
#ifndef ARMDB_OBJECT_H
#define ARMDB_OBJECT_H

#include "armdb/error.h"
#include "armdb/options.h"
#include "armdb/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * How objects of a collection are read and written. Copied; functions and context must stay usable
 * until the database is closed and the last object was released.
 *
 * The functions are called from any thread, several at once, without any lock; but, for what a
 * group (group.h) writes, under the lock of a shard. They must not call the library.
 */
struct armdb_codec {
    uint32_t struct_bytes; /* sizeof(armdb_codec); filled by the _INIT macro */
    /* Makes the object that `bytes` (borrowed) are of, and stores it in `*object_out`. Returns 0;
     * anything else: these bytes are of none. */
    int (*decode)(void *context, armdb_slice key, armdb_slice bytes, void **object_out);
    /* The number of bytes that encode() writes, 0..ARMDB_VALUE_MAX. */
    size_t (*size)(void *context, const void *object);
    /* Writes the `bytes` bytes that size() has announced to `to`, of which decode() makes an equal
     * object. Returns 0; anything else: it can't be written. */
    int (*encode)(void *context, const void *object, void *to, size_t bytes);
    /* Frees an object that nobody can reach any more. */
    void (*free)(void *context, void *object);
    /* Called at open, by the opening thread, for each key whose value can't be read (ARMDB_CORRUPT,
     * ARMDB_IO ...) or decoded (ARMDB_CODEC): `err`. Returns 0 to go on: that key has no object,
     * and armdb_object_get() of it tries again. Anything else, or NULL here: opening fails with
     * that error. */
    int (*on_failure)(void *context, armdb_slice key, armdb_err err);
    void *context; /* of all these; may be NULL */
};

#define ARMDB_CODEC_INIT                                                                           \
    {                                                                                              \
        sizeof(armdb_codec), NULL, NULL, NULL, NULL, NULL, NULL                                    \
    }

/** An object that is pinned: it stays as it is until armdb_object_release(). Plain memory, may be
 * moved. All zero: none. */
typedef struct armdb_object {
    const void *object; /* what decode() made, or what was put */
    void *block;        /* counted */
} armdb_object;

/* -------------------------------------------------------------------- objects
 *
 * Returns, beside what the functions of the same name in armdb.h return:
 *           ARMDB_UNSUPPORTED (the values of the collection are no objects, or it was opened
 *           without a codec); ARMDB_CODEC (the codec refused; the detail names the key).
 * Threads:  any.
 */

/**
 * Pins the object of `key`. What is pinned does not change: a later put makes another object.
 *
 * @param object_out  release it with armdb_object_release(), after closing the database too.
 *
 * Cost:     one index walk and a count. A file is read only for a key that has a deadline, or had
 *           no object because of codec.on_failure.
 */
ARMDB_API armdb_err armdb_object_get(armdb_collection *collection, armdb_slice key,
                                     armdb_object *object_out);

/** Gives a pinned object back and empties the handle. NULL and empty ones are allowed. */
ARMDB_API void armdb_object_release(armdb_object *object);

/**
 * Stores `object` under `key`, replacing what was there. It is encoded once.
 *
 * @param object  taken, also on error: the database frees it when nobody needs it any more. The
 *                caller must not touch it again, nor put it twice. Only with ARMDB_UNSUPPORTED,
 *                ARMDB_INVALID and ARMDB_CLOSED it stays the caller's. Not NULL.
 *
 * Durable:  as armdb_put().
 * Cost:     as armdb_put(), and one encoding.
 */
ARMDB_API armdb_err armdb_object_put(armdb_collection *collection, armdb_slice key, void *object,
                                     const armdb_write_options *options);

/** Stores `object` (taken, as above) under `key` if the key is not there; ARMDB_EXISTS if it is. */
ARMDB_API armdb_err armdb_object_insert(armdb_collection *collection, armdb_slice key, void *object,
                                        const armdb_write_options *options);

#ifdef __cplusplus
}
#endif

#endif
