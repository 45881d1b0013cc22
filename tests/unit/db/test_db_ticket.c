/* Tickets: writes on their way to the device. */
#include "db_fixture.h"

static armdb_ticket
put_with_ticket(struct collection *collection, const char *key, armdb_durability level)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket = {99, 99, 99};
    options.durability = level;
    options.ticket = &ticket;
    assert_ok(adb_db_write(collection, SHARD_PUT, armdb_str(key), armdb_str("value"), &options));
    return ticket;
}

static bool
is_synced(struct db_fixture *fixture, const armdb_ticket *ticket)
{
    bool is_synced;
    assert_ok(adb_db_ticket_poll(fixture->db, ticket, &is_synced));
    return is_synced;
}

static void
test_db_ticket__synced_writes__share_a_sync_and_survive_power_loss(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_ticket tickets[100];
    char key[16];
    uint64_t syncs = stats_of(fixture->db).syncs;
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key%d", i);
        tickets[i] = put_with_ticket(fixture->collection, key, ARMDB_SYNCED);
        assert_true(tickets[i].sequence > 0);
    }
    assert_int_equal(stats_of(fixture->db).syncs, syncs);
    expect_get(fixture->collection, "key99", "value");
    assert_false(is_synced(fixture, &tickets[0]));
    assert_ok(adb_db_ticket_wait(fixture->db, tickets, 100));
    assert_int_equal(stats_of(fixture->db).syncs, syncs + 1);
    assert_true(is_synced(fixture, &tickets[99]));
    assert_ok(adb_db_ticket_wait(fixture->db, tickets, 100));
    assert_int_equal(stats_of(fixture->db).syncs, syncs + 1);
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_count(fixture->collection, 100);
}

static void
test_db_ticket__one_of_many__vouches_for_those_before(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_ticket first = put_with_ticket(fixture->collection, "a", ARMDB_SYNCED);
    armdb_ticket second = put_with_ticket(fixture->collection, "b", ARMDB_SYNCED);
    assert_ok(adb_db_ticket_wait(fixture->db, &second, 1));
    assert_true(is_synced(fixture, &first));
}

static void
test_db_ticket__of_several_shards__all_are_waited_for(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_ticket tickets[64];
    bool is_used[4] = {false};
    char key[16];
    fixture->options.shards = 4;
    open_db(fixture);
    for (int i = 0; i < 64; i++) {
        snprintf(key, sizeof key, "key%d", i);
        tickets[i] = put_with_ticket(fixture->collection, key, ARMDB_SYNCED);
        is_used[tickets[i].shard] = true;
    }
    assert_true(is_used[0] && is_used[1] && is_used[2] && is_used[3]);
    assert_ok(adb_db_ticket_wait(fixture->db, tickets, 64));
    cut_and_open(fixture, SIM_CUT_LOSE);
    expect_count(fixture->collection, 64);
}

static void
test_db_ticket__one_is_waited_for__the_others_are_on_their_way(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_ticket ticket;
    char key[16];
    fixture->options.shards = 4;
    open_db(fixture);
    for (int i = 0; i < 64; i++) {
        snprintf(key, sizeof key, "key%d", i);
        ticket = put_with_ticket(fixture->collection, key, ARMDB_SYNCED);
    }
    uint64_t syncs = stats_of(fixture->db).syncs;
    assert_true(stats_of(fixture->db).unflushed_bytes > 0);
    assert_ok(adb_db_ticket_wait(fixture->db, &ticket, 1));
    assert_int_equal(stats_of(fixture->db).unflushed_bytes, 0);
    assert_int_equal(stats_of(fixture->db).syncs, syncs + 1);
}

static void
test_db_ticket__lower_level_or_error__has_nothing_to_wait_for(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket = put_with_ticket(fixture->collection, "a", ARMDB_WRITTEN);
    assert_true(ticket.sequence == 0 && ticket.shard == 0 && ticket.reserved == 0);
    assert_true(is_synced(fixture, &ticket));
    assert_ok(adb_db_ticket_wait(fixture->db, &ticket, 1));
    ticket.sequence = 5;
    options.durability = ARMDB_SYNCED;
    options.ticket = &ticket;
    assert_int_equal(
        adb_db_write(fixture->collection, SHARD_INSERT, armdb_str("a"), armdb_str("x"), &options),
        ARMDB_EXISTS);
    assert_true(ticket.sequence == 0);
    assert_ok(adb_db_ticket_wait(fixture->db, NULL, 0));
}

