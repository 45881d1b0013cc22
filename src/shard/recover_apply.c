/*
 * recover_apply.c: the order of all entries is cut into parts, which threads take one after the
 * other. Each part is merged, so that an index gets its keys in ascending order, and of each key
 * only what is to stay.
 */
#include "shard/recover_apply.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    SAMPLES = 128, /* entries that tell where to cut, about */
    PARTS_PER_THREAD = 4,
    PART_CHUNKS_MIN = 8, /* less is not worth a part */
    CHANGES = 256,       /* made at once */
    ROOM_BYTES = 32768   /* of their keys and values */
};

/* ----------------------------------------------------------------------- parts */

struct sample {
    struct recover_place place;
    unsigned char key[ARMDB_KEY_MAX];
};

struct parts {
    struct sample *samples; /* owned; sorted */
    uint32_t n_samples;
    uint32_t n; /* parts */
};

static int
compare_samples(const void *a, const void *b)
{
    const struct sample *x = (const struct sample *)a;
    const struct sample *y = (const struct sample *)b;
    const armdb_slice left = {x->key, x->place.key.len}; /* place.key.data: see point() */
    const armdb_slice right = {y->key, y->place.key.len};
    return adb_recover_compare(x->place.collection_id, x->place.head, left, y->place.collection_id,
                               y->place.head, right);
}

/* Lets places name the keys beside them, once these stay where they are. */
static void
point(struct parts *parts)
{
    for (uint32_t i = 0; i < parts->n_samples; i++)
        parts->samples[i].place.key.data = parts->samples[i].key;
}

/* Takes some first entries of chunks, evenly. */
static armdb_err
take_samples(const struct recover_apply *apply, uint32_t chunks, unsigned char *buffer,
             struct parts *parts)
{
    uint32_t step = (chunks + SAMPLES - 1) / SAMPLES;
    uint32_t skip = step / 2;
    for (uint32_t i = 0; i < apply->n_runs; i++) {
        const struct recover_run *run = apply->runs[i];
        uint32_t at = skip;
        for (; at < run->count; at += step) {
            struct sample *sample = &parts->samples[parts->n_samples];
            ADB_ASSERT(parts->n_samples < SAMPLES);
            ADB_TRY(adb_run_first(run, at, buffer, &sample->place));
            memcpy(sample->key, sample->place.key.data, sample->place.key.len);
            parts->n_samples++;
        }
        skip = at - run->count;
    }
    return ARMDB_OK;
}

/* End it by freeing its samples. */
static armdb_err
cut(const struct recover_apply *apply, struct parts *parts)
{
    uint32_t chunks = 0;
    *parts = (struct parts){.n = 1};
    for (uint32_t i = 0; i < apply->n_runs; i++)
        chunks += apply->runs[i]->count;
    uint32_t n = apply->n_threads * PARTS_PER_THREAD;
    if (n > chunks / PART_CHUNKS_MIN)
        n = chunks / PART_CHUNKS_MIN;
    if (apply->n_threads == 1 || n < 2)
        return ARMDB_OK;
    parts->samples = adb_new_array(struct sample, SAMPLES);
    unsigned char *buffer = (unsigned char *)adb_mem_alloc(HINT_CHUNK_BYTES);
    armdb_err err = parts->samples == NULL || buffer == NULL
                        ? adb_fail(ARMDB_NO_MEMORY, "recover", "no memory for %d keys", SAMPLES)
                        : take_samples(apply, chunks, buffer, parts);
    adb_mem_free(buffer);
    if (err == ARMDB_OK) {
        qsort(parts->samples, parts->n_samples, sizeof *parts->samples, compare_samples);
        point(parts);
        parts->n = n < parts->n_samples ? n : parts->n_samples;
    }
    return err;
}

/* Where part `i` begins; NULL: at the start, or at the end. */
static const struct recover_place *
begin_of(const struct parts *parts, uint32_t i)
{
    if (i == 0 || i == parts->n)
        return NULL;
    return &parts->samples[(uint64_t)parts->n_samples * i / parts->n].place;
}

/* ------------------------------------------------------------------------ work */

struct work {
    const struct recover_apply *apply;
    struct parts parts;
    _Atomic(bool) has_failed; /* no more parts */
    struct adb_mutex lock;
    uint32_t done; /* parts; guarded by lock */
};

