/*
 * db_repair.c: a new database from whatever is whole in a damaged one.
 *
 * The source is read three times: the survey finds damage and collections; then, shard by shard,
 * the newest record of each key is found and copied. Which bytes count as a record, and what is
 * made of files and manifests that are damaged, is in docs/recovery.md.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "db/repair_private.h"
#include "log/filename.h"
#include "log/log_buffer.h"

enum {
    IDS_BEHIND = 64,         /* ids of data files, behind the highest there is, that are tried */
    IDS_BEFORE = 1024 * 1024 /* and before it */
};

void
adb_repair_note(struct repair *repair, armdb_finding finding, const char *format, ...)
{
    armdb_repair_report *report = repair->report;
    char message[sizeof(armdb_error_detail)];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    finding.message = message;
    if (finding.kind == ARMDB_FINDING_LOST) {
        report->lost++;
        report->lost_bytes += finding.bytes;
    } else if (finding.kind == ARMDB_FINDING_IGNORED) {
        report->ignored++;
    } else {
        report->assumed++;
    }
    if (repair->listener->on_finding != NULL)
        repair->listener->on_finding(repair->listener->context, &finding);
}

/* ----------------------------------------------------------------------- walk */

/* Reading all records of one shard. */
struct walk {
    struct repair *repair;
    uint32_t shard;
    bool is_survey;
    armdb_err (*on_record)(struct walk *walk, const struct log_search_record *found);
    /* what is being read */
    const char *path;
    uint64_t shift;   /* of its bytes against the offsets of the data file: wraps around */
    bool is_aside;    /* of a file that was read as what it is already */
    bool is_replaced; /* of a file whose damage is no loss */
    bool is_buffer;
    bool has_gap;
    bool has_lost_end;
    /* Whole copies that may stand for records that are in it. */
    const struct log_file_header **covers; /* owned, room for all files */
    uint32_t n_covers;
};

static armdb_err
on_record(void *context, const struct log_search_record *found)
{
    struct walk *walk = (struct walk *)context;
    return walk->on_record(walk, found);
}

static armdb_err
on_gap(void *context, const struct log_search_gap *gap)
{
    struct walk *walk = (struct walk *)context;
    const armdb_finding finding = {.kind = ARMDB_FINDING_LOST,
                                   .shard = walk->shard,
                                   .file = walk->path,
                                   .offset = gap->offset + walk->shift,
                                   .bytes = gap->bytes};
    uint64_t before = gap->sequence_before;
    uint64_t behind = gap->sequence_behind;
    walk->has_gap = true;
    if (!walk->is_survey || walk->is_aside || (walk->is_buffer && behind == 0))
        return ARMDB_OK; /* behind the newest record of a buffer are old ones */
    walk->has_lost_end = behind == 0;
    if (walk->is_replaced)
        return ARMDB_OK;
    if (before != 0 && behind != 0)
        adb_repair_note(walk->repair, finding,
                        "no whole record; those around it have the numbers %" PRIu64
                        " and %" PRIu64,
                        before, behind);
    else if (behind != 0)
        adb_repair_note(walk->repair, finding,
                        "no whole record; the one behind it has the number %" PRIu64, behind);
    else if (before != 0)
        adb_repair_note(walk->repair, finding,
                        "no whole record up to the end; the last has the number %" PRIu64, before);
    else
        adb_repair_note(walk->repair, finding, "no whole record in the file");
    return ARMDB_OK;
}

static void
note_unreadable(struct walk *walk, const struct log_search_result *result)
{
    const armdb_finding finding = {.kind = ARMDB_FINDING_LOST,
                                   .shard = walk->shard,
                                   .file = walk->path,
                                   .offset = result->first_unreadable};
    if (walk->is_survey && !walk->is_aside && !walk->is_replaced && result->unreadable_bytes > 0)
        adb_repair_note(walk->repair, finding,
                        "%" PRIu64 " bytes, the first of them here, cannot be read",
                        result->unreadable_bytes);
}

/*
 * Looks for whole copies that may stand for records of a data file, whose header is NULL if it is
 * not known. Files come with the largest id first, and buffers last: the survey has met them by
 * then.
 */
