/* Writing: verbs, rotation, space, and failures that fence the shard. */
#include "shard/shard_private.h"

#include "shard_fixture.h"

/* ---------------------------------------------------------------------- verbs */

static armdb_err
try_delete(struct shard_fixture *fixture, const char *key)
{
    return try_write(fixture, SHARD_DELETE, armdb_str(key), armdb_str(""), ARMDB_WRITTEN);
}

static armdb_err
try_insert(struct shard_fixture *fixture, const char *key, const char *value)
{
    return try_write(fixture, SHARD_INSERT, armdb_str(key), armdb_str(value), ARMDB_WRITTEN);
}

static void
test_shard_write__verbs__change_the_index_and_the_log(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    assert_int_equal(try_delete(fixture, "key"), ARMDB_NOT_FOUND);
    assert_int_equal(stats_of(fixture).writes, 0);
    assert_ok(try_insert(fixture, "key", "one"));
    assert_int_equal(try_insert(fixture, "key", "two"), ARMDB_EXISTS);
    expect_get(fixture, "key", "one");
    put(fixture, "key", "three", ARMDB_WRITTEN);
    assert_ok(try_delete(fixture, "key"));
    expect_absent(fixture, "key");
    assert_int_equal(try_delete(fixture, "key"), ARMDB_NOT_FOUND);
    assert_int_equal(stats_of(fixture).newest_sequence, 3);
    assert_int_equal(stats_of(fixture).puts, 2);
    assert_int_equal(stats_of(fixture).deletes, 1);
    kill_and_restart(fixture);
    expect_absent(fixture, "key");
    assert_int_equal(fixture->recovery.records, 3);
}

static void
test_shard_write__dropped_collection__is_refused(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    adb_shard_lock(fixture->shard);
    atomic_store(&fixture->index.is_dropped, true);
    adb_shard_unlock(fixture->shard);
    assert_int_equal(try_put(fixture, "key", "value", ARMDB_WRITTEN), ARMDB_NO_COLLECTION);
    assert_int_equal(try_delete(fixture, "key"), ARMDB_NO_COLLECTION);
    assert_int_equal(stats_of(fixture).newest_sequence, 1);
    atomic_store(&fixture->index.is_dropped, false);
}

static void
test_shard_write__no_memory_for_the_index__changes_nothing(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char key[16];
    put(fixture, "key", "value", ARMDB_WRITTEN);
    unsigned refused = 0;
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        adb_mem_fail_at(1, true);
        armdb_err err = try_put(fixture, key, "value", ARMDB_BUFFERED);
        adb_mem_fail_at(0, false);
        if (err == ARMDB_OK)
            continue;
        assert_int_equal(err, ARMDB_NO_MEMORY);
        refused++;
        expect_absent(fixture, key);
        uint64_t sequence = stats_of(fixture).newest_sequence;
        put(fixture, key, "value", ARMDB_BUFFERED);
        assert_int_equal(stats_of(fixture).newest_sequence, sequence + 1);
    }
    assert_int_equal(adb_index_count(&fixture->index.keys), 2001);
    assert_int_equal(stats_of(fixture).failure, ARMDB_OK);
    reopen_shard(fixture);
    assert_int_equal(adb_index_count(&fixture->index.keys), 2001);
    (void)refused; /* how often memory is asked for is the page pool's business */
}

/* ------------------------------------------------------------------- rotation */

static void
test_shard_write__full_file__is_sealed_and_synced_and_a_new_one_begun(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put_long(fixture, "a", 40000, ARMDB_WRITTEN);
    assert_int_equal(stats_of(fixture).files, 1);
    put_long(fixture, "b", 40000, ARMDB_WRITTEN);
    assert_int_equal(stats_of(fixture).files, 2);
    assert_true(sim_file_exists(fixture->sim, FILE_PATH(2)));
    assert_int_equal(stats_of(fixture).synced_sequence, 1);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    restart_shard(fixture);
    expect_long(fixture, "a", 40000);
    expect_absent(fixture, "b");
}

static void
test_shard_write__files__stay_below_their_limit(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char path[128];
    struct test_rng rng = test_rng_fork(test_seed(), 2);
    for (int i = 0; i < 1000; i++)
        put_long(fixture, "key", test_rng_below(&rng, 3000), ARMDB_BUFFERED);
    uint64_t files = stats_of(fixture).files;
    assert_true(files > 10);
    for (unsigned i = 1; i <= files; i++) {
        snprintf(path, sizeof path, SHARD_PATH "/%010u.log", i);
        assert_true(sim_file_size(fixture->sim, path) <= 65536 + MARK_BYTES);
        if (i < files)
            assert_true(sim_file_size(fixture->sim, path) > 65536 - 3200);
    }
}

