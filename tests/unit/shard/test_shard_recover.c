/* From files to an index: whole logs, torn ends, and every kind of damage. */
#include "shard_fixture.h"

/* ------------------------------------------------------------------- helpers */

static void
stop(struct shard_fixture *fixture)
{
    sim_kill(fixture->sim);
    adb_shard_close(fixture->shard);
    fixture->shard = NULL;
    fixture->os = sim_os(fixture->sim);
}

/* Opening fails, says where, and changes nothing. */
static void
expect_damage(struct shard_fixture *fixture, armdb_err err, const char *file, uint64_t offset,
              const char *message)
{
    uint64_t digest = sim_digest(fixture->sim);
    assert_int_equal(try_open(fixture), err);
    expect_message(err, message);
    assert_string_equal(adb_err_detail()->file, file);
    assert_int_equal(adb_err_detail()->offset, offset);
    assert_null(fixture->shard);
    assert_int_equal(sim_open_count(fixture->sim), 0);
    assert_int_equal(sim_digest(fixture->sim), digest);
}

/* "a" in the first file, "b" in the second, "c" in the third; closed. */
static void
make_three_files(struct shard_fixture *fixture)
{
    put_long(fixture, "a", 60000, ARMDB_WRITTEN);
    put_long(fixture, "b", 60000, ARMDB_WRITTEN);
    put_long(fixture, "c", 60000, ARMDB_WRITTEN);
    assert_int_equal(stats_of(fixture).files, 3);
    close_shard(fixture);
}

static char *
take_file(struct shard_fixture *fixture, const char *path, size_t *len)
{
    char *bytes = sim_read_file(fixture->sim, path, len);
    assert_non_null(bytes);
    return bytes;
}

/* Changes bytes of a file header and puts its checksum right. */
static void
patch_header(struct shard_fixture *fixture, const char *path, size_t at, const void *from,
             size_t len)
{
    size_t size;
    char *bytes = take_file(fixture, path, &size);
    unsigned char *header = (unsigned char *)bytes;
    memcpy(header + at, from, len);
    adb_store_u32(header + 60, adb_crc32c(0, header, 60));
    sim_write_file(fixture->sim, path, bytes, size);
    free(bytes);
}

/* ----------------------------------------------------------------- whole logs */

static void
test_shard_recover__no_records__is_empty(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    reopen_shard(fixture);
    assert_int_equal(fixture->recovery.records, 0);
    assert_int_equal(fixture->recovery.cut_bytes, 0);
}

static void
test_shard_recover__random_history__gives_the_last_versions(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct test_rng rng = test_rng_fork(test_seed(), 4);
    size_t lengths[30];
    bool is_there[30] = {false};
    char key[16];
    for (unsigned round = 0; round < 8; round++) {
        for (int i = 0; i < 200; i++) {
            unsigned number = (unsigned)test_rng_below(&rng, 30);
            snprintf(key, sizeof key, "k%u", number);
            if (is_there[number] && test_rng_one_in(&rng, 3)) {
                assert_ok(
                    try_write(fixture, SHARD_DELETE, armdb_str(key), armdb_str(""), ARMDB_WRITTEN));
                is_there[number] = false;
                continue;
            }
            lengths[number] = test_rng_below(&rng, 2500);
            put_long(fixture, key, lengths[number], ARMDB_WRITTEN);
            is_there[number] = true;
        }
        struct shard_stats before = stats_of(fixture);
        if (round % 2 == 0)
            kill_and_restart(fixture);
        else
            reopen_shard(fixture);
        assert_int_equal(stats_of(fixture).newest_sequence, before.newest_sequence);
        assert_int_equal(stats_of(fixture).dead_bytes, before.dead_bytes);
        assert_int_equal(fixture->recovery.records, before.newest_sequence);
        for (unsigned number = 0; number < 30; number++) {
            snprintf(key, sizeof key, "k%u", number);
            if (is_there[number])
                expect_long(fixture, key, lengths[number]);
            else
                expect_absent(fixture, key);
        }
    }
}

static void
test_shard_recover__sequence__goes_on(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    for (uint64_t i = 1; i <= 10; i++) {
        put(fixture, "key", "value", ARMDB_WRITTEN);
        assert_int_equal(stats_of(fixture).newest_sequence, i);
        kill_and_restart(fixture);
        assert_int_equal(stats_of(fixture).newest_sequence, i);
        assert_int_equal(stats_of(fixture).synced_sequence, i); /* opening syncs what it found */
    }
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    restart_shard(fixture);
    assert_int_equal(stats_of(fixture).newest_sequence, 10);
}

