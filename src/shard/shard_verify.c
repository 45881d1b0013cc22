/*
 * shard_verify.c: checking the log and the index of an open shard against each other, while writers
 * and compaction go on. docs/verify.md says what is compared, and what makes it exact.
 */
#include "shard/shard_verify.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "os/rcu.h"
#include "shard/compact_batch.h"
#include "shard/hint_check.h"

enum { NO_PLACE = UINT32_MAX, ORPHAN_KEY_BYTES = 8 };

/* One file of the log, as it was when the check began. */
struct verify_file {
    struct data_file *file; /* borrowed: held */
    uint64_t end;           /* of what is looked at */
    bool is_whole;          /* that is all of it: it was sealed */
    bool is_suspect;        /* the index names places in it that are not those of its records */
    bool is_doubtful;       /* damaged, or keys are being moved from it or to it: no sums */
    uint64_t dead_before;   /* dead_bytes when the check began */
    /* found in the log */
    uint64_t live;
    uint64_t dead;
    uint64_t tombstones;
    uint64_t groups;
    /* found in the index */
    uint64_t named;
    /* in the accounts, after all that */
    uint64_t dead_after;
    uint64_t tombstones_after;
    uint64_t groups_after;
};

struct shard_verify {
    struct shard *shard; /* borrowed; its files are held */
    const struct shard_verify_how *how;
    struct shard_check *check;
    struct verify_file *files; /* owned: in the order of the log */
    uint32_t count;
    uint32_t *places; /* owned: [LOCATION_SLOTS], of the file in a slot; or NO_PLACE */

    struct verify_file *at; /* being scanned */
    struct compact_batch batch;
    const char *why[COMPACT_BATCH]; /* of each record of the batch: NULL if it is right */
    struct hint_check hint;         /* of the file */
    uint64_t damages;               /* in the log or the index */
    bool is_close;                  /* the sums were wrong: entries are looked at one by one */

    /* Values that no tombstone has followed yet, whose keys are not in the index: from a hash of
     * collection and key to the location. */
    struct adb_index orphans;
    struct adb_spare spare;
    uint64_t newer_from; /* offset from which on a file is looked through for tombstones */
};

/* -------------------------------------------------------------------- begin */

/* Under the lock. */
static armdb_err
take_files(struct shard_verify *verify)
{
    struct data_file **files;
    ADB_TRY(adb_shard_list_log(verify->shard, &files, &verify->count));
    verify->files = adb_new_array(struct verify_file, verify->count);
    for (uint32_t i = 0; verify->files != NULL && i < verify->count; i++) {
        struct data_file *file = files[i];
        verify->files[i] = (struct verify_file){
            .file = file,
            .end = atomic_load_explicit(&file->written, memory_order_relaxed),
            .is_whole = file->is_sealed,
            .is_doubtful = file->is_moving,
            .dead_before = atomic_load_explicit(&file->dead_bytes, memory_order_relaxed),
        };
    }
    adb_mem_free(files);
    return verify->files != NULL
               ? ARMDB_OK
               : adb_fail(ARMDB_NO_MEMORY, "verify", "no memory for a list of files");
}

static armdb_err
init_orphans(struct shard_verify *verify)
{
    const struct adb_index_config config = {
        .pages = verify->shard->pages, .key_bytes = ORPHAN_KEY_BYTES, .n_writers = 1};
    return adb_index_init(&verify->orphans, &config);
}

static armdb_err
allocate(struct shard_verify *verify)
{
    verify->places = adb_new_array(uint32_t, LOCATION_SLOTS);
    if (verify->places == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "verify", "no memory for a list of files");
    ADB_TRY(adb_batch_init(&verify->batch));
    return init_orphans(verify);
}

/* So that there is more to look at; a shard that can't has less. */
static void
flush(struct shard *shard)
{
    const armdb_error_detail detail = *adb_err_detail();
    ADB_IGNORE(adb_shard_flush(shard));
    ADB_IGNORE(adb_err_restore(&detail));
}

