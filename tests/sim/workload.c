#include "sim/workload_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sim/require.h"

enum { TIMER_NS = 200000000 };

static unsigned char
    value_buffer[WORK_VALUE_MAX]; /* of all workloads: one thread runs them in turn */

/* ----------------------------------------------------------------------- plan */

/* A kind of collection: any order, and in a third of them values of one length. */
static void
draw_kind_of(struct test_rng *rng, armdb_collection_options *options)
{
    static const uint32_t value_bytes[] = {1, 8, 20, 100, ARMDB_CONST_VALUE_MAX};
    options->order = (armdb_order)(ARMDB_ASCENDING + test_rng_below(rng, 3));
    if (test_rng_one_in(rng, 3))
        options->value_bytes = value_bytes[test_rng_below(rng, 5)];
}

struct work_plan
workload_plan(uint64_t seed, uint32_t steps)
{
    struct test_rng rng = test_rng_make(seed);
    struct work_plan plan = {
        .seed = seed,
        .steps = steps,
        .shards = 1 + (uint32_t)test_rng_below(&rng, 3),
        .has_large = test_rng_one_in(&rng, 8),
        .default_collection = ARMDB_COLLECTION_OPTIONS_INIT,
        .weights = {40, 8, 12, 5, 4, 3, 2, 4, 3, 4, 2, 6, 4, 3, 2, [WORK_BATCH] = 3}};
    if (test_rng_one_in(&rng, 2))
        draw_kind_of(&rng, &plan.default_collection);
    return plan;
}

static armdb_options
draw_options(const struct work_plan *plan, struct test_rng *rng)
{
    static const uint64_t cache_bytes[] = {0, 1 << 20, ARMDB_CACHE_NONE};
    armdb_options options = ARMDB_OPTIONS_INIT;
    options.shards = plan->shards;
    options.default_collection = plan->default_collection;
    options.cache_bytes = cache_bytes[test_rng_below(rng, 3)];
    options.max_file_bytes = 65536;
    options.write_buffer_bytes = 16384;
    options.shard_prefix_bits = test_rng_one_in(rng, 3) ? 1 + (uint32_t)test_rng_below(rng, 20) : 0;
    options.durability = (armdb_durability)test_rng_below(rng, 4);
    options.sync_interval_ms = test_rng_one_in(rng, 3) ? 150 : ARMDB_NEVER;
    options.compaction_percent = test_rng_one_in(rng, 2) ? 1 + (uint32_t)test_rng_below(rng, 100)
                                                         : ARMDB_NEVER;
    return options;
}

void
workload_init(struct workload *work, struct sim *sim, struct contract *contract,
              const struct work_plan *plan)
{
    *work = (struct workload){.sim = sim, .contract = contract, .plan = *plan, .next_stamp = 1};
    work->rng = test_rng_make(plan->seed ^ UINT64_C(0x5bd1e995));
    work->options = draw_options(plan, &work->rng);
    work->buffer = value_buffer;
    if (work->options.compaction_percent != ARMDB_NEVER)
        contract->is_compacted = true;
    sim_set_can_map(sim, plan->seed / 2 % 2 == 0);
}

void
workload_fini(struct workload *work)
{
    if (work->db != NULL)
        adb_db_abandon(work->db);
    work->db = NULL;
}

/* ------------------------------------------------------------- open and close */

armdb_err
workload_tolerate(const struct workload *work, const char *what, armdb_err err)
{
    REQUIRE(err == ARMDB_OK || work->may_fail, "%s returned %s", what, armdb_err_name(err));
    REQUIRE(err != ARMDB_CORRUPT && err != ARMDB_FORMAT && err != ARMDB_INVALID &&
                err != ARMDB_NO_DATABASE && err != ARMDB_BUSY && err != ARMDB_MISMATCH &&
                err != ARMDB_NOT_FOUND && err != ARMDB_NO_COLLECTION,
            "%s returned %s", what, armdb_err_name(err));
    if (err != ARMDB_OK) {
        armdb_error_detail detail;
        armdb_last_error(&detail);
        REQUIRE(detail.code == err && detail.operation[0] != '\0' && detail.message[0] != '\0',
                "%s returned %s, its record says %s", what, armdb_err_name(err),
                armdb_err_name(detail.code));
    }
    return err;
}

