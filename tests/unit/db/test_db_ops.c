/* Verbs on keys: every kind of key, every size of value, every level. */
#include "db_fixture.h"
#include "support/os_hook.h"

/* ----------------------------------------------------------------------- keys */

static armdb_slice
fill_key(unsigned char *key, size_t len, unsigned salt)
{
    for (size_t i = 0; i < len; i++)
        key[i] = (unsigned char)(salt * 7 + i * 31);
    key[0] = (unsigned char)salt;
    return armdb_bytes(key, len);
}

static armdb_err
try_insert(struct collection *collection, armdb_slice key, const char *value)
{
    return adb_db_write(collection, SHARD_INSERT, key, armdb_str(value), NULL);
}

/* Each verb, on a key that is not there, and on one that is. */
static void
check_verbs(struct collection *collection, armdb_slice key)
{
    char buffer[16];
    size_t len = 99;
    bool found = true;
    assert_int_equal(adb_db_get(collection, key, buffer, sizeof buffer, &len), ARMDB_NOT_FOUND);
    assert_int_equal(len, 0);
    assert_ok(adb_db_contains(collection, key, &found));
    assert_false(found);
    assert_int_equal(adb_db_value_len(collection, key, &len), ARMDB_NOT_FOUND);
    assert_int_equal(adb_db_write(collection, SHARD_DELETE, key, armdb_str(""), NULL),
                     ARMDB_NOT_FOUND);

    assert_ok(try_insert(collection, key, "first"));
    assert_int_equal(try_insert(collection, key, "second"), ARMDB_EXISTS);
    assert_ok(adb_db_get(collection, key, buffer, sizeof buffer, &len));
    assert_int_equal(len, 5);
    assert_memory_equal(buffer, "first", 5);
    assert_ok(adb_db_write(collection, SHARD_PUT, key, armdb_str("replaced"), NULL));
    assert_ok(adb_db_value_len(collection, key, &len));
    assert_int_equal(len, 8);
    assert_ok(adb_db_contains(collection, key, &found));
    assert_true(found);

    assert_ok(adb_db_write(collection, SHARD_DELETE, key, armdb_str(""), NULL));
    assert_int_equal(adb_db_write(collection, SHARD_DELETE, key, armdb_str(""), NULL),
                     ARMDB_NOT_FOUND);
    assert_ok(adb_db_write(collection, SHARD_PUT, key, armdb_str("final"), NULL));
}

static void
expect_final(struct collection *collection, armdb_slice key)
{
    char buffer[16];
    size_t len;
    assert_ok(adb_db_get(collection, key, buffer, sizeof buffer, &len));
    assert_int_equal(len, 5);
    assert_memory_equal(buffer, "final", 5);
}

/* Both orders in turn, so that each kind of length meets each of them. */
static armdb_order
order_for(uint32_t key_bytes)
{
    return (key_bytes / 2 + key_bytes) % 2 == 0 ? ARMDB_ASCENDING : ARMDB_DESCENDING;
}

static void
test_db_ops__every_verb_on_fixed_keys__does_what_it_says(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    unsigned char key[ARMDB_KEY_MAX];
    char name[32];
    for (uint32_t len = 1; len <= ARMDB_FIXED_KEY_MAX; len++) {
        snprintf(name, sizeof name, "fixed %u", len);
        struct collection *collection = create_collection(fixture->db, name, len, order_for(len));
        for (unsigned salt = 0; salt < 3; salt++)
            check_verbs(collection, fill_key(key, len, salt * 100));
        expect_count(collection, 3);
    }
    kill_and_open(fixture);
    for (uint32_t len = 1; len <= ARMDB_FIXED_KEY_MAX; len++) {
        snprintf(name, sizeof name, "fixed %u", len);
        struct collection *collection = open_collection(fixture->db, name);
        expect_count(collection, 3);
        for (unsigned salt = 0; salt < 3; salt++)
            expect_final(collection, fill_key(key, len, salt * 100));
    }
}