static void
test_shard_recover__records_of_a_dropped_collection__are_dead(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    fixture->index.collection_id = DROPPED;
    put(fixture, "other", "value", ARMDB_WRITTEN);
    reopen_shard(fixture);
    expect_get(fixture, "key", "value");
    expect_absent(fixture, "other");
    assert_int_equal(stats_of(fixture).dead_bytes, 32);
    assert_int_equal(fixture->recovery.records, 2);
}

static void
test_shard_recover__collection_that_never_was__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    fixture->index.collection_id = DROPPED + 1;
    put(fixture, "other", "value", ARMDB_WRITTEN);
    stop(fixture);
    expect_damage(fixture, ARMDB_CORRUPT, FILE_PATH(1), 96, "never was");
}

static const char *
find_fixed(void *context, const struct shard_origin *origin, struct shard_index **index_out)
{
    const char *why_not = find_index(context, origin, index_out);
    if (*index_out != NULL)
        (*index_out)->key_bytes = 4;
    return why_not;
}

static void
test_shard_recover__key_of_a_wrong_length__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "four", "value", ARMDB_WRITTEN);
    put(fixture, "three", "value", ARMDB_WRITTEN);
    stop(fixture);
    fixture->config.os = fixture->os;
    assert_int_equal(
        open_one(&fixture->config, find_fixed, fixture, &fixture->recovery, &fixture->shard),
        ARMDB_CORRUPT);
    expect_message(ARMDB_CORRUPT, "a key of 5 bytes");
    assert_int_equal(adb_err_detail()->offset, 96);
}

/* ------------------------------------------------------------------ torn ends */

static void
test_shard_recover__file_cut_anywhere__keeps_the_whole_records(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    char key[16];
    for (int i = 0; i < 4; i++) { /* records of 32 bytes, from 64 on */
        snprintf(key, sizeof key, "key%d", i);
        put(fixture, key, "val", ARMDB_WRITTEN);
    }
    stop(fixture);
    size_t len;
    char *whole = take_file(fixture, FILE_PATH(1), &len);
    assert_int_equal(len, HEADER_BYTES + 4 * 32);
    for (size_t cut = HEADER_BYTES; cut <= len; cut++) {
        size_t records = (cut - HEADER_BYTES) / 32;
        sim_write_file(fixture->sim, FILE_PATH(1), whole, cut);
        open_shard(fixture);
        assert_int_equal(fixture->recovery.records, records);
        assert_int_equal(adb_index_count(&fixture->index.keys), records);
        assert_int_equal(sim_file_size(fixture->sim, FILE_PATH(1)), HEADER_BYTES + records * 32);
        put(fixture, "more", "value", ARMDB_WRITTEN);
        kill_and_restart(fixture);
        assert_int_equal(adb_index_count(&fixture->index.keys), records + 1);
        stop(fixture);
    }
    free(whole);
}

static void
test_shard_recover__rubbish_behind_the_end__is_cut(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct test_rng rng = test_rng_fork(test_seed(), 5);
    put(fixture, "key", "value", ARMDB_WRITTEN);
    stop(fixture);
    size_t len;
    char *whole = take_file(fixture, FILE_PATH(1), &len);
    for (size_t more = 1; more < 200; more++) {
        char *longer = (char *)calloc(1, len + more);
        assert_non_null(longer);
        memcpy(longer, whole, len);
        test_rng_fill(&rng, longer + len, more);
        longer[len] |= 1; /* not all zero */
        sim_write_file(fixture->sim, FILE_PATH(1), longer, len + more);
        free(longer);
        open_shard(fixture);
        assert_int_equal(fixture->recovery.cut_bytes, more);
        assert_int_equal(sim_file_size(fixture->sim, FILE_PATH(1)), len);
        stop(fixture);
    }
    free(whole);
}

static void
test_shard_recover__zeros_behind_the_end__are_reserved_space(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    stop(fixture);
    sim_truncate_file(fixture->sim, FILE_PATH(1), 50000);
    open_shard(fixture);
    assert_int_equal(fixture->recovery.cut_bytes, 0);
    assert_int_equal(sim_file_size(fixture->sim, FILE_PATH(1)), HEADER_BYTES + 32);
    put(fixture, "more", "value", ARMDB_WRITTEN);
    kill_and_restart(fixture);
    expect_get(fixture, "more", "value");
}

