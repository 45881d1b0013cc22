/*
 * test_faults.c: the n-th operation of the system fails, for n = 1, 2, 3 ... until none is left,
 * once and from then on, in each way that the simulator knows; and the n-th allocation likewise.
 *
 * A seeded workload runs through it all: an error must be returned and recorded, nothing wrong may
 * be read, only the shard concerned may stop taking writes. Afterwards the database is ended in
 * each way and opened without faults, and held against the contract.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sim/require.h"
#include "sim/workload.h"

/** One way to fail. */
struct fault_case {
    const char *name;
    enum sim_fault_kind kind;
    uint32_t ops;
    bool strikes_reads; /* what the test looks at could fail too */
    bool strikes_syncs;
    uint32_t tries; /* for each operation: how much of it comes through is drawn anew */
};

static const struct fault_case cases[] = {
    {"error of a change", SIM_FAULT_ERROR, SIM_CHANGES & ~SIM_SYNCS, false, false, 1},
    {"error of a read", SIM_FAULT_ERROR, SIM_ALL & ~SIM_CHANGES, true, false, 1},
    {"short write", SIM_FAULT_SHORT_WRITE, 0, false, false, 2},
    {"no space", SIM_FAULT_NO_SPACE, SIM_ALL & ~SIM_SYNCS, false, false, 1},
    {"no space to write", SIM_FAULT_NO_SPACE, SIM_WRITES, false, false, 6},
    {"no space to sync", SIM_FAULT_NO_SPACE, SIM_SYNCS, false, true, 1},
    {"failed sync", SIM_FAULT_SYNC, 0, false, true, 1},
};

enum { CASES = sizeof cases / sizeof cases[0], STEPS = 35 };

static struct {
    uint64_t runs;
    uint64_t failed_steps;
    uint64_t failed_shards;
    uint64_t went_on; /* writes that other shards took after one had failed */
    uint64_t allocations;
} totals;

/* One run: a workload with something that fails. */
struct run {
    struct workload work;
    struct sim *sim;
    struct contract *contract;
    uint32_t failed; /* set of shards that refuse writes */
    bool strikes_syncs;
    /* The database was opened again after a failed sync, and the system is the same: it shows data
     * that it has dropped, and that no later sync brings back. Nobody can promise anything about a
     * power cut then, before the system was started anew. */
    bool is_tainted;
};

/* ------------------------------------------------------------- what may happen */

static uint32_t
failed_shards(const struct run *run)
{
    uint32_t failed = 0;
    for (uint32_t i = 0; i < run->contract->shard_count; i++) {
        armdb_shard_info info;
        REQUIRE_OK(adb_db_get_shard_info(run->work.db, i, &info));
        if (info.failure == ARMDB_OK)
            continue;
        failed |= 1u << i;
        REQUIRE(info.failure_detail.code == info.failure && info.failure_detail.file[0] != '\0' &&
                    info.failure_detail.operation[0] != '\0',
                "shard %u does not say why it failed", i);
    }
    return failed;
}

/* Whether the record of an error names a data file that could not be written or synced. */
static bool
is_of_log(const armdb_error_detail *detail)
{
    size_t len = strlen(detail->file);
    return len > 4 && strcmp(detail->file + len - 4, ".log") == 0 &&
           (strcmp(detail->operation, "write") == 0 || strcmp(detail->operation, "sync") == 0);
}

/* The shards that cannot be synced without others, because of a batch. */
static uint32_t
bound_shards(const struct run *run)
{
    uint32_t bound = 0;
    for (uint32_t i = 0; i < run->contract->shard_count; i++)
        bound |= (uint32_t)contract_is_bound(run->contract, i) << i;
    return bound;
}

/* After a step: which shards have stopped, and whether they may have. */
static void
check_failures(struct run *run, armdb_err err)
{
    struct workload *work = &run->work;
    armdb_error_detail detail;
    armdb_last_error(&detail);
    bool is_write = work->kind <= WORK_DELETE;
    if (work->kind == WORK_REOPEN && run->strikes_syncs && sim_fault_fired(run->sim))
        run->is_tainted = true;
    if (work->db == NULL) {
        run->failed = 0;
        return;
    }
    if (work->kind == WORK_REOPEN && err == ARMDB_OK)
        run->failed = 0;
    uint32_t failed = failed_shards(run);
    uint32_t fresh = failed & ~run->failed;
    REQUIRE((run->failed & ~failed) == 0, "a failed shard takes writes again");
    bool is_read = work->kind >= WORK_GET && work->kind <= WORK_SCAN;
    REQUIRE(!is_read || fresh == 0, "a read stopped a shard");
    if (is_write) {
        uint32_t concerned = 1u << work->shard | bound_shards(run);
        REQUIRE((fresh & ~concerned) == 0, "a write stopped other shards: %x", fresh);
        bool broke = err == ARMDB_IO && is_of_log(&detail) && !work->is_unsynced;
        REQUIRE(!broke || (failed & 1u << work->shard) != 0, "%s %s failed, but the shard goes on",
                detail.operation, detail.file);
        if (err == ARMDB_OK && failed != 0)
            totals.went_on++;
    }
    REQUIRE(err != ARMDB_FAILED || failed != 0 || work->kind == WORK_CREATE ||
                work->kind == WORK_DROP,
            "refused, but no shard has failed");
    run->failed = failed;
}

