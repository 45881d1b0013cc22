/* Collections of every kind: with and without order, values of any length or of one. */
#include "db_fixture.h"

enum { VALUE_BYTES = 16 };

static struct collection *
create_kind(struct db *db, const char *name, armdb_order order, uint32_t value_bytes)
{
    struct collection *collection;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    options.order = order;
    options.value_bytes = value_bytes;
    assert_ok(adb_collection_create(db, name, &options, &collection));
    return collection;
}

static armdb_slice
value_of(unsigned number, unsigned char *value)
{
    memset(value, (int)(number % 250 + 1), VALUE_BYTES);
    return armdb_bytes(value, VALUE_BYTES);
}

static void
fill(struct collection *collection, unsigned count, unsigned salt)
{
    char key[16];
    unsigned char value[VALUE_BYTES];
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, "key%u", i);
        assert_ok(
            adb_db_write(collection, SHARD_PUT, armdb_str(key), value_of(i + salt, value), NULL));
    }
}

static void
expect_filled(struct collection *collection, unsigned count, unsigned salt)
{
    char key[16];
    unsigned char value[VALUE_BYTES], buffer[VALUE_BYTES];
    armdb_value handle;
    size_t len;
    expect_count(collection, count);
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof key, "key%u", i);
        value_of(i + salt, value);
        assert_ok(adb_db_get(collection, armdb_str(key), buffer, sizeof buffer, &len));
        assert_int_equal(len, VALUE_BYTES);
        assert_memory_equal(buffer, value, VALUE_BYTES);
        assert_ok(adb_db_get_value(collection, armdb_str(key), &handle));
        assert_memory_equal(armdb_value_bytes(&handle).data, value, VALUE_BYTES);
        armdb_value_release(&handle);
    }
}

/* What a walk of all keys finds; checks the values by the keys. */
static unsigned
count_by_walk(struct collection *collection, unsigned salt)
{
    struct cursor *cursor;
    unsigned char value[VALUE_BYTES];
    unsigned count = 0;
    assert_ok(adb_cursor_open(collection, NULL, &cursor));
    while (adb_cursor_move(cursor, CURSOR_NEXT) == ARMDB_OK) {
        armdb_slice key = adb_cursor_key(cursor);
        char text[16] = "";
        memcpy(text, key.data, key.len);
        value_of((unsigned)strtoul(text + 3, NULL, 10) + salt, value);
        assert_int_equal(adb_cursor_value(cursor).len, VALUE_BYTES);
        assert_int_equal(adb_cursor_value_len(cursor), VALUE_BYTES);
        assert_memory_equal(adb_cursor_value(cursor).data, value, VALUE_BYTES);
        count++;
    }
    adb_cursor_close(cursor);
    return count;
}

static void
check_kind(struct db_fixture *fixture, armdb_order order, uint32_t value_bytes)
{
    struct collection *kind = create_kind(fixture->db, "kind", order, value_bytes);
    armdb_collection_info info;
    fill(kind, 300, 0);
    fill(kind, 300, 5);
    expect_filled(kind, 300, 5);
    kill_and_open(fixture);
    kind = open_collection(fixture->db, "kind");
    assert_ok(adb_collection_get_info(kind, &info));
    assert_int_equal(info.order, order);
    assert_int_equal(info.value_bytes, value_bytes);
    expect_filled(kind, 300, 5);
    assert_int_equal(count_by_walk(kind, 5), 300);
    for (unsigned i = 200; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%u", i);
        assert_ok(try_delete(kind, key));
        assert_int_equal(try_delete(kind, key), ARMDB_NOT_FOUND);
    }
    reopen_db(fixture);
    kind = open_collection(fixture->db, "kind");
    expect_filled(kind, 200, 5);
    uint64_t dead = stats_of(fixture->db).dead_bytes;
    assert_ok(adb_collection_drop(fixture->db, "kind"));
    assert_true(stats_of(fixture->db).dead_bytes >= dead + UINT64_C(200) * (20 + 4 + VALUE_BYTES));
}

static void
test_db_kinds__each__stores_walks_recovers_deletes_and_drops(void **state)
{
    static const armdb_order orders[] = {ARMDB_ASCENDING, ARMDB_DESCENDING, ARMDB_UNORDERED};
    struct db_fixture *fixture = (struct db_fixture *)*state;
    for (int i = 0; i < 3; i++) {
        check_kind(fixture, orders[i], ARMDB_VALUE_VARIABLE);
        check_kind(fixture, orders[i], VALUE_BYTES);
        check_kind(fixture, orders[i], ARMDB_VALUE_OBJECT);
    }
}

static void
test_db_kinds__value_of_another_length__is_refused_and_changes_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *kind = create_kind(fixture->db, "counters", ARMDB_UNORDERED, 8);
    assert_int_equal(adb_db_write(kind, SHARD_PUT, armdb_str("a"), armdb_str("1234567"), NULL),
                     ARMDB_VALUE_LENGTH);
    expect_detail(ARMDB_VALUE_LENGTH, "7 bytes", "counters", "have 8", NULL);
    assert_int_equal(adb_db_write(kind, SHARD_INSERT, armdb_str("a"), armdb_str(""), NULL),
                     ARMDB_VALUE_LENGTH);
    expect_count(kind, 0);
    assert_ok(adb_db_write(kind, SHARD_PUT, armdb_str("a"), armdb_str("12345678"), NULL));
    assert_ok(try_delete(kind, "a"));
}

