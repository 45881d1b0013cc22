/* Which files are compacted: each rule on a table, and whole lives of logs that follow them. */
#include "policy_world.h"

#include <stdio.h>

#define KIB UINT64_C(1024)
#define MAX_FILE (100 * KIB)

/* The n-th file of a log of files with 100 records each. */
static struct compact_file
sealed(uint64_t number, uint64_t bytes, uint64_t dead_bytes)
{
    return (struct compact_file){.bytes = bytes,
                                 .dead_bytes = dead_bytes,
                                 .last_sequence = 100 * number,
                                 .as_of = 100 * (number - 1)};
}

static struct compact_rule
usual_rule(void)
{
    return (struct compact_rule){.percent = 30, .max_file_bytes = MAX_FILE};
}

static struct compact_choice
choose(struct compact_file *files, uint32_t n_files)
{
    const struct compact_rule rule = usual_rule();
    return adb_compact_choose(files, n_files, &rule);
}

static void
expect_choice(struct compact_choice choice, enum compact_what what, uint32_t first, uint32_t count)
{
    assert_int_equal(choice.what, what);
    if (what != COMPACT_RUN)
        return;
    assert_int_equal(choice.first, first);
    assert_int_equal(choice.count, count);
}

static void
test_compact_policy__little_room__a_run_fits_with_what_a_copy_has_beside(void **state)
{
    struct compact_file files[] = {sealed(1, 4000, 2000), sealed(2, 4000, 1950), sealed(3, 0, 0)};
    struct compact_rule rule = usual_rule();
    (void)state;
    rule.room = 4096;
    struct compact_choice choice = adb_compact_choose(files, 3, &rule);
    expect_choice(choice, COMPACT_RUN, 0, 1);
    assert_true(adb_compact_copy_bytes(files + choice.first, choice.count) <= rule.room);
}

static void
test_compact_policy__little_room__no_new_file_is_begun(void **state)
{
    struct compact_file files[] = {sealed(1, 4000, 4000), sealed(2, 90 * KIB, 90 * KIB)};
    struct compact_rule rule = usual_rule();
    (void)state;
    expect_choice(adb_compact_choose(files, 2, &rule), COMPACT_SEAL, 1, 1);
    rule.room = 4096;
    expect_choice(adb_compact_choose(files, 2, &rule), COMPACT_RUN, 0, 1);
    rule.thorough_up_to = 1000;
    expect_choice(adb_compact_choose(files, 2, &rule), COMPACT_RUN, 0, 1);
}

/* ----------------------------------------------------------------- tombstones */

static void
test_compact_policy__floor__is_the_oldest_as_of_of_those_with_dead_values(void **state)
{
    struct compact_file files[] = {sealed(1, 1000, 0), sealed(2, 1000, 1), sealed(3, 1000, 500),
                                   sealed(4, 1000, 0)};
    (void)state;
    assert_true(adb_compact_tombstone_floor(files, 0) == UINT64_MAX);
    assert_true(adb_compact_tombstone_floor(files, 1) == UINT64_MAX);
    assert_int_equal(adb_compact_tombstone_floor(files, 2), 100);
    assert_int_equal(adb_compact_tombstone_floor(files, 4), 100);
    files[1].as_of = 900; /* a copy that was begun late */
    assert_int_equal(adb_compact_tombstone_floor(files, 2), 900);
    assert_int_equal(adb_compact_tombstone_floor(files, 4), 200);
    files[1].dead_bytes = 0;
    files[2].dead_bytes = 0;
    assert_true(adb_compact_tombstone_floor(files, 4) == UINT64_MAX);
}

static void
test_compact_policy__garbage__is_dead_values_and_tombstones_that_hide_nothing(void **state)
{
    struct compact_file files[] = {sealed(1, 1000, 0), sealed(2, 1000, 100), sealed(3, 1000, 10),
                                   sealed(4, 1000, 0)};
    (void)state;
    for (int i = 0; i < 4; i++)
        files[i].tombstone_bytes = 7;
    /* The second file has dead values: those behind it need their tombstones, it does not. */
    assert_int_equal(adb_compact_find_garbage(files, 4), 7 + 107 + 10 + 0);
    assert_int_equal(files[0].garbage, 7);
    assert_int_equal(files[1].garbage, 107);
    assert_int_equal(files[2].garbage, 10);
    assert_int_equal(files[3].garbage, 0);
    files[1].as_of = 350; /* a copy that knows of all deletions in the third, not in the fourth */
    (void)adb_compact_find_garbage(files, 4);
    assert_int_equal(files[2].garbage, 17);
    assert_int_equal(files[3].garbage, 0);
}

