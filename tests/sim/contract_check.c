#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/contract.h"
#include "sim/require.h"

/* ---------------------------------------------------------------- collections */

/* What the list of the database says of a collection of the history; NULL if it is not listed. */
static const armdb_collection_info *
find_info(const struct contract_collection *collection, const armdb_collection_info *infos,
          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(infos[i].name, collection->name) != 0)
            continue;
        if (collection->is_created == CONTRACT_YES ? infos[i].id == collection->id
                                                   : infos[i].id > 0)
            return &infos[i];
    }
    return NULL;
}

static bool
has_settings(const struct contract_collection *collection, const armdb_collection_info *info)
{
    return info->key_bytes == collection->key_bytes && info->order == collection->order &&
           info->value_bytes == collection->value_bytes;
}

/* Compares one collection with the list, and settles what was in doubt; whether it is there. */
static bool
settle_collection(struct contract *contract, struct contract_collection *collection,
                  const armdb_collection_info *infos, size_t count)
{
    const armdb_collection_info *info = find_info(collection, infos, count);
    /* There may be others of the same name: older ones, or such whose creation failed as well. */
    if (collection->is_created == CONTRACT_MAYBE && info != NULL &&
        (info->id <= contract->newest_id || !has_settings(collection, info)))
        info = NULL;
    bool must = collection->is_created == CONTRACT_YES && collection->is_dropped == CONTRACT_NO;
    bool must_not = collection->is_created == CONTRACT_NO || collection->is_dropped == CONTRACT_YES;
    REQUIRE(!must || info != NULL, "collection \"%s\" (%u) is lost", collection->name,
            collection->id);
    REQUIRE(!must_not || info == NULL, "collection \"%s\" (%u) came back", collection->name,
            collection->id);
    if (info == NULL) {
        if (collection->is_created == CONTRACT_MAYBE)
            collection->is_created = CONTRACT_NO;
        else
            collection->is_dropped = CONTRACT_YES;
        return false;
    }
    REQUIRE(has_settings(collection, info), "collection \"%s\" has other settings",
            collection->name);
    collection->is_created = CONTRACT_YES;
    collection->is_dropped = CONTRACT_NO;
    collection->id = info->id;
    if (contract->newest_id < info->id)
        contract->newest_id = info->id;
    return true;
}

static void
check_collections(struct contract *contract, struct db *db)
{
    armdb_collection_info infos[CONTRACT_COLLECTIONS_MAX];
    size_t count;
    size_t known = 0;
    adb_collection_list(db, infos, CONTRACT_COLLECTIONS_MAX, &count);
    for (uint32_t i = 0; i < contract->collection_count; i++) {
        struct contract_collection *collection = &contract->collections[i];
        if (collection->is_created == CONTRACT_NO ||
            !settle_collection(contract, collection, infos, count))
            continue;
        known++;
    }
    REQUIRE(known == count, "%zu collections, %zu of them known", count, known);
}

/* --------------------------------------------------------------------- shards */

/* Whether `names` has the data file with that id. */
static bool
has_log(char **names, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++) {
        char *end;
        if (strtoull(names[i], &end, 10) == id && strcmp(end, ".log") == 0)
            return true;
    }
    return false;
}

/* After an open there are the data files that the shard knows, and no others, and hints of these at
 * most; and ids grow. */
static void
check_files(struct contract_shard *shard, uint32_t number, struct db *db, struct sim *sim,
            const char *path, bool may_keep_hints)
{
    char directory[256];
    char **names;
    armdb_shard_info info;
    uint64_t files = 0;
    uint64_t newest = 0;
    int len = snprintf(directory, sizeof directory, "%s/shard-%03u", path, number);
    REQUIRE(len < (int)sizeof directory, "path too long");
    size_t count = sim_list(sim, directory, &names);
    for (size_t i = 0; i < count; i++) {
        char *end;
        if (strcmp(names[i], "buffer") == 0 || strcmp(names[i], "buffer.tmp") == 0)
            continue;
        uint64_t id = strtoull(names[i], &end, 10);
        if (strcmp(end, ".hint") == 0) {
            REQUIRE(may_keep_hints || has_log(names, count, id), "%s holds \"%s\" of no data file",
                    directory, names[i]);
            continue;
        }
        REQUIRE(strcmp(end, ".log") == 0, "%s holds \"%s\"", directory, names[i]);
        newest = id > newest ? id : newest;
        files++;
    }
    free(names);
    REQUIRE_OK(adb_db_get_shard_info(db, number, &info));
    REQUIRE(files == info.files, "%s: %" PRIu64 " files, the shard has %" PRIu64, directory, files,
            info.files);
    REQUIRE(newest >= shard->newest_file, "%s: the newest file is %" PRIu64 ", it was %" PRIu64,
            directory, newest, shard->newest_file);
    shard->newest_file = newest;
}

