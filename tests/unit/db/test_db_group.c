/* Groups: what they see and do, and how they fail; power cuts are in tests/sim/test_batches.c. */
#include "db_fixture.h"

#include "db/db_batch.h"
#include "db/db_group.h"
#include "db/db_private.h"
#include "shard/shard_bond.h"
#include "shard/shard_private.h"
#include "support/os_hook.h"
#include "support/thing.h"

#define NOW_MS UINT64_C(2000000000000)

struct test {
    struct db_fixture *fixture;
    struct collection *collection; /* the default one, unless told */
    struct group *group;
    uint32_t calls;
    uint64_t n;    /* how many, or which one */
    armdb_err err; /* what to return, for some */
};

typedef armdb_err (*body_fn)(struct test *test);

struct run {
    struct test *test;
    body_fn body;
};

static armdb_err
call(void *context, struct group *group)
{
    struct run *run = (struct run *)context;
    run->test->group = group;
    run->test->calls++;
    return run->body(run->test);
}

static struct test
begin(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    return (struct test){.fixture = fixture, .collection = fixture->collection};
}

static armdb_err
run_with(struct test *test, body_fn body, const armdb_write_options *options)
{
    struct run run = {test, body};
    const struct group_call group = {
        .collection = test->collection, .key = armdb_str("a"), .fn = call, .context = &run};
    return adb_db_group_run(&group, options);
}

static armdb_err
run(struct test *test, body_fn body)
{
    return run_with(test, body, NULL);
}

static armdb_err
try_write(struct test *test, enum shard_verb verb, const char *key, const char *value)
{
    return adb_db_group_write(test->group, test->collection, verb, armdb_str(key), armdb_str(value),
                              NULL);
}

static void
put_in(struct test *test, const char *key, const char *value)
{
    assert_ok(try_write(test, SHARD_PUT, key, value));
}

/* By all that reads; NULL: it is not there. */
static void
expect_in(struct test *test, const char *key, const char *value)
{
    char buffer[64];
    armdb_read read = {.key = armdb_str(key), .buffer = buffer, .capacity = sizeof buffer};
    armdb_value found = {0};
    bool is_there;
    const armdb_err expected = value != NULL ? ARMDB_OK : ARMDB_NOT_FOUND;
    assert_int_equal(adb_db_group_get(test->group, test->collection, &read), expected);
    assert_int_equal(adb_db_group_get_value(test->group, test->collection, armdb_str(key), &found),
                     expected);
    assert_ok(adb_db_group_contains(test->group, test->collection, armdb_str(key), &is_there));
    assert_int_equal(is_there, value != NULL);
    if (value == NULL)
        return;
    assert_int_equal(read.len, strlen(value));
    assert_memory_equal(buffer, value, strlen(value));
    assert_int_equal(found.len, strlen(value));
    assert_memory_equal(armdb_value_bytes(&found).data, value, strlen(value));
    armdb_value_release(&found);
    read.capacity = 0;
    if (*value != '\0')
        assert_int_equal(adb_db_group_get(test->group, test->collection, &read),
                         ARMDB_BUFFER_TOO_SMALL);
    assert_int_equal(read.len, strlen(value));
}

static int
set_up_shards(void **state)
{
    set_up_disk(state);
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.shards = 4;
    use_small_files(fixture);
    open_db(fixture);
    return 0;
}

static int
set_up_mapped(void **state)
{
    set_up_disk(state);
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_set_can_map(fixture->sim, true);
    use_small_files(fixture);
    open_db(fixture);
    return 0;
}

/* -------------------------------------------------------------------- what it does */