/* They hide nothing, and nothing is hidden by them. */
static void
test_compact_policy__groups__are_garbage_that_keeps_no_tombstones(void **state)
{
    struct compact_file files[] = {sealed(1, 1000, 0), sealed(2, 1000, 0), sealed(3, 1000, 0)};
    (void)state;
    files[0].group_bytes = 500;
    files[1].tombstone_bytes = 7;
    assert_int_equal(adb_compact_find_garbage(files, 3), 507);
    assert_int_equal(files[0].garbage, 500);
    assert_int_equal(files[1].garbage, 7);
    assert_true(adb_compact_tombstone_floor(files, 3) == UINT64_MAX);
}

/* ---------------------------------------------------------------------- tables */

static void
test_compact_policy__no_file_or_the_newest_alone__is_nothing_to_compact(void **state)
{
    struct compact_file newest = sealed(1, 10 * KIB, 9 * KIB);
    (void)state;
    expect_choice(choose(NULL, 0), COMPACT_NOTHING, 0, 0);
    expect_choice(choose(&newest, 1), COMPACT_NOTHING, 0, 0); /* too small to seal it */
}

static void
test_compact_policy__little_garbage__is_left(void **state)
{
    struct compact_file files[] = {sealed(1, 100 * KIB, 29 * KIB), sealed(2, 100 * KIB, 14 * KIB),
                                   sealed(3, 100 * KIB, 0), sealed(4, 20 * KIB, 0)};
    (void)state;
    expect_choice(choose(files, 4), COMPACT_NOTHING, 0, 0);
}

static void
test_compact_policy__enough_garbage__takes_the_worst(void **state)
{
    struct compact_file files[] = {sealed(1, 100 * KIB, 10 * KIB), sealed(2, 100 * KIB, 80 * KIB),
                                   sealed(3, 100 * KIB, 10 * KIB), sealed(4, 10 * KIB, 0)};
    (void)state;
    expect_choice(choose(files, 4), COMPACT_RUN, 1, 1);
}

static void
test_compact_policy__neighbours_worth_copying__come_along_while_there_is_room(void **state)
{
    /* A piece is 25 KiB; left are 15, 5, 4 and 14 KiB: the second to fourth fit with no more. */
    struct compact_file files[] = {sealed(1, 100 * KIB, 85 * KIB), sealed(2, 100 * KIB, 95 * KIB),
                                   sealed(3, 100 * KIB, 96 * KIB), sealed(4, 100 * KIB, 86 * KIB),
                                   sealed(5, 10 * KIB, 0)};
    (void)state;
    expect_choice(choose(files, 5), COMPACT_RUN, 0, 3);
    files[0] = sealed(1, 17 * KIB, 2 * KIB); /* not worth it */
    expect_choice(choose(files, 5), COMPACT_RUN, 1, 3);
    files[0] = sealed(1, 100 * KIB, 85 * KIB);
    files[1].is_unfit = true; /* between the worst and the first */
    expect_choice(choose(files, 5), COMPACT_RUN, 2, 2);
    files[2].is_unfit = true;
    expect_choice(choose(files, 5), COMPACT_RUN, 3, 1);
    files[0].is_unfit = files[3].is_unfit = true;
    expect_choice(choose(files, 5), COMPACT_NOTHING, 0, 0);
}

static void
test_compact_policy__neighbours_with_next_to_nothing_in_them__come_along(void **state)
{
    struct compact_file files[] = {sealed(1, 700, 0), sealed(2, 100 * KIB, 80 * KIB),
                                   sealed(3, 600, 0), sealed(4, 1 * KIB, 0),
                                   sealed(5, 10 * KIB, 0)};
    (void)state;
    expect_choice(choose(files, 5), COMPACT_RUN, 0, 3);
}

