/* Repair: what it takes, says and refuses. tests/crash/test_repair.c does the damage. */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "db_fixture.h"

#define COPY_PATH "/copy"
#define MANIFEST_PATH DB_PATH "/MANIFEST"
#define THE_BUFFER SHARD_PATH "/buffer"

/* What the listener was told. */
struct told {
    armdb_finding_kind kind; /* of the first finding */
    char file[128];          /* its file */
    uint64_t offset;
    uint64_t bytes;
    char messages[2048]; /* all of them */
};

static struct told told;

static void
note(void *context, const armdb_finding *finding)
{
    struct told *to = (struct told *)context;
    size_t len = strlen(to->messages);
    if (len == 0) {
        to->kind = finding->kind;
        snprintf(to->file, sizeof to->file, "%s", finding->file);
        to->offset = finding->offset;
        to->bytes = finding->bytes;
    }
    snprintf(to->messages + len, sizeof to->messages - len, "%s\n", finding->message);
}

static armdb_err
repair(struct db_fixture *fixture, armdb_repair_report *report)
{
    const struct repair_listener listener = {note, &told};
    told = (struct told){.file = ""};
    memset(report, 0xee, sizeof *report);
    armdb_err err = adb_db_repair(fixture->os, DB_PATH, COPY_PATH, &listener, report);
    assert_int_equal(sim_open_count(fixture->sim), 0);
    return err;
}

static void
open_copy(struct db_fixture *fixture)
{
    armdb_options options = ARMDB_OPTIONS_INIT;
    armdb_verify_report report;
    options.open_mode = ARMDB_OPEN_EXISTING;
    assert_ok(adb_db_verify(fixture->os, COPY_PATH, NULL, NULL, &report));
    assert_ok(adb_db_open(fixture->os, COPY_PATH, &options, &fixture->db));
    fixture->collection = adb_db_default(fixture->db);
}

