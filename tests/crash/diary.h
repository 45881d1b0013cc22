/*
 * diary.h: a process whose threads write, and an outside record of what it was promised.
 *
 * Each thread writes keys of its own, and enters each operation in memory that it shares with the
 * parent, before the call and after it was acknowledged. When the process is gone, the parent opens
 * the database and demands for each thread and shard that what is there is the work of the first so
 * many operations, with all those promised among them.
 */
#ifndef TEST_CRASH_DIARY_H
#define TEST_CRASH_DIARY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "armdb/armdb.h"
#include "sim/contract.h"

enum {
    DIARY_THREADS_MAX = 3,
    DIARY_KEYS = 60,          /* of each thread */
    DIARY_OPERATIONS = 20000, /* of each thread in a round, at most */
    DIARY_SHARDS_MAX = 5
};

/** What a thread is about to do, or did. A flush or sync has `key` DIARY_KEYS. */
struct diary_entry {
    uint32_t key;
    uint32_t len;
    uint32_t stamp; /* 0: deleted */
    uint32_t level; /* 0 once it is known that nothing was written */
};

/** What one thread tells the parent. */
struct diary {
    _Atomic(uint32_t) begun; /* entries that are filled in */
    _Atomic(uint32_t) done;  /* of these, acknowledged: all but at most the last */
    struct diary_entry entries[DIARY_OPERATIONS];
};

/** Shared with the child. */
struct diary_shared {
    _Atomic(uint32_t) acknowledged; /* by all threads */
    struct diary diaries[DIARY_THREADS_MAX];
};

/** One round in the life of a database. */
struct diary_round {
    const char *path;
    armdb_options options;
    uint32_t number; /* from 0 on */
    uint32_t threads;
    uint64_t seed;
    armdb_durability promise; /* what has this level, or a higher one, must be there */
};

/** What a database is known to hold, by thread and key. */
struct diary_known {
    struct contract_value values[DIARY_THREADS_MAX][DIARY_KEYS];
};

/** Maps memory for a diary. */
struct diary_shared *diary_new(void);
void diary_free(struct diary_shared *shared);

/** Draws the options of a round but for the number of shards. */
void diary_draw_round(struct diary_round *round, uint64_t seed);

/** Starts the child, and waits for so many acknowledgements. */
pid_t diary_start(const struct diary_round *round, struct diary_shared *shared,
                  uint32_t acknowledged);
/** Ends it. */
void diary_kill(pid_t pid);

/**
 * Verifies and opens what the child left, and checks it.
 *
 * @param known  what was there before the round; taken anew.
 *
 * Returns:  how many operations had been promised.
 */
uint64_t diary_check(const struct diary_round *round, struct diary_shared *shared,
                     struct diary_known *known);

#endif
