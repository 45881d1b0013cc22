/* From records to the chunks of a hint, against a model: the same records, sorted by qsort(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/key_sort.h"
#include "base/mem.h"
#include "log/hint_build.h"
#include "support/seed.h"

/* ----------------------------------------------------------------------- records */

static const struct kind {
    uint32_t id;
    struct hint_collection collection;
    bool is_dropped;
    uint32_t key_bytes;   /* 0: any length */
    uint32_t value_bytes; /* 0: any length */
} kinds[] = {
    {0, {.is_variable = true}, false, 0, 0},
    {1, {0}, false, 8, 0},
    {5, {.has_values = true}, false, 16, 8},
    {6, {0}, true, 0, 0},
    {300, {.is_variable = true, .has_values = true}, false, 0, HINT_VALUE_MAX},
    {301, {.is_variable = true, .is_hashed = true, .seed = 7}, false, 0, 0},
    {302, {.has_values = true, .is_hashed = true, .seed = 7}, false, 16, 8},
    {70000, {0}, false, 1, 0},
    {LOG_COLLECTION_ID_MAX, {0}, false, ARMDB_FIXED_KEY_MAX, 0},
};
enum { KINDS = sizeof kinds / sizeof kinds[0], RECORDS_MAX = 20000 };

struct record {
    const struct kind *kind;
    uint32_t flags;
    uint64_t offset; /* they ascend */
    uint32_t value_len;
    uint32_t key_len;
    unsigned char key[ARMDB_KEY_MAX];
};

static struct record *records; /* RECORDS_MAX */
static uint32_t n_records;
static unsigned char value[LOG_SCAN_VALUE_MAX];

static bool
is_tombstone(const struct record *record)
{
    return record->flags == LOG_FLAG_TOMBSTONE;
}

static struct log_record
head_of(const struct record *record)
{
    return (struct log_record){.value_len = record->value_len,
                               .flags = record->flags,
                               .key_len = record->key_len,
                               .collection_id = record->kind->id};
}

static uint64_t
bytes_of(const struct record *record)
{
    const struct log_record head = head_of(record);
    return adb_log_record_bytes(&head);
}

static const unsigned char *
value_of(const struct record *record)
{
    return record->value_len < LOG_SCAN_VALUE_MAX ? value + record->offset % 1000 : NULL;
}

/* Key `number` of a kind. */
static void
make_key(struct record *record, uint64_t number)
{
    struct test_rng rng = test_rng_make(number * 64 + (uint64_t)(record->kind - kinds));
    record->key_len = record->kind->key_bytes;
    if (record->key_len == 0)
        record->key_len = 1 + (uint32_t)test_rng_below(&rng, 20);
    if (record->kind->key_bytes == 0 && test_rng_one_in(&rng, 30))
        record->key_len = ARMDB_KEY_MAX;
    test_rng_fill(&rng, record->key, record->key_len);
    if (test_rng_one_in(&rng, 3)) /* many have the same front */
        memset(record->key, 'k', record->key_len < 12 ? record->key_len / 2 : 10);
}

static void
make_records(struct test_rng *rng, uint32_t n, uint32_t n_keys)
{
    static const uint32_t lengths[] = {0, 1, 100, LOG_SCAN_VALUE_MAX - 1000, LOG_SCAN_VALUE_MAX};
    uint64_t offset = LOG_FILE_HEADER_BYTES;
    for (uint32_t i = 0; i < n; i++) {
        struct record *record = &records[i];
        record->kind = &kinds[test_rng_below(rng, KINDS)];
        static const uint32_t flags[] = {0, 0, 0, LOG_FLAG_TOMBSTONE, LOG_FLAG_DEADLINE};
        record->flags = flags[test_rng_below(rng, sizeof flags / sizeof flags[0])];
        record->value_len = record->kind->value_bytes;
        if (record->value_len == 0)
            record->value_len = lengths[test_rng_below(rng, sizeof lengths / sizeof lengths[0])];
        if (is_tombstone(record))
            record->value_len = 0;
        record->offset = offset;
        make_key(record, test_rng_below(rng, n_keys));
        offset += bytes_of(record);
    }
    n_records = n;
}

static int
compare_keys(const struct record *x, const struct record *y)
{
    if (x->kind->id != y->kind->id)
        return x->kind->id < y->kind->id ? -1 : 1;
    const struct hint_collection *collection = &x->kind->collection;
    if (collection->is_hashed) {
        uint64_t a = adb_hash(x->key, x->key_len, collection->seed);
        uint64_t b = adb_hash(y->key, y->key_len, collection->seed);
        if (a != b)
            return a < b ? -1 : 1;
    }
    int order = memcmp(x->key, y->key, x->key_len < y->key_len ? x->key_len : y->key_len);
    if (order != 0)
        return order;
    return x->key_len < y->key_len ? -1 : x->key_len > y->key_len;
}

