/* Truth on the way from the device: what is told of a read that fails, what it leaves alone, and
 * what each setting of verify_reads checks. */
#include "db_fixture.h"

#include "cache/cache.h"
#include "cache/cache_frame.h"
#include "db/db_private.h"
#include "log/location.h"
#include "os/thread.h"
#include "support/os_hook.h"

/* Some twenty records are in a block, and more begin there than end. */
enum { N_KEYS = 60, VALUE_BYTES = 160, RECORD_BYTES = 192, HEADER_BYTES = 64, CHANGED_BYTE = 100 };

static armdb_slice
key_of(int number, char *to)
{
    snprintf(to, 16, "key%05d", number);
    return armdb_str(to);
}

/* Puts all, and opens the database with nothing in the cache. */
static void
fill(struct db_fixture *fixture)
{
    char key[16];
    for (int i = 0; i < N_KEYS; i++)
        put_bytes(fixture->collection, key_of(i, key), VALUE_BYTES, (uint64_t)i);
    reopen_db(fixture);
}

static void
flip(struct db_fixture *fixture, int number)
{
    sim_corrupt(fixture->sim, FIRST_FILE,
                HEADER_BYTES + (uint64_t)number * RECORD_BYTES + CHANGED_BYTE, 1);
}

static armdb_err
try_get(struct db_fixture *fixture, int number)
{
    char key[16];
    unsigned char value[VALUE_BYTES];
    size_t len;
    return adb_db_get(fixture->collection, key_of(number, key), value, sizeof value, &len);
}

static void
expect_right(struct db_fixture *fixture, int number)
{
    char key[16];
    expect_bytes(fixture->collection, key_of(number, key), VALUE_BYTES, (uint64_t)number);
}

static void
expect_damaged_reads(struct db_fixture *fixture, uint64_t n)
{
    assert_int_equal(stats_of(fixture->db).damaged_reads, n);
    assert_int_equal(shard_info_of(fixture->db, 0).damaged_reads, n);
}

static void
expect_place(int number)
{
    assert_string_equal(adb_err_detail()->file, FIRST_FILE);
    assert_int_equal(adb_err_detail()->offset, HEADER_BYTES + (uint64_t)number * RECORD_BYTES);
}

/* -------------------------------------------------------------------- what is told */

static void
test_db_reads__flipped_bit__is_told_with_file_offset_and_key(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char key[16];
    armdb_value value;
    fill(fixture);
    flip(fixture, 5);
    assert_int_equal(try_get(fixture, 5), ARMDB_CORRUPT);
    expect_place(5);
    expect_detail(ARMDB_CORRUPT, "bad checksum, key key00005", NULL);
    expect_damaged_reads(fixture, 1);
    assert_int_equal(adb_db_get_value(fixture->collection, key_of(5, key), &value), ARMDB_CORRUPT);
    expect_place(5);
    expect_damaged_reads(fixture, 2);
}

static void
test_db_reads__flipped_bit__is_told_by_multi_get_and_cursors(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static unsigned char values[N_KEYS][VALUE_BYTES];
    static char keys[N_KEYS][16];
    armdb_read reads[N_KEYS];
    struct cursor *cursor;
    fill(fixture);
    flip(fixture, 25);
    for (int i = 0; i < N_KEYS; i++)
        reads[i] =
            (armdb_read){.key = key_of(i, keys[i]), .buffer = values[i], .capacity = VALUE_BYTES};
    for (uint64_t round = 1; round <= 2; round++) {
        assert_int_equal(adb_db_multi_get(fixture->collection, reads, N_KEYS), ARMDB_CORRUPT);
        expect_place(25);
        expect_detail(ARMDB_CORRUPT, "key00025", NULL);
        for (int i = 0; i < N_KEYS; i++)
            assert_int_equal(reads[i].err, i == 25 ? ARMDB_CORRUPT : ARMDB_OK);
        expect_damaged_reads(fixture, round);
    }
    assert_ok(adb_cursor_open(fixture->collection, NULL, &cursor));
    for (int i = 0; i < N_KEYS; i++)
        assert_int_equal(adb_cursor_move(cursor, CURSOR_NEXT), i == 25 ? ARMDB_CORRUPT : ARMDB_OK);
    expect_place(25);
    expect_detail(ARMDB_CORRUPT, "key00025", NULL);
    assert_int_equal(adb_cursor_move(cursor, CURSOR_NEXT), ARMDB_END);
    adb_cursor_close(cursor);
    expect_damaged_reads(fixture, 3);
}

