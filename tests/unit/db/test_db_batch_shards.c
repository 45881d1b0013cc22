/* Batches in many shards: their space, and what else the shards have to do with each other. */
#include "batch_fixture.h"

#include "db/db_private.h"
#include "shard/shard_private.h"
#include "support/os_hook.h"

enum { SHARDS = 8, KEY_BYTES = 16 };

struct keys {
    char of_shard[SHARDS][KEY_BYTES + 1];
};

/* A key for each shard. */
static struct keys
find_keys(const struct db_fixture *fixture)
{
    struct keys keys = {0};
    uint32_t found = 0;
    for (int i = 0; found < SHARDS; i++) {
        char key[KEY_BYTES + 1];
        snprintf(key, sizeof key, "key%013d", i);
        const struct shard *shard = adb_db_route(fixture->db, armdb_str(key));
        char *of_shard = keys.of_shard[shard->identity.shard];
        found += of_shard[0] == 0;
        memcpy(of_shard, key, sizeof key);
    }
    return keys;
}

/* Puts the keys of the first `n` shards together. */
static armdb_err
try_each(struct db_fixture *fixture, const struct keys *keys, uint32_t n, armdb_durability level)
{
    struct batch_of_test test = begin(fixture);
    for (uint32_t i = 0; i < n; i++)
        put_in(&test, keys->of_shard[i], "8 bytes.");
    return commit(&test, level);
}

static int
set_up_many(void **state)
{
    return set_up_so_many(state, SHARDS, false);
}

/* ----------------------------------------------------------------------- space */

static void
step_for(struct db_fixture *fixture, int steps)
{
    for (int i = 0; i < steps; i++) {
        sim_advance_ns(fixture->sim, 20000000);
        adb_db_step(fixture->db);
    }
}

/* The GROUP of a part is longer than the record behind it. */
static void
test_db_batch_shards__small_parts__do_not_fill_the_log(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const struct keys keys = find_keys(fixture);
    for (int i = 0; i < 2000; i++) {
        assert_ok(try_each(fixture, &keys, SHARDS, ARMDB_BUFFERED));
        if (i % 20 == 0)
            step_for(fixture, 4 * SHARDS);
        assert_true(stats_of(fixture->db).log_bytes <= SHARDS * fixture->options.max_file_bytes);
    }
    assert_true(stats_of(fixture->db).compactions > 0);
    expect_count(fixture->collection, SHARDS);
}

/* ----------------------------------------------------------------------- accounts */

/* What is counted for the files of a shard, and is in them. */
static void
expect_groups(struct db_fixture *fixture, uint32_t number, uint64_t bytes)
{
    const struct shard *shard = fixture->db->shards[number];
    uint64_t counted = 0;
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        const struct data_file *file = atomic_load(&shard->files[slot]);
        counted += file != NULL ? atomic_load(&file->group_bytes) : 0;
    }
    assert_int_equal(counted, bytes);
}

static void
expect_all_groups(struct db_fixture *fixture, const uint64_t bytes[SHARDS])
{
    armdb_verify_report report;
    for (uint32_t i = 0; i < SHARDS; i++)
        expect_groups(fixture, i, bytes[i]);
    assert_ok(adb_db_verify_open(fixture->db, NULL, NULL, &report));
}

/* An armdb_damage_fn. */
static void
expect_wrong_count(void *context, const armdb_damage *damage)
{
    (void)context;
    assert_non_null(strstr(damage->message, "the bytes of GROUPs counted"));
}

