/*
 * map.h: the index of a collection without order: key bytes -> one 64-bit location, and, if the
 * map has inline values, a value of fixed length beside it.
 *
 * A hash table that grows by parts: a directory leads to segments, each a small table with pages of
 * its own. Readers take no lock and write no shared memory; they check the segment's version and
 * start over when a writer got in between. Writers hold one segment. map_private.h has the rules.
 *
 * The map knows nothing about files: a location is a number other than 0.
 *
 * Threads: every function may be called from any thread, concurrently, except adb_map_free(). Two
 * writers of the same key must be ordered by the caller (they share a shard, and hold its lock).
 * Exception: adb_map_replace() may race with anything.
 */
#ifndef ADB_INDEX_MAP_H
#define ADB_INDEX_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "armdb/error.h"
#include "armdb/types.h"
#include "base/attr.h"
#include "index/change.h"
#include "index/pages.h"

enum {
    ADB_MAP_VALUE_MAX = 256,  /* bytes of an inline value */
    ADB_MAP_WRITERS_MAX = 512 /* of adb_map_config.n_writers */
};

struct adb_map;

struct adb_map_config {
    uint32_t key_bytes;   /* 1..ARMDB_FIXED_KEY_MAX: all keys; 0: 1..ARMDB_KEY_MAX each */
    uint32_t value_bytes; /* of each inline value, 0..ADB_MAP_VALUE_MAX */
    uint32_t n_writers;   /* threads that may be between prepare and put at once, 1.. */
    uint64_t seed;        /* of the hash; whoever chooses keys should not know it */
};

/**
 * Makes an empty map.
 *
 * @param pages    where the tables come from; borrowed, outlives the map.
 * @param map_out  end it with adb_map_free().
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised).
 */
ADB_MUST_USE armdb_err adb_map_new(struct adb_pages *pages, const struct adb_map_config *config,
                                   struct adb_map **map_out);

/** Gives all pages back, O(pages). No other call may be running or follow. NULL is allowed. */
void adb_map_free(struct adb_map *map);

/* ------------------------------------------------------------------ reading */

/**
 * The location of `key`, or 0 if it is not there. Any length is allowed.
 *
 * @param value_out  [value_bytes] gets the inline value, of the same state as the location; what it
 *                   holds is undefined if the key is not there. NULL: not wanted.
 *
 * Cost:  two cache misses, however large the map; one more if keys are variable.
 */
uint64_t adb_map_get(const struct adb_map *map, armdb_slice key, void *value_out);

/**
 * Like adb_map_get() for each of `n` keys, with the cache misses of many keys under way at once.
 * The keys are looked up one by one: together they are no snapshot.
 *
 * @param locations_out  [n] locations, 0 for keys that are not there.
 * @param values_out     [n * value_bytes] or NULL.
 */
void adb_map_get_batch(const struct adb_map *map, const armdb_slice *keys, size_t n,
                       uint64_t *locations_out, void *values_out);

/** Keys in the map; exact when no writer is running. */
uint64_t adb_map_count(const struct adb_map *map);

/** Bytes of all memory of the map. */
uint64_t adb_map_bytes(const struct adb_map *map);

/* ------------------------------------------------------------------ writing */

/**
 * Makes sure that one adb_map_put() of `key` cannot fail: grows the key's segment if it is full,
 * and sees to the pages of `spare`, which belongs to the caller's writer lock.
 *
 * @param key  as for adb_map_put().
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised; nothing that a reader could see has changed, and
 *           `spare` is still valid).
 */
ADB_MUST_USE armdb_err adb_map_prepare(struct adb_map *map, armdb_slice key,
                                       struct adb_spare *spare);

/**
 * Sets location and inline value of `key`. Cannot fail after adb_map_prepare() of the same key.
 *
 * @param key       of the map's key length; or 1..ARMDB_KEY_MAX bytes.
 * @param location  0: the one it has; then the key must be there, and `spare` may be NULL.
 * @param value     [value_bytes]; NULL if that is 0.
 *
 * Returns:  the location it had, 0 if it was not there.
 */
uint64_t adb_map_put(struct adb_map *map, armdb_slice key, uint64_t location, const void *value,
                     struct adb_spare *spare);

/** Removes `key`. Returns the location it had, 0 if it was not there. */
uint64_t adb_map_remove(struct adb_map *map, armdb_slice key);

/** Sets the location of `key` to `desired` if it is `expected`; says whether it did. The inline
 * value stays. */
bool adb_map_replace(struct adb_map *map, armdb_slice key, uint64_t expected, uint64_t desired);

/**
 * Puts and removes many keys. Much faster than one by one if the keys ascend by hash, and those of
 * later calls go on from there: the room that all of them will need is then made ahead.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised; the first changes may have been made).
 */
ADB_MUST_USE armdb_err adb_map_apply(struct adb_map *map, struct adb_change *changes, size_t n,
                                     struct adb_spare *spare);

/* ------------------------------------------------------------------ walking */

enum { ADB_MAP_WALK_LIST = 32 };

/** An entry found ahead. */
struct adb_map_walk_item {
    uint64_t hash;
    uint32_t page; /* where it is: page of the segment, group, slot */
    uint16_t group;
    uint16_t slot;
};

/**
 * A place in a walk through all keys, in no order that means anything. Plain memory: all-zero is
 * before the first key; no fini is needed. Owner thread only.
 */
struct adb_map_walk {
    /* valid after a step that returned true */
    uint64_t location; /* of the key when it was found */
    uint32_t key_len;  /* bytes */
    unsigned char key[ARMDB_KEY_MAX];
    unsigned char value[ADB_MAP_VALUE_MAX];
    /* inside */
    bool is_after_key; /* goes on behind (hash, key); else with the first key at or behind hash */
    bool is_over;
    bool is_cut;         /* there was more than the list could hold */
    uint32_t n;          /* items */
    uint32_t next;       /* item */
    uint64_t hash;       /* of the key */
    uint64_t list_end;   /* the first hash behind the list; 0: the list reaches to the end */
    const void *segment; /* where the items are, valid only if its version is still `version` */
    uint64_t version;
    struct adb_map_walk_item item[ADB_MAP_WALK_LIST];
};

/**
 * Moves to the next key. Every key that is there throughout a walk is met exactly once, and no key
 * twice, whatever is written meanwhile. Amortised O(1).
 *
 * Returns:  true; false if there is none (and at each later step).
 */
bool adb_map_walk_next(const struct adb_map *map, struct adb_map_walk *walk);

#endif
