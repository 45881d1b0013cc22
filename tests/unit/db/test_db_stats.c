/* Figures: each is what it says, recomputed by hand. */
#include "db/db_private.h"

#include "db_fixture.h"

enum { HEADER_BYTES = 64, RECORD_BYTES = 20, MARK_BYTES = 40 };

static uint64_t
record_bytes(const char *key, const char *value)
{
    return (RECORD_BYTES + strlen(key) + strlen(value) + 7) / 8 * 8;
}

static void
test_db_stats__new_database__is_all_zero_but_what_exists(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.shards = 3;
    fixture->options.shard_prefix_bits = 24;
    fixture->options.write_buffer_bytes = 32768;
    open_db(fixture);
    armdb_stats stats = stats_of(fixture->db);
    assert_int_equal(stats.struct_bytes, sizeof stats);
    assert_int_equal(stats.shards, 3);
    assert_int_equal(stats.shard_prefix_bits, 24);
    assert_int_equal(stats.failed_shards, 0);
    assert_int_equal(stats.collections, 1);
    assert_int_equal(stats.keys, 0);
    assert_int_equal(stats.files, 3);
    assert_int_equal(stats.log_bytes, 3 * HEADER_BYTES);
    assert_int_equal(stats.dead_bytes, 0);
    assert_true(stats.index_bytes >= 4096);
    assert_int_equal(stats.buffer_bytes, 3 * 2 * 32768);
    assert_int_equal(stats.value_bytes, 0);
    assert_int_equal(stats.unflushed_bytes, 0);
    assert_int_equal(stats.cursors, 0);
    assert_int_equal(stats.puts + stats.deletes + stats.gets + stats.reads, 0);
    assert_int_equal(stats.writes + stats.written_bytes + stats.syncs + stats.sync_waits, 0);
    assert_int_equal(stats.recovered_records + stats.recovered_cut_bytes, 0);
}

static void
test_db_stats__writes__count_what_was_written(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "a", "1");
    put(fixture->collection, "a", "2");
    put(fixture->collection, "b", "3");
    assert_int_equal(write_at_level(fixture->collection, SHARD_INSERT, "b", "4", ARMDB_WRITTEN),
                     ARMDB_EXISTS);
    assert_ok(write_at_level(fixture->collection, SHARD_INSERT, "c", "5", ARMDB_WRITTEN));
    assert_int_equal(try_delete(fixture->collection, "x"), ARMDB_NOT_FOUND);
    assert_ok(try_delete(fixture->collection, "a"));
    armdb_stats stats = stats_of(fixture->db);
    assert_int_equal(stats.puts, 4);
    assert_int_equal(stats.deletes, 1);
    assert_int_equal(stats.keys, 2);
    assert_int_equal(stats.writes, 5);
    assert_int_equal(stats.files, 1);
    assert_int_equal(stats.log_bytes, HEADER_BYTES + 5 * 24);
    assert_int_equal(stats.written_bytes, 5 * 24);
    assert_int_equal(stats.dead_bytes, 3 * 24); /* twice "a", and its tombstone */
    assert_int_equal(stats.log_bytes, sim_file_size(fixture->sim, FIRST_FILE));
}

static void
test_db_stats__reads__count_gets_and_system_calls(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_value value;
    char buffer[64];
    size_t len;
    bool found;
    put(fixture->collection, "key", "a value of more than twenty bytes");
    put_at(fixture->collection, "buffered", "value", ARMDB_BUFFERED);
    assert_ok(adb_db_get_value(fixture->collection, armdb_str("key"), &value));
    assert_ok(adb_db_get(fixture->collection, armdb_str("key"), buffer, sizeof buffer, &len));
    expect_get(fixture->collection, "buffered", "value");
    expect_absent(fixture->collection, "nothing");
    assert_ok(adb_db_contains(fixture->collection, armdb_str("key"), &found));
    assert_ok(adb_db_value_len(fixture->collection, armdb_str("key"), &len));
    armdb_stats stats = stats_of(fixture->db);
    assert_int_equal(stats.gets, 4);
    assert_int_equal(stats.reads, 2);
    assert_int_equal(stats.value_bytes, 33);
    armdb_value_release(&value);
    assert_int_equal(stats_of(fixture->db).value_bytes, 0);
}

