/*
 * log_groups.h: the batches over several shards of which a scan has met one shard's part, but no
 * MARK behind it: whether they are whole can only be told by looking at all shards' logs.
 *
 * Threads: one at a time for each list.
 */
#ifndef ADB_LOG_LOG_GROUPS_H
#define ADB_LOG_LOG_GROUPS_H

#include "log/log_format.h"

/** One shard's part of a batch. */
struct log_groups_part {
    uint64_t at;       /* where its GROUP is */
    uint64_t sequence; /* of the newest record in front of it */
    uint32_t first;    /* of its participants in the list's */
    uint32_t count;    /* of them */
};

/** In the order of the log. All zero is empty. */
struct log_groups {
    struct log_groups_part *parts; /* owned */
    uint32_t count;
    uint32_t capacity;
    struct log_participant *participants; /* owned */
    uint32_t n_participants;
    uint32_t participant_capacity;
};

/** Adds one, with `count` participants that the value of its GROUP tells. ARMDB_NO_MEMORY is
 * raised. */
ADB_MUST_USE armdb_err adb_log_groups_add(struct log_groups *groups, uint64_t at, uint64_t sequence,
                                          const unsigned char *value, uint32_t count);

/** Drops those whose GROUPs lie before `offset`: they are known to be whole. */
void adb_log_groups_drop(struct log_groups *groups, uint64_t offset);

/** Frees everything, and leaves it empty. */
void adb_log_groups_fini(struct log_groups *groups);

#endif
