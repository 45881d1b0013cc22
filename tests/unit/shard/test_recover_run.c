/* Walking through runs in memory and in hints, against all their entries sorted by qsort(). */

#include "runs_fixture.h"

enum { FILES_MAX = 9, ITEMS_MAX = 40000 };

struct world {
    struct sim *sim;
    struct data_file *files[FILES_MAX];
    uint32_t n_files;
    struct recover_runs runs;
    const struct recover_run *all[64]; /* of runs */
    struct item *items;                /* those of one run after those of another */
    uint32_t n_items;
    struct sink sink;
    struct test_rng rng;
};

static int
set_up(void **state)
{
    struct world *world = (struct world *)calloc(1, sizeof *world);
    assert_non_null(world);
    world->rng = test_rng_make(test_seed());
    world->runs.hash_seed = HASH_SEED;
    world->items = (struct item *)calloc(ITEMS_MAX, sizeof(struct item));
    assert_non_null(world->items);
    world->sim = sim_new(1);
    sim_make_dir(world->sim, "/log");
    *state = world;
    return 0;
}

static void
clear(struct world *world)
{
    adb_mem_fail_at(0, false);
    adb_runs_clear(&world->runs);
    for (; world->n_files > 0; world->n_files--)
        ADB_IGNORE(adb_data_file_close(world->files[world->n_files - 1]));
    assert_int_equal(sim_open_count(world->sim), 0);
    world->n_items = 0;
}

static int
tear_down(void **state)
{
    struct world *world = (struct world *)*state;
    clear(world);
    sim_free(world->sim);
    free(world->items);
    free(world);
    return 0;
}

static void
add_file(struct world *world)
{
    const struct log_file_header header = {.db_id = {9, 8, 7}, .file_id = world->n_files + 1};
    world->files[world->n_files] = make_data_file(world->sim, "/log", &header);
    world->sink.runs = &world->runs;
    world->sink.file = world->files[world->n_files++];
}

/* A file with so many runs, of up to `n` entries each. */
static void
add_runs(struct world *world, bool in_hint, uint32_t n_runs, uint32_t n, uint32_t n_keys)
{
    add_file(world);
    if (in_hint)
        begin_hint(&world->sink, "/log");
    uint32_t first = world->runs.count;
    for (uint32_t run = 0; run < n_runs; run++) {
        struct item *items = world->items + world->n_items;
        assert_true(world->n_items + n <= ITEMS_MAX);
        uint32_t made = make_items(items, 1 + (uint32_t)test_rng_below(&world->rng, n), &world->rng,
                                   n_keys, first + run);
        assert_ok(add_run(&world->sink, items, made));
        world->n_items += made;
    }
    if (in_hint)
        assert_ok(adb_runs_add_hint(&world->runs, NULL, world->sink.file,
                                    end_hint(&world->sink, "/log")));
    assert_int_equal(world->runs.count, first + n_runs);
}

static void
sort_items(struct world *world)
{
    for (uint32_t i = 0; i < world->runs.count; i++)
        world->all[i] = &world->runs.run[i];
    qsort(world->items, world->n_items, sizeof *world->items, compare_items);
}

/* ------------------------------------------------------------------------ merging */

static int
compare_to_place(const struct item *item, const struct recover_place *place)
{
    const armdb_slice key = {item->key, item->key_len};
    return adb_recover_compare(item->kind->collection_id, item->head, key, place->collection_id,
                               place->head, place->key);
}

static void
assert_is(const struct recover_cursor *cursor, const struct world *world, const struct item *item)
{
    const struct hint_entry entry = item_entry(item);
    assert_int_equal(cursor->number, item->run);
    assert_ptr_equal(cursor->run, world->all[item->run]);
    assert_int_equal(cursor->entry.collection_id, entry.collection_id);
    assert_true(adb_hint_word(&cursor->entry) == adb_hint_word(&entry));
    assert_int_equal(cursor->entry.key.len, entry.key.len);
    assert_memory_equal(cursor->entry.key.data, entry.key.data, entry.key.len);
    assert_true(cursor->head == item->head);
    if (entry.value != NULL)
        assert_memory_equal(cursor->entry.value, entry.value, item->kind->value_bytes);
}

