/* Collections through the public functions. */
#include "api_fixture.h"
#include "base/mem.h"

static void
test_api_collection__default__is_the_same_handle_however_it_is_got(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *collection;
    assert_ok(armdb_collection_open(fixture->db, "default", NULL, &collection));
    assert_ptr_equal(collection, fixture->collection);
    assert_ptr_equal(armdb_default(fixture->db), fixture->collection);
}

static void
test_api_collection__created_and_opened__are_one_handle(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *made, *opened, *again;
    assert_ok(armdb_collection_create(fixture->db, "made", NULL, &made));
    assert_ok(armdb_collection_open(fixture->db, "made", NULL, &opened));
    assert_ptr_equal(made, opened);
    put(made, "key", "value");
    close_db(fixture);
    open_db(fixture);
    assert_ok(armdb_collection_open(fixture->db, "made", NULL, &opened));
    assert_ok(armdb_collection_open(fixture->db, "made", NULL, &again));
    assert_ptr_equal(opened, again);
    expect_get(opened, "key", "value");
    assert_int_equal(armdb_collection_create(fixture->db, "made", NULL, &again), ARMDB_EXISTS);
    assert_null(again);
}

static void
test_api_collection__unknown__is_no_collection(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *collection = fixture->collection;
    assert_int_equal(armdb_collection_open(fixture->db, "nobody", NULL, &collection),
                     ARMDB_NO_COLLECTION);
    assert_null(collection);
    expect_message(ARMDB_NO_COLLECTION, "\"nobody\"");
    assert_int_equal(armdb_collection_drop(fixture->db, "nobody"), ARMDB_NO_COLLECTION);
}

static void
test_api_collection__other_key_size__is_a_mismatch(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_collection *collection;
    options.key_bytes = 16;
    assert_ok(armdb_collection_create(fixture->db, "made", &options, &collection));
    options.key_bytes = 8;
    assert_int_equal(armdb_collection_open(fixture->db, "made", &options, &collection),
                     ARMDB_MISMATCH);
    assert_null(collection);
    expect_message(ARMDB_MISMATCH, "stored as 16, asked was 8");
}

static void
test_api_collection__dropped__keeps_its_handle_and_refuses(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *first, *second;
    armdb_collection_info info;
    assert_ok(armdb_collection_create(fixture->db, "name", NULL, &first));
    put(first, "key", "value");
    assert_ok(armdb_collection_drop(fixture->db, "name"));
    assert_int_equal(armdb_put(first, armdb_str("key"), armdb_str("value"), NULL),
                     ARMDB_NO_COLLECTION);
    assert_int_equal(armdb_collection_get_info(first, &info), ARMDB_NO_COLLECTION);
    assert_int_equal(info.name[0], 0);
    assert_ok(armdb_collection_create(fixture->db, "name", NULL, &second));
    assert_ptr_not_equal(first, second);
    assert_ok(armdb_collection_get_info(second, &info));
    assert_int_equal(info.id, 2);
    assert_int_equal(info.keys, 0);
    assert_int_equal(armdb_put(first, armdb_str("key"), armdb_str("value"), NULL),
                     ARMDB_NO_COLLECTION);
    put(second, "key", "other");
    assert_int_equal(armdb_collection_drop(fixture->db, "default"), ARMDB_INVALID);
}

static void
test_api_collection__list_and_info__agree(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection_info infos[4], info;
    armdb_collection *made;
    size_t count = 0;
    assert_ok(armdb_collection_create(fixture->db, "made", NULL, &made));
    put(made, "key", "value");
    assert_ok(armdb_collection_list(fixture->db, infos, 4, &count));
    assert_int_equal(count, 2);
    assert_ok(armdb_collection_get_info(made, &info));
    assert_memory_equal(&infos[1], &info, sizeof info);
    assert_string_equal(info.name, "made");
    assert_int_equal(info.keys, 1);
    assert_ok(armdb_collection_list(fixture->db, NULL, 0, &count));
    assert_int_equal(count, 2);
}

static void
test_api_collection__nulls__are_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *collection = fixture->collection;
    size_t count = 7;
    assert_int_equal(armdb_collection_create(fixture->db, "name", NULL, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_collection_create(fixture->db, NULL, NULL, &collection), ARMDB_INVALID);
    assert_null(collection);
    expect_message(ARMDB_INVALID, "name is NULL");
    assert_int_equal(armdb_collection_open(fixture->db, NULL, NULL, &collection), ARMDB_INVALID);
    assert_int_equal(armdb_collection_open(fixture->db, "name", NULL, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_collection_drop(fixture->db, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_collection_list(fixture->db, NULL, 3, &count), ARMDB_INVALID);
    assert_int_equal(count, 0);
    assert_int_equal(armdb_collection_list(fixture->db, NULL, 0, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_collection_get_info(fixture->collection, NULL), ARMDB_INVALID);
}

static void
test_api_collection__no_memory_at_any_step__is_told(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *collection;
    for (uint64_t n = 1;; n++) {
        adb_mem_fail_at(n, false);
        armdb_err err = armdb_collection_create(fixture->db, "made", NULL, &collection);
        bool has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        if (!has_failed) {
            assert_ok(err);
            break;
        }
        assert_int_equal(err, ARMDB_NO_MEMORY);
        assert_null(collection);
        assert_true(n < 100);
        /* The call did nothing: the name is free. */
        assert_int_equal(armdb_collection_open(fixture->db, "made", NULL, &collection),
                         ARMDB_NO_COLLECTION);
    }
}

static void
test_api_collection__closed_or_foreign_handle__is_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *collection = fixture->collection;
    armdb_db *closed = fixture->db;
    armdb_db *foreign;
    armdb_collection_info info = {.id = 9};
    size_t count = 7;
    close_db(fixture);
    expect_refused(armdb_collection_create(closed, "a", NULL, &collection), ARMDB_CLOSED);
    expect_refused(armdb_collection_open(closed, "a", NULL, &collection), ARMDB_CLOSED);
    expect_refused(armdb_collection_drop(closed, "a"), ARMDB_CLOSED);
    expect_refused(armdb_collection_list(closed, NULL, 0, &count), ARMDB_CLOSED);
    expect_refused(armdb_default(closed) == NULL ? ARMDB_OK : ARMDB_IO, ARMDB_OK);
    expect_refused(armdb_collection_get_info(fixture->collection, &info), ARMDB_CLOSED);
#ifdef NDEBUG
    assert_null(collection);
    assert_int_equal(count, 0);
    assert_int_equal(info.id, 0);
#endif
    open_db(fixture);
    foreign = (armdb_db *)fixture->collection;
    expect_refused(armdb_collection_drop(foreign, "a"), ARMDB_CLOSED);
    expect_refused(armdb_collection_get_info((armdb_collection *)fixture->db, &info), ARMDB_CLOSED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_api_collection__default__is_the_same_handle_however_it_is_got),
        API_TEST(test_api_collection__created_and_opened__are_one_handle),
        API_TEST(test_api_collection__unknown__is_no_collection),
        API_TEST(test_api_collection__other_key_size__is_a_mismatch),
        API_TEST(test_api_collection__dropped__keeps_its_handle_and_refuses),
        API_TEST(test_api_collection__list_and_info__agree),
        API_TEST(test_api_collection__nulls__are_refused),
        API_TEST(test_api_collection__no_memory_at_any_step__is_told),
        API_TEST(test_api_collection__closed_or_foreign_handle__is_refused),
    };
    return cmocka_run_group_tests_name("api/api_collection", tests, NULL, NULL);
}