static void
test_compact_policy__garbage_in_the_newest__seals_it(void **state)
{
    struct compact_file files[] = {sealed(1, 100 * KIB, 0), sealed(2, 90 * KIB, 85 * KIB)};
    (void)state;
    expect_choice(choose(files, 2), COMPACT_SEAL, 0, 0);
    expect_choice(choose(files + 1, 1), COMPACT_SEAL, 0, 0);
    files[1] = sealed(2, 24 * KIB, 24 * KIB); /* less than a quarter of a file */
    expect_choice(choose(files + 1, 1), COMPACT_NOTHING, 0, 0);
}

static void
test_compact_policy__much_live__does_not_seal_a_small_newest(void **state)
{
    struct compact_file files[16];
    (void)state;
    for (uint32_t i = 0; i < 16; i++)
        files[i] = sealed(i + 1, 100 * KIB, 28 * KIB);
    files[15] = sealed(16, 70 * KIB, 0); /* a sixteenth of what is live are 71 KiB */
    assert_int_equal(choose(files, 16).what, COMPACT_NOTHING);
    files[15].bytes = 75 * KIB;
    assert_int_equal(choose(files, 16).what, COMPACT_SEAL);
}

static void
test_compact_policy__four_pieces_in_the_newest__seal_it_whatever_they_are(void **state)
{
    struct compact_file files[] = {sealed(1, 99 * KIB, 0)};
    (void)state;
    expect_choice(choose(files, 1), COMPACT_NOTHING, 0, 0);
    files[0].bytes = 100 * KIB;
    expect_choice(choose(files, 1), COMPACT_SEAL, 0, 0);
}

static void
test_compact_policy__many_needed_tombstones__compacts_what_they_are_needed_for(void **state)
{
    struct compact_file files[] = {sealed(1, 100 * KIB, 0), sealed(2, 100 * KIB, 1),
                                   sealed(3, 100 * KIB, 2), sealed(4, 90 * KIB, 0),
                                   sealed(5, 10 * KIB, 0)};
    (void)state;
    files[3].tombstone_bytes = 60 * KIB;
    expect_choice(choose(files, 5), COMPACT_NOTHING, 0, 0);
    files[3].tombstone_bytes = 80 * KIB;
    expect_choice(choose(files, 5), COMPACT_RUN, 1, 1);
    files[1].as_of =
        350; /* it was compacted, and has one dead value again: the other comes first */
    expect_choice(choose(files, 5), COMPACT_RUN, 2, 1);
    files[1].as_of = 450; /* knows of all of them: not the reason */
    expect_choice(choose(files, 5), COMPACT_RUN, 2, 1);
    files[2].is_unfit = true;
    expect_choice(choose(files, 5), COMPACT_NOTHING, 0, 0);
}

static void
test_compact_policy__many_small_files__become_one(void **state)
{
    struct compact_file files[80];
    (void)state;
    for (uint32_t i = 0; i < 80; i++)
        files[i] = sealed(i + 1, 10 * KIB, 0);
    files[20] = sealed(21, KIB, 0);
    files[21] = sealed(22, KIB, 0);
    /* 1 + 1 + 4 * 10 KIB; a piece, 49 KiB, has room for no more. */
    expect_choice(choose(files, 80), COMPACT_RUN, 16, 6);
    expect_choice(choose(files, 64), COMPACT_NOTHING, 0, 0); /* so many are never too many */
    for (uint32_t i = 0; i < 80; i++)
        files[i] = sealed(i + 1, 90 * KIB, 0);
    expect_choice(choose(files, 80), COMPACT_NOTHING, 0, 0); /* they are full */
}

/* -------------------------------------------------------------------- thorough */

static void
test_compact_policy__thorough__takes_each_file_that_has_its_part(void **state)
{
    struct compact_rule rule = {.percent = 5, .max_file_bytes = MAX_FILE, .thorough_up_to = 350};
    struct compact_file files[] = {sealed(1, 100 * KIB, 4 * KIB), sealed(2, 100 * KIB, 6 * KIB),
                                   sealed(3, 100 * KIB, 0), sealed(4, 10 * KIB, 0)};
    (void)state;
    expect_choice(adb_compact_choose(files, 4, &rule), COMPACT_RUN, 1, 1);
    files[1].as_of = 351; /* compacted since the call began */
    expect_choice(adb_compact_choose(files, 4, &rule), COMPACT_NOTHING, 0, 0);
}

