/*
 * armdb/batch.h: many writes of which all are done or none, also after a crash at any moment.
 *
 *     armdb_batch *batch;
 *     armdb_batch_new(db, &batch);
 *     armdb_batch_require_value(batch, accounts, from, old_from);
 *     armdb_batch_put(batch, accounts, from, new_from, NULL);
 *     armdb_batch_put(batch, log, id, entry, NULL);
 *     armdb_err err = armdb_commit(batch, NULL, NULL);
 *     armdb_batch_free(batch);
 *
 * The operations may be of any keys and collections of one database. Conditions are about what is
 * there before the batch, whatever else is in it; all are checked, and all writes done, while no
 * other write to the same shards happens. Then the writes are done in the order in which they were
 * added: of two of the same key, the later one stays.
 *
 * Readers take no lock: one that reads several keys may see some changes of a batch and not yet the
 * others, while it is committed.
 *
 * Limits: what a batch writes to one shard must fit a data file (max_file_bytes in options.h, less
 * 5 KiB): 20 bytes + key + value for each write, rounded up to 8, and 12 with a deadline; 8 KiB
 * more for values of 512 KiB and more. It is in memory until it is freed. ARMDB_BATCH_MAX writes.
 *
 * Threads: a batch belongs to one thread at a time. Include <armdb/armdb.h>; it brings this header.
 */
#ifndef ARMDB_BATCH_H
#define ARMDB_BATCH_H

#include "armdb/error.h"
#include "armdb/options.h"
#include "armdb/types.h"

/** Most operations of a batch. */
#define ARMDB_BATCH_MAX 16777216u

/** Operations that are to be done together, made by armdb_batch_new(), ended by
 * armdb_batch_free(). */
typedef struct armdb_batch armdb_batch;

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes an empty batch.
 *
 * @param batch_out  end it with armdb_batch_free() before closing the database.
 *
 * Returns:  ARMDB_OK; ARMDB_NO_MEMORY.
 */
ARMDB_API armdb_err armdb_batch_new(armdb_db *db, armdb_batch **batch_out);

/** Ends a batch; what was not committed is forgotten. NULL is allowed. */
ARMDB_API void armdb_batch_free(armdb_batch *batch);

/** Takes all operations out. Returns ARMDB_OK. */
ARMDB_API armdb_err armdb_batch_clear(armdb_batch *batch);

/**
 * How many operations there are; the next one that is added gets that number.
 *
 * @param bytes_out  NULL; or what their writes will take in the log, at most.
 *
 * Returns:  the number; 0 for a closed handle.
 */
ARMDB_API size_t armdb_batch_count(const armdb_batch *batch, uint64_t *bytes_out);

/* --------------------------------------------------------------------- adding
 *
 * Each of these adds one operation. Key and value are copied.
 *
 * Returns:  ARMDB_OK; ARMDB_KEY_LENGTH, ARMDB_TOO_BIG, ARMDB_VALUE_LENGTH, ARMDB_CODEC;
 *           ARMDB_INVALID (a collection of another database, or wrong options); ARMDB_LIMIT,
 *           ARMDB_NO_MEMORY: the batch is as it was.
 */

/** `key` gets `value`. Of the options (NULL: none) only the deadline may be set. */
ARMDB_API armdb_err armdb_batch_put(armdb_batch *batch, armdb_collection *collection,
                                    armdb_slice key, armdb_slice value,
                                    const armdb_write_options *options);

/** The same, with the condition that the key is not there: else ARMDB_EXISTS. */
ARMDB_API armdb_err armdb_batch_insert(armdb_batch *batch, armdb_collection *collection,
                                       armdb_slice key, armdb_slice value,
                                       const armdb_write_options *options);

/** `key` is removed. Unlike armdb_delete(), no matter whether it is there. */
ARMDB_API armdb_err armdb_batch_delete(armdb_batch *batch, armdb_collection *collection,
                                       armdb_slice key);

/** A condition: `key` is there; else ARMDB_NOT_FOUND. */
ARMDB_API armdb_err armdb_batch_require_present(armdb_batch *batch, armdb_collection *collection,
                                                armdb_slice key);

/** A condition: `key` is not there; else ARMDB_EXISTS. */
ARMDB_API armdb_err armdb_batch_require_absent(armdb_batch *batch, armdb_collection *collection,
                                               armdb_slice key);

/** A condition: `key` has the value `expected`; else ARMDB_NOT_FOUND or ARMDB_CHANGED. With a put
 * of the same key it is a compare-and-swap. Cost: armdb_commit() reads the value, unless it is of
 * another length or kept in the index. */
ARMDB_API armdb_err armdb_batch_require_value(armdb_batch *batch, armdb_collection *collection,
                                              armdb_slice key, armdb_slice expected);

/* ------------------------------------------------------------------ committing */

/**
 * Checks all conditions of a batch and does all its writes; or nothing. The batch stays as it is,
 * and can be committed again.
 *
 * @param options      durability and ticket, as for armdb_put(): one ticket for all; no deadline.
 * @param refused_out  NULL; or set to the number of the operation whose condition was not met, or
 *                     whose collection was dropped; SIZE_MAX if there is none.
 *
 * Returns:  ARMDB_OK; ARMDB_NOT_FOUND, ARMDB_EXISTS, ARMDB_CHANGED (a condition);
 *           ARMDB_NO_COLLECTION; ARMDB_LIMIT (too much for one shard; 16384 data files);
 *           ARMDB_INVALID; ARMDB_NO_SPACE, ARMDB_NO_MEMORY, ARMDB_CORRUPT (of a value that was to
 *           be compared): nothing was changed. ARMDB_IO: the log of one shard is in doubt, so all
 *           shards of the batch refuse writes; the next open finds all of the batch or nothing; or,
 *           at `synced`, as for armdb_put(): it is done, but not known to be on the device.
 *           ARMDB_FAILED: a shard refuses writes since an earlier failure; or the batch was
 *           written, and its shards refuse writes now: the detail says so.
 * Durable:  as armdb_put(): at `synced` on return, or when its ticket says so, all of it. A batch
 *           over several shards at `buffered` is `written`.
 * Threads:  any; takes the locks of the shards concerned.
 * Cost:     as single puts, and one record of 56 bytes and more for each shard; a sync, if asked
 *           for, for each shard. The next sync of a shard concerned is one of all of them.
 * Source:   docs/batches.md, docs/recovery.md.
 */
ARMDB_API armdb_err armdb_commit(armdb_batch *batch, const armdb_write_options *options,
                                 size_t *refused_out);

#ifdef __cplusplus
}
#endif

#endif
