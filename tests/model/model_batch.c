#include "model/model_batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "db/db_batch.h"
#include "sim/require.h"

enum {
    OPS_MAX = 24,
    RECORD_BYTES = 20 + 12 + 7, /* beside key and value, at most */
    LARGE_BYTES = 524288,       /* so long a value takes 8 KiB more */
    RESERVED_BYTES = 5120       /* of a file */
};

/* One operation. */
struct model_op {
    int place;
    bool is_write;
    enum shard_verb verb;
    enum shard_condition condition;
    unsigned char key_bytes[ARMDB_KEY_MAX];
    armdb_slice key;
    armdb_slice value; /* owned: of a put, or what is expected */
    uint64_t deadline_ms;
};

static armdb_slice
copy(armdb_slice value)
{
    unsigned char *bytes = (unsigned char *)require_memory(NULL, value.len);
    if (value.len > 0)
        memcpy(bytes, value.data, value.len);
    return (armdb_slice){bytes, value.len};
}

/* ---------------------------------------------------------------------- drawing */

/* A condition that mostly holds by what the model has now. */
static void
draw_condition(const struct model_batch *how, struct model_op *op)
{
    struct test_rng *rng = &how->gen->rng;
    const struct model_pair *pair = model_find(&how->models[op->place], op->key);
    bool is_right = !test_rng_one_in(rng, 10);
    op->condition = (enum shard_condition)(SHARD_ABSENT + test_rng_below(rng, 3));
    if (is_right && (op->condition == SHARD_ABSENT) == (pair != NULL))
        op->condition = pair != NULL ? SHARD_PRESENT : SHARD_ABSENT;
    if (op->condition != SHARD_VALUE)
        return;
    op->value = copy(pair != NULL ? model_value(pair) : armdb_str("none"));
    if (!is_right && op->value.len > 0)
        ((unsigned char *)(uintptr_t)op->value.data)[0] ^= 1;
}

static void
draw_write(const struct model_batch *how, struct model_op *op)
{
    struct test_rng *rng = &how->gen->rng;
    armdb_slice value = gen_value(how->gen, how->models[op->place].value_bytes, how->value);
    bool is_there = model_find(&how->models[op->place], op->key) != NULL;
    op->is_write = true;
    op->verb = test_rng_one_in(rng, 4) ? SHARD_DELETE : SHARD_PUT;
    op->condition = SHARD_ALWAYS;
    if (op->verb == SHARD_PUT && test_rng_one_in(rng, is_there ? 20 : 2))
        op->condition = SHARD_ABSENT;
    if (op->verb == SHARD_PUT && test_rng_one_in(rng, 4))
        op->deadline_ms = how->has_clock ? how->now_ms + 1 + test_rng_below(rng, 3000)
                                         : UINT64_MAX - test_rng_below(rng, 1000);
    if (op->verb == SHARD_DELETE)
        value.len = 0;
    op->value = copy(value);
}

static void
draw(const struct model_batch *how, struct model_op *op)
{
    struct test_rng *rng = &how->gen->rng;
    *op = (struct model_op){.verb = SHARD_DELETE};
    do
        op->place = (int)test_rng_below(rng, GEN_COLLECTIONS);
    while (how->opened[op->place] == NULL);
    op->key = gen_key(how->gen, how->models[op->place].key_bytes, op->key_bytes);
    if (test_rng_one_in(rng, 4))
        draw_condition(how, op);
    else
        draw_write(how, op);
}

static void
add(const struct model_batch *how, struct batch *batch, const struct model_op *op)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    options.expires_at_ms = op->deadline_ms;
    const struct batch_addition addition = {.collection = how->opened[op->place],
                                            .key = op->key,
                                            .is_write = op->is_write,
                                            .verb = op->verb,
                                            .condition = op->condition,
                                            .value = op->value,
                                            .options = &options};
    REQUIRE_OK(adb_db_batch_add(batch, &addition));
}

/* --------------------------------------------------------------------- comparing */

/* What the model says of a condition: ARMDB_OK, or why it does not hold. */
static armdb_err
judge(const struct model_batch *how, const struct model_op *op)
{
    const struct model_pair *pair = model_find(&how->models[op->place], op->key);
    if (op->condition == SHARD_ALWAYS)
        return ARMDB_OK;
    if (op->condition == SHARD_ABSENT)
        return pair == NULL ? ARMDB_OK : ARMDB_EXISTS;
    if (pair == NULL)
        return ARMDB_NOT_FOUND;
    bool is_same = pair->value_len == op->value.len &&
                   (op->value.len == 0 || memcmp(pair->value, op->value.data, op->value.len) == 0);
    return op->condition == SHARD_PRESENT || is_same ? ARMDB_OK : ARMDB_CHANGED;
}

static void
apply(const struct model_batch *how, const struct model_op *op)
{
    struct model_collection *model = &how->models[op->place];
    if (!op->is_write)
        return;
    if (op->verb == SHARD_DELETE)
        (void)model_delete(model, op->key);
    else
        model_put_until(model, op->key, op->value, op->deadline_ms, how->now_ms);
}

/* Whether it was done. */
static bool
commit(const struct model_batch *how, struct batch *batch, const struct model_op *ops,
       uint32_t count)
{
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    bool may_be_done = true;
    uint64_t bytes = 0;
    size_t refused;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t pad = ops[i].value.len >= LARGE_BYTES ? 2 * 4096 : 0;
        bytes += ops[i].is_write ? RECORD_BYTES + ops[i].key.len + ops[i].value.len + pad : 0;
        may_be_done = may_be_done && judge(how, &ops[i]) == ARMDB_OK;
    }
    options.durability = gen_durability(how->gen);
    armdb_err err = adb_db_batch_commit(batch, &options, &refused);
    if (err == ARMDB_LIMIT) {
        REQUIRE(how->file_bytes != 0 && bytes > how->file_bytes - RESERVED_BYTES,
                "%" PRIu64 " bytes are too much for a file", bytes);
        return false;
    }
    if (err != ARMDB_OK) {
        REQUIRE(refused < count && judge(how, &ops[refused]) == err, "operation %zu: %s", refused,
                armdb_err_name(err));
        return false;
    }
    REQUIRE(may_be_done && refused == SIZE_MAX, "a batch whose conditions do not hold");
    for (uint32_t i = 0; i < count; i++)
        apply(how, &ops[i]);
    return true;
}

void
model_batch(const struct model_batch *how)
{
    struct test_rng *rng = &how->gen->rng;
    struct model_op *ops = (struct model_op *)require_memory(NULL, OPS_MAX * sizeof *ops);
    uint32_t count = (uint32_t)test_rng_below(rng, OPS_MAX + 1);
    struct batch *batch;
    REQUIRE_OK(adb_db_batch_new(how->db, &batch));
    for (uint32_t i = 0; i < count; i++) {
        draw(how, &ops[i]);
        add(how, batch, &ops[i]);
    }
    REQUIRE(adb_db_batch_count(batch, NULL) == count, "%zu operations",
            adb_db_batch_count(batch, NULL));
    /* Once more only if nothing was done, or no reader will have to decode what was. */
    bool has_objects = false;
    for (uint32_t i = 0; i < count; i++)
        has_objects = has_objects || how->models[ops[i].place].value_bytes == ARMDB_VALUE_OBJECT;
    while (!(commit(how, batch, ops, count) && has_objects) && test_rng_one_in(rng, 4))
        continue;
    adb_db_batch_free(batch);
    for (uint32_t i = 0; i < count; i++)
        free((void *)(uintptr_t)ops[i].value.data);
    free(ops);
}
