/* Hints on the simulated system: what was written is read, or it is said why not. */
#include "log/hint_file.h"
#include "log_image.h"

#define HINT_PATH "/log/0000000001.hint"
#define HINT_TEMPORARY "/log/0000000001.hint.tmp"

enum { RECORDS = 20, MANY = 37 /* chunks; more than are read at once */ };

struct hint_fixture {
    struct log_fixture log;
    struct log_image *image; /* what is in the data file */
    struct data_file *file;
};

/* Gives the fixture another data file. */
static void
use_image(struct hint_fixture *fixture)
{
    ADB_IGNORE(adb_data_file_close(fixture->file));
    sim_write_file(fixture->log.sim, LOG_PATH, fixture->image->bytes, fixture->image->len);
    fixture->file = open_log(fixture->log.os);
}

static void
add_records(struct log_image *image)
{
    for (uint32_t i = 0; i < RECORDS; i++)
        image_put(image, 1 + i * 37 % 200, i % 300);
}

static void
use_new_image(struct hint_fixture *fixture)
{
    image_free(fixture->image);
    fixture->image = image_new();
}

static int
set_up(void **state)
{
    void *log;
    struct hint_fixture *fixture = (struct hint_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    (void)log_set_up(&log);
    fixture->log = *(struct log_fixture *)log;
    free(log);
    fixture->image = image_new();
    add_records(fixture->image);
    image_mark(fixture->image, LOG_META_MARK, fixture->image->len);
    add_records(fixture->image);
    image_seal(fixture->image);
    use_image(fixture);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    adb_mem_fail_at(0, false);
    ADB_IGNORE(adb_data_file_close(fixture->file));
    assert_int_equal(sim_open_count(fixture->log.sim), 0);
    image_free(fixture->image);
    sim_free(fixture->log.sim);
    free(fixture);
    return 0;
}

/* --------------------------------------------------------------------- writing */

/* What is in chunk `number`; segments begin with some of them. */
static void
fill_chunk(struct hint_chunk *chunk, uint32_t number)
{
    adb_hint_chunk_clear(chunk);
    for (uint32_t i = 0; i <= number; i++) {
        unsigned char key[4];
        adb_store_u32(key, number);
        key[3] = (unsigned char)i;
        const struct hint_entry entry = {.collection_id = 7,
                                         .location = adb_location_make(0, 64 + 8 * number, i),
                                         .key = {key, sizeof key}};
        assert_true(adb_hint_chunk_add(chunk, &entry));
    }
    adb_hint_chunk_finish(chunk, number % 5 == 0 || number == 16);
}

static struct hint_header
describe(const struct hint_fixture *fixture, uint32_t chunks)
{
    const struct log_image *image = fixture->image;
    return (struct hint_header){.file = fixture->file->header,
                                .data_bytes = image->len,
                                .last_sequence = image->sequence,
                                .records = image->sequence,
                                .dead_bytes = 48,
                                .tombstone_bytes = 24,
                                .chunks = chunks};
}

static armdb_err
write_chunks(struct hint_writer *writer, uint32_t n)
{
    struct hint_chunk chunk;
    for (uint32_t i = 0; i < n; i++) {
        fill_chunk(&chunk, i);
        ADB_TRY(adb_hint_write(writer, &chunk));
    }
    return ARMDB_OK;
}

static armdb_err
try_hint(struct adb_os *os, const struct hint_header *header)
{
    struct hint_writer *writer;
    const struct hint_header known = {.file = header->file, .data_bytes = header->data_bytes};
    ADB_TRY(adb_hint_begin(os, "/log", &known, &writer));
    armdb_err err = write_chunks(writer, header->chunks);
    if (err != ARMDB_OK) {
        adb_hint_abandon(writer);
        return err;
    }
    return adb_hint_commit(writer, header);
}

static void
make_hint(struct hint_fixture *fixture, uint32_t chunks)
{
    const struct hint_header header = describe(fixture, chunks);
    assert_int_equal(try_hint(fixture->log.os, &header), ARMDB_OK);
    assert_false(sim_file_exists(fixture->log.sim, HINT_TEMPORARY));
    assert_int_equal(sim_file_size(fixture->log.sim, HINT_PATH),
                     HINT_HEADER_BYTES + (uint64_t)chunks * HINT_CHUNK_BYTES);
}

/* --------------------------------------------------------------------- reading */

static struct hint_reader *
open_hint(const struct hint_fixture *fixture, bool is_newest)
{
    struct hint_reader *reader;
    const char *why_not;
    assert_int_equal(adb_hint_open(fixture->file, "/log", is_newest, &reader, &why_not), ARMDB_OK);
    if (reader == NULL)
        fail_msg("no hint: %s", why_not != NULL ? why_not : "there is none");
    assert_null(why_not);
    return reader;
}

/* Reads a hint of so many chunks. */
static void
assert_chunks(const struct hint_reader *reader, uint32_t n)
{
    unsigned char bytes[HINT_CHUNK_BYTES];
    struct hint_chunk chunk;
    uint32_t n_segments;
    const uint32_t *segments = adb_hint_segments(reader, &n_segments);
    assert_int_equal(adb_hint_header(reader)->chunks, n);
    uint32_t segment = 0;
    for (uint32_t i = 0; i < n; i++) {
        fill_chunk(&chunk, i);
        assert_int_equal(adb_hint_read(reader, i, bytes), ARMDB_OK);
        assert_memory_equal(bytes + 4, chunk.bytes + 4, HINT_CHUNK_BYTES - 4);
        if (adb_hint_begins_segment(bytes))
            assert_int_equal(segments[segment++], i);
    }
    assert_int_equal(segment, n_segments);
}

/* There is no hint that is believed; NULL: there is none at all. */
static void
assert_refused(const struct hint_fixture *fixture, bool is_newest, const char *expected)
{
    struct hint_reader *reader;
    const char *why_not;
    assert_int_equal(adb_hint_open(fixture->file, "/log", is_newest, &reader, &why_not), ARMDB_OK);
    assert_null(reader);
    if (expected == NULL)
        assert_null(why_not);
    else
        assert_string_equal(why_not, expected);
    assert_int_equal(sim_open_count(fixture->log.sim), 1);
}

/* ------------------------------------------------------------------ what is right */

static void
test_hint_file__written__read_again(void **state)
{
    static const uint32_t chunks[] = {0, 1, 15, 16, 17, 32, MANY};
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        make_hint(fixture, chunks[i]); /* in place of the one before */
        const struct hint_header header = describe(fixture, chunks[i]);
        unsigned char expected[HINT_HEADER_BYTES], found[HINT_HEADER_BYTES];
        struct hint_reader *reader = open_hint(fixture, false);
        adb_hint_encode_header(&header, expected);
        adb_hint_encode_header(adb_hint_header(reader), found);
        assert_memory_equal(found, expected, sizeof found);
        assert_string_equal(adb_hint_path(reader), HINT_PATH);
        assert_chunks(reader, chunks[i]);
        adb_hint_close(reader);
    }
    adb_hint_close(NULL);
}

