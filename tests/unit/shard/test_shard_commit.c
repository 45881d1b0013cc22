/*
 * Sharing syncs: one leader at a time, for all that was flushed; what a failed one means for each.
 *
 * Threads are stopped inside the system's sync call (support/os_hook.h), so that who waits for whom
 * is certain.
 */
#include "shard/shard_private.h"

#include <sched.h>

#include "os/thread.h"
#include "shard_fixture.h"
#include "support/os_hook.h"

enum { THREADS = 8 };

/* ------------------------------------------------------------------ one thread */

static uint64_t
syncs_of(struct shard_fixture *fixture)
{
    return sim_op_count(fixture->sim, SIM_BIT(SIM_OP_SYNC));
}

static void
test_shard_commit__synced_write__is_durable_on_return(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "before", "value", ARMDB_BUFFERED);
    put(fixture, "synced", "value", ARMDB_SYNCED);
    assert_int_equal(stats_of(fixture).synced_sequence, 2);
    put(fixture, "after", "value", ARMDB_WRITTEN);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    restart_shard(fixture);
    expect_get(fixture, "before", "value");
    expect_get(fixture, "synced", "value");
    expect_absent(fixture, "after");
}

static void
test_shard_commit__nothing_new__syncs_nothing(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    uint64_t syncs = syncs_of(fixture);
    assert_ok(adb_shard_sync(fixture->shard));
    assert_int_equal(syncs_of(fixture), syncs);
    put(fixture, "key", "value", ARMDB_SYNCED);
    syncs = syncs_of(fixture);
    for (int i = 0; i < 3; i++)
        assert_ok(adb_shard_sync(fixture->shard));
    assert_ok(adb_shard_commit(fixture->shard, 1));
    assert_int_equal(syncs_of(fixture), syncs);
}

static void
test_shard_commit__sync__flushes_first(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_BUFFERED);
    assert_ok(adb_shard_sync(fixture->shard));
    assert_int_equal(stats_of(fixture).unflushed_bytes, 0);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    restart_shard(fixture);
    expect_get(fixture, "key", "value");
}

static void
test_shard_commit__rotation__counts_as_a_sync(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put_long(fixture, "old", 60000, ARMDB_WRITTEN);
    put_long(fixture, "new", 60000, ARMDB_BUFFERED);
    uint64_t syncs = syncs_of(fixture);
    assert_ok(adb_shard_commit(fixture->shard, 1));
    assert_int_equal(syncs_of(fixture), syncs);
}

static void
test_shard_commit__answer_instead_of_a_write__syncs_nothing(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_SYNCED);
    uint64_t syncs = syncs_of(fixture);
    assert_int_equal(
        try_write(fixture, SHARD_INSERT, armdb_str("key"), armdb_str(""), ARMDB_SYNCED),
        ARMDB_EXISTS);
    assert_int_equal(try_write(fixture, SHARD_DELETE, armdb_str("x"), armdb_str(""), ARMDB_SYNCED),
                     ARMDB_NOT_FOUND);
    assert_int_equal(syncs_of(fixture), syncs);
}

static void
test_shard_commit__failed_sync__fences_and_is_not_tried_again(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    put(fixture, "key", "value", ARMDB_SYNCED);
    set_fault(fixture, SIM_FAULT_SYNC, SIM_SYNCS, 1, false);
    assert_int_equal(try_put(fixture, "lost", "value", ARMDB_SYNCED), ARMDB_IO);
    assert_string_equal(adb_err_detail()->operation, "sync");
    assert_string_equal(adb_err_detail()->file, FILE_PATH(1));
    uint64_t syncs = syncs_of(fixture);
    assert_int_equal(try_put(fixture, "more", "value", ARMDB_SYNCED), ARMDB_FAILED);
    assert_int_equal(adb_shard_sync(fixture->shard), ARMDB_FAILED);
    assert_int_equal(adb_shard_commit(fixture->shard, 2), ARMDB_FAILED);
    assert_ok(adb_shard_commit(fixture->shard, 1)); /* what was synced before, is */
    assert_int_equal(syncs_of(fixture), syncs);
    assert_int_equal(stats_of(fixture).synced_sequence, 1);
    expect_get(fixture, "lost", "value");
}

static void
test_shard_commit__no_space_in_a_sync__is_as_bad_as_any_failure(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_BIT(SIM_OP_SYNC), 1, false);
    assert_int_equal(try_put(fixture, "key", "value", ARMDB_SYNCED), ARMDB_IO);
    assert_int_equal(try_put(fixture, "key", "value", ARMDB_WRITTEN), ARMDB_FAILED);
}