/* Tells the contract what time it is. */
static void
look_at_clock(struct workload *work)
{
    contract_set_time(work->contract, adb_os_wall_ms(sim_os(work->sim)));
}

armdb_err
workload_open(struct workload *work, enum contract_end end)
{
    struct contract *contract = work->contract;
    work->ticket_count = 0;
    work->is_half_shown = false;
    look_at_clock(work);
    if (contract->shard_count == 0)
        contract_describe_default(contract, &work->options.default_collection);
    work->options.open_mode = contract->shard_count > 0 ? ARMDB_OPEN_EXISTING
                                                        : ARMDB_OPEN_OR_CREATE;
    armdb_err err = adb_db_open(sim_os(work->sim), WORK_PATH, &work->options, &work->db);
    if (err != ARMDB_OK) {
        REQUIRE(work->db == NULL, "a handle with %s", armdb_err_name(err));
        return workload_tolerate(work, "open", err);
    }
    contract->may_keep_hints = work->may_fail &&
                               (sim_fault_fired(work->sim) || adb_mem_has_failed());
    contract_check_shape(contract, work->db, end, work->sim, WORK_PATH);
    contract->may_keep_hints = false;
    if (!work->is_check_light)
        contract_check_live(contract, work->db);
    for (uint32_t i = 0; i < contract->collection_count; i++) {
        const struct contract_collection *collection = &contract->collections[i];
        if (collection->is_created == CONTRACT_YES && collection->is_dropped != CONTRACT_YES)
            REQUIRE_OK(adb_collection_open(work->db, collection->name, NULL, &work->opened[i]));
    }
    return ARMDB_OK;
}

armdb_err
workload_close(struct workload *work)
{
    bool is_closed;
    armdb_err err = adb_db_close(work->db, &is_closed);
    REQUIRE(is_closed, "close said %s", armdb_err_name(err));
    work->db = NULL;
    if (err == ARMDB_OK)
        contract_promise_all(work->contract, ARMDB_SYNCED);
    return workload_tolerate(work, "close", err);
}

/* --------------------------------------------------------------------- writes */

uint32_t
workload_draw_value_len(struct workload *work)
{
    struct test_rng *rng = &work->rng;
    uint64_t draw = test_rng_below(rng, 100);
    if (draw < 40)
        return (uint32_t)test_rng_below(rng, 40);
    if (draw < 65)
        return (uint32_t)test_rng_below(rng, 600);
    if (draw < 78)
        return (uint32_t)test_rng_below(rng, 6000);
    if (draw < 94)
        return 8000 + (uint32_t)test_rng_below(rng, 12000);
    if (draw < 99 || !work->plan.has_large)
        return 60000 + (uint32_t)test_rng_below(rng, 9000);
    return 524288 - 4 + (uint32_t)test_rng_below(rng, 20000);
}

uint64_t
workload_draw_deadline(struct workload *work, uint32_t stamp)
{
    if (work->plan.has_expiry && test_rng_one_in(&work->rng, 3))
        return work->contract->now_ms + 1 + test_rng_below(&work->rng, 3000);
    return contract_deadline(stamp);
}

static enum shard_verb
verb_of(enum work_kind kind)
{
    if (kind == WORK_PUT)
        return SHARD_PUT;
    return kind == WORK_INSERT ? SHARD_INSERT : SHARD_DELETE;
}

armdb_durability
workload_settle_level(const struct workload *work, armdb_durability level)
{
    if (level == ARMDB_DURABILITY_DEFAULT)
        level = work->options.durability;
    return level == ARMDB_DURABILITY_DEFAULT ? ARMDB_WRITTEN : level;
}

