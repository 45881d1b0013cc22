#include "cache/cache_policy.h"

#include "base/assert.h"
#include "base/mem.h"
#include "cache/cache_table.h"

enum {
    SMALL_PART = 10, /* the small queue is one in so many frames */
    PROVEN_USES = 2, /* finds that make a new block a proven one */
    LOOKS_MAX = 128, /* so many blocks are looked at for a victim: the lock is held meanwhile */
    GHOST_WAYS = 8   /* entries of a set: one cache line */
};

/* ------------------------------------------------------------------ ghosts */

static uint64_t
count_sets(uint64_t n_frames)
{
    return (n_frames + GHOST_WAYS - 1) / GHOST_WAYS;
}

static uint64_t *
set_of(const struct cache_ghosts *ghosts, uint64_t hash)
{
    return ghosts->entry + ((hash >> 32) * ghosts->n_sets >> 32) * GHOST_WAYS;
}

/* The part of the hash that is kept. Not 0, which is an entry that was never used. */
static uint32_t
mark_of(uint64_t hash)
{
    return (uint32_t)hash | 1;
}

static uint32_t
age_of(const struct cache_ghosts *ghosts, uint64_t entry)
{
    return entry != 0 ? ghosts->now - (uint32_t)entry : UINT32_MAX;
}

static void
remember(struct cache_ghosts *ghosts, uint64_t hash)
{
    uint64_t *set = set_of(ghosts, hash);
    uint32_t oldest = 0;
    for (uint32_t i = 1; i < GHOST_WAYS; i++) {
        if (age_of(ghosts, set[i]) > age_of(ghosts, set[oldest]))
            oldest = i;
    }
    ghosts->now++;
    set[oldest] = (uint64_t)mark_of(hash) << 32 | ghosts->now;
}

/* Whether the block left lately; it is forgotten then. */
static bool
recall(struct cache_ghosts *ghosts, uint64_t hash)
{
    uint64_t *set = set_of(ghosts, hash);
    for (uint32_t i = 0; i < GHOST_WAYS; i++) {
        if (set[i] >> 32 == mark_of(hash)) {
            bool is_recent = age_of(ghosts, set[i]) < ghosts->lifetime;
            set[i] = 0;
            return is_recent;
        }
    }
    return false;
}

/* ------------------------------------------------------------------ queues */

static void
push(struct cache_queue *queue, struct cache_frame *frame, enum cache_place place)
{
    frame->place = (uint8_t)place;
    frame->newer = NULL;
    frame->older = queue->newest;
    if (queue->newest != NULL)
        queue->newest->newer = frame;
    else
        queue->oldest = frame;
    queue->newest = frame;
    queue->n++;
}

static void
unlink_from(struct cache_queue *queue, struct cache_frame *frame)
{
    if (frame->newer != NULL)
        frame->newer->older = frame->older;
    else
        queue->newest = frame->older;
    if (frame->older != NULL)
        frame->older->newer = frame->newer;
    else
        queue->oldest = frame->newer;
    queue->n--;
}

/* ------------------------------------------------------------------ policy */

bool
adb_cache_policy_init(struct cache_policy *policy, uint64_t n_frames)
{
    *policy = (struct cache_policy){.n_frames = n_frames};
    policy->ghosts.n_sets = count_sets(n_frames);
    policy->ghosts.lifetime = n_frames < UINT32_MAX ? (uint32_t)n_frames : UINT32_MAX;
    policy->ghosts.entry = adb_new_array(uint64_t, policy->ghosts.n_sets * GHOST_WAYS);
    return policy->ghosts.entry != NULL;
}

void
adb_cache_policy_fini(struct cache_policy *policy)
{
    adb_mem_free(policy->ghosts.entry);
    *policy = (struct cache_policy){0};
}

uint64_t
adb_cache_policy_bytes(uint64_t n_frames)
{
    return count_sets(n_frames) * GHOST_WAYS * sizeof(uint64_t);
}

void
adb_cache_policy_add(struct cache_policy *policy, struct cache_frame *frame, uint64_t hash)
{
    if (recall(&policy->ghosts, hash))
        push(&policy->main, frame, CACHE_MAIN);
    else
        push(&policy->small, frame, CACHE_SMALL);
}

void
adb_cache_policy_keep(struct cache_policy *policy, struct cache_frame *frame)
{
    ADB_ASSERT(adb_cache_frame_has_block(frame));
    if (frame->place == CACHE_MAIN)
        push(&policy->main, frame, CACHE_MAIN);
    else
        push(&policy->small, frame, CACHE_SMALL);
}

void
adb_cache_policy_remove(struct cache_policy *policy, struct cache_frame *frame)
{
    ADB_ASSERT(adb_cache_frame_has_block(frame));
    unlink_from(frame->place == CACHE_MAIN ? &policy->main : &policy->small, frame);
    frame->place = CACHE_CLAIMED;
}

/* The frames at the end of a queue were not touched for long: their cache lines are far. */
static void
prefetch_next(const struct cache_frame *frame)
{
    if (frame->newer != NULL)
        __builtin_prefetch(frame->newer);
}

struct cache_frame *
adb_cache_policy_victim(struct cache_policy *policy)
{
    for (uint32_t n_looks = 1;; n_looks++) {
        bool is_small = policy->main.n == 0 || policy->small.n * SMALL_PART > policy->n_frames;
        struct cache_frame *frame = is_small ? policy->small.oldest : policy->main.oldest;
        if (frame == NULL)
            return NULL;
        prefetch_next(frame);
        /* Relaxed: counts that come in between are lost, as any hint may be. */
        uint8_t used = atomic_load_explicit(&frame->used, memory_order_relaxed);
        adb_cache_policy_remove(policy, frame);
        bool is_kept = used >= (is_small ? PROVEN_USES : 1) && n_looks < LOOKS_MAX;
        if (!is_kept) {
            if (is_small)
                remember(&policy->ghosts, adb_cache_hash(adb_cache_frame_id(frame)));
            return frame;
        }
        push(&policy->main, frame, CACHE_MAIN);
        atomic_store_explicit(&frame->used, is_small ? 0 : (uint8_t)(used - 1),
                              memory_order_relaxed);
    }
}
