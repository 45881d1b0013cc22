/* Large mappings: aligned, zero, given back but still readable, failing when told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/mem.h"
#include "os/mapping.h"

enum { PAGE = 4096, LARGE = 2 << 20 };

static size_t
count_resident(unsigned char *map, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i += PAGE) {
        unsigned char is_there;
        assert_int_equal(mincore(map + i, PAGE, &is_there), 0);
        n += is_there & 1u;
    }
    return n;
}

static void
test_mapping__new__is_aligned_zero_and_costs_nothing(void **state)
{
    (void)state;
    const size_t sizes[] = {1, PAGE, 3 * PAGE + 5, LARGE, LARGE + PAGE};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t alignment = PAGE; alignment <= LARGE; alignment *= 512) {
            unsigned char *map = (unsigned char *)adb_mapping_new(sizes[i], alignment);
            assert_non_null(map);
            assert_int_equal((uintptr_t)map % alignment, 0);
            assert_int_equal(count_resident(map, sizes[i]), 0);
            assert_int_equal(map[0], 0);
            assert_int_equal(map[sizes[i] - 1], 0);
            memset(map, 1, sizes[i]);
            adb_mapping_free(map, sizes[i]);
        }
    }
    adb_mapping_free(NULL, 5);
}

static void
test_mapping__discarded__reads_as_zeros(void **state)
{
    (void)state;
    unsigned char *map = (unsigned char *)adb_mapping_new(LARGE, LARGE);
    assert_non_null(map);
    adb_mapping_use_large_pages(map, LARGE);
    memset(map, 1, LARGE);
    adb_mapping_use_small_pages(map, LARGE);
    adb_mapping_discard(map + PAGE, LARGE - PAGE);
    assert_int_equal(count_resident(map, LARGE), 1);
    assert_int_equal(map[PAGE - 1], 1);
    assert_int_equal(map[PAGE], 0);
    assert_int_equal(map[LARGE - 1], 0);
    adb_mapping_free(map, LARGE);
}

static void
test_mapping__memory_is_out__is_null(void **state)
{
    (void)state;
    adb_mem_fail_at(1, false);
    assert_null(adb_mapping_new(PAGE, PAGE));
    assert_true(adb_mem_has_failed());
    adb_mem_fail_at(0, false);
    assert_null(adb_mapping_new(SIZE_MAX - PAGE, LARGE));
    assert_null(adb_mapping_new((size_t)1 << 60, PAGE));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping__new__is_aligned_zero_and_costs_nothing),
        cmocka_unit_test(test_mapping__discarded__reads_as_zeros),
        cmocka_unit_test(test_mapping__memory_is_out__is_null),
    };
    return cmocka_run_group_tests_name("os/mapping", tests, NULL, NULL);
}
