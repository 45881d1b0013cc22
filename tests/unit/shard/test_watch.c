/* The queue of a watch: order, bytes, room, what is lost; against a model, too. */
#include "shard/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "armdb/armdb.h"
#include "base/err.h"
#include "base/mem.h"
#include "support/os_sim.h"
#include "support/seed.h"

#define assert_ok(expression) assert_int_equal((expression), ARMDB_OK)

enum { SMALL = 4096, HEAD = 40 };

struct fixture {
    struct sim *sim;
    struct adb_os *os;
    struct watch *watch;
    struct watch *list;
    armdb_watch_options options;
};

static int
set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.sim = sim_new(3)};
    fixture.os = sim_os(fixture.sim);
    fixture.options = (armdb_watch_options)ARMDB_WATCH_OPTIONS_INIT;
    fixture.options.capacity_bytes = SMALL;
    *state = &fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    adb_watch_free(fixture->watch);
    sim_free(fixture->sim);
    return 0;
}

static void
open_watch(struct fixture *fixture)
{
    assert_ok(adb_watch_new(fixture->os, (armdb_collection *)(void *)fixture, &fixture->options,
                            &fixture->watch));
    adb_watch_link(&fixture->list, fixture->watch);
}

/* A change whose bytes all depend on its sequence number. */
static void
add(struct fixture *fixture, uint64_t sequence, size_t key_len, size_t value_len)
{
    unsigned char key[ARMDB_KEY_MAX], value[8192];
    memset(key, (int)(sequence % 251), key_len);
    memset(value, (int)(sequence % 241), value_len);
    adb_watches_add(fixture->list, &(armdb_change){.kind = ARMDB_CHANGE_PUT,
                                                   .shard = 2,
                                                   .sequence = sequence,
                                                   .key = {key, key_len},
                                                   .value = {value, value_len},
                                                   .had_value = sequence % 2 == 0});
}

static void
expect(struct fixture *fixture, uint64_t sequence, size_t key_len, size_t value_len)
{
    armdb_change change;
    assert_ok(adb_watch_next(fixture->watch, 0, &change));
    assert_int_equal(change.kind, ARMDB_CHANGE_PUT);
    assert_int_equal(change.sequence, sequence);
    assert_int_equal(change.shard, 2);
    assert_ptr_equal(change.collection, (armdb_collection *)(void *)fixture);
    assert_int_equal(change.had_value, sequence % 2 == 0);
    assert_int_equal(change.key.len, key_len);
    assert_int_equal(change.value.len, value_len);
    for (size_t i = 0; i < key_len; i++)
        assert_int_equal(((const unsigned char *)change.key.data)[i], sequence % 251);
    for (size_t i = 0; i < value_len; i++)
        assert_int_equal(((const unsigned char *)change.value.data)[i], sequence % 241);
    assert_int_equal(change.lost, 0);
}

static void
expect_lost(struct fixture *fixture, uint64_t lost)
{
    armdb_change change;
    assert_ok(adb_watch_next(fixture->watch, 0, &change));
    assert_int_equal(change.kind, ARMDB_CHANGE_LOST);
    assert_int_equal(change.lost, lost);
    assert_int_equal(change.key.len, 0);
}

static void
expect_none(struct fixture *fixture)
{
    armdb_change change;
    assert_int_equal(adb_watch_next(fixture->watch, 0, &change), ARMDB_END);
}

static void
test_watch__changes__come_in_order(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    open_watch(fixture);
    expect_none(fixture);
    add(fixture, 1, 3, 10);
    add(fixture, 2, 1, 0);
    expect(fixture, 1, 3, 10);
    add(fixture, 3, 1024, 5);
    expect(fixture, 2, 1, 0);
    expect(fixture, 3, 1024, 5);
    expect_none(fixture);
    expect_none(fixture);
}

