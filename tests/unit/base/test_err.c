/* The detail record: what it says, for whom, and who leaves it alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "armdb/armdb.h"
#include "base/err.h"
#include "os/thread.h"

static void
test_err__fail__fills_the_record(void **state)
{
    (void)state;
    assert_int_equal(adb_fail(ARMDB_INVALID, "options", "%s is %d", "shards", 300), ARMDB_INVALID);
    const armdb_error_detail *detail = adb_err_detail();
    assert_int_equal(detail->code, ARMDB_INVALID);
    assert_int_equal(detail->os_errno, 0);
    assert_int_equal(detail->offset, 0);
    assert_string_equal(detail->operation, "options");
    assert_string_equal(detail->file, "");
    assert_string_equal(detail->message, "shards is 300");
}

static void
test_err__fail_at__names_the_place(void **state)
{
    (void)state;
    assert_int_equal(adb_fail_at(ARMDB_CORRUPT, "recover", "/db/x.log", 4096, "bad"),
                     ARMDB_CORRUPT);
    const armdb_error_detail *detail = adb_err_detail();
    assert_int_equal(detail->code, ARMDB_CORRUPT);
    assert_int_equal(detail->offset, 4096);
    assert_string_equal(detail->file, "/db/x.log");
    assert_string_equal(detail->message, "bad");
}

static void
test_err__no_file__empty_name(void **state)
{
    (void)state;
    assert_int_equal(adb_fail_at(ARMDB_IO, "entropy", NULL, 0, "bad"), ARMDB_IO);
    assert_string_equal(adb_err_detail()->file, "");
}

static void
test_err__next_failure__leaves_nothing_of_the_last(void **state)
{
    (void)state;
    assert_int_equal(adb_fail_errno(EIO, "read", "/db/x.log", 77), ARMDB_IO);
    assert_int_equal(adb_fail(ARMDB_INVALID, "o", "m"), ARMDB_INVALID);
    const armdb_error_detail expected = {.code = ARMDB_INVALID, .operation = "o", .message = "m"};
    assert_memory_equal(adb_err_detail(), &expected, sizeof expected);
}

static void
test_err__long_path__keeps_the_tail(void **state)
{
    (void)state;
    char path[600];
    const size_t capacity = sizeof adb_err_detail()->file;
    for (size_t len = capacity - 2; len <= capacity + 1; len++) {
        for (size_t i = 0; i < len; i++)
            path[i] = (char)('a' + i % 26);
        path[len] = '\0';
        assert_int_equal(adb_fail_at(ARMDB_IO, "read", path, 0, "bad"), ARMDB_IO);
        size_t skipped = len < capacity ? 0 : len - capacity + 1;
        assert_string_equal(adb_err_detail()->file, path + skipped);
    }
    memset(path, 'd', sizeof path);
    memcpy(path + sizeof path - sizeof "/0000000001.log", "/0000000001.log",
           sizeof "/0000000001.log");
    assert_int_equal(adb_fail_at(ARMDB_IO, "read", path, 0, "bad"), ARMDB_IO);
    assert_int_equal(strlen(adb_err_detail()->file), capacity - 1);
    assert_non_null(strstr(adb_err_detail()->file, "/0000000001.log"));
}

static void
test_err__long_texts__are_cut(void **state)
{
    (void)state;
    char text[700];
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(adb_fail(ARMDB_INVALID, text, "%s", text), ARMDB_INVALID);
    assert_int_equal(strlen(adb_err_detail()->message), sizeof adb_err_detail()->message - 1);
    assert_int_equal(strlen(adb_err_detail()->operation), sizeof adb_err_detail()->operation - 1);
}

static void
test_err__key__is_shown_as_text_or_hex_and_cut(void **state)
{
    (void)state;
    const armdb_error_detail *detail = adb_err_detail();
    char text[700];
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(adb_fail(ARMDB_CORRUPT, "read", "bad"), ARMDB_CORRUPT);
    adb_err_name_key((armdb_slice){"a key", 5});
    assert_string_equal(detail->message, "bad, key a key");
    assert_int_equal(adb_fail(ARMDB_CORRUPT, "read", "bad"), ARMDB_CORRUPT);
    adb_err_name_key((armdb_slice){"\0a\xff", 3});
    assert_string_equal(detail->message, "bad, key 0x0061ff");
    assert_int_equal(adb_fail(ARMDB_CORRUPT, "read", "bad"), ARMDB_CORRUPT);
    adb_err_name_key((armdb_slice){text, 41});
    assert_string_equal(detail->message, "bad, key mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm...");
    assert_int_equal(adb_fail(ARMDB_CORRUPT, "read", "%s", text), ARMDB_CORRUPT);
    adb_err_name_key((armdb_slice){text, 41});
    assert_int_equal(strlen(detail->message), sizeof detail->message - 1);
}

static void
test_err__errno__maps_to_code(void **state)
{
    (void)state;
    static const struct {
        int os_errno;
        armdb_err code;
    } cases[] = {
        {ENOSPC, ARMDB_NO_SPACE}, {EDQUOT, ARMDB_NO_SPACE},  {ENOMEM, ARMDB_NO_MEMORY},
        {EROFS, ARMDB_READ_ONLY}, {EACCES, ARMDB_READ_ONLY}, {EPERM, ARMDB_READ_ONLY},
        {EIO, ARMDB_IO},          {EMFILE, ARMDB_IO},        {12345, ARMDB_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(adb_fail_errno(cases[i].os_errno, "write", "/f", 9), cases[i].code);
        const armdb_error_detail *detail = adb_err_detail();
        assert_int_equal(detail->code, cases[i].code);
        assert_int_equal(detail->os_errno, cases[i].os_errno);
        assert_int_equal(detail->offset, 9);
        assert_string_equal(detail->file, "/f");
        assert_memory_equal(detail->message, "write: ", 7);
        assert_true(strlen(detail->message) > 7);
    }
}

static void
test_err__restored__as_if_raised_here(void **state)
{
    (void)state;
    assert_int_equal(adb_fail_errno(ENOSPC, "write", "/f", 9), ARMDB_NO_SPACE);
    const armdb_error_detail kept = *adb_err_detail();
    assert_int_equal(adb_fail(ARMDB_INVALID, "o", "m"), ARMDB_INVALID);
    assert_int_equal(adb_err_restore(&kept), ARMDB_NO_SPACE);
    assert_memory_equal(adb_err_detail(), &kept, sizeof kept);
}

static void
test_err__first__is_the_first_failure(void **state)
{
    (void)state;
    assert_int_equal(adb_err_first(ARMDB_OK, ARMDB_OK), ARMDB_OK);
    assert_int_equal(adb_err_first(ARMDB_OK, ARMDB_IO), ARMDB_IO);
    assert_int_equal(adb_err_first(ARMDB_BUSY, ARMDB_IO), ARMDB_BUSY);
    assert_int_equal(adb_err_first(ARMDB_BUSY, ARMDB_OK), ARMDB_BUSY);
}

static armdb_err
try_it(armdb_err first, int *reached)
{
    ADB_TRY(first);
    (*reached)++;
    return ARMDB_END;
}

static void
test_err__try__returns_on_failure_only(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(try_it(ARMDB_IO, &reached), ARMDB_IO);
    assert_int_equal(reached, 0);
    assert_int_equal(try_it(ARMDB_OK, &reached), ARMDB_END);
    assert_int_equal(reached, 1);
}

static void *
fail_in_thread(void *context)
{
    armdb_error_detail *seen = (armdb_error_detail *)context;
    seen[0] = *adb_err_detail();
    ADB_IGNORE(adb_fail(ARMDB_LIMIT, "thread", "its own"));
    seen[1] = *adb_err_detail();
    return NULL;
}

static void
test_err__threads__each_has_its_own(void **state)
{
    (void)state;
    struct adb_thread thread;
    armdb_error_detail seen[2];
    assert_int_equal(adb_fail(ARMDB_BUSY, "main", "mine"), ARMDB_BUSY);
    assert_int_equal(adb_thread_start(&thread, fail_in_thread, seen), ARMDB_OK);
    adb_thread_join(&thread);
    assert_int_equal(seen[0].code, ARMDB_OK);
    assert_int_equal(seen[1].code, ARMDB_LIMIT);
    assert_string_equal(seen[1].message, "its own");
    assert_int_equal(adb_err_detail()->code, ARMDB_BUSY);
    assert_string_equal(adb_err_detail()->message, "mine");
}

/* The numbers are part of the interface: never changed, never reused. */
static void
test_err__numbers__are_stable(void **state)
{
    (void)state;
    static const struct {
        armdb_err err;
        int number;
    } known[] = {
        {ARMDB_OK, 0},
        {ARMDB_NOT_FOUND, -1},
        {ARMDB_EXISTS, -2},
        {ARMDB_END, -3},
        {ARMDB_INVALID, -20},
        {ARMDB_KEY_LENGTH, -21},
        {ARMDB_TOO_BIG, -22},
        {ARMDB_BUFFER_TOO_SMALL, -23},
        {ARMDB_MISMATCH, -24},
        {ARMDB_NO_COLLECTION, -25},
        {ARMDB_NO_DATABASE, -26},
        {ARMDB_BUSY, -27},
        {ARMDB_CLOSED, -28},
        {ARMDB_IO, -40},
        {ARMDB_NO_SPACE, -41},
        {ARMDB_NO_MEMORY, -42},
        {ARMDB_CORRUPT, -43},
        {ARMDB_FORMAT, -44},
        {ARMDB_READ_ONLY, -45},
        {ARMDB_FAILED, -46},
        {ARMDB_LIMIT, -47},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_int_equal(known[i].err, known[i].number);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err__fail__fills_the_record),
        cmocka_unit_test(test_err__fail_at__names_the_place),
        cmocka_unit_test(test_err__no_file__empty_name),
        cmocka_unit_test(test_err__next_failure__leaves_nothing_of_the_last),
        cmocka_unit_test(test_err__long_path__keeps_the_tail),
        cmocka_unit_test(test_err__long_texts__are_cut),
        cmocka_unit_test(test_err__key__is_shown_as_text_or_hex_and_cut),
        cmocka_unit_test(test_err__errno__maps_to_code),
        cmocka_unit_test(test_err__restored__as_if_raised_here),
        cmocka_unit_test(test_err__first__is_the_first_failure),
        cmocka_unit_test(test_err__try__returns_on_failure_only),
        cmocka_unit_test(test_err__threads__each_has_its_own),
        cmocka_unit_test(test_err__numbers__are_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
