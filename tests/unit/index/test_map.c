/*
 * The map against a model: an array of all keys that the test may use, with location and inline
 * value of each (location 0: not there). ARMDB_SEED=n replays a run, ARMDB_TEST_SCALE=n makes it n
 * times longer.
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
#include "unit/index/key_shapes.h"

/* ------------------------------------------------------------------ model */

enum { N_WRITERS = 8 };

struct item {
    uint32_t n_seen;   /* by a walk */
    uint64_t location; /* 0: not in the map */
    unsigned char value[ADB_MAP_VALUE_MAX];
    struct shaped_key key;
};

struct model {
    struct item *items; /* sorted by key, all different */
    uint32_t n;
    uint64_t n_there;
    struct adb_pages *pages;
    struct adb_map *map;
    struct adb_spare spare;
    struct adb_map_config config;
};

static int
compare_items(const void *a, const void *b)
{
    const struct item *x = (const struct item *)a;
    const struct item *y = (const struct item *)b;
    return compare_keys(x->key.bytes, x->key.len, y->key.bytes, y->key.len);
}

static void
model_open(struct model *model, uint32_t key_bytes, uint32_t value_bytes, enum shape shape,
           uint32_t n)
{
    memset(model, 0, sizeof *model);
    model->items = (struct item *)malloc(n * sizeof(struct item));
    assert_non_null(model->items);
    for (uint32_t i = 0; i < n; i++) {
        memset(&model->items[i], 0, sizeof model->items[i]);
        make_key(&model->items[i].key, shape, key_bytes, i);
    }
    qsort(model->items, n, sizeof(struct item), compare_items);
    for (uint32_t i = 0; i < n; i++) {
        if (model->n == 0 || compare_items(&model->items[model->n - 1], &model->items[i]) != 0)
            model->items[model->n++] = model->items[i];
    }
    model->config = (struct adb_map_config){.key_bytes = key_bytes,
                                            .value_bytes = value_bytes,
                                            .n_writers = N_WRITERS,
                                            .seed = test_rng_next(&rng)};
    assert_int_equal(adb_pages_new(&model->pages), ARMDB_OK);
    assert_int_equal(adb_map_new(model->pages, &model->config, &model->map), ARMDB_OK);
}

static void
model_close(struct model *model)
{
    adb_spare_fini(&model->spare, model->pages);
    adb_map_free(model->map);
    assert_int_equal(adb_pages_bytes(model->pages), 0);
    adb_pages_free(model->pages);
    free(model->items);
}

static armdb_slice
key_of(const struct model *model, uint32_t i)
{
    return shaped_slice(&model->items[i].key);
}

static const void *
value_of(const struct model *model, uint32_t i)
{
    return model->config.value_bytes != 0 ? model->items[i].value : NULL;
}

static void
put(struct model *model, uint32_t i, uint64_t location)
{
    struct item *item = &model->items[i];
    test_rng_fill(&rng, item->value, model->config.value_bytes);
    assert_int_equal(adb_map_prepare(model->map, key_of(model, i), &model->spare), ARMDB_OK);
    assert_int_equal(
        adb_map_put(model->map, key_of(model, i), location, value_of(model, i), &model->spare),
        item->location);
    model->n_there += item->location == 0;
    item->location = location;
}

static void
take_out(struct model *model, uint32_t i)
{
    struct item *item = &model->items[i];
    assert_int_equal(adb_map_remove(model->map, key_of(model, i)), item->location);
    model->n_there -= item->location != 0;
    item->location = 0;
}

static void
check_get(const struct model *model, uint32_t i)
{
    unsigned char value[ADB_MAP_VALUE_MAX];
    assert_int_equal(adb_map_get(model->map, key_of(model, i), value), model->items[i].location);
    if (model->items[i].location != 0 && model->config.value_bytes != 0)
        assert_memory_equal(value, model->items[i].value, model->config.value_bytes);
    assert_int_equal(adb_map_get(model->map, key_of(model, i), NULL), model->items[i].location);
}

static void
replace_somewhere(struct model *model)
{
    uint32_t i = random_below(model->n);
    struct item *item = &model->items[i];
    uint64_t wrong = (uint64_t)1 << 63;
    uint64_t desired = random_location();
    assert_false(adb_map_replace(model->map, key_of(model, i), wrong, desired));
    if (item->location != 0) {
        assert_true(adb_map_replace(model->map, key_of(model, i), item->location, desired));
        item->location = desired;
    }
}

