#include "sim/contract.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/db_private.h"
#include "sim/require.h"
#include "support/seed.h"

/* ----------------------------------------------------------------------- life */

static void *
copy_bytes(const void *from, size_t bytes)
{
    void *copy = require_memory(NULL, bytes);
    if (bytes > 0)
        memcpy(copy, from, bytes);
    return copy;
}

struct contract *
contract_new(void)
{
    struct contract *contract = (struct contract *)require_memory(NULL, sizeof *contract);
    *contract = (struct contract){.collection_count = 1};
    contract->collections[0] = (struct contract_collection){
        .name = "default",
        .key_bytes = ARMDB_KEY_VARIABLE,
        .order = ARMDB_ASCENDING,
        .value_bytes = ARMDB_VALUE_VARIABLE,
        .is_created = CONTRACT_YES,
    };
    return contract;
}

struct contract *
contract_copy(const struct contract *contract)
{
    struct contract *copy = (struct contract *)copy_bytes(contract, sizeof *contract);
    for (uint32_t i = 0; i < CONTRACT_SHARDS_MAX; i++) {
        struct contract_shard *shard = &copy->shards[i];
        shard->capacity = shard->count + shard->unsure;
        shard->writes = (struct contract_write *)copy_bytes(
            shard->writes, shard->capacity * sizeof *shard->writes);
    }
    copy->batches = (struct contract_batch *)copy_bytes(
        contract->batches, contract->batch_count * sizeof *contract->batches);
    return copy;
}

void
contract_free(struct contract *contract)
{
    if (contract == NULL)
        return;
    for (uint32_t i = 0; i < CONTRACT_SHARDS_MAX; i++)
        free(contract->shards[i].writes);
    free(contract->batches);
    free(contract);
}

/* ------------------------------------------------------------ keys and values */

armdb_slice
contract_key(const struct contract_collection *collection, uint32_t number, unsigned char *room)
{
    size_t len = collection->key_bytes;
    if (len == ARMDB_KEY_VARIABLE)
        len = 2 + number * 37 % 60 + (number % 11 == 3 ? 180 : 0);
    memset(room, (int)('a' + number % 26), len);
    room[0] = (unsigned char)('A' + number / 4);
    room[1] = (unsigned char)('0' + number % 4);
    return (armdb_slice){room, len};
}

uint32_t
contract_number(const struct contract_collection *collection, armdb_slice key)
{
    unsigned char room[CONTRACT_KEY_BYTES];
    const unsigned char *bytes = (const unsigned char *)key.data;
    if (key.len < 2 || bytes[0] < 'A' || bytes[1] < '0' || bytes[1] > '3')
        return CONTRACT_KEYS;
    uint32_t number = (bytes[0] - (uint32_t)'A') * 4 + (bytes[1] - (uint32_t)'0');
    if (number >= CONTRACT_KEYS)
        return CONTRACT_KEYS;
    armdb_slice made = contract_key(collection, number, room);
    bool is_it = made.len == key.len && memcmp(made.data, key.data, key.len) == 0;
    return is_it ? number : CONTRACT_KEYS;
}

void
contract_fill(uint32_t stamp, uint32_t len, unsigned char *to)
{
    struct test_rng rng = test_rng_make(stamp);
    test_rng_fill(&rng, to, len);
}

uint64_t
contract_deadline(uint32_t stamp)
{
    return stamp % 3 == 1 ? UINT64_MAX - stamp : 0;
}

bool
contract_is_value(struct contract_value value, armdb_slice bytes)
{
    struct test_rng rng = test_rng_make(value.stamp);
    const unsigned char *at = (const unsigned char *)bytes.data;
    unsigned char piece[512];
    size_t left = bytes.len;
    if (value.stamp == 0 || value.len != bytes.len)
        return false;
    while (left > 0) {
        size_t part = left < sizeof piece ? left : sizeof piece;
        test_rng_fill(&rng, piece, part);
        if (memcmp(piece, at, part) != 0)
            return false;
        at += part;
        left -= part;
    }
    return true;
}

uint32_t
contract_route(const struct db *db, armdb_slice key)
{
    const struct shard *shard = adb_db_route(db, key);
    uint32_t number = 0;
    while (db->shards[number] != shard)
        number++;
    return number;
}

