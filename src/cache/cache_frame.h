/*
 * cache_frame.h: the memory of one cached block, and how it is read while it may be reused.
 *
 * How a frame is shared:
 *  1. The version is odd while the frame holds a block. It is made even before anything else is
 *     changed, and odd again, with a number that no frame of the cache ever had, when the block is
 *     whole. Only one thread at a time changes a frame: whoever took it out of circulation under
 *     the cache's lock.
 *  2. Readers note the version, check that the block is the one they want, copy, and look whether
 *     the version is still the same. What they copied counts only then.
 *  3. Words are written with release and read with acquire. A reader that saw a word of a later
 *     block therefore also sees that the version was made even before, and its second look fails.
 *     No fence is needed, and ThreadSanitizer understands it.
 *  4. `checked` belongs to one version: its upper half is the lower half of that. So a bit that
 *     comes late is never set for another block.
 *  5. The memory of a frame may go back to the system after its version was made even. It reads as
 *     zeros then: a version that no block has.
 */
#ifndef ADB_CACHE_CACHE_FRAME_H
#define ADB_CACHE_CACHE_FRAME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"

enum {
    CACHE_BLOCK_BYTES = 4096,
    CACHE_BLOCK_WORDS = CACHE_BLOCK_BYTES / 8,
    CACHE_USED_MAX = 3,
    CACHE_MARK_BYTES = CACHE_BLOCK_BYTES / 32 /* of a block, for one bit of `checked` */
};

/* Which block of which file. */
struct cache_id {
    uint64_t file_key;
    uint64_t block; /* offset in the file / CACHE_BLOCK_BYTES */
};

/* Where a frame is. */
enum cache_place {
    CACHE_FREE,    /* holds nothing */
    CACHE_CLAIMED, /* is being filled by the thread that took it */
    CACHE_SMALL,   /* holds a block, in the policy's queue of new blocks */
    CACHE_MAIN     /* holds a block, in the policy's queue of proven ones */
};

struct cache_frame {
    /* atomic: see above */
    _Atomic uint64_t version;
    _Atomic uint64_t file_key;
    _Atomic uint64_t block;
    /* guarded by the cache's lock */
    struct cache_frame *newer; /* in its queue */
    struct cache_frame *older; /* in its queue, or the next free frame */
    uint8_t place;             /* enum cache_place */
    /* atomic: how often it was found since the policy looked last; CACHE_USED_MAX means often */
    _Atomic uint8_t used;
    unsigned char padding[ADB_CACHE_LINE - 56];
    /* atomic: which parts of the block begin with something that was found right */
    _Atomic uint64_t checked;
    /* atomic: the block */
    _Atomic uint64_t word[CACHE_BLOCK_WORDS];
};

_Static_assert(offsetof(struct cache_frame, word) == ADB_CACHE_LINE, "the head is one cache line");
_Static_assert(sizeof(struct cache_frame) == ADB_CACHE_LINE + CACHE_BLOCK_BYTES, "no gap behind");

static inline bool
adb_cache_id_is(struct cache_id a, struct cache_id b)
{
    return a.file_key == b.file_key && a.block == b.block;
}

/* ------------------------------------------------------------------ reading */

