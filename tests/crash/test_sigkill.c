/*
 * test_sigkill.c: a process with several writing threads is killed at a random moment, on the real
 * file system. diary.h tells what is demanded. The next round goes on in the same database.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crash/diary.h"
#include "sim/require.h"
#include "support/seed.h"
#include "support/tmpdir.h"

enum { ROUNDS = 10 }; /* of one database */

static struct {
    uint64_t rounds;
    uint64_t acknowledged;
    uint64_t promised; /* of these, so many that a kill must not take them */
    uint64_t buffers;  /* rounds that left records where no write call has been made for them */
} totals;

/* Whether the first shard's write buffer is in a file: then the process was killed with records
 * there that only the mapping of it has made survive. */
static bool
leaves_buffer(const char *path)
{
    char name[512];
    snprintf(name, sizeof name, "%s/shard-000/buffer", path);
    return access(name, F_OK) == 0;
}

static void
run_database(uint64_t seed, struct diary_shared *shared)
{
    struct test_rng rng = test_rng_make(seed);
    static struct diary_known known;
    struct diary_round round = {.options = ARMDB_OPTIONS_INIT, .promise = ARMDB_WRITTEN};
    char *path = tmpdir_make();
    memset(&known, 0, sizeof known);
    round.path = path;
    round.options.shards = 1 + (uint32_t)test_rng_below(&rng, DIARY_SHARDS_MAX);
    for (round.number = 0; round.number < ROUNDS; round.number++) {
        diary_draw_round(&round, test_rng_next(&rng));
        uint32_t count = (uint32_t)test_rng_below(&rng, round.number % 4 == 0 ? 60 : 3000);
        require_context("database of seed %" PRIu64 ", round %u: %u threads, kill after %u", seed,
                        round.number, round.threads, count);
        diary_kill(diary_start(&round, shared, count));
        totals.acknowledged += atomic_load(&shared->acknowledged);
        totals.buffers += leaves_buffer(path);
        totals.promised += diary_check(&round, shared, &known);
        totals.rounds++;
    }
    tmpdir_remove(path);
}

int
main(void)
{
    uint64_t seed = test_seed();
    struct diary_shared *shared = diary_new();
    for (uint64_t i = 0; i < require_rounds(2); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        run_database(test_rng_next(&rng), shared);
    }
    diary_free(shared);
    printf("%" PRIu64 " rounds (%" PRIu64 " with a buffer file), %" PRIu64
           " acknowledged operations, %" PRIu64 " promised\n",
           totals.rounds, totals.buffers, totals.acknowledged, totals.promised);
    return 0;
}
