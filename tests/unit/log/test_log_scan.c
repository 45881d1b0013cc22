/* Scanning a data file: where it ends, and whether that is a crash or damage. */
#include "log_image.h"

enum { WINDOW_BYTES = 1024 * 1024 };

static struct seen_records seen;

static void
assert_whole(const struct log_scan_result *result, uint64_t end)
{
    assert_int_equal(result->how, LOG_SCAN_WHOLE);
    assert_int_equal(result->end, end);
}

static void
assert_torn(const struct log_scan_result *result, uint64_t end)
{
    assert_int_equal(result->how, LOG_SCAN_TORN);
    assert_int_equal(result->end, end);
}

static void
assert_damaged(const struct log_scan_result *result, uint64_t at)
{
    assert_int_equal(result->how, LOG_SCAN_DAMAGED);
    assert_int_equal(result->damaged_at, at);
    assert_true(result->message[0] != '\0');
}

static bool
is_zero(const unsigned char *from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (from[i] != 0)
            return false;
    }
    return true;
}

/* A bit of everything, without marks. */
static struct log_image *
make_small_image(void)
{
    struct log_image *image = image_new();
    image_put(image, 1, 0);
    image_put(image, 4, 10);
    image_pad(image, 4);
    image_put(image, 12, 100);
    const struct log_record tombstone = {
        .sequence = ++image->sequence, .flags = LOG_FLAG_TOMBSTONE, .key_len = 9};
    image_add(image, &tombstone);
    image_put(image, 30, 3);
    return image;
}

/* ------------------------------------------------------------------------ plain */

static void
test_log_scan__empty_file__whole(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = image_new();
    struct log_scan_result result = image_scan(fixture, image, true, &seen);
    assert_whole(&result, LOG_FILE_HEADER_BYTES);
    assert_int_equal(result.records, 0);
    assert_int_equal(result.sequence, 0);
    assert_int_equal(result.marked, LOG_FILE_HEADER_BYTES);
    assert_false(result.is_sealed);
    result = image_scan(fixture, image, false, &seen);
    assert_damaged(&result, LOG_FILE_HEADER_BYTES); /* no SEAL */
    image_free(image);
}

static void
test_log_scan__whole_file__every_record_is_handed_out(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_small_image();
    uint64_t marked_at = image->len;
    image_mark(image, LOG_META_MARK, image->starts[3]);
    struct log_scan_result result = image_scan(fixture, image, true, &seen);
    assert_whole(&result, image->len);
    assert_int_equal(result.size, image->len);
    assert_int_equal(result.records, 5);
    assert_int_equal(result.sequence, 5);
    assert_int_equal(result.marked, image->starts[3]);
    assert_int_equal(result.marked_at, marked_at);
    assert_int_equal(seen.at[3].flags, LOG_FLAG_TOMBSTONE);
    assert_int_equal(seen.at[2].offset, image->starts[3]);
    image_seal(image);
    result = image_scan(fixture, image, false, &seen);
    assert_whole(&result, image->len);
    assert_true(result.is_sealed);
    image_free(image);
}

/* ----------------------------------------------------------------------- batches */

/* A record, a GROUP of two, another record. */
static struct log_image *
make_batch_image(uint64_t bytes, uint64_t records)
{
    const struct log_participant others[2] = {{3, 77}, {9, UINT64_C(1) << 40}};
    struct log_image *image = image_new();
    image_put(image, 4, 8);
    image_group(image, bytes, records, others, 2);
    image_put(image, 4, 8);
    image_put(image, 4, 24);
    image_put(image, 4, 8);
    return image;
}

