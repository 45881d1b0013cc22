/*
 * soak_rot.c: a byte, a sector or a block of a disk goes bad, or holds what was meant for another
 * place. Then the right value is read, or damage is told; never anything else.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/require.h"
#include "sim/soak.h"

enum { GET_BYTES = 600 * 1024, PATH_BYTES = 96, FILES_MAX = 256 };

static unsigned char value[GET_BYTES];

struct target {
    char path[PATH_BYTES];
    bool is_hint;
    bool is_stale; /* a hint of the front of a file that has grown: nobody needs it */
};

/* --------------------------------------------------------------------- damage */

/* A data file that does not change any more, or its hint, or the manifest; whether there is one. */
static bool
draw_target(const struct workload *work, struct test_rng *rng, struct target *target)
{
    armdb_file_info infos[FILES_MAX];
    size_t count;
    uint32_t shard = (uint32_t)test_rng_below(rng, work->contract->shard_count);
    *target = (struct target){.path = WORK_PATH "/MANIFEST"};
    if (test_rng_one_in(rng, 12))
        return true;
    infos[0].struct_bytes = sizeof infos[0];
    REQUIRE_OK(adb_db_file_list(work->db, shard, infos, FILES_MAX, &count));
    REQUIRE(count <= FILES_MAX, "too many files for the test");
    while (count > 0 && infos[count - 1].kind == ARMDB_FILE_REPLACED)
        count--;
    /* At the end of the newest one, sealed or not, damage can't be told from a torn end. */
    if (count < 2)
        return false;
    const armdb_file_info *info = &infos[test_rng_below(rng, count - 1)];
    target->is_hint = info->hint_bytes != 0 && test_rng_one_in(rng, 4);
    target->is_stale = target->is_hint && info->hint_bytes != info->bytes;
    snprintf(target->path, PATH_BYTES, WORK_PATH "/shard-%03u/%010llu.%s", shard,
             (unsigned long long)info->id, target->is_hint ? "hint" : "log");
    return true;
}

/* Lays `bytes` of the file at `from` over those at `at`; whether anything has changed. */
static bool
misdirect(struct sim *sim, const char *path, uint64_t at, uint64_t bytes, uint64_t from)
{
    size_t size;
    bool is_changed = false;
    char *content = sim_read_file(sim, path, &size);
    for (uint64_t i = 0; i < bytes && at + i < size && from + i < size; i++) {
        uint8_t change = (uint8_t)(content[at + i] ^ content[from + i]);
        if (change == 0)
            continue;
        sim_corrupt(sim, path, at + i, change);
        is_changed = true;
    }
    free(content);
    return is_changed;
}

/* Damages a file; whether anything has changed. */
static bool
damage(struct sim *sim, const char *path, struct test_rng *rng)
{
    uint64_t size = sim_file_size(sim, path);
    uint64_t at = test_rng_below(rng, size);
    uint64_t unit = test_rng_one_in(rng, 2) ? 512 : 4096;
    if (test_rng_one_in(rng, 2)) {
        sim_corrupt(sim, path, at, (uint8_t)(1u << test_rng_below(rng, 8)));
        return true;
    }
    return misdirect(sim, path, at / unit * unit, unit, test_rng_below(rng, size) / unit * unit);
}

/* ---------------------------------------------------------------------- check */

/* Reads all keys: right, or damaged; how many were. */
static uint64_t
read_all(const struct workload *work)
{
    unsigned char room[CONTRACT_KEY_BYTES];
    uint64_t damaged = 0;
    for (uint32_t place = 0; place < work->contract->collection_count; place++) {
        const struct contract_collection *collection = &work->contract->collections[place];
        if (collection->is_created != CONTRACT_YES || collection->is_dropped == CONTRACT_YES)
            continue;
        for (uint32_t key = 0; key < CONTRACT_KEYS; key++) {
            struct contract_value live = collection->live[key];
            size_t len;
            armdb_err err = adb_db_get(work->opened[place], contract_key(collection, key, room),
                                       value, sizeof value, &len);
            damaged += err == ARMDB_CORRUPT;
            if (err == ARMDB_CORRUPT && live.stamp != 0)
                continue;
            REQUIRE(err == ARMDB_OK || err == ARMDB_NOT_FOUND, "key %u of \"%s\": %s", key,
                    collection->name, armdb_err_name(err));
            REQUIRE(live.is_there != (err == ARMDB_OK ? CONTRACT_NO : CONTRACT_YES),
                    "key %u of \"%s\": %s", key, collection->name, armdb_err_name(err));
            REQUIRE(err != ARMDB_OK || contract_is_value(live, (armdb_slice){value, len}),
                    "key %u of \"%s\" has a wrong value", key, collection->name);
        }
    }
    return damaged;
}

