/*
 * run_lin_db.c: histories of threads on a few keys of a database on real files, checked for
 * linearizability.
 *
 * In each round some threads make a few calls each, through the public functions, on two keys of
 * one collection, or batches over both: a tree, a map without order, a tree that keeps its values,
 * or a map of numbers. Another thread writes and reads other keys meanwhile, so that write buffers
 * move on, data files change and blocks leave the cache. Then the history of each key is checked.
 * Now and then the database is closed and opened between two rounds. ARMDB_SEED=n repeats the
 * calls, not the interleaving.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "armdb/armdb.h"
#include "lin/lin_check.h"
#include "os/thread.h"
#include "sim/require.h"
#include "support/seed.h"
#include "support/tmpdir.h"

enum {
    ACTORS = 3,
    KEYS = 2,
    CALLS = 7, /* of an actor in a round; one may be a call on each key */
    CONST_BYTES = 40,
    VALUE_MAX = 7000,
    CHURN_KEYS = 3000,
    CHURN_BYTES = 12 << 10,     /* written by the churn in a round, at most, */
    CHURN_BYTES_ALL = 36 << 20, /* and in all: each data file takes a descriptor */
    REOPENS = 4
};

_Static_assert(ACTORS *CALLS + 1 <= LIN_CALLS_MAX, "a history with its last call can be checked");

enum kind { KIND_TREE, KIND_MAP, KIND_CONST, KIND_NUMBERS, N_KINDS };

static const char *const names[N_KINDS] = {"default", "map", "const", "numbers"};

struct run {
    char path[400];
    uint64_t churn_bytes; /* in a round */
    /* changed between rounds only */
    armdb_db *db;
    armdb_collection *collections[N_KINDS];
    uint64_t values[N_KINDS][KEYS];
    /* atomic */
    _Atomic(uint64_t) clock;
    _Atomic(uint64_t) next_value;
    _Atomic(uint32_t) round; /* threads begin the round of this number */
    _Atomic(uint32_t) n_done;
    atomic_bool is_over;
};

/* What a thread did in a round. */
struct actor {
    struct run *run;
    struct test_rng rng;
    struct lin_call calls[KEYS * CALLS];
    uint32_t keys[KEYS * CALLS];
    uint32_t n_calls;
};

static armdb_slice
key_of(uint32_t number, char *room)
{
    int len = snprintf(room, 16, "key%05u", number * 3);
    return armdb_bytes(room, (size_t)len);
}

/* A key among those of the calls, which is not one of them. */
static armdb_slice
churn_key(uint32_t number, char *room)
{
    int len = snprintf(room, 16, "key%05u", number + number / 2 + 1);
    return armdb_bytes(room, (size_t)len);
}

/* ------------------------------------------------------------------- values */

/* A value that says its number all over. */
static armdb_slice
value_of(uint64_t number, size_t len, unsigned char *room)
{
    for (size_t i = 0; i < len; i += 8)
        memcpy(room + i, &number, 8);
    return armdb_bytes(room, len);
}

static uint64_t
number_of(armdb_slice value)
{
    const unsigned char *bytes = (const unsigned char *)value.data;
    uint64_t number;
    REQUIRE(value.len >= 8 && value.len % 8 == 0, "a value of %zu bytes", value.len);
    memcpy(&number, bytes, 8);
    REQUIRE(memcmp(bytes, bytes + 8, value.len - 8) == 0, "a value in pieces, of number %" PRIu64,
            number);
    return number;
}

static size_t
draw_len(struct test_rng *rng, enum kind kind)
{
    if (kind >= KIND_CONST)
        return kind == KIND_CONST ? CONST_BYTES : 8;
    return 8 + 8 * (test_rng_one_in(rng, 8) ? test_rng_below(rng, VALUE_MAX / 8 - 1)
                                            : test_rng_below(rng, 30));
}

/* -------------------------------------------------------------------- calls */

static uint64_t
now(struct run *run)
{
    return atomic_fetch_add(&run->clock, 1);
}

