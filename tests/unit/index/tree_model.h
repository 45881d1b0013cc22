/*
 * tree_model.h: a tree and what it must hold: an array of all keys that the test may use, sorted,
 * with the location of each (0: not there) and the number that its inline value is made from.
 * Functions do the same to both, and assert that the tree answers as the array does.
 *
 * The program's main calls seed_model(); ARMDB_SEED=n replays a run.
 */
#ifndef TEST_TREE_MODEL_H
#define TEST_TREE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "index/tree.h"

/* ------------------------------------------------------------------ randomness */

static uint64_t seed;
static uint64_t random_state;

static inline uint64_t
scale(void)
{
    const char *text = getenv("ARMDB_TEST_SCALE");
    uint64_t value = text != NULL ? strtoull(text, NULL, 10) : 1;
    return value != 0 ? value : 1;
}

static inline uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static inline uint64_t
next_random(void)
{
    return mix(random_state++);
}

static inline uint32_t
random_below(uint32_t limit)
{
    return (uint32_t)(next_random() % limit);
}

/* Takes the seed from the environment, or some other, and prints it. */
static inline void
seed_model(void)
{
    const char *text = getenv("ARMDB_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)(uintptr_t)&text ^ 1;
    random_state = mix(seed);
    print_message("ARMDB_SEED=%llu\n", (unsigned long long)seed);
}

/* ------------------------------------------------------------------ model */

struct item {
    uint32_t len;
    uint64_t location; /* 0: not in the tree */
    uint64_t value;    /* the inline value is made from it */
    unsigned char key[ARMDB_KEY_MAX];
};

struct model {
    struct item *items; /* sorted by key, all different */
    uint32_t n;
    uint64_t n_there;
    struct adb_pages *pages;
    struct adb_tree *tree;
    struct adb_tree_spare spare;
    struct adb_tree_config config;
};

/* How the bytes of keys are chosen. */
enum shape {
    SHAPE_RANDOM,
    SHAPE_DENSE,   /* counting numbers at the end, the same byte before them */
    SHAPE_SHORT,   /* 1..7 bytes of few values */
    SHAPE_LONG,    /* up to 1024 bytes */
    SHAPE_MAXIMAL, /* always 1024 bytes */
    SHAPE_PREFIX,  /* one of few prefixes of 200 bytes, then a number */
    SHAPE_NESTED,  /* each key is the beginning of others */
    SHAPE_MIXED    /* of each */
};

static inline int
compare_keys(const void *a, size_t a_len, const void *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    if (order != 0)
        return order;
    return a_len == b_len ? 0 : a_len < b_len ? -1 : 1;
}

static inline int
compare_items(const void *a, const void *b)
{
    const struct item *x = (const struct item *)a;
    const struct item *y = (const struct item *)b;
    return compare_keys(x->key, x->len, y->key, y->len);
}

static inline void
fill_random(struct item *item, uint32_t len, uint32_t n_values)
{
    item->len = len;
    for (uint32_t i = 0; i < len; i++) {
        uint32_t value = random_below(n_values);
        item->key[i] = (unsigned char)(n_values == 256 ? value : 'a' + value);
    }
}

static inline void
append_number(struct item *item, uint32_t number, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        item->key[item->len++] = (unsigned char)(number >> (8 * (bytes - 1 - i)));
}

static inline void
make_key(struct item *item, enum shape shape, uint32_t key_bytes, uint32_t i)
{
    item->location = 0;
    item->len = 0;
    switch (shape) {
    case SHAPE_RANDOM:
        fill_random(item, key_bytes != 0 ? key_bytes : 1 + random_below(40), 256);
        break;
    case SHAPE_DENSE: {
        uint32_t len = key_bytes != 0 ? key_bytes : 20;
        uint32_t number_bytes = len < 3 ? len : 3;
        memset(item->key, 'p', len);
        item->len = len - number_bytes;
        append_number(item, i, number_bytes);
        break;
    }
    case SHAPE_SHORT:
        fill_random(item, 1 + random_below(7), 4);
        break;
    case SHAPE_LONG:
        fill_random(item, 1 + random_below(ARMDB_KEY_MAX), 2);
        break;
    case SHAPE_MAXIMAL:
        fill_random(item, ARMDB_KEY_MAX, 2);
        break;
    case SHAPE_PREFIX:
        memset(item->key, 'a' + (int)random_below(3), 200);
        item->len = 200;
        append_number(item, random_below(5000), 1 + random_below(3));
        break;
    case SHAPE_NESTED:
        item->len = 1 + i % ARMDB_KEY_MAX;
        memset(item->key, 0, item->len);
        item->key[item->len - 1] = (unsigned char)(i / ARMDB_KEY_MAX);
        break;
    case SHAPE_MIXED:
        make_key(item, (enum shape)(i % SHAPE_MIXED), 0, i);
        break;
    }
}

static inline void
model_open(struct model *model, struct adb_tree_config config, enum shape shape, uint32_t n)
{
    memset(model, 0, sizeof *model);
    model->items = (struct item *)malloc(n * sizeof(struct item));
    assert_non_null(model->items);
    for (uint32_t i = 0; i < n; i++)
        make_key(&model->items[i], shape, config.key_bytes, i);
    qsort(model->items, n, sizeof(struct item), compare_items);
    for (uint32_t i = 0; i < n; i++) {
        if (model->n == 0 || compare_items(&model->items[model->n - 1], &model->items[i]) != 0)
            model->items[model->n++] = model->items[i];
    }
    model->config = config;
    assert_int_equal(adb_pages_new(&model->pages), ARMDB_OK);
    assert_int_equal(adb_tree_new(model->pages, &config, &model->tree), ARMDB_OK);
}

static inline void
model_close(struct model *model)
{
    adb_tree_spare_fini(model->pages, &model->spare);
    adb_tree_free(model->tree);
    assert_int_equal(adb_pages_bytes(model->pages), 0);
    adb_pages_free(model->pages);
    free(model->items);
}

static inline armdb_slice
key_of(const struct model *model, uint32_t i)
{
    return (armdb_slice){.data = model->items[i].key, .len = model->items[i].len};
}

/* Fills in the inline value that is made from a number. */
static inline void
make_value(const struct model *model, uint64_t number, unsigned char *value)
{
    for (uint32_t i = 0; i < model->config.value_bytes; i++)
        value[i] = (unsigned char)(number * 167 >> i % 24);
}

static inline void
assert_value(const struct model *model, uint32_t i, const unsigned char *value)
{
    unsigned char expected_value[ADB_TREE_VALUE_MAX];
    make_value(model, model->items[i].value, expected_value);
    assert_memory_equal(value, expected_value, model->config.value_bytes);
}

static inline void
assert_get(const struct model *model, uint32_t i)
{
    unsigned char value[ADB_TREE_VALUE_MAX + 1];
    uint32_t value_bytes = model->config.value_bytes;
    value[value_bytes] = 0xa5;
    uint64_t location = adb_tree_get(model->tree, key_of(model, i), value);
    assert_int_equal(location, model->items[i].location);
    assert_int_equal(value[value_bytes], 0xa5);
    if (location != 0)
        assert_value(model, i, value);
    assert_int_equal(adb_tree_get(model->tree, key_of(model, i), NULL), location);
}

/* Looks for all items, in batches of any size. */
static inline void
assert_get_batches(const struct model *model)
{
    enum { BATCH_MAX = 70 };
    armdb_slice keys[BATCH_MAX];
    uint64_t locations[BATCH_MAX];
    static unsigned char values[BATCH_MAX * ADB_TREE_VALUE_MAX];
    uint32_t value_bytes = model->config.value_bytes;
    uint32_t n;
    for (uint32_t from = 0; from < model->n; from += n) {
        n = 1 + random_below(BATCH_MAX);
        n = n < model->n - from ? n : model->n - from;
        for (uint32_t i = 0; i < n; i++)
            keys[i] = key_of(model, from + i);
        bool wants_values = random_below(4) != 0;
        adb_tree_get_batch(model->tree, keys, n, locations, wants_values ? values : NULL);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(locations[i], model->items[from + i].location);
            if (wants_values && locations[i] != 0)
                assert_value(model, from + i, values + (size_t)i * value_bytes);
        }
    }
}

