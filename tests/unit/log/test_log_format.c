/* Each byte of a data file's header and of a record, against files built by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "log/log_format.h"
#include "support/seed.h"

static const struct log_file_header HEADER = {
    .db_id = {0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd,
              0xde, 0xdf},
    .file_id = UINT64_C(0x1817161514131211),
    .base_sequence = UINT64_C(0x2827262524232221),
    .shard = 0x0f0e0d0c,
};

/* What docs/format.md draws. */
static const unsigned char HEADER_BYTES[60] = {
    'a',  'r',  'm',  'd',  'b',  'l',  'o',  'g',  /*  0 magic */
    3,    0,    0,    0,                            /*  8 format version */
    0x0c, 0x0d, 0x0e, 0x0f,                         /* 12 shard */
    0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, /* 16 file id */
    0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, /* 24 database id */
    0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, /* 32 */
    0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, /* 40 base sequence */
    0,    0,    0,    0,    0,    0,    0,    0,    /* 48 reserved */
    0,    0,    0,    0,
};

static void
test_log_format__file_header__each_byte_has_its_place(void **state)
{
    (void)state;
    unsigned char bytes[LOG_FILE_HEADER_BYTES];
    memset(bytes, 0xee, sizeof bytes);
    adb_log_encode_file_header(&HEADER, bytes);
    assert_memory_equal(bytes, HEADER_BYTES, sizeof HEADER_BYTES);
    assert_int_equal(adb_load_u32(bytes + 60), adb_crc32c(0, HEADER_BYTES, sizeof HEADER_BYTES));
}

static void
test_log_format__file_header__round_trip(void **state)
{
    (void)state;
    unsigned char bytes[LOG_FILE_HEADER_BYTES];
    struct log_file_header found = {0};
    adb_log_encode_file_header(&HEADER, bytes);
    assert_int_equal(adb_log_decode_file_header(bytes, &found), LOG_HEADER_OK);
    assert_memory_equal(found.db_id, HEADER.db_id, LOG_DB_ID_BYTES);
    assert_true(found.file_id == HEADER.file_id);
    assert_true(found.base_sequence == HEADER.base_sequence);
    assert_int_equal(found.shard, HEADER.shard);
}