static void
find_covers(struct walk *walk, uint64_t file_id, const struct log_file_header *header)
{
    const struct repair_source *source = &walk->repair->source;
    walk->n_covers = 0;
    for (uint32_t i = 0; i < source->file_count; i++) {
        const struct repair_file *file = &source->files[i];
        if (file->is_whole_copy && file->shard == walk->shard && file->file_id > file_id &&
            (header == NULL || adb_log_has_replaced(&file->header, header)))
            walk->covers[walk->n_covers++] = &file->header;
    }
}

/* Whether a copy stands for a record: it has it too, or that was not needed any more; and a
 * tombstone that hid it may have been left out since. */
static bool
is_covered(const struct walk *walk, uint64_t sequence)
{
    for (uint32_t i = 0; i < walk->n_covers; i++) {
        if (sequence > walk->covers[i]->base_sequence && sequence <= walk->covers[i]->last_sequence)
            return true;
    }
    return false;
}

/* Takes what the survey has found out about a file. */
static void
note_state(const struct walk *walk, struct repair_file *file,
           const struct log_search_result *result)
{
    file->is_sealed = result->is_sealed && !walk->has_lost_end;
    file->last_sequence = result->sequence;
    file->is_replaced = walk->is_replaced;
    file->is_whole_copy = file->has_header && !file->is_aside && file->header.is_copy &&
                          file->is_sealed && !walk->has_gap && result->unreadable_bytes == 0 &&
                          result->sequence == file->header.last_sequence;
}

static armdb_err
walk_file(struct walk *walk, struct repair_file *file)
{
    struct repair *repair = walk->repair;
    const struct log_search_events events = {on_record, on_gap, walk};
    struct log_search_place place = {.start = LOG_FILE_HEADER_BYTES, .end = file->bytes};
    struct log_search_result result;
    walk->path = file->path;
    walk->shift = 0;
    walk->is_buffer = false;
    walk->is_aside = file->is_aside;
    walk->has_gap = false;
    find_covers(walk, file->file_id, file->has_header ? &file->header : NULL);
    walk->is_replaced = file->has_header && walk->n_covers > 0;
    walk->has_lost_end = file->bytes < LOG_FILE_HEADER_BYTES;
    if (walk->is_survey && !file->is_aside) {
        repair->report->files++;
        repair->report->bytes += file->bytes;
    }
    if (file->bytes <= LOG_FILE_HEADER_BYTES)
        return ARMDB_OK;
    place.seed = adb_repair_seed(repair, file->shard, file->file_id);
    armdb_err err = adb_os_open(repair->os, file->path, ADB_OPEN_READ, &place.file);
    if (err == ARMDB_NOT_FOUND)
        return adb_fail_at(ARMDB_IO, "repair", file->path, 0, "the file has gone");
    ADB_TRY(err);
    err = adb_log_search(&repair->search, &place, &events, &result);
    adb_file_discard(place.file);
    ADB_TRY(err);
    note_unreadable(walk, &result);
    if (walk->is_survey)
        note_state(walk, file, &result);
    return ARMDB_OK;
}

static uint64_t
highest_id(const struct repair *repair, uint32_t shard)
{
    uint64_t highest = 0;
    for (uint32_t i = 0; i < repair->source.file_count; i++) {
        const struct repair_file *file = &repair->source.files[i];
        if (file->shard == shard && file->file_id > highest)
            highest = file->file_id;
    }
    return highest;
}

/* Finds the data file that a window belongs to. */
static bool
place_window(struct walk *walk, const struct log_search_place *buffer, uint64_t header_at,
             struct log_search_place *place_out)
{
    uint64_t highest = highest_id(walk->repair, walk->shard);
    uint64_t lowest = highest > IDS_BEFORE ? highest - IDS_BEFORE : 0;
    for (uint64_t id = highest + IDS_BEHIND; id > lowest; id--) {
        struct log_buffer_window window;
        uint32_t seed = adb_repair_seed(walk->repair, walk->shard, id);
        if (adb_log_buffer_look(buffer->memory, buffer->end, header_at, seed, &window)) {
            *place_out = (struct log_search_place){.memory = window.bytes,
                                                   .start = window.base,
                                                   .end = window.base + window.capacity,
                                                   .seed = seed};
            find_covers(walk, id, NULL);
            return true;
        }
    }
    return false;
}

