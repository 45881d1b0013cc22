/*
 * test_schema.c: the power is cut, or the process killed, at each change of the disk that bringing
 * a collection to a newer schema version makes, in several shards and in two steps.
 *
 * Whatever happens, the collection is whole at one of the three versions: all pairs have the form
 * of the version that is stored, each with its deadline, and none is missing. A step of which was
 * told that it is done is not taken back. Then the program comes again, and goes on to the newest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db/db_private.h"
#include "sim/require.h"
#include "support/os_sim_private.h"
#include "support/seed.h"

#define DB_PATH "/db"

enum { PAIRS = 60, VERSIONS = 3, MODES = 6, VALUE_BYTES = 8 };

static const enum sim_cut modes[MODES] = {SIM_CUT_LOSE,    SIM_CUT_KEEP,    SIM_CUT_PREFIX,
                                          SIM_CUT_SECTORS, SIM_CUT_SECTORS, SIM_CUT_ANY};
static const uint64_t DEADLINE_MS = UINT64_C(2000000000000);

/* Ends, by the version that was found. */
static uint64_t ends[VERSIONS];

struct life {
    struct sim *sim;
    armdb_options options;
    bool is_const;
    struct db *db;
    uint32_t version_done; /* of which was told */
};

static armdb_slice
key_of(uint32_t number, char *room)
{
    int len = snprintf(room, 16, "key %02" PRIu32, number);
    return (armdb_slice){room, (size_t)len};
}

/* What a value is at a version: as many bytes more as that, each of which depends on the key. */
static armdb_slice
value_of(armdb_slice key, uint32_t version, char *room)
{
    memset(room, ((const char *)key.data)[key.len - 1], VALUE_BYTES + version);
    return (armdb_slice){room, VALUE_BYTES + version};
}

/* Pairs of which it is so are removed by the first step. */
static bool
is_short_lived(uint32_t number)
{
    return number % 7 == 0;
}

static bool
has_deadline(uint32_t number)
{
    return number % 5 == 0;
}

static armdb_err
renew(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    static char room[VALUE_BYTES + VERSIONS];
    const char *digits = (const char *)key.data + 4;
    uint32_t number = (uint32_t)(digits[0] - '0') * 10 + (uint32_t)(digits[1] - '0');
    uint32_t version = *(const uint32_t *)context;
    REQUIRE(old->len == VALUE_BYTES + version, "%zu bytes at version %" PRIu32, old->len, version);
    verdict_out->kind = version == 0 && is_short_lived(number) ? ARMDB_REMOVE : ARMDB_REPLACE;
    verdict_out->value = value_of(key, version + 1, room);
    return ARMDB_OK;
}

static void
note(void *context, const armdb_schema_progress *progress)
{
    struct life *life = (struct life *)context;
    /* Once the machine is off, nothing counts that is told. */
    if (progress->is_done != 0 && !sim_fault_fired(life->sim))
        life->version_done = progress->from + 1;
}

/* -------------------------------------------------------------------- lives */

static void
open_life(struct life *life)
{
    REQUIRE_OK(adb_db_open(sim_os(life->sim), DB_PATH, &life->options, &life->db));
}

/* What the program does that knows the newest version. */
static armdb_err
open_newest(struct life *life, struct collection **collection_out)
{
    static const uint32_t from[] = {0, 1};
    const uint32_t value_bytes = life->is_const ? VALUE_BYTES : 0;
    const armdb_schema_step steps[] = {
        {.from = 0,
         .fn = renew,
         .context = (void *)(uintptr_t)&from[0],
         .value_bytes = life->is_const ? value_bytes + 1 : 0},
        {.from = 1,
         .fn = renew,
         .context = (void *)(uintptr_t)&from[1],
         .value_bytes = life->is_const ? value_bytes + 2 : 0},
    };
    armdb_schema schema = ARMDB_SCHEMA_INIT;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    schema.n_steps = 2;
    schema.steps = steps;
    schema.on_progress = note;
    schema.context = life;
    options.schema_version = 2;
    options.schema = &schema;
    return adb_collection_open(life->db, "made", &options, collection_out);
}

static void
begin(struct life *life)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    armdb_write_options until = ARMDB_WRITE_OPTIONS_INIT;
    struct collection *made, *neighbour;
    char key[16], value[VALUE_BYTES + VERSIONS];
    bool is_closed;
    until.expires_at_ms = DEADLINE_MS;
    options.value_bytes = life->is_const ? VALUE_BYTES : 0;
    open_life(life);
    REQUIRE_OK(adb_collection_create(life->db, "made", &options, &made));
    REQUIRE_OK(adb_collection_create(life->db, "neighbour", NULL, &neighbour));
    for (uint32_t i = 0; i < PAIRS; i++) {
        const armdb_slice at = key_of(i, key);
        REQUIRE_OK(adb_db_write(made, SHARD_PUT, at, value_of(at, 0, value),
                                has_deadline(i) ? &until : NULL));
        REQUIRE_OK(adb_db_write(neighbour, SHARD_PUT, at, at, NULL));
    }
    REQUIRE_OK(adb_db_close(life->db, &is_closed));
    open_life(life);
}

/* ------------------------------------------------------------------ checking */

