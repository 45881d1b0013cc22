/* Batches: conditions, order, all or nothing; what crashes leave is in tests/sim/test_batches.c. */
#include "batch_fixture.h"

#include "db/db_private.h"
#include "db/db_update.h"
#include "log/log_format.h"
#include "shard/shard_bond.h"
#include "shard/shard_private.h"
#include "support/os_hook.h"
#include "support/thing.h"

/* -------------------------------------------------------------------- what it does */

static void
test_db_batch__writes__are_all_done_in_order(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct batch_of_test test = begin(fixture);
    char key[24];
    put(fixture->collection, "gone", "x");
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "key%d", i);
        put_in(&test, key, "first");
    }
    put_in(&test, "key7", "second");
    add(&test, true, SHARD_ALWAYS, "gone", NULL);
    add(&test, true, SHARD_ALWAYS, "never", NULL);
    put_in(&test, "key8", "x");
    add(&test, true, SHARD_ALWAYS, "key8", NULL);
    assert_int_equal(adb_db_batch_count(test.batch, NULL), 45);
    assert_ok(commit(&test, ARMDB_WRITTEN));
    assert_true(test.refused == SIZE_MAX);
    for (int round = 0; round < 3; round++) {
        expect_count(fixture->collection, 39);
        expect_get(fixture->collection, "key0", "first");
        expect_get(fixture->collection, "key7", "second");
        expect_absent(fixture->collection, "key8");
        expect_absent(fixture->collection, "gone");
        if (round == 0)
            kill_and_open(fixture);
        else
            reopen_db(fixture);
    }
}

static void
test_db_batch__condition_not_met__nothing_is_done(void **state)
{
    static const struct {
        enum shard_condition condition;
        const char *key;
        const char *value;
        armdb_err expected;
    } cases[] = {
        {SHARD_ABSENT, "a", NULL, ARMDB_EXISTS},    {SHARD_ABSENT, "z", NULL, ARMDB_OK},
        {SHARD_PRESENT, "a", NULL, ARMDB_OK},       {SHARD_PRESENT, "z", NULL, ARMDB_NOT_FOUND},
        {SHARD_VALUE, "a", "red", ARMDB_OK},        {SHARD_VALUE, "a", "rod", ARMDB_CHANGED},
        {SHARD_VALUE, "a", "green", ARMDB_CHANGED}, {SHARD_VALUE, "z", "red", ARMDB_NOT_FOUND},
    };
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "a", "red");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct batch_of_test test = begin(fixture);
        char key[24];
        snprintf(key, sizeof key, "new%zu", i);
        put_in(&test, key, "x");
        add(&test, false, cases[i].condition, cases[i].key, cases[i].value);
        assert_int_equal(commit(&test, ARMDB_WRITTEN), cases[i].expected);
        bool is_there;
        assert_ok(adb_db_contains(fixture->collection, armdb_str(key), &is_there));
        assert_int_equal(is_there, cases[i].expected == ARMDB_OK);
        assert_true(test.refused == (cases[i].expected == ARMDB_OK ? SIZE_MAX : 1));
    }
}

static void
test_db_batch__conditions__are_about_what_was_there_before(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct batch_of_test test = begin(fixture);
    put_in(&test, "a", "1");
    add(&test, true, SHARD_ABSENT, "a", "2");
    assert_ok(commit(&test, ARMDB_WRITTEN));
    expect_get(fixture->collection, "a", "2");
}

static void
test_db_batch__without_writes__appends_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    uint64_t bytes = stats_of(fixture->db).log_bytes;
    struct batch_of_test test = begin(fixture);
    add(&test, false, SHARD_ABSENT, "a", NULL);
    assert_ok(commit(&test, ARMDB_SYNCED));
    test = begin(fixture);
    assert_ok(commit(&test, ARMDB_SYNCED));
    assert_int_equal(stats_of(fixture->db).log_bytes, bytes);
}

static void
test_db_batch__too_large_for_a_file__is_a_limit(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char *value = (char *)calloc(1, 62000);
    assert_non_null(value);
    memset(value, 'v', 61999);
    struct batch_of_test test = begin(fixture);
    put_in(&test, "a", value);
    free(value);
    assert_int_equal(commit(&test, ARMDB_WRITTEN), ARMDB_LIMIT);
    expect_detail(ARMDB_LIMIT, "max_file_bytes", NULL);
    expect_count(fixture->collection, 0);
}

/* ----------------------------------------------------------------------- durability */

static void
test_db_batch__one_ticket__vouches_for_all_shards(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket;
    char key[24];
    options.durability = ARMDB_SYNCED;
    options.ticket = &ticket;
    struct batch_of_test test = begin(fixture);
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "key%d", i);
        put_in(&test, key, "value");
    }
    assert_ok(adb_db_batch_commit(test.batch, &options, &test.refused));
    adb_db_batch_free(test.batch);
    bool is_synced;
    assert_ok(adb_db_ticket_poll(fixture->db, &ticket, &is_synced));
    assert_false(is_synced);
    assert_ok(adb_db_ticket_wait(fixture->db, &ticket, 1));
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_count(fixture->collection, 40);
}