static armdb_err
skip_record(void *context, const struct log_scan_record *found)
{
    (void)context;
    (void)found;
    return ARMDB_OK;
}

/* The end is what a scan comes to, and one can go on from there. */
static void
assert_end(const struct hint_fixture *fixture, bool is_newest)
{
    struct log_scan_result scanned, result;
    struct hint_reader *reader = open_hint(fixture, is_newest);
    adb_hint_get_end(reader, &result);
    adb_hint_close(reader);
    assert_int_equal(adb_log_scan(fixture->file, is_newest, 0, skip_record, NULL, &scanned),
                     ARMDB_OK);
    result.is_newest = is_newest;
    assert_int_equal(adb_log_scan_on(fixture->file, skip_record, NULL, &result), ARMDB_OK);
    assert_int_equal(result.how, scanned.how);
    assert_int_equal(result.end, scanned.end);
    assert_int_equal(result.size, scanned.size);
    assert_int_equal(result.sequence, scanned.sequence);
    assert_int_equal(result.records, scanned.records);
    assert_int_equal(result.marked, scanned.marked);
    assert_int_equal(result.marked_at, scanned.marked_at);
    assert_int_equal(result.is_sealed, scanned.is_sealed);
}

static void
test_hint_file__end__as_scanned(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    make_hint(fixture, 2);
    assert_end(fixture, false);
    assert_end(fixture, true);
    use_new_image(fixture); /* without records */
    image_seal(fixture->image);
    use_image(fixture);
    make_hint(fixture, 0);
    assert_end(fixture, false);
}