static void
test_compact_policy__thorough__seals_what_was_there_when_it_began(void **state)
{
    struct compact_rule rule = {.percent = 5, .max_file_bytes = MAX_FILE, .thorough_up_to = 150};
    struct compact_file files[] = {sealed(1, 100 * KIB, 0), sealed(2, KIB, KIB / 2)};
    (void)state;
    expect_choice(adb_compact_choose(files, 2, &rule), COMPACT_SEAL, 0, 0);
    rule.thorough_up_to = 100; /* the newest began later */
    expect_choice(adb_compact_choose(files, 2, &rule), COMPACT_NOTHING, 0, 0);
}

/* Nobody writes, so that all copies know of the newest number: one of them has tombstones that were
 * needed when it was made. */
static void
test_compact_policy__thorough__takes_copies_that_have_become_garbage(void **state)
{
    struct compact_rule rule = {.percent = 5, .max_file_bytes = MAX_FILE, .thorough_up_to = 100};
    struct compact_file files[] = {sealed(1, KIB, 0), sealed(2, 0, 0)};
    (void)state;
    files[0].as_of = 100;
    files[0].tombstone_bytes = KIB / 2;
    expect_choice(adb_compact_choose(files, 2, &rule), COMPACT_RUN, 0, 1);
}

/* ------------------------------------------------------------------ properties */

static uint32_t
random_table(struct test_rng *rng, struct compact_file *files)
{
    uint32_t n_files = 1 + (uint32_t)test_rng_below(rng, 50);
    uint64_t kind = 1 + test_rng_below(rng, 10);
    for (uint32_t i = 0; i < n_files; i++) {
        struct compact_file *file = &files[i];
        *file = sealed(i + 1, test_rng_below(rng, MAX_FILE / kind), 0);
        if (test_rng_one_in(rng, 2))
            file->dead_bytes = test_rng_below(rng, file->bytes + 1);
        if (test_rng_one_in(rng, 2))
            file->tombstone_bytes = test_rng_below(rng, file->bytes - file->dead_bytes + 1);
        if (test_rng_one_in(rng, 3))
            file->as_of += test_rng_below(rng, 3000);
        file->is_unfit = test_rng_one_in(rng, 8);
    }
    return n_files;
}

static void
check_run(const struct compact_choice *choice, const struct compact_file *files, uint32_t n_files)
{
    uint64_t left = 0;
    assert_true(choice->count > 0);
    assert_true(choice->first + choice->count < n_files); /* without the newest */
    for (uint32_t i = choice->first; i < choice->first + choice->count; i++) {
        assert_false(files[i].is_unfit);
        left += files[i].bytes - files[i].garbage;
    }
    assert_true(choice->count == 1 || left <= MAX_FILE);
}

static void
test_compact_policy__random_tables__give_runs_that_can_be_made(void **state)
{
    struct test_rng rng = test_rng_fork(test_seed(), 61);
    struct compact_file files[50];
    unsigned counts[3] = {0};
    (void)state;
    for (unsigned i = 0; i < 50000 * test_scale(); i++) {
        uint32_t n_files = random_table(&rng, files);
        struct compact_rule rule = usual_rule();
        rule.percent = 1 + (uint32_t)test_rng_below(&rng, 100);
        if (test_rng_one_in(&rng, 2))
            rule.thorough_up_to = 1 + test_rng_below(&rng, 100 * n_files);
        const struct compact_choice choice = adb_compact_choose(files, n_files, &rule);
        counts[choice.what]++;
        if (choice.what == COMPACT_RUN)
            check_run(&choice, files, n_files);
    }
    for (unsigned what = 0; what < 3; what++)
        assert_true(counts[what] > 0);
}

/* ----------------------------------------------------------------------- lives */

/* What is to be seen of a life from its second half on, when it has settled. */
struct life {
    const char *name;
    struct world *world;
    struct test_rng rng;
    double space_max;        /* bytes of the log / live ones and a file */
    uint64_t tombstones_max; /* bytes */
    uint64_t put_before;     /* bytes */
    uint64_t copied_before;  /* bytes */
};

static struct life
begin_life(const char *name, uint64_t stream, uint32_t n_keys, uint64_t max_file_bytes)
{
    return (struct life){.name = name,
                         .world = world_new(n_keys, max_file_bytes),
                         .rng = test_rng_fork(test_seed(), stream)};
}

