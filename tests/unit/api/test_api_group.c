/* The public functions of groups: handles, arguments, and what a callback may call; what groups do
 * is in test_db_group.c. */
#include "api_fixture.h"

struct inside {
    struct api_fixture *fixture;
    armdb_group *group;
    armdb_collection *collection;
    armdb_batch *batch;
    uint32_t n_refused;
};

static armdb_err
do_all(void *context, armdb_group *group)
{
    struct inside *inside = (struct inside *)context;
    armdb_collection *all = inside->collection;
    char buffer[16];
    size_t len;
    bool found;
    armdb_value value;
    int64_t sum;
    inside->group = group;
    assert_ok(armdb_group_put(group, all, armdb_str("a"), armdb_str("1"), NULL));
    assert_ok(armdb_group_insert(group, all, armdb_str("b"), armdb_str("2"), NULL));
    assert_ok(armdb_group_contains(group, all, armdb_str("b"), &found));
    assert_true(found);
    assert_ok(armdb_group_get(group, all, armdb_str("a"), buffer, sizeof buffer, &len));
    assert_int_equal(len, 1);
    assert_ok(armdb_group_get_value(group, all, armdb_str("b"), &value));
    assert_memory_equal(armdb_value_bytes(&value).data, "2", 1);
    armdb_value_release(&value);
    assert_ok(armdb_group_delete(group, all, armdb_str("b")));
    assert_int_equal(armdb_group_add(group, all, armdb_str("a"), 1, &sum), ARMDB_UNSUPPORTED);
    return ARMDB_OK;
}

static void
test_api_group__operations__are_done_together(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    struct inside inside = {.fixture = fixture, .collection = fixture->collection};
    bool found;
    assert_ok(armdb_group_run(fixture->collection, armdb_str("any"), do_all, &inside, NULL));
    expect_get(fixture->collection, "a", "1");
    assert_ok(armdb_contains(fixture->collection, armdb_str("b"), &found));
    assert_false(found);
    /* It ended with its callback. */
    expect_refused(armdb_group_delete(inside.group, fixture->collection, armdb_str("a")),
                   ARMDB_CLOSED);
    expect_get(fixture->collection, "a", "1");
}