static void
test_db_kinds__const_value__is_read_without_a_file(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *kind = create_kind(fixture->db, "kind", ARMDB_ASCENDING, VALUE_BYTES);
    unsigned char small[VALUE_BYTES - 1];
    armdb_value first;
    size_t len;
    fill(kind, 100, 0);
    reopen_db(fixture);
    kind = open_collection(fixture->db, "kind");
    uint64_t reads = sim_op_count(fixture->sim, SIM_BIT(SIM_OP_READ));
    expect_filled(kind, 100, 0);
    assert_int_equal(count_by_walk(kind, 0), 100);
    assert_ok(adb_db_end(kind, true, NULL, &first));
    assert_int_equal(first.len, VALUE_BYTES);
    armdb_value_release(&first);
    assert_int_equal(adb_db_get(kind, armdb_str("key1"), small, sizeof small, &len),
                     ARMDB_BUFFER_TOO_SMALL);
    assert_int_equal(len, VALUE_BYTES);
    assert_true(sim_op_count(fixture->sim, SIM_BIT(SIM_OP_READ)) == reads);
}

static void
test_db_kinds__ordered_verbs_without_order__are_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *kind = create_kind(fixture->db, "kind", ARMDB_UNORDERED, 0);
    armdb_cursor_options options = ARMDB_CURSOR_OPTIONS_INIT;
    struct cursor *cursor;
    armdb_value key, value;
    fill(kind, 10, 0);
    assert_int_equal(adb_db_end(kind, false, &key, &value), ARMDB_UNSUPPORTED);
    expect_detail(ARMDB_UNSUPPORTED, "\"kind\" has no order", NULL);
    assert_int_equal(adb_db_end(kind, true, &key, &value), ARMDB_UNSUPPORTED);
    options.prefix = armdb_str("k");
    assert_int_equal(adb_cursor_open(kind, &options, &cursor), ARMDB_UNSUPPORTED);
    options.prefix.len = 0;
    options.to = (armdb_bound){ARMDB_EXCLUDED, armdb_str("z")};
    assert_int_equal(adb_cursor_open(kind, &options, &cursor), ARMDB_UNSUPPORTED);
    assert_null(cursor);
    assert_ok(adb_cursor_open(kind, NULL, &cursor));
    assert_int_equal(adb_cursor_move(cursor, CURSOR_PREV), ARMDB_UNSUPPORTED);
    assert_int_equal(adb_cursor_move(cursor, CURSOR_LAST), ARMDB_UNSUPPORTED);
    assert_int_equal(adb_cursor_seek(cursor, armdb_str("key1")), ARMDB_UNSUPPORTED);
    assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
    adb_cursor_close(cursor);
}

static void
test_db_kinds__unordered_cursor__ends_and_begins_anew(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *kind = create_kind(fixture->db, "kind", ARMDB_UNORDERED, 0);
    struct cursor *cursor;
    fill(kind, 50, 0);
    assert_ok(adb_cursor_open(kind, NULL, &cursor));
    for (int round = 0; round < 3; round++) {
        assert_ok(adb_cursor_move(cursor, CURSOR_FIRST));
        for (int i = 1; i < 50; i++)
            assert_ok(adb_cursor_move(cursor, CURSOR_NEXT));
        assert_int_equal(adb_cursor_move(cursor, CURSOR_NEXT), ARMDB_END);
        assert_int_equal(adb_cursor_key(cursor).len, 0);
        assert_int_equal(adb_cursor_move(cursor, CURSOR_NEXT), ARMDB_END);
    }
    adb_cursor_close(cursor);
}

static void
test_db_kinds__collection_of_another_kind__is_not_opened(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct collection *opened;
    create_kind(fixture->db, "kind", ARMDB_UNORDERED, VALUE_BYTES);
    options.order = ARMDB_ASCENDING;
    assert_int_equal(adb_collection_open(fixture->db, "kind", &options, &opened), ARMDB_MISMATCH);
    options.order = ARMDB_UNORDERED;
    options.value_bytes = ARMDB_VALUE_VARIABLE;
    assert_int_equal(adb_collection_open(fixture->db, "kind", &options, &opened), ARMDB_MISMATCH);
    options.value_bytes = VALUE_BYTES;
    assert_ok(adb_collection_open(fixture->db, "kind", &options, &opened));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_kinds__each__stores_walks_recovers_deletes_and_drops),
        DB_TEST(test_db_kinds__value_of_another_length__is_refused_and_changes_nothing),
        DB_TEST(test_db_kinds__const_value__is_read_without_a_file),
        DB_TEST(test_db_kinds__ordered_verbs_without_order__are_refused),
        DB_TEST(test_db_kinds__unordered_cursor__ends_and_begins_anew),
        DB_TEST(test_db_kinds__collection_of_another_kind__is_not_opened),
    };
    return cmocka_run_group_tests_name("db/db_kinds", tests, NULL, NULL);
}
