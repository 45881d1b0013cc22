/* The writing end of a log: what is appended is what a scan finds, in the right place. */
#include "writer_fixture.h"

#include <sched.h>

#include "log/location.h"
#include "os/thread.h"

/* ---------------------------------------------------------------- init and use */

static bool
is_full(const struct log_writer *writer, size_t key_len, size_t value_len)
{
    const struct log_entry entry = {.key = {NULL, key_len}, .value = {NULL, value_len}};
    return adb_log_writer_is_full(writer, &entry);
}

static void
test_log_writer__no_memory__said_and_nothing_left(void **state)
{
    (void)state;
    struct log_writer writer;
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_log_writer_init(&writer, MAX_FILE_BYTES, TAIL_BYTES), ARMDB_NO_MEMORY);
    adb_mem_fail_at(0, false);
    assert_null(writer.buffer.memory);
}

static void
test_log_writer__no_file_yet__full_and_nothing_to_do(void **state)
{
    (void)state;
    struct log_writer writer;
    assert_int_equal(adb_log_writer_init(&writer, MAX_FILE_BYTES, TAIL_BYTES), ARMDB_OK);
    assert_true(is_full(&writer, 1, 0));
    assert_int_equal(adb_log_writer_flush(&writer), ARMDB_OK);
    assert_int_equal(adb_log_writer_seal(&writer), ARMDB_OK);
    assert_int_equal(adb_log_writer_finish(&writer), ARMDB_OK);
    const struct log_sync plan = adb_log_writer_plan_sync(&writer);
    assert_null(plan.file);
    assert_int_equal(adb_log_writer_sync(&plan), ARMDB_OK);
    adb_log_writer_fini(&writer);
}

/* ------------------------------------------------------------ append and flush */

static void
test_log_writer__appended__scan_finds_all_in_order(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    struct test_rng rng = test_rng_fork(test_seed(), 1);
    enum { RECORDS = 400 };
    uint64_t offsets[RECORDS];
    uint32_t lengths[RECORDS];
    for (uint64_t i = 0; i < RECORDS; i++) {
        lengths[i] = (uint32_t)test_rng_below(&rng, test_rng_one_in(&rng, 20) ? 40000 : 300);
        offsets[i] = append(&fixture->writer, i, lengths[i]);
        assert_int_equal(offsets[i] % LOG_RECORD_ALIGNMENT, 0);
        assert_int_equal(fixture->writer.sequence, i + 1);
        if (test_rng_one_in(&rng, 10))
            flush(&fixture->writer);
    }
    flush(&fixture->writer);
    struct log_scan_result result = scan_after_kill(fixture, true);
    assert_int_equal(result.how, LOG_SCAN_WHOLE);
    assert_int_equal(result.end, fixture->file->end);
    assert_int_equal(result.sequence, RECORDS);
    assert_int_equal(result.records, RECORDS);
    for (size_t i = 0; i < RECORDS; i++) {
        assert_int_equal(fixture->seen.at[i].offset, offsets[i]);
        assert_int_equal(fixture->seen.at[i].number, i);
        assert_int_equal(fixture->seen.at[i].value_len, lengths[i]);
        assert_int_equal(fixture->seen.at[i].sequence, i + 1);
    }
}

static void
test_log_writer__not_flushed__not_with_the_system(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 1, 100);
    assert_int_equal(sim_file_size(fixture->log.sim, LOG_PATH), LOG_FILE_HEADER_BYTES);
    assert_int_equal(atomic_load(&fixture->file->written), LOG_FILE_HEADER_BYTES);
    flush(&fixture->writer);
    assert_int_equal(sim_file_size(fixture->log.sim, LOG_PATH), fixture->file->end);
    assert_int_equal(atomic_load(&fixture->file->written), fixture->file->end);
    uint64_t writes = sim_op_count(fixture->log.sim, SIM_WRITES);
    flush(&fixture->writer);
    assert_int_equal(sim_op_count(fixture->log.sim, SIM_WRITES), writes);
    assert_int_equal(fixture->writer.writes, 1);
    assert_int_equal(fixture->writer.written_bytes, fixture->file->end - LOG_FILE_HEADER_BYTES);
}

