/*
 * The real implementation. Some system calls are stood in for by functions of this program, so that
 * short transfers, interruptions and refusals happen when a test wants them.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os_conformance.h"
#include "os_conformance_link.h"
#include "support/tmpdir.h"

/* What the stand-ins do. */
static size_t transfer_max;      /* bytes that a read or write moves at most */
static unsigned interrupt_every; /* every n-th call is interrupted; 0 = none */
static unsigned call_count;      /* of all stand-ins */
static int sync_errno;           /* what fdatasync fails with; 0 = it works */
static int allocate_errno;       /* what fallocate fails with */

static void
reset_system(void)
{
    transfer_max = SIZE_MAX;
    interrupt_every = 0;
    call_count = 0;
    sync_errno = 0;
    allocate_errno = 0;
}

/* Counts a call; returns true, with errno set, if it is to fail. */
static bool
must_fail(int os_errno)
{
    call_count++;
    if (interrupt_every != 0 && call_count % interrupt_every == 0)
        os_errno = EINTR;
    if (os_errno != 0)
        errno = os_errno;
    return os_errno != 0;
}

/* Each iovec by itself, until the limit or an error. */
static ssize_t
transfer_each(int fd, const struct iovec *iov, int iov_count, off_t offset, bool is_write)
{
    size_t done = 0;
    for (int i = 0; i < iov_count && done < transfer_max; i++) {
        size_t left = transfer_max - done;
        size_t part = iov[i].iov_len < left ? iov[i].iov_len : left;
        off_t at = offset + (off_t)done;
        ssize_t bytes = is_write ? pwrite(fd, iov[i].iov_base, part, at)
                                 : pread(fd, iov[i].iov_base, part, at);
        if (bytes < 0)
            return done == 0 ? -1 : (ssize_t)done;
        done += (size_t)bytes;
        if ((size_t)bytes < iov[i].iov_len)
            break;
    }
    return (ssize_t)done;
}

ssize_t
preadv(int fd, const struct iovec *iov, int iov_count, off_t offset)
{
    return must_fail(iov_count > IOV_MAX ? EINVAL : 0)
               ? -1
               : transfer_each(fd, iov, iov_count, offset, false);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int iov_count, off_t offset)
{
    return must_fail(iov_count > IOV_MAX ? EINVAL : 0)
               ? -1
               : transfer_each(fd, iov, iov_count, offset, true);
}

int
fdatasync(int fd)
{
    return must_fail(sync_errno) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
fallocate(int fd, int mode, off_t offset, off_t bytes)
{
    return must_fail(allocate_errno) ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, bytes);
}

int
flock(int fd, int operation)
{
    return must_fail(0) ? -1 : (int)syscall(SYS_flock, fd, operation);
}

static int
set_up(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    reset_system();
    fixture->os = adb_os_posix();
    fixture->root = tmpdir_make();
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    reset_system();
    tmpdir_remove((char *)(uintptr_t)fixture->root);
    free(fixture);
    return 0;
}

/* Everything in small pieces, with interruptions: the conformance tests again. */
static int
set_up_rough(void **state)
{
    set_up(state);
    transfer_max = 2;
    interrupt_every = 3;
    return 0;
}

static void
test_os_posix__short_and_interrupted_transfers__continued(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    char one[] = "abc";
    char two[] = "defghij";
    char three[] = "k";
    struct iovec iov[] = {{NULL, 0}, {one, 3}, {two, 7}, {NULL, 0}, {three, 1}, {NULL, 0}};
    struct iovec before[6];
    memcpy(before, iov, sizeof iov);
    for (transfer_max = 1; transfer_max < 13; transfer_max++) {
        for (interrupt_every = 2; interrupt_every < 5; interrupt_every++) {
            struct adb_file *file = open_file(fixture, "a", ADB_OPEN_CREATE_NEW);
            size_t bytes;
            assert_int_equal(adb_file_write(file, iov, 6, 5, &bytes), ARMDB_OK);
            assert_int_equal(bytes, 11);
            assert_memory_equal(iov, before, sizeof iov);
            assert_string_equal(take(file, 5), "abcdefghijk");
            memset(one, '-', 3);
            memset(two, '-', 7);
            three[0] = '-';
            assert_int_equal(adb_file_read(file, iov, 6, 6, &bytes), ARMDB_OK);
            assert_int_equal(bytes, 10);
            assert_string_equal(one, "bcd");
            assert_string_equal(two, "efghijk");
            assert_string_equal(three, "-");
            memcpy(one, "abc", sizeof one);
            memcpy(two, "defghij", sizeof two);
            three[0] = 'k';
            close_file(file);
            assert_int_equal(adb_os_unlink(fixture->os, path_of(fixture, "a")), ARMDB_OK);
        }
    }
}

