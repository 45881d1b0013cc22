/* The simulator's power cuts: each leaves a state that a real one may, and all kinds occur. */
#include "sim_fixture.h"

enum { SECTOR = 512, MODEL_BYTES = 8192 };

/* A file's content, worked out in the plainest way. */
struct model {
    uint64_t size;
    unsigned char data[MODEL_BYTES];
};

struct change {
    bool is_truncate;
    uint64_t offset; /* or new size */
    uint64_t len;
    unsigned char fill;
};

static void
model_apply(struct model *model, const struct change *change, uint64_t len)
{
    uint64_t end = change->is_truncate ? change->offset : change->offset + len;
    assert_true(end <= MODEL_BYTES);
    if (change->is_truncate && end < model->size)
        memset(model->data + end, 0, model->size - end);
    if (!change->is_truncate)
        memset(model->data + change->offset, change->fill, len);
    if (change->is_truncate || (len > 0 && end > model->size))
        model->size = end;
}

static bool
model_equals(const struct model *model, const char *content, size_t bytes)
{
    return model->size == bytes && memcmp(model->data, content, bytes) == 0;
}

static void
do_changes(struct adb_file *file, const struct change *changes, size_t count)
{
    unsigned char data[MODEL_BYTES];
    for (size_t i = 0; i < count; i++) {
        if (changes[i].is_truncate) {
            assert_int_equal(adb_file_truncate(file, changes[i].offset), ARMDB_OK);
            continue;
        }
        memset(data, changes[i].fill, changes[i].len);
        /* In two parts: however many iovecs, it is one write. */
        struct iovec iov[] = {{data, changes[i].len / 3},
                              {data, changes[i].len - changes[i].len / 3}};
        size_t written;
        assert_int_equal(adb_file_write(file, iov, 2, changes[i].offset, &written), ARMDB_OK);
        assert_int_equal(written, changes[i].len);
    }
}

/* Makes "/db/a" with the first change durable and the others pending. */
static void
make_pending(struct sim_fixture *fixture, const struct change *changes, size_t count)
{
    struct adb_file *file = open_file(&fixture->base, "a", ADB_OPEN_CREATE_NEW);
    do_changes(file, changes, 1);
    sync_file(file);
    sync_root(fixture);
    do_changes(file, changes + 1, count - 1);
    close_file(file);
}

static const struct change all_kinds[] = {
    {.len = 1500, .fill = '0'},
    {.offset = 100, .len = 300, .fill = '1'},
    {.offset = 400, .len = 1300, .fill = '2'},
    {.is_truncate = true, .offset = 900},
    {.offset = 900, .len = 700, .fill = '4'},
    {.offset = 2000, .len = 1060, .fill = '5'},
};
enum { ALL_KINDS = sizeof all_kinds / sizeof all_kinds[0] };

static void
test_sim_cut__lose__only_synced_is_there(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_file *a = make_durable_file(fixture, "a", "abc");
    struct adb_file *b = open_file(&fixture->base, "b", ADB_OPEN_CREATE_NEW);
    put(b, 0, "xyz");
    sync_root(fixture);
    struct adb_file *c = open_file(&fixture->base, "c", ADB_OPEN_CREATE_NEW);
    put(c, 0, "xyz");
    sync_file(c);
    put(a, 1, "BCD");
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    assert_content(fixture->sim, "/db/a", "abc");
    assert_content(fixture->sim, "/db/b", "");
    assert_false(sim_file_exists(fixture->sim, "/db/c"));
    assert_int_equal(sim_used_bytes(fixture->sim), 4096);
    assert_int_equal(adb_file_close(a), ARMDB_IO);
    assert_int_equal(adb_file_close(b), ARMDB_IO);
    assert_int_equal(adb_file_close(c), ARMDB_IO);
}

static void
test_sim_cut__keep__everything_is_there(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    make_pending(fixture, all_kinds, ALL_KINDS);
    make_file(&fixture->base, "b", "xyz");
    uint64_t digest = sim_digest(fixture->sim);
    sim_power_cut_as(fixture->sim, SIM_CUT_KEEP, 1);
    assert_int_equal(sim_digest(fixture->sim), digest);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    assert_int_equal(sim_digest(fixture->sim), digest);
}

