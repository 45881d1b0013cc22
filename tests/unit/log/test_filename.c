/* File names: made one way only, and nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "armdb/types.h"
#include "base/mem.h"
#include "log/filename.h"
#include "support/seed.h"

static void
test_filename__log__made_and_parsed(void **state)
{
    (void)state;
    static const struct {
        uint64_t id;
        const char *name;
    } cases[] = {
        {1, "0000000001.log"},
        {1234567890, "1234567890.log"},
        {UINT64_C(9999999999), "9999999999.log"},
        {UINT64_C(10000000000), "10000000000.log"},
        {UINT64_C(9999999999999999999), "9999999999999999999.log"},
    };
    char name[FILENAME_BYTES_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t id = 0;
        adb_filename_log(cases[i].id, name);
        assert_string_equal(name, cases[i].name);
        assert_true(adb_filename_parse_log(name, &id));
        assert_true(id == cases[i].id);
    }
}

static void
test_filename__largest_numbers__fit_their_room(void **state)
{
    (void)state;
    char name[FILENAME_BYTES_MAX];
    adb_filename_log(UINT64_MAX, name);
    assert_string_equal(name, "18446744073709551615.log");
    assert_true(strlen(name) + strlen(FILENAME_TEMPORARY_SUFFIX) < FILENAME_BYTES_MAX);
    adb_filename_shard(UINT32_MAX, name);
    assert_string_equal(name, "shard-4294967295");
}

static void
test_filename__not_a_log__refused(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        ".log",
                                        "0000000000.log",
                                        "1.log",
                                        "000000001.log",
                                        "00000000001.log",
                                        "0000000001.LOG",
                                        "0000000001.log ",
                                        " 0000000001.log",
                                        "+000000001.log",
                                        "-000000001.log",
                                        "0x00000001.log",
                                        "0000000001",
                                        "0000000001.",
                                        "0000000001.lo",
                                        "0000000001.log.tmp",
                                        "0000000001.logx",
                                        "000000000a.log",
                                        "0000000001..log",
                                        "10000000000000000000.log",
                                        "18446744073709551616.log",
                                        "99999999999999999999999999999999999999.log",
                                        "MANIFEST",
                                        "shard-000"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint64_t id;
        assert_false(adb_filename_parse_log(names[i], &id));
    }
}

static void
test_filename__shard__made_and_parsed(void **state)
{
    (void)state;
    char name[FILENAME_BYTES_MAX];
    for (uint32_t shard = 0; shard < ARMDB_SHARDS_MAX; shard++) {
        uint32_t parsed = UINT32_MAX;
        adb_filename_shard(shard, name);
        assert_int_equal(strlen(name), strlen("shard-000"));
        assert_true(adb_filename_parse_shard(name, &parsed));
        assert_int_equal(parsed, shard);
    }
}

static void
test_filename__not_a_shard__refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",           "shard-",           "shard-0",
        "shard-00",   "shard-0000",       "shard-256",
        "shard-999",  "shard-4294967296", "shard-18446744073709551616",
        "Shard-000",  "shard_000",        "shard-000/",
        "shard-000 ", "shard--01",        "shard-+01",
        "shard-0a1",  "0000000001.log"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        uint32_t shard;
        assert_false(adb_filename_parse_shard(names[i], &shard));
    }
}

static void
test_filename__temporary__by_its_end(void **state)
{
    (void)state;
    assert_true(adb_filename_is_temporary("MANIFEST.tmp"));
    assert_true(adb_filename_is_temporary("0000000001.log.tmp"));
    assert_true(adb_filename_is_temporary("x.tmp"));
    assert_false(adb_filename_is_temporary(".tmp"));
    assert_false(adb_filename_is_temporary("tmp"));
    assert_false(adb_filename_is_temporary(""));
    assert_false(adb_filename_is_temporary("x.tmp2"));
    assert_false(adb_filename_is_temporary("x.tmp.log"));
}

static void
test_filename__random_text__only_exact_names_pass(void **state)
{
    (void)state;
    static const char letters[] = "0123456789.logshard-tmp";
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    for (unsigned round = 0; round < 20000 * test_scale(); round++) {
        char name[FILENAME_BYTES_MAX], again[FILENAME_BYTES_MAX];
        size_t len = (size_t)test_rng_below(&rng, sizeof name);
        uint64_t id;
        uint32_t shard;
        for (size_t i = 0; i < len; i++)
            name[i] = letters[test_rng_below(&rng, sizeof letters - 1)];
        name[len] = '\0';
        if (adb_filename_parse_log(name, &id)) {
            adb_filename_log(id, again);
            assert_string_equal(name, again);
        }
        if (adb_filename_parse_shard(name, &shard)) {
            adb_filename_shard(shard, again);
            assert_string_equal(name, again);
        }
    }
}

static void
test_filename__join__path_or_no_memory(void **state)
{
    (void)state;
    char *path;
    assert_int_equal(adb_filename_join("/db", "MANIFEST", ".tmp", &path), ARMDB_OK);
    assert_string_equal(path, "/db/MANIFEST.tmp");
    adb_mem_free(path);
    assert_int_equal(adb_filename_join("", "x", "", &path), ARMDB_OK);
    assert_string_equal(path, "/x");
    adb_mem_free(path);
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_filename_join("/db", "MANIFEST", "", &path), ARMDB_NO_MEMORY);
    assert_null(path);
    adb_mem_fail_at(0, false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filename__log__made_and_parsed),
        cmocka_unit_test(test_filename__largest_numbers__fit_their_room),
        cmocka_unit_test(test_filename__not_a_log__refused),
        cmocka_unit_test(test_filename__shard__made_and_parsed),
        cmocka_unit_test(test_filename__not_a_shard__refused),
        cmocka_unit_test(test_filename__temporary__by_its_end),
        cmocka_unit_test(test_filename__random_text__only_exact_names_pass),
        cmocka_unit_test(test_filename__join__path_or_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
