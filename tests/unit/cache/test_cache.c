/* The cache as its users see it: what is read, what is kept, what reads cost, who waits. */
#include "base/bytes.h"
#include "base/crc32c.h"

#include "unit/cache/cache_fixture.h"

#include <sched.h>

#include "base/mem.h"
#include "cache/cache_private.h"

enum { FILE_BLOCKS = 8, FILE_BYTES = FILE_BLOCKS * BLOCK, MANY_BYTES = 4 << 20 };

static int
setup(void **state)
{
    return fixture_setup(state, MANY_BYTES, 7, FILE_BYTES + 100);
}

static void
test_cache__every_edge_of_two_blocks__gives_the_files_bytes(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const uint32_t edges[] = {0,
                              1,
                              7,
                              8,
                              9,
                              BLOCK - 9,
                              BLOCK - 8,
                              BLOCK - 1,
                              BLOCK,
                              BLOCK + 1,
                              BLOCK + 8,
                              BLOCK + 9,
                              2 * BLOCK - 1,
                              2 * BLOCK,
                              2 * BLOCK + 1};
    const uint32_t n_edges = sizeof edges / sizeof edges[0];
    /* First a new cache for each, then all in one that has everything. */
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < n_edges; i++) {
            for (uint32_t k = i; k < n_edges; k++) {
                uint32_t bytes = edges[k] - edges[i];
                bool is_cached = bytes != 0 && (edges[k] - 1) / BLOCK - edges[i] / BLOCK < 2;
                if (round == 0)
                    adb_cache_drop_file(fixture->cache, fixture->file.key);
                uint32_t reads = fake_get(fixture->cache, &fixture->file, edges[i], bytes);
                if (round == 0)
                    assert_int_equal(reads, bytes != 0);
                if (is_cached)
                    assert_int_equal(fake_get(fixture->cache, &fixture->file, edges[i], bytes), 0);
                if (is_cached || bytes == 0)
                    assert_true(fake_has(fixture->cache, &fixture->file, edges[i], bytes));
            }
        }
    }
}

static void
test_cache__every_place_and_length_in_a_block__gives_the_files_bytes(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    assert_int_equal(fake_get(fixture->cache, &fixture->file, BLOCK, 2 * BLOCK), 1);
    for (uint32_t from = BLOCK; from < BLOCK + 20; from++) {
        for (uint32_t bytes = 0; bytes < 100; bytes++) {
            assert_true(fake_has(fixture->cache, &fixture->file, from, bytes));
            assert_true(fake_has(fixture->cache, &fixture->file, 3 * BLOCK - bytes, bytes));
            assert_true(fake_has(fixture->cache, &fixture->file, from + BLOCK - 60, bytes));
        }
    }
}

static void
test_cache__more_than_two_blocks__are_read_as_they_are_and_not_kept(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    assert_int_equal(fake_get(fixture->cache, &fixture->file, BLOCK - 1, BLOCK + 2), 1);
    assert_int_equal(fixture->file.last_offset, BLOCK - 1);
    assert_int_equal(fixture->file.last_bytes, BLOCK + 2);
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 5, 6 * BLOCK), 1);
    assert_int_equal(fixture->file.last_offset, 5);
    assert_int_equal(fixture->file.last_bytes, 6 * BLOCK);
    assert_int_equal(stats_of(fixture->cache).blocks, 0);
    /* Blocks that are there can be had together, as many as there are. */
    for (uint32_t i = 0; i < FILE_BLOCKS; i++)
        assert_int_equal(fake_get(fixture->cache, &fixture->file, i * BLOCK, 1), 1);
    assert_true(fake_has(fixture->cache, &fixture->file, 3, FILE_BYTES - 3));
    assert_false(fake_has(fixture->cache, &fixture->file, 3, FILE_BYTES - 2));
}

