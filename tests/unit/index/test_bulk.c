/* Building indexes in bulk does what the changes do one by one, in trees and maps at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/mem.h"
#include "index/bulk.h"
#include "key_shapes.h"
#include "os/thread.h"

enum { INDEXES = 5, KEYS = 3000, VALUE_MAX_BYTES = 256 };

/* Of each index. */
static const struct kind {
    bool is_ordered;
    uint32_t key_bytes;
    uint32_t value_bytes;
    enum shape shape;
} kinds[INDEXES] = {
    {true, 16, 0, SHAPE_RANDOM}, {true, 0, 0, SHAPE_MIXED},   {true, 8, 24, SHAPE_RANDOM},
    {false, 16, 0, SHAPE_DENSE}, {false, 0, 256, SHAPE_LONG},
};

struct bulk_fixture {
    struct adb_pages *pages;
    struct adb_spare spare;
    struct adb_bulk *bulk;
    struct adb_index indexes[INDEXES];
    struct shaped_key keys[INDEXES][KEYS];
    uint64_t expected[INDEXES][KEYS]; /* location */
    uint64_t replaced;                /* sum of the locations that were replaced */
    uint64_t expected_replaced;
};

static void
on_replaced(void *context, armdb_slice key, uint64_t location)
{
    struct bulk_fixture *fixture = (struct bulk_fixture *)context;
    assert_true(key.len > 0);
    fixture->replaced += location;
}