static void
test_db_ticket__options_of_another_header__are_not_read(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket = {5, 6, 7};
    options.ticket = &ticket; /* beyond the end of a struct of eight bytes */
    options.struct_bytes = 8;
    assert_int_equal(
        adb_db_write(fixture->collection, SHARD_PUT, armdb_str("a"), armdb_str("x"), &options),
        ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "struct_bytes is 8", NULL);
    assert_int_equal(ticket.sequence, 5);
}

static void
test_db_ticket__one_shard_fails__the_others_are_synced_all_the_same(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_ticket tickets[64];
    uint32_t synced = 0, failed = 0;
    char key[16];
    fixture->options.shards = 4;
    open_db(fixture);
    for (int i = 0; i < 64; i++) {
        snprintf(key, sizeof key, "key%d", i);
        tickets[i] = put_with_ticket(fixture->collection, key, ARMDB_SYNCED);
    }
    set_fault(fixture, SIM_FAULT_SYNC, SIM_SYNCS, 1, false);
    assert_int_equal(adb_db_ticket_wait(fixture->db, tickets, 64), ARMDB_IO);
    expect_detail(ARMDB_IO, NULL);
    for (int i = 0; i < 64; i++)
        *(is_synced(fixture, &tickets[i]) ? &synced : &failed) |= 1u << tickets[i].shard;
    assert_int_equal(failed, 1); /* the first, of which alone a sync failed */
    assert_int_equal(synced, 14);
}

static void
test_db_ticket__of_another_database__is_refused(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    const armdb_ticket shard = {.sequence = 1, .shard = 7};
    const armdb_ticket future = {.sequence = 1000, .shard = 0};
    bool is_synced = true;
    put(fixture->collection, "a", "x");
    assert_int_equal(adb_db_ticket_wait(fixture->db, &shard, 1), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "shard 7", "0..0", NULL);
    assert_int_equal(adb_db_ticket_wait(fixture->db, &future, 1), ARMDB_INVALID);
    expect_detail(ARMDB_INVALID, "1000", NULL);
    assert_int_equal(adb_db_ticket_poll(fixture->db, &future, &is_synced), ARMDB_INVALID);
    assert_false(is_synced);
}

static void
test_db_ticket__failed_sync__is_told_to_who_waits(void **state)
{
    struct db_fixture *fixture = (struct db_fixture *)*state;
    armdb_ticket ticket = put_with_ticket(fixture->collection, "a", ARMDB_SYNCED);
    set_fault(fixture, SIM_FAULT_SYNC, SIM_SYNCS, 1, false);
    assert_int_equal(adb_db_ticket_wait(fixture->db, &ticket, 1), ARMDB_IO);
    assert_int_equal(adb_db_ticket_wait(fixture->db, &ticket, 1), ARMDB_FAILED);
    assert_false(is_synced(fixture, &ticket));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_db_ticket__synced_writes__share_a_sync_and_survive_power_loss),
        DB_TEST(test_db_ticket__one_of_many__vouches_for_those_before),
        DISK_TEST(test_db_ticket__of_several_shards__all_are_waited_for),
        DISK_TEST(test_db_ticket__one_is_waited_for__the_others_are_on_their_way),
        DB_TEST(test_db_ticket__lower_level_or_error__has_nothing_to_wait_for),
        DB_TEST(test_db_ticket__options_of_another_header__are_not_read),
        DISK_TEST(test_db_ticket__one_shard_fails__the_others_are_synced_all_the_same),
        DB_TEST(test_db_ticket__of_another_database__is_refused),
        DB_TEST(test_db_ticket__failed_sync__is_told_to_who_waits),
    };
    return cmocka_run_group_tests_name("db/db_ticket", tests, NULL, NULL);
}