static void
test_cache__two_blocks__cost_one_read_for_what_is_missing(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    assert_int_equal(fake_get(fixture->cache, &fixture->file, BLOCK - 10, 20), 1);
    assert_int_equal(fixture->file.last_offset, 0);
    assert_int_equal(fixture->file.last_bytes, 2 * BLOCK);
    /* One of the two is there: the other one is read alone. */
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 2 * BLOCK - 10, 20), 1);
    assert_int_equal(fixture->file.last_offset, 2 * BLOCK);
    assert_int_equal(fixture->file.last_bytes, BLOCK);
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 5 * BLOCK, 10), 1);
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 5 * BLOCK - 10, 20), 1);
    assert_int_equal(fixture->file.last_offset, 4 * BLOCK);
    assert_int_equal(fixture->file.last_bytes, BLOCK);
    struct adb_cache_stats stats = stats_of(fixture->cache);
    assert_int_equal(stats.hits, 2);
    assert_int_equal(stats.misses, 5);
    assert_int_equal(stats.inserted, 5);
    assert_int_equal(stats.blocks, 5);
    assert_int_equal(stats.evicted, 0);
    assert_true(stats.bytes <= stats.budget_bytes);
}

static void
test_cache__partial_tail__is_read_as_wanted_and_never_kept(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    for (uint32_t round = 0; round < 2; round++) {
        assert_int_equal(fake_get(fixture->cache, &fixture->file, FILE_BYTES + 10, 90), 1);
        assert_int_equal(fixture->file.last_offset, FILE_BYTES + 10);
        assert_int_equal(fixture->file.last_bytes, 90);
    }
    assert_int_equal(stats_of(fixture->cache).blocks, 0);
    /* Together with the block before it: one read, of which the whole block is kept. */
    assert_int_equal(fake_get(fixture->cache, &fixture->file, FILE_BYTES - 10, 30), 1);
    assert_int_equal(fixture->file.last_offset, FILE_BYTES - BLOCK);
    assert_int_equal(fixture->file.last_bytes, BLOCK + 20);
    assert_int_equal(stats_of(fixture->cache).blocks, 1);
    assert_true(fake_has(fixture->cache, &fixture->file, FILE_BYTES - 10, 10));
    assert_false(fake_has(fixture->cache, &fixture->file, FILE_BYTES - 10, 11));
    assert_int_equal(fake_get(fixture->cache, &fixture->file, FILE_BYTES - 10, 30), 1);
    assert_int_equal(fixture->file.last_offset, FILE_BYTES);
    assert_int_equal(fixture->file.last_bytes, 20);
    /* The file grew: what was its tail is a whole block now. */
    fixture->file.size = FILE_BYTES + BLOCK;
    assert_int_equal(fake_get(fixture->cache, &fixture->file, FILE_BYTES, 30), 1);
    assert_int_equal(fake_get(fixture->cache, &fixture->file, FILE_BYTES, BLOCK), 0);
    fixture->file.size = FILE_BYTES + BLOCK - 1;
    assert_int_equal(fake_get(fixture->cache, &fixture->file, FILE_BYTES, 30), 1);
}

static void
test_cache__none_or_no_budget__reads_as_asked(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct adb_cache *none[] = {NULL, new_cache(0), new_cache(BLOCK)};
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t round = 0; round < 2; round++) {
            assert_int_equal(fake_get(none[i], &fixture->file, 100, 50), 1);
            assert_int_equal(fixture->file.last_offset, 100);
            assert_int_equal(fixture->file.last_bytes, 50);
        }
        assert_int_equal(fake_get(none[i], &fixture->file, 100, 0), 0);
        assert_false(fake_has(none[i], &fixture->file, 100, 50));
        unsigned char bytes[50];
        struct adb_cache_spot spot;
        adb_cache_ask(none[i], fixture->file.key, 104, &spot);
        adb_cache_approach(&spot, 48);
        assert_false(adb_cache_take(&spot, 48, bytes, &(uint32_t){0}));
        adb_cache_drop_file(none[i], fixture->file.key);
        assert_int_equal(stats_of(none[i]).blocks, 0);
        adb_cache_free(none[i]);
    }
}

