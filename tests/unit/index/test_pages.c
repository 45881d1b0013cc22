/* The page pool: distinct pages, reuse, memory given back, versions, failing allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/mem.h"
#include "index/pages.h"
#include "os/thread.h"

enum { N_PAGES = 3000 };

static int
setup(void **state)
{
    struct adb_pages *pages;
    if (adb_pages_new(&pages) != ARMDB_OK)
        return -1;
    *state = pages;
    return 0;
}

static int
teardown(void **state)
{
    adb_pages_free((struct adb_pages *)*state);
    return 0;
}

static struct adb_page *
take(struct adb_pages *pages)
{
    struct adb_page *page;
    assert_int_equal(adb_pages_take(pages, &page), ARMDB_OK);
    assert_non_null(page);
    assert_int_equal((uintptr_t)page % ADB_PAGE_BYTES, 0);
    return page;
}

static int
compare_pointers(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (void *const *)a;
    uintptr_t y = (uintptr_t) * (void *const *)b;
    return x < y ? -1 : x > y;
}

static void
take_all(struct adb_pages *pages, struct adb_page **all)
{
    for (uint32_t i = 0; i < N_PAGES; i++) {
        all[i] = take(pages);
        memset((void *)all[i], (int)(i % 255) + 1, ADB_PAGE_BYTES);
    }
}

static void
give_all(struct adb_pages *pages, struct adb_page **all)
{
    for (uint32_t i = 0; i < N_PAGES; i++)
        adb_pages_give(pages, all[i], i);
}

static uint32_t
count_resident(struct adb_page *const *all)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < N_PAGES; i++) {
        unsigned char is_there;
        assert_int_equal(mincore((void *)all[i], ADB_PAGE_BYTES, &is_there), 0);
        n += is_there & 1u;
    }
    return n;
}

static void
test_pages__many_taken__are_distinct_and_keep_their_bytes(void **state)
{
    struct adb_pages *pages = (struct adb_pages *)*state;
    static struct adb_page *all[N_PAGES];
    take_all(pages, all);
    assert_int_equal(adb_pages_bytes(pages), (uint64_t)N_PAGES * ADB_PAGE_BYTES);
    for (uint32_t i = 0; i < N_PAGES; i++) {
        const unsigned char *bytes = (const unsigned char *)(const void *)all[i];
        assert_int_equal(bytes[0], i % 255 + 1);
        assert_int_equal(bytes[ADB_PAGE_BYTES - 1], i % 255 + 1);
    }
    qsort(all, N_PAGES, sizeof all[0], compare_pointers);
    for (uint32_t i = 1; i < N_PAGES; i++)
        assert_true((uintptr_t)all[i] - (uintptr_t)all[i - 1] >= ADB_PAGE_BYTES);
    give_all(pages, all);
    assert_int_equal(adb_pages_bytes(pages), 0);
}

static void
test_pages__given_back__are_taken_again(void **state)
{
    struct adb_pages *pages = (struct adb_pages *)*state;
    static struct adb_page *first[N_PAGES];
    static struct adb_page *second[N_PAGES];
    take_all(pages, first);
    give_all(pages, first);
    take_all(pages, second);
    qsort(first, N_PAGES, sizeof first[0], compare_pointers);
    qsort(second, N_PAGES, sizeof second[0], compare_pointers);
    assert_memory_equal(first, second, sizeof first);
    give_all(pages, second);
}

static void
test_pages__many_given_back__leave_memory_but_stay_readable(void **state)
{
    struct adb_pages *pages = (struct adb_pages *)*state;
    static struct adb_page *all[N_PAGES];
    take_all(pages, all);
    assert_int_equal(count_resident(all), N_PAGES);
    give_all(pages, all);
    assert_true(count_resident(all) <= N_PAGES / 4);
    for (uint32_t i = 0; i < N_PAGES; i++) {
        unsigned char byte = *(const unsigned char *)(const void *)all[i];
        assert_true(byte == 0 || byte == i % 255 + 1);
    }
}

static void
test_pages__taken_but_not_touched__cost_no_memory(void **state)
{
    struct adb_pages *pages = (struct adb_pages *)*state;
    struct adb_page *list = NULL;
    struct adb_page *untouched[8];
    for (uint32_t i = 0; i < 8; i++) {
        untouched[i] = take(pages);
        adb_pages_set_link(untouched[i], list);
        list = untouched[i];
    }
    for (uint32_t i = 8; i-- > 0; list = adb_pages_link(list)) {
        unsigned char is_there;
        assert_ptr_equal(list, untouched[i]);
        assert_int_equal(mincore((void *)list, ADB_PAGE_BYTES, &is_there), 0);
        assert_int_equal(is_there & 1, 0);
    }
    assert_null(list);
    for (uint32_t i = 0; i < 8; i++)
        adb_pages_give(pages, untouched[i], 0);
}

static void
test_pages__tended__has_memory_ready_that_is_taken_next(void **state)
{
    enum { SOME = 1500 }; /* of N_PAGES: some chunks */
    struct adb_pages *pages = (struct adb_pages *)*state;
    static struct adb_page *all[N_PAGES];
    adb_pages_tend(pages); /* a pool that has not grown gets nothing */
    for (uint32_t i = 0; i < SOME; i++)
        all[i] = take(pages);
    adb_mem_fail_at(1, true);
    adb_pages_tend(pages); /* memory is out: nobody is told, and nothing is lost */
    adb_mem_fail_at(0, false);
    for (uint32_t i = SOME; i < 2 * SOME; i++)
        all[i] = take(pages);
    adb_pages_tend(pages);
    adb_pages_tend(pages);
    assert_int_equal(adb_pages_bytes(pages), (uint64_t)N_PAGES * ADB_PAGE_BYTES);
    qsort(all, N_PAGES, sizeof all[0], compare_pointers);
    for (uint32_t i = 1; i < N_PAGES; i++)
        assert_true(all[i] != all[i - 1]);
    /* Pages of a chunk that was made ahead have their memory before they are touched. */
    uint32_t n_resident = 0;
    for (uint32_t i = 0; i < SOME; i++) {
        unsigned char is_there;
        struct adb_page *page = take(pages);
        assert_int_equal(mincore((void *)page, ADB_PAGE_BYTES, &is_there), 0);
        n_resident += is_there & 1u;
    }
    assert_true(n_resident >= SOME / 4);
}