static void
test_hint_file__up_to_a_mark__newest_file_may_go_on(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    use_new_image(fixture);
    add_records(fixture->image);
    image_mark(fixture->image, LOG_META_MARK, fixture->image->len);
    use_image(fixture);
    make_hint(fixture, 3);
    for (uint32_t i = 0; i < 4; i++) {
        struct hint_reader *reader = open_hint(fixture, true);
        assert_chunks(reader, 3);
        adb_hint_close(reader);
        assert_end(fixture, true);
        assert_refused(fixture, false, adb_hint_is_stale);
        if (i < 2)
            image_put(fixture->image, 9, 99);
        else
            image_seal(fixture->image);
        use_image(fixture);
    }
}

static void
test_hint_file__behind_a_seal__newest_file_only(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    make_hint(fixture, 3);
    sim_truncate_file(fixture->log.sim, LOG_PATH, fixture->image->len + 8);
    assert_refused(fixture, false, adb_hint_is_stale);
    adb_hint_close(open_hint(fixture, true)); /* the scan of what follows has to judge */
    assert_end(fixture, true);
}

static void
test_hint_file__none__said_so(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    assert_refused(fixture, false, NULL);
    make_hint(fixture, 1);
    ADB_IGNORE(adb_fail(ARMDB_LIMIT, "test", "stays"));
    adb_hint_remove(fixture->log.os, "/log", 2);
    adb_hint_close(open_hint(fixture, false));
    adb_hint_remove(fixture->log.os, "/log", 1);
    adb_hint_remove(fixture->log.os, "/log", 1);
    assert_int_equal(adb_err_detail()->code, ARMDB_LIMIT);
    assert_refused(fixture, false, NULL);
}

static void
test_hint_file__abandoned__without_a_trace(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    struct hint_writer *writer;
    const struct hint_header header = describe(fixture, 0);
    make_hint(fixture, 2);
    uint64_t digest = sim_digest(fixture->log.sim);
    assert_int_equal(adb_hint_begin(fixture->log.os, "/log", &header, &writer), ARMDB_OK);
    assert_int_equal(write_chunks(writer, 3), ARMDB_OK);
    assert_true(sim_file_exists(fixture->log.sim, HINT_TEMPORARY));
    ADB_IGNORE(adb_fail(ARMDB_LIMIT, "test", "stays"));
    adb_hint_abandon(writer);
    assert_int_equal(adb_err_detail()->code, ARMDB_LIMIT);
    assert_true(sim_digest(fixture->log.sim) == digest);
    adb_hint_abandon(NULL);
}

static void
test_hint_file__left_by_a_kill__replaced(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    unsigned char old[3 * HINT_CHUNK_BYTES] = {1, 2, 3};
    sim_write_file(fixture->log.sim, HINT_TEMPORARY, old, sizeof old);
    make_hint(fixture, 1);
    struct hint_reader *reader = open_hint(fixture, false);
    assert_chunks(reader, 1);
    adb_hint_close(reader);
}

/* ------------------------------------------------------------------ what is not */

static void
test_hint_file__data_file_has_changed__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    struct sim *sim = fixture->log.sim;
    size_t len = fixture->image->len;
    make_hint(fixture, 1);
    sim_truncate_file(sim, LOG_PATH, len - 8);
    assert_refused(fixture, false, adb_hint_is_stale);
    assert_refused(fixture, true, adb_hint_is_stale);
    for (size_t at = len - LOG_MARK_RECORD_BYTES; at < len; at++) {
        use_image(fixture);
        sim_corrupt(sim, LOG_PATH, at, (uint8_t)(1u << at % 8));
        assert_refused(fixture, false, adb_hint_is_stale);
    }
}

