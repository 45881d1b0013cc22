/*
 * Cursors: what each move does at each place, and random walks against a sorted array.
 */
#include "db/db_private.h"

#include "db_fixture.h"

/* ------------------------------------------------------------------- helpers */

static struct cursor *
open_cursor(struct collection *collection, const armdb_cursor_options *options)
{
    struct cursor *cursor;
    assert_ok(adb_cursor_open(collection, options, &cursor));
    return cursor;
}

static void
expect_on(const struct cursor *cursor, const char *key)
{
    armdb_slice found = adb_cursor_key(cursor);
    if (found.len != strlen(key) || memcmp(found.data, key, found.len) != 0)
        fail_msg("on \"%.*s\", not on \"%s\"", (int)found.len, (const char *)found.data, key);
}

static void
expect_move(struct cursor *cursor, enum cursor_move move, const char *key)
{
    armdb_err err = adb_cursor_move(cursor, move);
    if (key == NULL) {
        assert_int_equal(err, ARMDB_END);
        assert_int_equal(adb_cursor_key(cursor).len, 0);
        assert_int_equal(adb_cursor_value(cursor).len, 0);
        assert_int_equal(adb_cursor_value_len(cursor), 0);
        return;
    }
    assert_ok(err);
    expect_on(cursor, key);
}

static void
expect_next(struct cursor *cursor, const char *key)
{
    expect_move(cursor, CURSOR_NEXT, key);
}

static void
expect_prev(struct cursor *cursor, const char *key)
{
    expect_move(cursor, CURSOR_PREV, key);
}

static void
expect_seek(struct cursor *cursor, const char *key, const char *found)
{
    armdb_err err = adb_cursor_seek(cursor, armdb_str(key));
    if (found == NULL) {
        assert_int_equal(err, ARMDB_END);
        assert_int_equal(adb_cursor_key(cursor).len, 0);
        return;
    }
    assert_ok(err);
    expect_on(cursor, found);
}

/* "b", "d", "f", "h" with their names as values. */
static void
fill(struct collection *collection)
{
    put(collection, "f", "value of f");
    put(collection, "b", "value of b");
    put(collection, "h", "value of h");
    put(collection, "d", "value of d");
}

/* All keys that a walk meets, as one string; the walk back must be its mirror. */
static void
expect_walk(struct collection *collection, const armdb_cursor_options *options, const char *keys)
{
    struct cursor *cursor = open_cursor(collection, options);
    size_t len = strlen(keys);
    char key[2] = "";
    for (size_t i = 0; i < len; i++) {
        key[0] = keys[i];
        expect_next(cursor, key);
    }
    expect_next(cursor, NULL);
    for (size_t i = len; i > 0; i--) {
        key[0] = keys[i - 1];
        expect_prev(cursor, key);
    }
    expect_prev(cursor, NULL);
    adb_cursor_close(cursor);
    cursor = open_cursor(collection, options);
    for (size_t i = len; i > 0; i--) {
        key[0] = keys[i - 1];
        expect_prev(cursor, key);
    }
    expect_prev(cursor, NULL);
    adb_cursor_close(cursor);
}

/* --------------------------------------------------------------------- moves */

static void
test_db_cursor__fresh__is_before_the_first_and_behind_the_last(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture->collection);
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    assert_int_equal(adb_cursor_key(cursor).len, 0);
    assert_null(adb_cursor_key(cursor).data);
    assert_int_equal(adb_cursor_value(cursor).len, 0);
    assert_int_equal(adb_cursor_value_len(cursor), 0);
    expect_next(cursor, "b");
    adb_cursor_close(cursor);
    cursor = open_cursor(fixture->collection, NULL);
    expect_prev(cursor, "h");
    adb_cursor_close(cursor);
}