static void
settle_life(struct life *life)
{
    life->put_before = life->world->put_bytes;
    life->copied_before = life->world->copied_bytes;
    life->space_max = 0;
    life->tombstones_max = 0;
}

/* After each write. */
static void
watch(struct life *life)
{
    struct world *world = life->world;
    if (world_compact(world) == 0 && world->sequence % 64 != 0)
        return;
    uint64_t slack = world->rule.max_file_bytes;
    double space = (double)world_bytes(world) / (double)(world->live_bytes + slack);
    uint64_t tombstones = world_tombstone_bytes(world);
    life->space_max = space > life->space_max ? space : life->space_max;
    life->tombstones_max = tombstones > life->tombstones_max ? tombstones : life->tombstones_max;
}

/* Bytes copied for each byte put. */
static double
copied_per_put(const struct life *life)
{
    return (double)(life->world->copied_bytes - life->copied_before) /
           (double)(life->world->put_bytes - life->put_before);
}

static void
tell(const struct life *life)
{
    const struct world *world = life->world;
    fprintf(stderr,
            "%-24s space %.2f copied %.2f tombstones %4.1f KiB files %2u (at most %2u) passes %u "
            "seals %u\n",
            life->name, life->space_max, copied_per_put(life), (double)life->tombstones_max / 1024,
            (unsigned)world->n_files, (unsigned)world->files_max, (unsigned)world->passes,
            (unsigned)world->seals);
}

static void
end_life(struct life *life)
{
    world_check(life->world);
    world_free(life->world);
}

/* Once files are on average less than an eighth full, some become one. */
static void
expect_few_files(const struct life *life)
{
    const struct world *world = life->world;
    double full = life->space_max * (double)(world->live_bytes / world->rule.max_file_bytes + 1);
    assert_true(world->files_max <= 33 + 8 * full);
}

enum { RECORD = 128, TOMBSTONE = 40 };

static void
overwrite_uniformly(struct life *life, uint64_t n_writes)
{
    struct world *world = life->world;
    for (uint64_t i = 0; i < n_writes; i++) {
        world_write(world, (uint32_t)test_rng_below(&life->rng, world->n_keys), RECORD, false);
        watch(life);
    }
}

static void
test_compact_policy__uniform_overwriting__settles(void **state)
{
    struct life life = begin_life("uniform", 62, 20000, 128 * KIB);
    (void)state;
    overwrite_uniformly(&life, 100000);
    settle_life(&life);
    overwrite_uniformly(&life, 200000);
    tell(&life);
    assert_true(life.space_max < 1 / (1 - 0.3));
    assert_true(copied_per_put(&life) < 1.5);
    expect_few_files(&life);
    end_life(&life);
}

/* All of it would fit into one file. */
static void
test_compact_policy__small_database_in_large_files__settles(void **state)
{
    struct life life = begin_life("small", 63, 2000, 4096 * KIB);
    (void)state;
    overwrite_uniformly(&life, 100000);
    settle_life(&life);
    overwrite_uniformly(&life, 100000);
    tell(&life);
    uint64_t live = life.world->live_bytes;
    double bytes = life.space_max * (double)(live + 4096 * KIB);
    assert_true(bytes < (double)live / 0.7 + 1024 * KIB + RECORD);
    assert_true(copied_per_put(&life) < 1.5);
    end_life(&life);
}

/* Of the keys, the first of each thousand gets most of the writes. */
static uint32_t
skewed_key(struct life *life)
{
    uint64_t n_keys = life->world->n_keys;
    uint64_t limit = n_keys;
    while (limit > 1 && !test_rng_one_in(&life->rng, 4))
        limit = (limit + 1) / 2;
    return (uint32_t)(test_hash(test_rng_below(&life->rng, limit)) % n_keys);
}

static void
overwrite_skewed(struct life *life, uint64_t n_writes)
{
    for (uint64_t i = 0; i < n_writes; i++) {
        world_write(life->world, skewed_key(life), RECORD, false);
        watch(life);
    }
}

