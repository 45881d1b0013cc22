/*
 * Objects under threads: writers put and delete, by bytes and by objects; readers pin; compaction
 * runs in the background; a codec is given to a collection that is being written to.
 *
 * Each key has one writer, which writes numbers that grow. Checked of each object that is pinned:
 * it is of its key, not freed, and not older than what was written before the call began; and so
 * again some pins later, when it has long been replaced. At the end there are as many objects as
 * keys, and none once the database is closed.
 *
 * ARMDB_TEST_SCALE makes it longer.
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
#include "support/thing.h"
#include "support/tmpdir.h"

enum {
    N_WRITERS = 2,
    N_READERS = 2,
    N_KEYS = 64, /* of each writer */
    N_PINS = 16, /* that a reader holds */
    N_WRITES = IS_SLOW ? 4000 : 25000
};

struct stress {
    armdb_db *db;
    armdb_collection *things[2]; /* with a codec from the start; with one that comes later */
    struct thing_world world;
    _Atomic(unsigned) writers_left;
    /* of each key, the newest number whose put has returned; 0: none, or it was deleted */
    _Atomic(uint64_t) newest[2][N_WRITERS * N_KEYS];
};

struct worker {
    struct stress *stress;
    unsigned number;
    struct adb_thread thread;
};

static armdb_slice
make_key(unsigned key, char room[16])
{
    int len = snprintf(room, 16, "key%03u", key);
    return armdb_bytes(room, (size_t)len);
}

static void
write_one(struct stress *stress, unsigned which, unsigned key, uint64_t n)
{
    char room[16], text[128];
    armdb_collection *things = stress->things[which];
    const armdb_slice slice = make_key(key, room);
    int len = snprintf(text, sizeof text, "%03u %llu %*s", key, (unsigned long long)n,
                       (int)(n % 80), "");
    if (n % 11 == 0) {
        atomic_store(&stress->newest[which][key], 0);
        armdb_err err = armdb_delete(things, slice, NULL);
        check(err == ARMDB_OK || err == ARMDB_NOT_FOUND, "delete");
        return;
    }
    armdb_err err = ARMDB_UNSUPPORTED;
    if (n % 2 == 0) {
        struct thing *thing = thing_new(&stress->world, text, (size_t)len);
        err = armdb_object_put(things, slice, thing, NULL);
        if (err == ARMDB_UNSUPPORTED)
            thing_free(&stress->world, thing);
    }
    if (err == ARMDB_UNSUPPORTED)
        err = armdb_put(things, slice, armdb_bytes(text, (size_t)len), NULL);
    check(err == ARMDB_OK, "put");
    atomic_store(&stress->newest[which][key], n);
}

static void *
run_writer(void *context)
{
    struct worker *worker = (struct worker *)context;
    struct stress *stress = worker->stress;
    for (uint64_t n = 1; n <= N_WRITES * test_scale(); n++) {
        unsigned key = worker->number * N_KEYS + (unsigned)(n * 7 % N_KEYS);
        write_one(stress, (unsigned)(n / 3 % 2), key, n);
    }
    atomic_fetch_sub(&stress->writers_left, 1);
    return NULL;
}

static uint64_t
check_object(const armdb_object *object, unsigned key)
{
    const struct thing *thing = (const struct thing *)object->object;
    char *end;
    check(thing->alive == THING_ALIVE, "a pinned object was freed");
    check(strtoul(thing->text, &end, 10) == key, "an object of another key");
    return strtoull(end, NULL, 10);
}

static void *
run_reader(void *context)
{
    struct worker *worker = (struct worker *)context;
    struct stress *stress = worker->stress;
    struct test_rng rng = test_rng_fork(test_seed(), worker->number);
    armdb_object pins[N_PINS] = {{NULL, NULL}};
    unsigned keys[N_PINS] = {0};
    for (unsigned i = 0; atomic_load(&stress->writers_left) > 0; i = (i + 1) % N_PINS) {
        char room[16];
        unsigned which = (unsigned)test_rng_below(&rng, 2);
        if (pins[i].object != NULL)
            (void)check_object(&pins[i], keys[i]);
        armdb_object_release(&pins[i]);
        keys[i] = (unsigned)test_rng_below(&rng, N_WRITERS * N_KEYS);
        uint64_t newest = atomic_load(&stress->newest[which][keys[i]]);
        armdb_err err = armdb_object_get(stress->things[which], make_key(keys[i], room), &pins[i]);
        if (err == ARMDB_OK)
            check(check_object(&pins[i], keys[i]) >= newest, "an old object");
        else
            check(err == ARMDB_NOT_FOUND || (err == ARMDB_UNSUPPORTED && which == 1), "get");
    }
    for (unsigned i = 0; i < N_PINS; i++)
        armdb_object_release(&pins[i]);
    return NULL;
}

