/*
 * Threads on one database, through the public functions, on real files: writers at each level and
 * with tickets, readers of one key and of many, walkers both ways, a thread that flushes, syncs,
 * compacts and verifies beside the background, and one that creates and drops a collection which
 * the others use meanwhile. They do so on three collections: a tree, a map without order, and a
 * tree that keeps its values. Small files, buffers and cache, so that files change, buffers move on
 * and blocks go under the readers all the time.
 *
 * Each key belongs to one writer, which counts its versions; a value tells key and version in every
 * byte. Checked: a value is whole and belongs to its key; for each reader the versions of a key
 * never go backwards; a writer finds what it wrote; stable keys (every 8th: put before the start,
 * overwritten, never deleted) are always found, values whose deadline has passed never, and each
 * walk meets each stable key once and in order; at the end, and after opening again, everything is
 * as the writers left it.
 *
 * ARMDB_SEED chooses the random numbers (not the interleaving), ARMDB_TEST_SCALE makes it longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "armdb/armdb.h"
#include "os/thread.h"
#include "stress/stress.h"
#include "support/seed.h"
#include "support/tmpdir.h"

enum {
    N_KEYS = 2048,
    STABLE_EVERY = 8,
    N_WRITERS = 3,
    WRITES = 4000,
    KEY_BYTES = 8,
    VALUE_HEAD = 12, /* key number, version */
    VALUE_MAX = 40000,
    CONST_BYTES = 40,
    N_TICKETS = 8,     /* of a writer, before it waits for them */
    N_READS = 40,      /* of a multi-get */
    READ_BYTES = 1024, /* room of each: too little for some values */
    N_PASSING = 64     /* keys of the collection that comes and goes */
};

enum kind { KIND_TREE, KIND_MAP, KIND_CONST, N_KINDS };

static const char *const names[N_KINDS] = {"default", "map", "const"};

struct stress {
    /* immutable while threads run */
    armdb_db *db;
    armdb_collection *collections[N_KINDS];
    /* atomic */
    _Atomic(armdb_collection *) passing; /* created, being used, dropped */
    _Atomic(unsigned) n_writing;
};

struct actor {
    struct stress *stress;
    unsigned number;
    struct test_rng rng;
    struct adb_thread thread;
    uint64_t versions[N_KINDS][N_KEYS]; /* writers: the newest written; readers: the newest seen */
    bool is_there[N_KINDS][N_KEYS];     /* writers only */
    armdb_ticket tickets[N_TICKETS];    /* writers only */
    uint32_t n_tickets;
};

static bool
is_over(struct stress *stress)
{
    return atomic_load_explicit(&stress->n_writing, memory_order_relaxed) == 0;
}

static bool
is_stable(uint32_t number)
{
    return number % STABLE_EVERY == 0;
}

static enum kind
draw_kind(struct actor *actor)
{
    return (enum kind)test_rng_below(&actor->rng, N_KINDS);
}

static armdb_slice
make_key(uint32_t number, char key[KEY_BYTES + 1])
{
    snprintf(key, KEY_BYTES + 1, "%08u", (unsigned)number);
    return armdb_bytes(key, KEY_BYTES);
}

static uint32_t
number_of(armdb_slice key)
{
    char text[KEY_BYTES + 1] = "";
    check(key.len == KEY_BYTES, "key of a wrong length");
    memcpy(text, key.data, KEY_BYTES);
    unsigned long number = strtoul(text, NULL, 10);
    check(number < N_KEYS, "key that nobody put");
    return (uint32_t)number;
}

/* --------------------------------------------------------------------- values */

static unsigned char
filler(uint32_t number, uint64_t version)
{
    return (unsigned char)(number * 31 + version * 7 + 1);
}

