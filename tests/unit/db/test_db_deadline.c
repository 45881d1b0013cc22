/* Keys with a deadline: there until it passes, and absent for everybody from then on. */
#include "db_fixture.h"

#define NOW_MS UINT64_C(2000000000000)
#define SECOND UINT64_C(1000)

/* Kinds of collections: where deadlines are read from differs. */
enum kind { KIND_VARIABLE, KIND_CONST, KIND_MAP, KIND_MAP_CONST, KINDS };

static struct collection *
create_kind(struct db_fixture *fixture, enum kind kind)
{
    static const char *const names[KINDS] = {"variable", "const", "map", "const map"};
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct collection *collection;
    if (kind == KIND_CONST || kind == KIND_MAP_CONST)
        options.value_bytes = 5;
    if (kind == KIND_MAP || kind == KIND_MAP_CONST)
        options.order = ARMDB_UNORDERED;
    assert_ok(adb_collection_create(fixture->db, names[kind], &options, &collection));
    return collection;
}

static armdb_err
write_until(struct collection *collection, enum shard_verb verb, const char *key,
            uint64_t deadline_ms)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.expires_at_ms = deadline_ms;
    return adb_db_write(collection, verb, armdb_str(key), armdb_str("value"), &options);
}

static void
put_until(struct collection *collection, const char *key, uint64_t deadline_ms)
{
    assert_ok(write_until(collection, SHARD_PUT, key, deadline_ms));
}

/* Every function that reads by key says that it is there, until then. */
static void
expect_there(struct collection *collection, const char *key, uint64_t deadline_ms)
{
    char buffer[8], small[2];
    size_t len;
    bool found;
    uint64_t until;
    const armdb_slice slice = armdb_str(key);
    armdb_read reads[2] = {{.key = slice, .buffer = buffer, .capacity = sizeof buffer},
                           {.key = slice, .buffer = small, .capacity = sizeof small}};
    expect_get(collection, key, "value");
    assert_ok(adb_db_get(collection, slice, buffer, sizeof buffer, &len));
    assert_int_equal(len, 5);
    assert_int_equal(adb_db_get(collection, slice, small, sizeof small, &len),
                     ARMDB_BUFFER_TOO_SMALL);
    assert_int_equal(len, 5);
    assert_int_equal(adb_db_multi_get(collection, reads, 2), ARMDB_BUFFER_TOO_SMALL);
    assert_ok(reads[0].err);
    assert_int_equal(reads[1].err, ARMDB_BUFFER_TOO_SMALL);
    assert_ok(adb_db_contains(collection, slice, &found));
    assert_true(found);
    assert_ok(adb_db_value_len(collection, slice, &len));
    assert_int_equal(len, 5);
    assert_ok(adb_db_deadline(collection, slice, &until));
    assert_true(until == deadline_ms);
}

/* Every function that reads by key says that it is not. */
static void
expect_gone(struct collection *collection, const char *key)
{
    char buffer[8], small[2];
    size_t len = 1;
    bool found = true;
    uint64_t until = 1;
    const armdb_slice slice = armdb_str(key);
    armdb_read reads[2] = {{.key = slice, .buffer = buffer, .capacity = sizeof buffer},
                           {.key = slice, .buffer = small, .capacity = sizeof small}};
    expect_absent(collection, key);
    assert_int_equal(adb_db_get(collection, slice, buffer, sizeof buffer, &len), ARMDB_NOT_FOUND);
    assert_int_equal(len, 0);
    assert_int_equal(adb_db_get(collection, slice, small, sizeof small, &len), ARMDB_NOT_FOUND);
    assert_int_equal(len, 0);
    assert_ok(adb_db_multi_get(collection, reads, 2));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(reads[i].err, ARMDB_NOT_FOUND);
        assert_int_equal(reads[i].len, 0);
    }
    assert_ok(adb_db_contains(collection, slice, &found));
    assert_false(found);
    assert_int_equal(adb_db_value_len(collection, slice, &len), ARMDB_NOT_FOUND);
    assert_int_equal(adb_db_deadline(collection, slice, &until), ARMDB_NOT_FOUND);
    assert_true(until == 0);
    assert_int_equal(try_delete(collection, key), ARMDB_NOT_FOUND);
}

/* ------------------------------------------------------------------------- reads */

