/*
 * The tree: making, reading, changing locations. tree_put.c puts keys in, tree_remove.c takes them
 * out, tree_position.c walks; node.h has the nodes and the rules by which they are shared.
 *
 * Going down: a reader notes the version of a node, finds the child, notes the child's version, and
 * only then checks that the node is unchanged. So at that moment the child was the node's child and
 * had the version noted. By induction, while a node's version stays as noted it is responsible for
 * the same range of keys.
 *
 * Invariants:
 *  1. A node's range of keys changes only together with its version.
 *  2. A page that is in the tree, or was seen there, is readable memory; after it left, its version
 *     is obsolete, zero, or above every version it had in the tree. So (page, version) names one
 *     state of one node for ever.
 *  3. The root is always the same page: it is filled anew when the tree grows or shrinks in height.
 *  4. A writer locks nodes only from versions it saw on its way down, and never waits for a lock
 *     while it holds one: it lets go and starts over. Hence no deadlock.
 *  5. Every key of the tree is in exactly one leaf, the one that its way down ends at. Leaves may
 *     be empty; inner nodes have at least one child.
 *  6. There are no links between neighbours: the next leaf is found by going down again, with the
 *     separator that bounds the leaf.
 */
#include "index/tree.h"

#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "index/tree_private.h"

uint32_t
adb_tree_child_slot(const struct adb_tree *tree, const struct adb_page *page, enum adb_tree_way way,
                    const struct adb_node_key *key)
{
    bool found;
    if (way == TREE_TO_LAST) {
        uint32_t count = adb_node_meta(page).count;
        return count <= NODE_COUNT_MAX ? count : 0;
    }
    uint32_t slot = adb_node_find(&tree->layout, page, key, &found);
    return way == TREE_TO_KEY ? slot + found : slot;
}

/* One attempt; false if a writer came in between. */
static bool
try_descend(const struct adb_tree *tree, enum adb_tree_way way, const struct adb_node_key *key,
            uint32_t level, struct adb_tree_path *path)
{
    struct adb_page *page = tree->root;
    uint64_t version = adb_node_version(page);
    path->n = 0;
    for (;;) {
        struct adb_node_meta meta = adb_node_meta(page);
        struct adb_tree_step *step = &path->step[path->n];
        step->page = page;
        step->version = version;
        step->count = meta.count;
        step->level = meta.level;
        path->n++;
        if (meta.level <= level)
            return adb_node_is_unchanged(page, version);
        step->slot = adb_tree_child_slot(tree, page, way, key);
        struct adb_page *child = adb_node_child(&tree->layout, page, step->slot);
        if (!adb_node_is_unchanged(page, version) || path->n == TREE_DEPTH_MAX)
            return false;
        adb_tree_prefetch(child);
        uint64_t child_version = adb_node_version(child);
        if (!adb_node_is_unchanged(page, version))
            return false;
        page = child;
        version = child_version;
    }
}

void
adb_tree_descend(const struct adb_tree *tree, enum adb_tree_way way, const struct adb_node_key *key,
                 uint32_t level, struct adb_tree_path *path)
{
    for (uint32_t tries = 0; !try_descend(tree, way, key, level, path);)
        adb_node_wait(&tries);
}

armdb_err
adb_tree_new(struct adb_pages *pages, const struct adb_tree_config *config,
             struct adb_tree **tree_out)
{
    *tree_out = NULL;
    struct adb_page *root;
    ADB_TRY(adb_pages_take(pages, &root));
    struct adb_tree *tree = adb_new(struct adb_tree);
    if (tree == NULL) {
        adb_pages_give(pages, root, 0);
        return adb_fail(ARMDB_NO_MEMORY, "index", "no memory for a tree");
    }
    tree->pages = pages;
    tree->root = root;
    adb_node_layout_init(&tree->layout, config->key_bytes, config->value_bytes);
    adb_node_init(&tree->layout, root, 0, adb_pages_clock(pages));
    atomic_store_explicit(&tree->n_nodes, 1, memory_order_relaxed);
    *tree_out = tree;
    return ARMDB_OK;
}