static void
test_os_posix__write_moves_nothing__raised(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_CREATE_NEW);
    size_t written = 9;
    transfer_max = 0;
    assert_int_equal(write_at(file, "abc", 3, 5, &written), ARMDB_IO);
    assert_int_equal(written, 0);
    assert_record(ARMDB_IO, EIO, "write", path_of(fixture, "a"));
    close_file(file);
}

static void
test_os_posix__failed_sync__raised_and_not_repeated(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    static const int reasons[] = {EIO, EINTR, ENOSPC};
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_CREATE_NEW);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        sync_errno = reasons[i];
        call_count = 0;
        armdb_err expected = reasons[i] == ENOSPC ? ARMDB_NO_SPACE : ARMDB_IO;
        assert_int_equal(adb_file_sync(file), expected);
        assert_int_equal(call_count, 1);
        assert_record(expected, reasons[i], "sync", path_of(fixture, "a"));
    }
    close_file(file);
}

static void
test_os_posix__allocate_refused__by_the_reason(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    static const int harmless[] = {EOPNOTSUPP, ENOSYS, EINVAL, ENODEV};
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_CREATE_NEW);
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        allocate_errno = harmless[i];
        assert_int_equal(adb_file_allocate(file, 0, 4096), ARMDB_OK);
    }
    allocate_errno = ENOSPC;
    assert_int_equal(adb_file_allocate(file, 8192, 4096), ARMDB_NO_SPACE);
    assert_record(ARMDB_NO_SPACE, ENOSPC, "allocate", path_of(fixture, "a"));
    assert_int_equal(adb_err_detail()->offset, 8192);
    close_file(file);
}

static void
test_os_posix__truncate__gives_allocated_space_back(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_CREATE_NEW);
    put(file, 0, "abc");
    struct stat info;
    static const uint64_t sizes[] = {3, 2, 10};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(adb_file_allocate(file, 0, 4 << 20), ARMDB_OK);
        assert_int_equal(adb_file_truncate(file, sizes[i]), ARMDB_OK);
        assert_int_equal(stat(path_of(fixture, "a"), &info), 0);
        assert_true(info.st_blocks * 512 < 1 << 20);
    }
    close_file(file);
}

static void
test_os_posix__full_device__no_space_with_details(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    struct adb_file *file;
    size_t written = 9;
    assert_int_equal(adb_os_open(adb_os_posix(), "/dev/full", ADB_OPEN_READ_WRITE, &file),
                     ARMDB_OK);
    assert_int_equal(write_at(file, "abc", 3, 77, &written), ARMDB_NO_SPACE);
    assert_int_equal(written, 0);
    assert_record(ARMDB_NO_SPACE, ENOSPC, "write", "/dev/full");
    assert_int_equal(adb_err_detail()->offset, 77);
    close_file(file);
}

/* A limit of the process makes the system itself write short, then refuse. */
static void
test_os_posix__write_over_the_size_limit__partly_written(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit limit = {.rlim_cur = 1000, .rlim_max = old.rlim_max};
    void (*old_handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_CREATE_NEW);
    const char data[1500] = {0};
    size_t written;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    armdb_err err = write_at(file, data, sizeof data, 100, &written);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, old_handler);
    assert_int_equal(err, ARMDB_NO_SPACE);
    assert_int_equal(written, 900);
    assert_record(ARMDB_NO_SPACE, EFBIG, "write", path_of(fixture, "a"));
    assert_int_equal(adb_err_detail()->offset, 1000);
    assert_int_equal(size_of(file), 1000);
    close_file(file);
}