static void
test_compact_policy__skewed_overwriting__copies_less(void **state)
{
    struct life life = begin_life("skewed", 64, 20000, 128 * KIB);
    (void)state;
    for (uint32_t key = 0; key < life.world->n_keys; key++)
        world_write(life.world, key, RECORD, false);
    overwrite_skewed(&life, 100000);
    settle_life(&life);
    overwrite_skewed(&life, 200000);
    tell(&life);
    assert_true(life.space_max < 1 / (1 - 0.3));
    assert_true(copied_per_put(&life) < 1.5);
    expect_few_files(&life);
    end_life(&life);
}

enum { COLD_KEYS = 10000, QUEUE_KEYS = 5000 };

/* Puts at one end of a window over the keys behind the cold ones, deletes at the other. */
static void
run_queue(struct life *life, uint64_t n_writes, uint64_t *at, uint64_t cold_one_in)
{
    for (uint64_t i = 0; i < n_writes; i++, ++*at) {
        uint32_t put = COLD_KEYS + (uint32_t)(*at % QUEUE_KEYS);
        uint32_t gone = COLD_KEYS + (uint32_t)((*at + QUEUE_KEYS - 100) % QUEUE_KEYS);
        world_write(life->world, put, RECORD, false);
        if (life->world->keys[gone].live_sequence != 0)
            world_write(life->world, gone, TOMBSTONE, true);
        if (test_rng_one_in(&life->rng, cold_one_in))
            world_write(life->world, (uint32_t)test_rng_below(&life->rng, COLD_KEYS), RECORD,
                        false);
        watch(life);
    }
}

/* Each key is put once and deleted for ever, beside old values that change now and then. */
static void
queue_beside_cold(const char *name, uint64_t cold_one_in, uint64_t pace)
{
    struct life life = begin_life(name, 65, COLD_KEYS + QUEUE_KEYS, 128 * KIB);
    life.world->pace = pace;
    uint64_t at = 0;
    for (uint32_t key = 0; key < COLD_KEYS; key++)
        world_write(life.world, key, RECORD, false);
    run_queue(&life, 100000, &at, cold_one_in);
    settle_life(&life);
    run_queue(&life, 200000, &at, cold_one_in);
    tell(&life);
    assert_true(life.space_max < 1 / (1 - 0.3 - 0.16)); /* with needed tombstones */
    assert_true(life.tombstones_max < COLD_KEYS * RECORD / 2);
    assert_true(copied_per_put(&life) < 2);
    expect_few_files(&life);
    end_life(&life);
}

static void
test_compact_policy__queue__does_not_gather_tombstones(void **state)
{
    (void)state;
    queue_beside_cold("queue, cold values still", UINT64_C(1) << 60, 0);
    queue_beside_cold("queue, cold values stir", 1000, 0);
    queue_beside_cold("queue, cold values move", 10, 0);
    queue_beside_cold("the same, few passes", 10, 3);
}

static void
test_compact_policy__all_deleted__leaves_next_to_nothing(void **state)
{
    struct life life = begin_life("all deleted", 66, 20000, 128 * KIB);
    struct world *world = life.world;
    (void)state;
    overwrite_uniformly(&life, 100000);
    for (uint32_t key = 0; key < world->n_keys; key++) {
        if (world->keys[key].live_sequence != 0)
            world_write(world, key, TOMBSTONE, true);
        watch(&life);
    }
    assert_int_equal(world->live_bytes, 0);
    tell(&life);
    assert_true(world_bytes(world) < 2 * world->rule.max_file_bytes);
    end_life(&life);
}

static void
test_compact_policy__writes_that_pause__leave_nothing_to_do(void **state)
{
    struct life life = begin_life("pauses", 67, 3000, 64 * KIB);
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        uint64_t n_writes = test_rng_below(&life.rng, 5000);
        for (uint64_t i = 0; i < n_writes; i++) {
            uint32_t key = (uint32_t)test_rng_below(&life.rng, life.world->n_keys);
            bool is_delete = life.world->keys[key].live_sequence != 0 &&
                             test_rng_one_in(&life.rng, 3);
            world_write(life.world, key, is_delete ? TOMBSTONE : RECORD, is_delete);
        }
        (void)world_compact(life.world); /* it ends */
        assert_int_equal(world_compact(life.world), 0);
        world_check(life.world);
    }
    end_life(&life);
}