static void
free_below(struct adb_tree *tree, struct adb_page *page)
{
    struct adb_node_meta meta = adb_node_meta(page);
    ADB_ASSERT(meta.count <= NODE_COUNT_MAX && meta.level < TREE_DEPTH_MAX);
    if (meta.level != 0) {
        for (uint32_t i = 0; i <= meta.count; i++)
            free_below(tree, adb_node_child(&tree->layout, page, i));
    }
    adb_pages_give(tree->pages, page, adb_node_word(page, NODE_VERSION_AT));
}

void
adb_tree_free(struct adb_tree *tree)
{
    if (tree == NULL)
        return;
    free_below(tree, tree->root);
    adb_mem_free(tree);
}

/* Like adb_tree_descend, then finds the key; keeps nothing of the way. False: start over. */
static bool
try_get(const struct adb_tree *tree, const struct adb_node_key *key, unsigned char *value_out,
        uint64_t *location_out)
{
    const struct adb_node_layout *layout = &tree->layout;
    const struct adb_page *page = tree->root;
    uint64_t version = adb_node_version(page);
    bool found;
    while (adb_node_meta(page).level != 0) {
        uint32_t slot = adb_node_find(layout, page, key, &found);
        const struct adb_page *child = adb_node_child(layout, page, slot + found);
        if (!adb_node_is_unchanged(page, version))
            return false;
        adb_tree_prefetch(child);
        uint64_t child_version = adb_node_version(child);
        if (!adb_node_is_unchanged(page, version))
            return false;
        page = child;
        version = child_version;
    }
    uint32_t slot = adb_node_find(layout, page, key, &found);
    *location_out = found ? adb_node_location(layout, page, slot) : 0;
    if (found && value_out != NULL)
        adb_node_read_value(layout, page, slot, value_out);
    return adb_node_is_unchanged(page, version);
}

uint64_t
adb_tree_get(const struct adb_tree *tree, armdb_slice key, void *value_out)
{
    struct adb_node_key wanted;
    uint64_t location;
    if (!adb_tree_can_hold(tree, key))
        return 0;
    adb_node_key_set(&tree->layout, &wanted, (const unsigned char *)key.data, (uint32_t)key.len);
    for (uint32_t tries = 0; !try_get(tree, &wanted, (unsigned char *)value_out, &location);)
        adb_node_wait(&tries);
    return location;
}

bool
adb_tree_replace(struct adb_tree *tree, armdb_slice key, uint64_t expected, uint64_t desired)
{
    const struct adb_node_layout *layout = &tree->layout;
    struct adb_node_key wanted;
    struct adb_tree_path path;
    ADB_ASSERT(expected != 0 && desired != 0);
    if (!adb_tree_can_hold(tree, key))
        return false;
    adb_node_key_set(layout, &wanted, (const unsigned char *)key.data, (uint32_t)key.len);
    for (uint32_t tries = 0;; adb_node_wait(&tries)) {
        adb_tree_descend(tree, TREE_TO_KEY, &wanted, 0, &path);
        struct adb_tree_step *leaf = adb_tree_last_step(&path);
        bool found;
        uint32_t slot = adb_node_find(layout, leaf->page, &wanted, &found);
        uint64_t location = found ? adb_node_location(layout, leaf->page, slot) : 0;
        if (location != expected) {
            if (adb_node_is_unchanged(leaf->page, leaf->version))
                return false;
            continue;
        }
        if (!adb_node_try_hold(leaf->page, leaf->version))
            continue;
        bool is_expected = adb_node_location(layout, leaf->page, slot) == expected;
        if (is_expected)
            adb_node_set_location(layout, leaf->page, slot, desired);
        adb_node_unlock_same(leaf->page);
        return is_expected;
    }
}

/* ------------------------------------------------------------------ counters */

void
adb_tree_add_keys(struct adb_tree *tree, uint64_t change)
{
    adb_counter_add(&tree->keys, change);
}

uint64_t
adb_tree_count(const struct adb_tree *tree)
{
    return adb_counter_sum(&tree->keys);
}

uint64_t
adb_tree_bytes(const struct adb_tree *tree)
{
    return atomic_load_explicit(&tree->n_nodes, memory_order_relaxed) * ADB_PAGE_BYTES;
}

void
adb_tree_retire(struct adb_tree *tree, struct adb_page *page, uint64_t last_version)
{
    atomic_fetch_sub_explicit(&tree->n_nodes, 1, memory_order_relaxed);
    adb_pages_give(tree->pages, page, last_version);
}
