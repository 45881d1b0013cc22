/* Background care for a log: syncing in time, and new files before writers need them. */
#include "shard/shard_private.h"

#include "shard_fixture.h"

#define MIB (UINT64_C(1) << 20)

static int
set_up_tended(void **state)
{
    set_up_disk(state);
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fixture->is_shared = true;
    sim_set_can_map(fixture->sim, true);
    fixture->config.max_file_bytes = 16 * MIB;
    fixture->config.write_buffer_bytes = 1 << 20;
    open_shard(fixture);
    return 0;
}

#define TEND_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_tended, tear_down_shard)

static bool
tend(struct shard_fixture *fixture)
{
    bool is_busy;
    assert_ok(adb_shard_tend(fixture->shard, &is_busy));
    return is_busy;
}

/* Appends until the active file has so much in it. */
static void
fill(struct shard_fixture *fixture, uint64_t bytes)
{
    while (fixture->shard->writer.active->end < bytes)
        put_long(fixture, "filler", 100000, ARMDB_WRITTEN);
}

static uint64_t
synced_of(struct shard_fixture *fixture)
{
    return atomic_load(&fixture->shard->writer.active->synced);
}

static void
test_shard_tend__little_to_do__does_nothing(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fill(fixture, MIB);
    uint64_t operations = sim_op_count(fixture->sim, SIM_ALL);
    assert_true(tend(fixture)); /* it has grown since the last look, by enough to look soon */
    assert_false(tend(fixture));
    assert_int_equal(sim_op_count(fixture->sim, SIM_ALL), operations);
}

static void
test_shard_tend__much_unsynced__is_synced(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fill(fixture, 4 * MIB);
    uint64_t before = synced_of(fixture);
    tend(fixture);
    assert_true(synced_of(fixture) >= before + 2 * MIB);
    assert_int_equal(stats_of(fixture).files, 1);
    uint64_t sequence = stats_of(fixture).synced_sequence;
    assert_true(sequence > 0);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    restart_shard(fixture);
    assert_true(fixture->recovery.records >= sequence);
}

static void
test_shard_tend__nearly_full__goes_on_in_a_new_file(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fill(fixture, 15 * MIB);
    uint64_t sequence = stats_of(fixture).newest_sequence;
    tend(fixture);
    assert_int_equal(stats_of(fixture).files, 2);
    assert_int_equal(stats_of(fixture).synced_sequence, sequence);
    put(fixture, "key", "in the new file", ARMDB_WRITTEN);
    assert_true(tend(fixture));
    assert_int_equal(stats_of(fixture).files, 2);
    kill_and_restart(fixture);
    expect_get(fixture, "key", "in the new file");
}

static void
test_shard_tend__small_files__are_left_to_the_writer(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fill(fixture, 62000);
    tend(fixture);
    assert_int_equal(stats_of(fixture).files, 1);
}

static void
test_shard_tend__no_space_for_a_new_file__is_tried_again(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    bool is_busy;
    fill(fixture, 15 * MIB);
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_BIT(SIM_OP_CREATE), 1, true);
    assert_int_equal(adb_shard_tend(fixture->shard, &is_busy), ARMDB_NO_SPACE);
    put(fixture, "key", "in the old file", ARMDB_WRITTEN);
    expect_get(fixture, "key", "in the old file");
    assert_int_equal(stats_of(fixture).files, 1);
    sim_clear_fault(fixture->sim);
    tend(fixture);
    assert_int_equal(stats_of(fixture).files, 2);
    put(fixture, "key", "in the new file", ARMDB_WRITTEN);
    expect_get(fixture, "key", "in the new file");
}

static void
test_shard_tend__failed_sync__fences_and_is_not_tried_again(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    bool is_busy;
    fill(fixture, 4 * MIB);
    set_fault(fixture, SIM_FAULT_SYNC, SIM_SYNCS, 1, false);
    assert_int_equal(adb_shard_tend(fixture->shard, &is_busy), ARMDB_IO);
    uint64_t operations = sim_op_count(fixture->sim, SIM_ALL);
    assert_int_equal(adb_shard_tend(fixture->shard, &is_busy), ARMDB_FAILED);
    assert_false(is_busy);
    assert_int_equal(sim_op_count(fixture->sim, SIM_ALL), operations);
    assert_int_equal(try_put(fixture, "key", "value", ARMDB_WRITTEN), ARMDB_FAILED);
}

static void
test_shard_tend__sealed_active_file__is_left(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fill(fixture, 15 * MIB);
    adb_shard_lock(fixture->shard);
    assert_ok(adb_log_writer_seal(&fixture->shard->writer));
    adb_shard_unlock(fixture->shard);
    tend(fixture);
    assert_int_equal(stats_of(fixture).files, 1);
    put(fixture, "key", "value", ARMDB_WRITTEN);
    assert_int_equal(stats_of(fixture).files, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEND_TEST(test_shard_tend__little_to_do__does_nothing),
        TEND_TEST(test_shard_tend__much_unsynced__is_synced),
        TEND_TEST(test_shard_tend__nearly_full__goes_on_in_a_new_file),
        SHARED_TEST(test_shard_tend__small_files__are_left_to_the_writer),
        TEND_TEST(test_shard_tend__no_space_for_a_new_file__is_tried_again),
        TEND_TEST(test_shard_tend__failed_sync__fences_and_is_not_tried_again),
        TEND_TEST(test_shard_tend__sealed_active_file__is_left),
    };
    return cmocka_run_group_tests_name("shard/shard_tend", tests, NULL, NULL);
}
