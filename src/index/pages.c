/*
 * How the pool is built: chunks of 2 MiB, aligned to it, so that the chunk of a page is found by
 * masking its address. The first pages of a chunk are its head: a link for each of its pages, and a
 * bitmap used while trimming. A page is on one of two free lists:
 *   warm  its memory is still there; taken first,
 *   cold  its memory went back to the system; it reads as zeros.
 * When warm pages are many, a batch of them is made cold at once, in runs of neighbours; the batch
 * is so small that whoever happens to do it is not held up for long.
 *
 * Chunks are never unmapped before the pool ends: whoever holds a stale pointer to a page can read
 * its version word at any time.
 */
#include "index/pages.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "os/thread.h"

enum {
    CHUNK_BYTES = 2 << 20,
    CHUNK_PAGES = CHUNK_BYTES / ADB_PAGE_BYTES,
    HEAD_PAGES = 2,
    SMALL_CHUNKS = 2,  /* this many use small system pages, so that a tiny pool stays tiny */
    WARM_MIN = 256,    /* so many warm pages are always kept */
    COLD_BATCH = 128,  /* so many are made cold at once */
    AHEAD_MAX = 8,     /* chunks that are made before they are wanted */
    GROWING_LOOKS = 20 /* so many looks after a new chunk the pool counts as growing */
};

/* The first HEAD_PAGES pages of a chunk. */
struct chunk_head {
    struct adb_page *link[CHUNK_PAGES];
    uint64_t marked[CHUNK_PAGES / 64]; /* pages that are being made cold */
    uint32_t n_marked;
    uint32_t n_cold;     /* pages of the chunk on the cold list */
    bool is_small_paged; /* since too many were cold */
};

_Static_assert(sizeof(struct chunk_head) <= HEAD_PAGES * ADB_PAGE_BYTES, "the head must fit");

struct chunk {
    struct chunk *next;      /* owned */
    struct chunk_head *head; /* owned: the mapping */
};

struct adb_pages {
    struct adb_mutex lock;
    /* guarded by lock */
    struct chunk *chunks; /* owned; the newest first */
    struct chunk *ahead;  /* owned; made by adb_pages_tend(), not in use yet */
    struct adb_page *warm;
    struct adb_page *cold;
    uint64_t n_chunks;
    uint64_t n_tended; /* n_chunks when adb_pages_tend() looked last */
    uint32_t n_ahead;
    uint32_t n_growing_looks; /* until the pool does not count as growing any more */
    uint64_t n_warm;
    uint32_t n_cut; /* pages of the newest chunk that have been out once, and its head */
    /* atomic, written under lock */
    _Atomic uint64_t n_out;
    _Atomic uint64_t clock; /* only grows */
};

static struct chunk_head *
head_of(const struct adb_page *page)
{
    uintptr_t address = (uintptr_t)page;
    return (struct chunk_head *)(address & ~(uintptr_t)(CHUNK_BYTES - 1));
}

static uint32_t
index_in_chunk(const struct adb_page *page)
{
    return (uint32_t)(((uintptr_t)page & (CHUNK_BYTES - 1)) / ADB_PAGE_BYTES);
}

struct adb_page *
adb_pages_link(const struct adb_page *page)
{
    return head_of(page)->link[index_in_chunk(page)];
}

void
adb_pages_set_link(struct adb_page *page, struct adb_page *next)
{
    head_of(page)->link[index_in_chunk(page)] = next;
}

armdb_err
adb_pages_new(struct adb_pages **pages_out)
{
    struct adb_pages *pages = adb_new(struct adb_pages);
    *pages_out = pages;
    if (pages == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "index", "no memory for a page pool");
    adb_mutex_init(&pages->lock);
    pages->n_cut = CHUNK_PAGES;
    return ARMDB_OK;
}

static void
free_chunks(struct chunk *chunk)
{
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        ADB_ASSERT(munmap(chunk->head, CHUNK_BYTES) == 0);
        adb_mem_free(chunk);
        chunk = next;
    }
}

void
adb_pages_free(struct adb_pages *pages)
{
    if (pages == NULL)
        return;
    free_chunks(pages->chunks);
    free_chunks(pages->ahead);
    adb_mutex_fini(&pages->lock);
    adb_mem_free(pages);
}

uint64_t
adb_pages_bytes(const struct adb_pages *pages)
{
    return atomic_load_explicit(&pages->n_out, memory_order_relaxed) * ADB_PAGE_BYTES;
}

uint64_t
adb_pages_clock(const struct adb_pages *pages)
{
    /* Relaxed: the page was taken under the lock after it was given back under it. */
    return atomic_load_explicit(&pages->clock, memory_order_relaxed);
}