/* A put behind a part: its sync is one of all shards, or the part would take it away. */
static void
test_db_batch__synced_put_behind_a_part__takes_the_batch_along(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct batch_of_test test = begin(fixture);
    char key[24];
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "key%d", i);
        put_in(&test, key, "value");
    }
    assert_ok(commit(&test, ARMDB_BUFFERED));
    assert_ok(write_at_level(fixture->collection, SHARD_PUT, "single", "x", ARMDB_SYNCED));
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_count(fixture->collection, 41);
}

/* ------------------------------------------------------------------------- failures */

/* Each record of the part of one shard that is damaged in the buffer of a killed process: as if the
 * process had been killed before it was stored. */
static void
test_db_batch__killed_before_the_last_record__is_gone_in_all_shards(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct batch_of_test test = begin(fixture);
    char key[24];
    put(fixture->collection, "before", "x");
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "key%d", i);
        put_in(&test, key, "value");
    }
    assert_ok(commit(&test, ARMDB_WRITTEN));
    sim_kill(fixture->sim);
    size_t len;
    char *buffer = sim_read_file(fixture->sim, DB_PATH "/shard-002/buffer", &len);
    assert_non_null(buffer);
    size_t last = len;
    for (size_t at = 0; at + 5 < len; at++)
        last = memcmp(buffer + at, "value", 5) == 0 ? at : last;
    assert_true(last < len);
    buffer[last] ^= 1;
    sim_write_file(fixture->sim, DB_PATH "/shard-002/buffer", buffer, len);
    free(buffer);
    abandon_db(fixture);
    open_db(fixture);
    expect_count(fixture->collection, 1);
    expect_get(fixture->collection, "before", "x");
    assert_ok(write_at_level(fixture->collection, SHARD_PUT, "key3", "new", ARMDB_SYNCED));
    reopen_db(fixture);
    expect_count(fixture->collection, 2);
}

/* Every call that can fail, once each. */
static void
expect_whole_or_refused(struct db_fixture *fixture, enum sim_fault_kind kind, uint64_t n,
                        bool *has_fired_out)
{
    const struct sim_fault fault = {.kind = kind, .fail_at = n, .seed = n};
    char key[24];
    char value[3000] = {0};
    memset(value, 'v', sizeof value - 1);
    put(fixture->collection, "before", "x");
    struct batch_of_test test = begin(fixture);
    for (int i = 0; i < 24; i++) {
        snprintf(key, sizeof key, "key%d", i);
        put_in(&test, key, value);
    }
    sim_set_fault(fixture->sim, &fault);
    armdb_err err = commit(&test, ARMDB_SYNCED);
    *has_fired_out = sim_fault_fired(fixture->sim);
    sim_clear_fault(fixture->sim);
    uint64_t count;
    if (err == ARMDB_NO_SPACE) {
        expect_count(fixture->collection, 1);
        for (int i = 0; i < 24; i++) { /* the numbers that were taken back are given again */
            snprintf(key, sizeof key, "other%d", i);
            put(fixture->collection, key, "x");
        }
    }
    kill_and_open(fixture);
    assert_ok(adb_db_count(fixture->collection, &count));
    if (err == ARMDB_OK)
        assert_int_equal(count, 25);
    else if (err == ARMDB_NO_SPACE)
        assert_int_equal(count, 25); /* "other", and "before" */
    else
        assert_true(count == 25 || count == 1);
    bool is_there;
    assert_ok(adb_db_contains(fixture->collection, armdb_str("key0"), &is_there));
    assert_int_equal(is_there, err == ARMDB_OK || (err != ARMDB_NO_SPACE && count == 25));
}

static void
fail_everywhere(void **state, enum sim_fault_kind kind, bool can_map)
{
    bool has_fired = true;
    for (uint64_t n = 1; has_fired; n++) {
        if (can_map)
            set_up_mapped(state);
        else
            set_up_shards(state);
        expect_whole_or_refused((struct db_fixture *)*state, kind, n, &has_fired);
        tear_down_db(state);
        assert_true(n < 1000);
    }
}

static void
test_db_batch__any_call_fails__whole_or_refused(void **state)
{
    fail_everywhere(state, SIM_FAULT_NO_SPACE, false);
    fail_everywhere(state, SIM_FAULT_NO_SPACE, true);
    fail_everywhere(state, SIM_FAULT_ERROR, false);
    fail_everywhere(state, SIM_FAULT_ERROR, true);
    fail_everywhere(state, SIM_FAULT_SYNC, true);
    set_up_db(state);
}