/* Whole records where the MARK should be, with its sequence number. */
static void
test_hint_file__something_else_than_a_mark__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    for (uint32_t i = 0; i < 5; i++) {
        struct log_record record = {
            .value_len = LOG_MARK_VALUE_BYTES, .sequence = RECORDS, .flags = LOG_FLAG_META};
        use_new_image(fixture);
        add_records(fixture->image);
        if (i == 1) {
            record = (struct log_record){.value_len = 3, .sequence = RECORDS, .key_len = 17};
        } else if (i == 2) { /* of 40 bytes too */
            record.value_len = LOG_MARK_VALUE_BYTES + 4;
        } else if (i == 3) {
            record = (struct log_record){
                .sequence = RECORDS, .key_len = 20, .flags = LOG_FLAG_TOMBSTONE};
        }
        if (i == 4)
            image_mark(fixture->image, LOG_META_SEAL + 1, 64);
        else
            image_add(fixture->image, &record);
        use_image(fixture);
        make_hint(fixture, 1);
        assert_refused(fixture, true, adb_hint_is_stale);
    }
}

/* Adds to the number at byte `at` of a hint's header, and puts the checksum right. */
static void
change_header(const struct hint_fixture *fixture, size_t at, uint64_t add)
{
    enum { AT_CRC = HINT_HEADER_BYTES - 4 };
    size_t len;
    unsigned char *bytes = (unsigned char *)sim_read_file(fixture->log.sim, HINT_PATH, &len);
    assert_non_null(bytes);
    adb_store_u64(bytes + at, adb_load_u64(bytes + at) + add);
    adb_store_u32(bytes + AT_CRC, adb_crc32c(0, bytes, AT_CRC));
    sim_write_file(fixture->log.sim, HINT_PATH, bytes, len);
    free(bytes);
}

static void
test_hint_file__header_that_does_not_fit__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    enum { SHARD = 12, FILE_ID = 16, DB_ID = 24, DATA = 40, BASE = 48, LAST = 56, CHUNKS = 88 };
    enum { RECORDS_AT = 64, DEAD = 72, TOMBSTONES = 80, GROUPS = 96 };
    static const char too_much[] = "counts more than there can be";
    const struct {
        size_t at;
        uint64_t add;
        const char *why_not;
    } cases[] = {
        {DB_ID + 8, 1, "of another data file"},
        {SHARD, 1, "of another data file"},
        {FILE_ID, 1, "of another data file"},
        {BASE, 1, "of another data file"},
        {DATA, UINT64_C(0) - 8, adb_hint_is_stale},
        {DATA, UINT64_C(0) - 1, adb_hint_is_stale},
        {DATA, UINT64_C(0) - fixture->image->len, too_much},
        {DATA, LOG_MARK_RECORD_BYTES - fixture->image->len, too_much},
        {DATA, 8, adb_hint_is_stale},
        {DATA, UINT64_C(0) - 8 - fixture->image->len, adb_hint_is_stale},
        {LAST, 1, adb_hint_is_stale},
        {DEAD, fixture->image->len - 48 - 24 + 1, too_much},
        {DEAD, UINT64_C(0) - 49, too_much},
        {TOMBSTONES, fixture->image->len - 48 - 24 + 1, too_much},
        {TOMBSTONES, UINT64_C(0) - 25, too_much},
        {GROUPS, fixture->image->len - 48 - 24 + 1, too_much},
        {RECORDS_AT, fixture->image->len / 20, too_much},
        {RECORDS_AT, UINT64_C(1) << 60, too_much},
        {CHUNKS, UINT64_C(0) - 1, "damaged"},
        {CHUNKS, 1, "damaged"},
        {CHUNKS, UINT32_MAX - 2, "damaged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_hint(fixture, 2);
        change_header(fixture, cases[i].at, cases[i].add);
        assert_refused(fixture, false, cases[i].why_not);
        assert_refused(fixture, true, cases[i].why_not);
    }
}

static void
test_hint_file__any_changed_byte__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    make_hint(fixture, 18);
    uint64_t len = sim_file_size(fixture->log.sim, HINT_PATH);
    for (uint64_t at = 0; at < len; at += at < 512 ? 1 : 1021) {
        uint8_t flip = (uint8_t)(1u << at % 8);
        sim_corrupt(fixture->log.sim, HINT_PATH, at, flip);
        assert_refused(fixture, false, at < HINT_HEADER_BYTES ? "damaged header" : "damaged");
        sim_corrupt(fixture->log.sim, HINT_PATH, at, flip);
    }
    sim_corrupt(fixture->log.sim, HINT_PATH, len - 1, 0x80);
    assert_refused(fixture, false, "damaged");
}

