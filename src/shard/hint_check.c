#include "shard/hint_check.h"

#include "base/err.h"
#include "base/mem.h"

armdb_err
adb_hint_check_begin(struct hint_check *check, struct data_file *file, const char *directory,
                     bool is_newest, uint64_t hash_seed)
{
    const char *why_not;
    struct hint_reader *hint;
    *check = (struct hint_check){.file = file};
    check->told.hash_seed = hash_seed;
    check->seen.hash_seed = hash_seed;
    ADB_TRY(adb_hint_open(file, directory, is_newest, &hint, &why_not));
    if (hint == NULL && why_not != NULL && why_not != adb_hint_is_stale)
        return adb_fail_at(ARMDB_CORRUPT, "verify", file->path, 0, "its hint is of no use: %s",
                           why_not);
    if (hint == NULL)
        return ARMDB_OK;
    check->hint = hint;
    return adb_runs_add_hint(&check->told, NULL, file, hint);
}

/* An adb_hint_chunk_fn. */
static armdb_err
keep_chunk(void *context, struct hint_chunk *chunk)
{
    struct hint_check *check = (struct hint_check *)context;
    return adb_runs_add_chunk(&check->seen, NULL, check->file, chunk);
}

armdb_err
adb_hint_check_record(struct hint_check *check, const struct log_scan_record *found,
                      const struct shard_index *index)
{
    if (check->hint == NULL || found->offset >= adb_hint_header(check->hint)->data_bytes)
        return ARMDB_OK;
    if (check->build == NULL) {
        check->build = adb_hint_build_new(adb_hint_header(check->hint)->data_bytes, keep_chunk,
                                          check);
        if (check->build == NULL)
            return ARMDB_NO_MEMORY;
    }
    const struct hint_collection collection = adb_shard_describe_index(index);
    return adb_hint_build_add(check->build, found, index != NULL ? &collection : NULL);
}

/* The newest entry of a key, copied. */
struct newest {
    bool is_over;
    struct hint_entry entry;
    uint64_t head;
    unsigned char room[ARMDB_KEY_MAX + HINT_VALUE_MAX];
};

static void
copy(struct newest *newest, const struct recover_cursor *cursor)
{
    newest->entry = cursor->entry;
    newest->head = cursor->head;
    memcpy(newest->room, cursor->entry.key.data, cursor->entry.key.len);
    newest->entry.key.data = newest->room;
    if (cursor->entry.value == NULL)
        return;
    memcpy(newest->room + ARMDB_KEY_MAX, cursor->entry.value,
           adb_location_value_len(cursor->entry.location));
    newest->entry.value = newest->room + ARMDB_KEY_MAX;
}

static int
compare(const struct newest *a, const struct hint_entry *b, uint64_t b_head)
{
    return adb_recover_compare(a->entry.collection_id, a->head, a->entry.key, b->collection_id,
                               b_head, b->key);
}

/* Takes all entries of the next key out. */
static armdb_err
take_key(struct recover_merge *merge, struct newest *newest)
{
    const struct recover_cursor *cursor = adb_merge_current(merge);
    newest->is_over = cursor == NULL;
    while (cursor != NULL) {
        copy(newest, cursor);
        ADB_TRY(adb_merge_next(merge));
        cursor = adb_merge_current(merge);
        if (cursor != NULL && compare(newest, &cursor->entry, cursor->head) != 0)
            break;
    }
    return ARMDB_OK;
}

/* Whether the key may be in an index: its collection may have been dropped since the hint was
 * written, or the record was met. */
static bool
is_live(const struct hint_check *check, const struct shard_origins *origins,
        const struct newest *newest)
{
    const struct shard_origin origin = {check->file->header.shard, newest->entry.collection_id,
                                        newest->entry.key};
    struct shard_index *index;
    return origins->find(origins->context, &origin, &index) != NULL || index != NULL;
}

/* Of two entries of one key. */
static bool
is_same(const struct newest *told, const struct newest *seen)
{
    if (adb_hint_word(&told->entry) != adb_hint_word(&seen->entry))
        return false;
    return told->entry.value == NULL || memcmp(told->entry.value, seen->entry.value,
                                               adb_location_value_len(told->entry.location)) == 0;
}

static armdb_err
raise_difference(const struct hint_check *check, const struct newest *told,
                 const struct newest *seen)
{
    uint64_t location = seen->is_over ? told->entry.location : seen->entry.location;
    return adb_fail_at(ARMDB_CORRUPT, "verify", adb_hint_path(check->hint), 0,
                       "the hint says something else than the data file, of the record at %llu",
                       (unsigned long long)adb_location_offset(location));
}

static armdb_err
begin_merge(const struct recover_runs *runs, struct recover_merge **merge_out)
{
    *merge_out = NULL;
    const struct recover_run **all = adb_new_array(const struct recover_run *,
                                                   (size_t)runs->count + 1);
    if (all == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "verify", "no memory for what is in a hint");
    for (uint32_t i = 0; i < runs->count; i++)
        all[i] = &runs->run[i];
    armdb_err err = adb_merge_begin(all, runs->count, NULL, NULL, merge_out);
    adb_mem_free(all);
    return err;
}

static armdb_err
compare_all(const struct hint_check *check, const struct shard_origins *origins,
            struct recover_merge *told, struct recover_merge *seen)
{
    struct newest by_hint;
    struct newest by_scan;
    ADB_TRY(take_key(told, &by_hint));
    ADB_TRY(take_key(seen, &by_scan));
    while (!by_hint.is_over || !by_scan.is_over) {
        int order = by_hint.is_over ? 1 : -1;
        if (!by_hint.is_over && !by_scan.is_over)
            order = compare(&by_hint, &by_scan.entry, by_scan.head);
        if ((order != 0 || !is_same(&by_hint, &by_scan)) &&
            is_live(check, origins, order <= 0 ? &by_hint : &by_scan))
            return raise_difference(check, &by_hint, &by_scan);
        if (order <= 0)
            ADB_TRY(take_key(told, &by_hint));
        if (order >= 0)
            ADB_TRY(take_key(seen, &by_scan));
    }
    return ARMDB_OK;
}

armdb_err
adb_hint_check_end(struct hint_check *check, const struct shard_origins *origins)
{
    struct recover_merge *told = NULL;
    struct recover_merge *seen = NULL;
    if (check->hint == NULL)
        return ARMDB_OK;
    const struct hint_header *header = adb_hint_header(check->hint);
    struct hint_build *build = check->build;
    if (build != NULL)
        ADB_TRY(adb_hint_build_end(build));
    if (header->records != (build != NULL ? build->records : 0) ||
        header->tombstone_bytes != (build != NULL ? build->tombstone_bytes : 0) ||
        header->group_bytes != (build != NULL ? build->group_bytes : 0))
        return adb_fail_at(ARMDB_CORRUPT, "verify", adb_hint_path(check->hint), 0,
                           "the hint counts other records than the data file has");
    armdb_err err = begin_merge(&check->told, &told);
    if (err == ARMDB_OK)
        err = begin_merge(&check->seen, &seen);
    if (err == ARMDB_OK)
        err = compare_all(check, origins, told, seen);
    adb_merge_end(seen);
    adb_merge_end(told);
    return err;
}

void
adb_hint_check_fini(struct hint_check *check)
{
    adb_hint_build_free(check->build);
    adb_runs_clear(&check->seen);
    adb_runs_clear(&check->told);
    *check = (struct hint_check){0};
}
