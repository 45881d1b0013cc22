/*
 * What the map promises besides being right: memory, short probes whatever the keys are, nothing
 * lost when memory is refused, walks under changes. Keys are made from numbers.
 * ARMDB_SEED=n replays a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "index/map.h"
#include "index/map_private.h"
#include "support/seed.h"

static struct test_rng rng;

/* ------------------------------------------------------------------ keys and maps */

struct key {
    uint32_t len;
    unsigned char bytes[ARMDB_KEY_MAX];
};

enum shape {
    SHAPE_RANDOM,     /* 16 bytes */
    SHAPE_SEQUENTIAL, /* 16 bytes: a number, most significant byte first */
    SHAPE_LAST,       /* 16 bytes, 256 of them differ in the last one only */
    SHAPE_SPARSE,     /* 16 bytes, a number times 2^40 */
    SHAPE_ALIKE,      /* 16 bytes, whose hash under seed 0 begins with the same bits */
    SHAPE_PREFIX,     /* variable: the same 200 bytes, then a number */
    SHAPE_VARIABLE,   /* variable: 12 to 32 random bytes */
    SHAPE_COUNT
};

static uint32_t
key_bytes_of(enum shape shape)
{
    return shape == SHAPE_PREFIX || shape == SHAPE_VARIABLE ? 0 : 16;
}

static void
store_number(unsigned char *bytes, uint64_t number)
{
    for (uint32_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> (56 - 8 * i));
}

/* Searches for the key, about 64 tries each. */
static void
make_alike(struct key *key, uint64_t number)
{
    for (uint64_t i = 0;; i++) {
        store_number(key->bytes, number);
        store_number(key->bytes + 8, i);
        if (adb_hash(key->bytes, 16, 0) >> 58 == 0)
            return;
    }
}

static armdb_slice
make_key(enum shape shape, uint64_t number, struct key *key)
{
    memset(key, 0, sizeof *key);
    key->len = 16;
    switch (shape) {
    case SHAPE_RANDOM:
        store_number(key->bytes, test_hash(number));
        store_number(key->bytes + 8, test_hash(~number));
        break;
    case SHAPE_SEQUENTIAL:
        store_number(key->bytes + 8, number);
        break;
    case SHAPE_LAST:
        store_number(key->bytes, test_hash(number / 256));
        key->bytes[15] = (unsigned char)number;
        break;
    case SHAPE_SPARSE:
        store_number(key->bytes + 3, number);
        break;
    case SHAPE_ALIKE:
        make_alike(key, number);
        break;
    case SHAPE_PREFIX:
        key->len = 208;
        memset(key->bytes, 'p', 200);
        store_number(key->bytes + 200, number);
        break;
    case SHAPE_VARIABLE:
    case SHAPE_COUNT:
        key->len = 12 + (uint32_t)(test_hash(number) % 21);
        for (uint32_t i = 0; i < 4; i++)
            store_number(key->bytes + (size_t)8 * i, test_hash(number + i * 0x100000000u));
        break;
    }
    return (armdb_slice){.data = key->bytes, .len = key->len};
}

struct subject {
    struct adb_pages *pages;
    struct adb_map *map;
    struct adb_spare spare;
    enum shape shape;
};

static void
subject_open(struct subject *subject, enum shape shape)
{
    struct adb_map_config config = {
        .key_bytes = key_bytes_of(shape), .n_writers = 8, .seed = test_rng_next(&rng)};
    memset(subject, 0, sizeof *subject);
    subject->shape = shape;
    assert_int_equal(adb_pages_new(&subject->pages), ARMDB_OK);
    assert_int_equal(adb_map_new(subject->pages, &config, &subject->map), ARMDB_OK);
}

static void
subject_close(struct subject *subject)
{
    adb_spare_fini(&subject->spare, subject->pages);
    adb_map_free(subject->map);
    assert_int_equal(adb_pages_bytes(subject->pages), 0);
    adb_pages_free(subject->pages);
}

static uint64_t
put(struct subject *subject, uint64_t number)
{
    struct key key;
    armdb_slice slice = make_key(subject->shape, number, &key);
    assert_int_equal(adb_map_prepare(subject->map, slice, &subject->spare), ARMDB_OK);
    return adb_map_put(subject->map, slice, number + 1, NULL, &subject->spare);
}

static uint64_t
get(const struct subject *subject, uint64_t number)
{
    struct key key;
    return adb_map_get(subject->map, make_key(subject->shape, number, &key), NULL);
}

static uint64_t
take_out(struct subject *subject, uint64_t number)
{
    struct key key;
    return adb_map_remove(subject->map, make_key(subject->shape, number, &key));
}

/* ------------------------------------------------------------------ memory */

