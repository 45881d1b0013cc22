/*
 * compact_batch.h: records that a pass of compaction has met, looked up in the index together, so
 * that they wait for memory together: it is what a pass takes most of its time for.
 *
 * Threads: one at a time.
 */
#ifndef ADB_SHARD_COMPACT_BATCH_H
#define ADB_SHARD_COMPACT_BATCH_H

#include "shard/shard_private.h"

enum { COMPACT_BATCH = 32 };

struct compact_batch {
    unsigned char *room; /* owned: bytes of the records */
    size_t used;
    uint32_t n;
    struct shard_index *index; /* of all of them */
    struct log_scan_record found[COMPACT_BATCH];
    armdb_slice keys[COMPACT_BATCH];
    uint64_t locations[COMPACT_BATCH]; /* after adb_batch_look(): of the keys now, 0: none */
};

/** An empty batch; end it with adb_batch_fini(). ARMDB_NO_MEMORY is raised. */
ADB_MUST_USE armdb_err adb_batch_init(struct compact_batch *batch);
void adb_batch_fini(struct compact_batch *batch);

/**
 * Adds a copy of a record, of its value too if `with_value`.
 *
 * Returns:  whether there was room: if not, empty the batch first. A record that does not fit into
 *           an empty one is added as it is: it must be out before the caller's is gone.
 */
bool adb_batch_add(struct compact_batch *batch, struct shard_index *index,
                   const struct log_scan_record *found, bool with_value);

/** Whether what was added last must be looked up now. */
bool adb_batch_is_urgent(const struct compact_batch *batch);

/** Adds a record as above, after emptying the batch by `fn` if it is full; and empties it if what
 * was added must be looked up now. Returns ARMDB_OK; what `fn` returned. */
ADB_MUST_USE armdb_err adb_batch_take(struct compact_batch *batch, struct shard_index *index,
                                      const struct log_scan_record *found, bool with_value,
                                      armdb_err (*fn)(void *context), void *context);

/** Looks all keys up. Inside an RCU scope. Returns false if the collection was dropped. */
bool adb_batch_look(struct compact_batch *batch);

/** Forgets all records. */
void adb_batch_clear(struct compact_batch *batch);

#endif
