/*
 * Values that are in no memory of ours, read many at a time: the same as one by one, whatever the
 * system, the cache, the way of reading, and the length of a value; and what becomes of it when
 * reads fail.
 */
#include <fcntl.h>
#include <unistd.h>

#include "db_fixture.h"
#include "support/os_hook.h"
#include "support/tmpdir.h"

enum { KEYS_MAX = 256, KEY_ROOM = 8 };

/* A database somewhere, and what is in it. */
struct cold {
    struct sim *sim; /* owned, or NULL: real files */
    char *directory; /* owned, or NULL */
    struct adb_os *os;
    char path[512];
    armdb_options options;
    struct db *db;
    struct collection *collection;
    uint32_t n;
    size_t len[KEYS_MAX]; /* of the value of key i */
    char keys[KEYS_MAX][KEY_ROOM];
    armdb_read reads[2 * KEYS_MAX];
};

static void
open_cold(struct cold *cold)
{
    assert_ok(adb_db_open(cold->os, cold->path, &cold->options, &cold->db));
    cold->collection = adb_db_default(cold->db);
}

static void
reopen_cold(struct cold *cold)
{
    bool is_closed;
    assert_ok(adb_db_close(cold->db, &is_closed));
    open_cold(cold);
}

static struct cold *
new_cold(bool is_real, armdb_io_mode io, uint64_t cache_bytes)
{
    struct cold *cold = (struct cold *)calloc(1, sizeof *cold);
    assert_non_null(cold);
    if (is_real) {
        cold->directory = tmpdir_make();
        cold->os = adb_os_posix();
    } else {
        cold->sim = sim_new(9);
        cold->os = sim_os(cold->sim);
    }
    snprintf(cold->path, sizeof cold->path, "%s/db", is_real ? cold->directory : "");
    cold->options = (armdb_options)ARMDB_OPTIONS_INIT;
    cold->options.shards = 2;
    cold->options.max_file_bytes = 1 << 20;
    cold->options.write_buffer_bytes = 65536;
    cold->options.cache_bytes = cache_bytes;
    cold->options.io = io;
    open_cold(cold);
    return cold;
}

static void
free_cold(struct cold *cold)
{
    adb_db_abandon(cold->db);
    for (uint32_t i = 0; i < 2 * KEYS_MAX; i++)
        free(cold->reads[i].buffer);
    tmpdir_remove(cold->directory);
    if (cold->sim != NULL)
        sim_free(cold->sim);
    free(cold);
}

static void
put_cold(struct cold *cold, size_t len)
{
    uint32_t i = cold->n++;
    assert_true(i < KEYS_MAX);
    cold->len[i] = len;
    snprintf(cold->keys[i], KEY_ROOM, "key%03u", i);
    put_bytes(cold->collection, armdb_str(cold->keys[i]), len, i);
}

/* Reads of the keys, those of `stride` apart, in scattered order, some twice. */
static uint32_t
make_reads(struct cold *cold, uint32_t stride)
{
    uint32_t n = 0;
    for (uint32_t at = 0; at < cold->n; at++) {
        uint32_t i = at * 37 % cold->n;
        for (uint32_t copies = i % 16 == 5 ? 2 : 1; i % stride == 0 && copies > 0; copies--) {
            armdb_read *read = &cold->reads[n++];
            read->buffer = realloc(read->buffer, cold->len[i] + 1);
            assert_non_null(read->buffer);
            memset(read->buffer, 0x5a, cold->len[i] + 1);
            read->capacity = cold->len[i];
            read->key = armdb_str(cold->keys[i]);
        }
    }
    return n;
}

static uint32_t
index_of(const armdb_read *read)
{
    return (uint32_t)strtoul((const char *)read->key.data + 3, NULL, 10);
}

static void
expect_read(const struct cold *cold, const armdb_read *read)
{
    uint32_t i = index_of(read);
    unsigned char *bytes = make_bytes(cold->len[i], i);
    assert_int_equal(read->err, ARMDB_OK);
    assert_int_equal(read->len, cold->len[i]);
    assert_int_equal(memcmp(read->buffer, bytes, read->len), 0);
    assert_int_equal(((const unsigned char *)read->buffer)[read->len], 0x5a);
    free(bytes);
}

static void
expect_all(struct cold *cold)
{
    uint32_t n = make_reads(cold, 1);
    assert_ok(adb_db_multi_get(cold->collection, cold->reads, n));
    for (uint32_t i = 0; i < n; i++)
        expect_read(cold, &cold->reads[i]);
}

