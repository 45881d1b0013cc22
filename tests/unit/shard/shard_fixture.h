/*
 * shard_fixture.h: one shard on the simulated system, with one collection's index.
 *
 * The state of each test is a struct shard_fixture.
 */
#ifndef TEST_SHARD_FIXTURE_H
#define TEST_SHARD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "armdb/armdb.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/mem.h"
#include "log/location.h"
#include "os/rcu.h"
#include "shard/shard_private.h"
#include "support/os_sim.h"
#include "support/seed.h"

#include "support/open_one.h"

#define SHARD_PATH "/db/shard-003"
#define FILE_PATH(number) SHARD_PATH "/000000000" #number ".log"

enum { SHARD_NUMBER = 3, COLLECTION = 5, DROPPED = 6, HEADER_BYTES = 64, MARK_BYTES = 40 };

struct shard_fixture {
    struct sim *sim; /* owned */
    struct adb_os *os;
    struct shard_config config;
    struct adb_pages *pages;  /* owned */
    struct shard_index index; /* of COLLECTION */
    struct shard *shard;      /* NULL while closed */
    struct shard_recovery recovery;
    bool is_shared; /* opening shares the write buffer */
};

#define assert_ok(expression) assert_int_equal((expression), ARMDB_OK)

/* There are two collections: COLLECTION, and DROPPED, which is gone. */
static inline const char *
find_index(void *context, const struct shard_origin *origin, struct shard_index **index_out)
{
    struct shard_fixture *fixture = (struct shard_fixture *)context;
    *index_out = origin->collection_id == COLLECTION ? &fixture->index : NULL;
    return origin->collection_id <= DROPPED ? NULL : "a collection that never was";
}

static inline void
new_index(struct shard_fixture *fixture)
{
    fixture->index.collection_id = COLLECTION;
    fixture->index.key_bytes = ARMDB_KEY_VARIABLE;
    const struct adb_index_config config = {.pages = fixture->pages, .is_ordered = true};
    assert_ok(adb_index_init(&fixture->index.keys, &config));
}

/* Opening fills an empty index. */
static inline armdb_err
try_open(struct shard_fixture *fixture)
{
    adb_index_fini(&fixture->index.keys);
    new_index(fixture);
    fixture->config.os = fixture->os;
    return open_one(&fixture->config, find_index, fixture, &fixture->recovery, &fixture->shard);
}

static inline void
open_shard(struct shard_fixture *fixture)
{
    if (try_open(fixture) != ARMDB_OK)
        fail_msg("open: %s: %s", adb_err_detail()->file, adb_err_detail()->message);
    if (fixture->is_shared)
        assert_ok(adb_shard_share_buffer(fixture->shard));
}

static inline void
close_shard(struct shard_fixture *fixture)
{
    assert_ok(adb_shard_finish(fixture->shard));
    adb_shard_close(fixture->shard);
    fixture->shard = NULL;
}

static inline void
reopen_shard(struct shard_fixture *fixture)
{
    close_shard(fixture);
    open_shard(fixture);
}

/* After sim_kill() or sim_power_cut(). */
static inline void
restart_shard(struct shard_fixture *fixture)
{
    adb_shard_close(fixture->shard);
    fixture->shard = NULL;
    fixture->os = sim_os(fixture->sim);
    open_shard(fixture);
}

static inline void
kill_and_restart(struct shard_fixture *fixture)
{
    sim_kill(fixture->sim);
    restart_shard(fixture);
}

static inline int
set_up_disk(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->sim = sim_new(7);
    fixture->os = sim_os(fixture->sim);
    sim_make_dir(fixture->sim, "/db");
    assert_ok(adb_pages_new(&fixture->pages));
    new_index(fixture);
    fixture->config = (struct shard_config){
        .os = fixture->os,
        .directory = "/db",
        .db_id = "fifteen letters",
        .number = SHARD_NUMBER,
        .max_file_bytes = 65536,
        .write_buffer_bytes = 16384,
        .pages = fixture->pages,
    };
    assert_ok(adb_shard_create(&fixture->config));
    sim_sync_all(fixture->sim); /* as the database does after it */
    *state = fixture;
    return 0;
}

static inline int
set_up_shard(void **state)
{
    set_up_disk(state);
    open_shard((struct shard_fixture *)*state);
    return 0;
}

/* With a write buffer that survives the process. */
static inline int
set_up_shared(void **state)
{
    set_up_disk(state);
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fixture->is_shared = true;
    sim_set_can_map(fixture->sim, true);
    open_shard(fixture);
    return 0;
}