static void
test_log_writer__tombstone__scan_finds_it(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    char room[KEY_BYTES + 1];
    uint64_t offset;
    const struct log_entry entry = {.flags = LOG_FLAG_TOMBSTONE, .key = key_of(9, room)};
    assert_int_equal(adb_log_writer_append(&fixture->writer, &entry, &offset), ARMDB_OK);
    flush(&fixture->writer);
    assert_int_equal(scan_after_kill(fixture, true).records, 1);
    assert_int_equal(fixture->seen.at[0].flags, LOG_FLAG_TOMBSTONE);
    assert_int_equal(fixture->seen.at[0].number, 9);
}

/* Records that just fit into what is left of the tail, and that just do not. */
static void
test_log_writer__around_the_end_of_the_tail__all_are_read(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    const uint32_t whole_tail = TAIL_BYTES - LOG_RECORD_HEADER_BYTES - KEY_BYTES;
    uint64_t number = 0;
    for (uint32_t first = 0; first <= 64; first += 8) {
        for (int64_t delta = -16; delta <= 16; delta += 8) {
            uint64_t a = append(&fixture->writer, number, first);
            uint64_t used = record_bytes(KEY_BYTES, first);
            uint32_t len = (uint32_t)((int64_t)(whole_tail - used) + delta);
            uint64_t b = append(&fixture->writer, number + 1, len);
            uint64_t c = append(&fixture->writer, number + 2, 10);
            assert_reads(fixture->file, a, number, first);
            assert_reads(fixture->file, b, number + 1, len);
            assert_reads(fixture->file, c, number + 2, 10);
            number += 3;
        }
    }
    flush(&fixture->writer);
    assert_int_equal(scan_after_kill(fixture, true).records, number);
}

static void
test_log_writer__larger_than_the_tail__with_the_system_at_once(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t small = append(&fixture->writer, 1, 100);
    uint64_t big = append(&fixture->writer, 2, TAIL_BYTES);
    assert_int_equal(atomic_load(&fixture->file->written), fixture->file->end);
    assert_int_equal(fixture->writer.flushed_sequence, 2);
    assert_reads(fixture->file, small, 1, 100);
    assert_reads(fixture->file, big, 2, TAIL_BYTES);
    assert_int_equal(scan_after_kill(fixture, true).records, 2);
}

static void
test_log_writer__longest_key__in_the_tail_and_directly(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    char key[ARMDB_KEY_MAX];
    memset(key, 'k', sizeof key);
    static const size_t lengths[] = {0, 1, TAIL_BYTES};
    for (size_t i = 0; i < 3; i++) {
        uint64_t offset;
        struct data_file_reading reading;
        unsigned char *value = make_value(i, lengths[i]);
        unsigned char *to = (unsigned char *)malloc(lengths[i] + 1);
        const struct log_entry entry = {.collection_id = LOG_COLLECTION_ID_MAX,
                                        .key = {key, sizeof key},
                                        .value = {value, lengths[i]}};
        assert_int_equal(adb_log_writer_append(&fixture->writer, &entry, &offset), ARMDB_OK);
        flush(&fixture->writer);
        uint64_t location = adb_location_make(0, offset, (uint32_t)lengths[i]);
        assert_int_equal(adb_data_file_read_value(fixture->file, location, entry.key, to, &reading),
                         ARMDB_OK);
        assert_memory_equal(to, value, lengths[i]);
        free(to);
        free(value);
    }
}

/* ----------------------------------------------------------------- deadlines */

