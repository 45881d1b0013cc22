/*
 * A hint next to a data file that it fits. The first byte says what to put right. An input is the
 * hint byte for byte, its checksums put right; or, shorter, chunks: flags, length, groups each.
 *
 * Whatever a hint says: it is refused, or its entries lie in their chunks, make sense, and can be
 * written again; merged, each names a place in the data file; and what gets into the indexes does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "fuzz/fuzz_input.h"
#include "shard/recover_apply.h"
#include "support/os_sim.h"

enum { IS_WHOLE_FILE = 1, FIX_CRC = 2, IS_NEWEST = 4, TWO_THREADS = 8 };
enum { DATA_BYTES = 1 << 20, SIZE_MAX_BYTES = 1 << 20, CHUNKS_MAX = 64, LAST_SEQUENCE = 77 };

#define DIRECTORY "/db/shard-000"

static const struct log_file_header FILE_HEADER = {.db_id = {1, 2, 3}, .file_id = 1};

/* The same for all inputs. */
static struct sim *sim;
static struct adb_pages *pages;
static struct shard *shard;
static struct data_file *file;

/* Made anew for each. */
enum { INDEXES = 4, DROPPED = 4 };
static struct shard_index indexes[INDEXES];

static void
set_up(void)
{
    if (sim != NULL)
        return;
    sim = sim_new(1);
    unsigned char *bytes = (unsigned char *)calloc(1, DATA_BYTES);
    ADB_ASSERT(bytes != NULL && adb_pages_new(&pages) == ARMDB_OK);
    uint64_t seal_at = DATA_BYTES - LOG_MARK_RECORD_BYTES;
    adb_log_encode_file_header(&FILE_HEADER, bytes);
    adb_log_encode_mark(adb_log_file_seed(&FILE_HEADER), seal_at, LOG_META_SEAL, LAST_SEQUENCE,
                        seal_at, bytes + seal_at);
    sim_make_dir(sim, DIRECTORY);
    sim_write_file(sim, DIRECTORY "/0000000001.log", bytes, DATA_BYTES);
    free(bytes);
    const struct shard_config config = {.os = sim_os(sim),
                                        .directory = "/db",
                                        .max_file_bytes = DATA_BYTES,
                                        .write_buffer_bytes = 65536,
                                        .pages = pages};
    ADB_ASSERT(adb_shard_new(&config, &shard) == ARMDB_OK);
    ADB_ASSERT(adb_data_file_open(sim_os(sim), DIRECTORY, &FILE_HEADER, ADB_OPEN_READ, &file) ==
               ARMDB_OK);
    adb_shard_add_file(shard, file);
}

static void
make_indexes(void)
{
    static const struct {
        bool is_ordered;
        uint32_t key_bytes;
        uint32_t value_bytes;
    } kinds[INDEXES] = {{true, 0, 0}, {true, 8, 0}, {false, 4, 8}, {false, 0, 0}};
    for (uint32_t i = 0; i < INDEXES; i++) {
        const struct adb_index_config config = {.pages = pages,
                                                .is_ordered = kinds[i].is_ordered,
                                                .key_bytes = kinds[i].key_bytes,
                                                .value_bytes = kinds[i].value_bytes,
                                                .n_writers = ADB_CREW_MAX};
        ADB_ASSERT(adb_index_init(&indexes[i].keys, &config) == ARMDB_OK);
        indexes[i].key_bytes = kinds[i].key_bytes != 0 ? kinds[i].key_bytes : ARMDB_KEY_VARIABLE;
    }
}

static const char *
find_index(void *context, const struct shard_origin *origin, struct shard_index **index_out)
{
    (void)context;
    *index_out = origin->collection_id < INDEXES ? &indexes[origin->collection_id] : NULL;
    return origin->collection_id <= DROPPED ? NULL : "a collection that never was";
}

/* -------------------------------------------------------------------------- input */

/* Seals what there is of chunks. */
static void
put_right(unsigned char *bytes, size_t size)
{
    struct hint_header header;
    adb_store_u32(bytes + HINT_HEADER_BYTES - 4, adb_crc32c(0, bytes, HINT_HEADER_BYTES - 4));
    if (!adb_hint_decode_header(bytes, &header))
        return;
    uint32_t number = 0;
    size_t at = HINT_HEADER_BYTES;
    for (; size - at >= HINT_CHUNK_BYTES; at += HINT_CHUNK_BYTES)
        adb_hint_seal_chunk(bytes + at, adb_hint_seed(&header), number++);
}