/* -------------------------------------------------------------------- tickets */

static uint64_t
put_with_ticket(struct shard_fixture *fixture, const char *key)
{
    uint64_t ticket = 0;
    const struct shard_write write = {.verb = SHARD_PUT,
                                      .durability = ARMDB_SYNCED,
                                      .index = &fixture->index,
                                      .key = armdb_str(key),
                                      .value = armdb_str("value"),
                                      .ticket_out = &ticket};
    assert_ok(adb_shard_write(fixture->shard, &write));
    return ticket;
}

static void
test_shard_commit__tickets__one_sync_for_all_when_waited_for(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    uint64_t tickets[100];
    char key[16];
    uint64_t syncs = syncs_of(fixture);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key%d", i);
        tickets[i] = put_with_ticket(fixture, key);
        assert_false(adb_shard_is_synced(fixture->shard, tickets[i]));
    }
    assert_int_equal(syncs_of(fixture), syncs);
    assert_int_equal(stats_of(fixture).writes, 0);
    assert_ok(adb_shard_commit(fixture->shard, tickets[0]));
    for (int i = 0; i < 100; i++) {
        assert_true(adb_shard_is_synced(fixture->shard, tickets[i]));
        assert_ok(adb_shard_commit(fixture->shard, tickets[i]));
    }
    assert_int_equal(syncs_of(fixture), syncs + 1);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    restart_shard(fixture);
    assert_int_equal(fixture->recovery.records, 100);
}

static void
test_shard_commit__started__is_synced_without_what_came_since(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    uint64_t ticket = put_with_ticket(fixture, "first");
    uint64_t syncs = syncs_of(fixture);
    adb_shard_start_commit(fixture->shard);
    adb_shard_start_commit(fixture->shard);
    assert_int_equal(stats_of(fixture).writes, 1);
    assert_int_equal(syncs_of(fixture), syncs);
    assert_false(adb_shard_is_synced(fixture->shard, ticket));
    uint64_t later = put_with_ticket(fixture, "later");
    assert_int_equal(adb_shard_tickets_open(fixture->shard), 2);
    assert_ok(adb_shard_commit(fixture->shard, ticket));
    assert_int_equal(stats_of(fixture).writes, 1);
    assert_int_equal(adb_shard_tickets_open(fixture->shard), 1);
    assert_false(adb_shard_is_synced(fixture->shard, later));
    assert_ok(adb_shard_commit(fixture->shard, later));
    assert_int_equal(adb_shard_tickets_open(fixture->shard), 0);
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    restart_shard(fixture);
    assert_int_equal(fixture->recovery.records, 2);
}

static void
test_shard_commit__start_fails__the_commit_tells(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    uint64_t ticket = put_with_ticket(fixture, "key");
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 1, false);
    adb_shard_start_commit(fixture->shard);
    assert_ok(adb_shard_commit(fixture->shard, ticket)); /* there is space again */
    ticket = put_with_ticket(fixture, "key");
    set_fault(fixture, SIM_FAULT_ERROR, SIM_WRITES, 1, false);
    adb_shard_start_commit(fixture->shard);
    assert_int_equal(adb_shard_commit(fixture->shard, ticket), ARMDB_FAILED);
    assert_false(adb_shard_is_synced(fixture->shard, ticket));
}

static void
test_shard_commit__ticket_and_no_space__nothing_is_lost_and_works_later(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    uint64_t ticket = put_with_ticket(fixture, "key");
    set_fault(fixture, SIM_FAULT_NO_SPACE, SIM_WRITES, 1, true);
    assert_int_equal(adb_shard_commit(fixture->shard, ticket), ARMDB_NO_SPACE);
    assert_false(adb_shard_is_synced(fixture->shard, ticket));
    expect_get(fixture, "key", "value");
    sim_clear_fault(fixture->sim);
    assert_ok(adb_shard_commit(fixture->shard, ticket));
    sim_power_cut_as(fixture->sim, SIM_CUT_LOSE, 1);
    restart_shard(fixture);
    expect_get(fixture, "key", "value");
}

static void
test_shard_commit__ticket_and_failed_sync__is_told(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    uint64_t first = put_with_ticket(fixture, "first");
    assert_ok(adb_shard_commit(fixture->shard, first));
    uint64_t ticket = put_with_ticket(fixture, "key");
    set_fault(fixture, SIM_FAULT_SYNC, SIM_SYNCS, 1, false);
    assert_int_equal(adb_shard_sync(fixture->shard), ARMDB_IO);
    assert_int_equal(adb_shard_commit(fixture->shard, ticket), ARMDB_FAILED);
    assert_false(adb_shard_is_synced(fixture->shard, ticket));
    assert_ok(adb_shard_commit(fixture->shard, first));
}

