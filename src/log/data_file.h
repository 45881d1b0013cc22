/*
 * data_file.h: one append-only file of records, and reading from it while it grows.
 *
 * A file is born under a temporary name, with its header synced before it gets its own, so that a
 * data file with a short or bad header is always damage, never a crash.
 *
 * The bytes of the active file behind `written` are only in memory, in its tail: a window of the
 * file, filled by the log writer (log_writer.h). Readers of both kinds of bytes take no lock:
 *   1. bytes before `written` are read from the file;
 *   2. else they are copied from the tail, if that still covers them;
 *   3. else the tail has moved on, which it does only after storing a larger `written`: look again.
 * Readers are inside an RCU scope; a file is freed only after adb_rcu_wait(). A reader pins the
 * tail while it copies from it, and a window is filled anew only when nobody has it pinned: to wait
 * for scopes would take as long as the longest read of the device.
 */
#ifndef ADB_LOG_DATA_FILE_H
#define ADB_LOG_DATA_FILE_H

#include <stdatomic.h>

#include "armdb/options.h"
#include "base/counter.h"
#include "log/deadlines.h"
#include "log/log_format.h"
#include "os/os.h"
#include "os/thread.h"

/** A window [base, base + capacity) of the file being written. */
struct log_tail {
    uint64_t base;           /* file offset of bytes[0]; immutable while published */
    uint32_t capacity;       /* immutable */
    unsigned char *bytes;    /* borrowed from the log buffer; filled under the shard's lock; what is
                           * published is immutable */
    struct adb_counter pins; /* readers that copy from it, or are about to look whether they may;
                              * of no stripe more go than have come */
};

struct data_file;

/** What a source has read. */
struct data_file_got {
    size_t bytes;   /* fewer than were asked for only at the end of the file */
    uint32_t reads; /* system calls made */
    bool is_right;  /* somebody has checked these very bytes */
    void *place;    /* for the source, where that is to be noted; NULL: nowhere */
    uint64_t word;  /* the same */
};

/** How records are read. */
struct data_file_source {
    /* Borrowed; stored by anybody, relaxed: whether sealed files are read past the memory in which
     * the system keeps what was read. NULL: they are not. */
    const _Atomic(bool) *is_direct;
    /* How small ones are read, where not by a system call each: through a cache. NULL: there is
     * none. Reads `bytes` at `offset`. */
    armdb_err (*read)(void *context, struct data_file *file, uint64_t offset, size_t bytes,
                      void *to, struct data_file_got *got_out);
    /* A record that was read as a whole is right. */
    void (*note_right)(const struct data_file_got *got);
    /* What was read there was wrong: it is not to be handed out again without reading the file. */
    void (*forget)(void *context, struct data_file *file, uint64_t offset, size_t bytes);
    void *context; /* borrowed */
};

struct log_groups;

struct data_file {
    /* immutable after open */
    struct adb_file *file; /* owned */
    char *path;            /* owned */
    struct log_file_header header;
    uint32_t seed;                         /* adb_log_file_seed() */
    uint32_t slot;                         /* in the shard's table of files */
    const struct data_file_source *source; /* borrowed; NULL: plain system calls */
    armdb_verify_reads verify_reads;       /* 0: always */

    /* guarded by the shard's lock */
    struct log_groups *groups; /* borrowed, while the file is recovered: where a scan lists the
                                * batches that concern other shards too; else NULL */
    uint64_t end;              /* where the next record goes */
    uint64_t allocated;        /* writes before this offset cannot fail for lack of space */
    uint64_t prewritten;       /* zeros were written up to here: a sync there changes no metadata */
    uint64_t marked;    /* the newest MARK says that everything before this offset is synced */
    uint64_t marked_at; /* where that MARK is */
    bool is_sealed;     /* its last record is a SEAL: nothing is appended any more */
    /* Of a copy that was made since the database was opened, the newest sequence number when it was
     * begun: it holds no value that a record up to that number has replaced. Else the base. */
    uint64_t as_of;
    uint64_t hint_bytes;            /* its hint tells of so many of its bytes; 0: it has none */
    bool is_unfit;                  /* for compaction: damage was found in it */
    struct deadlines deadlines;     /* of its values */
    bool is_moving;                 /* compaction moves keys from it, or to it */
    bool is_retired;                /* no location names it any more */
    struct data_file *next_retired; /* of the shard's list */

    /* atomic: stored under the shard's lock, loaded by readers */
    _Atomic(uint64_t) written;       /* bytes before it are with the system */
    _Atomic(struct log_tail *) tail; /* NULL once sealed; borrowed from the log writer */
    /* atomic: stored by the first reader that needs it. Owned: the file once more, open for reading
     * directly; or `file`, if that cannot be. NULL: nobody has tried. */
    _Atomic(struct adb_file *) direct;
    /* atomic: stored by whoever synced, loaded under the shard's lock */
    _Atomic(uint64_t) synced; /* bytes before it are on the device */
    /* relaxed counters, stored under the shard's lock or while the shard is opened */
    _Atomic(uint64_t) dead_bytes;      /* of values that no key refers to */
    _Atomic(uint64_t) tombstone_bytes; /* of tombstones */
    _Atomic(uint64_t) group_bytes;     /* of GROUPs */
    _Atomic(uint32_t) pins;            /* syncs under way; raised under the shard's lock */