static void
test_cache__dropped_blocks__are_read_anew_and_others_stay(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    for (uint32_t i = 0; i < 4; i++)
        fake_get(fixture->cache, &fixture->file, i * BLOCK, 1);
    adb_cache_drop_blocks(fixture->cache, fixture->file.key, 2 * BLOCK - 3, 10);
    assert_true(fake_has(fixture->cache, &fixture->file, 0, 1));
    assert_false(fake_has(fixture->cache, &fixture->file, BLOCK, 1));
    assert_false(fake_has(fixture->cache, &fixture->file, 2 * BLOCK, 1));
    assert_true(fake_has(fixture->cache, &fixture->file, 3 * BLOCK, 1));
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 2 * BLOCK - 3, 10), 1);
    assert_true(fake_has(fixture->cache, &fixture->file, 2 * BLOCK - 3, 10));
    adb_cache_drop_blocks(fixture->cache, fixture->file.key + 1, 0, 10);
    adb_cache_drop_blocks(NULL, fixture->file.key, 0, 10);
    assert_int_equal(stats_of(fixture->cache).dropped, 2);
    assert_int_equal(stats_of(fixture->cache).blocks, 4);
}

static void
test_cache__tended__has_memory_ready_within_the_budget(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const uint64_t budget = 4 * MANY_BYTES;
    assert_int_equal(adb_cache_resize(fixture->cache, budget), ARMDB_OK);
    assert_false(adb_cache_tend(fixture->cache));
    uint64_t before = stats_of(fixture->cache).bytes;
    fake_get(fixture->cache, &fixture->file, 0, 1);
    assert_true(adb_cache_tend(fixture->cache));
    assert_true(stats_of(fixture->cache).bytes > before + CACHE_CHUNK_BYTES / 2);
    assert_true(stats_of(fixture->cache).bytes <= budget);
    assert_false(adb_cache_tend(fixture->cache));
    for (uint32_t i = 0; i < FILE_BLOCKS; i++)
        fake_get(fixture->cache, &fixture->file, i * BLOCK, 1);
    assert_true(adb_cache_tend(fixture->cache));
    assert_true(stats_of(fixture->cache).bytes <= budget);
    assert_int_equal(adb_cache_resize(fixture->cache, 10 * BLOCK), ARMDB_OK);
    assert_false(adb_cache_tend(fixture->cache));
    assert_true(stats_of(fixture->cache).bytes <= 10 * BLOCK);
    assert_false(adb_cache_tend(NULL));
}

static void
test_cache__asked_for__is_taken_if_it_is_there_and_in_one_block(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    enum { SPOT_STEP = 104 };
    unsigned char bytes[200];
    struct adb_cache_spot spots[FILE_BYTES / SPOT_STEP];
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 0, 2 * BLOCK), 1);
    for (uint64_t i = 0; i < FILE_BYTES / SPOT_STEP; i++)
        adb_cache_ask(fixture->cache, fixture->file.key, i * SPOT_STEP, &spots[i]);
    for (uint64_t i = 0; i < FILE_BYTES / SPOT_STEP; i++)
        adb_cache_approach(&spots[i], 152);
    for (uint64_t i = 0; i < FILE_BYTES / SPOT_STEP; i++) {
        uint64_t offset = i * SPOT_STEP;
        bool is_there = offset < 2 * BLOCK && offset % BLOCK + 152 <= BLOCK;
        unsigned char before[8];
        uint32_t crc = 7;
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(adb_cache_take(&spots[i], 152, bytes, &crc), is_there);
        if (!is_there)
            continue;
        assert_true(fake_is(&fixture->file, offset, 152, bytes));
        adb_store_u64(before, offset);
        assert_int_equal(crc, adb_crc32c(adb_crc32c(7, before, sizeof before), bytes + 4, 148));
    }
    assert_int_equal(stats_of(fixture->cache).blocks, 2);
    assert_int_equal(atomic_load(&fixture->file.n_reads), 1);
    adb_cache_drop_file(fixture->cache, fixture->file.key);
    for (uint64_t i = 0; i < FILE_BYTES / SPOT_STEP; i++)
        assert_false(adb_cache_take(&spots[i], 152, bytes, &(uint32_t){0}));
}

