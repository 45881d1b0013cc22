/* Watches of collections: what they are told, beside a hook, and their life. */
#include "db_fixture.h"
#include "shard/watch.h"

static char handle; /* stands for the public handle of the collection */
#define HANDLE ((armdb_collection *)&handle)

static struct watch *
open_watch(struct collection *collection, const char *prefix)
{
    armdb_watch_options options = ARMDB_WATCH_OPTIONS_INIT;
    struct watch *watch;
    options.prefix = armdb_str(prefix);
    assert_ok(adb_watch_open(collection, HANDLE, &options, &watch));
    return watch;
}

static void
expect_next(struct watch *watch, armdb_change_kind kind, const char *key, const char *value,
            bool had_value)
{
    armdb_change change;
    assert_ok(adb_watch_next(watch, 0, &change));
    assert_int_equal(change.kind, kind);
    assert_ptr_equal(change.collection, HANDLE);
    assert_int_equal(change.key.len, strlen(key));
    assert_memory_equal(change.key.data, key, strlen(key));
    assert_int_equal(change.value.len, strlen(value));
    assert_memory_equal(change.value.data, value, strlen(value));
    assert_int_equal(change.had_value, had_value);
}

static void
expect_none(struct watch *watch)
{
    armdb_change change;
    assert_int_equal(adb_watch_next(watch, 0, &change), ARMDB_END);
}

static void
count_change(void *context, const armdb_change *change)
{
    *(unsigned *)context += change->lost == 0;
}

static void
test_db_watch__changes__are_told_beside_a_hook(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    armdb_hook hook = ARMDB_HOOK_INIT;
    unsigned heard = 0;
    put(c, "before", "");
    struct watch *all = open_watch(c, "");
    struct watch *some = open_watch(c, "b");
    put(c, "a", "1");
    hook.on_change = count_change;
    hook.context = &heard;
    assert_ok(adb_collection_set_hook(c, HANDLE, &hook));
    put(c, "b", "2");
    assert_ok(try_delete(c, "a"));
    assert_ok(adb_collection_set_hook(c, HANDLE, NULL));
    put(c, "b", "3");
    assert_int_equal(heard, 2);
    expect_next(all, ARMDB_CHANGE_PUT, "a", "1", false);
    expect_next(all, ARMDB_CHANGE_PUT, "b", "2", false);
    expect_next(all, ARMDB_CHANGE_DELETE, "a", "", true);
    expect_next(some, ARMDB_CHANGE_PUT, "b", "2", false);
    adb_watch_close(c, all);
    put(c, "bb", "4");
    expect_next(some, ARMDB_CHANGE_PUT, "b", "3", true);
    expect_next(some, ARMDB_CHANGE_PUT, "bb", "4", false);
    expect_none(some);
    adb_watch_close(c, some);
    put(c, "b", "5");
}

static void
test_db_watch__failed_writes__are_not_told(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = fixture->collection;
    struct watch *watch = open_watch(c, "");
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_ALL, 1, true);
    assert_int_equal(try_put_bytes(c, armdb_str("k"), 200000, 1), ARMDB_NO_SPACE);
    sim_clear_fault(fixture->sim);
    expect_none(watch);
    put(c, "a", "1");
    expect_next(watch, ARMDB_CHANGE_PUT, "a", "1", false);
    adb_watch_close(c, watch);
}

static void
test_db_watch__open_one__database_is_busy(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    bool is_closed;
    struct watch *watch = open_watch(fixture->collection, "");
    assert_int_equal(adb_db_close(fixture->db, &is_closed), ARMDB_BUSY);
    assert_false(is_closed);
    expect_detail(ARMDB_BUSY, "1 watches", NULL);
    adb_watch_close(fixture->collection, watch);
    close_db(fixture);
}

static void
test_db_watch__dropped_collection__ends(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *c = create_collection(fixture->db, "c", ARMDB_KEY_VARIABLE, ARMDB_ASCENDING);
    armdb_change change;
    struct watch *watch = open_watch(c, "");
    put(c, "a", "1");
    assert_ok(adb_collection_drop(fixture->db, "c"));
    expect_next(watch, ARMDB_CHANGE_PUT, "a", "1", false);
    assert_int_equal(adb_watch_next(watch, ARMDB_NEVER, &change), ARMDB_NO_COLLECTION);
    adb_watch_close(c, watch);
    assert_int_equal(adb_watch_open(c, HANDLE, NULL, &watch), ARMDB_NO_COLLECTION);
    assert_null(watch);
}

static void
expect_refused(struct db_fixture *fixture, const armdb_watch_options *options, const char *text)
{
    struct watch *watch;
    assert_int_equal(adb_watch_open(fixture->collection, HANDLE, options, &watch), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, text, NULL);
}

static void
test_db_watch__bad_options__are_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_watch_options options = ARMDB_WATCH_OPTIONS_INIT;
    options.capacity_bytes = 4095;
    expect_refused(fixture, &options, "capacity_bytes is 4095, allowed are 4096..1073741824");
    options.capacity_bytes = (UINT64_C(1) << 30) + 1;
    expect_refused(fixture, &options, "capacity_bytes");
    options = (armdb_watch_options)ARMDB_WATCH_OPTIONS_INIT;
    options.prefix = armdb_bytes(NULL, 3);
    expect_refused(fixture, &options, "prefix of 3");
    options.prefix = armdb_bytes("", ARMDB_KEY_MAX + 1);
    expect_refused(fixture, &options, "prefix of 1025");
    options.struct_bytes = 1;
    expect_refused(fixture, &options, "struct_bytes is 1");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_watch__changes__are_told_beside_a_hook),
        DB_TEST(test_db_watch__failed_writes__are_not_told),
        DB_TEST(test_db_watch__open_one__database_is_busy),
        DB_TEST(test_db_watch__dropped_collection__ends),
        DB_TEST(test_db_watch__bad_options__are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
