/* Cursors through the public functions. */
#include "api_fixture.h"

static void
expect_on(armdb_cursor *cursor, const char *key, const char *value)
{
    armdb_slice found = armdb_cursor_key(cursor);
    assert_int_equal(found.len, strlen(key));
    assert_memory_equal(found.data, key, strlen(key));
    found = armdb_cursor_value(cursor);
    assert_int_equal(found.len, strlen(value));
    assert_memory_equal(found.data, value, strlen(value));
    assert_int_equal(armdb_cursor_value_len(cursor), strlen(value));
}

static void
fill(armdb_collection *collection)
{
    put(collection, "a", "value of a");
    put(collection, "b", "value of b");
    put(collection, "c", "value of c");
}

static void
test_api_cursor__moves__go_where_they_say(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_cursor *cursor;
    fill(fixture->collection);
    assert_ok(armdb_cursor_open(fixture->collection, NULL, &cursor));
    assert_int_equal(armdb_cursor_key(cursor).len, 0);
    assert_ok(armdb_cursor_next(cursor));
    expect_on(cursor, "a", "value of a");
    assert_ok(armdb_cursor_next(cursor));
    assert_ok(armdb_cursor_prev(cursor));
    expect_on(cursor, "a", "value of a");
    assert_int_equal(armdb_cursor_prev(cursor), ARMDB_END);
    assert_ok(armdb_cursor_last(cursor));
    expect_on(cursor, "c", "value of c");
    assert_int_equal(armdb_cursor_next(cursor), ARMDB_END);
    assert_ok(armdb_cursor_first(cursor));
    expect_on(cursor, "a", "value of a");
    assert_ok(armdb_cursor_seek(cursor, armdb_str("aa")));
    expect_on(cursor, "b", "value of b");
    armdb_cursor_close(cursor);
    armdb_cursor_close(NULL);
}

static void
test_api_cursor__ranges_and_prefixes__are_passed_on(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    armdb_cursor *cursor;
    fill(fixture->collection);
    options.from = (armdb_bound){ARMDB_EXCLUDED, armdb_str("a")};
    options.to = (armdb_bound){ARMDB_EXCLUDED, armdb_str("c")};
    assert_ok(armdb_cursor_open(fixture->collection, &options, &cursor));
    assert_ok(armdb_cursor_next(cursor));
    expect_on(cursor, "b", "value of b");
    assert_int_equal(armdb_cursor_next(cursor), ARMDB_END);
    armdb_cursor_close(cursor);
    options = (armdb_cursor_options)ARMDB_CURSOR_OPTIONS_INIT;
    options.prefix = armdb_str("c");
    options.keys_only = 1;
    assert_ok(armdb_cursor_open(fixture->collection, &options, &cursor));
    assert_ok(armdb_cursor_prev(cursor));
    assert_int_equal(armdb_cursor_value(cursor).len, 0);
    assert_int_equal(armdb_cursor_value_len(cursor), 10);
    armdb_cursor_close(cursor);
}

static void
test_api_cursor__bad_arguments__are_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    armdb_cursor *cursor = (armdb_cursor *)fixture;
    assert_int_equal(armdb_cursor_open(fixture->collection, NULL, NULL), ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "cursor_out is NULL");
    options.prefix = bad_slice();
    assert_int_equal(armdb_cursor_open(fixture->collection, &options, &cursor), ARMDB_INVALID);
    assert_null(cursor);
    options = (armdb_cursor_options)ARMDB_CURSOR_OPTIONS_INIT;
    options.from = (armdb_bound){ARMDB_INCLUDED, bad_slice()};
    assert_int_equal(armdb_cursor_open(fixture->collection, &options, &cursor), ARMDB_INVALID);
    assert_ok(armdb_cursor_open(fixture->collection, NULL, &cursor));
    assert_int_equal(armdb_cursor_seek(cursor, bad_slice()), ARMDB_INVALID);
    assert_int_equal(armdb_cursor_seek(cursor, armdb_str("")), ARMDB_KEY_LENGTH);
    armdb_cursor_close(cursor);
}

static void
test_api_cursor__open_cursor__keeps_the_database_open(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_cursor *cursor;
    fill(fixture->collection);
    assert_ok(armdb_cursor_open(fixture->collection, NULL, &cursor));
    assert_int_equal(armdb_close(fixture->db), ARMDB_BUSY);
    expect_message(ARMDB_BUSY, "1 cursors");
    assert_ok(armdb_cursor_next(cursor));
    put(fixture->collection, "d", "still open");
    armdb_cursor_close(cursor);
    close_db(fixture);
}

static void
test_api_cursor__closed_or_foreign_handle__is_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_cursor *closed, *cursor = NULL;
    armdb_cursor *foreign = (armdb_cursor *)fixture->collection;
    assert_ok(armdb_cursor_open(fixture->collection, NULL, &closed));
    armdb_cursor_close(closed);
    expect_refused(armdb_cursor_next(closed), ARMDB_CLOSED);
    expect_refused(armdb_cursor_prev(closed), ARMDB_CLOSED);
    expect_refused(armdb_cursor_first(foreign), ARMDB_CLOSED);
    expect_refused(armdb_cursor_last(foreign), ARMDB_CLOSED);
    expect_refused(armdb_cursor_seek(closed, armdb_str("k")), ARMDB_CLOSED);
    expect_refused(armdb_cursor_key(closed).len == 0 ? ARMDB_OK : ARMDB_IO, ARMDB_OK);
    expect_refused(armdb_cursor_value(closed).len == 0 ? ARMDB_OK : ARMDB_IO, ARMDB_OK);
    expect_refused(armdb_cursor_value_len(closed) == 0 ? ARMDB_OK : ARMDB_IO, ARMDB_OK);
    expect_refused((armdb_cursor_close(closed), ARMDB_OK), ARMDB_OK);
    expect_refused(armdb_cursor_open((armdb_collection *)fixture->db, NULL, &cursor), ARMDB_CLOSED);
    assert_null(cursor);
    expect_refused(armdb_warm_up((armdb_collection *)fixture->db, NULL, NULL, NULL), ARMDB_CLOSED);
}

static void
test_api_cursor__warming_up__is_passed_on(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_cursor_options range = ARMDB_CURSOR_OPTIONS_INIT;
    fill(fixture->collection);
    assert_ok(armdb_warm_up(fixture->collection, NULL, NULL, NULL));
    range.struct_bytes = 1;
    assert_int_equal(armdb_warm_up(fixture->collection, &range, NULL, NULL), ARMDB_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_api_cursor__moves__go_where_they_say),
        API_TEST(test_api_cursor__ranges_and_prefixes__are_passed_on),
        API_TEST(test_api_cursor__bad_arguments__are_refused),
        API_TEST(test_api_cursor__open_cursor__keeps_the_database_open),
        API_TEST(test_api_cursor__closed_or_foreign_handle__is_refused),
        API_TEST(test_api_cursor__warming_up__is_passed_on),
    };
    return cmocka_run_group_tests_name("api/api_cursor", tests, NULL, NULL);
}