armdb_shard_info
workload_shard_info(const struct workload *work, uint32_t shard)
{
    armdb_shard_info info;
    REQUIRE_OK(adb_db_get_shard_info(work->db, shard, &info));
    return info;
}

bool
workload_note_unsynced(struct workload *work, armdb_err err, armdb_durability level)
{
    armdb_error_detail detail;
    armdb_last_error(&detail);
    work->is_unsynced = err == ARMDB_IO && level == ARMDB_SYNCED &&
                        strstr(detail.message, "the write is done") != NULL;
    return work->is_unsynced;
}

/* Enters a write that failed, by what the shard says of itself. */
static void
note_failed_write(struct workload *work, const struct contract_write *write, armdb_err err,
                  bool was_failed, armdb_durability level)
{
    armdb_shard_info info = workload_shard_info(work, work->shard);
    size_t count = work->contract->shards[work->shard].count;
    bool grew = info.newest_sequence == count + 1;
    REQUIRE(grew || info.newest_sequence == count, "shard at %" PRIu64 ", not %zu",
            info.newest_sequence, count);
    REQUIRE(err != ARMDB_FAILED || info.failure != ARMDB_OK, "refused by a shard that is well");
    /* These read before, which may fail as well. */
    bool has_read = work->kind == WORK_CAS || work->kind == WORK_UPDATE;
    REQUIRE(!was_failed || err == ARMDB_FAILED || has_read, "a failed shard says %s",
            armdb_err_name(err));
    if (grew) {
        REQUIRE(workload_note_unsynced(work, err, level) ||
                    (level == ARMDB_SYNCED && info.failure != ARMDB_OK),
                "%s after the write was taken", armdb_err_name(err));
        contract_accept(work->contract, work->shard, write);
    } else if (!was_failed && info.failure != ARMDB_OK) {
        REQUIRE(err != ARMDB_NO_SPACE && err != ARMDB_NO_MEMORY, "%s broke the shard",
                armdb_err_name(err));
        contract_doubt(work->contract, work->shard, write);
    }
}

uint64_t
workload_unsure(const struct workload *work, uint32_t place)
{
    bool is_unsure = work->contract->collections[place].is_dropped == CONTRACT_MAYBE;
    return (uint64_t)is_unsure << place;
}

void
workload_settle_drops(struct workload *work, uint64_t unsure)
{
    for (uint32_t place = 0; unsure != 0; place++, unsure >>= 1) {
        struct contract_collection *collection = &work->contract->collections[place];
        if ((unsure & 1) != 0 && collection->is_dropped == CONTRACT_MAYBE)
            collection->is_dropped = CONTRACT_NO;
    }
}

void
workload_keep_ticket(struct workload *work, const struct work_ticket *held)
{
    const armdb_ticket *ticket = &held->ticket;
    size_t count = ticket->shard < CONTRACT_SHARDS_MAX ? held->counts[ticket->shard] : 0;
    REQUIRE(ticket->sequence == count && count > 0,
            "a ticket for write %" PRIu64 " of shard %u, not %zu", ticket->sequence, ticket->shard,
            count);
    if (work->ticket_count == WORK_TICKETS_MAX)
        memmove(&work->tickets[0], &work->tickets[1],
                --work->ticket_count * sizeof work->tickets[0]);
    work->tickets[work->ticket_count++] = *held;
}

bool
workload_is_no_ticket(const armdb_ticket *ticket)
{
    return ticket->sequence == 0 && ticket->shard == 0 && ticket->reserved == 0;
}

