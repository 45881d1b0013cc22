#include "shard/recover_run.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"

/* ------------------------------------------------------------------------ runs */

static armdb_err
raise_no_memory(void)
{
    return adb_fail(ARMDB_NO_MEMORY, "recover", "no memory for what is in a log");
}

/* An array with room for one more; `*array` has `count` elements, all it has room for. */
static armdb_err
grow(void **array, uint32_t *capacity, size_t element_bytes)
{
    uint32_t wanted = *capacity == 0 ? 8 : 2 * *capacity;
    void *grown = adb_mem_realloc(*array, wanted * element_bytes);
    if (grown == NULL)
        return raise_no_memory();
    *array = grown;
    *capacity = wanted;
    return ARMDB_OK;
}

static armdb_err
add_run(struct recover_runs *runs, const struct recover_run *run)
{
    void *array = runs->run;
    if (runs->count == runs->capacity)
        ADB_TRY(grow(&array, &runs->capacity, sizeof *runs->run));
    runs->run = (struct recover_run *)array;
    runs->run[runs->count++] = *run;
    return ARMDB_OK;
}

armdb_err
adb_runs_add_hint(struct recover_runs *runs, struct shard *shard, struct data_file *file,
                  struct hint_reader *hint)
{
    void *array = runs->hints;
    if (runs->n_hints == runs->hint_capacity) {
        armdb_err err = grow(&array, &runs->hint_capacity, sizeof(struct hint_reader *));
        if (err != ARMDB_OK) {
            adb_hint_close(hint);
            return err;
        }
        runs->hints = (struct hint_reader **)array;
    }
    runs->hints[runs->n_hints++] = hint;
    uint32_t n;
    const uint32_t *segments = adb_hint_segments(hint, &n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t end = i + 1 < n ? segments[i + 1] : adb_hint_header(hint)->chunks;
        const struct recover_run run = {.hash_seed = runs->hash_seed,
                                        .shard = shard,
                                        .file = file,
                                        .hint = hint,
                                        .first = segments[i],
                                        .count = end - segments[i]};
        ADB_TRY(add_run(runs, &run));
    }
    return ARMDB_OK;
}

/* Chunks of a run in memory are grown by doubling: at each power of two there is no more room. */
static armdb_err
make_room(struct recover_run *run)
{
    uint32_t n = run->count;
    if ((n & (n - 1)) != 0)
        return ARMDB_OK;
    void *grown = adb_mem_realloc(run->chunks, (n == 0 ? 1 : 2 * (size_t)n) * sizeof *run->chunks);
    if (grown == NULL)
        return raise_no_memory();
    run->chunks = (unsigned char **)grown;
    return ARMDB_OK;
}

armdb_err
adb_runs_add_chunk(struct recover_runs *runs, struct shard *shard, struct data_file *file,
                   const struct hint_chunk *chunk)
{
    if (adb_hint_begins_segment(chunk->bytes)) {
        const struct recover_run run = {.hash_seed = runs->hash_seed, .shard = shard, .file = file};
        ADB_TRY(add_run(runs, &run));
    }
    struct recover_run *run = &runs->run[runs->count - 1];
    ADB_ASSERT(run->file == file && run->hint == NULL);
    ADB_TRY(make_room(run));
    unsigned char *bytes = (unsigned char *)adb_mem_alloc(chunk->used);
    if (bytes == NULL)
        return raise_no_memory();
    memcpy(bytes, chunk->bytes, chunk->used);
    run->chunks[run->count++] = bytes;
    runs->memory_bytes += chunk->used;
    return ARMDB_OK;
}

void
adb_runs_shrink(struct recover_runs *runs, uint32_t count)
{
    while (runs->count > count) {
        struct recover_run *run = &runs->run[--runs->count];
        for (uint32_t chunk = 0; run->chunks != NULL && chunk < run->count; chunk++)
            adb_mem_free(run->chunks[chunk]);
        adb_mem_free(run->chunks);
    }
}

void
adb_runs_clear(struct recover_runs *runs)
{
    adb_runs_shrink(runs, 0);
    for (uint32_t i = 0; i < runs->n_hints; i++)
        adb_hint_close(runs->hints[i]);
    adb_mem_free(runs->hints);
    adb_mem_free(runs->run);
    *runs = (struct recover_runs){.hash_seed = runs->hash_seed};
}

/* ----------------------------------------------------------------------- order */