/* -------------------------------------------------------------------- one run */

static void
run_init(struct run *run, const struct work_plan *plan)
{
    *run = (struct run){.sim = sim_new(plan->seed), .contract = contract_new()};
    workload_init(&run->work, run->sim, run->contract, plan);
}

static void
run_fini(struct run *run)
{
    workload_fini(&run->work);
    REQUIRE(sim_open_count(run->sim) == 0, "%zu files are open", sim_open_count(run->sim));
    sim_free(run->sim);
    contract_free(run->contract);
}

/* All steps, whatever they return; a database that is closed is tried to be opened again. */
static void
run_steps(struct run *run)
{
    struct workload *work = &run->work;
    for (uint32_t i = 0; i < work->plan.steps; i++) {
        armdb_err err;
        if (work->db == NULL) {
            work->kind = WORK_REOPEN;
            work->shard = UINT32_MAX;
            err = workload_open(work, CONTRACT_KILLED);
            if (err != ARMDB_OK)
                REQUIRE(sim_open_count(run->sim) == 0, "%zu files are open after a failed open",
                        sim_open_count(run->sim));
        } else {
            err = workload_step(work);
            if (work->is_half_shown) { /* for lack of memory; the next open finds all of it */
                adb_db_abandon(work->db);
                work->db = NULL;
            }
        }
        totals.failed_steps += err != ARMDB_OK;
        check_failures(run, err);
    }
}

/* Without faults, everything that was taken can be read, and shards that are well take writes. */
static void
check_running(struct run *run)
{
    struct workload *work = &run->work;
    work->is_check_light = false;
    if (work->db == NULL) {
        work->may_fail = false;
        REQUIRE_OK(workload_open(work, CONTRACT_KILLED));
        run->failed = 0;
        run->is_tainted = run->strikes_syncs;
    }
    contract_check_live(run->contract, work->db);
    for (uint32_t key = 0; key < CONTRACT_KEYS; key++) {
        uint32_t bound = run->failed != 0 ? bound_shards(run) : 0;
        armdb_err err = workload_write(work, WORK_PUT, 0, key, key, ARMDB_SYNCED);
        uint32_t bit = 1u << work->shard;
        bool stops_with_others = err == ARMDB_FAILED && (bound & bit) != 0;
        bool is_failed = (run->failed & bit) != 0 || stops_with_others;
        REQUIRE(err == (is_failed ? ARMDB_FAILED : ARMDB_OK), "a write without faults: %s",
                armdb_err_name(err));
        if (is_failed) {
            armdb_error_detail detail;
            armdb_last_error(&detail);
            REQUIRE(strstr(detail.message, "refuses writes") != NULL && detail.file[0] != '\0',
                    "not the origin: %s", detail.message);
        }
        if (stops_with_others)
            run->failed = failed_shards(run);
    }
    contract_check_live(run->contract, work->db);
    for (uint32_t failed = run->failed; failed != 0; failed &= failed - 1)
        totals.failed_shards++;
}

/* Opens a copy of the disk after an end, checks it and writes to it. */
static void
check_end(const struct run *run, enum contract_end end, enum sim_cut mode, uint64_t seed)
{
    struct workload work;
    struct sim *sim = sim_clone(run->sim);
    struct contract *contract = contract_copy(run->contract);
    if (end == CONTRACT_CUT)
        sim_power_cut_as(sim, mode, seed);
    contract_verify(contract, sim_os(sim), WORK_PATH);
    struct work_plan plan = run->work.plan;
    plan.seed = seed;
    workload_init(&work, sim, contract, &plan);
    work.next_stamp = run->work.next_stamp;
    work.options = run->work.options;
    REQUIRE_OK(workload_open(&work, end));
    for (int i = 0; i < 5; i++)
        REQUIRE_OK(workload_step(&work));
    REQUIRE_OK(workload_close(&work));
    if (end == CONTRACT_CUT || !run->strikes_syncs) {
        sim_power_cut_as(sim, SIM_CUT_LOSE, 0);
        REQUIRE_OK(workload_open(&work, CONTRACT_CUT));
    }
    workload_fini(&work);
    sim_free(sim);
    contract_free(contract);
}

static void
check_all_ends(const struct run *run, uint64_t seed)
{
    if (run->is_tainted)
        return;
    check_end(run, CONTRACT_KILLED, SIM_CUT_KEEP, seed);
    check_end(run, CONTRACT_CUT, SIM_CUT_LOSE, seed);
    check_end(run, CONTRACT_CUT, SIM_CUT_ANY, seed);
    check_end(run, CONTRACT_CUT, SIM_CUT_SECTORS, seed);
}