/* The most bytes a key costs besides its own, at any size from `from` to `to` keys. */
static double
worst_bytes(enum shape shape, uint64_t from, uint64_t to, double *worst_at_out)
{
    struct subject subject;
    double worst = 0;
    uint64_t own_bytes = 0;
    uint64_t next = from;
    subject_open(&subject, shape);
    for (uint64_t n = 0; n < to; n++) {
        struct key key;
        assert_int_equal(put(&subject, n), 0);
        own_bytes += key_bytes_of(shape) == 0 ? make_key(shape, n, &key).len : 0;
        if (n + 1 < next)
            continue;
        double bytes = (double)(adb_map_bytes(subject.map) - own_bytes) / (double)(n + 1);
        if (bytes > worst) {
            worst = bytes;
            *worst_at_out = (double)(n + 1);
        }
        next += next / 128;
    }
    subject_close(&subject);
    return worst;
}

static void
test_map__any_number_of_keys__costs_few_bytes_each(void **state)
{
    double at = 0;
    (void)state;
    double worst = worst_bytes(SHAPE_RANDOM, 3000, 400000, &at);
    print_message("16 B keys: at most %.1f B a key, at %.0f keys\n", worst, at);
    assert_true(worst <= 36);
    worst = worst_bytes(SHAPE_VARIABLE, 3000, 200000, &at);
    print_message("variable keys: at most %.1f B besides the key, at %.0f keys\n", worst, at);
    assert_true(worst <= 36);
}

static void
test_map__99_of_100_keys_removed__gives_memory_back(void **state)
{
    static const enum shape shapes[] = {SHAPE_RANDOM, SHAPE_VARIABLE};
    enum { N = 150000 };
    (void)state;
    for (size_t s = 0; s < 2; s++) {
        struct subject subject;
        subject_open(&subject, shapes[s]);
        for (uint64_t n = 0; n < N; n++)
            assert_int_equal(put(&subject, n), 0);
        uint64_t before = adb_map_bytes(subject.map);
        for (uint64_t n = 0; n < N; n++) {
            if (n % 100 != 0)
                assert_int_equal(take_out(&subject, n), n + 1);
        }
        double left = (double)adb_map_bytes(subject.map) / (double)before;
        print_message("with 1 %% of the keys: %.1f %% of the memory\n", 100 * left);
        assert_true(left <= 0.05);
        for (uint64_t n = 0; n < N; n++)
            assert_int_equal(get(&subject, n), n % 100 == 0 ? n + 1 : 0);
        subject_close(&subject);
    }
}

/* ------------------------------------------------------------------ probes */

/* Groups that the lookup of a key that is there looks at. */
static uint32_t
groups_looked_at(const struct subject *subject, uint64_t number)
{
    struct key bytes;
    struct adb_map_view view;
    struct adb_map_place found;
    const struct adb_map_layout *layout = &subject->map->layout;
    struct adb_map_key key = adb_map_key_of(subject->map, make_key(subject->shape, number, &bytes));
    assert_true(adb_map_view(subject->map, key.hash, &view));
    assert_int_equal(view.table.n_stash, 0);
    assert_true(adb_map_find(layout, &view.table, &key, &found));
    struct adb_map_place at = adb_map_home(layout, &view.table, key.hash);
    uint32_t n = 1;
    for (; at.page != found.page || at.group != found.group; n++)
        adb_map_next_group(layout, &view.table, &at);
    return n;
}

static void
test_map__whatever_the_keys_are__probes_stay_short(void **state)
{
    enum { N = 50000 };
    (void)state;
    for (uint32_t shape = 0; shape < SHAPE_COUNT; shape++) {
        struct subject subject;
        uint64_t sum = 0;
        uint32_t longest = 0;
        subject_open(&subject, (enum shape)shape);
        for (uint64_t n = 0; n < N; n++)
            assert_int_equal(put(&subject, n), 0);
        for (uint64_t n = 0; n < N; n++) {
            uint32_t groups = groups_looked_at(&subject, n);
            sum += groups;
            longest = groups > longest ? groups : longest;
        }
        print_message("keys of shape %u: %.3f groups a lookup, at most %u\n", (unsigned)shape,
                      (double)sum / N, (unsigned)longest);
        assert_true(sum * 10 <= (uint64_t)N * 13);
        assert_true(longest <= 200);
        subject_close(&subject);
    }
}

/* ------------------------------------------------------------------ no memory */

/* Fills a map until memory is refused, at the n-th time that any is asked for. */
static armdb_err
fill(struct subject *subject, uint64_t n_keys, uint64_t *n_put_out)
{
    struct adb_map_config config = {.key_bytes = key_bytes_of(subject->shape), .n_writers = 8};
    armdb_err err = adb_pages_new(&subject->pages);
    if (err == ARMDB_OK)
        err = adb_map_new(subject->pages, &config, &subject->map);
    for (*n_put_out = 0; err == ARMDB_OK && *n_put_out < n_keys; ++*n_put_out) {
        struct key key;
        armdb_slice slice = make_key(subject->shape, *n_put_out, &key);
        err = adb_map_prepare(subject->map, slice, &subject->spare);
        if (err != ARMDB_OK)
            break;
        assert_int_equal(adb_map_put(subject->map, slice, *n_put_out + 1, NULL, &subject->spare),
                         0);
    }
    return err;
}

