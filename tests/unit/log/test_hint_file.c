/* Hints on the simulated system: what is read is what the data file holds, or its front. */
#include "log/filename.h"
#include "log/hint_file.h"
#include "log_image.h"

#define HINT_PATH "/log/0000000001.hint"
#define HINT_TEMPORARY "/log/0000000001.hint.tmp"

enum { FEW = 40, MANY = 1900, KEPT_VALUE_BYTES = 4 };

/* A data file of `records` records, some of them tombstones, with a PAD and a MARK among them. */
static struct log_image *
make_image(uint32_t records)
{
    struct log_image *image = image_new();
    for (uint32_t i = 0; i < records; i++) {
        const struct log_record tombstone = {.sequence = image->sequence + 1,
                                             .flags = LOG_FLAG_TOMBSTONE,
                                             .key_len = 1 + i % 90,
                                             .collection_id = i % 3};
        if (i % 7 == 3) {
            image->sequence++;
            image_add(image, &tombstone);
        } else {
            image_put(image, 1 + i * 37 % 200, i % 5 == 0 ? KEPT_VALUE_BYTES : i % 300);
        }
        if (i == records / 2) {
            image_pad(image, 100);
            image_mark(image, LOG_META_MARK, image->len);
        }
    }
    return image;
}

struct hint_fixture {
    struct log_fixture log;
    struct log_image *image;
    struct data_file *file;
};

