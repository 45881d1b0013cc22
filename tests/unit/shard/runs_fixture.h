/*
 * runs_fixture.h: records made up at random, and runs that tell of them, in memory or in hints on
 * the simulated system.
 */
#ifndef TEST_RUNS_FIXTURE_H
#define TEST_RUNS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "shard/recover_run.h"
#include "support/os_sim.h"
#include "support/seed.h"

#define assert_ok(expression) assert_int_equal((expression), ARMDB_OK)

enum { DATA_BYTES = 1 << 20 /* of each data file */, KEY_ROOM = 48, HASH_SEED = 5 /* of maps */ };

/* ----------------------------------------------------------------------- kinds */

/* Of collections: tree or map, fixed keys or not, values in the index or not; and a dropped one. */
static const struct kind {
    uint32_t collection_id;
    bool is_dropped;
    bool is_ordered;
    uint32_t key_bytes;   /* 0: variable */
    uint32_t value_bytes; /* 0: not in the index */
} kinds[] = {{0, false, true, 0, 0},    {1, false, true, 8, 0},      {2, true, true, 0, 0},
             {5, false, false, 0, 0},   {6, false, false, 16, 8},    {7, true, true, 16, 0},
             {300, false, true, 20, 4}, {70000, false, true, 0, 256}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* ----------------------------------------------------------------------- items */

/* A record, and the run that tells of it. */
struct item {
    const struct kind *kind;
    uint32_t run;
    bool is_tombstone;
    uint64_t location; /* slot 0 */
    uint64_t head;     /* of the key */
    uint32_t key_len;
    unsigned char key[KEY_ROOM];
};

static inline uint64_t
head_of(const struct kind *kind, armdb_slice key)
{
    const struct hint_entry entry = {.is_hashed = !kind->is_ordered, .key = key};
    return adb_recover_head(&entry, HASH_SEED);
}

static inline uint64_t
item_bytes(const struct item *item)
{
    return adb_location_record_bytes(item->location, item->key_len);
}

/* The value beside the key; NULL if there is none. */
static inline const void *
item_value(const struct item *item)
{
    static unsigned char values[HINT_VALUE_MAX + 256];
    if (values[1] == 0) {
        for (size_t i = 0; i < sizeof values; i++)
            values[i] = (unsigned char)(i * 151 + i / 256);
    }
    bool has_value = item->kind->value_bytes != 0 && !item->is_tombstone;
    return has_value ? values + item->location / 64 % 256 : NULL;
}

static inline struct hint_entry
item_entry(const struct item *item)
{
    return (struct hint_entry){.collection_id = item->kind->collection_id,
                               .is_tombstone = item->is_tombstone,
                               .is_variable = item->kind->key_bytes == 0,
                               .is_hashed = !item->kind->is_ordered,
                               .location = item->location,
                               .key = {item->key, item->key_len},
                               .value = item_value(item)};
}

/* A record of one of `n_keys` keys, anywhere in a data file. */
static inline void
make_item(struct item *item, struct test_rng *rng, uint32_t n_keys)
{
    item->kind = &kinds[test_rng_below(rng, KINDS)];
    struct test_rng of_key =
        test_rng_make(test_rng_below(rng, n_keys) * 64 + (uint64_t)(item->kind - kinds));
    item->key_len = item->kind->key_bytes;
    if (item->key_len == 0)
        item->key_len = 1 + (uint32_t)test_rng_below(&of_key, KEY_ROOM);
    test_rng_fill(&of_key, item->key, item->key_len);
    if (test_rng_one_in(&of_key, 2)) /* many differ late */
        memset(item->key, 'k', item->key_len < 12 ? item->key_len / 2 : 10);
    item->head = head_of(item->kind, (armdb_slice){item->key, item->key_len});
    item->is_tombstone = test_rng_one_in(rng, 5);
    uint32_t value_len = item->kind->value_bytes;
    if (value_len == 0)
        value_len = (uint32_t)test_rng_below(rng, 500);
    if (item->is_tombstone)
        value_len = 0;
    const struct log_record record = {
        .flags = item->is_tombstone ? LOG_FLAG_TOMBSTONE
                                    : (uint32_t)test_rng_below(rng, 2) * LOG_FLAG_DEADLINE,
        .key_len = item->key_len,
        .value_len = value_len};
    uint64_t last = (DATA_BYTES - adb_log_record_bytes(&record)) / 8;
    uint64_t first = LOG_FILE_HEADER_BYTES / 8;
    item->location = adb_location_of(0, 8 * (first + test_rng_below(rng, last - first + 1)),
                                     &record);
}

static inline int
compare_item_keys(const struct item *x, const struct item *y)
{
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    int order = memcmp(x->key, y->key, x->key_len < y->key_len ? x->key_len : y->key_len);
    if (order != 0)
        return order;
    return x->key_len < y->key_len ? -1 : x->key_len > y->key_len;
}

static inline int
compare_items(const void *a, const void *b)
{
    const struct item *x = (const struct item *)a;
    const struct item *y = (const struct item *)b;
    int order = compare_item_keys(x, y);
    return order != 0 ? order : x->run < y->run ? -1 : x->run > y->run;
}

/* Makes what one run tells of: sorted, each key once. Returns how many there are. */
static inline uint32_t
make_items(struct item *items, uint32_t n, struct test_rng *rng, uint32_t n_keys, uint32_t run)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        make_item(&items[i], rng, n_keys);
        items[i].run = run;
    }
    qsort(items, n, sizeof *items, compare_items);
    for (uint32_t i = 0; i < n; i++) {
        if (kept == 0 || compare_item_keys(&items[kept - 1], &items[i]) != 0)
            items[kept++] = items[i];
    }
    return kept;
}

