/*
 * test_bit_rot.c: bytes of a whole database go bad, one at a time.
 *
 * While it is open, a read returns the right value or says that it is damaged. When it is closed,
 * verify says so, and the next open does, or believes a hint: then, if the hint is what is damaged,
 * nothing is lost; if its data file is, reads say so. Or nobody says anything, and nothing is lost.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/require.h"
#include "sim/workload.h"

enum { PLANS = 12, STEPS = 60, FLIPS = 150, GET_BYTES = 600 * 1024 };

static struct {
    uint64_t flips;
    uint64_t damaged_reads;
    uint64_t refused_opens;
    uint64_t hinted_opens; /* of damaged databases */
} totals;

static unsigned char value[GET_BYTES];

/** A byte of a file, and how it changes. */
struct flip {
    char path[64];
    uint64_t offset;
    uint8_t xor_byte;
};

/* A byte of a data file, or sometimes of the manifest; half of the bytes are near the front. */
static struct flip
draw_flip(struct sim *sim, struct test_rng *rng, uint32_t shards)
{
    struct flip flip;
    char directory[32];
    char **names;
    snprintf(directory, sizeof directory, WORK_PATH "/shard-%03u",
             (uint32_t)test_rng_below(rng, shards));
    size_t count = sim_list(sim, directory, &names);
    if (count == 0 || test_rng_one_in(rng, 10))
        snprintf(flip.path, sizeof flip.path, WORK_PATH "/MANIFEST");
    else
        snprintf(flip.path, sizeof flip.path, "%s/%s", directory,
                 names[test_rng_below(rng, count)]);
    free(names);
    uint64_t size = sim_file_size(sim, flip.path);
    if (size == 0) { /* the reserve, which has no bytes */
        snprintf(flip.path, sizeof flip.path, WORK_PATH "/MANIFEST");
        size = sim_file_size(sim, flip.path);
    }
    uint64_t limit = test_rng_one_in(rng, 2) && size > 400 ? 400 : size;
    flip.offset = test_rng_below(rng, limit);
    flip.xor_byte = (uint8_t)(1u << test_rng_below(rng, 8));
    return flip;
}

/* ----------------------------------------------------------------------- open */

/* Reads all keys: right, or (if a byte has gone bad) damaged. What the cache has had before is
 * right still. */
static void
read_all(const struct contract *contract, struct db *db, bool is_rotten)
{
    unsigned char room[CONTRACT_KEY_BYTES];
    for (uint32_t place = 0; place < contract->collection_count; place++) {
        const struct contract_collection *collection = &contract->collections[place];
        struct collection *opened;
        if (collection->is_created != CONTRACT_YES || collection->is_dropped == CONTRACT_YES)
            continue;
        REQUIRE_OK(adb_collection_open(db, collection->name, NULL, &opened));
        for (uint32_t key = 0; key < CONTRACT_KEYS; key++) {
            struct contract_value live = collection->live[key];
            size_t len;
            armdb_err err = adb_db_get(opened, contract_key(collection, key, room), value,
                                       sizeof value, &len);
            if (err == ARMDB_CORRUPT) {
                armdb_error_detail detail;
                armdb_last_error(&detail);
                REQUIRE(is_rotten && live.stamp != 0 && len == 0 && detail.file[0] != '\0',
                        "key %u", key);
                totals.damaged_reads++;
                continue;
            }
            REQUIRE(err == (live.stamp != 0 ? ARMDB_OK : ARMDB_NOT_FOUND), "key %u: %s", key,
                    armdb_err_name(err));
            REQUIRE(err != ARMDB_OK || contract_is_value(live, (armdb_slice){value, len}),
                    "key %u has a wrong value", key);
        }
    }
}

static void
flip_running(const struct workload *work, struct test_rng *rng)
{
    for (int i = 0; i < FLIPS; i++) {
        struct flip flip = draw_flip(work->sim, rng, work->plan.shards);
        require_context("plan %" PRIu64 ", running, byte %" PRIu64 " of %s", work->plan.seed,
                        flip.offset, flip.path);
        sim_corrupt(work->sim, flip.path, flip.offset, flip.xor_byte);
        read_all(work->contract, work->db, true);
        sim_corrupt(work->sim, flip.path, flip.offset, flip.xor_byte);
        read_all(work->contract, work->db, false);
        totals.flips++;
    }
    contract_check_live(work->contract, work->db);
}

