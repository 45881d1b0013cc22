/*
 * workload_batch.c: batches as steps of the workload: a few writes and conditions, of any
 * collections and shards. Of the conditions most hold.
 */
#include <inttypes.h>

#include "base/mem.h"
#include "db/db_batch.h"
#include "sim/require.h"
#include "sim/workload_private.h"

enum {
    OPS_MAX = 12,
    RECORD_BYTES = 20 + 12 + 7, /* of a record beside key and value, at most */
    FILE_BYTES = 65536,         /* max_file_bytes of all workloads */
    LARGE_BYTES = 8192,         /* more, for a large value */
    ROOM_BYTES = FILE_BYTES - 5120
};

static unsigned char expected_buffer[WORK_VALUE_MAX];

struct batch_op {
    struct contract_write write; /* or only which key it is about */
    uint32_t shard;
    bool is_write;
    enum shard_condition condition;
    enum contract_truth holds; /* the condition */
};

struct batch_plan {
    struct batch_op ops[OPS_MAX];
    uint32_t count;
    uint32_t shards_written;
    uint32_t shards_failed; /* refused writes before */
    size_t writes[CONTRACT_SHARDS_MAX];
    uint64_t bytes[CONTRACT_SHARDS_MAX]; /* of these, at most */
    uint64_t unsure;                     /* as in struct work_ticket */
};

/* -------------------------------------------------------------------- planning */

static enum contract_truth
truth_of(enum shard_condition condition, struct contract_value live, bool is_right)
{
    if (condition == SHARD_ALWAYS)
        return CONTRACT_YES;
    if (condition == SHARD_ABSENT)
        return (enum contract_truth)(CONTRACT_YES - live.is_there);
    return is_right ? live.is_there : CONTRACT_NO;
}

/* A condition of a key; `expected_out` gets the value that it is about. */
static void
draw_condition(struct workload *work, struct batch_op *op, armdb_slice *expected_out)
{
    const struct contract_collection *collection =
        &work->contract->collections[op->write.collection];
    struct contract_value live = collection->live[op->write.key];
    bool is_right = true;
    op->condition = (enum shard_condition)(SHARD_ABSENT + test_rng_below(&work->rng, 3));
    if (!test_rng_one_in(&work->rng, 8)) { /* one that holds */
        if (live.is_there == CONTRACT_NO)
            op->condition = SHARD_ABSENT;
        else if (op->condition == SHARD_ABSENT)
            op->condition = SHARD_PRESENT;
    } else {
        is_right = false;
    }
    if (op->condition == SHARD_VALUE) {
        uint32_t len = live.len;
        if (live.stamp == 0)
            len = collection->value_bytes == ARMDB_VALUE_VARIABLE ? 5 : collection->value_bytes;
        contract_fill(live.stamp, len, expected_buffer);
        is_right = is_right || len == 0;
        if (!is_right)
            expected_buffer[test_rng_below(&work->rng, len)] ^= 1;
        *expected_out = (armdb_slice){expected_buffer, len};
    }
    op->holds = truth_of(op->condition, live, is_right || op->condition != SHARD_VALUE);
}

/* Fills in a write: a put, an insert that mostly succeeds, or a delete. */
static void
draw_write(struct workload *work, struct batch_plan *plan, struct batch_op *op,
           struct batch_addition *addition, armdb_write_options *options)
{
    const struct contract_collection *collection =
        &work->contract->collections[op->write.collection];
    struct contract_value live = collection->live[op->write.key];
    struct contract_write *write = &op->write;
    op->is_write = true;
    op->holds = CONTRACT_YES;
    plan->writes[op->shard]++;
    plan->bytes[op->shard] += RECORD_BYTES + addition->key.len;
    plan->unsure |= workload_unsure(work, write->collection);
    addition->verb = SHARD_DELETE;
    if (test_rng_one_in(&work->rng, 4))
        return;
    addition->verb = SHARD_PUT;
    if (test_rng_one_in(&work->rng, live.is_there == CONTRACT_NO ? 2 : 16)) {
        op->condition = SHARD_ABSENT;
        op->holds = truth_of(SHARD_ABSENT, live, true);
    }
    uint32_t len = test_rng_one_in(&work->rng, 6) ? workload_draw_value_len(work)
                                                  : (uint32_t)test_rng_below(&work->rng, 300);
    write->value_len = collection->value_bytes == ARMDB_VALUE_VARIABLE ? len
                                                                       : collection->value_bytes;
    write->stamp = work->next_stamp++;
    write->deadline_ms = workload_draw_deadline(work, write->stamp);
    plan->bytes[op->shard] += write->value_len + (write->value_len >= 524288 ? LARGE_BYTES : 0);
    contract_fill(write->stamp, write->value_len, work->buffer);
    addition->value = (armdb_slice){work->buffer, write->value_len};
    options->expires_at_ms = write->deadline_ms;
    addition->options = options;
}

