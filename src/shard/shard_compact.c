/*
 * shard_compact.c: one pass of compaction, step by step: copy, settle, move, retire.
 * docs/compaction.md says why nothing is lost by it.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "log/filename.h"
#include "os/rcu.h"
#include "shard/compact_batch.h"
#include "shard/compact_policy.h"
#include "shard/file_walk.h"
#include "shard/shard_private.h"

/* So often the writers' toll is found anew: it takes their lock for a moment. */
#define TOLL_INTERVAL_NS UINT64_C(4000000)

enum phase { PHASE_COPY, PHASE_SETTLE, PHASE_MOVE };

struct shard_pass {
    enum phase phase;
    struct data_file **run; /* owned array; the files belong to the shard */
    uint32_t n_run;
    uint64_t run_bytes;
    uint64_t copy_bytes; /* at most */

    /* Tombstones up to this sequence number are needed no more. */
    uint64_t tombstone_floor;
    uint64_t as_of; /* newest sequence number when it began */
    bool is_called; /* not only the background works on it */

    /* where the scan is: of run[at], then of `file` */
    uint32_t at;
    struct file_walk walk;

    struct log_copy copy;
    struct data_file *file; /* the copy, once it is in the table */

    /* Where each value of the copy came from, in its order. */
    uint64_t *origins; /* owned */
    size_t n_origins;
    size_t origin_capacity;
    size_t next_origin; /* moving */

    struct compact_batch batch; /* empty between steps */
};

/* A scan's callback needs all of these. */
struct step {
    struct shard *shard;
    struct shard_pass *pass;
    const struct shard_compaction *how;
};

/* ---------------------------------------------------------------------- choose */

/* The files of the log in its order, and what the policy wants to know of them. */
struct survey {
    struct data_file **files;     /* owned */
    struct compact_file *figures; /* owned */
    uint32_t count;
};

static void
fini_survey(struct survey *survey)
{
    adb_mem_free(survey->files);
    adb_mem_free(survey->figures);
}

static void
describe(const struct data_file *file, uint64_t last_sequence, struct compact_file *figures)
{
    *figures = (struct compact_file){
        .bytes = file->end - LOG_FILE_HEADER_BYTES,
        .dead_bytes = atomic_load_explicit(&file->dead_bytes, memory_order_relaxed),
        .tombstone_bytes = atomic_load_explicit(&file->tombstone_bytes, memory_order_relaxed),
        .group_bytes = atomic_load_explicit(&file->group_bytes, memory_order_relaxed),
        .last_sequence = last_sequence,
        .as_of = file->as_of,
        .is_unfit = file->is_unfit,
    };
}

/* Under the lock. End it with fini_survey(). */
static armdb_err
make_survey(struct shard *shard, struct survey *survey)
{
    *survey = (struct survey){.files = NULL};
    ADB_TRY(adb_shard_list_log(shard, &survey->files, &survey->count));
    survey->figures = adb_new_array(struct compact_file, survey->count);
    if (survey->figures == NULL) {
        fini_survey(survey);
        return adb_fail(ARMDB_NO_MEMORY, "compact", "no memory for a list of files");
    }
    for (uint32_t i = 0; i < survey->count; i++) {
        bool is_newest = i + 1 == survey->count;
        uint64_t last = is_newest ? shard->writer.sequence
                                  : survey->files[i + 1]->header.base_sequence;
        describe(survey->files[i], last, &survey->figures[i]);
    }
    return ARMDB_OK;
}

/* Begins a pass over the chosen files. Under the lock. */
static armdb_err
new_pass(struct shard *shard, const struct survey *survey, const struct compact_choice *choice,
         struct shard_pass **pass_out)
{
    struct shard_pass *pass = adb_new(struct shard_pass);
    *pass_out = NULL;
    if (pass == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "compact", "no memory for a compaction");
    armdb_err err = adb_batch_init(&pass->batch);
    pass->run = adb_new_array(struct data_file *, choice->count);
    if (err == ARMDB_OK && pass->run == NULL)
        err = adb_fail(ARMDB_NO_MEMORY, "compact", "no memory for a compaction");
    if (err != ARMDB_OK) {
        adb_batch_fini(&pass->batch);
        adb_mem_free(pass->run);
        adb_mem_free(pass);
        return err;
    }
    pass->n_run = choice->count;
    for (uint32_t i = 0; i < pass->n_run; i++) {
        pass->run[i] = survey->files[choice->first + i];
        pass->run_bytes += pass->run[i]->end;
    }
    pass->copy_bytes = adb_compact_copy_bytes(survey->figures + choice->first, choice->count);
    pass->tombstone_floor = adb_compact_tombstone_floor(survey->figures, choice->first);
    pass->as_of = shard->writer.sequence;
    shard->reserved_slots++;
    *pass_out = pass;
    return ARMDB_OK;
}

