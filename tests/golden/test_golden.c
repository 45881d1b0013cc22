/*
 * The golden databases of all format versions: files that were committed once, and must open for
 * ever.
 *
 * If the second test, which is for the newest version, fails alone, the library writes another
 * format than it did: either that was not meant, or the format version has to be raised
 * (make_golden.c says how to make new files while nobody has data yet).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "armdb/armdb.h"
#include "db/db_batch.h"
#include "golden/golden_ops.h"
#include "support/tmpdir.h"

static const char *golden_directory;
static enum golden_kind golden_kind = GOLDEN_WRITES;

/* ------------------------------------------------------------------------- files */

static char *
read_golden(const char *name, size_t *len_out)
{
    char path[4096];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", golden_directory, name);
    assert_int_equal(stat(path, &info), 0);
    *len_out = (size_t)info.st_size;
    char *content = (char *)malloc(*len_out + 1);
    FILE *file = fopen(path, "rb");
    assert_non_null(content);
    assert_non_null(file);
    assert_int_equal(fread(content, 1, *len_out, file), *len_out);
    content[*len_out] = '\0';
    fclose(file);
    return content;
}

static void
copy_to_directory(const char *directory)
{
    for (size_t i = 0; golden_files[i] != NULL; i++) {
        char path[4096];
        size_t len;
        char *content = read_golden(golden_files[i], &len);
        snprintf(path, sizeof path, "%s/%s", directory, golden_files[i]);
        char *slash = strrchr(path, '/');
        *slash = '\0';
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        *slash = '/';
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(content, 1, len, file), len);
        assert_int_equal(fclose(file), 0);
        free(content);
    }
}

static void
copy_to_sim(struct sim *sim)
{
    sim_make_dir(sim, GOLDEN_PATH "/shard-000");
    sim_make_dir(sim, GOLDEN_PATH "/shard-001");
    for (size_t i = 0; golden_files[i] != NULL; i++) {
        char path[256];
        size_t len;
        char *content = read_golden(golden_files[i], &len);
        snprintf(path, sizeof path, GOLDEN_PATH "/%s", golden_files[i]);
        sim_write_file(sim, path, content, len);
        free(content);
    }
}

static void
assert_dump_is_golden(struct db *db)
{
    char *text = NULL;
    size_t len = 0, expected_len;
    char *expected = read_golden("golden.txt", &expected_len);
    FILE *to = open_memstream(&text, &len);
    assert_non_null(to);
    golden_dump(db, to);
    fclose(to);
    assert_string_equal(text, expected);
    assert_int_equal(len, expected_len);
    free(text);
    free(expected);
}

/* ------------------------------------------------------------------------- tests */

static void
test_golden__on_real_files__opens_and_holds_what_the_text_says(void **state)
{
    (void)state;
    char *directory = tmpdir_make();
    armdb_verify_report report;
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct db *db;
    bool is_closed;
    options.compaction_percent = ARMDB_NEVER; /* it would find something to do */
    copy_to_directory(directory);
    assert_int_equal(armdb_verify(directory, NULL, NULL, &report), ARMDB_OK);
    assert_int_equal(report.damages, 0);
    assert_int_equal(report.torn_bytes, 0);
    assert_int_equal(adb_db_open(adb_os_posix(), directory, &options, &db), ARMDB_OK);
    assert_dump_is_golden(db);
    assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    /* Opening and closing has not grown it: it had been closed well. */
    armdb_verify_report again;
    assert_int_equal(armdb_verify(directory, NULL, NULL, &again), ARMDB_OK);
    assert_int_equal(again.bytes, report.bytes);
    tmpdir_remove(directory);
}

static void
test_golden__same_operations__same_bytes(void **state)
{
    (void)state;
    struct sim *sim = sim_new(2);
    golden_write(sim, golden_kind);
    for (size_t i = 0; golden_files[i] != NULL; i++) {
        char path[256];
        size_t len, expected_len;
        snprintf(path, sizeof path, GOLDEN_PATH "/%s", golden_files[i]);
        char *content = sim_read_file(sim, path, &len);
        char *expected = read_golden(golden_files[i], &expected_len);
        assert_non_null(content);
        print_message("%s: %zu bytes\n", golden_files[i], len);
        assert_int_equal(len, expected_len);
        assert_memory_equal(content, expected, len);
        free(content);
        free(expected);
    }
    sim_free(sim);
}

static void
test_golden__written_to__old_pairs_stay(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3);
    struct db *db;
    bool is_closed;
    size_t len;
    char buffer[16];
    copy_to_sim(sim);
    assert_int_equal(adb_db_open(sim_os(sim), GOLDEN_PATH, NULL, &db), ARMDB_OK);
    const armdb_slice key = armdb_str("a key that is not among them");
    assert_int_equal(adb_db_write(adb_db_default(db), SHARD_INSERT, key, armdb_str("new"), NULL),
                     ARMDB_OK);
    assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    assert_int_equal(adb_db_open(sim_os(sim), GOLDEN_PATH, NULL, &db), ARMDB_OK);
    assert_int_equal(adb_db_get(adb_db_default(db), key, buffer, sizeof buffer, &len), ARMDB_OK);
    assert_int_equal(len, 3);
    assert_int_equal(adb_db_write(adb_db_default(db), SHARD_DELETE, key, armdb_str(""), NULL),
                     ARMDB_OK);
    assert_dump_is_golden(db);
    assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    sim_free(sim);
}

