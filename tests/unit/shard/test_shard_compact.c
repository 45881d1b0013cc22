/* Passes of compaction: nothing is lost, nothing comes back, whatever happens between two steps. */
#include "compact_figures.h"

#define SECOND_NS UINT64_C(1000000000)

/* ----------------------------------------------------------------- undisturbed */

static void
test_shard_compact__nothing_written__is_idle(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    struct shard_compact_step step;
    uint64_t operations = sim_op_count(fixture->sim, SIM_ALL);
    assert_ok(try_step(fixture, false, &step));
    assert_true(step.is_idle);
    assert_ok(try_step(fixture, true, &step));
    assert_true(step.is_idle);
    assert_int_equal(sim_op_count(fixture->sim, SIM_ALL), operations);
}

static void
test_shard_compact__overwritten__gives_space_back(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    for (int round = 0; round < 40; round++) {
        for (uint32_t key = 0; key < 6; key++)
            set(fixture, 0, key);
    }
    struct shard_stats before = figures(fixture);
    uint64_t disk_before = sim_used_bytes(fixture->sim);
    compact(fixture);
    struct shard_stats after = figures(fixture);
    assert_true(before.log_bytes > 200000);
    assert_true(after.log_bytes < 16384);
    assert_int_equal(after.dead_bytes, 0);
    assert_true(after.compaction.passes > 0);
    assert_true(sim_used_bytes(fixture->sim) < disk_before / 4);
    assert_int_equal(after.compaction.replaced_bytes - after.compaction.copied_bytes +
                         after.log_bytes - HEADER_BYTES - MARK_BYTES,
                     before.log_bytes);
    check_keys(fixture);
    check_figures(&fixture->engine);
    check_reopened(fixture);
}

/* Steps of a call; where it has begun a pass, the background makes the next `n` steps of that.
 * Returns what the call is told. */
static uint64_t
compact_with_help(struct compact_fixture *fixture, uint32_t n)
{
    struct shard_compact_step step = {0};
    uint64_t freed = 0;
    while (!step.is_idle) {
        bool has_begun = fixture->engine.shard->pass == NULL;
        assert_ok(try_step(fixture, true, &step));
        freed += step.freed_bytes;
        for (uint32_t i = 0; i < n && has_begun && fixture->engine.shard->pass != NULL; i++) {
            struct shard_compact_step help;
            assert_ok(try_step(fixture, false, &help));
        }
    }
    return freed;
}

static void
test_shard_compact__background_helps__the_call_is_told_all(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    for (uint32_t n = 0; n < 8; n++) {
        for (uint32_t i = 0; i < 200; i++)
            write_randomly(fixture);
        uint64_t replaced = figures(fixture).compaction.replaced_bytes;
        uint64_t copied = figures(fixture).compaction.copied_bytes;
        uint64_t freed = compact_with_help(fixture, n);
        assert_true(freed > 0);
        assert_int_equal(freed, figures(fixture).compaction.replaced_bytes - replaced + copied -
                                    figures(fixture).compaction.copied_bytes);
    }
}

static void
test_shard_compact__all_deleted__leaves_no_tombstone(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    for (uint32_t key = 0; key < N_KEYS; key++) {
        set(fixture, 0, key);
        set(fixture, 3, key);
    }
    for (uint32_t key = 0; key < N_KEYS; key++) {
        unset(fixture, 0, key);
        unset(fixture, 3, key);
    }
    assert_true(figures(fixture).tombstone_bytes > 0);
    compact(fixture);
    assert_int_equal(figures(fixture).tombstone_bytes, 0);
    assert_int_equal(figures(fixture).dead_bytes, 0);
    check_keys(fixture);
    check_reopened(fixture);
}

/* ------------------------------------------------------------------- disturbed */

static void
bury_key(void *context, armdb_slice key, uint64_t location)
{
    adb_shard_bury((struct shard *)context, location, key);
}

