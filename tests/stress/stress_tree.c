/*
 * Threads on one tree. Keys are numbers in a hash order; each number belongs to one writer (by its
 * remainder), except that every 16th is stable: it is put in before the start and never removed,
 * but its location is replaced by anybody. Locations tell the key they belong to. In a tree with
 * inline values, each is made from the key's number and a mark, which is also in the location;
 * replacing a location keeps the mark.
 *
 * Checked: stable keys are always found, and met exactly once and in order by every walk in either
 * direction; a location always belongs to its key, and an inline value, which is never torn, to the
 * location it was read with; what a writer put is there until it removes it. The same is true of
 * lookups in batches.
 * ARMDB_SEED=n chooses the random numbers (not the interleaving); ARMDB_TEST_SCALE=n makes it n
 * times longer.
 */
#include "stress/index_stress.h"

enum {
    MANY_KEYS = IS_SLOW ? 1 << 13 : 1 << 15,
    MARK_SHIFT = 8 /* the random bits of a location */
};

/* The inline value that belongs to a location: the same whatever its last byte is. */
static void
make_value(const struct stress *stress, uint64_t location, unsigned char *value)
{
    uint64_t state = location >> MARK_SHIFT;
    for (uint32_t i = 0; i < stress->value_bytes; i++)
        value[i] = (unsigned char)(state >> 8 * (i % 7)) ^ (unsigned char)i;
}

static void
check_value(const struct stress *stress, uint64_t location, const unsigned char *value)
{
    unsigned char expected[ADB_TREE_VALUE_MAX];
    make_value(stress, location, expected);
    check(memcmp(value, expected, stress->value_bytes) == 0,
          "a value that is torn, or of another location");
}

/* Looks for a key; the value must belong to the location. */
static uint64_t
get(const struct stress *stress, armdb_slice key)
{
    unsigned char value[ADB_TREE_VALUE_MAX];
    uint64_t location = adb_tree_get(stress->tree, key, value);
    if (location != 0)
        check_value(stress, location, value);
    return location;
}

static uint64_t
put(struct stress *stress, armdb_slice key, uint64_t location, struct adb_spare *spare)
{
    unsigned char value[ADB_TREE_VALUE_MAX];
    make_value(stress, location, value);
    check(adb_tree_prepare(stress->tree, spare) == ARMDB_OK, "memory");
    return adb_tree_put(stress->tree, key, location, stress->value_bytes != 0 ? value : NULL,
                        spare);
}

/* Moves a stable key's location as compaction would: the value stays. */
static void
replace_stable(struct actor *actor, uint32_t number)
{
    struct key key;
    struct adb_tree *tree = actor->stress->tree;
    armdb_slice slice = make_key(actor->stress, number, &key);
    uint64_t location = get(actor->stress, slice);
    check(location >> KEY_SHIFT == number && location != 0, "stable key not found");
    uint64_t desired = actor->stress->value_bytes == 0
                           ? make_location(actor, number)
                           : (location & ~(uint64_t)0xff) | (actor->random_state % 255 + 1);
    (void)adb_tree_replace(tree, slice, location, desired);
}

/* Phases of growing and shrinking, so that nodes are split and merged all the time. */
static void *
run_writer(void *context)
{
    struct actor *actor = (struct actor *)context;
    struct stress *stress = actor->stress;
    uint64_t *mine = (uint64_t *)calloc(stress->n_keys, sizeof *mine);
    check(mine != NULL, "memory");
    uint64_t n_writes = (uint64_t)WRITES * test_scale();
    uint64_t n_phases = n_writes / (2 * stress->n_keys) + 2;
    for (uint64_t n = 0; n < n_writes; n++) {
        struct key key;
        uint32_t number = next_number(actor);
        armdb_slice slice = make_key(stress, number, &key);
        if (number % STABLE_EVERY == 0) {
            replace_stable(actor, number);
            continue;
        }
        if (number % N_WRITERS != actor->number)
            continue;
        if (is_put(stress, n, n_writes, n_phases, 8)) {
            uint64_t location = make_location(actor, number);
            check(put(stress, slice, location, &actor->spare) == mine[number],
                  "put returned another location");
            mine[number] = location;
        } else {
            check(adb_tree_remove(stress->tree, slice) == mine[number],
                  "remove returned another location");
            mine[number] = 0;
        }
        check(get(stress, slice) == mine[number], "own key is not as it was left");
    }
    for (uint32_t number = 0; number < stress->n_keys; number++) {
        struct key key;
        if (number % STABLE_EVERY == 0 || number % N_WRITERS != actor->number)
            continue;
        check(adb_tree_remove(stress->tree, make_key(stress, number, &key)) == mine[number],
              "remove returned another location at the end");
    }
    free(mine);
    end_writing(stress);
    return NULL;
}

static void
check_position(const struct stress *stress, const struct adb_tree_position *position)
{
    uint32_t number = check_key(stress, position->key, position->key_len);
    check(position->location >> KEY_SHIFT == number, "a location of another key");
    check_value(stress, position->location, position->value);
    uint64_t location = adb_tree_location(stress->tree, position);
    check(location == 0 || location >> KEY_SHIFT == number, "a later location of another key");
}

static int
compare(const struct adb_tree_position *a, const struct adb_tree_position *b)
{
    int order = memcmp(a->key, b->key, a->key_len < b->key_len ? a->key_len : b->key_len);
    return order != 0 ? order : (int)a->key_len - (int)b->key_len;
}

