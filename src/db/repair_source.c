#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/repair_private.h"
#include "log/filename.h"

enum {
    IDS_MAX = 16,              /* database ids that are considered */
    TRIAL_FILES = 16,          /* files in which an id is tried, */
    TRIAL_BYTES = 1024 * 1024, /* and bytes of each */
    RAW_ID_AT = 24             /* where a file header has the database id */
};

uint32_t
adb_repair_seed(const struct repair *repair, uint32_t shard, uint64_t file_id)
{
    struct log_file_header header = {.shard = shard, .file_id = file_id};
    memcpy(header.db_id, repair->source.db_id, LOG_DB_ID_BYTES);
    return adb_log_file_seed(&header);
}

/* -------------------------------------------------------------------- listing */

struct lister {
    struct repair *repair;
    const char *shard_path; /* being listed */
    uint32_t shard;
};

/* Takes over `file`, or frees its path. */
static armdb_err
append(struct repair_source *source, struct repair_file *file)
{
    if (source->file_count == source->file_capacity) {
        uint32_t capacity = source->file_capacity == 0 ? 16 : source->file_capacity * 2;
        void *grown = adb_mem_realloc(source->files, capacity * sizeof *source->files);
        if (grown == NULL) {
            adb_mem_free(file->path);
            return adb_fail(ARMDB_NO_MEMORY, "repair", "no memory for %" PRIu32 " files", capacity);
        }
        source->files = (struct repair_file *)grown;
        source->file_capacity = capacity;
    }
    source->files[source->file_count++] = *file;
    return ARMDB_OK;
}

static armdb_err
add_file(struct lister *lister, const char *name, uint64_t file_id)
{
    struct repair_file file = {.file_id = file_id, .shard = lister->shard};
    ADB_TRY(adb_filename_join(lister->shard_path, name, "", &file.path));
    return append(&lister->repair->source, &file);
}

static armdb_err
take_shard_file(void *context, const char *name, bool is_directory)
{
    struct lister *lister = (struct lister *)context;
    size_t len = strlen(name);
    uint64_t file_id;
    if (is_directory)
        return ARMDB_OK;
    if (strcmp(name, FILENAME_BUFFER) == 0)
        lister->repair->source.has_buffer[lister->shard] = true;
    else if (adb_filename_parse_log(name, &file_id))
        return add_file(lister, name, file_id);
    else if (len > 4 && strcmp(name + len - 4, ".log") == 0)
        return add_file(lister, name, 0);
    return ARMDB_OK;
}

static armdb_err
take_directory(void *context, const char *name, bool is_directory)
{
    struct lister *lister = (struct lister *)context;
    uint32_t shard;
    if (is_directory && adb_filename_parse_shard(name, &shard))
        lister->repair->source.has_directory[shard] = true;
    return ARMDB_OK;
}

static armdb_err
list_shard(struct lister *lister)
{
    char name[FILENAME_BYTES_MAX];
    char *path;
    adb_filename_shard(lister->shard, name);
    ADB_TRY(adb_filename_join(lister->repair->source.path, name, "", &path));
    lister->shard_path = path;
    armdb_err err = adb_os_list(lister->repair->os, path, take_shard_file, lister);
    adb_mem_free(path);
    return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
}

static armdb_err
list_files(struct repair *repair)
{
    struct repair_source *source = &repair->source;
    struct lister lister = {.repair = repair};
    armdb_err err = adb_os_list(repair->os, source->path, take_directory, &lister);
    if (err == ARMDB_NOT_FOUND) /* it was there a moment ago */
        return adb_directory_refuse(source->path, DIRECTORY_MISSING);
    ADB_TRY(err);
    for (uint32_t i = 0; i < ARMDB_SHARDS_MAX; i++) {
        if (!source->has_directory[i])
            continue;
        lister.shard = i;
        source->shards_end = i + 1;
        ADB_TRY(list_shard(&lister));
    }
    return ARMDB_OK;
}

/* -------------------------------------------------------------------- headers */

/* Reads what stands where a header is. What cannot be read is a damaged header. */
static armdb_err
read_header(struct repair *repair, struct repair_file *file)
{
    unsigned char bytes[LOG_FILE_HEADER_BYTES] = {0};
    const struct iovec iov = {bytes, sizeof bytes};
    struct adb_file *opened;
    size_t got = 0;
    file->state = LOG_HEADER_BAD;
    armdb_err err = adb_os_open(repair->os, file->path, ADB_OPEN_READ, &opened);
    if (err == ARMDB_NOT_FOUND)
        return ARMDB_OK; /* a link that leads nowhere */
    ADB_TRY(err);
    err = adb_file_size(opened, &file->bytes);
    if (err == ARMDB_OK && adb_file_read(opened, &iov, 1, 0, &got) != ARMDB_OK)
        got = 0;
    adb_file_discard(opened);
    ADB_TRY(err);
    memcpy(file->raw, bytes + RAW_ID_AT, sizeof file->raw);
    if (got == sizeof bytes)
        file->state = adb_log_decode_file_header(bytes, &file->header);
    if (file->state == LOG_HEADER_NEWER)
        return adb_fail_at(ARMDB_FORMAT, "repair", file->path, 8,
                           "its format version is newer than %d, the newest known here",
                           LOG_FORMAT_VERSION);
    return ARMDB_OK;
}

