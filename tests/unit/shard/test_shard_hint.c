/* Hints: written in steps and at close, read at open, thrown away when they are not right. */
#include "log/hint_file.h"
#include "shard/hint_check.h"

#include "compact_figures.h"

/* ----------------------------------------------------------------------- steps */

static armdb_err
try_hint_step(struct compact_fixture *fixture, struct shard_hint_step *step)
{
    const struct shard_live live = {engine_find_live, &fixture->engine};
    return adb_shard_hint(fixture->engine.shard, &live, step);
}

/* Writes hints until there is nothing left to do, or something fails. */
static armdb_err
try_hints(struct compact_fixture *fixture)
{
    struct shard_hint_step step = {0};
    for (int i = 0; i < 1000 && !step.is_idle; i++)
        ADB_TRY(try_hint_step(fixture, &step));
    assert_true(step.is_idle);
    return ARMDB_OK;
}

static void
rotate(struct compact_fixture *fixture)
{
    struct shard *shard = fixture->engine.shard;
    adb_shard_lock(shard);
    assert_ok(adb_shard_rotate(shard));
    adb_shard_unlock(shard);
}

static void
write_some(struct compact_fixture *fixture, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        write_randomly(fixture);
}

/* Closes as a database does. */
static void
finish(struct compact_fixture *fixture)
{
    const struct shard_live live = {engine_find_live, &fixture->engine};
    assert_ok(adb_shard_finish(fixture->engine.shard));
    adb_shard_finish_hints(fixture->engine.shard, &live);
}

static void
check_in_rounds(struct compact_fixture *fixture)
{
    uint64_t round_bytes = open_one_round_bytes;
    check_reopened(fixture);
    open_one_round_bytes = 1;
    check_reopened(fixture);
    open_one_round_bytes = round_bytes;
}

/* --------------------------------------------------------------------- writing */

static void
test_shard_hint__nothing_sealed__is_idle(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    struct shard_hint_step step;
    set(fixture, 0, 1);
    assert_ok(try_hint_step(fixture, &step));
    assert_true(step.is_idle);
    assert_int_equal(figures(fixture).hints, 0);
}

static void
test_shard_hint__sealed_files__get_one_each(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    for (uint32_t i = 0; i < 4; i++) {
        write_some(fixture, 20);
        rotate(fixture);
    }
    assert_ok(try_hints(fixture));
    assert_int_equal(figures(fixture).hints, figures(fixture).files - 1);
    assert_true(sim_file_exists(fixture->sim, SHARD_PATH "/0000000001.hint"));
    check_in_rounds(fixture);
    kill_and_open(fixture);
    assert_int_equal(figures(fixture).hints, figures(fixture).files - 1);
    check_keys(fixture);
    check_figures(&fixture->engine);
}

static void
test_shard_hint__closed__all_files_have_one_and_nothing_is_scanned(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    write_some(fixture, 60);
    rotate(fixture);
    write_some(fixture, 10);
    for (int round = 0; round < 3; round++) {
        finish(fixture);
        assert_int_equal(figures(fixture).hints, figures(fixture).files);
        open_again(fixture);
        assert_int_equal(figures(fixture).hints, figures(fixture).files);
        check_keys(fixture);
        check_figures(&fixture->engine);
        set(fixture, 0, 1); /* the newest file's is stale now */
        assert_int_equal(figures(fixture).hints, figures(fixture).files - 1);
        check_in_rounds(fixture);
    }
}

/* Histories of writes, drops, rotations, hints, compaction, closes and kills: what is opened has
 * all keys, and figures of files as counted from their bytes. */
static void
test_shard_hint__random_histories__are_recovered_with_exact_figures(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 30 * test_scale(); round++) {
        struct compact_fixture fixture;
        struct shard_hint_step step;
        begin_fixture(&fixture, test_seed() + round);
        for (uint32_t i = 0; i < 40; i++) {
            write_some(&fixture, (uint32_t)test_rng_below(&fixture.rng, 12));
            switch (test_rng_below(&fixture.rng, 8)) {
            case 0:
                rotate(&fixture);
                break;
            case 1:
                compact(&fixture);
                break;
            case 2:
                assert_ok(try_hints(&fixture));
                break;
            case 3:
                finish(&fixture);
                open_again(&fixture);
                break;
            case 4:
                kill_and_open(&fixture);
                break;
            default:
                assert_ok(try_hint_step(&fixture, &step));
            }
        }
        adb_shard_end_hint(fixture.engine.shard);
        check_keys(&fixture);
        check_in_rounds(&fixture);
        end_fixture(&fixture);
    }
}

static void
test_shard_hint__collections_dropped__before_and_after_the_hint(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    struct engine *engine = &fixture->engine;
    for (uint32_t dropped = 0; dropped < 2; dropped++) {
        write_some(fixture, 40);
        rotate(fixture);
        if (dropped == 1)
            assert_ok(try_hints(fixture));
        fixture->kept.is_dropped[dropped] = true;
        memset(fixture->kept.number[dropped], 0, sizeof fixture->kept.number[dropped]);
        atomic_store(&engine->indexes[dropped].is_dropped, true);
        assert_ok(try_hints(fixture));
        check_in_rounds(fixture);
        finish(fixture);
        open_again(fixture);
        check_figures(engine);
    }
}

