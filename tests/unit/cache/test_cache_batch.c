/* Blocks that a caller reads by itself. */
#include "unit/cache/cache_fixture.h"

#include <sched.h>

#include "cache/cache_batch.h"
#include "cache/cache_private.h"

static int
setup(void **state)
{
    return fixture_setup(state, 4 << 20, 7, 8 * BLOCK);
}

static void
test_cache_batch__a_block_led__is_led_once_and_found_when_it_has_landed(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct cache_flight flight, other;
    unsigned char block[BLOCK];
    for (uint32_t i = 0; i < BLOCK; i++)
        block[i] = fake_byte(fixture->file.key, 3 * BLOCK + i);
    assert_true(adb_cache_lead(fixture->cache, fixture->file.key, 3, &flight));
    assert_false(adb_cache_lead(fixture->cache, fixture->file.key, 3, &other));
    adb_cache_land(fixture->cache, &flight, block);
    assert_true(fake_has(fixture->cache, &fixture->file, 3 * BLOCK, BLOCK));
    assert_false(adb_cache_lead(fixture->cache, fixture->file.key, 3, &other));
    assert_int_equal(stats_of(fixture->cache).misses, 1);
    assert_int_equal(stats_of(fixture->cache).inserted, 1);
}

static void
test_cache_batch__a_block_that_could_not_be_read__may_be_led_again(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct cache_flight flight;
    assert_true(adb_cache_lead(fixture->cache, fixture->file.key, 3, &flight));
    adb_cache_land(fixture->cache, &flight, NULL);
    assert_false(fake_has(fixture->cache, &fixture->file, 3 * BLOCK, BLOCK));
    assert_true(adb_cache_lead(fixture->cache, fixture->file.key, 3, &flight));
    adb_cache_land(fixture->cache, &flight, NULL);
}

static void *
get_block(void *context)
{
    struct fixture *fixture = (struct fixture *)context;
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 5 * BLOCK, 64), 0);
    return NULL;
}

static void
test_cache_batch__another_thread_that_misses_it__waits_and_reads_nothing(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct cache_flight flight;
    struct adb_thread thread;
    unsigned char block[BLOCK];
    for (uint32_t i = 0; i < BLOCK; i++)
        block[i] = fake_byte(fixture->file.key, 5 * BLOCK + i);
    assert_true(adb_cache_lead(fixture->cache, fixture->file.key, 5, &flight));
    assert_int_equal(adb_thread_start(&thread, get_block, fixture), ARMDB_OK);
    while (adb_cache_flights_asleep(&fixture->cache->flights) == 0)
        sched_yield();
    adb_cache_land(fixture->cache, &flight, block);
    adb_thread_join(&thread);
}

#define BATCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BATCH_TEST(test_cache_batch__a_block_led__is_led_once_and_found_when_it_has_landed),
        BATCH_TEST(test_cache_batch__a_block_that_could_not_be_read__may_be_led_again),
        BATCH_TEST(test_cache_batch__another_thread_that_misses_it__waits_and_reads_nothing),
    };
    return cmocka_run_group_tests_name("cache/cache_batch", tests, NULL, NULL);
}