/* Values whose records end around the edges of blocks, wherever they begin. */
static void
put_edges(struct cold *cold)
{
    const size_t edges[] = {4096, 2 * 4096, 3 * 4096, 16 * 4096, 60 * 4096};
    const long steps[] = {-57, -49, -48, -47, -9, -1, 0, 1, 8};
    for (size_t e = 0; e < sizeof edges / sizeof edges[0]; e++) {
        for (size_t s = 0; s < sizeof steps / sizeof steps[0]; s++) {
            put_cold(cold, edges[e] + (size_t)steps[s]);
            put_cold(cold, s * 100);
        }
    }
    put_cold(cold, 300000);
    put_cold(cold, (1 << 19) - 1);
    put_cold(cold, 1 << 19);
    put_cold(cold, 3 << 20);
    for (int i = 0; i < 40; i++)
        put_cold(cold, 100);
}

static void
test_db_fetch__every_length_system_cache_and_way__the_bytes_that_were_put(void **state)
{
    const uint64_t caches[] = {ARMDB_CACHE_NONE, 1 << 20, 64 << 20};
    (void)state;
    for (int is_real = 0; is_real < 2; is_real++) {
        for (int c = 0; c < 3; c++) {
            for (int io = ARMDB_IO_BUFFERED; io <= ARMDB_IO_DIRECT; io++) {
                if (is_real && (c == 1) == (io == ARMDB_IO_DIRECT))
                    continue; /* real files take their time */
                struct cold *cold = new_cold(is_real, (armdb_io_mode)io, caches[c]);
                put_edges(cold);
                expect_all(cold); /* some still in the write buffer */
                reopen_cold(cold);
                expect_all(cold);
                expect_all(cold); /* some of the cache by now */
                for (uint32_t i = 0; i < cold->n; i++)
                    expect_bytes(cold->collection, armdb_str(cold->keys[i]), cold->len[i], i);
                free_cold(cold);
            }
        }
    }
}

/* ------------------------------------------------------------------------ walks */

static struct cursor *
open_walk(struct cold *cold, const char *prefix)
{
    struct cursor *cursor;
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    options.prefix = armdb_str(prefix);
    assert_ok(adb_cursor_open(cold->collection, &options, &cursor));
    return cursor;
}

/* The cursor is on key i, with its value. */
static void
expect_under(const struct cold *cold, const struct cursor *cursor, uint32_t i)
{
    armdb_slice key = adb_cursor_key(cursor);
    armdb_slice value = adb_cursor_value(cursor);
    unsigned char *bytes = make_bytes(cold->len[i], i);
    assert_int_equal(key.len, 6);
    assert_memory_equal(key.data, cold->keys[i], 6);
    assert_int_equal(value.len, cold->len[i]);
    assert_int_equal(memcmp(value.data, bytes, value.len), 0);
    free(bytes);
}

/* Walks to the end and back, turning round now and then. */
static void
expect_walk(struct cold *cold)
{
    struct cursor *cursor = open_walk(cold, "");
    for (uint32_t i = 0; i < cold->n; i++) {
        assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
        expect_under(cold, cursor, i);
        if (i % 11 == 10) {
            assert_ok(adb_cursor_move(cursor, CURSOR_PREV));
            expect_under(cold, cursor, i - 1);
            assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
            expect_under(cold, cursor, i);
        }
    }
    assert_int_equal(adb_cursor_move(cursor, CURSOR_NEXT), ARMDB_END);
    for (uint32_t i = cold->n; i-- > 0;) {
        assert_ok(adb_cursor_move(cursor, CURSOR_PREV));
        expect_under(cold, cursor, i);
    }
    adb_cursor_close(cursor);
}

static void
test_db_fetch__walks_over_every_length__give_the_bytes_that_were_put(void **state)
{
    const uint64_t caches[] = {ARMDB_CACHE_NONE, 1 << 20, 64 << 20};
    (void)state;
    for (int is_real = 0; is_real < 2; is_real++) {
        for (int c = is_real; c < 3 - is_real; c++) {
            struct cold *cold = new_cold(is_real, ARMDB_IO_DIRECT, caches[c]);
            put_edges(cold);
            expect_walk(cold);
            reopen_cold(cold);
            expect_walk(cold);
            expect_walk(cold);
            free_cold(cold);
        }
    }
}

