/*
 * db_fixture.h: a database on the simulated system, and short names for what tests do with it.
 *
 * The state of each test is a struct db_fixture. Helpers assert that what they do works, except
 * where the name says otherwise.
 */
#ifndef TEST_DB_FIXTURE_H
#define TEST_DB_FIXTURE_H

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
#include "db/db.h"
#include "support/os_sim.h"
#include "support/seed.h"

#define DB_PATH "/db"
#define SHARD_PATH DB_PATH "/shard-000"
#define FIRST_FILE SHARD_PATH "/0000000001.log"
#define SECOND_FILE SHARD_PATH "/0000000002.log"
#define THIRD_FILE SHARD_PATH "/0000000003.log"

struct db_fixture {
    struct sim *sim; /* owned */
    struct adb_os *os;
    struct db *db;                 /* NULL while closed */
    struct collection *collection; /* the default one */
    armdb_options options;
};

#define assert_ok(expression) assert_int_equal((expression), ARMDB_OK)

/* The newest error of this thread has `code`, and its message holds all the texts given. */
static inline void
expect_detail(armdb_err code, const char *text, ...)
{
    const armdb_error_detail *detail = adb_err_detail();
    va_list args;
    assert_int_equal(detail->code, code);
    va_start(args, text);
    for (; text != NULL; text = va_arg(args, const char *)) {
        if (strstr(detail->message, text) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", detail->message, text);
    }
    va_end(args);
}

/* ---------------------------------------------------------------------- life */

static inline void
open_db(struct db_fixture *fixture)
{
    if (adb_db_open(fixture->os, DB_PATH, &fixture->options, &fixture->db) != ARMDB_OK)
        fail_msg("open: %s: %s", adb_err_detail()->file, adb_err_detail()->message);
    fixture->collection = adb_db_default(fixture->db);
}

static inline void
close_db(struct db_fixture *fixture)
{
    bool is_closed;
    assert_ok(adb_db_close(fixture->db, &is_closed));
    assert_true(is_closed);
    fixture->db = NULL;
}

static inline void
reopen_db(struct db_fixture *fixture)
{
    close_db(fixture);
    open_db(fixture);
}

/* Frees the instance of a boot that has ended. */
static inline void
abandon_db(struct db_fixture *fixture)
{
    adb_db_abandon(fixture->db);
    fixture->db = NULL;
    fixture->os = sim_os(fixture->sim);
}

/* kill -9, and a new start. */
static inline void
kill_and_open(struct db_fixture *fixture)
{
    sim_kill(fixture->sim);
    abandon_db(fixture);
    open_db(fixture);
}

static inline void
cut_and_open(struct db_fixture *fixture, enum sim_cut mode)
{
    sim_power_cut_as(fixture->sim, mode, 11);
    abandon_db(fixture);
    open_db(fixture);
}

/* Opening fails with `err`, leaves nothing open, and changes nothing but the lock file. */
static inline void
expect_open(struct db_fixture *fixture, armdb_err err)
{
    struct db *db;
    assert_int_equal(adb_db_open(fixture->os, DB_PATH, &fixture->options, &db), err);
    assert_null(db);
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

/* A disk without a database; `options` are for one shard. */
static inline int
set_up_disk(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->sim = sim_new(7);
    fixture->os = sim_os(fixture->sim);
    fixture->options = (armdb_options)ARMDB_OPTIONS_INIT;
    fixture->options.shards = 1;
    *state = fixture;
    return 0;
}

/* Before the database is opened. */
static inline void
use_small_files(struct db_fixture *fixture)
{
    fixture->options.max_file_bytes = 65536;
    fixture->options.write_buffer_bytes = 16384;
}

static inline int
set_up_db(void **state)
{
    set_up_disk(state);
    open_db((struct db_fixture *)*state);
    return 0;
}

static inline int
tear_down_db(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    adb_mem_fail_at(0, false);
    if (fixture->db != NULL)
        adb_db_abandon(fixture->db);
    sim_free(fixture->sim);
    free(fixture);
    return 0;
}

/* ----------------------------------------------------------------- operations */

static inline armdb_err
write_at_level(struct collection *collection, enum shard_verb verb, const char *key,
               const char *value, armdb_durability level)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = level;
    return adb_db_write(collection, verb, armdb_str(key), armdb_str(value), &options);
}

static inline void
put_at(struct collection *collection, const char *key, const char *value, armdb_durability level)
{
    assert_ok(write_at_level(collection, SHARD_PUT, key, value, level));
}

static inline void
put(struct collection *collection, const char *key, const char *value)
{
    put_at(collection, key, value, ARMDB_DURABILITY_DEFAULT);
}

static inline armdb_err
try_delete(struct collection *collection, const char *key)
{
    return adb_db_write(collection, SHARD_DELETE, armdb_str(key), armdb_str(""), NULL);
}

static inline void
expect_get(struct collection *collection, const char *key, const char *value)
{
    armdb_value found;
    assert_ok(adb_db_get_value(collection, armdb_str(key), &found));
    assert_int_equal(found.len, strlen(value));
    assert_memory_equal(armdb_value_bytes(&found).data, value, strlen(value));
    armdb_value_release(&found);
}

static inline void
expect_absent(struct collection *collection, const char *key)
{
    armdb_value found;
    assert_int_equal(adb_db_get_value(collection, armdb_str(key), &found), ARMDB_NOT_FOUND);
}

static inline void
expect_count(struct collection *collection, uint64_t count)
{
    uint64_t found;
    assert_ok(adb_db_count(collection, &found));
    assert_int_equal(found, count);
}

/* `len` bytes that depend on `salt`; free them. */
static inline unsigned char *
make_bytes(size_t len, uint64_t salt)
{
    struct test_rng rng = test_rng_make(salt * 1000003 + len);
    unsigned char *bytes = (unsigned char *)malloc(len + 1);
    assert_non_null(bytes);
    test_rng_fill(&rng, bytes, len);
    return bytes;
}

static inline armdb_err
try_put_bytes(struct collection *collection, armdb_slice key, size_t len, uint64_t salt)
{
    unsigned char *bytes = make_bytes(len, salt);
    armdb_err err = adb_db_write(collection, SHARD_PUT, key, armdb_bytes(bytes, len), NULL);
    free(bytes);
    return err;
}

static inline void
put_bytes(struct collection *collection, armdb_slice key, size_t len, uint64_t salt)
{
    assert_ok(try_put_bytes(collection, key, len, salt));
}

static inline void
expect_bytes(struct collection *collection, armdb_slice key, size_t len, uint64_t salt)
{
    unsigned char *bytes = make_bytes(len, salt);
    armdb_value found;
    assert_ok(adb_db_get_value(collection, key, &found));
    assert_int_equal(found.len, len);
    assert_int_equal(memcmp(armdb_value_bytes(&found).data, bytes, len), 0);
    armdb_value_release(&found);
    free(bytes);
}

static inline struct collection *
create_collection(struct db *db, const char *name, uint32_t key_bytes, armdb_order order)
{
    struct collection *collection;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.key_bytes = key_bytes;
    options.order = order;
    assert_ok(adb_collection_create(db, name, &options, &collection));
    return collection;
}

static inline struct collection *
open_collection(struct db *db, const char *name)
{
    struct collection *collection;
    assert_ok(adb_collection_open(db, name, NULL, &collection));
    return collection;
}

static inline armdb_stats
stats_of(struct db *db)
{
    armdb_stats stats;
    adb_db_get_stats(db, &stats);
    return stats;
}

static inline armdb_shard_info
shard_info_of(struct db *db, uint32_t shard)
{
    armdb_shard_info info;
    assert_ok(adb_db_get_shard_info(db, shard, &info));
    return info;
}

/* Sets the simulator's next fault: the `fail_at`-th of `ops`. */
static inline void
set_fault(struct db_fixture *fixture, enum sim_fault_kind kind, uint32_t ops, uint64_t fail_at,
          bool is_persistent)
{
    const struct sim_fault fault = {
        .kind = kind, .ops = ops, .fail_at = fail_at, .is_persistent = is_persistent, .seed = 5};
    sim_set_fault(fixture->sim, &fault);
}

/* A test with a database, and one with a disk only. */
#define DB_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_db, tear_down_db)
#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_disk, tear_down_db)

#endif
