/*
 * tree_model.h: a tree and what it must hold: an array of all keys that the test may use, sorted,
 * with the location of each (0: not there) and the number that its inline value is made from.
 * Functions do the same to both, and assert that the tree answers as the array does.
 *
 * The program's main calls seed_keys(); ARMDB_SEED=n replays a run.
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
#include "unit/index/key_shapes.h"

/* ------------------------------------------------------------------ model */

struct item {
    uint64_t location; /* 0: not in the tree */
    uint64_t value;    /* the inline value is made from it */
    struct shaped_key key;
};

struct model {
    struct item *items; /* sorted by key, all different */
    uint32_t n;
    uint64_t n_there;
    struct adb_pages *pages;
    struct adb_tree *tree;
    struct adb_spare spare;
    struct adb_tree_config config;
};

static inline int
compare_items(const void *a, const void *b)
{
    const struct item *x = (const struct item *)a;
    const struct item *y = (const struct item *)b;
    return compare_keys(x->key.bytes, x->key.len, y->key.bytes, y->key.len);
}

static inline void
model_open(struct model *model, struct adb_tree_config config, enum shape shape, uint32_t n)
{
    memset(model, 0, sizeof *model);
    model->items = (struct item *)malloc(n * sizeof(struct item));
    assert_non_null(model->items);
    for (uint32_t i = 0; i < n; i++) {
        model->items[i].location = 0;
        make_key(&model->items[i].key, shape, config.key_bytes, i);
    }
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
    adb_spare_fini(&model->spare, model->pages);
    adb_tree_free(model->tree);
    assert_int_equal(adb_pages_bytes(model->pages), 0);
    adb_pages_free(model->pages);
    free(model->items);
}

static inline armdb_slice
key_of(const struct model *model, uint32_t i)
{
    return shaped_slice(&model->items[i].key);
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
        int order = compare_keys(item->key.bytes, item->key.len, key.data, key.len);
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
    assert_int_equal(position->key_len, item->key.len);
    assert_memory_equal(position->key, item->key.bytes, item->key.len);
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