static int
set_up_with(void **state, uint32_t records)
{
    void *log;
    struct hint_fixture *fixture = (struct hint_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    (void)log_set_up(&log);
    fixture->log = *(struct log_fixture *)log;
    free(log);
    fixture->image = make_image(records);
    image_seal(fixture->image);
    sim_write_file(fixture->log.sim, LOG_PATH, fixture->image->bytes, fixture->image->len);
    fixture->file = open_log(fixture->log.os);
    *state = fixture;
    return 0;
}

static int
set_up(void **state)
{
    return set_up_with(state, FEW);
}

static int
set_up_many(void **state)
{
    return set_up_with(state, MANY);
}

static int
tear_down(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    adb_mem_fail_at(0, false);
    ADB_IGNORE(adb_data_file_close(fixture->file));
    image_free(fixture->image);
    sim_free(fixture->log.sim);
    free(fixture);
    return 0;
}

/* Gives the fixture another data file, which is in `image`. */
static void
use_image(struct hint_fixture *fixture)
{
    ADB_IGNORE(adb_data_file_close(fixture->file));
    sim_write_file(fixture->log.sim, LOG_PATH, fixture->image->bytes, fixture->image->len);
    fixture->file = open_log(fixture->log.os);
}

/* --------------------------------------------------------------------- writing */

static armdb_err
add_record(void *context, const struct log_scan_record *found)
{
    struct hint_writer *writer = (struct hint_writer *)context;
    bool is_kept = found->record.flags == 0 && found->record.value_len == KEPT_VALUE_BYTES;
    const struct hint_entry entry = {.record = found->record,
                                     .offset = found->offset,
                                     .key = found->key.data,
                                     .value = is_kept ? found->value : NULL};
    return adb_hint_add(writer, &entry);
}

static armdb_err
skip_record(void *context, const struct log_scan_record *found)
{
    (void)context;
    (void)found;
    return ARMDB_OK;
}

/* Writes the hint of a data file, by scanning it twice. */
static armdb_err
write_hint(struct adb_os *os, struct data_file *file)
{
    struct log_scan_result result;
    struct hint_writer *writer;
    ADB_TRY(adb_log_scan(file, true, 0, skip_record, NULL, &result));
    const struct hint_header header = {
        .file = file->header, .data_bytes = result.size, .last_sequence = result.sequence};
    ADB_TRY(adb_hint_begin(os, "/log", &header, &writer));
    armdb_err err = adb_log_scan(file, true, 0, add_record, writer, &result);
    if (err != ARMDB_OK) {
        adb_hint_abandon(writer);
        return err;
    }
    return adb_hint_commit(writer);
}

static void
make_hint(struct hint_fixture *fixture)
{
    assert_int_equal(write_hint(fixture->log.os, fixture->file), ARMDB_OK);
    assert_false(sim_file_exists(fixture->log.sim, HINT_TEMPORARY));
}

/* --------------------------------------------------------------------- reading */

/* What reading a hint came to. */
struct reading {
    bool is_usable;
    const char *why_not;
    enum hint_step how; /* it ended */
    uint64_t entries;
    uint64_t resume;
    struct hint_end end;
};

/* Compares an entry with what the image has at its place, and says where it ends. */
static uint64_t
check_entry(const struct log_image *image, const struct hint_entry *entry)
{
    struct log_record record;
    const unsigned char *at = image->bytes + entry->offset;
    assert_true(entry->offset + LOG_RECORD_HEADER_BYTES <= image->len);
    adb_log_decode_record(at, &record);
    assert_true(record.sequence == entry->record.sequence && record.flags == entry->record.flags);
    assert_int_equal(record.value_len, entry->record.value_len);
    assert_int_equal(record.key_len, entry->record.key_len);
    assert_int_equal(record.collection_id, entry->record.collection_id);
    assert_memory_equal(entry->key, at + LOG_RECORD_HEADER_BYTES, record.key_len);
    bool is_kept = record.flags == 0 && record.value_len == KEPT_VALUE_BYTES;
    assert_int_equal(entry->value != NULL, is_kept);
    if (is_kept)
        assert_memory_equal(entry->value, at + LOG_RECORD_HEADER_BYTES + record.key_len,
                            record.value_len);
    return entry->offset + adb_log_record_bytes(record.key_len, record.value_len);
}

/* Reads the hint; whatever it says must be so, and nothing may be left out. */
static struct reading
read_hint(struct data_file *file, const struct log_image *image)
{
    struct reading reading = {.how = HINT_DAMAGED};
    struct hint_reader *reader;
    struct hint_entry entry;
    assert_int_equal(adb_hint_open(file, "/log", &reader, &reading.why_not), ARMDB_OK);
    reading.is_usable = reader != NULL;
    if (reader == NULL)
        return reading;
    assert_null(reading.why_not);
    reading.end = *adb_hint_end(reader);
    reading.resume = adb_hint_resume(reader);
    assert_int_equal(reading.resume, LOG_FILE_HEADER_BYTES);
    while ((reading.how = adb_hint_next(reader, &entry)) == HINT_ENTRY) {
        reading.resume = check_entry(image, &entry);
        reading.entries++;
        assert_true(adb_hint_resume(reader) == reading.resume);
        assert_true(image_records_before(image, reading.resume) == reading.entries);
    }
    adb_hint_close(reader);
    return reading;
}

static struct reading
read_again(const struct hint_fixture *fixture)
{
    return read_hint(fixture->file, fixture->image);
}

static void
assert_unusable(const struct hint_fixture *fixture, const char *why_not)
{
    const struct reading reading = read_again(fixture);
    assert_false(reading.is_usable);
    if (why_not == NULL)
        assert_null(reading.why_not);
    else
        assert_string_equal(reading.why_not, why_not);
}

static const char NOT_THE_FILE[] = "the data file is not what the hint tells of";

/* ----------------------------------------------------------------------- tests */

static void
test_hint_file__sealed_file__all_records(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    make_hint(fixture);
    const struct reading reading = read_again(fixture);
    assert_true(reading.is_usable);
    assert_int_equal(reading.how, HINT_END);
    assert_int_equal(reading.entries, FEW);
    assert_int_equal(reading.end.end, fixture->image->len);
    assert_int_equal(reading.end.sequence, FEW);
    assert_int_equal(reading.end.marked, fixture->image->len - LOG_MARK_RECORD_BYTES);
    assert_int_equal(reading.end.marked_at, fixture->image->len - LOG_MARK_RECORD_BYTES);
    assert_true(reading.end.is_sealed);
}

static void
test_hint_file__many_records__several_chunks(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    make_hint(fixture);
    assert_true(sim_file_size(fixture->log.sim, HINT_PATH) >
                HINT_HEADER_BYTES + HINT_CHUNK_BYTES_MAX);
    const struct reading reading = read_again(fixture);
    assert_int_equal(reading.how, HINT_END);
    assert_int_equal(reading.entries, MANY);
}

static void
test_hint_file__empty_data_file__no_entries(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    image_free(fixture->image);
    fixture->image = image_new();
    image_seal(fixture->image);
    use_image(fixture);
    make_hint(fixture);
    const struct reading reading = read_again(fixture);
    assert_int_equal(reading.how, HINT_END);
    assert_int_equal(reading.entries, 0);
    assert_int_equal(sim_file_size(fixture->log.sim, HINT_PATH), HINT_HEADER_BYTES);
}

static void
test_hint_file__none__said_so(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    assert_unusable(fixture, NULL);
    make_hint(fixture);
    assert_int_equal(adb_hint_remove(fixture->log.os, "/log", 1), ARMDB_OK);
    assert_int_equal(adb_hint_remove(fixture->log.os, "/log", 1), ARMDB_OK);
    assert_unusable(fixture, NULL);
}

static void
test_hint_file__up_to_a_mark__file_may_go_on(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    image_free(fixture->image);
    fixture->image = make_image(FEW);
    image_mark(fixture->image, LOG_META_MARK, fixture->image->len);
    use_image(fixture);
    make_hint(fixture);
    size_t end = fixture->image->len;
    for (uint32_t i = 0; i < 3; i++) {
        const struct reading reading = read_again(fixture);
        assert_int_equal(reading.how, HINT_END);
        assert_int_equal(reading.entries, FEW);
        assert_int_equal(reading.end.end, end);
        assert_false(reading.end.is_sealed);
        if (i == 0)
            image_put(fixture->image, 9, 99);
        else
            image_seal(fixture->image);
        use_image(fixture);
    }
}

static void
test_hint_file__data_file_has_changed__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    struct sim *sim = fixture->log.sim;
    size_t len = fixture->image->len;
    make_hint(fixture);
    sim_truncate_file(sim, LOG_PATH, len - 8);
    assert_unusable(fixture, NOT_THE_FILE);
    use_image(fixture);
    sim_truncate_file(sim, LOG_PATH, len + 8); /* something behind a SEAL */
    assert_unusable(fixture, NOT_THE_FILE);
    for (size_t at = len - LOG_MARK_RECORD_BYTES; at < len; at++) {
        use_image(fixture);
        sim_corrupt(sim, LOG_PATH, at, 0x20);
        assert_unusable(fixture, NOT_THE_FILE);
    }
    /* Of the same length and identity, with another number of records. */
    image_free(fixture->image);
    fixture->image = image_new();
    image_put(fixture->image, 8, (uint32_t)len - LOG_FILE_HEADER_BYTES - 28 - 40);
    image_seal(fixture->image);
    assert_int_equal(fixture->image->len, len);
    use_image(fixture);
    assert_unusable(fixture, NOT_THE_FILE);
}

