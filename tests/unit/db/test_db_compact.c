/* When compaction runs: by call, by itself, and not at all. */
#include <inttypes.h>

#include "db/db_private.h"
#include "support/tmpdir.h"

#include "db_fixture.h"

enum { KEYS = 40, VALUE_BYTES = 1000, HEADER_BYTES = 64, MARK_BYTES = 40 };

static char text[VALUE_BYTES + 1];

/* Puts all keys once more: then at least half of the log is garbage, if they were there before. */
static void
put_all(struct collection *collection, char letter)
{
    char key[16];
    memset(text, letter, VALUE_BYTES);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key%d", i);
        assert_ok(adb_db_write(collection, SHARD_PUT, armdb_str(key), armdb_str(text), NULL));
    }
}

static void
expect_all(struct collection *collection, char letter)
{
    char key[16], found[VALUE_BYTES];
    memset(text, letter, VALUE_BYTES);
    for (int i = 0; i < KEYS; i++) {
        size_t len;
        snprintf(key, sizeof key, "key%d", i);
        assert_ok(adb_db_get(collection, armdb_str(key), found, sizeof found, &len));
        assert_int_equal(len, VALUE_BYTES);
        assert_memory_equal(found, text, VALUE_BYTES);
    }
}

static armdb_stats
figures(struct db *db)
{
    armdb_stats stats = {.struct_bytes = sizeof stats};
    adb_db_get_stats(db, &stats);
    return stats;
}

/* Steps the background as long as time is given to it. */
static void
step_for(struct db_fixture *fixture, int steps)
{
    for (int i = 0; i < steps; i++) {
        sim_advance_ns(fixture->sim, 20000000);
        adb_db_step(fixture->db);
    }
}

/* -------------------------------------------------------------------- by call */

static void
test_db_compact__by_call__gives_back_what_is_dead(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_progress done;
    put_all(fixture->collection, 'a');
    put_all(fixture->collection, 'b');
    uint64_t before = figures(fixture->db).log_bytes;
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    armdb_stats after = figures(fixture->db);
    assert_int_equal(after.dead_bytes, 0);
    assert_int_equal(before + HEADER_BYTES + MARK_BYTES - done.freed_bytes, after.log_bytes);
    assert_true(done.freed_bytes > KEYS * VALUE_BYTES);
    assert_true(done.read_bytes > before);
    assert_int_equal(done.shards, 1);
    assert_true(after.compactions > 0);
    expect_all(fixture->collection, 'b');
    reopen_db(fixture);
    expect_all(fixture->collection, 'b');
    assert_int_equal(figures(fixture->db).dead_bytes, 0);
}

static void
test_db_compact__nothing_dead__does_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_progress done;
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    put_all(fixture->collection, 'a');
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    assert_int_equal(done.read_bytes, 0);
    assert_int_equal(done.freed_bytes, 0);
    assert_int_equal(figures(fixture->db).compactions, 0);
}

