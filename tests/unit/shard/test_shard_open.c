/* Creating, listing, opening and ending a shard. */
#include "shard/shard_private.h"

#include "shard_fixture.h"

static void
test_shard_open__create__makes_directory_and_first_file(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fixture->config.number = 17;
    for (int again = 0; again < 2; again++) { /* the second finds what an interrupted one left */
        char **names;
        assert_ok(adb_shard_create(&fixture->config));
        assert_int_equal(sim_list(fixture->sim, "/db/shard-017", &names), 1);
        assert_string_equal(names[0], "0000000001.log");
        free(names);
    }
    assert_int_equal(sim_open_count(fixture->sim), 0);
    open_shard(fixture);
    put(fixture, "key", "value", ARMDB_WRITTEN);
}

static void
test_shard_open__create_with_failing_system__leaves_nothing_open(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fixture->config.number = 18;
    for (uint64_t n = 1;; n++) {
        set_fault(fixture, SIM_FAULT_ERROR, SIM_CHANGES, n, false);
        armdb_err err = adb_shard_create(&fixture->config);
        if (!sim_fault_fired(fixture->sim)) {
            assert_ok(err);
            break;
        }
        assert_int_equal(err, ARMDB_IO);
        assert_int_equal(sim_open_count(fixture->sim), 0);
        assert_true(n < 100);
    }
    sim_clear_fault(fixture->sim);
    open_shard(fixture);
}

static void
test_shard_open__new_shard__has_a_file_without_records(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stats_of(fixture).files, 1);
        assert_int_equal(stats_of(fixture).newest_sequence, 0);
        assert_int_equal(fixture->recovery.records, 0);
        reopen_shard(fixture);
    }
    put(fixture, "key", "value", ARMDB_BUFFERED);
    assert_int_equal(stats_of(fixture).files, 1);
}

static void
test_shard_open__lost_files__are_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    close_shard(fixture);
    sim_remove_file(fixture->sim, FILE_PATH(1));
    assert_int_equal(try_open(fixture), ARMDB_CORRUPT);
    expect_message(ARMDB_CORRUPT, "no data files");
    assert_null(fixture->shard);
}

static void
test_shard_open__missing_directory__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fixture->config.number = 9;
    assert_int_equal(try_open(fixture), ARMDB_CORRUPT);
    expect_message(ARMDB_CORRUPT, "directory is missing");
    assert_null(fixture->shard);
}

static void
test_shard_open__unreadable_directory__is_an_io_error(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    set_fault(fixture, SIM_FAULT_ERROR, SIM_READS, 1, false);
    assert_int_equal(try_open(fixture), ARMDB_IO);
    assert_null(fixture->shard);
}

static void
test_shard_open__list__sorts_data_files_and_passes_over_others(void **state)
{
    static const char *const names[] = {"0000000010.log", "0000000002.log", "9999999999.log",
                                        "10000000000.log", "0000000001.log"};
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct shard_listing listing;
    char path[128];
    for (size_t i = 0; i < 5; i++) {
        snprintf(path, sizeof path, SHARD_PATH "/%s", names[i]);
        sim_write_file(fixture->sim, path, "", 0);
    }
    sim_write_file(fixture->sim, SHARD_PATH "/notes.txt", "", 0);
    sim_write_file(fixture->sim, SHARD_PATH "/0000000003.log.tmp", "", 0);
    sim_make_dir(fixture->sim, SHARD_PATH "/0000000004.log");
    assert_ok(adb_shard_list(fixture->os, SHARD_PATH, false, &listing));
    assert_int_equal(listing.count, 5);
    assert_int_equal(listing.files[0].header.file_id, 1);
    assert_int_equal(listing.files[1].header.file_id, 2);
    assert_int_equal(listing.files[2].header.file_id, 10);
    assert_true(listing.files[3].header.file_id == UINT64_C(9999999999));
    assert_true(listing.files[4].header.file_id == UINT64_C(10000000000));
    adb_shard_listing_fini(&listing);
    assert_true(sim_file_exists(fixture->sim, SHARD_PATH "/0000000003.log.tmp"));
    assert_ok(adb_shard_list(fixture->os, SHARD_PATH, true, &listing));
    adb_shard_listing_fini(&listing);
    assert_false(sim_file_exists(fixture->sim, SHARD_PATH "/0000000003.log.tmp"));
    assert_true(sim_file_exists(fixture->sim, SHARD_PATH "/notes.txt"));
}

static void
test_shard_open__misplaced_names__are_corrupt(void **state)
{
    static const char *const names[] = {"1.log", "00000000001.log", "copy of 0000000001.log",
                                        "0000000000.log", "-000000001.log"};
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct shard_listing listing;
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, SHARD_PATH "/%s", names[i]);
        sim_write_file(fixture->sim, path, "", 0);
        assert_int_equal(adb_shard_list(fixture->os, SHARD_PATH, false, &listing), ARMDB_CORRUPT);
        expect_message(ARMDB_CORRUPT, "misplaced file");
        expect_message(ARMDB_CORRUPT, names[i]);
        assert_null(listing.files);
        sim_remove_file(fixture->sim, path);
    }
}

