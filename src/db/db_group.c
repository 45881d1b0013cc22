#include "db/db_group.h"

#include <inttypes.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "db/db_batch_private.h"
#include "log/location.h"

struct group {
    const struct group_call *call;
    struct db *db;
    uint32_t shard;
    struct batch *batch; /* owned */
    /* owned: [n_slots], a power of 2, or 0. By a hash of collection and key, the number of the
     * operation that wrote the key last, plus 1; 0: none */
    uint32_t *slots;
    uint32_t n_slots;
    struct shard_batch work;
    struct shard_batch_part part;
};

/* What a key has, for the group. */
struct found {
    bool is_own;          /* written in the group */
    uint64_t location;    /* if it is not */
    uint64_t deadline_ms; /* 0: none */
    size_t len;
    unsigned char inlined[ARMDB_CONST_VALUE_MAX];
    const void *value; /* borrowed; NULL: it must be read from the log */
};

_Thread_local bool adb_is_in_group;

/* -------------------------------------------------------------------- own writes */

/*
 * Where the operation of a key stands, or would stand. There is a free slot. Nobody outside knows
 * the seed, so keys can't be chosen to meet. It is not the one that chooses shards: by that, these
 * are alike.
 */
static uint32_t *
find_slot(const struct group *group, const struct shard_index *index, armdb_slice key)
{
    const uint64_t seed = ~group->db->router.hash_seed ^ index->collection_id;
    uint32_t at = (uint32_t)adb_hash(key.data, key.len, seed);
    for (;; at++) {
        uint32_t *slot = &group->slots[at & (group->n_slots - 1)];
        if (*slot == 0)
            return slot;
        const struct shard_write *write = &group->batch->ops[*slot - 1].write;
        if (write->index == index && write->key.len == key.len &&
            memcmp(write->key.data, key.data, key.len) == 0)
            return slot;
    }
}

/* Sees to it that half of the slots stay free with one more operation. */
static armdb_err
make_slots(struct group *group)
{
    uint32_t *before = group->slots;
    const uint32_t n_before = group->n_slots;
    if (2 * ((size_t)group->batch->count + 1) <= n_before)
        return ARMDB_OK;
    uint32_t *slots = adb_new_array(uint32_t, n_before == 0 ? 32 : 2 * (size_t)n_before);
    if (slots == NULL)
        return adb_fail(ARMDB_NO_MEMORY, "group", "no memory for an operation");
    group->slots = slots;
    group->n_slots = n_before == 0 ? 32 : 2 * n_before;
    for (uint32_t i = 0; i < n_before; i++) {
        if (before[i] == 0)
            continue;
        const struct shard_write *write = &group->batch->ops[before[i] - 1].write;
        *find_slot(group, write->index, write->key) = before[i];
    }
    adb_mem_free(before);
    return ARMDB_OK;
}

/* Adds a write; an earlier one of the same key counts no more. */
static armdb_err
add(struct group *group, const struct batch_addition *addition)
{
    ADB_TRY(make_slots(group));
    ADB_TRY(adb_db_batch_add(group->batch, addition));
    uint32_t *slot = find_slot(group, &addition->collection->index, addition->key);
    if (*slot != 0)
        adb_batch_withdraw(group->batch, *slot - 1);
    *slot = group->batch->count;
    return ARMDB_OK;
}

/* ----------------------------------------------------------------------- looking */

/* Whether the group may read and write this key. */
static armdb_err
check(const struct group *group, const struct collection *collection, armdb_slice key)
{
    if (collection->db != group->db)
        return adb_fail(ARMDB_INVALID, "group", "a collection of another database");
    ADB_TRY(adb_collection_check(collection));
    ADB_TRY(adb_collection_check_key(collection, key));
    uint32_t shard = adb_router_shard(&group->db->router, key);
    if (shard == group->shard)
        return ARMDB_OK;
    return adb_fail(ARMDB_INVALID, "group",
                    "the key belongs to shard %" PRIu32 ", and the group to shard %" PRIu32
                    ": shard_prefix_bits keeps keys together",
                    shard, group->shard);
}

/* What the group has written, if it has written that key. */
static const struct shard_write *
find_own(const struct group *group, const struct shard_index *index, armdb_slice key)
{
    const uint32_t *slot = group->n_slots != 0 ? find_slot(group, index, key) : NULL;
    return slot != NULL && *slot != 0 ? &group->batch->ops[*slot - 1].write : NULL;
}

/* Finds what a key has. Under the shard's lock, which is as good as a scope. */
static armdb_err
look(struct group *group, struct collection *collection, armdb_slice key, struct found *found_out)
{
    const struct adb_index *keys = &collection->index.keys;
    ADB_TRY(check(group, collection, key));
    const struct shard_write *own = find_own(group, &collection->index, key);
    *found_out = (struct found){.is_own = own != NULL};
    if (own != NULL) {
        found_out->deadline_ms = own->deadline_ms;
        found_out->value = own->value.data;
        found_out->len = own->value.len;
        bool is_over = own->deadline_ms != 0 && own->deadline_ms <= adb_os_wall_ms(group->db->os);
        return own->verb == SHARD_DELETE || is_over ? ARMDB_NOT_FOUND : ARMDB_OK;
    }
    if (keys->value_bytes != 0)
        found_out->value = found_out->inlined;
    found_out->location = adb_index_get(keys, key, (void *)(uintptr_t)found_out->value);
    if (found_out->location == 0)
        return ARMDB_NOT_FOUND;
    found_out->len = adb_location_value_len(found_out->location);
    return adb_shard_read_deadline(group->part.shard, found_out->location, key,
                                   &found_out->deadline_ms);
}