static size_t
make_value(struct actor *actor, enum kind kind, uint32_t number, unsigned char *value)
{
    uint64_t version = actor->versions[kind][number] + 1;
    uint64_t draw = test_rng_below(&actor->rng, 200);
    size_t more = test_rng_below(&actor->rng, 250);
    if (kind == KIND_CONST)
        more = CONST_BYTES - VALUE_HEAD;
    else if (draw == 0)
        more = 20000 + more * 70; /* larger than a write buffer */
    else if (draw < 5)
        more *= 20;
    memcpy(value, &number, 4);
    memcpy(value + 4, &version, 8);
    memset(value + VALUE_HEAD, filler(number, version), more);
    return VALUE_HEAD + more;
}

/* The version that a value says, after looking at every byte. */
static uint64_t
check_value(uint32_t number, armdb_slice value)
{
    const unsigned char *bytes = (const unsigned char *)value.data;
    uint32_t said_number;
    uint64_t version;
    check(value.len >= VALUE_HEAD && value.len <= VALUE_MAX, "value of a wrong length");
    memcpy(&said_number, bytes, 4);
    memcpy(&version, bytes + 4, 8);
    check(said_number == number, "value of another key");
    for (size_t i = VALUE_HEAD; i < value.len; i++)
        check(bytes[i] == filler(number, version), "value in pieces");
    return version;
}

static void
note_version(struct actor *actor, enum kind kind, uint32_t number, armdb_slice value)
{
    uint64_t version = check_value(number, value);
    check(kind != KIND_CONST || value.len == CONST_BYTES, "value of a wrong length");
    check(version >= actor->versions[kind][number], "an older version than was seen before");
    actor->versions[kind][number] = version;
}

/* -------------------------------------------------------------------- writers */

/* Waits for all tickets of a writer. */
static void
redeem(struct actor *actor)
{
    armdb_db *db = actor->stress->db;
    bool is_synced;
    check(armdb_ticket_wait(db, actor->tickets, actor->n_tickets) == ARMDB_OK, "ticket wait");
    for (uint32_t i = 0; i < actor->n_tickets; i++) {
        check(armdb_ticket_poll(db, &actor->tickets[i], &is_synced) == ARMDB_OK, "ticket poll");
        check(is_synced, "waited for but not synced");
    }
    actor->n_tickets = 0;
}

/* Options of a write; with a ticket, which must be redeemed before it is too many. */
static armdb_write_options
draw_options(struct actor *actor, armdb_durability level)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = level;
    if (level != ARMDB_SYNCED || test_rng_one_in(&actor->rng, 2))
        return options;
    if (actor->n_tickets == N_TICKETS)
        redeem(actor);
    options.ticket = &actor->tickets[actor->n_tickets++];
    return options;
}

static void
write_one(struct actor *actor, enum kind kind, uint32_t number, armdb_durability level)
{
    static _Thread_local unsigned char value[VALUE_MAX];
    armdb_collection *collection = actor->stress->collections[kind];
    armdb_write_options options = draw_options(actor, level);
    bool *is_there = &actor->is_there[kind][number];
    char text[KEY_BYTES + 1];
    armdb_slice key = make_key(number, text);
    if (!is_stable(number) && *is_there && test_rng_one_in(&actor->rng, 3)) {
        check(armdb_delete(collection, key, &options) == ARMDB_OK, "delete");
        *is_there = false;
        return;
    }
    size_t len = make_value(actor, kind, number, value);
    armdb_err err;
    if (!is_stable(number) && test_rng_one_in(&actor->rng, 8)) {
        options.expires_at_ms = 1; /* nobody sees it; it is deleted when it is met */
        err = armdb_put(collection, key, armdb_bytes(value, len), &options);
        check(err == ARMDB_OK, "put with a deadline that has passed");
        actor->versions[kind][number]++;
        *is_there = false;
        return;
    }
    if (test_rng_one_in(&actor->rng, 4))
        options.ttl_ms = UINT64_C(1) << 40;
    if (test_rng_one_in(&actor->rng, 4)) {
        err = armdb_insert(collection, key, armdb_bytes(value, len), &options);
        check(err == (*is_there ? ARMDB_EXISTS : ARMDB_OK), "insert");
        if (err == ARMDB_EXISTS)
            return;
    } else {
        err = armdb_put(collection, key, armdb_bytes(value, len), &options);
        check(err == ARMDB_OK, "put");
    }
    actor->versions[kind][number]++;
    *is_there = true;
}