static void
check_variable_keys(struct db_fixture *fixture, armdb_order order)
{
    unsigned char key[ARMDB_KEY_MAX];
    struct collection *collection = create_collection(fixture->db, "variable", ARMDB_KEY_VARIABLE,
                                                      order);
    for (size_t len = 1; len <= ARMDB_KEY_MAX; len++)
        check_verbs(collection, fill_key(key, len, (unsigned)len % 7));
    expect_count(collection, ARMDB_KEY_MAX);
    kill_and_open(fixture);
    collection = open_collection(fixture->db, "variable");
    for (size_t len = 1; len <= ARMDB_KEY_MAX; len++)
        expect_final(collection, fill_key(key, len, (unsigned)len % 7));
    expect_count(collection, ARMDB_KEY_MAX);
}

static void
test_db_ops__every_verb_on_variable_keys__does_what_it_says(void **state)
{
    check_variable_keys((struct db_fixture *)*state, ARMDB_ASCENDING);
}

static void
test_db_ops__every_verb_on_descending_variable_keys__does_what_it_says(void **state)
{
    check_variable_keys((struct db_fixture *)*state, ARMDB_DESCENDING);
}

static void
test_db_ops__keys_with_zeros_and_prefixes_of_each_other__are_different(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const unsigned char zeros[4] = {0, 0, 0, 0};
    for (size_t len = 1; len <= 4; len++)
        put_bytes(fixture->collection, armdb_bytes(zeros, len), len * 3, len);
    expect_count(fixture->collection, 4);
    for (size_t len = 1; len <= 4; len++)
        expect_bytes(fixture->collection, armdb_bytes(zeros, len), len * 3, len);
}

/* All verbs refuse a key of this length. */
static void
expect_key_refused(struct collection *collection, armdb_slice key)
{
    char buffer[4];
    size_t len = 9;
    bool found = true;
    armdb_value value = {.len = 3};
    for (int verb = SHARD_PUT; verb <= SHARD_DELETE; verb++) {
        assert_int_equal(adb_db_write(collection, (enum shard_verb)verb, key, armdb_str(""), NULL),
                         ARMDB_KEY_LENGTH);
    }
    assert_int_equal(adb_db_get(collection, key, buffer, sizeof buffer, &len), ARMDB_KEY_LENGTH);
    assert_int_equal(len, 0);
    assert_int_equal(adb_db_get_value(collection, key, &value), ARMDB_KEY_LENGTH);
    assert_int_equal(value.len, 0);
    assert_int_equal(adb_db_contains(collection, key, &found), ARMDB_KEY_LENGTH);
    assert_false(found);
    len = 9;
    assert_int_equal(adb_db_value_len(collection, key, &len), ARMDB_KEY_LENGTH);
    assert_int_equal(len, 0);
}

static void
test_db_ops__wrong_key_length__is_refused_by_every_verb(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *fixed = create_collection(fixture->db, "fixed", 8, ARMDB_ASCENDING);
    static const char text[] = "123456789";
    expect_key_refused(fixed, armdb_bytes(text, 7));
    expect_detail(ARMDB_KEY_LENGTH, "7 bytes", "\"fixed\"", "have 8", NULL);
    expect_key_refused(fixed, armdb_bytes(text, 9));
    expect_detail(ARMDB_KEY_LENGTH, "9 bytes", NULL);
    expect_count(fixed, 0);
}

static void
test_db_ops__empty_key__is_refused_by_every_verb(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *fixed = create_collection(fixture->db, "fixed", 1, ARMDB_ASCENDING);
    expect_key_refused(fixed, armdb_str(""));
    expect_key_refused(fixture->collection, armdb_bytes(NULL, 0));
    expect_detail(ARMDB_KEY_LENGTH, "0 bytes", "1..1024", NULL);
}

static void
test_db_ops__key_over_the_limit__is_refused_by_every_verb(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const unsigned char key[ARMDB_KEY_MAX + 1] = {0};
    expect_key_refused(fixture->collection, armdb_bytes(key, sizeof key));
    expect_detail(ARMDB_KEY_LENGTH, "1025 bytes", "1..1024", NULL);
    /* Lengths that would be right if they were cut to 32 bits. */
    expect_key_refused(fixture->collection, armdb_bytes(key, ((size_t)1 << 32) + 8));
    struct collection *fixed = create_collection(fixture->db, "fixed", 8, ARMDB_ASCENDING);
    expect_key_refused(fixed, armdb_bytes(key, ((size_t)1 << 32) + 8));
}