/* Walks from one place to another; NULL: from the start, to the end. */
static void
walk(const struct world *world, const struct recover_place *from, const struct recover_place *to)
{
    struct recover_merge *merge;
    assert_ok(adb_merge_begin(world->all, world->runs.count, from, to, &merge));
    for (uint32_t i = 0; i < world->n_items; i++) {
        const struct item *item = &world->items[i];
        if ((from != NULL && compare_to_place(item, from) < 0) ||
            (to != NULL && compare_to_place(item, to) >= 0))
            continue;
        const struct recover_cursor *cursor = adb_merge_current(merge);
        assert_non_null(cursor);
        assert_is(cursor, world, item);
        assert_ok(adb_merge_next(merge));
    }
    assert_null(adb_merge_current(merge));
    adb_merge_end(merge);
}

static struct recover_place
place_of(const struct item *item)
{
    return (struct recover_place){
        item->kind->collection_id, item->head, {item->key, item->key_len}};
}

/* Walks between places that are there, and others beside them. */
static void
walk_parts(struct world *world, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct recover_place places[2];
        for (uint32_t end = 0; end < 2; end++) {
            const struct item *item = &world->items[test_rng_below(&world->rng, world->n_items)];
            places[end] = place_of(item);
            if (test_rng_one_in(&world->rng, 3))
                places[end].key.len = 1 + test_rng_below(&world->rng, item->key_len);
            places[end].head = head_of(item->kind, places[end].key);
            if (test_rng_one_in(&world->rng, 8))
                places[end].collection_id++;
        }
        walk(world, &places[0], &places[1]); /* may be the wrong way round: then there is nothing */
        walk(world, &places[0], NULL);
        walk(world, NULL, &places[1]);
    }
}

static void
test_recover_run__random_runs__in_order(void **state)
{
    struct world *world = (struct world *)*state;
    static const uint32_t n_keys[] = {3, 300, 1u << 30};
    for (uint32_t round = 0; round < 12 * test_scale(); round++) {
        uint32_t n_files = 1 + (uint32_t)test_rng_below(&world->rng, FILES_MAX);
        for (uint32_t i = 0; i < n_files; i++)
            add_runs(world, test_rng_one_in(&world->rng, 2),
                     1 + (uint32_t)test_rng_below(&world->rng, 3),
                     test_rng_one_in(&world->rng, 3) ? 1 : 1200, n_keys[round % 3]);
        sort_items(world);
        walk(world, NULL, NULL);
        walk_parts(world, 6);
        clear(world);
    }
}

/* From each entry of a run of many chunks, and behind it. */
static void
test_recover_run__one_run__each_place_is_found(void **state)
{
    struct world *world = (struct world *)*state;
    for (uint32_t in_hint = 0; in_hint < 2; in_hint++) {
        add_runs(world, in_hint != 0, 1, 6000, 1u << 30);
        sort_items(world);
        for (uint32_t i = 0; i < world->n_items; i++) {
            const struct recover_place from = place_of(&world->items[i]);
            struct recover_merge *merge;
            assert_ok(adb_merge_begin(world->all, 1, &from, NULL, &merge));
            assert_is(adb_merge_current(merge), world, &world->items[i]);
            adb_merge_end(merge);
            assert_ok(adb_merge_begin(world->all, 1, &from, &from, &merge));
            assert_null(adb_merge_current(merge));
            adb_merge_end(merge);
        }
        clear(world);
    }
}

