/*
 * log_copy.h: writing a copy, the file that takes the place of others (docs/compaction.md).
 *
 * Life: begin -> add ... -> seal -> publish; or abandon, at any time before publish has succeeded.
 *
 * Threads: one at a time.
 */
#ifndef ADB_LOG_LOG_COPY_H
#define ADB_LOG_LOG_COPY_H

#include "log/log_scan.h"

struct log_copy {
    struct adb_os *os;      /* borrowed */
    const char *directory;  /* borrowed */
    struct data_file *file; /* owned until published; NULL: nothing is under way */
    unsigned char *buffer;  /* owned: what is not written yet */
    size_t filled;          /* bytes of it */
    uint64_t end;           /* where the next record goes */
};

/**
 * Begins a copy under a temporary name.
 *
 * @param header  with is_copy and its range of sequence numbers.
 * @param from    as in adb_data_file_begin().
 * @param bytes   space for so many is reserved at once.
 *
 * Returns:  as adb_data_file_begin().
 */
ADB_MUST_USE armdb_err adb_log_copy_begin(struct log_copy *copy, struct adb_os *os,
                                          const char *directory,
                                          const struct log_file_header *header, const char *from,
                                          uint64_t bytes);

/**
 * Adds a record as it was found, with a checksum for its new place.
 *
 * @param from        the file it was found in; a value that was not handed out is read from there.
 * @param offset_out  where it is in the copy.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_SPACE, ARMDB_IO, ARMDB_CORRUPT (the value has changed since it was
 *           found), ARMDB_LIMIT (no room below 4 GiB).
 */
ADB_MUST_USE armdb_err adb_log_copy_add(struct log_copy *copy, const struct data_file *from,
                                        const struct log_scan_record *found, uint64_t *offset_out);

/** Ends the copy with its SEAL, and syncs it. Returns ARMDB_OK; ARMDB_NO_SPACE, ARMDB_IO. */
ADB_MUST_USE armdb_err adb_log_copy_seal(struct log_copy *copy);

/** Gives a sealed copy its name, durably, and hands it over. Returns as adb_data_file_publish(). */
ADB_MUST_USE armdb_err adb_log_copy_publish(struct log_copy *copy, struct data_file **file_out);

/** Removes what is there of it, and frees all. All zero is allowed. */
void adb_log_copy_abandon(struct log_copy *copy);

/** Frees all, and leaves what is there to the next open. All zero is allowed. */
void adb_log_copy_fini(struct log_copy *copy);

#endif
