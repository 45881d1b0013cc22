/*
 * node_var.h: nodes whose keys differ in length; drawn in node_var.c. Functions without a comment
 * are those of node.h, where their contracts are.
 */
#ifndef ADB_INDEX_NODE_VAR_H
#define ADB_INDEX_NODE_VAR_H

#include <stdbool.h>
#include <stdint.h>

#include "index/node_key.h"

void adb_node_var_clear(struct adb_page *page, uint32_t level, uint32_t value_bytes);
uint32_t adb_node_var_find(const struct adb_page *page, const struct adb_node_key *key,
                           bool *found_out);
void adb_node_var_begin_find(const struct adb_page *page, struct adb_node_place *place_out);
void adb_node_var_narrow_find(const struct adb_page *page, const struct adb_node_key *key,
                              uint32_t round, struct adb_node_place *place);
uint32_t adb_node_var_end_find(const struct adb_page *page, const struct adb_node_key *key,
                               const struct adb_node_place *place, bool *found_out);
uint32_t adb_node_var_read_key(const struct adb_page *page, uint32_t slot,
                               unsigned char *bytes_out);
void adb_node_var_read_value(const struct adb_page *page, uint32_t slot, unsigned char *value_out,
                             uint32_t value_bytes);
void adb_node_var_set_value(struct adb_page *page, uint32_t slot, const void *value);
bool adb_node_var_fits(const struct adb_page *page, const struct adb_node_key *key);
void adb_node_var_insert(struct adb_page *page, uint32_t slot, const struct adb_node_entry *entry);
void adb_node_var_remove(struct adb_page *page, uint32_t slot);
void adb_node_var_split(struct adb_page *left, struct adb_page *right, uint32_t at);
bool adb_node_var_is_underfull(const struct adb_page *page);
bool adb_node_var_merge_fits(const struct adb_page *left, const struct adb_page *right,
                             const struct adb_node_key *middle);
void adb_node_var_merge(struct adb_page *left, const struct adb_page *right,
                        const struct adb_node_key *middle);

/** The word of a leaf's location `slot`. */
static inline uint32_t
adb_node_var_location_at(uint32_t slot)
{
    return 5 + 2 * slot;
}

/** The word of an inner node's child `slot`. */
static inline uint32_t
adb_node_var_child_at(uint32_t slot)
{
    return 3 + 2 * slot;
}

/** The slot at which the bytes before and after it are as equal as they can be; not 0. */
uint32_t adb_node_var_middle(const struct adb_page *page);

/** Whether `key` starts with the prefix of the node. */
bool adb_node_var_keeps_prefix(const struct adb_page *page, const struct adb_node_key *key);

/** Whether the entries [from, to) and a key with the node's prefix fit into one node. */
bool adb_node_var_fits_part(const struct adb_page *page, uint32_t from, uint32_t to,
                            const struct adb_node_key *key);

#endif