static int
compare_records(const void *a, const void *b)
{
    const struct record *x = *(const struct record *const *)a;
    const struct record *y = *(const struct record *const *)b;
    int order = compare_keys(x, y);
    return order != 0 ? order : x->offset < y->offset ? -1 : 1;
}

/* ------------------------------------------------------------------------ chunks */

/* Chunks that were handed out, one after the other. */
struct chunks {
    unsigned char *bytes; /* owned */
    uint32_t n;
    uint32_t fail_at; /* number of the chunk that is refused; 0: none */
};

static armdb_err
take_chunk(void *context, struct hint_chunk *chunk)
{
    struct chunks *chunks = (struct chunks *)context;
    assert_true(chunk->used > HINT_CHUNK_HEAD_BYTES && chunk->used <= HINT_CHUNK_BYTES);
    if (chunks->fail_at == chunks->n + 1)
        return ARMDB_NO_SPACE;
    chunks->bytes = (unsigned char *)realloc(chunks->bytes,
                                             (size_t)(chunks->n + 1) * HINT_CHUNK_BYTES);
    assert_non_null(chunks->bytes);
    memcpy(chunks->bytes + (size_t)chunks->n * HINT_CHUNK_BYTES, chunk->bytes, HINT_CHUNK_BYTES);
    chunks->n++;
    return ARMDB_OK;
}

static armdb_err
add(struct hint_build *build, const struct record *record)
{
    const struct log_scan_record found = {.record = head_of(record),
                                          .key = {record->key, record->key_len},
                                          .value = value_of(record),
                                          .offset = record->offset};
    return adb_hint_build_add(build, &found,
                              record->kind->is_dropped ? NULL : &record->kind->collection);
}

/* Builds the hint of all records. */
static armdb_err
build_all(uint64_t data_bytes, struct chunks *chunks, struct hint_build **build_out)
{
    struct hint_build *build = adb_hint_build_new(data_bytes, take_chunk, chunks);
    *build_out = build;
    if (build == NULL)
        return adb_err_detail()->code;
    for (uint32_t i = 0; i < n_records; i++)
        ADB_TRY(add(build, &records[i]));
    return adb_hint_build_end(build);
}

/* ------------------------------------------------------------------------- model */

/* What is left to be read of what was handed out. */
struct reading {
    const struct chunks *chunks;
    uint32_t next; /* chunk */
    struct hint_walk walk;
};

/* The next entry of the segment. False: there is none, but perhaps another segment. */
static bool
read_entry(struct reading *reading, bool begins, struct hint_entry *entry_out)
{
    enum hint_step step = begins ? HINT_END : adb_hint_walk_next(&reading->walk, entry_out);
    assert_int_not_equal(step, HINT_DAMAGED);
    if (step == HINT_ENTRY)
        return true;
    if (reading->next == reading->chunks->n)
        return false;
    const unsigned char *bytes = reading->chunks->bytes + (size_t)reading->next * HINT_CHUNK_BYTES;
    if (adb_hint_begins_segment(bytes) != begins)
        return false;
    reading->next++;
    adb_hint_walk_begin(&reading->walk, bytes);
    assert_int_equal(adb_hint_walk_next(&reading->walk, entry_out), HINT_ENTRY);
    return true;
}

