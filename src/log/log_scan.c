#include "log/log_scan.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/plant.h"
#include "log/location.h"

enum { WINDOW_BYTES = 1024 * 1024 };

/* A window of the file in memory. */
struct scanner {
    struct data_file *file;
    struct log_scan_result *result;
    unsigned char *window; /* owned, WINDOW_BYTES */
    uint64_t base;         /* file offset of window[0] */
    size_t filled;         /* valid bytes of the window */
    armdb_slice patch;     /* borrowed: what is taken to stand in the file ... */
    uint64_t patch_at;     /* ... from here on; windows begin there or behind */
};

/* Lays the patch over what was read. */
static void
apply_patch(struct scanner *scanner)
{
    uint64_t from = scanner->patch_at > scanner->base ? scanner->patch_at : scanner->base;
    uint64_t to = scanner->patch_at + scanner->patch.len;
    if (to > scanner->base + WINDOW_BYTES)
        to = scanner->base + WINDOW_BYTES;
    if (from >= to)
        return;
    memcpy(scanner->window + (from - scanner->base),
           (const unsigned char *)scanner->patch.data + (from - scanner->patch_at),
           (size_t)(to - from));
    if (scanner->filled < to - scanner->base)
        scanner->filled = (size_t)(to - scanner->base);
}

static armdb_err
read_window(struct scanner *scanner, uint64_t offset)
{
    const struct iovec iov = {scanner->window, WINDOW_BYTES};
    scanner->base = offset;
    scanner->filled = 0;
    ADB_TRY(adb_file_read(scanner->file->file, &iov, 1, offset, &scanner->filled));
    apply_patch(scanner);
    return ARMDB_OK;
}

/* Makes `bytes` (at most WINDOW_BYTES) at `offset` readable; *at_out is NULL if the file is too
 * short. */
static armdb_err
look_at(struct scanner *scanner, uint64_t offset, size_t bytes, const unsigned char **at_out)
{
    *at_out = NULL;
    if (offset < scanner->base || offset + bytes > scanner->base + scanner->filled)
        ADB_TRY(read_window(scanner, offset));
    if (offset + bytes <= scanner->base + scanner->filled)
        *at_out = scanner->window + (offset - scanner->base);
    return ARMDB_OK;
}

/* Continues `crc` over `bytes` of the file, through the window. */
static armdb_err
checksum_file(struct scanner *scanner, uint64_t offset, uint64_t bytes, uint32_t *crc)
{
    while (bytes > 0) {
        const unsigned char *at;
        size_t piece = bytes < WINDOW_BYTES ? (size_t)bytes : WINDOW_BYTES;
        ADB_TRY(look_at(scanner, offset, piece, &at));
        if (at == NULL)
            return ARMDB_OK; /* the file shrank under us: the checksum cannot match */
        *crc = adb_crc32c(*crc, at, piece);
        offset += piece;
        bytes -= piece;
    }
    return ARMDB_OK;
}

/* Whether only zeros follow. */
static armdb_err
is_zero_from(struct scanner *scanner, uint64_t offset, bool *is_zero_out)
{
    *is_zero_out = false;
    while (offset < scanner->result->size) {
        ADB_TRY(read_window(scanner, offset));
        if (scanner->filled == 0)
            break;
        for (size_t i = 0; i < scanner->filled; i++) {
            if (scanner->window[i] != 0)
                return ARMDB_OK;
        }
        offset += scanner->filled;
    }
    *is_zero_out = true;
    return ARMDB_OK;
}

/* What stands at an offset. */
struct found {
    bool is_whole;
    const char *why_not;
    struct log_record record;
    uint64_t bytes;                     /* of the whole record */
    unsigned char front[ARMDB_KEY_MAX]; /* the key, or the front of a META value */
    const unsigned char *value;         /* in the window; NULL if that has only a part of it */
};

_Static_assert(LOG_SCAN_VALUE_MAX + ARMDB_KEY_MAX + LOG_RECORD_HEAD_MAX < WINDOW_BYTES,
               "a record with a value that is handed out lies in the window");

