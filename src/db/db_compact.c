#include "db/db_compact.h"

#include <inttypes.h>

#include "base/err.h"
#include "db/db_private.h"

/* So often an idle worker looks whether there is something to do: while nothing is written, and
 * else. */
#define LOOK_INTERVAL_NS UINT64_C(100000000)
#define BUSY_LOOK_INTERVAL_NS UINT64_C(5000000)

enum { PERCENT_THOROUGH = 1, CPUS_PER_WORKER = 4 };

/* An adb_live_index_fn. */
static struct shard_index *
find_live(void *context, uint32_t collection_id)
{
    return adb_collections_find_live((struct db *)context, collection_id);
}

static struct shard_compaction
background(struct db *db)
{
    return (struct shard_compaction){
        .live = {find_live, db},
        .percent = db->settings.compaction_percent,
        .slows_writers = db->os->has_threads && db->settings.compaction_bytes_per_second == 0,
        .choose = adb_compact_choose,
    };
}

/* ----------------------------------------------------------------- background */

/* What a step has come to. */
struct step {
    bool is_idle;
    bool is_behind; /* there is no time for naps */
    bool is_busy;   /* much is written */
    uint64_t read_bytes;
};

/* One step of compaction for a shard, and one of writing hints, unless compaction needs all the
 * time: hints are for files that stay. */
static struct step
step_shard(struct db *db, uint32_t number)
{
    const struct shard_compaction how = background(db);
    struct shard_compact_step compaction;
    struct shard_hint_step hint = {.is_idle = true};
    ADB_IGNORE(adb_shard_compact(db->shards[number], &how, &compaction));
    if (compaction.is_idle || !compaction.is_behind)
        ADB_IGNORE(adb_shard_hint(db->shards[number], &how.live, &hint));
    return (struct step){.is_idle = compaction.is_idle && hint.is_idle,
                         .is_behind = compaction.is_behind,
                         .is_busy = compaction.is_busy,
                         .read_bytes = compaction.read_bytes + hint.read_bytes};
}

/* How long a worker naps after a step, so that it takes no more than its share of the device. */
static uint64_t
nap_after(const struct db *db, const struct step *step, uint64_t took_ns)
{
    uint64_t rate = db->settings.compaction_bytes_per_second;
    if (rate == 0)
        return step->is_behind ? 0 : took_ns;
    uint64_t should_take_ns = step->read_bytes * UINT64_C(1000000000) / rate;
    return should_take_ns > took_ns ? should_take_ns - took_ns : 0;
}

/* Naps, or less if the database is to be closed; says whether it is. */
static bool
nap(struct db_compact *compact, uint64_t ns)
{
    adb_mutex_lock(&compact->lock);
    if (!compact->must_stop && ns > 0)
        adb_cond_wait_for(&compact->wake, &compact->lock, ns);
    bool must_stop = compact->must_stop;
    adb_mutex_unlock(&compact->lock);
    return must_stop;
}

static void *
work(void *context)
{
    struct compact_worker *worker = (struct compact_worker *)context;
    struct db *db = worker->db;
    struct db_compact *compact = &db->compact;
    bool must_stop = false;
    while (!must_stop) {
        bool is_idle = true;
        bool is_busy = false;
        for (uint32_t i = worker->number; i < db->settings.shards && !must_stop;
             i += compact->n_workers) {
            uint64_t begin_ns = adb_os_now_ns(db->os);
            const struct step step = step_shard(db, i);
            is_idle = is_idle && step.is_idle;
            is_busy = is_busy || step.is_busy;
            if (!step.is_idle)
                must_stop = nap(compact, nap_after(db, &step, adb_os_now_ns(db->os) - begin_ns));
        }
        if (is_idle)
            must_stop = nap(compact, is_busy ? BUSY_LOOK_INTERVAL_NS : LOOK_INTERVAL_NS);
    }
    return NULL;
}