/* It has what was put in, and takes more when there is memory again. */
static void
check_filled(struct subject *subject, uint64_t n_put)
{
    for (uint64_t i = 0; i < n_put; i++)
        assert_int_equal(get(subject, i), i + 1);
    assert_int_equal(adb_map_count(subject->map), n_put);
    for (uint64_t i = n_put; i < n_put + 500; i++)
        assert_int_equal(put(subject, i), 0);
    for (uint64_t i = 0; i < n_put + 500; i++)
        assert_int_equal(take_out(subject, i), i + 1);
    assert_int_equal(adb_map_count(subject->map), 0);
}

static void
refuse_each(enum shape shape, uint64_t n_keys)
{
    enum { EACH = 60 };
    bool has_failed = true;
    uint64_t n = 0;
    while (has_failed) {
        struct subject subject = {.shape = shape};
        uint64_t n_put;
        /* Each of the first ones; later, where the same goes on and on, one in eleven. */
        n += n < EACH ? 1 : 11;
        adb_mem_fail_at(n, false);
        armdb_err err = fill(&subject, n_keys, &n_put);
        has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        if (subject.map != NULL)
            check_filled(&subject, n_put);
        if (subject.pages != NULL)
            subject_close(&subject);
    }
    assert_true(n > EACH);
}

static void
test_map__memory_is_refused_once__nothing_is_lost(void **state)
{
    (void)state;
    refuse_each(SHAPE_RANDOM, 20000);
    refuse_each(SHAPE_VARIABLE, 12000);
}

/* Without memory a map still loses keys: removals do without smaller tables then. */
static void
test_map__no_memory_while_it_shrinks__removals_go_on(void **state)
{
    enum { N = 40000 };
    struct subject subject;
    (void)state;
    subject_open(&subject, SHAPE_RANDOM);
    for (uint64_t n = 0; n < N; n++)
        assert_int_equal(put(&subject, n), 0);
    adb_mem_fail_at(1, true);
    for (uint64_t n = 0; n < N; n++) {
        if (n % 50 != 0)
            assert_int_equal(take_out(&subject, n), n + 1);
    }
    adb_mem_fail_at(0, false);
    for (uint64_t n = 0; n < N; n++)
        assert_int_equal(get(&subject, n), n % 50 == 0 ? n + 1 : 0);
    subject_close(&subject);
}

/* ------------------------------------------------------------------ walks */

/* Between two steps of a walk: puts for a while, removals for a while, each far enough for segments
 * to be split and joined. Every 8th key is stable. */
static void
walk_under_changes(enum shape shape)
{
    enum { N = 24000, CHANGES = 12 };
    static unsigned char seen[N];
    struct subject subject;
    struct adb_map_walk walk;
    uint64_t n_steps = 0;
    subject_open(&subject, shape);
    memset(seen, 0, sizeof seen);
    memset(&walk, 0, sizeof walk);
    for (uint64_t n = 0; n < N; n += 8)
        assert_int_equal(put(&subject, n), 0);
    for (; adb_map_walk_next(subject.map, &walk); n_steps++) {
        assert_true(walk.location >= 1 && walk.location <= N);
        uint64_t number = walk.location - 1;
        struct key key;
        armdb_slice slice = make_key(shape, number, &key);
        assert_int_equal(walk.key_len, slice.len);
        assert_memory_equal(walk.key, slice.data, slice.len);
        assert_int_equal(seen[number], 0);
        seen[number] = 1;
        bool is_growing = n_steps / 3000 % 2 == 0;
        for (uint32_t i = 0; i < CHANGES; i++) {
            uint64_t other = test_rng_below(&rng, N);
            if (other % 8 != 0 && is_growing)
                (void)put(&subject, other);
            else if (other % 8 != 0)
                (void)take_out(&subject, other);
        }
    }
    for (uint64_t n = 0; n < N; n += 8)
        assert_int_equal(seen[n], 1);
    assert_true(adb_map_directory(subject.map)->depth > 0);
    subject_close(&subject);
}

static void
test_map_walk__map_grows_and_shrinks_meanwhile__meets_each_stable_key_once(void **state)
{
    (void)state;
    walk_under_changes(SHAPE_RANDOM);
    walk_under_changes(SHAPE_VARIABLE);
    walk_under_changes(SHAPE_PREFIX);
}

int
main(void)
{
    rng = test_rng_make(test_seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map__any_number_of_keys__costs_few_bytes_each),
        cmocka_unit_test(test_map__99_of_100_keys_removed__gives_memory_back),
        cmocka_unit_test(test_map__whatever_the_keys_are__probes_stay_short),
        cmocka_unit_test(test_map__memory_is_refused_once__nothing_is_lost),
        cmocka_unit_test(test_map__no_memory_while_it_shrinks__removals_go_on),
        cmocka_unit_test(
            test_map_walk__map_grows_and_shrinks_meanwhile__meets_each_stable_key_once),
    };
    return cmocka_run_group_tests_name("index/map_limits", tests, NULL, NULL);
}