/* Takes what is cached with its mark. */
static struct adb_cache_mark
mark_of(struct adb_cache *cache, const struct fake_file *file, uint64_t offset, size_t bytes)
{
    unsigned char to[BLOCK];
    struct adb_cache_spot spot;
    struct adb_cache_mark mark;
    adb_cache_ask(cache, file->key, offset, &spot);
    adb_cache_approach(&spot, bytes);
    assert_true(adb_cache_take_marked(&spot, bytes, to, &mark));
    assert_true(fake_is(file, offset, bytes, to));
    return mark;
}

static void
test_cache__marks__are_of_one_place_of_one_block(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 0, 2 * BLOCK), 1);
    for (uint64_t at = 0; at + 128 <= 2 * BLOCK; at += 128) {
        struct adb_cache_mark mark = mark_of(fixture->cache, &fixture->file, at, 128);
        assert_false(mark.is_set);
        adb_cache_set_mark(&mark);
        assert_true(mark_of(fixture->cache, &fixture->file, at, 128).is_set);
    }
    /* Short ones have none. */
    struct adb_cache_mark none = mark_of(fixture->cache, &fixture->file, 0, 120);
    assert_false(none.is_set);
    adb_cache_set_mark(&none);
    /* One that comes late is not set for what is there by now, in the same frame or not. */
    adb_cache_drop_file(fixture->cache, fixture->file.key);
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 0, 2 * BLOCK), 1);
    struct adb_cache_mark late = mark_of(fixture->cache, &fixture->file, 256, 512);
    assert_false(late.is_set);
    adb_cache_drop_file(fixture->cache, fixture->file.key);
    adb_cache_set_mark(&late);
    for (uint64_t block = 0; block < 3; block++) {
        assert_int_equal(fake_get(fixture->cache, &fixture->file, block * BLOCK, BLOCK), 1);
        adb_cache_set_mark(&late);
        assert_false(mark_of(fixture->cache, &fixture->file, block * BLOCK + 256, 512).is_set);
    }
    adb_cache_set_mark(&(struct adb_cache_mark){0});
}

static void
test_cache__failed_read__is_told_and_leaves_nothing(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const struct adb_cache_source source = fake_source(&fixture->file);
    const struct {
        uint64_t offset;
        size_t bytes;
    } ranges[] = {{0, 10}, {BLOCK - 5, 10}, {FILE_BYTES + 1, 5}, {0, 3 * BLOCK}};
    unsigned char to[3 * BLOCK];
    uint32_t reads;
    for (uint32_t i = 0; i < 4; i++) {
        fixture->file.n_failures = 1;
        assert_int_equal(
            adb_cache_read(fixture->cache, &source, ranges[i].offset, ranges[i].bytes, to, &reads),
            ARMDB_IO);
        assert_int_equal(reads, 1);
        assert_int_equal(adb_err_detail()->code, ARMDB_IO);
        assert_int_equal(stats_of(fixture->cache).blocks, 0);
    }
    assert_int_equal(fake_get(fixture->cache, &fixture->file, BLOCK - 5, 10), 1);
}

static void
test_cache__short_read__is_corrupt_or_not_kept(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const struct adb_cache_source source = fake_source(&fixture->file);
    unsigned char to[3 * BLOCK];
    uint32_t reads;
    fixture->file.gone_behind = BLOCK + 50;
    assert_int_equal(adb_cache_read(fixture->cache, &source, BLOCK + 40, 11, to, &reads),
                     ARMDB_CORRUPT);
    assert_int_equal(adb_err_detail()->code, ARMDB_CORRUPT);
    assert_int_equal(adb_cache_read(fixture->cache, &source, 0, 3 * BLOCK, to, &reads),
                     ARMDB_CORRUPT);
    assert_int_equal(adb_cache_read(fixture->cache, &source, FILE_BYTES, 1, to, &reads),
                     ARMDB_CORRUPT);
    assert_int_equal(stats_of(fixture->cache).blocks, 0);
    /* What is wanted is there, though the block is not whole. */
    assert_int_equal(fake_get(fixture->cache, &fixture->file, BLOCK + 40, 10), 1);
    assert_int_equal(stats_of(fixture->cache).blocks, 0);
    assert_int_equal(adb_cache_read(fixture->cache, &source, BLOCK - 10, 100, to, &reads),
                     ARMDB_CORRUPT);
    assert_int_equal(stats_of(fixture->cache).blocks, 1);
    assert_true(fake_has(fixture->cache, &fixture->file, 0, BLOCK));
}

