/*
 * The tree against a model: an array of all keys that the test may use, sorted, with the location
 * of each (0: not there). ARMDB_SEED=n replays a run, ARMDB_TEST_SCALE=n makes it n times longer.
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
#include "index/tree.h"

/* ------------------------------------------------------------------ randomness */

static uint64_t seed;
static uint64_t random_state;

static uint64_t
scale(void)
{
    const char *text = getenv("ARMDB_TEST_SCALE");
    uint64_t value = text != NULL ? strtoull(text, NULL, 10) : 1;
    return value != 0 ? value : 1;
}

static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t
next_random(void)
{
    return mix(random_state++);
}

static uint32_t
random_below(uint32_t limit)
{
    return (uint32_t)(next_random() % limit);
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

static int
compare_keys(const void *a, size_t a_len, const void *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    if (order != 0)
        return order;
    return a_len == b_len ? 0 : a_len < b_len ? -1 : 1;
}

static int
compare_items(const void *a, const void *b)
{
    const struct item *x = (const struct item *)a;
    const struct item *y = (const struct item *)b;
    return compare_keys(x->key, x->len, y->key, y->len);
}

static void
fill_random(struct item *item, uint32_t len, uint32_t n_values)
{
    item->len = len;
    for (uint32_t i = 0; i < len; i++) {
        uint32_t value = random_below(n_values);
        item->key[i] = (unsigned char)(n_values == 256 ? value : 'a' + value);
    }
}

static void
append_number(struct item *item, uint32_t number, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        item->key[item->len++] = (unsigned char)(number >> (8 * (bytes - 1 - i)));
}

static void
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

static void
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

static void
model_close(struct model *model)
{
    adb_tree_spare_fini(model->pages, &model->spare);
    adb_tree_free(model->tree);
    assert_int_equal(adb_pages_bytes(model->pages), 0);
    adb_pages_free(model->pages);
    free(model->items);
}

static armdb_slice
key_of(const struct model *model, uint32_t i)
{
    return (armdb_slice){.data = model->items[i].key, .len = model->items[i].len};
}

/* Fills in the inline value that is made from a number. */
static void
make_value(const struct model *model, uint64_t number, unsigned char *value)
{
    for (uint32_t i = 0; i < model->config.value_bytes; i++)
        value[i] = (unsigned char)(number * 167 >> i % 24);
}

static void
assert_value(const struct model *model, uint32_t i, const unsigned char *value)
{
    unsigned char expected_value[ADB_TREE_VALUE_MAX];
    make_value(model, model->items[i].value, expected_value);
    assert_memory_equal(value, expected_value, model->config.value_bytes);
}

static void
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
static void
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

static void
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

static void
take_out(struct model *model, uint32_t i)
{
    struct item *item = &model->items[i];
    assert_int_equal(adb_tree_remove(model->tree, key_of(model, i)), item->location);
    model->n_there -= item->location != 0;
    item->location = 0;
}

/* The item that a seek must find; n if none. */
static uint32_t
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

static void
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
static uint32_t
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

static void
seek_somewhere(struct model *model, struct adb_tree_position *position)
{
    unsigned char bytes[ARMDB_KEY_MAX];
    enum adb_tree_seek how = (enum adb_tree_seek)random_below(6);
    armdb_slice key = key_of(model, random_below(model->n));
    if (random_below(3) == 0) {
        /* Cut or lengthen it; the tree may not even be able to hold it then. */
        memcpy(bytes, key.data, key.len);
        if (random_below(2) == 0) {
            key.len = random_below((uint32_t)key.len + 1);
        } else {
            uint32_t more = 1 + random_below(9);
            for (uint32_t i = 0; i < more && key.len < ARMDB_KEY_MAX; i++)
                bytes[key.len++] = (unsigned char)(random_below(2) * random_below(256));
        }
        key.data = bytes;
    } else if (random_below(8) == 0 && position->key_len != 0) {
        key = (armdb_slice){.data = position->key, .len = position->key_len};
        memcpy(bytes, key.data, key.len);
        uint32_t i = expected(model, how, (armdb_slice){.data = bytes, .len = key.len});
        assert_int_equal(adb_tree_seek(model->tree, how, key, position), i != model->n);
        if (i != model->n)
            assert_on(model, position, i);
        return;
    }
    (void)seek(model, how, key, position);
}

static void
step_somewhere(struct model *model, struct adb_tree_position *position)
{
    if (position->key_len == 0)
        return;
    unsigned char bytes[ARMDB_KEY_MAX];
    uint32_t len = position->key_len;
    memcpy(bytes, position->key, len);
    bool is_up = random_below(2) == 0;
    uint32_t i = expected(model, is_up ? ADB_SEEK_GT : ADB_SEEK_LT,
                          (armdb_slice){.data = bytes, .len = len});
    bool found = is_up ? adb_tree_next(model->tree, position)
                       : adb_tree_prev(model->tree, position);
    assert_int_equal(found, i != model->n);
    if (found) {
        assert_on(model, position, i);
    } else {
        assert_int_equal(position->key_len, len);
        assert_memory_equal(position->key, bytes, len);
    }
}

static void
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

static void
replace_somewhere(struct model *model)
{
    uint32_t i = random_below(model->n);
    struct item *item = &model->items[i];
    uint64_t wrong = (uint64_t)1 << 63;
    uint64_t desired = next_random() >> 1 | 1;
    assert_false(adb_tree_replace(model->tree, key_of(model, i), wrong, desired));
    if (item->location != 0) {
        assert_true(adb_tree_replace(model->tree, key_of(model, i), item->location, desired));
        item->location = desired;
    }
}

/* Random operations; of 100 changes, `puts` are puts and the rest removals. */
static void
run_phase(struct model *model, uint32_t n_operations, uint32_t puts)
{
    struct adb_tree_position position;
    memset(&position, 0, sizeof position);
    for (uint32_t n = 0; n < n_operations; n++) {
        uint32_t i = random_below(model->n);
        uint32_t kind = random_below(1000);
        if (kind < 700) {
            if (random_below(100) < puts)
                put(model, i, next_random() >> 1 | 1);
            else
                take_out(model, i);
        } else if (kind < 900) {
            assert_get(model, i);
        } else if (kind < 950) {
            replace_somewhere(model);
        } else if (kind < 960) {
            seek_somewhere(model, &position);
        } else if (kind < 980) {
            step_somewhere(model, &position);
        }
    }
    walk_all(model);
}

static void
run_model(uint32_t key_bytes, uint32_t value_bytes, enum shape shape, uint32_t n)
{
    struct model model;
    struct adb_tree_config config = {.key_bytes = key_bytes, .value_bytes = value_bytes};
    model_open(&model, config, shape, n);
    for (uint64_t round = 0; round < scale(); round++) {
        run_phase(&model, 2 * n, 90);
        run_phase(&model, n, 50);
        run_phase(&model, 3 * n, 3);
        run_phase(&model, n, 70);
    }
    for (uint32_t i = 0; i < model.n; i++)
        take_out(&model, i);
    walk_all(&model);
    assert_int_equal(adb_tree_bytes(model.tree), ADB_PAGE_BYTES);
    model_close(&model);
}

static void
test_tree__random_operations_on_fixed_keys__match_model(void **state)
{
    static const uint32_t key_bytes[] = {1, 7, 8, 9, 16, 20, 32, 255, 256};
    (void)state;
    for (size_t i = 0; i < sizeof key_bytes / sizeof key_bytes[0]; i++) {
        run_model(key_bytes[i], 0, SHAPE_RANDOM, 2500);
        run_model(key_bytes[i], 0, SHAPE_DENSE, 2500);
    }
}

static void
test_tree__random_operations_on_variable_keys__match_model(void **state)
{
    (void)state;
    for (uint32_t shape = SHAPE_RANDOM; shape <= SHAPE_MIXED; shape++)
        run_model(0, 0, (enum shape)shape, 2000);
}

static void
test_tree__random_operations_with_values__match_model(void **state)
{
    static const uint32_t key_bytes[] = {1, 8, 20, 256};
    static const uint32_t value_bytes[] = {1, 8, 12, 100, 256};
    (void)state;
    for (size_t v = 0; v < sizeof value_bytes / sizeof value_bytes[0]; v++) {
        for (size_t k = 0; k < sizeof key_bytes / sizeof key_bytes[0]; k++)
            run_model(key_bytes[k], value_bytes[v], SHAPE_RANDOM, 1000);
        run_model(16, value_bytes[v], SHAPE_DENSE, 1000);
        run_model(0, value_bytes[v], SHAPE_MIXED, 1000);
        run_model(0, value_bytes[v], (enum shape)random_below(SHAPE_MIXED), 1000);
    }
}

/* ------------------------------------------------------------------ orders of insertion */

enum order { ORDER_SORTED, ORDER_REVERSE, ORDER_RANDOM, ORDER_INWARD, ORDER_OUTWARD, ORDER_RUNS };

static void
make_order(uint32_t *order, uint32_t n, enum order kind)
{
    for (uint32_t i = 0; i < n; i++) {
        switch (kind) {
        case ORDER_SORTED:
        case ORDER_RANDOM:
            order[i] = i;
            break;
        case ORDER_REVERSE:
            order[i] = n - 1 - i;
            break;
        case ORDER_INWARD:
            order[i] = i % 2 == 0 ? i / 2 : n - 1 - i / 2;
            break;
        case ORDER_OUTWARD:
            order[i] = i % 2 == 0 ? n / 2 + i / 2 : n / 2 - 1 - i / 2;
            break;
        case ORDER_RUNS: /* eight ascending runs at once; n is a multiple of 8 */
            order[i] = i % 8 * (n / 8) + i / 8;
            break;
        }
    }
    if (kind != ORDER_RANDOM)
        return;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = random_below(i);
        uint32_t other = order[j];
        order[j] = order[i - 1];
        order[i - 1] = other;
    }
}