static void
test_db_batch__no_memory_at_any_moment__nothing_or_all(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (uint64_t n = 1; n < 400; n++) {
        struct batch_of_test test = begin(fixture);
        char key[24];
        snprintf(key, sizeof key, "a%d", (int)n);
        put_in(&test, key, "x");
        key[0] = 'b';
        put_in(&test, key, "x");
        adb_mem_fail_at(n, false);
        armdb_err err = commit(&test, ARMDB_WRITTEN);
        adb_mem_fail_at(0, false);
        bool is_a, is_b;
        key[0] = 'a';
        assert_ok(adb_db_contains(fixture->collection, armdb_str(key), &is_a));
        key[0] = 'b';
        assert_ok(adb_db_contains(fixture->collection, armdb_str(key), &is_b));
        assert_true(is_a == is_b && is_a == (err == ARMDB_OK));
        assert_true(err == ARMDB_OK || err == ARMDB_NO_MEMORY);
    }
}

static void
test_db_batch__closing__is_refused_as_long_as_there_is_one(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    bool is_closed;
    struct batch_of_test test = begin(fixture);
    assert_int_equal(adb_db_close(fixture->db, &is_closed), ARMDB_BUSY);
    assert_false(is_closed);
    adb_db_batch_free(test.batch);
}

/* ------------------------------------------------------------- a bound shard whose file is full */

#define LATER_MS UINT64_C(4000000000000)

struct deleter {
    struct collection *collection; /* NULL: nothing is to be done */
    const char *key;
    uint32_t n;
};

/* Deletes the key at the first sync of a data file. */
static armdb_err
delete_at_sync(void *context, const struct os_call *call)
{
    struct deleter *deleter = (struct deleter *)context;
    struct collection *collection = deleter->collection;
    if (collection == NULL || call->op != SIM_OP_SYNC)
        return ARMDB_OK;
    deleter->collection = NULL;
    deleter->n++;
    return adb_db_write(collection, SHARD_DELETE, armdb_str(deleter->key), (armdb_slice){0}, NULL);
}

/* Appends to the shard of a key until its file has room for a tombstone of 16 bytes, and for no
 * record that has a value too. */
static void
fill_shard_of(struct db_fixture *fixture, const char *key)
{
    static const unsigned char zeros[4096] = {0};
    const uint64_t wanted = fixture->options.max_file_bytes - LOG_MARK_RECORD_BYTES -
                            (LOG_RECORD_HEADER_BYTES + 20);
    const struct shard *shard = adb_db_route(fixture->db, armdb_str(key));
    for (uint64_t end = shard->writer.active->end; end < wanted; end = shard->writer.active->end) {
        uint64_t len = wanted - end < 4096 ? wanted - end - LOG_RECORD_HEADER_BYTES - 20 : 1024;
        assert_ok(adb_db_write(fixture->collection, SHARD_PUT, armdb_str(key),
                               (armdb_slice){zeros, len}, NULL));
    }
    assert_true(shard->writer.active->end == wanted);
}

/* The shard is settled for a new file, and unlocked for that: what the addition has seen by then
 * does not count. */
static void
test_db_batch__deleted_while_a_bound_shard_goes_on_in_a_new_file__is_seen(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const char key[] = "0123456789abcdef0123"; /* 20 bytes */
    struct deleter deleter = {.key = key};
    struct os_hook hook;
    struct collection *counters;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_write_options expiring = ARMDB_WRITE_OPTIONS_INIT;
    uint64_t deadline_ms;
    int64_t sum;
    close_db(fixture);
    os_hook_init(&hook, fixture->os, false);
    hook.before = delete_at_sync;
    hook.context = &deleter;
    assert_ok(adb_db_open(&hook.base, DB_PATH, &fixture->options, &fixture->db));
    fixture->collection = adb_db_default(fixture->db);
    options.value_bytes = 8;
    assert_ok(adb_collection_create(fixture->db, "counters", &options, &counters));
    expiring.expires_at_ms = LATER_MS;
    assert_ok(adb_db_write(counters, SHARD_PUT, armdb_str(key), armdb_bytes("\5\0\0\0\0\0\0", 8),
                           &expiring));
    struct batch_of_test test = begin(fixture);
    put_in(&test, key, "x");
    for (int i = 0; i < 8; i++)
        put_in(&test, (const char[]){'0', (char)('a' + i), '\0'}, "x");
    assert_ok(commit(&test, ARMDB_WRITTEN));
    assert_true(adb_shard_is_bound(adb_db_route(fixture->db, armdb_str(key))));
    fill_shard_of(fixture, key);
    deleter.collection = counters;
    assert_ok(adb_db_add(counters, armdb_str(key), 1, NULL, &sum));
    assert_int_equal(deleter.n, 1);
    assert_int_equal(sum, 1);
    assert_ok(adb_db_deadline(counters, armdb_str(key), &deadline_ms));
    assert_true(deadline_ms == 0);
    close_db(fixture); /* as long as the hook is there */
}