static void
test_db_cursor__empty_collection__has_ends_only(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    expect_next(cursor, NULL);
    expect_next(cursor, NULL);
    expect_prev(cursor, NULL);
    expect_move(cursor, CURSOR_FIRST, NULL);
    expect_move(cursor, CURSOR_LAST, NULL);
    expect_seek(cursor, "x", NULL);
    put(fixture->collection, "k", "v"); /* now there is one, and the cursor finds it */
    expect_prev(cursor, "k");
    adb_cursor_close(cursor);
}

static void
test_db_cursor__end__is_left_by_a_step_back(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture->collection);
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    expect_move(cursor, CURSOR_LAST, "h");
    for (int i = 0; i < 3; i++)
        expect_next(cursor, NULL);
    expect_prev(cursor, "h");
    expect_move(cursor, CURSOR_FIRST, "b");
    for (int i = 0; i < 3; i++)
        expect_prev(cursor, NULL);
    expect_next(cursor, "b");
    adb_cursor_close(cursor);
}

static void
test_db_cursor__mixed_directions__step_by_one(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture->collection);
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    expect_next(cursor, "b");
    expect_next(cursor, "d");
    expect_prev(cursor, "b");
    expect_next(cursor, "d");
    expect_next(cursor, "f");
    expect_prev(cursor, "d");
    expect_prev(cursor, "b");
    expect_prev(cursor, NULL);
    expect_next(cursor, "b");
    adb_cursor_close(cursor);
}

static void
test_db_cursor__values__belong_to_their_keys(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture->collection);
    put(fixture->collection, "c", "");
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    expect_next(cursor, "b");
    assert_memory_equal(adb_cursor_value(cursor).data, "value of b", 10);
    assert_int_equal(adb_cursor_value_len(cursor), 10);
    expect_next(cursor, "c");
    assert_int_equal(adb_cursor_value(cursor).len, 0);
    expect_next(cursor, "d");
    assert_int_equal(adb_cursor_value(cursor).len, 10);
    assert_memory_equal(adb_cursor_value(cursor).data, "value of d", 10);
    adb_cursor_close(cursor);
}

static void
test_db_cursor__values_of_all_sizes__are_whole(void **state)
{
    static const size_t lengths[] = {0, 1, 20, 21, 4095, 4096, 4097, 100000, 600000, 3};
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char key[2] = "0";
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        key[0] = (char)('0' + i);
        put_bytes(fixture->collection, armdb_str(key), lengths[i], i);
    }
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char *bytes = make_bytes(lengths[i], i);
        assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
        assert_int_equal(adb_cursor_value(cursor).len, lengths[i]);
        if (lengths[i] > 0)
            assert_memory_equal(adb_cursor_value(cursor).data, bytes, lengths[i]);
        free(bytes);
    }
    adb_cursor_close(cursor);
}

static void
test_db_cursor__keys_only__reads_no_value(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    options.keys_only = 1;
    fill(fixture->collection);
    set_fault(fixture, SIM_FAULT_READ, 0, 1, true);
    struct cursor *cursor = open_cursor(fixture->collection, &options);
    expect_next(cursor, "b");
    assert_int_equal(adb_cursor_value(cursor).len, 0);
    assert_int_equal(adb_cursor_value_len(cursor), 10);
    expect_walk(fixture->collection, &options, "bdfh");
    assert_false(sim_fault_fired(fixture->sim));
    adb_cursor_close(cursor);
}

static void
test_db_cursor__failed_read__stands_on_the_key_and_goes_on(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture->collection);
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    expect_next(cursor, "b");
    set_fault(fixture, SIM_FAULT_READ, 0, 1, true);
    assert_int_equal(adb_cursor_move(cursor, CURSOR_NEXT), ARMDB_IO);
    sim_clear_fault(fixture->sim); /* reads work again */
    expect_on(cursor, "d");
    assert_int_equal(adb_cursor_value(cursor).len, 0);
    assert_int_equal(adb_cursor_value_len(cursor), 10);
    expect_next(cursor, "f");
    assert_memory_equal(adb_cursor_value(cursor).data, "value of f", 10);
    adb_mem_fail_at(1, false);
    put_bytes(fixture->collection, armdb_str("g"), 10000, 1);
    assert_int_equal(adb_mem_has_failed(), false);
    assert_int_equal(adb_cursor_move(cursor, CURSOR_NEXT), ARMDB_NO_MEMORY);
    expect_on(cursor, "g");
    expect_next(cursor, "h");
    expect_prev(cursor, "g");
    assert_int_equal(adb_cursor_value(cursor).len, 10000);
    adb_cursor_close(cursor);
}

