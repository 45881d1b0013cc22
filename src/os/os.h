/*
 * os.h: everything the engine asks of the operating system, as one replaceable interface.
 *
 * Two implementations: os_posix.c (the real one) and tests/support/os_sim.c (files in memory with
 * seeded faults, power cuts and a clock that tests move). The engine calls only the adb_os_* and
 * adb_file_* functions below, never the system directly.
 *
 * Paths are plain C strings, passed on as they are; each names its file for error details. Every
 * function that returns armdb_err has raised its own error (base/err.h) with operation, file,
 * offset and errno. None retries a failed sync. EINTR is hidden; short transfers are continued.
 *
 * Threads: any function may be called from any thread at the same time; calls on one file too
 * (pread and pwrite do not share a position). Closing a file excludes all other calls on it.
 */
#ifndef ADB_OS_OS_H
#define ADB_OS_OS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "armdb/error.h"
#include "base/err.h"

struct adb_os;
struct adb_file;

enum { ADB_BOOT_ID_BYTES = 40 }; /* room for a boot id, its end included */

enum adb_open_how {
    ADB_OPEN_READ,       /* must exist; reading only */
    ADB_OPEN_READ_WRITE, /* must exist */
    ADB_OPEN_CREATE_NEW, /* must not exist; reading and writing; mode 0644 */
    /* must exist; reading only, from the device, past the memory in which the system keeps what was
     * read. ARMDB_UNSUPPORTED (no record) if the file system cannot. */
    ADB_OPEN_READ_DIRECT
};

/* What reads of a batch begin at, in the file and in memory, and have a multiple of: as much as any
 * device asks for, of those that files are read from directly. */
enum { ADB_READ_ALIGNMENT = 4096 };

/** One read of a batch. */
struct adb_file_read_op {
    struct adb_file *file;
    uint64_t offset; /* these three: multiples of ADB_READ_ALIGNMENT */
    void *to;
    size_t bytes; /* at least 1 */
    size_t got;   /* set; fewer at the end of the file, or if the read failed */
};

/** Called for each name in a directory ("." and ".." excepted). Not ARMDB_OK ends the listing. */
typedef armdb_err (*adb_list_fn)(void *context, const char *name, bool is_directory);

