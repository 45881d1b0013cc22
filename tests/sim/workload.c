#include "sim/workload.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "sim/require.h"

enum {
    VALUE_MAX = 600 * 1024,
    TIMER_NS = 200000000,
    READS = 40,             /* of a multi-get: more than one group of it */
    READ_BYTES = 12 * 1024, /* room of each: too little for some values */
};

_Static_assert(READS *READ_BYTES <= VALUE_MAX, "the reads share the buffer");

static unsigned char value_buffer[VALUE_MAX]; /* of all workloads: one thread runs them in turn */

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
    struct work_plan plan = {.seed = seed,
                             .steps = steps,
                             .shards = 1 + (uint32_t)test_rng_below(&rng, 3),
                             .has_large = test_rng_one_in(&rng, 8),
                             .default_collection = ARMDB_COLLECTION_OPTIONS_INIT,
                             .weights = {40, 8, 12, 5, 4, 3, 2, 4, 3, 4, 2, 6, 4, 3, 2}};
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

/* Passes on an error that may come; any other ends the test. */
static armdb_err
tolerate(const struct workload *work, const char *what, armdb_err err)
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

armdb_err
workload_open(struct workload *work, enum contract_end end)
{
    struct contract *contract = work->contract;
    work->ticket_count = 0;
    if (contract->shard_count == 0)
        contract_describe_default(contract, &work->options.default_collection);
    work->options.open_mode = contract->shard_count > 0 ? ARMDB_OPEN_EXISTING
                                                        : ARMDB_OPEN_OR_CREATE;
    armdb_err err = adb_db_open(sim_os(work->sim), WORK_PATH, &work->options, &work->db);
    if (err != ARMDB_OK) {
        REQUIRE(work->db == NULL, "a handle with %s", armdb_err_name(err));
        return tolerate(work, "open", err);
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
    return tolerate(work, "close", err);
}

/* --------------------------------------------------------------------- writes */

static uint32_t
draw_value_len(struct workload *work)
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

static enum shard_verb
verb_of(enum work_kind kind)
{
    if (kind == WORK_PUT)
        return SHARD_PUT;
    return kind == WORK_INSERT ? SHARD_INSERT : SHARD_DELETE;
}

static armdb_shard_info
info_of(const struct workload *work, uint32_t shard)
{
    armdb_shard_info info;
    REQUIRE_OK(adb_db_get_shard_info(work->db, shard, &info));
    return info;
}

/* Enters a write that failed, by what the shard says of itself. */
static void
note_failed_write(struct workload *work, const struct contract_write *write, armdb_err err,
                  bool was_failed, armdb_durability level)
{
    armdb_shard_info info = info_of(work, work->shard);
    size_t count = work->contract->shards[work->shard].count;
    bool grew = info.newest_sequence == count + 1;
    REQUIRE(grew || info.newest_sequence == count, "shard at %" PRIu64 ", not %zu",
            info.newest_sequence, count);
    REQUIRE(err != ARMDB_FAILED || info.failure != ARMDB_OK, "refused by a shard that is well");
    REQUIRE(!was_failed || err == ARMDB_FAILED, "a failed shard says %s", armdb_err_name(err));
    if (grew) {
        REQUIRE(level == ARMDB_SYNCED && info.failure != ARMDB_OK, "%s after the write was taken",
                armdb_err_name(err));
        contract_accept(work->contract, work->shard, write);
    } else if (!was_failed && info.failure != ARMDB_OK) {
        REQUIRE(err != ARMDB_NO_SPACE && err != ARMDB_NO_MEMORY, "%s broke the shard",
                armdb_err_name(err));
        contract_doubt(work->contract, work->shard, write);
    }
}

/* Remembers the ticket of the newest write, in place of the oldest one if there are many. */
static void
keep_ticket(struct workload *work, const armdb_ticket *ticket, uint32_t place)
{
    size_t count = work->contract->shards[work->shard].count;
    bool was_unsure = work->contract->collections[place].is_dropped == CONTRACT_MAYBE;
    REQUIRE(ticket->shard == work->shard && ticket->sequence == count,
            "a ticket for write %" PRIu64 " of shard %u, not %zu of %u", ticket->sequence,
            ticket->shard, count, work->shard);
    if (work->ticket_count == WORK_TICKETS_MAX)
        memmove(&work->tickets[0], &work->tickets[1],
                --work->ticket_count * sizeof work->tickets[0]);
    work->tickets[work->ticket_count++] = (struct work_ticket){*ticket, count, place, was_unsure};
}

static bool
is_zero(const armdb_ticket *ticket)
{
    return ticket->sequence == 0 && ticket->shard == 0 && ticket->reserved == 0;
}

/* One write; with `has_ticket` it is not waited for, and promises nothing. */
static armdb_err
write_pair(struct workload *work, enum work_kind kind, const struct contract_write *planned,
           armdb_durability level, bool has_ticket)
{
    const uint32_t place = planned->collection;
    const uint32_t key = planned->key;
    unsigned char room[CONTRACT_KEY_BYTES];
    struct contract_collection *collection = &work->contract->collections[place];
    armdb_slice bytes = contract_key(collection, key, room);
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    armdb_ticket ticket = {7, 7, 7};
    struct contract_write write = {place, key, 0, 0};
    options.durability = level;
    options.ticket = has_ticket ? &ticket : NULL;
    if (level == ARMDB_DURABILITY_DEFAULT)
        level = work->options.durability;
    if (level == ARMDB_DURABILITY_DEFAULT)
        level = ARMDB_WRITTEN;
    bool is_ticketed = has_ticket && level == ARMDB_SYNCED;
    if (is_ticketed)
        level = ARMDB_BUFFERED;
    if (kind != WORK_DELETE) {
        write.value_len = collection->value_bytes == ARMDB_VALUE_VARIABLE ? planned->value_len
                                                                          : collection->value_bytes;
        write.stamp = work->next_stamp++;
        contract_fill(write.stamp, write.value_len, work->buffer);
        options.expires_at_ms = contract_deadline(write.stamp);
    }
    work->shard = contract_route(work->db, bytes);
    bool was_failed = info_of(work, work->shard).failure != ARMDB_OK;
    bool is_there = collection->live[key].stamp != 0;
    armdb_err err = adb_db_write(work->opened[place], verb_of(kind), bytes,
                                 (armdb_slice){work->buffer, write.value_len}, &options);
    REQUIRE(!has_ticket || (is_ticketed && err == ARMDB_OK) || is_zero(&ticket),
            "a ticket of shard %u with %s", ticket.shard, armdb_err_name(err));
    if (err == ARMDB_EXISTS || err == ARMDB_NOT_FOUND) {
        REQUIRE(kind == (err == ARMDB_EXISTS ? WORK_INSERT : WORK_DELETE) &&
                    is_there == (err == ARMDB_EXISTS),
                "key %u of \"%s\": %s", key, collection->name, armdb_err_name(err));
        return ARMDB_OK;
    }
    if (err != ARMDB_OK) {
        note_failed_write(work, &write, err, was_failed, level);
        return tolerate(work, "a write", err);
    }
    REQUIRE(!was_failed && (kind == WORK_PUT || is_there == (kind == WORK_DELETE)),
            "key %u of \"%s\": written", key, collection->name);
    if (sim_is_off(work->sim)) { /* nobody was there any more to be told of it */
        contract_accept(work->contract, work->shard, &write);
        return ARMDB_IO;
    }
    contract_accept(work->contract, work->shard, &write);
    if (is_ticketed)
        keep_ticket(work, &ticket, place);
    contract_promise(work->contract, work->shard, level);
    if (level == ARMDB_SYNCED && collection->is_dropped == CONTRACT_MAYBE)
        collection->is_dropped = CONTRACT_NO; /* who promises this keeps the collection, too */
    return ARMDB_OK;
}

armdb_err
workload_write(struct workload *work, enum work_kind kind, uint32_t place, uint32_t key,
               uint32_t value_len, armdb_durability level)
{
    const struct contract_write planned = {place, key, value_len, 0};
    return write_pair(work, kind, &planned, level, false);
}

/* The place of a collection that is there. */
static uint32_t
draw_collection(struct workload *work)
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
    struct contract_write planned = {.collection = draw_collection(work)};
    planned.key = (uint32_t)test_rng_below(&work->rng, CONTRACT_KEYS);
    planned.value_len = draw_value_len(work);
    armdb_durability level = (armdb_durability)test_rng_below(&work->rng, 4);
    return write_pair(work, kind, &planned, level, test_rng_one_in(&work->rng, 3));
}

