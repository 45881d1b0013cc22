/*
 * test_power_cut.c: the power is cut, or the process killed, at each change of the disk that a
 * seeded workload makes; and again at each change that the recovery makes.
 *
 * For n = 1, 2, 3 ... the workload runs with a cut at its n-th change, until it ends without one.
 * Each cut is tried in all modes of the simulator. What is there after the next open is held
 * against the contract; then the database goes on being used, is cut again, and so on.
 */
#include <inttypes.h>
#include <stdio.h>

#include "sim/require.h"
#include "sim/workload.h"
#include "support/os_sim_private.h"

enum { MODES = 9, AFTERLIFE_STEPS = 6 };

static const enum sim_cut modes[MODES] = {SIM_CUT_LOSE,    SIM_CUT_KEEP,    SIM_CUT_PREFIX,
                                          SIM_CUT_PREFIX,  SIM_CUT_SECTORS, SIM_CUT_SECTORS,
                                          SIM_CUT_SECTORS, SIM_CUT_ANY,     SIM_CUT_ANY};

static struct {
    uint64_t workloads;
    uint64_t steps;
    uint64_t cuts;
    uint64_t kills;
    uint64_t double_cuts;
} totals;

/* A disk at the moment of the cut, with what is promised of it. */
struct moment {
    struct sim *sim;
    struct contract *contract;
    struct work_plan plan;
    uint32_t next_stamp;
    armdb_options options;
};

static void
moment_free(struct moment *moment)
{
    sim_free(moment->sim);
    contract_free(moment->contract);
}