    /* Held while the file is synced: the kernel tells a failure to one caller only, so the next one
     * must wait and be told of it here. */
    struct adb_mutex sync_lock;
    /* guarded by sync_lock */
    bool is_sync_failed; /* never synced again */
    int sync_errno;      /* of the failure */
};

/**
 * Creates a data file in `directory`, with its header on the device and its name durable.
 *
 * @param file_out  end it with adb_data_file_close().
 *
 * Returns:  ARMDB_OK; ARMDB_IO, ARMDB_NO_SPACE, ARMDB_READ_ONLY, ARMDB_NO_MEMORY (nothing is left).
 */
ADB_MUST_USE armdb_err adb_data_file_create(struct adb_os *os, const char *directory,
                                            const struct log_file_header *header,
                                            struct data_file **file_out);

/**
 * Makes a data file under a temporary name, with its header, for those who fill it before it gets
 * its own.
 *
 * @param from      NULL; or a file of that directory that becomes it, with the space that it has.
 *                  It is gone if this fails.
 * @param file_out  end it with adb_data_file_publish() and adb_data_file_close(), or with
 *                  adb_data_file_abandon().
 *
 * Returns:  as adb_data_file_create().
 */
ADB_MUST_USE armdb_err adb_data_file_begin(struct adb_os *os, const char *directory,
                                           const struct log_file_header *header, const char *from,
                                           struct data_file **file_out);

/**
 * Reserves `bytes` more behind what is reserved, or written, of a file that is being filled.
 *
 * Returns:  ARMDB_OK, too where the file system can't promise it; ARMDB_NO_SPACE.
 */
ADB_MUST_USE armdb_err adb_data_file_reserve(struct data_file *file, uint64_t bytes);

/** Syncs such a file and gives it its name, durably. After an error it has one name or the other:
 * abandon it. Returns as adb_data_file_create(). */
ADB_MUST_USE armdb_err adb_data_file_publish(struct adb_os *os, const char *directory,
                                             struct data_file *file);

/** Removes such a file, whichever name it has, and frees it. The calling thread's detail record
 * stays. NULL is allowed. */
void adb_data_file_abandon(struct adb_os *os, const char *directory, struct data_file *file);

/** Says that a file that nobody knows yet was filled with `bytes` bytes, synced, the last of them a
 * SEAL. */
void adb_data_file_set_sealed(struct data_file *file, uint64_t bytes);

/**
 * Opens a data file and checks its header.
 *
 * @param expected  database id, shard and file id that the header must carry; its base_sequence is
 *                  not looked at.
 * @param how       ADB_OPEN_READ_WRITE, or ADB_OPEN_READ to look only.
 *
 * Returns:  ARMDB_OK (`end` and `written` are the file's size: recovery cuts them); ARMDB_CORRUPT
 *           (short file, bad header, a file of another database or place); ARMDB_FORMAT; ARMDB_IO,
 *           ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_data_file_open(struct adb_os *os, const char *directory,
                                          const struct log_file_header *expected,
                                          enum adb_open_how how, struct data_file **file_out);

/**
 * Keeps the tail as it is; pair it with adb_log_tail_unpin(), soon: a writer may wait.
 *
 * Returns:  the tail; NULL if the file has none.
 * Threads:  any, inside an RCU scope.
 */
struct log_tail *adb_log_tail_pin(const struct data_file *file);

/** Lets go of a tail. NULL is allowed. */
void adb_log_tail_unpin(struct log_tail *tail);

/** Lets `file` have this tail, or none. Under the shard's lock. */
void adb_log_tail_publish(struct data_file *file, struct log_tail *tail);

/** Waits until nobody copies from a window that no file has any more. Under the shard's lock. */
void adb_log_tail_wait(const struct log_tail *tail);

/** Frees the file. Returns the error of closing it. NULL is allowed. No reader may be left. */
armdb_err adb_data_file_close(struct data_file *file);

/** The same where its error does not matter: the calling thread's detail record stays. */
void adb_data_file_discard(struct data_file *file);

/**
 * What values are read from: the file as it is open for writing, or, once it is sealed and if its
 * source says so, directly.
 *
 * Threads: any, inside an RCU scope.
 */
struct adb_file *adb_data_file_reader(struct data_file *file);

/** What a read has found, beside the value. */
struct data_file_reading {
    uint32_t reads;       /* system calls made */
    uint64_t deadline_ms; /* of the record; 0: it has none */
};

/**
 * Copies the value of a record, and checks the record if it comes from the file: its checksum as
 * file->verify_reads says, its key and lengths always.
 *
 * @param location  whose offset, length and deadline bit count.
 * @param key       what the record must hold.
 * @param to        room for adb_location_value_len(location) bytes.
 *
 * Returns:  ARMDB_OK; ARMDB_CORRUPT (bad checksum, or another record than expected), ARMDB_IO.
 * Threads:  any, inside an RCU scope.
 */
ADB_MUST_USE armdb_err adb_data_file_read_value(struct data_file *file, uint64_t location,
                                                armdb_slice key, void *to,
                                                struct data_file_reading *reading_out);

/**
 * The same for the deadline alone, of a record that has one: of a large record only the front is
 * read.
 */
ADB_MUST_USE armdb_err adb_data_file_read_deadline(struct data_file *file, uint64_t location,
                                                   armdb_slice key,
                                                   struct data_file_reading *reading_out);

#endif
