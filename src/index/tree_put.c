/*
 * Putting a key in.
 *
 * Most puts lock one leaf. When the leaf is full, the writer locks, from the leaf upwards, every
 * node that will have to be split and the one above them that has room, each from the version it
 * saw on the way down. If one of them has changed, it lets go of all and starts over; nothing was
 * changed and no page was used. Else it holds all it needs, and nothing can fail any more.
 */
#include "index/tree.h"

#include "base/assert.h"
#include "base/err.h"
#include "index/tree_private.h"

/* Enough for a tree of seven levels: of 10^12 keys of any fixed length up to 64. */
enum { SPARE_PAGES_MIN = 8 };

armdb_err
adb_tree_prepare(struct adb_tree *tree, struct adb_spare *spare)
{
    /* One page for each level that may be split, and one more if the root is among them; and never
     * few, because other shards may make the tree higher before the put comes. */
    uint32_t needed = adb_node_meta(tree->root).level + 2;
    return adb_spare_fill(spare, tree->pages, needed > SPARE_PAGES_MIN ? needed : SPARE_PAGES_MIN);
}

static struct adb_page *
take_spare(struct adb_tree *tree, struct adb_spare *spare, uint32_t level)
{
    struct adb_page *page = adb_spare_take(spare);
    adb_node_init(&tree->layout, page, level, adb_pages_clock(tree->pages));
    atomic_fetch_add_explicit(&tree->n_nodes, 1, memory_order_relaxed);
    return page;
}

/* Which ends of its level the node of step `i` is at. */
static struct adb_node_edges
edges_of(const struct adb_tree_path *path, uint32_t i)
{
    struct adb_node_edges edges = {.is_leftmost = true, .is_rightmost = true};
    for (uint32_t above = 0; above < i; above++) {
        edges.is_leftmost &= path->step[above].slot == 0;
        edges.is_rightmost &= path->step[above].slot == path->step[above].count;
    }
    return edges;
}

/* A put that found no room in its leaf. */
struct growth {
    struct adb_tree *tree;
    struct adb_tree_path *path;     /* the last step is the leaf, and its slot is set */
    uint32_t top;                   /* the step of the uppermost node that is locked */
    bool is_root_split;             /* else the node at `top` has room */
    uint32_t n_pages;               /* needed */
    struct adb_node_split split[2]; /* of the current level, and of the one below */
};

static void
unlock_all(const struct growth *growth, bool is_changed)
{
    for (uint32_t i = growth->top; i < growth->path->n; i++) {
        if (is_changed)
            adb_node_unlock_changed(growth->path->step[i].page);
        else
            adb_node_unlock_same(growth->path->step[i].page);
    }
}

/* Locks what has to be locked, above the leaf, which is. False: nothing above it is. */
static bool
lock_upwards(struct growth *growth, const struct adb_node_key *key)
{
    const struct adb_node_layout *layout = &growth->tree->layout;
    const struct adb_tree_path *path = growth->path;
    uint32_t i = path->n - 1;
    growth->is_root_split = false;
    growth->n_pages = 0;
    for (;;) {
        const struct adb_tree_step *step = &path->step[i];
        growth->top = i;
        if (adb_node_fits(layout, step->page, key))
            return true;
        struct adb_node_split *split = &growth->split[i % 2];
        adb_node_plan_split(layout, step->page, step->slot, key, edges_of(path, i), split);
        key = &split->middle.key;
        growth->n_pages++;
        if (i == 0) {
            growth->is_root_split = true;
            growth->n_pages++;
            return true;
        }
        i--;
        if (!adb_node_try_lock(path->step[i].page, path->step[i].version)) {
            unlock_all(growth, false);
            return false;
        }
    }
}

/* Splits `left` and puts the entry into the half it belongs to. Returns the new right half. */
static struct adb_page *
split_node(struct growth *growth, struct adb_page *left, const struct adb_tree_step *step,
           const struct adb_node_entry *entry, struct adb_spare *spare)
{
    const struct adb_node_layout *layout = &growth->tree->layout;
    uint32_t i = (uint32_t)(step - growth->path->step);
    struct adb_node_split *split = &growth->split[i % 2];
    adb_node_plan_split(layout, left, step->slot, entry->key, edges_of(growth->path, i), split);
    struct adb_page *right = take_spare(growth->tree, spare, step->level);
    adb_node_split(layout, left, right, split);
    uint32_t to_right = step->slot - split->at - (step->level != 0);
    if (split->into_right)
        adb_node_insert(layout, right, to_right, entry);
    else
        adb_node_insert(layout, left, step->slot, entry);
    return right;
}

/* What the split of a node puts into its parent. */
static struct adb_node_entry
separator(const struct adb_node_split *split, const struct adb_page *right)
{
    return (struct adb_node_entry){.key = &split->middle.key, .target = (uint64_t)(uintptr_t)right};
}