static void
test_hint_file__cut_or_longer__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    make_hint(fixture, 17);
    uint64_t len = sim_file_size(fixture->log.sim, HINT_PATH);
    sim_truncate_file(fixture->log.sim, HINT_PATH, len + 1);
    assert_refused(fixture, false, "damaged");
    for (uint64_t n = len; n > 0; n -= n < 300 ? 1 : 97) {
        sim_truncate_file(fixture->log.sim, HINT_PATH, n - 1);
        assert_refused(fixture, false, n - 1 < HINT_HEADER_BYTES ? "damaged header" : "damaged");
    }
}

/* The bytes of a hint, to be changed and written. */
static unsigned char *
read_hint(const struct hint_fixture *fixture, size_t *len_out)
{
    unsigned char *bytes = (unsigned char *)sim_read_file(fixture->log.sim, HINT_PATH, len_out);
    assert_non_null(bytes);
    return bytes;
}

static void
test_hint_file__chunks_at_another_place__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    size_t len;
    make_hint(fixture, 11);
    unsigned char *bytes = read_hint(fixture, &len);
    unsigned char *fifth = bytes + HINT_HEADER_BYTES + 5 * HINT_CHUNK_BYTES;
    memcpy(fifth, fifth + HINT_CHUNK_BYTES, HINT_CHUNK_BYTES);
    sim_write_file(fixture->log.sim, HINT_PATH, bytes, len);
    assert_refused(fixture, false, "damaged");
    free(bytes);
}

/* The file has grown, and its hint was made anew; some chunks are of the old one. */
static void
test_hint_file__chunks_of_an_older_hint__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    size_t len;
    use_new_image(fixture);
    image_mark(fixture->image, LOG_META_MARK, fixture->image->len);
    use_image(fixture);
    make_hint(fixture, 4);
    unsigned char *old = read_hint(fixture, &len);
    image_mark(fixture->image, LOG_META_MARK, fixture->image->len);
    use_image(fixture);
    make_hint(fixture, 4);
    adb_hint_close(open_hint(fixture, true));
    unsigned char *bytes = read_hint(fixture, &len);
    size_t at = HINT_HEADER_BYTES + 2 * HINT_CHUNK_BYTES;
    memcpy(bytes + at, old + at, HINT_CHUNK_BYTES);
    sim_write_file(fixture->log.sim, HINT_PATH, bytes, len);
    assert_refused(fixture, true, "damaged");
    free(bytes);
    free(old);
}

static void
test_hint_file__no_segment_begins__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    const struct hint_header header = describe(fixture, 2);
    struct hint_chunk chunk;
    for (uint32_t begins = 0; begins < 3; begins++) { /* none, the second, the first */
        struct hint_writer *writer;
        assert_int_equal(adb_hint_begin(fixture->log.os, "/log", &header, &writer), ARMDB_OK);
        for (uint32_t i = 0; i < 2; i++) {
            fill_chunk(&chunk, i);
            adb_hint_chunk_finish(&chunk, begins == 2 - i);
            assert_int_equal(adb_hint_write(writer, &chunk), ARMDB_OK);
        }
        assert_int_equal(adb_hint_commit(writer, &header), ARMDB_OK);
        if (begins == 2)
            adb_hint_close(open_hint(fixture, false));
        else
            assert_refused(fixture, false, "damaged");
    }
}

static void
test_hint_file__header_not_written__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    const struct hint_header header = describe(fixture, 0);
    struct hint_writer *writer;
    size_t len;
    assert_int_equal(adb_hint_begin(fixture->log.os, "/log", &header, &writer), ARMDB_OK);
    assert_int_equal(write_chunks(writer, 2), ARMDB_OK);
    char *bytes = sim_read_file(fixture->log.sim, HINT_TEMPORARY, &len);
    sim_write_file(fixture->log.sim, HINT_PATH, bytes, len);
    adb_hint_abandon(writer);
    assert_refused(fixture, false, "damaged header");
    free(bytes);
}