/* ------------------------------------------------------------------- threads */

/* A shard on a system that stops threads in the middle of a sync. */
struct meeting {
    struct shard_fixture *fixture;
    struct os_hook hook;
    _Atomic(unsigned) syncs;          /* of data files that have their name, begun */
    _Atomic(unsigned) waiters_wanted; /* the first sync waits for so many */
    _Atomic(bool) is_rotating; /* let the other thread rotate once the first sync has failed */
    _Atomic(bool) is_first_done;
};

struct writer {
    struct shard_fixture *fixture;
    struct adb_thread thread;
    char key[16];
    armdb_err err;
};

static uint64_t
real_ns(void)
{
    return adb_os_now_ns(adb_os_posix());
}

static bool
is_data_file(const char *path)
{
    size_t len = strlen(path);
    return len > 4 && strcmp(path + len - 4, ".log") == 0;
}

/* Not adb_shard_get_stats(): that takes the shard's lock, which comes before a sync. */
static uint64_t
waiters_of(struct shard *shard)
{
    return atomic_load(&shard->sync_waits);
}

/* The first sync begins when all have queued up. */
static armdb_err
wait_for_waiters(void *context, const struct os_call *call)
{
    struct meeting *meeting = (struct meeting *)context;
    if (call->op != SIM_OP_SYNC || !is_data_file(call->path) ||
        atomic_fetch_add(&meeting->syncs, 1) > 0)
        return ARMDB_OK;
    uint64_t deadline_ns = real_ns() + UINT64_C(60000000000);
    while (waiters_of(meeting->fixture->shard) < atomic_load(&meeting->waiters_wanted)) {
        if (real_ns() > deadline_ns)
            return adb_fail(ARMDB_LIMIT, "test", "the others never came");
        sched_yield();
    }
    return ARMDB_OK;
}

static void
start_meeting(struct meeting *meeting, struct shard_fixture *fixture, unsigned waiters)
{
    *meeting = (struct meeting){.fixture = fixture};
    put(fixture, "first", "so that there is a file", ARMDB_SYNCED);
    close_shard(fixture);
    os_hook_init(&meeting->hook, fixture->os, true);
    meeting->hook.context = meeting;
    fixture->os = &meeting->hook.base;
    open_shard(fixture);
    meeting->hook.before = wait_for_waiters;
    atomic_store(&meeting->waiters_wanted, waiters);
}

static void
end_meeting(struct meeting *meeting, enum sim_cut mode)
{
    sim_power_cut_as(meeting->fixture->sim, mode, 3);
    restart_shard(meeting->fixture);
}

static void *
write_synced(void *context)
{
    struct writer *writer = (struct writer *)context;
    writer->err = try_put(writer->fixture, writer->key, "value", ARMDB_SYNCED);
    return NULL;
}

static void
start_writer(struct writer *writer, struct shard_fixture *fixture, unsigned number)
{
    writer->fixture = fixture;
    writer->err = ARMDB_OK;
    snprintf(writer->key, sizeof writer->key, "key%u", number);
    assert_ok(adb_thread_start(&writer->thread, write_synced, writer));
}

static void
test_shard_commit__many_threads__share_two_syncs(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct meeting meeting;
    struct writer writers[THREADS];
    start_meeting(&meeting, fixture, THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        start_writer(&writers[i], fixture, i);
    for (unsigned i = 0; i < THREADS; i++)
        adb_thread_join(&writers[i].thread);
    struct shard_stats stats = stats_of(fixture);
    assert_int_equal(stats.sync_waits, THREADS);
    /* One for those who were there when it was planned, one for all who came while it waited. */
    assert_in_range(stats.syncs, 1, 2);
    assert_int_equal(atomic_load(&meeting.syncs), stats.syncs);
    end_meeting(&meeting, SIM_CUT_LOSE);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_ok(writers[i].err);
        expect_get(fixture, writers[i].key, "value");
    }
}