static void
check_pair(struct collection *made, uint32_t number, uint32_t version)
{
    char room[16], expected[VALUE_BYTES + VERSIONS], found[32];
    const armdb_slice key = key_of(number, room);
    const armdb_slice value = value_of(key, version, expected);
    uint64_t deadline_ms;
    size_t len;
    armdb_err err = adb_db_get(made, key, found, sizeof found, &len);
    if (version > 0 && is_short_lived(number)) {
        REQUIRE(err == ARMDB_NOT_FOUND, "%s: it was removed", armdb_err_name(err));
        return;
    }
    REQUIRE(err == ARMDB_OK && len == value.len && memcmp(found, value.data, len) == 0,
            "%s, %zu bytes, of pair %" PRIu32 " at version %" PRIu32, armdb_err_name(err), len,
            number, version);
    REQUIRE_OK(adb_db_deadline(made, key, &deadline_ms));
    REQUIRE(deadline_ms == (has_deadline(number) ? DEADLINE_MS : 0), "another deadline");
}

/* Whole, at whichever version; which one that is. */
static uint32_t
check_whole(const struct life *life, struct collection *made)
{
    armdb_collection_info info;
    armdb_verify_report report;
    struct collection *neighbour;
    char key[16], value[16];
    size_t len;
    REQUIRE_OK(adb_collection_get_info(made, &info));
    REQUIRE(info.schema_version < VERSIONS, "version %" PRIu32, info.schema_version);
    for (uint32_t i = 0; i < PAIRS; i++)
        check_pair(made, i, info.schema_version);
    REQUIRE(info.keys == (info.schema_version == 0 ? PAIRS : PAIRS - (PAIRS + 6) / 7),
            "%" PRIu64 " keys", info.keys);
    REQUIRE_OK(adb_collection_open(life->db, "neighbour", NULL, &neighbour));
    for (uint32_t i = 0; i < PAIRS; i++)
        REQUIRE_OK(adb_db_get(neighbour, key_of(i, key), value, sizeof value, &len));
    REQUIRE_OK(adb_db_verify_open(life->db, NULL, NULL, &report));
    return info.schema_version;
}

static void
live_on(struct sim *sim, const struct life *before, uint64_t seed)
{
    armdb_collection_options any = ARMDB_COLLECTION_OPTIONS_INIT;
    struct life life = {.sim = sim, .options = before->options, .is_const = before->is_const};
    struct collection *made;
    any.schema_version = ARMDB_SCHEMA_ANY;
    open_life(&life);
    REQUIRE_OK(adb_collection_open(life.db, "made", &any, &made));
    uint32_t version = check_whole(&life, made);
    REQUIRE(version >= before->version_done, "version %" PRIu32 " was told, %" PRIu32 " is there",
            before->version_done, version);
    ends[version]++;
    adb_db_abandon(life.db);
    sim_kill(sim);
    open_life(&life);
    REQUIRE_OK(open_newest(&life, &made));
    REQUIRE(check_whole(&life, made) == 2, "not the newest");
    adb_db_abandon(life.db);
    sim_power_cut_as(sim, SIM_CUT_SECTORS, seed);
    open_life(&life);
    REQUIRE_OK(open_newest(&life, &made));
    REQUIRE(check_whole(&life, made) == 2, "not the newest");
    bool is_closed;
    REQUIRE_OK(adb_db_close(life.db, &is_closed));
}

/* The process is gone, the system lives on with all that was handed to it. */
static void
kill_process(struct sim *sim)
{
    sim_kill(sim);
    adb_mutex_lock(&sim->lock);
    sim->is_off = false;
    sim->fault_left = 0;
    adb_mutex_unlock(&sim->lock);
}

static bool
cut_at(uint64_t seed, uint64_t n)
{
    struct collection *made;
    struct life life = {.sim = sim_new(seed), .is_const = seed % 2 == 0};
    const struct sim_fault fault = {.kind = SIM_FAULT_CUT, .fail_at = n, .ops = SIM_CHANGES};
    require_context("seed %" PRIu64 ", cut at change %" PRIu64, seed, n);
    sim_set_can_map(life.sim, seed % 3 != 0);
    sim_set_wall_ms(life.sim, DEADLINE_MS / 2);
    life.options = (armdb_options)ARMDB_OPTIONS_INIT;
    life.options.shards = 1 + (uint32_t)(seed / 8 % 3);
    life.options.max_file_bytes = 65536;
    life.options.write_buffer_bytes = 16384;
    begin(&life);
    sim_set_fault(life.sim, &fault);
    armdb_err err = open_newest(&life, &made);
    bool has_fired = sim_fault_fired(life.sim);
    REQUIRE(has_fired || err == ARMDB_OK, "%s without a cut", armdb_err_name(err));
    adb_db_abandon(life.db);
    for (uint64_t mode = 0; has_fired && mode < MODES; mode++) {
        struct sim *sim = sim_clone(life.sim);
        sim_power_cut_as(sim, modes[mode], seed + mode);
        live_on(sim, &life, seed + n + mode);
        sim_free(sim);
    }
    if (has_fired) {
        kill_process(life.sim);
    } else {
        sim_clear_fault(life.sim);
        sim_kill(life.sim);
    }
    live_on(life.sim, &life, seed);
    sim_free(life.sim);
    return has_fired;
}

int
main(void)
{
    uint64_t seed = test_seed();
    for (uint64_t i = 0; i < require_rounds(4); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        uint64_t of_round = (test_rng_next(&rng) >> 8 & ~UINT64_C(1)) + i % 2;
        uint64_t n = 1;
        while (cut_at(of_round, n))
            n++;
    }
    for (uint32_t version = 0; version < VERSIONS; version++)
        REQUIRE(ends[version] > 0, "no end at version %" PRIu32, version);
    printf("%" PRIu64 ", %" PRIu64 " and %" PRIu64 " ends at versions 0, 1 and 2\n", ends[0],
           ends[1], ends[2]);
    return 0;
}
