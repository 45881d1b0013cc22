/*
 * Seeking and walking.
 *
 * A seek goes down to one leaf. If the key it looks for is not in that leaf, it is in the range of
 * the next one: the seek goes on with the separator that bounds the leaf on that side, which was
 * met on the way down. Separator and leaf are checked again after it was copied, so at that moment
 * the leaf had no such key and ended at the separator.
 *
 * A step reads the neighbouring slot of the leaf it stands on if that is unchanged, or seeks from
 * the separator if the leaf is unchanged and has no more slots, or else seeks from the key.
 */
#include "index/tree.h"

#include <string.h>

#include "base/assert.h"
#include "index/tree_private.h"

/* A seek that has been brought to a form that nodes understand. */
struct target {
    enum adb_tree_seek how;
    armdb_slice key;
};

/* Brings a key of another length than the tree's to one of that length, which may change what has
 * to be looked for. `padded` has room for a key of the tree. */
static struct target
fit_to_length(const struct adb_tree *tree, struct target target, unsigned char *padded)
{
    uint32_t key_bytes = tree->layout.key_bytes;
    bool is_up = target.how == ADB_SEEK_GE || target.how == ADB_SEEK_GT;
    if (key_bytes == 0 || target.key.len == key_bytes)
        return target;
    if (target.key.len > key_bytes) {
        /* It is above its own first bytes and below whatever is above those. */
        target.how = is_up ? ADB_SEEK_GT : ADB_SEEK_LE;
        target.key.len = key_bytes;
        return target;
    }
    /* It is below itself padded with zeros and above whatever is below that. */
    memset(padded, 0, key_bytes);
    if (target.key.len != 0)
        memcpy(padded, target.key.data, target.key.len);
    target.how = is_up ? ADB_SEEK_GE : ADB_SEEK_LT;
    target.key = (armdb_slice){.data = padded, .len = key_bytes};
    return target;
}

static bool
is_upwards(enum adb_tree_seek how)
{
    return how == ADB_SEEK_GE || how == ADB_SEEK_GT || how == ADB_SEEK_FIRST;
}

static enum adb_tree_way
way_of(enum adb_tree_seek how)
{
    switch (how) {
    case ADB_SEEK_LT:
        return TREE_BELOW_KEY;
    case ADB_SEEK_LAST:
        return TREE_TO_LAST;
    case ADB_SEEK_GE:
    case ADB_SEEK_GT:
    case ADB_SEEK_LE:
    case ADB_SEEK_FIRST:
        return TREE_TO_KEY;
    }
    ADB_UNREACHABLE();
}

/* The slot that is looked for in a leaf; count (upwards) or -1 (downwards) if it is beyond. */
static int32_t
slot_in_leaf(const struct adb_tree *tree, const struct adb_tree_step *leaf, enum adb_tree_seek how,
             const struct adb_node_key *key)
{
    if (how == ADB_SEEK_LAST)
        return (int32_t)leaf->count - 1;
    bool found;
    int32_t slot = (int32_t)adb_node_find(&tree->layout, leaf->page, key, &found);
    switch (how) {
    case ADB_SEEK_GT:
    case ADB_SEEK_LE:
        slot += found;
        break;
    case ADB_SEEK_GE:
    case ADB_SEEK_LT:
    case ADB_SEEK_FIRST:
    case ADB_SEEK_LAST:
        break;
    }
    return is_upwards(how) ? slot : slot - 1;
}

/* Most keys are short and of one length: these are read with less ado. Words go from registers to
 * where they stay: a copy of them on the way, made by wider moves, would wait for the stores. */
enum { SHORT_KEY_WORDS = 4 };

static inline void
load_short_key(const struct adb_tree_leaf *leaf, const struct adb_page *page, uint32_t slot,
               uint64_t word[SHORT_KEY_WORDS])
{
    for (uint32_t i = 0, at = leaf->key_at + slot; i < leaf->words; i++, at += leaf->capacity)
        word[i] = adb_node_word(page, at);
}

/* To room for whole words. */
static inline void
store_short_key(const struct adb_tree_leaf *leaf, const uint64_t word[SHORT_KEY_WORDS],
                unsigned char *to)
{
    for (uint32_t i = 0; i < leaf->words; i++)
        adb_node_store_bytes(to + (size_t)8 * i, word[i]);
}

static inline struct adb_tree_leaf
leaf_of(const struct adb_node_layout *layout)
{
    const struct adb_node_shape *shape = adb_node_fixed_shape(layout, 0);
    if (layout->words - 1 >= SHORT_KEY_WORDS || layout->value_bytes != 0)
        return (struct adb_tree_leaf){0};
    return (struct adb_tree_leaf){.capacity = (uint16_t)shape->capacity,
                                  .words = (uint16_t)layout->words,
                                  .key_at = (uint16_t)shape->key_at,
                                  .location_at = (uint16_t)shape->target_at};
}

/* Reads an entry of a leaf of short keys and, if it is still what the version says, puts the
 * position on it. */