/* ------------------------------------------------------------------ threads */

struct reader {
    struct adb_cache *cache;
    struct fake_file *file;
    uint64_t offset;
    size_t bytes;
    armdb_err err;
    uint32_t reads;
    bool is_right;
    struct adb_thread thread;
};

static void *
run_reader(void *context)
{
    struct reader *reader = (struct reader *)context;
    unsigned char to[2 * BLOCK];
    const struct adb_cache_source source = fake_source(reader->file);
    reader->err = adb_cache_read(reader->cache, &source, reader->offset, reader->bytes, to,
                                 &reader->reads);
    reader->is_right = reader->err == ARMDB_OK &&
                       fake_is(reader->file, reader->offset, reader->bytes, to);
    return NULL;
}

static void
start_reader(struct fixture *fixture, struct reader *reader, uint64_t offset, size_t bytes)
{
    *reader = (struct reader){
        .cache = fixture->cache, .file = &fixture->file, .offset = offset, .bytes = bytes};
    assert_int_equal(adb_thread_start(&reader->thread, run_reader, reader), ARMDB_OK);
}

static void
await_asleep(struct fixture *fixture, uint64_t n)
{
    while (adb_cache_flights_asleep(&fixture->cache->flights) != n)
        sched_yield();
}

static void
test_cache__misses_of_one_block_at_once__are_one_read(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct reader readers[4];
    fake_set_shut(&fixture->file, true);
    start_reader(fixture, &readers[0], 10, 100);
    fake_await_waiting(&fixture->file, 1);
    for (uint32_t i = 1; i < 4; i++)
        start_reader(fixture, &readers[i], 100 * i, BLOCK - 100 * i);
    await_asleep(fixture, 3);
    /* Another block does not wait for that one, and neither does one that is there. */
    fake_set_shut(&fixture->file, false);
    for (uint32_t i = 0; i < 4; i++) {
        adb_thread_join(&readers[i].thread);
        assert_int_equal(readers[i].err, ARMDB_OK);
        assert_true(readers[i].is_right);
        assert_int_equal(readers[i].reads, i == 0);
    }
    assert_int_equal(atomic_load(&fixture->file.n_reads), 1);
    assert_int_equal(stats_of(fixture->cache).misses, 4);
    assert_int_equal(stats_of(fixture->cache).inserted, 1);
}

static void
test_cache__leader_fails__others_read_by_themselves(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct reader readers[3];
    fake_set_shut(&fixture->file, true);
    fixture->file.n_failures = 2; /* the leader, and one of those who waited */
    start_reader(fixture, &readers[0], 0, 10);
    fake_await_waiting(&fixture->file, 1);
    start_reader(fixture, &readers[1], 0, 10);
    start_reader(fixture, &readers[2], 0, 10);
    await_asleep(fixture, 2);
    fake_set_shut(&fixture->file, false);
    uint32_t n_right = 0;
    for (uint32_t i = 0; i < 3; i++) {
        adb_thread_join(&readers[i].thread);
        n_right += readers[i].is_right;
        assert_true(readers[i].is_right || readers[i].err == ARMDB_IO);
        assert_int_equal(readers[i].reads, 1);
    }
    assert_int_equal(readers[0].err, ARMDB_IO);
    assert_int_equal(n_right, 1);
    assert_true(fake_has(fixture->cache, &fixture->file, 0, BLOCK));
}