/* ---------------------------------------------------------------------- seeks */

static void
test_db_cursor__seek__finds_the_key_or_the_next(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture->collection);
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    expect_seek(cursor, "d", "d");
    expect_seek(cursor, "c", "d");
    expect_seek(cursor, "a", "b");
    expect_seek(cursor, "dd", "f"); /* another length than any key has */
    expect_seek(cursor, "i", NULL);
    expect_prev(cursor, "h");
    expect_seek(cursor, "h", "h");
    expect_next(cursor, NULL);
    adb_cursor_close(cursor);
}

static void
test_db_cursor__seek_in_a_range__stays_inside(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    options.from = (armdb_bound){ARMDB_EXCLUDED, armdb_str("b")};
    options.to = (armdb_bound){ARMDB_INCLUDED, armdb_str("f")};
    fill(fixture->collection);
    struct cursor *cursor = open_cursor(fixture->collection, &options);
    expect_seek(cursor, "a", "d");
    expect_seek(cursor, "b", "d");
    expect_seek(cursor, "f", "f");
    expect_seek(cursor, "g", NULL);
    expect_prev(cursor, "f");
    expect_seek(cursor, "z", NULL);
    expect_next(cursor, NULL);
    expect_prev(cursor, "f");
    expect_seek(cursor, "a", "d");
    expect_prev(cursor, NULL);
    expect_next(cursor, "d");
    adb_cursor_close(cursor);
}

static void
test_db_cursor__seek_in_a_descending_collection__mirrors(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *down = create_collection(fixture->db, "down", 0, ARMDB_DESCENDING);
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    fill(down);
    struct cursor *cursor = open_cursor(down, NULL);
    expect_seek(cursor, "g", "f");
    expect_next(cursor, "d");
    expect_seek(cursor, "z", "h");
    expect_seek(cursor, "a", NULL);
    expect_prev(cursor, "b");
    adb_cursor_close(cursor);
    options.from = (armdb_bound){ARMDB_INCLUDED, armdb_str("f")};
    options.to = (armdb_bound){ARMDB_EXCLUDED, armdb_str("b")};
    cursor = open_cursor(down, &options);
    expect_seek(cursor, "z", "f");
    expect_seek(cursor, "e", "d");
    expect_seek(cursor, "b", NULL);
    expect_prev(cursor, "d");
    adb_cursor_close(cursor);
}

static void
test_db_cursor__seek_for_no_key__is_refused(void **state)
{
    static const char key[ARMDB_KEY_MAX + 1] = "x";
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture->collection);
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    expect_next(cursor, "b");
    assert_int_equal(adb_cursor_seek(cursor, armdb_str("")), ARMDB_KEY_LENGTH);
    assert_int_equal(adb_cursor_seek(cursor, armdb_bytes(key, sizeof key)), ARMDB_KEY_LENGTH);
    expect_detail(ARMDB_KEY_LENGTH, "1025", "1..1024", NULL);
    expect_on(cursor, "b");
    expect_next(cursor, "d");
    adb_cursor_close(cursor);
}

/* --------------------------------------------------------------------- ranges */

static void
expect_range(struct collection *collection, armdb_bound_kind from_kind, const char *from,
             armdb_bound_kind to_kind, const char *to, const char *keys)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    options.from = (armdb_bound){from_kind, armdb_str(from)};
    options.to = (armdb_bound){to_kind, armdb_str(to)};
    expect_walk(collection, &options, keys);
}