/* Through the window, written directly, and large: the deadline is there, and the value too. */
static void
test_log_writer__deadline__read_back_from_memory_and_file(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    static const uint32_t lengths[] = {0, 100, 4064 - KEY_BYTES, 4065, TAIL_BYTES, LOCATION_LARGE};
    enum { COUNT = sizeof lengths / sizeof lengths[0] };
    for (uint64_t i = 0; i < 2 * COUNT; i++) {
        char room[KEY_BYTES + 1];
        struct data_file_reading reading;
        uint32_t len = lengths[i % COUNT];
        uint64_t offset, deadline_ms = UINT64_C(0x0102030405060708) + i;
        unsigned char *to = (unsigned char *)malloc(len + 1);
        unsigned char *value = make_value(i, len);
        assert_int_equal(try_append_until(&fixture->writer, i, len, deadline_ms, &offset),
                         ARMDB_OK);
        if (i >= COUNT)
            flush(&fixture->writer);
        uint64_t location = adb_location_make(0, offset, len) | LOCATION_DEADLINE;
        assert_int_equal(
            adb_data_file_read_value(fixture->file, location, key_of(i, room), to, &reading),
            ARMDB_OK);
        assert_true(reading.deadline_ms == deadline_ms);
        assert_memory_equal(to, value, len);
        assert_int_equal(
            adb_data_file_read_deadline(fixture->file, location, key_of(i, room), &reading),
            ARMDB_OK);
        assert_true(reading.deadline_ms == deadline_ms);
        /* A location without the bit is of another record. */
        if (i >= COUNT)
            assert_int_equal(adb_data_file_read_value(fixture->file, location & ~LOCATION_DEADLINE,
                                                      key_of(i, room), to, &reading),
                             ARMDB_CORRUPT);
        free(to);
        free(value);
    }
    assert_int_equal(scan_after_kill(fixture, true).how, LOG_SCAN_WHOLE);
    assert_int_equal(fixture->seen.count, 2 * COUNT);
    for (uint64_t i = 0; i < 2 * COUNT; i++)
        assert_true(fixture->seen.at[i].deadline_ms == UINT64_C(0x0102030405060708) + i);
}

/* An older library knows no deadlines, and would take one for a torn end. */
static void
test_log_writer__file_of_version_1__is_full_for_deadlines_only(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    char room[KEY_BYTES + 1];
    const struct log_entry entry = {
        .flags = LOG_FLAG_DEADLINE, .key = key_of(1, room), .deadline_ms = 1};
    assert_false(adb_log_writer_is_full(&fixture->writer, &entry));
    fixture->file->header.version = 1;
    assert_true(adb_log_writer_is_full(&fixture->writer, &entry));
    assert_false(is_full(&fixture->writer, KEY_BYTES, 0));
}

/* ---------------------------------------------------------- large ones and pads */

static void
test_log_writer__large_value__starts_at_a_page_from_every_place(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t number = 0;
    /* From each multiple of 8 near the end of a page: the shortest PADs, and the one that needs
     * another page. */
    for (uint64_t want = 0; want <= 64; want += 8) {
        uint64_t at = adb_round_up(fixture->file->end, 4096) + 8192 - want;
        uint64_t left = at - fixture->file->end;
        uint64_t len = left - LOG_RECORD_HEADER_BYTES - KEY_BYTES;
        append(&fixture->writer, number++, (size_t)len);
        assert_int_equal(fixture->file->end, at);
        uint64_t large = append(&fixture->writer, number, LOCATION_LARGE);
        assert_int_equal(large % LOCATION_LARGE_ALIGNMENT, 0);
        uint64_t pad = large - at;
        assert_true(pad == 0 || pad >= LOG_PAD_RECORD_BYTES_MIN);
        assert_true(pad < LOCATION_LARGE_ALIGNMENT + LOG_PAD_RECORD_BYTES_MIN);
        assert_reads(fixture->file, large, number, LOCATION_LARGE);
        number++;
    }
    flush(&fixture->writer);
    struct log_scan_result result = scan_after_kill(fixture, true);
    assert_int_equal(result.how, LOG_SCAN_WHOLE);
    assert_int_equal(result.records, number);
}

static void
test_log_writer__just_below_large__no_pad(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 1, 10);
    uint64_t end = fixture->file->end;
    assert_int_equal(append(&fixture->writer, 2, LOCATION_LARGE - 1), end);
}