static void
test_db_deadline__each_kind__there_until_it_passes(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *collections[KINDS];
    sim_set_wall_ms(fixture->sim, NOW_MS);
    for (int kind = 0; kind < KINDS; kind++) {
        collections[kind] = create_kind(fixture, (enum kind)kind);
        put_until(collections[kind], "soon", NOW_MS + SECOND);
        put_until(collections[kind], "later", NOW_MS + 2 * SECOND);
        put(collections[kind], "ever", "value");
    }
    for (int is_flushed = 0; is_flushed < 2; is_flushed++) {
        sim_set_wall_ms(fixture->sim, NOW_MS + SECOND - 1);
        for (int kind = 0; kind < KINDS; kind++) {
            expect_there(collections[kind], "soon", NOW_MS + SECOND);
            expect_there(collections[kind], "ever", 0);
        }
        sim_set_wall_ms(fixture->sim, NOW_MS + SECOND); /* passed: not one moment longer */
        for (int kind = 0; kind < KINDS; kind++) {
            expect_gone(collections[kind], "soon");
            expect_there(collections[kind], "later", NOW_MS + 2 * SECOND);
            expect_there(collections[kind], "ever", 0);
            expect_count(collections[kind], 3);
        }
        assert_ok(adb_db_flush(fixture->db)); /* now from the files */
    }
}

static void
test_db_deadline__kill_and_open__kept(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const char *const names[KINDS] = {"variable", "const", "map", "const map"};
    sim_set_wall_ms(fixture->sim, NOW_MS);
    for (int kind = 0; kind < KINDS; kind++) {
        struct collection *collection = create_kind(fixture, (enum kind)kind);
        put_until(collection, "soon", NOW_MS + SECOND);
        put_until(collection, "later", NOW_MS + 2 * SECOND);
    }
    kill_and_open(fixture);
    for (int kind = 0; kind < KINDS; kind++)
        expect_there(open_collection(fixture->db, names[kind]), "soon", NOW_MS + SECOND);
    sim_set_wall_ms(fixture->sim, NOW_MS + SECOND);
    reopen_db(fixture);
    for (int kind = 0; kind < KINDS; kind++) {
        expect_gone(open_collection(fixture->db, names[kind]), "soon");
        expect_there(open_collection(fixture->db, names[kind]), "later", NOW_MS + 2 * SECOND);
    }
}

/* Values of every way to be read: through the cache, past it, from a page of their own. */
static void
test_db_deadline__values_of_all_sizes__there_and_gone(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const size_t lengths[] = {0, 20, 21, 4000, 4096, 20000, 1u << 19, (1u << 20) + 1};
    enum { COUNT = sizeof lengths / sizeof lengths[0] };
    char key[16];
    sim_set_wall_ms(fixture->sim, NOW_MS);
    for (size_t i = 0; i < COUNT; i++) {
        armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
        unsigned char *bytes = make_bytes(lengths[i], i);
        snprintf(key, sizeof key, "key %zu", i);
        options.ttl_ms = SECOND;
        assert_ok(adb_db_write(fixture->collection, SHARD_PUT, armdb_str(key),
                               armdb_bytes(bytes, lengths[i]), &options));
        free(bytes);
    }
    for (int is_flushed = 0; is_flushed < 2; is_flushed++) {
        for (size_t i = 0; i < COUNT; i++) {
            uint64_t until;
            snprintf(key, sizeof key, "key %zu", i);
            expect_bytes(fixture->collection, armdb_str(key), lengths[i], i);
            assert_ok(adb_db_deadline(fixture->collection, armdb_str(key), &until));
            assert_true(until == NOW_MS + SECOND);
        }
        kill_and_open(fixture);
    }
    sim_set_wall_ms(fixture->sim, NOW_MS + SECOND);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(key, sizeof key, "key %zu", i);
        expect_gone(fixture->collection, key);
    }
}

