/*
 * cache_frames.h: the frames of a cache: where their memory comes from, and which are free.
 *
 * Frames are cut from chunks: aligned mappings of one large system page. Frames are numbered; a
 * cache of n frames has those below n. When it gets smaller the memory of the others goes back to
 * the system, but chunks stay mapped as long as the cache lives, so late readers may go on reading
 * them: they find zeros there, or the bytes of a later block, and either way a version that is not
 * the one they noted.
 *
 * Threads: calls are made under the cache's lock; adb_cache_frames_discard() without it, by the
 * thread that changes the cache's size.
 */
#ifndef ADB_CACHE_CACHE_FRAMES_H
#define ADB_CACHE_CACHE_FRAMES_H

#include "cache/cache_frame.h"

enum {
    CACHE_CHUNK_BYTES = 2 << 20,
    CACHE_CHUNK_FRAMES = CACHE_CHUNK_BYTES / sizeof(struct cache_frame)
};

struct cache_frames {
    unsigned char **chunk;    /* owned, each one mapped */
    uint64_t n_chunks;        /* mapped */
    uint64_t n_frames;        /* that the cache may have */
    uint64_t n_cut;           /* those below have been out; the others were never touched */
    struct cache_frame *free; /* of those that were cut */
};

/** A frame by its number, below n_cut. */
struct cache_frame *adb_cache_frame_at(const struct cache_frames *frames, uint64_t number);

/** Unmaps everything. */
void adb_cache_frames_fini(struct cache_frames *frames);

/** The bytes of memory that so many frames take, once they were used. */
uint64_t adb_cache_frames_bytes(uint64_t n_frames);

/**
 * Maps what that many frames need and is not mapped yet. What is in use is untouched.
 *
 * Returns:  false if memory is out: nothing is mapped.
 */
bool adb_cache_frames_map(struct cache_frames *frames, uint64_t n_frames);

/** Changes how many frames there may be, which are mapped; none above is in use. */
void adb_cache_frames_set(struct cache_frames *frames, uint64_t n_frames);

/** Sees to the memory of a chunk. Without the cache's lock, by a thread that keeps its size. */
void adb_cache_frames_populate(const struct cache_frames *frames, uint64_t chunk);

/** Gives the memory of frames from `n_frames` up, which are not in use, back to the system. */
void adb_cache_frames_discard(const struct cache_frames *frames);

/** Takes a free frame; NULL if all are in use. It may be new memory: not touched here. */
struct cache_frame *adb_cache_frames_take(struct cache_frames *frames, bool *is_new_out);

/** Gives back a frame that holds nothing. */
void adb_cache_frames_give(struct cache_frames *frames, struct cache_frame *frame);

#endif
