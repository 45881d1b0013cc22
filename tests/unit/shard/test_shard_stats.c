/* The figures of a shard: what is in its files, and what of that nothing needs. */
#include "shard/shard_private.h"

#include "shard_fixture.h"

static void
delete_key(struct shard_fixture *fixture, const char *key)
{
    assert_ok(try_write(fixture, SHARD_DELETE, armdb_str(key), armdb_str(""), ARMDB_WRITTEN));
}

static void
test_shard_stats__tombstones__are_dead_where_nothing_older_can_need_them(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "a", "1", ARMDB_WRITTEN);
    put(fixture, "b", "1", ARMDB_WRITTEN);
    delete_key(fixture, "a");
    struct shard_stats stats = stats_of(fixture);
    assert_int_equal(stats.tombstone_bytes, 24);
    assert_int_equal(stats.dead_bytes, 2 * 24); /* the value and its tombstone, in one file */
    rotate_shard(fixture);
    delete_key(fixture, "b");
    stats = stats_of(fixture);
    assert_int_equal(stats.files, 2);
    assert_int_equal(stats.tombstone_bytes, 2 * 24);
    assert_int_equal(stats.dead_bytes, 3 * 24); /* that of "b" hides the one in the first file */
    assert_int_equal(stats.log_bytes, 2 * HEADER_BYTES + MARK_BYTES + 4 * 24);
}

static void
test_shard_stats__retired_file__counts_as_dead_until_it_is_gone(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "a", "1", ARMDB_WRITTEN);
    rotate_shard(fixture);
    uint64_t bytes = atomic_load(&fixture->shard->files[0])->end;
    assert_int_equal(stats_of(fixture).dead_bytes, 0);
    adb_shard_lock(fixture->shard);
    adb_shard_retire(fixture->shard, atomic_load(&fixture->shard->files[0]));
    adb_shard_unlock(fixture->shard);
    struct shard_stats stats = stats_of(fixture);
    assert_int_equal(stats.files, 2);
    assert_int_equal(stats.dead_bytes, bytes);
    assert_int_equal(stats.log_bytes, bytes + HEADER_BYTES);
    adb_mutex_lock(&fixture->shard->compact_lock);
    adb_shard_sweep(fixture->shard);
    adb_mutex_unlock(&fixture->shard->compact_lock);
    stats = stats_of(fixture);
    assert_int_equal(stats.files, 1);
    assert_int_equal(stats.dead_bytes, 0);
    assert_int_equal(stats.log_bytes, HEADER_BYTES);
}

static void
test_shard_stats__writes__are_counted(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "a", "1", ARMDB_BUFFERED);
    put(fixture, "a", "2", ARMDB_BUFFERED);
    delete_key(fixture, "a");
    put(fixture, "b", "1", ARMDB_BUFFERED);
    struct shard_stats stats = stats_of(fixture);
    assert_int_equal(stats.puts, 3);
    assert_int_equal(stats.deletes, 1);
    assert_int_equal(stats.unflushed_bytes, 24);
    assert_int_equal(stats.newest_sequence, 4);
    assert_int_equal(stats.synced_sequence, 0);
    assert_ok(adb_shard_sync(fixture->shard));
    stats = stats_of(fixture);
    assert_int_equal(stats.unflushed_bytes, 0);
    assert_int_equal(stats.synced_sequence, 4);
    assert_int_equal(stats.syncs, 1);
    assert_int_equal(stats.failure, ARMDB_OK);
    assert_int_equal(stats.compaction.passes, 0);
    assert_int_equal(stats.compaction.failure, ARMDB_OK);
}

#define SHARD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_shard, tear_down_shard)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SHARD_TEST(test_shard_stats__tombstones__are_dead_where_nothing_older_can_need_them),
        SHARD_TEST(test_shard_stats__retired_file__counts_as_dead_until_it_is_gone),
        SHARD_TEST(test_shard_stats__writes__are_counted),
    };
    return cmocka_run_group_tests_name("shard/shard_stats", tests, NULL, NULL);
}