static uint32_t
find_record(uint64_t offset)
{
    uint32_t low = 0, high = n_records;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (records[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    assert_true(n_records > 0 && records[low].offset == offset);
    return low;
}

static void
assert_is(const struct hint_entry *entry, const struct record *record)
{
    uint64_t location = adb_location_make(0, record->offset, record->value_len);
    if (record->flags == LOG_FLAG_DEADLINE)
        location |= LOCATION_DEADLINE;
    assert_int_equal(entry->collection_id, record->kind->id);
    assert_int_equal(entry->is_tombstone, is_tombstone(record));
    assert_int_equal(entry->is_variable, record->kind->collection.is_variable);
    assert_int_equal(entry->is_hashed, record->kind->collection.is_hashed);
    assert_true(entry->location == location);
    assert_int_equal(entry->key.len, record->key_len);
    assert_memory_equal(entry->key.data, record->key, record->key_len);
    bool has_value = record->kind->collection.has_values && !is_tombstone(record);
    assert_int_equal(entry->value != NULL, has_value);
    if (has_value)
        assert_memory_equal(entry->value, value_of(record), record->value_len);
}

/* Checks a segment: it must have the newest of each key of the records `from` and up to that of
 * which it has the last entry. Returns the number of the record behind that. */
static uint32_t
check_segment(const struct hint_entry *entries, const struct record *const *found, uint32_t n,
              uint32_t from)
{
    static const struct record *sorted[RECORDS_MAX];
    uint32_t end = from, n_sorted = 0, at = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t number = (uint32_t)(found[i] - records);
        assert_true(number >= from);
        end = number >= end ? number + 1 : end;
    }
    for (uint32_t i = from; i < end; i++) {
        if (!records[i].kind->is_dropped)
            sorted[n_sorted++] = &records[i];
    }
    qsort(sorted, n_sorted, sizeof sorted[0], compare_records);
    for (uint32_t i = 0; i < n_sorted; i++) {
        if (i + 1 < n_sorted && compare_keys(sorted[i], sorted[i + 1]) == 0)
            continue;
        assert_true(at < n);
        assert_is(&entries[at++], sorted[i]);
    }
    assert_int_equal(at, n);
    return end;
}

/* Checks all that was handed out. Returns the number of segments. */
static uint32_t
check_chunks(const struct chunks *chunks, const struct hint_build *build)
{
    static struct hint_entry entries[RECORDS_MAX];
    static const struct record *found[RECORDS_MAX];
    struct reading reading = {.chunks = chunks};
    uint32_t segments = 0, from = 0;
    uint64_t with_entry = 0, values = 0, tombstones = 0;
    for (; reading.next < chunks->n; segments++) {
        uint32_t n = 0;
        while (read_entry(&reading, n == 0, &entries[n])) {
            found[n] = &records[find_record(adb_location_offset(entries[n].location))];
            if (!is_tombstone(found[n]))
                with_entry += bytes_of(found[n]);
            n++;
        }
        assert_true(n > 0);
        from = check_segment(entries, found, n, from);
    }
    for (uint32_t i = 0; i < n_records; i++) {
        uint64_t bytes = bytes_of(&records[i]);
        *(is_tombstone(&records[i]) ? &tombstones : &values) += bytes;
        assert_true(i < from || records[i].kind->is_dropped);
    }
    assert_int_equal(build->chunks, chunks->n);
    assert_int_equal(build->records, n_records);
    assert_int_equal(build->tombstone_bytes, tombstones);
    assert_int_equal(build->dead_bytes, values - with_entry);
    return segments;
}

/* Builds and checks; returns the number of segments. */
static uint32_t
build_and_check(uint64_t data_bytes)
{
    struct chunks chunks = {0};
    struct hint_build *build;
    assert_int_equal(build_all(data_bytes, &chunks, &build), ARMDB_OK);
    uint32_t segments = check_chunks(&chunks, build);
    adb_hint_build_free(build);
    free(chunks.bytes);
    return segments;
}

/* ------------------------------------------------------------------------- tests */

static void
test_hint_build__random_records__newest_of_each_key_in_order(void **state)
{
    (void)state;
    static const uint32_t n_keys[] = {1, 7, 500, 1u << 30};
    struct test_rng rng = test_rng_make(test_seed());
    for (uint32_t round = 0; round < test_scale(); round++) {
        for (size_t i = 0; i < sizeof n_keys / sizeof n_keys[0]; i++) {
            make_records(&rng, 1 + (uint32_t)test_rng_below(&rng, 6000), n_keys[i]);
            assert_true(build_and_check(UINT64_C(64) << 20) <= 1);
        }
    }
}

static void
test_hint_build__more_than_can_be_sorted__several_segments(void **state)
{
    (void)state;
    static const uint32_t n_keys[] = {7, 500, 1u << 30};
    struct test_rng rng = test_rng_make(test_seed() + 1);
    for (size_t i = 0; i < sizeof n_keys / sizeof n_keys[0]; i++) {
        make_records(&rng, 5000, n_keys[i]);
        assert_true(build_and_check(0) > 100);
        assert_true(build_and_check(ADB_KEY_SORT_BYTES_MIN * 10) > 3);
    }
    make_records(&rng, RECORDS_MAX, 1u << 30);
    assert_true(build_and_check(1 << 18) > 2);
}

/* What follows a full sort must be kept, though nothing but its key fits with it. */
static void
test_hint_build__longest_keys_and_values__each_fits(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_make(test_seed() + 2);
    make_records(&rng, 200, 1u << 30);
    for (uint32_t i = 0; i < n_records; i++) {
        struct record *record = &records[i];
        record->kind = &kinds[4];
        record->flags = LOG_FLAG_DEADLINE;
        record->value_len = HINT_VALUE_MAX;
        record->key_len = ARMDB_KEY_MAX;
        test_rng_fill(&rng, record->key, record->key_len);
        record->offset = LOG_FILE_HEADER_BYTES + UINT64_C(2000) * i;
    }
    assert_true(build_and_check(0) > 50);
    assert_int_equal(build_and_check(UINT64_C(64) << 20), 1);
}

/* The bytes of a data file suffice, whatever its records are: then there is one segment. */
static void
test_hint_build__length_of_the_file_given__one_segment(void **state)
{
    (void)state;
    static const uint32_t key_bytes[] = {1, 2, 3, 4, 5, 8, 9, 12, 16, 20, 32, 100, ARMDB_KEY_MAX};
    for (size_t k = 0; k < sizeof key_bytes / sizeof key_bytes[0]; k++) {
        struct test_rng rng = test_rng_make(test_seed() + 3 + k);
        uint64_t offset = LOG_FILE_HEADER_BYTES;
        for (n_records = 0; n_records < 4000; n_records++) {
            struct record *record = &records[n_records];
            *record = (struct record){.kind = &kinds[0], .offset = offset, .key_len = key_bytes[k]};
            test_rng_fill(&rng, record->key, record->key_len);
            offset += bytes_of(record);
        }
        assert_int_equal(build_and_check(offset), 1);
    }
}

static void
test_hint_build__nothing_to_tell__no_chunk(void **state)
{
    (void)state;
    n_records = 0;
    assert_int_equal(build_and_check(0), 0);
    for (; n_records < 10; n_records++)
        records[n_records] = (struct record){.kind = &kinds[3],
                                             .flags = n_records % 2 == 0 ? LOG_FLAG_TOMBSTONE : 0,
                                             .offset = 64 + 40 * n_records,
                                             .value_len = n_records % 2,
                                             .key_len = 7};
    assert_int_equal(build_and_check(0), 0);
    adb_hint_build_free(NULL);
}

static void
test_hint_build__chunk_refused__the_same_error(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_make(test_seed() + 4);
    make_records(&rng, 3000, 1u << 30);
    for (uint32_t round = 0; round < 2; round++) {
        uint64_t data_bytes = round == 0 ? 1 << 16 : 64 << 20;
        struct hint_build *build;
        armdb_err err = ARMDB_NO_SPACE;
        for (uint32_t fail_at = 1; err != ARMDB_OK; fail_at++) {
            struct chunks chunks = {.fail_at = fail_at};
            err = build_all(data_bytes, &chunks, &build);
            assert_int_equal(err,
                             chunks.n < fail_at - 1 || err == ARMDB_OK ? ARMDB_OK : ARMDB_NO_SPACE);
            assert_true(err == ARMDB_OK || chunks.n == fail_at - 1);
            adb_hint_build_free(build);
            free(chunks.bytes);
        }
    }
}

static void
test_hint_build__memory_is_out__said_so(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_make(test_seed() + 5);
    make_records(&rng, 100, 1u << 30);
    for (uint64_t n = 1;; n++) {
        struct chunks chunks = {0};
        struct hint_build *build;
        adb_mem_fail_at(n, false);
        armdb_err err = build_all(0, &chunks, &build);
        bool has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        adb_hint_build_free(build);
        free(chunks.bytes);
        if (!has_failed)
            break;
        assert_int_equal(adb_err_detail()->code, ARMDB_NO_MEMORY);
    }
}

static int
set_up(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_make(1);
    records = (struct record *)calloc(RECORDS_MAX, sizeof *records);
    test_rng_fill(&rng, value, sizeof value);
    return records == NULL;
}

static int
tear_down(void **state)
{
    (void)state;
    free(records);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hint_build__random_records__newest_of_each_key_in_order),
        cmocka_unit_test(test_hint_build__more_than_can_be_sorted__several_segments),
        cmocka_unit_test(test_hint_build__longest_keys_and_values__each_fits),
        cmocka_unit_test(test_hint_build__length_of_the_file_given__one_segment),
        cmocka_unit_test(test_hint_build__nothing_to_tell__no_chunk),
        cmocka_unit_test(test_hint_build__chunk_refused__the_same_error),
        cmocka_unit_test(test_hint_build__memory_is_out__said_so),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