static void
test_cache__pairs_of_blocks_that_overlap__do_not_wait_in_a_circle(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct reader readers[3];
    fake_set_shut(&fixture->file, true);
    start_reader(fixture, &readers[0], BLOCK - 1, 2); /* blocks 0 and 1 */
    fake_await_waiting(&fixture->file, 1);
    start_reader(fixture, &readers[1], 2 * BLOCK - 1, 2); /* leads 2, then waits for 1 */
    fake_await_waiting(&fixture->file, 2);
    start_reader(fixture, &readers[2], BLOCK, 2 * BLOCK); /* waits for both */
    await_asleep(fixture, 1);
    fake_set_shut(&fixture->file, false);
    for (uint32_t i = 0; i < 3; i++) {
        adb_thread_join(&readers[i].thread);
        assert_true(readers[i].is_right);
    }
    assert_int_equal(atomic_load(&fixture->file.n_reads), 2);
}

static void
test_cache__other_blocks__do_not_wait_for_a_read(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct fake_file other;
    struct reader reader;
    fake_init(&other, fixture->file.key + 1, FILE_BYTES);
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 5 * BLOCK, 10), 1);
    fake_set_shut(&fixture->file, true);
    start_reader(fixture, &reader, 0, 10);
    fake_await_waiting(&fixture->file, 1);
    for (uint64_t block = 0; block < FILE_BLOCKS; block++)
        assert_int_equal(fake_get(fixture->cache, &other, block * BLOCK, 10), 1);
    assert_int_equal(fake_get(fixture->cache, &fixture->file, 5 * BLOCK, 10), 0);
    adb_cache_drop_file(fixture->cache, other.key);
    assert_int_equal(adb_cache_resize(fixture->cache, MANY_BYTES / 2), ARMDB_OK);
    fake_set_shut(&fixture->file, false);
    adb_thread_join(&reader.thread);
    assert_true(reader.is_right);
    assert_true(fake_has(fixture->cache, &fixture->file, 0, 10));
    fake_fini(&other);
}

static void
test_cache__allocation_fails__says_so(void **state)
{
    (void)state;
    uint64_t n = 1;
    struct adb_cache *cache = NULL;
    for (bool has_failed = true; has_failed; n++) {
        adb_mem_fail_at(n, false);
        armdb_err err = adb_cache_new(3 << 20, &cache);
        has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        assert_int_equal(cache == NULL, has_failed);
        if (has_failed)
            assert_int_equal(adb_err_detail()->code, ARMDB_NO_MEMORY);
    }
    assert_true(n > 5);
    adb_cache_free(cache);
    adb_cache_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(test_cache__every_edge_of_two_blocks__gives_the_files_bytes),
        CACHE_TEST(test_cache__every_place_and_length_in_a_block__gives_the_files_bytes),
        CACHE_TEST(test_cache__more_than_two_blocks__are_read_as_they_are_and_not_kept),
        CACHE_TEST(test_cache__two_blocks__cost_one_read_for_what_is_missing),
        CACHE_TEST(test_cache__partial_tail__is_read_as_wanted_and_never_kept),
        CACHE_TEST(test_cache__none_or_no_budget__reads_as_asked),
        CACHE_TEST(test_cache__dropped_blocks__are_read_anew_and_others_stay),
        CACHE_TEST(test_cache__tended__has_memory_ready_within_the_budget),
        CACHE_TEST(test_cache__asked_for__is_taken_if_it_is_there_and_in_one_block),
        CACHE_TEST(test_cache__marks__are_of_one_place_of_one_block),
        CACHE_TEST(test_cache__failed_read__is_told_and_leaves_nothing),
        CACHE_TEST(test_cache__short_read__is_corrupt_or_not_kept),
        CACHE_TEST(test_cache__misses_of_one_block_at_once__are_one_read),
        CACHE_TEST(test_cache__leader_fails__others_read_by_themselves),
        CACHE_TEST(test_cache__pairs_of_blocks_that_overlap__do_not_wait_in_a_circle),
        CACHE_TEST(test_cache__other_blocks__do_not_wait_for_a_read),
        CACHE_TEST(test_cache__allocation_fails__says_so),
    };
    return cmocka_run_group_tests_name("cache/cache", tests, NULL, NULL);
}