static void
test_db_reads__flipped_bit__disturbs_no_other_key_and_is_not_kept(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture);
    flip(fixture, 5);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N_KEYS; i++) {
            if (i == 5)
                assert_int_equal(try_get(fixture, i), ARMDB_CORRUPT);
            else
                expect_right(fixture, i);
        }
    }
    flip(fixture, 5);
    expect_right(fixture, 5);
    expect_damaged_reads(fixture, 2);
}

static void
test_db_reads__read_error__is_told_with_the_key_and_not_kept(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture);
    set_fault(fixture, SIM_FAULT_READ, 0, 1, false);
    assert_int_equal(try_get(fixture, 7), ARMDB_IO);
    assert_string_equal(adb_err_detail()->file, FIRST_FILE);
    expect_detail(ARMDB_IO, "key key00007", NULL);
    expect_damaged_reads(fixture, 1);
    for (int i = 0; i < N_KEYS; i++)
        expect_right(fixture, i);
    expect_damaged_reads(fixture, 1);
}

static void
test_db_reads__short_read__is_told_and_what_is_there_is_read(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    size_t bytes;
    fill(fixture);
    char *content = sim_read_file(fixture->sim, FIRST_FILE, &bytes);
    sim_truncate_file(fixture->sim, FIRST_FILE, HEADER_BYTES + 30 * RECORD_BYTES + 50);
    for (int i = 0; i < N_KEYS; i++)
        assert_int_equal(try_get(fixture, i), i < 30 ? ARMDB_OK : ARMDB_CORRUPT);
    expect_detail(ARMDB_CORRUPT, "ends inside", "key00059", NULL);
    expect_damaged_reads(fixture, N_KEYS - 30);
    sim_write_file(fixture->sim, FIRST_FILE, content, bytes);
    free(content);
    for (int i = 0; i < N_KEYS; i++)
        expect_right(fixture, i);
}

static void
test_db_reads__large_value__is_told_the_same(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char key[ARMDB_KEY_MAX];
    size_t len;
    static unsigned char value[50000];
    memset(key, 'k', sizeof key);
    put_bytes(fixture->collection, armdb_bytes(key, sizeof key), sizeof value, 1);
    put_bytes(fixture->collection, armdb_bytes("\0\xff", 2), sizeof value, 2);
    reopen_db(fixture);
    sim_corrupt(fixture->sim, FIRST_FILE, 30000, 1);
    sim_corrupt(fixture->sim, FIRST_FILE, 80000, 1);
    assert_int_equal(
        adb_db_get(fixture->collection, armdb_bytes(key, sizeof key), value, sizeof value, &len),
        ARMDB_CORRUPT);
    expect_detail(ARMDB_CORRUPT, "bad checksum, key kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...",
                  NULL);
    assert_int_equal(
        adb_db_get(fixture->collection, armdb_bytes("\0\xff", 2), value, sizeof value, &len),
        ARMDB_CORRUPT);
    expect_detail(ARMDB_CORRUPT, "bad checksum, key 0x00ff", NULL);
    expect_damaged_reads(fixture, 2);
}

/* ---------------------------------------------------------------------- verify_reads */

static void
open_as(struct db_fixture *fixture, armdb_verify_reads verify_reads)
{
    fixture->options.verify_reads = verify_reads;
    reopen_db(fixture);
}

/* Changes a byte of a record's value in the memory of the cache, or changes it back. */
static void
flip_cached(struct db_fixture *fixture, int number)
{
    uint64_t offset = HEADER_BYTES + (uint64_t)number * RECORD_BYTES;
    struct adb_cache_spot spot;
    adb_cache_ask(fixture->db->cache, 1, offset, &spot);
    adb_cache_approach(&spot, RECORD_BYTES);
    struct cache_frame *frame = (struct cache_frame *)spot.frame;
    assert_non_null(frame);
    _Atomic uint64_t *word = &frame->word[(offset + CHANGED_BYTE) % CACHE_BLOCK_BYTES / 8];
    atomic_store(word, atomic_load(word) ^ 1);
}

/* Reads by get, by multi-get, or under a cursor; whether the value is right. */
enum way { BY_GET, BY_MULTI_GET, BY_CURSOR, WAYS };