static armdb_err
parse_record(struct scanner *scanner, uint64_t offset, struct found *found)
{
    const unsigned char *at;
    found->is_whole = false;
    found->why_not = "incomplete record";
    ADB_TRY(look_at(scanner, offset, LOG_RECORD_HEADER_BYTES, &at));
    if (at == NULL)
        return ARMDB_OK;
    adb_log_decode_record(at, &found->record);
    const struct log_record *record = &found->record;
    uint32_t head_bytes = adb_log_head_bytes(record->flags);
    found->bytes = adb_log_record_bytes(record);
    if (!adb_log_record_is_sane(record)) {
        found->why_not = "damaged record header";
        return ARMDB_OK;
    }
    if (found->bytes > scanner->result->size - offset)
        return ARMDB_OK;

    size_t front_len = record->key_len;
    if (record->flags == LOG_FLAG_META)
        front_len = record->value_len < LOG_MARK_VALUE_BYTES ? record->value_len
                                                             : LOG_MARK_VALUE_BYTES;
    uint64_t first = found->bytes < WINDOW_BYTES ? found->bytes : head_bytes + front_len;
    ADB_TRY(look_at(scanner, offset, (size_t)first, &at));
    if (at == NULL)
        return ARMDB_OK;
    memcpy(found->front, at + head_bytes, front_len);
    found->value = first == found->bytes ? at + head_bytes + record->key_len : NULL;
    bool is_in_time = adb_log_decode_deadline(scanner->file->seed, offset, at, &found->record);
    uint32_t crc = adb_log_record_seed(scanner->file->seed, offset);
    crc = adb_crc32c(crc, at + 4, (size_t)first - 4);
    ADB_TRY(checksum_file(scanner, offset + first, found->bytes - first, &crc));
    found->is_whole = (crc == record->crc || ADB_PLANTED(PLANT_CHECKSUM_OF_SCANS)) && is_in_time;
    found->why_not = "bad checksum";
    return ARMDB_OK;
}

static bool
is_mark(const struct found *found)
{
    return found->record.flags == LOG_FLAG_META &&
           found->record.value_len == LOG_MARK_VALUE_BYTES &&
           (found->front[0] == LOG_META_MARK || found->front[0] == LOG_META_SEAL);
}

/*
 * Looks behind a bad place: for whole records, and for a MARK or SEAL that says the place had been
 * synced.
 */
static armdb_err
look_behind(struct scanner *scanner, uint64_t bad, bool *has_proof_out)
{
    struct found found;
    uint64_t offset = bad + LOG_RECORD_ALIGNMENT;
    *has_proof_out = false;
    while (offset + LOG_PAD_RECORD_BYTES_MIN <= scanner->result->size) {
        const unsigned char *at;
        struct log_record record;
        uint64_t step = LOG_RECORD_ALIGNMENT;
        ADB_TRY(look_at(scanner, offset, LOG_RECORD_HEADER_BYTES, &at));
        if (at == NULL)
            break;
        adb_log_decode_record(at, &record);
        if (adb_log_record_is_sane(&record)) {
            ADB_TRY(parse_record(scanner, offset, &found));
            if (found.is_whole) {
                step = found.bytes;
                scanner->result->has_records_behind = true;
            }
            if (found.is_whole && is_mark(&found) && adb_load_u64(found.front + 8) > bad) {
                *has_proof_out = true;
                break;
            }
        }
        offset += step;
    }
    return ARMDB_OK;
}

static void
report_damage(struct scanner *scanner, uint64_t offset, const char *what)
{
    struct log_scan_result *result = scanner->result;
    result->how = LOG_SCAN_DAMAGED;
    result->damaged_at = offset;
    snprintf(result->message, sizeof result->message, "%s", what);
}

/* Decides what a place that holds no whole record means. */
static armdb_err
judge_end(struct scanner *scanner, uint64_t offset, const char *why_not)
{
    bool is_zero, has_proof;
    if (!scanner->result->is_newest) {
        report_damage(scanner, offset, why_not);
        return ARMDB_OK;
    }
    ADB_TRY(is_zero_from(scanner, offset, &is_zero));
    if (is_zero)
        return ARMDB_OK;
    ADB_TRY(look_behind(scanner, offset, &has_proof));
    if (has_proof)
        report_damage(scanner, offset, why_not);
    else
        scanner->result->how = LOG_SCAN_TORN;
    return ARMDB_OK;
}