armdb_err
adb_shard_verify_begin(struct shard *shard, const struct shard_verify_how *how,
                       struct shard_check *check, struct shard_verify **verify_out)
{
    *verify_out = NULL;
    struct shard_verify *verify = adb_new(struct shard_verify);
    if (verify == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "verify", "no memory to verify with");
    verify->shard = shard;
    armdb_err err = allocate(verify);
    verify->how = how;
    verify->check = check;
    flush(shard);
    adb_mutex_lock(&shard->lock);
    adb_shard_hold(shard);
    if (err == ARMDB_OK)
        err = take_files(verify);
    adb_mutex_unlock(&shard->lock);
    if (err != ARMDB_OK) {
        adb_shard_verify_end(verify);
        return err;
    }
    for (uint32_t slot = 0; slot < LOCATION_SLOTS; slot++)
        verify->places[slot] = NO_PLACE;
    for (uint32_t i = 0; i < verify->count; i++)
        verify->places[verify->files[i].file->slot] = i;
    *verify_out = verify;
    return ARMDB_OK;
}

void
adb_shard_verify_end(struct shard_verify *verify)
{
    if (verify == NULL)
        return;
    adb_shard_release(verify->shard);
    adb_hint_check_fini(&verify->hint);
    adb_index_fini(&verify->orphans);
    adb_spare_fini(&verify->spare, verify->shard->pages);
    adb_batch_fini(&verify->batch);
    adb_mem_free(verify->places);
    adb_mem_free(verify->files);
    adb_mem_free(verify);
}

/* ------------------------------------------------------------------ findings */

/* Tells of what the thread's detail record says. */
static void
tell_only(const struct shard_verify *verify, uint32_t collection_id, armdb_slice key)
{
    const struct shard_finding finding = {
        .detail = adb_err_detail(), .collection_id = collection_id, .key = key};
    verify->how->on_finding(verify->how->finding_context, verify->shard->identity.shard, &finding);
}

/* The same, of something that makes what else is found doubtful. */
static void
tell(struct shard_verify *verify, uint32_t collection_id, armdb_slice key)
{
    verify->damages++;
    if (verify->at != NULL)
        verify->at->is_doubtful = true;
    tell_only(verify, collection_id, key);
}

/* Takes an error as damage of a hint if it is that; else passes it on. */
static armdb_err
tell_of_hint(const struct shard_verify *verify, armdb_err err)
{
    if (err != ARMDB_CORRUPT)
        return err;
    tell_only(verify, UINT32_MAX, (armdb_slice){NULL, 0});
    return ARMDB_OK;
}

static void
tell_of_record(struct shard_verify *verify, const struct data_file *file,
               const struct log_scan_record *found, const char *why)
{
    ADB_IGNORE(adb_fail_at(ARMDB_CORRUPT, "verify", file->path, found->offset, "%s", why));
    tell(verify, found->record.collection_id, found->key);
}

static void
tell_of_file(struct shard_verify *verify, uint64_t offset, const char *why)
{
    ADB_IGNORE(adb_fail_at(ARMDB_CORRUPT, "verify", verify->at->file->path, offset, "%s", why));
    tell(verify, UINT32_MAX, (armdb_slice){NULL, 0});
}

/* ------------------------------------------------------------ records and index */

static struct data_file *
file_of(const struct shard_verify *verify, uint64_t location)
{
    return atomic_load_explicit(&verify->shard->files[adb_location_slot(location)],
                                memory_order_acquire);
}

/* Whether what the index names is not older than the record at `offset` of the file. */
static bool
is_as_new(const struct data_file *named, uint64_t location, const struct data_file *file,
          uint64_t offset)
{
    if (named == file)
        return file->header.is_copy || adb_location_offset(location) >= offset;
    /* Of a copy and a file that it stands for, places can't tell which has the newer record. */
    return adb_log_has_replaced(&named->header, &file->header) ||
           adb_log_has_replaced(&file->header, &named->header) ||
           adb_log_compare_files(&named->header, &file->header) > 0;
}

static uint64_t
bytes_of(const struct log_scan_record *found)
{
    return adb_log_record_bytes(&found->record);
}

