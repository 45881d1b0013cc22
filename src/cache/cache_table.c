#include "cache/cache_table.h"

#include "base/assert.h"
#include "os/mapping.h"

enum { FRAMES_PER_BUCKET = 4, TABLE_BYTES_MIN = 4096, LARGE_PAGE_BYTES = 2 << 20, BUCKETS_MIN = 2 };

uint64_t
adb_cache_table_buckets(uint64_t n_frames)
{
    uint64_t n_buckets = adb_round_up(n_frames, 2 * FRAMES_PER_BUCKET) / FRAMES_PER_BUCKET;
    return n_buckets < BUCKETS_MIN ? BUCKETS_MIN : n_buckets;
}

uint64_t
adb_cache_table_bytes(uint64_t n_buckets)
{
    return sizeof(struct cache_table) + n_buckets * sizeof(struct cache_bucket);
}

/* Takes the smallest spare table of at least `bytes` out of the list; NULL if there is none. */
static struct cache_table *
take_spare(struct cache_table **spare, size_t bytes)
{
    struct cache_table **best = NULL;
    for (struct cache_table **at = spare; *at != NULL; at = &(*at)->next) {
        if ((*at)->mapped_bytes >= bytes &&
            (best == NULL || (*at)->mapped_bytes < (*best)->mapped_bytes))
            best = at;
    }
    if (best == NULL)
        return NULL;
    struct cache_table *table = *best;
    *best = table->next;
    return table;
}

struct cache_table *
adb_cache_table_new(uint64_t n_buckets, struct cache_table **spare)
{
    uint64_t bytes = adb_cache_table_bytes(n_buckets);
    ADB_ASSERT(n_buckets >= BUCKETS_MIN && n_buckets % 2 == 0 && n_buckets <= UINT32_MAX);
    struct cache_table *table = take_spare(spare, (size_t)bytes);
    if (table == NULL) {
        /* By powers of two, so that changing sizes need few mappings; only address space. */
        size_t mapped_bytes = TABLE_BYTES_MIN;
        while (mapped_bytes < bytes)
            mapped_bytes *= 2;
        bool is_large = mapped_bytes >= LARGE_PAGE_BYTES;
        table = (struct cache_table *)adb_mapping_new(mapped_bytes, is_large ? LARGE_PAGE_BYTES
                                                                             : TABLE_BYTES_MIN);
        if (table == NULL)
            return NULL;
        table->mapped_bytes = mapped_bytes;
    }
    table->next = NULL;
    size_t large_bytes = (size_t)bytes / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
    if (large_bytes != 0)
        adb_mapping_use_large_pages(table, large_bytes);
    atomic_store_explicit(&table->n_buckets, n_buckets, memory_order_relaxed);
    return table;
}

void
adb_cache_table_retire(struct cache_table *table, struct cache_table **spare)
{
    uint64_t n_buckets = atomic_load_explicit(&table->n_buckets, memory_order_relaxed);
    size_t mapped_bytes = table->mapped_bytes;
    /* Not left to the system alone, which may refuse. Relaxed: emptiness publishes nothing. */
    for (uint64_t i = 0; i < n_buckets; i++) {
        for (uint32_t k = 0; k < CACHE_BUCKET_SLOTS; k++)
            atomic_store_explicit(&table->bucket[i].slot[k], 0, memory_order_relaxed);
    }
    /* The first page has the table's head, and stays. */
    if (mapped_bytes > TABLE_BYTES_MIN) {
        unsigned char *base = (unsigned char *)table;
        adb_mapping_use_small_pages(base, mapped_bytes);
        adb_mapping_discard(base + TABLE_BYTES_MIN, mapped_bytes - TABLE_BYTES_MIN);
    }
    table->next = *spare;
    *spare = table;
}

void
adb_cache_tables_free(struct cache_table *tables)
{
    while (tables != NULL) {
        struct cache_table *table = tables;
        tables = table->next;
        adb_mapping_free(table, table->mapped_bytes);
    }
}