static armdb_err
do_all_verbs(struct test *test)
{
    struct collection *before = test->fixture->collection;
    expect_in(test, "old", "1");
    expect_in(test, "new", NULL);
    put_in(test, "old", "2");
    expect_in(test, "old", "2");
    put_in(test, "empty", "");
    expect_in(test, "empty", "");
    assert_ok(try_write(test, SHARD_INSERT, "new", "x"));
    assert_int_equal(try_write(test, SHARD_INSERT, "new", "y"), ARMDB_EXISTS);
    assert_int_equal(try_write(test, SHARD_INSERT, "gone", "y"), ARMDB_EXISTS);
    expect_in(test, "new", "x");
    assert_ok(try_write(test, SHARD_DELETE, "gone", ""));
    assert_int_equal(try_write(test, SHARD_DELETE, "gone", ""), ARMDB_NOT_FOUND);
    assert_int_equal(try_write(test, SHARD_DELETE, "never", ""), ARMDB_NOT_FOUND);
    expect_in(test, "gone", NULL);
    assert_ok(try_write(test, SHARD_DELETE, "back", ""));
    assert_ok(try_write(test, SHARD_INSERT, "back", "again"));
    expect_in(test, "back", "again");
    assert_ok(try_write(test, SHARD_INSERT, "brief", "x"));
    assert_ok(try_write(test, SHARD_DELETE, "brief", ""));
    /* Nobody else sees any of it. */
    expect_get(before, "old", "1");
    expect_get(before, "gone", "x");
    expect_absent(before, "new");
    return test->err;
}

static void
put_before(struct test *test)
{
    put(test->collection, "old", "1");
    put(test->collection, "gone", "x");
    put(test->collection, "back", "x");
}

static void
test_db_group__all_verbs__see_what_it_wrote(void **state)
{
    struct test test = begin(state);
    put_before(&test);
    assert_ok(run(&test, do_all_verbs));
    assert_int_equal(test.calls, 1);
    for (int round = 0; round < 3; round++) {
        struct collection *all = test.fixture->collection;
        expect_count(all, 4);
        expect_get(all, "old", "2");
        expect_get(all, "new", "x");
        expect_get(all, "back", "again");
        expect_get(all, "empty", "");
        if (round == 0)
            kill_and_open(test.fixture);
        else
            reopen_db(test.fixture);
    }
}

static void
test_db_group__callback_says_no__nothing_is_changed(void **state)
{
    static const armdb_err errors[] = {ARMDB_NOT_FOUND, ARMDB_END, ARMDB_BUSY, ARMDB_IO};
    struct test test = begin(state);
    put_before(&test);
    uint64_t bytes = stats_of(test.fixture->db).log_bytes;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        test.err = errors[i];
        assert_int_equal(run(&test, do_all_verbs), errors[i]);
        assert_int_equal(test.calls, i + 1);
        assert_int_equal(stats_of(test.fixture->db).log_bytes, bytes);
        expect_count(test.collection, 3);
        expect_get(test.collection, "old", "1");
    }
    put(test.collection, "old", "after");
}

static armdb_err
do_nothing(struct test *test)
{
    (void)test;
    return ARMDB_OK;
}

static void
test_db_group__without_writes__appends_nothing(void **state)
{
    struct test test = begin(state);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket;
    uint64_t bytes = stats_of(test.fixture->db).log_bytes;
    options.durability = ARMDB_SYNCED;
    assert_ok(run_with(&test, do_nothing, &options));
    options.ticket = &ticket;
    assert_ok(run_with(&test, do_nothing, &options));
    assert_true(ticket.sequence == 0);
    assert_int_equal(stats_of(test.fixture->db).log_bytes, bytes);
}

static armdb_err
do_many(struct test *test)
{
    char key[24], value[24];
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < test->n; i++) {
            snprintf(key, sizeof key, "key%u", (unsigned)(i * 7919 % test->n));
            if (round > 0)
                expect_in(test, key, value);
            snprintf(value, sizeof value, "%u", (unsigned)round);
            put_in(test, key, value);
            expect_in(test, key, value);
            snprintf(value, sizeof value, "%u", (unsigned)(round > 0 ? round - 1 : 0));
        }
        snprintf(value, sizeof value, "%u", (unsigned)round);
    }
    return ARMDB_OK;
}

