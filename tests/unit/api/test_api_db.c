/*
 * The database through the public functions, on the real system: who may open it, and what closing
 * leaves.
 */
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "api_fixture.h"

/* What a child says to its parent by its exit status. */
enum { CHILD_OK, CHILD_WRONG, CHILD_CANNOT };

/* -------------------------------------------------------------- open and close */

static void
test_api_db__hello_world__needs_no_options(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_db *db;
    for (int round = 0; round < 2; round++) {
        assert_ok(armdb_open(fixture->path, NULL, &db));
        if (round == 0)
            put(armdb_default(db), "key", "value");
        expect_get(armdb_default(db), "key", "value");
        assert_ok(armdb_close(db));
    }
}

static void
test_api_db__nulls__are_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_db *db = (armdb_db *)fixture;
    assert_int_equal(armdb_open(fixture->path, NULL, NULL), ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "db_out is NULL");
    assert_int_equal(armdb_open(NULL, NULL, &db), ARMDB_INVALID);
    assert_null(db);
    assert_ok(armdb_close(NULL));
    assert_int_equal(armdb_verify(NULL, NULL, NULL, NULL), ARMDB_INVALID);
    open_db(fixture);
    assert_int_equal(armdb_get_stats(fixture->db, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_get_shard_info(fixture->db, 0, NULL), ARMDB_INVALID);
}

static void
test_api_db__missing_or_other_directory__is_no_database(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    char file[420];
    armdb_db *db;
    fixture->options.open_mode = ARMDB_OPEN_EXISTING;
    assert_int_equal(armdb_open(fixture->path, &fixture->options, &db), ARMDB_NO_DATABASE);
    assert_null(db);
    fixture->options.open_mode = ARMDB_OPEN_OR_CREATE;
    snprintf(file, sizeof file, "%s/letter.txt", fixture->root);
    assert_int_equal(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
    assert_int_equal(armdb_open(fixture->root, &fixture->options, &db), ARMDB_NO_DATABASE);
    assert_int_equal(armdb_open(file, &fixture->options, &db), ARMDB_NO_DATABASE);
    assert_int_equal(armdb_open("", &fixture->options, &db) == ARMDB_OK, false);
    assert_null(db);
}

static void
test_api_db__many_shards__open_side_by_side(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    char key[16];
    fixture->options.shards = 37;
    fixture->options.flush_interval_ms = 0;
    for (int round = 0; round < 2; round++) {
        open_db(fixture);
        for (int i = 0; i < 500; i++) {
            snprintf(key, sizeof key, "%d", i);
            if (round == 0)
                put(fixture->collection, key, key);
            expect_get(fixture->collection, key, key);
        }
        close_db(fixture);
    }
}

static void
test_api_db__closed_or_foreign_handle__is_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_db *closed = fixture->db;
    armdb_db *foreign;
    armdb_stats stats = {.struct_bytes = sizeof stats};
    armdb_shard_info info = {.struct_bytes = sizeof info};
    close_db(fixture);
    expect_refused(armdb_close(closed), ARMDB_CLOSED);
    expect_refused(armdb_flush(closed), ARMDB_CLOSED);
    expect_refused(armdb_sync(closed), ARMDB_CLOSED);
    expect_refused(armdb_set_cache_bytes(closed, 0), ARMDB_CLOSED);
    expect_refused(armdb_checkpoint(closed, "/tmp"), ARMDB_CLOSED);
    expect_refused(armdb_verify_open(closed, NULL, NULL, NULL), ARMDB_CLOSED);
    expect_refused(armdb_get_stats(closed, &stats), ARMDB_CLOSED);
    expect_refused(armdb_get_shard_info(closed, 0, &info), ARMDB_CLOSED);
    open_db(fixture);
    foreign = (armdb_db *)fixture->collection;
    expect_refused(armdb_close(foreign), ARMDB_CLOSED);
    assert_int_equal(armdb_flush(NULL), ARMDB_INVALID);
    put(fixture->collection, "key", "value");
}

/* --------------------------------------------------------------- lock of another */

