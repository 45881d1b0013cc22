/* Many gets at once say what the same gets would say one by one. */
#include "db_fixture.h"

enum { READS = 100, ROOM = 64 };

struct reads {
    char keys[READS][16];
    char buffers[READS][ROOM];
    armdb_read at[READS];
};

/* Reads of key0 .. key99; every third one is there. */
static struct reads *
make_reads(struct collection *collection)
{
    struct reads *reads = (struct reads *)calloc(1, sizeof *reads);
    assert_non_null(reads);
    for (int i = 0; i < READS; i++) {
        snprintf(reads->keys[i], sizeof reads->keys[i], "key%d", i);
        if (i % 3 == 0)
            put(collection, reads->keys[i], reads->keys[i]);
        reads->at[i] = (armdb_read){.key = armdb_str(reads->keys[i]),
                                    .buffer = reads->buffers[i],
                                    .capacity = ROOM,
                                    .len = 77};
    }
    return reads;
}

static void
expect_reads(const struct reads *reads)
{
    for (int i = 0; i < READS; i++) {
        const armdb_read *read = &reads->at[i];
        assert_int_equal(read->err, i % 3 == 0 ? ARMDB_OK : ARMDB_NOT_FOUND);
        assert_int_equal(read->len, i % 3 == 0 ? strlen(reads->keys[i]) : 0);
        assert_memory_equal(read->buffer, reads->keys[i], read->len);
    }
}

static void
test_db_multi_get__keys_there_and_not__each_gets_its_own_answer(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct reads *reads = make_reads(fixture->collection);
    uint64_t gets = stats_of(fixture->db).gets;
    assert_ok(adb_db_multi_get(fixture->collection, reads->at, READS));
    expect_reads(reads);
    assert_int_equal(stats_of(fixture->db).gets, gets + READS);
    reopen_db(fixture); /* from the file, not the write buffer */
    assert_ok(adb_db_multi_get(fixture->collection, reads->at, READS));
    expect_reads(reads);
    assert_ok(adb_db_multi_get(fixture->collection, reads->at, 0));
    assert_ok(adb_db_multi_get(fixture->collection, NULL, 0));
    free(reads);
}

static void
test_db_multi_get__one_key_twice__is_answered_twice(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char first[8], second[8];
    armdb_read reads[2] = {{.key = armdb_str("a"), .buffer = first, .capacity = sizeof first},
                           {.key = armdb_str("a"), .buffer = second, .capacity = sizeof second}};
    put(fixture->collection, "a", "same");
    assert_ok(adb_db_multi_get(fixture->collection, reads, 2));
    assert_memory_equal(first, "same", 4);
    assert_memory_equal(second, "same", 4);
}

static void
test_db_multi_get__bad_reads_among_good_ones__spoil_nothing(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct reads *reads = make_reads(fixture->collection);
    reads->at[3].capacity = 2;
    reads->at[40].key.len = 0;
    assert_int_equal(adb_db_multi_get(fixture->collection, reads->at, READS),
                     ARMDB_BUFFER_TOO_SMALL);
    expect_detail(ARMDB_BUFFER_TOO_SMALL, "4 bytes", "room for 2", NULL);
    assert_int_equal(reads->at[3].err, ARMDB_BUFFER_TOO_SMALL);
    assert_int_equal(reads->at[3].len, 4);
    assert_int_equal(reads->at[40].err, ARMDB_KEY_LENGTH);
    assert_int_equal(reads->at[40].len, 0);
    assert_int_equal(reads->at[99].err, ARMDB_OK);
    assert_int_equal(reads->at[41].err, ARMDB_NOT_FOUND);
    free(reads);
}

static void
test_db_multi_get__several_failures__the_first_read_that_failed_is_told(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    char one;
    put(fixture->collection, "key", "value");
    armdb_read reads[3] = {{.key = armdb_str("not there")},
                           {.key = armdb_str("key"), .buffer = &one, .capacity = 1},
                           {.key = armdb_str("")}};
    assert_int_equal(adb_db_multi_get(fixture->collection, reads, 3), ARMDB_BUFFER_TOO_SMALL);
    expect_detail(ARMDB_BUFFER_TOO_SMALL, "5 bytes", NULL);
    assert_int_equal(reads[2].err, ARMDB_KEY_LENGTH);
    armdb_read swapped[2] = {reads[2], reads[1]};
    assert_int_equal(adb_db_multi_get(fixture->collection, swapped, 2), ARMDB_KEY_LENGTH);
    expect_detail(ARMDB_KEY_LENGTH, "0 bytes", NULL);
}

static void
test_db_multi_get__failed_read__is_never_an_absence(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    fixture->options.cache_bytes = ARMDB_CACHE_NONE;
    open_db(fixture);
    struct reads *reads = make_reads(fixture->collection);
    reopen_db(fixture);
    /* The first group of 32 comes with one read, and no other read works. */
    set_fault(fixture, SIM_FAULT_READ, SIM_BIT(SIM_OP_READ), 2, true);
    assert_int_equal(adb_db_multi_get(fixture->collection, reads->at, READS), ARMDB_IO);
    assert_int_equal(adb_err_detail()->code, ARMDB_IO);
    for (int i = 0; i < READS; i++) {
        armdb_err there = i < 32 ? ARMDB_OK : ARMDB_IO;
        assert_int_equal(reads->at[i].err, i % 3 == 0 ? there : ARMDB_NOT_FOUND);
        if (reads->at[i].err != ARMDB_OK)
            assert_int_equal(reads->at[i].len, 0);
    }
    free(reads);
}

static void
test_db_multi_get__dropped_collection__says_so_for_each(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    struct collection *other = create_collection(fixture->db, "other", 0, ARMDB_ORDER_DEFAULT);
    struct reads *reads = make_reads(other);
    assert_ok(adb_collection_drop(fixture->db, "other"));
    assert_int_equal(adb_db_multi_get(other, reads->at, READS), ARMDB_NO_COLLECTION);
    for (int i = 0; i < READS; i++)
        assert_int_equal(reads->at[i].err, ARMDB_NO_COLLECTION);
    free(reads);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_multi_get__keys_there_and_not__each_gets_its_own_answer),
        DB_TEST(test_db_multi_get__one_key_twice__is_answered_twice),
        DB_TEST(test_db_multi_get__bad_reads_among_good_ones__spoil_nothing),
        DB_TEST(test_db_multi_get__several_failures__the_first_read_that_failed_is_told),
        DISK_TEST(test_db_multi_get__failed_read__is_never_an_absence),
        DB_TEST(test_db_multi_get__dropped_collection__says_so_for_each),
    };
    return cmocka_run_group_tests_name("db/db_multi_get", tests, NULL, NULL);
}