/* ----------------------------------------------------------------- compaction */

static void
test_shard_hint__file_replaced_meanwhile__is_given_up(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    struct shard_hint_step step;
    for (uint32_t i = 0; i < 30; i++)
        set(fixture, 0, 1);
    rotate(fixture);
    set(fixture, 0, 1);
    adb_mutex_lock(&fixture->engine.shard->lock);
    uint64_t files = fixture->engine.shard->file_count;
    adb_mutex_unlock(&fixture->engine.shard->lock);
    assert_true(files > 1);
    /* One step does a whole file of this size: so stop it in the middle, by an error. */
    const struct sim_fault fault = {
        .kind = SIM_FAULT_ERROR, .fail_at = 1, .ops = SIM_BIT(SIM_OP_RENAME)};
    sim_set_fault(fixture->sim, &fault);
    assert_int_equal(try_hint_step(fixture, &step), ARMDB_IO);
    sim_clear_fault(fixture->sim);
    assert_int_equal(figures(fixture).hint_failures, 1);
    compact(fixture);
    sim_advance_ns(fixture->sim, SHARD_RETRY_NS_MIN);
    assert_ok(try_hints(fixture));
    compact(fixture); /* its first step removes what is retired */
    assert_false(sim_file_exists(fixture->sim, SHARD_PATH "/0000000001.log"));
    assert_false(sim_file_exists(fixture->sim, SHARD_PATH "/0000000001.hint"));
    check_in_rounds(fixture);
}

static void
test_shard_hint__of_no_data_file__is_removed_at_open(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    sim_write_file(fixture->sim, SHARD_PATH "/0000000077.hint", "stray", 5);
    sim_write_file(fixture->sim, SHARD_PATH "/77.hint", "somebody's", 10);
    kill_and_open(fixture);
    assert_false(sim_file_exists(fixture->sim, SHARD_PATH "/0000000077.hint"));
    assert_true(sim_file_exists(fixture->sim, SHARD_PATH "/77.hint"));
}

/* -------------------------------------------------------------------- failures */

static void
test_shard_hint__failing_operation__is_made_good_later(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    bool has_fired = true;
    for (uint64_t n = 1; has_fired; n++) {
        struct shard_hint_step step;
        write_some(fixture, 20);
        rotate(fixture);
        const struct sim_fault fault = {
            .kind = SIM_FAULT_ERROR, .fail_at = n, .ops = SIM_CHANGES | SIM_READS | SIM_OPENS};
        uint64_t failures = figures(fixture).hint_failures;
        sim_set_fault(fixture->sim, &fault);
        armdb_err err = try_hints(fixture);
        has_fired = sim_fault_fired(fixture->sim);
        sim_clear_fault(fixture->sim);
        /* A temporary file that can't be removed is nobody's failure. */
        assert_true(err == ARMDB_OK || (has_fired && err == ARMDB_IO));
        assert_int_equal(figures(fixture).hint_failures - failures, err != ARMDB_OK);
        check_in_rounds(fixture);
        if (err != ARMDB_OK) {
            assert_ok(try_hint_step(fixture, &step)); /* not so soon */
            assert_true(step.is_idle);
        }
        sim_advance_ns(fixture->sim, SHARD_RETRY_NS_MAX);
        assert_ok(try_hints(fixture));
        assert_int_equal(figures(fixture).hints, figures(fixture).files - 1);
    }
    check_keys(fixture);
}

static void
test_shard_hint__no_memory__is_made_good_later(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    bool has_failed = true;
    for (uint64_t n = 1; has_failed; n++) {
        write_some(fixture, 20);
        rotate(fixture);
        adb_mem_fail_at(n, false);
        armdb_err err = try_hints(fixture);
        has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        sim_advance_ns(fixture->sim, SHARD_RETRY_NS_MAX);
        assert_ok(try_hints(fixture));
        assert_int_equal(figures(fixture).hints, figures(fixture).files - 1);
    }
    check_in_rounds(fixture);
}

static void
test_shard_hint__power_cut_at_any_change__costs_nothing(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    write_some(fixture, 60);
    rotate(fixture);
    assert_ok(adb_shard_sync(fixture->engine.shard));
    bool has_fired = true;
    for (uint64_t n = 1; has_fired; n++) {
        for (int mode = SIM_CUT_ANY; mode <= SIM_CUT_KEEP; mode++) {
            struct sim *clone = sim_clone(fixture->sim);
            struct compact_fixture other = {.sim = clone, .kept = fixture->kept};
            engine_open(&other.engine, clone, &other.kept);
            const struct sim_fault fault = {
                .kind = SIM_FAULT_CUT, .fail_at = n, .ops = SIM_CHANGES};
            sim_set_fault(clone, &fault);
            ADB_IGNORE(try_hints(&other));
            has_fired = sim_fault_fired(clone);
            sim_power_cut_as(clone, (enum sim_cut)mode, test_seed() + n);
            open_again(&other);
            check_keys(&other);
            check_figures(&other.engine);
            engine_close(&other.engine);
            sim_free(clone);
        }
    }
}