/* Of several writes of a key the last one is stored. */
static void
test_db_group__many_writes_of_a_key__one_record(void **state)
{
    struct test test = begin(state);
    test.n = 500;
    uint64_t puts = stats_of(test.fixture->db).puts;
    assert_ok(run(&test, do_many));
    assert_int_equal(stats_of(test.fixture->db).puts, puts + 500);
    assert_int_equal(shard_info_of(test.fixture->db, 0).newest_sequence, 500);
    expect_count(test.collection, 500);
    expect_get(test.collection, "key77", "2");
    reopen_db(test.fixture);
    expect_count(test.fixture->collection, 500);
    expect_get(test.fixture->collection, "key77", "2");
}

static armdb_err
do_collections(struct test *test)
{
    put_in(test, "key", "of default");
    test->collection = open_collection(test->fixture->db, "other");
    expect_in(test, "key", NULL);
    put_in(test, "key", "of other");
    expect_in(test, "key", "of other");
    test->collection = test->fixture->collection;
    expect_in(test, "key", "of default");
    return ARMDB_OK;
}

static void
test_db_group__collections__are_mixed(void **state)
{
    struct test test = begin(state);
    struct collection *other = create_collection(test.fixture->db, "other", ARMDB_KEY_VARIABLE,
                                                 ARMDB_UNORDERED);
    assert_ok(run(&test, do_collections));
    expect_get(other, "key", "of other");
    expect_get(test.fixture->collection, "key", "of default");
}

/* --------------------------------------------------------------------- foreign keys */

static armdb_err
do_foreign(struct test *test)
{
    char key[24], buffer[8];
    const uint32_t own = adb_router_shard(&test->fixture->db->router, armdb_str("a"));
    for (uint32_t i = 0; i < 40; i++) {
        int64_t sum = 0;
        bool found;
        armdb_value value = {0};
        snprintf(key, sizeof key, "key%u", (unsigned)i);
        const armdb_slice slice = armdb_str(key);
        armdb_read read = {.key = slice, .buffer = buffer, .capacity = sizeof buffer};
        bool is_own = adb_router_shard(&test->fixture->db->router, slice) == own;
        const armdb_err err = is_own ? ARMDB_OK : ARMDB_INVALID;
        const armdb_err none = is_own ? ARMDB_NOT_FOUND : ARMDB_INVALID;
        test->n += is_own;
        assert_int_equal(adb_db_group_get(test->group, test->collection, &read), none);
        assert_int_equal(adb_db_group_get_value(test->group, test->collection, slice, &value),
                         none);
        assert_int_equal(adb_db_group_contains(test->group, test->collection, slice, &found), err);
        assert_int_equal(try_write(test, SHARD_DELETE, key, ""), none);
        assert_int_equal(adb_db_group_add(test->group, test->collection, slice, 1, &sum), err);
        assert_int_equal(try_write(test, SHARD_PUT, key, "12345678"), err);
        assert_int_equal(try_write(test, SHARD_INSERT, key, "12345678"),
                         is_own ? ARMDB_EXISTS : ARMDB_INVALID);
        if (!is_own)
            expect_detail(ARMDB_INVALID, "belongs to shard", "the group to shard", NULL);
    }
    return ARMDB_OK;
}

static void
test_db_group__keys_of_other_shards__are_refused(void **state)
{
    struct test test = begin(state);
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.value_bytes = 8;
    assert_ok(adb_collection_create(test.fixture->db, "numbers", &options, &test.collection));
    assert_ok(run(&test, do_foreign));
    assert_in_range(test.n, 1, 39);
    expect_count(test.collection, test.n);
}

