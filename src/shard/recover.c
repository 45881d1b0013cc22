/*
 * recover.c: opening the shards of a database: what is in their logs is read by shards side by
 * side, and brought into the indexes by parts of the keys side by side, in rounds: one, if hints or
 * the memory for what they would say suffice.
 */
#include "shard/recover.h"

#include "base/err.h"
#include "base/mem.h"
#include "shard/recover_apply.h"
#include "shard/shard_load.h"

struct recovery {
    const struct shard_opening *opening;
    struct shard_load *loads; /* owned, one for each shard */
    struct shard_progress progress;
    uint64_t round_at; /* read when the round began */
    /* the stage under way */
    armdb_err (*stage)(struct recovery *recovery, struct shard_load *load);
    struct adb_mutex lock; /* of the progress, while several threads are at work */
};

/* Guarded by the lock, if other threads are at work. */
static void
tell(struct recovery *recovery)
{
    const struct shard_opening *opening = recovery->opening;
    if (opening->on_progress != NULL)
        opening->on_progress(opening->progress_context, &recovery->progress);
}

/* ---------------------------------------------------------------------- stages */

static armdb_err
begin(struct recovery *recovery, struct shard_load *load)
{
    (void)recovery;
    return adb_shard_load_begin(load);
}

static void
note_read(struct recovery *recovery, uint64_t bytes)
{
    adb_mutex_lock(&recovery->lock);
    recovery->progress.read_bytes += bytes;
    tell(recovery);
    adb_mutex_unlock(&recovery->lock);
}

static armdb_err
read_some(struct recovery *recovery, struct shard_load *load)
{
    uint64_t read_bytes = load->read_bytes;
    armdb_err err =
        adb_shard_load_some(load, recovery->opening->round_bytes / recovery->opening->n_shards);
    note_read(recovery, load->read_bytes - read_bytes);
    return err;
}

static armdb_err
read_newest(struct recovery *recovery, struct shard_load *load)
{
    uint64_t read_bytes = load->read_bytes;
    armdb_err err = adb_shard_load_newest(load);
    note_read(recovery, load->read_bytes - read_bytes);
    return err;
}

static armdb_err
cut(struct recovery *recovery, struct shard_load *load)
{
    (void)recovery;
    return adb_shard_load_cut(load);
}

static armdb_err
settle(struct recovery *recovery, struct shard_load *load)
{
    (void)recovery;
    return adb_shard_load_settle(load);
}

static armdb_err
do_stage(void *context, uint32_t number)
{
    struct recovery *recovery = (struct recovery *)context;
    return recovery->stage(recovery, &recovery->loads[number]);
}

/* Does a stage for all shards. */
static armdb_err
for_all(struct recovery *recovery, uint32_t n_threads,
        armdb_err (*stage)(struct recovery *recovery, struct shard_load *load))
{
    recovery->stage = stage;
    return adb_thread_for_each(n_threads, recovery->opening->n_shards, do_stage, recovery);
}

/* ---------------------------------------------------------------------- rounds */

static void
tell_of_part(void *context, uint32_t done, uint32_t parts)
{
    struct recovery *recovery = (struct recovery *)context;
    struct shard_progress *progress = &recovery->progress;
    uint64_t bytes = progress->read_bytes - recovery->round_at;
    progress->indexed_bytes = recovery->round_at + bytes / parts * done;
    if (done == parts)
        progress->indexed_bytes = progress->read_bytes;
    tell(recovery);
}

/* Brings what was read into the indexes. */
static armdb_err
apply_round(struct recovery *recovery)
{
    const struct shard_opening *opening = recovery->opening;
    size_t n = 0;
    for (uint32_t i = 0; i < opening->n_shards; i++)
        n += recovery->loads[i].runs.count;
    const struct recover_run **runs = adb_new_array(const struct recover_run *, n + 1);
    if (runs == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "recover", "no memory for %zu runs", n);
    n = 0;
    for (uint32_t i = 0; i < opening->n_shards; i++) {
        const struct recover_runs *of_shard = &recovery->loads[i].runs;
        for (uint32_t run = 0; run < of_shard->count; run++)
            runs[n++] = &of_shard->run[run];
    }
    const struct recover_apply apply = {.runs = runs,
                                        .n_runs = (uint32_t)n,
                                        .n_threads = opening->n_threads,
                                        .find = opening->find,
                                        .context = opening->context,
                                        .on_part = tell_of_part,
                                        .part_context = recovery};
    armdb_err err = adb_recover_apply(&apply);
    adb_mem_free(runs);
    for (uint32_t i = 0; i < opening->n_shards; i++)
        adb_runs_clear(&recovery->loads[i].runs);
    recovery->round_at = recovery->progress.read_bytes;
    return err;
}

static bool
is_over(const struct recovery *recovery)
{
    for (uint32_t i = 0; i < recovery->opening->n_shards; i++) {
        if (!adb_shard_load_is_over(&recovery->loads[i]))
            return false;
    }
    return true;
}

static armdb_err
recover(struct recovery *recovery)
{
    const struct shard_opening *opening = recovery->opening;
    ADB_TRY(for_all(recovery, opening->n_threads_device, begin));
    for (uint32_t i = 0; i < opening->n_shards; i++)
        recovery->progress.log_bytes += recovery->loads[i].log_bytes;
    ADB_TRY(for_all(recovery, opening->n_threads, read_some));
    while (!is_over(recovery)) {
        ADB_TRY(apply_round(recovery));
        ADB_TRY(for_all(recovery, opening->n_threads, read_some));
    }
    /* How far the newest files count is known when all of them were read. */
    ADB_TRY(for_all(recovery, opening->n_threads, read_newest));
    ADB_TRY(adb_shard_load_match(recovery->loads, opening->n_shards));
    ADB_TRY(for_all(recovery, opening->n_threads, cut));
    ADB_TRY(apply_round(recovery));
    return for_all(recovery, opening->n_threads_device, settle);
}

armdb_err
adb_shards_open(const struct shard_opening *opening, struct shard_recovery *recovery_out)
{
    struct recovery recovery = {.opening = opening};
    *recovery_out = (struct shard_recovery){0};
    recovery.loads = adb_new_array(struct shard_load, opening->n_shards);
    if (recovery.loads == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "open", "no memory for the shards");
    for (uint32_t i = 0; i < opening->n_shards; i++) {
        recovery.loads[i].shard = opening->shards[i];
        recovery.loads[i].runs.hash_seed = opening->shards[i]->hash_seed;
        recovery.loads[i].origins = (struct shard_origins){opening->find, opening->context};
    }
    adb_mutex_init(&recovery.lock);
    armdb_err err = recover(&recovery);
    adb_mutex_fini(&recovery.lock);
    for (uint32_t i = 0; i < opening->n_shards; i++) {
        recovery_out->records += recovery.loads[i].records;
        recovery_out->cut_bytes += recovery.loads[i].cut_bytes;
        adb_shard_load_fini(&recovery.loads[i]);
    }
    adb_mem_free(recovery.loads);
    return err;
}
