/* Checkpoints: what is in them, whatever happens meanwhile; and what is left when one fails. */
#include <errno.h>
#include <inttypes.h>

#include "db/db_private.h"
#include "support/os_hook.h"

#include "db_fixture.h"

#define COPY_PATH "/copy"
#define COPY_SHARD COPY_PATH "/shard-000"

enum { KEYS = 40, VALUE_BYTES = 1000 };

/* ------------------------------------------------------------------- helpers */

static void
fill_value(char *to, int key, int round)
{
    snprintf(to, VALUE_BYTES + 1, "%0*d", VALUE_BYTES, key * 1000 + round);
}

static void
put_all(struct collection *collection, int round)
{
    char key[16], value[VALUE_BYTES + 1];
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key%d", i);
        fill_value(value, i, round);
        put(collection, key, value);
    }
}

static void
expect_all(struct collection *collection, int round)
{
    char key[16], value[VALUE_BYTES + 1];
    expect_count(collection, KEYS);
    for (int i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "key%d", i);
        fill_value(value, i, round);
        expect_get(collection, key, value);
    }
}

/* Opens the copy as a database of its own; end it with adb_db_abandon(). */
static struct db *
open_copy(struct db_fixture *fixture, const char *path)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct db *db;
    options.open_mode = ARMDB_OPEN_EXISTING;
    if (adb_db_open(sim_os(fixture->sim), path, &options, &db) != ARMDB_OK)
        fail_msg("open copy: %s: %s", adb_err_detail()->file, adb_err_detail()->message);
    return db;
}

static void
expect_copy(struct db_fixture *fixture, const char *path, int round)
{
    struct db *db = open_copy(fixture, path);
    expect_all(adb_db_default(db), round);
    adb_db_abandon(db);
}

static void
expect_no_copy(struct db_fixture *fixture, const char *path)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct db *db;
    options.open_mode = ARMDB_OPEN_EXISTING;
    assert_int_equal(adb_db_open(sim_os(fixture->sim), path, &options, &db), ARMDB_NO_DATABASE);
}

static int
set_up_small_files(void **state)
{
    set_up_disk(state);
    struct db_fixture *fixture = (struct db_fixture *)*state;
    use_small_files(fixture);
    fixture->options.shards = 2;
    open_db(fixture);
    return 0;
}

#define SMALL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_small_files, tear_down_db)

/* ------------------------------------------------------------- what is in it */

static void
test_db_checkpoint__running_database__copy_opens_with_all_of_it(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_all(fixture->collection, 1);
    struct collection *other = create_collection(fixture->db, "other", 4, ARMDB_UNORDERED);
    create_collection(fixture->db, "dropped", 4, ARMDB_ASCENDING);
    assert_ok(adb_collection_drop(fixture->db, "dropped"));
    put_at(other, "abcd", "not even with the system", ARMDB_BUFFERED);
    assert_ok(adb_db_checkpoint(fixture->db, COPY_PATH));
    put_all(fixture->collection, 2);
    assert_ok(try_delete(other, "abcd"));

    struct db *copy = open_copy(fixture, COPY_PATH);
    struct collection *dropped;
    expect_all(adb_db_default(copy), 1);
    expect_get(open_collection(copy, "other"), "abcd", "not even with the system");
    assert_int_equal(adb_collection_open(copy, "dropped", NULL, &dropped), ARMDB_NO_COLLECTION);
    put_all(adb_db_default(copy), 3);
    bool is_closed;
    assert_ok(adb_db_close(copy, &is_closed));
    expect_all(fixture->collection, 2);
    expect_copy(fixture, COPY_PATH, 3);
    reopen_db(fixture);
    expect_all(fixture->collection, 2);
}

static void
test_db_checkpoint__success__is_durable(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_all(fixture->collection, 1);
    assert_ok(adb_db_checkpoint(fixture->db, COPY_PATH));
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    abandon_db(fixture);
    expect_copy(fixture, COPY_PATH, 1);
    assert_false(sim_file_exists(fixture->sim, COPY_PATH "/MANIFEST.unfinished"));
}

static void
test_db_checkpoint__empty_database__copy_is_empty(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    assert_ok(adb_db_checkpoint(fixture->db, COPY_PATH));
    struct db *copy = open_copy(fixture, COPY_PATH);
    expect_count(adb_db_default(copy), 0);
    adb_db_abandon(copy);
}

