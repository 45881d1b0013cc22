/* Expired keys: deleted in the background, once that is worth it, and nothing else is. */
#include "compact_figures.h"

#define SECOND_NS UINT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define LATER_MS UINT64_C(86400000)

static uint64_t
now_ms(const struct compact_fixture *fixture)
{
    return adb_os_wall_ms(fixture->engine.os);
}

/* Steps of the background, without compaction, until there is nothing to do. */
static void
expire(struct compact_fixture *fixture)
{
    const struct shard_compaction how = {.live = {engine_find_live, &fixture->engine}};
    struct shard_compact_step step;
    do {
        assert_ok(adb_shard_compact(fixture->engine.shard, &how, &step));
    } while (!step.is_idle);
    assert_null(fixture->engine.shard->expiry);
    assert_ok(adb_shard_flush(fixture->engine.shard)); /* the flusher's work */
}

static uint64_t
keys_in_indexes(const struct compact_fixture *fixture)
{
    uint64_t keys = 0;
    for (uint32_t i = 0; i < N_COLLECTIONS; i++)
        keys += adb_index_count(&fixture->engine.indexes[i].keys);
    return keys;
}

/* In each collection: keys that expire in a second, that were overwritten, that expire later, and
 * that stay. */
static void
fill(struct compact_fixture *fixture)
{
    for (uint32_t i = 0; i < N_COLLECTIONS; i++) {
        for (uint32_t key = 0; key < 16; key++) {
            set(fixture, i, key); /* an older value, which must not come back */
            set_until(fixture, i, key, now_ms(fixture) + 1000);
        }
        for (uint32_t key = 4; key < 8; key++)
            set(fixture, i, key);
        for (uint32_t key = 8; key < 12; key++)
            set_until(fixture, i, key, now_ms(fixture) + LATER_MS);
    }
}

static void
test_shard_expire__a_minute_after__deleted_with_tombstones(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill(fixture);
    sim_advance_ns(fixture->sim, SECOND_NS);
    expire(fixture);
    assert_int_equal(figures(fixture).expired, 0);
    assert_int_equal(keys_in_indexes(fixture), N_COLLECTIONS * 16);
    check_keys(fixture);
    sim_advance_ns(fixture->sim, 180 * MINUTE_NS);
    expire(fixture);
    struct shard_stats stats = figures(fixture);
    assert_int_equal(stats.expired, N_COLLECTIONS * 8);
    assert_int_equal(stats.deletes, 0);
    assert_true(stats.tombstone_bytes > 0);
    assert_int_equal(keys_in_indexes(fixture), N_COLLECTIONS * 8);
    check_keys(fixture);
    check_figures(&fixture->engine);
    check_reopened(fixture);
    sim_advance_ns(fixture->sim, LATER_MS * 2000000);
    expire(fixture);
    assert_int_equal(figures(fixture).expired, N_COLLECTIONS * 12);
    check_keys(fixture);
    check_figures(&fixture->engine);
    check_reopened(fixture);
    expire(fixture); /* nothing is left to look for */
    assert_int_equal(figures(fixture).expired, N_COLLECTIONS * 12);
}

/* The clock is set back: what was deleted does not come back, nor an older value; the rest does. */
static void
test_shard_expire__clock_set_back__what_was_deleted_stays_so(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    uint64_t before_ms = now_ms(fixture);
    fill(fixture);
    sim_advance_ns(fixture->sim, 180 * MINUTE_NS);
    expire(fixture);
    sim_set_wall_ms(fixture->sim, before_ms);
    for (uint32_t i = 0; i < N_COLLECTIONS; i++) {
        for (uint32_t key = 0; key < 16; key++) {
            if (key < 4 || key >= 12)
                fixture->kept.number[i][key] = 0;
        }
    }
    check_keys(fixture);
    check_reopened(fixture);
}

/* Recovery and copies know of deadlines, too. */
static void
test_shard_expire__reopened_or_compacted__expires_all_the_same(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill(fixture);
    kill_and_open(fixture);
    sim_advance_ns(fixture->sim, SECOND_NS / 2);
    compact(fixture);
    check_keys(fixture);
    check_figures(&fixture->engine);
    assert_int_equal(figures(fixture).expired, 0);
    sim_advance_ns(fixture->sim, 180 * MINUTE_NS);
    expire(fixture);
    assert_int_equal(figures(fixture).expired, N_COLLECTIONS * 8);
    sim_advance_ns(fixture->sim, LATER_MS * 1000000);
    kill_and_open(fixture); /* what has expired by now is known from the scan */
    sim_advance_ns(fixture->sim, 180 * MINUTE_NS);
    expire(fixture);
    assert_int_equal(figures(fixture).expired, N_COLLECTIONS * 4);
    check_keys(fixture);
    check_figures(&fixture->engine);
    check_reopened(fixture);
}