static void
stop_workers(struct db_compact *compact, uint32_t n_started)
{
    adb_mutex_lock(&compact->lock);
    compact->must_stop = true;
    adb_cond_wake_all(&compact->wake);
    adb_mutex_unlock(&compact->lock);
    for (uint32_t i = 0; i < n_started; i++)
        adb_thread_join(&compact->workers[i].thread);
    compact->n_workers = 0;
}

armdb_err
adb_compact_start(struct db *db)
{
    struct db_compact *compact = &db->compact;
    uint32_t want = (db->os->cpu_count + CPUS_PER_WORKER - 1) / CPUS_PER_WORKER;
    if (!db->os->has_threads)
        return ARMDB_OK;
    if (want > COMPACT_THREADS_MAX)
        want = COMPACT_THREADS_MAX;
    if (want > db->settings.shards)
        want = db->settings.shards;
    compact->n_workers = want; /* before any of them looks */
    for (uint32_t i = 0; i < want; i++) {
        struct compact_worker *worker = &compact->workers[i];
        *worker = (struct compact_worker){.db = db, .number = i};
        armdb_err err = adb_thread_start(&worker->thread, work, worker);
        if (err != ARMDB_OK) {
            stop_workers(compact, i);
            return err;
        }
    }
    return ARMDB_OK;
}

void
adb_compact_stop(struct db *db)
{
    stop_workers(&db->compact, db->compact.n_workers);
}

void
adb_compact_step(struct db *db)
{
    struct db_compact *compact = &db->compact;
    adb_mutex_lock(&compact->lock);
    uint32_t shard = compact->next_shard;
    compact->next_shard = (shard + 1) % db->settings.shards;
    adb_mutex_unlock(&compact->lock);
    (void)step_shard(db, shard);
}

/* ----------------------------------------------------------------------- close */

static armdb_err
finish_hints(void *context, uint32_t number)
{
    struct db *db = (struct db *)context;
    const struct shard_live live = {find_live, db};
    adb_shard_finish_hints(db->shards[number], &live);
    return ARMDB_OK;
}

void
adb_compact_finish_hints(struct db *db)
{
    ADB_IGNORE(adb_thread_for_each(db->os->has_threads ? db->os->cpu_count : 1, db->settings.shards,
                                   finish_hints, db));
}

/* -------------------------------------------------------------------- by call */

/* Compacts one shard until there is nothing left to do. */
static armdb_err
compact_shard(struct db *db, uint32_t number, const armdb_compact_options *options,
              armdb_compact_progress *progress, bool *is_stopped_out)
{
    struct shard *shard = db->shards[number];
    const struct shard_compaction how = {
        .live = {find_live, db},
        .percent = options->percent != 0 ? options->percent : PERCENT_THOROUGH,
        .thorough_up_to = adb_shard_newest_sequence(shard),
        .expired_by_ms = adb_os_wall_ms(db->os),
        .choose = adb_compact_choose,
    };
    struct shard_compact_step step;
    *is_stopped_out = false;
    progress->shard = number;
    do {
        ADB_TRY(adb_shard_compact(shard, &how, &step));
        progress->read_bytes += step.read_bytes;
        progress->freed_bytes += step.freed_bytes;
        if (!step.is_idle && options->on_progress != NULL &&
            options->on_progress(options->context, progress) != 0)
            *is_stopped_out = true;
    } while (!step.is_idle && !*is_stopped_out);
    return ARMDB_OK;
}

armdb_err
adb_db_compact(struct db *db, const armdb_compact_options *options,
               armdb_compact_progress *progress_out)
{
    armdb_compact_options checked;
    struct adb_err_kept kept = {0};
    bool is_stopped = false;
    *progress_out = (armdb_compact_progress){.shards = db->settings.shards};
    ADB_TRY(adb_compact_options_check(options, &checked));
    for (uint32_t i = 0; i < db->settings.shards && !is_stopped; i++)
        adb_err_keep(&kept, compact_shard(db, i, &checked, progress_out, &is_stopped));
    return adb_err_kept(&kept);
}
