/*
 * test_batches.c: the power is cut, or the process killed, at each change of the disk that a seeded
 * workload of batches, groups and single writes over several shards makes.
 *
 * Each write is of keys that no other has, so what is there afterwards tells everything: a batch,
 * or a group, is whole or not there at all; each shard has a front of its log; and all that was
 * promised is there. Then writing goes on, to another end, so that what was cut off would come back
 * if it could.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/db_batch.h"
#include "db/db_group.h"
#include "db/db_private.h"
#include "sim/require.h"
#include "support/os_sim_private.h"
#include "support/seed.h"

#define DB_PATH "/db"

enum { STEPS = 22, WRITES_MAX = 96, KEYS_MAX = 12, MODES = 6 };

static const enum sim_cut modes[MODES] = {SIM_CUT_LOSE,    SIM_CUT_KEEP,    SIM_CUT_PREFIX,
                                          SIM_CUT_SECTORS, SIM_CUT_SECTORS, SIM_CUT_ANY};

/* What a write promises, once it has returned. */
enum promise { NOTHING, SURVIVES_KILL, SURVIVES_CUT };

/* A batch, a group, or a single write: one key. */
struct entry {
    bool is_group; /* all keys belong to the shard of the first one */
    uint32_t n_keys;
    uint32_t value_len;
    bool is_over;    /* it has returned */
    bool is_refused; /* with an error after which it must not be there */
    enum promise promise;
};

struct history {
    struct entry entries[WRITES_MAX];
    uint32_t count;
};

static struct {
    uint64_t ends;
    uint64_t batches_lost;
    uint64_t batches_found;
    uint64_t groups;
} totals;

struct life {
    struct sim *sim;
    struct history *history;
    armdb_options options;
    struct test_rng rng;
    struct db *db;
};

static armdb_slice
key_of(const struct life *life, uint32_t entry, uint32_t number, char *room)
{
    const struct router *router = &life->db->router;
    const bool is_group = life->history->entries[entry].is_group;
    int len = snprintf(room, 32, "%02" PRIu32 "-00", entry);
    const uint32_t shard = adb_router_shard(router, (armdb_slice){room, (size_t)len});
    for (uint32_t i = 0;; i++) { /* the first with that number that belongs there */
        len = snprintf(room, 32, "%02" PRIu32 "-%02" PRIu32, entry, number + 100 * i);
        const armdb_slice key = {room, (size_t)len};
        if (!is_group || adb_router_shard(router, key) == shard)
            return key;
    }
}

/* -------------------------------------------------------------------- checking */

static bool
is_there(const struct life *life, uint32_t entry, uint32_t number, uint32_t value_len)
{
    struct collection *all = adb_db_default(life->db);
    char room[32];
    unsigned char value[8192];
    size_t len;
    armdb_err err = adb_db_get(all, key_of(life, entry, number, room), value, sizeof value, &len);
    if (err == ARMDB_NOT_FOUND)
        return false;
    REQUIRE(err == ARMDB_OK && len == value_len, "%s, %zu bytes", armdb_err_name(err), len);
    for (size_t i = 0; i < len; i++)
        REQUIRE(value[i] == (unsigned char)(entry + i), "another value");
    return true;
}

/* Takes what is there as what was written: the rest is gone for good. */
static void
check(struct life *life, enum promise kept)
{
    struct history *history = life->history;
    bool has_ended[ARMDB_SHARDS_MAX] = {false};
    char room[32];
    for (uint32_t i = 0; i < history->count; i++) {
        struct entry *entry = &history->entries[i];
        if (entry->n_keys == 0)
            continue;
        bool is_here = is_there(life, i, 0, entry->value_len);
        for (uint32_t k = 0; k < entry->n_keys; k++) {
            uint32_t shard = adb_router_shard(&life->db->router, key_of(life, i, k, room));
            REQUIRE(is_there(life, i, k, entry->value_len) == is_here,
                    "write %u of %u keys is there in part", i, entry->n_keys);
            REQUIRE(!is_here || !has_ended[shard], "write %u is there, an earlier one is not", i);
        }
        for (uint32_t k = 0; !is_here && !entry->is_refused && k < entry->n_keys; k++)
            has_ended[adb_router_shard(&life->db->router, key_of(life, i, k, room))] = true;
        REQUIRE(!is_here || !entry->is_refused, "write %u was refused, and is there", i);
        REQUIRE(is_here || entry->promise < kept, "write %u was promised, and is gone", i);
        totals.batches_lost += !is_here && entry->n_keys > 1;
        totals.batches_found += is_here && entry->n_keys > 1;
        if (is_here)
            entry->promise = SURVIVES_CUT;
        else
            entry->n_keys = 0;
    }
}

