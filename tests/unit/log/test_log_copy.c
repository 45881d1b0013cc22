/* Copies: what is put into them is read back, and what is left of them when something fails. */
#include "writer_fixture.h"

#include "log/location.h"
#include "log/log_copy.h"

#define COPY_PATH "/log/0000000002.log"

enum {
    TOMBSTONE = -1,
    WINDOW_BYTES = 1024 * 1024,
    HEAD_BYTES = LOG_RECORD_HEADER_BYTES + KEY_BYTES
};

/* Value lengths around every boundary there is; not ascending, so that PADs differ. */
static const int KINDS[] = {
    0,
    1,
    LOCATION_LARGE,
    100,
    TOMBSTONE,
    LOG_SCAN_VALUE_MAX - 1,
    LOG_SCAN_VALUE_MAX,
    LOG_SCAN_VALUE_MAX + 1,
    LOCATION_LARGE + 5,
    LOCATION_LARGE + 6,
    LOCATION_LARGE - 1,
    WINDOW_BYTES - HEAD_BYTES - 8, /* the longest that is handed out */
    WINDOW_BYTES - HEAD_BYTES - 7,
    7,
    WINDOW_BYTES + 3,
    TOMBSTONE,
    3 * WINDOW_BYTES + 1,
    2 * WINDOW_BYTES - HEAD_BYTES,
    9,
};
enum { KIND_COUNT = sizeof KINDS / sizeof KINDS[0] };

/* Some of each way to be copied. */
static const int FEW[] = {50, LOCATION_LARGE, TOMBSTONE, WINDOW_BYTES + 100, 300000, 0};
enum { FEW_COUNT = sizeof FEW / sizeof FEW[0] };

/* Fills the log with records 0, 1, ... of these lengths, with this deadline unless it is 0. */
static void
fill_log_until(struct writer_fixture *fixture, const int *lengths, size_t count,
               uint64_t deadline_ms)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t offset;
        if (lengths[i] != TOMBSTONE) {
            assert_int_equal(
                try_append_until(&fixture->writer, i, (size_t)lengths[i], deadline_ms, &offset),
                ARMDB_OK);
            continue;
        }
        char room[KEY_BYTES + 1];
        const struct log_entry entry = {
            .collection_id = 3, .flags = LOG_FLAG_TOMBSTONE, .key = key_of(i, room)};
        assert_int_equal(adb_log_writer_append(&fixture->writer, &entry, &offset), ARMDB_OK);
    }
    flush(&fixture->writer);
}

static void
fill_log(struct writer_fixture *fixture, const int *lengths, size_t count)
{
    fill_log_until(fixture, lengths, count, 0);
}

/* A copy being made of the log: of each record, or of each `step`-th. */
struct job {
    struct writer_fixture *fixture;
    struct log_copy copy;
    size_t step;
    size_t met;
    struct seen_records source; /* of what was added: where it was */
    struct seen_records added;  /* the same, with the offsets in the copy */
    void (*before_add)(struct job *job, const struct log_scan_record *found);
};

static struct job *
job_new(struct writer_fixture *fixture, size_t step)
{
    struct job *job = (struct job *)calloc(1, sizeof *job);
    assert_non_null(job);
    job->fixture = fixture;
    job->step = step;
    return job;
}

static armdb_err
job_begin(struct job *job)
{
    struct log_file_header header = LOG_HEADER;
    header.file_id = 2;
    header.is_copy = true;
    header.last_sequence = job->fixture->writer.sequence;
    return adb_log_copy_begin(&job->copy, job->fixture->log.os, "/log", &header, NULL, 0);
}

static armdb_err
add_record(void *context, const struct log_scan_record *found)
{
    struct job *job = (struct job *)context;
    struct log_scan_record moved = *found;
    if (job->met++ % job->step != 0)
        return ARMDB_OK;
    if (job->before_add != NULL)
        job->before_add(job, found);
    ADB_TRY(adb_log_copy_add(&job->copy, job->fixture->file, found, &moved.offset));
    ADB_TRY(note_record(&job->source, found));
    return note_record(&job->added, &moved);
}

static armdb_err
job_fill(struct job *job)
{
    struct log_scan_result result;
    ADB_TRY(adb_log_scan(job->fixture->file, true, 0, add_record, job, &result));
    assert_int_equal(result.how, LOG_SCAN_WHOLE);
    return adb_log_copy_seal(&job->copy);
}