static void
test_log_writer__is_full__never_past_the_limit(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    struct test_rng rng = test_rng_fork(test_seed(), 2);
    fixture->writer.max_file_bytes = 4 * 1024 * 1024;
    /* A fresh file takes anything. */
    assert_false(is_full(&fixture->writer, KEY_BYTES, ARMDB_VALUE_MAX));
    for (uint64_t i = 0;; i++) {
        uint32_t len = (uint32_t)test_rng_below(&rng, 700000);
        if (test_rng_one_in(&rng, 3))
            sync_log(&fixture->writer); /* so that MARKs come too */
        if (is_full(&fixture->writer, KEY_BYTES, len))
            break;
        append(&fixture->writer, i, len);
        if (i > 0)
            assert_true(fixture->file->end <= fixture->writer.max_file_bytes);
    }
    assert_true(is_full(&fixture->writer, KEY_BYTES, ARMDB_VALUE_MAX));
}

/* ------------------------------------------------------------------------ marks */

static void
test_log_writer__synced_and_grown__mark_says_so(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t says = 0;
    append(&fixture->writer, 1, 5000);
    sync_log(&fixture->writer);
    uint64_t synced = fixture->file->end;
    assert_int_equal(fixture->file->synced, synced);
    uint64_t second = append(&fixture->writer, 2, 10); /* due: 4 KiB since the beginning */
    assert_int_equal(second, synced + LOG_MARK_RECORD_BYTES);
    append(&fixture->writer, 3, 5000); /* not due: nothing was synced since */
    uint64_t end = fixture->file->end;
    assert_int_equal(append(&fixture->writer, 4, 10), end);
    sync_log(&fixture->writer);
    assert_int_equal(meta_kind_at(fixture, synced, &says), LOG_META_MARK);
    assert_int_equal(says, synced);
    assert_int_equal(scan_after_kill(fixture, true).marked, synced);
}

static void
test_log_writer__little_grown__no_mark(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 1, 5000);
    sync_log(&fixture->writer);
    append(&fixture->writer, 2, 10);
    for (uint64_t i = 3; i < 30; i++) {
        sync_log(&fixture->writer);
        uint64_t end = fixture->file->end;
        assert_int_equal(append(&fixture->writer, i, 10), end);
    }
}

/* ------------------------------------------------------------------------- sync */

static void
test_log_writer__synced__survives_a_cut(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 1, 100);
    append(&fixture->writer, 2, 100);
    sync_log(&fixture->writer);
    append(&fixture->writer, 3, 100);
    flush(&fixture->writer);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_LOSE, 1).records, 2);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_KEEP, 1).records, 3);
}

static void
test_log_writer__plan__covers_what_was_flushed(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 1, 100);
    flush(&fixture->writer);
    uint64_t flushed = fixture->file->end;
    append(&fixture->writer, 2, 100);
    const struct log_sync plan = adb_log_writer_plan_sync(&fixture->writer);
    assert_ptr_equal(plan.file, fixture->file);
    assert_int_equal(plan.end, flushed);
    assert_int_equal(plan.sequence, 1);
    assert_int_equal(adb_log_writer_sync(&plan), ARMDB_OK);
    assert_int_equal(fixture->file->synced, flushed);
    /* Nothing new: no second call. */
    uint64_t syncs = sim_op_count(fixture->log.sim, SIM_SYNCS);
    assert_int_equal(adb_log_writer_sync(&plan), ARMDB_OK);
    assert_int_equal(sim_op_count(fixture->log.sim, SIM_SYNCS), syncs);
}

/* -------------------------------------------------------------- seal and finish */