/* Whether the content is what some prefix of the changes makes, the last write torn at a sector. */
static bool
is_torn_prefix(const char *content, size_t bytes, size_t *changes_out, bool *is_torn_out)
{
    struct model model = {.size = 0};
    model_apply(&model, &all_kinds[0], all_kinds[0].len);
    for (size_t i = 1; i <= ALL_KINDS; i++) {
        *changes_out = i;
        *is_torn_out = false;
        if (model_equals(&model, content, bytes))
            return true;
        if (i == ALL_KINDS)
            break;
        const struct change *next = &all_kinds[i];
        *is_torn_out = true;
        for (uint64_t len = 1; len < next->len && !next->is_truncate; len++) {
            struct model torn = model;
            model_apply(&torn, next, len);
            if ((next->offset + len) % SECTOR == 0 && model_equals(&torn, content, bytes))
                return true;
        }
        model_apply(&model, next, next->len);
    }
    return false;
}

static void
test_sim_cut__prefix__first_changes_and_a_torn_one(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    make_pending(fixture, all_kinds, ALL_KINDS);
    bool seen[ALL_KINDS + 1][2] = {{false}};
    for (uint64_t seed = 0; seed < 300; seed++) {
        size_t bytes;
        char *content = read_after_cut(fixture->sim, "/db/a", SIM_CUT_PREFIX, seed, &bytes);
        size_t changes;
        bool is_torn;
        assert_non_null(content);
        assert_true(is_torn_prefix(content, bytes, &changes, &is_torn));
        seen[changes][is_torn] = true;
        free(content);
    }
    for (size_t i = 1; i <= ALL_KINDS; i++)
        assert_true(seen[i][false]);
    assert_true(seen[2][true] && seen[5][true]); /* the first pending write has no boundary in it */
}

/* Which of the versions the sector at `at` has, up to the file's end: bit i for the i-th. */
static unsigned
versions_of(const struct model *versions, size_t count, uint64_t at, const char *content,
            size_t bytes)
{
    unsigned found = 0;
    size_t len = bytes - at < SECTOR ? bytes - at : SECTOR;
    for (size_t i = 0; i < count; i++)
        if (memcmp(versions[i].data + at, content + at, len) == 0)
            found |= 1u << i;
    return found;
}

static void
test_sim_cut__sectors__each_as_at_some_time(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    static const struct change changes[] = {
        {.len = 2000, .fill = '0'},
        {.offset = 100, .len = 300, .fill = '1'},
        {.offset = 300, .len = 1500, .fill = '2'},
        {.offset = 2000, .len = 1000, .fill = '3'},
        {.offset = 3000, .len = 1000, .fill = '4'},
    };
    enum { COUNT = sizeof changes / sizeof changes[0] };
    struct model versions[COUNT];
    struct model model = {.size = 0};
    for (size_t i = 0; i < COUNT; i++) {
        model_apply(&model, &changes[i], changes[i].len);
        versions[i] = model;
    }
    make_pending(fixture, changes, COUNT);
    bool is_reordered = false;
    bool seen_size[3] = {false};
    for (uint64_t seed = 0; seed < 500; seed++) {
        size_t bytes;
        char *content = read_after_cut(fixture->sim, "/db/a", SIM_CUT_SECTORS, seed, &bytes);
        assert_non_null(content);
        assert_in_range(bytes, 2000, 4000);
        seen_size[bytes == 2000 ? 0 : (bytes == 4000 ? 2 : 1)] = true;
        bool is_old_seen = false;
        for (uint64_t at = 0; at < bytes; at += SECTOR) {
            unsigned found = versions_of(versions, COUNT, at, content, bytes);
            assert_true(found != 0);
            /* The write to an earlier sector is missing, that to a later one is there. */
            is_reordered = is_reordered || (is_old_seen && (found & 1) == 0);
            is_old_seen = is_old_seen || (at > 0 && (found & 4) == 0);
        }
        free(content);
    }
    assert_true(is_reordered);
    assert_true(seen_size[0] && seen_size[1] && seen_size[2]);
}

static void
test_sim_cut__larger_sectors__whole_ones(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    static const struct change changes[] = {
        {.len = 8192, .fill = '0'},
        {.offset = 0, .len = 8192, .fill = '1'},
    };
    make_pending(fixture, changes, 2);
    sim_set_sector_bytes(fixture->sim, 4096);
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        size_t bytes;
        char *content = read_after_cut(
            fixture->sim, "/db/a", seed % 2 == 0 ? SIM_CUT_SECTORS : SIM_CUT_PREFIX, seed, &bytes);
        assert_int_equal(bytes, 8192);
        for (size_t i = 0; i < bytes; i += 4096)
            assert_memory_equal(content + i, content + i + 1, 4095);
        seen |= 1u << ((content[0] - '0') + 2 * (content[4096] - '0'));
        free(content);
    }
    assert_int_equal(seen, 15);
}