/* The header of the copy. Under the lock. */
static struct log_file_header
name_copy(struct shard *shard, const struct survey *survey, const struct compact_choice *choice)
{
    struct log_file_header header = shard->identity;
    header.file_id = ++shard->newest_file_id;
    header.base_sequence = survey->files[choice->first]->header.base_sequence;
    header.last_sequence = survey->figures[choice->first + choice->count - 1].last_sequence;
    header.is_copy = true;
    return header;
}

/* ------------------------------------------------------------------------ end */

void
adb_shard_end_pass(struct shard *shard, bool remove)
{
    struct shard_pass *pass = shard->pass;
    if (pass == NULL)
        return;
    if (remove)
        adb_log_copy_abandon(&pass->copy);
    else
        adb_log_copy_fini(&pass->copy);
    if (pass->file == NULL) {
        adb_mutex_lock(&shard->lock);
        shard->reserved_slots--;
        adb_mutex_unlock(&shard->lock);
    }
    adb_batch_fini(&pass->batch);
    adb_mem_free(pass->origins);
    adb_mem_free(pass->run);
    adb_mem_free(pass);
    shard->pass = NULL;
}

/* Notes that a pass failed, for the reason in the thread's detail record. */
static void
note_failure(struct shard *shard, armdb_err err)
{
    adb_mutex_lock(&shard->lock);
    shard->compaction.failures++;
    shard->compaction.failure = err;
    shard->compaction.failure_detail = *adb_err_detail();
    adb_mutex_unlock(&shard->lock);
    adb_retry_later(&shard->retry, shard->os);
}

/* Notes that what had failed, if anything, has been done. */
static void
note_success(struct shard *shard)
{
    adb_mutex_lock(&shard->lock);
    shard->compaction.failure = ARMDB_OK;
    shard->compaction.failure_detail = (armdb_error_detail){0};
    adb_mutex_unlock(&shard->lock);
    shard->retry.delay_ns = 0;
    shard->room = 0;
}

/* A pass was given up because there is no space for its copy; whether a smaller one is to be tried
 * at once: half as large, but not smaller than the reserve, which there is for that. */
static bool
is_to_try_smaller(struct shard *shard, uint64_t copy_bytes)
{
    uint64_t room = copy_bytes / 2;
    if (room < shard->reserve_bytes)
        room = shard->reserve_bytes;
    if (room >= copy_bytes)
        room = 0;
    shard->room = room;
    return room != 0;
}

/* ---------------------------------------------------------------------- begin */

static struct compact_rule
rule_of(const struct shard *shard, const struct shard_compaction *how)
{
    return (struct compact_rule){how->percent, shard->writer.max_file_bytes, how->thorough_up_to,
                                 shard->room};
}

/*
 * Finds how far behind the writers compaction is, and has them wait for it: but not if it can do
 * nothing. A copy whose keys are being moved is there twice: it does not count. Nor do tombstones:
 * whether they are needed takes longer to find.
 */