/* As db_collection.c does it. */
static void
drop(struct compact_fixture *fixture, uint32_t collection)
{
    struct shard *shard = fixture->engine.shard;
    struct shard_index *index = &fixture->engine.indexes[collection];
    struct adb_index other;
    engine_init_index(&fixture->engine, collection, &other);
    adb_shard_lock(shard);
    adb_shard_hold(shard);
    atomic_store(&index->is_dropped, true);
    adb_shard_unlock(shard);
    adb_rcu_wait();
    adb_index_swap(&index->keys, &other);
    adb_index_each(&other, bury_key, shard);
    adb_shard_release(shard);
    adb_index_fini(&other);
    memset(fixture->kept.number[collection], 0, sizeof fixture->kept.number[collection]);
    fixture->kept.is_dropped[collection] = true;
}

/* What may happen between two steps. */
static void
disturb(struct compact_fixture *fixture, bool may_drop)
{
    uint64_t n_writes = test_rng_below(&fixture->rng, 12);
    for (uint64_t i = 0; i < n_writes; i++)
        write_randomly(fixture);
    sim_advance_ns(fixture->sim, test_rng_below(&fixture->rng, UINT64_C(5000000000)));
    if (may_drop && test_rng_one_in(&fixture->rng, 100))
        drop(fixture, (uint32_t)test_rng_below(&fixture->rng, N_COLLECTIONS));
    if (test_rng_one_in(&fixture->rng, 20))
        assert_ok(adb_shard_sync(fixture->engine.shard));
}

/* A history of writes with steps between them; from time to time all is checked. */
static void
live(struct compact_fixture *fixture, unsigned n_steps, bool may_drop)
{
    struct shard_compact_step step;
    bool is_thorough = false;
    for (unsigned i = 0; i < n_steps; i++) {
        disturb(fixture, may_drop);
        is_thorough = test_rng_one_in(&fixture->rng, 8) ? !is_thorough : is_thorough;
        assert_ok(try_step(fixture, is_thorough, &step));
        if (i % 5 == 0)
            check_keys(fixture);
        if (fixture->engine.shard->pass == NULL)
            check_figures(&fixture->engine);
        if (i % 7 == 0)
            check_reopened(fixture); /* with half a pass on disk, too */
        if (test_rng_one_in(&fixture->rng, 60))
            kill_and_open(fixture);
    }
    assert_true(figures(fixture).newest_sequence > 0);
    check_keys(fixture);
}

static void
test_shard_compact__writes_between_steps__are_kept(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    live(fixture, 600 * test_scale(), false);
    compact(fixture);
    check_keys(fixture);
    check_figures(&fixture->engine);
    check_reopened(fixture);
}

static void
test_shard_compact__collections_dropped_between_steps__are_gone(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    for (unsigned round = 0; round < 8 * test_scale(); round++) {
        live(fixture, 120, true);
        compact(fixture);
        check_keys(fixture);
        check_figures(&fixture->engine);
        check_reopened(fixture);
        uint64_t seed = test_rng_next(&fixture->rng);
        end_fixture(fixture);
        begin_fixture(fixture, seed);
    }
}

/* ------------------------------------------------------------------- power cuts */

enum { N_UNSYNCED = 10 };

/* A log worth compacting, synced; and newer writes that are not. unsynced[n] is what must be there
 * if n of these have survived. */
static void
make_unsynced(struct compact_fixture *fixture, struct kept unsynced[N_UNSYNCED + 1])
{
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t key = 0; key < N_KEYS; key += 2) {
            set(fixture, round % N_COLLECTIONS, key);
            set(fixture, 0, key);
        }
        for (uint32_t key = 0; key < 8; key += 4)
            unset(fixture, 0, key);
    }
    /* Some of which have expired when it is compacted, and older values that must stay hidden. */
    for (uint32_t key = 0; key < N_KEYS; key += 4)
        set_until(fixture, key % 8 == 0 ? 1 : 3, key, adb_os_wall_ms(fixture->engine.os) + 1);
    assert_ok(adb_shard_sync(fixture->engine.shard));
    sim_advance_ns(fixture->sim, 1000000);
    unsynced[0] = fixture->kept;
    for (uint32_t i = 1; i <= N_UNSYNCED; i++) {
        uint32_t key = 2 * i;
        if (i % 3 == 0)
            unset(fixture, 0, key);
        else
            set(fixture, i % 3 == 1 ? 0 : 1, key == 4 ? 0 : key);
        unsynced[i] = fixture->kept;
    }
}