/* Does what lock_upwards() planned. */
static void
split_upwards(struct growth *growth, struct adb_node_entry entry, struct adb_spare *spare)
{
    const struct adb_node_layout *layout = &growth->tree->layout;
    const struct adb_tree_path *path = growth->path;
    for (uint32_t i = path->n - 1; i > growth->top; i--) {
        const struct adb_tree_step *step = &path->step[i];
        struct adb_page *right = split_node(growth, step->page, step, &entry, spare);
        entry = separator(&growth->split[i % 2], right);
    }
    const struct adb_tree_step *top = &path->step[growth->top];
    if (!growth->is_root_split) {
        adb_node_insert(layout, top->page, top->slot, &entry);
        return;
    }
    /* The root stays where it is: its content moves to a new node, which is split. */
    struct adb_page *left = take_spare(growth->tree, spare, top->level);
    adb_node_copy(left, top->page);
    struct adb_page *right = split_node(growth, left, top, &entry, spare);
    entry = separator(&growth->split[0], right);
    adb_node_clear(layout, top->page, top->level + 1);
    adb_node_set_child(layout, top->page, 0, left);
    adb_node_insert(layout, top->page, 0, &entry);
}

/* Puts in a key that is not there; the leaf is locked. False: it was let go of, start over. */
static bool
insert(struct adb_tree *tree, struct adb_tree_path *path, const struct adb_node_entry *entry,
       struct adb_spare *spare)
{
    struct adb_tree_step *leaf = adb_tree_last_step(path);
    if (ADB_LIKELY(adb_node_fits(&tree->layout, leaf->page, entry->key))) {
        adb_node_insert(&tree->layout, leaf->page, leaf->slot, entry);
        adb_node_unlock_changed(leaf->page);
        return true;
    }
    struct growth growth;
    growth.tree = tree;
    growth.path = path;
    if (!lock_upwards(&growth, entry->key))
        return false;
    /* The pages are there since prepare, but if other shards' puts have since made the tree higher
     * (which takes many times its size in keys), some must still be fetched. */
    ADB_ASSERT(adb_spare_fill(spare, tree->pages, growth.n_pages) == ARMDB_OK);
    split_upwards(&growth, *entry, spare);
    unlock_all(&growth, true);
    return true;
}

/* Gives a key that is there a new location and value. False: start over. */
static bool
overwrite(const struct adb_node_layout *layout, const struct adb_tree_step *leaf,
          const struct adb_node_entry *entry, uint64_t *old_out)
{
    if (layout->value_bytes == 0) {
        /* One word is one store: readers need not know. */
        if (!adb_node_try_hold(leaf->page, leaf->version))
            return false;
        *old_out = adb_node_location(layout, leaf->page, leaf->slot);
        adb_node_set_location(layout, leaf->page, leaf->slot, entry->target);
        adb_node_unlock_same(leaf->page);
        return true;
    }
    if (!adb_node_try_lock(leaf->page, leaf->version))
        return false;
    *old_out = adb_node_location(layout, leaf->page, leaf->slot);
    if (entry->target != 0)
        adb_node_set_location(layout, leaf->page, leaf->slot, entry->target);
    adb_node_set_value(layout, leaf->page, leaf->slot, entry->value);
    adb_node_unlock_changed(leaf->page);
    return true;
}

uint64_t
adb_tree_put(struct adb_tree *tree, armdb_slice key, uint64_t location, const void *value,
             struct adb_spare *spare)
{
    const struct adb_node_layout *layout = &tree->layout;
    struct adb_node_key wanted;
    struct adb_tree_path path;
    const struct adb_node_entry entry = {.key = &wanted, .target = location, .value = value};
    ADB_ASSERT(location != 0 || layout->value_bytes != 0);
    ADB_ASSERT(value != NULL || layout->value_bytes == 0);
    ADB_ASSERT(adb_tree_can_hold(tree, key));
    adb_node_key_set(layout, &wanted, (const unsigned char *)key.data, (uint32_t)key.len);
    for (uint32_t tries = 0;; adb_node_wait(&tries)) {
        adb_tree_descend(tree, TREE_TO_KEY, &wanted, 0, &path);
        struct adb_tree_step *leaf = adb_tree_last_step(&path);
        bool found;
        leaf->slot = adb_node_find(layout, leaf->page, &wanted, &found);
        uint64_t old;
        if (found) {
            if (overwrite(layout, leaf, &entry, &old))
                return old;
            continue;
        }
        if (adb_node_try_lock(leaf->page, leaf->version) && insert(tree, &path, &entry, spare)) {
            adb_tree_add_keys(tree, 1);
            return 0;
        }
    }
}
