/* CRC-32C: known vectors, and the processor's instructions and tables against the definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "support/seed.h"

enum { LENGTHS = 260, ALIGNMENTS = 9 };

/* Bit by bit, as the definition says. */
static uint32_t
crc32c_by_definition(uint32_t crc, const unsigned char *at, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

static void
assert_crc(const void *data, size_t len, uint32_t expected)
{
    assert_int_equal(adb_crc32c(0, data, len), expected);
    assert_int_equal(adb_crc32c_narrow(0, data, len), expected);
    assert_int_equal(adb_crc32c_portable(0, data, len), expected);
    assert_int_equal(crc32c_by_definition(0, (const unsigned char *)data, len), expected);
}

static void
test_crc32c__known_vectors__match(void **state)
{
    (void)state;
    unsigned char bytes[32];
    assert_crc("", 0, 0);
    assert_crc("a", 1, 0xc1d04330);
    assert_crc("123456789", 9, 0xe3069283);
    /* RFC 3720, B.4 */
    memset(bytes, 0, sizeof bytes);
    assert_crc(bytes, sizeof bytes, 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_crc(bytes, sizeof bytes, 0x62a8ab43);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    assert_crc(bytes, sizeof bytes, 0x46dd794e);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(31 - i);
    assert_crc(bytes, sizeof bytes, 0x113fdb5c);
    static const unsigned char read_command[48] = {
        0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
        0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
        0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
    assert_crc(read_command, sizeof read_command, 0xd9963a56);
}

static void
test_crc32c__any_length_and_alignment__both_ways_agree(void **state)
{
    (void)state;
    static unsigned char bytes[LENGTHS + ALIGNMENTS];
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    test_rng_fill(&rng, bytes, sizeof bytes);
    for (size_t from = 0; from < ALIGNMENTS; from++) {
        for (size_t len = 0; len <= LENGTHS; len++) {
            uint32_t start = (uint32_t)test_rng_next(&rng);
            uint32_t expected = crc32c_by_definition(start, bytes + from, len);
            assert_int_equal(adb_crc32c(start, bytes + from, len), expected);
            assert_int_equal(adb_crc32c_narrow(start, bytes + from, len), expected);
            assert_int_equal(adb_crc32c_portable(start, bytes + from, len), expected);
        }
    }
}

/* From one block on, several streams at once; blocks are long or short. */
enum { SHORT_BLOCK = 3 * 128, LONG_BLOCK = 3 * 1024, LONGEST = 3 * LONG_BLOCK };

static void
assert_long_crc(struct test_rng *rng, const unsigned char *at, size_t len)
{
    uint32_t start = (uint32_t)test_rng_next(rng);
    uint32_t expected = crc32c_by_definition(start, at, len);
    assert_int_equal(adb_crc32c(start, at, len), expected);
    assert_int_equal(adb_crc32c_narrow(start, at, len), expected);
    assert_int_equal(adb_crc32c_portable(start, at, len), expected);
}

static void
test_crc32c__every_length_of_a_block_and_more__as_defined(void **state)
{
    (void)state;
    static unsigned char bytes[LONG_BLOCK + 3 * SHORT_BLOCK];
    struct test_rng rng = test_rng_fork(test_seed(), 6);
    test_rng_fill(&rng, bytes, sizeof bytes);
    uint32_t expected = 0;
    for (size_t len = 0; len <= sizeof bytes; len++) {
        assert_int_equal(adb_crc32c(0, bytes, len), expected);
        assert_int_equal(adb_crc32c_narrow(0, bytes, len), expected);
        assert_int_equal(adb_crc32c_portable(0, bytes, len), expected);
        if (len < sizeof bytes)
            expected = crc32c_by_definition(expected, bytes + len, 1);
    }
}

static void
test_crc32c__around_borders_of_blocks__as_defined(void **state)
{
    (void)state;
    static unsigned char bytes[LONGEST + SHORT_BLOCK + ALIGNMENTS + 1];
    struct test_rng rng = test_rng_fork(test_seed(), 4);
    test_rng_fill(&rng, bytes, sizeof bytes);
    for (size_t border = SHORT_BLOCK; border <= LONGEST; border += SHORT_BLOCK) {
        for (size_t from = 0; from < ALIGNMENTS; from++) {
            for (size_t len = border - 1; len <= border + 1; len++)
                assert_long_crc(&rng, bytes + from, len);
        }
    }
}

static void
test_crc32c__random_long_inputs__as_defined(void **state)
{
    (void)state;
    static unsigned char bytes[LONGEST + ALIGNMENTS];
    struct test_rng rng = test_rng_fork(test_seed(), 5);
    for (unsigned round = 0; round < 300 * test_scale(); round++) {
        /* Nothing but zeros or ones, now and then. */
        if (test_rng_one_in(&rng, 8))
            memset(bytes, test_rng_one_in(&rng, 2) ? 0xff : 0, sizeof bytes);
        else
            test_rng_fill(&rng, bytes, sizeof bytes);
        assert_long_crc(&rng, bytes + test_rng_below(&rng, ALIGNMENTS),
                        (size_t)test_rng_below(&rng, LONGEST + 1));
    }
}

static void
test_crc32c__cut_up_anyhow__same_checksum(void **state)
{
    (void)state;
    static unsigned char bytes[2 * LONG_BLOCK + LENGTHS];
    struct test_rng rng = test_rng_fork(test_seed(), 2);
    test_rng_fill(&rng, bytes, sizeof bytes);
    const uint32_t whole = crc32c_by_definition(0, bytes, sizeof bytes);
    for (unsigned round = 0; round < 200 * test_scale(); round++) {
        uint32_t crc = 0;
        size_t at = 0;
        while (at < sizeof bytes) {
            size_t len = (size_t)test_rng_below(&rng, 1 + test_rng_below(&rng, sizeof bytes));
            if (len > sizeof bytes - at)
                len = sizeof bytes - at;
            crc = test_rng_one_in(&rng, 2) ? adb_crc32c(crc, bytes + at, len)
                                           : adb_crc32c_portable(crc, bytes + at, len);
            at += len;
        }
        assert_int_equal(crc, whole);
    }
}

static void
test_crc32c__one_bit_flipped__another_checksum(void **state)
{
    (void)state;
    unsigned char bytes[64];
    struct test_rng rng = test_rng_fork(test_seed(), 3);
    test_rng_fill(&rng, bytes, sizeof bytes);
    const uint32_t before = adb_crc32c(0, bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_not_equal(adb_crc32c(0, bytes, sizeof bytes), before);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

static void
test_crc32c__copied_words__as_if_copied_and_summed(void **state)
{
    (void)state;
    enum { WORDS = 300 };
    static _Atomic uint64_t words[WORDS];
    static unsigned char from[8 * WORDS], to[8 * WORDS + 1];
    struct test_rng rng = test_rng_fork(test_seed(), 4);
    test_rng_fill(&rng, from, sizeof from);
    for (size_t i = 0; i < WORDS; i++)
        atomic_init(&words[i], adb_load_u64(from + 8 * i));
    for (size_t n = 1; n <= WORDS; n++) {
        unsigned char before[8];
        uint32_t start = (uint32_t)test_rng_next(&rng);
        uint64_t word = test_rng_next(&rng);
        size_t at = n % 2; /* not aligned either */
        adb_store_u64(before, word);
        memset(to, 0, sizeof to);
        uint32_t crc = adb_crc32c_copy(start, word, words, n, to + at);
        assert_int_equal(
            crc, crc32c_by_definition(crc32c_by_definition(start, before, 8), from + 4, 8 * n - 4));
        assert_memory_equal(to + at, from, 8 * n);
        assert_true(n == WORDS || to[at + 8 * n] == 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c__known_vectors__match),
        cmocka_unit_test(test_crc32c__any_length_and_alignment__both_ways_agree),
        cmocka_unit_test(test_crc32c__every_length_of_a_block_and_more__as_defined),
        cmocka_unit_test(test_crc32c__around_borders_of_blocks__as_defined),
        cmocka_unit_test(test_crc32c__random_long_inputs__as_defined),
        cmocka_unit_test(test_crc32c__cut_up_anyhow__same_checksum),
        cmocka_unit_test(test_crc32c__one_bit_flipped__another_checksum),
        cmocka_unit_test(test_crc32c__copied_words__as_if_copied_and_summed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