static armdb_err
walk_window(struct walk *walk, const struct log_search_place *buffer, uint32_t number)
{
    const struct log_search_events events = {on_record, on_gap, walk};
    const armdb_finding finding = {.kind = ARMDB_FINDING_LOST,
                                   .shard = walk->shard,
                                   .file = walk->path,
                                   .bytes = LOG_BUFFER_HEADER_BYTES};
    struct log_search_place place;
    struct log_search_result result;
    uint64_t header_at = adb_log_buffer_header_at(buffer->memory, buffer->end, number);
    if (place_window(walk, buffer, header_at, &place)) {
        walk->shift = (uint64_t)(place.memory - buffer->memory) - place.start;
        return adb_log_search(&walk->repair->search, &place, &events, &result);
    }
    if (walk->is_survey && adb_log_buffer_is_used(buffer->memory, buffer->end, header_at))
        adb_repair_note(walk->repair, finding,
                        "damaged header of window %" PRIu32 ": what is in it has no place", number);
    return ARMDB_OK;
}

static armdb_err
walk_buffer(struct walk *walk, const char *directory)
{
    struct repair *repair = walk->repair;
    struct log_search_place buffer = {.start = 0};
    unsigned char *memory;
    armdb_err err = adb_log_buffer_read(repair->os, directory, &memory, &buffer.end);
    if (err == ARMDB_IO) {
        const armdb_finding finding = {
            .kind = ARMDB_FINDING_LOST, .shard = walk->shard, .file = walk->path};
        if (walk->is_survey)
            adb_repair_note(repair, finding, "the write buffer cannot be read");
        return ARMDB_OK;
    }
    if (err != ARMDB_OK || memory == NULL)
        return err;
    buffer.memory = memory;
    walk->is_buffer = true;
    walk->is_aside = false;
    walk->is_replaced = false;
    if (walk->is_survey) {
        repair->report->files++;
        repair->report->bytes += buffer.end;
    }
    for (uint32_t i = 0; err == ARMDB_OK && i < LOG_BUFFER_WINDOWS; i++)
        err = walk_window(walk, &buffer, i);
    adb_mem_free(memory);
    return err;
}

static armdb_err
walk_files(struct walk *walk)
{
    struct repair *repair = walk->repair;
    char name[FILENAME_BYTES_MAX];
    char *directory, *path;
    for (uint32_t i = 0; i < repair->source.file_count; i++) {
        struct repair_file *file = &repair->source.files[i];
        if (file->shard == walk->shard && file->file_id != 0)
            ADB_TRY(walk_file(walk, file));
    }
    if (!repair->source.has_buffer[walk->shard])
        return ARMDB_OK;
    adb_filename_shard(walk->shard, name);
    ADB_TRY(adb_filename_join(repair->source.path, name, "", &directory));
    armdb_err err = adb_filename_join(directory, FILENAME_BUFFER, "", &path);
    if (err == ARMDB_OK) {
        walk->path = path;
        err = walk_buffer(walk, directory);
        adb_mem_free(path);
    }
    adb_mem_free(directory);
    return err;
}

static armdb_err
walk_shard(struct walk *walk)
{
    uint32_t file_count = walk->repair->source.file_count;
    walk->covers = adb_new_array(const struct log_file_header *, (size_t)file_count + 1);
    if (walk->covers == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "repair", "no memory for %" PRIu32 " files", file_count);
    armdb_err err = walk_files(walk);
    adb_mem_free(walk->covers);
    walk->covers = NULL;
    return err;
}

/* --------------------------------------------------------------------- survey */

static armdb_err
survey_record(struct walk *walk, const struct log_search_record *found)
{
    struct repair *repair = walk->repair;
    armdb_repair_report *report = repair->report;
    report->records++;
    report->tombstones += found->record.flags == LOG_FLAG_TOMBSTONE;
    if (repair->is_routing_right)
        repair->is_routing_right = adb_router_shard(&repair->routing, found->key) == walk->shard;
    ADB_TRY(adb_repair_collections_survey(repair, found));
    if (adb_repair_collection_find(repair, found->record.collection_id) == NULL)
        report->dropped_records++;
    return ARMDB_OK;
}

