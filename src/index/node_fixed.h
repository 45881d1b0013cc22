/*
 * node_fixed.h: nodes whose keys all have one length; drawn in node_fixed.c. The functions are
 * those of node.h, where their contracts are.
 */
#ifndef ADB_INDEX_NODE_FIXED_H
#define ADB_INDEX_NODE_FIXED_H

#include <stdbool.h>
#include <stdint.h>

#include "index/node_key.h"

void adb_node_fixed_layout_init(struct adb_node_layout *layout, uint32_t key_bytes);
void adb_node_fixed_clear(struct adb_page *page, uint32_t level);
uint32_t adb_node_fixed_find(const struct adb_node_layout *layout, const struct adb_page *page,
                             const struct adb_node_key *key, bool *found_out);
uint32_t adb_node_fixed_read_key(const struct adb_node_layout *layout, const struct adb_page *page,
                                 uint32_t slot, unsigned char *bytes_out);
void adb_node_fixed_insert(const struct adb_node_layout *layout, struct adb_page *page,
                           uint32_t slot, const struct adb_node_key *key, uint64_t value);
void adb_node_fixed_remove(const struct adb_node_layout *layout, struct adb_page *page,
                           uint32_t slot);
void adb_node_fixed_split(const struct adb_node_layout *layout, struct adb_page *left,
                          struct adb_page *right, uint32_t at);
bool adb_node_fixed_merge_fits(const struct adb_node_layout *layout, const struct adb_page *left,
                               const struct adb_page *right);
void adb_node_fixed_merge(const struct adb_node_layout *layout, struct adb_page *left,
                          const struct adb_page *right, const struct adb_node_key *middle);

/** The word of a leaf's location `slot`, or of an inner node's child `slot`. */
static inline uint32_t
adb_node_fixed_value_at(const struct adb_node_layout *layout, uint32_t slot)
{
    return layout->value_at + slot;
}

#endif
