#include "model/model_modify.h"

#include <inttypes.h>
#include <string.h>

#include "db/db_update.h"
#include "sim/require.h"

static bool
is_equal(armdb_slice a, armdb_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The key keeps the deadline that it has, unless it gets another one. */
static void
put_modified(const struct modify *modify, armdb_slice value)
{
    const struct model_pair *pair = model_find(modify->model, modify->key);
    uint64_t deadline_ms = modify->deadline_ms;
    if (deadline_ms == 0 && pair != NULL)
        deadline_ms = pair->deadline_ms;
    model_put_until(modify->model, modify->key, value, deadline_ms, modify->now_ms);
}

/* The value of a pair, or one that differs in a byte, or is shorter, or none. */
static armdb_slice
expect_value(const struct modify *modify, const struct model_pair *pair)
{
    if (pair == NULL)
        return test_rng_one_in(&modify->gen->rng, 2) ? armdb_absent() : armdb_str("other");
    armdb_slice value = model_value(pair);
    switch (test_rng_below(&modify->gen->rng, 6)) {
    case 0:
        return armdb_absent();
    case 1:
        memcpy(modify->buffer, value.data, value.len);
        modify->buffer[0] ^= 1;
        return armdb_bytes(modify->buffer, value.len > 0 ? value.len : 1);
    case 2:
        value.len /= 2;
        return value;
    default:
        return value;
    }
}

static void
do_cas(const struct modify *modify)
{
    const struct model_pair *pair = model_find(modify->model, modify->key);
    const armdb_slice value = gen_value(modify->gen, modify->model->value_bytes, modify->value);
    struct db_cas cas = {modify->key, expect_value(modify, pair), value};
    armdb_value current = {0};
    armdb_err expected = ARMDB_OK;
    if (!armdb_is_absent(cas.expected) && test_rng_one_in(&modify->gen->rng, 4))
        cas.desired = armdb_absent();
    if (pair == NULL && !armdb_is_absent(cas.expected))
        expected = ARMDB_NOT_FOUND;
    else if (pair != NULL && !is_equal(cas.expected, model_value(pair)))
        expected = ARMDB_CHANGED;
    bool wants = test_rng_one_in(&modify->gen->rng, 2);
    REQUIRE_ERR(adb_db_cas(modify->opened, &cas, modify->options, wants ? &current : NULL),
                expected);
    REQUIRE(is_equal(armdb_value_bytes(&current), wants && expected == ARMDB_CHANGED
                                                      ? model_value(pair)
                                                      : (armdb_slice){NULL, 0}),
            "cas hands out another value");
    armdb_value_release(&current);
    if (expected == ARMDB_OK && armdb_is_absent(cas.desired))
        REQUIRE(model_delete(modify->model, modify->key), "the model lacks the key");
    else if (expected == ARMDB_OK)
        put_modified(modify, value);
}

/* What a callback expects, and does. */
struct updating {
    const struct model_pair *pair;
    armdb_verdict change;
    armdb_err err;
};

static armdb_err
update(void *context, armdb_slice key, const armdb_slice *old, armdb_verdict *verdict_out)
{
    const struct updating *updating = (const struct updating *)context;
    REQUIRE(key.len > 0 && (old != NULL) == (updating->pair != NULL),
            "a key that is there, or not");
    REQUIRE(old == NULL || is_equal(*old, model_value(updating->pair)), "another old value");
    *verdict_out = updating->change;
    return updating->err;
}

static void
do_update(const struct modify *modify)
{
    struct updating updating = {.pair = model_find(modify->model, modify->key)};
    armdb_value fresh = {0};
    const struct db_update what = {modify->key, update, &updating, NULL, &fresh};
    updating.change.kind = (armdb_verdict_kind)test_rng_below(&modify->gen->rng, 3);
    updating.change.value = gen_value(modify->gen, modify->model->value_bytes, modify->value);
    updating.err = test_rng_one_in(&modify->gen->rng, 10) ? (armdb_err)7 : ARMDB_OK;
    REQUIRE_ERR(adb_db_update(modify->opened, &what, modify->options), updating.err);
    if (updating.err == ARMDB_OK && updating.change.kind == ARMDB_REPLACE)
        REQUIRE(is_equal(armdb_value_bytes(&fresh), updating.change.value), "another new value");
    armdb_value_release(&fresh);
    if (updating.err == ARMDB_OK && updating.change.kind == ARMDB_REPLACE)
        put_modified(modify, updating.change.value);
    else if (updating.err == ARMDB_OK && updating.change.kind == ARMDB_REMOVE)
        (void)model_delete(modify->model, modify->key);
}

static void
do_add(const struct modify *modify)
{
    const struct model_pair *pair = model_find(modify->model, modify->key);
    const uint32_t width = modify->model->value_bytes;
    int64_t delta = (int64_t)test_rng_next(&modify->gen->rng) >>
                    test_rng_below(&modify->gen->rng, 64);
    int64_t now = 0, expected, sum;
    if (width != 1 && width != 8) { /* of the lengths that gen_collection() draws */
        REQUIRE_ERR(adb_db_add(modify->opened, modify->key, delta, modify->options, &sum),
                    ARMDB_UNSUPPORTED);
        return;
    }
    if (pair != NULL && width == 8)
        memcpy(&now, pair->value, 8);
    else if (pair != NULL)
        now = (int8_t)pair->value[0];
    bool fits = !__builtin_add_overflow(now, delta, &expected) &&
                (width == 8 || (expected >= INT8_MIN && expected <= INT8_MAX));
    REQUIRE_ERR(adb_db_add(modify->opened, modify->key, delta, modify->options, &sum),
                fits ? ARMDB_OK : ARMDB_OVERFLOW);
    if (!fits)
        return;
    REQUIRE(sum == expected, "%" PRId64 ", not %" PRId64, sum, expected);
    put_modified(modify, armdb_bytes(&expected, width));
}

void
model_modify(const struct modify *modify)
{
    uint64_t draw = test_rng_below(&modify->gen->rng, 5);
    if (draw < 2)
        do_cas(modify);
    else if (draw < 4)
        do_update(modify);
    else
        do_add(modify);
}
