/* Each byte of a hint file, against one built by hand; and that nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "log/hint_format.h"
#include "support/seed.h"

static const struct hint_header HEADER = {
    .file = {.db_id = {0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc,
                       0xdd, 0xde, 0xdf},
             .file_id = UINT64_C(0x1817161514131211),
             .base_sequence = UINT64_C(0x2827262524232221),
             .shard = 0x0f0e0d0c},
    .data_bytes = UINT64_C(0x3837363534333231),
    .last_sequence = UINT64_C(0x4847464544434241),
    .entries = UINT64_C(0x5857565554535251),
    .body_bytes = UINT64_C(0x6867666564636261),
};

/* What docs/format.md draws. */
static const unsigned char HEADER_BYTES[92] = {
    'a',  'r',  'm',  'd',  'b',  'h',  'n',  't',  /*  0 magic */
    1,    0,    0,    0,                            /*  8 format version */
    0x0c, 0x0d, 0x0e, 0x0f,                         /* 12 shard */
    0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, /* 16 file id */
    0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, /* 24 database id */
    0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, /* 32 */
    0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, /* 40 length of the data file */
    0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, /* 48 base sequence */
    0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, /* 56 last sequence */
    0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, /* 64 entries */
    0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, /* 72 bytes of the body */
    0,    0,    0,    0,    0,    0,    0,    0,    /* 80 reserved */
    0,    0,    0,    0,
};

static void
test_hint_format__header__each_byte_has_its_place(void **state)
{
    (void)state;
    unsigned char bytes[HINT_HEADER_BYTES];
    memset(bytes, 0xee, sizeof bytes);
    adb_hint_encode_header(&HEADER, bytes);
    assert_memory_equal(bytes, HEADER_BYTES, sizeof HEADER_BYTES);
    assert_int_equal(adb_load_u32(bytes + 92), adb_crc32c(0, HEADER_BYTES, sizeof HEADER_BYTES));
}

static void
test_hint_format__header__round_trip(void **state)
{
    (void)state;
    unsigned char bytes[HINT_HEADER_BYTES], again[HINT_HEADER_BYTES];
    struct hint_header found;
    adb_hint_encode_header(&HEADER, bytes);
    assert_true(adb_hint_decode_header(bytes, &found));
    adb_hint_encode_header(&found, again);
    assert_memory_equal(bytes, again, sizeof bytes);
    assert_true(found.file.base_sequence == HEADER.file.base_sequence);
    assert_true(found.body_bytes == HEADER.body_bytes);
}

