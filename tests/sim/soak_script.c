#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/require.h"
#include "sim/soak.h"

enum { EVENTS_LEAST = 30, EVENTS_MORE = 270, LINE_BYTES = 256 };

/* How an event is called in a script, and how often it comes: of those of the other kinds. */
static const struct {
    const char *name;
    uint32_t weight;
} kinds[] = {
    [WORK_PUT] = {"put", 300},
    [WORK_INSERT] = {"insert", 60},
    [WORK_DELETE] = {"delete", 100},
    [WORK_GET] = {"get", 30},
    [WORK_GET_VALUE] = {"get_value", 20},
    [WORK_MULTI_GET] = {"multi_get", 20},
    [WORK_SCAN] = {"scan", 15},
    [WORK_TICKETS] = {"tickets", 30},
    [WORK_FLUSH_ALL] = {"flush", 15},
    [WORK_SYNC_ALL] = {"sync", 20},
    [WORK_TIMER] = {"timer", 20},
    [WORK_COMPACT] = {"compact", 40},
    [WORK_CREATE] = {"create", 15},
    [WORK_DROP] = {"drop", 8},
    [WORK_REOPEN] = {"reopen", 20},
    [WORK_BACKGROUND] = {"background", 80},
    [WORK_CLOCK] = {"clock", 15},
    [WORK_VERIFY] = {"verify", 15},
    [WORK_CHECKPOINT] = {"checkpoint", 8},
    [WORK_CACHE] = {"cache", 5},
    [WORK_CAS] = {"cas", 60},
    [WORK_UPDATE] = {"update", 60},
    [WORK_BATCH] = {"batch", 80},
    [SOAK_CRASH] = {"crash", 40},
    [SOAK_CRASH_SOON] = {"crash_soon", 50},
    [SOAK_FAULT] = {"fault", 30},
    [SOAK_MEMORY] = {"memory", 15},
    [SOAK_FULL] = {"full", 6},
    [SOAK_ROOM] = {"room", 10},
    [SOAK_CALM] = {"calm", 20},
    [SOAK_ROT] = {"rot", 6},
};

_Static_assert(sizeof kinds / sizeof kinds[0] == SOAK_KINDS, "each kind has a name");

const char *
soak_kind_name(uint32_t kind)
{
    return kinds[kind].name;
}

/* Each life lacks some kinds of events, so that others come thicker. */
static uint64_t
draw_weights(struct test_rng *rng, uint32_t weights[SOAK_KINDS])
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < SOAK_KINDS; i++) {
        weights[i] = i != WORK_PUT && test_rng_one_in(rng, 4) ? 0 : kinds[i].weight;
        if (test_rng_one_in(rng, 8))
            weights[i] *= 4;
        sum += weights[i];
    }
    return sum;
}

static uint8_t
draw_kind(struct test_rng *rng, const uint32_t weights[SOAK_KINDS], uint64_t sum)
{
    uint64_t draw = test_rng_below(rng, sum);
    uint8_t kind = 0;
    while (draw >= weights[kind])
        draw -= weights[kind++];
    return kind;
}

static void
add(struct soak_script *script, uint8_t kind, uint64_t seed)
{
    script->events = (struct soak_event *)require_memory(
        script->events, (script->count + 1) * sizeof *script->events);
    script->events[script->count++] = (struct soak_event){kind, seed};
}

struct soak_script
soak_script_draw(uint64_t seed)
{
    struct test_rng rng = test_rng_fork(seed, 1);
    struct soak_script script = {.seed = seed};
    uint32_t weights[SOAK_KINDS];
    uint64_t sum = draw_weights(&rng, weights);
    uint64_t count = EVENTS_LEAST + test_rng_below(&rng, EVENTS_MORE);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t kind = draw_kind(&rng, weights, sum);
        add(&script, kind, test_rng_next(&rng) >> 40); /* easy to read */
    }
    return script;
}

void
soak_script_free(struct soak_script *script)
{
    free(script->events);
    *script = (struct soak_script){.seed = 0};
}

void
soak_script_print(const struct soak_script *script, FILE *to)
{
    fprintf(to, "seed %" PRIu64 "\n", script->seed);
    for (size_t i = 0; i < script->count; i++)
        fprintf(to, "%s %" PRIu64 "\n", kinds[script->events[i].kind].name, script->events[i].seed);
}

static void
read_line(struct soak_script *script, const char *line, const char *path)
{
    char name[32];
    uint64_t seed;
    if (line[0] == '#' || line[0] == '\n')
        return;
    REQUIRE(sscanf(line, "%31s %" SCNu64, name, &seed) == 2, "%s: what is \"%s\"?", path, line);
    if (strcmp(name, "seed") == 0) {
        script->seed = seed;
        return;
    }
    uint8_t kind = 0;
    while (kind < SOAK_KINDS && strcmp(kinds[kind].name, name) != 0)
        kind++;
    REQUIRE(kind < SOAK_KINDS, "%s: there is no event \"%s\"", path, name);
    add(script, kind, seed);
}

struct soak_script
soak_script_read(const char *path)
{
    struct soak_script script = {.seed = 0};
    char line[LINE_BYTES];
    FILE *from = fopen(path, "r");
    REQUIRE(from != NULL, "cannot read %s", path);
    while (fgets(line, sizeof line, from) != NULL)
        read_line(&script, line, path);
    fclose(from);
    return script;
}
