/* From runs of several shards to indexes of all kinds, against a model: of each key the newest
 * record wins, and all others are dead. */
#include "runs_fixture.h"
#include "shard/recover_apply.h"

enum { SHARDS = 3, FILES = 4 /* of each */, RUNS_MAX = 64, ITEMS_MAX = 60000 };

struct world {
    struct sim *sim;
    struct adb_pages *pages;
    struct shard_index indexes[KINDS];
    struct shard *shards[SHARDS];
    struct recover_runs runs[SHARDS];
    struct data_file *files[SHARDS * FILES]; /* of the shards, in their order */
    struct data_file *file_of[RUNS_MAX];     /* by the number of the run */
    uint32_t n_runs;
    struct item *items;
    uint32_t n_items;
    uint32_t done, parts; /* of the keys, as told */
    struct sink sink;
    struct test_rng rng;
};

static uint32_t
shard_of(armdb_slice key)
{
    return (uint32_t)(head_of(&kinds[0], key) % 1000003 % SHARDS);
}

static const char NOT_HERE[] = "a key that is not of this shard";
static const char NEVER_WAS[] = "a collection that never was";

/* An adb_find_index_fn. */
static const char *
find_index(void *context, const struct shard_origin *origin, struct shard_index **index_out)
{
    struct world *world = (struct world *)context;
    *index_out = NULL;
    if (shard_of(origin->key) != origin->shard)
        return NOT_HERE;
    for (uint32_t i = 0; i < KINDS; i++) {
        if (kinds[i].collection_id != origin->collection_id)
            continue;
        *index_out = kinds[i].is_dropped ? NULL : &world->indexes[i];
        return NULL;
    }
    return NEVER_WAS;
}

/* ------------------------------------------------------------------------- world */

static void
make_directory_name(char room[32], uint32_t shard)
{
    snprintf(room, 32, "/db/shard-%03u", (unsigned)shard);
}

static void
open_world(struct world *world)
{
    assert_ok(adb_pages_new(&world->pages));
    for (uint32_t i = 0; i < KINDS; i++) {
        const struct adb_index_config config = {.pages = world->pages,
                                                .is_ordered = kinds[i].is_ordered,
                                                .key_bytes = kinds[i].key_bytes,
                                                .value_bytes = kinds[i].value_bytes,
                                                .n_writers = ADB_CREW_MAX,
                                                .seed = HASH_SEED};
        struct shard_index *index = &world->indexes[i];
        assert_ok(adb_index_init(&index->keys, &config));
        index->collection_id = kinds[i].collection_id;
        index->key_bytes = kinds[i].key_bytes != 0 ? kinds[i].key_bytes : ARMDB_KEY_VARIABLE;
    }
    for (uint32_t i = 0; i < SHARDS; i++) {
        const struct shard_config config = {.os = sim_os(world->sim),
                                            .directory = "/db",
                                            .number = i,
                                            .max_file_bytes = DATA_BYTES,
                                            .write_buffer_bytes = 65536,
                                            .pages = world->pages};
        char directory[32];
        make_directory_name(directory, i);
        sim_make_dir(world->sim, directory);
        assert_ok(adb_shard_new(&config, &world->shards[i]));
        world->runs[i].hash_seed = HASH_SEED;
        for (uint32_t number = 0; number < FILES; number++) {
            const struct log_file_header header = {.shard = i, .file_id = number + 1};
            struct data_file *file = make_data_file(world->sim, directory, &header);
            adb_shard_add_file(world->shards[i], file);
            world->files[i * FILES + number] = file;
        }
    }
}

static void
close_world(struct world *world)
{
    adb_mem_fail_at(0, false);
    for (uint32_t i = 0; i < SHARDS; i++) {
        adb_runs_clear(&world->runs[i]);
        adb_shard_close(world->shards[i]);
        world->shards[i] = NULL;
    }
    for (uint32_t i = 0; i < KINDS; i++)
        adb_index_fini(&world->indexes[i].keys);
    assert_int_equal(adb_pages_bytes(world->pages), 0);
    adb_pages_free(world->pages);
    assert_int_equal(sim_open_count(world->sim), 0);
    world->n_items = 0;
    world->n_runs = 0;
}