/* What the writer finds of its own key. */
static void
check_own(struct actor *actor, enum kind kind, uint32_t number)
{
    char text[KEY_BYTES + 1];
    armdb_value value;
    armdb_err err = armdb_get_value(actor->stress->collections[kind], make_key(number, text),
                                    &value);
    check(err == (actor->is_there[kind][number] ? ARMDB_OK : ARMDB_NOT_FOUND),
          "get of its own key");
    if (err == ARMDB_OK)
        check(check_value(number, armdb_value_bytes(&value)) == actor->versions[kind][number],
              "not the version it wrote");
    armdb_value_release(&value);
}

static uint32_t
own_number(struct actor *actor)
{
    uint64_t mine = N_KEYS / N_WRITERS;
    return (uint32_t)test_rng_below(&actor->rng, mine) * N_WRITERS + actor->number;
}

/* Uses the collection that comes and goes, in the middle of being dropped if it so happens. */
static void
use_passing(struct actor *actor)
{
    armdb_collection *passing = atomic_load(&actor->stress->passing);
    uint32_t number = (uint32_t)test_rng_below(&actor->rng, N_PASSING);
    uint32_t found;
    armdb_read read = {.key = armdb_bytes(&number, 4), .buffer = &found, .capacity = sizeof found};
    armdb_value value;
    armdb_cursor *cursor;
    if (passing == NULL)
        return;
    armdb_err err = armdb_put(passing, armdb_bytes(&number, 4), armdb_bytes(&number, 4), NULL);
    check(err == ARMDB_OK || err == ARMDB_NO_COLLECTION, "put into a passing collection");
    err = armdb_get_value(passing, armdb_bytes(&number, 4), &value);
    check(err == ARMDB_OK || err == ARMDB_NOT_FOUND || err == ARMDB_NO_COLLECTION,
          "get from a passing collection");
    check(err != ARMDB_OK || memcmp(armdb_value_bytes(&value).data, &number, 4) == 0,
          "value of a passing collection");
    armdb_value_release(&value);
    err = armdb_multi_get(passing, &read, 1);
    check(err == ARMDB_OK || err == ARMDB_NO_COLLECTION, "multi-get from a passing collection");
    check(read.err != ARMDB_OK || (read.len == 4 && found == number),
          "value of a passing collection");
    err = armdb_cursor_open(passing, NULL, &cursor);
    check(err == ARMDB_OK || err == ARMDB_NO_COLLECTION, "cursor on a passing collection");
    if (err != ARMDB_OK)
        return;
    while ((err = armdb_cursor_next(cursor)) == ARMDB_OK) {
        const armdb_slice key = armdb_cursor_key(cursor);
        const armdb_slice met = armdb_cursor_value(cursor);
        check(key.len == 4 && met.len == 4 && memcmp(key.data, met.data, 4) == 0,
              "pair of a passing collection");
    }
    check(err == ARMDB_END || err == ARMDB_NO_COLLECTION, "walk of a passing collection");
    armdb_cursor_close(cursor);
}

/* Whether the background and run_syncer() have given space back often enough to be worth their
 * name. */
static bool
has_compacted(const struct stress *stress)
{
    armdb_stats stats = {.struct_bytes = sizeof stats};
    check(armdb_get_stats(stress->db, &stats) == ARMDB_OK, "stats");
    return stats.compactions > 3;
}