/* Lets the engine do a write; *is_refused_out: it had to refuse it. */
static armdb_err
submit(struct workload *work, enum work_kind kind, armdb_slice bytes, struct contract_write *write,
       armdb_write_options *options, bool *is_refused_out)
{
    const struct contract_collection *collection = &work->contract->collections[write->collection];
    enum contract_truth is_there = collection->live[write->key].is_there;
    if (kind == WORK_CAS)
        return workload_cas(work, bytes, write, options, is_refused_out);
    if (kind == WORK_UPDATE)
        return workload_update(work, bytes, write, options, is_refused_out);
    armdb_err err = adb_db_write(work->opened[write->collection], verb_of(kind), bytes,
                                 (armdb_slice){work->buffer, write->value_len}, options);
    *is_refused_out = err == ARMDB_EXISTS || err == ARMDB_NOT_FOUND;
    if (*is_refused_out)
        REQUIRE(kind == (err == ARMDB_EXISTS ? WORK_INSERT : WORK_DELETE) &&
                    is_there != (err == ARMDB_EXISTS ? CONTRACT_NO : CONTRACT_YES),
                "key %u of \"%s\": %s", write->key, collection->name, armdb_err_name(err));
    REQUIRE(err != ARMDB_OK || kind == WORK_PUT ||
                is_there != (kind == WORK_DELETE ? CONTRACT_NO : CONTRACT_YES),
            "key %u of \"%s\": written", write->key, collection->name);
    return err;
}

/* One write; with `has_ticket` it is not waited for, and promises nothing. */
static armdb_err
write_pair(struct workload *work, enum work_kind kind, const struct contract_write *planned,
           armdb_durability level, bool has_ticket)
{
    const uint32_t place = planned->collection;
    const uint32_t key = planned->key;
    unsigned char room[CONTRACT_KEY_BYTES];
    const struct contract_collection *collection = &work->contract->collections[place];
    armdb_slice bytes = contract_key(collection, key, room);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket = {7, 7, 7};
    struct contract_write write = {.collection = place, .key = key};
    options.durability = level;
    options.ticket = has_ticket ? &ticket : NULL;
    level = workload_settle_level(work, level);
    bool is_ticketed = has_ticket && level == ARMDB_SYNCED;
    if (is_ticketed)
        level = ARMDB_BUFFERED;
    if (kind != WORK_DELETE) {
        write.value_len = collection->value_bytes == ARMDB_VALUE_VARIABLE ? planned->value_len
                                                                          : collection->value_bytes;
        write.stamp = work->next_stamp++;
        contract_fill(write.stamp, write.value_len, work->buffer);
        write.deadline_ms = workload_draw_deadline(work, write.stamp);
        options.expires_at_ms = write.deadline_ms;
    }
    work->shard = contract_route(work->db, bytes);
    bool was_failed = workload_shard_info(work, work->shard).failure != ARMDB_OK;
    bool is_refused;
    armdb_err err = submit(work, kind, bytes, &write, &options, &is_refused);
    REQUIRE(!has_ticket || (is_ticketed && err == ARMDB_OK) || workload_is_no_ticket(&ticket),
            "a ticket of shard %u with %s", ticket.shard, armdb_err_name(err));
    if (is_refused)
        return ARMDB_OK;
    if (err != ARMDB_OK) {
        note_failed_write(work, &write, err, was_failed, level);
        return workload_tolerate(work, "a write", err);
    }
    REQUIRE(!was_failed, "key %u of \"%s\": written", key, collection->name);
    if (sim_is_off(work->sim)) { /* nobody was there any more to be told of it */
        contract_accept(work->contract, work->shard, &write);
        return ARMDB_IO;
    }
    contract_accept(work->contract, work->shard, &write);
    const uint64_t unsure = workload_unsure(work, place);
    if (is_ticketed) {
        struct work_ticket held = {.ticket = ticket, .unsure = unsure};
        held.counts[work->shard] = work->contract->shards[work->shard].count;
        workload_keep_ticket(work, &held);
    }
    contract_promise(work->contract, work->shard, level);
    if (level == ARMDB_SYNCED)
        workload_settle_drops(work, unsure);
    return ARMDB_OK;
}

armdb_err
workload_write(struct workload *work, enum work_kind kind, uint32_t place, uint32_t key,
               uint32_t value_len, armdb_durability level)
{
    const struct contract_write planned = {.collection = place, .key = key, .value_len = value_len};
    return write_pair(work, kind, &planned, level, false);
}