static uint32_t
item_of(const struct model *model, const struct adb_map_walk *walk)
{
    struct item wanted;
    wanted.key.len = walk->key_len;
    memcpy(wanted.key.bytes, walk->key, walk->key_len);
    const struct item *item = (const struct item *)bsearch(&wanted, model->items, model->n,
                                                           sizeof(struct item), compare_items);
    assert_non_null(item);
    return (uint32_t)(item - model->items);
}

static void
walk_all(struct model *model)
{
    static struct adb_map_walk walk;
    uint64_t n_seen = 0;
    memset(&walk, 0, sizeof walk);
    for (uint32_t i = 0; i < model->n; i++)
        model->items[i].n_seen = 0;
    while (adb_map_walk_next(model->map, &walk)) {
        struct item *item = &model->items[item_of(model, &walk)];
        assert_int_equal(walk.location, item->location);
        assert_memory_equal(walk.value, item->value, model->config.value_bytes);
        assert_int_equal(item->n_seen, 0);
        item->n_seen = 1;
        n_seen++;
    }
    assert_false(adb_map_walk_next(model->map, &walk));
    assert_int_equal(n_seen, model->n_there);
}

static void
get_all_in_batches(struct model *model)
{
    enum { MANY = 77 };
    static unsigned char values[MANY * ADB_MAP_VALUE_MAX];
    armdb_slice keys[MANY];
    uint64_t locations[MANY];
    uint32_t value_bytes = model->config.value_bytes;
    for (uint32_t i = 0; i < model->n;) {
        uint32_t n = random_below(MANY + 1);
        n = n < model->n - i ? n : model->n - i;
        for (uint32_t k = 0; k < n; k++)
            keys[k] = key_of(model, i + k);
        uint32_t other = n != 0 ? random_below(2 * n) : 0;
        if (other < n)
            keys[other].len = ARMDB_KEY_MAX + 1;
        adb_map_get_batch(model->map, keys, n, locations, values);
        for (uint32_t k = 0; k < n; k++) {
            const struct item *item = &model->items[i + k];
            assert_int_equal(locations[k], k == other ? 0 : item->location);
            if (locations[k] != 0)
                assert_memory_equal(values + k * value_bytes, item->value, value_bytes);
        }
        adb_map_get_batch(model->map, keys, n, locations, NULL);
        i += n;
    }
}

static void
check_contents(struct model *model)
{
    for (uint32_t i = 0; i < model->n; i++)
        check_get(model, i);
    assert_int_equal(adb_map_count(model->map), model->n_there);
    get_all_in_batches(model);
    walk_all(model);
}

static void
check_all(struct model *model)
{
    check_contents(model);
    /* Nothing is counted as the map's that is not, nor the other way round. */
    uint64_t page_bytes = adb_pages_bytes(model->pages) - model->spare.count * ADB_PAGE_BYTES;
    assert_true(adb_map_bytes(model->map) > page_bytes);
    assert_true(adb_map_bytes(model->map) < page_bytes + 16384);
}

/* Random operations; of 100 changes, `puts` are puts and the rest removals. */
static void
run_phase(struct model *model, uint32_t n_operations, uint32_t puts)
{
    for (uint32_t n = 0; n < n_operations; n++) {
        uint32_t i = random_below(model->n);
        uint32_t kind = random_below(1000);
        if (kind < 800) {
            if (random_below(100) < puts)
                put(model, i, random_location());
            else
                take_out(model, i);
        } else if (kind < 950) {
            check_get(model, i);
        } else {
            replace_somewhere(model);
        }
    }
    check_all(model);
}

static void
run_model(uint32_t key_bytes, uint32_t value_bytes, enum shape shape, uint32_t n)
{
    struct model model;
    model_open(&model, key_bytes, value_bytes, shape, n);
    uint64_t empty_bytes = adb_map_bytes(model.map);
    for (uint64_t round = 0; round < test_scale(); round++) {
        run_phase(&model, 2 * n, 95);
        run_phase(&model, n, 50);
        run_phase(&model, 3 * n, 3);
        run_phase(&model, n, 70);
    }
    for (uint32_t i = 0; i < model.n; i++)
        take_out(&model, i);
    check_all(&model);
    assert_true(adb_map_bytes(model.map) <= empty_bytes + 8 * ADB_PAGE_BYTES);
    model_close(&model);
}

