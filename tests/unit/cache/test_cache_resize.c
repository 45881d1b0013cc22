/* Budgets: none, tiny, changing while readers run; dropped files; memory given back. */
#include "unit/cache/cache_fixture.h"

#include "base/mem.h"
#include "cache/cache_private.h"
#include "support/seed.h"

enum { FILE_BLOCKS = 3000, MIB = 1 << 20 };

static int
setup(void **state)
{
    return fixture_setup(state, 4 * MIB, UINT64_C(1) << 63, (uint64_t)FILE_BLOCKS * BLOCK);
}

static void
get_blocks(struct adb_cache *cache, struct fake_file *file, uint64_t n)
{
    for (uint64_t block = 0; block < n; block++)
        (void)fake_get(cache, file, block * BLOCK + block % 1000, 100);
}

static uint64_t
count_cached(struct adb_cache *cache, const struct fake_file *file)
{
    uint64_t n = 0;
    for (uint64_t block = 0; block < FILE_BLOCKS; block++)
        n += fake_has(cache, file, block * BLOCK, BLOCK);
    return n;
}

/* The numbers agree with each other and with what is there. */
static struct adb_cache_stats
check_stats(struct fixture *fixture)
{
    struct adb_cache_stats stats = stats_of(fixture->cache);
    assert_int_equal(stats.blocks, count_cached(fixture->cache, &fixture->file));
    assert_int_equal(stats.inserted, stats.blocks + stats.evicted + stats.dropped);
    assert_true(stats.bytes <= stats.budget_bytes || stats.blocks == 0);
    return stats;
}

static void
test_resize__any_budget__is_kept_and_used(void **state)
{
    (void)state;
    struct fake_file file;
    fake_init(&file, 3, (uint64_t)FILE_BLOCKS * BLOCK);
    for (uint64_t budget = 0; budget < 6 * MIB; budget += budget < 100000 ? 1777 : 777777) {
        struct fixture fixture = {.cache = new_cache(budget), .file = file};
        get_blocks(fixture.cache, &fixture.file, FILE_BLOCKS);
        struct adb_cache_stats stats = check_stats(&fixture);
        assert_int_equal(stats.budget_bytes, budget);
        /* Full: another block would not fit. */
        assert_true(stats.bytes + 3 * BLOCK > budget || stats.blocks == FILE_BLOCKS ||
                    (stats.blocks == 0 && budget < 30000));
        if (budget > MIB)
            assert_true(stats.blocks * BLOCK > budget / 100 * 95 || stats.blocks == FILE_BLOCKS);
        adb_cache_free(fixture.cache);
    }
    fake_fini(&file);
}

static void
test_resize__up__keeps_what_is_there(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    get_blocks(fixture->cache, &fixture->file, FILE_BLOCKS);
    uint64_t n_before = check_stats(fixture).blocks;
    assert_int_equal(adb_cache_resize(fixture->cache, 32 * MIB), ARMDB_OK);
    assert_int_equal(check_stats(fixture).blocks, n_before);
    get_blocks(fixture->cache, &fixture->file, FILE_BLOCKS);
    assert_int_equal(check_stats(fixture).blocks, FILE_BLOCKS);
}

static void
test_resize__down__keeps_what_fits_and_gives_memory_back(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const uint64_t budgets[] = {4 * MIB, 3 * MIB + 12345, MIB, 50000, 10, 0};
    assert_int_equal(adb_cache_resize(fixture->cache, 32 * MIB), ARMDB_OK);
    get_blocks(fixture->cache, &fixture->file, FILE_BLOCKS);
    for (uint32_t i = 0; i < sizeof budgets / sizeof budgets[0]; i++) {
        uint64_t n_before = check_stats(fixture).blocks;
        assert_int_equal(adb_cache_resize(fixture->cache, budgets[i]), ARMDB_OK);
        struct adb_cache_stats stats = check_stats(fixture);
        assert_true(stats.blocks < n_before || n_before == 0);
        assert_true((stats.blocks + 40) * BLOCK >= budgets[i] / 100 * 95);
    }
    assert_int_equal(stats_of(fixture->cache).blocks, 0);
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 0, 10), 1);
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 0, 10), 1);
}

static void
test_resize__many_times__needs_few_mappings(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct test_rng rng = test_rng_make(test_seed());
    for (uint32_t i = 0; i < 300; i++) {
        uint64_t budget = test_rng_below(&rng, 16 * MIB);
        assert_int_equal(adb_cache_resize(fixture->cache, budget), ARMDB_OK);
        get_blocks(fixture->cache, &fixture->file, test_rng_below(&rng, FILE_BLOCKS / 10));
        assert_true(stats_of(fixture->cache).bytes <= budget ||
                    stats_of(fixture->cache).blocks == 0);
    }
    uint32_t n_spare = 0;
    for (const struct cache_table *table = fixture->cache->spare_tables; table != NULL;
         table = table->next)
        n_spare++;
    assert_true(n_spare < 16);
    (void)check_stats(fixture);
}

