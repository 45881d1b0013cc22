/* Sorting by keys, against the library's own sort, with keys of all kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/key_sort.h"
#include "base/mem.h"
#include "support/seed.h"

enum { N_MAX = 30000 };

struct thing {
    uint32_t group;
    uint32_t number; /* in the order of adding; the payload */
    uint32_t len;
    unsigned char key[64];
};

static struct thing things[N_MAX];

static int
compare(const void *a, const void *b)
{
    const struct thing *x = (const struct thing *)a;
    const struct thing *y = (const struct thing *)b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    int order = memcmp(x->key, y->key, x->len < y->len ? x->len : y->len);
    if (order == 0 && x->len != y->len)
        order = x->len < y->len ? -1 : 1;
    if (order == 0)
        order = x->number < y->number ? -1 : 1;
    return order;
}

static bool
is_same(const struct thing *a, const struct thing *b)
{
    return a->group == b->group && a->len == b->len && memcmp(a->key, b->key, a->len) == 0;
}

/* Sorts `n` things both ways, and compares. */
static void
check(struct adb_key_sort *sort, uint32_t n)
{
    struct adb_key_sorted sorted;
    for (uint32_t i = 0; i < n; i++) {
        const armdb_slice key = {things[i].key, things[i].len};
        things[i].number = i;
        void *payload = adb_key_sort_add(sort, things[i].group, key, sizeof things[i].number);
        assert_non_null(payload);
        assert_int_equal((uintptr_t)payload % 8, 0);
        memcpy(payload, &things[i].number, sizeof things[i].number);
    }
    assert_int_equal(adb_key_sort_count(sort), n);
    adb_key_sort_run(sort);
    qsort(things, n, sizeof things[0], compare);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(adb_key_sort_next(sort, &sorted));
        assert_int_equal(sorted.group, things[i].group);
        assert_int_equal(sorted.key.len, things[i].len);
        assert_memory_equal(sorted.key.data, things[i].key, things[i].len);
        assert_memory_equal(sorted.payload, &things[i].number, sizeof things[i].number);
        assert_int_equal(sorted.is_last, i + 1 == n || !is_same(&things[i], &things[i + 1]));
    }
    assert_false(adb_key_sort_next(sort, &sorted));
    adb_key_sort_clear(sort);
}

/* Makes keys of `len` bytes (a random length up to 64 if that is 0) of so many values each. */
static void
make_keys(struct test_rng *rng, uint32_t n, uint32_t len, uint32_t values, uint32_t groups)
{
    for (uint32_t i = 0; i < n; i++) {
        struct thing *thing = &things[i];
        memset(thing, 0, sizeof *thing);
        thing->group = (uint32_t)test_rng_below(rng, groups);
        thing->len = len != 0 ? len : 1 + (uint32_t)test_rng_below(rng, sizeof thing->key);
        for (uint32_t at = 0; at < thing->len; at++)
            thing->key[at] = (unsigned char)test_rng_below(rng, values);
    }
}

static void
test_key_sort__random_keys__as_the_library_sorts(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {1, 3, 8, 16, 40, 0};
    static const uint32_t values[] = {1, 2, 10, 256};
    static const uint32_t groups[] = {1, 3, ADB_KEY_SORT_GROUP_MAX + 1};
    static const uint32_t counts[] = {0, 1, 2, 17, 1000};
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    struct adb_key_sort *sort = adb_key_sort_new((size_t)8 << 20);
    assert_non_null(sort);
    for (size_t l = 0; l < 6; l++) {
        for (size_t v = 0; v < 4; v++) {
            for (size_t g = 0; g < 3; g++) {
                for (size_t c = 0; c < 5; c++) {
                    make_keys(&rng, counts[c], lengths[l], values[v], groups[g]);
                    check(sort, counts[c]);
                }
            }
        }
    }
    make_keys(&rng, N_MAX, 16, 256, 1);
    check(sort, N_MAX);
    adb_key_sort_free(sort);
}

static void
test_key_sort__shared_beginnings__as_the_library_sorts(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_fork(test_seed(), 2);
    struct adb_key_sort *sort = adb_key_sort_new((size_t)16 << 20);
    assert_non_null(sort);
    for (uint32_t round = 0; round < 8; round++) {
        uint32_t n = round % 2 == 0 ? N_MAX : 3000;
        make_keys(&rng, n, 50, 256, 1 + round % 3);
        for (uint32_t i = 0; i < n; i++) {
            /* One of a few beginnings of 40 bytes; in every fourth round the rest is zeros, and
             * keys differ in length alone. */
            memset(things[i].key, (int)test_rng_below(&rng, round % 4 + 1), 40);
            if (round % 4 != 3)
                continue;
            memset(things[i].key, 0, 50);
            things[i].len = 1 + (uint32_t)test_rng_below(&rng, 50);
        }
        check(sort, n);
    }
    adb_key_sort_free(sort);
}

static void
test_key_sort__full__says_so(void **state)
{
    (void)state;
    struct adb_key_sort *sort = adb_key_sort_new(ADB_KEY_SORT_BYTES_MIN);
    static const unsigned char longest[ADB_KEY_SORT_KEY_MAX] = {0};
    struct adb_key_sorted sorted;
    const armdb_slice key = {longest, sizeof longest};
    const armdb_slice small = {"k", 1};
    assert_non_null(sort);
    for (uint32_t round = 0; round < 2; round++) {
        assert_non_null(adb_key_sort_add(sort, 0, key, ADB_KEY_SORT_PAYLOAD_MAX));
        assert_null(adb_key_sort_add(sort, 0, key, ADB_KEY_SORT_PAYLOAD_MAX));
        uint32_t n = 0;
        while (adb_key_sort_add(sort, 0, small, 0) != NULL)
            n++;
        assert_true(n > 16 && n < ADB_KEY_SORT_BYTES_MIN / 16);
        adb_key_sort_run(sort);
        assert_true(adb_key_sort_next(sort, &sorted));
        assert_int_equal(sorted.key.len, ADB_KEY_SORT_KEY_MAX); /* zeros */
        adb_key_sort_clear(sort);
    }
    adb_key_sort_free(sort);
}

static void
test_key_sort__memory_is_out__none(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 4; n++) {
        adb_mem_fail_at(n, false);
        assert_null(adb_key_sort_new(ADB_KEY_SORT_BYTES_MIN));
        adb_mem_fail_at(0, false);
    }
    adb_key_sort_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_sort__random_keys__as_the_library_sorts),
        cmocka_unit_test(test_key_sort__shared_beginnings__as_the_library_sorts),
        cmocka_unit_test(test_key_sort__full__says_so),
        cmocka_unit_test(test_key_sort__memory_is_out__none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
