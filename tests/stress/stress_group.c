/*
 * stress_group.c: groups by several threads on few accounts, beside single writes, batches over
 * several shards and syncs, in files so small that shards go on in new ones all the time.
 *
 * Each group moves an amount from one account to another of its shard, or says no when there is not
 * enough; now and then it says no for nothing. What all accounts of a shard have together stays the
 * same, also for groups that look, and after the database is opened anew; none is ever below 0.
 */
#include <inttypes.h>

#include "armdb/armdb.h"
#include "os/thread.h"
#include "stress/stress.h"
#include "support/seed.h"
#include "support/tmpdir.h"

enum { THREADS = 4, CUSTOMERS = 5, ACCOUNTS = 6, START = 1000 };

struct worker {
    struct adb_thread thread;
    armdb_db *db;
    armdb_collection *numbers;
    uint64_t seed;
    uint64_t moved;
    uint64_t refused;
};

static uint32_t rounds;

/* The account of a customer, whose accounts are all in one shard. */
static armdb_slice
account(uint32_t customer, uint32_t number, unsigned char *room)
{
    memset(room, 0, 8);
    room[3] = (unsigned char)customer;
    room[7] = (unsigned char)number;
    return armdb_bytes(room, 8);
}

struct transfer {
    armdb_collection *numbers;
    uint32_t customer, from, to;
    int64_t amount;
    bool is_refused; /* for nothing */
};

static armdb_err
move(void *context, armdb_group *group)
{
    const struct transfer *transfer = (const struct transfer *)context;
    unsigned char from[8], to[8];
    int64_t left, sum;
    (void)account(transfer->customer, transfer->from, from);
    armdb_err err = armdb_group_add(group, transfer->numbers,
                                    account(transfer->customer, transfer->to, to), transfer->amount,
                                    &sum);
    check(err == ARMDB_OK, "an addition in a group");
    err = armdb_group_add(group, transfer->numbers, armdb_bytes(from, 8), -transfer->amount, &left);
    check(err == ARMDB_OK, "a subtraction in a group");
    return left < 0 ? ARMDB_OVERFLOW : transfer->is_refused ? ARMDB_END : ARMDB_OK;
}

/* What all accounts of a customer have. */
static armdb_err
look(void *context, armdb_group *group)
{
    const struct transfer *transfer = (const struct transfer *)context;
    unsigned char room[8];
    int64_t total = 0;
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        int64_t has;
        size_t len;
        armdb_err err = armdb_group_get(
            group, transfer->numbers, account(transfer->customer, i, room), &has, sizeof has, &len);
        check(err == ARMDB_OK && len == sizeof has, "a read in a group");
        check(has >= 0, "an account is below 0");
        total += has;
    }
    check(total == (int64_t)ACCOUNTS * START, "the sum has changed");
    return ARMDB_OK;
}

static void
run_one(struct worker *worker, struct test_rng *rng)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    unsigned char room[8];
    struct transfer transfer = {.numbers = worker->numbers,
                                .customer = (uint32_t)test_rng_below(rng, CUSTOMERS),
                                .from = (uint32_t)test_rng_below(rng, ACCOUNTS),
                                .to = (uint32_t)test_rng_below(rng, ACCOUNTS),
                                .amount = (int64_t)test_rng_below(rng, 600),
                                .is_refused = test_rng_below(rng, 10) == 0};
    const bool only_looks = test_rng_below(rng, 8) == 0;
    options.durability = test_rng_below(rng, 8) == 0 ? ARMDB_SYNCED : ARMDB_WRITTEN;
    armdb_err err = armdb_group_run(worker->numbers, account(transfer.customer, 0, room),
                                    only_looks ? look : move, &transfer, &options);
    check(err == ARMDB_OK || err == ARMDB_OVERFLOW || err == ARMDB_END, "a group");
    worker->moved += err == ARMDB_OK;
    worker->refused += err != ARMDB_OK;
}