static void
test_log_format__file_header__any_flipped_bit_is_refused(void **state)
{
    (void)state;
    unsigned char bytes[LOG_FILE_HEADER_BYTES];
    struct log_file_header found;
    adb_log_encode_file_header(&HEADER, bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(adb_log_decode_file_header(bytes, &found), LOG_HEADER_BAD);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

/* Changes a byte and makes the checksum right again. */
static enum log_header_state
decode_changed(size_t at, unsigned char value)
{
    unsigned char bytes[LOG_FILE_HEADER_BYTES];
    struct log_file_header found;
    adb_log_encode_file_header(&HEADER, bytes);
    bytes[at] = value;
    adb_store_u32(bytes + 60, adb_crc32c(0, bytes, 60));
    return adb_log_decode_file_header(bytes, &found);
}

static void
test_log_format__file_header__version_and_reserved_are_checked(void **state)
{
    (void)state;
    assert_int_equal(decode_changed(8, 1), LOG_HEADER_OK);
    assert_int_equal(decode_changed(8, 2), LOG_HEADER_OK);
    assert_int_equal(decode_changed(8, 3), LOG_HEADER_OK);
    assert_int_equal(decode_changed(8, 4), LOG_HEADER_NEWER);
    assert_int_equal(decode_changed(11, 1), LOG_HEADER_NEWER);
    assert_int_equal(decode_changed(8, 0), LOG_HEADER_BAD);
    assert_int_equal(decode_changed(0, 'A'), LOG_HEADER_BAD);
    for (size_t at = 48; at < 60; at++)
        assert_int_equal(decode_changed(at, 1), LOG_HEADER_BAD);
}

static void
test_log_format__file_seed__is_over_the_identity_alone(void **state)
{
    (void)state;
    unsigned char identity[28];
    memcpy(identity, HEADER.db_id, 16);
    memcpy(identity + 16, HEADER_BYTES + 12, 4);
    memcpy(identity + 20, HEADER_BYTES + 16, 8);
    const uint32_t seed = adb_log_file_seed(&HEADER);
    assert_int_equal(seed, adb_crc32c(0, identity, sizeof identity));
    struct log_file_header other = HEADER;
    other.base_sequence++;
    assert_int_equal(adb_log_file_seed(&other), seed);
    other.shard++;
    assert_int_not_equal(adb_log_file_seed(&other), seed);
    other = HEADER;
    other.file_id++;
    assert_int_not_equal(adb_log_file_seed(&other), seed);
    other = HEADER;
    other.db_id[15] ^= 1;
    assert_int_not_equal(adb_log_file_seed(&other), seed);
}

static void
assert_decodes_to(const unsigned char *bytes, uint32_t crc, const struct log_record *record)
{
    struct log_record found;
    adb_log_decode_record(bytes, &found);
    assert_int_equal(found.crc, crc);
    assert_int_equal(found.value_len, record->value_len);
    assert_true(found.sequence == record->sequence);
    assert_int_equal(found.flags, record->flags);
    assert_int_equal(found.key_len, record->key_len);
    assert_int_equal(found.collection_id, record->collection_id);
}

static void
test_log_format__record_header__each_byte_has_its_place(void **state)
{
    (void)state;
    static const unsigned char expected[LOG_RECORD_HEADER_BYTES] = {
        0xee, 0xee, 0xee, 0xee,                         /*  0 checksum: left alone */
        0x01, 0x02, 0x03, 0x04,                         /*  4 value length */
        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x01, /*  8 sequence, flags */
        0x05, 0xc4, 0xab, 0xef, /* 16 key length 0x405, collection 0xefabc */
    };
    const struct log_record record = {.value_len = 0x04030201,
                                      .sequence = UINT64_C(0x17161514131211),
                                      .flags = LOG_FLAG_TOMBSTONE,
                                      .key_len = 0x405,
                                      .collection_id = 0xefabc};
    unsigned char bytes[LOG_RECORD_HEADER_BYTES];
    memset(bytes, 0xee, sizeof bytes);
    adb_log_encode_head(0, 0, &record, bytes);
    assert_memory_equal(bytes, expected, sizeof expected);
    assert_decodes_to(bytes, 0xeeeeeeee, &record);
}

static void
test_log_format__record_header__largest_fields_round_trip(void **state)
{
    (void)state;
    const struct log_record record = {.value_len = ARMDB_VALUE_MAX,
                                      .sequence = LOG_SEQUENCE_MAX,
                                      .flags = LOG_FLAG_META,
                                      .key_len = ARMDB_KEY_MAX,
                                      .collection_id = LOG_COLLECTION_ID_MAX};
    unsigned char bytes[LOG_RECORD_HEADER_BYTES];
    memset(bytes, 0, sizeof bytes);
    adb_log_encode_head(0, 0, &record, bytes);
    assert_decodes_to(bytes, 0, &record);
}

static uint64_t
record_bytes(uint32_t flags, uint32_t key_len, uint32_t value_len)
{
    const struct log_record record = {.flags = flags, .key_len = key_len, .value_len = value_len};
    return adb_log_record_bytes(&record);
}

/* A record with a deadline, byte by byte, as format.md draws it. */
static void
test_log_format__deadline__bytes_and_back(void **state)
{
    (void)state;
    static const unsigned char expected[LOG_RECORD_HEAD_MAX] = {
        0xee, 0xee, 0xee, 0xee,                         /*  0 checksum: left alone */
        0x03, 0x00, 0x00, 0x00,                         /*  4 value length */
        0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, /*  8 sequence, flags */
        0x05, 0x10, 0x00, 0x00,                         /* 16 key length 5, collection 1 */
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, /* 20 deadline */
    };
    const struct log_record record = {.value_len = 3,
                                      .sequence = 9,
                                      .flags = LOG_FLAG_DEADLINE,
                                      .key_len = 5,
                                      .collection_id = 1,
                                      .deadline_ms = UINT64_C(0x0102030405060708)};
    struct log_record found;
    unsigned char bytes[LOG_RECORD_HEAD_MAX];
    memset(bytes, 0xee, sizeof bytes);
    adb_log_encode_head(77, 64, &record, bytes);
    assert_memory_equal(bytes, expected, 28);
    unsigned char place[8];
    adb_store_u64(place, 64);
    assert_int_equal(adb_load_u32(bytes + 28),
                     adb_crc32c(adb_crc32c(77, place, 8), expected + 4, 24));
    adb_log_decode_record(bytes, &found);
    assert_true(found.deadline_ms == 0);
    assert_true(adb_log_decode_deadline(77, 64, bytes, &found));
    assert_true(found.deadline_ms == record.deadline_ms);
    /* No other file, no other place, no changed bit from the fifth byte on. */
    assert_false(adb_log_decode_deadline(78, 64, bytes, &found));
    assert_false(adb_log_decode_deadline(77, 72, bytes, &found));
    for (size_t bit = 4 * 8; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(adb_log_decode_deadline(77, 64, bytes, &found));
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    found.flags = 0;
    assert_true(adb_log_decode_deadline(77, 72, bytes, &found));
}

/* A deadline of 0 would be none. */
static void
test_log_format__deadline_of_zero__is_damage(void **state)
{
    (void)state;
    struct log_record record = {.sequence = 1, .flags = LOG_FLAG_DEADLINE, .key_len = 1};
    unsigned char bytes[LOG_RECORD_HEAD_MAX];
    adb_log_encode_head(0, 64, &record, bytes);
    assert_false(adb_log_decode_deadline(0, 64, bytes, &record));
}

static void
test_log_format__record_bytes__rounded_without_overflow(void **state)
{
    (void)state;
    assert_int_equal(record_bytes(0, 1, 0), 24);
    assert_int_equal(record_bytes(0, 4, 0), 24);
    assert_int_equal(record_bytes(0, 5, 0), 32);
    assert_int_equal(record_bytes(LOG_FLAG_META, 0, LOG_MARK_VALUE_BYTES), LOG_MARK_RECORD_BYTES);
    assert_int_equal(record_bytes(LOG_FLAG_META, 0, 1), LOG_PAD_RECORD_BYTES_MIN);
    assert_int_equal(record_bytes(LOG_FLAG_DEADLINE, 1, 0), 40);
    assert_int_equal(record_bytes(LOG_FLAG_DEADLINE, 4, 4), 40);
    assert_int_equal(record_bytes(LOG_FLAG_DEADLINE, 4, 5), 48);
    assert_true(record_bytes(0, UINT32_MAX, UINT32_MAX) == UINT64_C(0x200000018));
}

static bool
is_sane(uint32_t flags, uint32_t key_len, uint32_t value_len, uint64_t sequence, uint32_t id)
{
    const struct log_record record = {.value_len = value_len,
                                      .sequence = sequence,
                                      .flags = flags,
                                      .key_len = key_len,
                                      .collection_id = id};
    return adb_log_record_is_sane(&record);
}

static void
test_log_format__sane_record__limits(void **state)
{
    (void)state;
    assert_true(is_sane(0, 1, 0, 1, 0));
    assert_true(
        is_sane(0, ARMDB_KEY_MAX, ARMDB_VALUE_MAX, LOG_SEQUENCE_MAX, LOG_COLLECTION_ID_MAX));
    assert_false(is_sane(0, 0, 0, 1, 0));
    assert_false(is_sane(0, ARMDB_KEY_MAX + 1, 0, 1, 0));
    assert_false(is_sane(0, (1u << LOG_KEY_LEN_BITS) - 1, 0, 1, 0));
    assert_false(is_sane(0, 1, ARMDB_VALUE_MAX + 1, 1, 0));
    assert_false(is_sane(0, 1, UINT32_MAX, 1, 0));
    assert_false(is_sane(0, 1, 0, 0, 0));
    assert_true(is_sane(LOG_FLAG_TOMBSTONE, 1, 0, 1, 0));
    assert_false(is_sane(LOG_FLAG_TOMBSTONE, 1, 1, 1, 0));
    assert_false(is_sane(LOG_FLAG_TOMBSTONE, 0, 0, 1, 0));
    assert_true(is_sane(LOG_FLAG_DEADLINE, 1, ARMDB_VALUE_MAX, 1, 0));
    assert_false(is_sane(LOG_FLAG_DEADLINE, 1, ARMDB_VALUE_MAX + 1, 1, 0));
    assert_false(is_sane(LOG_FLAG_DEADLINE, 0, 0, 1, 0));
    assert_true(is_sane(LOG_FLAG_META, 0, 1, 0, 0));
    assert_true(is_sane(LOG_FLAG_META, 0, ARMDB_VALUE_MAX, 9, 0));
    assert_false(is_sane(LOG_FLAG_META, 0, ARMDB_VALUE_MAX + 1, 9, 0));
    assert_false(is_sane(LOG_FLAG_META, 0, 0, 1, 0));
    assert_false(is_sane(LOG_FLAG_META, 1, 1, 1, 0));
    assert_false(is_sane(LOG_FLAG_META, 0, 1, 1, 1));
}

static void
test_log_format__unknown_flags__not_sane(void **state)
{
    (void)state;
    for (uint32_t flags = 0; flags < 256; flags++) {
        bool is_known = flags == 0 || flags == LOG_FLAG_TOMBSTONE || flags == LOG_FLAG_DEADLINE;
        assert_int_equal(is_sane(flags, 1, 0, 1, 0), is_known);
        assert_int_equal(is_sane(flags, 0, 16, 1, 0), flags == LOG_FLAG_META);
    }
}

static void
test_log_format__record_crc__depends_on_all_but_itself(void **state)
{
    (void)state;
    unsigned char record[48];
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    test_rng_fill(&rng, record, sizeof record);
    const uint32_t seed = adb_log_file_seed(&HEADER);
    const uint32_t crc = adb_log_record_crc(seed, 64, record, sizeof record);
    for (size_t bit = 0; bit < 8 * sizeof record; bit++) {
        record[bit / 8] ^= (unsigned char)(1u << bit % 8);
        bool is_same = adb_log_record_crc(seed, 64, record, sizeof record) == crc;
        assert_int_equal(is_same, bit / 8 < 4);
        record[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_int_not_equal(adb_log_record_crc(seed, 72, record, sizeof record), crc);
    assert_int_not_equal(adb_log_record_crc(seed, 64 + (UINT64_C(1) << 32), record, sizeof record),
                         crc);
    struct log_file_header other = HEADER;
    other.file_id++;
    assert_int_not_equal(adb_log_record_crc(adb_log_file_seed(&other), 64, record, sizeof record),
                         crc);
    /* By hand: identity, offset, then the bytes behind the checksum. */
    unsigned char at[8] = {64, 0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(adb_crc32c(adb_crc32c(seed, at, 8), record + 4, sizeof record - 4), crc);
}

static void
test_log_format__mark__each_byte_has_its_place(void **state)
{
    (void)state;
    static const unsigned char expected[36] = {
        0x10, 0,    0,    0,                            /*  4 value length */
        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x10, /*  8 sequence, META */
        0,    0,    0,    0,                            /* 16 no key, no collection */
        2,    0,    0,    0,    0,    0,    0,    0,    /* 20 kind: SEAL */
        0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, /* 28 offset */
        0,    0,    0,    0,                            /* 36 padding */
    };
    unsigned char bytes[LOG_MARK_RECORD_BYTES];
    const uint32_t seed = adb_log_file_seed(&HEADER);
    memset(bytes, 0xee, sizeof bytes);
    adb_log_encode_mark(seed, 4096, LOG_META_SEAL, UINT64_C(0x17161514131211),
                        UINT64_C(0x3837363534333231), bytes);
    assert_memory_equal(bytes + 4, expected, sizeof expected);
    assert_int_equal(adb_load_u32(bytes), adb_log_record_crc(seed, 4096, bytes, sizeof bytes));
    struct log_record record;
    adb_log_decode_record(bytes, &record);
    assert_true(adb_log_record_is_sane(&record));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_format__file_header__each_byte_has_its_place),
        cmocka_unit_test(test_log_format__file_header__round_trip),
        cmocka_unit_test(test_log_format__file_header__any_flipped_bit_is_refused),
        cmocka_unit_test(test_log_format__file_header__version_and_reserved_are_checked),
        cmocka_unit_test(test_log_format__file_seed__is_over_the_identity_alone),
        cmocka_unit_test(test_log_format__record_header__each_byte_has_its_place),
        cmocka_unit_test(test_log_format__record_header__largest_fields_round_trip),
        cmocka_unit_test(test_log_format__record_bytes__rounded_without_overflow),
        cmocka_unit_test(test_log_format__deadline__bytes_and_back),
        cmocka_unit_test(test_log_format__deadline_of_zero__is_damage),
        cmocka_unit_test(test_log_format__sane_record__limits),
        cmocka_unit_test(test_log_format__unknown_flags__not_sane),
        cmocka_unit_test(test_log_format__record_crc__depends_on_all_but_itself),
        cmocka_unit_test(test_log_format__mark__each_byte_has_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