static int
compare_bases(const void *a, const void *b)
{
    const struct repair_file *left = *(struct repair_file *const *)a;
    const struct repair_file *right = *(struct repair_file *const *)b;
    return adb_log_compare_files(&left->header, &right->header);
}

/* What the headers of a shard's files say of what is missing between them; `files` are in the order
 * of the log. */
static void
judge_files(struct walk *walk, struct repair_file *const *files, uint32_t count)
{
    armdb_finding finding = {.kind = ARMDB_FINDING_LOST, .shard = walk->shard};
    uint64_t newest_base = files[count - 1]->header.base_sequence;
    uint64_t end = 0; /* sequence number up to which the files before stand for everything */
    bool is_known = true;
    for (uint32_t i = 0; i < count; i++) {
        const struct repair_file *file = files[i];
        uint64_t base = file->header.base_sequence;
        finding.file = file->path;
        finding.offset = 0;
        if (is_known && base > end)
            adb_repair_note(walk->repair, finding,
                            "no file has the records %" PRIu64 " to %" PRIu64
                            ", which come before this one",
                            end + 1, base);
        finding.offset = file->bytes;
        if (!file->is_sealed && base < newest_base)
            adb_repair_note(walk->repair, finding,
                            "the file ends without its SEAL: it was cut, or its end is damaged");
        is_known = file->is_sealed;
        if (file->is_sealed && file->last_sequence > end)
            end = file->last_sequence;
    }
}

static armdb_err
judge_shard(struct walk *walk)
{
    struct repair_source *source = &walk->repair->source;
    struct repair_file **files = adb_new_array(struct repair_file *, source->file_count + 1);
    uint32_t count = 0;
    bool has_all = true;
    if (files == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "repair", "no memory for %" PRIu32 " files",
                        source->file_count);
    for (uint32_t i = 0; i < source->file_count; i++) {
        struct repair_file *file = &source->files[i];
        if (file->shard != walk->shard || file->file_id == 0 || file->is_aside || file->is_replaced)
            continue;
        has_all = has_all && file->has_header;
        files[count++] = file;
    }
    if (has_all && count > 0) {
        qsort(files, count, sizeof(struct repair_file *), compare_bases);
        judge_files(walk, files, count);
    }
    adb_mem_free(files);
    return ARMDB_OK;
}

static armdb_err
survey(struct repair *repair)
{
    const struct manifest *manifest = &repair->source.manifest;
    repair->routing = adb_manifest_router(manifest);
    repair->is_routing_right = manifest->shards == repair->source.shards;
    for (uint32_t i = 0; i < repair->source.shards_end; i++) {
        struct walk walk = {
            .repair = repair, .shard = i, .is_survey = true, .on_record = survey_record};
        ADB_TRY(walk_shard(&walk));
        ADB_TRY(judge_shard(&walk));
    }
    if (repair->source.manifest_state != REPAIR_MANIFEST_WHOLE && !repair->is_routing_right) {
        const armdb_finding finding = {
            .kind = ARMDB_FINDING_ASSUMED, .shard = UINT32_MAX, .file = repair->source.path};
        adb_repair_note(repair, finding,
                        "no MANIFEST tells the shard prefix bits: whole keys choose the shard now");
        repair->routing.prefix_bits = 0;
    }
    return adb_repair_collections_settle(repair);
}

/* ----------------------------------------------------------------------- copy */

/* What `newest` has for a record. */
static uint64_t
rank_of(const struct log_record *record)
{
    return record->sequence << 1 | (record->flags == LOG_FLAG_TOMBSTONE);
}

