/*
 * hint_file.h: writing the hint of a data file, and reading it instead of the data file.
 *
 * A hint is never needed, and never believed without proof: it must name the data file and an end
 * of it that is there, and each of its chunks must be whole.
 *
 * Threads: a writer is used by one thread at a time; chunks of a reader may be read by any.
 */
#ifndef ADB_LOG_HINT_FILE_H
#define ADB_LOG_HINT_FILE_H

#include "log/data_file.h"
#include "log/hint_format.h"
#include "log/log_scan.h"

struct hint_writer;

/**
 * Begins the hint of a data file, under a temporary name.
 *
 * @param header      its file and data_bytes; the rest is for adb_hint_commit() to know.
 * @param writer_out  end it with adb_hint_commit() or adb_hint_abandon().
 *
 * Returns:  ARMDB_OK; ARMDB_IO, ARMDB_NO_SPACE, ARMDB_READ_ONLY, ARMDB_NO_MEMORY (nothing is left).
 */
ADB_MUST_USE armdb_err adb_hint_begin(struct adb_os *os, const char *directory,
                                      const struct hint_header *header,
                                      struct hint_writer **writer_out);

/** Writes the next chunk. Returns ARMDB_OK; ARMDB_IO, ARMDB_NO_SPACE. */
ADB_MUST_USE armdb_err adb_hint_write(struct hint_writer *writer, struct hint_chunk *chunk);

/**
 * Ends the hint: syncs it, and gives it its name, in place of an older one. The name is not synced:
 * without it the next open scans.
 *
 * @param header  all of it, file and data_bytes as before.
 *
 * Returns:  ARMDB_OK; ARMDB_IO, ARMDB_NO_SPACE (nothing is left of it). The writer is freed.
 */
ADB_MUST_USE armdb_err adb_hint_commit(struct hint_writer *writer,
                                       const struct hint_header *header);

/** Ends it without a trace. The calling thread's detail record stays. NULL is allowed. */
void adb_hint_abandon(struct hint_writer *writer);

/** Removes the hint of a data file, if there is one. What can't be removed is left. The calling
 * thread's detail record stays. */
void adb_hint_remove(struct adb_os *os, const char *directory, uint64_t file_id);

/* -------------------------------------------------------------------- reading */

struct hint_reader;

/** Why a hint is of no use that was right once: the data file has changed since, or hints have. */
extern const char adb_hint_is_stale[];

/**
 * Opens the hint of a data file, if there is one that fits what the data file is, and reads all of
 * it.
 *
 * @param file        opened, its header checked.
 * @param is_newest   whether the data file may go on behind what the hint tells of; else that must
 *                    be all, and end in a SEAL.
 * @param reader_out  NULL if there is no such hint; end it with adb_hint_close().
 * @param why_not     NULL if there is none at all; else static text: why it is of no use.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY, ARMDB_IO, ARMDB_READ_ONLY.
 */
ADB_MUST_USE armdb_err adb_hint_open(struct data_file *file, const char *directory, bool is_newest,
                                     struct hint_reader **reader_out, const char **why_not);

const struct hint_header *adb_hint_header(const struct hint_reader *reader);

/** What a scan of the data file would have found up to the end of what the hint tells of; but for
 * the size of the file. */
void adb_hint_get_end(const struct hint_reader *reader, struct log_scan_result *result_out);

/** Chunks in which segments begin, in order; `n_out` of them. */
const uint32_t *adb_hint_segments(const struct hint_reader *reader, uint32_t *n_out);

/**
 * Reads a chunk, HINT_CHUNK_BYTES.
 *
 * Returns:  ARMDB_OK; ARMDB_IO; ARMDB_CORRUPT: it is not what it was.
 */
ADB_MUST_USE armdb_err adb_hint_read(const struct hint_reader *reader, uint32_t number,
                                     unsigned char *to);

/** The path of the hint; borrowed. */
const char *adb_hint_path(const struct hint_reader *reader);

/** NULL is allowed. The calling thread's detail record stays. */
void adb_hint_close(struct hint_reader *reader);

#endif