static armdb_err
job_run(struct job *job, struct data_file **file_out)
{
    *file_out = NULL;
    ADB_TRY(job_begin(job));
    ADB_TRY(job_fill(job));
    return adb_log_copy_publish(&job->copy, file_out);
}

/* Scans the copy of a simulator as recovery does: it has all that was added, and nothing else. */
static void
check_copy(struct sim *sim, const struct job *job)
{
    static struct seen_records seen;
    struct log_file_header expected = LOG_HEADER;
    struct log_scan_result result;
    struct data_file *file;
    expected.file_id = 2;
    seen.count = 0;
    assert_int_equal(adb_data_file_open(sim_os(sim), "/log", &expected, ADB_OPEN_READ, &file),
                     ARMDB_OK);
    assert_true(file->header.is_copy);
    assert_int_equal(adb_log_scan(file, false, 0, note_record, &seen, &result), ARMDB_OK);
    assert_int_equal(result.how, LOG_SCAN_WHOLE);
    assert_true(result.is_sealed);
    assert_int_equal(result.end, result.size);
    assert_int_equal(result.marked, LOG_FILE_HEADER_BYTES);
    assert_int_equal(result.sequence, file->header.last_sequence);
    assert_int_equal(result.records, job->added.count);
    assert_memory_equal(seen.at, job->added.at, seen.count * sizeof seen.at[0]);
    close_log(file);
}

static uint64_t
bytes_of(const struct job *job, size_t i)
{
    const struct log_record record = {.flags = job->added.at[i].flags,
                                      .key_len = KEY_BYTES,
                                      .value_len = job->added.at[i].value_len};
    return adb_log_record_bytes(&record);
}

/* Each record is in the copy as it was, but for its checksum, and that of the deadline. */
static void
assert_same_bytes(const struct job *job)
{
    size_t log_bytes, copy_bytes;
    char *log = sim_read_file(job->fixture->log.sim, LOG_PATH, &log_bytes);
    char *copy = sim_read_file(job->fixture->log.sim, COPY_PATH, &copy_bytes);
    for (size_t i = 0; i < job->added.count; i++) {
        uint64_t from = job->source.at[i].offset, to = job->added.at[i].offset;
        uint64_t bytes = bytes_of(job, i);
        size_t head = adb_log_head_bytes(job->added.at[i].flags);
        assert_true(from + bytes <= log_bytes && to + bytes <= copy_bytes);
        assert_memory_equal(copy + to + 4, log + from + 4, LOG_RECORD_HEADER_BYTES - 4);
        if (head == LOG_RECORD_HEAD_MAX)
            assert_memory_equal(copy + to + LOG_RECORD_HEADER_BYTES,
                                log + from + LOG_RECORD_HEADER_BYTES, 8);
        assert_memory_equal(copy + to + head, log + from + head, (size_t)bytes - head);
    }
    free(log);
    free(copy);
}

/* The records lie back to back, but for PADs before large values, which are aligned. */
static void
assert_places(const struct job *job)
{
    uint64_t end = LOG_FILE_HEADER_BYTES;
    for (size_t i = 0; i < job->added.count; i++) {
        uint32_t value_len = job->added.at[i].value_len;
        uint64_t pad = value_len < LOCATION_LARGE
                           ? 0
                           : adb_log_pad_bytes(end, LOCATION_LARGE_ALIGNMENT);
        assert_int_equal(job->added.at[i].offset, end + pad);
        if (value_len >= LOCATION_LARGE)
            assert_int_equal(job->added.at[i].offset % LOCATION_LARGE_ALIGNMENT, 0);
        end = job->added.at[i].offset + bytes_of(job, i);
    }
    assert_int_equal(sim_file_size(job->fixture->log.sim, COPY_PATH), end + LOG_MARK_RECORD_BYTES);
}

/* Makes a copy of the log as it is, and looks at it from all sides. */
static void
copy_and_check(struct writer_fixture *fixture, size_t step)
{
    struct job *job = job_new(fixture, step);
    struct data_file *file;
    assert_int_equal(job_run(job, &file), ARMDB_OK);
    assert_null(job->copy.file);
    assert_null(job->copy.buffer);
    assert_false(sim_file_exists(fixture->log.sim, COPY_PATH ".tmp"));
    check_copy(fixture->log.sim, job);
    assert_same_bytes(job);
    assert_places(job);
    uint64_t size = sim_file_size(fixture->log.sim, COPY_PATH);
    assert_string_equal(file->path, COPY_PATH);
    assert_true(file->is_sealed);
    assert_int_equal(file->end, size);
    assert_int_equal(atomic_load(&file->written), size);
    assert_int_equal(atomic_load(&file->synced), size);
    for (size_t i = 0; i < job->added.count; i++) {
        if (job->added.at[i].flags == 0)
            assert_reads(file, job->added.at[i].offset, job->added.at[i].number,
                         job->added.at[i].value_len);
    }
    close_log(file);
    sim_remove_file(fixture->log.sim, COPY_PATH);
    free(job);
}