/* --------------------------------------------------------------------- values */

/* Around everything that changes how a value is stored; the buffer has 64 KiB in this test. */
static const size_t value_lengths[] = {0,      1,      19,      20,      21,     4050,  4071,
                                       4072,   4073,   4095,    4096,    4097,   65000, 65504,
                                       65505,  65506,  65512,   65535,   65536,  65537, 524287,
                                       524288, 524289, 1048575, 1048576, 1048577};

static armdb_slice
numbered_key(char key[16], size_t number)
{
    snprintf(key, 16, "key%08zu", number);
    return armdb_str(key);
}

static void
put_all_lengths(struct collection *collection, unsigned salt)
{
    char key[16];
    for (size_t i = 0; i < sizeof value_lengths / sizeof *value_lengths; i++)
        put_bytes(collection, numbered_key(key, i), value_lengths[i], salt + i);
}

static void
expect_all_lengths(struct collection *collection, unsigned salt)
{
    char key[16];
    for (size_t i = 0; i < sizeof value_lengths / sizeof *value_lengths; i++) {
        size_t len;
        expect_bytes(collection, numbered_key(key, i), value_lengths[i], salt + i);
        assert_ok(adb_db_value_len(collection, numbered_key(key, i), &len));
        assert_int_equal(len, value_lengths[i]);
    }
}

static void
check_lengths_at(struct db_fixture *fixture, armdb_durability level)
{
    fixture->options.write_buffer_bytes = 65536;
    fixture->options.durability = level;
    reopen_db(fixture);
    for (unsigned round = 0; round < 2; round++) {
        put_all_lengths(fixture->collection, round * 50);
        expect_all_lengths(fixture->collection, round * 50);
    }
    reopen_db(fixture);
    expect_all_lengths(fixture->collection, 50);
}

static void
test_db_ops__values_of_all_sizes_buffered__come_back(void **state)
{
    check_lengths_at((struct db_fixture *)*state, ARMDB_BUFFERED);
}

static void
test_db_ops__values_of_all_sizes_written__come_back(void **state)
{
    check_lengths_at((struct db_fixture *)*state, ARMDB_WRITTEN);
}

static void
test_db_ops__values_of_all_sizes_synced__survive_power_loss(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    check_lengths_at(fixture, ARMDB_SYNCED);
    put_all_lengths(fixture->collection, 9);
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_all_lengths(fixture->collection, 9);
}

static void
test_db_ops__largest_value__comes_back(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    unsigned char *value = (unsigned char *)calloc(ARMDB_VALUE_MAX, 1);
    armdb_value found;
    assert_non_null(value);
    for (size_t i = 0; i < ARMDB_VALUE_MAX; i += 4093)
        value[i] = (unsigned char)(i % 251 + 1);
    assert_ok(adb_db_write(fixture->collection, SHARD_PUT, armdb_str("largest"),
                           armdb_bytes(value, ARMDB_VALUE_MAX), NULL));
    put(fixture->collection, "next", "value");
    assert_ok(adb_db_get_value(fixture->collection, armdb_str("largest"), &found));
    assert_int_equal(found.len, ARMDB_VALUE_MAX);
    assert_int_equal(memcmp(armdb_value_bytes(&found).data, value, ARMDB_VALUE_MAX), 0);
    armdb_value_release(&found);
    free(value);
    expect_get(fixture->collection, "next", "value");
}

static void
test_db_ops__value_over_the_limit__is_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    static const char byte = 'x';
    const armdb_slice value = armdb_bytes(&byte, (size_t)ARMDB_VALUE_MAX + 1);
    uint64_t operations = sim_op_count(fixture->sim, SIM_ALL);
    assert_int_equal(adb_db_write(fixture->collection, SHARD_PUT, armdb_str("k"), value, NULL),
                     ARMDB_TOO_BIG);
    expect_detail(ARMDB_TOO_BIG, "268435457", "0..268435456", NULL);
    assert_int_equal(adb_db_write(fixture->collection, SHARD_INSERT, armdb_str("k"),
                                  armdb_bytes(&byte, ((size_t)1 << 32) + 1), NULL),
                     ARMDB_TOO_BIG);
    assert_int_equal(sim_op_count(fixture->sim, SIM_ALL), operations);
    expect_absent(fixture->collection, "k");
}