static void
test_log_writer__sealed__whole_durable_and_exact(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t says = 0;
    uint64_t a = append(&fixture->writer, 1, 100);
    sync_log(&fixture->writer);
    uint64_t synced = fixture->file->end;
    append(&fixture->writer, 2, 100);
    uint64_t seal_at = fixture->file->end;
    assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_OK);
    assert_true(fixture->file->is_sealed);
    assert_null(fixture->file->tail);
    assert_true(is_full(&fixture->writer, 1, 0));
    assert_int_equal(sim_file_size(fixture->log.sim, LOG_PATH), fixture->file->end);
    assert_int_equal(sim_used_bytes(fixture->log.sim), 4096);
    assert_int_equal(meta_kind_at(fixture, seal_at, &says), LOG_META_SEAL);
    assert_int_equal(says, synced); /* what had been synced before the SEAL was written */
    assert_reads(fixture->file, a, 1, 100);
    struct log_scan_result result = scan_after_cut(fixture, false, SIM_CUT_LOSE, 1);
    assert_int_equal(result.how, LOG_SCAN_WHOLE);
    assert_true(result.is_sealed);
    uint64_t ops = sim_op_count(fixture->log.sim, SIM_CHANGES);
    assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_OK);
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    assert_int_equal(sim_op_count(fixture->log.sim, SIM_CHANGES), ops);
}

static struct data_file *
begin_next_file(struct writer_fixture *fixture)
{
    struct log_file_header header = LOG_HEADER;
    struct data_file *next;
    header.file_id = 2;
    header.base_sequence = fixture->writer.sequence;
    assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_OK);
    assert_int_equal(adb_data_file_create(fixture->log.os, "/log", &header, &next), ARMDB_OK);
    adb_log_writer_use(&fixture->writer, next);
    return next;
}

static void
test_log_writer__next_file__takes_over(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t a = append(&fixture->writer, 1, 100);
    struct data_file *next = begin_next_file(fixture);
    uint64_t b = append(&fixture->writer, 2, 100);
    assert_int_equal(b, LOG_FILE_HEADER_BYTES);
    assert_int_equal(fixture->writer.sequence, 2);
    assert_reads(fixture->file, a, 1, 100);
    assert_reads(next, b, 2, 100);
    close_log(next);
}

/* --------------------------------------------------------------------- readers */

/* A reader may be in its scope for as long as a read of the device takes. A writer that waited for
 * the scope, which is its own here, would never come to the end of this test. */
static void
test_log_writer__somebody_is_in_a_scope__writers_do_not_wait(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t number = 0;
    uint64_t offset = 0;
    adb_rcu_enter();
    while (fixture->file->end < 8 * TAIL_BYTES)
        offset = append(&fixture->writer, ++number, 1000);
    append(&fixture->writer, ++number, 2 * TAIL_BYTES);
    struct data_file *next = begin_next_file(fixture);
    uint64_t next_offset = append(&fixture->writer, ++number, 1000);
    adb_rcu_leave();
    assert_reads(fixture->file, offset, number - 2, 1000);
    assert_reads(next, next_offset, number, 1000);
    close_log(next);
}

static void *
fill_windows(void *context)
{
    struct writer_fixture *fixture = (struct writer_fixture *)context;
    for (uint64_t number = 2; fixture->file->end < 8 * TAIL_BYTES; number++)
        append(&fixture->writer, number, 1000);
    return NULL;
}

static void
test_log_writer__window_is_being_read__not_filled_anew(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    struct adb_thread writer;
    unsigned char *value = make_value(1, 1000);
    uint64_t offset = append(&fixture->writer, 1, 1000);
    struct log_tail *tail = adb_log_tail_pin(fixture->file);
    assert_non_null(tail);
    const unsigned char *at = tail->bytes + (offset - tail->base) + LOG_RECORD_HEADER_BYTES +
                              KEY_BYTES;
    assert_int_equal(adb_thread_start(&writer, fill_windows, fixture), ARMDB_OK);
    /* The writer moves on to the other window, and stays there. */
    while (atomic_load(&fixture->file->written) < TAIL_BYTES / 2)
        sched_yield();
    bool is_same = true;
    for (int i = 0; i < 1000; i++) {
        is_same = is_same && memcmp(at, value, 1000) == 0;
        sched_yield();
    }
    adb_log_tail_unpin(tail);
    adb_thread_join(&writer);
    assert_true(is_same);
    assert_true(fixture->file->end >= 8 * TAIL_BYTES);
    assert_reads(fixture->file, offset, 1, 1000);
    free(value);
}

