/* Searching for whole records: what is found around damage, and at what cost. */
#include "log/location.h"
#include "log/log_search.h"
#include "log_image.h"

enum { FOUND_MAX = 4096, GAPS_MAX = 64 };

/** What a search handed out. */
struct found {
    size_t count;
    uint64_t offsets[FOUND_MAX];
    size_t gap_count;
    struct log_search_gap gaps[GAPS_MAX];
    struct log_search_result result;
};

static struct found found;

static armdb_err
take_record(void *context, const struct log_search_record *record)
{
    struct found *to = (struct found *)context;
    const unsigned char *key = (const unsigned char *)record->key.data;
    const unsigned char *value = (const unsigned char *)record->value.data;
    assert_true(to->count < FOUND_MAX);
    assert_true(record->record.flags != LOG_FLAG_META);
    assert_int_equal(key[0], 0x6b);
    if (record->value.len > 0)
        assert_int_equal(value[record->value.len - 1], 0x76);
    to->offsets[to->count++] = record->offset;
    return ARMDB_OK;
}

static armdb_err
note_gap(void *context, const struct log_search_gap *gap)
{
    struct found *to = (struct found *)context;
    assert_true(to->gap_count < GAPS_MAX);
    to->gaps[to->gap_count++] = *gap;
    return ARMDB_OK;
}

static void
search_memory(const struct log_image *image)
{
    const struct log_search_events events = {take_record, note_gap, &found};
    const struct log_search_place place = {.memory = image->bytes + LOG_FILE_HEADER_BYTES,
                                           .start = LOG_FILE_HEADER_BYTES,
                                           .end = image->len,
                                           .seed = image->seed};
    struct log_search search = {0};
    memset(&found, 0, sizeof found);
    assert_int_equal(adb_log_search(&search, &place, &events, &found.result), ARMDB_OK);
    adb_log_search_fini(&search);
}

/* The same in a file on the simulated disk; `fault` may be NULL. */
static armdb_err
search_file(const struct log_image *image, const struct sim_fault *fault)
{
    const struct log_search_events events = {take_record, note_gap, &found};
    struct log_search_place place = {
        .start = LOG_FILE_HEADER_BYTES, .end = image->len, .seed = image->seed};
    struct log_search search = {0};
    struct sim *sim = sim_new(1);
    sim_write_file(sim, "/log", image->bytes, image->len);
    assert_int_equal(adb_os_open(sim_os(sim), "/log", ADB_OPEN_READ, &place.file), ARMDB_OK);
    if (fault != NULL)
        sim_set_fault(sim, fault);
    memset(&found, 0, sizeof found);
    armdb_err err = adb_log_search(&search, &place, &events, &found.result);
    adb_log_search_fini(&search);
    adb_file_discard(place.file);
    sim_free(sim);
    return err;
}

static void
expect_gap(size_t number, uint64_t offset, uint64_t bytes, uint64_t before, uint64_t behind)
{
    assert_true(number < found.gap_count);
    assert_int_equal(found.gaps[number].offset, offset);
    assert_int_equal(found.gaps[number].bytes, bytes);
    assert_int_equal(found.gaps[number].sequence_before, before);
    assert_int_equal(found.gaps[number].sequence_behind, behind);
}

static struct log_image *
make_image(size_t records)
{
    struct log_image *image = image_new();
    for (size_t i = 0; i < records; i++)
        image_put(image, 1 + (uint32_t)(i % 50), (uint32_t)(i * 37 % 900));
    return image;
}

static void
test_log_search__whole_file__every_record_and_no_gap(void **state)
{
    (void)state;
    struct log_image *image = make_image(200);
    image_seal(image);
    image_grow(image, 5000); /* reserved space */
    image->len += 5000;
    search_memory(image);
    assert_int_equal(found.count, 200);
    assert_int_equal(found.gap_count, 0);
    assert_true(found.result.is_sealed);
    assert_int_equal(found.result.sequence, 200);
    assert_int_equal(search_file(image, NULL), ARMDB_OK);
    assert_int_equal(found.count, 200);
    assert_int_equal(found.result.records, 200);
    image_free(image);
}

static void
test_log_search__any_flipped_byte__costs_its_record_alone(void **state)
{
    (void)state;
    struct log_image *image = make_image(12);
    for (uint64_t at = LOG_FILE_HEADER_BYTES; at < image->len; at++) {
        uint64_t start = image_start_of(image, at);
        size_t number = 0;
        while (image->starts[number] != start)
            number++;
        uint64_t end = number + 1 < image->count ? image->starts[number + 1] : image->len;
        image->bytes[at] ^= 0x40;
        search_memory(image);
        image->bytes[at] ^= 0x40;
        assert_int_equal(found.count, 11);
        assert_int_equal(found.gap_count, 1);
        bool is_last = number + 1 == image->count;
        /* Of a gap at the end zeros do not count. */
        uint64_t bytes = is_last ? found.gaps[0].bytes : end - start;
        expect_gap(0, start, bytes, number, is_last ? 0 : number + 2);
    }
    image_free(image);
}

static void
test_log_search__zeros_in_the_middle__are_a_gap_and_at_the_end_are_none(void **state)
{
    (void)state;
    struct log_image *image = make_image(40);
    memset(image->bytes + image->starts[10], 0, image->starts[20] - image->starts[10]);
    search_memory(image);
    assert_int_equal(found.count, 30);
    assert_int_equal(found.gap_count, 1);
    expect_gap(0, image->starts[10], image->starts[20] - image->starts[10], 10, 21);
    memset(image->bytes + image->starts[30], 0, image->len - image->starts[30]);
    search_memory(image);
    assert_int_equal(found.count, 20);
    assert_int_equal(found.gap_count, 1);
    image_free(image);
}