static void
test_db_ops__buffer_too_small__says_the_length_and_reads_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char buffer[8] = "unharme";
    size_t len;
    put(fixture->collection, "key", "eight by");
    put(fixture->collection, "empty", "");
    uint64_t reads = sim_op_count(fixture->sim, SIM_READS);
    assert_int_equal(adb_db_get(fixture->collection, armdb_str("key"), buffer, 7, &len),
                     ARMDB_BUFFER_TOO_SMALL);
    expect_detail(ARMDB_BUFFER_TOO_SMALL, "8 bytes", "7", NULL);
    assert_int_equal(len, 8);
    assert_string_equal(buffer, "unharme");
    assert_int_equal(adb_db_get(fixture->collection, armdb_str("key"), NULL, 0, &len),
                     ARMDB_BUFFER_TOO_SMALL);
    assert_int_equal(len, 8);
    assert_int_equal(sim_op_count(fixture->sim, SIM_READS), reads);
    assert_ok(adb_db_get(fixture->collection, armdb_str("key"), buffer, 8, &len));
    assert_memory_equal(buffer, "eight by", 8);
    assert_ok(adb_db_get(fixture->collection, armdb_str("empty"), NULL, 0, &len));
    assert_int_equal(len, 0);
}

static void
test_db_ops__unflushed_values__are_readable_without_reading_a_file(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char key[16];
    fixture->options.durability = ARMDB_BUFFERED;
    fixture->options.cache_bytes = ARMDB_CACHE_NONE;
    reopen_db(fixture);
    put(fixture->collection, "first", "value");
    uint64_t operations = sim_op_count(fixture->sim, SIM_WRITES | SIM_READS);
    for (size_t i = 0; i < 100; i++) {
        put_bytes(fixture->collection, numbered_key(key, i), i * 7, i);
        expect_bytes(fixture->collection, numbered_key(key, i), i * 7, i);
    }
    expect_get(fixture->collection, "first", "value");
    assert_int_equal(sim_op_count(fixture->sim, SIM_WRITES | SIM_READS), operations);
    assert_true(stats_of(fixture->db).unflushed_bytes > 0);
    assert_ok(adb_db_flush(fixture->db));
    assert_int_equal(stats_of(fixture->db).unflushed_bytes, 0);
    for (size_t i = 0; i < 100; i++)
        expect_bytes(fixture->collection, numbered_key(key, i), i * 7, i);
    assert_int_equal(stats_of(fixture->db).reads, 100);
}

/* ----------------------------------------------------------------- durability */

static void
test_db_ops__levels_and_a_kill__keep_what_they_promise(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_at(fixture->collection, "written", "w", ARMDB_WRITTEN);
    put_at(fixture->collection, "synced", "s", ARMDB_SYNCED);
    put_at(fixture->collection, "buffered", "b", ARMDB_BUFFERED);
    expect_get(fixture->collection, "buffered", "b");
    kill_and_open(fixture);
    expect_get(fixture->collection, "written", "w");
    expect_get(fixture->collection, "synced", "s");
    expect_absent(fixture->collection, "buffered");
}

static void
test_db_ops__levels_and_power_loss__keep_what_they_promise(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put_at(fixture->collection, "before", "b", ARMDB_BUFFERED);
    put_at(fixture->collection, "synced", "s", ARMDB_SYNCED);
    put_at(fixture->collection, "written", "w", ARMDB_WRITTEN);
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_get(fixture->collection, "before", "b");
    expect_get(fixture->collection, "synced", "s");
    expect_absent(fixture->collection, "written");
}