static void
test_log_writer__file_is_sealed__nothing_to_pin(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 1, 100);
    assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_OK);
    assert_null(adb_log_tail_pin(fixture->file));
}

static void
test_log_writer__finished__marked_durable_and_exact(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t says = 0;
    append(&fixture->writer, 1, 100);
    uint64_t mark_at = fixture->file->end;
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    assert_int_equal(sim_file_size(fixture->log.sim, LOG_PATH), mark_at + LOG_MARK_RECORD_BYTES);
    assert_int_equal(sim_used_bytes(fixture->log.sim), 4096);
    assert_int_equal(meta_kind_at(fixture, mark_at, &says), LOG_META_MARK);
    assert_int_equal(says, mark_at);
    struct log_scan_result result = scan_after_cut(fixture, true, SIM_CUT_LOSE, 1);
    assert_int_equal(result.records, 1);
    assert_int_equal(result.marked, mark_at);
    assert_int_equal(result.marked_at, mark_at);
}

static void
test_log_writer__finished_again_after_reopen__file_does_not_grow(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 1, 100);
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    uint64_t size = sim_file_size(fixture->log.sim, LOG_PATH);
    for (int i = 0; i < 3; i++) {
        struct log_scan_result result;
        fixture->seen.count = 0;
        close_log(fixture->file);
        fixture->file = open_log(fixture->log.os);
        assert_int_equal(adb_log_scan(fixture->file, true, 0, note_record, &fixture->seen, &result),
                         ARMDB_OK);
        fixture->file->marked = result.marked;
        fixture->file->marked_at = result.marked_at;
        adb_log_writer_use(&fixture->writer, fixture->file);
        assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
        assert_int_equal(sim_file_size(fixture->log.sim, LOG_PATH), size);
    }
}

/* As recovery finds a file whose successor was not made in time. */
static void
test_log_writer__sealed_file_is_the_newest__takes_nothing(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t a = append(&fixture->writer, 1, 100);
    assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_OK);
    close_log(fixture->file);
    fixture->file = open_log(fixture->log.os);
    fixture->file->is_sealed = scan_after_kill(fixture, true).is_sealed;
    adb_log_writer_use(&fixture->writer, fixture->file);
    assert_null(fixture->file->tail);
    assert_true(is_full(&fixture->writer, 1, 0));
    assert_int_equal(adb_log_writer_flush(&fixture->writer), ARMDB_OK);
    assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_OK);
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    assert_reads(fixture->file, a, 1, 100);
}

static void
test_log_writer__large_file__reserve_is_bounded(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    enum { AHEAD_MAX = 8 * 1024 * 1024 };
    append(&fixture->writer, 1, AHEAD_MAX + 5000);
    append(&fixture->writer, 2, AHEAD_MAX / 2);
    append(&fixture->writer, 3, 100);
    assert_true(fixture->file->allocated >= fixture->file->end);
    assert_true(fixture->file->allocated - fixture->file->end <= AHEAD_MAX);
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    assert_true(sim_used_bytes(fixture->log.sim) <= adb_round_up(fixture->file->end, 4096));
}

/* -------------------------------------------------------------------- prewriting */

static void
append_synced(struct writer_fixture *fixture, uint64_t number, size_t value_len)
{
    assert_int_equal(adb_log_writer_prewrite(&fixture->writer), ARMDB_OK);
    append(&fixture->writer, number, value_len);
    sync_log(&fixture->writer);
}