/* What is to be seen once nothing fails any more. */
static void
finish(struct run *run, uint64_t n)
{
    struct workload *work = &run->work;
    check_all_ends(run, n);
    check_running(run);
    check_all_ends(run, n + 1);
    armdb_err err = workload_close(work);
    REQUIRE(err == (run->failed != 0 ? ARMDB_FAILED : ARMDB_OK), "close: %s", armdb_err_name(err));
    REQUIRE(sim_open_count(run->sim) == 0, "%zu files are open", sim_open_count(run->sim));
    work->may_fail = false;
    REQUIRE_OK(workload_open(work, err == ARMDB_OK ? CONTRACT_CLOSED : CONTRACT_KILLED));
    REQUIRE_OK(workload_close(work));
    if (!run->strikes_syncs)
        check_end(run, CONTRACT_CUT, SIM_CUT_LOSE, n);
    totals.runs++;
}

/* ----------------------------------------------------------------------- disk */

/* A run with the n-th operation failing; whether there was one. */
static bool
fail_disk_at(const struct work_plan *plan, const struct fault_case *how, bool is_persistent,
             uint64_t n, uint32_t attempt)
{
    struct run run;
    const struct sim_fault fault = {.kind = how->kind,
                                    .fail_at = n,
                                    .ops = how->ops,
                                    .is_persistent = is_persistent,
                                    .seed = plan->seed + n + attempt * UINT64_C(1000000)};
    require_context("plan %" PRIu64 " of %u steps, %s %s at %" PRIu64 ", try %u", plan->seed,
                    plan->steps, is_persistent ? "persistent" : "transient", how->name, n, attempt);
    run_init(&run, plan);
    run.work.may_fail = true;
    run.work.is_check_light = how->strikes_reads;
    run.strikes_syncs = how->strikes_syncs;
    sim_set_fault(run.sim, &fault);
    run_steps(&run);
    bool fired = sim_fault_fired(run.sim);
    sim_clear_fault(run.sim);
    finish(&run, n);
    run_fini(&run);
    return fired;
}

/* All operations, one run after the other. */
static void
fail_disk(const struct work_plan *plan, const struct fault_case *how, bool is_persistent)
{
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
        for (uint32_t attempt = 0; attempt < how->tries; attempt++)
            fired = fail_disk_at(plan, how, is_persistent, n, attempt);
    }
}

/* Faults in a verify of a database that is not open. */
static void
fail_verify(const struct work_plan *plan)
{
    struct run run;
    armdb_verify_report report;
    bool fired = true;
    run_init(&run, plan);
    REQUIRE_OK(workload_run(&run.work));
    REQUIRE_OK(workload_close(&run.work));
    for (uint64_t n = 1; fired; n++) {
        const struct sim_fault fault = {.kind = SIM_FAULT_ERROR, .fail_at = n};
        require_context("plan %" PRIu64 ", verify with an error at %" PRIu64, plan->seed, n);
        sim_set_fault(run.sim, &fault);
        armdb_err err = adb_db_verify(sim_os(run.sim), WORK_PATH, NULL, NULL, &report);
        fired = sim_fault_fired(run.sim);
        sim_clear_fault(run.sim);
        REQUIRE(err == (fired ? ARMDB_IO : ARMDB_OK) || (fired && err == ARMDB_OK), "verify: %s",
                armdb_err_name(err));
        REQUIRE(report.damages == 0, "%" PRIu64 " pieces of damage", report.damages);
        REQUIRE(sim_open_count(run.sim) == 0, "%zu files are open", sim_open_count(run.sim));
        contract_verify(run.contract, sim_os(run.sim), WORK_PATH);
    }
    run_fini(&run);
}

/* --------------------------------------------------------------------- memory */

/* A run with the n-th allocation failing; whether there was one. */
static bool
fail_memory_at(const struct work_plan *plan, bool is_persistent, uint64_t n)
{
    struct run run;
    require_context("plan %" PRIu64 " of %u steps, %s failure of allocation %" PRIu64, plan->seed,
                    plan->steps, is_persistent ? "persistent" : "transient", n);
    run_init(&run, plan);
    run.work.may_fail = true;
    run.work.is_check_light = true;
    adb_mem_fail_at(n, is_persistent);
    run_steps(&run);
    bool fired = adb_mem_has_failed();
    adb_mem_fail_at(0, false);
    REQUIRE(run.failed == 0, "lack of memory stopped shards %x", run.failed);
    finish(&run, n);
    run_fini(&run);
    totals.allocations++;
    return fired;
}

int
main(void)
{
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < require_rounds(4); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        struct work_plan plan = workload_plan(test_rng_next(&rng), STEPS);
        plan.shards = 1 + (uint32_t)i % 3;
        for (int j = 0; j < 2 * CASES; j++) {
            fail_disk(&plan, &cases[j / 2], j % 2 == 1);
        }
        fail_verify(&plan);
        for (int j = 0; j < 2; j++) {
            uint64_t n = 1;
            while (fail_memory_at(&plan, j == 1, n))
                n++;
        }
    }
    printf("%" PRIu64 " runs (%" PRIu64 " for memory), %" PRIu64 " failed steps, %" PRIu64
           " failed shards, %" PRIu64 " writes of shards beside a failed one\n",
           totals.runs, totals.allocations, totals.failed_steps, totals.failed_shards,
           totals.went_on);
    return 0;
}
