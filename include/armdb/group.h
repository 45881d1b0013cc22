/*
 * armdb/group.h: reads and writes of keys of one shard, with no other write to that shard in
 * between; all of the writes are done or none, also after a crash at any moment.
 *
 *     static armdb_err
 *     transfer(void *context, armdb_group *group)
 *     {
 *         struct transfer *t = context;
 *         int64_t left;
 *         armdb_err err = armdb_group_add(group, t->accounts, t->from, -t->amount, &left);
 *         if (err == ARMDB_OK && left < 0)
 *             return ARMDB_OVERFLOW;      // nothing is changed
 *         return err != ARMDB_OK ? err
 *                                : armdb_group_add(group, t->accounts, t->to, t->amount, NULL);
 *     }
 *     err = armdb_group_run(accounts, from, transfer, &t, NULL);
 *
 * A group reads what it has written. Collections of one database may be mixed; all keys must belong
 * to the same shard. shard_prefix_bits (options.h) keeps keys that begin alike on one shard; the
 * collection makes no difference: a key is on the same shard in all. For keys of several shards
 * there are batches (batch.h), whose conditions are fixed before.
 *
 * Readers take no lock, and see the changes of a group one after the other while it is committed.
 *
 * The callback runs under the lock of the shard: all writers of the shard wait for it. Keep it
 * short. A value that no cache has is read from the device meanwhile. In it,
 *   - armdb_get(), armdb_contains(), cursors and whatever else only reads may be called, and see
 *     nothing of what the group has written;
 *   - all else on any database (writes, other groups, flush, sync, calls on an armdb_db) returns
 *     ARMDB_INVALID; armdb_watch_close() must not be called;
 *   - it must return: no longjmp(), no exception. Do not wait for another thread that writes.
 *
 * Limits: as for what a batch writes to one shard. Of several writes of a key in a group the last
 * one counts, and is the only one that is stored and told to hooks and watches.
 *
 * Threads: any, for armdb_group_run(); the others in the thread and within the call of the callback
 * that got the group. Include <armdb/armdb.h>; it brings this header.
 */
#ifndef ARMDB_GROUP_H
#define ARMDB_GROUP_H

#include <stdbool.h>

#include "armdb/error.h"
#include "armdb/options.h"
#include "armdb/types.h"

/** Reads and writes that are made together. Handed to a callback, and closed when that returns. */
typedef struct armdb_group armdb_group;

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a group does. It may be called several times by one armdb_group_run(), if the shard had to
 * go on in a new file in between: then nothing of the call before counts.
 *
 * Returns:  ARMDB_OK: what was written is done; anything else: nothing is, and armdb_group_run()
 *           returns it as it is.
 */
typedef armdb_err (*armdb_group_fn)(void *context, armdb_group *group);

/**
 * Runs a group on the shard that `key` belongs to in any collection of the database.
 *
 * @param key      chooses the shard; as long as keys of `collection` are. It need not be there.
 * @param fn       called under the lock of the shard.
 * @param options  durability and ticket, as for armdb_put(); no deadline. NULL: the default.
 *
 * Returns:  ARMDB_OK; what `fn` returned; ARMDB_KEY_LENGTH; ARMDB_INVALID (wrong options, or the
 *           calling thread is in a group); ARMDB_NO_COLLECTION (one of those written to);
 *           ARMDB_LIMIT (more than a data file holds; 16384 data files); ARMDB_NO_SPACE,
 *           ARMDB_NO_MEMORY: nothing was changed. ARMDB_IO: the shard refuses writes, and the next
 *           open finds all of the group or nothing; or, at `synced`, as for armdb_put(): it is
 *           done, but not known to be on the device. ARMDB_FAILED: the shard refuses writes since
 *           an earlier failure, and `fn` was not called; or the group was written, and the shard
 *           refuses writes now, until the database is opened anew: the detail says so.
 * Durable:  as armdb_put(), all of it.
 * Threads:  any; takes the lock of the shard. Hooks are told behind it.
 * Cost:     as the writes one by one, and one record of 56 bytes more; some allocations.
 * Source:   docs/batches.md.
 */
ARMDB_API armdb_err armdb_group_run(armdb_collection *collection, armdb_slice key,
                                    armdb_group_fn fn, void *context,
                                    const armdb_write_options *options);

/* --------------------------------------------------------------------- in the callback
 *
 * As the functions for single keys (armdb.h), but for what is said here. Key and value are copied.
 *
 * Returns:  as those; ARMDB_INVALID (a key of another shard: the detail names both; a collection of
 *           another database; wrong options); ARMDB_LIMIT (ARMDB_BATCH_MAX writes),
 *           ARMDB_NO_MEMORY: the group is as it was. An error does not end the group: return it, or
 *           go on.
 */

/** As armdb_get(). */
ARMDB_API armdb_err armdb_group_get(armdb_group *group, armdb_collection *collection,
                                    armdb_slice key, void *buffer, size_t capacity,
                                    size_t *len_out);

/** As armdb_get_value(): `*value_out` outlives the group. */
ARMDB_API armdb_err armdb_group_get_value(armdb_group *group, armdb_collection *collection,
                                          armdb_slice key, armdb_value *value_out);

/** As armdb_contains(). */
ARMDB_API armdb_err armdb_group_contains(armdb_group *group, armdb_collection *collection,
                                         armdb_slice key, bool *found_out);

/** As armdb_put(). Of the options (NULL: none) only the deadline may be set. A codec is called
 * under the lock. */
ARMDB_API armdb_err armdb_group_put(armdb_group *group, armdb_collection *collection,
                                    armdb_slice key, armdb_slice value,
                                    const armdb_write_options *options);

/** As armdb_insert(): ARMDB_EXISTS if the key is there, or the group has put it. Options as for
 * armdb_group_put(). */
ARMDB_API armdb_err armdb_group_insert(armdb_group *group, armdb_collection *collection,
                                       armdb_slice key, armdb_slice value,
                                       const armdb_write_options *options);

/** As armdb_delete(): ARMDB_NOT_FOUND if the key is not there, or the group has deleted it. */
ARMDB_API armdb_err armdb_group_delete(armdb_group *group, armdb_collection *collection,
                                       armdb_slice key);

/** As armdb_add(); the deadline that the key has stays. `sum_out` may be NULL. */
ARMDB_API armdb_err armdb_group_add(armdb_group *group, armdb_collection *collection,
                                    armdb_slice key, int64_t delta, int64_t *sum_out);

#ifdef __cplusplus
}
#endif

#endif