static void
test_log_scan__batch__is_listed_until_a_mark_vouches_for_it(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_batch_image(32 + 48, 2);
    struct log_groups groups = {0};
    for (int round = 0; round < 2; round++) {
        struct log_scan_result result;
        sim_write_file(fixture->sim, LOG_PATH, image->bytes, image->len);
        struct data_file *file = open_log(sim_os(fixture->sim));
        file->groups = &groups;
        seen.count = 0;
        assert_int_equal(adb_log_scan(file, true, 0, note_record, &seen, &result), ARMDB_OK);
        close_log(file);
        assert_whole(&result, image->len);
        assert_int_equal(result.records, 4);
        assert_false(adb_log_scan_is_in_part(&result));
        assert_int_equal(groups.count, round == 0 ? 1 : 0);
        if (round > 0)
            break;
        assert_int_equal(groups.parts[0].at, image->starts[1]);
        assert_int_equal(groups.parts[0].sequence, 1);
        assert_int_equal(groups.parts[0].count, 2);
        assert_int_equal(groups.participants[1].shard, 9);
        assert_true(groups.participants[1].sequence == UINT64_C(1) << 40);
        adb_log_groups_fini(&groups);
        image_mark(image, LOG_META_MARK, image->starts[2]);
    }
    adb_log_groups_fini(&groups);
    image_free(image);
}

static void
test_log_scan__batch_cut_anywhere__is_known_not_to_be_whole(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_batch_image(32 + 48, 2);
    uint64_t whole = image->len;
    for (image->len = image->starts[2]; image->len <= whole; image->len += 8) {
        struct log_scan_result result = image_scan(fixture, image, true, &seen);
        bool is_whole = image->len >= image->starts[4];
        assert_int_equal(adb_log_scan_is_in_part(&result), !is_whole);
        assert_int_equal(result.part.at, image->starts[1]);
        assert_int_equal(result.part.sequence, 1);
    }
    image_free(image);
}

static void
test_log_scan__batch_with_wrong_size__is_damage(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    static const struct {
        uint64_t bytes;
        uint64_t records;
    } cases[] = {{32 + 40, 2}, {32 + 56, 2}, {32 + 48, 1}, {32 + 48, 3}, {0, 2}, {81, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct log_image *image = make_batch_image(cases[i].bytes, cases[i].records);
        struct log_scan_result result = image_scan(fixture, image, true, &seen);
        assert_int_equal(result.how, LOG_SCAN_DAMAGED);
        image_free(image);
    }
}

static void
test_log_scan__mark_in_a_batch__is_damage(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = image_new();
    image_group(image, 32 + 40 + 32, 2, NULL, 0);
    image_put(image, 4, 8);
    image_mark(image, LOG_META_MARK, LOG_FILE_HEADER_BYTES);
    image_put(image, 4, 8);
    struct log_scan_result result = image_scan(fixture, image, true, &seen);
    assert_damaged(&result, image->starts[2]);
    image_free(image);
}

/* ----------------------------------------------------------------------- cutting */

static void
test_log_scan__cut_anywhere_in_newest__whole_or_torn_at_the_record(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_small_image();
    image_mark(image, LOG_META_MARK, image->len);
    for (size_t cut = LOG_FILE_HEADER_BYTES; cut <= image->len; cut++) {
        struct log_scan_result result = image_scan_front(fixture, image, cut, true, &seen);
        uint64_t start = cut == image->len ? cut : image_start_of(image, cut);
        /* What is left of a record may be nothing but zeros: then the file ends well. */
        if (is_zero(image->bytes + start, cut - start))
            assert_whole(&result, start);
        else
            assert_torn(&result, start);
        assert_int_equal(result.records, image_records_before(image, cut));
        assert_int_equal(result.sequence, result.records);
    }
    image_free(image);
}

static void
test_log_scan__cut_anywhere_in_older__damaged(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_small_image();
    image_seal(image);
    for (size_t cut = LOG_FILE_HEADER_BYTES; cut < image->len; cut++) {
        struct log_scan_result result = image_scan_front(fixture, image, cut, false, &seen);
        assert_damaged(&result, image_start_of(image, cut));
    }
    image_free(image);
}

/* ---------------------------------------------------------------------- flipping */

static void
test_log_scan__flipped_byte_in_older__damaged_at_the_record(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_small_image();
    image_seal(image);
    for (size_t at = LOG_FILE_HEADER_BYTES; at < image->len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            image->bytes[at] ^= (unsigned char)(1u << bit);
            struct log_scan_result result = image_scan(fixture, image, false, &seen);
            uint64_t start = image_start_of(image, at);
            assert_damaged(&result, start);
            assert_int_equal(result.records, image_records_before(image, start));
            image->bytes[at] ^= (unsigned char)(1u << bit);
        }
    }
    image_free(image);
}