/* What stays of removed files, a handle, space or figures, is a leak with each pass. */
static void
test_db_compact__again_and_again__leaves_nothing_behind(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_progress done;
    size_t handles = 0;
    uint64_t files = 0, memory = 0;
    fixture->options.max_file_bytes = 65536;
    open_db(fixture);
    for (int round = 0; round < 30; round++) {
        put_all(fixture->collection, (char)('a' + round % 26));
        assert_ok(adb_db_compact(fixture->db, NULL, &done));
        step_for(fixture, 10); /* hints, and what else comes later */
        armdb_stats stats = figures(fixture->db);
        if (round == 2) {
            handles = sim_open_count(fixture->sim);
            files = shard_info_of(fixture->db, 0).files;
            memory = stats.index_bytes;
        } else if (round > 2) {
            assert_int_equal(sim_open_count(fixture->sim), handles);
            assert_int_equal(shard_info_of(fixture->db, 0).files, files);
            assert_int_equal(stats.index_bytes, memory);
        }
        assert_int_equal(stats.dead_bytes, 0);
        /* All else is hints, and space that is reserved for the newest file. */
        assert_true(sim_used_bytes(fixture->sim) <= stats.log_bytes + 2 * 65536);
    }
    close_db(fixture);
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

/* Puts until the disk is full, with not a block to spare. */
static void
fill_disk(struct db_fixture *fixture)
{
    armdb_err err = ARMDB_OK;
    sim_set_capacity(fixture->sim, 600000);
    for (int i = 0; err == ARMDB_OK; i++) {
        assert_true(i < 2000);
        err = try_put_bytes(fixture->collection, armdb_str("over and over"), 900, 7);
    }
    assert_int_equal(err, ARMDB_NO_SPACE);
    sim_set_capacity(fixture->sim, sim_used_bytes(fixture->sim));
}

static void
open_without_background(struct db_fixture *fixture)
{
    fixture->options.max_file_bytes = 65536;
    fixture->options.compaction_percent = ARMDB_NEVER;
    open_db(fixture);
    put_all(fixture->collection, 'a');
}

static void
test_db_compact__full_disk__space_comes_back(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_progress done;
    open_without_background(fixture);
    adb_compact_step(fixture->db); /* makes the reserve */
    fill_disk(fixture);
    assert_ok(try_delete(fixture->collection, "key0"));
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    assert_true(done.freed_bytes > 400000);
    assert_int_equal(figures(fixture->db).dead_bytes, 0);
    assert_int_equal(try_delete(fixture->collection, "key0"), ARMDB_NOT_FOUND);
    put_all(fixture->collection, 'b');
    expect_all(fixture->collection, 'b');
    expect_bytes(fixture->collection, armdb_str("over and over"), 900, 7);
}

/* What a full disk refuses changes nothing, and with room for one file more compaction gives back
 * the rest. */
static void
test_db_compact__full_disk_without_a_reserve__loses_nothing_and_needs_room(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_progress done;
    open_without_background(fixture);
    fill_disk(fixture);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(adb_db_compact(fixture->db, NULL, &done), ARMDB_NO_SPACE);
        expect_all(fixture->collection, 'a');
        expect_bytes(fixture->collection, armdb_str("over and over"), 900, 7);
    }
    sim_set_capacity(fixture->sim, sim_used_bytes(fixture->sim) + 65536);
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    assert_true(done.freed_bytes > 400000);
    assert_int_equal(figures(fixture->db).dead_bytes, 0);
    expect_all(fixture->collection, 'a');
    assert_ok(try_delete(fixture->collection, "key0"));
    put_all(fixture->collection, 'b');
    expect_all(fixture->collection, 'b');
    expect_bytes(fixture->collection, armdb_str("over and over"), 900, 7);
}

struct watcher {
    int calls;
    int stop_at; /* 0: never */
    struct collection *collection;
};

/* Writes, as other threads may. */
static int
watch(void *context, const armdb_compact_progress *progress)
{
    struct watcher *watcher = (struct watcher *)context;
    assert_true(progress->shard < progress->shards);
    watcher->calls++;
    if (watcher->collection != NULL)
        put_all(watcher->collection, 'w');
    return watcher->calls == watcher->stop_at;
}

/* Makes garbage, and compacts it. */
static void
compact_watched(struct db_fixture *fixture, struct watcher *watcher)
{
    armdb_compact_options options = ARMDB_COMPACT_OPTIONS_INIT;
    armdb_compact_progress done;
    options.on_progress = watch;
    options.context = watcher;
    put_all(fixture->collection, 'a');
    put_all(fixture->collection, 'b');
    assert_ok(adb_db_compact(fixture->db, &options, &done));
}

static void
test_db_compact__stopped__is_gone_on_with_by_the_next(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct watcher watcher = {.stop_at = 2};
    compact_watched(fixture, &watcher); /* the file is sealed, a pass begun */
    assert_int_equal(watcher.calls, 2);
    assert_int_equal(figures(fixture->db).compactions, 0);
    put_all(fixture->collection, 'c');
    step_for(fixture, 20); /* the background goes on */
    assert_true(figures(fixture->db).compactions > 0);
    expect_all(fixture->collection, 'c');
}

static void
test_db_compact__half_a_pass__is_forgotten_by_closing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (int stop_at = 1; stop_at < 6; stop_at++) {
        struct watcher watcher = {.stop_at = stop_at};
        armdb_verify_report report;
        compact_watched(fixture, &watcher);
        close_db(fixture);
        assert_int_equal(sim_open_count(fixture->sim), 0);
        assert_ok(adb_db_verify(fixture->os, DB_PATH, NULL, NULL, &report));
        open_db(fixture);
        expect_all(fixture->collection, 'b');
    }
}

static void
test_db_compact__writer_that_goes_on__does_not_keep_it_from_ending(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct watcher watcher = {.collection = fixture->collection};
    compact_watched(fixture, &watcher);
    assert_in_range(watcher.calls, 4, 40);
    expect_all(fixture->collection, 'w');
}