/* Writers that are through before that go on. */
static void *
run_writer(void *context)
{
    static const armdb_durability levels[N_WRITERS] = {ARMDB_BUFFERED, ARMDB_WRITTEN,
                                                       ARMDB_BUFFERED};
    struct actor *actor = (struct actor *)context;
    uint64_t n_writes = (uint64_t)WRITES * test_scale();
    for (uint64_t i = 0; i < n_writes || !has_compacted(actor->stress); i++) {
        uint32_t number = own_number(actor);
        enum kind kind = draw_kind(actor);
        bool is_synced = test_rng_one_in(&actor->rng, 100);
        write_one(actor, kind, number, is_synced ? ARMDB_SYNCED : levels[actor->number]);
        if (i % 4 == 0)
            check_own(actor, kind, number);
        if (i % 64 == 0)
            use_passing(actor);
    }
    redeem(actor);
    atomic_fetch_sub(&actor->stress->n_writing, 1);
    return NULL;
}

/* --------------------------------------------------------------------- readers */

static void
read_one(struct actor *actor, enum kind kind, uint32_t number)
{
    static _Thread_local unsigned char buffer[VALUE_MAX];
    armdb_collection *collection = actor->stress->collections[kind];
    char text[KEY_BYTES + 1];
    armdb_slice key = make_key(number, text);
    armdb_value value;
    size_t len;
    bool found;
    armdb_err err = armdb_get_value(collection, key, &value);
    check(err == ARMDB_OK || (err == ARMDB_NOT_FOUND && !is_stable(number)), "get_value");
    if (err == ARMDB_OK)
        note_version(actor, kind, number, armdb_value_bytes(&value));
    armdb_value_release(&value);
    err = armdb_get(collection, key, buffer, sizeof buffer, &len);
    check(err == ARMDB_OK || (err == ARMDB_NOT_FOUND && !is_stable(number)), "get");
    if (err == ARMDB_OK)
        note_version(actor, kind, number, armdb_bytes(buffer, len));
    check(armdb_contains(collection, key, &found) == ARMDB_OK, "contains");
    check(found || !is_stable(number), "stable key not contained");
}

static void
read_many(struct actor *actor, enum kind kind)
{
    static _Thread_local unsigned char buffers[N_READS][READ_BYTES];
    char texts[N_READS][KEY_BYTES + 1];
    uint32_t numbers[N_READS];
    armdb_read reads[N_READS];
    for (uint32_t i = 0; i < N_READS; i++) {
        numbers[i] = (uint32_t)test_rng_below(&actor->rng, N_KEYS);
        reads[i] = (armdb_read){
            .key = make_key(numbers[i], texts[i]), .buffer = buffers[i], .capacity = READ_BYTES};
    }
    armdb_err err = armdb_multi_get(actor->stress->collections[kind], reads, N_READS);
    check(err == ARMDB_OK || err == ARMDB_BUFFER_TOO_SMALL, "multi-get");
    for (uint32_t i = 0; i < N_READS; i++) {
        if (reads[i].err == ARMDB_OK)
            note_version(actor, kind, numbers[i], armdb_bytes(buffers[i], reads[i].len));
        else if (reads[i].err == ARMDB_NOT_FOUND)
            check(!is_stable(numbers[i]), "stable key not found");
        else
            check(reads[i].err == ARMDB_BUFFER_TOO_SMALL && reads[i].len > READ_BYTES,
                  "read of a multi-get");
    }
}

static void *
run_reader(void *context)
{
    struct actor *actor = (struct actor *)context;
    while (!is_over(actor->stress)) {
        read_one(actor, draw_kind(actor), (uint32_t)test_rng_below(&actor->rng, N_KEYS));
        if (test_rng_one_in(&actor->rng, 16))
            read_many(actor, draw_kind(actor));
        if (test_rng_one_in(&actor->rng, 64))
            use_passing(actor);
    }
    return NULL;
}

