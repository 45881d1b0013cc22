/* The writing end of a log when the system refuses: space, writes, syncs, power. */
#include "writer_fixture.h"

#include <errno.h>

#include "log/location.h"

/* ------------------------------------------------------------------------ space */

static void
test_log_writer_faults__no_space__refused_whole_and_later_taken(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    struct sim *sim = fixture->log.sim;
    uint64_t number = 0, offset;
    sim_set_capacity(sim, 256 * 1024);
    for (;;) {
        uint64_t end = fixture->file->end;
        uint64_t sequence = fixture->writer.sequence;
        armdb_err err = try_append(&fixture->writer, number, 3000, &offset);
        if (err != ARMDB_OK) {
            assert_int_equal(err, ARMDB_NO_SPACE);
            assert_int_equal(offset, 0);
            assert_int_equal(fixture->file->end, end);
            assert_int_equal(fixture->writer.sequence, sequence);
            break;
        }
        number++;
    }
    /* All that was accepted can be flushed: its space was reserved. */
    assert_true(number > 70);
    sync_log(&fixture->writer);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_LOSE, 1).records, number);
    /* Large ones are refused too; then there is room again. */
    assert_int_equal(try_append(&fixture->writer, number, LOCATION_LARGE, &offset), ARMDB_NO_SPACE);
    sim_set_capacity(sim, UINT64_MAX);
    append(&fixture->writer, number, 3000);
    append(&fixture->writer, number + 1, LOCATION_LARGE);
    sync_log(&fixture->writer);
    struct log_scan_result result = scan_after_cut(fixture, true, SIM_CUT_LOSE, 1);
    assert_int_equal(result.how, LOG_SCAN_WHOLE);
    assert_int_equal(result.records, number + 2);
}

static void
test_log_writer_faults__little_space__takes_what_is_needed_only(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    /* 64 KiB would be reserved ahead; there are 8. */
    sim_set_capacity(fixture->log.sim, sim_used_bytes(fixture->log.sim) + 8192);
    append(&fixture->writer, 1, 3000);
    assert_true(fixture->file->allocated <= 4096 + 8192);
    sync_log(&fixture->writer);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_LOSE, 1).records, 1);
}

static void
test_log_writer_faults__allocation_fails__only_the_promise_is_missing(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    fail_all(fixture, SIM_FAULT_ERROR, SIM_BIT(SIM_OP_ALLOCATE), 1);
    append(&fixture->writer, 0, 100);
    append(&fixture->writer, 1, 4 * TAIL_BYTES);
    sync_log(&fixture->writer);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_LOSE, 1).records, 2);
}

static void
test_log_writer_faults__no_space_to_finish__log_is_whole_all_the_same(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 1, 100);
    fixture->file->allocated = fixture->file->end; /* as if exactly filled */
    sim_set_capacity(fixture->log.sim, sim_used_bytes(fixture->log.sim));
    fail_all(fixture, SIM_FAULT_NO_SPACE, SIM_BIT(SIM_OP_ALLOCATE), 1);
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_LOSE, 1).records, 1);
}

static void
test_log_writer_faults__no_space_to_write_the_mark__taken_back(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 0, 100);
    sync_log(&fixture->writer);
    uint64_t end = fixture->file->end;
    fail_all(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 1);
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    assert_true(sim_fault_fired(fixture->log.sim));
    sim_clear_fault(fixture->log.sim);
    assert_int_equal(fixture->file->end, end);
    struct log_scan_result result = scan_after_cut(fixture, true, SIM_CUT_KEEP, 1);
    assert_int_equal(result.how, LOG_SCAN_WHOLE);
    assert_int_equal(result.size, end);
    assert_int_equal(result.records, 1);
    /* And with room again it can still be finished. */
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_LOSE, 1).marked, end);
}

static void
test_log_writer_faults__no_space_to_seal__file_goes_on(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        append(&fixture->writer, 2 * seed, 100);
        flush(&fixture->writer);
        uint64_t end = fixture->file->end;
        fail_all(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, seed);
        assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_NO_SPACE);
        sim_clear_fault(fixture->log.sim);
        assert_false(fixture->file->is_sealed);
        assert_int_equal(fixture->file->end, end);
        append(&fixture->writer, 2 * seed + 1, seed); /* shorter and longer than a SEAL */
        flush(&fixture->writer);
        assert_int_equal(scan_after_kill(fixture, true).records, 2 * seed + 2);
    }
    assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_OK);
    assert_int_equal(scan_after_cut(fixture, false, SIM_CUT_LOSE, 1).how, LOG_SCAN_WHOLE);
}