/* ------------------------------------------------------------------------ files */

/* A data file of DATA_BYTES of which nothing is looked at but its header and SEAL. */
static inline struct data_file *
make_data_file(struct sim *sim, const char *directory, const struct log_file_header *header)
{
    struct data_file *file;
    char path[64];
    unsigned char *bytes = (unsigned char *)calloc(1, DATA_BYTES);
    uint64_t seal_at = DATA_BYTES - LOG_MARK_RECORD_BYTES;
    assert_non_null(bytes);
    adb_log_encode_file_header(header, bytes);
    adb_log_encode_mark(adb_log_file_seed(header), seal_at, LOG_META_SEAL, 77, seal_at,
                        bytes + seal_at);
    snprintf(path, sizeof path, "%s/%010u.log", directory, (unsigned)header->file_id);
    sim_write_file(sim, path, bytes, DATA_BYTES);
    free(bytes);
    assert_ok(adb_data_file_open(sim_os(sim), directory, header, ADB_OPEN_READ_WRITE, &file));
    return file;
}

/* Where chunks go. */
struct sink {
    struct recover_runs *runs;
    struct shard *shard;
    struct data_file *file;
    struct hint_writer *writer; /* NULL: into memory */
    uint32_t chunks;            /* of the hint */
    struct hint_chunk chunk;
};

static inline armdb_err
hand_out_chunk(struct sink *sink, bool begins_segment)
{
    adb_hint_chunk_finish(&sink->chunk, begins_segment);
    armdb_err err = sink->writer != NULL
                        ? adb_hint_write(sink->writer, &sink->chunk)
                        : adb_runs_add_chunk(sink->runs, sink->shard, sink->file, &sink->chunk);
    sink->chunks++;
    adb_hint_chunk_clear(&sink->chunk);
    return err;
}

/* Adds a run of `n` items, which is not 0. */
static inline armdb_err
add_run(struct sink *sink, const struct item *items, uint32_t n)
{
    bool begins = true;
    adb_hint_chunk_clear(&sink->chunk);
    for (uint32_t i = 0; i < n; i++) {
        const struct hint_entry entry = item_entry(&items[i]);
        if (adb_hint_chunk_add(&sink->chunk, &entry))
            continue;
        ADB_TRY(hand_out_chunk(sink, begins));
        begins = false;
        assert_true(adb_hint_chunk_add(&sink->chunk, &entry));
    }
    return hand_out_chunk(sink, begins);
}

static inline struct hint_header
describe_file(const struct data_file *file, uint32_t chunks)
{
    return (struct hint_header){
        .file = file->header, .data_bytes = DATA_BYTES, .last_sequence = 77, .chunks = chunks};
}

static inline void
begin_hint(struct sink *sink, const char *directory)
{
    const struct hint_header header = describe_file(sink->file, 0);
    sink->chunks = 0;
    assert_ok(adb_hint_begin(sink->file->file->os, directory, &header, &sink->writer));
}

/* Ends the hint, and opens it. */
static inline struct hint_reader *
end_hint(struct sink *sink, const char *directory)
{
    const struct hint_header header = describe_file(sink->file, sink->chunks);
    struct hint_reader *reader;
    const char *why_not;
    assert_ok(adb_hint_commit(sink->writer, &header));
    sink->writer = NULL;
    assert_ok(adb_hint_open(sink->file, directory, false, &reader, &why_not));
    assert_non_null(reader);
    return reader;
}

#endif