/* ---------------------------------------------------------------- database id */

/* Database ids that something speaks for. */
struct election {
    unsigned char ids[IDS_MAX][LOG_DB_ID_BYTES];
    uint64_t votes[IDS_MAX];
    uint32_t count;
};

static void
vote(struct election *election, const unsigned char *db_id, uint64_t votes)
{
    uint32_t i = 0;
    while (i < election->count && memcmp(election->ids[i], db_id, LOG_DB_ID_BYTES) != 0)
        i++;
    if (i == IDS_MAX)
        return;
    if (i == election->count) {
        memcpy(election->ids[i], db_id, LOG_DB_ID_BYTES);
        election->votes[i] = 0;
        election->count++;
    }
    election->votes[i] += votes;
}

/* The id with the most votes, the first of several; NULL if none has any. */
static const unsigned char *
elect(const struct election *election)
{
    const unsigned char *elected = NULL;
    uint64_t most = 0;
    for (uint32_t i = 0; i < election->count; i++) {
        if (election->votes[i] > most) {
            most = election->votes[i];
            elected = election->ids[i];
        }
    }
    return elected;
}

/* Counts the whole records in up to `most` bytes of a file, if it is what the name given in it
 * says. */
static armdb_err
count_records(struct repair *repair, const struct repair_file *file, uint64_t most,
              uint64_t *records_out)
{
    const struct log_search_events none = {0};
    struct log_search_place place = {.start = LOG_FILE_HEADER_BYTES, .end = file->bytes};
    struct log_search_result result;
    *records_out = 0;
    if (file->bytes <= place.start)
        return ARMDB_OK;
    if (place.end - place.start > most)
        place.end = place.start + most;
    place.seed = adb_repair_seed(repair, file->shard, file->file_id);
    ADB_TRY(adb_os_open(repair->os, file->path, ADB_OPEN_READ, &place.file));
    armdb_err err = adb_log_search(&repair->search, &place, &none, &result);
    adb_file_discard(place.file);
    *records_out = result.records;
    return err;
}

/* The same in files, if the database id is the one that the source has now. */
static armdb_err
try_id(struct repair *repair, uint64_t *records_out)
{
    const struct repair_source *source = &repair->source;
    *records_out = 0;
    for (uint32_t i = 0; i < source->file_count && i < TRIAL_FILES; i++) {
        uint64_t records = 0;
        if (source->files[i].file_id != 0)
            ADB_TRY(count_records(repair, &source->files[i], TRIAL_BYTES, &records));
        *records_out += records;
    }
    return ARMDB_OK;
}

/* No header is whole: an id that stands in a damaged one is right if records fit it. */
static armdb_err
elect_by_trial(struct repair *repair, struct election *election)
{
    struct repair_source *source = &repair->source;
    if (source->manifest_state == REPAIR_MANIFEST_GUESSED)
        vote(election, source->manifest.db_id, 0);
    for (uint32_t i = 0; i < source->file_count; i++)
        vote(election, source->files[i].raw, 0);
    for (uint32_t i = 0; i < election->count; i++) {
        memcpy(source->db_id, election->ids[i], LOG_DB_ID_BYTES);
        ADB_TRY(try_id(repair, &election->votes[i]));
    }
    return ARMDB_OK;
}

static armdb_err
find_db_id(struct repair *repair)
{
    struct repair_source *source = &repair->source;
    struct election election = {.count = 0};
    bool is_whole = source->manifest_state == REPAIR_MANIFEST_WHOLE;
    bool has_agreement = false;
    for (uint32_t i = 0; i < source->file_count; i++) {
        const struct repair_file *file = &source->files[i];
        if (file->state != LOG_HEADER_OK)
            continue;
        vote(&election, file->header.db_id, 1);
        if (is_whole && memcmp(file->header.db_id, source->manifest.db_id, LOG_DB_ID_BYTES) == 0)
            has_agreement = true;
    }
    const unsigned char *elected = elect(&election);
    if (is_whole && (has_agreement || elected == NULL))
        elected = source->manifest.db_id;
    if (elected == NULL) {
        ADB_TRY(elect_by_trial(repair, &election));
        elected = elect(&election);
    }
    if (elected == NULL)
        return adb_fail_at(ARMDB_CORRUPT, "repair", source->path, 0,
                           "no record is whole: not even the id of the database is known");
    memcpy(source->db_id, elected, LOG_DB_ID_BYTES);
    return ARMDB_OK;
}

