/*
 * Threads on one database, through the public functions, on real files: writers at each level,
 * readers, walkers both ways, a thread that flushes and syncs, and one that creates and drops a
 * collection which the others use meanwhile. Small files and buffers, so that files change and
 * buffers move on under the readers all the time.
 *
 * Each key belongs to one writer, which counts its versions; a value tells key and version in every
 * byte. Checked: a value is whole and belongs to its key; for each reader the versions of a key
 * never go backwards; a writer finds what it wrote; stable keys (every 8th: put before the start,
 * overwritten, never deleted) are always found, and each walk meets each of them once and in order;
 * at the end, and after opening again, everything is as the writers left it.
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
    N_PASSING = 64 /* keys of the collection that comes and goes */
};

struct stress {
    /* immutable while threads run */
    armdb_db *db;
    armdb_collection *collection;
    /* atomic */
    _Atomic(armdb_collection *) passing; /* created, being used, dropped */
    _Atomic(unsigned) n_writing;
};

struct actor {
    struct stress *stress;
    unsigned number;
    struct test_rng rng;
    struct adb_thread thread;
    uint64_t versions[N_KEYS]; /* writers: of the newest version; readers: the newest seen */
    bool is_there[N_KEYS];     /* writers only */
};

/* cmocka's assertions are not for threads. */
static void
check(bool condition, const char *what)
{
    if (condition)
        return;
    armdb_error_detail detail;
    armdb_last_error(&detail);
    fprintf(stderr, "stress_db: %s (newest error of this thread: %s, %s)\n", what,
            armdb_err_name(detail.code), detail.message);
    abort();
}

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
make_value(struct actor *actor, uint32_t number, uint64_t version, unsigned char *value)
{
    uint64_t kind = test_rng_below(&actor->rng, 200);
    size_t more = test_rng_below(&actor->rng, 250);
    if (kind == 0)
        more = 20000 + more * 70; /* larger than a write buffer */
    else if (kind < 5)
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
note_version(struct actor *actor, uint32_t number, armdb_slice value)
{
    uint64_t version = check_value(number, value);
    check(version >= actor->versions[number], "an older version than was seen before");
    actor->versions[number] = version;
}

/* -------------------------------------------------------------------- writers */

static void
write_one(struct actor *actor, uint32_t number, armdb_durability level)
{
    static _Thread_local unsigned char value[VALUE_MAX];
    armdb_collection *collection = actor->stress->collection;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    char text[KEY_BYTES + 1];
    armdb_slice key = make_key(number, text);
    options.durability = level;
    if (!is_stable(number) && actor->is_there[number] && test_rng_one_in(&actor->rng, 3)) {
        check(armdb_delete(collection, key, &options) == ARMDB_OK, "delete");
        actor->is_there[number] = false;
        return;
    }
    size_t len = make_value(actor, number, actor->versions[number] + 1, value);
    armdb_err err;
    if (test_rng_one_in(&actor->rng, 4)) {
        err = armdb_insert(collection, key, armdb_bytes(value, len), &options);
        check(err == (actor->is_there[number] ? ARMDB_EXISTS : ARMDB_OK), "insert");
        if (err == ARMDB_EXISTS)
            return;
    } else {
        err = armdb_put(collection, key, armdb_bytes(value, len), &options);
        check(err == ARMDB_OK, "put");
    }
    actor->versions[number]++;
    actor->is_there[number] = true;
}

/* What the writer finds of its own key. */
static void
check_own(struct actor *actor, uint32_t number)
{
    char text[KEY_BYTES + 1];
    armdb_value value;
    armdb_err err = armdb_get_value(actor->stress->collection, make_key(number, text), &value);
    check(err == (actor->is_there[number] ? ARMDB_OK : ARMDB_NOT_FOUND), "get of its own key");
    if (err == ARMDB_OK)
        check(check_value(number, armdb_value_bytes(&value)) == actor->versions[number],
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
    err = armdb_cursor_open(passing, NULL, &cursor);
    check(err == ARMDB_OK || err == ARMDB_NO_COLLECTION, "cursor on a passing collection");
    if (err != ARMDB_OK)
        return;
    do {
        err = armdb_cursor_next(cursor);
    } while (err == ARMDB_OK);
    check(err == ARMDB_END || err == ARMDB_NO_COLLECTION, "walk of a passing collection");
    armdb_cursor_close(cursor);
}

static void *
run_writer(void *context)
{
    static const armdb_durability levels[N_WRITERS] = {ARMDB_BUFFERED, ARMDB_WRITTEN,
                                                       ARMDB_BUFFERED};
    struct actor *actor = (struct actor *)context;
    uint64_t n_writes = (uint64_t)WRITES * test_scale();
    for (uint64_t i = 0; i < n_writes; i++) {
        uint32_t number = own_number(actor);
        bool is_synced = test_rng_one_in(&actor->rng, 200);
        write_one(actor, number, is_synced ? ARMDB_SYNCED : levels[actor->number]);
        if (i % 4 == 0)
            check_own(actor, number);
        if (i % 64 == 0)
            use_passing(actor);
    }
    atomic_fetch_sub(&actor->stress->n_writing, 1);
    return NULL;
}

/* --------------------------------------------------------------------- readers */

static void *
run_reader(void *context)
{
    static _Thread_local unsigned char buffer[VALUE_MAX];
    struct actor *actor = (struct actor *)context;
    armdb_collection *collection = actor->stress->collection;
    while (!is_over(actor->stress)) {
        uint32_t number = (uint32_t)test_rng_below(&actor->rng, N_KEYS);
        char text[KEY_BYTES + 1];
        armdb_slice key = make_key(number, text);
        armdb_value value;
        size_t len;
        bool found;
        armdb_err err = armdb_get_value(collection, key, &value);
        check(err == ARMDB_OK || (err == ARMDB_NOT_FOUND && !is_stable(number)), "get_value");
        if (err == ARMDB_OK)
            note_version(actor, number, armdb_value_bytes(&value));
        armdb_value_release(&value);
        err = armdb_get(collection, key, buffer, sizeof buffer, &len);
        check(err == ARMDB_OK || (err == ARMDB_NOT_FOUND && !is_stable(number)), "get");
        if (err == ARMDB_OK)
            note_version(actor, number, armdb_bytes(buffer, len));
        check(armdb_contains(collection, key, &found) == ARMDB_OK, "contains");
        check(found || !is_stable(number), "stable key not contained");
        if (test_rng_one_in(&actor->rng, 64))
            use_passing(actor);
    }
    return NULL;
}

/* One walk over everything. */
static void
walk(struct actor *actor, bool is_forward, bool keys_only)
{
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    armdb_cursor *cursor;
    uint32_t next_stable = is_forward ? 0 : N_KEYS - STABLE_EVERY;
    int64_t last = is_forward ? -1 : N_KEYS;
    unsigned stable_seen = 0;
    armdb_err err;
    options.keys_only = keys_only;
    check(armdb_cursor_open(actor->stress->collection, &options, &cursor) == ARMDB_OK, "cursor");
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
            note_version(actor, number, armdb_cursor_value(cursor));
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
        walk(actor, actor->number % 2 == 0, test_rng_one_in(&actor->rng, 3));
    } while (!is_over(actor->stress));
    return NULL;
}

/* --------------------------------------------------------------- housekeeping */

static void *
run_syncer(void *context)
{
    struct actor *actor = (struct actor *)context;
    armdb_db *db = actor->stress->db;
    while (!is_over(actor->stress)) {
        armdb_stats stats = {.struct_bytes = sizeof stats};
        armdb_shard_info info = {.struct_bytes = sizeof info};
        armdb_collection_info infos[3];
        size_t count;
        check((test_rng_one_in(&actor->rng, 10) ? armdb_sync(db) : armdb_flush(db)) == ARMDB_OK,
              "flush or sync");
        check(armdb_get_stats(db, &stats) == ARMDB_OK && stats.failed_shards == 0, "stats");
        check(stats.dead_bytes < stats.log_bytes, "more dead bytes than bytes");
        check(armdb_get_shard_info(db, 1, &info) == ARMDB_OK, "shard info");
        check(info.synced_sequence <= info.newest_sequence, "synced before it was written");
        check(armdb_collection_list(db, infos, 3, &count) == ARMDB_OK, "list");
        check(count == 1 || count == 2, "number of collections");
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
        options.order = round % 2 == 0 ? ARMDB_ASCENDING : ARMDB_DESCENDING;
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
    uint64_t count, expected = 0;
    for (uint32_t number = 0; number < N_KEYS; number++) {
        struct actor *owner = writers[number % N_WRITERS];
        struct actor looker = {.stress = stress};
        looker.versions[number] = owner->versions[number];
        looker.is_there[number] = owner->is_there[number];
        check_own(&looker, number);
        expected += owner->is_there[number];
    }
    assert_int_equal(armdb_count(stress->collection, &count), ARMDB_OK);
    assert_int_equal(count, expected);
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

static void
run_stress(const armdb_options *options)
{
    struct stress stress = {.n_writing = N_WRITERS};
    struct actor *writers[N_WRITERS];
    char *root = tmpdir_make();
    char path[400];
    snprintf(path, sizeof path, "%s/db", root);
    assert_int_equal(armdb_open(path, options, &stress.db), ARMDB_OK);
    stress.collection = armdb_default(stress.db);
    for (unsigned i = 0; i < N_WRITERS; i++)
        writers[i] = new_actor(&stress, i, i);
    for (uint32_t number = 0; number < N_KEYS; number += STABLE_EVERY) {
        /* A number without an owner among the writers is put once and stays. */
        write_one(writers[number % N_WRITERS], number, ARMDB_BUFFERED);
        writers[number % N_WRITERS]->is_there[number] = true;
    }
    run_actors(&stress, writers);
    expect_final_state(&stress, writers);
    assert_int_equal(armdb_close(stress.db), ARMDB_OK);
    assert_int_equal(armdb_verify(path, NULL, NULL, NULL), ARMDB_OK);
    assert_int_equal(armdb_open(path, options, &stress.db), ARMDB_OK);
    stress.collection = armdb_default(stress.db);
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
