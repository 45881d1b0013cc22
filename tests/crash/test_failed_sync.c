/*
 * A sync that failed, and what is built on top of it after the database was opened anew; and what
 * was never synced at all.
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
    return adb_db_write(adb_db_default(db), SHARD_PUT, armdb_str(key),
                        armdb_bytes(value, value_len), &options);
}

static struct db *
open_on(struct sim *sim)
{
    struct db *db;
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.write_buffer_bytes = 16384; /* the simulator fills its file at each open */
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

/* Opens what was left behind, writes, and loses power: what was promised before and since is there,
 * what was refused is not. Ends the simulation. */
static void
go_on_and_cut(struct sim *sim, uint64_t seed)
{
    bool is_closed;
    struct db *db = open_on(sim);
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
run_round(uint64_t seed)
{
    struct sim *sim = sim_new(seed);
    sim_set_can_map(sim, seed % 2 == 0);
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
    go_on_and_cut(sim, seed);
}

static void
test_failed_sync__opened_anew__later_synced_writes_are_safe(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < ROUNDS * test_scale(); i++)
        run_round(seed + i);
}

/* The last sync of a close, that of the MARK, is one that can fail too. The one behind it is that
 * of a hint, which nobody needs. */
static void
run_round_of_close(uint64_t seed, uint64_t which)
{
    struct sim *sim = sim_new(seed);
    sim_set_can_map(sim, seed % 2 == 0);
    bool is_closed;
    struct db *db = open_on(sim);
    assert_int_equal(put_synced(db, "first", 100), ARMDB_OK);
    const struct sim_fault fault = {
        .kind = SIM_FAULT_SYNC, .fail_at = which, .ops = SIM_BIT(SIM_OP_SYNC), .seed = seed};
    sim_set_fault(sim, &fault);
    armdb_err err = adb_db_close(db, &is_closed);
    bool is_hint = strstr(adb_err_detail()->file, ".hint") != NULL;
    assert_int_equal(err, sim_fault_fired(sim) && !is_hint ? ARMDB_IO : ARMDB_OK);
    sim_clear_fault(sim);
    go_on_and_cut(sim, seed);
}

static void
test_failed_sync__while_closing__later_synced_writes_are_safe(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < ROUNDS * test_scale(); i++)
        run_round_of_close(seed + i, 1 + i % 3);
}

/* A byte that flips in what was written but never synced, after the process was killed. */
static void
run_round_of_rot(uint64_t seed, bool has_power_failed)
{
    struct sim *sim = sim_new(seed);
    struct db *db = open_on(sim);
    armdb_verify_report report;
    bool is_closed;
    for (char key[] = "a"; key[0] <= 'z'; key[0]++)
        assert_int_equal(
            adb_db_write(adb_db_default(db), SHARD_PUT, armdb_str(key), armdb_str("value"), NULL),
            ARMDB_OK);
    if (has_power_failed)
        sim_power_cut_as(sim, SIM_CUT_KEEP, seed);
    else
        sim_kill(sim);
    adb_db_abandon(db);
    sim_corrupt(sim, "/db/shard-000/0000000001.log", 64 + seed % (20 * 32), 0x10);
    armdb_options options = ARMDB_OPTIONS_INIT;
    armdb_err expected = has_power_failed ? ARMDB_OK : ARMDB_CORRUPT;
    assert_int_equal(adb_db_verify(sim_os(sim), "/db", NULL, NULL, &report), expected);
    assert_int_equal(adb_db_open(sim_os(sim), "/db", &options, &db), expected);
    if (db != NULL)
        assert_int_equal(adb_db_close(db, &is_closed), ARMDB_OK);
    sim_free(sim);
}

static void
test_bit_rot__after_a_kill__is_damage(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20 * 32; seed++)
        run_round_of_rot(seed, false);
}

/* Then it cannot be told from sectors that were written out of order. */
static void
test_bit_rot__after_a_power_cut__is_a_torn_end(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20 * 32; seed++)
        run_round_of_rot(seed, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_sync__opened_anew__later_synced_writes_are_safe),
        cmocka_unit_test(test_failed_sync__while_closing__later_synced_writes_are_safe),
        cmocka_unit_test(test_bit_rot__after_a_kill__is_damage),
        cmocka_unit_test(test_bit_rot__after_a_power_cut__is_a_torn_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