/* The deadline is not believed if bits of it have changed: an error is never an absence. */
static void
test_db_deadline__damaged__is_an_error_and_no_absence(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    unsigned char *bytes = make_bytes(10000, 1);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    bool found = true;
    uint64_t until;
    options.ttl_ms = SECOND;
    assert_ok(adb_db_write(fixture->collection, SHARD_PUT, armdb_str("key"),
                           armdb_bytes(bytes, 10000), &options));
    free(bytes);
    assert_ok(adb_db_flush(fixture->db));
    for (uint64_t at = 64 + 20; at < 64 + 32; at++) {
        sim_corrupt(fixture->sim, FIRST_FILE, at, 1);
        assert_int_equal(adb_db_contains(fixture->collection, armdb_str("key"), &found),
                         ARMDB_CORRUPT);
        assert_false(found);
        assert_int_equal(adb_db_deadline(fixture->collection, armdb_str("key"), &until),
                         ARMDB_CORRUPT);
        expect_detail(ARMDB_CORRUPT, "bad checksum of the deadline", NULL);
        assert_int_equal(write_until(fixture->collection, SHARD_INSERT, "key", 0), ARMDB_CORRUPT);
        assert_int_equal(try_delete(fixture->collection, "key"), ARMDB_CORRUPT);
        sim_corrupt(fixture->sim, FIRST_FILE, at, 1);
    }
    assert_ok(adb_db_deadline(fixture->collection, armdb_str("key"), &until));
    assert_ok(try_delete(fixture->collection, "key"));
}

static void
test_db_deadline__clock_set_back__there_again(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_set_wall_ms(fixture->sim, NOW_MS);
    put_until(fixture->collection, "key", NOW_MS + SECOND);
    sim_advance_ns(fixture->sim, UINT64_C(1000000000));
    expect_gone(fixture->collection, "key");
    sim_set_wall_ms(fixture->sim, NOW_MS);
    expect_there(fixture->collection, "key", NOW_MS + SECOND);
}

/* Which write is the newest is not asked of a clock, neither by readers nor when a file is read. */
static void
test_db_deadline__clock_jumps_between_writes__newest_write_wins(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const uint64_t hour_ms = 3600 * SECOND;
    sim_set_wall_ms(fixture->sim, NOW_MS);
    put_until(fixture->collection, "sooner", NOW_MS + 2 * SECOND);
    put(fixture->collection, "plain", "older");
    put(fixture->collection, "deleted", "older");
    sim_set_wall_ms(fixture->sim, NOW_MS - hour_ms);
    put_until(fixture->collection, "sooner", NOW_MS - hour_ms + SECOND);
    put(fixture->collection, "plain", "newer");
    assert_ok(try_delete(fixture->collection, "deleted"));
    for (int round = 0; round < 4; round++) {
        armdb_compact_progress done;
        sim_set_wall_ms(fixture->sim, NOW_MS - hour_ms);
        expect_there(fixture->collection, "sooner", NOW_MS - hour_ms + SECOND);
        sim_set_wall_ms(fixture->sim, NOW_MS); /* and not the older one, which has a second left */
        expect_gone(fixture->collection, "sooner");
        expect_get(fixture->collection, "plain", "newer");
        expect_absent(fixture->collection, "deleted");
        sim_set_wall_ms(fixture->sim, NOW_MS - hour_ms);
        assert_ok(adb_db_flush(fixture->db));
        if (round == 0)
            kill_and_open(fixture);
        else if (round == 1)
            reopen_db(fixture); /* reads the hint */
        else
            assert_ok(adb_db_compact(fixture->db, NULL, &done));
    }
    sim_set_wall_ms(fixture->sim, NOW_MS + 100 * hour_ms);
    expect_get(fixture->collection, "plain", "newer");
    expect_absent(fixture->collection, "deleted");
}

/* ------------------------------------------------------------------------ writes */

static void
test_db_deadline__insert_over_an_expired_key__is_one(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_set_wall_ms(fixture->sim, NOW_MS);
    for (int kind = 0; kind < KINDS; kind++) {
        struct collection *collection = create_kind(fixture, (enum kind)kind);
        put_until(collection, "key", NOW_MS + SECOND);
        assert_int_equal(write_until(collection, SHARD_INSERT, "key", 0), ARMDB_EXISTS);
        sim_set_wall_ms(fixture->sim, NOW_MS + SECOND);
        assert_ok(write_until(collection, SHARD_INSERT, "key", NOW_MS + 5 * SECOND));
        expect_there(collection, "key", NOW_MS + 5 * SECOND);
        assert_ok(try_delete(collection, "key"));
        expect_count(collection, 0);
        sim_set_wall_ms(fixture->sim, NOW_MS);
    }
}

