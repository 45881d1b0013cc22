/* Each byte of a hint file, against some built by hand; and that nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
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
    .records = UINT64_C(0x5857565554535251),
    .dead_bytes = UINT64_C(0x6867666564636261),
    .tombstone_bytes = UINT64_C(0x7877767574737271),
    .group_bytes = UINT64_C(0x9897969594939291),
    .chunks = 0x84838281,
};

enum { AT_VERSION = 8, AT_DEADLINES = 92, AT_RESERVED = 104, AT_CRC = 124 };

/* What docs/format.md draws. */
static const unsigned char HEADER_BYTES[AT_CRC] = {
    'a',  'r',  'm',  'd',  'b',  'h',  'n',  't',  /*  0 magic */
    3,    0,    0,    0,                            /*  8 format version */
    0x0c, 0x0d, 0x0e, 0x0f,                         /* 12 shard */
    0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, /* 16 file id */
    0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, /* 24 database id */
    0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, /* 32 */
    0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, /* 40 length of the data file */
    0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, /* 48 base sequence */
    0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, /* 56 last sequence */
    0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, /* 64 records */
    0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, /* 72 dead bytes */
    0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, /* 80 bytes of tombstones */
    0x81, 0x82, 0x83, 0x84, 0,    0,    0,    0,    /* 88 chunks */
    0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, /* 96 bytes of GROUPs; zeros follow */
};

/* ----------------------------------------------------------------------- header */

static void
test_hint_format__header__each_byte_has_its_place(void **state)
{
    (void)state;
    unsigned char bytes[HINT_HEADER_BYTES];
    memset(bytes, 0xee, sizeof bytes);
    adb_hint_encode_header(&HEADER, bytes);
    assert_memory_equal(bytes, HEADER_BYTES, sizeof HEADER_BYTES);
    assert_int_equal(adb_load_u32(bytes + AT_CRC),
                     adb_crc32c(0, HEADER_BYTES, sizeof HEADER_BYTES));
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
    assert_true(found.file.file_id == HEADER.file.file_id);
    assert_true(found.file.base_sequence == HEADER.file.base_sequence);
    assert_true(found.dead_bytes == HEADER.dead_bytes);
    assert_true(found.tombstone_bytes == HEADER.tombstone_bytes);
    assert_true(found.group_bytes == HEADER.group_bytes);
    assert_true(found.chunks == HEADER.chunks && found.records == HEADER.records);
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
    adb_store_u32(bytes + AT_CRC, adb_crc32c(0, bytes, AT_CRC));
    return adb_hint_decode_header(bytes, &found) && found.version == HINT_FORMAT_VERSION;
}

static void
test_hint_format__header__other_magic_version_or_reserved_is_refused(void **state)
{
    (void)state;
    assert_false(passes_changed(0, 'x'));
    assert_false(passes_changed(7, 'x'));
    assert_false(passes_changed(AT_VERSION, 0));
    assert_false(passes_changed(AT_VERSION, 1));
    assert_false(passes_changed(AT_VERSION, 2));
    assert_false(passes_changed(AT_VERSION, 4));
    for (size_t at = AT_RESERVED; at < AT_CRC; at++)
        assert_false(passes_changed(at, 1));
    assert_true(passes_changed(AT_DEADLINES, 1));
    assert_false(passes_changed(AT_DEADLINES, 2));
    assert_true(passes_changed(AT_DEADLINES - 1, 1));
}

static void
test_hint_format__seed__identity_and_length(void **state)
{
    (void)state;
    unsigned char identity[16 + 4 + 8 + 8];
    memcpy(identity, HEADER_BYTES + 24, 16);
    memcpy(identity + 16, HEADER_BYTES + 12, 4);
    memcpy(identity + 20, HEADER_BYTES + 16, 8);
    memcpy(identity + 28, HEADER_BYTES + 40, 8);
    assert_int_equal(adb_hint_seed(&HEADER), adb_crc32c(0, identity, sizeof identity));
}

