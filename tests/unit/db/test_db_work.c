/*
 * Background work: by a clock that the test moves, and once with real threads and a real clock.
 */
#include "db/db_work.h"

#include <sched.h>
#include <sys/stat.h>
#include <time.h>

#include "db/db_private.h"
#include "db_fixture.h"
#include "support/os_hook.h"
#include "support/tmpdir.h"

enum { MS = 1000000 };

static void
advance(struct db_fixture *fixture, uint64_t ms)
{
    sim_advance_ns(fixture->sim, ms * MS);
    adb_db_step(fixture->db);
}

static uint64_t
writes_of(struct db_fixture *fixture)
{
    return sim_op_count(fixture->sim, SIM_WRITES);
}

static uint64_t
syncs_of(struct db_fixture *fixture)
{
    return sim_op_count(fixture->sim, SIM_SYNCS);
}

/* ---------------------------------------------------------------------- flush */

static void
test_db_work__default_interval__flushes_an_idle_tail_after_100_ms(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_at(fixture->collection, "key", "value", ARMDB_BUFFERED);
    uint64_t writes = writes_of(fixture);
    advance(fixture, 99);
    assert_int_equal(writes_of(fixture), writes);
    assert_true(stats_of(fixture->db).unflushed_bytes > 0);
    advance(fixture, 1);
    assert_int_equal(writes_of(fixture), writes + 1);
    assert_int_equal(stats_of(fixture->db).unflushed_bytes, 0);
    kill_and_open(fixture);
    expect_get(fixture->collection, "key", "value");
}

static void
test_db_work__nothing_buffered__writes_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "key", "value");
    uint64_t operations = sim_op_count(fixture->sim, SIM_ALL);
    for (int i = 0; i < 50; i++)
        advance(fixture, 100);
    assert_int_equal(sim_op_count(fixture->sim, SIM_ALL), operations);
}

static void
test_db_work__interval__comes_again_and_again(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.flush_interval_ms = 7;
    fixture->options.durability = ARMDB_BUFFERED;
    reopen_db(fixture);
    for (int round = 0; round < 10; round++) {
        put(fixture->collection, "key", "value");
        uint64_t writes = writes_of(fixture);
        advance(fixture, 6);
        assert_int_equal(writes_of(fixture), writes);
        advance(fixture, 1);
        assert_int_equal(writes_of(fixture), writes + 1);
    }
}

static void
test_db_work__all_shards__are_flushed(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char key[16];
    fixture->options.shards = 6;
    fixture->options.durability = ARMDB_BUFFERED;
    open_db(fixture);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "%d", i);
        put(fixture->collection, key, key);
    }
    advance(fixture, 100);
    assert_int_equal(stats_of(fixture->db).unflushed_bytes, 0);
    assert_int_equal(stats_of(fixture->db).syncs, 0);
    kill_and_open(fixture);
    expect_count(fixture->collection, 100);
}

static void
test_db_work__never__flushes_never(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.flush_interval_ms = ARMDB_NEVER;
    fixture->options.durability = ARMDB_BUFFERED;
    reopen_db(fixture);
    put(fixture->collection, "key", "value");
    uint64_t writes = writes_of(fixture);
    for (int i = 0; i < 100; i++)
        advance(fixture, 3600000);
    assert_int_equal(writes_of(fixture), writes);
}

static void
test_db_work__step__says_when_the_next_is_due(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.flush_interval_ms = 30;
    fixture->options.sync_interval_ms = 50;
    reopen_db(fixture);
    uint64_t start_ns = adb_os_now_ns(fixture->os);
    assert_int_equal(adb_work_step(fixture->db), start_ns + 30 * MS);
    sim_advance_ns(fixture->sim, 30 * MS);
    assert_int_equal(adb_work_step(fixture->db), start_ns + 50 * MS);
    sim_advance_ns(fixture->sim, 20 * MS);
    assert_int_equal(adb_work_step(fixture->db), start_ns + 60 * MS);
}

/* ----------------------------------------------------------------------- sync */

static void
test_db_work__sync_interval__makes_everything_durable(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.flush_interval_ms = ARMDB_NEVER;
    fixture->options.sync_interval_ms = 1000;
    reopen_db(fixture);
    put_at(fixture->collection, "written", "w", ARMDB_WRITTEN);
    put_at(fixture->collection, "buffered", "b", ARMDB_BUFFERED);
    uint64_t syncs = syncs_of(fixture);
    advance(fixture, 999);
    assert_int_equal(syncs_of(fixture), syncs);
    advance(fixture, 1);
    assert_int_equal(syncs_of(fixture), syncs + 1);
    advance(fixture, 1000); /* nothing new */
    assert_int_equal(syncs_of(fixture), syncs + 1);
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_get(fixture->collection, "written", "w");
    expect_get(fixture->collection, "buffered", "b");
}