/* --------------------------------------------------------------------- writing */

static armdb_err
write_batch(struct life *life, uint32_t number, const struct entry *entry,
            const armdb_write_options *options)
{
    struct batch *batch;
    unsigned char value[8192];
    char room[32];
    size_t refused;
    for (size_t i = 0; i < entry->value_len; i++)
        value[i] = (unsigned char)(number + i);
    armdb_err err = adb_db_batch_new(life->db, &batch);
    for (uint32_t k = 0; err == ARMDB_OK && k < entry->n_keys; k++) {
        const struct batch_addition addition = {.collection = adb_db_default(life->db),
                                                .key = key_of(life, number, k, room),
                                                .is_write = true,
                                                .verb = SHARD_PUT,
                                                .condition = SHARD_ABSENT,
                                                .value = {value, entry->value_len}};
        err = adb_db_batch_add(batch, &addition);
    }
    if (err == ARMDB_OK)
        err = adb_db_batch_commit(batch, options, &refused);
    adb_db_batch_free(batch);
    return err;
}

/* What a group is to do. */
struct group_work {
    struct life *life;
    uint32_t number;
    const struct entry *entry;
    bool is_dropped; /* it says no at the end */
};

/* Each key gets another value first. */
static armdb_err
do_group(void *context, struct group *group)
{
    const struct group_work *work = (const struct group_work *)context;
    struct collection *all = adb_db_default(work->life->db);
    unsigned char value[8192], found[8192];
    char room[32];
    const armdb_slice bytes = {value, work->entry->value_len};
    for (size_t i = 0; i < work->entry->value_len; i++)
        value[i] = (unsigned char)(work->number + i);
    for (uint32_t k = 0; k < work->entry->n_keys; k++) {
        const armdb_slice key = key_of(work->life, work->number, k, room);
        armdb_read read = {.key = key, .buffer = found, .capacity = sizeof found};
        ADB_TRY(adb_db_group_write(group, all, SHARD_INSERT, key, armdb_str("other"), NULL));
        ADB_TRY(adb_db_group_write(group, all, SHARD_DELETE, key, armdb_str(""), NULL));
        ADB_TRY(adb_db_group_write(group, all, SHARD_PUT, key, bytes, NULL));
        ADB_TRY(adb_db_group_get(group, all, &read));
        REQUIRE(read.len == bytes.len && memcmp(found, value, read.len) == 0, "another value");
    }
    return work->is_dropped ? ARMDB_END : ARMDB_OK;
}

static armdb_err
write_group(struct life *life, uint32_t number, struct entry *entry,
            const armdb_write_options *options)
{
    char room[32];
    struct group_work work = {.life = life,
                              .number = number,
                              .entry = entry,
                              .is_dropped = test_rng_below(&life->rng, 6) == 0};
    const struct group_call call = {.collection = adb_db_default(life->db),
                                    .key = key_of(life, number, 0, room),
                                    .fn = do_group,
                                    .context = &work};
    armdb_err err = adb_db_group_run(&call, options);
    REQUIRE(work.is_dropped || err != ARMDB_END, "a group was dropped");
    REQUIRE(!work.is_dropped || err != ARMDB_OK, "a group was not dropped");
    totals.groups += err == ARMDB_OK;
    return err;
}

static armdb_err
write_one(struct life *life, uint32_t number, const struct entry *entry,
          const armdb_write_options *options)
{
    unsigned char value[8192];
    char room[32];
    for (size_t i = 0; i < entry->value_len; i++)
        value[i] = (unsigned char)(number + i);
    return adb_db_write(adb_db_default(life->db), SHARD_PUT, key_of(life, number, 0, room),
                        (armdb_slice){value, entry->value_len}, options);
}

