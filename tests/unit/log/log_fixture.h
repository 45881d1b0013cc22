/*
 * log_fixture.h: what the tests of data files share: a simulated directory, files in it, records.
 *
 * Values and keys follow from a number each, so that a record can be checked by its number alone.
 */
#ifndef TEST_LOG_FIXTURE_H
#define TEST_LOG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "log/data_file.h"
#include "log/location.h"
#include "log/log_scan.h"
#include "log/log_writer.h"
#include "os/rcu.h"
#include "support/os_sim.h"
#include "support/seed.h"

#define LOG_PATH "/log/0000000001.log"

static const struct log_file_header LOG_HEADER = {
    .db_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, .file_id = 1, .shard = 5};

struct log_fixture {
    struct sim *sim; /* with the durable directory "/log" */
    struct adb_os *os;
};

static inline int
log_set_up(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->sim = sim_new(test_seed());
    sim_make_dir(fixture->sim, "/log");
    fixture->os = sim_os(fixture->sim);
    *state = fixture;
    return 0;
}

static inline int
log_tear_down(void **state)
{
    struct log_fixture *fixture = (struct log_fixture *)*state;
    adb_mem_fail_at(0, false);
    sim_free(fixture->sim);
    free(fixture);
    return 0;
}

#define WITH_LOG(test) cmocka_unit_test_setup_teardown(test, log_set_up, log_tear_down)

static inline struct data_file *
create_log(struct adb_os *os)
{
    struct data_file *file;
    assert_int_equal(adb_data_file_create(os, "/log", &LOG_HEADER, &file), ARMDB_OK);
    return file;
}

static inline struct data_file *
open_log(struct adb_os *os)
{
    struct data_file *file;
    assert_int_equal(adb_data_file_open(os, "/log", &LOG_HEADER, ADB_OPEN_READ_WRITE, &file),
                     ARMDB_OK);
    return file;
}

static inline void
close_log(struct data_file *file)
{
    assert_int_equal(adb_data_file_close(file), ARMDB_OK);
}

/* --------------------------------------------------------------------- records */

enum { KEY_BYTES = 12 };

/** The key of record `number`: "key-00000042" without its end. */
static inline armdb_slice
key_of(uint64_t number, char room[KEY_BYTES + 1])
{
    snprintf(room, KEY_BYTES + 1, "key-%08u", (unsigned)(number % 100000000));
    const armdb_slice key = {room, KEY_BYTES};
    return key;
}

static inline unsigned char
value_byte(uint64_t number, size_t at)
{
    return (unsigned char)((number * 131 + at * 7 + (at >> 8) * 13) ^ 0x5a);
}

/** The value of record `number`, in memory of exactly its size; free with free(). */
static inline unsigned char *
make_value(uint64_t number, size_t len)
{
    unsigned char *value = (unsigned char *)malloc(len > 0 ? len : 1);
    assert_non_null(value);
    for (size_t i = 0; i < len; i++)
        value[i] = value_byte(number, i);
    return value;
}

/** Bytes of a record without a deadline. */
static inline uint64_t
record_bytes(uint32_t key_len, uint32_t value_len)
{
    const struct log_record record = {.key_len = key_len, .value_len = value_len};
    return adb_log_record_bytes(&record);
}

/** Appends record `number`, with a deadline unless that is 0, and returns the error. */
static inline armdb_err
try_append_until(struct log_writer *writer, uint64_t number, size_t value_len, uint64_t deadline_ms,
                 uint64_t *offset_out)
{
    char room[KEY_BYTES + 1];
    unsigned char *value = make_value(number, value_len);
    const struct log_entry entry = {.collection_id = 3,
                                    .flags = deadline_ms != 0 ? LOG_FLAG_DEADLINE : 0,
                                    .key = key_of(number, room),
                                    .value = {value, value_len},
                                    .deadline_ms = deadline_ms};
    armdb_err err = adb_log_writer_append(writer, &entry, offset_out);
    free(value);
    return err;
}