/* Whether the index, in a collection that keeps values in it, has the one of the log. */
static bool
has_value(const struct shard_index *index, const struct log_scan_record *found, uint64_t location)
{
    unsigned char value[ARMDB_CONST_VALUE_MAX];
    uint32_t value_bytes = index->keys.value_bytes;
    return value_bytes == 0 || adb_index_get(&index->keys, found->key, value) != location ||
           memcmp(value, found->value, value_bytes) == 0;
}

/* Counts a record, and says why the index is wrong if it names `location` for its key. */
static const char *
compare(struct verify_file *at, const struct shard_verify *verify, const struct shard_index *index,
        const struct log_scan_record *found, uint64_t location)
{
    const struct data_file *file = at->file;
    bool is_tombstone = found->record.flags == LOG_FLAG_TOMBSTONE;
    *(is_tombstone ? &at->tombstones : &at->dead) += bytes_of(found);
    if (location == 0)
        return NULL;
    const struct data_file *named = file_of(verify, location);
    if (named == NULL)
        return "the index names a place in a file that is not there";
    if (!is_tombstone && location == adb_location_of(file->slot, found->offset, &found->record)) {
        at->dead -= bytes_of(found);
        at->live += bytes_of(found);
        return has_value(index, found, location) ? NULL : "the index has another value of the key";
    }
    if (is_as_new(named, location, file, found->offset))
        return NULL;
    return is_tombstone ? "the key was deleted here, but the index has it"
                        : "the index names an older record of the key than this one";
}

static uint64_t
orphan_hash(const struct log_scan_record *found)
{
    return adb_hash(found->key.data, found->key.len, found->record.collection_id);
}

/* A key that is not in the index must have a tombstone behind its values. */
static armdb_err
note_orphan(struct shard_verify *verify, const struct log_scan_record *found)
{
    uint64_t hash = orphan_hash(found);
    const armdb_slice key = {&hash, sizeof hash};
    if (found->record.flags == LOG_FLAG_TOMBSTONE) {
        (void)adb_index_remove(&verify->orphans, key);
        return ARMDB_OK;
    }
    uint64_t location = adb_location_of(verify->at->file->slot, found->offset, &found->record);
    ADB_TRY(adb_index_prepare(&verify->orphans, key, &verify->spare));
    (void)adb_index_put(&verify->orphans, key, location, NULL, &verify->spare);
    return ARMDB_OK;
}

/* A record of a collection that was dropped. */
static void
count_dropped(struct verify_file *at, const struct log_scan_record *found)
{
    *(found->record.flags == LOG_FLAG_TOMBSTONE ? &at->tombstones : &at->dead) += bytes_of(found);
}

static armdb_err
compare_batch(void *context)
{
    struct shard_verify *verify = (struct shard_verify *)context;
    struct compact_batch *batch = &verify->batch;
    armdb_err err = ARMDB_OK;
    if (batch->n == 0)
        return ARMDB_OK;
    adb_rcu_enter();
    bool is_there = adb_batch_look(batch);
    for (uint32_t i = 0; is_there && i < batch->n; i++)
        verify->why[i] = compare(verify->at, verify, batch->index, &batch->found[i],
                                 batch->locations[i]);
    adb_rcu_leave();
    for (uint32_t i = 0; err == ARMDB_OK && i < batch->n; i++) {
        if (!is_there)
            count_dropped(verify->at, &batch->found[i]);
        else if (verify->why[i] != NULL)
            tell_of_record(verify, verify->at->file, &batch->found[i], verify->why[i]);
        /* A tombstone counts also if the key has been put again since its value was met. */
        else if (batch->locations[i] == 0 || batch->found[i].record.flags == LOG_FLAG_TOMBSTONE)
            err = note_orphan(verify, &batch->found[i]);
    }
    adb_batch_clear(batch);
    return err;
}

/* Why a record can't be of that collection, whatever its key; NULL if it can. */
static const char *
misfit(const struct shard_index *index, const struct log_record *record)
{
    if (index->key_bytes != ARMDB_KEY_VARIABLE && index->key_bytes != record->key_len)
        return "a key of another length than its collection has";
    if (record->flags != LOG_FLAG_TOMBSTONE && index->keys.value_bytes != 0 &&
        index->keys.value_bytes != record->value_len)
        return "a value of another length than its collection has";
    return NULL;
}

