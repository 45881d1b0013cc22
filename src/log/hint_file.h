/*
 * hint_file.h: writing the hint of a data file, and reading it instead of the data file.
 *
 * A hint is never needed and never believed without proof: whatever is wrong with it, the reader
 * says where its reliable part ends, and from there on the data file can be scanned.
 *
 * Threads: each writer and reader is used by one thread at a time; they only read the data file.
 */
#ifndef ADB_LOG_HINT_FILE_H
#define ADB_LOG_HINT_FILE_H

#include "log/data_file.h"
#include "log/hint_format.h"

struct hint_writer;

/**
 * Begins the hint of a data file, under a temporary name.
 *
 * @param directory   of the data file.
 * @param header      its file, data_bytes and last_sequence; the rest follows from what is added.
 * @param writer_out  end it with adb_hint_commit() or adb_hint_abandon().
 *
 * Returns:  ARMDB_OK; ARMDB_IO, ARMDB_NO_SPACE, ARMDB_READ_ONLY, ARMDB_NO_MEMORY (nothing is left).
 */
ADB_MUST_USE armdb_err adb_hint_begin(struct adb_os *os, const char *directory,
                                      const struct hint_header *header,
                                      struct hint_writer **writer_out);

/** Adds the next record, in the order of the data file. Returns ARMDB_OK; ARMDB_IO,
 * ARMDB_NO_SPACE. */
ADB_MUST_USE armdb_err adb_hint_add(struct hint_writer *writer, const struct hint_entry *entry);

/**
 * Ends the hint: writes the rest, syncs, and gives it its name, in place of an older one. The name
 * is not synced: without it the next open scans.
 *
 * Returns:  ARMDB_OK; ARMDB_IO, ARMDB_NO_SPACE (nothing is left of it). The writer is freed.
 */
ADB_MUST_USE armdb_err adb_hint_commit(struct hint_writer *writer);

/** Ends it without a trace. The calling thread's detail record stays. NULL is allowed. */
void adb_hint_abandon(struct hint_writer *writer);

/** Removes the hint of a data file, if there is one. Returns ARMDB_OK; ARMDB_IO. */
ADB_MUST_USE armdb_err adb_hint_remove(struct adb_os *os, const char *directory, uint64_t file_id);

/* -------------------------------------------------------------------- reading */

/** Where the part of the data file ends that a hint tells of: what a scan would have found. */
struct hint_end {
    uint64_t end;       /* behind the SEAL or MARK */
    uint64_t sequence;  /* of that */
    uint64_t marked;    /* what it says is on the device */
    uint64_t marked_at; /* where it is */
    bool is_sealed;     /* it is a SEAL */
};

struct hint_reader;

/**
 * Opens the hint of a data file, if there is one and its header fits what the data file is.
 *
 * @param file        opened, its header checked.
 * @param reader_out  NULL if there is no such hint; end it with adb_hint_close().
 * @param why_not     NULL if there is none at all; else static text: why it is of no use.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY; ARMDB_IO of the data file (a hint that can't be read is of
 *           no use, and that is all).
 */
ADB_MUST_USE armdb_err adb_hint_open(struct data_file *file, const char *directory,
                                     struct hint_reader **reader_out, const char **why_not);

const struct hint_end *adb_hint_end(const struct hint_reader *reader);

enum hint_step {
    HINT_ENTRY,  /* *entry_out is the next record; what it points to holds until the next call */
    HINT_END,    /* all of them were handed out */
    HINT_DAMAGED /* the rest is of no use: scan the data file from adb_hint_resume() on */
};

enum hint_step adb_hint_next(struct hint_reader *reader, struct hint_entry *entry_out);

/** The offset in the data file behind the last record that was handed out. */
uint64_t adb_hint_resume(const struct hint_reader *reader);

/** NULL is allowed. The calling thread's detail record stays. */
void adb_hint_close(struct hint_reader *reader);

#endif
