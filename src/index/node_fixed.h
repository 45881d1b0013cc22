/*
 * node_fixed.h: nodes whose keys all have one length; drawn in node_fixed.c. The functions are
 * those of node.h, where their contracts are.
 */
#ifndef ADB_INDEX_NODE_FIXED_H
#define ADB_INDEX_NODE_FIXED_H

#include <stdbool.h>
#include <stdint.h>

#include "index/node_key.h"

void adb_node_fixed_layout_init(struct adb_node_layout *layout);
void adb_node_fixed_clear(struct adb_page *page, uint32_t level);
uint32_t adb_node_fixed_find(const struct adb_node_layout *layout, const struct adb_page *page,
                             const struct adb_node_key *key, bool *found_out);
void adb_node_fixed_begin_find(const struct adb_node_layout *layout, const struct adb_page *page,
                               const struct adb_node_key *key, struct adb_node_place *place_out);
uint32_t adb_node_fixed_end_find(const struct adb_node_layout *layout, const struct adb_page *page,
                                 const struct adb_node_key *key, const struct adb_node_place *place,
                                 bool *found_out);
uint32_t adb_node_fixed_read_key(const struct adb_node_layout *layout, const struct adb_page *page,
                                 uint32_t slot, unsigned char *bytes_out);
void adb_node_fixed_insert(const struct adb_node_layout *layout, struct adb_page *page,
                           uint32_t slot, const struct adb_node_entry *entry);
void adb_node_fixed_remove(const struct adb_node_layout *layout, struct adb_page *page,
                           uint32_t slot);
void adb_node_fixed_split(const struct adb_node_layout *layout, struct adb_page *left,
                          struct adb_page *right, uint32_t at);
bool adb_node_fixed_fits(const struct adb_node_layout *layout, const struct adb_page *page);
bool adb_node_fixed_is_underfull(const struct adb_node_layout *layout, const struct adb_page *page);
bool adb_node_fixed_merge_fits(const struct adb_node_layout *layout, const struct adb_page *left,
                               const struct adb_page *right);
void adb_node_fixed_merge(const struct adb_node_layout *layout, struct adb_page *left,
                          const struct adb_page *right, const struct adb_node_key *middle);

void adb_node_fixed_read_value(const struct adb_node_layout *layout, const struct adb_page *page,
                               uint32_t slot, unsigned char *value_out);
void adb_node_fixed_set_value(const struct adb_node_layout *layout, struct adb_page *page,
                              uint32_t slot, const void *value);

/** As adb_node_fixed_find() of a node that nobody changes, for a key above all entries in front of
 * slot `from`. */
uint32_t adb_node_fixed_find_from(const struct adb_node_layout *layout, const struct adb_page *page,
                                  const struct adb_node_key *key, uint32_t from, bool *found_out);

/** Puts entries into a leaf that has room for all; in ascending order of their keys. */
void adb_node_fixed_insert_sorted(const struct adb_node_layout *layout, struct adb_page *page,
                                  const struct adb_node_arrival *arrivals, uint32_t n);

/** Leaves and inner nodes of a tree with inline values differ. */
static inline const struct adb_node_shape *
adb_node_fixed_shape(const struct adb_node_layout *layout, uint32_t level)
{
    return &layout->shape[level != 0];
}

/** Where in the page the `word`-th word of a key is. */
static inline uint32_t
adb_node_fixed_key_at(const struct adb_node_shape *shape, uint32_t word, uint32_t slot)
{
    return shape->key_at + word * shape->capacity + slot;
}

/** The word of a leaf's location `slot`; the inline value is in the words after it. */
static inline uint32_t
adb_node_fixed_location_at(const struct adb_node_layout *layout, uint32_t slot)
{
    return layout->shape[0].target_at + slot * layout->shape[0].stride;
}

/** The word of an inner node's child `slot`. */
static inline uint32_t
adb_node_fixed_child_at(const struct adb_node_layout *layout, uint32_t slot)
{
    return layout->shape[1].target_at + slot;
}

#endif
