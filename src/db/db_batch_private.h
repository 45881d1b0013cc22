/* db_batch_private.h: what a batch is made of: for batches, and for groups, which gather theirs
 * under the lock of a shard. */
#ifndef ADB_DB_DB_BATCH_PRIVATE_H
#define ADB_DB_DB_BATCH_PRIVATE_H

#include "db/db_batch.h"
#include "db/db_private.h"

/* The operations of one shard. */
struct batch_shard {
    uint32_t first; /* UINT32_MAX: none */
    uint32_t last;
    uint32_t n_writes;
    uint64_t bytes; /* of their records, at most */
};

struct batch {
    struct db *db;              /* borrowed */
    struct shard_batch_op *ops; /* owned; the objects of their writes are counted */
    uint32_t count;
    uint32_t capacity;
    uint64_t bytes;
    struct batch_block *blocks; /* owned: copies of keys and values */
    struct batch_shard *shards; /* owned: of all shards */
};

/** Takes a write out again; it keeps its number. */
void adb_batch_withdraw(struct batch *batch, uint32_t number);

/** What the batch does in one shard, if a data file of it has room for that: else ARMDB_LIMIT,
 * raised. */
ADB_MUST_USE armdb_err adb_batch_part(const struct batch *batch, uint32_t shard,
                                      struct shard_batch_part *part_out);

/** What a commit has a ticket for, if it is to give one. */
struct batch_ticket {
    uint64_t sequence; /* 0: for nothing */
    uint32_t part;     /* of struct shard_batch */
};

/** Checks the options of a commit, and sets durability and ticket of its work. `ticket_out` is
 * borrowed by that. */
ADB_MUST_USE armdb_err adb_batch_settle(const struct db *db, const armdb_write_options *options,
                                        struct shard_batch *work, struct batch_ticket *ticket_out);

#endif