static void
test_db_ops__level_of_the_call__overrides_the_databases(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.durability = ARMDB_SYNCED;
    reopen_db(fixture);
    put(fixture->collection, "default", "d");
    uint64_t syncs = sim_op_count(fixture->sim, SIM_SYNCS);
    uint64_t writes = sim_op_count(fixture->sim, SIM_WRITES);
    put_at(fixture->collection, "buffered", "b", ARMDB_BUFFERED);
    assert_int_equal(sim_op_count(fixture->sim, SIM_WRITES), writes);
    put_at(fixture->collection, "written", "w", ARMDB_WRITTEN);
    assert_int_equal(sim_op_count(fixture->sim, SIM_WRITES), writes + 1);
    assert_int_equal(sim_op_count(fixture->sim, SIM_SYNCS), syncs);
    put(fixture->collection, "default", "again");
    assert_int_equal(sim_op_count(fixture->sim, SIM_SYNCS), syncs + 1);
    assert_ok(write_at_level(fixture->collection, SHARD_DELETE, "default", "", ARMDB_SYNCED));
    assert_int_equal(sim_op_count(fixture->sim, SIM_SYNCS), syncs + 2);
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_absent(fixture->collection, "default");
    expect_get(fixture->collection, "buffered", "b");
}

/* The order of writes and syncs of one file. */
struct watch {
    char path[256];
    uint64_t writes;
    uint64_t writes_at_sync;
    uint64_t syncs;
};

static armdb_err
watch_file(void *context, const struct os_call *call, armdb_err err)
{
    struct watch *watch = (struct watch *)context;
    if (strcmp(call->path, watch->path) != 0)
        return err;
    if (call->op == SIM_OP_WRITE)
        watch->writes++;
    if (call->op == SIM_OP_SYNC) {
        watch->syncs++;
        watch->writes_at_sync = watch->writes;
    }
    return err;
}

/* Counts what is written after the first sync. */
static armdb_err
count_late_writes(void *context, const struct os_call *call, armdb_err err)
{
    struct watch *watch = (struct watch *)context;
    watch->syncs += call->op == SIM_OP_SYNC;
    watch->writes += call->op == SIM_OP_WRITE;
    watch->writes_at_sync += call->op == SIM_OP_WRITE && watch->syncs > 0;
    return err;
}

static void
test_db_ops__sync__has_all_shards_under_way_before_it_waits_for_one(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct os_hook hook;
    struct watch watch = {0};
    os_hook_init(&hook, fixture->os, false);
    fixture->os = &hook.base;
    fixture->options.shards = 4;
    open_db(fixture);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        put_at(fixture->collection, key, key, ARMDB_BUFFERED);
    }
    hook.after = count_late_writes;
    hook.context = &watch;
    assert_ok(adb_db_sync(fixture->db));
    assert_int_equal(watch.syncs, 4);
    assert_true(watch.writes >= 4);
    assert_int_equal(watch.writes_at_sync, 0);
    assert_ok(adb_db_sync(fixture->db));
    assert_int_equal(watch.syncs, 4);
    hook.after = NULL;
    close_db(fixture);
    fixture->os = hook.inner;
}

/* A sync that breaks a shard says how, not that it was broken before. */
static void
test_db_ops__sync__of_many_shards_says_what_failed(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.shards = 4;
    open_db(fixture);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        put_at(fixture->collection, key, key, ARMDB_BUFFERED);
    }
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 1, true);
    assert_int_equal(adb_db_sync(fixture->db), ARMDB_NO_SPACE);
    set_fault(fixture, SIM_FAULT_ERROR, SIM_WRITES, 1, false);
    assert_int_equal(adb_db_sync(fixture->db), ARMDB_IO);
    sim_clear_fault(fixture->sim);
    assert_int_equal(adb_db_sync(fixture->db), ARMDB_FAILED);
    kill_and_open(fixture);
    assert_ok(adb_db_sync(fixture->db));
}

