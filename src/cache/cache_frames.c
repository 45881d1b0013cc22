#include "cache/cache_frames.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/mapping.h"

enum { SYSTEM_PAGE_BYTES = 4096 };

static uint64_t
chunks_for(uint64_t n_frames)
{
    return (n_frames + CACHE_CHUNK_FRAMES - 1) / CACHE_CHUNK_FRAMES;
}

struct cache_frame *
adb_cache_frame_at(const struct cache_frames *frames, uint64_t number)
{
    unsigned char *base = frames->chunk[number / CACHE_CHUNK_FRAMES];
    base += number % CACHE_CHUNK_FRAMES * sizeof(struct cache_frame);
    return (struct cache_frame *)(void *)base;
}

void
adb_cache_frames_fini(struct cache_frames *frames)
{
    for (uint64_t i = 0; i < frames->n_chunks; i++)
        adb_mapping_free(frames->chunk[i], CACHE_CHUNK_BYTES);
    adb_mem_free(frames->chunk);
    *frames = (struct cache_frames){0};
}

uint64_t
adb_cache_frames_bytes(uint64_t n_frames)
{
    uint64_t n_full = n_frames / CACHE_CHUNK_FRAMES;
    uint64_t rest = n_frames % CACHE_CHUNK_FRAMES * sizeof(struct cache_frame);
    return n_full * CACHE_CHUNK_BYTES + adb_round_up(rest, SYSTEM_PAGE_BYTES) +
           chunks_for(n_frames) * sizeof(unsigned char *);
}

bool
adb_cache_frames_map(struct cache_frames *frames, uint64_t n_frames)
{
    uint64_t n_chunks = chunks_for(n_frames);
    if (n_chunks <= frames->n_chunks)
        return true;
    unsigned char **chunk = (unsigned char **)adb_mem_realloc(
        (void *)frames->chunk, (size_t)n_chunks * sizeof(unsigned char *));
    if (chunk == NULL)
        return false;
    frames->chunk = chunk;
    size_t n_new = (size_t)(n_chunks - frames->n_chunks);
    unsigned char *map = (unsigned char *)adb_mapping_new(n_new * CACHE_CHUNK_BYTES,
                                                          CACHE_CHUNK_BYTES);
    if (map == NULL)
        return false;
    for (; frames->n_chunks < n_chunks; map += CACHE_CHUNK_BYTES)
        frames->chunk[frames->n_chunks++] = map;
    return true;
}

/* Large pages where all frames of a chunk may be used: else they would take more than that. */
static void
advise(const struct cache_frames *frames, uint64_t from_frame, uint64_t to_frame)
{
    for (uint64_t i = from_frame / CACHE_CHUNK_FRAMES; i < chunks_for(to_frame); i++) {
        if ((i + 1) * CACHE_CHUNK_FRAMES <= frames->n_frames)
            adb_mapping_use_large_pages(frames->chunk[i], CACHE_CHUNK_BYTES);
        else
            adb_mapping_use_small_pages(frames->chunk[i], CACHE_CHUNK_BYTES);
    }
}

void
adb_cache_frames_set(struct cache_frames *frames, uint64_t n_frames)
{
    uint64_t before = frames->n_frames;
    ADB_ASSERT(chunks_for(n_frames) <= frames->n_chunks);
    frames->n_frames = n_frames;
    if (n_frames >= before) {
        advise(frames, before, n_frames);
        return;
    }
    advise(frames, n_frames, before);
    if (frames->n_cut > n_frames)
        frames->n_cut = n_frames;
    frames->free = NULL;
    for (uint64_t i = 0; i < frames->n_cut; i++) {
        struct cache_frame *frame = adb_cache_frame_at(frames, i);
        if (frame->place == CACHE_FREE)
            adb_cache_frames_give(frames, frame);
    }
}

void
adb_cache_frames_populate(const struct cache_frames *frames, uint64_t chunk)
{
    adb_mapping_populate(frames->chunk[chunk], CACHE_CHUNK_BYTES);
}

void
adb_cache_frames_discard(const struct cache_frames *frames)
{
    size_t used = (size_t)(frames->n_frames % CACHE_CHUNK_FRAMES * sizeof(struct cache_frame));
    used = (size_t)adb_round_up(used, SYSTEM_PAGE_BYTES);
    for (uint64_t i = frames->n_frames / CACHE_CHUNK_FRAMES; i < frames->n_chunks; i++) {
        adb_mapping_discard(frames->chunk[i] + used, CACHE_CHUNK_BYTES - used);
        used = 0;
    }
}

struct cache_frame *
adb_cache_frames_take(struct cache_frames *frames, bool *is_new_out)
{
    struct cache_frame *frame = frames->free;
    *is_new_out = frame == NULL && frames->n_cut < frames->n_frames;
    if (*is_new_out)
        return adb_cache_frame_at(frames, frames->n_cut++);
    if (frame == NULL)
        return NULL;
    frames->free = frame->older;
    frame->place = CACHE_CLAIMED;
    return frame;
}

void
adb_cache_frames_give(struct cache_frames *frames, struct cache_frame *frame)
{
    frame->place = CACHE_FREE;
    frame->older = frames->free;
    frames->free = frame;
}
