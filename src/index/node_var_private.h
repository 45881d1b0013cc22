/* node_var_private.h: what node_var.c, where the layout is drawn, and node_var_build.c share. */
#ifndef ADB_INDEX_NODE_VAR_PRIVATE_H
#define ADB_INDEX_NODE_VAR_PRIVATE_H

#include "index/node_var.h"

enum {
    VAR_SPACE_AT = 2,
    VAR_CHILD_AT = 3,
    VAR_SLOTS_BYTES = 32, /* where the slots start */
    VAR_SLOT_BYTES = 16,
    VAR_HEAD = 5 /* key bytes in a slot */
};

/** The meta word's count and the space word, taken apart; bytes and byte offsets in the page. */
struct adb_var_space {
    uint32_t count;
    uint32_t heap_at;
    uint32_t dead;
    uint32_t prefix_at;
    uint32_t prefix_len;
    uint32_t value_bytes; /* of an inline value; as a racy reader knows it, anything */
};

/** Racy: what it returns is in bounds even if it is nonsense. */
struct adb_var_space adb_var_space(const struct adb_page *page);

static inline uint32_t
adb_var_slot_at(uint32_t slot)
{
    return VAR_SLOTS_BYTES / 8 + 2 * slot;
}

static inline uint64_t
adb_var_slot(uint64_t head, uint32_t len, uint32_t heap_at)
{
    return head << 24 | (uint64_t)len << 12 | (heap_at & 0xfff);
}

static inline uint64_t
adb_var_slot_head(uint64_t slot)
{
    return slot >> 24;
}

static inline uint32_t
adb_var_slot_len(uint64_t slot)
{
    return (uint32_t)(slot >> 12 & 0xfff);
}

static inline uint32_t
adb_var_slot_heap(uint64_t slot)
{
    return (uint32_t)(slot & 0xfff);
}

/** Sets the space word; the count and the length of values are not part of it. */
void adb_var_set_space(struct adb_page *page, struct adb_var_space space);

/** The bytes of a key of `len` bytes (without the prefix) that are in the heap. */
static inline uint32_t
adb_var_tail(uint32_t len)
{
    return len > VAR_HEAD ? len - VAR_HEAD : 0;
}

static inline uint64_t
adb_var_head(const unsigned char *rest, uint32_t len)
{
    return adb_node_load_bytes(rest, len < VAR_HEAD ? len : VAR_HEAD) >> (64 - 8 * VAR_HEAD);
}

/** Whether `key` fits into the node built anew, with the best prefix and without dead bytes. */
bool adb_var_fits_rebuilt(const struct adb_page *page, const struct adb_node_key *key);

/** Builds the node anew, with one more entry. */
void adb_var_insert_rebuilding(struct adb_page *page, uint32_t slot,
                               const struct adb_node_entry *entry);

#endif