/* -------------------------------------------------------------------- tickets */

/* The write of a ticket is on the device, and all before it in its shard. */
static void
redeem(struct workload *work, const struct work_ticket *held)
{
    struct contract_collection *collection = &work->contract->collections[held->place];
    contract_promise_first(work->contract, held->ticket.shard, held->count, ARMDB_SYNCED);
    if (held->was_unsure && collection->is_dropped == CONTRACT_MAYBE)
        collection->is_dropped = CONTRACT_NO; /* as for a write that was waited for */
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
        return tolerate(work, "wait for tickets", err);
    for (uint32_t i = 0; i < count; i++) {
        REQUIRE(is_redeemable(work, &work->tickets[i]), "waited for, but not synced");
        redeem(work, &work->tickets[i]);
    }
    work->ticket_count -= count;
    memmove(&work->tickets[0], &work->tickets[count], work->ticket_count * sizeof work->tickets[0]);
    return ARMDB_OK;
}

/* ---------------------------------------------------------------------- reads */

static void
check_found(const struct contract_collection *collection, uint32_t key, armdb_err err,
            armdb_slice bytes)
{
    struct contract_value live = collection->live[key];
    REQUIRE(err == (live.stamp != 0 ? ARMDB_OK : ARMDB_NOT_FOUND), "key %u of \"%s\": %s", key,
            collection->name, armdb_err_name(err));
    REQUIRE(err != ARMDB_OK || contract_is_value(live, bytes),
            "key %u of \"%s\": a wrong value of %zu bytes", key, collection->name, bytes.len);
}