/* Records, a MARK that vouches for the first ones, and records behind what it vouches for. */
static struct log_image *
make_marked_image(uint32_t kind, uint64_t *vouched_out)
{
    struct log_image *image = make_small_image();
    *vouched_out = image->len;
    image_put(image, 8, 50); /* flushed, but not synced when the MARK was made */
    image_mark(image, kind, *vouched_out);
    if (kind == LOG_META_MARK)
        image_put(image, 8, 60);
    return image;
}

static void
flip_each_byte(struct log_fixture *fixture, struct log_image *image, uint64_t vouched)
{
    for (size_t at = LOG_FILE_HEADER_BYTES; at < image->len; at++) {
        image->bytes[at] ^= 0x04;
        struct log_scan_result result = image_scan(fixture, image, true, &seen);
        uint64_t start = image_start_of(image, at);
        if (start < vouched)
            assert_damaged(&result, start);
        else
            assert_torn(&result, start);
        assert_int_equal(result.records, image_records_before(image, start));
        image->bytes[at] ^= 0x04;
    }
}

static void
test_log_scan__flipped_byte_in_newest__damaged_if_a_mark_vouches(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    uint64_t vouched;
    struct log_image *image = make_marked_image(LOG_META_MARK, &vouched);
    flip_each_byte(fixture, image, vouched);
    image_free(image);
    image = make_marked_image(LOG_META_SEAL, &vouched);
    flip_each_byte(fixture, image, vouched);
    image_free(image);
}

static void
test_log_scan__zeroed_record_before_its_mark__damaged(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    uint64_t vouched;
    struct log_image *image = make_marked_image(LOG_META_MARK, &vouched);
    uint64_t from = image->starts[3];
    memset(image->bytes + from, 0, (size_t)(image->starts[4] - from));
    struct log_scan_result result = image_scan(fixture, image, true, &seen);
    assert_damaged(&result, from);
    image_free(image);
}

/* A MARK of another file, of another place, or inside a value proves nothing. */
static void
test_log_scan__copied_mark__proves_nothing(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    uint64_t vouched;
    struct log_image *image = make_marked_image(LOG_META_MARK, &vouched);
    uint64_t mark_at = image->starts[7];
    unsigned char mark[LOG_MARK_RECORD_BYTES];
    memcpy(mark, image->bytes + mark_at, sizeof mark);
    image_put(image, 4, 400);
    uint64_t value_at = image->starts[9] + LOG_RECORD_HEADER_BYTES + 4;
    memcpy(image->bytes + value_at, mark, sizeof mark); /* at the wrong place */
    adb_log_encode_mark(image->seed ^ 1, value_at + 48, LOG_META_MARK, 1, vouched,
                        image->bytes + value_at + 48); /* of another file */
    memset(image->bytes + mark_at, 0x77, sizeof mark);
    image->bytes[image->starts[0]] ^= 1;
    struct log_scan_result result = image_scan(fixture, image, true, &seen);
    assert_torn(&result, image->starts[0]);
    image_free(image);
}

static void
test_log_scan__mark_far_behind__still_found(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    /* So that the MARK lies across the end of a window, at each of its multiples of 8. */
    for (uint64_t shift = 0; shift <= LOG_MARK_RECORD_BYTES; shift += 8) {
        struct log_image *image = image_new();
        image_put(image, 4, 4);
        uint64_t bad = image->starts[0];
        uint64_t mark_at = bad + 8 + WINDOW_BYTES - shift;
        uint64_t len = mark_at - image->len - LOG_RECORD_HEADER_BYTES - 4;
        image_put(image, 4, (uint32_t)len);
        assert_int_equal(image->len, mark_at);
        image_mark(image, LOG_META_MARK, image->starts[1]);
        image->bytes[bad + 10] ^= 1;
        struct log_scan_result result = image_scan(fixture, image, true, &seen);
        assert_damaged(&result, bad);
        image_free(image);
    }
}

