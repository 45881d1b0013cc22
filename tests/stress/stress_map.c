/*
 * Threads on one map. Keys are numbers in a hash order; each number belongs to one writer (by its
 * remainder), except that every 16th is stable: it is put in before the start and never removed,
 * but its location is replaced by anybody, and its value is put anew by its writer. Locations tell
 * the key they belong to; an inline value is one number, the key's, and one byte again and again.
 *
 * Checked: stable keys are always found, and met exactly once by every walk; a location always
 * belongs to its key; values are whole; a batch finds what single lookups find; what a writer put
 * is there until it removes it. ARMDB_SEED=n chooses the random numbers (not the interleaving);
 * ARMDB_TEST_SCALE=n makes it n times longer.
 */
#include "stress/index_stress.h"

enum { MANY_KEYS = IS_SLOW ? 1 << 14 : 1 << 16 };

/* The inline value of a key: its number, then one byte that changes. */
static void
make_value(const struct stress *stress, uint32_t number, uint64_t variety, unsigned char *value)
{
    memset(value, (int)(variety & 0xff), stress->value_bytes);
    if (stress->value_bytes != 0)
        memcpy(value, &number, sizeof number);
}

static void
check_value(const struct stress *stress, uint32_t number, const unsigned char *value)
{
    if (stress->value_bytes == 0)
        return;
    check(memcmp(value, &number, sizeof number) == 0, "a value of another key");
    for (uint32_t i = sizeof number; i < stress->value_bytes; i++)
        check(value[i] == value[sizeof number], "a torn value");
}

/* Gets a key in one way or the other, and checks what it got. */
static uint64_t
get(const struct stress *stress, uint32_t number, armdb_slice slice)
{
    unsigned char value[ADB_MAP_VALUE_MAX];
    uint64_t location = adb_map_get(stress->map, slice, value);
    check(location == 0 || location >> KEY_SHIFT == number, "a location of another key");
    if (location != 0)
        check_value(stress, number, value);
    return location;
}

static void
put(struct actor *actor, uint32_t number, armdb_slice slice, uint64_t location, uint64_t old)
{
    struct stress *stress = actor->stress;
    unsigned char value[ADB_MAP_VALUE_MAX];
    make_value(stress, number, location >> 8, value);
    check(adb_map_prepare(stress->map, slice, &actor->spare) == ARMDB_OK, "memory");
    uint64_t had = adb_map_put(stress->map, slice, location, value, &actor->spare);
    check(had == old || (number % STABLE_EVERY == 0 && had >> KEY_SHIFT == number),
          "put returned another location");
}

static void
replace_stable(struct actor *actor, uint32_t number)
{
    struct key key;
    armdb_slice slice = make_key(actor->stress, number, &key);
    uint64_t location = get(actor->stress, number, slice);
    check(location != 0, "stable key not found");
    (void)adb_map_replace(actor->stress->map, slice, location, make_location(actor, number));
}

static void
write_one(struct actor *actor, uint32_t number, uint64_t *mine, bool puts)
{
    struct stress *stress = actor->stress;
    struct key key;
    armdb_slice slice = make_key(stress, number, &key);
    if (puts) {
        uint64_t location = make_location(actor, number);
        put(actor, number, slice, location, mine[number]);
        mine[number] = location;
    } else {
        check(adb_map_remove(stress->map, slice) == mine[number],
              "remove returned another location");
        mine[number] = 0;
    }
    check(get(stress, number, slice) == mine[number], "own key is not as it was left");
}

/* Phases of growing and shrinking, so that segments are split and joined all the time. */
static void *
run_writer(void *context)
{
    struct actor *actor = (struct actor *)context;
    struct stress *stress = actor->stress;
    uint64_t *mine = (uint64_t *)calloc(stress->n_keys, sizeof *mine);
    check(mine != NULL, "memory");
    uint64_t n_writes = (uint64_t)WRITES * test_scale();
    uint64_t n_phases = n_writes / (4 * stress->n_keys) + 2;
    for (uint64_t n = 0; n < n_writes; n++) {
        uint32_t number = next_number(actor);
        if (number % STABLE_EVERY == 0) {
            struct key key;
            armdb_slice slice = make_key(stress, number, &key);
            replace_stable(actor, number);
            if (number / STABLE_EVERY % N_WRITERS == actor->number)
                put(actor, number, slice, make_location(actor, number), 0);
        } else if (number % N_WRITERS == actor->number) {
            write_one(actor, number, mine, is_put(stress, n, n_writes, n_phases, 16));
        }
    }
    for (uint32_t number = 0; number < stress->n_keys; number++) {
        if (number % STABLE_EVERY != 0 && number % N_WRITERS == actor->number)
            write_one(actor, number, mine, false);
    }
    free(mine);
    end_writing(stress);
    return NULL;
}