static void
test_db_ops__synced_write__syncs_the_very_file_before_it_returns(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct os_hook hook;
    struct watch watch = {.path = FIRST_FILE};
    os_hook_init(&hook, fixture->os, false);
    hook.after = watch_file;
    hook.context = &watch;
    fixture->os = &hook.base;
    use_small_files(fixture);
    open_db(fixture);
    for (uint64_t round = 1; round <= 40; round++) {
        put_at(fixture->collection, "padding", "not synced by itself", ARMDB_BUFFERED);
        uint64_t files = stats_of(fixture->db).files;
        snprintf(watch.path, sizeof watch.path, SHARD_PATH "/%010u.log", (unsigned)files);
        watch.writes = watch.syncs = watch.writes_at_sync = 0;
        put_at(fixture->collection, "key", "value", ARMDB_SYNCED);
        assert_true(watch.writes > 0);
        assert_true(watch.syncs > 0);
        assert_int_equal(watch.writes_at_sync, watch.writes);
        assert_int_equal(stats_of(fixture->db).files, files);
        put_bytes(fixture->collection, armdb_str("fill"), 4000, round);
    }
    assert_true(stats_of(fixture->db).files > 2);
    close_db(fixture);
    fixture->os = hook.inner;
}

static void
test_db_ops__sync__makes_everything_before_it_durable(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char key[16];
    close_db(fixture);
    sim_free(fixture->sim);
    fixture->sim = sim_new(3);
    fixture->os = sim_os(fixture->sim);
    fixture->options.shards = 5;
    fixture->options.durability = ARMDB_BUFFERED;
    open_db(fixture);
    for (size_t i = 0; i < 200; i++)
        put_bytes(fixture->collection, numbered_key(key, i), 10 + i, i);
    uint64_t syncs = sim_op_count(fixture->sim, SIM_SYNCS);
    assert_ok(adb_db_sync(fixture->db));
    assert_int_equal(sim_op_count(fixture->sim, SIM_SYNCS), syncs + 5);
    assert_ok(adb_db_sync(fixture->db)); /* nothing to do */
    assert_int_equal(sim_op_count(fixture->sim, SIM_SYNCS), syncs + 5);
    cut_and_open(fixture, SIM_CUT_LOSE);
    for (size_t i = 0; i < 200; i++)
        expect_bytes(fixture->collection, numbered_key(key, i), 10 + i, i);
}

/* -------------------------------------------------------------------- routing */

/* How many shards have records. */
static unsigned
used_shards(struct db *db)
{
    unsigned used = 0;
    for (uint32_t i = 0; i < stats_of(db).shards; i++)
        used += shard_info_of(db, i).newest_sequence > 0;
    return used;
}

static void
put_with_prefix(struct collection *collection, const char *prefix, unsigned count)
{
    char key[64];
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%s%u", prefix, i);
        put(collection, key, key);
    }
}

static void
test_db_ops__whole_keys__spread_over_all_shards(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.shards = 8;
    open_db(fixture);
    put_with_prefix(fixture->collection, "user", 400);
    assert_int_equal(used_shards(fixture->db), 8);
}

static void
test_db_ops__keys_that_agree_in_the_prefix__share_a_shard(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.shards = 8;
    fixture->options.shard_prefix_bits = 32;
    open_db(fixture);
    put_with_prefix(fixture->collection, "user", 400);
    put(fixture->collection, "user", "as long as the prefix");
    assert_int_equal(used_shards(fixture->db), 1);
    put_with_prefix(fixture->collection, "", 400); /* shorter keys, and others */
    assert_true(used_shards(fixture->db) > 4);
    reopen_db(fixture);
    expect_count(fixture->collection, 801);
    expect_get(fixture->collection, "user17", "user17");
    expect_get(fixture->collection, "3", "3");
}

static void
test_db_ops__prefix_of_some_bits__looks_at_these_only(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    unsigned char key[2] = {0, 0};
    fixture->options.shards = 8;
    fixture->options.shard_prefix_bits = 3;
    open_db(fixture);
    for (unsigned i = 0; i < 32; i++) {
        key[0] = (unsigned char)(0x40 | i);
        put_bytes(fixture->collection, armdb_bytes(key, 1), 10, i);
        put_bytes(fixture->collection, armdb_bytes(key, 2), 10, i);
    }
    assert_int_equal(used_shards(fixture->db), 1);
    expect_count(fixture->collection, 64);
}

/* ----------------------------------------------------------------- first, last */