/* ------------------------------------------------------------------------- undo */

static void
test_log_writer_faults__undone_after_partial_flush__next_takes_its_place(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t kept = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        uint64_t before = append(&fixture->writer, kept, 50); /* buffered, and stays */
        uint64_t offset = append(&fixture->writer, 999, 300);
        fail_all(fixture, SIM_FAULT_SHORT_WRITE, 0, seed);
        armdb_err err = adb_log_writer_flush(&fixture->writer);
        sim_clear_fault(fixture->log.sim);
        assert_true(err == ARMDB_IO || err == ARMDB_NO_SPACE);
        adb_log_writer_undo(&fixture->writer, offset);
        assert_int_equal(fixture->file->end, offset);
        assert_true(atomic_load(&fixture->file->written) <= offset);
        assert_reads(fixture->file, before, kept, 50);
        kept++;
        offset = append(&fixture->writer, kept, seed % 80);
        flush(&fixture->writer);
        assert_reads(fixture->file, offset, kept, (uint32_t)(seed % 80));
        kept++;
        struct log_scan_result result = scan_after_kill(fixture, true);
        assert_int_equal(result.records, kept);
        assert_int_equal(result.end, fixture->file->end);
        for (uint64_t i = 0; i < kept; i++)
            assert_int_equal(fixture->seen.at[i].number, i);
    }
}

static void
test_log_writer_faults__undone_before_any_flush__as_if_never_appended(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 0, 50);
    uint64_t offset = append(&fixture->writer, 1, 50);
    adb_log_writer_undo(&fixture->writer, offset);
    assert_int_equal(fixture->writer.sequence, 1);
    assert_int_equal(append(&fixture->writer, 2, 10), offset);
    flush(&fixture->writer);
    assert_int_equal(scan_after_kill(fixture, true).records, 2);
    assert_int_equal(fixture->seen.at[1].number, 2);
}

static void
test_log_writer_faults__direct_write_fails__log_is_as_it_was(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t number = 0, offset;
    for (uint64_t seed = 0; seed < 40; seed++) {
        append(&fixture->writer, number++, 50);
        flush(&fixture->writer);
        uint64_t end = fixture->file->end;
        fail_all(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, seed);
        assert_int_equal(try_append(&fixture->writer, 999, 2 * TAIL_BYTES, &offset),
                         ARMDB_NO_SPACE);
        sim_clear_fault(fixture->log.sim);
        assert_int_equal(atomic_load(&fixture->file->written), fixture->file->end);
        assert_true(fixture->file->end == end || fixture->file->end == end + 40);
        struct log_scan_result result = scan_after_kill(fixture, true);
        assert_true(result.how == LOG_SCAN_WHOLE || result.how == LOG_SCAN_TORN);
        assert_true(result.records == number || result.records == number + 1);
    }
    append(&fixture->writer, number++, 2 * TAIL_BYTES);
    sync_log(&fixture->writer);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_LOSE, 1).records, number);
}

/* ------------------------------------------------------------------------- sync */

static void
test_log_writer_faults__sync_out_of_space_or_memory__broken_not_retryable(void **state)
{
    (void)state;
    static const int errnos[] = {ENOSPC, EDQUOT, ENOMEM, EIO};
    for (size_t i = 0; i < sizeof errnos / sizeof errnos[0]; i++) {
        void *own_state;
        writer_set_up(&own_state);
        struct writer_fixture *fixture = (struct writer_fixture *)own_state;
        append(&fixture->writer, i, 100);
        flush(&fixture->writer);
        const struct log_sync plan = adb_log_writer_plan_sync(&fixture->writer);
        fail_once(fixture, SIM_FAULT_SYNC, SIM_SYNCS, errnos[i], i);
        /* The system would say yes the second time: what it lost is still lost. */
        for (int round = 0; round < 3; round++) {
            assert_int_equal(adb_log_writer_sync(&plan), ARMDB_IO);
            assert_int_equal(adb_err_detail()->code, ARMDB_IO);
            assert_int_equal(adb_err_detail()->os_errno, errnos[i]);
            assert_string_equal(adb_err_detail()->file, LOG_PATH);
            assert_int_equal(fixture->file->synced, LOG_FILE_HEADER_BYTES);
        }
        writer_tear_down(&own_state);
    }
}

