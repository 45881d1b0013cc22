/* Collections: creating, opening, listing, dropping, and what is left of dropped ones. */
#include "db_fixture.h"

/* ------------------------------------------------------------- create and open */

static void
test_db_collection__default__is_there_and_is_called_default(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_collection_info info;
    assert_ok(adb_collection_get_info(fixture->collection, &info));
    assert_string_equal(info.name, "default");
    assert_int_equal(info.id, 0);
    assert_true(info.key_bytes == ARMDB_KEY_VARIABLE);
    assert_int_equal(info.order, ARMDB_ASCENDING);
    assert_int_equal(info.keys, 0);
    assert_ptr_equal(open_collection(fixture->db, "default"), fixture->collection);
}

static void
test_db_collection__default_with_options__is_made_as_asked(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_collection_info info;
    fixture->options.default_collection.key_bytes = 16;
    fixture->options.default_collection.order = ARMDB_DESCENDING;
    open_db(fixture);
    reopen_db(fixture);
    assert_ok(adb_collection_get_info(fixture->collection, &info));
    assert_int_equal(info.key_bytes, 16);
    assert_int_equal(info.order, ARMDB_DESCENDING);
}

static void
test_db_collection__created__is_durable_with_its_settings(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_collection_info info;
    struct collection *made = create_collection(fixture->db, "made", 12, ARMDB_DESCENDING);
    assert_ptr_equal(open_collection(fixture->db, "made"), made);
    cut_and_open(fixture, SIM_CUT_LOSE);
    assert_ok(adb_collection_get_info(open_collection(fixture->db, "made"), &info));
    assert_string_equal(info.name, "made");
    assert_int_equal(info.id, 1);
    assert_int_equal(info.key_bytes, 12);
    assert_int_equal(info.order, ARMDB_DESCENDING);
}

static void
test_db_collection__name_taken__exists(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *again;
    create_collection(fixture->db, "made", 0, ARMDB_ORDER_DEFAULT);
    assert_int_equal(adb_collection_create(fixture->db, "made", NULL, &again), ARMDB_EXISTS);
    assert_null(again);
    assert_int_equal(adb_collection_create(fixture->db, "default", NULL, &again), ARMDB_EXISTS);
    assert_ok(adb_collection_create(fixture->db, "Made", NULL, &again));
}

static void
test_db_collection__bad_name_or_options__are_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *made;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    uint64_t operations = sim_op_count(fixture->sim, SIM_ALL);
    assert_int_equal(adb_collection_create(fixture->db, "", NULL, &made), ARMDB_INVALID);
    assert_int_equal(adb_collection_create(fixture->db, "a\nb", NULL, &made), ARMDB_INVALID);
    options.key_bytes = 257;
    assert_int_equal(adb_collection_create(fixture->db, "made", &options, &made), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "key_bytes is 257", "1..256", NULL);
    assert_int_equal(adb_collection_open(fixture->db, "default", &options, &made), ARMDB_INVALID);
    assert_null(made);
    assert_int_equal(sim_op_count(fixture->sim, SIM_ALL), operations);
}

static void
test_db_collection__unknown_name__is_no_collection(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *collection;
    assert_int_equal(adb_collection_open(fixture->db, "nobody", NULL, &collection),
                     ARMDB_NO_COLLECTION);
    expect_detail(ARMDB_NO_COLLECTION, "\"nobody\"", NULL);
    assert_null(collection);
    assert_int_equal(adb_collection_drop(fixture->db, "nobody"), ARMDB_NO_COLLECTION);
}

static void
test_db_collection__opened_with_other_settings__is_a_mismatch(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *collection;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    create_collection(fixture->db, "made", 8, ARMDB_ASCENDING);
    options.key_bytes = 9;
    assert_int_equal(adb_collection_open(fixture->db, "made", &options, &collection),
                     ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "key_bytes", "\"made\"", "stored as 8", "asked was 9", NULL);
    assert_null(collection);
    options.key_bytes = ARMDB_KEY_VARIABLE;
    assert_int_equal(adb_collection_open(fixture->db, "made", &options, &collection),
                     ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "stored as 8", "asked was variable", NULL);
    options.key_bytes = 8;
    options.order = ARMDB_DESCENDING;
    assert_int_equal(adb_collection_open(fixture->db, "made", &options, &collection),
                     ARMDB_MISMATCH);
    expect_detail(ARMDB_MISMATCH, "order", "ascending", "descending", NULL);
    options.order = ARMDB_ASCENDING;
    assert_ok(adb_collection_open(fixture->db, "made", &options, &collection));
}