static void
test_log_writer__small_syncs__find_zeros_ahead(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    uint64_t size = 0, grown = 0;
    for (uint64_t i = 1; i <= 300; i++) {
        append_synced(fixture, i, 3000);
        uint64_t now = sim_file_size(fixture->log.sim, LOG_PATH);
        grown += now != size;
        size = now;
        struct log_scan_result result = scan_after_kill(fixture, true);
        assert_int_equal(result.how, LOG_SCAN_WHOLE);
        assert_int_equal(result.end, fixture->file->end);
        result = scan_after_cut(fixture, true, SIM_CUT_LOSE, i);
        assert_int_equal(result.sequence, i);
    }
    assert_true(grown < 10); /* the others changed no metadata */
    assert_int_equal(adb_log_writer_finish(&fixture->writer), ARMDB_OK);
    assert_int_equal(sim_file_size(fixture->log.sim, LOG_PATH), fixture->file->end);
}

static void
test_log_writer__large_syncs__write_nothing_twice(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append_synced(fixture, 1, 100000);
    for (uint64_t i = 2; i <= 10; i++) {
        append_synced(fixture, i, 100000);
        assert_int_equal(sim_file_size(fixture->log.sim, LOG_PATH), fixture->file->end);
    }
}

static void
test_log_writer__no_space_to_prewrite__goes_on_without(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append_synced(fixture, 1, 100);
    uint64_t size = sim_file_size(fixture->log.sim, LOG_PATH);
    sim_set_capacity(fixture->log.sim, sim_used_bytes(fixture->log.sim));
    for (uint64_t i = 2; i <= 20; i++)
        append_synced(fixture, i, 100);
    assert_true(sim_file_size(fixture->log.sim, LOG_PATH) >= size);
    assert_int_equal(scan_after_cut(fixture, true, SIM_CUT_LOSE, 1).sequence, 20);
}

static void
test_log_writer__failed_prewrite__is_broken(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    append(&fixture->writer, 1, 100);
    sync_log(&fixture->writer);
    fail_once(fixture, SIM_FAULT_ERROR, SIM_WRITES, 0, 1);
    assert_int_equal(adb_log_writer_prewrite(&fixture->writer), ARMDB_IO);
}

static void
test_log_writer__prewritten_and_sealed__is_exact(void **state)
{
    struct writer_fixture *fixture = (struct writer_fixture *)*state;
    for (uint64_t i = 1; i <= 3; i++)
        append_synced(fixture, i, 100);
    assert_true(sim_file_size(fixture->log.sim, LOG_PATH) > fixture->file->end);
    assert_int_equal(adb_log_writer_seal(&fixture->writer), ARMDB_OK);
    assert_int_equal(sim_file_size(fixture->log.sim, LOG_PATH), fixture->file->end);
    assert_true(scan_after_cut(fixture, false, SIM_CUT_LOSE, 1).is_sealed);
}

/* -------------------------------------------------------------- readers at work */

enum { SHARED_RECORDS = 3000 };

struct shared_log {
    struct data_file *file;
    _Atomic(uint64_t) count; /* records whose offset is set */
    uint64_t offsets[SHARED_RECORDS];
    _Atomic(uint64_t) errors;
};

static uint32_t
shared_len(uint64_t number)
{
    return (uint32_t)(number * 37 % 200);
}

static void
read_shared(struct shared_log *shared, uint64_t number)
{
    char room[KEY_BYTES + 1];
    unsigned char to[256];
    struct data_file_reading reading;
    uint32_t len = shared_len(number);
    uint64_t location = adb_location_make(0, shared->offsets[number], len);
    adb_rcu_enter();
    bool is_good = adb_data_file_read_value(shared->file, location, key_of(number, room), to,
                                            &reading) == ARMDB_OK;
    adb_rcu_leave();
    for (uint32_t i = 0; is_good && i < len; i++)
        is_good = to[i] == value_byte(number, i);
    if (!is_good)
        atomic_fetch_add(&shared->errors, 1);
}

static void *
read_until_done(void *context)
{
    struct shared_log *shared = (struct shared_log *)context;
    struct test_rng rng = test_rng_make(3);
    uint64_t count;
    do {
        count = atomic_load_explicit(&shared->count, memory_order_acquire);
        if (count == 0)
            continue;
        read_shared(shared, count - 1); /* the newest: most likely on the move */
        read_shared(shared, test_rng_below(&rng, count));
    } while (count < SHARED_RECORDS);
    return NULL;
}

