/* Watches through the public functions, on the real system: waiting, being woken, time. */
#include "api_fixture.h"
#include "os/thread.h"

struct reader {
    armdb_watch *watch;
    uint64_t sum; /* of the values that came, until one that is 0 */
};

static void *
read_all(void *context)
{
    struct reader *reader = (struct reader *)context;
    armdb_change change;
    while (armdb_watch_next(reader->watch, ARMDB_NEVER, &change) == ARMDB_OK) {
        unsigned char value = *(const unsigned char *)change.value.data;
        if (value == 0)
            break;
        reader->sum += value;
    }
    return NULL;
}

static void
test_api_watch__reader_that_waits__is_woken_for_each(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    struct reader reader = {0};
    struct adb_thread thread;
    assert_ok(armdb_watch_open(fixture->collection, NULL, &reader.watch));
    assert_ok(adb_thread_start(&thread, read_all, &reader));
    for (unsigned i = 1; i <= 101; i++) {
        unsigned char value = i <= 100 ? (unsigned char)i : 0;
        assert_ok(armdb_put(fixture->collection, armdb_str("key"), armdb_bytes(&value, 1), NULL));
    }
    adb_thread_join(&thread);
    assert_int_equal(reader.sum, 5050);
    armdb_watch_close(reader.watch);
}

static void
test_api_watch__nothing_comes__time_ends(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_change change = {.kind = ARMDB_CHANGE_PUT};
    armdb_watch *watch;
    assert_ok(armdb_watch_open(fixture->collection, NULL, &watch));
    assert_int_equal(armdb_watch_next(watch, 0, &change), ARMDB_END);
    assert_int_equal(armdb_watch_next(watch, 1, &change), ARMDB_END);
    assert_int_equal(change.kind, 0);
    assert_int_equal(armdb_close(fixture->db), ARMDB_BUSY);
    armdb_watch_close(watch);
}

static void *
wait_for_end(void *context)
{
    struct reader *reader = (struct reader *)context;
    armdb_change change;
    reader->sum = armdb_watch_next(reader->watch, ARMDB_NEVER, &change) == ARMDB_NO_COLLECTION;
    return NULL;
}

static void
test_api_watch__dropped_while_it_waits__ends(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    struct reader reader = {0};
    struct adb_thread thread;
    armdb_collection *collection;
    assert_ok(armdb_collection_create(fixture->db, "c", NULL, &collection));
    assert_ok(armdb_watch_open(collection, NULL, &reader.watch));
    assert_ok(adb_thread_start(&thread, wait_for_end, &reader));
    assert_ok(armdb_collection_drop(fixture->db, "c"));
    adb_thread_join(&thread);
    assert_int_equal(reader.sum, 1);
    armdb_watch_close(reader.watch);
}

static void
test_api_watch__closed_or_null__refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_change change;
    armdb_watch *watch;
    assert_int_equal(armdb_watch_open(NULL, NULL, &watch), ARMDB_INVALID);
    assert_int_equal(armdb_watch_open(fixture->collection, NULL, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_watch_next(NULL, 0, &change), ARMDB_INVALID);
    assert_ok(armdb_watch_open(fixture->collection, NULL, &watch));
    assert_int_equal(armdb_watch_next(watch, 0, NULL), ARMDB_INVALID);
    armdb_watch_close(NULL);
    armdb_watch_close(watch);
    expect_refused(armdb_watch_next(watch, 0, &change), ARMDB_CLOSED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_api_watch__reader_that_waits__is_woken_for_each),
        API_TEST(test_api_watch__nothing_comes__time_ends),
        API_TEST(test_api_watch__dropped_while_it_waits__ends),
        API_TEST(test_api_watch__closed_or_null__refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
