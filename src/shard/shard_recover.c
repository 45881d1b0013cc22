/*
 * shard_recover.c: from the files of a log to its index, and checking them without one.
 *
 * All files are scanned before anything on disk is changed, so that a damaged shard is left as it
 * was found. docs/recovery.md lists each crash point and what is found then.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "shard/shard_private.h"

/* ----------------------------------------------------------- records to index */

struct applier {
    struct shard *shard; /* NULL: check only */
    struct data_file *file;
    adb_find_index_fn find;
    void *context;
};

/* The index that a record belongs to; NULL if its collection was dropped. */
static armdb_err
find_index(const struct applier *applier, const struct log_scan_record *found,
           struct shard_index **index_out)
{
    const struct log_record *record = &found->record;
    const char *path = applier->file->path;
    const struct shard_origin origin = {applier->file->header.shard, record->collection_id,
                                        found->key};
    const char *why_not = applier->find(applier->context, &origin, index_out);
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

static void
count(_Atomic(uint64_t) *counter, uint64_t bytes)
{
    atomic_fetch_add_explicit(counter, bytes, memory_order_relaxed);
}

static armdb_err
apply_record(void *context, const struct log_scan_record *found)
{
    struct applier *applier = (struct applier *)context;
    struct shard *shard = applier->shard;
    const struct log_record *record = &found->record;
    struct shard_index *index;
    uint64_t old;
    ADB_TRY(find_index(applier, found, &index));
    if (shard == NULL)
        return ARMDB_OK;
    uint64_t bytes = adb_log_record_bytes(record);
    bool is_tombstone = record->flags == LOG_FLAG_TOMBSTONE;
    if (is_tombstone)
        count(&applier->file->tombstone_bytes, bytes);
    else if (index == NULL)
        count(&applier->file->dead_bytes, bytes);
    if (index == NULL)
        return ARMDB_OK;
    if (is_tombstone) {
        old = adb_index_remove(&index->keys, found->key);
    } else {
        if (record->deadline_ms != 0)
            adb_deadlines_count(&applier->file->deadlines, adb_os_wall_ms(shard->os),
                                record->deadline_ms, bytes);
        uint64_t location = adb_location_of(applier->file->slot, found->offset, record);
        ADB_TRY(adb_index_prepare(&index->keys, found->key, &shard->spare));
        old = adb_index_put(&index->keys, found->key, location,
                            index->keys.value_bytes != 0 ? found->value : NULL, &shard->spare);
    }
    if (old != 0)
        adb_shard_bury(shard, old, found->key);
    return ARMDB_OK;
}

/* -------------------------------------------------------------------- recover */

static armdb_err
raise_damage(const struct data_file *file, const struct log_scan_result *result)
{
    return adb_fail_at(ARMDB_CORRUPT, "recover", file->path, result->damaged_at, "%s",
                       result->message);
}

/*
 * A torn end has whole records behind it if the power failed and sectors reached the device out of
 * order. If it did not fail, all that was written is there, and something else has made the hole.
 */
static armdb_err
check_torn_end(const struct data_file *file, const struct log_scan_result *result,
               bool is_same_boot)
{
    if (result->how != LOG_SCAN_TORN || !is_same_boot || !result->has_records_behind)
        return ARMDB_OK;
    return adb_fail_at(ARMDB_CORRUPT, "recover", file->path, result->end,
                       "a damaged record with whole ones behind it, and the power has not failed");
}

/*
 * Goes on with what a killed process had in its write buffer. Lack of space for it is an error like
 * any other: it was promised.
 */
static armdb_err
salvage_buffer(struct shard *shard, struct applier *applier, struct log_scan_result *result)
{
    uint64_t bytes;
    do { /* a window may go on where the other ends, or where what a power cut has left does */
        uint64_t end = result->end;
        ADB_TRY(adb_log_buffer_salvage(shard->os, shard->path, applier->file, result, &bytes));
        if (bytes == 0)
            return ARMDB_OK;
        ADB_TRY(adb_log_scan_on(applier->file, apply_record, applier, result));
        if (result->how == LOG_SCAN_DAMAGED)
            return raise_damage(applier->file, result);
        if (result->end == end)
            return adb_fail_at(ARMDB_IO, "recover", applier->file->path, end,
                               "what was just written cannot be read");
    } while (!result->is_sealed);
    return ARMDB_OK;
}

/* A copy always has a successor: if there is none, it is gone. */
static armdb_err
check_newest(const struct data_file *file)
{
    if (!file->header.is_copy)
        return ARMDB_OK;
    return adb_fail_at(ARMDB_CORRUPT, "recover", file->path, 0,
                       "the files behind it are missing: a copy is never the newest file of a log");
}

/* Scans one file, the next of its shard. */
static armdb_err
recover_file(struct shard *shard, uint64_t file_id, bool is_newest, struct applier *applier,
             struct log_scan_result *result_out)
{
    struct log_file_header expected = shard->identity;
    struct data_file *file;
    expected.file_id = file_id;
    ADB_TRY(adb_data_file_open(shard->os, shard->path, &expected, ADB_OPEN_READ_WRITE, &file));
    adb_shard_add_file(shard, file);
    if (is_newest)
        ADB_TRY(check_newest(file));
    applier->file = file;
    ADB_TRY(
        adb_log_scan(file, is_newest, shard->writer.sequence, apply_record, applier, result_out));
    if (result_out->how == LOG_SCAN_DAMAGED)
        return raise_damage(file, result_out);
    if (is_newest && !result_out->is_sealed)
        ADB_TRY(salvage_buffer(shard, applier, result_out));
    ADB_TRY(check_torn_end(file, result_out, shard->is_same_boot));
    file->end = result_out->end;
    file->marked = result_out->marked;
    file->marked_at = result_out->marked_at;
    file->is_sealed = result_out->is_sealed;
    atomic_store_explicit(&file->written, result_out->end, memory_order_release);
    shard->writer.sequence = result_out->sequence;
    return ARMDB_OK;
}

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
    if (result->end < result->size)
        ADB_TRY(adb_file_truncate(file->file, result->end));
    ADB_TRY(rewrite_unproven(file, result));
    ADB_TRY(adb_file_sync(file->file));
    file->allocated = result->end;
    atomic_store_explicit(&file->synced, result->end, memory_order_release);
    return ARMDB_OK;
}