static armdb_err
add(struct workload *work, struct batch *batch, struct batch_plan *plan)
{
    unsigned char room[CONTRACT_KEY_BYTES];
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    uint32_t place = workload_draw_collection(work);
    struct batch_op *op = &plan->ops[plan->count++];
    *op = (struct batch_op){
        .write = {.collection = place, .key = (uint32_t)test_rng_below(&work->rng, CONTRACT_KEYS)}};
    struct batch_addition addition = {.collection = work->opened[place]};
    addition.key = contract_key(&work->contract->collections[place], op->write.key, room);
    op->shard = contract_route(work->db, addition.key);
    if (test_rng_one_in(&work->rng, 4))
        draw_condition(work, op, &addition.value);
    else
        draw_write(work, plan, op, &addition, &options);
    addition.is_write = op->is_write;
    addition.condition = op->condition;
    return adb_db_batch_add(batch, &addition);
}

/* ----------------------------------------------------------------------- results */

static bool
is_refusal(armdb_err err)
{
    return err == ARMDB_NOT_FOUND || err == ARMDB_EXISTS || err == ARMDB_CHANGED;
}

static void
check_refusal(const struct workload *work, const struct batch_plan *plan, armdb_err err,
              size_t refused)
{
    REQUIRE(refused < plan->count, "operation %zu of %u: %s", refused, plan->count,
            armdb_err_name(err));
    const struct batch_op *op = &plan->ops[refused];
    enum contract_truth is_there =
        work->contract->collections[op->write.collection].live[op->write.key].is_there;
    bool may_be = err == ARMDB_NOT_FOUND
                      ? op->condition >= SHARD_PRESENT && is_there != CONTRACT_YES
                      : op->condition == (err == ARMDB_EXISTS ? SHARD_ABSENT : SHARD_VALUE) &&
                            is_there != CONTRACT_NO;
    REQUIRE(may_be && op->holds != CONTRACT_YES, "a batch is refused at operation %zu: %s", refused,
            armdb_err_name(err));
}

/* Enters the writes, as accepted or in doubt. */
static void
enter(struct workload *work, const struct batch_plan *plan, bool is_unsure)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct batch_op *op = &plan->ops[i];
        if (op->is_write && is_unsure)
            contract_doubt(work->contract, op->shard, &op->write);
        else if (op->is_write)
            contract_accept(work->contract, op->shard, &op->write);
    }
    contract_bind(work->contract, plan->writes);
}

/* Enters a batch that failed, by what its shards say of themselves: all of them have it, or none.
 */
static void
note_failure(struct workload *work, const struct batch_plan *plan, armdb_err err,
             armdb_durability level)
{
    uint32_t grown = 0;
    uint32_t failed = 0;
    for (uint32_t i = 0; i < work->contract->shard_count; i++) {
        armdb_shard_info info = workload_shard_info(work, i);
        size_t count = work->contract->shards[i].count;
        if (plan->writes[i] == 0)
            continue;
        bool has_grown = info.newest_sequence == count + plan->writes[i];
        REQUIRE(has_grown || info.newest_sequence == count, "shard %u at %" PRIu64 ", not %zu", i,
                info.newest_sequence, count);
        grown += has_grown;
        failed += info.failure != ARMDB_OK;
    }
    REQUIRE(grown == 0 || grown == plan->shards_written, "%u of %u shards have taken the batch",
            grown, plan->shards_written);
    bool is_new = failed > 0 && plan->shards_failed == 0;
    REQUIRE(!is_new || (err != ARMDB_NO_SPACE && err != ARMDB_NO_MEMORY), "%s broke a shard",
            armdb_err_name(err));
    REQUIRE(err != ARMDB_FAILED || is_new || plan->shards_failed > 0,
            "refused by shards that are well");
    if (grown > 0) {
        work->is_half_shown = err == ARMDB_FAILED && adb_mem_has_failed();
        bool is_stopped = failed == plan->shards_written &&
                          (level == ARMDB_SYNCED || work->is_half_shown);
        REQUIRE(workload_note_unsynced(work, err, level) || is_stopped,
                "%s after the batch was taken", armdb_err_name(err));
        enter(work, plan, false);
    } else if (is_new && failed == plan->shards_written) {
        enter(work, plan, true); /* of a batch in doubt all shards refuse writes */
    }
}

