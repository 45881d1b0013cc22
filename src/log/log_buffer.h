/*
 * log_buffer.h: the write buffer of a shard: two windows of its active file, kept in memory that
 * survives the process where the system allows it.
 *
 * The memory is a file, `buffer` in the shard's directory, whose blocks are all written, mapped
 * shared: what is stored there is with the system at once. So a record counts as written as soon as
 * it is encoded, without a system call; a process that is killed leaves its newest records there,
 * and recovery puts them into the log (adb_log_buffer_salvage()). Where such memory cannot be had,
 * the windows are ordinary memory, and written means a write call for each record.
 *
 * On disk: docs/format.md. The file is made anew at each open, so that nothing of an earlier life
 * can be taken for this one's, and removed by a clean close.
 *
 * Threads: all functions under the shard's lock, or before anybody else knows the shard.
 */
#ifndef ADB_LOG_LOG_BUFFER_H
#define ADB_LOG_LOG_BUFFER_H

#include "log/data_file.h"
#include "log/log_scan.h"

enum {
    LOG_BUFFER_WINDOWS = 2,
    LOG_BUFFER_HEADER_BYTES = 64 /* in front of each window */
};

struct log_buffer {
    struct log_tail windows[LOG_BUFFER_WINDOWS];
    unsigned char *memory; /* owned: the windows and their headers */
    uint64_t memory_bytes;
    struct adb_file *file; /* owned; NULL: the memory is our own, and dies with the process */
    char boot_id[ADB_BOOT_ID_BYTES]; /* the boot in which the file was made; "" if not known */
};

/** Makes windows of `window_bytes` each, in ordinary memory. ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_log_buffer_init(struct log_buffer *buffer, uint32_t window_bytes);

/**
 * Makes windows in memory that survives the process, in place of those there are, which nobody uses
 * yet. Replaces the buffer file of an earlier life: whatever was in it must be in the log, durably.
 * If the system does not have such memory, or no space for it, the windows stay as they are.
 *
 * Returns:  ARMDB_OK (buffer->file tells whether it worked); ARMDB_IO, ARMDB_NO_MEMORY ...
 */
ADB_MUST_USE armdb_err adb_log_buffer_share(struct log_buffer *buffer, struct adb_os *os,
                                            const char *directory);

/** Frees the windows; the file stays. No reader may be left. */
void adb_log_buffer_fini(struct log_buffer *buffer);

/** Whether what is in the windows survives the process. */
static inline bool
adb_log_buffer_is_shared(const struct log_buffer *buffer)
{
    return buffer->file != NULL;
}

/** Lets a window stand for what comes at `base` of `file`. Nobody reads it any more. */
void adb_log_buffer_begin(struct log_buffer *buffer, struct log_tail *window,
                          const struct data_file *file, uint64_t base);

/**
 * Makes sure that the records in `bytes` bytes at `at` in the memory of a window, which were
 * refused, are not found by a later recovery.
 */
void adb_log_buffer_forget(struct log_buffer *buffer, unsigned char *at, size_t bytes);

/** The same of all that is in the windows, which nobody reads. */
void adb_log_buffer_wipe(struct log_buffer *buffer);

/** Records in the buffer file of a process that was killed. */
struct log_salvage {
    unsigned char *memory;     /* owned; free with adb_mem_free() */
    const unsigned char *from; /* in memory */
    uint64_t bytes;            /* 0: there are none */
    bool is_of_another_boot;   /* the machine was started anew since: nothing in it was promised */
};

/**
 * Finds the records in a shard's buffer file that follow the end of a data file, the newest of its
 * log, which has been scanned. Changes nothing.
 *
 * @param result  of the scan.
 *
 * Returns:  ARMDB_OK; ARMDB_IO, ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_log_buffer_find(struct adb_os *os, const char *directory,
                                           const struct data_file *file,
                                           const struct log_scan_result *result,
                                           struct log_salvage *salvage_out);

/**
 * Appends to the data file what adb_log_buffer_find() finds. It is not synced.
 *
 * @param result     of the scan.
 * @param bytes_out  how many bytes of records were appended at result->end; 0: none.
 *
 * Returns:  ARMDB_OK; ARMDB_IO, ARMDB_NO_SPACE, ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_log_buffer_salvage(struct adb_os *os, const char *directory,
                                              struct data_file *file,
                                              const struct log_scan_result *result,
                                              uint64_t *bytes_out);

/** A window of a buffer file that was read into memory. */
struct log_buffer_window {
    const unsigned char *bytes; /* borrowed */
    uint64_t capacity;          /* of them are there */
    uint64_t base;              /* offset in the data file that bytes[0] stands for */
};

/**
 * Reads the buffer file of a shard, for repair.
 *
 * @param memory_out  NULL if there is none, or one that cannot be ours; else free it with
 *                    adb_mem_free().
 *
 * Returns:  ARMDB_OK; ARMDB_IO, ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_log_buffer_read(struct adb_os *os, const char *directory,
                                           unsigned char **memory_out, uint64_t *bytes_out);

/**
 * Finds the header of window `number` (below LOG_BUFFER_WINDOWS) of a buffer file, which may be
 * damaged or cut short. The second window begins in the middle; if its header is not there, where
 * the first one says; if it is not there either, at the first place where a header's own size says
 * so; if there is none, in the middle after all.
 *
 * Returns:  where it is in the file, perhaps behind its end.
 */
uint64_t adb_log_buffer_header_at(const unsigned char *memory, uint64_t bytes, uint32_t number);

/** Whether there is more than zeros where a window of a buffer file has its header. */
bool adb_log_buffer_is_used(const unsigned char *memory, uint64_t bytes, uint64_t header_at);

/**
 * Looks at a window of a buffer file, which may be damaged or cut short.
 *
 * @param header_at  where it has its header: adb_log_buffer_header_at().
 * @param seed       of the data file that it may belong to: adb_log_file_seed().
 *
 * Returns:  whether there is one that belongs to that file.
 */
bool adb_log_buffer_look(const unsigned char *memory, uint64_t bytes, uint64_t header_at,
                         uint32_t seed, struct log_buffer_window *window_out);

/** Removes the buffer file, after a clean close. Whether it worked does not matter. */
void adb_log_buffer_remove(struct adb_os *os, const char *directory);

#endif