/* ---------------------------------------------------------------- what is in them */

static void
test_log_copy__each_kind_of_record__read_back_byte_for_byte(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    fill_log(fixture, KINDS, KIND_COUNT);
    copy_and_check(fixture, 1);
    copy_and_check(fixture, 2);
    copy_and_check(fixture, 3);
}

static void
test_log_copy__deadlines__are_kept(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    fill_log_until(fixture, KINDS, KIND_COUNT, UINT64_C(0x1112131415161718));
    fill_log(fixture, FEW, FEW_COUNT);
    copy_and_check(fixture, 1);
    copy_and_check(fixture, 2);
}

/* Its newest records, or all, may be among those left out. */
static void
test_log_copy__nothing_needed__empty_and_whole(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    fill_log(fixture, FEW, FEW_COUNT);
    struct job *job = job_new(fixture, 1);
    struct data_file *file;
    assert_int_equal(job_begin(job), ARMDB_OK);
    assert_int_equal(adb_log_copy_seal(&job->copy), ARMDB_OK);
    assert_int_equal(adb_log_copy_publish(&job->copy, &file), ARMDB_OK);
    check_copy(fixture->log.sim, job);
    close_log(file);
    free(job);
}

static int
random_length(struct test_rng *rng)
{
    static const int middles[] = {64, LOG_SCAN_VALUE_MAX, 300000, LOCATION_LARGE,
                                  WINDOW_BYTES - HEAD_BYTES};
    if (test_rng_one_in(rng, 8))
        return TOMBSTONE;
    size_t which = (size_t)test_rng_below(rng, sizeof middles / sizeof middles[0]);
    return middles[which] - 32 + (int)test_rng_below(rng, 64);
}

static void
test_log_copy__random_lengths__read_back(void **state)
{
    (void)state;
    struct test_rng rng = test_rng_fork(test_seed(), 2);
    for (unsigned round = 0; round < 10 * test_scale(); round++) {
        void *own_state;
        int lengths[24];
        writer_set_up(&own_state);
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
            lengths[i] = random_length(&rng);
        fill_log((struct writer_fixture *)own_state, lengths, sizeof lengths / sizeof lengths[0]);
        copy_and_check((struct writer_fixture *)own_state, 1 + (size_t)test_rng_below(&rng, 2));
        writer_tear_down(&own_state);
    }
}

/* --------------------------------------------------------------- what may go wrong */

/* No file of either name, and no handle but that of the log. */
static void
assert_nothing_left(const struct writer_fixture *fixture)
{
    assert_false(sim_file_exists(fixture->log.sim, COPY_PATH));
    assert_false(sim_file_exists(fixture->log.sim, COPY_PATH ".tmp"));
    assert_int_equal(sim_open_count(fixture->log.sim), 1);
}

static void
damage_value(struct job *job, const struct log_scan_record *found)
{
    if (found->value == NULL)
        sim_corrupt(job->fixture->log.sim, LOG_PATH, found->offset + HEAD_BYTES + WINDOW_BYTES, 1);
}

static void
damage_padding(struct job *job, const struct log_scan_record *found)
{
    uint64_t bytes = adb_log_record_bytes(&found->record);
    if (found->value == NULL)
        sim_corrupt(job->fixture->log.sim, LOG_PATH, found->offset + bytes - 1, 1);
}

static void
cut_value(struct job *job, const struct log_scan_record *found)
{
    if (found->value == NULL)
        sim_truncate_file(job->fixture->log.sim, LOG_PATH, found->offset + WINDOW_BYTES);
}

