/*
 * db_object.h: codecs of collections, and the objects that they make. Included by src/db only.
 *
 * Threads: any.
 */
#ifndef ADB_DB_DB_OBJECT_H
#define ADB_DB_DB_OBJECT_H

#include "armdb/object.h"
#include "db/value.h"
#include "shard/shard_object.h"

struct db;
struct collection;

/** A codec, as a program gave it. Counted: by its collection, and by each object. */
struct object_codec {
    _Atomic(uint64_t) references;
    struct value_account *account; /* counted */
    armdb_codec user;
    struct object_codec *older; /* owned: a former one of the same collection */
};

/** Makes a codec; end it with adb_codec_unref(). ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_codec_new(struct value_account *account, const armdb_codec *user,
                                     struct object_codec **codec_out);

/** NULL is allowed. */
void adb_codec_unref(struct object_codec *codec);

/** Makes the object of a value that is to be written; NULL if the collection is none of objects, or
 * has no codec. ARMDB_CODEC, ARMDB_NO_MEMORY are raised. */
ADB_MUST_USE armdb_err adb_object_decode(struct collection *collection, armdb_slice key,
                                         armdb_slice bytes, struct object **object_out);

/** NULL is allowed. */
void adb_object_unref(struct object *object);

/** Gives a codec to a collection, and an object to each of its keys. Returns ARMDB_OK; MISMATCH (it
 * has another codec, or is none of objects); why a value has no object. */
ADB_MUST_USE armdb_err adb_objects_attach(struct collection *collection, const armdb_codec *user);

/** Gives back what the index of a collection has of the objects of its keys. Nobody reads them any
 * more, or will. */
void adb_objects_free(const struct adb_index *keys);

/** Frees objects that were replaced, of each shard that has so many. Waits for RCU scopes if there
 * are any. */
void adb_objects_reclaim(struct db *db, uint32_t at_least);

/** After a write: the same, if so many have piled up that the background is too slow. */
enum { OBJECTS_RETIRED_MAX = 16384 };

#endif
