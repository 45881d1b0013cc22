/* MANIFEST byte by byte: what is written is read back, and nothing else is accepted. */
#include "manifest_fixture.h"

#include "base/err.h"
#include "support/seed.h"

static void
test_manifest_format__round_trip__any_number_of_collections(void **state)
{
    (void)state;
    for (uint32_t count = 1; count <= 300; count = count * 2 + 1) {
        struct manifest manifest = make_manifest(count), found;
        size_t len;
        unsigned char *bytes = encode_manifest(&manifest, &len);
        assert_int_equal(adb_manifest_decode(bytes, len, "MANIFEST", &found), ARMDB_OK);
        assert_same_manifest(&found, &manifest);
        free(bytes);
        adb_manifest_fini(&found);
        adb_manifest_fini(&manifest);
        assert_null(manifest.collections);
    }
}

static void
test_manifest_format__encode__each_byte_has_its_place(void **state)
{
    (void)state;
    static const unsigned char expected[116] = {
        'a',  'r',  'm',  'd',  'b',  'm',  'a',  'n',  /*   0 magic */
        3,    0,    0,    0,                            /*   8 format version */
        120,  0,    0,    0,                            /*  12 total bytes */
        0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, /*  16 database id */
        0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, /*  24 */
        0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, /*  32 hash seed */
        3,    0,    0,    0,                            /*  40 shards */
        20,   0,    0,    0,                            /*  44 shard prefix bits */
        21,   0,    0,    0,                            /*  48 next collection id */
        2,    0,    0,    0,                            /*  52 collections */
        0,    0,    0,    0,    0,    0,    0,    0,    /*  56 reserved */
        0,    0,    0,    0,                            /*  64 id */
        0,    0,    0,    0,                            /*  68 key bytes: variable */
        1,    0,    0,    0,                            /*  72 ascending tree var log */
        7,    0,    0,    0,                            /*  76 name length, value bytes */
        'd',  'e',  'f',  'a',  'u',  'l',  't',  0,    /*  80 name */
        10,   0,    0,    0,                            /*  88 id */
        2,    0,    0,    0,                            /*  92 key bytes */
        2,    0,    1,    0,                            /*  96 descending tree const log */
        8,    0,    6,    0,                            /* 100 name length, value bytes */
        'b',  'b',  'b',  'b',  'b',  'b',  'b',  'b',  /* 104 name: no padding */
        0,    0,    0,    0,                            /* 112 reserved */
    };
    struct manifest manifest = make_manifest(2);
    size_t len;
    unsigned char *bytes = encode_manifest(&manifest, &len);
    assert_int_equal(len, 120);
    assert_memory_equal(bytes, expected, sizeof expected);
    assert_int_equal(adb_load_u32(bytes + 116), adb_crc32c(0, expected, sizeof expected));
    free(bytes);
    adb_manifest_fini(&manifest);
}

static void
assert_refused(const unsigned char *bytes, size_t len, armdb_err expected)
{
    struct manifest found;
    memset(&found, 0xee, sizeof found);
    assert_int_equal(adb_manifest_decode(bytes, len, "/db/MANIFEST", &found), expected);
    const struct manifest zero = {0};
    assert_memory_equal(&found, &zero, sizeof found);
    assert_int_equal(adb_err_detail()->code, expected);
    assert_string_equal(adb_err_detail()->file, "/db/MANIFEST");
}

static void
test_manifest_format__every_truncation__refused(void **state)
{
    (void)state;
    struct manifest manifest = make_manifest(5);
    size_t len;
    unsigned char *bytes = encode_manifest(&manifest, &len);
    for (size_t cut = 0; cut < len; cut++) {
        /* In memory of its own, so that a sanitizer sees each byte read beyond it. */
        unsigned char *front = (unsigned char *)malloc(cut > 0 ? cut : 1);
        memcpy(front, bytes, cut);
        assert_refused(front, cut, ARMDB_CORRUPT);
        free(front);
    }
    free(bytes);
    adb_manifest_fini(&manifest);
}

