/*
 * Opening and closing: every state of a directory, bad manifests, systems that refuse.
 */
#include <errno.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "db_fixture.h"
#include "log/manifest_format.h"
#include "support/os_hook.h"
#include "support/tmpdir.h"

/* --------------------------------------------------------- what is there */

static void
test_db_open__missing_directory_and_existing_asked__is_no_database(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.open_mode = ARMDB_OPEN_EXISTING;
    expect_open(fixture, ARMDB_NO_DATABASE);
    expect_detail(ARMDB_NO_DATABASE, "no such directory", NULL);
    assert_string_equal(adb_err_detail()->file, DB_PATH);
    char **names;
    assert_int_equal(sim_list(fixture->sim, "/", &names), 0);
    free(names);
}

static void
test_db_open__missing_parent__is_no_database(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct db *db;
    assert_int_equal(adb_db_open(fixture->os, "/no/such/parent", NULL, &db), ARMDB_NO_DATABASE);
    expect_detail(ARMDB_NO_DATABASE, "above it does not exist", NULL);
    assert_null(db);
    assert_string_equal(adb_err_detail()->file, "/no/such/parent");
}

static void
test_db_open__missing_directory__creates_durably(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    open_db(fixture);
    fixture->options.open_mode = ARMDB_OPEN_EXISTING;
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_count(fixture->collection, 0);
}

static void
test_db_open__empty_directory__creates(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_make_dir(fixture->sim, DB_PATH);
    fixture->options.open_mode = ARMDB_OPEN_EXISTING;
    expect_open(fixture, ARMDB_NO_DATABASE);
    expect_detail(ARMDB_NO_DATABASE, "empty", NULL);
    fixture->options.open_mode = ARMDB_CREATE_NEW;
    open_db(fixture);
}

static void
test_db_open__create_new_where_one_is__exists(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "key", "value");
    close_db(fixture);
    fixture->options.open_mode = ARMDB_CREATE_NEW;
    expect_open(fixture, ARMDB_EXISTS);
    fixture->options.open_mode = ARMDB_OPEN_EXISTING;
    open_db(fixture);
    expect_get(fixture->collection, "key", "value");
}

static void
test_db_open__directory_that_is_not_a_database__is_left_alone(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_make_dir(fixture->sim, DB_PATH);
    sim_write_file(fixture->sim, DB_PATH "/holiday.jpg", "x", 1);
    uint64_t digest = sim_digest(fixture->sim);
    for (int mode = ARMDB_OPEN_OR_CREATE; mode <= ARMDB_CREATE_NEW; mode++) {
        fixture->options.open_mode = (armdb_open_mode)mode;
        expect_open(fixture, ARMDB_NO_DATABASE);
        expect_detail(ARMDB_NO_DATABASE, "not a database", NULL);
    }
    assert_int_equal(sim_digest(fixture->sim), digest);
}

static void
test_db_open__file_in_the_place_of_the_directory__is_no_database(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_write_file(fixture->sim, DB_PATH, "text", 4);
    expect_open(fixture, ARMDB_NO_DATABASE);
}

static void
test_db_open__lost_manifest__is_corrupt_and_not_made_anew(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "key", "value");
    close_db(fixture);
    sim_remove_file(fixture->sim, DB_PATH "/MANIFEST");
    for (int mode = ARMDB_OPEN_OR_CREATE; mode <= ARMDB_CREATE_NEW; mode++) {
        fixture->options.open_mode = (armdb_open_mode)mode;
        expect_open(fixture, ARMDB_CORRUPT);
        expect_detail(ARMDB_CORRUPT, "MANIFEST is missing", NULL);
    }
    assert_true(sim_file_exists(fixture->sim, FIRST_FILE));
}

static void
test_db_open__leftovers_of_a_creation__are_used_or_swept(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_make_dir(fixture->sim, SHARD_PATH);
    sim_make_dir(fixture->sim, DB_PATH "/shard-001");
    sim_write_file(fixture->sim, DB_PATH "/LOCK", "1\n", 2);
    sim_write_file(fixture->sim, DB_PATH "/MANIFEST.tmp", "half", 4);
    sim_write_file(fixture->sim, SHARD_PATH "/0000000001.log.tmp", "half", 4);
    open_db(fixture);
    assert_false(sim_file_exists(fixture->sim, DB_PATH "/MANIFEST.tmp"));
    assert_false(sim_file_exists(fixture->sim, SHARD_PATH "/0000000001.log.tmp"));
    put(fixture->collection, "key", "value");
}

