#include "db/db_ahead.h"

#include "db/db_private.h"

/* The slot `n` further on; beyond all slots if there is none. */
static uint32_t
slots_on(const struct ahead *ahead, uint32_t slot, uint32_t n)
{
    return ahead->is_up ? slot + n : slot - n;
}

/* The key under the position is the first: its value will be read right after. */
static void
begin_leaf(struct ahead *ahead, const struct adb_tree_position *position, bool is_up)
{
    ahead->node = position->node;
    ahead->version = position->version;
    ahead->is_up = is_up;
    ahead->is_at_end = false;
    ahead->begin = position->slot;
    ahead->end = position->slot;
    ahead->near = position->slot;
}

/* Looks at one more slot, if the leaf has it and is unchanged. */
static bool
look_at_next(struct ahead *ahead, const struct db *db, const struct adb_tree *tree,
             const struct adb_tree_position *position)
{
    unsigned char bytes[ARMDB_KEY_MAX];
    armdb_slice key = {bytes, 0};
    uint64_t location = adb_tree_peek(tree, position, ahead->end, bytes, &key.len);
    if (location == 0)
        return false;
    adb_shard_ask(adb_db_route(db, key), location, key.len,
                  &ahead->readings[ahead->end % AHEAD_KEYS]);
    ahead->end = slots_on(ahead, ahead->end, 1);
    return true;
}

/* Looks at some more keys, and brings the entries of those after them near. */
static void
look_further(struct ahead *ahead, const struct db *db, const struct adb_tree *tree,
             const struct adb_tree_position *position)
{
    uint32_t at_once = ahead->at_once != 0 ? ahead->at_once : AHEAD_KEYS_FIRST;
    for (uint32_t n = 0; n < at_once && !ahead->is_at_end; n++)
        ahead->is_at_end = !look_at_next(ahead, db, tree, position);
    adb_tree_approach(position, slots_on(ahead, ahead->end, AHEAD_KEYS_AT_ONCE / 2));
    adb_tree_approach(position, slots_on(ahead, ahead->end, AHEAD_KEYS_AT_ONCE));
    while (adb_ahead_slots(ahead, ahead->begin, ahead->end) > AHEAD_KEYS)
        ahead->begin = slots_on(ahead, ahead->begin, 1);
    ahead->low = at_once / 2;
    ahead->at_once = at_once < AHEAD_KEYS_AT_ONCE ? 2 * at_once : at_once;
}

const struct shard_reading *
adb_ahead_look(struct ahead *ahead, const struct db *db, const struct adb_tree *tree,
               const struct adb_tree_position *position, bool is_up)
{
    bool is_known = adb_ahead_knows(ahead, position, position->slot, is_up);
    if (!is_known)
        begin_leaf(ahead, position, is_up);
    if (!is_known || adb_ahead_is_due(ahead, position->slot))
        look_further(ahead, db, tree, position);
    if (ahead->begin == ahead->end)
        return NULL;
    if (ahead->near == position->slot) {
        adb_ahead_approach(ahead, position->slot);
        adb_ahead_approach(ahead, position->slot);
    }
    return &ahead->readings[position->slot % AHEAD_KEYS];
}