/* A value that is too long to be handed out is read once more when it is copied. */
static void
test_log_copy__value_changes_after_the_scan_met_it__damage_not_copied(void **state)
{
    (void)state;
    static const struct {
        void (*before_add)(struct job *job, const struct log_scan_record *found);
        uint64_t at; /* of the damage, from the record on */
    } cases[] = {{damage_value, 0}, {damage_padding, 0}, {cut_value, HEAD_BYTES}};
    static const int lengths[] = {10, WINDOW_BYTES + 100};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *own_state;
        writer_set_up(&own_state);
        struct writer_fixture *fixture = (struct writer_fixture *)own_state;
        fill_log(fixture, lengths, 2);
        struct job *job = job_new(fixture, 1);
        job->before_add = cases[i].before_add;
        assert_int_equal(job_begin(job), ARMDB_OK);
        assert_int_equal(job_fill(job), ARMDB_CORRUPT);
        assert_int_equal(adb_err_detail()->code, ARMDB_CORRUPT);
        assert_string_equal(adb_err_detail()->file, LOG_PATH);
        assert_int_equal(adb_err_detail()->offset, LOCATION_LARGE_ALIGNMENT + cases[i].at);
        adb_log_copy_abandon(&job->copy);
        assert_int_equal(adb_err_detail()->code, ARMDB_CORRUPT);
        assert_nothing_left(fixture);
        free(job);
        writer_tear_down(&own_state);
    }
}

static void
test_log_copy__behind_4_gib__limit(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    fill_log(fixture, FEW, 1);
    struct job *job = job_new(fixture, 1);
    assert_int_equal(job_begin(job), ARMDB_OK);
    job->copy.end = LOCATION_OFFSET_LIMIT - 8;
    struct log_scan_result result;
    assert_int_equal(adb_log_scan(fixture->file, true, 0, add_record, job, &result), ARMDB_OK);
    assert_int_equal(job->added.at[0].offset, LOCATION_OFFSET_LIMIT - 8);
    assert_int_equal(adb_log_scan(fixture->file, true, 0, add_record, job, &result), ARMDB_LIMIT);
    assert_string_equal(adb_err_detail()->file, COPY_PATH);
    adb_log_copy_abandon(&job->copy);
    assert_nothing_left(fixture);
    free(job);
}

/* What a power cut leaves under the name of the copy is the whole copy. */
static void
check_after_cuts(struct job *job, bool must_exist)
{
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct sim *clone = sim_clone(job->fixture->log.sim);
        sim_power_cut_as(clone, seed == 0 ? SIM_CUT_LOSE : SIM_CUT_ANY, seed);
        if (must_exist)
            assert_true(sim_file_exists(clone, COPY_PATH));
        if (sim_file_exists(clone, COPY_PATH))
            check_copy(clone, job);
        sim_free(clone);
    }
}

/* Lets the n-th operation fail, until none is left; says how many there were. */
static uint64_t
fail_each_operation(enum sim_fault_kind kind, armdb_err expected)
{
    for (uint64_t n = 1;; n++) {
        void *own_state;
        writer_set_up(&own_state);
        struct writer_fixture *fixture = (struct writer_fixture *)own_state;
        fill_log(fixture, FEW, FEW_COUNT);
        struct job *job = job_new(fixture, 1);
        struct data_file *file;
        const struct sim_fault fault = {.kind = kind, .fail_at = n, .seed = test_seed() + n};
        sim_set_fault(fixture->log.sim, &fault);
        armdb_err err = job_run(job, &file);
        bool fired = sim_fault_fired(fixture->log.sim);
        sim_clear_fault(fixture->log.sim);
        assert_int_equal(err == ARMDB_OK, file != NULL);
        if (err == ARMDB_OK) {
            /* The handle by the temporary name is closed when all is synced. */
            check_after_cuts(job, true);
            assert_int_equal(adb_data_file_close(file), ARMDB_OK);
        } else {
            assert_true(fired);
            assert_int_equal(err, expected);
            assert_int_equal(adb_err_detail()->code, expected);
            adb_log_copy_abandon(&job->copy);
            assert_int_equal(adb_err_detail()->code, expected);
            assert_nothing_left(fixture);
            check_after_cuts(job, false);
        }
        free(job);
        writer_tear_down(&own_state);
        if (!fired)
            return n - 1;
    }
}

static void
test_log_copy__operation_fails__said_and_nothing_left(void **state)
{
    (void)state;
    assert_true(fail_each_operation(SIM_FAULT_ERROR, ARMDB_IO) >= 15);
    assert_true(fail_each_operation(SIM_FAULT_NO_SPACE, ARMDB_NO_SPACE) >= 5);
    assert_true(fail_each_operation(SIM_FAULT_SHORT_WRITE, ARMDB_IO) >= 5);
    assert_int_equal(fail_each_operation(SIM_FAULT_SYNC, ARMDB_IO), 3);
}