/* ------------------------------------------------------------------------- zeros */

static void
test_log_scan__zeros_behind__whole_if_newest(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    static const size_t lengths[] = {1, 7, 8, 20, 4096, WINDOW_BYTES, 2 * WINDOW_BYTES + 5};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct log_image *image = make_small_image();
        size_t end = image->len;
        image_grow(image, lengths[i]);
        image->len += lengths[i];
        struct log_scan_result result = image_scan(fixture, image, true, &seen);
        assert_whole(&result, end);
        assert_int_equal(result.size, image->len);
        assert_int_equal(result.records, 5);
        result = image_scan(fixture, image, false, &seen);
        assert_damaged(&result, end);
        /* One byte that is not zero, at the very end. */
        image->bytes[image->len - 1] = 1;
        result = image_scan(fixture, image, true, &seen);
        assert_torn(&result, end);
        image_free(image);
    }
}

/* --------------------------------------------------------------- order of records */

static void
test_log_scan__gap_in_sequence__damaged(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    static const uint64_t wrong[] = {1, 2, 4, 5, 100, LOG_SEQUENCE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct log_image *image = image_new();
        image_put(image, 4, 4);
        image_put(image, 4, 4);
        image->sequence = wrong[i] - 1;
        image_put(image, 4, 4);
        struct log_scan_result result = image_scan(fixture, image, true, &seen);
        assert_damaged(&result, image->starts[2]);
        assert_int_equal(result.records, 2);
        image_free(image);
    }
}

static void
test_log_scan__meta_with_wrong_sequence__damaged(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = image_new();
    image_put(image, 4, 4);
    image->sequence = 2;
    image_pad(image, 4);
    struct log_scan_result result = image_scan(fixture, image, true, &seen);
    assert_damaged(&result, image->starts[1]);
    image_free(image);
}

static void
test_log_scan__other_base_than_expected__damaged(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_small_image();
    struct log_scan_result result;
    sim_write_file(fixture->sim, LOG_PATH, image->bytes, image->len);
    struct data_file *file = open_log(fixture->os);
    seen.count = 0;
    assert_int_equal(adb_log_scan(file, true, 7, note_record, &seen, &result), ARMDB_OK);
    assert_int_equal(result.how, LOG_SCAN_DAMAGED);
    assert_non_null(strstr(result.message, "the log before it ends with 7"));
    assert_int_equal(seen.count, 0);
    close_log(file);
    image_free(image);
}

static void
test_log_scan__record_behind_the_seal__damaged(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_small_image();
    image_seal(image);
    size_t end = image->len;
    image_put(image, 4, 4);
    for (int newest = 0; newest < 2; newest++) {
        struct log_scan_result result = image_scan(fixture, image, newest != 0, &seen);
        assert_damaged(&result, end);
        assert_int_equal(result.records, 5);
    }
    image_free(image);
}

static void
test_log_scan__seal_missing__damaged_if_older(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_small_image();
    image_mark(image, LOG_META_MARK, image->len);
    struct log_scan_result result = image_scan(fixture, image, false, &seen);
    assert_damaged(&result, image->len);
    assert_non_null(strstr(result.message, "SEAL"));
    image_free(image);
}

/* ----------------------------------------------------------- around the window */

