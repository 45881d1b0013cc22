/*
 * shard_recover.c: what is in the files of a log, from hints where they are right, else by
 * scanning; and settling how the log ends. recover.c brings it into the indexes in between.
 *
 * All files are looked at before anything on disk is changed, so that a damaged shard is left as it
 * was found. docs/recovery.md lists each crash point and what is found then.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "shard/shard_load.h"

/* ---------------------------------------------------------------------- checks */

armdb_err
adb_shard_find_index(const struct shard_origins *origins, const struct data_file *file,
                     const struct log_scan_record *found, struct shard_index **index_out)
{
    const struct log_record *record = &found->record;
    const char *path = file->path;
    const struct shard_origin origin = {file->header.shard, record->collection_id, found->key};
    const char *why_not = origins->find(origins->context, &origin, index_out);
    if (why_not != NULL)
        return adb_fail_at(ARMDB_CORRUPT, "recover", path, found->offset, "%s", why_not);
    const struct shard_index *index = *index_out;
    if (index == NULL)
        return ARMDB_OK;
    if (index->key_bytes != ARMDB_KEY_VARIABLE && index->key_bytes != record->key_len)
        return adb_fail_at(ARMDB_CORRUPT, "recover", path, found->offset,
                           "a key of %" PRIu32 " bytes in a collection with keys of %" PRIu32,
                           record->key_len, index->key_bytes);
    if (record->flags != LOG_FLAG_TOMBSTONE && index->keys.value_bytes != 0 &&
        index->keys.value_bytes != record->value_len)
        return adb_fail_at(ARMDB_CORRUPT, "recover", path, found->offset,
                           "a value of %" PRIu32 " bytes in a collection with values of %" PRIu32,
                           record->value_len, index->keys.value_bytes);
    return ARMDB_OK;
}

armdb_err
adb_shard_raise_damage(const struct data_file *file, const struct log_scan_result *result)
{
    return adb_fail_at(ARMDB_CORRUPT, "recover", file->path, result->damaged_at, "%s",
                       result->message);
}

/*
 * A torn end has whole records behind it if the power failed and sectors reached the device out of
 * order. If it did not fail, all that was written is there, and something else has made the hole.
 */
armdb_err
adb_shard_check_torn_end(const struct data_file *file, const struct log_scan_result *result,
                         bool is_same_boot)
{
    if (result->how != LOG_SCAN_TORN || !is_same_boot || !result->has_records_behind)
        return ARMDB_OK;
    return adb_fail_at(ARMDB_CORRUPT, "recover", file->path, result->end,
                       "a damaged record with whole ones behind it, and the power has not failed");
}

armdb_err
adb_shard_check_newest(const struct data_file *file)
{
    if (!file->header.is_copy)
        return ARMDB_OK;
    return adb_fail_at(ARMDB_CORRUPT, "recover", file->path, 0,
                       "the files behind it are missing: a copy is never the newest file of a log");
}

/* ------------------------------------------------------------------------ load */

/* Where the records of a file go. */
struct taker {
    struct shard_load *load;
    struct data_file *file;
    struct hint_build *build; /* owned; NULL: no record yet */
};

/* An adb_hint_chunk_fn. */
static armdb_err
keep_chunk(void *context, struct hint_chunk *chunk)
{
    const struct taker *taker = (const struct taker *)context;
    return adb_runs_add_chunk(&taker->load->runs, taker->load->shard, taker->file, chunk);
}

/* An adb_scan_fn. */
static armdb_err
take_record(void *context, const struct log_scan_record *found)
{
    struct taker *taker = (struct taker *)context;
    struct shard_index *index;
    ADB_TRY(adb_shard_find_index(&taker->load->origins, taker->file, found, &index));
    if (taker->build == NULL) {
        taker->build = adb_hint_build_new(taker->file->end, keep_chunk, taker);
        if (taker->build == NULL)
            return ARMDB_NO_MEMORY;
    }
    const struct log_record *record = &found->record;
    if (record->deadline_ms != 0)
        adb_deadlines_count(&taker->file->deadlines, adb_os_wall_ms(taker->load->shard->os),
                            record->deadline_ms, adb_log_record_bytes(record));
    const struct hint_collection collection = adb_shard_describe_index(index);
    return adb_hint_build_add(taker->build, found, index != NULL ? &collection : NULL);
}

static void
count(struct data_file *file, uint64_t dead_bytes, uint64_t tombstone_bytes)
{
    atomic_fetch_add_explicit(&file->dead_bytes, dead_bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&file->tombstone_bytes, tombstone_bytes, memory_order_relaxed);
}