/* With one record more than needed in each file at most. */
static void
test_compact_policy__thorough__ends_and_leaves_no_garbage(void **state)
{
    struct life life = begin_life("thorough", 68, 3000, 64 * KIB);
    struct world *world = life.world;
    (void)state;
    world->rule.percent = 1;
    for (unsigned round = 0; round < 100; round++) {
        uint64_t n_writes = 1 + test_rng_below(&life.rng, 5000);
        for (uint64_t i = 0; i < n_writes; i++) {
            uint32_t key = (uint32_t)test_rng_below(&life.rng, world->n_keys);
            bool is_delete = world->keys[key].live_sequence != 0 && test_rng_one_in(&life.rng, 3);
            world_write(world, key, is_delete ? TOMBSTONE : RECORD, is_delete);
        }
        world->rule.thorough_up_to = world->sequence;
        (void)world_compact(world); /* it ends */
        world_check(world);
        uint64_t garbage = world_bytes(world) - world->live_bytes;
        assert_true(garbage <= world_bytes(world) / 100 * 2 + RECORD);
    }
    end_life(&life);
}

static void
test_compact_policy__toll__grows_up_to_the_bound_and_fast_beyond(void **state)
{
    (void)state;
    assert_int_equal(adb_compact_toll_ns(0, 0, 24), 0);
    assert_int_equal(adb_compact_toll_ns(1000, 255, 24), 0);
    assert_int_equal(adb_compact_toll_ns(1000, 300, 24), 8000000);
    assert_true(adb_compact_toll_ns(1000, 320, 24) > 15000000);
    assert_int_equal(adb_compact_toll_ns(1000, 999, 24), 100000000);
    for (uint64_t garbage = 0; garbage < 1000; garbage++)
        assert_true(adb_compact_toll_ns(1000, garbage, 24) <=
                    adb_compact_toll_ns(1000, garbage + 1, 24));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compact_policy__little_room__a_run_fits_with_what_a_copy_has_beside),
        cmocka_unit_test(test_compact_policy__little_room__no_new_file_is_begun),
        cmocka_unit_test(test_compact_policy__floor__is_the_oldest_as_of_of_those_with_dead_values),
        cmocka_unit_test(
            test_compact_policy__garbage__is_dead_values_and_tombstones_that_hide_nothing),
        cmocka_unit_test(test_compact_policy__groups__are_garbage_that_keeps_no_tombstones),
        cmocka_unit_test(test_compact_policy__no_file_or_the_newest_alone__is_nothing_to_compact),
        cmocka_unit_test(test_compact_policy__little_garbage__is_left),
        cmocka_unit_test(test_compact_policy__enough_garbage__takes_the_worst),
        cmocka_unit_test(
            test_compact_policy__neighbours_worth_copying__come_along_while_there_is_room),
        cmocka_unit_test(test_compact_policy__neighbours_with_next_to_nothing_in_them__come_along),
        cmocka_unit_test(test_compact_policy__garbage_in_the_newest__seals_it),
        cmocka_unit_test(test_compact_policy__much_live__does_not_seal_a_small_newest),
        cmocka_unit_test(test_compact_policy__four_pieces_in_the_newest__seal_it_whatever_they_are),
        cmocka_unit_test(
            test_compact_policy__many_needed_tombstones__compacts_what_they_are_needed_for),
        cmocka_unit_test(test_compact_policy__many_small_files__become_one),
        cmocka_unit_test(test_compact_policy__thorough__takes_each_file_that_has_its_part),
        cmocka_unit_test(test_compact_policy__thorough__seals_what_was_there_when_it_began),
        cmocka_unit_test(test_compact_policy__thorough__takes_copies_that_have_become_garbage),
        cmocka_unit_test(test_compact_policy__random_tables__give_runs_that_can_be_made),
        cmocka_unit_test(test_compact_policy__uniform_overwriting__settles),
        cmocka_unit_test(test_compact_policy__small_database_in_large_files__settles),
        cmocka_unit_test(test_compact_policy__skewed_overwriting__copies_less),
        cmocka_unit_test(test_compact_policy__queue__does_not_gather_tombstones),
        cmocka_unit_test(test_compact_policy__all_deleted__leaves_next_to_nothing),
        cmocka_unit_test(test_compact_policy__writes_that_pause__leave_nothing_to_do),
        cmocka_unit_test(test_compact_policy__thorough__ends_and_leaves_no_garbage),
        cmocka_unit_test(test_compact_policy__toll__grows_up_to_the_bound_and_fast_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