/* ------------------------------------------------------------------------ words */

static void
test_hint_format__word__location_and_flags(void **state)
{
    (void)state;
    struct hint_entry entry = {.location = adb_location_make(0, 0x60, 3)};
    assert_true(adb_hint_word(&entry) == UINT64_C(0x0000000000600003));
    entry.value = "red";
    assert_true(adb_hint_word(&entry) == UINT64_C(0x0002000000600003));
    entry.is_variable = true;
    assert_true(adb_hint_word(&entry) == UINT64_C(0x0006000000600003));
    entry.is_hashed = true;
    assert_true(adb_hint_word(&entry) == UINT64_C(0x000e000000600003));
    const struct hint_entry tombstone = {.location = adb_location_make(0, 0x60, 0),
                                         .is_tombstone = true};
    assert_true(adb_hint_word(&tombstone) == UINT64_C(0x0001000000600000));
    const struct hint_entry large = {.location = adb_location_make(0, 0x5000, LOCATION_LARGE + 7)};
    assert_true(adb_hint_word(&large) == UINT64_C(0x8000000050000007));
}

static void
test_hint_format__word__what_makes_sense(void **state)
{
    (void)state;
    static const struct {
        uint64_t word;
        bool makes_sense;
    } cases[] = {
        {UINT64_C(0x0000000000600003), true},
        {UINT64_C(0x0001000000600000), true},  /* a tombstone */
        {UINT64_C(0x0005000000600000), true},  /* of a key of any length */
        {UINT64_C(0x0001000000600001), false}, /* with a value */
        {UINT64_C(0x0003000000600000), false},
        {UINT64_C(0x0003000000600001), false},
        {UINT64_C(0x8001000050000000), false}, /* a long one */
        {UINT64_C(0x0002000000600001), true},  /* a value beside the key: 1..256 bytes */
        {UINT64_C(0x0002000000600100), true},
        {UINT64_C(0x0002000000600101), false},
        {UINT64_C(0x0002000000600000), false},
        {UINT64_C(0x8002000050000000), false},
        {UINT64_C(0x8000000050000007), true},  /* a large value */
        {UINT64_C(0x8fffffff00000000), false}, /* flags that there are not: in each bit */
        {UINT64_C(0x0008000000600003), true},  /* a key by its hash */
        {UINT64_C(0x0010000000600003), false},
        {UINT64_C(0x2000000000600003), false},
        {UINT64_C(0x4000000000600003), true},  /* a deadline */
        {UINT64_C(0xc000000050000007), true},  /* of a large value */
        {UINT64_C(0x4001000000600000), false}, /* of a tombstone */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hint_entry entry = {.collection_id = 9};
        assert_int_equal(adb_hint_set_word(&entry, cases[i].word), cases[i].makes_sense);
        if (!cases[i].makes_sense)
            continue;
        entry.value = adb_hint_word_has_value(cases[i].word) ? "something" : NULL;
        assert_true(adb_hint_word(&entry) == cases[i].word);
        assert_int_equal(adb_location_slot(entry.location), 0);
        assert_int_equal(entry.collection_id, 9);
    }
}

/* ----------------------------------------------------------------------- chunks */

static unsigned char bytes_of_keys[ARMDB_KEY_MAX];
static unsigned char bytes_of_values[HINT_VALUE_MAX];