static int
set_up(void **state)
{
    struct world *world = (struct world *)calloc(1, sizeof *world);
    assert_non_null(world);
    world->rng = test_rng_make(test_seed());
    world->items = (struct item *)calloc(ITEMS_MAX, sizeof(struct item));
    assert_non_null(world->items);
    world->sim = sim_new(1);
    open_world(world);
    *state = world;
    return 0;
}

static int
tear_down(void **state)
{
    struct world *world = (struct world *)*state;
    close_world(world);
    sim_free(world->sim);
    free(world->items);
    free(world);
    return 0;
}

/* Says where the next runs go: into file `number` of all. */
static void
use_file(struct world *world, uint32_t number)
{
    uint32_t shard = number / FILES;
    world->sink.runs = &world->runs[shard];
    world->sink.shard = world->shards[shard];
    world->sink.file = world->files[number];
}

/* A run, of up to `n` records that belong to the shard. */
static void
add_random_run(struct world *world, uint32_t n, uint32_t n_keys)
{
    struct item *items = world->items + world->n_items;
    uint32_t shard = world->sink.file->header.shard, kept = 0;
    while (kept == 0) {
        uint32_t made = make_items(items, n, &world->rng, n_keys, world->n_runs);
        for (uint32_t i = 0; i < made; i++) {
            if (shard_of((armdb_slice){items[i].key, items[i].key_len}) == shard)
                items[kept++] = items[i];
        }
    }
    assert_ok(add_run(&world->sink, items, kept));
    world->n_items += kept;
    world->file_of[world->n_runs++] = world->sink.file;
}

/* Fills all files; each has one or two runs. */
static void
fill_files(struct world *world, uint32_t n, uint32_t n_keys)
{
    for (uint32_t number = 0; number < SHARDS * FILES; number++) {
        bool in_hint = test_rng_one_in(&world->rng, 2);
        char directory[32];
        use_file(world, number);
        make_directory_name(directory, number / FILES);
        if (in_hint)
            begin_hint(&world->sink, directory);
        uint32_t n_runs = 1 + (uint32_t)test_rng_below(&world->rng, 2);
        for (uint32_t run = 0; run < n_runs; run++)
            add_random_run(world, n, n_keys);
        if (in_hint)
            assert_ok(adb_runs_add_hint(world->sink.runs, world->sink.shard, world->sink.file,
                                        end_hint(&world->sink, directory)));
    }
}

static void
note_part(void *context, uint32_t done, uint32_t parts)
{
    struct world *world = (struct world *)context;
    assert_int_equal(done, world->done + 1);
    assert_true(done <= parts && (done == 1 || parts == world->parts));
    world->done = done;
    world->parts = parts;
}

/* Applies the runs of some files of each shard. */
static armdb_err
apply_files(struct world *world, uint64_t first_id, uint64_t last_id, uint32_t n_threads)
{
    const struct recover_run *runs[RUNS_MAX];
    struct recover_apply apply = {.runs = runs,
                                  .n_threads = n_threads,
                                  .find = find_index,
                                  .context = world,
                                  .on_part = note_part,
                                  .part_context = world};
    world->done = 0;
    world->parts = 0;
    for (uint32_t shard = 0; shard < SHARDS; shard++) {
        for (uint32_t i = 0; i < world->runs[shard].count; i++) {
            const struct recover_run *run = &world->runs[shard].run[i];
            if (run->file->header.file_id >= first_id && run->file->header.file_id <= last_id)
                runs[apply.n_runs++] = run;
        }
    }
    armdb_err err = adb_recover_apply(&apply);
    if (err == ARMDB_OK)
        assert_int_equal(world->done, world->parts);
    return err;
}

static armdb_err
apply_all(struct world *world, uint32_t n_threads)
{
    return apply_files(world, 1, FILES, n_threads);
}

/* ------------------------------------------------------------------------- model */

/* Checks what the index has of a key, of which `newest` is the newest record. Returns whether it
 * is there. */