/* The sync that makes the end of a refused write durable fails. Whoever syncs next, for records
 * that were flushed before, must hear of it: the kernel tells it once. */
static void
test_log_writer_faults__sync_after_refused_write_fails__next_sync_fails_too(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 0, 3000);
    flush(&fixture->writer);
    const struct log_sync plan = adb_log_writer_plan_sync(&fixture->writer);
    append(&fixture->writer, 1, 100);
    /* The write runs out of space, then the sync fails: they are the only ones that can. */
    const struct sim_fault fault = {.kind = SIM_FAULT_NO_SPACE,
                                    .fail_at = 1,
                                    .ops = SIM_WRITES | SIM_SYNCS,
                                    .is_persistent = true};
    sim_set_fault(fixture->log.sim, &fault);
    assert_int_equal(adb_log_writer_flush(&fixture->writer), ARMDB_IO);
    sim_clear_fault(fixture->log.sim);
    assert_int_equal(adb_log_writer_sync(&plan), ARMDB_IO);
    assert_int_equal(fixture->file->synced, LOG_FILE_HEADER_BYTES);
}

static void
test_log_writer_faults__sealing_breaks__error_is_not_harmless(void **state)
{
    (void)state;
    static const struct {
        uint32_t ops;
        int os_errno;
    } cases[] = {
        {SIM_SYNCS, ENOSPC},
        {SIM_SYNCS, ENOMEM},
        {SIM_BIT(SIM_OP_TRUNCATE), ENOSPC},
        {SIM_BIT(SIM_OP_TRUNCATE), EIO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *own_state;
        writer_set_up(&own_state);
        struct writer_fixture *fixture = (struct writer_fixture *)own_state;
        append(&fixture->writer, 1, 100);
        fail_once(fixture, SIM_FAULT_ERROR, cases[i].ops, cases[i].os_errno, 1);
        assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_IO);
        assert_false(fixture->file->is_sealed);
        writer_tear_down(&own_state);
    }
}

/* ---------------------------------------------------------- finish after trouble */

/* Appends buffered records after a sync, until a MARK is due. Returns how many there are in all. */
static uint64_t
make_mark_due(struct writer_fixture *fixture)
{
    append(&fixture->writer, 0, 5000);
    sync_log(&fixture->writer);
    append(&fixture->writer, 1, 5000); /* with a MARK before it */
    flush(&fixture->writer);
    sync_log(&fixture->writer);
    return 2;
}

/* A MARK that came before a record that was taken back: what is in front of it is not flushed. */
static void
test_log_writer_faults__finish_after_undo_behind_a_mark__nothing_lost(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t records = make_mark_due(fixture);
    uint64_t says = 0;
    /* Not due for the next record: the MARK comes before the last one only. */
    fixture->file->marked_at = fixture->file->end - 4096 + 100;
    append(&fixture->writer, records++, 200); /* buffered: acknowledged, not written */
    uint64_t end = fixture->file->end;
    uint64_t offset = append(&fixture->writer, 999, 200);
    assert_int_equal(offset, end + LOG_MARK_RECORD_BYTES);
    fail_all(fixture, SIM_FAULT_ERROR, SIM_WRITES, 1);
    assert_int_equal(adb_log_writer_flush(&fixture->writer), ARMDB_IO);
    adb_log_writer_undo(&fixture->writer, offset);
    sim_clear_fault(fixture->log.sim);
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    struct log_scan_result result = scan_after_cut(fixture, true, SIM_CUT_LOSE, 1);
    assert_int_equal(result.records, records);
    assert_int_equal(meta_kind_at(fixture, result.marked_at, &says), LOG_META_MARK);
    assert_int_equal(says, result.marked_at); /* all before it is vouched for */
}

