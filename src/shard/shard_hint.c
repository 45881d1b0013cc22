/*
 * shard_hint.c: writing the hints of sealed files in the background, and of the newest file when
 * the database is closed. docs/recovery.md says what they are good for; nothing depends on them.
 */
#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "log/hint_file.h"
#include "shard/file_walk.h"
#include "shard/shard_private.h"

/* A hint that is being written. */
struct shard_hint_pass {
    struct data_file *file; /* pinned */
    bool is_newest;         /* the database is being closed */
    struct hint_header header;
    struct hint_build *build;      /* owned */
    struct hint_writer *writer;    /* owned; NULL: not begun, or ended */
    const struct shard_live *live; /* of the step */
    struct file_walk walk;
};

static void
free_pass(struct shard *shard)
{
    struct shard_hint_pass *pass = shard->hint_pass;
    adb_hint_build_free(pass->build);
    adb_hint_abandon(pass->writer);
    atomic_fetch_sub_explicit(&pass->file->pins, 1, memory_order_release);
    adb_mem_free(pass);
    shard->hint_pass = NULL;
}

void
adb_shard_end_hint(struct shard *shard)
{
    if (shard->hint_pass != NULL)
        free_pass(shard);
}

/* An adb_hint_chunk_fn. */
static armdb_err
write_chunk(void *context, struct hint_chunk *chunk)
{
    return adb_hint_write(((struct shard_hint_pass *)context)->writer, chunk);
}

/* ----------------------------------------------------------------------- begin */

/* A sealed file without a hint, pinned; NULL if there is none. */
static struct data_file *
choose(struct shard *shard)
{
    struct data_file *chosen = NULL;
    adb_mutex_lock(&shard->lock);
    for (uint32_t slot = 0; slot < shard->slot_limit && chosen == NULL; slot++) {
        struct data_file *file = atomic_load_explicit(&shard->files[slot], memory_order_relaxed);
        if (file != NULL && file->is_sealed && !file->is_retired && !file->is_unfit &&
            file->hint_bytes != file->end)
            chosen = file;
    }
    if (chosen != NULL)
        atomic_fetch_add_explicit(&chosen->pins, 1, memory_order_relaxed);
    adb_mutex_unlock(&shard->lock);
    return chosen;
}

/* `file` is pinned, and is no more after an error. */
static armdb_err
begin(struct shard *shard, struct data_file *file, bool is_newest)
{
    struct shard_hint_pass *pass = adb_new(struct shard_hint_pass);
    if (pass == NULL) {
        atomic_fetch_sub_explicit(&file->pins, 1, memory_order_release);
        return adb_fail(ARMDB_NO_MEMORY, "write hint", "no memory for a hint");
    }
    shard->hint_pass = pass;
    pass->file = file;
    pass->is_newest = is_newest;
    pass->header = (struct hint_header){.file = file->header, .data_bytes = file->end};
    pass->build = adb_hint_build_new(file->end, write_chunk, pass);
    if (pass->build == NULL)
        return ARMDB_NO_MEMORY;
    return adb_hint_begin(shard->os, shard->path, &pass->header, &pass->writer);
}

/* ------------------------------------------------------------------------ read */

/* An adb_scan_fn. */
static armdb_err
take_record(void *context, const struct log_scan_record *found)
{
    struct shard_hint_pass *pass = (struct shard_hint_pass *)context;
    if (adb_walk_is_past(&pass->walk, found))
        return ARMDB_END;
    const struct shard_index *index = adb_walk_index(&pass->walk, pass->live,
                                                     found->record.collection_id);
    const struct hint_collection collection = adb_shard_describe_index(index);
    return adb_hint_build_add(pass->build, found, index != NULL ? &collection : NULL);
}

static armdb_err
commit(struct shard *shard)
{
    struct shard_hint_pass *pass = shard->hint_pass;
    struct hint_writer *writer = pass->writer;
    ADB_TRY(adb_hint_build_end(pass->build));
    pass->header.last_sequence = pass->walk.scan.sequence;
    pass->header.records = pass->build->records;
    pass->header.dead_bytes = pass->build->dead_bytes;
    pass->header.tombstone_bytes = pass->build->tombstone_bytes;
    pass->header.group_bytes = pass->build->group_bytes;
    pass->header.chunks = pass->build->chunks;
    pass->header.has_deadlines = pass->build->has_deadlines;
    pass->writer = NULL;
    ADB_TRY(adb_hint_commit(writer, &pass->header));
    adb_mutex_lock(&shard->lock);
    pass->file->hint_bytes = pass->header.data_bytes;
    adb_mutex_unlock(&shard->lock);
    return ARMDB_OK;
}

