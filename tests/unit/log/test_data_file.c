/* Data files: birth, headers that are refused, and values read from the tail and from the file. */
#include "log_fixture.h"

#include "log/location.h"

enum { TAIL_BYTES = 16384 };

/* ---------------------------------------------------------------------- create */

static void
test_data_file__created__header_and_name_are_durable(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_file_header header = LOG_HEADER;
    struct data_file *file;
    header.base_sequence = 77;
    assert_int_equal(adb_data_file_create(fixture->os, "/log", &header, &file), ARMDB_OK);
    assert_string_equal(file->path, LOG_PATH);
    assert_int_equal(file->end, LOG_FILE_HEADER_BYTES);
    assert_int_equal(atomic_load(&file->written), LOG_FILE_HEADER_BYTES);
    assert_int_equal(atomic_load(&file->synced), LOG_FILE_HEADER_BYTES);
    assert_int_equal(file->seed, adb_log_file_seed(&LOG_HEADER));
    close_log(file);
    assert_false(sim_file_exists(fixture->sim, LOG_PATH ".tmp"));
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    assert_int_equal(sim_file_size(fixture->sim, LOG_PATH), LOG_FILE_HEADER_BYTES);
    file = open_log(sim_os(fixture->sim));
    assert_int_equal(file->header.base_sequence, 77);
    close_log(file);
}

static void
test_data_file__left_over_temporary__replaced(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    char rubbish[200];
    memset(rubbish, 'x', sizeof rubbish);
    sim_write_file(fixture->sim, LOG_PATH ".tmp", rubbish, sizeof rubbish);
    close_log(create_log(fixture->os));
    assert_false(sim_file_exists(fixture->sim, LOG_PATH ".tmp"));
    assert_int_equal(sim_file_size(fixture->sim, LOG_PATH), LOG_FILE_HEADER_BYTES);
}

/* Fails the n-th operation of a creation, until none is left; says how many there were. */
static uint64_t
fail_each_creation(void **state, enum sim_fault_kind kind, bool is_persistent)
{
    for (uint64_t n = 1;; n++) {
        log_set_up(state);
        struct log_fixture *fixture = (struct log_fixture *)*state;
        const struct sim_fault fault = {
            .kind = kind, .fail_at = n, .is_persistent = is_persistent, .seed = test_seed() + n};
        struct data_file *file;
        sim_set_fault(fixture->sim, &fault);
        armdb_err err = adb_data_file_create(fixture->os, "/log", &LOG_HEADER, &file);
        bool fired = sim_fault_fired(fixture->sim);
        sim_clear_fault(fixture->sim);
        assert_int_equal(err == ARMDB_OK, file != NULL);
        if (err != ARMDB_OK && !is_persistent) {
            assert_true(fired);
            assert_int_equal(adb_err_detail()->code, err);
            assert_false(sim_file_exists(fixture->sim, LOG_PATH ".tmp"));
            assert_false(sim_file_exists(fixture->sim, LOG_PATH));
        }
        ADB_IGNORE(adb_data_file_close(file));
        /* Whatever is left under the real name is whole, also after a power cut. */
        for (uint64_t seed = 0; seed < 5; seed++) {
            struct sim *clone = sim_clone(fixture->sim);
            sim_power_cut(clone, n * 10 + seed);
            if (sim_file_exists(clone, LOG_PATH))
                close_log(open_log(sim_os(clone)));
            sim_free(clone);
        }
        assert_int_equal(sim_open_count(fixture->sim), 0);
        log_tear_down(state);
        if (!fired)
            return n - 1;
    }
}

static void
test_data_file__creation_fails__nothing_is_left(void **state)
{
    assert_true(fail_each_creation(state, SIM_FAULT_ERROR, false) >= 5);
    assert_true(fail_each_creation(state, SIM_FAULT_ERROR, true) >= 5);
    assert_true(fail_each_creation(state, SIM_FAULT_NO_SPACE, false) >= 2);
    assert_true(fail_each_creation(state, SIM_FAULT_SHORT_WRITE, false) == 1);
}