static void
test_recover_run__first_entries_of_chunks__as_written(void **state)
{
    struct world *world = (struct world *)*state;
    unsigned char buffer[HINT_CHUNK_BYTES];
    add_runs(world, false, 2, 5000, 1u << 30);
    add_runs(world, true, 2, 5000, 1u << 30);
    sort_items(world);
    for (uint32_t i = 0; i < world->runs.count; i++) {
        const struct recover_run *run = world->all[i];
        struct recover_place before = {0};
        unsigned char key[KEY_ROOM];
        for (uint32_t chunk = 0; chunk < run->count; chunk++) {
            struct recover_place place;
            assert_ok(adb_run_first(run, chunk, buffer, &place));
            if (chunk > 0)
                assert_true(adb_recover_compare(before.collection_id, before.head, before.key,
                                                place.collection_id, place.head, place.key) < 0);
            uint32_t found = 0;
            for (uint32_t k = 0; k < world->n_items; k++)
                found += world->items[k].run == i &&
                         compare_to_place(&world->items[k], &place) == 0;
            assert_int_equal(found, 1);
            memcpy(key, place.key.data, place.key.len);
            before = (struct recover_place){place.collection_id, place.head, {key, place.key.len}};
        }
    }
}

static void
test_recover_run__no_runs__nothing(void **state)
{
    struct world *world = (struct world *)*state;
    sort_items(world);
    walk(world, NULL, NULL);
    adb_merge_end(NULL);
    add_file(world);
    begin_hint(&world->sink, "/log"); /* a hint without entries */
    assert_ok(
        adb_runs_add_hint(&world->runs, NULL, world->sink.file, end_hint(&world->sink, "/log")));
    assert_int_equal(world->runs.count, 0);
    assert_int_equal(world->runs.n_hints, 1);
}

static void
test_recover_run__memory_in_use__is_counted(void **state)
{
    struct world *world = (struct world *)*state;
    add_runs(world, true, 2, 3000, 1u << 30);
    assert_int_equal(world->runs.memory_bytes, 0);
    add_runs(world, false, 2, 3000, 1u << 30);
    uint64_t bytes = 0;
    for (uint32_t i = 2; i < 4; i++) {
        for (uint32_t chunk = 0; chunk < world->runs.run[i].count; chunk++)
            bytes += adb_load_u32(world->runs.run[i].chunks[chunk] + 4);
    }
    assert_int_equal(world->runs.memory_bytes, bytes);
    adb_runs_clear(&world->runs);
    assert_int_equal(world->runs.memory_bytes, 0);
    assert_int_equal(world->runs.count, 0);
}

/* ------------------------------------------------------------------------- order */

static int
sign(int number)
{
    return (number > 0) - (number < 0);
}

static void
test_recover_run__order__collection_bytes_length(void **state)
{
    (void)state;
    static const struct {
        uint32_t collection_id;
        armdb_slice key;
    } ascending[] = {
        {0, {"\0", 1}},
        {0, {"\0\0", 2}},
        {0, {"a", 1}},
        {0, {"a\0", 2}},
        {0, {"a\0\0\0\0\0\0", 7}},
        {0, {"a\0\0\0\0\0\0\0", 8}},
        {0, {"a\0\0\0\0\0\0\0\0", 9}},
        {0, {"a\1", 2}},
        {0, {"abcdefgh", 8}},
        {0, {"abcdefgh\0", 9}},
        {0, {"abcdefghi", 9}},
        {0, {"abcdefgi", 8}},
        {0, {"\x7f", 1}},
        {0, {"\x80", 1}},
        {0, {"\xff\xff", 2}},
        {1, {"\0", 1}},
        {256, {"\0", 1}},
        {LOG_COLLECTION_ID_MAX, {"\0", 1}},
    };
    enum { N = sizeof ascending / sizeof ascending[0] };
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N; k++) {
            const armdb_slice a = ascending[i].key;
            const armdb_slice b = ascending[k].key;
            int order = adb_recover_compare(ascending[i].collection_id, head_of(&kinds[0], a), a,
                                            ascending[k].collection_id, head_of(&kinds[0], b), b);
            assert_int_equal(sign(order), sign(i - k));
        }
    }
}

/* ------------------------------------------------------------------------ failing */

static void
test_recover_run__memory_is_out__said_so(void **state)
{
    struct world *world = (struct world *)*state;
    bool has_failed = true;
    add_runs(world, true, 2, 2000, 1u << 30);
    add_runs(world, false, 2, 2000, 1u << 30);
    sort_items(world);
    for (uint64_t n = 1; has_failed; n++) {
        struct recover_merge *merge;
        const struct recover_place from = place_of(&world->items[world->n_items / 2]);
        adb_mem_fail_at(n, false);
        armdb_err err = adb_merge_begin(world->all, world->runs.count, &from, NULL, &merge);
        has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
        assert_int_equal(merge == NULL, has_failed);
        adb_merge_end(merge);
    }
}