static void
test_pages__growing__asks_to_be_tended_soon_and_is_ahead_of_every_page(void **state)
{
    enum { QUIET = 1000, CHUNK = 512 /* more pages than a chunk has */ };
    struct adb_pages *pages = (struct adb_pages *)*state;
    assert_false(adb_pages_tend(pages));
    for (uint32_t i = 0; i < 4 * CHUNK; i++)
        (void)take(pages);
    for (uint32_t round = 0; round < 8; round++) {
        assert_true(adb_pages_tend(pages));
        for (uint32_t i = 0; i < 2 * CHUNK; i++) {
            unsigned char is_there;
            struct adb_page *page = take(pages);
            assert_int_equal(mincore((void *)page, ADB_PAGE_BYTES, &is_there), 0);
            /* Of those that were cut before it was tended first, nobody knows. */
            assert_true(round == 0 || (is_there & 1u) != 0);
        }
    }
    uint32_t n_looks = 0;
    while (adb_pages_tend(pages) && n_looks < QUIET)
        n_looks++;
    assert_in_range(n_looks, 2, QUIET - 1);
    (void)take(pages); /* out of what is there */
    assert_false(adb_pages_tend(pages));
}

static void
test_pages__clock__is_the_highest_version_given_back(void **state)
{
    struct adb_pages *pages = (struct adb_pages *)*state;
    struct adb_page *a = take(pages);
    struct adb_page *b = take(pages);
    assert_int_equal(adb_pages_clock(pages), 0);
    adb_pages_give(pages, a, 1000);
    assert_int_equal(adb_pages_clock(pages), 1000);
    adb_pages_give(pages, b, 500);
    assert_int_equal(adb_pages_clock(pages), 1000);
}

static void
test_pages__allocation_fails__says_so_and_works_later(void **state)
{
    struct adb_pages *pages = (struct adb_pages *)*state;
    static struct adb_page *all[N_PAGES];
    uint32_t n_failures = 0;
    for (uint32_t i = 0; i < N_PAGES; i++) {
        adb_mem_fail_at(1, false);
        armdb_err err = adb_pages_take(pages, &all[i]);
        if (err != ARMDB_OK) {
            n_failures++;
            assert_int_equal(err, ARMDB_NO_MEMORY);
            assert_null(all[i]);
            assert_int_equal(adb_pages_bytes(pages), (uint64_t)i * ADB_PAGE_BYTES);
            adb_mem_fail_at(0, false);
            all[i] = take(pages);
        }
    }
    adb_mem_fail_at(0, false);
    assert_true(n_failures >= N_PAGES / 512);
    give_all(pages, all);
    struct adb_pages *other;
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_pages_new(&other), ARMDB_NO_MEMORY);
    assert_null(other);
    adb_mem_fail_at(0, false);
    adb_pages_free(NULL);
}

/* Takes and gives back; a page that two threads had at once would not keep its mark. */
static void *
run_thread(void *context)
{
    struct adb_pages *pages = (struct adb_pages *)context;
    struct adb_page *mine[300];
    uintptr_t failures = 0;
    for (uint32_t round = 0; round < 40; round++) {
        for (uint32_t i = 0; i < 300; i++) {
            failures += adb_pages_take(pages, &mine[i]) != ARMDB_OK;
            memcpy((void *)mine[i], &mine, sizeof mine[0]);
        }
        for (uint32_t i = 0; i < 300; i++) {
            failures += memcmp((const void *)mine[i], &mine, sizeof mine[0]) != 0;
            adb_pages_give(pages, mine[i], round);
        }
    }
    return failures == 0 ? NULL : context;
}

static void
test_pages__two_threads__share_the_pool(void **state)
{
    struct adb_pages *pages = (struct adb_pages *)*state;
    struct adb_thread threads[2];
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(adb_thread_start(&threads[i], run_thread, pages), ARMDB_OK);
    for (uint32_t i = 0; i < 2; i++)
        adb_thread_join(&threads[i]);
    assert_int_equal(adb_pages_bytes(pages), 0);
    assert_int_equal(adb_pages_clock(pages), 39);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pages__many_taken__are_distinct_and_keep_their_bytes,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages__given_back__are_taken_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages__many_given_back__leave_memory_but_stay_readable,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages__taken_but_not_touched__cost_no_memory, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pages__tended__has_memory_ready_that_is_taken_next,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pages__growing__asks_to_be_tended_soon_and_is_ahead_of_every_page, setup,
            teardown),
        cmocka_unit_test_setup_teardown(test_pages__clock__is_the_highest_version_given_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pages__allocation_fails__says_so_and_works_later,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages__two_threads__share_the_pool, setup, teardown),
    };
    return cmocka_run_group_tests_name("index/pages", tests, NULL, NULL);
}
