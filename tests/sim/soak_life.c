#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "sim/require.h"
#include "sim/soak.h"
#include "support/os_sim_private.h"

/** One way in which the system fails. */
static const struct fault_kind {
    enum sim_fault_kind kind;
    uint32_t ops;
    bool strikes_syncs;
} fault_kinds[] = {
    [SOAK_ERROR] = {SIM_FAULT_ERROR, SIM_CHANGES & ~SIM_SYNCS, false},
    [SOAK_READ_ERROR] = {SIM_FAULT_ERROR, SIM_ALL & ~SIM_CHANGES, false},
    [SOAK_SHORT_WRITE] = {SIM_FAULT_SHORT_WRITE, 0, false},
    [SOAK_NO_SPACE] = {SIM_FAULT_NO_SPACE, SIM_ALL & ~SIM_SYNCS, false},
    [SOAK_FAILED_SYNC] = {SIM_FAULT_SYNC, 0, true},
};

enum { FAULT_KINDS = sizeof fault_kinds / sizeof fault_kinds[0] };

struct life {
    struct workload work;
    struct sim *sim;
    struct contract *contract;
    struct soak_totals *totals;
    enum contract_end end; /* how the database ended, or would: the worst since it was open */
    enum soak_fault fault; /* that is set, */
    bool has_fault;        /* if any is */
    bool has_crash;        /* a kill or cut is set in its place */
    bool has_struck;       /* it was counted */
    bool has_memory_fault; /* is set, and may have struck */
    bool is_full;          /* the disk has little room */
    uint32_t failed;       /* set of shards that refuse writes */
    bool has_failed_sync;  /* in this boot */
    /* The database was opened again after that, on the same system: it shows data that it has
     * dropped. Nobody can promise anything about a power cut then. */
    bool is_tainted;
    bool is_over;
    bool has_ear; /* listens to the default collection */
    struct soak_ear ear;
};

/* --------------------------------------------------------------------- faults */

/* A count that is small more often than large. */
static uint64_t
draw_count(struct test_rng *rng)
{
    return 1 + test_rng_below(rng, UINT64_C(1) << test_rng_below(rng, 8));
}

static void
calm_down(struct life *life)
{
    sim_clear_fault(life->sim);
    adb_mem_fail_at(0, false);
    life->has_fault = false;
    life->has_crash = false;
    life->has_memory_fault = false;
}

static void
set_fault(struct life *life, enum soak_fault fault, struct test_rng *rng)
{
    bool is_of_writes = fault == SOAK_NO_SPACE && test_rng_one_in(rng, 2);
    const struct sim_fault how = {.kind = fault_kinds[fault].kind,
                                  .fail_at = draw_count(rng),
                                  .ops = is_of_writes ? SIM_WRITES : fault_kinds[fault].ops,
                                  .is_persistent = test_rng_one_in(rng, 5),
                                  .seed = test_rng_next(rng)};
    sim_set_fault(life->sim, &how);
    life->fault = fault;
    life->has_fault = true;
    life->has_crash = false;
    life->has_struck = false;
}

static void
set_crash(struct life *life, struct test_rng *rng)
{
    const struct sim_fault how = {
        .kind = SIM_FAULT_CUT, .fail_at = draw_count(rng), .ops = SIM_CHANGES};
    sim_set_fault(life->sim, &how);
    life->has_fault = false;
    life->has_crash = true;
}

static void
set_memory_fault(struct life *life, struct test_rng *rng)
{
    adb_mem_fail_at(draw_count(rng), test_rng_one_in(rng, 5));
    life->has_memory_fault = true;
}

static void
set_full(struct life *life, struct test_rng *rng)
{
    sim_set_capacity(life->sim, sim_used_bytes(life->sim) + test_rng_below(rng, 100000));
    life->is_full = true;
}

static void
set_room(struct life *life)
{
    sim_set_capacity(life->sim, UINT64_MAX);
    life->is_full = false;
}

/* Whether the fault that is set has struck by now; counts it once. */
static bool
has_struck(struct life *life)
{
    if (!life->has_fault || !sim_fault_fired(life->sim))
        return false;
    if (!life->has_struck)
        life->totals->faults[life->fault]++;
    life->has_struck = true;
    if (fault_kinds[life->fault].strikes_syncs)
        life->has_failed_sync = true;
    return true;
}

/* Whether a call that fails now needs no other reason. */
static bool
may_fail(const struct life *life)
{
    return life->has_fault || life->has_crash || life->has_memory_fault || life->is_full ||
           life->failed != 0;
}