static double
bytes_per_key(uint32_t key_bytes, enum shape shape, enum order kind, uint32_t n)
{
    struct model model;
    model_open(&model, (struct adb_tree_config){.key_bytes = key_bytes}, shape, n);
    n = model.n / 8 * 8;
    uint32_t *order = (uint32_t *)malloc(n * sizeof(uint32_t));
    assert_non_null(order);
    make_order(order, n, kind);
    for (uint32_t i = 0; i < n; i++)
        put(&model, order[i], i + 1);
    walk_all(&model);
    double result = (double)adb_tree_bytes(model.tree) / n;
    make_order(order, n, (enum order)random_below(6));
    for (uint32_t i = 0; i < n; i++)
        take_out(&model, order[i]);
    walk_all(&model);
    assert_int_equal(adb_tree_bytes(model.tree), ADB_PAGE_BYTES);
    free(order);
    model_close(&model);
    return result;
}

static void
test_tree__any_order_of_insertion__costs_no_more_than_random(void **state)
{
    (void)state;
    for (uint32_t kind = ORDER_SORTED; kind <= ORDER_RUNS; kind++) {
        double fixed = bytes_per_key(16, SHAPE_RANDOM, (enum order)kind, 16000);
        double dense = bytes_per_key(16, SHAPE_DENSE, (enum order)kind, 16000);
        double var = bytes_per_key(0, SHAPE_DENSE, (enum order)kind, 16000);
        print_message("order %u: %.1f, %.1f, var %.1f bytes a key\n", kind, fixed, dense, var);
        assert_true(fixed <= 40);
        assert_true(dense <= 40);
        assert_true(var <= 40);
    }
}

