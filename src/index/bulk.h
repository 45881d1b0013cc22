/*
 * bulk.h: building indexes from a log, much faster than record by record.
 *
 * Changes come in the order of the log, of any keys of any indexes. They are collected, sorted by
 * key, and brought into the indexes run by run: neighbours in an index then share the waits for its
 * memory. Of one key the last change wins, as if all had been made one after the other. A run may
 * use a part of the memory that the indexes have by then.
 *
 * Threads: each by one thread at a time. Several may work on the same indexes, with different keys.
 */
#ifndef ADB_INDEX_BULK_H
#define ADB_INDEX_BULK_H

#include "index/index.h"

struct adb_bulk;

struct adb_bulk_config {
    struct adb_pages *pages; /* of the indexes; borrowed */
    struct adb_spare *spare; /* borrowed */
    uint32_t n_workers;      /* so many share the memory that may be used */
    /* Told of each location that an index had, or would have had, and has no longer. */
    adb_index_fn on_replaced;
    void *context;
};

/** Returns ARMDB_OK; ARMDB_NO_MEMORY (raised). End it with adb_bulk_free(). */
ADB_MUST_USE armdb_err adb_bulk_new(const struct adb_bulk_config *config,
                                    struct adb_bulk **bulk_out);

/**
 * Puts or removes a key, now or when adb_bulk_flush() is called.
 *
 * @param group     a number up to ADB_KEY_SORT_GROUP_MAX, another for each index.
 * @param location  0: remove.
 * @param value     as for adb_index_put(), copied; NULL to remove.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY (raised: some changes are made, some are lost).
 */
ADB_MUST_USE armdb_err adb_bulk_put(struct adb_bulk *bulk, uint32_t group, struct adb_index *index,
                                    armdb_slice key, uint64_t location, const void *value);

/** Makes all changes that are still to be made. Returns as adb_bulk_put(). */
ADB_MUST_USE armdb_err adb_bulk_flush(struct adb_bulk *bulk);

/** Changes that were not flushed are lost. NULL is allowed. */
void adb_bulk_free(struct adb_bulk *bulk);

#endif