static void
test_db_stats__unflushed_bytes__are_what_a_kill_would_lose(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "key", "value");
    put_at(fixture->collection, "k1", "v", ARMDB_BUFFERED);
    put_at(fixture->collection, "k2", "v", ARMDB_BUFFERED);
    assert_int_equal(stats_of(fixture->db).unflushed_bytes, 2 * 24);
    assert_int_equal(stats_of(fixture->db).log_bytes,
                     sim_file_size(fixture->sim, FIRST_FILE) + 2 * 24);
    assert_ok(adb_db_flush(fixture->db));
    assert_int_equal(stats_of(fixture->db).unflushed_bytes, 0);
    assert_int_equal(stats_of(fixture->db).log_bytes, sim_file_size(fixture->sim, FIRST_FILE));
}

/* Random writes over a few keys; what is dead is all that was written and is not live now, but for
 * the tombstones behind the first file, in which dead values are. */
static void
test_db_stats__dead_bytes__are_recomputed_by_recovery(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    uint64_t live[20] = {0};
    uint64_t appended = 0, live_bytes = 0, tombstone_bytes = 0, needed_bytes = 0;
    char key[16], value[101];
    fixture->options.max_file_bytes = 65536;
    open_db(fixture);
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 5000; i++) {
        unsigned number = (unsigned)test_rng_below(&rng, 20);
        size_t len = test_rng_below(&rng, 100);
        snprintf(key, sizeof key, "key%u", number);
        if (test_rng_one_in(&rng, 4)) {
            bool is_there = live[number] > 0;
            assert_int_equal(try_delete(fixture->collection, key),
                             is_there ? ARMDB_OK : ARMDB_NOT_FOUND);
            live[number] = 0;
            if (!is_there)
                continue;
            appended += record_bytes(key, "");
            tombstone_bytes += record_bytes(key, "");
            needed_bytes += stats_of(fixture->db).files > 1 ? record_bytes(key, "") : 0;
            continue;
        }
        value[len] = '\0';
        put(fixture->collection, key, value);
        live[number] = record_bytes(key, value);
        appended += live[number];
        value[len] = 'v';
    }
    for (int i = 0; i < 20; i++)
        live_bytes += live[i];
    armdb_stats stats = stats_of(fixture->db);
    assert_true(stats.files > 3);
    assert_int_equal(stats.tombstone_bytes, tombstone_bytes);
    assert_int_equal(stats.dead_bytes, appended - live_bytes - needed_bytes);
    assert_int_equal(stats.log_bytes,
                     stats.files * HEADER_BYTES + appended + (stats.files - 1) * MARK_BYTES);
    reopen_db(fixture);
    armdb_stats again = stats_of(fixture->db);
    assert_int_equal(again.dead_bytes, stats.dead_bytes);
    assert_int_equal(again.tombstone_bytes, stats.tombstone_bytes);
    assert_int_equal(again.log_bytes, stats.log_bytes + MARK_BYTES); /* of the close */
    assert_int_equal(again.keys, stats.keys);
    assert_int_equal(again.files, stats.files);
    assert_int_equal(again.puts, 0);
}

static void
test_db_stats__recovery__says_what_it_read_and_cut(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (int i = 0; i < 9; i++)
        put(fixture->collection, "key", "value");
    put_at(fixture->collection, "torn", "value that is cut", ARMDB_WRITTEN);
    sim_kill(fixture->sim);
    sim_truncate_file(fixture->sim, FIRST_FILE, sim_file_size(fixture->sim, FIRST_FILE) - 5);
    abandon_db(fixture);
    open_db(fixture);
    armdb_stats stats = stats_of(fixture->db);
    assert_int_equal(stats.recovered_records, 9);
    assert_int_equal(stats.recovered_cut_bytes, record_bytes("torn", "value that is cut") - 5);
    reopen_db(fixture);
    assert_int_equal(stats_of(fixture->db).recovered_records, 9);
    assert_int_equal(stats_of(fixture->db).recovered_cut_bytes, 0);
}