static inline void
put(struct model *model, uint32_t i, uint64_t location)
{
    struct item *item = &model->items[i];
    unsigned char value[ADB_TREE_VALUE_MAX];
    make_value(model, location, value);
    assert_int_equal(adb_tree_prepare(model->tree, &model->spare), ARMDB_OK);
    uint64_t old = adb_tree_put(model->tree, key_of(model, i), location,
                                model->config.value_bytes != 0 ? value : NULL, &model->spare);
    assert_int_equal(old, item->location);
    model->n_there += item->location == 0;
    item->location = location;
    item->value = location;
}

static inline void
take_out(struct model *model, uint32_t i)
{
    struct item *item = &model->items[i];
    assert_int_equal(adb_tree_remove(model->tree, key_of(model, i)), item->location);
    model->n_there -= item->location != 0;
    item->location = 0;
}

/* The item that a seek must find; n if none. */
static inline uint32_t
expected(const struct model *model, enum adb_tree_seek how, armdb_slice key)
{
    bool is_up = how == ADB_SEEK_GE || how == ADB_SEEK_GT || how == ADB_SEEK_FIRST;
    for (uint32_t step = 0; step < model->n; step++) {
        uint32_t i = is_up ? step : model->n - 1 - step;
        const struct item *item = &model->items[i];
        if (item->location == 0)
            continue;
        int order = compare_keys(item->key, item->len, key.data, key.len);
        if (how == ADB_SEEK_FIRST || how == ADB_SEEK_LAST || (how == ADB_SEEK_GE && order >= 0) ||
            (how == ADB_SEEK_GT && order > 0) || (how == ADB_SEEK_LE && order <= 0) ||
            (how == ADB_SEEK_LT && order < 0))
            return i;
    }
    return model->n;
}