/* Works on in a damaged database: what is written is there, and compaction spreads nothing. */
static void
work_on(struct workload *work)
{
    armdb_compact_progress progress;
    for (int i = 0; i < 20; i++)
        REQUIRE_OK(workload_do(work, WORK_PUT));
    armdb_err err = adb_db_compact(work->db, NULL, &progress);
    REQUIRE(err == ARMDB_OK || err == ARMDB_CORRUPT, "compact: %s", armdb_err_name(err));
    contract_observe(work->contract, work->db);
    for (int i = 0; i < 5; i++)
        REQUIRE_OK(workload_do(work, WORK_BACKGROUND));
}

/* Opens a damaged database, if that is possible; whether anybody has noticed. */
static bool
open_and_look(struct workload *work, const struct target *target, enum contract_end end)
{
    armdb_verify_report report;
    const char *path = target->path;
    armdb_err verified = adb_db_verify(sim_os(work->sim), WORK_PATH, NULL, NULL, &report);
    REQUIRE(verified == ARMDB_OK || verified == ARMDB_CORRUPT || verified == ARMDB_FORMAT,
            "verify says %s", armdb_err_name(verified));
    work->options.open_mode = ARMDB_OPEN_EXISTING;
    armdb_err err = adb_db_open(sim_os(work->sim), WORK_PATH, &work->options, &work->db);
    if (err != ARMDB_OK) {
        REQUIRE((err == ARMDB_CORRUPT || err == ARMDB_FORMAT) && verified != ARMDB_OK &&
                    !target->is_hint,
                "%s: open says %s, verify %s", path, armdb_err_name(err), armdb_err_name(verified));
        return true;
    }
    REQUIRE(strcmp(path, WORK_PATH "/MANIFEST") != 0, "open does not notice %s", path);
    adb_db_abandon(work->db);
    work->db = NULL;
    REQUIRE_OK(workload_open(work, end));
    /* Of no account are only files that open removes: a copy stands for them. */
    REQUIRE(verified != ARMDB_OK || target->is_stale || !sim_file_exists(work->sim, path),
            "verify does not notice %s", path);
    if (target->is_hint || verified == ARMDB_OK)
        contract_check_live(work->contract, work->db);
    uint64_t damaged = read_all(work);
    work_on(work);
    damaged += read_all(work);
    return damaged > 0;
}

void
soak_rot(const struct workload *original, struct test_rng *rng, struct soak_totals *totals)
{
    struct target target;
    if (!draw_target(original, rng, &target))
        return;
    struct workload work = *original;
    enum contract_end end = test_rng_one_in(rng, 2) ? CONTRACT_KILLED : CONTRACT_CUT;
    work.sim = sim_clone(original->sim);
    work.contract = contract_copy(original->contract);
    work.rng = *rng;
    work.db = NULL;
    work.may_fail = false;
    soak_end_boot(work.sim, end, rng);
    /* The name of a new hint may not be durable yet; an older one has it then. */
    target.is_stale = target.is_stale || (target.is_hint && end == CONTRACT_CUT);
    if (sim_file_exists(work.sim, target.path) && damage(work.sim, target.path, rng)) {
        totals->rotten++;
        totals->noticed += open_and_look(&work, &target, end);
    }
    workload_fini(&work);
    sim_free(work.sim);
    contract_free(work.contract);
}
