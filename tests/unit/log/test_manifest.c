/* Loading and replacing MANIFEST on the simulated system: atomic, whatever fails or when. */
#include "manifest_fixture.h"

#include "base/err.h"
#include "log/manifest.h"
#include "support/os_sim.h"
#include "support/seed.h"

enum { OLD = 2, NEW = 3 }; /* collections of the old and of the new manifest */

struct fixture {
    struct sim *sim;
    struct adb_os *os;
    struct manifest old, next;
};

static int
set_up(void **state)
{
    struct fixture *fixture = (struct fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->sim = sim_new(test_seed());
    sim_make_dir(fixture->sim, "/db");
    fixture->os = sim_os(fixture->sim);
    fixture->old = make_manifest(OLD);
    fixture->next = make_manifest(NEW);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    adb_manifest_fini(&fixture->old);
    adb_manifest_fini(&fixture->next);
    sim_free(fixture->sim);
    free(fixture);
    return 0;
}

static void
store_old(struct fixture *fixture)
{
    bool is_unsure = true;
    assert_int_equal(adb_manifest_store(fixture->os, "/db", &fixture->old, &is_unsure), ARMDB_OK);
}

/* Which manifest is in force in a simulator: OLD or NEW, 0 if there is none. */
static uint32_t
in_force(struct sim *sim)
{
    struct manifest found;
    armdb_err err = adb_manifest_load(sim_os(sim), "/db", &found);
    uint32_t count = found.collection_count;
    adb_manifest_fini(&found);
    if (err == ARMDB_NOT_FOUND)
        return 0;
    assert_int_equal(err, ARMDB_OK);
    return count;
}

/* The same after a power cut now. */
static uint32_t
in_force_after_cut(struct sim *sim, enum sim_cut mode, uint64_t seed)
{
    struct sim *clone = sim_clone(sim);
    sim_power_cut_as(clone, mode, seed);
    uint32_t count = in_force(clone);
    sim_free(clone);
    return count;
}

static void
test_manifest__nothing_there__not_found(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct manifest found;
    assert_int_equal(adb_manifest_load(fixture->os, "/db", &found), ARMDB_NOT_FOUND);
    assert_null(found.collections);
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

static void
test_manifest__stored__loads_and_is_durable(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct manifest found;
    store_old(fixture);
    assert_int_equal(adb_manifest_load(fixture->os, "/db", &found), ARMDB_OK);
    assert_same_manifest(&found, &fixture->old);
    adb_manifest_fini(&found);
    assert_false(sim_file_exists(fixture->sim, "/db/MANIFEST.tmp"));
    assert_int_equal(in_force_after_cut(fixture->sim, SIM_CUT_LOSE, 1), OLD);
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

static void
test_manifest__replaced__new_one_is_durable(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    bool is_unsure = true;
    store_old(fixture);
    assert_int_equal(adb_manifest_store(fixture->os, "/db", &fixture->next, &is_unsure), ARMDB_OK);
    assert_int_equal(in_force_after_cut(fixture->sim, SIM_CUT_LOSE, 1), NEW);
}

static void
test_manifest__left_over_temporary__replaced(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    sim_write_file(fixture->sim, "/db/MANIFEST.tmp", "rubbish that is quite long", 26);
    store_old(fixture);
    assert_int_equal(in_force(fixture->sim), OLD);
}

/* What must hold after a store that failed. */
static void
check_failed_store(struct fixture *fixture, bool is_unsure, uint64_t n)
{
    uint32_t now = in_force(fixture->sim);
    assert_true(now == OLD || now == NEW);
    for (uint64_t seed = 0; seed < 8; seed++) {
        uint32_t later = in_force_after_cut(fixture->sim, SIM_CUT_ANY, n * 100 + seed);
        assert_true(later == OLD || later == NEW);
        if (!is_unsure)
            assert_int_equal(later, OLD);
    }
    if (!is_unsure)
        assert_int_equal(now, OLD);
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

/* Fails the n-th operation for n = 1, 2 ... until none is left. Returns how many there were. */
static uint64_t
fail_each(void **state, enum sim_fault_kind kind, bool is_persistent)
{
    for (uint64_t n = 1;; n++) {
        assert_int_equal(set_up(state), 0);
        struct fixture *fixture = (struct fixture *)*state;
        store_old(fixture);
        const struct sim_fault fault = {
            .kind = kind, .fail_at = n, .is_persistent = is_persistent, .seed = test_seed() + n};
        bool is_unsure = false;
        sim_set_fault(fixture->sim, &fault);
        armdb_err err = adb_manifest_store(fixture->os, "/db", &fixture->next, &is_unsure);
        bool fired = sim_fault_fired(fixture->sim);
        sim_clear_fault(fixture->sim);
        if (err != ARMDB_OK) {
            assert_true(fired);
            assert_int_equal(adb_err_detail()->code, err);
            if (kind != SIM_FAULT_CUT)
                check_failed_store(fixture, is_unsure, n);
        } else if (kind != SIM_FAULT_CUT) {
            assert_int_equal(in_force_after_cut(fixture->sim, SIM_CUT_LOSE, n), NEW);
        }
        if (kind == SIM_FAULT_CUT && fired) {
            sim_power_cut(fixture->sim, n);
            uint32_t later = in_force(fixture->sim);
            assert_true(later == NEW || (err != ARMDB_OK && later == OLD));
        }
        tear_down(state);
        if (!fired)
            return n - 1;
    }
}

static void
test_manifest__each_operation_fails__old_or_new(void **state)
{
    assert_true(fail_each(state, SIM_FAULT_ERROR, false) >= 6);
    assert_true(fail_each(state, SIM_FAULT_ERROR, true) >= 6);
}

static void
test_manifest__no_space__old_or_new(void **state)
{
    assert_true(fail_each(state, SIM_FAULT_NO_SPACE, false) >= 3);
    assert_true(fail_each(state, SIM_FAULT_NO_SPACE, true) >= 3);
    assert_int_equal(fail_each(state, SIM_FAULT_SHORT_WRITE, false), 1);
}

static void
test_manifest__power_cut_at_each_operation__old_or_new(void **state)
{
    assert_true(fail_each(state, SIM_FAULT_CUT, false) >= 6);
}

static void
test_manifest__sync_fails__old_stays_in_force(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const struct sim_fault fault = {.kind = SIM_FAULT_SYNC, .fail_at = 1, .ops = SIM_SYNCS};
    bool is_unsure = true;
    store_old(fixture);
    sim_set_fault(fixture->sim, &fault);
    assert_int_equal(adb_manifest_store(fixture->os, "/db", &fixture->next, &is_unsure), ARMDB_IO);
    assert_false(is_unsure);
    assert_int_equal(in_force(fixture->sim), OLD);
}

static void
test_manifest__sync_of_directory_fails__unsure(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    const struct sim_fault fault = {
        .kind = SIM_FAULT_SYNC, .fail_at = 1, .ops = SIM_BIT(SIM_OP_SYNC_DIR)};
    bool is_unsure = false;
    store_old(fixture);
    sim_set_fault(fixture->sim, &fault);
    assert_int_equal(adb_manifest_store(fixture->os, "/db", &fixture->next, &is_unsure), ARMDB_IO);
    assert_true(is_unsure);
}

static void
test_manifest__no_memory__said_and_nothing_changed(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    bool fired = true;
    store_old(fixture);
    for (uint64_t n = 1; fired; n++) {
        bool is_unsure = true;
        struct manifest found;
        adb_mem_fail_at(n, false);
        armdb_err err = adb_manifest_store(fixture->os, "/db", &fixture->next, &is_unsure);
        fired = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, fired ? ARMDB_NO_MEMORY : ARMDB_OK);
        if (fired)
            assert_int_equal(in_force(fixture->sim), OLD);
        adb_mem_fail_at(n, false);
        err = adb_manifest_load(fixture->os, "/db", &found);
        assert_int_equal(err, adb_mem_has_failed() ? ARMDB_NO_MEMORY : ARMDB_OK);
        adb_mem_fail_at(0, false);
        adb_manifest_fini(&found);
    }
    assert_int_equal(in_force(fixture->sim), NEW);
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

static void
test_manifest__damaged__file_and_offset_are_named(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    struct manifest found;
    store_old(fixture);
    sim_corrupt(fixture->sim, "/db/MANIFEST", 82, 0x20);
    assert_int_equal(adb_manifest_load(fixture->os, "/db", &found), ARMDB_CORRUPT);
    assert_string_equal(adb_err_detail()->file, "/db/MANIFEST");
    sim_write_file(fixture->sim, "/db/MANIFEST", "", 0);
    assert_int_equal(adb_manifest_load(fixture->os, "/db", &found), ARMDB_CORRUPT);
}

static void
test_manifest__read_fails__io_error_not_missing(void **state)
{
    struct fixture *fixture = (struct fixture *)*state;
    bool fired = true;
    store_old(fixture);
    for (uint64_t n = 1; fired; n++) {
        const struct sim_fault fault = {
            .fail_at = n, .ops = SIM_ALL & ~SIM_BIT(SIM_OP_CLOSE), .is_persistent = true};
        struct manifest found;
        sim_set_fault(fixture->sim, &fault);
        armdb_err err = adb_manifest_load(fixture->os, "/db", &found);
        fired = sim_fault_fired(fixture->sim);
        sim_clear_fault(fixture->sim);
        assert_int_equal(err, fired ? ARMDB_IO : ARMDB_OK);
        adb_manifest_fini(&found);
    }
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_manifest__nothing_there__not_found),
        WITH_FIXTURE(test_manifest__stored__loads_and_is_durable),
        WITH_FIXTURE(test_manifest__replaced__new_one_is_durable),
        WITH_FIXTURE(test_manifest__left_over_temporary__replaced),
        cmocka_unit_test(test_manifest__each_operation_fails__old_or_new),
        cmocka_unit_test(test_manifest__no_space__old_or_new),
        cmocka_unit_test(test_manifest__power_cut_at_each_operation__old_or_new),
        WITH_FIXTURE(test_manifest__sync_fails__old_stays_in_force),
        WITH_FIXTURE(test_manifest__sync_of_directory_fails__unsure),
        WITH_FIXTURE(test_manifest__no_memory__said_and_nothing_changed),
        WITH_FIXTURE(test_manifest__damaged__file_and_offset_are_named),
        WITH_FIXTURE(test_manifest__read_fails__io_error_not_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
