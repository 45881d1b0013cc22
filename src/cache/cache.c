#include "cache/cache.h"

#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/mem.h"
#include "cache/cache_private.h"

enum { READ_BLOCKS_MAX = 2, PREFETCH_LINES = 3 };

enum part_state {
    PART_DONE,
    PART_MISSING, /* this thread is to read it */
    PART_AWAITED  /* another thread is reading it */
};

/* What a read needs of one block. */
struct piece {
    struct cache_id id;
    uint32_t from; /* in the block */
    uint32_t bytes;
    unsigned char *to;
};

/* A piece and what becomes of it. */
struct part {
    struct piece piece;
    bool is_cacheable; /* the whole block is valid */
    bool is_led;       /* this thread leads the flight */
    enum part_state state;
    struct cache_flight flight;
};

/* ------------------------------------------------------------------ life */

armdb_err
adb_cache_new(uint64_t budget_bytes, struct adb_cache **cache_out)
{
    struct adb_cache *cache = adb_new(struct adb_cache);
    *cache_out = NULL;
    if (cache == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "cache", "no memory for a block cache");
    atomic_init(&cache->table, NULL);
    adb_cache_flights_init(&cache->flights);
    adb_mutex_init(&cache->resize_lock);
    adb_mutex_init(&cache->lock);
    adb_cond_init(&cache->no_claims);
    cache->version = 1;
    cache->fixed_bytes = sizeof *cache;
    armdb_err err = adb_cache_resize(cache, budget_bytes);
    if (err == ARMDB_OK)
        *cache_out = cache;
    else
        adb_cache_free(cache);
    return err;
}

void
adb_cache_free(struct adb_cache *cache)
{
    if (cache == NULL)
        return;
    ADB_ASSERT(cache->n_claimed == 0);
    adb_cache_tables_free(adb_cache_table_of(cache));
    adb_cache_tables_free(cache->spare_tables);
    adb_cache_policy_fini(&cache->policy);
    adb_cache_frames_fini(&cache->frames);
    adb_cond_fini(&cache->no_claims);
    adb_mutex_fini(&cache->lock);
    adb_mutex_fini(&cache->resize_lock);
    adb_cache_flights_fini(&cache->flights);
    adb_mem_free(cache);
}

void
adb_cache_get_stats(struct adb_cache *cache, struct adb_cache_stats *stats_out)
{
    *stats_out = (struct adb_cache_stats){0};
    if (cache == NULL)
        return;
    adb_mutex_lock(&cache->lock);
    uint64_t n_touched = cache->n_populated * CACHE_CHUNK_FRAMES;
    if (n_touched < cache->frames.n_cut)
        n_touched = cache->frames.n_cut;
    *stats_out = (struct adb_cache_stats){
        .hits = adb_counter_sum(&cache->hits),
        .misses = adb_counter_sum(&cache->misses),
        .inserted = cache->n_inserted,
        .evicted = cache->n_evicted,
        .dropped = cache->n_dropped,
        .blocks = cache->n_blocks,
        .bytes = cache->fixed_bytes + adb_cache_frames_bytes(n_touched),
        .budget_bytes = cache->budget_bytes,
    };
    adb_mutex_unlock(&cache->lock);
}

/* ------------------------------------------------------------------ looking up */

/* More than one slot has the block's tag, or the first one is stale. */
static bool
copy_from_any(const struct cache_bucket *bucket, uint64_t tag, const struct piece *piece)
{
    for (uint32_t i = 0; i < CACHE_BUCKET_SLOTS; i++) {
        uint64_t slot = atomic_load_explicit(&bucket->slot[i], memory_order_acquire);
        if (adb_cache_slot_has_tag(slot, tag) &&
            adb_cache_frame_copy(adb_cache_slot_frame(slot), piece->id, piece->from, piece->bytes,
                                 piece->to))
            return true;
    }
    return false;
}

static inline bool
copy_from_bucket(const struct cache_bucket *bucket, uint64_t tag, const struct piece *piece)
{
    uint64_t slot = adb_cache_bucket_match(bucket, tag);
    if (slot == 0)
        return false;
    return ADB_LIKELY(adb_cache_frame_copy(adb_cache_slot_frame(slot), piece->id, piece->from,
                                           piece->bytes, piece->to)) ||
           copy_from_any(bucket, tag, piece);
}

