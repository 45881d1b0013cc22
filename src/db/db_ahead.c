#include "db/db_ahead.h"

#include "db/db_private.h"

enum { DISTANCE_FIRST = 2 };

/* How many slots a walk is before `slot`; huge if it is behind it. */
static uint32_t
slots_to(const struct ahead *ahead, uint32_t from, uint32_t slot)
{
    return ahead->is_up ? slot - from : from - slot;
}

static uint32_t
slot_after(const struct ahead *ahead, uint32_t slot)
{
    return ahead->is_up ? slot + 1 : slot - 1;
}

/* Whether what was looked at belongs to the leaf that a position is in, as it is. */
static bool
is_of(const struct ahead *ahead, const struct adb_tree_position *position)
{
    return ahead->node == position->node && ahead->version == position->version;
}

static void
begin_leaf(struct ahead *ahead, const struct adb_tree_position *position, bool is_up)
{
    ahead->node = position->node;
    ahead->version = position->version;
    ahead->is_up = is_up;
    ahead->begin = slot_after(ahead, position->slot);
    ahead->near = ahead->begin;
    ahead->next = ahead->begin;
}

/* Looks at one more slot, if the leaf has it and is unchanged. */
static bool
look_at_next(struct ahead *ahead, const struct db *db, const struct adb_tree *tree,
             const struct adb_tree_position *position)
{
    unsigned char bytes[ARMDB_KEY_MAX];
    armdb_slice key = {bytes, 0};
    uint64_t location = adb_tree_peek(tree, position, ahead->next, bytes, &key.len);
    if (location == 0)
        return false;
    struct ahead_entry *entry = &ahead->entries[ahead->next % AHEAD_KEYS];
    entry->shard = adb_db_route(db, key);
    adb_shard_ask(entry->shard, location, &entry->reading);
    ahead->next = slot_after(ahead, ahead->next);
    return true;
}

void
adb_ahead_look(struct ahead *ahead, const struct db *db, const struct adb_tree *tree,
               const struct adb_tree_position *position, bool is_up)
{
    if (!is_of(ahead, position) || ahead->is_up != is_up ||
        slots_to(ahead, position->slot, ahead->next) > AHEAD_KEYS)
        begin_leaf(ahead, position, is_up);
    ahead->distance = ahead->distance == 0               ? DISTANCE_FIRST
                      : ahead->distance < AHEAD_KEYS / 2 ? 2 * ahead->distance
                                                         : AHEAD_KEYS;
    while (slots_to(ahead, position->slot, ahead->next) <= ahead->distance &&
           look_at_next(ahead, db, tree, position)) {
    }
    /* What the first stage asked for has arrived by the time that half of them are read. */
    while (ahead->near != ahead->next &&
           slots_to(ahead, position->slot, ahead->near) <= ahead->distance / 2) {
        adb_shard_approach(&ahead->entries[ahead->near % AHEAD_KEYS].reading, position->key_len);
        ahead->near = slot_after(ahead, ahead->near);
    }
}

const struct ahead_entry *
adb_ahead_find(const struct ahead *ahead, const struct adb_tree_position *position)
{
    uint32_t passed = slots_to(ahead, ahead->begin, position->slot);
    uint32_t looked_at = slots_to(ahead, ahead->begin, ahead->next);
    const struct ahead_entry *entry = &ahead->entries[position->slot % AHEAD_KEYS];
    if (!is_of(ahead, position) || passed >= looked_at || looked_at - passed > AHEAD_KEYS ||
        entry->reading.location != position->location)
        return NULL;
    return entry;
}