static void
set_toll(struct shard *shard, const struct shard_compaction *how, bool is_idle)
{
    uint64_t bytes = 0;
    uint64_t dead = 0;
    const struct data_file *copy = shard->pass != NULL ? shard->pass->file : NULL;
    shard->toll_due_ns = adb_os_now_ns(shard->os) + TOLL_INTERVAL_NS;
    adb_mutex_lock(&shard->lock);
    uint64_t sequence = shard->writer.sequence;
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        const struct data_file *file = atomic_load_explicit(&shard->files[slot],
                                                            memory_order_relaxed);
        if (file == NULL || file->is_retired || file->is_unfit || file == copy)
            continue;
        bytes += file->end - LOG_FILE_HEADER_BYTES;
        dead += adb_shard_waste(file);
    }
    adb_mutex_unlock(&shard->lock);
    uint64_t ns_per_mib = is_idle ? 0 : adb_compact_toll_ns(bytes, dead, how->percent);
    shard->is_behind = ns_per_mib > 0;
    shard->is_busy = sequence != shard->seen_sequence;
    shard->seen_sequence = sequence;
    adb_shard_set_toll(shard, how->slows_writers ? ns_per_mib : 0);
}

/* Looks for something to do; *seal_out if it is a new file. */
static armdb_err
look(struct shard *shard, const struct shard_compaction *how, struct shard_compact_step *step,
     struct log_file_header *header_out, bool *seal_out)
{
    struct survey survey;
    const struct compact_rule rule = rule_of(shard, how);
    ADB_TRY(make_survey(shard, &survey));
    struct compact_choice choice = how->choose(survey.figures, survey.count, &rule);
    armdb_err err = ARMDB_OK;
    step->is_idle = choice.what == COMPACT_NOTHING;
    *seal_out = choice.what == COMPACT_SEAL;
    if (choice.what == COMPACT_RUN && !adb_shard_has_slots(shard, 1)) {
        err = adb_fail(ARMDB_LIMIT, "compact",
                       "shard %" PRIu32 " has %d data files, the most there can be",
                       shard->identity.shard, LOCATION_SLOTS);
    } else if (choice.what == COMPACT_RUN) {
        err = new_pass(shard, &survey, &choice, &shard->pass);
        if (err == ARMDB_OK)
            *header_out = name_copy(shard, &survey, &choice);
    }
    fini_survey(&survey);
    return err;
}

/* Whether it may be worth to look closer. Under the lock. */
static bool
is_worth_looking(const struct shard *shard, const struct shard_compaction *how)
{
    const struct compact_rule rule = rule_of(shard, how);
    uint64_t bytes = 0;
    uint64_t garbage = 0;
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        const struct data_file *file = atomic_load_explicit(&shard->files[slot],
                                                            memory_order_relaxed);
        if (file == NULL || file->is_retired)
            continue;
        bytes += file->end - LOG_FILE_HEADER_BYTES;
        garbage += adb_shard_waste(file) +
                   atomic_load_explicit(&file->tombstone_bytes, memory_order_relaxed);
    }
    return how->thorough_up_to != 0 ||
           adb_compact_is_worth_looking(bytes, garbage,
                                        shard->writer.active->end - LOG_FILE_HEADER_BYTES,
                                        shard->file_count, &rule);
}

/*
 * Removes what a failed pass may have left, durably. As long as it is there it stands for its run,
 * which is right; it would not fit a log whose files have been replaced by others.
 */
static armdb_err
remove_leftover(struct shard *shard)
{
    char name[FILENAME_BYTES_MAX];
    char *path;
    if (shard->leftover_id == 0)
        return ARMDB_OK;
    adb_filename_log(shard->leftover_id, name);
    ADB_TRY(adb_filename_join(shard->path, name, "", &path));
    armdb_err err = adb_os_unlink(shard->os, path);
    adb_mem_free(path);
    if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
        return err;
    ADB_TRY(adb_os_sync_dir(shard->os, shard->path));
    shard->leftover_id = 0;
    return ARMDB_OK;
}

/* Begins the copy of the pass, in the reserve if there is no other space. */
static armdb_err
begin_copy(struct shard *shard, const struct log_file_header *header)
{
    struct shard_pass *pass = shard->pass;
    const armdb_error_detail before = *adb_err_detail();
    char *path;
    armdb_err err = adb_log_copy_begin(&pass->copy, shard->os, shard->path, header, NULL,
                                       pass->copy_bytes);
    if (err != ARMDB_NO_SPACE || pass->copy_bytes > shard->reserve_bytes)
        return err;
    ADB_TRY(adb_shard_take_reserve(shard, &path));
    err = adb_log_copy_begin(&pass->copy, shard->os, shard->path, header, path, pass->copy_bytes);
    adb_mem_free(path);
    if (err == ARMDB_OK)
        ADB_IGNORE(adb_err_restore(&before));
    return err;
}