/* The number that a read found, 0 if there was nothing. */
static uint64_t
found(armdb_err err, armdb_slice value)
{
    REQUIRE(err == ARMDB_OK || err == ARMDB_NOT_FOUND, "a read: %s", armdb_err_name(err));
    return err == ARMDB_OK ? number_of(value) : 0;
}

static uint64_t
get(armdb_collection *collection, armdb_slice key)
{
    unsigned char buffer[VALUE_MAX];
    size_t len;
    armdb_err err = armdb_get(collection, key, buffer, sizeof buffer, &len);
    return found(err, armdb_bytes(buffer, len));
}

static uint64_t
get_value(armdb_collection *collection, armdb_slice key)
{
    armdb_value value;
    armdb_err err = armdb_get_value(collection, key, &value);
    uint64_t number = found(err, armdb_value_bytes(&value));
    armdb_value_release(&value);
    return number;
}

static uint64_t
seek(armdb_collection *collection, armdb_slice key)
{
    armdb_cursor *cursor;
    uint64_t number = 0;
    REQUIRE_OK(armdb_cursor_open(collection, NULL, &cursor));
    armdb_err err = armdb_cursor_seek(cursor, key);
    REQUIRE(err == ARMDB_OK || err == ARMDB_END, "a seek: %s", armdb_err_name(err));
    const armdb_slice met = armdb_cursor_key(cursor);
    if (err == ARMDB_OK && met.len == key.len && memcmp(met.data, key.data, key.len) == 0)
        number = number_of(armdb_cursor_value(cursor));
    armdb_cursor_close(cursor);
    return number;
}

/* Reads all keys at once: a call on each, at the same time. */
static void
read_all(struct actor *actor, enum kind kind)
{
    static _Thread_local unsigned char buffers[KEYS][VALUE_MAX];
    struct run *run = actor->run;
    char rooms[KEYS][16];
    armdb_read reads[KEYS];
    for (uint32_t key = 0; key < KEYS; key++)
        reads[key] = (armdb_read){
            .key = key_of(key, rooms[key]), .buffer = buffers[key], .capacity = VALUE_MAX};
    uint64_t begin = now(run);
    REQUIRE_OK(armdb_multi_get(run->collections[kind], reads, KEYS));
    uint64_t end = now(run);
    for (uint32_t key = 0; key < KEYS; key++) {
        const armdb_slice value = armdb_bytes(buffers[key], reads[key].len);
        actor->keys[actor->n_calls] = key;
        actor->calls[actor->n_calls++] = (struct lin_call){
            .kind = LIN_GET, .result = found(reads[key].err, value), .begin = begin, .end = end};
    }
}

/* A write of any level; one that is to be synced is waited for by its ticket, afterwards. */
static void
write_one(struct actor *actor, enum kind kind, armdb_slice key, struct lin_call *call)
{
    struct run *run = actor->run;
    armdb_collection *collection = run->collections[kind];
    unsigned char room[VALUE_MAX];
    armdb_ticket ticket;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    uint64_t draw = test_rng_below(&actor->rng, 10);
    size_t len = draw_len(&actor->rng, kind);
    options.durability = test_rng_one_in(&actor->rng, 50)
                             ? ARMDB_SYNCED
                             : (armdb_durability)(1 + test_rng_below(&actor->rng, 2));
    options.ticket = &ticket;
    call->argument = atomic_fetch_add(&run->next_value, 1);
    const armdb_slice value = value_of(call->argument, len, room);
    armdb_err err;
    call->begin = now(run);
    if (draw < 4) {
        call->kind = LIN_SET;
        err = armdb_put(collection, key, value, &options);
        REQUIRE_OK(err);
    } else if (draw < 7) {
        call->kind = LIN_INSERT;
        err = armdb_insert(collection, key, value, &options);
        REQUIRE(err == ARMDB_OK || err == ARMDB_EXISTS, "insert: %s", armdb_err_name(err));
    } else {
        call->kind = LIN_DELETE;
        err = armdb_delete(collection, key, &options);
        REQUIRE(err == ARMDB_OK || err == ARMDB_NOT_FOUND, "delete: %s", armdb_err_name(err));
    }
    call->end = now(run);
    call->result = err == ARMDB_OK;
    REQUIRE_OK(armdb_ticket_wait(run->db, &ticket, 1));
}