static void
test_db_stats__syncs__are_those_of_data_files(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_at(fixture->collection, "key", "value", ARMDB_SYNCED);
    uint64_t before = sim_op_count(fixture->sim, SIM_BIT(SIM_OP_SYNC));
    armdb_stats first = stats_of(fixture->db);
    for (int i = 0; i < 10; i++)
        put_at(fixture->collection, "key", "value", ARMDB_SYNCED);
    put(fixture->collection, "key", "value");
    armdb_stats second = stats_of(fixture->db);
    assert_int_equal(second.syncs - first.syncs,
                     sim_op_count(fixture->sim, SIM_BIT(SIM_OP_SYNC)) - before);
    assert_int_equal(second.syncs - first.syncs, 10);
    assert_int_equal(second.sync_waits - first.sync_waits, 10);
}

static void
test_db_stats__cursors_and_collections__are_counted(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct cursor *cursors[3];
    create_collection(fixture->db, "other", 0, ARMDB_ASCENDING);
    put(open_collection(fixture->db, "other"), "key", "value");
    for (int i = 0; i < 3; i++)
        assert_ok(adb_cursor_open(fixture->collection, NULL, &cursors[i]));
    assert_int_equal(stats_of(fixture->db).cursors, 3);
    assert_int_equal(stats_of(fixture->db).collections, 2);
    assert_int_equal(stats_of(fixture->db).keys, 1);
    for (int i = 0; i < 3; i++)
        adb_cursor_close(cursors[i]);
    assert_int_equal(stats_of(fixture->db).cursors, 0);
}

static void
test_db_stats__shards__add_up_to_the_database(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    uint64_t files = 0, log_bytes = 0, dead_bytes = 0, sequences = 0;
    char key[16];
    fixture->options.shards = 4;
    open_db(fixture);
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "%d", i % 100);
        put(fixture->collection, key, key);
    }
    for (uint32_t i = 0; i < 4; i++) {
        armdb_shard_info info = shard_info_of(fixture->db, i);
        assert_int_equal(info.failure, ARMDB_OK);
        assert_int_equal(info.failure_detail.message[0], 0);
        files += info.files;
        log_bytes += info.log_bytes;
        dead_bytes += info.dead_bytes;
        sequences += info.newest_sequence;
    }
    armdb_stats stats = stats_of(fixture->db);
    assert_int_equal(stats.files, files);
    assert_int_equal(stats.log_bytes, log_bytes);
    assert_int_equal(stats.dead_bytes, dead_bytes);
    assert_int_equal(sequences, 300);
    assert_ok(adb_db_sync(fixture->db));
    for (uint32_t i = 0; i < 4; i++) {
        armdb_shard_info info = shard_info_of(fixture->db, i);
        assert_int_equal(info.synced_sequence, info.newest_sequence);
    }
}

static void
test_db_stats__shard_that_is_not_there__is_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_shard_info info;
    assert_int_equal(adb_db_get_shard_info(fixture->db, 1, &info), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "shard 1", "0..0", NULL);
    assert_int_equal(adb_db_get_shard_info(fixture->db, UINT32_MAX, &info), ARMDB_INVALID);
}

static void
test_db_stats__failed_shard__says_why(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "key", "value");
    set_fault(fixture, SIM_FAULT_SYNC, SIM_SYNCS, 1, false);
    assert_int_equal(adb_db_sync(fixture->db), ARMDB_IO);
    armdb_shard_info info = shard_info_of(fixture->db, 0);
    assert_int_equal(info.failure, ARMDB_IO);
    assert_int_equal(info.failure_detail.code, ARMDB_IO);
    assert_string_equal(info.failure_detail.operation, "sync");
    assert_string_equal(info.failure_detail.file, FIRST_FILE);
    assert_int_equal(info.synced_sequence, 0);
    assert_int_equal(info.newest_sequence, 1);
    assert_int_equal(stats_of(fixture->db).failed_shards, 1);
}

/* ----------------------------------------------------------------------- files */