static void
test_log_writer__readers_during_flush__see_every_value(void **state)
{
    struct writer_fixture *fixture;
    (void)state;
    void *own_state;
    writer_set_up_with(&own_state, 1024); /* a tiny tail moves often */
    fixture = (struct writer_fixture *)own_state;
    struct shared_log *shared = (struct shared_log *)calloc(1, sizeof *shared);
    struct adb_thread readers[2];
    shared->file = fixture->file;
    for (int i = 0; i < 2; i++)
        assert_int_equal(adb_thread_start(&readers[i], read_until_done, shared), ARMDB_OK);
    for (uint64_t i = 0; i < SHARED_RECORDS; i++) {
        shared->offsets[i] = append(&fixture->writer, i, shared_len(i));
        atomic_store_explicit(&shared->count, i + 1, memory_order_release);
        if (i % 7 == 0)
            flush(&fixture->writer);
    }
    for (int i = 0; i < 2; i++)
        adb_thread_join(&readers[i]);
    assert_int_equal(atomic_load(&shared->errors), 0);
    free(shared);
    writer_tear_down(&own_state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_writer__no_memory__said_and_nothing_left),
        cmocka_unit_test(test_log_writer__no_file_yet__full_and_nothing_to_do),
        WITH_WRITER(test_log_writer__appended__scan_finds_all_in_order),
        WITH_WRITER(test_log_writer__not_flushed__not_with_the_system),
        WITH_WRITER(test_log_writer__tombstone__scan_finds_it),
        WITH_WRITER(test_log_writer__around_the_end_of_the_tail__all_are_read),
        WITH_WRITER(test_log_writer__larger_than_the_tail__with_the_system_at_once),
        WITH_WRITER(test_log_writer__longest_key__in_the_tail_and_directly),
        WITH_WRITER(test_log_writer__large_value__starts_at_a_page_from_every_place),
        WITH_WRITER(test_log_writer__just_below_large__no_pad),
        WITH_WRITER(test_log_writer__is_full__never_past_the_limit),
        WITH_WRITER(test_log_writer__deadline__read_back_from_memory_and_file),
        WITH_WRITER(test_log_writer__file_of_version_1__is_full_for_deadlines_only),
        WITH_WRITER(test_log_writer__synced_and_grown__mark_says_so),
        WITH_WRITER(test_log_writer__little_grown__no_mark),
        WITH_WRITER(test_log_writer__synced__survives_a_cut),
        WITH_WRITER(test_log_writer__plan__covers_what_was_flushed),
        WITH_WRITER(test_log_writer__sealed__whole_durable_and_exact),
        WITH_WRITER(test_log_writer__next_file__takes_over),
        WITH_WRITER(test_log_writer__somebody_is_in_a_scope__writers_do_not_wait),
        WITH_WRITER(test_log_writer__window_is_being_read__not_filled_anew),
        WITH_WRITER(test_log_writer__file_is_sealed__nothing_to_pin),
        WITH_WRITER(test_log_writer__finished__marked_durable_and_exact),
        WITH_WRITER(test_log_writer__finished_again_after_reopen__file_does_not_grow),
        WITH_WRITER(test_log_writer__sealed_file_is_the_newest__takes_nothing),
        WITH_WRITER(test_log_writer__large_file__reserve_is_bounded),
        WITH_WRITER(test_log_writer__small_syncs__find_zeros_ahead),
        WITH_WRITER(test_log_writer__large_syncs__write_nothing_twice),
        WITH_WRITER(test_log_writer__no_space_to_prewrite__goes_on_without),
        WITH_WRITER(test_log_writer__failed_prewrite__is_broken),
        WITH_WRITER(test_log_writer__prewritten_and_sealed__is_exact),
        cmocka_unit_test(test_log_writer__readers_during_flush__see_every_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