static armdb_err
end_taking(struct taker *taker)
{
    struct hint_build *build = taker->build;
    if (build == NULL)
        return ARMDB_OK;
    ADB_TRY(adb_hint_build_end(build));
    count(taker->file, build->dead_bytes, build->tombstone_bytes);
    return ARMDB_OK;
}

/*
 * Goes on with what a killed process had in its write buffer. Lack of space for it is an error like
 * any other: it was promised.
 */
static armdb_err
salvage_buffer(struct taker *taker, struct log_scan_result *result)
{
    const struct shard *shard = taker->load->shard;
    struct data_file *file = taker->file;
    uint64_t bytes;
    do { /* a window may go on where the other ends, or where what a power cut has left does */
        uint64_t end = result->end;
        ADB_TRY(adb_log_buffer_salvage(shard->os, shard->path, file, result, &bytes));
        if (bytes == 0)
            return ARMDB_OK;
        ADB_TRY(adb_log_scan_on(file, take_record, taker, result));
        if (result->how == LOG_SCAN_DAMAGED)
            return adb_shard_raise_damage(file, result);
        if (result->end == end)
            return adb_fail_at(ARMDB_IO, "recover", file->path, end,
                               "what was just written cannot be read");
    } while (!result->is_sealed);
    return ARMDB_OK;
}

/* Takes the hint of a file, if it has a right one. */
static armdb_err
load_hint(struct shard_load *load, struct data_file *file, bool is_newest, bool *is_there_out)
{
    struct hint_reader *hint;
    const char *why_not;
    *is_there_out = false;
    if (file->header.base_sequence != load->shard->writer.sequence)
        return ARMDB_OK; /* the scan will say so */
    /* What a copy has replaced is still there, and is only removed if the copy is whole. */
    if (file->header.is_copy && load->shard->found.n_replaced != 0)
        return ARMDB_OK;
    armdb_err err = adb_hint_open(file, load->shard->path, is_newest, &hint, &why_not);
    if (err == ARMDB_NO_MEMORY)
        return err;
    if (hint == NULL) /* whatever it is, the data file says the same */
        return ARMDB_OK;
    const struct hint_header *header = adb_hint_header(hint);
    adb_hint_get_end(hint, &load->result);
    load->result.is_newest = is_newest;
    count(file, header->dead_bytes, header->tombstone_bytes);
    file->hint_bytes = header->data_bytes;
    file->deadlines.is_unknown = header->has_deadlines;
    *is_there_out = true;
    return adb_runs_add_hint(&load->runs, load->shard, file, hint);
}

static armdb_err
read_records(struct shard_load *load, struct taker *taker, bool is_newest)
{
    struct data_file *file = taker->file;
    struct log_scan_result *result = &load->result;
    bool is_hinted;
    ADB_TRY(load_hint(load, file, is_newest, &is_hinted));
    if (!is_hinted)
        ADB_TRY(adb_log_scan(file, is_newest, load->shard->writer.sequence, take_record, taker,
                             result));
    else if (is_newest)
        ADB_TRY(adb_log_scan_on(file, take_record, taker, result));
    if (result->how == LOG_SCAN_DAMAGED)
        return adb_shard_raise_damage(file, result);
    if (is_newest && !result->is_sealed && !ADB_PLANTED(PLANT_BUFFER_FORGOTTEN))
        ADB_TRY(salvage_buffer(taker, result));
    return end_taking(taker);
}

/* Takes what is known of a file once it was read. */
static void
note_end(struct shard_load *load)
{
    const struct log_scan_result *result = &load->result;
    struct data_file *file = load->file;
    file->end = result->end;
    file->marked = result->marked;
    file->marked_at = result->marked_at;
    file->is_sealed = result->is_sealed;
    atomic_store_explicit(&file->written, result->end, memory_order_release);
    atomic_store_explicit(&file->group_bytes, result->group_bytes, memory_order_relaxed);
    load->shard->writer.sequence = result->sequence;
    load->records += result->records;
}