/* Whether it is a GROUP, and one that can stand here: not in a part of another batch, nor in a
 * copy; its part ends within what a file may have, and has a record at least. */
static bool
is_group(const struct scanner *scanner, const struct found *found, struct log_group *group_out)
{
    const struct log_scan_result *result = scanner->result;
    return found->record.flags == LOG_FLAG_META && found->value != NULL &&
           !scanner->file->header.is_copy && !adb_log_scan_is_in_part(result) &&
           adb_log_decode_group(found->value, found->record.value_len, group_out) &&
           group_out->bytes <= LOCATION_OFFSET_LIMIT + 2 * (uint64_t)ARMDB_VALUE_MAX &&
           group_out->sequence > result->sequence && group_out->sequence <= LOG_SEQUENCE_MAX;
}

/* Why a record cannot be in the part of a batch that it lies in. */
static const char *
misplacement_in_part(const struct log_scan_result *result, const struct found *found)
{
    bool is_pad = found->record.flags == LOG_FLAG_META && found->front[0] == LOG_META_PAD;
    uint64_t end = result->end + found->bytes;
    if (found->record.flags == LOG_FLAG_META && !is_pad)
        return "a META record within a batch";
    if (end > result->part.end)
        return "a record across the end of a batch";
    if (!is_pad && (end == result->part.end) != (found->record.sequence == result->part.last))
        return "a batch with more or fewer records than it says";
    return NULL;
}

/* Whether the sequence number of the record that comes next can be. */
static bool
is_in_sequence(const struct scanner *scanner, const struct log_record *record)
{
    const struct log_file_header *header = &scanner->file->header;
    bool is_meta = record->flags == LOG_FLAG_META;
    if (!header->is_copy)
        return record->sequence == scanner->result->sequence + (is_meta ? 0 : 1);
    if (is_meta)
        return record->sequence == header->last_sequence;
    return record->sequence > header->base_sequence && record->sequence <= header->last_sequence;
}

/* Why a whole record cannot be at this place after all; NULL if it can. */
static const char *
misplacement(const struct scanner *scanner, const struct found *found)
{
    const struct log_scan_result *result = scanner->result;
    const struct log_record *record = &found->record;
    bool is_meta = record->flags == LOG_FLAG_META;
    struct log_group group;
    if (result->is_sealed)
        return "a record behind the SEAL of its file";
    if (!is_in_sequence(scanner, record))
        return "a gap in the sequence numbers";
    if (is_meta && found->front[0] != LOG_META_PAD && !is_mark(found) &&
        !is_group(scanner, found, &group))
        return "a META record of an unknown kind";
    if (!is_meta && result->end >= LOCATION_OFFSET_LIMIT)
        return "a record behind the first 4 GiB";
    return adb_log_scan_is_in_part(result) ? misplacement_in_part(result, found) : NULL;
}

/* Takes a META record, which stands at the end, into the result. */
static armdb_err
take_meta(struct scanner *scanner, const struct found *found)
{
    struct log_scan_result *result = scanner->result;
    struct log_groups *groups = scanner->file->groups;
    struct log_group group;
    if (is_mark(found)) {
        result->marked = adb_load_u64(found->front + 8);
        result->marked_at = result->end;
        result->is_sealed = found->front[0] == LOG_META_SEAL;
        if (groups != NULL)
            adb_log_groups_drop(groups, result->marked);
    } else if (is_group(scanner, found, &group)) {
        result->group_bytes += found->bytes;
        result->part = (struct log_scan_part){.at = result->end,
                                              .end = result->end + found->bytes + group.bytes,
                                              .last = group.sequence,
                                              .sequence = result->sequence};
        if (groups != NULL && group.n_participants > 0)
            return adb_log_groups_add(groups, result->part.at, result->part.sequence, found->value,
                                      group.n_participants);
    }
    return ARMDB_OK;
}

