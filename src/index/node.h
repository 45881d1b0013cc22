/*
 * node.h: one node of a tree: a page of sorted entries, read without a lock and changed under one.
 *
 * An inner node of n separators has n+1 children: child i holds the keys below separator i, child
 * i+1 those not below it. A leaf of n keys has n locations and, if the tree was made so, n inline
 * values, all of one length. Two layouts are hidden behind the same
 * functions: node_fixed.c (all keys of one length) and node_var.c. node_word.h has the rules by
 * which nodes are shared. Only files of index/ include this header.
 *
 * Functions whose comment says "racy" may be called without the lock; they return anything then,
 * within bounds, and the caller checks the version. The others need the lock (or a node that nobody
 * else can reach).
 */
#ifndef ADB_INDEX_NODE_H
#define ADB_INDEX_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "armdb/types.h"
#include "index/node_fixed.h"
#include "index/node_key.h"
#include "index/node_var.h"
#include "index/node_word.h"
#include "index/pages.h"

/** Works out the layout for a key length (0: variable) and the length of inline values (or 0). */
void adb_node_layout_init(struct adb_node_layout *layout, uint32_t key_bytes, uint32_t value_bytes);

/** Starts a node without entries in a page that was just taken; its version is above `clock`. */
void adb_node_init(const struct adb_node_layout *layout, struct adb_page *page, uint32_t level,
                   uint64_t clock);

/** Makes `to` hold what `from` holds; the version of `to` stays as it is. */
void adb_node_copy(struct adb_page *to, const struct adb_page *from);

/** Removes all entries and sets the level. */
void adb_node_clear(const struct adb_node_layout *layout, struct adb_page *page, uint32_t level);

/**
 * Where the separator of two new leaves is, between the largest key on the left and the smallest
 * on the right; that is, which of the two will get the keys to come in between.
 */
enum adb_node_bias {
    NODE_BIAS_LOW, /* right after the left: more goes to the right one */
    NODE_BIAS_MIDDLE,
    NODE_BIAS_HIGH
};

/** Which part of a node stays and which goes to the right when an entry does not fit. */
struct adb_node_split {
    uint32_t at;     /* leaf: first entry that moves; inner: separator moving up */
    bool into_right; /* where the new entry goes */
    enum adb_node_bias bias;
    struct adb_node_key_copy middle; /* separates left and right */
};

/** Which ends of a level the node is at: there keys come in order more often than not. */
struct adb_node_edges {
    bool is_leftmost;
    bool is_rightmost;
};

/** Decides how to split a node in which (key) does not fit at `slot`. Changes nothing. */
void adb_node_plan_split(const struct adb_node_layout *layout, const struct adb_page *page,
                         uint32_t slot, const struct adb_node_key *key, struct adb_node_edges edges,
                         struct adb_node_split *split);

/**
 * The slot of the first entry not below `key`, and whether it is `key` itself. Racy; the result is
 * then at most NODE_COUNT_MAX and safe to pass to the other racy functions.
 */
static inline uint32_t
adb_node_find(const struct adb_node_layout *layout, const struct adb_page *page,
              const struct adb_node_key *key, bool *found_out)
{
    return layout->words != 0 ? adb_node_fixed_find(layout, page, key, found_out)
                              : adb_node_var_find(page, key, found_out);
}

/**
 * adb_node_find() in parts, so that what each reads can be fetched in the meantime: begin, then
 * narrow so many times as adb_node_find_rounds() says, then end. Racy: the version is noted before
 * the first part, and checked after the last.
 */
static inline void
adb_node_begin_find(const struct adb_node_layout *layout, const struct adb_page *page,
                    const struct adb_node_key *key, struct adb_node_place *place_out)
{
    if (layout->words != 0)
        adb_node_fixed_begin_find(layout, page, key, place_out);
    else
        adb_node_var_begin_find(page, place_out);
}

static inline uint32_t
adb_node_find_rounds(const struct adb_node_layout *layout)
{
    return layout->words != 0 ? 0 : 2;
}

static inline void
adb_node_narrow_find(const struct adb_page *page, const struct adb_node_key *key, uint32_t round,
                     struct adb_node_place *place)
{
    adb_node_var_narrow_find(page, key, round, place);
}

static inline uint32_t
adb_node_end_find(const struct adb_node_layout *layout, const struct adb_page *page,
                  const struct adb_node_key *key, const struct adb_node_place *place,
                  bool *found_out)
{
    return layout->words != 0 ? adb_node_fixed_end_find(layout, page, key, place, found_out)
                              : adb_node_var_end_find(page, key, place, found_out);
}

static inline uint32_t
adb_node_location_at(const struct adb_node_layout *layout, uint32_t slot)
{
    return layout->words != 0 ? adb_node_fixed_location_at(layout, slot)
                              : adb_node_var_location_at(slot);
}

