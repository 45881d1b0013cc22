/*
 * os_conformance.h: what os/os.h promises, tested the same way on every implementation.
 *
 * Included by test_os_posix.c and test_os_sim.c, each a program of its own. The state of each test
 * is a struct os_fixture with an empty directory; list the tests with OS_CONFORMANCE_TESTS().
 */
#ifndef TEST_OS_CONFORMANCE_H
#define TEST_OS_CONFORMANCE_H

#include <limits.h>

#include "os_fixture.h"

/* Opening. */

static void
test_os_open__missing__not_found(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    assert_open_answers(fixture, "a", ADB_OPEN_READ, ARMDB_NOT_FOUND);
    assert_open_answers(fixture, "a", ADB_OPEN_READ_WRITE, ARMDB_NOT_FOUND);
    assert_open_answers(fixture, "no/a", ADB_OPEN_READ, ARMDB_NOT_FOUND);
}

static void
test_os_open__create_new_twice__exists(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "x");
    assert_open_answers(fixture, "a", ADB_OPEN_CREATE_NEW, ARMDB_EXISTS);
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "d")), ARMDB_OK);
    assert_open_answers(fixture, "d", ADB_OPEN_CREATE_NEW, ARMDB_EXISTS);
}

static void
test_os_open__parent_not_there_or_no_directory__raised(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "x");
    assert_open_fails(fixture, "no/b", ADB_OPEN_CREATE_NEW, ENOENT);
    assert_open_fails(fixture, "a/b", ADB_OPEN_CREATE_NEW, ENOTDIR);
    assert_open_fails(fixture, "a/b", ADB_OPEN_READ, ENOTDIR);
}

static void
test_os_open__directory__raised(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "d")), ARMDB_OK);
    assert_open_fails(fixture, "d", ADB_OPEN_READ, EISDIR);
    assert_open_fails(fixture, "d", ADB_OPEN_READ_WRITE, EISDIR);
}

static void
test_os_open__out_of_memory__raised_and_nothing_created(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    struct adb_file *file;
    const char *path = path_of(fixture, "a");
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_os_open(fixture->os, path, ADB_OPEN_CREATE_NEW, &file), ARMDB_NO_MEMORY);
    assert_true(adb_mem_has_failed());
    assert_null(file);
    assert_open_answers(fixture, "a", ADB_OPEN_READ, ARMDB_NOT_FOUND);
}

/* Reading and writing. */

static void
test_os_read__at_the_end__short(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "0123456789");
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_READ);
    char one[4];
    char two[9];
    struct iovec iov[] = {{NULL, 0}, {one, sizeof one}, {NULL, 0}, {two, sizeof two}};
    size_t bytes;
    assert_int_equal(adb_file_read(file, iov, 4, 0, &bytes), ARMDB_OK);
    assert_int_equal(bytes, 10);
    assert_memory_equal(one, "0123", 4);
    assert_memory_equal(two, "456789", 6);
    assert_int_equal(adb_file_read(file, iov, 4, 10, &bytes), ARMDB_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(adb_file_read(file, iov, 4, 1000, &bytes), ARMDB_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(adb_file_read(file, iov, 0, 0, &bytes), ARMDB_OK);
    assert_int_equal(bytes, 0);
    assert_string_equal(take(file, 7), "789");
    close_file(file);
}

static void
test_os_write__more_iovecs_than_the_system_takes__all_there(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    enum { COUNT = 2 * IOV_MAX + 7, EACH = 3 };
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_CREATE_NEW);
    char *data = (char *)malloc(COUNT * EACH);
    char *back = (char *)calloc(COUNT, EACH);
    struct iovec *iov = (struct iovec *)calloc(COUNT, sizeof *iov);
    assert_true(data != NULL && back != NULL && iov != NULL);
    for (int i = 0; i < COUNT * EACH; i++)
        data[i] = (char)(i * 7 + i / 251);
    for (int i = 0; i < COUNT; i++)
        iov[i] = (struct iovec){data + i * EACH, i % 5 == 0 ? 0 : EACH};
    size_t expected = 0;
    for (int i = 0; i < COUNT; i++)
        expected += iov[i].iov_len;
    size_t bytes;
    assert_int_equal(adb_file_write(file, iov, COUNT, 11, &bytes), ARMDB_OK);
    assert_int_equal(bytes, expected);
    assert_int_equal(size_of(file), expected + 11);
    for (int i = 0; i < COUNT; i++)
        iov[i].iov_base = back + i * EACH;
    assert_int_equal(adb_file_read(file, iov, COUNT, 11, &bytes), ARMDB_OK);
    assert_int_equal(bytes, expected);
    for (int i = 0; i < COUNT; i++)
        assert_memory_equal(back + i * EACH, data + i * EACH, iov[i].iov_len);
    free(data);
    free(back);
    free(iov);
    close_file(file);
}

