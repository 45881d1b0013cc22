/*
 * tree.h: the ordered index of a collection: key bytes -> one 64-bit location and, if it was made
 * so, an inline value of a fixed length.
 *
 * A B+-tree of 4 KiB nodes with optimistic lock coupling: readers take no lock and write no shared
 * memory; they check node versions and start over when a writer got in between. Writers lock the
 * one or two nodes they change. Nodes come from a pool of pages (pages.h) that are never unmapped
 * while the pool lives, so a reader that follows a stale pointer reads a page whose version tells.
 * docs/index.md has the argument.
 *
 * The tree knows nothing about files: a location is a number other than 0. Keys are compared as
 * unsigned bytes, shorter before longer. It always ascends; a descending collection turns the
 * cursor round.
 *
 * Threads: every function may be called from any thread, concurrently, except adb_tree_free(). Two
 * writers of the same key must be ordered by the caller (they share a shard, and hold its lock).
 * Exception: adb_tree_replace() may race with anything.
 */
#ifndef ADB_INDEX_TREE_H
#define ADB_INDEX_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "armdb/error.h"
#include "armdb/types.h"
#include "base/attr.h"
#include "index/change.h"
#include "index/pages.h"

enum { ADB_TREE_VALUE_MAX = 256 };

struct adb_tree;

/** What a tree holds. */
struct adb_tree_config {
    uint32_t key_bytes;   /* 1..ARMDB_FIXED_KEY_MAX: of all keys; 0: 1..ARMDB_KEY_MAX each */
    uint32_t value_bytes; /* 1..ADB_TREE_VALUE_MAX: of all inline values; 0: there are none */
};

/**
 * Makes an empty tree.
 *
 * @param pages     where nodes come from; borrowed, outlives the tree.
 * @param tree_out  end it with adb_tree_free().
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised).
 */
ADB_MUST_USE armdb_err adb_tree_new(struct adb_pages *pages, const struct adb_tree_config *config,
                                    struct adb_tree **tree_out);

/** Gives all nodes back, O(nodes). No other call may be running or follow. NULL is allowed. */
void adb_tree_free(struct adb_tree *tree);

/**
 * Looks for one key.
 *
 * @param key        of any length (another than the tree's is not there).
 * @param value_out  value_bytes long, filled if the key is there and written to in any way if not;
 *                   or NULL.
 *
 * Returns:  the location of `key`, 0 if it is not there. Location and value belong together.
 */
uint64_t adb_tree_get(const struct adb_tree *tree, armdb_slice key, void *value_out);

/**
 * Does adb_tree_get() of `n` keys, in any order, and so that they wait for memory together.
 *
 * @param locations_out  n of them.
 * @param values_out     n * value_bytes, as in adb_tree_get(); or NULL.
 */
void adb_tree_get_batch(const struct adb_tree *tree, const armdb_slice *keys, size_t n,
                        uint64_t *locations_out, void *values_out);

/**
 * Makes sure that `spare` suffices for one put into `tree`.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised; `spare` is still valid).
 */
ADB_MUST_USE armdb_err adb_tree_prepare(struct adb_tree *tree, struct adb_spare *spare);

/**
 * Sets the location of `key`, and its value. Cannot fail after adb_tree_prepare().
 *
 * @param key       of the tree's key length; or 1..ARMDB_KEY_MAX bytes.
 * @param location  0: the one it has; then the key must be there, and `spare` may be NULL.
 * @param value     value_bytes long, copied; NULL if the tree has no values.
 *
 * Returns:  the location it had, 0 if it was not there.
 */
uint64_t adb_tree_put(struct adb_tree *tree, armdb_slice key, uint64_t location, const void *value,
                      struct adb_spare *spare);

/** Removes `key`. Returns the location it had, 0 if it was not there. */
uint64_t adb_tree_remove(struct adb_tree *tree, armdb_slice key);

/** Sets the location of `key` to `desired` if it is `expected`; says whether it did. The value
 * stays. */
bool adb_tree_replace(struct adb_tree *tree, armdb_slice key, uint64_t expected, uint64_t desired);

