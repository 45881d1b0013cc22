/*
 * shard_batch.h: many writes, to one shard or several, of which all are done or none, also after a
 * crash at any moment.
 *
 * All shards that take part are locked, in ascending order, from the check of the conditions until
 * readers see the last change. Each gets its part behind a GROUP (docs/format.md); what happens to
 * the parts in a crash is in docs/recovery.md, "Batches".
 *
 * Threads: any.
 */
#ifndef ADB_SHARD_SHARD_BATCH_H
#define ADB_SHARD_SHARD_BATCH_H

#include "shard/shard_bond.h"
#include "shard/shard_object.h"

/** What must be so before the batch, whatever else is in it. */
enum shard_condition {
    SHARD_ALWAYS,
    SHARD_ABSENT,  /* the key is not there */
    SHARD_PRESENT, /* it is, with whatever value */
    SHARD_VALUE    /* it is, with the value `expected` */
};

/** One operation of a batch. */
struct shard_batch_op {
    struct shard_write write; /* SHARD_PUT; SHARD_DELETE, also of a key that is not there; its
                               * durability and ticket are not looked at */
    bool is_write;            /* else only the condition counts */
    enum shard_condition condition;
    armdb_slice expected;           /* borrowed */
    struct shard_place expected_at; /* set by who has read that value: where; zero: not read yet */
    uint32_t next;                  /* of the same shard; UINT32_MAX: none */
    uint64_t offset;                /* inside */
};

/** What a batch does in one shard. */
struct shard_batch_part {
    struct shard *shard; /* borrowed */
    uint32_t first;      /* operation; at least one */
    uint32_t n_writes;   /* of the operations */
    uint64_t bytes;      /* of their records, at most: adb_log_part_bytes_most() */
    uint64_t at, before; /* inside: of the GROUP; the newest record in front of it */
    bool is_begun;       /* the same */
    bool is_to_be_told;  /* the same: somebody listens to one of its writes */
};

struct shard_batch {
    struct shard_batch_op *ops;     /* borrowed; [n_ops] */
    struct shard_batch_part *parts; /* borrowed; [n_parts]: ascending shards of one database */
    uint32_t n_parts;
    armdb_durability durability; /* not the default */
    uint64_t *ticket_out; /* as in struct shard_write: of the shard of *ticket_part_out; that one
                           * vouches for all */
    uint32_t *ticket_part_out;
    /* NULL; or what fills in the operations and the parts, which name their shards already: called
     * first under the locks, and again if these were left meanwhile. Any error of it is returned,
     * and nothing was changed. */
    armdb_err (*gather)(void *context);
    void *gather_context;
    uint32_t refused; /* set: the operation whose condition was not met, or whose value has to be
                       * read; UINT32_MAX: none */
};

/** The longest part that a shard takes, in the sum of adb_log_part_bytes_most(). */
uint64_t adb_shard_part_bytes_max(const struct shard *shard);

/**
 * Does all writes of a batch, or none.
 *
 * Returns:  ARMDB_OK; what `gather` returned; ARMDB_NOT_FOUND, ARMDB_EXISTS, ARMDB_CHANGED (a
 *           condition was not met: `refused`); ARMDB_BUSY, not raised (the value for a SHARD_VALUE
 *           must be read, and expected_at set; if that names it already, it has moved);
 *           ARMDB_NO_SPACE, ARMDB_NO_MEMORY: nothing was changed; ARMDB_IO: it may be found after
 *           the next open, or not, and the shards refuse writes; or it is done, but not known to be
 *           on the device; ARMDB_FAILED.
 */
ADB_MUST_USE armdb_err adb_shard_write_batch(struct shard_batch *batch);

#endif
