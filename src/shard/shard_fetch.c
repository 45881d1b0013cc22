#include "shard/shard_fetch.h"

#include "base/assert.h"
#include "base/mem.h"
#include "os/mapping.h"
#include "shard/shard_private.h"

enum {
    BLOCK_BYTES = 4096,
    RUN_BLOCKS = 64,          /* of one read at most, unless a record is longer */
    ALONE_BYTES = 240 * 1024, /* longer records are read alone: the device is as fast so */
    NO_READ = UINT8_MAX
};

_Static_assert(BLOCK_BYTES == (int)CACHE_BLOCK_BYTES && BLOCK_BYTES == (int)ADB_READ_ALIGNMENT,
               "blocks are read as they are cached");

/* ------------------------------------------------------------------------- life */

struct fetch *
adb_fetch_take(struct fetch_pool *pool)
{
    for (int i = 0; i < FETCH_SPARE; i++) {
        /* Acquire: what the last one left in it. */
        struct fetch *fetch = atomic_exchange_explicit(&pool->spare[i], NULL, memory_order_acquire);
        if (fetch != NULL) {
            adb_fetch_clear(fetch);
            return fetch;
        }
    }
    struct fetch *fetch = adb_new(struct fetch);
    if (fetch == NULL)
        return NULL;
    fetch->memory = (unsigned char *)adb_mapping_new(FETCH_BLOCKS * BLOCK_BYTES, BLOCK_BYTES);
    if (fetch->memory != NULL)
        return fetch;
    adb_mem_free(fetch);
    return NULL;
}

static void
free_fetch(struct fetch *fetch)
{
    if (fetch != NULL)
        adb_mapping_free(fetch->memory, FETCH_BLOCKS * BLOCK_BYTES);
    adb_mem_free(fetch);
}

void
adb_fetch_give(struct fetch_pool *pool, struct fetch *fetch)
{
    for (int i = 0; fetch != NULL && i < FETCH_SPARE; i++)
        fetch = atomic_exchange_explicit(&pool->spare[i], fetch, memory_order_acq_rel);
    free_fetch(fetch);
}

void
adb_fetch_pool_fini(struct fetch_pool *pool)
{
    for (int i = 0; i < FETCH_SPARE; i++)
        free_fetch(atomic_load_explicit(&pool->spare[i], memory_order_acquire));
}

/* ---------------------------------------------------------------------- asking */

bool
adb_fetch_add(struct fetch *fetch, struct shard *shard, uint64_t location, size_t key_len)
{
    struct fetch_part *part = &fetch->parts[fetch->n_parts];
    uint32_t slot = adb_location_slot(location);
    uint64_t offset = adb_location_offset(location);
    uint64_t end = offset + adb_location_record_bytes(location, key_len);
    uint64_t block = offset / BLOCK_BYTES;
    uint64_t end_block = (end + BLOCK_BYTES - 1) / BLOCK_BYTES;
    struct data_file *file = atomic_load_explicit(&shard->files[slot], memory_order_acquire);
    uint64_t valid = atomic_load_explicit(&file->written, memory_order_acquire);
    if (end > valid || end - offset > ALONE_BYTES || fetch->n_parts == FETCH_PARTS ||
        end_block - block > FETCH_BLOCKS - fetch->n_blocks)
        return false;
    *part = (struct fetch_part){
        .shard = shard,
        .file = file,
        .file_key_now = &shard->file_keys[slot],
        .file_key = adb_shard_file_key(file),
        .location = location,
        .block = block,
        .n_blocks = (uint32_t)(end_block - block),
        .has_checksum = file->verify_reads != ARMDB_VERIFY_NEVER,
        .seed = file->seed,
        .bytes = (uint32_t)(end - offset),
    };
    /* As adb_cache_read(): whole blocks of records that are not long. */
    if (shard->cache != NULL && part->n_blocks <= 2)
        part->n_cached = part->n_blocks - (end_block * BLOCK_BYTES > valid);
    fetch->n_parts++;
    fetch->n_blocks += part->n_blocks;
    return true;
}

void
adb_fetch_add_block(struct fetch *fetch, struct shard *shard, uint32_t slot, uint64_t block)
{
    struct data_file *file = atomic_load_explicit(&shard->files[slot], memory_order_acquire);
    if (file == NULL)
        return;
    fetch->parts[fetch->n_parts++] = (struct fetch_part){
        .shard = shard,
        .file = file,
        .file_key = adb_shard_file_key(file),
        .block = block,
        .n_blocks = 1,
        .n_cached = 1,
    };
    fetch->n_blocks++;
}

/* --------------------------------------------------------------------- reading */

/* A fetch under way: parts in the order of files, and what they become. */
struct run {
    struct fetch *fetch;
    uint32_t n_flights;
    uint32_t n_reads;
    uint32_t n_used;               /* blocks of memory */
    const struct fetch_part *last; /* whose file the last read is of */
    uint64_t end;                  /* the block behind that read */
    uint8_t order[FETCH_PARTS];
    uint8_t read_of[FETCH_PARTS];         /* by part */
    uint8_t read_of_flight[FETCH_BLOCKS]; /* NO_READ: none */
    struct adb_file_read_op reads[FETCH_PARTS];
};

static bool
comes_before(const struct fetch_part *a, const struct fetch_part *b)
{
    return a->file_key != b->file_key ? a->file_key < b->file_key : a->block < b->block;
}