/* First reading of a shard: which record of each key is the newest. */
static armdb_err
note_newest(struct walk *walk, const struct log_search_record *found)
{
    struct repair_collections *all = &walk->repair->collections;
    const struct log_record *record = &found->record;
    struct repair_collection *collection = adb_repair_collection_find(walk->repair,
                                                                      record->collection_id);
    if (collection == NULL || is_covered(walk, record->sequence))
        return ARMDB_OK; /* dropped, or replaced */
    if (!collection->has_newest) {
        uint32_t key_bytes = collection->stored.key_bytes;
        const struct adb_index_config config = {
            .pages = all->pages,
            .is_ordered = true,
            .key_bytes = key_bytes == ARMDB_KEY_VARIABLE ? 0 : key_bytes,
            .n_writers = 1,
        };
        ADB_TRY(adb_index_init(&collection->newest, &config));
        collection->has_newest = true;
    }
    if (adb_index_get(&collection->newest, found->key, NULL) >> 1 >= record->sequence)
        return ARMDB_OK;
    ADB_TRY(adb_index_prepare(&collection->newest, found->key, &all->spare));
    adb_index_put(&collection->newest, found->key, rank_of(record), NULL, &all->spare);
    return ARMDB_OK;
}

/* Second reading: that record is copied, once. */
static armdb_err
copy_newest(struct walk *walk, const struct log_search_record *found)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    struct repair_collection *collection = adb_repair_collection_find(walk->repair,
                                                                      found->record.collection_id);
    if (collection == NULL || !collection->has_newest ||
        adb_index_get(&collection->newest, found->key, NULL) != rank_of(&found->record))
        return ARMDB_OK;
    adb_index_remove(&collection->newest, found->key);
    if (found->record.flags == LOG_FLAG_TOMBSTONE)
        return ARMDB_OK;
    options.durability = ARMDB_BUFFERED;
    options.expires_at_ms = found->record.deadline_ms;
    ADB_TRY(adb_db_write(collection->target, SHARD_PUT, found->key, found->value, &options));
    walk->repair->report->saved++;
    return ARMDB_OK;
}

/* Ends the indexes of a shard. What is left in them was there at the first reading only. */
static void
forget_newest(struct walk *walk)
{
    struct repair_collections *all = &walk->repair->collections;
    const armdb_finding finding = {
        .kind = ARMDB_FINDING_LOST, .shard = walk->shard, .file = walk->repair->source.path};
    uint64_t left = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        struct repair_collection *collection = &all->list[i];
        if (!collection->has_newest)
            continue;
        left += adb_index_count(&collection->newest);
        adb_index_fini(&collection->newest);
        collection->has_newest = false;
    }
    if (left > 0)
        adb_repair_note(walk->repair, finding,
                        "%" PRIu64 " records could be read once, but not again", left);
}

static armdb_err
copy_shards(struct repair *repair)
{
    for (uint32_t i = 0; i < repair->source.shards_end; i++) {
        struct walk walk = {.repair = repair, .shard = i, .on_record = note_newest};
        ADB_TRY(walk_shard(&walk));
        walk.on_record = copy_newest;
        ADB_TRY(walk_shard(&walk));
        forget_newest(&walk);
    }
    return ARMDB_OK;
}

/* ---------------------------------------------------------------- destination */

static armdb_err
close_destination(struct repair *repair)
{
    bool is_closed;
    struct db *db = repair->db;
    repair->db = NULL;
    return db == NULL ? ARMDB_OK : adb_db_close(db, &is_closed);
}

/* Makes a database without collections but the default one. */
static armdb_err
create_destination(struct repair *repair)
{
    const struct manifest_collection *first = &adb_repair_collection_find(repair, 0)->stored;
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.open_mode = ARMDB_CREATE_NEW;
    options.shards = repair->source.shards;
    options.shard_prefix_bits = repair->routing.prefix_bits;
    options.default_collection.key_bytes = first->key_bytes;
    options.default_collection.order = first->order;
    options.default_collection.value_bytes = first->value_bytes;
    options.cache_bytes = ARMDB_CACHE_NONE;
    armdb_err err = adb_db_open(repair->os, repair->destination, &options, &repair->db);
    /* After these it is somebody else's. */
    repair->is_begun = err != ARMDB_EXISTS && err != ARMDB_BUSY && err != ARMDB_NO_DATABASE;
    ADB_TRY(err);
    ADB_TRY(adb_os_resolve(repair->os, repair->destination, &repair->destination_path));
    return close_destination(repair);
}