static void
test_db_collection__same_key_in_two_collections__is_two_keys(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *other = create_collection(fixture->db, "other", 0, ARMDB_ASCENDING);
    put(fixture->collection, "key", "of default");
    put(other, "key", "of other");
    kill_and_open(fixture);
    other = open_collection(fixture->db, "other");
    expect_get(fixture->collection, "key", "of default");
    expect_get(other, "key", "of other");
    assert_ok(try_delete(fixture->collection, "key"));
    expect_get(other, "key", "of other");
}

/* ----------------------------------------------------------------------- list */

static void
test_db_collection__list__is_in_order_of_creation(void **state)
{
    static const char *const names[] = {"default", "zebra", "apple", "mango"};
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_collection_info infos[8];
    size_t count = 0;
    for (int i = 1; i < 4; i++)
        create_collection(fixture->db, names[i], 0, ARMDB_ASCENDING);
    put(fixture->collection, "key", "value");
    for (int round = 0; round < 2; round++) {
        adb_collection_list(fixture->db, infos, 8, &count);
        assert_int_equal(count, 4);
        for (uint32_t i = 0; i < 4; i++) {
            assert_string_equal(infos[i].name, names[i]);
            assert_int_equal(infos[i].id, i);
            assert_int_equal(infos[i].keys, i == 0);
            assert_true(infos[i].index_bytes > 0);
        }
        reopen_db(fixture);
    }
}

static void
test_db_collection__list_with_little_room__fills_it_and_counts_all(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_collection_info infos[2] = {{.id = 99}, {.id = 99}};
    size_t count = 0;
    create_collection(fixture->db, "one", 0, ARMDB_ASCENDING);
    create_collection(fixture->db, "two", 0, ARMDB_ASCENDING);
    adb_collection_list(fixture->db, infos, 1, &count);
    assert_int_equal(count, 3);
    assert_int_equal(infos[0].id, 0);
    assert_int_equal(infos[1].id, 99);
    adb_collection_list(fixture->db, NULL, 0, &count);
    assert_int_equal(count, 3);
}

/* ----------------------------------------------------------------------- drop */

static void
test_db_collection__dropped__refuses_every_call(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *other = create_collection(fixture->db, "other", 0, ARMDB_ASCENDING);
    armdb_collection_info info;
    armdb_value value;
    char buffer[8];
    size_t len;
    uint64_t count = 9;
    bool found;
    put(other, "key", "value");
    assert_ok(adb_collection_drop(fixture->db, "other"));
    for (int verb = SHARD_PUT; verb <= SHARD_DELETE; verb++)
        assert_int_equal(write_at_level(other, (enum shard_verb)verb, "key", "", ARMDB_SYNCED),
                         ARMDB_NO_COLLECTION);
    assert_int_equal(adb_db_get(other, armdb_str("key"), buffer, sizeof buffer, &len),
                     ARMDB_NO_COLLECTION);
    assert_int_equal(adb_db_get_value(other, armdb_str("key"), &value), ARMDB_NO_COLLECTION);
    assert_int_equal(adb_db_contains(other, armdb_str("key"), &found), ARMDB_NO_COLLECTION);
    assert_int_equal(adb_db_value_len(other, armdb_str("key"), &len), ARMDB_NO_COLLECTION);
    assert_int_equal(adb_db_count(other, &count), ARMDB_NO_COLLECTION);
    assert_int_equal(count, 0);
    assert_int_equal(adb_db_end(other, false, &value, NULL), ARMDB_NO_COLLECTION);
    assert_int_equal(adb_collection_get_info(other, &info), ARMDB_NO_COLLECTION);
    assert_int_equal(adb_collection_open(fixture->db, "other", NULL, &other), ARMDB_NO_COLLECTION);
    assert_int_equal(adb_collection_drop(fixture->db, "other"), ARMDB_NO_COLLECTION);
    adb_collection_list(fixture->db, NULL, 0, &len);
    assert_int_equal(len, 1);
}

static void
test_db_collection__drop__is_durable(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *other = create_collection(fixture->db, "other", 0, ARMDB_ASCENDING);
    put_at(other, "key", "value", ARMDB_SYNCED);
    put_at(fixture->collection, "key", "kept", ARMDB_SYNCED);
    assert_ok(adb_collection_drop(fixture->db, "other"));
    put_at(fixture->collection, "later", "synced too", ARMDB_SYNCED);
    cut_and_open(fixture, SIM_CUT_LOSE);
    assert_int_equal(adb_collection_open(fixture->db, "other", NULL, &other), ARMDB_NO_COLLECTION);
    expect_get(fixture->collection, "key", "kept");
    expect_get(fixture->collection, "later", "synced too");
    expect_count(fixture->collection, 2);
}