static void
test_os_write__behind_the_end__zeros_between(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_CREATE_NEW);
    assert_int_equal(size_of(file), 0);
    put(file, 0, "ab");
    put(file, 4, "ef");
    put(file, 1, "B");
    assert_int_equal(size_of(file), 6);
    assert_memory_equal(take(file, 0), "aB\0\0ef", 7);
    assert_int_equal(adb_file_sync(file), ARMDB_OK);
    assert_memory_equal(take(file, 0), "aB\0\0ef", 7);
    close_file(file);
}

static void
test_os_write__read_only_handle__raised(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "abc");
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_READ);
    size_t written = 9;
    assert_int_equal(write_at(file, "x", 1, 1, &written), ARMDB_IO);
    assert_int_equal(written, 0);
    assert_record(ARMDB_IO, EBADF, "write", path_of(fixture, "a"));
    assert_int_equal(adb_err_detail()->offset, 1);
    assert_int_equal(adb_file_truncate(file, 1), ARMDB_IO);
    assert_record(ARMDB_IO, EINVAL, "truncate", path_of(fixture, "a"));
    assert_string_equal(take(file, 0), "abc");
    close_file(file);
}

static void
test_os_truncate__shorter_and_longer__cut_and_zeros(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "abcdef");
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_READ_WRITE);
    assert_int_equal(adb_file_truncate(file, 3), ARMDB_OK);
    assert_int_equal(size_of(file), 3);
    assert_int_equal(adb_file_truncate(file, 5), ARMDB_OK);
    assert_int_equal(size_of(file), 5);
    assert_memory_equal(take(file, 0), "abc\0\0", 6);
    assert_int_equal(adb_file_truncate(file, 0), ARMDB_OK);
    assert_int_equal(size_of(file), 0);
    close_file(file);
}

static void
test_os_allocate__any_range__size_and_content_stay(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "abc");
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_READ_WRITE);
    assert_int_equal(adb_file_allocate(file, 0, 100000), ARMDB_OK);
    assert_int_equal(adb_file_allocate(file, 200000, 1), ARMDB_OK);
    assert_int_equal(adb_file_allocate(file, 5, 0), ARMDB_OK);
    assert_int_equal(size_of(file), 3);
    assert_string_equal(take(file, 0), "abc");
    assert_int_equal(adb_file_truncate(file, 3), ARMDB_OK);
    assert_int_equal(size_of(file), 3);
    close_file(file);
}

static void
test_os_lock__held_by_another_open__busy_until_closed(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "");
    struct adb_file *one = open_file(fixture, "a", ADB_OPEN_READ_WRITE);
    struct adb_file *two = open_file(fixture, "a", ADB_OPEN_READ_WRITE);
    assert_int_equal(adb_file_lock(one), ARMDB_OK);
    assert_int_equal(adb_file_lock(one), ARMDB_OK);
    mark_record();
    assert_int_equal(adb_file_lock(two), ARMDB_BUSY);
    assert_no_record();
    put(two, 0, "the lock is only advice");
    close_file(one);
    assert_int_equal(adb_file_lock(two), ARMDB_OK);
    close_file(two);
}

static void
test_os_close__null__ok(void **state)
{
    (void)state;
    assert_int_equal(adb_file_close(NULL), ARMDB_OK);
}

/* Names. */