static void
test_db_work__default__syncs_never(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "key", "value");
    uint64_t syncs = syncs_of(fixture);
    for (int i = 0; i < 100; i++)
        advance(fixture, 3600000);
    assert_int_equal(syncs_of(fixture), syncs);
}

/* ------------------------------------------------------------------- failures */

static void
test_db_work__no_space__is_tried_again_and_loses_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_at(fixture->collection, "key", "value", ARMDB_BUFFERED);
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 1, true);
    advance(fixture, 100);
    assert_true(sim_fault_fired(fixture->sim));
    assert_int_equal(stats_of(fixture->db).failed_shards, 0);
    expect_get(fixture->collection, "key", "value");
    sim_clear_fault(fixture->sim);
    advance(fixture, 100);
    kill_and_open(fixture);
    expect_get(fixture->collection, "key", "value");
}

static void
test_db_work__failed_flush__is_told_to_the_next_writer(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_at(fixture->collection, "key", "value", ARMDB_BUFFERED);
    set_fault(fixture, SIM_FAULT_ERROR, SIM_WRITES, 1, false);
    advance(fixture, 100);
    assert_int_equal(stats_of(fixture->db).failed_shards, 1);
    armdb_shard_info info = shard_info_of(fixture->db, 0);
    assert_int_equal(info.failure, ARMDB_IO);
    assert_string_equal(info.failure_detail.operation, "write");
    assert_string_equal(info.failure_detail.file, FIRST_FILE);
    assert_int_equal(write_at_level(fixture->collection, SHARD_PUT, "k", "v", ARMDB_BUFFERED),
                     ARMDB_FAILED);
    expect_detail(ARMDB_FAILED, "shard 0 refuses writes", "write", NULL);
    expect_get(fixture->collection, "key", "value"); /* still in the buffer */
    advance(fixture, 100);
}

static void
test_db_work__failed_sync__is_not_tried_again(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.sync_interval_ms = 10;
    reopen_db(fixture);
    put(fixture->collection, "key", "value");
    set_fault(fixture, SIM_FAULT_SYNC, SIM_SYNCS, 1, false);
    advance(fixture, 10);
    uint64_t syncs = syncs_of(fixture);
    for (int i = 0; i < 10; i++)
        advance(fixture, 10);
    assert_int_equal(syncs_of(fixture), syncs);
    assert_int_equal(stats_of(fixture->db).failed_shards, 1);
    expect_get(fixture->collection, "key", "value");
}

/* ------------------------------------------------------------------------- io */

static bool
says_yes(struct adb_os *os)
{
    (void)os;
    return true;
}

/* Opens the database anew, on a machine of 4 MiB whose system may do many reads at once. */
static void
open_small(struct db_fixture *fixture, bool has_batches, uint64_t cache_bytes)
{
    static struct adb_os_ops ops; /* of one database at a time, until its fixture is gone */
    ops = *fixture->os->ops;
    ops.has_batches = has_batches ? says_yes : NULL;
    fixture->os->ops = &ops;
    fixture->os->memory_bytes = 4 << 20;
    fixture->options.io = ARMDB_IO_AUTO;
    fixture->options.cache_bytes = cache_bytes;
    reopen_db(fixture);
}

/* Puts 1.5 MiB. */
static void
put_round(struct db_fixture *fixture, int round)
{
    char key[16];
    for (int i = 0; i < 24; i++) {
        snprintf(key, sizeof key, "%d-%d", round, i);
        put_bytes(fixture->collection, armdb_str(key), 65536, 1);
    }
}

static bool
reads_directly(struct db_fixture *fixture)
{
    return atomic_load_explicit(&fixture->db->is_direct, memory_order_relaxed);
}

static void
test_db_work__auto__is_direct_a_second_after_data_outgrow_cache_and_half_of_memory(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    open_small(fixture, true, 1 << 20);
    put_round(fixture, 0); /* more than the cache */
    advance(fixture, 1000);
    assert_false(reads_directly(fixture));
    put_round(fixture, 1); /* and more than half of the memory */
    advance(fixture, 999);
    assert_false(reads_directly(fixture));
    advance(fixture, 1);
    assert_true(reads_directly(fixture));
    expect_bytes(fixture->collection, armdb_str("0-0"), 65536, 1);
    reopen_db(fixture); /* and at once */
    assert_true(reads_directly(fixture));
    expect_bytes(fixture->collection, armdb_str("0-0"), 65536, 1);
}