static void
test_db_cursor__range__each_end_included_excluded_or_open(void **state)
{
    struct collection *collection = ((struct db_fixture *)*state)->collection;
    fill(collection);
    expect_range(collection, ARMDB_UNBOUNDED, "", ARMDB_UNBOUNDED, "", "bdfh");
    expect_range(collection, ARMDB_INCLUDED, "d", ARMDB_INCLUDED, "f", "df");
    expect_range(collection, ARMDB_INCLUDED, "d", ARMDB_EXCLUDED, "f", "d");
    expect_range(collection, ARMDB_EXCLUDED, "d", ARMDB_INCLUDED, "f", "f");
    expect_range(collection, ARMDB_EXCLUDED, "d", ARMDB_EXCLUDED, "f", "");
    expect_range(collection, ARMDB_INCLUDED, "d", ARMDB_UNBOUNDED, "", "dfh");
    expect_range(collection, ARMDB_EXCLUDED, "d", ARMDB_UNBOUNDED, "", "fh");
    expect_range(collection, ARMDB_UNBOUNDED, "", ARMDB_INCLUDED, "d", "bd");
    expect_range(collection, ARMDB_UNBOUNDED, "", ARMDB_EXCLUDED, "d", "b");
    expect_range(collection, ARMDB_INCLUDED, "c", ARMDB_EXCLUDED, "g", "df");
    expect_range(collection, ARMDB_EXCLUDED, "dd", ARMDB_INCLUDED, "ff", "f");
}

static void
test_db_cursor__empty_and_inverted_ranges__have_no_keys(void **state)
{
    struct collection *collection = ((struct db_fixture *)*state)->collection;
    fill(collection);
    expect_range(collection, ARMDB_INCLUDED, "d", ARMDB_INCLUDED, "d", "d");
    expect_range(collection, ARMDB_INCLUDED, "d", ARMDB_EXCLUDED, "d", "");
    expect_range(collection, ARMDB_EXCLUDED, "d", ARMDB_INCLUDED, "d", "");
    expect_range(collection, ARMDB_INCLUDED, "f", ARMDB_INCLUDED, "d", "");
    expect_range(collection, ARMDB_INCLUDED, "h", ARMDB_INCLUDED, "a", "");
    expect_range(collection, ARMDB_INCLUDED, "x", ARMDB_UNBOUNDED, "", "");
    expect_range(collection, ARMDB_UNBOUNDED, "", ARMDB_EXCLUDED, "b", "");
}

static void
test_db_cursor__inverted_range__is_empty_for_first_last_and_seek(void **state)
{
    struct collection *collection = ((struct db_fixture *)*state)->collection;
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    options.from = (armdb_bound){ARMDB_INCLUDED, armdb_str("g")};
    options.to = (armdb_bound){ARMDB_INCLUDED, armdb_str("c")};
    fill(collection);
    struct cursor *cursor = open_cursor(collection, &options);
    expect_move(cursor, CURSOR_FIRST, NULL);
    expect_move(cursor, CURSOR_LAST, NULL);
    for (char key[2] = "a"; key[0] <= 'i'; key[0]++)
        expect_seek(cursor, key, NULL);
    adb_cursor_close(cursor);
}

static void
test_db_cursor__range_of_a_descending_collection__runs_down(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *down = create_collection(fixture->db, "down", 0, ARMDB_DESCENDING);
    fill(down);
    expect_range(down, ARMDB_UNBOUNDED, "", ARMDB_UNBOUNDED, "", "hfdb");
    expect_range(down, ARMDB_INCLUDED, "f", ARMDB_INCLUDED, "d", "fd");
    expect_range(down, ARMDB_EXCLUDED, "f", ARMDB_INCLUDED, "b", "db");
    expect_range(down, ARMDB_INCLUDED, "f", ARMDB_EXCLUDED, "b", "fd");
    expect_range(down, ARMDB_INCLUDED, "d", ARMDB_INCLUDED, "f", "");
    expect_range(down, ARMDB_UNBOUNDED, "", ARMDB_EXCLUDED, "f", "h");
    expect_range(down, ARMDB_EXCLUDED, "f", ARMDB_UNBOUNDED, "", "db");
}