/* An adb_scan_fn. ARMDB_END: what follows is newer than the check. */
static armdb_err
verify_record(void *context, const struct log_scan_record *found)
{
    struct shard_verify *verify = (struct shard_verify *)context;
    const struct shard_origin origin = {verify->shard->identity.shard, found->record.collection_id,
                                        found->key};
    struct shard_index *index;
    if (found->offset >= verify->at->end)
        return ARMDB_END;
    verify->check->records++;
    verify->at->groups = found->group_bytes;
    const char *why_not = verify->how->find(verify->how->context, &origin, &index);
    if (why_not == NULL && index != NULL)
        why_not = misfit(index, &found->record);
    if (why_not != NULL) {
        tell_of_record(verify, verify->at->file, found, why_not);
        return ARMDB_OK;
    }
    ADB_TRY(adb_hint_check_record(&verify->hint, found, index));
    if (index == NULL) {
        count_dropped(verify->at, found);
        return ARMDB_OK;
    }
    return adb_batch_take(&verify->batch, index, found, index->keys.value_bytes != 0, compare_batch,
                          verify);
}

/* ----------------------------------------------------------------------- scan */

/* What stands behind the end of a file that is written to changes, and is not looked at. */
static void
judge_scan(struct shard_verify *verify, const struct log_scan_result *result)
{
    const struct verify_file *at = verify->at;
    bool is_damaged = result->how == LOG_SCAN_DAMAGED;
    if (is_damaged && (at->is_whole || result->damaged_at < at->end))
        tell_of_file(verify, result->damaged_at, result->message);
    else if (result->end < at->end)
        tell_of_file(verify, result->end, "no whole record, though more was written");
}

/* The header, and that the file is there. */
static armdb_err
check_header(struct shard_verify *verify)
{
    const struct data_file *file = verify->at->file;
    struct data_file *again;
    armdb_err err = adb_data_file_open(verify->shard->os, verify->shard->path, &file->header,
                                       ADB_OPEN_READ, &again);
    if (err == ARMDB_CORRUPT) {
        tell(verify, UINT32_MAX, (armdb_slice){NULL, 0});
        return ARMDB_OK;
    }
    ADB_TRY(err);
    bool is_same = again->header.base_sequence == file->header.base_sequence &&
                   again->header.last_sequence == file->header.last_sequence;
    adb_data_file_discard(again);
    if (!is_same)
        tell_of_file(verify, 0, "the file header is that of another file");
    return ARMDB_OK;
}

/* One that tells of more than is looked at was written since the check began. */
static armdb_err
begin_hint(struct shard_verify *verify)
{
    const struct verify_file *at = verify->at;
    struct hint_check *check = &verify->hint;
    ADB_TRY(tell_of_hint(verify, adb_hint_check_begin(check, at->file, verify->shard->path,
                                                      !at->is_whole, verify->shard->hash_seed)));
    if (check->hint != NULL && adb_hint_header(check->hint)->data_bytes > at->end)
        adb_hint_check_fini(check);
    return ARMDB_OK;
}

/* After damage in the file nothing is said of its hint. */
static armdb_err
end_hint(struct shard_verify *verify, bool is_whole)
{
    const struct shard_origins origins = {verify->how->find, verify->how->context};
    armdb_err err = is_whole ? tell_of_hint(verify, adb_hint_check_end(&verify->hint, &origins))
                             : ARMDB_OK;
    adb_hint_check_fini(&verify->hint);
    return err;
}

static armdb_err
scan_records(struct shard_verify *verify, uint64_t *sequence)
{
    const struct verify_file *at = verify->at;
    struct log_scan_result result;
    armdb_err err = adb_log_scan(at->file, !at->is_whole, *sequence, verify_record, verify,
                                 &result);
    if (err != ARMDB_OK && err != ARMDB_END)
        return err;
    ADB_TRY(compare_batch(verify));
    judge_scan(verify, &result);
    verify->check->files++;
    verify->check->bytes += at->end;
    *sequence = result.sequence;
    return ARMDB_OK;
}