static int
set_up(void **state)
{
    struct bulk_fixture *fixture = (struct bulk_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    assert_int_equal(adb_pages_new(&fixture->pages), ARMDB_OK);
    for (uint32_t i = 0; i < INDEXES; i++) {
        const struct adb_index_config config = {.pages = fixture->pages,
                                                .is_ordered = kinds[i].is_ordered,
                                                .key_bytes = kinds[i].key_bytes,
                                                .value_bytes = kinds[i].value_bytes,
                                                .n_writers = 2,
                                                .seed = 7};
        assert_int_equal(adb_index_init(&fixture->indexes[i], &config), ARMDB_OK);
        for (uint32_t k = 0; k < KEYS; k++)
            make_key(&fixture->keys[i][k], kinds[i].shape, kinds[i].key_bytes, k);
    }
    const struct adb_bulk_config config = {.pages = fixture->pages,
                                           .spare = &fixture->spare,
                                           .n_workers = 1,
                                           .on_replaced = on_replaced,
                                           .context = fixture};
    assert_int_equal(adb_bulk_new(&config, &fixture->bulk), ARMDB_OK);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct bulk_fixture *fixture = (struct bulk_fixture *)*state;
    adb_mem_fail_at(0, false);
    adb_bulk_free(fixture->bulk);
    adb_spare_fini(&fixture->spare, fixture->pages);
    for (uint32_t i = 0; i < INDEXES; i++)
        adb_index_fini(&fixture->indexes[i]);
    assert_int_equal(adb_pages_bytes(fixture->pages), 0);
    adb_pages_free(fixture->pages);
    free(fixture);
    return 0;
}

static void
make_value(uint64_t location, unsigned char *value)
{
    for (uint32_t i = 0; i < VALUE_MAX_BYTES; i++)
        value[i] = (unsigned char)(location * 31 >> i % 20);
}

/* One change of one key: to the expectation and to the bulk. */
static void
change(struct bulk_fixture *fixture, uint32_t index, uint32_t key, uint64_t location)
{
    unsigned char value[VALUE_MAX_BYTES];
    make_value(location, value);
    bool has_value = location != 0 && kinds[index].value_bytes != 0;
    assert_int_equal(adb_bulk_put(fixture->bulk, 10 * index, &fixture->indexes[index],
                                  shaped_slice(&fixture->keys[index][key]), location,
                                  has_value ? value : NULL),
                     ARMDB_OK);
    /* Keys of one shape may be equal: the first of them stands for all. */
    for (uint32_t k = 0; k < KEYS; k++) {
        const struct shaped_key *a = &fixture->keys[index][key];
        const struct shaped_key *b = &fixture->keys[index][k];
        if (a->len != b->len || memcmp(a->bytes, b->bytes, a->len) != 0)
            continue;
        fixture->expected_replaced += fixture->expected[index][k];
        fixture->expected[index][k] = location;
        return;
    }
}

static void
check(struct bulk_fixture *fixture)
{
    unsigned char value[VALUE_MAX_BYTES], expected[VALUE_MAX_BYTES];
    assert_int_equal(fixture->replaced, fixture->expected_replaced);
    for (uint32_t i = 0; i < INDEXES; i++) {
        uint64_t count = 0;
        for (uint32_t k = 0; k < KEYS; k++) {
            uint64_t location = fixture->expected[i][k];
            if (location == 0)
                continue;
            count++;
            assert_int_equal(
                adb_index_get(&fixture->indexes[i], shaped_slice(&fixture->keys[i][k]), value),
                location);
            make_value(location, expected);
            assert_memory_equal(value, expected, kinds[i].value_bytes);
        }
        assert_int_equal(adb_index_count(&fixture->indexes[i]), count);
    }
}

static void
test_bulk__random_changes__as_one_by_one(void **state)
{
    struct bulk_fixture *fixture = (struct bulk_fixture *)*state;
    for (uint32_t round = 0; round < 4 * test_scale(); round++) {
        uint32_t keys = round % 2 == 0 ? KEYS : 50; /* with many changes of the same ones */
        uint32_t n = round % 3 == 2 ? 100 : 4000;
        for (uint32_t i = 0; i < n; i++) {
            bool is_put = random_below(4) != 0;
            change(fixture, random_below(INDEXES), random_below(keys),
                   is_put ? random_location() : 0);
        }
        assert_int_equal(adb_bulk_flush(fixture->bulk), ARMDB_OK);
        check(fixture);
    }
}

static void
test_bulk__nothing__nothing(void **state)
{
    struct bulk_fixture *fixture = (struct bulk_fixture *)*state;
    assert_int_equal(adb_bulk_flush(fixture->bulk), ARMDB_OK);
    assert_int_equal(adb_bulk_flush(fixture->bulk), ARMDB_OK);
    check(fixture);
}

/* More than any run holds, so that runs end by themselves and become longer. */
static void
test_bulk__many_keys__runs_end_by_themselves(void **state)
{
    enum { MANY = 150000 };
    struct bulk_fixture *fixture = (struct bulk_fixture *)*state;
    unsigned char bytes[16] = {0};
    const armdb_slice key = {bytes, sizeof bytes};
    for (uint32_t round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < MANY; i++) {
            uint64_t hash = test_hash(i);
            memcpy(bytes, &hash, sizeof hash);
            assert_int_equal(adb_bulk_put(fixture->bulk, 0, &fixture->indexes[0], key,
                                          1 + i + round * MANY, NULL),
                             ARMDB_OK);
            assert_int_equal(adb_bulk_put(fixture->bulk, 3, &fixture->indexes[3], key,
                                          1 + i + round * MANY, NULL),
                             ARMDB_OK);
            fixture->expected_replaced += round == 0 ? 0 : 2 * (1 + i);
        }
    }
    assert_int_equal(adb_bulk_flush(fixture->bulk), ARMDB_OK);
    assert_int_equal(fixture->replaced, fixture->expected_replaced);
    assert_int_equal(adb_index_count(&fixture->indexes[0]), MANY);
    assert_int_equal(adb_index_count(&fixture->indexes[3]), MANY);
    for (uint64_t i = 0; i < MANY; i += 17) {
        uint64_t hash = test_hash(i);
        memcpy(bytes, &hash, sizeof hash);
        assert_int_equal(adb_index_get(&fixture->indexes[0], key, NULL), 1 + i + MANY);
        assert_int_equal(adb_index_get(&fixture->indexes[3], key, NULL), 1 + i + MANY);
    }
}

/* One of two threads with keys of its own. */
struct worker {
    struct bulk_fixture *fixture;
    struct adb_spare spare;
    uint64_t number;
    uint64_t replaced;
    struct adb_thread thread;
};

enum { WORKERS = 2, EACH = 40000 };

static void
count_replaced(void *context, armdb_slice key, uint64_t location)
{
    struct worker *worker = (struct worker *)context;
    assert_true(key.len == 16 && location % WORKERS == worker->number);
    worker->replaced++;
}