/* By who writes them, by recovery from records and from hints, and by verifying. */
static void
test_db_batch_shards__groups__are_counted_alike_by_all(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    uint64_t bytes[SHARDS] = {0};
    fixture->options.compaction_percent = ARMDB_NEVER;
    reopen_db(fixture);
    const struct keys keys = find_keys(fixture);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < 80 * SHARDS; i++) {
            uint32_t n = 1 + i % SHARDS;
            assert_ok(try_each(fixture, &keys, n, ARMDB_BUFFERED));
            for (uint32_t shard = 0; shard < n; shard++)
                bytes[shard] += adb_log_group_bytes(n - 1);
        }
        const struct sim_fault fault = {
            .kind = SIM_FAULT_NO_SPACE, .fail_at = 3, .ops = SIM_WRITES, .is_persistent = true};
        sim_set_fault(fixture->sim, &fault); /* parts that are taken back */
        assert_int_equal(try_each(fixture, &keys, SHARDS, ARMDB_SYNCED), ARMDB_NO_SPACE);
        sim_clear_fault(fixture->sim);
        expect_all_groups(fixture, bytes);
        step_for(fixture, 10 * SHARDS); /* hints of sealed files */
        expect_all_groups(fixture, bytes);
        if (round % 2 == 0) {
            kill_and_open(fixture);
            assert_true(round == 0 || stats_of(fixture->db).hints > 0);
        } else {
            reopen_db(fixture); /* and hints of the newest */
            assert_int_equal(stats_of(fixture->db).hints, stats_of(fixture->db).files);
        }
        expect_all_groups(fixture, bytes);
    }
    assert_true(stats_of(fixture->db).dead_bytes >= bytes[0]);
    atomic_fetch_add(&fixture->db->shards[0]->writer.active->group_bytes, UINT64_MAX - 7);
    armdb_verify_report report;
    assert_int_equal(adb_db_verify_open(fixture->db, expect_wrong_count, NULL, &report),
                     ARMDB_CORRUPT);
}

/* ----------------------------------------------------------------------- bound shards */

/* Lets the data files of a shard have no space. */
static armdb_err
refuse_writes(void *context, const struct os_call *call)
{
    const char *directory = *(const char **)context;
    if (directory == NULL || call->op != SIM_OP_WRITE || strstr(call->path, directory) == NULL)
        return ARMDB_OK;
    return adb_fail_at(ARMDB_NO_SPACE, "write", call->path, call->offset, "full");
}

static void
expect_done_not_synced(armdb_err err)
{
    assert_int_equal(err, ARMDB_IO);
    expect_detail(ARMDB_IO, "done", "full", NULL);
    assert_non_null(strstr(adb_err_detail()->file, "shard-001/"));
}

/* By the time that the sync of all fails, the write is seen: who is told that nothing was changed
 * would do it once more. */
static void
test_db_batch_shards__no_space_in_another_bound_shard__is_not_taken_for_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const char *full = NULL;
    struct os_hook hook;
    armdb_ticket ticket;
    armdb_write_options ticketed = ARMDB_WRITE_OPTIONS_INIT;
    ticketed.durability = ARMDB_SYNCED;
    ticketed.ticket = &ticket;
    close_db(fixture);
    os_hook_init(&hook, fixture->os, false);
    hook.before = refuse_writes;
    hook.context = &full;
    assert_ok(adb_db_open(&hook.base, DB_PATH, &fixture->options, &fixture->db));
    fixture->collection = adb_db_default(fixture->db);
    const struct keys keys = find_keys(fixture);
    assert_ok(try_each(fixture, &keys, SHARDS, ARMDB_WRITTEN));
    assert_ok(
        write_at_level(fixture->collection, SHARD_PUT, keys.of_shard[1], "new", ARMDB_BUFFERED));
    full = "shard-001/";
    expect_done_not_synced(
        write_at_level(fixture->collection, SHARD_PUT, keys.of_shard[0], "new", ARMDB_SYNCED));
    expect_get(fixture->collection, keys.of_shard[0], "new");
    expect_done_not_synced(try_each(fixture, &keys, 1, ARMDB_SYNCED));
    expect_get(fixture->collection, keys.of_shard[0], "8 bytes.");
    assert_ok(adb_db_write(fixture->collection, SHARD_PUT, armdb_str(keys.of_shard[0]),
                           armdb_str("newest"), &ticketed));
    assert_int_equal(adb_db_ticket_wait(fixture->db, &ticket, 1), ARMDB_NO_SPACE);
    assert_int_equal(stats_of(fixture->db).failed_shards, 0);
    full = NULL;
    assert_ok(adb_db_sync(fixture->db));
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_get(fixture->collection, keys.of_shard[0], "newest");
    expect_get(fixture->collection, keys.of_shard[1], "new");
}

/* ----------------------------------------------------------------------- old values */

static char handle; /* stands for the public handle of the collection */
#define HANDLE ((armdb_collection *)&handle)

enum { LONG_BYTES = 256, SHORT_BYTES = 4 };

static struct collection *
create_const(struct db_fixture *fixture, const char *name, uint32_t value_bytes)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct collection *collection;
    options.value_bytes = value_bytes;
    assert_ok(adb_collection_create(fixture->db, name, &options, &collection));
    return collection;
}

