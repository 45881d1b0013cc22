/* Verification: finds each kind of damage, changes nothing. */
#include "base/bytes.h"
#include "base/crc32c.h"
#include "db_fixture.h"

/* What the callback was told. */
struct found {
    unsigned count;
    char file[256];
    uint64_t offset;
    uint32_t shard;
    char messages[1024]; /* all of them */
};

static void
note(void *context, const armdb_damage *damage)
{
    struct found *found = (struct found *)context;
    size_t len = strlen(found->messages);
    snprintf(found->messages + len, sizeof found->messages - len, "%s\n", damage->message);
    if (found->count++ > 0)
        return;
    snprintf(found->file, sizeof found->file, "%s", damage->file);
    found->offset = damage->offset;
    found->shard = damage->shard;
}

static armdb_err
verify(struct db_fixture *fixture, struct found *found, armdb_verify_report *report)
{
    *found = (struct found){0};
    memset(report, 0xee, sizeof *report);
    armdb_err err = adb_db_verify(fixture->os, DB_PATH, note, found, report);
    assert_int_equal(report->damages, found->count);
    assert_int_equal(sim_open_count(fixture->sim), 0);
    return err;
}

static void
expect_damage(struct db_fixture *fixture, const char *file, uint64_t offset)
{
    struct found found;
    armdb_verify_report report;
    assert_int_equal(verify(fixture, &found, &report), ARMDB_CORRUPT);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.file, file);
    assert_int_equal(found.offset, offset);
    expect_detail(ARMDB_CORRUPT, "1 pieces of damage", NULL);
}

/* Three files, the last one short; all closed. */
static void
fill_and_close(struct db_fixture *fixture)
{
    fixture->options.max_file_bytes = 65536;
    open_db(fixture);
    for (uint64_t i = 0; i < 5; i++)
        put_bytes(fixture->collection, armdb_str("key"), 30000, i);
    assert_int_equal(stats_of(fixture->db).files, 3);
    close_db(fixture);
}

static void
test_db_verify__whole_database__is_ok_and_unchanged(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    fill_and_close(fixture);
    uint64_t digest = sim_digest(fixture->sim);
    assert_ok(verify(fixture, &found, &report));
    assert_int_equal(sim_digest(fixture->sim), digest);
    assert_int_equal(report.files, 4); /* MANIFEST too */
    assert_int_equal(report.records, 5);
    assert_int_equal(report.damages, 0);
    assert_int_equal(report.torn_bytes, 0);
    assert_int_equal(report.bytes, sim_file_size(fixture->sim, DB_PATH "/MANIFEST") +
                                       sim_file_size(fixture->sim, FIRST_FILE) +
                                       sim_file_size(fixture->sim, SECOND_FILE) +
                                       sim_file_size(fixture->sim, THIRD_FILE));
    assert_ok(adb_db_verify(fixture->os, DB_PATH, NULL, NULL, &report));
}

static void
test_db_verify__nothing_there__is_no_database(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    assert_int_equal(verify(fixture, &found, &report), ARMDB_NO_DATABASE);
    assert_int_equal(report.files, 0);
    sim_make_dir(fixture->sim, DB_PATH);
    assert_int_equal(verify(fixture, &found, &report), ARMDB_NO_DATABASE);
    sim_write_file(fixture->sim, DB_PATH "/x", "x", 1);
    assert_int_equal(verify(fixture, &found, &report), ARMDB_NO_DATABASE);
    assert_false(sim_file_exists(fixture->sim, DB_PATH "/LOCK"));
}

static void
test_db_verify__open_database__is_busy(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_verify_report report;
    assert_int_equal(adb_db_verify(fixture->os, DB_PATH, NULL, NULL, &report), ARMDB_BUSY);
    expect_detail(ARMDB_BUSY, "in use by process", NULL);
    assert_int_equal(report.files, 0);
}

static void
test_db_verify__lost_manifest__is_damage(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    fill_and_close(fixture);
    sim_remove_file(fixture->sim, DB_PATH "/MANIFEST");
    assert_int_equal(verify(fixture, &found, &report), ARMDB_CORRUPT);
    assert_int_equal(found.count, 1);
    assert_true(found.shard == UINT32_MAX);
    assert_non_null(strstr(found.messages, "MANIFEST"));
}

