/* The files of a shard: which make the log and in which order, and who is in the table. */
#include "shard/shard_private.h"

#include "shard_fixture.h"

/* ------------------------------------------------------------------- on disk */

/* A file with nothing but its header. */
static void
make_file(struct shard_fixture *fixture, uint64_t id, uint64_t base, uint64_t last)
{
    unsigned char bytes[LOG_FILE_HEADER_BYTES];
    char path[64];
    struct log_file_header header = {.file_id = id,
                                     .base_sequence = base,
                                     .last_sequence = last,
                                     .shard = SHARD_NUMBER,
                                     .is_copy = last > 0};
    memcpy(header.db_id, fixture->config.db_id, LOG_DB_ID_BYTES);
    adb_log_encode_file_header(&header, bytes);
    snprintf(path, sizeof path, SHARD_PATH "/%010llu.log", (unsigned long long)id);
    sim_write_file(fixture->sim, path, bytes, sizeof bytes);
}

static armdb_err
arrange(struct shard_fixture *fixture, bool tolerate, struct shard_listing *listing_out)
{
    struct log_file_header identity = {.shard = SHARD_NUMBER};
    memcpy(identity.db_id, fixture->config.db_id, LOG_DB_ID_BYTES);
    assert_ok(adb_shard_list(fixture->os, SHARD_PATH, false, listing_out));
    return adb_shard_arrange(fixture->os, SHARD_PATH, &identity, tolerate, listing_out);
}

/* `ids`: of the log, 0, of those replaced, 0. */
static void
expect_arrangement(struct shard_fixture *fixture, const uint64_t *ids, uint64_t newest)
{
    struct shard_listing listing;
    uint32_t i = 0;
    assert_ok(arrange(fixture, false, &listing));
    for (; *ids != 0; ids++, i++)
        assert_int_equal(listing.files[i].header.file_id, *ids);
    assert_int_equal(listing.count, i);
    for (ids++; *ids != 0; ids++, i++)
        assert_int_equal(listing.files[i].header.file_id, *ids);
    assert_int_equal(listing.count + listing.n_replaced, i);
    assert_int_equal(listing.newest_id, newest);
    adb_shard_listing_fini(&listing);
}

static void
test_shard_files__plain_log__is_in_the_order_of_ids(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    make_file(fixture, 1, 0, 0);
    make_file(fixture, 2, 10, 0);
    make_file(fixture, 10, 20, 0);
    expect_arrangement(fixture, (const uint64_t[]){1, 2, 10, 0, 0}, 10);
}

static void
test_shard_files__copy__stands_where_its_run_was(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    make_file(fixture, 1, 0, 0);
    make_file(fixture, 2, 10, 0);
    make_file(fixture, 3, 20, 0);
    make_file(fixture, 4, 30, 0);
    make_file(fixture, 5, 10, 30); /* of 2 and 3 */
    expect_arrangement(fixture, (const uint64_t[]){1, 5, 4, 0, 2, 3, 0}, 5);
}

static void
test_shard_files__copy_of_copies__replaces_them_and_theirs(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    make_file(fixture, 1, 0, 0);
    make_file(fixture, 2, 10, 0);
    make_file(fixture, 6, 0, 10);  /* of 1 */
    make_file(fixture, 7, 20, 30); /* of one that is gone */
    make_file(fixture, 8, 0, 30);  /* of 6, 2 and 7 */
    make_file(fixture, 4, 30, 0);
    expect_arrangement(fixture, (const uint64_t[]){8, 4, 0, 1, 6, 2, 7, 0}, 8);
}

static void
test_shard_files__later_file_in_the_range_of_a_copy__is_not_replaced(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    make_file(fixture, 5, 0, 30);
    make_file(fixture, 6, 20, 0); /* can't be: for recovery to find */
    expect_arrangement(fixture, (const uint64_t[]){5, 6, 0, 0}, 6);
    assert_int_equal(try_open(fixture), ARMDB_CORRUPT);
}

static void
test_shard_files__damaged_header__is_an_error_or_stays_behind_its_neighbour(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct shard_listing listing;
    make_file(fixture, 1, 0, 0);
    make_file(fixture, 2, 10, 0);
    make_file(fixture, 3, 20, 0);
    make_file(fixture, 9, 0, 20);
    sim_corrupt(fixture->sim, FILE_PATH(2), 3, 1);
    assert_int_equal(arrange(fixture, false, &listing), ARMDB_CORRUPT);
    adb_shard_listing_fini(&listing);
    assert_ok(arrange(fixture, true, &listing));
    /* Whether it was replaced nobody can know: it is looked at. */
    assert_int_equal(listing.count, 3);
    assert_int_equal(listing.files[0].header.file_id, 2);
    assert_int_equal(listing.files[1].header.file_id, 9);
    assert_int_equal(listing.files[2].header.file_id, 3);
    adb_shard_listing_fini(&listing);
}

static void
test_shard_files__copy_as_the_newest__is_damage(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    make_file(fixture, 1, 0, 0);
    make_file(fixture, 2, 0, 10);
    assert_int_equal(try_open(fixture), ARMDB_CORRUPT);
    assert_string_equal(adb_err_detail()->file, FILE_PATH(2));
    assert_non_null(strstr(adb_err_detail()->message, "missing"));
}