static armdb_err
do_wrong(struct test *test)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    int64_t sum;
    const armdb_slice key = armdb_str("a");
    assert_int_equal(try_write(test, SHARD_PUT, "", "x"), ARMDB_KEY_LENGTH);
    assert_int_equal(adb_db_group_add(test->group, test->collection, key, 1, &sum),
                     ARMDB_UNSUPPORTED);
    options.durability = ARMDB_SYNCED;
    assert_int_equal(
        adb_db_group_write(test->group, test->collection, SHARD_PUT, key, key, &options),
        ARMDB_INVALID);
    test->collection = open_collection(test->fixture->db, "dropped");
    put_in(test, "b", "x");
    return ARMDB_OK;
}

static armdb_err
do_dropped(struct test *test)
{
    armdb_read read = {.key = armdb_str("a")};
    assert_int_equal(adb_db_group_get(test->group, test->collection, &read), ARMDB_NO_COLLECTION);
    return try_write(test, SHARD_PUT, "a", "x");
}

static void
test_db_group__wrong_calls__are_errors(void **state)
{
    struct test test = begin(state);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    struct collection *dropped = create_collection(test.fixture->db, "dropped", ARMDB_KEY_VARIABLE,
                                                   ARMDB_ASCENDING);
    assert_ok(run(&test, do_wrong));
    expect_get(dropped, "b", "x");
    options.ttl_ms = 1000;
    assert_int_equal(run_with(&test, do_nothing, &options), ARMDB_INVALID);
    assert_ok(adb_collection_drop(test.fixture->db, "dropped"));
    test.collection = dropped;
    assert_int_equal(run(&test, do_dropped), ARMDB_NO_COLLECTION);
}

/* ------------------------------------------------------------------ numbers, deadlines */

static armdb_err
do_add(struct test *test)
{
    int64_t sum;
    assert_ok(adb_db_group_add(test->group, test->collection, armdb_str("a"), 5, &sum));
    assert_int_equal(sum, 12);
    assert_ok(adb_db_group_add(test->group, test->collection, armdb_str("a"), -13, &sum));
    assert_int_equal(sum, -1);
    assert_ok(adb_db_group_add(test->group, test->collection, armdb_str("b"), 100, &sum));
    assert_int_equal(adb_db_group_add(test->group, test->collection, armdb_str("b"), 100, &sum),
                     ARMDB_OVERFLOW);
    assert_ok(try_write(test, SHARD_DELETE, "a", ""));
    assert_ok(adb_db_group_add(test->group, test->collection, armdb_str("a"), 3, &sum));
    assert_int_equal(sum, 3);
    return ARMDB_OK;
}

static void
test_db_group__additions__go_on_from_what_it_wrote(void **state)
{
    struct test test = begin(state);
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.value_bytes = 1;
    assert_ok(adb_collection_create(test.fixture->db, "bytes", &options, &test.collection));
    put(test.collection, "a", "\7");
    assert_ok(run(&test, do_add));
    expect_get(test.collection, "a", "\3");
    expect_get(test.collection, "b", "d"); /* 100 */
}

static armdb_err
do_deadlines(struct test *test)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    int64_t sum;
    expect_in(test, "early", NULL);
    assert_int_equal(try_write(test, SHARD_DELETE, "early", ""), ARMDB_NOT_FOUND);
    assert_ok(adb_db_group_add(test->group, test->collection, armdb_str("kept"), 1, &sum));
    assert_int_equal(sum, '0' + 1);
    options.expires_at_ms = NOW_MS + 5000;
    assert_ok(adb_db_group_write(test->group, test->collection, SHARD_PUT, armdb_str("own"),
                                 armdb_str("x"), &options));
    expect_in(test, "own", "x");
    sim_set_wall_ms(test->fixture->sim, NOW_MS + 5000);
    expect_in(test, "own", NULL);
    expect_in(test, "kept", "1");
    options.expires_at_ms = NOW_MS + 9000;
    return adb_db_group_write(test->group, test->collection, SHARD_INSERT, armdb_str("own"),
                              armdb_str("y"), &options);
}