/* -------------------------------------------------------------- creation cut short */

static void
test_db_open__power_cut_at_any_step_of_creating__can_be_created_again(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (uint64_t n = 1;; n++) {
        struct sim *sim = sim_new(n);
        struct db *db;
        const struct sim_fault fault = {.kind = SIM_FAULT_CUT, .fail_at = n, .ops = SIM_CHANGES};
        sim_set_fault(sim, &fault);
        armdb_err err = adb_db_open(sim_os(sim), DB_PATH, &fixture->options, &db);
        bool was_cut = sim_fault_fired(sim);
        if (err == ARMDB_OK)
            adb_db_abandon(db);
        sim_power_cut(sim, n);
        assert_ok(adb_db_open(sim_os(sim), DB_PATH, &fixture->options, &db));
        put(adb_db_default(db), "key", "value");
        adb_db_abandon(db);
        sim_free(sim);
        if (!was_cut)
            break;
        assert_true(n < 1000);
    }
}

static void
test_db_open__error_at_any_step__leaves_nothing_open(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (uint64_t n = 1;; n++) {
        struct sim *sim = sim_new(n);
        struct db *db;
        const struct sim_fault fault = {.kind = SIM_FAULT_ERROR, .fail_at = n};
        sim_set_fault(sim, &fault);
        armdb_err err = adb_db_open(sim_os(sim), DB_PATH, &fixture->options, &db);
        bool has_fired = sim_fault_fired(sim);
        if (err == ARMDB_OK) {
            adb_db_abandon(db);
        } else {
            assert_null(db);
            assert_int_equal(err, ARMDB_IO);
            assert_int_equal(adb_err_detail()->os_errno, EIO);
        }
        assert_int_equal(sim_open_count(sim), 0);
        assert_ok(adb_db_open(sim_os(sim), DB_PATH, &fixture->options, &db));
        adb_db_abandon(db);
        sim_free(sim);
        if (!has_fired)
            break;
        assert_true(n < 1000);
    }
}

static void
test_db_open__no_memory_at_any_step__leaves_nothing_open(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "key", "value");
    close_db(fixture);
    for (uint64_t n = 1;; n++) {
        struct db *db;
        adb_mem_fail_at(n, false);
        armdb_err err = adb_db_open(fixture->os, DB_PATH, &fixture->options, &db);
        bool has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        if (!has_failed) {
            assert_ok(err);
            fixture->db = db;
            break;
        }
        assert_int_equal(err, ARMDB_NO_MEMORY);
        assert_int_equal(adb_err_detail()->code, ARMDB_NO_MEMORY);
        assert_null(db);
        assert_int_equal(sim_open_count(fixture->sim), 0);
        assert_true(n < 1000);
    }
    expect_get(adb_db_default(fixture->db), "key", "value");
}

/* ------------------------------------------------------------------- manifest */

/* Changes a number in the manifest and puts its checksum right. */
static void
patch_manifest(struct sim *sim, size_t at, uint32_t number)
{
    size_t len;
    char *bytes = sim_read_file(sim, DB_PATH "/MANIFEST", &len);
    assert_non_null(bytes);
    unsigned char *manifest = (unsigned char *)bytes;
    adb_store_u32(manifest + at, number);
    adb_store_u32(manifest + len - 4, adb_crc32c(0, manifest, len - 4));
    sim_write_file(sim, DB_PATH "/MANIFEST", bytes, len);
    free(bytes);
}

static void
test_db_open__newer_manifest__is_a_format_error(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    close_db(fixture);
    patch_manifest(fixture->sim, 8, MANIFEST_FORMAT_VERSION + 1);
    uint64_t digest = sim_digest(fixture->sim);
    expect_open(fixture, ARMDB_FORMAT);
    expect_detail(ARMDB_FORMAT, "version 4", "newest known", NULL);
    assert_string_equal(adb_err_detail()->file, DB_PATH "/MANIFEST");
    assert_int_equal(sim_digest(fixture->sim), digest);
}