/* Goes on in a new file, for which the reserve gives its space up. */
static armdb_err
seal_with_reserve(struct shard *shard)
{
    adb_shard_drop_reserve(shard);
    adb_mutex_lock(&shard->lock);
    armdb_err err = adb_shard_failed(shard);
    if (err == ARMDB_OK)
        err = adb_shard_rotate_full(shard); /* what is left is for a copy */
    adb_mutex_unlock(&shard->lock);
    return err == ARMDB_BUSY ? adb_shard_seal(shard) : err;
}

/*
 * Goes on in a new file. If there is no space for one, that of the reserve is taken, unless it is
 * no more than a copy needs; then others are to be compacted first, within the reserve.
 */
static armdb_err
seal_newest(struct shard *shard)
{
    const armdb_error_detail before = *adb_err_detail();
    armdb_err err = adb_shard_seal(shard);
    if (err != ARMDB_NO_SPACE || shard->reserve_bytes == 0)
        return err;
    if (shard->reserve_bytes > RESERVE_BYTES_MIN)
        ADB_TRY(seal_with_reserve(shard));
    else
        shard->room = shard->reserve_bytes;
    ADB_IGNORE(adb_err_restore(&before));
    return ARMDB_OK;
}

static armdb_err
begin(struct shard *shard, const struct shard_compaction *how, struct shard_compact_step *step)
{
    struct log_file_header header = {0};
    bool seal = false;
    armdb_err err = ARMDB_OK;
    ADB_TRY(remove_leftover(shard));
    adb_mutex_lock(&shard->lock);
    uint64_t reserve_bytes = adb_shard_plan_reserve(shard);
    step->is_idle = how->percent == 0 || !is_worth_looking(shard, how);
    if (!step->is_idle)
        err = look(shard, how, step, &header, &seal);
    adb_mutex_unlock(&shard->lock);
    adb_shard_fill_reserve(shard, reserve_bytes);
    if (err == ARMDB_OK && step->is_idle && shard->room != 0)
        err = adb_fail_at(ARMDB_NO_SPACE, "compact", shard->path, 0,
                          "no space for a copy of any file");
    if (err != ARMDB_OK || step->is_idle)
        return err;
    if (seal)
        return seal_newest(shard);
    ADB_ASSERT(shard->pass != NULL);
    shard->pass->is_called = how->thorough_up_to != 0;
    return begin_copy(shard, &header);
}

/* ----------------------------------------------------------------------- copy */

static uint64_t
location_of(const struct data_file *file, const struct log_scan_record *found)
{
    return adb_location_of(file->slot, found->offset, &found->record);
}

static void
count(_Atomic(uint64_t) *counter, const struct log_scan_record *found)
{
    atomic_fetch_add_explicit(counter, adb_log_record_bytes(&found->record), memory_order_relaxed);
}

static armdb_err
note_origin(struct shard_pass *pass, uint64_t location)
{
    if (pass->n_origins == pass->origin_capacity) {
        size_t capacity = pass->origin_capacity == 0 ? 4096 : 2 * pass->origin_capacity;
        void *grown = adb_mem_realloc(pass->origins, capacity * sizeof *pass->origins);
        if (grown == NULL)
            return adb_fail(ARMDB_NO_MEMORY, "compact", "no memory for %zu locations", capacity);
        pass->origins = (uint64_t *)grown;
        pass->origin_capacity = capacity;
    }
    pass->origins[pass->n_origins++] = location;
    return ARMDB_OK;
}

/* Whether the index names the record now, or a tombstone may hide something. */
static bool
is_needed(const struct shard_pass *pass, const struct log_scan_record *found, uint64_t location)
{
    if (found->record.flags == LOG_FLAG_TOMBSTONE)
        return location == 0 && found->record.sequence > pass->tombstone_floor &&
               !ADB_PLANTED(PLANT_TOMBSTONE_DROPPED);
    return location == location_of(pass->run[pass->at], found);
}

