/*
 * A sync that failed, and what is built on top of it after the database was opened anew.
 *
 * After a failed sync the system keeps showing the data to readers, but takes it for written: a
 * later sync succeeds without it. Whoever opens the database then must not promise anything that
 * stands behind such a hole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "db/db.h"
#include "support/os_sim.h"
#include "support/seed.h"

enum { ROUNDS = 200 };

static armdb_err
put_synced(struct db *db, const char *key, size_t value_len)
{
    static char value[4096];
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.durability = ARMDB_SYNCED;
    memset(value, key[0], sizeof value);
    return adb_db_write(adb_db_default(db), DB_PUT, armdb_str(key), armdb_bytes(value, value_len),
                        &options);
}

static struct db *
open_on(struct sim *sim)
{
    struct db *db;
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = 1;
    assert_int_equal(adb_db_open(sim_os(sim), "/db", &options, &db), ARMDB_OK);
    return db;
}

static bool
has(struct db *db, const char *key)
{
    bool found;
    assert_int_equal(adb_db_contains(adb_db_default(db), armdb_str(key), &found), ARMDB_OK);
    return found;
}

static void
run_round(uint64_t seed)
{
    struct sim *sim = sim_new(seed);
    bool is_closed;
    struct db *db = open_on(sim);
    assert_int_equal(put_synced(db, "first", 100), ARMDB_OK);
    const struct sim_fault fault = {
        .kind = SIM_FAULT_SYNC, .fail_at = 1, .ops = SIM_BIT(SIM_OP_SYNC), .seed = seed};
    sim_set_fault(sim, &fault);
    assert_int_equal(put_synced(db, "unlucky", 3000), ARMDB_IO);
    sim_clear_fault(sim);
    assert_int_equal(put_synced(db, "refused", 100), ARMDB_FAILED);
    assert_int_equal(adb_db_close(db, &is_closed), ARMDB_FAILED);
    db = open_on(sim);
    assert_int_equal(put_synced(db, "second", 100), ARMDB_OK);
    sim_power_cut(sim, seed);
    adb_db_abandon(db);
    db = open_on(sim);
    assert_true(has(db, "first"));
    assert_true(has(db, "second"));
    assert_false(has(db, "refused"));
    assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    sim_free(sim);
}

static void
test_failed_sync__opened_anew__later_synced_writes_are_safe(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < ROUNDS * test_scale(); i++)
        run_round(seed + i);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_sync__opened_anew__later_synced_writes_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