static void
test_manifest_format__every_flipped_bit__refused(void **state)
{
    (void)state;
    struct manifest manifest = make_manifest(5);
    size_t len;
    unsigned char *bytes = encode_manifest(&manifest, &len);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_refused(bytes, len, ARMDB_CORRUPT);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    free(bytes);
    adb_manifest_fini(&manifest);
}

static void
test_manifest_format__longer_than_it_says__refused(void **state)
{
    (void)state;
    struct manifest manifest = make_manifest(2);
    size_t len;
    unsigned char *bytes = encode_manifest(&manifest, &len);
    bytes = (unsigned char *)realloc(bytes, len + 8);
    memset(bytes + len, 0, 8);
    assert_refused(bytes, len + 8, ARMDB_CORRUPT);
    free(bytes);
    adb_manifest_fini(&manifest);
}

/* Writes `width` bytes of `value` at `at`, puts the checksum right, and decodes. */
static armdb_err
decode_changed(size_t at, int width, uint64_t value)
{
    struct manifest manifest = make_manifest(3), found;
    size_t len;
    unsigned char *bytes = encode_manifest(&manifest, &len);
    for (int i = 0; i < width; i++)
        bytes[at + (size_t)i] = (unsigned char)(value >> 8 * i);
    adb_store_u32(bytes + len - 4, adb_crc32c(0, bytes, len - 4));
    armdb_err err = adb_manifest_decode(bytes, len, "MANIFEST", &found);
    adb_manifest_fini(&found);
    free(bytes);
    adb_manifest_fini(&manifest);
    return err;
}

static void
test_manifest_format__newer_version__format_error(void **state)
{
    (void)state;
    assert_int_equal(decode_changed(8, 4, 1), ARMDB_OK);
    assert_int_equal(decode_changed(8, 4, 2), ARMDB_OK);
    assert_int_equal(decode_changed(8, 4, 3), ARMDB_OK);
    assert_int_equal(decode_changed(8, 4, MANIFEST_FORMAT_VERSION + 1), ARMDB_FORMAT);
    assert_int_equal(adb_err_detail()->offset, 8);
    assert_non_null(strstr(adb_err_detail()->message, "format version 4"));
    assert_int_equal(decode_changed(8, 4, UINT32_MAX), ARMDB_FORMAT);
}