/* Stores or removes the value under the key if it is one that was there a moment ago, or nothing.
 * If it is not: that is a read. */
static void
swap(struct run *run, armdb_collection *collection, armdb_slice key, armdb_slice value,
     struct lin_call *call)
{
    armdb_value before, current;
    armdb_err err = armdb_get_value(collection, key, &before);
    const bool is_there = err == ARMDB_OK;
    call->kind = LIN_CAS;
    call->expected = found(err, armdb_value_bytes(&before));
    if (is_there && call->argument % 4 == 0) {
        call->argument = 0;
        value = armdb_absent();
    }
    if (call->expected % 8 == 0)
        sched_yield();
    call->begin = now(run);
    err = armdb_cas(collection, key, is_there ? armdb_value_bytes(&before) : armdb_absent(), value,
                    NULL, &current);
    call->result = err == ARMDB_OK;
    if (err != ARMDB_OK) {
        REQUIRE(err == ARMDB_CHANGED || err == ARMDB_NOT_FOUND, "cas: %s", armdb_err_name(err));
        call->kind = LIN_GET;
        call->result = err == ARMDB_CHANGED ? number_of(armdb_value_bytes(&current)) : 0;
        REQUIRE(call->result != call->expected, "cas refused the value it found");
    }
    armdb_value_release(&current);
    armdb_value_release(&before);
}

/* What an update is to do. */
struct updating {
    armdb_verdict change;
    bool is_slow;
};

static armdb_err
update(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    const struct updating *updating = (const struct updating *)context;
    REQUIRE(key.len == 8, "a key of %zu bytes", key.len);
    if (old != NULL)
        (void)number_of(*old);
    if (updating->is_slow)
        sched_yield();
    *verdict_out = updating->change;
    return ARMDB_OK;
}

/* Changes the key by what it has. */
static void
modify_one(struct actor *actor, enum kind kind, armdb_slice key, struct lin_call *call)
{
    struct run *run = actor->run;
    armdb_collection *collection = run->collections[kind];
    unsigned char room[VALUE_MAX];
    const uint64_t draw = test_rng_below(&actor->rng, 4);
    call->argument = atomic_fetch_add(&run->next_value, 1);
    const armdb_slice value = value_of(call->argument, draw_len(&actor->rng, kind), room);
    call->begin = now(run);
    if (draw == 0) {
        swap(run, collection, key, value, call);
    } else if (kind == KIND_NUMBERS && draw != 1) {
        int64_t sum;
        call->kind = LIN_ADD;
        call->argument = 1 + test_rng_below(&actor->rng, 1000000);
        REQUIRE_OK(armdb_add(collection, key, (int64_t)call->argument, NULL, &sum));
        call->result = (uint64_t)sum;
    } else {
        struct updating updating = {{draw == 1 ? ARMDB_REMOVE : ARMDB_REPLACE, value},
                                    test_rng_one_in(&actor->rng, 8)};
        armdb_value old, fresh;
        call->kind = draw == 1 ? LIN_REMOVE : LIN_PUT;
        REQUIRE_OK(armdb_update(collection, key, update, &updating, NULL, &old, &fresh));
        call->result = old.len > 0 ? number_of(armdb_value_bytes(&old)) : 0;
        REQUIRE(draw == 1 ? fresh.len == 0 : number_of(armdb_value_bytes(&fresh)) == call->argument,
                "another value than was put");
        armdb_value_release(&old);
        armdb_value_release(&fresh);
    }
    call->end = now(run);
}