static void
test_shard_open__many_files__are_all_listed(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct shard_listing listing;
    char path[128];
    for (int i = 100; i > 0; i--) {
        snprintf(path, sizeof path, SHARD_PATH "/%010d.log", i);
        sim_write_file(fixture->sim, path, "", 0);
    }
    for (uint64_t n = 1; n <= 4; n++) { /* the array grows while memory lasts */
        adb_mem_fail_at(n, false);
        armdb_err err = adb_shard_list(fixture->os, SHARD_PATH, false, &listing);
        if (!adb_mem_has_failed())
            break;
        assert_int_equal(err, ARMDB_NO_MEMORY);
        assert_null(listing.files);
        assert_int_equal(listing.count, 0);
    }
    adb_mem_fail_at(0, false);
    assert_ok(adb_shard_list(fixture->os, SHARD_PATH, false, &listing));
    assert_int_equal(listing.count, 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(listing.files[i].header.file_id, i + 1);
    adb_shard_listing_fini(&listing);
}

static void
test_shard_open__finish__marks_the_log_and_gives_space_back(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_BUFFERED);
    assert_true(sim_used_bytes(fixture->sim) > 4096); /* reserved ahead */
    close_shard(fixture);
    assert_int_equal(sim_used_bytes(fixture->sim), 4096);
    assert_int_equal(sim_file_size(fixture->sim, FILE_PATH(1)), HEADER_BYTES + 32 + MARK_BYTES);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    fixture->os = sim_os(fixture->sim);
    open_shard(fixture);
    expect_get(fixture, "key", "value");
}

static void
test_shard_open__finish_twice_in_a_row__adds_one_mark_only(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    reopen_shard(fixture);
    uint64_t size = sim_file_size(fixture->sim, FILE_PATH(1));
    for (int i = 0; i < 5; i++)
        reopen_shard(fixture);
    assert_int_equal(sim_file_size(fixture->sim, FILE_PATH(1)), size);
}

static void
test_shard_open__finish_without_space_for_the_mark__is_whole_all_the_same(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_SYNCED);
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 1, true);
    close_shard(fixture);
    sim_clear_fault(fixture->sim);
    open_shard(fixture);
    expect_get(fixture, "key", "value");
}

static void
test_shard_open__close_without_finish__loses_only_what_was_buffered(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "written", "value", ARMDB_WRITTEN);
    put(fixture, "buffered", "value", ARMDB_BUFFERED);
    adb_shard_close(fixture->shard);
    fixture->shard = NULL;
    adb_shard_close(NULL);
    open_shard(fixture);
    expect_get(fixture, "written", "value");
    expect_absent(fixture, "buffered");
}

static void
test_shard_open__no_memory_at_any_step__leaves_nothing(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    close_shard(fixture);
    for (uint64_t n = 1;; n++) {
        adb_index_fini(&fixture->index.keys);
        new_index(fixture);
        adb_mem_fail_at(n, false);
        armdb_err err = open_one(&fixture->config, find_index, fixture, &fixture->recovery,
                                 &fixture->shard);
        bool has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        if (!has_failed) {
            assert_ok(err);
            break;
        }
        assert_int_equal(err, ARMDB_NO_MEMORY);
        assert_null(fixture->shard);
        assert_int_equal(sim_open_count(fixture->sim), 0);
        assert_true(n < 100);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(test_shard_open__create__makes_directory_and_first_file),
        DISK_TEST(test_shard_open__create_with_failing_system__leaves_nothing_open),
        SHARD_TEST(test_shard_open__new_shard__has_a_file_without_records),
        SHARD_TEST(test_shard_open__lost_files__are_corrupt),
        DISK_TEST(test_shard_open__missing_directory__is_corrupt),
        DISK_TEST(test_shard_open__unreadable_directory__is_an_io_error),
        DISK_TEST(test_shard_open__list__sorts_data_files_and_passes_over_others),
        DISK_TEST(test_shard_open__misplaced_names__are_corrupt),
        DISK_TEST(test_shard_open__many_files__are_all_listed),
        SHARD_TEST(test_shard_open__finish__marks_the_log_and_gives_space_back),
        SHARD_TEST(test_shard_open__finish_twice_in_a_row__adds_one_mark_only),
        SHARD_TEST(test_shard_open__finish_without_space_for_the_mark__is_whole_all_the_same),
        SHARD_TEST(test_shard_open__close_without_finish__loses_only_what_was_buffered),
        SHARD_TEST(test_shard_open__no_memory_at_any_step__leaves_nothing),
    };
    return cmocka_run_group_tests_name("shard/shard_open", tests, NULL, NULL);
}