static inline int
tear_down_shard(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    adb_mem_fail_at(0, false);
    adb_shard_close(fixture->shard);
    adb_index_fini(&fixture->index.keys);
    adb_pages_free(fixture->pages);
    sim_free(fixture->sim);
    free(fixture);
    return 0;
}

/* ----------------------------------------------------------------- operations */

static inline armdb_err
try_write(struct shard_fixture *fixture, enum shard_verb verb, armdb_slice key, armdb_slice value,
          armdb_durability level)
{
    const struct shard_write write = {
        .verb = verb, .durability = level, .index = &fixture->index, .key = key, .value = value};
    return adb_shard_write(fixture->shard, &write);
}

/* Goes on in a new file. */
static inline void
rotate_shard(struct shard_fixture *fixture)
{
    adb_shard_lock(fixture->shard);
    assert_ok(adb_shard_rotate(fixture->shard));
    adb_shard_unlock(fixture->shard);
}

static inline armdb_err
try_put(struct shard_fixture *fixture, const char *key, const char *value, armdb_durability level)
{
    return try_write(fixture, SHARD_PUT, armdb_str(key), armdb_str(value), level);
}

static inline void
put(struct shard_fixture *fixture, const char *key, const char *value, armdb_durability level)
{
    assert_ok(try_put(fixture, key, value, level));
}

/* A value of `len` bytes, all of them the last digit of `len`. */
static inline armdb_err
try_put_long(struct shard_fixture *fixture, const char *key, size_t len, armdb_durability level)
{
    char *value = (char *)malloc(len + 1);
    assert_non_null(value);
    memset(value, '0' + (char)(len % 10), len);
    armdb_err err = try_write(fixture, SHARD_PUT, armdb_str(key), armdb_bytes(value, len), level);
    free(value);
    return err;
}

static inline void
put_long(struct shard_fixture *fixture, const char *key, size_t len, armdb_durability level)
{
    assert_ok(try_put_long(fixture, key, len, level));
}

static inline armdb_err
try_read(struct shard_fixture *fixture, const char *key, char *to)
{
    adb_rcu_enter();
    uint64_t location = adb_index_get(&fixture->index.keys, armdb_str(key), NULL);
    armdb_err err = location == 0
                        ? ARMDB_NOT_FOUND
                        : adb_shard_read_value(fixture->shard, location, armdb_str(key), to);
    adb_rcu_leave();
    return err;
}

static inline void
expect_get(struct shard_fixture *fixture, const char *key, const char *value)
{
    char found[256];
    uint64_t location = adb_index_get(&fixture->index.keys, armdb_str(key), NULL);
    assert_true(location != 0);
    assert_int_equal(adb_location_value_len(location), strlen(value));
    assert_ok(try_read(fixture, key, found));
    assert_memory_equal(found, value, strlen(value));
}

static inline void
expect_long(struct shard_fixture *fixture, const char *key, size_t len)
{
    char *found = (char *)malloc(len + 1);
    assert_non_null(found);
    uint64_t location = adb_index_get(&fixture->index.keys, armdb_str(key), NULL);
    assert_true(location != 0);
    assert_int_equal(adb_location_value_len(location), len);
    assert_ok(try_read(fixture, key, found));
    for (size_t i = 0; i < len; i++)
        assert_int_equal(found[i], '0' + (char)(len % 10));
    free(found);
}

static inline void
expect_absent(struct shard_fixture *fixture, const char *key)
{
    assert_true(adb_index_get(&fixture->index.keys, armdb_str(key), NULL) == 0);
}

static inline struct shard_stats
stats_of(struct shard_fixture *fixture)
{
    struct shard_stats stats;
    adb_shard_get_stats(fixture->shard, &stats);
    return stats;
}

static inline void
set_fault(struct shard_fixture *fixture, enum sim_fault_kind kind, uint32_t ops, uint64_t fail_at,
          bool is_persistent)
{
    const struct sim_fault fault = {
        .kind = kind, .ops = ops, .fail_at = fail_at, .is_persistent = is_persistent, .seed = 5};
    sim_set_fault(fixture->sim, &fault);
}

/* The newest error of this thread has `code`, and its message holds `text`. */
static inline void
expect_message(armdb_err code, const char *text)
{
    assert_int_equal(adb_err_detail()->code, code);
    if (strstr(adb_err_detail()->message, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", adb_err_detail()->message, text);
}

#define SHARD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_shard, tear_down_shard)
#define SHARED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_shared, tear_down_shard)
#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_disk, tear_down_shard)

#endif