/* Copies the value that was found. */
static armdb_err
take(const struct group *group, const struct found *found, armdb_slice key, void *to)
{
    if (!found->is_own && found->value == NULL)
        return adb_shard_read_value(group->part.shard, found->location, key, to);
    if (found->len > 0)
        memcpy(to, found->value, found->len);
    return ARMDB_OK;
}

armdb_err
adb_db_group_get(struct group *group, struct collection *collection, armdb_read *read)
{
    struct found found;
    ADB_TRY(look(group, collection, read->key, &found));
    read->len = found.len;
    if (found.len > read->capacity)
        return adb_fail(ARMDB_BUFFER_TOO_SMALL, "get",
                        "the value has %zu bytes, the buffer has room for %zu", found.len,
                        read->capacity);
    armdb_err err = take(group, &found, read->key, read->buffer);
    if (err != ARMDB_OK)
        read->len = 0;
    return err;
}

armdb_err
adb_db_group_get_value(struct group *group, struct collection *collection, armdb_slice key,
                       armdb_value *value_out)
{
    struct found found;
    void *to;
    ADB_TRY(look(group, collection, key, &found));
    ADB_TRY(adb_value_new(group->db->account, (uint32_t)found.len, value_out, &to));
    armdb_err err = take(group, &found, key, to);
    if (err != ARMDB_OK)
        adb_value_release(value_out);
    return err;
}

armdb_err
adb_db_group_contains(struct group *group, struct collection *collection, armdb_slice key,
                      bool *found_out)
{
    struct found found;
    armdb_err err = look(group, collection, key, &found);
    *found_out = err == ARMDB_OK;
    return err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
}

/* ----------------------------------------------------------------------- writing */

armdb_err
adb_db_group_write(struct group *group, struct collection *collection, enum shard_verb verb,
                   armdb_slice key, armdb_slice value, const armdb_write_options *options)
{
    const struct batch_addition addition = {
        .collection = collection,
        .key = key,
        .is_write = true,
        .verb = verb == SHARD_DELETE ? SHARD_DELETE : SHARD_PUT,
        .condition = SHARD_ALWAYS, /* what a condition would ask is asked here, of the group */
        .value = value,
        .options = options,
    };
    struct found found;
    if (verb == SHARD_PUT) {
        ADB_TRY(check(group, collection, key));
        return add(group, &addition);
    }
    armdb_err err = look(group, collection, key, &found);
    if (verb == SHARD_INSERT)
        err = err == ARMDB_OK ? ARMDB_EXISTS : err == ARMDB_NOT_FOUND ? ARMDB_OK : err;
    return err == ARMDB_OK ? add(group, &addition) : err;
}

armdb_err
adb_db_group_add(struct group *group, struct collection *collection, armdb_slice key, int64_t delta,
                 int64_t *sum_out)
{
    const uint32_t width = collection->index.keys.value_bytes;
    armdb_write_options options = ARMDB_WRITE_OPTIONS_INIT;
    struct adb_addition sum = {.delta = delta};
    struct found found;
    ADB_TRY(adb_collection_check_number(collection));
    armdb_err err = look(group, collection, key, &found);
    if (err != ARMDB_OK && err != ARMDB_NOT_FOUND)
        return err;
    armdb_slice number = {NULL, 0}; /* it counts as 0 */
    if (err == ARMDB_OK) {
        number = (armdb_slice){found.value, width};
        options.expires_at_ms = found.deadline_ms;
    }
    ADB_TRY(adb_number_add(number, width, &sum));
    ADB_TRY(add(group, &(struct batch_addition){.collection = collection,
                                                .key = key,
                                                .is_write = true,
                                                .verb = SHARD_PUT,
                                                .condition = SHARD_ALWAYS,
                                                .value = {sum.bytes, width},
                                                .options = &options}));
    *sum_out = sum.sum;
    return ARMDB_OK;
}

/* ----------------------------------------------------------------------- running */

/* Forgets what was written, if the group begins anew. */
static void
begin(struct group *group)
{
    adb_db_batch_clear(group->batch);
    adb_mem_free(group->slots);
    group->slots = NULL;
    group->n_slots = 0;
}

/* Under the shard's lock. */
static armdb_err
gather(void *context)
{
    struct group *group = (struct group *)context;
    begin(group);
    adb_is_in_group = true;
    armdb_err err = group->call->fn(group->call->context, group);
    adb_is_in_group = false;
    group->work.ops = group->batch->ops;
    return err == ARMDB_OK ? adb_batch_part(group->batch, group->shard, &group->part) : err;
}

armdb_err
adb_db_group_run(const struct group_call *call, const armdb_write_options *options)
{
    struct db *db = call->collection->db;
    struct batch_ticket ticket;
    struct group group = {.call = call, .db = db};
    group.work = (struct shard_batch){
        .parts = &group.part, .n_parts = 1, .gather = gather, .gather_context = &group};
    ADB_TRY(adb_batch_settle(db, options, &group.work, &ticket));
    ADB_TRY(adb_collection_check_key(call->collection, call->key));
    group.shard = adb_router_shard(&db->router, call->key);
    group.part.shard = db->shards[group.shard];
    ADB_TRY(adb_db_batch_new(db, &group.batch));
    armdb_err err = adb_shard_write_batch(&group.work);
    begin(&group);
    adb_db_batch_free(group.batch);
    adb_objects_reclaim(db, OBJECTS_RETIRED_MAX);
    if (err == ARMDB_OK && ticket.sequence != 0)
        *options->ticket = (armdb_ticket){.sequence = ticket.sequence, .shard = group.shard};
    return err;
}