static void
test_db_work__auto__stays_buffered_with_a_larger_cache_or_one_read_at_a_time(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_round(fixture, 0);
    put_round(fixture, 1);
    open_small(fixture, true, 64 << 20);
    assert_false(reads_directly(fixture));
    open_small(fixture, false, 1 << 20);
    assert_false(reads_directly(fixture));
    advance(fixture, 1000);
    assert_false(reads_directly(fixture));
    open_small(fixture, true, 1 << 20);
    assert_true(reads_directly(fixture));
}

/* --------------------------------------------------------------- real threads */

static uint64_t
real_ns(void)
{
    return adb_os_now_ns(adb_os_posix());
}

/* Gives the processor away until `condition` holds; fails after a minute. */
#define wait_until(condition)                                                                      \
    do {                                                                                           \
        uint64_t deadline_ns = real_ns() + UINT64_C(60) * 1000 * MS;                               \
        while (!(condition)) {                                                                     \
            assert_true(real_ns() < deadline_ns);                                                  \
            sched_yield();                                                                         \
        }                                                                                          \
    } while (0)

static void
test_db_work__real_thread__flushes_and_syncs_by_itself(void **state)
{
    (void)state;
    char *root = tmpdir_make();
    char path[300], file[400];
    struct stat info;
    struct db *db;
    bool is_closed;
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = 1;
    options.durability = ARMDB_BUFFERED;
    options.flush_interval_ms = 5;
    options.sync_interval_ms = 20;
    snprintf(path, sizeof path, "%s/db", root);
    snprintf(file, sizeof file, "%s/shard-000/0000000001.log", path);
    assert_ok(adb_db_open(adb_os_posix(), path, &options, &db));
    for (int round = 0; round < 3; round++) {
        put(adb_db_default(db), "key", "a value that lies in the buffer");
        uint64_t sequence = shard_info_of(db, 0).newest_sequence;
        wait_until(stats_of(db).unflushed_bytes == 0);
        assert_int_equal(stat(file, &info), 0);
        assert_int_equal(info.st_size, stats_of(db).log_bytes);
        wait_until(shard_info_of(db, 0).synced_sequence >= sequence);
    }
    assert_ok(adb_db_close(db, &is_closed));
    tmpdir_remove(root);
}

static void
test_db_work__close__does_not_wait_for_the_interval(void **state)
{
    (void)state;
    char *root = tmpdir_make();
    char path[300];
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = 1;
    options.flush_interval_ms = 3600000;
    options.sync_interval_ms = 3600000;
    snprintf(path, sizeof path, "%s/db", root);
    uint64_t start_ns = real_ns();
    for (int round = 0; round < 20; round++) {
        struct db *db;
        bool is_closed;
        assert_ok(adb_db_open(adb_os_posix(), path, &options, &db));
        put_at(adb_db_default(db), "key", "value", ARMDB_BUFFERED);
        assert_ok(adb_db_close(db, &is_closed));
    }
    assert_true(real_ns() - start_ns < UINT64_C(600) * 1000 * MS);
    tmpdir_remove(root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_work__default_interval__flushes_an_idle_tail_after_100_ms),
        DB_TEST(test_db_work__nothing_buffered__writes_nothing),
        DB_TEST(test_db_work__interval__comes_again_and_again),
        DISK_TEST(test_db_work__all_shards__are_flushed),
        DB_TEST(test_db_work__never__flushes_never),
        DB_TEST(test_db_work__step__says_when_the_next_is_due),
        DB_TEST(test_db_work__sync_interval__makes_everything_durable),
        DB_TEST(test_db_work__default__syncs_never),
        DB_TEST(test_db_work__no_space__is_tried_again_and_loses_nothing),
        DB_TEST(test_db_work__failed_flush__is_told_to_the_next_writer),
        DB_TEST(test_db_work__failed_sync__is_not_tried_again),
        DB_TEST(test_db_work__auto__is_direct_a_second_after_data_outgrow_cache_and_half_of_memory),
        DB_TEST(test_db_work__auto__stays_buffered_with_a_larger_cache_or_one_read_at_a_time),
        cmocka_unit_test(test_db_work__real_thread__flushes_and_syncs_by_itself),
        cmocka_unit_test(test_db_work__close__does_not_wait_for_the_interval),
    };
    return cmocka_run_group_tests_name("db/db_work", tests, NULL, NULL);
}