static void
test_sim_cut__truncate_pending__old_tail_or_none(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    static const struct change changes[] = {
        {.len = 2048, .fill = '0'},
        {.is_truncate = true, .offset = 512},
        {.offset = 512, .len = 512, .fill = '2'},
    };
    make_pending(fixture, changes, 3);
    bool is_tail_seen = false;
    bool is_tail_after_new_seen = false;
    for (uint64_t seed = 0; seed < 200; seed++) {
        size_t bytes;
        char *content = read_after_cut(fixture->sim, "/db/a", SIM_CUT_SECTORS, seed, &bytes);
        assert_true(bytes == 2048 || (bytes >= 512 && bytes <= 1024));
        for (size_t i = 0; i < bytes; i++)
            assert_true(content[i] == '0' || (i >= 512 && i < 1024));
        is_tail_seen = is_tail_seen || bytes == 2048;
        is_tail_after_new_seen = is_tail_after_new_seen || (bytes == 2048 && content[600] == '2');
        free(content);
    }
    assert_true(is_tail_seen && is_tail_after_new_seen);
}

/* A log of records "<number>,", appended and synced at random, over several crashes. */
static void
run_log(struct sim_fixture *fixture, uint64_t seed)
{
    struct test_rng rng = test_rng_make(seed);
    struct sim *sim = fixture->sim;
    char written[MODEL_BYTES];
    uint64_t synced = 0;
    sim_write_file(sim, "/db/log", "", 0);
    for (int life = 0; life < 5; life++) {
        fixture->base.os = sim_os(sim);
        struct adb_file *file = open_file(&fixture->base, "log", ADB_OPEN_READ_WRITE);
        uint64_t end = synced;
        /* As recovery does it: the unsynced tail goes, durably. */
        assert_int_equal(adb_file_truncate(file, synced), ARMDB_OK);
        sync_file(file);
        for (int i = 0; i < 30; i++) {
            char record[32];
            int len = snprintf(record, sizeof record, "%d-%d,", life, i);
            memcpy(written + end, record, (size_t)len);
            put(file, end, record);
            end += (uint64_t)len;
            if (test_rng_one_in(&rng, 8)) {
                sync_file(file);
                synced = end;
            }
        }
        sim_power_cut(sim, test_rng_next(&rng));
        assert_int_equal(adb_file_close(file), ARMDB_IO);
        size_t bytes;
        char *content = sim_read_file(sim, "/db/log", &bytes);
        assert_non_null(content);
        assert_in_range(bytes, synced, end);
        assert_memory_equal(content, written, synced);
        free(content);
    }
}

static void
test_sim_cut__any__synced_data_is_never_lost(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    uint64_t seed = test_seed();
    for (unsigned i = 0; i < 100 * test_scale(); i++)
        run_log(fixture, seed + i);
}

static void
test_sim_cut__rename_over_existing__old_or_new(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    close_file(make_durable_file(fixture, "a", "old"));
    struct adb_file *file = open_file(&fixture->base, "a.tmp", ADB_OPEN_CREATE_NEW);
    put(file, 0, "new");
    sync_file(file);
    close_file(file);
    assert_int_equal(adb_os_rename(fixture->base.os, "/db/a.tmp", "/db/a"), ARMDB_OK);
    unsigned old = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        size_t bytes;
        char *content = read_after_cut(fixture->sim, "/db/a", SIM_CUT_ANY, seed, &bytes);
        assert_non_null(content);
        assert_true(strcmp(content, "old") == 0 || strcmp(content, "new") == 0);
        old += strcmp(content, "old") == 0 ? 1 : 0;
        free(content);
    }
    assert_in_range(old, 1, 59);
    sync_root(fixture);
    assert_after_cut(fixture->sim, "/db/a", SIM_CUT_LOSE, "new");
}