/* Demands a reason for an error, and counts it. */
static void
explain(struct life *life, armdb_err err)
{
    bool by_fault = has_struck(life);
    bool by_memory = life->has_memory_fault && adb_mem_has_failed();
    if (err == ARMDB_OK || sim_is_off(life->sim))
        return;
    bool is_unsynced = life->work.is_unsynced;
    bool by_space = life->is_full && (err == ARMDB_NO_SPACE || is_unsynced);
    bool is_lack = by_memory && (err == ARMDB_NO_MEMORY || is_unsynced || life->work.is_half_shown);
    REQUIRE(by_fault || is_lack || by_space || life->failed != 0, "%s, but nothing has failed",
            armdb_err_name(err));
    if (is_lack)
        life->totals->faults[SOAK_NO_MEMORY]++;
    if (by_space && !by_fault)
        life->totals->faults[SOAK_DISK_FULL]++;
}

/* ----------------------------------------------------------------------- ends */

void
soak_end_boot(struct sim *sim, enum contract_end end, struct test_rng *rng)
{
    static const enum sim_cut modes[] = {SIM_CUT_LOSE,    SIM_CUT_KEEP,    SIM_CUT_PREFIX,
                                         SIM_CUT_SECTORS, SIM_CUT_SECTORS, SIM_CUT_ANY};
    enum sim_cut mode = modes[test_rng_below(rng, sizeof modes / sizeof modes[0])];
    uint64_t seed = test_rng_next(rng);
    if (end == CONTRACT_CUT) {
        sim_power_cut_as(sim, mode, seed);
        return;
    }
    sim_kill(sim);
    adb_mutex_lock(&sim->lock);
    sim->is_off = false;
    sim->fault_left = 0;
    adb_mutex_unlock(&sim->lock);
}

/* The process is gone, or the power. */
static void
crash(struct life *life, struct test_rng *rng)
{
    (void)has_struck(life);
    enum contract_end end = test_rng_one_in(rng, 3) ? CONTRACT_KILLED : CONTRACT_CUT;
    if (life->has_failed_sync && !life->is_tainted && !test_rng_one_in(rng, 4))
        end = CONTRACT_CUT;
    workload_fini(&life->work);
    calm_down(life);
    soak_end_boot(life->sim, end, rng);
    life->failed = 0;
    if (end == CONTRACT_CUT) {
        life->totals->cuts++;
        life->is_over = life->is_tainted;
        life->has_failed_sync = false;
    } else {
        life->totals->kills++;
        life->is_tainted = life->has_failed_sync;
    }
    if (end == CONTRACT_CUT || life->end != CONTRACT_CUT)
        life->end = end;
}

/* Something that may go wrong while it recovers. */
static void
disturb(struct life *life, struct test_rng *rng)
{
    switch (test_rng_below(rng, 6)) {
    case 0:
        set_fault(life, (enum soak_fault)test_rng_below(rng, FAULT_KINDS), rng);
        break;
    case 1:
        set_memory_fault(life, rng);
        break;
    case 2:
        set_crash(life, rng);
        break;
    default:
        break;
    }
}

/* Opens what an end has left; whether it is open. */
static bool
try_open(struct life *life, struct test_rng *rng)
{
    struct workload *work = &life->work;
    work->may_fail = may_fail(life);
    if (!work->may_fail && test_rng_one_in(rng, 3))
        contract_verify(life->contract, sim_os(life->sim), WORK_PATH);
    armdb_err err = workload_open(work, life->end);
    explain(life, err);
    if (sim_is_off(life->sim)) {
        life->totals->interrupted++;
        crash(life, rng);
        return false;
    }
    if (err == ARMDB_OK)
        return true;
    REQUIRE(sim_open_count(life->sim) == 0, "%zu files are open after a failed open",
            sim_open_count(life->sim));
    life->totals->failed_opens++;
    life->is_tainted = life->is_tainted || life->has_failed_sync;
    return false;
}

/* Recovers, or opens what was closed, at last without any fault; and compares all. */
static void
recover(struct life *life, struct test_rng *rng)
{
    for (int tries = 0; !life->is_over; tries++) {
        if (tries < 4)
            disturb(life, rng);
        else
            set_room(life);
        bool is_open = try_open(life, rng);
        calm_down(life);
        if (is_open)
            break;
    }
    if (life->is_over)
        return;
    life->end = CONTRACT_KILLED;
    life->totals->recoveries++;
    contract_check_live(life->contract, life->work.db);
    if (life->has_ear)
        soak_ear_open(&life->ear, life->contract, life->work.db);
}

/* ---------------------------------------------------------------------- steps */

/* Which shards have stopped, and whether they may have. */
static void
check_failures(struct life *life)
{
    const struct workload *work = &life->work;
    for (uint32_t i = 0; i < life->contract->shard_count; i++) {
        armdb_shard_info info;
        REQUIRE_OK(adb_db_get_shard_info(work->db, i, &info));
        bool was_failed = (life->failed & 1u << i) != 0;
        REQUIRE(!was_failed || info.failure != ARMDB_OK, "a failed shard takes writes again");
        if (info.failure == ARMDB_OK || was_failed)
            continue;
        bool is_with_others = life->failed != 0 && contract_is_bound(life->contract, i);
        REQUIRE(life->has_struck || sim_is_off(life->sim) || is_with_others || work->is_half_shown,
                "shard %u failed without reason", i);
        life->failed |= 1u << i;
        /* It may have failed while it deleted an expired key. */
        if (life->contract->shards[i].unsure == 0 && contract_has_expired(life->contract)) {
            const struct contract_write expiry = {.collection = CONTRACT_EXPIRY};
            contract_doubt(life->contract, i, &expiry);
        }
    }
}