/* One walk over all of a map: each key at most once, stable ones exactly once. */
static void
walk_map(struct actor *actor)
{
    static _Thread_local bool is_met[N_KEYS];
    unsigned stable_seen = 0;
    armdb_cursor *cursor;
    armdb_err err;
    memset(is_met, 0, sizeof is_met);
    check(armdb_cursor_open(actor->stress->collections[KIND_MAP], NULL, &cursor) == ARMDB_OK,
          "cursor");
    while ((err = armdb_cursor_next(cursor)) == ARMDB_OK) {
        uint32_t number = number_of(armdb_cursor_key(cursor));
        check(!is_met[number], "walk met a key twice");
        is_met[number] = true;
        stable_seen += is_stable(number);
        note_version(actor, KIND_MAP, number, armdb_cursor_value(cursor));
    }
    check(err == ARMDB_END, "walk");
    check(stable_seen == N_KEYS / STABLE_EVERY, "walk missed a stable key");
    armdb_cursor_close(cursor);
}

/* One walk over everything that has an order. */
static void
walk(struct actor *actor, enum kind kind, bool is_forward, bool keys_only)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    armdb_cursor *cursor;
    uint32_t next_stable = is_forward ? 0 : N_KEYS - STABLE_EVERY;
    int64_t last = is_forward ? -1 : N_KEYS;
    unsigned stable_seen = 0;
    armdb_err err;
    options.keys_only = keys_only;
    check(armdb_cursor_open(actor->stress->collections[kind], &options, &cursor) == ARMDB_OK,
          "cursor");
    for (;;) {
        err = is_forward ? armdb_cursor_next(cursor) : armdb_cursor_prev(cursor);
        if (err != ARMDB_OK)
            break;
        uint32_t number = number_of(armdb_cursor_key(cursor));
        check(is_forward ? number > last : number < last, "walk out of order");
        last = number;
        if (is_stable(number)) {
            check(number == next_stable, "walk missed a stable key");
            next_stable = is_forward ? next_stable + STABLE_EVERY : next_stable - STABLE_EVERY;
            stable_seen++;
        }
        if (!keys_only)
            note_version(actor, kind, number, armdb_cursor_value(cursor));
    }
    check(err == ARMDB_END, "walk");
    check(stable_seen == N_KEYS / STABLE_EVERY, "walk ended early");
    armdb_cursor_close(cursor);
}

static void *
run_walker(void *context)
{
    struct actor *actor = (struct actor *)context;
    do {
        enum kind kind = draw_kind(actor);
        if (kind == KIND_MAP)
            walk_map(actor);
        else
            walk(actor, kind, actor->number % 2 == 0, test_rng_one_in(&actor->rng, 3));
    } while (!is_over(actor->stress));
    return NULL;
}

/* --------------------------------------------------------------- housekeeping */

static void
print_damage(void *context, const armdb_damage *damage)
{
    (void)context;
    fprintf(stderr, "%s: offset %llu: %s\n", damage->file, (unsigned long long)damage->offset,
            damage->message);
}

static void *
run_syncer(void *context)
{
    struct actor *actor = (struct actor *)context;
    armdb_db *db = actor->stress->db;
    while (!is_over(actor->stress)) {
        armdb_stats stats = {.struct_bytes = sizeof stats};
        armdb_shard_info info = {.struct_bytes = sizeof info};
        armdb_collection_info infos[N_KINDS];
        size_t count;
        check((test_rng_one_in(&actor->rng, 10) ? armdb_sync(db) : armdb_flush(db)) == ARMDB_OK,
              "flush or sync");
        check(!test_rng_one_in(&actor->rng, 4) || armdb_compact(db, NULL, NULL) == ARMDB_OK,
              "compact");
        uint64_t cache_bytes = test_rng_one_in(&actor->rng, 4)
                                   ? ARMDB_CACHE_NONE
                                   : test_rng_below(&actor->rng, 8) << 20;
        check(!test_rng_one_in(&actor->rng, 8) ||
                  armdb_set_cache_bytes(db, cache_bytes) == ARMDB_OK,
              "set cache bytes");
        check(!test_rng_one_in(&actor->rng, 8) ||
                  armdb_verify_open(db, print_damage, NULL, NULL) == ARMDB_OK,
              "verify");
        check(armdb_get_stats(db, &stats) == ARMDB_OK && stats.failed_shards == 0, "stats");
        check(stats.dead_bytes < stats.log_bytes, "more dead bytes than bytes");
        check(armdb_get_shard_info(db, 1, &info) == ARMDB_OK, "shard info");
        check(info.synced_sequence <= info.newest_sequence, "synced before it was written");
        check(armdb_collection_list(db, infos, N_KINDS, &count) == ARMDB_OK, "list");
        check(count == N_KINDS || count == N_KINDS + 1, "number of collections");
    }
    return NULL;
}