static void
test_db_collection__default__cannot_be_dropped(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    assert_int_equal(adb_collection_drop(fixture->db, "default"), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "default", NULL);
    put(fixture->collection, "key", "value");
}

static void
test_db_collection__name_of_a_dropped_one__is_a_new_collection(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_collection_info info;
    struct collection *first = create_collection(fixture->db, "name", 0, ARMDB_ASCENDING);
    put(first, "old", "value");
    put(first, "both", "old");
    assert_ok(adb_collection_drop(fixture->db, "name"));
    struct collection *second = create_collection(fixture->db, "name", 0, ARMDB_DESCENDING);
    assert_ptr_not_equal(first, second);
    expect_count(second, 0);
    put(second, "both", "new");
    assert_int_equal(write_at_level(first, SHARD_PUT, "x", "", ARMDB_WRITTEN), ARMDB_NO_COLLECTION);
    for (int round = 0; round < 2; round++) {
        second = open_collection(fixture->db, "name");
        assert_ok(adb_collection_get_info(second, &info));
        assert_int_equal(info.id, 2);
        assert_int_equal(info.order, ARMDB_DESCENDING);
        expect_count(second, 1);
        expect_absent(second, "old");
        expect_get(second, "both", "new");
        kill_and_open(fixture);
    }
}

static void
test_db_collection__ids__are_never_reused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_collection_info info;
    for (uint32_t id = 1; id <= 30; id++) {
        struct collection *collection = create_collection(fixture->db, "again", 4, ARMDB_ASCENDING);
        assert_ok(adb_collection_get_info(collection, &info));
        assert_int_equal(info.id, id);
        put(collection, "1234", "x");
        assert_ok(adb_collection_drop(fixture->db, "again"));
        if (id % 7 == 0)
            reopen_db(fixture);
    }
}

static void
test_db_collection__values_read_before_a_drop__stay_valid(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *other = create_collection(fixture->db, "other", 0, ARMDB_ASCENDING);
    armdb_value value;
    put(other, "key", "a value of more than twenty bytes");
    assert_ok(adb_db_get_value(other, armdb_str("key"), &value));
    assert_ok(adb_collection_drop(fixture->db, "other"));
    close_db(fixture);
    assert_memory_equal(armdb_value_bytes(&value).data, "a value of more than twenty bytes", 33);
    armdb_value_release(&value);
}

static void
test_db_collection__drop__gives_the_memory_of_the_index_back(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char key[16];
    uint64_t before = stats_of(fixture->db).index_bytes;
    struct collection *other = create_collection(fixture->db, "other", 0, ARMDB_ASCENDING);
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "%d", i);
        put_at(other, key, "value", ARMDB_BUFFERED);
    }
    assert_true(stats_of(fixture->db).index_bytes > before + 10 * 4096);
    assert_ok(adb_collection_drop(fixture->db, "other"));
    assert_int_equal(stats_of(fixture->db).index_bytes, before);
    assert_int_equal(stats_of(fixture->db).keys, 0);
    assert_int_equal(stats_of(fixture->db).collections, 1);
}

/* ------------------------------------------------------------------- failures */

static void
test_db_collection__manifest_not_written__changes_nothing(void **state)
{
    static const uint32_t operations[] = {SIM_BIT(SIM_OP_CREATE), SIM_WRITES, SIM_BIT(SIM_OP_SYNC)};
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *other = create_collection(fixture->db, "other", 0, ARMDB_ASCENDING);
    struct collection *made;
    put(other, "key", "value");
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        set_fault(fixture, SIM_FAULT_ERROR, operations[i], 1, false);
        assert_int_equal(adb_collection_create(fixture->db, "made", NULL, &made), ARMDB_IO);
        assert_null(made);
        set_fault(fixture, SIM_FAULT_ERROR, operations[i], 1, false);
        assert_int_equal(adb_collection_drop(fixture->db, "other"), ARMDB_IO);
        expect_get(other, "key", "value");
        put(other, "key", "value"); /* writes go on */
        assert_int_equal(adb_collection_open(fixture->db, "made", NULL, &made),
                         ARMDB_NO_COLLECTION);
    }
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 1, false);
    assert_int_equal(adb_collection_create(fixture->db, "made", NULL, &made), ARMDB_NO_SPACE);
    assert_ok(adb_collection_create(fixture->db, "made", NULL, &made));
    assert_ok(adb_collection_drop(fixture->db, "other"));
    reopen_db(fixture);
    open_collection(fixture->db, "made");
}

