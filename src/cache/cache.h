/*
 * cache.h: the block cache: blocks of files in memory, for reads that need no system call.
 *
 * It keeps whole blocks of CACHE_BLOCK_BYTES bytes that never change, found by a file key, which
 * the owner of the file chooses, and an offset. One budget of bytes covers all memory that it
 * takes. Which block goes when there is no room is decided so that a scan of a large file does not
 * drive out what is read often (cache_policy.h).
 *
 * A hit takes no lock, waits for nobody, and stores nothing but a mark in the block's head, at most
 * three times between two looks of the policy, and a count. Blocks come and go at any time under a
 * reader's eyes; it notices and calls it a miss (cache_frame.h). Misses of one block by several
 * threads at once become one read (cache_flight.h). A block that could not be read whole is not
 * cached.
 *
 * Where a cache may be NULL, NULL is a cache of no bytes: everything is a miss.
 *
 * Threads: any, concurrently, inside a read scope too: nothing here waits for RCU. A reader may
 * wait for another thread's read of the same block. The caller's read function must not wait for
 * anything that a waiting reader holds, nor use the cache.
 */
#ifndef ADB_CACHE_CACHE_H
#define ADB_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "armdb/error.h"
#include "base/attr.h"

struct adb_cache;

struct adb_cache_stats {
    uint64_t hits;         /* blocks found */
    uint64_t misses;       /* blocks looked for in vain by adb_cache_read(), also while shared */
    uint64_t inserted;     /* blocks that came in */
    uint64_t evicted;      /* blocks that went for want of room, or because the cache got smaller */
    uint64_t dropped;      /* blocks that went with their file */
    uint64_t blocks;       /* that are there now */
    uint64_t bytes;        /* of memory taken now, all included; at most budget_bytes */
    uint64_t budget_bytes; /* as set */
};

/**
 * Reads `bytes` bytes at `offset` of a file into `to`, in one piece; the owner's part.
 *
 * @param got_out  how many there were; fewer only at the end of the file.
 *
 * Returns:  ARMDB_OK; or an error that it raised, which goes to the reader as it is.
 */
typedef armdb_err (*adb_cache_read_fn)(void *context, uint64_t offset, size_t bytes, void *to,
                                       size_t *got_out);

struct adb_cache_source {
    uint64_t file_key;      /* never used for another file while the cache lives */
    uint64_t valid_bytes;   /* of the file, that are there and never change */
    adb_cache_read_fn read; /* called by the reading thread, during the call */
    void *context;          /* of read; borrowed for the call */
};

/**
 * Makes an empty cache; end it with adb_cache_free().
 *
 * @param budget_bytes  all memory that it may take; too little for one block means no cache.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised; *cache_out is NULL).
 * Cost:     address space; memory is taken when blocks come in, and then kept.
 */
ADB_MUST_USE armdb_err adb_cache_new(uint64_t budget_bytes, struct adb_cache **cache_out);

/** Ends a cache that nobody uses any more. NULL is allowed. */
void adb_cache_free(struct adb_cache *cache);

/**
 * Changes the budget. Readers go on meanwhile; blocks that come in while it runs may not be kept.
 * What is beyond a smaller budget goes, whichever blocks these are, and its memory is given back.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised; the cache is as it was).
 * Threads:  any; waits for another one of the same cache, and for blocks just being copied in.
 * Cost:     all blocks are looked at, with the cache's lock held: some 100 ms for ten million.
 */
ADB_MUST_USE armdb_err adb_cache_resize(struct adb_cache *cache, uint64_t budget_bytes);

/**
 * Copies [offset, offset + bytes) of a file to `to`, from the cache as far as it is there. Blocks
 * that are missing are read whole and kept, if they are whole below valid_bytes. A range of more
 * than two blocks is read as it is, past the cache.
 *
 * @param cache      may be NULL.
 * @param reads_out  how many times source->read was called; 0: all came from the cache.
 *
 * Returns:  ARMDB_OK; ARMDB_CORRUPT if the file ends before the range does (raised); what
 *           source->read returned.
 * On error: `to` holds anything; nothing of what failed is cached.
 */
