/*
 * armdb/hook.h: being told of every change of a collection.
 *
 * A hook is a function of the program that runs for each change, in the thread that made it, before
 * the call that made it returns: the way to keep something right that follows from the data (an
 * index over values, counts, a cache). docs/hooks.md has the whole story.
 *
 * Include <armdb/armdb.h>; it brings this header.
 */
#ifndef ARMDB_HOOK_H
#define ARMDB_HOOK_H

#include <stdbool.h>

#include "armdb/error.h"
#include "armdb/types.h"

/** How deep changes may follow from changes: one that a hook makes is one deeper than the one that
 * the hook was told of. */
#define ARMDB_HOOK_DEPTH_MAX 16u

/** What happened to a key. */
typedef enum armdb_change_kind {
    ARMDB_CHANGE_PUT = 1,    /* it has a new value */
    ARMDB_CHANGE_DELETE = 2, /* it was deleted */
    ARMDB_CHANGE_EXPIRE = 3, /* it was deleted because its deadline had passed */
    ARMDB_CHANGE_LIVE = 4,   /* nothing: it is there (told by on_init) */
    ARMDB_CHANGE_LOST = 5    /* some changes were not told (by a watch; see watch.h) */
} armdb_change_kind;

/** One change. All bytes are borrowed for the call. */
typedef struct armdb_change {
    armdb_change_kind kind;
    uint32_t shard;               /* of the key */
    armdb_collection *collection; /* that has, or had, the key */
    uint64_t sequence; /* of the record, in its shard; 0: not known (ARMDB_CHANGE_LIVE) */
    armdb_slice key;
    armdb_slice value; /* the new one; empty if the key was deleted */
    bool had_value;    /* the key was there before */
    /* ARMDB_OK; or why old_value, though asked for, could not be read: ARMDB_CORRUPT, ARMDB_IO,
     * ARMDB_NO_MEMORY; armdb_last_error() in the hook says more. */
    armdb_err old_err;
    armdb_slice old_value; /* empty if not asked for, or if there was none */
    uint64_t lost;         /* how many, for ARMDB_CHANGE_LOST; else 0 */
} armdb_change;

typedef void (*armdb_change_fn)(void *context, const armdb_change *change);

/** Not ARMDB_OK ends the walk, and armdb_hook_set() returns it. */
typedef armdb_err (*armdb_live_fn)(void *context, const armdb_change *pair);

/** What is to be told of a collection, and to whom. */
typedef struct armdb_hook {
    uint32_t struct_bytes; /* sizeof(armdb_hook); filled by the _INIT macro */
    /* nonzero: also the value that was replaced or deleted. It costs a read, but not where values
     * are kept in the index */
    uint32_t wants_old;
    /* nonzero: on_init runs in several threads at once, each with the keys of its own shards */
    uint32_t is_init_parallel;
    armdb_change_fn on_change; /* for each change from now on; or NULL */
    armdb_live_fn on_init;     /* for each key that is there now; or NULL. At least one is set. */
    void *context;             /* for both */
} armdb_hook;

#define ARMDB_HOOK_INIT                                                                            \
    {                                                                                              \
        sizeof(armdb_hook), 0, 0, NULL, NULL, NULL                                                 \
    }

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Sets the hook of a collection, or takes it away. A hook is not stored: it is to be set after each
 * open, before the first write, so that it is told of all.
 *
 * Each change of the collection is told once, whichever call made it, and so is the deleting of
 * expired keys by the background; not what compaction moves. Changes of a shard, and so of a key,
 * are told in the order of their sequence numbers, one at a time; those of different shards at the
 * same time. A change is told when it can be seen; a write at ARMDB_SYNCED may still be on its way
 * to the device. What was accepted is always told.
 *
 * A write returns when the hook has been told of it. Whoever finds nobody telling tells for all, so
 * a hook may run in the thread of another writer, or in one of the background. It runs under no
 * lock of the database, and may read and write it, this collection too. A write that a hook makes
 * does not wait to be told: its own hook runs later, but before the outermost write returns. A
 * change deeper than ARMDB_HOOK_DEPTH_MAX is refused: ARMDB_LIMIT, from the write in the hook.
 *
 * A hook must not wait for another writer of the database: a program that holds a lock while it
 * writes must not take the same lock in a hook. In a hook armdb_hook_set() and armdb_close() are
 * ARMDB_BUSY.
 *
 * on_init is told of each key that is there, and its value (the kind is ARMDB_CHANGE_LIVE), before
 * any change of the collection is told; if others write to the collection meanwhile, a change may
 * show in both, and writes to collections with hooks wait until it is over.
 *
 * @param hook  copied; NULL: none from now on. On return the old one is not running, and will not
 *              run again; a write that was running meanwhile may not have been told.
 *
 * Returns:  ARMDB_OK; ARMDB_EXISTS (the collection has a hook: take that away first); ARMDB_BUSY
 *           (in a hook); ARMDB_INVALID (no function at all, or struct_bytes is wrong);
 *           ARMDB_NO_COLLECTION (dropped); whatever on_init returned, or reading a value:
 *           ARMDB_CORRUPT, ARMDB_IO, ARMDB_NO_MEMORY. After an error there is no hook.
 * Threads:  any; one call after the other. Waits until no hook of the database is running.
 * Durable:  nothing is stored.
 * Cost:     of a write in a collection with a hook: a copy of key and value, two more turns of the
 *           shard's lock, and the hook itself. With on_init: a walk over the collection, with its
 *           values; if parallel, a walk over all keys in each thread.
 * Source:   docs/hooks.md.
 */
ARMDB_API armdb_err armdb_hook_set(armdb_collection *collection, const armdb_hook *hook);

#ifdef __cplusplus
}
#endif

#endif
