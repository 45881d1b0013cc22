/*
 * Many changes in the order of their keys, as recovery makes them.
 *
 * One way down serves all changes in the range of a leaf: the leaf is locked once, and what is new
 * to it is put in together, each of its words moving once. What needs more than one leaf (a split,
 * a removal) is left to the functions for one key; the way down is near then.
 *
 * The separator that bounds the leaf is read, and its node found unchanged, after the leaf's
 * version was noted; the leaf is locked from that version. So it has that range until it is let go
 * of (docs/index.md, "Many changes at once").
 */
#include "index/tree.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "index/tree_private.h"

/* A stretch of changes that fall into one leaf. */
struct stretch {
    struct adb_tree *tree;
    struct adb_page *leaf;            /* locked */
    const struct adb_node_key *bound; /* keys of the leaf are below it; NULL: there is none */
    struct adb_change *changes;
    size_t n;      /* that may be done; fewer turn out to be in the leaf */
    uint32_t from; /* the change before was at this slot, as slots were at first */
    bool is_full;  /* there is no room in the leaf for the next change, which belongs there */
    uint32_t n_arrivals;
    struct adb_node_arrival arrivals[NODE_COUNT_MAX]; /* new to the leaf, not put in yet */
};

static bool
is_below(const struct adb_node_layout *layout, const struct adb_node_key *key,
         const struct adb_node_key *bound)
{
    for (uint32_t word = 0; word < layout->words; word++) {
        if (key->word[word] != bound->word[word])
            return key->word[word] < bound->word[word];
    }
    if (layout->words != 0)
        return false;
    int order = memcmp(key->bytes, bound->bytes, key->len < bound->len ? key->len : bound->len);
    return order != 0 ? order < 0 : key->len < bound->len;
}

/* Does one change that belongs into the leaf, unless there is no room for it. */
static void
do_change(struct stretch *stretch, struct adb_change *change, const struct adb_node_key *key)
{
    const struct adb_node_layout *layout = &stretch->tree->layout;
    struct adb_page *leaf = stretch->leaf;
    bool found;
    bool is_fixed = layout->words != 0;
    uint32_t slot = is_fixed ? adb_node_fixed_find_from(layout, leaf, key, stretch->from, &found)
                             : adb_node_find(layout, leaf, key, &found);
    stretch->from = slot;
    if (found) {
        change->old = adb_node_location(layout, leaf, slot);
        adb_node_set_location(layout, leaf, slot, change->location);
        if (layout->value_bytes != 0)
            adb_node_set_value(layout, leaf, slot, change->value);
        return;
    }
    change->old = 0;
    if (!is_fixed) {
        const struct adb_node_entry entry = {
            .key = key, .target = change->location, .value = change->value};
        stretch->is_full = !adb_node_fits(layout, leaf, key);
        if (stretch->is_full)
            return;
        adb_node_insert(layout, leaf, slot, &entry);
        stretch->n_arrivals++;
        return;
    }
    stretch->is_full = adb_node_meta(leaf).count + stretch->n_arrivals ==
                       adb_node_fixed_shape(layout, 0)->capacity;
    if (stretch->is_full)
        return;
    stretch->arrivals[stretch->n_arrivals++] =
        (struct adb_node_arrival){.slot = slot,
                                  .key = (const unsigned char *)change->key.data,
                                  .target = change->location,
                                  .value = change->value};
}

/* Does the changes, from the first on, that the locked leaf can take. Returns how many. */
static size_t
fill_leaf(struct stretch *stretch)
{
    const struct adb_node_layout *layout = &stretch->tree->layout;
    struct adb_node_key key;
    size_t done = 0;
    for (; done < stretch->n && stretch->changes[done].location != 0; done++) {
        struct adb_change *change = &stretch->changes[done];
        adb_node_key_set(layout, &key, (const unsigned char *)change->key.data,
                         (uint32_t)change->key.len);
        if (stretch->bound != NULL && !is_below(layout, &key, stretch->bound))
            break;
        do_change(stretch, change, &key);
        if (stretch->is_full)
            break;
    }
    if (layout->words != 0 && stretch->n_arrivals != 0)
        adb_node_fixed_insert_sorted(layout, stretch->leaf, stretch->arrivals, stretch->n_arrivals);
    return done;
}

/* The leaf to the right will most likely be next. */
static void
fetch_neighbour(const struct adb_tree *tree, const struct adb_tree_path *path)
{
    if (path->n < 2)
        return;
    const struct adb_tree_step *parent = &path->step[path->n - 2];
    if (parent->slot >= parent->count)
        return;
    const struct adb_page *next = adb_node_child(&tree->layout, parent->page, parent->slot + 1);
    for (uint32_t at = 0; at < NODE_WORDS; at += 8)
        adb_node_prefetch(next, at);
}

/* Does as many changes as fall into the leaf of the first and find room there. Returns how many. */
static size_t
apply_to_leaf(struct adb_tree *tree, struct adb_change *changes, size_t n, bool *is_full_out)
{
    struct stretch stretch;
    struct adb_node_key key;
    struct adb_node_key_copy bound;
    struct adb_tree_path path;
    adb_node_key_set(&tree->layout, &key, (const unsigned char *)changes[0].key.data,
                     (uint32_t)changes[0].key.len);
    for (uint32_t tries = 0;; adb_node_wait(&tries)) {
        adb_tree_descend(tree, TREE_TO_KEY, &key, 0, &path);
        fetch_neighbour(tree, &path);
        enum adb_tree_bound result = adb_tree_read_bound(tree, &path, true, &bound);
        const struct adb_tree_step *leaf = adb_tree_last_step(&path);
        if (result == TREE_BOUND_AGAIN || !adb_node_try_lock(leaf->page, leaf->version))
            continue;
        stretch.tree = tree;
        stretch.leaf = leaf->page;
        stretch.bound = result == TREE_BOUND_FOUND ? &bound.key : NULL;
        stretch.changes = changes;
        stretch.n = n;
        stretch.from = 0;
        stretch.is_full = false;
        stretch.n_arrivals = 0;
        size_t done = fill_leaf(&stretch);
        if (done != 0)
            adb_node_unlock_changed(leaf->page);
        else
            adb_node_unlock_same(leaf->page);
        adb_tree_add_keys(tree, stretch.n_arrivals);
        *is_full_out = stretch.is_full;
        return done;
    }
}

armdb_err
adb_tree_apply(struct adb_tree *tree, struct adb_change *changes, size_t n, struct adb_spare *spare)
{
    bool is_full = false;
    for (size_t done = 0; done < n;) {
        struct adb_change *change = &changes[done];
        ADB_ASSERT(adb_tree_can_hold(tree, change->key));
        if (change->location == 0) {
            change->old = adb_tree_remove(tree, change->key);
            done++;
        } else if (is_full) {
            ADB_TRY(adb_tree_prepare(tree, spare));
            change->old = adb_tree_put(tree, change->key, change->location, change->value, spare);
            is_full = false;
            done++;
        } else {
            done += apply_to_leaf(tree, change, n - done, &is_full);
        }
    }
    return ARMDB_OK;
}
