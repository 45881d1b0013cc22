/*
 * shard_object.h: decoded values of keys, beside their locations in an index with pointers.
 *
 * The index has one reference to an object, each reader that pinned it has another. Who writes a
 * key, under the lock of its shard, puts the object that the index had on the shard's list of
 * retired ones. A reader finds and pins it in one RCU scope; so the reference of the index is given
 * back after a wait for scopes, by whoever takes the list.
 *
 * A key without an object is no error: whoever wants it decodes the value, and installs it.
 */
#ifndef ADB_SHARD_SHARD_OBJECT_H
#define ADB_SHARD_SHARD_OBJECT_H

#include <stdatomic.h>

#include "shard/shard.h"

struct object_codec;

/** A decoded value. Its owner, src/db, makes and frees it. */
struct object {
    _Atomic(uint64_t) references;
    void *user;                 /* what the codec made */
    struct object_codec *codec; /* counted: whose */
    struct object *next;        /* in a list of retired ones; guarded by the shard's lock */
    uint64_t bytes;             /* of the value, encoded */
};

/** The location of `key`, 0 if it is not there; and the object, NULL if it has none. To pin it,
 * inside the scope of this call. */
static inline uint64_t
adb_index_get_object(const struct adb_index *index, armdb_slice key, struct object **object_out)
{
    uint64_t word = 0;
    uint64_t location = adb_index_get(index, key, &word);
    *object_out = location != 0 ? (struct object *)(uintptr_t)word : NULL;
    return location;
}

static inline void
adb_object_ref(struct object *object)
{
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
}

/** Where a value was read. The location may come again for another file; both do not. */
struct shard_place {
    uint64_t location;
    uint64_t file_key;
};

/** The place of a location, in the RCU scope that found it. */
struct shard_place adb_shard_place(const struct shard *shard, uint64_t location);

/** Makes `object`, decoded from the value at `place`, the one of its key, if the key is still
 * there; says whether it was. The index gets a reference of its own. Not in an RCU scope. */
bool adb_shard_install_object(struct shard *shard, struct shard_index *index, armdb_slice key,
                              const struct shard_place *place, struct object *object);

/** Takes the list of retired objects, if there are at least so many; else NULL. The reference of
 * the index goes with each. Cost: a load, if there are fewer. */
struct object *adb_shard_take_objects(struct shard *shard, uint32_t at_least);

#endif