static void
expect_end(struct collection *collection, bool is_last, const char *key, const char *value)
{
    armdb_value found_key, found_value;
    assert_ok(adb_db_end(collection, is_last, &found_key, &found_value));
    assert_int_equal(found_key.len, strlen(key));
    assert_memory_equal(armdb_value_bytes(&found_key).data, key, strlen(key));
    assert_int_equal(found_value.len, strlen(value));
    assert_memory_equal(armdb_value_bytes(&found_value).data, value, strlen(value));
    armdb_value_release(&found_key);
    armdb_value_release(&found_value);
}

static void
test_db_ops__first_and_last__follow_the_order(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *down = create_collection(fixture->db, "down", 0, ARMDB_DESCENDING);
    armdb_value key = {.len = 1}, value = {.len = 1};
    assert_int_equal(adb_db_end(down, false, &key, &value), ARMDB_NOT_FOUND);
    assert_int_equal(key.len, 0);
    assert_int_equal(value.len, 0);
    for (int i = 0; i < 2; i++) {
        struct collection *collection = i == 0 ? fixture->collection : down;
        put(collection, "b", "bee");
        put(collection, "a key of more than twenty bytes", "and a value of more than twenty");
        put(collection, "\xff", "");
    }
    expect_end(fixture->collection, false, "a key of more than twenty bytes",
               "and a value of more than twenty");
    expect_end(fixture->collection, true, "\xff", "");
    expect_end(down, false, "\xff", "");
    expect_end(down, true, "a key of more than twenty bytes", "and a value of more than twenty");
    assert_ok(adb_db_end(down, true, NULL, NULL));
    assert_ok(adb_db_end(down, true, &key, NULL));
    armdb_value_release(&key);
    assert_int_equal(stats_of(fixture->db).value_bytes, 0);
}

static void
test_db_ops__first_with_an_unreadable_value__hands_out_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_value key, value;
    put(fixture->collection, "a key of more than twenty bytes", "value");
    set_fault(fixture, SIM_FAULT_READ, 0, 1, false);
    assert_int_equal(adb_db_end(fixture->collection, false, &key, &value), ARMDB_IO);
    assert_int_equal(key.len, 0);
    assert_null(key.block);
    assert_int_equal(value.len, 0);
    assert_int_equal(stats_of(fixture->db).value_bytes, 0);
    assert_ok(adb_db_end(fixture->collection, false, &key, NULL)); /* reads no file */
    armdb_value_release(&key);
}

/* --------------------------------------------------------------------- errors */

static void
test_db_ops__failed_read__is_never_an_absence(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_value value;
    char buffer[64];
    size_t len;
    bool found;
    put(fixture->collection, "key", "a value of more than twenty bytes");
    set_fault(fixture, SIM_FAULT_READ, 0, 1, true);
    assert_int_equal(adb_db_get(fixture->collection, armdb_str("key"), buffer, 64, &len), ARMDB_IO);
    assert_int_equal(len, 0);
    assert_string_equal(adb_err_detail()->file, FIRST_FILE);
    assert_int_equal(adb_db_get_value(fixture->collection, armdb_str("key"), &value), ARMDB_IO);
    assert_int_equal(value.len, 0);
    assert_null(value.block);
    assert_ok(adb_db_contains(fixture->collection, armdb_str("key"), &found));
    assert_true(found);
    assert_ok(adb_db_value_len(fixture->collection, armdb_str("key"), &len));
    assert_int_equal(stats_of(fixture->db).value_bytes, 0);
    sim_clear_fault(fixture->sim);
    expect_get(fixture->collection, "key", "a value of more than twenty bytes");
}

static void
test_db_ops__no_memory__changes_nothing_and_works_later(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_value value;
    put(fixture->collection, "key", "a value of more than twenty bytes");
    adb_mem_fail_at(1, true);
    assert_int_equal(adb_db_get_value(fixture->collection, armdb_str("key"), &value),
                     ARMDB_NO_MEMORY);
    assert_int_equal(value.len, 0);
    adb_mem_fail_at(0, false);
    expect_get(fixture->collection, "key", "a value of more than twenty bytes");
}