static void
test_db_verify__flipped_byte_in_each_kind_of_file__is_found_there(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    fill_and_close(fixture);
    static const struct {
        const char *file;
        uint64_t at;
        uint64_t found_at;
    } cases[] = {
        {DB_PATH "/MANIFEST", 0, 0}, {FIRST_FILE, 0, 0}, /* magic */
        {FIRST_FILE, 50, 0},                             /* elsewhere in the header */
        {FIRST_FILE, 64, 64},                            /* checksum of the first record */
        {FIRST_FILE, 70, 64},                            /* its length */
        {FIRST_FILE, 20000, 64},                         /* its value */
        {FIRST_FILE, 30090, 30088},                      /* the second record */
        {THIRD_FILE, 100, 64}, /* the newest file: a MARK vouches for it */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sim_corrupt(fixture->sim, cases[i].file, cases[i].at, 0x40);
        expect_damage(fixture, cases[i].file, cases[i].found_at);
        sim_corrupt(fixture->sim, cases[i].file, cases[i].at, 0x40);
    }
    assert_ok(verify(fixture, &found, &report));
}

static void
test_db_verify__files_behind_a_damaged_one__are_still_checked(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    fill_and_close(fixture);
    sim_corrupt(fixture->sim, FIRST_FILE, 20000, 1);
    sim_corrupt(fixture->sim, SECOND_FILE, 3, 1);
    sim_corrupt(fixture->sim, THIRD_FILE, 2000, 1);
    assert_int_equal(verify(fixture, &found, &report), ARMDB_CORRUPT);
    assert_int_equal(found.count, 3);
    assert_int_equal(report.files, 4);
    assert_int_equal(found.shard, 0);
}

static void
test_db_verify__torn_end__is_no_damage(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    put(fixture->collection, "key", "value");
    put(fixture->collection, "torn", "value");
    sim_kill(fixture->sim);
    abandon_db(fixture);
    sim_truncate_file(fixture->sim, FIRST_FILE, sim_file_size(fixture->sim, FIRST_FILE) - 3);
    assert_ok(verify(fixture, &found, &report));
    assert_int_equal(report.records, 1);
    assert_true(report.torn_bytes > 0);
    open_db(fixture);
    assert_int_equal(stats_of(fixture->db).recovered_cut_bytes, report.torn_bytes);
}

static void
test_db_verify__missing_foreign_and_misplaced_files__are_damage(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    size_t len;
    fill_and_close(fixture);
    char *first = sim_read_file(fixture->sim, FIRST_FILE, &len);
    sim_remove_file(fixture->sim, FIRST_FILE);
    expect_damage(fixture, SECOND_FILE, 0);
    sim_write_file(fixture->sim, FIRST_FILE, first, len);
    sim_write_file(fixture->sim, SHARD_PATH "/0000000009.log", first, len);
    assert_int_equal(verify(fixture, &found, &report), ARMDB_CORRUPT);
    assert_non_null(strstr(found.messages, "misplaced"));
    sim_remove_file(fixture->sim, SHARD_PATH "/0000000009.log");
    sim_write_file(fixture->sim, SHARD_PATH "/1.log", first, len);
    assert_int_equal(verify(fixture, &found, &report), ARMDB_CORRUPT);
    assert_non_null(strstr(found.messages, "misplaced"));
    sim_remove_file(fixture->sim, SHARD_PATH "/1.log");
    sim_write_file(fixture->sim, FIRST_FILE, "", 0);
    expect_damage(fixture, FIRST_FILE, 0);
    sim_write_file(fixture->sim, FIRST_FILE, first, 63);
    expect_damage(fixture, FIRST_FILE, 0);
    free(first);
}

static void
test_db_verify__newer_format__is_a_format_error(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    size_t len;
    fill_and_close(fixture);
    char *bytes = sim_read_file(fixture->sim, DB_PATH "/MANIFEST", &len);
    unsigned char *manifest = (unsigned char *)bytes;
    adb_store_u32(manifest + 8, 9);
    adb_store_u32(manifest + len - 4, adb_crc32c(0, manifest, len - 4));
    sim_write_file(fixture->sim, DB_PATH "/MANIFEST", bytes, len);
    free(bytes);
    assert_int_equal(verify(fixture, &found, &report), ARMDB_FORMAT);
    assert_int_equal(found.count, 0);
}

static void
test_db_verify__error_or_no_memory_at_any_step__is_told_as_such(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    /* Without what only writes the pid into the lock file: that is allowed to fail. */
    const uint32_t operations = SIM_READS | SIM_OPENS | SIM_BIT(SIM_OP_LOCK);
    fill_and_close(fixture);
    for (uint64_t n = 1;; n++) {
        set_fault(fixture, SIM_FAULT_ERROR, operations, n, false);
        armdb_err err = verify(fixture, &found, &report);
        if (!sim_fault_fired(fixture->sim))
            break;
        assert_int_equal(err, ARMDB_IO);
        assert_int_equal(found.count, 0);
        assert_true(n < 1000);
    }
    for (uint64_t n = 1;; n++) {
        adb_mem_fail_at(n, false);
        armdb_err err = verify(fixture, &found, &report);
        if (!adb_mem_has_failed())
            break;
        assert_int_equal(err, ARMDB_NO_MEMORY);
        assert_int_equal(found.count, 0);
        assert_true(n < 1000);
    }
}