static void
test_shard_recover__cut__is_durable_before_anything_follows(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    put_long(fixture, "torn", 5000, ARMDB_WRITTEN);
    stop(fixture);
    sim_truncate_file(fixture->sim, FILE_PATH(1), 3000);
    open_shard(fixture);
    put(fixture, "short", "value", ARMDB_WRITTEN);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    restart_shard(fixture);
    assert_int_equal(fixture->recovery.cut_bytes, 0);
    expect_get(fixture, "key", "value");
    expect_absent(fixture, "torn");
}

static void
test_shard_recover__error_while_cutting__can_be_repeated(void **state)
{
    static const uint32_t operations[] = {SIM_BIT(SIM_OP_TRUNCATE), SIM_SYNCS};
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    put(fixture, "torn", "value", ARMDB_WRITTEN);
    stop(fixture);
    sim_truncate_file(fixture->sim, FILE_PATH(1), HEADER_BYTES + 32 + 5);
    for (int i = 0; i < 2; i++) {
        set_fault(fixture, SIM_FAULT_ERROR, operations[i], 1, false);
        assert_int_equal(try_open(fixture), ARMDB_IO);
        assert_int_equal(sim_open_count(fixture->sim), 0);
    }
    open_shard(fixture);
    expect_get(fixture, "key", "value");
}

static void
test_shard_recover__temporary_files__are_swept(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    stop(fixture);
    sim_write_file(fixture->sim, FILE_PATH(2) ".tmp", "half a header", 13);
    open_shard(fixture);
    assert_false(sim_file_exists(fixture->sim, FILE_PATH(2) ".tmp"));
}

static void
test_shard_recover__sealed_newest_file__goes_on_in_a_new_one(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put_long(fixture, "a", 60000, ARMDB_WRITTEN);
    put_long(fixture, "b", 60000, ARMDB_WRITTEN);
    stop(fixture);
    sim_remove_file(fixture->sim, FILE_PATH(2)); /* the crash came before it had its name */
    open_shard(fixture);
    expect_long(fixture, "a", 60000);
    assert_int_equal(stats_of(fixture).files, 1);
    put(fixture, "key", "value", ARMDB_WRITTEN);
    assert_int_equal(stats_of(fixture).files, 2);
    kill_and_restart(fixture);
    expect_get(fixture, "key", "value");
}

/* --------------------------------------------------------------------- damage */

static void
test_shard_recover__flipped_byte_in_a_sealed_file__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    make_three_files(fixture);
    uint64_t size = sim_file_size(fixture->sim, FILE_PATH(1));
    for (uint64_t at = 0; at < size; at += at < 200 || at > size - 60 ? 1 : 997) {
        uint64_t found_at = at < HEADER_BYTES        ? 0
                            : at < size - MARK_BYTES ? HEADER_BYTES
                                                     : size - MARK_BYTES;
        sim_corrupt(fixture->sim, FILE_PATH(1), at, 0x04);
        expect_damage(fixture, ARMDB_CORRUPT, FILE_PATH(1), found_at, "");
        sim_corrupt(fixture->sim, FILE_PATH(1), at, 0x04);
    }
    open_shard(fixture);
    expect_long(fixture, "a", 60000);
}

static void
test_shard_recover__flipped_byte_before_a_mark_of_the_newest_file__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key1", "value", ARMDB_WRITTEN);
    put(fixture, "key2", "value", ARMDB_WRITTEN);
    close_shard(fixture); /* ends with a MARK */
    for (uint64_t at = HEADER_BYTES; at < HEADER_BYTES + 64; at++) {
        sim_corrupt(fixture->sim, FILE_PATH(1), at, 0x80);
        expect_damage(fixture, ARMDB_CORRUPT, FILE_PATH(1), at < HEADER_BYTES + 32 ? 64 : 96, "");
        sim_corrupt(fixture->sim, FILE_PATH(1), at, 0x80);
    }
    open_shard(fixture);
    expect_get(fixture, "key2", "value");
}

static void
test_shard_recover__truncated_sealed_file__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    size_t len;
    make_three_files(fixture);
    char *whole = take_file(fixture, FILE_PATH(2), &len);
    for (size_t cut = 0; cut < len; cut += cut < 200 || cut > len - 60 ? 1 : 1009) {
        sim_write_file(fixture->sim, FILE_PATH(2), whole, cut);
        uint64_t found_at = cut < HEADER_BYTES        ? 0
                            : cut < len - MARK_BYTES  ? HEADER_BYTES
                            : cut == len - MARK_BYTES ? cut
                                                      : len - MARK_BYTES;
        if (cut == HEADER_BYTES)
            found_at = HEADER_BYTES;
        expect_damage(fixture, ARMDB_CORRUPT, FILE_PATH(2), found_at, "");
    }
    free(whole);
}