/* ------------------------------------------------------------------- identity */

static void
note_bad_header(struct repair *repair, const struct repair_file *file)
{
    const armdb_finding finding = {
        .kind = ARMDB_FINDING_LOST,
        .shard = file->shard,
        .file = file->path,
        .bytes = file->bytes < LOG_FILE_HEADER_BYTES ? file->bytes : LOG_FILE_HEADER_BYTES};
    if (file->bytes < LOG_FILE_HEADER_BYTES)
        adb_repair_note(repair, finding, "the file is too short for a header: it was cut");
    else if (file->state == LOG_HEADER_OK)
        adb_repair_note(repair, finding, "the header of file %" PRIu64 " of shard %" PRIu32,
                        file->header.file_id, file->header.shard);
    else
        adb_repair_note(repair, finding, "damaged file header");
}

/* Of a file with a whole header of another place: it was renamed, or that header has come to it
 * from another file. It is read both ways, if both have records; what has more of them is what it
 * is. */
static armdb_err
identify_misplaced(struct repair *repair, uint32_t number)
{
    struct repair_source *source = &repair->source;
    struct repair_file *named = &source->files[number];
    struct repair_file other = *named;
    const armdb_finding finding = {
        .kind = ARMDB_FINDING_ASSUMED, .shard = named->shard, .file = named->path};
    uint64_t records = 0, other_records;
    other.file_id = named->header.file_id;
    other.shard = named->header.shard;
    ADB_TRY(count_records(repair, &other, UINT64_MAX, &other_records));
    if (named->file_id != 0)
        ADB_TRY(count_records(repair, named, UINT64_MAX, &records));
    if (records > other_records || (named->file_id != 0 && other_records == 0)) {
        note_bad_header(repair, named);
        other.is_aside = true;
    } else {
        adb_repair_note(repair, finding,
                        "it is file %" PRIu64 " of shard %" PRIu32
                        " by its header, and was read as that",
                        other.file_id, other.shard);
        other.has_header = true;
        named->is_aside = true;
    }
    if (named->is_aside && records == 0)
        named->file_id = 0;
    if (other.is_aside && other_records == 0)
        return ARMDB_OK;
    if (source->shards_end <= other.shard)
        source->shards_end = other.shard + 1;
    other.path = adb_mem_strdup(named->path);
    if (other.path == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "repair", "no memory for a path");
    return append(source, &other);
}

/* Decides which place in the log a file is read as. */
static armdb_err
identify(struct repair *repair, uint32_t number)
{
    const struct repair_source *source = &repair->source;
    struct repair_file *file = &source->files[number];
    const struct log_file_header *header = &file->header;
    const armdb_finding finding = {
        .kind = ARMDB_FINDING_IGNORED, .shard = file->shard, .file = file->path};
    if (file->state != LOG_HEADER_OK) {
        if (file->file_id != 0)
            note_bad_header(repair, file);
        else
            adb_repair_note(repair, finding, "its name is not that of a data file");
        return ARMDB_OK;
    }
    if (memcmp(header->db_id, source->db_id, LOG_DB_ID_BYTES) != 0 ||
        header->shard >= ARMDB_SHARDS_MAX || header->file_id == 0) {
        file->file_id = 0;
        adb_repair_note(repair, finding, "it belongs to another database");
        return ARMDB_OK;
    }
    file->has_header = header->file_id == file->file_id && header->shard == file->shard;
    return file->has_header ? ARMDB_OK : identify_misplaced(repair, number);
}

static int
compare_files(const void *a, const void *b)
{
    const struct repair_file *left = (const struct repair_file *)a;
    const struct repair_file *right = (const struct repair_file *)b;
    if (left->shard != right->shard)
        return left->shard < right->shard ? -1 : 1;
    return left->file_id > right->file_id ? -1 : left->file_id < right->file_id;
}

/* ------------------------------------------------------------------- manifest */

static armdb_err
load_manifest(struct repair *repair, const char *manifest_path)
{
    struct repair_source *source = &repair->source;
    armdb_finding finding = {
        .kind = ARMDB_FINDING_LOST, .shard = UINT32_MAX, .file = manifest_path};
    source->manifest_state = REPAIR_MANIFEST_WHOLE;
    armdb_err err = adb_manifest_load(repair->os, source->path, &source->manifest);
    if (err != ARMDB_NOT_FOUND && err != ARMDB_CORRUPT && err != ARMDB_IO)
        return err;
    source->manifest_state = REPAIR_MANIFEST_NONE;
    if (err == ARMDB_NOT_FOUND) {
        adb_repair_note(repair, finding, "the MANIFEST is missing");
        return ARMDB_OK;
    }
    const armdb_error_detail why = *adb_err_detail();
    finding.offset = why.offset;
    adb_repair_note(repair, finding, "%.200s", why.message);
    err = adb_manifest_load_damaged(repair->os, source->path, &source->manifest);
    if (err == ARMDB_OK)
        source->manifest_state = REPAIR_MANIFEST_GUESSED;
    return err == ARMDB_NO_MEMORY ? err : ARMDB_OK;
}