static void
test_resize__allocation_fails__leaves_the_cache_as_it_was(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const uint64_t budgets[] = {11 * MIB, 2 * MIB};
    get_blocks(fixture->cache, &fixture->file, FILE_BLOCKS);
    for (uint32_t i = 0; i < 2; i++) {
        struct adb_cache_stats before = check_stats(fixture);
        bool has_failed = true;
        for (uint64_t n = 1; has_failed; n++) {
            adb_mem_fail_at(n, false);
            armdb_err err = adb_cache_resize(fixture->cache, budgets[i]);
            has_failed = adb_mem_has_failed();
            adb_mem_fail_at(0, false);
            assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
            if (!has_failed)
                break;
            struct adb_cache_stats after = check_stats(fixture);
            assert_int_equal(after.blocks, before.blocks);
            assert_int_equal(after.budget_bytes, before.budget_bytes);
        }
        assert_int_equal(stats_of(fixture->cache).budget_bytes, budgets[i]);
        get_blocks(fixture->cache, &fixture->file, FILE_BLOCKS);
    }
    /* Blocks come in without any allocation. */
    adb_mem_fail_at(1, true);
    get_blocks(fixture->cache, &fixture->file, FILE_BLOCKS);
    assert_true(adb_mem_has_failed() == false);
    adb_mem_fail_at(0, false);
}

static void
test_drop_file__among_others__drops_its_blocks_alone(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct fake_file other;
    fake_init(&other, 9, 300 * BLOCK);
    assert_int_equal(adb_cache_resize(fixture->cache, 32 * MIB), ARMDB_OK);
    get_blocks(fixture->cache, &fixture->file, 1000);
    get_blocks(fixture->cache, &other, 300);
    get_blocks(fixture->cache, &fixture->file, FILE_BLOCKS);
    adb_cache_drop_file(fixture->cache, 12345);
    assert_int_equal(stats_of(fixture->cache).blocks, FILE_BLOCKS + 300);
    adb_cache_drop_file(fixture->cache, other.key);
    assert_int_equal(stats_of(fixture->cache).dropped, 300);
    for (uint64_t block = 0; block < 300; block++)
        assert_false(fake_has(fixture->cache, &other, block * BLOCK, 1));
    assert_int_equal(check_stats(fixture).blocks, FILE_BLOCKS);
    adb_cache_drop_file(fixture->cache, fixture->file.key);
    assert_int_equal(check_stats(fixture).blocks, 0);
    /* Their frames are used again: no more memory is taken. */
    uint64_t bytes = stats_of(fixture->cache).bytes;
    get_blocks(fixture->cache, &fixture->file, FILE_BLOCKS);
    assert_int_equal(stats_of(fixture->cache).bytes, bytes);
    fake_fini(&other);
}

/* ------------------------------------------------------------------ while readers run */

struct reader {
    struct fixture *fixture;
    uint64_t seed;
    atomic_bool *is_over;
    bool is_wrong;
    struct adb_thread thread;
};

static void *
run_reader(void *context)
{
    struct reader *reader = (struct reader *)context;
    struct fake_file *file = &reader->fixture->file;
    const struct adb_cache_source source = fake_source(file);
    struct test_rng rng = test_rng_make(reader->seed);
    unsigned char to[300];
    while (!atomic_load(reader->is_over)) {
        uint32_t reads;
        uint64_t offset = test_rng_below(&rng, (uint64_t)FILE_BLOCKS * BLOCK - sizeof to);
        reader->is_wrong |= adb_cache_read(reader->fixture->cache, &source, offset, sizeof to, to,
                                           &reads) != ARMDB_OK ||
                            !fake_is(file, offset, sizeof to, to);
    }
    return NULL;
}

static void
test_resize__while_readers_run__gives_them_the_files_bytes(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct test_rng rng = test_rng_make(test_seed());
    struct reader readers[2];
    atomic_bool is_over = false;
    for (uint32_t i = 0; i < 2; i++) {
        readers[i] =
            (struct reader){.fixture = fixture, .seed = test_rng_next(&rng), .is_over = &is_over};
        assert_int_equal(adb_thread_start(&readers[i].thread, run_reader, &readers[i]), ARMDB_OK);
    }
    for (uint32_t i = 0; i < 100 * test_scale(); i++) {
        uint64_t budget = i % 10 == 0 ? 0 : test_rng_below(&rng, 16 * MIB);
        assert_int_equal(adb_cache_resize(fixture->cache, budget), ARMDB_OK);
        if (i % 7 == 0)
            adb_cache_drop_file(fixture->cache, fixture->file.key);
    }
    atomic_store(&is_over, true);
    for (uint32_t i = 0; i < 2; i++) {
        adb_thread_join(&readers[i].thread);
        assert_false(readers[i].is_wrong);
    }
    (void)check_stats(fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resize__any_budget__is_kept_and_used),
        CACHE_TEST(test_resize__up__keeps_what_is_there),
        CACHE_TEST(test_resize__down__keeps_what_fits_and_gives_memory_back),
        CACHE_TEST(test_resize__many_times__needs_few_mappings),
        CACHE_TEST(test_resize__allocation_fails__leaves_the_cache_as_it_was),
        CACHE_TEST(test_drop_file__among_others__drops_its_blocks_alone),
        CACHE_TEST(test_resize__while_readers_run__gives_them_the_files_bytes),
    };
    return cmocka_run_group_tests_name("cache/resize", tests, NULL, NULL);
}