static void
test_log_search__block_of_another_place__is_no_record(void **state)
{
    (void)state;
    struct log_image *image = make_image(40);
    /* A whole record, 8 bytes further on than it was written for. */
    size_t len = (size_t)(image->starts[6] - image->starts[5]);
    memmove(image->bytes + image->starts[5] + 8, image->bytes + image->starts[5], len);
    search_memory(image);
    for (size_t i = 0; i < found.count; i++)
        assert_true(found.offsets[i] != image->starts[5] + 8);
    image->seed ^= 1; /* as of another file */
    search_memory(image);
    assert_int_equal(found.count, 0);
    assert_int_equal(found.gap_count, 1);
    expect_gap(0, LOG_FILE_HEADER_BYTES, found.gaps[0].bytes, 0, 0);
    image_free(image);
}

/* Larger than the window of the search, with damage on both sides. */
static void
test_log_search__large_record_between_damage__is_found(void **state)
{
    (void)state;
    struct log_image *image = image_new();
    image_put(image, 4, 10);
    image_put(image, 4, 10);
    while (image->len % LOCATION_LARGE_ALIGNMENT != 0)
        image_pad(image, 4096 - LOG_RECORD_HEADER_BYTES - (uint32_t)(image->len % 4096));
    uint64_t at = image->len;
    image_put(image, 4, 3 << 20);
    image_put(image, 4, 10);
    image_put(image, 4, 10);
    image->bytes[image->starts[1] + 22] ^= 1;
    image->bytes[image->starts[image->count - 2] + 22] ^= 1;
    assert_int_equal(search_file(image, NULL), ARMDB_OK);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.offsets[1], at);
    assert_int_equal(found.gap_count, 2);
    image_free(image);
}

/* Every place looks like a record of half a megabyte: without a limit that would be terabytes of
 * checksums. What comes behind is found as long as it is small. */
static void
test_log_search__made_to_deceive__is_linear(void **state)
{
    (void)state;
    enum { BYTES = 4 << 20, LURE = 500000 };
    struct log_image *image = image_new();
    image_grow(image, BYTES);
    for (size_t at = 0; at + 24 <= BYTES; at += 24) {
        const struct log_record lure = {.value_len = LURE, .sequence = 1, .key_len = 1};
        adb_log_encode_head(image->seed, image->len + at, &lure, image->bytes + image->len + at);
    }
    image->len += BYTES - BYTES % 8;
    image_put(image, 4, 10);
    image_grow(image, LURE);
    image->len += LURE;
    search_memory(image);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.gap_count, 1);
    image_free(image);
}

static void
test_log_search__unreadable_blocks__are_told_and_the_rest_is_found(void **state)
{
    (void)state;
    struct log_image *image = make_image(100);
    /* Once: the window fails, its blocks do not. */
    struct sim_fault fault = {.kind = SIM_FAULT_READ, .fail_at = 1, .ops = SIM_BIT(SIM_OP_READ)};
    assert_int_equal(search_file(image, &fault), ARMDB_OK);
    assert_int_equal(found.count, 100);
    assert_int_equal(found.result.unreadable_bytes, 0);
    fault.is_persistent = true;
    assert_int_equal(search_file(image, &fault), ARMDB_OK);
    assert_int_equal(found.count, 0);
    assert_int_equal(found.result.unreadable_bytes, image->len - LOG_FILE_HEADER_BYTES);
    assert_int_equal(found.result.first_unreadable, LOG_FILE_HEADER_BYTES);
    image_free(image);
}

static armdb_err
refuse(void *context, const struct log_search_record *record)
{
    (void)context;
    (void)record;
    return ARMDB_END;
}

static void
test_log_search__events__end_it_and_memory_may_be_refused(void **state)
{
    (void)state;
    struct log_image *image = make_image(3);
    const struct log_search_events events = {refuse, NULL, NULL};
    const struct log_search_place place = {.memory = image->bytes + LOG_FILE_HEADER_BYTES,
                                           .start = LOG_FILE_HEADER_BYTES,
                                           .end = image->len,
                                           .seed = image->seed};
    struct log_search search = {0};
    assert_int_equal(adb_log_search(&search, &place, &events, &found.result), ARMDB_END);
    adb_mem_fail_at(2, true); /* the first is the simulator's file */
    assert_int_equal(search_file(image, NULL), ARMDB_NO_MEMORY);
    adb_mem_fail_at(0, false);
    image_free(image);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_search__whole_file__every_record_and_no_gap),
        cmocka_unit_test(test_log_search__any_flipped_byte__costs_its_record_alone),
        cmocka_unit_test(test_log_search__zeros_in_the_middle__are_a_gap_and_at_the_end_are_none),
        cmocka_unit_test(test_log_search__block_of_another_place__is_no_record),
        cmocka_unit_test(test_log_search__large_record_between_damage__is_found),
        cmocka_unit_test(test_log_search__made_to_deceive__is_linear),
        cmocka_unit_test(test_log_search__unreadable_blocks__are_told_and_the_rest_is_found),
        cmocka_unit_test(test_log_search__events__end_it_and_memory_may_be_refused),
    };
    return cmocka_run_group_tests_name("log/log_search", tests, NULL, NULL);
}
