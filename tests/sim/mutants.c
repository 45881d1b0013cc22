/*
 * mutants.c: a test of the soak. Each bug of base/plant.h is put in force in turn: the case that is
 * kept for it must fail, and so must one of the first lives of the soak.
 *
 *     sim_mutants DIRECTORY
 *
 * Prints a table. A bug without a case, or whose case fails no more, gets a new one: a short script
 * of a life that it ended.
 */
#include <inttypes.h>
#include <unistd.h>

#include "base/plant.h"
#include "sim/require.h"
#include "sim/soak.h"

enum { LIVES_MAX = 6000, PATH_BYTES = 1024 };

enum adb_plant adb_planted = PLANT_NONE;

static const struct mutant {
    const char *name;
    const char *what;
} mutants[PLANT_COUNT] = {
    [PLANT_SYNC_SKIPPED] = {"sync-skipped", "a data file is not synced"},
    [PLANT_SYNC_RETRIED] = {"sync-retried",
                            "after a failed sync the shard goes on, and syncs again"},
    [PLANT_SYNC_NOTED_FIRST] = {"sync-noted-first", "writes count as synced before the sync"},
    [PLANT_CUT_UNSYNCED] = {"cut-unsynced", "recovery does not sync the newest file"},
    [PLANT_CUT_LEFT_OUT] = {"cut-left-out", "recovery leaves a torn end where it is"},
    [PLANT_NAME_UNSYNCED] = {"name-unsynced",
                             "the directory is not synced after a data file got its name"},
    [PLANT_RENAMED_FIRST] = {"renamed-first", "the manifest gets its name unsynced"},
    [PLANT_REFUSED_STAYS] = {"refused-stays", "what a write without space has left is not removed"},
    [PLANT_PUBLISHED_FIRST] = {"published-first", "readers see a write that then fails"},
    [PLANT_MARK_TOO_FAR] = {"mark-too-far", "MARK and SEAL vouch for what is not synced yet"},
    [PLANT_BUFFER_FORGOTTEN] = {"buffer-forgotten", "recovery does not look into the write buffer"},
    [PLANT_BUFFER_IN_PART] = {"buffer-in-part", "what of it recovery had room for is not removed"},
    [PLANT_CHECKSUM_OF_READS] = {"checksum-of-reads", "reads do not look at checksums"},
    [PLANT_CHECKSUM_OF_SCANS] = {"checksum-of-scans", "scans do not look at checksums"},
    [PLANT_CHECKSUM_OF_HINTS] = {"checksum-of-hints", "hints are believed without checksums"},
    [PLANT_HINT_STALE] = {"hint-stale", "a hint is believed whose file has grown since"},
    [PLANT_ERROR_IS_ABSENCE] = {"error-is-absence", "a read that failed says \"not found\""},
    [PLANT_TOMBSTONE_DROPPED] = {"tombstone-dropped", "compaction leaves all tombstones out"},
    [PLANT_OLD_VALUE_WINS] = {"old-value-wins",
                              "compaction puts its copy over a value written meanwhile"},
    [PLANT_COPY_TOO_EARLY] = {"copy-too-early",
                              "a copy gets its name before newer values are durable"},
    [PLANT_KEY_NOT_MOVED] = {"key-not-moved", "a key keeps its place in a file that is removed"},
    [PLANT_SLOT_TWICE] = {"slot-twice", "two files get one place in the table of files"},
    [PLANT_DEAD_FORGOTTEN] = {"dead-forgotten", "a replaced record is not counted as dead"},
    [PLANT_DEAD_COPY_FORGOTTEN] = {"dead-copy-forgotten",
                                   "nor is the copy of one that was replaced meanwhile"},
    [PLANT_EXPIRED_EARLY] = {"expired-early", "keys are deleted a second before their deadline"},
    [PLANT_EXPIRED_SHOWN] = {"expired-shown", "keys are shown after their deadline"},
    [PLANT_CHANGE_UNTOLD] = {"change-untold", "a hook is not told of deletes"},
};

/* Whether the case of a bug fails, as it should; *length_out: its events. */
static bool
replay(const char *path, size_t *length_out)
{
    *length_out = 0;
    if (access(path, R_OK) != 0)
        return false;
    struct soak_script script = soak_script_read(path);
    bool is_caught = !soak_is_well(&script, NULL);
    *length_out = script.count;
    soak_script_free(&script);
    return is_caught;
}

/* Lives until one fails; how many lives that takes, 0 if none does. */
static uint64_t
soak(struct soak_script *failed_out)
{
    for (uint64_t i = 0; i < LIVES_MAX; i++) {
        struct test_rng rng = test_rng_fork(test_seed(), i);
        *failed_out = soak_script_draw(test_rng_next(&rng) >> 16);
        if (!soak_is_well(failed_out, NULL))
            return i + 1;
        soak_script_free(failed_out);
    }
    return 0;
}

static void
keep(const char *path, const struct mutant *mutant, struct soak_script *script)
{
    FILE *to = fopen(path, "w");
    REQUIRE(to != NULL, "cannot write %s", path);
    soak_shrink(script);
    fprintf(to, "# Fails if %s.\n", mutant->what);
    soak_script_print(script, to);
    fclose(to);
}

/* Puts a bug in force; whether it was caught in both ways. */
static bool
try_plant(enum adb_plant plant, const char *directory)
{
    const struct mutant *mutant = &mutants[plant];
    struct soak_script failed = {.seed = 0};
    char path[PATH_BYTES];
    size_t length;
    snprintf(path, sizeof path, "%s/plant-%s.case", directory, mutant->name);
    adb_planted = plant;
    bool is_caught = replay(path, &length);
    uint64_t lives = soak(&failed);
    if (lives > 0 && !is_caught) {
        keep(path, mutant, &failed);
        is_caught = replay(path, &length);
    }
    printf("| %s | %" PRIu64 " | %" PRIu64 " | %zu%s |\n", mutant->what, lives, failed.seed, length,
           is_caught ? "" : ", not caught");
    fflush(stdout);
    soak_script_free(&failed);
    return is_caught && lives > 0;
}

int
main(int count, char **arguments)
{
    int missed = 0;
    REQUIRE(count == 2, "usage: sim_mutants DIRECTORY");
    printf("# Planted bugs\n\nWritten by `make mutants`, with `ARMDB_SEED=%" PRIu64 "`.\n\n",
           test_seed());
    printf("| planted | caught by life | of seed | events of its case |\n|---|---:|---:|---:|\n");
    for (int plant = PLANT_NONE + 1; plant < PLANT_COUNT; plant++)
        missed += !try_plant((enum adb_plant)plant, arguments[1]);
    return missed > 0;
}
