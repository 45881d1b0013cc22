/* When a file is worth reading for expired keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log/deadlines.h"
#include "support/seed.h"

#define START UINT64_C(1700000000000)
#define MINUTE UINT64_C(60000)
#define YEAR (UINT64_C(365) * 24 * 60 * MINUTE)

/* What has expired is counted soon after, and never before. */
static void
test_deadlines__each_distance__counted_after_it_and_not_much_later(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    for (uint64_t distance = 1; distance < 50 * YEAR; distance += 1 + distance / 7) {
        struct deadlines deadlines = {0};
        uint64_t deadline_ms = START + distance - test_rng_below(&rng, distance);
        uint64_t left = deadline_ms - START;
        adb_deadlines_count(&deadlines, START, deadline_ms, 80);
        assert_true(deadlines.earliest_ms == deadline_ms);
        assert_int_equal(adb_deadlines_expired_bytes(&deadlines, START), 0);
        assert_int_equal(adb_deadlines_expired_bytes(&deadlines, deadline_ms - 1), 0);
        assert_int_equal(adb_deadlines_expired_bytes(&deadlines, deadline_ms + left / 4 + 16384),
                         80);
    }
}

static void
test_deadlines__passed_already__counted_soon(void **state)
{
    (void)state;
    struct deadlines deadlines = {0};
    adb_deadlines_count(&deadlines, START, 1, 24);
    adb_deadlines_count(&deadlines, START, START, 32);
    assert_int_equal(adb_deadlines_expired_bytes(&deadlines, START), 0);
    assert_int_equal(adb_deadlines_expired_bytes(&deadlines, START + 16384), 56);
    assert_int_equal(adb_deadlines_expired_bytes(&deadlines, START - YEAR), 0);
}

static void
test_deadlines__end_of_time__is_no_end_of_the_table(void **state)
{
    (void)state;
    struct deadlines deadlines = {0};
    adb_deadlines_count(&deadlines, START, UINT64_MAX, 1 << 20);
    assert_int_equal(adb_deadlines_expired_bytes(&deadlines, START + 50 * YEAR), 0);
    assert_false(adb_deadlines_are_due(&deadlines, START + 50 * YEAR, 1 << 20));
    for (int i = 0; i < 40000; i++) /* no more than it can hold */
        adb_deadlines_count(&deadlines, START, UINT64_MAX, 1 << 20);
    assert_int_equal(adb_deadlines_expired_bytes(&deadlines, UINT64_MAX), 0);
}

static void
test_deadlines__added__as_if_counted_together(void **state)
{
    (void)state;
    struct deadlines together = {0}, a = {0}, b = {.since_ms = START}, none = {.since_ms = START};
    struct test_rng rng = test_rng_fork(test_seed(), 2);
    for (int i = 0; i < 1000; i++) {
        uint64_t deadline_ms = START + test_rng_below(&rng, YEAR);
        uint64_t bytes = 8 * test_rng_below(&rng, 1000);
        adb_deadlines_count(&together, START, deadline_ms, bytes);
        adb_deadlines_count(i % 3 == 0 ? &a : &b, START, deadline_ms, bytes);
    }
    adb_deadlines_add(&a, &none);
    adb_deadlines_add(&none, &b);
    adb_deadlines_add(&none, &a);
    assert_true(none.earliest_ms == together.earliest_ms);
    for (uint64_t after = 0; after < 2 * YEAR; after += YEAR / 100)
        assert_true(adb_deadlines_expired_bytes(&none, START + after) ==
                    adb_deadlines_expired_bytes(&together, START + after));
    assert_false(none.is_unknown);
    a.is_unknown = true;
    adb_deadlines_add(&none, &a);
    assert_true(none.is_unknown);
}

/* The first moment, in minutes after the deadlines, at which a file is due. */
static uint64_t
due_after(uint64_t expired_bytes, uint64_t file_bytes)
{
    struct deadlines deadlines = {0};
    adb_deadlines_count(&deadlines, START, START + 1, expired_bytes);
    uint64_t minutes = 0;
    while (!adb_deadlines_are_due(&deadlines, START + 1 + minutes * MINUTE, file_bytes))
        minutes++;
    return minutes;
}

static void
test_deadlines__due__the_sooner_the_more_has_expired(void **state)
{
    (void)state;
    assert_int_equal(due_after(1 << 20, 1 << 20), 1);
    assert_int_equal(due_after(1 << 19, 1 << 20), 2);
    assert_int_equal(due_after(1 << 14, 1 << 20), 64);
    assert_int_equal(due_after(1 << 10, 1 << 20), 1024);
    assert_true(due_after(80, 1 << 20) == 13108); /* nine days */
}

static void
test_deadlines__nothing_or_nothing_known__never_or_at_once(void **state)
{
    (void)state;
    struct deadlines deadlines = {0};
    assert_false(adb_deadlines_are_due(&deadlines, UINT64_MAX, 64));
    deadlines.is_unknown = true;
    assert_true(adb_deadlines_are_due(&deadlines, 1, 64));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines__each_distance__counted_after_it_and_not_much_later),
        cmocka_unit_test(test_deadlines__passed_already__counted_soon),
        cmocka_unit_test(test_deadlines__end_of_time__is_no_end_of_the_table),
        cmocka_unit_test(test_deadlines__added__as_if_counted_together),
        cmocka_unit_test(test_deadlines__due__the_sooner_the_more_has_expired),
        cmocka_unit_test(test_deadlines__nothing_or_nothing_known__never_or_at_once),
    };
    return cmocka_run_group_tests_name("log/deadlines", tests, NULL, NULL);
}