static armdb_err
read_by(struct db_fixture *fixture, int way, int number, bool *is_right_out)
{
    char key[16];
    unsigned char value[VALUE_BYTES] = {0};
    unsigned char *right = make_bytes(VALUE_BYTES, (uint64_t)number);
    struct cursor *cursor = NULL;
    armdb_read read = {.key = key_of(number, key), .buffer = value, .capacity = sizeof value};
    armdb_err err;
    if (way == BY_GET) {
        err = adb_db_get(fixture->collection, read.key, value, sizeof value, &read.len);
    } else if (way == BY_MULTI_GET) {
        err = adb_db_multi_get(fixture->collection, &read, 1);
    } else {
        assert_ok(adb_cursor_open(fixture->collection, NULL, &cursor));
        err = adb_cursor_seek(cursor, read.key);
        if (err == ARMDB_OK)
            memcpy(value, adb_cursor_value(cursor).data, sizeof value);
        adb_cursor_close(cursor);
    }
    *is_right_out = memcmp(value, right, sizeof value) == 0;
    free(right);
    return err;
}

static void
expect_by(struct db_fixture *fixture, int way, int number, bool is_right)
{
    bool is_right_now;
    assert_ok(read_by(fixture, way, number, &is_right_now));
    assert_int_equal(is_right_now, is_right);
}

static void
test_db_reads__always__finds_what_went_wrong_in_memory_and_makes_it_good(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture);
    for (int way = BY_GET; way < WAYS; way++) {
        open_as(fixture, way == BY_GET ? ARMDB_VERIFY_DEFAULT : ARMDB_VERIFY_ALWAYS);
        expect_right(fixture, 6);
        expect_right(fixture, 6);
        flip_cached(fixture, 6);
        expect_by(fixture, way, 6, true);
        expect_damaged_reads(fixture, 0);
    }
}

static void
test_db_reads__on_miss__checks_each_record_after_its_block_was_read(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    bool is_right;
    fill(fixture);
    for (int way = BY_GET; way < WAYS; way++) {
        open_as(fixture, ARMDB_VERIFY_ON_MISS);
        flip(fixture, 6);
        expect_by(fixture, way, 5, true); /* brings the block into the cache */
        for (int round = 0; round < 3; round++)
            assert_int_equal(read_by(fixture, way, 6, &is_right), ARMDB_CORRUPT);
        expect_damaged_reads(fixture, 3);
        for (int i = 0; i < N_KEYS; i++) {
            if (i != 6)
                expect_by(fixture, way, i, true);
        }
        flip(fixture, 6);
    }
}

static void
test_db_reads__on_miss__looks_no_more_at_what_was_found_right(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture);
    open_as(fixture, ARMDB_VERIFY_ON_MISS);
    for (int way = BY_GET; way < WAYS; way++) {
        expect_by(fixture, way, 6, true);
        expect_by(fixture, way, 6, true);
        flip_cached(fixture, 6);
        expect_by(fixture, way, 6, false);
        /* A block that has come anew is looked at anew. */
        adb_cache_drop_file(fixture->db->cache, 1);
        expect_by(fixture, way, 5, true);
        flip_cached(fixture, 6);
        expect_by(fixture, way, 6, true);
        adb_cache_drop_file(fixture->db->cache, 1);
    }
}

static void
test_db_reads__never__hands_out_what_is_there_but_not_another_record(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    bool is_right;
    static unsigned char value[9000];
    size_t len;
    fill(fixture);
    put_bytes(fixture->collection, armdb_str("large"), sizeof value, 3);
    open_as(fixture, ARMDB_VERIFY_NEVER);
    flip(fixture, 6);
    sim_corrupt(fixture->sim, FIRST_FILE, HEADER_BYTES + (uint64_t)N_KEYS * RECORD_BYTES + 5000, 1);
    for (int way = BY_GET; way < WAYS; way++) {
        expect_by(fixture, way, 6, false);
        expect_by(fixture, way, 6, false);
        expect_by(fixture, way, 7, true);
    }
    /* A byte of the key of a record. */
    sim_corrupt(fixture->sim, FIRST_FILE, HEADER_BYTES + UINT64_C(40) * RECORD_BYTES + 22, 1);
    for (int way = BY_GET; way < WAYS; way++)
        assert_int_equal(read_by(fixture, way, 40, &is_right), ARMDB_CORRUPT);
    expect_detail(ARMDB_CORRUPT, "another record", NULL);
    assert_ok(adb_db_get(fixture->collection, armdb_str("large"), value, sizeof value, &len));
}