static armdb_err
scan_file(struct shard_verify *verify, struct verify_file *at, uint64_t *sequence)
{
    uint64_t damages = verify->damages;
    verify->at = at;
    ADB_TRY(check_header(verify));
    ADB_TRY(begin_hint(verify));
    ADB_TRY(scan_records(verify, sequence));
    return end_hint(verify, verify->damages == damages);
}

/* ------------------------------------------------------------------- orphans */

/* An adb_scan_fn: tombstones that were written since the check began. */
static armdb_err
find_tombstone(void *context, const struct log_scan_record *found)
{
    struct shard_verify *verify = (struct shard_verify *)context;
    if (found->record.flags == LOG_FLAG_TOMBSTONE && found->offset >= verify->newer_from)
        return note_orphan(verify, found);
    return ARMDB_OK;
}

/* The files that have what was written since the check began; under the lock. */
static uint32_t
list_newer(const struct shard_verify *verify, struct data_file **newer)
{
    const struct shard *shard = verify->shard;
    uint64_t base = verify->files[verify->count - 1].file->header.base_sequence;
    uint32_t count = 0;
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        struct data_file *file = atomic_load_explicit(&shard->files[slot], memory_order_relaxed);
        if (file != NULL && !file->header.is_copy && file->header.base_sequence >= base)
            newer[count++] = file;
    }
    return count;
}

/* An adb_index_fn. The record was whole when it was met. */
static void
tell_of_orphan(void *context, armdb_slice hash, uint64_t location)
{
    struct shard_verify *verify = (struct shard_verify *)context;
    unsigned char head[LOG_RECORD_HEAD_MAX + ARMDB_KEY_MAX];
    const struct iovec iov = {head, sizeof head};
    uint64_t offset = adb_location_offset(location);
    struct log_scan_record found = {.offset = offset};
    size_t got = 0;
    (void)hash;
    verify->at = &verify->files[verify->places[adb_location_slot(location)]];
    if (adb_file_read(verify->at->file->file, &iov, 1, offset, &got) == ARMDB_OK &&
        got >= LOG_RECORD_HEADER_BYTES)
        adb_log_decode_record(head, &found.record);
    uint32_t key_at = adb_log_head_bytes(found.record.flags);
    if (got >= key_at + found.record.key_len)
        found.key = (armdb_slice){head + key_at, found.record.key_len};
    tell_of_record(verify, verify->at->file, &found,
                   "the newest record of a key that the index does not have");
}

/*
 * A key that was missing in the index when its value was met was deleted before that, so its
 * tombstone is in the log by now.
 */
static armdb_err
settle_orphans(struct shard_verify *verify)
{
    struct shard *shard = verify->shard;
    const struct verify_file *last = &verify->files[verify->count - 1];
    if (verify->damages != 0 || adb_index_count(&verify->orphans) == 0 ||
        adb_shard_flush(shard) != ARMDB_OK)
        return ARMDB_OK; /* damage may hide tombstones; so does what can't be flushed */
    struct data_file **newer = adb_new_array(struct data_file *, LOCATION_SLOTS);
    if (newer == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "verify", "no memory for a list of files");
    adb_mutex_lock(&shard->lock);
    uint32_t count = list_newer(verify, newer);
    adb_mutex_unlock(&shard->lock);
    armdb_err err = ARMDB_OK;
    for (uint32_t i = 0; err == ARMDB_OK && i < count; i++) {
        struct log_scan_result result;
        verify->newer_from = newer[i] == last->file ? last->end : 0;
        err = adb_log_scan(newer[i], true, newer[i]->header.base_sequence, find_tombstone, verify,
                           &result);
    }
    adb_mem_free(newer);
    ADB_TRY(err);
    adb_index_each(&verify->orphans, tell_of_orphan, verify);
    return ARMDB_OK;
}

