#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>  /* rename */
#include <stdlib.h> /* realpath */
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "os/os_posix_private.h"
#include "os/rcu.h"

typedef ssize_t (*transfer_fn)(int fd, const struct iovec *iov, int iov_count, off_t offset);

static armdb_err
fail_file(int os_errno, const char *operation, const struct posix_file *file, uint64_t offset)
{
    return adb_fail_errno(os_errno, operation, file->path, offset);
}

/* Files. */

static armdb_err
file_close(struct adb_file *base)
{
    struct posix_file *file = posix_file_of(base);
    armdb_err err = ARMDB_OK;
    /* A child that was forked meanwhile shares the lock and would keep it; and must not end it. */
    if (file->locker == getpid())
        (void)flock(file->fd, LOCK_UN);
    /* Linux has closed the descriptor whatever it says; a second close could hit a stranger's. */
    if (close(file->fd) != 0 && errno != EINTR)
        err = fail_file(errno, "close", file, 0);
    adb_mem_free(file);
    return err;
}

/*
 * Calls preadv or pwritev until every iovec is through, the file ends or an error comes up. Returns
 * errno (0 if none); *done_out counts the bytes in either case. The caller's iovecs are used as
 * they are: after a short transfer the rest of the one it broke in goes alone.
 */
static int
transfer_all(struct posix_file *file, transfer_fn transfer, const struct iovec *iov, int iov_count,
             uint64_t offset, size_t *done_out)
{
    size_t done = 0;
    size_t skip = 0; /* bytes of iov[0] that are through */
    int os_errno = 0;
    while (iov_count > 0) {
        if (iov->iov_len == 0) {
            iov++;
            iov_count--;
            continue;
        }
        struct iovec rest = {(char *)iov->iov_base + skip, iov->iov_len - skip};
        int count = skip > 0 ? 1 : (iov_count < IOV_MAX ? iov_count : IOV_MAX);
        ssize_t bytes = transfer(file->fd, skip > 0 ? &rest : iov, count, (off_t)(offset + done));
        if (bytes < 0 && errno == EINTR)
            continue;
        if (bytes < 0)
            os_errno = errno;
        if (bytes <= 0)
            break;
        done += (size_t)bytes;
        for (skip += (size_t)bytes; iov_count > 0 && skip >= iov->iov_len; iov++, iov_count--)
            skip -= iov->iov_len;
    }
    ADB_ASSERT(iov_count > 0 || skip == 0);
    *done_out = done;
    return os_errno;
}

static armdb_err
file_read(struct adb_file *base, const struct iovec *iov, int iov_count, uint64_t offset,
          size_t *read_out)
{
    *read_out = 0;
    struct posix_file *file = posix_file_of(base);
    size_t done;
    int os_errno = file->is_direct ? adb_posix_read_direct(file, iov, iov_count, offset, &done)
                                   : transfer_all(file, preadv, iov, iov_count, offset, &done);
    if (os_errno != 0)
        return fail_file(os_errno, "read", file, offset + done);
    *read_out = done;
    return ARMDB_OK;
}

static size_t
iov_bytes(const struct iovec *iov, int iov_count)
{
    size_t bytes = 0;
    for (int i = 0; i < iov_count; i++)
        bytes += iov[i].iov_len;
    return bytes;
}

static armdb_err
file_write(struct adb_file *base, const struct iovec *iov, int iov_count, uint64_t offset,
           size_t *written_out)
{
    *written_out = 0;
    struct posix_file *file = posix_file_of(base);
    size_t done;
    int os_errno = transfer_all(file, pwritev, iov, iov_count, offset, &done);
    *written_out = done;
    /* A write that moves nothing and gives no reason would otherwise pass for a whole one. */
    if (os_errno == 0 && done < iov_bytes(iov, iov_count))
        os_errno = EIO;
    return os_errno == 0 ? ARMDB_OK : fail_file(os_errno, "write", file, offset + done);
}

/* Never repeated, not even after EINTR: the kernel may have marked lost pages clean by then. */
static armdb_err
file_sync(struct adb_file *base)
{
    struct posix_file *file = posix_file_of(base);
    return fdatasync(file->fd) == 0 ? ARMDB_OK : fail_file(errno, "sync", file, 0);
}

