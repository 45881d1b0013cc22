/*
 * The tree against a model (tree_model.h). ARMDB_SEED=n replays a run, ARMDB_TEST_SCALE=n makes it
 * n times longer.
 */
#include "tree_model.h"

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
replace_somewhere(struct model *model)
{
    uint32_t i = random_below(model->n);
    struct item *item = &model->items[i];
    uint64_t wrong = (uint64_t)1 << 63;
    uint64_t desired = random_location();
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
                put(model, i, random_location());
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
    for (uint64_t round = 0; round < test_scale(); round++) {
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

/* Numbers as text: short keys, of which a node can have all that it has slots for, and which begin
 * alike once it is split. */
static void
put_numbers(uint32_t digits, uint32_t from, uint32_t to, uint32_t value_bytes)
{
    struct adb_pages *pages;
    struct adb_tree *tree;
    struct adb_spare spare = {0};
    unsigned char value[ADB_TREE_VALUE_MAX] = {0};
    char text[32];
    assert_int_equal(adb_pages_new(&pages), ARMDB_OK);
    const struct adb_tree_config config = {.value_bytes = value_bytes};
    assert_int_equal(adb_tree_new(pages, &config, &tree), ARMDB_OK);
    uint32_t step = from < to ? 1 : UINT32_MAX;
    for (uint32_t i = from; i != to; i += step) {
        armdb_slice key = {text, (size_t)snprintf(text, sizeof text, "k%0*u", (int)digits, i)};
        assert_int_equal(adb_tree_prepare(tree, &spare), ARMDB_OK);
        assert_true(adb_tree_put(tree, key, i + 1, value_bytes > 0 ? value : NULL, &spare) == 0);
    }
    for (uint32_t i = from; i != to; i += step) {
        armdb_slice key = {text, (size_t)snprintf(text, sizeof text, "k%0*u", (int)digits, i)};
        assert_true(adb_tree_get(tree, key, NULL) == i + 1);
    }
    for (uint32_t i = from; i != to; i += step) {
        armdb_slice key = {text, (size_t)snprintf(text, sizeof text, "k%0*u", (int)digits, i)};
        assert_true(adb_tree_remove(tree, key) == i + 1);
    }
    assert_true(adb_tree_count(tree) == 0);
    adb_spare_fini(&spare, pages);
    adb_tree_free(tree);
    adb_pages_free(pages);
}

static void
test_tree__short_numbers_in_order__fill_nodes_to_the_last_slot(void **state)
{
    (void)state;
    for (uint32_t digits = 1; digits <= 12; digits++) {
        uint32_t n = digits < 4 ? 9 : 3000;
        for (uint32_t value_bytes = 0; value_bytes <= 2; value_bytes++) {
            put_numbers(digits, 0, n, value_bytes);
            put_numbers(digits, n, 0, value_bytes);
        }
    }
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
test_prepare__allocation_fails__spare_stays_valid(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (;; n++) {
        struct adb_pages *pages = NULL;
        struct adb_tree *tree = NULL;
        struct adb_spare spare = {0};
        adb_mem_fail_at(n, false);
        armdb_err err = adb_pages_new(&pages);
        if (err == ARMDB_OK)
            err = adb_tree_new(pages, &(struct adb_tree_config){.key_bytes = 16}, &tree);
        unsigned char key[16] = {0};
        for (uint32_t i = 0; err == ARMDB_OK && i < 8000; i++) {
            err = adb_tree_prepare(tree, &spare);
            if (err != ARMDB_OK)
                break;
            uint64_t number = test_hash(i);
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
            adb_spare_fini(&spare, pages);
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
    seed_keys();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree__random_operations_on_fixed_keys__match_model),
        cmocka_unit_test(test_tree__random_operations_on_variable_keys__match_model),
        cmocka_unit_test(test_tree__random_operations_with_values__match_model),
        cmocka_unit_test(test_tree__any_order_of_insertion__costs_no_more_than_random),
        cmocka_unit_test(test_tree__99_of_100_keys_removed_at_random__gives_memory_back),
        cmocka_unit_test(test_tree__empty__finds_nothing),
        cmocka_unit_test(test_tree__short_numbers_in_order__fill_nodes_to_the_last_slot),
        cmocka_unit_test(test_tree__key_of_another_length__is_not_there),
        cmocka_unit_test(test_prepare__allocation_fails__spare_stays_valid),
    };
    return cmocka_run_group_tests_name("index/tree", tests, NULL, NULL);
}