static void
test_db_cursor__bounds_and_prefix__are_copied(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    char from[] = "d";
    char prefix[] = "f";
    fill(fixture->collection);
    options.from = (armdb_bound){ARMDB_INCLUDED, armdb_str(from)};
    struct cursor *ranged = open_cursor(fixture->collection, &options);
    options = (armdb_cursor_options)ARMDB_CURSOR_OPTIONS_INIT;
    options.prefix = armdb_str(prefix);
    struct cursor *prefixed = open_cursor(fixture->collection, &options);
    from[0] = prefix[0] = 'z';
    memset(&options, 0xff, sizeof options);
    expect_next(ranged, "d");
    expect_next(prefixed, "f");
    expect_next(prefixed, NULL);
    adb_cursor_close(ranged);
    adb_cursor_close(prefixed);
}

/* ------------------------------------------------------------------- prefixes */

static void
expect_prefix(struct collection *collection, const char *prefix, const char *const *keys)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    options.prefix = armdb_str(prefix);
    struct cursor *cursor = open_cursor(collection, &options);
    size_t count = 0;
    for (; keys[count] != NULL; count++)
        expect_next(cursor, keys[count]);
    expect_next(cursor, NULL);
    for (size_t i = count; i > 0; i--)
        expect_prev(cursor, keys[i - 1]);
    expect_prev(cursor, NULL);
    adb_cursor_close(cursor);
}

static void
check_prefixes(struct collection *collection, bool is_descending)
{
    static const char *const keys[] = {"a",    "ab",   "ab\xff",   "ab\xff\xff", "abc",         "b",
                                       "\xfe", "\xff", "\xff\x01", "\xff\xff",   "\xff\xff\xff"};
    static const char *const prefixes[] = {
        "a", "ab",   "ab\xff",   "ab\xff\xff",   "abd",
        "b", "\xff", "\xff\xff", "\xff\xff\xff", "\xff\xff\xff\xff"};
    const size_t key_count = sizeof keys / sizeof *keys;
    for (size_t i = 0; i < key_count; i++)
        put(collection, keys[i], keys[i]);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        const char *sorted[12] = {NULL};
        const char *expected[12] = {NULL};
        size_t count = 0;
        for (size_t k = 0; k < key_count; k++) {
            if (strncmp(keys[k], prefixes[i], strlen(prefixes[i])) == 0)
                sorted[count++] = keys[k];
        }
        /* In key order: "abc" comes before "ab\xff". */
        for (size_t a = 0; a < count; a++) {
            size_t rank = 0;
            for (size_t b = 0; b < count; b++)
                rank += strcmp(sorted[b], sorted[a]) < 0;
            expected[is_descending ? count - 1 - rank : rank] = sorted[a];
        }
        expect_prefix(collection, prefixes[i], expected);
    }
}

static void
test_db_cursor__prefix__gives_the_keys_that_begin_with_it(void **state)
{
    check_prefixes(((struct db_fixture *)*state)->collection, false);
}

static void
test_db_cursor__prefix_of_a_descending_collection__mirrors(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    check_prefixes(create_collection(fixture->db, "down", 0, ARMDB_DESCENDING), true);
}