struct adb_os_ops {
    /* Opens a file. ARMDB_NOT_FOUND (no record) if it must exist and does not; ARMDB_EXISTS if it
     * must not and does. A created file's name is durable only after sync_dir of its directory. */
    armdb_err (*open)(struct adb_os *os, const char *path, enum adb_open_how how,
                      struct adb_file **file_out);
    /* Frees the handle whatever happens; an error means that written data may be lost. */
    armdb_err (*close)(struct adb_file *file);
    /* Reads up to the sum of the iov lengths from `offset`; *read_out is less only at the end of
     * the file. */
    armdb_err (*read)(struct adb_file *file, const struct iovec *iov, int iov_count,
                      uint64_t offset, size_t *read_out);
    /* Writes all bytes at `offset`. On error *written_out says how many bytes from the front are
     * known to be with the system (0 if unsure); the rest of the range has undefined content. */
    armdb_err (*write)(struct adb_file *file, const struct iovec *iov, int iov_count,
                       uint64_t offset, size_t *written_out);
    /* On return all data written before, and the file's size, are on the device. After an error
     * nothing is known about any write since the last successful sync. */
    armdb_err (*sync)(struct adb_file *file);
    /* Lets the device begin with what was written to [offset, offset + bytes), so that a sync soon
     * after has less to wait for. Promises nothing, waits for nothing, and tells no error: that is
     * left to the sync. */
    void (*start_sync)(struct adb_file *file, uint64_t offset, uint64_t bytes);
    armdb_err (*size)(struct adb_file *file, uint64_t *bytes_out);
    /* Cuts or extends (with zeros) the file, and gives back space allocated behind `bytes`. */
    armdb_err (*truncate)(struct adb_file *file, uint64_t bytes);
    /* Makes sure that writes into [offset, offset + bytes) cannot fail for lack of space; the
     * file's size stays. ARMDB_NO_SPACE if there is none. Where the file system cannot promise it:
     * ARMDB_OK and nothing is done. */
    armdb_err (*allocate)(struct adb_file *file, uint64_t offset, uint64_t bytes);
    /* Maps the first `bytes` of the file, which are written and synced, for reading and writing:
     * what is stored there is with the system at once, as if by write, whatever becomes of the
     * process. *memory_out is NULL, with ARMDB_OK, where that cannot be had, or where the file
     * system cannot promise that such a store never fails for lack of space. */
    armdb_err (*map)(struct adb_file *file, uint64_t bytes, void **memory_out);
    /* Ends a mapping; before the file is closed. */
    void (*unmap)(struct adb_file *file, void *memory, uint64_t bytes);
    /* Takes the exclusive lock that `file` stands for (flock), without waiting. ARMDB_BUSY (no
     * record) if any other open of the same path has it, in this process too. Released by close, or
     * when the process ends. */
    armdb_err (*lock)(struct adb_file *file);
    /* Atomically replaces `to`. Durable after sync_dir. */
    armdb_err (*rename)(struct adb_os *os, const char *from, const char *to);
    /* Gives the file `from` a second name, `to`, which must be free. ARMDB_UNSUPPORTED (no record)
     * if this file cannot have one there: another file system, one without such links, too many of
     * them. Durable after sync_dir of the directory of `to`. */
    armdb_err (*link)(struct adb_os *os, const char *from, const char *to);
    /* ARMDB_NOT_FOUND (no record) if there is no such file. Durable after sync_dir. */
    armdb_err (*unlink)(struct adb_os *os, const char *path);
    /* ARMDB_EXISTS (no record) if there is something of that name. Mode 0755. */
    armdb_err (*mkdir)(struct adb_os *os, const char *path);
    /* Makes all creations, renames and removals in the directory durable. */
    armdb_err (*sync_dir)(struct adb_os *os, const char *path);
    /* ARMDB_NOT_FOUND (no record) if there is no such directory. Order undefined. */
    armdb_err (*list)(struct adb_os *os, const char *path, adb_list_fn fn, void *context);
    /* The absolute path of an existing file or directory, without links, so that a change of the
     * working directory does not matter; free with adb_mem_free(). */
    armdb_err (*resolve)(struct adb_os *os, const char *path, char **absolute_out);
    /* Monotonic time, nanoseconds since some start. */
    uint64_t (*now_ns)(struct adb_os *os);
    /* The time of day: milliseconds since the epoch (1970-01-01 UTC). May be set back. */
    uint64_t (*wall_ms)(struct adb_os *os);
    /* Fills `bytes` of unpredictable bytes (predictable from the seed in the simulator). */
    armdb_err (*entropy)(struct adb_os *os, void *buffer, size_t bytes);
    /* A text that is the same until the machine is started anew; "" if there is none to be had. */
    void (*boot_id)(struct adb_os *os, char id_out[ADB_BOOT_ID_BYTES]);
    /* Number of this process, for people who look into the lock file. */
    uint32_t (*process_id)(struct adb_os *os);
    /* Reads of a batch, all under way at once. NULL: they go one after the other, by `read`. */
    void (*read_batch)(struct adb_os *os, struct adb_file_read_op *reads, uint32_t n);
    /* Whether reads of a batch are under way at once though they are direct. NULL: they are not. */
    bool (*has_batches)(struct adb_os *os);
};

/** First field of each implementation's own struct. */
struct adb_os {
    const struct adb_os_ops *ops; /* borrowed, static */
    /* Whether background work may run in threads of its own. If not, nothing happens by itself: the
     * owner of the database runs its jobs step by step (db/db_work.h). */
    bool has_threads;
    uint32_t cpu_count;    /* online CPUs, at least 1 */
    uint64_t memory_bytes; /* of the machine; 0: unknown */
};

/** First field of each implementation's file. */
struct adb_file {
    struct adb_os *os; /* borrowed, outlives the file */
};

/** The real operating system; one static instance, never freed. */
struct adb_os *adb_os_posix(void);

static inline armdb_err
adb_os_open(struct adb_os *os, const char *path, enum adb_open_how how, struct adb_file **file_out)
{
    return os->ops->open(os, path, how, file_out);
}

static inline armdb_err
adb_file_close(struct adb_file *file)
{
    return file == NULL ? ARMDB_OK : file->os->ops->close(file);
}

