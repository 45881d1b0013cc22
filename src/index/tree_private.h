/* tree_private.h: what the files of the tree share. tree.c explains the algorithm. */
#ifndef ADB_INDEX_TREE_PRIVATE_H
#define ADB_INDEX_TREE_PRIVATE_H

#include "base/counter.h"
#include "index/node.h"
#include "index/tree.h"

enum {
    TREE_DEPTH_MAX = 40, /* levels; each has at least twice the nodes of the one above */
    TREE_PREFETCH_WORDS = 24
};

struct adb_tree {
    /* immutable after new */
    struct adb_pages *pages; /* borrowed, outlives the tree */
    struct adb_page *root;   /* owned; the same page for the tree's whole life */
    struct adb_node_layout layout;
    /* atomic */
    _Atomic uint64_t n_nodes;
    struct adb_counter keys; /* a stripe alone may be below 0, modulo 2^64; the sum is right */
};

/** One node on the way down, as it was seen. */
struct adb_tree_step {
    struct adb_page *page;
    uint64_t version;
    uint32_t slot;  /* child taken; in the last step it means nothing */
    uint32_t count; /* separators */
    uint32_t level;
};

/** The way from the root down. Each step was still the child of the one before it when seen. */
struct adb_tree_path {
    uint32_t n; /* steps */
    struct adb_tree_step step[TREE_DEPTH_MAX];
};

/** Where to go down. */
enum adb_tree_way {
    TREE_TO_KEY,    /* to the leaf whose range the key is in */
    TREE_BELOW_KEY, /* to the leaf whose range ends at the key or holds it: keys below it are there,
                       or in leaves before that one */
    TREE_TO_LAST    /* to the last leaf; the key is not looked at */
};

/** Whether a key of this length can be in the tree. */
static inline bool
adb_tree_can_hold(const struct adb_tree *tree, armdb_slice key)
{
    uint32_t key_bytes = tree->layout.key_bytes;
    return key_bytes != 0 ? key.len == key_bytes : key.len >= 1 && key.len <= ARMDB_KEY_MAX;
}

/** Brings near the lines of a node that are read first. */
static inline void
adb_tree_prefetch(const struct adb_page *page)
{
    for (uint32_t at = 0; at < TREE_PREFETCH_WORDS; at += 8)
        adb_node_prefetch(page, at);
}

/** The child of an inner node that the way goes through. Racy. */
uint32_t adb_tree_child_slot(const struct adb_tree *tree, const struct adb_page *page,
                             enum adb_tree_way way, const struct adb_node_key *key);

/** Goes down to a level (0: the leaf), or to the root if that is lower. */
void adb_tree_descend(const struct adb_tree *tree, enum adb_tree_way way,
                      const struct adb_node_key *key, uint32_t level, struct adb_tree_path *path);

static inline struct adb_tree_step *
adb_tree_last_step(struct adb_tree_path *path)
{
    return &path->step[path->n - 1];
}

enum adb_tree_bound {
    TREE_BOUND_AGAIN, /* something has changed */
    TREE_BOUND_NONE,  /* there is nothing beyond: the node is at the end of its level */
    TREE_BOUND_FOUND
};

/** Copies the separator that bounds the node of the path's end, above it (`is_up`) or below it. */
enum adb_tree_bound adb_tree_read_bound(const struct adb_tree *tree,
                                        const struct adb_tree_path *path, bool is_up,
                                        struct adb_node_key_copy *bound_out);

/** Adds to the number of keys; `change` may be below 0, as a number modulo 2^64. */
void adb_tree_add_keys(struct adb_tree *tree, uint64_t change);

/** Gives a node that was taken out of the tree back to the pool. */
void adb_tree_retire(struct adb_tree *tree, struct adb_page *page, uint64_t last_version);

#endif
