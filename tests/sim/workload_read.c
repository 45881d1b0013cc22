/*
 * workload_read.c: the reads of a workload, each held against what must be there.
 */
#include <string.h>

#include "sim/require.h"
#include "sim/workload_private.h"

enum {
    READS = 40,            /* of a multi-get: more than one group of it */
    READ_BYTES = 12 * 1024 /* room of each: too little for some values */
};

_Static_assert(READS *READ_BYTES <= WORK_VALUE_MAX, "the reads share the buffer");

static void
check_found(const struct contract_collection *collection, uint32_t key, armdb_err err,
            armdb_slice bytes)
{
    struct contract_value live = collection->live[key];
    REQUIRE(live.is_there != (err == ARMDB_OK ? CONTRACT_NO : CONTRACT_YES), "key %u of \"%s\": %s",
            key, collection->name, armdb_err_name(err));
    REQUIRE(err != ARMDB_OK || contract_is_value(live, bytes),
            "key %u of \"%s\": a wrong value of %zu bytes", key, collection->name, bytes.len);
}

armdb_err
workload_get(struct workload *work, enum work_kind kind)
{
    unsigned char room[CONTRACT_KEY_BYTES];
    uint32_t place = workload_draw_collection(work);
    uint32_t key = (uint32_t)test_rng_below(&work->rng, CONTRACT_KEYS);
    const struct contract_collection *collection = &work->contract->collections[place];
    armdb_slice bytes = contract_key(collection, key, room);
    armdb_value value;
    size_t len;
    if (kind == WORK_GET) {
        armdb_err err = adb_db_get(work->opened[place], bytes, work->buffer, WORK_VALUE_MAX, &len);
        if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
            return workload_tolerate(work, "get", err);
        check_found(collection, key, err, (armdb_slice){work->buffer, len});
    } else {
        armdb_err err = adb_db_get_value(work->opened[place], bytes, &value);
        if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
            return workload_tolerate(work, "get_value", err);
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
    bool is_read = live.stamp != 0 && live.deadline_ms != 0;
    bool has_failed = read->err != ARMDB_BUFFER_TOO_SMALL && work->may_fail && is_read;
    bool is_absent = live.is_there == CONTRACT_NO ||
                     (live.is_there == CONTRACT_MAYBE && read->err == ARMDB_NOT_FOUND);
    if (!is_absent && live.len > read->capacity && !has_failed) {
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

armdb_err
workload_multi_get(struct workload *work)
{
    unsigned char rooms[READS][CONTRACT_KEY_BYTES];
    uint32_t keys[READS];
    armdb_read reads[READS];
    uint32_t place = workload_draw_collection(work);
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
    return met == err ? workload_tolerate(work, "multi_get", met) : met;
}

/* Whether a walk may stand there; where the record can't be read, its deadline may have passed. */
static bool
may_be_met(const struct contract_value *live, armdb_err err)
{
    return live->is_there != CONTRACT_NO || (err != ARMDB_OK && live->stamp != 0);
}

/* A step of a walk without order: a key that is there and was not met yet. */
static armdb_err
check_step_anywhere(struct workload *work, const struct contract_collection *collection,
                    struct cursor *cursor, armdb_err err, bool *is_met)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < CONTRACT_KEYS; i++)
        left += collection->live[i].is_there == CONTRACT_YES && !is_met[i];
    REQUIRE(err != ARMDB_END || left == 0, "a walk ends with %u keys left", left);
    if (err == ARMDB_END)
        return ARMDB_END;
    uint32_t number = contract_number(collection, adb_cursor_key(cursor));
    REQUIRE(number < CONTRACT_KEYS && may_be_met(&collection->live[number], err) && !is_met[number],
            "a walk at key %u: not there, or met before", number);
    is_met[number] = true;
    REQUIRE(err != ARMDB_OK ||
                contract_is_value(collection->live[number], adb_cursor_value(cursor)),
            "a walk at key %u: wrong value", number);
    return workload_tolerate(work, "a walk", err);
}

/* A step of a walk: the key must be the next that is there. A failed read of its value passes. */
static armdb_err
check_step(struct workload *work, const struct contract_collection *collection,
           struct cursor *cursor, armdb_err err, uint32_t *next)
{
    const uint32_t onward = collection->order == ARMDB_ASCENDING ? 1u : UINT32_MAX;
    uint32_t found = err == ARMDB_END ? CONTRACT_KEYS
                                      : contract_number(collection, adb_cursor_key(cursor));
    uint32_t number = *next;
    while (number < CONTRACT_KEYS && number != found &&
           collection->live[number].is_there != CONTRACT_YES)
        number += onward;
    *next = number + onward;
    REQUIRE((err == ARMDB_END) == (number >= CONTRACT_KEYS), "a walk at key %u: %s", number,
            armdb_err_name(err));
    if (err == ARMDB_END)
        return ARMDB_END;
    REQUIRE(number == found && may_be_met(&collection->live[number], err),
            "a walk at key %u: key %u, %s", number, found, armdb_err_name(err));
    REQUIRE(err != ARMDB_OK ||
                contract_is_value(collection->live[number], adb_cursor_value(cursor)),
            "a walk at key %u: wrong value", number);
    return workload_tolerate(work, "a walk", err);
}

armdb_err
workload_scan(struct workload *work)
{
    uint32_t place = workload_draw_collection(work);
    const struct contract_collection *collection = &work->contract->collections[place];
    uint32_t next = collection->order == ARMDB_ASCENDING ? 0 : CONTRACT_KEYS - 1;
    bool is_met[CONTRACT_KEYS] = {false};
    struct cursor *cursor;
    armdb_err first = ARMDB_OK;
    armdb_err err = adb_cursor_open(work->opened[place], NULL, &cursor);
    if (err != ARMDB_OK)
        return workload_tolerate(work, "cursor_open", err);
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