/* Makes a hint of chunks of which each says how long it is. Returns its length. */
static size_t
unpack(struct fuzz_input *input, unsigned char *to)
{
    struct hint_header header = {
        .file = FILE_HEADER, .data_bytes = DATA_BYTES, .last_sequence = LAST_SEQUENCE};
    size_t at = HINT_HEADER_BYTES;
    for (; input->size > 0 && header.chunks < CHUNKS_MAX; at += HINT_CHUNK_BYTES) {
        const size_t room = HINT_CHUNK_BYTES - HINT_CHUNK_HEAD_BYTES;
        uint32_t flags = take_u8(input);
        size_t len = take_u16(input) % (room + 1);
        size_t there = len < input->size ? len : input->size;
        if (there > 0)
            memcpy(to + at + HINT_CHUNK_HEAD_BYTES, input->data, there);
        input->data += there;
        input->size -= there;
        adb_store_u32(to + at + 4, (uint32_t)len + HINT_CHUNK_HEAD_BYTES);
        adb_store_u32(to + at + 8, flags & 1);
        adb_hint_seal_chunk(to + at, adb_hint_seed(&header), header.chunks++);
    }
    adb_hint_encode_header(&header, to);
    return at;
}

/* ------------------------------------------------------------------------- checks */

static bool
is_inside(const unsigned char *bytes, size_t size, const void *part, size_t len)
{
    const unsigned char *from = (const unsigned char *)part;
    return from >= bytes + HINT_CHUNK_HEAD_BYTES && from + len <= bytes + size;
}

static void
check_entry(const struct hint_entry *entry, const unsigned char *bytes, size_t size)
{
    uint32_t value_len = adb_location_value_len(entry->location);
    ADB_ASSERT(entry->collection_id <= LOG_COLLECTION_ID_MAX);
    ADB_ASSERT(entry->key.len >= 1 && entry->key.len <= ARMDB_KEY_MAX);
    ADB_ASSERT(is_inside(bytes, size, entry->key.data, entry->key.len));
    ADB_ASSERT(adb_location_slot(entry->location) == 0);
    ADB_ASSERT(!entry->is_tombstone || (value_len == 0 && entry->value == NULL &&
                                        !adb_location_has_deadline(entry->location)));
    if (entry->value != NULL) {
        ADB_ASSERT(value_len >= 1 && value_len <= HINT_VALUE_MAX);
        ADB_ASSERT(is_inside(bytes, size, entry->value, value_len));
    }
}

static void
assert_same(const struct hint_entry *a, const struct hint_entry *b)
{
    ADB_ASSERT(a->collection_id == b->collection_id && adb_hint_word(a) == adb_hint_word(b));
    ADB_ASSERT(a->key.len == b->key.len && memcmp(a->key.data, b->key.data, a->key.len) == 0);
    if (a->value != NULL)
        ADB_ASSERT(memcmp(a->value, b->value, adb_location_value_len(a->location)) == 0);
}

/* Walks over a chunk, in memory of just what it uses, and writes it anew. Returns the number of its
 * entries. */
static uint32_t
check_chunk(const unsigned char *whole)
{
    static struct hint_chunk again;
    struct hint_walk walk, other;
    struct hint_entry entry, copied;
    size_t size = adb_load_u32(whole + 4);
    uint32_t n = 0, kept = 0;
    unsigned char *bytes = (unsigned char *)malloc(size);
    ADB_ASSERT(bytes != NULL);
    memcpy(bytes, whole, size);
    adb_hint_chunk_clear(&again);
    bool has_room = true;
    for (adb_hint_walk_begin(&walk, bytes); adb_hint_walk_next(&walk, &entry) == HINT_ENTRY; n++) {
        check_entry(&entry, bytes, size);
        has_room = has_room && adb_hint_chunk_add(&again, &entry);
        kept += has_room;
    }
    if (kept > 0)
        adb_hint_chunk_finish(&again, false);
    adb_hint_walk_begin(&walk, bytes);
    adb_hint_walk_begin(&other, again.bytes);
    for (uint32_t i = 0; i < kept; i++) {
        ADB_ASSERT(adb_hint_walk_next(&walk, &entry) == HINT_ENTRY);
        ADB_ASSERT(adb_hint_walk_next(&other, &copied) == HINT_ENTRY);
        assert_same(&entry, &copied);
    }
    ADB_ASSERT(kept == 0 || adb_hint_walk_next(&other, &copied) == HINT_END);
    free(bytes);
    return n;
}

/* Checks each chunk, and where segments begin. Returns the number of entries. */
static uint64_t
check_chunks(const struct hint_reader *hint)
{
    unsigned char bytes[HINT_CHUNK_BYTES];
    uint32_t n_segments, segment = 0;
    uint64_t n = 0;
    const uint32_t *segments = adb_hint_segments(hint, &n_segments);
    for (uint32_t i = 0; i < adb_hint_header(hint)->chunks; i++) {
        ADB_ASSERT(adb_hint_read(hint, i, bytes) == ARMDB_OK);
        n += check_chunk(bytes);
        if (adb_hint_begins_segment(bytes))
            ADB_ASSERT(segment < n_segments && segments[segment++] == i);
        ADB_ASSERT(segment > 0);
    }
    ADB_ASSERT(segment == n_segments);
    return n;
}

