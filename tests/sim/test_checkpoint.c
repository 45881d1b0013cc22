/*
 * test_checkpoint.c: the power is cut, or the process killed, at each change of the disk that a
 * checkpoint makes.
 *
 * For n = 1, 2, 3 ... a seeded workload runs, then a checkpoint with a cut at its n-th change,
 * until it ends without one. Each cut is tried in all modes of the simulator. The source must keep
 * its contract; the copy has all that was there, or is no database. What is whole is gone on from.
 */
#include <inttypes.h>
#include <stdio.h>

#include "sim/require.h"
#include "sim/workload.h"
#include "support/os_sim_private.h"

#define COPY_PATH "/copy"

enum { MODES = 7, STEPS = 60 };

static const enum sim_cut modes[MODES] = {SIM_CUT_LOSE,    SIM_CUT_KEEP,    SIM_CUT_PREFIX,
                                          SIM_CUT_SECTORS, SIM_CUT_SECTORS, SIM_CUT_ANY,
                                          SIM_CUT_ANY};

static struct {
    uint64_t checkpoints;
    uint64_t cuts;
    uint64_t kills;
    uint64_t copies; /* that were whole after a cut or kill */
} totals;

/* Whether there is a copy; it must be whole then, and take writes. */
static bool
check_copy(struct sim *sim, const struct contract *contract)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct db *db;
    bool is_closed;
    options.open_mode = ARMDB_OPEN_EXISTING;
    armdb_err err = adb_db_open(sim_os(sim), COPY_PATH, &options, &db);
    if (err == ARMDB_NO_DATABASE)
        return false;
    REQUIRE(err == ARMDB_OK, "the copy: %s", armdb_err_name(err));
    contract_check_live(contract, db);
    struct collection *made;
    REQUIRE_OK(adb_collection_create(db, "made in the copy", NULL, &made));
    REQUIRE_OK(adb_db_write(made, SHARD_PUT, armdb_str("k"), armdb_str("v"), NULL));
    REQUIRE_OK(adb_db_close(db, &is_closed));
    contract_verify(contract, sim_os(sim), COPY_PATH);
    return true;
}

/* One end of a disk on which a checkpoint was under way; `live` is what there was then. */
static void
end_and_check(struct sim *disk, const struct workload *work, const struct contract *live, int way)
{
    struct sim *sim = sim_clone(disk);
    struct contract *contract = contract_copy(live);
    struct workload after;
    enum contract_end end = way < MODES ? CONTRACT_CUT : CONTRACT_KILLED;
    if (end == CONTRACT_CUT) {
        sim_power_cut_as(sim, modes[way], work->plan.seed + (uint64_t)way);
        totals.cuts++;
    } else {
        sim_kill(sim);
        sim->is_off = false;
        totals.kills++;
    }
    totals.copies += check_copy(sim, live);
    workload_init(&after, sim, contract, &work->plan);
    after.options = work->options;
    after.next_stamp = work->next_stamp;
    REQUIRE_OK(workload_open(&after, end));
    REQUIRE_OK(workload_step(&after));
    workload_fini(&after);
    contract_free(contract);
    sim_free(sim);
}

/* Runs a plan, and a checkpoint up to its n-th change; whether it got so far. */
static bool
cut_at(const struct work_plan *plan, uint64_t n)
{
    struct workload work;
    struct sim *sim = sim_new(plan->seed);
    struct contract *contract = contract_new();
    const struct sim_fault fault = {.kind = SIM_FAULT_CUT, .fail_at = n, .ops = SIM_CHANGES};
    require_context("plan %" PRIu64 ", cut at change %" PRIu64, plan->seed, n);
    workload_init(&work, sim, contract, plan);
    REQUIRE_OK(workload_run(&work));
    sim_set_fault(sim, &fault);
    armdb_err err = adb_db_checkpoint(work.db, COPY_PATH);
    bool fired = sim_fault_fired(sim);
    REQUIRE(err == ARMDB_OK || fired, "%s without a cut", armdb_err_name(err));
    workload_fini(&work);
    for (int way = 0; way <= MODES; way++) {
        require_context("plan %" PRIu64 ", cut at change %" PRIu64 ", end %d", plan->seed, n, way);
        uint64_t copies = totals.copies;
        end_and_check(sim, &work, contract, way);
        REQUIRE(fired || totals.copies > copies, "a finished copy is gone");
    }
    contract_free(contract);
    sim_free(sim);
    totals.checkpoints++;
    return fired;
}

int
main(void)
{
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < require_rounds(12); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        struct work_plan plan = workload_plan(test_rng_next(&rng), STEPS);
        uint64_t n = 1;
        while (cut_at(&plan, n))
            n++;
    }
    printf("%" PRIu64 " checkpoints, %" PRIu64 " power cuts, %" PRIu64 " kills, %" PRIu64
           " whole copies\n",
           totals.checkpoints, totals.cuts, totals.kills, totals.copies);
    return 0;
}
