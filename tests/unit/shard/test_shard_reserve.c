/* A full disk: keys can be deleted there, and compaction gives their space back. */
#include "compact_figures.h"

enum { REFUSALS = 20, ROUNDS = 12, BLOCK = 4096 };

/* Lets the background look, which makes the reserve, and writes until the disk has refused much. */
static void
fill_disk(struct compact_fixture *fixture, uint64_t bytes)
{
    int refusals = 0;
    for (int i = 0; i < 20; i++)
        set(fixture, 0, (uint32_t)i);
    assert_ok(try_compact(fixture, false));
    sim_set_capacity(fixture->sim, sim_used_bytes(fixture->sim) + bytes);
    for (uint32_t i = 0; refusals < REFUSALS; i++) {
        uint32_t collection = (uint32_t)test_rng_below(&fixture->rng, N_COLLECTIONS);
        uint32_t key = (uint32_t)test_rng_below(&fixture->rng, N_KEYS);
        armdb_err err = try_set(fixture, collection, key, ++fixture->numbers);
        assert_true(i < 100000);
        assert_true(err == ARMDB_OK || err == ARMDB_NO_SPACE);
        refusals += err == ARMDB_NO_SPACE;
    }
}

/* Deletes keys with numbers in [from, to). */
static void
unset_many(struct compact_fixture *fixture, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < N_COLLECTIONS; i++) {
        for (uint32_t key = from; key < to; key++) {
            if (fixture->kept.number[i][key] != 0)
                unset(fixture, i, key);
        }
    }
}

static void
test_shard_reserve__full_disk__deletes_are_taken(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill_disk(fixture, 300000);
    unset_many(fixture, 0, N_KEYS / 2);
    check_keys(fixture);
    kill_and_open(fixture);
    check_keys(fixture);
}

static void
test_shard_reserve__all_deleted_on_a_full_disk__space_comes_back(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill_disk(fixture, 300000);
    uint64_t full = sim_used_bytes(fixture->sim);
    unset_many(fixture, 0, N_KEYS);
    compact(fixture);
    assert_true(sim_used_bytes(fixture->sim) < full / 4);
    assert_int_equal(figures(fixture).compaction.failure, ARMDB_OK);
    check_keys(fixture);
    check_figures(&fixture->engine);
    set(fixture, 0, 0);
    check_reopened(fixture);
}

static void
test_shard_reserve__some_deleted_on_a_full_disk__goes_on_for_ever(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill_disk(fixture, 300000);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t from = (uint32_t)test_rng_below(&fixture->rng, N_KEYS);
        unset_many(fixture, from, N_KEYS);
        compact(fixture);
        check_keys(fixture);
        for (int refusals = 0; refusals < REFUSALS;)
            refusals += try_set(fixture, (uint32_t)test_rng_below(&fixture->rng, N_COLLECTIONS),
                                (uint32_t)test_rng_below(&fixture->rng, N_KEYS),
                                ++fixture->numbers) == ARMDB_NO_SPACE;
        check_keys(fixture);
    }
    kill_and_open(fixture);
    check_keys(fixture);
    check_figures(&fixture->engine);
}

static void
test_shard_reserve__background_on_a_full_disk__space_comes_back(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill_disk(fixture, 300000);
    uint64_t full = sim_used_bytes(fixture->sim);
    unset_many(fixture, 0, N_KEYS);
    assert_ok(try_compact(fixture, false));
    assert_true(sim_used_bytes(fixture->sim) < full / 2);
    check_keys(fixture);
    check_reopened(fixture);
}

/* Somebody else has taken even the space that was kept. */
static void
test_shard_reserve__nothing_left_at_all__refused_and_later_done(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill_disk(fixture, 300000);
    unset_many(fixture, 0, 4);
    adb_shard_drop_reserve(fixture->engine.shard);
    sim_set_capacity(fixture->sim, sim_used_bytes(fixture->sim));
    uint64_t files = figures(fixture).files;
    armdb_err err = try_compact(fixture, true);
    assert_true(err == ARMDB_OK || err == ARMDB_NO_SPACE);
    assert_true(figures(fixture).files <= files + 1);
    check_keys(fixture);
    check_figures(&fixture->engine);
    sim_set_capacity(fixture->sim, UINT64_MAX);
    compact(fixture);
    assert_int_equal(figures(fixture).dead_bytes, 0);
    assert_int_equal(figures(fixture).compaction.failure, ARMDB_OK);
    check_keys(fixture);
    check_reopened(fixture);
}