/* --------------------------------------------------------------------- closed */

static void
open_flipped(const struct workload *work, const struct flip *flip)
{
    struct sim *sim = sim_clone(work->sim);
    struct contract *contract = contract_copy(work->contract);
    armdb_verify_report report;
    armdb_options options = work->options;
    armdb_error_detail detail;
    struct db *db;
    sim_corrupt(sim, flip->path, flip->offset, flip->xor_byte);
    options.open_mode = ARMDB_OPEN_EXISTING;
    armdb_err verified = adb_db_verify(sim_os(sim), WORK_PATH, NULL, NULL, &report);
    uint64_t before = sim_digest(sim);
    armdb_err err = adb_db_open(sim_os(sim), WORK_PATH, &options, &db);
    armdb_last_error(&detail);
    REQUIRE(verified != ARMDB_OK || err == ARMDB_OK, "verify says %s, open %s",
            armdb_err_name(verified), armdb_err_name(err));
    if (err == ARMDB_OK) {
        bool is_hint = strstr(flip->path, ".hint") != NULL;
        totals.hinted_opens += verified != ARMDB_OK;
        if (verified == ARMDB_OK || is_hint)
            contract_check(contract, db, CONTRACT_CLOSED, sim, WORK_PATH);
        else
            read_all(contract, db, true);
        adb_db_abandon(db);
    } else {
        REQUIRE(err == ARMDB_CORRUPT || err == ARMDB_FORMAT, "%s", armdb_err_name(err));
        REQUIRE(strcmp(detail.file, flip->path) == 0 || err == ARMDB_CORRUPT, "blames %s",
                detail.file);
        REQUIRE(sim_digest(sim) == before, "a refused open has changed the database");
        totals.refused_opens++;
    }
    totals.flips++;
    sim_free(sim);
    contract_free(contract);
}

static void
rot(uint64_t seed)
{
    struct test_rng rng = test_rng_make(seed);
    struct work_plan plan = workload_plan(seed, STEPS);
    struct sim *sim = sim_new(seed);
    struct contract *contract = contract_new();
    struct workload work;
    require_context("plan %" PRIu64, seed);
    workload_init(&work, sim, contract, &plan);
    if (test_rng_one_in(&rng, 2))
        work.options.cache_bytes = ARMDB_CACHE_NONE;
    REQUIRE_OK(workload_run(&work));
    REQUIRE_OK(adb_db_sync(work.db));
    flip_running(&work, &rng);
    REQUIRE_OK(workload_close(&work));
    for (int i = 0; i < FLIPS; i++) {
        struct flip flip = draw_flip(sim, &rng, plan.shards);
        require_context("plan %" PRIu64 ", closed, byte %" PRIu64 " of %s", seed, flip.offset,
                        flip.path);
        open_flipped(&work, &flip);
    }
    workload_fini(&work);
    sim_free(sim);
    contract_free(contract);
}

/* One plan alone may keep all that it reads in memory: a short run goes on until it met damage of
 * all sorts. */
static bool
has_met_damage(void)
{
    return totals.damaged_reads > 0 && totals.refused_opens > 0 && totals.hinted_opens > 0;
}

int
main(void)
{
    uint64_t seed = test_seed();
    uint64_t rounds = require_rounds(PLANS);
    for (uint64_t i = 0; i < rounds || (i < PLANS && !has_met_damage()); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        rot(test_rng_next(&rng));
    }
    REQUIRE(has_met_damage(), "no damage was met");
    printf("%" PRIu64 " bytes flipped, %" PRIu64 " damaged reads, %" PRIu64
           " refused opens, %" PRIu64 " that believed a hint\n",
           totals.flips, totals.damaged_reads, totals.refused_opens, totals.hinted_opens);
    return 0;
}