static void
test_shard_recover__zero_length_or_short_file__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    stop(fixture);
    size_t len;
    char *whole = take_file(fixture, FILE_PATH(1), &len);
    for (size_t cut = 0; cut < HEADER_BYTES; cut++) {
        sim_write_file(fixture->sim, FILE_PATH(1), whole, cut);
        expect_damage(fixture, ARMDB_CORRUPT, FILE_PATH(1), 0, "too short for a header");
    }
    free(whole);
}

static void
test_shard_recover__missing_file__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    size_t len;
    make_three_files(fixture);
    char *first = take_file(fixture, FILE_PATH(1), &len);
    sim_remove_file(fixture->sim, FILE_PATH(1));
    expect_damage(fixture, ARMDB_CORRUPT, FILE_PATH(2), 0, "goes on from record 1");
    sim_write_file(fixture->sim, FILE_PATH(1), first, len);
    sim_remove_file(fixture->sim, FILE_PATH(2));
    expect_damage(fixture, ARMDB_CORRUPT, FILE_PATH(3), 0, "goes on from record 2");
    free(first);
}

static void
test_shard_recover__foreign_or_misplaced_file__is_corrupt(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    const uint32_t shard = 4;
    const uint64_t file_id = 8;
    size_t len;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    stop(fixture);
    char *whole = take_file(fixture, FILE_PATH(1), &len);
    patch_header(fixture, FILE_PATH(1), 24, "another database", 16);
    expect_damage(fixture, ARMDB_CORRUPT, FILE_PATH(1), 24, "foreign file");
    sim_write_file(fixture->sim, FILE_PATH(1), whole, len);
    patch_header(fixture, FILE_PATH(1), 12, &shard, sizeof shard);
    expect_damage(fixture, ARMDB_CORRUPT, FILE_PATH(1), 12, "misplaced file");
    sim_write_file(fixture->sim, FILE_PATH(1), whole, len);
    patch_header(fixture, FILE_PATH(1), 16, &file_id, sizeof file_id);
    expect_damage(fixture, ARMDB_CORRUPT, FILE_PATH(1), 12, "it is file 8 of shard 3");
    sim_write_file(fixture->sim, FILE_PATH(1), whole, len);
    sim_write_file(fixture->sim, FILE_PATH(2), whole, len);
    assert_int_equal(try_open(fixture), ARMDB_CORRUPT); /* the same file under two names */
    sim_remove_file(fixture->sim, FILE_PATH(2));
    free(whole);
    open_shard(fixture);
    expect_get(fixture, "key", "value");
}

static void
test_shard_recover__newer_format__is_a_format_error(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    const uint32_t version = LOG_FORMAT_VERSION + 1;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    stop(fixture);
    patch_header(fixture, FILE_PATH(1), 8, &version, sizeof version);
    expect_damage(fixture, ARMDB_FORMAT, FILE_PATH(1), 8, "version 4 is newer");
}

static void
test_shard_recover__unreadable_file__is_an_io_error(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    unsigned hints = 0;
    make_three_files(fixture);
    for (uint64_t n = 1;; n++) {
        set_fault(fixture, SIM_FAULT_ERROR, SIM_READS | SIM_OPENS, n, false);
        armdb_err err = try_open(fixture);
        if (!sim_fault_fired(fixture->sim)) {
            assert_ok(err);
            break;
        }
        if (err == ARMDB_OK) { /* it was the looking for a hint */
            hints++;
            expect_long(fixture, "a", 60000);
            expect_long(fixture, "c", 60000);
            close_shard(fixture);
            continue;
        }
        assert_int_equal(err, ARMDB_IO);
        assert_int_equal(sim_open_count(fixture->sim), 0);
    }
    sim_clear_fault(fixture->sim);
    assert_int_equal(hints, 3);
    expect_long(fixture, "a", 60000);
    expect_long(fixture, "c", 60000);
}

/* ---------------------------------------------------------------- shared buffer */

static void
test_shard_recover__killed_again_before_it_goes_on__salvages_the_same(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "a", "1", ARMDB_WRITTEN);
    put(fixture, "b", "2", ARMDB_WRITTEN);
    fixture->is_shared = false;
    for (int i = 0; i < 3; i++) {
        kill_and_restart(fixture);
        assert_int_equal(fixture->recovery.records, 2);
        expect_get(fixture, "b", "2");
    }
    /* What was salvaged is durable: from now on nobody looks into the buffer for it. */
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    restart_shard(fixture);
    assert_int_equal(fixture->recovery.records, 2);
}

