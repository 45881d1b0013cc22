#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/require.h"
#include "sim/soak.h"

enum {
    LIFE_SECONDS = 120, /* one that lives longer hangs; under a sanitizer too */
    SHRINK_RUNS = 3000
};

bool
soak_is_well(const struct soak_script *script, struct soak_totals *totals)
{
    struct soak_totals unused = {.lives = 0};
    bool is_silent = totals == NULL;
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0, "fork failed");
    if (child == 0) {
        if (is_silent && freopen("/dev/null", "w", stderr) == NULL)
            _Exit(2);
        alarm(LIFE_SECONDS);
        soak_live(script, is_silent ? &unused : totals);
        exit(0); /* not at once: leaks are looked for */
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

/* Halves first, single ones at last. */
void
soak_shrink(struct soak_script *script)
{
    int runs = 0;
    size_t part = script->count / 2 + 1;
    while (part > 0 && runs < SHRINK_RUNS) {
        bool is_shorter = false;
        for (size_t at = 0; at < script->count && runs < SHRINK_RUNS; runs++) {
            size_t count = part < script->count - at ? part : script->count - at;
            struct soak_script rest = without(script, at, count);
            if (soak_is_well(&rest, NULL)) {
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