/**
 * Puts and removes many keys, much faster than one by one.
 *
 * @param changes  in strictly ascending order of their keys.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised; the first changes may have been made).
 */
ADB_MUST_USE armdb_err adb_tree_apply(struct adb_tree *tree, struct adb_change *changes, size_t n,
                                      struct adb_spare *spare);

/** Keys in the tree; exact when no writer is running. */
uint64_t adb_tree_count(const struct adb_tree *tree);

/** Bytes of memory of the nodes in use. */
uint64_t adb_tree_bytes(const struct adb_tree *tree);

/* ------------------------------------------------------------------ positions */

/** Which key a seek looks for, seen from the given one. */
enum adb_tree_seek {
    ADB_SEEK_GE,    /* the smallest key >= the given one */
    ADB_SEEK_GT,    /* the smallest key >  it */
    ADB_SEEK_LE,    /* the largest key  <= it */
    ADB_SEEK_LT,    /* the largest key  <  it */
    ADB_SEEK_FIRST, /* the smallest of all; the key is not looked at */
    ADB_SEEK_LAST   /* the largest of all */
};

/* Where a leaf of short keys without inline values has them: words of the page. */
struct adb_tree_leaf {
    uint16_t capacity; /* 0: other keys, or values */
    uint16_t words;    /* of a key */
    uint16_t key_at;   /* the first words of all keys; `capacity` words further on, the second */
    uint16_t location_at;
};

/**
 * A place in a tree that survives changes of it: the key it stands on, and a shortcut to the node
 * where that was found. Valid after a seek or step that returned true. Plain memory: no init (all
 * zero) or fini is needed. Owner thread only.
 */
struct adb_tree_position {
    const void *node; /* shortcut: leaf; valid only if its version is still `version` */
    uint64_t version;
    uint32_t slot;                           /* in that leaf */
    uint32_t key_len;                        /* bytes */
    uint64_t location;                       /* of the key when it was found */
    struct adb_tree_leaf leaf;               /* how the leaf is laid out */
    unsigned char value[ADB_TREE_VALUE_MAX]; /* then, if the tree has values */
    unsigned char key[ARMDB_KEY_MAX];
};

/**
 * Finds a key and puts `position` on it.
 *
 * @param key  any 0..ARMDB_KEY_MAX bytes (also of a length that the tree cannot hold); may point
 *             into position->key.
 *
 * Returns:  true; false if there is no such key (`position` is as it was).
 */
bool adb_tree_seek(const struct adb_tree *tree, enum adb_tree_seek how, armdb_slice key,
                   struct adb_tree_position *position);

/**
 * Moves to the next larger (or smaller) key. Also right if the key under it was removed meanwhile.
 * Every key that is there throughout a walk is met exactly once, in order. Amortised O(1).
 *
 * Returns:  true; false if there is none (`position` is as it was).
 */
bool adb_tree_next(const struct adb_tree *tree, struct adb_tree_position *position);
bool adb_tree_prev(const struct adb_tree *tree, struct adb_tree_position *position);

/**
 * Does one of these if the next key is in the same leaf, that is unchanged, and keys are short: the
 * quick way for most steps. It needs no tree, only its pages: it may be called when the tree has
 * been freed.
 *
 * Returns:  true; false if it could not (`position` is as it was).
 */
bool adb_tree_step_near(struct adb_tree_position *position, bool is_up);

/**
 * Looks at another slot of the leaf that `position` found its key in, if that is unchanged.
 *
 * @param key_out  room for ARMDB_KEY_MAX bytes.
 *
 * Returns:  the location in that slot; 0 if the leaf has changed or has no such slot.
 */
uint64_t adb_tree_peek(const struct adb_tree *tree, const struct adb_tree_position *position,
                       uint32_t slot, unsigned char *key_out, size_t *key_len_out);

/** Brings near what adb_tree_peek() of that slot looks at, if keys are short. */
void adb_tree_approach(const struct adb_tree_position *position, uint32_t slot);

/**
 * The location that the key under `position` has now; 0 if it was removed. O(1) if its leaf did not
 * change.
 */
uint64_t adb_tree_location(const struct adb_tree *tree, const struct adb_tree_position *position);

#endif