static inline bool
settle_short(struct adb_tree_position *position, const struct adb_page *page, uint64_t version,
             uint32_t slot)
{
    const struct adb_tree_leaf leaf = position->leaf;
    uint64_t word[SHORT_KEY_WORDS];
    uint32_t count = adb_node_meta(page).count;
    if (ADB_UNLIKELY(slot >= count || slot >= leaf.capacity))
        return false;
    uint64_t location = adb_node_word(page, leaf.location_at + slot);
    load_short_key(&leaf, page, slot, word);
    if (!adb_node_is_unchanged(page, version))
        return false;
    ADB_DEBUG_ASSERT(location != 0);
    position->slot = slot;
    position->location = location;
    store_short_key(&leaf, word, position->key);
    return true;
}

/* The same for any leaf. */
static bool
settle(const struct adb_tree *tree, const struct adb_page *page, uint64_t version, uint32_t slot,
       struct adb_tree_position *position)
{
    const struct adb_node_layout *layout = &tree->layout;
    unsigned char key[ARMDB_KEY_MAX];
    unsigned char value[ADB_TREE_VALUE_MAX];
    uint64_t location = adb_node_location(layout, page, slot);
    uint32_t len = adb_node_read_key(layout, page, slot, key);
    if (layout->value_bytes != 0)
        adb_node_read_value(layout, page, slot, value);
    if (!adb_node_is_unchanged(page, version))
        return false;
    ADB_DEBUG_ASSERT(location != 0);
    position->node = page;
    position->version = version;
    position->slot = slot;
    position->location = location;
    position->leaf = leaf_of(layout);
    position->key_len = len;
    memcpy(position->key, key, len);
    if (layout->value_bytes != 0)
        memcpy(position->value, value, layout->value_bytes);
    return true;
}

enum adb_tree_bound
adb_tree_read_bound(const struct adb_tree *tree, const struct adb_tree_path *path, bool is_up,
                    struct adb_node_key_copy *bound_out)
{
    for (uint32_t i = path->n - 1; i-- > 0;) {
        const struct adb_tree_step *step = &path->step[i];
        if (is_up ? step->slot == step->count : step->slot == 0)
            continue;
        uint32_t slot = is_up ? step->slot : step->slot - 1;
        uint32_t len = adb_node_read_key(&tree->layout, step->page, slot, bound_out->bytes);
        if (!adb_node_is_unchanged(step->page, step->version))
            return TREE_BOUND_AGAIN;
        adb_node_key_set(&tree->layout, &bound_out->key, bound_out->bytes, len);
        return TREE_BOUND_FOUND;
    }
    return TREE_BOUND_NONE;
}

/* Finds what adb_tree_seek() promises, for a key of the tree's length. */
static bool
seek(const struct adb_tree *tree, enum adb_tree_seek how, const struct adb_node_key *key,
     struct adb_tree_position *position)
{
    struct adb_tree_path path;
    struct adb_node_key_copy bounds[2]; /* one may be `key` while the other is being read */
    uint32_t n_bounds = 0;
    for (uint32_t tries = 0;;) {
        adb_tree_descend(tree, way_of(how), key, 0, &path);
        const struct adb_tree_step *leaf = adb_tree_last_step(&path);
        int32_t slot = slot_in_leaf(tree, leaf, how, key);
        if (slot >= 0 && slot < (int32_t)leaf->count) {
            if (settle(tree, leaf->page, leaf->version, (uint32_t)slot, position))
                return true;
            adb_node_wait(&tries);
            continue;
        }
        bool is_up = is_upwards(how);
        struct adb_node_key_copy *bound = &bounds[n_bounds % 2];
        enum adb_tree_bound result = adb_tree_read_bound(tree, &path, is_up, bound);
        if (!adb_node_is_unchanged(leaf->page, leaf->version) || result == TREE_BOUND_AGAIN) {
            adb_node_wait(&tries);
            continue;
        }
        if (result == TREE_BOUND_NONE)
            return false;
        how = is_up ? ADB_SEEK_GE : ADB_SEEK_LT;
        key = &bound->key;
        n_bounds++;
    }
}

bool
adb_tree_seek(const struct adb_tree *tree, enum adb_tree_seek how, armdb_slice key,
              struct adb_tree_position *position)
{
    struct adb_node_key wanted;
    unsigned char padded[ARMDB_FIXED_KEY_MAX];
    struct target target = {.how = how, .key = key};
    if (how == ADB_SEEK_FIRST || how == ADB_SEEK_LAST || key.len == 0)
        target.key = (armdb_slice){.data = "", .len = 0};
    if (how == ADB_SEEK_FIRST)
        target.how = ADB_SEEK_GE;
    ADB_ASSERT(target.key.len <= ARMDB_KEY_MAX);
    if (how != ADB_SEEK_LAST)
        target = fit_to_length(tree, target, padded);
    adb_node_key_set(&tree->layout, &wanted, (const unsigned char *)target.key.data,
                     (uint32_t)target.key.len);
    return seek(tree, target.how, &wanted, position);
}