static void
test_map__random_operations_on_fixed_keys__match_model(void **state)
{
    static const uint32_t key_bytes[] = {1, 7, 8, 9, 16, 20, 32, 255, 256};
    (void)state;
    for (size_t i = 0; i < sizeof key_bytes / sizeof key_bytes[0]; i++) {
        run_model(key_bytes[i], 0, SHAPE_RANDOM, 2500);
        run_model(key_bytes[i], 0, SHAPE_DENSE, 2500);
    }
    run_model(16, 0, SHAPE_RANDOM, 60000);
}

static void
test_map__every_key_length__matches_model(void **state)
{
    (void)state;
    for (uint32_t key_bytes = 1; key_bytes <= ARMDB_FIXED_KEY_MAX; key_bytes++)
        run_model(key_bytes, key_bytes * 7 % (ADB_MAP_VALUE_MAX + 1), SHAPE_RANDOM, 60);
}

static void
test_map__random_operations_with_inline_values__match_model(void **state)
{
    static const uint32_t value_bytes[] = {1, 8, 12, 100, 256};
    (void)state;
    for (size_t i = 0; i < sizeof value_bytes / sizeof value_bytes[0]; i++) {
        run_model(16, value_bytes[i], SHAPE_RANDOM, 2500);
        run_model(256, value_bytes[i], SHAPE_RANDOM, 2000);
        run_model(0, value_bytes[i], SHAPE_MIXED, 2000);
    }
}

static void
test_map__random_operations_on_variable_keys__match_model(void **state)
{
    (void)state;
    for (uint32_t shape = SHAPE_RANDOM; shape <= SHAPE_MIXED; shape++)
        run_model(0, 0, (enum shape)shape, 3000);
}

/* ------------------------------------------------------------------ memory */

static double
bytes_per_key(const struct model *model, uint64_t n_keys)
{
    return (double)adb_map_bytes(model->map) / (double)n_keys;
}

static void
test_map__any_number_of_keys__costs_no_more_than_36_bytes_each(void **state)
{
    (void)state;
    static const enum shape shapes[] = {SHAPE_RANDOM, SHAPE_DENSE};
    for (size_t s = 0; s < 2; s++) {
        struct model model;
        double worst = 0;
        model_open(&model, 16, 0, shapes[s], 40000);
        for (uint32_t i = 0; i < model.n; i++) {
            put(&model, i, i + 1);
            if (i >= 4000 && bytes_per_key(&model, i + 1) > worst)
                worst = bytes_per_key(&model, i + 1);
        }
        print_message("at most %.1f bytes a key\n", worst);
        assert_true(worst <= 36);
        check_all(&model);
        model_close(&model);
    }
}

static void
test_map__variable_keys__cost_little_more_than_their_bytes(void **state)
{
    (void)state;
    static const enum shape shapes[] = {SHAPE_RANDOM, SHAPE_LONG, SHAPE_PREFIX};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        struct model model;
        uint64_t key_bytes = 0;
        model_open(&model, 0, 0, shapes[s], 20000);
        for (uint32_t i = 0; i < model.n; i++) {
            put(&model, i, i + 1);
            key_bytes += model.items[i].key.len;
        }
        double own = (double)key_bytes / model.n;
        double more = bytes_per_key(&model, model.n) - own;
        print_message("keys of %.1f bytes: %.1f more\n", own, more);
        /* Long keys are few in a segment, so its pages that are not full count for more: figures
         * are in docs/adr/0009. */
        assert_true(more <= 28 + own / 20);
        model_close(&model);
    }
}

static void
test_map__99_of_100_keys_removed__gives_memory_back(void **state)
{
    (void)state;
    static const uint32_t key_bytes[] = {16, 0};
    for (size_t k = 0; k < 2; k++) {
        struct model model;
        model_open(&model, key_bytes[k], 0, SHAPE_RANDOM, 60000);
        for (uint32_t i = 0; i < model.n; i++)
            put(&model, i, i + 1);
        uint64_t before = adb_map_bytes(model.map);
        for (uint32_t i = 0; i < model.n; i++) {
            if (i % 100 != 0)
                take_out(&model, i);
        }
        uint64_t after = adb_map_bytes(model.map);
        print_message("%llu KiB shrank to %llu KiB\n", (unsigned long long)before / 1024,
                      (unsigned long long)after / 1024);
        assert_true(after * 20 <= before);
        check_all(&model);
        model_close(&model);
    }
}