static armdb_err
step_get(struct workload *work, enum work_kind kind)
{
    unsigned char room[CONTRACT_KEY_BYTES];
    uint32_t place = draw_collection(work);
    uint32_t key = (uint32_t)test_rng_below(&work->rng, CONTRACT_KEYS);
    const struct contract_collection *collection = &work->contract->collections[place];
    armdb_slice bytes = contract_key(collection, key, room);
    armdb_value value;
    size_t len;
    if (kind == WORK_GET) {
        armdb_err err = adb_db_get(work->opened[place], bytes, work->buffer, VALUE_MAX, &len);
        if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
            return tolerate(work, "get", err);
        check_found(collection, key, err, (armdb_slice){work->buffer, len});
    } else {
        armdb_err err = adb_db_get_value(work->opened[place], bytes, &value);
        if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
            return tolerate(work, "get_value", err);
        check_found(collection, key, err, armdb_value_bytes(&value));
        armdb_value_release(&value);
    }
    return ARMDB_OK;
}

/* Checks a read of a multi-get, of a key or (CONTRACT_KEYS) of none; returns the failure of the
 * environment that it met. */
static armdb_err
check_read(const struct workload *work, const struct contract_collection *collection,
           const armdb_read *read, uint32_t key)
{
    if (key == CONTRACT_KEYS) {
        REQUIRE(read->err == ARMDB_KEY_LENGTH && read->len == 0, "no key: %s",
                armdb_err_name(read->err));
        return ARMDB_OK;
    }
    struct contract_value live = collection->live[key];
    /* Whether it has expired is in the file. */
    bool is_read = live.stamp != 0 && contract_deadline(live.stamp) != 0;
    bool has_failed = read->err != ARMDB_BUFFER_TOO_SMALL && work->may_fail && is_read;
    if (live.stamp != 0 && live.len > read->capacity && !has_failed) {
        REQUIRE(read->err == ARMDB_BUFFER_TOO_SMALL && read->len == live.len,
                "key %u of \"%s\", %u bytes: %s, %zu bytes", key, collection->name, live.len,
                armdb_err_name(read->err), read->len);
        return ARMDB_OK;
    }
    if (read->err != ARMDB_OK && read->err != ARMDB_NOT_FOUND) {
        REQUIRE(work->may_fail && live.stamp != 0 && read->len == 0, "key %u of \"%s\": %s", key,
                collection->name, armdb_err_name(read->err));
        return read->err;
    }
    check_found(collection, key, read->err, (armdb_slice){read->buffer, read->len});
    return ARMDB_OK;
}