static void
note_success(struct workload *work, const struct batch_plan *plan, const armdb_ticket *ticket,
             armdb_durability level)
{
    if (ticket != NULL && plan->shards_written > 0) {
        struct work_ticket held = {.ticket = *ticket, .unsure = plan->unsure};
        for (uint32_t i = 0; i < work->contract->shard_count; i++)
            held.counts[i] = plan->writes[i] > 0 ? work->contract->shards[i].count : 0;
        workload_keep_ticket(work, &held);
    }
    for (uint32_t i = 0; i < work->contract->shard_count; i++) {
        if (plan->writes[i] > 0)
            contract_promise(work->contract, i, level);
    }
    if (level == ARMDB_SYNCED)
        workload_settle_drops(work, plan->unsure);
}

/* ------------------------------------------------------------------------ commit */

/* What is known once all is added. */
static void
look_at_shards(const struct workload *work, struct batch_plan *plan)
{
    for (uint32_t i = 0; i < work->contract->shard_count; i++)
        plan->shards_written += plan->writes[i] > 0;
    for (uint32_t i = 0; i < plan->count; i++)
        plan->shards_failed += workload_shard_info(work, plan->ops[i].shard).failure != ARMDB_OK;
}

static void
check_limit(const struct batch_plan *plan, armdb_err err)
{
    uint64_t most = 0;
    for (uint32_t i = 0; i < CONTRACT_SHARDS_MAX; i++)
        most = most < plan->bytes[i] ? plan->bytes[i] : most;
    REQUIRE(err != ARMDB_LIMIT || most > ROOM_BYTES, "%" PRIu64 " bytes are too much", most);
    REQUIRE(err != ARMDB_OK || most < FILE_BYTES + OPS_MAX * RECORD_BYTES,
            "%" PRIu64 " bytes are in one file", most);
}

static armdb_err
commit(struct workload *work, struct batch *batch, struct batch_plan *plan)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket = {7, 7, 7};
    size_t refused = 0;
    look_at_shards(work, plan);
    options.durability = (armdb_durability)test_rng_below(&work->rng, 4);
    options.ticket = test_rng_one_in(&work->rng, 3) ? &ticket : NULL;
    armdb_durability level = workload_settle_level(work, options.durability);
    bool has_ticket = options.ticket != NULL && level == ARMDB_SYNCED;
    armdb_err err = adb_db_batch_commit(batch, &options, &refused);
    REQUIRE(options.ticket == NULL || workload_is_no_ticket(&ticket) ||
                (has_ticket && err == ARMDB_OK && plan->shards_written > 0),
            "a ticket of shard %u with %s", ticket.shard, armdb_err_name(err));
    check_limit(plan, err);
    if (err == ARMDB_LIMIT)
        return ARMDB_OK;
    if (is_refusal(err)) {
        check_refusal(work, plan, err, refused);
        return ARMDB_OK;
    }
    if (has_ticket || (level == ARMDB_BUFFERED && plan->shards_written > 1))
        level = plan->shards_written > 1 ? ARMDB_WRITTEN : ARMDB_BUFFERED;
    if (err != ARMDB_OK) {
        note_failure(work, plan, err, level);
        return workload_tolerate(work, "a batch", err);
    }
    REQUIRE(refused == SIZE_MAX && plan->shards_failed == 0, "a batch is done, %u shards refuse",
            plan->shards_failed);
    for (uint32_t i = 0; i < plan->count; i++)
        REQUIRE(plan->ops[i].holds != CONTRACT_NO, "done, but for the condition of operation %u",
                i);
    if (plan->shards_written > 0)
        enter(work, plan, false);
    if (sim_is_off(work->sim))
        return ARMDB_IO; /* nobody was there any more to be told of it */
    note_success(work, plan, has_ticket ? &ticket : NULL, level);
    return ARMDB_OK;
}

armdb_err
workload_batch(struct workload *work)
{
    struct batch *batch;
    struct batch_plan plan = {.count = 0};
    uint64_t count = 1 + test_rng_below(&work->rng, OPS_MAX);
    armdb_err err = adb_db_batch_new(work->db, &batch);
    for (uint64_t i = 0; err == ARMDB_OK && i < count; i++)
        err = add(work, batch, &plan);
    err = err == ARMDB_OK ? commit(work, batch, &plan)
                          : workload_tolerate(work, "an addition", err);
    adb_db_batch_free(batch);
    return err;
}
