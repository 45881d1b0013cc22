/*
 * Looking for many keys at once. A lookup spends its time waiting for memory, one node after the
 * other; here a group of lookups goes down together, level by level, and asks for the memory that
 * each will read before it turns to the next.
 *
 * Each lookup keeps the promise of a single one (tree.c): it notes a child's version before it
 * checks that the parent is unchanged. Only the time between the two is longer, because the child
 * is being fetched. A lookup that a writer got in the way of is done alone.
 */
#include "index/tree.h"

#include "index/tree_private.h"

enum { GROUP = 16 }; /* about as many fetches as a core keeps in flight */

/* One of them, on its way. */
struct lookup {
    size_t index;                  /* of the key */
    const struct adb_page *parent; /* NULL: `page` is the root */
    uint64_t parent_version;
    const struct adb_page *page;
    uint64_t version;
    struct adb_node_place place; /* where the search in `page` goes on */
    struct adb_node_key key;
};

/* The keys of the caller, and where the results go. */
struct batch {
    const struct adb_tree *tree;
    const armdb_slice *keys;
    size_t n;
    size_t next; /* the first that was not begun */
    uint64_t *locations;
    unsigned char *values; /* or NULL */
};

static unsigned char *
value_of(const struct batch *batch, size_t index)
{
    return batch->values == NULL ? NULL : batch->values + index * batch->tree->layout.value_bytes;
}

/* Starts lookups at the root. Returns how many. */
static uint32_t
begin(struct batch *batch, struct lookup *lookups)
{
    const struct adb_tree *tree = batch->tree;
    uint32_t n = 0;
    for (; n < GROUP && batch->next < batch->n; batch->next++) {
        armdb_slice key = batch->keys[batch->next];
        batch->locations[batch->next] = 0;
        if (!adb_tree_can_hold(tree, key))
            continue;
        struct lookup *lookup = &lookups[n++];
        lookup->index = batch->next;
        lookup->parent = NULL;
        lookup->page = tree->root;
        adb_node_key_set(&tree->layout, &lookup->key, (const unsigned char *)key.data,
                         (uint32_t)key.len);
    }
    return n;
}

/* Arrives at a node whose first lines are near. False: start over. */
static inline bool
arrive(const struct adb_node_layout *layout, struct lookup *lookup)
{
    lookup->version = adb_node_version(lookup->page);
    if (lookup->parent != NULL && !adb_node_is_unchanged(lookup->parent, lookup->parent_version))
        return false;
    adb_node_begin_find(layout, lookup->page, &lookup->key, &lookup->place);
    return true;
}

enum progress { LOOKUP_GOES_ON, LOOKUP_DONE, LOOKUP_AGAIN };

/* Finds the child to go on with, or the location. */
static inline enum progress
advance(const struct batch *batch, struct lookup *lookup)
{
    const struct adb_node_layout *layout = &batch->tree->layout;
    const struct adb_page *page = lookup->page;
    bool found;
    bool is_leaf = adb_node_meta(page).level == 0;
    uint32_t slot = adb_node_end_find(layout, page, &lookup->key, &lookup->place, &found);
    if (is_leaf) {
        uint64_t location = found ? adb_node_location(layout, page, slot) : 0;
        unsigned char *value = value_of(batch, lookup->index);
        if (found && value != NULL)
            adb_node_read_value(layout, page, slot, value);
        batch->locations[lookup->index] = location;
        return adb_node_is_unchanged(page, lookup->version) ? LOOKUP_DONE : LOOKUP_AGAIN;
    }
    const struct adb_page *child = adb_node_child(layout, page, slot + found);
    if (!adb_node_is_unchanged(page, lookup->version))
        return LOOKUP_AGAIN;
    adb_tree_prefetch(child);
    lookup->parent = page;
    lookup->parent_version = lookup->version;
    lookup->page = child;
    return LOOKUP_GOES_ON;
}

static void
look_again(const struct batch *batch, size_t index)
{
    batch->locations[index] = adb_tree_get(batch->tree, batch->keys[index], value_of(batch, index));
}

/* Brings lookups one level down. Returns how many of them (the first) are not yet done. */
static uint32_t
go_down(const struct batch *batch, struct lookup **active, uint32_t n)
{
    const struct adb_node_layout *layout = &batch->tree->layout;
    for (uint32_t i = 0; i < n;) {
        if (arrive(layout, active[i])) {
            i++;
            continue;
        }
        look_again(batch, active[i]->index);
        active[i] = active[--n];
    }
    for (uint32_t round = 0; round < adb_node_find_rounds(layout); round++) {
        for (uint32_t i = 0; i < n; i++)
            adb_node_narrow_find(active[i]->page, &active[i]->key, round, &active[i]->place);
    }
    for (uint32_t i = 0; i < n;) {
        enum progress progress = advance(batch, active[i]);
        if (progress == LOOKUP_GOES_ON) {
            i++;
            continue;
        }
        if (progress == LOOKUP_AGAIN)
            look_again(batch, active[i]->index);
        active[i] = active[--n];
    }
    return n;
}

void
adb_tree_get_batch(const struct adb_tree *tree, const armdb_slice *keys, size_t n,
                   uint64_t *locations_out, void *values_out)
{
    struct batch batch = {.tree = tree,
                          .keys = keys,
                          .n = n,
                          .locations = locations_out,
                          .values = (unsigned char *)values_out};
    struct lookup lookups[GROUP];
    struct lookup *active[GROUP];
    while (batch.next < n) {
        uint32_t n_active = begin(&batch, lookups);
        for (uint32_t i = 0; i < n_active; i++)
            active[i] = &lookups[i];
        while (n_active != 0)
            n_active = go_down(&batch, active, n_active);
    }
}