/* Reads what is in the next file of the log. */
static armdb_err
load_file(struct shard_load *load)
{
    struct shard *shard = load->shard;
    struct log_file_header expected = shard->identity;
    struct data_file *file;
    bool is_newest = load->next + 1 == shard->found.count;
    load->read_bytes += shard->found.files[load->next].bytes;
    expected.file_id = shard->found.files[load->next].header.file_id;
    ADB_TRY(adb_data_file_open(shard->os, shard->path, &expected, ADB_OPEN_READ_WRITE, &file));
    adb_shard_add_file(shard, file);
    load->file = file;
    if (is_newest) {
        ADB_TRY(adb_shard_check_newest(file));
        file->groups = &load->groups;
    }
    struct taker taker = {.load = load, .file = file};
    armdb_err err = read_records(load, &taker, is_newest);
    adb_hint_build_free(taker.build);
    ADB_TRY(err);
    ADB_TRY(adb_shard_check_torn_end(file, &load->result, shard->is_same_boot));
    note_end(load);
    load->next++;
    return ARMDB_OK;
}

armdb_err
adb_shard_load_begin(struct shard_load *load)
{
    struct shard *shard = load->shard;
    struct shard_listing *listing = &shard->found;
    ADB_TRY(adb_shard_list(shard->os, shard->path, true, listing));
    ADB_TRY(adb_shard_arrange(shard->os, shard->path, &shard->identity, false, listing));
    ADB_ASSERT(listing->count > 0);
    if (listing->count > LOCATION_SLOTS)
        return adb_fail_at(ARMDB_LIMIT, "recover", shard->path, 0,
                           "%" PRIu32 " data files, %d at most", listing->count, LOCATION_SLOTS);
    for (uint32_t i = 0; i < listing->count; i++)
        load->log_bytes += listing->files[i].bytes;
    return ARMDB_OK;
}

armdb_err
adb_shard_load_some(struct shard_load *load, uint64_t memory_limit)
{
    while (!adb_shard_load_is_over(load) && load->runs.memory_bytes <= memory_limit)
        ADB_TRY(load_file(load));
    return ARMDB_OK;
}

bool
adb_shard_load_is_over(const struct shard_load *load)
{
    return load->next + 1 == load->shard->found.count;
}

armdb_err
adb_shard_load_newest(struct shard_load *load)
{
    load->runs_before = load->runs.count;
    return load_file(load);
}

void
adb_shard_load_fini(struct shard_load *load)
{
    adb_runs_clear(&load->runs);
    adb_log_groups_fini(&load->groups);
}

/* --------------------------------------------------------------------- batches */

/* The newest record that is to stay. */
static uint64_t
last_kept(const struct shard_load *load)
{
    return load->cut_at != 0 ? load->cut_sequence : load->result.sequence;
}

static bool
is_whole(const struct shard_load *loads, uint32_t n_shards, const struct shard_load *load,
         const struct log_groups_part *part)
{
    for (uint32_t i = 0; i < part->count; i++) {
        const struct log_participant *other = &load->groups.participants[part->first + i];
        /* What has that number there is the end of the part: all of them were written under all
         * locks, and numbers are used anew only behind a cut. */
        if (other->shard >= n_shards || last_kept(&loads[other->shard]) < other->sequence)
            return false;
    }
    return true;
}

/* Looks for the first batch in a log that is not whole; says whether there is one. */
static bool
find_cut(const struct shard_load *loads, uint32_t n_shards, struct shard_load *load)
{
    for (uint32_t i = 0; i < load->groups.count; i++) {
        const struct log_groups_part *part = &load->groups.parts[i];
        if (load->cut_at != 0 && part->at >= load->cut_at)
            return false;
        if (!is_whole(loads, n_shards, load, part)) {
            load->cut_at = part->at;
            load->cut_sequence = part->sequence;
            return true;
        }
    }
    return false;
}

armdb_err
adb_shard_load_match(struct shard_load *loads, uint32_t n_shards)
{
    bool is_changed = true;
    for (uint32_t i = 0; i < n_shards; i++) {
        const struct log_scan_result *result = &loads[i].result;
        if (adb_log_scan_is_in_part(result)) {
            loads[i].cut_at = result->part.at;
            loads[i].cut_sequence = result->part.sequence;
        }
    }
    while (is_changed) { /* a cut may take away a part of another batch */
        is_changed = false;
        for (uint32_t i = 0; i < n_shards; i++)
            is_changed = find_cut(loads, n_shards, &loads[i]) || is_changed;
    }
    for (uint32_t i = 0; i < n_shards; i++) {
        if (loads[i].cut_at != 0 && loads[i].cut_at < loads[i].result.marked)
            return adb_fail_at(ARMDB_CORRUPT, "recover", loads[i].file->path, loads[i].cut_at,
                               "a batch that was whole is not any more: a log lacks its end");
    }
    return ARMDB_OK;
}

