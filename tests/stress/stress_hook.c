/*
 * Hooks under threads: writers of a collection whose hook keeps an index over its values in another
 * collection, which has a hook, too; beside them hooks of a third one come and go, and a thread
 * watches.
 *
 * Checked: each change is told once, those of a shard one at a time and in order, before its write
 * returns; a hook that was taken away is not called (its context is freed); at the end the index is
 * what a scan says, and after opening again it can be built from the keys that are there. The
 * watch has each change in order, or says how many it has lost.
 *
 * ARMDB_SEED chooses the random numbers (not the interleaving), ARMDB_TEST_SCALE makes it longer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <string.h>

#include "armdb/armdb.h"
#include "os/thread.h"
#include "stress/stress.h"
#include "support/seed.h"
#include "support/tmpdir.h"

enum { N_WRITERS = 4, N_KEYS = 32, N_VALUES = 8, N_SHARDS = 3, WRITES = 3000, ENTRY_BYTES = 3 };

/* A key has two bytes: its writer, its number; a value three: any, and a count of the writer's. */
struct entry {
    unsigned char bytes[ENTRY_BYTES]; /* of the index: a value's first byte, the key */
};

struct stress {
    armdb_db *db;
    armdb_collection *data, *index, *passing;
    /* Changed in hooks alone, of one shard each, without locks. */
    uint64_t newest[N_SHARDS];
    uint64_t told[N_SHARDS];
    uint32_t told_count[N_WRITERS][N_KEYS]; /* of the newest value told */
    bool told_there[N_WRITERS][N_KEYS];
    _Atomic(uint64_t) index_changes; /* made */
    _Atomic(uint64_t) index_told;
    _Atomic(unsigned) n_writing;
    _Atomic(bool) is_watching;
    uint64_t watched, lost; /* by run_watcher() */
};

struct writer {
    struct stress *stress;
    unsigned number;
    struct test_rng rng;
    struct adb_thread thread;
    uint64_t writes;
};

static struct entry
entry_of(armdb_slice value, armdb_slice key)
{
    struct entry entry = {{*(const unsigned char *)value.data}};
    memcpy(entry.bytes + 1, key.data, 2);
    return entry;
}

static void
change_index(struct stress *stress, armdb_slice value, armdb_slice key, bool is_there)
{
    struct entry entry = entry_of(value, key);
    armdb_slice slice = armdb_bytes(entry.bytes, sizeof entry.bytes);
    check((is_there ? armdb_put(stress->index, slice, armdb_str(""), NULL)
                    : armdb_delete(stress->index, slice, NULL)) == ARMDB_OK,
          "an entry of the index");
    atomic_fetch_add_explicit(&stress->index_changes, 1, memory_order_relaxed);
}

static uint32_t
count_in(armdb_slice value)
{
    const unsigned char *bytes = (const unsigned char *)value.data;
    return bytes[1] + 256u * bytes[2];
}

static void
on_data(void *context, const armdb_change *change)
{
    struct stress *stress = (struct stress *)context;
    const unsigned char *key = (const unsigned char *)change->key.data;
    check(change->sequence > stress->newest[change->shard], "order of a shard");
    stress->newest[change->shard] = change->sequence;
    stress->told[change->shard]++;
    check(change->had_value == stress->told_there[key[0]][key[1]], "each change is told");
    check(change->old_err == ARMDB_OK, "an old value");
    if (change->had_value) {
        check(count_in(change->old_value) == stress->told_count[key[0]][key[1]],
              "the old value is the one told before");
        change_index(stress, change->old_value, change->key, false);
    }
    stress->told_there[key[0]][key[1]] = change->kind == ARMDB_CHANGE_PUT;
    if (change->kind != ARMDB_CHANGE_PUT)
        return;
    stress->told_count[key[0]][key[1]] = count_in(change->value);
    change_index(stress, change->value, change->key, true);
}

static void
on_index(void *context, const armdb_change *change)
{
    struct stress *stress = (struct stress *)context;
    check(change->key.len == ENTRY_BYTES, "an entry");
    atomic_fetch_add_explicit(&stress->index_told, 1, memory_order_relaxed);
}

