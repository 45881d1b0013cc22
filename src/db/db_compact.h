/*
 * db_compact.h: when compaction of the shards runs, and hints are written, and how fast: by itself
 * in threads of the database, and when somebody asks for it. What is done is the shard's
 * (docs/compaction.md, docs/recovery.md).
 */
#ifndef ADB_DB_DB_COMPACT_H
#define ADB_DB_DB_COMPACT_H

#include "os/os.h"
#include "os/thread.h"

struct db;

enum { COMPACT_THREADS_MAX = 4 };

/** A thread that works for every `n`-th shard, from its own number on. */
struct compact_worker {
    struct db *db; /* borrowed */
    uint32_t number;
    struct adb_thread thread;
};

struct db_compact {
    struct adb_mutex lock;
    struct adb_cond wake;
    struct compact_worker workers[COMPACT_THREADS_MAX];
    uint32_t n_workers; /* owner thread only: opener, then closer */
    /* guarded by lock */
    bool must_stop;
    uint32_t next_shard; /* where there are no threads: whose turn it is */
};

/** Starts the threads, if the system has them. */
ADB_MUST_USE armdb_err adb_compact_start(struct db *db);

/** Stops them and waits for the steps that are running. Also right if they never started. */
void adb_compact_stop(struct db *db);

/** Does one step for one shard, in turn: for systems without threads. */
void adb_compact_step(struct db *db);

/** Writes all hints that are missing, when everything else has come to its end. */
void adb_compact_finish_hints(struct db *db);

#endif
