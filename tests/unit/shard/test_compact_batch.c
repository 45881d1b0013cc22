/* Records that are looked up together. */
#include "shard/compact_batch.h"

#include "shard_fixture.h"

enum { ROOM_BYTES = 64 * 1024 };

static unsigned char value[ROOM_BYTES + 1];

static struct log_scan_record
record_of(const char *key, uint32_t value_len)
{
    return (struct log_scan_record){
        .record = {.key_len = (uint32_t)strlen(key), .value_len = value_len},
        .key = armdb_str(key),
        .value = value,
        .offset = 64,
    };
}

static bool
add(struct compact_batch *batch, struct shard_fixture *fixture, const char *key, uint32_t value_len)
{
    const struct log_scan_record record = record_of(key, value_len);
    return adb_batch_add(batch, &fixture->index, &record, true);
}

static void
test_compact_batch__copies__outlive_the_record(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct compact_batch batch;
    char key[] = "key";
    assert_ok(adb_batch_init(&batch));
    memset(value, 'a', 10);
    assert_true(add(&batch, fixture, key, 10));
    memset(value, 'b', 10);
    key[0] = 'K';
    assert_int_equal(batch.n, 1);
    assert_memory_equal(batch.keys[0].data, "key", 3);
    assert_memory_equal(batch.found[0].key.data, "key", 3);
    assert_memory_equal(batch.found[0].value, "aaaaaaaaaa", 10);
    assert_false(adb_batch_is_urgent(&batch));
    adb_batch_fini(&batch);
}

static void
test_compact_batch__full__takes_no_more(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct compact_batch batch;
    struct shard_index other = {0};
    const struct log_scan_record record = record_of("key", 0);
    assert_ok(adb_batch_init(&batch));
    for (int i = 0; i < COMPACT_BATCH; i++)
        assert_true(add(&batch, fixture, "key", 3));
    assert_false(add(&batch, fixture, "key", 3)); /* of so many records */
    adb_batch_clear(&batch);
    assert_true(add(&batch, fixture, "key", ROOM_BYTES - 6));
    assert_false(add(&batch, fixture, "key", 1)); /* 3 bytes are left */
    assert_true(add(&batch, fixture, "key", 0));
    assert_false(add(&batch, fixture, "k", 0));
    adb_batch_clear(&batch);
    assert_true(add(&batch, fixture, "key", 1));
    assert_false(adb_batch_add(&batch, &other, &record, true)); /* of another collection */
    adb_batch_fini(&batch);
}

static void
test_compact_batch__larger_than_its_room__is_urgent(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct compact_batch batch;
    struct log_scan_record large = record_of("key", ROOM_BYTES + 1);
    assert_ok(adb_batch_init(&batch));
    assert_true(add(&batch, fixture, "key", 1));
    assert_false(adb_batch_add(&batch, &fixture->index, &large, true));
    adb_batch_clear(&batch);
    assert_true(adb_batch_add(&batch, &fixture->index, &large, true));
    assert_true(adb_batch_is_urgent(&batch));
    assert_ptr_equal(batch.found[0].value, value); /* as it is */
    assert_false(add(&batch, fixture, "key", 1));
    adb_batch_clear(&batch);
    assert_false(adb_batch_is_urgent(&batch));
    /* Without its value it is like others; nor has one that was not handed out. */
    assert_true(adb_batch_add(&batch, &fixture->index, &large, false));
    large.value = NULL;
    assert_true(adb_batch_add(&batch, &fixture->index, &large, true));
    assert_false(adb_batch_is_urgent(&batch));
    adb_batch_fini(&batch);
}

static void
test_compact_batch__look__finds_where_keys_are_now(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct compact_batch batch;
    put(fixture, "a", "1", ARMDB_WRITTEN);
    put(fixture, "b", "2", ARMDB_WRITTEN);
    assert_ok(adb_batch_init(&batch));
    assert_true(add(&batch, fixture, "b", 0));
    assert_true(add(&batch, fixture, "none", 0));
    assert_true(add(&batch, fixture, "a", 0));
    adb_rcu_enter();
    assert_true(adb_batch_look(&batch));
    assert_true(batch.locations[0] == adb_index_get(&fixture->index.keys, armdb_str("b"), NULL));
    assert_true(batch.locations[1] == 0);
    assert_true(batch.locations[2] == adb_index_get(&fixture->index.keys, armdb_str("a"), NULL));
    atomic_store(&fixture->index.is_dropped, true);
    assert_false(adb_batch_look(&batch));
    adb_rcu_leave();
    adb_batch_fini(&batch);
}

static void
test_compact_batch__no_memory__is_told(void **state)
{
    struct compact_batch batch;
    (void)state;
    adb_mem_fail_at(1, false);
    assert_int_equal(adb_batch_init(&batch), ARMDB_NO_MEMORY);
    adb_mem_fail_at(0, false);
    adb_batch_fini(&batch);
}

#define BATCH_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_shard, tear_down_shard)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BATCH_TEST(test_compact_batch__copies__outlive_the_record),
        BATCH_TEST(test_compact_batch__full__takes_no_more),
        BATCH_TEST(test_compact_batch__larger_than_its_room__is_urgent),
        BATCH_TEST(test_compact_batch__look__finds_where_keys_are_now),
        BATCH_TEST(test_compact_batch__no_memory__is_told),
    };
    return cmocka_run_group_tests_name("shard/compact_batch", tests, NULL, NULL);
}