/* An entry of any kind that a database can hold. */
static struct hint_entry
random_entry(struct test_rng *rng, uint32_t collection_id)
{
    static const uint32_t lengths[] = {
        0, 1, 300, LOCATION_LARGE - 1, LOCATION_LARGE, ARMDB_VALUE_MAX};
    uint32_t kind = collection_id % 4; /* of keys, and whether there are values */
    struct hint_entry entry = {.collection_id = collection_id,
                               .is_tombstone = test_rng_one_in(rng, 5),
                               .is_variable = kind >= 2,
                               .is_hashed = collection_id % 3 == 1,
                               .key = {bytes_of_keys, 1 + collection_id % ARMDB_FIXED_KEY_MAX}};
    if (entry.is_variable)
        entry.key.len = test_rng_one_in(rng, 8) ? ARMDB_KEY_MAX : 1 + test_rng_below(rng, 40);
    uint32_t value_len = lengths[test_rng_below(rng, sizeof lengths / sizeof lengths[0])];
    if (kind % 2 == 1 && !entry.is_tombstone) {
        value_len = 1 + collection_id % HINT_VALUE_MAX;
        entry.value = bytes_of_values;
    }
    uint64_t offset = 4096 * (1 + test_rng_below(rng, (1 << 20) - 1));
    entry.location = adb_location_make(0, offset, entry.is_tombstone ? 0 : value_len);
    if (!entry.is_tombstone && test_rng_one_in(rng, 4))
        entry.location |= LOCATION_DEADLINE;
    return entry;
}

static void
assert_same_entry(const struct hint_entry *found, const struct hint_entry *entry)
{
    assert_int_equal(found->collection_id, entry->collection_id);
    assert_int_equal(found->is_tombstone, entry->is_tombstone);
    assert_int_equal(found->is_variable, entry->is_variable);
    assert_int_equal(found->is_hashed, entry->is_hashed);
    assert_true(found->location == entry->location);
    assert_int_equal(found->key.len, entry->key.len);
    assert_memory_equal(found->key.data, entry->key.data, entry->key.len);
    assert_int_equal(found->value != NULL, entry->value != NULL);
    if (entry->value != NULL)
        assert_memory_equal(found->value, entry->value, adb_location_value_len(entry->location));
}

enum { ENTRIES_MAX = HINT_CHUNK_BYTES / HINT_WORD_BYTES };

/* Fills a chunk, and reads it, in memory of exactly its size. */
static void
fill_and_read(struct test_rng *rng, uint32_t collections)
{
    static struct hint_chunk chunk;
    static struct hint_entry entries[ENTRIES_MAX];
    struct hint_entry found;
    struct hint_walk walk;
    size_t n = 0;
    uint32_t collection_id = (uint32_t)test_rng_below(rng, LOG_COLLECTION_ID_MAX - 300);
    adb_hint_chunk_clear(&chunk);
    for (;; n++) {
        if (test_rng_below(rng, 40) < collections)
            collection_id++;
        entries[n] = random_entry(rng, collection_id);
        size_t used = chunk.used;
        if (!adb_hint_chunk_add(&chunk, &entries[n])) {
            assert_int_equal(chunk.used, used);
            break;
        }
        assert_true(chunk.used > used && chunk.used <= HINT_CHUNK_BYTES);
    }
    assert_true(n > 0);
    adb_hint_chunk_finish(&chunk, true);
    unsigned char *bytes = (unsigned char *)malloc(chunk.used);
    assert_non_null(bytes);
    memcpy(bytes, chunk.bytes, chunk.used);
    adb_hint_walk_begin(&walk, bytes);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(adb_hint_walk_next(&walk, &found), HINT_ENTRY);
        assert_same_entry(&found, &entries[i]);
    }
    assert_int_equal(adb_hint_walk_next(&walk, &found), HINT_END);
    free(bytes);
}

static void
test_hint_format__chunk__random_entries_round_trip(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_make(test_seed());
    test_rng_fill(&rng, bytes_of_keys, sizeof bytes_of_keys);
    test_rng_fill(&rng, bytes_of_values, sizeof bytes_of_values);
    for (uint32_t i = 0; i < 300 * test_scale(); i++)
        fill_and_read(&rng, i % 8 * 5);
}

