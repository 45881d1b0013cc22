/*
 * log_image.h: data files built by hand, byte by byte, so that a scan can be shown anything.
 *
 * An image remembers where each of its records begins.
 */
#ifndef TEST_LOG_IMAGE_H
#define TEST_LOG_IMAGE_H

#include "log_fixture.h"

enum { IMAGE_RECORDS_MAX = 2048 };

struct log_image {
    unsigned char *bytes; /* owned */
    size_t len;
    size_t capacity;
    uint32_t seed;
    uint64_t sequence;
    size_t count;                        /* records, META ones included */
    uint64_t starts[IMAGE_RECORDS_MAX];  /* where each begins */
    uint64_t records[IMAGE_RECORDS_MAX]; /* how many that are not META end at or before it */
};

static inline void
image_grow(struct log_image *image, uint64_t bytes)
{
    while (image->len + bytes > image->capacity) {
        image->capacity = image->capacity == 0 ? 4096 : 2 * image->capacity;
        image->bytes = (unsigned char *)realloc(image->bytes, image->capacity);
        assert_non_null(image->bytes);
    }
    memset(image->bytes + image->len, 0, (size_t)bytes);
}

static inline struct log_image *
image_new(void)
{
    struct log_image *image = (struct log_image *)calloc(1, sizeof *image);
    assert_non_null(image);
    image_grow(image, LOG_FILE_HEADER_BYTES);
    adb_log_encode_file_header(&LOG_HEADER, image->bytes);
    image->len = LOG_FILE_HEADER_BYTES;
    image->seed = adb_log_file_seed(&LOG_HEADER);
    return image;
}

static inline void
image_free(struct log_image *image)
{
    free(image->bytes);
    free(image);
}

/** Appends a record with a right checksum; key and value are 0x6b and 0x76 over and over. */
static inline void
image_add(struct log_image *image, const struct log_record *record)
{
    uint64_t bytes = adb_log_record_bytes(record);
    image_grow(image, bytes);
    unsigned char *to = image->bytes + image->len;
    unsigned char *key = to + adb_log_head_bytes(record->flags);
    adb_log_encode_head(image->seed, image->len, record, to);
    memset(key, 0x6b, record->key_len);
    memset(key + record->key_len, 0x76, record->value_len);
    if (record->flags == LOG_FLAG_META)
        to[LOG_RECORD_HEADER_BYTES] = LOG_META_PAD;
    adb_store_u32(to, adb_log_record_crc(image->seed, image->len, to, bytes));
    assert_true(image->count + 1 < IMAGE_RECORDS_MAX);
    image->starts[image->count] = image->len;
    uint64_t before = image->count == 0 ? 0 : image->records[image->count - 1];
    image->records[image->count] = before + (record->flags == LOG_FLAG_META ? 0 : 1);
    image->count++;
    image->len += (size_t)bytes;
}

/** Appends a plain record with the next sequence number. */
static inline void
image_put(struct log_image *image, uint32_t key_len, uint32_t value_len)
{
    const struct log_record record = {
        .value_len = value_len, .sequence = ++image->sequence, .key_len = key_len};
    image_add(image, &record);
}

static inline void
image_pad(struct log_image *image, uint32_t value_len)
{
    const struct log_record record = {
        .value_len = value_len, .sequence = image->sequence, .flags = LOG_FLAG_META};
    image_add(image, &record);
}

/** Appends a MARK or SEAL that says `synced`. */
static inline void
image_mark(struct log_image *image, uint32_t kind, uint64_t synced)
{
    const struct log_record record = {
        .value_len = LOG_MARK_VALUE_BYTES, .sequence = image->sequence, .flags = LOG_FLAG_META};
    uint64_t at = image->len;
    image_add(image, &record);
    adb_log_encode_mark(image->seed, at, kind, image->sequence, synced, image->bytes + at);
}

/** Appends a GROUP, whose part has these bytes and records. */
static inline void
image_group(struct log_image *image, uint64_t bytes, uint64_t records,
            const struct log_participant *others, uint32_t n_others)
{
    const struct log_record record = {.value_len = LOG_GROUP_VALUE_BYTES +
                                                   n_others * LOG_PARTICIPANT_BYTES,
                                      .sequence = image->sequence,
                                      .flags = LOG_FLAG_META};
    const struct log_group group = {bytes, image->sequence + records, n_others};
    uint64_t at = image->len;
    image_add(image, &record);
    adb_log_encode_group(image->seed, at, image->sequence, &group, others, image->bytes + at);
}

static inline void
image_seal(struct log_image *image)
{
    image_mark(image, LOG_META_SEAL, image->len);
}

/** Start of the record that holds byte `at`; the end of the image if none does. */
static inline uint64_t
image_start_of(const struct log_image *image, uint64_t at)
{
    uint64_t start = image->len;
    for (size_t i = 0; i < image->count && image->starts[i] <= at; i++)
        start = image->starts[i];
    return at < image->len ? start : image->len;
}

/** Records that end at or before `at`, META ones not counted. */
static inline uint64_t
image_records_before(const struct log_image *image, uint64_t at)
{
    uint64_t records = 0;
    for (size_t i = 0; i < image->count; i++) {
        uint64_t end = i + 1 < image->count ? image->starts[i + 1] : image->len;
        if (end <= at)
            records = image->records[i];
    }
    return records;
}

/** Makes the first `len` bytes the log of the simulator, and scans it. */
static inline struct log_scan_result
image_scan_front(struct log_fixture *fixture, const struct log_image *image, size_t len,
                 bool is_newest, struct seen_records *seen)
{
    sim_write_file(fixture->sim, LOG_PATH, image->bytes, len);
    return scan_log(fixture->sim, is_newest, seen);
}

static inline struct log_scan_result
image_scan(struct log_fixture *fixture, const struct log_image *image, bool is_newest,
           struct seen_records *seen)
{
    return image_scan_front(fixture, image, image->len, is_newest, seen);
}

#endif