static void
test_map__keys_come_and_go__bytes_of_removed_ones_are_used_again(void **state)
{
    (void)state;
    struct model model;
    model_open(&model, 0, 0, SHAPE_LONG, 4000);
    for (uint32_t i = 0; i < 400; i++)
        put(&model, i, 1);
    uint64_t before = adb_map_bytes(model.map);
    for (uint32_t n = 0; n < 20000; n++) {
        put(&model, (n + 400) % model.n, 1);
        take_out(&model, n % model.n);
    }
    assert_true(adb_map_bytes(model.map) < 2 * before);
    check_all(&model);
    model_close(&model);
}

/* ------------------------------------------------------------------ single points */

static void
test_map__empty__finds_nothing(void **state)
{
    (void)state;
    static const uint32_t key_bytes[] = {16, 0};
    for (size_t k = 0; k < 2; k++) {
        struct model model;
        model_open(&model, key_bytes[k], 0, SHAPE_RANDOM, 1);
        check_all(&model);
        take_out(&model, 0);
        assert_false(adb_map_replace(model.map, key_of(&model, 0), 1, 2));
        model_close(&model);
    }
    adb_map_free(NULL);
}

static void
test_map__key_of_another_length__is_not_there(void **state)
{
    (void)state;
    static const uint32_t key_bytes[] = {16, 0};
    unsigned char bytes[ARMDB_KEY_MAX + 1] = {0};
    for (size_t k = 0; k < 2; k++) {
        struct model model;
        model_open(&model, key_bytes[k], 0, SHAPE_RANDOM, 100);
        for (uint32_t i = 0; i < model.n; i++)
            put(&model, i, 7);
        armdb_slice empty = {.data = NULL, .len = 0};
        armdb_slice wrong = {.data = bytes, .len = k == 0 ? 17 : ARMDB_KEY_MAX + 1};
        assert_int_equal(adb_map_get(model.map, empty, NULL), 0);
        assert_int_equal(adb_map_get(model.map, wrong, NULL), 0);
        assert_int_equal(adb_map_remove(model.map, empty), 0);
        assert_int_equal(adb_map_remove(model.map, wrong), 0);
        assert_false(adb_map_replace(model.map, wrong, 7, 8));
        model_close(&model);
    }
}

/* Hashes that begin alike, as an attacker would like them, all go to one side of each split. */
static void
test_map__hashes_that_begin_alike__are_split_until_they_differ(void **state)
{
    (void)state;
    struct model model;
    model_open(&model, 16, 0, SHAPE_RANDOM, 40000);
    model.map->hash_mask = UINT64_MAX >> 8;
    for (uint32_t i = 0; i < model.n; i++)
        put(&model, i, i + 1);
    check_contents(&model);
    for (uint32_t i = 0; i < model.n; i++) {
        if (i % 16 != 0)
            take_out(&model, i);
    }
    check_contents(&model);
    model_close(&model);
}

static void
test_map__few_hashes__still_tells_keys_apart(void **state)
{
    (void)state;
    static const uint64_t masks[] = {
        0, 0xff, UINT64_MAX << 60, UINT64_MAX << 52, 0xffff, (uint64_t)1 << 63 | 3};
    static const uint32_t key_bytes[] = {16, 0};
    for (size_t i = 0; i < 12; i++) {
        struct model model;
        model_open(&model, key_bytes[i % 2], 8, SHAPE_RANDOM, 1500);
        model.map->hash_mask = masks[i / 2];
        run_phase(&model, 3000, 90);
        run_phase(&model, 6000, 5);
        run_phase(&model, 3000, 60);
        model_close(&model);
    }
}

