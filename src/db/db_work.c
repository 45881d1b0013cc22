#include "db/db_private.h"

/* While logs grow fast, at 150 MB/s say, one of them does by a MiB in the shorter time. An index of
 * a million new keys a second takes a chunk of the page pool every 50 ms. */
#define TEND_INTERVAL_NS UINT64_C(100000000)
#define TEND_INTERVAL_BUSY_NS UINT64_C(5000000)
#define IO_INTERVAL_NS UINT64_C(1000000000)

static uint64_t
interval_of(const struct db *db, enum work_job job)
{
    switch (job) {
    case WORK_FLUSH:
        return db->settings.flush_interval_ns;
    case WORK_SYNC:
        return db->settings.sync_interval_ns;
    case WORK_IO:
        return db->settings.io == ARMDB_IO_AUTO ? IO_INTERVAL_NS : UINT64_MAX;
    case WORK_TEND:
    case WORK_JOBS:
        break;
    }
    return db->work.is_busy ? TEND_INTERVAL_BUSY_NS : TEND_INTERVAL_NS;
}

static void
schedule(struct db *db, enum work_job job, uint64_t now_ns)
{
    uint64_t interval = interval_of(db, job);
    db->work.due_ns[job] = interval == UINT64_MAX ? UINT64_MAX : now_ns + interval;
}

static void
tend(struct db *db)
{
    db->work.is_busy = false;
    for (uint32_t i = 0; i < db->settings.shards; i++) {
        bool is_busy;
        ADB_IGNORE(adb_shard_tend(db->shards[i], &is_busy));
        db->work.is_busy = db->work.is_busy || is_busy;
    }
    if (adb_pages_tend(db->pages))
        db->work.is_busy = true;
    if (adb_cache_tend(db->cache))
        db->work.is_busy = true;
    adb_objects_reclaim(db, 1);
}

void
adb_work_choose_io(struct db *db)
{
    uint64_t log_bytes = 0;
    bool is_direct = db->settings.io == ARMDB_IO_DIRECT;
    if (atomic_load_explicit(&db->is_direct, memory_order_relaxed))
        return;
    for (uint32_t i = 0; db->settings.io == ARMDB_IO_AUTO && i < db->settings.shards; i++) {
        struct shard_stats stats;
        adb_shard_get_stats(db->shards[i], &stats);
        log_bytes += stats.log_bytes;
    }
    if (log_bytes > db->settings.cache_bytes && log_bytes > db->os->memory_bytes / 2)
        is_direct = adb_os_has_batches(db->os);
    atomic_store_explicit(&db->is_direct, is_direct, memory_order_relaxed);
}

static void
run(struct db *db, enum work_job job)
{
    switch (job) {
    case WORK_FLUSH:
        ADB_IGNORE(adb_db_flush(db));
        break;
    case WORK_SYNC:
        ADB_IGNORE(adb_db_sync(db));
        break;
    case WORK_TEND:
        tend(db);
        break;
    case WORK_IO:
        adb_work_choose_io(db);
        break;
    case WORK_JOBS:
        break;
    }
}

uint64_t
adb_work_step(struct db *db)
{
    uint64_t next_ns = UINT64_MAX;
    for (int job = 0; job < WORK_JOBS; job++) {
        uint64_t now_ns = adb_os_now_ns(db->os);
        if (db->work.due_ns[job] <= now_ns) {
            run(db, (enum work_job)job);
            schedule(db, (enum work_job)job, now_ns);
        }
        if (db->work.due_ns[job] < next_ns)
            next_ns = db->work.due_ns[job];
    }
    return next_ns;
}

static void *
work_thread(void *context)
{
    struct db *db = (struct db *)context;
    struct db_work *work = &db->work;
    adb_mutex_lock(&work->lock);
    while (!work->must_stop) {
        adb_mutex_unlock(&work->lock);
        uint64_t next_ns = adb_work_step(db);
        uint64_t now_ns = adb_os_now_ns(db->os);
        adb_mutex_lock(&work->lock);
        if (!work->must_stop && next_ns > now_ns)
            adb_cond_wait_for(&work->wake, &work->lock, next_ns - now_ns);
    }
    adb_mutex_unlock(&work->lock);
    return NULL;
}

armdb_err
adb_work_start(struct db *db)
{
    struct db_work *work = &db->work;
    uint64_t now_ns = adb_os_now_ns(db->os);
    for (int job = 0; job < WORK_JOBS; job++)
        schedule(db, (enum work_job)job, now_ns);
    if (!db->os->has_threads)
        return ARMDB_OK;
    armdb_err err = adb_thread_start(&work->thread, work_thread, db);
    work->has_thread = err == ARMDB_OK;
    return err;
}

void
adb_work_stop(struct db *db)
{
    struct db_work *work = &db->work;
    if (!work->has_thread)
        return;
    adb_mutex_lock(&work->lock);
    work->must_stop = true;
    adb_cond_wake_all(&work->wake);
    adb_mutex_unlock(&work->lock);
    adb_thread_join(&work->thread);
    work->has_thread = false;
}