static bool
is_a_prefix(struct engine *engine, const struct kept unsynced[N_UNSYNCED + 1])
{
    for (uint32_t i = 0; i <= N_UNSYNCED; i++) {
        if (are_right(engine, &unsynced[i]))
            return true;
    }
    return false;
}

/* Cuts the power at the n-th change of a compaction; false if it has not so many. */
static bool
cut_power_at(uint64_t n, enum sim_cut mode)
{
    struct compact_fixture fixture;
    static struct kept unsynced[N_UNSYNCED + 1];
    const struct sim_fault fault = {.kind = SIM_FAULT_CUT, .ops = SIM_CHANGES, .fail_at = n};
    begin_fixture(&fixture, test_seed() + n);
    make_unsynced(&fixture, unsynced);
    sim_set_fault(fixture.sim, &fault);
    armdb_err err = try_compact(&fixture, true);
    bool is_cut = sim_is_off(fixture.sim);
    assert_true(is_cut || err == ARMDB_OK);
    sim_power_cut_as(fixture.sim, mode, test_seed() + n);
    open_again(&fixture);
    if (!is_a_prefix(&fixture.engine, unsynced))
        fail_msg("cut %u at change %u: something is lost or has come back", (unsigned)mode,
                 (unsigned)n);
    check_figures(&fixture.engine);
    end_fixture(&fixture);
    return is_cut;
}

static void
test_shard_compact__power_cut_at_any_change__leaves_a_prefix(void **state)
{
    const enum sim_cut modes[] = {SIM_CUT_LOSE, SIM_CUT_PREFIX, SIM_CUT_SECTORS, SIM_CUT_KEEP};
    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        uint64_t n = 1;
        while (cut_power_at(n, modes[i]))
            n++;
        assert_true(n > 15);
    }
}

/* ----------------------------------------------------------------------- faults */

struct failing {
    enum sim_fault_kind kind;
    uint32_t ops;
    bool is_persistent;
};

/* After a failure nothing but the figures has changed, and later compaction comes to its end. */
static void
check_after_failure(struct compact_fixture *fixture, armdb_err err)
{
    struct shard_stats stats = figures(fixture);
    check_keys(fixture);
    check_reopened(fixture);
    if (stats.failure != ARMDB_OK) { /* a sync of the log itself failed */
        kill_and_open(fixture);
    } else if (err != ARMDB_OK) {
        assert_int_equal(stats.compaction.failure, err);
        assert_int_equal(stats.compaction.failure_detail.code, err);
        assert_int_equal(stats.compaction.failures, 1);
    }
    set(fixture, 0, 1);
    unset(fixture, 0, 2);
    assert_ok(try_compact(fixture, true));
    assert_int_equal(figures(fixture).compaction.failure, ARMDB_OK);
    check_keys(fixture);
    check_figures(&fixture->engine);
    check_reopened(fixture);
}

/* Lets the n-th operation of a compaction fail; false if it has not so many. */
static bool
fail_at(uint64_t n, const struct failing *failing)
{
    struct compact_fixture fixture;
    static struct kept unsynced[N_UNSYNCED + 1];
    const struct sim_fault fault = {.kind = failing->kind,
                                    .ops = failing->ops,
                                    .fail_at = n,
                                    .is_persistent = failing->is_persistent,
                                    .seed = n};
    begin_fixture(&fixture, test_seed() + n);
    make_unsynced(&fixture, unsynced);
    sim_set_fault(fixture.sim, &fault);
    armdb_err err = try_compact(&fixture, true);
    sim_clear_fault(fixture.sim);
    bool has_fired = sim_fault_fired(fixture.sim);
    check_after_failure(&fixture, err);
    end_fixture(&fixture);
    return has_fired;
}