static inline armdb_err
try_append(struct log_writer *writer, uint64_t number, size_t value_len, uint64_t *offset_out)
{
    return try_append_until(writer, number, value_len, 0, offset_out);
}

static inline uint64_t
append(struct log_writer *writer, uint64_t number, size_t value_len)
{
    uint64_t offset;
    assert_int_equal(try_append(writer, number, value_len, &offset), ARMDB_OK);
    return offset;
}

static inline void
flush(struct log_writer *writer)
{
    assert_int_equal(adb_log_writer_flush(writer), ARMDB_OK);
}

static inline void
sync_log(struct log_writer *writer)
{
    flush(writer);
    const struct log_sync plan = adb_log_writer_plan_sync(writer);
    assert_int_equal(adb_log_writer_sync(&plan), ARMDB_OK);
}

/** Reads record `number`; on ARMDB_OK its bytes have been compared. */
static inline armdb_err
try_read(struct data_file *file, uint64_t offset, uint64_t number, uint32_t value_len,
         uint32_t *reads_out)
{
    char room[KEY_BYTES + 1];
    unsigned char *to = (unsigned char *)malloc(value_len > 0 ? value_len : 1);
    assert_non_null(to);
    adb_rcu_enter();
    struct data_file_reading reading;
    armdb_err err = adb_data_file_read_value(file, adb_location_make(0, offset, value_len),
                                             key_of(number, room), to, &reading);
    *reads_out = reading.reads;
    adb_rcu_leave();
    for (size_t i = 0; err == ARMDB_OK && i < value_len; i++)
        assert_int_equal(to[i], value_byte(number, i));
    free(to);
    return err;
}

static inline void
assert_reads(struct data_file *file, uint64_t offset, uint64_t number, uint32_t value_len)
{
    uint32_t reads;
    assert_int_equal(try_read(file, offset, number, value_len, &reads), ARMDB_OK);
}

/* ------------------------------------------------------------------------ scan */

enum { SEEN_MAX = 4096 };

struct seen_records {
    size_t count;
    struct {
        uint64_t offset;
        uint64_t sequence;
        uint64_t number; /* from the key */
        uint32_t value_len;
        uint32_t flags;
        uint64_t deadline_ms;
    } at[SEEN_MAX];
};

/** An adb_scan_fn that takes notes. */
static inline armdb_err
note_record(void *context, const struct log_scan_record *found)
{
    struct seen_records *seen = (struct seen_records *)context;
    const struct log_record *record = &found->record;
    const armdb_slice key = found->key;
    char text[KEY_BYTES + 1] = "";
    assert_true(seen->count < SEEN_MAX);
    assert_int_equal(key.len, record->key_len);
    if (record->value_len < LOG_SCAN_VALUE_MAX)
        assert_non_null(found->value);
    if (key.len == KEY_BYTES)
        memcpy(text, key.data, KEY_BYTES);
    seen->at[seen->count].offset = found->offset;
    seen->at[seen->count].sequence = record->sequence;
    seen->at[seen->count].number = strtoull(text[0] != '\0' ? text + 4 : "0", NULL, 10);
    seen->at[seen->count].value_len = record->value_len;
    seen->at[seen->count].flags = record->flags;
    seen->at[seen->count].deadline_ms = record->deadline_ms;
    seen->count++;
    return ARMDB_OK;
}

/** Opens the log of a simulator, scans it, and closes it. */
static inline struct log_scan_result
scan_log(struct sim *sim, bool is_newest, struct seen_records *seen)
{
    struct log_scan_result result;
    struct data_file *file = open_log(sim_os(sim));
    seen->count = 0;
    assert_int_equal(adb_log_scan(file, is_newest, 0, note_record, seen, &result), ARMDB_OK);
    assert_int_equal(result.records, seen->count);
    close_log(file);
    return result;
}

#endif