static void
test_manifest_format__settings_out_of_range__refused(void **state)
{
    (void)state;
    assert_int_equal(decode_changed(40, 4, 0), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(40, 4, ARMDB_SHARDS_MAX), ARMDB_OK);
    assert_int_equal(decode_changed(40, 4, ARMDB_SHARDS_MAX + 1), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(44, 4, 8 * ARMDB_KEY_MAX), ARMDB_OK);
    assert_int_equal(decode_changed(44, 4, 8 * ARMDB_KEY_MAX + 1), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(48, 4, LOG_COLLECTION_ID_MAX + 1u), ARMDB_OK);
    assert_int_equal(decode_changed(48, 4, LOG_COLLECTION_ID_MAX + 2u), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(48, 4, 20), ARMDB_CORRUPT); /* not above the largest id */
    assert_int_equal(decode_changed(48, 4, 21), ARMDB_OK);
    static const uint32_t counts[] = {0, 1, 2, 4, 100, UINT32_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        assert_int_equal(decode_changed(52, 4, counts[i]), ARMDB_CORRUPT);
}

static void
test_manifest_format__bad_collection__refused(void **state)
{
    (void)state;
    assert_int_equal(decode_changed(64, 4, 1), ARMDB_CORRUPT); /* the default one's id is 0 */
    assert_int_equal(decode_changed(68, 4, ARMDB_FIXED_KEY_MAX), ARMDB_OK);
    assert_int_equal(decode_changed(68, 4, ARMDB_FIXED_KEY_MAX + 1), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(68, 4, UINT32_MAX), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(72, 1, 0), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(72, 1, 3), ARMDB_CORRUPT);
    for (size_t at = 73; at < 76; at++)
        assert_int_equal(decode_changed(at, 1, 1), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(76, 2, 0), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(76, 2, ARMDB_NAME_MAX + 1), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(76, 2, UINT16_MAX), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(78, 2, 1), ARMDB_CORRUPT);
    assert_int_equal(decode_changed(82, 1, 0), ARMDB_CORRUPT); /* a zero inside the name */
}

/* Decodes a manifest whose default collection is of the given kind. */
static armdb_err
decode_kind(uint64_t direction, uint64_t order, uint64_t value, uint64_t value_bytes)
{
    const uint64_t name_len = strlen("default");
    return decode_changed(
        72, 8, direction | order << 8 | value << 16 | name_len << 32 | value_bytes << 48);
}

static void
test_manifest_format__kinds__only_those_that_can_be(void **state)
{
    (void)state;
    for (uint64_t direction = 0; direction < 4; direction++) {
        for (uint64_t order = 0; order < 3; order++) {
            bool is_known = order == 0 ? direction == 1 || direction == 2
                                       : order == 1 && direction == 0;
            armdb_err expected = is_known ? ARMDB_OK : ARMDB_CORRUPT;
            assert_int_equal(decode_kind(direction, order, 0, 0), expected);
            assert_int_equal(decode_kind(direction, order, 0, 1), ARMDB_CORRUPT);
            assert_int_equal(decode_kind(direction, order, 1, 0), ARMDB_CORRUPT);
            assert_int_equal(decode_kind(direction, order, 1, 1), expected);
            assert_int_equal(decode_kind(direction, order, 1, ARMDB_CONST_VALUE_MAX), expected);
            assert_int_equal(decode_kind(direction, order, 1, ARMDB_CONST_VALUE_MAX + 1),
                             ARMDB_CORRUPT);
            assert_int_equal(decode_kind(direction, order, 2, 0), expected);
            assert_int_equal(decode_kind(direction, order, 2, 1), ARMDB_CORRUPT);
            assert_int_equal(decode_kind(direction, order, 3, 0), ARMDB_CORRUPT);
        }
    }
}

static void
test_manifest_format__version__is_what_its_reader_must_know(void **state)
{
    (void)state;
    struct manifest manifest = make_manifest(2);
    size_t len;
    for (int i = 0; i < 3; i++) {
        manifest.collections[1].value_bytes = i == 1 ? ARMDB_VALUE_OBJECT : ARMDB_VALUE_VARIABLE;
        manifest.collections[1].schema_version = i == 2 ? 1 : 0;
        unsigned char *bytes = encode_manifest(&manifest, &len);
        assert_int_equal(adb_load_u32(bytes + 8), i == 0 ? LOG_FORMAT_VERSION : 3);
        free(bytes);
    }
    adb_manifest_fini(&manifest);
}

static void
test_manifest_format__schema_version__of_any_but_the_default(void **state)
{
    (void)state;
    assert_int_equal(decode_changed(70, 2, 0), ARMDB_OK);
    assert_int_equal(decode_changed(70, 2, 1), ARMDB_CORRUPT);
    assert_non_null(strstr(adb_err_detail()->message, "schema version"));
    assert_int_equal(decode_changed(94, 2, ARMDB_SCHEMA_VERSION_MAX), ARMDB_OK);
}

static void
test_manifest_format__ids_out_of_order__refused(void **state)
{
    (void)state;
    static const uint32_t ids[] = {0, 20, 25};
    assert_int_equal(decode_changed(88, 4, 10), ARMDB_OK);
    assert_int_equal(decode_changed(88, 4, 19), ARMDB_OK);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        assert_int_equal(decode_changed(88, 4, ids[i]), ARMDB_CORRUPT);
    assert_non_null(strstr(adb_err_detail()->message, "order"));
}

static void
test_manifest_format__no_memory__said_and_nothing_left(void **state)
{
    (void)state;
    struct manifest manifest = make_manifest(4), found;
    size_t len;
    unsigned char *bytes = encode_manifest(&manifest, &len);
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_manifest_decode(bytes, len, "MANIFEST", &found), ARMDB_NO_MEMORY);
    adb_mem_fail_at(0, false);
    assert_null(found.collections);
    free(bytes);
    adb_manifest_fini(&manifest);
}

