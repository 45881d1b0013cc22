/* The write buffer in a file: where it can be had, what a kill leaves in it, what is taken back. */
#include "writer_fixture.h"

#define BUFFER_PATH "/log/buffer"

enum { STRIDE = TAIL_BYTES + 4096 };

/* ------------------------------------------------------------------- helpers */

static int
set_up_shared(void **state)
{
    writer_set_up(state);
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    sim_set_can_map(fixture->log.sim, true);
    assert_int_equal(adb_log_buffer_share(&fixture->writer.buffer, fixture->log.os, "/log"),
                     ARMDB_OK);
    assert_true(adb_log_writer_is_shared(&fixture->writer));
    adb_log_writer_use(&fixture->writer, fixture->file);
    return 0;
}

#define WITH_SHARED(test) cmocka_unit_test_setup_teardown(test, set_up_shared, writer_tear_down)

/* Scans the log, salvages until nothing comes any more, and scans what it finds then. */
static struct log_scan_result
recover(struct sim *sim, struct seen_records *seen, uint64_t *salvaged_out)
{
    struct adb_os *os = sim_os(sim);
    struct data_file *file = open_log(os);
    struct log_scan_result result;
    uint64_t bytes;
    seen->count = 0;
    *salvaged_out = 0;
    assert_int_equal(adb_log_scan(file, true, 0, note_record, seen, &result), ARMDB_OK);
    do {
        uint64_t end = result.end;
        assert_int_not_equal(result.how, LOG_SCAN_DAMAGED);
        assert_int_equal(adb_log_buffer_salvage(os, "/log", file, &result, &bytes), ARMDB_OK);
        assert_int_equal(adb_log_scan_on(file, note_record, seen, &result), ARMDB_OK);
        assert_true(result.end >= end + bytes);
        *salvaged_out += bytes;
    } while (bytes > 0);
    close_log(file);
    return result;
}

static struct log_scan_result
recover_after_kill(struct writer_fixture *fixture, uint64_t *salvaged_out)
{
    struct sim *clone = sim_clone(fixture->log.sim);
    struct log_scan_result result = recover(clone, &fixture->seen, salvaged_out);
    sim_free(clone);
    return result;
}

/* Records 1, 2, 3 ... in order, the first `least` of them at least. */
static void
expect_beginning(const struct writer_fixture *fixture, uint64_t least)
{
    assert_true(fixture->seen.count >= least);
    for (size_t i = 0; i < fixture->seen.count; i++) {
        assert_int_equal(fixture->seen.at[i].sequence, i + 1);
        assert_int_equal(fixture->seen.at[i].number, i + 1);
    }
}

/* --------------------------------------------------------------------- making */

static void
test_log_buffer__no_memory__said_and_nothing_left(void **state)
{
    struct log_buffer buffer;
    (void)state;
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_log_buffer_init(&buffer, TAIL_BYTES), ARMDB_NO_MEMORY);
    adb_mem_fail_at(0, false);
    assert_null(buffer.memory);
}

static void
test_log_buffer__system_cannot_map__own_memory_and_no_file(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    sim_write_file(fixture->log.sim, BUFFER_PATH, "of an earlier life", 18);
    assert_int_equal(adb_log_buffer_share(&fixture->writer.buffer, fixture->log.os, "/log"),
                     ARMDB_OK);
    assert_false(adb_log_writer_is_shared(&fixture->writer));
    assert_false(sim_file_exists(fixture->log.sim, BUFFER_PATH));
    assert_false(sim_file_exists(fixture->log.sim, BUFFER_PATH ".tmp"));
    sim_power_cut_as(fixture->log.sim, SIM_CUT_LOSE, 1);
    assert_false(sim_file_exists(fixture->log.sim, BUFFER_PATH));
}

static void
test_log_buffer__shared__file_is_there_and_durable(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    assert_int_equal(sim_file_size(fixture->log.sim, BUFFER_PATH), 2 * STRIDE);
    assert_false(sim_file_exists(fixture->log.sim, BUFFER_PATH ".tmp"));
    sim_power_cut_as(fixture->log.sim, SIM_CUT_LOSE, 1);
    assert_int_equal(sim_file_size(fixture->log.sim, BUFFER_PATH), 2 * STRIDE);
}