/* Adds what a batch does to one key; how many operations that takes. */
static size_t
add_to_batch(struct actor *actor, enum kind kind, armdb_batch *batch, armdb_slice key,
             struct lin_call *call)
{
    armdb_collection *collection = actor->run->collections[kind];
    unsigned char room[VALUE_MAX];
    armdb_value before;
    const uint64_t draw = test_rng_below(&actor->rng, 6);
    call->argument = atomic_fetch_add(&actor->run->next_value, 1);
    const armdb_slice value = value_of(call->argument, draw_len(&actor->rng, kind), room);
    if (draw == 0) {
        call->kind = LIN_SET;
        call->argument = 0;
        REQUIRE_OK(armdb_batch_delete(batch, collection, key));
        return 1;
    }
    if (draw == 1) {
        call->kind = LIN_INSERT;
        REQUIRE_OK(armdb_batch_insert(batch, collection, key, value, NULL));
        return 1;
    }
    REQUIRE_OK(armdb_batch_put(batch, collection, key, value, NULL));
    call->kind = LIN_SET;
    if (draw < 4)
        return 1;
    call->kind = LIN_CAS;
    armdb_err err = armdb_get_value(collection, key, &before);
    call->expected = found(err, armdb_value_bytes(&before));
    REQUIRE_OK(err == ARMDB_OK
                   ? armdb_batch_require_value(batch, collection, key, armdb_value_bytes(&before))
                   : armdb_batch_require_absent(batch, collection, key));
    armdb_value_release(&before);
    return 2;
}

/* A batch over all keys: a call on each, at the same time. If it is refused, one of these has seen
 * why, and the others did not happen. */
static void
commit_batch(struct actor *actor, enum kind kind)
{
    struct run *run = actor->run;
    struct lin_call calls[KEYS] = {{.kind = LIN_SET}};
    size_t ends[KEYS];
    size_t n_ops = 0;
    size_t refused;
    char room[16];
    armdb_batch *batch;
    armdb_ticket ticket;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = test_rng_one_in(&actor->rng, 50)
                             ? ARMDB_SYNCED
                             : (armdb_durability)(1 + test_rng_below(&actor->rng, 2));
    options.ticket = &ticket;
    REQUIRE_OK(armdb_batch_new(run->db, &batch));
    for (uint32_t key = 0; key < KEYS; key++) {
        n_ops += add_to_batch(actor, kind, batch, key_of(key, room), &calls[key]);
        ends[key] = n_ops;
    }
    uint64_t begin = now(run);
    armdb_err err = armdb_commit(batch, &options, &refused);
    uint64_t end = now(run);
    REQUIRE(err == ARMDB_OK ? refused == SIZE_MAX : refused < n_ops, "commit: %s, operation %zu",
            armdb_err_name(err), refused);
    for (uint32_t key = 0; key < KEYS; key++) {
        struct lin_call *call = &calls[key];
        bool is_refused = err != ARMDB_OK && refused < ends[key] &&
                          refused >= (key == 0 ? 0 : ends[key - 1]);
        if (err != ARMDB_OK && !is_refused)
            continue;
        if (err == ARMDB_NOT_FOUND) {
            REQUIRE(call->kind == LIN_CAS && call->expected != 0, "a batch finds no value");
            call->kind = LIN_GET;
        } else if (is_refused) {
            REQUIRE(call->kind != LIN_SET &&
                        err == (call->kind == LIN_CAS && call->expected != 0 ? ARMDB_CHANGED
                                                                             : ARMDB_EXISTS),
                    "a batch is refused: %s", armdb_err_name(err));
        }
        call->result = err == ARMDB_OK;
        call->begin = begin;
        call->end = end;
        actor->keys[actor->n_calls] = key;
        actor->calls[actor->n_calls++] = *call;
    }
    REQUIRE_OK(armdb_ticket_wait(run->db, &ticket, 1));
    armdb_batch_free(batch);
}