/* ------------------------------------------------------------------- edges of blocks */

enum { EDGE_KEY = 10, EDGES_MAX = 500 };

/* A value of so many bytes whose record begins at that offset. */
struct edge {
    uint64_t start;
    size_t len;
};

static armdb_slice
edge_key(char kind, uint32_t number, char *to)
{
    snprintf(to, 16, "%c%09u", kind, number);
    return armdb_str(to);
}

static uint64_t
record_end(uint64_t start, size_t len)
{
    return start + (20 + EDGE_KEY + len + 7) / 8 * 8;
}

/* Puts a record that begins at `start`, behind one that fills the space up to there. */
static uint64_t
put_edge(struct db_fixture *fixture, uint64_t end, const struct edge *edge, uint32_t number)
{
    char key[16];
    size_t space = (size_t)(edge->start - end);
    if (space != 0)
        put_bytes(fixture->collection, edge_key('f', number, key), space - 20 - EDGE_KEY, 0);
    put_bytes(fixture->collection, edge_key('e', number, key), edge->len, number);
    return record_end(edge->start, edge->len);
}

/* Records from 48 bytes before to 16 behind the beginning of a block, with values that end a byte
 * before, at, and a byte behind the end of it and of the next ones. */
static uint32_t
put_edges(struct db_fixture *fixture, struct edge *edges)
{
    uint64_t end = HEADER_BYTES;
    uint32_t n = 0;
    for (int from = -48; from <= 16; from += 8) {
        for (size_t blocks = 1; blocks <= 4; blocks++) {
            for (int beyond = -1; beyond <= 1; beyond++) {
                uint64_t start = (end + 200) / CACHE_BLOCK_BYTES * CACHE_BLOCK_BYTES +
                                 CACHE_BLOCK_BYTES + (uint64_t)(int64_t)from;
                uint64_t value_end = (start / CACHE_BLOCK_BYTES + blocks) * CACHE_BLOCK_BYTES +
                                     (uint64_t)(int64_t)beyond;
                if (value_end < start + 20 + EDGE_KEY)
                    continue;
                edges[n] = (struct edge){start, (size_t)(value_end - start) - 20 - EDGE_KEY};
                end = put_edge(fixture, end, &edges[n], n);
                n++;
            }
        }
    }
    return n;
}

static void
expect_edges(struct db_fixture *fixture, const struct edge *edges, uint32_t n)
{
    static unsigned char value[5 * CACHE_BLOCK_BYTES];
    char key[16];
    struct cursor *cursor;
    assert_ok(adb_cursor_open(fixture->collection, NULL, &cursor));
    for (uint32_t i = 0; i < n; i++) {
        unsigned char *right = make_bytes(edges[i].len, i);
        armdb_read read = {.key = edge_key('e', i, key), .buffer = value, .capacity = edges[i].len};
        uint64_t location = adb_index_get(&fixture->collection->index.keys, read.key, NULL);
        assert_int_equal(adb_location_offset(location), edges[i].start);
        expect_bytes(fixture->collection, read.key, edges[i].len, i);
        assert_ok(adb_db_multi_get(fixture->collection, &read, 1));
        assert_int_equal(read.len, edges[i].len);
        assert_int_equal(memcmp(value, right, read.len), 0);
        assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
        assert_int_equal(adb_cursor_value(cursor).len, read.len);
        assert_int_equal(memcmp(adb_cursor_value(cursor).data, right, read.len), 0);
        free(right);
    }
    adb_cursor_close(cursor);
}

static void
test_db_reads__values_at_every_edge_of_blocks__are_right_cold_and_warm(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct edge edges[EDGES_MAX];
    uint32_t n = put_edges(fixture, edges);
    assert_true(n > 90 && n < EDGES_MAX);
    for (int setting = ARMDB_VERIFY_ALWAYS; setting <= ARMDB_VERIFY_NEVER; setting++) {
        fixture->options.cache_bytes = 0;
        open_as(fixture, (armdb_verify_reads)setting);
        for (int round = 0; round < 3; round++)
            expect_edges(fixture, edges, n);
        assert_ok(adb_db_set_cache_bytes(fixture->db, ARMDB_CACHE_NONE));
        expect_edges(fixture, edges, n);
    }
}

