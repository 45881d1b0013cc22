/*
 * db_ahead.h: what a cursor asks the memory for before it gets there.
 *
 * The values of neighbouring keys lie anywhere in the log, and reading each waits for memory a few
 * times. So a cursor that walks looks at the next keys of the leaf it stands in, some at once, and
 * brings near what reading their values will look at. It only asks: every value is read when the
 * cursor stands on its key. The further a walk has come, the further it looks ahead.
 *
 * Threads: of its cursor.
 */
#ifndef ADB_DB_DB_AHEAD_H
#define ADB_DB_DB_AHEAD_H

#include "index/tree.h"
#include "shard/shard_reading.h"

struct db;

enum {
    AHEAD_KEYS = 16,        /* a power of 2 */
    AHEAD_KEYS_FIRST = 4,   /* looked at first */
    AHEAD_KEYS_AT_ONCE = 8, /* looked at when a walk has come far */
    AHEAD_NEAR = 4          /* so far ahead values are brought near */
};

/* Plain memory; all zero: nothing was asked for. */
struct ahead {
    const void *node; /* the leaf that the entries are of, and its version then */
    uint64_t version;
    bool is_up;
    bool is_at_end;   /* there is no slot after the last */
    uint32_t begin;   /* the first slot that is known; slots count down if not is_up */
    uint32_t end;     /* the one after the last; never more than AHEAD_KEYS further */
    uint32_t near;    /* the first that is still to be brought near */
    uint32_t at_once; /* how many to look at the next time; 0: AHEAD_KEYS_FIRST */
    uint32_t low;     /* it is time to look further when so many or fewer are left */
    struct shard_reading readings[AHEAD_KEYS]; /* by slot % AHEAD_KEYS */
};

/**
 * Looks ahead from a position of which a walk, up or down the tree, has just come, if it is time
 * to. Inside an RCU scope.
 *
 * Returns:  what was asked for of the key under the position; NULL if the leaf has changed.
 */
const struct shard_reading *adb_ahead_look(struct ahead *ahead, const struct db *db,
                                           const struct adb_tree *tree,
                                           const struct adb_tree_position *position, bool is_up);

/* How many slots from one to another, the way the walk goes; huge if that is behind it. */
static inline uint32_t
adb_ahead_slots(const struct ahead *ahead, uint32_t from, uint32_t to)
{
    return ahead->is_up ? to - from : from - to;
}

/* Whether a slot of the position's leaf is known, for a walk that way. */
static inline bool
adb_ahead_knows(const struct ahead *ahead, const struct adb_tree_position *position, uint32_t slot,
                bool is_up)
{
    return ahead->node == position->node && ahead->version == position->version &&
           ahead->is_up == is_up &&
           adb_ahead_slots(ahead, ahead->begin, slot) <
               adb_ahead_slots(ahead, ahead->begin, ahead->end);
}

/* Whether it is time to look further, seen from a slot that is known. */
static inline bool
adb_ahead_is_due(const struct ahead *ahead, uint32_t slot)
{
    return adb_ahead_slots(ahead, slot, ahead->end) <= ahead->low && !ahead->is_at_end;
}

/** What was asked for of the key next to the position; NULL if it was not, or if it is time to look
 * further. */
static inline const struct shard_reading *
adb_ahead_next(const struct ahead *ahead, const struct adb_tree_position *position, bool is_up)
{
    uint32_t slot = is_up ? position->slot + 1 : position->slot - 1;
    if (!adb_ahead_knows(ahead, position, slot, is_up) || adb_ahead_is_due(ahead, slot))
        return NULL;
    return &ahead->readings[slot % AHEAD_KEYS];
}

/** Brings near one or two of the next values, seen from a slot that is known. */
static inline void
adb_ahead_approach(struct ahead *ahead, uint32_t slot)
{
    for (int i = 0; i < 2 && ahead->near != ahead->end &&
                    adb_ahead_slots(ahead, slot, ahead->near) <= AHEAD_NEAR;
         i++) {
        adb_shard_approach(&ahead->readings[ahead->near % AHEAD_KEYS]);
        ahead->near = ahead->is_up ? ahead->near + 1 : ahead->near - 1;
    }
}

/** Forgets how far the walk has come: another one begins. */
static inline void
adb_ahead_reset(struct ahead *ahead)
{
    ahead->node = NULL;
    ahead->at_once = 0;
}

#endif