/* The same when the record behind the MARK was refused by a direct write. */
static void
test_log_writer_faults__finish_after_refused_record_behind_a_mark__durable(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t records = make_mark_due(fixture), offset;
    fixture->file->marked_at = fixture->file->end - 4096 + 100;
    append(&fixture->writer, records++, 200);
    uint64_t end = fixture->file->end;
    /* The first write flushes the tail, the second one is the direct one. */
    const struct sim_fault fault = {.kind = SIM_FAULT_NO_SPACE, .fail_at = 2, .ops = SIM_WRITES};
    sim_set_fault(fixture->log.sim, &fault);
    assert_int_equal(try_append(&fixture->writer, 999, 2 * TAIL_BYTES, &offset), ARMDB_NO_SPACE);
    assert_true(sim_fault_fired(fixture->log.sim));
    assert_int_equal(fixture->file->end, end + LOG_MARK_RECORD_BYTES);
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_LOSE, 1).records, records);
}

/* A SEAL that was taken back, and a record of just its length in its place. */
static void
test_log_writer_faults__finish_after_failed_seal__nothing_lost(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 0, 100);
    flush(&fixture->writer);
    uint64_t seal_at = fixture->file->end;
    const struct sim_fault fault = {
        .kind = SIM_FAULT_NO_SPACE, .fail_at = 1, .ops = SIM_WRITES, .seed = 1};
    sim_set_fault(fixture->log.sim, &fault);
    assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_NO_SPACE);
    assert_int_equal(append(&fixture->writer, 1, 8), seal_at);
    assert_int_equal(fixture->file->end, seal_at + LOG_MARK_RECORD_BYTES);
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_LOSE, 1).records, 2);
}

/* -------------------------------------------------------------- power in the seal */

/* The power goes at the n-th operation of a seal: never damage, and what was synced is there. */
static void
test_log_writer_faults__power_cut_while_sealing__never_damage(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        bool fired = false;
        for (uint64_t seed = 0; seed < 60; seed++) {
            void *own_state;
            writer_set_up(&own_state);
            struct writer_fixture *fixture = (struct writer_fixture *)own_state;
            append(&fixture->writer, 0, 100);
            sync_log(&fixture->writer);
            append(&fixture->writer, 1, 3000);
            flush(&fixture->writer);
            append(&fixture->writer, 2, 3000);
            const struct sim_fault fault = {.kind = SIM_FAULT_CUT, .fail_at = n};
            sim_set_fault(fixture->log.sim, &fault);
            ADB_IGNORE(adb_log_writer_seal(&fixture->writer));
            fired = sim_fault_fired(fixture->log.sim);
            enum sim_cut mode = seed % 2 == 0 ? SIM_CUT_SECTORS : SIM_CUT_PREFIX;
            struct log_scan_result result = scan_after_cut(fixture, true, mode, seed);
            assert_int_not_equal(result.how, LOG_SCAN_DAMAGED);
            assert_true(result.records >= 1);
            writer_tear_down(&own_state);
        }
        if (!fired)
            break;
    }
}

/* Something lies behind the end when the file is sealed (of a write that failed in part). The cut
 * that removes it must be durable before a successor begins: all behind a SEAL is damage then. */
static void
test_log_writer_faults__sealed_over_rubbish__whole_after_a_cut(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 0, 100);
    sync_log(&fixture->writer);
    sim_truncate_file(fixture->log.sim, LOG_PATH, 8000);
    assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_OK);
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct log_scan_result result = scan_after_cut(fixture, false, SIM_CUT_ANY, seed);
        assert_int_equal(result.how, LOG_SCAN_WHOLE);
        assert_int_equal(result.records, 1);
    }
}

/* -------------------------------------------------------------------- at random */