/* Takes all space but the reserve, up to the last bytes of the active file. */
static void
use_up_room(struct compact_fixture *fixture)
{
    struct shard *shard = fixture->engine.shard;
    armdb_err err = ARMDB_OK;
    assert_ok(adb_log_writer_give_back(&shard->writer));
    shard->writer.kept_bytes = 0;
    sim_set_capacity(fixture->sim, sim_used_bytes(fixture->sim));
    while (err == ARMDB_OK)
        err = try_set(fixture, 1, 0, ++fixture->numbers);
    assert_int_equal(err, ARMDB_NO_SPACE);
}

static void
test_shard_reserve__no_space_for_a_new_file__others_are_compacted(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill_disk(fixture, 300000);
    uint64_t full = sim_used_bytes(fixture->sim);
    unset_many(fixture, 0, N_KEYS);
    use_up_room(fixture);
    compact(fixture);
    assert_true(sim_used_bytes(fixture->sim) < full / 4);
    assert_int_equal(figures(fixture).compaction.failure, ARMDB_OK);
    check_keys(fixture);
    check_figures(&fixture->engine);
    check_reopened(fixture);
}

/* All is in the newest file. */
static void
test_shard_reserve__no_space_for_a_new_file_and_no_other__reserve_is_given_up(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    struct shard *shard = fixture->engine.shard;
    shard->writer.max_file_bytes = UINT64_C(1) << 20;
    adb_shard_fill_reserve(shard, 4 * BLOCK);
    assert_int_equal(shard->reserve_bytes, 4 * BLOCK);
    fill_disk(fixture, 600000);
    assert_int_equal(figures(fixture).files, 1);
    uint64_t full = sim_used_bytes(fixture->sim);
    unset_many(fixture, 0, N_KEYS);
    use_up_room(fixture);
    compact(fixture);
    assert_true(sim_used_bytes(fixture->sim) < full / 4);
    assert_int_equal(figures(fixture).compaction.failure, ARMDB_OK);
    check_keys(fixture);
    check_figures(&fixture->engine);
    check_reopened(fixture);
}

static void
test_shard_reserve__no_space_for_expired_keys__garbage_makes_some(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill_disk(fixture, 300000);
    sim_set_capacity(fixture->sim, UINT64_MAX);
    for (uint32_t key = 1; key < N_KEYS; key++) {
        for (uint32_t i = 0; i < N_COLLECTIONS; i++)
            set_until(fixture, i, key, adb_os_wall_ms(fixture->engine.os) + 1000);
    }
    use_up_room(fixture);
    uint64_t full = sim_used_bytes(fixture->sim);
    sim_advance_ns(fixture->sim, UINT64_C(2000000000));
    compact(fixture);
    assert_true(sim_used_bytes(fixture->sim) < full / 4);
    assert_int_equal(figures(fixture).compaction.failure, ARMDB_OK);
    check_keys(fixture);
    check_figures(&fixture->engine);
    check_reopened(fixture);
}

/* The operation at which each try fails. */
static void
test_shard_reserve__each_operation_fails__nothing_is_lost(void **state)
{
    bool is_over = false;
    (void)state;
    for (uint64_t fail_at = 1; !is_over; fail_at++) {
        struct compact_fixture fixture;
        begin_fixture(&fixture, fail_at % 7);
        fill_disk(&fixture, 100000);
        unset_many(&fixture, 0, N_KEYS / 2);
        const struct sim_fault fault = {
            .kind = SIM_FAULT_ERROR, .ops = SIM_ALL, .fail_at = fail_at, .seed = fail_at};
        sim_set_fault(fixture.sim, &fault);
        (void)try_compact(&fixture, true);
        is_over = !sim_fault_fired(fixture.sim);
        sim_clear_fault(fixture.sim);
        check_keys(&fixture);
        kill_and_open(&fixture);
        check_keys(&fixture);
        compact(&fixture);
        check_keys(&fixture);
        end_fixture(&fixture);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        COMPACT_TEST(test_shard_reserve__full_disk__deletes_are_taken),
        COMPACT_TEST(test_shard_reserve__all_deleted_on_a_full_disk__space_comes_back),
        COMPACT_TEST(test_shard_reserve__some_deleted_on_a_full_disk__goes_on_for_ever),
        COMPACT_TEST(test_shard_reserve__background_on_a_full_disk__space_comes_back),
        COMPACT_TEST(test_shard_reserve__nothing_left_at_all__refused_and_later_done),
        COMPACT_TEST(test_shard_reserve__no_space_for_a_new_file__others_are_compacted),
        COMPACT_TEST(test_shard_reserve__no_space_for_a_new_file_and_no_other__reserve_is_given_up),
        COMPACT_TEST(test_shard_reserve__no_space_for_expired_keys__garbage_makes_some),
        cmocka_unit_test(test_shard_reserve__each_operation_fails__nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