static void
promise_all(struct life *life, enum promise promise)
{
    for (uint32_t i = 0; i < life->history->count; i++) {
        struct entry *entry = &life->history->entries[i];
        if (entry->is_over && !entry->is_refused && entry->promise < promise)
            entry->promise = promise;
    }
}

static armdb_err
step(struct life *life)
{
    struct history *history = life->history;
    struct test_rng *rng = &life->rng;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    uint32_t number = history->count;
    armdb_ticket ticket;
    uint64_t what = test_rng_below(rng, 20);
    if (what == 0) {
        ADB_TRY(adb_db_sync(life->db));
        promise_all(life, SURVIVES_CUT);
        return ARMDB_OK;
    }
    if (what == 1) {
        sim_advance_ns(life->sim, UINT64_C(3000000000));
        adb_db_step(life->db);
        return ARMDB_OK;
    }
    REQUIRE(number < WRITES_MAX, "too many writes");
    history->count++;
    struct entry *entry = &history->entries[number];
    entry->n_keys = what < 9 ? 1 : 2 + (uint32_t)test_rng_below(rng, KEYS_MAX - 1);
    entry->is_group = entry->n_keys > 1 && test_rng_below(rng, 3) == 0;
    entry->value_len = (uint32_t)test_rng_below(rng, test_rng_below(rng, 4) == 0 ? 5000 : 60);
    options.durability = (armdb_durability)(ARMDB_BUFFERED + test_rng_below(rng, 3));
    bool has_ticket = test_rng_below(rng, 4) == 0;
    options.ticket = has_ticket ? &ticket : NULL;
    armdb_err err = entry->n_keys == 1 ? write_one(life, number, entry, &options)
                    : entry->is_group  ? write_group(life, number, entry, &options)
                                       : write_batch(life, number, entry, &options);
    if (err == ARMDB_OK && has_ticket && options.durability == ARMDB_SYNCED &&
        test_rng_below(rng, 2) == 0)
        err = adb_db_ticket_wait(life->db, &ticket, 1);
    else if (has_ticket && options.durability == ARMDB_SYNCED)
        options.durability = ARMDB_BUFFERED; /* nothing is promised */
    entry->is_over = err == ARMDB_OK;
    entry->is_refused = err == ARMDB_NO_SPACE || err == ARMDB_NO_MEMORY || err == ARMDB_END;
    if (err == ARMDB_END) /* a group said no */
        return ARMDB_OK;
    if (entry->is_over && options.durability != ARMDB_BUFFERED)
        entry->promise = options.durability == ARMDB_SYNCED ? SURVIVES_CUT : SURVIVES_KILL;
    return err;
}

static armdb_err
open_life(struct life *life)
{
    return adb_db_open(sim_os(life->sim), DB_PATH, &life->options, &life->db);
}

/* Whatever it returned, it came too late. */
static void
forget_newest(struct history *history)
{
    struct entry *entry = &history->entries[history->count - 1];
    entry->promise = NOTHING;
    entry->is_over = false;
}

static armdb_err
run(struct life *life)
{
    for (int i = 0; i < STEPS; i++) {
        uint32_t count = life->history->count;
        armdb_err err = step(life);
        /* Stores into mapped memory have come to nothing, too. */
        if (err == ARMDB_OK && sim_fault_fired(life->sim))
            err = ARMDB_IO;
        if (err != ARMDB_OK) {
            if (count < life->history->count)
                forget_newest(life->history);
            return err;
        }
    }
    bool is_closed;
    struct db *db = life->db;
    life->db = NULL;
    ADB_TRY(adb_db_close(db, &is_closed));
    promise_all(life, SURVIVES_CUT);
    return ARMDB_OK;
}

/* ------------------------------------------------------------------------ ends */