static void
test_os_rename__existing_target__replaced(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "new");
    make_file(fixture, "b", "old");
    struct adb_file *old = open_file(fixture, "b", ADB_OPEN_READ);
    const char *from = path_of(fixture, "a");
    assert_int_equal(adb_os_rename(fixture->os, from, path_of(fixture, "b")), ARMDB_OK);
    assert_int_equal(adb_os_sync_dir(fixture->os, fixture->root), ARMDB_OK);
    assert_string_equal(take(old, 0), "old");
    close_file(old);
    struct adb_file *file = open_file(fixture, "b", ADB_OPEN_READ);
    assert_string_equal(take(file, 0), "new");
    close_file(file);
    assert_open_answers(fixture, "a", ADB_OPEN_READ, ARMDB_NOT_FOUND);
}

static void
test_os_rename__impossible__raised_and_nothing_changed(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "abc");
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "d")), ARMDB_OK);
    const char *missing = path_of(fixture, "no");
    const char *file = path_of(fixture, "a");
    const char *directory = path_of(fixture, "d");
    assert_int_equal(adb_os_rename(fixture->os, missing, file), ARMDB_IO);
    assert_record(ARMDB_IO, ENOENT, "rename", missing);
    assert_int_equal(adb_os_rename(fixture->os, file, directory), ARMDB_IO);
    assert_record(ARMDB_IO, EISDIR, "rename", file);
    assert_int_equal(adb_os_rename(fixture->os, directory, file), ARMDB_IO);
    assert_record(ARMDB_IO, ENOTDIR, "rename", directory);
    assert_int_equal(adb_os_rename(fixture->os, file, file), ARMDB_OK);
    struct adb_file *back = open_file(fixture, "a", ADB_OPEN_READ);
    assert_string_equal(take(back, 0), "abc");
    close_file(back);
}

static void
test_os_unlink__open_file__readable_until_closed(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "abc");
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_READ_WRITE);
    assert_int_equal(adb_os_unlink(fixture->os, path_of(fixture, "a")), ARMDB_OK);
    assert_open_answers(fixture, "a", ADB_OPEN_READ, ARMDB_NOT_FOUND);
    put(file, 3, "def");
    assert_int_equal(adb_file_sync(file), ARMDB_OK);
    assert_string_equal(take(file, 0), "abcdef");
    make_file(fixture, "a", "another");
    assert_string_equal(take(file, 0), "abcdef");
    close_file(file);
}

static void
test_os_unlink__missing_or_directory__not_found_or_raised(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    const char *path = path_of(fixture, "a");
    mark_record();
    assert_int_equal(adb_os_unlink(fixture->os, path), ARMDB_NOT_FOUND);
    assert_int_equal(adb_os_unlink(fixture->os, path_of(fixture, "no/a")), ARMDB_NOT_FOUND);
    assert_no_record();
    assert_int_equal(adb_os_mkdir(fixture->os, path), ARMDB_OK);
    assert_int_equal(adb_os_unlink(fixture->os, path), ARMDB_IO);
    assert_record(ARMDB_IO, EISDIR, "unlink", path);
}

static void
test_os_mkdir__taken_name_or_no_parent__exists_or_raised(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "");
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "d")), ARMDB_OK);
    mark_record();
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "d")), ARMDB_EXISTS);
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "a")), ARMDB_EXISTS);
    assert_no_record();
    const char *path = path_of(fixture, "no/d");
    assert_int_equal(adb_os_mkdir(fixture->os, path), ARMDB_IO);
    assert_record(ARMDB_IO, ENOENT, "mkdir", path);
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "d/e")), ARMDB_OK);
    make_file(fixture, "d/e/f", "x");
}

static void
test_os_sync_dir__no_directory__raised(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    const char *path = path_of(fixture, "no");
    assert_int_equal(adb_os_sync_dir(fixture->os, path), ARMDB_IO);
    assert_record(ARMDB_IO, ENOENT, "sync_dir", path);
    make_file(fixture, "a", "");
    path = path_of(fixture, "a");
    assert_int_equal(adb_os_sync_dir(fixture->os, path), ARMDB_IO);
    assert_record(ARMDB_IO, ENOTDIR, "sync_dir", path);
}