/* Rewrites the header of the hint. */
static void
change_header(struct hint_fixture *fixture, void (*change)(struct hint_header *))
{
    size_t len;
    unsigned char *bytes = (unsigned char *)sim_read_file(fixture->log.sim, HINT_PATH, &len);
    struct hint_header header;
    assert_non_null(bytes);
    assert_true(adb_hint_decode_header(bytes, &header));
    change(&header);
    adb_hint_encode_header(&header, bytes);
    sim_write_file(fixture->log.sim, HINT_PATH, bytes, len);
    free(bytes);
}

static void
other_database(struct hint_header *header)
{
    header->file.db_id[3] ^= 1;
}

static void
other_shard(struct hint_header *header)
{
    header->file.shard++;
}

static void
other_file(struct hint_header *header)
{
    header->file.file_id++;
}

static void
other_base(struct hint_header *header)
{
    header->file.base_sequence++;
}

static void
test_hint_file__of_another_file__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    void (*const changes[])(struct hint_header *) = {other_database, other_shard, other_file,
                                                     other_base};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        make_hint(fixture);
        change_header(fixture, changes[i]);
        assert_unusable(fixture, "of another data file");
    }
}

static void
shorter(struct hint_header *header)
{
    header->data_bytes -= 8;
}

static void
very_short(struct hint_header *header)
{
    header->data_bytes = LOG_MARK_RECORD_BYTES;
}