/* A name is durable by its own directory; what is in the file, by a sync of the file. */
static void
test_sim_cut__link__durable_with_its_directory(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_os *os = fixture->base.os;
    close_file(make_durable_file(fixture, "a", "abc"));
    sim_make_dir(fixture->sim, "/db/d");
    assert_int_equal(adb_os_link(os, "/db/a", "/db/d/b"), ARMDB_OK);
    size_t bytes;
    assert_null(read_after_cut(fixture->sim, "/db/d/b", SIM_CUT_LOSE, 1, &bytes));
    assert_after_cut(fixture->sim, "/db/d/b", SIM_CUT_KEEP, "abc");
    assert_int_equal(adb_os_sync_dir(os, "/db/d"), ARMDB_OK);
    assert_int_equal(adb_os_unlink(os, "/db/a"), ARMDB_OK);
    assert_after_cut(fixture->sim, "/db/a", SIM_CUT_LOSE, "abc");
    assert_after_cut(fixture->sim, "/db/d/b", SIM_CUT_LOSE, "abc");
    sync_root(fixture);
    assert_null(read_after_cut(fixture->sim, "/db/a", SIM_CUT_LOSE, 1, &bytes));
    assert_after_cut(fixture->sim, "/db/d/b", SIM_CUT_LOSE, "abc");
}

static void
test_sim_cut__directory_changes__first_ones_in_order(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    make_file(&fixture->base, "a", "");
    make_file(&fixture->base, "b", "");
    assert_int_equal(adb_os_rename(fixture->base.os, "/db/a", "/db/c"), ARMDB_OK);
    assert_int_equal(adb_os_unlink(fixture->base.os, "/db/b"), ARMDB_OK);
    static const char *const legal[] = {"", "a", "ab", "bc", "c"};
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sim *clone = sim_clone(fixture->sim);
        sim_power_cut(clone, seed);
        char **names;
        char all[8] = "";
        size_t count = sim_list(clone, "/db", &names);
        for (size_t i = 0; i < count; i++)
            all[i] = names[i][0];
        free(names);
        sim_free(clone);
        size_t found = 0;
        while (found < 5 && strcmp(all, legal[found]) != 0)
            found++;
        assert_true(found < 5);
        seen |= 1u << found;
    }
    assert_int_equal(seen, 31);
}

static void
test_sim_cut__unlink_not_durable__file_is_back(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    close_file(make_durable_file(fixture, "a", "abc"));
    assert_int_equal(adb_os_unlink(fixture->base.os, "/db/a"), ARMDB_OK);
    assert_int_equal(sim_used_bytes(fixture->sim), 0);
    make_file(&fixture->base, "a", "another");
    assert_after_cut(fixture->sim, "/db/a", SIM_CUT_LOSE, "abc");
    sync_root(fixture);
    assert_after_cut(fixture->sim, "/db/a", SIM_CUT_LOSE, "");
}

static void
test_sim_cut__directory_not_durable__gone_with_all_in_it(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    assert_int_equal(adb_os_mkdir(fixture->base.os, "/db/d"), ARMDB_OK);
    close_file(make_durable_file(fixture, "b", "b"));
    assert_int_equal(adb_os_mkdir(fixture->base.os, "/db/e"), ARMDB_OK);
    struct adb_file *file = open_file(&fixture->base, "e/x", ADB_OPEN_CREATE_NEW);
    put(file, 0, "abc");
    sync_file(file);
    assert_int_equal(adb_os_sync_dir(fixture->base.os, "/db/e"), ARMDB_OK);
    assert_after_cut(fixture->sim, "/db/e/x", SIM_CUT_LOSE, NULL);
    sync_root(fixture);
    assert_after_cut(fixture->sim, "/db/e/x", SIM_CUT_LOSE, "abc");
    close_file(file);
}

static void
test_sim_cut__sync_all__nothing_left_to_lose(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    make_pending(fixture, all_kinds, ALL_KINDS);
    assert_int_equal(adb_os_mkdir(fixture->base.os, "/db/d"), ARMDB_OK);
    make_file(&fixture->base, "d/b", "xyz");
    uint64_t digest = sim_digest(fixture->sim);
    sim_sync_all(fixture->sim);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    assert_int_equal(sim_digest(fixture->sim), digest);
}

