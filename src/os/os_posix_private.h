/* os_posix_private.h: what the files of the real operating system share. */
#ifndef ADB_OS_OS_POSIX_PRIVATE_H
#define ADB_OS_OS_POSIX_PRIVATE_H

#include <sys/types.h>

#include "os/os.h"

struct posix_file {
    struct adb_file base;
    int fd;         /* owned */
    pid_t locker;   /* the process that took the lock; 0 if none did */
    bool is_direct; /* reads have to be aligned */
    char path[];    /* for error details */
};

static inline struct posix_file *
posix_file_of(struct adb_file *file)
{
    return (struct posix_file *)file;
}

/* ------------------------------------------------- past the page cache (os_direct.c) */

/** Whether the file's device takes what is aligned to ADB_READ_ALIGNMENT. */
bool adb_posix_fits_direct(int fd);

/** Reads from a file that is open for direct reading: any offset, length and address. Returns an
 * errno, 0 if there was none; *done_out counts the bytes in either case. */
int adb_posix_read_direct(const struct posix_file *file, const struct iovec *iov, int iov_count,
                          uint64_t offset, size_t *done_out);

/* ------------------------------------------------------- many at once (os_ring.c) */

/** Once in a process. */
void adb_posix_batch_init(void);

/** As in struct adb_os_ops. */
void adb_posix_read_batch(struct adb_os *os, struct adb_file_read_op *reads, uint32_t n);
bool adb_posix_has_batches(struct adb_os *os);

#endif