/* The shortest and the longest entries, alone and as many as there is room for. */
static void
test_hint_format__chunk__shortest_and_longest_entries(void **state)
{
    (void)state;
    static struct hint_chunk chunk;
    static const struct {
        struct hint_entry entry;
        size_t bytes;
    } cases[] = {
        {{.key = {bytes_of_keys, 1}, .location = 1 << 22}, 9},
        {{.key = {bytes_of_keys, 1}, .location = 1 << 22, .is_variable = true}, 11},
        {{.key = {bytes_of_keys, ARMDB_KEY_MAX}, .location = 1 << 22, .is_variable = true}, 1034},
        {{.key = {bytes_of_keys, ARMDB_FIXED_KEY_MAX}, .location = 1 << 22}, 264},
        {{.key = {bytes_of_keys, ARMDB_FIXED_KEY_MAX},
          .location = (1 << 22) + HINT_VALUE_MAX,
          .value = bytes_of_values},
         520},
        {{.key = {bytes_of_keys, ARMDB_KEY_MAX},
          .location = (1 << 22) + HINT_VALUE_MAX,
          .value = bytes_of_values,
          .is_variable = true},
         1290},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t room = HINT_CHUNK_BYTES - HINT_CHUNK_HEAD_BYTES - HINT_GROUP_HEAD_BYTES;
        struct hint_entry found;
        struct hint_walk walk;
        adb_hint_chunk_clear(&chunk);
        for (; room >= cases[i].bytes; room -= cases[i].bytes)
            assert_true(adb_hint_chunk_add(&chunk, &cases[i].entry));
        assert_false(adb_hint_chunk_add(&chunk, &cases[i].entry));
        assert_int_equal(chunk.used, HINT_CHUNK_BYTES - room);
        adb_hint_chunk_finish(&chunk, false);
        adb_hint_walk_begin(&walk, chunk.bytes);
        for (; room + cases[i].bytes <=
               HINT_CHUNK_BYTES - HINT_CHUNK_HEAD_BYTES - HINT_GROUP_HEAD_BYTES;
             room += cases[i].bytes) {
            assert_int_equal(adb_hint_walk_next(&walk, &found), HINT_ENTRY);
            assert_same_entry(&found, &cases[i].entry);
        }
        assert_int_equal(adb_hint_walk_next(&walk, &found), HINT_END);
    }
}

/* Groups end with their collection, and with the length of keys. */
static void
test_hint_format__chunk__each_byte_has_its_place(void **state)
{
    (void)state;
    static const unsigned char expected[] = {
        0,    0, 0,    0,                             /*   0 checksum, not yet */
        93,   0, 0,    0,                             /*   4 bytes in use */
        1,    0, 0,    0,                             /*   8 a segment begins */
        0,    0, 0,    0,                             /*  12 reserved */
        5,    0, 0,    0,    2, 0, 2, 0,              /*  16 collection 5: two keys of two bytes */
        3,    0, 0x40, 0,    0, 0, 0, 0,    'a', 'a', /*  24 */
        0,    0, 0x60, 0,    0, 0, 1, 0,    'a', 'b', /*  34 a tombstone */
        6,    0, 0,    0,    2, 0, 0, 0,              /*  44 collection 6: two keys of any length */
        0,    0, 0x80, 0,    0, 0, 4, 0,    1,   0,   'c', /*  52 */
        0x07, 0, 0,    0x50, 0, 0, 4, 0x80,                /*  63 a large value */
        2,    0, 'c',  'd',                                /*  71 */
        7,    0, 0,    0,    1, 0, 1, 0,                   /*  75 collection 7: a key of one byte */
        1,    0, 0xa0, 0,    0, 0, 2, 0,    'e', 'E',      /*  83 and its value */
    };
    const struct hint_entry entries[] = {
        {.collection_id = 5, .location = adb_location_make(0, 0x40, 3), .key = {"aa", 2}},
        {.collection_id = 5,
         .is_tombstone = true,
         .location = adb_location_make(0, 0x60, 0),
         .key = {"ab", 2}},
        {.collection_id = 6,
         .is_variable = true,
         .location = adb_location_make(0, 0x80, 0),
         .key = {"c", 1}},
        {.collection_id = 6,
         .is_variable = true,
         .location = adb_location_make(0, 0x5000, LOCATION_LARGE + 7),
         .key = {"cd", 2}},
        {.collection_id = 7,
         .location = adb_location_make(0, 0xa0, 1),
         .key = {"e", 1},
         .value = "E"},
    };
    static struct hint_chunk chunk;
    memset(&chunk, 0xee, sizeof chunk);
    adb_hint_chunk_clear(&chunk);
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        assert_true(adb_hint_chunk_add(&chunk, &entries[i]));
    adb_hint_chunk_finish(&chunk, true);
    assert_int_equal(chunk.used, sizeof expected);
    assert_memory_equal(chunk.bytes, expected, sizeof expected);
    for (size_t at = sizeof expected; at < HINT_CHUNK_BYTES; at++)
        assert_int_equal(chunk.bytes[at], 0);
}