static inline void
assert_on(const struct model *model, const struct adb_tree_position *position, uint32_t i)
{
    const struct item *item = &model->items[i];
    assert_int_equal(position->key_len, item->len);
    assert_memory_equal(position->key, item->key, item->len);
    assert_int_equal(position->location, item->location);
    assert_value(model, i, position->value);
    assert_int_equal(adb_tree_location(model->tree, position), item->location);
}

/* A seek for any key; returns the item it must stand on, or n. */
static inline uint32_t
seek(struct model *model, enum adb_tree_seek how, armdb_slice key,
     struct adb_tree_position *position)
{
    uint32_t i = expected(model, how, key);
    bool found = adb_tree_seek(model->tree, how, key, position);
    assert_int_equal(found, i != model->n);
    if (found)
        assert_on(model, position, i);
    return i;
}

static inline void
walk_all(struct model *model)
{
    struct adb_tree_position position;
    memset(&position, 0, sizeof position);
    bool found = adb_tree_seek(model->tree, ADB_SEEK_FIRST, (armdb_slice){0}, &position);
    for (uint32_t i = 0; i < model->n; i++) {
        if (model->items[i].location == 0)
            continue;
        assert_true(found);
        assert_on(model, &position, i);
        found = adb_tree_next(model->tree, &position);
    }
    assert_false(found);
    found = adb_tree_seek(model->tree, ADB_SEEK_LAST, (armdb_slice){0}, &position);
    for (uint32_t i = model->n; i-- > 0;) {
        if (model->items[i].location == 0)
            continue;
        assert_true(found);
        assert_on(model, &position, i);
        found = adb_tree_prev(model->tree, &position);
    }
    assert_false(found);
    assert_int_equal(adb_tree_count(model->tree), model->n_there);
    for (uint32_t i = 0; i < model->n; i++)
        assert_get(model, i);
    assert_get_batches(model);
}

#endif