/* Reads some of the file, and ends the hint after its last record. */
static armdb_err
go_on(struct shard *shard, uint64_t *bytes_out)
{
    struct shard_hint_pass *pass = shard->hint_pass;
    struct data_file *file = pass->file;
    armdb_err err = adb_walk_step(&pass->walk, file, pass->is_newest, take_record, pass, bytes_out);
    if (err == ARMDB_END)
        return ARMDB_OK;
    ADB_TRY(err);
    if (pass->walk.scan.how == LOG_SCAN_DAMAGED)
        return adb_shard_raise_damage(file, &pass->walk.scan);
    if (pass->walk.scan.how != LOG_SCAN_WHOLE || pass->walk.scan.end != pass->header.data_bytes)
        return adb_fail_at(ARMDB_CORRUPT, "write hint", file->path, pass->walk.scan.end,
                           "the file does not end where it should");
    ADB_TRY(commit(shard));
    free_pass(shard);
    return ARMDB_OK;
}

/* Gives a hint up, for the reason in the thread's detail record. */
static void
give_up(struct shard *shard, armdb_err err)
{
    struct data_file *file = shard->hint_pass != NULL ? shard->hint_pass->file : NULL;
    adb_mutex_lock(&shard->lock);
    shard->hint_failures++;
    if (err == ARMDB_CORRUPT && file != NULL)
        file->is_unfit = true; /* not to be chosen again and again */
    adb_mutex_unlock(&shard->lock);
    adb_shard_end_hint(shard);
    adb_retry_later(&shard->hint_retry, shard->os);
}

static armdb_err
step_locked(struct shard *shard, const struct shard_live *live, struct shard_hint_step *done)
{
    armdb_err err = ARMDB_OK;
    if (shard->hint_pass != NULL && shard->hint_pass->file->is_retired)
        adb_shard_end_hint(shard);
    if (shard->hint_pass == NULL) {
        struct data_file *file = NULL;
        if (adb_retry_is_due(&shard->hint_retry, shard->os))
            file = choose(shard);
        done->is_idle = file == NULL;
        if (file != NULL)
            err = begin(shard, file, false);
    }
    if (err == ARMDB_OK && shard->hint_pass != NULL) {
        shard->hint_pass->live = live;
        err = go_on(shard, &done->read_bytes);
    }
    if (err != ARMDB_OK)
        give_up(shard, err);
    else if (!done->is_idle && shard->hint_pass == NULL)
        shard->hint_retry.delay_ns = 0;
    return err;
}

armdb_err
adb_shard_hint(struct shard *shard, const struct shard_live *live, struct shard_hint_step *step_out)
{
    *step_out = (struct shard_hint_step){0};
    adb_mutex_lock(&shard->compact_lock);
    armdb_err err = step_locked(shard, live, step_out);
    adb_mutex_unlock(&shard->compact_lock);
    return err;
}

/* ----------------------------------------------------------------------- close */

/* A file of less than that part of a full one is scanned as fast as its hint is written. */
enum { SMALL_PARTS = 256 };

static armdb_err
hint_newest(struct shard *shard, const struct shard_live *live)
{
    struct data_file *file = shard->writer.active;
    uint64_t bytes = 0;
    if (file->is_sealed || file->hint_bytes == file->end ||
        file->end < shard->writer.max_file_bytes / SMALL_PARTS ||
        file->end != file->marked_at + LOG_MARK_RECORD_BYTES)
        return ARMDB_OK;
    atomic_fetch_add_explicit(&file->pins, 1, memory_order_relaxed);
    ADB_TRY(begin(shard, file, true));
    while (shard->hint_pass != NULL) {
        shard->hint_pass->live = live;
        ADB_TRY(go_on(shard, &bytes));
    }
    return ARMDB_OK;
}

void
adb_shard_finish_hints(struct shard *shard, const struct shard_live *live)
{
    struct shard_hint_step step = {0};
    armdb_err err = adb_shard_failed(shard);
    while (err == ARMDB_OK && !step.is_idle)
        err = adb_shard_hint(shard, live, &step);
    if (err == ARMDB_OK)
        err = hint_newest(shard, live);
    if (err != ARMDB_OK)
        adb_shard_end_hint(shard);
}
