#include "log/log_search.h"

#include "base/assert.h"
#include "base/err.h"
#include "base/mem.h"
#include "log/location.h"

enum {
    WINDOW_BYTES = 1024 * 1024,
    BLOCK_BYTES = 4096,      /* what a device fails to read at once */
    SMALL_RECORD_BYTES = 512 /* looked for when nothing more may be spent */
};

/* What may be spent on checksums that come to nothing. */
#define SPEND_TIMES UINT64_C(64)
#define SPEND_BYTES_MIN (UINT64_C(64) << 20)

/* One search under way. */
struct seeker {
    struct log_search *search;
    const struct log_search_place *place;
    const struct log_search_events *events;
    struct log_search_result *result;
    uint64_t looked_at; /* blocks that cannot be read are counted up to here */
    uint64_t spent;     /* bytes of checksums that came to nothing */
    uint64_t gap;       /* where the gap began that the search is in; UINT64_MAX: it is in none */
    uint64_t gap_end;   /* behind the last byte of it that is not zero */
};

void
adb_log_search_fini(struct log_search *search)
{
    adb_mem_free(search->window);
    *search = (struct log_search){0};
}

/* -------------------------------------------------------------------- reading */

static void
count_unreadable(struct seeker *seeker, uint64_t offset, uint64_t bytes)
{
    struct log_search_result *result = seeker->result;
    if (offset < seeker->looked_at)
        return; /* the window was here before */
    if (result->unreadable_bytes == 0)
        result->first_unreadable = offset;
    result->unreadable_bytes += bytes;
}

/* Fills the window block by block, because somewhere in it the device fails. */
static armdb_err
read_blocks(struct seeker *seeker, uint64_t offset, size_t bytes)
{
    struct log_search *search = seeker->search;
    for (size_t at = 0; at < bytes;) {
        uint64_t block_end = adb_round_up(offset + at + 1, BLOCK_BYTES);
        size_t piece = (size_t)(block_end - offset) - at;
        size_t got = 0;
        if (piece > bytes - at)
            piece = bytes - at;
        const struct iovec iov = {search->window + at, piece};
        armdb_err err = adb_file_read(seeker->place->file, &iov, 1, offset + at, &got);
        if (err != ARMDB_OK && err != ARMDB_IO)
            return err;
        if (err == ARMDB_IO) {
            count_unreadable(seeker, offset + at, piece);
            got = 0;
        }
        memset(search->window + at + got, 0, piece - got);
        at += piece;
    }
    search->filled = bytes;
    return ARMDB_OK;
}

/* Reads a window that begins at `offset` and has `bytes` at least. */
static armdb_err
read_window(struct seeker *seeker, uint64_t offset, size_t bytes)
{
    struct log_search *search = seeker->search;
    uint64_t left = seeker->place->end - offset;
    size_t want = bytes < WINDOW_BYTES ? WINDOW_BYTES : bytes;
    if (want > left)
        want = (size_t)left;
    if (want > search->capacity) {
        size_t capacity = want < WINDOW_BYTES ? WINDOW_BYTES : want;
        adb_log_search_fini(search);
        search->window = (unsigned char *)adb_mem_alloc(capacity);
        if (search->window == NULL)
            return adb_fail(ARMDB_NO_MEMORY, "search data file", "no memory for %zu bytes",
                            capacity);
        search->capacity = capacity;
    }
    const struct iovec iov = {search->window, want};
    search->base = offset;
    search->filled = 0;
    armdb_err err = adb_file_read(seeker->place->file, &iov, 1, offset, &search->filled);
    if (err == ARMDB_IO)
        err = read_blocks(seeker, offset, want);
    if (seeker->looked_at < offset + want)
        seeker->looked_at = offset + want;
    return err;
}

/* Makes `bytes` at `offset`, which lie in the place, readable; *at_out is NULL if the file has
 * shrunk. */
static armdb_err
look_at(struct seeker *seeker, uint64_t offset, uint64_t bytes, const unsigned char **at_out)
{
    const struct log_search_place *place = seeker->place;
    const struct log_search *search = seeker->search;
    ADB_ASSERT(offset >= place->start && bytes <= place->end - offset);
    *at_out = NULL;
    if (place->file == NULL) {
        *at_out = place->memory + (offset - place->start);
        return ARMDB_OK;
    }
    if (offset < search->base || offset + bytes > search->base + search->filled)
        ADB_TRY(read_window(seeker, offset, (size_t)bytes));
    if (offset + bytes <= search->base + search->filled)
        *at_out = search->window + (offset - search->base);
    return ARMDB_OK;
}

/* -------------------------------------------------------------------- records */