static void
sort_parts(struct run *run)
{
    const struct fetch_part *parts = run->fetch->parts;
    for (uint32_t i = 0; i < run->fetch->n_parts; i++) {
        uint32_t at = i;
        for (; at > 0 && comes_before(&parts[i], &parts[run->order[at - 1]]); at--)
            run->order[at] = run->order[at - 1];
        run->order[at] = (uint8_t)i;
    }
}

/* Whether this fetch leads the flight of a block, from a part before it in order. */
static bool
is_led(const struct run *run, uint64_t file_key, uint64_t block)
{
    const struct cache_flight *flights = run->fetch->flights;
    uint32_t i = run->n_flights;
    while (i > 0 && flights[i - 1].id.file_key == file_key && flights[i - 1].id.block > block)
        i--;
    return i > 0 && flights[i - 1].id.file_key == file_key && flights[i - 1].id.block == block;
}

/* Leads the flights of a part's blocks. Says whether it does of all: else others bring them. */
static bool
lead_blocks(struct run *run, const struct fetch_part *part)
{
    bool is_all = true;
    for (uint64_t block = part->block; block < part->block + part->n_cached; block++) {
        if (is_led(run, part->file_key, block))
            continue;
        if (adb_cache_lead(part->shard->cache, part->file_key, block,
                           &run->fetch->flights[run->n_flights]))
            run->read_of_flight[run->n_flights++] = NO_READ;
        else
            is_all = false;
    }
    return is_all;
}

/* Lets a part have a read, of its own or, if it begins where the last one is or ends, that. */
static void
place_part(struct run *run, uint32_t i)
{
    struct fetch_part *part = &run->fetch->parts[i];
    uint64_t end = part->block + part->n_blocks;
    struct adb_file_read_op *read = &run->reads[run->n_reads];
    if (run->last != NULL && run->last->file == part->file && part->block <= run->end &&
        end - run->last->block <= RUN_BLOCKS) {
        read--;
    } else {
        *read = (struct adb_file_read_op){
            .file = adb_data_file_reader(part->file),
            .offset = part->block * BLOCK_BYTES,
            .to = run->fetch->memory + (size_t)run->n_used * BLOCK_BYTES,
        };
        adb_counter_add(&part->shard->reads, 1);
        run->n_reads++;
        run->last = part;
        run->end = part->block;
    }
    if (end > run->end) {
        run->n_used += (uint32_t)(end - run->end);
        run->end = end;
    }
    read->bytes = (size_t)(run->end - run->last->block) * BLOCK_BYTES;
    run->read_of[i] = (uint8_t)(run->n_reads - 1);
    part->at = (const unsigned char *)read->to + (part->block * BLOCK_BYTES - read->offset) +
               adb_location_offset(part->location) % BLOCK_BYTES;
    const struct cache_flight *flights = run->fetch->flights;
    for (uint32_t f = run->n_flights; f > 0 && flights[f - 1].id.file_key == part->file_key &&
                                      flights[f - 1].id.block >= part->block;
         f--) {
        if (flights[f - 1].id.block < run->end)
            run->read_of_flight[f - 1] = run->read_of[i];
    }
}

/* Brings the blocks that were read to the cache, and lets go of those that were not. */
static void
land_blocks(struct run *run, struct adb_cache *cache)
{
    for (uint32_t i = 0; i < run->n_flights; i++) {
        struct cache_flight *flight = &run->fetch->flights[i];
        const unsigned char *bytes = NULL;
        if (run->read_of_flight[i] != NO_READ) {
            const struct adb_file_read_op *read = &run->reads[run->read_of_flight[i]];
            size_t at = (size_t)(flight->id.block * BLOCK_BYTES - read->offset);
            if (at + BLOCK_BYTES <= read->got)
                bytes = (const unsigned char *)read->to + at;
        }
        adb_cache_land(cache, flight, bytes);
    }
}

void
adb_fetch_run(struct fetch *fetch)
{
    struct run run = {.fetch = fetch};
    if (fetch->n_parts == 0)
        return;
    sort_parts(&run);
    for (uint32_t i = 0; i < fetch->n_parts; i++) {
        if (lead_blocks(&run, &fetch->parts[run.order[i]]))
            place_part(&run, run.order[i]);
    }
    const struct shard *shard = fetch->parts[0].shard;
    adb_os_read_batch(shard->os, run.reads, run.n_reads);
    land_blocks(&run, shard->cache);
    for (uint32_t i = 0; i < fetch->n_parts; i++) {
        struct fetch_part *part = &fetch->parts[i];
        if (part->at == NULL)
            continue;
        const struct adb_file_read_op *read = &run.reads[run.read_of[i]];
        if ((size_t)(part->at - (const unsigned char *)read->to) + part->bytes > read->got)
            part->at = NULL;
    }
}

/* ---------------------------------------------------------------------- taking */

const unsigned char *
adb_fetch_value(const struct fetch *fetch, uint32_t part_number, armdb_slice key)
{
    const struct fetch_part *part = &fetch->parts[part_number];
    const struct log_record expected = adb_location_record(part->location, key.len);
    struct log_record record;
    if (part->at == NULL || adb_location_has_deadline(part->location) ||
        atomic_load_explicit(part->file_key_now, memory_order_acquire) != part->file_key)
        return NULL;
    adb_log_decode_record(part->at, &record);
    if ((part->has_checksum &&
         record.crc != adb_log_record_crc(part->seed, adb_location_offset(part->location), part->at,
                                          part->bytes)) ||
        !adb_log_record_is_of(&record, part->at, &expected, key))
        return NULL;
    return part->at + LOG_RECORD_HEADER_BYTES + key.len;
}