static void
test_db_checkpoint__copy_of_a_copy__is_the_same(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_all(fixture->collection, 1);
    assert_ok(adb_db_checkpoint(fixture->db, COPY_PATH));
    struct db *copy = open_copy(fixture, COPY_PATH);
    assert_ok(adb_db_checkpoint(copy, "/second"));
    adb_db_abandon(copy);
    expect_copy(fixture, "/second", 1);
}

static bool
is_same_byte(struct db_fixture *fixture, const char *path, const char *other, size_t offset)
{
    size_t bytes, other_bytes;
    char *content = sim_read_file(fixture->sim, path, &bytes);
    char *other_content = sim_read_file(fixture->sim, other, &other_bytes);
    assert_true(bytes > offset && other_bytes > offset);
    bool is_same = content[offset] == other_content[offset];
    free(content);
    free(other_content);
    return is_same;
}

/* Sealed files take no space of their own, and the newest one is not the source's. */
static void
test_db_checkpoint__sealed_files__are_linked_and_the_newest_is_not(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.shards = 1;
    use_small_files(fixture);
    open_db(fixture);
    put_all(fixture->collection, 1);
    put_all(fixture->collection, 2);
    assert_int_equal(stats_of(fixture->db).files, 2);
    assert_ok(adb_db_flush(fixture->db));
    uint64_t before = sim_used_bytes(fixture->sim);
    assert_ok(adb_db_checkpoint(fixture->db, COPY_PATH));
    uint64_t newest = sim_file_size(fixture->sim, COPY_SHARD "/0000000002.log");
    assert_in_range(sim_used_bytes(fixture->sim) - before, newest, newest + 4 * 4096);
    sim_corrupt(fixture->sim, FIRST_FILE, 5000, 1);
    sim_corrupt(fixture->sim, SECOND_FILE, 5000, 1);
    assert_true(is_same_byte(fixture, FIRST_FILE, COPY_SHARD "/0000000001.log", 5000));
    assert_false(is_same_byte(fixture, SECOND_FILE, COPY_SHARD "/0000000002.log", 5000));
    assert_false(sim_file_exists(fixture->sim, COPY_SHARD "/buffer"));
}

static void
test_db_checkpoint__long_newest_file__is_sealed_and_linked(void **state)
{
    enum { MANY = 12, LONG = 1024 * 1024 };
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char key[16];
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key%d", i);
        put_bytes(fixture->collection, armdb_str(key), LONG, (uint64_t)i);
    }
    uint64_t before = sim_used_bytes(fixture->sim);
    assert_ok(adb_db_checkpoint(fixture->db, COPY_PATH));
    assert_true(sim_used_bytes(fixture->sim) < before + LONG);
    assert_int_equal(stats_of(fixture->db).files, 2);
    struct db *copy = open_copy(fixture, COPY_PATH);
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key%d", i);
        expect_bytes(adb_db_default(copy), armdb_str(key), LONG, (uint64_t)i);
    }
    adb_db_abandon(copy);
}

/* ------------------------------------------------------------------ meanwhile */

/* Does things to a database in the middle of a checkpoint. */
struct meddler {
    struct db_fixture *fixture;
    struct os_hook hook;
    bool is_on;
    bool refuses_links;
    int calls;
    int round;
};

static void
meddle(struct meddler *meddler)
{
    struct db_fixture *fixture = meddler->fixture;
    armdb_compact_progress done;
    struct collection *made;
    meddler->is_on = false; /* what follows makes calls too */
    put_all(fixture->collection, ++meddler->round);
    if (meddler->calls % 3 == 0)
        assert_ok(adb_db_compact(fixture->db, NULL, &done));
    if (meddler->calls % 2 == 0) {
        assert_ok(adb_collection_drop(fixture->db, "other"));
        assert_ok(adb_collection_create(fixture->db, "other", NULL, &made));
        put(made, "new", "one");
    }
    meddler->is_on = true;
}

static armdb_err
before_call(void *context, const struct os_call *call)
{
    struct meddler *meddler = (struct meddler *)context;
    if (!meddler->is_on || strncmp(call->path, COPY_PATH "/", strlen(COPY_PATH "/")) != 0 ||
        strstr(call->path, "MANIFEST") != NULL)
        return ARMDB_OK;
    if (call->op == SIM_OP_LINK && meddler->refuses_links)
        return ARMDB_UNSUPPORTED;
    if (call->op != SIM_OP_LINK && call->op != SIM_OP_CREATE && call->op != SIM_OP_SYNC_DIR)
        return ARMDB_OK;
    meddler->calls++;
    if (strstr(call->path, "LOCK") == NULL) /* before the moment */
        meddle(meddler);
    return ARMDB_OK;
}