/* Whether a record with this header can stand at this offset. */
static bool
is_plausible(const struct seeker *seeker, uint64_t offset, const struct log_record *record,
             uint64_t bytes)
{
    const struct log_search_place *place = seeker->place;
    uint64_t most = SPEND_TIMES * (place->end - place->start) + SPEND_BYTES_MIN;
    if (!adb_log_record_is_sane(record) || bytes > place->end - offset)
        return false;
    if (adb_log_record_is_value(record) && record->value_len >= LOCATION_LARGE &&
        offset % LOCATION_LARGE_ALIGNMENT != 0)
        return false;
    return seeker->gap == UINT64_MAX || seeker->spent < most || bytes <= SMALL_RECORD_BYTES;
}

/* Looks for a whole record at an offset; *bytes_out is 0 if there is none. */
static armdb_err
look_for_record(struct seeker *seeker, uint64_t offset, struct log_search_record *found_out,
                uint64_t *bytes_out)
{
    const unsigned char *at;
    struct log_record *record = &found_out->record;
    *bytes_out = 0;
    if (seeker->place->end - offset < LOG_PAD_RECORD_BYTES_MIN)
        return ARMDB_OK;
    ADB_TRY(look_at(seeker, offset, LOG_RECORD_HEADER_BYTES, &at));
    if (at == NULL)
        return ARMDB_OK;
    adb_log_decode_record(at, record);
    uint64_t bytes = adb_log_record_bytes(record);
    if (!is_plausible(seeker, offset, record, bytes))
        return ARMDB_OK;
    ADB_TRY(look_at(seeker, offset, bytes, &at));
    if (at == NULL)
        return ARMDB_OK;
    if (adb_log_record_crc(seeker->place->seed, offset, at, bytes) != record->crc) {
        seeker->spent += bytes;
        return ARMDB_OK;
    }
    const unsigned char *key = at + adb_log_head_bytes(record->flags);
    if (!adb_log_decode_deadline(seeker->place->seed, offset, at, record))
        return ARMDB_OK;
    found_out->key = (armdb_slice){key, record->key_len};
    found_out->value = (armdb_slice){key + record->key_len, record->value_len};
    found_out->offset = offset;
    *bytes_out = bytes;
    return ARMDB_OK;
}

static armdb_err
end_gap(struct seeker *seeker, uint64_t end, uint64_t sequence_behind)
{
    const struct log_search_gap gap = {seeker->gap, end - seeker->gap, seeker->result->sequence,
                                       sequence_behind};
    seeker->gap = UINT64_MAX;
    if (gap.bytes == 0 || seeker->events->on_gap == NULL)
        return ARMDB_OK;
    return seeker->events->on_gap(seeker->events->context, &gap);
}

static armdb_err
take_record(struct seeker *seeker, const struct log_search_record *found)
{
    struct log_search_result *result = seeker->result;
    const struct log_record *record = &found->record;
    if (seeker->gap != UINT64_MAX)
        ADB_TRY(end_gap(seeker, found->offset, record->sequence));
    result->sequence = record->sequence;
    result->is_sealed = false;
    if (record->flags == LOG_FLAG_META) {
        result->is_sealed = *(const unsigned char *)found->value.data == LOG_META_SEAL;
        return ARMDB_OK;
    }
    result->records++;
    if (seeker->events->on_record == NULL)
        return ARMDB_OK;
    return seeker->events->on_record(seeker->events->context, found);
}

/* Passes up to 8 bytes, which belong to a gap. */
static armdb_err
pass(struct seeker *seeker, uint64_t offset, uint64_t bytes)
{
    const unsigned char *at;
    uint64_t word = 0;
    if (seeker->gap == UINT64_MAX) {
        seeker->gap = offset;
        seeker->gap_end = offset;
    }
    ADB_TRY(look_at(seeker, offset, bytes, &at));
    if (at != NULL)
        memcpy(&word, at, (size_t)bytes);
    if (word != 0)
        seeker->gap_end = offset + bytes;
    return ARMDB_OK;
}

armdb_err
adb_log_search(struct log_search *search, const struct log_search_place *place,
               const struct log_search_events *events, struct log_search_result *result_out)
{
    struct seeker seeker = {
        .search = search, .place = place, .events = events, .result = result_out};
    struct log_search_record found;
    ADB_ASSERT(place->start % LOG_RECORD_ALIGNMENT == 0);
    *result_out = (struct log_search_result){0};
    seeker.gap = UINT64_MAX;
    search->filled = 0; /* it may be of another file */
    for (uint64_t offset = place->start; offset < place->end;) {
        uint64_t bytes;
        ADB_TRY(look_for_record(&seeker, offset, &found, &bytes));
        if (bytes > 0) {
            ADB_TRY(take_record(&seeker, &found));
        } else {
            uint64_t left = place->end - offset;
            bytes = left < LOG_RECORD_ALIGNMENT ? left : LOG_RECORD_ALIGNMENT;
            ADB_TRY(pass(&seeker, offset, bytes));
        }
        offset += bytes;
    }
    return seeker.gap == UINT64_MAX ? ARMDB_OK : end_gap(&seeker, seeker.gap_end, 0);
}