static void
test_log_copy__no_memory__said_and_nothing_left(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    bool failed = true;
    fill_log(fixture, FEW, FEW_COUNT);
    for (uint64_t n = 1; failed; n++) {
        struct job *job = job_new(fixture, 1);
        struct data_file *file;
        adb_mem_fail_at(n, false);
        armdb_err err = job_run(job, &file);
        failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        assert_int_equal(err == ARMDB_OK, file != NULL);
        if (failed)
            assert_int_equal(adb_err_detail()->code, ARMDB_NO_MEMORY);
        adb_log_copy_abandon(&job->copy);
        if (failed)
            assert_nothing_left(fixture);
        ADB_IGNORE(adb_data_file_close(file));
        free(job);
    }
    assert_true(sim_file_exists(fixture->log.sim, COPY_PATH));
}

/* A copy that has its name already, but not durably: that must go whatever happens, or it would
 * stand for files that go on without it. */
static void
test_log_copy__no_memory_to_abandon__its_name_goes_all_the_same(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    fill_log(fixture, FEW, FEW_COUNT);
    struct job *job = job_new(fixture, 1);
    struct data_file *file;
    const struct sim_fault fault = {
        .kind = SIM_FAULT_ERROR, .fail_at = 1, .ops = SIM_BIT(SIM_OP_SYNC_DIR)};
    sim_set_fault(fixture->log.sim, &fault);
    assert_int_equal(job_run(job, &file), ARMDB_IO);
    assert_true(sim_file_exists(fixture->log.sim, COPY_PATH));
    adb_mem_fail_at(1, true);
    adb_log_copy_abandon(&job->copy);
    adb_mem_fail_at(0, false);
    assert_nothing_left(fixture);
    free(job);
}

/* ------------------------------------------------------------------------ its end */

static void
test_log_copy__all_zero__nothing_to_abandon_or_free(void **state)
{
    (void)state;
    struct log_copy copy = {0};
    adb_log_copy_abandon(&copy);
    adb_log_copy_fini(&copy);
}

static void
test_log_copy__freed_without_end__temporary_stays(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    fill_log(fixture, FEW, FEW_COUNT);
    struct job *job = job_new(fixture, 1);
    assert_int_equal(job_begin(job), ARMDB_OK);
    assert_int_equal(job_fill(job), ARMDB_OK);
    adb_log_copy_fini(&job->copy);
    assert_true(sim_file_exists(fixture->log.sim, COPY_PATH ".tmp"));
    assert_false(sim_file_exists(fixture->log.sim, COPY_PATH));
    assert_int_equal(sim_open_count(fixture->log.sim), 1);
    /* The next one with that name begins anew. */
    copy_and_check(fixture, 2);
    free(job);
}

/* The power goes at the n-th operation: there is the whole copy or none; once published, it is. */
static void
test_log_copy__power_cut__whole_or_not_there(void **state)
{
    (void)state;
    bool fired = true;
    for (uint64_t n = 1; fired; n++) {
        void *own_state;
        writer_set_up(&own_state);
        struct writer_fixture *fixture = (struct writer_fixture *)own_state;
        fill_log(fixture, FEW, FEW_COUNT);
        sync_log(&fixture->writer);
        struct job *job = job_new(fixture, 1);
        struct data_file *file;
        const struct sim_fault fault = {.kind = SIM_FAULT_CUT, .fail_at = n};
        sim_set_fault(fixture->log.sim, &fault);
        armdb_err err = job_run(job, &file);
        fired = sim_fault_fired(fixture->log.sim);
        check_after_cuts(job, err == ARMDB_OK);
        adb_log_copy_abandon(&job->copy);
        ADB_IGNORE(adb_data_file_close(file));
        free(job);
        writer_tear_down(&own_state);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_WRITER(test_log_copy__each_kind_of_record__read_back_byte_for_byte),
        WITH_WRITER(test_log_copy__deadlines__are_kept),
        WITH_WRITER(test_log_copy__nothing_needed__empty_and_whole),
        cmocka_unit_test(test_log_copy__random_lengths__read_back),
        cmocka_unit_test(test_log_copy__value_changes_after_the_scan_met_it__damage_not_copied),
        WITH_WRITER(test_log_copy__behind_4_gib__limit),
        cmocka_unit_test(test_log_copy__operation_fails__said_and_nothing_left),
        WITH_WRITER(test_log_copy__no_memory__said_and_nothing_left),
        WITH_WRITER(test_log_copy__no_memory_to_abandon__its_name_goes_all_the_same),
        cmocka_unit_test(test_log_copy__all_zero__nothing_to_abandon_or_free),
        WITH_WRITER(test_log_copy__freed_without_end__temporary_stays),
        cmocka_unit_test(test_log_copy__power_cut__whole_or_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