/* Fills files, and binds shards. */
static void
write_others(struct worker *worker, struct test_rng *rng)
{
    static const char value[1000] = {0};
    armdb_collection *all = armdb_default(worker->db);
    char key[32];
    armdb_batch *batch;
    snprintf(key, sizeof key, "%u other", (unsigned)test_rng_below(rng, 200));
    check(armdb_put(all, armdb_str(key), armdb_bytes(value, sizeof value), NULL) == ARMDB_OK,
          "a put");
    if (test_rng_below(rng, 4) != 0)
        return;
    check(armdb_batch_new(worker->db, &batch) == ARMDB_OK, "a new batch");
    for (uint32_t i = 0; i < 6; i++) {
        snprintf(key, sizeof key, "%u batch", (unsigned)i);
        check(armdb_batch_put(batch, all, armdb_str(key), armdb_bytes(value, 100), NULL) ==
                  ARMDB_OK,
              "a put to a batch");
    }
    check(armdb_commit(batch, NULL, NULL) == ARMDB_OK, "a commit");
    armdb_batch_free(batch);
}

static void *
work(void *context)
{
    struct worker *worker = (struct worker *)context;
    struct test_rng rng = test_rng_make(worker->seed);
    for (uint32_t i = 0; i < rounds; i++) {
        run_one(worker, &rng);
        write_others(worker, &rng);
        if (test_rng_below(&rng, 100) == 0)
            check(armdb_sync(worker->db) == ARMDB_OK, "a sync");
    }
    return NULL;
}

static void
look_at_all(armdb_collection *numbers)
{
    unsigned char room[8];
    for (uint32_t i = 0; i < CUSTOMERS; i++) {
        struct transfer transfer = {.numbers = numbers, .customer = i};
        check(armdb_group_run(numbers, account(i, 0, room), look, &transfer, NULL) == ARMDB_OK,
              "a last look");
    }
}

int
main(void)
{
    uint64_t seed = test_seed();
    struct worker workers[THREADS] = {{.moved = 0}};
    armdb_options options = ARMDB_OPTIONS_INIT;
    armdb_collection_options kind = ARMDB_COLLECTION_OPTIONS_INIT;
    char *directory = tmpdir_make();
    armdb_db *db;
    armdb_collection *numbers;
    unsigned char room[8];
    uint64_t moved = 0, refused = 0;
    rounds = IS_SLOW ? 200 : 1500;
    options.shards = 3;
    options.shard_prefix_bits = 32;
    options.max_file_bytes = 65536;
    options.write_buffer_bytes = 16384;
    kind.key_bytes = 8;
    kind.value_bytes = 8;
    check(armdb_open(directory, &options, &db) == ARMDB_OK, "open");
    check(armdb_collection_create(db, "numbers", &kind, &numbers) == ARMDB_OK, "create");
    for (uint32_t i = 0; i < CUSTOMERS * ACCOUNTS; i++)
        check(armdb_add(numbers, account(i / ACCOUNTS, i % ACCOUNTS, room), START, NULL, NULL) ==
                  ARMDB_OK,
              "the first amount");
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].db = db;
        workers[i].numbers = numbers;
        workers[i].seed = seed + i;
        check(adb_thread_start(&workers[i].thread, work, &workers[i]) == ARMDB_OK, "a thread");
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        adb_thread_join(&workers[i].thread);
        moved += workers[i].moved;
        refused += workers[i].refused;
    }
    look_at_all(numbers);
    check(armdb_close(db) == ARMDB_OK, "close");
    check(armdb_open(directory, &options, &db) == ARMDB_OK, "open again");
    check(armdb_collection_open(db, "numbers", NULL, &numbers) == ARMDB_OK, "open numbers");
    look_at_all(numbers);
    check(armdb_close(db) == ARMDB_OK, "close again");
    tmpdir_remove(directory);
    printf("%" PRIu64 " groups done, %" PRIu64 " refused\n", moved, refused);
    check(moved > 0 && refused > 0, "nothing was tried");
    return 0;
}