static uint64_t
misses_of_walk(struct cold *cold, const char *prefix, uint32_t n)
{
    uint64_t before = stats_of(cold->db).cache_misses;
    struct cursor *cursor = open_walk(cold, prefix);
    for (uint32_t i = 0; i < n; i++)
        assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
    adb_cursor_close(cursor);
    return stats_of(cold->db).cache_misses - before;
}

static void
test_db_fetch__a_walk_begun__reads_ahead_more_the_further_it_comes(void **state)
{
    (void)state;
    struct cold *cold = new_cold(false, ARMDB_IO_BUFFERED, 4 << 20);
    /* Each in one block of its own, two blocks apart. */
    for (int i = 0; i < 200; i++)
        put_cold(cold, i % 2 == 0 ? 4000 : 4200);
    for (int c = 1; c < 200; c += 2)
        assert_int_equal(try_delete(cold->collection, cold->keys[c]), ARMDB_OK);
    reopen_cold(cold);
    /* The first alone; of a range, no more than it has; then 4, then 16, of two blocks at most. */
    assert_in_range(misses_of_walk(cold, "", 1), 1, 2);
    reopen_cold(cold);
    assert_in_range(misses_of_walk(cold, "key00", 5), 5, 10);
    reopen_cold(cold);
    assert_in_range(misses_of_walk(cold, "", 2), 5, 10);
    reopen_cold(cold);
    assert_in_range(misses_of_walk(cold, "", 6), 21, 42);
    free_cold(cold);
}

/* A reader between two steps of which the value goes away: the walk goes by the index. */
static void
test_db_fetch__values_changed_after_they_were_read_ahead__are_read_anew(void **state)
{
    (void)state;
    struct cold *cold = new_cold(false, ARMDB_IO_DIRECT, ARMDB_CACHE_NONE);
    for (int i = 0; i < 40; i++)
        put_cold(cold, 300);
    reopen_cold(cold);
    struct cursor *cursor = open_walk(cold, "");
    for (uint32_t i = 0; i < 10; i++)
        assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
    put_bytes(cold->collection, armdb_str(cold->keys[10]), 301, 10);
    cold->len[10] = 301;
    assert_int_equal(try_delete(cold->collection, cold->keys[11]), ARMDB_OK);
    assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
    expect_under(cold, cursor, 10);
    assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
    expect_under(cold, cursor, 12);
    adb_cursor_close(cursor);
    free_cold(cold);
}

static void
test_db_fetch__neighbours__come_with_one_read(void **state)
{
    (void)state;
    struct cold *cold = new_cold(false, ARMDB_IO_BUFFERED, 4 << 20);
    for (int i = 0; i < 32; i++)
        put_cold(cold, 100);
    reopen_cold(cold);
    (void)make_reads(cold, 1);
    armdb_stats before = stats_of(cold->db);
    assert_ok(adb_db_multi_get(cold->collection, cold->reads, 32));
    armdb_stats after = stats_of(cold->db);
    /* Two shards with less than a block each of records, which begin in the first block. */
    assert_int_equal(after.reads - before.reads, 2);
    free_cold(cold);
}

static void
test_db_fetch__deadlines__count_for_values_that_are_fetched(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        struct cold *cold = new_cold(false, ARMDB_IO_DIRECT, c == 0 ? ARMDB_CACHE_NONE : 4 << 20);
        armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
        options.ttl_ms = 1000;
        put_cold(cold, 5000);
        put_cold(cold, 100);
        assert_ok(adb_db_write(cold->collection, SHARD_PUT, armdb_str("key000"),
                               armdb_str("short lived"), &options));
        put_cold(cold, 200);
        reopen_cold(cold);
        cold->len[0] = 11;
        uint32_t n = make_reads(cold, 1);
        assert_ok(adb_db_multi_get(cold->collection, cold->reads, n));
        assert_int_equal(cold->reads[0].err, ARMDB_OK);
        assert_memory_equal(cold->reads[0].buffer, "short lived", 11);
        sim_advance_ns(cold->sim, UINT64_C(1001) * 1000000);
        reopen_cold(cold);
        assert_ok(adb_db_multi_get(cold->collection, cold->reads, n));
        assert_int_equal(cold->reads[0].err, ARMDB_NOT_FOUND);
        expect_read(cold, &cold->reads[1]);
        expect_read(cold, &cold->reads[2]);
        free_cold(cold);
    }
}

/* ------------------------------------------------------------------- warming up */

static int
note_progress(void *context, const armdb_warm_up_progress *progress)
{
    uint64_t *calls = (uint64_t *)context;
    assert_true(progress->done_bytes > 0 && progress->done_bytes <= progress->bytes);
    ++calls[0];
    return calls[0] == calls[1]; /* stops at the call of that number */
}