static void
test_db_open__senseless_numbers_in_the_manifest__are_corrupt(void **state)
{
    static const struct {
        size_t at;
        uint32_t number;
    } cases[] = {{40, 0},          {40, 257}, {44, 8193}, {48, 0}, {48, 2000000}, {52, 0},
                 {52, UINT32_MAX}, {64, 1},   {68, 257},  {72, 0}, {76, 0}};
    struct db_fixture *fixture = (struct db_fixture *)*state;
    close_db(fixture);
    size_t len;
    char *whole = sim_read_file(fixture->sim, DB_PATH "/MANIFEST", &len);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        patch_manifest(fixture->sim, cases[i].at, cases[i].number);
        expect_open(fixture, ARMDB_CORRUPT);
        assert_string_equal(adb_err_detail()->file, DB_PATH "/MANIFEST");
        sim_write_file(fixture->sim, DB_PATH "/MANIFEST", whole, len);
    }
    free(whole);
    open_db(fixture);
}

static void
test_db_open__flipped_byte_in_the_manifest__is_corrupt(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    create_collection(fixture->db, "other", 8, ARMDB_DESCENDING);
    put(fixture->collection, "key", "value");
    close_db(fixture);
    uint64_t len = sim_file_size(fixture->sim, DB_PATH "/MANIFEST");
    assert_true(len > 64);
    for (uint64_t at = 0; at < len; at++) {
        sim_corrupt(fixture->sim, DB_PATH "/MANIFEST", at, 0x20);
        expect_open(fixture, ARMDB_CORRUPT);
        assert_string_equal(adb_err_detail()->file, DB_PATH "/MANIFEST");
        sim_corrupt(fixture->sim, DB_PATH "/MANIFEST", at, 0x20);
    }
    open_db(fixture);
    expect_get(fixture->collection, "key", "value");
}

static void
test_db_open__truncated_or_empty_manifest__is_corrupt(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    close_db(fixture);
    size_t len;
    char *whole = sim_read_file(fixture->sim, DB_PATH "/MANIFEST", &len);
    for (size_t shorter = 0; shorter < len; shorter++) {
        sim_write_file(fixture->sim, DB_PATH "/MANIFEST", whole, shorter);
        expect_open(fixture, ARMDB_CORRUPT);
    }
    sim_write_file(fixture->sim, DB_PATH "/MANIFEST", whole, len + 1);
    expect_open(fixture, ARMDB_CORRUPT);
    sim_write_file(fixture->sim, DB_PATH "/MANIFEST", whole, len);
    free(whole);
    open_db(fixture);
}

static void
test_db_open__unreadable_manifest__is_an_io_error(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    close_db(fixture);
    set_fault(fixture, SIM_FAULT_READ, 0, 1, true);
    expect_open(fixture, ARMDB_IO);
    sim_clear_fault(fixture->sim);
    open_db(fixture);
}

/* ------------------------------------------------------- systems that refuse */

static void
test_db_open__second_open_in_this_process__is_busy_and_names_the_pid(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct db *second;
    char pid[16];
    snprintf(pid, sizeof pid, "%u", (unsigned)adb_os_process_id(fixture->os));
    put(fixture->collection, "key", "value");
    assert_int_equal(adb_db_open(fixture->os, DB_PATH, NULL, &second), ARMDB_BUSY);
    assert_null(second);
    expect_detail(ARMDB_BUSY, "in use", pid, NULL);
    expect_get(fixture->collection, "key", "value");
    put(fixture->collection, "key", "again");
    reopen_db(fixture);
    expect_get(fixture->collection, "key", "again");
}

/* A file system that is mounted read-only. */
static armdb_err
refuse_changes(void *context, const struct os_call *call)
{
    (void)context;
    bool is_change = (SIM_BIT(call->op) & SIM_CHANGES) != 0 ||
                     (call->op == SIM_OP_OPEN && call->how != ADB_OPEN_READ);
    return is_change ? adb_fail_errno(EROFS, "open", call->path, call->offset) : ARMDB_OK;
}

static void
test_db_open__read_only_file_system__is_read_only(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct os_hook hook;
    close_db(fixture);
    uint64_t digest = sim_digest(fixture->sim);
    os_hook_init(&hook, fixture->os, false);
    hook.before = refuse_changes;
    fixture->os = &hook.base;
    expect_open(fixture, ARMDB_READ_ONLY);
    assert_int_equal(adb_err_detail()->os_errno, EROFS);
    assert_string_equal(adb_err_detail()->file, DB_PATH "/LOCK");
    struct db *db;
    assert_int_equal(adb_db_open(fixture->os, "/new", NULL, &db), ARMDB_READ_ONLY);
    assert_int_equal(sim_digest(fixture->sim), digest);
    fixture->os = hook.inner;
    open_db(fixture);
}