static void
test_shard_write__record_longer_than_a_file__gets_one_of_its_own(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put_long(fixture, "small", 10, ARMDB_WRITTEN);
    put_long(fixture, "large", 300000, ARMDB_WRITTEN);
    put_long(fixture, "huge", 900000, ARMDB_WRITTEN); /* aligned in its file */
    put_long(fixture, "after", 10, ARMDB_WRITTEN);
    assert_int_equal(stats_of(fixture).files, 4);
    kill_and_restart(fixture);
    expect_long(fixture, "large", 300000);
    expect_long(fixture, "huge", 900000);
    expect_long(fixture, "after", 10);
}

static void
test_shard_write__file_ids__go_on_after_each_open(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    for (int round = 1; round <= 4; round++) {
        put_long(fixture, "key", 60000, ARMDB_WRITTEN);
        assert_int_equal(stats_of(fixture).files, round);
        reopen_shard(fixture);
    }
    assert_true(sim_file_exists(fixture->sim, FILE_PATH(4)));
    assert_false(sim_file_exists(fixture->sim, FILE_PATH(5)));
}

/* Small files and a long life: ids outgrow every width that a location could have for them. */
static void
test_shard_write__file_ids_of_more_than_16_and_32_bits__are_read_and_recovered(void **state)
{
    static const uint64_t last_before[] = {UINT64_C(0xfffe), UINT64_C(0xfffffffe)};
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char key[24];
    for (size_t width = 0; width < 2; width++) {
        fixture->shard->newest_file_id = last_before[width];
        for (uint32_t i = 0; i < 4; i++) {
            snprintf(key, sizeof key, "%u-%u", (unsigned)width, (unsigned)i);
            rotate_shard(fixture);
            put_long(fixture, key, 1000 + 4 * width + i, ARMDB_WRITTEN);
        }
        assert_int_equal(fixture->shard->newest_file_id, last_before[width] + 4);
        for (int round = 0; round < 3; round++) {
            for (uint32_t i = 0; i < 4 * (width + 1); i++) {
                snprintf(key, sizeof key, "%u-%u", (unsigned)(i / 4), (unsigned)(i % 4));
                expect_long(fixture, key, 1000 + i);
            }
            if (round == 0)
                kill_and_restart(fixture); /* reads the files */
            else if (round == 1)
                reopen_shard(fixture); /* and the hints */
        }
    }
    assert_true(sim_file_exists(fixture->sim, SHARD_PATH "/0000065538.log"));
    assert_true(sim_file_exists(fixture->sim, SHARD_PATH "/4294967298.log"));
}

static void
test_shard_write__new_file_cannot_be_made__refuses_and_tries_again(void **state)
{
    static const uint32_t operations[] = {SIM_BIT(SIM_OP_CREATE), SIM_BIT(SIM_OP_RENAME),
                                          SIM_BIT(SIM_OP_SYNC_DIR)};
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put_long(fixture, "old", 60000, ARMDB_WRITTEN);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        set_fault(fixture, SIM_FAULT_ERROR, operations[i], 1, true);
        for (int again = 0; again < 2; again++)
            assert_int_equal(try_put_long(fixture, "new", 60000, ARMDB_WRITTEN), ARMDB_IO);
        expect_absent(fixture, "new");
        expect_long(fixture, "old", 60000);
        assert_int_equal(stats_of(fixture).failure, ARMDB_OK);
        assert_ok(adb_shard_sync(fixture->shard));
        sim_clear_fault(fixture->sim);
    }
    put_long(fixture, "new", 60000, ARMDB_WRITTEN);
    assert_int_equal(stats_of(fixture).files, 2);
    kill_and_restart(fixture);
    expect_long(fixture, "new", 60000);
    expect_long(fixture, "old", 60000);
}

static void
test_shard_write__no_new_file_and_then_the_end__opens_again(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put_long(fixture, "old", 60000, ARMDB_WRITTEN);
    set_fault(fixture, SIM_FAULT_ERROR, SIM_BIT(SIM_OP_CREATE), 1, false);
    assert_int_equal(try_put_long(fixture, "new", 60000, ARMDB_WRITTEN), ARMDB_IO);
    reopen_shard(fixture); /* its newest file is sealed */
    expect_long(fixture, "old", 60000);
    put_long(fixture, "new", 60000, ARMDB_WRITTEN);
    kill_and_restart(fixture);
    expect_long(fixture, "new", 60000);
}