static void
test_db_group__deadlines__pass_for_it_too(void **state)
{
    struct test test = begin(state);
    armdb_collection_options kind = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    uint64_t deadline_ms;
    kind.value_bytes = 1;
    assert_ok(adb_collection_create(test.fixture->db, "bytes", &kind, &test.collection));
    sim_set_wall_ms(test.fixture->sim, NOW_MS);
    options.expires_at_ms = NOW_MS;
    assert_ok(
        adb_db_write(test.collection, SHARD_PUT, armdb_str("early"), armdb_str("x"), &options));
    options.expires_at_ms = NOW_MS + 7000;
    assert_ok(
        adb_db_write(test.collection, SHARD_PUT, armdb_str("kept"), armdb_str("0"), &options));
    assert_ok(run(&test, do_deadlines));
    assert_ok(adb_db_deadline(test.collection, armdb_str("own"), &deadline_ms));
    assert_true(deadline_ms == NOW_MS + 9000);
    assert_ok(adb_db_deadline(test.collection, armdb_str("kept"), &deadline_ms));
    assert_true(deadline_ms == NOW_MS + 7000);
    expect_get(test.collection, "kept", "1");
}

/* ------------------------------------------------------------------------- objects */

static armdb_err
do_objects(struct test *test)
{
    expect_in(test, "key", "before");
    put_in(test, "key", "first");
    put_in(test, "key", "thing");
    expect_in(test, "key", "thing");
    assert_int_equal(try_write(test, SHARD_PUT, "key", "!"), ARMDB_CODEC);
    expect_in(test, "key", "thing");
    put_in(test, "other", "other");
    return test->err;
}

static void
test_db_group__objects__are_decoded_and_freed(void **state)
{
    struct test test = begin(state);
    struct thing_world world = {0};
    const armdb_codec codec = thing_codec(&world);
    const armdb_collection_options options = thing_options(&codec, ARMDB_ASCENDING);
    armdb_object object;
    assert_ok(adb_collection_create(test.fixture->db, "objects", &options, &test.collection));
    put(test.collection, "key", "before");
    test.err = ARMDB_CHANGED;
    assert_int_equal(run(&test, do_objects), ARMDB_CHANGED);
    expect_get(test.collection, "key", "before");
    test.err = ARMDB_OK;
    assert_ok(run(&test, do_objects));
    uint64_t decoded = atomic_load(&world.decoded);
    assert_ok(adb_db_object_get(test.collection, armdb_str("key"), &object));
    assert_string_equal(thing_text(&object), "thing");
    assert_int_equal(atomic_load(&world.decoded), decoded);
    adb_db_object_release(&object);
    close_db(test.fixture);
    assert_int_equal(atomic_load(&world.things), 0);
    open_db(test.fixture);
}

/* --------------------------------------------------------------- limits and failures */

static armdb_err
do_large(struct test *test)
{
    static const unsigned char zeros[31000] = {0};
    char key[24];
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(key, sizeof key, "key%u", (unsigned)(test->n == 0 ? 0 : i));
        assert_ok(adb_db_group_write(test->group, test->collection, SHARD_PUT, armdb_str(key),
                                     (armdb_slice){zeros, sizeof zeros}, NULL));
    }
    return ARMDB_OK;
}

static void
test_db_group__too_large_for_a_file__is_a_limit(void **state)
{
    struct test test = begin(state);
    test.n = 1;
    assert_int_equal(run(&test, do_large), ARMDB_LIMIT);
    expect_detail(ARMDB_LIMIT, "max_file_bytes", NULL);
    expect_count(test.collection, 0);
    test.n = 0; /* what was written over does not count */
    assert_ok(run(&test, do_large));
    expect_count(test.collection, 1);
}