static void
very_long(struct hint_header *header)
{
    header->data_bytes = UINT64_MAX - 7;
}

static void
other_sequence(struct hint_header *header)
{
    header->last_sequence++;
}

static void
test_hint_file__lengths_that_lie__refused(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    void (*const changes[])(struct hint_header *) = {shorter, very_short, very_long,
                                                     other_sequence};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        make_hint(fixture);
        change_header(fixture, changes[i]);
        assert_unusable(fixture, NOT_THE_FILE);
    }
}

static void
fewer_entries(struct hint_header *header)
{
    header->entries--;
}

static void
smaller_body(struct hint_header *header)
{
    header->body_bytes--;
}

static void
larger_body(struct hint_header *header)
{
    header->body_bytes++;
}

static void
test_hint_file__counts_that_lie__damaged(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    void (*const changes[])(struct hint_header *) = {fewer_entries, smaller_body, larger_body};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        make_hint(fixture);
        change_header(fixture, changes[i]);
        const struct reading reading = read_again(fixture);
        assert_true(reading.is_usable);
        assert_int_equal(reading.how, HINT_DAMAGED);
    }
}

static void
test_hint_file__any_changed_byte__refused_or_cut(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    make_hint(fixture);
    uint64_t len = sim_file_size(fixture->log.sim, HINT_PATH);
    for (uint64_t at = 0; at < len; at++) {
        uint8_t flip = (uint8_t)(1u << at % 8);
        sim_corrupt(fixture->log.sim, HINT_PATH, at, flip);
        const struct reading reading = read_again(fixture);
        assert_int_equal(reading.is_usable, at >= HINT_HEADER_BYTES);
        assert_int_equal(reading.how, HINT_DAMAGED);
        assert_int_equal(reading.entries, 0); /* there is one chunk */
        sim_corrupt(fixture->log.sim, HINT_PATH, at, flip);
    }
}

static void
test_hint_file__damaged_later_chunk__front_counts(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    make_hint(fixture);
    uint64_t len = sim_file_size(fixture->log.sim, HINT_PATH);
    sim_corrupt(fixture->log.sim, HINT_PATH, len - 1, 1);
    const struct reading reading = read_again(fixture);
    assert_int_equal(reading.how, HINT_DAMAGED);
    assert_true(reading.entries > 0 && reading.entries < MANY);
    assert_true(reading.resume > LOG_FILE_HEADER_BYTES && reading.resume < fixture->image->len);
}

static void
test_hint_file__cut_anywhere__refused_or_cut(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    make_hint(fixture);
    for (uint64_t len = sim_file_size(fixture->log.sim, HINT_PATH); len > 0; len--) {
        sim_truncate_file(fixture->log.sim, HINT_PATH, len - 1);
        assert_int_equal(read_again(fixture).how, HINT_DAMAGED);
    }
}

/* A hint with whole chunks and two entries, of which the second makes no sense at its place. */
static void
write_two(struct hint_fixture *fixture, uint64_t second_at, uint32_t value_len)
{
    const struct hint_header header = {.file = fixture->file->header,
                                       .data_bytes = fixture->image->len,
                                       .last_sequence = fixture->image->sequence};
    struct hint_entry entry = {
        .record = {.sequence = 1, .key_len = 1}, .offset = LOG_FILE_HEADER_BYTES, .key = "k"};
    struct hint_writer *writer;
    assert_int_equal(adb_hint_begin(fixture->log.os, "/log", &header, &writer), ARMDB_OK);
    assert_int_equal(adb_hint_add(writer, &entry), ARMDB_OK);
    entry.offset = second_at;
    entry.record.value_len = value_len;
    assert_int_equal(adb_hint_add(writer, &entry), ARMDB_OK);
    assert_int_equal(adb_hint_commit(writer), ARMDB_OK);
}