static void
test_prepare__one_hash_for_all_keys__is_refused_in_the_end(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct model model;
    uint32_t n = 0;
    model_open(&model, 256, 256, SHAPE_RANDOM, N);
    model.map->hash_mask = 0;
    for (; n < N && adb_map_prepare(model.map, key_of(&model, n), &model.spare) == ARMDB_OK; n++)
        put(&model, n, n + 1);
    assert_true(n > 170 && n < N);
    check_all(&model);
    for (uint32_t i = 0; i < n; i++)
        take_out(&model, i);
    put(&model, n, 1);
    check_all(&model);
    model_close(&model);
}

/* As many writers as there may be prepare, then all put into one segment that has no room. */
static void
run_late_puts(uint32_t key_bytes, uint32_t value_bytes, enum shape shape)
{
    enum { N_LATE = 256 };
    struct model model;
    struct adb_spare *spares = (struct adb_spare *)calloc(N_LATE, sizeof *spares);
    assert_non_null(spares);
    model_open(&model, key_bytes, value_bytes, shape, 8 * N_LATE);
    adb_map_free(model.map);
    model.config.n_writers = N_LATE;
    assert_int_equal(adb_map_new(model.pages, &model.config, &model.map), ARMDB_OK);
    for (uint32_t first = 0; first < model.n; first += N_LATE) {
        uint32_t end = first + N_LATE < model.n ? first + N_LATE : model.n;
        for (uint32_t i = first; i < end; i++)
            assert_int_equal(adb_map_prepare(model.map, key_of(&model, i), &spares[i - first]),
                             ARMDB_OK);
        for (uint32_t i = first; i < end; i++) {
            struct item *item = &model.items[i];
            test_rng_fill(&rng, item->value, value_bytes);
            item->location = i + 1;
            model.n_there++;
            assert_int_equal(
                adb_map_put(model.map, key_of(&model, i), i + 1, item->value, &spares[i - first]),
                0);
        }
        for (uint32_t i = 0; i < end; i++)
            check_get(&model, i);
        walk_all(&model);
        for (uint32_t i = first; i < end; i += 3)
            take_out(&model, i);
    }
    for (uint32_t i = 0; i < N_LATE; i++)
        adb_spare_fini(&spares[i], model.pages);
    check_all(&model);
    free(spares);
    model_close(&model);
}

static void
test_put__segment_filled_since_prepare__succeeds(void **state)
{
    (void)state;
    run_late_puts(16, 0, SHAPE_RANDOM);
    run_late_puts(256, 256, SHAPE_RANDOM);
    run_late_puts(0, 0, SHAPE_MIXED);
    run_late_puts(0, 0, SHAPE_MAXIMAL);
}

/* Grows a map until the n-th allocation is refused; whether one was. */
static bool
fill_with_refusal(uint32_t key_bytes, uint64_t n)
{
    struct model model;
    struct adb_map *map = NULL;
    model_open(&model, key_bytes, 0, SHAPE_RANDOM, 12000);
    adb_mem_fail_at(n, false);
    armdb_err err = adb_map_new(model.pages, &model.config, &map);
    if (err == ARMDB_OK) {
        adb_map_free(model.map);
        model.map = map;
    }
    uint32_t n_put = 0;
    for (; err == ARMDB_OK && n_put < model.n; n_put++) {
        err = adb_map_prepare(model.map, key_of(&model, n_put), &model.spare);
        if (err != ARMDB_OK)
            break;
        assert_int_equal(adb_map_put(model.map, key_of(&model, n_put), 1, NULL, &model.spare), 0);
        model.items[n_put].location = 1;
        model.n_there++;
    }
    bool has_failed = adb_mem_has_failed();
    adb_mem_fail_at(0, false);
    assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
    for (uint32_t i = 0; i < model.n; i += 97)
        check_get(&model, i);
    /* It works again when there is memory; and removing needs none. */
    if (n_put < model.n)
        put(&model, n_put, 5);
    adb_mem_fail_at(1, true);
    for (uint32_t i = 0; i < model.n; i++)
        take_out(&model, i);
    adb_mem_fail_at(0, false);
    assert_int_equal(adb_map_count(model.map), 0);
    walk_all(&model);
    model_close(&model);
    return has_failed;
}

static void
test_prepare__allocation_fails__nothing_has_changed(void **state)
{
    (void)state;
    static const uint32_t key_bytes[] = {16, 0};
    for (size_t k = 0; k < 2; k++) {
        uint64_t n = 1;
        while (fill_with_refusal(key_bytes[k], n))
            n += n < 20 ? 1 : 1 + random_below(60);
        assert_true(n > 100);
    }
}