static void
test_hint_format__header__any_flipped_bit_is_refused(void **state)
{
    (void)state;
    unsigned char bytes[HINT_HEADER_BYTES];
    struct hint_header found;
    adb_hint_encode_header(&HEADER, bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_false(adb_hint_decode_header(bytes, &found));
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

/* Whether a header passes in which one byte is another and the checksum is right again. */
static bool
passes_changed(size_t at, unsigned char value)
{
    unsigned char bytes[HINT_HEADER_BYTES];
    struct hint_header found;
    adb_hint_encode_header(&HEADER, bytes);
    bytes[at] = value;
    adb_store_u32(bytes + 92, adb_crc32c(0, bytes, 92));
    return adb_hint_decode_header(bytes, &found);
}

static void
test_hint_format__header__other_magic_version_or_reserved_is_refused(void **state)
{
    (void)state;
    assert_false(passes_changed(7, 'x'));
    assert_false(passes_changed(8, 0));
    assert_false(passes_changed(8, 2));
    for (size_t at = 80; at < 92; at++)
        assert_false(passes_changed(at, 1));
    assert_true(passes_changed(79, 1));
}

/* ----------------------------------------------------------------------- entries */

static const struct hint_entry PUT = {.record = {.value_len = 0x0102,
                                                 .sequence = UINT64_C(0x17161514131211),
                                                 .key_len = 5,
                                                 .collection_id = 0x0abcd},
                                      .offset = UINT64_C(0x80706058),
                                      .key = "apple"};

static void
test_hint_format__entry__each_byte_has_its_place(void **state)
{
    (void)state;
    static const unsigned char expected[25] = {
        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0, /*  0 sequence, flags */
        0x02, 0x01, 0,    0,                         /*  8 value length */
        0x05, 0xd0, 0xbc, 0x0a,                      /* 12 key length, collection */
        0x0b, 0x0c, 0x0e, 0x10,                      /* 16 offset / 8 */
        'a',  'p',  'p',  'l',  'e',                 /* 20 key */
    };
    unsigned char bytes[25];
    assert_int_equal(adb_hint_entry_bytes(&PUT), sizeof bytes);
    adb_hint_encode_entry(&PUT, bytes);
    assert_memory_equal(bytes, expected, sizeof bytes);
}

static void
test_hint_format__entry__value_and_tombstone(void **state)
{
    (void)state;
    struct hint_entry entry = PUT, found;
    unsigned char bytes[64];
    entry.record.value_len = 3;
    entry.value = "red";
    assert_int_equal(adb_hint_entry_bytes(&entry), 28);
    adb_hint_encode_entry(&entry, bytes);
    assert_int_equal(bytes[19], 0x90);
    assert_memory_equal(bytes + 25, "red", 3);
    assert_int_equal(adb_hint_decode_entry(bytes, 28, &found), 28);
    assert_memory_equal(found.key, "apple", 5);
    assert_memory_equal(found.value, "red", 3);
    assert_true(found.offset == entry.offset && found.record.sequence == entry.record.sequence);

    entry.record.value_len = 0;
    entry.record.flags = LOG_FLAG_TOMBSTONE;
    entry.value = NULL;
    adb_hint_encode_entry(&entry, bytes);
    assert_int_equal(bytes[7], LOG_FLAG_TOMBSTONE);
    assert_int_equal(adb_hint_decode_entry(bytes, sizeof bytes, &found), 25);
    assert_int_equal(found.record.flags, LOG_FLAG_TOMBSTONE);
    assert_int_equal(found.record.collection_id, 0x0abcd);
    assert_null(found.value);
}

static void
test_hint_format__entry__cut_short_is_refused(void **state)
{
    (void)state;
    struct hint_entry entry = PUT, found;
    unsigned char bytes[28];
    entry.record.value_len = 3;
    entry.value = "red";
    adb_hint_encode_entry(&entry, bytes);
    for (size_t available = 0; available < sizeof bytes; available++)
        assert_int_equal(adb_hint_decode_entry(bytes, available, &found), 0);
}

static void
test_hint_format__entry__nonsense_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned char value;
    } changes[] = {
        {7, 0x10},              /* META */
        {7, 0x02},              /* an unknown flag */
        {7, 0x01},              /* a tombstone with a value */
        {12, 0xff},             /* a key of 4095 or so bytes, or none at all, below */
        {11, 0x11},             /* too long a value */
        {19, 0x30},             /* bits 29 and 30 of the offset */
        {19, 0x50}, {19, 0x90}, /* has its value, of 258 bytes */
    };
    unsigned char bytes[1400];
    struct hint_entry found;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        memset(bytes, 0, sizeof bytes);
        adb_hint_encode_entry(&PUT, bytes);
        assert_int_not_equal(adb_hint_decode_entry(bytes, sizeof bytes, &found), 0);
        bytes[changes[i].at] = changes[i].value;
        if (changes[i].at == 12)
            bytes[13] |= 0x0f;
        assert_int_equal(adb_hint_decode_entry(bytes, sizeof bytes, &found), 0);
    }
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(adb_hint_decode_entry(bytes, sizeof bytes, &found), 0);
}

/* ----------------------------------------------------------------------- chunks */