static void
make_small_chunk(struct hint_chunk *chunk)
{
    const struct hint_entry entry = {
        .location = adb_location_make(0, 0x40, 3), .key = {"apple", 5}, .is_variable = true};
    adb_hint_chunk_clear(chunk);
    assert_true(adb_hint_chunk_add(chunk, &entry));
    adb_hint_chunk_finish(chunk, true);
}

static void
test_hint_format__chunk__whole_or_refused(void **state)
{
    (void)state;
    static struct hint_chunk chunk;
    uint32_t seed = adb_hint_seed(&HEADER);
    unsigned char place[4] = {3, 2, 1, 0};
    make_small_chunk(&chunk);
    adb_hint_seal_chunk(chunk.bytes, seed, 0x010203);
    assert_int_equal(adb_load_u32(chunk.bytes),
                     adb_crc32c(adb_crc32c(seed, place, 4), chunk.bytes + 4, HINT_CHUNK_BYTES - 4));
    assert_true(adb_hint_chunk_is_whole(chunk.bytes, seed, 0x010203));
    assert_true(adb_hint_begins_segment(chunk.bytes));
    assert_false(adb_hint_chunk_is_whole(chunk.bytes, seed, 0x010204));
    assert_false(adb_hint_chunk_is_whole(chunk.bytes, seed + 1, 0x010203));
    for (size_t at = 0; at < HINT_CHUNK_BYTES; at += at < 64 ? 1 : 63) {
        chunk.bytes[at] ^= (unsigned char)(1u << at % 8);
        assert_false(adb_hint_chunk_is_whole(chunk.bytes, seed, 0x010203));
        chunk.bytes[at] ^= (unsigned char)(1u << at % 8);
    }
    assert_true(adb_hint_chunk_is_whole(chunk.bytes, seed, 0x010203));
}

/* A head that makes no sense, with a right checksum. */
static void
test_hint_format__chunk__nonsense_in_its_head_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t number;
        bool is_whole;
    } cases[] = {
        {4, 0, false},     {4, HINT_CHUNK_HEAD_BYTES, false},
        {4, 17, true},     {4, HINT_CHUNK_BYTES, true},
        {4, 16385, false}, {4, UINT32_MAX, false},
        {8, 0, true},      {8, 2, false},
        {8, 257, false},   {12, 1, false},
    };
    static struct hint_chunk chunk;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_small_chunk(&chunk);
        adb_store_u32(chunk.bytes + cases[i].at, cases[i].number);
        adb_hint_seal_chunk(chunk.bytes, 1, 2);
        assert_int_equal(adb_hint_chunk_is_whole(chunk.bytes, 1, 2), cases[i].is_whole);
    }
}