static armdb_err
step_multi_get(struct workload *work)
{
    unsigned char rooms[READS][CONTRACT_KEY_BYTES];
    uint32_t keys[READS];
    armdb_read reads[READS];
    uint32_t place = draw_collection(work);
    uint32_t count = 1 + (uint32_t)test_rng_below(&work->rng, READS);
    const struct contract_collection *collection = &work->contract->collections[place];
    armdb_err first = ARMDB_OK;
    armdb_err met = ARMDB_OK;
    for (uint32_t i = 0; i < count; i++) {
        bool is_key = !test_rng_one_in(&work->rng, 100);
        keys[i] = is_key ? (uint32_t)test_rng_below(&work->rng, CONTRACT_KEYS) : CONTRACT_KEYS;
        reads[i] = (armdb_read){.buffer = work->buffer + i * READ_BYTES,
                                .capacity = READ_BYTES,
                                .len = 7,
                                .err = ARMDB_CLOSED};
        if (is_key)
            reads[i].key = contract_key(collection, keys[i], rooms[i]);
    }
    armdb_err err = adb_db_multi_get(work->opened[place], reads, count);
    for (uint32_t i = 0; i < count; i++) {
        armdb_err failure = check_read(work, collection, &reads[i], keys[i]);
        met = met != ARMDB_OK ? met : failure;
        if (first == ARMDB_OK && reads[i].err != ARMDB_NOT_FOUND)
            first = reads[i].err;
    }
    REQUIRE(err == first, "multi_get says %s, the first failure is %s", armdb_err_name(err),
            armdb_err_name(first));
    return met == err ? tolerate(work, "multi_get", met) : met;
}

/* A step of a walk without order: a key that is there and was not met yet. */
static armdb_err
check_step_anywhere(struct workload *work, const struct contract_collection *collection,
                    struct cursor *cursor, armdb_err err, bool *is_met)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < CONTRACT_KEYS; i++)
        left += collection->live[i].stamp != 0 && !is_met[i];
    REQUIRE((err == ARMDB_END) == (left == 0), "a walk with %u keys left: %s", left,
            armdb_err_name(err));
    if (err == ARMDB_END)
        return ARMDB_END;
    uint32_t number = contract_number(collection, adb_cursor_key(cursor));
    REQUIRE(number < CONTRACT_KEYS && collection->live[number].stamp != 0 && !is_met[number],
            "a walk at key %u: not there, or met before", number);
    is_met[number] = true;
    REQUIRE(err != ARMDB_OK ||
                contract_is_value(collection->live[number], adb_cursor_value(cursor)),
            "a walk at key %u: wrong value", number);
    return tolerate(work, "a walk", err);
}