/* An older library must not meet a deadline in a file that it takes for one of its own. */
static void
test_golden__written_to_with_a_deadline__goes_on_in_a_new_file(void **state)
{
    (void)state;
    struct sim *sim = sim_new(4);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    struct db *db;
    bool is_closed;
    uint64_t deadline_ms;
    copy_to_sim(sim);
    options.expires_at_ms = UINT64_MAX;
    assert_int_equal(adb_db_open(sim_os(sim), GOLDEN_PATH, NULL, &db), ARMDB_OK);
    const armdb_slice key = armdb_str("a key that is not among them");
    assert_false(sim_file_exists(sim, GOLDEN_PATH "/shard-000/0000000003.log") ||
                 sim_file_exists(sim, GOLDEN_PATH "/shard-001/0000000003.log"));
    assert_int_equal(adb_db_write(adb_db_default(db), SHARD_PUT, key, armdb_str("new"), &options),
                     ARMDB_OK);
    assert_true(sim_file_exists(sim, GOLDEN_PATH "/shard-000/0000000003.log") ||
                sim_file_exists(sim, GOLDEN_PATH "/shard-001/0000000003.log"));
    assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    assert_int_equal(adb_db_open(sim_os(sim), GOLDEN_PATH, NULL, &db), ARMDB_OK);
    assert_int_equal(adb_db_deadline(adb_db_default(db), key, &deadline_ms), ARMDB_OK);
    assert_true(deadline_ms == UINT64_MAX);
    assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    sim_free(sim);
}

/* Nor a GROUP. */
static void
test_golden__batch__goes_on_in_a_new_file(void **state)
{
    (void)state;
    struct sim *sim = sim_new(5);
    struct batch_addition addition = {.is_write = true,
                                      .verb = SHARD_PUT,
                                      .key = armdb_str("a key that is not among them"),
                                      .value = armdb_str("new")};
    struct batch *batch;
    struct db *db;
    bool is_closed, is_there;
    size_t refused;
    copy_to_sim(sim);
    assert_int_equal(adb_db_open(sim_os(sim), GOLDEN_PATH, NULL, &db), ARMDB_OK);
    assert_false(sim_file_exists(sim, GOLDEN_PATH "/shard-000/0000000003.log") ||
                 sim_file_exists(sim, GOLDEN_PATH "/shard-001/0000000003.log"));
    assert_int_equal(adb_db_batch_new(db, &batch), ARMDB_OK);
    addition.collection = adb_db_default(db);
    assert_int_equal(adb_db_batch_add(batch, &addition), ARMDB_OK);
    assert_int_equal(adb_db_batch_commit(batch, NULL, &refused), ARMDB_OK);
    adb_db_batch_free(batch);
    assert_true(sim_file_exists(sim, GOLDEN_PATH "/shard-000/0000000003.log") ||
                sim_file_exists(sim, GOLDEN_PATH "/shard-001/0000000003.log"));
    assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    assert_int_equal(adb_db_open(sim_os(sim), GOLDEN_PATH, NULL, &db), ARMDB_OK);
    assert_int_equal(adb_db_contains(adb_db_default(db), addition.key, &is_there), ARMDB_OK);
    assert_true(is_there);
    assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    sim_free(sim);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden__on_real_files__opens_and_holds_what_the_text_says),
        cmocka_unit_test(test_golden__same_operations__same_bytes),
        cmocka_unit_test(test_golden__written_to__old_pairs_stay),
    };
    const struct CMUnitTest v2_tests[] = {
        cmocka_unit_test(test_golden__on_real_files__opens_and_holds_what_the_text_says),
        cmocka_unit_test(test_golden__written_to__old_pairs_stay),
        cmocka_unit_test(test_golden__batch__goes_on_in_a_new_file),
    };
    const struct CMUnitTest v1_tests[] = {
        cmocka_unit_test(test_golden__on_real_files__opens_and_holds_what_the_text_says),
        cmocka_unit_test(test_golden__written_to__old_pairs_stay),
        cmocka_unit_test(test_golden__written_to_with_a_deadline__goes_on_in_a_new_file),
        cmocka_unit_test(test_golden__batch__goes_on_in_a_new_file),
    };
    const char *version = argc == 3 ? argv[2] : "";
    golden_directory = argv[1];
    if (strcmp(version, "batches") == 0)
        golden_kind = GOLDEN_BATCHES;
    if (argc == 2 || golden_kind == GOLDEN_BATCHES)
        return cmocka_run_group_tests(tests, NULL, NULL);
    if (strcmp(version, "v2") == 0)
        return cmocka_run_group_tests(v2_tests, NULL, NULL);
    if (strcmp(version, "v1") == 0)
        return cmocka_run_group_tests(v1_tests, NULL, NULL);
    fprintf(stderr, "usage: golden DIRECTORY [v1|v2|batches]\n");
    return 2;
}
