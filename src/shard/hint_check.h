/*
 * hint_check.h: whether a hint says of its data file what a scan of that file says.
 *
 * Threads: each check by one thread at a time.
 */
#ifndef ADB_SHARD_HINT_CHECK_H
#define ADB_SHARD_HINT_CHECK_H

#include "shard/recover_run.h"

struct hint_check {
    struct data_file *file;   /* borrowed */
    struct hint_reader *hint; /* borrowed from `told`; NULL: there is none, or a stale one */
    struct recover_runs told; /* by the hint */
    struct recover_runs seen; /* by the scan */
    struct hint_build *build; /* owned; NULL: nothing was seen */
};

/**
 * Begins to check the hint of a data file, if it has one.
 *
 * @param is_newest  as for adb_hint_open().
 * @param hash_seed  of collections without order.
 *
 * Returns:  ARMDB_OK; ARMDB_CORRUPT: it is damaged; ARMDB_IO, ARMDB_NO_MEMORY. End it with
 *           adb_hint_check_fini() in any case.
 */
ADB_MUST_USE armdb_err adb_hint_check_begin(struct hint_check *check, struct data_file *file,
                                            const char *directory, bool is_newest,
                                            uint64_t hash_seed);

/** Takes the next record of a scan; `index` is NULL if its collection was dropped. Returns
 * ARMDB_OK; ARMDB_NO_MEMORY. */
ADB_MUST_USE armdb_err adb_hint_check_record(struct hint_check *check,
                                             const struct log_scan_record *found,
                                             const struct shard_index *index);

/**
 * Compares, after the last record.
 *
 * @param origins  collections there are now; what was dropped meanwhile is not compared.
 *
 * Returns:  ARMDB_OK; ARMDB_CORRUPT: the hint says something else; ARMDB_IO, ARMDB_NO_MEMORY.
 */
ADB_MUST_USE armdb_err adb_hint_check_end(struct hint_check *check,
                                          const struct shard_origins *origins);

/** Leaves a check that knows of no hint. */
void adb_hint_check_fini(struct hint_check *check);

#endif