static void
check_unsure(struct db_fixture *fixture, uint32_t operation, bool is_drop)
{
    struct collection *made = NULL;
    create_collection(fixture->db, "other", 0, ARMDB_ASCENDING);
    set_fault(fixture, SIM_FAULT_ERROR, operation, 1, false);
    armdb_err err = is_drop ? adb_collection_drop(fixture->db, "other")
                            : adb_collection_create(fixture->db, "made", NULL, &made);
    assert_int_equal(err, ARMDB_IO);
    assert_null(made);
    /* The disk may hold either manifest: no write may be acknowledged any more. */
    assert_int_equal(write_at_level(fixture->collection, SHARD_PUT, "k", "v", ARMDB_BUFFERED),
                     ARMDB_FAILED);
    assert_int_equal(adb_collection_create(fixture->db, "more", NULL, &made), ARMDB_FAILED);
    assert_int_equal(adb_collection_drop(fixture->db, "other"), ARMDB_FAILED);
    kill_and_open(fixture);
    put(fixture->collection, "k", "v");
}

static void
test_db_collection__rename_of_the_manifest_failed__stops_all_writes(void **state)
{
    check_unsure((struct db_fixture *)*state, SIM_BIT(SIM_OP_RENAME), false);
}

static void
test_db_collection__sync_of_the_directory_failed__stops_all_writes(void **state)
{
    check_unsure((struct db_fixture *)*state, SIM_BIT(SIM_OP_SYNC_DIR), false);
}

static void
test_db_collection__drop_half_stored__stops_all_writes(void **state)
{
    check_unsure((struct db_fixture *)*state, SIM_BIT(SIM_OP_SYNC_DIR), true);
}

static void
test_db_collection__no_memory_at_any_step__changes_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (uint64_t n = 1;; n++) {
        struct collection *made;
        size_t count;
        adb_mem_fail_at(n, false);
        armdb_err err = adb_collection_create(fixture->db, "made", NULL, &made);
        bool has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        adb_collection_list(fixture->db, NULL, 0, &count);
        if (!has_failed) {
            assert_ok(err);
            assert_int_equal(count, 2);
            break;
        }
        assert_int_equal(err, ARMDB_NO_MEMORY);
        assert_null(made);
        assert_int_equal(count, 1);
        assert_true(n < 100);
    }
    for (uint64_t n = 1;; n++) {
        adb_mem_fail_at(n, false);
        armdb_err err = adb_collection_drop(fixture->db, "made");
        bool has_failed = adb_mem_has_failed();
        adb_mem_fail_at(0, false);
        if (!has_failed) {
            assert_ok(err);
            break;
        }
        assert_int_equal(err, ARMDB_NO_MEMORY);
        put(open_collection(fixture->db, "made"), "key", "value");
        assert_true(n < 100);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_collection__default__is_there_and_is_called_default),
        DISK_TEST(test_db_collection__default_with_options__is_made_as_asked),
        DB_TEST(test_db_collection__created__is_durable_with_its_settings),
        DB_TEST(test_db_collection__name_taken__exists),
        DB_TEST(test_db_collection__bad_name_or_options__are_refused),
        DB_TEST(test_db_collection__unknown_name__is_no_collection),
        DB_TEST(test_db_collection__opened_with_other_settings__is_a_mismatch),
        DB_TEST(test_db_collection__same_key_in_two_collections__is_two_keys),
        DB_TEST(test_db_collection__list__is_in_order_of_creation),
        DB_TEST(test_db_collection__list_with_little_room__fills_it_and_counts_all),
        DB_TEST(test_db_collection__dropped__refuses_every_call),
        DB_TEST(test_db_collection__drop__is_durable),
        DB_TEST(test_db_collection__default__cannot_be_dropped),
        DB_TEST(test_db_collection__name_of_a_dropped_one__is_a_new_collection),
        DB_TEST(test_db_collection__ids__are_never_reused),
        DB_TEST(test_db_collection__values_read_before_a_drop__stay_valid),
        DB_TEST(test_db_collection__drop__gives_the_memory_of_the_index_back),
        DB_TEST(test_db_collection__manifest_not_written__changes_nothing),
        DB_TEST(test_db_collection__rename_of_the_manifest_failed__stops_all_writes),
        DB_TEST(test_db_collection__sync_of_the_directory_failed__stops_all_writes),
        DB_TEST(test_db_collection__drop_half_stored__stops_all_writes),
        DB_TEST(test_db_collection__no_memory_at_any_step__changes_nothing),
    };
    return cmocka_run_group_tests_name("db/db_collection", tests, NULL, NULL);
}