uint32_t
workload_draw_collection(struct workload *work)
{
    for (;;) {
        uint32_t place = (uint32_t)test_rng_below(&work->rng, work->contract->collection_count);
        const struct contract_collection *collection = &work->contract->collections[place];
        if (collection->is_created == CONTRACT_YES && collection->is_dropped != CONTRACT_YES)
            return place;
    }
}

static armdb_err
step_write(struct workload *work, enum work_kind kind)
{
    struct contract_write planned = {.collection = workload_draw_collection(work)};
    planned.key = (uint32_t)test_rng_below(&work->rng, CONTRACT_KEYS);
    planned.value_len = workload_draw_value_len(work);
    armdb_durability level = (armdb_durability)test_rng_below(&work->rng, 4);
    return write_pair(work, kind, &planned, level, test_rng_one_in(&work->rng, 3));
}

/* -------------------------------------------------------------------- tickets */

/* What a ticket is for is on the device, and all before it in its shards. */
static void
redeem(struct workload *work, const struct work_ticket *held)
{
    for (uint32_t i = 0; i < work->contract->shard_count; i++)
        contract_promise_first(work->contract, i, held->counts[i], ARMDB_SYNCED);
    workload_settle_drops(work, held->unsure);
}

static bool
is_redeemable(struct workload *work, const struct work_ticket *held)
{
    bool is_synced;
    REQUIRE_OK(adb_db_ticket_poll(work->db, &held->ticket, &is_synced));
    return is_synced;
}

static armdb_err
step_tickets(struct workload *work)
{
    armdb_ticket tickets[WORK_TICKETS_MAX];
    uint32_t count = (uint32_t)test_rng_below(&work->rng, work->ticket_count + 1);
    for (uint32_t i = 0; i < work->ticket_count; i++) {
        if (is_redeemable(work, &work->tickets[i]))
            redeem(work, &work->tickets[i]);
    }
    for (uint32_t i = 0; i < count; i++) /* the newest first */
        tickets[i] = work->tickets[count - 1 - i].ticket;
    armdb_err err = adb_db_ticket_wait(work->db, tickets, count);
    if (err != ARMDB_OK)
        return workload_tolerate(work, "wait for tickets", err);
    for (uint32_t i = 0; i < count; i++) {
        REQUIRE(is_redeemable(work, &work->tickets[i]), "waited for, but not synced");
        redeem(work, &work->tickets[i]);
    }
    work->ticket_count -= count;
    memmove(&work->tickets[0], &work->tickets[count], work->ticket_count * sizeof work->tickets[0]);
    return ARMDB_OK;
}

/* ------------------------------------------------------------- flush and sync */

static armdb_err
step_flush(struct workload *work, armdb_durability level)
{
    armdb_err err = level == ARMDB_SYNCED ? adb_db_sync(work->db) : adb_db_flush(work->db);
    if (err == ARMDB_OK)
        contract_promise_all(work->contract, level);
    return workload_tolerate(work, level == ARMDB_SYNCED ? "sync" : "flush", err);
}

/* Lets time go by, so that the timers run. They report to nobody. */
static armdb_err
step_timer(struct workload *work)
{
    sim_advance_ns(work->sim, TIMER_NS);
    look_at_clock(work);
    adb_db_step(work->db);
    if (!work->may_fail)
        contract_promise_all(work->contract, work->options.sync_interval_ms == ARMDB_NEVER
                                                 ? ARMDB_WRITTEN
                                                 : ARMDB_SYNCED);
    return ARMDB_OK;
}

/* Some steps of the background, with a little time between them; of a full second now and then. */
static armdb_err
step_background(struct workload *work)
{
    uint64_t steps = 1 + test_rng_below(&work->rng, 8);
    for (uint64_t i = 0; i < steps; i++) {
        sim_advance_ns(
            work->sim,
            1000000 * (test_rng_one_in(&work->rng, 8) ? 1000 : test_rng_below(&work->rng, 30)));
        look_at_clock(work);
        adb_db_step(work->db);
    }
    return ARMDB_OK;
}