static void
test_db_verify__records_of_dropped_collections__are_fine(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    put(create_collection(fixture->db, "other", 0, ARMDB_ASCENDING), "key", "value");
    assert_ok(adb_collection_drop(fixture->db, "other"));
    close_db(fixture);
    assert_ok(verify(fixture, &found, &report));
    assert_int_equal(report.records, 1);
}

static void
test_db_verify__value_of_another_length_than_the_manifest_says__is_damage(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    size_t len;
    put(fixture->collection, "key", "value");
    close_db(fixture);
    /* From now on all values of the default collection have 9 bytes. */
    char *bytes = sim_read_file(fixture->sim, DB_PATH "/MANIFEST", &len);
    assert_non_null(bytes);
    unsigned char *manifest = (unsigned char *)bytes;
    manifest[64 + 10] = 1;
    manifest[64 + 14] = 9;
    adb_store_u32(manifest + len - 4, adb_crc32c(0, manifest, len - 4));
    sim_write_file(fixture->sim, DB_PATH "/MANIFEST", bytes, len);
    free(bytes);
    expect_open(fixture, ARMDB_CORRUPT);
    expect_detail(ARMDB_CORRUPT, "5 bytes", "values of 9", NULL);
    expect_damage(fixture, FIRST_FILE, 64);
}

/* The records of a killed process: in its data file, in both windows of its buffer, or in both. */
static void
test_db_verify__killed__counts_what_open_finds_in_the_buffer(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct found found;
    armdb_verify_report report;
    char key[16];
    sim_set_can_map(fixture->sim, true);
    fixture->options.write_buffer_bytes = 16384;
    fixture->options.max_file_bytes = 65536;
    for (unsigned count = 1; count < 2000; count += 1 + count / 3) {
        open_db(fixture);
        for (unsigned i = 0; i < count; i++) {
            snprintf(key, sizeof key, "key%u", i);
            put(fixture->collection, key, "a value of some length");
        }
        sim_kill(fixture->sim);
        abandon_db(fixture);
        uint64_t digest = sim_digest(fixture->sim);
        uint64_t syncs = sim_op_count(fixture->sim, SIM_SYNCS);
        assert_ok(verify(fixture, &found, &report));
        assert_int_equal(sim_digest(fixture->sim), digest);
        assert_int_equal(sim_op_count(fixture->sim, SIM_SYNCS), syncs);
        open_db(fixture);
        assert_int_equal(report.records, stats_of(fixture->db).recovered_records);
        expect_count(fixture->collection, count);
        close_db(fixture);
    }
}

static void
test_db_verify__damage_in_the_buffer__is_what_open_finds(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    size_t len;
    sim_set_can_map(fixture->sim, true);
    open_db(fixture);
    put(fixture->collection, "key", "value");
    assert_int_equal(stats_of(fixture->db).writes, 0);
    sim_kill(fixture->sim);
    abandon_db(fixture);
    char *bytes = sim_read_file(fixture->sim, DB_PATH "/MANIFEST", &len);
    assert_non_null(bytes);
    unsigned char *manifest = (unsigned char *)bytes;
    manifest[64 + 10] = 1; /* all values have 9 bytes */
    manifest[64 + 14] = 9;
    adb_store_u32(manifest + len - 4, adb_crc32c(0, manifest, len - 4));
    sim_write_file(fixture->sim, DB_PATH "/MANIFEST", bytes, len);
    free(bytes);
    expect_damage(fixture, FIRST_FILE, 64);
    expect_open(fixture, ARMDB_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(test_db_verify__whole_database__is_ok_and_unchanged),
        DISK_TEST(test_db_verify__nothing_there__is_no_database),
        DB_TEST(test_db_verify__open_database__is_busy),
        DISK_TEST(test_db_verify__lost_manifest__is_damage),
        DISK_TEST(test_db_verify__flipped_byte_in_each_kind_of_file__is_found_there),
        DISK_TEST(test_db_verify__files_behind_a_damaged_one__are_still_checked),
        DB_TEST(test_db_verify__torn_end__is_no_damage),
        DISK_TEST(test_db_verify__missing_foreign_and_misplaced_files__are_damage),
        DISK_TEST(test_db_verify__newer_format__is_a_format_error),
        DISK_TEST(test_db_verify__error_or_no_memory_at_any_step__is_told_as_such),
        DB_TEST(test_db_verify__value_of_another_length_than_the_manifest_says__is_damage),
        DISK_TEST(test_db_verify__killed__counts_what_open_finds_in_the_buffer),
        DISK_TEST(test_db_verify__damage_in_the_buffer__is_what_open_finds),
        DB_TEST(test_db_verify__records_of_dropped_collections__are_fine),
    };
    return cmocka_run_group_tests_name("db/db_verify", tests, NULL, NULL);
}
