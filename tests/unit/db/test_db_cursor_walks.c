/*
 * Random walks with changes in between, against a sorted array that is obviously right.
 *
 * The array knows every possible key and whether it is there. Where the cursor stands is an index
 * into it, in the order of the collection, or beyond an end of the range.
 */
#include "db_fixture.h"

enum { KEYS_MAX = 300, BEFORE = -1, BEHIND = KEYS_MAX, FRESH = KEYS_MAX + 1, KEY_BYTES_MAX = 8 };

struct model_key {
    unsigned char bytes[KEY_BYTES_MAX];
    size_t len;
    bool is_there;
    uint64_t version; /* the value holds it */
};

struct walk {
    struct collection *collection;
    struct test_rng rng;
    bool is_descending;
    struct model_key keys[KEYS_MAX]; /* in the collection's order */
    int count;
    armdb_bound from, to;
    unsigned char from_bytes[KEY_BYTES_MAX], to_bytes[KEY_BYTES_MAX];
    int at; /* index, BEFORE, BEHIND or FRESH */
    struct cursor *cursor;
};

static armdb_slice
slice_of(const struct model_key *key)
{
    return armdb_bytes(key->bytes, key->len);
}

/* <0, 0, >0: `a` comes before, is, comes after `b` in the collection's order. */
static int
compare(const struct walk *walk, armdb_slice a, armdb_slice b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.data, b.data, common);
    if (order == 0)
        order = a.len < b.len ? -1 : a.len > b.len;
    return walk->is_descending ? -order : order;
}

static armdb_slice
random_key(struct walk *walk, unsigned char to[KEY_BYTES_MAX], bool is_fixed)
{
    static const unsigned char alphabet[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    size_t len = is_fixed ? 4 : 1 + test_rng_below(&walk->rng, 5);
    for (size_t i = 0; i < len; i++)
        to[i] = alphabet[test_rng_below(&walk->rng, sizeof alphabet)];
    return armdb_bytes(to, len);
}

/* Draws different keys and sorts them. */
static void
make_keys(struct walk *walk, bool is_fixed)
{
    int count = 1 + (int)test_rng_below(&walk->rng, KEYS_MAX - 1);
    walk->count = 0;
    while (count-- > 0) {
        struct model_key key = {.is_there = false};
        armdb_slice slice = random_key(walk, key.bytes, is_fixed);
        int at = 0;
        key.len = slice.len;
        while (at < walk->count && compare(walk, slice_of(&walk->keys[at]), slice) < 0)
            at++;
        if (at < walk->count && compare(walk, slice_of(&walk->keys[at]), slice) == 0)
            continue;
        memmove(&walk->keys[at + 1], &walk->keys[at],
                (size_t)(walk->count - at) * sizeof *walk->keys);
        walk->keys[at] = key;
        walk->count++;
    }
}

static void
change(struct walk *walk)
{
    struct model_key *key = &walk->keys[test_rng_below(&walk->rng, (uint64_t)walk->count)];
    key->is_there = !key->is_there || test_rng_one_in(&walk->rng, 3);
    if (key->is_there) {
        key->version++;
        assert_ok(adb_db_write(walk->collection, SHARD_PUT, slice_of(key),
                               armdb_bytes(&key->version, sizeof key->version), NULL));
    } else {
        assert_ok(adb_db_write(walk->collection, SHARD_DELETE, slice_of(key), armdb_bytes(NULL, 0),
                               NULL));
    }
}

/* ---------------------------------------------------------------------- model */

static bool
is_in_range(const struct walk *walk, armdb_slice key)
{
    if (walk->from.kind != ARMDB_UNBOUNDED) {
        int order = compare(walk, key, walk->from.key);
        if (order < 0 || (order == 0 && walk->from.kind == ARMDB_EXCLUDED))
            return false;
    }
    if (walk->to.kind != ARMDB_UNBOUNDED) {
        int order = compare(walk, key, walk->to.key);
        if (order > 0 || (order == 0 && walk->to.kind == ARMDB_EXCLUDED))
            return false;
    }
    return true;
}

static bool
is_visible(const struct walk *walk, int at)
{
    return walk->keys[at].is_there && is_in_range(walk, slice_of(&walk->keys[at]));
}

/* The nearest visible key from `at` on, in direction `step`; BEFORE or BEHIND if there is none. */
static int
nearest(const struct walk *walk, int at, int step)
{
    for (; at >= 0 && at < walk->count; at += step) {
        if (is_visible(walk, at))
            return at;
    }
    return step > 0 ? BEHIND : BEFORE;
}

static int
model_step(const struct walk *walk, int step)
{
    if (walk->at == FRESH)
        return nearest(walk, step > 0 ? 0 : walk->count - 1, step);
    if (walk->at == BEFORE)
        return step > 0 ? nearest(walk, 0, 1) : BEFORE;
    if (walk->at == BEHIND)
        return step < 0 ? nearest(walk, walk->count - 1, -1) : BEHIND;
    return nearest(walk, walk->at + step, step);
}

static int
model_seek(const struct walk *walk, armdb_slice key)
{
    int at = 0;
    while (at < walk->count && compare(walk, slice_of(&walk->keys[at]), key) < 0)
        at++;
    return nearest(walk, at, 1);
}

/* ----------------------------------------------------------------------- walk */

static void
expect_place(const struct walk *walk, armdb_err err)
{
    armdb_slice key = adb_cursor_key(walk->cursor);
    if (walk->at == BEFORE || walk->at == BEHIND) {
        assert_int_equal(err, ARMDB_END);
        assert_int_equal(key.len, 0);
        return;
    }
    assert_ok(err);
    const struct model_key *expected = &walk->keys[walk->at];
    assert_int_equal(compare(walk, key, slice_of(expected)), 0);
    assert_int_equal(adb_cursor_value(walk->cursor).len, sizeof expected->version);
    assert_memory_equal(adb_cursor_value(walk->cursor).data, &expected->version,
                        sizeof expected->version);
}

static void
make_move(struct walk *walk)
{
    unsigned char bytes[KEY_BYTES_MAX];
    uint64_t choice = test_rng_below(&walk->rng, 20);
    armdb_err err;
    if (choice < 8) {
        walk->at = model_step(walk, 1);
        err = adb_cursor_move(walk->cursor, CURSOR_NEXT);
    } else if (choice < 16) {
        walk->at = model_step(walk, -1);
        err = adb_cursor_move(walk->cursor, CURSOR_PREV);
    } else if (choice == 16) {
        walk->at = nearest(walk, 0, 1);
        err = adb_cursor_move(walk->cursor, CURSOR_FIRST);
    } else if (choice == 17) {
        walk->at = nearest(walk, walk->count - 1, -1);
        err = adb_cursor_move(walk->cursor, CURSOR_LAST);
    } else {
        armdb_slice key = random_key(walk, bytes, false);
        walk->at = model_seek(walk, key);
        err = adb_cursor_seek(walk->cursor, key);
    }
    expect_place(walk, err);
}

static armdb_bound
random_bound(struct walk *walk, unsigned char bytes[KEY_BYTES_MAX])
{
    armdb_bound bound = {(armdb_bound_kind)test_rng_below(&walk->rng, 3), {NULL, 0}};
    if (bound.kind != ARMDB_UNBOUNDED)
        bound.key = random_key(walk, bytes, false);
    return bound;
}

/* A prefix is the range that it stands for: the cursor gets the one, the model the other. */
static void
use_prefix(struct walk *walk, armdb_cursor_options *options)
{
    options->prefix = random_key(walk, walk->from_bytes, false);
    if (options->prefix.len > 2)
        options->prefix.len = 2;
    const armdb_bound low = {ARMDB_INCLUDED, options->prefix};
    armdb_bound high = {ARMDB_INCLUDED, {walk->to_bytes, KEY_BYTES_MAX}};
    memset(walk->to_bytes, 0xff, sizeof walk->to_bytes);
    memcpy(walk->to_bytes, options->prefix.data, options->prefix.len);
    walk->from = walk->is_descending ? high : low;
    walk->to = walk->is_descending ? low : high;
}

static void
walk_once(struct walk *walk, bool with_changes)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    if (test_rng_one_in(&walk->rng, 4)) {
        use_prefix(walk, &options);
    } else {
        walk->from = options.from = random_bound(walk, walk->from_bytes);
        walk->to = options.to = random_bound(walk, walk->to_bytes);
    }
    assert_ok(adb_cursor_open(walk->collection, &options, &walk->cursor));
    walk->at = FRESH;
    for (int move = 0; move < 60; move++) {
        make_move(walk);
        if (with_changes && test_rng_one_in(&walk->rng, 3))
            change(walk);
    }
    adb_cursor_close(walk->cursor);
}