/* Sets the clock, by up to some seconds, in either direction. */
static armdb_err
step_clock(struct workload *work)
{
    uint64_t wall_ms = work->contract->now_ms + test_rng_below(&work->rng, 8000);
    sim_set_wall_ms(work->sim, wall_ms - (test_rng_one_in(&work->rng, 2) ? 4000 : 0));
    look_at_clock(work);
    return ARMDB_OK;
}

/* Compares logs, indexes and accounts, but for what needs the device. */
static armdb_err
step_verify(struct workload *work)
{
    armdb_verify_report report;
    armdb_err err = adb_db_verify_open(work->db, NULL, NULL, &report);
    return workload_tolerate(work, "verify", err);
}

/* Makes a copy, which has all that is there now; unless something may fail, that is looked at. */
static armdb_err
step_checkpoint(struct workload *work)
{
    char path[32];
    armdb_options options = ARMDB_OPTIONS_INIT;
    struct db *copy;
    options.open_mode = ARMDB_OPEN_EXISTING;
    snprintf(path, sizeof path, "/copy-%u", work->checkpoint_count++);
    armdb_err err = adb_db_checkpoint(work->db, path);
    if (err != ARMDB_OK || work->may_fail)
        return workload_tolerate(work, "checkpoint", err);
    REQUIRE_OK(adb_db_open(sim_os(work->sim), path, &options, &copy));
    contract_check_live(work->contract, copy);
    adb_db_abandon(copy);
    return ARMDB_OK;
}

static armdb_err
step_cache(struct workload *work)
{
    uint64_t bytes = test_rng_below(&work->rng, 1 << 21);
    armdb_err err = adb_db_set_cache_bytes(work->db, bytes);
    return err == ARMDB_INVALID ? ARMDB_OK : workload_tolerate(work, "set_cache_bytes", err);
}

/* An armdb_compact_fn: counts down the steps that are left. */
static int
count_step(void *context, const armdb_compact_progress *progress)
{
    uint64_t *left = (uint64_t *)context;
    (void)progress;
    return --*left == 0;
}

/* A pass that is cut short goes on with the next step of compaction, whoever makes it. */
static armdb_err
step_compact(struct workload *work)
{
    armdb_compact_options options = ARMDB_COMPACT_OPTIONS_INIT;
    armdb_compact_progress progress;
    uint64_t left = test_rng_one_in(&work->rng, 3) ? UINT64_MAX : 1 + test_rng_below(&work->rng, 6);
    options.on_progress = count_step;
    options.context = &left;
    options.percent = 1 + (uint32_t)test_rng_below(&work->rng, 40);
    work->contract->is_compacted = true;
    return workload_tolerate(work, "compact", adb_db_compact(work->db, &options, &progress));
}

/* ---------------------------------------------------------------- collections */

static armdb_err
step_create(struct workload *work)
{
    static const char *const names[] = {"alpha", "beta", "gamma", "delta"};
    static const uint32_t key_bytes[] = {4, 8, 16, ARMDB_KEY_VARIABLE, 200};
    struct contract *contract = work->contract;
    const char *name = names[test_rng_below(&work->rng, 4)];
    armdb_collection_options options = ARMDB_COLLECTION_OPTIONS_INIT;
    struct collection *created;
    options.key_bytes = key_bytes[test_rng_below(&work->rng, 5)];
    draw_kind_of(&work->rng, &options);
    bool is_there = contract_find(contract, name) != UINT32_MAX;
    if (!is_there && contract->collection_count == CONTRACT_COLLECTIONS_MAX)
        return ARMDB_OK;
    armdb_err err = adb_collection_create(work->db, name, &options, &created);
    REQUIRE(is_there == (err == ARMDB_EXISTS), "create \"%s\": %s", name, armdb_err_name(err));
    if (is_there)
        return ARMDB_OK;
    if (err != ARMDB_NO_MEMORY && err != ARMDB_FAILED) {
        work->opened[contract->collection_count] = created;
        contract_create(contract, name, &options, created);
    }
    return workload_tolerate(work, "create collection", err);
}