/* ---------------------------------------------------------------------- damage */

/* A byte of each hint goes bad: its file is scanned. */
static void
test_shard_hint__damaged__is_not_believed(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    static const char *const paths[] = {SHARD_PATH "/0000000001.hint",
                                        SHARD_PATH "/0000000002.hint"};
    write_some(fixture, 30);
    rotate(fixture);
    write_some(fixture, 30);
    rotate(fixture);
    assert_ok(try_hints(fixture));
    for (size_t i = 0; i < 2; i++) {
        uint64_t size = sim_file_size(fixture->sim, paths[i]);
        for (uint64_t at = 0; at < size; at += at < 300 ? 1 : 997) {
            sim_corrupt(fixture->sim, paths[i], at, 0x10);
            check_reopened(fixture);
            sim_corrupt(fixture->sim, paths[i], at, 0x10);
        }
    }
}

/* ------------------------------------------------------------------------ check */

/* What a scan of a file tells a check, but for one record. */
struct telling {
    struct hint_check check;
    struct engine *engine;
    uint32_t n;    /* told or passed over */
    uint32_t skip; /* that one is passed over */
};

static armdb_err
tell(void *context, const struct log_scan_record *found)
{
    struct telling *telling = (struct telling *)context;
    if (telling->n++ == telling->skip)
        return ARMDB_OK;
    return adb_hint_check_record(&telling->check, found,
                                 engine_find_live(telling->engine, found->record.collection_id));
}

static armdb_err
check_hint(struct telling *telling, struct data_file *file)
{
    const struct shard_origins origins = {engine_find, telling->engine};
    struct log_scan_result result;
    telling->n = 0;
    armdb_err err = adb_hint_check_begin(&telling->check, file, SHARD_PATH, false,
                                         telling->engine->shard->hash_seed);
    if (err == ARMDB_OK)
        err = adb_log_scan(file, false, file->header.base_sequence, tell, telling, &result);
    if (err == ARMDB_OK)
        err = adb_hint_check_end(&telling->check, &origins);
    adb_hint_check_fini(&telling->check);
    return err;
}

static void
test_shard_hint__check__finds_each_record_that_is_not_in_both(void **state)
{
    struct compact_fixture *fixture = (struct compact_fixture *)*state;
    struct data_file *file = fixture->engine.shard->writer.active;
    struct telling telling = {.engine = &fixture->engine, .skip = UINT32_MAX};
    write_some(fixture, 20);
    rotate(fixture);
    assert_ok(check_hint(&telling, file)); /* there is none */
    assert_ok(try_hints(fixture));
    assert_ok(check_hint(&telling, file));
    uint32_t n = telling.n;
    for (telling.skip = 0; telling.skip < n; telling.skip++) {
        assert_int_equal(check_hint(&telling, file), ARMDB_CORRUPT);
        expect_message(ARMDB_CORRUPT, "the hint");
    }
    /* Records of a collection that is gone do not count. */
    telling.skip = UINT32_MAX;
    fixture->kept.is_dropped[0] = true;
    atomic_store(&fixture->engine.indexes[0].is_dropped, true);
    assert_ok(check_hint(&telling, file));
    sim_corrupt(fixture->sim, SHARD_PATH "/0000000001.hint", 300, 1);
    assert_int_equal(check_hint(&telling, file), ARMDB_CORRUPT);
    expect_message(ARMDB_CORRUPT, "damaged");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        COMPACT_TEST(test_shard_hint__nothing_sealed__is_idle),
        COMPACT_TEST(test_shard_hint__sealed_files__get_one_each),
        COMPACT_TEST(test_shard_hint__closed__all_files_have_one_and_nothing_is_scanned),
        cmocka_unit_test(test_shard_hint__random_histories__are_recovered_with_exact_figures),
        COMPACT_TEST(test_shard_hint__collections_dropped__before_and_after_the_hint),
        COMPACT_TEST(test_shard_hint__file_replaced_meanwhile__is_given_up),
        COMPACT_TEST(test_shard_hint__of_no_data_file__is_removed_at_open),
        COMPACT_TEST(test_shard_hint__failing_operation__is_made_good_later),
        COMPACT_TEST(test_shard_hint__no_memory__is_made_good_later),
        COMPACT_TEST(test_shard_hint__power_cut_at_any_change__costs_nothing),
        COMPACT_TEST(test_shard_hint__damaged__is_not_believed),
        COMPACT_TEST(test_shard_hint__check__finds_each_record_that_is_not_in_both),
    };
    return cmocka_run_group_tests_name("shard/shard_hint", tests, NULL, NULL);
}