static inline uint32_t
adb_node_child_at(const struct adb_node_layout *layout, uint32_t slot)
{
    return layout->words != 0 ? adb_node_fixed_child_at(layout, slot) : adb_node_var_child_at(slot);
}

/** Racy; any slot up to NODE_COUNT_MAX. */
static inline uint64_t
adb_node_location(const struct adb_node_layout *layout, const struct adb_page *page, uint32_t slot)
{
    return adb_node_word(page, adb_node_location_at(layout, slot) % NODE_WORDS);
}

static inline void
adb_node_set_location(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot,
                      uint64_t location)
{
    adb_node_set_word(page, adb_node_location_at(layout, slot), location);
}

/** Racy; any slot up to NODE_COUNT_MAX + 1. Only to be followed after a check of the version. */
static inline struct adb_page *
adb_node_child(const struct adb_node_layout *layout, const struct adb_page *page, uint32_t slot)
{
    return (struct adb_page *)(uintptr_t)adb_node_word(page, adb_node_child_at(layout, slot) %
                                                                 NODE_WORDS);
}

static inline void
adb_node_set_child(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot,
                   const struct adb_page *child)
{
    adb_node_set_word(page, adb_node_child_at(layout, slot), (uint64_t)(uintptr_t)child);
}

/**
 * Copies the key (or separator) at `slot` to bytes_out, which has room for ARMDB_KEY_MAX bytes, all
 * of which may be overwritten. Racy. Returns its length.
 */
static inline uint32_t
adb_node_read_key(const struct adb_node_layout *layout, const struct adb_page *page, uint32_t slot,
                  unsigned char *bytes_out)
{
    return layout->words != 0 ? adb_node_fixed_read_key(layout, page, slot, bytes_out)
                              : adb_node_var_read_key(page, slot, bytes_out);
}

/** Copies the inline value at `slot` of a leaf, value_bytes of it. Racy; any slot up to
 * NODE_COUNT_MAX. */
static inline void
adb_node_read_value(const struct adb_node_layout *layout, const struct adb_page *page,
                    uint32_t slot, unsigned char *value_out)
{
    if (layout->words != 0)
        adb_node_fixed_read_value(layout, page, slot, value_out);
    else
        adb_node_var_read_value(page, slot, value_out, layout->value_bytes);
}

static inline void
adb_node_set_value(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot,
                   const void *value)
{
    if (layout->words != 0)
        adb_node_fixed_set_value(layout, page, slot, value);
    else
        adb_node_var_set_value(page, slot, value);
}

/** Whether adb_node_insert() of `key` will find room. */
static inline bool
adb_node_fits(const struct adb_node_layout *layout, const struct adb_page *page,
              const struct adb_node_key *key)
{
    return layout->words != 0 ? adb_node_fixed_fits(layout, page) : adb_node_var_fits(page, key);
}

/** Puts in an entry that fits. */
static inline void
adb_node_insert(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot,
                const struct adb_node_entry *entry)
{
    if (layout->words != 0)
        adb_node_fixed_insert(layout, page, slot, entry);
    else
        adb_node_var_insert(page, slot, entry);
}

/** Takes out an entry; of an inner node, the separator and the child to its right. */
static inline void
adb_node_remove(const struct adb_node_layout *layout, struct adb_page *page, uint32_t slot)
{
    if (layout->words != 0)
        adb_node_fixed_remove(layout, page, slot);
    else
        adb_node_var_remove(page, slot);
}

/** Moves what is to the right of split->at from `left` to `right`, an empty node of its level. */
static inline void
adb_node_split(const struct adb_node_layout *layout, struct adb_page *left, struct adb_page *right,
               const struct adb_node_split *split)
{
    if (layout->words != 0)
        adb_node_fixed_split(layout, left, right, split->at);
    else
        adb_node_var_split(left, right, split->at);
}

/** Whether so little is left in a node that it should be merged with a neighbour. Racy. */
static inline bool
adb_node_is_underfull(const struct adb_node_layout *layout, const struct adb_page *page)
{
    return layout->words != 0 ? adb_node_fixed_is_underfull(layout, page)
                              : adb_node_var_is_underfull(page);
}

/** Whether two neighbours, separated by `middle`, may become one node. */
static inline bool
adb_node_merge_fits(const struct adb_node_layout *layout, const struct adb_page *left,
                    const struct adb_page *right, const struct adb_node_key *middle)
{
    return layout->words != 0 ? adb_node_fixed_merge_fits(layout, left, right)
                              : adb_node_var_merge_fits(left, right, middle);
}

/** Appends `right` to `left` where they fit; `right` stays as it is. */
static inline void
adb_node_merge(const struct adb_node_layout *layout, struct adb_page *left,
               const struct adb_page *right, const struct adb_node_key *middle)
{
    if (layout->words != 0)
        adb_node_fixed_merge(layout, left, right, middle);
    else
        adb_node_var_merge(left, right, middle);
}

#endif