static void
test_log_scan__records_around_the_window__all_found(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    static const uint32_t record_bytes[] = {
        WINDOW_BYTES - 8,     WINDOW_BYTES,          WINDOW_BYTES + 8,     WINDOW_BYTES + 4096,
        2 * WINDOW_BYTES - 8, 2 * WINDOW_BYTES + 24, 3 * WINDOW_BYTES + 16};
    for (size_t i = 0; i < sizeof record_bytes / sizeof record_bytes[0]; i++) {
        struct log_image *image = image_new();
        image_put(image, 5, 20);
        image_put(image, 1000, record_bytes[i] - LOG_RECORD_HEADER_BYTES - 1000);
        image_put(image, 5, 20);
        uint64_t big = image->starts[1];
        struct log_scan_result result = image_scan(fixture, image, true, &seen);
        assert_whole(&result, image->len);
        assert_int_equal(result.records, 3);
        assert_int_equal(seen.at[1].value_len, record_bytes[i] - LOG_RECORD_HEADER_BYTES - 1000);
        /* Each byte counts, also the last ones, and those in later windows. */
        const uint64_t places[] = {
            0, 4, 19, 20, 1019, 1020, record_bytes[i] / 2, record_bytes[i] - 1};
        for (size_t j = 0; j < sizeof places / sizeof places[0]; j++) {
            image->bytes[big + places[j]] ^= 0x20;
            result = image_scan(fixture, image, true, &seen);
            assert_torn(&result, big);
            image->bytes[big + places[j]] ^= 0x20;
        }
        result = image_scan_front(fixture, image, (size_t)image->starts[2] - 1, true, &seen);
        assert_torn(&result, big);
        image_free(image);
    }
}

static void
test_log_scan__header_across_the_window__found(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    for (uint32_t before = 0; before <= 48; before += 8) {
        struct log_image *image = image_new();
        uint32_t first = WINDOW_BYTES - before;
        image_put(image, 4, first - LOG_RECORD_HEADER_BYTES - 4);
        image_put(image, 300, 300);
        image_put(image, 5, 20);
        struct log_scan_result result = image_scan(fixture, image, true, &seen);
        assert_whole(&result, image->len);
        assert_int_equal(result.records, 3);
        image_free(image);
    }
}

static void
test_log_scan__impossible_lengths__torn_without_reading_on(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_small_image();
    uint64_t at = image->starts[1];
    static const uint32_t lengths[] = {10000, ARMDB_VALUE_MAX, ARMDB_VALUE_MAX + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        adb_store_u32(image->bytes + at + 4, lengths[i]);
        struct log_scan_result result = image_scan(fixture, image, true, &seen);
        assert_torn(&result, at);
        assert_int_equal(result.records, 1);
    }
    image_free(image);
}

/* ------------------------------------------------------------------ what may fail */

static armdb_err
refuse_second(void *context, const struct log_scan_record *found)
{
    ++*(int *)context;
    return found->record.sequence == 2 ? ARMDB_LIMIT : ARMDB_OK;
}

static void
test_log_scan__callback_fails__scan_ends_with_it(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = make_small_image();
    struct log_scan_result result;
    int calls = 0;
    sim_write_file(fixture->sim, LOG_PATH, image->bytes, image->len);
    struct data_file *file = open_log(fixture->os);
    assert_int_equal(adb_log_scan(file, true, 0, refuse_second, &calls, &result), ARMDB_LIMIT);
    assert_int_equal(calls, 2);
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_log_scan(file, true, 0, refuse_second, &calls, &result), ARMDB_NO_MEMORY);
    adb_mem_fail_at(0, false);
    assert_int_equal(calls, 2);
    close_log(file);
    image_free(image);
}

/* A read that fails is never taken for the end of the log. */
static void
test_log_scan__read_fails__io_error(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_image *image = image_new();
    bool fired = true;
    image_put(image, 4, 2 * WINDOW_BYTES);
    image_put(image, 4, 2 * WINDOW_BYTES);
    image->bytes[image->starts[1] + 5000] ^= 1; /* so that it is searched for a MARK, too */
    sim_write_file(fixture->sim, LOG_PATH, image->bytes, image->len);
    struct data_file *file = open_log(fixture->os);
    for (uint64_t n = 1; fired; n++) {
        const struct sim_fault fault = {.fail_at = n, .ops = SIM_READS};
        struct log_scan_result result;
        seen.count = 0;
        sim_set_fault(fixture->sim, &fault);
        armdb_err err = adb_log_scan(file, true, 0, note_record, &seen, &result);
        fired = sim_fault_fired(fixture->sim);
        assert_int_equal(err, fired ? ARMDB_IO : ARMDB_OK);
        if (!fired)
            assert_torn(&result, image->starts[1]);
        assert_true(n < 100);
    }
    close_log(file);
    image_free(image);
}

