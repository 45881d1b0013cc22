/*
 * cache_policy.h: which block goes when room is needed: S3-FIFO.
 *
 * Two queues in order of arrival. New blocks enter the small one, which is a tenth of the cache;
 * at its end they go, unless they were found meanwhile: then they move to the main queue. There,
 * at the end, a block that was found since it was looked at last goes back to the beginning. The
 * hashes of blocks that left the small queue are remembered for a while (the ghosts): a block that
 * comes back in that time enters the main queue at once. So a scan passes through a tenth of the
 * cache, and a hit needs no change of order: it only counts up in the frame.
 *
 * Threads: calls are made under the cache's lock.
 * Source: docs/adr/0010-block-cache.md, docs/adr/0027-the-cache-keeps-s3-fifo.md.
 */
#ifndef ADB_CACHE_CACHE_POLICY_H
#define ADB_CACHE_CACHE_POLICY_H

#include "cache/cache_frame.h"

struct cache_queue {
    struct cache_frame *newest; /* borrowed */
    struct cache_frame *oldest; /* borrowed */
    uint64_t n;
};

/* Hashes of blocks that left lately, in sets of a cache line. */
struct cache_ghosts {
    uint64_t *entry; /* owned; a part of the hash in the upper half, when it left in the lower */
    uint64_t n_sets;
    uint32_t now;      /* so many have left; goes round */
    uint32_t lifetime; /* so many later ones make a ghost be forgotten */
};

struct cache_policy {
    struct cache_queue small;
    struct cache_queue main;
    uint64_t n_frames;
    struct cache_ghosts ghosts;
};

/**
 * Makes an empty policy for that many frames; end it with adb_cache_policy_fini().
 *
 * Returns:  false if memory is out: nothing is owned.
 */
bool adb_cache_policy_init(struct cache_policy *policy, uint64_t n_frames);

/** Lets the frames go as they are. */
void adb_cache_policy_fini(struct cache_policy *policy);

/** The bytes of memory of a policy for that many frames. */
uint64_t adb_cache_policy_bytes(uint64_t n_frames);

/** Adds a frame with a new block of that hash. */
void adb_cache_policy_add(struct cache_policy *policy, struct cache_frame *frame, uint64_t hash);

/** Adds a frame to the queue that it was in when another policy was in charge. */
void adb_cache_policy_keep(struct cache_policy *policy, struct cache_frame *frame);

/** Takes a frame out of its queue, for whatever reason. It is nobody's then (CACHE_CLAIMED). */
void adb_cache_policy_remove(struct cache_policy *policy, struct cache_frame *frame);

/** Chooses the block that goes next, takes its frame out of its queue, and remembers the block if
 * it was new. NULL if there is none. */
struct cache_frame *adb_cache_policy_victim(struct cache_policy *policy);

#endif