static void
test_tree__99_of_100_keys_removed_at_random__gives_memory_back(void **state)
{
    (void)state;
    static const uint32_t key_bytes[] = {16, 0};
    for (size_t k = 0; k < 2; k++) {
        struct model model;
        model_open(&model, (struct adb_tree_config){.key_bytes = key_bytes[k]}, SHAPE_RANDOM,
                   40000);
        uint32_t *order = (uint32_t *)malloc(model.n * sizeof(uint32_t));
        assert_non_null(order);
        make_order(order, model.n, ORDER_RANDOM);
        for (uint32_t i = 0; i < model.n; i++)
            put(&model, order[i], i + 1);
        uint64_t before = adb_tree_bytes(model.tree);
        make_order(order, model.n, ORDER_RANDOM);
        for (uint32_t i = 0; i < model.n - model.n / 100; i++)
            take_out(&model, order[i]);
        uint64_t after = adb_tree_bytes(model.tree);
        print_message("%llu KiB shrank to %llu KiB\n", (unsigned long long)before / 1024,
                      (unsigned long long)after / 1024);
        assert_true(after * 20 <= before);
        walk_all(&model);
        free(order);
        model_close(&model);
    }
}

/* ------------------------------------------------------------------ single points */

static void
test_tree__empty__finds_nothing(void **state)
{
    (void)state;
    static const uint32_t key_bytes[] = {16, 0};
    for (size_t k = 0; k < 2; k++) {
        struct model model;
        struct adb_tree_position position;
        memset(&position, 0, sizeof position);
        model_open(&model, (struct adb_tree_config){.key_bytes = key_bytes[k]}, SHAPE_RANDOM, 1);
        walk_all(&model);
        for (uint32_t how = ADB_SEEK_GE; how <= ADB_SEEK_LAST; how++)
            assert_int_equal(seek(&model, (enum adb_tree_seek)how, key_of(&model, 0), &position),
                             model.n);
        take_out(&model, 0);
        assert_false(adb_tree_replace(model.tree, key_of(&model, 0), 1, 2));
        model_close(&model);
    }
    adb_tree_free(NULL);
}

