/*
 * Walks through a map that changes: between any two steps keys are put and removed in such numbers
 * that segments grow, split, shrink and join. ARMDB_SEED=n replays a run.
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

enum { N_KEYS = 30000, STABLE_EVERY = 8 };

static struct test_rng rng;

struct walked {
    struct adb_pages *pages;
    struct adb_map *map;
    struct adb_spare spare;
    uint32_t key_bytes;
    uint64_t location[N_KEYS]; /* 0: not there */
    bool is_seen[N_KEYS];
};

static armdb_slice
make_key(const struct walked *walked, uint32_t number, unsigned char *bytes)
{
    uint32_t len = walked->key_bytes != 0 ? walked->key_bytes : 4 + number % 50;
    memset(bytes, 'x', len);
    memcpy(bytes, &number, sizeof number);
    return (armdb_slice){.data = bytes, .len = len};
}

static void
put(struct walked *walked, uint32_t number)
{
    unsigned char bytes[ARMDB_KEY_MAX];
    armdb_slice key = make_key(walked, number, bytes);
    uint64_t location = test_rng_next(&rng) | 1;
    assert_int_equal(adb_map_prepare(walked->map, key, &walked->spare), ARMDB_OK);
    assert_int_equal(adb_map_put(walked->map, key, location, NULL, &walked->spare),
                     walked->location[number]);
    walked->location[number] = location;
}

static void
take_out(struct walked *walked, uint32_t number)
{
    unsigned char bytes[ARMDB_KEY_MAX];
    armdb_slice key = make_key(walked, number, bytes);
    assert_int_equal(adb_map_remove(walked->map, key), walked->location[number]);
    walked->location[number] = 0;
}

/* One walk, with `changes` in each gap, of which so many of 100 are puts. */
static void
walk_while_changing(struct walked *walked, uint32_t changes, uint32_t puts)
{
    static struct adb_map_walk walk;
    uint32_t n_stable = 0;
    memset(&walk, 0, sizeof walk);
    memset(walked->is_seen, 0, sizeof walked->is_seen);
    while (adb_map_walk_next(walked->map, &walk)) {
        uint32_t number;
        memcpy(&number, walk.key, sizeof number);
        assert_true(number < N_KEYS);
        assert_false(walked->is_seen[number]);
        assert_int_equal(walk.location, walked->location[number]);
        walked->is_seen[number] = true;
        n_stable += number % STABLE_EVERY == 0;
        for (uint32_t n = 0; n < changes; n++) {
            uint32_t other = (uint32_t)test_rng_below(&rng, N_KEYS);
            if (test_rng_below(&rng, 100) < puts)
                put(walked, other);
            else if (other % STABLE_EVERY != 0)
                take_out(walked, other);
        }
        /* The key under the walk goes as well, now and then. */
        if (number % STABLE_EVERY != 0 && test_rng_one_in(&rng, 10))
            take_out(walked, number);
    }
    assert_false(adb_map_walk_next(walked->map, &walk));
    assert_int_equal(n_stable, (N_KEYS + STABLE_EVERY - 1) / STABLE_EVERY);
}

static void
run_walks(uint32_t key_bytes, uint64_t hash_mask)
{
    struct walked *walked = (struct walked *)calloc(1, sizeof *walked);
    assert_non_null(walked);
    struct adb_map_config config = {
        .key_bytes = key_bytes, .n_writers = 1, .seed = test_rng_next(&rng)};
    walked->key_bytes = key_bytes;
    assert_int_equal(adb_pages_new(&walked->pages), ARMDB_OK);
    assert_int_equal(adb_map_new(walked->pages, &config, &walked->map), ARMDB_OK);
    walked->map->hash_mask = hash_mask;
    for (uint32_t number = 0; number < N_KEYS; number += STABLE_EVERY)
        put(walked, number);
    walk_while_changing(walked, 0, 0);
    walk_while_changing(walked, 12, 100);
    walk_while_changing(walked, 1, 50);
    walk_while_changing(walked, 5, 0);
    walk_while_changing(walked, 30, 90);
    walk_while_changing(walked, 30, 5);
    walk_while_changing(walked, 0, 0);
    adb_spare_fini(&walked->spare, walked->pages);
    adb_map_free(walked->map);
    adb_pages_free(walked->pages);
    free(walked);
}

static void
test_walk__map_changes__meets_each_stable_key_once(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < test_scale(); round++) {
        run_walks(16, UINT64_MAX);
        run_walks(256, UINT64_MAX);
        run_walks(0, UINT64_MAX);
    }
}

static void
test_walk__many_keys_of_one_hash__meets_each_once(void **state)
{
    (void)state;
    run_walks(16, UINT64_MAX << 55);
    run_walks(0, UINT64_MAX << 54);
}

int
main(void)
{
    rng = test_rng_make(test_seed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk__map_changes__meets_each_stable_key_once),
        cmocka_unit_test(test_walk__many_keys_of_one_hash__meets_each_once),
    };
    return cmocka_run_group_tests_name("index/map_walk", tests, NULL, NULL);
}