static void
test_recover_run__no_memory_for_chunks__what_is_there_stays(void **state)
{
    struct world *world = (struct world *)*state;
    bool has_failed = true;
    for (uint64_t n = 1; has_failed; n++) {
        clear(world);
        add_file(world);
        uint32_t made = make_items(world->items, 9000, &world->rng, 1u << 30, 0);
        adb_mem_fail_at(n, false);
        armdb_err err = add_run(&world->sink, world->items, made);
        has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        assert_int_equal(err, has_failed ? ARMDB_NO_MEMORY : ARMDB_OK);
    }
    assert_int_equal(world->runs.count, 1);
}

/* Room for the hint, or for its runs: whichever fails, the hint is not lost. */
static void
test_recover_run__no_memory_for_a_hint__it_is_closed(void **state)
{
    struct world *world = (struct world *)*state;
    add_file(world);
    for (uint64_t n = 1; n <= 3; n++) {
        const struct item item = {.kind = &kinds[0], .location = 1 << 22, .key_len = 1};
        begin_hint(&world->sink, "/log");
        assert_ok(add_run(&world->sink, &item, 1));
        struct hint_reader *reader = end_hint(&world->sink, "/log");
        adb_mem_fail_at(n, false);
        armdb_err err = adb_runs_add_hint(&world->runs, NULL, world->sink.file, reader);
        adb_mem_fail_at(0, false);
        assert_int_equal(err, n < 3 ? ARMDB_NO_MEMORY : ARMDB_OK);
        assert_int_equal(world->runs.n_hints, n - 1);
        assert_int_equal(world->runs.count, n < 3 ? 0 : 1);
        assert_int_equal(sim_open_count(world->sim), n); /* and the data file */
    }
    adb_runs_clear(&world->runs);
    assert_int_equal(sim_open_count(world->sim), 1);
}

static void
test_recover_run__hint_changes_behind_our_back__said_so(void **state)
{
    struct world *world = (struct world *)*state;
    static const char path[] = "/log/0000000001.hint";
    add_runs(world, true, 1, 1, 1);
    clear(world);
    add_runs(world, true, 4, 1200, 1u << 30);
    sort_items(world);
    sim_corrupt(world->sim, path, sim_file_size(world->sim, path) - 1, 1);
    struct recover_merge *merge;
    armdb_err err = adb_merge_begin(world->all, world->runs.count, NULL, NULL, &merge);
    while (err == ARMDB_OK && adb_merge_current(merge) != NULL)
        err = adb_merge_next(merge);
    assert_int_equal(err, ARMDB_CORRUPT);
    assert_string_equal(adb_err_detail()->file, path);
    adb_merge_end(merge);
    const struct sim_fault fault = {.kind = SIM_FAULT_READ, .fail_at = 1};
    sim_set_fault(world->sim, &fault);
    assert_int_equal(adb_merge_begin(world->all, world->runs.count, NULL, NULL, &merge), ARMDB_IO);
    assert_null(merge);
    sim_clear_fault(world->sim);
}

/* ---------------------------------------------------------------------- nonsense */

/* A hint of one entry, and a second chunk of one, that is whole and in which a byte is another one;
 * returns what walking through it comes to. */