/* Steps out of a leaf whose entries in that direction are used up, if it is still unchanged. */
static bool
step_out(const struct adb_tree *tree, struct adb_tree_position *position, bool is_up)
{
    const struct adb_page *leaf = (const struct adb_page *)position->node;
    struct adb_tree_path path;
    struct adb_node_key wanted;
    struct adb_node_key_copy bound;
    ADB_DEBUG_ASSERT(position->key_len <= ARMDB_KEY_MAX);
    adb_node_key_set(&tree->layout, &wanted, position->key, position->key_len);
    adb_tree_descend(tree, TREE_TO_KEY, &wanted, 1, &path);
    enum adb_tree_bound result = TREE_BOUND_NONE;
    struct adb_tree_step *parent = adb_tree_last_step(&path);
    if (parent->level != 0) {
        parent->slot = adb_tree_child_slot(tree, parent->page, TREE_TO_KEY, &wanted);
        path.n++; /* the leaf, of which adb_tree_read_bound() looks at nothing */
        result = adb_tree_read_bound(tree, &path, is_up, &bound);
        if (!adb_node_is_unchanged(parent->page, parent->version))
            result = TREE_BOUND_AGAIN;
    }
    /* While the leaf is unchanged, the way to its key leads to it, so this is its bound. */
    if (!adb_node_is_unchanged(leaf, position->version) || result == TREE_BOUND_AGAIN)
        return seek(tree, is_up ? ADB_SEEK_GT : ADB_SEEK_LT, &wanted, position);
    if (result == TREE_BOUND_NONE)
        return false;
    return seek(tree, is_up ? ADB_SEEK_GE : ADB_SEEK_LT, &bound.key, position);
}

bool
adb_tree_step_near(struct adb_tree_position *position, bool is_up)
{
    uint32_t slot = is_up ? position->slot + 1 : position->slot - 1;
    return position->leaf.capacity != 0 &&
           settle_short(position, (const struct adb_page *)position->node, position->version, slot);
}

static bool
step(const struct adb_tree *tree, struct adb_tree_position *position, bool is_up)
{
    const struct adb_page *leaf = (const struct adb_page *)position->node;
    ADB_ASSERT(leaf != NULL);
    uint32_t slot = is_up ? position->slot + 1 : position->slot - 1;
    if (adb_tree_step_near(position, is_up))
        return true;
    /* More than one turn only if somebody locked the leaf and let go of it without a change. */
    while (adb_node_version(leaf) == position->version) {
        if (slot >= adb_node_meta(leaf).count)
            return step_out(tree, position, is_up);
        if (settle(tree, leaf, position->version, slot, position))
            return true;
    }
    struct adb_node_key wanted;
    adb_node_key_set(&tree->layout, &wanted, position->key, position->key_len);
    return seek(tree, is_up ? ADB_SEEK_GT : ADB_SEEK_LT, &wanted, position);
}

bool
adb_tree_next(const struct adb_tree *tree, struct adb_tree_position *position)
{
    return step(tree, position, true);
}

bool
adb_tree_prev(const struct adb_tree *tree, struct adb_tree_position *position)
{
    return step(tree, position, false);
}

uint64_t
adb_tree_peek(const struct adb_tree *tree, const struct adb_tree_position *position, uint32_t slot,
              unsigned char *key_out, size_t *key_len_out)
{
    const struct adb_page *page = (const struct adb_page *)position->node;
    const struct adb_tree_leaf *leaf = &position->leaf;
    *key_len_out = 0;
    if (slot >= adb_node_meta(page).count)
        return 0;
    uint64_t location = adb_node_location(&tree->layout, page, slot);
    if (slot < leaf->capacity) {
        uint64_t word[SHORT_KEY_WORDS];
        load_short_key(leaf, page, slot, word);
        store_short_key(leaf, word, key_out);
        *key_len_out = tree->layout.key_bytes;
    } else {
        *key_len_out = adb_node_read_key(&tree->layout, page, slot, key_out);
    }
    return adb_node_is_unchanged(page, position->version) ? location : 0;
}

void
adb_tree_approach(const struct adb_tree_position *position, uint32_t slot)
{
    const struct adb_page *page = (const struct adb_page *)position->node;
    const struct adb_tree_leaf *leaf = &position->leaf;
    if (slot >= leaf->capacity)
        return;
    adb_node_prefetch(page, leaf->location_at + slot);
    for (uint32_t i = 0, at = leaf->key_at + slot; i < leaf->words; i++, at += leaf->capacity)
        adb_node_prefetch(page, at);
}

uint64_t
adb_tree_location(const struct adb_tree *tree, const struct adb_tree_position *position)
{
    const struct adb_page *page = (const struct adb_page *)position->node;
    ADB_ASSERT(page != NULL);
    if (adb_node_version(page) == position->version) {
        uint64_t location = adb_node_location(&tree->layout, page, position->slot);
        if (adb_node_is_unchanged(page, position->version))
            return location;
    }
    return adb_tree_get(tree, (armdb_slice){.data = position->key, .len = position->key_len}, NULL);
}
