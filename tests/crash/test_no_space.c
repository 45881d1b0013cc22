/*
 * test_no_space.c: a disk that runs full, at each durability level.
 *
 * A write is refused whole or kept: what was accepted needs no more space, so flush, sync and close
 * succeed on the full disk, and so does the next open. With room again, writes work again.
 */
#include <inttypes.h>
#include <stdio.h>

#include "sim/require.h"
#include "sim/workload.h"

enum { REFUSALS = 40 };

static struct {
    uint64_t disks;
    uint64_t writes;
    uint64_t refused;
    uint64_t refused_deletes;
    uint64_t opens;
} totals;

static uint32_t
draw_len(struct test_rng *rng)
{
    switch (test_rng_below(rng, 8)) {
    case 0:
        return 60000 + (uint32_t)test_rng_below(rng, 40000);
    case 1:
    case 2:
        return (uint32_t)test_rng_below(rng, 20000);
    default:
        return (uint32_t)test_rng_below(rng, 500);
    }
}

/* One write; whether it was refused for lack of space. */
static bool
try_write(struct workload *work, enum work_kind kind, armdb_durability level)
{
    uint32_t key = (uint32_t)test_rng_below(&work->rng, CONTRACT_KEYS);
    armdb_err err = workload_write(work, kind, 0, key, draw_len(&work->rng), level);
    REQUIRE(err == ARMDB_OK || err == ARMDB_NO_SPACE, "%s", armdb_err_name(err));
    contract_observe(work->contract, work->db);
    totals.writes++;
    if (err == ARMDB_OK)
        return false;
    totals.refused++;
    totals.refused_deletes += kind == WORK_DELETE;
    return true;
}

/* Writes until the disk has refused many. */
static void
fill(struct workload *work, armdb_durability level)
{
    int refusals = 0;
    for (int i = 0; refusals < REFUSALS; i++) {
        REQUIRE(i < 20000, "the disk does not get full");
        refusals += try_write(work, i % 9 == 8 ? WORK_DELETE : WORK_PUT, level);
    }
}

/* A full disk with a database on it is a database like any other, but for writes. */
static void
use_full(struct workload *work)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct collection *created;
    contract_check_live(work->contract, work->db);
    REQUIRE_OK(adb_db_flush(work->db));
    contract_promise_all(work->contract, ARMDB_WRITTEN);
    REQUIRE_OK(adb_db_sync(work->db));
    contract_promise_all(work->contract, ARMDB_SYNCED);
    options.key_bytes = 8;
    options.order = ARMDB_ASCENDING;
    armdb_err err = adb_collection_create(work->db, "late", &options, &created);
    REQUIRE(err == ARMDB_OK || err == ARMDB_NO_SPACE || err == ARMDB_EXISTS, "%s",
            armdb_err_name(err));
    if (err == ARMDB_OK) {
        work->opened[work->contract->collection_count] = created;
        contract_create(work->contract, "late", &options, created);
    }
    contract_check_live(work->contract, work->db);
}

/* What the full disk holds after an end of each kind. */
static void
end_full(const struct workload *full, enum contract_end end, enum sim_cut mode, uint64_t seed)
{
    struct workload work;
    struct sim *sim = sim_clone(full->sim);
    struct contract *contract = contract_copy(full->contract);
    require_context("disk of seed %" PRIu64 ", end %d, cut %d", full->plan.seed, (int)end,
                    (int)mode);
    if (end == CONTRACT_CUT)
        sim_power_cut_as(sim, mode, seed);
    sim_set_capacity(sim, sim_used_bytes(sim));
    workload_init(&work, sim, contract, &full->plan);
    work.options = full->options;
    work.next_stamp = full->next_stamp;
    work.may_fail = true;
    REQUIRE_OK(workload_open(&work, end));
    totals.opens++;
    for (int i = 0; i < 5; i++)
        try_write(&work, i == 2 ? WORK_DELETE : WORK_PUT, (armdb_durability)(1 + i % 3));
    REQUIRE_OK(workload_close(&work));
    contract_verify(contract, sim_os(sim), WORK_PATH);
    sim_set_capacity(sim, UINT64_MAX);
    REQUIRE_OK(workload_open(&work, CONTRACT_CLOSED));
    for (int i = 0; i < 5; i++)
        REQUIRE(!try_write(&work, WORK_PUT, ARMDB_SYNCED), "refused with room");
    workload_fini(&work);
    sim_free(sim);
    contract_free(contract);
}

static void
end_all_ways(const struct workload *full, uint64_t seed)
{
    end_full(full, CONTRACT_KILLED, SIM_CUT_KEEP, seed);
    end_full(full, CONTRACT_CUT, SIM_CUT_LOSE, seed);
    end_full(full, CONTRACT_CUT, SIM_CUT_PREFIX, seed);
    end_full(full, CONTRACT_CUT, SIM_CUT_SECTORS, seed);
}

static void
fill_disk(uint64_t seed, armdb_durability level)
{
    struct test_rng rng = test_rng_make(seed);
    struct work_plan plan = workload_plan(seed, 0);
    /* Values that fill a disk. */
    plan.default_collection = (armdb_collection_options)ARMDB_COLLECTION_OPTIONS_INIT;
    struct sim *sim = sim_new(seed);
    struct contract *contract = contract_new();
    struct workload work;
    require_context("disk of seed %" PRIu64 ", level %d", seed, (int)level);
    workload_init(&work, sim, contract, &plan);
    sim_set_capacity(sim, 200000 + test_rng_below(&rng, 1500000));
    work.may_fail = true;
    REQUIRE_OK(workload_open(&work, CONTRACT_CLOSED));
    for (int round = 0; round < 2; round++) {
        fill(&work, level);
        end_all_ways(&work, test_rng_next(&rng));
        use_full(&work);
        end_all_ways(&work, test_rng_next(&rng));
        sim_set_capacity(sim, sim_used_bytes(sim) + 300000);
        REQUIRE(!try_write(&work, WORK_PUT, level), "refused with room");
        contract_check_live(contract, work.db);
    }
    fill(&work, level);
    REQUIRE_OK(workload_close(&work));
    end_all_ways(&work, test_rng_next(&rng));
    workload_fini(&work);
    sim_free(sim);
    contract_free(contract);
    totals.disks++;
}

int
main(void)
{
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < require_rounds(60); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        fill_disk(test_rng_next(&rng), (armdb_durability)(1 + i % 3));
    }
    printf("%" PRIu64 " disks, %" PRIu64 " writes, %" PRIu64 " refused (%" PRIu64
           " deletes), %" PRIu64 " opened when full\n",
           totals.disks, totals.writes, totals.refused, totals.refused_deletes, totals.opens);
    return 0;
}