static void *
run_dropper(void *context)
{
    struct actor *actor = (struct actor *)context;
    struct stress *stress = actor->stress;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.key_bytes = 4;
    for (uint32_t round = 0; !is_over(stress); round++) {
        armdb_collection *passing;
        uint64_t count;
        options.order = (armdb_order)(ARMDB_ASCENDING + round % 3);
        options.value_bytes = round % 2 == 0 ? ARMDB_VALUE_VARIABLE : 4;
        check(armdb_collection_create(stress->db, "passing", &options, &passing) == ARMDB_OK,
              "create");
        check(armdb_count(passing, &count) == ARMDB_OK && count == 0, "new but not empty");
        atomic_store(&stress->passing, passing);
        for (uint32_t number = 0; number < N_PASSING; number++)
            check(armdb_put(passing, armdb_bytes(&number, 4), armdb_bytes(&number, 4), NULL) ==
                      ARMDB_OK,
                  "fill");
        check(armdb_count(passing, &count) == ARMDB_OK && count == N_PASSING, "count");
        check(armdb_collection_drop(stress->db, "passing") == ARMDB_OK, "drop");
        check(armdb_count(passing, &count) == ARMDB_NO_COLLECTION, "dropped but there");
    }
    return NULL;
}

/* ------------------------------------------------------------------------ run */

static struct actor *
new_actor(struct stress *stress, unsigned number, uint64_t stream)
{
    struct actor *actor = (struct actor *)calloc(1, sizeof *actor);
    assert_non_null(actor);
    actor->stress = stress;
    actor->number = number;
    actor->rng = test_rng_fork(test_seed(), stream);
    return actor;
}

static void
expect_final_state(struct stress *stress, struct actor *const writers[])
{
    for (int kind = 0; kind < N_KINDS; kind++) {
        uint64_t count, expected = 0;
        for (uint32_t number = 0; number < N_KEYS; number++) {
            struct actor *owner = writers[number % N_WRITERS];
            check_own(owner, (enum kind)kind, number);
            expected += owner->is_there[kind][number];
        }
        assert_int_equal(armdb_compact(stress->db, NULL, NULL), ARMDB_OK); /* what has expired */
        assert_int_equal(armdb_count(stress->collections[kind], &count), ARMDB_OK);
        assert_int_equal(count, expected);
    }
}

static void
run_actors(struct stress *stress, struct actor *const writers[])
{
    static void *(*const runs[])(void *) = {run_walker,  run_walker, run_syncer,
                                            run_dropper, run_reader, run_reader};
    enum { N_OTHERS = sizeof runs / sizeof *runs };
    struct actor *others[N_OTHERS];
    for (unsigned i = 0; i < N_OTHERS; i++)
        others[i] = new_actor(stress, i, 100 + i);
    for (unsigned i = 0; i < N_WRITERS; i++) {
        assert_int_equal(adb_thread_start(&writers[i]->thread, run_writer, writers[i]), ARMDB_OK);
    }
    for (unsigned i = 0; i < N_OTHERS; i++)
        assert_int_equal(adb_thread_start(&others[i]->thread, runs[i], others[i]), ARMDB_OK);
    for (unsigned i = 0; i < N_WRITERS; i++)
        adb_thread_join(&writers[i]->thread);
    for (unsigned i = 0; i < N_OTHERS; i++) {
        adb_thread_join(&others[i]->thread);
        free(others[i]);
    }
}

