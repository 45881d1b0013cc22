/*
 * cache_table.h: from blocks to frames: a table of buckets of one cache line.
 *
 * A slot is a word: the frame's address divided by a cache line, and above it a tag, a part of the
 * block's hash. A block's slot is in its home bucket or, if that was full, in the bucket beside it;
 * it is never moved. A table has about half as many blocks as slots, so that this nearly always
 * suffices; where it does not, the caller makes a block of those two buckets go.
 *
 * A tag tells nothing for sure: the frame knows which block it holds, and its version says whether
 * to believe what was read (cache_frame.h). So readers need nothing of a table but that its slots
 * are zero or lead to a frame: any state of it does, old ones included.
 *
 * Tables are never unmapped while the cache lives. One that was replaced is emptied, gives its
 * memory back and waits to be used again; a late reader finds nothing in it, or finds what is there
 * after it is in use again.
 *
 * Threads: any may look up; changes are made by one thread at a time.
 */
#ifndef ADB_CACHE_CACHE_TABLE_H
#define ADB_CACHE_CACHE_TABLE_H

#include "cache/cache_frame.h"

enum { CACHE_BUCKET_SLOTS = 8, CACHE_SLOT_FRAME_BITS = 42 };

struct cache_bucket {
    _Atomic uint64_t slot[CACHE_BUCKET_SLOTS]; /* 0: empty */
};

struct cache_table {
    /* atomic: changes only when the table is used again, and stays within the mapping */
    _Atomic uint64_t n_buckets; /* even */
    /* guarded by whoever changes the cache's size */
    size_t mapped_bytes;
    struct cache_table *next; /* in the list of spare tables */
    unsigned char padding[ADB_CACHE_LINE - 24];
    struct cache_bucket bucket[];
};

_Static_assert(offsetof(struct cache_table, bucket) == ADB_CACHE_LINE, "buckets are cache lines");

/** The hash of a block; the table, the policy and the flights use different parts of it. */
static inline uint64_t
adb_cache_hash(struct cache_id id)
{
    uint64_t hash = (id.file_key + UINT64_C(0x2545f4914f6cdd1d)) * UINT64_C(0x9e3779b97f4a7c15);
    hash = ((hash ^ hash >> 32) + id.block) * UINT64_C(0xbf58476d1ce4e5b9);
    hash = (hash ^ hash >> 29) * UINT64_C(0x94d049bb133111eb);
    return hash ^ hash >> 32;
}

/** The home bucket of a hash. The other one is its neighbour, `bucket ^ 1`. */
static inline uint64_t
adb_cache_table_home(const struct cache_table *table, uint64_t hash)
{
    /* Relaxed: any value that it had is within the mapping. */
    return (hash >> 32) * atomic_load_explicit(&table->n_buckets, memory_order_relaxed) >> 32;
}

/** What a slot of that hash has above the frame; never 0, so that no empty slot looks like it. */
static inline uint64_t
adb_cache_table_tag(uint64_t hash)
{
    return (hash << 1 | 1) << CACHE_SLOT_FRAME_BITS;
}

static inline bool
adb_cache_slot_has_tag(uint64_t slot, uint64_t tag)
{
    return (slot ^ tag) >> CACHE_SLOT_FRAME_BITS == 0;
}

static inline struct cache_frame *
adb_cache_slot_frame(uint64_t slot)
{
    uint64_t frame = slot & (((uint64_t)1 << CACHE_SLOT_FRAME_BITS) - 1);
    return (struct cache_frame *)(uintptr_t)(frame * ADB_CACHE_LINE);
}

/* The i-th slot if it has the tag, else `found`. */
static inline uint64_t
adb_cache_bucket_pick(const struct cache_bucket *bucket, uint32_t i, uint64_t tag, uint64_t found)
{
    /* Acquire: a slot publishes the frame's memory. */
    uint64_t slot = atomic_load_explicit(&bucket->slot[i], memory_order_acquire);
    return adb_cache_slot_has_tag(slot, tag) ? slot : found;
}

/**
 * A slot of the bucket that has the tag; 0 if none has. Written out, and without a branch that
 * depends on which slot it is: that would be guessed wrong, and all work after it would wait for
 * the bucket's cache line.
 */
static inline uint64_t
adb_cache_bucket_match(const struct cache_bucket *bucket, uint64_t tag)
{
    uint64_t found = adb_cache_bucket_pick(bucket, 0, tag, 0);
    found = adb_cache_bucket_pick(bucket, 1, tag, found);
    found = adb_cache_bucket_pick(bucket, 2, tag, found);
    found = adb_cache_bucket_pick(bucket, 3, tag, found);
    found = adb_cache_bucket_pick(bucket, 4, tag, found);
    found = adb_cache_bucket_pick(bucket, 5, tag, found);
    found = adb_cache_bucket_pick(bucket, 6, tag, found);
    return adb_cache_bucket_pick(bucket, 7, tag, found);
}

/**
 * Makes an empty table, from a spare one of `*spare` if one is large enough. Not yet shared.
 *
 * Returns:  NULL if memory is out.
 */
struct cache_table *adb_cache_table_new(uint64_t n_buckets, struct cache_table **spare);

/** Empties a table that new readers no longer get, and adds it to the spare ones. */
void adb_cache_table_retire(struct cache_table *table, struct cache_table **spare);

/** Unmaps all tables of a list. */
void adb_cache_tables_free(struct cache_table *tables);

/** Buckets of a table for that many frames, and the bytes that it takes. */
uint64_t adb_cache_table_buckets(uint64_t n_frames);
uint64_t adb_cache_table_bytes(uint64_t n_buckets);

/** The frame of a block; NULL if there is none. For the thread that may change the table. */
struct cache_frame *adb_cache_table_find(const struct cache_table *table, struct cache_id id);

/**
 * Adds a frame with its block.
 *
 * Returns:  false if both buckets are full: the table is unchanged.
 */
bool adb_cache_table_put(struct cache_table *table, struct cache_frame *frame, uint64_t hash);

/** Removes a frame, which is there. */
void adb_cache_table_remove(struct cache_table *table, const struct cache_frame *frame,
                            uint64_t hash);

/** One of the frames in the two buckets of a hash, which are full: the one used least. */
struct cache_frame *adb_cache_table_crowder(const struct cache_table *table, uint64_t hash);

#endif