static bool
is_placed(uint64_t location, armdb_slice key)
{
    uint64_t offset = adb_location_offset(location);
    uint64_t bytes = adb_location_record_bytes(location, key.len);
    return offset >= LOG_FILE_HEADER_BYTES && offset + bytes <= DATA_BYTES;
}

/* Walks through all runs, from a place on. Returns how many entries there were. */
static uint64_t
merge_all(const struct recover_run *const *runs, uint32_t n_runs, const struct recover_place *from,
          armdb_err *err_out)
{
    struct recover_merge *merge;
    const struct recover_cursor *cursor;
    uint64_t n = 0;
    armdb_err err = adb_merge_begin(runs, n_runs, from, NULL, &merge);
    while (err == ARMDB_OK && (cursor = adb_merge_current(merge)) != NULL) {
        ADB_ASSERT(is_placed(cursor->entry.location, cursor->entry.key));
        ADB_ASSERT(cursor->number < n_runs && cursor->run == runs[cursor->number]);
        n++;
        err = adb_merge_next(merge);
    }
    ADB_ASSERT(err == ARMDB_OK || err == ARMDB_CORRUPT);
    adb_merge_end(merge);
    *err_out = err;
    return n;
}

static void
check_key(void *context, armdb_slice key, uint64_t location)
{
    (void)context;
    ADB_ASSERT(adb_location_slot(location) == file->slot && is_placed(location, key));
}

static void
note_part(void *context, uint32_t done, uint32_t parts)
{
    (void)context;
    ADB_ASSERT(done <= parts);
}

static void
apply_all(const struct recover_run *const *runs, uint32_t n_runs, uint32_t n_threads,
          uint64_t n_entries)
{
    const struct recover_apply apply = {.runs = runs,
                                        .n_runs = n_runs,
                                        .n_threads = n_threads,
                                        .find = find_index,
                                        .on_part = note_part};
    uint64_t n_keys = 0;
    file->dead_bytes = 0;
    make_indexes();
    armdb_err err = adb_recover_apply(&apply);
    ADB_ASSERT(err == ARMDB_OK || err == ARMDB_CORRUPT);
    for (uint32_t i = 0; i < INDEXES; i++) {
        n_keys += adb_index_count(&indexes[i].keys);
        adb_index_each(&indexes[i].keys, check_key, NULL);
        adb_index_fini(&indexes[i].keys);
    }
    ADB_ASSERT(n_keys <= n_entries);
}

static void
check_hint(struct hint_reader *hint, uint32_t n_threads)
{
    const struct recover_run *runs[CHUNKS_MAX];
    struct recover_runs all = {0};
    struct recover_place middle;
    unsigned char bytes[HINT_CHUNK_BYTES];
    uint64_t n = check_chunks(hint);
    armdb_err err;
    ADB_ASSERT(adb_runs_add_hint(&all, shard, file, hint) == ARMDB_OK);
    ADB_ASSERT(all.count <= CHUNKS_MAX);
    for (uint32_t i = 0; i < all.count; i++)
        runs[i] = &all.run[i];
    uint64_t merged = merge_all(runs, all.count, NULL, &err);
    ADB_ASSERT(merged <= n && (err != ARMDB_OK || merged == n));
    if (all.count > 0 && adb_run_first(runs[0], runs[0]->count / 2, bytes, &middle) == ARMDB_OK)
        ADB_ASSERT(merge_all(runs, all.count, &middle, &err) <= n);
    apply_all(runs, all.count, n_threads, n);
    adb_runs_clear(&all);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    uint32_t what = take_u8(&input);
    if (input.size > SIZE_MAX_BYTES)
        return 0;
    set_up();
    unsigned char *bytes =
        (unsigned char *)calloc(1, HINT_HEADER_BYTES + CHUNKS_MAX * (size_t)HINT_CHUNK_BYTES);
    ADB_ASSERT(bytes != NULL);
    size_t len = input.size;
    if ((what & IS_WHOLE_FILE) == 0) {
        len = unpack(&input, bytes);
    } else if (len > 0) {
        memcpy(bytes, input.data, len);
        if ((what & FIX_CRC) != 0 && len >= HINT_HEADER_BYTES)
            put_right(bytes, len);
    }
    sim_write_file(sim, DIRECTORY "/0000000001.hint", bytes, len);
    struct hint_reader *hint;
    const char *why_not;
    ADB_ASSERT(adb_hint_open(file, DIRECTORY, (what & IS_NEWEST) != 0, &hint, &why_not) ==
               ARMDB_OK);
    ADB_ASSERT((hint == NULL) == (why_not != NULL));
    if (hint != NULL)
        check_hint(hint, (what & TWO_THREADS) != 0 ? 2 : 1);
    ADB_ASSERT(sim_open_count(sim) == 1);
    free(bytes);
    return 0;
}