static armdb_err
do_wrong(void *context, armdb_group *group)
{
    struct inside *inside = (struct inside *)context;
    armdb_collection *all = inside->collection;
    size_t len;
    const armdb_slice key = armdb_str("a");
    assert_int_equal(armdb_group_put(group, all, bad_slice(), key, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_group_put(group, all, key, bad_slice(), NULL), ARMDB_INVALID);
    assert_int_equal(armdb_group_put(group, NULL, key, key, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_group_put(NULL, all, key, key, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_group_get(group, all, key, NULL, 3, &len), ARMDB_INVALID);
    assert_int_equal(armdb_group_get(group, all, key, NULL, 0, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_group_get_value(group, all, key, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_group_contains(group, all, key, NULL), ARMDB_INVALID);
    return ARMDB_EXISTS;
}

static void
test_api_group__wrong_arguments__are_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    struct inside inside = {.fixture = fixture, .collection = fixture->collection};
    const armdb_slice key = armdb_str("a");
    assert_int_equal(armdb_group_run(fixture->collection, key, do_wrong, &inside, NULL),
                     ARMDB_EXISTS);
    assert_int_equal(armdb_group_run(fixture->collection, bad_slice(), do_wrong, &inside, NULL),
                     ARMDB_INVALID);
    assert_int_equal(armdb_group_run(fixture->collection, key, NULL, &inside, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_group_run(NULL, key, do_wrong, &inside, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_group_run(fixture->collection, armdb_str(""), do_wrong, &inside, NULL),
                     ARMDB_KEY_LENGTH);
}

/* ----------------------------------------------------- what may be called in a callback */

static void
expect_not_inside(struct inside *inside, armdb_err err)
{
    assert_int_equal(err, ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "in the callback of a group");
    inside->n_refused++;
}

static armdb_err
update_nothing(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    (void)context;
    (void)key;
    (void)old;
    verdict_out->kind = ARMDB_KEEP;
    return ARMDB_OK;
}

static void
try_all_that_locks(struct inside *inside)
{
    armdb_db *db = inside->fixture->db;
    armdb_collection *all = inside->collection, *created;
    const armdb_slice key = armdb_str("a");
    armdb_batch *batch;
    armdb_watch *watch;
    armdb_stats stats = {.struct_bytes = sizeof stats};
    armdb_ticket ticket = {0};
    bool is_synced;
    int64_t sum;
    expect_not_inside(inside, armdb_put(all, key, key, NULL));
    expect_not_inside(inside, armdb_insert(all, key, key, NULL));
    expect_not_inside(inside, armdb_delete(all, key, NULL));
    expect_not_inside(inside, armdb_cas(all, key, key, key, NULL, NULL));
    expect_not_inside(inside, armdb_update(all, key, update_nothing, NULL, NULL, NULL, NULL));
    expect_not_inside(inside, armdb_migrate(all, update_nothing, NULL, NULL, NULL));
    expect_not_inside(inside, armdb_add(all, key, 1, NULL, &sum));
    expect_not_inside(inside, armdb_group_run(all, key, do_all, inside, NULL));
    expect_not_inside(inside, armdb_commit(inside->batch, NULL, NULL));
    expect_not_inside(inside, armdb_batch_new(db, &batch));
    expect_not_inside(inside, armdb_hook_set(all, NULL));
    expect_not_inside(inside, armdb_watch_open(all, NULL, &watch));
    expect_not_inside(inside, armdb_flush(db));
    expect_not_inside(inside, armdb_sync(db));
    expect_not_inside(inside, armdb_compact(db, NULL, NULL));
    expect_not_inside(inside, armdb_ticket_wait(db, &ticket, 1));
    expect_not_inside(inside, armdb_ticket_poll(db, &ticket, &is_synced));
    expect_not_inside(inside, armdb_get_stats(db, &stats));
    expect_not_inside(inside, armdb_collection_create(db, "c", NULL, &created));
    expect_not_inside(inside, armdb_collection_drop(db, "c"));
    expect_not_inside(inside, armdb_close(db));
}

static armdb_err
do_forbidden(void *context, armdb_group *group)
{
    struct inside *inside = (struct inside *)context;
    armdb_collection *all = inside->collection;
    armdb_collection_info info;
    armdb_cursor *cursor;
    uint64_t count;
    bool found;
    try_all_that_locks(inside);
    /* What reads sees what was there before. */
    assert_ok(armdb_group_put(group, all, armdb_str("a"), armdb_str("2"), NULL));
    expect_get(all, "a", "1");
    assert_ok(armdb_contains(all, armdb_str("a"), &found));
    assert_ok(armdb_count(all, &count));
    assert_ok(armdb_collection_get_info(all, &info));
    assert_ok(armdb_cursor_open(all, NULL, &cursor));
    assert_ok(armdb_cursor_next(cursor));
    assert_memory_equal(armdb_cursor_value(cursor).data, "1", 1);
    armdb_cursor_close(cursor);
    return ARMDB_OK;
}

static void
test_api_group__what_would_wait_for_a_lock__is_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    struct inside inside = {.fixture = fixture, .collection = fixture->collection};
    put(fixture->collection, "a", "1");
    assert_ok(armdb_batch_new(fixture->db, &inside.batch));
    assert_ok(armdb_group_run(fixture->collection, armdb_str("a"), do_forbidden, &inside, NULL));
    armdb_batch_free(inside.batch);
    assert_int_equal(inside.n_refused, 21);
    expect_get(fixture->collection, "a", "2");
    put(fixture->collection, "a", "3");
}

/* ------------------------------------------------------------------------------ hooks */

struct told {
    uint32_t n;
    char values[8];
};

static armdb_err
put_once(void *context, armdb_group *group)
{
    return armdb_group_put(group, (armdb_collection *)context, armdb_str("by hook"), armdb_str("x"),
                           NULL);
}

/* A hook may run a group of its own. */
static void
note(void *context, const armdb_change *change)
{
    struct told *told = (struct told *)context;
    told->values[told->n++] = change->value.len > 0 ? *(const char *)change->value.data : '-';
    if (told->n == 2)
        assert_ok(armdb_group_run(change->collection, armdb_str("a"), put_once, change->collection,
                                  NULL));
}

static armdb_err
do_changes(void *context, armdb_group *group)
{
    armdb_collection *all = (armdb_collection *)context;
    assert_ok(armdb_group_put(group, all, armdb_str("a"), armdb_str("1"), NULL));
    assert_ok(armdb_group_put(group, all, armdb_str("b"), armdb_str("2"), NULL));
    assert_ok(armdb_group_put(group, all, armdb_str("a"), armdb_str("3"), NULL));
    return ARMDB_OK;
}

static void
test_api_group__hook__is_told_of_the_last_write_of_each_key(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    struct told told = {0};
    armdb_hook hook = ARMDB_HOOK_INIT;
    hook.on_change = note;
    hook.context = &told;
    assert_ok(armdb_hook_set(fixture->collection, &hook));
    assert_ok(armdb_group_run(fixture->collection, armdb_str("a"), do_changes, fixture->collection,
                              NULL));
    assert_int_equal(told.n, 3);
    assert_memory_equal(told.values, "23x", 3);
    assert_ok(armdb_hook_set(fixture->collection, NULL));
}

/* A group that is over, and the collection. */
struct stale {
    armdb_group *group;
    armdb_collection *collection;
    bool is_told;
};

static armdb_err
put_and_keep(void *context, armdb_group *group)
{
    struct stale *stale = (struct stale *)context;
    stale->group = group;
    return armdb_group_put(group, stale->collection, armdb_str("a"), armdb_str("1"), NULL);
}

static void
use_stale(void *context, const armdb_change *change)
{
    struct stale *stale = (struct stale *)context;
    (void)change;
    stale->is_told = true;
    expect_refused(
        armdb_group_put(stale->group, stale->collection, armdb_str("b"), armdb_str("2"), NULL),
        ARMDB_CLOSED);
}

/* It is closed as soon as its callback has returned: nothing is written by it any more. */
static void
test_api_group__hook__cannot_use_the_group_it_is_told_of(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    struct stale stale = {.collection = fixture->collection};
    armdb_hook hook = ARMDB_HOOK_INIT;
    hook.on_change = use_stale;
    hook.context = &stale;
    assert_ok(armdb_hook_set(fixture->collection, &hook));
    assert_ok(armdb_group_run(fixture->collection, armdb_str("a"), put_and_keep, &stale, NULL));
    assert_true(stale.is_told);
    assert_ok(armdb_hook_set(fixture->collection, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_api_group__operations__are_done_together),
        API_TEST(test_api_group__wrong_arguments__are_refused),
        API_TEST(test_api_group__what_would_wait_for_a_lock__is_refused),
        API_TEST(test_api_group__hook__is_told_of_the_last_write_of_each_key),
        API_TEST(test_api_group__hook__cannot_use_the_group_it_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