static void
test_os_posix__read_only_file_system__read_only(void **state)
{
    (void)state;
    static const char *const places[] = {"/sys", "/proc/sys", "/sys/fs/cgroup"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct statvfs info;
        if (statvfs(places[i], &info) != 0 || (info.f_flag & ST_RDONLY) == 0)
            continue;
        char path[64];
        snprintf(path, sizeof path, "%s/armdb-test", places[i]);
        struct adb_file *file;
        assert_int_equal(adb_os_open(adb_os_posix(), path, ADB_OPEN_CREATE_NEW, &file),
                         ARMDB_READ_ONLY);
        assert_null(file);
        assert_record(ARMDB_READ_ONLY, adb_err_detail()->os_errno, "open", path);
        assert_int_equal(adb_os_mkdir(adb_os_posix(), path), ARMDB_READ_ONLY);
        return;
    }
    skip();
}

static void
test_os_posix__no_permission__read_only(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    const char *path = path_of(fixture, "a");
    uid_t user = geteuid();
    struct adb_file *file;
    assert_int_equal(chmod(fixture->root, 0555), 0);
    if (user == 0)
        assert_int_equal(seteuid(65534), 0);
    armdb_err err = adb_os_open(fixture->os, path, ADB_OPEN_CREATE_NEW, &file);
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod(fixture->root, 0755), 0);
    assert_int_equal(err, ARMDB_READ_ONLY);
    assert_null(file);
    assert_record(ARMDB_READ_ONLY, EACCES, "open", path);
}

static void
test_os_posix__descriptors_used_up__raised(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "");
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit limit = {.rlim_cur = 0, .rlim_max = old.rlim_max};
    struct adb_file *file;
    const char *path = path_of(fixture, "a");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    armdb_err err = adb_os_open(fixture->os, path, ADB_OPEN_READ, &file);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(err, ARMDB_IO);
    assert_null(file);
    assert_record(ARMDB_IO, EMFILE, "open", path);
}

static void
test_os_posix__symbolic_links__listed_as_what_they_point_to(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    make_file(fixture, "a", "");
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "D")), ARMDB_OK);
    assert_int_equal(symlink("D", path_of(fixture, "E")), 0);
    assert_int_equal(symlink("a", path_of(fixture, "b")), 0);
    assert_int_equal(symlink("nowhere", path_of(fixture, "c")), 0);
    struct seen seen = {.count = 0};
    assert_int_equal(adb_os_list(fixture->os, fixture->root, note_name, &seen), ARMDB_OK);
    assert_int_equal(seen.count, 5);
}