static bool
check_key(struct world *world, const struct item *newest)
{
    unsigned char value[HINT_VALUE_MAX];
    const struct shard_index *index = &world->indexes[newest->kind - kinds];
    uint64_t slot = world->file_of[newest->run]->slot;
    uint64_t expected = newest->is_tombstone ? 0 : newest->location | slot << 48;
    const armdb_slice key = {newest->key, newest->key_len};
    assert_true(adb_index_get(&index->keys, key, value) == expected);
    if (expected != 0 && newest->kind->value_bytes != 0)
        assert_memory_equal(value, item_value(newest), newest->kind->value_bytes);
    return expected != 0;
}

/* Checks the indexes and the dead bytes of files, after all was applied. */
static void
check_all(struct world *world)
{
    uint64_t counts[KINDS] = {0};
    uint64_t dead[RUNS_MAX] = {0};
    qsort(world->items, world->n_items, sizeof *world->items, compare_items);
    for (uint32_t i = 0; i < world->n_items; i++) {
        const struct item *item = &world->items[i];
        bool is_newest = i + 1 == world->n_items ||
                         compare_item_keys(item, &world->items[i + 1]) != 0;
        if (is_newest && !item->kind->is_dropped)
            counts[item->kind - kinds] += check_key(world, item);
        else if (!item->is_tombstone)
            dead[item->run] += item_bytes(item);
    }
    for (uint32_t i = 0; i < KINDS; i++)
        assert_int_equal(adb_index_count(&world->indexes[i].keys), counts[i]);
    for (uint32_t i = 0; i < SHARDS * FILES; i++) {
        uint64_t expected = 0;
        for (uint32_t run = 0; run < world->n_runs; run++)
            expected += world->file_of[run] == world->files[i] ? dead[run] : 0;
        assert_int_equal(world->files[i]->dead_bytes, expected);
    }
}

/* --------------------------------------------------------------------- all is well */

static void
test_recover_apply__random_runs__newest_of_each_key(void **state)
{
    struct world *world = (struct world *)*state;
    static const uint32_t n_keys[] = {5, 700, 1u << 30};
    static const uint32_t n_threads[] = {1, 2, 4, ADB_CREW_MAX};
    for (uint32_t round = 0; round < 12 * test_scale(); round++) {
        fill_files(world, round % 4 == 0 ? 10 : 2400, n_keys[round % 3]);
        assert_ok(apply_all(world, n_threads[round % 4]));
        check_all(world);
        close_world(world);
        open_world(world);
    }
}

/* What the index has by then is older. */
static void
test_recover_apply__in_rounds__as_at_once(void **state)
{
    struct world *world = (struct world *)*state;
    for (uint32_t round = 0; round < 8 * test_scale(); round++) {
        uint32_t n_threads = 1 + round % 4;
        uint64_t first = 1 + round / 4 % 3;
        fill_files(world, 2000, round % 2 == 0 ? 900 : 30);
        assert_ok(apply_files(world, 1, first, n_threads));
        assert_ok(apply_files(world, first + 1, FILES, n_threads));
        check_all(world);
        close_world(world);
        open_world(world);
    }
}

static void
test_recover_apply__no_runs__nothing(void **state)
{
    struct world *world = (struct world *)*state;
    assert_ok(apply_all(world, 1));
    assert_ok(apply_all(world, 4));
    check_all(world);
}

/* Many keys in each of which nothing is left but the newest of very many records. */
static void
test_recover_apply__one_key_in_all_runs__newest(void **state)
{
    struct world *world = (struct world *)*state;
    for (uint32_t number = 0; number < FILES; number++) {
        use_file(world, number);
        for (uint32_t run = 0; run < 12; run++)
            add_random_run(world, 300, 2);
    }
    assert_ok(apply_all(world, 3));
    check_all(world);
}

/* ------------------------------------------------------------------------ nonsense */