static void
run_walks(struct db_fixture *fixture, uint32_t key_bytes, armdb_order order)
{
    unsigned rounds = 25 * test_scale();
    for (unsigned round = 0; round < rounds; round++) {
        struct walk walk = {
            .rng = test_rng_fork(test_seed(), round * 8 + key_bytes * 2 + (unsigned)order),
            .is_descending = order == ARMDB_DESCENDING,
        };
        walk.collection = create_collection(fixture->db, "walked", key_bytes, order);
        make_keys(&walk, key_bytes != 0);
        for (int i = 0; i < walk.count; i++)
            change(&walk);
        for (int i = 0; i < 20; i++)
            walk_once(&walk, i % 2 == 1);
        assert_ok(adb_collection_drop(fixture->db, "walked"));
    }
}

static void
test_db_cursor__random_walks_on_variable_keys__agree_with_a_sorted_array(void **state)
{
    run_walks((struct db_fixture *)*state, 0, ARMDB_ASCENDING);
}

static void
test_db_cursor__random_walks_down_variable_keys__agree_with_a_sorted_array(void **state)
{
    run_walks((struct db_fixture *)*state, 0, ARMDB_DESCENDING);
}

static void
test_db_cursor__random_walks_on_fixed_keys__agree_with_a_sorted_array(void **state)
{
    run_walks((struct db_fixture *)*state, 4, ARMDB_ASCENDING);
}

static void
test_db_cursor__random_walks_down_fixed_keys__agree_with_a_sorted_array(void **state)
{
    run_walks((struct db_fixture *)*state, 4, ARMDB_DESCENDING);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_cursor__random_walks_on_variable_keys__agree_with_a_sorted_array),
        DB_TEST(test_db_cursor__random_walks_down_variable_keys__agree_with_a_sorted_array),
        DB_TEST(test_db_cursor__random_walks_on_fixed_keys__agree_with_a_sorted_array),
        DB_TEST(test_db_cursor__random_walks_down_fixed_keys__agree_with_a_sorted_array),
    };
    (void)test_seed();
    return cmocka_run_group_tests_name("db/db_cursor_walks", tests, NULL, NULL);
}