static void
test_shard_commit__failed_sync__is_an_error_for_all_who_waited(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct meeting meeting;
    struct writer writers[THREADS];
    unsigned leaders = 0;
    start_meeting(&meeting, fixture, THREADS);
    set_fault(fixture, SIM_FAULT_SYNC, SIM_SYNCS, 1, false);
    for (unsigned i = 0; i < THREADS; i++)
        start_writer(&writers[i], fixture, i);
    for (unsigned i = 0; i < THREADS; i++) {
        adb_thread_join(&writers[i].thread);
        leaders += writers[i].err == ARMDB_IO;
        assert_true(writers[i].err == ARMDB_IO || writers[i].err == ARMDB_FAILED);
    }
    assert_int_equal(leaders, 1);
    assert_int_equal(atomic_load(&meeting.syncs), 1);
    assert_int_equal(stats_of(fixture).failure, ARMDB_IO);
    end_meeting(&meeting, SIM_CUT_ANY);
    expect_get(fixture, "first", "so that there is a file");
}

/* ------------------------------------------ a rotation beside a sync that fails */

/* After the first sync has failed, gives the thread that rotates every chance to sync the same
 * file, before the failure is known to anybody but the leader. */
static armdb_err
let_it_rotate(void *context, const struct os_call *call, armdb_err err)
{
    struct meeting *meeting = (struct meeting *)context;
    if (call->op != SIM_OP_SYNC || !is_data_file(call->path))
        return err;
    if (err == ARMDB_OK || atomic_exchange(&meeting->is_rotating, true))
        return err;
    uint64_t deadline_ns = real_ns() + 100000000;
    while (!atomic_load(&meeting->is_first_done) && real_ns() < deadline_ns)
        sched_yield();
    return err;
}

static void *
rotate(void *context)
{
    struct meeting *meeting = (struct meeting *)context;
    while (!atomic_load(&meeting->is_rotating))
        sched_yield();
    /* Fails or not; what counts is what the others are told. */
    armdb_err err = try_put_long(meeting->fixture, "large", 66000, ARMDB_WRITTEN);
    atomic_store(&meeting->is_first_done, true);
    return err == ARMDB_OK ? context : NULL;
}

static void
test_shard_commit__rotation_beside_a_failed_sync__vouches_for_nothing(void **state)
{
    struct shard_fixture *fixture = (struct shard_fixture *)*state;
    struct meeting meeting;
    struct writer writers[2];
    struct adb_thread rotator;
    start_meeting(&meeting, fixture, 2);
    meeting.hook.after = let_it_rotate;
    set_fault(fixture, SIM_FAULT_SYNC, SIM_BIT(SIM_OP_SYNC), 1, false);
    assert_ok(adb_thread_start(&rotator, rotate, &meeting));
    for (unsigned i = 0; i < 2; i++)
        start_writer(&writers[i], fixture, i);
    for (unsigned i = 0; i < 2; i++)
        adb_thread_join(&writers[i].thread);
    adb_thread_join(&rotator);
    /* The kernel tells a failure once. A second sync of the file works, and means nothing. */
    for (unsigned i = 0; i < 2; i++)
        assert_int_not_equal(writers[i].err, ARMDB_OK);
    assert_int_equal(stats_of(fixture).failure, ARMDB_IO);
    assert_int_equal(stats_of(fixture).synced_sequence, 1);
    end_meeting(&meeting, SIM_CUT_LOSE);
    expect_get(fixture, "first", "so that there is a file");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SHARD_TEST(test_shard_commit__synced_write__is_durable_on_return),
        SHARD_TEST(test_shard_commit__nothing_new__syncs_nothing),
        SHARD_TEST(test_shard_commit__sync__flushes_first),
        SHARD_TEST(test_shard_commit__rotation__counts_as_a_sync),
        SHARD_TEST(test_shard_commit__answer_instead_of_a_write__syncs_nothing),
        SHARD_TEST(test_shard_commit__failed_sync__fences_and_is_not_tried_again),
        SHARD_TEST(test_shard_commit__no_space_in_a_sync__is_as_bad_as_any_failure),
        SHARD_TEST(test_shard_commit__tickets__one_sync_for_all_when_waited_for),
        SHARD_TEST(test_shard_commit__started__is_synced_without_what_came_since),
        SHARD_TEST(test_shard_commit__start_fails__the_commit_tells),
        SHARD_TEST(test_shard_commit__ticket_and_no_space__nothing_is_lost_and_works_later),
        SHARD_TEST(test_shard_commit__ticket_and_failed_sync__is_told),
        SHARD_TEST(test_shard_commit__many_threads__share_two_syncs),
        SHARD_TEST(test_shard_commit__failed_sync__is_an_error_for_all_who_waited),
        SHARD_TEST(test_shard_commit__rotation_beside_a_failed_sync__vouches_for_nothing),
    };
    return cmocka_run_group_tests_name("shard/shard_commit", tests, NULL, NULL);
}