static void
write_once(struct writer *writer)
{
    struct stress *stress = writer->stress;
    unsigned number = (unsigned)test_rng_below(&writer->rng, N_KEYS);
    unsigned char key[2] = {(unsigned char)writer->number, (unsigned char)number};
    uint32_t count = (uint32_t)writer->writes % 65536;
    unsigned char value[200] = {(unsigned char)test_rng_below(&writer->rng, N_VALUES),
                                (unsigned char)count, (unsigned char)(count / 256)};
    size_t len = 3 + test_rng_below(&writer->rng, sizeof value - 3);
    armdb_slice slice = armdb_bytes(key, sizeof key);
    bool was_there = stress->told_there[writer->number][number];
    if (test_rng_one_in(&writer->rng, 4)) {
        armdb_err err = armdb_delete(stress->data, slice, NULL);
        check(err == (was_there ? ARMDB_OK : ARMDB_NOT_FOUND), "delete");
        check(!stress->told_there[writer->number][number], "told before it returned");
        writer->writes += was_there;
    } else {
        armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
        options.durability = test_rng_one_in(&writer->rng, 64) ? ARMDB_SYNCED : ARMDB_WRITTEN;
        check(armdb_put(stress->data, slice, armdb_bytes(value, len), &options) == ARMDB_OK, "put");
        check(stress->told_there[writer->number][number] &&
                  stress->told_count[writer->number][number] == count,
              "told before it returned");
        writer->writes++;
    }
    check(armdb_put(stress->passing, slice, armdb_bytes(value, len), NULL) == ARMDB_OK, "put");
}

static void *
run_writer(void *context)
{
    struct writer *writer = (struct writer *)context;
    unsigned writes = WRITES * test_scale() / (IS_SLOW ? 4 : 1);
    for (unsigned i = 0; i < writes; i++)
        write_once(writer);
    atomic_fetch_sub_explicit(&writer->stress->n_writing, 1, memory_order_relaxed);
    return NULL;
}

static void
on_passing(void *context, const armdb_change *change)
{
    ((uint64_t *)context)[change->shard] ^= change->sequence;
}

static armdb_err
on_passing_init(void *context, const armdb_change *pair)
{
    (void)context;
    return pair->key.len == 2 ? ARMDB_OK : ARMDB_CORRUPT;
}

/* Sets hooks with a context of their own, and frees that once they are gone. */
static void *
run_setter(void *context)
{
    struct stress *stress = (struct stress *)context;
    armdb_hook hook = ARMDB_HOOK_INIT;
    hook.on_change = on_passing;
    hook.on_init = on_passing_init;
    for (unsigned i = 0; atomic_load_explicit(&stress->n_writing, memory_order_relaxed) != 0; i++) {
        uint64_t *heard = (uint64_t *)calloc(N_SHARDS, sizeof *heard);
        check(heard != NULL, "memory");
        hook.context = heard;
        hook.wants_old = i % 2;
        hook.is_init_parallel = i / 2 % 2;
        check(armdb_hook_set(stress->passing, &hook) == ARMDB_OK, "set");
        check(armdb_hook_set(stress->passing, NULL) == ARMDB_OK, "take away");
        free(heard);
    }
    return NULL;
}

/* Is sometimes too slow for its small queue. */
static void *
run_watcher(void *context)
{
    struct stress *stress = (struct stress *)context;
    armdb_watch_options options = ARMDB_WATCH_OPTIONS_INIT;
    uint64_t newest[N_SHARDS] = {0};
    armdb_change change;
    armdb_watch *watch;
    armdb_err err;
    options.capacity_bytes = 4096;
    check(armdb_watch_open(stress->data, &options, &watch) == ARMDB_OK, "watch");
    atomic_store(&stress->is_watching, true);
    bool is_over = false;
    do { /* once more when all is written, for what is left */
        is_over = atomic_load(&stress->n_writing) == 0;
        while ((err = armdb_watch_next(watch, is_over ? 0 : 1, &change)) == ARMDB_OK) {
            if (change.kind == ARMDB_CHANGE_LOST) {
                stress->lost += change.lost;
                continue;
            }
            check(change.sequence > newest[change.shard], "order of a watch");
            newest[change.shard] = change.sequence;
            stress->watched++;
        }
        check(err == ARMDB_END, "watch");
    } while (!is_over);
    armdb_watch_close(watch);
    return NULL;
}

static armdb_collection *
collection_named(armdb_db *db, const char *name)
{
    armdb_collection *collection;
    armdb_err err = armdb_collection_open(db, name, NULL, &collection);
    if (err == ARMDB_NO_COLLECTION)
        err = armdb_collection_create(db, name, NULL, &collection);
    check(err == ARMDB_OK, "collection");
    return collection;
}