static void
make_call(struct actor *actor, enum kind kind)
{
    struct run *run = actor->run;
    char room[16];
    uint32_t number = (uint32_t)test_rng_below(&actor->rng, KEYS);
    const armdb_slice key = key_of(number, room);
    uint64_t draw = test_rng_below(&actor->rng, 10);
    if (test_rng_one_in(&actor->rng, 1000))
        REQUIRE_OK(armdb_compact(run->db, NULL, NULL));
    if (draw == 0) {
        read_all(actor, kind);
        return;
    }
    if (draw == 5) {
        commit_batch(actor, kind);
        return;
    }
    actor->keys[actor->n_calls] = number;
    struct lin_call *call = &actor->calls[actor->n_calls++];
    *call = (struct lin_call){.kind = LIN_GET};
    if (draw >= 5) {
        if (draw >= 8)
            modify_one(actor, kind, key, call);
        else
            write_one(actor, kind, key, call);
        return;
    }
    call->begin = now(run);
    if (draw == 1 && (kind == KIND_TREE || kind == KIND_CONST))
        call->result = seek(run->collections[kind], key);
    else if (draw == 2)
        call->result = get_value(run->collections[kind], key);
    else
        call->result = get(run->collections[kind], key);
    call->end = now(run);
}

/* ------------------------------------------------------------------ threads */

/* Waits for a round to begin; false if there is none any more. */
static bool
await(struct run *run, uint32_t round)
{
    while (atomic_load(&run->round) < round) {
        if (atomic_load(&run->is_over))
            return false;
        sched_yield();
    }
    return true;
}

static void *
run_actor(void *context)
{
    struct actor *actor = (struct actor *)context;
    for (uint32_t round = 1; await(actor->run, round); round++) {
        actor->n_calls = 0;
        for (int i = 0; i < CALLS; i++)
            make_call(actor, (enum kind)(round % N_KINDS));
        atomic_fetch_add(&actor->run->n_done, 1);
    }
    return NULL;
}

/* Writes and removes other keys, and reads back what was written long ago. */
static void *
run_churn(void *context)
{
    struct actor *churn = (struct actor *)context;
    struct run *run = churn->run;
    unsigned char value[VALUE_MAX];
    char room[16];
    for (uint32_t round = 1; await(run, round); round++) {
        const enum kind kind = (enum kind)(round % N_KINDS);
        for (uint64_t left = run->churn_bytes; left > 0;) {
            armdb_slice key = churn_key((uint32_t)test_rng_below(&churn->rng, CHURN_KEYS), room);
            size_t len = draw_len(&churn->rng, kind);
            armdb_err err = test_rng_one_in(&churn->rng, 3)
                                ? armdb_delete(run->collections[kind], key, NULL)
                                : armdb_put(run->collections[kind], key, value_of(7, len, value),
                                            NULL);
            REQUIRE(err == ARMDB_OK || err == ARMDB_NOT_FOUND, "%s", armdb_err_name(err));
            key = churn_key((uint32_t)test_rng_below(&churn->rng, CHURN_KEYS), room);
            (void)get(run->collections[kind], key);
            left -= len < left ? len : left;
        }
        atomic_fetch_add(&run->n_done, 1);
    }
    return NULL;
}

/* ------------------------------------------------------------------- rounds */

static void
open_db(struct run *run)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = 2;
    options.max_file_bytes = 131072;
    options.write_buffer_bytes = 16384;
    options.cache_bytes = 1 << 20;
    options.flush_interval_ms = 1;
    options.compaction_percent = 10;
    REQUIRE_OK(armdb_open(run->path, &options, &run->db));
    run->collections[KIND_TREE] = armdb_default(run->db);
    for (int kind = KIND_MAP; kind < N_KINDS; kind++) {
        armdb_collection_options how = ARMDB_COLLECTION_OPTIONS_INIT;
        how.order = kind != KIND_CONST ? ARMDB_UNORDERED : ARMDB_DESCENDING;
        how.key_bytes = kind == KIND_MAP ? ARMDB_KEY_VARIABLE : 8;
        how.value_bytes = kind == KIND_CONST     ? CONST_BYTES
                          : kind == KIND_NUMBERS ? 8
                                                 : ARMDB_VALUE_VARIABLE;
        armdb_err err = armdb_collection_open(run->db, names[kind], &how, &run->collections[kind]);
        if (err == ARMDB_NO_COLLECTION)
            err = armdb_collection_create(run->db, names[kind], &how, &run->collections[kind]);
        REQUIRE_OK(err);
    }
}

