/*
 * soak_hook.c: a hook of the default collection is told of each of its writes once, in the order of
 * each shard, and of what is there when it is set.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "sim/require.h"
#include "sim/soak.h"

enum { VALUE_MAX = 600 * 1024 };

static unsigned char value[VALUE_MAX];

static uint32_t
digest(armdb_slice bytes)
{
    return bytes.len == 0 ? 0 : adb_crc32c(0, bytes.data, bytes.len);
}

/* An armdb_change_fn. */
static void
hear(void *context, const armdb_change *change)
{
    struct soak_ear *ear = (struct soak_ear *)context;
    ear->heard = (struct soak_heard *)require_memory(ear->heard,
                                                     (ear->count + 1) * sizeof *ear->heard);
    ear->heard[ear->count++] = (struct soak_heard){
        .kind = change->kind,
        .shard = change->shard,
        .sequence = change->sequence,
        .key = contract_number(&ear->contract->collections[0], change->key),
        .value_len = (uint32_t)change->value.len,
        .digest = digest(change->value),
    };
}

/* An armdb_live_fn. */
static armdb_err
hear_live(void *context, const armdb_change *pair)
{
    struct soak_ear *ear = (struct soak_ear *)context;
    const struct contract_collection *collection = &ear->contract->collections[0];
    uint32_t key = contract_number(collection, pair->key);
    REQUIRE(pair->kind == ARMDB_CHANGE_LIVE && key < CONTRACT_KEYS && !ear->is_met[key] &&
                collection->live[key].is_there != CONTRACT_NO,
            "the hook is told that key %u is there", key);
    REQUIRE(contract_is_value(collection->live[key], pair->value),
            "the hook is told of a wrong value of key %u", key);
    ear->is_met[key] = true;
    return ARMDB_OK;
}

void
soak_ear_open(struct soak_ear *ear, struct contract *contract, struct db *db)
{
    armdb_hook hook = ARMDB_HOOK_INIT;
    hook.on_change = hear;
    hook.on_init = hear_live;
    hook.context = ear;
    ear->contract = contract;
    ear->count = 0;
    memset(ear->is_met, 0, sizeof ear->is_met);
    REQUIRE_OK(adb_collection_set_hook(adb_db_default(db), NULL, &hook));
    for (uint32_t key = 0; key < CONTRACT_KEYS; key++)
        REQUIRE(ear->is_met[key] || contract->collections[0].live[key].is_there != CONTRACT_YES,
                "the hook is not told of key %u", key);
    for (uint32_t i = 0; i < contract->shard_count; i++)
        ear->next[i] = contract->shards[i].count;
}

/* Passes writes of a shard of which the hook has not been told, up to the `end`-th. */
static void
pass(struct soak_ear *ear, uint32_t shard, size_t end)
{
    for (; ear->next[shard] < end; ear->next[shard]++) {
        const struct contract_write *write = &ear->contract->shards[shard].writes[ear->next[shard]];
        REQUIRE(write->collection != 0, "the hook was not told of write %zu of shard %u",
                ear->next[shard] + 1, shard);
    }
}

static void
check_heard(const struct soak_heard *heard, const struct contract_write *write)
{
    if (heard->kind == ARMDB_CHANGE_EXPIRE) {
        REQUIRE(write->collection == CONTRACT_EXPIRY, "the hook is told of an expiry at a write");
        return;
    }
    REQUIRE(write->collection == 0 && write->key == heard->key &&
                (write->stamp != 0) == (heard->kind == ARMDB_CHANGE_PUT) &&
                write->value_len == heard->value_len,
            "the hook is told something else of key %u", heard->key);
    if (write->stamp == 0)
        return;
    contract_fill(write->stamp, write->value_len, value);
    REQUIRE(heard->digest == digest((armdb_slice){value, write->value_len}),
            "the hook is told of a wrong value of key %u", heard->key);
}

void
soak_ear_check(struct soak_ear *ear)
{
    for (size_t i = 0; i < ear->count; i++) {
        const struct soak_heard *heard = &ear->heard[i];
        const struct contract_shard *shard = &ear->contract->shards[heard->shard];
        REQUIRE(heard->sequence > ear->next[heard->shard] && heard->sequence <= shard->count,
                "the hook is told of write %" PRIu64 " of shard %u, which has %zu", heard->sequence,
                heard->shard, shard->count);
        pass(ear, heard->shard, heard->sequence - 1);
        check_heard(heard, &shard->writes[heard->sequence - 1]);
        ear->next[heard->shard]++;
    }
    ear->count = 0;
    for (uint32_t i = 0; i < ear->contract->shard_count; i++)
        pass(ear, i, ear->contract->shards[i].count);
}

void
soak_ear_fini(struct soak_ear *ear)
{
    free(ear->heard);
    *ear = (struct soak_ear){.count = 0};
}
