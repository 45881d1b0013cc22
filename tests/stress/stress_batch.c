/*
 * stress_batch.c: batches, single writes and syncs by several threads, in files so small that bound
 * shards are full all the time.
 *
 * Each batch moves an amount from one account to another, on condition that both still have what
 * was read. What all of them have together stays the same, also after the database is opened anew.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "armdb/armdb.h"
#include "base/assert.h"
#include "os/thread.h"
#include "support/seed.h"
#include "support/tmpdir.h"

enum { THREADS = 4, ACCOUNTS = 24, START = 1000 };

struct worker {
    struct adb_thread thread;
    armdb_db *db;
    uint64_t seed;
    uint64_t moves;
    uint64_t lost; /* somebody else was faster */
};

static uint64_t moves_wanted;

static armdb_slice
account(uint32_t number, char *room)
{
    snprintf(room, 32, "account %02" PRIu32, number);
    return armdb_str(room);
}

/* What an account has, as its value: padded, so that files fill soon. */
static armdb_slice
amount(int64_t value, char *room)
{
    memset(room, ' ', 400);
    snprintf(room, 32, "%" PRId64, value);
    return armdb_bytes(room, 400);
}

static void
move(struct worker *worker, struct test_rng *rng)
{
    armdb_collection *all = armdb_default(worker->db);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    uint32_t from = (uint32_t)test_rng_below(rng, ACCOUNTS);
    uint32_t to = (from + 1 + (uint32_t)test_rng_below(rng, ACCOUNTS - 1)) % ACCOUNTS;
    char from_key[32], to_key[32], had[400], has[400], value[400];
    size_t len;
    armdb_batch *batch;
    ADB_ASSERT(armdb_get(all, account(from, from_key), had, sizeof had, &len) == ARMDB_OK);
    ADB_ASSERT(armdb_get(all, account(to, to_key), has, sizeof has, &len) == ARMDB_OK);
    ADB_ASSERT(armdb_batch_new(worker->db, &batch) == ARMDB_OK);
    armdb_err err = armdb_batch_require_value(batch, all, armdb_str(from_key),
                                              armdb_bytes(had, sizeof had));
    ADB_ASSERT(err == ARMDB_OK);
    err = armdb_batch_require_value(batch, all, armdb_str(to_key), armdb_bytes(has, sizeof has));
    ADB_ASSERT(err == ARMDB_OK);
    int64_t moved = (int64_t)test_rng_below(rng, 50);
    err = armdb_batch_put(batch, all, armdb_str(from_key),
                          amount(strtoll(had, NULL, 10) - moved, value), NULL);
    ADB_ASSERT(err == ARMDB_OK);
    err = armdb_batch_put(batch, all, armdb_str(to_key),
                          amount(strtoll(has, NULL, 10) + moved, value), NULL);
    ADB_ASSERT(err == ARMDB_OK);
    options.durability = test_rng_below(rng, 8) == 0 ? ARMDB_SYNCED : ARMDB_WRITTEN;
    err = armdb_commit(batch, &options, NULL);
    ADB_ASSERT(err == ARMDB_OK || err == ARMDB_CHANGED);
    worker->moves += err == ARMDB_OK;
    worker->lost += err == ARMDB_CHANGED;
    armdb_batch_free(batch);
}

static void *
work(void *context)
{
    struct worker *worker = (struct worker *)context;
    struct test_rng rng = test_rng_make(worker->seed);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    char value[1000] = {0};
    while (worker->moves < moves_wanted) {
        char key[32];
        move(worker, &rng);
        options.durability = test_rng_below(&rng, 8) == 0 ? ARMDB_SYNCED : ARMDB_WRITTEN;
        snprintf(key, sizeof key, "other %u", (unsigned)test_rng_below(&rng, 200));
        ADB_ASSERT(armdb_put(armdb_default(worker->db), armdb_str(key),
                             armdb_bytes(value, sizeof value), &options) == ARMDB_OK);
        if (test_rng_below(&rng, 50) == 0)
            ADB_ASSERT(armdb_sync(worker->db) == ARMDB_OK);
    }
    return NULL;
}

static void
check_sum(armdb_db *db)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        char key[32], value[400];
        size_t len;
        armdb_err err = armdb_get(armdb_default(db), account(i, key), value, sizeof value, &len);
        ADB_ASSERT(err == ARMDB_OK && len == sizeof value);
        sum += strtoll(value, NULL, 10);
    }
    ADB_ASSERT(sum == (int64_t)ACCOUNTS * START);
}

int
main(void)
{
    uint64_t seed = test_seed();
    struct worker workers[THREADS] = {{.moves = 0}};
    armdb_options options = ARMDB_OPTIONS_INIT;
    char *directory = tmpdir_make();
    armdb_db *db;
    uint64_t lost = 0;
    moves_wanted = 400;
    options.shards = 3;
    options.max_file_bytes = 65536;
    options.write_buffer_bytes = 16384;
    ADB_ASSERT(armdb_open(directory, &options, &db) == ARMDB_OK);
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        char key[32], value[400];
        armdb_err err = armdb_put(armdb_default(db), account(i, key), amount(START, value), NULL);
        ADB_ASSERT(err == ARMDB_OK);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].db = db;
        workers[i].seed = seed + i;
        ADB_ASSERT(adb_thread_start(&workers[i].thread, work, &workers[i]) == ARMDB_OK);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        adb_thread_join(&workers[i].thread);
        lost += workers[i].lost;
    }
    check_sum(db);
    ADB_ASSERT(armdb_close(db) == ARMDB_OK);
    ADB_ASSERT(armdb_open(directory, &options, &db) == ARMDB_OK);
    check_sum(db);
    ADB_ASSERT(armdb_close(db) == ARMDB_OK);
    tmpdir_remove(directory);
    printf("%" PRIu64 " batches, %" PRIu64 " lost\n", THREADS * moves_wanted, lost);
    return 0;
}