static armdb_err
do_pair(struct test *test)
{
    char key[24];
    for (const char *first = "ab"; *first != '\0'; first++) {
        snprintf(key, sizeof key, "%c%u", *first, (unsigned)test->n);
        ADB_TRY(try_write(test, SHARD_PUT, key, "x"));
        ADB_TRY(try_write(test, SHARD_INSERT, (const char[]){*first, '\0'}, "x"));
        ADB_TRY(try_write(test, SHARD_DELETE, (const char[]){*first, '\0'}, ""));
    }
    return ARMDB_OK;
}

static void
test_db_group__no_memory_at_any_moment__nothing_or_all(void **state)
{
    struct test test = begin(state);
    armdb_err err = ARMDB_NO_MEMORY;
    for (uint64_t n = 1; n < 400; n++) {
        char key[24];
        bool is_a, is_b;
        test.n = n;
        adb_mem_fail_at(n, false);
        err = run(&test, do_pair);
        adb_mem_fail_at(0, false);
        snprintf(key, sizeof key, "a%u", (unsigned)n);
        assert_ok(adb_db_contains(test.collection, armdb_str(key), &is_a));
        key[0] = 'b';
        assert_ok(adb_db_contains(test.collection, armdb_str(key), &is_b));
        assert_true(is_a == is_b && is_a == (err == ARMDB_OK));
        assert_true(err == ARMDB_OK || err == ARMDB_NO_MEMORY);
    }
    assert_ok(err);
}

static armdb_err
do_long(struct test *test)
{
    char key[600], value[8];
    for (uint32_t i = 0; i < 60; i++) {
        snprintf(key, sizeof key, "%02u%0570u", (unsigned)(i * 37 % 60), 0u);
        snprintf(value, sizeof value, "%u", (unsigned)i);
        put_in(test, key, value);
    }
    adb_mem_fail_at(test->n, true);
    return ARMDB_OK;
}

/* What is set aside is for one key; a group may need more than that to show itself. */
static void
test_db_group__no_memory_behind_the_commit_point__is_fenced_and_says_so(void **state)
{
    uint32_t fenced = 0;
    for (uint64_t n = 1; n < 30; n++) {
        struct test test = begin(state);
        test.n = n;
        armdb_err err = run(&test, do_long);
        adb_mem_fail_at(0, false);
        uint64_t count;
        if (err == ARMDB_FAILED) {
            fenced++;
            expect_detail(ARMDB_FAILED, "is in the log", "shard 0", "open the database anew", NULL);
            assert_int_equal(
                write_at_level(test.collection, SHARD_PUT, "later", "x", ARMDB_WRITTEN),
                ARMDB_FAILED);
            expect_detail(ARMDB_FAILED, "shard 0 refuses writes", "open the database anew", NULL);
            assert_int_equal(run(&test, do_nothing), ARMDB_FAILED);
            assert_int_equal(test.calls, 1);
        } else if (err == ARMDB_NO_MEMORY) {
            expect_count(test.collection, 0);
        } else {
            assert_ok(err);
        }
        if (err == ARMDB_OK || err == ARMDB_FAILED) {
            kill_and_open(test.fixture);
            assert_ok(adb_db_count(test.fixture->collection, &count));
            assert_int_equal(count, 60);
        }
        tear_down_db(state);
        set_up_db(state);
    }
    assert_true(fenced > 0);
}

/* The sync of a group that is seen already. */
static void
test_db_group__failed_sync__is_fenced_and_says_so(void **state)
{
    struct test test = begin(state);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = ARMDB_SYNCED;
    test.n = 1;
    set_fault(test.fixture, SIM_FAULT_SYNC, 0, 1, false);
    assert_int_equal(run_with(&test, do_pair, &options), ARMDB_IO);
    sim_clear_fault(test.fixture->sim);
    assert_non_null(strstr(adb_err_detail()->file, "shard-000"));
    assert_int_equal(run(&test, do_nothing), ARMDB_FAILED);
    expect_detail(ARMDB_FAILED, "shard 0 refuses writes", "open the database anew", NULL);
    expect_get(test.collection, "a1", "x");
}

