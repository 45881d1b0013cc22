/*
 * index.h: the index of a collection, whichever kind it has: a tree (tree.h), or a map (map.h)
 * where no order is wanted.
 *
 * What both can do goes through here; what only one can (positions, walks), through its own header.
 * All rules of those headers hold: who may call what at the same time, what a location is.
 */
#ifndef ADB_INDEX_INDEX_H
#define ADB_INDEX_INDEX_H

#include "index/map.h"
#include "index/tree.h"

struct adb_index {
    struct adb_tree *tree; /* owned; one of the two is NULL */
    struct adb_map *map;   /* owned */
    /* immutable, and so may be read at any time: */
    uint32_t value_bytes; /* of the values kept in it; 0: none are */
    bool has_pointers;    /* no values, but 8 bytes beside each location, 0 until they are set */
    bool is_hashed;       /* a map, whose hash has the seed */
    uint64_t seed;
};

struct adb_index_config {
    struct adb_pages *pages; /* borrowed, outlives the index */
    bool is_ordered;
    uint32_t key_bytes;   /* 0: variable */
    uint32_t value_bytes; /* 0: none are kept */
    bool has_pointers;    /* then it is 0 */
    uint32_t n_writers;   /* at most so many write at once */
    uint64_t seed;        /* of the hash of a map */
};

/** Makes an empty index; end it with adb_index_fini(). ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_index_init(struct adb_index *index,
                                      const struct adb_index_config *config);

/** Frees it. No other call may be running or follow. All zero is allowed. */
void adb_index_fini(struct adb_index *index);

/** Swaps the contents of two indexes of one kind, while nobody uses either: the way to empty one
 * that others hold. */
void adb_index_swap(struct adb_index *a, struct adb_index *b);

typedef void (*adb_index_fn)(void *context, armdb_slice key, uint64_t location);

/** Calls `fn` for each key, while nobody writes. */
void adb_index_each(const struct adb_index *index, adb_index_fn fn, void *context);

/** The location of `key`, 0 if it is not there; its value (or pointer) too, unless `value_out` is
 * NULL. */
static inline uint64_t
adb_index_get(const struct adb_index *index, armdb_slice key, void *value_out)
{
    return index->tree != NULL ? adb_tree_get(index->tree, key, value_out)
                               : adb_map_get(index->map, key, value_out);
}

/** The same for `n` keys at once; `values_out` is NULL or has n * value_bytes. */
static inline void
adb_index_get_batch(const struct adb_index *index, const armdb_slice *keys, size_t n,
                    uint64_t *locations_out, void *values_out)
{
    if (index->tree != NULL)
        adb_tree_get_batch(index->tree, keys, n, locations_out, values_out);
    else
        adb_map_get_batch(index->map, keys, n, locations_out, values_out);
}

/** Sees to it that one put of `key` can't fail. ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE static inline armdb_err
adb_index_prepare(struct adb_index *index, armdb_slice key, struct adb_spare *spare)
{
    return index->tree != NULL ? adb_tree_prepare(index->tree, spare)
                               : adb_map_prepare(index->map, key, spare);
}

/** Sets location and value (or pointer; NULL if there are none) of `key`. Returns the location it
 * had, or 0. */
static inline uint64_t
adb_index_put(struct adb_index *index, armdb_slice key, uint64_t location, const void *value,
              struct adb_spare *spare)
{
    return index->tree != NULL ? adb_tree_put(index->tree, key, location, value, spare)
                               : adb_map_put(index->map, key, location, value, spare);
}

/** Sets the value (or pointer) of `key`, which is there. */
static inline void
adb_index_set_value(struct adb_index *index, armdb_slice key, const void *value)
{
    (void)adb_index_put(index, key, 0, value, NULL);
}

/** Sets the location of `key` to `desired` if it is `expected`; says whether it did. May race with
 * anything. */
static inline bool
adb_index_replace(struct adb_index *index, armdb_slice key, uint64_t expected, uint64_t desired)
{
    return index->tree != NULL ? adb_tree_replace(index->tree, key, expected, desired)
                               : adb_map_replace(index->map, key, expected, desired);
}

/** Removes `key`. Returns the location it had, or 0. */
static inline uint64_t
adb_index_remove(struct adb_index *index, armdb_slice key)
{
    return index->tree != NULL ? adb_tree_remove(index->tree, key)
                               : adb_map_remove(index->map, key);
}

/** Puts and removes many keys: adb_tree_apply() or adb_map_apply(), whose order it needs; pointers
 * are 0 then. */
ADB_MUST_USE armdb_err adb_index_apply(struct adb_index *index, struct adb_change *changes,
                                       size_t n, struct adb_spare *spare);

static inline uint64_t
adb_index_count(const struct adb_index *index)
{
    return index->tree != NULL ? adb_tree_count(index->tree) : adb_map_count(index->map);
}

/** Bytes of memory. */
static inline uint64_t
adb_index_bytes(const struct adb_index *index)
{
    return index->tree != NULL ? adb_tree_bytes(index->tree) : adb_map_bytes(index->map);
}

#endif