/* Its file is full, the disk too: the room that is kept for tombstones is for this one as well. */
static void
test_db_batch__delete_in_a_bound_shard_on_a_full_disk__is_taken(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const char key[] = "0123456789abcdef0123"; /* 20 bytes */
    const char *other = NULL;
    char names[64][12];
    struct shard *shard = adb_db_route(fixture->db, armdb_str(key));
    struct batch_of_test test = begin(fixture);
    put_in(&test, key, "x");
    for (int i = 0; i < 64; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        put_in(&test, names[i], "x");
        if (adb_db_route(fixture->db, armdb_str(names[i])) == shard)
            other = names[i];
    }
    assert_ok(commit(&test, ARMDB_WRITTEN));
    fill_shard_of(fixture, key);
    assert_ok(
        adb_db_write(fixture->collection, SHARD_DELETE, armdb_str(key), (armdb_slice){0}, NULL));
    assert_true(adb_shard_is_bound(shard));
    sim_set_capacity(fixture->sim, sim_used_bytes(fixture->sim));
    assert_non_null(other);
    assert_ok(
        adb_db_write(fixture->collection, SHARD_DELETE, armdb_str(other), (armdb_slice){0}, NULL));
    assert_true(shard->writer.active->end >
                fixture->options.max_file_bytes - LOG_MARK_RECORD_BYTES);
    assert_int_equal(
        adb_db_write(fixture->collection, SHARD_PUT, armdb_str(other), armdb_str("again"), NULL),
        ARMDB_NO_SPACE);
    sim_set_capacity(fixture->sim, UINT64_MAX);
}

static void
test_db_batch__objects_committed_again_and_again__are_there_once(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct thing_world world = {0};
    const armdb_codec codec = thing_codec(&world);
    const armdb_collection_options options = thing_options(&codec, ARMDB_ASCENDING);
    armdb_object object;
    struct batch_of_test test = begin(fixture);
    assert_ok(adb_collection_create(fixture->db, "objects", &options, &test.collection));
    put_in(&test, "key", "thing");
    for (int i = 0; i < 4; i++)
        assert_ok(adb_db_batch_commit(test.batch, NULL, &test.refused));
    assert_ok(adb_db_object_get(test.collection, armdb_str("key"), &object));
    assert_string_equal(thing_text(&object), "thing");
    adb_db_object_release(&object);
    adb_db_batch_free(test.batch);
    close_db(fixture);
    assert_int_equal(atomic_load(&world.things), 0);
    open_db(fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_db_batch__writes__are_all_done_in_order, set_up_mapped,
                                        tear_down_db),
        cmocka_unit_test_setup_teardown(test_db_batch__condition_not_met__nothing_is_done,
                                        set_up_shards, tear_down_db),
        cmocka_unit_test_setup_teardown(test_db_batch__conditions__are_about_what_was_there_before,
                                        set_up_shards, tear_down_db),
        cmocka_unit_test_setup_teardown(test_db_batch__without_writes__appends_nothing,
                                        set_up_shards, tear_down_db),
        cmocka_unit_test_setup_teardown(
            test_db_batch__delete_in_a_bound_shard_on_a_full_disk__is_taken, set_up_shards,
            tear_down_db),
        cmocka_unit_test_setup_teardown(test_db_batch__too_large_for_a_file__is_a_limit,
                                        set_up_shards, tear_down_db),
        cmocka_unit_test_setup_teardown(test_db_batch__one_ticket__vouches_for_all_shards,
                                        set_up_shards, tear_down_db),
        cmocka_unit_test_setup_teardown(
            test_db_batch__synced_put_behind_a_part__takes_the_batch_along, set_up_shards,
            tear_down_db),
        cmocka_unit_test_setup_teardown(
            test_db_batch__killed_before_the_last_record__is_gone_in_all_shards, set_up_mapped,
            tear_down_db),
        cmocka_unit_test_teardown(test_db_batch__any_call_fails__whole_or_refused, tear_down_db),
        cmocka_unit_test_setup_teardown(test_db_batch__no_memory_at_any_moment__nothing_or_all,
                                        set_up_shards, tear_down_db),
        cmocka_unit_test_setup_teardown(
            test_db_batch__deleted_while_a_bound_shard_goes_on_in_a_new_file__is_seen,
            set_up_shards, tear_down_db),
        cmocka_unit_test_setup_teardown(
            test_db_batch__objects_committed_again_and_again__are_there_once, set_up_shards,
            tear_down_db),
        cmocka_unit_test_setup_teardown(test_db_batch__closing__is_refused_as_long_as_there_is_one,
                                        set_up_shards, tear_down_db),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
