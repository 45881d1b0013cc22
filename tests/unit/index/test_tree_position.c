/* Positions in a tree that changes under them, against a model. ARMDB_SEED=n replays a run. */
#include "tree_model.h"

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
        put(&model, random_below(model.n / 2) * 2 + (model.n > 1), random_location());
        while (compare_keys(position.key, position.key_len, model.items[i].key.bytes,
                            model.items[i].key.len) < 0)
            assert_true(adb_tree_next(model.tree, &position));
        assert_memory_equal(position.key, model.items[i].key.bytes, model.items[i].key.len);
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
test_position__step_near__agrees_with_a_step_or_changes_nothing(void **state)
{
    (void)state;
    static const struct adb_tree_config configs[] = {{.key_bytes = 16}, {.key_bytes = 40}, {0}};
    for (size_t c = 0; c < sizeof configs / sizeof *configs; c++) {
        struct model model;
        struct adb_tree_position near, far;
        uint32_t n_near = 0;
        memset(&near, 0, sizeof near);
        model_open(&model, configs[c], SHAPE_RANDOM, 1000);
        for (uint32_t i = 0; i < model.n; i++)
            put(&model, i, i + 1);
        assert_true(adb_tree_seek(model.tree, ADB_SEEK_FIRST, (armdb_slice){0}, &near));
        for (far = near; adb_tree_next(model.tree, &far);) {
            if (adb_tree_step_near(&near, true)) {
                n_near++;
                assert_memory_equal(near.key, far.key, far.key_len);
                assert_int_equal(near.location, far.location);
                assert_true(adb_tree_step_near(&near, false));
                assert_true(adb_tree_step_near(&near, true));
            } else {
                near = far; /* another leaf, or keys that are not short */
            }
        }
        assert_true(c == 0 ? n_near > model.n / 2 : n_near == 0);
        /* In a leaf that has changed nothing is near. */
        if (c == 0) {
            assert_int_equal(seek(&model, ADB_SEEK_GE, key_of(&model, 500), &near), 500);
            take_out(&model, 500);
            assert_false(adb_tree_step_near(&near, true));
            assert_false(adb_tree_step_near(&near, false));
            assert_memory_equal(near.key, model.items[500].key.bytes, near.key_len);
        }
        model_close(&model);
    }
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

int
main(void)
{
    seed_keys();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_position__key_removed_under_it__goes_on_in_both_directions),
        cmocka_unit_test(test_position__tree_grows_around_it__meets_each_old_key_once),
        cmocka_unit_test(test_position__location_replaced__is_seen_without_a_seek),
        cmocka_unit_test(test_position__step_near__agrees_with_a_step_or_changes_nothing),
        cmocka_unit_test(test_position__its_node_reused__is_never_mistaken),
    };
    return cmocka_run_group_tests_name("index/tree_position", tests, NULL, NULL);
}
