/* What a directory holds, who has its lock, and which parent its name lies in. */
#include "db/db_private.h"
#include "db_fixture.h"
#include "support/os_hook.h"

/* ----------------------------------------------------------------------- look */

static void
expect_state(struct db_fixture *fixture, enum directory_state expected)
{
    enum directory_state found;
    assert_ok(adb_directory_look(fixture->os, DB_PATH, &found));
    assert_int_equal(found, expected);
}

static void
test_db_directory__no_directory__is_missing(void **state)
{
    expect_state((struct db_fixture *)*state, DIRECTORY_MISSING);
}

static void
test_db_directory__leftovers_of_a_creation__count_as_empty(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_make_dir(fixture->sim, DB_PATH);
    expect_state(fixture, DIRECTORY_EMPTY);
    sim_write_file(fixture->sim, DB_PATH "/LOCK", "17\n", 3);
    sim_write_file(fixture->sim, DB_PATH "/MANIFEST.tmp", "", 0);
    sim_make_dir(fixture->sim, SHARD_PATH);
    sim_write_file(fixture->sim, SHARD_PATH "/0000000001.log.tmp", "", 0);
    expect_state(fixture, DIRECTORY_EMPTY);
}

static void
test_db_directory__anything_else__is_foreign(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const char *const names[] = {DB_PATH "/x",
                                        DB_PATH "/manifest",
                                        DB_PATH "/0000000001.log",
                                        SHARD_PATH "/notes.txt",
                                        DB_PATH "/shard-0/0000000001.log",
                                        DB_PATH "/shard-256/0000000001.log"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        sim_free(fixture->sim);
        fixture->sim = sim_new(1);
        fixture->os = sim_os(fixture->sim);
        char *parent = strdup(names[i]);
        *strrchr(parent, '/') = '\0';
        sim_make_dir(fixture->sim, parent);
        free(parent);
        sim_write_file(fixture->sim, names[i], "x", 1);
        expect_state(fixture, DIRECTORY_FOREIGN);
    }
}

static void
test_db_directory__manifest__makes_it_a_database(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "key", "value");
    close_db(fixture);
    expect_state(fixture, DIRECTORY_DATABASE);
    sim_write_file(fixture->sim, DB_PATH "/somebody else's", "x", 1);
    expect_state(fixture, DIRECTORY_DATABASE);
    sim_remove_file(fixture->sim, DB_PATH "/MANIFEST");
    expect_state(fixture, DIRECTORY_HEADLESS);
}

static void
test_db_directory__directory_called_manifest__is_foreign(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_make_dir(fixture->sim, DB_PATH "/MANIFEST");
    expect_state(fixture, DIRECTORY_FOREIGN);
}

static void
test_db_directory__unreadable__is_an_error_not_an_absence(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    enum directory_state found;
    sim_remove_file(fixture->sim, DB_PATH "/MANIFEST"); /* so that it looks into the shard, too */
    for (uint64_t n = 1; n <= 2; n++) {
        set_fault(fixture, SIM_FAULT_ERROR, SIM_BIT(SIM_OP_LIST), n, false);
        assert_int_equal(adb_directory_look(fixture->os, DB_PATH, &found), ARMDB_IO);
    }
}

static void
test_db_directory__refusal__says_what_is_there(void **state)
{
    (void)state;
    assert_int_equal(adb_directory_refuse("/p", DIRECTORY_MISSING), ARMDB_NO_DATABASE);
    expect_detail(ARMDB_NO_DATABASE, "no such directory", NULL);
    assert_string_equal(adb_err_detail()->file, "/p");
    assert_int_equal(adb_directory_refuse("/p", DIRECTORY_EMPTY), ARMDB_NO_DATABASE);
    assert_int_equal(adb_directory_refuse("/p", DIRECTORY_FOREIGN), ARMDB_NO_DATABASE);
    assert_int_equal(adb_directory_refuse("/p", DIRECTORY_HEADLESS), ARMDB_CORRUPT);
    assert_int_equal(adb_directory_refuse("/p", DIRECTORY_DATABASE), ARMDB_CORRUPT);
}

/* ----------------------------------------------------------------------- lock */

