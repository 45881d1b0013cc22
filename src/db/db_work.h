/*
 * db_work.h: background work of a database: what happens by itself as time goes by.
 *
 * Four jobs: hand buffered writes to the system, sync (each at an interval from the options), see
 * to the shards' logs (adb_shard_tend()), more often while they grow fast, and see whether it is
 * time to read files directly. Where the system has
 * threads, one thread sleeps until the next is due; else the owner calls adb_work_step() and
 * decides when. A job that fails has left its reason with the shard; it runs again at its next
 * time.
 */
#ifndef ADB_DB_DB_WORK_H
#define ADB_DB_DB_WORK_H

#include "os/os.h"
#include "os/thread.h"

struct db;

enum work_job { WORK_FLUSH, WORK_SYNC, WORK_TEND, WORK_IO, WORK_JOBS };

struct db_work {
    struct adb_mutex lock;
    struct adb_cond wake;
    struct adb_thread thread;
    bool has_thread; /* owner thread only: opener, then closer */
    /* guarded by lock */
    bool must_stop;
    /* the working thread only */
    uint64_t due_ns[WORK_JOBS]; /* monotonic; UINT64_MAX: never */
    bool is_busy;               /* logs or indexes are growing */
};

/** Starts the thread, if the system has them. */
ADB_MUST_USE armdb_err adb_work_start(struct db *db);

/** Stops it and waits for the job that is running. Also right if it never started. */
void adb_work_stop(struct db *db);

/** Runs what is due; the next due time, UINT64_MAX if there is none. One caller at a time. */
uint64_t adb_work_step(struct db *db);

/** Decides how data files are read, as armdb_options.io says. Before anybody else knows the
 * database, and from its step. */
void adb_work_choose_io(struct db *db);

#endif