/* Steps until a walk over `n` bytes is over; they lie in memory of exactly their size. */
static enum hint_step
walk_all(const unsigned char *bytes, size_t n)
{
    struct hint_walk walk;
    struct hint_entry entry;
    enum hint_step step;
    unsigned char *copy = (unsigned char *)malloc(n);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    adb_store_u32(copy + 4, (uint32_t)n);
    adb_hint_walk_begin(&walk, copy);
    do
        step = adb_hint_walk_next(&walk, &entry);
    while (step == HINT_ENTRY);
    free(copy);
    return step;
}

static void
test_hint_format__walk__cut_anywhere_is_damage(void **state)
{
    (void)state;
    static struct hint_chunk chunk;
    const struct hint_entry more = {.collection_id = 1,
                                    .location = adb_location_make(0, 0x40, 3),
                                    .key = {"apple", 5},
                                    .value = "red"};
    make_small_chunk(&chunk);
    size_t first_group = chunk.used;
    assert_true(adb_hint_chunk_add(&chunk, &more));
    assert_int_equal(walk_all(chunk.bytes, chunk.used), HINT_END);
    for (size_t n = HINT_CHUNK_HEAD_BYTES + 1; n < chunk.used; n++)
        assert_int_equal(walk_all(chunk.bytes, n), n == first_group ? HINT_END : HINT_DAMAGED);
}

static void
test_hint_format__walk__nonsense_is_damage(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned char value;
    } changes[] = {
        {18, 0x10},             /* collection 2^20 */
        {19, 0x01}, {20, 0},    /* a group of nothing */
        {20, 2},                /* entries behind the end */
        {21, 1},    {30, 0x05}, /* a tombstone with a value */
        {30, 0x06},             /* a value that is not there */
        {30, 0x00},             /* no key length here or there */
        {31, 0x20}, {32, 0},    /* no key */
        {32, 6},                /* a key that goes beyond the end */
        {33, 1},    {33, 0xff},
    };
    static struct hint_chunk chunk;
    make_small_chunk(&chunk);
    assert_int_equal(walk_all(chunk.bytes, chunk.used), HINT_END);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        unsigned char was = chunk.bytes[changes[i].at];
        chunk.bytes[changes[i].at] = changes[i].value;
        assert_int_equal(walk_all(chunk.bytes, chunk.used), HINT_DAMAGED);
        chunk.bytes[changes[i].at] = was;
    }
}

/* Keys of groups that say a length of their own: none, and more than there can be. */
static void
test_hint_format__walk__key_length_of_a_group(void **state)
{
    (void)state;
    static struct hint_chunk chunk;
    const struct hint_entry entry = {.location = adb_location_make(0, 0x40, 0),
                                     .key = {bytes_of_keys, ARMDB_KEY_MAX}};
    adb_hint_chunk_clear(&chunk);
    assert_true(adb_hint_chunk_add(&chunk, &entry));
    assert_int_equal(walk_all(chunk.bytes, chunk.used), HINT_END);
    adb_store_u32(chunk.bytes + 20, 1);
    assert_int_equal(walk_all(chunk.bytes, chunk.used), HINT_DAMAGED);
    adb_store_u32(chunk.bytes + 20, 1 | (ARMDB_KEY_MAX + 1) << 16);
    assert_int_equal(walk_all(chunk.bytes, chunk.used + 1), HINT_DAMAGED);
    adb_store_u32(chunk.bytes + 20, 1 | UINT32_C(0xffff) << 16);
    assert_int_equal(walk_all(chunk.bytes, HINT_CHUNK_BYTES), HINT_DAMAGED);
}

/* Whatever stands in a chunk: no step leaves it, and the walk ends. */
static void
test_hint_format__walk__random_bytes_stay_inside(void **state)
{
    (void)state;
    static struct hint_chunk chunk;
    struct test_rng rng = test_rng_make(test_seed() + 1);
    make_small_chunk(&chunk);
    for (uint32_t i = 0; i < 20000 * test_scale(); i++) {
        size_t n = chunk.used + test_rng_below(&rng, 40);
        unsigned char bytes[128] = {0};
        memcpy(bytes, chunk.bytes, chunk.used);
        for (uint32_t change = 0; change < 4; change++)
            bytes[16 + test_rng_below(&rng, n - 16)] = (unsigned char)test_rng_next(&rng);
        assert_int_not_equal(walk_all(bytes, n), HINT_ENTRY);
    }
}