ADB_MUST_USE armdb_err adb_cache_read(struct adb_cache *cache,
                                      const struct adb_cache_source *source, uint64_t offset,
                                      size_t bytes, void *to, uint32_t *reads_out);

/**
 * Copies [offset, offset + bytes) of a file if all of it is cached. Never waits.
 *
 * Returns:  false if not: `to` holds anything. Such a look in vain is not counted as a miss.
 */
bool adb_cache_try(struct adb_cache *cache, uint64_t file_key, uint64_t offset, size_t bytes,
                   void *to);

/** A place in a file on its way from memory. Plain memory; means nothing to another cache. */
struct adb_cache_spot {
    uint64_t file_key;
    uint64_t offset;
    const void *bucket; /* where the block is looked up; NULL: there is no cache */
    uint64_t tag;
    void *frame; /* where it was found; NULL: not yet, or not */
};

/*
 * Reading many places at once: first adb_cache_ask() for each, then adb_cache_approach() for each,
 * then adb_cache_take() for each, so that the waits for memory overlap. The first brings near where
 * a block is looked up; the second looks, and brings near the block's head and the first cache
 * lines of [offset, offset + bytes); the third copies these bytes. None of them reads a file or
 * waits; blocks may come and go in between, and any time may pass.
 */
void adb_cache_ask(const struct adb_cache *cache, uint64_t file_key, uint64_t offset,
                   struct adb_cache_spot *spot_out);
void adb_cache_approach(struct adb_cache_spot *spot, size_t bytes);
/**
 * Copies the bytes, and continues a checksum over their offset and all but the first 4 of them, as
 * adb_crc32c_copy(). Offset and bytes are multiples of 8; there are some. Nothing
 * is counted: see adb_cache_add_hits().
 *
 * Returns:  false if they are not all in the block that was found, or it has gone: `to` and `*crc`
 *           hold anything.
 */
bool adb_cache_take(const struct adb_cache_spot *spot, size_t bytes, void *to, uint32_t *crc);
/** What is remembered of a cached range: whether its owner has found its bytes right. Plain memory.
 */
struct adb_cache_mark {
    void *frame;   /* NULL: it cannot be remembered */
    uint64_t word; /* with the range's bit set */
    bool is_set;   /* they were found right since their block was read from the file */
};

/**
 * Copies the bytes as adb_cache_take(), without a checksum, and looks at their mark. A range of
 * less than 128 bytes has none: more than one could begin where it does.
 */
bool adb_cache_take_marked(const struct adb_cache_spot *spot, size_t bytes, void *to,
                           struct adb_cache_mark *mark_out);
/** Sets a mark, if the block is still the one that was copied from. Whatever begins at that place
 * with 128 bytes or more is then taken for right until the block goes. */
void adb_cache_set_mark(const struct adb_cache_mark *mark);

/** Counts hits of adb_cache_take(), many at a time: counting each would keep the next one's loads
 * from starting. */
void adb_cache_add_hits(struct adb_cache *cache, uint64_t n);

/**
 * Drops all blocks of a file that will not be read any more. A read of it that is under way may
 * still leave its block, which is never found again and goes as others do.
 *
 * Cost:     all blocks are looked at, a few hundred at a time with the cache's lock held.
 */
void adb_cache_drop_file(struct adb_cache *cache, uint64_t file_key);

/**
 * Drops the blocks of [offset, offset + bytes), whose bytes turned out to be wrong: the next read
 * asks the file again.
 */
void adb_cache_drop_blocks(struct adb_cache *cache, uint64_t file_key, uint64_t offset,
                           size_t bytes);

/**
 * Sees to memory for blocks to come, if blocks have come in of late, so that no reader waits for
 * the system to find it. To be called now and then, from the background.
 *
 * Returns:  whether blocks have come in: then it should be called again soon.
 */
bool adb_cache_tend(struct adb_cache *cache);

/** Zeros for NULL. Counts of hits and misses are about right while threads are counting. */
void adb_cache_get_stats(struct adb_cache *cache, struct adb_cache_stats *stats_out);

#endif