/* Copies a piece, if the block is there. */
static inline bool
copy_piece(const struct cache_table *table, const struct piece *piece)
{
    uint64_t hash = adb_cache_hash(piece->id);
    uint64_t home = adb_cache_table_home(table, hash);
    uint64_t tag = adb_cache_table_tag(hash);
    return ADB_LIKELY(copy_from_bucket(&table->bucket[home], tag, piece)) ||
           copy_from_bucket(&table->bucket[home ^ 1], tag, piece);
}

/* The first piece of a range. */
static inline struct piece
make_piece(uint64_t file_key, uint64_t offset, size_t bytes, void *to)
{
    uint32_t from = (uint32_t)(offset % CACHE_BLOCK_BYTES);
    uint32_t in_block = CACHE_BLOCK_BYTES - from;
    return (struct piece){.id = {file_key, offset / CACHE_BLOCK_BYTES},
                          .from = from,
                          .bytes = bytes < in_block ? (uint32_t)bytes : in_block,
                          .to = (unsigned char *)to};
}

bool
adb_cache_try(struct adb_cache *cache, uint64_t file_key, uint64_t offset, size_t bytes, void *to)
{
    const struct cache_table *table = adb_cache_table_of(cache);
    uint32_t n_hits = 0;
    if (table == NULL)
        return bytes == 0;
    for (size_t done = 0; done < bytes; n_hits++) {
        struct piece piece = make_piece(file_key, offset + done, bytes - done,
                                        (unsigned char *)to + done);
        if (!copy_piece(table, &piece))
            return false;
        done += piece.bytes;
    }
    adb_counter_add(&cache->hits, n_hits);
    return true;
}

void
adb_cache_ask(const struct adb_cache *cache, uint64_t file_key, uint64_t offset,
              struct adb_cache_spot *spot_out)
{
    const struct cache_table *table = adb_cache_table_of(cache);
    uint64_t hash = adb_cache_hash((struct cache_id){file_key, offset / CACHE_BLOCK_BYTES});
    spot_out->file_key = file_key;
    spot_out->offset = offset;
    spot_out->tag = adb_cache_table_tag(hash);
    spot_out->bucket = table != NULL ? &table->bucket[adb_cache_table_home(table, hash)] : NULL;
    spot_out->frame = NULL;
    if (table != NULL)
        __builtin_prefetch(spot_out->bucket);
}

void
adb_cache_approach(struct adb_cache_spot *spot, size_t bytes)
{
    const struct cache_bucket *bucket = (const struct cache_bucket *)spot->bucket;
    uint64_t slot = bucket != NULL ? adb_cache_bucket_match(bucket, spot->tag) : 0;
    if (slot == 0)
        return;
    struct cache_frame *frame = adb_cache_slot_frame(slot);
    const char *block = (const char *)frame->word;
    size_t from = (size_t)(spot->offset % CACHE_BLOCK_BYTES);
    size_t end = from + bytes < CACHE_BLOCK_BYTES ? from + bytes : CACHE_BLOCK_BYTES;
    spot->frame = frame;
    __builtin_prefetch(frame);
    from -= from % ADB_CACHE_LINE;
    for (uint32_t i = 0; i < PREFETCH_LINES && from < end; i++, from += ADB_CACHE_LINE)
        __builtin_prefetch(block + from);
}

/* The version of the frame, if it has the bytes; else 0. */
static inline uint64_t
begin_take(const struct adb_cache_spot *spot, uint32_t from, size_t bytes)
{
    const struct cache_id id = {spot->file_key, spot->offset / CACHE_BLOCK_BYTES};
    if (ADB_UNLIKELY(spot->frame == NULL || bytes > CACHE_BLOCK_BYTES - from))
        return 0;
    return adb_cache_frame_begin((const struct cache_frame *)spot->frame, id);
}

bool
adb_cache_take(const struct adb_cache_spot *spot, size_t bytes, void *to, uint32_t *crc)
{
    struct cache_frame *frame = (struct cache_frame *)spot->frame;
    uint32_t from = (uint32_t)(spot->offset % CACHE_BLOCK_BYTES);
    ADB_DEBUG_ASSERT(from % 8 == 0 && bytes % 8 == 0 && bytes != 0);
    uint64_t version = begin_take(spot, from, bytes);
    if (ADB_UNLIKELY(version == 0))
        return false;
    *crc = adb_crc32c_copy(*crc, spot->offset, frame->word + from / 8, bytes / 8,
                           (unsigned char *)to);
    return adb_cache_frame_end(frame, version);
}