static void
test_log_buffer__no_space_for_it__goes_without(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    sim_set_can_map(fixture->log.sim, true);
    for (uint64_t room = 0; room < 2 * STRIDE; room += 4096) {
        sim_write_file(fixture->log.sim, BUFFER_PATH, "old", 3);
        sim_set_capacity(fixture->log.sim, sim_used_bytes(fixture->log.sim) + room);
        assert_int_equal(adb_log_buffer_share(&fixture->writer.buffer, fixture->log.os, "/log"),
                         ARMDB_OK);
        assert_false(adb_log_writer_is_shared(&fixture->writer));
        assert_false(sim_file_exists(fixture->log.sim, BUFFER_PATH));
        assert_false(sim_file_exists(fixture->log.sim, BUFFER_PATH ".tmp"));
        sim_set_capacity(fixture->log.sim, UINT64_MAX);
    }
    append(&fixture->writer, 1, 100); /* the memory it had is still there */
    flush(&fixture->writer);
}

static void
test_log_buffer__nth_operation_fails__said_or_done(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    bool fired = true;
    sim_set_can_map(fixture->log.sim, true);
    for (uint64_t n = 1; fired; n++) {
        const struct sim_fault fault = {.kind = SIM_FAULT_ERROR, .fail_at = n};
        size_t open = sim_open_count(fixture->log.sim);
        sim_set_fault(fixture->log.sim, &fault);
        armdb_err err = adb_log_buffer_share(&fixture->writer.buffer, fixture->log.os, "/log");
        fired = sim_fault_fired(fixture->log.sim);
        sim_clear_fault(fixture->log.sim);
        assert_int_equal(err, fired ? ARMDB_IO : ARMDB_OK);
        assert_int_equal(adb_log_writer_is_shared(&fixture->writer), !fired);
        assert_int_equal(sim_open_count(fixture->log.sim), open + !fired);
    }
}

static void
test_log_buffer__nth_allocation_fails__said_or_done(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    armdb_err err = ARMDB_NO_MEMORY;
    sim_set_can_map(fixture->log.sim, true);
    for (uint64_t n = 1; err != ARMDB_OK; n++) {
        adb_mem_fail_at(n, false);
        err = adb_log_buffer_share(&fixture->writer.buffer, fixture->log.os, "/log");
        adb_mem_fail_at(0, false);
        assert_true(err == ARMDB_OK || err == ARMDB_NO_MEMORY);
        assert_int_equal(adb_log_writer_is_shared(&fixture->writer), err == ARMDB_OK);
    }
}

static void
test_log_buffer__removed__gone_and_says_nothing(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    adb_log_buffer_remove(fixture->log.os, "/log");
    assert_false(sim_file_exists(fixture->log.sim, BUFFER_PATH));
    ADB_IGNORE(adb_fail(ARMDB_LIMIT, "test", "the newest"));
    adb_log_buffer_remove(fixture->log.os, "/log");
    assert_int_equal(adb_err_detail()->code, ARMDB_LIMIT);
}

/* -------------------------------------------------------------------- salvage */

static void
test_log_buffer__killed__all_appended_is_salvaged(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t salvaged;
    for (uint64_t i = 1; i <= 50; i++) {
        append(&fixture->writer, i, i);
        struct log_scan_result result = recover_after_kill(fixture, &salvaged);
        assert_int_equal(result.how, LOG_SCAN_WHOLE);
        assert_int_equal(result.end, fixture->file->end);
        assert_int_equal(result.sequence, i);
        assert_int_equal(salvaged, fixture->file->end - LOG_FILE_HEADER_BYTES);
        expect_beginning(fixture, i);
    }
    flush(&fixture->writer);
    recover_after_kill(fixture, &salvaged);
    assert_int_equal(salvaged, 0);
    expect_beginning(fixture, 50);
}

