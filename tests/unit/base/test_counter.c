/* Striped counters: nothing gets lost, and threads get stripes in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/counter.h"
#include "os/thread.h"
#include "support/seed.h"

enum { THREADS = 8, ADDITIONS = 20000 };

static struct adb_counter shared;

struct worker {
    uint32_t stripe;
    uint64_t additions;
};

static void *
add_many(void *context)
{
    struct worker *worker = (struct worker *)context;
    worker->stripe = adb_counter_stripe_of_thread();
    for (uint64_t i = 0; i < worker->additions; i++)
        adb_counter_add(&shared, i & 3);
    return NULL;
}

static void
test_counter__zeroed__sums_to_zero(void **state)
{
    (void)state;
    const struct adb_counter counter = {0};
    assert_int_equal(adb_counter_sum(&counter), 0);
}

static void
test_counter__one_thread__sums_up(void **state)
{
    (void)state;
    struct adb_counter counter = {0};
    adb_counter_add(&counter, 1);
    adb_counter_add(&counter, 41);
    adb_counter_add(&counter, UINT64_C(1) << 40);
    assert_true(adb_counter_sum(&counter) == (UINT64_C(1) << 40) + 42);
    assert_int_equal(adb_counter_stripe_of_thread(), adb_counter_stripe_of_thread());
}

static void
test_counter__many_threads__nothing_lost(void **state)
{
    (void)state;
    struct adb_thread threads[THREADS];
    struct worker workers[THREADS];
    uint64_t additions = (uint64_t)ADDITIONS * test_scale() / 4 * 4;
    uint64_t before = adb_counter_sum(&shared);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.additions = additions};
        assert_int_equal(adb_thread_start(&threads[i], add_many, &workers[i]), ARMDB_OK);
    }
    for (int i = 0; i < THREADS; i++)
        adb_thread_join(&threads[i]);
    /* 0 + 1 + 2 + 3 in each four. */
    assert_true(adb_counter_sum(&shared) - before == THREADS * (additions / 4) * 6);
    for (int i = 0; i < THREADS; i++) {
        assert_true(workers[i].stripe < COUNTER_STRIPES);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(workers[i].stripe, workers[j].stripe);
    }
}

static void
test_counter__stripes__have_cache_lines_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct adb_counter_stripe), ADB_CACHE_LINE);
    assert_int_equal(sizeof(struct adb_counter), ADB_CACHE_LINE * COUNTER_STRIPES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter__zeroed__sums_to_zero),
        cmocka_unit_test(test_counter__one_thread__sums_up),
        cmocka_unit_test(test_counter__many_threads__nothing_lost),
        cmocka_unit_test(test_counter__stripes__have_cache_lines_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