static void
test_sim_cut__same_seed__same_state(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    make_pending(fixture, all_kinds, ALL_KINDS);
    make_file(&fixture->base, "b", "xyz");
    unsigned different = 0;
    uint64_t first = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t digests[2];
        for (int i = 0; i < 2; i++) {
            struct sim *clone = sim_clone(fixture->sim);
            sim_power_cut(clone, seed);
            digests[i] = sim_digest(clone);
            sim_free(clone);
        }
        assert_true(digests[0] == digests[1]);
        first = seed == 0 ? digests[0] : first;
        different += digests[0] != first ? 1 : 0;
    }
    assert_true(different > 10);
    sim_power_cut(fixture->sim, 0);
    assert_true(sim_digest(fixture->sim) == first);
}

static void
test_sim_cut__stored_into_a_mapping__as_if_written(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_file *file = make_durable_file(fixture, "a", "0123456789");
    void *memory;
    size_t bytes;
    assert_int_equal(adb_file_map(file, 10, &memory), ARMDB_OK);
    assert_null(memory); /* not unless the test wants it */
    sim_set_can_map(fixture->sim, true);
    assert_int_equal(adb_file_map(file, 10, &memory), ARMDB_OK);
    memcpy((char *)memory + 2, "xyz", 3);
    assert_after_cut(fixture->sim, "/db/a", SIM_CUT_KEEP, "01xyz56789");
    assert_after_cut(fixture->sim, "/db/a", SIM_CUT_LOSE, "0123456789");
    sync_file(file);
    assert_after_cut(fixture->sim, "/db/a", SIM_CUT_LOSE, "01xyz56789");
    memcpy(memory, "kill", 4);
    sim_kill(fixture->sim);
    memcpy(memory, "dead", 4); /* has no effect any more */
    char *content = sim_read_file(fixture->sim, "/db/a", &bytes);
    assert_string_equal(content, "killz56789");
    free(content);
    adb_file_unmap(file, memory, 10);
    ADB_IGNORE(adb_file_close(file));
}

static void
test_sim_cut__power_goes_in_the_middle__later_stores_have_no_effect(void **state)
{
    struct sim_fixture *fixture = (struct sim_fixture *)*state;
    struct adb_file *file = make_durable_file(fixture, "a", "0123456789");
    const struct sim_fault fault = {.kind = SIM_FAULT_CUT, .fail_at = 1};
    void *memory;
    sim_set_can_map(fixture->sim, true);
    assert_int_equal(adb_file_map(file, 10, &memory), ARMDB_OK);
    memcpy(memory, "A", 1);
    sim_set_fault(fixture->sim, &fault);
    assert_false(sim_is_off(fixture->sim));
    assert_int_not_equal(adb_file_sync(file), ARMDB_OK);
    assert_true(sim_is_off(fixture->sim));
    memcpy((char *)memory + 1, "B", 1);
    sim_power_cut_as(fixture->sim, SIM_CUT_KEEP, 1);
    assert_content(fixture->sim, "/db/a", "A123456789");
    adb_file_unmap(file, memory, 10);
    ADB_IGNORE(adb_file_close(file));
}

#define SIM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        SIM_TEST(test_sim_cut__lose__only_synced_is_there),
        SIM_TEST(test_sim_cut__keep__everything_is_there),
        SIM_TEST(test_sim_cut__prefix__first_changes_and_a_torn_one),
        SIM_TEST(test_sim_cut__sectors__each_as_at_some_time),
        SIM_TEST(test_sim_cut__larger_sectors__whole_ones),
        SIM_TEST(test_sim_cut__truncate_pending__old_tail_or_none),
        SIM_TEST(test_sim_cut__any__synced_data_is_never_lost),
        SIM_TEST(test_sim_cut__rename_over_existing__old_or_new),
        SIM_TEST(test_sim_cut__link__durable_with_its_directory),
        SIM_TEST(test_sim_cut__directory_changes__first_ones_in_order),
        SIM_TEST(test_sim_cut__unlink_not_durable__file_is_back),
        SIM_TEST(test_sim_cut__directory_not_durable__gone_with_all_in_it),
        SIM_TEST(test_sim_cut__sync_all__nothing_left_to_lose),
        SIM_TEST(test_sim_cut__same_seed__same_state),
        SIM_TEST(test_sim_cut__stored_into_a_mapping__as_if_written),
        SIM_TEST(test_sim_cut__power_goes_in_the_middle__later_stores_have_no_effect),
    };
    return cmocka_run_group_tests_name("os_sim, power cuts", tests, NULL, NULL);
}
