/*
 * key_sort.h: sorting many small things by their keys: collect, sort, take out.
 *
 * Things belong to groups; the order is group, then key (unsigned bytes, shorter before longer),
 * then the order in which they were added. All memory is taken at the start.
 *
 * Threads: each sorter is used by one thread at a time.
 */
#ifndef ADB_BASE_KEY_SORT_H
#define ADB_BASE_KEY_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "armdb/types.h"

enum {
    ADB_KEY_SORT_GROUP_MAX = (1 << 20) - 1,
    ADB_KEY_SORT_KEY_MAX = ARMDB_KEY_MAX + 8,
    ADB_KEY_SORT_PAYLOAD_MAX = 1536,
    ADB_KEY_SORT_BYTES_MIN = 8192
};

struct adb_key_sort;

/** A sorter that uses so many bytes (of address space at once, of memory as it fills). NULL: no
 * memory. */
struct adb_key_sort *adb_key_sort_new(size_t bytes);

/** NULL is allowed. */
void adb_key_sort_free(struct adb_key_sort *sort);

/**
 * Adds a thing.
 *
 * @param group          up to ADB_KEY_SORT_GROUP_MAX.
 * @param key            1..ADB_KEY_SORT_KEY_MAX bytes, copied.
 * @param payload_bytes  up to ADB_KEY_SORT_PAYLOAD_MAX.
 *
 * Returns:  where its payload goes, 8-aligned, to be filled by the caller; NULL if there is no more
 *           room (there is in an empty sorter).
 */
void *adb_key_sort_add(struct adb_key_sort *sort, uint32_t group, armdb_slice key,
                       size_t payload_bytes);

/** Things that were added. */
size_t adb_key_sort_count(const struct adb_key_sort *sort);

/** Sorts. From now on things are taken out, until it is cleared. */
void adb_key_sort_run(struct adb_key_sort *sort);

/** What comes next in order. Points into the sorter. */
struct adb_key_sorted {
    uint32_t group;
    armdb_slice key;
    const void *payload;
    bool is_last; /* the next one in the order has another group or key, or there is none */
};

/** Takes out the next. Returns whether there was one. */
bool adb_key_sort_next(struct adb_key_sort *sort, struct adb_key_sorted *sorted_out);

/** Empties it, for new things. */
void adb_key_sort_clear(struct adb_key_sort *sort);

#endif