static void
test_shard_compact__failing_operation__changes_nothing_and_is_made_good(void **state)
{
    const struct failing kinds[] = {
        {SIM_FAULT_ERROR, 0, false},       {SIM_FAULT_ERROR, 0, true},
        {SIM_FAULT_NO_SPACE, 0, false},    {SIM_FAULT_NO_SPACE, 0, true},
        {SIM_FAULT_SHORT_WRITE, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        uint64_t n = 1;
        while (fail_at(n, &kinds[i]))
            n++;
        assert_true(n > 5);
    }
}

/* A pass whose copy got its name, but neither could the directory be synced nor the name taken
 * back; then another pass over other files. */
static void
test_shard_compact__copy_that_cannot_be_taken_back__does_no_harm(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    static struct kept unsynced[N_UNSYNCED + 1];
    const struct sim_fault fault = {.kind = SIM_FAULT_ERROR,
                                    .ops = SIM_BIT(SIM_OP_SYNC_DIR) | SIM_BIT(SIM_OP_UNLINK),
                                    .fail_at = 1,
                                    .is_persistent = true};
    make_unsynced(fixture, unsynced);
    struct shard_compact_step step;
    do {
        assert_ok(try_step(fixture, true, &step));
    } while (fixture->engine.shard->pass == NULL);
    sim_set_fault(fixture->sim, &fault);
    assert_int_equal(try_compact(fixture, true), ARMDB_IO);
    assert_true(sim_fault_fired(fixture->sim));
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(try_step(fixture, true, &step), ARMDB_IO);
        check_reopened(fixture);
    }
    sim_clear_fault(fixture->sim);
    for (unsigned i = 0; i < 200; i++) {
        write_randomly(fixture);
        assert_ok(try_step(fixture, true, &step));
        check_reopened(fixture);
    }
}

static void
test_shard_compact__no_memory__changes_nothing(void **state)
{
    struct compact_fixture fixture;
    static struct kept unsynced[N_UNSYNCED + 1];
    bool has_failed = true;
    uint64_t n = 1;
    (void)state;
    for (; has_failed; n++) {
        begin_fixture(&fixture, test_seed() + n);
        make_unsynced(&fixture, unsynced);
        adb_mem_fail_at(n, false);
        armdb_err err = try_compact(&fixture, true);
        has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        /* A map that has no memory to shrink does so later. */
        assert_true(err == ARMDB_OK || (has_failed && err == ARMDB_NO_MEMORY));
        check_after_failure(&fixture, err);
        end_fixture(&fixture);
    }
    assert_true(n > 10);
}

/* A worker that is not told so asks again at once, for ever. */
static void
test_shard_compact__shard_that_refuses_writes__has_nothing_to_do(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    struct shard_compact_step step;
    ADB_IGNORE(adb_fail(ARMDB_IO, "sync", "it is broken"));
    adb_shard_fence(fixture->engine.shard);
    for (int is_thorough = 0; is_thorough <= 1; is_thorough++) {
        assert_int_equal(try_step(fixture, is_thorough != 0, &step), ARMDB_FAILED);
        assert_true(step.is_idle);
    }
    assert_int_equal(figures(fixture).compaction.failures, 0);
}

static void
test_shard_compact__failures_in_a_row__are_tried_again_later_and_later(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    static struct kept unsynced[N_UNSYNCED + 1];
    const struct sim_fault fault = {.kind = SIM_FAULT_ERROR,
                                    .ops = SIM_BIT(SIM_OP_CREATE),
                                    .fail_at = 1,
                                    .is_persistent = true};
    struct shard_compact_step step;
    make_unsynced(fixture, unsynced);
    sim_set_fault(fixture->sim, &fault);
    uint64_t delay_ns = SECOND_NS;
    assert_int_equal(try_compact(fixture, false), ARMDB_IO);
    for (uint64_t failures = 1; failures < 10; failures++) {
        assert_int_equal(figures(fixture).compaction.failures, failures);
        sim_advance_ns(fixture->sim, delay_ns - 1);
        assert_ok(try_step(fixture, false, &step));
        assert_true(step.is_idle);
        sim_advance_ns(fixture->sim, 1);
        assert_int_equal(try_compact(fixture, false), ARMDB_IO);
        delay_ns = 2 * delay_ns < 60 * SECOND_NS ? 2 * delay_ns : 60 * SECOND_NS;
    }
    sim_clear_fault(fixture->sim);
    sim_advance_ns(fixture->sim, delay_ns);
    assert_ok(try_compact(fixture, false));
    assert_true(figures(fixture).compaction.passes > 0);
    assert_int_equal(figures(fixture).compaction.failure, ARMDB_OK);
    check_keys(fixture);
}

