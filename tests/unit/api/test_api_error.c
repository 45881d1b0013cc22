/* Names, texts and numbers of errors, and the record of each thread. */
#include "api_fixture.h"
#include "base/err.h"
#include "os/thread.h"

static void
test_api_error__every_code__has_a_name_and_a_text_of_its_own(void **state)
{
    (void)state;
    static const struct {
        armdb_err err;
        const char *name;
    } codes[] = {
#define ROW(name, number, text) {name, #name},
        ARMDB_ERROR_MAP(ROW)
#undef ROW
    };
    const size_t count = sizeof codes / sizeof *codes;
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(armdb_err_name(codes[i].err), codes[i].name);
        assert_true(strlen(armdb_strerror(codes[i].err)) > 1);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(codes[i].err, codes[k].err);
            assert_string_not_equal(armdb_strerror(codes[i].err), armdb_strerror(codes[k].err));
        }
    }
}

static void
test_api_error__numbers__are_those_of_version_1(void **state)
{
    (void)state;
    assert_int_equal(ARMDB_OK, 0);
    assert_int_equal(ARMDB_NOT_FOUND, -1);
    assert_int_equal(ARMDB_EXISTS, -2);
    assert_int_equal(ARMDB_END, -3);
    assert_int_equal(ARMDB_INVALID, -20);
    assert_int_equal(ARMDB_KEY_LENGTH, -21);
    assert_int_equal(ARMDB_TOO_BIG, -22);
    assert_int_equal(ARMDB_BUFFER_TOO_SMALL, -23);
    assert_int_equal(ARMDB_MISMATCH, -24);
    assert_int_equal(ARMDB_NO_COLLECTION, -25);
    assert_int_equal(ARMDB_NO_DATABASE, -26);
    assert_int_equal(ARMDB_BUSY, -27);
    assert_int_equal(ARMDB_CLOSED, -28);
    assert_int_equal(ARMDB_IO, -40);
    assert_int_equal(ARMDB_NO_SPACE, -41);
    assert_int_equal(ARMDB_NO_MEMORY, -42);
    assert_int_equal(ARMDB_CORRUPT, -43);
    assert_int_equal(ARMDB_FORMAT, -44);
    assert_int_equal(ARMDB_READ_ONLY, -45);
    assert_int_equal(ARMDB_FAILED, -46);
    assert_int_equal(ARMDB_LIMIT, -47);
}

static void
test_api_error__unknown_number__has_a_text_too(void **state)
{
    (void)state;
    assert_string_equal(armdb_strerror((armdb_err)-99), "unknown error");
    assert_string_equal(armdb_strerror((armdb_err)7), "unknown error");
    assert_string_equal(armdb_err_name((armdb_err)-99), "ARMDB_UNKNOWN");
}

static void *
look_at_own_record(void *context)
{
    armdb_last_error((armdb_error_detail *)context);
    return NULL;
}

static void
test_api_error__record__belongs_to_the_thread(void **state)
{
    (void)state;
    armdb_error_detail detail = {.code = ARMDB_IO};
    struct adb_thread thread;
    assert_int_equal(adb_fail_at(ARMDB_CORRUPT, "test", "/some/file", 17, "message %d", 5),
                     ARMDB_CORRUPT);
    assert_ok(adb_thread_start(&thread, look_at_own_record, &detail));
    adb_thread_join(&thread);
    assert_int_equal(detail.code, ARMDB_OK);
    assert_int_equal(detail.message[0], 0);
    armdb_last_error(&detail);
    assert_int_equal(detail.code, ARMDB_CORRUPT);
    assert_string_equal(detail.operation, "test");
    assert_string_equal(detail.file, "/some/file");
    assert_int_equal(detail.offset, 17);
    assert_string_equal(detail.message, "message 5");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_api_error__every_code__has_a_name_and_a_text_of_its_own),
        cmocka_unit_test(test_api_error__numbers__are_those_of_version_1),
        cmocka_unit_test(test_api_error__unknown_number__has_a_text_too),
        cmocka_unit_test(test_api_error__record__belongs_to_the_thread),
    };
    return cmocka_run_group_tests_name("api/api_error", tests, NULL, NULL);
}
