/* Verbs through the public functions, the largest value included. */
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include "api_fixture.h"

static void
test_api_ops__verbs__do_what_they_say(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *c = fixture->collection;
    char buffer[16];
    size_t len;
    uint64_t count;
    bool found;
    assert_ok(armdb_insert(c, armdb_str("key"), armdb_str("one"), NULL));
    assert_int_equal(armdb_insert(c, armdb_str("key"), armdb_str("two"), NULL), ARMDB_EXISTS);
    assert_ok(armdb_get(c, armdb_str("key"), buffer, sizeof buffer, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(buffer, "one", 3);
    assert_ok(armdb_put(c, armdb_str("key"), armdb_str("three"), NULL));
    assert_ok(armdb_value_len(c, armdb_str("key"), &len));
    assert_int_equal(len, 5);
    assert_ok(armdb_contains(c, armdb_str("key"), &found));
    assert_true(found);
    assert_ok(armdb_count(c, &count));
    assert_int_equal(count, 1);
    assert_ok(armdb_delete(c, armdb_str("key"), NULL));
    assert_int_equal(armdb_delete(c, armdb_str("key"), NULL), ARMDB_NOT_FOUND);
    assert_ok(armdb_contains(c, armdb_str("key"), &found));
    assert_false(found);
    assert_int_equal(armdb_get(c, armdb_str("key"), buffer, sizeof buffer, &len), ARMDB_NOT_FOUND);
}

static armdb_err
remove_it(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    (void)context;
    (void)key;
    assert_non_null(old);
    verdict_out->kind = ARMDB_REMOVE;
    return ARMDB_OK;
}

static void
test_api_ops__read_modify_write__needs_what_it_needs(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *c = fixture->collection;
    const armdb_slice key = armdb_str("key");
    armdb_value old, fresh;
    int64_t sum = 9;
    assert_ok(armdb_cas(c, key, armdb_absent(), armdb_str("one"), NULL, NULL));
    assert_int_equal(armdb_cas(c, key, armdb_absent(), armdb_str("two"), NULL, &old),
                     ARMDB_CHANGED);
    assert_memory_equal(armdb_value_bytes(&old).data, "one", 3);
    assert_int_equal(armdb_cas(c, bad_slice(), armdb_absent(), key, NULL, &old), ARMDB_INVALID);
    assert_int_equal(old.len, 0);
    assert_int_equal(armdb_cas(c, key, bad_slice(), key, NULL, NULL), ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "expected");
    assert_int_equal(armdb_cas(c, key, armdb_absent(), bad_slice(), NULL, NULL), ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "desired");
    assert_int_equal(armdb_update(c, key, NULL, NULL, NULL, &old, &fresh), ARMDB_INVALID);
    assert_int_equal(armdb_update(c, bad_slice(), remove_it, NULL, NULL, NULL, NULL),
                     ARMDB_INVALID);
    assert_ok(armdb_update(c, key, remove_it, NULL, NULL, &old, &fresh));
    assert_memory_equal(armdb_value_bytes(&old).data, "one", 3);
    assert_int_equal(fresh.len, 0);
    assert_int_equal(armdb_add(c, key, 1, NULL, &sum), ARMDB_UNSUPPORTED);
    assert_int_equal(sum, 0);
    assert_int_equal(armdb_add(c, bad_slice(), 1, NULL, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_add(NULL, key, 1, NULL, &sum), ARMDB_INVALID);
}

static void
test_api_ops__first_and_last__hand_out_both_or_either(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_value key, value;
    put(fixture->collection, "a", "first");
    put(fixture->collection, "b", "last");
    assert_ok(armdb_first(fixture->collection, &key, &value));
    assert_memory_equal(armdb_value_bytes(&key).data, "a", 1);
    assert_memory_equal(armdb_value_bytes(&value).data, "first", 5);
    armdb_value_release(&key);
    armdb_value_release(&value);
    assert_ok(armdb_last(fixture->collection, NULL, &value));
    assert_memory_equal(armdb_value_bytes(&value).data, "last", 4);
    armdb_value_release(&value);
    assert_ok(armdb_last(fixture->collection, &key, NULL));
    armdb_value_release(&key);
    assert_ok(armdb_first(fixture->collection, NULL, NULL));
}

static void
test_api_ops__levels__are_taken_and_checked(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_stats before = {.struct_bytes = sizeof before}, after = {.struct_bytes = sizeof after};
    assert_ok(armdb_get_stats(fixture->db, &before));
    options.durability = ARMDB_SYNCED;
    assert_ok(armdb_put(fixture->collection, armdb_str("k"), armdb_str("v"), &options));
    assert_ok(armdb_get_stats(fixture->db, &after));
    assert_int_equal(after.syncs, before.syncs + 1);
    options.durability = ARMDB_BUFFERED;
    assert_ok(armdb_put(fixture->collection, armdb_str("k"), armdb_str("v"), &options));
    assert_ok(armdb_get_stats(fixture->db, &after));
    assert_true(after.unflushed_bytes > 0);
    assert_ok(armdb_flush(fixture->db));
    assert_ok(armdb_get_stats(fixture->db, &after));
    assert_int_equal(after.unflushed_bytes, 0);
    options.durability = (armdb_durability)9;
    assert_int_equal(armdb_put(fixture->collection, armdb_str("k"), armdb_str("v"), &options),
                     ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "durability is 9");
}

static void
test_api_ops__bad_arguments__are_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *c = fixture->collection;
    const armdb_slice key = armdb_str("key");
    char buffer[8];
    size_t len = 7;
    put(c, "key", "value");
    assert_int_equal(armdb_put(c, bad_slice(), key, NULL), ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "key is NULL, but its length is 5");
    assert_int_equal(armdb_put(c, key, bad_slice(), NULL), ARMDB_INVALID);
    expect_message(ARMDB_INVALID, "value is NULL");
    assert_int_equal(armdb_delete(c, bad_slice(), NULL), ARMDB_INVALID);
    assert_int_equal(armdb_get(c, bad_slice(), buffer, sizeof buffer, &len), ARMDB_INVALID);
    assert_int_equal(len, 0);
    assert_int_equal(armdb_get(c, key, NULL, 5, &len), ARMDB_INVALID);
    assert_int_equal(armdb_get(c, key, buffer, sizeof buffer, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_get_value(c, key, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_contains(c, key, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_value_len(c, key, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_count(c, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_get(c, key, NULL, 0, &len), ARMDB_BUFFER_TOO_SMALL);
    assert_int_equal(len, 5);
}

static void
test_api_ops__many_reads_at_once__each_with_its_answer(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    char a[8], b[8];
    armdb_read reads[2] = {{.key = armdb_str("a"), .buffer = a, .capacity = sizeof a},
                           {.key = armdb_str("b"), .buffer = b, .capacity = sizeof b}};
    put(fixture->collection, "b", "two");
    assert_ok(armdb_multi_get(fixture->collection, reads, 2));
    assert_int_equal(reads[0].err, ARMDB_NOT_FOUND);
    assert_int_equal(reads[1].err, ARMDB_OK);
    assert_int_equal(reads[1].len, 3);
    assert_memory_equal(b, "two", 3);
    assert_int_equal(armdb_multi_get(fixture->collection, NULL, 1), ARMDB_INVALID);
    reads[0].buffer = NULL;
    assert_int_equal(armdb_multi_get(fixture->collection, reads, 2), ARMDB_INVALID);
    assert_int_equal(reads[0].err, ARMDB_INVALID);
    assert_int_equal(reads[1].err, ARMDB_INVALID);
    assert_int_equal(reads[1].len, 0);
    reads[0].buffer = a;
    reads[1].key.data = NULL;
    assert_int_equal(armdb_multi_get(fixture->collection, reads, 2), ARMDB_INVALID);
}

static void
test_api_ops__tickets__are_waited_for_and_polled(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket;
    bool is_synced = true;
    options.durability = ARMDB_SYNCED;
    options.ticket = &ticket;
    assert_ok(armdb_put(fixture->collection, armdb_str("a"), armdb_str("b"), &options));
    assert_true(ticket.sequence > 0);
    assert_ok(armdb_ticket_poll(fixture->db, &ticket, &is_synced));
    assert_ok(armdb_ticket_wait(fixture->db, &ticket, 1));
    assert_ok(armdb_ticket_poll(fixture->db, &ticket, &is_synced));
    assert_true(is_synced);
    ticket = (armdb_ticket){7, 7, 7};
    assert_int_equal(armdb_put(fixture->collection, armdb_str("a"), bad_slice(), &options),
                     ARMDB_INVALID);
    assert_true(ticket.sequence == 0 && ticket.shard == 0 && ticket.reserved == 0);
    assert_int_equal(armdb_ticket_wait(fixture->db, NULL, 1), ARMDB_INVALID);
    assert_int_equal(armdb_ticket_poll(fixture->db, NULL, &is_synced), ARMDB_INVALID);
    assert_int_equal(armdb_ticket_poll(fixture->db, &ticket, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_ticket_wait(NULL, &ticket, 1), ARMDB_INVALID);
}

static void
test_api_ops__key_and_value_limits__are_named(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *c = fixture->collection;
    static const char bytes[ARMDB_KEY_MAX + 1] = "x";
    assert_int_equal(armdb_put(c, armdb_str(""), armdb_str(""), NULL), ARMDB_KEY_LENGTH);
    expect_message(ARMDB_KEY_LENGTH, "1..1024");
    assert_int_equal(armdb_put(c, armdb_bytes(bytes, sizeof bytes), armdb_str(""), NULL),
                     ARMDB_KEY_LENGTH);
    assert_ok(armdb_put(c, armdb_bytes(bytes, ARMDB_KEY_MAX), armdb_str(""), NULL));
    assert_int_equal(
        armdb_put(c, armdb_str("k"), armdb_bytes(bytes, (size_t)ARMDB_VALUE_MAX + 1), NULL),
        ARMDB_TOO_BIG);
    expect_message(ARMDB_TOO_BIG, "268435457");
}

/* Three times its size in memory, twice on the disk. */
static bool
has_room_for_the_largest(const char *path)
{
    struct sysinfo memory;
    struct statvfs disk;
    const uint64_t need = 4 * (uint64_t)ARMDB_VALUE_MAX;
    if (sysinfo(&memory) != 0 || statvfs(path, &disk) != 0)
        return false;
    return ((uint64_t)memory.freeram + memory.bufferram) * memory.mem_unit > need &&
           (uint64_t)disk.f_bavail * disk.f_frsize > need;
}

static void
test_api_ops__largest_value__is_stored_and_found_again(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_value value;
    if (!has_room_for_the_largest(fixture->root)) {
        print_message("skipped: not enough memory or disk for a value of 256 MiB\n");
        skip();
    }
    uint64_t *bytes = (uint64_t *)malloc(ARMDB_VALUE_MAX);
    assert_non_null(bytes);
    for (uint64_t i = 0; i < ARMDB_VALUE_MAX / sizeof *bytes; i++)
        bytes[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    put(fixture->collection, "before", "value");
    assert_ok(armdb_put(fixture->collection, armdb_str("largest"),
                        armdb_bytes(bytes, ARMDB_VALUE_MAX), NULL));
    put(fixture->collection, "after", "value");
    close_db(fixture);
    open_db(fixture);
    assert_ok(armdb_get_value(fixture->collection, armdb_str("largest"), &value));
    assert_int_equal(value.len, ARMDB_VALUE_MAX);
    assert_int_equal(memcmp(armdb_value_bytes(&value).data, bytes, ARMDB_VALUE_MAX), 0);
    armdb_value_release(&value);
    expect_get(fixture->collection, "before", "value");
    expect_get(fixture->collection, "after", "value");
    free(bytes);
}

static void
test_api_ops__closed_or_foreign_handle__is_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *closed = fixture->collection;
    const armdb_slice key = armdb_str("key");
    armdb_value key_found = {.len = 3}, value = {.len = 3};
    size_t len = 7;
    uint64_t count = 7;
    bool found = true;
    close_db(fixture);
    expect_refused(armdb_put(closed, key, key, NULL), ARMDB_CLOSED);
    expect_refused(armdb_insert(closed, key, key, NULL), ARMDB_CLOSED);
    expect_refused(armdb_delete(closed, key, NULL), ARMDB_CLOSED);
    expect_refused(armdb_get(closed, key, NULL, 0, &len), ARMDB_CLOSED);
    expect_refused(armdb_get_value(closed, key, &value), ARMDB_CLOSED);
    expect_refused(armdb_multi_get(closed, NULL, 0), ARMDB_CLOSED);
    expect_refused(armdb_contains(closed, key, &found), ARMDB_CLOSED);
    expect_refused(armdb_count(closed, &count), ARMDB_CLOSED);
#ifdef NDEBUG
    assert_int_equal(len + value.len + count + found, 0);
#endif
    value.len = 3;
    expect_refused(armdb_value_len(closed, key, &len), ARMDB_CLOSED);
    expect_refused(armdb_first(closed, &key_found, &value), ARMDB_CLOSED);
    expect_refused(armdb_last(closed, &key_found, &value), ARMDB_CLOSED);
    assert_int_equal(armdb_put(NULL, key, key, NULL), ARMDB_INVALID);
#ifdef NDEBUG
    assert_int_equal(key_found.len + value.len, 0);
#endif
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_api_ops__verbs__do_what_they_say),
        API_TEST(test_api_ops__read_modify_write__needs_what_it_needs),
        API_TEST(test_api_ops__first_and_last__hand_out_both_or_either),
        API_TEST(test_api_ops__levels__are_taken_and_checked),
        API_TEST(test_api_ops__bad_arguments__are_refused),
        API_TEST(test_api_ops__many_reads_at_once__each_with_its_answer),
        API_TEST(test_api_ops__tickets__are_waited_for_and_polled),
        API_TEST(test_api_ops__key_and_value_limits__are_named),
        API_TEST(test_api_ops__largest_value__is_stored_and_found_again),
        API_TEST(test_api_ops__closed_or_foreign_handle__is_refused),
    };
    return cmocka_run_group_tests_name("api/api_ops", tests, NULL, NULL);
}