armdb_err
adb_shard_verify_log(struct shard_verify *verify)
{
    uint64_t sequence = 0;
    for (uint32_t i = 0; i < verify->count; i++) {
        struct verify_file *at = &verify->files[i];
        /* A copy and the files that it stands for may both be there; and damage was told of. */
        if (at->is_doubtful || (i > 0 && verify->files[i - 1].is_doubtful))
            sequence = at->file->header.base_sequence;
        ADB_TRY(scan_file(verify, at, &sequence));
    }
    return settle_orphans(verify);
}

/* ---------------------------------------------------------------- index and log */

/* Reads the record that the index names, and tells if it is none of the key. */
static armdb_err
read_entry(struct shard_verify *verify, const struct shard_verify_entry *entry)
{
    uint32_t value_len = adb_location_value_len(entry->location);
    struct data_file_reading reading;
    void *value = adb_mem_alloc(value_len + 1u);
    if (value == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "verify", "no memory for %" PRIu32 " bytes", value_len);
    adb_rcu_enter();
    armdb_err err = adb_data_file_read_value(file_of(verify, entry->location), entry->location,
                                             entry->key, value, &reading);
    adb_rcu_leave();
    adb_mem_free(value);
    if (err == ARMDB_CORRUPT) {
        tell(verify, entry->collection_id, entry->key);
        return ARMDB_OK;
    }
    return err;
}

armdb_err
adb_shard_verify_entry(struct shard_verify *verify, const struct shard_verify_entry *entry)
{
    uint32_t place = verify->places[adb_location_slot(entry->location)];
    verify->at = NULL;
    if (place == NO_PLACE && file_of(verify, entry->location) == NULL) {
        ADB_IGNORE(adb_fail_at(ARMDB_CORRUPT, "verify", verify->shard->path, 0,
                               "the index names a place in a file that is not there"));
        tell(verify, entry->collection_id, entry->key);
    }
    if (place == NO_PLACE || adb_location_offset(entry->location) >= verify->files[place].end)
        return ARMDB_OK; /* newer than the check */
    verify->at = &verify->files[place];
    if (verify->is_close)
        return verify->at->is_suspect ? read_entry(verify, entry) : ARMDB_OK;
    verify->at->named += adb_location_record_bytes(entry->location, entry->key.len);
    return ARMDB_OK;
}

void
adb_shard_verify_account(struct shard_verify *verify)
{
    adb_mutex_lock(&verify->shard->lock);
    for (uint32_t i = 0; i < verify->count; i++) {
        struct verify_file *at = &verify->files[i];
        const struct data_file *file = at->file;
        at->dead_after = atomic_load_explicit(&file->dead_bytes, memory_order_relaxed);
        at->tombstones_after = atomic_load_explicit(&file->tombstone_bytes, memory_order_relaxed);
        at->groups_after = atomic_load_explicit(&file->group_bytes, memory_order_relaxed);
        at->is_doubtful = at->is_doubtful || file->is_moving || file->is_retired;
    }
    adb_mutex_unlock(&verify->shard->lock);
}

/* What does not add up in a file; NULL: nothing. */
static const char *
check_sums(struct verify_file *at)
{
    if (at->is_doubtful)
        return NULL;
    if (at->tombstones > at->tombstones_after ||
        (at->is_whole && at->tombstones != at->tombstones_after))
        return "the bytes of tombstones counted for the file are not those in it";
    if (at->groups > at->groups_after || (at->is_whole && at->groups != at->groups_after))
        return "the bytes of GROUPs counted for the file are not those in it";
    if (at->dead > at->dead_after || (at->is_whole && at->dead < at->dead_before))
        return "the dead bytes counted for the file are not those in it";
    at->is_suspect = at->named > at->live ||
                     (at->dead_after == at->dead_before && at->named != at->live);
    return at->is_suspect ? "the index names other bytes of the file than its live records" : NULL;
}

bool
adb_shard_verify_sums(struct shard_verify *verify)
{
    for (uint32_t i = 0; i < verify->count; i++) {
        verify->at = &verify->files[i];
        const char *why = check_sums(verify->at);
        if (why != NULL)
            tell_of_file(verify, 0, why);
        verify->is_close = verify->is_close || verify->at->is_suspect;
    }
    return verify->is_close;
}
