/* Reading a value at a location: from the file, from the buffer, and damage on the way. */
#include "shard_fixture.h"

static void
test_shard_read__buffered_written_and_sealed__all_come_back(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char key[16];
    for (size_t i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "key%zu", i);
        put_long(fixture, key, i * 13, i % 3 == 0 ? ARMDB_WRITTEN : ARMDB_BUFFERED);
        expect_long(fixture, key, i * 13);
    }
    assert_true(stats_of(fixture).files > 5);
    for (size_t i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "key%zu", i);
        expect_long(fixture, key, i * 13);
    }
}

static void
test_shard_read__system_calls__are_counted(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "written", "value", ARMDB_WRITTEN);
    put(fixture, "buffered", "value", ARMDB_BUFFERED);
    uint64_t reads = sim_op_count(fixture->sim, SIM_READS);
    for (int i = 0; i < 5; i++) {
        expect_get(fixture, "written", "value");
        expect_get(fixture, "buffered", "value");
    }
    assert_int_equal(stats_of(fixture).reads, 5);
    assert_int_equal(sim_op_count(fixture->sim, SIM_READS), reads + 5);
}

static void
test_shard_read__flipped_byte_anywhere_in_the_record__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char found[64];
    put(fixture, "before", "value", ARMDB_WRITTEN);
    put(fixture, "key", "thirteen byte", ARMDB_WRITTEN); /* 36, and 4 of padding */
    uint64_t start = HEADER_BYTES + 32;
    for (uint64_t at = start; at < start + 40; at++) {
        sim_corrupt(fixture->sim, FILE_PATH(1), at, 0x10);
        assert_int_equal(try_read(fixture, "key", found), ARMDB_CORRUPT);
        assert_string_equal(adb_err_detail()->file, FILE_PATH(1));
        assert_int_equal(adb_err_detail()->offset, start);
        expect_get(fixture, "before", "value");
        sim_corrupt(fixture->sim, FILE_PATH(1), at, 0x10);
    }
    expect_get(fixture, "key", "thirteen byte");
}

static void
test_shard_read__flipped_byte_in_a_long_value__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char *found = (char *)malloc(700000);
    assert_non_null(found);
    put_long(fixture, "long", 700000, ARMDB_WRITTEN);
    sim_corrupt(fixture->sim, FILE_PATH(1), 500000, 1);
    assert_int_equal(try_read(fixture, "long", found), ARMDB_CORRUPT);
    expect_message(ARMDB_CORRUPT, "bad checksum");
    sim_corrupt(fixture->sim, FILE_PATH(1), 500000, 1);
    expect_long(fixture, "long", 700000);
    free(found);
}

static void
test_shard_read__file_cut_short_under_it__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char found[5000];
    put_long(fixture, "key", 5000, ARMDB_WRITTEN);
    put_long(fixture, "small", 50, ARMDB_WRITTEN);
    sim_truncate_file(fixture->sim, FILE_PATH(1), 100);
    assert_int_equal(try_read(fixture, "key", found), ARMDB_CORRUPT);
    expect_message(ARMDB_CORRUPT, "ends inside");
    assert_int_equal(try_read(fixture, "small", found), ARMDB_CORRUPT);
}

static void
test_shard_read__another_key_than_the_record_holds__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char found[64];
    put(fixture, "key", "value", ARMDB_WRITTEN);
    uint64_t location = adb_tree_get(fixture->index.tree, armdb_str("key"), NULL);
    adb_rcu_enter();
    assert_int_equal(adb_shard_read_value(fixture->shard, location, armdb_str("yek"), found),
                     ARMDB_CORRUPT);
    expect_message(ARMDB_CORRUPT, "another record");
    adb_rcu_leave();
}

static void
test_shard_read__failing_system__is_an_io_error_with_its_place(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char found[64];
    put(fixture, "before", "value", ARMDB_WRITTEN);
    put(fixture, "key", "value", ARMDB_WRITTEN);
    set_fault(fixture, SIM_FAULT_READ, 0, 1, false);
    assert_int_equal(try_read(fixture, "key", found), ARMDB_IO);
    assert_string_equal(adb_err_detail()->file, FILE_PATH(1));
    assert_string_equal(adb_err_detail()->operation, "read");
    assert_true(adb_err_detail()->os_errno != 0);
    expect_get(fixture, "key", "value");
}

static void
test_shard_read__shard_that_failed__can_still_be_read(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "written", "value", ARMDB_WRITTEN);
    put(fixture, "buffered", "value", ARMDB_BUFFERED);
    set_fault(fixture, SIM_FAULT_ERROR, SIM_WRITES, 1, true);
    assert_int_equal(adb_shard_flush(fixture->shard), ARMDB_IO);
    assert_int_equal(try_put(fixture, "more", "value", ARMDB_BUFFERED), ARMDB_FAILED);
    expect_get(fixture, "written", "value");
    expect_get(fixture, "buffered", "value");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SHARD_TEST(test_shard_read__buffered_written_and_sealed__all_come_back),
        SHARD_TEST(test_shard_read__system_calls__are_counted),
        SHARD_TEST(test_shard_read__flipped_byte_anywhere_in_the_record__is_corrupt),
        SHARD_TEST(test_shard_read__flipped_byte_in_a_long_value__is_corrupt),
        SHARD_TEST(test_shard_read__file_cut_short_under_it__is_corrupt),
        SHARD_TEST(test_shard_read__another_key_than_the_record_holds__is_corrupt),
        SHARD_TEST(test_shard_read__failing_system__is_an_io_error_with_its_place),
        SHARD_TEST(test_shard_read__shard_that_failed__can_still_be_read),
    };
    return cmocka_run_group_tests_name("shard/shard_read", tests, NULL, NULL);
}
