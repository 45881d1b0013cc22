/*
 * shard_fetch.h: reading many records from files at once.
 *
 * A fetch is a list of records, or of blocks, that are not in the cache. They are read in the order
 * of the files, neighbours together, each block once, all reads under way at the same time
 * (adb_os_read_batch()), and what is whole goes into the cache. The bytes stay in the fetch's
 * memory, so that values can be taken from there, with a cache or without, and long ones too.
 *
 * Nothing fails here: a record that was not read, or not whole, is not to be had, and
 * adb_shard_read_value() reads it again and says what is wrong.
 *
 * Threads: one at a time for each fetch.
 */
#ifndef ADB_SHARD_SHARD_FETCH_H
#define ADB_SHARD_SHARD_FETCH_H

#include "cache/cache_batch.h"
#include "shard/shard.h"

enum {
    FETCH_PARTS = 64,
    FETCH_BLOCKS = 128, /* of memory, in blocks of the cache */
    FETCH_SPARE = 8
};

/* A record, or some blocks, to be read. */
struct fetch_part {
    struct shard *shard; /* these two: borrowed until it has run */
    struct data_file *file;
    const _Atomic(uint64_t) *file_key_now; /* of the file that is in the location's slot */
    uint64_t file_key;
    uint64_t location;
    uint64_t block; /* the first */
    uint32_t n_blocks;
    uint32_t n_cached;       /* of these, from the first: so many go into the cache */
    bool has_checksum;       /* that is to be looked at */
    uint32_t seed;           /* of the checksums of its file */
    uint32_t bytes;          /* of the record */
    const unsigned char *at; /* the record in memory; NULL: not to be had */
};

struct fetch {
    unsigned char *memory; /* owned: FETCH_BLOCKS blocks, aligned */
    uint32_t n_parts;
    uint32_t n_blocks; /* of memory that they may need */
    struct fetch_part parts[FETCH_PARTS];
    struct cache_flight flights[FETCH_BLOCKS];
};

/** Fetches that are not in use. All zero: none. */
struct fetch_pool {
    _Atomic(struct fetch *) spare[FETCH_SPARE]; /* owned */
};

/** An empty fetch for the caller; end it with adb_fetch_give(). NULL if there is no memory: nothing
 * is raised. */
struct fetch *adb_fetch_take(struct fetch_pool *pool);

/** NULL is allowed. */
void adb_fetch_give(struct fetch_pool *pool, struct fetch *fetch);

/** Frees all that are not in use. */
void adb_fetch_pool_fini(struct fetch_pool *pool);

/** Forgets all parts. */
static inline void
adb_fetch_clear(struct fetch *fetch)
{
    fetch->n_parts = 0;
    fetch->n_blocks = 0;
}

/** Whether no more parts may have room. */
static inline bool
adb_fetch_is_full(const struct fetch *fetch)
{
    return fetch->n_parts == FETCH_PARTS || fetch->n_blocks + 2 > FETCH_BLOCKS;
}

/**
 * Asks for the record at a location, as part n_parts.
 *
 * @param location  from the index, loaded in the same RCU scope as this call and
 *                  adb_fetch_run().
 *
 * Returns:  false if it has no room, is not with the system yet, or so long that it is read alone.
 */
bool adb_fetch_add(struct fetch *fetch, struct shard *shard, uint64_t location, size_t key_len);

/** Asks for a block of the file in a slot, which goes into the cache; it is whole, and the fetch is
 * not full. In the RCU scope of adb_fetch_run(); nothing is asked for if there is no file. */
void adb_fetch_add_block(struct fetch *fetch, struct shard *shard, uint32_t slot, uint64_t block);

/** Reads all parts. */
void adb_fetch_run(struct fetch *fetch);

/**
 * Checks the record of a part, any time after it was read. As for adb_shard_take(), the caller has
 * just loaded its location from the index.
 *
 * Returns:  its value, in the fetch's memory, as long as that is not cleared; NULL if it is not to
 *           be had like this.
 */
const unsigned char *adb_fetch_value(const struct fetch *fetch, uint32_t part, armdb_slice key);

#endif