static void
test_shard_write__more_files_than_slots__is_a_limit_and_nothing_breaks(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put_long(fixture, "old", 60000, ARMDB_WRITTEN);
    fixture->shard->file_count = LOCATION_SLOTS; /* making so many would take too long */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(try_put_long(fixture, "new", 60000, ARMDB_WRITTEN), ARMDB_LIMIT);
        expect_message(ARMDB_LIMIT, "max_file_bytes");
    }
    put(fixture, "fits", "value", ARMDB_WRITTEN);
    fixture->shard->file_count = 1;
    assert_int_equal(stats_of(fixture).failure, ARMDB_OK);
    expect_absent(fixture, "new");
    reopen_shard(fixture);
    expect_get(fixture, "fits", "value");
    expect_long(fixture, "old", 60000);
}

/* ---------------------------------------------------------------------- space */

static void
test_shard_write__no_space_to_reserve__refuses_whole_and_works_later(void **state)
{
    static const armdb_durability levels[] = {ARMDB_BUFFERED, ARMDB_WRITTEN, ARMDB_SYNCED};
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    for (int i = 0; i < 3; i++) {
        sim_set_capacity(fixture->sim, sim_used_bytes(fixture->sim));
        armdb_err err = ARMDB_OK;
        int written = 0;
        for (; err == ARMDB_OK && written < 1000; written++)
            err = try_put_long(fixture, "fill", 1000, levels[i]);
        assert_int_equal(err, ARMDB_NO_SPACE);
        assert_int_equal(try_put_long(fixture, "new", 40000, levels[i]), ARMDB_NO_SPACE);
        assert_int_equal(stats_of(fixture).failure, ARMDB_OK);
        expect_absent(fixture, "new");
        expect_get(fixture, "key", "value");
        sim_set_capacity(fixture->sim, UINT64_MAX);
        put_long(fixture, "new", 40000, levels[i]);
        expect_long(fixture, "new", 40000);
        put(fixture, "key", "value", levels[i]);
        assert_ok(try_delete(fixture, "new"));
    }
    reopen_shard(fixture);
    expect_absent(fixture, "new");
    expect_get(fixture, "key", "value");
    expect_long(fixture, "fill", 1000);
}

/* As on a file system that cannot reserve: the write call is what fails. */
static void
test_shard_write__no_space_in_the_write_call__takes_the_record_back(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    for (uint64_t round = 0; round < 20; round++) {
        put(fixture, "buffered", "value", ARMDB_BUFFERED);
        uint64_t sequence = stats_of(fixture).newest_sequence;
        const struct sim_fault fault = {
            .kind = SIM_FAULT_NO_SPACE, .ops = SIM_WRITES, .fail_at = 1, .seed = round};
        sim_set_fault(fixture->sim, &fault);
        assert_int_equal(try_put_long(fixture, "refused", 50 + round, ARMDB_WRITTEN),
                         ARMDB_NO_SPACE);
        expect_absent(fixture, "refused");
        assert_int_equal(stats_of(fixture).newest_sequence, sequence);
        expect_get(fixture, "buffered", "value");
        put_long(fixture, "other", 70 - round, ARMDB_WRITTEN);
        expect_long(fixture, "other", 70 - round);
        expect_get(fixture, "buffered", "value");
        kill_and_restart(fixture);
        expect_absent(fixture, "refused");
        expect_long(fixture, "other", 70 - round);
        expect_get(fixture, "buffered", "value");
    }
}

static void
test_shard_write__no_space_for_a_record_larger_than_the_buffer__refuses_it(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_BUFFERED);
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 2, false); /* the first flushes "key" */
    assert_int_equal(try_put_long(fixture, "large", 30000, ARMDB_BUFFERED), ARMDB_NO_SPACE);
    expect_absent(fixture, "large");
    put(fixture, "next", "value", ARMDB_WRITTEN);
    put_long(fixture, "large", 20001, ARMDB_BUFFERED);
    kill_and_restart(fixture);
    expect_get(fixture, "next", "value");
    expect_get(fixture, "key", "value");
    expect_long(fixture, "large", 20001);
}