static struct moment
moment_copy(const struct moment *moment)
{
    struct moment copy = *moment;
    copy.sim = sim_clone(moment->sim);
    copy.contract = contract_copy(moment->contract);
    return copy;
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

static void
end_moment(struct moment *moment, enum contract_end end, enum sim_cut mode, uint64_t seed)
{
    if (end == CONTRACT_KILLED)
        kill_process(moment->sim);
    else
        sim_power_cut_as(moment->sim, mode, seed);
}

/* A workload that goes on where a moment is. */
static void
resume(struct workload *work, const struct moment *moment, uint64_t seed)
{
    struct work_plan plan = moment->plan;
    plan.seed = seed;
    workload_init(work, moment->sim, moment->contract, &plan);
    work->options = moment->options;
    work->next_stamp = moment->next_stamp;
}

static void
cut_at(struct sim *sim, uint64_t n)
{
    const struct sim_fault fault = {.kind = SIM_FAULT_CUT, .fail_at = n, .ops = SIM_CHANGES};
    sim_set_fault(sim, &fault);
}

/* ------------------------------------------------------------------ afterlife */

/* Short writes that are not synced, over what the end left behind. */
static void
write_shortly(struct workload *work)
{
    for (uint32_t i = 0; i < AFTERLIFE_STEPS; i++) {
        uint32_t key = (uint32_t)test_rng_below(&work->rng, CONTRACT_KEYS);
        armdb_durability level = i % 2 == 0 ? ARMDB_BUFFERED : ARMDB_WRITTEN;
        REQUIRE_OK(workload_write(work, i % 3 == 2 ? WORK_DELETE : WORK_PUT, 0, key,
                                  (uint32_t)test_rng_below(&work->rng, 30), level));
    }
    contract_observe(work->contract, work->db);
}

/* Opens what an end left, checks it, and lives on: writes, another end without a sync, and so on
 * until a clean close. */
static void
live_on(struct moment *moment, enum contract_end end, uint64_t seed)
{
    struct workload work;
    struct test_rng rng = test_rng_make(seed);
    contract_verify(moment->contract, sim_os(moment->sim), WORK_PATH);
    resume(&work, moment, seed);
    REQUIRE_OK(workload_open(&work, end));
    write_shortly(&work);
    adb_db_abandon(work.db);
    work.db = NULL;

    enum contract_end next = test_rng_one_in(&rng, 3) ? CONTRACT_KILLED : CONTRACT_CUT;
    end_moment(moment, next, modes[test_rng_below(&rng, MODES)], test_rng_next(&rng));
    REQUIRE_OK(workload_open(&work, next));
    for (uint32_t i = 0; i < AFTERLIFE_STEPS; i++)
        REQUIRE_OK(workload_step(&work));
    adb_db_abandon(work.db);
    work.db = NULL;

    end_moment(moment, CONTRACT_CUT, modes[test_rng_below(&rng, MODES)], test_rng_next(&rng));
    REQUIRE_OK(workload_open(&work, CONTRACT_CUT));
    write_shortly(&work);
    REQUIRE_OK(workload_close(&work));
    REQUIRE(sim_open_count(moment->sim) == 0, "%zu files are open", sim_open_count(moment->sim));
    sim_power_cut_as(moment->sim, SIM_CUT_LOSE, 0);
    contract_verify(moment->contract, sim_os(moment->sim), WORK_PATH);
    REQUIRE_OK(workload_open(&work, CONTRACT_CUT));
    workload_fini(&work);
}

/* Ends the recovery at each of its changes, and recovers again; `most` of them at most. */
static void
cut_recovery(const struct moment *moment, enum contract_end end, enum sim_cut mode, uint64_t seed)
{
    struct test_rng rng = test_rng_make(seed);
    bool fired = true;
    for (uint64_t m = 1; fired; m++) {
        struct workload work;
        struct moment copy = moment_copy(moment);
        end_moment(&copy, end, mode, seed);
        resume(&work, &copy, seed);
        work.may_fail = true;
        cut_at(copy.sim, m);
        armdb_err err = workload_open(&work, end);
        fired = sim_fault_fired(copy.sim);
        REQUIRE(fired || err == ARMDB_OK, "open: %s", armdb_err_name(err));
        if (fired) {
            workload_fini(&work);
            enum contract_end next = end == CONTRACT_KILLED && test_rng_one_in(&rng, 2)
                                         ? CONTRACT_KILLED
                                         : CONTRACT_CUT;
            end_moment(&copy, next, modes[test_rng_below(&rng, MODES)], test_rng_next(&rng));
            live_on(&copy, next, test_rng_next(&rng));
            totals.double_cuts++;
        } else {
            workload_fini(&work);
        }
        moment_free(&copy);
    }
}

/* ----------------------------------------------------------------------- cuts */

/* Tries all ends of a moment. */
static void
end_all_ways(const struct moment *moment, uint64_t n, bool cut_recoveries)
{
    struct test_rng rng = test_rng_fork(moment->plan.seed, n);
    for (int i = 0; i <= MODES; i++) {
        enum contract_end end = i < MODES ? CONTRACT_CUT : CONTRACT_KILLED;
        enum sim_cut mode = modes[i % MODES];
        uint64_t seed = test_rng_next(&rng);
        require_context("plan %" PRIu64 " of %u steps, %s %d at change %" PRIu64 ", seed %" PRIu64,
                        moment->plan.seed, moment->plan.steps,
                        end == CONTRACT_CUT ? "cut in mode" : "kill", (int)mode, n, seed);
        struct moment copy = moment_copy(moment);
        end_moment(&copy, end, mode, seed);
        live_on(&copy, end, seed);
        moment_free(&copy);
        if (end == CONTRACT_CUT)
            totals.cuts++;
        else
            totals.kills++;
        bool is_chosen = n % 2 == 0 ? i == MODES : i == (int)(n / 2 % MODES);
        if (cut_recoveries && is_chosen)
            cut_recovery(moment, end, mode, seed);
    }
}

/* Runs a plan up to its n-th change, and ends it there in all ways; whether it got so far. */
static bool
cut_plan_at(const struct work_plan *plan, uint64_t n, bool cut_recoveries)
{
    struct workload work;
    struct moment moment = {.sim = sim_new(plan->seed), .contract = contract_new(), .plan = *plan};
    require_context("plan %" PRIu64 " of %u steps, cut at change %" PRIu64, plan->seed, plan->steps,
                    n);
    if (plan->seed % 4 == 0)
        sim_set_sector_bytes(moment.sim, 4096);
    workload_init(&work, moment.sim, moment.contract, plan);
    work.may_fail = true;
    cut_at(moment.sim, n);
    armdb_err err = workload_run(&work);
    if (err == ARMDB_OK)
        err = workload_close(&work);
    bool fired = sim_fault_fired(moment.sim);
    REQUIRE(fired || err == ARMDB_OK, "%s without a cut", armdb_err_name(err));
    totals.steps += plan->steps;
    moment.next_stamp = work.next_stamp;
    moment.options = work.options;
    workload_fini(&work);
    if (fired) {
        end_all_ways(&moment, n, cut_recoveries);
    } else {
        sim_clear_fault(moment.sim);
        live_on(&moment, CONTRACT_CLOSED, plan->seed);
    }
    moment_free(&moment);
    return fired;
}

/* Each change of a short workload. */
static void
cut_everywhere(uint64_t seed)
{
    struct work_plan plan = workload_plan(seed, 25);
    uint64_t n = 1;
    while (cut_plan_at(&plan, n, true))
        n++;
    totals.workloads++;
}

/* Some changes of a long one. */
static void
cut_somewhere(uint64_t seed)
{
    struct test_rng rng = test_rng_make(seed);
    struct work_plan plan = workload_plan(seed, 250);
    for (int i = 0; i < 5; i++)
        cut_plan_at(&plan, 1 + test_rng_below(&rng, 800), false);
    totals.workloads++;
}

int
main(void)
{
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < require_rounds(12); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        cut_everywhere(test_rng_next(&rng));
        cut_somewhere(test_rng_next(&rng));
    }
    printf("%" PRIu64 " workloads, %" PRIu64 " steps, %" PRIu64 " power cuts, %" PRIu64
           " kills, %" PRIu64 " cuts or kills of a recovery\n",
           totals.workloads, totals.steps, totals.cuts, totals.kills, totals.double_cuts);
    return 0;
}