static armdb_err
do_blocks(struct test *test)
{
    char key[24];
    char value[3000] = {0};
    memset(value, 'v', sizeof value - 1);
    for (uint32_t i = 0; i < 8; i++) {
        snprintf(key, sizeof key, "key%u", (unsigned)i);
        put_in(test, key, value);
    }
    return ARMDB_OK;
}

static void
expect_whole_or_refused(struct db_fixture *fixture, enum sim_fault_kind kind, uint64_t n,
                        bool *has_fired_out)
{
    const struct sim_fault fault = {.kind = kind, .fail_at = n, .seed = n};
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    struct test test = {.fixture = fixture, .collection = fixture->collection};
    uint64_t count;
    options.durability = ARMDB_SYNCED;
    for (int i = 0; i < 12; i++) /* the group comes to a new file */
        put_bytes(fixture->collection, armdb_str("before"), 4000, 1);
    sim_set_fault(fixture->sim, &fault);
    armdb_err err = run_with(&test, do_blocks, &options);
    *has_fired_out = sim_fault_fired(fixture->sim);
    sim_clear_fault(fixture->sim);
    if (err == ARMDB_NO_SPACE) {
        expect_count(fixture->collection, 1);
        put(fixture->collection, "other", "x");
    }
    kill_and_open(fixture);
    assert_ok(adb_db_count(fixture->collection, &count));
    if (err == ARMDB_OK)
        assert_int_equal(count, 9);
    else if (err == ARMDB_NO_SPACE)
        assert_int_equal(count, 2);
    else
        assert_true(count == 9 || count == 1);
}

static void
test_db_group__any_call_fails__whole_or_refused(void **state)
{
    static const enum sim_fault_kind kinds[] = {SIM_FAULT_NO_SPACE, SIM_FAULT_ERROR,
                                                SIM_FAULT_SYNC};
    for (size_t i = 0; i < 2 * sizeof kinds / sizeof *kinds; i++) {
        bool has_fired = true;
        for (uint64_t n = 1; has_fired; n++) {
            set_up_mapped(state);
            sim_set_can_map(((struct db_fixture *)*state)->sim, i % 2 == 0);
            expect_whole_or_refused((struct db_fixture *)*state, kinds[i / 2], n, &has_fired);
            tear_down_db(state);
            assert_true(n < 1000);
        }
    }
    set_up_db(state);
}

static void
test_db_group__ticket__vouches_for_it(void **state)
{
    struct test test = begin(state);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket;
    bool is_synced;
    options.durability = ARMDB_SYNCED;
    options.ticket = &ticket;
    assert_ok(run_with(&test, do_blocks, &options));
    assert_ok(adb_db_ticket_poll(test.fixture->db, &ticket, &is_synced));
    assert_false(is_synced);
    assert_ok(adb_db_ticket_wait(test.fixture->db, &ticket, 1));
    cut_and_open(test.fixture, SIM_CUT_LOSE);
    expect_count(test.fixture->collection, 8);
}

/* --------------------------------------------------- a bound shard whose file is full */

/* Writes the key at the first sync of a data file. */
struct writer {
    struct collection *collection; /* NULL: nothing is to be done */
    const char *key;
};

static armdb_err
write_at_sync(void *context, const struct os_call *os_call)
{
    struct writer *writer = (struct writer *)context;
    struct collection *collection = writer->collection;
    if (collection == NULL || os_call->op != SIM_OP_SYNC)
        return ARMDB_OK;
    writer->collection = NULL;
    return adb_db_write(collection, SHARD_PUT, armdb_str(writer->key), armdb_str("later"), NULL);
}

static armdb_err
do_copy(struct test *test)
{
    static unsigned char value[20000];
    armdb_read read = {.key = armdb_str("a"), .buffer = value, .capacity = sizeof value};
    assert_ok(adb_db_group_get(test->group, test->collection, &read));
    put_in(test, "a", "now");
    return adb_db_group_write(test->group, test->collection, SHARD_PUT, armdb_str("a"),
                              (armdb_slice){value, sizeof value}, NULL);
}