static void
expect_told(const char *text)
{
    if (strstr(told.messages, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", told.messages, text);
}

static struct collection *
create(struct db *db, const char *name, uint32_t key_bytes, uint32_t value_bytes)
{
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct collection *collection;
    options.key_bytes = key_bytes;
    options.value_bytes = value_bytes;
    options.order = ARMDB_DESCENDING;
    assert_ok(adb_collection_create(db, name, &options, &collection));
    return collection;
}

static struct collection *
find(struct db *db, const char *name)
{
    struct collection *collection;
    assert_ok(adb_collection_open(db, name, NULL, &collection));
    return collection;
}

static void
test_db_repair__whole_database__is_copied_without_findings(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    fixture->options.shards = 3;
    fixture->options.shard_prefix_bits = 12;
    open_db(fixture);
    put(create(fixture->db, "other", 3, 5), "key", "12345");
    put(create(fixture->db, "gone", 0, 0), "key", "value");
    assert_ok(adb_collection_drop(fixture->db, "gone"));
    put(fixture->collection, "key", "old");
    put(fixture->collection, "key", "new");
    put(fixture->collection, "empty", "");
    put(fixture->collection, "deleted", "value");
    assert_ok(try_delete(fixture->collection, "deleted"));
    close_db(fixture);
    assert_ok(repair(fixture, &report));
    assert_string_equal(told.messages, "");
    assert_int_equal(report.files, 3);
    assert_int_equal(report.records, 7);
    assert_int_equal(report.tombstones, 1);
    assert_int_equal(report.dropped_records, 1);
    assert_int_equal(report.saved, 3);
    assert_int_equal(report.collections, 2);
    assert_int_equal(report.lost + report.made_up + report.ignored + report.assumed, 0);
    open_copy(fixture);
    expect_get(fixture->collection, "key", "new");
    expect_get(fixture->collection, "empty", "");
    expect_absent(fixture->collection, "deleted");
    expect_get(find(fixture->db, "other"), "key", "12345");
    armdb_stats stats = {.struct_bytes = sizeof stats};
    adb_db_get_stats(fixture->db, &stats);
    assert_int_equal(stats.shards, 3);
    assert_int_equal(stats.shard_prefix_bits, 12);
    assert_int_equal(stats.keys, 3);
    /* Ids go on where they were. */
    armdb_collection_info info;
    assert_ok(adb_collection_get_info(create(fixture->db, "next", 0, 0), &info));
    assert_int_equal(info.id, 3);
}

static void
test_db_repair__damaged_record__its_key_has_the_older_value(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    open_db(fixture);
    put(fixture->collection, "key", "old"); /* at 64: 32 bytes */
    put(fixture->collection, "key", "new"); /* at 96 */
    put(fixture->collection, "other", "value");
    close_db(fixture);
    sim_corrupt(fixture->sim, FIRST_FILE, 96 + 24, 1);
    assert_ok(repair(fixture, &report));
    assert_int_equal(report.lost, 1);
    assert_int_equal(report.lost_bytes, 32);
    assert_int_equal(told.kind, ARMDB_FINDING_LOST);
    assert_string_equal(told.file, FIRST_FILE);
    assert_int_equal(told.offset, 96);
    expect_told("numbers 1 and 3");
    open_copy(fixture);
    expect_get(fixture->collection, "key", "old");
    expect_get(fixture->collection, "other", "value");
}

static void
test_db_repair__lost_manifest__collections_get_made_up_names(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    fixture->options.shards = 2;
    open_db(fixture);
    put(create(fixture->db, "other", 3, 5), "key", "12345");
    put(fixture->collection, "key", "value");
    close_db(fixture);
    sim_remove_file(fixture->sim, MANIFEST_PATH);
    assert_ok(repair(fixture, &report));
    expect_told("MANIFEST is missing");
    expect_told("it is \"collection-1\" now");
    assert_int_equal(report.made_up, 1);
    open_copy(fixture);
    expect_get(fixture->collection, "key", "value");
    armdb_collection_info info;
    struct collection *collection = find(fixture->db, "collection-1");
    assert_ok(adb_collection_get_info(collection, &info));
    assert_int_equal(info.key_bytes, ARMDB_KEY_VARIABLE);
    assert_int_equal(info.value_bytes, ARMDB_VALUE_VARIABLE);
    assert_int_equal(info.order, ARMDB_ASCENDING);
    expect_get(collection, "key", "12345");
}

static void
test_db_repair__damaged_manifest__what_makes_sense_is_taken(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    fixture->options.shards = 2;
    fixture->options.shard_prefix_bits = 20;
    open_db(fixture);
    put(create(fixture->db, "other", 3, 5), "key", "12345");
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        put(fixture->collection, key, "value");
    }
    close_db(fixture);
    sim_corrupt(fixture->sim, MANIFEST_PATH, sim_file_size(fixture->sim, MANIFEST_PATH) - 1, 1);
    assert_ok(repair(fixture, &report));
    assert_int_equal(report.lost, 1);
    assert_int_equal(report.assumed, 0);
    open_copy(fixture);
    armdb_collection_info info;
    assert_ok(adb_collection_get_info(find(fixture->db, "other"), &info));
    assert_int_equal(info.key_bytes, 3);
    assert_int_equal(info.value_bytes, 5);
    assert_int_equal(info.order, ARMDB_DESCENDING);
    armdb_stats stats = {.struct_bytes = sizeof stats};
    adb_db_get_stats(fixture->db, &stats);
    assert_int_equal(stats.shard_prefix_bits, 20);
    adb_db_abandon(fixture->db);
    fixture->db = NULL;
}

/* Lengths, and prefix bits, that records contradict are not believed. */
static void
test_db_repair__contradicted_manifest__is_not_believed(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    fixture->options.shards = 2;
    open_db(fixture);
    for (int i = 0; i < 20; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%d", i);
        put(fixture->collection, key, "value");
    }
    close_db(fixture);
    sim_corrupt(fixture->sim, MANIFEST_PATH, 44, 1);     /* shard prefix bits: 1 */
    sim_corrupt(fixture->sim, MANIFEST_PATH, 64 + 4, 4); /* key length: 4 */
    assert_ok(repair(fixture, &report));
    expect_told("keys of other lengths than the 4 bytes");
    expect_told("shard prefix bits");
    open_copy(fixture);
    expect_count(fixture->collection, 20);
}

static void
test_db_repair__damaged_headers__are_not_needed(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    fixture->options.max_file_bytes = 65536;
    open_db(fixture);
    for (uint64_t i = 0; i < 5; i++)
        put_bytes(fixture->collection, armdb_bytes(&i, sizeof i), 30000, i);
    close_db(fixture);
    sim_corrupt(fixture->sim, FIRST_FILE, 0, 1);
    sim_corrupt(fixture->sim, SECOND_FILE, 17, 1);
    sim_corrupt(fixture->sim, THIRD_FILE, 63, 1);
    sim_remove_file(fixture->sim, MANIFEST_PATH);
    assert_ok(repair(fixture, &report));
    assert_int_equal(report.lost, 4);
    assert_int_equal(report.lost_bytes, 3 * 64);
    open_copy(fixture);
    for (uint64_t i = 0; i < 5; i++)
        expect_bytes(fixture->collection, armdb_bytes(&i, sizeof i), 30000, i);
}

static void
test_db_repair__missing_and_cut_files__are_told(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    fixture->options.max_file_bytes = 65536;
    open_db(fixture);
    for (uint64_t i = 0; i < 7; i++)
        put_bytes(fixture->collection, armdb_bytes(&i, sizeof i), 30000, i);
    close_db(fixture);
    sim_truncate_file(fixture->sim, FIRST_FILE, 64 + 30032);
    sim_remove_file(fixture->sim, THIRD_FILE);
    assert_ok(repair(fixture, &report));
    expect_told("without its SEAL");
    expect_told("no file has the records 5 to 6");
    assert_int_equal(report.lost, 2);
    open_copy(fixture);
    expect_count(fixture->collection, 4);
}

/* -------------------------------------------------------------------- compaction */

enum { DELETED = 60, FILLERS = 3 };

#define THE_COPY SHARD_PATH "/0000000005.log"

static void
put_fillers(struct db_fixture *fixture, uint64_t version)
{
    for (uint64_t i = 0; i < FILLERS; i++)
        put_bytes(fixture->collection, armdb_bytes(&i, sizeof i), 20000, version);
}

static const char *
name_deleted(uint32_t number)
{
    static char name[24];
    snprintf(name, sizeof name, "deleted %u", (unsigned)number);
    return name;
}

/*
 * A database, closed, whose first file has keys that were deleted in the second: a copy of both has
 * neither them nor their tombstones. The first file is there nevertheless, as after a power cut
 * that has spared its name.
 */
static void
make_compacted(struct db_fixture *fixture)
{
    armdb_compact_progress progress;
    size_t bytes;
    fixture->options.max_file_bytes = 65536;
    open_db(fixture);
    for (uint32_t i = 0; i < DELETED; i++)
        put(fixture->collection, name_deleted(i), "value");
    put_fillers(fixture, 1);
    put_fillers(fixture, 2);
    for (uint32_t i = 0; i < DELETED; i++)
        assert_ok(try_delete(fixture->collection, name_deleted(i)));
    put_bytes(fixture->collection, armdb_str("in the third file"), 40000, 1);
    assert_ok(adb_db_sync(fixture->db));
    char *first = sim_read_file(fixture->sim, FIRST_FILE, &bytes);
    assert_ok(adb_db_compact(fixture->db, NULL, &progress));
    close_db(fixture);
    assert_false(sim_file_exists(fixture->sim, FIRST_FILE));
    assert_false(sim_file_exists(fixture->sim, SECOND_FILE));
    assert_true(sim_file_exists(fixture->sim, THE_COPY));
    sim_write_file(fixture->sim, FIRST_FILE, first, bytes);
    free(first);
}

static void
expect_deleted(struct db_fixture *fixture, bool are_there)
{
    for (uint32_t i = 0; i < DELETED; i++) {
        if (are_there)
            expect_get(fixture->collection, name_deleted(i), "value");
        else
            expect_absent(fixture->collection, name_deleted(i));
    }
    for (uint64_t i = 0; i < FILLERS; i++)
        expect_bytes(fixture->collection, armdb_bytes(&i, sizeof i), 20000, 2);
}

static void
test_db_repair__file_that_a_whole_copy_has_replaced__brings_nothing_back(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    make_compacted(fixture);
    assert_ok(repair(fixture, &report));
    assert_string_equal(told.messages, "");
    assert_int_equal(report.saved, FILLERS + 1);
    open_copy(fixture);
    expect_deleted(fixture, false);
}

static void
test_db_repair__damage_in_a_file_that_a_whole_copy_has_replaced__is_no_loss(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    make_compacted(fixture);
    sim_corrupt(fixture->sim, FIRST_FILE, 64 + 30, 1);
    sim_truncate_file(fixture->sim, FIRST_FILE, 20000);
    assert_ok(repair(fixture, &report));
    assert_string_equal(told.messages, "");
    assert_int_equal(report.lost, 0);
    open_copy(fixture);
    expect_deleted(fixture, false);
}

/* Then what it has left out is not known. */
static void
test_db_repair__copy_that_is_not_whole__does_not_cover_what_it_replaced(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    make_compacted(fixture);
    sim_corrupt(fixture->sim, THE_COPY, sim_file_size(fixture->sim, THE_COPY) - 30, 1);
    assert_ok(repair(fixture, &report));
    assert_int_equal(report.lost, 2); /* its SEAL: as bytes, and as what it means */
    open_copy(fixture);
    expect_deleted(fixture, true);
}

/* Its range of sequence numbers is not known. */
static void
test_db_repair__copy_without_a_header__does_not_cover_what_it_replaced(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    make_compacted(fixture);
    sim_corrupt(fixture->sim, THE_COPY, 17, 1);
    assert_ok(repair(fixture, &report));
    open_copy(fixture);
    expect_deleted(fixture, true);
}

/* What is only in the write buffer of a killed process is saved, also if its file is gone. */
static void
test_db_repair__write_buffer__is_searched(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    sim_set_can_map(fixture->sim, true);
    open_db(fixture);
    put(fixture->collection, "key", "value");
    put(fixture->collection, "other", "value");
    sim_kill(fixture->sim);
    abandon_db(fixture);
    sim_remove_file(fixture->sim, FIRST_FILE);
    assert_ok(repair(fixture, &report));
    expect_told("has no data files");
    assert_int_equal(report.saved, 2);
    open_copy(fixture);
    expect_get(fixture->collection, "other", "value");
}

/* The second window of a buffer that was cut is found without the first, whose header says nothing
 * before it is in use, or is damaged. */
static void
test_db_repair__cut_write_buffer__its_second_window_is_found(void **state)
{
    enum { HALF = 20480 }; /* 64 bytes and a window, up to a multiple of 4096 */
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    char big[10000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    fixture->options.write_buffer_bytes = 16384;
    sim_set_can_map(fixture->sim, true);
    open_db(fixture);
    put(fixture->collection, "deleted", "value");
    put(fixture->collection, "first", big);
    put(fixture->collection, "second", big); /* moves on to the second window */
    assert_ok(try_delete(fixture->collection, "deleted"));
    sim_kill(fixture->sim);
    abandon_db(fixture);
    assert_int_equal(sim_file_size(fixture->sim, THE_BUFFER), 2 * HALF);
    sim_truncate_file(fixture->sim, THE_BUFFER, HALF + 64 + 12000);
    sim_corrupt(fixture->sim, THE_BUFFER, 5, 0x80); /* the size of the first window */
    assert_ok(repair(fixture, &report));
    open_copy(fixture);
    expect_get(fixture->collection, "second", big);
    expect_absent(fixture->collection, "deleted");
}

static void
test_db_repair__strangers__are_left_out(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_repair_report report;
    size_t len;
    open_db(fixture);
    put(fixture->collection, "key", "value");
    close_db(fixture);
    /* A file of another database, and one without any sense. */
    struct sim *other = sim_new(99);
    struct db *db;
    bool is_closed;
    assert_ok(adb_db_open(sim_os(other), DB_PATH, &fixture->options, &db));
    put(adb_db_default(db), "strange", "value");
    assert_ok(adb_db_close(db, &is_closed));
    char *bytes = sim_read_file(other, FIRST_FILE, &len);
    sim_write_file(fixture->sim, SECOND_FILE, bytes, len);
    sim_write_file(fixture->sim, SHARD_PATH "/notes.log", "notes", 5);
    free(bytes);
    sim_free(other);
    assert_ok(repair(fixture, &report));
    assert_int_equal(report.ignored, 2);
    assert_int_equal(report.lost, 0);
    expect_told("another database");
    expect_told("not that of a data file");
    open_copy(fixture);
    expect_count(fixture->collection, 1);
}

static void
test_db_repair__refusals__leave_everything_as_it_was(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const struct repair_listener nobody = {NULL, NULL};
    armdb_repair_report report;
    assert_int_equal(repair(fixture, &report), ARMDB_NO_DATABASE);
    open_db(fixture);
    put(fixture->collection, "key", "value");
    assert_int_equal(adb_db_repair(fixture->os, DB_PATH, COPY_PATH, &nobody, &report), ARMDB_BUSY);
    close_db(fixture);
    sim_make_dir(fixture->sim, "/full");
    sim_write_file(fixture->sim, "/full/letter", "Dear", 4);
    uint64_t before = sim_digest(fixture->sim);
    assert_int_equal(adb_db_repair(fixture->os, DB_PATH, "/full", &nobody, &report), ARMDB_EXISTS);
    assert_int_equal(adb_db_repair(fixture->os, DB_PATH, DB_PATH, &nobody, &report), ARMDB_EXISTS);
    assert_int_equal(adb_db_repair(fixture->os, DB_PATH, DB_PATH "/in", &nobody, &report),
                     ARMDB_INVALID);
    assert_int_equal(adb_db_repair(fixture->os, "/full", COPY_PATH, &nobody, &report),
                     ARMDB_NO_DATABASE);
    assert_int_equal(sim_digest(fixture->sim), before);
    assert_int_equal(sim_open_count(fixture->sim), 0);
}

/* Nothing that fails, at whatever step, leaves a database that is not all there; and the source is
 * never changed. */
static void
fail_at_each_step(struct db_fixture *fixture, bool is_memory)
{
    armdb_repair_report report;
    struct sim *whole = fixture->sim;
    for (uint64_t step = 1;; step++) {
        struct sim_fault fault = {
            .kind = SIM_FAULT_ERROR, .fail_at = step, .ops = SIM_ALL & ~SIM_BIT(SIM_OP_CLOSE)};
        struct db *db;
        armdb_options options = ARMDB_OPTIONS_INIT;
        options.open_mode = ARMDB_OPEN_EXISTING;
        fixture->sim = sim_clone(whole);
        fixture->os = sim_os(fixture->sim);
        if (is_memory)
            adb_mem_fail_at(step, false);
        else
            sim_set_fault(fixture->sim, &fault);
        armdb_err err = repair(fixture, &report);
        bool has_failed = is_memory ? adb_mem_has_failed() : sim_fault_fired(fixture->sim);
        adb_mem_fail_at(0, false);
        sim_clear_fault(fixture->sim);
        armdb_err opened = adb_db_open(fixture->os, COPY_PATH, &options, &db);
        if (err == ARMDB_OK) {
            assert_ok(opened);
            expect_count(adb_db_default(db), report.saved);
            assert_true(report.saved == 2 || report.lost > 0);
        } else {
            assert_true(has_failed);
            assert_true(err == (is_memory ? ARMDB_NO_MEMORY : ARMDB_IO));
        }
        assert_true(err == ARMDB_OK || opened != ARMDB_OK);
        if (opened == ARMDB_OK)
            adb_db_abandon(db);
        sim_free(fixture->sim);
        fixture->sim = whole;
        if (!has_failed)
            break;
    }
    fixture->os = sim_os(whole);
}

static void
test_db_repair__error_or_no_memory_at_any_step__leaves_no_database(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    open_db(fixture);
    put(fixture->collection, "key", "value");
    put(fixture->collection, "other", "value");
    close_db(fixture);
    fail_at_each_step(fixture, false);
    fail_at_each_step(fixture, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(test_db_repair__whole_database__is_copied_without_findings),
        DISK_TEST(test_db_repair__damaged_record__its_key_has_the_older_value),
        DISK_TEST(test_db_repair__lost_manifest__collections_get_made_up_names),
        DISK_TEST(test_db_repair__damaged_manifest__what_makes_sense_is_taken),
        DISK_TEST(test_db_repair__contradicted_manifest__is_not_believed),
        DISK_TEST(test_db_repair__damaged_headers__are_not_needed),
        DISK_TEST(test_db_repair__missing_and_cut_files__are_told),
        DISK_TEST(test_db_repair__file_that_a_whole_copy_has_replaced__brings_nothing_back),
        DISK_TEST(test_db_repair__damage_in_a_file_that_a_whole_copy_has_replaced__is_no_loss),
        DISK_TEST(test_db_repair__copy_that_is_not_whole__does_not_cover_what_it_replaced),
        DISK_TEST(test_db_repair__copy_without_a_header__does_not_cover_what_it_replaced),
        DISK_TEST(test_db_repair__write_buffer__is_searched),
        DISK_TEST(test_db_repair__cut_write_buffer__its_second_window_is_found),
        DISK_TEST(test_db_repair__strangers__are_left_out),
        DISK_TEST(test_db_repair__refusals__leave_everything_as_it_was),
        DISK_TEST(test_db_repair__error_or_no_memory_at_any_step__leaves_no_database),
    };
    return cmocka_run_group_tests_name("db/db_repair", tests, NULL, NULL);
}