static armdb_err
recover_files(struct shard *shard, const struct shard_listing *listing, struct applier *applier,
              struct shard_recovery *recovery)
{
    struct log_scan_result result = {.how = LOG_SCAN_WHOLE};
    ADB_ASSERT(listing->count > 0);
    if (listing->count > LOCATION_SLOTS)
        return adb_fail_at(ARMDB_LIMIT, "recover", shard->path, 0,
                           "%" PRIu32 " data files, %d at most", listing->count, LOCATION_SLOTS);
    for (uint32_t i = 0; i < listing->count; i++) {
        bool is_newest = i + 1 == listing->count;
        ADB_TRY(recover_file(shard, listing->files[i].header.file_id, is_newest, applier, &result));
        recovery->records += result.records;
    }
    if (result.how == LOG_SCAN_TORN)
        recovery->cut_bytes = result.size - result.end;
    /* A killed process may have named the newest file without syncing the name. */
    ADB_TRY(adb_os_sync_dir(shard->os, shard->path));
    ADB_TRY(settle_newest(applier->file, &result));
    adb_shard_note_synced(shard, shard->writer.sequence);
    adb_log_writer_use(&shard->writer, applier->file);
    if (listing->newest_id > shard->newest_file_id)
        shard->newest_file_id = listing->newest_id; /* of a file that was replaced */
    return ARMDB_OK;
}

armdb_err
adb_shard_recover(struct shard *shard, adb_find_index_fn find, void *context,
                  struct shard_recovery *recovery_out)
{
    struct applier applier = {.shard = shard, .find = find, .context = context};
    struct shard_listing *listing = &shard->found;
    ADB_TRY(adb_shard_list(shard->os, shard->path, true, listing));
    ADB_TRY(adb_shard_arrange(shard->os, shard->path, &shard->identity, false, listing));
    return recover_files(shard, listing, &applier, recovery_out);
}

/* ---------------------------------------------------------------------- check */

struct checker {
    const struct shard_config *config;
    const char *path;
    struct log_file_header identity;
    struct applier applier;
    adb_shard_damage_fn on_damage;
    void *damage_context;
    struct shard_check *check;
    uint64_t sequence;
};