static void
walk(const struct stress *stress)
{
    static _Thread_local struct adb_map_walk walk;
    unsigned char *seen = (unsigned char *)calloc(stress->n_keys, 1);
    uint32_t n_stable = 0;
    check(seen != NULL, "memory");
    memset(&walk, 0, sizeof walk);
    while (adb_map_walk_next(stress->map, &walk)) {
        uint32_t number = check_key(stress, walk.key, walk.key_len);
        check(walk.location >> KEY_SHIFT == number, "a location of another key in a walk");
        check_value(stress, number, walk.value);
        check(seen[number] == 0, "a walk met a key twice");
        seen[number] = 1;
        n_stable += number % STABLE_EVERY == 0;
    }
    check(n_stable == stress->n_keys / STABLE_EVERY, "a walk missed stable keys");
    free(seen);
}

static void
get_batch(struct actor *actor)
{
    enum { N = 40 };
    struct stress *stress = actor->stress;
    struct key keys[N];
    armdb_slice slices[N];
    uint32_t numbers[N];
    uint64_t locations[N];
    unsigned char values[N * ADB_MAP_VALUE_MAX];
    for (uint32_t i = 0; i < N; i++) {
        numbers[i] = next_number(actor);
        slices[i] = make_key(stress, numbers[i], &keys[i]);
    }
    adb_map_get_batch(stress->map, slices, N, locations, values);
    for (uint32_t i = 0; i < N; i++) {
        check(locations[i] != 0 || numbers[i] % STABLE_EVERY != 0, "batch missed a stable key");
        if (locations[i] == 0)
            continue;
        check(locations[i] >> KEY_SHIFT == numbers[i], "batch got a location of another key");
        check_value(stress, numbers[i], values + i * stress->value_bytes);
    }
}

static void *
run_reader(void *context)
{
    struct actor *actor = (struct actor *)context;
    struct stress *stress = actor->stress;
    while (!atomic_load(&stress->is_over)) {
        walk(stress);
        for (uint32_t n = 0; n < 5000; n++) {
            struct key key;
            uint32_t number = next_number(actor);
            if (n % 64 == 0)
                get_batch(actor);
            else if (n % 4 == 0)
                replace_stable(actor, number / STABLE_EVERY * STABLE_EVERY);
            else
                (void)get(stress, number, make_key(stress, number, &key));
        }
    }
    return NULL;
}

static void
put_stable(struct stress *stress)
{
    struct actor actor = {.stress = stress};
    for (uint32_t number = 0; number < stress->n_keys; number += STABLE_EVERY) {
        struct key key;
        put(&actor, number, make_key(stress, number, &key), (uint64_t)number << KEY_SHIFT | 1, 0);
    }
    adb_spare_fini(&actor.spare, stress->pages);
}

static void
run_stress(uint32_t key_bytes, uint32_t value_bytes, uint32_t n_keys)
{
    struct stress stress = {.key_bytes = key_bytes, .value_bytes = value_bytes, .n_keys = n_keys};
    struct adb_map_config config = {.key_bytes = key_bytes,
                                    .value_bytes = value_bytes,
                                    .n_writers = N_WRITERS,
                                    .seed = test_seed()};
    assert_int_equal(adb_pages_new(&stress.pages), ARMDB_OK);
    assert_int_equal(adb_map_new(stress.pages, &config, &stress.map), ARMDB_OK);
    put_stable(&stress);
    run_threads(&stress, run_writer, run_reader);
    walk(&stress);
    assert_int_equal(adb_map_count(stress.map), n_keys / STABLE_EVERY);
    adb_map_free(stress.map);
    assert_int_equal(adb_pages_bytes(stress.pages), 0);
    adb_pages_free(stress.pages);
}

static void
test_map__threads_on_fixed_keys__keep_every_promise(void **state)
{
    (void)state;
    run_stress(16, 0, MANY_KEYS);
    run_stress(16, 0, FEW_KEYS);
}

static void
test_map__threads_on_inline_values__keep_every_promise(void **state)
{
    (void)state;
    run_stress(16, 100, MANY_KEYS);
    run_stress(256, 256, FEW_KEYS);
}

static void
test_map__threads_on_variable_keys__keep_every_promise(void **state)
{
    (void)state;
    run_stress(0, 0, MANY_KEYS);
    run_stress(0, 8, FEW_KEYS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map__threads_on_fixed_keys__keep_every_promise),
        cmocka_unit_test(test_map__threads_on_inline_values__keep_every_promise),
        cmocka_unit_test(test_map__threads_on_variable_keys__keep_every_promise),
    };
    return cmocka_run_group_tests_name("stress/map", tests, NULL, NULL);
}