static void
test_db_fetch__warmed_up__reads_nothing_more(void **state)
{
    (void)state;
    for (int is_real = 0; is_real < 2; is_real++) {
        struct cold *cold = new_cold(is_real, ARMDB_IO_DIRECT, 64 << 20);
        uint64_t calls[2] = {0};
        for (int i = 0; i < KEYS_MAX; i++)
            put_cold(cold, i % 40 == 7 ? 20000 : 3000 + (size_t)i);
        reopen_cold(cold);
        assert_ok(adb_db_warm_up(cold->collection, NULL, note_progress, calls));
        assert_true(calls[0] > 1);
        uint64_t misses = stats_of(cold->db).cache_misses;
        expect_all(cold);
        /* But for the ends of the two newest files, which are no whole blocks. */
        assert_in_range(stats_of(cold->db).cache_misses - misses, 0, 2);
        free_cold(cold);
    }
}

static void
test_db_fetch__warming_up_a_part__reads_no_more_than_that(void **state)
{
    (void)state;
    struct cold *cold = new_cold(false, ARMDB_IO_BUFFERED, 4 << 20);
    armdb_cursor_options range = ARMDB_CURSOR_OPTIONS_INIT;
    uint64_t calls[2] = {0, 1};
    for (int i = 0; i < 200; i++)
        put_cold(cold, 4000);
    reopen_cold(cold);
    range.prefix = armdb_str("key01");
    assert_ok(adb_db_warm_up(cold->collection, &range, NULL, NULL));
    assert_in_range(stats_of(cold->db).cache_misses, 10, 22);
    uint64_t misses = stats_of(cold->db).cache_misses;
    assert_int_equal(misses_of_walk(cold, "key01", 10), 0);
    assert_ok(adb_db_warm_up(cold->collection, NULL, note_progress, calls)); /* stopped */
    assert_int_equal(calls[0], 1);
    assert_in_range(stats_of(cold->db).cache_misses - misses, 1, 64);
    range.prefix = armdb_str("a prefix that is too long to be one, longer than any key can be");
    range.from.kind = ARMDB_INCLUDED;
    assert_int_equal(adb_db_warm_up(cold->collection, &range, NULL, NULL), ARMDB_INVALID);
    free_cold(cold);
}

static void
test_db_fetch__warming_up_a_small_cache_or_none__ends_when_it_is_full(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        struct cold *cold = new_cold(false, ARMDB_IO_DIRECT, c == 0 ? 1 << 20 : ARMDB_CACHE_NONE);
        for (int i = 0; i < KEYS_MAX; i++)
            put_cold(cold, 8000 - 4100 * (size_t)(i % 2));
        reopen_cold(cold);
        assert_ok(adb_db_warm_up(cold->collection, NULL, NULL, NULL));
        assert_in_range(stats_of(cold->db).cache_misses, 0, 256);
        expect_all(cold);
        adb_mem_fail_at(1, true);
        armdb_err err = adb_db_warm_up(cold->collection, NULL, NULL, NULL);
        adb_mem_fail_at(0, false);
        assert_int_equal(err, ARMDB_NO_MEMORY);
        free_cold(cold);
    }
}

/* ----------------------------------------------------------------------- damage */

/* A system that cannot read one block of one file. */
struct bad_block {
    struct os_hook hook;
    char file[512];
    uint64_t block; /* UINT64_MAX: none */
    uint64_t noted; /* the block that the last read began in */
};

static armdb_err
refuse_bad_block(void *context, const struct os_call *call)
{
    struct bad_block *bad = (struct bad_block *)context;
    if (call->op != SIM_OP_READ || strstr(call->path, ".log") == NULL)
        return ARMDB_OK;
    bad->noted = call->offset / 4096;
    if (bad->block != UINT64_MAX && strcmp(bad->file, call->path) != 0)
        return ARMDB_OK;
    if (bad->block == UINT64_MAX)
        snprintf(bad->file, sizeof bad->file, "%s", call->path);
    if (bad->noted != bad->block)
        return ARMDB_OK;
    return adb_fail_at(ARMDB_IO, "read", call->path, call->offset, "bad block");
}