static void
check_meddled(struct db_fixture *fixture, bool refuses_links)
{
    struct meddler meddler = {.fixture = fixture, .refuses_links = refuses_links, .round = 1};
    close_db(fixture);
    os_hook_init(&meddler.hook, fixture->os, false);
    meddler.hook.before = before_call;
    meddler.hook.context = &meddler;
    fixture->os = &meddler.hook.base;
    open_db(fixture);
    struct collection *other = create_collection(fixture->db, "other", ARMDB_KEY_VARIABLE,
                                                 ARMDB_ASCENDING);
    put(other, "old", "one");
    put_all(fixture->collection, 0);
    put_all(fixture->collection, 1);
    meddler.is_on = true;
    assert_ok(adb_db_checkpoint(fixture->db, COPY_PATH));
    meddler.is_on = false;
    assert_true(meddler.round > 4);
    expect_all(fixture->collection, meddler.round);

    struct db *copy = open_copy(fixture, COPY_PATH);
    expect_all(adb_db_default(copy), 1);
    expect_count(open_collection(copy, "other"), 1);
    expect_get(open_collection(copy, "other"), "old", "one");
    adb_db_abandon(copy);
    /* What was held is given back. */
    armdb_compact_progress done;
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    assert_int_equal(stats_of(fixture->db).dead_bytes, 0);
    adb_db_abandon(fixture->db);
    fixture->db = NULL;
}

static void
test_db_checkpoint__everything_goes_on__copy_is_of_one_moment(void **state)
{
    check_meddled((struct db_fixture *)*state, false);
}

static void
test_db_checkpoint__no_links__all_is_copied(void **state)
{
    check_meddled((struct db_fixture *)*state, true);
}

static int
stop_at(void *context, const armdb_compact_progress *progress)
{
    int *left = (int *)context;
    (void)progress;
    return --*left == 0;
}

static void
test_db_checkpoint__at_any_step_of_compaction__copy_is_whole(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_compact_options options = ARMDB_COMPACT_OPTIONS_INIT;
    armdb_compact_progress done;
    int left = 0;
    options.on_progress = stop_at;
    options.context = &left;
    for (int n = 1; left <= 0; n++) {
        char path[32];
        put_all(fixture->collection, 2 * n);
        put_all(fixture->collection, 2 * n + 1);
        left = n;
        assert_ok(adb_db_compact(fixture->db, &options, &done));
        snprintf(path, sizeof path, "/copy%d", n);
        assert_ok(adb_db_checkpoint(fixture->db, path));
        expect_copy(fixture, path, 2 * n + 1);
        if (left <= 0) /* to the end of it */
            assert_ok(adb_db_compact(fixture->db, NULL, &done));
    }
}

/* ------------------------------------------------------------------- refusals */

static void
test_db_checkpoint__bad_destination__is_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct db *db = fixture->db;
    put_all(fixture->collection, 1);
    uint64_t digest = sim_digest(fixture->sim);
    assert_int_equal(adb_db_checkpoint(db, DB_PATH), ARMDB_EXISTS);
    assert_int_equal(adb_db_checkpoint(db, DB_PATH "/in"), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "lies in the database", NULL);
    assert_int_equal(sim_digest(fixture->sim), digest);
    sim_make_dir(fixture->sim, COPY_PATH);
    sim_write_file(fixture->sim, "/copy/letter", "dear", 4);
    assert_int_equal(adb_db_checkpoint(db, COPY_PATH), ARMDB_EXISTS);
    expect_detail(ARMDB_EXISTS, "missing or empty", NULL);
    assert_true(sim_file_exists(fixture->sim, "/copy/letter"));
    sim_remove_file(fixture->sim, "/copy/letter");
    assert_ok(adb_db_checkpoint(db, COPY_PATH));
    assert_int_equal(adb_db_checkpoint(db, COPY_PATH), ARMDB_EXISTS);
    expect_copy(fixture, COPY_PATH, 1);
}