/* Where it is not known what a file has, as where recovery has not read it, it is read. */
static void
test_shard_expire__unknown_deadlines__found_by_reading(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill(fixture);
    struct shard *shard = fixture->engine.shard;
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        struct data_file *file = atomic_load(&shard->files[slot]);
        if (file != NULL)
            file->deadlines = (struct deadlines){.is_unknown = true};
    }
    expire(fixture); /* too early, but now they are known */
    assert_int_equal(figures(fixture).expired, 0);
    sim_advance_ns(fixture->sim, 180 * MINUTE_NS);
    expire(fixture);
    assert_int_equal(figures(fixture).expired, N_COLLECTIONS * 8);
    check_keys(fixture);
}

static void
test_shard_expire__thorough_compaction__does_not_wait(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    fill(fixture);
    sim_advance_ns(fixture->sim, SECOND_NS);
    compact(fixture);
    assert_int_equal(figures(fixture).expired, N_COLLECTIONS * 8);
    assert_int_equal(figures(fixture).dead_bytes, 0);
    assert_int_equal(keys_in_indexes(fixture), N_COLLECTIONS * 8);
    check_keys(fixture);
    check_figures(&fixture->engine);
    check_reopened(fixture);
}

/* A write that comes between the look and the deletion wins. */
static void
test_shard_expire__key_has_another_value__stays(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    struct shard_index *index = &fixture->engine.indexes[0];
    char room[8];
    set_until(fixture, 0, 1, 1);
    struct shard_write write = {.verb = SHARD_EXPIRE,
                                .durability = ARMDB_BUFFERED,
                                .index = index,
                                .key = name_key(1, room),
                                .expired_at = adb_index_get(&index->keys, name_key(1, room), NULL)};
    set_until(fixture, 0, 1, 2);
    assert_int_equal(adb_shard_write(fixture->engine.shard, &write), ARMDB_NOT_FOUND);
    write.expired_at = adb_index_get(&index->keys, write.key, NULL);
    assert_ok(adb_shard_write(fixture->engine.shard, &write));
    assert_int_equal(adb_index_get(&index->keys, write.key, NULL), 0);
    assert_int_equal(adb_shard_write(fixture->engine.shard, &write), ARMDB_NOT_FOUND);
    assert_int_equal(figures(fixture).expired, 1);
}

/* Told like a pass of compaction that was given up, and made good later. */
static void
test_shard_expire__failing_operation__tried_again(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    const struct shard_compaction how = {.live = {engine_find_live, &fixture->engine}};
    const struct sim_fault fault = {
        .kind = SIM_FAULT_ERROR, .ops = SIM_BIT(SIM_OP_READ), .fail_at = 1};
    struct shard_compact_step step;
    fill(fixture);
    assert_ok(adb_shard_sync(fixture->engine.shard));
    sim_advance_ns(fixture->sim, 180 * MINUTE_NS);
    sim_set_fault(fixture->sim, &fault);
    assert_int_equal(adb_shard_compact(fixture->engine.shard, &how, &step), ARMDB_IO);
    assert_true(sim_fault_fired(fixture->sim));
    assert_int_equal(figures(fixture).compaction.failure, ARMDB_IO);
    assert_ok(adb_shard_compact(fixture->engine.shard, &how, &step));
    assert_true(step.is_idle); /* not so soon */
    assert_int_equal(figures(fixture).expired, 0);
    sim_advance_ns(fixture->sim, 2 * SECOND_NS);
    expire(fixture);
    assert_int_equal(figures(fixture).compaction.failure, ARMDB_OK);
    assert_int_equal(figures(fixture).expired, N_COLLECTIONS * 8);
    check_keys(fixture);
}

static void
test_shard_expire__damaged_file__said_once_and_left(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    const struct shard_compaction how = {.live = {engine_find_live, &fixture->engine}};
    struct shard_compact_step step;
    fill(fixture);
    assert_ok(adb_shard_sync(fixture->engine.shard));
    sim_advance_ns(fixture->sim, 180 * MINUTE_NS);
    sim_corrupt(fixture->sim, FILE_PATH(1), 1000, 1);
    assert_int_equal(adb_shard_compact(fixture->engine.shard, &how, &step), ARMDB_CORRUPT);
    assert_string_equal(figures(fixture).compaction.failure_detail.file, FILE_PATH(1));
    sim_advance_ns(fixture->sim, 2 * SECOND_NS);
    expire(fixture);
    assert_true(figures(fixture).expired > 0); /* in the other files */
    assert_true(figures(fixture).expired < N_COLLECTIONS * 8);
    sim_corrupt(fixture->sim, FILE_PATH(1), 1000, 1);
    check_keys(fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        COMPACT_TEST(test_shard_expire__a_minute_after__deleted_with_tombstones),
        COMPACT_TEST(test_shard_expire__clock_set_back__what_was_deleted_stays_so),
        COMPACT_TEST(test_shard_expire__reopened_or_compacted__expires_all_the_same),
        COMPACT_TEST(test_shard_expire__unknown_deadlines__found_by_reading),
        COMPACT_TEST(test_shard_expire__thorough_compaction__does_not_wait),
        COMPACT_TEST(test_shard_expire__key_has_another_value__stays),
        COMPACT_TEST(test_shard_expire__failing_operation__tried_again),
        COMPACT_TEST(test_shard_expire__damaged_file__said_once_and_left),
    };
    return cmocka_run_group_tests_name("shard/shard_expire", tests, NULL, NULL);
}