/* The slot that leads to the frame; NULL if none does. */
static _Atomic uint64_t *
find_slot(struct cache_bucket *bucket, uint64_t slot)
{
    for (uint32_t i = 0; i < CACHE_BUCKET_SLOTS; i++) {
        /* Relaxed: nobody else changes the table now. */
        if (atomic_load_explicit(&bucket->slot[i], memory_order_relaxed) == slot)
            return &bucket->slot[i];
    }
    return NULL;
}

static uint64_t
make_slot(const struct cache_frame *frame, uint64_t hash)
{
    uint64_t line = (uint64_t)(uintptr_t)frame / ADB_CACHE_LINE;
    ADB_ASSERT(line != 0 && line >> CACHE_SLOT_FRAME_BITS == 0);
    return line | adb_cache_table_tag(hash);
}

struct cache_frame *
adb_cache_table_find(const struct cache_table *table, struct cache_id id)
{
    uint64_t hash = adb_cache_hash(id);
    uint64_t home = adb_cache_table_home(table, hash);
    uint64_t tag = adb_cache_table_tag(hash);
    for (uint32_t i = 0; i < 2 * CACHE_BUCKET_SLOTS; i++) {
        const struct cache_bucket *bucket = &table->bucket[home ^ (i / CACHE_BUCKET_SLOTS)];
        uint64_t slot = atomic_load_explicit(&bucket->slot[i % CACHE_BUCKET_SLOTS],
                                             memory_order_relaxed);
        if (adb_cache_slot_has_tag(slot, tag) &&
            adb_cache_id_is(adb_cache_frame_id(adb_cache_slot_frame(slot)), id))
            return adb_cache_slot_frame(slot);
    }
    return NULL;
}

bool
adb_cache_table_put(struct cache_table *table, struct cache_frame *frame, uint64_t hash)
{
    uint64_t home = adb_cache_table_home(table, hash);
    _Atomic uint64_t *slot = find_slot(&table->bucket[home], 0);
    if (slot == NULL)
        slot = find_slot(&table->bucket[home ^ 1], 0);
    if (slot == NULL)
        return false;
    /* Release: what was stored to the frame before is seen by whoever finds it here. */
    atomic_store_explicit(slot, make_slot(frame, hash), memory_order_release);
    return true;
}

void
adb_cache_table_remove(struct cache_table *table, const struct cache_frame *frame, uint64_t hash)
{
    uint64_t home = adb_cache_table_home(table, hash);
    uint64_t word = make_slot(frame, hash);
    _Atomic uint64_t *slot = find_slot(&table->bucket[home], word);
    if (slot == NULL)
        slot = find_slot(&table->bucket[home ^ 1], word);
    ADB_ASSERT(slot != NULL);
    /* Relaxed: whoever still comes this way is told by the frame's version. */
    atomic_store_explicit(slot, 0, memory_order_relaxed);
}

struct cache_frame *
adb_cache_table_crowder(const struct cache_table *table, uint64_t hash)
{
    uint64_t home = adb_cache_table_home(table, hash);
    struct cache_frame *least = NULL;
    uint32_t least_used = UINT32_MAX;
    for (uint32_t i = 0; i < 2 * CACHE_BUCKET_SLOTS; i++) {
        const struct cache_bucket *bucket = &table->bucket[home ^ (i / CACHE_BUCKET_SLOTS)];
        uint64_t slot = atomic_load_explicit(&bucket->slot[i % CACHE_BUCKET_SLOTS],
                                             memory_order_relaxed);
        struct cache_frame *frame = adb_cache_slot_frame(slot);
        uint32_t used = atomic_load_explicit(&frame->used, memory_order_relaxed);
        used += frame->place == CACHE_MAIN;
        if (used < least_used) {
            least = frame;
            least_used = used;
        }
    }
    return least;
}