/* Maps twice the size and cuts off what sticks out of the aligned middle. NULL if memory is out. */
static struct chunk_head *
map_chunk(void)
{
    size_t mapped_bytes = 2 * (size_t)CHUNK_BYTES;
    void *mapped = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return NULL;
    unsigned char *start = (unsigned char *)mapped;
    size_t before = (size_t)(-(uintptr_t)start & (CHUNK_BYTES - 1));
    size_t after = mapped_bytes - CHUNK_BYTES - before;
    if (before != 0)
        ADB_ASSERT(munmap(start, before) == 0);
    if (after != 0)
        ADB_ASSERT(munmap(start + before + CHUNK_BYTES, after) == 0);
    return (struct chunk_head *)(void *)(start + before);
}

/* NULL if memory is out. */
static struct chunk *
new_chunk(bool wants_large_pages)
{
    struct chunk *chunk = adb_new(struct chunk);
    if (chunk == NULL)
        return NULL;
    chunk->head = map_chunk();
    if (chunk->head == NULL) {
        adb_mem_free(chunk);
        return NULL;
    }
    /* Only advice: an index works as well, if slower, on small pages. */
    if (wants_large_pages)
        (void)madvise(chunk->head, CHUNK_BYTES, MADV_HUGEPAGE);
    return chunk;
}

/* How many chunks are to be ready now. */
static uint64_t
wanted_ahead_locked(struct adb_pages *pages)
{
    uint64_t n_grown = pages->n_chunks - pages->n_tended;
    pages->n_tended = pages->n_chunks;
    if (pages->n_chunks < SMALL_CHUNKS)
        return 0;
    if (n_grown != 0)
        pages->n_growing_looks = GROWING_LOOKS;
    else if (pages->n_growing_looks != 0)
        pages->n_growing_looks--;
    uint64_t n_wanted = n_grown + (pages->n_growing_looks != 0 ? 2 : 1);
    return n_wanted < AHEAD_MAX ? n_wanted : AHEAD_MAX;
}

bool
adb_pages_tend(struct adb_pages *pages)
{
    adb_mutex_lock(&pages->lock);
    uint64_t n_wanted = wanted_ahead_locked(pages);
    uint64_t n = n_wanted > pages->n_ahead ? n_wanted - pages->n_ahead : 0;
    bool is_growing = pages->n_growing_looks != 0;
    adb_mutex_unlock(&pages->lock);
    for (; n > 0; n--) {
        struct chunk *chunk = new_chunk(true);
        if (chunk == NULL)
            break;
        /* A system that does not know this finds the memory when it is touched. */
        (void)madvise(chunk->head, CHUNK_BYTES, MADV_POPULATE_WRITE);
        adb_mutex_lock(&pages->lock);
        chunk->next = pages->ahead;
        pages->ahead = chunk;
        pages->n_ahead++;
        adb_mutex_unlock(&pages->lock);
    }
    return is_growing;
}

static armdb_err
add_chunk_locked(struct adb_pages *pages)
{
    struct chunk *chunk = pages->ahead;
    if (chunk != NULL) {
        pages->ahead = chunk->next;
        pages->n_ahead--;
    } else {
        chunk = new_chunk(pages->n_chunks >= SMALL_CHUNKS);
    }
    if (chunk == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "index", "no memory for %d more index pages",
                        (int)CHUNK_PAGES);
    chunk->next = pages->chunks;
    pages->chunks = chunk;
    pages->n_chunks++;
    pages->n_cut = HEAD_PAGES;
    return ARMDB_OK;
}

/* A cold page of the chunk is taken. */
static void
note_warmer(struct chunk_head *head)
{
    ADB_ASSERT(head->n_cold != 0);
    head->n_cold--;
    if (head->n_cold == 0 && head->is_small_paged) {
        (void)madvise(head, CHUNK_BYTES, MADV_HUGEPAGE);
        head->is_small_paged = false;
    }
}

static armdb_err
take_locked(struct adb_pages *pages, struct adb_page **page_out)
{
    struct adb_page *page = pages->warm;
    if (page != NULL) {
        pages->warm = adb_pages_link(page);
        pages->n_warm--;
    } else if ((page = pages->cold) != NULL) {
        pages->cold = adb_pages_link(page);
        note_warmer(head_of(page));
    } else {
        if (pages->n_cut == CHUNK_PAGES)
            ADB_TRY(add_chunk_locked(pages));
        unsigned char *base = (unsigned char *)pages->chunks->head;
        page = (struct adb_page *)(void *)(base + (size_t)pages->n_cut * ADB_PAGE_BYTES);
        pages->n_cut++;
    }
    *page_out = page;
    return ARMDB_OK;
}