static void
test_db_directory__lock__is_exclusive_until_closed(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct adb_file *first, *second;
    char pid[16];
    sim_make_dir(fixture->sim, DB_PATH);
    assert_ok(adb_directory_lock(fixture->os, DB_PATH, &first));
    assert_int_equal(adb_directory_lock(fixture->os, DB_PATH, &second), ARMDB_BUSY);
    assert_null(second);
    snprintf(pid, sizeof pid, "process %u", (unsigned)adb_os_process_id(fixture->os));
    expect_detail(ARMDB_BUSY, pid, NULL);
    assert_string_equal(adb_err_detail()->file, DB_PATH "/LOCK");
    assert_ok(adb_file_close(first));
    assert_ok(adb_directory_lock(fixture->os, DB_PATH, &second));
    assert_ok(adb_file_close(second));
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

static void
test_db_directory__lock_file_with_nonsense__names_no_pid(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct adb_file *first, *second;
    sim_make_dir(fixture->sim, DB_PATH);
    assert_ok(adb_directory_lock(fixture->os, DB_PATH, &first));
    sim_write_file(fixture->sim, DB_PATH "/LOCK", "\x01\x02rm -rf /", 10);
    assert_int_equal(adb_directory_lock(fixture->os, DB_PATH, &second), ARMDB_BUSY);
    expect_detail(ARMDB_BUSY, "(unknown)", NULL);
    sim_write_file(fixture->sim, DB_PATH "/LOCK", "", 0);
    assert_int_equal(adb_directory_lock(fixture->os, DB_PATH, &second), ARMDB_BUSY);
    expect_detail(ARMDB_BUSY, "(unknown)", NULL);
    assert_ok(adb_file_close(first));
}

static void
test_db_directory__pid_of_one_that_died__is_replaced(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct adb_file *lock;
    sim_make_dir(fixture->sim, DB_PATH);
    sim_write_file(fixture->sim, DB_PATH "/LOCK", "99999999999999\n", 15);
    assert_ok(adb_directory_lock(fixture->os, DB_PATH, &lock));
    size_t len;
    char *text = sim_read_file(fixture->sim, DB_PATH "/LOCK", &len);
    assert_int_equal(strtoul(text, NULL, 10), adb_os_process_id(fixture->os));
    free(text);
    assert_ok(adb_file_close(lock));
}

static void
test_db_directory__lock_with_failing_system__leaves_nothing_open(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct adb_file *lock;
    sim_make_dir(fixture->sim, DB_PATH);
    for (uint64_t n = 1;; n++) {
        set_fault(fixture, SIM_FAULT_ERROR, 0, n, false);
        armdb_err err = adb_directory_lock(fixture->os, DB_PATH, &lock);
        bool has_fired = sim_fault_fired(fixture->sim);
        sim_clear_fault(fixture->sim);
        if (err == ARMDB_OK)
            assert_ok(adb_file_close(lock));
        else
            assert_null(lock);
        assert_int_equal(sim_open_count(fixture->sim), 0);
        if (!has_fired)
            break;
    }
}

/* --------------------------------------------------------------------- parent */

static armdb_err
note_directory(void *context, const struct os_call *call)
{
    if (call->op == SIM_OP_SYNC_DIR)
        snprintf((char *)context, 64, "%s", call->path);
    return ARMDB_OK;
}

static void
test_db_directory__parent__is_what_the_name_lies_in(void **state)
{
    static const struct {
        const char *path, *parent;
    } cases[] = {{"/db", "/"},  {"db", "."},   {"db/", "."},      {"/a/b", "/a"}, {"/a/b///", "/a"},
                 {"a//b", "a"}, {"/a//", "/"}, {"a/b/c/", "a/b"}, {"//db", "/"}};
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct os_hook hook;
    char synced[64];
    sim_make_dir(fixture->sim, "/a/b/c");
    os_hook_init(&hook, fixture->os, false);
    hook.before = note_directory;
    hook.context = synced;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        synced[0] = '\0';
        (void)!adb_directory_sync_parent(&hook.base, cases[i].path);
        assert_string_equal(synced, cases[i].parent);
    }
    set_fault(fixture, SIM_FAULT_ERROR, SIM_SYNCS, 1, false);
    assert_int_equal(adb_directory_sync_parent(fixture->os, "/db"), ARMDB_IO);
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_directory_sync_parent(fixture->os, "/db"), ARMDB_NO_MEMORY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(test_db_directory__no_directory__is_missing),
        DISK_TEST(test_db_directory__leftovers_of_a_creation__count_as_empty),
        DISK_TEST(test_db_directory__anything_else__is_foreign),
        DB_TEST(test_db_directory__manifest__makes_it_a_database),
        DISK_TEST(test_db_directory__directory_called_manifest__is_foreign),
        DB_TEST(test_db_directory__unreadable__is_an_error_not_an_absence),
        DISK_TEST(test_db_directory__refusal__says_what_is_there),
        DISK_TEST(test_db_directory__lock__is_exclusive_until_closed),
        DISK_TEST(test_db_directory__lock_file_with_nonsense__names_no_pid),
        DISK_TEST(test_db_directory__pid_of_one_that_died__is_replaced),
        DISK_TEST(test_db_directory__lock_with_failing_system__leaves_nothing_open),
        DISK_TEST(test_db_directory__parent__is_what_the_name_lies_in),
    };
    return cmocka_run_group_tests_name("db/db_directory", tests, NULL, NULL);
}
