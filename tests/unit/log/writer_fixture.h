/* writer_fixture.h: a log writer with its active file on the simulated system. */
#ifndef TEST_WRITER_FIXTURE_H
#define TEST_WRITER_FIXTURE_H

#include "log_fixture.h"

enum { TAIL_BYTES = 16384 };

#define MAX_FILE_BYTES (UINT64_C(64) << 20)

struct writer_fixture {
    struct log_fixture log;
    struct log_writer writer;
    struct data_file *file;
    struct seen_records seen;
};

static inline int
writer_set_up_with(void **state, uint32_t tail_bytes)
{
    struct writer_fixture *fixture = (struct writer_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->log.sim = sim_new(test_seed());
    sim_make_dir(fixture->log.sim, "/log");
    fixture->log.os = sim_os(fixture->log.sim);
    fixture->file = create_log(fixture->log.os);
    assert_int_equal(adb_log_writer_init(&fixture->writer, MAX_FILE_BYTES, tail_bytes), ARMDB_OK);
    adb_log_writer_use(&fixture->writer, fixture->file);
    *state = fixture;
    return 0;
}

static inline int
writer_set_up(void **state)
{
    return writer_set_up_with(state, TAIL_BYTES);
}

static inline int
writer_tear_down(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    adb_mem_fail_at(0, false);
    ADB_IGNORE(adb_data_file_close(fixture->file));
    adb_log_writer_fini(&fixture->writer);
    sim_free(fixture->log.sim);
    free(fixture);
    return 0;
}

#define WITH_WRITER(test) cmocka_unit_test_setup_teardown(test, writer_set_up, writer_tear_down)

/** Scans what a reader sees now: what a kill would leave. */
static inline struct log_scan_result
scan_after_kill(struct writer_fixture *fixture, bool is_newest)
{
    struct sim *clone = sim_clone(fixture->log.sim);
    struct log_scan_result result = scan_log(clone, is_newest, &fixture->seen);
    sim_free(clone);
    return result;
}

/** Scans what a power cut would leave. */
static inline struct log_scan_result
scan_after_cut(struct writer_fixture *fixture, bool is_newest, enum sim_cut mode, uint64_t seed)
{
    struct sim *clone = sim_clone(fixture->log.sim);
    sim_power_cut_as(clone, mode, seed);
    struct log_scan_result result = scan_log(clone, is_newest, &fixture->seen);
    sim_free(clone);
    return result;
}

/** Makes the next operations of `ops` fail as `kind`, all of them until cleared. */
static inline void
fail_all(struct writer_fixture *fixture, enum sim_fault_kind kind, uint32_t ops, uint64_t seed)
{
    const struct sim_fault fault = {
        .kind = kind, .fail_at = 1, .ops = ops, .is_persistent = true, .seed = seed};
    sim_set_fault(fixture->log.sim, &fault);
}

static inline void
fail_once(struct writer_fixture *fixture, enum sim_fault_kind kind, uint32_t ops, int os_errno,
          uint64_t seed)
{
    const struct sim_fault fault = {
        .kind = kind, .fail_at = 1, .ops = ops, .os_errno = os_errno, .seed = seed};
    sim_set_fault(fixture->log.sim, &fault);
}

/** The META record at an offset of the file: its kind, and what a MARK or SEAL says. */
static inline unsigned
meta_kind_at(struct writer_fixture *fixture, uint64_t offset, uint64_t *says_out)
{
    size_t bytes;
    char *content = sim_read_file(fixture->log.sim, LOG_PATH, &bytes);
    struct log_record record;
    assert_true(offset + LOG_MARK_RECORD_BYTES <= bytes);
    adb_log_decode_record((const unsigned char *)content + offset, &record);
    assert_int_equal(record.flags, LOG_FLAG_META);
    unsigned kind = (unsigned char)content[offset + LOG_RECORD_HEADER_BYTES];
    *says_out = adb_load_u64(content + offset + LOG_RECORD_HEADER_BYTES + 8);
    free(content);
    return kind;
}

#endif