/* ------------------------------------------------------------------------- slow reads */

/* A gate in front of the reads of one place. */
struct gate {
    struct os_hook hook;
    uint64_t slow_from; /* reads from here on wait */
    struct adb_mutex lock;
    struct adb_cond changed;
    bool is_shut;
    uint32_t n_waiting;
};

static armdb_err
wait_at_gate(void *context, const struct os_call *call)
{
    struct gate *gate = (struct gate *)context;
    if (call->op != SIM_OP_READ || call->offset < gate->slow_from)
        return ARMDB_OK;
    adb_mutex_lock(&gate->lock);
    gate->n_waiting++;
    adb_cond_wake_all(&gate->changed);
    while (gate->is_shut)
        adb_cond_wait(&gate->changed, &gate->lock);
    gate->n_waiting--;
    adb_mutex_unlock(&gate->lock);
    return ARMDB_OK;
}

static void
set_shut(struct gate *gate, bool is_shut)
{
    adb_mutex_lock(&gate->lock);
    gate->is_shut = is_shut;
    adb_cond_wake_all(&gate->changed);
    adb_mutex_unlock(&gate->lock);
}

static void *
read_slowly(void *context)
{
    struct db_fixture *fixture = (struct db_fixture *)context;
    return try_get(fixture, N_KEYS - 1) == ARMDB_OK ? context : NULL;
}

static void
test_db_reads__slow_read__delays_nobody_but_those_who_want_that_block(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct gate gate = {.slow_from = UINT64_C(2) * CACHE_BLOCK_BYTES};
    struct adb_thread threads[2];
    adb_mutex_init(&gate.lock);
    adb_cond_init(&gate.changed);
    open_db(fixture);
    fill(fixture);
    close_db(fixture);
    os_hook_init(&gate.hook, fixture->os, false);
    fixture->os = &gate.hook.base;
    open_db(fixture);
    gate.hook.before = wait_at_gate;
    gate.hook.context = &gate;
    expect_right(fixture, 1); /* its block is cached now */
    set_shut(&gate, true);
    for (int i = 0; i < 2; i++)
        assert_ok(adb_thread_start(&threads[i], read_slowly, fixture));
    adb_mutex_lock(&gate.lock);
    while (gate.n_waiting == 0)
        adb_cond_wait(&gate.changed, &gate.lock);
    adb_mutex_unlock(&gate.lock);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 30; i++)
            expect_right(fixture, i); /* cached, or of a block that is read meanwhile */
        put(fixture->collection, "a", "write");
    }
    set_shut(&gate, false);
    for (int i = 0; i < 2; i++)
        adb_thread_join(&threads[i]);
    expect_right(fixture, N_KEYS - 1);
    expect_damaged_reads(fixture, 0);
    close_db(fixture);
    adb_cond_fini(&gate.changed);
    adb_mutex_fini(&gate.lock);
}

/* ------------------------------------------------------------------ size of the cache */

static uint64_t
file_reads(struct db_fixture *fixture)
{
    return sim_op_count(fixture->sim, SIM_BIT(SIM_OP_READ));
}

static void
read_all(struct db_fixture *fixture)
{
    for (int i = 0; i < N_KEYS; i++)
        expect_right(fixture, i);
}

static void
test_db_reads__cache_is_changed_while_open__takes_effect_at_once(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.cache_bytes = ARMDB_CACHE_NONE;
    fill(fixture);
    uint64_t before = file_reads(fixture);
    read_all(fixture);
    assert_int_equal(file_reads(fixture), before + N_KEYS);
    assert_ok(adb_db_set_cache_bytes(fixture->db, 1 << 20));
    read_all(fixture);
    before = file_reads(fixture);
    read_all(fixture);
    /* What is in the last, partial block is not kept. */
    assert_true(file_reads(fixture) - before < 20);
    assert_true(stats_of(fixture->db).cache_bytes <= 1 << 20);
    assert_ok(adb_db_set_cache_bytes(fixture->db, 0));
    before = file_reads(fixture);
    read_all(fixture);
    assert_true(file_reads(fixture) - before < 20);
    assert_ok(adb_db_set_cache_bytes(fixture->db, ARMDB_CACHE_NONE));
    before = file_reads(fixture);
    read_all(fixture);
    assert_int_equal(file_reads(fixture), before + N_KEYS);
}