/* Random changes with a right checksum: refused or accepted, but nothing outside is touched. */
static void
test_manifest_format__random_changes__never_out_of_bounds(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    struct manifest manifest = make_manifest(6), found;
    size_t len;
    unsigned char *bytes = encode_manifest(&manifest, &len);
    for (unsigned round = 0; round < 20000 * test_scale(); round++) {
        unsigned char *changed = (unsigned char *)malloc(len);
        memcpy(changed, bytes, len);
        for (uint64_t n = 1 + test_rng_below(&rng, 4); n > 0; n--)
            changed[8 + test_rng_below(&rng, len - 8)] = (unsigned char)test_rng_next(&rng);
        adb_store_u32(changed + len - 4, adb_crc32c(0, changed, len - 4));
        if (adb_manifest_decode(changed, len, "MANIFEST", &found) == ARMDB_OK)
            assert_int_equal(adb_manifest_bytes(&found), len);
        adb_manifest_fini(&found);
        free(changed);
    }
    free(bytes);
    adb_manifest_fini(&manifest);
}

/* Of a damaged manifest every entry that was left alone is still read. */
static void
test_manifest_format__guess__takes_what_makes_sense(void **state)
{
    (void)state;
    struct manifest manifest = make_manifest(5), found;
    size_t len;
    unsigned char *bytes = encode_manifest(&manifest, &len);
    assert_int_equal(adb_manifest_guess(bytes, len, &found), ARMDB_OK);
    assert_int_equal(found.collection_count, 5);
    assert_int_equal(found.shards, manifest.shards);
    assert_memory_equal(found.db_id, manifest.db_id, sizeof found.db_id);
    adb_manifest_fini(&found);
    adb_store_u32(bytes + 40, 257); /* shards */
    bytes[64 + 9] = 7;              /* order of the first collection */
    assert_int_equal(adb_manifest_guess(bytes, len, &found), ARMDB_OK);
    assert_int_equal(found.shards, 0);
    assert_int_equal(found.collection_count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_string_equal(found.collections[i].name, manifest.collections[i + 1].name);
    adb_manifest_fini(&found);
    for (size_t cut = 0; cut < len; cut++) {
        unsigned char *front = (unsigned char *)malloc(cut > 0 ? cut : 1);
        memcpy(front, bytes, cut);
        assert_int_equal(adb_manifest_guess(front, cut, &found), ARMDB_OK);
        assert_true(found.collection_count <= 4);
        adb_manifest_fini(&found);
        free(front);
    }
    adb_mem_fail_at(1, true);
    assert_int_equal(adb_manifest_guess(bytes, len, &found), ARMDB_NO_MEMORY);
    adb_mem_fail_at(0, false);
    free(bytes);
    adb_manifest_fini(&manifest);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifest_format__round_trip__any_number_of_collections),
        cmocka_unit_test(test_manifest_format__encode__each_byte_has_its_place),
        cmocka_unit_test(test_manifest_format__every_truncation__refused),
        cmocka_unit_test(test_manifest_format__every_flipped_bit__refused),
        cmocka_unit_test(test_manifest_format__longer_than_it_says__refused),
        cmocka_unit_test(test_manifest_format__newer_version__format_error),
        cmocka_unit_test(test_manifest_format__settings_out_of_range__refused),
        cmocka_unit_test(test_manifest_format__bad_collection__refused),
        cmocka_unit_test(test_manifest_format__kinds__only_those_that_can_be),
        cmocka_unit_test(test_manifest_format__version__is_what_its_reader_must_know),
        cmocka_unit_test(test_manifest_format__schema_version__of_any_but_the_default),
        cmocka_unit_test(test_manifest_format__ids_out_of_order__refused),
        cmocka_unit_test(test_manifest_format__no_memory__said_and_nothing_left),
        cmocka_unit_test(test_manifest_format__guess__takes_what_makes_sense),
        cmocka_unit_test(test_manifest_format__random_changes__never_out_of_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