static void
test_db_cursor__prefix_longer_than_a_key__is_an_error(void **state)
{
    static const char long_prefix[ARMDB_KEY_MAX + 1] = "x";
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *fixed = create_collection(fixture->db, "fixed", 4, ARMDB_ASCENDING);
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    struct cursor *cursor;
    put(fixed, "1234", "value");
    options.prefix = armdb_str("12345");
    assert_int_equal(adb_cursor_open(fixed, &options, &cursor), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "prefix of 5 bytes", "\"fixed\"", "at most 4", NULL);
    assert_null(cursor);
    options.prefix = armdb_bytes(long_prefix, sizeof long_prefix);
    assert_int_equal(adb_cursor_open(fixture->collection, &options, &cursor), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "1025", "at most 1024", NULL);
    options.prefix = armdb_str("1234");
    cursor = open_cursor(fixed, &options);
    expect_next(cursor, "1234");
    expect_next(cursor, NULL);
    adb_cursor_close(cursor);
    options.prefix = armdb_bytes(long_prefix, ARMDB_KEY_MAX);
    adb_cursor_close(open_cursor(fixture->collection, &options));
    assert_int_equal(stats_of(fixture->db).cursors, 0);
}

static void
test_db_cursor__bad_options__are_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const char key[ARMDB_KEY_MAX + 1] = "x";
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    struct cursor *cursor;
    options.from = (armdb_bound){ARMDB_INCLUDED, armdb_bytes(key, sizeof key)};
    assert_int_equal(adb_cursor_open(fixture->collection, &options, &cursor), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "`from`", "1025", "1..1024", NULL);
    options.from = (armdb_bound){ARMDB_UNBOUNDED, {NULL, 77}}; /* not looked at */
    adb_cursor_close(open_cursor(fixture->collection, &options));
    options.to = (armdb_bound){ARMDB_EXCLUDED, armdb_str("")};
    assert_int_equal(adb_cursor_open(fixture->collection, &options, &cursor), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "`to`", "0 bytes", NULL);
    options.to = (armdb_bound){(armdb_bound_kind)3, armdb_str("k")};
    assert_int_equal(adb_cursor_open(fixture->collection, &options, &cursor), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "`to`", "kind 3", "0..2", NULL);
    options.to = (armdb_bound){ARMDB_INCLUDED, armdb_str("k")};
    options.prefix = armdb_str("k");
    assert_int_equal(adb_cursor_open(fixture->collection, &options, &cursor), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "both a prefix and a bound", NULL);
    options = (armdb_cursor_options)ARMDB_CURSOR_OPTIONS_INIT;
    options.struct_bytes = 8;
    assert_int_equal(adb_cursor_open(fixture->collection, &options, &cursor), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "struct_bytes is 8", NULL);
    assert_int_equal(stats_of(fixture->db).cursors, 0);
}

/* ------------------------------------------------------- changes under a cursor */

static void
test_db_cursor__key_under_it_deleted__steps_to_its_neighbours(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture->collection);
    struct cursor *forward = open_cursor(fixture->collection, NULL);
    struct cursor *backward = open_cursor(fixture->collection, NULL);
    expect_seek(forward, "d", "d");
    expect_seek(backward, "d", "d");
    assert_ok(try_delete(fixture->collection, "d"));
    expect_on(forward, "d"); /* the copy is the cursor's own */
    assert_memory_equal(adb_cursor_value(forward).data, "value of d", 10);
    expect_next(forward, "f");
    expect_prev(backward, "b");
    expect_next(backward, "f");
    adb_cursor_close(forward);
    adb_cursor_close(backward);
}

static void
test_db_cursor__all_keys_deleted__ends(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture->collection);
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    expect_next(cursor, "b");
    for (const char *key = "bdfh"; *key != '\0'; key++) {
        const char text[2] = {*key, '\0'};
        assert_ok(try_delete(fixture->collection, text));
    }
    expect_next(cursor, NULL);
    expect_prev(cursor, NULL);
    put(fixture->collection, "x", "new");
    expect_next(cursor, "x");
    adb_cursor_close(cursor);
}