static void
test_shard_compact__damaged_record__is_told_and_its_file_left_alone(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    char path[64];
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t key = 0; key < N_KEYS; key++)
            set(fixture, 0, key);
    }
    assert_ok(adb_shard_sync(fixture->engine.shard));
    snprintf(path, sizeof path, "%s", FILE_PATH(2));
    sim_corrupt(fixture->sim, path, HEADER_BYTES + 30, 1);
    assert_int_equal(try_compact(fixture, true), ARMDB_CORRUPT);
    assert_string_equal(adb_err_detail()->file, path);
    assert_int_equal(adb_err_detail()->offset, HEADER_BYTES);
    assert_string_equal(figures(fixture).compaction.failure_detail.file, path);
    assert_ok(try_compact(fixture, true)); /* the others */
    assert_true(sim_file_exists(fixture->sim, path));
    assert_false(sim_file_exists(fixture->sim, FILE_PATH(1)));
    assert_false(sim_file_exists(fixture->sim, FILE_PATH(3)));
    check_keys(fixture); /* nothing needs what is damaged */
}

/* The copy whose keys are being moved; NULL: there is none. */
static const struct data_file *
find_moving_copy(const struct shard *shard)
{
    for (uint32_t slot = 0; slot < shard->slot_limit; slot++) {
        const struct data_file *file = atomic_load(&shard->files[slot]);
        if (file != NULL && file->header.is_copy && file->is_moving)
            return file;
    }
    return NULL;
}

/* What it was to replace is still there, and so are all values; once the copy reads right again the
 * pass goes on. */
static void
test_shard_compact__copy_rots_before_keys_are_moved__nothing_is_lost(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    const struct data_file *copy;
    struct shard_compact_step step;
    char path[64];
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t key = 0; key < N_KEYS; key++)
            set(fixture, 0, key);
    }
    do
        assert_ok(try_step(fixture, true, &step));
    while ((copy = find_moving_copy(fixture->engine.shard)) == NULL && !step.is_idle);
    assert_non_null(copy);
    snprintf(path, sizeof path, "%s", copy->path);
    uint64_t files = figures(fixture).files;
    sim_corrupt(fixture->sim, path, HEADER_BYTES + 30, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(try_step(fixture, true, &step), ARMDB_CORRUPT);
        assert_string_equal(adb_err_detail()->file, path);
        assert_string_equal(figures(fixture).compaction.failure_detail.file, path);
        assert_int_equal(figures(fixture).files, files);
        check_keys(fixture);
    }
    sim_corrupt(fixture->sim, path, HEADER_BYTES + 30, 1);
    compact(fixture);
    assert_int_equal(figures(fixture).compaction.failure, ARMDB_OK);
    check_keys(fixture);
    check_reopened(fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        COMPACT_TEST(test_shard_compact__nothing_written__is_idle),
        COMPACT_TEST(test_shard_compact__overwritten__gives_space_back),
        COMPACT_TEST(test_shard_compact__background_helps__the_call_is_told_all),
        COMPACT_TEST(test_shard_compact__all_deleted__leaves_no_tombstone),
        COMPACT_TEST(test_shard_compact__writes_between_steps__are_kept),
        COMPACT_TEST(test_shard_compact__collections_dropped_between_steps__are_gone),
        COMPACT_TEST(test_shard_compact__power_cut_at_any_change__leaves_a_prefix),
        COMPACT_TEST(test_shard_compact__failing_operation__changes_nothing_and_is_made_good),
        COMPACT_TEST(test_shard_compact__copy_that_cannot_be_taken_back__does_no_harm),
        COMPACT_TEST(test_shard_compact__no_memory__changes_nothing),
        COMPACT_TEST(test_shard_compact__shard_that_refuses_writes__has_nothing_to_do),
        COMPACT_TEST(test_shard_compact__failures_in_a_row__are_tried_again_later_and_later),
        COMPACT_TEST(test_shard_compact__damaged_record__is_told_and_its_file_left_alone),
        COMPACT_TEST(test_shard_compact__copy_rots_before_keys_are_moved__nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
