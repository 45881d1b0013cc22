/*
 * run_lin_index.c: histories of threads on a few keys of an index, checked for linearizability.
 *
 * In each round some threads make a few calls each, on keys that are close together; writers of a
 * key take turns (in the engine they hold its shard's lock), readers and replacers do not. Another
 * thread puts and removes other keys all the time, so that nodes split, merge, grow and shrink
 * under them. Then the history of each key is checked. ARMDB_SEED=n repeats the calls, not the
 * interleaving.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/index.h"
#include "lin/lin_check.h"
#include "os/thread.h"
#include "sim/require.h"
#include "support/seed.h"

enum {
    ACTORS = 3,
    KEYS = 2,
    CALLS = 7, /* of an actor in a round, at most LIN_CALLS_MAX of all */
    VALUE_BYTES = 40,
    CHURN_KEYS = 4000
};

_Static_assert(ACTORS *CALLS <= LIN_CALLS_MAX, "a history can be checked");

struct run {
    struct adb_index *index;
    struct adb_mutex key_locks[KEYS]; /* writers of a key */
    uint64_t values[KEYS];            /* before the round */
    _Atomic(uint64_t) clock;
    _Atomic(uint64_t) next_value;
    _Atomic(uint32_t) round; /* actors begin the round of this number */
    _Atomic(uint32_t) n_done;
    atomic_bool is_over;
};

struct actor {
    struct run *run;
    uint32_t number;
    struct test_rng rng;
    struct adb_spare spare;
    struct lin_call calls[CALLS];
    uint32_t keys[CALLS];
};

static armdb_slice
key_of(uint32_t number, unsigned char *room)
{
    memset(room, 'k', 16);
    room[14] = (unsigned char)(number >> 8);
    room[15] = (unsigned char)number;
    return (armdb_slice){room, 16};
}

/* The inline value that goes with a location. */
static void
value_of(uint64_t location, unsigned char *value)
{
    for (int i = 0; i < VALUE_BYTES; i += 8)
        memcpy(value + i, &location, 8);
}

static void
check_value(const struct adb_index *index, uint64_t location, const unsigned char *found)
{
    unsigned char value[VALUE_BYTES];
    value_of(location, value);
    REQUIRE(index->value_bytes == 0 || memcmp(found, value, VALUE_BYTES) == 0,
            "a value that does not go with its location %" PRIu64, location);
}

/* Puts the key of a call, whose lock is held. */
static uint64_t
put(struct run *run, armdb_slice key, uint64_t location, struct adb_spare *spare)
{
    unsigned char value[VALUE_BYTES];
    value_of(location, value);
    REQUIRE_OK(adb_index_prepare(run->index, key, spare));
    return adb_index_put(run->index, key, location, run->index->value_bytes != 0 ? value : NULL,
                         spare);
}

static bool
replace(struct adb_index *index, armdb_slice key, uint64_t expected, uint64_t desired)
{
    return index->tree != NULL ? adb_tree_replace(index->tree, key, expected, desired)
                               : adb_map_replace(index->map, key, expected, desired);
}

static uint64_t
now(struct run *run)
{
    return atomic_fetch_add(&run->clock, 1);
}

static void
make_call(struct actor *actor, struct lin_call *call, uint32_t number)
{
    struct run *run = actor->run;
    unsigned char room[16], found[VALUE_BYTES];
    armdb_slice key = key_of(number * 3, room);
    uint64_t draw = test_rng_below(&actor->rng, 10);
    bool is_write = draw >= 5;
    *call = (struct lin_call){.argument = atomic_fetch_add(&run->next_value, 1)};
    call->begin = now(run);
    if (is_write)
        adb_mutex_lock(&run->key_locks[number]);
    if (draw < 4) {
        call->kind = LIN_GET;
        call->result = adb_index_get(run->index, key, found);
        if (call->result != 0)
            check_value(run->index, call->result, found);
    } else if (draw == 4 && run->index->value_bytes == 0) { /* a location alone is replaced */
        call->kind = LIN_CAS;
        call->expected = adb_index_get(run->index, key, NULL);
        if (call->expected != 0)
            call->result = replace(run->index, key, call->expected, call->argument);
        else
            call->kind = LIN_GET;
    } else if (draw == 4) {
        call->kind = LIN_GET;
        adb_index_get_batch(run->index, &key, 1, &call->result, found);
        if (call->result != 0)
            check_value(run->index, call->result, found);
    } else if (draw < 8) {
        call->kind = LIN_PUT;
        call->result = put(run, key, call->argument, &actor->spare);
    } else {
        call->kind = LIN_REMOVE;
        call->result = adb_index_remove(run->index, key);
    }
    if (is_write)
        adb_mutex_unlock(&run->key_locks[number]);
    call->end = now(run);
}