static void
check_key(struct run *run, const struct actor *actors, enum kind kind, uint32_t key)
{
    struct lin_call calls[ACTORS * CALLS + 1];
    uint64_t *before = &run->values[kind][key];
    size_t n = 0;
    uint64_t final;
    char room[16];
    for (int a = 0; a < ACTORS; a++) {
        for (uint32_t i = 0; i < actors[a].n_calls; i++) {
            if (actors[a].keys[i] == key)
                calls[n++] = actors[a].calls[i];
        }
    }
    /* What is there in the end is one more call. */
    calls[n] = (struct lin_call){.kind = LIN_GET, .begin = now(run)};
    calls[n].result = get(run->collections[kind], key_of(key, room));
    calls[n].end = now(run);
    if (!lin_check(calls, n + 1, *before, &final)) {
        lin_print(calls, n + 1, *before);
        REQUIRE(false, "the history of key %u of \"%s\" is not linearizable", key, names[kind]);
    }
    *before = calls[n].result;
}

static uint64_t
count_compactions(const struct run *run)
{
    armdb_stats stats = {.struct_bytes = sizeof stats};
    REQUIRE_OK(armdb_get_stats(run->db, &stats));
    return stats.compactions;
}

/* A fast machine may be through with the rounds before the background has done anything: then they
 * go on. */
static void
run_rounds(struct run *run, struct actor *actors, uint64_t rounds)
{
    for (uint64_t round = 1; round <= rounds || count_compactions(run) <= 5; round++) {
        const enum kind kind = (enum kind)(round % N_KINDS);
        atomic_store(&run->n_done, 0);
        atomic_store(&run->round, (uint32_t)round);
        while (atomic_load(&run->n_done) < ACTORS + 1)
            sched_yield();
        if (round <= rounds && round % (rounds / REOPENS + 1) == 0) {
            REQUIRE_OK(armdb_close(run->db));
            open_db(run);
        }
        for (uint32_t key = 0; key < KEYS; key++)
            check_key(run, actors, kind, key);
    }
    atomic_store(&run->is_over, true);
}

int
main(void)
{
    struct run run = {.next_value = 1};
    struct actor actors[ACTORS + 1]; /* the last one is the churn */
    struct adb_thread threads[ACTORS + 1];
    armdb_stats stats = {.struct_bytes = sizeof stats};
    uint64_t rounds = require_rounds(3000);
    char *root = tmpdir_make();
    snprintf(run.path, sizeof run.path, "%s/db", root);
    run.churn_bytes = CHURN_BYTES_ALL / rounds < CHURN_BYTES ? CHURN_BYTES_ALL / rounds
                                                             : CHURN_BYTES;
    open_db(&run);
    for (uint32_t a = 0; a <= ACTORS; a++) {
        actors[a] = (struct actor){.run = &run, .rng = test_rng_fork(test_seed(), a)};
        REQUIRE_OK(adb_thread_start(&threads[a], a < ACTORS ? run_actor : run_churn, &actors[a]));
    }
    run_rounds(&run, actors, rounds);
    for (uint32_t a = 0; a <= ACTORS; a++)
        adb_thread_join(&threads[a]);
    REQUIRE_OK(armdb_get_stats(run.db, &stats));
    REQUIRE(stats.compactions > 5, "only %" PRIu64 " compactions", stats.compactions);
    REQUIRE_OK(armdb_close(run.db));
    REQUIRE_OK(armdb_verify(run.path, NULL, NULL, NULL));
    printf("%" PRIu64 " rounds of about %d calls, %" PRIu64 " compactions, %" PRIu64
           " blocks read since the last open\n",
           rounds, ACTORS * CALLS, stats.compactions, stats.cache_misses);
    tmpdir_remove(root);
    return 0;
}
