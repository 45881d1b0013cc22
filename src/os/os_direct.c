/*
 * os_direct.c: reading past the page cache.
 *
 * The device wants offset, length and memory aligned. What is so already goes as it is; all else
 * goes through memory that is, in windows of the blocks around it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/os_posix_private.h"

enum {
    SMALL_BYTES = 2 * ADB_READ_ALIGNMENT, /* on the stack */
    WINDOW_BYTES = 256 * 1024
};

bool
adb_posix_fits_direct(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx info;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 &&
        (info.stx_mask & STATX_DIOALIGN) != 0)
        return info.stx_dio_offset_align != 0 && info.stx_dio_offset_align <= ADB_READ_ALIGNMENT &&
               info.stx_dio_mem_align <= ADB_READ_ALIGNMENT;
#endif
    /* An older system says it by a read. */
    _Alignas(ADB_READ_ALIGNMENT) char block[ADB_READ_ALIGNMENT];
    return pread(fd, block, sizeof block, 0) >= 0;
}

/* Reads whole blocks, to aligned memory. What is no whole block is the end of the file. */
static int
read_blocks(int fd, char *to, size_t bytes, uint64_t offset, size_t *done_out)
{
    *done_out = 0;
    while (*done_out < bytes) {
        ssize_t got = pread(fd, to + *done_out, bytes - *done_out, (off_t)(offset + *done_out));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        *done_out += (size_t)got;
        if (got == 0 || got % ADB_READ_ALIGNMENT != 0)
            break;
    }
    return 0;
}

/* Copies to the iovecs, `at` bytes behind their beginning. */
static void
scatter(const struct iovec *iov, int iov_count, size_t at, const char *from, size_t bytes)
{
    for (; iov_count > 0 && bytes > 0; iov++, iov_count--) {
        size_t part = iov->iov_len > at ? iov->iov_len - at : 0;
        if (part > bytes)
            part = bytes;
        if (part > 0)
            memcpy((char *)iov->iov_base + at, from, part);
        at = at > iov->iov_len ? at - iov->iov_len : 0;
        from += part;
        bytes -= part;
    }
}

static int
read_by_windows(int fd, const struct iovec *iov, int iov_count, uint64_t offset, size_t bytes,
                char *window, size_t window_bytes, size_t *done_out)
{
    while (*done_out < bytes) {
        uint64_t at = offset + *done_out;
        size_t skip = (size_t)(at % ADB_READ_ALIGNMENT);
        size_t want = bytes - *done_out;
        size_t got;
        if (want > window_bytes - skip)
            want = window_bytes - skip;
        size_t blocks = (skip + want + ADB_READ_ALIGNMENT - 1) / ADB_READ_ALIGNMENT;
        int os_errno = read_blocks(fd, window, blocks * ADB_READ_ALIGNMENT, at - skip, &got);
        size_t useful = got > skip ? got - skip : 0;
        if (useful > want)
            useful = want;
        scatter(iov, iov_count, *done_out, window + skip, useful);
        *done_out += useful;
        if (os_errno != 0 || useful < want)
            return os_errno;
    }
    return 0;
}

int
adb_posix_read_direct(const struct posix_file *file, const struct iovec *iov, int iov_count,
                      uint64_t offset, size_t *done_out)
{
    _Alignas(ADB_READ_ALIGNMENT) char small[SMALL_BYTES];
    size_t bytes = 0;
    for (int i = 0; i < iov_count; i++)
        bytes += iov[i].iov_len;
    *done_out = 0;
    if (iov_count == 1 && (offset | bytes | (uintptr_t)iov->iov_base) % ADB_READ_ALIGNMENT == 0)
        return read_blocks(file->fd, (char *)iov->iov_base, bytes, offset, done_out);
    if (offset % ADB_READ_ALIGNMENT + bytes <= sizeof small)
        return read_by_windows(file->fd, iov, iov_count, offset, bytes, small, sizeof small,
                               done_out);
    char *memory = (char *)adb_mem_alloc(WINDOW_BYTES + ADB_READ_ALIGNMENT);
    if (memory == NULL)
        return ENOMEM;
    char *window = memory + (-(uintptr_t)memory & (ADB_READ_ALIGNMENT - 1));
    int os_errno = read_by_windows(file->fd, iov, iov_count, offset, bytes, window, WINDOW_BYTES,
                                   done_out);
    adb_mem_free(memory);
    return os_errno;
}