/* Changes of one index, in order, that are made together. */
struct worker {
    const struct recover_apply *apply;
    struct adb_spare spare;
    struct shard_index *index; /* of the changes; NULL: of a dropped collection */
    uint32_t collection_id;
    uint32_t n;
    size_t used;          /* of room */
    uint64_t newest_head; /* of the last change's key */
    struct adb_change changes[CHANGES];
    const struct recover_run *runs[CHANGES]; /* that they come from */
    uint64_t places[CHANGES];                /* locations with slot 0; 0: a tombstone */
    unsigned char room[ROOM_BYTES];          /* keys and values */
};

/* A record that no key refers to. */
static void
count_dead(const struct recover_run *run, uint64_t location, armdb_slice key)
{
    atomic_fetch_add_explicit(&run->file->dead_bytes, adb_location_record_bytes(location, key.len),
                              memory_order_relaxed);
}

static armdb_err
make_changes(struct worker *worker)
{
    uint32_t n = worker->n;
    worker->n = 0;
    worker->used = 0;
    if (n == 0)
        return ARMDB_OK;
    if (worker->index != NULL)
        ADB_TRY(adb_index_apply(&worker->index->keys, worker->changes, n, &worker->spare));
    for (uint32_t i = 0; i < n; i++) {
        const struct adb_change *change = &worker->changes[i];
        if (worker->index == NULL && worker->places[i] != 0)
            count_dead(worker->runs[i], worker->places[i], change->key);
        else if (worker->index != NULL && change->old != 0)
            adb_shard_bury(worker->runs[i]->shard, change->old, change->key);
    }
    return ARMDB_OK;
}

static const char *
path_of(const struct recover_run *run)
{
    return run->hint != NULL ? adb_hint_path(run->hint) : run->file->path;
}

/* Whether an entry can be of an index. */
static bool
fits(const struct hint_entry *entry, const struct shard_index *index)
{
    bool is_variable = index->key_bytes == ARMDB_KEY_VARIABLE;
    uint32_t value_bytes = index->keys.value_bytes;
    if (entry->is_hashed != index->keys.is_hashed)
        return false;
    if (entry->is_variable != is_variable || (!is_variable && entry->key.len != index->key_bytes))
        return false;
    if (entry->is_tombstone)
        return true;
    if ((entry->value != NULL) != (value_bytes != 0))
        return false;
    return value_bytes == 0 || adb_location_value_len(entry->location) == value_bytes;
}

/* Refuses an entry that can't. */
static armdb_err
check_fit(const struct recover_cursor *cursor, const struct shard_index *index)
{
    const struct hint_entry *entry = &cursor->entry;
    if (index == NULL || fits(entry, index))
        return ARMDB_OK;
    return adb_fail_at(ARMDB_CORRUPT, "recover", path_of(cursor->run), 0,
                       "a key of %zu and a value of %" PRIu32
                       " bytes in a collection with keys of %" PRIu32 " and values of %" PRIu32,
                       entry->key.len, adb_location_value_len(entry->location), index->key_bytes,
                       index->keys.value_bytes);
}

/* Says what the newest change is, for a key that is in it. */
static void
set_newest(struct worker *worker, const struct recover_cursor *cursor)
{
    const struct hint_entry *entry = &cursor->entry;
    uint32_t i = worker->n - 1;
    struct adb_change *change = &worker->changes[i];
    uint64_t slot = (uint64_t)cursor->run->file->slot << 48;
    worker->runs[i] = cursor->run;
    worker->places[i] = entry->is_tombstone ? 0 : entry->location;
    change->location = entry->is_tombstone ? 0 : entry->location | slot;
    change->value = NULL;
    if (entry->value != NULL && worker->index != NULL) { /* behind the key, where there is room */
        unsigned char *to = worker->room + worker->used - HINT_VALUE_MAX;
        memcpy(to, entry->value, adb_location_value_len(entry->location));
        change->value = to;
    }
}

