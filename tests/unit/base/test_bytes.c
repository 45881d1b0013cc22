/* Little-endian numbers at any address, and rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "support/seed.h"

static const unsigned char SAMPLE[8] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};

static void
test_bytes__load__lowest_byte_first(void **state)
{
    (void)state;
    assert_int_equal(adb_load_u16(SAMPLE), 0x2301);
    assert_int_equal(adb_load_u32(SAMPLE), 0x67452301);
    assert_true(adb_load_u64(SAMPLE) == UINT64_C(0xefcdab8967452301));
}

static void
test_bytes__store__lowest_byte_first(void **state)
{
    (void)state;
    unsigned char to[8];
    adb_store_u16(to, 0x2301);
    assert_memory_equal(to, SAMPLE, 2);
    adb_store_u32(to, 0x67452301);
    assert_memory_equal(to, SAMPLE, 4);
    adb_store_u64(to, UINT64_C(0xefcdab8967452301));
    assert_memory_equal(to, SAMPLE, 8);
}

static void
test_bytes__any_address__round_trip_touches_nothing_else(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    for (size_t at = 1; at < 17; at++) {
        unsigned char bytes[32];
        uint64_t value = test_rng_next(&rng);
        memset(bytes, 0xa5, sizeof bytes);
        adb_store_u64(bytes + at, value);
        assert_true(adb_load_u64(bytes + at) == value);
        assert_int_equal(bytes[at - 1], 0xa5);
        assert_int_equal(bytes[at + 8], 0xa5);
        adb_store_u32(bytes + at, (uint32_t)value);
        assert_int_equal(adb_load_u32(bytes + at), (uint32_t)value);
        adb_store_u16(bytes + at, (uint16_t)value);
        assert_int_equal(adb_load_u16(bytes + at), (uint16_t)value);
    }
}

static void
test_bytes__round_up__next_multiple(void **state)
{
    (void)state;
    assert_int_equal(adb_round_up(0, 8), 0);
    assert_int_equal(adb_round_up(1, 8), 8);
    assert_int_equal(adb_round_up(7, 8), 8);
    assert_int_equal(adb_round_up(8, 8), 8);
    assert_int_equal(adb_round_up(9, 8), 16);
    assert_int_equal(adb_round_up(4097, 4096), 8192);
    assert_true(adb_round_up((UINT64_C(1) << 40) + 1, 4096) == (UINT64_C(1) << 40) + 4096);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes__load__lowest_byte_first),
        cmocka_unit_test(test_bytes__store__lowest_byte_first),
        cmocka_unit_test(test_bytes__any_address__round_trip_touches_nothing_else),
        cmocka_unit_test(test_bytes__round_up__next_multiple),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