/* ------------------------------------------------------------------ many at once */

enum { CHANGES = 256 };

static uint64_t
hash_of(const struct model *model, uint32_t i)
{
    const armdb_slice key = key_of(model, i);
    return adb_map_hash(model->map, key.data, key.len);
}

static const struct model *sorted_model; /* of compare_hashes() */

static int
compare_hashes(const void *a, const void *b)
{
    uint64_t x = hash_of(sorted_model, *(const uint32_t *)a);
    uint64_t y = hash_of(sorted_model, *(const uint32_t *)b);
    return x < y ? -1 : x > y;
}

/* The numbers of all items, in the order of their hashes. Free it. */
static uint32_t *
sort_by_hash(const struct model *model)
{
    uint32_t *order = (uint32_t *)malloc(model->n * sizeof(uint32_t));
    assert_non_null(order);
    for (uint32_t i = 0; i < model->n; i++)
        order[i] = i;
    sorted_model = model;
    qsort(order, model->n, sizeof *order, compare_hashes);
    return order;
}

/* Makes changes of some items, `puts` of 100 of them puts. */
static void
apply(struct model *model, const uint32_t *items, uint32_t n, uint32_t puts)
{
    struct adb_change changes[CHANGES];
    for (uint32_t i = 0; i < n; i++) {
        struct item *item = &model->items[items[i]];
        bool is_put = random_below(100) < puts;
        if (is_put)
            test_rng_fill(&rng, item->value, model->config.value_bytes);
        changes[i] = (struct adb_change){.key = key_of(model, items[i]),
                                         .location = is_put ? random_location() : 0,
                                         .value = is_put ? value_of(model, items[i]) : NULL,
                                         .old = 12345};
    }
    assert_int_equal(adb_map_apply(model->map, changes, n, &model->spare), ARMDB_OK);
    for (uint32_t i = 0; i < n; i++) {
        struct item *item = &model->items[items[i]];
        assert_int_equal(changes[i].old, item->location);
        model->n_there += (changes[i].location != 0) - (uint64_t)(item->location != 0);
        item->location = changes[i].location;
    }
}

/* Goes through all items in that order, changing `percent` of 100. */
static void
apply_all(struct model *model, const uint32_t *order, uint32_t percent, uint32_t puts)
{
    uint32_t items[CHANGES];
    uint32_t n = 0;
    for (uint32_t i = 0; i < model->n; i++) {
        if (random_below(100) < percent)
            items[n++] = order[i];
        if (n == CHANGES || i + 1 == model->n) {
            apply(model, items, n, puts);
            n = 0;
        }
    }
    check_contents(model);
}

static void
test_map__changes_in_the_order_of_hashes__match_model(void **state)
{
    (void)state;
    static const uint32_t key_bytes[] = {16, 0, 5};
    static const uint32_t value_bytes[] = {0, 9, 256};
    for (size_t k = 0; k < 3; k++) {
        struct model model;
        model_open(&model, key_bytes[k], value_bytes[k], SHAPE_RANDOM, 20000);
        uint32_t *order = sort_by_hash(&model);
        apply_all(&model, order, 40, 100);
        apply_all(&model, order, 60, 80);
        apply_all(&model, order, 10, 50);
        apply_all(&model, order, 70, 20);
        check_all(&model);
        free(order);
        model_close(&model);
    }
}

/* Any order is allowed, and hashes that crowd. */
static void
test_map__changes_in_any_order__match_model(void **state)
{
    (void)state;
    static const uint64_t masks[] = {UINT64_MAX, UINT64_MAX >> 8, UINT64_MAX << 52, 0xffff};
    for (size_t i = 0; i < 4; i++) {
        struct model model;
        model_open(&model, 16, 0, SHAPE_RANDOM, 3000);
        model.map->hash_mask = masks[i];
        uint32_t *order = sort_by_hash(&model);
        apply_all(&model, order, 100, 95);
        for (uint32_t k = model.n - 1; k > 0; k--) {
            uint32_t other = random_below(k + 1);
            uint32_t held = order[k];
            order[k] = order[other];
            order[other] = held;
        }
        apply_all(&model, order, 90, 80);
        apply_all(&model, order, 90, 5);
        free(order);
        model_close(&model);
    }
}