bool
adb_cache_take_marked(const struct adb_cache_spot *spot, size_t bytes, void *to,
                      struct adb_cache_mark *mark_out)
{
    struct cache_frame *frame = (struct cache_frame *)spot->frame;
    uint32_t from = (uint32_t)(spot->offset % CACHE_BLOCK_BYTES);
    uint64_t version = begin_take(spot, from, bytes);
    if (ADB_UNLIKELY(version == 0))
        return false;
    adb_cache_copy_words(frame->word, from, bytes, (unsigned char *)to);
    uint64_t word = atomic_load_explicit(&frame->checked, memory_order_acquire);
    mark_out->word = word | UINT64_C(1) << from / CACHE_MARK_BYTES;
    mark_out->is_set = bytes >= CACHE_MARK_BYTES && mark_out->word == word;
    mark_out->frame = bytes >= CACHE_MARK_BYTES ? frame : NULL;
    return adb_cache_frame_end(frame, version);
}

void
adb_cache_set_mark(const struct adb_cache_mark *mark)
{
    struct cache_frame *frame = (struct cache_frame *)mark->frame;
    if (frame == NULL)
        return;
    /* Relaxed: it vouches for bytes that the version publishes. If another thread has set another
     * bit meanwhile, this one is set the next time. */
    uint64_t word = atomic_load_explicit(&frame->checked, memory_order_relaxed);
    if (word >> 32 == mark->word >> 32)
        (void)atomic_compare_exchange_strong_explicit(&frame->checked, &word, word | mark->word,
                                                      memory_order_relaxed, memory_order_relaxed);
}

void
adb_cache_add_hits(struct adb_cache *cache, uint64_t n)
{
    if (cache != NULL)
        adb_counter_add(&cache->hits, n);
}

/* ------------------------------------------------------------------ reading */

/* Reads a range of the file, all of which must be there, and possibly more behind it. */
static armdb_err
read_file(const struct adb_cache_source *source, uint64_t offset, size_t bytes, void *to,
          size_t *got_out)
{
    *got_out = 0;
    ADB_TRY(source->read(source->context, offset, bytes, to, got_out));
    ADB_ASSERT(*got_out <= bytes);
    return ARMDB_OK;
}

static armdb_err
too_short(uint64_t offset)
{
    return adb_fail_at(ARMDB_CORRUPT, "read block", NULL, offset,
                       "the file ends before what is to be read");
}

static armdb_err
read_past_cache(const struct adb_cache_source *source, uint64_t offset, size_t bytes, void *to,
                uint32_t *reads_out)
{
    size_t got;
    ++*reads_out;
    ADB_TRY(read_file(source, offset, bytes, to, &got));
    return got == bytes ? ARMDB_OK : too_short(offset + got);
}

/* Reads adjacent parts with one call: blocks that can be cached whole, another only as far as it is
 * wanted. */
static armdb_err
read_parts(struct adb_cache *cache, const struct adb_cache_source *source, struct part *parts,
           uint32_t n_parts, uint32_t *reads_out)
{
    /* Aligned, so that it can be read directly. */
    _Alignas(CACHE_BLOCK_BYTES) unsigned char buffer[READ_BLOCKS_MAX * CACHE_BLOCK_BYTES];
    const struct part *last = &parts[n_parts - 1];
    uint64_t offset = parts[0].piece.id.block * CACHE_BLOCK_BYTES;
    size_t bytes = (size_t)n_parts * CACHE_BLOCK_BYTES;
    size_t got;
    if (!last->is_cacheable)
        bytes -= CACHE_BLOCK_BYTES - last->piece.from - last->piece.bytes;
    ++*reads_out;
    ADB_TRY(read_file(source, offset, bytes, buffer, &got));
    for (size_t i = 0, before = 0; i < n_parts; i++, before += CACHE_BLOCK_BYTES) {
        struct piece piece = parts[i].piece;
        if (got < before + piece.from + piece.bytes)
            return too_short(offset + got);
        memcpy(piece.to, buffer + before + piece.from, piece.bytes);
        if (parts[i].is_cacheable && got >= before + CACHE_BLOCK_BYTES)
            adb_cache_insert(cache, piece.id, buffer + before);
        parts[i].state = PART_DONE;
    }
    return ARMDB_OK;
}

/* Whether the part is in the cache by now. */
static bool
copy_part_now(const struct adb_cache *cache, const struct part *part)
{
    const struct cache_table *table = adb_cache_table_of(cache);
    return table != NULL && copy_piece(table, &part->piece);
}