static void
test_log_buffer__killed_around_many_windows__all_appended_is_salvaged(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    struct test_rng rng = test_rng_fork(test_seed(), 21);
    uint64_t salvaged;
    for (uint64_t i = 1; i <= 300; i++) {
        /* Some larger than a window, some large enough to begin at a page. */
        size_t len = test_rng_one_in(&rng, 40) ? TAIL_BYTES + test_rng_below(&rng, 600000)
                                               : test_rng_below(&rng, 3000);
        append(&fixture->writer, i, len);
        if (test_rng_one_in(&rng, 10))
            sync_log(&fixture->writer);
        recover_after_kill(fixture, &salvaged);
        assert_true(salvaged <= TAIL_BYTES);
        assert_int_equal(fixture->seen.count, i);
        expect_beginning(fixture, i);
    }
}

/* The process ends, or the power, at the n-th operation of a run with mixed levels. */
static uint64_t
run_until(uint64_t n, enum sim_cut mode, bool is_kill, struct seen_records *seen)
{
    void *state;
    struct test_rng rng = test_rng_fork(test_seed(), 22);
    set_up_shared(&state);
    struct writer_fixture *fixture = (struct writer_fixture *)state;
    struct sim *sim = fixture->log.sim;
    const struct sim_fault fault = {.kind = SIM_FAULT_CUT, .fail_at = n, .seed = n};
    uint64_t written = 0, synced = 0, salvaged, offset;
    sim_set_fault(sim, &fault);
    for (uint64_t i = 1; i <= 120 && !sim_is_off(sim); i++) {
        armdb_err err = try_append(&fixture->writer, i, test_rng_below(&rng, 2000), &offset);
        written = err == ARMDB_OK && !sim_is_off(sim) ? i : written;
        if (err != ARMDB_OK || !test_rng_one_in(&rng, 9))
            continue;
        if (adb_log_writer_flush(&fixture->writer) != ARMDB_OK)
            continue;
        const struct log_sync plan = adb_log_writer_plan_sync(&fixture->writer);
        if (adb_log_writer_sync(&plan) == ARMDB_OK && !sim_is_off(sim))
            synced = i;
    }
    bool was_off = sim_is_off(sim);
    sim_power_cut_as(sim, is_kill ? SIM_CUT_KEEP : mode, n);
    struct log_scan_result result = recover(sim, seen, &salvaged);
    assert_true(result.sequence >= (is_kill ? written : synced));
    memcpy(&fixture->seen, seen, sizeof *seen);
    expect_beginning(fixture, is_kill ? written : synced);
    writer_tear_down(&state);
    return was_off ? 1 : 0;
}

static void
test_log_buffer__ended_at_each_operation__keeps_what_was_promised(void **state)
{
    static struct seen_records seen;
    (void)state;
    for (uint64_t n = 1; run_until(n, SIM_CUT_KEEP, true, &seen) != 0; n++) {
        run_until(n, SIM_CUT_LOSE, false, &seen);
        run_until(n, SIM_CUT_ANY, false, &seen);
        run_until(n, SIM_CUT_SECTORS, false, &seen);
    }
}

static void
test_log_buffer__undone__is_never_found(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t salvaged;
    append(&fixture->writer, 1, 100);
    adb_log_writer_undo(&fixture->writer, append(&fixture->writer, 2, 100));
    recover_after_kill(fixture, &salvaged);
    assert_int_equal(fixture->seen.count, 1);
    /* Nor after a power cut, whatever the system had written back meanwhile. */
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim *clone = sim_clone(fixture->log.sim);
        sim_power_cut_as(clone, SIM_CUT_ANY, seed);
        recover(clone, &fixture->seen, &salvaged);
        assert_true(fixture->seen.count <= 1);
        sim_free(clone);
    }
    append(&fixture->writer, 2, 50);
    recover_after_kill(fixture, &salvaged);
    assert_int_equal(fixture->seen.count, 2);
    assert_int_equal(fixture->seen.at[1].value_len, 50);
}