/* Takes a whole record into the result; says whether the scan goes on. */
static armdb_err
accept(struct scanner *scanner, const struct found *found, adb_scan_fn fn, void *context,
       bool *go_on_out)
{
    struct log_scan_result *result = scanner->result;
    const struct log_record *record = &found->record;
    uint64_t offset = result->end;
    bool is_meta = record->flags == LOG_FLAG_META;
    *go_on_out = false;
    const char *misplaced = misplacement(scanner, found);
    if (misplaced != NULL) {
        report_damage(scanner, offset, misplaced);
        return ARMDB_OK;
    }
    if (is_meta) {
        ADB_TRY(take_meta(scanner, found));
    } else {
        const struct log_scan_record whole = {
            .record = *record,
            .key = {found->front, record->key_len},
            .value = found->value,
            .offset = offset,
            .group_bytes = result->group_bytes,
        };
        ADB_TRY(fn(context, &whole));
        if (!scanner->file->header.is_copy)
            result->sequence = record->sequence;
        result->records++;
    }
    result->end = offset + found->bytes;
    *go_on_out = true;
    return ARMDB_OK;
}

static armdb_err
scan_records(struct scanner *scanner, adb_scan_fn fn, void *context)
{
    struct log_scan_result *result = scanner->result;
    struct found found;
    bool go_on = true;
    while (go_on && result->end < result->size) {
        ADB_TRY(parse_record(scanner, result->end, &found));
        if (!found.is_whole)
            return judge_end(scanner, result->end, found.why_not);
        ADB_TRY(accept(scanner, &found, fn, context, &go_on));
    }
    if (go_on && !result->is_newest && !result->is_sealed)
        report_damage(scanner, result->end, "the file ends early: its SEAL is missing");
    return ARMDB_OK;
}

/* Scans from result->end on. */
static armdb_err
scan_from_end(struct scanner *scanner, adb_scan_fn fn, void *context)
{
    scanner->window = (unsigned char *)adb_mem_alloc(WINDOW_BYTES);
    if (scanner->window == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "scan data file", "no memory for a window of %d bytes",
                        WINDOW_BYTES);
    armdb_err err = scan_records(scanner, fn, context);
    adb_mem_free(scanner->window);
    return err;
}

armdb_err
adb_log_scan(struct data_file *file, bool is_newest, uint64_t sequence, adb_scan_fn fn,
             void *context, struct log_scan_result *result_out)
{
    struct scanner scanner = {.file = file, .result = result_out};
    *result_out = (struct log_scan_result){.how = LOG_SCAN_WHOLE,
                                           .end = LOG_FILE_HEADER_BYTES,
                                           .sequence = sequence,
                                           .is_newest = is_newest,
                                           .marked = LOG_FILE_HEADER_BYTES};
    ADB_TRY(adb_file_size(file->file, &result_out->size));
    if (file->header.base_sequence != sequence) {
        result_out->how = LOG_SCAN_DAMAGED;
        snprintf(result_out->message, sizeof result_out->message,
                 "the file goes on from record %" PRIu64
                 ", but the log before it ends with %" PRIu64,
                 file->header.base_sequence, sequence);
        return ARMDB_OK;
    }
    /* What a copy stands for it says itself: its newest records may be among those left out. */
    if (file->header.is_copy)
        result_out->sequence = file->header.last_sequence;
    return scan_from_end(&scanner, fn, context);
}

armdb_err
adb_log_scan_as_if(struct data_file *file, armdb_slice bytes, adb_scan_fn fn, void *context,
                   struct log_scan_result *result)
{
    struct scanner scanner = {
        .file = file, .result = result, .patch = bytes, .patch_at = result->end};
    result->how = LOG_SCAN_WHOLE;
    result->has_records_behind = false;
    ADB_TRY(adb_file_size(file->file, &result->size));
    if (result->size < result->end + bytes.len)
        result->size = result->end + bytes.len;
    return scan_from_end(&scanner, fn, context);
}

armdb_err
adb_log_scan_on(struct data_file *file, adb_scan_fn fn, void *context,
                struct log_scan_result *result)
{
    return adb_log_scan_as_if(file, (armdb_slice){NULL, 0}, fn, context, result);
}