/* A manifest of another database tells nothing of this one. */
static void
check_manifest(struct repair *repair, const char *manifest_path)
{
    struct repair_source *source = &repair->source;
    const armdb_finding finding = {
        .kind = ARMDB_FINDING_IGNORED, .shard = UINT32_MAX, .file = manifest_path};
    if (source->manifest_state == REPAIR_MANIFEST_WHOLE &&
        memcmp(source->manifest.db_id, source->db_id, LOG_DB_ID_BYTES) != 0) {
        adb_repair_note(repair, finding, "it belongs to another database");
        adb_manifest_fini(&source->manifest);
        source->manifest_state = REPAIR_MANIFEST_NONE;
    }
}

/* --------------------------------------------------------------- open, close */

static void
clear_files(struct repair_source *source)
{
    for (uint32_t i = 0; i < source->file_count; i++)
        adb_mem_free(source->files[i].path);
    source->file_count = 0;
}

/* Refuses what never was a database. */
static armdb_err
check_directory(struct repair *repair)
{
    struct repair_source *source = &repair->source;
    enum directory_state state;
    bool has_more = false;
    ADB_TRY(adb_directory_look(repair->os, source->path, &state));
    if (state == DIRECTORY_DATABASE || state == DIRECTORY_HEADLESS)
        return ARMDB_OK;
    /* Without a manifest, records may be in write buffers, and in data files that were renamed. */
    armdb_err err = state == DIRECTORY_MISSING ? ARMDB_OK : list_files(repair);
    for (uint32_t i = 0; i < ARMDB_SHARDS_MAX; i++)
        has_more = has_more || source->has_buffer[i];
    for (uint32_t i = 0; i < source->file_count; i++)
        has_more = has_more || source->files[i].file_id == 0;
    clear_files(source);
    return err == ARMDB_OK && has_more ? ARMDB_OK : adb_directory_refuse(source->path, state);
}

static void
note_missing_shards(struct repair *repair)
{
    const struct repair_source *source = &repair->source;
    for (uint32_t i = 0; i < source->shards; i++) {
        bool has_files = false;
        const armdb_finding finding = {
            .kind = ARMDB_FINDING_LOST, .shard = i, .file = source->path};
        for (uint32_t at = 0; at < source->file_count; at++)
            has_files = has_files || (source->files[at].shard == i && source->files[at].file_id);
        if (!source->has_directory[i])
            adb_repair_note(repair, finding, "the directory of shard %" PRIu32 " is missing", i);
        else if (!has_files)
            adb_repair_note(repair, finding,
                            "shard %" PRIu32 " has no data files: they are missing", i);
    }
}

static armdb_err
read_source(struct repair *repair, const char *manifest_path)
{
    struct repair_source *source = &repair->source;
    for (uint32_t i = 0; i < source->file_count; i++)
        ADB_TRY(read_header(repair, &source->files[i]));
    ADB_TRY(load_manifest(repair, manifest_path));
    ADB_TRY(find_db_id(repair));
    check_manifest(repair, manifest_path);
    uint32_t count = source->file_count; /* more may be added */
    for (uint32_t i = 0; i < count; i++)
        ADB_TRY(identify(repair, i));
    if (source->file_count > 0)
        qsort(source->files, source->file_count, sizeof *source->files, compare_files);
    source->shards = source->shards_end > 0 ? source->shards_end : 1;
    if (source->manifest_state == REPAIR_MANIFEST_WHOLE)
        source->shards = source->manifest.shards;
    note_missing_shards(repair);
    return ARMDB_OK;
}

armdb_err
adb_repair_source_open(struct repair *repair)
{
    struct repair_source *source = &repair->source;
    char *manifest_path;
    ADB_TRY(check_directory(repair));
    ADB_TRY(adb_directory_lock_unchanged(repair->os, source->path, &source->lock_file));
    ADB_TRY(list_files(repair));
    ADB_TRY(adb_filename_join(source->path, FILENAME_MANIFEST, "", &manifest_path));
    armdb_err err = read_source(repair, manifest_path);
    adb_mem_free(manifest_path);
    return err;
}

void
adb_repair_source_close(struct repair *repair)
{
    struct repair_source *source = &repair->source;
    clear_files(source);
    adb_mem_free(source->files);
    adb_manifest_fini(&source->manifest);
    adb_file_discard(source->lock_file);
    adb_mem_free(source->path);
    *source = (struct repair_source){0};
}
