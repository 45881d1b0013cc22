/* Locations: what goes in comes out, at every boundary of both forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log/location.h"
#include "support/seed.h"

enum { SMALL_MAX = LOCATION_LARGE - 1 };

static void
assert_round_trip(uint32_t slot, uint64_t offset, uint32_t value_len)
{
    uint64_t location = adb_location_make(slot, offset, value_len);
    assert_int_equal(adb_location_slot(location), slot);
    assert_true(adb_location_offset(location) == offset);
    assert_int_equal(adb_location_value_len(location), value_len);
    assert_int_equal(adb_location_is_large(location), value_len >= LOCATION_LARGE);
    assert_true(location != 0);
    assert_false(adb_location_has_deadline(location));
    const struct log_record record = {.flags = LOG_FLAG_DEADLINE, .value_len = value_len};
    uint64_t until = adb_location_of(slot, offset, &record);
    assert_true(adb_location_has_deadline(until) && (until & ~LOCATION_DEADLINE) == location);
    assert_int_equal(adb_location_slot(until), slot);
    assert_true(adb_location_offset(until) == offset);
    assert_int_equal(adb_location_value_len(until), value_len);
    assert_true(adb_location_record_bytes(until, 8) == adb_round_up(40 + (uint64_t)value_len, 8));
    assert_true(adb_location_record_bytes(location, 8) ==
                adb_round_up(28 + (uint64_t)value_len, 8));
}

static void
test_location__boundaries__round_trip(void **state)
{
    (void)state;
    static const uint32_t slots[] = {0, 1, 255, 256, LOCATION_SLOTS / 2, LOCATION_SLOTS - 1};
    static const uint32_t small[] = {0, 1, 7, 8, 4095, 65536, SMALL_MAX - 1, SMALL_MAX};
    static const uint32_t large[] = {LOCATION_LARGE, LOCATION_LARGE + 1,  1u << 20,
                                     1u << 24,       ARMDB_VALUE_MAX - 1, ARMDB_VALUE_MAX};
    static const uint64_t small_at[] = {64, 72, 4096, UINT64_C(1) << 31, LOCATION_OFFSET_LIMIT - 8};
    static const uint64_t large_at[] = {4096, 8192, UINT64_C(1) << 31,
                                        LOCATION_OFFSET_LIMIT - LOCATION_LARGE_ALIGNMENT};
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        for (size_t j = 0; j < sizeof small / sizeof small[0]; j++)
            for (size_t k = 0; k < sizeof small_at / sizeof small_at[0]; k++)
                assert_round_trip(slots[i], small_at[k], small[j]);
        for (size_t j = 0; j < sizeof large / sizeof large[0]; j++)
            for (size_t k = 0; k < sizeof large_at / sizeof large_at[0]; k++)
                assert_round_trip(slots[i], large_at[k], large[j]);
    }
}

/* The drawing at the head of location.h, bit by bit. */
static void
test_location__fields__are_where_the_drawing_says(void **state)
{
    (void)state;
    assert_true(adb_location_make(0, 8, 0) == UINT64_C(1) << 19);
    assert_true(adb_location_make(0, LOCATION_OFFSET_LIMIT - 8, 0) == UINT64_C(0x0000fffffff80000));
    assert_true(adb_location_make(0, 0, SMALL_MAX) == 0x7ffff);
    assert_true(adb_location_make(LOCATION_SLOTS - 1, 0, 0) == UINT64_C(0x3fff000000000000));
    assert_true(adb_location_make(0, 4096, LOCATION_LARGE) == UINT64_C(0x8000000010000000));
    assert_true(adb_location_make(0, LOCATION_OFFSET_LIMIT - 4096, LOCATION_LARGE) ==
                UINT64_C(0x8000fffff0000000));
    assert_true(adb_location_make(0, 0, ARMDB_VALUE_MAX) ==
                (UINT64_C(0x8000000000000000) | (ARMDB_VALUE_MAX - LOCATION_LARGE)));
}

static void
test_location__anything__round_trip(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    for (unsigned i = 0; i < 20000 * test_scale(); i++) {
        uint32_t slot = (uint32_t)test_rng_below(&rng, LOCATION_SLOTS);
        uint32_t bits = 1 + (uint32_t)test_rng_below(&rng, 28);
        uint32_t value_len = (uint32_t)test_rng_below(&rng, UINT64_C(1) << bits);
        uint64_t unit = value_len >= LOCATION_LARGE ? LOCATION_LARGE_ALIGNMENT : 8;
        uint64_t offset = unit * (1 + test_rng_below(&rng, LOCATION_OFFSET_LIMIT / unit - 1));
        assert_round_trip(slot, offset, value_len);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_location__boundaries__round_trip),
        cmocka_unit_test(test_location__fields__are_where_the_drawing_says),
        cmocka_unit_test(test_location__anything__round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