static void
test_log_buffer__another_files_windows__are_not_taken(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    struct log_file_header other = LOG_HEADER;
    struct data_file *next;
    size_t bytes;
    uint64_t salvaged;
    append(&fixture->writer, 1, 100);
    struct sim *clone = sim_clone(fixture->log.sim); /* takes what was stored into the mapping */
    char *content = sim_read_file(clone, BUFFER_PATH, &bytes);
    sim_free(clone);
    /* The same bytes beside a file of the same place in another database. */
    other.db_id[0] ^= 1;
    sim_make_dir(fixture->log.sim, "/other");
    sim_write_file(fixture->log.sim, "/other/buffer", content, bytes);
    free(content);
    assert_int_equal(adb_data_file_create(fixture->log.os, "/other", &other, &next), ARMDB_OK);
    const struct log_scan_result result = {.end = LOG_FILE_HEADER_BYTES};
    assert_int_equal(adb_log_buffer_salvage(fixture->log.os, "/other", next, &result, &salvaged),
                     ARMDB_OK);
    assert_int_equal(salvaged, 0);
    close_log(next);
}

static void
test_log_buffer__one_byte_changed__keeps_what_is_before(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t ends[9] = {LOG_FILE_HEADER_BYTES};
    for (uint64_t i = 1; i <= 8; i++) {
        append(&fixture->writer, i, 40);
        ends[i] = fixture->file->end;
    }
    for (uint64_t at = ends[0]; at < ends[8]; at++) {
        struct sim *clone = sim_clone(fixture->log.sim);
        uint64_t whole = 0, salvaged;
        sim_corrupt(clone, BUFFER_PATH, at, 0x10); /* the header of a window is as long */
        recover(clone, &fixture->seen, &salvaged);
        while (ends[whole + 1] <= at)
            whole++;
        assert_int_equal(fixture->seen.count, whole);
        assert_int_equal(salvaged, ends[whole] - ends[0]);
        sim_free(clone);
    }
}

static void
test_log_buffer__header_changed__nothing_is_taken(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 1, 40);
    for (uint64_t at = 0; at < LOG_BUFFER_HEADER_BYTES; at++) {
        struct sim *clone = sim_clone(fixture->log.sim);
        uint64_t salvaged;
        sim_corrupt(clone, BUFFER_PATH, at, 0x80);
        recover(clone, &fixture->seen, &salvaged);
        assert_int_equal(salvaged, 0);
        sim_free(clone);
    }
}

static void
test_log_buffer__file_of_any_size__nothing_wrong_is_taken(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    static const uint64_t sizes[] = {0, 1, 64, 127, 128, 4096, STRIDE, 2 * STRIDE - 1, 3 * STRIDE};
    for (uint64_t i = 1; i <= 3; i++)
        append(&fixture->writer, i, 40);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sim *clone = sim_clone(fixture->log.sim);
        uint64_t salvaged;
        sim_truncate_file(clone, BUFFER_PATH, sizes[i]);
        struct log_scan_result result = recover(clone, &fixture->seen, &salvaged);
        assert_int_equal(result.how, LOG_SCAN_WHOLE);
        expect_beginning(fixture, 0);
        sim_free(clone);
    }
}

static void
test_log_buffer__no_space_to_salvage__said_and_works_later(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    struct log_scan_result result = {.end = LOG_FILE_HEADER_BYTES};
    uint64_t salvaged;
    append(&fixture->writer, 1, 100);
    struct sim *clone = sim_clone(fixture->log.sim);
    struct data_file *file = open_log(sim_os(clone));
    const struct sim_fault fault = {
        .kind = SIM_FAULT_NO_SPACE, .fail_at = 1, .ops = SIM_WRITES, .seed = 3};
    sim_set_fault(clone, &fault);
    assert_int_equal(adb_log_buffer_salvage(sim_os(clone), "/log", file, &result, &salvaged),
                     ARMDB_NO_SPACE);
    assert_int_equal(salvaged, 0);
    close_log(file);
    recover(clone, &fixture->seen, &salvaged);
    expect_beginning(fixture, 1);
    sim_free(clone);
}