static void
test_db_reads__cache_of_an_impossible_size__is_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    assert_int_equal(adb_db_set_cache_bytes(fixture->db, 1000), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "cache_bytes is 1000", "1048576..1099511627776", NULL);
    assert_int_equal(adb_db_set_cache_bytes(fixture->db, UINT64_MAX - 1), ARMDB_INVALID);
    adb_mem_fail_at(1, true);
    assert_int_equal(adb_db_set_cache_bytes(fixture->db, 7 << 20), ARMDB_NO_MEMORY);
    adb_mem_fail_at(0, false);
    put(fixture->collection, "key", "value");
    expect_get(fixture->collection, "key", "value");
}

/* -------------------------------------------------------------------- pinned handles */

/* Each handle has its own bytes: none holds a block of the cache. */
static void
test_db_reads__many_handles_kept__leave_the_cache_as_it_is_and_outlive_the_database(void **state)
{
    enum { N_VALUES = 800, LONG_BYTES = 3000 };
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_value *values = (armdb_value *)calloc(N_VALUES, sizeof *values);
    char key[16];
    assert_non_null(values);
    fixture->options.cache_bytes = 1 << 20;
    for (int i = 0; i < N_VALUES; i++)
        put_bytes(fixture->collection, key_of(i, key), LONG_BYTES, (uint64_t)i);
    reopen_db(fixture);
    for (int i = 0; i < N_VALUES; i++)
        assert_ok(adb_db_get_value(fixture->collection, key_of(i, key), &values[i]));
    /* More than the whole cache is kept, and counted beside it. */
    assert_int_equal(stats_of(fixture->db).value_bytes, N_VALUES * LONG_BYTES);
    assert_true(stats_of(fixture->db).cache_bytes <= 1 << 20);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N_VALUES; i++)
            expect_bytes(fixture->collection, key_of(i, key), LONG_BYTES, (uint64_t)i);
        assert_ok(adb_db_set_cache_bytes(fixture->db, ARMDB_CACHE_NONE));
    }
    uint64_t before = file_reads(fixture);
    assert_ok(adb_db_set_cache_bytes(fixture->db, 1 << 20));
    for (int round = 0; round < 2; round++)
        expect_bytes(fixture->collection, key_of(0, key), LONG_BYTES, 0);
    assert_int_equal(file_reads(fixture), before + 1); /* it is cached all the same */
    close_db(fixture);
    for (int i = 0; i < N_VALUES; i++) {
        unsigned char *right = make_bytes(LONG_BYTES, (uint64_t)i);
        assert_memory_equal(armdb_value_bytes(&values[i]).data, right, LONG_BYTES);
        free(right);
        armdb_value_release(&values[i]);
    }
    free(values);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_reads__flipped_bit__is_told_with_file_offset_and_key),
        DB_TEST(test_db_reads__flipped_bit__is_told_by_multi_get_and_cursors),
        DB_TEST(test_db_reads__flipped_bit__disturbs_no_other_key_and_is_not_kept),
        DB_TEST(test_db_reads__read_error__is_told_with_the_key_and_not_kept),
        DB_TEST(test_db_reads__short_read__is_told_and_what_is_there_is_read),
        DB_TEST(test_db_reads__large_value__is_told_the_same),
        DB_TEST(test_db_reads__always__finds_what_went_wrong_in_memory_and_makes_it_good),
        DB_TEST(test_db_reads__on_miss__checks_each_record_after_its_block_was_read),
        DB_TEST(test_db_reads__on_miss__looks_no_more_at_what_was_found_right),
        DB_TEST(test_db_reads__never__hands_out_what_is_there_but_not_another_record),
        DB_TEST(test_db_reads__values_at_every_edge_of_blocks__are_right_cold_and_warm),
        DISK_TEST(test_db_reads__slow_read__delays_nobody_but_those_who_want_that_block),
        DB_TEST(test_db_reads__cache_is_changed_while_open__takes_effect_at_once),
        DB_TEST(test_db_reads__cache_of_an_impossible_size__is_refused),
        DB_TEST(
            test_db_reads__many_handles_kept__leave_the_cache_as_it_is_and_outlive_the_database),
    };
    return cmocka_run_group_tests_name("db/db_reads", tests, NULL, NULL);
}
