/* Hooks through the public functions, on the real system. */
#include "api_fixture.h"

struct sum {
    armdb_collection *collection; /* that changes must come from */
    unsigned changes;
    unsigned live;
    char newest[16];
};

static void
on_change(void *context, const armdb_change *change)
{
    struct sum *sum = (struct sum *)context;
    assert_ptr_equal(change->collection, sum->collection);
    sum->changes++;
    memcpy(sum->newest, change->value.data, change->value.len);
    sum->newest[change->value.len] = 0;
    expect_get(change->collection, "key", sum->newest); /* it can be seen */
}

static armdb_err
on_init(void *context, const armdb_change *pair)
{
    ((struct sum *)context)->live += (unsigned)pair->value.len;
    return ARMDB_OK;
}

static void
test_api_hook__set__told_of_keys_and_changes(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    struct sum sum = {.collection = fixture->collection};
    armdb_hook hook = ARMDB_HOOK_INIT;
    put(fixture->collection, "there", "12345");
    hook.on_change = on_change;
    hook.on_init = on_init;
    hook.context = &sum;
    assert_ok(armdb_hook_set(fixture->collection, &hook));
    assert_int_equal(sum.live, 5);
    put(fixture->collection, "key", "one");
    put(fixture->collection, "key", "two");
    assert_int_equal(sum.changes, 2);
    assert_string_equal(sum.newest, "two");
    assert_ok(armdb_hook_set(fixture->collection, NULL));
    put(fixture->collection, "key", "three");
    assert_int_equal(sum.changes, 2);
}

/* One counter for each shard: only one thread at a time shows the keys of a shard. */
static armdb_err
count_live(void *context, const armdb_change *pair)
{
    ((unsigned *)context)[pair->shard]++;
    return pair->value.len == 1 && *(const char *)pair->value.data == 'x' ? ARMDB_OK : ARMDB_IO;
}

static void
test_api_hook__parallel_init__shows_each_key_once(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_hook hook = ARMDB_HOOK_INIT;
    unsigned counts[4] = {0};
    fixture->options.shards = 4;
    open_db(fixture);
    for (unsigned i = 0; i < 500; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%u", i);
        put(fixture->collection, key, "x");
    }
    hook.is_init_parallel = 1;
    hook.on_init = count_live;
    hook.context = counts;
    assert_ok(armdb_hook_set(fixture->collection, &hook));
    assert_int_equal(counts[0] + counts[1] + counts[2] + counts[3], 500);
}

static armdb_err
make_longer(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    (void)context;
    (void)key;
    verdict_out->kind = old->len < 8 ? ARMDB_REPLACE : ARMDB_KEEP;
    verdict_out->value = armdb_str("12345678");
    return ARMDB_OK;
}

/* What was added, from the two numbers that a hook is told. */
static void
sum_up(void *context, const armdb_change *change)
{
    int64_t *sum = (int64_t *)context;
    *sum += *(const signed char *)change->value.data;
    if (change->had_value)
        *sum -= *(const signed char *)change->old_value.data;
}

static void
test_api_hook__changes_by_what_was_there__are_told(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    struct sum sum = {.collection = fixture->collection};
    armdb_collection_options numbers = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_collection *c = fixture->collection, *counters;
    armdb_hook hook = ARMDB_HOOK_INIT;
    int64_t number, total = 0;
    put(c, "key", "1");
    hook.on_change = on_change;
    hook.context = &sum;
    assert_ok(armdb_hook_set(c, &hook));
    assert_int_equal(armdb_cas(c, armdb_str("key"), armdb_str("0"), armdb_str("2"), NULL, NULL),
                     ARMDB_CHANGED);
    assert_int_equal(sum.changes, 0);
    assert_ok(armdb_cas(c, armdb_str("key"), armdb_str("1"), armdb_str("2"), NULL, NULL));
    assert_string_equal(sum.newest, "2");
    for (unsigned i = 0; i < 2; i++)
        assert_ok(armdb_update(c, armdb_str("key"), make_longer, NULL, NULL, NULL, NULL));
    assert_string_equal(sum.newest, "12345678");
    assert_int_equal(sum.changes, 2);

    numbers.value_bytes = 1;
    assert_ok(armdb_collection_create(fixture->db, "counters", &numbers, &counters));
    hook.on_change = sum_up;
    hook.wants_old = 1;
    hook.context = &total;
    assert_ok(armdb_hook_set(counters, &hook));
    for (int64_t i = -3; i < 9; i++)
        assert_ok(armdb_add(counters, armdb_str("n"), i, NULL, &number));
    assert_int_equal(number, 30);
    assert_int_equal(total, 30);
}

static void
test_api_hook__closed_or_null__refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *closed = fixture->collection;
    assert_int_equal(armdb_hook_set(NULL, NULL), ARMDB_INVALID);
    close_db(fixture);
    expect_refused(armdb_hook_set(closed, NULL), ARMDB_CLOSED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_api_hook__set__told_of_keys_and_changes),
        DIRECTORY_TEST(test_api_hook__parallel_init__shows_each_key_once),
        API_TEST(test_api_hook__changes_by_what_was_there__are_told),
        API_TEST(test_api_hook__closed_or_null__refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
