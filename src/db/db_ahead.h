/*
 * db_ahead.h: what a cursor asks the memory for before it gets there.
 *
 * The values of neighbouring keys lie anywhere in the log, and reading each waits for memory a few
 * times. So a cursor that walks looks some keys ahead in the leaf it stands in, and brings near
 * what reading their values will look at, in two stages. It only asks: every value is read when the
 * cursor stands on its key. The further a walk has come, the further it looks ahead.
 *
 * Threads: of its cursor.
 */
#ifndef ADB_DB_DB_AHEAD_H
#define ADB_DB_DB_AHEAD_H

#include "index/tree.h"
#include "shard/shard.h"

struct db;

enum { AHEAD_KEYS = 16 };

/* A key's value, asked for. */
struct ahead_entry {
    struct shard *shard;
    struct shard_reading reading;
};

/* Plain memory; all zero: nothing was asked for. */
struct ahead {
    const void *node; /* the leaf that the entries are of, and its version then */
    uint64_t version;
    bool is_up;
    uint32_t distance; /* how many keys to look ahead now, at most AHEAD_KEYS */
    uint32_t begin;    /* the first slot that was looked at; slots count down if not is_up */
    uint32_t near;     /* the first that is to be brought near as a whole */
    uint32_t next;     /* the first that is still to be looked at */
    struct ahead_entry entries[AHEAD_KEYS]; /* of the newest slots, by slot % AHEAD_KEYS */
};

/** Looks ahead from a position of which a walk, up or down the tree, has just come. */
void adb_ahead_look(struct ahead *ahead, const struct db *db, const struct adb_tree *tree,
                    const struct adb_tree_position *position, bool is_up);

/** What was asked for of the key under a position; NULL if it was not, or for another location. */
const struct ahead_entry *adb_ahead_find(const struct ahead *ahead,
                                         const struct adb_tree_position *position);

/** Forgets how far the walk has come: another one begins. */
static inline void
adb_ahead_reset(struct ahead *ahead)
{
    ahead->node = NULL;
    ahead->distance = 0;
}

#endif