/* --------------------------------------------------------------- worked example */

static void
test_hint_format__worked_example__byte_for_byte(void **state)
{
    (void)state;
    static const unsigned char expected[HINT_HEADER_BYTES + 0x27] = {
        0x61, 0x72, 0x6d, 0x64, 0x62, 0x68, 0x6e, 0x74, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x58, 0x68, 0x4f, 0xa3,
        0x97, 0xdf, 0x36, 0xfc, 0x36, 0xb1, 0x3a, 0x70, 0xc8, 0xaf, 0x89, 0x9a, 0xa8, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xa9, 0x79,
        0x5f, 0x0a, 0x8c, 0x6b, 0xc5, 0x7c, 0x27, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x60, 0x00, 0x00, 0x00, 0x05, 0x00, 0x05, 0x00, 0x61, 0x70, 0x70, 0x6c, 0x65};
    static struct hint_chunk chunk;
    unsigned char bytes[HINT_HEADER_BYTES];
    struct hint_header header = {
        .file = {.file_id = 1,
                 .db_id = {0x58, 0x68, 0x4f, 0xa3, 0x97, 0xdf, 0x36, 0xfc, 0x36, 0xb1, 0x3a, 0x70,
                           0xc8, 0xaf, 0x89, 0x9a}},
        .data_bytes = 0xa8,
        .last_sequence = 2,
        .records = 2,
        .dead_bytes = 0x20,
        .tombstone_bytes = 0x20,
        .chunks = 1};
    const struct hint_entry entry = {.is_tombstone = true,
                                     .is_variable = true,
                                     .location = adb_location_make(0, 0x60, 0),
                                     .key = {"apple", 5}};
    adb_hint_encode_header(&header, bytes);
    adb_hint_chunk_clear(&chunk);
    assert_true(adb_hint_chunk_add(&chunk, &entry));
    adb_hint_chunk_finish(&chunk, true);
    adb_hint_seal_chunk(chunk.bytes, adb_hint_seed(&header), 0);
    assert_memory_equal(bytes, expected, sizeof bytes);
    assert_memory_equal(chunk.bytes, expected + HINT_HEADER_BYTES, 0x27);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hint_format__header__each_byte_has_its_place),
        cmocka_unit_test(test_hint_format__header__round_trip),
        cmocka_unit_test(test_hint_format__header__any_flipped_bit_is_refused),
        cmocka_unit_test(test_hint_format__header__other_magic_version_or_reserved_is_refused),
        cmocka_unit_test(test_hint_format__seed__identity_and_length),
        cmocka_unit_test(test_hint_format__word__location_and_flags),
        cmocka_unit_test(test_hint_format__word__what_makes_sense),
        cmocka_unit_test(test_hint_format__chunk__random_entries_round_trip),
        cmocka_unit_test(test_hint_format__chunk__shortest_and_longest_entries),
        cmocka_unit_test(test_hint_format__chunk__each_byte_has_its_place),
        cmocka_unit_test(test_hint_format__chunk__whole_or_refused),
        cmocka_unit_test(test_hint_format__chunk__nonsense_in_its_head_is_refused),
        cmocka_unit_test(test_hint_format__walk__cut_anywhere_is_damage),
        cmocka_unit_test(test_hint_format__walk__nonsense_is_damage),
        cmocka_unit_test(test_hint_format__walk__key_length_of_a_group),
        cmocka_unit_test(test_hint_format__walk__random_bytes_stay_inside),
        cmocka_unit_test(test_hint_format__worked_example__byte_for_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