static void
reopen(struct life *life, struct test_rng *rng)
{
    if (life->has_failed_sync && !test_rng_one_in(rng, 4)) {
        crash(life, rng);
    } else {
        life->work.may_fail = may_fail(life);
        armdb_err err = workload_close(&life->work);
        explain(life, err);
        life->end = err == ARMDB_OK ? CONTRACT_CLOSED : CONTRACT_KILLED;
        if (sim_is_off(life->sim)) {
            crash(life, rng);
        } else {
            REQUIRE(sim_open_count(life->sim) == 0, "%zu files are open after close",
                    sim_open_count(life->sim));
            life->is_tainted = life->is_tainted || life->has_failed_sync;
        }
        life->failed = 0;
        calm_down(life);
    }
    recover(life, rng);
}

static void
step(struct life *life, enum work_kind kind, struct test_rng *rng)
{
    struct workload *work = &life->work;
    life->totals->operations++;
    if (kind == WORK_REOPEN) {
        reopen(life, rng);
        return;
    }
    work->rng = *rng;
    work->may_fail = may_fail(life);
    armdb_err err = workload_do(work, kind);
    *rng = work->rng;
    explain(life, err);
    check_failures(life);
    if (life->has_ear && !work->is_half_shown)
        soak_ear_check(&life->ear);
    if (sim_is_off(life->sim) || work->is_half_shown) {
        crash(life, rng);
        recover(life, rng);
    }
}

static void
befall(struct life *life, enum soak_kind kind, struct test_rng *rng)
{
    switch (kind) {
    case SOAK_CRASH:
        crash(life, rng);
        recover(life, rng);
        break;
    case SOAK_CRASH_SOON:
        (void)has_struck(life);
        set_crash(life, rng);
        break;
    case SOAK_FAULT:
        (void)has_struck(life);
        set_fault(life, (enum soak_fault)test_rng_below(rng, FAULT_KINDS), rng);
        break;
    case SOAK_MEMORY:
        set_memory_fault(life, rng);
        break;
    case SOAK_FULL:
        set_full(life, rng);
        break;
    case SOAK_ROOM:
        set_room(life);
        break;
    case SOAK_CALM:
        (void)has_struck(life);
        calm_down(life);
        break;
    case SOAK_ROT:
        if (!may_fail(life) && !life->has_failed_sync)
            soak_rot(&life->work, rng, life->totals);
        break;
    case SOAK_KINDS:
        break;
    }
}

/* A power cut at the end shows whether the last that was promised is there. */
static void
finish(struct life *life)
{
    struct test_rng rng = test_rng_make(life->work.plan.seed);
    if (life->is_over)
        return;
    calm_down(life);
    if (life->failed == 0)
        contract_check_live(life->contract, life->work.db);
    crash(life, &rng);
    recover(life, &rng);
}

void
soak_live(const struct soak_script *script, struct soak_totals *totals)
{
    struct life life = {.sim = sim_new(script->seed),
                        .contract = contract_new(),
                        .totals = totals,
                        .end = CONTRACT_CUT};
    struct work_plan plan = workload_plan(script->seed, 0);
    struct test_rng rng = test_rng_fork(script->seed, 2);
    plan.has_expiry = test_rng_one_in(&rng, 2);
    if (test_rng_one_in(&rng, 3))
        sim_set_sector_bytes(life.sim, 4096);
    workload_init(&life.work, life.sim, life.contract, &plan);
    life.work.options.verify_reads = (armdb_verify_reads)test_rng_below(&rng, ARMDB_VERIFY_NEVER);
    life.work.options.io = (armdb_io_mode)test_rng_below(&rng, ARMDB_IO_DIRECT + 1);
    life.has_ear = test_rng_one_in(&rng, 2);
    life.work.is_check_light = true;
    require_context("life %" PRIu64 ", the first open", script->seed);
    recover(&life, &rng);
    for (size_t i = 0; i < script->count && !life.is_over; i++) {
        const struct soak_event *event = &script->events[i];
        struct test_rng own = test_rng_make(event->seed);
        require_context("life %" PRIu64 ", event %zu of %zu: %s %" PRIu64, script->seed, i + 1,
                        script->count, soak_kind_name(event->kind), event->seed);
        if (event->kind < WORK_KINDS)
            step(&life, (enum work_kind)event->kind, &own);
        else
            befall(&life, (enum soak_kind)event->kind, &own);
    }
    finish(&life);
    workload_fini(&life.work);
    soak_ear_fini(&life.ear);
    sim_free(life.sim);
    contract_free(life.contract);
    totals->lives++;
}
