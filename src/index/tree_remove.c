/*
 * Taking a key out, and merging nodes of which little is left.
 *
 * A node that is less than a quarter full is merged with a neighbour under the same parent if the
 * two fit into one node; then the parent may be underfull, and so on up. A root without separators
 * takes over the content of its only child. Nothing of this needs memory. Two neighbours that do
 * not fit into one node stay as they are: together they are well used, and entries are never moved
 * from one to the other (the new separator might not fit into the parent).
 *
 * Merging is not urgent: it happens after the removal, by going down again.
 */
#include "index/tree.h"

#include "base/assert.h"
#include "index/tree_private.h"

/* Try again only at each 8th removal from a node whose neighbours are too full to merge with. */
enum { RETRY_EVERY = 8 };

/*
 * Fills the root anew with its only child while it has no separator. Root and `child` are locked.
 *
 * A child further down may be locked by somebody else, and is waited for, although the root is
 * locked: whoever has it waits for nothing (at most he tries to lock the root, and lets go).
 */
static void
shrink_root(struct adb_tree *tree, struct adb_page *child)
{
    struct adb_page *root = tree->root;
    ADB_ASSERT(adb_node_meta(root).level != 0 && adb_node_meta(root).count == 0);
    for (;;) {
        adb_node_copy(root, child);
        adb_tree_retire(tree, child, adb_node_unlock_obsolete(child));
        struct adb_node_meta meta = adb_node_meta(root);
        if (meta.level == 0 || meta.count != 0)
            return;
        child = adb_node_child(&tree->layout, root, 0);
        for (uint32_t tries = 0; !adb_node_try_lock(child, adb_node_version(child));)
            adb_node_wait(&tries);
    }
}

enum merge_result {
    MERGE_AGAIN, /* somebody else changed a node: start over */
    MERGE_NONE,  /* nothing to do or no room */
    MERGE_DONE
};

/* Merges child `slot + 1` of `parent` into child `slot`, one of which (`node`) is locked, as is the
 * parent. MERGE_DONE lets go of all; the others of what was locked here. */
static enum merge_result
merge_children(struct adb_tree *tree, const struct adb_tree_step *parent, uint32_t slot,
               struct adb_page *node)
{
    const struct adb_node_layout *layout = &tree->layout;
    struct adb_page *left = adb_node_child(layout, parent->page, slot);
    struct adb_page *right = adb_node_child(layout, parent->page, slot + 1);
    struct adb_page *other = node == left ? right : left;
    ADB_ASSERT(node == left || node == right);
    struct adb_node_key_copy middle;
    uint32_t len = adb_node_read_key(layout, parent->page, slot, middle.bytes);
    adb_node_key_set(layout, &middle.key, middle.bytes, len);
    if (!adb_node_try_lock(other, adb_node_word(other, NODE_VERSION_AT)))
        return MERGE_AGAIN;
    if (!adb_node_merge_fits(layout, left, right, &middle.key)) {
        adb_node_unlock_same(other);
        return MERGE_NONE;
    }
    adb_node_merge(layout, left, right, &middle.key);
    adb_node_remove(layout, parent->page, slot);
    adb_tree_retire(tree, right, adb_node_unlock_obsolete(right));
    if (parent->page == tree->root && adb_node_meta(parent->page).count == 0)
        shrink_root(tree, left);
    else
        adb_node_unlock_changed(left);
    adb_node_unlock_changed(parent->page);
    return MERGE_DONE;
}

/* Merges the node that `path` ends at with a neighbour. */
static enum merge_result
try_merge(struct adb_tree *tree, struct adb_tree_path *path)
{
    struct adb_tree_step *step = adb_tree_last_step(path);
    struct adb_tree_step *parent = step - 1;
    ADB_ASSERT(path->n >= 2 && parent->level == step->level + 1);
    if (!adb_node_is_underfull(&tree->layout, step->page))
        return adb_node_is_unchanged(step->page, step->version) ? MERGE_NONE : MERGE_AGAIN;
    if (!adb_node_try_lock(parent->page, parent->version))
        return MERGE_AGAIN;
    enum merge_result result = MERGE_AGAIN;
    if (adb_node_try_lock(step->page, step->version)) {
        result = MERGE_NONE;
        if (parent->slot < parent->count)
            result = merge_children(tree, parent, parent->slot, step->page);
        if (result == MERGE_NONE && parent->slot > 0)
            result = merge_children(tree, parent, parent->slot - 1, step->page);
        if (result != MERGE_DONE)
            adb_node_unlock_same(step->page);
    }
    if (result != MERGE_DONE)
        adb_node_unlock_same(parent->page);
    return result;
}

/* Merges the leaf on the way to `key`, and what is above it, as far as that is needed. */
static void
merge_upwards(struct adb_tree *tree, const struct adb_node_key *key)
{
    struct adb_tree_path path;
    uint32_t tries = 0;
    for (uint32_t level = 0;;) {
        adb_tree_descend(tree, TREE_TO_KEY, key, level, &path);
        if (path.n < 2)
            return;
        switch (try_merge(tree, &path)) {
        case MERGE_NONE:
            return;
        case MERGE_DONE:
            level++;
            break;
        case MERGE_AGAIN:
            adb_node_wait(&tries);
            break;
        }
    }
}

uint64_t
adb_tree_remove(struct adb_tree *tree, armdb_slice key)
{
    const struct adb_node_layout *layout = &tree->layout;
    struct adb_node_key wanted;
    struct adb_tree_path path;
    if (!adb_tree_can_hold(tree, key))
        return 0;
    adb_node_key_set(layout, &wanted, (const unsigned char *)key.data, (uint32_t)key.len);
    for (uint32_t tries = 0;; adb_node_wait(&tries)) {
        adb_tree_descend(tree, TREE_TO_KEY, &wanted, 0, &path);
        struct adb_tree_step *leaf = adb_tree_last_step(&path);
        bool found;
        uint32_t slot = adb_node_find(layout, leaf->page, &wanted, &found);
        if (!found) {
            if (adb_node_is_unchanged(leaf->page, leaf->version))
                return 0;
            continue;
        }
        if (!adb_node_try_lock(leaf->page, leaf->version))
            continue;
        uint64_t old = adb_node_location(layout, leaf->page, slot);
        adb_node_remove(layout, leaf->page, slot);
        bool must_merge = path.n > 1 && adb_node_is_underfull(layout, leaf->page) &&
                          adb_node_meta(leaf->page).count % RETRY_EVERY == 0;
        adb_node_unlock_changed(leaf->page);
        adb_tree_add_keys(tree, (uint64_t)-1);
        if (must_merge)
            merge_upwards(tree, &wanted);
        return old;
    }
}