/* Key `i` of a thread: those of both alternate in the order of keys. */
static armdb_slice
worker_key(const struct worker *worker, uint64_t i, unsigned char *bytes)
{
    uint64_t hash = test_hash(i);
    memset(bytes, 0, 16);
    memcpy(bytes, &hash, sizeof hash);
    bytes[8] = (unsigned char)worker->number;
    return (armdb_slice){bytes, 16};
}

static void *
work(void *context)
{
    struct worker *worker = (struct worker *)context;
    struct bulk_fixture *fixture = worker->fixture;
    const struct adb_bulk_config config = {.pages = fixture->pages,
                                           .spare = &worker->spare,
                                           .n_workers = WORKERS,
                                           .on_replaced = count_replaced,
                                           .context = worker};
    struct adb_bulk *bulk;
    unsigned char bytes[16];
    assert_int_equal(adb_bulk_new(&config, &bulk), ARMDB_OK);
    for (uint64_t round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < EACH; i++) {
            const armdb_slice key = worker_key(worker, i, bytes);
            uint64_t location = i % 5 == round ? 0 : (1 + i) * WORKERS + worker->number;
            for (uint32_t index = 0; index <= 3; index += 3)
                assert_int_equal(
                    adb_bulk_put(bulk, index, &fixture->indexes[index], key, location, NULL),
                    ARMDB_OK);
        }
        assert_int_equal(adb_bulk_flush(bulk), ARMDB_OK);
    }
    adb_bulk_free(bulk);
    return NULL;
}

static void
test_bulk__two_threads__each_makes_its_changes(void **state)
{
    struct bulk_fixture *fixture = (struct bulk_fixture *)*state;
    struct worker workers[WORKERS];
    unsigned char bytes[16];
    memset(workers, 0, sizeof workers);
    for (uint32_t w = 0; w < WORKERS; w++) {
        workers[w].fixture = fixture;
        workers[w].number = w;
        assert_int_equal(adb_thread_start(&workers[w].thread, work, &workers[w]), ARMDB_OK);
    }
    for (uint32_t w = 0; w < WORKERS; w++) {
        adb_thread_join(&workers[w].thread);
        adb_spare_fini(&workers[w].spare, fixture->pages);
        assert_int_equal(workers[w].replaced, 2 * EACH / 5 * 4);
    }
    for (uint32_t index = 0; index <= 3; index += 3) {
        assert_int_equal(adb_index_count(&fixture->indexes[index]), WORKERS * EACH / 5 * 4);
        for (uint64_t i = 0; i < WORKERS * EACH; i++) {
            const struct worker *worker = &workers[i % WORKERS];
            uint64_t number = i / WORKERS;
            uint64_t expected = number % 5 == 1 ? 0 : (1 + number) * WORKERS + worker->number;
            assert_int_equal(
                adb_index_get(&fixture->indexes[index], worker_key(worker, number, bytes), NULL),
                expected);
        }
    }
}

static void
test_bulk__memory_is_out__said_so(void **state)
{
    struct bulk_fixture *fixture = (struct bulk_fixture *)*state;
    const struct adb_bulk_config config = {.pages = fixture->pages, .n_workers = 1};
    struct adb_bulk *bulk;
    for (uint64_t n = 1; n <= 5; n++) {
        adb_mem_fail_at(n, false);
        assert_int_equal(adb_bulk_new(&config, &bulk), ARMDB_NO_MEMORY);
        adb_mem_fail_at(0, false);
        assert_null(bulk);
    }
    for (uint32_t key = 0; key < KEYS; key++)
        change(fixture, key % INDEXES, key, key + 1);
    adb_mem_fail_at(1, true);
    assert_int_equal(adb_bulk_flush(fixture->bulk), ARMDB_NO_MEMORY);
    adb_mem_fail_at(0, false);
}

#define WITH_BULK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BULK(test_bulk__random_changes__as_one_by_one),
        WITH_BULK(test_bulk__nothing__nothing),
        WITH_BULK(test_bulk__many_keys__runs_end_by_themselves),
        WITH_BULK(test_bulk__two_threads__each_makes_its_changes),
        WITH_BULK(test_bulk__memory_is_out__said_so),
    };
    seed_keys();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