static void
start(struct stress *stress, struct worker *workers)
{
    for (unsigned i = 0; i < N_WRITERS + N_READERS; i++) {
        workers[i] = (struct worker){.stress = stress, .number = i};
        assert_int_equal(adb_thread_start(&workers[i].thread,
                                          i < N_WRITERS ? run_writer : run_reader, &workers[i]),
                         ARMDB_OK);
    }
}

/* All keys have objects, and the newest ones. */
static void
check_all(struct stress *stress)
{
    uint64_t keys[2];
    armdb_stats stats = {.struct_bytes = sizeof stats};
    uint64_t decoded = stress->world.decoded;
    for (unsigned which = 0; which < 2; which++) {
        for (unsigned key = 0; key < N_WRITERS * N_KEYS; key++) {
            char room[16];
            armdb_object object;
            uint64_t newest = stress->newest[which][key];
            armdb_err err = armdb_object_get(stress->things[which], make_key(key, room), &object);
            assert_int_equal(err, newest != 0 ? ARMDB_OK : ARMDB_NOT_FOUND);
            if (newest != 0)
                assert_true(check_object(&object, key) == newest);
            armdb_object_release(&object);
        }
        assert_int_equal(armdb_count(stress->things[which], &keys[which]), ARMDB_OK);
    }
    assert_true(stress->world.decoded - decoded <= N_WRITERS); /* who wrote when the codec came */
    assert_int_equal(armdb_get_stats(stress->db, &stats), ARMDB_OK);
    assert_true(stats.objects >= keys[0] + keys[1]);
    assert_true(stats.objects >= stress->world.things); /* some may just have been freed */
}

static void
stress_object__readers_writers_and_a_late_codec__meet_whole_objects(void **state)
{
    (void)state;
    static struct stress stress;
    struct worker workers[N_WRITERS + N_READERS];
    armdb_options options = ARMDB_OPTIONS_INIT;
    char *root = tmpdir_make();
    armdb_collection *same;
    const armdb_codec codec = thing_codec(&stress.world);
    armdb_collection_options with = thing_options(&codec, ARMDB_ASCENDING);
    armdb_collection_options without = thing_options(NULL, ARMDB_UNORDERED);
    options.shards = 2;
    options.max_file_bytes = 256 * 1024;
    assert_int_equal(armdb_open(root, &options, &stress.db), ARMDB_OK);
    assert_int_equal(armdb_collection_create(stress.db, "a", &with, &stress.things[0]), ARMDB_OK);
    assert_int_equal(armdb_collection_create(stress.db, "b", &without, &stress.things[1]),
                     ARMDB_OK);
    atomic_store(&stress.writers_left, N_WRITERS);
    start(&stress, workers);
    while (atomic_load(&stress.newest[1][1]) == 0 && atomic_load(&stress.writers_left) > 0)
        adb_thread_relax();
    with.order = ARMDB_UNORDERED;
    assert_int_equal(armdb_collection_open(stress.db, "b", &with, &same), ARMDB_OK);
    assert_ptr_equal(same, stress.things[1]);
    for (unsigned i = 0; i < N_WRITERS + N_READERS; i++)
        adb_thread_join(&workers[i].thread);
    check_all(&stress);
    assert_int_equal(armdb_close(stress.db), ARMDB_OK);
    assert_int_equal(stress.world.things, 0);
    tmpdir_remove(root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stress_object__readers_writers_and_a_late_codec__meet_whole_objects),
    };
    return cmocka_run_group_tests_name("stress/object", tests, NULL, NULL);
}
