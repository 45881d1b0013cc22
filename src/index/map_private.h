/*
 * map_private.h: what the files of the map share: segments, and how they are shared.
 *
 * A segment is responsible for the hashes that begin with the same `depth` bits as its `start`. It
 * has a table for their keys (map_table.h). The directory has an address of a segment for each
 * value of the first bits of the hash, as many bits as the deepest segment has.
 *
 * Rules:
 *  1. Word 0 of a segment is its version, with the bits of a node's (node_word.h): held by a
 *     writer; locked: readers wait; obsolete: no longer in the map. Writers take it by setting the
 *     held bit from a version they saw.
 *  2. With the segment held, an entry may be put into a free slot (its tag comes last), a location
 *     stored, a page added: whatever readers see of it is valid, and the version stays.
 *  3. For everything else it is also locked, and gets a higher version: taking an entry out,
 *     storing an inline value, another table, another range. A new table is built while the
 *     segment is only held, so readers are kept out for a moment only.
 *  4. What a reader found counts if the version is still the same afterwards. The directory needs
 *     no version: whatever segment it led to, that segment's own range tells whether it is the one.
 *     A segment that takes over hashes of another one is entered while both are locked.
 *  5. Pages of a table that was replaced go back to the pool after the version has changed. So a
 *     late reader that finds anything of the page's next use also finds the version changed.
 *  6. Segments live in pages of their own, which go back to the pool with the map. One that is out
 *     of use keeps its version, which only grows; so (segment, version) names one state for ever.
 *  7. A directory that was replaced stays until the map ends.
 *  8. Order of locks: hold of a segment, directory lock, lock of the pool. Whoever holds a segment
 *     only tries to hold another one.
 */
#ifndef ADB_INDEX_MAP_PRIVATE_H
#define ADB_INDEX_MAP_PRIVATE_H

#include "base/counter.h"
#include "base/hash.h"
#include "index/map.h"
#include "index/map_table.h"
#include "os/thread.h"

enum {
    MAP_PAGES_MAX = 28,  /* of a table; where more are needed, it is split */
    MAP_TABLE_MAX = 384, /* addresses of pages that any table has room for */
    MAP_SPARE_PAGES = 2, /* that a put may add to a segment: stash, heap */
    MAP_SEGMENT_ALIGN = 64,
    ADB_MAP_HEAP_KEYS = 256 /* see adb_map_expect() */
};

/* In a page of segments, whose first MAP_SEGMENT_ALIGN bytes have the version of the page. */
struct adb_map_segment {
    _Atomic uint64_t version;
    _Atomic uint64_t shape;  /* of the table, packed */
    _Atomic uint64_t start;  /* the first hash of its range */
    _Atomic uint64_t count;  /* entries */
    _Atomic uint64_t heap;   /* words used, and in the upper half those of removed keys */
    _Atomic uint64_t unused; /* address of the next segment out of use; guarded by directory_lock */
    _Atomic uint64_t padding[2];
    _Atomic uint64_t page[]; /* [map.capacity] */
};

struct adb_map_directory {
    struct adb_map_directory *older; /* owned */
    uint32_t depth;
    _Atomic uint64_t segment[]; /* [2^depth] addresses */
};

struct adb_map {
    /* immutable after new */
    struct adb_pages *pages; /* borrowed, outlives the map */
    uint64_t seed;
    uint64_t hash_mask; /* all ones; tests make hashes collide with less */
    struct adb_map_layout layout;
    uint32_t built_pages_max; /* of a table that was just built */
    uint32_t capacity;        /* of each table */
    uint32_t segment_bytes;   /* with the addresses, rounded up */
    /* atomic */
    _Atomic uint64_t directory; /* address; written under directory_lock */
    _Atomic uint64_t n_pages;   /* of tables and segments */
    _Atomic uint64_t directory_bytes;
    struct adb_counter keys; /* a stripe alone may be below 0, modulo 2^64; the sum is right */
    /* guarded by directory_lock: entries of the directory as well */
    struct adb_mutex directory_lock;
    struct adb_map_segment *first_unused;
    struct adb_page *segment_pages; /* list, owned */
};