/* --------------------------------------------------------------------- at random */

/* Whatever happens to a file, the records that come out are a true front of what went in. */
static void
test_log_scan__random_damage__a_true_front(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    uint64_t vouched;
    struct log_image *image = make_marked_image(LOG_META_MARK, &vouched);
    unsigned char *good = (unsigned char *)malloc(image->len);
    memcpy(good, image->bytes, image->len);
    for (unsigned round = 0; round < 5000 * test_scale(); round++) {
        memcpy(image->bytes, good, image->len);
        uint64_t first = image->len;
        for (uint64_t n = 1 + test_rng_below(&rng, 3); n > 0; n--) {
            uint64_t at = 64 + test_rng_below(&rng, image->len - 64);
            uint64_t len = 1 + test_rng_below(&rng, image->len - at);
            if (test_rng_one_in(&rng, 2))
                memset(image->bytes + at, 0, (size_t)len);
            else
                image->bytes[at] ^= (unsigned char)(1 + test_rng_below(&rng, 255));
        }
        while (first > 64 && memcmp(image->bytes, good, (size_t)first) != 0)
            first--;
        size_t cut = test_rng_one_in(&rng, 3) ? 64 + (size_t)test_rng_below(&rng, image->len - 63)
                                              : image->len;
        struct log_scan_result result = image_scan_front(fixture, image, cut, true, &seen);
        uint64_t untouched = first < cut ? first : cut;
        assert_int_equal(result.end, image_start_of(image, untouched));
        assert_int_equal(result.records, image_records_before(image, untouched));
    }
    free(good);
    image_free(image);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOG(test_log_scan__empty_file__whole),
        WITH_LOG(test_log_scan__whole_file__every_record_is_handed_out),
        WITH_LOG(test_log_scan__batch__is_listed_until_a_mark_vouches_for_it),
        WITH_LOG(test_log_scan__batch_cut_anywhere__is_known_not_to_be_whole),
        WITH_LOG(test_log_scan__batch_with_wrong_size__is_damage),
        WITH_LOG(test_log_scan__mark_in_a_batch__is_damage),
        WITH_LOG(test_log_scan__cut_anywhere_in_newest__whole_or_torn_at_the_record),
        WITH_LOG(test_log_scan__cut_anywhere_in_older__damaged),
        WITH_LOG(test_log_scan__flipped_byte_in_older__damaged_at_the_record),
        WITH_LOG(test_log_scan__flipped_byte_in_newest__damaged_if_a_mark_vouches),
        WITH_LOG(test_log_scan__zeroed_record_before_its_mark__damaged),
        WITH_LOG(test_log_scan__copied_mark__proves_nothing),
        WITH_LOG(test_log_scan__mark_far_behind__still_found),
        WITH_LOG(test_log_scan__zeros_behind__whole_if_newest),
        WITH_LOG(test_log_scan__gap_in_sequence__damaged),
        WITH_LOG(test_log_scan__meta_with_wrong_sequence__damaged),
        WITH_LOG(test_log_scan__other_base_than_expected__damaged),
        WITH_LOG(test_log_scan__record_behind_the_seal__damaged),
        WITH_LOG(test_log_scan__seal_missing__damaged_if_older),
        WITH_LOG(test_log_scan__records_around_the_window__all_found),
        WITH_LOG(test_log_scan__header_across_the_window__found),
        WITH_LOG(test_log_scan__impossible_lengths__torn_without_reading_on),
        WITH_LOG(test_log_scan__callback_fails__scan_ends_with_it),
        WITH_LOG(test_log_scan__read_fails__io_error),
        WITH_LOG(test_log_scan__random_damage__a_true_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