/* Decides who reads a part that was not found. */
static void
assign_part(struct adb_cache *cache, struct part *part)
{
    part->is_led = adb_cache_flight_begin(&cache->flights, part->piece.id, &part->flight);
    if (!part->is_led)
        part->state = PART_AWAITED;
    else if (copy_part_now(cache, part)) /* an earlier flight ended just before */
        part->state = PART_DONE;
}

/* Reads the parts that this thread is to read: neighbours together. */
static armdb_err
read_missing(struct adb_cache *cache, const struct adb_cache_source *source, struct part *parts,
             uint32_t n_parts, uint32_t *reads_out)
{
    for (uint32_t i = 0; i < n_parts;) {
        uint32_t n = 0;
        while (i + n < n_parts && parts[i + n].state == PART_MISSING)
            n++;
        if (n != 0)
            ADB_TRY(read_parts(cache, source, parts + i, n, reads_out));
        i += n != 0 ? n : 1;
    }
    return ARMDB_OK;
}

/* Reads what was not found. Waits for others only after its own flights have ended. */
static armdb_err
read_uncached(struct adb_cache *cache, const struct adb_cache_source *source, struct part *parts,
              uint32_t n_parts, uint32_t *reads_out)
{
    for (uint32_t i = 0; i < n_parts; i++) {
        if (parts[i].state == PART_MISSING && parts[i].is_cacheable)
            assign_part(cache, &parts[i]);
    }
    armdb_err err = read_missing(cache, source, parts, n_parts, reads_out);
    for (uint32_t i = 0; i < n_parts; i++) {
        if (parts[i].is_led)
            adb_cache_flight_end(&cache->flights, &parts[i].flight);
    }
    if (err != ARMDB_OK)
        return err;
    for (uint32_t i = 0; i < n_parts; i++) {
        if (parts[i].state != PART_AWAITED)
            continue;
        adb_cache_flight_wait(&cache->flights, &parts[i].flight);
        parts[i].state = copy_part_now(cache, &parts[i]) ? PART_DONE : PART_MISSING;
    }
    return read_missing(cache, source, parts, n_parts, reads_out);
}

/* A range that is not one block which is there. */
static armdb_err
read_range(struct adb_cache *cache, const struct adb_cache_source *source, uint64_t offset,
           size_t bytes, void *to, uint32_t *reads_out)
{
    const struct cache_table *table = adb_cache_table_of(cache);
    struct part parts[READ_BLOCKS_MAX];
    uint32_t n_parts = 0;
    uint32_t n_hits = 0;
    uint32_t n_misses = 0;
    uint64_t end = (offset / CACHE_BLOCK_BYTES + 1) * CACHE_BLOCK_BYTES; /* of the block */
    if (bytes == 0)
        return ARMDB_OK;
    if (table == NULL || end > source->valid_bytes || bytes > end + CACHE_BLOCK_BYTES - offset)
        return read_past_cache(source, offset, bytes, to, reads_out);
    for (size_t done = 0; done < bytes; n_parts++, end += CACHE_BLOCK_BYTES) {
        struct part *part = &parts[n_parts];
        part->piece = make_piece(source->file_key, offset + done, bytes - done,
                                 (unsigned char *)to + done);
        part->is_cacheable = end <= source->valid_bytes;
        part->is_led = false;
        part->state = part->is_cacheable && copy_piece(table, &part->piece) ? PART_DONE
                                                                            : PART_MISSING;
        n_hits += part->state == PART_DONE;
        n_misses += part->state == PART_MISSING && part->is_cacheable;
        done += part->piece.bytes;
    }
    if (n_hits != 0)
        adb_counter_add(&cache->hits, n_hits);
    if (n_hits == n_parts)
        return ARMDB_OK;
    adb_counter_add(&cache->misses, n_misses);
    return read_uncached(cache, source, parts, n_parts, reads_out);
}

armdb_err
adb_cache_read(struct adb_cache *cache, const struct adb_cache_source *source, uint64_t offset,
               size_t bytes, void *to, uint32_t *reads_out)
{
    const struct cache_table *table = adb_cache_table_of(cache);
    struct piece piece = make_piece(source->file_key, offset, bytes, to);
    *reads_out = 0;
    if (ADB_LIKELY(table != NULL && piece.bytes == bytes && bytes != 0 &&
                   offset - piece.from + CACHE_BLOCK_BYTES <= source->valid_bytes) &&
        copy_piece(table, &piece)) {
        adb_counter_add(&cache->hits, 1);
        return ARMDB_OK;
    }
    return read_range(cache, source, offset, bytes, to, reads_out);
}