static void
test_shard_recover__no_space_to_salvage__is_an_error_and_works_later(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_WRITTEN);
    stop(fixture);
    for (int i = 0; i < 2; i++) {
        fixture->config.is_same_boot = i == 1;
        set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 1, true);
        assert_int_equal(try_open(fixture), ARMDB_NO_SPACE);
        sim_clear_fault(fixture->sim);
        assert_int_equal(sim_open_count(fixture->sim), 0);
    }
    open_shard(fixture);
    expect_get(fixture, "key", "value");
}

static void
test_shard_recover__seal_was_only_in_the_buffer__goes_on_in_a_new_file(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put_long(fixture, "a", 15000, ARMDB_WRITTEN);
    for (int i = 0; i < 4; i++)
        put_long(fixture, "b", 12000, ARMDB_WRITTEN);
    /* The process ends at each operation of the rotation. */
    for (uint64_t n = 1; n <= 12; n++) {
        struct sim *whole = fixture->sim;
        struct shard *shard = fixture->shard;
        struct adb_os *os = fixture->os;
        fixture->sim = sim_clone(whole);
        fixture->os = sim_os(fixture->sim);
        open_shard(fixture);
        set_fault(fixture, SIM_FAULT_CUT, SIM_ALL, n, false);
        armdb_err err = try_put_long(fixture, "c", 12000, ARMDB_WRITTEN);
        bool is_off = sim_is_off(fixture->sim);
        sim_power_cut_as(fixture->sim, SIM_CUT_KEEP, n);
        restart_shard(fixture);
        expect_long(fixture, "a", 15000);
        expect_long(fixture, "b", 12000);
        if (err == ARMDB_OK && !is_off)
            expect_long(fixture, "c", 12000);
        put_long(fixture, "d", 12000, ARMDB_SYNCED);
        kill_and_restart(fixture);
        expect_long(fixture, "d", 12000);
        adb_shard_close(fixture->shard);
        sim_free(fixture->sim);
        fixture->sim = whole;
        fixture->shard = shard;
        fixture->os = os;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SHARD_TEST(test_shard_recover__no_records__is_empty),
        SHARD_TEST(test_shard_recover__random_history__gives_the_last_versions),
        SHARD_TEST(test_shard_recover__sequence__goes_on),
        SHARD_TEST(test_shard_recover__records_of_a_dropped_collection__are_dead),
        SHARD_TEST(test_shard_recover__collection_that_never_was__is_corrupt),
        SHARD_TEST(test_shard_recover__key_of_a_wrong_length__is_corrupt),
        SHARD_TEST(test_shard_recover__file_cut_anywhere__keeps_the_whole_records),
        SHARD_TEST(test_shard_recover__rubbish_behind_the_end__is_cut),
        SHARD_TEST(test_shard_recover__zeros_behind_the_end__are_reserved_space),
        SHARD_TEST(test_shard_recover__cut__is_durable_before_anything_follows),
        SHARD_TEST(test_shard_recover__error_while_cutting__can_be_repeated),
        SHARD_TEST(test_shard_recover__temporary_files__are_swept),
        SHARD_TEST(test_shard_recover__sealed_newest_file__goes_on_in_a_new_one),
        SHARD_TEST(test_shard_recover__flipped_byte_in_a_sealed_file__is_corrupt),
        SHARD_TEST(test_shard_recover__flipped_byte_before_a_mark_of_the_newest_file__is_corrupt),
        SHARD_TEST(test_shard_recover__truncated_sealed_file__is_corrupt),
        SHARD_TEST(test_shard_recover__zero_length_or_short_file__is_corrupt),
        SHARD_TEST(test_shard_recover__missing_file__is_corrupt),
        SHARD_TEST(test_shard_recover__foreign_or_misplaced_file__is_corrupt),
        SHARD_TEST(test_shard_recover__newer_format__is_a_format_error),
        SHARD_TEST(test_shard_recover__unreadable_file__is_an_io_error),
        SHARED_TEST(test_shard_recover__killed_again_before_it_goes_on__salvages_the_same),
        SHARED_TEST(test_shard_recover__no_space_to_salvage__is_an_error_and_works_later),
        SHARED_TEST(test_shard_recover__seal_was_only_in_the_buffer__goes_on_in_a_new_file),
    };
    return cmocka_run_group_tests_name("shard/shard_recover", tests, NULL, NULL);
}