static void
test_data_file__no_memory__said_and_nothing_left(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    bool failed = true;
    for (uint64_t n = 1; failed; n++) {
        struct data_file *file;
        adb_mem_fail_at(n, false);
        armdb_err err = adb_data_file_create(fixture->os, "/log", &LOG_HEADER, &file);
        failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        ADB_IGNORE(adb_data_file_close(file));
        assert_int_equal(sim_file_exists(fixture->sim, LOG_PATH), !failed);
    }
    failed = true;
    for (uint64_t n = 1; failed; n++) {
        struct data_file *file;
        adb_mem_fail_at(n, false);
        armdb_err err = adb_data_file_open(fixture->os, "/log", &LOG_HEADER, ADB_OPEN_READ, &file);
        failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        ADB_IGNORE(adb_data_file_close(file));
    }
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

/* ------------------------------------------------------------------------ open */

static void
assert_open_fails(struct log_fixture *fixture, armdb_err expected, const char *why)
{
    struct data_file *file;
    assert_int_equal(adb_data_file_open(fixture->os, "/log", &LOG_HEADER, ADB_OPEN_READ, &file),
                     expected);
    assert_null(file);
    assert_int_equal(adb_err_detail()->code, expected);
    assert_string_equal(adb_err_detail()->file, LOG_PATH);
    assert_non_null(strstr(adb_err_detail()->message, why));
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

static void
write_header(struct log_fixture *fixture, const struct log_file_header *header)
{
    unsigned char bytes[LOG_FILE_HEADER_BYTES];
    adb_log_encode_file_header(header, bytes);
    sim_write_file(fixture->sim, LOG_PATH, bytes, sizeof bytes);
}

static void
test_data_file__too_short__refused(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    write_header(fixture, &LOG_HEADER);
    for (uint64_t bytes = LOG_FILE_HEADER_BYTES; bytes-- > 0;) {
        sim_truncate_file(fixture->sim, LOG_PATH, bytes);
        assert_open_fails(fixture, ARMDB_CORRUPT, "too short");
    }
}

static void
test_data_file__missing__damage_not_answer(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    assert_open_fails(fixture, ARMDB_CORRUPT, "missing");
}

static void
test_data_file__flipped_byte_in_header__refused(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    write_header(fixture, &LOG_HEADER);
    for (uint64_t at = 0; at < LOG_FILE_HEADER_BYTES; at++) {
        sim_corrupt(fixture->sim, LOG_PATH, at, 0x10);
        assert_open_fails(fixture, ARMDB_CORRUPT, "damaged file header");
        sim_corrupt(fixture->sim, LOG_PATH, at, 0x10);
    }
}

static void
test_data_file__foreign_or_misplaced__refused(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_file_header header = LOG_HEADER;
    header.db_id[0] ^= 1;
    write_header(fixture, &header);
    assert_open_fails(fixture, ARMDB_CORRUPT, "another database");
    header = LOG_HEADER;
    header.file_id = 2;
    write_header(fixture, &header);
    assert_open_fails(fixture, ARMDB_CORRUPT, "it is file 2 of shard 5");
    header = LOG_HEADER;
    header.shard = 6;
    write_header(fixture, &header);
    assert_open_fails(fixture, ARMDB_CORRUPT, "it is file 1 of shard 6");
}

static void
test_data_file__newer_version__format_error(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    unsigned char bytes[LOG_FILE_HEADER_BYTES];
    adb_log_encode_file_header(&LOG_HEADER, bytes);
    bytes[8] = 9;
    adb_store_u32(bytes + 60, adb_crc32c(0, bytes, 60));
    sim_write_file(fixture->sim, LOG_PATH, bytes, sizeof bytes);
    assert_open_fails(fixture, ARMDB_FORMAT, "format version 9 is newer than 3");
    assert_int_equal(adb_err_detail()->offset, 8);
}

static void
test_data_file__opening_fails__io_error(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    bool fired = true;
    write_header(fixture, &LOG_HEADER);
    for (uint64_t n = 1; fired; n++) {
        const struct sim_fault fault = {.fail_at = n, .ops = SIM_OPENS | SIM_READS};
        struct data_file *file;
        sim_set_fault(fixture->sim, &fault);
        armdb_err err = adb_data_file_open(fixture->os, "/log", &LOG_HEADER, ADB_OPEN_READ, &file);
        fired = sim_fault_fired(fixture->sim);
        assert_int_equal(err, fired ? ARMDB_IO : ARMDB_OK);
        assert_int_equal(err == ARMDB_OK, file != NULL);
        ADB_IGNORE(adb_data_file_close(file));
    }
}

/* ------------------------------------------------------------------------ read */

/* Value lengths around every boundary there is. */
static const uint32_t LENGTHS[] = {
    0,
    1,
    7,
    4096 - 20 - KEY_BYTES - 8, /* records of 4088, 4096 and 4104 bytes */
    4096 - 20 - KEY_BYTES - 7,
    4096 - 20 - KEY_BYTES - 1,
    4096 - 20 - KEY_BYTES,
    4096 - 20 - KEY_BYTES + 1,
    4095,
    4096,
    4097,
    TAIL_BYTES - 20 - KEY_BYTES - 1, /* as large as the tail, and larger */
    TAIL_BYTES - 20 - KEY_BYTES,
    TAIL_BYTES - 20 - KEY_BYTES + 1,
    TAIL_BYTES,
    LOCATION_LARGE - 1,
    LOCATION_LARGE,
    LOCATION_LARGE + 1,
    3 * 1024 * 1024 + 5,
};
enum { LENGTH_COUNT = sizeof LENGTHS / sizeof LENGTHS[0] };

static void
assert_reads_all(struct data_file *file, const uint64_t *offsets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_reads(file, offsets[i], i, LENGTHS[i]);
}

static void
read_lengths_with_tail(struct log_fixture *fixture, uint32_t tail_bytes)
{
    struct log_writer writer;
    uint64_t offsets[LENGTH_COUNT];
    struct data_file *file = create_log(fixture->os);
    assert_int_equal(adb_log_writer_init(&writer, UINT64_C(1) << 32, tail_bytes), ARMDB_OK);
    adb_log_writer_use(&writer, file);
    for (size_t i = 0; i < LENGTH_COUNT; i++) {
        offsets[i] = append(&writer, i, LENGTHS[i]);
        assert_reads_all(file, offsets, i + 1);
        if (i % 3 == 0)
            flush(&writer);
        assert_reads(file, offsets[i], i, LENGTHS[i]);
    }
    flush(&writer);
    assert_reads_all(file, offsets, LENGTH_COUNT);
    close_log(file);
    file = open_log(fixture->os);
    assert_reads_all(file, offsets, LENGTH_COUNT);
    close_log(file);
    adb_log_writer_fini(&writer);
    sim_remove_file(fixture->sim, LOG_PATH);
}

static void
test_data_file__values_of_all_lengths__read_from_tail_and_file(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    read_lengths_with_tail(fixture, TAIL_BYTES);
    read_lengths_with_tail(fixture, 1024 * 1024);
    read_lengths_with_tail(fixture, 8 * 1024 * 1024);
}

static void
test_data_file__reads__counted_and_none_from_the_tail(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_writer writer;
    uint32_t reads = 9;
    struct data_file *file = create_log(fixture->os);
    assert_int_equal(adb_log_writer_init(&writer, UINT64_C(1) << 32, TAIL_BYTES), ARMDB_OK);
    adb_log_writer_use(&writer, file);
    uint64_t offset = append(&writer, 1, 100);
    uint64_t before = sim_op_count(fixture->sim, SIM_READS);
    assert_int_equal(try_read(file, offset, 1, 100, &reads), ARMDB_OK);
    assert_int_equal(reads, 0);
    assert_int_equal(sim_op_count(fixture->sim, SIM_READS), before);
    flush(&writer);
    assert_int_equal(try_read(file, offset, 1, 100, &reads), ARMDB_OK);
    assert_int_equal(reads, 1);
    assert_int_equal(sim_op_count(fixture->sim, SIM_READS), before + 1);
    close_log(file);
    adb_log_writer_fini(&writer);
}

/* A file with one record of that length in it, closed. Returns the record's offset. */
static uint64_t
make_file_with(struct log_fixture *fixture, uint64_t number, uint32_t value_len)
{
    struct log_writer writer;
    struct data_file *file = create_log(fixture->os);
    assert_int_equal(adb_log_writer_init(&writer, UINT64_C(1) << 32, TAIL_BYTES), ARMDB_OK);
    adb_log_writer_use(&writer, file);
    uint64_t offset = append(&writer, number, value_len);
    flush(&writer);
    close_log(file);
    adb_log_writer_fini(&writer);
    return offset;
}

static void
assert_read_is_damage(struct data_file *file, uint64_t offset, uint64_t number, uint32_t len)
{
    uint32_t reads;
    assert_int_equal(try_read(file, offset, number, len, &reads), ARMDB_CORRUPT);
    assert_int_equal(adb_err_detail()->offset, offset);
    assert_string_equal(adb_err_detail()->file, LOG_PATH);
}

static void
test_data_file__flipped_byte__never_returned(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    static const uint32_t lengths[] = {0, 37, 5000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        uint64_t offset = make_file_with(fixture, 7, lengths[i]);
        uint64_t bytes = record_bytes(KEY_BYTES, lengths[i]);
        struct data_file *file = open_log(fixture->os);
        for (uint64_t at = 0; at < bytes; at += at < 100 || at + 100 > bytes ? 1 : 97) {
            sim_corrupt(fixture->sim, LOG_PATH, offset + at, 0x01);
            assert_read_is_damage(file, offset, 7, lengths[i]);
            sim_corrupt(fixture->sim, LOG_PATH, offset + at, 0x01);
        }
        assert_reads(file, offset, 7, lengths[i]);
        close_log(file);
        sim_remove_file(fixture->sim, LOG_PATH);
    }
}

static void
test_data_file__another_record_than_expected__damage(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    uint64_t offset = make_file_with(fixture, 7, 36);
    struct data_file *file = open_log(fixture->os);
    assert_reads(file, offset, 7, 36);
    assert_read_is_damage(file, offset, 8, 36); /* another key */
    assert_read_is_damage(file, offset, 7, 33); /* same size of the record, another length */
    assert_read_is_damage(file, offset - 8, 7, 36);
    close_log(file);
}

static void
test_data_file__tombstone_where_a_value_was_expected__damage(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    struct log_writer writer;
    char room[KEY_BYTES + 1];
    uint64_t offset;
    struct data_file *file = create_log(fixture->os);
    assert_int_equal(adb_log_writer_init(&writer, UINT64_C(1) << 32, TAIL_BYTES), ARMDB_OK);
    adb_log_writer_use(&writer, file);
    const struct log_entry entry = {.flags = LOG_FLAG_TOMBSTONE, .key = key_of(7, room)};
    assert_int_equal(adb_log_writer_append(&writer, &entry, &offset), ARMDB_OK);
    flush(&writer);
    assert_read_is_damage(file, offset, 7, 0);
    close_log(file);
    adb_log_writer_fini(&writer);
}

static void
test_data_file__behind_the_end__damage(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    uint64_t offset = make_file_with(fixture, 7, 36);
    struct data_file *file = open_log(fixture->os);
    assert_read_is_damage(file, file->end, 7, 36);
    assert_read_is_damage(file, file->end + 4096, 7, 36);
    assert_read_is_damage(file, offset, 7, 4000);
    assert_read_is_damage(file, offset, 7, LOCATION_LARGE - 1);
    assert_read_is_damage(file, LOCATION_OFFSET_LIMIT - 8, 7, 36);
    /* Cut from outside, behind our back. */
    sim_truncate_file(fixture->sim, LOG_PATH, file->end - 8);
    assert_read_is_damage(file, offset, 7, 36);
    sim_truncate_file(fixture->sim, LOG_PATH, 0);
    assert_read_is_damage(file, offset, 7, 36);
    close_log(file);
}

static void
test_data_file__read_fails__io_error(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    static const uint32_t lengths[] = {36, 100000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const struct sim_fault fault = {.kind = SIM_FAULT_READ, .fail_at = 1};
        uint32_t reads;
        uint64_t offset = make_file_with(fixture, 7, lengths[i]);
        struct data_file *file = open_log(fixture->os);
        sim_set_fault(fixture->sim, &fault);
        assert_int_equal(try_read(file, offset, 7, lengths[i], &reads), ARMDB_IO);
        assert_reads(file, offset, 7, lengths[i]);
        close_log(file);
        sim_remove_file(fixture->sim, LOG_PATH);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LOG(test_data_file__created__header_and_name_are_durable),
        WITH_LOG(test_data_file__left_over_temporary__replaced),
        cmocka_unit_test(test_data_file__creation_fails__nothing_is_left),
        WITH_LOG(test_data_file__no_memory__said_and_nothing_left),
        WITH_LOG(test_data_file__too_short__refused),
        WITH_LOG(test_data_file__missing__damage_not_answer),
        WITH_LOG(test_data_file__flipped_byte_in_header__refused),
        WITH_LOG(test_data_file__foreign_or_misplaced__refused),
        WITH_LOG(test_data_file__newer_version__format_error),
        WITH_LOG(test_data_file__opening_fails__io_error),
        WITH_LOG(test_data_file__values_of_all_lengths__read_from_tail_and_file),
        WITH_LOG(test_data_file__reads__counted_and_none_from_the_tail),
        WITH_LOG(test_data_file__flipped_byte__never_returned),
        WITH_LOG(test_data_file__another_record_than_expected__damage),
        WITH_LOG(test_data_file__tombstone_where_a_value_was_expected__damage),
        WITH_LOG(test_data_file__behind_the_end__damage),
        WITH_LOG(test_data_file__read_fails__io_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