uint64_t
adb_recover_head(const struct hint_entry *entry, uint64_t hash_seed)
{
    const armdb_slice key = entry->key;
    unsigned char bytes[8] = {0};
    if (entry->is_hashed)
        return adb_hash(key.data, key.len, hash_seed);
    memcpy(bytes, key.data, key.len < sizeof bytes ? key.len : sizeof bytes);
    return __builtin_bswap64(adb_load_u64(bytes));
}

int
adb_recover_compare(uint32_t a_collection, uint64_t a_head, armdb_slice a, uint32_t b_collection,
                    uint64_t b_head, armdb_slice b)
{
    if (a_collection != b_collection)
        return a_collection < b_collection ? -1 : 1;
    if (a_head != b_head)
        return a_head < b_head ? -1 : 1;
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static int
compare_to(const struct recover_cursor *cursor, const struct recover_place *place)
{
    const struct hint_entry *entry = &cursor->entry;
    return adb_recover_compare(entry->collection_id, cursor->head, entry->key, place->collection_id,
                               place->head, place->key);
}

/* --------------------------------------------------------------------- cursors */

static armdb_err
read_chunk(const struct recover_run *run, uint32_t chunk, unsigned char *to,
           const unsigned char **bytes_out)
{
    *bytes_out = to;
    if (run->hint != NULL)
        return adb_hint_read(run->hint, run->first + chunk, to);
    *bytes_out = run->chunks[chunk];
    return ARMDB_OK;
}

/* Entries in memory were made by ourselves; those of a hint have a right checksum, so somebody made
 * them on purpose. */
static armdb_err
raise_nonsense(const struct recover_run *run)
{
    return adb_fail_at(ARMDB_CORRUPT, "recover",
                       run->hint != NULL ? adb_hint_path(run->hint) : run->file->path, 0,
                       "a hint that makes no sense");
}

/* Whether the record of an entry can be where it says. */
static bool
is_placed(const struct recover_run *run, const struct hint_entry *entry)
{
    uint64_t offset = adb_location_offset(entry->location);
    uint64_t end = run->hint != NULL ? adb_hint_header(run->hint)->data_bytes : UINT64_MAX;
    uint64_t bytes = adb_location_record_bytes(entry->location, entry->key.len);
    return offset >= LOG_FILE_HEADER_BYTES && offset + bytes <= end;
}

static armdb_err
advance(struct recover_cursor *cursor)
{
    const struct recover_run *run = cursor->run;
    for (;;) {
        enum hint_step step = cursor->walk.bytes == NULL
                                  ? HINT_END
                                  : adb_hint_walk_next(&cursor->walk, &cursor->entry);
        if (ADB_LIKELY(step == HINT_ENTRY)) {
            cursor->head = adb_recover_head(&cursor->entry, run->hash_seed);
            return ADB_LIKELY(is_placed(run, &cursor->entry)) ? ARMDB_OK : raise_nonsense(run);
        }
        if (step == HINT_DAMAGED)
            return raise_nonsense(run);
        cursor->is_over = cursor->next_chunk == run->count;
        if (cursor->is_over)
            return ARMDB_OK;
        const unsigned char *bytes;
        ADB_TRY(read_chunk(run, cursor->next_chunk++, cursor->buffer, &bytes));
        adb_hint_walk_begin(&cursor->walk, bytes);
    }
}

armdb_err
adb_run_first(const struct recover_run *run, uint32_t chunk, unsigned char *to,
              struct recover_place *place_out)
{
    struct hint_walk walk;
    struct hint_entry entry;
    const unsigned char *bytes;
    ADB_TRY(read_chunk(run, chunk, to, &bytes));
    adb_hint_walk_begin(&walk, bytes);
    if (adb_hint_walk_next(&walk, &entry) != HINT_ENTRY)
        return raise_nonsense(run);
    *place_out = (struct recover_place){entry.collection_id,
                                        adb_recover_head(&entry, run->hash_seed), entry.key};
    return ARMDB_OK;
}

/* Puts a cursor on the first entry that is not less than `from`. */
static armdb_err
seek(struct recover_cursor *cursor, const struct recover_place *from)
{
    uint32_t low = 0; /* its first entry is less, or it is the first chunk */
    uint32_t high = cursor->run->count;
    while (from != NULL && high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        struct recover_place first = *from;
        ADB_TRY(adb_run_first(cursor->run, middle, cursor->buffer, &first));
        if (adb_recover_compare(first.collection_id, first.head, first.key, from->collection_id,
                                from->head, from->key) < 0)
            low = middle;
        else
            high = middle;
    }
    cursor->next_chunk = low;
    do {
        ADB_TRY(advance(cursor));
    } while (from != NULL && !cursor->is_over && compare_to(cursor, from) < 0);
    return ARMDB_OK;
}

/* --------------------------------------------------------------------- merging
 *
 * A tournament: loser[i] of an inner place i is the cursor that lost there, loser[0] the winner of
 * all; cursor c enters at place (c + n) / 2. */

struct recover_merge {
    const struct recover_place *to; /* borrowed */
    struct recover_cursor *cursors; /* owned */
    uint32_t *loser;                /* owned */
    uint32_t n;
};

static bool
is_before(const struct recover_merge *merge, uint32_t a, uint32_t b)
{
    const struct recover_cursor *x = &merge->cursors[a];
    const struct recover_cursor *y = &merge->cursors[b];
    if (x->is_over || y->is_over)
        return !x->is_over;
    int order = adb_recover_compare(x->entry.collection_id, x->head, x->entry.key,
                                    y->entry.collection_id, y->head, y->entry.key);
    return order != 0 ? order < 0 : x->number < y->number;
}

/* Lets a cursor play its way up from where it enters. */
static void
play(struct recover_merge *merge, uint32_t cursor)
{
    for (uint32_t at = (cursor + merge->n) / 2; at > 0; at /= 2) {
        if (is_before(merge, merge->loser[at], cursor)) {
            uint32_t winner = merge->loser[at];
            merge->loser[at] = cursor;
            cursor = winner;
        }
    }
    merge->loser[0] = cursor;
}

/* The winner of the places below `at`; fills in who lost there. */
static uint32_t
play_all(struct recover_merge *merge, uint32_t at)
{
    if (at >= merge->n)
        return at - merge->n;
    uint32_t left = play_all(merge, 2 * at);
    uint32_t right = play_all(merge, 2 * at + 1);
    bool is_left = is_before(merge, left, right);
    merge->loser[at] = is_left ? right : left;
    return is_left ? left : right;
}

static armdb_err
open_cursors(struct recover_merge *merge, const struct recover_run *const *runs,
             const struct recover_place *from)
{
    merge->cursors = adb_new_array(struct recover_cursor, merge->n);
    merge->loser = adb_new_array(uint32_t, merge->n);
    if (merge->cursors == NULL || merge->loser == NULL)
        return raise_no_memory();
    for (uint32_t i = 0; i < merge->n; i++) {
        struct recover_cursor *cursor = &merge->cursors[i];
        cursor->run = runs[i];
        cursor->number = i;
        if (runs[i]->hint != NULL) {
            cursor->buffer = (unsigned char *)adb_mem_alloc(HINT_CHUNK_BYTES);
            if (cursor->buffer == NULL)
                return raise_no_memory();
        }
        ADB_TRY(seek(cursor, from));
    }
    merge->loser[0] = merge->n == 1 ? 0 : play_all(merge, 1);
    return ARMDB_OK;
}

armdb_err
adb_merge_begin(const struct recover_run *const *runs, uint32_t n_runs,
                const struct recover_place *from, const struct recover_place *to,
                struct recover_merge **merge_out)
{
    struct recover_merge *merge = adb_new(struct recover_merge);
    *merge_out = NULL;
    if (merge == NULL)
        return raise_no_memory();
    merge->to = to;
    merge->n = n_runs;
    armdb_err err = n_runs == 0 ? ARMDB_OK : open_cursors(merge, runs, from);
    if (err != ARMDB_OK) {
        adb_merge_end(merge);
        return err;
    }
    *merge_out = merge;
    return ARMDB_OK;
}

const struct recover_cursor *
adb_merge_current(const struct recover_merge *merge)
{
    if (merge->n == 0)
        return NULL;
    const struct recover_cursor *cursor = &merge->cursors[merge->loser[0]];
    if (cursor->is_over || (merge->to != NULL && compare_to(cursor, merge->to) >= 0))
        return NULL;
    return cursor;
}

armdb_err
adb_merge_next(struct recover_merge *merge)
{
    uint32_t winner = merge->loser[0];
    ADB_TRY(advance(&merge->cursors[winner]));
    if (merge->n > 1)
        play(merge, winner);
    return ARMDB_OK;
}

void
adb_merge_end(struct recover_merge *merge)
{
    if (merge == NULL)
        return;
    for (uint32_t i = 0; merge->cursors != NULL && i < merge->n; i++)
        adb_mem_free(merge->cursors[i].buffer);
    adb_mem_free(merge->cursors);
    adb_mem_free(merge->loser);
    adb_mem_free(merge);
}