static size_t
list_files(struct db *db, armdb_file_info *infos, size_t capacity)
{
    size_t count;
    assert_ok(adb_db_file_list(db, 0, infos, capacity, &count));
    return count;
}

static void
put_many(struct collection *collection, int count)
{
    char key[16];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "key%d", i);
        put_bytes(collection, armdb_str(key), 1000, (uint64_t)i);
    }
}

static void
test_db_stats__files__are_in_order_and_add_up(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_file_info files[8];
    armdb_compact_progress done;
    uint64_t live = 0;
    fixture->options.max_file_bytes = 65536;
    fixture->options.write_buffer_bytes = 16384;
    open_db(fixture);
    put_many(fixture->collection, 60);
    put_many(fixture->collection, 40);
    assert_ok(try_delete(fixture->collection, "key7"));
    size_t count = list_files(fixture->db, files, 8);
    assert_int_equal(count, 2);
    assert_int_equal(files[0].id, 1);
    assert_int_equal(files[0].kind, ARMDB_FILE_SEALED);
    assert_int_equal(files[0].base_sequence, 0);
    assert_true(files[0].dead_bytes > 30 * 1000);
    assert_int_equal(files[1].id, 2);
    assert_int_equal(files[1].kind, ARMDB_FILE_ACTIVE);
    assert_true(files[1].base_sequence > 50);
    assert_int_equal(files[1].tombstone_bytes, 24);
    armdb_shard_info info = shard_info_of(fixture->db, 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(files[i].bytes,
                         64 + files[i].live_bytes + files[i].dead_bytes + files[i].tombstone_bytes);
        live += files[i].live_bytes;
    }
    assert_int_equal(info.live_bytes, live);
    assert_int_equal(info.log_bytes, files[0].bytes + files[1].bytes);

    /* A copy takes its place; what it replaced is there as long as somebody holds it. */
    adb_shard_lock(fixture->db->shards[0]);
    adb_shard_hold(fixture->db->shards[0]);
    adb_shard_unlock(fixture->db->shards[0]);
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    count = list_files(fixture->db, files, 8);
    assert_int_equal(count, 4);
    assert_int_equal(files[0].kind, ARMDB_FILE_COPY);
    assert_int_equal(files[1].kind, ARMDB_FILE_ACTIVE);
    assert_int_equal(files[2].kind, ARMDB_FILE_REPLACED);
    assert_int_equal(files[3].kind, ARMDB_FILE_REPLACED);
    assert_int_equal(files[2].dead_bytes, files[2].bytes);
    assert_int_equal(list_files(fixture->db, files, 1), 4);
    info = shard_info_of(fixture->db, 0);
    assert_int_equal(info.compactions, 1);
    assert_int_equal(info.compaction_bytes, files[0].bytes);
    assert_true(info.compacted_bytes > info.compaction_bytes);
    adb_shard_release(fixture->db->shards[0]);
    size_t none;
    assert_int_equal(adb_db_file_list(fixture->db, 1, files, 8, &none), ARMDB_INVALID);
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_db_file_list(fixture->db, 0, files, 8, &none), ARMDB_NO_MEMORY);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(test_db_stats__new_database__is_all_zero_but_what_exists),
        DB_TEST(test_db_stats__writes__count_what_was_written),
        DB_TEST(test_db_stats__reads__count_gets_and_system_calls),
        DB_TEST(test_db_stats__unflushed_bytes__are_what_a_kill_would_lose),
        DISK_TEST(test_db_stats__dead_bytes__are_recomputed_by_recovery),
        DB_TEST(test_db_stats__recovery__says_what_it_read_and_cut),
        DB_TEST(test_db_stats__syncs__are_those_of_data_files),
        DB_TEST(test_db_stats__cursors_and_collections__are_counted),
        DISK_TEST(test_db_stats__shards__add_up_to_the_database),
        DB_TEST(test_db_stats__shard_that_is_not_there__is_refused),
        DB_TEST(test_db_stats__failed_shard__says_why),
        DISK_TEST(test_db_stats__files__are_in_order_and_add_up),
    };
    return cmocka_run_group_tests_name("db/db_stats", tests, NULL, NULL);
}