static void
check_shard(struct contract_shard *shard, uint32_t number, struct db *db, enum contract_end end)
{
    armdb_shard_info info;
    size_t most = shard->count + shard->unsure;
    size_t least = end == CONTRACT_CUT ? shard->cut_floor : shard->killed_floor;
    REQUIRE_OK(adb_db_get_shard_info(db, number, &info));
    REQUIRE(info.failure == ARMDB_OK, "shard %u opens as failed", number);
    REQUIRE(info.newest_sequence >= least,
            "shard %u lost acknowledged writes: it is at %" PRIu64 ", promised were %zu", number,
            info.newest_sequence, least);
    REQUIRE(info.newest_sequence <= most, "shard %u is at %" PRIu64 ", but %zu were written",
            number, info.newest_sequence, most);
    REQUIRE(info.synced_sequence == info.newest_sequence,
            "shard %u: %" PRIu64 " synced of %" PRIu64 " after open", number, info.synced_sequence,
            info.newest_sequence);
    shard->count = (size_t)info.newest_sequence;
    shard->unsure = 0;
    shard->killed_floor = shard->count;
    shard->cut_floor = shard->count;
}

/* Of each batch there are all writes, in all shards, or none. What is there now stays. */
static void
check_batches(struct contract *contract)
{
    for (size_t i = 0; i < contract->batch_count; i++) {
        const struct contract_batch *batch = &contract->batches[i];
        uint32_t whole = 0;
        uint32_t absent = 0;
        for (uint32_t j = 0; j < contract->shard_count; j++) {
            size_t count = contract->shards[j].count;
            if (batch->from[j] == batch->to[j])
                continue;
            REQUIRE(count <= batch->from[j] || count >= batch->to[j],
                    "shard %u is at %zu, within the part %zu..%zu of a batch", j, count,
                    batch->from[j] + 1, batch->to[j]);
            whole += count >= batch->to[j];
            absent += count <= batch->from[j];
        }
        REQUIRE(whole == 0 || absent == 0, "%u shards have their part of a batch, %u have not",
                whole, absent);
    }
    contract->batch_count = 0;
}

/* Makes `live` what the histories of the shards, as they are now, come to. */
static void
replay(struct contract *contract)
{
    for (uint32_t i = 0; i < contract->collection_count; i++)
        memset(contract->collections[i].live, 0, sizeof contract->collections[i].live);
    for (uint32_t i = 0; i < contract->shard_count; i++) {
        const struct contract_shard *shard = &contract->shards[i];
        for (size_t j = 0; j < shard->count; j++)
            contract_apply(contract, &shard->writes[j]);
    }
}

void
contract_check_shape(struct contract *contract, struct db *db, enum contract_end end,
                     struct sim *sim, const char *path)
{
    armdb_stats stats = {.struct_bytes = sizeof stats};
    adb_db_get_stats(db, &stats);
    REQUIRE(contract->shard_count == 0 || contract->shard_count == stats.shards, "%u shards",
            stats.shards);
    REQUIRE(stats.shards <= CONTRACT_SHARDS_MAX, "too many shards for the test");
    contract->shard_count = stats.shards;
    check_collections(contract, db);
    uint64_t records = 0;
    for (uint32_t i = 0; i < contract->shard_count; i++) {
        check_shard(&contract->shards[i], i, db, end);
        records += contract->shards[i].count;
        if (sim != NULL)
            check_files(&contract->shards[i], i, db, sim, path, contract->may_keep_hints);
    }
    check_batches(contract);
    REQUIRE(stats.recovered_records == records ||
                (contract->is_compacted && stats.recovered_records < records),
            "%" PRIu64 " records recovered, not %" PRIu64, stats.recovered_records, records);
    replay(contract);
}

void
contract_check(struct contract *contract, struct db *db, enum contract_end end, struct sim *sim,
               const char *path)
{
    contract_check_shape(contract, db, end, sim, path);
    contract_check_live(contract, db);
}

/* ------------------------------------------------------------------- contents */

/* A walk has come from key `after` to `number`: in order, and past no key that is there. */
static void
check_order(const struct contract_collection *collection, uint32_t after, uint32_t number)
{
    bool is_ascending = collection->order == ARMDB_ASCENDING;
    uint32_t between = is_ascending ? after + 1 : after - 1;
    REQUIRE(is_ascending ? number >= between : number < after, "\"%s\": key %u comes after key %u",
            collection->name, number, after);
    for (; between != number; between += is_ascending ? 1u : UINT32_MAX)
        REQUIRE(collection->live[between].is_there != CONTRACT_YES, "\"%s\": key %u is missing",
                collection->name, between);
}