/** Closes a file when its end does not matter: the calling thread's detail record stays. */
static inline void
adb_file_discard(struct adb_file *file)
{
    const armdb_error_detail detail = *adb_err_detail();
    ADB_IGNORE(adb_file_close(file));
    ADB_IGNORE(adb_err_restore(&detail));
}

static inline armdb_err
adb_file_read(struct adb_file *file, const struct iovec *iov, int iov_count, uint64_t offset,
              size_t *read_out)
{
    return file->os->ops->read(file, iov, iov_count, offset, read_out);
}

/**
 * Makes many reads and waits for all. Which come first is not said. No error is raised or told: who
 * misses bytes reads them with adb_file_read(), which says why they are not there.
 *
 * @param reads  [n]; with the same result whether or not the system can do many at once.
 */
void adb_os_read_batch(struct adb_os *os, struct adb_file_read_op *reads, uint32_t n);

/** Whether adb_os_read_batch() has the reads of files that are read directly under way at once. */
static inline bool
adb_os_has_batches(struct adb_os *os)
{
    return os->ops->has_batches != NULL && os->ops->has_batches(os);
}

static inline armdb_err
adb_file_write(struct adb_file *file, const struct iovec *iov, int iov_count, uint64_t offset,
               size_t *written_out)
{
    return file->os->ops->write(file, iov, iov_count, offset, written_out);
}

static inline armdb_err
adb_file_sync(struct adb_file *file)
{
    return file->os->ops->sync(file);
}

static inline void
adb_file_start_sync(struct adb_file *file, uint64_t offset, uint64_t bytes)
{
    file->os->ops->start_sync(file, offset, bytes);
}

static inline armdb_err
adb_file_size(struct adb_file *file, uint64_t *bytes_out)
{
    return file->os->ops->size(file, bytes_out);
}

static inline armdb_err
adb_file_truncate(struct adb_file *file, uint64_t bytes)
{
    return file->os->ops->truncate(file, bytes);
}

static inline armdb_err
adb_file_allocate(struct adb_file *file, uint64_t offset, uint64_t bytes)
{
    return file->os->ops->allocate(file, offset, bytes);
}

static inline armdb_err
adb_file_map(struct adb_file *file, uint64_t bytes, void **memory_out)
{
    return file->os->ops->map(file, bytes, memory_out);
}

static inline void
adb_file_unmap(struct adb_file *file, void *memory, uint64_t bytes)
{
    file->os->ops->unmap(file, memory, bytes);
}

static inline armdb_err
adb_file_lock(struct adb_file *file)
{
    return file->os->ops->lock(file);
}

static inline armdb_err
adb_os_rename(struct adb_os *os, const char *from, const char *to)
{
    return os->ops->rename(os, from, to);
}

static inline armdb_err
adb_os_link(struct adb_os *os, const char *from, const char *to)
{
    return os->ops->link(os, from, to);
}

static inline armdb_err
adb_os_unlink(struct adb_os *os, const char *path)
{
    return os->ops->unlink(os, path);
}

static inline armdb_err
adb_os_mkdir(struct adb_os *os, const char *path)
{
    return os->ops->mkdir(os, path);
}

static inline armdb_err
adb_os_sync_dir(struct adb_os *os, const char *path)
{
    return os->ops->sync_dir(os, path);
}

static inline armdb_err
adb_os_list(struct adb_os *os, const char *path, adb_list_fn fn, void *context)
{
    return os->ops->list(os, path, fn, context);
}

static inline armdb_err
adb_os_resolve(struct adb_os *os, const char *path, char **absolute_out)
{
    return os->ops->resolve(os, path, absolute_out);
}

static inline uint64_t
adb_os_now_ns(struct adb_os *os)
{
    return os->ops->now_ns(os);
}

static inline uint64_t
adb_os_wall_ms(struct adb_os *os)
{
    return os->ops->wall_ms(os);
}

static inline armdb_err
adb_os_entropy(struct adb_os *os, void *buffer, size_t bytes)
{
    return os->ops->entropy(os, buffer, bytes);
}

static inline void
adb_os_boot_id(struct adb_os *os, char id_out[ADB_BOOT_ID_BYTES])
{
    os->ops->boot_id(os, id_out);
}

static inline uint32_t
adb_os_process_id(struct adb_os *os)
{
    return os->ops->process_id(os);
}

#endif