/* --------------------------------------------------------------------- writes */

static void
append(struct contract_shard *shard, const struct contract_write *write)
{
    size_t count = shard->count + shard->unsure;
    if (count + 1 > shard->capacity) {
        shard->capacity = count * 2 + 16;
        shard->writes = (struct contract_write *)require_memory(
            shard->writes, shard->capacity * sizeof *shard->writes);
    }
    shard->writes[count] = *write;
}

static void
look_at_clock(const struct contract *contract, struct contract_value *value)
{
    value->is_there = value->stamp != 0 ? CONTRACT_YES : CONTRACT_NO;
    if (value->stamp == 0 || value->deadline_ms == 0)
        return;
    if (value->deadline_ms <= contract->now_ms)
        value->is_there = CONTRACT_NO;
    else if (value->deadline_ms <= contract->highest_ms)
        value->is_there = CONTRACT_MAYBE;
}

void
contract_apply(struct contract *contract, const struct contract_write *write)
{
    if (write->collection == CONTRACT_EXPIRY)
        return;
    struct contract_value *value = &contract->collections[write->collection].live[write->key];
    *value = (struct contract_value){
        .stamp = write->stamp, .len = write->value_len, .deadline_ms = write->deadline_ms};
    look_at_clock(contract, value);
}

void
contract_set_time(struct contract *contract, uint64_t now_ms)
{
    contract->now_ms = now_ms;
    if (contract->highest_ms < now_ms)
        contract->highest_ms = now_ms;
    for (uint32_t i = 0; i < contract->collection_count; i++) {
        for (uint32_t key = 0; key < CONTRACT_KEYS; key++)
            look_at_clock(contract, &contract->collections[i].live[key]);
    }
}

bool
contract_has_expired(const struct contract *contract)
{
    for (uint32_t i = 0; i < contract->shard_count; i++) {
        const struct contract_shard *shard = &contract->shards[i];
        for (size_t j = 0; j < shard->count; j++) {
            uint64_t deadline_ms = shard->writes[j].deadline_ms;
            if (deadline_ms != 0 && deadline_ms <= contract->highest_ms)
                return true;
        }
    }
    return false;
}

void
contract_accept(struct contract *contract, uint32_t shard, const struct contract_write *write)
{
    REQUIRE(contract->shards[shard].unsure == 0, "shard %u takes a write behind one in doubt",
            shard);
    append(&contract->shards[shard], write);
    contract->shards[shard].count++;
    contract_apply(contract, write);
}

void
contract_doubt(struct contract *contract, uint32_t shard, const struct contract_write *write)
{
    append(&contract->shards[shard], write);
    contract->shards[shard].unsure++;
}

void
contract_bind(struct contract *contract, const size_t counts[CONTRACT_SHARDS_MAX])
{
    struct contract_batch batch;
    for (uint32_t i = 0; i < CONTRACT_SHARDS_MAX; i++) {
        batch.to[i] = contract->shards[i].count + contract->shards[i].unsure;
        batch.from[i] = batch.to[i] - counts[i];
    }
    contract->batches = (struct contract_batch *)require_memory(
        contract->batches, (contract->batch_count + 1) * sizeof batch);
    contract->batches[contract->batch_count++] = batch;
}

bool
contract_is_bound(const struct contract *contract, uint32_t shard)
{
    for (size_t i = 0; i < contract->batch_count; i++) {
        const struct contract_batch *batch = &contract->batches[i];
        uint32_t parts = 0;
        for (uint32_t j = 0; j < contract->shard_count; j++)
            parts += batch->from[j] < batch->to[j];
        if (parts > 1 && batch->from[shard] < batch->to[shard] &&
            batch->to[shard] > contract->shards[shard].cut_floor)
            return true;
    }
    return false;
}

void
contract_promise_first(struct contract *contract, uint32_t number, size_t count,
                       armdb_durability level)
{
    struct contract_shard *shard = &contract->shards[number];
    REQUIRE(count <= shard->count, "%zu of %zu writes", count, shard->count);
    if (level >= ARMDB_WRITTEN && shard->killed_floor < count)
        shard->killed_floor = count;
    if (level >= ARMDB_SYNCED && shard->cut_floor < count)
        shard->cut_floor = count;
}