static void
test_db_ops__answers__leave_the_detail_record_alone(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    put(fixture->collection, "key", "value");
    assert_int_equal(adb_fail(ARMDB_LIMIT, "test", "left from before"), ARMDB_LIMIT);
    expect_absent(fixture->collection, "nothing");
    assert_int_equal(try_delete(fixture->collection, "nothing"), ARMDB_NOT_FOUND);
    assert_int_equal(try_insert(fixture->collection, armdb_str("key"), "x"), ARMDB_EXISTS);
    put(fixture->collection, "key", "other");
    expect_detail(ARMDB_LIMIT, "left from before", NULL);
}

static void
test_db_ops__damage_that_went_away__is_not_kept_by_the_cache(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char key[16], value[1000];
    size_t len;
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "key%d", i);
        memset(value, 'a' + i, sizeof value);
        assert_ok(adb_db_write(fixture->collection, SHARD_PUT, armdb_str(key),
                               armdb_bytes(value, sizeof value), NULL));
    }
    reopen_db(fixture);
    sim_corrupt(fixture->sim, FIRST_FILE, 600, 1);
    assert_int_equal(adb_db_get(fixture->collection, armdb_str("key0"), value, sizeof value, &len),
                     ARMDB_CORRUPT);
    assert_int_equal(len, 0);
    expect_detail(ARMDB_CORRUPT, "bad checksum", NULL);
    sim_corrupt(fixture->sim, FIRST_FILE, 600, 1);
    assert_ok(adb_db_get(fixture->collection, armdb_str("key0"), value, sizeof value, &len));
    assert_int_equal(value[999], 'a');
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_ops__every_verb_on_fixed_keys__does_what_it_says),
        DB_TEST(test_db_ops__every_verb_on_variable_keys__does_what_it_says),
        DB_TEST(test_db_ops__every_verb_on_descending_variable_keys__does_what_it_says),
        DB_TEST(test_db_ops__keys_with_zeros_and_prefixes_of_each_other__are_different),
        DB_TEST(test_db_ops__wrong_key_length__is_refused_by_every_verb),
        DB_TEST(test_db_ops__empty_key__is_refused_by_every_verb),
        DB_TEST(test_db_ops__key_over_the_limit__is_refused_by_every_verb),
        DB_TEST(test_db_ops__values_of_all_sizes_buffered__come_back),
        DB_TEST(test_db_ops__values_of_all_sizes_written__come_back),
        DB_TEST(test_db_ops__values_of_all_sizes_synced__survive_power_loss),
        DB_TEST(test_db_ops__largest_value__comes_back),
        DB_TEST(test_db_ops__value_over_the_limit__is_refused),
        DB_TEST(test_db_ops__buffer_too_small__says_the_length_and_reads_nothing),
        DB_TEST(test_db_ops__unflushed_values__are_readable_without_reading_a_file),
        DB_TEST(test_db_ops__levels_and_a_kill__keep_what_they_promise),
        DB_TEST(test_db_ops__levels_and_power_loss__keep_what_they_promise),
        DB_TEST(test_db_ops__level_of_the_call__overrides_the_databases),
        DISK_TEST(test_db_ops__sync__has_all_shards_under_way_before_it_waits_for_one),
        DISK_TEST(test_db_ops__sync__of_many_shards_says_what_failed),
        DISK_TEST(test_db_ops__synced_write__syncs_the_very_file_before_it_returns),
        DB_TEST(test_db_ops__sync__makes_everything_before_it_durable),
        DISK_TEST(test_db_ops__whole_keys__spread_over_all_shards),
        DISK_TEST(test_db_ops__keys_that_agree_in_the_prefix__share_a_shard),
        DISK_TEST(test_db_ops__prefix_of_some_bits__looks_at_these_only),
        DB_TEST(test_db_ops__first_and_last__follow_the_order),
        DB_TEST(test_db_ops__first_with_an_unreadable_value__hands_out_nothing),
        DB_TEST(test_db_ops__failed_read__is_never_an_absence),
        DB_TEST(test_db_ops__no_memory__changes_nothing_and_works_later),
        DB_TEST(test_db_ops__answers__leave_the_detail_record_alone),
        DB_TEST(test_db_ops__damage_that_went_away__is_not_kept_by_the_cache),
    };
    return cmocka_run_group_tests_name("db/db_ops", tests, NULL, NULL);
}