static void
file_start_sync(struct adb_file *base, uint64_t offset, uint64_t bytes)
{
    /* A failure to write stays with the file, and is told by the next fdatasync. */
    (void)sync_file_range(posix_file_of(base)->fd, (off_t)offset, (off_t)bytes,
                          SYNC_FILE_RANGE_WRITE);
}

static armdb_err
file_size(struct adb_file *base, uint64_t *bytes_out)
{
    *bytes_out = 0;
    struct posix_file *file = posix_file_of(base);
    struct stat info;
    if (fstat(file->fd, &info) != 0)
        return fail_file(errno, "size", file, 0);
    ADB_ASSERT(info.st_size >= 0);
    *bytes_out = (uint64_t)info.st_size;
    return ARMDB_OK;
}

static armdb_err
truncate_to(struct posix_file *file, uint64_t bytes)
{
    int result;
    do {
        result = ftruncate(file->fd, (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? ARMDB_OK : fail_file(errno, "truncate", file, bytes);
}

static armdb_err
file_truncate(struct adb_file *base, uint64_t bytes)
{
    struct posix_file *file = posix_file_of(base);
    uint64_t old_bytes;
    ADB_TRY(file_size(base, &old_bytes));
    ADB_TRY(truncate_to(file, bytes));
    /* Blocks allocated behind the end go only with a truncation that does not grow the file. */
    return bytes > old_bytes ? truncate_to(file, bytes) : ARMDB_OK;
}

/* Whether fallocate's errno means that this file system, or kind of file, has no such thing. */
static bool
is_not_supported(int os_errno)
{
    return os_errno == EOPNOTSUPP || os_errno == ENOSYS || os_errno == EINVAL || os_errno == ENODEV;
}

static armdb_err
file_allocate(struct adb_file *base, uint64_t offset, uint64_t bytes)
{
    struct posix_file *file = posix_file_of(base);
    if (bytes == 0)
        return ARMDB_OK;
    int result;
    do {
        result = fallocate(file->fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes);
    } while (result != 0 && errno == EINTR);
    if (result == 0 || is_not_supported(errno))
        return ARMDB_OK;
    return fail_file(errno, "allocate", file, offset);
}

/*
 * Whether a store into a mapped page whose block is allocated and written needs no other block:
 * file systems that write in place. Those that copy on write may run out of space then, which would
 * be a SIGBUS.
 */
static bool
writes_in_place(int fd)
{
    enum { EXT4 = 0xEF53, XFS = 0x58465342, TMPFS = 0x01021994 }; /* also ext2 and ext3 */
    struct statfs info;
    if (fstatfs(fd, &info) != 0)
        return false;
    return info.f_type == EXT4 || info.f_type == XFS || info.f_type == TMPFS;
}

static armdb_err
file_map(struct adb_file *base, uint64_t bytes, void **memory_out)
{
    struct posix_file *file = posix_file_of(base);
    *memory_out = NULL;
    if (!writes_in_place(file->fd))
        return ARMDB_OK;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file->fd,
                        0);
    if (memory != MAP_FAILED)
        *memory_out = memory;
    return ARMDB_OK;
}

static void
file_unmap(struct adb_file *file, void *memory, uint64_t bytes)
{
    (void)file;
    ADB_ASSERT(munmap(memory, bytes) == 0);
}

static armdb_err
file_lock(struct adb_file *base)
{
    struct posix_file *file = posix_file_of(base);
    int result;
    do {
        result = flock(file->fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        file->locker = getpid();
        return ARMDB_OK;
    }
    return errno == EWOULDBLOCK ? ARMDB_BUSY : fail_file(errno, "lock", file, 0);
}

/* Names. */

static int
open_retrying(const char *path, int flags)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, 0644);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static int
open_flags(enum adb_open_how how)
{
    switch (how) {
    case ADB_OPEN_READ:
        return O_RDONLY;
    case ADB_OPEN_READ_DIRECT:
        return O_RDONLY | O_DIRECT;
    case ADB_OPEN_READ_WRITE:
        return O_RDWR;
    case ADB_OPEN_CREATE_NEW:
        return O_RDWR | O_CREAT | O_EXCL;
    }
    ADB_UNREACHABLE();
}

/* The error that a failed open stands for. */
static armdb_err
open_failed(int os_errno, const char *path, enum adb_open_how how)
{
    if (os_errno == ENOENT && how != ADB_OPEN_CREATE_NEW)
        return ARMDB_NOT_FOUND;
    if (os_errno == EEXIST && how == ADB_OPEN_CREATE_NEW)
        return ARMDB_EXISTS;
    if (os_errno == EINVAL && how == ADB_OPEN_READ_DIRECT)
        return ARMDB_UNSUPPORTED;
    return adb_fail_errno(os_errno, "open", path, 0);
}

static armdb_err
os_open(struct adb_os *os, const char *path, enum adb_open_how how, struct adb_file **file_out)
{
    *file_out = NULL;
    size_t path_bytes = strlen(path) + 1;
    /* Before the file, so that running out of memory does not leave a new one behind. */
    struct posix_file *file = (struct posix_file *)adb_mem_alloc(sizeof *file + path_bytes);
    if (file == NULL)
        return adb_fail_errno(ENOMEM, "open", path, 0);
    file->base.os = os;
    file->locker = 0;
    file->is_direct = how == ADB_OPEN_READ_DIRECT;
    memcpy(file->path, path, path_bytes);
    file->fd = open_retrying(path, open_flags(how));
    if (file->fd < 0) {
        armdb_err err = open_failed(errno, path, how);
        adb_mem_free(file);
        return err;
    }
    /* The system lets a directory be opened for reading, and refuses each read later. */
    struct stat info;
    int os_errno = fstat(file->fd, &info) != 0 ? errno : (S_ISDIR(info.st_mode) ? EISDIR : 0);
    if (os_errno != 0) {
        (void)close(file->fd);
        adb_mem_free(file);
        return adb_fail_errno(os_errno, "open", path, 0);
    }
    if (file->is_direct && !adb_posix_fits_direct(file->fd)) {
        (void)close(file->fd);
        adb_mem_free(file);
        return ARMDB_UNSUPPORTED;
    }
    *file_out = &file->base;
    return ARMDB_OK;
}

static armdb_err
os_rename(struct adb_os *os, const char *from, const char *to)
{
    (void)os;
    return rename(from, to) == 0 ? ARMDB_OK : adb_fail_errno(errno, "rename", from, 0);
}

/* EPERM: a file system without links, or a system that lets only the owner make them. */
static bool
cannot_link(int os_errno)
{
    return os_errno == EXDEV || os_errno == EMLINK || os_errno == EPERM || os_errno == EOPNOTSUPP ||
           os_errno == ENOSYS;
}

static armdb_err
os_link(struct adb_os *os, const char *from, const char *to)
{
    (void)os;
    if (link(from, to) == 0)
        return ARMDB_OK;
    return cannot_link(errno) ? ARMDB_UNSUPPORTED : adb_fail_errno(errno, "link", to, 0);
}

static armdb_err
os_unlink(struct adb_os *os, const char *path)
{
    (void)os;
    if (unlink(path) == 0)
        return ARMDB_OK;
    return errno == ENOENT ? ARMDB_NOT_FOUND : adb_fail_errno(errno, "unlink", path, 0);
}

static armdb_err
os_mkdir(struct adb_os *os, const char *path)
{
    (void)os;
    if (mkdir(path, 0755) == 0)
        return ARMDB_OK;
    return errno == EEXIST ? ARMDB_EXISTS : adb_fail_errno(errno, "mkdir", path, 0);
}

static armdb_err
os_sync_dir(struct adb_os *os, const char *path)
{
    (void)os;
    int fd = open_retrying(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return adb_fail_errno(errno, "sync_dir", path, 0);
    armdb_err err = ARMDB_OK;
    if (fsync(fd) != 0)
        err = adb_fail_errno(errno, "sync_dir", path, 0);
    (void)close(fd);
    return err;
}

/* Follows symbolic links; a name that is gone meanwhile counts as a file. */
static bool
is_directory(DIR *dir, const struct dirent *entry)
{
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    struct stat info;
    return fstatat(dirfd(dir), entry->d_name, &info, 0) == 0 && S_ISDIR(info.st_mode);
}

static armdb_err
list_entries(DIR *dir, const char *path, adb_list_fn fn, void *context)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL)
            return errno == 0 ? ARMDB_OK : adb_fail_errno(errno, "list", path, 0);
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        ADB_TRY(fn(context, name, is_directory(dir, entry)));
    }
}