static void
test_db_cursor__keys_inserted_around_it__are_met(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fill(fixture->collection);
    struct cursor *cursor = open_cursor(fixture->collection, NULL);
    expect_seek(cursor, "d", "d");
    put(fixture->collection, "e", "new");
    put(fixture->collection, "c", "new");
    expect_next(cursor, "e");
    expect_prev(cursor, "d");
    expect_prev(cursor, "c");
    put(fixture->collection, "d", "changed");
    expect_next(cursor, "d");
    assert_memory_equal(adb_cursor_value(cursor).data, "changed", 7);
    expect_move(cursor, CURSOR_LAST, "h");
    put(fixture->collection, "i", "behind");
    expect_next(cursor, "i");
    expect_next(cursor, NULL);
    put(fixture->collection, "j", "behind the end");
    expect_next(cursor, NULL); /* it stands beyond the end, wherever that is now */
    expect_prev(cursor, "j");
    adb_cursor_close(cursor);
}

static void
test_db_cursor__collection_dropped__says_so_at_each_move(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *other = create_collection(fixture->db, "other", 0, ARMDB_ASCENDING);
    struct cursor *late;
    fill(other);
    struct cursor *cursor = open_cursor(other, NULL);
    expect_next(cursor, "b");
    assert_ok(adb_collection_drop(fixture->db, "other"));
    for (int move = CURSOR_NEXT; move <= CURSOR_LAST; move++) {
        assert_int_equal(adb_cursor_move(cursor, (enum cursor_move)move), ARMDB_NO_COLLECTION);
        expect_detail(ARMDB_NO_COLLECTION, "\"other\"", "dropped", NULL);
    }
    assert_int_equal(adb_cursor_seek(cursor, armdb_str("b")), ARMDB_NO_COLLECTION);
    assert_int_equal(adb_cursor_open(other, NULL, &late), ARMDB_NO_COLLECTION);
    assert_null(late);
    adb_cursor_close(cursor);
}

/* --------------------------------------------------------- files that are compacted under it */

enum { OLD_KEYS = 5, OLD_VALUE_BYTES = 1000, OLD_BLOCK = 4096 };

static void
put_all_old(struct collection *collection, char letter)
{
    char key[16];
    char value[OLD_VALUE_BYTES + 1] = "";
    memset(value, letter, OLD_VALUE_BYTES);
    for (int i = 0; i < OLD_KEYS; i++) {
        (void)snprintf(key, sizeof key, "key%d", i);
        put(collection, key, value);
    }
}

static void
expect_value_of(struct cursor *cursor, const char *key, char letter)
{
    armdb_slice value = adb_cursor_value(cursor);
    assert_int_equal(adb_cursor_key(cursor).len, strlen(key));
    assert_memory_equal(adb_cursor_key(cursor).data, key, strlen(key));
    assert_int_equal(value.len, OLD_VALUE_BYTES);
    for (size_t i = 0; i < value.len; i++)
        assert_int_equal(((const char *)value.data)[i], letter);
}

static uint64_t
location_now(const struct collection *collection, const char *key)
{
    return adb_index_get(&collection->index.keys, armdb_str(key), NULL);
}

/* An adb_cache_read_fn: the context is the block. */
static armdb_err
read_block(void *context, uint64_t offset, size_t bytes, void *to, size_t *got_out)
{
    assert_int_equal(offset, 0);
    assert_int_equal(bytes, OLD_BLOCK);
    memcpy(to, context, bytes);
    *got_out = bytes;
    return ARMDB_OK;
}

/* A cursor stands, and has looked for the values of the next keys. Then the file that they are in
 * is replaced, another one gets its slot, and newer values of the same length come to lie at the
 * same offsets: their locations are what they were. The old file's block is in the cache, in its
 * frame, as it is until a sweep that has freed the slot gets round to dropping it. */