/* Opens the database, and its collections, which are made if they are not there. */
static void
open_all(struct stress *stress, const char *path, const armdb_options *options)
{
    armdb_collection_options kinds[N_KINDS];
    assert_int_equal(armdb_open(path, options, &stress->db), ARMDB_OK);
    stress->collections[KIND_TREE] = armdb_default(stress->db);
    for (int kind = KIND_MAP; kind < N_KINDS; kind++) {
        kinds[kind] = options->default_collection;
        kinds[kind].order = kind == KIND_MAP ? ARMDB_UNORDERED : ARMDB_ASCENDING;
        kinds[kind].value_bytes = kind == KIND_CONST ? CONST_BYTES : ARMDB_VALUE_VARIABLE;
        armdb_err err = armdb_collection_open(stress->db, names[kind], &kinds[kind],
                                              &stress->collections[kind]);
        if (err == ARMDB_NO_COLLECTION)
            err = armdb_collection_create(stress->db, names[kind], &kinds[kind],
                                          &stress->collections[kind]);
        assert_int_equal(err, ARMDB_OK);
    }
}

static void
run_stress(const armdb_options *options)
{
    struct stress stress = {.n_writing = N_WRITERS};
    struct actor *writers[N_WRITERS];
    char *root = tmpdir_make();
    char path[400];
    snprintf(path, sizeof path, "%s/db", root);
    open_all(&stress, path, options);
    for (unsigned i = 0; i < N_WRITERS; i++)
        writers[i] = new_actor(&stress, i, i);
    for (uint32_t number = 0; number < N_KEYS; number += STABLE_EVERY) {
        /* A number without an owner among the writers is put once and stays. */
        for (int kind = 0; kind < N_KINDS; kind++)
            write_one(writers[number % N_WRITERS], (enum kind)kind, number, ARMDB_BUFFERED);
    }
    run_actors(&stress, writers);
    expect_final_state(&stress, writers);
    armdb_stats stats = {.struct_bytes = sizeof stats};
    assert_int_equal(armdb_get_stats(stress.db, &stats), ARMDB_OK);
    assert_true(stats.compactions > 3);
    assert_int_equal(stats.compaction_failures, 0);
    assert_int_equal(armdb_close(stress.db), ARMDB_OK);
    assert_int_equal(armdb_verify(path, NULL, NULL, NULL), ARMDB_OK);
    open_all(&stress, path, options);
    expect_final_state(&stress, writers);
    assert_int_equal(armdb_close(stress.db), ARMDB_OK);
    for (unsigned i = 0; i < N_WRITERS; i++)
        free(writers[i]);
    tmpdir_remove(root);
}

static armdb_options
small_options(void)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = 2;
    options.default_collection.key_bytes = KEY_BYTES;
    options.max_file_bytes = 65536;
    options.write_buffer_bytes = 16384;
    options.flush_interval_ms = 1;
    options.sync_interval_ms = 10;
    options.cache_bytes = 1048576;
    options.compaction_percent = 10;
    return options;
}

static void
test_db__threads_on_small_files_and_buffers__keep_every_promise(void **state)
{
    (void)state;
    armdb_options options = small_options();
    run_stress(&options);
}

static void
test_db__threads_on_variable_keys_and_large_files__keep_every_promise(void **state)
{
    (void)state;
    armdb_options options = small_options();
    options.shards = 3;
    options.default_collection.key_bytes = ARMDB_KEY_VARIABLE;
    options.max_file_bytes = 1048576;
    options.write_buffer_bytes = 65536;
    options.cache_bytes = ARMDB_CACHE_NONE;
    run_stress(&options);
}

int
main(void)
{
    (void)test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_db__threads_on_small_files_and_buffers__keep_every_promise),
        cmocka_unit_test(test_db__threads_on_variable_keys_and_large_files__keep_every_promise),
    };
    return cmocka_run_group_tests_name("stress/db", tests, NULL, NULL);
}
