/* Many sorted changes at once do to a tree what they do one by one. */
#include "tree_model.h"

enum { CHANGES_MAX = 4000 };

static struct adb_change changes[CHANGES_MAX];
static uint32_t items[CHANGES_MAX]; /* whose changes these are */
static unsigned char values[CHANGES_MAX][ADB_TREE_VALUE_MAX];

/* Applies changes to about `density` of 1000 items, `puts` of 100 of them puts. */
static void
apply_some(struct model *model, uint32_t density, uint32_t puts)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < model->n; i++) {
        if (random_below(1000) >= density)
            continue;
        bool is_put = random_below(100) < puts;
        items[n] = i;
        changes[n] = (struct adb_change){
            .key = key_of(model, i), .location = is_put ? random_location() : 0, .old = UINT64_MAX};
        make_value(model, changes[n].location, values[n]);
        if (is_put && model->config.value_bytes != 0)
            changes[n].value = values[n];
        n++;
    }
    for (uint32_t from = 0; from < n;) {
        uint32_t piece = 1 + random_below(600);
        piece = piece < n - from ? piece : n - from;
        assert_int_equal(adb_tree_apply(model->tree, changes + from, piece, &model->spare),
                         ARMDB_OK);
        from += piece;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct item *item = &model->items[items[i]];
        assert_int_equal(changes[i].old, item->location);
        model->n_there -= item->location != 0;
        model->n_there += changes[i].location != 0;
        item->location = changes[i].location;
        item->value = changes[i].location;
    }
}

static void
run_model(uint32_t key_bytes, uint32_t value_bytes, enum shape shape)
{
    struct model model;
    struct adb_tree_config config = {.key_bytes = key_bytes, .value_bytes = value_bytes};
    model_open(&model, config, shape, CHANGES_MAX);
    for (uint64_t round = 0; round < test_scale(); round++) {
        for (uint32_t step = 0; step < 12; step++)
            apply_some(&model, 1 + random_below(400), 90);
        walk_all(&model);
        apply_some(&model, 1000, 100);
        walk_all(&model);
        for (uint32_t i = 0; i < 200; i++) {
            put(&model, random_below(model.n), random_location());
            take_out(&model, random_below(model.n));
        }
        for (uint32_t step = 0; step < 12; step++)
            apply_some(&model, 1 + random_below(700), 30);
        walk_all(&model);
    }
    apply_some(&model, 1000, 0);
    walk_all(&model);
    assert_int_equal(adb_tree_bytes(model.tree), ADB_PAGE_BYTES);
    model_close(&model);
}

static void
test_tree_apply__fixed_keys__as_one_by_one(void **state)
{
    static const uint32_t key_bytes[] = {1, 7, 8, 9, 16, 20, 32, 256};
    (void)state;
    for (size_t i = 0; i < sizeof key_bytes / sizeof key_bytes[0]; i++) {
        run_model(key_bytes[i], 0, SHAPE_RANDOM);
        run_model(key_bytes[i], 0, SHAPE_DENSE);
    }
}

static void
test_tree_apply__variable_keys__as_one_by_one(void **state)
{
    (void)state;
    for (uint32_t shape = SHAPE_RANDOM; shape <= SHAPE_MIXED; shape++)
        run_model(0, 0, (enum shape)shape);
}

static void
test_tree_apply__with_values__as_one_by_one(void **state)
{
    static const uint32_t value_bytes[] = {1, 8, 13, 256};
    (void)state;
    for (size_t i = 0; i < sizeof value_bytes / sizeof value_bytes[0]; i++) {
        run_model(8, value_bytes[i], SHAPE_RANDOM);
        run_model(16, value_bytes[i], SHAPE_DENSE);
        run_model(0, value_bytes[i], SHAPE_MIXED);
    }
}

static void
test_tree_apply__ascending_keys__leaves_are_full(void **state)
{
    (void)state;
    struct model model;
    struct adb_tree_config config = {.key_bytes = 16};
    model_open(&model, config, SHAPE_DENSE, CHANGES_MAX);
    apply_some(&model, 1000, 100);
    walk_all(&model);
    assert_true(adb_tree_bytes(model.tree) < (uint64_t)model.n * 28);
    model_close(&model);
}

static void
test_tree_apply__memory_is_out__said_so(void **state)
{
    (void)state;
    struct model model;
    struct adb_tree_config config = {.key_bytes = 16};
    model_open(&model, config, SHAPE_RANDOM, CHANGES_MAX);
    for (uint32_t i = 0; i < model.n; i++)
        changes[i] = (struct adb_change){.key = key_of(&model, i), .location = i + 1};
    armdb_err err = ARMDB_NO_MEMORY;
    for (uint64_t n = 1; err != ARMDB_OK; n++) {
        adb_mem_fail_at(n, true);
        err = adb_tree_apply(model.tree, changes, model.n, &model.spare);
        adb_mem_fail_at(0, false);
        assert_true(err == ARMDB_OK || err == ARMDB_NO_MEMORY);
    }
    for (uint32_t i = 0; i < model.n; i++) {
        model.items[i].location = i + 1;
        model.items[i].value = i + 1;
    }
    model.n_there = model.n;
    walk_all(&model);
    model_close(&model);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree_apply__fixed_keys__as_one_by_one),
        cmocka_unit_test(test_tree_apply__variable_keys__as_one_by_one),
        cmocka_unit_test(test_tree_apply__with_values__as_one_by_one),
        cmocka_unit_test(test_tree_apply__ascending_keys__leaves_are_full),
        cmocka_unit_test(test_tree_apply__memory_is_out__said_so),
    };
    seed_keys();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