static void
test_db_cursor__slot_of_what_it_looked_at_reused__gives_the_newer_value(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *collection = create_collection(fixture->db, "fixed", 4, ARMDB_ASCENDING);
    armdb_compact_progress done;
    const uint64_t old_file = 1; /* what the cache calls it: shard 0, file 1 */
    unsigned char block[OLD_BLOCK];
    struct adb_cache_spot before, after;
    uint32_t reads;
    struct cursor *cursor;
    put_all_old(collection, 'a');
    assert_ok(adb_cursor_open(collection, NULL, &cursor));
    assert_ok(adb_cursor_move(cursor, CURSOR_FIRST)); /* the block comes in */
    assert_ok(adb_cursor_move(cursor, CURSOR_FIRST)); /* it is found */
    assert_true(adb_cache_try(fixture->db->cache, old_file, 0, OLD_BLOCK, block));
    adb_cache_ask(fixture->db->cache, old_file, 0, &before);
    adb_cache_approach(&before, 1);
    uint64_t location = location_now(collection, "key1");

    put_all_old(collection, 'b');
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    put_all_old(collection, 'c');
    put_all_old(collection, 'd');
    assert_ok(adb_db_compact(fixture->db, NULL, &done));
    put_all_old(collection, 'e');
    assert_true(location_now(collection, "key1") == location);

    const struct adb_cache_source source = {old_file, OLD_BLOCK, read_block, block};
    assert_ok(adb_cache_read(fixture->db->cache, &source, 0, 1, &(char){0}, &reads));
    assert_int_equal(reads, 1);
    adb_cache_ask(fixture->db->cache, old_file, 0, &after);
    adb_cache_approach(&after, 1);
    assert_non_null(before.frame);
    assert_ptr_equal(after.frame, before.frame);

    assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
    expect_value_of(cursor, "key1", 'e');
    adb_cursor_close(cursor);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_cursor__fresh__is_before_the_first_and_behind_the_last),
        DB_TEST(test_db_cursor__empty_collection__has_ends_only),
        DB_TEST(test_db_cursor__end__is_left_by_a_step_back),
        DB_TEST(test_db_cursor__mixed_directions__step_by_one),
        DB_TEST(test_db_cursor__values__belong_to_their_keys),
        DB_TEST(test_db_cursor__values_of_all_sizes__are_whole),
        DB_TEST(test_db_cursor__keys_only__reads_no_value),
        DB_TEST(test_db_cursor__failed_read__stands_on_the_key_and_goes_on),
        DB_TEST(test_db_cursor__seek__finds_the_key_or_the_next),
        DB_TEST(test_db_cursor__seek_in_a_range__stays_inside),
        DB_TEST(test_db_cursor__seek_in_a_descending_collection__mirrors),
        DB_TEST(test_db_cursor__seek_for_no_key__is_refused),
        DB_TEST(test_db_cursor__range__each_end_included_excluded_or_open),
        DB_TEST(test_db_cursor__empty_and_inverted_ranges__have_no_keys),
        DB_TEST(test_db_cursor__inverted_range__is_empty_for_first_last_and_seek),
        DB_TEST(test_db_cursor__range_of_a_descending_collection__runs_down),
        DB_TEST(test_db_cursor__bounds_and_prefix__are_copied),
        DB_TEST(test_db_cursor__prefix__gives_the_keys_that_begin_with_it),
        DB_TEST(test_db_cursor__prefix_of_a_descending_collection__mirrors),
        DB_TEST(test_db_cursor__prefix_longer_than_a_key__is_an_error),
        DB_TEST(test_db_cursor__bad_options__are_refused),
        DB_TEST(test_db_cursor__key_under_it_deleted__steps_to_its_neighbours),
        DB_TEST(test_db_cursor__all_keys_deleted__ends),
        DB_TEST(test_db_cursor__keys_inserted_around_it__are_met),
        DB_TEST(test_db_cursor__collection_dropped__says_so_at_each_move),
        DB_TEST(test_db_cursor__slot_of_what_it_looked_at_reused__gives_the_newer_value),
    };
    return cmocka_run_group_tests_name("db/db_cursor", tests, NULL, NULL);
}
