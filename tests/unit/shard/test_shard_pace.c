/* Holding writers back: when, how long, and how it ends. */
#include "shard_fixture.h"

#define MIB (UINT64_C(1) << 20)
#define MS_NS UINT64_C(1000000)

static void
write_bytes(struct shard_fixture *fixture, uint64_t bytes)
{
    adb_shard_lock(fixture->shard);
    adb_shard_count_toll(fixture->shard, bytes);
    adb_shard_unlock(fixture->shard);
}

static void
test_shard_pace__no_toll__nobody_waits(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    write_bytes(fixture, 100 * MIB);
    assert_false(adb_shard_owes_toll(fixture->shard));
}

static void
test_shard_pace__toll__is_due_after_two_mib_and_ends_in_time(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    adb_shard_set_toll(fixture->shard, 3 * MS_NS);
    for (int round = 0; round < 3; round++) {
        write_bytes(fixture, 2 * MIB - 1);
        assert_false(adb_shard_owes_toll(fixture->shard));
        write_bytes(fixture, 1);
        assert_true(adb_shard_owes_toll(fixture->shard));
        assert_int_equal(atomic_load(&fixture->shard->held_until_ns),
                         adb_os_now_ns(fixture->os) + 6 * MS_NS);
        sim_advance_ns(fixture->sim, 6 * MS_NS);
        adb_shard_pay_toll(fixture->shard);
        assert_false(adb_shard_owes_toll(fixture->shard));
    }
}

static void
test_shard_pace__long_toll__comes_more_often_instead(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    adb_shard_set_toll(fixture->shard, 56 * MS_NS);
    write_bytes(fixture, MIB / 8 - 1);
    assert_false(adb_shard_owes_toll(fixture->shard));
    write_bytes(fixture, 1);
    assert_int_equal(atomic_load(&fixture->shard->held_until_ns),
                     adb_os_now_ns(fixture->os) + 7 * MS_NS);
}

static void *
pay(void *context)
{
    struct shard_fixture *fixture = (struct shard_fixture *)context;
    adb_shard_pay_toll(fixture->shard);
    return NULL;
}

static void
test_shard_pace__compaction_that_is_done__lets_writers_go(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct adb_thread writers[3];
    adb_shard_set_toll(fixture->shard, 5 * MS_NS);
    write_bytes(fixture, 2 * MIB);
    for (int i = 0; i < 3; i++)
        assert_ok(adb_thread_start(&writers[i], pay, fixture));
    adb_shard_set_toll(fixture->shard, 0); /* the clock stands still: nothing else ends the wait */
    for (int i = 0; i < 3; i++)
        adb_thread_join(&writers[i]);
    assert_false(adb_shard_owes_toll(fixture->shard));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SHARD_TEST(test_shard_pace__no_toll__nobody_waits),
        SHARD_TEST(test_shard_pace__toll__is_due_after_two_mib_and_ends_in_time),
        SHARD_TEST(test_shard_pace__long_toll__comes_more_often_instead),
        SHARD_TEST(test_shard_pace__compaction_that_is_done__lets_writers_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