static void
test_db_deadline__put_without_one__stays_for_ever(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_set_wall_ms(fixture->sim, NOW_MS);
    put_until(fixture->collection, "key", NOW_MS + SECOND);
    put(fixture->collection, "key", "value");
    sim_set_wall_ms(fixture->sim, NOW_MS + SECOND);
    expect_there(fixture->collection, "key", 0);
}

static void
test_db_deadline__in_the_past__hides_what_was_there(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    sim_set_wall_ms(fixture->sim, NOW_MS);
    put(fixture->collection, "key", "older");
    put_until(fixture->collection, "key", 1);
    expect_gone(fixture->collection, "key");
    kill_and_open(fixture);
    expect_gone(fixture->collection, "key");
}

static void
test_db_deadline__ttl__counts_from_the_call(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    uint64_t until;
    sim_set_wall_ms(fixture->sim, NOW_MS);
    options.ttl_ms = 1;
    assert_ok(
        adb_db_write(fixture->collection, SHARD_PUT, armdb_str("a"), armdb_str("value"), &options));
    expect_there(fixture->collection, "a", NOW_MS + 1);
    options.ttl_ms = UINT64_MAX; /* as far as the clock can go */
    assert_ok(
        adb_db_write(fixture->collection, SHARD_PUT, armdb_str("b"), armdb_str("value"), &options));
    assert_ok(adb_db_deadline(fixture->collection, armdb_str("b"), &until));
    assert_true(until == UINT64_MAX);
    sim_advance_ns(fixture->sim, 1000000);
    expect_gone(fixture->collection, "a");
}

static void
test_db_deadline__options_that_cannot_be__are_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.expires_at_ms = 12345;
    options.ttl_ms = 678;
    assert_int_equal(adb_db_write(fixture->collection, SHARD_PUT, armdb_str("key"),
                                  armdb_str("value"), &options),
                     ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "expires_at_ms is 12345", "ttl_ms is 678", NULL);
    put(fixture->collection, "key", "value");
    options.expires_at_ms = 0;
    assert_int_equal(
        adb_db_write(fixture->collection, SHARD_DELETE, armdb_str("key"), armdb_str(""), &options),
        ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "a delete with a deadline", NULL);
    expect_there(fixture->collection, "key", 0);
}

/* ------------------------------------------------------------------------- walks */

/* Keys 00 .. 29, of which those that `is_expiring` says are gone after a second. */
static void
fill_some(struct collection *collection, bool (*is_expiring)(int number))
{
    char key[16];
    for (int i = 0; i < 30; i++) {
        snprintf(key, sizeof key, "%02d", i);
        put_until(collection, key, is_expiring(i) ? NOW_MS + SECOND : 0);
    }
}

static bool
is_third(int number)
{
    return number % 3 == 0 || number < 4 || number > 26;
}

static bool
is_any(int number)
{
    (void)number;
    return true;
}

/* Walks forwards, and where there is an order backwards; each key that is there is met once. */
static void
check_walk(struct collection *collection, bool keys_only, bool is_ordered, uint64_t expected)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    struct cursor *cursor;
    armdb_err err;
    options.keys_only = keys_only;
    for (int is_backwards = 0; is_backwards < (is_ordered ? 2 : 1); is_backwards++) {
        uint64_t seen = 0;
        assert_ok(adb_cursor_open(collection, &options, &cursor));
        while ((err = adb_cursor_move(cursor, is_backwards ? CURSOR_PREV : CURSOR_NEXT)) ==
               ARMDB_OK) {
            const char *key = (const char *)adb_cursor_key(cursor).data;
            uint64_t bit = UINT64_C(1) << ((key[0] - '0') * 10 + key[1] - '0');
            assert_true((seen & bit) == 0);
            seen |= bit;
            assert_int_equal(adb_cursor_value(cursor).len, keys_only ? 0 : 5);
        }
        assert_int_equal(err, ARMDB_END);
        assert_true(seen == expected);
        adb_cursor_close(cursor);
    }
}

static uint64_t
bits_of(bool (*is_left_out)(int number))
{
    uint64_t bits = 0;
    for (int i = 0; i < 30; i++) {
        if (!is_left_out(i))
            bits |= UINT64_C(1) << i;
    }
    return bits;
}