static void
test_db_open__no_space_to_create__is_no_space_and_works_later(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (uint64_t blocks = 0; blocks < 2; blocks++) {
        sim_set_capacity(fixture->sim, blocks * 4096);
        expect_open(fixture, ARMDB_NO_SPACE);
    }
    sim_set_capacity(fixture->sim, UINT64_MAX);
    open_db(fixture);
    put(fixture->collection, "key", "value");
}

static void
test_db_open__options_differ_from_the_stored_ones__names_both(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    close_db(fixture);
    fixture->options.shards = 7;
    expect_open(fixture, ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "shards", "stored as 1", "asked was 7", NULL);
    fixture->options.shards = 0;
    fixture->options.shard_prefix_bits = 16;
    expect_open(fixture, ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "shard_prefix_bits", "stored as 0", "asked was 16", NULL);
    fixture->options.shard_prefix_bits = 0;
    fixture->options.default_collection.key_bytes = 8;
    expect_open(fixture, ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "key_bytes", "stored as variable", "asked was 8", NULL);
    fixture->options.default_collection.key_bytes = 0;
    fixture->options.default_collection.order = ARMDB_DESCENDING;
    expect_open(fixture, ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "order", "stored as ascending", "asked was descending", NULL);
    fixture->options.default_collection.order = ARMDB_ORDER_DEFAULT;
    open_db(fixture);
}

/* ---------------------------------------------------------------------- close */

static void
test_db_close__open_cursors__is_busy_and_nothing_happens(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct cursor *cursors[2];
    bool is_closed;
    put(fixture->collection, "key", "value");
    for (int i = 0; i < 2; i++)
        assert_ok(adb_cursor_open(fixture->collection, NULL, &cursors[i]));
    assert_int_equal(adb_db_close(fixture->db, &is_closed), ARMDB_BUSY);
    expect_detail(ARMDB_BUSY, "2 cursors", NULL);
    assert_false(is_closed);
    assert_ok(adb_cursor_move(cursors[0], CURSOR_NEXT));
    put(fixture->collection, "other", "value");
    adb_cursor_close(cursors[0]);
    assert_int_equal(adb_db_close(fixture->db, &is_closed), ARMDB_BUSY);
    expect_detail(ARMDB_BUSY, "1 cursors", NULL);
    adb_cursor_close(cursors[1]);
    reopen_db(fixture);
    expect_count(fixture->collection, 2);
}

static void
test_db_close__buffered_writes__are_durable(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_at(fixture->collection, "key", "value", ARMDB_BUFFERED);
    close_db(fixture);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    fixture->os = sim_os(fixture->sim);
    open_db(fixture);
    expect_get(fixture->collection, "key", "value");
}

static void
test_db_close__failed_shard__says_failed_and_frees_all(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    bool is_closed;
    put(fixture->collection, "key", "value");
    set_fault(fixture, SIM_FAULT_SYNC, SIM_SYNCS, 1, false);
    assert_int_equal(write_at_level(fixture->collection, SHARD_PUT, "b", "c", ARMDB_SYNCED),
                     ARMDB_IO);
    assert_int_equal(adb_db_close(fixture->db, &is_closed), ARMDB_FAILED);
    expect_detail(ARMDB_FAILED, "shard 0", "sync", NULL);
    assert_true(is_closed);
    fixture->db = NULL;
    assert_int_equal(sim_open_count(fixture->sim), 0);
    open_db(fixture);
    expect_get(fixture->collection, "key", "value");
}

static void
test_db_close__failing_system__says_so_and_frees_all(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    bool is_closed;
    put_at(fixture->collection, "key", "value", ARMDB_BUFFERED);
    set_fault(fixture, SIM_FAULT_ERROR, SIM_WRITES, 1, true);
    assert_int_equal(adb_db_close(fixture->db, &is_closed), ARMDB_IO);
    assert_true(is_closed);
    fixture->db = NULL;
    sim_clear_fault(fixture->sim);
    assert_int_equal(sim_open_count(fixture->sim), 0);
    open_db(fixture);
    expect_absent(fixture->collection, "key");
}