/* The number of the key under the cursor, which must hold what it should. Without order the walk
 * must only not have been there before. */
static uint32_t
check_pair(const struct contract_collection *collection, struct cursor *cursor, uint32_t after,
           bool *is_met)
{
    armdb_slice key = adb_cursor_key(cursor);
    uint32_t number = contract_number(collection, key);
    REQUIRE(number < CONTRACT_KEYS, "\"%s\": a key that was never written: %.*s", collection->name,
            (int)key.len, (const char *)key.data);
    REQUIRE(!is_met[number], "\"%s\": key %u comes twice", collection->name, number);
    is_met[number] = true;
    if (collection->order != ARMDB_UNORDERED)
        check_order(collection, after, number);
    REQUIRE(collection->live[number].is_there != CONTRACT_NO,
            "\"%s\": key %u is there, but was deleted, or has expired", collection->name, number);
    REQUIRE(contract_is_value(collection->live[number], adb_cursor_value(cursor)),
            "\"%s\": key %u has a value of %zu bytes, not that of write %u of %u bytes",
            collection->name, number, adb_cursor_value(cursor).len, collection->live[number].stamp,
            collection->live[number].len);
    return number;
}

static void
check_deadline(struct collection *opened, armdb_slice key, const struct contract_value *value)
{
    uint64_t deadline_ms;
    REQUIRE_OK(adb_db_deadline(opened, key, &deadline_ms));
    REQUIRE(deadline_ms == value->deadline_ms,
            "the deadline of write %u is %" PRIu64 ", not %" PRIu64, value->stamp, deadline_ms,
            value->deadline_ms);
}

static void
check_contents(const struct contract_collection *collection, struct collection *opened)
{
    struct cursor *cursor;
    uint64_t count;
    uint64_t met = 0;
    uint64_t least = 0; /* keys that must be there, */
    uint64_t most = 0;  /* and those that may have to be deleted yet */
    bool is_met[CONTRACT_KEYS] = {false};
    uint32_t number = collection->order == ARMDB_ASCENDING ? UINT32_MAX : CONTRACT_KEYS;
    armdb_err err;
    REQUIRE_OK(adb_cursor_open(opened, NULL, &cursor));
    while ((err = adb_cursor_move(cursor, CURSOR_NEXT)) == ARMDB_OK) {
        number = check_pair(collection, cursor, number, is_met);
        check_deadline(opened, adb_cursor_key(cursor), &collection->live[number]);
        met++;
    }
    REQUIRE(err == ARMDB_END, "the walk ends with %s", armdb_err_name(err));
    adb_cursor_close(cursor);
    for (uint32_t i = 0; i < CONTRACT_KEYS; i++) {
        bool must = collection->live[i].is_there == CONTRACT_YES;
        REQUIRE(!must || is_met[i], "\"%s\": key %u is missing", collection->name, i);
        least += must;
        most += collection->live[i].stamp != 0;
    }
    REQUIRE_OK(adb_db_count(opened, &count));
    REQUIRE(count >= met && count >= least && count <= most,
            "\"%s\": count says %" PRIu64 ", not %" PRIu64 "..%" PRIu64, collection->name, count,
            least, most);
}

void
contract_check_live(const struct contract *contract, struct db *db)
{
    for (uint32_t i = 0; i < contract->collection_count; i++) {
        const struct contract_collection *collection = &contract->collections[i];
        struct collection *opened;
        if (collection->is_created != CONTRACT_YES || collection->is_dropped == CONTRACT_YES)
            continue;
        REQUIRE_OK(adb_collection_open(db, collection->name, NULL, &opened));
        check_contents(collection, opened);
    }
}

/* --------------------------------------------------------------------- verify */

static void
print_damage(void *context, const armdb_damage *damage)
{
    (void)context;
    fprintf(stderr, "damage: %s at %" PRIu64 " (shard %u): %s\n", damage->file, damage->offset,
            damage->shard, damage->message);
}

void
contract_verify(const struct contract *contract, struct adb_os *os, const char *path)
{
    armdb_verify_report report;
    armdb_err err = adb_db_verify(os, path, print_damage, NULL, &report);
    if (err == ARMDB_NO_DATABASE && contract->shard_count == 0)
        return;
    REQUIRE(err == ARMDB_OK, "verify says %s", armdb_err_name(err));
}