/* --------------------------------------------------------- damage behind our back */

static void
test_hint_file__damaged_once_open__said_so(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    struct sim *sim = fixture->log.sim;
    const uint64_t second = HINT_HEADER_BYTES + HINT_CHUNK_BYTES;
    unsigned char bytes[HINT_CHUNK_BYTES];
    make_hint(fixture, 3);
    struct hint_reader *reader = open_hint(fixture, false);
    sim_corrupt(sim, HINT_PATH, second + 777, 4);
    assert_int_equal(adb_hint_read(reader, 0, bytes), ARMDB_OK);
    assert_int_equal(adb_hint_read(reader, 2, bytes), ARMDB_OK);
    assert_int_equal(adb_hint_read(reader, 1, bytes), ARMDB_CORRUPT);
    assert_string_equal(adb_err_detail()->file, HINT_PATH);
    assert_int_equal(adb_err_detail()->offset, second);
    const struct sim_fault fault = {.kind = SIM_FAULT_READ, .fail_at = 1};
    sim_set_fault(sim, &fault);
    assert_int_equal(adb_hint_read(reader, 0, bytes), ARMDB_IO);
    sim_clear_fault(sim);
    sim_truncate_file(sim, HINT_PATH, second + HINT_CHUNK_BYTES + 1);
    assert_int_equal(adb_hint_read(reader, 2, bytes), ARMDB_CORRUPT);
    adb_hint_close(reader);
}

/* ---------------------------------------------------------------------- faults */

/* Whatever is found is whole, or nothing. */
static void
assert_whole_or_none(struct data_file *file, uint32_t chunks)
{
    struct hint_reader *reader;
    const char *why_not;
    assert_int_equal(adb_hint_open(file, "/log", false, &reader, &why_not), ARMDB_OK);
    assert_null(why_not);
    if (reader != NULL)
        assert_chunks(reader, chunks);
    adb_hint_close(reader);
}

static void
test_hint_file__write_fails_anywhere__nothing_or_the_old_one(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    static const enum sim_fault_kind kinds[] = {SIM_FAULT_ERROR, SIM_FAULT_NO_SPACE,
                                                SIM_FAULT_SHORT_WRITE};
    const struct hint_header header = describe(fixture, 3);
    struct sim *sim = fixture->log.sim;
    for (uint32_t round = 0; round < 6; round++) {
        bool has_old = round % 2 == 1;
        adb_hint_remove(fixture->log.os, "/log", 1);
        if (has_old)
            make_hint(fixture, 3);
        bool has_fired = true;
        for (uint64_t n = 1; has_fired; n++) {
            const struct sim_fault fault = {.kind = kinds[round / 2],
                                            .fail_at = n,
                                            .ops = SIM_CHANGES | SIM_BIT(SIM_OP_CLOSE),
                                            .seed = test_seed() + n};
            sim_set_fault(sim, &fault);
            armdb_err err = try_hint(fixture->log.os, &header);
            has_fired = sim_fault_fired(sim);
            sim_clear_fault(sim);
            if (has_fired && fault.kind != SIM_FAULT_SHORT_WRITE)
                assert_true(err == (fault.kind == SIM_FAULT_ERROR ? ARMDB_IO : ARMDB_NO_SPACE));
            if (!has_fired)
                assert_int_equal(err, ARMDB_OK);
            assert_int_equal(sim_open_count(sim), 1);
            assert_int_equal(sim_file_exists(sim, HINT_PATH), has_old || err == ARMDB_OK);
            assert_false(sim_file_exists(sim, HINT_TEMPORARY));
            assert_whole_or_none(fixture->file, 3);
            if (!has_old)
                adb_hint_remove(fixture->log.os, "/log", 1);
        }
    }
}