/* A step of a walk: the key must be the next that is there. A failed read of its value passes. */
static armdb_err
check_step(struct workload *work, const struct contract_collection *collection,
           struct cursor *cursor, armdb_err err, uint32_t *next)
{
    unsigned char room[CONTRACT_KEY_BYTES];
    bool is_ascending = collection->order == ARMDB_ASCENDING;
    uint32_t number = *next;
    while (number < CONTRACT_KEYS && collection->live[number].stamp == 0)
        number += is_ascending ? 1u : UINT32_MAX;
    *next = number + (is_ascending ? 1u : UINT32_MAX);
    REQUIRE((err == ARMDB_END) == (number >= CONTRACT_KEYS), "a walk at key %u: %s", number,
            armdb_err_name(err));
    if (err == ARMDB_END)
        return ARMDB_END;
    armdb_slice expected = contract_key(collection, number, room);
    armdb_slice key = adb_cursor_key(cursor);
    REQUIRE(key.len == expected.len && memcmp(key.data, expected.data, key.len) == 0,
            "a walk at key %u: another key, %s", number, armdb_err_name(err));
    REQUIRE(err != ARMDB_OK ||
                contract_is_value(collection->live[number], adb_cursor_value(cursor)),
            "a walk at key %u: wrong value", number);
    return tolerate(work, "a walk", err);
}

static armdb_err
step_scan(struct workload *work)
{
    uint32_t place = draw_collection(work);
    const struct contract_collection *collection = &work->contract->collections[place];
    uint32_t next = collection->order == ARMDB_ASCENDING ? 0 : CONTRACT_KEYS - 1;
    bool is_met[CONTRACT_KEYS] = {false};
    struct cursor *cursor;
    armdb_err first = ARMDB_OK;
    armdb_err err = adb_cursor_open(work->opened[place], NULL, &cursor);
    if (err != ARMDB_OK)
        return tolerate(work, "cursor_open", err);
    while (err != ARMDB_END) {
        err = adb_cursor_move(cursor, CURSOR_NEXT);
        err = collection->order == ARMDB_UNORDERED
                  ? check_step_anywhere(work, collection, cursor, err, is_met)
                  : check_step(work, collection, cursor, err, &next);
        if (err != ARMDB_END && first == ARMDB_OK)
            first = err;
    }
    adb_cursor_close(cursor);
    return first;
}

/* ------------------------------------------------------------- flush and sync */

static armdb_err
step_flush(struct workload *work, armdb_durability level)
{
    armdb_err err = level == ARMDB_SYNCED ? adb_db_sync(work->db) : adb_db_flush(work->db);
    if (err == ARMDB_OK)
        contract_promise_all(work->contract, level);
    return tolerate(work, level == ARMDB_SYNCED ? "sync" : "flush", err);
}

/* Lets time go by, so that the timers run. They report to nobody. */
static armdb_err
step_timer(struct workload *work)
{
    sim_advance_ns(work->sim, TIMER_NS);
    adb_db_step(work->db);
    if (!work->may_fail)
        contract_promise_all(work->contract, work->options.sync_interval_ms == ARMDB_NEVER
                                                 ? ARMDB_WRITTEN
                                                 : ARMDB_SYNCED);
    return ARMDB_OK;
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
    return tolerate(work, "compact", adb_db_compact(work->db, &options, &progress));
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
    return tolerate(work, "create collection", err);
}

static armdb_err
step_drop(struct workload *work)
{
    uint32_t place = draw_collection(work);
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
    return tolerate(work, "drop collection", err);
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
        return step_write(work, work->kind);
    case WORK_GET:
    case WORK_GET_VALUE:
        return step_get(work, work->kind);
    case WORK_MULTI_GET:
        return step_multi_get(work);
    case WORK_TICKETS:
        return step_tickets(work);
    case WORK_SCAN:
        return step_scan(work);
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
    case WORK_REOPEN:
    case WORK_KINDS:
        break;
    }
    return step_reopen(work);
}

armdb_err
workload_step(struct workload *work)
{
    work->kind = draw_kind(work);
    work->shard = UINT32_MAX;
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
