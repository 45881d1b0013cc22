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
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "index/map.h"
#include "os/thread.h"

#if defined(__SANITIZE_THREAD__)
#define IS_SLOW 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_SLOW 1
#endif
#endif
#ifndef IS_SLOW
#define IS_SLOW 0
#endif

enum {
    MANY_KEYS = IS_SLOW ? 1 << 14 : 1 << 16,
    FEW_KEYS = 1 << 10, /* so that segments come and go all the time */
    STABLE_EVERY = 16,
    N_WRITERS = 2,
    N_READERS = 2,
    WRITES = IS_SLOW ? 30000 : 400000, /* of each writer */
    KEY_SHIFT = 40                     /* a location is key number << 40 | anything but 0 */
};

static uint64_t seed;

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

struct stress {
    /* immutable while threads run */
    struct adb_pages *pages;
    struct adb_map *map;
    uint32_t value_bytes;
    uint32_t key_bytes;
    uint32_t n_keys;
    /* atomic */
    atomic_bool is_over;
    _Atomic uint32_t n_writing;
};

struct actor {
    struct stress *stress;
    uint32_t number;
    uint64_t random_state;
    struct adb_tree_spare spare;
};

struct key {
    uint32_t len;
    unsigned char bytes[ARMDB_KEY_MAX];
};

/* The key of a number: variable keys have lengths from 12 to 300, most of them short. */
static armdb_slice
make_key(const struct stress *stress, uint32_t number, struct key *key)
{
    uint64_t hash = mix(number);
    key->len = stress->key_bytes;
    if (key->len == 0)
        key->len = hash % 61 == 0 ? 300 : 12 + (uint32_t)(hash >> 32) % 20;
    memset(key->bytes, 'x', key->len);
    for (uint32_t i = 0; i < 8; i++)
        key->bytes[i] = (unsigned char)(hash >> (8 * i));
    for (uint32_t i = 0; i < 4; i++)
        key->bytes[8 + i] = (unsigned char)(number >> (24 - 8 * i));
    return (armdb_slice){.data = key->bytes, .len = key->len};
}

static uint32_t
number_of(const unsigned char *key)
{
    return (uint32_t)key[8] << 24 | (uint32_t)key[9] << 16 | (uint32_t)key[10] << 8 | key[11];
}

/* cmocka's assertions are not for threads. */
static void
check(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "stress_map: %s (ARMDB_SEED=%llu)\n", what, (unsigned long long)seed);
    abort();
}

static uint32_t
next_number(struct actor *actor)
{
    return (uint32_t)(mix(actor->random_state++) % actor->stress->n_keys);
}

static uint64_t
make_location(struct actor *actor, uint32_t number)
{
    return (uint64_t)number << KEY_SHIFT | (actor->random_state & 0xffffff) << 8 | 1;
}

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
write_one(struct actor *actor, uint32_t number, uint64_t *mine, bool is_put)
{
    struct stress *stress = actor->stress;
    struct key key;
    armdb_slice slice = make_key(stress, number, &key);
    if (is_put) {
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
    uint64_t n_writes = WRITES * scale();
    uint64_t n_phases = n_writes / (4 * stress->n_keys) + 2;
    for (uint64_t n = 0; n < n_writes; n++) {
        uint32_t number = next_number(actor);
        bool is_growing = n / (n_writes / n_phases) % 2 == 0;
        if (number % STABLE_EVERY == 0) {
            struct key key;
            armdb_slice slice = make_key(stress, number, &key);
            replace_stable(actor, number);
            if (number / STABLE_EVERY % N_WRITERS == actor->number)
                put(actor, number, slice, make_location(actor, number), 0);
        } else if (number % N_WRITERS == actor->number) {
            write_one(actor, number, mine, mix(n ^ seed) % 16 < (is_growing ? 15u : 1u));
        }
    }
    for (uint32_t number = 0; number < stress->n_keys; number++) {
        if (number % STABLE_EVERY != 0 && number % N_WRITERS == actor->number)
            write_one(actor, number, mine, false);
    }
    free(mine);
    if (atomic_fetch_sub(&stress->n_writing, 1) == 1)
        atomic_store(&stress->is_over, true);
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
        struct key key;
        uint32_t number = number_of(walk.key);
        armdb_slice slice = make_key(stress, number, &key);
        check(walk.key_len == slice.len && memcmp(walk.key, slice.data, slice.len) == 0,
              "a key that nobody put in");
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
    adb_tree_spare_fini(stress->pages, &actor.spare);
}

static void
run_stress(uint32_t key_bytes, uint32_t value_bytes, uint32_t n_keys)
{
    struct stress stress = {.key_bytes = key_bytes,
                            .value_bytes = value_bytes,
                            .n_keys = n_keys,
                            .n_writing = N_WRITERS};
    struct adb_map_config config = {
        .key_bytes = key_bytes, .value_bytes = value_bytes, .n_writers = N_WRITERS, .seed = seed};
    struct actor actors[N_WRITERS + N_READERS];
    struct adb_thread threads[N_WRITERS + N_READERS];
    assert_int_equal(adb_pages_new(&stress.pages), ARMDB_OK);
    assert_int_equal(adb_map_new(stress.pages, &config, &stress.map), ARMDB_OK);
    put_stable(&stress);
    for (uint32_t i = 0; i < N_WRITERS + N_READERS; i++) {
        bool is_writer = i < N_WRITERS;
        actors[i] = (struct actor){.stress = &stress,
                                   .number = is_writer ? i : i - N_WRITERS,
                                   .random_state = mix(seed + i)};
        assert_int_equal(
            adb_thread_start(&threads[i], is_writer ? run_writer : run_reader, &actors[i]),
            ARMDB_OK);
    }
    for (uint32_t i = 0; i < N_WRITERS + N_READERS; i++) {
        adb_thread_join(&threads[i]);
        adb_tree_spare_fini(stress.pages, &actors[i].spare);
    }
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
    const char *text = getenv("ARMDB_SEED");
    seed = text != NULL ? strtoull(text, NULL, 10) : mix((uint64_t)(uintptr_t)&text) >> 32;
    print_message("ARMDB_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map__threads_on_fixed_keys__keep_every_promise),
        cmocka_unit_test(test_map__threads_on_inline_values__keep_every_promise),
        cmocka_unit_test(test_map__threads_on_variable_keys__keep_every_promise),
    };
    return cmocka_run_group_tests_name("stress/map", tests, NULL, NULL);
}