static void
test_log_buffer__no_space_to_salvage_after_a_power_cut__leaves_nothing(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    struct log_scan_result result = {.end = LOG_FILE_HEADER_BYTES};
    for (uint64_t key = 1; key <= 10; key++)
        append(&fixture->writer, key, 20);
    for (uint64_t seed = 1; seed <= 20; seed++) { /* some let whole records through */
        struct sim *clone = sim_clone(fixture->log.sim);
        const struct sim_fault fault = {
            .kind = SIM_FAULT_NO_SPACE, .fail_at = 1, .ops = SIM_WRITES, .seed = seed};
        uint64_t salvaged;
        sim_power_cut_as(clone, SIM_CUT_KEEP, seed);
        struct data_file *file = open_log(sim_os(clone));
        sim_set_fault(clone, &fault);
        assert_int_equal(adb_log_buffer_salvage(sim_os(clone), "/log", file, &result, &salvaged),
                         ARMDB_OK);
        assert_int_equal(salvaged, 0);
        assert_int_equal(sim_file_size(clone, file->path), LOG_FILE_HEADER_BYTES);
        close_log(file);
        sim_free(clone);
    }
}

static void
test_log_buffer__salvage_fails_at_each_operation_and_allocation__said(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    struct log_scan_result result = {.end = LOG_FILE_HEADER_BYTES};
    uint64_t salvaged;
    append(&fixture->writer, 1, 100);
    struct sim *clone = sim_clone(fixture->log.sim);
    struct adb_os *os = sim_os(clone);
    struct data_file *file = open_log(os);
    for (uint64_t n = 1; n <= 5; n++) { /* open, size, read, close, write */
        if (n == 4)
            continue; /* how closing ends does not matter */
        const struct sim_fault fault = {.kind = SIM_FAULT_ERROR, .fail_at = n};
        sim_set_fault(clone, &fault);
        assert_int_equal(adb_log_buffer_salvage(os, "/log", file, &result, &salvaged), ARMDB_IO);
        assert_int_equal(salvaged, 0);
        assert_int_equal(sim_open_count(clone), 1);
        sim_clear_fault(clone);
    }
    for (uint64_t n = 1; n <= 2; n++) { /* the path, the bytes */
        adb_mem_fail_at(n, false);
        assert_int_equal(adb_log_buffer_salvage(os, "/log", file, &result, &salvaged),
                         ARMDB_NO_MEMORY);
        adb_mem_fail_at(0, false);
    }
    close_log(file);
    sim_free(clone);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_buffer__no_memory__said_and_nothing_left),
        WITH_WRITER(test_log_buffer__system_cannot_map__own_memory_and_no_file),
        WITH_SHARED(test_log_buffer__shared__file_is_there_and_durable),
        WITH_WRITER(test_log_buffer__no_space_for_it__goes_without),
        WITH_WRITER(test_log_buffer__nth_operation_fails__said_or_done),
        WITH_WRITER(test_log_buffer__nth_allocation_fails__said_or_done),
        WITH_SHARED(test_log_buffer__removed__gone_and_says_nothing),
        WITH_SHARED(test_log_buffer__killed__all_appended_is_salvaged),
        WITH_SHARED(test_log_buffer__killed_around_many_windows__all_appended_is_salvaged),
        cmocka_unit_test(test_log_buffer__ended_at_each_operation__keeps_what_was_promised),
        WITH_SHARED(test_log_buffer__undone__is_never_found),
        WITH_SHARED(test_log_buffer__another_files_windows__are_not_taken),
        WITH_SHARED(test_log_buffer__one_byte_changed__keeps_what_is_before),
        WITH_SHARED(test_log_buffer__header_changed__nothing_is_taken),
        WITH_SHARED(test_log_buffer__file_of_any_size__nothing_wrong_is_taken),
        WITH_SHARED(test_log_buffer__no_space_to_salvage__said_and_works_later),
        WITH_SHARED(test_log_buffer__no_space_to_salvage_after_a_power_cut__leaves_nothing),
        WITH_SHARED(test_log_buffer__salvage_fails_at_each_operation_and_allocation__said),
    };
    return cmocka_run_group_tests_name("log/log_buffer", tests, NULL, NULL);
}