static void
test_hint_file__power_cut_anywhere__whole_or_none(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    const struct hint_header header = describe(fixture, 3);
    bool has_fired = true;
    for (uint64_t n = 1; has_fired; n++) {
        for (int mode = SIM_CUT_ANY; mode <= SIM_CUT_KEEP; mode++) {
            struct sim *clone = sim_clone(fixture->log.sim);
            const struct sim_fault fault = {
                .kind = SIM_FAULT_CUT, .fail_at = n, .ops = SIM_CHANGES};
            sim_set_fault(clone, &fault);
            ADB_IGNORE(try_hint(sim_os(clone), &header));
            has_fired = sim_fault_fired(clone);
            sim_power_cut_as(clone, (enum sim_cut)mode, test_seed() + n);
            struct data_file *file = open_log(sim_os(clone));
            assert_whole_or_none(file, 3);
            close_log(file);
            sim_free(clone);
        }
    }
}

/* Whatever can't be read, of the hint or of the data file. */
static void
test_hint_file__reading_fails__said_so(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    struct sim *sim = fixture->log.sim;
    bool has_fired = true;
    make_hint(fixture, 20);
    for (uint64_t n = 1; has_fired; n++) {
        const struct sim_fault fault = {
            .kind = SIM_FAULT_ERROR, .fail_at = n, .ops = SIM_READS | SIM_OPENS};
        struct hint_reader *reader;
        const char *why_not;
        sim_set_fault(sim, &fault);
        armdb_err err = adb_hint_open(fixture->file, "/log", false, &reader, &why_not);
        has_fired = sim_fault_fired(sim);
        sim_clear_fault(sim);
        assert_int_equal(err, has_fired ? ARMDB_IO : ARMDB_OK);
        assert_int_equal(reader == NULL, has_fired);
        adb_hint_close(reader);
        assert_int_equal(sim_open_count(sim), 1);
    }
}

static void
test_hint_file__memory_is_out__said_so(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    const struct hint_header header = describe(fixture, 2);
    bool has_failed = true;
    for (uint64_t n = 1; has_failed; n++) {
        adb_mem_fail_at(n, false);
        armdb_err err = try_hint(fixture->log.os, &header);
        has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        if (has_failed)
            assert_int_equal(adb_err_detail()->code, ARMDB_NO_MEMORY);
        assert_int_equal(sim_file_exists(fixture->log.sim, HINT_PATH), !has_failed);
        assert_false(sim_file_exists(fixture->log.sim, HINT_TEMPORARY));
        assert_int_equal(sim_open_count(fixture->log.sim), 1);
    }
    has_failed = true;
    for (uint64_t n = 1; has_failed; n++) {
        struct hint_reader *reader;
        const char *why_not;
        adb_mem_fail_at(n, false);
        armdb_err err = adb_hint_open(fixture->file, "/log", false, &reader, &why_not);
        has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        assert_int_equal(reader == NULL, has_failed);
        adb_hint_close(reader);
        assert_int_equal(sim_open_count(fixture->log.sim), 1);
    }
}

#define HINT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        HINT_TEST(test_hint_file__written__read_again),
        HINT_TEST(test_hint_file__end__as_scanned),
        HINT_TEST(test_hint_file__up_to_a_mark__newest_file_may_go_on),
        HINT_TEST(test_hint_file__behind_a_seal__newest_file_only),
        HINT_TEST(test_hint_file__none__said_so),
        HINT_TEST(test_hint_file__abandoned__without_a_trace),
        HINT_TEST(test_hint_file__left_by_a_kill__replaced),
        HINT_TEST(test_hint_file__data_file_has_changed__refused),
        HINT_TEST(test_hint_file__something_else_than_a_mark__refused),
        HINT_TEST(test_hint_file__header_that_does_not_fit__refused),
        HINT_TEST(test_hint_file__any_changed_byte__refused),
        HINT_TEST(test_hint_file__cut_or_longer__refused),
        HINT_TEST(test_hint_file__chunks_at_another_place__refused),
        HINT_TEST(test_hint_file__chunks_of_an_older_hint__refused),
        HINT_TEST(test_hint_file__no_segment_begins__refused),
        HINT_TEST(test_hint_file__header_not_written__refused),
        HINT_TEST(test_hint_file__damaged_once_open__said_so),
        HINT_TEST(test_hint_file__write_fails_anywhere__nothing_or_the_old_one),
        HINT_TEST(test_hint_file__power_cut_anywhere__whole_or_none),
        HINT_TEST(test_hint_file__reading_fails__said_so),
        HINT_TEST(test_hint_file__memory_is_out__said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