static armdb_err
copy_one(struct shard_pass *pass, const struct log_scan_record *found)
{
    const struct data_file *from = pass->run[pass->at];
    uint64_t offset;
    ADB_TRY(adb_log_copy_add(&pass->copy, from, found, &offset));
    if (found->record.flags == LOG_FLAG_TOMBSTONE)
        return ARMDB_OK;
    return note_origin(pass, location_of(from, found));
}

/* Copies what is needed of a batch. */
static armdb_err
copy_batch(void *context)
{
    struct shard_pass *pass = ((const struct step *)context)->pass;
    struct compact_batch *batch = &pass->batch;
    armdb_err err = ARMDB_OK;
    if (batch->n == 0)
        return ARMDB_OK;
    adb_rcu_enter();
    bool is_there = adb_batch_look(batch);
    adb_rcu_leave();
    for (uint32_t i = 0; err == ARMDB_OK && is_there && i < batch->n; i++) {
        if (is_needed(pass, &batch->found[i], batch->locations[i]))
            err = copy_one(pass, &batch->found[i]);
    }
    adb_batch_clear(batch);
    return err;
}

/* Moves the keys of a batch, of which locations[] are where they are now. Whoever comes between is
 * noticed by the swap. */
static armdb_err
move_batch(void *context)
{
    struct shard_pass *pass = ((const struct step *)context)->pass;
    struct compact_batch *batch = &pass->batch;
    struct data_file *file = pass->file;
    if (batch->n == 0)
        return ARMDB_OK;
    adb_rcu_enter();
    bool is_there = adb_batch_look(batch);
    for (uint32_t i = 0; i < batch->n; i++) {
        const struct log_scan_record *found = &batch->found[i];
        uint64_t origin = pass->origins[pass->next_origin++];
        if (ADB_PLANTED(PLANT_OLD_VALUE_WINS) && batch->locations[i] != 0)
            origin = batch->locations[i];
        if (ADB_PLANTED(PLANT_KEY_NOT_MOVED) && i == 3)
            continue;
        if ((!is_there || batch->locations[i] != origin ||
             !adb_index_replace(&batch->index->keys, found->key, origin,
                                location_of(file, found))) &&
            !ADB_PLANTED(PLANT_DEAD_COPY_FORGOTTEN))
            count(&file->dead_bytes, found);
    }
    adb_rcu_leave();
    adb_batch_clear(batch);
    return ARMDB_OK;
}

/* An adb_scan_fn. ARMDB_END: the step is over, the record is for the next. */
static armdb_err
copy_record(void *context, const struct log_scan_record *found)
{
    const struct step *step = (const struct step *)context;
    struct shard_pass *pass = step->pass;
    if (adb_walk_is_past(&pass->walk, found))
        return ARMDB_END;
    struct shard_index *index = adb_walk_index(&pass->walk, &step->how->live,
                                               found->record.collection_id);
    if (index == NULL)
        return ARMDB_OK;
    return adb_batch_take(&pass->batch, index, found, true, copy_batch, context);
}

/* Scans on for one step; *is_over_out: to the file's end. */
static armdb_err
scan_on(struct step *step, struct data_file *file, adb_scan_fn fn, armdb_err (*end)(void *context),
        bool *is_over_out, uint64_t *bytes_out)
{
    struct file_walk *walk = &step->pass->walk;
    armdb_err err = adb_walk_step(walk, file, false, fn, step, bytes_out);
    armdb_err end_err = end(step); /* the scan is past what is in the batch */
    *is_over_out = err == ARMDB_OK && walk->scan.how == LOG_SCAN_WHOLE;
    if (*is_over_out)
        walk->is_begun = false;
    if (err == ARMDB_OK && !*is_over_out)
        return adb_fail_at(ARMDB_CORRUPT, "compact", file->path, walk->scan.damaged_at, "%s",
                           walk->scan.message);
    return err == ARMDB_END || err == ARMDB_OK ? end_err : err;
}