static void
test_db_checkpoint__destination_held_by_somebody__is_busy(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct adb_file *lock_file;
    sim_make_dir(fixture->sim, COPY_PATH);
    assert_ok(adb_directory_lock(fixture->os, COPY_PATH, &lock_file));
    assert_int_equal(adb_db_checkpoint(fixture->db, COPY_PATH), ARMDB_BUSY);
    assert_ok(adb_file_close(lock_file));
    assert_ok(adb_db_checkpoint(fixture->db, COPY_PATH));
}

/* What an interrupted creation leaves counts as empty, and does no harm. */
static void
test_db_checkpoint__leftovers_of_a_creation__are_swept(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_all(fixture->collection, 1);
    sim_make_dir(fixture->sim, COPY_SHARD);
    sim_write_file(fixture->sim, COPY_SHARD "/0000000001.log", "header", 6);
    sim_write_file(fixture->sim, COPY_SHARD "/0000000009.log", "header", 6);
    sim_write_file(fixture->sim, COPY_SHARD "/0000000002.log.tmp", "header", 6);
    sim_write_file(fixture->sim, COPY_PATH "/MANIFEST.tmp", "half", 4);
    assert_ok(adb_db_checkpoint(fixture->db, COPY_PATH));
    expect_copy(fixture, COPY_PATH, 1);
}

static void
test_db_checkpoint__shard_that_refuses_writes__is_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_all(fixture->collection, 1);
    set_fault(fixture, SIM_FAULT_SYNC, SIM_BIT(SIM_OP_SYNC), 1, false);
    assert_int_equal(write_at_level(fixture->collection, SHARD_PUT, "k", "v", ARMDB_SYNCED),
                     ARMDB_IO);
    assert_int_equal(adb_db_checkpoint(fixture->db, COPY_PATH), ARMDB_FAILED);
    expect_no_copy(fixture, COPY_PATH);
    expect_get(fixture->collection, "k", "v");
}

/* ------------------------------------------------------------------- failures */

static void
test_db_checkpoint__unfinished__is_no_database_and_says_so(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_verify_report report;
    put_all(fixture->collection, 1);
    const struct sim_fault fault = {
        .kind = SIM_FAULT_CUT, .fail_at = 1, .ops = SIM_BIT(SIM_OP_LINK)};
    put_all(fixture->collection, 2);
    put_all(fixture->collection, 3);
    put_all(fixture->collection, 4);
    sim_set_fault(fixture->sim, &fault);
    assert_int_equal(adb_db_checkpoint(fixture->db, COPY_PATH), ARMDB_IO);
    assert_true(sim_fault_fired(fixture->sim));
    cut_and_open(fixture, SIM_CUT_KEEP);
    expect_no_copy(fixture, COPY_PATH);
    expect_detail(ARMDB_NO_DATABASE, "did not come to its end", NULL);
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct db *db;
    assert_int_equal(adb_db_open(fixture->os, COPY_PATH, &options, &db), ARMDB_NO_DATABASE);
    assert_int_equal(adb_db_verify(fixture->os, COPY_PATH, NULL, NULL, &report), ARMDB_NO_DATABASE);
    assert_int_equal(adb_db_checkpoint(fixture->db, COPY_PATH), ARMDB_EXISTS);
}

/* A failed shard takes no write any more. */
static void
reopen_after_failure(struct db_fixture *fixture)
{
    adb_db_abandon(fixture->db);
    open_db(fixture);
}

/* Whether there is a copy after a failure: if the last call failed, and could not be undone. */
static bool
has_copy(struct db_fixture *fixture, const char *path, int round)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct db *db;
    options.open_mode = ARMDB_OPEN_EXISTING;
    armdb_err err = adb_db_open(sim_os(fixture->sim), path, &options, &db);
    if (err == ARMDB_OK) {
        expect_all(adb_db_default(db), round);
        adb_db_abandon(db);
        return true;
    }
    assert_int_equal(err, ARMDB_NO_DATABASE);
    return false;
}