static void
test_db_close__lock_file__is_free_again(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (int i = 0; i < 20; i++)
        reopen_db(fixture);
    close_db(fixture);
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

/* ------------------------------------------------------------------- threads */

enum { MANY_SHARDS = 40, MANY_KEYS = 400 };

static armdb_options
many_shards(void)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = MANY_SHARDS;
    options.write_buffer_bytes = 16384;
    return options;
}

/* On the real system, where several threads open them. */
static void
test_db_open__many_shards__opened_side_by_side(void **state)
{
    (void)state;
    char *root = tmpdir_make();
    char text[16];
    struct db *db;
    bool is_closed;
    const armdb_options options = many_shards();
    for (int life = 0; life < 3; life++) {
        assert_int_equal(adb_db_open(adb_os_posix(), root, &options, &db), ARMDB_OK);
        struct collection *collection = adb_db_default(db);
        assert_int_equal(stats_of(db).recovered_records, life > 0 ? MANY_KEYS : 0);
        for (int i = 0; i < MANY_KEYS; i++) {
            snprintf(text, sizeof text, "%d", i);
            if (life == 0)
                put(collection, text, "value");
            expect_get(collection, text, "value");
        }
        if (life == 1)
            adb_db_abandon(db);
        else
            assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    }
    tmpdir_remove(root);
}

static void
test_db_open__many_shards_one_damaged__fails_and_leaves_nothing_open(void **state)
{
    (void)state;
    char *root = tmpdir_make();
    char path[400];
    struct db *db;
    bool is_closed;
    const armdb_options options = many_shards();
    assert_int_equal(adb_db_open(adb_os_posix(), root, &options, &db), ARMDB_OK);
    assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    snprintf(path, sizeof path, "%s/shard-017/0000000001.log", root);
    assert_int_equal(truncate(path, 10), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(adb_db_open(adb_os_posix(), root, &options, &db), ARMDB_CORRUPT);
        assert_null(db);
        expect_detail(ARMDB_CORRUPT, "too short", NULL);
    }
    tmpdir_remove(root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(test_db_open__missing_directory_and_existing_asked__is_no_database),
        DISK_TEST(test_db_open__missing_parent__is_no_database),
        DISK_TEST(test_db_open__missing_directory__creates_durably),
        DISK_TEST(test_db_open__empty_directory__creates),
        DB_TEST(test_db_open__create_new_where_one_is__exists),
        DISK_TEST(test_db_open__directory_that_is_not_a_database__is_left_alone),
        DISK_TEST(test_db_open__file_in_the_place_of_the_directory__is_no_database),
        DB_TEST(test_db_open__lost_manifest__is_corrupt_and_not_made_anew),
        DISK_TEST(test_db_open__leftovers_of_a_creation__are_used_or_swept),
        DISK_TEST(test_db_open__power_cut_at_any_step_of_creating__can_be_created_again),
        DISK_TEST(test_db_open__error_at_any_step__leaves_nothing_open),
        DB_TEST(test_db_open__no_memory_at_any_step__leaves_nothing_open),
        DB_TEST(test_db_open__newer_manifest__is_a_format_error),
        DB_TEST(test_db_open__senseless_numbers_in_the_manifest__are_corrupt),
        DB_TEST(test_db_open__flipped_byte_in_the_manifest__is_corrupt),
        DB_TEST(test_db_open__truncated_or_empty_manifest__is_corrupt),
        DB_TEST(test_db_open__unreadable_manifest__is_an_io_error),
        DB_TEST(test_db_open__second_open_in_this_process__is_busy_and_names_the_pid),
        DB_TEST(test_db_open__read_only_file_system__is_read_only),
        DISK_TEST(test_db_open__no_space_to_create__is_no_space_and_works_later),
        DB_TEST(test_db_open__options_differ_from_the_stored_ones__names_both),
        DB_TEST(test_db_close__open_cursors__is_busy_and_nothing_happens),
        DB_TEST(test_db_close__buffered_writes__are_durable),
        DB_TEST(test_db_close__failed_shard__says_failed_and_frees_all),
        DB_TEST(test_db_close__failing_system__says_so_and_frees_all),
        DB_TEST(test_db_close__lock_file__is_free_again),
        cmocka_unit_test(test_db_open__many_shards__opened_side_by_side),
        cmocka_unit_test(test_db_open__many_shards_one_damaged__fails_and_leaves_nothing_open),
    };
    return cmocka_run_group_tests_name("db/db_open", tests, NULL, NULL);
}