/* Gives it the collections, with the ids they had. */
static armdb_err
describe_destination(struct repair *repair)
{
    struct manifest manifest;
    bool is_unsure;
    ADB_TRY(adb_manifest_load(repair->os, repair->destination_path, &manifest));
    armdb_err err = adb_repair_collections_describe(repair, &manifest);
    if (err == ARMDB_OK)
        err = adb_manifest_store(repair->os, repair->destination_path, &manifest, &is_unsure);
    adb_manifest_fini(&manifest);
    return err;
}

/* Takes the name of the manifest away, so that there is no database to open; or gives it back. */
static armdb_err
rename_manifest(struct repair *repair, bool is_hidden)
{
    const char *directory = repair->destination_path;
    char *path, *hidden;
    ADB_TRY(adb_filename_join(directory, FILENAME_MANIFEST, "", &path));
    armdb_err err = adb_filename_join(directory, FILENAME_MANIFEST, FILENAME_TEMPORARY_SUFFIX,
                                      &hidden);
    if (err == ARMDB_OK) {
        err = adb_os_rename(repair->os, is_hidden ? path : hidden, is_hidden ? hidden : path);
        adb_mem_free(hidden);
    }
    adb_mem_free(path);
    return err == ARMDB_OK ? adb_os_sync_dir(repair->os, directory) : err;
}

static armdb_err
open_destination(struct repair *repair)
{
    struct repair_collections *all = &repair->collections;
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.open_mode = ARMDB_OPEN_EXISTING;
    options.cache_bytes = ARMDB_CACHE_NONE;
    ADB_TRY(create_destination(repair));
    ADB_TRY(describe_destination(repair));
    ADB_TRY(adb_db_open(repair->os, repair->destination_path, &options, &repair->db));
    armdb_collection_options any = ARMDB_COLLECTION_OPTIONS_INIT;
    any.schema_version = ARMDB_SCHEMA_ANY;
    for (uint32_t i = 0; i < all->count; i++)
        ADB_TRY(
            adb_collection_open(repair->db, all->list[i].stored.name, &any, &all->list[i].target));
    return rename_manifest(repair, true);
}

/* After an error: nobody shall take what is there for a database. The error stays. */
static void
spoil_destination(struct repair *repair)
{
    const armdb_error_detail detail = *adb_err_detail();
    const char *directory = repair->destination_path != NULL ? repair->destination_path
                                                             : repair->destination;
    char *path;
    ADB_IGNORE(close_destination(repair));
    if (repair->is_begun &&
        adb_filename_join(directory, FILENAME_MANIFEST, "", &path) == ARMDB_OK) {
        (void)adb_os_unlink(repair->os, path);
        adb_mem_free(path);
    }
    ADB_IGNORE(adb_err_restore(&detail));
}

/* --------------------------------------------------------------------- repair */

static armdb_err
repair_into(struct repair *repair)
{
    ADB_TRY(survey(repair));
    ADB_TRY(open_destination(repair));
    ADB_TRY(copy_shards(repair));
    ADB_TRY(adb_db_sync(repair->db));
    ADB_TRY(close_destination(repair));
    return rename_manifest(repair, false);
}

static armdb_err
repair_at(struct repair *repair, const char *path)
{
    enum directory_state state;
    ADB_TRY(adb_directory_look(repair->os, path, &state));
    if (state == DIRECTORY_MISSING)
        return adb_directory_refuse(path, state);
    ADB_TRY(adb_os_resolve(repair->os, path, &repair->source.path));
    ADB_TRY(adb_directory_check_destination(repair->os, "repair", repair->destination,
                                            repair->source.path));
    ADB_TRY(adb_repair_source_open(repair));
    ADB_TRY(adb_repair_collections_init(repair));
    armdb_err err = repair_into(repair);
    if (err != ARMDB_OK)
        spoil_destination(repair);
    return err;
}

armdb_err
adb_db_repair(struct adb_os *os, const char *path, const char *destination,
              const struct repair_listener *listener, armdb_repair_report *report_out)
{
    struct repair repair = {
        .os = os, .listener = listener, .report = report_out, .destination = destination};
    *report_out = (armdb_repair_report){0};
    armdb_err err = repair_at(&repair, path);
    adb_log_search_fini(&repair.search);
    adb_repair_collections_fini(&repair);
    adb_repair_source_close(&repair);
    adb_mem_free(repair.destination_path);
    return err;
}