static armdb_err
walk_changed(struct world *world, const struct item *item, size_t at, unsigned char value)
{
    const struct item first = {.kind = &kinds[0], .location = 1 << 22, .key_len = 1};
    clear(world);
    add_file(world);
    begin_hint(&world->sink, "/log");
    assert_ok(add_run(&world->sink, &first, 1));
    const struct hint_entry entry = item_entry(item);
    adb_hint_chunk_clear(&world->sink.chunk);
    assert_true(adb_hint_chunk_add(&world->sink.chunk, &entry));
    adb_hint_chunk_finish(&world->sink.chunk, false);
    if (at != 0)
        world->sink.chunk.bytes[at] = value;
    assert_ok(adb_hint_write(world->sink.writer, &world->sink.chunk));
    world->sink.chunks++;
    assert_ok(
        adb_runs_add_hint(&world->runs, NULL, world->sink.file, end_hint(&world->sink, "/log")));
    sort_items(world);
    struct recover_merge *merge;
    armdb_err err = adb_merge_begin(world->all, 1, NULL, NULL, &merge);
    while (err == ARMDB_OK && adb_merge_current(merge) != NULL)
        err = adb_merge_next(merge);
    if (err == ARMDB_CORRUPT)
        assert_string_equal(adb_err_detail()->file, "/log/0000000001.hint");
    adb_merge_end(merge);
    return err;
}

static void
test_recover_run__nonsense_in_a_whole_chunk__corrupt(void **state)
{
    struct world *world = (struct world *)*state;
    const struct item item = {.kind = &kinds[0], .location = 1 << 22, .key_len = 5, .key = "apple"};
    static const struct {
        size_t at;
        unsigned char value;
    } changes[] = {{4, 17}, {4, 38}, {20, 0}, {20, 2}, {31, 0x20}, {32, 0}, {33, 1}};
    assert_ok(walk_changed(world, &item, 0, 0));
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct recover_place place;
        unsigned char buffer[HINT_CHUNK_BYTES];
        assert_int_equal(walk_changed(world, &item, changes[i].at, changes[i].value),
                         ARMDB_CORRUPT);
        armdb_err err = adb_run_first(world->all[0], 1, buffer, &place);
        assert_int_equal(err, changes[i].value == 2 ? ARMDB_OK : ARMDB_CORRUPT);
    }
}

static void
test_recover_run__records_outside_the_data_file__corrupt(void **state)
{
    struct world *world = (struct world *)*state;
    const struct {
        uint64_t offset;
        uint32_t value_len;
        armdb_err expected;
    } cases[] = {
        {LOG_FILE_HEADER_BYTES, 0, ARMDB_OK},
        {LOG_FILE_HEADER_BYTES - 8, 0, ARMDB_CORRUPT},
        {0, 0, ARMDB_CORRUPT},
        {DATA_BYTES - 32, 0, ARMDB_OK},
        {DATA_BYTES - 32, 7, ARMDB_OK},
        {DATA_BYTES - 32, 8, ARMDB_CORRUPT},
        {DATA_BYTES - 24, 0, ARMDB_CORRUPT},
        {LOCATION_OFFSET_LIMIT - 8, 0, ARMDB_CORRUPT},
        {0, LOCATION_LARGE, ARMDB_CORRUPT},
        {4096, LOCATION_LARGE, ARMDB_OK},
        {4096, DATA_BYTES - 4096, ARMDB_CORRUPT},
        {LOCATION_OFFSET_LIMIT - 4096, ARMDB_VALUE_MAX, ARMDB_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct item item = {
            .kind = &kinds[0],
            .location = adb_location_make(0, cases[i].offset, cases[i].value_len),
            .key_len = 5,
            .key = "apple"};
        assert_int_equal(walk_changed(world, &item, 0, 0), cases[i].expected);
    }
}

#define RUN_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RUN_TEST(test_recover_run__random_runs__in_order),
        RUN_TEST(test_recover_run__one_run__each_place_is_found),
        RUN_TEST(test_recover_run__first_entries_of_chunks__as_written),
        RUN_TEST(test_recover_run__no_runs__nothing),
        RUN_TEST(test_recover_run__memory_in_use__is_counted),
        RUN_TEST(test_recover_run__order__collection_bytes_length),
        RUN_TEST(test_recover_run__memory_is_out__said_so),
        RUN_TEST(test_recover_run__no_memory_for_chunks__what_is_there_stays),
        RUN_TEST(test_recover_run__no_memory_for_a_hint__it_is_closed),
        RUN_TEST(test_recover_run__hint_changes_behind_our_back__said_so),
        RUN_TEST(test_recover_run__nonsense_in_a_whole_chunk__corrupt),
        RUN_TEST(test_recover_run__records_outside_the_data_file__corrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