static void *
run_actor(void *context)
{
    struct actor *actor = (struct actor *)context;
    struct run *run = actor->run;
    for (uint32_t round = 1;; round++) {
        while (atomic_load(&run->round) < round) {
            if (atomic_load(&run->is_over))
                return NULL;
            sched_yield();
        }
        for (int i = 0; i < CALLS; i++) {
            actor->keys[i] = (uint32_t)test_rng_below(&actor->rng, KEYS);
            make_call(actor, &actor->calls[i], actor->keys[i]);
        }
        atomic_fetch_add(&run->n_done, 1);
    }
}

/* Puts and removes keys around those of the actors. */
static void *
run_churn(void *context)
{
    struct actor *churn = (struct actor *)context;
    struct run *run = churn->run;
    unsigned char room[16];
    while (!atomic_load(&run->is_over)) {
        uint32_t limit = 1 + (uint32_t)test_rng_below(&churn->rng, CHURN_KEYS);
        for (uint32_t i = 0; i < limit && !atomic_load(&run->is_over); i++) {
            if (i % 3 != 0 || i >= 3 * KEYS)
                (void)put(run, key_of(i, room), i + 1, &churn->spare);
        }
        for (uint32_t i = 0; i < limit; i++) {
            if (i % 3 != 0 || i >= 3 * KEYS)
                (void)adb_index_remove(run->index, key_of(i, room));
        }
    }
    return NULL;
}

static void
check_round(struct run *run, const struct actor *actors, uint32_t key)
{
    struct lin_call calls[ACTORS * CALLS];
    size_t n = 0;
    uint64_t final;
    unsigned char room[16];
    for (int a = 0; a < ACTORS; a++) {
        for (int i = 0; i < CALLS; i++) {
            if (actors[a].keys[i] == key)
                calls[n++] = actors[a].calls[i];
        }
    }
    /* What is there in the end is one more call. */
    uint64_t end = now(run);
    calls[n++] = (struct lin_call){.kind = LIN_GET,
                                   .result = adb_index_get(run->index, key_of(key * 3, room), NULL),
                                   .begin = end,
                                   .end = end + 1};
    if (!lin_check(calls, n, run->values[key], &final)) {
        lin_print(calls, n, run->values[key]);
        REQUIRE(false, "the history of key %u is not linearizable", key);
    }
    run->values[key] = calls[n - 1].result;
}

_Static_assert(ACTORS *CALLS + 1 <= LIN_CALLS_MAX, "with the call in the end");

static void
run_rounds(struct run *run, uint64_t rounds)
{
    struct actor actors[ACTORS];
    struct actor churn = {.run = run, .rng = test_rng_fork(test_seed(), 99)};
    struct adb_thread threads[ACTORS + 1];
    for (uint32_t a = 0; a < ACTORS; a++) {
        actors[a] = (struct actor){.run = run, .number = a, .rng = test_rng_fork(test_seed(), a)};
        REQUIRE_OK(adb_thread_start(&threads[a], run_actor, &actors[a]));
    }
    REQUIRE_OK(adb_thread_start(&threads[ACTORS], run_churn, &churn));
    for (uint64_t round = 1; round <= rounds; round++) {
        atomic_store(&run->n_done, 0);
        atomic_store(&run->round, (uint32_t)round);
        while (atomic_load(&run->n_done) < ACTORS)
            sched_yield();
        for (uint32_t key = 0; key < KEYS; key++)
            check_round(run, actors, key);
    }
    atomic_store(&run->is_over, true);
    for (uint32_t a = 0; a <= ACTORS; a++)
        adb_thread_join(&threads[a]);
}

int
main(void)
{
    uint64_t rounds = require_rounds(4000);
    for (int kind = 0; kind < 8; kind++) {
        struct adb_pages *pages;
        struct adb_index index;
        struct run run = {.index = &index, .next_value = 1000000};
        REQUIRE_OK(adb_pages_new(&pages));
        const struct adb_index_config config = {
            .pages = pages,
            .is_ordered = (kind & 1) != 0,
            .key_bytes = (kind & 2) != 0 ? 16 : 0,
            .value_bytes = (kind & 4) != 0 ? VALUE_BYTES : 0,
            .n_writers = ACTORS + 1,
            .seed = test_seed(),
        };
        require_context("index of kind %d", kind);
        REQUIRE_OK(adb_index_init(&index, &config));
        for (int i = 0; i < KEYS; i++)
            adb_mutex_init(&run.key_locks[i]);
        run_rounds(&run, rounds / 8 + 1);
        for (int i = 0; i < KEYS; i++)
            adb_mutex_fini(&run.key_locks[i]);
        adb_index_fini(&index);
        adb_pages_free(pages);
    }
    printf("%" PRIu64 " rounds of %d calls on each of 8 kinds of index\n", rounds / 8 + 1,
           ACTORS * CALLS);
    return 0;
}
