/* The heap: failing on demand, overflow, and plain use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"

static int
end_faults(void **state)
{
    (void)state;
    adb_mem_fail_at(0, false);
    return 0;
}

static void
test_mem__zalloc__zeroed_and_aligned(void **state)
{
    (void)state;
    static const unsigned char zeros[4096] = {0};
    unsigned char *memory = (unsigned char *)adb_mem_zalloc(64, 64);
    assert_non_null(memory);
    assert_memory_equal(memory, zeros, sizeof zeros);
    assert_int_equal((uintptr_t)memory % 16, 0);
    adb_mem_free(memory);
    void *plain = adb_mem_alloc(100);
    assert_non_null(plain);
    assert_int_equal((uintptr_t)plain % 16, 0);
    adb_mem_free(plain);
    adb_mem_free(NULL);
}

static void
test_mem__product_overflows__null(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* their calloc() stops the program instead */
#endif
    /* The factors come through memory, so that no compiler warns of the product. */
    const volatile size_t big = SIZE_MAX / 2 + 2;
    assert_null(adb_mem_zalloc(big, 2));
    assert_null(adb_mem_zalloc(3, big));
}

static void
test_mem__realloc__keeps_content(void **state)
{
    (void)state;
    char *memory = (char *)adb_mem_alloc(8);
    assert_non_null(memory);
    memcpy(memory, "1234567", 8);
    memory = (char *)adb_mem_realloc(memory, 100000);
    assert_non_null(memory);
    assert_string_equal(memory, "1234567");
    adb_mem_free(memory);
}

static void
test_mem__strdup__copies(void **state)
{
    (void)state;
    const char *text = "some text";
    char *copy = adb_mem_strdup(text);
    assert_string_equal(copy, text);
    assert_ptr_not_equal(copy, text);
    adb_mem_free(copy);
    copy = adb_mem_strdup("");
    assert_string_equal(copy, "");
    adb_mem_free(copy);
}

static void
test_mem__nth_fails_once__others_do_not(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 5; n++) {
        adb_mem_fail_at(n, false);
        assert_false(adb_mem_has_failed());
        for (uint64_t i = 1; i <= 8; i++) {
            void *memory = i % 2 == 0 ? adb_mem_alloc(16) : adb_mem_zalloc(2, 8);
            assert_int_equal(memory == NULL, i == n);
            assert_int_equal(adb_mem_has_failed(), i >= n);
            adb_mem_free(memory);
        }
    }
}

static void
test_mem__persistent__all_later_fail(void **state)
{
    (void)state;
    char *kept = adb_mem_strdup("kept");
    adb_mem_fail_at(2, true);
    void *first = adb_mem_alloc(16);
    assert_non_null(first);
    assert_null(adb_mem_alloc(16));
    assert_null(adb_mem_zalloc(1, 16));
    assert_null(adb_mem_strdup("text"));
    assert_null(adb_mem_realloc(kept, 1000));
    assert_string_equal(kept, "kept");
    assert_true(adb_mem_has_failed());
    adb_mem_fail_at(0, false);
    assert_false(adb_mem_has_failed());
    kept = (char *)adb_mem_realloc(kept, 1000);
    assert_non_null(kept);
    adb_mem_free(kept);
    adb_mem_free(first);
}

static void
test_mem__new__one_and_many(void **state)
{
    (void)state;
    struct pair {
        uint64_t a, b;
    };
    struct pair *one = adb_new(struct pair);
    struct pair *many = adb_new_array(struct pair, 10);
    assert_non_null(one);
    assert_non_null(many);
    assert_true(one->a == 0 && many[9].b == 0);
    adb_mem_free(one);
    adb_mem_free(many);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem__zalloc__zeroed_and_aligned),
        cmocka_unit_test(test_mem__product_overflows__null),
        cmocka_unit_test(test_mem__realloc__keeps_content),
        cmocka_unit_test(test_mem__strdup__copies),
        cmocka_unit_test_teardown(test_mem__nth_fails_once__others_do_not, end_faults),
        cmocka_unit_test_teardown(test_mem__persistent__all_later_fail, end_faults),
        cmocka_unit_test(test_mem__new__one_and_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