armdb_err
adb_shard_load_cut(struct shard_load *load)
{
    struct log_scan_result *result = &load->result;
    struct data_file *file = load->file;
    if (load->cut_at == 0)
        return ARMDB_OK;
    load->cut_bytes += result->size - load->cut_at;
    ADB_TRY(adb_file_truncate(file->file, load->cut_at));
    adb_runs_shrink(&load->runs, load->runs_before);
    atomic_store_explicit(&file->dead_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&file->tombstone_bytes, 0, memory_order_relaxed);
    file->deadlines = (struct deadlines){0};
    file->hint_bytes = 0;
    file->groups = NULL;
    load->records -= result->records;
    struct taker taker = {.load = load, .file = file};
    armdb_err err = adb_log_scan(file, true, file->header.base_sequence, take_record, &taker,
                                 result);
    if (err == ARMDB_OK && (result->how != LOG_SCAN_WHOLE || result->end != load->cut_at))
        err = adb_fail_at(ARMDB_IO, "recover", file->path, result->end,
                          "what was just read cannot be read any more");
    if (err == ARMDB_OK)
        err = end_taking(&taker);
    adb_hint_build_free(taker.build);
    if (err == ARMDB_OK)
        note_end(load);
    return err;
}

/* ---------------------------------------------------------------------- settle */

enum { REWRITE_BYTES = 256 * 1024 };

/*
 * Writes what no MARK vouches for once more. After a failed sync Linux keeps showing the data to
 * readers, but takes it for written, so that a later sync would succeed without it: only a new
 * write makes it dirty again. Whether there was such a failure, in a process that is gone, nobody
 * knows. (Of a log that was closed well this is only its last MARK: its own sync may be the one
 * that failed.)
 */
static armdb_err
rewrite_unproven(struct data_file *file, const struct log_scan_result *result)
{
    if (result->marked >= result->end)
        return ARMDB_OK;
    unsigned char *bytes = (unsigned char *)adb_mem_alloc(REWRITE_BYTES);
    if (bytes == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "recover", "no memory for %d bytes", REWRITE_BYTES);
    armdb_err err = ARMDB_OK;
    uint64_t at = result->marked;
    while (err == ARMDB_OK && at < result->end) {
        uint64_t left = result->end - at;
        struct iovec iov = {bytes, left < REWRITE_BYTES ? (size_t)left : REWRITE_BYTES};
        size_t done = 0;
        err = adb_file_read(file->file, &iov, 1, at, &done);
        if (err == ARMDB_OK && done < iov.iov_len)
            err = adb_fail_at(ARMDB_IO, "recover", file->path, at, "the file has shrunk");
        if (err == ARMDB_OK)
            err = adb_file_write(file->file, &iov, 1, at, &done);
        at += iov.iov_len;
    }
    adb_mem_free(bytes);
    return err;
}

/*
 * Cuts what is behind the last whole record of the newest file, and syncs: what was read may have
 * been with the system only (written before a kill, but never synced), and a cut that is not
 * durable before new records follow could let old bytes come back behind them.
 */
static armdb_err
settle_newest(struct data_file *file, const struct log_scan_result *result)
{
    if (result->end < result->size && !ADB_PLANTED(PLANT_CUT_LEFT_OUT))
        ADB_TRY(adb_file_truncate(file->file, result->end));
    ADB_TRY(rewrite_unproven(file, result));
    if (!ADB_PLANTED(PLANT_CUT_UNSYNCED))
        ADB_TRY(adb_file_sync(file->file));
    file->allocated = result->end;
    atomic_store_explicit(&file->synced, result->end, memory_order_release);
    return ARMDB_OK;
}

armdb_err
adb_shard_load_settle(struct shard_load *load)
{
    struct shard *shard = load->shard;
    const struct log_scan_result *result = &load->result;
    struct data_file *newest = load->file;
    if (result->how == LOG_SCAN_TORN)
        load->cut_bytes += result->size - result->end;
    /* A killed process may have named the newest file without syncing the name. */
    ADB_TRY(adb_os_sync_dir(shard->os, shard->path));
    ADB_TRY(settle_newest(newest, result));
    newest->groups = NULL;
    adb_shard_note_synced(shard, shard->writer.sequence);
    adb_log_writer_use(&shard->writer, newest);
    if (shard->found.newest_id > shard->newest_file_id)
        shard->newest_file_id = shard->found.newest_id; /* of a file that was replaced */
    (void)adb_shard_plan_reserve(shard);
    return ARMDB_OK;
}