static int
compare_letters(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

static void
test_os_list__files_and_directories__each_once(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "");
    make_file(fixture, "b", "");
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "D")), ARMDB_OK);
    make_file(fixture, "D/x", "");
    struct seen seen = {.count = 0};
    assert_int_equal(adb_os_list(fixture->os, fixture->root, note_name, &seen), ARMDB_OK);
    qsort(seen.letters, seen.count, 1, compare_letters);
    assert_string_equal(seen.letters, "Dab");
    seen = (struct seen){.stop_at = 2};
    assert_int_equal(adb_os_list(fixture->os, fixture->root, note_name, &seen), ARMDB_LIMIT);
    assert_int_equal(seen.count, 2);
}

static void
test_os_list__no_directory__not_found_or_raised(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    struct seen seen = {.count = 0};
    mark_record();
    const char *path = path_of(fixture, "no");
    assert_int_equal(adb_os_list(fixture->os, path, note_name, &seen), ARMDB_NOT_FOUND);
    assert_no_record();
    make_file(fixture, "a", "");
    path = path_of(fixture, "a");
    assert_int_equal(adb_os_list(fixture->os, path, note_name, &seen), ARMDB_IO);
    assert_record(ARMDB_IO, ENOTDIR, "list", path);
    assert_int_equal(seen.count, 0);
}

/* Machine. */

static void
test_os_machine__asked__plausible(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    assert_true(fixture->os->cpu_count >= 1 && adb_os_process_id(fixture->os) > 0);
    uint64_t before_ns = adb_os_now_ns(fixture->os);
    assert_true(adb_os_now_ns(fixture->os) >= before_ns);
    unsigned char random[2][1000];
    memset(random, 0, sizeof random);
    assert_int_equal(adb_os_entropy(fixture->os, random[0], sizeof random[0]), ARMDB_OK);
    assert_int_equal(adb_os_entropy(fixture->os, random[1], sizeof random[1]), ARMDB_OK);
    assert_memory_not_equal(random[0], random[1], sizeof random[0]);
    assert_memory_not_equal(random[0], random[0] + 500, 500);
    assert_int_equal(adb_os_entropy(fixture->os, random[0], 0), ARMDB_OK);
}

#define OS_TEST(name, setup, teardown) cmocka_unit_test_setup_teardown(name, setup, teardown)

#define OS_CONFORMANCE_TESTS(s, t)                                                                 \
    OS_TEST(test_os_open__missing__not_found, s, t),                                               \
        OS_TEST(test_os_open__create_new_twice__exists, s, t),                                     \
        OS_TEST(test_os_open__parent_not_there_or_no_directory__raised, s, t),                     \
        OS_TEST(test_os_open__directory__raised, s, t),                                            \
        OS_TEST(test_os_open__out_of_memory__raised_and_nothing_created, s, t),                    \
        OS_TEST(test_os_read__at_the_end__short, s, t),                                            \
        OS_TEST(test_os_write__more_iovecs_than_the_system_takes__all_there, s, t),                \
        OS_TEST(test_os_write__behind_the_end__zeros_between, s, t),                               \
        OS_TEST(test_os_write__read_only_handle__raised, s, t),                                    \
        OS_TEST(test_os_truncate__shorter_and_longer__cut_and_zeros, s, t),                        \
        OS_TEST(test_os_allocate__any_range__size_and_content_stay, s, t),                         \
        OS_TEST(test_os_lock__held_by_another_open__busy_until_closed, s, t),                      \
        OS_TEST(test_os_close__null__ok, s, t),                                                    \
        OS_TEST(test_os_rename__existing_target__replaced, s, t),                                  \
        OS_TEST(test_os_rename__impossible__raised_and_nothing_changed, s, t),                     \
        OS_TEST(test_os_unlink__open_file__readable_until_closed, s, t),                           \
        OS_TEST(test_os_unlink__missing_or_directory__not_found_or_raised, s, t),                  \
        OS_TEST(test_os_mkdir__taken_name_or_no_parent__exists_or_raised, s, t),                   \
        OS_TEST(test_os_sync_dir__no_directory__raised, s, t),                                     \
        OS_TEST(test_os_list__files_and_directories__each_once, s, t),                             \
        OS_TEST(test_os_list__no_directory__not_found_or_raised, s, t),                            \
        OS_TEST(test_os_machine__asked__plausible, s, t)

#endif