static void
test_tree__key_of_another_length__is_not_there(void **state)
{
    (void)state;
    unsigned char bytes[ARMDB_KEY_MAX + 1] = {0};
    struct model model;
    model_open(&model, (struct adb_tree_config){.key_bytes = 16}, SHAPE_RANDOM, 100);
    for (uint32_t i = 0; i < model.n; i++)
        put(&model, i, 7);
    assert_int_equal(adb_tree_get(model.tree, (armdb_slice){.data = NULL, .len = 0}, NULL), 0);
    assert_int_equal(adb_tree_get(model.tree, (armdb_slice){.data = bytes, .len = 15}, NULL), 0);
    assert_int_equal(adb_tree_remove(model.tree, (armdb_slice){.data = bytes, .len = 17}), 0);
    assert_false(adb_tree_replace(model.tree, (armdb_slice){.data = bytes, .len = 17}, 7, 8));
    model_close(&model);
    model_open(&model, (struct adb_tree_config){0}, SHAPE_RANDOM, 100);
    for (uint32_t i = 0; i < model.n; i++)
        put(&model, i, 7);
    assert_int_equal(adb_tree_get(model.tree, (armdb_slice){.data = NULL, .len = 0}, NULL), 0);
    assert_int_equal(adb_tree_remove(model.tree, (armdb_slice){.data = NULL, .len = 0}), 0);
    assert_int_equal(adb_tree_get(model.tree, (armdb_slice){.data = bytes, .len = 1025}, NULL), 0);
    model_close(&model);
}