static void
test_db_compact__bad_options__name_field_value_and_range(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_options options = ARMDB_COMPACT_OPTIONS_INIT;
    armdb_compact_progress done;
    options.percent = 101;
    assert_int_equal(adb_db_compact(fixture->db, &options, &done), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "percent", "101", "1..100", NULL);
    options.percent = 100;
    options.struct_bytes--;
    assert_int_equal(adb_db_compact(fixture->db, &options, &done), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "armdb_compact_options", NULL);
}

static void
test_db_compact__one_shard_fails__the_others_are_compacted(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const struct sim_fault fault = {/* the first file is the reserve */
                                    .kind = SIM_FAULT_ERROR,
                                    .fail_at = 2,
                                    .ops = SIM_BIT(SIM_OP_CREATE)};
    armdb_compact_progress done;
    fixture->options.shards = 3;
    open_db(fixture);
    put_all(fixture->collection, 'a');
    put_all(fixture->collection, 'b');
    sim_set_fault(fixture->sim, &fault);
    assert_int_equal(adb_db_compact(fixture->db, NULL, &done), ARMDB_IO);
    assert_non_null(strstr(adb_err_detail()->file, "shard-000"));
    sim_clear_fault(fixture->sim);
    assert_true(done.freed_bytes > KEYS / 3 * VALUE_BYTES);
    expect_all(fixture->collection, 'b');
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    assert_int_equal(figures(fixture->db).dead_bytes, 0);
}

/* ------------------------------------------------------------------ by itself */

static void
test_db_compact__in_the_background__begins_at_the_percentage(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.max_file_bytes = 65536;
    fixture->options.compaction_percent = 60;
    open_db(fixture);
    put_all(fixture->collection, 'a');
    put_all(fixture->collection, 'b');
    step_for(fixture, 20);
    assert_int_equal(figures(fixture->db).compactions, 0); /* half of it is garbage */
    put_all(fixture->collection, 'c');
    put_all(fixture->collection, 'd');
    step_for(fixture, 40);
    armdb_stats stats = figures(fixture->db);
    assert_true(stats.compactions > 0);
    assert_true(stats.dead_bytes <= stats.log_bytes / 100 * 60);
    expect_all(fixture->collection, 'd');
}

static void
test_db_compact__never__is_never_unless_asked(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_progress done;
    fixture->options.compaction_percent = ARMDB_NEVER;
    open_db(fixture);
    put_all(fixture->collection, 'a');
    put_all(fixture->collection, 'b');
    put_all(fixture->collection, 'c');
    step_for(fixture, 40);
    assert_int_equal(figures(fixture->db).compactions, 0);
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    assert_true(figures(fixture->db).compactions > 0);
}

/* On a real system it happens without anybody's call; and closing does not wait for its end. */
static void
test_db_compact__threads__compact_and_stop(void **state)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    char *root = tmpdir_make();
    char path[400];
    struct db *db;
    bool is_closed;
    (void)state;
    snprintf(path, sizeof path, "%s/db", root);
    options.shards = 2;
    options.max_file_bytes = 65536;
    options.compaction_percent = 20;
    assert_ok(adb_db_open(adb_os_posix(), path, &options, &db));
    while (figures(db).compactions < 3)
        put_all(adb_db_default(db), 'x');
    put_all(adb_db_default(db), 'y');
    expect_all(adb_db_default(db), 'y');
    assert_ok(adb_db_close(db, &is_closed));
    assert_ok(adb_db_open(adb_os_posix(), path, &options, &db));
    expect_all(adb_db_default(db), 'y');
    assert_ok(adb_db_close(db, &is_closed));
    tmpdir_remove(root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_compact__by_call__gives_back_what_is_dead),
        DB_TEST(test_db_compact__nothing_dead__does_nothing),
        DISK_TEST(test_db_compact__again_and_again__leaves_nothing_behind),
        DISK_TEST(test_db_compact__full_disk__space_comes_back),
        DISK_TEST(test_db_compact__full_disk_without_a_reserve__loses_nothing_and_needs_room),
        DB_TEST(test_db_compact__stopped__is_gone_on_with_by_the_next),
        DB_TEST(test_db_compact__half_a_pass__is_forgotten_by_closing),
        DB_TEST(test_db_compact__writer_that_goes_on__does_not_keep_it_from_ending),
        DB_TEST(test_db_compact__bad_options__name_field_value_and_range),
        DISK_TEST(test_db_compact__one_shard_fails__the_others_are_compacted),
        DISK_TEST(test_db_compact__in_the_background__begins_at_the_percentage),
        DISK_TEST(test_db_compact__never__is_never_unless_asked),
        cmocka_unit_test(test_db_compact__threads__compact_and_stop),
    };
    return cmocka_run_group_tests_name("db/db_compact", tests, NULL, NULL);
}
