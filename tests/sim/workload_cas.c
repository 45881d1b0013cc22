/*
 * workload_cas.c: compare and swap, and update, as writes of the workload. What is expected is what
 * the key must have, or in a fourth of the calls something else.
 */
#include "db/db_update.h"
#include "sim/require.h"
#include "sim/workload_private.h"

static unsigned char expected_buffer[WORK_VALUE_MAX];

/* What a call expects. `is_right` says whether the key has it, if it is known what it has. */
struct expectation {
    armdb_slice value; /* or armdb_absent() */
    bool is_right;
};

static struct expectation
draw_expectation(struct workload *work, const struct contract_collection *collection,
                 struct contract_value live)
{
    bool is_there = live.is_there != CONTRACT_NO;
    bool is_right = !test_rng_one_in(&work->rng, 4);
    if (is_right && !is_there)
        return (struct expectation){armdb_absent(), true};
    uint32_t len = live.len;
    if (!is_there)
        len = collection->value_bytes == ARMDB_VALUE_VARIABLE ? 5 : collection->value_bytes;
    contract_fill(live.stamp, len, expected_buffer);
    if (!is_right && len > 0)
        expected_buffer[test_rng_below(&work->rng, len)] ^= 1;
    bool is_same = is_there && (is_right || len == 0);
    return (struct expectation){{expected_buffer, len}, is_same};
}

/* Whether the call may be refused like that. */
static void
check_refusal(struct contract_value live, const struct expectation *expected, armdb_err err,
              armdb_slice current)
{
    if (err == ARMDB_NOT_FOUND) {
        REQUIRE(live.is_there != CONTRACT_YES && !armdb_is_absent(expected->value),
                "cas finds no value");
        return;
    }
    bool is_surely_right = expected->is_right && live.is_there != CONTRACT_MAYBE;
    REQUIRE(!is_surely_right && live.is_there != CONTRACT_NO, "cas finds another value");
    REQUIRE(contract_is_value(live, current), "cas hands out a wrong value");
}

armdb_err
workload_cas(struct workload *work, armdb_slice key, struct contract_write *write,
             armdb_write_options *options, bool *is_refused_out)
{
    const struct contract_collection *collection = &work->contract->collections[write->collection];
    struct contract_value live = collection->live[write->key];
    struct expectation expected = draw_expectation(work, collection, live);
    struct db_cas cas = {
        .key = key, .expected = expected.value, .desired = {work->buffer, write->value_len}};
    armdb_value current = {0};
    if (!armdb_is_absent(expected.value) && test_rng_one_in(&work->rng, 4)) {
        cas.desired = armdb_absent();
        *write = (struct contract_write){.collection = write->collection, .key = write->key};
        options->expires_at_ms = 0;
    } else if (!armdb_is_absent(expected.value) && write->deadline_ms == 0) {
        write->deadline_ms = live.deadline_ms; /* it keeps the one that it has */
    }
    armdb_err err = adb_db_cas(work->opened[write->collection], &cas, options, &current);
    *is_refused_out = err == ARMDB_CHANGED || err == ARMDB_NOT_FOUND;
    if (*is_refused_out)
        check_refusal(live, &expected, err, armdb_value_bytes(&current));
    REQUIRE(err != ARMDB_OK || expected.is_right, "cas stores over another value");
    REQUIRE(err != ARMDB_OK || armdb_is_absent(expected.value) || live.is_there != CONTRACT_NO,
            "cas stores over a value that is not there");
    armdb_value_release(&current);
    return err;
}

/* ---------------------------------------------------------------------- update */

struct update {
    struct contract_value live;
    armdb_verdict_kind kind; /* what the callback says */
    armdb_slice value;
    const struct contract_write *planned;
    struct contract_write *write; /* what comes of it */
    bool is_written;
};

/* An armdb_update_fn. */
static armdb_err
decide(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    struct update *update = (struct update *)context;
    struct contract_write *write = update->write;
    (void)key;
    REQUIRE(update->live.is_there != (old != NULL ? CONTRACT_NO : CONTRACT_YES),
            "update shows %s value", old != NULL ? "a" : "no");
    REQUIRE(old == NULL || contract_is_value(update->live, *old), "update shows a wrong value");
    *verdict_out = (armdb_verdict){update->kind, update->value};
    update->is_written = update->kind == ARMDB_REPLACE ||
                         (update->kind == ARMDB_REMOVE && old != NULL);
    *write = *update->planned;
    if (update->kind == ARMDB_REMOVE)
        *write = (struct contract_write){.collection = write->collection, .key = write->key};
    else if (old != NULL && write->deadline_ms == 0)
        write->deadline_ms = update->live.deadline_ms; /* it keeps the one that it has */
    return ARMDB_OK;
}

armdb_err
workload_update(struct workload *work, armdb_slice key, struct contract_write *write,
                const armdb_write_options *options, bool *is_refused_out)
{
    static const armdb_verdict_kind kinds[] = {ARMDB_REPLACE, ARMDB_REPLACE, ARMDB_REMOVE,
                                               ARMDB_KEEP};
    const struct contract_write planned = *write;
    struct update update = {
        .live = work->contract->collections[write->collection].live[write->key],
        .kind = kinds[test_rng_below(&work->rng, 4)],
        .value = {work->buffer, write->value_len},
        .planned = &planned,
        .write = write,
    };
    const struct db_update what = {.key = key, .fn = decide, .context = &update};
    armdb_err err = adb_db_update(work->opened[write->collection], &what, options);
    *is_refused_out = err == ARMDB_OK && !update.is_written;
    return err;
}