static void
test_api_db__held_in_this_process__is_busy(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_db *second;
    char pid[32];
    snprintf(pid, sizeof pid, "process %d", (int)getpid());
    assert_int_equal(armdb_open(fixture->path, NULL, &second), ARMDB_BUSY);
    assert_null(second);
    expect_message(ARMDB_BUSY, pid);
    assert_int_equal(armdb_verify(fixture->path, NULL, NULL, NULL), ARMDB_BUSY);
    expect_message(ARMDB_BUSY, pid);
    put(fixture->collection, "key", "value");
}

/* Opens the database, says so, and dies without closing it when the parent says so. */
static void
hold_and_die(struct api_fixture *fixture, int say_to, int hear_from)
{
    char byte = 'x';
    armdb_db *db;
    if (armdb_open(fixture->path, &fixture->options, &db) == ARMDB_OK &&
        armdb_put(armdb_default(db), armdb_str("key"), armdb_str("value"), NULL) == ARMDB_OK &&
        write(say_to, &byte, 1) == 1 && read(hear_from, &byte, 1) >= 0)
        _exit(CHILD_OK);
    _exit(CHILD_WRONG);
}

static void
test_api_db__held_by_another_process__is_busy_until_it_dies(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    int from_child[2], to_child[2];
    char byte, pid[32];
    armdb_db *db;
    assert_int_equal(pipe2(from_child, O_CLOEXEC), 0);
    assert_int_equal(pipe2(to_child, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(to_child[1]);
        hold_and_die(fixture, from_child[1], to_child[0]);
    }
    (void)close(from_child[1]);
    assert_int_equal(read(from_child[0], &byte, 1), 1);
    snprintf(pid, sizeof pid, "process %d", (int)child);
    assert_int_equal(armdb_open(fixture->path, &fixture->options, &db), ARMDB_BUSY);
    expect_message(ARMDB_BUSY, pid);
    (void)close(to_child[1]);
    assert_int_equal(exit_status_of(child), CHILD_OK);
    open_db(fixture);
    expect_get(fixture->collection, "key", "value");
    (void)close(from_child[0]);
    (void)close(to_child[0]);
}

/* ---------------------------------------------------- directories that refuse */

/* In a child without privileges: an open that must fail for lack of rights. */
static int
open_as_nobody(struct api_fixture *fixture)
{
    armdb_error_detail detail;
    armdb_db *db;
    if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        return CHILD_CANNOT;
    if (armdb_open(fixture->path, &fixture->options, &db) != ARMDB_READ_ONLY || db != NULL)
        return CHILD_WRONG;
    armdb_last_error(&detail);
    return detail.os_errno == EACCES && detail.file[0] != '\0' ? CHILD_OK : CHILD_WRONG;
}

static void
expect_read_only_for_nobody(struct api_fixture *fixture)
{
    pid_t child = fork();
    if (child == 0)
        _exit(open_as_nobody(fixture));
    int status = exit_status_of(child);
    if (status == CHILD_CANNOT) {
        print_message("skipped: cannot give up the rights of root\n");
        skip();
    }
    assert_int_equal(status, CHILD_OK);
}

static void
test_api_db__unwritable_directory__is_read_only(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    char lock[420];
    put(fixture->collection, "key", "value");
    close_db(fixture);
    snprintf(lock, sizeof lock, "%s/LOCK", fixture->path);
    assert_int_equal(chmod(fixture->root, 0755), 0);
    assert_int_equal(chmod(fixture->path, 0555), 0);
    assert_int_equal(chmod(lock, 0444), 0);
    expect_read_only_for_nobody(fixture);
    assert_int_equal(chmod(fixture->path, 0755), 0);
    assert_int_equal(chmod(lock, 0644), 0);
    open_db(fixture);
    expect_get(fixture->collection, "key", "value");
}

static void
test_api_db__unwritable_parent__is_read_only(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    assert_int_equal(chmod(fixture->root, 0555), 0);
    expect_read_only_for_nobody(fixture);
    assert_int_equal(chmod(fixture->root, 0755), 0);
}

static void
test_api_db__unreadable_directory__is_an_error(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    close_db(fixture);
    assert_int_equal(chmod(fixture->root, 0755), 0);
    assert_int_equal(chmod(fixture->path, 0), 0);
    expect_read_only_for_nobody(fixture);
    assert_int_equal(chmod(fixture->path, 0755), 0);
    open_db(fixture);
}

/* In a child with a mount namespace of its own: a database on a file system made read-only. */
static int
open_on_read_only_mount(struct api_fixture *fixture)
{
    armdb_error_detail detail;
    armdb_db *db;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", fixture->root, "tmpfs", 0, "size=16m") != 0)
        return CHILD_CANNOT;
    if (armdb_open(fixture->path, &fixture->options, &db) != ARMDB_OK ||
        armdb_close(db) != ARMDB_OK)
        return CHILD_WRONG;
    if (mount(NULL, fixture->root, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
        return CHILD_CANNOT;
    if (armdb_open(fixture->path, &fixture->options, &db) != ARMDB_READ_ONLY || db != NULL)
        return CHILD_WRONG;
    armdb_last_error(&detail);
    return detail.os_errno == EROFS ? CHILD_OK : CHILD_WRONG;
}

static void
test_api_db__read_only_file_system__is_read_only(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    pid_t child = fork();
    if (child == 0)
        _exit(open_on_read_only_mount(fixture));
    int status = exit_status_of(child);
    if (status == CHILD_CANNOT) {
        print_message("skipped: cannot mount a file system here\n");
        skip();
    }
    assert_int_equal(status, CHILD_OK);
}

/* A real file system that runs full, and has room again. */
static int
fill_small_mount(struct api_fixture *fixture)
{
    static char value[60000];
    armdb_db *db;
    armdb_err err = ARMDB_OK;
    armdb_value found;
    char key[16];
    int stored = 0;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", fixture->root, "tmpfs", 0, "size=1m") != 0)
        return CHILD_CANNOT;
    if (armdb_open(fixture->path, &fixture->options, &db) != ARMDB_OK)
        return CHILD_WRONG;
    for (; err == ARMDB_OK && stored < 100; stored += err == ARMDB_OK) {
        snprintf(key, sizeof key, "%d", stored);
        err = armdb_put(armdb_default(db), armdb_str(key), armdb_bytes(value, sizeof value), NULL);
    }
    if (err != ARMDB_NO_SPACE || stored < 8)
        return CHILD_WRONG;
    for (int i = 0; i < stored; i++) {
        snprintf(key, sizeof key, "%d", i);
        if (armdb_get_value(armdb_default(db), armdb_str(key), &found) != ARMDB_OK)
            return CHILD_WRONG;
        armdb_value_release(&found);
    }
    if (mount(NULL, fixture->root, NULL, MS_REMOUNT, "size=2m") != 0)
        return CHILD_CANNOT;
    if (armdb_put(armdb_default(db), armdb_str("more"), armdb_bytes(value, sizeof value), NULL) !=
        ARMDB_OK)
        return CHILD_WRONG;
    return armdb_close(db) == ARMDB_OK ? CHILD_OK : CHILD_WRONG;
}

static void
test_api_db__full_file_system__refuses_and_recovers(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    pid_t child = fork();
    if (child == 0)
        _exit(fill_small_mount(fixture));
    int status = exit_status_of(child);
    if (status == CHILD_CANNOT) {
        print_message("skipped: cannot mount a file system here\n");
        skip();
    }
    assert_int_equal(status, CHILD_OK);
}

/* --------------------------------------------------------------------- figures */

static void
test_api_db__stats_and_shards__need_their_size(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_stats stats = {.struct_bytes = 8};
    armdb_shard_info info = {.struct_bytes = 8};
    assert_int_equal(armdb_get_stats(fixture->db, &stats), ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "struct_bytes is 8");
    assert_int_equal(armdb_get_shard_info(fixture->db, 0, &info), ARMDB_INVALID);
    stats.struct_bytes = sizeof stats;
    info.struct_bytes = sizeof info;
    put(fixture->collection, "key", "value");
    assert_ok(armdb_get_stats(fixture->db, &stats));
    assert_int_equal(stats.puts, 1);
    assert_ok(armdb_get_shard_info(fixture->db, 0, &info));
    assert_int_equal(info.newest_sequence, 1);
    assert_int_equal(armdb_get_shard_info(fixture->db, 1, &info), ARMDB_INVALID);

    armdb_file_info files[2] = {{.struct_bytes = 8}};
    size_t count;
    assert_int_equal(armdb_file_list(fixture->db, 0, files, 2, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_file_list(fixture->db, 0, NULL, 2, &count), ARMDB_INVALID);
    assert_int_equal(armdb_file_list(fixture->db, 0, files, 2, &count), ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "struct_bytes is 8");
    files[0].struct_bytes = sizeof files[0];
    assert_ok(armdb_file_list(fixture->db, 0, files, 2, &count));
    assert_int_equal(count, 1);
    assert_int_equal(files[0].kind, ARMDB_FILE_ACTIVE);
    assert_int_equal(files[0].live_bytes, 32);
}

static void
test_api_db__flush_and_sync__reach_the_file(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_stats stats = {.struct_bytes = sizeof stats};
    armdb_shard_info shard = {.struct_bytes = sizeof shard};
    struct stat info;
    char file[450];
    options.durability = ARMDB_BUFFERED;
    snprintf(file, sizeof file, "%s/shard-000/0000000001.log", fixture->path);
    assert_ok(armdb_put(fixture->collection, armdb_str("k"), armdb_str("v"), &options));
    assert_int_equal(stat(file, &info), 0);
    assert_ok(armdb_get_stats(fixture->db, &stats));
    assert_int_equal((uint64_t)info.st_size + stats.unflushed_bytes, stats.log_bytes);
    assert_ok(armdb_flush(fixture->db));
    assert_int_equal(stat(file, &info), 0);
    assert_int_equal(info.st_size, stats.log_bytes);
    assert_ok(armdb_sync(fixture->db));
    assert_ok(armdb_get_shard_info(fixture->db, 0, &shard));
    assert_int_equal(shard.synced_sequence, 1);
}

static void
count_damage(void *context, const armdb_damage *damage)
{
    assert_true(strlen(damage->message) > 0);
    ++*(unsigned *)context;
}

static void
test_api_db__verify__reads_what_a_closed_database_holds(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_verify_report report;
    unsigned damages = 0;
    char file[450];
    put(fixture->collection, "key", "value");
    close_db(fixture);
    assert_ok(armdb_verify(fixture->path, count_damage, &damages, &report));
    assert_int_equal(report.records, 1);
    assert_int_equal(report.files, 2);
    assert_ok(armdb_verify(fixture->path, NULL, NULL, NULL));
    snprintf(file, sizeof file, "%s/shard-000/0000000001.log", fixture->path);
    int fd = open(file, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "?", 1, 70), 1);
    assert_int_equal(close(fd), 0);
    assert_int_equal(armdb_verify(fixture->path, count_damage, &damages, &report), ARMDB_CORRUPT);
    assert_int_equal(damages, 1);
    assert_int_equal(report.damages, 1);
    assert_int_equal(armdb_open(fixture->path, &fixture->options, &fixture->db), ARMDB_CORRUPT);
    assert_null(fixture->db);
    assert_int_equal(armdb_verify(NULL, NULL, NULL, &report), ARMDB_INVALID);
    assert_int_equal(report.damages, 0);
}

static void
test_api_db__repair__makes_a_new_database(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_repair_report report;
    char copy[420], inside[420];
    put(fixture->collection, "key", "value");
    snprintf(copy, sizeof copy, "%s/copy", fixture->root);
    snprintf(inside, sizeof inside, "%s/shard-000/../copy", fixture->path);
    assert_int_equal(armdb_repair(fixture->path, copy, NULL, NULL, NULL), ARMDB_BUSY);
    close_db(fixture);
    assert_int_equal(armdb_repair(fixture->path, inside, NULL, NULL, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_repair(fixture->path, NULL, NULL, NULL, &report), ARMDB_INVALID);
    assert_ok(armdb_repair(fixture->path, copy, NULL, NULL, &report));
    assert_int_equal(report.saved, 1);
    assert_int_equal(report.lost, 0);
    assert_ok(armdb_verify(copy, NULL, NULL, NULL));
    assert_int_equal(armdb_repair(fixture->path, copy, NULL, NULL, NULL), ARMDB_EXISTS);
}

static void
test_api_db__checkpoint__is_a_database_of_its_own(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    char copy[420], inside[420];
    put(fixture->collection, "key", "value");
    snprintf(copy, sizeof copy, "%s/copy", fixture->root);
    snprintf(inside, sizeof inside, "%s/shard-000/../copy", fixture->path);
    assert_int_equal(armdb_checkpoint(fixture->db, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_checkpoint(fixture->db, inside), ARMDB_INVALID);
    assert_int_equal(armdb_checkpoint(fixture->db, "/proc/copy"), ARMDB_IO);
    assert_ok(armdb_checkpoint(fixture->db, copy));
    assert_int_equal(armdb_checkpoint(fixture->db, copy), ARMDB_EXISTS);
    assert_ok(armdb_delete(fixture->collection, armdb_str("key"), NULL));
    assert_ok(armdb_verify_open(fixture->db, NULL, NULL, NULL));
    assert_ok(armdb_verify(copy, NULL, NULL, NULL));
    close_db(fixture);
    snprintf(fixture->path, sizeof fixture->path, "%s/copy", fixture->root);
    open_db(fixture);
    expect_get(fixture->collection, "key", "value");
}

/* The database stays where it is, wherever the process goes. */
static void
test_api_db__relative_path_and_chdir__stays_in_its_directory(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *collection;
    armdb_verify_report report;
    char elsewhere[420];
    char before[400];
    assert_non_null(getcwd(before, sizeof before));
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", fixture->root);
    assert_int_equal(mkdir(elsewhere, 0755), 0);
    assert_int_equal(chdir(fixture->root), 0);
    assert_ok(armdb_open("db", &fixture->options, &fixture->db));
    assert_int_equal(chdir(elsewhere), 0);
    assert_ok(armdb_collection_create(fixture->db, "late", NULL, &collection));
    assert_ok(armdb_put(collection, armdb_str("key"), armdb_str("value"), NULL));
    close_db(fixture);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(rmdir(elsewhere), 0); /* it is empty */
    assert_ok(armdb_verify(fixture->path, NULL, NULL, &report));
    assert_int_equal(report.records, 1);
}

/* A child that lives on shares the lock's file; the parent may close and open all the same. */
static void
test_api_db__closed_while_a_forked_child_lives__can_be_opened(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    assert_int_equal(close(ends[0]), 0);
    close_db(fixture);
    open_db(fixture);
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(exit_status_of(child), 0);
}

static void
test_api_db__version__is_that_of_the_header(void **state)
{
    (void)state;
    assert_string_equal(armdb_version(), ARMDB_VERSION_STRING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DIRECTORY_TEST(test_api_db__hello_world__needs_no_options),
        DIRECTORY_TEST(test_api_db__nulls__are_refused),
        DIRECTORY_TEST(test_api_db__missing_or_other_directory__is_no_database),
        DIRECTORY_TEST(test_api_db__many_shards__open_side_by_side),
        API_TEST(test_api_db__closed_or_foreign_handle__is_refused),
        API_TEST(test_api_db__held_in_this_process__is_busy),
        DIRECTORY_TEST(test_api_db__held_by_another_process__is_busy_until_it_dies),
        API_TEST(test_api_db__unwritable_directory__is_read_only),
        DIRECTORY_TEST(test_api_db__unwritable_parent__is_read_only),
        API_TEST(test_api_db__unreadable_directory__is_an_error),
        DIRECTORY_TEST(test_api_db__read_only_file_system__is_read_only),
        DIRECTORY_TEST(test_api_db__full_file_system__refuses_and_recovers),
        API_TEST(test_api_db__stats_and_shards__need_their_size),
        API_TEST(test_api_db__flush_and_sync__reach_the_file),
        API_TEST(test_api_db__verify__reads_what_a_closed_database_holds),
        API_TEST(test_api_db__repair__makes_a_new_database),
        API_TEST(test_api_db__checkpoint__is_a_database_of_its_own),
        DIRECTORY_TEST(test_api_db__relative_path_and_chdir__stays_in_its_directory),
        API_TEST(test_api_db__closed_while_a_forked_child_lives__can_be_opened),
        cmocka_unit_test(test_api_db__version__is_that_of_the_header),
    };
    return cmocka_run_group_tests_name("api/api_db", tests, NULL, NULL);
}
