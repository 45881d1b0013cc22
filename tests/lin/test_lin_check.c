/* The checker itself, on histories that are known to be right or wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lin/lin_check.h"
#include "support/seed.h"

#define GET(result_, begin_, end_)                                                                 \
    {                                                                                              \
        .kind = LIN_GET, .result = (result_), .begin = (begin_), .end = (end_)                     \
    }
#define SET(argument_, begin_, end_)                                                               \
    {                                                                                              \
        .kind = LIN_SET, .argument = (argument_), .begin = (begin_), .end = (end_)                 \
    }

#define expect(is_good, ...)                                                                       \
    do {                                                                                           \
        const struct lin_call calls[] = {__VA_ARGS__};                                             \
        uint64_t final;                                                                            \
        assert_int_equal(lin_check(calls, sizeof calls / sizeof calls[0], 0, &final), is_good);    \
    } while (0)

static void
test_lin_check__one_after_the_other__each_sees_the_newest(void **state)
{
    (void)state;
    expect(true, SET(1, 1, 2), GET(1, 3, 4), SET(2, 5, 6), GET(2, 7, 8));
    expect(false, SET(1, 1, 2), GET(0, 3, 4)); /* a stale read */
    expect(false, SET(1, 1, 2), SET(2, 3, 4), GET(1, 5, 6));
    expect(false, GET(1, 1, 2), SET(1, 3, 4)); /* a read of the future */
    expect(false, SET(1, 1, 2), GET(7, 3, 4)); /* a value never written */
}

static void
test_lin_check__overlapping__either_order_but_one(void **state)
{
    (void)state;
    expect(true, SET(1, 1, 10), GET(0, 2, 3));
    expect(true, SET(1, 1, 10), GET(1, 2, 3));
    expect(true, SET(1, 1, 10), GET(0, 2, 3), GET(1, 4, 5));
    expect(false, SET(1, 1, 10), GET(1, 2, 3), GET(0, 4, 5)); /* seen, then unseen */
    expect(true, SET(1, 1, 10), SET(2, 2, 9), GET(1, 11, 12));
    expect(false, SET(1, 1, 10), SET(2, 2, 9), GET(1, 11, 12), GET(2, 13, 14));
}

static void
test_lin_check__conditional_calls__agree_with_what_they_found(void **state)
{
    (void)state;
    const struct lin_call insert = {
        .kind = LIN_INSERT, .argument = 5, .result = 1, .begin = 1, .end = 2};
    const struct lin_call second = {
        .kind = LIN_INSERT, .argument = 6, .result = 1, .begin = 3, .end = 4};
    const struct lin_call refused = {
        .kind = LIN_INSERT, .argument = 6, .result = 0, .begin = 3, .end = 4};
    const struct lin_call cas = {
        .kind = LIN_CAS, .argument = 7, .expected = 5, .result = 1, .begin = 5, .end = 6};
    const struct lin_call missed = {
        .kind = LIN_CAS, .argument = 7, .expected = 4, .result = 1, .begin = 5, .end = 6};
    const struct lin_call removed = {.kind = LIN_REMOVE, .result = 7, .begin = 7, .end = 8};
    const struct lin_call deleted = {.kind = LIN_DELETE, .result = 1, .begin = 9, .end = 10};
    expect(true, insert, refused, cas, removed, GET(0, 11, 12));
    expect(false, insert, second);
    expect(false, insert, missed);
    expect(false, insert, cas, removed, deleted); /* deleted twice */
    expect(false, insert, refused, cas, removed, GET(7, 11, 12));
}

static void
test_lin_check__sums__come_one_after_the_other(void **state)
{
    (void)state;
    const struct lin_call add = {.kind = LIN_ADD, .argument = 2, .result = 2, .begin = 1, .end = 4};
    const struct lin_call next = {
        .kind = LIN_ADD, .argument = 3, .result = 5, .begin = 2, .end = 3};
    const struct lin_call lost = {
        .kind = LIN_ADD, .argument = 3, .result = 3, .begin = 2, .end = 3};
    expect(true, next, add, GET(5, 5, 6));
    expect(false, lost, add, GET(5, 5, 6)); /* both added to nothing */
}

/* A random history made by a real register is right; with one result changed it often is not. */
static void
test_lin_check__random_histories__right_ones_pass_wrong_ones_do_not(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    int found = 0;
    for (int round = 0; round < 200; round++) {
        struct lin_call calls[40];
        uint64_t value = 0, final;
        for (uint64_t i = 0; i < 40; i++) {
            /* The call takes effect at moment 10 i; it lasts some time before and after. */
            calls[i] = (struct lin_call){.kind = LIN_PUT,
                                         .argument = i + 1,
                                         .result = value,
                                         .begin = 1000 + 10 * i - test_rng_below(&rng, 6) * 10 - 1,
                                         .end = 1000 + 10 * i + test_rng_below(&rng, 6) * 10 + 1};
            if (test_rng_one_in(&rng, 2))
                calls[i].kind = LIN_GET;
            else
                value = i + 1;
        }
        assert_true(lin_check(calls, 40, 0, &final));
        calls[test_rng_below(&rng, 40)].result = 99;
        found += !lin_check(calls, 40, 0, &final);
    }
    assert_int_equal(found, 200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lin_check__one_after_the_other__each_sees_the_newest),
        cmocka_unit_test(test_lin_check__overlapping__either_order_but_one),
        cmocka_unit_test(test_lin_check__conditional_calls__agree_with_what_they_found),
        cmocka_unit_test(test_lin_check__sums__come_one_after_the_other),
        cmocka_unit_test(test_lin_check__random_histories__right_ones_pass_wrong_ones_do_not),
    };
    return cmocka_run_group_tests_name("lin/check", tests, NULL, NULL);
}