/* ------------------------------------------------------------------ keys */

static inline bool
adb_map_can_hold(const struct adb_map *map, armdb_slice key)
{
    uint32_t key_bytes = map->layout.key_bytes;
    return key_bytes != 0 ? key.len == key_bytes : key.len >= 1 && key.len <= ARMDB_KEY_MAX;
}

static inline uint64_t
adb_map_hash(const struct adb_map *map, const void *bytes, size_t len)
{
    return adb_hash(bytes, len, map->seed) & map->hash_mask;
}

static inline struct adb_map_key
adb_map_key_of(const struct adb_map *map, armdb_slice key)
{
    struct adb_map_key result = {.bytes = (const unsigned char *)key.data,
                                 .len = (uint32_t)key.len,
                                 .hash = adb_map_hash(map, key.data, key.len)};
    return result;
}

/** Words of the heap that a key needs. */
static inline uint32_t
adb_map_heap_words(const struct adb_map *map, uint32_t len)
{
    return map->layout.key_bytes != 0 ? 0 : adb_map_words_of(len);
}

/* ------------------------------------------------------------------ segments */

static inline uint64_t
adb_map_word(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static inline void
adb_map_set_word(_Atomic uint64_t *word, uint64_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

/** A segment as it was seen. */
struct adb_map_view {
    struct adb_map_segment *segment;
    uint64_t version; /* without the held bit */
    struct adb_map_table table;
};

static inline struct adb_map_directory *
adb_map_directory(const struct adb_map *map)
{
    return (struct adb_map_directory *)(uintptr_t)adb_map_word(&map->directory);
}

/** The segment for a hash, or one that was it until just now. */
static inline struct adb_map_segment *
adb_map_segment_of(const struct adb_map *map, uint64_t hash)
{
    const struct adb_map_directory *directory = adb_map_directory(map);
    uint64_t i = hash >> 1 >> (63 - directory->depth);
    return (struct adb_map_segment *)(uintptr_t)adb_map_word(&directory->segment[i]);
}

static inline uint64_t
adb_map_pack_shape(const struct adb_map_table *table)
{
    return table->n_main | (uint64_t)table->n_stash << 16 | (uint64_t)table->n_heap << 32 |
           (uint64_t)table->depth << 48;
}

/** Reads the shape of the view's segment. */
static inline void
adb_map_view_shape(const struct adb_map *map, struct adb_map_view *view)
{
    uint64_t shape = adb_map_word(&view->segment->shape);
    view->table = (struct adb_map_table){.page = view->segment->page,
                                         .capacity = map->capacity,
                                         .n_main = (uint32_t)(shape & 0xffff),
                                         .n_stash = (uint32_t)(shape >> 16 & 0xffff),
                                         .n_heap = (uint32_t)(shape >> 32 & 0xffff),
                                         .depth = (uint32_t)(shape >> 48)};
}

/** Whether a segment that is held is the one for a hash. */
static inline bool
adb_map_covers(const struct adb_map_view *view, uint64_t hash)
{
    uint64_t start = adb_map_word(&view->segment->start);
    return (hash ^ start) >> 1 >> (63 - view->table.depth) == 0;
}

/** Looks at the segment for a hash. False: start over. */
static inline bool
adb_map_view(const struct adb_map *map, uint64_t hash, struct adb_map_view *view)
{
    view->segment = adb_map_segment_of(map, hash);
    uint64_t version = adb_map_word(&view->segment->version);
    view->version = version & ~NODE_HELD;
    adb_map_view_shape(map, view);
    return ADB_LIKELY((version & (NODE_LOCKED | NODE_OBSOLETE)) == 0 && adb_map_covers(view, hash));
}

/** Whether everything read since the view was taken belongs together. */
static inline bool
adb_map_is_unchanged(const struct adb_map_view *view)
{
    return ADB_LIKELY((adb_map_word(&view->segment->version) & ~NODE_HELD) == view->version);
}

/** Holds the segment if it is still as it was seen. Never waits. The view's shape is right then. */
bool adb_map_try_hold(const struct adb_map *map, struct adb_map_view *view);

/** Holds the segment for a hash. */
void adb_map_hold(const struct adb_map *map, uint64_t hash, struct adb_map_view *view);

/** Locks a segment that the caller holds. */
static inline void
adb_map_lock(struct adb_map_view *view)
{
    adb_map_set_word(&view->segment->version, view->version | NODE_LOCKED | NODE_HELD);
}

/** Ends the lock, not the hold, with a new version. */
static inline void
adb_map_unlock(struct adb_map_view *view)
{
    view->version += NODE_VERSION_STEP;
    adb_map_set_word(&view->segment->version, view->version | NODE_HELD);
}

/** Ends the hold. */
static inline void
adb_map_release(struct adb_map_view *view)
{
    adb_map_set_word(&view->segment->version, view->version);
}

/** As adb_map_get(); with `is_near`, what the lookup needs was already brought into the cache. */
uint64_t adb_map_get_key(const struct adb_map *map, const struct adb_map_key *key, bool is_near,
                         void *value_out);

/* ------------------------------------------------------------------ pages and growth */

/** A directory of zeros, not yet the map's. NULL: no memory. */
struct adb_map_directory *adb_map_new_directory(uint32_t depth);

/** Makes `directory` the map's (taken); with the directory lock held. */
void adb_map_set_directory_locked(struct adb_map *map, struct adb_map_directory *directory);

/** Takes a page from the pool and makes it a page of tables. ARMDB_NO_MEMORY (raised). */
ADB_MUST_USE armdb_err adb_map_take_page(struct adb_map *map, struct adb_page **page_out);

/** Gives a page of the map back to the pool. */
void adb_map_give_page(struct adb_map *map, struct adb_page *page);

/** A segment out of use, or a new one; with the directory lock held. Its version is even and not
 * obsolete; it is entered nowhere. ARMDB_NO_MEMORY (raised). */
ADB_MUST_USE armdb_err adb_map_take_segment_locked(struct adb_map *map,
                                                   struct adb_map_segment **segment_out);

/** Whether a put of so many heap words should not go into the segment as it is. */
bool adb_map_is_full(const struct adb_map *map, const struct adb_map_view *view,
                     uint32_t heap_words);

/** Builds a larger table for a segment that the caller holds, or splits it. ARMDB_NO_MEMORY
 * (raised; nothing is changed). The caller still holds view->segment. */
ADB_MUST_USE armdb_err adb_map_grow(struct adb_map *map, struct adb_map_view *view,
                                    uint32_t heap_words);

/**
 * Makes some of the room that a segment needs which the caller holds, if keys will come to it one
 * after the other: divides it, or builds a table for all of them.
 *
 * @param gap          between the hashes of keys; not 0.
 * @param heap_words   of ADB_MAP_HEAP_KEYS of them.
 * @param is_done_out  that was all; else it is to be called again, for the segment held then.
 *
 * Returns:  as adb_map_grow().
 */
ADB_MUST_USE armdb_err adb_map_expect(struct adb_map *map, struct adb_map_view *view, uint64_t gap,
                                      uint64_t heap_words, bool *is_done_out);

/** Looks, after a removal, whether a segment that the caller holds has far too many pages; builds a
 * smaller table then, or joins it with its neighbour. If there is no memory for that it does
 * nothing. The caller holds view->segment afterwards, which may be the neighbour. */
void adb_map_shrink(struct adb_map *map, struct adb_map_view *view);

#endif