/* A word is a little-endian number of 8 bytes of the block. */
static inline uint64_t
adb_cache_word(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

/** Copies bytes `from` up to `from + bytes` of a block's words, which others may be changing. */
static inline void
adb_cache_copy_words(const _Atomic uint64_t *word, uint32_t from, size_t bytes, unsigned char *to)
{
    uint32_t shift = from % 8 * 8;
    word += from / 8;
    if (bytes < 8) {
        uint64_t low = adb_cache_word(word) >> shift;
        for (size_t i = 0; i < bytes; i++, low >>= 8) {
            if (i == 8 - shift / 8)
                low = adb_cache_word(word + 1);
            to[i] = (unsigned char)low;
        }
        return;
    }
    /* 8 bytes are stored at the very beginning and, if the end is inside a word, at the very end;
     * what is between is stored by whole words. These overlap. */
    unsigned char *end = to + bytes;
    uint64_t last = adb_cache_word(word++);
    adb_store_u64(to, last >> shift);
    to += 8 - shift / 8;
    for (; end - to >= 32; to += 32, word += 4) {
        adb_store_u64(to, adb_cache_word(word));
        adb_store_u64(to + 8, adb_cache_word(word + 1));
        adb_store_u64(to + 16, adb_cache_word(word + 2));
        adb_store_u64(to + 24, last = adb_cache_word(word + 3));
    }
    for (; end - to >= 8; to += 8)
        adb_store_u64(to, last = adb_cache_word(word++));
    uint32_t left_bits = (uint32_t)(end - to) * 8;
    if (left_bits != 0)
        adb_store_u64(end - 8, last >> left_bits | adb_cache_word(word) << (64 - left_bits));
}

/** The version of a frame that holds that block; 0 if it does not. */
static inline uint64_t
adb_cache_frame_begin(const struct cache_frame *frame, struct cache_id id)
{
    uint64_t version = atomic_load_explicit(&frame->version, memory_order_acquire);
    /* Acquire: the key words are part of what the version vouches for. */
    if (ADB_UNLIKELY((version & 1) == 0 ||
                     atomic_load_explicit(&frame->file_key, memory_order_acquire) != id.file_key ||
                     atomic_load_explicit(&frame->block, memory_order_acquire) != id.block))
        return 0;
    return version;
}

/** Whether what was read from a frame since adb_cache_frame_begin() is of its block: marks it used.
 */
static inline bool
adb_cache_frame_end(struct cache_frame *frame, uint64_t version)
{
    if (ADB_UNLIKELY(atomic_load_explicit(&frame->version, memory_order_acquire) != version))
        return false;
    /* Relaxed: a hint; one that is lost, or given to the next block, does no harm. */
    uint8_t used = atomic_load_explicit(&frame->used, memory_order_relaxed);
    if (used < CACHE_USED_MAX)
        atomic_store_explicit(&frame->used, (uint8_t)(used + 1), memory_order_relaxed);
    return true;
}

/**
 * Copies part of a block out of a frame. False if the frame does not hold that block, or stopped
 * holding it meanwhile: then `to` holds anything.
 */
static inline bool
adb_cache_frame_copy(struct cache_frame *frame, struct cache_id id, uint32_t from, size_t bytes,
                     unsigned char *to)
{
    uint64_t version = adb_cache_frame_begin(frame, id);
    if (ADB_UNLIKELY(version == 0))
        return false;
    adb_cache_copy_words(frame->word, from, bytes, to);
    return adb_cache_frame_end(frame, version);
}

/* ------------------------------------------------------------------ changing: one thread only */

/** The block of a frame that nobody else changes now. */
static inline struct cache_id
adb_cache_frame_id(const struct cache_frame *frame)
{
    /* Relaxed: stored by this thread, or by one that released the cache's lock since. */
    return (struct cache_id){atomic_load_explicit(&frame->file_key, memory_order_relaxed),
                             atomic_load_explicit(&frame->block, memory_order_relaxed)};
}

static inline bool
adb_cache_frame_has_block(const struct cache_frame *frame)
{
    return frame->place == CACHE_SMALL || frame->place == CACHE_MAIN;
}

/** From here on no reader's copy counts. */
static inline void
adb_cache_frame_empty(struct cache_frame *frame)
{
    /* Even, and no version that it had; release as rule 3 wants for whatever follows. */
    uint64_t version = atomic_load_explicit(&frame->version, memory_order_relaxed);
    atomic_store_explicit(&frame->version, version & ~(uint64_t)1, memory_order_release);
}

/** Writes a whole block into an empty frame. */
static inline void
adb_cache_frame_fill(struct cache_frame *frame, struct cache_id id, const unsigned char *bytes)
{
    atomic_store_explicit(&frame->file_key, id.file_key, memory_order_release);
    atomic_store_explicit(&frame->block, id.block, memory_order_release);
    for (uint32_t i = 0; i < CACHE_BLOCK_WORDS; i++)
        atomic_store_explicit(&frame->word[i], adb_load_u64(bytes + (size_t)i * 8),
                              memory_order_release);
}

/** Lets readers see what was filled in. `version` is odd and new to the cache. */
static inline void
adb_cache_frame_publish(struct cache_frame *frame, uint64_t version)
{
    atomic_store_explicit(&frame->used, 0, memory_order_relaxed);
    atomic_store_explicit(&frame->checked, version << 32, memory_order_release);
    atomic_store_explicit(&frame->version, version, memory_order_release);
}

#endif
