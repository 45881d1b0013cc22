/*
 * db_group.h: groups: reads and writes of keys of one shard, under its lock, all done or none.
 *
 * A group gathers its writes in a batch. What it reads it looks for there first, and then in the
 * index. Its commit is that of a batch of one shard, whose operations are gathered under the lock.
 * Called by src/api; error returns are those of <armdb/group.h>.
 *
 * Threads: a group belongs to the thread that runs it.
 */
#ifndef ADB_DB_DB_GROUP_H
#define ADB_DB_DB_GROUP_H

#include "db/db.h"
#include "shard/shard.h"

struct group;

/** Whether the calling thread is in the callback of a group, and so has the lock of a shard: it
 * must not wait for one then. Read from what the loader keeps for it: no call is made. */
extern _Thread_local bool adb_is_in_group __attribute__((tls_model("initial-exec")));

/** What to run, and where. */
struct group_call {
    struct collection *collection;
    armdb_slice key; /* says which shard */
    armdb_err (*fn)(void *context, struct group *group);
    void *context;
};

ADB_MUST_USE armdb_err adb_db_group_run(const struct group_call *call,
                                        const armdb_write_options *options);

/* --------------------------------------------------------------------- inside fn */

ADB_MUST_USE armdb_err adb_db_group_get(struct group *group, struct collection *collection,
                                        armdb_read *read);
ADB_MUST_USE armdb_err adb_db_group_get_value(struct group *group, struct collection *collection,
                                              armdb_slice key, armdb_value *value_out);
ADB_MUST_USE armdb_err adb_db_group_contains(struct group *group, struct collection *collection,
                                             armdb_slice key, bool *found_out);

/** `verb`: SHARD_PUT, SHARD_INSERT, SHARD_DELETE. */
ADB_MUST_USE armdb_err adb_db_group_write(struct group *group, struct collection *collection,
                                          enum shard_verb verb, armdb_slice key, armdb_slice value,
                                          const armdb_write_options *options);
ADB_MUST_USE armdb_err adb_db_group_add(struct group *group, struct collection *collection,
                                        armdb_slice key, int64_t delta, int64_t *sum_out);

#endif