static void
test_hint_file__entries_out_of_place__damaged(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    uint64_t seal_at = fixture->image->len - LOG_MARK_RECORD_BYTES;
    const struct {
        uint64_t at;
        uint32_t value_len;
        bool is_right;
    } cases[] = {
        {LOG_FILE_HEADER_BYTES + 24, 0, true},
        {LOG_FILE_HEADER_BYTES, 0, false},      /* the same again */
        {LOG_FILE_HEADER_BYTES + 16, 0, false}, /* inside the first */
        {seal_at - 24, 0, true},
        {seal_at - 24, 8, false}, /* reaches into the SEAL */
        {seal_at, 0, false},
        {4096 + 8, 1 << 19, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hint_reader *reader;
        struct hint_entry entry;
        const char *why_not;
        write_two(fixture, cases[i].at, cases[i].value_len);
        assert_int_equal(adb_hint_open(fixture->file, "/log", &reader, &why_not), ARMDB_OK);
        assert_non_null(reader);
        assert_int_equal(adb_hint_next(reader, &entry), HINT_ENTRY);
        assert_int_equal(adb_hint_next(reader, &entry),
                         cases[i].is_right ? HINT_ENTRY : HINT_DAMAGED);
        if (!cases[i].is_right)
            assert_int_equal(adb_hint_resume(reader), LOG_FILE_HEADER_BYTES + 24);
        adb_hint_close(reader);
    }
}

/* ---------------------------------------------------------------------- faults */

/* Whatever is found must be whole (`counts` too), or nothing. */
static void
assert_whole_or_none(struct sim *sim, const struct log_image *image)
{
    struct data_file *file = open_log(sim_os(sim));
    const struct reading reading = read_hint(file, image);
    if (reading.is_usable)
        assert_int_equal(reading.how, HINT_END);
    close_log(file);
}

static void
test_hint_file__write_fails_anywhere__nothing_or_the_old_one(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    struct sim *sim = fixture->log.sim;
    for (uint32_t round = 0; round < 2; round++) {
        bool has_old = round == 1;
        for (uint64_t n = 1;; n++) {
            const struct sim_fault fault = {.kind = SIM_FAULT_ERROR,
                                            .fail_at = n,
                                            .ops = SIM_CHANGES | SIM_BIT(SIM_OP_CLOSE),
                                            .seed = test_seed() + n};
            sim_set_fault(sim, &fault);
            armdb_err err = write_hint(fixture->log.os, fixture->file);
            bool has_fired = sim_fault_fired(sim);
            sim_clear_fault(sim);
            assert_int_equal(err, has_fired ? ARMDB_IO : ARMDB_OK);
            assert_int_equal(sim_file_exists(sim, HINT_PATH), has_old || !has_fired);
            assert_whole_or_none(sim, fixture->image);
            if (!has_fired)
                break;
            assert_false(sim_file_exists(sim, HINT_TEMPORARY));
        }
    }
}

static void
test_hint_file__power_cut_anywhere__whole_or_none(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    bool has_fired = true;
    for (uint64_t n = 1; has_fired; n++) {
        for (int mode = SIM_CUT_ANY; mode <= SIM_CUT_KEEP; mode++) {
            struct sim *clone = sim_clone(fixture->log.sim);
            const struct sim_fault fault = {
                .kind = SIM_FAULT_CUT, .fail_at = n, .ops = SIM_CHANGES};
            struct data_file *file = open_log(sim_os(clone));
            sim_set_fault(clone, &fault);
            (void)write_hint(sim_os(clone), file);
            has_fired = sim_fault_fired(clone);
            ADB_IGNORE(adb_data_file_close(file));
            sim_power_cut_as(clone, (enum sim_cut)mode, test_seed() + n);
            assert_whole_or_none(clone, fixture->image);
            sim_free(clone);
        }
    }
}

static void
test_hint_file__read_fails__no_use_and_no_error(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    make_hint(fixture);
    for (uint64_t n = 1;; n++) {
        const struct sim_fault fault = {.kind = SIM_FAULT_READ, .fail_at = n};
        struct hint_reader *reader;
        struct hint_entry entry;
        const char *why_not;
        sim_set_fault(fixture->log.sim, &fault);
        armdb_err err = adb_hint_open(fixture->file, "/log", &reader, &why_not);
        enum hint_step step = HINT_ENTRY;
        while (reader != NULL && step == HINT_ENTRY)
            step = adb_hint_next(reader, &entry);
        bool has_fired = sim_fault_fired(fixture->log.sim);
        sim_clear_fault(fixture->log.sim);
        if (!has_fired) {
            assert_int_equal(step, HINT_END);
            adb_hint_close(reader);
            break;
        }
        /* The header of the hint, its size, or the data file's mark; or else a chunk. */
        if (reader == NULL)
            assert_true(err == ARMDB_IO || why_not != NULL);
        else
            assert_int_equal(step, HINT_DAMAGED);
        adb_hint_close(reader);
    }
}

static void
test_hint_file__memory_is_out__said_so(void **state)
{
    struct hint_fixture *fixture = (struct hint_fixture *)*state;
    const struct hint_header header = {.file = fixture->file->header,
                                       .data_bytes = fixture->image->len};
    for (uint64_t n = 1; n <= 3; n++) {
        struct hint_writer *writer;
        adb_mem_fail_at(n, false);
        assert_int_equal(adb_hint_begin(fixture->log.os, "/log", &header, &writer),
                         ARMDB_NO_MEMORY);
        adb_mem_fail_at(0, false);
        assert_null(writer);
        assert_false(sim_file_exists(fixture->log.sim, HINT_TEMPORARY));
    }
    make_hint(fixture);
    for (uint64_t n = 1; n <= 2; n++) {
        struct hint_reader *reader;
        const char *why_not;
        adb_mem_fail_at(n, false);
        assert_int_equal(adb_hint_open(fixture->file, "/log", &reader, &why_not), ARMDB_NO_MEMORY);
        adb_mem_fail_at(0, false);
        assert_null(reader);
    }
    assert_int_equal(sim_open_count(fixture->log.sim), 1);
}

#define WITH_FEW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define WITH_MANY(test) cmocka_unit_test_setup_teardown(test, set_up_many, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FEW(test_hint_file__sealed_file__all_records),
        WITH_MANY(test_hint_file__many_records__several_chunks),
        WITH_FEW(test_hint_file__empty_data_file__no_entries),
        WITH_FEW(test_hint_file__none__said_so),
        WITH_FEW(test_hint_file__up_to_a_mark__file_may_go_on),
        WITH_FEW(test_hint_file__data_file_has_changed__refused),
        WITH_FEW(test_hint_file__of_another_file__refused),
        WITH_FEW(test_hint_file__lengths_that_lie__refused),
        WITH_FEW(test_hint_file__counts_that_lie__damaged),
        WITH_FEW(test_hint_file__any_changed_byte__refused_or_cut),
        WITH_MANY(test_hint_file__damaged_later_chunk__front_counts),
        WITH_FEW(test_hint_file__cut_anywhere__refused_or_cut),
        WITH_FEW(test_hint_file__entries_out_of_place__damaged),
        WITH_FEW(test_hint_file__write_fails_anywhere__nothing_or_the_old_one),
        WITH_FEW(test_hint_file__power_cut_anywhere__whole_or_none),
        WITH_FEW(test_hint_file__read_fails__no_use_and_no_error),
        WITH_FEW(test_hint_file__memory_is_out__said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