/* An on_change. */
static void
expect_old(void *context, const armdb_change *change)
{
    assert_int_equal(change->old_value.len, SHORT_BYTES);
    assert_memory_equal(change->old_value.data, "old.", SHORT_BYTES);
    ++*(unsigned *)context;
}

/* The long old value of the collection that is only watched has no room in the change of the other
 * one, which is first in line. */
static void
test_db_batch_shards__watched_collection_before_a_hooked_one__each_keeps_its_own(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *watched = create_const(fixture, "watched", LONG_BYTES);
    struct collection *hooked = create_const(fixture, "hooked", SHORT_BYTES);
    const struct keys keys = find_keys(fixture);
    const char *key = keys.of_shard[0];
    const armdb_watch_options options = ARMDB_WATCH_OPTIONS_INIT;
    armdb_hook hook = ARMDB_HOOK_INIT;
    unsigned heard = 0;
    struct watch *watch;
    char value[LONG_BYTES + 1] = {0};
    memset(value, 'x', LONG_BYTES);
    put(watched, key, value);
    put(hooked, key, "old.");
    hook.wants_old = 1;
    hook.on_change = expect_old;
    hook.context = &heard;
    assert_ok(adb_watch_open(watched, HANDLE, &options, &watch));
    assert_ok(adb_collection_set_hook(hooked, HANDLE, &hook));
    struct batch_of_test test = begin(fixture);
    test.collection = watched;
    put_in(&test, key, value);
    test.collection = hooked;
    put_in(&test, key, "new.");
    assert_ok(commit(&test, ARMDB_WRITTEN));
    assert_int_equal(heard, 1);
    assert_ok(adb_collection_set_hook(hooked, HANDLE, NULL));
    adb_watch_close(watched, watch);
}

enum { MANY_KEYS = 600 };

/* An on_change. */
static void
count_change(void *context, const armdb_change *change)
{
    (void)change;
    ++*(unsigned *)context;
}

/* Puts many keys, while the n-th allocation fails. */
static armdb_err
put_many(struct db_fixture *fixture, uint64_t n)
{
    struct batch_of_test test = begin(fixture);
    char key[KEY_BYTES + 1];
    for (int i = 0; i < MANY_KEYS; i++) {
        snprintf(key, sizeof key, "key%013d", i);
        put_in(&test, key, "x");
    }
    adb_mem_fail_at(n, false);
    armdb_err err = commit(&test, ARMDB_WRITTEN);
    adb_mem_fail_at(0, false);
    return err;
}

/* Writes to its shard are refused from then on, so there is nobody else to tell of them. */
static void
test_db_batch_shards__no_memory_to_show_all__what_is_seen_is_told(void **state)
{
    armdb_hook hook = ARMDB_HOOK_INIT;
    armdb_err err = ARMDB_NO_MEMORY;
    unsigned heard = 0;
    uint64_t count = 0;
    hook.on_change = count_change;
    hook.context = &heard;
    /* One for each change that is prepared, at least. */
    for (uint64_t n = MANY_KEYS; err == ARMDB_NO_MEMORY; n++) {
        if (n > MANY_KEYS)
            tear_down_db(state);
        set_up_db(state);
        struct db_fixture *fixture = (struct db_fixture *)*state;
        assert_ok(adb_collection_set_hook(fixture->collection, HANDLE, &hook));
        err = put_many(fixture, n);
        assert_ok(adb_db_count(fixture->collection, &count));
        assert_int_equal(heard, count);
    }
    assert_int_equal(err, ARMDB_FAILED);
    expect_detail(ARMDB_FAILED, "no memory to show all", NULL);
    assert_true(count > 0 && count < MANY_KEYS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_db_batch_shards__small_parts__do_not_fill_the_log,
                                        set_up_many, tear_down_db),
        cmocka_unit_test_setup_teardown(test_db_batch_shards__groups__are_counted_alike_by_all,
                                        set_up_many, tear_down_db),
        cmocka_unit_test_setup_teardown(
            test_db_batch_shards__no_space_in_another_bound_shard__is_not_taken_for_refused,
            set_up_many, tear_down_db),
        cmocka_unit_test_setup_teardown(
            test_db_batch_shards__watched_collection_before_a_hooked_one__each_keeps_its_own,
            set_up_many, tear_down_db),
        cmocka_unit_test_teardown(test_db_batch_shards__no_memory_to_show_all__what_is_seen_is_told,
                                  tear_down_db),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