/* Exactly as many as there is room for, by what the header says of their size. */
static void
test_watch__full__lost_are_counted_in_their_place(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    enum { BYTES = HEAD + 8 + 16, FIT = SMALL / BYTES };
    open_watch(fixture);
    for (uint64_t i = 1; i <= FIT + 3; i++)
        add(fixture, i, 8, 15);
    expect(fixture, 1, 8, 15);
    add(fixture, 100, 8, 15); /* the first one is still looked at */
    expect(fixture, 2, 8, 15);
    add(fixture, 101, 8, 15);
    for (uint64_t i = 3; i <= FIT; i++)
        expect(fixture, i, 8, 15);
    expect_lost(fixture, 4);
    expect(fixture, 101, 8, 15);
    expect_none(fixture);
    add(fixture, 102, 8, 5000); /* larger than all of it */
    expect_lost(fixture, 1);
    expect_none(fixture);
    add(fixture, 103, 8, SMALL - HEAD - 8);
    expect(fixture, 103, 8, SMALL - HEAD - 8);
}

static void
test_watch__prefix_and_keys_only__leave_out(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const unsigned char prefix[] = {7, 7};
    fixture->options.prefix = armdb_bytes(prefix, 2);
    fixture->options.keys_only = 1;
    open_watch(fixture);
    add(fixture, 7, 2, 100);
    add(fixture, 8, 2, 100);
    add(fixture, 7 + 251, 1, 100); /* shorter than the prefix */
    add(fixture, 7 + 251, 9, 100);
    expect(fixture, 7, 2, 0);
    expect(fixture, 7 + 251, 9, 0);
    expect_none(fixture);
}

static void
test_watch__end__is_told_behind_all_changes(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    armdb_change change;
    open_watch(fixture);
    add(fixture, 1, 1, 1);
    adb_watches_end(fixture->list);
    expect(fixture, 1, 1, 1);
    assert_int_equal(adb_watch_next(fixture->watch, ARMDB_NEVER, &change), ARMDB_NO_COLLECTION);
}

/* What comes is what was added, less what is said to be lost there. */
static void
test_watch__random_sizes__nothing_is_wrong(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct test_rng rng = test_rng_make(test_seed());
    uint64_t added = 0, seen = 0, all_lost = 0;
    open_watch(fixture);
    for (unsigned i = 0; i < 20000; i++) {
        if (test_rng_one_in(&rng, 2) || (i / 500 % 2 == 0 && test_rng_one_in(&rng, 2))) {
            added++;
            add(fixture, added, 1 + added % 30, added % 7 == 0 ? added % 3000 : added % 50);
            continue;
        }
        armdb_change change;
        armdb_err err = adb_watch_next(fixture->watch, 0, &change);
        if (err == ARMDB_END) {
            assert_int_equal(seen, added);
            continue;
        }
        assert_ok(err);
        seen += change.kind == ARMDB_CHANGE_LOST ? change.lost : 1;
        all_lost += change.lost;
        if (change.kind == ARMDB_CHANGE_LOST)
            continue;
        assert_int_equal(change.sequence, seen);
        assert_int_equal(change.key.len, 1 + seen % 30);
        assert_int_equal(change.value.len, seen % 7 == 0 ? seen % 3000 : seen % 50);
        assert_int_equal(((const unsigned char *)change.key.data)[seen % 30], seen % 251);
        if (change.value.len > 0)
            assert_int_equal(((const unsigned char *)change.value.data)[change.value.len - 1],
                             seen % 241);
    }
    assert_true(all_lost > 0 && all_lost < added);
}

static void
test_watch__no_memory__is_told(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    for (uint64_t n = 1; n <= 2; n++) {
        adb_mem_fail_at(n, false);
        assert_int_equal(adb_watch_new(fixture->os, NULL, &fixture->options, &fixture->watch),
                         ARMDB_NO_MEMORY);
        adb_mem_fail_at(0, false);
        assert_null(fixture->watch);
    }
}

int
main(void)
{
#define WATCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WATCH_TEST(test_watch__changes__come_in_order),
        WATCH_TEST(test_watch__full__lost_are_counted_in_their_place),
        WATCH_TEST(test_watch__prefix_and_keys_only__leave_out),
        WATCH_TEST(test_watch__end__is_told_behind_all_changes),
        WATCH_TEST(test_watch__random_sizes__nothing_is_wrong),
        WATCH_TEST(test_watch__no_memory__is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