static void
test_position__key_removed_under_it__goes_on_in_both_directions(void **state)
{
    (void)state;
    struct model model;
    struct adb_tree_position position;
    memset(&position, 0, sizeof position);
    model_open(&model, (struct adb_tree_config){0}, SHAPE_MIXED, 3000);
    for (uint32_t i = 0; i < model.n; i++)
        put(&model, i, i + 1);
    /* Each key is removed while the position stands on it. */
    bool found = adb_tree_seek(model.tree, ADB_SEEK_FIRST, (armdb_slice){0}, &position);
    for (uint32_t i = 0; i < model.n; i++) {
        assert_true(found);
        assert_on(&model, &position, i);
        take_out(&model, i);
        assert_int_equal(adb_tree_location(model.tree, &position), 0);
        found = adb_tree_next(model.tree, &position);
    }
    assert_false(found);
    for (uint32_t i = 0; i < model.n; i++)
        put(&model, i, i + 1);
    found = adb_tree_seek(model.tree, ADB_SEEK_LAST, (armdb_slice){0}, &position);
    for (uint32_t i = model.n; i-- > 0;) {
        assert_true(found);
        assert_on(&model, &position, i);
        take_out(&model, i);
        found = adb_tree_prev(model.tree, &position);
    }
    assert_false(found);
    model_close(&model);
}

static void
test_position__tree_grows_around_it__meets_each_old_key_once(void **state)
{
    (void)state;
    struct model model;
    struct adb_tree_position position;
    memset(&position, 0, sizeof position);
    model_open(&model, (struct adb_tree_config){.key_bytes = 20}, SHAPE_RANDOM, 6000);
    for (uint32_t i = 0; i < model.n; i += 2)
        put(&model, i, i + 1);
    bool found = adb_tree_seek(model.tree, ADB_SEEK_FIRST, (armdb_slice){0}, &position);
    for (uint32_t i = 0; i < model.n; i += 2) {
        assert_true(found);
        /* New keys before and behind; those behind may be met. */
        put(&model, random_below(model.n / 2) * 2 + (model.n > 1), next_random() >> 1 | 1);
        while (compare_keys(position.key, position.key_len, model.items[i].key,
                            model.items[i].len) < 0)
            assert_true(adb_tree_next(model.tree, &position));
        assert_memory_equal(position.key, model.items[i].key, model.items[i].len);
        found = adb_tree_next(model.tree, &position);
    }
    walk_all(&model);
    model_close(&model);
}

static void
test_position__location_replaced__is_seen_without_a_seek(void **state)
{
    (void)state;
    struct model model;
    struct adb_tree_position position;
    memset(&position, 0, sizeof position);
    model_open(&model, (struct adb_tree_config){.key_bytes = 8}, SHAPE_RANDOM, 1000);
    for (uint32_t i = 0; i < model.n; i++)
        put(&model, i, i + 1);
    assert_int_equal(seek(&model, ADB_SEEK_GE, key_of(&model, 500), &position), 500);
    struct adb_tree_position before = position;
    put(&model, 500, 77);
    assert_int_equal(adb_tree_location(model.tree, &position), 77);
    assert_true(adb_tree_replace(model.tree, key_of(&model, 500), 77, 78));
    assert_int_equal(adb_tree_location(model.tree, &position), 78);
    model.items[500].location = 78;
    assert_true(adb_tree_seek(model.tree, ADB_SEEK_GE, key_of(&model, 500), &position));
    assert_int_equal(position.version, before.version);
    model_close(&model);
}

