/*
 * Reads in batches, and reads past the page cache: the same bytes, whether the kernel has rings,
 * refuses them, or runs out of memory for them. Some system calls are stood in for.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "os/os.h"
#include "support/tmpdir.h"

enum { BLOCK = ADB_READ_ALIGNMENT, FILE_BLOCKS = 150, TAIL = 100, READS = 200 };
#define FILE_BYTES ((size_t)FILE_BLOCKS * BLOCK + TAIL)

static int setup_errno;      /* what making a ring fails with; 0: it works */
static int enter_errno;      /* what the next entering fails with, once */
static unsigned setup_count; /* rings that were asked for */

long syscall(long number, ...);

/* In front of libc's. */
long
syscall(long number, ...)
{
    static long (*real)(long, ...);
    long argument[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        argument[i] = va_arg(args, long);
    va_end(args);
    if (real == NULL)
        *(void **)(void *)&real = dlsym(RTLD_NEXT, "syscall");
    int os_errno = 0;
    if (number == SYS_io_uring_setup) {
        setup_count++;
        os_errno = setup_errno;
    } else if (number == SYS_io_uring_enter) {
        os_errno = enter_errno;
        enter_errno = 0;
    }
    if (os_errno != 0) {
        errno = os_errno;
        return -1;
    }
    return real(number, argument[0], argument[1], argument[2], argument[3], argument[4],
                argument[5]);
}

struct fixture {
    char *directory;          /* owned */
    unsigned char *bytes;     /* owned: of the file */
    unsigned char *memory;    /* owned: READS blocks, aligned */
    struct adb_file *file[2]; /* owned; the second for direct reading, or NULL */
    struct adb_file_read_op reads[READS];
};

static int
set_up(void **state)
{
    struct fixture *fixture = (struct fixture *)calloc(1, sizeof *fixture);
    char path[4096];
    assert_non_null(fixture);
    fixture->directory = tmpdir_make();
    fixture->bytes = (unsigned char *)malloc(FILE_BYTES);
    fixture->memory = (unsigned char *)aligned_alloc(BLOCK, (size_t)READS * BLOCK);
    assert_true(fixture->bytes != NULL && fixture->memory != NULL);
    for (size_t i = 0; i < FILE_BYTES; i++)
        fixture->bytes[i] = (unsigned char)(i / BLOCK * 7 + i * 13);
    snprintf(path, sizeof path, "%s/file", fixture->directory);
    FILE *file = fopen(path, "w");
    assert_int_equal(fwrite(fixture->bytes, 1, FILE_BYTES, file), FILE_BYTES);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(adb_os_open(adb_os_posix(), path, ADB_OPEN_READ, &fixture->file[0]), ARMDB_OK);
    armdb_err err = adb_os_open(adb_os_posix(), path, ADB_OPEN_READ_DIRECT, &fixture->file[1]);
    assert_true(err == ARMDB_OK || err == ARMDB_UNSUPPORTED);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    assert_int_equal(adb_file_close(fixture->file[0]), ARMDB_OK);
    assert_int_equal(adb_file_close(fixture->file[1]), ARMDB_OK);
    tmpdir_remove(fixture->directory);
    free(fixture->bytes);
    free(fixture->memory);
    free(fixture);
    setup_errno = 0;
    return 0;
}

/* Reads blocks all over the file, the partial one at its end and some behind it among them; of both
 * files in turn. Says whether all is right. */
static bool
read_all_over(struct fixture *fixture)
{
    memset(fixture->memory, 0xa5, (size_t)READS * BLOCK);
    for (uint32_t i = 0; i < READS; i++) {
        struct adb_file *file = fixture->file[fixture->file[1] != NULL ? i % 2 : 0];
        fixture->reads[i] = (struct adb_file_read_op){
            .file = file,
            .offset = (uint64_t)(i * 37 % (FILE_BLOCKS + 3)) * BLOCK,
            .to = fixture->memory + (size_t)i * BLOCK,
            .bytes = BLOCK,
            .got = 77,
        };
    }
    adb_os_read_batch(adb_os_posix(), fixture->reads, READS);
    for (uint32_t i = 0; i < READS; i++) {
        const struct adb_file_read_op *read = &fixture->reads[i];
        size_t left = read->offset < FILE_BYTES ? FILE_BYTES - (size_t)read->offset : 0;
        if (read->got != (left < BLOCK ? left : BLOCK))
            return false;
        if (read->got > 0 && memcmp(read->to, fixture->bytes + read->offset, read->got) != 0)
            return false;
    }
    return true;
}

static void
test_os_ring__reads_all_over_two_files__are_right(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    for (int i = 0; i < 3; i++)
        assert_true(read_all_over(fixture));
    if (adb_os_has_batches(adb_os_posix()))
        assert_int_equal(setup_count, 1);
}

/* Runs before any other test has made a ring: each in a process of its own. */
static int
run_refused(struct fixture *fixture, int os_errno)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setup_errno = os_errno;
        setup_count = 0;
        bool is_right = !adb_os_has_batches(adb_os_posix()) && read_all_over(fixture);
        is_right = is_right && adb_err_detail()->code == ARMDB_OK;
        /* Refused for ever: not asked again. */
        bool is_asked_once = setup_count == 1;
        _exit(is_right ? (is_asked_once ? 1 : 2) : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
test_os_ring__rings_not_permitted_or_unknown__same_bytes(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    assert_int_equal(run_refused(fixture, EPERM), 1);
    assert_int_equal(run_refused(fixture, ENOSYS), 1);
    assert_int_equal(run_refused(fixture, EMFILE), 2);
}

static void
test_os_ring__kernel_takes_nothing_once__no_error_and_nothing_wrong(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const int errors[] = {EAGAIN, EBUSY, ENOMEM, EINTR};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        enter_errno = errors[i];
        (void)read_all_over(fixture);
        /* What was not read says so. */
        for (uint32_t r = 0; r < READS; r++) {
            const struct adb_file_read_op *read = &fixture->reads[r];
            assert_true(read->got <= BLOCK);
            if (read->got > 0)
                assert_memory_equal(read->to, fixture->bytes + read->offset, read->got);
        }
        assert_true(read_all_over(fixture));
    }
}

static void
test_os_ring__child_after_a_fork__has_rings_of_its_own(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    assert_true(read_all_over(fixture));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(read_all_over(fixture) && read_all_over(fixture) ? 0 : 1);
    assert_true(read_all_over(fixture));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
test_os_direct__any_offset_length_and_address__gives_the_files_bytes(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const size_t edges[] = {0,
                            1,
                            511,
                            512,
                            513,
                            BLOCK - 1,
                            BLOCK,
                            BLOCK + 1,
                            2 * BLOCK - 1,
                            2 * BLOCK,
                            2 * BLOCK + 1,
                            3 * BLOCK + 7,
                            64 * BLOCK - 1,
                            64 * BLOCK,
                            64 * BLOCK + 1,
                            FILE_BYTES - BLOCK,
                            FILE_BYTES - 1,
                            FILE_BYTES,
                            FILE_BYTES + 1,
                            FILE_BYTES + BLOCK};
    const size_t n = sizeof edges / sizeof edges[0];
    unsigned char *to = (unsigned char *)malloc(FILE_BYTES + 2 * BLOCK);
    if (fixture->file[1] == NULL)
        skip();
    assert_non_null(to);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i; k < n; k++) {
            size_t bytes = edges[k] - edges[i];
            size_t there = edges[i] < FILE_BYTES ? FILE_BYTES - edges[i] : 0;
            size_t cut = bytes / 3;
            const struct iovec iov[3] = {
                {to + i % 3, cut}, {to + i % 3 + cut, 0}, {to + i % 3 + cut, bytes - cut}};
            size_t got;
            assert_int_equal(adb_file_read(fixture->file[1], iov, 3, edges[i], &got), ARMDB_OK);
            assert_int_equal(got, bytes < there ? bytes : there);
            if (got > 0)
                assert_memory_equal(to + i % 3, fixture->bytes + edges[i], got);
        }
    }
    free(to);
}

static void
test_os_direct__a_directory_or_nothing__is_told(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct adb_file *file;
    armdb_err err = adb_os_open(adb_os_posix(), fixture->directory, ADB_OPEN_READ_DIRECT, &file);
    assert_true(err == ARMDB_IO || err == ARMDB_UNSUPPORTED);
    assert_null(file);
    assert_int_equal(adb_os_open(adb_os_posix(), "/no/such/file", ADB_OPEN_READ_DIRECT, &file),
                     ARMDB_NOT_FOUND);
    assert_null(file);
}

#define BATCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BATCH_TEST(test_os_ring__rings_not_permitted_or_unknown__same_bytes),
        BATCH_TEST(test_os_ring__reads_all_over_two_files__are_right),
        BATCH_TEST(test_os_ring__kernel_takes_nothing_once__no_error_and_nothing_wrong),
        BATCH_TEST(test_os_ring__child_after_a_fork__has_rings_of_its_own),
        BATCH_TEST(test_os_direct__any_offset_length_and_address__gives_the_files_bytes),
        BATCH_TEST(test_os_direct__a_directory_or_nothing__is_told),
    };
    return cmocka_run_group_tests_name("os/os_ring", tests, NULL, NULL);
}
