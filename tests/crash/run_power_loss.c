/*
 * run_power_loss.c: the power is cut under a real file system, while several threads write.
 *
 *     run_power_loss DIRECTORY DATABASES SCRIPT
 *
 * DIRECTORY/outer is a file system that can share blocks; in it lies outer/device.img, the device
 * of the file system mounted at DIRECTORY/disk, where the database is. The cut: one call makes
 * outer/after.img of it, at one moment: what the file system under test has handed to its device by
 * then is there, and what it still keeps in memory is not. Then the writing process is killed, and
 * SCRIPT puts after.img in the place of the device and mounts that. diary.h tells what is demanded
 * of what was synced before the cut began. The next round goes on in the same database.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "crash/diary.h"
#include "sim/require.h"
#include "support/seed.h"

enum { ROUNDS = 10, PATH_BYTES = 512 }; /* of one database */

static struct {
    uint64_t rounds;
    uint64_t acknowledged;
    uint64_t promised; /* of these, so many that a power cut must not take them */
} totals;

static void
clone_device(const char *directory)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    snprintf(from, sizeof from, "%s/outer/device.img", directory);
    snprintf(to, sizeof to, "%s/outer/after.img", directory);
    int source = open(from, O_RDONLY | O_CLOEXEC);
    int copy = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(source >= 0 && copy >= 0, "the device can't be opened");
    REQUIRE(ioctl(copy, FICLONE, source) == 0, "the device can't be cloned");
    close(source);
    close(copy);
}

/* Cuts the power; what was acknowledged before that is demanded, what was begun by its end is
 * allowed, and the rest of the diary is forgotten. */
static void
cut_power(struct diary_shared *shared, pid_t pid, const char *directory, const char *script)
{
    char command[2 * PATH_BYTES];
    uint32_t done[DIARY_THREADS_MAX], begun[DIARY_THREADS_MAX];
    uint32_t acknowledged = 0;
    for (uint32_t i = 0; i < DIARY_THREADS_MAX; i++) {
        done[i] = atomic_load(&shared->diaries[i].done);
        acknowledged += done[i];
    }
    clone_device(directory);
    for (uint32_t i = 0; i < DIARY_THREADS_MAX; i++)
        begun[i] = atomic_load(&shared->diaries[i].begun);
    diary_kill(pid);
    for (uint32_t i = 0; i < DIARY_THREADS_MAX; i++) {
        atomic_store(&shared->diaries[i].done, done[i]);
        atomic_store(&shared->diaries[i].begun, begun[i]);
    }
    atomic_store(&shared->acknowledged, acknowledged);
    snprintf(command, sizeof command, "'%s' go-on '%s'", script, directory);
    REQUIRE(system(command) == 0, "what is left after the cut can't be mounted");
}

static void
run_database(uint64_t seed, struct diary_shared *shared, const char *directory, const char *script)
{
    struct test_rng rng = test_rng_make(seed);
    static struct diary_known known;
    struct diary_round round = {.options = ARMDB_OPTIONS_INIT, .promise = ARMDB_SYNCED};
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/disk/%" PRIu64, directory, seed);
    memset(&known, 0, sizeof known);
    round.path = path;
    round.options.shards = 1 + (uint32_t)test_rng_below(&rng, DIARY_SHARDS_MAX);
    for (round.number = 0; round.number < ROUNDS; round.number++) {
        diary_draw_round(&round, test_rng_next(&rng));
        uint32_t count = (uint32_t)test_rng_below(&rng, round.number % 4 == 0 ? 60 : 3000);
        require_context("database of seed %" PRIu64 ", round %u: %u threads, cut after %u", seed,
                        round.number, round.threads, count);
        cut_power(shared, diary_start(&round, shared, count), directory, script);
        totals.acknowledged += atomic_load(&shared->acknowledged);
        totals.promised += diary_check(&round, shared, &known);
        totals.rounds++;
    }
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: run_power_loss DIRECTORY DATABASES SCRIPT\n");
        return 2;
    }
    uint64_t seed = test_seed();
    struct diary_shared *shared = diary_new();
    for (uint64_t i = 0; i < strtoull(argv[2], NULL, 10); i++) {
        struct test_rng rng = test_rng_fork(seed, i);
        run_database(test_rng_next(&rng), shared, argv[1], argv[3]);
    }
    diary_free(shared);
    printf("%" PRIu64 " power cuts, %" PRIu64 " acknowledged operations, %" PRIu64 " promised\n",
           totals.rounds, totals.acknowledged, totals.promised);
    return 0;
}