static void
test_position__its_node_reused__is_never_mistaken(void **state)
{
    (void)state;
    enum { N = 3000, N_NODES = 256, ROUNDS = 6 };
    struct model model;
    struct adb_tree_position position;
    const void *nodes[N_NODES];
    uint64_t versions[N_NODES] = {0}; /* the highest seen in rounds before */
    uint64_t newest[N_NODES] = {0};   /* in this round */
    uint32_t n_nodes = 0;
    memset(&position, 0, sizeof position);
    model_open(&model, (struct adb_tree_config){.key_bytes = 16}, SHAPE_RANDOM, N);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < model.n; i++)
            put(&model, round % 2 == 0 ? i : model.n - 1 - i, i + 1);
        bool found = adb_tree_seek(model.tree, ADB_SEEK_FIRST, (armdb_slice){0}, &position);
        for (; found; found = adb_tree_next(model.tree, &position)) {
            uint32_t i = 0;
            while (i < n_nodes && nodes[i] != position.node)
                i++;
            if (i == n_nodes) {
                assert_true(n_nodes < N_NODES);
                nodes[n_nodes++] = position.node;
            }
            assert_true(position.version > versions[i]);
            newest[i] = position.version;
        }
        memcpy(versions, newest, sizeof versions);
        for (uint32_t i = 0; i < model.n; i++)
            take_out(&model, i);
    }
    /* It is about reuse: far fewer pages than leaves filled. */
    assert_true(n_nodes > 1 && n_nodes < ROUNDS * N / 160);
    model_close(&model);
}

static void
test_prepare__allocation_fails__spare_stays_valid(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (;; n++) {
        struct adb_pages *pages = NULL;
        struct adb_tree *tree = NULL;
        struct adb_tree_spare spare = {0};
        adb_mem_fail_at(n, false);
        armdb_err err = adb_pages_new(&pages);
        if (err == ARMDB_OK)
            err = adb_tree_new(pages, &(struct adb_tree_config){.key_bytes = 16}, &tree);
        unsigned char key[16] = {0};
        for (uint32_t i = 0; err == ARMDB_OK && i < 8000; i++) {
            err = adb_tree_prepare(tree, &spare);
            if (err != ARMDB_OK)
                break;
            uint64_t number = mix(i);
            memcpy(key, &number, sizeof number);
            (void)adb_tree_put(tree, (armdb_slice){.data = key, .len = 16}, 1, NULL, &spare);
        }
        bool has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        if (tree != NULL && has_failed) {
            /* It works again when there is memory. */
            assert_int_equal(adb_tree_prepare(tree, &spare), ARMDB_OK);
            memset(key, 255, sizeof key);
            armdb_slice slice = {.data = key, .len = 16};
            assert_int_equal(adb_tree_put(tree, slice, 5, NULL, &spare), 0);
            assert_int_equal(adb_tree_get(tree, slice, NULL), 5);
        }
        if (pages != NULL)
            adb_tree_spare_fini(pages, &spare);
        adb_tree_free(tree);
        if (pages != NULL)
            assert_int_equal(adb_pages_bytes(pages), 0);
        adb_pages_free(pages);
        if (!has_failed)
            break;
    }
    assert_true(n > 3);
}

int
main(void)
{
    const char *text = getenv("ARMDB_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)(uintptr_t)&text ^ 1;
    random_state = mix(seed);
    print_message("ARMDB_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree__empty__finds_nothing),
        cmocka_unit_test(test_tree__key_of_another_length__is_not_there),
        cmocka_unit_test(test_tree__random_operations_on_fixed_keys__match_model),
        cmocka_unit_test(test_tree__random_operations_on_variable_keys__match_model),
        cmocka_unit_test(test_tree__random_operations_with_values__match_model),
        cmocka_unit_test(test_tree__any_order_of_insertion__costs_no_more_than_random),
        cmocka_unit_test(test_tree__99_of_100_keys_removed_at_random__gives_memory_back),
        cmocka_unit_test(test_position__key_removed_under_it__goes_on_in_both_directions),
        cmocka_unit_test(test_position__tree_grows_around_it__meets_each_old_key_once),
        cmocka_unit_test(test_position__location_replaced__is_seen_without_a_seek),
        cmocka_unit_test(test_position__its_node_reused__is_never_mistaken),
        cmocka_unit_test(test_prepare__allocation_fails__spare_stays_valid),
    };
    return cmocka_run_group_tests_name("index/tree", tests, NULL, NULL);
}