/* A key that is of the first shard. */
static struct item
make_right(const struct kind *kind)
{
    struct item item = {.kind = kind, .key_len = kind->key_bytes != 0 ? kind->key_bytes : 9};
    while (shard_of((armdb_slice){item.key, item.key_len}) != 0)
        item.key[7]++;
    item.location = adb_location_make(0, 4096, kind->value_bytes != 0 ? kind->value_bytes : 7);
    return item;
}

/* Adds a run in memory that has one entry to the first shard. */
static void
add_entry(struct world *world, uint32_t number, const struct hint_entry *entry)
{
    use_file(world, number);
    adb_hint_chunk_clear(&world->sink.chunk);
    assert_true(adb_hint_chunk_add(&world->sink.chunk, entry));
    assert_ok(hand_out_chunk(&world->sink, true));
}

static void
expect_corrupt(struct world *world, uint32_t n_threads, const char *text)
{
    assert_int_equal(apply_all(world, n_threads), ARMDB_CORRUPT);
    assert_int_equal(adb_err_detail()->code, ARMDB_CORRUPT);
    if (strstr(adb_err_detail()->message, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", adb_err_detail()->message, text);
}

/* What to do to an entry that was right. */
enum harm {
    HARM_NONE,
    HARM_VARIABLE, /* its key has, or has not, a fixed length */
    HARM_KEY_SHORTER,
    HARM_VALUE,        /* there is none, or there is one */
    HARM_VALUE_LENGTH, /* it is shorter */
    HARM_ORDER         /* of hashes where keys are ordered, or the other way round */
};

/* Whether that makes an entry that is not of its collection. */
static bool
does_harm(const struct kind *kind, enum harm harm, bool is_tombstone)
{
    switch (harm) {
    case HARM_NONE:
        return false;
    case HARM_VARIABLE:
    case HARM_ORDER:
        return true;
    case HARM_KEY_SHORTER:
        return kind->key_bytes != 0;
    case HARM_VALUE:
        return !is_tombstone;
    case HARM_VALUE_LENGTH:
    default:
        return !is_tombstone && kind->value_bytes != 0;
    }
}

static struct hint_entry
make_wrong(const struct item *item, enum harm harm)
{
    static const unsigned char value[HINT_VALUE_MAX] = {1, 2, 3};
    struct hint_entry entry = item_entry(item);
    if (harm == HARM_VARIABLE)
        entry.is_variable = !entry.is_variable;
    if (harm == HARM_ORDER)
        entry.is_hashed = !entry.is_hashed;
    if (harm == HARM_KEY_SHORTER)
        entry.key.len--;
    if (harm == HARM_VALUE && !item->is_tombstone)
        entry.value = entry.value != NULL ? NULL : value;
    if (harm == HARM_VALUE_LENGTH && !item->is_tombstone)
        entry.location--;
    return entry;
}

/* As the first of its key, and behind a right one. */
static void
test_recover_apply__entries_that_do_not_fit__corrupt(void **state)
{
    struct world *world = (struct world *)*state;
    for (uint32_t i = 0; i < KINDS * 24; i++) {
        const struct kind *kind = &kinds[i / 24];
        enum harm harm = (enum harm)(i % 6);
        bool is_first = i / 6 % 2 == 0;
        struct item item = make_right(kind);
        item.is_tombstone = i / 12 % 2 == 0;
        if (item.is_tombstone)
            item.location = adb_location_make(0, 4096, 0);
        const struct hint_entry entry = make_wrong(&item, harm);
        if (shard_of(entry.key) != 0)
            continue;
        if (!is_first) {
            const struct item right = make_right(kind);
            const struct hint_entry before = item_entry(&right);
            add_entry(world, 0, &before);
        }
        add_entry(world, 1, &entry);
        if (!kind->is_dropped && does_harm(kind, harm, item.is_tombstone))
            expect_corrupt(world, 1, "in a collection with keys of");
        else
            assert_ok(apply_all(world, 1));
        close_world(world);
        open_world(world);
    }
}

static void
test_recover_apply__unknown_collection_or_other_shard__corrupt(void **state)
{
    struct world *world = (struct world *)*state;
    const struct item item = make_right(&kinds[0]);
    struct hint_entry entry = item_entry(&item);
    entry.collection_id = 4;
    add_entry(world, 2, &entry);
    expect_corrupt(world, 1, NEVER_WAS);
    assert_string_equal(adb_err_detail()->file, "/db/shard-000/0000000003.log");
    adb_runs_clear(&world->runs[0]);
    entry.collection_id = 0;
    add_entry(world, FILES, &entry); /* of the second shard */
    expect_corrupt(world, 1, NOT_HERE);
    assert_string_equal(adb_err_detail()->file, "/db/shard-001/0000000001.log");
}

/* Whatever of two entries of one run is in its wrong place. */
static void
test_recover_apply__not_in_order__corrupt(void **state)
{
    struct world *world = (struct world *)*state;
    static const uint32_t pairs[][2] = {{0, 0}, {1, 0}, {3, 1}, {7, 3}, {4, 4}, {5, 2}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct item first = make_right(&kinds[pairs[i][0]]);
        struct item second = make_right(&kinds[pairs[i][1]]);
        if (pairs[i][0] == pairs[i][1]) {
            do
                first.key[7]++;
            while (shard_of((armdb_slice){first.key, first.key_len}) != 0);
        }
        const struct hint_entry entries[2] = {item_entry(&first), item_entry(&second)};
        assert_true(compare_items(&first, &second) > 0);
        use_file(world, 0);
        adb_hint_chunk_clear(&world->sink.chunk);
        for (uint32_t k = 0; k < 2; k++)
            assert_true(adb_hint_chunk_add(&world->sink.chunk, &entries[k]));
        assert_ok(hand_out_chunk(&world->sink, true));
        expect_corrupt(world, 1, "not in order");
        close_world(world);
        open_world(world);
    }
}

/* ------------------------------------------------------------------------- failing */

static void
test_recover_apply__memory_is_out__said_so(void **state)
{
    struct world *world = (struct world *)*state;
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads += 2) {
        bool has_failed = true;
        for (uint64_t n = 1; has_failed; n += n < 40 ? 1 : n / 10) {
            fill_files(world, 1500, 1u << 30);
            adb_mem_fail_at(n, false);
            armdb_err err = apply_all(world, n_threads);
            has_failed = adb_mem_has_failed();
            adb_mem_fail_at(0, false);
            assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
            if (has_failed) {
                assert_int_equal(adb_err_detail()->code, ARMDB_NO_MEMORY);
            } else {
                assert_int_equal(world->parts > 1, n_threads > 1);
                check_all(world);
            }
            close_world(world);
            open_world(world);
        }
    }
}

static void
test_recover_apply__hint_cannot_be_read__said_so(void **state)
{
    struct world *world = (struct world *)*state;
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads += 2) {
        bool has_fired = true;
        for (uint64_t n = 1; has_fired; n += n < 10 ? 1 : n / 2) {
            const struct sim_fault fault = {.kind = SIM_FAULT_READ, .fail_at = n};
            fill_files(world, 1500, 1u << 30);
            sim_set_fault(world->sim, &fault);
            armdb_err err = apply_all(world, n_threads);
            has_fired = sim_fault_fired(world->sim);
            sim_clear_fault(world->sim);
            assert_int_equal(err, has_fired ? ARMDB_IO : ARMDB_OK);
            close_world(world);
            open_world(world);
        }
    }
}

#define APPLY_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        APPLY_TEST(test_recover_apply__random_runs__newest_of_each_key),
        APPLY_TEST(test_recover_apply__in_rounds__as_at_once),
        APPLY_TEST(test_recover_apply__no_runs__nothing),
        APPLY_TEST(test_recover_apply__one_key_in_all_runs__newest),
        APPLY_TEST(test_recover_apply__entries_that_do_not_fit__corrupt),
        APPLY_TEST(test_recover_apply__unknown_collection_or_other_shard__corrupt),
        APPLY_TEST(test_recover_apply__not_in_order__corrupt),
        APPLY_TEST(test_recover_apply__memory_is_out__said_so),
        APPLY_TEST(test_recover_apply__hint_cannot_be_read__said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