void
contract_promise(struct contract *contract, uint32_t number, armdb_durability level)
{
    contract_promise_first(contract, number, contract->shards[number].count, level);
}

void
contract_promise_all(struct contract *contract, armdb_durability level)
{
    for (uint32_t i = 0; i < contract->shard_count; i++)
        contract_promise(contract, i, level);
}

void
contract_observe(struct contract *contract, struct db *db)
{
    for (uint32_t i = 0; i < contract->shard_count; i++) {
        struct contract_shard *shard = &contract->shards[i];
        armdb_shard_info info;
        REQUIRE_OK(adb_db_get_shard_info(db, i, &info));
        if (info.newest_sequence > shard->count && contract_has_expired(contract)) {
            const struct contract_write expiry = {.collection = CONTRACT_EXPIRY};
            while (info.newest_sequence > shard->count)
                contract_accept(contract, i, &expiry);
        }
        REQUIRE(info.newest_sequence == shard->count, "shard %u is at %" PRIu64 ", not at %zu", i,
                info.newest_sequence, shard->count);
        REQUIRE(info.synced_sequence <= shard->count, "%" PRIu64, info.synced_sequence);
        if (shard->cut_floor < info.synced_sequence)
            shard->cut_floor = (size_t)info.synced_sequence;
        if (shard->killed_floor < shard->cut_floor)
            shard->killed_floor = shard->cut_floor;
    }
}

/* ---------------------------------------------------------------- collections */

uint32_t
contract_find(const struct contract *contract, const char *name)
{
    for (uint32_t i = 0; i < contract->collection_count; i++) {
        const struct contract_collection *collection = &contract->collections[i];
        if (collection->is_created == CONTRACT_YES && collection->is_dropped != CONTRACT_YES &&
            strcmp(collection->name, name) == 0)
            return i;
    }
    return UINT32_MAX;
}

void
contract_describe_default(struct contract *contract, const armdb_collection_options *options)
{
    struct contract_collection *collection = &contract->collections[0];
    collection->key_bytes = options->key_bytes != 0 ? options->key_bytes : ARMDB_KEY_VARIABLE;
    collection->order = options->order != ARMDB_ORDER_DEFAULT ? options->order : ARMDB_ASCENDING;
    collection->value_bytes = options->value_bytes != 0 ? options->value_bytes
                                                        : ARMDB_VALUE_VARIABLE;
}

/* A manifest was stored: whatever failed before it did not happen. */
static void
settle_doubts(struct contract *contract)
{
    for (uint32_t i = 0; i < contract->collection_count; i++) {
        struct contract_collection *collection = &contract->collections[i];
        if (collection->is_created == CONTRACT_MAYBE)
            collection->is_created = CONTRACT_NO;
        if (collection->is_dropped == CONTRACT_MAYBE)
            collection->is_dropped = CONTRACT_NO;
    }
}

void
contract_create(struct contract *contract, const char *name,
                const armdb_collection_options *options, struct collection *created)
{
    REQUIRE(contract->collection_count < CONTRACT_COLLECTIONS_MAX, "too many for the test");
    if (created != NULL)
        settle_doubts(contract);
    struct contract_collection *collection = &contract->collections[contract->collection_count++];
    *collection = (struct contract_collection){
        .key_bytes = options->key_bytes,
        .order = options->order,
        .value_bytes = options->value_bytes != 0 ? options->value_bytes : ARMDB_VALUE_VARIABLE,
        .is_created = created != NULL ? CONTRACT_YES : CONTRACT_MAYBE,
    };
    snprintf(collection->name, sizeof collection->name, "%s", name);
    if (created == NULL)
        return;
    armdb_collection_info info;
    REQUIRE_OK(adb_collection_get_info(created, &info));
    REQUIRE(info.id > contract->newest_id, "id %u of \"%s\" was given out before", info.id, name);
    collection->id = info.id;
    contract->newest_id = info.id;
}

void
contract_drop(struct contract *contract, uint32_t place, enum contract_truth is_dropped)
{
    if (is_dropped == CONTRACT_YES)
        settle_doubts(contract);
    contract->collections[place].is_dropped = is_dropped;
}