static void
test_db_fetch__one_block_cannot_be_read__its_key_says_so_and_others_are_read(void **state)
{
    (void)state;
    for (int c = 0; c < 2; c++) {
        struct cold *cold = new_cold(false, ARMDB_IO_DIRECT, c == 0 ? ARMDB_CACHE_NONE : 4 << 20);
        struct bad_block bad = {.block = UINT64_MAX};
        for (int i = 0; i < 160; i++)
            put_cold(cold, 2950);
        os_hook_init(&bad.hook, cold->os, false);
        bad.hook.before = refuse_bad_block;
        bad.hook.context = &bad;
        cold->os = &bad.hook.base;
        reopen_cold(cold);
        expect_bytes(cold->collection, armdb_str(cold->keys[40]), 2950, 40);
        uint64_t block = bad.noted;
        reopen_cold(cold);
        bad.block = block;
        uint32_t n = make_reads(cold, 8);
        assert_int_equal(adb_db_multi_get(cold->collection, cold->reads, n), ARMDB_IO);
        expect_detail(ARMDB_IO, "bad block", NULL);
        assert_string_equal(adb_err_detail()->file, bad.file);
        for (uint32_t i = 0; i < n; i++) {
            if (index_of(&cold->reads[i]) != 40) {
                expect_read(cold, &cold->reads[i]);
                continue;
            }
            assert_int_equal(cold->reads[i].err, ARMDB_IO);
            assert_int_equal(cold->reads[i].len, 0);
        }
        bad.block = UINT64_MAX - 1; /* and it can again: nothing of the failure is left */
        expect_all(cold);
        adb_db_abandon(cold->db);
        cold->os = sim_os(cold->sim);
        open_cold(cold);
        free_cold(cold);
    }
}

/* Opens the first data file of a real database, beside it. */
static int
open_first_file(const struct cold *cold, uint32_t shard)
{
    char path[600];
    snprintf(path, sizeof path, "%s/shard-%03u/0000000001.log", cold->path, shard);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

static void
test_db_fetch__file_cut_or_changed_under_it__those_keys_are_corrupt(void **state)
{
    (void)state;
    for (int io = ARMDB_IO_BUFFERED; io <= ARMDB_IO_DIRECT; io++) {
        for (int is_cut = 0; is_cut < 2; is_cut++) {
            struct cold *cold = new_cold(true, (armdb_io_mode)io, 4 << 20);
            uint32_t n_corrupt = 0;
            cold->options.shards = 0;
            for (int i = 0; i < 200; i++)
                put_cold(cold, 12000); /* more than one file each */
            reopen_cold(cold);
            int fd = open_first_file(cold, 1);
            unsigned char zeros[9000] = {0};
            if (is_cut)
                assert_int_equal(ftruncate(fd, 600000), 0);
            else
                assert_int_equal(pwrite(fd, zeros, sizeof zeros, 600000), sizeof zeros);
            assert_int_equal(fsync(fd), 0);
            assert_int_equal(close(fd), 0);
            uint32_t n = make_reads(cold, 1);
            assert_int_equal(adb_db_multi_get(cold->collection, cold->reads, n), ARMDB_CORRUPT);
            for (uint32_t i = 0; i < n; i++) {
                n_corrupt += cold->reads[i].err == ARMDB_CORRUPT;
                if (cold->reads[i].err != ARMDB_CORRUPT)
                    expect_read(cold, &cold->reads[i]);
            }
            assert_in_range(n_corrupt, 1, is_cut ? 50 : 3);
            free_cold(cold);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_db_fetch__every_length_system_cache_and_way__the_bytes_that_were_put),
        cmocka_unit_test(test_db_fetch__neighbours__come_with_one_read),
        cmocka_unit_test(test_db_fetch__warmed_up__reads_nothing_more),
        cmocka_unit_test(test_db_fetch__warming_up_a_part__reads_no_more_than_that),
        cmocka_unit_test(test_db_fetch__warming_up_a_small_cache_or_none__ends_when_it_is_full),
        cmocka_unit_test(test_db_fetch__walks_over_every_length__give_the_bytes_that_were_put),
        cmocka_unit_test(test_db_fetch__a_walk_begun__reads_ahead_more_the_further_it_comes),
        cmocka_unit_test(test_db_fetch__values_changed_after_they_were_read_ahead__are_read_anew),
        cmocka_unit_test(test_db_fetch__deadlines__count_for_values_that_are_fetched),
        cmocka_unit_test(
            test_db_fetch__one_block_cannot_be_read__its_key_says_so_and_others_are_read),
        cmocka_unit_test(test_db_fetch__file_cut_or_changed_under_it__those_keys_are_corrupt),
    };
    return cmocka_run_group_tests_name("db/db_fetch", tests, NULL, NULL);
}