/* One random step with a fault in waiting; says whether the log is still to be written to. */
static bool
random_step(struct writer_fixture *fixture, struct test_rng *rng, uint64_t *kept, uint64_t *synced)
{
    uint64_t offset;
    size_t len = (size_t)test_rng_below(rng, test_rng_one_in(rng, 30) ? 60000 : 400);
    if (test_rng_one_in(rng, 12)) {
        const struct log_sync plan = adb_log_writer_plan_sync(&fixture->writer);
        if (adb_log_writer_sync(&plan) != ARMDB_OK)
            return false;
        *synced = plan.sequence;
        return true;
    }
    armdb_err err = try_append(&fixture->writer, *kept, len, &offset);
    if (err == ARMDB_OK) {
        ++*kept;
        if (test_rng_one_in(rng, 3))
            return true;
        err = adb_log_writer_flush(&fixture->writer);
        if (err != ARMDB_OK) {
            adb_log_writer_undo(&fixture->writer, offset);
            --*kept;
        }
    }
    return err == ARMDB_OK || err == ARMDB_NO_SPACE;
}

static void
check_prefix(struct writer_fixture *fixture, const struct log_scan_result *result,
             uint64_t at_least, uint64_t at_most)
{
    assert_int_not_equal(result->how, LOG_SCAN_DAMAGED);
    assert_true(result->records >= at_least && result->records <= at_most);
    for (uint64_t i = 0; i < result->records; i++)
        assert_int_equal(fixture->seen.at[i].sequence, i + 1);
    for (uint64_t i = 0; i < at_least; i++)
        assert_int_equal(fixture->seen.at[i].number, i);
}

static void
test_log_writer_faults__random_faults_and_cuts__synced_records_stay(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    for (unsigned round = 0; round < 150 * test_scale(); round++) {
        void *own_state;
        uint64_t kept = 0, synced = 0;
        writer_set_up(&own_state);
        struct writer_fixture *fixture = (struct writer_fixture *)own_state;
        for (int step = 0; step < 60; step++) {
            if (test_rng_one_in(&rng, 4))
                fail_once(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES | SIM_BIT(SIM_OP_ALLOCATE), 0,
                          test_rng_next(&rng));
            if (!random_step(fixture, &rng, &kept, &synced))
                break;
        }
        sim_clear_fault(fixture->log.sim);
        struct log_scan_result result = scan_after_cut(fixture, true, SIM_CUT_ANY,
                                                       test_rng_next(&rng));
        check_prefix(fixture, &result, synced, kept + 1);
        if (adb_log_writer_finish(&fixture->writer) == ARMDB_OK) {
            result = scan_after_cut(fixture, true, SIM_CUT_LOSE, 1);
            check_prefix(fixture, &result, kept, kept);
        }
        writer_tear_down(&own_state);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WRITER(test_log_writer_faults__no_space__refused_whole_and_later_taken),
        WITH_WRITER(test_log_writer_faults__little_space__takes_what_is_needed_only),
        WITH_WRITER(test_log_writer_faults__allocation_fails__only_the_promise_is_missing),
        WITH_WRITER(test_log_writer_faults__no_space_to_finish__log_is_whole_all_the_same),
        WITH_WRITER(test_log_writer_faults__no_space_to_write_the_mark__taken_back),
        WITH_WRITER(test_log_writer_faults__no_space_to_seal__file_goes_on),
        WITH_WRITER(test_log_writer_faults__undone_after_partial_flush__next_takes_its_place),
        WITH_WRITER(test_log_writer_faults__undone_before_any_flush__as_if_never_appended),
        WITH_WRITER(test_log_writer_faults__direct_write_fails__log_is_as_it_was),
        cmocka_unit_test(test_log_writer_faults__sync_out_of_space_or_memory__broken_not_retryable),
        WITH_WRITER(test_log_writer_faults__sync_after_refused_write_fails__next_sync_fails_too),
        cmocka_unit_test(test_log_writer_faults__sealing_breaks__error_is_not_harmless),
        WITH_WRITER(test_log_writer_faults__finish_after_undo_behind_a_mark__nothing_lost),
        WITH_WRITER(test_log_writer_faults__finish_after_refused_record_behind_a_mark__durable),
        WITH_WRITER(test_log_writer_faults__finish_after_failed_seal__nothing_lost),
        cmocka_unit_test(test_log_writer_faults__power_cut_while_sealing__never_damage),
        WITH_WRITER(test_log_writer_faults__sealed_over_rubbish__whole_after_a_cut),
        cmocka_unit_test(test_log_writer_faults__random_faults_and_cuts__synced_records_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