static void
test_os_posix__new_files_and_handles__mode_and_close_on_exec(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    int next_fd = dup(0);
    assert_true(next_fd >= 0);
    close(next_fd);
    mode_t old_mask = umask(0);
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_CREATE_NEW);
    assert_int_equal(adb_os_mkdir(fixture->os, path_of(fixture, "d")), ARMDB_OK);
    (void)umask(old_mask);
    assert_int_equal(fcntl(next_fd, F_GETFD), FD_CLOEXEC);
    struct stat info;
    assert_int_equal(stat(path_of(fixture, "a"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0644);
    assert_int_equal(stat(path_of(fixture, "d"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0755);
    close_file(file);
    assert_int_equal(dup(0), next_fd);
    close(next_fd);
}

static void
test_os_posix__machine__threads_and_its_cpus(void **state)
{
    (void)state;
    assert_ptr_equal(adb_os_posix(), adb_os_posix());
    assert_true(adb_os_posix()->has_threads);
    assert_true(adb_os_posix()->cpu_count <= (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
}

/* A child stores into a mapped file and is killed; what it stored is there, by reading. */
static void
test_os_posix__mapped_and_killed__what_was_stored_is_there(void **state)
{
    struct os_fixture *fixture = (struct os_fixture *)*state;
    char zeros[8192] = {0}, found[8192];
    void *memory;
    int status;
    make_file(fixture, "a", "");
    struct adb_file *file = open_file(fixture, "a", ADB_OPEN_READ_WRITE);
    struct iovec iov = {zeros, sizeof zeros};
    size_t bytes;
    assert_int_equal(adb_file_write(file, &iov, 1, 0, &bytes), ARMDB_OK);
    assert_int_equal(adb_file_sync(file), ARMDB_OK);
    assert_int_equal(adb_file_map(file, sizeof zeros, &memory), ARMDB_OK);
    if (memory == NULL) {
        adb_file_discard(file);
        skip(); /* not on this file system */
    }
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        memset((char *)memory + 4000, 'x', 200);
        for (;;)
            (void)kill(getpid(), SIGKILL);
    }
    assert_true(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    iov.iov_base = found;
    assert_int_equal(adb_file_read(file, &iov, 1, 0, &bytes), ARMDB_OK);
    memset(zeros + 4000, 'x', 200);
    assert_memory_equal(found, zeros, sizeof zeros);
    adb_file_unmap(file, memory, sizeof zeros);
    assert_int_equal(adb_file_close(file), ARMDB_OK);
}

static void
test_os_posix__file_system_copies_on_write__is_not_mapped(void **state)
{
    (void)state;
    struct adb_file *file;
    void *memory;
    /* proc stands for all that is not known to write in place. */
    assert_int_equal(adb_os_open(adb_os_posix(), "/proc/self/status", ADB_OPEN_READ, &file),
                     ARMDB_OK);
    assert_int_equal(adb_file_map(file, 4096, &memory), ARMDB_OK);
    assert_null(memory);
    assert_int_equal(adb_file_close(file), ARMDB_OK);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        OS_CONFORMANCE_TESTS(set_up, tear_down),
        OS_LINK_TESTS(set_up, tear_down),
        OS_TEST(test_os_posix__short_and_interrupted_transfers__continued, set_up, tear_down),
        OS_TEST(test_os_posix__write_moves_nothing__raised, set_up, tear_down),
        OS_TEST(test_os_posix__failed_sync__raised_and_not_repeated, set_up, tear_down),
        OS_TEST(test_os_posix__allocate_refused__by_the_reason, set_up, tear_down),
        OS_TEST(test_os_posix__truncate__gives_allocated_space_back, set_up, tear_down),
        OS_TEST(test_os_posix__full_device__no_space_with_details, set_up, tear_down),
        OS_TEST(test_os_posix__write_over_the_size_limit__partly_written, set_up, tear_down),
        OS_TEST(test_os_posix__read_only_file_system__read_only, set_up, tear_down),
        OS_TEST(test_os_posix__no_permission__read_only, set_up, tear_down),
        OS_TEST(test_os_posix__descriptors_used_up__raised, set_up, tear_down),
        OS_TEST(test_os_posix__symbolic_links__listed_as_what_they_point_to, set_up, tear_down),
        OS_TEST(test_os_posix__new_files_and_handles__mode_and_close_on_exec, set_up, tear_down),
        OS_TEST(test_os_posix__machine__threads_and_its_cpus, set_up, tear_down),
        OS_TEST(test_os_posix__mapped_and_killed__what_was_stored_is_there, set_up, tear_down),
        OS_TEST(test_os_posix__file_system_copies_on_write__is_not_mapped, set_up, tear_down),
    };
    static const struct CMUnitTest rough_tests[] = {
        OS_TEST(test_os_read__at_the_end__short, set_up_rough, tear_down),
        OS_TEST(test_os_write__more_iovecs_than_the_system_takes__all_there, set_up_rough,
                tear_down),
        OS_TEST(test_os_write__read_only_handle__raised, set_up_rough, tear_down),
        OS_TEST(test_os_truncate__shorter_and_longer__cut_and_zeros, set_up_rough, tear_down),
        OS_TEST(test_os_allocate__any_range__size_and_content_stay, set_up_rough, tear_down),
        OS_TEST(test_os_lock__held_by_another_open__busy_until_closed, set_up_rough, tear_down),
    };
    int failed = cmocka_run_group_tests_name("os_posix", tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("os_posix, rough", rough_tests, NULL, NULL);
    return failed == 0 ? 0 : 1;
}
