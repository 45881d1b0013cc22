/* The public functions of batches: handles and arguments; what they do is in test_db_batch.c. */
#include "api_fixture.h"

static void
test_api_batch__operations__are_done_together(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *all = armdb_default(fixture->db);
    armdb_batch *batch;
    size_t refused;
    uint64_t bytes;
    bool is_there;
    assert_int_equal(armdb_batch_new(fixture->db, &batch), ARMDB_OK);
    assert_int_equal(armdb_batch_require_absent(batch, all, armdb_str("b")), ARMDB_OK);
    assert_int_equal(armdb_batch_put(batch, all, armdb_str("a"), armdb_str("1"), NULL), ARMDB_OK);
    assert_int_equal(armdb_batch_insert(batch, all, armdb_str("b"), armdb_str("2"), NULL),
                     ARMDB_OK);
    assert_int_equal(armdb_batch_count(batch, &bytes), 3);
    assert_int_equal(bytes, 48);
    assert_int_equal(armdb_commit(batch, NULL, NULL), ARMDB_OK);
    assert_int_equal(armdb_commit(batch, NULL, &refused), ARMDB_EXISTS);
    assert_int_equal(refused, 0);
    assert_int_equal(armdb_batch_clear(batch), ARMDB_OK);
    assert_int_equal(armdb_batch_count(batch, NULL), 0);
    assert_int_equal(armdb_batch_require_value(batch, all, armdb_str("a"), armdb_str("1")),
                     ARMDB_OK);
    assert_int_equal(armdb_batch_require_present(batch, all, armdb_str("b")), ARMDB_OK);
    assert_int_equal(armdb_batch_delete(batch, all, armdb_str("a")), ARMDB_OK);
    assert_int_equal(armdb_commit(batch, NULL, &refused), ARMDB_OK);
    assert_true(refused == SIZE_MAX);
    armdb_batch_free(batch);
    assert_int_equal(armdb_contains(all, armdb_str("a"), &is_there), ARMDB_OK);
    assert_false(is_there);
    assert_int_equal(armdb_contains(all, armdb_str("b"), &is_there), ARMDB_OK);
    assert_true(is_there);
}

static void
test_api_batch__wrong_arguments__are_refused(void **state)
{
    struct api_fixture *fixture = (struct api_fixture *)*state;
    armdb_collection *all = armdb_default(fixture->db);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    const armdb_slice none = {NULL, 3};
    armdb_batch *batch;
    assert_int_equal(armdb_batch_new(NULL, &batch), ARMDB_INVALID);
    assert_null(batch);
    assert_int_equal(armdb_batch_new(fixture->db, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_batch_new(fixture->db, &batch), ARMDB_OK);
    assert_int_equal(armdb_batch_put(batch, all, none, armdb_str("1"), NULL), ARMDB_INVALID);
    assert_int_equal(armdb_batch_put(batch, all, armdb_str("a"), none, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_batch_put(batch, NULL, armdb_str("a"), none, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_batch_delete(batch, all, armdb_str("")), ARMDB_KEY_LENGTH);
    options.durability = ARMDB_SYNCED;
    assert_int_equal(armdb_batch_put(batch, all, armdb_str("a"), armdb_str("1"), &options),
                     ARMDB_INVALID);
    options.durability = ARMDB_DURABILITY_DEFAULT;
    options.ttl_ms = 1000;
    assert_int_equal(armdb_commit(batch, &options, NULL), ARMDB_INVALID);
    assert_int_equal(armdb_batch_count(batch, NULL), 0);
    armdb_batch_free(batch);
    armdb_batch_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_api_batch__operations__are_done_together, set_up_db,
                                        tear_down_db),
        cmocka_unit_test_setup_teardown(test_api_batch__wrong_arguments__are_refused, set_up_db,
                                        tear_down_db),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
