/*
 * db_fetch_ahead.h: what a cursor asks the device for before it gets there.
 *
 * A walk that meets a value which is in no memory of ours is likely to meet more. So the values of
 * the next keys of the leaf that are not there either are read with it, all at once
 * (shard/shard_fetch.h): the first one alone, then 4, 16, 32, and in the end 64.
 *
 * Threads: of its cursor.
 */
#ifndef ADB_DB_DB_FETCH_AHEAD_H
#define ADB_DB_DB_FETCH_AHEAD_H

#include "index/tree.h"
#include "shard/shard_fetch.h"

struct db;

/* Plain memory; all zero: nothing was read. */
struct fetch_ahead {
    struct fetch *fetch; /* owned: adb_fetch_give(); NULL: none yet */
    uint32_t next;       /* the part that is likely to be wanted next */
    uint32_t n_read;     /* by this walk */
};

/** Where a walk is, and where it goes. */
struct fetch_walk {
    struct db *db;
    const struct adb_tree *tree;
    const struct adb_tree_position *position; /* of a key whose value is wanted */
    bool is_up;
    bool (*has)(const void *context, armdb_slice key); /* whether the walk gets as far as that */
    const void *context;                               /* for it */
};

/**
 * Hands out the value under the position, if it was read ahead, or is now together with others.
 * Inside the RCU scope in which the position's location was loaded from the tree.
 *
 * Returns:  the value, in the fetch's memory, until the next call; NULL if it is not to be had:
 *           adb_shard_read_value() tells.
 */
const unsigned char *adb_fetch_ahead_value(struct fetch_ahead *ahead,
                                           const struct fetch_walk *walk);

/** Another walk begins. */
static inline void
adb_fetch_ahead_reset(struct fetch_ahead *ahead)
{
    ahead->n_read = 0;
}

#endif
