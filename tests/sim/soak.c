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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim/require.h"
#include "sim/soak.h"

enum {
    LIVES = 150,
    LIFE_SECONDS = 240, /* one that lives longer hangs; under a sanitizer too */
    SHRINK_RUNS = 3000
};

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

/* Lives a life in a process of its own; whether the contract was kept. */
static bool
is_well(const struct soak_script *script, bool is_silent)
{
    struct soak_totals unused = {.lives = 0};
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0, "fork failed");
    if (child == 0) {
        if (is_silent && freopen("/dev/null", "w", stderr) == NULL)
            _Exit(2);
        alarm(LIFE_SECONDS);
        soak_live(script, is_silent ? &unused : totals);
        _Exit(0);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child, "waitpid failed");
    if (!is_silent && WIFSIGNALED(status))
        fprintf(stderr, "life %" PRIu64 " was ended by signal %d\n", script->seed,
                WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The script without `count` events from `first` on; shares nothing with it. */
static struct soak_script
without(const struct soak_script *script, size_t first, size_t count)
{
    struct soak_script rest = {.seed = script->seed, .count = script->count - count};
    rest.events = (struct soak_event *)require_memory(NULL, script->count * sizeof *rest.events);
    memcpy(rest.events, script->events, first * sizeof *rest.events);
    memcpy(rest.events + first, script->events + first + count,
           (script->count - first - count) * sizeof *rest.events);
    return rest;
}

/* Drops events as long as it fails: halves first, single ones at last. */
static void
shrink(struct soak_script *script)
{
    int runs = 0;
    size_t part = script->count / 2 + 1;
    while (part > 0 && runs < SHRINK_RUNS) {
        bool is_shorter = false;
        for (size_t at = 0; at < script->count && runs < SHRINK_RUNS; runs++) {
            size_t count = part < script->count - at ? part : script->count - at;
            struct soak_script rest = without(script, at, count);
            if (is_well(&rest, true)) {
                soak_script_free(&rest);
                at += count;
            } else {
                soak_script_free(script);
                *script = rest;
                is_shorter = true;
            }
        }
        part = part > 1 || !is_shorter ? part / 2 : part;
    }
}

/* Makes a life that has failed short, tells it and ends the program. */
static _Noreturn void
tell(struct soak_script *script)
{
    char path[64];
    fprintf(stderr, "life %" PRIu64 " failed: repeat with `sim_soak life %" PRIu64 "`\n",
            script->seed, script->seed);
    shrink(script);
    snprintf(path, sizeof path, "soak-%" PRIu64 ".case", script->seed);
    FILE *to = fopen(path, "w");
    if (to != NULL) {
        soak_script_print(script, to);
        fclose(to);
    }
    fprintf(stderr, "the same in %zu events (%s), as `sim_soak replay FILE` takes it:\n",
            script->count, path);
    soak_script_print(script, stderr);
    (void)is_well(script, false);
    print_totals();
    exit(1);
}

static void
live(uint64_t seed)
{
    struct soak_script script = soak_script_draw(seed);
    if (!is_well(&script, false))
        tell(&script);
    soak_script_free(&script);
}

static void
replay(const char *path)
{
    struct soak_script script = soak_script_read(path);
    REQUIRE(is_well(&script, false), "%s fails", path);
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
