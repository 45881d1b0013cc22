#include "os/copy_file.h"

#include "sim_fixture.h"

enum { LONG_BYTES = 3 * 1024 * 1024 + 17 };

static void
test_copy_file__whole_or_a_part__is_the_same_and_synced(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_os *os = fixture->base.os;
    char *bytes = (char *)malloc(LONG_BYTES);
    assert_non_null(bytes);
    struct test_rng rng = test_rng_make(3);
    test_rng_fill(&rng, bytes, LONG_BYTES);
    sim_write_file(fixture->sim, "/db/a", bytes, LONG_BYTES);
    assert_int_equal(adb_copy_file(os, "/db/a", "/db/b", ADB_COPY_WHOLE), ARMDB_OK);
    assert_int_equal(adb_copy_file(os, "/db/a", "/db/c", 1024 * 1024 + 1), ARMDB_OK);
    assert_int_equal(adb_copy_file(os, "/db/a", "/db/d", 0), ARMDB_OK);
    sync_root(fixture);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    size_t len;
    char *copy = sim_read_file(fixture->sim, "/db/b", &len);
    assert_int_equal(len, LONG_BYTES);
    assert_int_equal(memcmp(copy, bytes, LONG_BYTES), 0);
    free(copy);
    copy = sim_read_file(fixture->sim, "/db/c", &len);
    assert_int_equal(len, 1024 * 1024 + 1);
    assert_int_equal(memcmp(copy, bytes, len), 0);
    free(copy);
    assert_true(sim_file_exists(fixture->sim, "/db/d"));
    assert_int_equal(sim_file_size(fixture->sim, "/db/d"), 0);
    free(bytes);
}

static void
test_copy_file__impossible__is_told(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_os *os = fixture->base.os;
    sim_write_file(fixture->sim, "/db/a", "abc", 3);
    assert_int_equal(adb_copy_file(os, "/db/no", "/db/b", ADB_COPY_WHOLE), ARMDB_IO);
    assert_string_equal(adb_err_detail()->file, "/db/no");
    assert_int_equal(adb_copy_file(os, "/db/a", "/db/a", ADB_COPY_WHOLE), ARMDB_EXISTS);
    assert_int_equal(adb_err_detail()->code, ARMDB_EXISTS);
    assert_int_equal(adb_copy_file(os, "/db/a", "/db/b", 4), ARMDB_IO);
    assert_string_equal(adb_err_detail()->file, "/db/a");
    assert_int_equal(adb_err_detail()->offset, 3);
}

static void
remove_copy(struct sim_fixture *fixture)
{
    if (sim_file_exists(fixture->sim, "/db/b"))
        sim_remove_file(fixture->sim, "/db/b");
}

static void
test_copy_file__any_call_or_allocation_fails__is_told_and_nothing_stays_open(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_os *os = fixture->base.os;
    sim_write_file(fixture->sim, "/db/a", "abc", 3);
    armdb_err err = ARMDB_IO;
    for (uint64_t n = 1; err != ARMDB_OK; n++) {
        const struct sim_fault fault = {.kind = SIM_FAULT_ERROR, .fail_at = n};
        sim_set_fault(fixture->sim, &fault);
        err = adb_copy_file(os, "/db/a", "/db/b", ADB_COPY_WHOLE);
        /* What was only read may fail to close. */
        assert_true(err == ARMDB_IO || n > 6);
        assert_int_equal(sim_open_count(fixture->sim), 0);
        sim_clear_fault(fixture->sim);
        remove_copy(fixture);
    }
    err = ARMDB_NO_MEMORY;
    for (uint64_t n = 1; err != ARMDB_OK; n++) {
        adb_mem_fail_at(n, false);
        err = adb_copy_file(os, "/db/a", "/db/b", ADB_COPY_WHOLE);
        adb_mem_fail_at(0, false);
        assert_true(err == ARMDB_NO_MEMORY || n > 3);
        assert_int_equal(sim_open_count(fixture->sim), 0);
        remove_copy(fixture);
    }
}

#define COPY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        COPY_TEST(test_copy_file__whole_or_a_part__is_the_same_and_synced),
        COPY_TEST(test_copy_file__impossible__is_told),
        COPY_TEST(test_copy_file__any_call_or_allocation_fails__is_told_and_nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
