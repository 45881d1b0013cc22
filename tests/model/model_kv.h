/*
 * model_kv.h: a database that is obviously right: collections as sorted arrays in memory.
 *
 * No durability, no errors of the environment; memory that is out ends the program.
 */
#ifndef TEST_MODEL_MODEL_KV_H
#define TEST_MODEL_MODEL_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "armdb/options.h"

enum { MODEL_NAME_BYTES = 24 };

struct model_pair {
    unsigned char *key; /* owned */
    size_t key_len;
    unsigned char *value; /* owned */
    size_t value_len;
    uint64_t deadline_ms; /* 0: none */
};

/** Pairs in ascending order of keys, whatever the order of the collection. */
struct model_collection {
    char name[MODEL_NAME_BYTES];
    uint32_t key_bytes;
    bool is_descending;
    bool is_unordered;
    uint32_t value_bytes; /* or ARMDB_VALUE_VARIABLE, ARMDB_VALUE_OBJECT */
    bool is_dropped;
    struct model_pair *pairs; /* owned, [count] */
    size_t count;
    size_t capacity;
    uint64_t expired; /* pairs that are gone because of their deadline */
};

/** An empty collection with settings that a collection was created with. */
void model_init(struct model_collection *model, const char *name,
                const armdb_collection_options *options);
/** Removes all pairs. */
void model_fini(struct model_collection *model);

/** -1, 0 or 1: unsigned bytes, a prefix before what it is a prefix of. */
int model_compare(armdb_slice a, armdb_slice b);

/** The first place whose key is not below `key`; count if there is none. */
size_t model_lower_bound(const struct model_collection *model, armdb_slice key);
/** The pair of that key; NULL if it is not there. Valid until the next change. */
const struct model_pair *model_find(const struct model_collection *model, armdb_slice key);

/** Replaces the value if the key is there. Without a deadline. */
void model_put(struct model_collection *model, armdb_slice key, armdb_slice value);
/** The same, with a deadline unless that is 0; at a time of day. */
void model_put_until(struct model_collection *model, armdb_slice key, armdb_slice value,
                     uint64_t deadline_ms, uint64_t now_ms);
/** Removes the pairs whose deadline has passed. */
void model_expire(struct model_collection *model, uint64_t now_ms);
/** Whether it was there. */
bool model_delete(struct model_collection *model, armdb_slice key);

static inline armdb_slice
model_key(const struct model_pair *pair)
{
    armdb_slice slice = {pair->key, pair->key_len};
    return slice;
}

static inline armdb_slice
model_value(const struct model_pair *pair)
{
    armdb_slice slice = {pair->value, pair->value_len};
    return slice;
}

#endif