static armdb_err
os_list(struct adb_os *os, const char *path, adb_list_fn fn, void *context)
{
    (void)os;
    int fd = open_retrying(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return errno == ENOENT ? ARMDB_NOT_FOUND : adb_fail_errno(errno, "list", path, 0);
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        armdb_err err = adb_fail_errno(errno, "list", path, 0);
        (void)close(fd);
        return err;
    }
    armdb_err err = list_entries(dir, path, fn, context);
    (void)closedir(dir);
    return err;
}

/* Clock, randomness, machine. */

static uint64_t
os_now_ns(struct adb_os *os)
{
    (void)os;
    struct timespec now;
    ADB_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t
os_wall_ms(struct adb_os *os)
{
    (void)os;
    struct timespec now;
    ADB_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static armdb_err
os_entropy(struct adb_os *os, void *buffer, size_t bytes)
{
    (void)os;
    char *to = (char *)buffer;
    while (bytes > 0) {
        ssize_t got = getrandom(to, bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return adb_fail_errno(errno, "entropy", NULL, 0);
        to += got;
        bytes -= (size_t)got;
    }
    return ARMDB_OK;
}

static armdb_err
os_resolve(struct adb_os *os, const char *path, char **absolute_out)
{
    char absolute[PATH_MAX];
    (void)os;
    *absolute_out = NULL;
    if (realpath(path, absolute) == NULL)
        return adb_fail_errno(errno, "resolve", path, 0);
    *absolute_out = adb_mem_strdup(absolute);
    if (*absolute_out == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "resolve", "no memory for a path");
    return ARMDB_OK;
}

static void
os_boot_id(struct adb_os *os, char id_out[ADB_BOOT_ID_BYTES])
{
    (void)os;
    ssize_t len = -1;
    int fd = open_retrying("/proc/sys/kernel/random/boot_id", O_RDONLY);
    if (fd >= 0) {
        len = read(fd, id_out, ADB_BOOT_ID_BYTES - 1);
        (void)close(fd);
    }
    id_out[len > 0 ? len : 0] = '\0';
    id_out[strcspn(id_out, "\n")] = '\0';
}

static uint32_t
os_process_id(struct adb_os *os)
{
    (void)os;
    return (uint32_t)getpid();
}

static const struct adb_os_ops posix_ops = {
    .open = os_open,
    .close = file_close,
    .read = file_read,
    .write = file_write,
    .sync = file_sync,
    .start_sync = file_start_sync,
    .size = file_size,
    .truncate = file_truncate,
    .allocate = file_allocate,
    .map = file_map,
    .unmap = file_unmap,
    .lock = file_lock,
    .rename = os_rename,
    .link = os_link,
    .unlink = os_unlink,
    .mkdir = os_mkdir,
    .sync_dir = os_sync_dir,
    .list = os_list,
    .resolve = os_resolve,
    .now_ns = os_now_ns,
    .wall_ms = os_wall_ms,
    .entropy = os_entropy,
    .boot_id = os_boot_id,
    .process_id = os_process_id,
    .read_batch = adb_posix_read_batch,
    .has_batches = adb_posix_has_batches,
};

static struct adb_os posix_instance = {.ops = &posix_ops, .has_threads = true, .cpu_count = 1};
static pthread_once_t posix_once = PTHREAD_ONCE_INIT;

/* The CPUs this process may run on; all that are online if the mask does not fit. */
static void
count_cpus(void)
{
    cpu_set_t set;
    long count = 0;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = CPU_COUNT(&set);
    if (count < 1)
        count = sysconf(_SC_NPROCESSORS_ONLN);
    posix_instance.cpu_count = count < 1 ? 1 : (uint32_t)count;
}

static void
measure_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_bytes > 0)
        posix_instance.memory_bytes = (uint64_t)pages * (uint64_t)page_bytes;
}

static void
start(void)
{
    count_cpus();
    measure_memory();
    adb_rcu_init();
    adb_posix_batch_init();
}

struct adb_os *
adb_os_posix(void)
{
    ADB_ASSERT(pthread_once(&posix_once, start) == 0);
    return &posix_instance;
}