/* What is there after an end; then a little more is written, to another end. */
static void
live_on(struct sim *sim, const struct history *history, const struct life *before,
        enum promise kept, uint64_t seed)
{
    struct history copy = *history;
    struct life life = {
        .sim = sim, .history = &copy, .options = before->options, .rng = test_rng_make(seed)};
    totals.ends++;
    REQUIRE_OK(open_life(&life));
    check(&life, kept);
    for (int i = 0; i < 4; i++)
        REQUIRE_OK(step(&life));
    adb_db_abandon(life.db);
    sim_kill(sim);
    REQUIRE_OK(open_life(&life));
    check(&life, SURVIVES_KILL);
    for (int i = 0; i < 3; i++)
        REQUIRE_OK(step(&life));
    adb_db_abandon(life.db);
    sim_power_cut_as(sim, SIM_CUT_SECTORS, seed);
    REQUIRE_OK(open_life(&life));
    check(&life, SURVIVES_CUT);
    bool is_closed;
    REQUIRE_OK(adb_db_close(life.db, &is_closed));
}

/* Cuts the recovery, too, at one of its changes. */
static void
end_twice(struct sim *sim, const struct history *history, const struct life *before, uint64_t seed)
{
    struct life life = {.sim = sim, .options = before->options};
    const struct sim_fault fault = {
        .kind = SIM_FAULT_CUT, .fail_at = 1 + seed % 40, .ops = SIM_CHANGES};
    sim_set_fault(sim, &fault);
    if (open_life(&life) == ARMDB_OK)
        adb_db_abandon(life.db);
    sim_power_cut_as(sim, modes[seed % MODES], seed);
    struct history copy = *history;
    live_on(sim, &copy, before, SURVIVES_CUT, seed);
}

/* The process is gone, the system lives on with all that was handed to it. */
static void
kill_process(struct sim *sim)
{
    sim_kill(sim);
    adb_mutex_lock(&sim->lock);
    sim->is_off = false;
    sim->fault_left = 0;
    adb_mutex_unlock(&sim->lock);
}

static bool
cut_at(uint64_t seed, uint64_t n)
{
    struct history history = {.count = 0};
    struct life life = {.sim = sim_new(seed), .history = &history, .rng = test_rng_make(seed)};
    require_context("seed %" PRIu64 ", cut at change %" PRIu64, seed, n);
    sim_set_can_map(life.sim, seed % 3 != 0);
    life.options = (armdb_options)ARMDB_OPTIONS_INIT;
    life.options.shards = 2 + (uint32_t)(seed / 8 % 3);
    life.options.max_file_bytes = 65536;
    life.options.write_buffer_bytes = 16384;
    REQUIRE_OK(open_life(&life));
    const struct sim_fault fault = {.kind = SIM_FAULT_CUT, .fail_at = n, .ops = SIM_CHANGES};
    sim_set_fault(life.sim, &fault);
    armdb_err err = run(&life);
    bool has_fired = sim_fault_fired(life.sim);
    REQUIRE(has_fired || err == ARMDB_OK, "%s without a cut", armdb_err_name(err));
    if (life.db != NULL)
        adb_db_abandon(life.db);
    for (uint64_t mode = 0; has_fired && mode < MODES; mode++) {
        struct sim *sim = sim_clone(life.sim);
        sim_power_cut_as(sim, modes[mode], seed + mode);
        if ((n + mode) % 4 == 0)
            end_twice(sim, &history, &life, seed + n + mode);
        else
            live_on(sim, &history, &life, SURVIVES_CUT, seed + n + mode);
        sim_free(sim);
    }
    if (has_fired) {
        struct sim *sim = sim_clone(life.sim);
        kill_process(sim);
        live_on(sim, &history, &life, SURVIVES_KILL, seed + n);
        sim_free(sim);
    } else {
        sim_clear_fault(life.sim);
        live_on(life.sim, &history, &life, SURVIVES_CUT, seed);
    }
    sim_free(life.sim);
    return has_fired;
}

int
main(void)
{
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < require_rounds(2); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        uint64_t of_round = test_rng_next(&rng) >> 8;
        uint64_t n = 1;
        while (cut_at(of_round, n))
            n++;
    }
    printf("%" PRIu64 " ends, batches: %" PRIu64 " found, %" PRIu64 " lost; groups: %" PRIu64 "\n",
           totals.ends, totals.batches_found, totals.batches_lost, totals.groups);
    REQUIRE(totals.batches_found > 0 && totals.batches_lost > 0 && totals.groups > 0,
            "nothing was tried");
    return 0;
}