armdb_err
adb_pages_take(struct adb_pages *pages, struct adb_page **page_out)
{
    *page_out = NULL;
    if (adb_mem_must_fail())
        return adb_fail(ARMDB_NO_MEMORY, "index", "no memory for a page");
    adb_mutex_lock(&pages->lock);
    armdb_err err = take_locked(pages, page_out);
    if (err == ARMDB_OK)
        atomic_fetch_add_explicit(&pages->n_out, 1, memory_order_relaxed);
    adb_mutex_unlock(&pages->lock);
    return err;
}

static bool
is_marked(const struct chunk_head *head, uint32_t i)
{
    return (head->marked[i / 64] >> (i % 64) & 1u) != 0;
}

/* Gives the memory of the marked pages of one chunk back and clears the marks. */
static void
make_marked_cold(struct chunk_head *head)
{
    unsigned char *base = (unsigned char *)head;
    for (uint32_t i = HEAD_PAGES; i < CHUNK_PAGES; i++) {
        uint32_t run = 0;
        while (i + run < CHUNK_PAGES && is_marked(head, i + run))
            run++;
        if (run == 0)
            continue;
        /* If the system refuses, the pages just stay warm under another name. */
        (void)madvise(base + (size_t)i * ADB_PAGE_BYTES, (size_t)run * ADB_PAGE_BYTES,
                      MADV_DONTNEED);
        i += run;
    }
    /* Else the system would in time fill the holes again to make one large page of the chunk. */
    head->n_cold += head->n_marked;
    if (head->n_cold > CHUNK_PAGES / 2 && !head->is_small_paged) {
        (void)madvise(head, CHUNK_BYTES, MADV_NOHUGEPAGE);
        head->is_small_paged = true;
    }
    memset(head->marked, 0, sizeof head->marked);
    head->n_marked = 0;
}

static void
make_batch_cold_locked(struct adb_pages *pages)
{
    struct adb_page *first = pages->warm;
    struct adb_page *last = NULL;
    for (uint32_t n = 0; n < COLD_BATCH && pages->warm != NULL; n++) {
        last = pages->warm;
        uint32_t i = index_in_chunk(last);
        struct chunk_head *head = head_of(last);
        head->marked[i / 64] |= (uint64_t)1 << (i % 64);
        head->n_marked++;
        pages->warm = adb_pages_link(last);
        pages->n_warm--;
    }
    for (struct chunk *chunk = pages->chunks; chunk != NULL; chunk = chunk->next) {
        if (chunk->head->n_marked != 0)
            make_marked_cold(chunk->head);
    }
    adb_pages_set_link(last, pages->cold);
    pages->cold = first;
}

void
adb_pages_give(struct adb_pages *pages, struct adb_page *page, uint64_t last_version)
{
    adb_mutex_lock(&pages->lock);
    if (last_version > atomic_load_explicit(&pages->clock, memory_order_relaxed))
        atomic_store_explicit(&pages->clock, last_version, memory_order_relaxed);
    adb_pages_set_link(page, pages->warm);
    pages->warm = page;
    pages->n_warm++;
    uint64_t n_out = atomic_fetch_sub_explicit(&pages->n_out, 1, memory_order_relaxed) - 1;
    ADB_ASSERT(n_out < UINT64_MAX);
    if (pages->n_warm > WARM_MIN && pages->n_warm > n_out / 4)
        make_batch_cold_locked(pages);
    adb_mutex_unlock(&pages->lock);
}

/* ------------------------------------------------------------------ pages set aside */

armdb_err
adb_spare_fill(struct adb_spare *spare, struct adb_pages *pages, uint32_t needed)
{
    while (ADB_UNLIKELY(spare->count < needed)) {
        struct adb_page *page;
        ADB_TRY(adb_pages_take(pages, &page));
        adb_pages_set_link(page, spare->first);
        spare->first = page;
        spare->count++;
    }
    return ARMDB_OK;
}

struct adb_page *
adb_spare_take(struct adb_spare *spare)
{
    struct adb_page *page = spare->first;
    ADB_ASSERT(page != NULL && spare->count != 0);
    spare->first = adb_pages_link(page);
    spare->count--;
    return page;
}

void
adb_spare_fini(struct adb_spare *spare, struct adb_pages *pages)
{
    while (spare->first != NULL)
        adb_pages_give(pages, adb_spare_take(spare), 0);
    ADB_ASSERT(spare->count == 0);
}