/* The shard is unlocked for a new file: what the group has read by then does not count. */
static void
test_db_group__shard_left_for_a_new_file__begins_anew(void **state)
{
    static const unsigned char zeros[1024] = {0};
    struct test test = begin(state);
    struct db_fixture *fixture = test.fixture;
    struct writer writer = {.key = "a"};
    struct os_hook hook;
    struct batch *batch;
    char key[24];
    size_t refused;
    close_db(fixture);
    os_hook_init(&hook, fixture->os, false);
    hook.before = write_at_sync;
    hook.context = &writer;
    assert_ok(adb_db_open(&hook.base, DB_PATH, &fixture->options, &fixture->db));
    test.collection = fixture->collection = adb_db_default(fixture->db);
    put(test.collection, "a", "first");
    assert_ok(adb_db_batch_new(fixture->db, &batch));
    for (int i = 0; i < 24; i++) {
        snprintf(key, sizeof key, "%d", i);
        assert_ok(adb_db_batch_add(batch, &(struct batch_addition){.collection = test.collection,
                                                                   .key = armdb_str(key),
                                                                   .is_write = true,
                                                                   .verb = SHARD_PUT,
                                                                   .value = armdb_str("x")}));
    }
    assert_ok(adb_db_batch_commit(batch, NULL, &refused));
    adb_db_batch_free(batch);
    struct shard *shard = adb_db_route(fixture->db, armdb_str("a"));
    assert_true(adb_shard_is_bound(shard));
    while (shard->writer.active->end + 20000 < fixture->options.max_file_bytes)
        assert_ok(adb_db_write(test.collection, SHARD_PUT, armdb_str("a"),
                               (armdb_slice){zeros, sizeof zeros}, NULL));
    writer.collection = test.collection;
    assert_ok(run(&test, do_copy));
    assert_null(writer.collection);
    assert_true(test.calls >= 2);
    char *value = (char *)malloc(20000);
    size_t len;
    assert_non_null(value);
    assert_ok(adb_db_get(test.collection, armdb_str("a"), value, 20000, &len));
    assert_int_equal(len, 20000);
    assert_memory_equal(value, "later", 5);
    free(value);
    close_db(fixture); /* as long as the hook is there */
}

#define SHARDS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_shards, tear_down_db)
#define MAPPED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_mapped, tear_down_db)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        MAPPED_TEST(test_db_group__all_verbs__see_what_it_wrote),
        DB_TEST(test_db_group__callback_says_no__nothing_is_changed),
        DB_TEST(test_db_group__without_writes__appends_nothing),
        DB_TEST(test_db_group__many_writes_of_a_key__one_record),
        DB_TEST(test_db_group__collections__are_mixed),
        SHARDS_TEST(test_db_group__keys_of_other_shards__are_refused),
        DB_TEST(test_db_group__wrong_calls__are_errors),
        DB_TEST(test_db_group__additions__go_on_from_what_it_wrote),
        DB_TEST(test_db_group__deadlines__pass_for_it_too),
        DB_TEST(test_db_group__objects__are_decoded_and_freed),
        MAPPED_TEST(test_db_group__too_large_for_a_file__is_a_limit),
        DB_TEST(test_db_group__no_memory_at_any_moment__nothing_or_all),
        DB_TEST(test_db_group__no_memory_behind_the_commit_point__is_fenced_and_says_so),
        DB_TEST(test_db_group__failed_sync__is_fenced_and_says_so),
        cmocka_unit_test_teardown(test_db_group__any_call_fails__whole_or_refused, tear_down_db),
        MAPPED_TEST(test_db_group__ticket__vouches_for_it),
        SHARDS_TEST(test_db_group__shard_left_for_a_new_file__begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