static void
test_shard_write__no_space_for_the_seal__loses_nothing_on_closing(void **state)
{
    /* A record is exactly as long as the SEAL that was taken back, and stands in its place. */
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put_long(fixture, "old", 50000, ARMDB_SYNCED);
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 1, false);
    assert_int_equal(try_put_long(fixture, "large", 30000, ARMDB_WRITTEN), ARMDB_NO_SPACE);
    put(fixture, "ten bytes.", "of key & v", ARMDB_BUFFERED);
    reopen_shard(fixture);
    expect_get(fixture, "ten bytes.", "of key & v");
    expect_long(fixture, "old", 50000);
}

/* ------------------------------------------------------------------- failures */

static void
test_shard_write__failed_write_call__fences_the_shard(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    set_fault(fixture, SIM_FAULT_ERROR, SIM_WRITES, 1, false);
    assert_int_equal(try_put(fixture, "key", "lost", ARMDB_WRITTEN), ARMDB_IO);
    expect_get(fixture, "key", "value"); /* readers never saw it */
    assert_int_equal(try_put(fixture, "key", "more", ARMDB_BUFFERED), ARMDB_FAILED);
    expect_message(ARMDB_FAILED, "shard 3 refuses writes");
    assert_int_equal(adb_err_detail()->offset, stats_of(fixture).failure_detail.offset);
    assert_int_equal(try_delete(fixture, "key"), ARMDB_FAILED);
    assert_int_equal(adb_shard_flush(fixture->shard), ARMDB_FAILED);
    assert_int_equal(adb_shard_sync(fixture->shard), ARMDB_FAILED);
    assert_int_equal(adb_shard_finish(fixture->shard), ARMDB_FAILED);
    assert_int_equal(stats_of(fixture).failure, ARMDB_IO);
    sim_kill(fixture->sim);
    restart_shard(fixture);
    expect_get(fixture, "key", "value");
    put(fixture, "key", "again", ARMDB_WRITTEN);
}

static void
test_shard_write__failed_sync_of_a_sealed_file__fences_the_shard(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put_long(fixture, "old", 50000, ARMDB_WRITTEN);
    set_fault(fixture, SIM_FAULT_SYNC, SIM_SYNCS, 1, false);
    assert_int_equal(try_put_long(fixture, "new", 50000, ARMDB_WRITTEN), ARMDB_IO);
    assert_int_equal(try_put_long(fixture, "new", 50000, ARMDB_WRITTEN), ARMDB_FAILED);
    expect_long(fixture, "old", 50000);
    assert_int_equal(stats_of(fixture).synced_sequence, 0);
}

static void
test_shard_write__fence__tells_the_first_reason(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    assert_int_equal(adb_fail_at(ARMDB_IO, "store", "/db/MANIFEST", 7, "first"), ARMDB_IO);
    adb_shard_fence(fixture->shard);
    assert_int_equal(adb_fail(ARMDB_NO_SPACE, "other", "second"), ARMDB_NO_SPACE);
    adb_shard_fence(fixture->shard);
    assert_int_equal(try_put(fixture, "key", "value", ARMDB_BUFFERED), ARMDB_FAILED);
    expect_message(ARMDB_FAILED, "first");
    assert_string_equal(adb_err_detail()->file, "/db/MANIFEST");
    assert_int_equal(adb_err_detail()->offset, 7);
    struct shard_stats stats = stats_of(fixture);
    assert_int_equal(stats.failure, ARMDB_IO);
    assert_string_equal(stats.failure_detail.message, "first");
}

/* ---------------------------------------------------------------- shared buffer */

static void
test_shard_write__shared_written__makes_no_call_and_survives_a_kill(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char key[16];
    put(fixture, "first", "reserves space", ARMDB_WRITTEN);
    uint64_t operations = sim_op_count(fixture->sim, SIM_ALL);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "%d", i);
        put(fixture, key, key, ARMDB_WRITTEN);
    }
    assert_int_equal(sim_op_count(fixture->sim, SIM_ALL), operations);
    assert_int_equal(stats_of(fixture).writes, 0);
    kill_and_restart(fixture);
    assert_int_equal(fixture->recovery.records, 101);
    expect_get(fixture, "99", "99");
}