static armdb_err
step_drop(struct workload *work)
{
    uint32_t place = workload_draw_collection(work);
    const struct contract_collection *collection = &work->contract->collections[place];
    armdb_value value;
    if (place == 0)
        return ARMDB_OK;
    armdb_err err = adb_collection_drop(work->db, collection->name);
    if (err == ARMDB_OK) {
        contract_drop(work->contract, place, CONTRACT_YES);
        REQUIRE_ERR(adb_db_get_value(work->opened[place], armdb_str("1234"), &value),
                    collection->key_bytes == 4 || collection->key_bytes == ARMDB_KEY_VARIABLE
                        ? ARMDB_NO_COLLECTION
                        : ARMDB_KEY_LENGTH);
    } else if (err != ARMDB_NO_MEMORY && err != ARMDB_FAILED) {
        contract_drop(work->contract, place, CONTRACT_MAYBE);
    }
    return workload_tolerate(work, "drop collection", err);
}

/* ----------------------------------------------------------------------- step */

static enum work_kind
draw_kind(struct workload *work)
{
    uint64_t sum = 0;
    for (int i = 0; i < WORK_KINDS; i++)
        sum += work->plan.weights[i];
    uint64_t draw = test_rng_below(&work->rng, sum);
    int kind = 0;
    while (draw >= work->plan.weights[kind])
        draw -= work->plan.weights[kind++];
    return (enum work_kind)kind;
}

static armdb_err
step_reopen(struct workload *work)
{
    armdb_err err = workload_close(work);
    return err == ARMDB_OK ? workload_open(work, CONTRACT_CLOSED) : err;
}

static armdb_err
run_step(struct workload *work)
{
    switch (work->kind) {
    case WORK_PUT:
    case WORK_INSERT:
    case WORK_DELETE:
    case WORK_CAS:
    case WORK_UPDATE:
        return step_write(work, work->kind);
    case WORK_GET:
    case WORK_GET_VALUE:
        return workload_get(work, work->kind);
    case WORK_MULTI_GET:
        return workload_multi_get(work);
    case WORK_TICKETS:
        return step_tickets(work);
    case WORK_SCAN:
        return workload_scan(work);
    case WORK_FLUSH_ALL:
        return step_flush(work, ARMDB_WRITTEN);
    case WORK_SYNC_ALL:
        return step_flush(work, ARMDB_SYNCED);
    case WORK_TIMER:
        return step_timer(work);
    case WORK_COMPACT:
        return step_compact(work);
    case WORK_CREATE:
        return step_create(work);
    case WORK_DROP:
        return step_drop(work);
    case WORK_BACKGROUND:
        return step_background(work);
    case WORK_CLOCK:
        return step_clock(work);
    case WORK_VERIFY:
        return step_verify(work);
    case WORK_CHECKPOINT:
        return step_checkpoint(work);
    case WORK_CACHE:
        return step_cache(work);
    case WORK_BATCH:
        return workload_batch(work);
    case WORK_REOPEN:
    case WORK_KINDS:
        break;
    }
    return step_reopen(work);
}

armdb_err
workload_step(struct workload *work)
{
    return workload_do(work, draw_kind(work));
}

armdb_err
workload_do(struct workload *work, enum work_kind kind)
{
    work->kind = kind;
    work->shard = UINT32_MAX;
    work->is_unsynced = false;
    armdb_err err = run_step(work);
    if (work->db != NULL)
        contract_observe(work->contract, work->db);
    return err;
}

armdb_err
workload_run(struct workload *work)
{
    armdb_err err = workload_open(work, CONTRACT_CUT);
    for (uint32_t i = 0; err == ARMDB_OK && i < work->plan.steps; i++)
        err = workload_step(work);
    return err;
}