/* Takes an error as damage if it is damage; else passes it on. */
static armdb_err
report(struct checker *checker, armdb_err err)
{
    if (err != ARMDB_CORRUPT)
        return err;
    checker->on_damage(checker->damage_context, checker->config->number, adb_err_detail());
    return ARMDB_OK;
}

/* Goes on with what an open would take from the buffer of a killed process. */
static armdb_err
check_buffer(struct checker *checker, struct data_file *file, struct log_scan_result *result)
{
    struct log_salvage salvage = {.bytes = 1};
    armdb_err err = ARMDB_OK;
    while (err == ARMDB_OK && salvage.bytes > 0 && result->how != LOG_SCAN_DAMAGED &&
           !result->is_sealed) {
        ADB_TRY(adb_log_buffer_find(checker->config->os, checker->path, file, result, &salvage));
        const armdb_slice bytes = {salvage.from, (size_t)salvage.bytes};
        if (salvage.bytes > 0)
            err = adb_log_scan_as_if(file, bytes, apply_record, &checker->applier, result);
        checker->check->bytes += salvage.bytes;
        adb_mem_free(salvage.memory);
    }
    return err;
}

static armdb_err
check_open_file(struct checker *checker, struct data_file *file, bool is_newest)
{
    struct log_scan_result result;
    checker->applier.file = file;
    /* After damage the files behind are checked for themselves, from where they say they begin. */
    if (checker->sequence == UINT64_MAX)
        checker->sequence = file->header.base_sequence;
    armdb_err err = adb_log_scan(file, is_newest, checker->sequence, apply_record,
                                 &checker->applier, &result);
    checker->check->bytes += result.size;
    if (err == ARMDB_OK && is_newest)
        err = check_buffer(checker, file, &result);
    checker->check->records += result.records;
    checker->sequence = result.sequence;
    if (err == ARMDB_OK && result.how == LOG_SCAN_DAMAGED)
        err = raise_damage(file, &result);
    if (err == ARMDB_OK)
        err = check_torn_end(file, &result, checker->config->is_same_boot);
    if (err != ARMDB_OK)
        checker->sequence = UINT64_MAX;
    else if (result.how == LOG_SCAN_TORN)
        checker->check->torn_bytes += result.size - result.end;
    return report(checker, err);
}

static armdb_err
check_file(struct checker *checker, uint64_t file_id, bool is_newest)
{
    struct log_file_header expected = checker->identity;
    struct data_file *file;
    expected.file_id = file_id;
    checker->check->files++;
    armdb_err err = adb_data_file_open(checker->config->os, checker->path, &expected, ADB_OPEN_READ,
                                       &file);
    if (err != ARMDB_OK) {
        checker->sequence = UINT64_MAX;
        return report(checker, err);
    }
    if (is_newest)
        err = report(checker, check_newest(file));
    if (err == ARMDB_OK)
        err = check_open_file(checker, file, is_newest);
    adb_data_file_discard(file);
    return err;
}

static armdb_err
check_files(struct checker *checker)
{
    struct shard_listing listing;
    struct adb_os *os = checker->config->os;
    armdb_err err = adb_shard_list(os, checker->path, false, &listing);
    if (err != ARMDB_OK)
        return report(checker, err);
    err = adb_shard_arrange(os, checker->path, &checker->identity, true, &listing);
    for (uint32_t i = 0; err == ARMDB_OK && i < listing.count; i++)
        err = check_file(checker, listing.files[i].header.file_id, i + 1 == listing.count);
    adb_shard_listing_fini(&listing);
    return err;
}

armdb_err
adb_shard_check(const struct shard_config *config, adb_find_index_fn find, void *find_context,
                adb_shard_damage_fn on_damage, void *damage_context, struct shard_check *check_out)
{
    char *path;
    ADB_TRY(adb_shard_path(config, &path));
    struct checker checker = {.config = config,
                              .path = path,
                              .identity = {.shard = config->number},
                              .applier = {.find = find, .context = find_context},
                              .on_damage = on_damage,
                              .damage_context = damage_context,
                              .check = check_out};
    memcpy(checker.identity.db_id, config->db_id, LOG_DB_ID_BYTES);
    armdb_err err = check_files(&checker);
    adb_mem_free(path);
    return err;
}