static void
test_db_deadline__cursors__pass_what_has_expired(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (int kind = 0; kind < KINDS; kind++) {
        struct collection *collection = create_kind(fixture, (enum kind)kind);
        bool is_ordered = kind == KIND_VARIABLE || kind == KIND_CONST;
        sim_set_wall_ms(fixture->sim, NOW_MS);
        fill_some(collection, is_third);
        for (int keys_only = 0; keys_only < 2; keys_only++) {
            sim_set_wall_ms(fixture->sim, NOW_MS);
            check_walk(collection, keys_only != 0, is_ordered, (UINT64_C(1) << 30) - 1);
            sim_set_wall_ms(fixture->sim, NOW_MS + SECOND);
            check_walk(collection, keys_only != 0, is_ordered, bits_of(is_third));
        }
        fill_some(collection, is_any);
        check_walk(collection, false, is_ordered, 0);
    }
}

static void
test_db_deadline__first_last_and_seek__pass_what_has_expired(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const armdb_order orders[] = {ARMDB_ASCENDING, ARMDB_DESCENDING};
    for (size_t i = 0; i < 2; i++) {
        struct collection *collection = create_collection(fixture->db, i == 0 ? "up" : "down",
                                                          ARMDB_KEY_VARIABLE, orders[i]);
        struct cursor *cursor;
        armdb_value key, value;
        sim_set_wall_ms(fixture->sim, NOW_MS);
        fill_some(collection, is_third);
        sim_set_wall_ms(fixture->sim, NOW_MS + SECOND);
        for (int is_last = 0; is_last < 2; is_last++) {
            const char *expected = (is_last != 0) == (i == 0) ? "26" : "04";
            assert_ok(adb_db_end(collection, is_last != 0, &key, &value));
            assert_memory_equal(armdb_value_bytes(&key).data, expected, 2);
            assert_int_equal(value.len, 5);
            armdb_value_release(&key);
            armdb_value_release(&value);
            assert_ok(adb_db_end(collection, is_last != 0, &key, NULL));
            assert_memory_equal(armdb_value_bytes(&key).data, expected, 2);
            armdb_value_release(&key);
        }
        assert_ok(adb_cursor_open(collection, NULL, &cursor));
        assert_ok(adb_cursor_seek(cursor, armdb_str("15"))); /* expired */
        assert_memory_equal(adb_cursor_key(cursor).data, i == 0 ? "16" : "14", 2);
        assert_int_equal(adb_cursor_seek(cursor, armdb_str(i == 0 ? "27" : "03")), ARMDB_END);
        assert_ok(adb_cursor_move(cursor, CURSOR_FIRST));
        assert_memory_equal(adb_cursor_key(cursor).data, i == 0 ? "04" : "26", 2);
        assert_ok(adb_cursor_move(cursor, CURSOR_LAST));
        assert_memory_equal(adb_cursor_key(cursor).data, i == 0 ? "26" : "04", 2);
        adb_cursor_close(cursor);
        fill_some(collection, is_any);
        assert_int_equal(adb_db_end(collection, false, &key, &value), ARMDB_NOT_FOUND);
        assert_int_equal(adb_db_end(collection, true, &key, &value), ARMDB_NOT_FOUND);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_deadline__each_kind__there_until_it_passes),
        DB_TEST(test_db_deadline__kill_and_open__kept),
        DB_TEST(test_db_deadline__values_of_all_sizes__there_and_gone),
        DB_TEST(test_db_deadline__damaged__is_an_error_and_no_absence),
        DB_TEST(test_db_deadline__clock_set_back__there_again),
        DB_TEST(test_db_deadline__clock_jumps_between_writes__newest_write_wins),
        DB_TEST(test_db_deadline__insert_over_an_expired_key__is_one),
        DB_TEST(test_db_deadline__put_without_one__stays_for_ever),
        DB_TEST(test_db_deadline__in_the_past__hides_what_was_there),
        DB_TEST(test_db_deadline__ttl__counts_from_the_call),
        DB_TEST(test_db_deadline__options_that_cannot_be__are_refused),
        DB_TEST(test_db_deadline__cursors__pass_what_has_expired),
        DB_TEST(test_db_deadline__first_last_and_seek__pass_what_has_expired),
    };
    return cmocka_run_group_tests_name("db/db_deadline", tests, NULL, NULL);
}