static armdb_err
copy_some(struct step *step, uint64_t *bytes_out)
{
    struct shard_pass *pass = step->pass;
    bool is_over;
    struct data_file *from = pass->run[pass->at];
    armdb_err err = scan_on(step, from, copy_record, copy_batch, &is_over, bytes_out);
    if (err == ARMDB_CORRUPT) { /* not to be chosen again and again */
        adb_mutex_lock(&step->shard->lock);
        from->is_unfit = true;
        adb_mutex_unlock(&step->shard->lock);
    }
    ADB_TRY(err);
    if (is_over && ++pass->at == pass->n_run)
        pass->phase = PHASE_SETTLE;
    return ARMDB_OK;
}

/* --------------------------------------------------------------------- settle */

/*
 * Makes the copy durable, then everything because of which something was left out of it, and only
 * then gives it its name.
 */
static armdb_err
settle(struct shard *shard)
{
    struct shard_pass *pass = shard->pass;
    struct data_file *file;
    ADB_TRY(adb_log_copy_seal(&pass->copy));
    if (!ADB_PLANTED(PLANT_COPY_TOO_EARLY))
        ADB_TRY(adb_shard_sync(shard));
    shard->leftover_id = pass->copy.file->header.file_id;
    ADB_TRY(adb_log_copy_publish(&pass->copy, &file));
    shard->leftover_id = 0;
    file->as_of = pass->as_of;
    adb_mutex_lock(&shard->lock);
    shard->reserved_slots--;
    adb_shard_add_file(shard, file);
    file->is_moving = true;
    for (uint32_t i = 0; i < pass->n_run; i++)
        pass->run[i]->is_moving = true;
    adb_mutex_unlock(&shard->lock);
    pass->file = file;
    pass->phase = PHASE_MOVE;
    return ARMDB_OK;
}

/* ----------------------------------------------------------------------- move */

/* An adb_scan_fn, as copy_record(). */
static armdb_err
move_record(void *context, const struct log_scan_record *found)
{
    const struct step *step = (const struct step *)context;
    struct shard_pass *pass = step->pass;
    if (adb_walk_is_past(&pass->walk, found))
        return ARMDB_END;
    if (found->record.flags == LOG_FLAG_TOMBSTONE) {
        count(&pass->file->tombstone_bytes, found);
        return ARMDB_OK;
    }
    if (found->record.deadline_ms != 0) /* nobody else knows of this file's deadlines by now */
        adb_deadlines_count(&pass->file->deadlines, adb_os_wall_ms(step->shard->os),
                            found->record.deadline_ms, adb_log_record_bytes(&found->record));
    struct shard_index *index = adb_walk_index(&pass->walk, &step->how->live,
                                               found->record.collection_id);
    if (index != NULL)
        return adb_batch_take(&pass->batch, index, found, false, move_batch, context);
    ADB_TRY(move_batch(context)); /* origins come in order */
    pass->next_origin++;
    count(&pass->file->dead_bytes, found);
    return ARMDB_OK;
}

/* Ends the pass: the run is replaced. */
static void
retire_run(struct shard *shard)
{
    struct shard_pass *pass = shard->pass;
    uint64_t copied = pass->file->end;
    adb_mutex_lock(&shard->lock);
    for (uint32_t i = 0; i < pass->n_run; i++)
        adb_shard_retire(shard, pass->run[i]);
    pass->file->is_moving = false;
    shard->compaction.passes++;
    shard->compaction.replaced_bytes += pass->run_bytes;
    shard->compaction.copied_bytes += copied;
    adb_mutex_unlock(&shard->lock);
    if (pass->is_called && pass->run_bytes > copied)
        shard->freed_bytes += pass->run_bytes - copied;
    note_success(shard);
    adb_shard_end_pass(shard, false);
}

static armdb_err
move_some(struct step *step, struct shard_compact_step *done)
{
    bool is_over;
    ADB_TRY(scan_on(step, step->pass->file, move_record, move_batch, &is_over, &done->read_bytes));
    if (is_over)
        retire_run(step->shard);
    return ARMDB_OK;
}

/* ----------------------------------------------------------------------- step */