/* Each call fails, once or from then on. Where the failure allows it, the next try works. */
static void
check_failing_calls(struct db_fixture *fixture, bool is_persistent)
{
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
        char path[32];
        snprintf(path, sizeof path, "/copy%" PRIu64, n);
        put_all(fixture->collection, (int)n);
        set_fault(fixture, SIM_FAULT_ERROR, 0, n, is_persistent);
        armdb_err err = adb_db_checkpoint(fixture->db, path);
        fired = sim_fault_fired(fixture->sim);
        sim_clear_fault(fixture->sim);
        assert_true(err == ARMDB_OK || fired);
        if (err == ARMDB_OK) {
            expect_copy(fixture, path, (int)n);
            continue;
        }
        assert_true(err == ARMDB_IO || err == ARMDB_FAILED);
        assert_int_equal(adb_err_detail()->code, err);
        if (has_copy(fixture, path, (int)n)) {
            assert_true(is_persistent);
            continue;
        }
        if (stats_of(fixture->db).failed_shards > 0) {
            reopen_after_failure(fixture);
            put_all(fixture->collection, (int)n);
        }
        err = adb_db_checkpoint(fixture->db, path);
        if (err == ARMDB_OK)
            expect_copy(fixture, path, (int)n);
        else
            assert_int_equal(err, ARMDB_EXISTS);
        assert_true(err == ARMDB_OK || is_persistent);
    }
}

static void
test_db_checkpoint__any_call_fails__leaves_no_database(void **state)
{
    check_failing_calls((struct db_fixture *)*state, false);
}

static void
test_db_checkpoint__all_calls_fail_from_one_on__leaves_no_database(void **state)
{
    check_failing_calls((struct db_fixture *)*state, true);
}

static void
test_db_checkpoint__out_of_memory__leaves_no_database(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_err err = ARMDB_NO_MEMORY;
    put_all(fixture->collection, 1);
    for (uint64_t n = 1; err != ARMDB_OK; n++) {
        adb_mem_fail_at(n, false);
        err = adb_db_checkpoint(fixture->db, COPY_PATH);
        adb_mem_fail_at(0, false);
        assert_true(err == ARMDB_OK || err == ARMDB_NO_MEMORY);
        if (err != ARMDB_OK)
            expect_no_copy(fixture, COPY_PATH);
    }
    expect_copy(fixture, COPY_PATH, 1);
}

static void
test_db_checkpoint__full_disk__is_told_and_writes_go_on(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_all(fixture->collection, 1);
    assert_ok(adb_db_flush(fixture->db));
    sim_set_capacity(fixture->sim, sim_used_bytes(fixture->sim) + 2 * 4096);
    assert_int_equal(adb_db_checkpoint(fixture->db, COPY_PATH), ARMDB_NO_SPACE);
    expect_no_copy(fixture, COPY_PATH);
    sim_set_capacity(fixture->sim, UINT64_MAX);
    put_all(fixture->collection, 2);
    assert_ok(adb_db_checkpoint(fixture->db, COPY_PATH));
    expect_copy(fixture, COPY_PATH, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SMALL_TEST(test_db_checkpoint__running_database__copy_opens_with_all_of_it),
        SMALL_TEST(test_db_checkpoint__success__is_durable),
        DB_TEST(test_db_checkpoint__empty_database__copy_is_empty),
        SMALL_TEST(test_db_checkpoint__copy_of_a_copy__is_the_same),
        DISK_TEST(test_db_checkpoint__sealed_files__are_linked_and_the_newest_is_not),
        DB_TEST(test_db_checkpoint__long_newest_file__is_sealed_and_linked),
        SMALL_TEST(test_db_checkpoint__everything_goes_on__copy_is_of_one_moment),
        SMALL_TEST(test_db_checkpoint__no_links__all_is_copied),
        SMALL_TEST(test_db_checkpoint__at_any_step_of_compaction__copy_is_whole),
        DB_TEST(test_db_checkpoint__bad_destination__is_refused),
        DB_TEST(test_db_checkpoint__destination_held_by_somebody__is_busy),
        SMALL_TEST(test_db_checkpoint__leftovers_of_a_creation__are_swept),
        SMALL_TEST(test_db_checkpoint__shard_that_refuses_writes__is_refused),
        SMALL_TEST(test_db_checkpoint__unfinished__is_no_database_and_says_so),
        SMALL_TEST(test_db_checkpoint__any_call_fails__leaves_no_database),
        SMALL_TEST(test_db_checkpoint__all_calls_fail_from_one_on__leaves_no_database),
        SMALL_TEST(test_db_checkpoint__out_of_memory__leaves_no_database),
        SMALL_TEST(test_db_checkpoint__full_disk__is_told_and_writes_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