static void
test_map__filled_in_the_order_of_hashes__is_no_larger(void **state)
{
    (void)state;
    enum { N = 60000 };
    for (int k = 0; k < 2; k++) {
        struct model one_by_one;
        struct model model;
        model_open(&one_by_one, k == 0 ? 16 : 0, 0, SHAPE_RANDOM, N);
        for (uint32_t i = 0; i < one_by_one.n; i++)
            put(&one_by_one, i, i + 1);
        model_open(&model, k == 0 ? 16 : 0, 0, SHAPE_RANDOM, N);
        uint32_t *order = sort_by_hash(&model);
        apply_all(&model, order, 100, 100);
        print_message("%.1f bytes a key, %.1f one by one\n", bytes_per_key(&model, model.n),
                      bytes_per_key(&one_by_one, one_by_one.n));
        assert_true(bytes_per_key(&model, model.n) <=
                    1.15 * bytes_per_key(&one_by_one, one_by_one.n));
        free(order);
        model_close(&model);
        model_close(&one_by_one);
    }
}

/* Whatever was changed before memory ran out stays right. */
static void
test_map__changes_without_memory__are_made_in_part(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 40; n++) {
        struct model model;
        struct adb_change changes[CHANGES];
        model_open(&model, 0, 0, SHAPE_RANDOM, 3000);
        uint32_t *order = sort_by_hash(&model);
        uint64_t count = 0;
        adb_mem_fail_at(n, true);
        armdb_err err = ARMDB_OK;
        for (uint32_t at = 0; at + CHANGES <= model.n && err == ARMDB_OK; at += CHANGES) {
            for (uint32_t i = 0; i < CHANGES; i++)
                changes[i] = (struct adb_change){.key = key_of(&model, order[at + i]),
                                                 .location = 7};
            err = adb_map_apply(model.map, changes, CHANGES, &model.spare);
        }
        adb_mem_fail_at(0, false);
        assert_true(err == ARMDB_OK || err == ARMDB_NO_MEMORY);
        for (uint32_t i = 0; i < model.n; i++) {
            model.items[i].location = adb_map_get(model.map, key_of(&model, i), NULL);
            count += model.items[i].location == 7;
        }
        model.n_there = count;
        assert_int_equal(adb_map_count(model.map), count);
        apply_all(&model, order, 100, 100);
        free(order);
        model_close(&model);
    }
}

int
main(void)
{
    seed_keys();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map__empty__finds_nothing),
        cmocka_unit_test(test_map__key_of_another_length__is_not_there),
        cmocka_unit_test(test_map__random_operations_on_fixed_keys__match_model),
        cmocka_unit_test(test_map__every_key_length__matches_model),
        cmocka_unit_test(test_map__random_operations_with_inline_values__match_model),
        cmocka_unit_test(test_map__random_operations_on_variable_keys__match_model),
        cmocka_unit_test(test_map__any_number_of_keys__costs_no_more_than_36_bytes_each),
        cmocka_unit_test(test_map__variable_keys__cost_little_more_than_their_bytes),
        cmocka_unit_test(test_map__99_of_100_keys_removed__gives_memory_back),
        cmocka_unit_test(test_map__keys_come_and_go__bytes_of_removed_ones_are_used_again),
        cmocka_unit_test(test_map__hashes_that_begin_alike__are_split_until_they_differ),
        cmocka_unit_test(test_map__few_hashes__still_tells_keys_apart),
        cmocka_unit_test(test_map__changes_in_the_order_of_hashes__match_model),
        cmocka_unit_test(test_map__changes_in_any_order__match_model),
        cmocka_unit_test(test_map__filled_in_the_order_of_hashes__is_no_larger),
        cmocka_unit_test(test_map__changes_without_memory__are_made_in_part),
        cmocka_unit_test(test_prepare__one_hash_for_all_keys__is_refused_in_the_end),
        cmocka_unit_test(test_put__segment_filled_since_prepare__succeeds),
        cmocka_unit_test(test_prepare__allocation_fails__nothing_has_changed),
    };
    return cmocka_run_group_tests_name("index/map", tests, NULL, NULL);
}