/* -------------------------------------------------------------------- table */

static struct data_file *
file_in(struct shard_fixture *fixture, uint32_t slot)
{
    return atomic_load(&fixture->shard->files[slot]);
}

static void
fill_one(struct shard_fixture *fixture)
{
    put(fixture, "k", "v", ARMDB_WRITTEN);
    rotate_shard(fixture);
}

static void
retire(struct shard_fixture *fixture, uint32_t slot)
{
    adb_shard_lock(fixture->shard);
    adb_shard_retire(fixture->shard, file_in(fixture, slot));
    adb_shard_unlock(fixture->shard);
}

static void
sweep(struct shard_fixture *fixture)
{
    adb_mutex_lock(&fixture->shard->compact_lock);
    adb_shard_sweep(fixture->shard);
    adb_mutex_unlock(&fixture->shard->compact_lock);
}

static void
test_shard_files__retired__goes_with_the_sweep_and_its_slot_is_free(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fill_one(fixture);
    fill_one(fixture); /* slots 0, 1 and 2 */
    retire(fixture, 0);
    fill_one(fixture);
    assert_int_equal(fixture->shard->writer.active->slot, 3); /* 0 is not free yet */
    sweep(fixture);
    assert_null(file_in(fixture, 0));
    assert_int_equal(fixture->shard->file_count, 3);
    assert_false(sim_file_exists(fixture->sim, FILE_PATH(1)));
    assert_true(sim_file_exists(fixture->sim, FILE_PATH(2)));
    fill_one(fixture);
    assert_int_equal(fixture->shard->writer.active->slot, 0);
    assert_int_equal(fixture->shard->writer.active->header.file_id, 5);
}

static void
test_shard_files__held_or_pinned__stays(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    fill_one(fixture);
    fill_one(fixture);
    atomic_fetch_add(&file_in(fixture, 0)->pins, 1);
    retire(fixture, 0);
    retire(fixture, 1);
    adb_shard_lock(fixture->shard);
    adb_shard_hold(fixture->shard);
    adb_shard_hold(fixture->shard);
    adb_shard_unlock(fixture->shard);
    sweep(fixture);
    adb_shard_release(fixture->shard);
    sweep(fixture);
    assert_non_null(file_in(fixture, 0));
    assert_non_null(file_in(fixture, 1));
    adb_shard_release(fixture->shard);
    sweep(fixture);
    assert_non_null(file_in(fixture, 0)); /* pinned still */
    assert_null(file_in(fixture, 1));
    atomic_fetch_sub(&file_in(fixture, 0)->pins, 1);
    sweep(fixture);
    assert_null(file_in(fixture, 0));
    assert_int_equal(sim_open_count(fixture->sim), 1);
}

static void
test_shard_files__that_cannot_be_removed__is_no_failure(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    const struct sim_fault fault = {
        .kind = SIM_FAULT_ERROR, .fail_at = 1, .ops = SIM_BIT(SIM_OP_UNLINK)};
    fill_one(fixture);
    retire(fixture, 0);
    sim_set_fault(fixture->sim, &fault);
    sweep(fixture);
    assert_true(sim_fault_fired(fixture->sim));
    assert_null(file_in(fixture, 0));
    assert_true(sim_file_exists(fixture->sim, FILE_PATH(1)));
}

static void
test_shard_files__slots__are_counted_with_those_reserved(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct shard *shard = fixture->shard;
    assert_true(adb_shard_has_slots(shard, LOCATION_SLOTS - 1));
    assert_false(adb_shard_has_slots(shard, LOCATION_SLOTS));
    shard->reserved_slots = 1;
    assert_false(adb_shard_has_slots(shard, LOCATION_SLOTS - 1));
    shard->reserved_slots = 0;
}

static int
set_up_bare(void **state)
{
    set_up_disk(state);
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    sim_remove_file(fixture->sim, FILE_PATH(1));
    return 0;
}

#define BARE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_bare, tear_down_shard)
#define TABLE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_shard, tear_down_shard)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_shard_files__plain_log__is_in_the_order_of_ids),
        BARE_TEST(test_shard_files__copy__stands_where_its_run_was),
        BARE_TEST(test_shard_files__copy_of_copies__replaces_them_and_theirs),
        BARE_TEST(test_shard_files__later_file_in_the_range_of_a_copy__is_not_replaced),
        BARE_TEST(test_shard_files__damaged_header__is_an_error_or_stays_behind_its_neighbour),
        BARE_TEST(test_shard_files__copy_as_the_newest__is_damage),
        TABLE_TEST(test_shard_files__retired__goes_with_the_sweep_and_its_slot_is_free),
        TABLE_TEST(test_shard_files__held_or_pinned__stays),
        TABLE_TEST(test_shard_files__that_cannot_be_removed__is_no_failure),
        TABLE_TEST(test_shard_files__slots__are_counted_with_those_reserved),
    };
    return cmocka_run_group_tests_name("shard/shard_files", tests, NULL, NULL);
}