static void
test_hint_format__chunk__each_byte_has_its_place(void **state)
{
    (void)state;
    unsigned char identity[16 + 4 + 8 + 8];
    unsigned char chunk[HINT_CHUNK_HEAD_BYTES + 25];
    memcpy(identity, HEADER_BYTES + 24, 16);
    memcpy(identity + 16, HEADER_BYTES + 12, 4);
    memcpy(identity + 20, HEADER_BYTES + 16, 8);
    memcpy(identity + 28, HEADER_BYTES + 40, 8);
    uint32_t seed = adb_hint_seed(&HEADER);
    assert_int_equal(seed, adb_crc32c(0, identity, sizeof identity));
    adb_hint_encode_entry(&PUT, chunk + HINT_CHUNK_HEAD_BYTES);
    adb_hint_seal_chunk(seed, 0x0807060504030201, chunk, sizeof chunk);
    static const unsigned char expected[12] = {25, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    assert_memory_equal(chunk + 4, expected, sizeof expected);
    assert_int_equal(adb_load_u32(chunk), adb_crc32c(seed, chunk + 4, sizeof chunk - 4));
}

static void
test_hint_format__chunk__whole_or_refused(void **state)
{
    (void)state;
    unsigned char chunk[HINT_CHUNK_HEAD_BYTES + 25];
    uint32_t seed = adb_hint_seed(&HEADER);
    adb_hint_encode_entry(&PUT, chunk + HINT_CHUNK_HEAD_BYTES);
    adb_hint_seal_chunk(seed, 96, chunk, sizeof chunk);
    assert_int_equal(adb_hint_chunk_bytes(seed, 96, chunk, sizeof chunk), sizeof chunk);
    assert_int_equal(adb_hint_chunk_bytes(seed, 97, chunk, sizeof chunk), 0);
    assert_int_equal(adb_hint_chunk_bytes(seed + 1, 96, chunk, sizeof chunk), 0);
    for (size_t available = 0; available < sizeof chunk; available++)
        assert_int_equal(adb_hint_chunk_bytes(seed, 96, chunk, available), 0);
    for (size_t bit = 0; bit < 8 * sizeof chunk; bit++) {
        chunk[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(adb_hint_chunk_bytes(seed, 96, chunk, sizeof chunk), 0);
        chunk[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

/* The worked example of docs/format.md. */
static void
test_hint_format__worked_example__byte_for_byte(void **state)
{
    (void)state;
    static const unsigned char expected[0xa2] = {
        0x61, 0x72, 0x6d, 0x64, 0x62, 0x68, 0x6e, 0x74, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x58, 0x68, 0x4f, 0xa3, 0x97, 0xdf,
        0x36, 0xfc, 0x36, 0xb1, 0x3a, 0x70, 0xc8, 0xaf, 0x89, 0x9a, 0xa8, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x42, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x66, 0x6e, 0x19, 0x23, 0x4d, 0x12, 0x3e, 0xc0, 0x32, 0x00, 0x00, 0x00, 0x60,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x03, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x61, 0x70, 0x70,
        0x6c, 0x65, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x05,
        0x00, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x61, 0x70, 0x70, 0x6c, 0x65};
    struct hint_header header = {
        .file = {.file_id = 1}, .data_bytes = 0xa8, .last_sequence = 2, .entries = 2};
    struct hint_entry entry = {
        .record = {.value_len = 3, .sequence = 1, .key_len = 5}, .offset = 0x40, .key = "apple"};
    unsigned char bytes[sizeof expected];
    unsigned char *at = bytes + HINT_HEADER_BYTES + HINT_CHUNK_HEAD_BYTES;
    memcpy(header.file.db_id, expected + 24, LOG_DB_ID_BYTES);
    adb_hint_encode_entry(&entry, at);
    at += adb_hint_entry_bytes(&entry);
    entry.record = (struct log_record){.sequence = 2, .flags = LOG_FLAG_TOMBSTONE, .key_len = 5};
    entry.offset = 0x60;
    adb_hint_encode_entry(&entry, at);
    at += adb_hint_entry_bytes(&entry);
    assert_ptr_equal(at, bytes + sizeof bytes);
    header.body_bytes = sizeof bytes - HINT_HEADER_BYTES;
    adb_hint_seal_chunk(adb_hint_seed(&header), HINT_HEADER_BYTES, bytes + HINT_HEADER_BYTES,
                        (size_t)header.body_bytes);
    adb_hint_encode_header(&header, bytes);
    assert_memory_equal(bytes, expected, sizeof bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hint_format__header__each_byte_has_its_place),
        cmocka_unit_test(test_hint_format__header__round_trip),
        cmocka_unit_test(test_hint_format__header__any_flipped_bit_is_refused),
        cmocka_unit_test(test_hint_format__header__other_magic_version_or_reserved_is_refused),
        cmocka_unit_test(test_hint_format__entry__each_byte_has_its_place),
        cmocka_unit_test(test_hint_format__entry__value_and_tombstone),
        cmocka_unit_test(test_hint_format__entry__cut_short_is_refused),
        cmocka_unit_test(test_hint_format__entry__nonsense_is_refused),
        cmocka_unit_test(test_hint_format__chunk__each_byte_has_its_place),
        cmocka_unit_test(test_hint_format__chunk__whole_or_refused),
        cmocka_unit_test(test_hint_format__worked_example__byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