/* Goes on with expired keys, or begins with them. */
static armdb_err
expire(struct shard *shard, const struct shard_compaction *how, struct shard_compact_step *done)
{
    armdb_err err = ARMDB_OK;
    if (shard->expiry == NULL)
        err = adb_shard_begin_expiry(shard, how);
    if (err == ARMDB_OK && shard->expiry != NULL)
        err = adb_shard_expire(shard, how, &done->read_bytes);
    if (err == ARMDB_OK && shard->expiry == NULL && shard->has_expiry_failed)
        note_success(shard);
    shard->has_expiry_failed = err != ARMDB_OK;
    return err;
}

/* Sees to expired keys, or else begins a pass; that, too, if there is no space for tombstones: it
 * gives some back. */
static armdb_err
expire_or_begin(struct shard *shard, const struct shard_compaction *how,
                struct shard_compact_step *done)
{
    const armdb_error_detail before = *adb_err_detail();
    armdb_err err = expire(shard, how, done);
    if (err == ARMDB_OK && done->read_bytes > 0)
        return ARMDB_OK;
    if (err != ARMDB_OK && err != ARMDB_NO_SPACE)
        return err;
    ADB_TRY(begin(shard, how, done));
    if (err == ARMDB_OK || done->is_idle)
        return err;
    ADB_IGNORE(adb_err_restore(&before));
    return ARMDB_OK;
}

static armdb_err
go_on(struct shard *shard, const struct shard_compaction *how, struct shard_compact_step *done)
{
    struct step step = {shard, shard->pass, how};
    if (shard->pass == NULL)
        return expire_or_begin(shard, how, done);
    shard->pass->is_called = shard->pass->is_called || how->thorough_up_to != 0;
    switch (shard->pass->phase) {
    case PHASE_COPY:
        return copy_some(&step, &done->read_bytes);
    case PHASE_SETTLE:
        return settle(shard);
    case PHASE_MOVE:
        return move_some(&step, done);
    }
    return ARMDB_OK;
}

static armdb_err
step_locked(struct shard *shard, const struct shard_compaction *how,
            struct shard_compact_step *done)
{
    adb_shard_sweep(shard);
    bool is_background = how->thorough_up_to == 0;
    const armdb_error_detail before = *adb_err_detail();
    if (is_background && !adb_retry_is_due(&shard->retry, shard->os)) {
        done->is_idle = true;
        return ARMDB_OK;
    }
    armdb_err err = adb_shard_failed(shard);
    if (err != ARMDB_OK) {
        done->is_idle = true; /* and stays so */
        return err;
    }
    err = go_on(shard, how, done);
    if (err == ARMDB_OK && is_background && adb_os_now_ns(shard->os) >= shard->toll_due_ns)
        set_toll(shard, how, done->is_idle);
    done->is_behind = shard->is_behind;
    done->is_busy = shard->is_busy;
    if (err == ARMDB_OK)
        return ARMDB_OK;
    adb_shard_set_toll(shard, 0); /* there is nothing to wait for */
    /* Once some keys have been moved, the only way is forward: later. */
    bool is_given_up = shard->pass != NULL && shard->pass->phase != PHASE_MOVE;
    uint64_t copy_bytes = is_given_up ? shard->pass->copy_bytes : 0;
    if (is_given_up)
        adb_shard_end_pass(shard, true);
    if (err == ARMDB_NO_SPACE && is_to_try_smaller(shard, copy_bytes)) {
        ADB_IGNORE(adb_err_restore(&before));
        return ARMDB_OK;
    }
    note_failure(shard, err);
    return err;
}

armdb_err
adb_shard_compact(struct shard *shard, const struct shard_compaction *how,
                  struct shard_compact_step *step_out)
{
    *step_out = (struct shard_compact_step){0};
    adb_mutex_lock(&shard->compact_lock);
    armdb_err err = step_locked(shard, how, step_out);
    if (how->thorough_up_to != 0) {
        step_out->freed_bytes = shard->freed_bytes;
        shard->freed_bytes = 0;
    }
    adb_mutex_unlock(&shard->compact_lock);
    adb_shard_tell(shard, 0); /* of keys that have expired */
    return err;
}

uint64_t
adb_shard_newest_sequence(struct shard *shard)
{
    adb_mutex_lock(&shard->lock);
    uint64_t sequence = shard->writer.sequence;
    adb_mutex_unlock(&shard->lock);
    return sequence == 0 ? 1 : sequence;
}
