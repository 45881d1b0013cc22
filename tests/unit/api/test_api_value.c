/* Value handles as a program uses them. */
#include "api_fixture.h"
#include "os/thread.h"

static uint64_t
value_bytes(struct api_fixture *fixture)
{
    armdb_stats stats = {.struct_bytes = sizeof stats};
    assert_ok(armdb_get_stats(fixture->db, &stats));
    return stats.value_bytes;
}

static void
test_api_value__all_zero_and_null__may_be_released(void **state)
{
    (void)state;
    armdb_value value = {0};
    armdb_value copy;
    assert_int_equal(armdb_value_bytes(&value).len, 0);
    armdb_value_ref(&value, &copy);
    armdb_value_release(&copy);
    armdb_value_release(&value);
    armdb_value_release(&value);
    armdb_value_release(NULL);
}

static void
test_api_value__copies__live_until_the_last_is_released(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_value value, copy;
    put(fixture->collection, "key", "a value of more than twenty bytes");
    assert_ok(armdb_get_value(fixture->collection, armdb_str("key"), &value));
    armdb_value_ref(&value, &copy);
    armdb_value_release(&value);
    assert_int_equal(value_bytes(fixture), 33);
    put(fixture->collection, "key", "something else that is also long"); /* does not touch it */
    assert_memory_equal(armdb_value_bytes(&copy).data, "a value of more than twenty bytes", 33);
    armdb_value_release(&copy);
    assert_int_equal(value_bytes(fixture), 0);
}

static void
test_api_value__kept_beyond_close__stays_readable(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_value inlined, counted;
    put(fixture->collection, "short", "value");
    put(fixture->collection, "long", "a value of more than twenty bytes");
    assert_ok(armdb_get_value(fixture->collection, armdb_str("short"), &inlined));
    assert_ok(armdb_get_value(fixture->collection, armdb_str("long"), &counted));
    close_db(fixture);
    assert_memory_equal(armdb_value_bytes(&inlined).data, "value", 5);
    assert_memory_equal(armdb_value_bytes(&counted).data, "a value of more than twenty bytes", 33);
    armdb_value_release(&inlined);
    armdb_value_release(&counted);
}

static void *
copy_and_release(void *context)
{
    const armdb_value *value = (const armdb_value *)context;
    for (int i = 0; i < 20000; i++) {
        armdb_value copy;
        armdb_value_ref(value, &copy);
        if (memcmp(armdb_value_bytes(&copy).data, "a value of more", 15) != 0)
            abort();
        armdb_value_release(&copy);
    }
    return NULL;
}

static void
test_api_value__copied_by_many_threads__is_freed_once(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    struct adb_thread threads[4];
    armdb_value value;
    put(fixture->collection, "key", "a value of more than twenty bytes");
    assert_ok(armdb_get_value(fixture->collection, armdb_str("key"), &value));
    for (int i = 0; i < 4; i++)
        assert_ok(adb_thread_start(&threads[i], copy_and_release, &value));
    for (int i = 0; i < 4; i++)
        adb_thread_join(&threads[i]);
    armdb_value_release(&value);
    assert_int_equal(value_bytes(fixture), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_value__all_zero_and_null__may_be_released),
        API_TEST(test_api_value__copies__live_until_the_last_is_released),
        API_TEST(test_api_value__kept_beyond_close__stays_readable),
        API_TEST(test_api_value__copied_by_many_threads__is_freed_once),
    };
    return cmocka_run_group_tests_name("api/api_value", tests, NULL, NULL);
}