/* Begins a change of another key. */
static armdb_err
add_change(struct worker *worker, const struct recover_cursor *cursor)
{
    const struct hint_entry *entry = &cursor->entry;
    const struct shard_origin origin = {cursor->run->file->header.shard, entry->collection_id,
                                        entry->key};
    struct shard_index *index;
    const char *why_not = worker->apply->find(worker->apply->context, &origin, &index);
    if (why_not != NULL)
        return adb_fail_at(ARMDB_CORRUPT, "recover", path_of(cursor->run), 0, "%s", why_not);
    ADB_TRY(check_fit(cursor, index));
    size_t bytes = entry->key.len;
    if (index != NULL && index->keys.value_bytes != 0)
        bytes += HINT_VALUE_MAX;
    if (worker->n == CHANGES || worker->used + bytes > ROOM_BYTES || index != worker->index)
        ADB_TRY(make_changes(worker));
    worker->index = index;
    worker->collection_id = entry->collection_id;
    worker->newest_head = cursor->head;
    unsigned char *key = worker->room + worker->used;
    memcpy(key, entry->key.data, entry->key.len);
    worker->used += bytes;
    worker->changes[worker->n++].key = (armdb_slice){key, entry->key.len};
    set_newest(worker, cursor);
    return ARMDB_OK;
}

/* Takes the next entry in order. */
static armdb_err
take(struct worker *worker, const struct recover_cursor *cursor)
{
    const struct hint_entry *entry = &cursor->entry;
    if (worker->n == 0)
        return add_change(worker, cursor);
    uint32_t i = worker->n - 1;
    const armdb_slice key = worker->changes[i].key;
    int order = adb_recover_compare(entry->collection_id, cursor->head, entry->key,
                                    worker->collection_id, worker->newest_head, key);
    if (ADB_UNLIKELY(order < 0))
        return adb_fail_at(ARMDB_CORRUPT, "recover", path_of(cursor->run), 0,
                           "entries of a hint that are not in order");
    if (order > 0)
        return add_change(worker, cursor);
    ADB_TRY(check_fit(cursor, worker->index));
    if (ADB_UNLIKELY(cursor->run->shard != worker->runs[i]->shard))
        return adb_fail_at(ARMDB_CORRUPT, "recover", path_of(cursor->run), 0,
                           "a key that belongs to another shard");
    if (worker->places[i] != 0)
        count_dead(worker->runs[i], worker->places[i], key);
    set_newest(worker, cursor);
    return ARMDB_OK;
}

static armdb_err
do_part(struct worker *worker, const struct parts *parts, uint32_t part)
{
    const struct recover_apply *apply = worker->apply;
    struct recover_merge *merge;
    const struct recover_cursor *cursor;
    ADB_TRY(adb_merge_begin(apply->runs, apply->n_runs, begin_of(parts, part),
                            begin_of(parts, part + 1), &merge));
    armdb_err err = ARMDB_OK;
    while (err == ARMDB_OK && (cursor = adb_merge_current(merge)) != NULL) {
        err = take(worker, cursor);
        if (err == ARMDB_OK)
            err = adb_merge_next(merge);
    }
    if (err == ARMDB_OK)
        err = make_changes(worker);
    adb_merge_end(merge);
    return err;
}

/* As adb_thread_for_each() wants it. */
static armdb_err
take_part(void *context, uint32_t part)
{
    struct work *work = (struct work *)context;
    const struct recover_apply *apply = work->apply;
    if (atomic_load_explicit(&work->has_failed, memory_order_relaxed))
        return ARMDB_OK;
    struct worker *worker = adb_new(struct worker);
    armdb_err err = ARMDB_OK;
    if (worker == NULL) {
        err = adb_fail(ARMDB_NO_MEMORY, "recover", "no memory for changes of an index");
    } else {
        worker->apply = apply;
        err = do_part(worker, &work->parts, part);
        adb_spare_fini(&worker->spare, apply->runs[0]->shard->pages);
    }
    adb_mem_free(worker);
    if (err != ARMDB_OK) {
        atomic_store_explicit(&work->has_failed, true, memory_order_relaxed);
        return err;
    }
    adb_mutex_lock(&work->lock);
    apply->on_part(apply->part_context, ++work->done, work->parts.n);
    adb_mutex_unlock(&work->lock);
    return ARMDB_OK;
}

armdb_err
adb_recover_apply(const struct recover_apply *apply)
{
    struct work work = {.apply = apply};
    if (apply->n_runs == 0)
        return ARMDB_OK;
    adb_mutex_init(&work.lock);
    armdb_err err = cut(apply, &work.parts);
    if (err == ARMDB_OK)
        err = adb_thread_for_each(apply->n_threads, work.parts.n, take_part, &work);
    adb_mem_free(work.parts.samples);
    adb_mutex_fini(&work.lock);
    return err;
}