/* The index has an entry for each key, and no other. */
static void
compare(struct stress *stress, armdb_collection *index)
{
    armdb_cursor *cursor;
    uint64_t keys = 0, entries;
    bool is_there;
    check(armdb_cursor_open(stress->data, NULL, &cursor) == ARMDB_OK, "cursor");
    for (; armdb_cursor_next(cursor) == ARMDB_OK; keys++) {
        struct entry entry = entry_of(armdb_cursor_value(cursor), armdb_cursor_key(cursor));
        check(armdb_contains(index, armdb_bytes(entry.bytes, sizeof entry.bytes), &is_there) ==
                      ARMDB_OK &&
                  is_there,
              "an entry for each key");
    }
    armdb_cursor_close(cursor);
    check(armdb_count(index, &entries) == ARMDB_OK && entries == keys, "as many entries");
}

static armdb_err
rebuild(void *context, const armdb_change *pair)
{
    struct entry entry = entry_of(pair->value, pair->key);
    return armdb_put((armdb_collection *)context, armdb_bytes(entry.bytes, sizeof entry.bytes),
                     armdb_str(""), NULL);
}

static void
open_all(struct stress *stress, const char *path)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = N_SHARDS;
    options.max_file_bytes = 65536;
    options.write_buffer_bytes = 16384;
    check(armdb_open(path, &options, &stress->db) == ARMDB_OK, "open");
    stress->data = armdb_default(stress->db);
    stress->index = collection_named(stress->db, "index");
    stress->passing = collection_named(stress->db, "passing");
}

static void
set_hook(armdb_collection *collection, armdb_change_fn fn, struct stress *stress, uint32_t old)
{
    armdb_hook hook = ARMDB_HOOK_INIT;
    hook.on_change = fn;
    hook.context = stress;
    hook.wants_old = old;
    check(armdb_hook_set(collection, &hook) == ARMDB_OK, "set");
}

static void
run_threads(struct stress *stress)
{
    struct writer writers[N_WRITERS];
    struct adb_thread setter, watcher;
    uint64_t writes = 0, told = 0, seed = test_seed();
    atomic_init(&stress->n_writing, N_WRITERS);
    check(adb_thread_start(&watcher, run_watcher, stress) == ARMDB_OK, "start");
    while (!atomic_load(&stress->is_watching))
        sched_yield();
    for (unsigned i = 0; i < N_WRITERS; i++) {
        writers[i] = (struct writer){.stress = stress, .number = i, .rng = test_rng_fork(seed, i)};
        check(adb_thread_start(&writers[i].thread, run_writer, &writers[i]) == ARMDB_OK, "start");
    }
    check(adb_thread_start(&setter, run_setter, stress) == ARMDB_OK, "start");
    for (unsigned i = 0; i < N_WRITERS; i++) {
        adb_thread_join(&writers[i].thread);
        writes += writers[i].writes;
    }
    adb_thread_join(&setter);
    adb_thread_join(&watcher);
    for (unsigned i = 0; i < N_SHARDS; i++)
        told += stress->told[i];
    check(told == writes, "each change is told once");
    check(stress->watched + stress->lost == writes, "each change is watched, or lost");
    check(atomic_load(&stress->index_told) == atomic_load(&stress->index_changes),
          "each change of a hook is told once");
}

static void
test_stress_hook__writers__index_is_right(void **state)
{
    static struct stress stress;
    char *path = tmpdir_make();
    armdb_hook hook = ARMDB_HOOK_INIT;
    (void)state;
    open_all(&stress, path);
    set_hook(stress.data, on_data, &stress, 1);
    set_hook(stress.index, on_index, &stress, 0);
    run_threads(&stress);
    compare(&stress, stress.index);
    assert_int_equal(armdb_close(stress.db), ARMDB_OK);

    open_all(&stress, path);
    compare(&stress, stress.index);
    armdb_collection *rebuilt = collection_named(stress.db, "rebuilt");
    hook.on_init = rebuild;
    hook.context = rebuilt;
    hook.is_init_parallel = 1;
    assert_int_equal(armdb_hook_set(stress.data, &hook), ARMDB_OK);
    compare(&stress, rebuilt);
    assert_int_equal(armdb_close(stress.db), ARMDB_OK);
    tmpdir_remove(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stress_hook__writers__index_is_right)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
