/*
 * soak.c: lives of a database, one after the other, in which everything goes wrong (soak.h).
 *
 *     sim_soak [lives COUNT | seconds COUNT | life SEED | replay FILE... | cases DIRECTORY]
 *
 * Each life runs in a process of its own. One that fails is made short: events are dropped from its
 * script as long as it fails, and what is left is printed, and written to soak-SEED.case.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "sim/require.h"
#include "sim/soak.h"

enum { LIVES = 150 };

static struct soak_totals *totals; /* shared with the processes of lives */

static uint64_t
seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static void
print_totals(void)
{
    static const char *const names[SOAK_FAULTS] = {
        "errors of changes", "errors of reads",    "short writes",           "calls without space",
        "failed syncs",      "failed allocations", "refusals by a full disk"};
    printf("%" PRIu64 " lives, %" PRIu64 " operations, %" PRIu64 " power cuts, %" PRIu64
           " kills, %" PRIu64 " recoveries, %" PRIu64 " cut short, %" PRIu64 " that failed",
           totals->lives, totals->operations, totals->cuts, totals->kills, totals->recoveries,
           totals->interrupted, totals->failed_opens);
    for (int i = 0; i < SOAK_FAULTS; i++)
        printf(", %" PRIu64 " %s", totals->faults[i], names[i]);
    printf(", %" PRIu64 " rotten worlds of which %" PRIu64 " said so before verify\n",
           totals->rotten, totals->noticed);
}

/* Makes a life that has failed short, tells it and ends the program. */
static _Noreturn void
tell(struct soak_script *script)
{
    char path[64];
    fprintf(stderr, "life %" PRIu64 " failed: repeat with `sim_soak life %" PRIu64 "`\n",
            script->seed, script->seed);
    soak_shrink(script);
    snprintf(path, sizeof path, "soak-%" PRIu64 ".case", script->seed);
    FILE *to = fopen(path, "w");
    if (to != NULL) {
        soak_script_print(script, to);
        fclose(to);
    }
    fprintf(stderr, "the same in %zu events (%s), as `sim_soak replay FILE` takes it:\n",
            script->count, path);
    soak_script_print(script, stderr);
    (void)soak_is_well(script, totals);
    print_totals();
    exit(1);
}

static void
live(uint64_t seed)
{
    struct soak_script script = soak_script_draw(seed);
    if (!soak_is_well(&script, totals))
        tell(&script);
    soak_script_free(&script);
}

static void
replay(const char *path)
{
    struct soak_script script = soak_script_read(path);
    REQUIRE(soak_is_well(&script, totals), "%s fails", path);
    soak_script_free(&script);
}

static void
replay_all(const char *directory)
{
    DIR *listing = opendir(directory);
    const struct dirent *entry;
    uint64_t count = 0;
    char path[1024];
    REQUIRE(listing != NULL, "cannot list %s", directory);
    while ((entry = readdir(listing)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len < 5 || strcmp(entry->d_name + len - 5, ".case") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        replay(path);
        count++;
    }
    closedir(listing);
    REQUIRE(count > 0, "no cases in %s", directory);
    printf("%" PRIu64 " cases: ", count);
}

static uint64_t
number(const char *text)
{
    return strtoull(text, NULL, 0);
}

int
main(int count, char **arguments)
{
    const char *what = count > 1 ? arguments[1] : "lives";
    const char *argument = count > 2 ? arguments[2] : NULL;
    totals = (struct soak_totals *)mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(totals != MAP_FAILED, "no shared memory");
    if (strcmp(what, "replay") == 0) {
        for (int i = 2; i < count; i++)
            replay(arguments[i]);
    } else if (strcmp(what, "cases") == 0 && argument != NULL) {
        replay_all(argument);
    } else if (strcmp(what, "life") == 0 && argument != NULL) {
        live(number(argument));
    } else {
        bool is_timed = strcmp(what, "seconds") == 0 && argument != NULL;
        uint64_t lives = argument != NULL ? number(argument) : require_rounds(LIVES);
        uint64_t end = seconds_now() + (is_timed ? lives : 0);
        for (uint64_t i = 0; is_timed ? seconds_now() < end : i < lives; i++) {
            struct test_rng rng = test_rng_fork(test_seed(), i);
            live(test_rng_next(&rng) >> 16);
        }
    }
    print_totals();
    return 0;
}