static void
walk(const struct stress *stress, bool is_up)
{
    struct adb_tree_position position;
    struct adb_tree_position before;
    uint32_t n_stable = 0;
    bool is_first = true;
    memset(&position, 0, sizeof position);
    bool found = adb_tree_seek(stress->tree, is_up ? ADB_SEEK_FIRST : ADB_SEEK_LAST,
                               (armdb_slice){0}, &position);
    while (found) {
        check_position(stress, &position);
        if (!is_first)
            check(is_up ? compare(&before, &position) < 0 : compare(&before, &position) > 0,
                  "keys out of order");
        is_first = false;
        n_stable += number_of(position.key) % STABLE_EVERY == 0;
        before = position;
        found = is_up ? adb_tree_next(stress->tree, &position)
                      : adb_tree_prev(stress->tree, &position);
    }
    check(n_stable == stress->n_keys / STABLE_EVERY, "a walk missed stable keys");
}

/* Half of the keys looked for are stable. */
static void
get_batch(struct actor *actor)
{
    enum { BATCH = 24 };
    const struct stress *stress = actor->stress;
    struct key bytes[BATCH];
    uint32_t numbers[BATCH];
    armdb_slice keys[BATCH];
    uint64_t locations[BATCH];
    unsigned char values[BATCH * ADB_TREE_VALUE_MAX];
    for (uint32_t i = 0; i < BATCH; i++) {
        numbers[i] = next_number(actor);
        if (i % 2 == 0)
            numbers[i] -= numbers[i] % STABLE_EVERY;
        keys[i] = make_key(stress, numbers[i], &bytes[i]);
    }
    adb_tree_get_batch(stress->tree, keys, BATCH, locations, values);
    for (uint32_t i = 0; i < BATCH; i++) {
        check(locations[i] != 0 || i % 2 != 0, "a batch missed a stable key");
        if (locations[i] == 0)
            continue;
        check(locations[i] >> KEY_SHIFT == numbers[i], "a location of another key in a batch");
        check_value(stress, locations[i], values + (size_t)i * stress->value_bytes);
    }
}

static void *
run_reader(void *context)
{
    struct actor *actor = (struct actor *)context;
    struct stress *stress = actor->stress;
    while (!atomic_load(&stress->is_over)) {
        walk(stress, actor->number % 2 == 0);
        for (uint32_t n = 0; n < 5000; n++) {
            struct key key;
            struct adb_tree_position position;
            uint32_t number = next_number(actor);
            if (n % 32 == 0)
                get_batch(actor);
            if (n % 4 == 0) {
                replace_stable(actor, number / STABLE_EVERY * STABLE_EVERY);
                continue;
            }
            armdb_slice slice = make_key(stress, number, &key);
            uint64_t location = get(stress, slice);
            check(location == 0 || location >> KEY_SHIFT == number, "a location of another key");
            enum adb_tree_seek how = (enum adb_tree_seek)(n % 6);
            if (adb_tree_seek(stress->tree, how, slice, &position))
                check_position(stress, &position);
        }
    }
    return NULL;
}

static void
run_stress(uint32_t key_bytes, uint32_t value_bytes, uint32_t n_keys)
{
    struct stress stress = {.key_bytes = key_bytes, .value_bytes = value_bytes, .n_keys = n_keys};
    const struct adb_tree_config config = {.key_bytes = key_bytes, .value_bytes = value_bytes};
    struct adb_spare spare = {0};
    assert_int_equal(adb_pages_new(&stress.pages), ARMDB_OK);
    assert_int_equal(adb_tree_new(stress.pages, &config, &stress.tree), ARMDB_OK);
    for (uint32_t number = 0; number < n_keys; number += STABLE_EVERY) {
        struct key key;
        armdb_slice slice = make_key(&stress, number, &key);
        assert_int_equal(put(&stress, slice, (uint64_t)number << KEY_SHIFT | 1, &spare), 0);
    }
    run_threads(&stress, run_writer, run_reader);
    walk(&stress, true);
    walk(&stress, false);
    assert_int_equal(adb_tree_count(stress.tree), n_keys / STABLE_EVERY);
    adb_spare_fini(&spare, stress.pages);
    adb_tree_free(stress.tree);
    assert_int_equal(adb_pages_bytes(stress.pages), 0);
    adb_pages_free(stress.pages);
}

static void
test_tree__threads_on_fixed_keys__keep_every_promise(void **state)
{
    (void)state;
    run_stress(16, 0, MANY_KEYS);
    run_stress(16, 0, FEW_KEYS);
}

static void
test_tree__threads_on_long_fixed_keys__keep_every_promise(void **state)
{
    (void)state;
    run_stress(256, 0, MANY_KEYS);
    run_stress(256, 0, FEW_KEYS);
}

static void
test_tree__threads_on_variable_keys__keep_every_promise(void **state)
{
    (void)state;
    run_stress(0, 0, MANY_KEYS);
    run_stress(0, 0, FEW_KEYS);
}

static void
test_tree__threads_on_inline_values__never_see_a_torn_one(void **state)
{
    (void)state;
    run_stress(16, 8, FEW_KEYS);
    run_stress(16, 100, FEW_KEYS);
    run_stress(16, 256, MANY_KEYS);
    run_stress(0, 29, FEW_KEYS);
    run_stress(0, 256, MANY_KEYS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree__threads_on_fixed_keys__keep_every_promise),
        cmocka_unit_test(test_tree__threads_on_long_fixed_keys__keep_every_promise),
        cmocka_unit_test(test_tree__threads_on_variable_keys__keep_every_promise),
        cmocka_unit_test(test_tree__threads_on_inline_values__never_see_a_torn_one),
    };
    return cmocka_run_group_tests_name("stress/tree", tests, NULL, NULL);
}
