/*
 * skiplist.h: a plain skip list, the structure that ordered indexes in memory usually are, to
 * measure the tree against: nodes of up to 16 levels (each with a quarter of those below), key and
 * location in the node; writers under a mutex, readers without a lock. Nothing is removed.
 *
 * Nodes are cut from large blocks, so that the allocator costs it nothing.
 *
 * Threads: every function may be called from any thread, except skiplist_free().
 */
#ifndef BENCH_SKIPLIST_H
#define BENCH_SKIPLIST_H

#include <stddef.h>
#include <stdint.h>

#include "armdb/types.h"

struct skiplist;
struct skiplist_node;

/** Stops the program if memory is out, as does skiplist_put(). */
struct skiplist *skiplist_new(void);
void skiplist_free(struct skiplist *list);

/** The location of `key`, or 0. */
uint64_t skiplist_get(const struct skiplist *list, armdb_slice key);

/** Returns the location it had, or 0. */
uint64_t skiplist_put(struct skiplist *list, armdb_slice key, uint64_t location);

/** The first node, and the one after a node; NULL if there is none. */
const struct skiplist_node *skiplist_first(const struct skiplist *list);
const struct skiplist_node *skiplist_next(const struct skiplist_node *node);
armdb_slice skiplist_key(const struct skiplist_node *node);
uint64_t skiplist_location(const struct skiplist_node *node);

/** Bytes of all nodes. */
uint64_t skiplist_bytes(const struct skiplist *list);

#endif
