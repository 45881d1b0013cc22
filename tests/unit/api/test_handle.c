/* Handles: what they hold, and how closed and foreign ones are told. */
#include "api/handle.h"

#include "api_fixture.h"
#include "base/mem.h"

static struct adb_handle *
new_handle(uint64_t kind, void *object)
{
    struct adb_handle *handle = (struct adb_handle *)adb_handle_new(sizeof(armdb_db), kind, object);
    assert_non_null(handle);
    return handle;
}

static void
test_handle__open_one__gives_its_object_for_its_kind_only(void **state)
{
    (void)state;
    int object = 0;
    struct adb_handle *handle = new_handle(HANDLE_DB, &object);
    assert_ptr_equal(adb_handle_object(handle, HANDLE_DB), &object);
    assert_null(adb_handle_object(handle, HANDLE_COLLECTION));
    assert_null(adb_handle_object(handle, HANDLE_CURSOR));
    assert_null(adb_handle_object(handle, HANDLE_CLOSED + 2));
    assert_null(adb_handle_object(NULL, HANDLE_DB));
    adb_handle_end(handle);
}

static void
test_handle__ended_one__is_still_told_from_memory_that_is_not_ours(void **state)
{
    (void)state;
    int object = 0;
    struct adb_handle *handle = new_handle(HANDLE_CURSOR, &object);
    adb_handle_end(handle);
    for (int i = 0; i < HANDLES_KEPT - 1; i++)
        adb_handle_end(new_handle(HANDLE_CURSOR, &object));
    assert_null(adb_handle_object(handle, HANDLE_CURSOR));
    assert_true(atomic_load(&handle->kind) == HANDLE_CLOSED);
    for (int i = 0; i < 3 * HANDLES_KEPT; i++) /* by now it is freed; AddressSanitizer counts */
        adb_handle_end(new_handle(HANDLE_DB, &object));
}

static void
test_handle__no_memory__is_null(void **state)
{
    (void)state;
    int object = 0;
    adb_mem_fail_at(1, false);
    assert_null(adb_handle_new(sizeof(armdb_db), HANDLE_DB, &object));
    adb_mem_fail_at(0, false);
}

static void
test_handle__refusal__stops_debug_builds_and_is_an_error_else(void **state)
{
    (void)state;
    int object = 0;
    struct adb_handle *handle = new_handle(HANDLE_DB, &object);
    adb_handle_end(handle);
    expect_refused(adb_handle_refuse(handle, "test"), ARMDB_CLOSED);
    assert_int_equal(adb_handle_refuse(NULL, "test"), ARMDB_INVALID);
}

static void
test_handle__slices_and_nulls__are_refused_with_their_names(void **state)
{
    (void)state;
    assert_ok(adb_check_slice("get", "key", armdb_str("x")));
    assert_ok(adb_check_slice("get", "key", armdb_bytes(NULL, 0)));
    assert_int_equal(adb_check_slice("get", "key", armdb_bytes(NULL, 5)), ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "key is NULL, but its length is 5");
    assert_int_equal(adb_refuse_null("get", "len_out"), ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "len_out is NULL");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handle__open_one__gives_its_object_for_its_kind_only),
        cmocka_unit_test(test_handle__ended_one__is_still_told_from_memory_that_is_not_ours),
        cmocka_unit_test(test_handle__no_memory__is_null),
        cmocka_unit_test(test_handle__refusal__stops_debug_builds_and_is_an_error_else),
        cmocka_unit_test(test_handle__slices_and_nulls__are_refused_with_their_names),
    };
    return cmocka_run_group_tests_name("api/handle", tests, NULL, NULL);
}