static void
test_shard_write__shared_and_killed_after_each_write__loses_none(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct test_rng rng = test_rng_fork(test_seed(), 31);
    size_t lengths[20] = {0};
    char key[16];
    for (int i = 0; i < 200; i++) { /* around windows, rotations, records larger than a window */
        unsigned number = (unsigned)test_rng_below(&rng, 20);
        lengths[number] = 1 + test_rng_below(&rng, test_rng_one_in(&rng, 8) ? 60000 : 3000);
        snprintf(key, sizeof key, "k%u", number);
        put_long(fixture, key, lengths[number],
                 test_rng_one_in(&rng, 20) ? ARMDB_SYNCED : ARMDB_WRITTEN);
        if (test_rng_one_in(&rng, 2))
            continue;
        uint64_t sequence = stats_of(fixture).newest_sequence;
        kill_and_restart(fixture);
        assert_int_equal(stats_of(fixture).newest_sequence, sequence);
        for (number = 0; number < 20; number++) {
            snprintf(key, sizeof key, "k%u", number);
            if (lengths[number] > 0)
                expect_long(fixture, key, lengths[number]);
        }
    }
    assert_true(stats_of(fixture).files > 5);
}

static void
test_shard_write__shared_and_no_space_to_flush__takes_back_one_and_keeps_the_others(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "written", "kept", ARMDB_WRITTEN);
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 1, true);
    assert_int_equal(try_put(fixture, "synced", "refused", ARMDB_SYNCED), ARMDB_NO_SPACE);
    put(fixture, "later", "kept too", ARMDB_WRITTEN); /* needs no call */
    expect_absent(fixture, "synced");
    sim_clear_fault(fixture->sim);
    kill_and_restart(fixture);
    expect_get(fixture, "written", "kept");
    expect_get(fixture, "later", "kept too");
    expect_absent(fixture, "synced");
    assert_int_equal(fixture->recovery.records, 2);
}

static void
test_shard_write__shared_and_closed__leaves_no_buffer(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    assert_true(sim_file_exists(fixture->sim, SHARD_PATH "/buffer"));
    close_shard(fixture);
    assert_false(sim_file_exists(fixture->sim, SHARD_PATH "/buffer"));
    fixture->is_shared = false; /* the next life goes without, and finds all */
    open_shard(fixture);
    expect_get(fixture, "key", "value");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SHARD_TEST(test_shard_write__verbs__change_the_index_and_the_log),
        SHARD_TEST(test_shard_write__dropped_collection__is_refused),
        SHARD_TEST(test_shard_write__no_memory_for_the_index__changes_nothing),
        SHARD_TEST(test_shard_write__full_file__is_sealed_and_synced_and_a_new_one_begun),
        SHARD_TEST(test_shard_write__files__stay_below_their_limit),
        SHARD_TEST(test_shard_write__record_longer_than_a_file__gets_one_of_its_own),
        SHARD_TEST(test_shard_write__file_ids__go_on_after_each_open),
        SHARD_TEST(test_shard_write__file_ids_of_more_than_16_and_32_bits__are_read_and_recovered),
        SHARD_TEST(test_shard_write__new_file_cannot_be_made__refuses_and_tries_again),
        SHARD_TEST(test_shard_write__no_new_file_and_then_the_end__opens_again),
        SHARD_TEST(test_shard_write__more_files_than_slots__is_a_limit_and_nothing_breaks),
        SHARD_TEST(test_shard_write__no_space_to_reserve__refuses_whole_and_works_later),
        SHARD_TEST(test_shard_write__no_space_in_the_write_call__takes_the_record_back),
        SHARD_TEST(test_shard_write__no_space_for_a_record_larger_than_the_buffer__refuses_it),
        SHARD_TEST(test_shard_write__no_space_for_the_seal__loses_nothing_on_closing),
        SHARD_TEST(test_shard_write__failed_write_call__fences_the_shard),
        SHARD_TEST(test_shard_write__failed_sync_of_a_sealed_file__fences_the_shard),
        SHARD_TEST(test_shard_write__fence__tells_the_first_reason),
        SHARED_TEST(test_shard_write__shared_written__makes_no_call_and_survives_a_kill),
        SHARED_TEST(test_shard_write__shared_and_killed_after_each_write__loses_none),
        SHARED_TEST(
            test_shard_write__shared_and_no_space_to_flush__takes_back_one_and_keeps_the_others),
        SHARED_TEST(test_shard_write__shared_and_closed__leaves_no_buffer),
    };
    return cmocka_run_group_tests_name("shard/shard_write", tests, NULL, NULL);
}
